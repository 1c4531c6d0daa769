"""Pieces cut out of recordings start with the books as they stood, and stay equal to the whole."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from core.backtest.replay import Replay, _paced, unlisted
from core.engine.clock import SimClock
from core.feeds.registry import guess_kind, make_decoder
from core.feeds.tape.facts import _line, cut, facts_of
from core.feeds.tape.feed import TapeFeed
from core.model.errors import ConfigError
from core.model.market import FeedStatus
from core.model.ports import TapeDecoder
from core.wire.tape import encode_line
from core.wire.tape_reader import TapeFrame, TapeReader

S = 1_000_000_000
FRAMES = 1500
"""Of each capture: its middle is then some way from its image."""

CAPTURES = (
    ("okx", "okx/capture_books_20220513.jsonl.zst"),
    ("okx", "okx/capture_tbt10_20210722.jsonl.zst"),
    ("deribit", "deribit/capture_options_20210722.jsonl.zst"),
    ("coinbase_exchange", "coinbase_exchange/capture_level2_20210417_a.jsonl.zst"),
    ("bybit", "bybit_v5/capture_linear_20260809.jsonl.zst"),
    ("coinbase", "coinbase_advanced/capture_btc_eth_20260809_first_half.jsonl.zst"),
    ("binance", "binance_spot/capture_btcusdt_20240808.jsonl.zst"),
)


def decoder_of(venue: str) -> TapeDecoder:
    decoder = make_decoder(venue)
    decoder.unlisted = lambda symbol: unlisted(symbol, decoder.venue)
    return decoder


def states(
    path: Path, venue: str, since_ns: int, finer: dict[str, tuple[int, int]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield, at each later second, the books that are live."""
    run = Replay(decoder_of(venue), None, finer)
    at_ns = since_ns
    for frame in TapeReader(path).frames():
        while frame.kind != "cut" and frame.ts_ns >= at_ns:
            yield at_ns, live(run)
            at_ns += S
        run.feed(frame)
    yield at_ns, live(run)


def live(run: Replay) -> dict[str, Any]:
    market = run.market
    return {
        item.id: (market.book(item.id).last_id, market.book(item.id).image())
        for item in market.followed()
        if market.status(item.id) is FeedStatus.LIVE and market.book(item.id).n_bids
    }


def frames_of(path: Path) -> list[TapeFrame]:
    return list(TapeReader(path).frames())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("venue", "name"), CAPTURES, ids=lambda value: str(value).split("/")[-1][:22]
)
def test_books_of_a_cut_equal_those_of_the_whole_at_every_later_second(
    venue: str, name: str, recorded: Path, tmp_path: Path
) -> None:
    path = tmp_path / "whole.jsonl"
    whole = list(itertools.islice(TapeReader(recorded / name).frames(), FRAMES))
    path.write_bytes(b"".join(_line(frame) for frame in whole))
    whole = frames_of(path)
    first, last = whole[0].ts_ns, whole[-1].ts_ns
    start, end = first + (last - first) // 2, last + 1
    finer = dict(needs(path, venue))
    piece = tmp_path / "piece.jsonl.zst"
    done = cut(path, piece, start, end, decoder_of(venue))
    assert done.left_out == ()
    assert done.frames == sum(frame.ts_ns >= start for frame in whole)
    expected = dict(states(path, venue, start, finer))
    found = dict(states(piece, venue, start, finer))
    assert any(expected.values()), "the middle of this capture has a live book"
    assert found == expected
    led = [frame for frame in frames_of(piece) if frame.kind != "cut" and frame.ts_ns < start]
    originals = {(frame.ts_ns, frame.kind, frame.data) for frame in whole}
    assert {(frame.ts_ns, frame.kind, frame.data) for frame in led} <= originals
    assert len(led) == done.lead


