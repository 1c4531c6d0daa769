"""Whatever the data and the size: drawing never raises and never leaves its cells."""

import math
from decimal import Decimal

from fake_market import BINANCE, BTC, NOW_NS
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus, FormingBar, Timeframe
from core.model.orders import Order, OrderIntent, OrderState, OrderType, Side
from core.model.views import BarColumns, BookView, Chart, QuoteLine, TapeRow
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view, with_forming
from tui.draw.chart.candles import draw_columns, draw_head, draw_history, draw_live
from tui.draw.glyphs import glyph_set
from tui.draw.ladder import LadderView, draw_ladder, row_prices
from tui.draw.records import ORDERS
from tui.draw.runs import clip, fitted, plain, row_text
from tui.draw.status import Standing, draw_header, draw_hints, draw_notice, draw_tabs
from tui.draw.tables import draw_table
from tui.draw.tape import draw_tape

fast = settings(max_examples=25, deadline=None)
glyphs = st.sampled_from([glyph_set("block"), glyph_set("ascii"), glyph_set("block", hueless=True)])
widths = st.integers(0, 130)
heights = st.integers(0, 50)
ticks = st.integers(1, 10**9)
lots = st.integers(0, 10**12)
items = st.builds(
    lambda price, size: Instrument(
        id=BTC, venue=BINANCE, venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal(1).scaleb(-price), size_lot=Decimal(1).scaleb(-size),
        min_size=Decimal(1).scaleb(-size), min_notional=Decimal(5),
    ),
    st.integers(0, 8), st.integers(0, 8),
)  # fmt: skip


def fits(rows, width, height=None):
    assert height is None or len(rows) == height
    for row in rows:
        text = row_text(row)
        assert len(text) <= width
        assert plain(text) == text


@st.composite
def books(draw):
    middle = draw(ticks)
    bids = sorted(draw(st.sets(st.integers(1, middle), max_size=30)), reverse=True)
    asks = sorted(draw(st.sets(st.integers(middle + 1, middle + 10**6), max_size=30)))
    return BookView(
        instrument_id=BTC,
        bids=[(price, draw(lots)) for price in bids],
        asks=[(price, draw(lots)) for price in asks],
        last_id=1,
    )


@fast
@given(items, st.none() | books(), ticks, st.none() | ticks, widths, heights, glyphs, st.data())
def test_ladder(item, book, last, cursor, width, height, glyph, data):
    own = data.draw(
        st.dictionaries(
            ticks, st.tuples(st.sampled_from(Side), st.decimals("0.001", "1e6")), max_size=4
        )
    )
    frozen = None
    trusted, why = data.draw(st.booleans()), data.draw(st.sampled_from(["", "LINK DOWN", "x" * 90]))
    view = LadderView(item, book, own, last, cursor, frozen, trusted, why)
    fits(draw_ladder(view, width, height, glyph), width, height)
    if height:
        held = LadderView(item, book, own, last, cursor, row_prices(view, height), trusted, why)
        fits(draw_ladder(held, width, height, glyph), width, height)


@fast
@given(
    items,
    st.lists(st.builds(TapeRow, st.integers(0, 2**62), ticks, lots, st.booleans()), max_size=40),
    st.integers(0, 10**9), widths, heights, glyphs,
)  # fmt: skip
def test_tape(item, trades, skipped, width, height, glyph):
    fits(draw_tape(trades, skipped, item, width, height, glyph), width, height)


names = st.text(max_size=40)


@st.composite
def orders(draw):
    intent = OrderIntent(
        client_order_id=draw(names), instrument_id=draw(names), side=draw(st.sampled_from(Side)),
        type=OrderType.LIMIT, size=draw(st.decimals("0.00000001", "1e12")),
        price=draw(st.none() | st.decimals("0.00000001", "1e12")), origin="tui", reason=draw(names),
    )  # fmt: skip
    return Order(
        intent=intent, venue=BINANCE, state=draw(st.sampled_from(OrderState)), note=draw(names),
        venue_order_id=None, ts_submitted_ns=draw(st.integers(0, 2**61)), ts_updated_ns=NOW_NS,
    )  # fmt: skip


@fast
@given(st.lists(orders(), max_size=12), st.none() | st.integers(0, 11), widths, heights, glyphs)
def test_table(rows, cursor, width, height, glyph):
    cursor = None if cursor is None or not rows else min(cursor, len(rows) - 1)
    fits(draw_table(ORDERS, rows, cursor, width, height, glyph), width, height)


