"""Messages in one pass: instrument, numbers and levels, without a Python object on the way.

A venue says of each kind of message that it sends often how it begins and which of its parts are
wanted, by their names and in any order. The scanner takes JSON without white space or escapes,
which is how venues write it. Whatever else a message holds must be sound JSON and is passed over;
whatever the scanner will not take, it leaves to the venue's slower parser, which says what is
wrong::

    {"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1786310818130,"data":{"s":"BTCUSDT",
     "b":[["65095.30","0.005"]],"a":[],"u":15076953,"seq":753843913870},"cts":1786310818129}

    Form((b'{"topic":"orderbook.',), (
        Part("s", SYMBOL), Part("b", SIDE), Part("a", SIDE), Part("u", WHOLE),
        Part("ts", TIME), Part("cts", TIME, 0), Part("type", WORD, words=("delta", "snapshot")),
    ))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.called import called
from core.engine.compiled import address, entry, view
from core.engine.made import unmade
from core.engine.stated import packed
from core.feeds.binance.digits import eight_bytes
from core.feeds.decoder import MAX_FRAME_BYTES
from core.feeds.desks import (
    DESK,
    END,
    KIND,
    LATER,
    OUT,
    PLAN_OF,
    ROOM,
    ROW_OF,
    SECOND,
    START,
    TEXT_AT,
    USED,
    VALUES_OF,
    told,
)
from core.feeds.forms import (
    COUNT,
    DEFAULT,
    FIRST,
    FLAGS,
    FORM_WIDTH,
    FROM,
    KEY,
    KEYS,
    MARK,
    NEED,
    PART_WIDTH,
    ROW,
    ROWED,
    SIDED,
    STATED,
    TAIL,
    TEXTS,
    TOLD,
    VALUES,
    WORDS,
    Form,
    laid_out,
)
from core.feeds.jsonbytes import (
    hash_between,
    hash_of,
    ident,
    scalar,
    side_end,
    stamp,
    string,
    unwanted,
    whole,
)
from core.feeds.ladders import changes, side
from core.feeds.levels import PLAN, SidePlan, _number, text
from core.model.market import Levels

Found: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
Teller: TypeAlias = Callable[[bytes, int, int, int], Any]
"""Takes a message, the desk's place, its connection and when it came, and returns its events, or
None where Python is to make them of what was found."""

ODD, FULL = -1, -2
"""Kinds of messages that are not scanned: not for the scanner, and no room left for its levels."""

_BLOCK: Final = 1 << 14
_ROW_DEPTH: Final = 3
"""How deep the objects of an array are, which is a member of the message."""
_MAX_MS: Final = 4_102_444_800_000
_NS: Final = 1_000_000

Grid: TypeAlias = npt.NDArray[np.int64]


@numba.njit(cache=True, forceinline=True)
def _row(
    data: bytes, size: int, at: int, end: int, hashed: np.uint64, desk: Grid, tail: int, front: int
) -> int:
    """Return the row of the table with the instrument that a text between two places names.

    If there is a `tail`, it does so behind the last such letter, and `front` is the hash of what
    must be before it, -1: anything. The row is -1 if it names none.
    """
    name = np.int64(hashed >> np.uint64(1))
    if tail:
        start = end
        while start > at and data[start - 1] != tail:
            start -= 1
        name = np.int64(hash_between(data, size, start, end) >> np.uint64(1))
        if front != -1:
            before = hash_between(data, size, at, max(at, start - 1))
            if np.int64(before >> np.uint64(1)) != front:
                return -1
    table = view(desk[2], desk[3], 3)
    mask = desk[3] - 1
    row = int(name & mask)
    while table[row, 1] and table[row, 0] != name:
        row = (row + 1) & mask
    return row if table[row, 1] else -1


@numba.njit(cache=True, forceinline=True)
def _part_of(form: Grid, hashed: np.uint64) -> int:
    """Return which part a name is, -1 if none."""
    name = np.int64(hashed >> np.uint64(1))
    slot = name & (KEYS - 1)
    while form[KEY + 2 * slot + 1]:
        if form[KEY + 2 * slot] == name:
            return int(form[KEY + 2 * slot + 1] - 1)
        slot = (slot + 1) & (KEYS - 1)
    return -1


@numba.njit(cache=True, forceinline=True)
def _value(
    data: bytes, size: int, at: int, desk: Grid, form: Grid, part: int, kind: int
) -> tuple[int, int]:
    """Return (what is told of a part that is no side, place after it)."""
    start = at
    if kind == 3 or kind == 4 or kind == 12:  # WHOLE, TIME, SIGNED
        value, at = whole(data, size, at)
        if (value < 0 and kind != 12) or (value > _MAX_MS and kind == 4):
            return 0, -1
        return value * _NS if kind == 4 else value, at
    if kind == 5:  # STAMP
        told, at = stamp(data, size, at, desk[SECOND:])
        return told, at
    if kind == 8:  # TRUTH
        letter = data[at]
        at = scalar(data, size, at)
        return int(letter == 116), at if letter == 116 or letter == 102 else -1
    if data[at] != 34:
        return 0, -1
    at, hashed = string(data, size, at + 1)
    name = np.int64(hashed >> np.uint64(1))
    if kind == 7:  # WORD
        for index in range(WORDS):
            if form[part + 2 + index] == name:
                return index, at
        return 0, -1
    if kind == 13:  # IDENT
        return ident(data, start + 1, at - 1, int(name)), at if at - start > 2 else -1
    if kind == 11:  # VALUE
        text_at = packed(start + 1, at - start - 2)
        return text_at, at if text_at > 0 else -1
    # A price or size is read once the instrument is known.
    return int(name) if kind == 6 else start, at


@numba.njit(cache=True, forceinline=True)
def _values(data: bytes, size: int, desk: Grid, form: Grid, plan: Grid) -> int:
    """Read prices and sizes, now that the instrument is known; returns 0, or `ODD`."""
    for index in range(form[COUNT]):
        part = FIRST + PART_WIDTH * index
        kind, place = form[part], OUT + form[part + 1]
        if (kind == 9 or kind == 10) and desk[place]:
            scale = 0 if kind == 9 else 2
            value, end = _number(data, size, desk[place], plan[scale], plan[scale + 1])
            if end < 0:
                return ODD
            desk[place] = value
    return 0


@numba.njit(cache=True)
def _kept(data: bytes, size: int, desk: Grid, form: Grid, plan: Grid, has: int) -> int:
    """Keep what an object of an array told in the room; returns 0, or `ODD` or `FULL`."""
    if desk[ROW_OF] < 0 or (has & form[NEED]) != form[NEED]:
        return ODD
    if _values(data, size, desk, form, plan):
        return ODD
    used = desk[USED]
    if used + ROW // 2 > desk[5]:
        return FULL
    room = view(desk[4] + 16 * used, 1, ROW)[0]
    for index in range(ROW):
        room[index] = desk[END + 1 + index]
    desk[USED] = desk[END] = used + ROW // 2
    return 0


@numba.njit(cache=True, forceinline=True)
def _finish(data: bytes, size: int, desk: Grid, form: Grid, plan: Grid, turn: int) -> int:
    """Read what had to wait for the instrument or its turn; returns 0, or what is wrong."""
    while turn < 2 and desk[LATER + 2 * turn]:
        end = side(data, size, desk[LATER + 2 * turn], plan, desk, form[FLAGS], turn)
        if end != desk[LATER + 2 * turn + 1]:
            return FULL if end == FULL else ODD
        turn += 1
    if form[FLAGS] & VALUES and not form[FLAGS] & ROWED:
        return int(_values(data, size, desk, form, plan))
    return 0


@numba.njit(cache=True, forceinline=True)
def _symbol(data: bytes, size: int, at: int, desk: Grid, form: Grid, part: int) -> tuple[int, int]:
    """Note the row a symbol names; the place behind it, -1 if it is odd, and where its plan is."""
    if data[at] != 34:
        return -1, 0
    start = at + 1
    at, hashed = string(data, size, start)
    if at < 0:
        return -1, 0
    row = _row(data, size, start, at - 1, hashed, desk, form[FLAGS] >> TAIL, form[part + 2])
    table = view(desk[2], desk[3], 3)
    if row < 0 or (desk[ROW_OF] >= 0 and desk[ROW_OF] != table[row, 2]):
        return -1, 0
    desk[ROW_OF] = table[row, 2]
    desk[PLAN_OF] = table[row, 1]
    return at, table[row, 1]


@numba.njit(cache=True, forceinline=True)
def _name(data: bytes, size: int, at: int) -> tuple[int, np.uint64]:
    """Return (place of the value, hash) of a member's name; the place is `ODD` if there is none."""
    if at >= size or data[at] != 34:
        return ODD, np.uint64(0)
    at, hashed = string(data, size, at + 1)
    if at < 0 or at >= size or data[at] != 58:
        return ODD, hashed
    return at + 1, hashed


