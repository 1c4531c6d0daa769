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

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, entry, view
from core.feeds.binance.digits import eight_bytes
from core.feeds.decoder import MAX_FRAME_BYTES
from core.feeds.jsonbytes import (
    MEMO,
    hash_between,
    hash_of,
    passed,
    scalar,
    short,
    side_end,
    stamp,
    string,
    whole,
    word_at,
)
from core.feeds.levels import PLAN, SidePlan, _number, text
from core.feeds.literals import signed, word_of
from core.feeds.spelling import SPELLING, quick_level, remember
from core.model.market import Levels

Found: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int]

(
    SYMBOL, SIDE, CHANGES, WHOLE, TIME, STAMP, TEXT, WORD, TRUTH, PRICE, SIZE, THERE, SIGNED,
) = range(13)  # fmt: skip
"""What a part is.

`SYMBOL` is the venue's name of the instrument, or ends with it; it may be said again. `SIDE` is an
array of levels, whose first two values are price and size; `CHANGES` one of levels that begin with
``"buy"`` or ``"sell"``, and makes both sides. `WHOLE` is a whole number, quoted or not, `SIGNED`
one that may be negative, `TIME` one that counts milliseconds and is told in nanoseconds, `STAMP` a
time as RFC 3339 writes it. Of a `TEXT` a hash is told, of a `WORD` which of a few it is, of `TRUTH`
1 or 0; `PRICE` and `SIZE` are quoted and told in ticks and lots. Of all parts of kind `THERE` one
number is told, not 0 if any of them is.
"""

ODD, FULL = -1, -2
"""Kinds of messages that are not scanned: not for the scanner, and no room left for its levels."""

NO_LEVELS: Final[Levels] = np.zeros((0, 2), np.int64)
_BLOCK: Final = 1 << 14
_DEPTH: Final = 30
_MAX_MS: Final = 4_102_444_800_000
_NS: Final = 1_000_000

# The desk: addresses and sizes of forms, instruments and room; where sides are that came before
# their turn; what is told; what `stamp` remembers.
_TOLD: Final = 12
_LATER: Final = 7
_OUT: Final = _LATER + 4
_MEMO: Final = _OUT + _TOLD
_DESK: Final = _MEMO + MEMO
_KIND, _ROW, _START, _MIDDLE, _END, _PLAIN = range(_OUT, _OUT + 6)

# A form: how it begins, as words and masks, and from which byte on; its flags, needed parts, count
# of parts; what is told by default; of each part its kind, where it is told, and its words; names.
_MARK: Final = 24
_PARTS: Final = 16
_WORDS: Final = 4
_KEYS: Final = 64
_PART: Final = 2 + _WORDS
_FROM, _FLAGS, _NEED, _COUNT, _DEFAULT = 6, 7, 8, 9, 10
_FIRST: Final = _DEFAULT + _TOLD
_KEY: Final = _FIRST + _PARTS * _PART
_FORM: Final = _KEY + 2 * _KEYS

_ZERO, _SHORT, _VALUES, _SIDED = 1, 2, 4, 8
_TAIL: Final = 4
"""From this bit on flags hold the letter behind which a symbol begins in its text, 0: at once."""
_BUY, _SELL = ord("b"), ord("s")

_MEMORY: Final = PLAN - SPELLING
"""From where on a plan remembers how the last price was spelt."""

Grid: TypeAlias = npt.NDArray[np.int64]


@numba.njit(cache=True, forceinline=True)
def _level(
    data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int
) -> tuple[int, int, int]:
    """Return (ticks, lots, place after the bracket) of a level from its price on."""
    start = at
    price, lots, at = 0, 0, -1
    if plan[_MEMORY]:
        price, lots, at = quick_level(data, size, start, plan[_MEMORY:], plan[2], plan[3])
    if at < 0 or flags & _SHORT:
        price, at = _number(data, size, start, plan[0], plan[1])
        if at < 0 or at >= size or data[at] != 44:
            return 0, 0, -1
        middle = at + 1
        lots, at = _number(data, size, middle, plan[2], plan[3])
        if at < 0:
            return 0, 0, -1
        if flags & _SHORT and not (short(data, start, middle - 1) and short(data, middle, at)):
            desk[_PLAIN] = 0
        remember(data, size, start, middle - 2, plan[_MEMORY:], plan[0], plan[1])
    while at < size and data[at] == 44:
        at = passed(data, size, at + 1)
        if at < 0:
            return 0, 0, -1
    if at >= size or data[at] != 93:
        return 0, 0, -1
    return price, lots, at + 1


