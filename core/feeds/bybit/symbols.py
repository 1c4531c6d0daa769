"""What Bybit lists: answers of ``/v5/market/instruments-info`` to instruments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from core.feeds.bybit.frames import Answer
from core.feeds.bybit.refusals import check
from core.feeds.decimals import Decimals
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

SPOT_KEY: Final = "spot/"
"""Spot pairs and perpetuals bear the same names, so spot symbols get this in front as keys."""

_MS: Final = 1_000_000
_LATEST_MS: Final = 9_000_000_000_000


class _Prices(msgspec.Struct):
    tickSize: str
    minPrice: str = ""
    maxPrice: str = ""


class _Sizes(msgspec.Struct):
    qtyStep: str = ""
    basePrecision: str = ""
    minOrderQty: str = ""
    maxOrderQty: str = ""
    minNotionalValue: str = ""
    minOrderAmt: str = ""


class _Listed(msgspec.Struct):
    symbol: str
    status: str
    baseCoin: str
    quoteCoin: str
    priceFilter: _Prices
    lotSizeFilter: _Sizes
    contractType: str = ""
    optionsType: str = ""
    settleCoin: str = ""
    launchTime: str = ""
    deliveryTime: str = ""


class _Page(msgspec.Struct):
    rows: list[_Listed] = msgspec.field(name="list")
    category: str = ""
    nextPageCursor: str | None = None


class Listing(msgspec.Struct, frozen=True):
    """One page of instruments, and where the next one begins; empty after the last."""

    instruments: list[Instrument]
    cursor: str


def parse_listing(body: bytes, venue: VenueName) -> Listing:
    """Return what a page lists.

    ::

        {"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"BTCUSDT",
         "contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT",
         "launchTime":"1584230400000","deliveryTime":"0","priceFilter":{"minPrice":"0.10",
         "maxPrice":"1999999.80","tickSize":"0.10"},"lotSizeFilter":{"maxOrderQty":"1500.000",
         "minOrderQty":"0.001","qtyStep":"0.001","minNotionalValue":"5",...},
         "settleCoin":"USDT",...}],"nextPageCursor":"first%3D..."},...}

    Raises:
        DataError: It is not that.
        TemporaryError: The venue asks for patience.
    """
    what = f"instruments of {venue}"
    check(body, what)
    try:
        page = msgspec.json.decode(body, type=Answer[_Page]).result
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{what}: {error}") from None
    return Listing([_instrument(item, venue) for item in page.rows], page.nextPageCursor or "")


def _instrument(item: _Listed, venue: VenueName) -> Instrument:
    kind = _kind(item)
    what = f"{venue} {item.symbol}"
    numbers = Decimals(what)
    sizes, prices = item.lotSizeFilter, item.priceFilter
    expiry_ns = 0
    if kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION):
        expiry_ns = _time_ns(item.deliveryTime, f"{what} deliveryTime")
    right: Literal["", "call", "put"] = ""
    if kind is InstrumentKind.OPTION:
        if item.optionsType not in ("Call", "Put"):
            raise DataError(f"{what}: optionsType must be Call or Put, was {item.optionsType!r}")
        right = "call" if item.optionsType == "Call" else "put"
    strike = _strike(item) if right else Decimal(0)
    return Instrument(
        id=instrument_id(_symbol(item, kind, expiry_ns, strike), venue),
        venue=venue,
        venue_symbol=item.symbol,
        base=item.baseCoin,
        quote=item.quoteCoin,
        kind=kind,
        price_tick=_step(numbers.stated(prices.tickSize, "tickSize"), what),
        size_lot=_step(numbers.stated(sizes.qtyStep or sizes.basePrecision, "qtyStep"), what),
        min_size=numbers[sizes.minOrderQty] or Decimal(0),
        max_size=numbers[sizes.maxOrderQty] or Decimal(0),
        min_notional=numbers[sizes.minNotionalValue or sizes.minOrderAmt] or Decimal(0),
        min_price=numbers[prices.minPrice] or Decimal(0),
        max_price=numbers[prices.maxPrice] or Decimal(0),
        trading=item.status == "Trading",
        inverse=item.contractType.startswith("Inverse"),
        settle=item.settleCoin if kind is not InstrumentKind.SPOT else "",
        expiry_ns=expiry_ns,
        strike=strike,
        option_right=right,
        listed_ns=_time_ns(item.launchTime, f"{what} launchTime"),
    )


def _kind(item: _Listed) -> InstrumentKind:
    if item.optionsType:
        return InstrumentKind.OPTION
    if item.contractType.endswith("Perpetual"):
        return InstrumentKind.PERPETUAL
    if item.contractType.endswith("Futures"):
        return InstrumentKind.FUTURE
    if item.contractType:
        raise DataError(f"{item.symbol}: contractType {item.contractType[:40]!r} is not known")
    return InstrumentKind.SPOT


def _symbol(item: _Listed, kind: InstrumentKind, expiry_ns: int, strike: Decimal) -> str:
    pair = f"{item.baseCoin}-{item.quoteCoin}"
    if kind is InstrumentKind.SPOT:
        return pair
    if kind is InstrumentKind.PERPETUAL:
        return f"{pair}-PERP"
    if not expiry_ns:
        raise DataError(f"{item.symbol}: deliveryTime must be stated")
    dated = f"{pair}-{datetime.fromtimestamp(expiry_ns // 10**9, UTC):%Y%m%d}"
    if kind is InstrumentKind.FUTURE:
        return dated
    return f"{dated}-{strike:f}-{item.optionsType[0]}"


def _strike(item: _Listed) -> Decimal:
    """Return the third part of ``ETH-26JUN26-16000-P``."""
    parts = item.symbol.split("-")
    if len(parts) < 4:
        raise DataError(f"option {item.symbol!r} must be named COIN-DAY-STRIKE-RIGHT")
    return Decimals(f"strike of {item.symbol}").stated(parts[2], "")


def _step(value: Decimal, what: str) -> Decimal:
    if not value > 0:
        raise DataError(f"{what}: steps must be above 0, was {value}")
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else plain


def _time_ns(text: str, what: str) -> int:
    if not text:
        return 0
    if not (text.isdigit() and text.isascii()) or int(text) > _LATEST_MS:
        raise DataError(f"{what} must be milliseconds, was {text[:40]!r}")
    return int(text) * _MS
