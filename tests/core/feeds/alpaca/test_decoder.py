from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.alpaca.decoder import REMEDIES, AlpacaDecoder, trade_id
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
    Quote,
    SequenceBroken,
    Trade,
    TradeCanceled,
    VenueBar,
)

AAPL = InstrumentId("AAPL-USD.alpaca")
BTC = InstrumentId("BTC-USD.alpaca")

TRADE = {
    "T": "t", "i": 96921, "S": "AAPL", "x": "D", "p": 126.55, "s": 1,
    "t": "2021-02-22T15:51:44.208Z", "c": ["@", "I"], "z": "C",
}  # fmt: skip
QUOTE = {
    "T": "q", "S": "AAPL", "bx": "U", "bp": 126.5, "bs": 1, "ax": "Q", "ap": 126.54, "as": 4,
    "t": "2021-02-22T15:51:45.335689322Z", "c": ["R"], "z": "C",
}  # fmt: skip
COIN_TRADE = {
    "T": "t", "S": "BTC/USD", "p": 71859.53, "s": 0.205707815,
    "t": "2024-03-12T10:27:48.858228144Z", "i": 3447222699101865076, "tks": "S",
}  # fmt: skip
WHOLE = {
    "T": "o", "S": "BTC/USD", "t": "2024-03-12T10:38:50.79613221Z",
    "b": [{"p": 71859.53, "s": 0.27994}, {"p": 71849.4, "s": 0}],
    "a": [{"p": 71939.7, "s": 0.83953}], "r": True,
}  # fmt: skip
CHANGE = {
    "T": "o", "S": "BTC/USD", "t": "2024-03-12T10:38:51Z", "b": [{"p": 71859.53, "s": 0}], "a": [],
}  # fmt: skip


def test_stock_trade_of_the_documentation_becomes_ticks_lots_and_an_id_of_its_exchange(decode):
    (trade,) = decode(TRADE)
    assert trade == Trade(
        AAPL, 1_614_009_104_208_000_000, 5, 1_265_500, 1_000_000, False, trade_id(96921, "D")
    )


def test_stock_trades_of_two_exchanges_with_one_number_have_two_ids(decode):
    one, other = decode(TRADE, TRADE | {"x": "V"})
    assert one.trade_id != other.trade_id


def test_stock_quote_and_the_takers_it_lets_us_estimate(decode):
    quote, bought, sold = decode(QUOTE, TRADE | {"p": 126.54}, TRADE | {"p": 126.5, "i": 1})
    assert quote == Quote(
        AAPL, 1_614_009_105_335_689_322, 5, 1_265_000, 1_000_000, 1_265_400, 4_000_000, 0
    )
    assert (bought.buyer_is_maker, sold.buyer_is_maker) == (False, True)


def test_crypto_trade_says_its_taker_and_keeps_nine_decimals(decode):
    (trade,) = decode(COIN_TRADE)
    assert trade == Trade(
        BTC, 1_710_239_268_858_228_144, 5, 71_859_530_000_000, 205_707_815, True,
        3447222699101865076,
    )  # fmt: skip
    (bought,) = decode(COIN_TRADE | {"tks": "B"})
    assert bought.buyer_is_maker is False


def test_crypto_trade_without_a_taker_is_rejected_not_guessed(decode):
    (rejected,) = decode(COIN_TRADE | {"tks": ""})
    assert isinstance(rejected, FrameRejected)
    assert (rejected.channel, rejected.instrument_id) == ("t", BTC)


def test_minute_bar_its_update_and_the_day_so_far(decode):
    bar = {"T": "b", "S": "AAPL", "o": 388.985, "h": 389.13, "l": 388.975, "c": 389.12,
           "v": 49378, "n": 461, "vw": 389.062639, "t": "2021-02-22T19:15:00Z"}  # fmt: skip
    first, updated, day = decode(bar, bar | {"T": "u", "v": 49380}, bar | {"T": "d"})
    assert first == VenueBar(
        AAPL, "1m", 1_614_021_300_000_000_000, 5, 3889850, 3891300, 3889750, 3891200,
        49_378_000_000, closed=True,
    )  # fmt: skip
    assert updated.volume_lots == 49_380_000_000
    assert isinstance(day, DayTicker)
    assert (day.open, day.high, day.low, day.last, day.volume) == tuple(
        Decimal(text) for text in ("388.985", "389.13", "388.975", "389.12", "49378")
    )


