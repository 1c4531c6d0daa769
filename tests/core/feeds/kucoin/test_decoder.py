from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.market import MarketState
from core.feeds.kucoin.decoder import KucoinDecoder
from core.feeds.kucoin.rule import KucoinRule
from core.feeds.kucoin.symbols import parse_symbols
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import Verdict

Decode = Callable[..., Sequence[MarketEvent]]

NAME = InstrumentId("BTC-USDT.kucoin")
BOOK_URL = "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol=BTC-USDT"


def topic(name: str, data: Any, subject: str = "x") -> dict[str, Any]:
    return {"topic": name, "type": "message", "subject": subject, "data": data}


def update(first: int, last: int, **sides: Any) -> dict[str, Any]:
    changes = {"asks": sides.get("asks", []), "bids": sides.get("bids", [])}
    data = {"sequenceStart": first, "sequenceEnd": last, "symbol": "BTC-USDT",
            "changes": changes, "time": 1663747970273}  # fmt: skip
    return topic("/market/level2:BTC-USDT", data, "trade.l2update")


def image(sequence: int, *, code: str = "200000") -> bytes:
    data = {"time": 5, "sequence": str(sequence), "bids": [["100", "1"]], "asks": [["101", "1"]]}
    return json.dumps({"code": code, "data": data}).encode()


MATCH = {
    "symbol": "BTC-USDT", "sequence": "11067996711960577", "side": "sell", "price": "67523",
    "size": "0.003", "time": "1729843222921000000", "tradeId": "11067996711960577",
    "type": "match",
}  # fmt: skip
TICKER = {
    "bestAsk": "101", "bestAskSize": "3", "bestBid": "100", "bestBidSize": "2", "price": "100",
    "sequence": "77", "size": "1", "time": 1677321643926,
}  # fmt: skip


def test_update_carries_its_range_whichever_part_comes_first(decode: Decode) -> None:
    message = update(4, 4, bids=[["100.1", "2", "4"]])
    for frame in (message, dict(reversed(message.items()))):
        (delta,) = decode(frame)
        assert isinstance(delta, BookDelta)
        assert (delta.first_id, delta.last_id, delta.ts_event_ns) == (4, 4, 1663747970273000000)
        assert delta.bids.tolist() == [[1001, 200000000]]


def test_price_zero_only_moves_the_sequence(decode: Decode) -> None:
    (delta,) = decode(update(4, 5, bids=[["0", "0", "4"]], asks=[["101", "0", "5"]]))
    assert isinstance(delta, BookDelta)
    assert len(delta.bids) == 0
    assert delta.asks.tolist() == [[1010, 0]]
    assert delta.last_id == 5


def test_of_two_changes_of_a_price_the_later_wins(decode: Decode) -> None:
    rows = [["100", "7", "14"], ["99", "1", "12"], ["100", "5", "11"]]
    (delta,) = decode(update(11, 14, bids=rows))
    assert isinstance(delta, BookDelta)
    assert delta.bids[:, 0].tolist() == [1000, 990, 1000]
    assert delta.bids[-1].tolist() == [1000, 700000000]


def test_image_older_than_the_stream_is_asked_for_again(
    decoder: KucoinDecoder, decode: Decode
) -> None:
    market = MarketState(decoder.instruments.values(), {VenueName("kucoin"): decoder.rule},
                         eager=True)  # fmt: skip

    def take(events: Sequence[MarketEvent]) -> FeedStatus:
        for event in events:
            market.apply(event)
        return market.status(NAME)

    for number in (10, 11):
        take(decode(update(number, number, bids=[["100", str(number), str(number)]])))
    assert take(decoder.decode("http", 0, 7, BOOK_URL, image(7))) is not FeedStatus.LIVE
    assert market.feed_view(NAME).resyncs == 1
    assert take(decoder.decode("http", 0, 7, BOOK_URL, image(10))) is FeedStatus.LIVE
    assert market.book(NAME).last_id == 11
    assert market.book(NAME).size_at(1000, bid=True) == 11 * 10**8
    assert take(decode(update(13, 13))) is FeedStatus.STALE
    assert market.feed_view(NAME).gaps == 1


