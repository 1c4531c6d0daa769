from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.market import MarketState
from core.feeds.okx.decoder import OkxDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedConnected,
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
    TradesAbsent,
    VenueBar,
)

Decode = Callable[..., Sequence[MarketEvent]]

SPOT = "BTC-USDT"
SWAP = "BTC-USDT-SWAP"


def book(
    action: str, prev: int, seq: int, *, symbol: str = SPOT, channel: str = "books", **side: Any
) -> dict[str, Any]:
    return {
        "arg": {"channel": channel, "instId": symbol},
        "action": action,
        "data": [
            {"asks": side.get("asks", []), "bids": side.get("bids", []), "ts": "1597026383085",
             "checksum": side.get("checksum", 0), "prevSeqId": prev, "seqId": seq}
        ],
    }  # fmt: skip


def push(channel: str, *rows: Any, **arg: str) -> dict[str, Any]:
    return {"arg": {"channel": channel, **arg}, "data": list(rows)}


def make_option() -> Instrument:
    return Instrument(
        id=InstrumentId("BTC-USD-20200103-5500-C.okx"), venue=VenueName("okx"),
        venue_symbol="BTC-USD-200103-5500-C", base="BTC", quote="USD", kind=InstrumentKind.OPTION,
        price_tick=Decimal("0.0005"), size_lot=Decimal(1),
    )  # fmt: skip


BIDS = [["100.1", "2", "0", "1"], ["100", "3", "0", "1"]]
ASKS = [["100.2", "1.5", "0", "1"]]
TICKER = {
    "instType": "SPOT", "instId": SPOT, "last": "100.1", "lastSz": "1", "askPx": "100.2",
    "askSz": "3", "bidPx": "100.1", "bidSz": "2", "open24h": "99", "high24h": "101",
    "low24h": "98.5", "volCcy24h": "12345.678", "vol24h": "123.4", "ts": "1597026383085",
}  # fmt: skip


def test_image_and_update_carry_the_chain(decode: Decode) -> None:
    (image,) = decode(book("snapshot", -1, 100, bids=BIDS, asks=ASKS))
    assert isinstance(image, BookSnapshot)
    assert image.reset
    assert (image.last_id, image.ts_event_ns) == (100, 1597026383085 * 10**6)
    assert image.bids.tolist() == [[1001, 200000000], [1000, 300000000]]
    assert image.check is None
    (update,) = decode(book("update", 100, 117, bids=[["100", "0", "0", "0"]]))
    assert type(update) is BookDelta
    assert (update.first_id, update.last_id, update.prev_id) == (100, 117, 100)
    assert update.bids.tolist() == [[1000, 0]]


def test_gap_stales_and_a_fresh_image_mends_though_numbers_fell(
    decoder: OkxDecoder, decode: Decode
) -> None:
    market = MarketState(decoder.instruments.values(), {VenueName("okx"): decoder.rule}, eager=True)
    name = InstrumentId("BTC-USDT.okx")

    def take(message: Any) -> FeedStatus:
        for event in decode(message):
            market.apply(event)
        return market.status(name)

    assert take(book("snapshot", -1, 100, bids=BIDS, asks=ASKS)) is FeedStatus.LIVE
    assert take(book("update", 100, 100)) is FeedStatus.LIVE, "keep-alive"
    assert take(book("update", 100, 7)) is FeedStatus.LIVE, "maintenance"
    assert take(book("update", 7, 9, bids=[["100.1", "5", "0", "1"]])) is FeedStatus.LIVE
    assert take(book("update", 11, 12)) is FeedStatus.STALE
    assert market.feed_view(name).gaps == 1
    assert take(book("snapshot", -1, 5, bids=BIDS, asks=ASKS)) is FeedStatus.LIVE
    assert take(book("update", 5, 6)) is FeedStatus.LIVE


def test_newest_image_owns_the_book_while_connections_overlap(decode: Decode) -> None:
    decode(book("snapshot", -1, 100, bids=BIDS, asks=ASKS), conn=1)
    assert len(decode(book("update", 100, 101), conn=1)) == 1
    decode(book("snapshot", -1, 103, bids=BIDS, asks=ASKS), conn=2)
    assert not decode(book("update", 101, 102), conn=1)
    assert len(decode(book("update", 103, 104), conn=2)) == 1
    decode(b"gone", conn=2, kind="disconnect")
    assert len(decode(book("update", 104, 105), conn=1)) == 1, "the other one goes on"