def test_crypto_bar_of_quote_middles_in_which_nothing_traded_is_no_bar(decode):
    middle = {"T": "b", "S": "BTC/USD", "o": 71856.1435, "h": 71857, "l": 71856, "c": 71856.5,
              "v": 0, "n": 0, "vw": 0, "t": "2024-03-12T10:37:00Z"}  # fmt: skip
    assert decode(middle) == []


def test_correction_takes_back_the_trade_and_carries_the_right_one(decode):
    (event,) = decode(
        {"T": "c", "S": "AAPL", "x": "M", "oi": 52983525033527, "op": 39.1582, "os": 440000,
         "oc": [" ", "7"], "ci": 52983525034326, "cp": 39.1809, "cs": 440000, "cc": [" ", "7"],
         "z": "B", "t": "2023-04-06T14:25:06.542305024Z"}
    )  # fmt: skip
    assert isinstance(event, TradeCanceled)
    assert event.trade_id == trade_id(52983525033527, "M")
    assert event.corrected is not None
    assert event.corrected.trade_id == trade_id(52983525034326, "M")
    assert (event.corrected.price_ticks, event.corrected.size_lots) == (391_809, 440_000_000_000)


def test_cancel_takes_a_trade_back(decode):
    (event,) = decode(
        {"T": "x", "S": "AAPL", "i": 465, "x": "D", "p": 105.31, "s": 300, "a": "C", "z": "C",
         "t": "2023-04-06T13:15:42.83540958Z"}
    )  # fmt: skip
    assert event == TradeCanceled(
        instrument_id=AAPL, ts_event_ns=1_680_786_942_835_409_580, ts_recv_ns=5,
        trade_id=trade_id(465, "D"),
    )  # fmt: skip


def test_whole_book_replaces_and_changes_follow_it(decode):
    whole, change = decode(WHOLE, CHANGE)
    assert isinstance(whole, BookSnapshot)
    assert whole.reset
    assert whole.bids.tolist() == [[71_859_530_000_000, 279_940_000]]
    assert whole.asks.tolist() == [[71_939_700_000_000, 839_530_000]]
    assert isinstance(change, BookDelta)
    assert change.bids.tolist() == [[71_859_530_000_000, 0]]
    assert change.asks.tolist() == []


def test_changes_before_the_whole_book_are_refused_once_and_then_awaited(decode):
    first, second = decode(CHANGE), decode(CHANGE)
    assert [type(event) for event in first] == [FrameRejected]
    assert first[0].instrument_id == BTC
    assert second == []
    assert [type(event) for event in decode(WHOLE, CHANGE)] == [BookSnapshot, BookDelta]


def test_changes_of_a_connection_that_did_not_send_the_newest_whole_book_are_dropped(decode):
    decode(WHOLE, conn=0)
    decode(WHOLE, conn=1)
    assert decode(CHANGE, conn=0) == []
    assert len(decode(CHANGE, conn=1)) == 1


def test_a_book_change_that_cannot_be_read_breaks_the_book_alone(decode):
    decode(WHOLE)
    rejected, broken, trade = decode(CHANGE | {"b": [{"p": "x", "s": 1}]}, COIN_TRADE)
    assert isinstance(rejected, FrameRejected)
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == (BTC,)
    assert isinstance(trade, Trade)
    assert decode(CHANGE) == []
    assert len(decode(WHOLE, CHANGE)) == 2


