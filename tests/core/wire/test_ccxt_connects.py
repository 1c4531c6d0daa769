"""Sockets that ccxt opens are counted with everybody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.wire.budget import Budgets, Role
from core.wire.ccxt_connects import ConnectCounter


class Line:
    """A socket of ccxt's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opened = 0

    async def open(self, session: object, backoff_delay: float = 0) -> None:
        self.opened += 1


class Exchange:
    """ccxt's object of an exchange, as far as it has sockets: one for each URL."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def client(self, url: str) -> Line:
        return self.lines.setdefault(url, Line(url))


class Clock:
    """Time that stands still."""

    def now_ns(self) -> int:
        return 10**18

    def monotonic_ns(self) -> int:
        return 10**18


def counted(exchange: str) -> tuple[Any, ConnectCounter]:
    ccxt, counter = Exchange(), ConnectCounter(exchange, Clock())
    counter.watch(ccxt)
    return ccxt, counter


async def test_each_opening_of_a_socket_counts_once_by_its_host() -> None:
    ccxt, counter = counted("okx")
    for _ in range(2):
        await ccxt.client("wss://ws.okx.com:8443/ws/v5/public").open(None)
    await ccxt.client("wss://ws.okx.com:8443/ws/v5/business").open(None)
    await ccxt.client("wss://elsewhere/ws").open(None)
    assert [line.opened for line in ccxt.lines.values()] == [2, 1, 1]
    assert counter.attempts("ws.okx.com:8443").take() == 1.5
    assert counter.attempts("elsewhere").take() == 0.0


async def test_another_program_of_the_home_sees_them(tmp_path: Path) -> None:
    def home() -> Budgets:
        return Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=Clock(), told=lambda _: None)

    ccxt, mine = counted("okx")
    mine.share(home())
    other = ConnectCounter("okx", Clock())
    other.share(home())
    assert other.attempts("h").take() == 0.0
    for _ in range(2):
        await ccxt.client("wss://h/ws").open(None)
    assert other.attempts("h").take() == 1.5
