"""Ladder and tape."""

from decimal import Decimal

import msgspec
import pytest

from core.model.market import Side
from tui.draw.glyphs import ASCII, BLOCK
from tui.draw.ladder import (
    LadderView,
    draw_ladder,
    gathered,
    imbalance,
    micro_price,
    own_orders,
    row_prices,
)
from tui.draw.runs import row_text
from tui.draw.tape import draw_tape

LAST = 6_421_850


def test_own_orders_and_the_cursor_have_their_row_even_off_the_book(golden, make, item, book):
    orders = [
        make.order(Side.BUY, "0.5", "64215.50"),
        make.order(Side.BUY, "0.25", "64215.50", 2),
        make.order(Side.SELL, "0.1", "64222.00", 3),
    ]
    own = own_orders(orders, item)
    view = LadderView(item, book, own, LAST, cursor=6_421_700)
    rows = draw_ladder(view, 44, 24, BLOCK)
    golden("ladder_own", rows)
    mine = next(row for row in rows if "64,215.50" in row_text(row))
    assert row_text(mine).startswith("B")
    assert "0.750" in row_text(mine)
    chosen = next(row for row in rows if "64,217.00" in row_text(row))
    assert {role for _, role in chosen} == {"cursor"}


def test_an_own_stop_stands_where_its_price_is_whatever_its_side(item, book):
    below, above = book.bids[1][0], book.asks[1][0]
    own = {below: (Side.SELL, Decimal("0.1")), above: (Side.BUY, Decimal("0.1"))}
    prices = row_prices(LadderView(item, book, own, LAST), 24)
    assert prices == row_prices(LadderView(item, book, {}, LAST), 24)
    assert prices.index(above) < prices.index(0) < prices.index(below)


def test_without_block_glyphs_the_ladder_is_plain_ascii(item, book):
    rows = draw_ladder(LadderView(item, book, {}, LAST), 44, 16, ASCII)
    assert all(row_text(row).isascii() for row in rows)


def test_a_book_not_to_be_trusted_says_why(item, book):
    view = LadderView(item, book, {}, LAST, trusted=False, why="STALE: gap of 12 updates")
    rows = draw_ladder(view, 44, 16, BLOCK)
    assert any("STALE: gap of 12 updates" in row_text(row) for row in rows)


def test_before_the_first_book_the_ladder_says_so(golden, item):
    golden("ladder_empty", draw_ladder(LadderView(item, None, {}, 0), 32, 8, BLOCK))


def test_the_spread_row_does_not_move_with_the_number_of_levels(item, book):
    few = msgspec.structs.replace(book, bids=book.bids[:2], asks=book.asks[:1])
    many = row_prices(LadderView(item, book, {}, LAST), 24)
    assert row_prices(LadderView(item, few, {}, LAST), 24).index(0) == many.index(0)


def test_rows_held_still_under_the_cursor_stay_while_the_book_moves(item, book):
    held = row_prices(LadderView(item, book, {}, LAST), 24)
    moved = msgspec.structs.replace(
        book, bids=[(p + 700, s) for p, s in book.bids], asks=[(p + 700, s) for p, s in book.asks]
    )
    view = LadderView(item, moved, {}, LAST + 700, cursor=held[-1], frozen=held)
    assert row_prices(view, 24) == held
    # A notice of two lines, or a larger window, moves none of them either.
    assert row_prices(view, 26) == (*held, -1, -1)


@pytest.mark.parametrize("lost", [1, 2, 15])
def test_rows_held_still_in_less_room_are_the_same_with_the_cursor_in_sight(item, book, lost):
    held = row_prices(LadderView(item, book, {}, LAST), 24)
    for cursor in (None, *(ticks for ticks in held if ticks > 0)):
        view = LadderView(item, book, {}, LAST, cursor=cursor, frozen=held)
        rows = row_prices(view, 24 - lost)
        assert any(held[at : at + len(rows)] == rows for at in range(len(held)))
        assert (cursor or 0) in rows
    middle = row_prices(LadderView(item, book, {}, LAST, frozen=held), 24 - lost).index(0)
    assert abs(middle - (len(rows) - middle - 1)) <= 1


