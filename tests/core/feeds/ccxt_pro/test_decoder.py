from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.ccxt_pro import frames
from core.feeds.ccxt_pro.decoder import CcxtDecoder, trade_id
from core.feeds.ccxt_pro.symbols import Listing, Market
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Quote,
    Trade,
)

KRAKEN = VenueName("ccxt:kraken")
BTC = InstrumentId("BTC-USDT.ccxt:kraken")
TRADE = {"price": 61837.64, "amount": 0.15, "side": "buy", "id": "371", "timestamp": 1723075200000}
BOOK = {"bids": [[61837.64, 0.15], [61837.6, 1e-05]], "asks": [[61837.65, 1]],
        "timestamp": 1723075200000, "nonce": 4711}  # fmt: skip


def test_trades_are_read_as_ccxt_gives_them(decoder):
    frame = frames.trades_frame("BTC/USDT", [TRADE, TRADE | {"side": "sell", "id": "372"}])
    bought, sold = decoder.decode("recv", 0, 5, "", frame)
    assert bought == Trade(BTC, 1_723_075_200_000_000_000, 5, 6_183_764, 15_000, False, 371)
    assert (sold.buyer_is_maker, sold.trade_id) == (True, 372)


def test_a_trade_that_cannot_be_costs_no_other(decoder):
    rows = [TRADE, TRADE | {"side": None}, TRADE | {"price": 0.001}, TRADE | {"amount": None}]
    events = decoder.decode("recv", 0, 5, "", frames.trades_frame("BTC/USDT", rows))
    assert [type(event) for event in events] == [Trade, *[FrameRejected] * 3]
    assert decoder.off_step == {"BTC/USDT": (3, 0)}


def test_ids_that_are_no_numbers_are_hashed_and_missing_ones_made_of_the_trade(decoder):
    assert trade_id("371") == 371
    assert 0 <= trade_id("a7-b2") < 1 << 63
    rows = [TRADE | {"id": None}, TRADE | {"id": None, "amount": 0.16}]
    one, other = decoder.decode("recv", 0, 5, "", frames.trades_frame("BTC/USDT", rows))
    assert one.trade_id != other.trade_id


def test_every_book_is_a_whole_one_cut_to_the_levels_wanted(decoder):
    (book,) = decoder.decode("recv", 0, 5, "", frames.book_frame("BTC/USDT", BOOK, 1))
    assert isinstance(book, BookSnapshot)
    assert (book.reset, book.last_id) == (True, 4711)
    assert book.bids.tolist() == [[6_183_764, 15_000]]
    (book,) = decoder.decode("recv", 0, 5, "", frames.book_frame("BTC/USDT", BOOK, 9))
    assert book.bids.tolist()[1] == [6_183_760, 1]


def test_old_orders_finer_than_the_lot_stay_in_the_book(decoder):
    book = BOOK | {"asks": [[61837.65, 0.000004], [61837.66, 0]]}
    (image,) = decoder.decode("recv", 0, 5, "", frames.book_frame("BTC/USDT", book, 9))
    assert image.asks.tolist() == [[6_183_765, 1]]


def test_a_ticker_is_statistics_and_a_quote(decoder):
    ticker = {"last": 61837.6, "open": 60000, "high": None, "low": 59000.5, "baseVolume": 12.5,
              "bid": 61837.64, "bidVolume": 0.15, "ask": 61837.65, "askVolume": None,
              "timestamp": None, "info": {"raw": 1}}  # fmt: skip
    day, quote = decoder.decode("recv", 0, 5, "", frames.ticker_frame("BTC/USDT", ticker))
    assert day == DayTicker(
        instrument_id=BTC, ts_event_ns=0, ts_recv_ns=5, last=Decimal("61837.6"),
        open=Decimal(60000), low=Decimal("59000.5"), volume=Decimal("12.5"),
    )  # fmt: skip
    assert quote == Quote(BTC, 0, 5, 6_183_764, 15_000, 6_183_765, 0, 0)
    (only,) = decoder.decode("recv", 0, 5, "", frames.ticker_frame("BTC/USDT", {"last": 1}))
    assert isinstance(only, DayTicker)


