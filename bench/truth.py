"""How long the truth takes: replaying a journal, cancelling everything, the way of an order."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.orders import BINANCE, BTC
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
    """Return the seconds to full state, those of reading alone, and how many records."""
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
    journal = SqliteJournal(path)
    started = time.perf_counter()
    count = sum(1 for _ in journal.read())
    read_s = time.perf_counter() - started
    started = time.perf_counter()
    desk(journal, None, "replay").recover("bench")
    took_s = time.perf_counter() - started
    journal.close()
    return took_s, read_s, count


# -- cancel all --------------------------------------------------------------------------------

SINK = """
import asyncio, json, time

async def serve(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        now = time.time_ns()
        if head.startswith(b"DELETE"):
            stamps.append(now)
            name = head.partition(b"origClientOrderId=")[2].partition(b"&")[0].decode()
            body = {**ORDER, "origClientOrderId": name, "status": "CANCELED"}
        elif head.startswith(b"POST"):
            body = {**ORDER, "status": "NEW", "fills": []}
        else:
            body = stamps if b"/stamps" in head else {"serverTime": now // 10**6}
        data = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(data) + data)

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

stamps = []
ORDER = {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": "x", "transactTime": 1, "price": "1",
         "origQty": "1", "executedQty": "0", "type": "LIMIT", "side": "BUY"}
asyncio.run(main())
"""


async def cancel_all() -> float:
    """Return ms from the command to the arrival of the last of 200 cancels."""
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
        running = asyncio.create_task(venue.run(_to(trading)))
        await asyncio.sleep(0.2)
        try:
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
    return (max(stamps) - started_ns) / 1e6


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the other end does not answer")


def _to(trading: TradingDesk) -> Callable[[VenueEvent], None]:
    """Take what tells of orders; this venue has no stream."""
    return trading.on_venue_event


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
    name = f"{ORDERS:,} orders ({count:,} records) replayed to full state"
    rows.append(_row(name, took_s, read_s, "<= 3 s (peer: read)", "s", ok=took_s <= 3.0))
    found = sorted(asyncio.run(cancel_all()) for _ in range(ROUNDS))
    name = f"cancel-all of {CANCELS} orders, the last one arrived; median of {ROUNDS}"
    middle = found[ROUNDS // 2]
    rows.append(_row(name, middle, None, "<= 50 ms", "ms", ok=middle <= 50.0))
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
