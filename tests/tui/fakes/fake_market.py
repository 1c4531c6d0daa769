"""A scripted market and makers of everything an engine would tell."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

import msgspec

from core.model.accounts import Balance, LimitUse, RiskState
from core.model.commands import ListedSymbols
from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    ModelId,
    StrategyId,
    VenueName,
    VenueOrderId,
)
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FeedStatus, FormingBar, Side, Timeframe
from core.model.orders import Order, OrderFilled, OrderIntent, OrderState, OrderType
from core.model.signals import ModelInfo, Prediction, StrategyInfo
from core.model.views import (
    BarColumns,
    BookProfile,
    BookView,
    EngineSnapshot,
    EngineStatus,
    FeedView,
    ModelView,
    QuoteLine,
    StrategyView,
    TapeRow,
    VenueView,
)

BINANCE = VenueName("binance")
NOW_NS = 1_726_000_000_000_000_000
"""Where the scripted engine's clock stands when it starts."""
SYMBOLS = {
    "BTC-USDT": ("64218.50", "0.01", "0.00001"),
    "ETH-USDT": ("3120.40", "0.01", "0.0001"),
    "SOL-USDT": ("142.30", "0.01", "0.001"),
    "BNB-USDT": ("588.10", "0.1", "0.001"),
    "XRP-USDT": ("0.5712", "0.0001", "0.1"),
    "DOGE-USDT": ("0.10421", "0.00001", "1"),
}
BTC = InstrumentId("BTC-USDT.binance")


def instruments() -> tuple[Instrument, ...]:
    """Six instruments with real steps."""
    return tuple(
        Instrument(
            id=InstrumentId(f"{symbol}.binance"),
            venue=BINANCE,
            venue_symbol=symbol.replace("-", ""),
            base=symbol.split("-")[0],
            quote="USDT",
            price_tick=Decimal(tick),
            size_lot=Decimal(lot),
            min_size=Decimal(lot),
            min_notional=Decimal(5),
        )
        for symbol, (_, tick, lot) in SYMBOLS.items()
    )


