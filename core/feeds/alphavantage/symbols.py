"""What Alpha Vantage knows: US stocks by its listing, currencies and coins against the dollar."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

STEPS: Final = {
    InstrumentKind.STOCK: (Decimal("0.0001"), Decimal(1)),
    InstrumentKind.SPOT: (Decimal("0.00000001"), Decimal("0.00000001")),
    InstrumentKind.FX: (Decimal("0.00000001"), Decimal(1)),
}
"""Price and size step: the decimals the provider prints; it states no tick."""

_QUOTE: Final = "USD"


def parse_listing(
    stocks: bytes, coins: bytes, currencies: bytes, venue: VenueName
) -> list[Instrument]:
    """Return the instruments of the three lists.

    ::

        LISTING_STATUS          symbol,name,exchange,assetType,ipoDate,delistingDate,status
                                AAPL,Apple Inc,NASDAQ,Stock,1980-12-12,null,Active
        /digital_currency_list  currency code,currency name
                                BTC,Bitcoin
        /physical_currency_list currency code,currency name
                                EUR,Euro

    Where a ticker and a coin would share a name, the coin keeps it and the stock is called
    ``BTC-USD-STOCK``.

    Raises:
        DataError: One is not that.
    """
    out: dict[str, Instrument] = {}
    for body, kind in ((coins, InstrumentKind.SPOT), (currencies, InstrumentKind.FX)):
        for row in _rows(body, ("currency code",), f"list of {kind} of {venue}"):
            code = row["currency code"]
            if code and code != _QUOTE and f"{code}-{_QUOTE}" not in out:
                out[f"{code}-{_QUOTE}"] = _instrument(f"{code}/{_QUOTE}", code, kind, "", venue)
    for row in _rows(stocks, ("symbol", "status"), f"listing of {venue}"):
        ticker = row["symbol"]
        name = f"{ticker}-{_QUOTE}"
        if row["status"] != "Active" or not ticker:
            continue
        suffix = "-STOCK" if name in out else ""
        out[f"{name}{suffix}"] = _instrument(
            ticker, ticker, InstrumentKind.STOCK, suffix, venue
        )  # fmt: skip
    return list(out.values())


def listing_rows(instruments: Iterable[Instrument]) -> tuple[bytes, bytes, bytes]:
    """Return the three lists, of some instruments alone, as `parse_listing` reads them."""
    stocks, coins, currencies = ["symbol,status"], ["currency code"], ["currency code"]
    for item in instruments:
        match item.kind:
            case InstrumentKind.STOCK:
                stocks.append(f"{item.venue_symbol},Active")
                if item.symbol.endswith("-STOCK"):
                    coins.append(item.base)
            case InstrumentKind.FX:
                currencies.append(item.base)
            case _:
                coins.append(item.base)
    joined = [
        ("\n".join(dict.fromkeys(rows)) + "\n").encode() for rows in (stocks, coins, currencies)
    ]
    return joined[0], joined[1], joined[2]


def _instrument(
    symbol: str, base: str, kind: InstrumentKind, suffix: str, venue: VenueName
) -> Instrument:
    price_tick, size_lot = STEPS[kind]
    return Instrument(
        id=instrument_id(f"{base}-{_QUOTE}{suffix}", venue),
        venue=venue,
        venue_symbol=symbol,
        base=base,
        quote=_QUOTE,
        kind=kind,
        price_tick=price_tick,
        size_lot=size_lot,
    )


def _rows(body: bytes, needed: Sequence[str], what: str) -> Iterator[dict[str, str]]:
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{what}: {error}") from None
    reader = csv.DictReader(lines)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(f"{what}: must be a table with {missing[0]!r}, was {body[:60]!r}")
    for row in reader:
        yield {
            name: (value or "").strip()
            for name, value in zip(names, row.values(), strict=False)
            if isinstance(value, str | None)
        }
