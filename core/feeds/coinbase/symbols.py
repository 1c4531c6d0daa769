"""What Coinbase Advanced Trade lists: products of both kinds to instruments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.feeds.stamps import Stamps
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

_LARGEST: Final = Decimal(10**27)


class _Future(msgspec.Struct, gc=False):
    contract_code: str = ""
    contract_size: str = ""
    contract_expiry: str = ""
    contract_expiry_type: str = ""
    contract_root_unit: str = ""


class _Product(msgspec.Struct, gc=False):
    product_id: str
    base_increment: str
    quote_increment: str
    product_type: str = "SPOT"
    price_increment: str = ""
    base_min_size: str = "0"
    base_max_size: str = "0"
    quote_min_size: str = "0"
    base_currency_id: str = ""
    quote_currency_id: str = ""
    status: str = "online"
    alias: str = ""
    alias_to: list[str] = []
    is_disabled: bool = False
    trading_disabled: bool = False
    view_only: bool = False
    cancel_only: bool = False
    new_at: str | None = None
    future_product_details: _Future | None = None


class _Products(msgspec.Struct, gc=False):
    products: list[_Product]


class Listing(msgspec.Struct, frozen=True):
    """What a listing holds."""

    instruments: list[Instrument]
    left_out: dict[str, str]
    """Venue symbols we do not follow, and why."""


def parse_products(body: bytes, venue: VenueName) -> Listing:
    """Read an answer of products, or a single product.

    A product that is an alias has no market of its own: a subscription to BTC-USDC is answered with
    BTC-USD. It is known as another spelling of that one.

    ::

        {"products":[{"product_id":"BTC-USD","base_increment":"0.00000001","quote_increment":"0.01",
          "quote_min_size":"1","base_min_size":"0.00000001","base_max_size":"3400",
          "status":"online","product_type":"SPOT","quote_currency_id":"USD",
          "base_currency_id":"BTC","alias":"","alias_to":["BTC-USDC"],"price_increment":"0.01"},...]}

    Raises:
        DataError: It is not that.
    """
    try:
        single = msgspec.json.decode(body, type=_Head).product_id
        if single:
            products = [msgspec.json.decode(body, type=_Product)]
        else:
            products = msgspec.json.decode(body, type=_Products).products
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"products of {venue}: {error}") from None
    listed: list[Instrument] = []
    left_out: dict[str, str] = {}
    for item in products:
        if item.alias:
            left_out[item.product_id] = f"its market is {item.alias}; subscribe to that"
            continue
        try:
            listed.append(_make(item, venue))
        except DataError as error:
            # One odd product must not cost us all the others.
            left_out[item.product_id] = str(error)
    return Listing(listed, left_out)


def _make(item: _Product, venue: VenueName) -> Instrument:
    if item.product_type == "SPOT":
        return _spot(item, venue)
    if item.product_type == "FUTURE":
        return _future(item, venue)
    raise DataError(f"type {item.product_type[:40]!r} is not one we know")


class _Head(msgspec.Struct, gc=False):
    product_id: str = ""


def _spot(item: _Product, venue: VenueName) -> Instrument:
    return _instrument(
        item, venue, f"{item.base_currency_id}-{item.quote_currency_id}", item.base_currency_id
    )


def _future(item: _Product, venue: VenueName) -> Instrument:
    details = item.future_product_details
    where = f"{venue} {item.product_id[:60]}"
    if details is None:
        raise DataError(f"{where}: a future must have its details")
    base = details.contract_root_unit or item.product_id.partition("-")[0]
    quote = item.quote_currency_id
    # Several contracts of one coin end on one day, so the contract's own code is its name.
    code = details.contract_code or base
    size = _number(details.contract_size or "1", "contract_size", where, least=Decimal(0))
    if details.contract_expiry_type == "PERPETUAL":
        return _instrument(
            item, venue, f"{code}-{quote}-PERP", base, kind=InstrumentKind.PERPETUAL, size=size
        )
    expiry_ns = Stamps().ns(details.contract_expiry)
    day = details.contract_expiry[:10].replace("-", "")
    return _instrument(
        item, venue, f"{code}-{quote}-{day}", base, kind=InstrumentKind.FUTURE, size=size,
        expiry_ns=expiry_ns,
    )  # fmt: skip


def _instrument(
    item: _Product,
    venue: VenueName,
    symbol: str,
    base: str,
    *,
    kind: InstrumentKind = InstrumentKind.SPOT,
    size: Decimal = Decimal(1),
    expiry_ns: int = 0,
) -> Instrument:
    where = f"{venue} {item.product_id[:60]}"
    least = Decimal(0)
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=item.product_id,
        base=base,
        quote=item.quote_currency_id,
        kind=kind,
        price_tick=_number(
            item.price_increment or item.quote_increment, "price_increment", where, least=least
        ),
        size_lot=_number(item.base_increment, "base_increment", where, least=least),
        min_size=_number(item.base_min_size, "base_min_size", where),
        max_size=_number(item.base_max_size, "base_max_size", where),
        min_notional=_number(item.quote_min_size, "quote_min_size", where),
        trading=item.status in ("online", "")
        and not (item.is_disabled or item.trading_disabled or item.view_only or item.cancel_only),
        contract_size=size,
        settle="" if kind is InstrumentKind.SPOT else item.quote_currency_id,
        expiry_ns=expiry_ns,
        listed_ns=_listed_ns(item.new_at),
        aliases=tuple(item.alias_to),
    )


def _listed_ns(text: str | None) -> int:
    return Stamps().ns(text) if text else 0


def _number(text: str, key: str, where: str, *, least: Decimal | None = None) -> Decimal:
    """Return a value of the listing: 0 or more, or above `least`."""
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < _LARGEST or (least is not None and value <= least):
        raise DataError(f"{where}: {key} must be a number above 0, was {text[:40]!r}")
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
