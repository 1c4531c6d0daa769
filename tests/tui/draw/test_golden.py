"""What the drawing looks like, as text: scripted market, fixed sizes."""

from decimal import Decimal

import msgspec
import pytest
from fake_market import (
    BTC,
    NOW_NS,
    SYMBOLS,
    Market,
    ema,
    fill,
    instruments,
    model,
    order,
    prediction,
    snapshot,
    status,
    strategy,
)  # fmt: skip

from core.model.accounts import RiskState
from core.model.ids import InstrumentId
from core.model.market import FeedStatus, Side, Timeframe
from core.model.orders import OrderState
from core.model.signals import Direction, Signal
from core.model.views import Alert, Chart
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view
from tui.draw.chart.candles import draw_head, draw_history, draw_live
from tui.draw.glyphs import glyph_set
from tui.draw.ladder import LadderView, draw_ladder, own_orders
from tui.draw.records import FILLS, LOG, ORDERS
from tui.draw.runs import beside
from tui.draw.status import Standing, draw_header, draw_hints, draw_minds, draw_notice, draw_tabs
from tui.draw.tables import draw_table
from tui.draw.tape import draw_tape
from tui.keys import KEYS, hints
from tui.panes import ALL

ITEM = instruments()[0]
GLYPHS = {name: glyph_set(name) for name in ("block", "ascii")}
BLOCK = GLYPHS["block"]


def market():
    return Market(ITEM, SYMBOLS["BTC-USDT"][0], 0)


def chart():
    bars = market().bars(Timeframe.M1, 300)
    tick = float(ITEM.price_tick)
    closes = bars.close
    return Chart(
        instrument_id=BTC,
        timeframe=Timeframe.M1,
        bars=bars,
        indicators={
            "ema(20)": ema(closes, 20, tick),
            "rsi(14)": [50 + 20 * ((i % 20) - 10) / 10 for i in range(len(closes))],
        },
        predictions=[prediction(NOW_NS)],
    )


def happenings(last):
    price = str(ITEM.price(last - 1500))
    return Happenings(
        orders=(order("one", Side.BUY, price, "0.5"),),
        fills=(fill(price=str(ITEM.price(last))),),
        signals=(
            Signal(
                strategy_id="rsi", instrument_id=BTC, direction=Direction.LONG, confidence=0.7,
                reason="oversold", ts_event_ns=NOW_NS - 1_200_000_000_000,
            ),
        ),
    )  # fmt: skip


def whole(width, height, zoom, glyphs):
    data = chart()
    forming = market().forming(Timeframe.M1, data.bars.close[-1])
    view = build_view(
        data, forming, ITEM, (width - 12, height), zoom, happenings(data.bars.close[-1]), glyphs
    )
    axis = axis_width(view)
    head = draw_head(view, Timeframe.M1, width - 12 + axis, glyphs)
    return [head, *beside(draw_history(view), draw_live(view), draw_axis(view, axis))]


@pytest.mark.parametrize("name", ["block", "ascii"])
@pytest.mark.parametrize("size", [(48, 20), (80, 28)])
def test_chart(golden, name, size):
    golden(f"look_chart_{name}_{size[0]}x{size[1]}", whole(*size, Zoom(), GLYPHS[name]))


@pytest.mark.parametrize("pitch", [2, 3])
def test_chart_zoomed_in(golden, pitch):
    golden(f"look_chart_pitch_{pitch}", whole(80, 24, Zoom(pitch=pitch), BLOCK))


def test_chart_scrolled_back_with_a_crosshair(golden):
    bars = chart().bars
    zoom = Zoom(offset=60, crosshair=(bars.ts_open_ns[-90], 5))
    golden("look_chart_crosshair", whole(100, 24, zoom, BLOCK))


def ladder(**changes):
    book = market().book(30)
    own = own_orders([order("one", Side.BUY, str(ITEM.price(book.bids[2][0])), "0.5")], ITEM)
    return LadderView(ITEM, book, own, book.bids[0][0], **changes)


@pytest.mark.parametrize("name", ["block", "ascii"])
@pytest.mark.parametrize("size", [(32, 16), (40, 20)])
def test_ladder(golden, name, size):
    golden(f"look_ladder_{name}_{size[0]}x{size[1]}", draw_ladder(ladder(), *size, GLYPHS[name]))


