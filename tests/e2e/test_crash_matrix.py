"""The engine dies at every kind of write of an order's life; client and venue end up equal."""

import asyncio
import contextlib
import json
import signal
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import CancelAll
from core.model.errors import LinkError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DAEMON = Path(__file__).with_name("crashing_daemon.py")
SETTINGS = """
[emulator]
history_days = 3
[engine]
history_bars = 300
tape = false
# The crowd stands still, so that an order fills only when the scenario says so.
stale_after_s = 3600
watchlist = ["SOL-USDT.binance"]
[trading]
unknown_poll_s = 0.1
[venues.binance]
# How long "no such order" is not believed of an order that may be on its way.
recv_window_ms = 500
[risk]
# A taker may sweep past a bid of ours that rests from the scenario before.
self_trade = "allow"
[strategies]
[models.tiny-1m]
enabled = false
# What a watchdog does about a dead engine, `test_watchdog` shows.
[watchdog]
enabled = false
"""
SOL = "SOL-USDT.binance"
KINDS = {
    *("before journal OrderSubmitted", "after journal OrderSubmitted"),
    *("before venue submit", "after venue submit"),
    *("before bytes POST", "after bytes POST", "answered POST"),
    *("before journal OrderAccepted", "after journal OrderAccepted"),
    *("before journal OrderFilled", "after journal OrderFilled"),
    *("before journal CancelSubmitted", "after journal CancelSubmitted"),
    *("before venue cancel", "after venue cancel"),
    *("before bytes DELETE", "after bytes DELETE", "answered DELETE"),
    *("before journal OrderCanceled", "after journal OrderCanceled"),
}


class Gone(Exception):
    """The engine died while the scenario went on."""


class Scenario:
    """The lives of three orders: one rests and is cancelled, one takes, one fills in part."""

    def __init__(self, client: Any, prefix: str, taker: str) -> None:
        self._client = client
        self._home = client.home
        self._taker = taker
        self.rest, self.take, self.part = (f"{prefix}-{name}" for name in ("rest", "take", "part"))

    async def play(self) -> None:
        client, home = self._client, self._home
        await client.live(SOL)
        price = home.away(symbol="SOLUSDT")
        await client.submit(self.rest, "buy", "0.5", price=price, instrument=SOL)
        await self._until(self.rest, "accepted")
        levels = home.control("book?symbol=SOLUSDT")["asks" if self._taker == "buy" else "bids"]
        # The whole best level and a little of the next: at least two executions.
        size = Decimal(levels[0][1]) + Decimal("0.5")
        await client.submit(self.take, self._taker, str(size), instrument=SOL)
        await self._until(self.take, "filled")
        await client.cancel(self.rest)
        await self._until(self.rest, "canceled")
        price = home.inside("SOLUSDT")
        await client.submit(self.part, "buy", "2", price=price, instrument=SOL)
        await self._until(self.part, "accepted")
        for qty in ("0.5", "0.75"):
            trade = {"symbol": "SOLUSDT", "side": "SELL", "qty": qty, "price": price}
            assert home.control("trade", trade)["executed"] == f"{Decimal(qty):.8f}"
        await self._until(self.part, "partially_filled", Decimal("1.25"))
        await client.cancel(self.part)
        await self._until(self.part, "canceled", Decimal("1.25"))

    async def _until(self, order_id: str, state: str, filled: Decimal | None = None) -> None:
        client = self._client

        def there() -> bool:
            if client.link.state != "up":
                raise Gone
            order = client.replica.orders.get(order_id)
            if order is None or order.state != state:
                return False
            return filled is None or order.filled == filled

        await client.until(there, f"{order_id} to be {state}")


class Crasher:
    """The program that forks engines and lets them die."""

    def __init__(self, home: Any) -> None:
        self._process = home.spawn(str(DAEMON), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def begin(self, prefix: str, burn_at: tuple[str, int] | None = None) -> None:
        self._process.stdin.write(json.dumps({"prefix": prefix, "burn_at": burn_at}) + "\n")
        self._process.stdin.flush()

    async def ended(self) -> Any:
        return json.loads(await asyncio.to_thread(self._process.stdout.readline))


async def test_engine_killed_at_every_write_boundary_ends_up_equal_to_the_venue(home):
    home.configure(SETTINGS)
    home.start_emulator("--no-flow")
    home.fault("weight_limit", value=1e9)
    crasher = Crasher(home)
    crasher.begin("clxc-none")
    async with home.attach() as client:
        await Scenario(client, "clxc-none", "buy").play()
        await client.agrees()
    home.clx("daemon", "stop", "--keep-emulator")
    boundaries = chosen((await crasher.ended())["passed"])
    assert {name.rpartition(" ")[0] for name, _ in boundaries} == KINDS
    assert {name.rpartition(" ")[2] for name, _ in boundaries} == {"rest", "take", "part"}
    for number, boundary in enumerate(boundaries):
        prefix = f"clxc-{number:04d}"
        crasher.begin(prefix, boundary)
        # The engine that dies next is also the one that recovers from the death before.
        async with home.attach() as client:
            await settle(client, f"clxc-{number - 1:04d}")
            with contextlib.suppress(Gone, LinkError):
                await Scenario(client, prefix, "sell" if number % 2 else "buy").play()
        end = await crasher.ended()
        assert end["status"] == -signal.SIGKILL, (boundary, end)
    crasher.begin("clxc-last")
    async with home.attach() as client:
        await settle(client, prefix)


def chosen(names: list[str]) -> list[tuple[str, int]]:
    """Return a boundary of each kind to die at, with its occurrence; the orders take turns.

    `test_every_boundary` and `test_kills` die at the others, of every order.
    """
    times: Counter[str] = Counter()
    of_kind: dict[str, list[tuple[str, int]]] = {}
    for name in names:
        times[name] += 1
        of_kind.setdefault(name.rpartition(" ")[0], []).append((name, times[name]))
    return [found[at % len(found)] for at, found in enumerate(of_kind.values())]


async def settle(client: Any, prefix: str) -> None:
    """Compare all with the venue; send the last orders again, of which nothing may come."""
    await client.agrees()
    for order in [item for key, item in client.replica.orders.items() if key.startswith(prefix)]:
        intent = order.intent
        price = {} if intent.price is None else {"price": str(intent.price)}
        again = await client.submit(
            order.id, intent.side, str(intent.size), instrument=SOL, **price
        )
        assert (again.state, again.filled) == (order.state, order.filled)
    assert not await client.disagreements()
    # What still rests would be in the way of the next scenario.
    await client.request(CancelAll())
    await client.agrees()
