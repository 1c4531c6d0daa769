"""Every recorded frame of the venue, or why it is none of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from core.feeds.coinbase_exchange.decoder import ExchangeDecoder
from core.feeds.coinbase_exchange.history import map_candles
from core.feeds.decoder import FeedDecoder
from core.model.market import BookDelta, DayTicker, FrameRejected, Timeframe, Trade


@pytest.fixture
def decoder(with_eighths: Callable[[FeedDecoder], FeedDecoder]) -> FeedDecoder:
    return with_eighths(ExchangeDecoder())


def test_messages_with_the_results_of_another_parser(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("coinbase_exchange/messages_with_expected_crypto_msg_parser.jsonl")
    assert [line["ctx"] for line, _ in lines] == [
        "utils::trade", "utils::l2_orderbook_update", "utils::ticker",
    ]  # fmt: skip
    (_, last), (book_line, book), (ticker_line, ticker) = lines
    # A last_match is older than its subscription: news only after a lost connection.
    assert decoder.decode("recv", 1, 77, "", last) == ()
    (trade,) = decoder.decode("recv", 1, 77, "", last.replace(b'"last_match"', b'"match"'))
    assert isinstance(trade, Trade)
    # That parser takes the maker's side for the taker's; tardis.dev, below, does not.
    assert not trade.buyer_is_maker
    assert trade.ts_event_ns // 1_000_000 == 1616298447112
    (delta,) = decoder.decode("recv", 1, 77, "", book)
    assert isinstance(delta, BookDelta)
    said = dict(book_line["expected"])
    assert delta.ts_event_ns // 1_000_000 == said["timestamp"]
    assert delta.bids.tolist() == [[3737826000000, 2460000]]
    assert len(delta.asks) == said["orderbook.asks.len()"]
    (day,) = decoder.decode("recv", 1, 77, "", ticker)
    assert isinstance(day, DayTicker)
    assert day.ts_event_ns // 1_000_000 == dict(ticker_line["expected"])["timestamp"]


def test_messages_with_the_results_of_tardis(
    fixtures: Any, decoder: FeedDecoder, stated: Any
) -> None:
    lines = fixtures("coinbase_exchange/messages_with_expected_tardis.jsonl")
    assert len(lines) == 5
    for line, msg in lines:
        events = decoder.decode("recv", 1, 77, "", msg)
        (wanted,) = line["expected"]
        if wanted.get("askAmount", 0) is None:
            # Best prices without sizes, as until 2022: no quote is made of half of one.
            assert [type(event) for event in events] == [DayTicker]
            continue
        stated(events, decoder).agree(wanted)


def test_recorded_candles_are_read_in_their_own_order(fixtures: Any, decoder: FeedDecoder) -> None:
    (line, msg), (other, ticker) = fixtures("coinbase_exchange/messages_xchange.jsonl")
    assert line["ctx"] == "example-historical-candles.json"
    item = decoder.of("BTC-USD").instrument
    bars = map_candles(msg, item, Timeframe.M1)
    rows = msgspec.json.decode(msg)
    assert len(bars) == len(rows)
    assert [bar.ts_open_ns for bar in bars] == sorted(row[0] * 10**9 for row in rows)
    first = bars[-1]
    assert (first.low_ticks, first.high_ticks) == (10106 * 10**8, 1012021 * 10**6)
    assert (first.open_ticks, first.close_ticks) == (1010601 * 10**6, 1012021 * 10**6)
    # The ticker of REST is a question we never ask: the channel brings the same.
    assert other["ctx"] == "example-ticker-data.json"
    (refused, *_) = decoder.decode("recv", 1, 77, "", ticker)
    assert isinstance(refused, FrameRejected)
