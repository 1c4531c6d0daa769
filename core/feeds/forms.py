"""What the scanner reads: forms of messages and their parts, and how its kernel is told of them.

A venue says of each kind of message that it sends often how it begins and which of its parts are
wanted, by their names and in any order.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.feeds.jsonbytes import hash_of
from core.feeds.literals import signed, word_of

(
    SYMBOL, SIDE, CHANGES, WHOLE, TIME, STAMP, TEXT, WORD, TRUTH, PRICE, SIZE, VALUE, SIGNED,
    IDENT,
) = range(14)  # fmt: skip
"""What a part is.

`SYMBOL` is the venue's name of the instrument, or ends with it; it may be said again. `SIDE` is an
array of levels, whose first two values are price and size; `CHANGES` one of levels that begin with
``"buy"`` or ``"sell"``, and makes both sides. `WHOLE` is a whole number, quoted or not, `SIGNED`
one that may be negative, `TIME` one that counts milliseconds and is told in nanoseconds, `STAMP` a
time as RFC 3339 writes it. Of a `TEXT` a hash is told, of a `WORD` which of a few it is, of `TRUTH`
1 or 0; `PRICE` and `SIZE` are quoted and told in ticks and lots. Of a `VALUE`, a number finer than
these, it is told apart from all others where its text is, see `core.engine.stated.packed`, 0 if
there is none. An `IDENT` is a text that is told as the whole number it is, else as its hash.
"""

TOLD: Final = 12
"""Figures told of a message: its form, the row of its instrument, and what its form says."""
TEXTS: Final = 12
"""Values told of a message, beside these."""
_SIDES: Final = 2
PLAIN: Final = _SIDES + 3
"""Which figures of a form with sides are where they lie, and whether they are plain."""
ROW: Final = 6
"""Figures of an object of a form with rows, which stand behind where they lie."""

# A form: how it begins, as words and masks, and from which byte on; its flags, needed parts, count
# of parts; what is told by default; of each part its kind, where it is told, and its words; names.
MARK: Final = 24
PARTS: Final = 16
WORDS: Final = 4
KEYS: Final = 64
PART_WIDTH: Final = 2 + WORDS
FROM, FLAGS, NEED, COUNT, DEFAULT = 6, 7, 8, 9, 10
FIRST: Final = DEFAULT + TOLD
KEY: Final = FIRST + PARTS * PART_WIDTH
FORM_WIDTH: Final = KEY + 2 * KEYS

ZERO, SHORT, VALUES, SIDED, ROWED, STATED = 1, 2, 4, 8, 16, 32
TAIL: Final = 6
"""From this bit on flags hold the letter behind which a symbol begins in its text, 0: at once."""


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
    rows: bool = False
    """The parts are those of every object in an array that is a member of the message, such as its
    trades. What they tell, `ROW` figures of each, is in the room, from the row of the first of the
    sides' figures to that of the last. The symbol must come before them."""
    plain: bool = False
    """Tell behind the sides' rows, too, whether all numbers are written as short as can be."""


def laid_out(number: int, form: Form, begin: bytes) -> list[int]:
    """Return a form as the kernel reads it, with one of its beginnings."""
    out = [0] * FORM_WIDTH
    sides = [part for part in form.parts if part.kind in (SIDE, CHANGES)]
    placed = bool(sides) or form.rows
    told = _SIDES + (3 + form.plain if placed else 0)
    if len(form.parts) > PARTS or any(len(part.words) > WORDS for part in form.parts):
        raise ValueError(f"form of {begin!r} must have fewer parts or words")
    stated = 0
    out[FROM] = max(0, len(begin) - MARK)
    begin = begin[-MARK:]
    for at in range(0, len(begin), 8):
        some = begin[at : at + 8]
        out[at // 4] = signed(word_of(some))
        out[at // 4 + 1] = signed((1 << 8 * len(some)) - 1)
    values = any(part.kind in (PRICE, SIZE) for part in form.parts)
    out[COUNT] = len(form.parts)
    out[FLAGS] = (
        ZERO * form.drop_zero | SHORT * form.plain | VALUES * values | SIDED * placed
        | ROWED * form.rows | STATED * any(part.kind == VALUE for part in form.parts)
        | (ord(form.behind) if form.behind else 0) << TAIL
    )  # fmt: skip
    out[DEFAULT : DEFAULT + 2] = number, -1
    out[DEFAULT + PLAIN] = int(form.plain)
    for index, part in enumerate(form.parts):
        at = FIRST + PART_WIDTH * index
        out[at] = part.kind
        if part.kind == SIDE:
            out[at + 1] = sides.index(part)
        elif part.kind == VALUE:
            if stated == TEXTS:
                raise ValueError(f"form of {begin!r} must have fewer values than {part.name}")
            out[at + 1] = stated
            stated += 1
        elif part.kind not in (SYMBOL, CHANGES):
            if told == TOLD:
                raise ValueError(f"form of {begin!r} must tell less than {part.name}")
            out[at + 1] = told
            out[DEFAULT + told] = part.default or 0
            told += 1
        words = [hash_of(word) for word in part.words]
        out[at + 2 : at + 2 + WORDS] = words + [-1] * (WORDS - len(words))
        out[NEED] |= (part.default is None) << index
        slot = hash_of(part.name) % KEYS
        while out[KEY + 2 * slot + 1]:
            slot = (slot + 1) % KEYS
        out[KEY + 2 * slot], out[KEY + 2 * slot + 1] = hash_of(part.name), index + 1
    return out
