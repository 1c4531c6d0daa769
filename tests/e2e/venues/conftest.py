"""All emulated venues in one process, and the product's own feeds of them in this one.

Each venue has a track: its cases run one after another, the tracks of all venues side by side, so
that waiting for one venue's back-off costs nothing. A test waits for the outcome of its case.
"""

import asyncio
import contextlib
import inspect
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from core.engine.clock import SystemClock
from core.engine.consequences import DataFault
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.registry import make_feed
from core.model.errors import TemporaryError
from core.model.ids import InstrumentId
from core.model.market import (
    BookDelta,
    CheckedDelta,
    FeedNotice,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Quote,
    Trade,
)
from core.model.ports import ResyncReason
from core.model.settings import FeedSettings
from core.model.views import QualityView

PATIENCE_S = 20.0
CALM_S = 40.0
CASE_S = 80.0
HELD_UP = 0.05
"""A case that waited for a processor for such a share of its time may have failed for that."""
TIMER_S = 0.1
CLOCK = SystemClock()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A market: faults strike the target, the other must not notice, the third is renamed."""

    kind: str
    venue: str
    target: str
    other: str
    third: str
    stream: str = ""
    keys: bool = False
    numbered: bool = True
    """The last id of the book is the venue's own sequence number."""
    joint: bool = False
    """One sequence runs over a whole connection, so all it carries is doubted together."""


SUBJECTS = msgspec.json.decode(
    (Path(__file__).parent / "subjects.json").read_bytes(), type=dict[str, Subject]
)


