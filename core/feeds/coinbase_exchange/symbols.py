"""What Coinbase Exchange lists: products to instruments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument

_LARGEST: Final = Decimal(10**27)


class _Product(msgspec.Struct, gc=False):
    id: str
    base_currency: str
    quote_currency: str
    base_increment: str
    quote_increment: str
    base_min_size: str = "0"
    base_max_size: str = "0"
    min_market_funds: str = "0"
    status: str = "online"
    trading_disabled: bool = False
    cancel_only: bool = False


class Listing(msgspec.Struct, frozen=True):
    """What a listing holds."""

    instruments: list[Instrument]
    left_out: dict[str, str]
    """Venue symbols we do not follow, and why."""


def parse_products(body: bytes, venue: VenueName) -> Listing:
    """Read an answer of products, or a single product.

    ::

        [{"id":"SKL-EUR","base_currency":"SKL","quote_currency":"EUR","quote_increment":"0.0001",
          "base_increment":"0.1","min_market_funds":"5.0","status":"online",
          "trading_disabled":false}, ...]

    Raises:
        DataError: It is not that.
    """
    try:
        if body.lstrip()[:1] == b"{":
            products = [msgspec.json.decode(body, type=_Product)]
        else:
            products = msgspec.json.decode(body, type=list[_Product])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"products of {venue}: {error}") from None
    listed: list[Instrument] = []
    left_out: dict[str, str] = {}
    for item in products:
        try:
            listed.append(_instrument(item, venue))
        except DataError as error:
            # One odd product must not cost us all the others.
            left_out[item.id] = str(error)
    return Listing(listed, left_out)


def _instrument(item: _Product, venue: VenueName) -> Instrument:
    where = f"{venue} {item.id[:60]}"
    return Instrument(
        id=instrument_id(f"{item.base_currency}-{item.quote_currency}", venue),
        venue=venue,
        venue_symbol=item.id,
        base=item.base_currency,
        quote=item.quote_currency,
        price_tick=_number(item.quote_increment, "quote_increment", where, step=True),
        size_lot=_number(item.base_increment, "base_increment", where, step=True),
        min_size=_number(item.base_min_size, "base_min_size", where),
        max_size=_number(item.base_max_size, "base_max_size", where),
        min_notional=_number(item.min_market_funds, "min_market_funds", where),
        trading=item.status == "online" and not (item.trading_disabled or item.cancel_only),
    )


def _number(text: str, key: str, where: str, *, step: bool = False) -> Decimal:
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < _LARGEST or (step and not value):
        raise DataError(f"{where}: {key} must be a number above 0, was {text[:40]!r}")
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
