"""The app around its screens: sizes, link, settings, palette, help, command line."""

import asyncio
import re
import time

import pytest
from fake_link import FakeLink
from fake_market import BTC, order, snapshot, status
from textual.widgets import Input

from core.model import commands as cmd
from core.model.errors import ConfigError
from core.model.settings import Settings, TradingSettings, TuiSettings
from core.model.views import OrderChanged
from tui.keys import KEYS
from tui.palette import ClxCommands
from tui.screens.form import CommandForm
from tui.screens.help import help_text
from tui.screens.plan import PlanScreen
from tui.screens.result import ResultScreen
from tui.screens.ticket import TicketScreen
from tui.style import glyphs_wanted

SIZES = [(80, 24), (100, 30), (120, 36), (160, 48), (240, 60)]


async def typed(pilot, press, words):
    await press(pilot, "colon")
    pilot.app.screen.query_one("#line", Input).value = words
    await press(pilot, "enter")


@pytest.mark.parametrize("size", SIZES)
async def test_mode_arming_feed_chart_and_ladder_are_seen_at_every_size(opened, look, link, size):
    async with opened(size=size) as pilot:
        seen = look(pilot)  # also asserts that every row has exactly the width
        for words in ("SIM", "DISARMED", "feed 38 ms", "BTC-USDT", "64,218.50", "[1m]", "spread"):
            assert words in seen.replace("feed ", "feed ")
        assert ("tape" in seen.splitlines()[1]) == (size[0] >= 115)