class Control:
    """The emulator's control endpoint."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.base, self.pid = state["control_url"], state["pid"]
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, path: str, body: Any = None, method: str = "", **query: str) -> Any:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers={"X-Clx-Control": self.state["control_token"]}
            )
        method = method or ("GET" if body is None else "POST")
        url = f"{self.base}/{path}"
        async with self._http.request(method, url, json=body, params=query) as answer:
            told = await answer.json()
            assert answer.status == 200, (path, body, told)
            return told

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


class Desk:
    """A live feed whose frames go through its decoder into a market, as in the engine."""

    def __init__(self, feed: Any, stale_after_s: float) -> None:
        self.feed = feed
        self.stale_after_s = stale_after_s
        self.market = MarketState((), {feed.venue: feed.decoder.rule}, stale_after_s=stale_after_s)
        self.events: list[Any] = []
        self.told: list[tuple[Any, int]] = []
        """Statuses and faults with how many book messages of the instrument came before."""
        self.trades: dict[InstrumentId, list[Trade]] = {}
        self.came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, names: Sequence[str]) -> None:
        self._tasks = [asyncio.create_task(self._beat())]
        self.market.add_instruments(await self.until(self._listed, "the listing"))
        self.feed.subscribe([InstrumentId(name) for name in names])
        self._tasks.append(asyncio.create_task(self.feed.run(self.sink)))

    async def _listed(self) -> Any:
        # All feeds of a venue share its limits, of which a fresh one knows nothing.
        with contextlib.suppress(TemporaryError):
            return await self.feed.instruments()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for done in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done

    def sink(self, kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        for event in self.feed.decoder.decode(kind, conn, ts, url, data):
            if not isinstance(event, BookDelta | CheckedDelta | Quote | Trade):
                self.events.append(event)
            if isinstance(event, FrameRejected):
                self._note(event)
            self._take(self.market.apply(event))
            if isinstance(event, Trade):
                kept = self.market.trades(event.instrument_id)
                if kept and kept[-1] is event:
                    self.trades.setdefault(event.instrument_id, []).append(event)
        self.came.set()

    def _take(self, outputs: Sequence[Any]) -> None:
        for output in outputs:
            if isinstance(output, ResyncNeeded) and output.reason is ResyncReason.IMAGE:
                self.feed.request_snapshot(output.instrument_id)
            elif isinstance(output, ResyncNeeded):
                self.feed.resubscribe(output.instrument_id, output.reason, output.heard)
            elif isinstance(output, FeedStatusChanged | DataFault | FeedNotice):
                self._note(output)

    def _note(self, told: Any) -> None:
        name = told.instrument_id
        known = name is not None and name in self.market
        self.told.append((told, self.deltas(name) if known else 0))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(TIMER_S)
            self._take(self.market.on_timer(CLOCK.now_ns()))
            self.came.set()

    def deltas(self, name: str) -> int:
        return self.market._markets[name].gate.deltas if name in self.market._markets else 0

    def heard(self, name: str) -> int:
        """How many messages of an instrument were taken."""
        return self.quality(name).frames

    def quality(self, name: str) -> QualityView:
        return self.market.quality(InstrumentId(name), CLOCK.now_ns())

    def live(self, *names: str) -> bool:
        return all(self.market.status(InstrumentId(n)) is FeedStatus.LIVE for n in names)

    def book(self, name: str) -> list[list[tuple[Decimal, Decimal]]]:
        item = self.market.instrument(InstrumentId(name))
        return [
            [(item.price(price), item.size(size)) for price, size in side.tolist()]
            for side in self.market.book(InstrumentId(name)).top(1 << 17)
        ]

    async def until(self, ready: Callable[[], Any], what: str, within_s: float = 0.0) -> Any:
        """Wait for frames or the timer until a condition, or what is asked for it, holds."""
        deadline = time.monotonic() + (within_s or PATIENCE_S)
        while True:
            found = ready()
            if found := await found if inspect.isawaitable(found) else found:
                return found
            if time.monotonic() > deadline:
                last = "\n".join(str(told) for told, _ in self.told[-6:]) or "nothing"
                raise AssertionError(f"waited for {what}; last told: {last}")
            self.came.clear()
            await self.came.wait()


class Stage:
    """One subject with its desk: arms faults, and proves what came of them."""

    def __init__(self, name: str, subject: Subject, tracks: "Tracks", desk: Desk) -> None:
        self.name = name
        self.subject = subject
        self.tracks = tracks
        self.control = tracks.control
        self.desk = desk
        self.target, self.other = subject.target, subject.other
        self._told = 0
        self._trades: dict[str, int] = {}
        self._base: dict[str, int] = {}
        self._lost: dict[str, dict[Decimal, Decimal]] = {}
        """What was lost and told; the venue may yet be asked for it."""

    # -- what happened in this case ----------------------------------------------------------

    async def begin(self) -> None:
        await self.flow(on=True)
        await self.desk.until(lambda: self.desk.live(self.target, self.other), "live at first")
        self._told = len(self.desk.told)

    async def mark(self) -> None:
        """Count trades from here, where all is quiet."""
        ids = (await self.control.ask("oracle", venue=self.subject.venue))["trade_ids"]
        for name in (self.target, self.other):
            self._base[name] = ids[self.symbol(name)]
            self._trades[name] = len(self.desk.trades.get(InstrumentId(name), ()))
            self._lost[name] = {}

    def told(self, kind: type[Any], name: str = "") -> list[Any]:
        """What was told in this case, of one instrument or of any."""
        return [
            told for told, _ in self.desk.told[self._told :]
            if isinstance(told, kind) and name in ("", told.instrument_id)
        ]  # fmt: skip

    def stale(self, name: str, reason: str = "") -> list[FeedStatusChanged]:
        return [
            told for told in self.told(FeedStatusChanged, name)
            if told.status is FeedStatus.STALE and reason in told.reason
        ]  # fmt: skip

    def symbol(self, name: str) -> str:
        return self.desk.market.instrument(InstrumentId(name)).venue_symbol

    # -- what is done to it ------------------------------------------------------------------

    async def arm(self, kind: str, *, symbol: str | None = None, **more: Any) -> None:
        symbol = self.symbol(self.target) if symbol is None else symbol
        if self.name == "coinbase" and more.get("channel") == "quote":
            # Its best prices are a part of its ticker.
            more["channel"] = "ticker"
        body = {"kind": kind, "venue": self.subject.venue, "symbol": symbol, **more}
        await self.control.ask("faults", body)

    async def struck(self, kind: str, meanwhile: Callable[[], object] = bool) -> None:
        """Wait until a counted fault is used up."""

        async def gone() -> bool:
            found = await self.control.ask("faults", venue=self.subject.venue)
            if all(armed["kind"] != kind for armed in found["armed"]):
                return True
            meanwhile()
            return False

        await self.desk.until(gone, f"{kind} to strike")

    def ask_for_image(self) -> None:
        """Have a fresh image of the target's book come."""
        self.desk.feed.request_snapshot(InstrumentId(self.target))

    async def disarm(self) -> None:
        await self.control.ask("faults", method="DELETE", venue=self.subject.venue)

    async def flow(self, *, on: bool) -> None:
        await self.control.ask("flow", {"on": on, "venue": self.subject.venue})

    async def calm(self, name: str) -> None:
        """Wait until it has forgotten the pauses of a busy machine, which no silence exceeds."""
        await self.desk.until(
            lambda: self.desk.quality(name).silence_s <= self.desk.stale_after_s,
            f"{name} to speak evenly", CALM_S,
        )  # fmt: skip

    async def more(self, name: str, messages: int = 4) -> None:
        """Wait for some more messages of an instrument."""
        goal = self.desk.heard(name) + messages
        await self.desk.until(lambda: self.desk.heard(name) >= goal, f"more of {name}")

    async def take(self, name: str) -> None:
        """Let somebody take the best offer."""
        symbol = self.symbol(name)
        book = await self.control.ask("book", venue=self.subject.venue, symbol=symbol)
        price, size = book["asks"][0]
        body = {"venue": self.subject.venue, "symbol": symbol, "side": "BUY", "qty": str(size)}
        await self.control.ask("trade", {**body, "price": str(price)})

    # -- what must be true in the end --------------------------------------------------------

    async def quiet(self) -> None:
        """Stop the crowd, and wait until what it did last is here."""
        await self.flow(on=False)
        for name in (self.target, self.other):
            await self.take(name)

            async def arrived(name: str = name) -> bool:
                venue, symbol = self.subject.venue, self.symbol(name)
                ids = (await self.control.ask("oracle", venue=venue))["trade_ids"]
                rows = await self.control.ask(
                    "trades", venue=venue, symbol=symbol, from_id=str(ids[symbol])
                )
                return self._is_newest(name, rows)

            await self.desk.until(arrived, f"the last trade of {name}")

    def _is_newest(self, name: str, rows: list[dict[str, Any]]) -> bool:
        last = self.desk.trades.get(InstrumentId(name), [])[-1:]
        item = self.desk.market.instrument(InstrumentId(name))
        if not last or last[0].ts_event_ns // 1_000_000 != rows[-1]["ts_ms"]:
            return False
        return item.price(last[0].price_ticks) == Decimal(rows[-1]["price"])

    async def settle(self, *, lost: bool = False) -> None:
        """Stop the crowd; every book and trade is then the venue's own.

        `lost`: trades may be missing, so far as it was said.
        """
        names = (self.target, self.other)
        await self.desk.until(lambda: self.desk.live(*names), "live again")
        if lost:
            # A book may be back before its trades are; what is lost meanwhile is lost, too.
            since = {name: len(self.desk.trades[InstrumentId(name)]) for name in names}
            await self.desk.until(
                lambda: all(len(self.desk.trades[InstrumentId(n)]) > since[n] for n in names),
                "trades again",
            )
        await self.flow(on=False)
        for name in names:
            await self.take(name)
        for name in names:
            said: dict[str, None] = {}

            async def same(name: str = name, said: dict[str, None] = said) -> bool:
                differs = await self.differs(name) or await self._trades_differ(name, lost=lost)
                said[differs] = None
                return not differs

            try:
                await self.desk.until(same, "both to be equal")
            except AssertionError as error:
                found = "\n".join(list(said)[-5:])
                raise AssertionError(f"{name}: {found}\n{error}") from None

    async def differs(self, name: str) -> str:
        """Return how a book differs from the venue's own, empty: not at all."""
        if not self.desk.live(name):
            return "not live"
        traits = self.desk.feed.decoder.rule.traits(self.desk.market.instrument(InstrumentId(name)))
        if not traits.has_book:
            return ""
        true = await self.control.ask("book", venue=self.subject.venue, symbol=self.symbol(name))
        ours = self.desk.book(name)
        for side, mine in zip(("bids", "asks"), ours, strict=True):
            theirs = [(Decimal(str(row[0])), Decimal(str(row[1]))) for row in true[side]]
            if mine != theirs:
                odd = [level for level in mine + theirs if (level in mine) != (level in theirs)]
                return f"{side} differ in {len(odd)}, such as {odd[:4]}"
        mine_id = self.desk.market.book(InstrumentId(name)).last_id
        if self.subject.numbered and mine_id != true["update_id"]:
            return f"book is at {mine_id}, the venue at {true['update_id']}"
        return ""

    async def all_trades(self, name: str) -> list[dict[str, Any]]:
        """Return what was really traded since `mark`."""
        rows: list[dict[str, Any]] = await self.control.ask(
            "trades", venue=self.subject.venue, symbol=self.symbol(name),
            from_id=str(self._base[name] + 1),
        )  # fmt: skip
        return rows

    async def _trades_differ(self, name: str, *, lost: bool) -> str:
        """Compare sizes traded at each price: some venues tell trades merged."""
        item = self.desk.market.instrument(InstrumentId(name))
        mine: Counter[Decimal] = Counter()
        for trade in self.desk.trades.get(InstrumentId(name), [])[self._trades[name] :]:
            mine[item.price(trade.price_ticks)] += item.size(trade.size_lots)  # type: ignore[assignment]  # a Counter of sizes
        rows = await self.all_trades(name)
        true: Counter[Decimal] = Counter()
        for row in rows:
            true[Decimal(row["price"])] += Decimal(row["size"])  # type: ignore[assignment]  # likewise
        doubled = {price: size for price, size in mine.items() if size > true[price]}
        if doubled:
            return f"trades that nobody made: {dict(list(doubled.items())[:3])}"
        missing = {price: size - mine[price] for price, size in true.items() if size > mine[price]}
        known = self._lost[name]
        fresh = {price: size for price, size in missing.items() if size > known.get(price, 0)}
        newest = self._is_newest(name, rows)
        said = any(self.told(kind, name) for kind in (DataFault, FrameRejected))
        if not fresh or (lost and newest and (said or self.stale(name))):
            self._lost[name] = missing
            return ""
        return f"{len(fresh)} prices lack trades, newest there: {newest}, told: {said}"


