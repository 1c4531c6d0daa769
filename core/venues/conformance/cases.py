"""The cases: what people and strategies do with orders, from the first byte to the last fill.

A case acts and says what it expects; expectations count only where nothing is made to go wrong.
Whatever goes wrong, engine and oracle must agree in the end, and no order was sent twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from core.model.ids import ClientOrderId
from core.model.market import Side
from core.model.orders import (
    Link,
    OrderState,
    OrderType,
    PositionSide,
    Role,
    TimeInForce,
)
from core.venues.conformance.floor import Floor

_LIVE: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
_ENDED: Final = tuple(state for state in OrderState if state.terminal)
_HALF: Final = Decimal("0.5")


Act: TypeAlias = Callable[[Floor], Awaitable[None]]
Midway: TypeAlias = Callable[[], Awaitable[None]]


def _over(floor: Floor, order_id: ClientOrderId) -> bool:
    return floor.order(order_id).state.terminal


def _any(floor: Floor) -> bool:
    return True


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Something done with orders."""

    act: Act
    needs: Callable[[Floor], bool] = _any
    """Whether the venue can do it at all."""

    @property
    def name(self) -> str:
        """Its name in words."""
        return self.act.__name__.strip("_").replace("_", " ")

    @property
    def asks(self) -> str:
        """What it asks, in a sentence."""
        return (self.act.__doc__ or "").strip().splitlines()[0]


async def rests_and_is_cancelled(floor: Floor) -> None:
    """A limit order rests, is seen resting, and is cancelled."""
    order_id = floor.submit(Side.BUY, price=await floor.away(Side.BUY, 5))
    await floor.stands(order_id, *_LIVE, *_ENDED)
    await floor.strike()
    floor.cancel(order_id)
    await floor.stands(order_id, *_ENDED)
    floor.expect(floor.order(order_id).state is OrderState.CANCELED, "it was not cancelled")


async def fills_at_the_market(floor: Floor) -> None:
    """Market orders fill at once, there and back."""
    bought = floor.submit(Side.BUY, OrderType.MARKET)
    await floor.stands(bought, *_ENDED)
    await floor.strike()
    sold = floor.submit(Side.SELL, OrderType.MARKET, size=floor.sellable(bought))
    await floor.stands(sold, *_ENDED)
    for order_id in (bought, sold):
        floor.expect(floor.order(order_id).state is OrderState.FILLED, f"{order_id} is not filled")


async def fills_in_parts(floor: Floor) -> None:
    """A resting order is filled by two takers, as maker."""
    price = await floor.alone(Side.BUY)
    order_id = floor.submit(Side.BUY, price=price)
    await floor.stands(order_id, *_LIVE, *_ENDED)
    part = floor.part(_HALF)
    await floor.crowd(Side.SELL, part, price)
    await floor.until("a part is filled", lambda: floor.order(order_id).filled >= part)
    await floor.strike()
    await floor.crowd(Side.SELL, floor.ground.size - part, price)
    await floor.stands(order_id, *_ENDED)
    floor.expect(floor.order(order_id).state is OrderState.FILLED, "it was not filled")


async def fills_in_part_and_is_cancelled(floor: Floor) -> None:
    """What a cancelled order had filled stays filled."""
    price = await floor.alone(Side.BUY)
    order_id = floor.submit(Side.BUY, price=price)
    await floor.stands(order_id, *_LIVE, *_ENDED)
    part = floor.part(_HALF)
    await floor.crowd(Side.SELL, part, price)
    await floor.strike()
    floor.cancel(order_id)
    await floor.stands(order_id, *_ENDED)
    order = floor.order(order_id)
    floor.expect((order.state, order.filled) == (OrderState.CANCELED, part), "the part is lost")


