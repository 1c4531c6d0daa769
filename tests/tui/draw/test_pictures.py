"""Depth and heatmap: their numbers are the book's, and they look as they should."""

import random

import pytest
from fake_market import BTC, SYMBOLS, Market, instruments
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.market import Side
from core.model.views import BookProfile, TapeRow
from tui.draw.depth import DepthView, covered, draw_depth, fitting_span, sums, top_of, within
from tui.draw.glyphs import glyph_set
from tui.draw.heatmap import (
    LEVELS,
    HeatView,
    _add,
    _add_each,
    draw_cells,
    draw_heat_axis,
    draw_heat_head,
    draw_heat_times,
    full_size,
    loud_size,
    make_column,
)
from tui.draw.runs import beside, plain, row_text
from tui.heat import HeatTape

ITEM = instruments()[0]
BLOCK = glyph_set("block")
DENSE = glyph_set("block", few_colours=True)


def profile(bids, asks, bid=9_999, ask=10_001, step=10):
    return BookProfile(
        instrument_id=BTC, ts_ns=0, step_ticks=step, bid_ticks=bid, ask_ticks=ask,
        bids=list(bids), asks=list(asks),
    )  # fmt: skip


def market():
    return Market(ITEM, SYMBOLS["BTC-USDT"][0], 0)


# -- depth ---------------------------------------------------------------------------------


def test_running_totals_grow_from_the_touch():
    assert sums([1, 2, 3]) == [1, 3, 6]


def test_what_stands_within_a_distance_is_added_up_on_both_sides():
    # Buckets of 10 around 10,000: 1 % reaches 9,900 and 10,100, ten buckets each.
    bids, asks = within(profile([1] * 400, [2] * 400), 0.01)
    assert (bids, asks) == (10, 22)


def test_nothing_is_said_of_distances_beyond_the_known_book():
    assert within(profile([1] * 5, [1] * 400), 0.01) is None


def test_the_span_fits_what_is_known_of_both_sides():
    assert covered(profile([1] * 10, [1] * 400)) == pytest.approx(0.01, rel=0.1)
    assert fitting_span(profile([1] * 400, [1] * 400)) == 0.005
    assert fitting_span(profile([1] * 10, [1] * 400, step=2)) == 0.001


def test_hills_reach_the_upper_edge_only_when_they_are_as_large():
    data = profile([10] * 50, [10] * 50)
    view = DepthView(ITEM, data, 0.04, top_of(data, 0.04, 60), {})
    rows = [row_text(row) for row in draw_depth(view, 80, 20, BLOCK)]
    assert view.top_lots >= 400
    plot = [row[:72] for row in rows[1:17]]
    assert plot[-1].count("█") > plot[0].count("█"), "hills are wider below"
    left, right = plot[-1][:36], plot[-1][37:]
    assert abs(left.count("█") - right.count("█")) <= 2, "equal sides make equal hills"


@pytest.mark.parametrize("name", ["block", "ascii"])
@pytest.mark.parametrize("size", [(48, 20), (100, 30)])
def test_depth_looks_as_it_should(golden, name, size):
    data = market().profile(200, 400)
    mid = (data.bid_ticks + data.ask_ticks) // 2
    own = {mid - 9_000: (Side.BUY, 1), mid + 12_000: (Side.SELL, 1)}
    view = DepthView(ITEM, data, 0.005, top_of(data, 0.005, size[0]), own)
    rows = draw_depth(view, *size, glyph_set(name))
    golden(f"depth_{name}_{size[0]}x{size[1]}", rows)


# -- heatmap -------------------------------------------------------------------------------


def heat_view(**changes):
    fields = {
        "instrument": ITEM, "row_ticks": 20, "top_row": 505, "rows": 10, "every_s": 1,
        "full_lots": 100.0, "loud_lots": 10.0, **changes,
    }  # fmt: skip
    return HeatView(**fields)


def moments(*profiles, trades=()):
    tape = HeatTape()
    tape.take_trades([TapeRow(0, 1, 1, False)])
    for number, data in enumerate(profiles):
        tape.take(BookProfile(**{**{f: getattr(data, f) for f in data.__struct_fields__},
                                 "ts_ns": number * 1_000_000_000}))  # fmt: skip
        tape.take_trades([*trades])
    return list(tape.moments)


def test_a_size_falls_into_the_row_of_its_price_and_side():
    bids, asks = [0.0] * 40, [0.0] * 40
    bids[5], asks[3] = 100, 25
    column = make_column(heat_view(), moments(profile(bids, asks)))
    view = heat_view()
    bid_row, ask_row = view.row_of((999 - 5) * 10), view.row_of((1000 + 3) * 10)
    assert column.levels[bid_row] == -LEVELS
    assert 0 < column.levels[ask_row] < LEVELS
    assert sum(map(bool, column.levels)) == 2


