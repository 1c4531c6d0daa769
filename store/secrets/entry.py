"""One account as it is kept, and the text a vault keeps of several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from core.model.credentials import (
    ENVIRONMENTS,
    AccountFacts,
    AccountName,
    Credentials,
    Environment,
    KeyTest,
    check_account_name,
    key_tail,
)
from core.model.errors import ConfigError, DataError
from core.model.redaction import SHORTEST

VERSION: Final = 1
LONGEST: Final = 8192
"""Characters of one field; a private key in PEM form takes 1,800 at most."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An account with its secrets."""

    account: AccountName
    venue: str
    environment: Environment
    api_key: str
    api_secret: str
    passphrase: str = ""
    notes: str = ""
    created_ns: int
    tested: KeyTest | None = None

    def __repr__(self) -> str:
        return f"Entry({self.account!r}, {self.venue!r}, api_key={key_tail(self.api_key)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("account", self.account), ("venue", self.venue)]

    def facts(self, kept_in: str) -> AccountFacts:
        """Return what may be shown."""
        return AccountFacts(
            account=self.account,
            venue=self.venue,
            environment=self.environment,
            key_tail=key_tail(self.api_key),
            created_ns=self.created_ns,
            kept_in=kept_in,
            notes=self.notes,
            tested=self.tested,
        )

    def credentials(self) -> Credentials:
        """Return the clear secrets."""
        return Credentials(
            account=self.account,
            venue=self.venue,
            environment=self.environment,
            api_key=self.api_key,
            api_secret=self.api_secret,
            passphrase=self.passphrase,
        )


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    accounts: tuple[Entry, ...]


def check_entry(entry: Entry) -> None:
    """Refuse an entry that could not be used or not be kept secret.

    Raises:
        ConfigError: Says which field and why; never its value.
    """
    check_account_name(entry.account)
    if entry.environment not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigError(f"environment must be one of {known}, was {entry.environment!r}")
    for name, value, least in (
        ("key", entry.api_key, SHORTEST),
        ("secret", entry.api_secret, SHORTEST),
        ("passphrase", entry.passphrase, SHORTEST if entry.passphrase else 0),
    ):
        if not least <= len(value) <= LONGEST:
            raise ConfigError(
                f"the {name} of {entry.account} must be {least} to {LONGEST} characters, was"
                f" {len(value)}"
            )
        if value != value.strip() or "\x00" in value:
            raise ConfigError(
                f"the {name} of {entry.account} must not begin or end with white space, or hold a"
                " zero byte; was it copied whole?"
            )
    if len(entry.notes) > LONGEST:
        raise ConfigError(
            f"the notes of {entry.account} must be at most {LONGEST} characters, was"
            f" {len(entry.notes)}"
        )


def encode(entries: Iterable[Entry]) -> bytes:
    """Return entries as the text a vault keeps, sorted by name."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.account))
    return msgspec.json.encode(_Kept(version=VERSION, accounts=ordered))


def decode(text: bytes) -> list[Entry]:
    """Return the entries of such a text.

    Raises:
        DataError: It is not one, or of a newer clx; the text itself is never shown.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version > VERSION:
            raise DataError(
                f"kept by a newer clx (version {version}, this one knows {VERSION}); update clx"
            )
        return list(msgspec.json.decode(text, type=_Kept).accounts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # The library's words name the place and the type, not the value.
        raise DataError(f"not a list of accounts: {error}") from None


class _Version(msgspec.Struct, frozen=True):
    version: int