@pytest.mark.parametrize(
    ("last", "first", "end", "splice", "follow"),
    [
        (10, 11, 11, Verdict.APPLY, Verdict.APPLY),
        (10, 9, 10, Verdict.OLD, Verdict.OLD),
        (10, 9, 12, Verdict.APPLY, Verdict.GAP),
        (10, 12, 12, Verdict.GAP, Verdict.GAP),
        (10, 11, 15, Verdict.APPLY, Verdict.APPLY),
    ],
)
def test_rule(last: int, first: int, end: int, splice: Verdict, follow: Verdict) -> None:
    import numpy as np

    none = np.zeros((0, 2), np.int64)
    delta = BookDelta(NAME, 0, 0, first, end, -1, none, none)
    assert KucoinRule().splice(last, delta) is splice
    assert KucoinRule().follow(last, delta) is follow


def test_images_of_the_stream_replace_until_updates_come(decode: Decode) -> None:
    data = {"asks": [["101", "1"]], "bids": [["100", "2"]], "timestamp": 1733124805073}
    frame = topic("/spotMarket/level2Depth50:BTC-USDT", data, "level2")
    (first,) = decode(frame)
    assert isinstance(first, BookSnapshot)
    assert first.reset
    assert not decode(topic(frame["topic"], data | {"timestamp": 1733124805072})), "older"
    decode(update(4, 4))
    assert not decode(frame)


def test_trade_of_a_seller_makes_the_buyer_the_maker(decode: Decode) -> None:
    (trade,) = decode(topic("/market/match:BTC-USDT", MATCH, "trade.l3match"))
    assert trade == Trade(NAME, 1729843222921000000, 7, 675230, 300000, True, 11067996711960577)


def test_quotes_never_go_back_in_time(decode: Decode) -> None:
    (quote,) = decode(topic("/market/ticker:BTC-USDT", TICKER, "trade.ticker"))
    assert isinstance(quote, Quote)
    assert (quote.bid_ticks, quote.ask_ticks, quote.update_id) == (1000, 1010, 77)
    best = {"asks": ["101.5", "1"], "bids": ["100.5", "1"], "timestamp": 1677321643999}
    (newer,) = decode(topic("/spotMarket/level1:BTC-USDT", best, "level1"))
    assert isinstance(newer, Quote)
    assert newer.bid_ticks == 1005
    assert not decode(topic("/market/ticker:BTC-USDT", TICKER, "trade.ticker"))


def test_size_at_the_touch_finer_than_the_lot_is_the_nearest(
    decode: Decode, decoder: KucoinDecoder
) -> None:
    fine = TICKER | {"bestBidSize": "0.0000000001"}
    (quote,) = decode(topic("/market/ticker:BTC-USDT", fine, "trade.ticker"))
    assert isinstance(quote, Quote)
    assert quote.bid_lots == 1
    assert decoder.off_step == {"BTC-USDT": (0, 10)}


@pytest.mark.parametrize(
    "side", [{"bestBid": None, "bestBidSize": None}, {"bestAsk": "", "bestAskSize": ""}]
)
def test_half_a_quote_is_none(decode: Decode, side: dict[str, Any]) -> None:
    assert not decode(topic("/market/ticker:BTC-USDT", TICKER | side, "trade.ticker"))
    best = {"asks": None, "bids": ["100.5", "1"], "timestamp": 1677321643999}
    assert not decode(topic("/spotMarket/level1:BTC-USDT", best, "level1"))


def test_ticker_of_all_is_named_by_its_subject(decode: Decode) -> None:
    (quote,) = decode(topic("/market/ticker:all", TICKER, "BTC-USDT"))
    assert isinstance(quote, Quote)


