"""What Kraken lists: asset pairs of REST, or of the instrument channel, to instruments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import msgspec

from core.feeds.kraken.frames import Pair
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument

_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}
"""REST names that are others on the v2 socket."""

_LARGEST: Final = Decimal(10**27)

_Places = Annotated[int, msgspec.Meta(ge=0, le=18)]


class _Pair(msgspec.Struct, gc=False):
    altname: str
    pair_decimals: _Places
    lot_decimals: _Places
    wsname: str = ""
    ordermin: str = "0"
    costmin: str = "0"
    tick_size: str = ""
    status: str = "online"


class _Answer(msgspec.Struct, gc=False):
    result: dict[str, msgspec.Raw]


class Listing(msgspec.Struct, frozen=True):
    """What a listing holds."""

    instruments: list[Instrument]
    left_out: dict[str, str]
    """Venue symbols we do not follow, and why."""
    entries: dict[str, tuple[str, msgspec.Raw]]
    """REST's own name and entry by v2 symbol."""


def parse_pairs(body: bytes, venue: VenueName) -> Listing:
    """Read an answer of AssetPairs.

    The price step is the last decimal the wire spells, for levels may be older than a coarser
    `tick_size`. REST names are kept as aliases, its key first.

    ::

        {"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","pair_decimals":1,
         "lot_decimals":8,"ordermin":"0.0001","costmin":"0.5","tick_size":"0.1",
         "status":"online"}, ...}}

    Raises:
        DataError: It is not that.
    """
    try:
        result = msgspec.json.decode(body, type=_Answer).result
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"AssetPairs of {venue}: {error}") from None
    listed: list[Instrument] = []
    left_out: dict[str, str] = {}
    entries: dict[str, tuple[str, msgspec.Raw]] = {}
    for key, raw in result.items():
        try:
            pair = msgspec.json.decode(raw, type=_Pair)
            item = _of_pair(key, pair, venue)
        except (DataError, msgspec.DecodeError) as error:
            # One odd pair must not cost us all the others.
            left_out[key] = str(error)
            continue
        listed.append(item)
        entries[item.venue_symbol] = (key, raw.copy())
    return Listing(listed, left_out, entries)


def of_channel(pair: Pair, venue: VenueName) -> Instrument:
    """Return the instrument of a pair of the instrument channel.

    Raises:
        DataError: It has no base and quote, or a limit that is no number.
    """
    return _make(
        pair.symbol, venue, pair.price_precision, pair.qty_precision,
        min_size=bytes(pair.qty_min).decode(), min_notional=bytes(pair.cost_min).decode(),
        status=pair.status,
    )  # fmt: skip


def _of_pair(key: str, pair: _Pair, venue: VenueName) -> Instrument:
    if not pair.wsname:
        raise DataError("it has no name on the socket, as dark pools have none")
    base, _, quote = pair.wsname.partition("/")
    symbol = f"{_RENAMED.get(base, base)}/{_RENAMED.get(quote, quote)}"
    places = pair.pair_decimals
    if pair.tick_size:
        step = _number(pair.tick_size, "tick_size", key)
        exponent = step.normalize().as_tuple().exponent
        places = max(places, -exponent if isinstance(exponent, int) else 0)
    names = dict.fromkeys((key, pair.altname, pair.wsname))
    names.pop(symbol, None)
    return _make(
        symbol, venue, places, pair.lot_decimals, min_size=pair.ordermin,
        min_notional=pair.costmin, status=pair.status, aliases=tuple(names),
    )  # fmt: skip


def _make(
    symbol: str,
    venue: VenueName,
    price_places: int,
    size_places: int,
    *,
    min_size: str,
    min_notional: str,
    status: str,
    aliases: tuple[str, ...] = (),
) -> Instrument:
    base, _, quote = symbol.partition("/")
    where = f"{venue} {symbol[:60]}"
    if not base or not quote or price_places > 18:
        raise DataError(f"{where}: a pair must be BASE/QUOTE with at most 18 decimals")
    return Instrument(
        id=instrument_id(f"{base}-{quote}", venue),
        venue=venue,
        venue_symbol=symbol,
        base=base,
        quote=quote,
        price_tick=Decimal(1).scaleb(-price_places),
        size_lot=Decimal(1).scaleb(-size_places),
        min_size=_number(min_size, "smallest order", where),
        min_notional=_number(min_notional, "smallest cost", where),
        trading=status == "online",
        aliases=aliases,
    )


def _number(text: str, key: str, where: str) -> Decimal:
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < _LARGEST:
        raise DataError(f"{where}: {key} must be a number, was {text[:40]!r}")
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
