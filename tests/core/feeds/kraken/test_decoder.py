from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.feeds.decoder import FeedDecoder
from core.feeds.kraken.decoder import KrakenDecoder
from core.feeds.kraken.symbols import parse_pairs
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.market import (
    BookSnapshot,
    CheckedDelta,
    ClockSample,
    DayTicker,
    FeedDisconnected,
    FeedStatusChanged,
    FrameRejected,
    MarketEvent,
    Quote,
    SequenceBroken,
    Trade,
    VenueBar,
)

VENUE = VenueName("kraken")
BTC = InstrumentId("BTC-USD.kraken")
PAIR = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "pair_decimals": 1,
    "lot_decimals": 8, "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1",
    "status": "online",
}  # fmt: skip
LISTING = json.dumps({"error": [], "result": {"XXBTZUSD": PAIR}}).encode()
IMAGE = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD",'
    b'"bids":[{"price":45283.5,"qty":0.10000000}],"asks":[{"price":45285.2,"qty":0.00100000}],'
    b'"checksum":3310070434,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
CHANGE = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],'
    b'"asks":[{"price":45285.2,"qty":0},{"price":4.52861e4,"qty":123456789.12345678}],'
    b'"checksum":1,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
TRADES = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
    b'"price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,'
    b'"timestamp":"2023-10-06T17:35:55.440295Z"},{"symbol":"BTC/USD","side":"sell",'
    b'"price":105910.50,"qty":0.00012460,"ord_type":"market","trade_id":10218209,'
    b'"timestamp":"2023-10-06T17:35:56.123456Z"}]}'
)
TICKER = (
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":63297.7,'
    b'"bid_qty":5.75119051,"ask":63297.8,"ask_qty":0.36977971,"last":63297.8,'
    b'"volume":1020.88387727,"vwap":63685.7,"low":63250,"high":64409.2,"change":0.7,'
    b'"change_pct":0,"trades":47535,"timestamp":"2026-08-12T19:29:00.921195Z"}]}'
)
SUBSCRIBE = b'{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":%d}}'


@pytest.fixture
def decoder() -> KrakenDecoder:
    return KrakenDecoder(instruments=parse_pairs(LISTING, VENUE).instruments)


def recv(decoder: KrakenDecoder, data: bytes, conn: int = 1) -> list[MarketEvent]:
    return list(decoder.decode("recv", conn, 77, "", data))


def test_image_and_change_read_every_digit(decoder: KrakenDecoder) -> None:
    (image,) = recv(decoder, IMAGE)
    assert isinstance(image, BookSnapshot)
    assert (image.reset, image.last_id, image.ts_event_ns) == (True, 0, 1696613755440295000)
    assert image.bids.tolist() == [[452835, 10_000_000]]
    assert image.check is not None
    assert image.check.checksum == 3310070434
    assert image.check.asks == (("45285.2", "0.00100000"),)
    (change,) = recv(decoder, CHANGE)
    assert isinstance(change, CheckedDelta)
    # An exponent, and more digits than a double holds.
    assert change.asks.tolist() == [[452852, 0], [452861, 12345678912345678]]
    assert change.check is not None


def test_depth_of_the_subscription_is_that_of_the_book(decoder: KrakenDecoder) -> None:
    item = decoder.instruments["BTC/USD"]
    assert decoder.rule.traits(item).depth == 1000
    (status,) = decoder.decode("send", 1, 1, "", SUBSCRIBE % 25)
    assert isinstance(status, FeedStatusChanged)
    traits = decoder.rule.traits(item)
    assert traits.depth == 25
    assert traits.checker is not None
    assert traits.checker is not decoder.rule.traits(item).checker
    (refused,) = decoder.decode("send", 1, 1, "", SUBSCRIBE % 26)
    assert isinstance(refused, FrameRejected)
    assert "10, 25, 100" in refused.reason


def test_taped_listing_says_how_deep_the_books_are(decoder: KrakenDecoder) -> None:
    url = "https://api.kraken.com/0/public/AssetPairs?pair=XXBTZUSD#depth=10"
    fresh = KrakenDecoder()
    assert not fresh.decode("http", 0, 1, url, LISTING)
    assert fresh.rule.traits(fresh.instruments["BTC/USD"]).depth == 10


