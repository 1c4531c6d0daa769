"""Scenes of an order's life, whoever plays them and wherever they end.

A scenario is an order type and what becomes of it. Whoever plays one dies in it, or lives, or
loses the venue; what is left is brought to rest and judged.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from bench.engines import Engine
from bench.yard import Market, touch
from core.model.market import Side
from core.model.orders import Link, OrderIntent, OrderState, OrderType, PositionSide, Role

D = Decimal
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
ACTIONS = ("submit", "amend", "replace", "cancel", "fill", "lose")
_LIVE = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.HELD)


class Unheard(Exception):
    """There is no such scenario."""


class Case(NamedTuple):
    """One death."""

    site: str
    kind: str
    action: str
    boundary: int | None
    """None: it lives."""
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.site} {self.kind}/{self.action} at {self.boundary} (seed {self.seed})"


class Play:
    """One scenario on one engine."""

    def __init__(self, engine: Engine, yard: Market) -> None:
        self.engine = engine
        self.yard = yard
        self.instrument = yard.instrument
        self.size = D(yard.site.size)
        self.patience_s = 60.0
        self.bid, self.ask = yard.make_room(self.instrument)

    def price(self, ticks: int) -> Decimal:
        return self.instrument.price(ticks)

    def intent(self, name: str, side: str, kind: OrderType, **more: Any) -> OrderIntent:
        if self.yard.site.hedged:
            # What opens a long, or closes one; a sale alone opens a short.
            closes = side == "sell" and more.get("role") in (Role.STOP, Role.TARGET)
            long = side == "buy" or (closes and "parent_id" in more)
            more["position_side"] = PositionSide.LONG if long else PositionSide.SHORT
        elif self.instrument.derivative and "parent_id" in more:
            more["reduce_only"] = True
        return OrderIntent(
            **{
                "client_order_id": name,
                "instrument_id": self.instrument.id,
                "side": Side(side),
                "type": kind,
                "size": self.size,
                "origin": "cli",
                **more,
            }
        )

    def intents(self, kind: str) -> list[OrderIntent]:
        """Return the orders of a kind, and let the market stand as they need it."""
        bid, ask, price = self.bid, self.ask, self.price
        falls = kind not in {"take_profit", "take_profit_limit"}
        touch(self.yard, self.instrument, "buy" if falls else "sell")
        if kind == "oco":
            self.yard.print_at(self.instrument, bid + 3)
        if kind in GROUPS:
            return self._group(kind)
        more: dict[str, Any] = {
            "market": {},
            "limit": {"price": price(bid + 1)},
            "iceberg": {"price": price(bid + 1), "display_size": self.size / 4},
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
            Unheard: There is no such thing.
        """
        able = self.engine.venue.abilities(self.instrument)
        if kind == "iceberg" and not able.iceberg:
            raise Unheard("the venue has no iceberg orders")
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
            if kind == "oco":
                raise Unheard("the orders of an OCO have one size")
            self.amend(first, size=self.size / 2)
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
        elif action == "lose":
            await self.lose(kind)

    def replace(self, kind: str) -> None:
        """Change what the venue cannot change."""
        name = "target" if kind == "oco" else "entry" if kind in GROUPS else "one"
        intent = self.engine.order(name).intent
        if intent.price is not None:
            self.amend(name, price=intent.price - self.price(1))
        elif intent.trigger_price is not None:
            self.amend(name, trigger_price=intent.trigger_price - self.price(1))
        else:
            raise Unheard(f"nothing of a {kind} can be replaced")

    async def fill(self, kind: str) -> None:
        """Let the market do what the order waits for."""
        if kind in {"limit", "iceberg"}:
            await self.trade("one", "0.25")
            await self.trade("one", "0.75")
        elif kind in {"stop", "stop_limit", "trailing_held"}:
            # The engine's own trail begins at the price it sees first.
            await asyncio.sleep(0.12)
            touch(self.yard, self.instrument, "sell")
            await self.stands("one", OrderState.FILLED)
        elif kind in {"take_profit", "take_profit_limit"}:
            touch(self.yard, self.instrument, "buy")
            await self.stands("one", OrderState.FILLED)
        elif kind == "trailing":
            await asyncio.sleep(0.12)
            self.fall(D("0.003"))
            await self.stands("one", OrderState.FILLED)
        elif kind == "oco":
            await self.trade("target", "0.25")
            touch(self.yard, self.instrument, "sell")
            await self.calm()
        else:
            await self.trade("entry", "0.375")
            await self.calm()
            await self.trade("entry", "0.625")
            await self.calm()
            if kind == "bracket":
                touch(self.yard, self.instrument, "sell")
            else:
                await self.trade("target", "0.5")
            await self.calm()

    async def lose(self, kind: str) -> None:
        """Let the venue end by itself what protects a position."""
        if kind != "bracket" or not self.instrument.derivative:
            raise Unheard("only the exits of contracts are lost one by one")
        await self.trade("entry", "1")
        await self.calm()
        self.yard.end_all(self.engine.account)
        await self.stands("stop", OrderState.CANCELED, OrderState.EXPIRED)
        await self.calm()

    def fall(self, share: Decimal) -> None:
        """Let the market fall."""
        low = int(self.bid * (1 - share))
        self.yard.take(self.instrument, "sell", 10**9, low)

    async def trade(self, name: str, share: str) -> None:
        """Let the crowd trade a share of the usual size with an order that is the best there."""
        order = self.engine.order(name)
        side = "sell" if order.intent.side is Side.BUY else "buy"
        price = order.intent.price
        if price is None or order.state.terminal:
            return
        filled = order.filled
        lots = self.instrument.lots(self.size * D(share))
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


async def judge(engine: Engine) -> list[str]:
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


def trade_on(yard: Market, dice: random.Random) -> None:
    """Let the market do something while nobody watches."""
    instrument = yard.instrument
    what = dice.choice(("sell", "buy", "fall"))
    if what == "fall":
        low = int(yard.top(instrument)[0] * (1 - D("0.0005")))
        yard.take(instrument, "sell", 10**9, low)
    else:
        yard.take(instrument, what, dice.randrange(1, 150))


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
    if left >= D("0.01") * D(engine.yard.site.size) / 2 and not working and not touched:
        yield f"{left} is not protected when entries may go"


def _times(engine: Engine) -> Counter[str]:
    """Return how often each client id is at the venue."""
    return Counter(row.client_id for row in engine.yard.truth(engine.account).orders)
