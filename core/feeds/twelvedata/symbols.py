"""What Twelve Data lists: stocks, funds, crypto and currency pairs to instruments."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.twelvedata.refusals import refuse
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

STOCKS: Final = "/stocks"
FUNDS: Final = "/etfs"
COINS: Final = "/cryptocurrencies"
CURRENCIES: Final = "/forex_pairs"
LISTINGS: Final = (STOCKS, FUNDS, COINS, CURRENCIES)
"""Paths of the listings."""

STEPS: Final = {
    InstrumentKind.STOCK: (Decimal("0.00001"), Decimal(1)),
    InstrumentKind.SPOT: (Decimal("0.0000000001"), Decimal("0.00000001")),
    InstrumentKind.FX: (Decimal("0.0000001"), Decimal(1)),
}
"""Price and size step: the decimals the provider prints; it states no tick."""


class _Entry(msgspec.Struct):
    symbol: str
    currency: str = ""
    exchange: str = ""


class _Listing(msgspec.Struct):
    data: list[msgspec.Raw] = []


def parse_listings(
    bodies: Mapping[str, bytes], venue: VenueName
) -> list[tuple[str, Instrument, msgspec.Raw]]:
    """Return every instrument of some listings by their paths: path, instrument, its own words.

    ::

        /stocks            {"data":[{"symbol":"AAPL","name":"Apple Inc","currency":"USD",
                            "exchange":"NASDAQ","country":"United States",...}],"status":"ok"}
        /cryptocurrencies  {"data":[{"symbol":"BTC/USD","available_exchanges":["Binance"],
                            "currency_base":"Bitcoin","currency_quote":"US Dollar"}]}
        /forex_pairs       {"data":[{"symbol":"EUR/USD","currency_group":"Major",
                            "currency_base":"EUR","currency_quote":"USD"}]}

    A symbol listed on several exchanges is one instrument, for the provider gives the price of its
    first. Where a ticker and a coin would share a name, the coin keeps it and the stock is called
    ``BTC-USD-STOCK``: so both listings must be among them.

    Raises:
        DataError: One is not that.
    """
    found: dict[str, tuple[str, Instrument, msgspec.Raw]] = {}
    # Pairs come first: it is their names that others yield to.
    for path in sorted(bodies, key=LISTINGS.index, reverse=True):
        what = f"{path} of {venue}"
        refuse(bodies[path], what)
        try:
            raws = msgspec.json.decode(bodies[path], type=_Listing).data
            entries = [msgspec.json.decode(raw, type=_Entry) for raw in raws]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{what}: {error}") from None
        taken = {item.id for _, item, _ in found.values()}
        for entry, raw in zip(entries, raws, strict=True):
            if entry.symbol not in found:
                item = _instrument(entry, path, venue, taken)
                found[entry.symbol] = (path, item, raw.copy())
    return list(found.values())


_SHARES: Final = (STOCKS, FUNDS)


def _instrument(entry: _Entry, path: str, venue: VenueName, taken: set[InstrumentId]) -> Instrument:
    if path in _SHARES:
        kind = InstrumentKind.STOCK
        base, quote = entry.symbol, entry.currency
        symbol = f"{base}-{quote}"
        if instrument_id(symbol, venue) in taken:
            symbol = f"{symbol}-STOCK"
    else:
        kind = InstrumentKind.SPOT if path == COINS else InstrumentKind.FX
        base, _, quote = entry.symbol.partition("/")
        symbol = f"{base}-{quote}"
    if not base or not quote:
        raise DataError(f"{path} of {venue}: {entry.symbol[:40]!r} names no currency")
    price_tick, size_lot = STEPS[kind]
    return Instrument(
        id=instrument_id(symbol, venue),
        venue=venue,
        venue_symbol=entry.symbol,
        base=base,
        quote=quote,
        kind=kind,
        price_tick=price_tick,
        size_lot=size_lot,
    )