@pytest.mark.parametrize("channel", ["book", "trades"])
def test_a_watch_that_failed_takes_the_trust_away(decoder, channel):
    rejected, stale = decoder.decode(
        "recv", 0, 5, "", frames.failed_frame("BTC/USDT", channel, "ChecksumError: x")
    )
    assert (rejected.channel, rejected.instrument_id) == (channel, BTC)
    assert isinstance(stale, FeedStatusChanged)
    assert (stale.status, stale.reason) == (FeedStatus.STALE, f"{channel} failed: ChecksumError: x")


def test_a_ticker_that_failed_is_only_told(decoder):
    frame = frames.failed_frame("BTC/USDT", "ticker", "x")
    assert [type(event) for event in decoder.decode("recv", 0, 5, "", frame)] == [FrameRejected]


def test_what_is_watched_counts_as_subscribed(decoder):
    ask = b'{"action":"%s","symbols":["BTC/USDT"]}'
    (started,) = decoder.decode("send", 0, 1, "", ask % b"watch")
    assert started.status is FeedStatus.SYNCING
    (left,) = decoder.decode("send", 0, 1, "", ask % b"unwatch")
    assert left.status is FeedStatus.UNSUBSCRIBED


def test_a_listing_on_the_tape_teaches_steps_and_whether_the_sequence_is_checked(btc):
    decoder = CcxtDecoder(VenueName("mine"))
    assert decoder.rule.traits(btc).unchecked
    market = Market(symbol="BTC/USDT", base="BTC", quote="USDT", type="spot", price_tick="0.01",
                    size_lot="0.001")  # fmt: skip
    body = msgspec.json.encode(Listing("binance", [market]))
    assert decoder.decode("http", 0, 1, "ccxt:binance/markets", body) == ()
    assert decoder.instruments["BTC/USDT"].id == "BTC-USDT.mine"
    assert not decoder.rule.traits(btc).unchecked


@pytest.mark.parametrize(
    ("exchange", "unchecked"),
    [("kraken", True), ("bybit", True), ("okx", False), ("binance", False)],
)
def test_only_what_ccxt_checks_is_not_marked(btc, exchange, unchecked):
    traits = CcxtDecoder(VenueName(f"ccxt:{exchange}")).rule.traits(btc)
    assert (traits.unchecked, traits.ordered_trades) == (unchecked, False)


def test_time_of_the_exchange_is_a_sample(decoder):
    url = "ccxt:kraken/time#asked_ns=1723075200000000000"
    there = b'{"ms":1723075200010}'
    (sample,) = decoder.decode("http", 0, 1_723_075_200_004_000_000, url, there)
    assert sample == ClockSample(
        venue=KRAKEN, ts_recv_ns=1_723_075_200_004_000_000, offset_ns=8_000_000,
        round_trip_ns=4_000_000,
    )  # fmt: skip


def test_label_is_the_kind_of_structure(decoder):
    assert decoder.label("recv", "", frames.book_frame("BTC/USDT", BOOK, 1), ()) == ["book"]
    assert decoder.label("recv", "", b"{}", ()) == ()


ITEM = Instrument(
    id=BTC, venue=KRAKEN, venue_symbol="BTC/USDT", base="BTC", quote="USDT",
    price_tick=Decimal("0.01"), size_lot=Decimal("0.00001"),
)  # fmt: skip
GOOD = json.dumps({"c": "book", "s": "BTC/USDT", **BOOK}).encode()


@given(at=st.integers(0, len(GOOD)), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_to_a_frame_ends_in_events_never_in_an_exception(at, byte, cut):
    data = GOOD[:at] if cut else GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    for event in CcxtDecoder(KRAKEN, [ITEM]).decode("recv", 0, 5, "", data):
        if isinstance(event, BookSnapshot):
            assert (event.bids[:, 0] > 0).all()
            assert (event.asks[:, 0] > 0).all()
