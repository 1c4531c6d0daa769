from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.massive.decoder import REMEDIES, MassiveDecoder, trade_id
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedStatus,
    FrameRejected,
    Quote,
    Trade,
    VenueBar,
)

AAPL = InstrumentId("AAPL-USD.massive")
BTC = InstrumentId("BTC-USD.massive")
TRADE = {"ev": "T", "sym": "AAPL", "x": 4, "i": "12345", "z": 3, "p": 114.125, "s": 100,
         "c": [0, 12], "t": 1536036818784, "q": 3681328}  # fmt: skip
QUOTE = {"ev": "Q", "sym": "AAPL", "bx": 4, "bp": 114.125, "bs": 100, "ax": 7, "ap": 114.128,
         "as": 160, "c": 0, "i": [604], "t": 1536036818784, "q": 50385480, "z": 3}  # fmt: skip
COIN_TRADE = {"ev": "XT", "pair": "BTC-USD", "p": 33021.9, "t": 1610462007425, "s": 0.01616617,
              "c": [2], "i": 14272084, "x": 3, "r": 1610462007576}  # fmt: skip
COIN_QUOTE = {"ev": "XQ", "pair": "BTC-USD", "bp": 33052.79, "bs": 0.48, "ap": 33073.19,
              "as": 0.601, "t": 1610462411115, "x": 2, "r": 1610462411128}  # fmt: skip
BOOK = {"ev": "XL2", "pair": "BTC-USD", "t": 1610462411115, "r": 1610462411128, "x": 2,
        "b": [[33712.71, 0.18635], [33712.7, 0.134]],
        "a": [[33718.23, 3.5527483], [33718.24, 0.1]]}  # fmt: skip


def test_stock_trade_of_the_documentation(decode):
    assert decode(TRADE) == [
        Trade(AAPL, 1_536_036_818_784_000_000, 5, 1_141_250, 100_000_000, False,
              12345 << 17 | 4 << 9)
    ]  # fmt: skip


def test_parts_of_shares_come_with_their_own_decimals(decode):
    (trade,) = decode(TRADE | {"s": 0, "ds": "0.123456"})
    assert trade.size_lots == 123_456


def test_quote_and_the_takers_it_lets_us_estimate(decode):
    quote, bought, sold = decode(QUOTE, TRADE | {"p": 114.128}, TRADE | {"p": 114.125})
    assert quote == Quote(
        AAPL, 1_536_036_818_784_000_000, 5, 1_141_250, 100_000_000, 1_141_280, 160_000_000, 50385480
    )
    assert (bought.buyer_is_maker, sold.buyer_is_maker) == (False, True)


def test_minute_gives_a_bar_and_the_day_so_far(decode):
    bar, day = decode(
        {"ev": "AM", "sym": "AAPL", "v": 4110, "av": 9470157, "op": 0.4372, "vw": 0.4488,
         "o": 0.4488, "c": 0.4486, "h": 0.4489, "l": 0.4486, "a": 0.4352, "z": 685,
         "s": 1610144640000, "e": 1610144700000}
    )  # fmt: skip
    assert bar == VenueBar(
        AAPL, "1m", 1_610_144_640_000_000_000, 5, 4488, 4489, 4486, 4486, 4_110_000_000, closed=True
    )
    assert isinstance(day, DayTicker)
    assert (day.open, day.last, day.volume) == (
        Decimal("0.4372"), Decimal("0.4486"), Decimal("9470157"),
    )  # fmt: skip


def test_second_and_volumes_of_parts_of_shares(decode):
    (bar,) = decode(
        {"ev": "A", "sym": "AAPL", "v": 200, "dv": "200.5", "o": 25.39, "c": 25.39, "h": 25.39,
         "l": 25.39, "s": 1610144868000, "e": 1610144869000}
    )  # fmt: skip
    assert (bar.timeframe, bar.volume_lots) == ("1s", 200_500_000)


