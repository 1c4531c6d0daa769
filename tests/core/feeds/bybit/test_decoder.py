from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.market import MarketState
from core.feeds.bybit.decoder import BybitDecoder
from core.feeds.bybit.rule import BybitRule
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Side,
    Trade,
    VenueBar,
)
from core.model.ports import Verdict

Decode = Callable[..., Sequence[MarketEvent]]

NAME = InstrumentId("BTCUSDT-PERP.bybit")
LINEAR = "wss://stream.bybit.com/v5/public/linear"
SPOT = "wss://stream.bybit.com/v5/public/spot"


def topic(name: str, data: Any, kind: str = "snapshot", **more: Any) -> dict[str, Any]:
    return {"topic": name, "type": kind, "ts": 1786310818130, "data": data, **more}


def book(
    kind: str, u: int, *, depth: int = 200, seq: int = 0, b: Any = (), a: Any = (), **more: Any
) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": list(b), "a": list(a), "u": u, "seq": seq or u}
    return topic(f"orderbook.{depth}.BTCUSDT", data, kind, **more)


B, A = [["100.1", "2"], ["100.0", "3"]], [["100.2", "1.5"]]
TRADE = {
    "T": 1786310819680, "s": "BTCUSDT", "S": "Sell", "v": "0.004", "p": "65114.20",
    "L": "MinusTick", "i": "a9188a0a-82bc-50de-be60-03eedbe3cdd7", "BT": False, "RPI": False,
    "seq": 753843954913,
}  # fmt: skip
TICKER = {
    "symbol": "BTCUSDT", "lastPrice": "65114.30", "prevPrice24h": "65008.70",
    "highPrice24h": "65282.30", "lowPrice24h": "64694.40", "markPrice": "65117.44",
    "indexPrice": "65137.76", "openInterest": "59891.732", "openInterestValue": "3899996265.01",
    "turnover24h": "1142118412.9021", "volume24h": "17573.9120",
    "nextFundingTime": "1786320000000", "fundingRate": "0.0001", "bid1Price": "65114.20",
    "bid1Size": "5.954", "ask1Price": "65114.30", "ask1Size": "10.470",
}  # fmt: skip


def test_image_and_change_carry_the_number(decode: Decode) -> None:
    (image,) = decode(book("snapshot", 100, b=B, a=A, cts=1786310818129))
    assert isinstance(image, BookSnapshot)
    assert (image.reset, image.last_id) == (True, 100)
    assert image.ts_event_ns == 1786310818129 * 10**6, "the matching engine's time"
    assert image.bids.tolist() == [[1001, 2000], [1000, 3000]]
    (delta,) = decode(book("delta", 101, b=[["100.0", "0"]]))
    assert isinstance(delta, BookDelta)
    assert (delta.last_id, delta.ts_event_ns) == (101, 1786310818130 * 10**6)
    assert delta.bids.tolist() == [[1000, 0]]


@pytest.mark.parametrize(
    ("last", "number", "splice", "follow"),
    [
        (10, 11, Verdict.APPLY, Verdict.APPLY),
        (10, 12, Verdict.GAP, Verdict.GAP),
        (10, 10, Verdict.OLD, Verdict.OLD),
        (10, 3, Verdict.OLD, Verdict.GAP),
    ],
)
def test_rule(last: int, number: int, splice: Verdict, follow: Verdict) -> None:
    none = np.zeros((0, 2), np.int64)
    delta = BookDelta(NAME, 0, 0, number, number, -1, none, none)
    assert BybitRule().splice(last, delta) is splice
    assert BybitRule().follow(last, delta) is follow


def test_gap_stales_and_a_restarted_service_mends(decoder: BybitDecoder, decode: Decode) -> None:
    market = MarketState(decoder.instruments.values(), {VenueName("bybit"): decoder.rule},
                         eager=True)  # fmt: skip

    def take(message: Any) -> FeedStatus:
        for event in decode(message):
            market.apply(event)
        return market.status(NAME)

    assert take(book("snapshot", 100, b=B, a=A)) is FeedStatus.LIVE
    assert take(book("delta", 101)) is FeedStatus.LIVE
    assert take(book("delta", 103)) is FeedStatus.STALE
    assert market.feed_view(NAME).gaps == 1
    assert take(book("delta", 1, b=B, a=A)) is FeedStatus.LIVE, "u of 1 is an image"
    assert take(book("delta", 2)) is FeedStatus.LIVE
    assert take(book("delta", 2)) is FeedStatus.LIVE, "the same message twice"


