from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clx.cli.naming import full_instrument, is_instrument

if TYPE_CHECKING:
    from pathlib import Path

OURS = "AAPL-USD-20261218-200-C"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(
        '[engine]\nwatchlist = ["BTC-USDT.okx"]\n[feeds.us]\nkind = "alpaca"\n'
    )
    monkeypatch.setenv("CLX_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("eth-usdt", "ETH-USDT.okx"),
        ("eth-usdt.Binance", "ETH-USDT.binance"),
        ("AAPL261218C00200000", f"{OURS}.us"),
        ("aapl261218c00200000.alpaca", f"{OURS}.alpaca"),
        (OURS, f"{OURS}.us"),
        ("SPY-USD-20261218-472.5-P", "SPY-USD-20261218-472.5-P.us"),
        ("SPY-USD-20261218-472.5-P.alpaca", "SPY-USD-20261218-472.5-P.alpaca"),
    ],
)
@pytest.mark.usefixtures("home")
def test_short_names_become_full_ones(typed: str, meant: str) -> None:
    assert full_instrument(typed) == meant
    assert is_instrument(typed)


@pytest.mark.parametrize("word", ["day", "63000", "post", "stop", "1000$"])
def test_words_of_an_order_are_no_instruments(word: str) -> None:
    assert not is_instrument(word)
