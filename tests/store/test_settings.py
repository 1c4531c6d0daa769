import os
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.errors import ConfigError
from store.settings import flatten, load_settings, set_in_file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_missing_file_gives_the_defaults(config: Path) -> None:
    settings = load_settings(config, {})
    assert settings.mode == "sim"
    assert not settings.trading.live


def test_an_unknown_key_is_refused_with_the_nearest_known_one(config: Path) -> None:
    config.write_text("[risk]\nmax_order_notionl = 5\n")
    with pytest.raises(ConfigError, match=r"notionl.*config\.toml.*'max_order_notional'"):
        load_settings(config, {})


def test_an_unknown_key_in_a_named_table_is_refused_with_the_nearest(config: Path) -> None:
    config.write_text('[feeds.binance]\nrest_ulr = "http://x"\n')
    with pytest.raises(ConfigError, match=r"feeds\.binance\.rest_ulr.*'rest_url'"):
        load_settings(config, {})


def test_an_unknown_table_is_refused_with_the_nearest(config: Path) -> None:
    config.write_text("[rsik]\n")
    with pytest.raises(ConfigError, match=r"rsik.*'risk'"):
        load_settings(config, {})


def test_a_wrong_type_names_key_value_and_file(config: Path) -> None:
    config.write_text('[tui]\nfps = "fast"\n')
    with pytest.raises(ConfigError, match=r"tui\.fps: .*was 'fast' \(/.*config\.toml\)"):
        load_settings(config, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("feeds = 3", r"feeds must be a table, was 3 \(.*write \[feeds\.<name>\] for each"),
        ("feeds.binance = 3", r"feeds\.binance must be a table, .*write \[feeds\.binance\]"),
        ("risk = 'x'", r"risk must be a table, was 'x' \(.*write \[risk\]"),
        ("tui.keys = 3", r"tui\.keys must be a table, .*and a line `name = value`"),
    ],
)
def test_a_value_in_a_table_s_place_is_told_what_a_table_is(config: Path, text, said) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_settings(config, {})


def test_a_value_out_of_range_names_the_bound(config: Path) -> None:
    config.write_text("[risk]\nmax_order_notional = -5\n")
    with pytest.raises(ConfigError, match=r"max_order_notional: .*greater than 0, was -5"):
        load_settings(config, {})


def test_every_mistake_is_reported_at_once(config: Path) -> None:
    config.write_text("[tui]\nfps = 99\n[risk]\nmax_open_orders = 0\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(config, {})
    assert "tui.fps" in str(caught.value)
    assert "risk.max_open_orders" in str(caught.value)


def test_a_broken_file_names_the_line(config: Path) -> None:
    config.write_text("[tui\n")
    with pytest.raises(ConfigError, match="line 1"):
        load_settings(config, {})


def test_a_file_that_is_no_text_is_refused(config: Path) -> None:
    config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(config, {})


def test_an_unreadable_file_is_refused(config: Path) -> None:
    config.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(config, {})


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_refused(config: Path) -> None:
    config.write_text("")
    config.chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load_settings(config, {})


def test_the_environment_wins_over_the_file(config: Path) -> None:
    config.write_text("[risk]\nmax_order_notional = 5\n")
    settings = load_settings(config, {"CLX_RISK__MAX_ORDER_NOTIONAL": "7.5"})
    assert settings.risk.max_order_notional == Decimal("7.5")


def test_an_unknown_variable_is_refused_by_its_name(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"risk\.max_ordr.*CLX_RISK__MAX_ORDR"):
        load_settings(config, {"CLX_RISK__MAX_ORDR": "7"})


def test_variables_without_a_section_are_not_settings(config: Path) -> None:
    assert load_settings(config, {"CLX_HOME": "/x", "CLX_RECORDED_DATA": "/y"}).mode == "sim"


def test_secrets_show_in_no_error_and_no_listing(config: Path) -> None:
    config.write_text('[venues.binance]\napi_secret = "hunter2"\n')
    settings = load_settings(config, {})
    assert "hunter2" not in str(flatten(settings)) + repr(settings)
    config.write_text("[venues.binance]\napi_secret = 31337\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(config, {})
    assert "31337" not in str(caught.value)


def test_setting_a_key_keeps_comments(config: Path) -> None:
    config.write_text("# mine\n[tui]\nfps = 5 # slow\n")
    set_in_file(config, "tui.theme", "mono")
    text = config.read_text()
    assert "# mine" in text
    assert "# slow" in text
    assert load_settings(config, {}).tui.theme == "mono"


def test_setting_a_wrong_value_leaves_the_file_as_it_was(config: Path) -> None:
    config.write_text("[tui]\nfps = 5\n")
    with pytest.raises(ConfigError, match=r"tui\.fps"):
        set_in_file(config, "tui.fps", "lots")
    assert config.read_text() == "[tui]\nfps = 5\n"
