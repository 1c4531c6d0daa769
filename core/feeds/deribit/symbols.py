"""What Deribit lists: instruments of every currency and kind, price and volatility indices."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

PRICE_INDEX: Final = "deribit_price_index."
VOLATILITY_INDEX: Final = "deribit_volatility_index."
"""What the venue symbols of our indices begin with: they are the names of their channels."""

VOLATILITY_NAMES: Final = ("btc_usd", "eth_usd")
"""Indices the venue publishes a volatility of; no call lists them."""

COMBO: Final = "a combo is traded in its legs, which are instruments of their own"
_INDEX_TICK: Final = Decimal("0.00000001")
_VOLATILITY_TICK: Final = Decimal("0.01")
_PERPETUAL_MS: Final = 32_000_000_000_000
"""Perpetuals end in the year 3000."""

_LARGEST: Final = Decimal(10**15)
_RIGHTS: Final = {"call": "C", "put": "P"}


class _Step(msgspec.Struct, gc=False):
    tick_size: Decimal


class _Item(msgspec.Struct, gc=False):
    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    min_trade_amount: Decimal
    contract_size: Decimal = Decimal(0)
    expiration_timestamp: int = 0
    creation_timestamp: int = 0
    is_active: bool = True
    state: str = "open"
    counter_currency: str = ""
    settlement_currency: str = ""
    settlement_period: str = ""
    instrument_type: str = ""
    future_type: str = ""
    strike: Decimal = Decimal(0)
    option_type: str = ""
    tick_size_steps: list[_Step] = []
    block_trade_tick_size: Decimal = Decimal(0)
    maker_commission: Decimal | None = None
    taker_commission: Decimal | None = None
    max_leverage: Decimal | None = None
    max_liquidation_commission: Decimal | None = None


class _Answer(msgspec.Struct, gc=False):
    result: list[_Item] | _Item


class Listing(msgspec.Struct, frozen=True):
    """What a listing holds."""

    instruments: list[Instrument]
    left_out: dict[str, str]
    """Venue symbols we do not follow, and why."""


def parse_instruments(body: bytes, venue: VenueName) -> Listing:
    """Read an answer of get_instruments, or of get_instrument.

    ::

        {"jsonrpc":"2.0","result":[{"tick_size":0.0005,"tick_size_steps":[{"above_price":0.005,
         "tick_size":0.0005}],"strike":40000.0,"settlement_period":"month","quote_currency":"BTC",
         "option_type":"put","min_trade_amount":0.1,"kind":"option","is_active":true,
         "instrument_name":"BTC-24SEP21-40000-P","expiration_timestamp":1632470400000,
         "creation_timestamp":1606129458000,"contract_size":1.0,"base_currency":"BTC",
         "maker_commission":0.0003,"taker_commission":0.0003,"max_leverage":50,
         "max_liquidation_commission":0.0075}, ...]}

    Raises:
        DataError: It is not that.
    """
    try:
        result = msgspec.json.decode(body, type=_Answer).result
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"get_instruments of {venue}: {error}") from None
    listed: list[Instrument] = []
    left_out: dict[str, str] = {}
    for item in result if isinstance(result, list) else [result]:
        if item.kind.endswith("_combo"):
            left_out[item.instrument_name] = COMBO
            continue
        try:
            listed.append(_instrument(item, venue))
        except DataError as error:
            # One odd instrument must not cost us all the others.
            left_out[item.instrument_name] = str(error)
    return Listing(listed, left_out)


def parse_names(body: bytes, venue: VenueName) -> list[Instrument]:
    """Read an answer of get_index_price_names: ``{"result":["btc_eth","btc_usdc"]}``.

    Raises:
        DataError: It is not that.
    """

    class Names(msgspec.Struct):
        result: list[str]

    names = decoded(body, Names, f"index names of {venue}").result
    return make_indices(names, venue)


def make_indices(names: Collection[str], venue: VenueName) -> list[Instrument]:
    """Return price indices of the names, and the volatility indices among them."""
    channels = [PRICE_INDEX + name for name in names]
    channels += [VOLATILITY_INDEX + name for name in VOLATILITY_NAMES if name in names]
    found = (make_index(channel, venue) for channel in dict.fromkeys(channels))
    return [item for item in found if item is not None]


def make_index(channel: str, venue: VenueName) -> Instrument | None:
    """Return the instrument of an index channel: its name says all; None: it is no such name.

    ``deribit_price_index.btc_usd`` is BTC-USD-INDEX, ``deribit_volatility_index.btc_usd`` BTC-DVOL.
    """
    kind, _, name = channel.partition(".")
    base, joined, quote = name.upper().partition("_")
    if not (base and joined and quote):
        return None
    if f"{kind}." == PRICE_INDEX:
        symbol, tick = f"{base}-{quote}-INDEX", _INDEX_TICK
    elif f"{kind}." == VOLATILITY_INDEX:
        symbol, tick = f"{base}-DVOL", _VOLATILITY_TICK
    else:
        return None
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=channel,
        base=base,
        quote=quote,
        kind=InstrumentKind.INDEX,
        price_tick=tick,
        size_lot=Decimal(1),
    )


def _instrument(item: _Item, venue: VenueName) -> Instrument:
    where = f"{venue} {item.instrument_name[:60]}"
    if item.kind not in ("future", "option", "spot"):
        raise DataError(f"kind {item.kind[:40]!r} is not one we know")
    spot = item.kind == "spot"
    reversed_ = (
        not spot and (item.instrument_type or item.future_type or _guess(item)) == "reversed"
    )
    # Options on coin are quoted in the coin itself, while their names go by the counter currency.
    counter = item.counter_currency or (
        "USD" if item.quote_currency == item.base_currency else item.quote_currency
    )
    symbol, kind = _named(item, counter, where)
    ticks = [item.tick_size, *(step.tick_size for step in item.tick_size_steps)]
    if item.block_trade_tick_size:
        # Blocks are printed in the same trades, in finer steps than orders may have.
        ticks.append(item.block_trade_tick_size)
    lots = [item.min_trade_amount, item.contract_size or item.min_trade_amount]
    for value in (*ticks, *lots):
        _checked(value, "tick and trade sizes", where)
    dated = kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=item.instrument_name,
        base=item.base_currency,
        quote=item.quote_currency,
        kind=kind,
        price_tick=_plain(min(ticks)),
        size_lot=_plain(min(lots)),
        min_size=_plain(item.min_trade_amount),
        trading=item.is_active and item.state == "open",
        # An option on coin pays the difference of its coin prices: it is not inverse in kind.
        inverse=reversed_ and kind is not InstrumentKind.OPTION,
        settle="" if spot else item.settlement_currency
        or (item.base_currency if reversed_ else item.quote_currency),
        expiry_ns=item.expiration_timestamp * 1_000_000 if dated else 0,
        strike=_plain(item.strike) if item.option_type else Decimal(0),
        option_right="call" if item.option_type == "call" else "put" if item.option_type else "",
        listed_ns=max(0, item.creation_timestamp) * 1_000_000,
        maker_fee=item.maker_commission,
        taker_fee=item.taker_commission,
        max_leverage=item.max_leverage or Decimal(0),
        liquidation_fee=item.max_liquidation_commission,
    )  # fmt: skip


def _guess(item: _Item) -> str:
    """Return the type where the listing is too old to state it: only coins were listed then."""
    return "linear" if "_" in item.instrument_name else "reversed"


def _named(item: _Item, counter: str, where: str) -> tuple[str, InstrumentKind]:
    pair = f"{item.base_currency}-{counter}"
    if item.kind == "spot":
        return pair, InstrumentKind.SPOT
    if not 0 < item.expiration_timestamp < _PERPETUAL_MS * 2:
        raise DataError(f"{where}: expiration must be a time, was {item.expiration_timestamp}")
    if item.settlement_period == "perpetual" or item.expiration_timestamp > _PERPETUAL_MS:
        return f"{pair}-PERP", InstrumentKind.PERPETUAL
    day = datetime.fromtimestamp(item.expiration_timestamp / 1000, UTC).strftime("%Y%m%d")
    if item.kind == "future":
        return f"{pair}-{day}", InstrumentKind.FUTURE
    right = _RIGHTS.get(item.option_type)
    if right is None:
        raise DataError(f"{where}: an option must be call or put, was {item.option_type[:20]!r}")
    _checked(item.strike, "a strike", where)
    return f"{pair}-{day}-{_plain(item.strike):f}-{right}", InstrumentKind.OPTION


def _checked(value: Decimal, what: str, where: str) -> None:
    if not value.is_finite() or not 0 < value < _LARGEST:
        raise DataError(f"{where}: {what} must be above 0 and below {_LARGEST}, was {value}")


def _plain(value: Decimal) -> Decimal:
    """Return 40000 for 40000.0 and 0.1 for 0.10."""
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
