import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.errors import DataError
from core.model.stores import Written
from store.market import MarketStore
from store.transfer.formats import Format, import_file

EVER = (0, 1 << 62)
XRP = "XRP-ETH.binance"
GOOD = [1570752011620, "13519807", None, "sell", 0.00141342, 23.0, 0.03250866]


def load(market: MarketStore, folder: Path, text: str) -> Written:
    path = folder / "XRP_ETH-trades.json.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return import_file(path, Format.FREQTRADE, XRP, None, market).written


def test_trades_are_read_exactly(market: MarketStore, tmp_path: Path) -> None:
    other = [1570752011620, "13519808", "limit", "buy", 1e-05, 54, 0.07628364]
    assert load(market, tmp_path, json.dumps([GOOD, other])) == Written(new=2)
    trades = market.trades.trades(XRP, *EVER)
    assert [count * trades.price_tick for count in trades.price.tolist()] == [
        Decimal("0.00141342"), Decimal("0.00001"),
    ]  # fmt: skip
    assert trades.buyer_is_maker.tolist() == [1, 0]
    assert trades.trade_id.tolist() == [13519807, 13519808]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([*GOOD[:3], "both", *GOOD[4:]], r":2: side must be buy or sell, was 'both'"),
        (["now", *GOOD[1:]], r":2: time must be milliseconds since 1970, was 'now'"),
        ([1570752011619, *GOOD[1:]], r":2: time is before the row before's"),
        ([*GOOD[:4], None, 1, 1], r":2: price must be a number, was 'None'"),
        ([*GOOD[:4], float("nan"), 1, 1], r":2: price must be a number, was 'NaN'"),
        ([1, 2], r":2: trade must be a list of 7"),
    ],
)
def test_a_wrong_row_is_named(
    row: list[object], words: str, market: MarketStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        load(market, tmp_path, json.dumps([GOOD, row]))
    assert market.upkeep.series() == []


def test_what_is_no_list_is_refused(market: MarketStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":1: is no JSON"):
        load(market, tmp_path, "[[1,")
    with pytest.raises(DataError, match="must be a list of trades"):
        load(market, tmp_path, '{"error": 1}')
    with pytest.raises(DataError, match="holds no rows"):
        load(market, tmp_path, "[]")