class Tracks:
    """Runs each venue's cases one after another, and all venues side by side."""

    def __init__(
        self,
        control: Control,
        wanted: dict[str, list[tuple[str, str]]],
        cases: dict[str, Callable[[Stage], Awaitable[None]]],
        stale_after_s: float,
    ) -> None:
        self.control = control
        self.stale_after_s = stale_after_s
        self._cases = cases
        self._desks: list[Desk] = []
        self._feeds: list[Any] = []
        self._asking: dict[str, Any] = {}
        self._free = asyncio.Lock()
        self.held_up: dict[tuple[str, str], float] = {}
        """Which share of its time a case that failed waited for a processor."""
        ever = asyncio.get_running_loop().create_future
        self._outcomes = {pair: ever() for pairs in wanted.values() for pair in pairs}
        self._open: set[tuple[str, str]] = set()
        self._tasks = [asyncio.create_task(self._run(pairs)) for pairs in wanted.values() if pairs]

    @property
    def all_open(self) -> bool:
        """Whether every track has got as far as its first case."""
        return len(self._open) == len(self._tasks)

    def has(self, subject: str, case: str) -> bool:
        return (subject, case) in self._outcomes

    async def outcome(self, subject: str, case: str) -> None:
        await self._outcomes[subject, case]

    def _waited_s(self) -> float:
        """How long this process or the emulator was kept from running, whichever was longer."""
        stats = (Path(f"/proc/{pid}/schedstat") for pid in (os.getpid(), self.control.pid))
        return max(int(file.read_text().split()[1]) if file.exists() else 0 for file in stats) / 1e9

    async def _run(self, pairs: list[tuple[str, str]]) -> None:
        stages: dict[str, Stage] = {}
        for name, case in pairs:
            outcome = self._outcomes[name, case]
            begun, waited = time.monotonic(), self._waited_s()
            try:
                async with asyncio.timeout(CASE_S):
                    if name not in stages:
                        stages[name] = await self.opened(name)
                    stage = stages[name]
                    self._open.add(pairs[0])
                    await stage.begin()
                    await self._cases[case](stage)
                outcome.set_result(None)
            except Exception as error:
                self._open.add(pairs[0])
                self.held_up[name, case] = (self._waited_s() - waited) / (time.monotonic() - begun)
                outcome.set_exception(error)
                if name in stages:
                    await stages.pop(name).desk.stop()
            await self.control.ask("faults", method="DELETE", venue=SUBJECTS[name].venue)

    async def again(self, subject: str, case: str) -> None:
        """Run a case once more, when nothing else runs here."""
        async with self._free:
            if self._tasks:
                await asyncio.wait(self._tasks)
            async with asyncio.timeout(CASE_S):
                stage = await self.opened(subject)
                try:
                    await stage.begin()
                    await self._cases[case](stage)
                finally:
                    await stage.desk.stop()
                    await stage.disarm()

    def feed(self, name: str) -> Any:
        """Return a feed of a subject for questions alone; it keeps the venue's limits."""
        found = self._asking.get(name)
        return found or self._asking.setdefault(name, self.fresh_feed(name))

    def fresh_feed(self, name: str) -> Any:
        """Make a feed of a subject that knows of no limit yet."""
        made = feed_of(SUBJECTS[name], self.control)
        self._feeds.append(made)
        return made

    async def opened(self, name: str, overlap_s: float = 0.5, **limits: Any) -> Stage:
        """Open a fresh feed of a subject, and wait until it is live."""
        subject = SUBJECTS[name]
        desk = Desk(feed_of(subject, self.control), self.stale_after_s)
        self._desks.append(desk)
        desk.feed._overlap_s = overlap_s
        # Our venues may be bothered more often than real ones.
        dialect = desk.feed._dialect
        dialect.limits = msgspec.structs.replace(dialect.limits, renew_s=0.2, **limits)
        await self.control.ask("flow", {"on": True, "venue": subject.venue})
        await desk.start([subject.target, subject.other])
        stage = Stage(name, subject, self, desk)
        await desk.until(lambda: desk.live(subject.target, subject.other), f"{name} to be live")
        for each in (subject.target, subject.other):
            # Some venues begin with trades of the past, which are no news.
            await desk.until(lambda each=each: desk.trades.get(each), f"trades of {each}")  # type: ignore[misc]  # bound at once
        await stage.quiet()
        await stage.mark()
        return stage

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for outcome in self._outcomes.values():
            if outcome.done() and not outcome.cancelled():
                outcome.exception()
        for feed in self._feeds:
            await feed.close()
        for desk in self._desks:
            with contextlib.suppress(asyncio.CancelledError):
                await desk.stop()


