"""Keys of the markets screen: groups, sorting, filtering, searching, opening, exporting."""

import stat

import pytest
from fake_link import FakeLink
from fake_market import BTC, instruments, snapshot
from textual.widgets import Input
from wide_market import groups, perpetuals, wide_feeds, wide_line, wide_listing

from core.model import commands as cmd
from core.model.errors import ConfigError, LinkError
from tui.draw.markets import SPARK
from tui.screens.groups import GroupsScreen
from tui.screens.markets import MarketsScreen
from tui.screens.trade import TradeScreen

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def wide():
    """An engine with two groups, other venues, and thousands of symbols listed."""
    link = FakeLink(
        snapshot(
            instruments=(*instruments(), *perpetuals()),
            groups=groups(),
            feeds=(*snapshot().feeds, *wide_feeds()),
        )
    )
    link.answers[cmd.GetListing] = lambda _: wide_listing()
    watch = link.watch

    def answered(view):
        watch(view)
        own = {item.id: wide_line(item, seed) for seed, item in enumerate(perpetuals())}
        own |= {name: market.quote() for name, market in link.markets.items()}
        lines = [own[name] for name in view.quotes if name in own]
        link.frame(ts_ns=link.now_ns, quotes=lines)

    link.watch = answered
    return link


def symbols_of(pilot):
    return [row.symbol for row in pilot.app.live_screen.markets.rows]


async def typed(pilot, press, words):
    pilot.app.screen.query_one("#line", Input).value = words
    await press(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_m_shows_the_watchlist_at_every_size_and_esc_comes_back(
    opened, press, look, wide, size
):
    async with opened(link=wide, size=size) as pilot:
        await press(pilot, "m")
        seen = look(pilot)
        for words in (
            "MARKETS",
            "watchlist 6",
            "perps 4",
            "BTC-USDT",
            "64,218.50",
            "▲ +1.2",
            "SIM",
        ):
            assert words in seen
        assert ("funding" in seen.splitlines()[2]) == (size[0] >= 120)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, TradeScreen)


async def test_only_the_screen_on_top_says_what_it_looks_at(opened, press, wide):
    async with opened(link=wide) as pilot:
        assert wide.views[-1].focus == BTC
        await press(pilot, "m", "tab")
        assert wide.views[-1].focus is None
        assert wide.views[-1].quotes == groups()[0].instruments
        count = len(wide.views)
        pilot.app.trade_screen._tick()
        assert len(wide.views) == count, "what is covered asks for nothing"
        await press(pilot, "t")
        assert wide.views[-1].focus == BTC


async def test_groups_are_turned_through_and_stay_where_they_were(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "l")
        assert symbols_of(pilot)[0] == "BTC-USDT-PERP"
        await press(pilot, "l", "l")
        assert pilot.app.live_screen.markets.group == "watchlist"
        await press(pilot, "h", "escape", "m")
        assert pilot.app.live_screen.markets.group == "check me"


async def test_sorting_by_change_keeps_the_cursor_on_its_instrument(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "l", "j", "j")
        screen = pilot.app.live_screen
        assert screen.target() == "SOL-USDT-PERP.okx"
        while screen.markets.arranged.column != "24 h":
            await press(pilot, "s")
        changes = [row.line.last_ticks / row.line.open_24h_ticks for row in screen.markets.rows]
        assert changes == sorted(changes, reverse=True)
        assert screen.target() == "SOL-USDT-PERP.okx"
        await press(pilot, "r")
        assert [row.line.last_ticks / row.line.open_24h_ticks for row in screen.markets.rows] == (
            changes[::-1]
        )


async def test_typing_filters_the_group_and_finds_other_venues_symbols(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "slash")
        await typed(pilot, press, "eth perp")
        rows = pilot.app.live_screen.markets.rows
        assert [row.member for row in rows] == [False] * len(rows)
        assert {row.venue for row in rows} == {"binance-usdm", "bybit", "okx"}
        assert "listed" in look(pilot)
        await typed(pilot, press, "eth")
        rows = pilot.app.live_screen.markets.rows
        assert (rows[0].id, rows[0].member) == ("ETH-USDT.binance", True)
        await press(pilot, "enter")
        assert len(pilot.app.live_screen.markets.rows) == len(rows), "enter keeps the filter"
        await press(pilot, "escape")
        assert len(pilot.app.live_screen.markets.rows) == 6, "esc takes it away"
        assert isinstance(pilot.app.screen, MarketsScreen)


async def test_what_nobody_lists_is_said(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "slash")
        await typed(pilot, press, "nosuch")
        assert "nothing has 'nosuch' in its name" in look(pilot)


async def test_enter_opens_the_chosen_one_on_the_trade_screen(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "j", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, TradeScreen)
        assert screen.focus_id == "ETH-USDT.binance"
        assert wide.sent == [], "it is watched already"


