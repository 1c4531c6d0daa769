from collections.abc import Callable
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from core.model.credentials import KeyPermissions, KeyTest
from core.model.errors import ConfigError
from core.model.redaction import Redactor
from core.model.settings import KeysSettings
from store.paths import find_paths
from store.secrets.accounts import Accounts, open_accounts
from store.secrets.entry import Entry
from store.secrets.sealed import Cost
from store.secrets.vaultfile import FileVault

Make = Callable[..., Entry]
Open = Callable[..., FileVault]
TEST = KeyTest(
    ts_ns=5,
    host="api.binance.com",
    own_host=True,
    permissions=KeyPermissions(read=True, trade=True, withdraw=False),
)


def test_an_account_is_opened_by_name(vault: Open, entry: Make) -> None:
    accounts = Accounts([vault()], Redactor())
    assert accounts.add(entry()) == "file"
    clear = accounts.open(entry().account)
    assert (clear.api_key, clear.api_secret) == (entry().api_key, entry().api_secret)
    assert clear.passphrase == "pass phrase 1"


def test_the_redactor_knows_a_secret_before_anybody_has_it(vault: Open, entry: Make) -> None:
    Accounts([vault()], Redactor()).add(entry())
    redactor = Redactor()
    Accounts([vault()], redactor).open(entry().account)
    for secret in (entry().api_key, entry().api_secret, entry().passphrase):
        assert secret not in redactor.text(f"refused: {secret}!")


def test_an_unknown_account_names_the_nearest(vault: Open, entry: Make) -> None:
    accounts = Accounts([vault()], Redactor())
    accounts.add(entry())
    with pytest.raises(ConfigError, match="no account 'binance-man'; did you mean 'binance-main'"):
        accounts.open("binance-man")  # type: ignore[arg-type]  # as a person writes it


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(vault: Open, entry: Make) -> None:
    accounts = Accounts([vault()], Redactor())
    accounts.add(entry())
    with pytest.raises(ConfigError, match="there is an account binance-main already"):
        accounts.add(entry(api_key="another-key-1234"))
    accounts.add(entry(api_key="another-key-1234"), replace=True)
    assert accounts.open(entry().account).api_key == "another-key-1234"


def test_facts_show_the_last_four_of_the_key_and_no_secret(vault: Open, entry: Make) -> None:
    accounts = Accounts([vault()], Redactor())
    accounts.add(entry())
    accounts.note_test(entry().account, TEST)
    (facts,) = accounts.all()
    assert facts.key_tail == "…abcd"
    assert facts.tested == TEST
    assert entry().api_secret not in repr(facts)


def test_the_first_vault_takes_new_ones_and_every_vault_is_searched(
    vault: Open, entry: Make, tmp_path: Path
) -> None:
    first, second = vault(path=tmp_path / "first"), vault(path=tmp_path / "second")
    second.put(entry("old-one"))
    accounts = Accounts([first, second], Redactor())
    accounts.add(entry("new-one"))
    assert [each.account for each in first.entries()] == ["new-one"]
    assert accounts.open(entry("old-one").account).account == "old-one"
    # A replacement stays where its account was: two of one name would shadow each other.
    accounts.add(entry("old-one", notes="new"), replace=True)
    assert [each.account for each in first.entries()] == ["new-one"]
    accounts.remove(entry("old-one").account)
    assert second.entries() == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"account": "Main Account"}, "an account's name must be"),
        ({"environment": "real"}, "environment must be one of live, demo"),
        ({"api_key": "k"}, "the key of binance-main must be 6 to 8192 characters, was 1"),
        ({"api_secret": ""}, "the secret of binance-main must be 6"),
        ({"passphrase": "abc"}, "the passphrase of binance-main must be 6"),
        ({"api_secret": "secret-with-blank "}, "white space"),
        ({"notes": "n" * 9000}, "notes of binance-main must be at most 8192"),
    ],
)
def test_an_entry_that_could_not_be_used_is_refused_without_its_value(
    vault: Open, entry: Make, fields: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        Accounts([vault()], Redactor()).add(entry(**fields))
    assert "secret-with-blank" not in str(refused.value)


def _without_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", keyring.backends.fail.Keyring)


def test_without_a_keyring_accounts_go_to_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: Make
) -> None:
    _without_a_keyring(monkeypatch)
    paths = find_paths({"CLX_HOME": str(tmp_path)})
    accounts = open_accounts(
        KeysSettings(), paths, Redactor(), lambda _: "a passphrase", Cost(log2_n=4)
    )
    assert accounts.add(entry()) == "file"
    assert paths.key_file == tmp_path / "keys.sealed"
    assert paths.key_file.exists()


def test_a_demanded_keyring_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _without_a_keyring(monkeypatch)
    paths = find_paths({"CLX_HOME": str(tmp_path)})
    with pytest.raises(ConfigError, match="this machine has none that keeps secrets"):
        open_accounts(KeysSettings(store="keyring"), paths, Redactor())