def test_five_levels_never_replace_a_deeper_book(decode: Decode) -> None:
    five = push("books5", {"asks": ASKS, "bids": BIDS, "ts": "1", "instId": SPOT}, instId=SPOT)
    (image,) = decode(five)
    assert isinstance(image, BookSnapshot)
    decode(book("snapshot", -1, 100, bids=BIDS, asks=ASKS))
    assert not decode(five)


def test_size_finer_than_the_lot_rests_as_the_nearest_and_is_noted(
    decode: Decode, decoder: OkxDecoder
) -> None:
    (image,) = decode(
        book("snapshot", -1, 1, bids=[["100", "0.000000001", "0", "1"]], asks=ASKS)
    )  # fmt: skip
    assert isinstance(image, BookSnapshot)
    assert image.bids.tolist() == [[1000, 1]], "what rests never vanishes"
    assert decoder.off_step == {SPOT: (0, 9)}
    (refused,) = decode(book("update", 1, 2, bids=[["100.01", "1", "0", "1"]]))
    assert isinstance(refused, FrameRejected)


def test_trade_of_a_seller_makes_the_buyer_the_maker(decode: Decode) -> None:
    row = {"instId": SPOT, "tradeId": "674510826", "px": "95634.9", "sz": "0.00011186",
           "side": "sell", "ts": "1740394561685", "count": "1"}  # fmt: skip
    (trade,) = decode(push("trades", row, instId=SPOT))
    assert trade == Trade(
        InstrumentId("BTC-USDT.okx"), 1740394561685 * 10**6, 7, 956349, 11186, True, 674510826,
        674510826,
    )  # fmt: skip
    (fill,) = decode(push("trades-all", row | {"side": "buy"}, instId=SPOT))
    assert isinstance(fill, Trade)
    assert not fill.buyer_is_maker
    assert not fill.first_trade_id
    assert not decode(push("trades", row, instId=SPOT)), "single fills tell it all"


FILL = {"instId": SPOT, "tradeId": "123", "px": "1", "sz": "1", "side": "buy", "ts": "1"}


def test_joined_trade_begins_with_the_first_of_its_fills(decode: Decode) -> None:
    frame = push("trades", FILL | {"count": "3"}, instId=SPOT)
    spaced = json.dumps(frame, indent=1).encode()
    for spelling in (frame, spaced):
        (trade,) = decode(spelling)
        assert isinstance(trade, Trade)
        assert (trade.first_trade_id, trade.trade_id) == (121, 123)
    (alone,) = decode(push("trades", FILL, instId=SPOT))
    assert isinstance(alone, Trade)
    assert alone.first_trade_id == 123, "as until 2022, when each fill was told"


@pytest.mark.parametrize("count", ["0", "124"])
def test_count_that_no_trade_can_have_is_refused(decode: Decode, count: str) -> None:
    (refused,) = decode(push("trades", FILL | {"count": count}, instId=SPOT))
    assert isinstance(refused, FrameRejected)
    assert f"was {count}" in refused.reason


def missed(*numbers: int, before: int, after: int) -> tuple[str, bytes]:
    """Return the answer for fills between two ids, newest first, and what was asked."""
    rows = [{**FILL, "tradeId": str(number), "source": "0"} for number in numbers]
    body = json.dumps({"code": "0", "msg": "", "data": rows}).encode()
    path = "https://www.okx.com/api/v5/market/history-trades"
    return f"{path}?instId={SPOT}&type=1&before={before}&after={after}&limit=100", body


def test_fills_asked_for_are_told_as_joined_trades_of_one(decoder: OkxDecoder) -> None:
    url, body = missed(8, 7, 6, 5, before=4, after=9)
    events = decoder.decode("http", 0, 7, url, body)
    assert [(e.first_trade_id, e.trade_id) for e in events if isinstance(e, Trade)] == [
        (5, 5), (6, 6), (7, 7),
    ], "oldest first, without the one that was known"  # fmt: skip


def test_fills_the_venue_has_not_are_said_to_be_none(decoder: OkxDecoder) -> None:
    url, body = missed(8, before=4, after=9)
    (absent,) = decoder.decode("http", 0, 7, url, body)
    assert absent == TradesAbsent(
        instrument_id=InstrumentId("BTC-USDT.okx"), ts_recv_ns=7, first_id=5, last_id=7
    )
    assert not decoder.decode("http", 0, 7, url.partition("&")[0], body), "asked for by time"