@numba.njit(cache=True)
def _levels(  # noqa: C901  one pass over the levels
    data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int, wanted: int
) -> tuple[int, int]:
    """Read levels into the room; returns (how many were not `wanted`, place after them).

    `wanted` is 0 for a side, else the letter that the first value of a level to be kept begins
    with. The place is -1 if something is odd, and -2 if there is no room.
    """
    room = view(desk[4], desk[5], 2)
    used, others = desk[6], 0
    at += 1
    if at < size and data[at] == 93:
        return 0, at + 1
    while at < size and data[at] == 91:
        if used >= desk[5]:
            return 0, -2
        at += 1
        mine = True
        if wanted:
            word = word_at(data, size, at)
            # ``"buy",`` or ``"sell",``
            if word & np.uint64(0xFFFFFFFFFFFF) == np.uint64(0x2C2279756222):
                mine = wanted == _BUY
                at += 6
            elif word & np.uint64(0xFFFFFFFFFFFFFF) == np.uint64(0x2C226C6C657322):
                mine = wanted == _SELL
                at += 7
            else:
                return 0, -1
        price, lots, at = _level(data, size, at, plan, desk, flags)
        if at < 0:
            return 0, -1
        if not mine:
            others += 1
        elif price > 0:
            room[used, 0] = price
            room[used, 1] = lots
            used += 1
        elif not flags & _ZERO:
            return 0, -1
        if at >= size:
            return 0, -1
        if data[at] == 93:
            desk[6] = used
            return others, at + 1
        if data[at] != 44:
            return 0, -1
        at += 1
    return 0, -1


@numba.njit(cache=True, forceinline=True)
def _side(data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int, turn: int) -> int:
    """Read the first or second side and note where it ends; returns the place after it."""
    end = _levels(data, size, at, plan, desk, flags, 0)[1]
    desk[_MIDDLE + turn] = desk[6]
    return int(end)


@numba.njit(cache=True, forceinline=True)
def _changes(data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int) -> int:
    """Read levels of both sides, the bids first; returns the place after them."""
    others, end = _levels(data, size, at, plan, desk, flags, _BUY)
    desk[_MIDDLE] = desk[6]
    if others:
        end = _levels(data, size, at, plan, desk, flags, _SELL)[1]
    desk[_END] = desk[6]
    return int(end)


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
    slot = name & (_KEYS - 1)
    while form[_KEY + 2 * slot + 1]:
        if form[_KEY + 2 * slot] == name:
            return int(form[_KEY + 2 * slot + 1] - 1)
        slot = (slot + 1) & (_KEYS - 1)
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
        told, at = stamp(data, size, at, desk[_MEMO:])
        return told, at
    if kind == 8:  # TRUTH
        letter = data[at]
        at = scalar(data, size, at)
        return int(letter == 116), at if letter == 116 or letter == 102 else -1
    if kind == 11:  # THERE
        return desk[_OUT + form[part + 1]] + 1, passed(data, size, at)
    if data[at] != 34:
        return 0, -1
    at, hashed = string(data, size, at + 1)
    name = np.int64(hashed >> np.uint64(1))
    if kind == 7:  # WORD
        for index in range(_WORDS):
            if form[part + 2 + index] == name:
                return index, at
        return 0, -1
    # A price or size is read once the instrument is known.
    return int(name) if kind == 6 else start, at


