from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.engine.book import OrderBook
from core.engine.gate import CHECKSUM, Gate
from core.feeds.kraken.checksum import KrakenChecker, crc_of
from core.feeds.kraken.decoder import KrakenDecoder
from core.feeds.kraken.rule import KrakenRule
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import BookCheck, BookSnapshot, CheckedDelta, FeedStatus
from core.wire.tape_reader import TapeReader


def instrument(tick: str = "0.1", lot: str = "0.00000001") -> Instrument:
    return Instrument(
        id=InstrumentId("BTC-USD.kraken"), venue=VenueName("kraken"), venue_symbol="BTC/USD",
        base="BTC", quote="USD", price_tick=Decimal(tick), size_lot=Decimal(lot),
    )  # fmt: skip


def levels(rows: list[tuple[str, str]], item: Instrument) -> np.ndarray[Any, Any]:
    found = [(item.ticks(Decimal(p)), item.lots(Decimal(s))) for p, s in rows]
    return np.array(found, np.int64).reshape(-1, 2)


def test_documented_example_has_its_documented_checksum(
    fixtures: Callable[[str], list[tuple[dict[str, Any], bytes]]],
) -> None:
    (image,) = (
        msg for line, msg in fixtures("kraken_v2/ws_frames_jkorf.jsonl")
        if line["ctx"] == "Spot/AggBook.txt" and b'"snapshot"' in msg
    )  # fmt: skip
    decoder = KrakenDecoder(instruments=[instrument("0.0001")])
    decoder.unlisted = lambda symbol: decoder.instruments["BTC/USD"]
    (event,) = decoder.decode("recv", 0, 1, "", image.replace(b"ETH/USDT", b"BTC/USD"))
    assert isinstance(event, BookSnapshot)
    assert event.check is not None
    assert event.check.checksum == 2439117997
    book = OrderBook()
    book.load(event.bids, event.asks)
    checker = KrakenChecker(instrument("0.0001"))
    checker.on_snapshot(event)
    assert checker.verify(book, event.check)
    # Without a listing the decimals of the wire's own text are what counts.
    eight = instrument("0.00000001")
    decoder = KrakenDecoder(instruments=[eight])
    (event,) = decoder.decode("recv", 0, 1, "", image.replace(b"ETH/USDT", b"BTC/USD"))
    assert isinstance(event, BookSnapshot)
    book.load(event.bids, event.asks)
    checker = KrakenChecker(eight)
    checker.on_snapshot(event)
    assert checker.verify(book, BookCheck(2439117997))
    assert not checker.verify(book, BookCheck(2439117998))


@pytest.mark.parametrize(("tick", "lot"), [("0.1", "0.00000001"), ("0.5", "0.001"), ("1", "1")])
def test_checksum_is_that_of_the_texts(checksum_of: Any, tick: str, lot: str) -> None:
    rng = random.Random(7)
    item = instrument(tick, lot)
    for _ in range(50):
        n_asks, n_bids = rng.randrange(0, 14), rng.randrange(0, 14)
        start = rng.randrange(100, 10**7)
        prices = [item.price(start + step) for step in range(n_asks + n_bids)]
        sizes = [item.size(rng.randrange(1, 10 ** rng.randrange(1, 12))) for _ in prices]
        rows = [(f"{p:f}", f"{s:f}") for p, s in zip(prices, sizes, strict=True)]
        bids, asks = rows[:n_bids][::-1], rows[n_bids:]
        book = OrderBook()
        book.load(levels(bids, item), levels(asks, item))
        checker = KrakenChecker(item)
        wanted = checksum_of(asks, bids)
        assert checker.verify(book, BookCheck(wanted))
        assert not checker.verify(book, BookCheck(wanted ^ 1))


def test_value_finer_than_the_wires_text_is_no_match() -> None:
    side = np.array([[15, 7]], np.int64)
    none = np.empty((0, 2), np.int64)
    assert crc_of(side, none, np.array([1, 10, 1, 1])) == -1
    assert crc_of(side, none, np.array([1, 1, 1, 1])) == zlib.crc32(b"157")
    assert crc_of(none, side, np.array([10, 5, 1, 1])) == zlib.crc32(b"307")
    huge = np.array([[1 << 62, 7]], np.int64)
    assert crc_of(huge, none, np.array([1, 1, 1, 1])) == -1


