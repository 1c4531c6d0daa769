"""Lists of the trade screen are sorted, filtered and exported; any venue's symbol is found."""

import csv

import pytest
from fake_link import FakeLink
from fake_market import fill, order, snapshot
from textual.widgets import Input

from core.model import commands as cmd
from core.model.market import Side
from core.model.views import OrderChanged
from tui.screens.find import FindScreen
from tui.screens.ticket import TicketScreen


@pytest.fixture
def traded():
    """Three orders and a fill."""
    orders = (
        order("clxt-1", Side.BUY, "64100.00", "0.30000"),
        order("clxt-2", Side.SELL, "64900.00", "0.10000"),
        order("clxt-3", Side.BUY, "63900.00", "0.20000"),
    )
    return FakeLink(snapshot(orders=orders, fills=(fill(),)))


def prices(pilot):
    items = pilot.app.trade_screen.lists.items("orders")
    return [str(item.intent.price) for item in items]


async def typed(pilot, press, words):
    pilot.app.screen.query_one("#line", Input).value = words
    await press(pilot)


async def sorted_by(pilot, press, column):
    lists = pilot.app.trade_screen.lists
    while lists.arranged("orders").column != column:
        await press(pilot, "o")


async def test_o_sorts_by_column_after_column_and_r_turns_the_order_round(
    opened, press, look, traded
):
    async with opened(link=traded) as pilot:
        await press(pilot, "4")
        await sorted_by(pilot, press, "price")
        assert prices(pilot) == ["64900.00", "64100.00", "63900.00"]
        assert "price▼" in look(pilot)
        assert "orders by price, largest first" in look(pilot)
        await press(pilot, "r")
        assert prices(pilot) == ["63900.00", "64100.00", "64900.00"]
        await press(pilot, "O")
        assert pilot.app.trade_screen.lists.arranged("orders").column == "size"


async def test_what_c_cancels_is_what_the_cursor_is_on_after_sorting(opened, press, traded):
    async with opened(link=traded) as pilot:
        await press(pilot, "4")
        await sorted_by(pilot, press, "price")
        await press(pilot, "j", "c")
        assert traded.sent == [cmd.CancelOrder(client_order_id="clxt-1")]


async def test_slash_filters_a_list_as_it_is_typed_and_esc_shows_all_again(
    opened, press, look, traded
):
    async with opened(link=traded) as pilot:
        await press(pilot, "4", "slash")
        await typed(pilot, press, "sell")
        assert prices(pilot) == ["64900.00"]
        await press(pilot, "enter")
        traded.fact(OrderChanged(order=order("clxt-4", Side.SELL, "65000.00")))
        await press(pilot)
        assert prices(pilot) == ["65000.00", "64900.00"], "what comes later is filtered, too"
        await press(pilot, "slash")
        await typed(pilot, press, "nothing has this")
        assert "no orders with 'nothing has this'; / changes it" in look(pilot)
        await press(pilot, "escape")
        assert len(prices(pilot)) == 4


async def test_the_last_line_speaks_of_a_lists_keys_while_one_is_chosen(opened, press, look):
    async with opened(size=(80, 24)) as pilot:
        assert "/ find" in look(pilot)
        await press(pilot, "4")
        assert "/ filter  o r sort  E export" in look(pilot)
        await press(pilot, "3")
        assert "/ find" in look(pilot)


async def test_an_export_has_what_is_shown_in_that_order(opened, press, look, traded, tmp_path):
    async with opened(link=traded, exports=tmp_path, size=(160, 40)) as pilot:
        await press(pilot, "4", "slash")
        await typed(pilot, press, "buy")
        await press(pilot, "enter")
        await sorted_by(pilot, press, "price")
        await press(pilot, "E")
        (path,) = tmp_path.iterdir()
        assert f"2 rows of orders written to {path}" in " ".join(look(pilot).split())
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert [row["id"] for row in rows] == ["clxt-1", "clxt-3"]
        assert [row["price"] for row in rows] == ["64100.00", "63900.00"]


async def test_an_export_that_cannot_be_written_is_said(opened, press, look, traded, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    async with opened(link=traded, exports=blocked, size=(160, 40)) as pilot:
        await press(pilot, "4", "E")
        assert "cannot write the export" in look(pilot)


@pytest.mark.parametrize("key", ["o", "r", "E"])
async def test_at_the_ladder_list_keys_say_where_they_work(opened, press, look, key):
    async with opened() as pilot:
        await press(pilot, key)
        assert "turn to a list first" in look(pilot)


# -- symbols of any venue ------------------------------------------------------------------


async def test_find_shows_symbols_of_other_venues_as_soon_as_the_listing_is_there(
    opened, press, look, link
):
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "f")
        assert isinstance(pilot.app.screen, FindScreen)
        await press(pilot, *"ada")
        pilot.app.screen._look_again()
        await pilot.pause()
        assert "ADA-USDT-PERP.bybit" in look(pilot)
        assert "perpetual" in look(pilot)
        await press(pilot, "enter")
        assert link.sent == [cmd.WatchInstrument(instrument="ADA-USDT-PERP.bybit")]
        assert link.views[-1].focus == "ADA-USDT-PERP.bybit"


async def test_an_order_for_a_listed_symbol_asks_for_its_steps_first(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "colon")
        await typed(pilot, press, "b 0.5 BTC-USDT-PERP.bybit @64000")
        await press(pilot, "enter")
        await press(pilot)
        assert isinstance(pilot.app.screen, TicketScreen)
        assert pilot.app.screen.instrument.id == "BTC-USDT-PERP.bybit"
        assert cmd.GetInstruments(names=("BTC-USDT-PERP.bybit",)) in link.requests


async def test_an_order_for_what_no_venue_knows_any_more_is_refused_in_words(
    opened, press, look, link
):
    link.answers[cmd.GetInstruments] = lambda _: ()
    async with opened() as pilot:
        await press(pilot, "colon")
        await typed(pilot, press, "b 0.5 LUNA-USD @1")
        await press(pilot, "enter")
        assert "no venue lists LUNA-USD.kraken" in look(pilot)
