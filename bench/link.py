"""The doorway: a command's round trip over the unix socket, beside a bare msgpack echo.

Both servers live in a process of their own and answer the same book of 20 levels; contenders take
turns. The echo has no ids, no validation, no typed command and no reply matching: it is the floor
that asyncio streams and msgpack set. Ours is `UnixLink.request` to `LinkServer` with everything on.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from core.model.accounts import RiskState
from core.model.commands import GetBook, GetOrders, Request
from core.model.ids import InstrumentId
from core.model.views import Alert, AlertRaised, BookView, EngineSnapshot, EngineStatus
from link.client import UnixLink
from link.server import LinkServer

ROUNDS = 5
CALLS = 1000
FACTS = 20_000
BTC = InstrumentId("BTC-USDT.binance")
BOOK = BookView(
    instrument_id=BTC,
    bids=[(6_000_000 - n, 1000 + n) for n in range(20)],
    asks=[(6_000_001 + n, 1000 + n) for n in range(20)],
    last_id=1,
)


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "ours.sock", Path(folder) / "echo.sock"]
        servers = [_start(kind, path) for kind, path in zip(("ours", "echo"), paths, strict=True)]
        try:
            return asyncio.run(_contest(*paths))
        finally:
            for server in servers:
                server.terminate()
                server.communicate()


def _start(kind: str, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.link", kind, str(path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()  # it listens
    return server


async def _contest(ours_path: Path, echo_path: Path) -> list[dict[str, Any]]:
    link = UnixLink(ours_path, origin="cli")
    following = asyncio.create_task(link.run())
    reader, writer = await asyncio.open_unix_connection(echo_path)
    decoder = msgspec.msgpack.Decoder(BookView)

    async def ask_ours() -> None:
        await link.request(GetBook(instrument=BTC))

    async def ask_echo() -> None:
        body = msgspec.msgpack.encode({"instrument": BTC, "depth": 20})
        writer.write(len(body).to_bytes(4, "big") + body)
        size = int.from_bytes(await reader.readexactly(4), "big")
        decoder.decode(await reader.readexactly(size))

    ours: list[float] = []
    echo: list[float] = []
    await _time(ask_ours), await _time(ask_echo)
    for _ in range(ROUNDS):
        ours += await _time(ask_ours)
        echo += await _time(ask_echo)
    facts_us = await _facts(link)
    following.cancel()
    writer.close()
    rows = []
    for name, at, limit in (("p50", 0.50, 3.0), ("p99", 0.99, 3.0)):
        mine, floor = _quantile(ours, at), _quantile(echo, at)
        rows.append(_row(f"command round trip {name}", mine, floor, limit))
    rows.append(_row("a fact to a following replica", facts_us, _quantile(echo, 0.5), 1.0))
    return rows


def _row(name: str, mine: float, floor: float, limit: float) -> dict[str, Any]:
    ratio = mine / floor
    return {
        "name": name,
        "ours": mine,
        "peer": floor,
        "ratio": ratio,
        "target": f"<= {limit:g}x bare echo",
        "unit": "us",
        "ok": ratio <= limit,
    }


async def _facts(link: UnixLink) -> float:
    """Return microseconds a fact when many come: publish, frame, send, decode and apply."""
    start = time.perf_counter()
    before = link.replica.seq
    await link.request(GetOrders(), timeout_s=60)
    # The doorway sends a command's facts before its answer.
    assert link.replica.seq == before + FACTS
    return (time.perf_counter() - start) / FACTS * 1e6


async def _time(ask: Callable[[], Awaitable[None]]) -> list[float]:
    took = []
    for _ in range(CALLS):
        start = time.perf_counter_ns()
        await ask()
        took.append((time.perf_counter_ns() - start) / 1000)
    return took


def _quantile(values: list[float], at: float) -> float:
    return statistics.quantiles(values, n=1000)[int(at * 1000) - 1]


class _Face:
    """The least that can stand behind a doorway."""

    session = "bench"
    version = "0"

    def __init__(self) -> None:
        self._seq = 0
        self._sink: Any = None

    def snapshot(self) -> EngineSnapshot:
        status = EngineStatus(
            session="bench", version="0", pid=os.getpid(), mode="SIM", started_ns=0,
            phase="running", risk_state=RiskState.ACTIVE,
        )  # fmt: skip
        return EngineSnapshot(
            seq=self._seq, status=status, instruments=(), watchlist=(), orders=(), fills=(),
            positions=(), balances=(), equity=Decimal(0), day_pnl=Decimal(0), limits=(), feeds=(),
            venues=(), strategies=(), models=(), signals=(), alerts=(),
        )  # fmt: skip

    async def execute(self, request: Request) -> Any:
        if request.command.name == "get_orders":
            for _ in range(FACTS):
                self._seq += 1
                alert = Alert(ts_ns=self._seq, level="info", source="bench", text="a fact")
                self._sink(self._seq, AlertRaised(alert=alert))
            return ()
        return BOOK

    def open_view(self) -> Any:
        raise AssertionError("the benchmark looks at no market")

    def on_fact(self, sink: Any) -> int:
        self._sink = sink
        return self._seq

    def on_clients(self, count: int) -> None:
        pass


async def _serve(kind: str, path: Path) -> None:
    if kind == "ours":
        doorway = LinkServer(_Face(), path, backlog=FACTS + 1)
        doorway.bind()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(doorway.run())
            await doorway.ready.wait()
            print("ready", flush=True)
        return
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                size = int.from_bytes(await reader.readexactly(4), "big")
            except asyncio.IncompleteReadError:
                return
            decoder.decode(await reader.readexactly(size))
            body = encoder.encode(BOOK)
            writer.write(len(body).to_bytes(4, "big") + body)
            await writer.drain()

    server = await asyncio.start_unix_server(answer, path)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
