from pathlib import Path

import pytest

from core.model.errors import StoreError
from store.watchlist import load_watchlist, save_watchlist


def test_a_kept_watchlist_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.json"
    assert load_watchlist(path) is None
    save_watchlist(path, ("ETH-USDT.binance", "BTC-USDT.binance"))
    assert load_watchlist(path) == ("ETH-USDT.binance", "BTC-USDT.binance")


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "watchlist.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"watchlist\.json"):
        load_watchlist(path)
