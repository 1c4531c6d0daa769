"""What the engine does for the commands that trade: the asked becomes intents for the desk."""

from __future__ import annotations

from typing import Final

import msgspec

from core.engine.kernel import Kernel
from core.engine.naming import find_order
from core.model import commands as c
from core.model.errors import ConfigError
from core.model.executors import ExecutorPlan, ExecutorView
from core.model.ids import ClientOrderId, OriginKind, check_client_order_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import Link, OrderIntent, OrderType, PositionSide, Role, TimeInForce

_SECOND_NS: Final = 1_000_000_000


def submit(kernel: Kernel, ask: c.SubmitOrder, origin: OriginKind) -> c.OrderReport:
    """Place an order."""
    kernel.listing.instrument(ask.instrument)
    if ask.type.limited and ask.price is None:
        raise ConfigError(f"submit_order.price: a {ask.type} order needs a price, was None")
    if not ask.type.limited and ask.price is not None:
        raise ConfigError(f"submit_order.price: a {ask.type} order has none, was {ask.price}")
    intent = OrderIntent(
        client_order_id=ask.client_order_id,
        instrument_id=ask.instrument,
        side=ask.side,
        type=ask.type,
        size=ask.size,
        price=ask.price,
        time_in_force=ask.time_in_force,
        expire_ns=ask.expire_ns,
        extended_hours=ask.extended_hours,
        post_only=ask.post_only,
        reduce_only=ask.reduce_only,
        trigger_price=ask.trigger_price,
        trigger_by=ask.trigger_by,
        trail=ask.trail,
        trail_pct=ask.trail_pct,
        display_size=ask.display_size,
        position_side=ask.position_side,
        account=ask.account,
        origin=origin,
        reason=ask.reason,
        cause_seq=kernel.seq,
    )
    return c.OrderReport(order=kernel.desk.submit(intent, dry_run=ask.dry_run))


def submit_bracket(kernel: Kernel, ask: c.SubmitBracket, origin: OriginKind) -> c.GroupReport:
    """Place an entry whose exits wait for its fills."""
    kernel.listing.instrument(ask.instrument)
    given = [value for value in (ask.stop_price, ask.trail, ask.trail_pct) if value is not None]
    if len(given) > 1:
        raise ConfigError("submit_bracket: give one of stop_price, trail and trail_pct")
    if not given and ask.target_price is None:
        raise ConfigError("submit_bracket: give a stop, a target or both; or submit_order")
    if ask.stop_limit is not None and ask.stop_price is None:
        raise ConfigError("submit_bracket.stop_limit: only a stop with a stop_price has a limit")
    _check_sides(kernel, ask)
    link = Link.BRACKET if given and ask.target_price is not None else Link.OTO
    entry = OrderIntent(
        client_order_id=ask.client_order_id,
        instrument_id=ask.instrument,
        side=ask.side,
        type=ask.type,
        size=ask.size,
        price=ask.price,
        trigger_price=ask.entry_trigger,
        trigger_by=ask.trigger_by,
        time_in_force=ask.time_in_force,
        expire_ns=ask.expire_ns,
        post_only=ask.post_only,
        position_side=ask.position_side,
        account=ask.account,
        group_id=ask.client_order_id,
        link=link,
        role=Role.ENTRY,
        origin=origin,
        reason=ask.reason,
        cause_seq=kernel.seq,
    )
    intents = [entry]
    if given:
        intents.append(_stop(ask, entry))
    if ask.target_price is not None:
        intents.append(_target(ask, entry))
    return c.GroupReport(orders=kernel.desk.submit_group(intents, dry_run=ask.dry_run))


def submit_oco(kernel: Kernel, ask: c.SubmitOco, origin: OriginKind) -> c.GroupReport:
    """Place a stop and a target of which one gives up what the other fills."""
    instrument = kernel.listing.instrument(ask.instrument)
    stop = OrderIntent(
        client_order_id=_name(ask.client_order_id, "-s"),
        instrument_id=ask.instrument,
        side=ask.side,
        type=OrderType.STOP if ask.stop_limit is None else OrderType.STOP_LIMIT,
        size=ask.size,
        price=ask.stop_limit,
        trigger_price=ask.stop_price,
        trigger_by=ask.trigger_by,
        reduce_only=_only_reduces(kernel, ask, instrument),
        account=ask.account,
        group_id=ask.client_order_id,
        link=Link.OCO,
        role=Role.STOP,
        origin=origin,
        reason=ask.reason,
        cause_seq=kernel.seq,
    )
    target = msgspec.structs.replace(
        stop,
        client_order_id=_name(ask.client_order_id, "-t"),
        type=OrderType.LIMIT,
        price=ask.target_price,
        trigger_price=None,
        role=Role.TARGET,
    )
    orders = kernel.desk.submit_group([stop, target], dry_run=ask.dry_run)
    return c.GroupReport(orders=orders)


