"""Engines that die, and venues that go away, at every write boundary of every kind of order.

::

    python -m bench.crashes                      every boundary of every scenario, engine killed
    python -m bench.crashes --venue              the same with the venue cut off instead
    python -m bench.crashes --every 5 --only bracket

A scenario is an order type and what becomes of it. It is played once to count its boundaries: a
journal commit, a projection, bytes that leave, bytes that are read, an event that is taken. Then it
is played once for each of them, and dies there. Journal and venue survive, nothing else does; for
some cases the venue trades on meanwhile, and for some the engine that recovers dies as well. In the
end engine and oracle must say the same, no order may be twice at the venue, no order that was
asked for again may be sent, and what protects a position must be back when entries may go.

This is the matrix in one process (`bench.lapse`); the end-to-end tests kill real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from bench.lapse import Died, LapseLoop, Life
from bench.yard import Engine, Stuck, Yard, open_journal
from core.model.errors import ClxError, ConfigError
from core.model.market import Side
from core.model.orders import Link, OrderIntent, OrderState, OrderType, Role

D = Decimal
SYMBOL = "SOL-USDT.binance"
SIZE = D(2)
CASES_PER_YARD = 12
"""A market that was traded in too often has no book left."""
SINGLES = (
    "market",
    "limit",
    "iceberg",
    "stop",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trailing",
    "trailing_held",
)
GROUPS = ("oco", "oto", "bracket")
ACTIONS = ("submit", "amend", "replace", "cancel", "fill")
_LIVE = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.HELD)


class Case(NamedTuple):
    """One death."""

    kind: str
    action: str
    boundary: int | None
    """None: it lives."""
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.action} at {self.boundary} (seed {self.seed})"


class Play:
    """One scenario on one engine."""

    def __init__(self, engine: Engine, yard: Yard) -> None:
        self.engine = engine
        self.yard = yard
        self.instrument = yard.instruments[SYMBOL]  # type: ignore[index]
        self.patience_s = 60.0
        self.bid, self.ask = yard.make_room(self.instrument)

    def price(self, ticks: int) -> Decimal:
        return self.instrument.price(ticks)

    def intent(self, name: str, side: str, kind: OrderType, **more: Any) -> OrderIntent:
        return OrderIntent(
            **{
                "client_order_id": name,
                "instrument_id": self.instrument.id,
                "side": Side(side),
                "type": kind,
                "size": SIZE,
                "origin": "cli",
                **more,
            }
        )

    def intents(self, kind: str) -> list[OrderIntent]:
        """Return the orders of a kind, and let the market stand as they need it."""
        bid, ask, price = self.bid, self.ask, self.price
        falls = kind not in {"take_profit", "take_profit_limit"}
        self.yard.touch(self.instrument, "buy" if falls else "sell")
        if kind == "oco":
            self.yard.print_at(self.instrument, bid + 3)
        if kind in GROUPS:
            return self._group(kind)
        more: dict[str, Any] = {
            "market": {},
            "limit": {"price": price(bid + 1)},
            "iceberg": {"price": price(bid + 1), "display_size": SIZE / 4},
            "stop": {"trigger_price": price(bid)},
            "stop_limit": {"trigger_price": price(bid), "price": price(bid - 20)},
            "take_profit": {"trigger_price": price(ask)},
            "take_profit_limit": {"trigger_price": price(ask), "price": price(bid - 20)},
            "trailing": {"trail_pct": D("0.1")},
            "trailing_held": {"trail": price(1)},
        }[kind]
        types = {"iceberg": "limit", "trailing": "trailing_stop", "trailing_held": "trailing_stop"}
        side = "buy" if kind in {"market", "limit", "iceberg"} else "sell"
        return [self.intent("one", side, OrderType(types.get(kind, kind)), **more)]

    def _group(self, kind: str) -> list[OrderIntent]:
        bid, price = self.bid, self.price
        link = {"group_id": "g", "link": Link(kind)}
        if kind == "oco":
            return [
                self.intent(
                    "stop", "sell", OrderType.STOP, trigger_price=price(bid),
                    role=Role.STOP, **link,
                ),
                self.intent(
                    "target", "sell", OrderType.LIMIT, price=price(bid + 5),
                    role=Role.TARGET, **link,
                ),
            ]  # fmt: skip
        entry = self.intent(
            "entry", "buy", OrderType.LIMIT, price=price(bid + 1), role=Role.ENTRY, **link
        )
        link["parent_id"] = "entry"
        target = self.intent(
            "target", "sell", OrderType.LIMIT, price=price(bid + 5), role=Role.TARGET, **link
        )
        if kind == "oto":
            return [entry, target]
        stop = self.intent(
            "stop", "sell", OrderType.STOP, trigger_price=price(bid), role=Role.STOP, **link
        )
        return [entry, stop, target]

    async def play(self, kind: str, action: str) -> None:
        """Live a scenario to its end.

        Raises:
            Died: It did not live so long.
            ConfigError: There is no such thing.
        """
        intents = self.intents(kind)
        self.engine.submit(*intents)
        names = [str(intent.client_order_id) for intent in intents]
        first = names[0]
        if action == "cancel" and kind == "market":
            self.cancel(first)
        if kind == "market":
            await self.stands(first, OrderState.FILLED)
            return
        for name in names:
            await self.stands(name, *_LIVE)
        if action == "amend":
            self.amend(first, size=SIZE / 2)
            await self.calm()
        elif action == "replace":
            self.replace(kind)
            await self.calm()
        elif action == "cancel":
            self.cancel(first)
            await self.stands(first, OrderState.CANCELED)
            await self.calm()
        elif action == "fill":
            await self.fill(kind)

    def replace(self, kind: str) -> None:
        """Change what the venue cannot change."""
        name = "target" if kind == "oco" else "entry" if kind in GROUPS else "one"
        intent = self.engine.order(name).intent
        if intent.price is not None:
            self.amend(name, price=intent.price - self.price(1))
        elif intent.trigger_price is not None:
            self.amend(name, trigger_price=intent.trigger_price - self.price(1))
        else:
            raise ConfigError(f"nothing of a {kind} can be replaced")

    async def fill(self, kind: str) -> None:
        """Let the market do what the order waits for."""
        if kind in {"limit", "iceberg"}:
            await self.trade("one", "0.5")
            await self.trade("one", "1.5")
        elif kind in {"stop", "stop_limit", "trailing_held"}:
            # The engine's own trail begins at the price it sees first.
            await asyncio.sleep(0.12)
            self.yard.touch(self.instrument, "sell")
            await self.stands("one", OrderState.FILLED)
        elif kind in {"take_profit", "take_profit_limit"}:
            self.yard.touch(self.instrument, "buy")
            await self.stands("one", OrderState.FILLED)
        elif kind == "trailing":
            self.fall(D("0.003"))
            await self.stands("one", OrderState.FILLED)
        elif kind == "oco":
            await self.trade("target", "0.5")
            self.yard.touch(self.instrument, "sell")
            await self.calm()
        else:
            await self.trade("entry", "0.75")
            await self.calm()
            await self.trade("entry", "1.25")
            await self.calm()
            if kind == "bracket":
                self.yard.touch(self.instrument, "sell")
            else:
                await self.trade("target", "1")
            await self.calm()

    def fall(self, share: Decimal) -> None:
        """Let the market fall."""
        low = int(self.bid * (1 - share))
        self.yard.take(self.instrument, "sell", 10**9, low)

    async def trade(self, name: str, size: str) -> None:
        """Let the crowd trade with an order that is the best of its side."""
        order = self.engine.order(name)
        side = "sell" if order.intent.side is Side.BUY else "buy"
        price = order.intent.price
        if price is None or order.state.terminal:
            return
        filled = order.filled
        lots = self.instrument.lots(D(size))
        got = self.yard.take(self.instrument, side, lots, self.instrument.ticks(price))
        if got:
            await self.until(lambda: self.engine.order(name).filled > filled, f"{name} to fill")

    def amend(self, name: str, **change: Decimal) -> None:
        desk = self.engine.desk
        self.engine.life.do(desk.amend, name, "cli", **change)

    def cancel(self, name: str) -> None:
        self.engine.life.do(self.engine.desk.cancel, name, "cli")

    async def stands(self, name: str, *states: OrderState) -> None:
        await self.until(
            lambda: self.engine.order(name).state in states, f"{name} to be {states[0]}"
        )

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        await self.engine.until(condition, what, self.patience_s)

    async def calm(self) -> None:
        """Wait until nothing is on its way."""
        moving = (OrderState.SUBMITTED, OrderState.PENDING_CANCEL, OrderState.UNKNOWN)
        books = self.engine.desk.books.orders

        def still() -> bool:
            return not any(
                i.order.amending or i.order.state in moving or i.waits == "replace"
                for i in books.open()
            )

        await asyncio.sleep(0.03)
        await self.until(still, "nothing to move")


class Matrix:
    """Plays cases and judges them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._yard: Yard | None = None
        self._played = 0
        self.deaths: Counter[str] = Counter()
        """Boundaries died at, by what they are."""
        self.flaws: list[str] = []

    async def close(self) -> None:
        if self._yard is not None:
            await self._yard.close()

    async def yard(self) -> Yard:
        """Return a yard whose book is not empty yet."""
        if self._yard is None or self._played % CASES_PER_YARD == 0:
            await self.close()
            self._yard = Yard(seed=7)
            await self._yard.open()
        self._played += 1
        self._yard.forget_limits()
        return self._yard

    async def boundaries(self, kind: str, action: str) -> int:
        """Return how many boundaries a scenario has; 0: there is no such scenario."""
        flaws = len(self.flaws)
        count = await self.play(Case(kind, action, None))
        return count if len(self.flaws) == flaws else 0

    async def play(self, case: Case, *, cut: bool = False) -> int:
        """Play a case and note what is wrong; return the boundaries that were passed."""
        yard = await self.yard()
        account, table = yard.open_account()
        path = self._folder / f"{self._played}.sqlite"
        life = Life(None if cut else case.boundary)
        engine = Engine(yard, account, table, open_journal(path), life)
        try:
            await engine.start()
            life.counting = True
            if cut:
                life.strikes_at, life.strike = case.boundary, lambda: yard.cut(3.0)
            scene = Play(engine, yard)
            scene.patience_s = 6.0 if cut else 60.0
            try:
                await scene.play(case.kind, case.action)
            except Died:
                pass
            except ConfigError:
                return 0
            except Stuck:
                if not cut:
                    raise
            passed = len(life.passed)
            if case.boundary is not None and passed > case.boundary:
                self.deaths[_plain(life.passed[case.boundary])] += 1
            if case.boundary is not None and not cut:
                await engine.end()
                engine = await self.reborn(case, yard, scene, account, table, path)
            life = engine.life
            life.counting = False
            await engine.settled()
            self.flaws += [f"{case}: {words}" for words in await self.judge(case, engine)]
            return passed
        except (Stuck, ClxError) as error:
            self.flaws.append(f"{case}: {type(error).__name__}: {error}")
            return 0
        finally:
            await engine.end()
            await yard.back()

    async def reborn(
        self, case: Case, yard: Yard, scene: Play, account: Any, table: Any, path: Path
    ) -> Engine:
        """Start anew, as often as it takes, while the venue goes on."""
        dice = random.Random(f"{case}")
        for number in itertools.count(2):
            if dice.random() < 0.5:
                self.trade_on(scene, dice)
            dies_at = dice.randrange(60) if number == 2 and dice.random() < 0.3 else None
            life = Life(dies_at)
            life.counting = dies_at is not None
            engine = Engine(yard, account, table, open_journal(path), life, number=number)
            engine.on_open = lambda engine=engine: self.flaws.extend(
                f"{case}: {words}" for words in naked(engine)
            )
            try:
                await engine.start()
                if dies_at is None:
                    return engine
                await engine.settled()
                life.counting = False
                return engine
            except Died:
                self.deaths["while it recovered"] += 1
                await engine.end()
        raise AssertionError

    def trade_on(self, scene: Play, dice: random.Random) -> None:
        """Let the market do something while nobody watches."""
        what = dice.choice(("sell", "buy", "fall"))
        if what == "fall":
            scene.fall(D("0.0005"))
        else:
            scene.yard.take(scene.instrument, what, dice.randrange(1, 150))

    async def judge(self, case: Case, engine: Engine) -> list[str]:
        """Return what is wrong once all is settled."""
        found = engine.differences()
        asked = engine.desk.orders(include_ended=True)
        for order in asked:
            if engine.submit(order.intent)[0] != engine.order(order.id):
                found.append(f"{order.id} is another order when asked for again")
        sent = _times(engine)
        await asyncio.sleep(0.05)
        for order in asked:
            if order.state is not OrderState.HELD and _times(engine)[order.id] != sent[order.id]:
                found.append(f"{order.id} was sent again")
        engine.life.do(engine.desk.cancel_all, "cli")
        await engine.until(lambda: not engine.desk.orders(), "all to be cancelled", 20)
        await engine.settled()
        return found + engine.differences()


