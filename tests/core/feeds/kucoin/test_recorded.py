"""Whatever was recorded of KuCoin, against what others made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.feeds.kucoin.decoder import KucoinDecoder
from core.model.market import FrameRejected

CAPTURE = "kucoin/capture_level2_20210425_a"

# Keys are of the form FILE#LINE, counted from 0.
FUTURES = "a topic or answer of the venue's futures market, of which only the spot market is read"
ORDERS = "an account's topic or answer, order issue"
MARGIN = "margin lending and reference prices, which nothing here uses"
UNREAD = {
    **dict.fromkeys(
        [f"messages_with_expected_crypto_msg_parser#{n}" for n in (1, 3, 4, 5, 6, 8, 10, 12, 14)],
        FUTURES,
    ),
    "messages_with_expected_crypto_msg_parser#9": "single orders, gone from the venue since 2022",
    "messages_with_expected_tardis#6": "an image wrapped in a topic of its recorder's making",
    "messages_xchange#0": "an answer of version 1, gone since 2019",
    "messages_xchange#1": "an answer of version 1, gone since 2019",
    "ws_documented_sdk#6": ORDERS,
    "ws_documented_sdk#7": ORDERS,
    "ws_frames_jkorf#6": "an example of the documentation without values",
    "ws_frames_jkorf#7": ORDERS,
    "ws_frames_jkorf#8": MARGIN,
    "ws_frames_jkorf#9": MARGIN,
    "ws_frames_jkorf#10": ORDERS,
    "ws_frames_jkorf#12": ORDERS,
    "ws_frames_jkorf#13": ORDERS,
    "ws_frames_jkorf#14": MARGIN,
    "ws_frames_jkorf#15": ORDERS,
    "ws_frames_jkorf#16": ORDERS,
    "ws_frames_jkorf#22": "an acknowledgement of the newer sockets, which are not used",
    "ws_gocryptotrader#4": MARGIN,
    **dict.fromkeys([f"ws_gocryptotrader#{n}" for n in (5, 6, 7, 8, 9, 10)], ORDERS),
    **dict.fromkeys([f"ws_gocryptotrader#{n}" for n in (11, 12, 17, 18)], FUTURES),
    **dict.fromkeys([f"ws_gocryptotrader#{n}" for n in (13, 14, 15, 16)], ORDERS),
}
REST = {
    "messages_with_expected_crypto_msg_parser#15": (
        "/api/v3/market/orderbook/level2?symbol=BTC-USDT"
    ),
    "rest_documented_sdk#2": "/api/v2/symbols",
}
"""Answers whose file does not tell the question."""
NO_EVENTS = {
    **dict.fromkeys(
        [f"rest_documented_sdk#{n}" for n in (0, 1, 3, 5, 6, 7, 8)],
        "an answer about the venue or its statistics, which the stream tells as it happens",
    ),
    "rest_documented_sdk#4": "candles of REST are read by the history, see test_history",
    **dict.fromkeys([f"rest_documented_sdk#{n}" for n in range(9, 32)], ORDERS),
    "messages_with_expected_crypto_msg_parser#16": FUTURES,
    "messages_with_expected_crypto_msg_parser#17": FUTURES,
}
"""REST answers that hold no market events of the spot market."""


def test_capture_agrees_with_its_independent_replay(
    play: Callable[..., Any], recorded: Path
) -> None:
    expected = json.loads((recorded / f"{CAPTURE}.expected.json").read_text())
    played = play(CAPTURE)
    assert dict(played.labels) == expected["counts"]
    assert not played.rejected
    assert len(played.lost) == expected["sequence_gaps"]
    for symbol, book in expected["books"].items():
        gate = played.gate(symbol)
        for of in ("bids", "asks"):
            wanted = [tuple(Decimal(text) for text in level) for level in book[of]]
            assert played.book(symbol)[of] == wanted, (symbol, of)
        assert (gate.book.n_bids, gate.book.n_asks) == (book["n_bids"], book["n_asks"])
        assert gate.book.last_id == book["last_sequence"]
        assert gate.book.crossed == book["crossed_at_end"]


def test_orders_finer_than_the_listed_lot_are_noted_not_dropped(play: Callable[..., Any]) -> None:
    played = play(CAPTURE)
    assert played.decoder.off_step == {"DAPPT-BTC": (0, 8), "NRG-BTC": (0, 8)}


def test_lost_update_is_found_at_its_line_and_hurts_nobody_else(
    play: Callable[..., Any], recorded: Path
) -> None:
    name = "edge_cases/kucoin_gap"
    expected = json.loads((recorded / f"{name}.expected.json").read_text())
    played = play(name)
    ((line, *_),), (lost,) = played.lost, played.facts
    assert [line - 1] == expected["gap_lines"], "the file counts its lines from 0"
    assert lost.reason == "gap"
    assert lost.instrument_id == f"{expected['symbol']}.kucoin"
    assert lost.received_id == lost.expected_id + 1


FILES = (
    "messages_with_expected_crypto_msg_parser",
    "messages_with_expected_tardis",
    "messages_xchange",
    "rest_documented_sdk",
    "ws_2026_08_ccxt",
    "ws_documented_sdk",
    "ws_frames_jkorf",
    "ws_gocryptotrader",
)


@pytest.mark.parametrize("file", FILES)
def test_fixtures_give_the_expected_values_or_have_a_reason(
    file: str, named_fixtures: Any, agree: Any, any_symbol: Any
) -> None:
    wrong: list[str] = []
    for fixture in named_fixtures(f"kucoin/{file}.jsonl"):
        decoder = KucoinDecoder()
        decoder.unlisted = any_symbol
        wrong += _judge(decoder, fixture, agree)
    assert not wrong


def _judge(decoder: KucoinDecoder, fixture: Any, agree: Any) -> list[str]:
    msg = msgspec.json.decode(fixture.msg)
    name = fixture.name
    kind: Any = "recv"
    if name in REST or name in NO_EVENTS:
        kind = "http"
    elif msg.get("type", "").lower() == "subscribe" or "action" in msg:
        kind = "send"
    events = decoder.decode(kind, 1, 7, REST.get(name, "/api/v1/other"), fixture.msg)
    refused = [event.reason for event in events if isinstance(event, FrameRejected)]
    if name in UNREAD:
        return [] if refused else [f"{name} is read, so it needs no reason"]
    if name in NO_EVENTS:
        return [f"{name} gave {events}"] if events else []
    if refused:
        return [f"{name}: {refused[0]} in {fixture.msg[:200]!r}"]
    silent = kind == "send" or msg.get("type") in ("ack", "pong", "welcome")
    if not events and not silent and not decoder.instruments:
        return [f"{name} gave nothing"]
    return [f"{name}: {text}" for text in agree(fixture.expected, events, decoder.instruments)]


def test_futures_fixtures_are_all_refused_as_another_market(
    recorded: Path, named_fixtures: Any, any_symbol: Any
) -> None:
    # kucoin_futures: see FUTURES; what comes of its topics must be a clear refusal, never an event.
    for path in sorted((recorded / "kucoin_futures").glob("*.jsonl")):
        for fixture in named_fixtures(f"kucoin_futures/{path.name}"):
            msg = msgspec.json.decode(fixture.msg)
            if not msg.get("topic", "").startswith("/contract") or msg.get("type") == "subscribe":
                continue
            decoder = KucoinDecoder()
            decoder.unlisted = any_symbol
            events = decoder.decode("recv", 1, 7, "", fixture.msg)
            assert [type(event) for event in events] == [FrameRejected], fixture.name
