"""What ccxt lists of an exchange: its unified markets to instruments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import msgspec

from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

_FINEST: Final = Decimal("0.00000001")
"""Where ccxt states no precision."""

_MS: Final = 1_000_000
_DECIMAL_PLACES: Final = 2
_SIGNIFICANT: Final = 3
"""ccxt's modes of precision besides that of tick sizes."""

_KINDS: Final = {
    "spot": InstrumentKind.SPOT,
    "swap": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE,
    "option": InstrumentKind.OPTION,
}
_NAMES: Final = (
    "symbol", "id", "base", "quote", "settle", "type", "active", "linear", "inverse",
    "contractSize", "expiry", "strike", "optionType", "created", "maker", "taker",
)  # fmt: skip


class Market(msgspec.Struct):
    """A market as our tape has it: the fields of ccxt's that are read here."""

    symbol: str
    base: str
    quote: str
    type: str
    id: str = ""
    settle: str | None = None
    active: bool | None = None
    inverse: bool | None = None
    contractSize: float | None = None
    expiry: int | None = None
    strike: float | None = None
    optionType: str | None = None
    created: int | None = None
    maker: float | None = None
    taker: float | None = None
    price_tick: str = ""
    size_lot: str = ""
    min_size: str = "0"
    min_cost: str = "0"


class Listing(msgspec.Struct):
    """Some markets of an exchange."""

    exchange: str
    markets: list[Market]


def trimmed(market: Mapping[str, Any], mode: int) -> Market | None:
    """Return what is kept of a unified market; None: neither spot nor a derivative.

    Raises:
        DataError: It states a step or limit that is none.
    """
    if market.get("type") not in _KINDS or not market.get("base") or not market.get("quote"):
        return None
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}
    where = str(market.get("symbol"))
    return msgspec.convert(
        {name: market[name] for name in _NAMES if market.get(name) is not None}
        | {
            "price_tick": str(_step(precision.get("price"), mode, where)),
            "size_lot": str(_step(precision.get("amount"), mode, where)),
            "min_size": str(_limit(limits.get("amount"), where)),
            "min_cost": str(_limit(limits.get("cost"), where)),
        },
        Market,
    )


def make_instruments(markets: Iterable[Market], venue: VenueName) -> list[Instrument]:
    """Return the instruments of some markets.

    Two derivatives that differ in what they settle in alone get that asset behind their names, all
    but the first: so a listing must hold them all.

    Raises:
        DataError: A market is not what ccxt documents.
    """
    out: dict[str, Instrument] = {}
    for market in markets:
        symbol = _symbol(market)
        if symbol in out:
            symbol = f"{symbol}-{market.settle}"
        if symbol not in out:
            out[symbol] = _instrument(market, symbol, venue)
    return list(out.values())


def _instrument(market: Market, symbol: str, venue: VenueName) -> Instrument:
    right: Literal["", "call", "put"] = ""
    if market.type == "option":
        right = "call" if market.optionType == "call" else "put"
    spot = market.type == "spot"
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=market.symbol,
        base=market.base,
        quote=market.quote,
        kind=_KINDS[market.type],
        price_tick=Decimal(market.price_tick),
        size_lot=Decimal(market.size_lot),
        min_size=Decimal(market.min_size),
        min_notional=Decimal(market.min_cost),
        trading=market.active is not False,
        contract_size=Decimal(1) if spot else _exact(market.contractSize, symbol),
        inverse=bool(market.inverse),
        settle=market.settle or "",
        expiry_ns=(market.expiry or 0) * _MS,
        strike=_exact(market.strike, symbol) if right else Decimal(0),
        option_right=right,
        listed_ns=(market.created or 0) * _MS,
        maker_fee=None if market.maker is None else _decimal(market.maker, symbol),
        taker_fee=None if market.taker is None else _decimal(market.taker, symbol),
    )


def _symbol(market: Market) -> str:
    pair = f"{market.base}-{market.quote}"
    if market.type == "spot":
        return pair
    if market.type == "swap":
        return f"{pair}-PERP"
    if not market.expiry:
        raise DataError(f"{market.symbol}: a {market.type} must say when it expires")
    day = datetime.fromtimestamp(market.expiry / 1000, UTC).strftime("%Y%m%d")
    if market.type == "future":
        return f"{pair}-{day}"
    strike = _exact(market.strike, market.symbol).normalize()
    return f"{pair}-{day}-{strike:f}-{'C' if market.optionType == 'call' else 'P'}"


def _exact(value: float | None, where: str) -> Decimal:
    number = _decimal(1 if value is None else value, where)
    if number <= 0:
        raise DataError(f"{where}: contract size and strike must be above 0, was {value}")
    return number


def _step(value: Any, mode: int, where: str) -> Decimal:
    if value is None or mode == _SIGNIFICANT:
        # Significant digits are no step; the finest usual one holds whatever they allow.
        return _FINEST
    if mode == _DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    step = _decimal(value, where)
    if step <= 0:
        raise DataError(f"{where}: a precision must be above 0, was {value!r}")
    return step


def _limit(limit: Any, where: str) -> Decimal:
    least = (limit or {}).get("min")
    return _decimal(least, where) if least else Decimal(0)


def _decimal(value: Any, where: str) -> Decimal:
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        raise DataError(f"{where}: expected a number, was {value!r}") from None
    if not number.is_finite():
        raise DataError(f"{where}: expected a number, was {value!r}")
    return number
