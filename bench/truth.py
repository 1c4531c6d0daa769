"""How long the truth takes: replaying a journal, cancelling everything, the way of an order."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.orders import BINANCE, BTC, _loop
from core.engine.clock import SystemClock
from core.model.accounts import Balance
from core.model.facts import BalancesReported, JournalRecord, VenueConnected, VenueEvent
from core.model.ids import ClientOrderId, ExecutionId, VenueOrderId
from core.model.market import Side
from core.model.orders import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderSubmitted,
    OrderType,
)
from core.model.settings import Settings
from core.trading.desk import TradingDesk
from core.trading.recorder import MemoryJournal
from core.venues.binance.venue import BinanceVenue
from store.journal import SqliteJournal

ORDERS = 100_000
CANCELS = 200
ROUNDS = 5
STARTS = 3
D = Decimal


class Still:
    """A market that stands still."""

    def top(self, instrument_id: Any) -> tuple[int, int]:
        return 5_999_900, 6_000_100

    def last(self, instrument_id: Any) -> int:
        return 6_000_000

    def trusted(self, instrument_id: Any) -> bool:
        return True

    def reference(self, instrument_id: Any) -> None:
        return None


def desk(journal: Any, venue: Any, session: str) -> TradingDesk:
    """Return a desk that lets 200 orders through at once."""
    settings = Settings.model_validate(
        {
            "risk": {
                "max_orders_per_second": 100_000,
                "max_messages_per_second": None,
                "max_open_orders": 1_000,
                "max_book_share_pct": None,
                "max_leverage": None,
                "max_position_notional": 10**9,
            }
        }
    )
    return TradingDesk(
        settings=settings,
        journal=journal,
        clock=SystemClock(),
        venues={BINANCE: venue},
        instruments={BTC.id: BTC},
        marks=Still(),
        emit=lambda fact: None,
        session=session,
        mode="SIM",
    )


# -- replay ------------------------------------------------------------------------------------


def lives() -> Iterator[list[JournalRecord]]:
    """Yield the records of orders that fill in two parts, fill whole, or are cancelled."""
    start_ns = time.time_ns() - 86_400 * 10**9
    for number in range(ORDERS):
        ts_ns = start_ns + number * 1_000_000
        name = ClientOrderId(f"clxc-{number:09d}")
        side = Side.BUY if number % 2 else Side.SELL
        intent = OrderIntent(
            client_order_id=name, instrument_id=BTC.id, side=side, type=OrderType.LIMIT,
            size=D("0.02"), price=D("60000.00"), origin="cli",
        )  # fmt: skip
        venue_id = VenueOrderId(str(number))
        records: list[JournalRecord] = [
            OrderSubmitted(intent=intent, venue=BINANCE, ts_ns=ts_ns),
            OrderAccepted(
                client_order_id=name, venue_order_id=venue_id, ts_event_ns=ts_ns, ts_ns=ts_ns
            ),
        ]
        parts = (("0.01", "0.01"), ("0.02",), ())[number % 3]
        for part, size in enumerate(parts):
            records.append(
                OrderFilled(
                    client_order_id=name, venue=BINANCE, instrument_id=BTC.id,
                    venue_order_id=venue_id, execution_id=ExecutionId(f"{number}-{part}"),
                    side=side, price=D("60000.00"), size=D(size), fee=D("0.60"), fee_asset="USDT",
                    maker=True, ts_event_ns=ts_ns, ts_ns=ts_ns,
                )
            )  # fmt: skip
        if not parts:
            records.append(OrderCanceled(client_order_id=name, ts_event_ns=ts_ns, ts_ns=ts_ns))
        yield records


def replay(folder: Path) -> tuple[float, float, int]:
    """Return the seconds to full state, those of reading alone, and how many records.

    Other programs share the machine, so the best of some starts says what one takes by itself.
    """
    path = folder / "journal.sqlite"
    journal = SqliteJournal(path)
    batch: list[JournalRecord] = []
    for records in lives():
        batch += records
        if len(batch) > 5_000:
            journal.append(batch)
            batch = []
    journal.append(batch)
    journal.close()
    found = []
    for number in range(STARTS):
        journal = SqliteJournal(path)
        started = time.perf_counter()
        count = sum(1 for _ in journal.read())
        read_s = time.perf_counter() - started
        started = time.perf_counter()
        desk(journal, None, f"replay{number}").recover("bench")
        found.append((time.perf_counter() - started, read_s, count))
        journal.close()
    took_s, read_s, _ = min(found)
    return took_s, read_s, found[0][2]


# -- cancel all --------------------------------------------------------------------------------

SINK = """
import base64, hashlib, json, socket, struct, sys, threading, time