def test_trades_have_the_takers_side_and_come_in_order(decoder: KrakenDecoder) -> None:
    bought, sold = recv(decoder, TRADES)
    assert bought == Trade(BTC, 1696613755440295000, 77, 1059442, 27625, False, 10218208)
    assert isinstance(sold, Trade)
    assert sold.buyer_is_maker


def test_trades_before_the_subscription_only_fill_what_a_lost_connection_cost(
    decoder: KrakenDecoder,
) -> None:
    before = TRADES.replace(b'"update"', b'"snapshot"')
    assert recv(decoder, before) == []
    recv(decoder, TRADES.replace(b"10218209", b"10218207"))
    (filled,) = recv(decoder, before, 2)
    assert isinstance(filled, Trade)
    assert filled.trade_id == 10218209


def test_ticker_gives_a_quote_and_the_day_when_it_changed(decoder: KrakenDecoder) -> None:
    quote, day = recv(decoder, TICKER)
    assert quote == Quote(BTC, 1786562940921195000, 77, 632977, 575119051, 632978, 36977971, 0)
    assert isinstance(day, DayTicker)
    assert (day.last, day.volume) == (Decimal("63297.8"), Decimal("1020.88387727"))
    assert [type(event) for event in recv(decoder, TICKER)] == [Quote]
    bare = (
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":99.9,"ask":null}]}'
    )
    assert [type(event) for event in recv(decoder, bare)] == [DayTicker]


def test_candle_is_closed_once_the_venue_speaks_after_its_end(decoder: KrakenDecoder) -> None:
    text = (
        '{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:%s.524394914Z","data":'
        '[{"symbol":"BTC/USD","open":1.5,"high":2.0,"low":1.0,"close":1.7,"trades":12,'
        '"volume":3.5,"vwap":1.6,"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5}]}'
    )
    (forming,) = recv(decoder, (text % "26:30").encode())
    assert forming == VenueBar(
        BTC, "5m", 1696436700_000_000_000, 77, 15, 20, 10, 17, 350_000_000, closed=False
    )
    (closed,) = recv(decoder, (text % "30:00").encode())
    assert isinstance(closed, VenueBar)
    assert closed.closed


def test_instrument_channel_teaches_new_pairs_and_tells_of_changed_steps(
    decoder: KrakenDecoder,
) -> None:
    def pairs(symbol: str, places: int) -> bytes:
        pair = {"symbol": symbol, "base": "X", "quote": "USD", "qty_precision": 8,
                "price_precision": places, "qty_min": 0.5, "cost_min": 1}  # fmt: skip
        data = {"assets": [], "pairs": [pair]}
        return json.dumps({"channel": "instrument", "type": "snapshot", "data": data}).encode()

    assert recv(decoder, pairs("NEW/USD", 3)) == []
    assert decoder.instruments["NEW/USD"].price_tick == Decimal("0.001")
    assert recv(decoder, pairs("BTC/USD", 1)) == []
    (changed,) = recv(decoder, pairs("BTC/USD", 2))
    assert isinstance(changed, FrameRejected)
    assert changed.instrument_id == BTC
    assert "fetch the listing anew" in changed.reason
    assert decoder.instruments["BTC/USD"].price_tick == Decimal("0.1")


def test_book_message_that_cannot_be_read_costs_the_book_its_trust(decoder: KrakenDecoder) -> None:
    recv(decoder, IMAGE)
    for bad in (CHANGE[:-30], CHANGE.replace(b"45285.2,", b"45285.25,"), CHANGE[40:]):
        refused, broken = recv(decoder, bad)
        assert isinstance(refused, FrameRejected)
        assert isinstance(broken, SequenceBroken)
        assert broken.instrument_ids == (BTC,)
    assert [type(event) for event in recv(decoder, TRADES[:-9])] == [FrameRejected]


def test_newest_image_owns_the_book_while_two_connections_overlap(decoder: KrakenDecoder) -> None:
    for conn in (1, 2):
        decoder.decode("send", conn, 1, "", SUBSCRIBE % 10)
        recv(decoder, IMAGE, conn)
    assert recv(decoder, CHANGE, 1) == []
    assert len(recv(decoder, CHANGE, 2)) == 1
    gone, orphan = decoder.decode("disconnect", 2, 78, "", b"closed")
    assert isinstance(gone, FeedDisconnected)
    assert isinstance(orphan, SequenceBroken)
    assert orphan.instrument_ids == (BTC,)
    left = decoder.decode("send", 1, 1, "", SUBSCRIBE.replace(b"subscribe", b"unsubscribe") % 10)
    assert len(left) == 1


