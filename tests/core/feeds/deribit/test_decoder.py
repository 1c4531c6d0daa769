from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.feeds.decoder import FeedDecoder
from core.feeds.deribit.decoder import DeribitDecoder
from core.feeds.deribit.symbols import parse_instruments
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedDisconnected,
    FeedStatusChanged,
    FrameRejected,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    SequenceBroken,
    Side,
    Trade,
    VenueBar,
)

VENUE = VenueName("deribit")
PERP = InstrumentId("BTC-USD-PERP.deribit")
OPTION = InstrumentId("ETH-USD-20210730-2800-C.deribit")
LISTING = (
    b'{"jsonrpc":"2.0","result":[{"tick_size":0.5,"settlement_period":"perpetual",'
    b'"quote_currency":"USD","min_trade_amount":10,"kind":"future","is_active":true,'
    b'"instrument_name":"BTC-PERPETUAL","expiration_timestamp":32503708800000,'
    b'"creation_timestamp":1534242287000,"contract_size":10.0,"base_currency":"BTC"},'
    b'{"tick_size":0.0005,"strike":2800.0,"settlement_period":"month","quote_currency":"ETH",'
    b'"option_type":"call","min_trade_amount":1,"kind":"option","is_active":true,'
    b'"instrument_name":"ETH-30JUL21-2800-C","expiration_timestamp":1627632000000,'
    b'"creation_timestamp":1621586520000,"contract_size":1.0,"base_currency":"ETH"}]}'
)


def frame(channel: str, data: Any) -> bytes:
    text = '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"%s","data":%s}}'
    return (text % (channel, json.dumps(data, separators=(",", ":")))).encode()


def book(kind: str, change: int, previous: int | None, bids: Any = (), asks: Any = ()) -> bytes:
    data = {"type": kind, "timestamp": 1626993724318}
    if previous is not None:
        data["prev_change_id"] = previous
    data |= {"instrument_name": "BTC-PERPETUAL", "change_id": change, "bids": bids, "asks": asks}
    return frame("book.BTC-PERPETUAL.100ms", data)


IMAGE = book("snapshot", 10, None, [["new", 37392.5, 3000.0]], [["new", 37393.0, 10.0]])
CHANGE = book("change", 17, 10, [["delete", 37392.5, 0.0], ["new", 37392.0, 40.0]], [])
TICKER = frame(
    "ticker.ETH-30JUL21-2800-C.raw",
    {
        "underlying_price": 2003.61, "underlying_index": "ETH-30JUL21", "timestamp": 1626993723632,
        "stats": {"volume": 869.0, "price_change": 0.0, "low": 0.0015, "high": 0.0025},
        "state": "open", "open_interest": 12685.0, "mark_price": 0.001972, "mark_iv": 120.74,
        "last_price": 0.002, "instrument_name": "ETH-30JUL21-2800-C", "index_price": 2006.72,
        "greeks": {"vega": 0.20072, "theta": -1.64029, "rho": 0.01188, "gamma": 0.0002,
                   "delta": 0.03127},
        "bid_iv": 0.0, "best_bid_price": 0.0, "best_bid_amount": 0.0, "best_ask_price": 0.0025,
        "best_ask_amount": 873.0, "ask_iv": 125.63,
    },
)  # fmt: skip
TRADES = frame(
    "trades.BTC-PERPETUAL.100ms",
    [
        {"trade_seq": 40781986, "trade_id": "66460463", "timestamp": 1584058044032, "price": 4469.5,
         "liquidation": "T", "instrument_name": "BTC-PERPETUAL", "direction": "sell",
         "amount": 1120},
        {"trade_seq": 40781987, "trade_id": "66460464", "timestamp": 1584058044033, "price": 4470.0,
         "instrument_name": "BTC-PERPETUAL", "direction": "buy", "amount": 10.0},
    ],
)  # fmt: skip
SUBSCRIBE = b'{"jsonrpc":"2.0","id":3,"method":"public/subscribe","params":{"channels":%s}}'


@pytest.fixture
def decoder() -> DeribitDecoder:
    return DeribitDecoder(instruments=parse_instruments(LISTING, VENUE).instruments)


def recv(decoder: DeribitDecoder, data: bytes, conn: int = 1) -> list[MarketEvent]:
    return list(decoder.decode("recv", conn, 77, "", data))