async def immediate_or_not_at_all(floor: Floor) -> None:
    """What cannot fill at once expires, and a post-only order that would take is refused."""
    behind = await floor.away(Side.BUY, 3)
    at_once = {TimeInForce.IOC, TimeInForce.FOK} & floor.abilities.times
    ids = [floor.submit(Side.BUY, price=behind, time_in_force=tif) for tif in sorted(at_once)]
    await floor.strike()
    if floor.abilities.post_only:
        ids.append(floor.submit(Side.BUY, price=await floor.best(Side.BUY), post_only=True))
    await floor.answered(*ids)
    for order_id in ids:
        await floor.stands(order_id, *_ENDED)
        state = floor.order(order_id).state
        gone = {OrderState.EXPIRED, OrderState.REJECTED, OrderState.CANCELED}
        floor.expect(state in gone, f"{order_id} is {state}")


async def refused_orders_are_no_orders(floor: Floor) -> None:
    """An order against the venue's rules is refused with its code, and another goes through."""
    far = await floor.away(Side.BUY, 2)
    unfit: dict[str, Any] = {"price": floor.far(Side.BUY), **floor.ground.unfit}
    refused = floor.submit(Side.BUY, **unfit)
    await floor.answered(refused)
    order = floor.order(refused)
    floor.expect(order.state is OrderState.REJECTED, f"it is {order.state}")
    floor.expect("code" in order.note, f"no code in {order.note!r}")
    await floor.strike()
    good = floor.submit(Side.BUY, price=far)
    await floor.stands(good, *_LIVE, *_ENDED)
    floor.expect(floor.order(good).state in _LIVE, "a good order did not get through")


async def many_are_cancelled_at_once(floor: Floor) -> None:
    """Eight orders rest and all are cancelled in one go."""
    ids = [
        floor.submit(side, price=await floor.away(side, 3 + number))
        for number in range(4)
        for side in Side
    ]
    for order_id in ids:
        await floor.stands(order_id, *_LIVE, *_ENDED)
    await floor.strike()
    floor.desk.cancel_all("cli")
    # Together: where a fault keeps them alive, asking for each would spend a minute of requests.
    await floor.until("all have ended", lambda: all(_over(floor, each) for each in ids))


async def gets_smaller(floor: Floor) -> None:
    """An order's size is amended down, then it fills to its new end."""
    price = await floor.alone(Side.BUY)
    order_id = floor.submit(Side.BUY, price=price)
    await floor.stands(order_id, *_LIVE, *_ENDED)
    await floor.strike()
    part = floor.part(_HALF)
    floor.amend(order_id, size=part)
    await floor.changed(order_id)
    last = floor.heir(order_id)
    floor.expect(floor.order(last).intent.size == part, "its size is not the new one")
    await floor.crowd(Side.SELL, floor.ground.size, price)
    await floor.stands(last, *_ENDED)


async def moves_its_price(floor: Floor) -> None:
    """An order is moved to another price and back, by an amend or by a new order in its place."""
    first, second = await floor.away(Side.BUY, 6), await floor.away(Side.BUY, 3)
    order_id = floor.submit(Side.BUY, price=first)
    await floor.stands(order_id, *_LIVE, *_ENDED)
    floor.amend(order_id, price=second)
    await floor.changed(order_id)
    last = floor.heir(order_id)
    floor.expect(floor.order(last).intent.price == second, "it did not move")
    await floor.strike()
    floor.amend(last, price=first)
    await floor.changed(last)
    floor.cancel(floor.heir(last))
    await floor.stands(floor.heir(last), *_ENDED)


async def stop_fires(floor: Floor) -> None:
    """A stop waits, its trigger is touched, and it sells at the market."""
    trigger = await floor.away(Side.BUY, 3)
    stop = floor.submit(Side.SELL, OrderType.STOP, trigger_price=trigger)
    await floor.answered(stop)
    await floor.strike()
    await floor.push(Side.SELL, trigger)
    await floor.stands(stop, *_ENDED)
    floor.expect(floor.order(stop).state is OrderState.FILLED, "the stop did not fill")


async def stop_limit_fires(floor: Floor) -> None:
    """A stop-limit waits, is triggered, rests at its limit, and is cancelled there."""
    trigger, limit = await floor.away(Side.SELL, 2), await floor.away(Side.BUY, 8)
    stop = floor.submit(Side.BUY, OrderType.STOP_LIMIT, trigger_price=trigger, price=limit)
    await floor.answered(stop)
    await floor.push(Side.BUY, trigger)
    if floor.ground.tells_triggers:
        await floor.until("it is triggered", lambda: bool(floor.order(stop).triggered_ns))
    await floor.strike()
    floor.cancel(stop)
    await floor.stands(stop, *_ENDED)


