"""Options as instruments: contracts are listed by underlying, or one by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.feeds.answers import decoded
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.occ import OptionName, read_option

PATH: Final = "/v2/options/contracts"
_PAGE: Final = 10_000
"""Most contracts the provider gives at once."""
_MOST_PAGES: Final = 100
_PENNY: Final = Decimal("0.01")
_RIGHTS: Final = {"C": "call", "P": "put"}
_NEW_YORK: Final = "America/New_York"
_CLOSE: Final = time(16)

Fetch = Callable[[str, list[tuple[str, str]], str], Awaitable[bytes]]
"""Asks the trading host: path, parameters and what for; returns a good answer's body."""


class _Contract(msgspec.Struct):
    symbol: str
    type: str
    strike_price: Decimal
    expiration_date: str
    underlying_symbol: str
    multiplier: Decimal = Decimal(100)
    tradable: bool = True


class _Page(msgspec.Struct):
    option_contracts: list[msgspec.Raw]
    next_page_token: str | None = None


Listed = list[tuple[Instrument, msgspec.Raw]]
"""Options, each with the provider's words on it."""


async def fetch_chain(fetch: Fetch, underlying: str, today: str, venue: VenueName) -> Listed:
    """Fetch every option on a share that has not expired, all pages.

    Raises:
        TemporaryError: The provider is away.
        DataError: Its answer is not what it documents.
    """
    where = [("underlying_symbols", underlying), ("expiration_date_gte", today)]
    return await _fetch(fetch, where, f"options on {underlying}", venue)


async def fetch_one(fetch: Fetch, name: OptionName, venue: VenueName) -> Listed:
    """Fetch the option of a name; empty where the provider lists none.

    Raises:
        TemporaryError: The provider is away.
        DataError: Its answer is not what it documents.
    """
    strike = format(name.strike, "f")
    where = [
        ("root_symbol", name.root), ("expiration_date", f"{name.expiry:%Y-%m-%d}"),
        ("type", _RIGHTS[name.right]), ("strike_price_gte", strike), ("strike_price_lte", strike),
    ]  # fmt: skip
    found = await _fetch(fetch, where, f"option {name.occ}", venue)
    return [each for each in found if each[0].venue_symbol == name.occ]


async def _fetch(
    fetch: Fetch, where: Sequence[tuple[str, str]], what: str, venue: VenueName
) -> Listed:
    out: Listed = []
    token = ""
    for _ in range(_MOST_PAGES):
        params = [*where, ("status", "active"), ("limit", str(_PAGE))]
        body = await fetch(PATH, [*params, ("page_token", token)] if token else params, what)
        page = decoded(body, _Page, what)
        out += _made(page, venue, what)
        following = page.next_page_token or ""
        if not following:
            return out
        if following == token:
            raise DataError(f"{what}: the provider gave the same page token twice: {token!r}")
        token = following
    raise DataError(f"{what}: more than {_MOST_PAGES} pages of {_PAGE}")


def read_contracts(body: bytes, venue: VenueName) -> list[Instrument]:
    """Return the options of an answer.

    ::

        {"option_contracts":[{"id":"98359ef7-..","symbol":"AAPL250620C00100000","status":"active",
          "tradable":true,"expiration_date":"2025-06-20","root_symbol":"AAPL","type":"call",
          "underlying_symbol":"AAPL","style":"american","strike_price":"100","multiplier":"100",
          "size":"100", ...}],"next_page_token":null}

    Raises:
        DataError: It is not that.
    """
    what = f"options of {venue}"
    return [item for item, _ in _made(decoded(body, _Page, what), venue, what)]


def _made(page: _Page, venue: VenueName, what: str) -> Listed:
    try:
        rows = [(msgspec.json.decode(raw, type=_Contract), raw) for raw in page.option_contracts]
    except msgspec.DecodeError as error:
        raise DataError(f"{what}: {error}") from None
    return [(_option(row, venue), raw.copy()) for row, raw in rows]


def _option(row: _Contract, venue: VenueName) -> Instrument:
    name = read_option(row.symbol)
    told = (row.expiration_date, row.type, row.strike_price)
    if name is None or (f"{name.expiry:%Y-%m-%d}", _RIGHTS[name.right], name.strike) != told:
        said = f"{row.symbol!r}, {' '.join(map(str, told))}"
        raise DataError(f"an option's symbol must say what its fields do, was {said}")
    if row.multiplier <= 0:
        raise DataError(f"{row.symbol}: multiplier must be above 0, was {row.multiplier}")
    ends = datetime.combine(name.expiry, _CLOSE, ZoneInfo(_NEW_YORK)).astimezone(UTC)
    return Instrument(
        id=instrument_id(name.symbol, venue),
        venue=venue,
        venue_symbol=row.symbol,
        base=row.underlying_symbol,
        quote="USD",
        kind=InstrumentKind.OPTION,
        price_tick=_PENNY,
        size_lot=Decimal(1),
        min_size=Decimal(1),
        contract_size=row.multiplier,
        settle="USD",
        expiry_ns=int(ends.timestamp()) * 1_000_000_000,
        strike=name.strike,
        option_right="call" if name.right == "C" else "put",
        trading=row.tradable,
    )
