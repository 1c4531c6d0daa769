"""The conformance suite on a generated tape: no recording of the second protocol's books exists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.feeds.conformance.checks import CHECKS, Check, judge
from core.feeds.conformance.subject import Subject
from core.feeds.kraken.decoder import KrakenDecoder
from core.feeds.kraken.dialect import make_dialect
from core.model.market import BookDelta
from core.model.settings import FeedSettings

START_NS = 1_791_308_155_000_000_000
PAIR = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}


@pytest.fixture(scope="module")
def subject(wire_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    wire = wire_of(5, 10)
    listing = json.dumps({"error": [], "result": {"XXBTZUSD": PAIR}})
    request = {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"]}}
    trade = (
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell",'
        '"price":50000.1,"qty":0.00012460,"ord_type":"market","trade_id":%d,'
        '"timestamp":"2026-10-06T17:35:56.123456Z"}]}'
    )
    url = "https://api.kraken.com/0/public/AssetPairs#depth=10"
    lines = [
        ("http", 0, url, listing),
        ("connect", 1, "wss://ws.kraken.com/v2", '""'),
        ("send", 1, "", json.dumps(request)),
        ("recv", 1, "", '{"channel":"heartbeat"}'),
        ("recv", 1, "", wire.image().decode()),
    ]
    for number in range(300):
        lines.append(("recv", 1, "", wire.change().decode()))
        if number % 10 == 0:
            lines.append(("recv", 1, "", trade % (1000 + number // 10)))
    tape = tmp_path_factory.mktemp("kraken") / "tape.jsonl"
    tape.write_text(
        "".join(
            f'{{"t":"{kind}","ts_ns":{START_NS + at},"conn":{conn},"url":"{link}","msg":{msg}}}\n'
            for at, (kind, conn, link, msg) in enumerate(lines)
        )
    )
    settings = FeedSettings(snapshot_levels=10)
    return Subject(
        KrakenDecoder, tape, lambda: make_dialect(settings, clock=SystemClock())
    )  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_feed_conforms(check: Check, subject: Subject) -> None:
    assert judge(check, subject) == []


def test_tape_holds_what_is_checked(subject: Subject) -> None:
    run = subject.run()
    assert sum(1 for _ in run.of(BookDelta)) == 300
    assert run.market.checksums() == (301, 0)
