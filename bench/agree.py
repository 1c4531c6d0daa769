"""Whether an engine says what the oracle says: orders, fills, positions, money, and its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from core.model.accounts import EntryKind
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.orders import Order, OrderFilled, OrderState
from core.trading.desk import TradingDesk
from core.venues.conformance import truth as plain
from core.venues.conformance.agreement import disagreements
from emulator.market.truth import AccountTruth

STATES = {
    "untriggered": OrderState.ACCEPTED,
    "open": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}
NEVER_SENT = {OrderState.DENIED, OrderState.REJECTED, OrderState.HELD}


def differences(
    desk: TradingDesk,
    venue: VenueName,
    truth: AccountTruth,
    instruments: Mapping[InstrumentId, Instrument],
) -> list[str]:
    """Return what the engine and the oracle do not say alike, nothing where all is well."""
    names = {item.venue_symbol: item.id for item in instruments.values()}
    orders, fills = desk.orders(include_ended=True), desk.fills(1_000_000)
    if any(item.derivative for item in instruments.values()):
        told = msgspec.convert(msgspec.to_builtins(truth), plain.AccountTruth)
        found = list(disagreements(desk.books, venue, told, names))
        return [*found, *_compare_ids(orders, truth), *_check_ledger(desk)]
    return [
        *_compare_orders(orders, truth),
        *_compare_fills(fills, truth),
        *_compare_positions(desk, truth, names),
        *_compare_balances(desk, truth),
        *_check_ledger(desk),
    ]


def _compare_ids(orders: Sequence[Order], truth: AccountTruth) -> Iterator[str]:
    """Compare ids where an order that waited for its price may have become another one."""
    rows = {row.client_id: row for row in truth.orders if not row.parent}
    children = {row.parent: row.id for row in truth.orders if row.parent}
    for order in orders:
        row = rows.get(order.id)
        # The adapter of USD-M says of which of two kinds an id is.
        ours = (order.venue_order_id or "").removeprefix("algo-")
        if row is not None and ours not in (row.id, children.get(row.id)):
            yield f"order {order.id} is {order.venue_order_id} here, {row.id} at the venue"


def _compare_orders(ours: Sequence[Order], truth: AccountTruth) -> Iterator[str]:
    theirs = {row.client_id: row for row in truth.orders}
    for key, count in Counter(row.client_id for row in truth.orders).items():
        if count > 1:
            yield f"order {key} is {count} times at the venue"
    known = {order.id for order in ours}
    yield from (f"order {key} is at the venue alone" for key in theirs.keys() - known)
    for order in ours:
        row = theirs.get(order.id)
        if row is None:
            sent = order.state not in NEVER_SENT and (
                order.state is not OrderState.CANCELED or order.venue_order_id is not None
            )
            if sent:
                yield f"order {order.id} is {order.state} here, the venue never had it"
            continue
        if order.state is not STATES[row.state]:
            yield f"order {order.id} is {order.state} here, {row.state} at the venue"
        if order.filled != Decimal(row.filled):
            yield f"order {order.id} filled {order.filled} here, {row.filled} at the venue"
        if order.venue_order_id != row.id:
            yield f"order {order.id} is {order.venue_order_id} here, {row.id} at the venue"
        if not order.state.terminal and order.intent.size != Decimal(row.size):
            yield f"order {order.id} is of {order.intent.size} here, of {row.size} at the venue"


def _compare_fills(ours: Sequence[OrderFilled], truth: AccountTruth) -> Iterator[str]:
    mine: Counter[tuple[object, ...]] = Counter(
        (f.execution_id, f.venue_order_id, f.side.value, f.price, f.size, f.fee, f.fee_asset)
        for f in ours
    )
    real: Counter[tuple[object, ...]] = Counter(
        (r.id, r.order_id, r.side, Decimal(r.price), Decimal(r.size), Decimal(r.fee), r.fee_asset)
        for r in truth.fills
    )
    yield from (f"fill {key} is here alone" for key in mine - real)
    yield from (f"fill {key} is at the venue alone" for key in real - mine)


def _compare_positions(
    desk: TradingDesk, truth: AccountTruth, names: Mapping[str, InstrumentId]
) -> Iterator[str]:
    real: dict[str, Decimal] = {}
    for row in truth.fills:
        name = names[row.symbol]
        size = Decimal(row.size) * (1 if row.side == "buy" else -1)
        if row.fee_asset == name.partition("-")[0]:
            size -= Decimal(row.fee)
        real[name] = real.get(name, Decimal(0)) + size
    mine = {str(item.instrument_id): item.size for item in desk.positions()}
    for key in sorted(real.keys() | mine.keys()):
        if mine.get(key, Decimal(0)) != real.get(key, Decimal(0)):
            yield f"position {key} is {mine.get(key)} here, the venue's fills make {real.get(key)}"


def _compare_balances(desk: TradingDesk, truth: AccountTruth) -> Iterator[str]:
    mine = {item.asset: (item.total, item.held) for item in desk.balances() if item.total}
    real = {
        asset: (Decimal(row.total), Decimal(row.locked))
        for asset, row in truth.balances.items()
        if Decimal(row.total)
    }
    for asset in sorted(mine.keys() | real.keys()):
        if mine.get(asset) != real.get(asset):
            yield f"{asset} is {mine.get(asset)} here, {real.get(asset)} at the venue"


def _check_ledger(desk: TradingDesk) -> Iterator[str]:
    sums: dict[str, Decimal] = {}
    for entry in desk.ledger(100_000):
        sums[entry.asset] = sums.get(entry.asset, Decimal(0)) + entry.amount
        # An adopted balance would make any lost fill look equal.
        if entry.kind is EntryKind.ADJUSTMENT:
            yield f"adopted: {entry.ref}"
    yield from (f"the ledger's {asset} sums to {x}" for asset, x in sums.items() if x)
