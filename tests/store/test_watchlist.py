from pathlib import Path

import pytest

from core.model.errors import StoreError
from core.model.views import WatchGroup
from store.watchlist import Watched, load_watched, load_watchlist, save_watched

BTC, ETH = "BTC-USDT.binance", "ETH-USDT.binance"


def test_a_kept_watchlist_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.json"
    assert load_watched(path) is None
    assert load_watchlist(path) is None
    save_watched(path, Watched((ETH, BTC)))
    assert load_watchlist(path) == (ETH, BTC)
    assert path.read_text() == f'["{ETH}","{BTC}"]', "programs without groups can read it"


def test_groups_come_back_in_order_beside_the_watchlist(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.json"
    groups = (WatchGroup(name="majors", instruments=(BTC, ETH)), WatchGroup(name="empty"))
    save_watched(path, Watched((ETH,), groups))
    assert load_watched(path) == Watched((ETH,), groups)


def test_a_watchlist_of_an_older_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.json"
    path.write_text(f'["{BTC}"]')
    assert load_watched(path) == Watched((BTC,), ())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a": 1}',
        "[1]",
        "3",
        '{"watchlist": [], "groups": [{"name": 1}]}',
        '{"watchlist": [], "groups": [{"name": "a"}, {"name": "a"}]}',
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "watchlist.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"watchlist\.json"):
        load_watchlist(path)
