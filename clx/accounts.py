"""Gives each venue's connector its keys, and nobody else; the settings keep none."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr

from core.model.credentials import AccountName, SecretStore
from core.model.errors import ConfigError
from core.model.redaction import Redactor
from core.model.settings import Settings, VenueSettings

EMPTY = SecretStr("")


def learn_settings(redactor: Redactor, settings: Settings) -> None:
    """Have every secret in the settings taken out of what leaves the process."""
    for _, secret in _secrets(settings, ""):
        redactor.learn(secret.get_secret_value())


def inline_keys(settings: Settings) -> list[str]:
    """Return the keys of settings that hold a secret, such as ``venues.binance.api_secret``."""
    return [key for key, secret in _secrets(settings, "") if secret.get_secret_value()]


def without_venue_keys(settings: Settings) -> Settings:
    """Return settings for everybody but the connectors: venues' keys are left out."""
    venues = {
        name: table.model_copy(update=dict.fromkeys(_fields(table), EMPTY))
        for name, table in settings.venues.items()
    }
    return settings.model_copy(update={"venues": venues})


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
    update = {"api_key": SecretStr(clear.api_key), "api_secret": SecretStr(clear.api_secret)}
    if "passphrase" in type(table).model_fields:
        update["passphrase"] = SecretStr(clear.passphrase)
    return table.model_copy(update=update)


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
