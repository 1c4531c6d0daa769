from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.feeds.coinbase_exchange.decoder import ExchangeDecoder
from core.feeds.coinbase_exchange.symbols import parse_products
from core.feeds.decoder import FeedDecoder
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedDisconnected,
    FrameRejected,
    MarketEvent,
    Quote,
    SequenceBroken,
    Trade,
)
from core.wire.tape_reader import TapeReader

VENUE = VenueName("coinbase_exchange")
SKL = InstrumentId("SKL-BTC.coinbase_exchange")
PRODUCT = {
    "id": "SKL-BTC", "base_currency": "SKL", "quote_currency": "BTC", "base_increment": "0.1",
    "quote_increment": "0.00000001", "base_min_size": "1", "base_max_size": "100",
    "min_market_funds": "0.001", "status": "online",
}  # fmt: skip
IMAGE = (
    b'{"type":"snapshot","product_id":"SKL-BTC","asks":[["0.00001305","4781.0"]],'
    b'"bids":[["0.00001302","2.5"],["0.00001301","1"]]}'
)
CHANGE = (
    b'{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],'
    b'"time":"2021-04-17T16:43:37.075687Z"}'
)
MATCH = (
    b'{"type":"match","trade_id":280232,"maker_order_id":"a","taker_order_id":"b","side":"sell",'
    b'"size":"985","price":"0.00001305","product_id":"SKL-BTC","sequence":177100030,'
    b'"time":"2021-04-17T16:43:37.089723Z"}'
)
TICKER = (
    b'{"type":"ticker","sequence":1,"product_id":"SKL-BTC","price":"0.00001303",'
    b'"open_24h":"0.00001144","volume_24h":"7366729.4","low_24h":"0.00001122",'
    b'"high_24h":"0.00001337","best_bid":"0.00001302","best_bid_size":"2.5",'
    b'"best_ask":"0.00001305","best_ask_size":"1","side":"buy",'
    b'"time":"2021-04-17T16:43:37.067586Z","trade_id":280231,"last_size":"0.4"}'
)


@pytest.fixture
def decoder() -> ExchangeDecoder:
    listing = parse_products(json.dumps([PRODUCT]).encode(), VENUE)
    return ExchangeDecoder(instruments=listing.instruments)


def recv(decoder: ExchangeDecoder, data: bytes, conn: int = 1) -> list[MarketEvent]:
    return list(decoder.decode("recv", conn, 77, "", data))


def beat(last_trade: int) -> bytes:
    return (
        b'{"type":"heartbeat","last_trade_id":%d,"product_id":"SKL-BTC","sequence":9}' % last_trade
    )


def test_image_and_changes_of_either_side(decoder: ExchangeDecoder) -> None:
    (image,) = recv(decoder, IMAGE)
    assert isinstance(image, BookSnapshot)
    assert (image.reset, image.last_id) == (True, 0)
    assert image.bids.tolist() == [[1302, 25], [1301, 10]]
    (change,) = recv(decoder, CHANGE)
    assert isinstance(change, BookDelta)
    assert (change.bids.tolist(), change.asks.tolist()) == ([], [[1306, 6605]])
    assert change.ts_event_ns == 1618677817075687000
    (bought,) = recv(decoder, CHANGE.replace(b'"sell"', b'"buy"'))
    assert isinstance(bought, BookDelta)
    assert (bought.bids.tolist(), bought.asks.tolist()) == ([[1306, 6605]], [])
    both = b'[["buy","0.00000001","0"],["sell","0.00000003","1"],["buy","0.00000002","2"]]'
    (mixed,) = recv(decoder, CHANGE.replace(b'[["sell","0.00001306","660.5"]]', both))
    assert isinstance(mixed, BookDelta)
    assert mixed.bids.tolist() == [[1, 0], [2, 20]]
    assert mixed.asks.tolist() == [[3, 10]]


def test_time_of_the_year_1_is_none(decoder: ExchangeDecoder) -> None:
    stamp = b"2021-04-17T16:43:37.075687Z"
    (change,) = recv(decoder, CHANGE.replace(stamp, b"0001-01-01T00:00:00.000000Z"))
    assert isinstance(change, BookDelta)
    assert change.ts_event_ns == 0


def test_match_names_the_resting_orders_side(decoder: ExchangeDecoder) -> None:
    (bought,) = recv(decoder, MATCH)
    assert bought == Trade(SKL, 1618677817089723000, 77, 1305, 9850, False, 280232)
    (sold,) = recv(decoder, MATCH.replace(b'"sell"', b'"buy"'))
    assert isinstance(sold, Trade)
    assert sold.buyer_is_maker