def test_coin_trade_states_its_taker_or_is_estimated(decode):
    bought, sold, unsaid = decode(
        COIN_TRADE, COIN_TRADE | {"c": [1]}, COIN_TRADE | {"c": [0], "p": 33020}
    )
    assert bought == Trade(
        BTC, 1_610_462_007_425_000_000, 5, 330_219_000_000_000, 1_616_617, False,
        14272084 << 17 | 3 << 9,
    )  # fmt: skip
    assert (sold.buyer_is_maker, unsaid.buyer_is_maker) == (True, True)


def test_trades_of_two_exchanges_with_one_number_have_two_ids(decode):
    one, other = decode(COIN_TRADE, COIN_TRADE | {"x": 4})
    assert one.trade_id != other.trade_id


@pytest.mark.parametrize("text", ["52983525033527", "a-b", "9" * 30, "", str(1 << 46)])
def test_ids_fit_63_bits_and_are_the_same_each_time(text):
    assert 0 <= trade_id(text, 4, 201) < 1 << 63
    assert trade_id(text, 4, 201) == trade_id(text, 4, 201) != trade_id(text, 4, 202)


def test_book_of_one_exchange_replaces_the_last(decode):
    (book,) = decode(BOOK)
    assert isinstance(book, BookSnapshot)
    assert book.reset
    assert book.bids.tolist() == [
        [337_127_100_000_000, 18_635_000], [337_127_000_000_000, 13_400_000],
    ]  # fmt: skip


def test_quotes_and_books_of_another_exchange_are_not_mixed_in_but_coinbase_takes_over(decode):
    assert len(decode(BOOK)) == 1
    assert decode(BOOK | {"x": 6}, COIN_QUOTE | {"x": 6}) == []
    assert len(decode(COIN_QUOTE)) == 1
    assert len(decode(BOOK | {"x": 1})) == 1
    assert decode(COIN_QUOTE, BOOK) == []


def test_a_lost_connection_chooses_its_exchange_anew(decoder, decode):
    ask = b'{"action":"subscribe","params":"XT.BTC-USD,XL2.BTC-USD"}'
    (started,) = decoder.decode("send", 0, 1, "", ask)
    assert (started.instrument_id, started.status) == (BTC, FeedStatus.SYNCING)
    decode(BOOK)
    (gone,) = decoder.decode("disconnect", 0, 2, "", b"bye")
    assert gone.instrument_ids == (BTC,)
    assert len(decode(BOOK | {"x": 6}, conn=1)) == 1


def test_unsubscribing_says_so_once_the_last_channel_is_left(decoder):
    decoder.decode("send", 0, 1, "", b'{"action":"subscribe","params":"T.AAPL,Q.AAPL"}')
    assert decoder.decode("send", 0, 2, "", b'{"action":"unsubscribe","params":"T.AAPL"}') == []
    (left,) = decoder.decode("send", 0, 3, "", b'{"action":"unsubscribe","params":"Q.AAPL"}')
    assert left.status is FeedStatus.UNSUBSCRIBED


def test_one_bad_message_costs_none_of_its_neighbours(decode):
    events = decode(TRADE, {"ev": "FMV", "fmv": 1, "sym": "AAPL"}, TRADE | {"p": "x"}, QUOTE)
    assert [type(event) for event in events] == [Trade, FrameRejected, FrameRejected, Quote]
    assert [(event.channel, event.instrument_id) for event in events[1:3]] == [
        ("FMV", AAPL), ("T", AAPL),
    ]  # fmt: skip


@pytest.mark.parametrize("status", sorted(REMEDIES))
def test_every_status_but_success_says_what_to_do(decode, status):
    message = {"ev": "status", "status": status, "message": "words"}
    (event,) = decode(message)
    assert event.reason == f"massive answers {status} words: {REMEDIES[status]}"


def test_a_channel_beyond_the_plan_names_the_plan(decode):
    (event,) = decode({"ev": "status", "status": "error", "message": "not authorized: XL2.BTC-USD"})
    assert "`plan`" in event.reason


def test_words_of_success_hold_no_market_data(decode):
    assert decode(
        {"ev": "status", "status": "connected", "message": "Connected Successfully"},
        {"ev": "status", "status": "success", "message": "subscribed to: T.AAPL"},
        {"ev": "LULD", "T": "AAPL", "h": 218.96, "l": 198.11, "i": [21], "z": 3, "q": 290317},
    ) == []  # fmt: skip