async def test_resizing_rearranges_without_losing_anything(opened, look):
    async with opened(size=(160, 48)) as pilot:
        for size in [(80, 24), (59, 15), (120, 36), (61, 16)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            pilot.app.trade_screen.draw_all()
            await pilot.pause()
            seen = look(pilot)
            assert ("needs 60 x 16" in seen) == (size == (59, 15))


async def test_own_orders_stand_in_ladder_chart_and_list(opened, look, link, press):
    async with opened() as pilot:
        link.fact(OrderChanged(order=order("mine", price="64218.49", size="0.125")))
        await press(pilot, "1")
        seen = look(pilot).splitlines()
        assert any("B" in row and "64,218.49" in row and "0.125" in row for row in seen)
        assert any("buy 0.125" in row for row in seen)
        assert any("BUY" in row and "accepted" in row for row in seen)


async def test_a_lost_link_is_said_at_once_and_the_picture_kept_as_old(opened, look, link):
    async with opened(size=(80, 24)) as pilot:
        link.go_down("the engine closed the connection")
        pilot.app.trade_screen._tick()
        await pilot.pause()
        seen = look(pilot)
        assert "link down" in seen.splitlines()[0]
        assert "LINK DOWN" in seen
        assert "the engine closed the connection" in seen
        link.state, link.reason = "up", ""
        pilot.app.trade_screen._tick()
        await pilot.pause()
        assert "LINK DOWN" not in look(pilot)


async def test_before_the_engine_is_there_the_frame_stands_and_says_why(opened, look):
    link = FakeLink(up=False)
    async with opened(link=link, starting=True, why_no_engine=lambda: "its socket is missing") as p:
        seen = look(p)
        assert "[1m]" in seen
        assert "its socket is missing" in seen


async def test_an_engine_just_started_is_said_to_start_not_to_be_missing(opened, look):
    link = FakeLink(up=False)
    link.state, link.reason = "down", "no engine is listening"
    async with opened(link=link, starting=True) as pilot:
        seen = look(pilot)
        assert "starting the engine" in seen
        assert "link starting" in seen
        assert "no engine is listening" not in seen


async def test_a_start_that_takes_long_says_for_how_long_and_why(opened, look, monkeypatch):
    link = FakeLink(up=False)
    link.state, link.reason = "down", "no engine is listening"
    async with opened(link=link, starting=True, size=(80, 24)) as pilot:
        assert "kernels" not in look(pilot)
        for waited_s in (30, 5000):
            monkeypatch.setattr(pilot.app, "opened_s", time.monotonic() - waited_s)
            pilot.app.trade_screen._tick()
            await pilot.pause()
            told = re.search(r"starting the engine… (\d+) s", look(pilot))
            assert told is not None
            assert int(told[1]) >= waited_s
        assert "after an install or upgrade it compiles" in look(pilot)


async def test_a_starting_engine_shows_its_phase(opened, look):
    link = FakeLink(snapshot(status=status(phase="compiling kernels 2/4"), watchlist=()))
    async with opened(link=link, size=(80, 24)) as pilot:
        assert "compiling kernels 2/4" in look(pilot)


async def test_an_empty_watchlist_teaches_the_key(opened, look):
    link = FakeLink(snapshot(watchlist=()))
    async with opened(link=link) as pilot:
        assert "/ finds an instrument" in look(pilot)


# -- settings ------------------------------------------------------------------------------


async def test_settings_read_after_the_first_paint_take_effect(opened, press, look, link, until):
    settings = Settings(
        tui=TuiSettings(theme="cvd", timeframe="5m", keys={"trade.arm": "f5"}),
        trading=TradingSettings(arm_seconds=60),
    )
    async with opened(load_settings=lambda: settings) as pilot:
        await until(pilot, lambda: pilot.app.look.theme.name == "cvd")
        assert link.views[-1].timeframe == "5m"
        await press(pilot, "a")
        assert link.sent == []
        await press(pilot, "f5", "escape")
        assert link.sent == [cmd.Arm(instrument=BTC, seconds=60)]
        assert "f5 arm" in look(pilot)


async def test_settings_that_cannot_be_read_are_said_and_the_defaults_hold(opened, look, until):
    def load():
        raise ConfigError("tui.fps must be a number, was 'fast'")

    async with opened(load_settings=load) as pilot:
        words = "tui.fps must be a number, was 'fast'; the defaults hold"
        await until(pilot, lambda: words in look(pilot))


async def test_clashing_keys_are_said_and_the_default_keys_hold(opened, press, look, link):
    settings = TuiSettings(keys={"trade.arm": "b"})
    async with opened(settings=settings) as pilot:
        pilot.app._take_keys(settings.keys)
        await press(pilot)
        assert "b is bound to both" in look(pilot)
        await press(pilot, "escape", "b")
        assert isinstance(pilot.app.screen, TicketScreen)


async def test_no_color_takes_the_theme_without_hue(opened, look, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened() as pilot:
        assert pilot.app.look.theme.name == "mono"
        look(pilot)


async def test_a_plain_locale_is_drawn_in_ascii(opened, look, monkeypatch):
    monkeypatch.setenv("LANG", "de_DE.ISO-8859-1")
    async with opened(size=(80, 24)) as pilot:
        assert look(pilot).isascii()


@pytest.mark.parametrize(
    ("env", "glyphs"),
    [
        ({"LANG": "C"}, "ascii"),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "ascii"),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "ascii"),
        ({"LC_ALL": "C.UTF-8"}, "block"),
        ({"LC_CTYPE": "C.UTF-8"}, "block"),
        ({"LANG": "de_DE.utf8"}, "block"),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "ascii"),
        ({}, "block"),
    ],
)
def test_glyphs_follow_the_locale_the_person_set(env, glyphs):
    assert glyphs_wanted("auto", env) == glyphs
    assert glyphs_wanted("ascii", env) == "ascii"
    assert glyphs_wanted("block", env) == "block"


