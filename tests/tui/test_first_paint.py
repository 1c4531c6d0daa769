"""What a screen shows first: all of its parts at once, and a chart as soon as it comes."""

import asyncio

import pytest
from fake_link import FakeLink

from core.model.market import Timeframe
from tui.app import ClxApp
from tui.screens.markets import MarketsScreen
from tui.screens.ticket import TicketScreen


class SlowLink(FakeLink):
    """Answers a view a turn of the loop later, as an engine does at the soonest."""

    def watch(self, view):
        self.views.append(view)
        asyncio.get_running_loop().call_soon(self.send_chart)


@pytest.fixture
def painted(monkeypatch):
    """Collect (screen, what stands on it) of every paint."""
    out = []
    display = ClxApp._display

    def keep(app, screen, update):
        if update is not None:
            lines = app.screen._compositor.render_strips()
            out.append((screen, "\n".join("".join(part.text for part in line) for line in lines)))
        display(app, screen, update)

    monkeypatch.setattr(ClxApp, "_display", keep)
    return out


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_first_paint_has_every_part(opened, painted, size):
    async with opened(size=size):
        first = painted[0][1]
    assert "BTC-USDT" in first
    assert "spread" in first
    assert "help" in first.splitlines()[-1]


async def test_without_an_engine_the_first_paint_says_so(opened, painted):
    async with opened(link=FakeLink(up=False)):
        assert "no engine yet" in painted[0][1]


async def test_another_screen_is_never_seen_without_what_it_shows(opened, painted, press):
    async with opened() as pilot:
        del painted[:]
        await press(pilot, "m")
    first = next(seen for screen, seen in painted if isinstance(screen, MarketsScreen))
    assert "MARKETS" in first
    assert "ETH-USDT" in first


async def test_a_chart_asked_for_is_drawn_when_it_comes_not_at_the_next_tick(opened, press):
    async with opened(link=SlowLink()) as pilot:
        screen = pilot.app.trade_screen
        screen._timer.stop()
        await pilot.press("right_square_bracket")
        chart = screen.pictures.chosen
        for _ in range(1_000):
            if chart.view is not None and chart.view.timeframe is Timeframe.M5:
                return
            await asyncio.sleep(0)
            await pilot.pause(0.001)
        raise AssertionError("only a tick would have drawn it")


async def test_a_dialog_is_laid_out_for_a_narrow_terminal_from_its_first_paint_on(
    opened, painted, press
):
    async with opened(size=(80, 24)) as pilot:
        del painted[:]
        await press(pilot, "b")
    first = next(seen for screen, seen in painted if isinstance(screen, TicketScreen))
    rows = first.splitlines()
    assert rows[23].startswith("╰" + "─" * 78)
    assert sum(row.startswith("╭" + "─" * 78) for row in rows) == 1