def subscribe(decoder: DeribitDecoder, *channels: str, conn: int = 1) -> list[MarketEvent]:
    data = SUBSCRIBE % json.dumps(channels).encode()
    return list(decoder.decode("send", conn, 76, "", data))


def test_image_in_the_stream_replaces_the_book_and_a_change_names_the_one_before(
    decoder: DeribitDecoder,
) -> None:
    (image,) = recv(decoder, IMAGE)
    assert isinstance(image, BookSnapshot)
    assert (image.reset, image.last_id, image.instrument_id) == (True, 10, PERP)
    assert image.bids.tolist() == [[74785, 300]]
    (change,) = recv(decoder, CHANGE)
    assert isinstance(change, BookDelta)
    assert (change.prev_id, change.last_id) == (10, 17)
    assert change.bids.tolist() == [[74785, 0], [74784, 4]]
    assert change.ts_event_ns == 1626993724318_000_000


def test_first_change_of_a_book_that_was_never_quoted_is_an_image(decoder: DeribitDecoder) -> None:
    (image,) = recv(decoder, book("change", 8, 0, [["new", 37392.5, 10.0]]))
    assert isinstance(image, BookSnapshot)
    assert image.last_id == 8


def test_grouped_book_is_an_image_each_time(decoder: DeribitDecoder) -> None:
    data = {"instrument_name": "BTC-PERPETUAL", "timestamp": 1769246173071, "change_id": 5,
            "bids": [[89532.5, 254900.0]], "asks": []}  # fmt: skip
    (image,) = recv(decoder, frame("book.BTC-PERPETUAL.none.10.100ms", data))
    assert isinstance(image, BookSnapshot)
    assert image.bids.tolist() == [[179065, 25490]]


def test_trade_has_the_takers_side_and_a_liquidation_beside_it(decoder: DeribitDecoder) -> None:
    sold, forced, bought = recv(decoder, TRADES)
    assert sold == Trade(PERP, 1584058044032_000_000, 77, 8939, 112, True, 40781986)
    assert isinstance(forced, Liquidation)
    assert (forced.side, forced.size_lots, forced.lossy) == (Side.SELL, 112, False)
    assert isinstance(bought, Trade)
    assert not bought.buyer_is_maker


@pytest.mark.parametrize(
    ("liquidation", "sides"), [("M", [Side.BUY]), ("T", [Side.SELL]), ("MT", [Side.SELL, Side.BUY])]
)
def test_liquidation_names_whose_order_was_forced(
    decoder: DeribitDecoder, liquidation: str, sides: list[Side]
) -> None:
    events = recv(decoder, TRADES.replace(b'"T"', b'"%s"' % liquidation.encode()))
    assert [event.side for event in events if isinstance(event, Liquidation)] == sides


def test_ticker_of_an_option_says_everything_once(decoder: DeribitDecoder) -> None:
    quote, mark, greeks, interest, day = recv(decoder, TICKER)
    assert quote == Quote(OPTION, 1626993723632_000_000, 77, 0, 0, 5, 873, 0)
    assert isinstance(mark, MarkPrice)
    assert (mark.mark, mark.index) == (Decimal("0.001972"), Decimal("2006.72"))
    assert isinstance(greeks, OptionGreeks)
    assert greeks.mark_iv == pytest.approx(1.2074)
    assert math.isnan(greeks.bid_iv)
    assert (greeks.delta, greeks.underlying) == (0.03127, 2003.61)
    assert isinstance(interest, OpenInterest)
    assert interest.size == Decimal("12685.0")
    assert isinstance(day, DayTicker)
    assert (day.last, day.high, day.volume) == (Decimal("0.002"), Decimal("0.0025"), Decimal(869))
    again = recv(decoder, TICKER.replace(b"0.001972", b"0.001973"))
    assert [type(event) for event in again] == [Quote, MarkPrice, OptionGreeks]


def test_quotes_come_from_the_quote_channel_where_it_is_joined(decoder: DeribitDecoder) -> None:
    subscribe(decoder, "quote.ETH-30JUL21-2800-C", "ticker.ETH-30JUL21-2800-C.100ms")
    assert not [event for event in recv(decoder, TICKER) if isinstance(event, Quote)]
    data = {"timestamp": 1654012882984, "instrument_name": "ETH-30JUL21-2800-C",
            "best_bid_price": 0.0015, "best_bid_amount": 4.0, "best_ask_price": None,
            "best_ask_amount": None}  # fmt: skip
    (quote,) = recv(decoder, frame("quote.ETH-30JUL21-2800-C", data))
    assert quote == Quote(OPTION, 1654012882984_000_000, 77, 3, 4, 0, 0, 0)