@numba.njit(cache=True)
def _read(data: bytes, size: int, desk: Grid, form: Grid) -> int:  # noqa: C901  one pass
    """Tell what a message of a form holds; returns 0, or `ODD` or `FULL`."""
    # Bit n of `arrays` says that the bracket open at depth n is of an array.
    arrays = np.int64(0)
    depth, at, turn = 1, 1, 0
    has = symbols = done = np.int64(0)
    plan = view(desk[2], 1, PLAN)[0]
    fresh = True
    while depth > 0:
        if at >= size:
            return ODD
        of_array = (arrays >> depth) & 1
        if data[at] == (93 if of_array else 125):
            if form[FLAGS] & ROWED and depth == _ROW_DEPTH:
                # All but the symbol is told of each.
                odd = _kept(data, size, desk, form, plan, has)
                if odd:
                    return int(odd)
                done, has = has, has & symbols
            depth -= 1
            at += 1
            fresh = False
            continue
        if not fresh:
            if data[at] != 44:
                return ODD
            at += 1
        fresh = False
        index = -1
        if not of_array:
            at, hashed = _name(data, size, at)
            if at < 0:
                return ODD
            index = _part_of(form, hashed)
        if at >= size:
            return ODD
        letter = data[at]
        if index < 0:
            at, depth, arrays, fresh = unwanted(data, size, at, depth, arrays)
            if at < 0:
                return ODD
            continue
        part = FIRST + PART_WIDTH * index
        kind = form[part]
        if (has >> index) & 1 and kind != 0:
            return ODD
        has |= 1 << index
        if kind == 0:  # SYMBOL
            symbols |= 1 << index
            at, plan_at = _symbol(data, size, at, desk, form, part)
            if at < 0:
                return ODD
            plan = view(plan_at, 1, PLAN)[0]
        elif kind == 1:  # SIDE
            mine = form[part + 1]
            if letter != 91:
                return ODD
            if desk[ROW_OF] >= 0 and mine == turn:
                at = side(data, size, at, plan, desk, form[FLAGS], turn)
                turn += 1
            else:
                desk[LATER + 2 * mine] = at
                at = side_end(data, size, at)
                desk[LATER + 2 * mine + 1] = at
        elif kind == 2:  # CHANGES
            if letter != 91 or desk[ROW_OF] < 0:
                return ODD
            at = changes(data, size, at, plan, desk, form[FLAGS])
        elif form[FLAGS] & ROWED and depth != _ROW_DEPTH:
            return ODD
        else:
            to = (TEXT_AT if kind == 11 else OUT) + form[part + 1]  # VALUE
            desk[to], at = _value(data, size, at, desk, form, part, kind)
        if at < 0:
            return FULL if at == FULL else ODD
    if form[FLAGS] & ROWED:
        has = done
    if at != size or (has & form[NEED]) != form[NEED]:
        return ODD
    return int(_finish(data, size, desk, form, plan, turn))


