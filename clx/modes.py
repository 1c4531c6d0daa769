"""What only the settings as a whole can get wrong; light, so that it is told before all else."""

from __future__ import annotations

from typing import Final

from core.feeds.hosts import check_addresses
from core.feeds.kinds import kind_named
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId, split_instrument_id
from core.model.settings import Settings
from core.model.views import Mode
from core.venues.kinds import venue_kind

MODES: Final[dict[str, Mode]] = {"sim": "SIM", "paper": "PAPER", "live": "LIVE"}


def unfed(settings: Settings) -> list[str]:
    """Return what is wrong with the watchlist that no venue will ever tell: it has no feed."""
    named: dict[str, list[str]] = {}
    for name in settings.engine.watchlist:
        named.setdefault(name.rpartition(".")[2], []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)} on the watchlist: no feed "
        f"is called {venue!r}{did_you_mean(venue, settings.feeds)}; add [feeds.{venue}] or mend "
        "the name (engine.watchlist)"
        for venue, names in named.items()
        if venue not in settings.feeds
    ]


def check_modes(settings: Settings) -> None:
    """Refuse settings that only together are wrong.

    Raises:
        ConfigError: Names the keys and what to do.
    """
    for name, table in settings.feeds.items():
        try:
            kind_named(table.kind or name)
        except ConfigError as error:
            raise ConfigError(f"feeds.{name}: {error}") from None
        check_addresses(table, name)
    for name, account in settings.venues.items():
        venue_kind(name, account)
    _check_scopes(settings)
    if settings.mode != "live":
        return
    if not settings.trading.live:
        raise ConfigError(
            "mode = 'live' sends real orders: set trading.live = true as well, or use paper"
        )
    for name, venue in settings.venues.items():
        if venue.account:
            continue
        if not venue.api_key.get_secret_value() or not venue.api_secret.get_secret_value():
            raise ConfigError(
                f"venues.{name}: mode = 'live' needs the keys of an account: `clx keys add` one "
                f'and name it, venues.{name}.account = "..." (api_key and api_secret work too)'
            )


def _check_scopes(settings: Settings) -> None:
    """Refuse limits of an account, market, instrument or strategy that is not set up."""
    risk = settings.risk
    markets = {
        table.market or table.kind.removeprefix("ccxt:") or name
        for name, table in settings.venues.items()
    } | settings.feeds.keys()
    # On paper every feed is an account of its own.
    accounts = settings.venues.keys() | settings.feeds.keys() | {"paper"}
    for kind, named, known in (
        ("accounts", risk.accounts, accounts),
        ("venues", risk.venues, markets),
        ("strategies", risk.strategies, settings.strategies.keys()),
    ):
        for name in named:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                raise ConfigError(
                    f"risk.{kind}.{name}: there is none of this name"
                    f"{did_you_mean(name, known)}; known: {there}"
                )
    for name in risk.instruments:
        try:
            _, market = split_instrument_id(InstrumentId(name))
        except ConfigError as error:
            raise ConfigError(f"risk.instruments.{name}: {error}") from None
        if market not in markets:
            raise ConfigError(
                f"risk.instruments.{name}: no feed {market!r} is set up"
                f"{did_you_mean(market, markets)}"
            )
