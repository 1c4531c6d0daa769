"""The kinds of venues there is code for to send orders to; light, so anyone may ask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.model.errors import ConfigError, did_you_mean
from core.model.ids import VenueName
from core.model.settings import VenueSettings
from core.wire.loopback import LOOPBACK


class VenueKind(msgspec.Struct, frozen=True, kw_only=True):
    """Where an adapter is found, and whose instruments it trades."""

    place: str
    """``module:Class``."""
    market: str
    """The kind of feed that lists its instruments."""


KINDS: Final[Mapping[str, VenueKind]] = {
    "alpaca": VenueKind(place="core.venues.alpaca.venue:AlpacaVenue", market="alpaca"),
    "binance": VenueKind(place="core.venues.binance.venue:BinanceVenue", market="binance"),
    "binance_usdm": VenueKind(
        place="core.venues.binance_usdm.venue:BinanceUsdmVenue", market="binance_usdm"
    ),
    "deribit": VenueKind(place="core.venues.deribit.venue:DeribitVenue", market="deribit"),
    "okx": VenueKind(place="core.venues.okx.venue:OkxVenue", market="okx"),
}
"""Adapters of our own by kind."""

CCXT: Final = "ccxt:"
"""Kinds that begin so go through ccxt."""
CCXT_PLACE: Final = "core.venues.ccxt_pro.venue:CcxtVenue"


def venue_kind(name: str, table: VenueSettings) -> str:
    """Return the kind of a ``[venues.<name>]`` table.

    Raises:
        ConfigError: There is no such kind; names the table and the nearest known kind.
    """
    kind = table.kind or name
    if kind not in KINDS and not (kind.startswith(CCXT) and len(kind) > len(CCXT)):
        what = f"venues.{name}.kind must be one of" if table.kind else f"venues.{name}: no such"
        known = f"{', '.join(sorted(KINDS))} or {CCXT}<exchange>"
        words = f"{what} {known}" if table.kind else f"{what} venue; known: {known}"
        raise ConfigError(f"{words}, was {kind!r}{did_you_mean(kind, KINDS)}")
    return kind


def market_of(name: str, table: VenueSettings) -> VenueName:
    """Return the feed whose instruments a venue trades: what is set, else its kind's."""
    kind = table.kind or name
    known = KINDS.get(kind)
    return VenueName(table.market or (known.market if known else kind.removeprefix(CCXT)))


def account_name(url: str, table: VenueSettings) -> str:
    """Return what an account's request budget is filed under: its host, and a mark of its key."""
    mark = hashlib.sha256(table.api_key.get_secret_value().encode()).hexdigest()[:12]
    return f"{urlsplit(url).netloc}-{mark}"


def switch_words(seconds: float, *, by_symbol: bool = False) -> str:
    """Return how a dead-man switch stands while nothing is armed."""
    if not seconds:
        return "is off (dead_man_s is 0)"
    return "is armed with the first order that rests" if by_symbol else "is not armed yet"


def check_both(name: str, table: VenueSettings) -> None:
    """Refuse half an emulator: orders there, and the account's stream of the real venue.

    Raises:
        ConfigError: One address is this machine's, and the other is left to the venue's own.
    """
    given = {"rest_url": table.rest_url, "ws_api_url": table.ws_api_url}
    for key, url in given.items():
        other = next(each for each in given if each != key)
        if not given[other] and urlsplit(url).hostname in LOOPBACK:
            raise ConfigError(
                f"venues.{name}.{other} must be given as well: {key} is {url}, on this machine, "
                "and without it the venue's own host would be asked beside it"
            )


def hosts_of(
    name: str, table: VenueSettings, known: Mapping[str, tuple[str, str]]
) -> tuple[str, str]:
    """Return REST and stream address: those of the settings, else the venue's own.

    Raises:
        ConfigError: The venue has no such environment and an address is missing, or one address is
            this machine's and the other the venue's own.
    """
    rest_url, stream_url = known.get(table.environment, ("", ""))
    check_both(name, table)
    rest_url, stream_url = table.rest_url or rest_url, table.ws_api_url or stream_url
    if not rest_url or not stream_url:
        raise ConfigError(
            f"venues.{name}.environment must be one of {', '.join(sorted(known))}, was "
            f"{table.environment!r}; or give rest_url and ws_api_url"
        )
    return rest_url.rstrip("/"), stream_url.rstrip("/")
