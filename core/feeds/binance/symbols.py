"""What Binance lists: exchangeInfo to instruments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, PriceBand


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    quotePrecision: int = 8
    baseAssetPrecision: int = 8
    filters: list[dict[str, Any]] = []
    isSpotTradingAllowed: bool = True


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def parse_exchange_info(body: bytes, venue: VenueName) -> list[Instrument]:
    """Return every listed instrument.

    ::

        {"timezone":"UTC", ..., "symbols":[{"symbol":"ETHBTC","status":"TRADING",
         "baseAsset":"ETH","quoteAsset":"BTC","filters":[
           {"filterType":"PRICE_FILTER","minPrice":"0.00000100","maxPrice":"922327.00000000",
            "tickSize":"0.00000100"}, {"filterType":"LOT_SIZE",...}, ...]}]}

    Raises:
        DataError: It is not that.
    """
    try:
        info = msgspec.json.decode(body, type=_ExchangeInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"exchangeInfo of {venue}: {error}") from None
    return [_instrument(item, venue) for item in info.symbols]


def _instrument(item: _Symbol, venue: VenueName) -> Instrument:
    filters = filters_by_type(item.filters)
    price = filters.get("PRICE_FILTER", {})
    size = filters.get("LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    where = f"{venue} {item.symbol}"
    return Instrument(
        id=instrument_id(f"{item.baseAsset}-{item.quoteAsset}", venue),
        venue=venue,
        venue_symbol=item.symbol,
        base=item.baseAsset,
        quote=item.quoteAsset,
        # A filter with 0 is switched off; then the asset's precision is the step.
        price_tick=filter_value(price, "tickSize", where)
        or Decimal(1).scaleb(-item.quotePrecision),
        size_lot=filter_value(size, "stepSize", where)
        or Decimal(1).scaleb(-item.baseAssetPrecision),
        min_size=filter_value(size, "minQty", where),
        max_size=filter_value(size, "maxQty", where),
        max_market_size=filter_value(filters.get("MARKET_LOT_SIZE", {}), "maxQty", where),
        min_notional=filter_value(notional, "minNotional", where),
        min_price=filter_value(price, "minPrice", where),
        max_price=filter_value(price, "maxPrice", where),
        price_band=_band(filters, where),
        trading=item.status == "TRADING" and item.isSpotTradingAllowed,
    )


def _band(filters: dict[str, dict[str, Any]], where: str) -> PriceBand | None:
    """Return how far a limit price may be from the mean of the last minutes."""
    sides = filters.get("PERCENT_PRICE_BY_SIDE")
    if sides is not None:
        return PriceBand(
            buy_low=filter_value(sides, "bidMultiplierDown", where),
            buy_high=filter_value(sides, "bidMultiplierUp", where),
            sell_low=filter_value(sides, "askMultiplierDown", where),
            sell_high=filter_value(sides, "askMultiplierUp", where),
        )
    both = filters.get("PERCENT_PRICE")
    if both is None:
        return None
    low = filter_value(both, "multiplierDown", where)
    high = filter_value(both, "multiplierUp", where)
    return PriceBand(buy_low=low, buy_high=high, sell_low=low, sell_high=high)


def filters_by_type(filters: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return a symbol's rules by their name."""
    return {str(rule.get("filterType")): rule for rule in filters}


def filter_value(rule: dict[str, Any], key: str, where: str) -> Decimal:
    """Return a number of a rule, 0 where it states none.

    Raises:
        DataError: It is no number from 0 on.
    """
    text = rule.get(key, "0")
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        raise DataError(f"{where}: {key} must be a decimal, was {text!r}") from None
    if not value.is_finite() or value < 0:
        raise DataError(f"{where}: {key} must be 0 or more, was {text!r}")
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else plain
