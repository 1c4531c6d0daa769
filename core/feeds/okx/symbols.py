"""What OKX lists: answers of ``/api/v5/public/instruments`` to instruments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from core.feeds.decimals import Decimals
from core.feeds.okx.frames import Answer
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

INDEX_KEY: Final = "index:"
"""Indices bear the names of spot pairs, so their symbols get this in front."""

_KINDS: Final = {
    "SPOT": InstrumentKind.SPOT,
    "SWAP": InstrumentKind.PERPETUAL,
    "FUTURES": InstrumentKind.FUTURE,
    "OPTION": InstrumentKind.OPTION,
}
_DATE: Final = re.compile(r"[0-9]{6}\Z", re.ASCII)
_NS: Final = 1_000_000
_LATEST_MS: Final = 9_000_000_000_000


class _Listed(msgspec.Struct):
    instType: str
    instId: str
    tickSz: str
    lotSz: str
    minSz: str = ""
    maxLmtSz: str = ""
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    uly: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    optType: str = ""
    stk: str = ""
    expTime: str = ""
    listTime: str = ""
    state: str = ""
    lever: str = ""


class Listing(msgspec.Struct, frozen=True):
    """Instruments of one answer, and by symbol the index each derivative hangs on."""

    instruments: Sequence[Instrument]
    index_of: dict[str, str]


def parse_listing(body: bytes, venue: VenueName) -> Listing:
    """Return what an answer lists, and the indices its derivatives hang on.

    ::

        {"code":"0","msg":"","data":[{"instType":"SWAP","instId":"BTC-USD-SWAP",
         "uly":"BTC-USD","instFamily":"BTC-USD","baseCcy":"","quoteCcy":"","settleCcy":"BTC",
         "ctVal":"100","ctMult":"1","ctValCcy":"USD","ctType":"inverse","optType":"","stk":"",
         "listTime":"1535424203000","expTime":"","tickSz":"0.1","lotSz":"1","minSz":"1",
         "maxLmtSz":"100000000","state":"live","lever":"100",...}]}

    Instruments before their listing (`tickSz` is empty) are left out until they have a step.

    Raises:
        DataError: It is not that.
    """
    try:
        answer = msgspec.json.decode(body, type=Answer[_Listed])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"instruments of {venue}: {error}") from None
    if answer.code != "0":
        raise DataError(f"instruments of {venue}: code {answer.code}, {answer.msg[:120]}")
    out: list[Instrument] = []
    index_of: dict[str, str] = {}
    for item in answer.data:
        if item.instType not in _KINDS or not item.tickSz or not item.lotSz:
            continue
        out.append(_instrument(item, venue))
        if item.uly:
            index_of[item.instId] = item.uly
    out.extend(index_instrument(name, venue) for name in dict.fromkeys(index_of.values()))
    return Listing(out, index_of)


def _instrument(item: _Listed, venue: VenueName) -> Instrument:
    kind = _KINDS[item.instType]
    numbers = Decimals(f"{venue} {item.instId}")
    base, quote, symbol = _names(item, kind)
    contract_size = Decimal(1)
    if kind is not InstrumentKind.SPOT:
        contract_size = numbers.stated(item.ctVal, "ctVal") * (numbers[item.ctMult] or 1)
    right: Literal["", "call", "put"] = ""
    if kind is InstrumentKind.OPTION:
        if item.optType not in ("C", "P"):
            raise DataError(f"{venue} {item.instId}: optType must be C or P, was {item.optType!r}")
        right = "call" if item.optType == "C" else "put"
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=item.instId,
        base=base,
        quote=quote,
        kind=kind,
        price_tick=_step(numbers.stated(item.tickSz, "tickSz"), item.instId, "tickSz"),
        size_lot=_step(numbers.stated(item.lotSz, "lotSz"), item.instId, "lotSz"),
        min_size=numbers[item.minSz] or Decimal(0),
        max_size=numbers[item.maxLmtSz] or Decimal(0),
        trading=item.state in ("live", ""),
        contract_size=contract_size,
        inverse=item.ctType == "inverse",
        settle=item.settleCcy,
        expiry_ns=_time_ns(item.expTime, f"{venue} {item.instId} expTime"),
        strike=numbers[item.stk] or Decimal(0),
        option_right=right,
        listed_ns=_time_ns(item.listTime, f"{venue} {item.instId} listTime"),
        max_leverage=numbers[item.lever] or Decimal(0),
    )


def _names(item: _Listed, kind: InstrumentKind) -> tuple[str, str, str]:
    """Return base, quote and our symbol."""
    if kind is InstrumentKind.SPOT:
        if not item.baseCcy or not item.quoteCcy:
            raise DataError(f"{item.instId}: baseCcy and quoteCcy must be stated")
        return item.baseCcy, item.quoteCcy, f"{item.baseCcy}-{item.quoteCcy}"
    parts = item.instId.split("-")
    if len(parts) < 2:
        raise DataError(f"derivative {item.instId!r} must be named BASE-QUOTE-...")
    base, second, last = parts[0], parts[1], parts[2:]
    # The family of perpetual futures is BTC-USD_UM, where a plain one is BTC-USD.
    quote = second.partition("_")[0]
    if kind is InstrumentKind.PERPETUAL:
        return base, quote, f"{base}-{second}-PERP"
    expiry_ns = _time_ns(item.expTime, f"{item.instId} expTime")
    if not last or not _DATE.match(last[0]) or not expiry_ns:
        # A kind of name the venue has not used so far; its own spelling is unique.
        return base, quote, item.instId
    day = datetime.fromtimestamp(expiry_ns // 10**9, UTC)
    return base, quote, "-".join([base, second, f"{day:%Y%m%d}", *last[1:]])


def index_instrument(name: str, venue: VenueName) -> Instrument:
    """Return the index of a pair such as ``BTC-USD``."""
    base, _, quote = name.partition("-")
    step = Decimal("0.00000001")
    return Instrument(
        id=instrument_id(f"{name}-INDEX", venue),
        venue=venue,
        venue_symbol=f"{INDEX_KEY}{name}",
        base=base,
        quote=quote,
        kind=InstrumentKind.INDEX,
        price_tick=step,
        size_lot=Decimal(1),
        trading=False,
    )


def _step(value: Decimal, symbol: str, name: str) -> Decimal:
    if not value > 0:
        raise DataError(f"{symbol}: {name} must be above 0, was {value}")
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else plain


def _time_ns(text: str, what: str) -> int:
    if not text:
        return 0
    if not (text.isdigit() and text.isascii()) or int(text) > _LATEST_MS:
        raise DataError(f"{what} must be milliseconds, was {text[:40]!r}")
    return int(text) * _NS
