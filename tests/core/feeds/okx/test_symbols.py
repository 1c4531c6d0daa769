from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.feeds.okx.symbols import parse_listing
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.wire.tape_reader import TapeReader

OKX = VenueName("okx")
SWAP = {
    "instType": "SWAP", "instId": "BTC-USD-SWAP", "uly": "BTC-USD", "instFamily": "BTC-USD",
    "baseCcy": "", "quoteCcy": "", "settleCcy": "BTC", "ctVal": "100", "ctMult": "1",
    "ctValCcy": "USD", "ctType": "inverse", "optType": "", "stk": "", "expTime": "",
    "listTime": "1535424203000", "tickSz": "0.1", "lotSz": "1", "minSz": "1",
    "maxLmtSz": "100000000", "state": "live",
}  # fmt: skip


def listed(*entries: dict[str, Any], code: str = "0") -> dict[str, Instrument]:
    body = json.dumps({"code": code, "msg": "words", "data": list(entries)}).encode()
    return {item.venue_symbol: item for item in parse_listing(body, OKX).instruments}


@pytest.fixture(scope="module")
def capture(request: pytest.FixtureRequest) -> dict[str, Instrument]:
    path: Path = request.getfixturevalue("recorded") / "okx/capture_books_20220513.jsonl.zst"
    found = {}
    for frame in TapeReader(path).frames():
        if frame.kind == "http":
            for item in parse_listing(frame.data, OKX).instruments:
                found[item.venue_symbol] = item
    return found


def test_spot(capture: dict[str, Instrument]) -> None:
    item = capture["BTC-USDT"]
    assert (item.id, item.kind) == ("BTC-USDT.okx", InstrumentKind.SPOT)
    assert (item.price_tick, item.size_lot) == (Decimal("0.1"), Decimal("0.00000001"))
    assert item.listed_ns == 1548133413000 * 10**6
    assert item.contract_size == 1


def test_future(capture: dict[str, Instrument]) -> None:
    item = capture["BTC-USD-220527"]
    assert (item.id, item.kind) == ("BTC-USD-20220527.okx", InstrumentKind.FUTURE)
    assert (item.inverse, item.settle, item.contract_size) == (True, "BTC", 100)
    assert item.expiry_ns == 1653638400000 * 10**6


def test_perpetual(capture: dict[str, Instrument]) -> None:
    item = capture["UNI-USD-SWAP"]
    assert (item.id, item.kind) == ("UNI-USD-PERP.okx", InstrumentKind.PERPETUAL)
    assert (item.inverse, item.expiry_ns) == (True, 0)


def test_option_is_worth_its_value_times_its_multiplier(capture: dict[str, Instrument]) -> None:
    item = capture["BTC-USD-220514-22000-C"]
    assert item.id == "BTC-USD-20220514-22000-C.okx"
    assert (item.option_right, item.strike, item.kind) == ("call", 22000, InstrumentKind.OPTION)
    assert (item.contract_size, item.settle) == (Decimal("0.1"), "BTC")


def test_indices_come_with_what_hangs_on_them(capture: dict[str, Instrument]) -> None:
    item = capture["index:BTC-USD"]
    assert (item.id, item.kind, item.trading) == (
        "BTC-USD-INDEX.okx", InstrumentKind.INDEX, False,
    )  # fmt: skip


def test_every_listed_name_is_unique(capture: dict[str, Instrument]) -> None:
    assert len(capture) > 1400
    assert len({item.id for item in capture.values()}) == len(capture)


def test_perpetual_with_an_end_keeps_its_family() -> None:
    entry = SWAP | {"instType": "FUTURES", "instId": "BTC-USD_UM_XPERP-310404",
                    "expTime": "1933200000000"}  # fmt: skip
    item = listed(entry)["BTC-USD_UM_XPERP-310404"]
    assert item.id == "BTC-USD_UM_XPERP-20310406.okx"
    assert (item.base, item.quote) == ("BTC", "USD")


def test_names_of_a_new_kind_are_kept_as_they_are() -> None:
    item = listed(SWAP | {"instType": "FUTURES", "instId": "BTC-USD-SOMETHING"})
    assert item["BTC-USD-SOMETHING"].id == "BTC-USD-SOMETHING.okx"


def test_halted_is_listed_but_not_trading() -> None:
    assert not listed(SWAP | {"state": "suspend"})["BTC-USD-SWAP"].trading


def test_step_of_many_is_a_plain_number() -> None:
    assert str(listed(SWAP | {"lotSz": "1E+1"})["BTC-USD-SWAP"].size_lot) == "10"


def test_what_has_no_step_yet_waits() -> None:
    assert not listed(SWAP | {"tickSz": "", "state": "preopen", "uly": ""})


@pytest.mark.parametrize(
    "change", [{"tickSz": "0"}, {"tickSz": "x"}, {"lotSz": "-1"}, {"ctVal": ""}, {"instId": "X"},
               {"listTime": "soon"}, {"instType": "OPTION", "optType": "X"}, {"lotSz": None}],
    ids=str,
)  # fmt: skip
def test_listing_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        listed(SWAP | change)


def test_refusal_in_a_good_answer_is_told() -> None:
    with pytest.raises(DataError, match="51000"):
        listed(code="51000")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"code":0}'])
def test_body_that_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        parse_listing(body, OKX)
