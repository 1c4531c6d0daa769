"""A small exchange tape, and the rooms a kernel is composed of, all real but in memory."""

from __future__ import annotations

import hashlib
import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.engine.clock import SimClock
from core.engine.kernel import Kernel
from core.feeds.binance.parse import BinanceDecoder
from core.model.abilities import PLAIN, VenueAbilities
from core.model.accounts import Balance, VenuePosition
from core.model.facts import BalancesReported, CashMoved, JournalRecord, VenueConnected, VenueEvent
from core.model.ids import ExecutionId, InstrumentId, StrategyId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.market import Bar, Side, Timeframe
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderType,
    VenueOrder,
)
from core.model.settings import Settings
from core.model.signals import (
    BarInput,
    Direction,
    ModelInfo,
    Prediction,
    Signal,
    StrategyInfo,
    StrategyInput,
    StrategyOutput,
    TargetPosition,
)
from core.model.views import Fact
from core.venues.sim import SimVenue

BINANCE, PAPER = VenueName("binance"), VenueName("paper")
START_NS = 1_700_000_040_000_000_000  # a whole minute
Frame = tuple[str, int, int, str, bytes]


def instrument(base: str = "BTC", tick: str = "0.01", lot: str = "0.00001") -> Instrument:
    return Instrument(
        id=InstrumentId(f"{base}-USDT.binance"),
        venue=BINANCE,
        venue_symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
        min_notional=Decimal(5),
    )


BTC = instrument()


class TapeMaker:
    """Frames as the exchange sends them: an image, then deltas, quotes and trades."""

    def __init__(self, seed: int, symbols: Sequence[str] = ("BTCUSDT",)) -> None:
        self._random = random.Random(seed)
        self._symbols = symbols
        self._price = dict.fromkeys(symbols, 6_000_000)
        self._update = dict.fromkeys(symbols, 1000)
        self._trade = dict.fromkeys(symbols, 1)
        self.ts_ns = START_NS

    def opening(self) -> Iterator[Frame]:
        streams = "/".join(f"{name.lower()}@trade" for name in self._symbols)
        yield (
            "connect",
            1,
            self.ts_ns,
            f"wss://stream.binance.com:9443/stream?streams={streams}",
            b"",
        )
        for symbol in self._symbols:
            yield self.image(symbol)

    def image(self, symbol: str = "BTCUSDT") -> Frame:
        price = self._price[symbol]
        body = {
            "lastUpdateId": self._update[symbol],
            "bids": [[_price(price - 1 - n), "1.00000"] for n in range(20)],
            "asks": [[_price(price + 1 + n), "1.00000"] for n in range(20)],
        }
        url = f"https://api.binance.com/api/v3/depth?symbol={symbol}&limit=1000"
        return "http", 1, self.ts_ns, url, json.dumps(body).encode()

    def frames(self, seconds: float, per_second: int = 20) -> Iterator[Frame]:
        for _ in range(int(seconds * per_second)):
            self.ts_ns += 1_000_000_000 // per_second
            for symbol in self._symbols:
                yield self.step(symbol)

    def step(self, symbol: str) -> Frame:
        kind = self._random.random()
        if kind < 0.4:
            return self._stream(symbol, "trade", self._trade_body(symbol))
        if kind < 0.6:
            return self._stream(symbol, "bookTicker", self._quote_body(symbol))
        return self._stream(symbol, "depth@100ms", self._depth_body(symbol))

    def _trade_body(self, symbol: str) -> dict[str, Any]:
        self._trade[symbol] += 1
        ms = self.ts_ns // 1_000_000
        move = self._random.randint(-300, 300)
        return {
            "e": "trade", "E": ms, "s": symbol, "t": self._trade[symbol],
            "p": _price(self._price[symbol] + move),
            "q": f"{self._random.randint(1, 99999) / 1e5:.5f}", "T": ms, "m": move < 0, "M": True,
        }  # fmt: skip

    def _quote_body(self, symbol: str) -> dict[str, Any]:
        price = self._price[symbol]
        return {
            "u": self._update[symbol], "s": symbol, "b": _price(price - 1), "B": "1.00000",
            "a": _price(price + 1), "A": "1.00000",
        }  # fmt: skip

    def _depth_body(self, symbol: str) -> dict[str, Any]:
        old = self._price[symbol]
        new = self._price[symbol] = max(1000, old + self._random.randint(-5, 5))
        first = self._update[symbol] + 1
        self._update[symbol] += 3
        gone_asks = [[_price(tick), "0.00000"] for tick in range(old + 1, new + 1)]
        gone_bids = [[_price(tick), "0.00000"] for tick in range(new, old)]
        return {
            "e": "depthUpdate", "E": self.ts_ns // 1_000_000, "s": symbol, "U": first,
            "u": self._update[symbol],
            "b": [[_price(new - 1), f"{self._random.randint(1, 9)}.00000"], *gone_bids],
            "a": [[_price(new + 1), f"{self._random.randint(1, 9)}.00000"], *gone_asks],
        }  # fmt: skip

    def _stream(self, symbol: str, stream: str, body: dict[str, Any]) -> Frame:
        whole = {"stream": f"{symbol.lower()}@{stream}", "data": body}
        return (
            "recv",
            1,
            self.ts_ns + 1_000_000,
            "",
            json.dumps(whole, separators=(",", ":")).encode(),
        )


