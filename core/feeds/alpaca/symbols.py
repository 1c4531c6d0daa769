"""What Alpaca lists: its assets to instruments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

STOCK_TICK: Final = Decimal("0.0001")
"""Stocks quote in cents but print in fractions of them."""

STOCK_LOT: Final = Decimal("0.000001")
"""Whole shares as a rule; fractional shares are printed with up to six decimals."""

CRYPTO_STEP: Final = Decimal("0.000000001")
"""Nine decimals: prints and middles are finer than the increments orders must keep."""

_QUOTES: Final = ("USDT", "USDC", "USD", "BTC")


class _Asset(msgspec.Struct):
    symbol: str
    kind: str = msgspec.field(name="class")
    status: str = "active"
    tradable: bool = True
    min_order_size: str | None = None
    min_trade_increment: str | None = None
    price_increment: str | None = None


def parse_assets(bodies: Sequence[bytes], venue: VenueName) -> list[tuple[Instrument, msgspec.Raw]]:
    """Return every stock and crypto pair of some listings, each with the provider's words on it.

    ::

        [{"id":"904837e3-...","class":"us_equity","exchange":"NASDAQ","symbol":"AAPL",
          "status":"active","tradable":true,"fractionable":true, ...},
         {"id":"...","class":"crypto","exchange":"CRYPTO","symbol":"BTC/USD","status":"active",
          "tradable":true,"min_order_size":"0.000026","min_trade_increment":"0.000000001",
          "price_increment":"0.01"}]

    Where a ticker and a coin would share a name (the fund BTC and bitcoin), the coin keeps it and
    the stock is called ``BTC-USD-STOCK``: so both markets must be among the listings.

    Raises:
        DataError: It is not that.
    """
    try:
        raws = [raw for body in bodies for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
        assets = [msgspec.json.decode(raw, type=_Asset) for raw in raws]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"assets of {venue}: {error}") from None
    coins = {
        f"{base}-{quote}"
        for base, quote in (_pair(asset.symbol) for asset in assets if asset.kind == "crypto")
    }
    out: list[tuple[Instrument, msgspec.Raw]] = []
    for asset, raw in zip(assets, raws, strict=True):
        if asset.kind == "crypto":
            out.append((_crypto(asset, venue), raw.copy()))
        elif asset.kind == "us_equity":
            out.append((_stock(asset, venue, coins), raw.copy()))
    return out


def _stock(asset: _Asset, venue: VenueName, coins: Collection[str]) -> Instrument:
    symbol = f"{asset.symbol}-USD"
    return Instrument(
        id=instrument_id(f"{symbol}-STOCK" if symbol in coins else symbol, venue),
        venue=venue,
        venue_symbol=asset.symbol,
        base=asset.symbol,
        quote="USD",
        kind=InstrumentKind.STOCK,
        price_tick=STOCK_TICK,
        size_lot=STOCK_LOT,
        trading=asset.tradable and asset.status == "active",
    )


def _crypto(asset: _Asset, venue: VenueName) -> Instrument:
    base, quote = _pair(asset.symbol)
    where = f"{venue} {asset.symbol}"
    joined = f"{base}{quote}"
    return Instrument(
        id=instrument_id(f"{base}-{quote}", venue),
        venue=venue,
        venue_symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        price_tick=_finer(asset.price_increment, "price_increment", where),
        size_lot=_finer(asset.min_trade_increment, "min_trade_increment", where),
        min_size=_number(asset.min_order_size, "min_order_size", where),
        trading=asset.tradable and asset.status == "active",
        # Spelt without the stroke until 2023, and in positions still.
        aliases=(joined,) if len(joined) > 5 else (),
    )


def _pair(symbol: str) -> tuple[str, str]:
    base, stroke, quote = symbol.partition("/")
    if not stroke:
        quote = next((name for name in _QUOTES if symbol.endswith(name)), "")
        base = symbol.removesuffix(quote)
    if not base or not quote:
        raise DataError(f"crypto symbol must be BASE/QUOTE such as BTC/USD, was {symbol[:40]!r}")
    return base, quote


def _finer(text: str | None, key: str, where: str) -> Decimal:
    step = _number(text, key, where)
    return min(step, CRYPTO_STEP) if step else CRYPTO_STEP


def _number(text: str | None, key: str, where: str) -> Decimal:
    try:
        value = Decimal(text or "0")
    except InvalidOperation:
        raise DataError(f"{where}: {key} must be a decimal, was {str(text)[:40]!r}") from None
    if not value.is_finite() or value < 0:
        raise DataError(f"{where}: {key} must be 0 or more, was {text!r}")
    return value
