"""An engine with a live feed, the paper venue and everything else in memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from core.engine.clock import SystemClock
from core.engine.engine import Engine
from core.feeds.binance.parse import BinanceDecoder
from core.model.commands import (
    Arm,
    CancelOrder,
    EnableStrategy,
    GetBook,
    GetChart,
    GetOrders,
    GetPortfolio,
    GetPositions,
    GetQuotes,
    GetStatus,
    Reconcile,
    Request,
    StopEngine,
    SubmitOrder,
)
from core.model.errors import LinkError, StoreError, TemporaryError
from core.model.facts import EquityMarked
from core.model.funding import FundingPaid
from core.model.ids import ClientOrderId, InstrumentId, StrategyId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, FeedStatus, Side, Timeframe
from core.model.orders import OrderState, OrderType
from core.model.settings import Settings
from core.model.signals import StrategyInput, StrategyOutput
from core.model.views import View
from core.venues.paper import PaperVenue
from link.client import UnixLink
from link.server import LinkServer

SWING = StrategyId("swing")
BINANCE, PAPER = VenueName("binance"), VenueName("paper")
Frame = tuple[str, int, int, str, bytes]


class LiveFeed:
    """A feed that makes its market up as time goes by; it can be away, or die."""

    venue = BINANCE

    def __init__(self, clock: SystemClock, listed: Sequence[Instrument], maker: Any) -> None:
        self.decoder = BinanceDecoder()
        self.away = 0
        """Attempts to list that still fail."""
        self.die = asyncio.Event()
        self.wanted: set[InstrumentId] = set()
        self.starts = 0
        self.history_calls: list[Any] = []
        self.history_fails = 0
        self.settled: list[FundingPaid] = []
        self._clock = clock
        self._listed = list(listed)
        self._maker = maker
        self._changed = asyncio.Event()
        self._images: deque[str] = deque()

    async def instruments(self) -> list[Instrument]:
        if self.away:
            self.away -= 1
            raise TemporaryError("binance did not answer")
        return self._listed

    def subscribe(self, instrument_ids: Any) -> None:
        self.wanted |= set(instrument_ids)
        self._changed.set()

    def unsubscribe(self, instrument_ids: Any) -> None:
        self.wanted -= set(instrument_ids)

    def request_snapshot(self, instrument_id: InstrumentId) -> None:
        self._images.append(instrument_id.split("-")[0] + "USDT")

    def resubscribe(self, instrument_id: InstrumentId, reason: Any, heard: int) -> None:
        """Speak in its own time."""

    async def history(
        self, instrument_id: InstrumentId, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        self.history_calls.append((instrument_id, timeframe, start_ns, end_ns))
        if self.history_fails:
            self.history_fails -= 1
            raise TemporaryError("no candles now")
        first = start_ns - start_ns % timeframe.ns + timeframe.ns
        return [
            Bar(instrument_id, timeframe, ts, 6_000_000, 6_000_100, 5_999_900, 6_000_000, 500, 3)
            for ts in range(first, end_ns - timeframe.ns, timeframe.ns)
        ]

    async def funding(self, name: InstrumentId, start_ns: int, end_ns: int) -> list[FundingPaid]:
        return self.settled

    async def run(self, sink: Any) -> None:
        self.starts += 1
        while not self.wanted:
            self._changed.clear()
            await self._changed.wait()
        symbols = [item.venue_symbol for item in self._listed]
        maker = self._maker(1, symbols)
        maker.ts_ns = self._clock.now_ns()
        self._images.extend(symbols)
        for frame in maker.opening():
            if frame[0] == "connect":
                self._emit(sink, frame)
        while not self.die.is_set():
            maker.ts_ns = self._clock.now_ns()
            for symbol in symbols:
                if f"{symbol[:-4]}-USDT.binance" in self.wanted:
                    self._emit(sink, maker.step(symbol))
            while self._images:
                self._emit(sink, maker.image(self._images.popleft()))
            await asyncio.sleep(0.002)
        self.die.clear()
        raise TemporaryError("the connection was lost")

    def _emit(self, sink: Any, frame: Frame) -> None:
        kind, conn, ts_ns, url, data = frame
        sink(kind, conn, ts_ns, url, data)


class ListTape:
    """A tape in memory."""

    def __init__(self) -> None:
        self.frames: list[tuple[Any, ...]] = []
        self.dropped = 0

    def write(self, *frame: Any) -> None:
        self.frames.append(frame)


class TaskRunner:
    """The swing strategy as a task that can be made to fail."""

    def __init__(self, swing: Any) -> None:
        self._swing = swing
        self.info = swing.info
        self.fail = asyncio.Event()
        self.runs = 0

    def send(self, message: StrategyInput) -> None:
        self._swing.send(message)

    async def run(self, sink: Callable[[StrategyOutput], None]) -> None:
        self.runs += 1
        self._swing.sink = sink
        await self.fail.wait()
        raise RuntimeError("a strategy's bug")


class House:
    """An engine with a live feed, the paper venue and everything else in memory."""

    def __init__(
        self,
        parts: Any,
        *,
        listed: Sequence[Instrument],
        watchlist: Sequence[str] | None = None,
        journal: Any = None,
        session: str = "s1",
        account: VenueName = PAPER,
    ) -> None:
        self.clock = SystemClock()
        self.feed = LiveFeed(self.clock, listed, parts.tape_maker)
        self.journal = journal if journal is not None else parts.journal()
        self.tape = ListTape()
        self.runner = TaskRunner(parts.swing())
        self.predictions = parts.store()
        names = [item.id for item in listed] if watchlist is None else list(watchlist)
        merged: dict[str, Any] = {"engine": {"watchlist": names}}
        values = Settings.model_validate(merged)
        self.paper = PaperVenue(values.paper, clock=self.clock, depth=self._depth, name=account)
        self.engine = Engine(
            settings=values,
            clock=self.clock,
            feeds={BINANCE: self.feed},
            venues={account: self.paper},
            instruments=(),
            journal=self.journal,
            predictions=self.predictions,
            tape=self.tape,
            strategies={SWING: lambda: self.runner},
            predictors={},
            session=session,
            mode="SIM",
            version="0.1.0",
        )

    def _depth(self, name: InstrumentId) -> Any:
        market = self.engine.kernel.market
        return (
            [side.tolist() for side in market.book(name).top(50)] if market.trusted(name) else None
        )

    @property
    def phase(self) -> str:
        return self.engine.kernel.line.phase

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110  any state, not one event
            await asyncio.sleep(0.005)

    async def do(self, command: Any, origin: str = "cli") -> Any:
        return await self.engine.execute(Request(command=command, origin=origin))  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        task = asyncio.create_task(self.engine.run())
        watcher = asyncio.create_task(self.until(lambda: self.phase == "running"))
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        watcher.cancel()
        if task.done():
            task.result()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def house(tape_maker: Any, journal: Any, swing: Any, store: Any, btc: Instrument) -> Any:
    parts = SimpleNamespace(tape_maker=tape_maker, journal=journal, swing=swing, store=store)
    return functools.partial(House, parts, listed=(btc,))


def buy(order_id: str, instrument: Any, price: str | None = None) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(order_id),
        instrument=instrument,
        side=Side.BUY,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        size=Decimal("0.01"),
        price=Decimal(price) if price else None,
    )


def live(run: Any, instrument: Any) -> bool:
    trusted: bool = run.engine.kernel.market.trusted(instrument)
    return trusted


async def test_engine_starts_in_phases_and_trades_on_paper(house: Any, btc: Any) -> None:
    run = house()
    phases: list[str] = []
    run.engine.on_fact(
        lambda _, fact: phases.append(fact.status.phase) if hasattr(fact, "status") else None
    )
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        report = await run.do(buy("o1", btc.id))
        assert report.order.state is OrderState.SUBMITTED
        await run.until(lambda: bool(run.engine.kernel.desk.fills()))
        assert run.engine.kernel.desk.position(btc.id).size == Decimal("0.00999")
    distinct = list(dict.fromkeys(phase.split(" (")[0] for phase in phases))
    assert distinct[:4] == [
        "starting: compiling kernels 1/2",
        "starting: compiling kernels 2/2",
        "starting: reading the journal",
        "reconciling",
    ]
    assert distinct[4] == "running"


async def test_whole_way_from_frame_to_client_and_back(
    house: Any, btc: Any, tmp_path: Path
) -> None:
    run = house()
    server = LinkServer(run.engine, tmp_path / "clx.sock")
    doorway = asyncio.create_task(server.run())
    engine = asyncio.create_task(run.engine.run())
    link = UnixLink(server.path)
    link.watch(View(focus=btc.id, quotes=(btc.id,), indicators=("ema(5)",), fps=30))
    await server.ready.wait()
    following = asyncio.create_task(link.run())
    replica = link.replica
    await run.until(lambda: replica.status is not None and replica.status.phase == "running")
    assert replica.status is not None
    assert replica.status.clients == 1
    await run.until(lambda: replica.chart is not None and bool(replica.chart.bars.close))
    await run.until(lambda: replica.book is not None and len(replica.tape) > 3)
    await link.request(Arm(instrument=btc.id))
    report = await link.request(buy("o1", btc.id))
    assert report.order.state is OrderState.SUBMITTED
    await run.until(lambda: bool(replica.fills))
    assert replica.position_in(btc.id).size == Decimal("0.00999")
    assert replica.orders[ClientOrderId("o1")].state is OrderState.FILLED
    assert replica.chart is not None
    assert len(replica.chart.indicators["ema(5)"]) == len(replica.chart.bars.close)
    done = await link.request(StopEngine())
    assert "open orders stay" in done.text
    await engine
    doorway.cancel()
    await asyncio.gather(doorway, return_exceptions=True)
    await run.until(lambda: link.state == "down")
    assert not server.path.exists()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_funding_that_came_due_between_two_engines_is_paid_by_the_second(
    house: Any, btc: Any
) -> None:
    perp = msgspec.structs.replace(btc, kind=InstrumentKind.PERPETUAL, settle="USDT")
    first = house(listed=(perp,), account=BINANCE)
    async with first.running():
        await first.until(lambda: live(first, perp.id))
        report = await first.do(buy("o1", perp.id))
        assert report.order.state is OrderState.SUBMITTED, report.order.note
        await first.until(lambda: bool(first.engine.kernel.desk.fills()))
    now_ns = SystemClock().now_ns()
    seen = EquityMarked(equity=Decimal(1), total_pnl=Decimal(0), asset="USDT", ts_ns=now_ns - 10**9)
    first.journal.append([seen])
    settled = FundingPaid(now_ns - 10**8, Decimal("0.0001"), Decimal(60_000))
    before = FundingPaid(now_ns - 10**10, Decimal("0.5"), Decimal(60_000))
    for session in ("s2", "s3"):
        second = house(listed=(perp,), account=BINANCE, journal=first.journal, session=session)
        second.feed.settled = [before, settled]
        async with second.running():
            desk = second.engine.kernel.desk
            await second.until(lambda desk=desk: desk.position(perp.id).funding != 0)
            assert desk.position(perp.id).funding == Decimal("-0.06")


async def test_terminal_order_is_denied_until_armed(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        denied = (await run.do(buy("o1", btc.id), origin="tui")).order
        assert (denied.state, denied.note.split(":")[0]) == (OrderState.DENIED, "disarmed")
        await run.do(Arm(instrument=btc.id))
        assert (await run.do(buy("o2", btc.id), origin="tui")).order.state is OrderState.SUBMITTED


async def test_feed_away_at_start_is_asked_again_and_the_status_says_so(
    house: Any, btc: Any
) -> None:
    run = house()
    run.feed.away = 1
    phases: list[str] = []
    run.engine.on_fact(
        lambda _, fact: phases.append(fact.status.phase) if hasattr(fact, "status") else None
    )
    async with run.running():
        assert "starting: waiting for binance: binance did not answer" in phases
        await run.until(lambda: live(run, btc.id))


async def test_feed_that_dies_is_started_again_and_its_books_earn_trust_anew(
    house: Any, btc: Any
) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        run.feed.die.set()
        await run.until(lambda: run.feed.starts == 2)
        await run.until(lambda: live(run, btc.id))
        assert run.engine.supervisor.restarts["feed binance"] == 1
        alerts = [alert.text for alert in run.engine.kernel.log.alerts]
        assert "the connection was lost" in alerts


async def test_history_is_fetched_again_until_it_comes(house: Any, btc: Any) -> None:
    run = house()
    run.feed.history_fails = 1
    async with run.running():
        chart = await run.do(GetChart(instrument=btc.id, timeframe=Timeframe.M1, bars=50))
        assert len(chart.bars.close) == 50
        assert not chart.loading
    wanted = {call[1] for call in run.feed.history_calls}
    assert wanted == {Timeframe.M1, Timeframe.M15}, "only what is in demand is fetched"


async def test_what_is_told_around_the_engine_hides_nothing_of_another_kind(house: Any) -> None:
    run = house()
    async with run.running():
        for text in (
            "bars of A cannot be kept: full", "bars of A cannot be kept: still full",
            "bars of B cannot be kept: full", "what waited is on disk",
        ):  # fmt: skip
            run.engine.tell("market data", text)
        told = [item.text for item in run.engine.snapshot().alerts if item.source == "market data"]
    assert told == [
        "bars of A cannot be kept: full", "bars of B cannot be kept: full",
        "what waited is on disk",
    ]  # fmt: skip


async def test_every_frame_is_taped_before_it_is_used(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
    assert len(run.tape.frames) == run.engine.kernel.line.frames
    assert run.tape.frames[0][:2] == ("binance", "connect")


async def test_query_of_an_instrument_nobody_watches_brings_it(
    house: Any, btc: Any, another: Any
) -> None:
    eth = another("ETH")
    run = house(watchlist=(btc.id,), listed=(btc, eth))
    async with run.running():
        assert run.engine.kernel.market.status(eth.id) is FeedStatus.UNSUBSCRIBED
        book = await run.do(GetBook(instrument=eth.id, depth=3))
        assert (len(book.bids), len(book.asks)) == (3, 3)
        (line,) = await run.do(GetQuotes(instruments=(eth.id,)))
        assert line.status is FeedStatus.LIVE


async def test_strategy_whose_runner_dies_is_off_and_can_be_started_again(
    house: Any, btc: Any
) -> None:
    run = house()
    async with run.running():
        view = await run.do(EnableStrategy(strategy=SWING))
        assert view.enabled
        await run.until(lambda: run.engine.kernel.proposals.views()[0].state == "running")
        run.runner.fail.set()
        await run.until(lambda: not run.engine.kernel.proposals.views()[0].enabled)
        state = run.engine.kernel.proposals.views()[0].state
        assert state == 'failed: its runner failed: RuntimeError("a strategy\'s bug")'
        run.runner.fail.clear()
        assert (await run.do(EnableStrategy(strategy=SWING))).enabled
        await run.until(lambda: run.runner.runs == 2)
        assert (await run.do(GetStatus())).status.phase == "running"


async def test_nothing_of_the_journal_is_traded_or_told_before_it_is_read(
    house: Any, btc: Any
) -> None:
    run = house()
    for command in (buy("o1", btc.id), GetPositions(), GetOrders(), GetPortfolio()):
        with pytest.raises(TemporaryError, match="not ready"):
            await run.do(command)
    assert (await run.do(GetStatus())).status.phase == "starting"


async def test_reconcile_answers_with_what_it_found(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        assert (await run.do(Reconcile())).text == "no differences"


async def test_resting_paper_order_survives_a_restart_and_can_be_cancelled(
    house: Any, btc: Any
) -> None:
    first = house()
    async with first.running():
        await first.until(lambda: live(first, btc.id))
        await first.do(buy("rests", btc.id, "59000"))
        await first.until(lambda: first.engine.kernel.desk.orders()[0].state is OrderState.ACCEPTED)
    second = house(journal=first.journal, session="s2")
    async with second.running():
        (order,) = second.engine.kernel.desk.orders()
        assert order.state is OrderState.ACCEPTED
        await second.do(CancelOrder(client_order_id=ClientOrderId("rests")))
        await second.until(lambda: not second.engine.kernel.desk.orders())


async def test_journal_that_cannot_be_trusted_ends_the_start(house: Any) -> None:
    class Broken:
        def read(self, after: int = 0) -> Any:
            raise StoreError("journal record 7 is damaged")

    run = house(journal=Broken())
    with pytest.raises(StoreError, match="record 7 is damaged"):
        await run.engine.run()


async def test_engine_asked_to_stop_ends_every_task(house: Any, btc: Any) -> None:
    run = house()
    before = asyncio.all_tasks()
    async with run.running():
        await run.do(StopEngine())
        await run.until(lambda: run.phase == "stopping")
    assert asyncio.all_tasks() == before
    assert run.engine.stop_reason == "asked to by cli"


async def test_no_engine_behind_a_link_is_a_link_error(tmp_path: Path) -> None:
    link = UnixLink(tmp_path / "none.sock")
    task = asyncio.create_task(link.run())
    with pytest.raises(LinkError):
        await link.request(GetStatus())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