async def target_is_touched(floor: Floor) -> None:
    """A take-profit waits until the market comes up to it, and sells."""
    trigger = await floor.away(Side.SELL, 3)
    target = floor.submit(Side.SELL, OrderType.TAKE_PROFIT, trigger_price=trigger)
    await floor.answered(target)
    await floor.strike()
    await floor.push(Side.BUY, trigger)
    await floor.stands(target, *_ENDED)


async def stop_is_cancelled(floor: Floor) -> None:
    """A stop that waits is cancelled, and its trigger moves nothing any more."""
    trigger = await floor.away(Side.BUY, 3)
    stop = floor.submit(Side.SELL, OrderType.STOP, trigger_price=trigger)
    await floor.answered(stop)
    await floor.strike()
    floor.cancel(stop)
    await floor.stands(stop, *_ENDED)
    await floor.push(Side.SELL, trigger)


async def stop_trails(floor: Floor) -> None:
    """A trailing stop follows the market up and sells when it turns."""
    up = await floor.away(Side.SELL, 2)
    stop = floor.submit(Side.SELL, OrderType.TRAILING_STOP, trail_pct=Decimal("0.1"))
    await floor.answered(stop)
    await floor.push(Side.BUY, up)
    await floor.breathe()
    await floor.strike()
    floor.cancel(stop)
    await floor.stands(stop, *_ENDED)


async def one_cancels_the_other(floor: Floor) -> None:
    """Of a stop and a target the target fills, and the stop is gone."""
    await floor.long()
    stop, target = await floor.exits(Link.OCO)
    await floor.answered(stop, target)
    await floor.strike()
    await floor.push(Side.BUY, floor.price(target))
    await floor.stands(target, *_ENDED)
    await floor.stands(floor.heir(stop), *_ENDED)
    floor.expect(floor.order(target).state is OrderState.FILLED, "the target did not fill")


async def the_stop_of_two_fires(floor: Floor) -> None:
    """Of a stop and a target the stop fires, and the target is gone."""
    await floor.long()
    stop, target = await floor.exits(Link.OCO)
    await floor.answered(stop, target)
    await floor.strike()
    trigger = floor.order(stop).intent.trigger_price
    assert trigger is not None
    await floor.push(Side.SELL, trigger)
    await floor.stands(target, *_ENDED)
    await floor.stands(floor.heir(stop), *_ENDED)


async def a_part_of_the_target_fills(floor: Floor) -> None:
    """Of a stop and a target the target fills in part; what is left stays protected."""
    await floor.long()
    stop, target = await floor.exits(Link.OCO)
    await floor.answered(stop, target)
    await floor.strike()
    await floor.reach(Side.BUY, floor.price(target), leave=floor.part(_HALF))
    await floor.until("a part is filled", lambda: bool(floor.order(target).filled))
    await floor.breathe()
    await floor.answered(floor.heir(stop))
    left = floor.order(target).remaining
    guard = floor.order(floor.heir(stop))
    right = not guard.state.terminal and guard.intent.size == left
    floor.expect(right, f"{left} is left and the stop is {guard.state} of {guard.intent.size}")
    floor.cancel(floor.heir(stop))
    floor.cancel(target)
    await floor.stands(target, *_ENDED)


async def bracket_lives_through(floor: Floor) -> None:
    """An entry fills in parts, its stop and target go out with it, and the target closes it."""
    price = await floor.alone(Side.BUY)
    entry, stop, target = await floor.bracket(price)
    await floor.stands(entry, *_LIVE, *_ENDED)
    part = floor.part(_HALF)
    await floor.crowd(Side.SELL, part, price)
    await floor.until("a part is in", lambda: floor.order(entry).filled >= part)
    await floor.strike()
    await floor.crowd(Side.SELL, floor.ground.size - part, price)
    await floor.stands(entry, *_ENDED)
    await floor.breathe()
    await floor.answered(floor.heir(target), floor.heir(stop))
    await floor.push(Side.BUY, floor.price(target))
    await floor.stands(floor.heir(target), *_ENDED)
    await floor.stands(floor.heir(stop), *_ENDED)
    left = abs(floor.desk.books.account.size(floor.ground.instrument.id))
    floor.expect(left < floor.ground.size / 10, f"{left} is left open")