def _only_reduces(kernel: Kernel, ask: c.SubmitOco, instrument: Instrument) -> bool:
    """Return whether an OCO closes a position; of coins it may also sell what came otherwise.

    The balance is checked all the same, so nothing is sold that is not there.
    """
    if instrument.kind is not InstrumentKind.SPOT:
        return True
    books = kernel.desk.books
    held = books.account.size(ask.instrument) * -ask.side.sign
    return ask.size <= held - books.holds.open_size(ask.instrument, ask.side)


def amend(kernel: Kernel, ask: c.AmendOrder, origin: OriginKind) -> c.OrderReport:
    """Change an order."""
    order = kernel.desk.amend(
        _meant(kernel, ask.client_order_id),
        origin,
        size=ask.size,
        price=ask.price,
        trigger_price=ask.trigger_price,
        dry_run=ask.dry_run,
    )
    return c.OrderReport(order=order)


def start_executor(kernel: Kernel, ask: c.StartExecutor, origin: OriginKind) -> ExecutorView:
    """Spread an order over time or prices."""
    kernel.listing.instrument(ask.instrument)
    now_ns = kernel.clock.now_ns()
    plan = ExecutorPlan(
        id=ask.executor_id,
        kind=ask.kind,
        instrument_id=ask.instrument,
        side=ask.side,
        size=ask.size,
        orders=ask.orders,
        start_ns=now_ns,
        end_ns=now_ns + ask.seconds * _SECOND_NS,
        price=ask.price,
        last_price=ask.last_price,
        post_only=ask.post_only,
        reduce_only=ask.reduce_only,
        account=ask.account,
        origin=origin,
        reason=ask.reason,
    )
    return kernel.desk.executors.start(plan, now_ns, dry_run=ask.dry_run)


def stop_executor(kernel: Kernel, ask: c.StopExecutor, origin: OriginKind) -> ExecutorView:
    """Send no more of an executor's orders, and cancel those that rest."""
    executors, now_ns = kernel.desk.executors, kernel.clock.now_ns()
    if ask.dry_run:
        return executors.view(ask.executor_id, now_ns)
    return executors.stop(ask.executor_id, origin, now_ns)


def pause_executor(kernel: Kernel, ask: c.PauseExecutor, _: OriginKind) -> ExecutorView:
    """Let a TWAP's time stand still."""
    now_ns = kernel.clock.now_ns()
    return kernel.desk.executors.pause(ask.executor_id, now_ns, dry_run=ask.dry_run)


def resume_executor(kernel: Kernel, ask: c.ResumeExecutor, _: OriginKind) -> ExecutorView:
    """Let a paused TWAP go on."""
    now_ns = kernel.clock.now_ns()
    return kernel.desk.executors.resume(ask.executor_id, now_ns, dry_run=ask.dry_run)


def cancel(kernel: Kernel, ask: c.CancelOrder, origin: OriginKind) -> c.OrderReport:
    """Cancel one order."""
    if ask.dry_run:
        found = find_order(kernel.desk.orders(include_ended=True), ask.client_order_id)
        if found.state.terminal:
            raise ConfigError(f"{found.id} has ended already: {found.state.value}")
        return c.OrderReport(
            order=msgspec.structs.replace(found, note="dry run: would be cancelled")
        )
    name = _meant(kernel, ask.client_order_id)
    return c.OrderReport(order=kernel.desk.cancel(name, origin))


def cancel_all(kernel: Kernel, ask: c.CancelAll, origin: OriginKind) -> c.KillReport:
    """Cancel all orders, or those of one instrument or strategy."""
    if ask.instrument is not None:
        kernel.listing.instrument(ask.instrument)
    theirs = {order.intent.strategy_id for order in kernel.desk.orders()}
    if ask.strategy is not None and ask.strategy not in theirs:
        # A name that was mistyped would read as if nothing were open.
        kernel.proposals.find(ask.strategy)
    return kernel.desk.cancel_all(origin, ask.instrument, ask.strategy, dry_run=ask.dry_run)