def test_quotes_never_go_back_in_time(decode: Decode) -> None:
    quote, day = decode(push("tickers", TICKER, instId=SPOT))
    assert isinstance(quote, Quote)
    assert (quote.bid_ticks, quote.ask_ticks, quote.update_id) == (1001, 1002, 0)
    assert isinstance(day, DayTicker)
    assert (day.volume, day.quote_volume) == (Decimal("123.4"), Decimal("12345.678"))
    top = {"asks": ASKS, "bids": BIDS, "ts": "1597026383999", "seqId": 123456}
    (best,) = decode(push("bbo-tbt", top, instId=SPOT))
    assert isinstance(best, Quote)
    assert best.update_id == 123456
    late = decode(push("tickers", TICKER, instId=SPOT))
    assert [type(event) for event in late] == [DayTicker]


def test_half_a_quote_is_none(decode: Decode) -> None:
    assert not decode(push("bbo-tbt", {"asks": [], "bids": BIDS, "ts": "1"}, instId=SPOT))
    (day,) = decode(push("tickers", TICKER | {"bidPx": "", "bidSz": ""}, instId=SPOT))
    assert isinstance(day, DayTicker)


def test_derivative_channels(decode: Decode, decoder: OkxDecoder) -> None:
    (mark,) = decode(push("mark-price", {"instId": SWAP, "markPx": "95.12345", "ts": "5"}))
    assert isinstance(mark, MarkPrice)
    assert mark.mark == Decimal("95.12345")
    (funding,) = decode(
        push("funding-rate", {"instId": SWAP, "fundingRate": "-0.00042", "fundingTime": "9",
                              "nextFundingRate": "", "ts": "4"})
    )  # fmt: skip
    assert isinstance(funding, MarkPrice)
    assert (funding.funding_rate, funding.next_funding_ns) == (Decimal("-0.00042"), 9_000_000)
    (interest,) = decode(push("open-interest", {"instId": SWAP, "oi": "5000.5", "ts": "5"}))
    assert isinstance(interest, OpenInterest)
    assert (interest.size, interest.value) == (Decimal("5000.5"), None)
    detail = {"bkLoss": "0", "bkPx": "95.17", "posSide": "long", "side": "sell", "sz": "39",
              "ts": "16"}  # fmt: skip
    (forced,) = decode(push("liquidation-orders", {"instId": SWAP, "details": [detail]}))
    assert isinstance(forced, Liquidation)
    assert (forced.side, forced.price_ticks, forced.size_lots) == (Side.SELL, 952, 3900)
    assert forced.lossy


def test_option_summary_has_fractions_and_nan_where_unsaid() -> None:
    option = make_option()
    decoder = OkxDecoder(instruments=[option])
    row = {"instType": "OPTION", "instId": option.venue_symbol, "uly": "BTC-USD",
           "delta": "0.7", "deltaBS": "0.7494223636", "gammaBS": "-0.6765", "thetaBS": "-0.00008",
           "vegaBS": "0.0000077", "bidVol": "", "askVol": "1.5625", "markVol": "0.9987",
           "fwdPx": "39016.8143629068452065", "ts": "1597026383085"}  # fmt: skip
    frame = push("opt-summary", row, instFamily="BTC-USD")
    (greeks,) = decoder.decode("recv", 1, 7, "", json.dumps(frame).encode())
    assert isinstance(greeks, OptionGreeks)
    assert (greeks.mark_iv, greeks.ask_iv, greeks.delta) == (0.9987, 1.5625, 0.7494223636)
    assert math.isnan(greeks.bid_iv)
    assert math.isnan(greeks.rho)
    assert greeks.underlying == pytest.approx(39016.81436290685)


def test_index_reaches_what_hangs_on_it_and_is_followed(
    decode: Decode, decoder: OkxDecoder
) -> None:
    listing = {"code": "0", "msg": "", "data": [
        {"instType": "SWAP", "instId": SWAP, "uly": SPOT, "tickSz": "0.1", "lotSz": "0.01",
         "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "settleCcy": "USDT",
         "state": "live"}]}  # fmt: skip
    url = "https://www.okx.com/api/v5/public/instruments?instType=SWAP"
    assert not decoder.decode("http", 0, 1, url, json.dumps(listing).encode())
    tick = push("index-tickers", {"instId": SPOT, "idxPx": "95.5", "ts": "3"}, instId=SPOT)
    index, day = decode(tick)
    assert isinstance(index, MarkPrice)
    assert isinstance(day, DayTicker)
    assert day.last == Decimal("95.5")
    assert index.instrument_id == "BTC-USDT-INDEX.okx"
    ask = {"op": "subscribe", "args": [{"channel": "books", "instId": SWAP}]}
    decode(ask, kind="send")
    both = decode(tick)
    assert [event.instrument_id for event in both if isinstance(event, MarkPrice)] == [
        "BTC-USDT-INDEX.okx",
        "BTC-USDT-PERP.okx",
    ]