@pytest.mark.parametrize(
    ("by", "words"),
    [(700, "▲ market above: space"), (-700, "▼ market below: space"), (0, "spread")],
)
def test_rows_held_still_say_where_the_market_went(item, book, by, words):
    held = row_prices(LadderView(item, book, {}, LAST), 24)
    moved = msgspec.structs.replace(
        book, bids=[(p + by, s) for p, s in book.bids], asks=[(p + by, s) for p, s in book.asks]
    )
    view = LadderView(item, moved, {}, LAST + by, cursor=held[-1], frozen=held)
    middle = draw_ladder(view, 44, 24, BLOCK)[held.index(0) + 1]
    assert words in row_text(middle)
    assert any(role == "warn" for _, role in middle) == bool(by)
    short = row_text(draw_ladder(view, 30, 24, BLOCK)[held.index(0) + 1])
    assert len(short) == 30
    assert words.replace(" market", "") in short


def test_rows_held_still_gather_the_levels_that_come_between_them():
    rows = (110, 105, 103, 0, 100, 98)
    asks, bids = gathered(
        [(102, 1), (103, 2), (104, 4), (111, 8)], [(101, 1), (99, 2), (97, 4)], rows
    )
    assert asks == [(103, 3), (105, 4)]
    assert bids == [(100, 1), (98, 2)]
    # The market came through: rows that were asks hold bids now.
    asks, bids = gathered([(108, 5)], [(106, 7), (104, 1)], rows)
    assert (asks, bids) == ([(110, 5)], [(105, 7), (103, 1)])


def test_rows_that_are_the_levels_are_drawn_alike_held_or_not(item, book):
    free = LadderView(item, book, {}, LAST)
    held = LadderView(item, book, {}, LAST, frozen=row_prices(free, 24))
    assert draw_ladder(held, 44, 24, BLOCK) == draw_ladder(free, 44, 24, BLOCK)


def test_sums_grow_away_from_the_spread(item, book):
    rows = draw_ladder(LadderView(item, book, {}, LAST), 44, 20, BLOCK)
    sums = [float(row_text(row).split()[-1]) for row in rows[11:19]]
    assert sums == sorted(sums)
    assert sums[-1] == pytest.approx(sum(lots for _, lots in book.bids[:8]) / 1e5, abs=1e-4)


def test_imbalance_and_micro_price_lean_to_the_heavier_bid(book):
    heavy = msgspec.structs.replace(book, bids=[(100, 30)], asks=[(102, 10)])
    assert imbalance(heavy) == pytest.approx(0.5)
    assert micro_price(heavy) == pytest.approx(101.5)
    assert imbalance(msgspec.structs.replace(book, bids=[], asks=[])) is None
    assert micro_price(msgspec.structs.replace(book, asks=[])) is None


def test_ended_market_and_foreign_orders_are_not_on_the_ladder(make, item):
    from core.model.orders import OrderState

    orders = [
        make.order(Side.BUY, "1", "64000.00", state=OrderState.CANCELED),
        make.order(Side.BUY, "1", None, 2),
    ]
    assert own_orders(orders, item) == {}
    other = make.instrument("ETH-USDT")
    assert own_orders([make.order(Side.BUY, "1", "64000.00")], other) == {}


def test_a_partly_filled_order_shows_what_is_left(make, item):
    part = make.order(Side.SELL, "1", "64300.00", filled=Decimal("0.4"))
    assert own_orders([part], item) == {6_430_000: (Side.SELL, Decimal("0.6"))}


def test_the_tape_has_the_newest_on_top_and_tells_what_it_left_out(item, trades):
    rows = draw_tape(trades, 1_204, item, 40, 6, BLOCK)
    assert "1,204" in row_text(rows[0])
    assert f"{trades[-1].price_ticks / 100:,.2f}" in row_text(rows[1])
    assert row_text(rows[1]).strip()[0] == ("▼" if trades[-1].buyer_is_maker else "▲")
