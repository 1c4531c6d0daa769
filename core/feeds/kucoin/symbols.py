"""What KuCoin lists: answers of ``/api/v2/symbols`` to instruments."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.feeds.decimals import Decimals
from core.feeds.kucoin.frames import Answer
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument


class _Symbol(msgspec.Struct):
    symbol: str
    name: str
    baseCurrency: str
    quoteCurrency: str
    baseIncrement: str
    priceIncrement: str
    baseMinSize: str = ""
    baseMaxSize: str = ""
    minFunds: str | None = None
    enableTrading: bool = True
    tradingStartTime: int | None = None


def parse_symbols(body: bytes, venue: VenueName) -> list[Instrument]:
    """Return every listed instrument.

    ::

        {"code":"200000","data":[{"symbol":"BTC-USDT","name":"BTC-USDT","baseCurrency":"BTC",
         "quoteCurrency":"USDT","baseMinSize":"0.00001","baseMaxSize":"10000000000",
         "baseIncrement":"0.00000001","quoteIncrement":"0.000001","priceIncrement":"0.1",
         "minFunds":"0.1","enableTrading":true,"tradingStartTime":null,...}]}

    `symbol` never changes; `name` does when a currency is renamed, so ours follows it, and the
    former spelling stays an alias.

    Raises:
        DataError: It is not that.
    """
    try:
        answer = msgspec.json.decode(body, type=Answer[list[_Symbol]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"symbols of {venue}: {error}") from None
    if answer.code != "200000" or answer.data is None:
        raise DataError(f"symbols of {venue}: code {answer.code}, {answer.msg[:120]}")
    symbols = {item.symbol for item in answer.data}
    return [_instrument(item, venue, item.name in symbols) for item in answer.data]


def _instrument(item: _Symbol, venue: VenueName, name_is_taken: bool) -> Instrument:
    numbers = Decimals(f"{venue} {item.symbol}")
    # A name that is another one's symbol would be of two instruments.
    taken = name_is_taken and item.name != item.symbol
    base, _, quote = (item.symbol if taken else item.name).partition("-")
    if not base or not quote:
        base, quote = item.baseCurrency, item.quoteCurrency
    start_ms = item.tradingStartTime or 0
    return Instrument(
        id=instrument_id(f"{base}-{quote}", venue),
        venue=venue,
        venue_symbol=item.symbol,
        base=base,
        quote=quote,
        price_tick=_step(numbers.stated(item.priceIncrement, "priceIncrement"), item.symbol),
        size_lot=_step(numbers.stated(item.baseIncrement, "baseIncrement"), item.symbol),
        min_size=numbers[item.baseMinSize] or Decimal(0),
        max_size=numbers[item.baseMaxSize] or Decimal(0),
        min_notional=numbers[item.minFunds or ""] or Decimal(0),
        trading=item.enableTrading,
        listed_ns=start_ms * 1_000_000 if 0 < start_ms < 9_000_000_000_000 else 0,
        aliases=() if name_is_taken else (item.name,),
    )


def _step(value: Decimal, symbol: str) -> Decimal:
    if not value > 0:
        raise DataError(f"{symbol}: increments must be above 0, was {value}")
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else plain
