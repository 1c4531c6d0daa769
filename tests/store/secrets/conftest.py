"""Accounts and vaults that cost nothing to open."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.model.credentials import AccountName
from store.secrets.entry import Entry
from store.secrets.passphrase import PassphraseSource
from store.secrets.sealed import Cost
from store.secrets.vaultfile import FileVault

QUICK = Cost(log2_n=4)


@pytest.fixture
def entry() -> Callable[..., Entry]:
    """Make an entry; fields may be replaced."""

    def make(account: str = "binance-main", **fields: object) -> Entry:
        known: dict[str, object] = {
            "account": AccountName(account),
            "venue": "binance",
            "environment": "live",
            "api_key": "k3y-of-the-account-0123456789abcd",
            "api_secret": "s3cret/of+the=account-0123456789",
            "passphrase": "pass phrase 1",
            "notes": "made by hand",
            "created_ns": 1_700_000_000_000_000_000,
        }
        return Entry(**(known | fields))  # type: ignore[arg-type]  # a table of fields

    return make


@pytest.fixture
def vault(tmp_path: Path) -> Callable[..., FileVault]:
    """Make a vault in a file, with a passphrase that is asked for."""

    def make(passphrase: str = "correct horse", path: Path | None = None) -> FileVault:
        source = PassphraseSource(lambda _: passphrase, env={})
        return FileVault(path or tmp_path / "keys.sealed", source, QUICK)

    return make
