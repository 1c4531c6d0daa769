"""Between USD-M's words and ours: states, orders, fills, positions, flows of money."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Final

from core.model.accounts import EntryKind, VenuePosition
from core.model.errors import DataError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.orders import OrderFilled, OrderState, OrderType, PositionSide, VenueOrder
from core.venues.binance.parse import MS, amount, side_of
from core.venues.binance_usdm.messages import (
    AlgoRow,
    IncomeRow,
    OrderRow,
    OrderUpdate,
    PositionRow,
    TradeRow,
)
from core.venues.symbols import Symbols

_STATES: Final = MappingProxyType(
    {
        "NEW": OrderState.ACCEPTED,
        "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
        "FILLED": OrderState.FILLED,
        "CANCELED": OrderState.CANCELED,
        "REJECTED": OrderState.REJECTED,
        "EXPIRED": OrderState.EXPIRED,
        "EXPIRED_IN_MATCH": OrderState.EXPIRED,
        "NEW_INSURANCE": OrderState.FILLED,
        "NEW_ADL": OrderState.FILLED,
    }
)
_WAITS: Final = MappingProxyType(
    {
        "NEW": OrderState.ACCEPTED,
        "TRIGGERING": OrderState.ACCEPTED,
        "TRIGGERED": OrderState.ACCEPTED,
        "FINISHED": OrderState.EXPIRED,
        "CANCELED": OrderState.CANCELED,
        "EXPIRED": OrderState.EXPIRED,
        # The venue took it and refused what it became, so it ended, and was not refused itself.
        "REJECTED": OrderState.EXPIRED,
    }
)
_TYPES: Final = MappingProxyType(
    {
        "MARKET": OrderType.MARKET,
        "LIMIT": OrderType.LIMIT,
        "STOP": OrderType.STOP_LIMIT,
        "STOP_MARKET": OrderType.STOP,
        "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
        "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
        "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
        "LIQUIDATION": OrderType.LIMIT,
    }
)
CONDITIONAL: Final = frozenset(name for name, kind in _TYPES.items() if kind.conditional)
_SIDES: Final = MappingProxyType(
    {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
)
_FLOWS: Final = MappingProxyType(
    {
        "FUNDING_FEE": EntryKind.FUNDING,
        "INSURANCE_CLEAR": EntryKind.LIQUIDATION,
        "DELIVERED_SETTELMENT": EntryKind.SETTLEMENT,
        "COMMISSION_REBATE": EntryKind.REBATE,
        "API_REBATE": EntryKind.REBATE,
        "REFERRAL_KICKBACK": EntryKind.REBATE,
        "CONTEST_REWARD": EntryKind.REBATE,
        "FEE_RETURN": EntryKind.REBATE,
        "BFUSD_REWARD": EntryKind.REBATE,
        "TRANSFER": EntryKind.TRANSFER,
        "WELCOME_BONUS": EntryKind.TRANSFER,
        "INTERNAL_TRANSFER": EntryKind.TRANSFER,
        "CROSS_COLLATERAL_TRANSFER": EntryKind.TRANSFER,
        "COIN_SWAP_DEPOSIT": EntryKind.TRANSFER,
        "COIN_SWAP_WITHDRAW": EntryKind.TRANSFER,
        "AUTO_EXCHANGE": EntryKind.TRANSFER,
        "STRATEGY_UMFUTURES_TRANSFER": EntryKind.TRANSFER,
    }
)
"""Kinds of income; what is not among them is booked as an adjustment, in the venue's own words."""
OF_FILLS: Final = frozenset({"REALIZED_PNL", "COMMISSION"})
"""Kinds of income that fills tell."""
ALGO: Final = "algo-"
"""Before the ids of conditional orders, which are counted apart from those of orders."""


def order_state(status: str) -> OrderState:
    """Translate an order status.

    Raises:
        DataError: It is none the venue documents.
    """
    state = _STATES.get(status)
    if state is None:
        raise DataError(f"order status must be one of {', '.join(_STATES)}, was {status!r}")
    return state


def algo_state(status: str) -> OrderState:
    """Translate the status of a conditional order that has no order behind it.

    Raises:
        DataError: It is none the venue documents.
    """
    state = _WAITS.get(status)
    if state is None:
        raise DataError(f"algoStatus must be one of {', '.join(_WAITS)}, was {status!r}")
    return state


def position_side(word: str) -> PositionSide:
    """Translate a position side.

    Raises:
        DataError: It is none of BOTH, LONG and SHORT.
    """
    side = _SIDES.get(word)
    if side is None:
        raise DataError(f"positionSide must be one of {', '.join(_SIDES)}, was {word!r}")
    return side


def order_type(word: str) -> OrderType:
    """Translate an order type.

    Raises:
        DataError: It is none the venue documents.
    """
    kind = _TYPES.get(word)
    if kind is None:
        raise DataError(f"order type must be one of {', '.join(_TYPES)}, was {word!r}")
    return kind