quotes = st.builds(
    lambda bid, last, opened, volume, status, age: QuoteLine(
        instrument_id=BTC, bid_ticks=bid, ask_ticks=bid + 1, last_ticks=last, open_24h_ticks=opened,
        high_24h_ticks=last, low_24h_ticks=last, volume_24h_lots=volume, status=status,
        turnover_24h=float(volume), ts_event_ns=1, age_ms=age,
    ),
    ticks, st.integers(0, 10**9), st.integers(0, 10**9), lots, st.sampled_from(FeedStatus),
    st.integers(-5, 10**10),
)  # fmt: skip


@fast
@given(
    st.none() | items, st.none() | quotes, st.sampled_from(["up", "connecting", "down"]), names,
    st.integers(0, 10**5), st.decimals("-1e9", "1e9"), st.sampled_from([0.0, 2.5]),
    st.integers(0, 250), glyphs,
)  # fmt: skip
def test_header(item, line, link, reason, armed, pnl, slow, width, glyph):
    now = Standing(item, line, None, link, reason, armed, pnl, slow, flash=1)
    fits([draw_header(now, width, glyph)], width)


@fast
@given(
    st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(0, 999)), min_size=1),
    widths,
    names,
    glyphs,
)
def test_tabs_hints_and_notices(tabs, width, words, glyph):
    fits([draw_tabs(tabs, tabs[-1][0], plain(words), width, glyph)], max(width, 0))
    fits([draw_hints([(name, "word") for name, _ in tabs], plain(words), width)], width)
    fits(draw_notice(words, "warn", max(10, width)), max(10, width))


@st.composite
def charts(draw):
    count = draw(st.integers(0, 60))
    frame = draw(st.sampled_from(Timeframe))
    price = st.integers(1, 10**8)
    columns = {"open": [], "high": [], "low": [], "close": []}
    base = draw(price)
    for _ in range(count):
        low = base + draw(st.integers(0, 1000))
        high = low + draw(st.integers(0, 1000))
        columns["low"].append(low)
        columns["high"].append(high)
        columns["open"].append(draw(st.integers(low, high)))
        columns["close"].append(draw(st.integers(low, high)))
    bars = BarColumns(
        ts_open_ns=[NOW_NS // frame.ns * frame.ns + i * frame.ns for i in range(count)],
        volume=[draw(lots) for _ in range(count)] if count < 5 else [7] * count,
        **columns,
    )
    value = st.sampled_from([math.nan, math.inf, -1e300, 0.0, 1.5, 1e9])
    lines = {
        name: [draw(value)] * count for name in ("ema(20)", "bb(20,2).upper", "rsi(14)", "x(1)")
    }
    return Chart(instrument_id=BTC, timeframe=frame, bars=bars, indicators=lines, predictions=[])


@settings(max_examples=30, deadline=None)
@given(
    charts(), items, st.booleans(), st.integers(1, 3), st.integers(0, 200),
    st.integers(8, 130), st.integers(3, 50), glyphs, st.booleans(),
)  # fmt: skip
def test_chart(chart, item, with_bar, pitch, offset, width, height, glyph, cross):
    forming = None
    if with_bar:
        forming = FormingBar(BTC, chart.timeframe, NOW_NS, 500, 900, 1, 450, 10, 3)
    at = (NOW_NS, 3) if cross else None
    zoom = Zoom(pitch=pitch, offset=offset, crosshair=at)
    view = build_view(chart, None, item, (width, height), zoom, Happenings(), glyph)
    view = with_forming(view, forming)
    rows = view.layout.height
    fits(draw_columns(view, 0, view.layout.width), view.layout.width, rows)
    fits(draw_history(view), view.layout.width - view.layout.live, rows)
    fits(draw_live(view), view.layout.live, rows)
    wide = axis_width(view)
    fits(draw_axis(view, wide), wide, rows)
    fits([draw_head(view, chart.timeframe, width, glyph)], width)


@fast
@given(st.text(), st.integers(0, 50))
def test_plain_text_is_one_cell_a_character_and_clips(text, width):
    from rich.cells import cell_len

    shown = plain(text)
    assert cell_len(shown) == len(shown)
    assert len(clip(shown, width)) <= width
    assert len(row_text(fitted([(shown, "a"), ("tail", "b")], width))) == width


def test_an_unknown_instrument_name_is_no_trouble():
    assert plain("BTC\n\u202e") == "BTC??"
    assert InstrumentId("x")