def _price(ticks: int) -> str:
    return f"{ticks / 100:.2f}"


def make_tape(
    seed: int = 1, seconds: float = 60, symbols: Sequence[str] = ("BTCUSDT",)
) -> list[Frame]:
    maker = TapeMaker(seed, symbols)
    return [*maker.opening(), *maker.frames(seconds)]


class ListJournal:
    """A journal in memory that keeps the very bytes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, records: Sequence[JournalRecord]) -> int:
        self.lines += [msgspec.json.encode(record) for record in records]
        return len(self.lines)

    def read(self, after: int = 0) -> Iterator[tuple[int, JournalRecord]]:
        for number, line in enumerate(self.lines[after:], after + 1):
            yield number, msgspec.json.decode(line, type=JournalRecord)

    def close(self) -> None:
        pass

    def of(self, tag: str) -> list[dict[str, Any]]:
        records = (json.loads(line) for line in self.lines)
        return [record for record in records if record["type"] == tag]


class ListPredictions:
    """A prediction store in memory."""

    def __init__(self) -> None:
        self.kept: list[Prediction] = []

    def put(self, predictions: Sequence[Prediction]) -> None:
        self.kept += predictions

    def recent(self, model_id: str, instrument_id: str, limit: int) -> list[Prediction]:
        mine = [
            made
            for made in self.kept
            if (made.model_id, made.instrument_id) == (model_id, instrument_id)
        ]
        return mine[-limit:]


class TouchVenue:
    """Fills market orders at the touch and keeps limit orders open; answers wait to be pumped."""

    name = PAPER

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self.kernel: Kernel | None = None
        self.answers: deque[VenueEvent] = deque()
        self.orders: dict[str, VenueOrder] = {}
        self._count = 0
        self.money = [
            Balance(venue=PAPER, asset="USDT", total=Decimal(100_000)),
            Balance(venue=PAPER, asset="BTC", total=Decimal(0)),
        ]

    def advance(self) -> None:
        """Nothing is on its way: orders arrive at once."""

    def connect(self) -> None:
        now = self._clock.now_ns()
        self.answers.append(VenueConnected(venue=PAPER, ts_ns=now))
        self.answers.append(
            BalancesReported(venue=PAPER, balances=tuple(self.money), ts_event_ns=now, ts_ns=now)
        )

    def submit(self, intent: OrderIntent) -> None:
        self._count += 1
        now, number = self._clock.now_ns(), str(self._count)
        venue_order_id = VenueOrderId(number)
        self.answers.append(
            OrderAccepted(
                client_order_id=intent.client_order_id,
                venue_order_id=venue_order_id,
                ts_event_ns=now,
                ts_ns=now,
            )
        )
        if intent.type is OrderType.LIMIT:
            return
        assert self.kernel is not None
        top = self.kernel.market.top(intent.instrument_id)
        assert top is not None
        price = self.kernel.listing.instrument(intent.instrument_id).price(
            top[1] if intent.side is Side.BUY else top[0]
        )
        self.answers.append(
            OrderFilled(
                client_order_id=intent.client_order_id,
                venue=PAPER,
                instrument_id=intent.instrument_id,
                venue_order_id=venue_order_id,
                execution_id=ExecutionId(f"x{number}"),
                side=intent.side,
                price=price,
                size=intent.size,
                fee=intent.size * price / 1000,
                fee_asset="USDT",
                maker=False,
                ts_event_ns=now,
                ts_ns=now,
            )
        )

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        return PLAIN

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        raise AssertionError("a venue without links is sent no groups")

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        raise AssertionError("a venue that cannot amend is not asked to")

    def cancel(self, order: Order) -> None:
        now = self._clock.now_ns()
        self.answers.append(OrderCanceled(client_order_id=order.id, ts_event_ns=now, ts_ns=now))

    async def run(self, sink: Callable[[VenueEvent], None]) -> None:
        raise AssertionError("the kernel does not run venues")

    async def find_order(self, order: Order) -> VenueOrder | None:
        return self.orders.get(order.id)

    async def open_orders(self) -> list[VenueOrder]:
        return []

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        return []

    async def balances(self) -> list[Balance]:
        return self.money

    async def positions(self) -> list[VenuePosition]:
        return []

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        return []


class LaggingVenue(SimVenue):
    """The product's simulated venue, filling against the kernel's own book."""

    def __init__(self, clock: SimClock) -> None:
        super().__init__(PAPER, Settings().paper, clock=clock, depth=self._depth)
        self.kernel: Kernel | None = None
        self.answers: deque[VenueEvent] = deque()

    def connect(self, sink: Any = None) -> None:
        super().connect(self.answers.append)

    def _depth(self, name: InstrumentId) -> Any:
        assert self.kernel is not None
        market = self.kernel.market
        if not market.trusted(name):
            return None
        return tuple(side.tolist() for side in market.book(name).top(20))


SWING = StrategyId("swing")


class SwingRunner:
    """In process: long below the average of closes, flat above it."""

    def __init__(self, size: str = "0.01", warmup_bars: int = 0) -> None:
        self.info = StrategyInfo(
            id=SWING,
            title="Swing",
            help="Buys below the average.",
            instruments=(BTC.id,),
            timeframe=Timeframe.S1,
            indicators=("sma(3)",),
            warmup_bars=warmup_bars,
        )
        self.size = Decimal(size)
        self.seen: list[StrategyInput] = []
        self.sink: Callable[[StrategyOutput], None] = lambda output: None

    async def run(self, sink: Callable[[StrategyOutput], None]) -> None:
        raise AssertionError("the kernel does not run runners")

    def send(self, message: StrategyInput) -> None:
        self.seen.append(message)
        if not isinstance(message, BarInput) or message.warmup or message.bar.revision:
            return
        average = message.indicators["sma(3)"]
        if average != average:
            return
        long = message.close < average
        common: dict[str, Any] = {
            "strategy_id": SWING,
            "instrument_id": message.bar.instrument_id,
            "confidence": 0.5,
            "reason": f"close {message.close:.2f} average {average:.2f}",
            "ts_event_ns": message.bar.ts_open_ns,
            "cause_seq": message.seq,
        }
        self.sink(Signal(direction=Direction.LONG if long else Direction.FLAT, **common))
        self.sink(TargetPosition(size=self.size if long else Decimal(0), **common))


class DriftPredictor:
    """Expects the last bar's direction to go on."""

    def __init__(self, timeframe: Timeframe = Timeframe.S1, broken_after: int = 1 << 60) -> None:
        self.info = ModelInfo(
            id="drift",
            version="0" * 12,
            title="Drift",
            timeframe=timeframe,
            horizon_bars=2,
            features=("ret",),
            schema_sha256="0" * 64,
            trained_on="nothing",
        )
        self.bars: list[int] = []
        self._broken_after = broken_after

    def on_bar(self, bar: Bar, ohlcv: Any, ts_ns: int) -> Prediction:
        self.bars.append(bar.ts_open_ns)
        if len(self.bars) > self._broken_after:
            raise ZeroDivisionError("a broken model")
        up = ohlcv[3] >= ohlcv[0]
        return Prediction(
            model_id=self.info.id,
            version=self.info.version,
            instrument_id=bar.instrument_id,
            timeframe=bar.timeframe,
            ts_bar_ns=bar.ts_open_ns,
            ts_ns=ts_ns,
            horizon_bars=2,
            p_up=0.7 if up else 0.3,
            expected_return=0.0,
            low_return=-0.1,
            high_return=0.1,
        )


