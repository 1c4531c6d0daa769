"""What venues state in values finer than ticks, made by kernels that look up each value's text.

Only the interpreter makes a Decimal. A mapping remembers those of the texts met before; of a text
that is plainly a number the kernel has a new one made and adds it, and any other the mapping is
asked for, which says what is wrong (`core.feeds.decimals.Decimals`). The events themselves are made
by their fields' names. See `core.engine.made` for what an `Object` is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.codegen import ll
from numba.extending import intrinsic

from core.engine.compiled import Grid, address
from core.engine.made import _INT, _POINTER, _WORD, Object, _called, _dropped, _held, _integer, ir
from core.model.market import DayTicker, MarkPrice, OpenInterest

_KINDS: Final = (DayTicker, MarkPrice, OpenInterest)
_DAY, _MARK, _INTEREST = range(len(_KINDS))
_NAMES: Final = tuple(kind.__struct_fields__ for kind in _KINDS)
_NAMED: Final = len(_KINDS)
_NONE: Final = 2 * _NAMED
_DECIMAL: Final = _NONE + 1
_TABLE: Final[Grid] = np.array(
    [[*map(id, _KINDS), *map(id, _NAMES), id(None), id(Decimal)]], np.int64
)
_SYMBOL: Final = "clx_stated"
"""What compiled code, also out of the cache, calls that table."""

ll.add_symbol(_SYMBOL, address(_TABLE))

MEMO: Final = 4096
"""Most values such a mapping is made to hold by kernels; what it does then is its own affair."""

_DIGITS: Final = 40
"""Most digits, and most decimals, of a plain number."""

_WORD_DIGITS: Final = 18
"""As many digits, and a point among them, are surely no more than a word holds."""

LENGTH: Final = 255
"""A text's place and length are one number, of which the length is what these bits hold."""


