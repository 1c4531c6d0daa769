"""Accounts at venues: what is secret of them, what is not, and what a key may do."""

from __future__ import annotations

import re
from typing import Final, Literal, NewType, Protocol, TypeAlias, final

import msgspec

from core.model.errors import ConfigError

AccountName = NewType("AccountName", str)
"""Our name of an account at a venue, such as ``binance-main``."""

Environment: TypeAlias = Literal["live", "demo", "testnet", "paper"]
"""Whose money: real, or the venue's own play money."""

ENVIRONMENTS: Final[tuple[Environment, ...]] = ("live", "demo", "testnet", "paper")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")


@final
class Credentials:
    """An account's clear secrets, for the constructor of its venue's connector and nobody else.

    Not a struct on purpose: no codec of ours can write it, `pickle` refuses it, and printing it
    shows no more than the last characters of the key.
    """

    __slots__ = ("account", "api_key", "api_secret", "environment", "passphrase", "venue")

    def __init__(
        self,
        *,
        account: AccountName,
        venue: str,
        environment: Environment,
        api_key: str,
        api_secret: str,
        passphrase: str = "",
    ) -> None:
        self.account = account
        self.venue = venue
        self.environment = environment
        self.api_key = api_key
        self.api_secret = api_secret
        self.passphrase = passphrase

    def __repr__(self) -> str:
        return f"Credentials({self.account!r}, api_key={key_tail(self.api_key)!r})"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not to be copied to another process")


class KeyPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says one of its keys may do."""

    read: bool
    trade: bool
    withdraw: bool | None
    """None: the venue has no way to say."""
    transfer: bool = False
    """Between wallets or sub-accounts of the same owner."""
    ip_bound: bool | None = None
    """Only of use from addresses the owner named; None where the venue does not say."""
    expires_ns: int = 0
    """0: never, as far as the venue says."""
    words: tuple[str, ...] = ()
    """The permissions in the venue's own words."""
    note: str = ""


class KeyTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a key's venue answered, and when."""

    ts_ns: int
    host: str
    """Who was asked; empty for what the owner attested."""
    own_host: bool
    """It was the venue's own for the account's environment, no emulator and no proxy."""
    permissions: KeyPermissions
    attested: bool = False
    """The owner says so: this venue cannot be asked."""


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that may be shown of an account."""

    account: AccountName
    venue: str
    environment: Environment
    key_tail: str
    created_ns: int
    kept_in: str
    notes: str = ""
    tested: KeyTest | None = None


class SecretStore(Protocol):
    """Where `clx.compose` gets what it hands to a venue's connector."""

    def open(self, account: AccountName) -> Credentials:
        """Return an account's clear secrets.

        Raises:
            ConfigError: There is no such account, or what unlocks the store is missing or wrong.
            StoreError: The store is damaged or cannot be read.
        """
        ...

    def facts(self, account: AccountName) -> AccountFacts:
        """Return what may be shown of an account; raises as `open`."""
        ...


def check_account_name(text: str) -> AccountName:
    """Return `text` as the name of an account.

    Raises:
        ConfigError: It is none.
    """
    if not _NAME.fullmatch(text):
        raise ConfigError(
            "an account's name must be 1-48 of a-z, 0-9, dot, dash and underscore, beginning with "
            f"a letter or digit, such as binance-main; was {text!r}"
        )
    return AccountName(text)


def key_tail(api_key: str) -> str:
    """Return the last four characters of a key, all that is ever shown of one."""
    return f"…{api_key[-4:]}" if len(api_key) >= 12 else "…"


def refuse_withdrawing(name: str, permissions: KeyPermissions, remedy: str) -> None:
    """Refuse a key that could send money away.

    Args:
        name: The account.
        permissions: What the venue says of the key.
        remedy: How to make a key at this venue that cannot.

    Raises:
        ConfigError: It can withdraw.
    """
    if permissions.withdraw:
        said = ", ".join(permissions.words) or "withdraw"
        raise ConfigError(
            f"the key of {name} can withdraw (the venue says: {said}); clx takes no such key, for "
            f"whoever steals it takes the money. {remedy}"
        )


def check_armable(facts: AccountFacts, *, now_ns: int) -> None:
    """Refuse to trade real money with a key of which it is not known that it cannot withdraw.

    Raises:
        ConfigError: The key is untested, can withdraw, cannot trade or has expired; says which and
            what to do. Accounts of play money always pass.
    """
    if facts.environment != "live":
        return
    name, test = facts.account, facts.tested
    again = f"run `clx keys test {name}`"
    if test is None:
        raise ConfigError(
            f"the key of {name} was never tested, so live trading is refused; {again}"
        )
    may = test.permissions
    if not test.attested and not test.own_host:
        raise ConfigError(
            f"the key of {name} was tested at {test.host}, which is not the venue's own host; "
            f"{again} without --rest-url"
        )
    if may.withdraw is not False:
        can = "can withdraw" if may.withdraw else "may be able to withdraw, nobody knows"
        raise ConfigError(f"the key of {name} {can}, so live trading is refused; make another key")
    if not may.trade:
        raise ConfigError(
            f"the key of {name} cannot trade ({', '.join(may.words) or 'no permissions'}); allow "
            f"it at the venue, then {again}"
        )
    if 0 < may.expires_ns <= now_ns:
        raise ConfigError(f"the key of {name} has expired; make another and `clx keys add` it")