def test_funding_of_a_perpetual_is_part_of_its_mark(decoder: DeribitDecoder) -> None:
    data = {"timestamp": 1, "instrument_name": "BTC-PERPETUAL", "mark_price": 1.5,
            "current_funding": 0.00010785, "funding_8h": 0.2, "open_interest": 560520540,
            "stats": {"volume": 9.5, "volume_usd": 278922050.0}}  # fmt: skip
    _, mark, interest, day = recv(decoder, frame("ticker.BTC-PERPETUAL.100ms", data))
    assert isinstance(mark, MarkPrice)
    assert mark.funding_rate == Decimal("0.00010785")
    assert isinstance(interest, OpenInterest)
    assert interest.size == 560520540
    assert isinstance(day, DayTicker)
    assert day.volume == Decimal(278922050)  # in units of its size, dollars


def test_candle_in_the_making_counts_what_trades_count(decoder: DeribitDecoder) -> None:
    data = {"volume": 0.02120555, "tick": 1654079280000, "open": 31595.5, "low": 31595.0,
            "high": 31596.0, "cost": 670.0, "close": 31595.5}  # fmt: skip
    (bar,) = recv(decoder, frame("chart.trades.BTC-PERPETUAL.1", data))
    assert bar == VenueBar(
        PERP, "1m", 1654079280000_000_000, 77, 63191, 63192, 63190, 63191, 67, closed=False
    )


def test_indices_are_instruments_with_a_value(decoder: DeribitDecoder) -> None:
    price = {"timestamp": 1550588002899, "price": 3937.89, "index_name": "btc_usd"}
    (index,) = recv(decoder, frame("deribit_price_index.btc_usd", price))
    assert isinstance(index, MarkPrice)
    assert (index.instrument_id, index.index) == ("BTC-USD-INDEX.deribit", Decimal("3937.89"))
    volatility = {"volatility": 129.36, "timestamp": 1619777946007, "index_name": "btc_usd"}
    (dvol,) = recv(decoder, frame("deribit_volatility_index.btc_usd", volatility))
    assert isinstance(dvol, MarkPrice)
    assert (dvol.instrument_id, dvol.index) == ("BTC-DVOL.deribit", Decimal("129.36"))


def test_subscription_starts_to_synchronise_and_what_the_venue_left_out_is_told(
    decoder: DeribitDecoder,
) -> None:
    channels = ("book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms", "book.GONE.100ms")
    (status,) = subscribe(decoder, *channels)
    assert isinstance(status, FeedStatusChanged)
    assert status.instrument_id == PERP
    (missing,) = recv(
        decoder, b'{"jsonrpc":"2.0","id":3,"result":["%s","%s"]}'
        % tuple(name.encode() for name in channels[:2])
    )  # fmt: skip
    assert isinstance(missing, FrameRejected)
    assert missing.channel == "book.GONE.100ms"
    assert "still listed" in missing.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [(10028, "ends the session"), (13778, "keys"), (99999, "list of error codes")],
)
def test_refusal_says_which_channel_and_what_to_do(
    decoder: DeribitDecoder, code: int, words: str
) -> None:
    subscribe(decoder, "book.BTC-PERPETUAL.raw")
    error = b'{"jsonrpc":"2.0","id":3,"error":{"message":"no","code":%d},"usIn":1}' % code
    (refused,) = recv(decoder, error)
    assert isinstance(refused, FrameRejected)
    assert words in refused.reason
    assert (refused.channel, refused.instrument_id) == ("book.BTC-PERPETUAL.raw", PERP)


def test_answers_and_heartbeats_hold_no_event(decoder: DeribitDecoder) -> None:
    heartbeat = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    assert recv(decoder, heartbeat) == []
    assert recv(decoder, b'{"jsonrpc":"2.0","id":9,"result":{"version":"1.2.26"}}') == []


def test_newest_image_owns_the_book_and_changes_of_the_old_connection_are_dropped(
    decoder: DeribitDecoder,
) -> None:
    for conn in (1, 2):
        subscribe(decoder, "book.BTC-PERPETUAL.100ms", conn=conn)
        recv(decoder, IMAGE, conn)
    assert recv(decoder, CHANGE, 1) == []
    assert len(recv(decoder, CHANGE, 2)) == 1
    gone, broken = decoder.decode("disconnect", 2, 78, "", b"closed")
    assert isinstance(gone, FeedDisconnected)
    assert gone.instrument_ids == ()  # the other connection still carries it
    assert isinstance(broken, SequenceBroken)
    assert broken.instrument_ids == (PERP,)
    assert len(recv(decoder, CHANGE, 1)) == 1