def feed_of(subject: Subject, control: Control) -> Any:
    """Build the live feed of a subject as the settings would."""
    base = f"127.0.0.1:{control.state['port']}/{subject.venue}"
    keys = control.state if subject.keys else {"api_key": "", "api_secret": ""}
    settings = FeedSettings.model_validate(
        {
            "rest_url": f"http://{base}",
            "stream_url": f"ws://{base}{subject.stream}",
            "api_key": keys["api_key"],
            "api_secret": keys["api_secret"],
            "passphrase": "any" if subject.kind == "kucoin" else "",
            "kind": subject.kind,
        }
    )
    return make_feed(
        subject.kind, settings, clock=CLOCK, rng=random.Random(1), data=Path(tempfile.gettempdir())
    )


class Halves:
    """The same venues twice, so that twice as many cases run side by side."""

    def __init__(self, parts: list[Tracks]) -> None:
        self._parts = parts
        self.tell: Callable[[str, object], None]
        """Keeps what the session's end has to say of the test that waits now."""

    async def outcome(self, subject: str, case: str) -> None:
        """Wait for a case wherever it runs."""
        (part,) = [item for item in self._parts if item.has(subject, case)]
        try:
            await part.outcome(subject, case)
        except (AssertionError, TimeoutError) as error:
            if (share := part.held_up[subject, case]) < HELD_UP:
                raise
            # It says nothing of what was not let run: the other half decides.
            self.tell("ran twice", f"no processor for {share:.0%} of the time: {error!r:.90}")
            await next(item for item in self._parts if item is not part).again(subject, case)