class Market:
    """A random walk with a book, trades and bars; the same seed gives the same market."""

    def __init__(self, instrument: Instrument, price: str, seed: int) -> None:
        self.instrument = instrument
        self.rng = random.Random(seed)
        self.mid = int(Decimal(price) / instrument.price_tick)
        self.open_24h = int(self.mid * 0.988)
        self.step = max(1, self.mid // 40_000)
        self.lot = max(1, int(Decimal(2000) / Decimal(price) / instrument.size_lot))
        self.ts_ns = NOW_NS

    def bars(self, timeframe: Timeframe, count: int) -> BarColumns:
        """History that ends at the present price."""
        rng, closes, price = random.Random(self.mid), [], float(self.mid)
        scale = self.step * 6 * math.sqrt(timeframe.ns / 60e9)
        for _ in range(count):
            closes.append(int(price))
            price = max(self.step * 10.0, price - rng.gauss(0, scale) - scale * 0.03)
        closes.reverse()
        columns = BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[])
        first = (self.ts_ns // timeframe.ns - count) * timeframe.ns
        for index, close in enumerate(closes):
            before = closes[index - 1] if index else close
            columns.ts_open_ns.append(first + index * timeframe.ns)
            columns.open.append(before)
            columns.high.append(max(before, close) + int(abs(rng.gauss(0, scale * 0.5))))
            columns.low.append(min(before, close) - int(abs(rng.gauss(0, scale * 0.5))))
            columns.close.append(close)
            columns.volume.append(int(self.lot * abs(rng.gauss(20, 12))))
        return columns

    def move(self) -> None:
        """Let the price take one small step and time 100 ms."""
        self.ts_ns += 100_000_000
        self.mid += round(self.rng.gauss(0, self.step))

    def book(self, depth: int) -> BookView:
        """A book around the present price."""
        bids = [
            (self.mid - 1 - i * self.step, self.lot * self.rng.randint(1, 40)) for i in range(depth)
        ]
        asks = [
            (self.mid + 1 + i * self.step, self.lot * self.rng.randint(1, 40)) for i in range(depth)
        ]
        return BookView(instrument_id=self.instrument.id, bids=bids, asks=asks, last_id=1)

    def profile(self, step: int, rows: int) -> BookProfile:
        """The book in buckets: walls at round prices, more of it farther away."""
        bid, ask = self.mid - 1, self.mid + 1
        return BookProfile(
            instrument_id=self.instrument.id,
            ts_ns=self.ts_ns,
            step_ticks=step,
            bid_ticks=bid,
            ask_ticks=ask,
            bids=[self._waiting(bid // step - at, at) for at in range(rows)],
            asks=[self._waiting(ask // step + at, at) for at in range(rows)],
        )

    def _waiting(self, bucket: int, away: int) -> int:
        noise = random.Random(bucket * 7 + self.ts_ns // 20_000_000_000).uniform(0.4, 1.0)
        wall = 6.0 if bucket % 23 == 0 else 3.0 if bucket % 9 == 4 else 1.0
        return int(self.lot * 12 * noise * wall * (0.2 + min(1.0, away / 40)))

    def tape(self, count: int) -> list[TapeRow]:
        """Some trades at the touch."""
        rows = []
        for _ in range(count):
            sold = self.rng.random() < 0.5
            price = self.mid + (-1 if sold else 1)
            rows.append(TapeRow(self.ts_ns, price, self.lot * self.rng.randint(1, 20), sold))
        return rows

    def quote(self) -> QuoteLine:
        """The watchlist line."""
        return QuoteLine(
            instrument_id=self.instrument.id,
            bid_ticks=self.mid - 1,
            ask_ticks=self.mid + 1,
            last_ticks=self.mid,
            open_24h_ticks=self.open_24h,
            high_24h_ticks=int(self.open_24h * 1.03),
            low_24h_ticks=int(self.open_24h * 0.98),
            volume_24h_lots=self.lot * 30_000,
            turnover_24h=float(
                self.lot * 30_000 * self.instrument.size_lot * self.mid * self.instrument.price_tick
            ),
            status=FeedStatus.LIVE,
            ts_event_ns=self.ts_ns - 38_000_000,
            age_ms=38,
        )

    def forming(self, timeframe: Timeframe, opened: int) -> FormingBar:
        """The bar being built."""
        return FormingBar(
            self.instrument.id,
            timeframe,
            self.ts_ns // timeframe.ns * timeframe.ns,
            opened,
            max(opened, self.mid) + self.step,
            min(opened, self.mid) - self.step,
            self.mid,
            self.lot * 10,
            9,
        )


def ema(values: list[int], period: int, tick: float) -> list[float]:
    """An overlay for the picture only."""
    out: list[float] = []
    for value in values:
        out.append(
            value * tick if not out else out[-1] + 2 / (period + 1) * (value * tick - out[-1])
        )
    return [math.nan] * min(period, len(out)) + out[period:]


def status(**changes: Any) -> EngineStatus:
    """A running paper engine."""
    base = EngineStatus(
        session="abcd1234",
        version="0.1.0",
        pid=4242,
        mode="SIM",
        started_ns=NOW_NS - 3_600_000_000_000,
        phase="running",
        risk_state=RiskState.ACTIVE,
        clients=1,
    )
    return msgspec.structs.replace(base, **changes)


def order(
    name: str = "a91f",
    side: Side = Side.BUY,
    price: str | None = "64180.00",
    size: str = "0.50000",
    state: OrderState = OrderState.ACCEPTED,
    instrument: InstrumentId = BTC,
    **changes: Any,
) -> Order:
    """An order of ours."""
    intent = OrderIntent(
        client_order_id=ClientOrderId(name),
        instrument_id=instrument,
        side=side,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        size=Decimal(size),
        price=Decimal(price) if price else None,
        origin="tui",
        reason="by hand",
    )
    base = Order(
        intent=intent,
        venue=BINANCE,
        state=state,
        venue_order_id=VenueOrderId("1"),
        ts_submitted_ns=NOW_NS,
        ts_updated_ns=NOW_NS,
    )
    return msgspec.structs.replace(base, **changes)


def snapshot(**changes: Any) -> EngineSnapshot:
    """What a freshly attached client gets."""
    all_of_them = instruments()
    base = EngineSnapshot(
        seq=0,
        status=status(),
        instruments=all_of_them,
        watchlist=tuple(item.id for item in all_of_them),
        orders=(),
        fills=(),
        positions=(),
        balances=(
            Balance(venue=BINANCE, asset="USDT", total=Decimal("100000.00"), held=Decimal(0)),
            Balance(venue=BINANCE, asset="BTC", total=Decimal("1.00000")),
        ),
        equity=Decimal("100124.50"),
        day_pnl=Decimal("124.50"),
        limits=(
            LimitUse(
                rule="risk.max_daily_loss", used=Decimal(600), allowed=Decimal(5000), unit="USDT"
            ),
        ),
        feeds=tuple(
            FeedView(
                instrument_id=item.id,
                status=FeedStatus.LIVE,
                reason="",
                last_event_ns=NOW_NS,
                gaps=0,
                resyncs=0,
            )
            for item in all_of_them
        ),
        venues=(VenueView(venue=BINANCE, connected=True, reason="", reconciled_ns=NOW_NS),),
        strategies=(strategy(),),
        models=(model(),),
        signals=(),
        alerts=(),
    )
    return msgspec.structs.replace(base, **changes)


def listing(replica: Any) -> tuple[ListedSymbols, ...]:
    """What venues list: the instruments known, and some of other venues."""
    known = sorted(item.symbol for item in replica.instruments.values())
    return (
        ListedSymbols(
            venue=BINANCE, kind=InstrumentKind.SPOT, trading=True, symbols=" ".join(known)
        ),
        ListedSymbols(
            venue=VenueName("bybit"),
            kind=InstrumentKind.PERPETUAL,
            trading=True,
            symbols="ADA-USDT-PERP BTC-USDT-PERP ETH-USDT-PERP",
        ),
        ListedSymbols(
            venue=VenueName("kraken"), kind=InstrumentKind.SPOT, trading=False, symbols="LUNA-USD"
        ),
    )


def strategy(**changes: Any) -> StrategyView:
    """The built-in strategy, off."""
    info = StrategyInfo(
        id=StrategyId("rsi"),
        title="RSI 14",
        help="Buy when oversold, sell when overbought.",
        instruments=(BTC,),
        timeframe=Timeframe.M1,
        indicators=("rsi(14)",),
        parameters={"period": 14, "overbought": 70, "oversold": 30},
    )
    return msgspec.structs.replace(StrategyView(info=info, enabled=False, state="off"), **changes)


def model() -> ModelView:
    """A small model with one prediction."""
    info = ModelInfo(
        id=ModelId("tiny-1m"),
        version="0123456789ab",
        title="Tiny 1m",
        timeframe=Timeframe.M1,
        horizon_bars=5,
        features=("return_1",),
        schema_sha256="0" * 64,
        trained_on="emulator, seed 7",
        metrics={"ece": 0.009},
    )
    return ModelView(info=info, last=prediction(NOW_NS), predictions=40, hits=22, judged=38)


def prediction(ts_ns: int) -> Prediction:
    """A mildly hopeful prediction."""
    return Prediction(
        model_id=ModelId("tiny-1m"),
        version="0123456789ab",
        instrument_id=BTC,
        timeframe=Timeframe.M1,
        ts_bar_ns=ts_ns // Timeframe.M1.ns * Timeframe.M1.ns - Timeframe.M1.ns,
        ts_ns=ts_ns,
        horizon_bars=5,
        p_up=0.57,
        expected_return=0.0004,
        low_return=-0.001,
        high_return=0.0018,
    )


def fill(execution: str = "77", side: Side = Side.BUY, price: str = "64015.20") -> OrderFilled:
    """One execution."""
    return OrderFilled(
        client_order_id=ClientOrderId("a91e"),
        venue=BINANCE,
        instrument_id=BTC,
        venue_order_id=VenueOrderId("1"),
        execution_id=ExecutionId(execution),
        side=side,
        price=Decimal(price),
        size=Decimal("0.25000"),
        fee=Decimal("3.21"),
        fee_asset="USDT",
        maker=True,
        ts_event_ns=NOW_NS - 600_000_000_000,
        ts_ns=NOW_NS - 600_000_000_000,
    )
