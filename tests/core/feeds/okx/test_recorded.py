"""Whatever was recorded of OKX, against what others made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.feeds.okx.decoder import OkxDecoder
from core.model.market import FrameRejected

CAPTURES = ("okx/capture_books_20220513", "okx/capture_tbt10_20210722")

# Keys are of the form FILE#LINE, counted from 0.
PRIVATE = "private stream or trading answer, order issue"
ORDERS = "an order or account channel, order issue"
UNREAD = {
    "messages_nautilus#0": "texts of a parser's own test, not the venue's",
    **dict.fromkeys([f"messages_nautilus#{n}" for n in (1, 2, *range(9, 19))], PRIVATE),
    "messages_nautilus#3": "candles of REST are read by the history, see test_history",
    "messages_nautilus#4": "past funding is not market data of now",
    "messages_nautilus#19": ORDERS,
    "messages_nautilus#23": "rows of a parser's own test without their frame",
    **dict.fromkeys([f"messages_nautilus#{n}" for n in range(24, 29)], ORDERS),
    "messages_with_expected_crypto_msg_parser#7": "a frame of version 3, gone since 2022",
    "messages_with_expected_tardis#7": "channel liquidations, made up by its recorder",
    "ws_frames_jkorf#3": ORDERS,
    "ws_frames_jkorf#6": ORDERS,
    "ws_frames_jkorf#10": "an example of the documentation without values",
    "ws_frames_jkorf#12": "estimated settlement prices, which nothing here uses",
    "ws_frames_jkorf#15": "candles of an index, which nothing here uses",
    "ws_frames_jkorf#26": "price limits, which nothing here uses",
    "ws_frames_jkorf#29": "status of the whole venue, not of a market",
    **dict.fromkeys([f"ws_frames_jkorf#{n}" for n in (35, 38, 41)], ORDERS),
    **dict.fromkeys([f"ws_gocryptotrader#{n}" for n in (1, 2)], ORDERS),
}
REST = {
    "messages_nautilus#5": "/api/v5/public/instruments?instType=FUTURES",
    "messages_nautilus#6": "/api/v5/public/instruments?instType=OPTION",
    "messages_nautilus#7": "/api/v5/public/instruments?instType=SWAP",
    "messages_nautilus#8": "/api/v5/public/opt-summary?uly=BTC-USD",
    **{
        f"messages_with_expected_crypto_msg_parser#{line}": f"/api/v5/market/books?instId={symbol}"
        for line, symbol in ((19, "BTC-USDT"), (20, "BTC-USDT-220624"), (21, "BTC-USDT-SWAP"))
    },
    **{
        f"messages_with_expected_crypto_msg_parser#{line}": "/api/v5/public/open-interest"
        for line in (22, 23, 24)
    },
}
"""Answers whose file does not tell the question."""


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_agrees_with_its_independent_replay(
    name: str, play: Callable[..., Any], recorded: Path
) -> None:
    expected = json.loads((recorded / f"{name}.expected.json").read_text())
    played = play(name)
    assert dict(played.labels) == expected["counts"]
    assert not played.rejected
    assert not played.lost
    assert not played.decoder.off_step
    checks = [played.gate(symbol) for symbol in expected["books"]]
    assert sum(gate.checks_ok for gate in checks) == expected["checksum_ok"]
    assert sum(gate.checks_bad for gate in checks) == expected["checksum_bad"]
    for symbol, book in expected["books"].items():
        gate = played.gate(symbol)
        for of in ("bids", "asks"):
            wanted = [tuple(Decimal(text) for text in level) for level in book[of]]
            assert played.book(symbol)[of] == wanted, (symbol, of)
        assert (gate.book.n_bids, gate.book.n_asks) == (book["n_bids"], book["n_asks"])


def test_corrupted_size_is_found_by_checksum_at_its_line_and_hurts_nobody_else(
    play: Callable[..., Any], recorded: Path
) -> None:
    name = "edge_cases/okx_checksum_corrupt"
    expected = json.loads((recorded / f"{name}.expected.json").read_text())
    played = play(name)
    ((line, *_),), (lost,) = played.lost, played.facts
    assert line == expected["first_mismatch_line"] + 1, "the file counts its lines from 0"
    assert lost.reason == "checksum"
    assert lost.instrument_id == played.decoder.instruments[expected["instId"]].id


def test_size_finer_than_the_lot_is_found_by_its_text_too(
    play: Callable[..., Any], recorded: Path, spot: Any
) -> None:
    def lot_of_the_venue(symbol: str) -> Any:
        lot = Decimal("0.00000001") if symbol == "BTC-USDT" else Decimal("0.000000001")
        tick = Decimal("0.1") if symbol.startswith("BTC") else Decimal("0.001")
        item = msgspec.structs.replace(spot, venue_symbol=symbol, id=f"{symbol}.okx")
        return msgspec.structs.replace(item, size_lot=lot, price_tick=tick)

    played = play("edge_cases/okx_checksum_corrupt", lot_of_the_venue)
    assert [(line, reason) for line, _, reason in played.lost] == [(86, "checksum")]
    assert played.decoder.off_step == {"BTC-USDT": (0, 9)}


def test_mangled_frames_are_refused_and_change_no_book(recorded: Path, play: Any) -> None:
    decoder = OkxDecoder()
    decoder.unlisted = None
    for text in (recorded / "edge_cases/malformed_frames_okx.jsonl").read_text().splitlines():
        line = json.loads(text)
        frame = line["text"].encode()
        events = decoder.decode("recv", 1, 7, "", frame)
        control = line["text"] in ("ping", "pong") or '"event"' in line["text"]
        if control:
            assert not events, line["kind"]
        else:
            assert [type(event) for event in events] == [FrameRejected], line["kind"]


FILES = (
    "messages_nautilus",
    "messages_with_expected_crypto_msg_parser",
    "messages_with_expected_tardis",
    "ws_2026_08_ccxt",
    "ws_frames_jkorf",
    "ws_gocryptotrader",
)


@pytest.mark.parametrize("file", FILES)
def test_fixtures_give_the_expected_values_or_have_a_reason(
    file: str, named_fixtures: Any, agree: Any, any_symbol: Any
) -> None:
    wrong: list[str] = []
    for fixture in named_fixtures(f"okx/{file}.jsonl"):
        decoder = OkxDecoder()
        decoder.unlisted = any_symbol
        wrong += _judge(decoder, fixture, agree)
    assert not wrong


def _judge(decoder: OkxDecoder, fixture: Any, agree: Any) -> list[str]:
    wrapped = msgspec.json.decode(fixture.msg)
    msg = fixture.msg
    if isinstance(wrapped, dict) and "message" in wrapped and "localTimestamp" in wrapped:
        msg = msgspec.json.encode(wrapped["message"])
    kind: Any = "recv"
    if fixture.name in REST:
        kind = "http"
    elif isinstance(wrapped, dict) and "op" in wrapped:
        kind = "send"
    events = decoder.decode(kind, 1, 7, REST.get(fixture.name, ""), msg)
    refused = [event.reason for event in events if isinstance(event, FrameRejected)]
    if fixture.name in UNREAD:
        return [] if refused else [f"{fixture.name} is read, so it needs no reason"]
    if refused:
        return [f"{fixture.name}: {refused[0]} in {msg[:200]!r}"]
    silent = kind != "recv" or (isinstance(wrapped, dict) and "event" in wrapped)
    listing = "instruments" in REST.get(fixture.name, "")
    if not events and not silent:
        return [f"{fixture.name} gave nothing"]
    if listing and not decoder.instruments:
        return [f"{fixture.name} listed nothing"]
    return [
        f"{fixture.name}: {text}" for text in agree(fixture.expected, events, decoder.instruments)
    ]


def test_frames_of_version_3_are_refused_as_what_they_are(recorded: Path, any_symbol: Any) -> None:
    # okx_v3_legacy: version 3 was shut in 2022, and nothing sends it any more.
    for path in sorted((recorded / "okx_v3_legacy").glob("*.jsonl")):
        for number, text in enumerate(path.read_bytes().splitlines()):
            frame = msgspec.json.encode(msgspec.json.decode(text)["msg"])
            decoder = OkxDecoder()
            decoder.unlisted = any_symbol
            events = decoder.decode("recv", 1, 7, "", frame)
            assert [type(event) for event in events] == [FrameRejected], (path.name, number)