@pytest.fixture
def tracks(halves: Halves, record_property: Callable[[str, object], None]) -> Halves:
    """The module's cases, as one test sees them."""
    halves.tell = record_property
    return halves


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def halves(request: Any, emulators: Any) -> AsyncIterator[Halves]:
    """The cases of the module's `CASES` that were asked for, under way at emulators of its own."""
    cases: dict[str, list[tuple[str, str]]] = {}
    for item in request.session.items:
        if item.module is request.module and hasattr(item, "callspec"):
            params = item.callspec.params
            if "case" in params and "subject" in params:
                cases.setdefault(params["subject"], []).append((params["subject"], params["case"]))
    with emulators() as states:
        wanted: list[dict[str, list[tuple[str, str]]]] = [{} for _ in states]
        for subject, pairs in cases.items():
            track = SUBJECTS[subject].venue
            for number, part in enumerate(wanted):
                # Two subjects of one venue cannot share it, so each has one to itself.
                mine = pairs[number :: len(states)]
                if track == "alpaca":
                    mine = pairs if (subject == "alpaca_stocks") == (number == 0) else []
                part.setdefault(track, []).extend(mine)
        stale_after_s = getattr(request.module, "STALE_AFTER_S", 4.0)
        controls = [Control(state) for state in states]
        parts = [
            Tracks(control, part, request.module.CASES, stale_after_s)
            for control, part in zip(controls, wanted, strict=True)
        ]
        yield Halves(parts)
        for each in (*parts, *controls):
            await each.close()