def test_newest_image_owns_the_book_while_connections_overlap(decode: Decode) -> None:
    decode(book("snapshot", 100, b=B, a=A), conn=1)
    assert len(decode(book("delta", 101), conn=1)) == 1
    decode(book("snapshot", 102, b=B, a=A), conn=2)
    assert not decode(book("delta", 102), conn=1)
    assert len(decode(book("delta", 103), conn=2)) == 1
    decode(b"gone", conn=2, kind="disconnect")
    assert len(decode(book("delta", 104), conn=1)) == 1


def test_same_symbol_means_what_the_socket_says(decode: Decode, decoder: BybitDecoder) -> None:
    decoder.decode("connect", 1, 5, LINEAR, b"")
    decoder.decode("connect", 2, 5, SPOT, b"")
    (linear,) = decode(topic("publicTrade.BTCUSDT", [TRADE]), conn=1)
    (spot,) = decode(topic("publicTrade.BTCUSDT", [TRADE | {"i": "2240000000041223438"}]), conn=2)
    assert isinstance(linear, Trade)
    assert isinstance(spot, Trade)
    assert (linear.instrument_id, spot.instrument_id) == (NAME, "BTCUSDT.bybit")
    assert spot.trade_id == 2240000000041223438
    (status,) = decode({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]}, conn=2, kind="send")
    assert isinstance(status, FeedStatusChanged)
    assert status.instrument_id == "BTCUSDT.bybit"
    (gone,) = decode(b"x", conn=2, kind="disconnect")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == ("BTCUSDT.bybit",)


def test_finer_steps_of_spot_are_not_those_of_the_perpetual(
    linear: Instrument, spot: Instrument
) -> None:
    decoder = BybitDecoder(instruments=[linear, spot])
    decoder.decode("connect", 2, 5, SPOT, b"")
    frame = json.dumps(book("snapshot", 5, b=[["100.1", "0.0000001"]], a=A)).encode()
    (image,) = decoder.decode("recv", 2, 7, "", frame)
    assert isinstance(image, BookSnapshot)
    assert image.bids.tolist() == [[10010, 1]], "live it is the nearest"
    assert decoder.off_step == {"spot/BTCUSDT": (0, 7)}
    again = BybitDecoder()
    again.finer = dict(decoder.off_step)
    again.add_instruments([linear, spot])
    steps = {key: item.size_lot for key, item in again.instruments.items()}
    assert steps == {"BTCUSDT": Decimal("0.001"), "spot/BTCUSDT": Decimal("0.0000001")}


def test_trade_ids_are_stable_and_fit(decode: Decode) -> None:
    (first,), (again,) = (decode(topic("publicTrade.BTCUSDT", [TRADE])) for _ in range(2))
    assert isinstance(first, Trade)
    assert first == again
    assert 0 < first.trade_id < 1 << 63
    assert first.buyer_is_maker
    assert (first.price_ticks, first.size_lots) == (651142, 4)
    (other,) = decode(topic("publicTrade.BTCUSDT", [TRADE | {"i": "b9188a0a", "S": "Buy"}]))
    assert isinstance(other, Trade)
    assert other.trade_id != first.trade_id
    assert not other.buyer_is_maker


def test_best_prices_keep_the_side_that_did_not_change(decode: Decode) -> None:
    image = book("snapshot", 5, depth=1, b=[["100.1", "2"]], a=[["100.2", "1"]], seq=50)
    (quote,) = decode(image)
    assert isinstance(quote, Quote)
    (moved,) = decode(
        book("delta", 6, depth=1, b=[["100.1", "0"], ["100.0", "4"]], seq=51)
    )  # fmt: skip
    assert isinstance(moved, Quote)
    assert (moved.bid_ticks, moved.bid_lots, moved.ask_ticks) == (1000, 4000, 1002)
    assert not decode(book("delta", 7, depth=1, a=[["100.2", "0"]], seq=52)), "half is none"
    assert not decode(image | {"ts": 1786310818129}), "an older connection lags behind"