@intrinsic
def _word_of_table(typing: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        table = context.get_c_value(builder, cgutils.int8_t, _SYMBOL)
        words = builder.bitcast(table, _WORD.as_pointer())
        return builder.load(builder.gep(words, [values[0]]))

    return types.int64(types.int64), generate


@intrinsic
def _named(typing: Any, kind: Any, names: Any, parts: Any) -> Any:
    """Call a class with parts by their names, of which none is kept but by what it returns."""
    count = len(parts)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind, names = (builder.inttoptr(value, _POINTER) for value in values[:2])
        room = cgutils.alloca_once(builder, _POINTER, size=count)
        out = cgutils.alloca_once_value(builder, _WORD(0))
        every = cgutils.true_bit
        pointers = []
        for index in range(count):
            part = builder.extract_value(values[2], index)
            every = builder.and_(every, builder.icmp_unsigned("!=", part, _WORD(0)))
            pointers.append(builder.inttoptr(part, _POINTER))
            builder.store(pointers[-1], builder.gep(room, [_INT(index)]))
        with builder.if_then(every, likely=True):
            made = _called(
                builder, "PyObject_Vectorcall", _POINTER, kind, room, _WORD(0), names
            )  # fmt: skip
            builder.store(builder.ptrtoint(made, _WORD), out)
        for pointer in pointers:
            # Which leaves alone what is 0.
            _called(builder, "Py_DecRef", ir.VoidType(), pointer)
        return builder.load(out)

    return types.int64(types.int64, types.int64, types.UniTuple(types.int64, count)), generate


@intrinsic
def spelt(typing: Any, data: Any, at: Any, length: Any) -> Any:
    """Return so many bytes of ASCII from a place on as a text."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = builder.gep(values[0], [values[1]])
        made = _called(builder, "PyUnicode_FromStringAndSize", _POINTER, start, values[2])
        return builder.ptrtoint(made, _WORD)

    return types.int64(data, types.int64, types.int64), generate


@intrinsic
def _looked_up(typing: Any, mapping: Any, key: Any) -> Any:
    """Return what a mapping has for a key, which is dropped; 0 and no error where it raises."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        mapping, key = (builder.inttoptr(value, _POINTER) for value in values)
        out = cgutils.alloca_once_value(builder, _WORD(0))
        with builder.if_then(cgutils.is_not_null(builder, key), likely=True):
            found = _called(builder, "PyObject_GetItem", _POINTER, mapping, key)
            builder.store(builder.ptrtoint(found, _WORD), out)
        _called(builder, "Py_DecRef", ir.VoidType(), key)
        missing = builder.icmp_unsigned("==", builder.load(out), _WORD(0))
        with builder.if_then(missing, likely=False):
            _called(builder, "PyErr_Clear", ir.VoidType())
        return builder.load(out)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _known(typing: Any, mapping: Any, key: Any) -> Any:
    """Return what a dict holds for a key, 0 if nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        mapping, key = (builder.inttoptr(value, _POINTER) for value in values)
        found = _called(builder, "PyDict_GetItemWithError", _POINTER, mapping, key)
        # Which leaves alone what is 0.
        _called(builder, "Py_IncRef", ir.VoidType(), found)
        return builder.ptrtoint(found, _WORD)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _added(typing: Any, mapping: Any, kind: Any, key: Any) -> Any:
    """Return what a class makes of a key, once a dict that is not full holds it; 0 if it raises."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        mapping, kind, key = (builder.inttoptr(value, _POINTER) for value in values)
        room = cgutils.alloca_once_value(builder, key)
        none = ir.Constant(_POINTER, None)
        made = _called(builder, "PyObject_Vectorcall", _POINTER, kind, room, _WORD(1), none)
        good = cgutils.is_not_null(builder, made)
        with builder.if_then(good, likely=True):
            size = _called(builder, "PyDict_Size", _WORD, mapping)
            with builder.if_then(builder.icmp_signed("<", size, _WORD(MEMO))):
                _called(builder, "PyDict_SetItem", _INT, mapping, key, made)
        with builder.if_then(builder.not_(good), likely=False):
            _called(builder, "PyErr_Clear", ir.VoidType())
        return builder.ptrtoint(made, _WORD)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def _item(typing: Any, row: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        row = builder.inttoptr(values[0], _POINTER)
        found = _called(builder, "PyList_GetItem", _POINTER, row, values[1])
        _called(builder, "Py_IncRef", ir.VoidType(), found)
        return builder.ptrtoint(found, _WORD)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _set_item(typing: Any, row: Any, index: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        row, item = (builder.inttoptr(value, _POINTER) for value in (values[0], values[2]))
        _called(builder, "PyList_SetItem", _INT, row, values[1], item)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@numba.njit(cache=True, forceinline=True)
def packed(at: int, length: int) -> int:
    """Return a text's place and length as one number, never 0; -1: too long for a value."""
    return (at << 8) + length if length <= LENGTH else -1


@numba.njit(cache=True, forceinline=True)
def empty(text: int) -> bool:
    """Return whether a `packed` text is empty, or 0 stands for none."""
    return not text & LENGTH


@numba.njit(cache=True)
def _plain(data: Any, at: int, end: int) -> bool:
    """Return whether a text between two places is a number without an exponent."""
    at += at < end and data[at] == 45
    for more in range(2):
        start = at
        while at < end and 48 <= data[at] <= 57:
            at += 1
        if at == start or at - start > _DIGITS:
            return False
        if at == end:
            return True
        if more or data[at] != 46:
            return False
        at += 1
    return False


@numba.njit(cache=True)
def digits_of(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the digits of a plain number without a minus, and how many are decimals.

    The latter is below 0 for any other text, and where the digits are more than a word holds.
    """
    odd = (0, -1)
    start, point = at, end
    digits = 0
    while at < end:
        letter = data[at]
        if 48 <= letter <= 57:
            digits = 10 * digits + int(letter) - 48
        elif letter == 46 and point == end and at > start:
            point = at
        else:
            return odd
        at += 1
    if end == start or point == end - 1 or end - start > _WORD_DIGITS:
        return odd
    return digits, max(end - point - 1, 0)


@numba.njit(cache=True)
def _value(data: Any, at: int, length: int, values: int) -> Object:
    """Return the value of a text, 0 and no error if it has none."""
    key = spelt(data, at, length)
    found = _known(values, key) if key else key
    if key and not found and _plain(data, at, at + length):
        found = _added(values, _word_of_table(_DECIMAL), key)
    if not found:
        return _looked_up(values, key)
    _dropped(key)
    return found


@numba.njit(cache=True)
def looked_up(data: Any, texts: Grid, values: int) -> bool:
    """Put in place of `packed` texts, of which 0 stands for none, what `values` has for them.

    Returns False, and leaves nothing but zeros, if one is no value. The mapping calls Python, so
    what was read before must not be needed again from where another message could put its own.
    """
    good = True
    for index in range(len(texts)):
        text = texts[index]
        if text:
            if good:
                texts[index] = _value(data, text >> 8, text & LENGTH, values)
                good = texts[index] != 0
            else:
                texts[index] = 0
    if not good:
        dropped(texts)
    return good


@numba.njit(cache=True, forceinline=True)
def dropped(objects: Grid) -> None:
    """Let go of objects that the kernel holds; 0 stands for none."""
    for index in range(len(objects)):
        if objects[index]:
            _dropped(objects[index])
            objects[index] = 0


@numba.njit(cache=True, forceinline=True)
def nil() -> Object:
    """Return None as a part of an event."""
    return _held(_word_of_table(_NONE))


@numba.njit(cache=True, forceinline=True)
def stands(row: int, index: int) -> bool:
    """Return whether a list has anything but None at a place."""
    found = _item(row, index)
    _dropped(found)
    return bool(found != _word_of_table(_NONE))


@numba.njit(cache=True, forceinline=True)
def item(row: int, index: int) -> Object:
    """Return what a list that someone else keeps has at a place."""
    return _item(row, index)


@numba.njit(cache=True, forceinline=True)
def set_item(row: int, index: int, value: Object) -> None:
    """Put an object at a place of a list."""
    _set_item(row, index, value)


@numba.njit(cache=True, forceinline=True)
def ticker(
    name: int,
    ts_ns: int,
    recv: int,
    last: Object,
    opened: Object,
    high: Object,
    low: Object,
    volume: Object,
    turnover: Object,
) -> Object:
    """Return a `DayTicker`; `name` and `recv` are someone else's objects."""
    return _named(
        _word_of_table(_DAY), _word_of_table(_NAMED + _DAY),
        (_held(name), _integer(ts_ns), _held(recv), last, opened, high, low, volume, turnover),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def mark(
    name: int, ts_ns: int, recv: int, price: Object, index: Object, rate: Object, next_ns: int
) -> Object:
    """Return a `MarkPrice`."""
    return _named(
        _word_of_table(_MARK), _word_of_table(_NAMED + _MARK),
        (_held(name), _integer(ts_ns), _held(recv), price, index, rate, _integer(next_ns)),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def interest(name: int, ts_ns: int, recv: int, size: Object, value: Object) -> Object:
    """Return an `OpenInterest`."""
    return _named(
        _word_of_table(_INTEREST), _word_of_table(_NAMED + _INTEREST),
        (_held(name), _integer(ts_ns), _held(recv), size, value),
    )  # fmt: skip
