"""Every recorded or documented frame of the venue, or why it is none of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.feeds.coinbase.decoder import CoinbaseDecoder
from core.feeds.coinbase.symbols import parse_products
from core.feeds.decoder import FeedDecoder
from core.model.ids import VenueName
from core.model.market import BookDelta, DayTicker, FrameRejected, Quote, VenueBar

PRIVATE = "private, order issue"
OURS = "a request, which a client sends"

NAUTILUS: dict[str, Any] = {
    "http_accounts.json": PRIVATE,
    "http_cfm_balance_summary.json": PRIVATE,
    "http_cfm_positions.json": PRIVATE,
    "http_order.json": PRIVATE,
    "http_product.json": ["BTC-USD.coinbase"],
    "http_products.json": ["BTC-USD.coinbase"],
    "http_ticker.json": "trades of REST, which we never ask for: the channel brings them",
    "ws_heartbeats.json": (),
    "ws_l2_data_update.json": (BookDelta,),
    "ws_subscriptions.json": (),
    "ws_user.json": PRIVATE,
}
JKORF: list[tuple[str, Any]] = [
    ("BatchTicker", OURS),
    ("BatchTicker", (DayTicker,)),
    ("Concurrent", OURS),
    ("Concurrent", ()),
    ("Concurrent", "a candle whose source left out all its values"),
    ("FuturesBalance", ()),
    ("Heartbeat", OURS),
    ("Heartbeat", ()),
    ("Klines", (VenueBar,)),
    ("Symbol", ()),
    ("Ticker", OURS),
    ("Ticker", (Quote,)),  # its day is what BatchTicker said before
    ("Trades", ()),
    ("User", OURS),
    ("User", PRIVATE),
]


@pytest.fixture
def decoder(with_eighths: Callable[[FeedDecoder], FeedDecoder]) -> FeedDecoder:
    return with_eighths(CoinbaseDecoder())


def check(decoder: FeedDecoder, wanted: Any, msg: bytes, conn: int, what: str) -> None:
    # A connection each: their numbers have nothing to do with one another.
    events = decoder.decode("recv", conn, 77, "", msg)
    if isinstance(wanted, tuple):
        assert tuple(type(event) for event in events) == wanted, what
    elif isinstance(wanted, list):
        listed = parse_products(msg, VenueName("coinbase")).instruments
        assert [item.id for item in listed] == wanted
    else:
        assert all(isinstance(event, FrameRejected) for event in events), what
        assert events, what


def test_frames_collected_elsewhere(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("coinbase_advanced/messages_nautilus.jsonl")
    assert [line["ctx"] for line, _ in lines] == list(NAUTILUS)
    for conn, (line, msg) in enumerate(lines):
        check(decoder, NAUTILUS[line["ctx"]], msg, conn, line["ctx"])


def test_documented_frames(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("coinbase_advanced/ws_frames_jkorf.jsonl")
    names = [line["ctx"].partition("/")[2].removesuffix(".txt") for line, _ in lines]
    assert names == [name for name, _ in JKORF]
    for conn, ((line, msg), (_, wanted)) in enumerate(zip(lines, JKORF, strict=True)):
        check(decoder, wanted, msg, conn, line["ctx"])
        if wanted == OURS:
            assert not any(
                isinstance(event, FrameRejected)
                for event in decoder.decode("send", conn, 77, "", msg)
            )
