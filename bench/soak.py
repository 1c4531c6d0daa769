"""Hours of market in minutes, with trouble: ``python -m bench.soak --hours 24 --speed 200``.

The emulator runs faster than the world and strikes by the dice, at messages, books, REST and
connections; the product's feeds follow it over real sockets, on a clock of the same speed. Three
things must hold, or it ends with 1:

- memory is flat: at most 5 % more at the end than after the first fifth;
- every book is the venue's own, every level, once the market stands still;
- every trade that really happened was taken once. One may be missing only where the feed said that
  something is: a connection lost, a sequence broken, a hole in the trades' numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from clx.latency import prefer_latency
from core.engine import market as market_module
from core.engine.gate import ResyncNeeded
from core.engine.market import DataFault, MarketOutput, MarketState
from core.feeds import levels
from core.feeds.registry import make_feed
from core.feeds.stream import StreamFeed
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import FeedDisconnected, FeedStatusChanged, SequenceBroken, Trade
from core.model.ports import FrameKind
from core.model.settings import FeedSettings
from emulator.clock import WallClock

GROWTH = 0.05
_REMEMBERED = 2_000
"""Newest trades by which a doubled one is known; more would be growth of our own."""
VENUES = {
    "binance": ("binance", "http://{host}", "ws://{host}"),
    "okx": ("okx", "http://{host}/okx", "ws://{host}/okx"),
    "kucoin": ("kucoin", "http://{host}/kucoin", ""),
    "coinbase": ("coinbase", "http://{host}/coinbase", "ws://{host}/coinbase/advanced"),
}
"""Our feeds, and the emulator's name and addresses of each; Binance's futures tell of joined
trades by numbers of their own, which cannot be held against those that happened."""
KEYS = ("api_key", "api_secret")
CHAOS = (
    "gap", "duplicate", "reorder", "unknown_field", "unknown_message", "number_exponent",
    "crossed_book", "frozen_snapshot", "rate_limit_now", "html_5xx", "truncated_json", "latency_ms",
)  # fmt: skip
STRIKES = (
    ("close_streams", 0.0), ("close_streams", 1.0), ("malformed_frame", 0.0),
    ("truncated_frame", 0.0), ("binary_frame", 0.0), ("server_shutdown", 1.0),
)  # fmt: skip
EACH = 3
"""Instruments followed at each venue."""
LOOK_S = 2.0
SETTLE_S = 30.0
LATE_S = 15.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    hours: float = 24.0
    venues: tuple[str, ...] = ("binance", "okx")
    seed: int = 7
    speed: float = 200.0
    events_per_second: float = 2.0
    faults_per_minute: float = 0.5
    """Of the dice, in the market's time."""
    strike_every_s: float = 8.0
    """Real seconds between blows at the connections."""
    limit_s: float = 3600.0
    """Real seconds after which it ends, whatever the market's time."""


class Report(msgspec.Struct):
    """What came of it."""

    hours: float = 0.0
    real_s: float = 0.0
    frames: int = 0
    trades: int = 0
    declared: int = 0
    """Trades missing where the feed said that something is."""
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    books: int = 0
    books_wrong: list[str] = []
    struck: int = 0
    resyncs: int = 0
    rss_warm_mb: float = 0.0
    rss_end_mb: float = 0.0

    @property
    def growth(self) -> float:
        """Share by which memory grew after the first fifth."""
        return self.rss_end_mb / self.rss_warm_mb - 1 if self.rss_warm_mb else 0.0

    def breaches(self) -> list[str]:
        """Return what does not hold."""
        found = [f"{self.lost} trades lost"] * bool(self.lost)
        found += [f"{self.doubled} trades doubled"] * bool(self.doubled)
        found += [f"{self.invented} trades invented"] * bool(self.invented)
        found += [f"book of {name} differs" for name in self.books_wrong]
        found += [f"memory grew by {self.growth:.1%}"] * (self.growth > GROWTH)
        found += ["nothing was taken"] * (not self.trades or not self.books)
        return found


class Happened(msgspec.Struct, frozen=True):
    """A trade as the emulator made it."""

    id: int
    price: str
    size: Decimal
    ts_ms: int