async def test_sixteen_colours_use_only_the_terminals_own(opened, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM")
    async with opened() as pilot:
        styles = pilot.app.look.styles.values()
        assert all(style.color is None or style.color.triplet is None for style in styles)


# -- palette and help ----------------------------------------------------------------------


async def test_the_palette_reaches_every_command_and_every_key(opened, press):
    async with opened() as pilot:
        words = [entry[0] for entry in ClxCommands(pilot.app.trade_screen).entries()]
        for name in cmd.COMMANDS:
            assert any(f"({name})" in text for text in words)
        for key in KEYS:
            assert any(text.startswith(key.title) for text in words) == key.on("trade")


async def test_every_command_of_the_palette_opens_a_form_or_answers(opened, press, link):
    async with opened() as pilot:
        for name in cmd.COMMANDS:
            before = len(link.requests)
            pilot.app.open_command(name)
            await pilot.pause()
            asked = len(link.requests) > before
            assert asked or isinstance(pilot.app.screen, CommandForm | PlanScreen), name
            while pilot.app.screen is not pilot.app.trade_screen:
                pilot.app.pop_screen()
                await pilot.pause()


async def test_the_palette_opens_lists_and_finds_with_signs_in_names(opened, press, look, until):
    async with opened() as pilot:
        await press(pilot, "ctrl+p")
        await press(pilot, *"find")
        await until(pilot, lambda: "find an instrument of any venue [f]" in look(pilot))


def test_help_lists_every_key_and_every_command():
    text = help_text(KEYS).plain
    for key in KEYS:
        assert key.id in text
    for name in cmd.COMMANDS:
        assert name in text


# -- the command line ----------------------------------------------------------------------


async def test_a_typed_order_opens_a_ticket_that_only_waits_for_send(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a")
        await typed(pilot, press, "b 0.5 ETH-USDT @3100 post")
        assert isinstance(pilot.app.screen, TicketScreen)
        assert pilot.app.focused.id == "send"
        assert len(link.sent) == 1
        assert pilot.app.screen.text.lives == "post"
        assert pilot.app.screen.instrument.symbol == "ETH-USDT"


async def test_typed_words_change_chart_and_panes(opened, press, link):
    async with opened() as pilot:
        await typed(pilot, press, "SOL-USDT 15m")
        assert (link.views[-1].focus, link.views[-1].timeframe) == ("SOL-USDT.binance", "15m")
        await typed(pilot, press, "pos")
        assert pilot.app.trade_screen.pane == "positions"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("b 1,5", "write it without commas"),
        ("b", "buy what?"),
        ("BTC-USD", "did you mean"),
        ("b 0.5 64250", "write a price as @64250"),
        ("frobnicate", "is no instrument, timeframe, pane or command"),
        ("uality", "did you mean 'quality'?"),
    ],
)
async def test_what_cannot_be_understood_is_an_error_that_stays(
    opened, press, link, look, words, said
):
    async with opened() as pilot:
        await typed(pilot, press, words)
        assert said in " ".join(look(pilot).split())
        assert link.sent == []


async def test_a_typed_command_is_filled_into_its_form_and_runs(opened, press, link):
    async with opened() as pilot:
        await typed(pilot, press, "arm seconds=60")
        assert isinstance(pilot.app.screen, CommandForm)
        await press(pilot, "enter")
        assert link.sent == [cmd.Arm(instrument=BTC, seconds=60)]


async def test_a_dangerous_form_asks_twice(opened, press, link, look):
    async with opened() as pilot:
        await typed(pilot, press, "kill flatten")
        pilot.app.screen.query_one("#run").focus()
        await press(pilot, "enter")
        assert link.sent == []
        assert "press Enter again" in look(pilot)
        await press(pilot, "enter")
        assert [item.level for item in link.sent] == ["flatten"]


async def test_a_form_says_what_is_wrong_with_a_field(opened, press, link, look):
    async with opened() as pilot:
        await typed(pilot, press, "arm seconds=-5")
        pilot.app.screen.query_one("#run").focus()
        await press(pilot, "enter")
        assert "seconds" in look(pilot)
        assert "-5" in look(pilot)
        assert link.sent == []


async def test_a_question_is_answered_with_a_page(opened, press, look):
    async with opened() as pilot:
        pilot.app.open_command("get_balances")
        await press(pilot)
        if not isinstance(pilot.app.screen, ResultScreen):
            pilot.app.screen.query_one("#run").focus()
            await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ResultScreen)
        assert "100000.00" in look(pilot)


async def test_the_screen_stays_alive_while_a_request_waits(opened, press, link):
    link.held = asyncio.Event()
    async with opened() as pilot:
        await press(pilot, "a", "3", "j")
        assert pilot.app.trade_screen.pane == "watchlist"
        link.held.set()


async def test_an_executor_started_by_its_command_has_the_form_of_its_own(opened, until):
    async with opened(size=(80, 24)) as pilot:
        pilot.app.open_command("start_executor")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlanScreen))
        assert pilot.app.screen.plan_id.startswith("clxt-")
