"""Every recorded or documented frame of the venue, or why it is none of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.feeds.decoder import FeedDecoder
from core.feeds.kraken.decoder import KrakenDecoder
from core.feeds.kraken.symbols import parse_pairs
from core.model.ids import VenueName
from core.model.market import BookSnapshot, DayTicker, FrameRejected, Quote, Trade, VenueBar

PRIVATE = "private, order issue"
OURS = "a request, which a client sends"
UNASKED = "an answer to a question we never ask: the channels bring the same"
L3 = "single orders are another channel's, which needs a token"
SHORT = "an answer its source left only the result of"

NAUTILUS: dict[str, Any] = {
    "http_add_order_spot.json": PRIVATE,
    "http_asset_pairs_tokenized.json": ["AAPLx-USD.kraken"],
    "http_closed_orders.json": PRIVATE,
    "http_order_book.json": UNASKED,
    "http_spot_balance.json": PRIVATE,
    "http_spot_trade_balance.json": PRIVATE,
    "http_ticker.json": UNASKED,
    "ws_add_order_request.json": PRIVATE,
    "ws_add_order_response_success.json": PRIVATE,
    "ws_batch_add_request.json": PRIVATE,
    "ws_book_snapshot.json": (BookSnapshot,),
    "ws_cancel_order_request.json": PRIVATE,
    "ws_l3_update_add.json": L3,
    "ws_l3_update_modify_price.json": L3,
    "ws_ohlc_update.json": (VenueBar,),
    "ws_subscribe_response.json": (),
    "ws_trade_update.json": (Trade, Trade),
}
JKORF: list[tuple[str, Any]] = [
    ("AggBook", OURS),
    ("AggBook", (BookSnapshot,)),
    ("Concurrent", OURS),
    ("Concurrent", SHORT),
    ("Concurrent", "a candle whose source left out all its values"),
    ("IndividualBook", L3),
    ("Kline", OURS),
    ("Kline", (VenueBar,)),
    ("Ticker", SHORT),
    ("Trades", OURS),
    ("Trades", (Trade,)),
]
CCXT: list[tuple[type[Any], ...]] = [(), (), (Quote, DayTicker), (), (Quote, DayTicker)]


@pytest.fixture
def decoder(with_eighths: Callable[[FeedDecoder], FeedDecoder]) -> FeedDecoder:
    return with_eighths(KrakenDecoder())


def check(decoder: FeedDecoder, wanted: Any, msg: bytes, what: str) -> None:
    events = decoder.decode("recv", 1, 77, "", msg)
    if isinstance(wanted, tuple):
        assert tuple(type(event) for event in events) == wanted, what
    elif isinstance(wanted, list):
        listed = parse_pairs(msg, VenueName("kraken")).instruments
        assert [item.id for item in listed] == wanted
    else:
        assert all(isinstance(event, FrameRejected) for event in events), what


def test_frames_collected_elsewhere(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("kraken_v2/messages_nautilus.jsonl")
    assert [line["ctx"] for line, _ in lines] == list(NAUTILUS)
    for line, msg in lines:
        check(decoder, NAUTILUS[line["ctx"]], msg, line["ctx"])


def test_documented_frames(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("kraken_v2/ws_frames_jkorf.jsonl")
    names = [line["ctx"].partition("/")[2].removesuffix(".txt") for line, _ in lines]
    assert names == [name for name, _ in JKORF]
    for (line, msg), (_, wanted) in zip(lines, JKORF, strict=True):
        if wanted == OURS:
            sent = decoder.decode("send", 1, 77, "", msg)
            assert not any(isinstance(event, FrameRejected) for event in sent)
        else:
            check(decoder, wanted, msg, line["ctx"])


def test_recorded_frames(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("kraken_v2/ws_2026_08_ccxt.jsonl")
    for (line, msg), wanted in zip(lines, CCXT, strict=True):
        check(decoder, wanted, msg, line["ctx"])


def test_messages_with_the_results_of_tardis(
    fixtures: Any, decoder: FeedDecoder, stated: Any
) -> None:
    lines = fixtures("kraken_v2/messages_with_expected_tardis.jsonl")
    assert len(lines) == 3
    for line, msg in lines:
        events = decoder.decode("recv", 1, 77, "", msg)
        compared = stated(events, decoder)
        for wanted in line["expected"]:
            compared.agree(wanted)
        if not line["expected"]:
            assert not events