class Ledger:
    """The trades taken of one instrument, held against those that happened."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.next_id = 0
        """The first one not compared yet."""
        self.lost = self.declared = self.doubled = self.invented = self.taken = 0
        self._pending: dict[int, tuple[int, Decimal]] = {}
        self._seen: dict[int, None] = {}
        self._breaks: list[int] = [0]
        self._place = -1
        self._missing: list[Happened] = []

    def take(self, trade: Trade) -> None:
        """Note a trade that was taken."""
        number = trade.trade_id
        if number in self._seen:
            self.doubled += 1
            return
        self._seen[number] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._pending[number] = self.taken, self.instrument.size(trade.size_lots)
        self.taken += 1

    def declare(self) -> None:
        """Note that something may be missing from here on."""
        if self._breaks[-1] != self.taken:
            self._breaks.append(self.taken)

    def compare(self, happened: Sequence[Happened]) -> None:
        """Hold trades that happened, in order, against those taken."""
        for trade in happened:
            self.next_id = trade.id + 1
            if trade.id not in self._pending:
                self._missing.append(trade)
                continue
            place, size = self._pending.pop(trade.id)
            self._join(trade, size)
            self._settle(place)
            self._place = place
        stale = [number for number in self._pending if number < self.next_id]
        self.invented += len(stale)
        for number in stale:
            del self._pending[number]
        self._breaks = [at for at in self._breaks if at > self._place] or [self._breaks[-1]]

    def end(self) -> None:
        """Judge what is missing at the very end."""
        self._settle(self.taken)

    def _join(self, last: Happened, size: Decimal) -> None:
        """Leave out what came within a trade: OKX joins fills of a taker at one price."""
        rest = size - last.size
        while rest > 0 and self._missing and self._missing[-1].price == last.price:
            rest -= self._missing.pop().size
        if rest:
            self.invented += 1

    def _settle(self, place: int) -> None:
        if self._place < 0:
            # Before the first one taken nobody followed.
            pass
        elif any(self._place < at <= place for at in self._breaks):
            self.declared += len(self._missing)
        else:
            self.lost += len(self._missing)
        self._missing.clear()


class Desk:
    """One venue's feed and market."""

    def __init__(self, venue: str, feed: StreamFeed, clock: WallClock, speed: float) -> None:
        self.venue = venue
        self.feed = feed
        self.name = VENUES[venue][0]
        self.frames = 0
        self._clock = clock
        self._speed = speed
        self.ledgers: dict[InstrumentId, Ledger] = {}

    async def learn(self, symbols: Sequence[str]) -> None:
        """Fetch the listing and want some instruments that the emulator really trades."""
        listed = await self.feed.instruments()
        chosen = [item for item in listed if item.venue_symbol in symbols][:EACH]
        self.market = MarketState(
            listed, {self.feed.venue: self.feed.decoder.rule}, stale_after_s=10.0 * self._speed,
            lend=self.feed.decoder.lend,
        )  # fmt: skip
        self.ledgers = {item.id: Ledger(item) for item in chosen}
        self.feed.subscribe([item.id for item in chosen])

    def sink(self, kind: FrameKind, conn: int, ts_ns: int, url: str, data: bytes, /) -> None:
        """Decode and apply a frame, and note what it brought."""
        self.frames += 1
        for event in self.feed.decoder.decode(kind, conn, ts_ns, url, data):
            if isinstance(event, FeedDisconnected | SequenceBroken):
                names = event.instrument_ids
                for name in self.ledgers if names is None else names:
                    if name in self.ledgers:
                        self.ledgers[name].declare()
            self.look(self.market.apply(event))
            if type(event) is Trade and event.instrument_id in self.ledgers:
                trades = self.market.trades(event.instrument_id)
                if trades and trades[-1] is event:
                    self.ledgers[event.instrument_id].take(event)

    def look(self, outputs: Sequence[MarketOutput]) -> None:
        """Do what the engine does of what follows from events."""
        for output in outputs:
            if isinstance(output, ResyncNeeded):
                self.feed.request_snapshot(output.instrument_id)
            elif _admits(output):
                self.ledgers[output.instrument_id].declare()

    def live(self) -> bool:
        """Whether every instrument is trusted."""
        return all(self.market.trusted(item.instrument.id) for item in self.ledgers.values())


def _admits(output: MarketOutput) -> bool:
    """Return whether it says that trades may be missing."""
    if isinstance(output, DataFault):
        return output.kind == "trade hole"
    return isinstance(output, FeedStatusChanged) and output.reason == "subscribed"