@numba.njit(cache=True, forceinline=True)
def _finish(data: bytes, size: int, desk: Grid, form: Grid, plan: Grid, turn: int) -> int:
    """Read what had to wait for the instrument or its turn; returns 0, or what is wrong."""
    while turn < 2 and desk[_LATER + 2 * turn]:
        end = _side(data, size, desk[_LATER + 2 * turn], plan, desk, form[_FLAGS], turn)
        if end != desk[_LATER + 2 * turn + 1]:
            return FULL if end == FULL else ODD
        turn += 1
    if form[_FLAGS] & _VALUES:
        for index in range(form[_COUNT]):
            part = _FIRST + _PART * index
            kind, place = form[part], _OUT + form[part + 1]
            if (kind == 9 or kind == 10) and desk[place]:
                scale = 0 if kind == 9 else 2
                value, end = _number(data, size, desk[place], plan[scale], plan[scale + 1])
                if end < 0:
                    return ODD
                desk[place] = value
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
    row = _row(data, size, start, at - 1, hashed, desk, form[_FLAGS] >> _TAIL, form[part + 2])
    table = view(desk[2], desk[3], 3)
    if row < 0 or (desk[_ROW] >= 0 and desk[_ROW] != table[row, 2]):
        return -1, 0
    desk[_ROW] = table[row, 2]
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
    depth = 1
    at = 1
    has = np.int64(0)
    turn = 0
    plan = view(desk[2], 1, PLAN)[0]
    fresh = True
    while depth > 0:
        if at >= size:
            return ODD
        of_array = (arrays >> depth) & 1
        if data[at] == (93 if of_array else 125):
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
            if letter == 34:
                at = string(data, size, at + 1)[0]
            elif letter == 91 or letter == 123:
                depth += 1
                if depth > _DEPTH:
                    return ODD
                arrays = arrays | (1 << depth) if letter == 91 else arrays & ~(1 << depth)
                at += 1
                fresh = True
            else:
                at = scalar(data, size, at)
            if at < 0:
                return ODD
            continue
        part = _FIRST + _PART * index
        kind = form[part]
        if (has >> index) & 1 and kind != 0:
            return ODD
        has |= 1 << index
        if kind == 0:  # SYMBOL
            at, plan_at = _symbol(data, size, at, desk, form, part)
            if at < 0:
                return ODD
            plan = view(plan_at, 1, PLAN)[0]
        elif kind == 1:  # SIDE
            mine = form[part + 1]
            if letter != 91:
                return ODD
            if desk[_ROW] >= 0 and mine == turn:
                at = _side(data, size, at, plan, desk, form[_FLAGS], turn)
                turn += 1
            else:
                desk[_LATER + 2 * mine] = at
                at = side_end(data, size, at)
                desk[_LATER + 2 * mine + 1] = at
        elif kind == 2:  # CHANGES
            if letter != 91 or desk[_ROW] < 0:
                return ODD
            at = _changes(data, size, at, plan, desk, form[_FLAGS])
        else:
            desk[_OUT + form[part + 1]], at = _value(data, size, at, desk, form, part, kind)
        if at < 0:
            return FULL if at == FULL else ODD
    if at != size or (has & form[_NEED]) != form[_NEED]:
        return ODD
    return int(_finish(data, size, desk, form, plan, turn))


@numba.njit(cache=True, forceinline=True)
def _form_of(data: bytes, size: int, desk: Grid) -> int:
    """Return which form a message has by its beginning, -1 if none."""
    forms = view(desk[0], desk[1], _FORM)
    for index in range(desk[1]):
        at = forms[index, _FROM]
        if at + _MARK > size:
            continue
        odd = np.uint64(0)
        for word in range(3):
            wrong = eight_bytes(data, at + 8 * word) ^ np.uint64(forms[index, 2 * word])
            odd |= wrong & np.uint64(forms[index, 2 * word + 1])
        if not odd:
            return index
    return -1


@numba.njit(cache=True)
def _scan(frame: bytes, place: int) -> Found:
    """Read a message with what lies on a desk."""
    size = len(frame)
    data = text(frame)
    desk = view(place, 1, _DESK)[0]
    index = _form_of(data, size, desk) if size <= MAX_FRAME_BYTES else -1
    if index < 0:
        desk[_KIND] = ODD
    else:
        form = view(desk[0], desk[1], _FORM)[index]
        for told in range(_TOLD):
            desk[_OUT + told] = form[_DEFAULT + told]
        for later in range(4):
            desk[_LATER + later] = 0
        used = desk[6]
        if form[_FLAGS] & _SIDED:
            desk[_START] = used
        odd = _read(data, size, desk, form) if data[0] == 123 else ODD
        if odd:
            desk[6] = used
            desk[_KIND] = odd
    return (
        desk[_OUT], desk[_OUT + 1], desk[_OUT + 2], desk[_OUT + 3], desk[_OUT + 4], desk[_OUT + 5],
        desk[_OUT + 6], desk[_OUT + 7], desk[_OUT + 8], desk[_OUT + 9], desk[_OUT + 10],
        desk[_OUT + 11],
    )  # fmt: skip


@cache
def _kernel() -> Callable[[bytes, int], Found]:
    compiled: Callable[[bytes, int], Found] = entry(_scan, b"{}", 0)
    return compiled


class Part(msgspec.Struct, frozen=True):
    """A named part of a message."""

    name: str
    kind: int
    default: int | None = None
    """What is told of a message without it; None: such a message is not scanned."""
    words: tuple[str, ...] = ()
    """What a `WORD` may be; it is told by its place here. Of a `SYMBOL`, what must be before it."""


