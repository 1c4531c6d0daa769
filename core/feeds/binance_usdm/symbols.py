"""What Binance USD-M lists: exchangeInfo to instruments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from core.feeds.binance.symbols import filter_value, filters_by_type
from core.feeds.decimals import Decimals
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind, PriceBand

_FAR_MS: Final = 4_102_444_800_000
"""Perpetuals state a delivery in 2100."""


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str = ""
    contractType: str = ""
    deliveryDate: int = 0
    onboardDate: int = 0
    pricePrecision: int = 8
    quantityPrecision: int = 8
    liquidationFee: str = ""
    filters: list[dict[str, Any]] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def parse_exchange_info(body: bytes, venue: VenueName) -> list[Instrument]:
    """Return every listed contract: ``BTC-USDT-PERP``, and ``BTC-USDT-20210625`` of a dated one.

    ::

        {"futuresType":"U_MARGINED", ..., "symbols":[{"symbol":"BTCUSDT","pair":"BTCUSDT",
         "contractType":"PERPETUAL","deliveryDate":4133404800000,"onboardDate":1569398400000,
         "status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT",
         "liquidationFee":"0.012500",
         "filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10",...},
                    {"filterType":"LOT_SIZE","stepSize":"0.001",...},
                    {"filterType":"MIN_NOTIONAL","notional":"5"}, ...]}]}

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
    price, size = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    notional = filters.get("MIN_NOTIONAL", {})
    where = f"{venue} {item.symbol}"
    symbol, kind, expiry_ns = _named(item, where)
    if not 0 <= item.onboardDate < _FAR_MS:
        raise DataError(f"{where}: onboardDate must be a time in ms, was {item.onboardDate}")
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=item.symbol,
        base=item.baseAsset,
        quote=item.quoteAsset,
        kind=kind,
        # A filter with 0 is switched off; then the precision is the step.
        price_tick=filter_value(price, "tickSize", where)
        or Decimal(1).scaleb(-item.pricePrecision),
        size_lot=filter_value(size, "stepSize", where)
        or Decimal(1).scaleb(-item.quantityPrecision),
        min_size=filter_value(size, "minQty", where),
        max_size=filter_value(size, "maxQty", where),
        max_market_size=filter_value(filters.get("MARKET_LOT_SIZE", {}), "maxQty", where),
        min_notional=filter_value(notional, "notional", where),
        min_price=filter_value(price, "minPrice", where),
        max_price=filter_value(price, "maxPrice", where),
        # Of the mark price: a buy must not be above, a sale not below.
        price_band=PriceBand(
            buy_high=filter_value(percent, "multiplierUp", where),
            sell_low=filter_value(percent, "multiplierDown", where),
        )
        if (percent := filters.get("PERCENT_PRICE")) is not None
        else None,
        trading=item.status in ("TRADING", ""),
        settle=item.marginAsset or item.quoteAsset,
        expiry_ns=expiry_ns,
        listed_ns=item.onboardDate * 1_000_000,
        liquidation_fee=Decimals(where)[item.liquidationFee],
    )


def _named(item: _Symbol, where: str) -> tuple[str, InstrumentKind, int]:
    """Return our symbol, the kind and the expiry."""
    pair = f"{item.baseAsset}-{item.quoteAsset}"
    _, dated, day = item.symbol.partition("_")
    if not dated:
        # PERPETUAL, PERPETUAL DELIVERING, TRADIFI_PERPETUAL... Its end, if it has one, is near.
        ends_ms = item.deliveryDate if 0 < item.deliveryDate < _FAR_MS else 0
        return f"{pair}-PERP", InstrumentKind.PERPETUAL, ends_ms * 1_000_000
    if not 0 < item.deliveryDate < _FAR_MS:
        raise DataError(f"{where}: deliveryDate must be a time in ms, was {item.deliveryDate}")
    if len(day) != 6 or not (day.isascii() and day.isdigit()):
        raise DataError(f"{where}: a dated contract must be named PAIR_YYMMDD")
    ends = datetime.fromtimestamp(item.deliveryDate // 1000, UTC)
    return f"{pair}-{ends:%Y%m%d}", InstrumentKind.FUTURE, item.deliveryDate * 1_000_000