def test_candle_has_its_close_before_its_high(decode: Decode) -> None:
    row = ["1589968800", "9786.9", "9740.8", "9806.1", "9732", "27.45649579", "268280.0"]
    data = {"symbol": "BTC-USDT", "candles": row, "time": 1589970010253893337}
    (bar,) = decode(topic("/market/candles:BTC-USDT_1hour", data, "trade.candles.update"))
    assert isinstance(bar, VenueBar)
    assert (bar.timeframe, bar.ts_open_ns, bar.closed) == ("1h", 1589968800 * 10**9, False)
    assert (bar.open_ticks, bar.close_ticks, bar.high_ticks, bar.low_ticks) == (
        97869, 97408, 98061, 97320,
    )  # fmt: skip


def test_day_is_exact(decode: Decode, decoder: KucoinDecoder) -> None:
    frame = b"""{"topic":"/market/snapshot:BTC-USDT","type":"message","subject":"trade.snapshot",
      "data":{"sequence":"1","data":{"symbol":"BTC-USDT","open":31610.0,"high":null,"low":1e-06,
      "lastTradedPrice":29920.1,"vol":21637.26053196,"volValue":1.5,"datetime":5}}}"""
    (day,) = decode(frame)
    assert isinstance(day, DayTicker)
    assert (day.low, day.volume, day.high) == (Decimal("0.000001"), Decimal("21637.26053196"), None)


@pytest.mark.parametrize("kind", ["welcome", "ack", "pong"])
def test_control_frames_are_no_market_data(decode: Decode, kind: str) -> None:
    assert not decode({"id": "1", "type": kind})


def test_refusal_names_code_and_remedy(decode: Decode) -> None:
    (refused,) = decode({"id": "1", "type": "error", "code": 404, "data": "topic /x is not found"})
    assert isinstance(refused, FrameRejected)
    assert "404" in refused.reason
    assert "BTC-USDT" in refused.reason


def test_requests_are_carried(decode: Decode) -> None:
    both = "BTC-USDT_1min"
    (status,) = decode({"type": "subscribe", "topic": f"/market/candles:{both}"}, kind="send")
    assert isinstance(status, FeedStatusChanged)
    assert status.instrument_id == NAME
    (left,) = decode({"type": "unsubscribe", "topic": f"/market/candles:{both}"}, kind="send")
    assert isinstance(left, FeedStatusChanged)
    assert left.status is FeedStatus.UNSUBSCRIBED


def test_rest_answers(decoder: KucoinDecoder) -> None:
    url = "https://api.kucoin.com/api/v1/timestamp#asked_ns=1000000000"
    (clock,) = decoder.decode("http", 0, 2_000_000_000, url, b'{"code":"200000","data":1600}')
    assert isinstance(clock, ClockSample)
    assert clock.offset_ns == 100_000_000
    (refused,) = decoder.decode("http", 0, 7, BOOK_URL, image(1, code="429000"))
    assert isinstance(refused, FrameRejected)
    assert "less often" in refused.reason


SYMBOL = {
    "symbol": "BCHSV-USDT", "name": "BSV-USDT", "baseCurrency": "BSV", "quoteCurrency": "USDT",
    "baseMinSize": "0.001", "baseMaxSize": "10000000000", "baseIncrement": "0.00000001",
    "quoteIncrement": "0.000001", "priceIncrement": "0.001", "minFunds": "0.1",
    "enableTrading": True, "tradingStartTime": None,
}  # fmt: skip


def symbols(*entries: dict[str, Any], code: str = "200000") -> list[Instrument]:
    body = json.dumps({"code": code, "data": list(entries)}).encode()
    return parse_symbols(body, VenueName("kucoin"))