def naked(engine: Engine) -> Iterator[str]:
    """Say what of a bracket's entry nobody protects."""
    books = engine.desk.books.orders
    group = [i for i in books.all() if i.order.intent.link is Link.BRACKET]
    entered = sum((i.order.filled for i in group if i.order.intent.role is Role.ENTRY), D(0))
    exits = [i for i in group if i.order.intent.role is not Role.ENTRY]
    left = entered - sum((i.order.filled for i in exits), D(0))
    stops = [i for i in exits if i.order.intent.role is Role.STOP and not i.order.state.terminal]
    working = [i for i in stops if i.waits != "parent"]
    touched = any(i.waits == "siblings" or i.order.state is OrderState.SUBMITTED for i in stops)
    if left >= D("0.01") and not working and not touched:
        yield f"{left} is not protected when entries may go"


def _times(engine: Engine) -> Counter[str]:
    """Return how often each client id is at the venue."""
    return Counter(row.client_id for row in engine.yard.truth(engine.account).orders)


def _plain(name: str) -> str:
    """Return a boundary's name without what tells orders apart."""
    words = name.split()
    return " ".join(words[:2])


async def run(
    folder: Path,
    *,
    every: int = 1,
    offset: int = 0,
    only: str = "",
    cut: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[int, Matrix]:
    """Play the matrix, or each `every`-th death of it; return how many, and what came of it."""
    matrix = Matrix(folder)
    played = 0
    for kind, action in itertools.product((*SINGLES, *GROUPS), ACTIONS):
        if only not in f"{kind}/{action}":
            continue
        count = await matrix.boundaries(kind, action)
        first = (offset + len(kind) + len(action)) % every
        for boundary in range(first, count, every):
            await matrix.play(Case(kind, action, boundary), cut=cut)
            played += 1
        told(f"{kind}/{action}: {count} boundaries")
    await matrix.close()
    return played, matrix


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder in memory where there is one: no process of this kind loses its files."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="clx-crashes-", dir=memory) as folder:
        yield Path(folder)


def lapsed(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine in lapsed time."""

    async def main() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=LapseLoop) as runner:
        return runner.run(main())


def main(argv: list[str]) -> int:
    """Play the matrix and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.crashes", description=__doc__)
    parser.add_argument("--venue", action="store_true", help="cut the venue off instead")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a scenario's name")
    args = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    started = time.monotonic()
    with scratch() as folder:
        played, matrix = lapsed(
            lambda: run(folder, every=args.every, only=args.only, cut=args.venue, told=print)
        )
    for name, count in sorted(matrix.deaths.items()):
        print(f"{count:>6}  {name}")
    for flaw in matrix.flaws:
        print("FLAW:", flaw)
    print(f"{played} cases, {len(matrix.flaws)} flaws, {time.monotonic() - started:.1f} s")
    return 1 if matrix.flaws else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
