"""What the venue says about its symbols, and the filters every order passes."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.binance.gate.errors import ApiError, filter_failure
from emulator.binance.gate.limits import ORDERS_PER_10S, ORDERS_PER_DAY, WEIGHT_PER_MINUTE
from emulator.binance.wire import Json, amount
from emulator.market.accounts import Account, Kind, Ticket
from emulator.market.listings import E8, Listing

_MAX_ORDERS: Final = 200
_MAX_LISTS: Final = 20
_MAX_ALGO_ORDERS: Final = 5
MAX_AMENDS: Final = 10
_MAX_PARTS: Final = 10
_LEAST_TRAIL: Final = 10
_MOST_TRAIL: Final = 2_000
_BAND_UP: Final = 5
_BAND_DOWN_FIFTHS: Final = 1
"""The lower band is a fifth of the average price."""
_MAX_NOTIONAL: Final = 9_000_000

RATE_LIMITS: Final[list[Json]] = [
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": WEIGHT_PER_MINUTE,
    },
    {
        "rateLimitType": "ORDERS",
        "interval": "SECOND",
        "intervalNum": 10,
        "limit": ORDERS_PER_10S,
    },
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": ORDERS_PER_DAY},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
]


def filters(listing: Listing) -> list[Json]:
    """Return a symbol's filters as exchangeInfo lists them."""
    lot = listing.lot_e8
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": amount(listing.tick_e8),
            "maxPrice": amount(listing.max_price_ticks * listing.tick_e8),
            "tickSize": amount(listing.tick_e8),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": amount(lot),
            "maxQty": amount(listing.max_lots * lot),
            "stepSize": amount(lot),
        },
        {"filterType": "ICEBERG_PARTS", "limit": _MAX_PARTS},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": amount(0),
            "maxQty": amount(listing.max_market_lots * lot),
            "stepSize": amount(0),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": _LEAST_TRAIL,
            "maxTrailingAboveDelta": _MOST_TRAIL,
            "minTrailingBelowDelta": _LEAST_TRAIL,
            "maxTrailingBelowDelta": _MOST_TRAIL,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(_BAND_UP),
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": str(_BAND_UP),
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": amount(listing.min_notional * E8),
            "applyMinToMarket": True,
            "maxNotional": amount(_MAX_NOTIONAL * E8),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": _MAX_ORDERS},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": _MAX_LISTS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": _MAX_ALGO_ORDERS},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": MAX_AMENDS},
    ]


def describe(listing: Listing) -> Json:
    """Return a symbol as exchangeInfo lists it."""
    return {
        "symbol": listing.symbol,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [kind.name for kind in Kind],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(listing),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER"],
    }


def whole_ticks(listing: Listing, price_e8: int, average_ticks: int, side: Side) -> int:
    """Return a limit price in ticks.

    Raises:
        ApiError: -1013 PRICE_FILTER or PERCENT_PRICE_BY_SIDE.
    """
    if price_e8 <= 0:
        raise ApiError(-1013, "Invalid price.")
    ticks, rest = divmod(price_e8, listing.tick_e8)
    if rest or ticks > listing.max_price_ticks:
        raise filter_failure("PRICE_FILTER")
    low, high = average_ticks * _BAND_DOWN_FIFTHS // 5, average_ticks * _BAND_UP
    if not low <= ticks <= high:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")
    return ticks


def whole_lots(listing: Listing, size_e8: int, kind: Kind) -> int:
    """Return a size in lots.

    Raises:
        ApiError: -1013 LOT_SIZE or MARKET_LOT_SIZE.
    """
    if size_e8 <= 0:
        raise ApiError(-1013, "Invalid quantity.")
    lots, rest = divmod(size_e8, listing.lot_e8)
    if rest or lots > listing.max_lots:
        raise filter_failure("LOT_SIZE")
    if kind is Kind.MARKET and lots > listing.max_market_lots:
        raise filter_failure("MARKET_LOT_SIZE")
    return lots


def check_value(listing: Listing, notional: int, kind: Kind) -> None:
    """Refuse an order worth too little or too much; `notional` is ticks times lots.

    Raises:
        ApiError: -1013 NOTIONAL.
    """
    value_e8 = notional * listing.notional_e8
    if value_e8 < listing.min_notional * E8:
        raise filter_failure("NOTIONAL")
    if kind is not Kind.MARKET and value_e8 > _MAX_NOTIONAL * E8:
        raise filter_failure("NOTIONAL")


def stop_ticks(listing: Listing, price_e8: int) -> int:
    """Return the price a conditional order waits for, in ticks.

    Raises:
        ApiError: -1013 PRICE_FILTER.
    """
    if price_e8 <= 0:
        raise ApiError(-1013, "Invalid price.")
    ticks, rest = divmod(price_e8, listing.tick_e8)
    if rest or ticks > listing.max_price_ticks:
        raise filter_failure("PRICE_FILTER")
    return ticks


def check_trail(bips: int) -> None:
    """Refuse a trail that is too short or too long.

    Raises:
        ApiError: -1013 TRAILING_DELTA.
    """
    if not _LEAST_TRAIL <= bips <= _MOST_TRAIL:
        raise filter_failure("TRAILING_DELTA")


def check_parts(lots: int, peak: int) -> None:
    """Refuse an iceberg that shows more than there is, or hides too many parts.

    Raises:
        ApiError: -2010, or -1013 ICEBERG_PARTS.
    """
    if peak > lots:
        raise ApiError(-2010, "IcebergQty exceeds QTY.")
    if peak and -(-lots // peak) > _MAX_PARTS:
        raise filter_failure("ICEBERG_PARTS")


def check_numbers(account: Account, symbol: str, tickets: list[Ticket], *, lists: int = 0) -> None:
    """Refuse orders beyond the symbol's number of open ones, conditional ones or lists.

    Raises:
        ApiError: -1013 MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS or MAX_NUM_ORDER_LISTS.
    """
    there = account.open_orders(symbol)
    if len(there) + len(tickets) > _MAX_ORDERS:
        raise filter_failure("MAX_NUM_ORDERS")
    waiting = sum(order.ticket.kind.conditional and order.working_ms < 0 for order in there)
    asked = sum(ticket.kind.conditional for ticket in tickets)
    if asked and waiting + asked > _MAX_ALGO_ORDERS:
        raise filter_failure("MAX_NUM_ALGO_ORDERS")
    live = {order.group.id for order in there if order.group is not None}
    if lists and len(live) + lists > _MAX_LISTS:
        raise filter_failure("MAX_NUM_ORDER_LISTS")