def needs(path: Path, venue: str) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Return the decimals the whole tape turns out to need, as a replay finds them."""
    found: dict[str, tuple[int, int]] = {}
    for _ in range(6):
        run = Replay(decoder_of(venue), None, found)
        for frame in TapeReader(path).frames():
            run.feed(frame)
        if not run.needs or run.needs == found:
            break
        found = run.needs
    return tuple(found.items())


@pytest.fixture
def okx(tmp_path: Path) -> Path:
    """An hour of one book: an image at the start, a change each second, one frame a line."""
    path = tmp_path / "okx.jsonl"
    arg = {"channel": "books", "instId": "BTC-USDT"}
    lines = [
        encode_line("connect", 0, S, "wss://ws.okx.com:8443/ws/v5/public", b""),
        encode_line("send", 0, S + 1, "", msgspec.json.encode({"op": "subscribe", "args": [arg]})),
    ]
    for number in range(3600):
        row = {
            "asks": [["101", "1", "0", "1"]] if not number else [],
            "bids": [["100", str(number + 1), "0", "1"]],
            "ts": str(2000 + number * 1000), "checksum": 0, "seqId": number + 1,
            "prevSeqId": number or -1,
        }  # fmt: skip
        action = "update" if number else "snapshot"
        data = msgspec.json.encode({"arg": arg, "action": action, "data": [row]})
        lines.append(encode_line("recv", 0, (2 + number) * S, "", data))
    path.write_bytes(b"\n".join([*lines, b""]))
    return path


def test_lead_is_bounded_and_what_is_left_out_is_said(okx: Path, tmp_path: Path) -> None:
    piece = tmp_path / "piece.jsonl.zst"
    done = cut(okx, piece, 3000 * S, 3100 * S, decoder_of("okx"), 10_000)
    assert len(done.left_out) == 1
    assert (done.frames, done.lead) == (100, 2)
    assert next(books for _, books in states(piece, "okx", 3099 * S, {})) == {}


def test_cut_of_a_cut_still_begins_with_the_book(okx: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl.zst", tmp_path / "two.jsonl.zst"
    cut(okx, one, 1000 * S, 3000 * S, decoder_of("okx"))
    done = cut(one, two, 2000 * S, 2100 * S, decoder_of("okx"))
    assert (done.frames, done.left_out) == (100, ())
    assert dict(states(two, "okx", 2050 * S, {})) == {
        at: books for at, books in states(okx, "okx", 2050 * S, {}) if at <= 2100 * S
    }
    assert [frame.kind for frame in frames_of(two)].count("cut") == 1
    assert facts_of(two).kinds["recv"] == done.frames + done.lead - 2


async def test_lead_is_played_at_once_and_the_rest_at_its_pace(okx: Path, tmp_path: Path) -> None:
    piece = tmp_path / "piece.jsonl.zst"
    cut(okx, piece, 3000 * S, 3003 * S, decoder_of("okx"))
    waited: list[float] = []
    run = Replay(decoder_of("okx"))

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(int(seconds * 1e9))

    clock = SimClock(S)
    await _paced(piece, run, 1.0, clock, sleep, lambda fraction: None)
    assert waited == [1.0, 1.0]
    feed = TapeFeed(piece, decoder_of("okx"), clock=clock)
    assert [item.venue_symbol for item in await feed.instruments()] == ["BTC-USDT"]


def test_a_piece_says_whose_it_is_wherever_it_lies(okx: Path, tmp_path: Path) -> None:
    piece = tmp_path / "piece.jsonl.zst"
    cut(okx, piece, 3000 * S, 3003 * S, decoder_of("okx"))
    hostless = tmp_path / "hostless.jsonl.zst"
    lines = zstandard.decompress(piece.read_bytes(), 1 << 24).splitlines(keepends=True)
    hostless.write_bytes(
        zstandard.compress(b"".join(re.sub(rb"//[^/\"]+", b"//127.0.0.1", x) for x in lines))
    )
    assert guess_kind(hostless) == "okx"
    hostless.write_bytes(zstandard.compress(b"".join(lines[:1]).replace(b"okx", b"elsewhere")))
    with pytest.raises(ConfigError, match="cannot be told"):
        guess_kind(hostless)


def test_a_piece_that_would_end_before_it_begins_is_refused(okx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="begin before it ends: see --since"):
        cut(okx, tmp_path / "piece.jsonl.zst", 3003 * S, 3000 * S, decoder_of("okx"))
    assert not (tmp_path / "piece.jsonl.zst").exists()


def test_nothing_between_the_times_is_said_and_leaves_no_file(okx: Path, tmp_path: Path) -> None:
    piece = tmp_path / "piece.jsonl.zst"
    with pytest.raises(ConfigError, match="no frame between"):
        cut(okx, piece, 9000 * S, 9001 * S, decoder_of("okx"))
    assert not piece.exists()
    piece.touch()
    with pytest.raises(ConfigError, match="exists already"):
        cut(okx, piece, 3000 * S, 3001 * S, decoder_of("okx"))