def test_ladder_with_the_cursor_and_without_trust(golden):
    cursor = market().book(30).bids[3][0]
    golden("look_ladder_cursor", draw_ladder(ladder(cursor=cursor), 40, 16, BLOCK))
    stale = ladder(trusted=False, why="LINK DOWN")
    golden("look_ladder_stale", draw_ladder(stale, 40, 16, BLOCK))


def test_tape(golden):
    trades = market().tape(20)
    golden("look_tape_wide", draw_tape(trades, 0, ITEM, 32, 10, BLOCK))
    golden("look_tape_narrow", draw_tape(trades, 12, ITEM, 13, 10, BLOCK))


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_header(golden, width):
    now = Standing(
        ITEM, market().quote(), status(), "up", "", armed_s=272, day_pnl=Decimal("124.5")
    )
    golden(f"look_header_{width}", [draw_header(now, width, BLOCK)])
    down = Standing(ITEM, market().quote(), status(mode="LIVE"), "down", "gone", flash=1)
    golden(f"look_header_down_{width}", [draw_header(down, width, BLOCK)])


@pytest.mark.parametrize(
    ("count", "words"), [(0, "DISARMED"), (1, "ARMED: 1 OTHER"), (3, "3 OTHERS")]
)
def test_header_says_when_others_are_armed(count, words):
    now = Standing(ITEM, market().quote(), status(), "up", "", armed_others=count)
    assert words in "".join(text for text, _ in draw_header(now, 120, BLOCK))


@pytest.mark.parametrize(
    ("down", "link", "words"),
    [
        ((), "up", ""),
        (("okx",), "up", " okx DOWN "),
        (("binance_usdm", "okx"), "up", " binance_usdm +1 DOWN "),
        (("okx",), "down", ""),
    ],
)
def test_header_says_which_venue_is_down_while_the_link_lives(down, link, words):
    now = Standing(ITEM, market().quote(), status(), link, "gone", venues_down=down)
    seen = "".join(text for text, _ in draw_header(now, 80, BLOCK))
    assert words in seen
    assert ("DOWN" in seen) == bool(words)
    assert len(seen) == 80


def test_header_leaves_out_the_days_profit_before_the_price_of_a_long_name():
    item = msgspec.structs.replace(ITEM, id=InstrumentId("BTC-USDT-PERP.binance_usdm"))
    engine = status(mode="LIVE", risk_state=RiskState.REDUCING)
    line = msgspec.structs.replace(market().quote(), status=FeedStatus.STALE, age_ms=9_200)
    now = Standing(item, line, engine, "up", "", day_pnl=Decimal("3.42"))
    seen = "".join(text for text, _ in draw_header(now, 80, BLOCK))
    price = f"{item.price(line.last_ticks):,.2f}"
    assert seen.startswith(f" BTC-USDT-PERP  {price} ")
    assert "STALE 9.2 s" in seen
    assert "day" not in seen


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_tabs_and_hints(golden, width):
    names = [(name, 2 if name == "orders" else 0) for name in ALL]
    rows = [draw_tabs(names, active, "equity 1,000.00", width, BLOCK) for active in (ALL[0], "log")]
    rows += [draw_hints(hints(KEYS), "q detach", width)]
    golden(f"look_tabs_{width}", rows)


def test_a_long_notice_is_wrapped(golden):
    golden("look_notice", draw_notice("size must be a number, was '1,5'; " * 4, "warn", 60))


def test_tables(golden):
    orders = [
        order("clxt-1-000abc"),
        order("clxt-1-000abd", Side.SELL, None, "12.25", OrderState.REJECTED, note="too small"),
    ]
    golden("look_orders_120", draw_table(ORDERS, orders, 0, 120, 6, BLOCK))
    golden("look_orders_60", draw_table(ORDERS, orders, 1, 60, 6, BLOCK))
    golden("look_orders_empty", draw_table(ORDERS, [], None, 80, 4, BLOCK))
    golden("look_fills", draw_table(FILLS, [fill()], None, 80, 4, BLOCK))
    alerts = [Alert(ts_ns=NOW_NS, level="error", source="feed", text="gap of 3\nresync")]
    golden("look_log", draw_table(LOG, alerts, None, 60, 4, BLOCK))


def test_minds(golden):
    running = strategy(
        enabled=True, state="running", orders=3, realised_pnl=Decimal("124.5"),
        last_signal=happenings(6_421_850).signals[0],
    )  # fmt: skip
    golden("look_minds", draw_minds([model()], [running, strategy()], 56, 4, BLOCK))
    assert snapshot().models[0].info.id == "tiny-1m"