class Switchboard:
    """What a kernel needs of its host: histories from a list, runners from a table."""

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self.history: dict[tuple[InstrumentId, Timeframe], list[Bar]] = {}
        self.answer_at_once = True
        self.asked: list[tuple[tuple[InstrumentId, Timeframe], int, int]] = []
        self.runners: dict[StrategyId, Any] = {}
        self.stopped: list[StrategyId] = []
        self.stop_reason = ""

    def load_history(
        self, series: tuple[InstrumentId, Timeframe], start_ns: int, end_ns: int
    ) -> None:
        self.asked.append((series, start_ns, end_ns))
        if self.answer_at_once:
            self.answer(series)

    def answer(self, series: tuple[InstrumentId, Timeframe]) -> None:
        assert self.kernel is not None
        self.kernel.on_history(series, self.history.get(series, []))

    def start_strategy(self, strategy_id: StrategyId) -> Any:
        kernel, runner = self.kernel, self.runners[strategy_id]
        assert kernel is not None
        runner.sink = lambda output: kernel.on_strategy(strategy_id, output)
        return runner

    def stop_strategy(self, strategy_id: StrategyId) -> None:
        self.stopped.append(strategy_id)

    def stop(self, reason: str) -> None:
        self.stop_reason = reason


class FeedLog:
    """Notes what a feed is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    def subscribe(self, names: Any) -> None:
        self.calls.append(("subscribe", tuple(names)))

    def unsubscribe(self, names: Any) -> None:
        self.calls.append(("unsubscribe", tuple(names)))

    def request_snapshot(self, name: str) -> None:
        self.calls.append(("snapshot", (name,)))

    def resubscribe(self, name: str, reason: Any, heard: int) -> None:
        self.calls.append(("resubscribe", (name, str(reason))))


class Desk:
    """A kernel with everything around it, driven by a tape and a simulated clock."""

    def __init__(
        self,
        *,
        watchlist: Sequence[str] = (BTC.id,),
        journal: ListJournal | None = None,
        model: Any = None,
        settings: dict[str, Any] | None = None,
        session: str = "s1",
        runner: Any = None,
        instruments: Sequence[Instrument] = (BTC,),
        simulated: bool = False,
    ) -> None:
        self.clock = SimClock(START_NS)
        self.journal = journal or ListJournal()
        self.predictions = ListPredictions()
        self.venue: Any = LaggingVenue(self.clock) if simulated else TouchVenue(self.clock)
        self.host = Switchboard()
        self.feed = FeedLog()
        self.runner = runner or SwingRunner()
        self.host.runners[SWING] = self.runner
        self.facts: list[tuple[int, Fact]] = []
        merged: dict[str, Any] = {"engine": {"watchlist": list(watchlist)}, **(settings or {})}
        self._host_ready: list[Any] = []
        self.host.answer_at_once = False
        self.kernel = Kernel(
            settings=Settings.model_validate(merged),
            clock=self.clock,
            decoders={BINANCE: BinanceDecoder()},
            feeds={BINANCE: self.feed},
            venues={PAPER: self.venue},
            instruments=instruments,
            journal=self.journal,
            predictions=self.predictions,
            infos={SWING: self.runner.info},
            predictors={} if model is None else {model.info.id: lambda: model},
            host=self.host,
            session=session,
            mode="SIM",
            version="0.1.0",
        )
        self.host.kernel = self.venue.kernel = self.kernel
        self.kernel.log.on_fact(lambda seq, fact: self.facts.append((seq, fact)))
        self.kernel.recover()
        if model is not None:
            self.kernel.load_model(model.info.id)
        self.host.answer_at_once = True
        for series, _, _ in tuple(self.host.asked):
            self.host.answer(series)
        self.venue.connect()
        self.pump()
        self.kernel.desk.reconciled(PAPER)
        self._timer_ns = START_NS

    def pump(self) -> None:
        self.venue.advance()
        while self.venue.answers:
            self.kernel.on_venue_event(self.venue.answers.popleft())

    def play(self, tape: Sequence[Frame]) -> None:
        for kind, conn, ts_ns, url, data in tape:
            while self._timer_ns + 100_000_000 <= ts_ns:
                self._timer_ns += 100_000_000
                self.clock.set(max(self._timer_ns, self.clock.now_ns()))
                self.kernel.on_timer(self.clock.now_ns())
                self.pump()
            self.clock.set(max(ts_ns, self.clock.now_ns()))
            self.kernel.on_frame(BINANCE, kind, conn, ts_ns, url, data)  # type: ignore[arg-type]
            self.pump()

    def told(self, kind: type[Any]) -> list[Any]:
        return [fact for _, fact in self.facts if isinstance(fact, kind)]

    def fingerprint(self) -> tuple[str, str]:
        return (
            hashlib.sha256(b"\n".join(self.journal.lines)).hexdigest(),
            self.kernel.state_hash(),
        )


@pytest.fixture
def tape() -> Callable[..., list[Frame]]:
    return make_tape


@pytest.fixture
def tape_maker() -> type[TapeMaker]:
    return TapeMaker


@pytest.fixture
def desk() -> type[Desk]:
    return Desk


@pytest.fixture
def swing() -> type[SwingRunner]:
    return SwingRunner


@pytest.fixture
def drift() -> type[DriftPredictor]:
    return DriftPredictor


@pytest.fixture
def journal() -> type[ListJournal]:
    return ListJournal


@pytest.fixture
def btc() -> Instrument:
    return BTC


@pytest.fixture
def another() -> Callable[..., Instrument]:
    return instrument


@pytest.fixture
def store() -> type[ListPredictions]:
    return ListPredictions