@numba.njit(cache=True, forceinline=True)
def _form_of(data: bytes, size: int, desk: Grid) -> int:
    """Return which form a message has by its beginning, -1 if none."""
    forms = view(desk[0], desk[1], FORM_WIDTH)
    for index in range(desk[1]):
        at = forms[index, FROM]
        if at + MARK > size:
            continue
        odd = np.uint64(0)
        for word in range(3):
            wrong = eight_bytes(data, at + 8 * word) ^ np.uint64(forms[index, 2 * word])
            odd |= wrong & np.uint64(forms[index, 2 * word + 1])
        if not odd:
            return index
    return -1


@numba.njit(cache=True)
def scanned(frame: bytes, place: int) -> int:
    """Read a message with what lies on a desk; returns its form, or `ODD` or `FULL`."""
    size = len(frame)
    data = text(frame)
    desk = view(place, 1, DESK)[0]
    index = _form_of(data, size, desk) if size <= MAX_FRAME_BYTES else -1
    if index < 0:
        desk[KIND] = ODD
    else:
        form = view(desk[0], desk[1], FORM_WIDTH)[index]
        for told in range(TOLD):
            desk[OUT + told] = form[DEFAULT + told]
        for later in range(4):
            desk[LATER + later] = 0
        if form[FLAGS] & STATED:
            for stated in range(TEXTS):
                desk[TEXT_AT + stated] = 0
        used = desk[USED]
        if form[FLAGS] & SIDED:
            desk[START] = desk[END] = used
        odd = _read(data, size, desk, form) if data[0] == 123 else ODD
        if odd:
            desk[USED] = used
            desk[KIND] = odd
    return int(desk[KIND])


