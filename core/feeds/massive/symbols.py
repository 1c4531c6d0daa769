"""What Massive lists: its reference tickers to instruments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

STOCK_TICK: Final = Decimal("0.0001")
"""Stocks quote in cents but print in fractions of them."""

STOCK_LOT: Final = Decimal("0.000001")
"""Shares are printed in parts, since 2026 with decimals of their own."""

COIN_TICK: Final = Decimal("0.0000000001")
COIN_LOT: Final = Decimal("0.00000001")
"""Ten and eight decimals: the finest the exchanges behind it print."""


class _Ticker(msgspec.Struct):
    ticker: str
    market: str = ""
    active: bool = True
    currency_name: str = ""
    currency_symbol: str = ""
    base_currency_symbol: str = ""


class Page(msgspec.Struct):
    """A page of a listing or of bars, as far as all of them are alike."""

    results: msgspec.Raw = msgspec.Raw(b"[]")
    status: str = "OK"
    next_url: str | None = None
    error: str = ""
    message: str = ""


_GOOD: Final = frozenset({"OK", "DELAYED", "success"})


def read_page(body: bytes, what: str) -> Page:
    """Return a page, its results still unread.

    Raises:
        DataError: It is none, or the provider says what is wrong in its place.
    """
    page = decoded(body, Page, what)
    if page.status not in _GOOD:
        words = page.error or page.message
        raise DataError(f"{what}: answered {page.status[:20]} {words[:160]}")
    return page


def parse_tickers(
    raws: Sequence[msgspec.Raw], venue: VenueName
) -> list[tuple[Instrument, msgspec.Raw]]:
    """Return the stocks and crypto pairs of reference tickers, each with the provider's words.

    ::

        {"ticker":"AAPL","name":"Apple Inc.","market":"stocks","locale":"us","type":"CS",
         "primary_exchange":"XNAS","active":true,"currency_name":"usd", ...}
        {"ticker":"X:BTCUSD","name":"Bitcoin - United States dollar","market":"crypto",
         "locale":"global","active":true,"currency_symbol":"USD","base_currency_symbol":"BTC"}

    Where a ticker and a coin would share a name (the fund BTC and bitcoin), the coin keeps it and
    the stock is called ``BTC-USD-STOCK``: so both markets must be among them.

    Raises:
        DataError: One is not that.
    """
    try:
        tickers = [msgspec.json.decode(raw, type=_Ticker) for raw in raws]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"tickers of {venue}: {error}") from None
    coins = {_coin_name(item) for item in tickers if item.market == "crypto"}
    out: list[tuple[Instrument, msgspec.Raw]] = []
    for item, raw in zip(tickers, raws, strict=True):
        if item.market == "crypto":
            out.append((_coin(item, venue), raw.copy()))
        elif item.market == "stocks" and item.currency_name:
            out.append((_stock(item, venue, coins), raw.copy()))
    return out


def split_results(bodies: Iterable[bytes], what: str) -> list[msgspec.Raw]:
    """Return the results of several pages, each still unread.

    Raises:
        DataError: A page is none.
    """
    try:
        return [
            raw
            for body in bodies
            for raw in msgspec.json.decode(read_page(body, what).results, type=list[msgspec.Raw])
        ]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{what}: {error}") from None


def _stock(item: _Ticker, venue: VenueName, coins: set[str]) -> Instrument:
    quote = item.currency_name.upper()
    symbol = f"{item.ticker}-{quote}"
    return Instrument(
        id=instrument_id(f"{symbol}-STOCK" if symbol in coins else symbol, venue),
        venue=venue,
        venue_symbol=item.ticker,
        base=item.ticker,
        quote=quote,
        kind=InstrumentKind.STOCK,
        price_tick=STOCK_TICK,
        size_lot=STOCK_LOT,
        trading=item.active,
    )


def _coin(item: _Ticker, venue: VenueName) -> Instrument:
    name = _coin_name(item)
    return Instrument(
        id=instrument_id(name, venue),
        venue=venue,
        venue_symbol=item.ticker,
        base=item.base_currency_symbol,
        quote=item.currency_symbol,
        price_tick=COIN_TICK,
        size_lot=COIN_LOT,
        trading=item.active,
        # The stream spells it so.
        aliases=(name,),
    )


def _coin_name(item: _Ticker) -> str:
    if not item.base_currency_symbol or not item.currency_symbol:
        raise DataError(
            f"ticker {item.ticker[:40]!r} must name base_currency_symbol and currency_symbol"
        )
    return f"{item.base_currency_symbol}-{item.currency_symbol}"