async def test_opening_a_found_symbol_watches_it(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "slash")
        await typed(pilot, press, "ada kucoin")
        await press(pilot, "enter", "enter")
        assert wide.sent == [cmd.WatchInstrument(instrument="ADA-USDT.kucoin")]
        assert wide.views[-1].focus == "ADA-USDT.kucoin"


async def test_space_puts_an_instrument_into_groups_and_takes_it_out(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "space")
        assert isinstance(pilot.app.screen, GroupsScreen)
        assert "[x] watchlist" in look(pilot)
        await press(pilot, "j", "space")
        assert wide.sent == [cmd.WatchInstrument(instrument=BTC, group="perps")]
        pilot.app.screen._show()
        await pilot.pause()
        assert "[x] perps" in look(pilot)
        await press(pilot, "space")
        assert wide.sent[-1] == cmd.UnwatchInstrument(instrument=BTC, group="perps")
        await press(pilot, "k", "space", "escape")
        assert wide.sent[-1] == cmd.UnwatchInstrument(instrument=BTC, group="")
        assert "BTC-USDT" not in symbols_of(pilot)


async def test_a_group_is_made_named_and_shown_at_once(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "n")
        await typed(pilot, press, " majors ")
        await press(pilot, "enter", "j")
        assert wide.sent == [cmd.AddGroup(group=" majors ")]
        assert [name for name, _ in pilot.app.live_screen.markets.groups()][-1] == " majors "


async def test_a_group_is_renamed_and_removed_after_a_second_press(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "l", "R")
        assert pilot.app.screen.query_one("#line", Input).value == "perps"
        await typed(pilot, press, "futures")
        await press(pilot, "enter")
        assert wide.sent == [cmd.RenameGroup(group="perps", to="futures")]
        assert pilot.app.live_screen.markets.group == "futures"
        await press(pilot, "X")
        assert "press again: remove group futures with 4 instruments" in look(pilot)
        await press(pilot, "X")
        assert wide.sent[-1] == cmd.RemoveGroup(group="futures")
        assert pilot.app.live_screen.markets.group == "watchlist"


async def test_the_watchlist_can_neither_be_renamed_nor_removed(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "R")
        assert "keeps its name" in look(pilot)
        await press(pilot, "X", "X")
        assert "cannot be removed" in look(pilot)
        assert wide.sent == []


async def test_a_refused_name_is_said_where_the_eye_is(opened, press, look, wide):
    wide.answers[cmd.AddGroup] = lambda _: ConfigError("there is a group called 'perps' already")
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "n")
        await typed(pilot, press, "perps")
        await press(pilot, "enter")
        assert "there is a group called 'perps' already" in look(pilot)


async def test_x_takes_the_instrument_out_of_the_group_shown(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "l", "j", "x")
        assert wide.sent == [cmd.UnwatchInstrument(instrument="ETH-USDT-PERP.bybit", group="perps")]


async def test_an_export_says_where_it_is_and_is_the_owners_alone(
    opened, press, look, wide, tmp_path
):
    async with opened(link=wide, exports=tmp_path / "exports", size=(160, 40)) as pilot:
        await press(pilot, "m", "l", "E")
        (path,) = (tmp_path / "exports").iterdir()
        assert "4 rows of markets perps written to" in look(pilot)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text().splitlines()
        assert text[0].startswith("symbol,venue,kind,last,change_24h,volume_24h_quote,")
        assert text[1].startswith("BTC-USDT-PERP,bybit,perpetual,64218.53,")


async def test_rows_stand_without_courses_and_records_when_those_cannot_be_had(
    opened, press, look, wide
):
    wide.answers[cmd.GetSparks] = lambda _: LinkError("the link broke")
    async with opened(link=wide) as pilot:
        await press(pilot, "m")
        assert "64,218.50" in look(pilot)
    # A course is the whole day, so no more points are asked for than are drawn.
    assert {ask.points for ask in wide.requests if isinstance(ask, cmd.GetSparks)} == {SPARK}


async def test_an_empty_group_teaches_how_to_fill_it(opened, press, look, wide):
    async with opened(link=wide, size=(80, 24)) as pilot:
        await press(pilot, "m", "n")
        await typed(pilot, press, "majors")
        await press(pilot, "enter", "j", "j")
        await press(pilot)
        assert "/ searches every venue, space adds what it finds" in look(pilot)


async def test_commands_typed_here_mean_the_chosen_instrument(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "j", "colon")
        await typed(pilot, press, "5m")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, TradeScreen)
        assert wide.views[-1].timeframe == "5m"


async def test_a_lost_link_is_said_in_every_row_at_once(opened, press, look, wide):
    async with opened(link=wide, size=(80, 24)) as pilot:
        await press(pilot, "m")
        wide.go_down("the engine closed the connection")
        pilot.app.live_screen._tick()
        await pilot.pause()
        seen = look(pilot).splitlines()
        assert sum("link down" in row for row in seen[3:9]) == 6
        assert "the engine closed the connection" in " ".join(seen)
        await press(pilot, "Q")
        assert "38 ms" not in look(pilot)