def test_channels_of_a_whole_kind_tell_only_of_what_is_followed(decode: Decode) -> None:
    detail = {"bkPx": "95", "side": "buy", "sz": "1", "ts": "1"}
    frame = push("liquidation-orders", {"instId": SWAP, "details": [detail]}, instType="SWAP")
    decode({"op": "subscribe", "args": [{"channel": "books", "instId": SPOT}]}, kind="send")
    assert not decode(frame)
    decode({"op": "subscribe", "args": [{"channel": "books", "instId": SWAP}]}, kind="send")
    assert len(decode(frame)) == 1


def test_candle_is_closed_when_the_venue_confirms_it(decode: Decode) -> None:
    row = [
        "1654154580000",
        "29930.7",
        "29936.3",
        "29930.7",
        "29936.2",
        "0.0111536",
        "333.8",
        "333.8",
    ]
    frames = [push("candle1H", [*row, confirm], instId=SPOT) for confirm in ("0", "1")]
    (forming,), (closed,) = (decode(frame) for frame in frames)
    assert isinstance(forming, VenueBar)
    assert isinstance(closed, VenueBar)
    assert (forming.closed, closed.closed) == (False, True)
    assert (closed.timeframe, closed.ts_open_ns) == ("1h", 1654154580000 * 10**6)
    assert (closed.high_ticks, closed.close_ticks, closed.volume_lots) == (299363, 299362, 1115360)


@pytest.mark.parametrize(
    "message",
    [
        b"pong",
        {"event": "subscribe", "arg": {"channel": "books", "instId": SPOT}, "connId": "a4d3ae55"},
        {"event": "notice", "code": "64008", "msg": "soon closed for a service upgrade"},
        {"event": "channel-conn-count", "channel": "orders", "connCount": "2", "connId": "x"},
    ],
)
def test_control_frames_are_no_market_data(decode: Decode, message: Any) -> None:
    assert not decode(message)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ({"code": "60018", "msg": "Wrong URL or channel:books,instId:BTC-USDT doesn't exist."},
         "business"),
        ({"code": "64003", "msg": "Your trading fee tier doesn't meet the requirement",
          "arg": {"channel": "books-l2-tbt", "instId": SPOT}}, "VIP"),
    ],
)  # fmt: skip
def test_refusals_name_channel_instrument_and_remedy(
    decode: Decode, error: dict[str, Any], remedy: str
) -> None:
    (refused,) = decode({"event": "error", "connId": "a4d3ae55", **error})
    assert isinstance(refused, FrameRejected)
    assert refused.channel.startswith("books")
    assert refused.instrument_id == "BTC-USDT.okx"
    assert remedy in refused.reason
    assert error["code"] in refused.reason


def test_subscriptions_are_carried_but_candles_lend_no_trust(decode: Decode) -> None:
    decode(b"", conn=1, kind="connect")
    decode(b"", conn=2, kind="connect")
    asked = {"op": "subscribe", "args": [{"channel": "books", "instId": SPOT},
                                         {"channel": "trades", "instId": SPOT}]}  # fmt: skip
    (status,) = decode(asked, conn=1, kind="send")
    assert isinstance(status, FeedStatusChanged)
    assert status.status is FeedStatus.SYNCING
    bars = {"op": "subscribe", "args": [{"channel": "candle1m", "instId": SPOT}]}
    assert not decode(bars, conn=2, kind="send")
    (gone,) = decode(b"closed", conn=1, kind="disconnect")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == ("BTC-USDT.okx",), "the candles' connection does not help"


def test_rejoining_the_book_is_no_unsubscription(decode: Decode) -> None:
    books = [{"channel": "books", "instId": SPOT}]
    trades = [{"channel": "trades", "instId": SPOT}]
    (opened,) = decode(b"", conn=1, kind="connect")
    assert isinstance(opened, FeedConnected)
    decode({"op": "subscribe", "args": books + trades}, kind="send")
    assert not decode({"op": "unsubscribe", "args": books}, kind="send")
    assert not decode({"op": "subscribe", "args": books}, kind="send")
    (left,) = decode({"op": "unsubscribe", "args": books + trades}, kind="send")
    assert isinstance(left, FeedStatusChanged)
    assert left.status is FeedStatus.UNSUBSCRIBED


