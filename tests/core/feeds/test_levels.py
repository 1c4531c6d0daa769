"""Levels read by the kernel equal the values written, and bad ones are named."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.feeds.decoder import Known
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import instrument_id
from core.model.instruments import Instrument


def known(tick: str = "0.05", lot: str = "0.0001") -> Known:
    return Known(
        Instrument(
            id=instrument_id("BTC-USD", "venue"),
            venue="venue",
            venue_symbol="BTCUSD",
            base="BTC",
            quote="USD",
            price_tick=Decimal(tick),
            size_lot=Decimal(lot),
        )
    )


def spelt(value: Decimal, spelling: int) -> str:
    match spelling:
        case 0:
            return f"{value:f}"
        case 1:
            return f"{value:.10f}"
        case 2:
            return f"{value:E}"
        case _:
            return f"{value.normalize():f}"


levels = st.lists(
    st.tuples(st.integers(1, 10**9), st.integers(0, 10**12), st.integers(0, 3)), max_size=20
)


@settings(deadline=None)
@given(levels, st.booleans())
def test_any_spelling_of_a_level_gives_its_ticks_and_lots(
    rows: list[tuple[int, int, int]], quoted: bool
) -> None:
    mark = '"' if quoted else ""
    texts = [
        (spelt(ticks * Decimal("0.05"), how), spelt(lots * Decimal("0.0001"), how))
        for ticks, lots, how in rows
    ]
    raw = "[" + ",".join(f"[{mark}{p}{mark},{mark}{s}{mark}]" for p, s in texts) + "]"
    read = LevelReader().side(raw.encode(), SidePlan(known(), Shape(0, 1)))
    assert read.tolist() == [[ticks, lots] for ticks, lots, _ in rows]


@settings(deadline=None)
@given(levels)
def test_objects_are_read_by_key_whatever_the_order(rows: list[tuple[int, int, int]]) -> None:
    out = []
    for ticks, lots, how in rows:
        price, size = str(ticks * Decimal("0.05")), str(lots * Decimal("0.0001"))
        side = "bid" if ticks % 2 else "offer"
        pairs = [("new_quantity", size), ("side", side), ("price_level", price), ("t", 'a"b')]
        out.append(dict(pairs[how:] + pairs[:how]))
    plan = SidePlan(known(), Shape("price_level", "new_quantity", "side"))
    read, flags = LevelReader().flagged(json.dumps(out).encode(), plan)
    assert read.tolist() == [[ticks, lots] for ticks, lots, _ in rows]
    assert [chr(flag) for flag in flags] == ["b" if ticks % 2 else "o" for ticks, _, _ in rows]


def test_side_longer_than_a_block_is_read_whole() -> None:
    count = 40_000
    raw = json.dumps([[str(Decimal(i) / 20), "1"] for i in range(1, count + 1)]).encode()
    reader, plan = LevelReader(), SidePlan(known(), Shape(0, 1))
    first = reader.side(b'[["1","2"]]', plan)
    read = reader.side(raw, plan)
    assert len(read) == count
    assert read[-1].tolist() == [count, 10_000]
    assert first.tolist() == [[20, 20_000]], "an earlier result must not be written over"


@pytest.mark.parametrize("value", ['"0.01"', "0.051", '"1e-9"'])
def test_price_finer_than_the_tick_says_what_it_would_need(value: str) -> None:
    with pytest.raises(OffStep) as caught:
        LevelReader().side(f'[[{value},"1"]]'.encode(), SidePlan(known(), Shape(0, 1)))
    assert caught.value.what == "price"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}", b"[", b"[[1,2]", b"[[1]]", b'[["1",null]]', b'[["NaN","1"]]', b'[["-1","1"]]',
        b'[["1","2"],]', b'[["1","1e30"]]', b'[["","1"]]', b"[[1,[2]]]", b'[["1";"2"]]', b"null",
        b"[[01,2]]", b'[["1","2"]]x', b"",
    ],
)  # fmt: skip
def test_what_is_no_side_of_a_book_is_refused(raw: bytes) -> None:
    import msgspec

    with pytest.raises((DataError, msgspec.DecodeError)):
        LevelReader().side(raw, SidePlan(known(), Shape(0, 1)))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_rubbish_never_gives_a_level_that_json_does_not_hold(raw: bytes) -> None:
    import msgspec

    try:
        read = LevelReader().side(raw, SidePlan(known(), Shape(0, 1)))
    except (DataError, msgspec.DecodeError, UnicodeDecodeError):
        return
    assert len(read) == len(json.loads(raw))


@pytest.mark.parametrize("raw", [b'[["0","1"]]', b'[["1.05","1"],["0.00","2"]]'])
def test_level_at_price_zero_is_refused_unless_the_venue_means_something_by_it(raw: bytes) -> None:
    with pytest.raises(DataError, match="must have a price above 0"):
        LevelReader().side(raw, SidePlan(known(), Shape(0, 1)))
    taken = LevelReader().side(raw, SidePlan(known(), Shape(0, 1), zero=True))
    assert taken[-1, 0] == 0


def test_a_level_that_lacks_something_is_quoted_as_it_was_sent() -> None:
    with pytest.raises(DataError, match=r"level 0 of BTC-USD.venue has no 1: \[\"1\.05\"\]$"):
        LevelReader().side(b'[["1.05"]]', SidePlan(known(), Shape(0, 1)))
    with pytest.raises(DataError, match=r"has no 'qty': \{\"price\":\"1\.05\"\}$"):
        LevelReader().side(b'[{"price":"1.05"}]', SidePlan(known(), Shape("price", "qty")))