def test_a_frame_cut_in_two_breaks_the_books_of_its_connection(decoder, decode):
    decode(WHOLE)
    rejected, broken = decoder.decode("recv", 0, 6, "", b'[{"T":"o","S":"BTC/US')
    assert isinstance(rejected, FrameRejected)
    assert broken.instrument_ids == (BTC,)


def test_a_frame_cut_in_two_breaks_nothing_where_no_book_came(decoder):
    assert [type(item) for item in decoder.decode("recv", 0, 6, "", b"[{")] == [FrameRejected]


def test_one_bad_message_costs_none_of_its_neighbours(decode):
    events = decode(TRADE, {"T": "zz", "S": "AAPL"}, QUOTE, {"T": "t", "S": "AAPL"}, COIN_TRADE)
    assert [type(event) for event in events] == [
        Trade, FrameRejected, Quote, FrameRejected, Trade,
    ]  # fmt: skip
    assert events[1].channel == "zz"


def test_a_price_finer_than_its_step_says_which_decimals_it_needs(decoder, decode):
    (rejected,) = decode(TRADE | {"p": 13.73165})
    assert "whole number of steps of 0.0001" in rejected.reason
    assert decoder.off_step == {"AAPL": (5, 0)}


def test_a_halt_distrusts_until_something_trades_again(decode):
    halt = {"T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt", "rc": "T12",
            "rm": "For information requested by NASDAQ", "t": "2021-02-22T15:51:44Z"}  # fmt: skip
    (event,) = decode(halt)
    assert isinstance(event, FeedStatusChanged)
    assert event.status is FeedStatus.STALE
    assert "T12" in event.reason
    assert decode(QUOTE) == []
    assert decode(halt | {"sc": "T", "sm": "Trading Resumption"}) == []
    assert len(decode(QUOTE)) == 1
    decode(halt)
    assert [type(item) for item in decode(TRADE, QUOTE)] == [Trade, Quote]


def test_a_quote_with_an_empty_side_is_no_best_price(decode):
    assert decode(QUOTE | {"bp": 0, "bs": 0}) == []


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_every_error_of_the_stream_says_what_to_do(decode, code):
    (event,) = decode({"T": "error", "code": code, "msg": "words"})
    assert isinstance(event, FrameRejected)
    assert event.channel == "error"
    assert event.reason == f"alpaca answers {code} words: {REMEDIES[code]}"


def test_words_of_the_connection_hold_no_market_data(decode):
    assert decode(
        {"T": "success", "msg": "connected"},
        {"T": "subscription", "trades": ["AAPL"], "quotes": [], "bars": []},
        {"T": "l", "S": "AAPL", "u": 3.24, "d": 2.65, "i": "B", "t": "2023-04-06T13:34:45Z"},
        {"T": "i", "S": "AAPL", "p": 9.12, "t": "2023-04-06T13:34:45Z"},
    ) == []  # fmt: skip


def test_requests_of_ours_say_what_a_connection_carries(decoder):
    decoder.decode("connect", 3, 1, "wss://x", b"")
    ask = {"action": "subscribe", "trades": ["AAPL"], "quotes": ["AAPL"], "bars": ["NOPE"]}
    (started,) = decoder.decode("send", 3, 2, "", json.dumps(ask).encode())
    assert (started.instrument_id, started.status) == (AAPL, FeedStatus.SYNCING)
    half = {"action": "unsubscribe", "trades": ["AAPL"]}
    assert decoder.decode("send", 3, 3, "", json.dumps(half).encode()) == []
    (gone,) = decoder.decode("disconnect", 3, 4, "", b"bye")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == (AAPL,)


def test_login_is_no_subscription(decoder):
    assert decoder.decode("send", 0, 1, "", b'{"action":"auth","key":"***","secret":"***"}') == ()


def test_book_is_not_awaited_from_a_connection_that_left_it(decoder, decode):
    decode(WHOLE)
    ask = {"action": "unsubscribe", "orderbooks": ["BTC/USD"]}
    decoder.decode("send", 0, 1, "", json.dumps(ask).encode())
    assert [type(item) for item in decode(CHANGE)] == [FrameRejected]


