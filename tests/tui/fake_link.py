"""A scripted engine link: it drives a real replica and keeps what was asked of it.

Loaded by tests, by `eyes.py` and by the benchmarks; it opens no socket and reads no clock, except
`LivelyLink`, which moves its market in real time for eyes and measurements.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from core.model import commands as cmd
from core.model.accounts import Balance, LimitUse, Position, RiskState
from core.model.errors import ClxError, LinkError
from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    ModelId,
    StrategyId,
    VenueName,
    VenueOrderId,
    client_order_id,
)
from core.model.instruments import Instrument
from core.model.market import FeedStatus, FormingBar, Side, Timeframe
from core.model.orders import Order, OrderFilled, OrderIntent, OrderState, OrderType
from core.model.signals import Direction, ModelInfo, Prediction, Signal, StrategyInfo
from core.model.views import (
    AccountChanged,
    Alert,
    AlertRaised,
    BarColumns,
    BookView,
    Chart,
    ChartTail,
    EngineSnapshot,
    EngineStatus,
    Fact,
    FeedChanged,
    FeedView,
    FillAdded,
    MarketFrame,
    ModelView,
    OrderChanged,
    PositionChanged,
    QuoteLine,
    StatusChanged,
    StrategyChanged,
    StrategyView,
    TapeRow,
    VenueView,
    View,
)
from link.replica import Replica

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


Answer = Callable[[cmd.Command], Any]


class FakeLink:
    """Implements the port: records requests and views, and answers as a sound engine would.

    Tests change its mind with `answers` (by command class) and push facts and frames themselves.
    """

    def __init__(self, first: EngineSnapshot | None = None, up: bool = True) -> None:
        self.replica = Replica()
        self.state = "connecting"
        self.reason = "connecting"
        self.requests: list[cmd.Command] = []
        self.views: list[View] = []
        self.answers: dict[type[cmd.Command], Answer] = {}
        self.held: asyncio.Event | None = None
        """When set, requests wait for it before they are answered."""
        self.first = first or snapshot()
        self.markets = {
            item.id: Market(item, SYMBOLS[item.symbol][0], seed)
            for seed, item in enumerate(instruments())
        }
        self._comes_up = up
        self._opened = 0

    async def run(self) -> None:
        """Come up at once, or never."""
        if self._comes_up:
            self.come_up()
        await asyncio.Event().wait()

    def come_up(self) -> None:
        """Connect: the replica gets its snapshot, then a chart and a frame of the view."""
        self.state, self.reason = "up", ""
        self.replica.apply_snapshot(self.first)
        self.send_chart()

    def go_down(self, reason: str = "the engine closed the connection") -> None:
        """Lose the engine."""
        self.state, self.reason = "down", reason

    def watch(self, view: View) -> None:
        """Keep the view; a connected link answers with a chart at once."""
        before = self.views[-1] if self.views else None
        self.views.append(view)
        changed = before is None or (before.focus, before.timeframe) != (view.focus, view.timeframe)
        if self.state == "up" and changed:
            self.send_chart()

    @property
    def sent(self) -> list[cmd.Command]:
        """Requests other than dry runs."""
        return [item for item in self.requests if not getattr(item, "dry_run", False)]

    async def request(self, command: cmd.Command, timeout_s: float = 10.0) -> Any:
        """Record, then answer."""
        self.requests.append(command)
        if self.state != "up":
            raise LinkError(f"the engine is not reachable: {self.reason}")
        if self.held is not None:
            await self.held.wait()
        answer = self.answers.get(type(command))
        result = answer(command) if answer is not None else self.answer(command)
        if isinstance(result, ClxError):
            raise result
        return result

    def fact(self, fact: Fact) -> None:
        """Push a fact."""
        self.replica.apply_fact(self.replica.seq + 1, fact)

    def frame(self, **changes: Any) -> None:
        """Push a market frame."""
        base = MarketFrame(ts_ns=NOW_NS)
        self.replica.apply_frame(msgspec.structs.replace(base, **changes))

    def send_chart(self) -> None:
        """Send what the present view asks for."""
        view = self.views[-1] if self.views else View()
        if view.focus is None:
            return
        market = self.markets[view.focus]
        bars = market.bars(view.timeframe, min(view.bars, 400))
        tick = float(market.instrument.price_tick)
        overlays = {
            name: self._indicator(name, bars.close, tick) for name in view.indicators if "(" in name
        }
        lines = {key: value for group in overlays.values() for key, value in group.items()}
        self._opened = market.mid
        self.frame(
            ts_ns=market.ts_ns,
            quotes=[self.markets[name].quote() for name in {*view.quotes, view.focus}],
            book=market.book(view.depth) if view.depth else None,
            tape=market.tape(30) if view.tape else [],
            chart=Chart(
                instrument_id=view.focus,
                timeframe=view.timeframe,
                bars=bars,
                indicators=lines,
                predictions=[prediction(market.ts_ns)] if view.focus == BTC else [],
            ),
        )
        self.send_tail()

    def send_tail(self) -> None:
        """Send the forming bar."""
        view = self.views[-1]
        assert view.focus is not None
        market = self.markets[view.focus]
        empty = BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[])
        self.frame(
            ts_ns=market.ts_ns,
            tail=ChartTail(
                instrument_id=view.focus,
                timeframe=view.timeframe,
                closed=empty,
                indicators={},
                predictions=[],
                forming=market.forming(view.timeframe, self._opened),
            ),
        )

    @staticmethod
    def _indicator(name: str, closes: list[int], tick: float) -> dict[str, list[float]]:
        if name.startswith("ema"):
            return {name: ema(closes, int(name[4:-1]), tick)}
        if name.startswith("bb"):
            middle = ema(closes, 20, tick)
            width = 30 * tick * max(1, closes[-1] // 40_000)
            return {
                f"{name}.upper": [value + width for value in middle],
                f"{name}.middle": middle,
                f"{name}.lower": [value - width for value in middle],
            }
        return {name: [50 + 20 * math.sin(i / 7) for i in range(len(closes))]}

    def answer(self, command: cmd.Command) -> Any:
        """Carry out a command on the replica as an engine would."""
        match command:
            case cmd.Arm():
                armed = {
                    **self._status.armed,
                    command.instrument: self.now_ns + command.seconds * 1_000_000_000,
                }
                self.fact(StatusChanged(status=msgspec.structs.replace(self._status, armed=armed)))
                return cmd.Done(text="armed")
            case cmd.Disarm():
                left = {
                    name: end
                    for name, end in self._status.armed.items()
                    if command.instrument not in (None, name)
                }
                self.fact(StatusChanged(status=msgspec.structs.replace(self._status, armed=left)))
                return cmd.Done(text="disarmed")
            case cmd.SubmitOrder():
                return self._submit(command)
            case cmd.CancelOrder():
                known = self.replica.orders[command.client_order_id]
                gone = msgspec.structs.replace(known, state=OrderState.CANCELED)
                self.fact(OrderChanged(order=gone))
                return cmd.OrderReport(order=gone)
            case cmd.CancelAll() | cmd.Kill():
                count = sum(not item.state.terminal for item in self.replica.orders.values())
                risk = RiskState.HALTED if isinstance(command, cmd.Kill) else RiskState.ACTIVE
                return cmd.KillReport(risk_state=risk, cancels=count)
            case cmd.EnableStrategy() | cmd.DisableStrategy():
                on = isinstance(command, cmd.EnableStrategy)
                view = strategy(enabled=on, state="running" if on else "off")
                self.fact(StrategyChanged(strategy=view))
                return view
            case cmd.ClosePosition():
                return cmd.OrderReport(order=order(command.client_order_id, Side.SELL, None))
            case cmd.GetBalances():
                return self.replica.balances
            case _:
                return cmd.Done(text=f"{command.name} done")

    @property
    def now_ns(self) -> int:
        """The engine's time."""
        return self.replica.frame_ts_ns or NOW_NS

    @property
    def _status(self) -> EngineStatus:
        assert self.replica.status is not None
        return self.replica.status

    def _submit(self, command: cmd.SubmitOrder) -> cmd.OrderReport:
        made = order(
            command.client_order_id,
            command.side,
            str(command.price) if command.price is not None else None,
            str(command.size),
            instrument=command.instrument,
        )
        if not command.dry_run:
            self.fact(OrderChanged(order=made))
        return cmd.OrderReport(order=made)


