"""The scanner takes a message only where msgspec reads the same of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.feeds.bookscan import SIDE, TEXT, WHOLE, BookScanner, Part, hash_of, place
from core.feeds.decoder import Known
from core.feeds.sides import plan_of
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument

PARTS = (
    Part("s", TEXT), Part("b", SIDE), Part("a", SIDE), Part("u", WHOLE), Part("cts", WHOLE, 0),
    Part("type", TEXT),
)  # fmt: skip


def scanner(*, drop_zero: bool = False) -> BookScanner:
    item = Instrument(
        id=InstrumentId("BTCUSDT.toy"), venue=VenueName("toy"), venue_symbol="BTCUSDT", base="BTC",
        quote="USDT", price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
    )  # fmt: skip
    made = BookScanner(PARTS, drop_zero=drop_zero)
    made.learn([plan_of(Known(item))])
    return made


MESSAGE = {
    "topic": "x", "type": "delta", "ts": 1.5, "more": {"t": True, "n": None, "l": [1, "x", {}]},
    "data": {"s": "BTCUSDT", "b": [["65095.3", "0.005"], ["65093", "0", "3"]],
             "a": [["65116.6", "12"]], "u": "15076953"}, "cts": 17,
}  # fmt: skip


def text(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def test_parts_are_found_in_any_order() -> None:
    made = scanner()
    for message in (MESSAGE, dict(reversed(MESSAGE.items()))):
        found = made.scan(text(message))
        assert found is not None
        plan, bids, asks = found
        assert plan.known.id == "BTCUSDT.toy"
        assert bids.tolist() == [[650953, 5], [650930, 0]]
        assert asks.tolist() == [[651166, 12000]]
        assert made.figures[place(3)] == 15076953
        assert made.figures[place(4)] == 17
        assert made.figures[place(5)] == hash_of("delta")


def test_number_that_is_missing_has_its_default() -> None:
    made = scanner()
    data = MESSAGE["data"]
    assert made.scan(text({"data": data})) is not None
    assert (made.figures[place(4)], made.figures[place(5)]) == (0, -1)


def test_levels_already_given_out_never_change() -> None:
    made = scanner()
    first = made.scan(text(MESSAGE))
    assert first is not None
    for _ in range(20_000):
        made.scan(text(MESSAGE))
    assert first[1].tolist() == [[650953, 5], [650930, 0]]


def test_price_of_zero_is_dropped_or_left_to_the_parser() -> None:
    message = text({"s": "BTCUSDT", "b": [["0", "0", "4"], ["1", "2", "5"]], "a": []})
    assert scanner().scan(message) is None
    found = scanner(drop_zero=True).scan(message)
    assert found is not None
    assert found[1].tolist() == [[10, 2000]]


@pytest.mark.parametrize(
    "message",
    [
        b"", b"{", b"[]", b"null", b"{}", text({"s": "OTHER", "b": [], "a": []}),
        b'{"s":"BTCUSDT","b":[],"a":[]}x', b'{"s":"BTCUSDT","b":[],"a":[]',
        b'{"s":"BTCUSDT","b":[],"b":[],"a":[]}', b'{"s":"BTCUSDT","b":[],"a":[],}',
        b'{"s":"BTCUSDT" "b":[],"a":[]}', b'{"s":"BTCUSDT","b":[["1","1"]["1","1"]],"a":[]}',
        b'{"s":"BTCUSDT","b":[["1","1"],],"a":[]}', b'{"s":"BTCUSDT","b":[["1" "1"]],"a":[]}',
        b'{"s":"BTCUSDT","b":[["1.05","1"]],"a":[]}', b'{"s":"BTCUSDT","b":[["1","1e-9"]],"a":[]}',
        b'{"s":"BTCUSDT","b":[["NaN","1"]],"a":[]}', b'{"s":"BTCUSDT","b":[[null,"1"]],"a":[]}',
        b'{"s":"BTCUSDT","b":[[["1"],"1"]],"a":[]}', b'{"s":"BTCUSDT","b":{},"a":[]}',
        b'{"s":"BTCUSDT","b":[],"a":[],"u":-1}', b'{"s":"BTCUSDT","b":[],"a":[],"u":1.5}',
        b'{"s":"BTCUSDT","b":[],"a":[],"u":null}', b'{"s":"BTCUSDT","b":[],"a":[],"x":01}',
        b'{"s":"BTC\\u0055SDT","b":[],"a":[]}', b'{"s":"BTCUSDT","b":[],"a":[],"x":tru}',
        b'{"s":"BTCUSDT", "b":[],"a":[]}', b'{"s":["BTCUSDT"],"b":[],"a":[]}',
        b"{" * 200, b'{"a":[' * 50,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_odd_is_left_to_the_parser(message: bytes) -> None:
    assert scanner(drop_zero=True).scan(message) is None


class Data(msgspec.Struct):
    s: str
    b: list[list[str | int | float | None]]
    a: list[list[str | int | float | None]]
    u: int = -1


class Message(msgspec.Struct):
    data: Data
    cts: int = 0


DECODE = msgspec.json.Decoder(Message, strict=False).decode


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_what_is_taken_is_what_msgspec_reads(data: st.DataObject) -> None:
    made = scanner(drop_zero=True)
    frame = bytearray(text(MESSAGE))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.sampled_from(b'0123456789.,:"[]{}eEabsu-+ n\\'))
    message = bytes(frame[: data.draw(st.sampled_from([len(frame), at]))])
    found = made.scan(message)
    if found is None:
        return
    msgspec.json.decode(message)  # sound JSON, or this raises
    try:
        read = DECODE(message)
    except msgspec.ValidationError:
        # A part may have been renamed into another place; what was taken is sound all the same.
        return
    if read.data.s != "BTCUSDT":
        return
    for levels, rows in ((found[1], read.data.b), (found[2], read.data.a)):
        wanted = [
            [int(Decimal(str(row[0])) / Decimal("0.1")), int(Decimal(str(row[1])) * 1000)]
            for row in rows
            if Decimal(str(row[0]))
        ]
        assert levels.tolist() == wanted