def test_rest_answers(decoder: OkxDecoder) -> None:
    def answer(url: str, *data: Any, code: str = "0") -> Sequence[MarketEvent]:
        body = json.dumps({"code": code, "msg": "words", "data": list(data)}).encode()
        return decoder.decode("http", 0, 2_000_000_000, f"https://www.okx.com{url}", body)

    (clock,) = answer("/api/v5/public/time#asked_ns=1000000000", {"ts": "1600"})
    assert isinstance(clock, ClockSample)
    assert (clock.offset_ns, clock.round_trip_ns) == (100_000_000, 1_000_000_000)
    image = {"asks": ASKS, "bids": BIDS, "ts": "5", "seqId": 12}
    (book_image,) = answer("/api/v5/market/books?instId=BTC-USDT&sz=400", image)
    assert isinstance(book_image, BookSnapshot)
    assert (book_image.last_id, book_image.reset) == (12, False)
    (interest,) = answer("/api/v5/public/open-interest?instType=SWAP",
                         {"instId": SWAP, "oi": "7", "oiCcy": "1", "ts": "5"})  # fmt: skip
    assert isinstance(interest, OpenInterest)
    assert not answer("/api/v5/market/candles?instId=BTC-USDT", ["1", "2"])
    (refused,) = answer("/api/v5/public/open-interest", code="50011")
    assert isinstance(refused, FrameRejected)
    assert "50011" in refused.reason
    assert "less often" in refused.reason


BAD_VALUES = ["NaN", "Infinity", "", "-1", "1e400", "0x1", None, [], "1" * 60, "１", " 1", "1_0"]


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
def test_values_that_are_no_numbers_are_refused(decode: Decode, bad: Any) -> None:
    frames = [
        book("snapshot", -1, 1, bids=[[bad, "1", "0", "1"]], asks=ASKS),
        book("snapshot", -1, 1, bids=[["100", bad, "0", "1"]], asks=ASKS),
        push("trades", {"instId": SPOT, "tradeId": "1", "px": bad, "sz": "1", "side": "buy",
                        "ts": "1"}),
        push("trades", {"instId": SPOT, "tradeId": "1", "px": "1", "sz": "1", "side": "buy",
                        "ts": bad}),
        push("mark-price", {"instId": SWAP, "markPx": bad, "ts": "1"}),
    ]  # fmt: skip
    for frame in frames[: -1 if bad == "-1" else None]:
        assert [type(event) for event in decode(frame)] == [FrameRejected], frame


@pytest.mark.parametrize("size", ["0", "0.0"])
def test_trade_of_nothing_is_refused(decode: Decode, size: str) -> None:
    row = {"instId": SPOT, "tradeId": "1", "px": "1", "sz": size, "side": "buy", "ts": "1"}
    (refused,) = decode(push("trades", row))
    assert isinstance(refused, FrameRejected)


SAMPLES = [
    json.dumps(frame).encode()
    for frame in (
        book("snapshot", -1, 100, bids=BIDS, asks=ASKS, checksum=-1),
        book("update", 100, 101, bids=BIDS),
        push("trades", {"instId": SPOT, "tradeId": "9", "px": "1", "sz": "1", "side": "buy",
                        "ts": "1", "count": "1"}),
        push("tickers", TICKER, instId=SPOT),
        push("candle1m", ["1", "1", "1", "1", "1", "1", "1", "1", "1"], instId=SPOT),
        push("funding-rate", {"instId": SWAP, "fundingRate": "1", "fundingTime": "9", "ts": "4"}),
        {"event": "error", "code": "60012", "msg": "Invalid request"},
    )
]  # fmt: skip


@given(st.data())
def test_no_frame_raises_whatever_happened_to_it(data: st.DataObject) -> None:
    spot = Instrument(
        id=InstrumentId("BTC-USDT.okx"), venue=VenueName("okx"), venue_symbol=SPOT, base="BTC",
        quote="USDT", price_tick=Decimal("0.1"), size_lot=Decimal("0.01"),
    )  # fmt: skip
    decoder = OkxDecoder(instruments=[spot])
    frame = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    events = decoder.decode("recv", 1, 7, "", bytes(frame[:cut]))
    for event in events:
        if isinstance(event, BookSnapshot | BookDelta):
            assert (event.bids[:, 0] > 0).all()
            assert (event.bids >= 0).all()


@given(st.sampled_from(["recv", "send", "http"]), st.binary(max_size=60))
def test_rubbish_is_refused_in_any_place(kind: Any, rubbish: bytes) -> None:
    decoder = OkxDecoder()
    url = "https://www.okx.com/api/v5/public/instruments?instType=SPOT"
    for event in decoder.decode(kind, 1, 7, url, rubbish):
        assert isinstance(event, FrameRejected)