async def bracket_is_given_up(floor: Floor) -> None:
    """An entry is cancelled before it fills, and its exits go with it."""
    entry, stop, target = await floor.bracket(await floor.away(Side.BUY, 4))
    await floor.stands(entry, *_LIVE, *_ENDED)
    await floor.strike()
    floor.cancel(entry)
    for order_id in (entry, stop, target):
        await floor.stands(order_id, *_ENDED)


async def bracket_is_given_up_halfway(floor: Floor) -> None:
    """An entry is cancelled after a part of it filled; what it brought has a stop."""
    price = await floor.alone(Side.BUY)
    entry, *_ = await floor.bracket(price)
    await floor.stands(entry, *_LIVE, *_ENDED)
    part = floor.part(_HALF)
    await floor.crowd(Side.SELL, part, price)
    await floor.until("a part is in", lambda: floor.order(entry).filled >= part)
    await floor.strike()
    floor.cancel(entry)
    await floor.stands(entry, *_ENDED)
    stops = floor.working(Role.STOP)
    await floor.until(
        "a stop covers the part",
        lambda: [each.intent.size for each in stops()] == [floor.sellable(entry)],
    )
    await floor.answered(*(each.id for each in stops()))
    floor.desk.cancel_all("cli")
    await floor.until("nothing is left", lambda: not floor.desk.orders())


async def lives_through_a_restart(floor: Floor) -> None:
    """Orders fill, end and rest while the engine is away; it comes back and knows."""
    price = await floor.alone(Side.BUY)
    filled = floor.submit(Side.BUY, price=price)
    resting = floor.submit(Side.BUY, price=await floor.away(Side.BUY, 6))
    stop = floor.submit(Side.SELL, OrderType.STOP, trigger_price=await floor.away(Side.BUY, 9))
    for order_id in (filled, resting):
        await floor.stands(order_id, *_LIVE, *_ENDED)
    await floor.answered(stop)
    await floor.stop()
    await floor.crowd(Side.SELL, floor.part(_HALF), price)
    await floor.strike()
    await floor.start()
    await floor.answered(filled, resting, stop)
    await floor.until("the missed fill is booked", lambda: bool(floor.order(filled).filled))
    floor.desk.cancel_all("cli")
    for order_id in (filled, resting, stop):
        await floor.stands(order_id, *_ENDED)


async def is_killed_while_sending(floor: Floor) -> None:
    """The engine dies with orders on their way; it comes back and asks, and sends none again."""
    prices = [await floor.away(Side.BUY, 3 + number) for number in range(3)]
    await floor.strike()
    ids = [floor.submit(Side.BUY, price=price) for price in prices]
    await floor.restart()
    await floor.answered(*ids)


async def position_turns_round(floor: Floor) -> None:
    """A position is opened, closed and turned round; profit and fees are the venue's."""
    bought = floor.submit(Side.BUY, OrderType.MARKET)
    await floor.stands(bought, *_ENDED)
    await floor.strike()
    sold = floor.submit(Side.SELL, OrderType.MARKET, size=floor.ground.size * 2)
    await floor.stands(sold, *_ENDED)
    closed = floor.desk.close_position(floor.next_id(), floor.ground.instrument.id, "cli")
    await floor.stands(closed.id, *_ENDED)
    size = floor.desk.books.account.size(floor.ground.instrument.id)
    floor.expect(not size, f"{size} is left open")