@pytest.mark.parametrize("row_ticks", [10, 20, 40, 30])
def test_rows_hold_what_their_buckets_hold_whatever_the_zoom(row_ticks):
    rng = random.Random(row_ticks)
    data = profile([rng.randint(0, 50) for _ in range(60)], [rng.randint(0, 50) for _ in range(60)])
    view = heat_view(row_ticks=row_ticks, top_row=10_000 // row_ticks + 60, rows=124, full_lots=1e9)
    (moment,) = moments(data)
    fast = ([0.0] * 124, [0.0] * 124)
    slow = ([0.0] * 124, [0.0] * 124)
    _add(view, moment, *fast)
    _add_each(view, moment, *slow)
    assert fast == slow
    assert sum(fast[0]) == sum(data.bids)
    assert sum(fast[1]) == sum(data.asks)


def test_trades_are_marked_by_side_when_large_and_are_dots_when_small():
    rows = [
        TapeRow(0, 10_001, 50, False),
        TapeRow(0, 9_950, 40, True),
        TapeRow(0, 10_050, 1, False),
    ]
    (moment,) = moments(profile([1] * 9, [1] * 9), trades=rows)
    drawn = [
        row_text(row)
        for row in draw_cells(heat_view(), [make_column(heat_view(), [moment])], 1, DENSE)
    ]
    view = heat_view()
    assert drawn[view.row_of(10_001)] == "▴"
    assert drawn[view.row_of(9_950)] == "▾"
    assert drawn[view.row_of(10_050)] == "·"


def test_the_full_size_stays_while_it_serves():
    found = moments(*[profile([50] * 30, [50] * 30)] * 30)
    view = heat_view(rows=10)
    first = full_size(view, found, 0.0)
    assert full_size(view, found, first * 1.4) == first * 1.4
    assert full_size(view, found, first * 30) == first


@pytest.mark.parametrize("name", ["block", "ascii"])
def test_the_heatmap_is_read_without_colour(golden, name):
    glyphs = glyph_set(name, few_colours=True)
    walk, tape = market(), HeatTape()
    tape.take_trades([])
    rows = []
    for second in range(60):
        for _ in range(5):
            walk.move()
        walk.ts_ns = second * 1_000_000_000
        rows = [*rows, *walk.tape(3)]
        tape.take_trades(rows)
        tape.take(walk.profile(200, 400))
    found = list(tape.moments)
    view = heat_view(row_ticks=800, top_row=walk.mid // 800 + 10, rows=20)
    view = HeatView(
        ITEM, 800, walk.mid // 800 + 10, 20, 1, full_size(view, found, 0.0), loud_size(found)
    )
    cells = draw_cells(view, [make_column(view, [moment]) for moment in found], 60, glyphs)
    axis = draw_heat_axis(view, walk.mid, True, 11, glyphs)
    head = draw_heat_head(view, 71, glyphs)
    golden(f"heat_{name}", [head, *beside(cells, axis), draw_heat_times(view, 0, 71, glyphs)])


# -- whatever the data ---------------------------------------------------------------------

sizes = st.lists(st.integers(0, 10**12), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(
    bids=sizes, asks=sizes, mid=st.integers(2, 10**9), step=st.integers(1, 10**6),
    width=st.integers(0, 130), height=st.integers(0, 50), span=st.floats(0.0005, 0.05),
    name=st.sampled_from(["block", "ascii"]),
)  # fmt: skip
def test_drawing_never_leaves_its_cells(bids, asks, mid, step, width, height, span, name):
    glyphs = glyph_set(name, few_colours=True)
    data = profile(bids, asks, mid - 1, mid + 1, step)
    rows = draw_depth(
        DepthView(ITEM, data, span, top_of(data, span, width), {}), width, height, glyphs
    )
    assert len(rows) == height
    view = HeatView(ITEM, step, mid // step + height // 2, height, 1, 100.0, 5.0)
    found = moments(data, trades=[TapeRow(0, mid, 3, True)])
    rows += draw_cells(view, [make_column(view, found)] * width, width, glyphs)
    rows += draw_heat_axis(view, mid, False, min(width, 12), glyphs) if height else []
    rows += [draw_heat_head(view, width, glyphs), draw_heat_times(view, 0, width, glyphs)]
    for row in rows:
        assert len(row_text(row)) <= width
        assert plain(row_text(row)) == row_text(row)
