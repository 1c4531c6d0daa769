from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.feeds.coinbase.decoder import CoinbaseDecoder
from core.feeds.coinbase.symbols import parse_products
from core.feeds.decoder import FeedDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.market import (
    BookDelta,
    BookSnapshot,
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

BTC = InstrumentId("BTC-USD.coinbase")
STAMP = "2026-08-09T21:05:48.483587501Z"
STAMP_NS = 1786309548483587501
LISTING = json.dumps(
    {
        "products": [
            {"product_id": f"{base}-USD", "base_increment": "0.00000001", "quote_increment": "0.01",
             "price_increment": "0.01", "base_currency_id": base, "quote_currency_id": "USD",
             "alias": "", "alias_to": [f"{base}-USDC"], "product_type": "SPOT"}
            for base in ("BTC", "ETH")
        ]
    }
).encode()  # fmt: skip


def frame(channel: str, number: int, *events: Any, stamp: str = STAMP) -> bytes:
    data = {"channel": channel, "client_id": "", "timestamp": stamp, "sequence_num": number,
            "events": events}  # fmt: skip
    return json.dumps(data, separators=(",", ":")).encode()


def level(side: str, price: str, size: str) -> dict[str, str]:
    return {"side": side, "event_time": STAMP, "price_level": price, "new_quantity": size}


def book(kind: str, number: int, *levels: dict[str, str], symbol: str = "BTC-USD") -> bytes:
    return frame("l2_data", number, {"type": kind, "product_id": symbol, "updates": levels})


def trades(kind: str, number: int, *ids: int, side: str = "SELL") -> bytes:
    rows = [
        {"product_id": "BTC-USD", "trade_id": str(one), "price": "65083.67", "size": "0.5",
         "time": "2026-08-09T21:05:42.514318Z", "side": side}
        for one in ids
    ]  # fmt: skip
    return frame("market_trades", number, {"type": kind, "trades": rows})


IMAGE = book("snapshot", 0, level("bid", "65083.66", "0.5"), level("offer", "65083.67", "1"))
CHANGE = book("update", 1, level("bid", "65083.66", "0"), level("offer", "65084", "0.00000001"))
TRADES = trades("update", 2, 12, 11)
TICKER = frame(
    "ticker", 3,
    {"type": "update", "tickers": [
        {"type": "ticker", "product_id": "BTC-USD", "price": "65086.18",
         "volume_24_h": "2867.54532609", "low_24_h": "64675.22", "high_24_h": "65252.99",
         "best_bid": "65083.66", "best_ask": "65083.67", "best_bid_quantity": "0.20371215",
         "best_ask_quantity": "0.24290402"}]},
)  # fmt: skip


@pytest.fixture
def decoder() -> CoinbaseDecoder:
    return CoinbaseDecoder(instruments=parse_products(LISTING, VenueName("coinbase")).instruments)


def recv(decoder: CoinbaseDecoder, data: bytes, conn: int = 1) -> list[MarketEvent]:
    return list(decoder.decode("recv", conn, 77, "", data))


def subscribe(decoder: CoinbaseDecoder, conn: int = 1, *symbols: str) -> list[MarketEvent]:
    names = list(symbols or ("BTC-USD",))
    data = {"type": "subscribe", "channel": "level2", "product_ids": names}
    return list(decoder.decode("send", conn, 76, "", json.dumps(data).encode()))


def test_image_and_change_carry_the_connections_number(decoder: CoinbaseDecoder) -> None:
    (image,) = recv(decoder, IMAGE)
    assert isinstance(image, BookSnapshot)
    assert (image.reset, image.last_id, image.ts_event_ns) == (True, 0, STAMP_NS)
    assert image.bids.tolist() == [[6508366, 50_000_000]]
    assert image.asks.tolist() == [[6508367, 100_000_000]]
    (change,) = recv(decoder, CHANGE)
    assert isinstance(change, BookDelta)
    assert change.last_id == 1
    assert change.bids.tolist() == [[6508366, 0]]
    assert change.asks.tolist() == [[6508400, 1]]


def test_levels_in_any_order_end_on_their_own_side(decoder: CoinbaseDecoder) -> None:
    levels = [level("offer", "3", "1"), level("bid", "1", "2"), level("offer", "4", "3")]
    for spaced in (False, True):
        data = book("snapshot", 0, *levels)
        data = json.dumps(json.loads(data), indent=1).encode() if spaced else data
        (image,) = CoinbaseDecoder(instruments=decoder.instruments.values()).decode(
            "recv", 1, 77, "", data
        )
        assert isinstance(image, BookSnapshot)
        assert image.bids.tolist() == [[100, 200_000_000]]
        assert image.asks.tolist() == [[300, 100_000_000], [400, 300_000_000]]


def test_level_that_is_neither_bid_nor_offer_is_refused(decoder: CoinbaseDecoder) -> None:
    (refused,) = recv(decoder, book("update", 0, level("mid", "1", "1")))
    assert isinstance(refused, FrameRejected)
    assert "bid or an offer" in refused.reason


def test_number_left_out_breaks_every_book_of_the_connection(decoder: CoinbaseDecoder) -> None:
    subscribe(decoder, 1, "BTC-USD", "ETH-USD")
    recv(decoder, IMAGE)
    heartbeat = frame("heartbeats", 5, {"current_time": "x", "heartbeat_counter": 1})
    (broken,) = recv(decoder, heartbeat)
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == (BTC, "ETH-USD.coinbase")
    assert (broken.expected_id, broken.received_id) == (1, 5)
    assert recv(decoder, frame("subscriptions", 6, {"subscriptions": {}})) == []
    back, _ = recv(decoder, CHANGE)
    assert isinstance(back, SequenceBroken)
    assert "went back" in back.reason


def test_very_same_message_once_more_breaks_nothing(decoder: CoinbaseDecoder) -> None:
    subscribe(decoder, 1, "BTC-USD", "ETH-USD")
    recv(decoder, IMAGE)
    recv(decoder, CHANGE)
    assert recv(decoder, CHANGE) == []
    heartbeat = frame("heartbeats", 2, {"current_time": "x", "heartbeat_counter": 1})
    assert recv(decoder, heartbeat) == recv(decoder, heartbeat) == []


def test_numbers_are_each_connections_own_and_start_anew(decoder: CoinbaseDecoder) -> None:
    recv(decoder, IMAGE, 1)
    assert not any(isinstance(event, SequenceBroken) for event in recv(decoder, CHANGE, 2))
    decoder.decode("connect", 1, 80, "wss://x", b"")
    assert not any(isinstance(event, SequenceBroken) for event in recv(decoder, TICKER, 1))


def test_frame_that_cannot_be_read_shows_as_a_hole_in_the_numbers(decoder: CoinbaseDecoder) -> None:
    subscribe(decoder)
    recv(decoder, IMAGE)
    assert isinstance(recv(decoder, CHANGE[:-9])[0], FrameRejected)
    broken, *_ = recv(decoder, TRADES)
    assert isinstance(broken, SequenceBroken)


def test_newest_image_owns_the_book_while_two_connections_overlap(decoder: CoinbaseDecoder) -> None:
    for conn in (1, 2):
        subscribe(decoder, conn)
        recv(decoder, IMAGE, conn)
    assert recv(decoder, CHANGE, 1) == []
    assert len(recv(decoder, CHANGE, 2)) == 1
    # A hole on the old connection costs nothing: the book is the new one's.
    (broken, trade) = recv(decoder, trades("update", 9, 10), 1)
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == ()
    assert isinstance(trade, Trade)
    gone, orphan = decoder.decode("disconnect", 2, 78, "", b"closed")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == ()
    assert isinstance(orphan, SequenceBroken)
    assert orphan.instrument_ids == (BTC,)


def test_trades_come_oldest_first_with_the_takers_side_turned_round(
    decoder: CoinbaseDecoder,
) -> None:
    old, new = recv(decoder, TRADES)
    assert old == Trade(BTC, 1786309542514318000, 77, 6508367, 50_000_000, False, 11)
    assert isinstance(new, Trade)
    assert new.trade_id == 12
    (sold,) = recv(decoder, trades("update", 3, 13, side="BUY"))
    assert isinstance(sold, Trade)
    assert sold.buyer_is_maker


def test_trades_before_the_subscription_only_fill_what_a_lost_connection_cost(
    decoder: CoinbaseDecoder,
) -> None:
    assert recv(decoder, trades("snapshot", 0, 12, 11, 10)) == []
    recv(decoder, trades("update", 1, 13))
    decoder.decode("disconnect", 1, 78, "", b"lost")
    filled = recv(decoder, trades("snapshot", 0, 16, 15, 14, 13, 12), 2)
    assert [event.trade_id for event in filled if isinstance(event, Trade)] == [14, 15, 16]
    recv(decoder, trades("update", 1, 20), 2)
    late = recv(decoder, trades("snapshot", 2, 20, 19, 18, 17, 16), 2)
    assert [event.trade_id for event in late if isinstance(event, Trade)] == [17, 18, 19]
    assert recv(decoder, trades("snapshot", 3, 20, 19, 18, 17, 16), 2) == []


def test_ticker_gives_a_quote_and_the_day_when_it_changed(decoder: CoinbaseDecoder) -> None:
    quote, day = recv(decoder, TICKER)
    assert quote == Quote(BTC, STAMP_NS, 77, 6508366, 20371215, 6508367, 24290402, 0)
    assert isinstance(day, DayTicker)
    assert (day.last, day.volume) == (Decimal("65086.18"), Decimal("2867.54532609"))
    again = recv(decoder, TICKER.replace(b'"sequence_num":3', b'"sequence_num":4'))
    assert [type(event) for event in again] == [Quote]


def test_candle_is_closed_once_the_venues_clock_passed_its_end(decoder: CoinbaseDecoder) -> None:
    candle = {"start": "1786309500", "high": "3", "low": "1", "open": "2", "close": "2.5",
              "volume": "0.5", "product_id": "BTC-USD"}  # fmt: skip
    event = {"type": "snapshot", "candles": [candle, candle | {"start": "1786309200"}]}
    forming, closed = recv(decoder, frame("candles", 0, event))
    assert forming == VenueBar(
        BTC, "5m", 1786309500_000_000_000, 77, 200, 300, 100, 250, 50_000_000, closed=False
    )
    assert isinstance(closed, VenueBar)
    assert closed.closed


def test_alias_is_another_spelling_of_the_market_that_answers(decoder: CoinbaseDecoder) -> None:
    (status,) = subscribe(decoder, 1, "BTC-USDC")
    assert isinstance(status, FeedStatusChanged)
    assert status.instrument_id == BTC
    assert isinstance(recv(decoder, IMAGE)[0], BookSnapshot)


def test_error_of_the_venue_says_what_to_do(decoder: CoinbaseDecoder) -> None:
    (refused,) = recv(decoder, b'{"type":"error","message":"failure to subscribe"}')
    assert isinstance(refused, FrameRejected)
    assert "failure to subscribe; is the product listed" in refused.reason


def test_rest_time_is_a_sample_and_a_rest_book_only_a_quote(decoder: CoinbaseDecoder) -> None:
    root = "https://api.coinbase.com/api/v3/brokerage"
    body = b'{"iso":"x","epochSeconds":"1786309548","epochMillis":"1786309548100"}'
    url = f"{root}/time#asked_ns=1786309548000000000"
    (sample,) = decoder.decode("http", 0, 1786309548_050_000_000, url, body)
    assert isinstance(sample, ClockSample)
    assert sample.offset_ns == 75_000_000
    side = [{"price": "1.5", "size": "2"}]
    top = {"pricebook": {"product_id": "BTC-USD", "bids": side, "asks": side, "time": STAMP}}
    (quote,) = decoder.decode(
        "http", 0, 77, f"{root}/market/product_book?product_id=BTC-USD", json.dumps(top).encode()
    )
    assert isinstance(quote, Quote)
    assert quote.bid_lots == 200_000_000


@pytest.mark.parametrize("good", [IMAGE, CHANGE, TICKER, TRADES])
def test_mangled_frame_ends_in_a_rejection_and_never_in_a_wrong_book(
    good: bytes, survives: Callable[[FeedDecoder, bytes], None], decoder: CoinbaseDecoder
) -> None:
    survives(decoder, good)


def test_replayed_capture_agrees_with_the_independent_one(replayed: Any, expected: Any) -> None:
    name = "coinbase_advanced/capture_btc_eth_20260809_first_half"
    wanted = expected(f"{name}.expected.json")
    run = replayed(f"{name}.jsonl.zst", CoinbaseDecoder())
    assert run.labels == wanted["counts (per event)"]
    assert not run.rejected
    assert not run.of(SequenceBroken)
    assert wanted["sequence_gaps"] == 0
    assert not run.lost
    assert set(wanted["books"]) == {"BTC-USD", "ETH-USD"}
    for symbol, book in wanted["books"].items():
        found = run.book(symbol)
        found.pop("last_id")
        assert found == {
            "bids": [(Decimal(p), Decimal(s)) for p, s in book["bids"]],
            "asks": [(Decimal(p), Decimal(s)) for p, s in book["asks"]],
            "n_bids": book["n_bids"],
            "n_asks": book["n_asks"],
        }, symbol


def test_recorded_trades_have_the_side_their_price_tells(replayed: Any) -> None:
    run = replayed(
        "coinbase_advanced/capture_btc_eth_20260809_first_half.jsonl.zst", CoinbaseDecoder()
    )
    quotes: dict[str, Quote] = {}
    told = 0
    for event in run.events:
        if isinstance(event, Quote):
            quotes[event.instrument_id] = event
        elif isinstance(event, Trade):
            quote = quotes[event.instrument_id]
            if event.price_ticks >= quote.ask_ticks:
                assert not event.buyer_is_maker
                told += 1
            elif event.price_ticks <= quote.bid_ticks:
                assert event.buyer_is_maker
                told += 1
    assert told == 51
    ids = [event.trade_id for event in run.of(Trade) if event.instrument_id == BTC]
    assert ids == list(range(ids[0], ids[-1] + 1))


def test_unreadable_book_message_behind_a_hole_still_shows_as_one(
    decoder: CoinbaseDecoder,
) -> None:
    subscribe(decoder)
    recv(decoder, IMAGE)
    bad = CHANGE.replace(b'"sequence_num":1', b'"sequence_num":4').replace(b'"65084"', b'"x"')
    assert [type(event) for event in recv(decoder, bad)] == [FrameRejected]
    broken, _ = recv(decoder, CHANGE.replace(b'"sequence_num":1', b'"sequence_num":5'))
    assert isinstance(broken, SequenceBroken)
    assert (broken.expected_id, broken.received_id) == (1, 5)


def test_trades_make_the_very_candles_the_venue_tells(replayed: Any) -> None:
    """The hundred trades before the subscription reach back beyond the bar's beginning."""
    decoder = CoinbaseDecoder()
    fresh = decoder.make_known

    def from_the_first(instrument: Any) -> Any:
        known: Any = fresh(instrument)
        known.seen.see(1)  # as if all of them had been missed
        return known

    decoder.make_known = from_the_first  # type: ignore[method-assign]  # one more trade to miss
    run = replayed(
        "coinbase_advanced/capture_btc_eth_20260809_first_half.jsonl.zst", decoder
    )  # fmt: skip
    start_ns = 1786309500_000_000_000
    told = [bar for bar in run.of(VenueBar) if bar.ts_open_ns == start_ns]
    assert len(told) == 4
    states: dict[str, set[tuple[int, ...]]] = {}
    made: dict[str, list[int]] = {}
    for trade in run.of(Trade):
        if trade.ts_event_ns < start_ns:
            continue
        price, size = trade.price_ticks, trade.size_lots
        bar = made.setdefault(trade.instrument_id, [price, price, price, price, 0])
        bar[1:] = [max(bar[1], price), min(bar[2], price), price, bar[4] + size]
        states.setdefault(trade.instrument_id, set()).add(tuple(bar))
    for bar in told:
        values = (
            bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks, bar.volume_lots,
        )  # fmt: skip
        assert values in states[bar.instrument_id]


def test_trades_of_a_refused_message_still_count_when_told_again(decoder: CoinbaseDecoder) -> None:
    recv(decoder, trades("update", 0, 10))
    bad = trades("update", 1, 13, 12, 11).replace(b'"trade_id":"13"', b'"trade_id":"x"')
    assert [type(event) for event in recv(decoder, bad)] == [FrameRejected]
    told = recv(decoder, trades("snapshot", 1, 14, 13, 12, 11, 10))
    assert [event.trade_id for event in told if isinstance(event, Trade)] == [11, 12, 13, 14]