def venue_order(row: OrderRow, symbols: Symbols, name: str = "") -> VenueOrder:
    """Make an order of a queried row; `name` is ours where the venue gave it another.

    Raises:
        DataError: A word is none the venue documents.
    """
    kind = order_type(row.type)
    return VenueOrder(
        client_order_id=ClientOrderId(name or row.client_order_id),
        venue_order_id=VenueOrderId(str(row.order_id)),
        instrument_id=symbols.ours(row.symbol),
        side=side_of(row.side),
        type=kind,
        price=row.price if kind.limited else None,
        size=row.orig_qty,
        filled=row.executed_qty,
        state=order_state(row.status),
        ts_event_ns=(row.update_time or row.time) * MS,
        trigger_price=amount(row.stop_price),
        average_price=amount(row.avg_price) if row.executed_qty else None,
        reduce_only=row.reduce_only,
    )


def waiting_order(row: AlgoRow, symbols: Symbols) -> VenueOrder:
    """Make an order of a conditional one without an order behind it.

    Raises:
        DataError: A word is none the venue documents.
    """
    kind = order_type(row.order_type or row.type)
    return VenueOrder(
        client_order_id=ClientOrderId(row.client_algo_id),
        venue_order_id=VenueOrderId(f"{ALGO}{row.algo_id}"),
        instrument_id=symbols.ours(row.symbol),
        side=side_of(row.side),
        type=kind,
        price=row.price if kind.limited else None,
        size=row.quantity,
        filled=Decimal(0),
        state=algo_state(row.algo_status),
        ts_event_ns=(row.update_time or row.create_time) * MS,
        trigger_price=amount(row.trigger_price),
        reduce_only=row.reduce_only or row.close_position,
    )


def reported_fill(
    told: OrderUpdate, order_id: ClientOrderId, venue: VenueName, symbols: Symbols, ts_ns: int
) -> OrderFilled:
    """Make a fill of an execution that was told.

    Raises:
        DataError: It names no trade, size or price.
    """
    if told.trade_id <= 0 or told.last_size <= 0 or told.last_price <= 0:
        raise DataError(
            f"an execution needs trade id, size and price, was t={told.trade_id} "
            f"l={told.last_size} L={told.last_price} (order {order_id})"
        )
    instrument_id = symbols.ours(told.symbol)
    return OrderFilled(
        client_order_id=order_id,
        venue=venue,
        instrument_id=instrument_id,
        venue_order_id=VenueOrderId(str(told.order_id)),
        execution_id=ExecutionId(str(told.trade_id)),
        side=side_of(told.side),
        price=told.last_price,
        size=told.last_size,
        fee=told.fee or Decimal(0),
        # A fee of nothing comes without an asset; money still needs a name.
        fee_asset=told.fee_asset or symbols.quote(instrument_id),
        maker=told.maker,
        ts_event_ns=told.time_ms * MS,
        ts_ns=ts_ns,
        position_side=position_side(told.position_side),
        realised=told.realised,
    )


def trade_fill(
    row: TradeRow,
    order_id: ClientOrderId,
    instrument_id: InstrumentId,
    venue: VenueName,
    ts_ns: int,
) -> OrderFilled:
    """Make a fill of a row of the account's trade list.

    Raises:
        DataError: A word is none the venue documents.
    """
    return OrderFilled(
        client_order_id=order_id,
        venue=venue,
        instrument_id=instrument_id,
        venue_order_id=VenueOrderId(str(row.order_id)),
        execution_id=ExecutionId(str(row.id)),
        side=side_of(row.side),
        price=row.price,
        size=row.qty,
        fee=row.commission,
        fee_asset=row.commission_asset,
        maker=row.maker,
        ts_event_ns=row.time * MS,
        ts_ns=ts_ns,
        position_side=position_side(row.position_side),
        realised=row.realized_pnl,
    )


def venue_position(
    row: PositionRow, leverage: int | None, symbols: Symbols, venue: VenueName
) -> VenuePosition:
    """Make a position of a row of positionRisk.

    Raises:
        DataError: Its side is none the venue documents.
    """
    return VenuePosition(
        venue=venue,
        instrument_id=symbols.ours(row.symbol),
        side=position_side(row.position_side),
        size=row.position_amt,
        average_price=amount(row.entry_price),
        liquidation_price=amount(row.liquidation_price),
        leverage=None if leverage is None else Decimal(leverage),
        margin=row.initial_margin,
        ts_event_ns=row.update_time * MS,
    )


def cash_moved(row: IncomeRow, symbols: Symbols, venue: VenueName, ts_ns: int) -> CashMoved:
    """Make a flow of money of a row of the income."""
    return CashMoved(
        venue=venue,
        asset=row.asset,
        amount=row.income,
        kind=_FLOWS.get(row.income_type, EntryKind.ADJUSTMENT),
        flow_id=f"{row.income_type}-{row.tran_id}",
        instrument_id=symbols.ours(row.symbol) if row.symbol else None,
        ts_event_ns=row.time * MS,
        ts_ns=ts_ns,
    )