@numba.njit(cache=True)
def _found(place: int) -> Found:
    out = told(place)
    return (
        out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8], out[9], out[10],
        out[11],
    )  # fmt: skip


@numba.njit(cache=True)
def _left(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Scan a message and leave all of it to Python."""
    scanned(frame, place)
    return unmade()


def teller(kernel: Any) -> Teller:
    """Compile or load a kernel that makes the events of a venue's messages."""
    if not hasattr(kernel, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and Python makes all events.
        return lambda frame, place, conn, recv: scanned(frame, place) and None
    compiled: Teller = called(kernel, 2)
    return compiled


@cache
def _kernels() -> tuple[Teller, Callable[[int], Found]]:
    return teller(_left), entry(_found, 0)


class Scanner:
    """Scans one venue's messages.

    Args:
        forms: What they are like; the first that fits counts.
        plans: Returns the instruments, asked for again when they changed.
        tell: The venue's kernel, which is made by `teller`; without one nothing is told at once.
        values: What has the values of texts, for that kernel.
    """

    def __init__(
        self,
        forms: Sequence[Form],
        plans: Callable[[], Iterable[SidePlan]],
        tell: Teller | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        leave, self.found = _kernels()
        self._tell = tell or leave
        self._ask = plans
        self._desk = np.zeros((1, DESK), np.int64)
        self.place = address(self._desk)
        """What `tell` wants to be called with behind a message, and `found`."""
        self._forms = np.array(
            [
                laid_out(number, form, begin)
                for number, form in enumerate(forms)
                for begin in form.begins
            ],
            np.int64,
        )
        self._desk[0, :2] = address(self._forms), len(self._forms)
        self._values = values if values is not None else {}
        self._desk[0, VALUES_OF] = id(self._values)
        self._changes = -1
        self.known: list[Any] = []
        """The instruments by their rows, as the decoder that made their plans knows them."""
        self.tell: Teller = self._first
        """See `Teller`. After None ask `found` for the kind of the message, the row of its
        instrument, and what its form tells."""
        self._begin()

    @property
    def learned(self) -> bool:
        """Whether the kernel knows the instruments, so that `tell` is nothing but it."""
        return self.tell is self._tell

    def heed(self, changes: int) -> None:
        """Ask for the instruments again before the next message, if this number is a new one."""
        if changes != self._changes:
            self._changes = changes
            self.tell = self._first

    def renew(self) -> bool:
        """Begin a new room after a message was `FULL`; False if the old one was empty."""
        used = bool(self._desk[0, USED])
        if used:
            self._begin()
        return used

    def _begin(self) -> None:
        self.room: Levels = np.empty((_BLOCK, 2), np.int64)
        """Where levels are; those already told of never change."""
        self._desk[0, 4:7] = address(self.room), _BLOCK, 0
        self._desk[0, ROOM] = id(self.room)

    def _first(self, frame: bytes, place: int, conn: int, ts_recv_ns: int) -> Any:
        """Learn the instruments, then tell."""
        self._plans = list(self._ask())
        self.known = [plan.known for plan in self._plans]
        slots = 8
        while slots < 2 * len(self._plans):
            slots *= 2
        self._table = np.zeros((slots, 3), np.int64)
        for row, plan in enumerate(self._plans):
            name = hash_of(plan.known.instrument.venue_symbol)
            slot = name & (slots - 1)
            while self._table[slot, 1]:
                slot = (slot + 1) & (slots - 1)
            self._table[slot] = name, plan.at, row
        self._desk[0, 2:4] = address(self._table), slots
        self.tell = self._tell
        return self.tell(frame, place, conn, ts_recv_ns)