def flatten(kernel: Kernel, ask: c.Flatten, origin: OriginKind) -> c.FlattenReport:
    """Cancel orders and close positions, of one instrument or of all."""
    desk = kernel.desk
    if ask.instrument is not None:
        kernel.listing.instrument(ask.instrument)
    orders = desk.orders(instrument=ask.instrument)
    held = [
        position
        for position in desk.positions()
        if position.size and ask.instrument in {None, position.instrument_id}
    ]
    names = {order.intent.instrument_id for order in orders}
    names |= {position.instrument_id for position in held}
    if not ask.dry_run and names:
        why = f": {ask.reason}" if ask.reason else ""
        desk.flatten(sorted(names), f"flatten by {origin}{why}")
    return c.FlattenReport(
        instruments=tuple(sorted(names)),
        cancels=len(orders),
        positions=len(held),
        dry_run=ask.dry_run,
    )


def close_position(kernel: Kernel, ask: c.ClosePosition, origin: OriginKind) -> c.OrderReport:
    """Close a position at market."""
    kernel.listing.instrument(ask.instrument)
    order = kernel.desk.close_position(
        ask.client_order_id,
        ask.instrument,
        origin,
        side=None if ask.position_side is None else PositionSide(ask.position_side),
        account=ask.account,
        dry_run=ask.dry_run,
    )
    return c.OrderReport(order=order)


def _check_sides(kernel: Kernel, ask: c.SubmitBracket) -> None:
    """Refuse a stop or target that lies on the wrong side of where the entry will trade."""
    around = ask.price or ask.entry_trigger
    if around is None:
        top = kernel.market.top(ask.instrument)
        if top is None:
            return
        around = kernel.listing.instrument(ask.instrument).price((top[0] + top[1]) // 2)
    for name, value, way in (
        ("stop_price", ask.stop_price, -ask.side.sign),
        ("target_price", ask.target_price, ask.side.sign),
    ):
        if value is not None and (value - around) * way <= 0:
            where = "above" if way > 0 else "below"
            raise ConfigError(
                f"submit_bracket.{name}: of a {ask.side} it must be {where} the entry at "
                f"{around:f}, was {value:f}"
            )


def _stop(ask: c.SubmitBracket, entry: OrderIntent) -> OrderIntent:
    kind = OrderType.STOP if ask.stop_limit is None else OrderType.STOP_LIMIT
    return OrderIntent(
        client_order_id=_name(entry.client_order_id, "-s"),
        instrument_id=entry.instrument_id,
        side=entry.side.opposite,
        type=kind if ask.stop_price is not None else OrderType.TRAILING_STOP,
        size=entry.size,
        price=ask.stop_limit,
        trigger_price=ask.stop_price,
        trigger_by=ask.trigger_by,
        trail=ask.trail,
        trail_pct=ask.trail_pct,
        reduce_only=True,
        position_side=entry.position_side,
        account=entry.account,
        group_id=entry.group_id,
        link=entry.link,
        role=Role.STOP,
        parent_id=entry.client_order_id,
        origin=entry.origin,
        reason=entry.reason,
        cause_seq=entry.cause_seq,
    )


def _target(ask: c.SubmitBracket, entry: OrderIntent) -> OrderIntent:
    return OrderIntent(
        client_order_id=_name(entry.client_order_id, "-t"),
        instrument_id=entry.instrument_id,
        side=entry.side.opposite,
        type=OrderType.LIMIT,
        size=entry.size,
        price=ask.target_price,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
        position_side=entry.position_side,
        account=entry.account,
        group_id=entry.group_id,
        link=entry.link,
        role=Role.TARGET,
        parent_id=entry.client_order_id,
        origin=entry.origin,
        reason=entry.reason,
        cause_seq=entry.cause_seq,
    )


def _meant(kernel: Kernel, name: ClientOrderId) -> ClientOrderId:
    """Return the id that an id, or the end of one, means."""
    if kernel.desk.books.orders.get(name) is not None:
        return name
    return find_order(kernel.desk.orders(include_ended=True), name).id


def _name(order_id: ClientOrderId, suffix: str) -> ClientOrderId:
    """Return the id of an order of a group."""
    return check_client_order_id(f"{order_id}{suffix}")
