"""A delta applied and compared in one step leaves a gate as the two steps do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pytest

from core.engine.gate import Gate
from core.feeds.okx.checksum import OkxChecker
from core.feeds.okx.rule import OkxRule
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    FeedStatus,
    FeedStatusChanged,
    Levels,
)
from core.model.ports import BookTraits

NAME = InstrumentId("BTC-USDT-PERP.OKX")
ITEM = Instrument(
    id=NAME,
    venue=VenueName("okx"),
    venue_symbol="BTC-USDT-SWAP",
    base="BTC",
    quote="USDT",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.1"),
    size_lot=Decimal(1),
)


class Stepwise:
    """The checker without its single step."""

    def __init__(self) -> None:
        self._inner = OkxChecker(ITEM)
        self.on_snapshot, self.on_delta = self._inner.on_snapshot, self._inner.on_delta
        self.verify = self._inner.verify


def side(*levels: tuple[int, int]) -> Levels:
    return np.array(levels, np.int64).reshape(-1, 2)


def total(gate: Gate) -> int:
    """Return the checksum of a gate's book by its whole text."""
    rows = [
        [f"{ticks // 10}.{ticks % 10}".removesuffix(".0") + f":{lots}" for ticks, lots in half]
        for half in (levels.tolist() for levels in gate.book.top(25))
    ]
    texts = [
        half[at] for at in range(max(map(len, rows))) for half in rows if at < len(half)
    ]  # fmt: skip
    return crc32(":".join(texts).encode())


def gates() -> tuple[Gate, Gate]:
    pair = (
        Gate(NAME, OkxRule(), BookTraits(checker=OkxChecker(ITEM)), eager=True),
        Gate(NAME, OkxRule(), BookTraits(checker=Stepwise()), eager=True),
    )
    for gate in pair:
        gate.subscribe(1)
    return pair


def image(number: int, check: BookCheck | None) -> BookSnapshot:
    bids = side(*((1000 - at, 5 + at) for at in range(40)))
    asks = side(*((1001 + at, 3 + at) for at in range(40)))
    return BookSnapshot(NAME, 0, 2, number, bids, asks, True, check)


def state(gate: Gate) -> tuple[Any, ...]:
    return (
        gate.status, gate.reason, gate.synced, gate.gaps, gate.resyncs, gate.crossings,
        gate.checks_ok, gate.checks_bad, gate.deltas, gate.last_recv_ns, gate.book.last_id,
        gate.book.image(), gate.last_top, gate.top,
    )  # fmt: skip


def both(pair: tuple[Gate, Gate], event: BookDelta | BookSnapshot) -> None:
    out = []
    for gate in pair:
        if isinstance(event, BookSnapshot):
            out.append(tuple(gate.on_snapshot(event)))
        elif isinstance(event, CheckedDelta):
            out.append(tuple(gate.on_checked(event)))
        else:
            out.append(tuple(gate.on_delta(event)))
    assert out[0] == out[1]
    assert state(pair[0]) == state(pair[1])


def right_image(number: int) -> BookSnapshot:
    probe = Gate(NAME, OkxRule(), BookTraits(), eager=True)
    probe.on_snapshot(image(number, None))
    return image(number, BookCheck(total(probe)))


def after(gate: Gate, delta: CheckedDelta) -> int:
    """Return the checksum of a gate's book once a delta is in it."""
    probe = Gate(NAME, OkxRule(), BookTraits(), eager=True)
    bids, asks = gate.book.top(10_000)
    probe.book.load(bids, asks)
    probe.book.apply(delta.bids, delta.asks)
    return total(probe)