async def only_reduces(floor: Floor) -> None:
    """A reduce-only stop stands behind a position and closes it, and no more than it."""
    await floor.long()
    trigger = await floor.away(Side.BUY, 3)
    stop = floor.submit(Side.SELL, OrderType.STOP, trigger_price=trigger, reduce_only=True)
    await floor.answered(stop)
    await floor.strike()
    await floor.push(Side.SELL, trigger)
    await floor.stands(stop, *_ENDED)
    size = floor.desk.books.account.size(floor.ground.instrument.id)
    floor.expect(not size, f"{size} is left open")


async def funding_is_paid(floor: Floor) -> None:
    """Funding of an open position is booked once, by push or by asking."""
    await floor.long()
    before = floor.desk.books.ledger.transactions
    await floor.strike()
    symbol = floor.ground.instrument.venue_symbol
    await floor.ground.control.arm("settle_funding", symbol=symbol, value=0.0005)
    await floor.until("it is booked", lambda: floor.desk.books.ledger.transactions > before)


async def dead_man_fires(floor: Floor) -> None:
    """The venue's dead-man switch cancels what rests, and the engine learns of it."""
    ids = [floor.submit(Side.BUY, price=await floor.away(Side.BUY, 4 + n)) for n in range(2)]
    for order_id in ids:
        await floor.stands(order_id, *_LIVE, *_ENDED)
    await floor.armed()
    await floor.strike()
    await floor.ground.control.arm("fire_dead_man")
    for order_id in ids:
        await floor.stands(order_id, *_ENDED)


async def long_and_short_are_apart(floor: Floor) -> None:
    """A long and a short position stand beside each other, and each is closed for itself."""
    await floor.hedge()
    bought = floor.submit(Side.BUY, OrderType.MARKET, position_side=PositionSide.LONG)
    sold = floor.submit(Side.SELL, OrderType.MARKET, position_side=PositionSide.SHORT)
    for order_id in (bought, sold):
        await floor.stands(order_id, *_ENDED)
    trigger = await floor.away(Side.BUY, 3)
    stop = floor.submit(
        Side.SELL, OrderType.STOP, trigger_price=trigger, position_side=PositionSide.LONG
    )
    await floor.answered(stop)
    await floor.strike()
    await floor.push(Side.SELL, trigger)
    await floor.stands(stop, *_ENDED)
    closed = floor.submit(Side.BUY, OrderType.MARKET, position_side=PositionSide.SHORT)
    await floor.stands(closed, *_ENDED)
    for side in (PositionSide.LONG, PositionSide.SHORT):
        size = floor.desk.books.account.size(floor.ground.instrument.id, side)
        floor.expect(not size, f"{size} is left open of the {side} position")


def _apart(floor: Floor) -> bool:
    return floor.ground.hedge is not None


def _derivative(floor: Floor) -> bool:
    return floor.ground.instrument.derivative


def _mortal(floor: Floor) -> bool:
    return floor.abilities.dead_man


CASES: Final = (
    Case(act=rests_and_is_cancelled),
    Case(act=fills_at_the_market),
    Case(act=fills_in_parts),
    Case(act=fills_in_part_and_is_cancelled),
    Case(act=immediate_or_not_at_all),
    Case(act=refused_orders_are_no_orders),
    Case(act=many_are_cancelled_at_once),
    Case(act=gets_smaller),
    Case(act=moves_its_price),
    Case(act=stop_fires),
    Case(act=stop_limit_fires),
    Case(act=target_is_touched),
    Case(act=stop_is_cancelled),
    Case(act=stop_trails),
    Case(act=one_cancels_the_other),
    Case(act=the_stop_of_two_fires),
    Case(act=a_part_of_the_target_fills),
    Case(act=bracket_lives_through),
    Case(act=bracket_is_given_up),
    Case(act=bracket_is_given_up_halfway),
    Case(act=lives_through_a_restart),
    Case(act=is_killed_while_sending),
    Case(act=position_turns_round, needs=_derivative),
    Case(act=only_reduces, needs=_derivative),
    Case(act=funding_is_paid, needs=_derivative),
    Case(act=long_and_short_are_apart, needs=_apart),
    Case(act=dead_man_fires, needs=_mortal),
)
"""All of them, in the order in which their failure should be looked at."""
