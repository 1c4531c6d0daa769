"""Several charts, the depth of the book and its heatmap on the trade screen."""

import pytest
from fake_market import BTC

from core.model import commands as cmd
from core.model.errors import ConfigError
from core.model.market import Timeframe
from tui.draw.heatmap import NEW


def pictures(pilot):
    return pilot.app.trade_screen.pictures


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_layouts_ask_for_their_charts_and_show_them_where_they_fit(
    opened, press, look, link, size
):
    async with opened(size=size) as pilot:
        await press(pilot, "w")
        view = link.views[-1]
        assert [wish.timeframe for wish in view.charts] == [Timeframe.M15]
        assert view.charts[0].indicators == view.indicators
        seen = look(pilot).splitlines()[1]
        if size[0] >= 120:
            assert "►[1m]" in seen
            assert "[15m]" in look(pilot), "below, where there is no room beside"
        else:
            assert "1/2" in seen
        await press(pilot, "w", "w", "w")
        assert len(link.views[-1].charts) == 3
        await press(pilot, "w")
        assert link.views[-1].charts == ()


async def test_n_turns_to_the_next_chart_where_only_one_fits(opened, press, look, link):
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "w", "n")
        assert "[15m]" in look(pilot).splitlines()[1]
        assert "2/2" in look(pilot).splitlines()[1]
        await press(pilot, "n")
        assert "[1m]" in look(pilot).splitlines()[1]


async def test_timeframe_keys_act_on_the_chosen_chart_and_no_two_show_the_same(opened, press, link):
    async with opened(size=(200, 50)) as pilot:
        await press(pilot, "w", "n", "right_square_bracket")
        assert link.views[-1].timeframe == "1m"
        assert link.views[-1].charts[0].timeframe == "1h"
        await press(pilot, "n", "right_square_bracket", "right_square_bracket")
        assert link.views[-1].timeframe == "15m"
        await press(pilot, "right_square_bracket")
        assert (link.views[-1].timeframe, link.views[-1].charts[0].timeframe) == ("1h", "15m")


async def test_a_layout_that_comes_back_has_its_charts_as_they_were(opened, press, link):
    async with opened(size=(200, 50)) as pilot:
        await press(pilot, "w", "n", "right_square_bracket", "W")
        assert link.views[-1].charts == ()
        await press(pilot, "right_square_bracket", "w")
        assert (link.views[-1].timeframe, link.views[-1].charts[0].timeframe) == ("5m", "1h")


async def test_the_crosshair_stands_at_the_same_moment_in_every_chart(opened, press, link):
    async with opened(size=(200, 50)) as pilot:
        await press(pilot, "w", "i", "left", "left")
        first, second = pictures(pilot)._charts
        index, other = first.view.crosshair[0], second.view.crosshair[0]
        moment = first.view.bars.ts_open_ns[index]
        opens = [*second.view.bars.ts_open_ns, second.view.forming.ts_open_ns, 1 << 62]
        assert opens[other] <= moment < opens[other + 1]
        await press(pilot, "escape")
        assert second.view.crosshair is None


async def test_a_bar_that_closes_on_a_further_chart_is_drawn(opened, press, link, look):
    async with opened(size=(200, 50)) as pilot:
        await press(pilot, "w")
        second = pictures(pilot)._charts[1]
        link.markets[BTC].mid += 200
        link.send_tail()
        pilot.app.trade_screen._tick()
        assert second.view.last_ticks == link.markets[BTC].mid


async def test_a_typed_line_gives_the_chosen_chart_its_own_indicators(opened, press, link):
    async with opened(size=(200, 50)) as pilot:
        await press(pilot, "w", "n", "colon")
        pilot.app.screen.query_one("#line").value = "ind ema(9) macd(12,26,9)"
        await press(pilot, "enter")
        assert link.views[-1].charts[0].indicators == ("ema(9)", "macd(12,26,9)")
        assert link.views[-1].indicators[0] == "ema(20)"