class Oracle:
    """The emulator's control."""

    def __init__(self, state: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self._url = state["control_url"]
        self._session = session
        self._head = {"X-Clx-Control": state["control_token"]}

    async def ask(self, what: str, **query: object) -> Any:
        """Return the answer of a question."""
        words = {key: str(value) for key, value in query.items()}
        async with self._session.get(
            f"{self._url}/{what}", params=words, headers=self._head
        ) as got:
            return await got.json(content_type=None)

    async def tell(self, what: str, **body: object) -> Any:
        """Have something done."""
        async with self._session.post(f"{self._url}/{what}", json=body, headers=self._head) as got:
            if got.status != 200:
                raise RuntimeError(f"{what}: {await got.text()}")
            return await got.json(content_type=None)

    async def disarm(self) -> None:
        """Take all faults back."""
        await self._session.delete(f"{self._url}/faults", headers=self._head)


async def soak(options: Options, say: Callable[[str], None]) -> Report:
    """Run it and return what came of it."""
    with _emulator(options) as state:
        async with aiohttp.ClientSession() as session:
            oracle = Oracle(state, session)
            clock = WallClock(options.speed)
            now_ns = (await oracle.ask("clock"))["now_ms"] * 1_000_000
            clock.jump(max(0, now_ns - clock.now_ns()))
            async with _desks(options, oracle, state, clock) as desks:
                return await _run(options, oracle, desks, now_ns, say)


async def _run(
    options: Options, oracle: Oracle, desks: list[Desk], began_ns: int, say: Callable[[str], None]
) -> Report:
    report = Report()
    rng = random.Random(options.seed)
    started = time.monotonic()
    await _until_live(desks)
    if options.faults_per_minute:
        await oracle.tell(
            "chaos", seed=options.seed, per_minute=options.faults_per_minute, kinds=CHAOS
        )
    prefer_latency()
    memory: list[tuple[float, float]] = []
    struck_s = told_s = started
    while True:
        await asyncio.sleep(LOOK_S)
        now = time.monotonic()
        now_ms = (await oracle.ask("clock"))["now_ms"]
        report.hours = (now_ms - began_ns / 1e6) / 3.6e6
        memory.append((report.hours, _rss_mb()))
        # What happened a moment ago may still be on its way, for long where the machine is busy.
        await _compare(oracle, desks, now_ms - int(LATE_S * 1_000 * options.speed))
        if now - struck_s >= options.strike_every_s:
            struck_s = now
            kind, value = rng.choice(STRIKES)
            venue = rng.choice(desks).name
            await oracle.tell("faults", kind=kind, value=value, venue=venue)
        if now - told_s >= 20:
            told_s = now
            say(
                f"{report.hours:6.2f} h, {memory[-1][1]:.0f} MB, "
                f"{sum(desk.frames for desk in desks):,} frames"
            )
        if report.hours >= options.hours or now - started >= options.limit_s:
            break
    await oracle.tell("chaos", per_minute=0)
    report.struck = len((await oracle.ask("faults"))["log"])
    await oracle.disarm()
    await asyncio.sleep(LOOK_S)
    await oracle.tell("flow", on=False)
    await _settle(oracle, desks, report)
    await _compare(oracle, desks, 1 << 62)
    report.real_s = time.monotonic() - started
    _sum(desks, memory, report)
    return report


async def _settle(oracle: Oracle, desks: list[Desk], report: Report) -> None:
    """Wait until every book is the venue's own, or is not."""
    wrong = {name for desk in desks for name in desk.ledgers}
    report.books = len(wrong)
    end = time.monotonic() + SETTLE_S
    while wrong and time.monotonic() < end:
        await asyncio.sleep(0.5)
        wrong = {
            name
            for desk in desks
            for name, ledger in desk.ledgers.items()
            if not await _same_book(oracle, desk, ledger.instrument)
        }
    report.books_wrong = sorted(wrong)


async def _same_book(oracle: Oracle, desk: Desk, item: Instrument) -> bool:
    if not desk.market.trusted(item.id):
        return False
    told = await oracle.ask("book", venue=desk.name, symbol=item.venue_symbol)
    book = desk.market.book(item.id)
    for mine, theirs in zip(book.top(100_000), (told["bids"], told["asks"]), strict=True):
        prices = [(item.price(row[0]), item.size(row[1])) for row in mine.tolist()]
        real = [(Decimal(row[0]), Decimal(row[1])) for row in theirs]
        if prices != real:
            return False
    return True


async def _compare(oracle: Oracle, desks: list[Desk], until_ms: int) -> None:
    for desk in desks:
        for ledger in desk.ledgers.values():
            if not ledger.taken:
                continue
            rows = await oracle.ask(
                "trades", venue=desk.name, symbol=ledger.instrument.venue_symbol,
                from_id=ledger.next_id,
            )  # fmt: skip
            trades = [
                Happened(row["id"], row["price"], Decimal(row["size"]), row["ts_ms"])
                for row in rows
            ]
            ledger.compare([trade for trade in trades if trade.ts_ms <= until_ms])


def _sum(desks: list[Desk], memory: list[tuple[float, float]], report: Report) -> None:
    for desk in desks:
        report.frames += desk.frames
        for name, ledger in desk.ledgers.items():
            ledger.end()
            report.trades += ledger.taken
            report.declared += ledger.declared
            report.lost += ledger.lost
            report.doubled += ledger.doubled
            report.invented += ledger.invented
            report.resyncs += desk.market.quality(ledger.instrument.id, 0).resyncs
            assert name == ledger.instrument.id
    warm = [mb for hours, mb in memory if hours >= report.hours / 5]
    tenth = max(1, len(warm) // 10)
    report.rss_warm_mb = statistics.median(warm[:tenth])
    report.rss_end_mb = statistics.median(warm[-tenth:])


async def _until_live(desks: list[Desk]) -> None:
    end = time.monotonic() + SETTLE_S
    while not all(desk.live() for desk in desks):
        if time.monotonic() > end:
            views = [desk.market.feed_view(name) for desk in desks for name in desk.ledgers]
            told = ", ".join(f"{view.instrument_id}: {view.reason}" for view in views)
            raise RuntimeError(f"not live after {SETTLE_S:g} s: {told}")
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _desks(
    options: Options, oracle: Oracle, state: dict[str, Any], clock: WallClock
) -> AsyncIterator[list[Desk]]:
    market_module.warm()
    levels.warm()
    symbols = {name: told["symbols"] for name, told in (await oracle.ask("venues")).items()}
    made: list[Desk] = []
    ours = _Clock(clock, options.speed)
    with tempfile.TemporaryDirectory() as folder:
        for venue in options.venues:
            name, rest, stream = VENUES[venue]
            keys: dict[str, Any] = {}
            if venue == "kucoin":
                # Whole images of its books are given to those with keys alone.
                keys = {"passphrase": "any", **{key: state[key] for key in KEYS}}
            host = f"127.0.0.1:{state['port']}"
            settings = FeedSettings(
                rest_url=rest.format(host=host), stream_url=stream.format(host=host), **keys
            )
            feed = make_feed(
                VenueName(venue),
                settings,
                clock=ours,
                rng=random.Random(options.seed),
                data=Path(folder),
            )
            assert isinstance(feed, StreamFeed)
            made.append(Desk(venue, feed, clock, options.speed))
            await made[-1].learn(symbols[name])
        tasks = [asyncio.create_task(desk.feed.run(desk.sink)) for desk in made]
        tasks.append(asyncio.create_task(_time(made, clock)))
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Clock:
    """The market's time for our own side."""

    def __init__(self, wall: WallClock, speed: float) -> None:
        self.now_ns = wall.now_ns
        self._speed = speed

    def monotonic_ns(self) -> int:
        return int(time.monotonic_ns() * self._speed)


async def _time(desks: list[Desk], clock: WallClock) -> None:
    while True:
        await asyncio.sleep(0.1)
        for desk in desks:
            desk.look(desk.market.on_timer(clock.now_ns()))


@contextlib.contextmanager
def _emulator(options: Options) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emulator.json"
        command = [
            sys.executable, "-m", "emulator", "--state-file", str(path), "--history-days", "2",
            "--seed", str(options.seed), "--speed", str(options.speed),
            "--events-per-second", str(options.events_per_second),
            "--venues", ",".join(VENUES[venue][0] for venue in options.venues),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("the emulator did not start")
            yield json.loads(path.read_text())
        finally:
            process.terminate()
            process.wait()


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def run() -> list[dict[str, object]]:
    """Run for a minute."""
    report = asyncio.run(soak(Options(limit_s=60.0), lambda text: None))
    wrong = report.breaches()
    rows: list[tuple[str, float, str, bool]] = [
        (f"{report.hours:.1f} h of market, {report.struck} faults: memory grew by",
         report.growth * 100, f"<= {GROWTH:.0%}", report.growth <= GROWTH),
        (f"books unlike the venue's, of {report.books}", float(len(report.books_wrong)), "0",
         not report.books_wrong),
        (f"trades lost, doubled or made up, of {report.trades:,}",
         float(report.lost + report.doubled + report.invented), "0", not wrong),
    ]  # fmt: skip
    return [
        {
            "name": name, "ours": ours, "peer": None, "ratio": None, "target": target,
            "unit": "%" if "memory" in name else "", "ok": ok,
        }
        for name, ours, target, ok in rows
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, print the figures, and return 1 where something does not hold."""
    plain = Options()
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Market and trouble.")
    parser.add_argument("--venues", default=",".join(plain.venues), help=f"of {','.join(VENUES)}")
    for name in ("hours", "speed", "events_per_second", "faults_per_minute", "strike_every_s",
                 "limit_s"):  # fmt: skip
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(plain, name))
    parser.add_argument("--seed", type=int, default=plain.seed)
    given = vars(parser.parse_args(argv))
    given["venues"] = tuple(given["venues"].split(","))
    if unknown := [name for name in given["venues"] if name not in VENUES]:
        parser.error(f"--venues must be of {', '.join(VENUES)}, was {', '.join(unknown)}")
    report = asyncio.run(soak(Options(**given), lambda text: print(text, flush=True)))
    for key, value in msgspec.to_builtins(report).items():
        print(f"{key:>12}  {value}")
    print(f"{'growth':>12}  {report.growth:.2%}")
    breaches = report.breaches()
    for text in breaches:
        print(f"BREACH: {text}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
