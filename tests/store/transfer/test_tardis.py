import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot, Quote, Trade
from core.model.stores import Written
from store.market import MarketStore
from store.transfer.formats import Format, import_file
from store.transfer.tardis import read

EVER = (0, 1 << 62)
COMMON = "exchange,symbol,timestamp,local_timestamp,"
TRADES = COMMON + "id,side,price,amount\n"
QUOTES = COMMON + "ask_amount,ask_price,bid_price,bid_amount\n"
UPDATES = COMMON + "is_snapshot,side,price,amount\n"
ROW = "binance,BTCUSDT,1704067200000123,1704067200004567,"


def write(folder: Path, text: str) -> Path:
    path = folder / "data.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_trades_are_stored_with_both_times_and_the_takers_side(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    text = TRADES + ROW + "3391283,buy,42283.58,0.001\n" + ROW + "ab-12,sell,42283.5,0.02\n"
    path = write(tmp_path, text)
    report = import_file(path, Format.TARDIS, instrument, None, market)
    assert report.written == Written(new=2)
    trades = market.trades.trades(instrument.id, *EVER)
    assert trades.ts_event_ns.tolist() == [1_704_067_200_000_123_000] * 2
    assert trades.ts_recv_ns.tolist() == [1_704_067_200_004_567_000] * 2
    assert trades.price.tolist() == [4228358, 4228350]
    assert trades.buyer_is_maker.tolist() == [0, 1]
    assert trades.trade_id.tolist() == [3391283, 0]
    assert [event.trade_id for event in read(path, instrument) if isinstance(event, Trade)] == [
        3391283,
        0,
    ]


def test_quotes_are_read_as_quotes(tmp_path: Path, instrument: Instrument) -> None:
    path = write(tmp_path, QUOTES + ROW + "0.5,42283.58,42283.57,1.25\n")
    assert list(read(path, instrument)) == [
        Quote(
            instrument.id, 1_704_067_200_000_123_000, 1_704_067_200_004_567_000,
            4228357, 125_000, 4228358, 50_000, 1,
        )
    ]  # fmt: skip


def test_updates_of_one_message_are_one_event(tmp_path: Path, instrument: Instrument) -> None:
    late = "binance,BTCUSDT,1704067200100000,1704067200104567,"
    text = (
        UPDATES
        + ROW + "true,bid,42283.57,1.5\n"
        + ROW + "true,ask,42283.58,2\n"
        + late + "false,bid,42283.57,0\n"
        + late + "false,bid,42283.5,3\n"
    )  # fmt: skip
    image, change = list(read(write(tmp_path, text), instrument))
    assert isinstance(image, BookSnapshot)
    assert isinstance(change, BookDelta)
    assert image.bids.tolist() == [[4228357, 150_000]]
    assert image.asks.tolist() == [[4228358, 200_000]]
    assert change.bids.tolist() == [[4228357, 0], [4228350, 300_000]]
    assert change.asks.shape == (0, 2)
    assert (image.last_id, change.prev_id, change.last_id) == (1, 1, 2)
    assert change.ts_event_ns == 1_704_067_200_100_000_000


def test_snapshots_of_any_depth_are_read_and_missing_levels_left_out(
    tmp_path: Path, instrument: Instrument
) -> None:
    names = ",".join(
        f"{side}[{n}].{what}"
        for n in range(2)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    )
    text = COMMON + names + "\n" + ROW + "42283.58,1,42283.57,2,42283.6,3,,\n"
    (image,) = read(write(tmp_path, text), instrument)
    assert isinstance(image, BookSnapshot)
    assert image.asks.tolist() == [[4228358, 100_000], [4228360, 300_000]]
    assert image.bids.tolist() == [[4228357, 200_000]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TRADES + ROW + "1,unknown,1,1\n", r":2: side must be buy or sell, was 'unknown'"),
        (TRADES + ROW + "1,buy,1,1\n" + ROW.replace("BTC", "ETH") + "1,buy,1,1\n",
         r":3: symbol must be BTCUSDT, was 'ETHUSDT'"),
        (TRADES + ROW + "1,buy,1,1\n" + ROW.replace("4567,", "4566,") + "2,buy,1,1\n",
         r":3: local_timestamp is before"),
        (TRADES + ROW.replace("1704067200000123", "2024-01-01") + "1,buy,1,1\n",
         r":2: timestamp must be microseconds"),
        (TRADES + ROW + "1,buy,1,\n", r":2: size must be a number, was ''"),
        (TRADES + ROW + "1,buy,1\n", r":2: has 7 cells, the header has 8"),
        (TRADES + ROW + "1,buy,1.005,1\n", r":2: price must be a whole number of .*steps of 0.01"),
        ("a,b\n", r":1: is no header of Tardis"),
        ("", r":1: is no header of Tardis"),
        (TRADES, r"holds no rows"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(
    text: str, words: str, market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    with pytest.raises(DataError, match=words):
        import_file(write(tmp_path, text), Format.TARDIS, instrument, None, market)


def test_books_and_quotes_are_not_stored(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    with pytest.raises(ConfigError, match="holds quotes; the store keeps trades and bars only"):
        import_file(write(tmp_path, QUOTES), Format.TARDIS, instrument, None, market)


def test_a_wrong_book_row_is_named(tmp_path: Path, instrument: Instrument) -> None:
    for row, words in (
        ("true,bid,x,1\n", r":2: price must be a number, was 'x'"),
        ("true,middle,1,1\n", r":2: side must be bid or ask, was 'middle'"),
        ("perhaps,bid,1,1\n", r":2: is_snapshot must be true or false, was 'perhaps'"),
        ("true,bid,1,0.000001\n", r":2: amount must be a whole number of .*steps of 0.00001"),
    ):
        with pytest.raises(DataError, match=words):
            list(read(write(tmp_path, UPDATES + ROW + row), instrument))


def test_the_recorded_snapshots_are_read(recorded: Path) -> None:
    path = recorded / "lob" / "tardis_binance-futures_book_snapshot_25_BTCUSDT.csv"
    btc = Instrument(
        id="BTC-USDT-PERP.binance-usdm",
        venue="binance-usdm",
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_tick=Decimal("0.01"),
        size_lot=Decimal("0.001"),
    )
    events = list(read(path, btc))
    lines = path.read_text().splitlines()
    assert len(events) == len(lines) - 1
    names = lines[0].split(",")
    for line, event in zip(lines[1:], events, strict=True):
        cells = dict(zip(names, line.split(","), strict=True))
        assert isinstance(event, BookSnapshot)
        assert event.ts_event_ns == int(cells["timestamp"]) * 1000
        for name, side in (("asks", event.asks), ("bids", event.bids)):
            expected = [
                [Decimal(cells[f"{name}[{n}].price"]), Decimal(cells[f"{name}[{n}].amount"])]
                for n in range(25)
            ]
            assert [[p * btc.price_tick, q * btc.size_lot] for p, q in side.tolist()] == expected
        assert (np.diff(event.asks[:, 0]) > 0).all()
        assert event.bids[0, 0] < event.asks[0, 0]