class Form(msgspec.Struct, frozen=True):
    """A kind of message; it is told by its place among the scanner's."""

    begins: tuple[bytes, ...]
    """The ways it may begin, of which the last 24 bytes count."""
    parts: tuple[Part, ...]
    """What is told, in this order, after the form and the row of the instrument; but first of all,
    where there are sides, the rows of the room where they begin, part and end."""
    behind: str = ""
    """The symbol begins behind the last such letter of its text."""
    drop_zero: bool = False
    """Leave out levels at price 0; otherwise a message with one is not scanned."""
    plain: bool = False
    """Tell behind the sides' rows, too, whether all numbers are written as short as can be."""


class Scanner:
    """Scans one venue's messages.

    Args:
        forms: What they are like; the first that fits counts.
        plans: Returns the instruments, asked for again when they changed.
    """

    def __init__(self, forms: Sequence[Form], plans: Callable[[], Iterable[SidePlan]]) -> None:
        self._kernel = _kernel()
        self._ask = plans
        self._desk = np.zeros((1, _DESK), np.int64)
        self.place = address(self._desk)
        """What `read` wants to be called with, behind a message."""
        self._forms = np.array(
            [
                _laid_out(number, form, begin)
                for number, form in enumerate(forms)
                for begin in form.begins
            ],
            np.int64,
        )
        self._desk[0, :2] = address(self._forms), len(self._forms)
        self._changes = -1
        self.known: list[Any] = []
        """The instruments by their rows, as the decoder that made their plans knows them."""
        self.read: Callable[[bytes, int], Found] = self._first
        """Returns the kind of a message, the row of its instrument, and what its form tells."""
        self._begin()

    def heed(self, changes: int) -> None:
        """Ask for the instruments again before the next message, if this number is a new one."""
        if changes != self._changes:
            self._changes = changes
            self.read = self._first

    def renew(self) -> bool:
        """Begin a new room after a message was `FULL`; False if the old one was empty."""
        used = bool(self._desk[0, 6])
        if used:
            self._begin()
        return used

    def _begin(self) -> None:
        self.room: Levels = np.empty((_BLOCK, 2), np.int64)
        """Where levels are; those already told of never change."""
        self._desk[0, 4:7] = address(self.room), _BLOCK, 0

    def _first(self, frame: bytes, place: int) -> Found:
        """Learn the instruments, then read."""
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
        self.read = self._kernel
        return self.read(frame, place)


def _laid_out(number: int, form: Form, begin: bytes) -> list[int]:
    """Return a form as the kernel reads it, with one of its beginnings."""
    out = [0] * _FORM
    sides = [part for part in form.parts if part.kind in (SIDE, CHANGES)]
    told = _START - _OUT + (3 + form.plain if sides else 0)
    if len(form.parts) > _PARTS or any(len(part.words) > _WORDS for part in form.parts):
        raise ValueError(f"form of {begin!r} must have fewer parts or words")
    there = 0
    out[_FROM] = max(0, len(begin) - _MARK)
    begin = begin[-_MARK:]
    for at in range(0, len(begin), 8):
        some = begin[at : at + 8]
        out[at // 4] = signed(word_of(some))
        out[at // 4 + 1] = signed((1 << 8 * len(some)) - 1)
    values = any(part.kind in (PRICE, SIZE) for part in form.parts)
    out[_COUNT] = len(form.parts)
    out[_FLAGS] = (
        _ZERO * form.drop_zero | _SHORT * form.plain | _VALUES * values | _SIDED * bool(sides)
        | (ord(form.behind) if form.behind else 0) << _TAIL
    )  # fmt: skip
    out[_DEFAULT : _DEFAULT + 2] = number, -1
    out[_DEFAULT + _PLAIN - _OUT] = int(form.plain)
    for index, part in enumerate(form.parts):
        at = _FIRST + _PART * index
        out[at] = part.kind
        if part.kind == SIDE:
            out[at + 1] = sides.index(part)
        elif part.kind == THERE and there:
            out[at + 1] = there
        elif part.kind not in (SYMBOL, CHANGES):
            if told == _TOLD:
                raise ValueError(f"form of {begin!r} must tell less than {part.name}")
            out[at + 1] = told
            out[_DEFAULT + told] = part.default or 0
            there = told if part.kind == THERE else there
            told += 1
        words = [hash_of(word) for word in part.words]
        out[at + 2 : at + 2 + _WORDS] = words + [-1] * (_WORDS - len(words))
        out[_NEED] |= (part.default is None) << index
        slot = hash_of(part.name) % _KEYS
        while out[_KEY + 2 * slot + 1]:
            slot = (slot + 1) % _KEYS
        out[_KEY + 2 * slot], out[_KEY + 2 * slot + 1] = hash_of(part.name), index + 1
    return out