def test_quote_is_newer_than_the_book_only_if_it_was_made_later(decode: Decode) -> None:
    best = {"b": [["100.1", "2"]], "a": [["100.2", "1"]]}
    decode(book("snapshot", 1000, b=B, a=A, seq=70))
    (older,) = decode(book("snapshot", 5, depth=1, seq=69, **best))
    (newer,) = decode(book("snapshot", 6, depth=1, seq=71, **best))
    assert isinstance(older, Quote)
    assert isinstance(newer, Quote)
    assert (older.update_id, newer.update_id) == (1000, 1001)


def test_changes_of_a_ticker_come_with_what_did_not_change(decode: Decode) -> None:
    day, mark, interest = decode(topic("tickers.BTCUSDT", TICKER))
    assert isinstance(day, DayTicker)
    assert (day.last, day.open) == (Decimal("65114.30"), Decimal("65008.70"))
    assert day.quote_volume == Decimal("1142118412.9021")
    assert isinstance(mark, MarkPrice)
    assert (mark.funding_rate, mark.next_funding_ns) == (Decimal("0.0001"), 1786320000 * 10**9)
    assert isinstance(interest, OpenInterest)
    change = {"symbol": "BTCUSDT", "markPrice": "65118", "openInterestValue": "5"}
    mark, interest = decode(topic("tickers.BTCUSDT", change, "delta"))
    assert isinstance(mark, MarkPrice)
    assert (mark.mark, mark.index) == (Decimal(65118), Decimal("65137.76"))
    assert isinstance(interest, OpenInterest)
    assert (interest.size, interest.value) == (Decimal("59891.732"), Decimal(5))
    assert not decode(topic("tickers.BTCUSDT", {"symbol": "BTCUSDT", "bid1Size": "1"}, "delta"))
    (fresh,) = decode(topic("tickers.BTCUSDT", {"symbol": "BTCUSDT", "markPrice": "9"}))
    assert isinstance(fresh, MarkPrice)
    assert (fresh.mark, fresh.index) == (Decimal(9), None), "a whole ticker starts anew"


def test_dated_future_has_no_funding(decode: Decode) -> None:
    change = {"symbol": "BTCUSDT", "fundingRate": "", "nextFundingTime": ""}
    (mark,) = decode(topic("tickers.BTCUSDT", change, "delta"))
    assert isinstance(mark, MarkPrice)
    assert (mark.funding_rate, mark.next_funding_ns) == (None, 0)


OPTION = {
    "symbol": "BTC-28JUN24-60000-P", "bidPrice": "3475", "bidSize": "10.14", "bidIv": "0.5479",
    "askPrice": "3520", "askSize": "2.5", "askIv": "0.5534", "lastPrice": "3565",
    "markPrice": "3502.0715721", "indexPrice": "61912.8", "markPriceIv": "0.5513",
    "underlyingPrice": "62588.50709846", "openInterest": "29.35", "turnover24h": "101005.6",
    "volume24h": "1.62", "delta": "-0.35", "gamma": "0.00003", "vega": "85.5", "theta": "-49",
}  # fmt: skip


def test_option_ticker_has_quote_and_greeks(decode: Decode) -> None:
    frame = {"id": "x", **topic("tickers.BTC-28JUN24-60000-P", OPTION)}
    quote, greeks, *others = decode(frame)
    assert isinstance(quote, Quote)
    assert (quote.bid_ticks, quote.ask_lots) == (695, 250)
    assert isinstance(greeks, OptionGreeks)
    assert (greeks.mark_iv, greeks.delta, greeks.underlying) == (0.5513, -0.35, 62588.50709846)
    assert math.isnan(greeks.rho)
    assert [type(event) for event in others] == [DayTicker, MarkPrice, OpenInterest]
    empty = OPTION | {"bidPrice": "0", "bidSize": "0"}
    assert isinstance(decode(topic("tickers.X", empty))[0], OptionGreeks), "half a quote is none"


