"""A whole clx in a folder of its own: emulator, engine and command line as real processes."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clx.spawn import engine_answers
from core.model import commands
from core.model.accounts import EntryKind
from core.model.market import FeedStatus
from core.model.orders import OrderState
from core.model.views import Fact, FeedChanged, View
from link.client import UnixLink
from link.socketfile import holder_pid

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
EMULATORS = 2
STATES = {
    "NEW": OrderState.ACCEPTED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}


class Home:
    """One installation: `CLX_HOME`, its processes, and ways to ask them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {**os.environ, "CLX_HOME": str(root)}
        self.env.pop("NO_COLOR", None)
        self.socket = root / "run" / "engine.sock"
        self.children: list[subprocess.Popen[Any]] = []

    def configure(self, text: str) -> None:
        """Write the settings file; an engine that a test kills stays dead unless the test says."""
        if "[watchdog]" not in text:
            text += "\n[watchdog]\n"
        if "restarts" not in text:
            text = text.replace("[watchdog]\n", "[watchdog]\nrestarts = 0\n")
        (self.root / "config.toml").write_text(text)

    def run(self, *words: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a verb, whatever its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "clx", *words],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def clx(self, *words: str, check: bool = True, timeout_s: float = 90) -> str:
        """Run a verb and return what it printed."""
        done = self.run(*words, timeout_s=timeout_s)
        if check and done.returncode:
            said = f"{done.stdout}{done.stderr}{self.log()}"
            raise AssertionError(f"clx {' '.join(words)} -> {done.returncode}\n{said}")
        return done.stdout + (done.stderr if not check else "")

    def ask(self, *words: str) -> Any:
        """Run a verb and return its JSON."""
        return json.loads(self.clx(*words, "--format", "json"))

    def spawn(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Start a Python program of this home's that is killed with it."""
        process = subprocess.Popen(
            [sys.executable, *words],
            **{"env": self.env, "cwd": ROOT, "text": True, **more},
        )
        self.children.append(process)
        return process

    def emulator(self) -> dict[str, Any]:
        """Return the emulator's state file."""
        found: dict[str, Any] = json.loads((self.root / "run" / "emulator.json").read_text())
        return found

    def start_emulator(self, *words: str, port: int = 0) -> dict[str, Any]:
        """Start an emulator ahead of the engine, or again on its port with its keys."""
        file = self.root / "run" / "emulator.json"
        env = dict(self.env)
        if port:
            old = self.emulator()
            env |= {"CLX_EMULATOR_KEY": old["api_key"], "CLX_EMULATOR_SECRET": old["api_secret"]}
            file.unlink()
        self.spawn(
            *("-m", "emulator", f"--port={port}", f"--state-file={file}", "--history-days=3"),
            *words,
            env=env,
            stdout=subprocess.DEVNULL,
        )
        wait_until(file.exists, "the emulator to listen")
        return self.emulator()

    def control(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
        """Ask the emulator's control endpoint."""
        state = self.emulator()
        request = urllib.request.Request(
            f"http://127.0.0.1:{state['port']}/_ctl/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "X-Clx-Control": state["control_token"],
                "Content-Type": "application/json",
            },
            method=method or ("GET" if body is None else "POST"),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def fault(self, kind: str, **more: Any) -> None:
        """Arm a fault of the emulator."""
        self.control("faults", {"kind": kind, **more})

    def clear_faults(self) -> None:
        """Disarm what did not strike, and let the crowd act."""
        self.control("faults", method="DELETE")
        self.control("flow", {"on": True})

    def best(self, symbol: str = "BTCUSDT") -> tuple[Decimal, Decimal]:
        """Return the true best bid and ask."""
        book = self.control(f"book?symbol={symbol}")
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])

    def away(self, share: str = "0.98", symbol: str = "BTCUSDT") -> str:
        """Return a price at that share of the best bid, to rest at."""
        return str((self.best(symbol)[0] * Decimal(share)).quantize(Decimal("0.01")))

    def inside(self, symbol: str = "BTCUSDT", tick: str = "0.01") -> str:
        """Stop the crowd and return a price for a bid of ours that nobody else waits at."""
        self.control("flow", {"on": False})
        bid, ask = self.best(symbol)
        while ask - bid < 2 * Decimal(tick):
            price, size = self.control(f"book?symbol={symbol}")["asks"][0]
            taken = {"symbol": symbol, "side": "BUY", "qty": size, "price": price}
            self.control("trade", taken)
            bid, ask = self.best(symbol)
        return str(bid + Decimal(tick))

    def at_venue(self, order_id: str) -> list[dict[str, Any]]:
        """Return every order of this client id the venue ever had."""
        return [row for row in self.control("oracle")["orders"] if row["clientOrderId"] == order_id]

    def engine_pid(self) -> int:
        """Return the running engine's pid."""
        return int(self.ask("status")["status"]["pid"])

    def kill_engine(self) -> None:
        """End the engine as a crash does."""
        pid = self.engine_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "the engine to be gone")

    def kill_emulator(self) -> None:
        """End the emulator as a crash does; its state file stays."""
        pid = int(self.emulator()["pid"])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "the emulator to be gone")

    def log(self) -> str:
        """Return the end of the engine's log."""
        log = self.root / "data" / "engine.log"
        return "\n".join(log.read_text().splitlines()[-30:]) if log.exists() else ""

    @contextlib.asynccontextmanager
    async def attach(self, origin: Any = "cli") -> AsyncIterator["Client"]:
        """Open a link of the product's own to the engine, once it is there and running."""
        await asyncio.to_thread(
            wait_until, lambda: engine_answers(self.socket), f"an engine; {self.log()}"
        )
        link = UnixLink(self.socket, origin=origin)
        task = asyncio.create_task(link.run(), name="link")
        client = Client(link, self)
        try:
            await client.until(client.running, "the engine to run")
            yield client
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """Stop every process of this home, whatever state it is in."""
        if engine_answers(self.socket) and (pid := holder_pid(self.socket)) is not None:
            # As `clx daemon stop` does, without the half second that a verb takes.
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not alive(pid), "the engine to end")
        for child in self.children:
            child.kill()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()
            child.wait()
        for file in (self.root / "run" / "engine.sock.lock", self.root / "run" / "emulator.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                text = file.read_text()
                pid = int(json.loads(text)["pid"] if file.suffix == ".json" else text)
                if alive(pid) and str(self.root) in _environment(pid):
                    os.kill(pid, signal.SIGKILL)


class Client:
    """An attached link, and what the tests ask through it."""

    def __init__(self, link: UnixLink, home: Home) -> None:
        self.link = link
        self.replica = link.replica
        self.home = home
        self.facts: list[Fact] = []
        """Every fact that came, also those whose effect the next one undid."""
        apply = self.replica.apply_fact

        def keep(seq: int, fact: Fact) -> None:
            self.facts.append(fact)
            apply(seq, fact)

        self.replica.apply_fact = keep  # type: ignore[method-assign]

    def running(self) -> bool:
        """Return whether the engine runs and every venue was compared in this session."""
        status = self.replica.status
        return (
            self.link.state == "up"
            and status is not None
            and status.phase == "running"
            and all(venue.reconciled_ns for venue in self.replica.venues.values())
        )

    async def until(
        self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S
    ) -> Any:
        """Poll a condition until it holds, without keeping the link from working."""
        deadline = time.monotonic() + patience_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"waited {patience_s:g} s for {what}; link {self.link.state}: "
                    f"{self.link.reason}; "
                    f"orders {[(o.id, o.state, o.note) for o in self.replica.orders.values()][-4:]}"
                    f"; alerts {[a.text for a in self.replica.alerts][-5:]}"
                    f"\n{self.home.log()}"
                )
            await asyncio.sleep(0.01)
        return found

    async def request(self, command: commands.Command) -> Any:
        """Have the engine carry out a command."""
        return await self.link.request(command, PATIENCE_S)

    async def submit(self, order_id: str, side: str, size: str, **more: Any) -> Any:
        """Submit an order, a limit order when a price is given; return what became of it.

        An entry at the market waits for data to enter on, which a busy machine may be late with.
        """
        instrument = more.pop("instrument", "BTC-USDT.binance")
        kind = "limit" if "price" in more else "market"
        if kind == "market" and not more.get("reduce_only"):
            await self.live(instrument)
        report = await self.request(
            commands.SubmitOrder.model_validate(
                {
                    "client_order_id": order_id,
                    "instrument": instrument,
                    "side": side,
                    "type": kind,
                    "size": size,
                    **more,
                }
            )
        )
        return report.order

    async def live(self, instrument: Any = "BTC-USDT.binance") -> None:
        """Wait until an instrument's data is trusted, so that entries go through."""
        feeds = self.replica.feeds
        await self.until(
            lambda: instrument in feeds and feeds[instrument].status is FeedStatus.LIVE,
            f"{instrument} to be live",
        )

    def feed_states(self, instrument: str = "BTC-USDT.binance") -> list[FeedStatus]:
        """Return every state an instrument's data was said to be in."""
        return [
            fact.feed.status
            for fact in self.facts
            if isinstance(fact, FeedChanged) and fact.feed.instrument_id == instrument
        ]

    async def falls_and_rises(self) -> None:
        """Wait until a feed that was live was not, and is again."""
        bad = {FeedStatus.STALE, FeedStatus.SYNCING}

        def back() -> bool:
            states = self.feed_states()
            return bool(bad & set(states)) and states[-1] is FeedStatus.LIVE

        await self.until(back, "the feed to drop and come back")

    async def sees_the_book(self, symbol: str = "BTCUSDT") -> tuple[Decimal, Decimal]:
        """Stop the crowd and wait until the engine's best prices are the venue's; return them."""
        instrument: Any = f"{symbol.removesuffix('USDT')}-USDT.binance"
        self.home.control("flow", {"on": False})
        real = self.home.best(symbol)
        item = self.replica.instruments[instrument]
        self.link.watch(View(focus=instrument, depth=5, bars=1, fps=30))

        def same() -> bool:
            book = self.replica.book
            if book is None or not book.bids or not book.asks:
                return False
            return (item.price(book.bids[0][0]), item.price(book.asks[0][0])) == real

        await self.until(same, f"the engine's book of {symbol} to be the venue's")
        return real

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancel."""
        await self.request(commands.CancelOrder.model_validate({"client_order_id": order_id}))

    def state(self, order_id: str) -> OrderState | None:
        """Return the order's state as the replica knows it."""
        order = self.replica.orders.get(order_id)  # type: ignore[call-overload]
        return order.state if order is not None else None

    async def reaches(self, order_id: str, *states: str) -> None:
        """Wait until an order is in one of these states."""
        await self.until(
            lambda: self.state(order_id) in states, f"{order_id} to be {' or '.join(states)}"
        )

    async def alerted(self, words: str) -> str:
        """Wait for an alert with these words and return it."""
        found = await self.until(
            lambda: [item.text for item in self.replica.alerts if words in item.text],
            f"an alert with {words!r}",
        )
        return str(found[-1])

    async def disagreements(self) -> list[str]:
        """Compare every order, fill, position and balance with the venue's own truth."""
        truth = await asyncio.to_thread(self.home.control, "oracle")
        orders = await self.request(commands.GetOrders(all=True))
        fills = await self.request(commands.GetFills(limit=10_000))
        found = _compare_orders(orders, truth["orders"])
        found += _compare_fills(fills, truth["trades"])
        found += _compare_positions(await self.request(commands.GetPositions()), truth["trades"])
        found += _compare_balances(await self.request(commands.GetBalances()), truth["balances"])
        found += _check_ledger(await self.request(commands.GetLedger(limit=10_000)))
        return found

    async def agrees(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is left to settle between engine and venue."""
        deadline = time.monotonic() + patience_s
        while found := await self.disagreements():
            if time.monotonic() > deadline:
                raise AssertionError("\n".join([*found, self.home.log()]))
            await asyncio.sleep(0.05)


def _compare_orders(ours: Any, theirs: list[dict[str, Any]]) -> list[str]:
    found = []
    rows = {row["clientOrderId"]: row for row in theirs}
    times = Counter(row["clientOrderId"] for row in theirs)
    found += [f"{key} is {count} times at the venue" for key, count in times.items() if count > 1]
    known = {order.id: order for order in ours}
    found += [f"{key} is at the venue and unknown here" for key in rows.keys() - known.keys()]
    for key, order in known.items():
        row = rows.get(key)
        if row is None:
            if order.state not in {OrderState.REJECTED, OrderState.DENIED}:
                found.append(f"{key} is {order.state} here and not at the venue")
        elif order.state is not STATES[row["status"]]:
            found.append(f"{key} is {order.state} here, {row['status']} at the venue")
        elif order.filled != Decimal(row["executedQty"]):
            found.append(f"{key} filled {order.filled} here, {row['executedQty']} at the venue")
        elif order.venue_order_id != str(row["orderId"]):
            found.append(f"{key} is {order.venue_order_id} here, {row['orderId']} at the venue")
    return found


def _compare_fills(ours: Any, theirs: list[dict[str, Any]]) -> list[str]:
    mine = Counter(
        (f.execution_id, f.venue_order_id, f.price, f.size, f.fee, f.fee_asset, f.maker)
        for f in ours
    )
    real = Counter(
        (
            str(row["id"]),
            str(row["orderId"]),
            Decimal(row["price"]),
            Decimal(row["qty"]),
            Decimal(row["commission"]),
            row["commissionAsset"],
            row["isMaker"],
        )
        for row in theirs
    )
    return [f"fill {key} is only here" for key in mine - real] + [
        f"fill {key} is only at the venue" for key in real - mine
    ]


def _compare_positions(ours: Any, trades: list[dict[str, Any]]) -> list[str]:
    real: Counter[str] = Counter()
    for row in trades:
        base = row["symbol"].removesuffix("USDT")
        size = Decimal(row["qty"]) * (1 if row["isBuyer"] else -1)
        fee = Decimal(row["commission"]) if row["commissionAsset"] == base else Decimal(0)
        real[f"{base}-USDT.binance"] += size - fee  # type: ignore[assignment]
    mine = {item.instrument_id: item.size for item in ours}
    return [
        f"position {key} is {mine.get(key)} here, the venue's trades make {real[key]}"
        for key in real.keys() | mine.keys()
        if mine.get(key, 0) != real[key]
    ]


def _compare_balances(ours: Any, theirs: dict[str, dict[str, str]]) -> list[str]:
    mine = {item.asset: (item.total, item.held) for item in ours}
    real = {
        asset: (Decimal(row["free"]) + Decimal(row["locked"]), Decimal(row["locked"]))
        for asset, row in theirs.items()
    }
    return [
        f"{asset} (total, held) is {mine.get(asset)} here, {real.get(asset)} at the venue"
        for asset in mine.keys() | real.keys()
        if mine.get(asset) != real.get(asset)
    ]


def _check_ledger(entries: Any) -> list[str]:
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry.asset] += entry.amount
    found = [f"the ledger's {asset} sums to {amount}" for asset, amount in sums.items() if amount]
    # An adopted balance would make any lost fill look equal.
    adopted = [entry for entry in entries if entry.kind is EntryKind.ADJUSTMENT]
    return found + [f"adopted: {entry.ref}" for entry in adopted]


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def wait_until(condition: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Poll a condition of other processes until it holds."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:g} s for {what}")
        time.sleep(0.02)
    return found


SETTINGS = """
[emulator]
history_days = 3
[engine]
history_bars = 300
[models.tiny-1m]
enabled = false
"""
QUICK = """
[trading]
unknown_poll_s = 0.1
[venues.binance]
# How long "no such order" is not believed of an order that may be on its way.
recv_window_ms = 1000
timeout_s = 2.0
"""
"""For tests that wait for orders whose outcome is unknown."""


@contextlib.contextmanager
def opened_home(text: str = SETTINGS) -> Iterator[Home]:
    """Make a home; whatever happens, nothing of it is left."""
    # Not tmp_path: a unix socket's path may have 107 bytes at most.
    root = Path(tempfile.mkdtemp(prefix="clx-"))
    (root / "run").mkdir(mode=0o700)
    made = Home(root)
    made.configure(text)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Home]:
    with opened_home() as made:
        yield made


@pytest.fixture
def running(home: Home) -> Home:
    home.clx("daemon", "start")
    return home


@pytest.fixture(scope="module")
def shared() -> Iterator[Home]:
    """One running home for all tests of a module that leave it as they found it."""
    with opened_home(SETTINGS + QUICK) as made:
        made.clx("daemon", "start")
        yield made


@pytest.fixture
def until() -> Callable[..., Any]:
    """Poll a condition of other processes until it holds."""
    return wait_until


@contextlib.contextmanager
def _emulators() -> Iterator[list[dict[str, Any]]]:
    """Start emulators side by side, each with all venues; give what they say of themselves."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clx-")))
        started = []
        for number in range(EMULATORS):
            file = folder / f"{number}.json"
            process = stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "emulator", "--venues", "all"),
                        *("--history-days", "2", "--events-per-second", "60"),
                        *("--state-file", str(file)),
                    ],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(process.kill)
            started.append((process, file))
        states = []
        for process, file in started:
            assert process.stdout is not None
            # It says so in one line as soon as it listens; secrets are in the file alone.
            assert process.stdout.readline()
            states.append(json.loads(file.read_text()))
        yield states


@pytest.fixture(scope="session")
def emulators() -> Any:
    """Return what starts emulators side by side."""
    return _emulators
