"""Gives each venue's connector its keys, and nobody else; the settings keep none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from core.model.credentials import AccountName, SecretStore, check_armable
from core.model.errors import ConfigError
from core.model.redaction import Redactor
from core.model.settings import Settings, VenueSettings

EMPTY = SecretStr("")
T = TypeVar("T", bound=BaseModel)


def learn_settings(redactor: Redactor, settings: Settings) -> None:
    """Have every secret in the settings taken out of what leaves the process."""
    for _, secret in _secrets(settings, ""):
        redactor.learn(secret.get_secret_value())


def inline_keys(settings: Settings) -> list[str]:
    """Return the keys of settings that hold a secret, such as ``venues.binance.api_secret``."""
    return [key for key, secret in _secrets(settings, "") if secret.get_secret_value()]


def without_venue_keys(settings: Settings) -> Settings:
    """Return settings for everybody but the venues' connectors: their keys are left out."""
    venues = {name: _bare(table) for name, table in settings.venues.items()}
    return settings.model_copy(update={"venues": venues})


def without_keys(settings: Settings) -> Settings:
    """Return settings for the engine and its faces: no key of any kind is in them."""
    feeds = {name: _bare(table) for name, table in settings.feeds.items()}
    return without_venue_keys(settings).model_copy(update={"feeds": feeds})


def keyed(name: str, table: VenueSettings, secrets: SecretStore) -> VenueSettings:
    """Return a venue's table with the clear keys of its account, for its connector alone.

    A table that names no account keeps the keys it has.

    Raises:
        ConfigError: There is no such account, it is another kind of venue's, or the store cannot
            be unlocked.
        StoreError: The store is damaged.
    """
    if not table.account:
        return table
    if any(getattr(table, field).get_secret_value() for field in _fields(table)):
        raise ConfigError(
            f"venues.{name} names the account {table.account!r} and has keys of its own; remove "
            "the keys from it, or the account"
        )
    clear = secrets.open(AccountName(table.account))
    kind = str(getattr(table, "kind", "")) or name
    if clear.venue.removeprefix("ccxt:") != kind.removeprefix("ccxt:"):
        raise ConfigError(
            f"venues.{name} is {kind}, its account {table.account!r} is one of {clear.venue}; name"
            " another account (`clx keys list`)"
        )
    update = {"api_key": SecretStr(clear.api_key), "api_secret": SecretStr(clear.api_secret)}
    if "passphrase" in type(table).model_fields:
        update["passphrase"] = SecretStr(clear.passphrase)
    return table.model_copy(update=update)


def check_live_keys(
    venues: Mapping[str, VenueSettings], secrets: SecretStore, *, now_ns: int
) -> None:
    """Refuse to let live orders out by keys of which it is not known that they cannot withdraw.

    Keys that stand in the settings were never tested, so they are refused as well.

    Raises:
        ConfigError: Names the venue, what is wrong with its key, and what to do.
        StoreError: The store is damaged.
    """
    for name, table in venues.items():
        if not table.account:
            raise ConfigError(
                f"venues.{name} has keys of its own, which were never tested, so live trading is"
                f" refused; `clx keys add` an account and name it: venues.{name}.account"
            )
        try:
            check_armable(secrets.facts(AccountName(table.account)), now_ns=now_ns)
        except ConfigError as error:
            raise ConfigError(f"venues.{name}: {error}") from None


def _bare(table: T) -> T:
    return table.model_copy(update=dict.fromkeys(_fields(table), EMPTY))


def _fields(table: BaseModel) -> list[str]:
    return [
        name for name in type(table).model_fields if isinstance(getattr(table, name), SecretStr)
    ]


def _secrets(node: object, path: str) -> Iterator[tuple[str, SecretStr]]:
    """Yield every secret below a part of the settings, with its key."""
    if isinstance(node, SecretStr):
        yield path, node
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _secrets(getattr(node, name), f"{path}.{name}" if path else name)
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from _secrets(item, f"{path}.{name}")