def test_assets_on_the_tape_teach_their_steps(assets):
    decoder = AlpacaDecoder()
    assert decoder.decode("http", 0, 1, "https://h/v2/assets?x=1", assets) == ()
    assert decoder.instruments["AAPL"].id == AAPL


def test_clock_answer_gives_a_sample_beside_ours(decoder):
    body = (
        b'{"timestamp":"2022-04-28T14:07:45.485843765-04:00","is_open":true,'
        b'"next_open":"2022-04-29T09:30:00-04:00","next_close":"2022-04-28T16:00:00-04:00"}'
    )
    there = 1_651_169_265_485_843_765
    url = f"https://h/v2/clock#asked_ns={there - 40}"
    (sample,) = decoder.decode("http", 0, there + 20, url, body)
    assert sample == ClockSample(
        venue=VenueName("alpaca"), ts_recv_ns=there + 20, offset_ns=10, round_trip_ns=60
    )


def test_labels_are_the_types_of_the_messages(decoder):
    data = json.dumps([TRADE, QUOTE, CHANGE]).encode()
    assert decoder.label("recv", "", data, ()) == ["t", "q", "o"]
    assert decoder.label("recv", "", b"{", ()) == ()


def test_traits_say_what_the_data_is_worth(decoder):
    stock = decoder.rule.traits(decoder.instruments["AAPL"])
    coin = decoder.rule.traits(decoder.instruments["BTC/USD"])
    assert (stock.has_book, stock.stated_takers, stock.unchecked) == (False, False, True)
    assert (coin.has_book, coin.stated_takers, coin.unchecked) == (True, True, True)


def test_steps_finer_than_an_asset_states_are_read(listed):
    assert listed["BTC/USD"].price_tick == Decimal("1E-9")


COIN = Instrument(
    id=BTC, venue=VenueName("alpaca"), venue_symbol="BTC/USD", base="BTC", quote="USD",
    price_tick=Decimal("0.000000001"), size_lot=Decimal("0.000000001"),
)  # fmt: skip
STOCK = Instrument(
    id=AAPL, venue=VenueName("alpaca"), venue_symbol="AAPL", base="AAPL", quote="USD",
    kind=InstrumentKind.STOCK, price_tick=Decimal("0.0001"), size_lot=Decimal("0.000001"),
)  # fmt: skip
GOOD = json.dumps([TRADE, QUOTE, COIN_TRADE, WHOLE, CHANGE]).encode()
STRANGE = st.sampled_from(
    [None, "", "NaN", "1e400", "-1", "1" * 60, 10**30, -5, 1e-12, True, [], {}, "é", 0]
)


@given(at=st.integers(0, len(GOOD)), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_to_a_frame_ends_in_events_never_in_an_exception(at, byte, cut):
    data = GOOD[:at] if cut else GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    events = AlpacaDecoder(instruments=[COIN, STOCK]).decode("recv", 0, 5, "", data)
    assert all(event is not None for event in events)


@given(
    which=st.sampled_from([TRADE, QUOTE, COIN_TRADE, WHOLE, CHANGE]),
    key=st.sampled_from(["S", "t", "p", "s", "i", "bp", "as", "b", "a", "r", "tks", "x", "T"]),
    value=STRANGE,
)
def test_any_strange_value_ends_in_events_and_no_price_of_0(which, key, value):
    decoder = AlpacaDecoder(instruments=[COIN, STOCK])
    decoder.decode("recv", 0, 5, "", json.dumps([WHOLE]).encode())
    data = json.dumps([which | {key: value}]).encode()
    for event in decoder.decode("recv", 0, 6, "", data):
        if isinstance(event, Trade):
            assert event.price_ticks > 0
            assert event.size_lots > 0
        if isinstance(event, BookDelta | BookSnapshot):
            assert (event.bids[:, 0] > 0).all()
            assert (event.asks[:, 0] > 0).all()