def test_server_time_becomes_a_sample_of_the_clock(decoder: DeribitDecoder) -> None:
    url = "https://www.deribit.com/api/v2/public/get_time#asked_ns=1550147385900000000"
    body = b'{"jsonrpc":"2.0","result":1550147385946}'
    (sample,) = decoder.decode("http", 0, 1550147385920_000_000, url, body)
    assert isinstance(sample, ClockSample)
    assert (sample.offset_ns, sample.round_trip_ns) == (36_000_000, 20_000_000)


@pytest.mark.parametrize("good", [IMAGE, CHANGE, TICKER, TRADES])
def test_mangled_frame_ends_in_a_rejection_and_never_in_a_wrong_book(
    good: bytes, survives: Callable[[FeedDecoder, bytes], None]
) -> None:
    decoder = DeribitDecoder(instruments=parse_instruments(LISTING, VENUE).instruments)
    survives(decoder, good)


@pytest.mark.parametrize(
    "name", ["capture_options_20210722", "capture_options_20210417"]
)  # fmt: skip
def test_replayed_capture_agrees_with_the_independent_one(
    name: str, replayed: Any, expected: Any
) -> None:
    wanted = expected(f"deribit/{name}.expected.json")
    run = replayed(f"deribit/{name}.jsonl.zst", DeribitDecoder())
    assert run.labels == wanted["counts"]
    assert not run.rejected
    assert len(run.lost) == wanted["change_id_gaps"] == 0
    assert len(wanted["books"]) == 10
    for symbol, book in wanted["books"].items():
        assert run.book(symbol) == {
            "bids": [(Decimal(p), Decimal(s)) for p, s in book["bids"]],
            "asks": [(Decimal(p), Decimal(s)) for p, s in book["asks"]],
            "n_bids": book["n_bids"],
            "n_asks": book["n_asks"],
            "last_id": book["last_change_id"],
        }, symbol


def test_gap_of_the_edge_case_is_found_at_its_line(replayed: Any, expected: Any) -> None:
    wanted = expected("edge_cases/deribit_gap.expected.json")
    run = replayed("edge_cases/deribit_gap.jsonl.zst", DeribitDecoder())
    # Its lines count from 0, ours from 1.
    assert [line for line, _, _ in run.lost] == [line + 1 for line in wanted["gap_lines"]]
    ((_, name, reason),) = run.lost
    assert name.startswith("BTC-18APR21-62000-C")
    assert reason == "gap"


def test_rule_of_instruments(decoder: DeribitDecoder) -> None:
    perpetual = decoder.instruments["BTC-PERPETUAL"]
    assert decoder.rule.traits(perpetual).consecutive_trades
    index = decoder.of("deribit_price_index.btc_usd").instrument
    assert isinstance(index, Instrument)
    assert not decoder.rule.traits(index).has_book


def test_missed_trades_are_taken_from_rest_by_their_numbers_once(decoder: DeribitDecoder) -> None:
    recv(decoder, TRADES)
    assert decoder.lacks("BTC-PERPETUAL") is None
    recv(decoder, TRADES.replace(b"40781986", b"40781990").replace(b"40781987", b"40781991"))
    assert decoder.lacks("BTC-PERPETUAL") == (40781988, 40781989)
    rows = [
        {"trade_seq": number, "timestamp": 1584058044040, "price": 4470.0, "amount": 10.0,
         "instrument_name": "BTC-PERPETUAL", "direction": "buy"}
        for number in range(40781986, 40781992)
    ]  # fmt: skip
    url = (
        "https://www.deribit.com/api/v2/public/get_last_trades_by_instrument"
        "?instrument_name=BTC-PERPETUAL&start_seq=40781988&end_seq=40781989&count=1000"
    )
    body = json.dumps({"result": {"trades": rows, "has_more": False}}).encode()
    told = decoder.decode("http", 0, 90, url, body)
    assert [event.trade_id for event in told] == [40781988, 40781989]
    assert decoder.lacks("BTC-PERPETUAL") is None
    assert decoder.decode("http", 0, 90, url, body) == []