class LivelyLink(FakeLink):
    """A link whose market moves in real time, for eyes and for measurements."""

    def __init__(self, fps: float = 10.0, messages_per_s: float = 0.0) -> None:
        ids = client_order_id("tui", NOW_NS // 1_000_000, 12345)
        self.fps = fps
        self.messages_per_s = messages_per_s
        """Extra replica updates a second, as a flood of facts and frames would make."""
        first = snapshot(
            orders=(
                order(ids, Side.BUY, "64180.00"),
                order("clxs-0000000000-0000000001", Side.SELL, "64290.00", "0.25000"),
            ),
            positions=(
                Position(
                    instrument_id=BTC,
                    size=Decimal("0.25000"),
                    average_price=Decimal("64015.20"),
                    realised_pnl=Decimal("12.40"),
                    fees=Decimal("3.21"),
                    mark_price=Decimal("64218.50"),
                    unrealised_pnl=Decimal("50.83"),
                ),
            ),
            fills=(fill(),),
            strategies=(
                strategy(
                    enabled=True,
                    state="running",
                    signals=7,
                    orders=3,
                    realised_pnl=Decimal("124.50"),
                    last_signal=Signal(
                        strategy_id=StrategyId("rsi"),
                        instrument_id=BTC,
                        direction=Direction.LONG,
                        confidence=0.72,
                        reason="rsi 28.4 below 30",
                        ts_event_ns=NOW_NS,
                    ),
                ),
            ),
            alerts=(
                Alert(ts_ns=NOW_NS, level="info", source="engine", text="session abcd1234 started"),
            ),
        )
        super().__init__(first)

    async def run(self) -> None:
        """Move the market at the frame rate until cancelled."""
        self.come_up()
        beat = 1 / self.fps
        due, flood = time.monotonic(), 0.0
        while True:
            due += beat
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.step()
            flood += self.messages_per_s * beat
            while flood >= 1:
                flood -= 1
                self.flood()

    def step(self) -> None:
        """Make one frame."""
        view = self.views[-1] if self.views else View()
        if view.focus is None:
            return
        for market in self.markets.values():
            market.move()
        market = self.markets[view.focus]
        busy = [self.markets[name].quote() for name in view.quotes or (view.focus,)]
        self.frame(
            ts_ns=market.ts_ns,
            quotes=[line for line in busy if market.rng.random() < 0.5] + [market.quote()],
            book=market.book(view.depth) if view.depth else None,
            tape=market.tape(market.rng.randint(0, 4)) if view.tape else [],
        )
        self.send_tail()

    def flood(self) -> None:
        """Apply one more message of the kind a busy engine sends."""
        market = self.markets[BTC]
        self.fact(
            AccountChanged(
                balances=self.replica.balances,
                equity=self.replica.equity + market.rng.randint(-1, 1),
                day_pnl=self.replica.day_pnl,
                limits=self.replica.limits,
            )
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


__all__ = [
    "BTC",
    "NOW_NS",
    "AlertRaised",
    "FakeLink",
    "FeedChanged",
    "FillAdded",
    "LivelyLink",
    "PositionChanged",
    "fill",
    "order",
    "snapshot",
    "status",
    "strategy",
]