def test_last_match_is_news_only_after_a_lost_connection(decoder: ExchangeDecoder) -> None:
    last = MATCH.replace(b'"match"', b'"last_match"')
    assert recv(decoder, last) == []
    assert len(recv(decoder, MATCH.replace(b"280232", b"280233"))) == 1
    assert recv(decoder, last) == []
    (missed,) = recv(decoder, last.replace(b"280232", b"280234"), 2)
    assert isinstance(missed, Trade)


def test_heartbeat_tells_of_a_trade_that_never_came(decoder: ExchangeDecoder) -> None:
    assert recv(decoder, beat(280240)) == []  # nothing seen yet to compare with
    recv(decoder, MATCH)
    assert recv(decoder, beat(280233)) == []  # it may have overtaken the trade
    (broken,) = recv(decoder, beat(280233))
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == (SKL,)
    assert (broken.expected_id, broken.received_id) == (280233, 280233)
    assert recv(decoder, beat(280233)) == []
    recv(decoder, beat(280234))
    recv(decoder, MATCH.replace(b"280232", b"280234"))
    assert recv(decoder, beat(280234)) == []


def test_ticker_with_sizes_is_a_quote_and_without_only_the_day(decoder: ExchangeDecoder) -> None:
    quote, day = recv(decoder, TICKER)
    assert quote == Quote(SKL, 1618677817067586000, 77, 1302, 25, 1305, 10, 0)
    assert isinstance(day, DayTicker)
    assert (day.open, day.volume) == (Decimal("0.00001144"), Decimal("7366729.4"))
    assert [type(event) for event in recv(decoder, TICKER)] == [Quote]
    bare = TICKER.replace(b'"best_bid_size":"2.5",', b"").replace(b'"best_ask_size":"1",', b"")
    assert recv(decoder, bare) == []


def test_newest_image_owns_the_book_while_two_connections_overlap(decoder: ExchangeDecoder) -> None:
    request = (
        b'{"type":"subscribe","product_ids":["SKL-BTC"],"channels":["level2_batch","matches"]}'
    )
    for conn in (1, 2):
        decoder.decode("send", conn, 1, "", request)
        recv(decoder, IMAGE, conn)
    assert recv(decoder, CHANGE, 1) == []
    assert len(recv(decoder, CHANGE, 2)) == 1
    gone, orphan = decoder.decode("disconnect", 2, 78, "", b"closed")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == ()
    assert isinstance(orphan, SequenceBroken)
    assert orphan.instrument_ids == (SKL,)
    left = decoder.decode("send", 1, 1, "", request.replace(b"subscribe", b"unsubscribe"))
    assert len(left) == 1


def test_channels_may_name_their_own_products(decoder: ExchangeDecoder) -> None:
    request = b'{"type":"subscribe","channels":[{"name":"ticker","product_ids":["SKL-BTC"]}]}'
    (status,) = decoder.decode("send", 1, 1, "", request)
    assert status.instrument_id == SKL


def test_refusal_says_what_to_do(decoder: ExchangeDecoder) -> None:
    refusal = b'{"type":"error","message":"Failed to subscribe","reason":"needs authentication"}'
    (refused,) = recv(decoder, refusal)
    assert isinstance(refused, FrameRejected)
    assert "level2_batch does not" in refused.reason
    assert recv(decoder, b'{"type":"subscriptions","channels":[]}') == []
    assert isinstance(recv(decoder, b'{"type":"received"}')[0], FrameRejected)


def test_rest_time_is_a_sample_and_a_rest_book_only_a_quote(decoder: ExchangeDecoder) -> None:
    root = "https://api.exchange.coinbase.com"
    body = b'{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}'
    url = f"{root}/time#asked_ns=1420674445000000000"
    (sample,) = decoder.decode("http", 0, 1420674445_100_000_000, url, body)
    assert isinstance(sample, ClockSample)
    assert sample.offset_ns == 151_000_000
    book = b'{"bids":[["0.00000001","1",1]],"asks":[["0.00000002","2",3]],"sequence":1}'
    (quote,) = decoder.decode("http", 0, 77, f"{root}/products/SKL-BTC/book?level=1", book)
    assert quote == Quote(SKL, 0, 77, 1, 10, 2, 20, 0)


@pytest.mark.parametrize("good", [IMAGE, CHANGE, TICKER, MATCH])
def test_mangled_frame_ends_in_a_rejection_and_never_in_a_wrong_book(
    good: bytes, survives: Callable[[FeedDecoder, bytes], None], decoder: ExchangeDecoder
) -> None:
    survives(decoder, good)


