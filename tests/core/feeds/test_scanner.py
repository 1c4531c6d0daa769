"""The scanner takes a message only where msgspec reads the same of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.decoder import Known
from core.feeds.desks import texts
from core.feeds.forms import (
    CHANGES,
    PRICE,
    SIDE,
    SIGNED,
    SIZE,
    STAMP,
    SYMBOL,
    TEXT,
    TIME,
    TRUTH,
    VALUE,
    WHOLE,
    WORD,
    Form,
    Part,
)
from core.feeds.jsonbytes import hash_of
from core.feeds.scanner import FULL, ODD, Scanner
from core.feeds.sides import plan_of
from core.feeds.stamps import Stamps
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument

BOOK = (
    Part("s", SYMBOL), Part("b", SIDE), Part("a", SIDE), Part("u", WHOLE, -1),
    Part("cts", TIME, 0), Part("type", WORD, -1, words=("delta", "snapshot")),
    Part("topic", TEXT, 0),
)  # fmt: skip
START, MIDDLE, END, U, CTS, TYPE, TOPIC = range(2, 9)


def scanner(parts: tuple[Part, ...] = BOOK, **options: Any) -> Scanner:
    form = Form((b"{",), parts, **options)
    return Scanner([form], scanner_plans)


def items() -> list[Instrument]:
    return [
        Instrument(
            id=InstrumentId(f"{symbol}.toy"), venue=VenueName("toy"), venue_symbol=symbol,
            base="BTC", quote="USDT", price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
        )
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]  # fmt: skip


MESSAGE = {
    "topic": "x.BTCUSDT", "type": "delta", "ts": 1.5,
    "more": {"t": True, "n": None, "l": [1, "x", {}]},
    "data": {"s": "BTCUSDT", "b": [["65095.3", "0.005"], ["65093", "0", "3"]],
             "a": [["65116.6", "12"]], "u": "15076953"}, "cts": 17,
}  # fmt: skip


def text(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def read(made: Scanner, message: bytes) -> tuple[int, ...]:
    assert made.tell(message, made.place, 0, 0) is None
    return made.found(made.place)


def sides(made: Scanner, found: tuple[int, ...]) -> tuple[list[list[int]], list[list[int]]]:
    start, middle, end = found[START:U]
    return made.room[start:middle].tolist(), made.room[middle:end].tolist()


def shuffled(message: Any) -> Any:
    if isinstance(message, dict):
        return {name: shuffled(message[name]) for name in reversed(message)}
    return message


def test_parts_are_found_in_any_order() -> None:
    made = scanner()
    other = {**MESSAGE, "data": dict(sorted(MESSAGE["data"].items()))}  # type: ignore[attr-defined]
    for message in (MESSAGE, dict(reversed(MESSAGE.items())), shuffled(MESSAGE), other):
        found = read(made, text(message))
        assert found[0] == 0
        assert made.known[found[1]].id == "BTCUSDT.toy"
        assert sides(made, found) == ([[650953, 5], [650930, 0]], [[651166, 12000]])
        assert found[U:] == (15076953, 17_000_000, 0, hash_of("x.BTCUSDT"), 0, 0, 0)


def test_part_that_is_missing_has_its_default_or_the_message_is_not_taken() -> None:
    made = scanner()
    found = read(made, text({"data": MESSAGE["data"]}))
    assert (found[0], found[CTS], found[TYPE]) == (0, 0, -1)
    assert read(made, b'{"s":"BTCUSDT","b":[],"u":7}')[0] == ODD


def test_levels_already_given_out_never_change() -> None:
    made = scanner()
    first = read(made, text(MESSAGE))
    bids = made.room[first[START] : first[MIDDLE]]
    renewed = 0
    for _ in range(20_000):
        if read(made, text(MESSAGE))[0] == FULL:
            renewed += made.renew()
            assert read(made, text(MESSAGE))[0] == 0
    assert renewed > 1
    assert bids.tolist() == [[650953, 5], [650930, 0]]


def test_more_levels_than_any_room_has_are_left_to_the_parser() -> None:
    made = scanner()
    message = text({"s": "BTCUSDT", "b": [["1", "2"]] * 20_000, "a": []})
    assert read(made, message)[0] == FULL
    assert not made.renew()


def test_price_of_zero_is_dropped_or_left_to_the_parser() -> None:
    message = text({"s": "BTCUSDT", "b": [["0", "0", "4"], ["1", "2", "5"]], "a": []})
    assert read(scanner(), message)[0] == ODD
    made = scanner(drop_zero=True)
    assert sides(made, read(made, message)) == ([[10, 2000]], [])


def test_numbers_with_digits_to_spare_are_told_of() -> None:
    made = scanner(BOOK[:3], plain=True)
    for rows, plain in (
        ([["10.5", "3"]], 1), ([["10", "0.003"]], 1), ([["10.50", "3"]], 0), ([["10", "3.0"]], 0),
        ([["10", "3"], ["007", "3"]], 0), ([["1e1", "3"]], 0), ([[10, 3]], 0),
    ):  # fmt: skip
        found = read(made, text({"s": "BTCUSDT", "b": rows, "a": []}))
        assert (found[0], found[5]) == (0, plain), rows


def test_of_levels_spelt_like_those_before_digits_to_spare_are_told_of_as_well() -> None:
    made = scanner(BOOK[:3], plain=True)
    prices = ("12.5", "07.5", "7.5", "127.5", "12.0", "12.50", "12", "10", "012", "12.5")
    sizes = ("3", "0", "30", "03", "00", "0.3", "3.0", "3.1", "3.10", "0.0", "00.3", "1234567")
    for price in prices:
        for size in sizes:
            rows = [["77.5", "3"], [price, size, "0", "1"]]
            message = {"s": "BTCUSDT", "b": rows, "a": [], "more": "0123456789" * 4}
            found = read(made, text(message))
            shortest = [[format(Decimal(n).normalize(), "f") for n in row[:2]] for row in rows]
            plain = shortest == [row[:2] for row in rows]
            assert (found[0], found[5]) == (0, plain), rows
            ticks, lots = Decimal(price) * 10, Decimal(size) * 1000
            assert sides(made, found)[0] == [[775, 3000], [ticks, lots]], rows


def test_changes_make_both_sides_in_the_order_sent() -> None:
    made = scanner((Part("s", SYMBOL), Part("c", CHANGES)))
    rows = [["buy", "1", "5"], ["sell", "2", "6"], ["buy", "3", "7"], ["sell", "4", "0"]]
    for some in (rows, rows[:1], rows[1:2], rows[::2], rows[1::2], []):
        found = read(made, text({"s": "BTCUSDT", "c": some, "more": "0123456789"}))
        assert found[0] == 0
        wanted = tuple(
            [[int(row[1]) * 10, int(row[2]) * 1000] for row in some if row[0] == side]
            for side in ("buy", "sell")
        )
        assert sides(made, found) == wanted
    for odd in (["bid", "1", "5"], ["buy"], ["Buy", "1", "5"], ["buy", "0", "5"]):
        assert read(made, text({"s": "BTCUSDT", "c": [*rows, odd]}))[0] == ODD


def test_values_are_told_in_ticks_lots_and_nanoseconds_wherever_the_symbol_is() -> None:
    parts = (
        Part("s", SYMBOL), Part("p", PRICE), Part("q", SIZE), Part("o", PRICE, 0), Part("t", TRUTH),
        Part("n", SIGNED), Part("at", STAMP),
    )  # fmt: skip
    made = scanner(parts)
    message: dict[str, object] = {
        "p": "65095.3", "q": "1.5", "t": False, "n": -7, "at": "2021-04-17T16:43:37.075687Z",
        "s": "BTCUSDT",
    }  # fmt: skip
    told = (650953, 1500, 0, 0, -7, 1618677817075687000)
    assert read(made, text(message)) == (0, 0, *told, 0, 0, 0, 0)
    assert read(made, text(dict(reversed(message.items()))))[2:8] == told
    assert read(made, text({**message, "t": True, "o": "1"}))[4:8] == (10, 1, -7, told[5])
    for odd in (
        {"p": 65095.3}, {"p": "65095.33"}, {"p": "-1"}, {"p": ""}, {"p": None}, {"q": "1.5x"},
        {"t": 1}, {"t": "true"}, {"t": None}, {"n": 1.5}, {"n": ""}, {"at": "0001-01-01T00:00:00Z"},
        {"s": "OTHER"},
    ):  # fmt: skip
        assert read(made, text(message | odd))[0] == ODD, odd


def test_of_values_the_place_and_length_of_their_texts_are_told() -> None:
    made = scanner((Part("s", SYMBOL), *(Part(name, VALUE, 0) for name in "xyz"), Part("w", VALUE)))
    message = text({"s": "BTCUSDT", "w": "", "z": "-0.00012", "x": "9" * 255})
    assert read(made, message)[:3] == (0, 0, 0)
    found = [int(number) for number in texts(made.place, 4)]
    pieces = [message[number >> 8 :][: number & 255] for number in found]
    assert (pieces, found[1]) == ([b"9" * 255, b"", b"-0.00012", b""], 0)
    for odd in ({"w": "9" * 256}, {"w": 1}, {"w": None}, {"w": "1\\"}, {"x": "1"}):
        assert read(made, text({"s": "BTCUSDT", **odd}))[0] == ODD
    assert read(made, text({"s": "BTCUSDT", "w": "1", "more": 0}))[0] == 0
    assert [int(number & 255) for number in texts(made.place, 4)] == [0, 0, 0, 1]


def test_symbol_behind_a_letter_and_said_twice() -> None:
    made = scanner((Part("topic", SYMBOL), Part("u", WHOLE)), behind=".")
    assert read(made, b'{"topic":"book.200.ETHUSDT","u":4}')[:3] == (0, 1, 4)
    assert read(made, b'{"topic":"ETHUSDT","u":4,"x":1}')[:3] == (0, 1, 4)
    assert read(made, b'{"topic":"book.200.","u":4}')[0] == ODD
    twice = scanner((Part("s", SYMBOL), Part("u", WHOLE)))
    assert read(twice, b'{"s":"ETHUSDT","d":[{"s":"ETHUSDT"}],"u":4}')[:3] == (0, 1, 4)
    assert read(twice, b'{"s":"ETHUSDT","d":[{"s":"BTCUSDT"}],"u":4}')[0] == ODD


def test_instruments_are_asked_for_again_when_they_changed() -> None:
    names = ["BTCUSDT"]
    made = Scanner(
        [Form((b"{",), (Part("s", SYMBOL),))],
        lambda: [plan for plan in scanner_plans() if plan.known.instrument.venue_symbol in names],
    )
    assert read(made, b'{"s":"ETHUSDT","x":12345}')[0] == ODD
    names.append("ETHUSDT")
    made.heed(0)
    assert read(made, b'{"s":"ETHUSDT","x":12345}')[:2] == (0, 1)
    names.clear()
    made.heed(0)
    assert read(made, b'{"s":"ETHUSDT","x":12345}')[0] == 0
    made.heed(1)
    assert read(made, b'{"s":"ETHUSDT","x":12345}')[0] == ODD


def scanner_plans() -> list[Any]:
    return [plan_of(Known(item)) for item in items()]


def test_form_is_told_by_the_end_of_how_it_begins() -> None:
    begins = (b'{"type":"message","topic":"/level2:', b'{"topic":"/level2:')
    part = (Part("s", SYMBOL),)
    made = Scanner([Form((b'{"topic":"/level2:x',), part), Form(begins, part)], scanner_plans)
    assert read(made, b'{"topic":"/level2:BTC","s":"BTCUSDT"}')[0] == 1
    assert read(made, b'{"topic":"/level2:xTC","s":"BTCUSDT"}')[0] == 0
    assert read(made, b'{"type":"message","topic":"/level2:BTC","s":"BTCUSDT"}')[0] == 1
    for odd in (b'{"topic":"/level3:', b"", b"{", b'{"topic":"/level2:', b"null", b"\0" * 60):
        assert read(made, odd)[0] == ODD


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
        b'{"s":"BTCUSDT","b":[["1","1",]],"a":[]}', b'{"s":"BTCUSDT","b":[["1","1",01]],"a":[]}',
        b'{"s":"BTCUSDT","b":[["1","1",[]]],"a":[]}', b'{"b":[["1","1",]],"a":[],"s":"BTCUSDT"}',
        b'{"b":[["1","1"],],"a":[],"s":"BTCUSDT"}', b'{"b":[["1","1"]x],"a":[],"s":"BTCUSDT"}',
        b'{"b":[],"a":[["1","1]"]],"s":"BTCUSDT"}', b'{"a":[,"s":"BTCUSDT","b":[]}',
        b'{"s":"BTCUSDT","b":[],"a":[],"u":-1}', b'{"s":"BTCUSDT","b":[],"a":[],"u":1.5}',
        b'{"s":"BTCUSDT","b":[],"a":[],"u":null}', b'{"s":"BTCUSDT","b":[],"a":[],"x":01}',
        b'{"s":"BTCUSDT","b":[],"a":[],"type":"delt"}', b'{"s":"BTCUSDT","b":[],"a":[],"type":1}',
        b'{"s":"BTCUSDT","b":[],"a":[],"cts":-1}', b'{"s":"BTCUSDT","b":[],"a":[],"u":"1}',
        b'{"s":"BTCUSDT","b":[],"a":[],"cts":4102444800001}',
        b'{"s":"BTC\\u0055SDT","b":[],"a":[]}', b'{"s":"BTCUSDT","b":[],"a":[],"x":tru}',
        b'{"s":"BTCUSDT","b":[],"a":[],"x":"a\nb"}', b'{"s":"BTCUSDT","b":[],"a":[],"x":"\xc3"}',
        b'{"s":"BTCUSDT", "b":[],"a":[]}', b'{"s":["BTCUSDT"],"b":[],"a":[]}',
        b"{" * 200, b'{"a":[' * 50,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_odd_is_left_to_the_parser(message: bytes) -> None:
    made = scanner(drop_zero=True)
    assert read(made, message)[0] == ODD
    # Nor does it leave anything behind.
    assert read(made, text(MESSAGE))[START] == 0


class Data(msgspec.Struct):
    s: str
    b: list[list[str | int | float | None]]
    a: list[list[str | int | float | None]]
    u: int = -1


class Message(msgspec.Struct):
    data: Data
    cts: int = 0


DECODE = msgspec.json.Decoder(Message, strict=False).decode


@given(st.data())
def test_what_is_taken_is_what_msgspec_reads(data: st.DataObject) -> None:
    made = scanner(drop_zero=True)
    whole = data.draw(st.sampled_from([MESSAGE, shuffled(MESSAGE)]))
    frame = bytearray(text(whole))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.sampled_from(b'0123456789.,:"[]{}eEabsu-+ n\\'))
    message = bytes(frame[: data.draw(st.sampled_from([len(frame), at]))])
    found = read(made, message)
    if found[0] == ODD:
        return
    msgspec.json.decode(message)  # sound JSON, or this raises
    try:
        told = DECODE(message)
    except msgspec.ValidationError:
        # A part may have been renamed into another place; what was taken is sound all the same.
        return
    if told.data.s != made.known[found[1]].instrument.venue_symbol:
        return
    for levels, rows in zip(sides(made, found), (told.data.b, told.data.a), strict=True):
        wanted = [
            [int(Decimal(str(row[0])) / Decimal("0.1")), int(Decimal(str(row[1])) * 1000)]
            for row in rows
            if Decimal(str(row[0]))
        ]
        assert levels == wanted


@given(
    st.datetimes(),
    st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,10}", fullmatch=True)),
    st.sampled_from(["Z", "Z", "Z", "+00:00", "z", ""]),
    st.none() | st.tuples(st.integers(0, 29), st.sampled_from("0123456789-:.TZ ")),
)
def test_times_are_those_of_stamps(
    moment: Any, decimals: str, zone: str, change: tuple[int, str] | None
) -> None:
    made = scanner((Part("s", SYMBOL), Part("at", STAMP)))
    spelt = f"{moment:%Y-%m-%dT%H:%M:%S}".zfill(19) + decimals + zone
    if change is not None and change[0] < len(spelt):
        spelt = spelt[: change[0]] + change[1] + spelt[change[0] + 1 :]
    try:
        wanted = Stamps().ns(spelt)
    except DataError:
        wanted = None
    for message in (f'{{"s":"BTCUSDT","at":"{spelt}"}}', f'{{"at":"{spelt}","s":"BTCUSDT"}}'):
        found = read(made, message.encode())
        if wanted is not None and zone == "Z" and spelt.endswith("Z"):
            assert found[:3] == (0, 0, wanted)
        else:
            assert found[0] == ODD or found[2] == wanted