def test_option_trades_come_by_coin_and_tell_only_of_what_is_followed(decode: Decode) -> None:
    row = TRADE | {"s": "BTC-28JUN24-60000-P", "p": "3475", "v": "0.01"}
    frame = topic("publicTrade.BTC", [row])
    assert len(decode(frame)) == 1
    decode({"op": "subscribe", "args": ["tickers.BTCUSDT", "publicTrade.BTC"]}, kind="send")
    assert not decode(frame)
    decode({"op": "subscribe", "args": ["tickers.BTC-28JUN24-60000-P"]}, kind="send")
    assert len(decode(frame)) == 1


def test_liquidated_long_sells(decode: Decode) -> None:
    row = {"T": 5, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "100.04"}
    (forced,) = decode(topic("allLiquidation.BTCUSDT", [row]))
    assert isinstance(forced, Liquidation)
    assert (forced.side, forced.price_ticks, forced.lossy) == (Side.SELL, 1000, False)


def test_candle_is_closed_when_confirmed(decode: Decode) -> None:
    row = {"start": 1786310760000, "end": 1786310819999, "interval": "60", "open": "65119.9",
           "close": "65114.3", "high": "65120.0", "low": "65114.2", "volume": "1.576",
           "turnover": "1", "confirm": True, "timestamp": 1786310818440}  # fmt: skip
    (bar,) = decode(topic("kline.60.BTCUSDT", [row]))
    assert isinstance(bar, VenueBar)
    assert (bar.timeframe, bar.closed, bar.volume_lots) == ("1h", True, 1576)
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == (
        651199, 651200, 651142, 651143,
    )  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {"success": True, "ret_msg": "", "conn_id": "x", "req_id": "", "op": "subscribe"},
        {"success": True, "ret_msg": "pong", "conn_id": "x", "req_id": "", "op": "ping"},
        {"args": ["1672916271846"], "op": "pong"},
        {"success": True, "conn_id": "x", "type": "COMMAND_RESP",
         "data": {"failTopics": [], "successTopics": ["tickers.BTC"]}},
    ],
)  # fmt: skip
def test_control_frames_are_no_market_data(decode: Decode, message: Any) -> None:
    assert not decode(message)


@pytest.mark.parametrize(
    "message",
    [
        {"success": False, "op": "subscribe", "conn_id": "x",
         "ret_msg": "error:handler not found,topic:orderbook.200.BTCUSDT"},
        {"success": False, "conn_id": "x", "type": "COMMAND_RESP", "ret_msg": "no",
         "data": {"failTopics": ["orderbook.200.BTCUSDT"], "successTopics": []}},
    ],
)  # fmt: skip
def test_refusals_name_topic_instrument_and_remedy(decode: Decode, message: Any) -> None:
    (refused,) = decode(message)
    assert isinstance(refused, FrameRejected)
    assert (refused.channel, refused.instrument_id) == ("orderbook.200.BTCUSDT", NAME)
    assert "check the symbol" in refused.reason


def test_rejoining_the_book_is_no_unsubscription(decode: Decode) -> None:
    decode({"op": "subscribe", "args": ["orderbook.200.BTCUSDT", "tickers.BTCUSDT"]}, kind="send")
    assert not decode({"op": "unsubscribe", "args": ["orderbook.200.BTCUSDT"]}, kind="send")
    assert not decode({"op": "subscribe", "args": ["orderbook.200.BTCUSDT"]}, kind="send")


def test_rest_answers(decoder: BybitDecoder) -> None:
    def answer(url: str, result: Any, code: int = 0) -> Sequence[MarketEvent]:
        body = json.dumps({"retCode": code, "retMsg": "words", "result": result}).encode()
        return decoder.decode("http", 0, 2_000_000_000, f"https://api.bybit.com{url}", body)

    time = {"timeSecond": "1", "timeNano": "1600000000"}
    (clock,) = answer("/v5/market/time#asked_ns=1000000000", time)
    assert isinstance(clock, ClockSample)
    assert clock.offset_ns == 100_000_000
    image = {"s": "BTCUSDT", "b": B, "a": A, "ts": 5, "u": 12, "seq": 9}
    url = "/v5/market/orderbook?category={}&symbol=BTCUSDT"
    for category, name in (("linear", NAME), ("spot", "BTCUSDT.bybit")):
        (made,) = answer(url.format(category), image)
        assert isinstance(made, BookSnapshot)
        assert (made.instrument_id, made.last_id, made.reset) == (name, 12, False)
    (refused,) = answer("/v5/market/time", {}, 10006)
    assert isinstance(refused, FrameRejected)
    assert "10006" in refused.reason


