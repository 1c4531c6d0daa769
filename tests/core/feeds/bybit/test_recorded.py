"""Whatever was recorded of Bybit, against what others made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.feeds.bybit.decoder import BybitDecoder
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FrameRejected, Trade, VenueBar
from core.wire.tape_reader import TapeReader

CAPTURE = "bybit_v5/capture_linear_20260809"

# Keys are of the form FILE#LINE, counted from 0.
ORDERS = "an account's topic, answer or operation, order issue"
UNREAD = {
    **dict.fromkeys([f"messages_nautilus#{n}" for n in (*range(16, 27), 28)], ORDERS),
    "ws_frames_jkorf#11": ORDERS,
    "ws_frames_jkorf#18": "an example of the documentation without values",
    **dict.fromkeys([f"ws_gocryptotrader#{n}" for n in range(4)], ORDERS),
}
REST = {
    "messages_nautilus#2": "/v5/market/instruments-info?category=inverse",
    "messages_nautilus#3": "/v5/market/instruments-info?category=linear",
    "messages_nautilus#4": "/v5/market/instruments-info?category=option",
    "messages_nautilus#5": "/v5/market/instruments-info?category=spot",
    "messages_nautilus#7": "/v5/market/orderbook?category=linear&symbol=BTCUSDT",
}
"""Answers whose file does not tell the question."""
NO_EVENTS = {
    **dict.fromkeys([f"messages_nautilus#{n}" for n in (0, 1, *range(8, 16))], ORDERS),
    "messages_nautilus#6": "klines of REST are read by the history, see test_history",
    "ws_gocryptotrader#5": "a change of the best prices, which the book of one level tells",
}
"""REST answers and frames that hold no market events."""


def test_capture_agrees_with_its_independent_replay(
    play: Callable[..., Any], recorded: Path
) -> None:
    expected = json.loads((recorded / f"{CAPTURE}.expected.json").read_text())
    played = play(CAPTURE)
    assert dict(played.labels) == expected["counts"]
    assert not played.rejected
    assert len(played.lost) == expected["n_u_gaps"]
    assert not played.decoder.off_step
    for topic, book in expected["books"].items():
        symbol = topic.rpartition(".")[2]
        gate = played.gate(symbol)
        for of in ("bids", "asks"):
            wanted = [tuple(Decimal(text) for text in level) for level in book[of]]
            assert played.book(symbol)[of] == wanted, (symbol, of)
        assert (gate.book.n_bids, gate.book.n_asks) == (book["n_bids"], book["n_asks"])
        assert gate.book.last_id == book["last_u"]
        assert gate.book.crossed == book["crossed_at_end"]


def test_trades_make_the_venues_own_candles(recorded: Path) -> None:
    decoder = BybitDecoder()
    trades: dict[InstrumentId, dict[int, Trade]] = {}
    newest: dict[InstrumentId, tuple[VenueBar, int]] = {}
    for frame in TapeReader(recorded / f"{CAPTURE}.jsonl.zst").frames():
        kind: Any = frame.kind
        for event in decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data):
            if isinstance(event, Trade):
                trades.setdefault(event.instrument_id, {})[event.trade_id] = event
            elif isinstance(event, VenueBar):
                until_ms = msgspec.json.decode(frame.data)["data"][-1]["timestamp"]
                newest[event.instrument_id] = event, until_ms * 10**6
    assert len(newest) == 4
    for name, (bar, until_ns) in newest.items():
        made = [
            trade
            for trade in trades[name].values()
            if bar.ts_open_ns <= trade.ts_event_ns <= until_ns
        ]
        prices = [trade.price_ticks for trade in made]
        assert len(made) > 5
        assert bar.volume_lots == sum(trade.size_lots for trade in made)
        # A candle opens where the one before closed.
        assert bar.high_ticks == max(*prices, bar.open_ticks)
        assert bar.low_ticks == min(*prices, bar.open_ticks)
        assert bar.close_ticks == prices[-1]


FILES = (
    "messages_nautilus",
    "messages_with_expected_tardis",
    "ws_frames_jkorf",
    "ws_gocryptotrader",
)


@pytest.mark.parametrize("file", FILES)
def test_fixtures_give_the_expected_values_or_have_a_reason(
    file: str, named_fixtures: Any, agree: Any, any_symbol: Callable[[str], Instrument]
) -> None:
    wrong: list[str] = []
    for fixture in named_fixtures(f"bybit_v5/{file}.jsonl"):
        decoder = BybitDecoder()
        decoder.unlisted = any_symbol
        wrong += _judge(decoder, fixture, agree)
    assert not wrong


SPOT = {f"messages_with_expected_tardis#{n}" for n in (8, 9, 10)}
"""Frames of the spot socket."""


def _judge(decoder: BybitDecoder, fixture: Any, agree: Any) -> list[str]:
    msg = msgspec.json.decode(fixture.msg)
    name = fixture.name
    kind: Any = "recv"
    if name in REST or ("retCode" in msg and "result" in msg):
        kind = "http"
    elif "args" in msg:
        kind = "send"
    if name in SPOT:
        decoder.decode("connect", 1, 6, "wss://stream.bybit.com/v5/public/spot", b"")
    if name == "messages_with_expected_tardis#9":
        # A change of the bid only: the ask comes of an image before.
        image = {"topic": msg["topic"], "type": "snapshot", "ts": msg["ts"] - 1, "data": {
            "s": "BTCUSDT", "b": [["28165.06", "1"]], "a": [["28165.08", "0.996816"]], "u": 1,
            "seq": 1}}  # fmt: skip
        decoder.decode("recv", 1, 6, "", json.dumps(image).encode())
    events = decoder.decode(kind, 1, 7, REST.get(name, "/v5/market/kline"), fixture.msg)
    refused = [event.reason for event in events if isinstance(event, FrameRejected)]
    if name in UNREAD:
        return [] if refused else [f"{name} is read, so it needs no reason"]
    if refused:
        return [f"{name}: {refused[0]} in {fixture.msg[:200]!r}"]
    if name in NO_EVENTS:
        return []
    silent = kind == "send" or "success" in msg
    if not events and not silent and not decoder.instruments:
        return [f"{name} gave nothing"]
    return [f"{name}: {text}" for text in agree(fixture.expected, events, decoder.instruments)]


LEGACY = "versions 1 to 3 of the venue's streams were shut in 2023 and 2024"


SPOKEN = {("messages_with_expected_tardis.jsonl", number) for number in (19, 20, 21)}
"""Frames of options, whose version 3 was written as version 5 is."""


def test_legacy_frames_are_refused_as_what_they_are(
    recorded: Path, any_symbol: Any, agree: Any
) -> None:
    for path in sorted((recorded / "bybit_legacy").glob("*.jsonl")):
        for number, text in enumerate(path.read_bytes().splitlines()):
            line = msgspec.json.decode(text)
            frame = msgspec.json.encode(line["msg"])
            decoder = BybitDecoder()
            decoder.unlisted = any_symbol
            events = decoder.decode("recv", 1, 7, "", frame)
            if (path.name, number) in SPOKEN:
                assert not agree(line["expected"], events, decoder.instruments)
                continue
            acknowledged = b'"success":true' in frame
            kinds = [] if acknowledged else [FrameRejected]
            assert [type(event) for event in events] == kinds, (path.name, number, LEGACY)
