from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clx.accounts import (
    check_live_keys,
    inline_keys,
    keyed,
    learn_settings,
    without_keys,
    without_venue_keys,
)
from clx.compose import Assembly
from clx.modes import check_modes
from clx.sim import EmulatorAddress
from core.model.credentials import (
    AccountFacts,
    AccountName,
    Credentials,
    KeyPermissions,
    KeyTest,
)
from core.model.errors import ConfigError
from core.model.redaction import Redactor
from core.model.settings import Settings
from store.paths import find_paths

KEY, SECRET = "inline-key-0000001", "inline-secret-0000001"


class Store:
    """One account, and how often it was opened."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, account: AccountName) -> Credentials:
        self.opened.append(account)
        return Credentials(
            account=account,
            venue="binance",
            environment="live",
            api_key="kept-key-0000001",
            api_secret="kept-secret-0000001",
            passphrase="kept-phrase-1",
        )

    def facts(self, account: AccountName) -> AccountFacts:
        pytest.fail(f"asked about {account}")


def _settings(**venue: Any) -> Settings:
    return Settings.model_validate({"venues": {"binance": venue}})


def test_a_connector_gets_the_keys_of_the_account_its_table_names() -> None:
    store = Store()
    table = keyed("binance", _settings(account="main").venues["binance"], store)
    assert table.api_key.get_secret_value() == "kept-key-0000001"
    assert table.api_secret.get_secret_value() == "kept-secret-0000001"
    assert store.opened == ["main"]
    assert "kept-secret" not in repr(table)


def test_a_table_without_an_account_keeps_its_keys_and_opens_nothing() -> None:
    store = Store()
    table = keyed("b", _settings(api_key=KEY, api_secret=SECRET).venues["binance"], store)
    assert table.api_key.get_secret_value() == KEY
    assert store.opened == []


def test_an_account_of_another_venue_is_refused() -> None:
    tree = {"venues": {"okx": {"account": "main"}}}
    table = Settings.model_validate(tree).venues["okx"]
    with pytest.raises(ConfigError, match=r"venues\.okx is okx, its account 'main' is one of bin"):
        keyed("okx", table, Store())


def test_the_simulated_market_needs_no_account(tmp_path: Path) -> None:
    address = EmulatorAddress(
        pid=1,
        port=9,
        api_key="k" * 32,
        api_secret="s" * 32,
        rest_url="http://127.0.0.1:9",
        stream_url="ws://127.0.0.1:9",
        ws_api_url="ws://127.0.0.1:9/ws-api/v3",
    )
    paths = find_paths({"CLX_HOME": str(tmp_path)})
    assembly = Assembly(_settings(account="main"), paths, address)
    assert set(assembly.venues(lambda: pytest.fail("asked"))) == {"binance"}


def test_keys_in_two_places_are_refused() -> None:
    table = _settings(account="main", api_key=KEY).venues["binance"]
    with pytest.raises(ConfigError, match="names the account 'main' and has keys of its own"):
        keyed("binance", table, Store())


def test_the_settings_of_everybody_else_hold_no_venue_key() -> None:
    bare = without_venue_keys(_settings(api_key=KEY, api_secret=SECRET, recv_window_ms=777))
    assert bare.venues["binance"].api_key == SecretStr("")
    assert bare.venues["binance"].api_secret == SecretStr("")
    assert bare.venues["binance"].recv_window_ms == 777


def test_keys_in_the_settings_are_named_for_a_warning() -> None:
    assert inline_keys(_settings(api_key=KEY, api_secret=SECRET)) == [
        "venues.binance.api_key",
        "venues.binance.api_secret",
    ]
    assert inline_keys(_settings(account="main")) == []


def test_every_secret_in_the_settings_is_taken_out_of_the_log() -> None:
    tree = {"feeds": {"alpaca": {"api_secret": "feed-secret-00001"}}}
    redactor = Redactor()
    learn_settings(redactor, Settings.model_validate(tree))
    assert redactor.text("feed-secret-00001") == "***"


def test_live_mode_is_content_with_an_account() -> None:
    tree = {"mode": "live", "trading": {"live": True}, "venues": {"binance": {"account": "main"}}}
    check_modes(Settings.model_validate(tree))


def test_the_engine_gets_no_key_of_a_feed_either() -> None:
    tree = {"feeds": {"alpaca": {"api_secret": "feed-secret-00001", "plan": "iex"}}}
    bare = without_keys(Settings.model_validate(tree))
    assert bare.feeds["alpaca"].api_secret == SecretStr("")
    assert bare.feeds["alpaca"].plan == "iex"


class Described(Store):
    """The same account, as its venue last described it."""

    def __init__(self, permissions: KeyPermissions | None) -> None:
        super().__init__()
        self._permissions = permissions

    def facts(self, account: AccountName) -> AccountFacts:
        test = self._permissions and KeyTest(
            ts_ns=1, host="api.binance.com", own_host=True, permissions=self._permissions
        )
        return AccountFacts(
            account=account,
            venue="binance",
            environment="live",
            key_tail="…0001",
            created_ns=1,
            kept_in="file",
            tested=test or None,
        )


def test_live_keys_are_let_through_only_when_known_to_be_harmless() -> None:
    venues = _settings(account="main").venues
    good = KeyPermissions(read=True, trade=True, withdraw=False)
    check_live_keys(venues, Described(good), now_ns=9)
    with pytest.raises(ConfigError, match=r"venues\.binance: the key of main was never tested"):
        check_live_keys(venues, Described(None), now_ns=9)
    bad = KeyPermissions(read=True, trade=True, withdraw=True)
    with pytest.raises(ConfigError, match=r"venues\.binance: the key of main can withdraw"):
        check_live_keys(venues, Described(bad), now_ns=9)
    inline = _settings(api_key=KEY, api_secret=SECRET).venues
    with pytest.raises(ConfigError, match="has keys of its own, which were never tested"):
        check_live_keys(inline, Described(good), now_ns=9)


def test_the_assembly_shares_its_settings_without_keys(tmp_path: Path) -> None:
    paths = find_paths({"CLX_HOME": str(tmp_path)})
    redactor = Redactor()
    assembly = Assembly(_settings(api_key=KEY, api_secret=SECRET), paths, None, redactor)
    assert assembly.settings.venues["binance"].api_secret == SecretStr("")
    assert assembly.inline_keys == ["venues.binance.api_key", "venues.binance.api_secret"]
    assert redactor.text(f"{KEY} {SECRET}") == "*** ***"


def test_the_terminals_own_look_at_the_settings_has_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clx.cli.opening import _load_settings

    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(f'[venues.binance]\napi_secret = "{SECRET}"\n')
    assert inline_keys(_load_settings()) == []