BAD_VALUES = ["NaN", "Infinity", "", "-1", "1e400", "0x1", None, [], "1" * 60, "１", " 1", "1_0"]


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
def test_values_that_are_no_numbers_are_refused(decode: Decode, bad: Any) -> None:
    frames = [
        book("snapshot", 1, b=[[bad, "1"]]),
        book("snapshot", 1, b=[["1", bad]]),
        book("snapshot", 1, depth=1, b=[["1", bad]]),
        topic("publicTrade.BTCUSDT", [TRADE | {"p": bad}]),
        topic("publicTrade.BTCUSDT", [TRADE | {"T": bad}]),
        topic("allLiquidation.BTCUSDT", [{"T": 5, "s": "BTCUSDT", "S": "Buy", "v": bad, "p": "1"}]),
    ]
    for frame in frames:
        assert [type(event) for event in decode(frame)] == [FrameRejected], frame


@pytest.mark.parametrize(
    "frame",
    [topic("publicTrade.BTCUSDT", [TRADE | {"S": "None"}]), book("other", 5),
     topic("publicTrade.BTCUSDT", [TRADE | {"v": "0"}]), topic("priceLimit.BTCUSDT", {}),
     topic("publicTrade.X", [TRADE | {"s": "X"}]), topic("publicTrade.X", [TRADE | {"i": ""}]),
     {"op": "auth", "success": False, "ret_msg": "no"}, {"op": "order.create", "retCode": 0},
     b"", b"null", b"<html>", b"[]", b"{}", book("snapshot", 5, b=[["0", "1"]])],
    ids=lambda frame: str(frame)[:60],
)  # fmt: skip
def test_what_cannot_be_is_refused(decode: Decode, frame: Any) -> None:
    assert [type(event) for event in decode(frame)] == [FrameRejected]


SAMPLES = [
    json.dumps(frame, separators=(",", ":")).encode()
    for frame in (
        book("snapshot", 4, b=B, a=A),
        book("delta", 5, b=B),
        book("snapshot", 4, depth=1, b=B[:1], a=A),
        topic("publicTrade.BTCUSDT", [TRADE]),
        topic("tickers.BTCUSDT", TICKER),
        topic("tickers.BTC-28JUN24-60000-P", OPTION),
        {"success": False, "op": "subscribe", "ret_msg": "error:topic:x"},
    )
]


@given(st.data())
def test_no_frame_raises_whatever_happened_to_it(data: st.DataObject) -> None:
    venue = VenueName("bybit")
    items = [
        Instrument(id=InstrumentId(f"{symbol}.bybit"), venue=venue, venue_symbol=symbol, base="BTC",
                   quote="USDT", kind=kind, price_tick=Decimal("0.1"), size_lot=Decimal("0.001"))
        for symbol, kind in (("BTCUSDT", InstrumentKind.PERPETUAL),
                             ("BTC-28JUN24-60000-P", InstrumentKind.OPTION))
    ]  # fmt: skip
    decoder = BybitDecoder(instruments=items)
    frame = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    for event in decoder.decode("recv", 1, 7, "", bytes(frame[:cut])):
        if isinstance(event, BookDelta | BookSnapshot):
            assert (event.bids[:, 0] > 0).all()
            assert (event.bids >= 0).all()


@given(st.sampled_from(["recv", "send", "http"]), st.binary(max_size=60))
def test_rubbish_is_refused_in_any_place(kind: Any, rubbish: bytes) -> None:
    url = "https://api.bybit.com/v5/market/instruments-info?category=spot"
    for event in BybitDecoder().decode(kind, 1, 7, url, rubbish):
        assert isinstance(event, FrameRejected)
