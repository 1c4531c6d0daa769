"""Every documented Twelve Data fixture: read, or named here with the reason why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.feeds.twelvedata.decoder import TwelveDataDecoder
from core.feeds.twelvedata.refusals import CreditsSpent, refuse
from core.feeds.twelvedata.symbols import STEPS, parse_listings
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind

TWELVEDATA = VenueName("twelvedata")
OTHER = "fundamentals, indicators, funds and reference data: not asked for by the feed"
SINGLE = "a single quote, price or rate over REST: it costs a credit each, the stream has it"


def instrument(symbol: str) -> Instrument:
    pair = "/" in symbol
    kind = InstrumentKind.FX if pair else InstrumentKind.STOCK
    price_tick, size_lot = STEPS[kind]
    return Instrument(
        id=instrument_id(symbol.replace("/", "-") if pair else f"{symbol}-USD", TWELVEDATA),
        venue=TWELVEDATA, venue_symbol=symbol, base=symbol.partition("/")[0], quote="USD",
        kind=kind, price_tick=price_tick, size_lot=size_lot,
    )  # fmt: skip


def lines(recorded: Path, name: str) -> list[tuple[dict[str, Any], bytes]]:
    out = []
    for text in (recorded / "twelvedata" / f"{name}.jsonl").read_bytes().splitlines():
        out.append((json.loads(text), text[text.index(b'"msg":') + 6 : -1]))
    return out


STREAM: list[list[str]] = [
    ["DayTicker"],
    ["FrameRejected"],  # an error of the provider's
    ["DayTicker"],
    ["DayTicker"],
    [],
    ["FrameRejected"],  # no event named: a client's own test
    ["DayTicker", "Quote"],
    ["FrameRejected"],
    ["DayTicker"],
    ["FrameRejected"],
    [],
    [],
]


def test_every_message_of_the_stream_is_read_as_what_it_is(recorded):
    decoder = TwelveDataDecoder()
    decoder.unlisted = instrument
    found = [
        [type(event).__name__ for event in decoder.decode("recv", 0, 1, "", data)]
        for _, data in lines(recorded, "ws")
    ]
    assert found == STREAM


def kind_of(msg: Any) -> str:
    if isinstance(msg, dict):
        if msg.get("status") == "error":
            return "refusal"
        data = msg.get("data")
        first = data[0] if isinstance(data, list) and data else {}
        if {"symbol", "currency", "country"} <= first.keys():
            return "/stocks"
        if {"symbol", "currency_group"} <= first.keys():
            return "/forex_pairs"
        if {"symbol", "available_exchanges"} <= first.keys():
            return "/cryptocurrencies"
        if "values" in msg and "open" in msg["values"][0]:
            return "series"
        if {"symbol", "rate"} <= msg.keys() or {"symbol", "close"} <= msg.keys() or "price" in msg:
            return SINGLE
    return OTHER


def test_every_line_of_rest_is_of_a_kind_that_is_read_or_has_its_reason(recorded):
    counts: dict[str, int] = {}
    for line, data in lines(recorded, "rest"):
        kind = kind_of(line["msg"])
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "refusal":
            with pytest.raises((DataError, CreditsSpent)):
                refuse(data, "question")
        elif kind.startswith("/"):
            assert len(parse_listings({kind: data}, TWELVEDATA)) == len(line["msg"]["data"])
        else:
            refuse(data, "question")
    assert counts == {"/stocks": 2, "/forex_pairs": 1, SINGLE: 3, OTHER: 54, "refusal": 6}


def test_spent_credits_with_status_200_are_told_from_data(recorded):
    for text in (recorded / "edge_cases" / "provider_errors.jsonl").read_text().splitlines():
        line = json.loads(text)
        if line["venue"] == "twelvedata":
            with pytest.raises(CreditsSpent, match="current limit being 8") as caught:
                refuse(json.dumps(line["msg"]).encode(), "bars")
            assert not caught.value.day
            return
    pytest.fail("the fixture is gone")