def test_time_of_the_provider_is_read_to_its_second(decoder):
    there = 1_605_047_857_000_000_000
    url = f"https://h/v1/marketstatus/now#asked_ns={there}"
    body = b'{"market":"open","serverTime":"2020-11-10T17:37:37-05:00"}'
    (sample,) = decoder.decode("http", 0, there + 1_000_000_000, url, body)
    assert sample == ClockSample(
        venue=VenueName("massive"), ts_recv_ns=there + 10**9, offset_ns=0, round_trip_ns=10**9
    )


def test_tickers_on_the_tape_teach_their_steps():
    decoder = MassiveDecoder()
    body = json.dumps({"status": "OK", "results": [
        {"ticker": "X:BTCUSD", "market": "crypto", "currency_symbol": "USD",
         "base_currency_symbol": "BTC"}]}).encode()  # fmt: skip
    assert decoder.decode("http", 0, 1, "https://h/v3/reference/tickers", body) == ()
    assert decoder.instruments["X:BTCUSD"].id == BTC
    assert len(decoder.decode("recv", 0, 2, "", json.dumps([COIN_TRADE]).encode())) == 1


def test_labels_are_the_kinds_of_the_messages(decoder):
    data = json.dumps([TRADE, BOOK]).encode()
    assert decoder.label("recv", "", data, ()) == ["T", "XL2"]


def test_traits_say_what_the_data_is_worth(decoder, listed):
    stock = decoder.rule.traits(listed["AAPL"])
    coin = decoder.rule.traits(listed["X:BTCUSD"])
    assert (stock.has_book, stock.stated_takers) == (False, False)
    assert (coin.has_book, coin.unchecked) == (True, True)
    assert not MassiveDecoder().rule.traits(listed["X:BTCUSD"]).has_book


COIN = Instrument(
    id=BTC, venue=VenueName("massive"), venue_symbol="X:BTCUSD", base="BTC", quote="USD",
    price_tick=Decimal("0.0000000001"), size_lot=Decimal("0.00000001"), aliases=("BTC-USD",),
)  # fmt: skip
STOCK = Instrument(
    id=AAPL, venue=VenueName("massive"), venue_symbol="AAPL", base="AAPL", quote="USD",
    kind=InstrumentKind.STOCK, price_tick=Decimal("0.0001"), size_lot=Decimal("0.000001"),
)  # fmt: skip
GOOD = json.dumps([TRADE, QUOTE, COIN_TRADE, COIN_QUOTE, BOOK]).encode()
STRANGE = st.sampled_from(
    [None, "", "NaN", "1e400", "-1", "1" * 60, 10**30, -5, 1e-12, True, [], {}, "é", 0]
)


@given(at=st.integers(0, len(GOOD)), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_to_a_frame_ends_in_events_never_in_an_exception(at, byte, cut):
    data = GOOD[:at] if cut else GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    events = MassiveDecoder(instruments=[COIN, STOCK]).decode("recv", 0, 5, "", data)
    assert all(event is not None for event in events)


@given(
    which=st.sampled_from([TRADE, QUOTE, COIN_TRADE, COIN_QUOTE, BOOK]),
    key=st.sampled_from(
        ["sym", "pair", "t", "p", "s", "i", "x", "bp", "as", "b", "a", "c", "ds", "ev"]
    ),
    value=STRANGE,
)
def test_any_strange_value_ends_in_events_and_no_price_of_0(which, key, value):
    decoder = MassiveDecoder(instruments=[COIN, STOCK])
    data = json.dumps([which | {key: value}]).encode()
    for event in decoder.decode("recv", 0, 6, "", data):
        if isinstance(event, Trade):
            assert event.price_ticks > 0
            assert event.size_lots > 0
        if isinstance(event, BookSnapshot):
            assert (event.bids[:, 0] > 0).all()
            assert (event.asks[:, 0] > 0).all()
