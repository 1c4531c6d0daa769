"""Between Binance's words and ours: numbers, states, orders, fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.model.errors import DataError
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.market import Side
from core.model.orders import OrderFilled, OrderIntent, OrderState, OrderType, VenueOrder
from core.venues.binance.messages import ExecutionReport, OrderRow, ReplyFill, TradeRow
from core.venues.symbols import Symbols

MS: Final = 1_000_000

_STATES: Final[dict[str, OrderState]] = {
    "NEW": OrderState.ACCEPTED,
    "PENDING_NEW": OrderState.ACCEPTED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "PENDING_CANCEL": OrderState.ACCEPTED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_TYPES: Final[dict[str, OrderType]] = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
CONDITIONAL: Final = frozenset(name for name, kind in _TYPES.items() if kind.conditional)
_SIDES: Final[dict[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}


def number(value: Decimal) -> str:
    """Write a decimal exactly, without exponent or trailing zeros.

    Binance refuses more decimals than an asset has (-1111), even if they are zeros.
    """
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_state(status: str) -> OrderState:
    """Translate an order status.

    Raises:
        DataError: It is none the venue documents.
    """
    try:
        return _STATES[status]
    except KeyError:
        raise DataError(
            f"order status must be one of {', '.join(_STATES)}, was {status!r}"
        ) from None


def side_of(word: str) -> Side:
    """Translate a side.

    Raises:
        DataError: It is neither BUY nor SELL.
    """
    try:
        return _SIDES[word]
    except KeyError:
        raise DataError(f"side must be BUY or SELL, was {word!r}") from None


def amount(value: Decimal) -> Decimal | None:
    """Return a price, None for the 0 that stands for none."""
    return value or None


def venue_order(row: OrderRow, symbols: Symbols) -> VenueOrder:
    """Make an order of a queried row.

    Raises:
        DataError: Status, side or type are none the venue documents.
    """
    kind = _TYPES.get(row.type)
    if kind is None:
        raise DataError(f"order type must be one of {', '.join(_TYPES)}, was {row.type!r}")
    if row.trailing_delta:
        kind = OrderType.TRAILING_STOP
    worth = row.cummulative_quote_qty
    return VenueOrder(
        client_order_id=ClientOrderId(row.client_order_id),
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
        # A worth below 0 says that the venue does not have it any more, as of orders of 2017.
        average_price=worth / row.executed_qty if row.executed_qty and worth > 0 else None,
    )


def reported_fill(
    report: ExecutionReport, order_id: ClientOrderId, venue: VenueName, symbols: Symbols, ts_ns: int
) -> OrderFilled:
    """Make a fill of a TRADE report.

    Raises:
        DataError: It names no trade, size or price.
    """
    if report.trade_id < 0 or report.last_size <= 0 or report.last_price <= 0:
        raise DataError(
            f"a TRADE report needs trade id, size and price, was t={report.trade_id} "
            f"l={report.last_size} L={report.last_price} (order {order_id})"
        )
    instrument_id = symbols.ours(report.symbol)
    return OrderFilled(
        client_order_id=order_id,
        venue=venue,
        instrument_id=instrument_id,
        venue_order_id=VenueOrderId(str(report.order_id)),
        execution_id=ExecutionId(str(report.trade_id)),
        side=side_of(report.side),
        price=report.last_price,
        size=report.last_size,
        fee=report.fee,
        # A fee of nothing comes without an asset; money still needs a name.
        fee_asset=report.fee_asset or symbols.quote(instrument_id),
        maker=report.maker,
        ts_event_ns=report.time_ms * MS,
        ts_ns=ts_ns,
    )


def reply_fill(
    fill: ReplyFill, intent: OrderIntent, order_id: int, venue: VenueName, time_ms: int, ts_ns: int
) -> OrderFilled:
    """Make a fill of a row in a FULL order reply."""
    return OrderFilled(
        client_order_id=intent.client_order_id,
        venue=venue,
        instrument_id=intent.instrument_id,
        venue_order_id=VenueOrderId(str(order_id)),
        execution_id=ExecutionId(str(fill.trade_id)),
        side=intent.side,
        price=fill.price,
        size=fill.qty,
        fee=fill.commission,
        fee_asset=fill.commission_asset,
        maker=False,
        ts_event_ns=time_ms * MS,
        ts_ns=ts_ns,
    )


def trade_fill(
    row: TradeRow,
    order_id: ClientOrderId,
    instrument_id: InstrumentId,
    venue: VenueName,
    ts_ns: int,
) -> OrderFilled:
    """Make a fill of a row of the account's trade list."""
    return OrderFilled(
        client_order_id=order_id,
        venue=venue,
        instrument_id=instrument_id,
        venue_order_id=VenueOrderId(str(row.order_id)),
        execution_id=ExecutionId(str(row.id)),
        side=Side.BUY if row.is_buyer else Side.SELL,
        price=row.price,
        size=row.qty,
        fee=row.commission,
        fee_asset=row.commission_asset,
        maker=row.is_maker,
        ts_event_ns=row.time * MS,
        ts_ns=ts_ns,
    )