def test_renamed_symbol_goes_by_its_name() -> None:
    (item,) = symbols(SYMBOL)
    assert (item.id, item.venue_symbol, item.aliases) == (
        "BSV-USDT.kucoin", "BCHSV-USDT", ("BSV-USDT",),
    )  # fmt: skip
    assert (item.min_notional, item.price_tick) == (Decimal("0.1"), Decimal("0.001"))


def test_name_that_is_anothers_symbol_is_left_to_it() -> None:
    first, second = symbols(SYMBOL, SYMBOL | {"symbol": "BSV-USDT"})
    assert (first.id, second.id) == ("BCHSV-USDT.kucoin", "BSV-USDT.kucoin")
    assert first.aliases == second.aliases == ()


@pytest.mark.parametrize(
    "change", [{"priceIncrement": "0"}, {"baseIncrement": ""}, {"baseIncrement": None}], ids=str
)
def test_listing_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        symbols(SYMBOL | change)


def test_refused_listing_is_told() -> None:
    with pytest.raises(DataError, match="429000"):
        symbols(code="429000")


BAD_VALUES = ["NaN", "Infinity", "", "-1", "1e400", "0x1", None, [], "1" * 60, "１", " 1", "1_0"]


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
def test_values_that_are_no_numbers_are_refused(decode: Decode, bad: Any) -> None:
    frames = [
        update(1, 1, bids=[[bad, "1", "1"]]),
        update(1, 1, bids=[["1", bad, "1"]]),
        update(1, 2, bids=[["1", "1", "1"], ["1", "1", bad]]),
        topic("/market/match:BTC-USDT", MATCH | {"price": bad}),
        topic("/market/match:BTC-USDT", MATCH | {"time": bad}),
    ]
    for frame in frames:
        assert [type(event) for event in decode(frame)] == [FrameRejected], frame


@pytest.mark.parametrize(
    "frame",
    [update(5, 4), topic("/market/match:BTC-USDT", MATCH | {"side": "none"}),
     topic("/market/match:BTC-USDT", MATCH | {"size": "0"}),
     topic("/market/match:X-Y", MATCH | {"symbol": "X-Y"}), b"", b"null", b"<html>", b"[]", b"{}"],
    ids=lambda frame: str(frame)[:60],
)  # fmt: skip
def test_what_cannot_be_is_refused(decode: Decode, frame: Any) -> None:
    assert [type(event) for event in decode(frame)] == [FrameRejected]


SAMPLES = [
    json.dumps(frame).encode()
    for frame in (
        update(4, 5, bids=[["100", "1", "4"], ["100", "2", "5"]], asks=[["0", "0", "5"]]),
        topic("/market/match:BTC-USDT", MATCH),
        topic("/market/ticker:BTC-USDT", TICKER),
        topic("/market/candles:BTC-USDT_1min",
              {"symbol": "BTC-USDT", "candles": ["1", "1", "1", "1", "1", "1", "1"]}),
        {"id": "1", "type": "error", "code": 404, "data": "x"},
    )
]  # fmt: skip


@given(st.data())
def test_no_frame_raises_whatever_happened_to_it(data: st.DataObject) -> None:
    spot = Instrument(
        id=NAME, venue=VenueName("kucoin"), venue_symbol="BTC-USDT", base="BTC", quote="USDT",
        price_tick=Decimal("0.1"), size_lot=Decimal("0.01"),
    )  # fmt: skip
    decoder = KucoinDecoder(instruments=[spot])
    frame = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    for event in decoder.decode("recv", 1, 7, "", bytes(frame[:cut])):
        if isinstance(event, BookDelta):
            assert (event.bids[:, 0] > 0).all()
            assert (event.bids >= 0).all()


@given(st.sampled_from(["recv", "send", "http"]), st.binary(max_size=60))
def test_rubbish_is_refused_in_any_place(kind: Any, rubbish: bytes) -> None:
    for event in KucoinDecoder().decode(kind, 1, 7, BOOK_URL, rubbish):
        assert isinstance(event, FrameRejected)
