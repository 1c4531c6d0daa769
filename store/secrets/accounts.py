"""All accounts, wherever they are kept; the engine's `SecretStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.model.credentials import AccountFacts, AccountName, Credentials, KeyTest
from core.model.errors import ConfigError, did_you_mean
from core.model.redaction import Redactor
from core.model.settings import KeysSettings
from store.paths import Paths
from store.secrets.entry import Entry, check_entry
from store.secrets.osring import KeyringVault
from store.secrets.passphrase import PassphraseSource, Prompt
from store.secrets.sealed import Cost
from store.secrets.vaultfile import FileVault


class Vault(Protocol):
    """One place that keeps accounts."""

    kind: str

    def exists(self) -> bool:
        """Return whether anything is kept here."""
        ...

    def entries(self) -> list[Entry]:
        """Return every account."""
        ...

    def put(self, entry: Entry) -> None:
        """Keep an account, in place of one of its name."""
        ...

    def remove(self, account: AccountName) -> bool:
        """Forget an account; return whether it was there."""
        ...


class Accounts:
    """The accounts of every vault; implements `core.model.credentials.SecretStore`.

    New ones go to the first vault. The redactor learns an account's secrets before anybody else
    sees them.
    """

    def __init__(self, vaults: Sequence[Vault], redactor: Redactor) -> None:
        self._vaults = vaults
        self._redactor = redactor

    def open(self, account: AccountName) -> Credentials:
        """Return an account's clear secrets, for its venue's connector alone.

        Raises:
            ConfigError: There is no such account, or what unlocks the store is missing or wrong.
            StoreError: The store is damaged or cannot be read.
            TemporaryError: The keyring did not answer.
        """
        return self._find(account)[0].credentials()

    def facts(self, account: AccountName) -> AccountFacts:
        """Return what may be shown of an account; raises as `open`."""
        entry, vault = self._find(account)
        return entry.facts(vault.kind)

    def all(self) -> list[AccountFacts]:
        """Return what may be shown of every account, by name; raises as `open`."""
        found = [entry.facts(vault.kind) for entry, vault in self._everything()]
        return sorted(found, key=lambda facts: facts.account)

    @property
    def keeps_in(self) -> str:
        """Where a new account goes."""
        return self._vaults[0].kind

    def add(self, entry: Entry, *, replace: bool = False) -> str:
        """Keep an account and return where.

        Raises:
            ConfigError: A field is wrong, or the name is taken and is not to be replaced.
            StoreError: It could not be kept.
        """
        check_entry(entry)
        self._learn(entry)
        taken = [vault for kept, vault in self._everything() if kept.account == entry.account]
        if taken and not replace:
            raise ConfigError(
                f"there is an account {entry.account} already; give another name, or --replace"
            )
        vault = taken[0] if taken else self._vaults[0]
        vault.put(entry)
        return vault.kind

    def guard(self, entry: Entry) -> None:
        """Have the redactor know the secrets of an entry that is not kept yet."""
        self._learn(entry)

    def remove(self, account: AccountName) -> None:
        """Forget an account; raises as `open`."""
        self._find(account)[1].remove(account)

    def note_test(self, account: AccountName, test: KeyTest) -> None:
        """Keep what the venue said of an account's key; raises as `open` and `add`."""
        entry, vault = self._find(account)
        vault.put(msgspec.structs.replace(entry, tested=test))

    def _find(self, account: AccountName) -> tuple[Entry, Vault]:
        names = []
        for vault in self._vaults:
            if not vault.exists():
                continue
            # One vault after the other: where the keyring has it, no passphrase is asked for.
            for entry in vault.entries():
                if entry.account == account:
                    self._learn(entry)
                    return entry, vault
                names.append(entry.account)
        hint = did_you_mean(account, names) or "; `clx keys list` shows those there are"
        raise ConfigError(f"there is no account {account!r}{hint}, `clx keys add` makes one")

    def _everything(self) -> list[tuple[Entry, Vault]]:
        found: list[tuple[Entry, Vault]] = []
        for vault in self._vaults:
            if vault.exists():
                found += [(entry, vault) for entry in vault.entries()]
        for entry, _ in found:
            self._learn(entry)
        return found

    def _learn(self, entry: Entry) -> None:
        self._redactor.learn(entry.api_key, entry.api_secret, entry.passphrase)


def open_accounts(
    settings: KeysSettings,
    paths: Paths,
    redactor: Redactor,
    prompt: Prompt | None = None,
    cost: Cost = Cost(),  # noqa: B008  frozen
) -> Accounts:
    """Return the accounts of this installation; nothing is unlocked yet.

    Raises:
        ConfigError: A keyring is demanded and this machine has none.
    """
    file = FileVault(paths.key_file, PassphraseSource(prompt), cost)
    if settings.store == "file":
        return Accounts([file], redactor)
    ring = KeyringVault(f"clx {paths.config}", settings.keyring_timeout_s)
    if ring.usable():
        return Accounts([ring, file], redactor)
    if settings.store == "keyring":
        raise ConfigError(
            "keys.store = 'keyring' and this machine has none that keeps secrets (a Secret "
            "Service such as GNOME Keyring or KWallet must run); use 'auto' or 'file'"
        )
    return Accounts([file], redactor)