@pytest.mark.parametrize("depth", [10, 25])
def test_generated_book_meets_every_checksum_and_is_cut_to_its_depth(
    wire_of: Any, depth: int
) -> None:
    wire = wire_of(depth, depth)
    item = instrument()
    decoder = KrakenDecoder(instruments=[item])
    decoder.books.depth = depth
    gate = Gate(item.id, decoder.rule, decoder.rule.traits(item), eager=True)
    (image,) = decoder.decode("recv", 1, 1, "", wire.image())
    gate.on_snapshot(image)
    assert gate.status is FeedStatus.LIVE
    for _ in range(800):
        for event in decoder.decode("recv", 1, 1, "", wire.change()):
            assert isinstance(event, CheckedDelta)
            assert not gate.on_checked(event)
        for side, found in zip(("bids", "asks"), gate.book.top(2000), strict=True):
            assert [(f"{item.price(p):.1f}", f"{item.size(s):.8f}") for p, s in found.tolist()] == (
                wire.seen(side)
            )
    assert gate.checks_ok == 801
    assert gate.checks_bad == 0


def test_one_lost_change_is_found_and_a_fresh_image_mends_it(wire_of: Any) -> None:
    wire = wire_of(3, 10)
    item = instrument()
    decoder = KrakenDecoder(instruments=[item])
    decoder.books.depth = 10
    gate = Gate(item.id, decoder.rule, decoder.rule.traits(item), eager=True)
    gate.on_snapshot(decoder.decode("recv", 1, 1, "", wire.image())[0])
    for _ in range(20):
        gate.on_checked(decoder.decode("recv", 1, 1, "", wire.change())[0])
    wire.change()
    reasons: list[str] = []
    while gate.status is FeedStatus.LIVE:
        gate.on_checked(decoder.decode("recv", 1, 1, "", wire.change())[0])
        reasons.append(gate.reason)
    assert gate.reason == CHECKSUM
    assert len(reasons) < 40
    gate.on_snapshot(decoder.decode("recv", 1, 1, "", wire.image())[0])
    assert gate.status is FeedStatus.LIVE


def test_image_with_a_wrong_checksum_is_not_taken(wire_of: Any) -> None:
    item = instrument()
    decoder = KrakenDecoder(instruments=[item])
    gate = Gate(item.id, decoder.rule, decoder.rule.traits(item), eager=True)
    frame = json.loads(wire_of(3, 10).image())
    frame["data"][0]["checksum"] ^= 1
    gate.on_snapshot(decoder.decode("recv", 1, 1, "", json.dumps(frame).encode())[0])
    assert gate.status is FeedStatus.STALE
    assert gate.checks_bad == 1


def test_checksums_of_the_recorded_older_protocol_are_met(recorded: Path, expected: Any) -> None:
    """The same rule over the same texts; only the envelope is another."""
    name = "kraken_v1/capture_book1000_20210417"
    met = 0
    gates: dict[str, tuple[Gate, Instrument]] = {}
    rule = KrakenRule()
    for frame in TapeReader(recorded / f"{name}.jsonl.zst").frames():
        if frame.kind != "recv" or not frame.data.startswith(b"["):
            continue
        message = json.loads(frame.data)
        if message[-2] != "book-1000":
            continue
        parts: dict[str, Any] = {}
        for part in message[1:-2]:
            parts |= part
        symbol = message[-1]
        if "as" in parts:
            places = [len(text.partition(".")[2]) for text in parts["as"][0][:2]]
            steps = [f"{Decimal(1).scaleb(-place):f}" for place in places]
            item = instrument(*steps)
            gate = Gate(item.id, rule, rule.traits(item), eager=True)
            bids, asks = ([(row[0], row[1]) for row in parts[side]] for side in ("bs", "as"))
            check = BookCheck(0, tuple(bids), tuple(asks))
            image = BookSnapshot(
                item.id, 0, 1, 0, levels(bids, item), levels(asks, item), reset=True
            )
            gate.on_snapshot(image)
            assert gate.traits.checker is not None
            gate.traits.checker.on_snapshot(
                BookSnapshot(item.id, 0, 1, 0, image.bids, image.asks, check=check)
            )
            gates[symbol] = gate, item
            continue
        gate, item = gates[symbol]
        bids, asks = ([(row[0], row[1]) for row in parts.get(side, [])] for side in ("b", "a"))
        check = BookCheck(int(parts["c"]))
        gate.on_checked(
            CheckedDelta(
                item.id, 0, 1, 0, 0, -1, levels(bids, item), levels(asks, item), check
            )
        )  # fmt: skip
        assert gate.status is FeedStatus.LIVE, (frame.line, symbol)
        met += 1
    wanted = expected(f"{name}.expected.json")
    assert met == wanted["checksum_ok"] == 4269
    for symbol, (gate, item) in gates.items():
        bids, asks = gate.book.top(5)
        book = wanted["books"][symbol]
        assert [(item.price(p), item.size(s)) for p, s in bids.tolist()] == [
            (Decimal(p), Decimal(s)) for p, s in book["bids"]
        ]
        assert (gate.book.n_bids, gate.book.n_asks) == (book["n_bids"], book["n_asks"])
