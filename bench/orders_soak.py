"""A long life of orders under trouble: ``python -m bench.orders_soak --orders 100000 --seed 7``.

Engines trade at the emulator in lapsed time (`bench.lapse`), each on an account of its own, while
faults of trading strike at random: answers that are lost before and after the venue acted, reports
that are lost, late, twice or in the wrong order, orders that cannot be seen yet or end by
themselves, races of cancels with fills, and engines that die. Every so often everything comes to
rest and each engine must say what the oracle says (protocols.md 17.2): every order in exactly one
end, equal to the venue's; fills that make the position; money that balances; nothing sent twice.
Whatever differs is printed with the seed that leads there, and ends the run.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bench.crashes import LIMIT_S, lapsed, open_yard
from bench.engines import Engine, Stuck
from bench.lapse import Died, Life
from bench.progress import Progress, row
from bench.yard import SITES, Yard
from core.model.errors import ClxError
from core.model.market import Side
from core.model.orders import Link, OrderIntent, OrderType, Role, TimeInForce
from core.trading.recorder import MemoryJournal
from emulator.faults import Fault

D = Decimal
SEED = 7
"""Of the first yard; each after it has the next one."""
ROUND = 400
"""Orders between two comparisons."""
YARD = 4_000
"""Orders until market, accounts and journals are made anew: a venue forgets nothing, so that
comparing would take ever longer."""
FAULTS = (
    "lost_ack",
    "drop_before",
    "http_5xx_after",
    "http_5xx_before",
    "code_1007",
    "code_1007_before",
    "delay_ms",
    "slow_ack_ms",
    "ack_after_fill",
    "transient_2013",
    "delay_visible_ms",
    "cancel_race",
    "expire_after_ack",
    "duplicate_report",
    "reorder_reports",
    "suppress_reports",
    "delay_reports_ms",
)
VALUES = {
    "delay_ms": 40.0,
    "slow_ack_ms": 60.0,
    "ack_after_fill": 50.0,
    "delay_visible_ms": 200.0,
    "expire_after_ack": 20.0,
    "delay_reports_ms": 80.0,
}


class Soak:
    """One yard with its engines, and a dice for everything that happens."""

    def __init__(self, seed: int, engines: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.count = engines
        self.engines: list[Engine] = []
        self.orders = 0
        self.compared = 0
        self.deaths = 0
        self.struck: Counter[str] = Counter()
        self.flaws: list[str] = []
        self._made = 0
        self._tables: dict[int, tuple[Any, Any, int]] = {}
        self.yard: Yard

    async def open(self) -> None:
        """Make the market, and engines that run."""
        self.yard = open_yard(SITES["binance"], self.seed)
        await self.yard.open()
        self.instrument = self.yard.instrument
        for _ in range(self.count):
            account, table = self.yard.open_account()
            self.engines.append(await self._start(account, table, MemoryJournal(), 1))

    async def close(self) -> None:
        """End everything."""
        for engine in self.engines:
            await engine.end()
        await self.yard.close()

    async def _start(self, account: Any, table: Any, journal: Any, number: int) -> Engine:
        engine = Engine(self.yard, account, table, journal, Life(), number=number)

        self._tables[account] = (table, journal, number)
        await engine.start()
        return engine

    async def life(self, orders: int, progress: Progress) -> bool:
        """Send so many orders, compare every so often; return whether all was right."""
        while self.orders < orders and not self.flaws and not progress.over:
            begun, wanted = self.orders, min(ROUND, orders - self.orders)
            while self.orders - begun < wanted:
                await self._step()
            await self._compare()
            progress.step(len(self.flaws), self.orders - begun)
        return not self.flaws

    async def _step(self) -> None:
        """Let one thing happen."""
        dice = self.dice
        engine = dice.choice(self.engines)
        what = dice.random()
        try:
            if what < 0.62:
                self._submit(engine)
            elif what < 0.74:
                self._cancel(engine)
            elif what < 0.80:
                self._amend(engine)
            elif what < 0.90:
                self._crowd()
            elif what < 0.9985:
                self._arm()
            else:
                await self._die(engine)
        except ClxError:
            # What cannot be changed now is no flaw.
            pass
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.02)

    def _submit(self, engine: Engine) -> None:
        dice, price = self.dice, self.instrument.price
        bid, ask = self._top()
        side = dice.choice((Side.BUY, Side.SELL))
        size = D(dice.randrange(10, 60)) / 100
        shared: dict[str, Any] = {
            "instrument_id": self.instrument.id,
            "side": side,
            "size": size,
            "origin": "cli",
        }
        kind = dice.random()
        if kind < 0.12:
            more: dict[str, Any] = {"type": OrderType.MARKET}
        elif kind < 0.62:
            ticks = dice.randrange(-2, 6)
            at = bid - ticks if side is Side.BUY else ask + ticks
            tif = TimeInForce.IOC if dice.random() < 0.2 else TimeInForce.GTC
            more = {"type": OrderType.LIMIT, "price": price(at), "time_in_force": tif}
        elif kind < 0.80:
            away = dice.randrange(1, 12)
            at = ask + away if side is Side.BUY else bid - away
            more = {"type": OrderType.STOP, "trigger_price": price(at)}
        elif kind < 0.86:
            more = {"type": OrderType.TRAILING_STOP, "trail": price(dice.randrange(2, 20))}
        elif kind < 0.93:
            self._bracket(engine, size, bid, ask)
            return
        else:
            self._oco(engine, size, bid, ask)
            return
        engine.submit(OrderIntent(client_order_id=self._name(), **shared, **more))
        self.orders += 1

    def _bracket(self, engine: Engine, size: Decimal, bid: int, ask: int) -> None:
        price, group = self.instrument.price, self._name()
        shared: dict[str, Any] = {
            "instrument_id": self.instrument.id, "size": size, "origin": "cli",
            "group_id": group, "link": Link.BRACKET,
        }  # fmt: skip
        exits = {**shared, "parent_id": group, "side": Side.SELL}
        engine.submit(
            OrderIntent(
                client_order_id=group, side=Side.BUY, type=OrderType.LIMIT, price=price(bid),
                role=Role.ENTRY, **shared,
            ),
            OrderIntent(
                client_order_id=self._name(), type=OrderType.STOP, trigger_price=price(bid - 9),
                role=Role.STOP, **exits,
            ),
            OrderIntent(
                client_order_id=self._name(), type=OrderType.LIMIT, price=price(ask + 5),
                role=Role.TARGET, **exits,
            ),
        )  # fmt: skip
        self.orders += 3

    def _oco(self, engine: Engine, size: Decimal, bid: int, ask: int) -> None:
        price, group = self.instrument.price, self._name()
        shared: dict[str, Any] = {
            "instrument_id": self.instrument.id, "size": size, "origin": "cli",
            "group_id": group, "link": Link.OCO, "side": Side.SELL,
        }  # fmt: skip
        engine.submit(
            OrderIntent(
                client_order_id=self._name(), type=OrderType.STOP, trigger_price=price(bid - 6),
                role=Role.STOP, **shared,
            ),
            OrderIntent(
                client_order_id=self._name(), type=OrderType.LIMIT, price=price(ask + 6),
                role=Role.TARGET, **shared,
            ),
        )  # fmt: skip
        self.orders += 2

    def _cancel(self, engine: Engine) -> None:
        if self.dice.random() < 0.03:
            engine.life.do(engine.desk.cancel_all, "cli")
        elif orders := engine.desk.orders():
            engine.life.do(engine.desk.cancel, self.dice.choice(orders).id, "cli")

    def _amend(self, engine: Engine) -> None:
        orders = engine.desk.orders()
        if not orders:
            return
        order = self.dice.choice(orders)
        if self.dice.random() < 0.5:
            half = self.instrument.size(self.instrument.floor_lots(order.intent.size / 2))
            change = {"size": half} if half else {}
        else:
            change = {"price": order.intent.price - self.instrument.price(1)} if (
                order.intent.price
            ) else {}  # fmt: skip
        if change:
            engine.life.do(engine.desk.amend, order.id, "cli", **change)

    def _crowd(self) -> None:
        """Let the crowd trade, and quote again what it took."""
        shard = self.yard.shard(self.instrument)
        self.yard.take(self.instrument, self.dice.choice(("buy", "sell")), self.dice.randrange(900))
        if len(shard.bids(40)) < 40 or len(shard.asks(40)) < 40:
            self._refill()

    def _refill(self) -> None:
        self.yard.house.market.refill(self.instrument.venue_symbol)

    def _arm(self) -> None:
        faults = self.yard.house.faults
        kind = self.dice.choice(FAULTS)
        if len(faults.armed) < 6:
            on = "cancel" if self.dice.random() < 0.3 else "place"
            faults.arm(Fault(kind=kind, value=VALUES.get(kind, 0.0), on=on))
            self.struck[kind] += 1

    async def _die(self, engine: Engine) -> None:
        table, journal, number = self._tables[engine.account]
        await engine.end()
        self.deaths += 1
        at = self.engines.index(engine)
        if self.dice.random() < 0.5:
            self._crowd()
        self.engines[at] = await self._start(engine.account, table, journal, number + 1)

    async def _compare(self) -> None:
        """Let all come to rest, and hold each engine against the oracle."""
        self.yard.house.faults.clear()
        await asyncio.sleep(0.5)
        for engine in self.engines:
            try:
                await engine.settled()
            except (Stuck, ClxError, Died) as error:
                self.flaws.append(f"{type(error).__name__}: {error}")
                return
            if not engine.differences():
                continue
            # A report that was lost is noticed by the comparison of every half minute.
            await engine.settled()
            self.flaws += engine.differences()
        self.compared += 1
        self._refill()
        self.yard.forget_limits()

    def _top(self) -> tuple[int, int]:
        top = self.yard.shard(self.instrument).top()
        if top is None:
            self._refill()
            top = self.yard.shard(self.instrument).top()
        return top[0], top[2]

    def _name(self) -> Any:
        self._made += 1
        return f"soak-{self.seed}-{self._made}"


async def soak(
    progress: Progress, seed: int, engines: int = 3, told: Callable[[str], None] = lambda _: None
) -> tuple[Counter[str], list[str]]:
    """Soak what is planned; return figures, and what was wrong, each with its seed."""
    figures: Counter[str] = Counter()
    while progress.played < progress.planned and not progress.over:
        soak = Soak(seed, engines)
        await soak.open()
        try:
            right = await soak.life(min(YARD, progress.planned - progress.played), progress)
        finally:
            await soak.close()
        figures.update(
            orders=soak.orders,
            comparisons=soak.compared * engines,
            deaths=soak.deaths,
            faults=soak.struck.total(),
        )
        told(f"seed {seed}: {dict(figures)}")
        if not right:
            return figures, [
                f"seed {seed}, after {soak.orders} orders: {flaw}" for flaw in soak.flaws
            ]
        seed += 1
    return figures, []


def run(*, whole: bool = False) -> list[dict[str, object]]:
    """Soak some 25,000 orders, or with `whole` 100,000, however long that takes."""
    logging.disable(logging.ERROR)
    name = "orders soaked in faults"
    progress = Progress(name, None if whole else LIMIT_S)
    progress.plan(100_000 if whole else 25_000)
    _, flaws = lapsed(lambda: soak(progress, SEED))
    return [row(name, progress, flaws, progress.planned, "orders", SEED)]


def main(argv: list[str]) -> int:
    """Soak and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.orders_soak", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--engines", type=int, default=3)
    args = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    progress = Progress("")
    progress.plan(args.orders)
    told = functools.partial(print, flush=True)
    figures, flaws = lapsed(lambda: soak(progress, args.seed, args.engines, told))
    for flaw in flaws[:20]:
        print("FLAW:", flaw)
    took = time.monotonic() - progress.begun_s
    print(f"{dict(figures)}, {len(flaws)} flaws, seeds from {args.seed}, {took:.0f} s")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
