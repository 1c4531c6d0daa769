from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.market import MarketState
from core.feeds.twelvedata.decoder import TwelveDataDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import DayTicker, FeedStatus, FrameRejected, Quote

AAPL = InstrumentId("AAPL-USD.twelvedata")
EUR = InstrumentId("EUR-USD.twelvedata")
PRICE = {"event": "price", "symbol": "AAPL", "currency": "USD", "exchange": "NASDAQ",
         "type": "Common Stock", "timestamp": 1643972766, "price": 150.25,
         "day_volume": 12345678}  # fmt: skip
PAIR = {"event": "price", "symbol": "EUR/USD", "currency": "USD", "exchange": "FOREX",
        "timestamp": 1643972766, "price": 1.1245, "bid": 1.1244, "ask": 1.1246}  # fmt: skip


def read(decoder: TwelveDataDecoder, message: object) -> list[object]:
    return [*decoder.decode("recv", 0, 5, "", json.dumps(message).encode())]


def test_a_price_is_a_last_price_and_no_trade(decoder):
    assert read(decoder, PRICE) == [
        DayTicker(
            instrument_id=AAPL, ts_event_ns=1_643_972_766_000_000_000, ts_recv_ns=5,
            last=Decimal("150.25"), volume=Decimal("12345678"),
        )
    ]  # fmt: skip


def test_bid_and_ask_make_a_quote_of_unknown_sizes(decoder):
    day, quote = read(decoder, PAIR)
    assert (day.last, day.volume) == (Decimal("1.1245"), None)
    assert quote == Quote(EUR, 1_643_972_766_000_000_000, 5, 11_244_000, 0, 11_246_000, 0, 0)


@pytest.mark.parametrize("change", [{"bid": None, "ask": None}, {"bid": 0}, {"ask": None}])
def test_a_side_that_is_not_there_makes_no_quote(decoder, change):
    assert [type(event) for event in read(decoder, PAIR | change)] == [DayTicker]


def test_a_last_price_is_trusted_where_there_is_nothing_else(decoder, listed):
    state = MarketState([listed["AAPL"]], {VenueName("twelvedata"): decoder.rule})
    ask = b'{"action":"subscribe","params":{"symbols":"AAPL"}}'
    (started,) = decoder.decode("send", 0, 1, "", ask)
    state.apply(started)
    assert not state.trusted(AAPL)
    for event in read(decoder, PRICE):
        state.apply(event)
    assert state.trusted(AAPL)


def test_what_is_refused_on_subscribing_is_named(decoder):
    (rejected,) = read(
        decoder,
        {"event": "subscribe-status", "status": "ok", "success": [{"symbol": "AAPL"}],
         "fails": [{"symbol": "EUR/USD"}]},
    )  # fmt: skip
    assert (rejected.channel, rejected.instrument_id) == ("price", EUR)
    assert "plan" in rejected.reason


def test_a_request_refused_as_a_whole_is_told(decoder):
    (rejected,) = read(decoder, {"event": "subscribe-status", "status": "error", "message": "no"})
    assert "refuses a request no" in rejected.reason


def test_an_error_says_what_to_do(decoder):
    (rejected,) = read(decoder, {"event": "error", "code": "400", "message": "Invalid symbol"})
    assert rejected.reason.startswith("twelvedata answers 400 Invalid symbol: check the symbol")


def test_words_of_the_connection_hold_no_market_data(decoder):
    assert read(decoder, {"event": "heartbeat", "status": "ok"}) == []
    assert read(decoder, {"event": "reset-status", "status": "ok"}) == []


def test_requests_of_ours_say_what_a_connection_carries(decoder):
    ask = b'{"action":"%s","params":{"symbols":"AAPL,NOPE"}}'
    (started,) = decoder.decode("send", 0, 1, "", ask % b"subscribe")
    assert (started.instrument_id, started.status) == (AAPL, FeedStatus.SYNCING)
    (left,) = decoder.decode("send", 0, 1, "", ask % b"unsubscribe")
    assert left.status is FeedStatus.UNSUBSCRIBED
    assert decoder.decode("send", 0, 1, "", b'{"action":"heartbeat"}') == ()


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "NOPE"},
        {"price": 0},
        {"price": -1},
        {"price": "NaN"},
        {"price": None},
        {"timestamp": -5},
        {"timestamp": 10**18},
        {"event": "else"},
    ],
)
def test_a_price_that_cannot_be_is_refused(decoder, change):
    (rejected,) = read(decoder, PRICE | change)
    assert isinstance(rejected, FrameRejected)


def test_label_is_the_event(decoder):
    assert decoder.label("recv", "", json.dumps(PRICE).encode(), ()) == ["price"]
    assert decoder.label("recv", "", b"[", ()) == ()


STOCK = Instrument(
    id=AAPL, venue=VenueName("twelvedata"), venue_symbol="AAPL", base="AAPL", quote="USD",
    kind=InstrumentKind.STOCK, price_tick=Decimal("0.00001"), size_lot=Decimal(1),
)  # fmt: skip
GOOD = json.dumps(PRICE | {"bid": 150.2, "ask": 150.3}).encode()


@given(at=st.integers(0, len(GOOD)), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_to_a_frame_ends_in_events_never_in_an_exception(at, byte, cut):
    data = GOOD[:at] if cut else GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    for event in TwelveDataDecoder(instruments=[STOCK]).decode("recv", 0, 5, "", data):
        if isinstance(event, Quote):
            assert event.bid_ticks > 0
            assert event.ask_ticks > 0