def stamp(control):
    if not control:  # not yet with a machine's first stamped packets
        return time.time_ns()
    seconds, nanoseconds = STAMP.unpack(control[0][2])
    return seconds * 10**9 + nanoseconds

def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer, ws = b"", False
    while True:
        data, control, _, _ = connection.recvmsg(1 << 20, 128)
        if not data:
            return
        now, buffer = stamp(control), buffer + data
        out = []
        while True:
            found = frame(buffer) if ws else request(buffer)
            if found is None:
                break
            said, buffer = found
            if ws and said[:1] != b"{":  # a ping, or the end
                continue
            if ws:
                out.append(wrapped(told(said, now)))
            elif b"Sec-WebSocket-Key: " in said:
                key = said.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\\r")[0]
                digest = base64.b64encode(hashlib.sha1(key + GUID).digest())
                out.append(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n"
                           b"Connection: Upgrade\\r\\nSec-WebSocket-Accept: " + digest
                           + b"\\r\\n\\r\\n")
                ws = True
            else:
                body = answered(said, now)
                out.append(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body))
                out.append(body)
        connection.sendall(b"".join(out))

def request(buffer):
    head, end, rest = buffer.partition(b"\\r\\n\\r\\n")
    return (head + b"\\r", rest) if end else None

def frame(buffer):
    if len(buffer) < 2:
        return None
    size, at = buffer[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(buffer[2:4], "big"), 4
    if len(buffer) < at + 4 + size:
        return None
    mask = (buffer[at:at + 4] * (size // 4 + 1))[:size]
    raw = int.from_bytes(buffer[at + 4:at + 4 + size], "big") ^ int.from_bytes(mask, "big")
    return raw.to_bytes(size, "big"), buffer[at + 4 + size:]

def wrapped(body):
    head = bytes([129, len(body)]) if len(body) < 126 else b"\\x81~" + struct.pack(">H", len(body))
    return head + body

def told(said, now):
    asked = json.loads(said)
    if asked["method"] != "order.cancel":
        return json.dumps({"id": asked["id"], "status": 200, "result": {}}).encode()
    stamps.append(now)
    name = asked["params"]["origClientOrderId"]
    result = {"origClientOrderId": name, "status": "CANCELED", "transactTime": 1}
    return json.dumps({"id": asked["id"], "status": 200, "result": result}).encode()

def answered(head, now):
    if head.startswith(b"DELETE"):
        stamps.append(now)
        name = head.partition(b"origClientOrderId=")[2].partition(b"&")[0].decode()
        body = {**ORDER, "origClientOrderId": name, "status": "CANCELED"}
    elif head.startswith(b"POST"):
        body = {**ORDER, "status": "NEW", "fills": []}
    else:
        body = stamps if b"/stamps" in head else {"serverTime": now // 10**6}
    return json.dumps(body).encode()

stamps = []
STAMP = struct.Struct("qq")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ORDER = {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": "x", "transactTime": 1, "price": "1",
         "origQty": "1", "executedQty": "0", "type": "LIMIT", "side": "BUY"}
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
listener.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: when bytes were put in the socket
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


async def cancel_all() -> tuple[float, float]:
    """Return ms from the command until the last of 200 cancels left, and those of a bare sync.

    It has left when the kernel has put its bytes into the socket of the other end.
    """
    sink = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SINK, stdout=asyncio.subprocess.PIPE
    )
    assert sink.stdout is not None
    port = int(await sink.stdout.readline())
    table = Settings.model_validate(
        {
            "venues": {
                "binance": {
                    "rest_url": f"http://127.0.0.1:{port}",
                    "ws_api_url": f"ws://127.0.0.1:{port}",
                    "api_key": "k",
                    "api_secret": "s",
                }
            }
        }
    ).venues["binance"]
    venue = BinanceVenue(
        BINANCE, table, clock=SystemClock(), rng=random.Random(1), instruments=[BTC]
    )
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        journal = SqliteJournal(Path(folder) / "journal.sqlite")
        trading = desk(journal, venue, "cancels")
        trading.recover("bench")
        connected = asyncio.Event()

        def take(event: VenueEvent) -> None:
            if type(event) is VenueConnected:
                connected.set()
            trading.on_venue_event(event)

        running = asyncio.create_task(venue.run(take))
        try:
            async with asyncio.timeout(10):
                await connected.wait()
            _fund(trading)
            for number in range(CANCELS):
                trading.submit(
                    OrderIntent(
                        client_order_id=ClientOrderId(f"clxc-{number}"), instrument_id=BTC.id,
                        side=Side.BUY, type=OrderType.LIMIT, size=D("0.001"),
                        price=D("59000.00"), origin="cli",
                    )
                )  # fmt: skip
            await _until(lambda: [o.state for o in trading.orders()] == ["accepted"] * CANCELS)
            floor_ms = bare_sync_ms(Path(folder) / "floor", 64 * 1024)
            started_ns = time.time_ns()
            trading.cancel_all("cli")
            await _until(lambda: not trading.orders())
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            journal.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /stamps HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0])
    stamps = [int(text) for text in (await reader.readexactly(size)).decode()[1:-1].split(",")]
    writer.close()
    sink.kill()
    await sink.wait()
    assert len(stamps) == CANCELS, f"{len(stamps)} cancels came"
    return (max(stamps) - started_ns) / 1e6, floor_ms


def bare_sync_ms(path: Path, size: int) -> float:
    """Return the ms of writing so many bytes and one fdatasync: what the disk alone takes."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    started = time.perf_counter()
    os.write(handle, bytes(size))
    os.fdatasync(handle)
    took = (time.perf_counter() - started) * 1e3
    os.close(handle)
    return took


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the other end does not answer")


def _fund(trading: TradingDesk) -> None:
    now_ns = time.time_ns()
    trading.on_venue_event(VenueConnected(venue=BINANCE, ts_ns=now_ns))
    balance = Balance(venue=BINANCE, asset="USDT", total=D(1_000_000))
    trading.on_venue_event(
        BalancesReported(venue=BINANCE, balances=(balance,), ts_event_ns=now_ns, ts_ns=now_ns)
    )
    trading.reconciled(BINANCE)


# -- the submit path ---------------------------------------------------------------------------


class Nowhere:
    """A venue that takes everything and says nothing."""

    name = BINANCE

    def __init__(self) -> None:
        from core.model.abilities import PLAIN

        self._able = PLAIN

    def abilities(self, instrument: Any) -> Any:
        return self._able

    def submit(self, intent: OrderIntent) -> None:
        """Take it."""


def submit_path() -> list[float]:
    """Return us of each submit: gate, record and projection, neither disk nor wire."""
    trading = desk(MemoryJournal(), Nowhere(), "path")
    trading.recover("bench")
    _fund(trading)
    took = []
    for number in range(900):
        intent = OrderIntent(
            client_order_id=ClientOrderId(f"clxc-{number}"), instrument_id=BTC.id, side=Side.BUY,
            type=OrderType.LIMIT, size=D("0.001"), price=D("59000.00"), origin="cli",
        )  # fmt: skip
        started = time.perf_counter_ns()
        order = trading.submit(intent)
        took.append((time.perf_counter_ns() - started) / 1_000)
        assert order.state == "submitted", order.note
    return sorted(took[100:])


def run() -> list[dict[str, object]]:
    """Measure."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        took_s, read_s, count = replay(Path(folder))
    name = f"{ORDERS:,} orders ({count:,} records) to full state, best of {STARTS}"
    rows.append(_row(name, took_s, read_s, "<= 3 s (peer: read)", "s", ok=took_s <= 3.0))
    with asyncio.Runner(loop_factory=_loop()) as runner:
        found = sorted(runner.run(cancel_all()) for _ in range(ROUNDS))
    name = f"cancel-all of {CANCELS} orders, the last one left; median of {ROUNDS}"
    middle, floor = found[ROUNDS // 2]
    rows.append(_row(name, middle, floor, "<= 50 ms (floor: fdatasync)", "ms", ok=middle <= 50.0))
    path = min((submit_path() for _ in range(ROUNDS)), key=lambda took: took[len(took) // 2])
    for share, what in ((0.5, "p50"), (0.99, "p99")):
        us = path[int(len(path) * share)]
        rows.append(_row(f"submit without disk and wire, {what}", us, None, "-", "us", ok=True))
    return rows


def _row(
    name: str, ours: float, peer: float | None, target: str, unit: str, *, ok: bool
) -> dict[str, object]:
    ratio = ours / peer if peer else None
    return {
        "name": name, "ours": ours, "peer": peer, "ratio": ratio, "target": target,
        "unit": unit, "ok": ok,
    }  # fmt: skip
