"""A feed of others is checked outside the tree, and each thing it does wrong is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clx.cli.testfeed import test_feed as verb
from core.model.errors import ConfigError

FEED = """
import msgspec
import numpy as np
from decimal import Decimal
from core.feeds.decoder import FeedDecoder
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot
from core.model.ports import BookTraits, Verdict

COIN = Instrument(
    id="BTC-USD.mine", venue="mine", venue_symbol="BTC", base="BTC", quote="USD",
    price_tick=Decimal(1), size_lot=Decimal(1),
)

class Message(msgspec.Struct):
    id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    image: bool = False

class Rule:
    def splice(self, snapshot_id, delta):
        return self.follow(snapshot_id, delta)
    def follow(self, last_id, delta):
        if delta.prev_id == last_id:
            return Verdict.APPLY
        return Verdict.OLD if delta.last_id <= last_id else Verdict.GAP
    def traits(self, instrument):
        return BookTraits()

class Mine(FeedDecoder):
    def __init__(self):
        super().__init__("mine", Rule())
    def message(self, conn, ts, data):
        m = msgspec.json.decode(data, type=Message)
        name = self.of("BTC").id
        bids, asks = (self.side(rows) for rows in (m.bids, m.asks))
        if m.image:
            return [BookSnapshot(name, ts, ts, m.id, bids, asks, True)]
        return [BookDelta(name, ts, ts, m.id, m.id, m.id - 1, bids, asks)]
    def side(self, rows):
        if any(price <= 0 or size < 0 for price, size in rows):
            raise msgspec.DecodeError("price and size must not be negative")
        try:
            return np.array(rows, np.int64).reshape(-1, 2)
        except OverflowError as error:
            raise msgspec.DecodeError(str(error)) from None
    def answer(self, ts, url, data):
        self.add_instruments([COIN])
        return ()
    def sent(self, conn, ts, data):
        return self.carry(conn, ts, [("BTC", "book")])
    def label(self, kind, url, data, events):
        return (kind,)

class Loose(Mine):
    def __init__(self):
        super().__init__()
        self.rule.follow = lambda last_id, delta: Verdict.APPLY
class Swapped(Mine):
    def message(self, conn, ts, data):
        return [msgspec.structs.replace(e, bids=e.asks, asks=e.bids)
                for e in super().message(conn, ts, data)]
class Floats(Mine):
    def side(self, rows):
        return super().side(rows).astype(float)
class Raises(Mine):
    def message(self, conn, ts, data):
        return {}["price"]
class Nothing(Mine):
    def message(self, conn, ts, data):
        return None
class Needs(Mine):
    def __init__(self, venue):
        super().__init__()
class Other:
    pass
"""


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tape of the venue, beside a module with its decoder."""
    (tmp_path / "minefeed.py").write_text(FEED)
    (tmp_path / "brokenfeed.py").write_text("def x(:\n")
    at = 1_723_075_200_000_000_000
    image = {"id": 10, "image": True, "bids": [[99, 5], [98, 5]], "asks": [[101, 5], [102, 5]]}
    changes = [{"id": 11 + n, "bids": [[99, 1 + n]], "asks": [[102, 2 + n]]} for n in range(12)]
    lines: list[dict[str, Any]] = [
        {"t": "http", "url": "https://mine/list", "msg": []},
        {"t": "connect", "url": "wss://mine"},
        {"t": "send", "msg": {"join": "BTC"}},
        *({"t": "recv", "msg": message} for message in (image, *changes)),
    ]
    path = tmp_path / "capture.jsonl"
    path.write_text(
        "".join(
            json.dumps({"ts_ns": at + n, "conn": 1, **line}) + "\n" for n, line in enumerate(lines)
        )
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part])
    yield str(path)
    sys.modules.pop("minefeed", None)


def run(feed: str, file: str, *words: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(
        verb, [feed, file, "--format", "json", *words], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return result.return_value or 0, {row["check"]: row for row in json.loads(result.stdout)}


def test_feed_of_the_present_folder_is_checked_and_what_was_not_tried_is_said(
    capture: str,
) -> None:
    _, checks = run("minefeed:Mine", capture)
    assert [name for name, row in checks.items() if row["flaws"]] == []
    untried = {name: row["untried"] for name, row in checks.items() if row["passed"] is None}
    assert untried == dict.fromkeys(
        ("says_what_it_subscribes", "keeps_secrets"), "no dialect given"
    )


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("Loose", "finds_a_lost_message", "was left out and nothing was noticed"),
        ("Swapped", "books_hold", "was never in sequence (crossed book image)"),
        ("Floats", "sane_numbers", "levels are float64, not int64"),
        ("Raises", "reads_its_tape", "KeyError raised: 'price' (minefeed.py:"),
        ("Nothing", "reads_its_tape", "decode gave None"),
    ],
)
def test_what_a_feed_does_wrong_is_named(name: str, check: str, words: str, capture: str) -> None:
    _, checks = run(f"minefeed:{name}", capture)
    assert words in str(checks[check]["flaws"])


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ("minefeed:Absent", "cannot be imported: AttributeError"),
        ("brokenfeed:x", "cannot be imported: SyntaxError"),
        ("nowhere.at:All", "cannot be imported: ModuleNotFoundError"),
        ("minefeed:Needs", "cannot be made without arguments: TypeError: .*'venue'"),
        ("minefeed:Other", "has no venue, rule, decode"),
    ],
)
def test_what_is_no_decoder_is_refused_in_words(feed: str, words: str, capture: str) -> None:
    with pytest.raises(ConfigError, match=words):
        run(feed, capture)
