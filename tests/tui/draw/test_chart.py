"""The chart: what it looks like, and what a tick leaves untouched."""

from decimal import Decimal

import msgspec
import pytest

from core.model.accounts import Position
from core.model.market import Side, Timeframe
from core.model.signals import Direction
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view, with_forming
from tui.draw.chart.candles import draw_columns, draw_head, draw_history, draw_live, draw_message
from tui.draw.glyphs import ASCII, BLOCK, HOLLOW
from tui.draw.runs import beside, row_text


def whole(chart, forming, item, width, height, zoom=None, happenings=None, glyphs=BLOCK):
    """Return head, plot and axis of a chart in `width` x `height` cells."""
    zoom, happenings = zoom or Zoom(), happenings or Happenings()
    view = build_view(chart, forming, item, (width - 10, height - 1), zoom, happenings, glyphs)
    axis = axis_width(view)
    view = build_view(chart, forming, item, (width - axis, height - 1), zoom, happenings, glyphs)
    body = beside(draw_history(view), draw_live(view), draw_axis(view, axis))
    return [draw_head(view, Timeframe.M1, width, glyphs), *body], view


@pytest.fixture
def happenings(make, chart) -> Happenings:
    bars = chart.bars
    low = Decimal(min(bars.low[-30:]) + 700) / 100
    return Happenings(
        orders=(make.order(Side.BUY, "0.5", str(low)),),
        fills=(make.fill(Side.BUY, str(Decimal(bars.close[-22]) / 100), bars.ts_open_ns[-22]),),
        signals=(
            make.signal(Direction.LONG, bars.ts_open_ns[-12]),
            make.signal(Direction.SHORT, bars.ts_open_ns[-33]),
        ),
        position=Position(
            instrument_id=chart.instrument_id,
            size=Decimal("0.5"),
            average_price=Decimal(bars.close[-22]) / 100,
            realised_pnl=Decimal(0),
            fees=Decimal(0),
        ),
    )


@pytest.mark.parametrize(("width", "height"), [(120, 36), (240, 60)])
def test_a_market_fills_any_size(golden, chart, forming, item, width, height):
    rows, _ = whole(chart, forming, item, width, height)
    golden(f"chart_{width}x{height}", rows)


def test_orders_fills_signals_and_the_entry_are_drawn_on_the_bars(
    golden, chart, forming, item, happenings
):
    rows, _ = whole(chart, forming, item, 100, 30, happenings=happenings)
    golden("chart_with_orders", rows)
    words = "\n".join(map(row_text, rows))
    assert "buy 0.5" in words
    assert "▲" in words
    assert "├B " in words
    assert "├E " in words


def test_the_crosshair_reads_out_its_bar(chart, forming, item):
    zoom = Zoom(crosshair=(chart.bars.ts_open_ns[-20], 5))
    rows, _ = whole(chart, forming, item, 100, 24, zoom)
    assert f"C {chart.bars.close[-20] / 100:,.2f}" in row_text(rows[0])


def test_a_crosshair_before_the_first_bar_says_there_is_none(chart, forming, item):
    zoom = Zoom(crosshair=(chart.bars.ts_open_ns[0] - 1, 5))
    rows, _ = whole(chart, forming, item, 100, 24, zoom)
    assert "no bar here" in row_text(rows[0])


def test_scrolled_back_the_newest_bars_leave_on_the_right(chart, forming, item):
    _, view = whole(chart, forming, item, 80, 24, Zoom(offset=60))
    assert view.visible(0, view.layout.width).stop < view.count


def test_without_block_glyphs_the_chart_is_plain_ascii(chart, forming, item, happenings):
    rows, _ = whole(chart, forming, item, 80, 24, happenings=happenings, glyphs=ASCII)
    assert all(row_text(row).isascii() for row in rows)


def test_without_hue_falling_candles_have_another_shape(golden, chart, forming, item):
    rows, _ = whole(chart, forming, item, 80, 24, glyphs=HOLLOW)
    golden("chart_hollow", rows)
    falling = {text for row in rows for text, role in row if role == "down"}
    rising = {text for row in rows for text, role in row if role == "up"}
    assert "┃" in "".join(rising)
    assert "┃" not in "".join(falling)
    assert "╏" in "".join(falling)


def test_a_tick_inside_the_scale_leaves_the_history_as_it_is(chart, forming, item):
    _, view = whole(chart, forming, item, 120, 36)
    moved = with_forming(view, msgspec.structs.replace(forming, close_ticks=forming.low_ticks))
    assert moved.scale == view.scale
    assert draw_history(moved) == draw_history(view)
    changed = sum(a != b for a, b in zip(draw_live(view), draw_live(moved), strict=True))
    assert 0 < changed <= 4
    axis = axis_width(view)
    changed = sum(
        a != b for a, b in zip(draw_axis(view, axis), draw_axis(moved, axis), strict=True)
    )
    assert changed <= 2


def test_a_tick_beyond_the_scale_moves_the_scale(chart, forming, item):
    _, view = whole(chart, forming, item, 120, 36)
    beyond = int(view.scale.high) + 5_000
    moved = with_forming(
        view, msgspec.structs.replace(forming, high_ticks=beyond, close_ticks=beyond)
    )
    assert moved.scale.holds(beyond)
    assert moved.scale != view.scale


def test_history_and_live_part_join_without_a_seam(chart, forming, item):
    _, view = whole(chart, forming, item, 120, 36, Zoom(offset=30))
    parts = beside(draw_history(view), draw_live(view))
    together = draw_columns(view, 0, view.layout.width)
    assert [row_text(row) for row in parts] == [row_text(row) for row in together]


def test_an_untrusted_price_is_marked_as_old(chart, forming, item):
    view = build_view(chart, forming, item, (60, 20), Zoom(), Happenings(), BLOCK, trusted=False)
    roles = {role for row in draw_axis(view, 12) for _, role in row}
    assert "chip_warn" in roles
    assert not roles & {"last_up", "last_down"}


def test_a_prediction_past_its_horizon_is_gone(chart, forming, item):
    old = msgspec.structs.replace(chart.predictions[0], ts_bar_ns=chart.bars.ts_open_ns[-7])
    stale = msgspec.structs.replace(chart, predictions=[old])
    assert whole(chart, forming, item, 80, 24)[1].fan is not None
    assert whole(stale, forming, item, 80, 24)[1].fan is None


def test_a_message_stands_in_the_middle(golden):
    golden("message", draw_message(40, 7, ["connecting…", "no engine answers on the socket"]))
