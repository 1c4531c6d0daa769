"""A fixed market to draw, and plain-text goldens; ``UPDATE_GOLDEN=1`` writes them anew."""

import math
import os
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.model.instruments import Instrument
from core.model.market import FormingBar, Side, Timeframe
from core.model.orders import Order, OrderFilled, OrderIntent, OrderState, OrderType
from core.model.signals import Direction, Prediction, Signal
from core.model.views import BarColumns, BookView, Chart, TapeRow
from tui.draw.runs import Row, row_text

GOLDEN = Path(__file__).parent / "golden"
NOW_NS = 1_723_127_400_000_000_000
"""2024-08-08 14:30 UTC."""
MINUTE_NS = 60_000_000_000


@pytest.fixture
def golden() -> Callable[[str, Sequence[Row]], None]:
    """Compare rows, without their roles, with the file of that name."""

    def compare(name: str, rows: Sequence[Row]) -> None:
        text = "\n".join(row_text(row).rstrip() for row in rows) + "\n"
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            GOLDEN.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden {name}; UPDATE_GOLDEN=1 writes it"
        assert text == path.read_text(encoding="utf-8")

    return compare


def make_instrument(symbol: str = "BTC-USDT", tick: str = "0.01", lot: str = "0.00001"):
    return Instrument(
        id=f"{symbol}.binance",
        venue="binance",
        venue_symbol=symbol.replace("-", ""),
        base=symbol.partition("-")[0],
        quote="USDT",
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


def make_bars(count: int, seed: int = 11) -> BarColumns:
    """A random walk in ticks of 0.01, newest bar just before `NOW_NS`."""
    rng, price = random.Random(seed), 6_421_850
    columns = BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[])
    for index in range(count):
        close = price + round(rng.gauss(0, 2_000))
        columns.ts_open_ns.append(NOW_NS - (count - index) * MINUTE_NS)
        columns.open.append(price)
        columns.high.append(max(price, close) + round(abs(rng.gauss(0, 1_000))))
        columns.low.append(min(price, close) - round(abs(rng.gauss(0, 1_000))))
        columns.close.append(close)
        columns.volume.append(round(abs(rng.gauss(900_000, 500_000))))
        price = close
    return columns


def make_lines(bars: BarColumns) -> dict[str, list[float]]:
    """An average, a band and an oscillator, in price units, NaN at first."""
    level, average = bars.close[0] / 100, []
    for close in bars.close:
        level += (close / 100 - level) * 0.1
        average.append(level)
    warm = [math.nan] * min(9, len(average))
    average = warm + average[len(warm) :]
    return {
        "ema(20)": average,
        "bb(20,2).upper": [value + 45 for value in average],
        "bb(20,2).middle": average,
        "bb(20,2).lower": [value - 45 for value in average],
        "rsi(14)": warm + [50 + 22 * math.sin(i / 6) for i in range(len(average) - len(warm))],
    }


def make_order(side: Side, size: str, price: str | None, number: int = 1, **changes) -> Order:
    intent = {
        "client_order_id": f"clxt-0001000a9{number}-abcdefg{number}",
        "instrument_id": "BTC-USDT.binance",
        "side": side,
        "type": OrderType.MARKET if price is None else OrderType.LIMIT,
        "size": Decimal(size),
        "price": None if price is None else Decimal(price),
        "origin": "tui",
        "reason": changes.pop("reason", ""),
    }
    if "strategy" in changes:
        intent |= {"origin": "strat", "strategy_id": changes.pop("strategy")}
    state = {
        "venue": "binance",
        "state": OrderState.ACCEPTED,
        "ts_submitted_ns": NOW_NS,
        "ts_updated_ns": NOW_NS,
    }
    return Order(intent=OrderIntent(**intent), **(state | changes))


def make_fill(side: Side, price: str, ts_ns: int, number: int = 1) -> OrderFilled:
    return OrderFilled(
        client_order_id=f"clxt-0001000a9{number}-abcdefg{number}",
        venue="binance",
        instrument_id="BTC-USDT.binance",
        venue_order_id=str(number),
        execution_id=str(number),
        side=side,
        price=Decimal(price),
        size=Decimal("0.5"),
        fee=Decimal("32.05"),
        fee_asset="USDT",
        maker=side is Side.BUY,
        ts_event_ns=ts_ns,
        ts_ns=ts_ns,
    )


def make_signal(direction: Direction, ts_ns: int) -> Signal:
    return Signal(
        strategy_id="rsi",
        instrument_id="BTC-USDT.binance",
        direction=direction,
        confidence=0.72,
        reason="RSI 28.1 below 30",
        ts_event_ns=ts_ns,
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """Makers of everything that is drawn."""
    return SimpleNamespace(
        instrument=make_instrument,
        bars=make_bars,
        lines=make_lines,
        order=make_order,
        fill=make_fill,
        signal=make_signal,
        now_ns=NOW_NS,
    )


@pytest.fixture
def item() -> Instrument:
    """BTC-USDT with its real steps."""
    return make_instrument()


@pytest.fixture
def chart() -> Chart:
    """200 minutes with an average, a band, an oscillator and a prediction."""
    bars = make_bars(200)
    return Chart(
        instrument_id="BTC-USDT.binance",
        timeframe=Timeframe.M1,
        bars=bars,
        indicators=make_lines(bars),
        predictions=[
            Prediction(
                model_id="tiny-1m",
                version="0123456789ab",
                instrument_id="BTC-USDT.binance",
                timeframe=Timeframe.M1,
                ts_bar_ns=bars.ts_open_ns[-1],
                ts_ns=NOW_NS,
                horizon_bars=5,
                p_up=0.57,
                expected_return=0.0003,
                low_return=-0.0004,
                high_return=0.0009,
            )
        ],
    )


@pytest.fixture
def forming(chart: Chart) -> FormingBar:
    """The minute that is being built."""
    last = chart.bars.close[-1]
    return FormingBar(
        chart.instrument_id,
        Timeframe.M1,
        NOW_NS,
        last,
        last + 900,
        last - 300,
        last + 600,
        400_000,
        12,
    )


@pytest.fixture
def book() -> BookView:
    """Thirty levels a side around 64,218.50."""
    rng = random.Random(5)
    bids = [(6_421_849 - 149 * i, rng.randint(2_000, 260_000)) for i in range(30)]
    asks = [(6_421_851 + 149 * i, rng.randint(2_000, 260_000)) for i in range(30)]
    return BookView(instrument_id="BTC-USDT.binance", bids=bids, asks=asks, last_id=9)


@pytest.fixture
def trades() -> list[TapeRow]:
    """Twelve trades, oldest first."""
    rng = random.Random(6)
    return [
        TapeRow(
            NOW_NS + i * 400_000_000,
            6_421_850 + rng.randint(-200, 200),
            rng.randint(40, 90_000),
            rng.random() < 0.5,
        )
        for i in range(12)
    ]