def test_replayed_capture_agrees_with_the_independent_one(replayed: Any, expected: Any) -> None:
    name = "coinbase_exchange/capture_level2_20210417_a"
    wanted = expected(f"{name}.expected.json")
    run = replayed(f"{name}.jsonl.zst", ExchangeDecoder())
    assert run.labels == wanted["counts"]
    assert not run.rejected
    assert not run.lost
    assert len(wanted["books"]) == 5
    for symbol, book in wanted["books"].items():
        found = run.book(symbol)
        found.pop("last_id")
        assert found == {
            "bids": [(Decimal(p), Decimal(s)) for p, s in book["bids"]],
            "asks": [(Decimal(p), Decimal(s)) for p, s in book["asks"]],
            "n_bids": book["n_bids"],
            "n_asks": book["n_asks"],
        }, symbol
    assert len(run.of(Trade)) == wanted["counts"]["match"]


def test_recorded_tickers_name_the_takers_side_of_the_same_trades(
    replayed: Any, recorded: Path
) -> None:
    name = "coinbase_exchange/capture_level2_20210417_a.jsonl.zst"
    trades = {trade.trade_id: trade for trade in replayed(name, ExchangeDecoder()).of(Trade)}
    told = 0
    for frame in TapeReader(recorded / name).frames():
        if frame.data.startswith(b'{"type":"ticker"'):
            ticker = json.loads(frame.data)
            trade = trades.get(ticker.get("trade_id"))
            if trade is not None:
                assert trade.buyer_is_maker == (ticker["side"] == "sell")
                told += 1
    assert told == 80


def test_recorded_trade_ids_leave_none_out(replayed: Any) -> None:
    run = replayed("coinbase_exchange/capture_level2_20210417_a.jsonl.zst", ExchangeDecoder())
    ids: dict[str, list[int]] = {}
    for trade in run.of(Trade):
        ids.setdefault(trade.instrument_id, []).append(trade.trade_id)
    assert len(ids) > 1
    assert all(found == list(range(found[0], found[-1] + 1)) for found in ids.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_increment": "0"}, "base_increment"),
        ({"quote_increment": "x"}, "quote_increment"),
        ({"base_min_size": "-1"}, "base_min_size"),
    ],
)
def test_odd_product_is_left_out_with_a_reason_and_the_others_stay(
    change: dict[str, str], words: str
) -> None:
    listing = parse_products(json.dumps([PRODUCT | change, PRODUCT | {"id": "A"}]).encode(), VENUE)
    assert [item.venue_symbol for item in listing.instruments] == ["A"]
    assert words in listing.left_out["SKL-BTC"]
    halted = parse_products(json.dumps(PRODUCT | {"status": "delisted"}).encode(), VENUE)
    assert not halted.instruments[0].trading
    with pytest.raises(DataError, match="products of"):
        parse_products(b"<html>", VENUE)


@pytest.mark.parametrize(
    "bad", [CHANGE[:-40], CHANGE.replace(b'"660.5"', b'"660.55"'), CHANGE[30:]]
)
def test_book_message_that_cannot_be_read_costs_the_book_its_trust(
    decoder: ExchangeDecoder, bad: bytes
) -> None:
    recv(decoder, IMAGE)
    refused, broken = recv(decoder, bad)
    assert isinstance(refused, FrameRejected)
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == (SKL,)
    assert [type(event) for event in recv(decoder, bad, 2)] == [FrameRejected]


def test_trade_that_cannot_be_read_costs_the_book_nothing(decoder: ExchangeDecoder) -> None:
    recv(decoder, IMAGE)
    (refused,) = recv(decoder, MATCH[:-20])
    assert isinstance(refused, FrameRejected)
    recv(decoder, MATCH.replace(b'"985"', b'"985.55"'))
    assert decoder.off_step == {"SKL-BTC": (0, 2)}


def test_missed_trades_are_taken_from_rest_once(decoder: ExchangeDecoder) -> None:
    recv(decoder, MATCH)
    recv(decoder, MATCH.replace(b"280232", b"280235"))
    assert decoder.lacks("SKL-BTC") == (280233, 280234)
    rows = [
        {"time": "2021-04-17T16:43:38.0Z", "trade_id": number, "price": "0.00000002", "size": "1",
         "side": "buy"}
        for number in range(280236, 280220, -1)
    ]  # fmt: skip
    url = "https://api.exchange.coinbase.com/products/SKL-BTC/trades?limit=1000&after=280235"
    body = json.dumps(rows).encode()
    told = decoder.decode("http", 0, 90, url, body)
    assert [event.trade_id for event in told] == [280233, 280234]
    assert told[0].buyer_is_maker
    assert decoder.lacks("SKL-BTC") is None
    assert decoder.decode("http", 0, 90, url, body) == []