async def test_an_indicator_the_engine_does_not_know_is_said_and_nothing_changes(
    opened, press, link, look
):
    link.answers[cmd.GetChart] = lambda _: ConfigError("unknown indicator 'emma'; did you mean ema")
    async with opened() as pilot:
        await press(pilot, "colon")
        pilot.app.screen.query_one("#line").value = "ind emma(9)"
        await press(pilot, "enter")
        assert "unknown indicator 'emma'" in look(pilot)
        assert link.views[-1].indicators[0] == "ema(20)"


# -- the book ------------------------------------------------------------------------------


def seconds(pilot, link, count):
    """Let the market move for some seconds, and the screen follow."""
    market = link.markets[BTC]
    for _ in range(count):
        for _ in range(10):
            market.move()
        view = link.views[-1]
        link.frame(
            ts_ns=market.ts_ns,
            quotes=[market.quote()],
            tape=market.tape(3),
            profile=market.profile(view.profile_step, view.profile_rows),
        )
        pilot.app.trade_screen._tick()


async def test_no_profile_is_asked_for_before_a_picture_needs_it(opened, press, link):
    async with opened() as pilot:
        assert link.views[-1].profile_rows == 0
        await press(pilot, "v")
        assert link.views[-1].profile_rows > 0
        mid = link.markets[BTC].mid
        assert 0 < link.views[-1].profile_step < mid / 1000


@pytest.mark.parametrize("size", [(80, 24), (240, 60)])
async def test_depth_and_heatmap_are_drawn_at_every_size(opened, press, look, link, size):
    async with opened(size=size) as pilot:
        await press(pilot, "v")
        seconds(pilot, link, 2)
        await press(pilot)
        seen = look(pilot)
        for words in ("depth", "BIDS", "ASKS", "0.05 %"):
            assert words in seen
        await press(pilot, "v")
        seconds(pilot, link, 12)
        await press(pilot)
        seen = look(pilot)
        assert "heatmap  1 s by" in seen
        assert any(sign in seen for sign in "▴▾")
        await press(pilot, "v")
        assert "[1m]" in look(pilot)


async def test_a_second_more_repaints_the_new_columns_alone(opened, press, link, monkeypatch):
    async with opened(size=(160, 48)) as pilot:
        await press(pilot, "v", "v")
        seconds(pilot, link, 25)
        heat = pictures(pilot).heat
        while link.markets[BTC].ts_ns // 1_000_000_000 % NEW != 3:
            seconds(pilot, link, 1)
        asked = []
        monkeypatch.setattr(heat.old, "refresh", lambda *r, **_: asked.extend(r))
        link.markets[BTC].step = 0
        seconds(pilot, link, 3)
        assert asked == []


async def test_recording_goes_on_behind_the_chart_and_starts_anew_elsewhere(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "v", "v", "v")
        seconds(pilot, link, 5)
        tape = pictures(pilot).tape
        assert len(tape.moments) >= 5
        pilot.app.trade_screen.look_at("ETH-USDT.binance")
        await press(pilot)
        market = link.markets["ETH-USDT.binance"]
        link.frame(ts_ns=market.ts_ns, profile=market.profile(10, 50))
        pilot.app.trade_screen._tick()
        assert tape.instrument_id == "ETH-USDT.binance"
        assert len(tape.moments) == 1


async def test_zoom_keys_act_on_the_picture_shown(opened, press, look, link):
    async with opened() as pilot:
        await press(pilot, "v")
        seconds(pilot, link, 1)
        await press(pilot, "plus")
        assert pictures(pilot).depth.shown_span < 0.005
        await press(pilot, "v")
        seconds(pilot, link, 2)
        before = pictures(pilot).heat._view.row_ticks
        await press(pilot, "minus", "right_square_bracket")
        seconds(pilot, link, 1)
        assert pictures(pilot).heat._view.row_ticks > before
        assert pictures(pilot).heat._view.every_s == 2


async def test_a_book_that_cannot_be_trusted_is_not_drawn_as_if_it_were(opened, press, look, link):
    async with opened() as pilot:
        await press(pilot, "v")
        seconds(pilot, link, 1)
        link.go_down("the engine closed the connection")
        await press(pilot)
        seen = look(pilot)
        assert "BIDS" not in seen
        assert "LINK DOWN" in seen