def test_refusal_names_the_pair_and_status_tells_of_maintenance(decoder: KrakenDecoder) -> None:
    (refused,) = recv(
        decoder,
        b'{"error":"Currency pair not supported BTC/USD","method":"subscribe","req_id":1,'
        b'"success":false,"symbol":"BTC/USD","time_in":"x","time_out":"y"}',
    )
    assert isinstance(refused, FrameRejected)
    assert (refused.channel, refused.instrument_id) == ("subscribe", BTC)
    status = b'{"channel":"status","type":"update","data":[{"system":"%s","version":"2.0.10"}]}'
    assert recv(decoder, status % b"online") == []
    (told,) = recv(decoder, status % b"maintenance")
    assert isinstance(told, FrameRejected)
    assert "maintenance" in told.reason


def test_acks_heartbeats_and_pongs_hold_no_event(decoder: KrakenDecoder) -> None:
    assert recv(decoder, b'{"channel":"heartbeat"}') == []
    assert recv(decoder, b'{"method":"pong","time_in":"x","time_out":"y"}') == []
    assert recv(decoder, b'{"method":"subscribe","success":true,"result":{}}') == []


def test_server_time_is_half_a_second_more_than_the_whole_ones_it_tells(
    decoder: KrakenDecoder,
) -> None:
    body = b'{"error":[],"result":{"unixtime":1616336594,"rfc1123":"x"}}'
    url = "https://api.kraken.com/0/public/Time#asked_ns=1616336594000000000"
    (sample,) = decoder.decode("http", 0, 1616336594_200_000_000, url, body)
    assert isinstance(sample, ClockSample)
    assert sample.offset_ns == 400_000_000


@pytest.mark.parametrize("good", [IMAGE, CHANGE, TICKER, TRADES])
def test_mangled_frame_ends_in_a_rejection_and_never_in_a_wrong_book(
    good: bytes, survives: Callable[[FeedDecoder, bytes], None], decoder: KrakenDecoder
) -> None:
    survives(decoder, good)


def test_pair_is_named_as_the_socket_names_it() -> None:
    pairs = {"XXBTZUSD": PAIR, "XDGUSD": PAIR | {"wsname": "XDG/USD", "tick_size": ""}}
    listing = parse_pairs(json.dumps({"error": [], "result": pairs}).encode(), VENUE)
    btc, doge = listing.instruments
    assert (btc.id, btc.venue_symbol) == (BTC, "BTC/USD")
    assert btc.aliases == ("XXBTZUSD", "XBTUSD", "XBT/USD")
    assert (btc.min_size, btc.min_notional) == (Decimal("0.0001"), Decimal("0.5"))
    assert doge.venue_symbol == "DOGE/USD"
    assert listing.entries["BTC/USD"][0] == "XXBTZUSD"


def test_price_step_is_the_last_decimal_of_the_wire_even_where_orders_are_coarser() -> None:
    pair = PAIR | {"tick_size": "0.5", "pair_decimals": 2}
    body = json.dumps({"result": {"XXBTZUSD": pair}}).encode()
    assert parse_pairs(body, VENUE).instruments[0].price_tick == Decimal("0.01")
    body = json.dumps({"result": {"XXBTZUSD": PAIR | {"tick_size": "0.005"}}}).encode()
    assert parse_pairs(body, VENUE).instruments[0].price_tick == Decimal("0.001")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wsname": ""}, "dark pools"),
        ({"wsname": "XBTUSD"}, "BASE/QUOTE"),
        ({"lot_decimals": 40}, "lot_decimals"),
        ({"ordermin": "x"}, "smallest order"),
        ({"tick_size": "-1"}, "tick_size"),
    ],
)
def test_odd_pair_is_left_out_with_a_reason_and_the_others_stay(
    change: dict[str, Any], words: str
) -> None:
    pairs = {"XXBTZUSD": PAIR | change, "XETHZUSD": PAIR | {"wsname": "ETH/USD"}}
    listing = parse_pairs(json.dumps({"result": pairs}).encode(), VENUE)
    assert [item.venue_symbol for item in listing.instruments] == ["ETH/USD"]
    assert words in listing.left_out["XXBTZUSD"]
    with pytest.raises(DataError, match="AssetPairs of"):
        parse_pairs(b"<html>", VENUE)
