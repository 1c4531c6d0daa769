"""A gate that takes steady deltas in a kernel does all that one does which asks its rule."""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import numpy as np
import pytest

from core.engine.gate import Gate
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot, CheckedDelta, FeedStatus, Levels
from core.model.ports import BookTraits, Link, Verdict

NAME = InstrumentId("BTC-USD.toy")
NONE = np.zeros((0, 2), np.int64)


class Rule:
    def __init__(self, link: Link) -> None:
        self.link = link

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        match self.link:
            case Link.STEP:
                good = delta.last_id == last_id + 1
            case Link.NEXT:
                good = delta.first_id == last_id + 1 <= delta.last_id
            case Link.PREVIOUS:
                good = delta.prev_id == last_id
            case Link.PREVIOUS_IF_ANY:
                good = delta.prev_id == last_id or delta.prev_id < 0 == delta.last_id == last_id
            case _:
                good = delta.last_id >= last_id
        if good:
            return Verdict.APPLY
        return Verdict.OLD if delta.last_id <= last_id else Verdict.GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        return BookTraits(link=self.link)


def gates(link: Link) -> tuple[Gate, Gate]:
    rule = Rule(link)
    return tuple(Gate(NAME, rule, BookTraits(link=each)) for each in (link, Link.NONE))  # type: ignore[return-value]  # two


def side(random: Random, low: int) -> Levels:
    rows = [[low + random.randrange(40), random.randrange(3)] for _ in range(random.randrange(4))]
    levels = np.array(rows, np.int64).reshape(-1, 2)
    if random.random() < 0.1:
        levels = np.asfortranarray(levels)
    return levels


def message(random: Random, link: Link, last: int, now_ns: int) -> Any:
    asks = 1030 if random.random() < 0.02 else 1040
    sides = side(random, 1000), side(random, asks)
    if random.random() < 0.2:
        image = np.array([[1000, 5]], np.int64), np.array([[1090, 5]], np.int64)
        return BookSnapshot(NAME, 1, now_ns, max(last, 1), *image, random.random() < 0.8)
    odd = random.random() < 0.05
    first = last + random.choice([-2, 0, 2, 1 << 64]) if odd else last + 1
    prev = last + random.choice([-1, 1]) if random.random() < 0.03 else last
    kind = CheckedDelta if random.random() < 0.1 else BookDelta
    more = random.choice([0, 0, 2]) if link is not Link.STEP else 0
    return kind(NAME, 1, now_ns, first, first + more, prev, *sides)


def state(gate: Gate) -> tuple[object, ...]:
    return (
        gate.status, gate.reason, gate.synced, gate.gaps, gate.resyncs, gate.crossings, gate.deltas,
        gate.last_recv_ns, gate.book.last_id, gate.top, gate.book.image(),
    )  # fmt: skip


@pytest.mark.parametrize("link", [link for link in Link if link is not Link.NONE])
def test_gate_with_a_link_does_as_the_one_that_asks_the_rule(link: Link) -> None:
    random = Random(link.value)
    pair = gates(link)
    steady = 0
    for gate in pair:
        gate.subscribe(1)
    for now_ns in range(2, 1500):
        event = message(random, link, pair[0].book.last_id, now_ns)
        chance = random.random()
        told = []
        for gate in pair:
            match event:
                case _ if chance < 0.01:
                    told.append(gate.distrust(now_ns, "disconnected"))
                case _ if chance < 0.02:
                    told.append(gate.on_timer(now_ns, "silent"))
                case BookSnapshot():
                    told.append(gate.on_snapshot(event))
                case CheckedDelta():
                    told.append(gate.on_checked(event))
                case _:
                    told.append(gate.on_delta(event))
        assert told[0] == told[1]
        assert state(pair[0]) == state(pair[1])
        steady += bool(pair[0].figures[0])
        assert not pair[1].figures[0]
    assert steady > 300


def test_nothing_is_held_of_a_delta_that_was_taken() -> None:
    gate = gates(Link.STEP)[0]
    gate.subscribe(1)
    gate.on_snapshot(BookSnapshot(NAME, 1, 2, 5, NONE, NONE, reset=True))
    levels = np.array([[7, 1]], np.int64)
    deltas = [BookDelta(NAME, 1, 2, number, number, -1, levels, NONE) for number in range(6, 106)]
    holders = sys.getrefcount(levels), sys.getrefcount(deltas[50])
    for delta in deltas:
        assert gate.on_delta(delta) == ()
    assert gate.status is FeedStatus.LIVE
    assert (gate.book.last_id, gate.deltas, gate.book.best_bid) == (105, 101, 7)
    assert (sys.getrefcount(levels), sys.getrefcount(deltas[50])) == holders


@pytest.mark.parametrize(
    "levels", [None, [[1, 2]], np.zeros((1, 2), np.int32), np.zeros(2, np.int64)]
)
def test_levels_that_are_none_are_refused_as_ever(levels: Any) -> None:
    gate = gates(Link.STEP)[0]
    gate.subscribe(1)
    gate.on_snapshot(BookSnapshot(NAME, 1, 2, 5, NONE, NONE, reset=True))
    gate.on_delta(BookDelta(NAME, 1, 2, 6, 6, -1, NONE, NONE))
    with pytest.raises(TypeError, match="array of int64 with two dimensions"):
        gate.on_delta(BookDelta(NAME, 1, 2, 7, 7, -1, NONE, levels))
    assert gate.book.last_id == 6