@pytest.mark.parametrize("seed", range(4))
def test_one_step_leaves_every_figure_as_two_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = gates()
    number = 100
    both(pair, right_image(number))
    dropped = 0
    for turn in range(400):
        if not pair[0].synced:
            dropped += 1
            number += 10
            both(pair, right_image(number))
        kind = int(rng.integers(0, 24))
        before = pair[0].book.last_id
        number = before + (0 if kind == 3 else int(rng.integers(1, 5)))
        bids = side(*zip(rng.integers(940, 1001, 3), rng.choice([0, 2, 900], 3), strict=True))
        asks = side(*zip(rng.integers(1001, 1061, 2), rng.choice([0, 7, 10**6], 2), strict=True))
        if kind == 0:
            bids = side((1002, 4), (1060, 9))
        prev = before - 1 if kind == 1 else before
        delta = CheckedDelta(NAME, 0, 10 + turn, prev, number, prev, bids, asks, BookCheck(1))
        found = after(pair[0], delta)
        check: BookCheck | None = BookCheck(found - (1 << 32) if found >> 31 else found)
        if kind == 2:
            check = BookCheck(found ^ 1)
        elif kind == 4:
            check = BookCheck(0)
        elif kind == 5:
            check = BookCheck(
                found, tuple((f"{p / 10:.1f}", str(s)) for p, s in bids.tolist()), ()
            )  # fmt: skip
        elif kind == 6:
            check = None
        both(pair, msgspec.structs.replace(delta, check=check))
    assert dropped > 5
    assert pair[0].checks_ok > 0


def test_wrong_checksum_and_a_crossing_drop_the_book() -> None:
    for change, crossing in ((side((999, 77)), False), (side((1001, 1)), True)):
        pair = gates()
        both(pair, right_image(7))
        assert pair[0].status is FeedStatus.LIVE
        (change_, *_) = pair[0].on_checked(
            CheckedDelta(NAME, 0, 3, 7, 8, 7, change, side(), BookCheck(5))
        )
        assert isinstance(change_, FeedStatusChanged)
        assert change_.reason == ("crossed book" if crossing else "checksum")
        assert (pair[0].crossings, pair[0].checks_bad) == (int(crossing), int(not crossing))


def test_book_that_outgrows_its_room_is_applied_and_compared() -> None:
    pair = gates()
    both(pair, right_image(7))
    # More changes than there is room for, though most of them say the same.
    many = side(*((990 - at % 90, 1 + at) for at in range(2100)))
    delta = CheckedDelta(NAME, 0, 3, 7, 8, 7, many, side(), BookCheck(1))
    both(pair, msgspec.structs.replace(delta, check=BookCheck(after(pair[0], delta))))
    assert pair[0].checks_ok == 2


def test_best_levels_among_which_others_are_gone_are_summed_up() -> None:
    checker = OkxChecker(ITEM)
    gate = Gate(NAME, OkxRule(), BookTraits(checker=checker), eager=True)
    bids = side(*((1000 - at, 5 + at) for at in range(120)))
    asks = side(*((1001 + at, 3 + at) for at in range(120)))
    probe = Gate(NAME, OkxRule(), BookTraits(), eager=True)
    probe.on_snapshot(BookSnapshot(NAME, 0, 2, 100, bids, asks, True))
    check = BookCheck(total(probe))
    gate.on_snapshot(BookSnapshot(NAME, 0, 2, 100, bids, asks, True, check))
    # Every third level far away is gone, then all that was better.
    gone = [side(*((1000 - at, 0) for at in range(60, 120, 3))), side()]
    gone[1] = side(*((1001 + at, 0) for at in range(60, 120, 3)))
    near = side(*((1000 - at, 0) for at in range(58))), side(*((1001 + at, 0) for at in range(58)))
    for number, (less_bids, less_asks) in enumerate((gone, near), 101):
        delta = CheckedDelta(
            NAME, 0, 3, number - 1, number, number - 1, less_bids, less_asks, BookCheck(1)
        )  # fmt: skip
        right = msgspec.structs.replace(delta, check=BookCheck(after(gate, delta)))
        assert gate.on_checked(right) == ()
    assert (gate.checks_ok, gate.checks_bad, gate.book.n_bids) == (3, 0, 42)
