"""Market events that compiled kernels make themselves, without a Python step on the way.

What a kernel returns becomes a tuple of numbers that Python takes apart, slices and puts together
again, and that costs more than the reading of most messages. Here a kernel calls the interpreter's
own functions instead. To a kernel an object is its address, and 0 says that an error is set. What
makes or holds an object gives the kernel one of its own; what takes it as a part takes it over. The
interpreter's lock is held throughout, as in every `entry`.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final, TypeAlias

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.codegen import ll
from numba.extending import NativeValue, box, intrinsic, models, register_model, unbox

from core.engine.compiled import Grid, address, view
from core.model.market import (
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    Levels,
    Quote,
    Trade,
    VenueBar,
)

Object: TypeAlias = Any
"""The address of an object that is the kernel's own."""

NO_LEVELS: Final[Levels] = np.zeros((0, 2), np.int64)

_KINDS: Final = (BookDelta, CheckedDelta, BookCheck, Quote, Trade, VenueBar, BookSnapshot)
_DELTA, _CHECKED, _CHECK, _QUOTE, _TRADE, _BAR, _IMAGE = range(len(_KINDS))
_ARRAY, _INTEGERS, _MAKE, _NO_LEVELS, _NOTHING, _NONE = range(len(_KINDS), len(_KINDS) + 6)
_WORDS: Final = _NONE + 1

_NEW_FROM_DESCR: Final = 94
"""Place of ``PyArray_NewFromDescr`` in numpy's table, the same in every version of it."""
_BASE: Final = 6
"""Word of a `PyArrayObject` that holds what it is a view of, see `core.engine.lent`."""
_CARRAY: Final = 0x0501

_INTEGER: Final = np.dtype(np.int64)
_EMPTY: Final[tuple[object, ...]] = ()


def _makings() -> Grid:
    """Return the addresses of what events are made of, and with."""
    capsule = ctypes.pythonapi.PyCapsule_GetPointer
    capsule.restype, capsule.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = capsule(np._core.multiarray._ARRAY_API, None)  # type: ignore[attr-defined]  # its C interface
    make = (ctypes.c_void_p * (_NEW_FROM_DESCR + 1)).from_address(table)[_NEW_FROM_DESCR]
    others = id(np.ndarray), id(_INTEGER), make, id(NO_LEVELS), id(_EMPTY), id(None)
    return np.array([[*map(id, _KINDS), *others]], np.int64)


_TABLE: Final = _makings()
_SYMBOL: Final = "clx_makings"
"""What compiled code, also out of the cache, calls that table."""

ll.add_symbol(_SYMBOL, address(_TABLE))

ir: Final = cgutils.ir
_WORD: Final = ir.IntType(64)
_INT: Final = ir.IntType(32)
_POINTER: Final = ir.IntType(8).as_pointer()


class Made(types.Type):  # type: ignore[misc]  # numba is untyped
    """An object that a kernel is given or returns."""

    def __init__(self) -> None:
        super().__init__(name="Made")


register_model(Made)(models.OpaqueModel)


@box(Made)
def _box_made(kind: Any, value: Any, on: Any) -> Any:
    return on.builder.bitcast(value, on.pyapi.pyobj)


@unbox(Made)
def _unbox_made(kind: Any, value: Any, on: Any) -> Any:
    return NativeValue(on.builder.bitcast(value, _POINTER))


def _called(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call a function of the interpreter."""
    kind = ir.FunctionType(result, [value.type for value in values])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, values)


@intrinsic
def _address_of_makings(typing: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(context.get_c_value(builder, cgutils.int8_t, _SYMBOL), _WORD)

    return types.int64(), generate


@intrinsic
def _integer(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = _called(builder, "PyLong_FromLongLong", _POINTER, values[0])
        return builder.ptrtoint(made, _WORD)

    return types.int64(types.int64), generate


@intrinsic
def _truth(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = _called(builder, "PyBool_FromLong", _POINTER, values[0])
        return builder.ptrtoint(made, _WORD)

    return types.int64(types.int64), generate


@intrinsic
def _held(typing: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _called(builder, "Py_IncRef", ir.VoidType(), builder.inttoptr(values[0], _POINTER))
        return values[0]

    return types.int64(types.int64), generate


@intrinsic
def _rows(typing: Any, make: Any, kind: Any, items: Any, base: Any, data: Any, count: Any) -> Any:
    """Make a view of `count` rows of two columns at an address in the array `base`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        make, kind, items, base, data, count = values
        shape = [_POINTER, _POINTER, _INT, _WORD.as_pointer(), _WORD.as_pointer(), _POINTER, _INT]
        function = ir.FunctionType(_POINTER, [*shape, _POINTER]).as_pointer()
        lengths = cgutils.alloca_once(builder, _WORD, size=2)
        builder.store(count, lengths)
        builder.store(_WORD(2), builder.gep(lengths, [_INT(1)]))
        kind, items, data = (builder.inttoptr(value, _POINTER) for value in (kind, items, data))
        _called(builder, "Py_IncRef", ir.VoidType(), items)
        none = ir.Constant(_POINTER, None)
        strides = ir.Constant(_WORD.as_pointer(), None)
        array = builder.call(
            builder.inttoptr(make, function),
            [kind, items, _INT(2), lengths, strides, data, _INT(_CARRAY), none],
        )
        with builder.if_then(cgutils.is_not_null(builder, array), likely=True):
            _called(builder, "Py_IncRef", ir.VoidType(), builder.inttoptr(base, _POINTER))
            words = builder.bitcast(array, _WORD.as_pointer())
            builder.store(base, builder.gep(words, [_INT(_BASE)]))
        return builder.ptrtoint(array, _WORD)

    return types.int64(*[types.int64] * 6), generate


@intrinsic
def _struct(typing: Any, kind: Any, parts: Any) -> Any:
    """Call a class with parts, of which none is kept but by what it returns."""
    count = len(parts)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        room = cgutils.alloca_once(builder, _POINTER, size=count)
        out = cgutils.alloca_once_value(builder, _WORD(0))
        every = cgutils.true_bit
        pointers = []
        for index in range(count):
            part = builder.extract_value(values[1], index)
            every = builder.and_(every, builder.icmp_unsigned("!=", part, _WORD(0)))
            pointers.append(builder.inttoptr(part, _POINTER))
            builder.store(pointers[-1], builder.gep(room, [_INT(index)]))
        with builder.if_then(every, likely=True):
            made = _called(
                builder, "PyObject_Vectorcall", _POINTER, builder.inttoptr(values[0], _POINTER),
                room, _WORD(count), ir.Constant(_POINTER, None),
            )  # fmt: skip
            builder.store(builder.ptrtoint(made, _WORD), out)
        for pointer in pointers:
            # Which leaves alone what is 0.
            _called(builder, "Py_DecRef", ir.VoidType(), pointer)
        return builder.load(out)

    return types.int64(types.int64, types.UniTuple(types.int64, count)), generate


@intrinsic
def _lone(typing: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        out = cgutils.alloca_once_value(builder, _WORD(0))
        good = builder.icmp_unsigned("!=", values[0], _WORD(0))
        with builder.if_then(good, likely=True):
            pointer = builder.inttoptr(values[0], _POINTER)
            made = _called(builder, "PyTuple_Pack", _POINTER, _WORD(1), pointer)
            _called(builder, "Py_DecRef", ir.VoidType(), pointer)
            builder.store(builder.ptrtoint(made, _WORD), out)
        return builder.load(out)

    return types.int64(types.int64), generate


@intrinsic
def _row_of(typing: Any, count: Any) -> Any:
    """Make a tuple of so many objects, which must be put there before anyone sees it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = _called(builder, "PyTuple_New", _POINTER, values[0])
        return builder.ptrtoint(made, _WORD)

    return types.int64(types.int64), generate


@intrinsic
def _put(typing: Any, row: Any, index: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        row, item = (builder.inttoptr(value, _POINTER) for value in (values[0], values[2]))
        _called(builder, "PyTuple_SetItem", _INT, row, values[1], item)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def _dropped(typing: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _called(builder, "Py_DecRef", ir.VoidType(), builder.inttoptr(values[0], _POINTER))
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def _given(typing: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], _POINTER)

    return Made()(types.int64), generate


@intrinsic
def _taken(typing: Any, item: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(values[0], _WORD)

    return types.int64(Made()), generate


@numba.njit(cache=True, forceinline=True)
def _made(which: int, parts: Any) -> Object:
    return _struct(view(_address_of_makings(), 1, _WORDS)[0, which], parts)


@numba.njit(cache=True, forceinline=True)
def taken(item: Any) -> Any:
    """Return the address of an object the kernel was called with, which is not its own."""
    return _taken(item)


@numba.njit(cache=True, forceinline=True)
def held(place: int) -> Object:
    """Return an object that someone else keeps, as one of the kernel's own."""
    return _held(place)


@numba.njit(cache=True, forceinline=True)
def levels(room: int, at: int, start: int, end: int) -> Object:
    """Return rows of an array of levels, which is an object at `room` with its data at `at`."""
    on = view(_address_of_makings(), 1, _WORDS)[0]
    if end <= start:
        return _held(on[_NO_LEVELS])
    return _rows(on[_MAKE], on[_ARRAY], on[_INTEGERS], room, at + 16 * start, end - start)


@numba.njit(cache=True, forceinline=True)
def nothing() -> Any:
    """Return no events: a message was read, and there is nothing to tell of it."""
    return _given(_held(view(_address_of_makings(), 1, _WORDS)[0, _NOTHING]))


@numba.njit(cache=True, forceinline=True)
def unmade() -> Any:
    """Return None: Python is to look at the message."""
    return _given(_held(view(_address_of_makings(), 1, _WORDS)[0, _NONE]))


@numba.njit(cache=True, forceinline=True)
def one(event: Object) -> Any:
    """Return an event alone, as a message's events."""
    return _given(_lone(event))


@numba.njit(cache=True, forceinline=True)
def several(count: int) -> Object:
    """Return a tuple of so many events, which are then to be `put` there one after another."""
    return _row_of(count)


@numba.njit(cache=True, forceinline=True)
def put(events: Object, index: int, event: Object) -> Object:
    """Take an event into a tuple and return that; it is dropped, and 0 told, if there is none."""
    if events and event:
        _put(events, index, event)
        return events
    _dropped(events)
    _dropped(event)
    return np.int64(0)


@numba.njit(cache=True, forceinline=True)
def every(events: Object) -> Any:
    """Return the events of a message."""
    return _given(events)


@numba.njit(cache=True, forceinline=True)
def delta(
    name: int, ts_ns: int, recv: int, first: int, last: int, prev: int, bids: Object, asks: Object
) -> Object:
    """Return a `BookDelta`; `name` and `recv` are someone else's objects."""
    return _made(
        _DELTA,
        (
            _held(name), _integer(ts_ns), _held(recv), _integer(first), _integer(last),
            _integer(prev), bids, asks,
        ),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def checked(
    name: int,
    ts_ns: int,
    recv: int,
    first: int,
    last: int,
    prev: int,
    bids: Object,
    asks: Object,
    checksum: int,
) -> Object:
    """Return a `CheckedDelta`, whose check has no texts."""
    return _made(
        _CHECKED,
        (
            _held(name), _integer(ts_ns), _held(recv), _integer(first), _integer(last),
            _integer(prev), bids, asks, _made(_CHECK, (_integer(checksum),)),
        ),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def image(name: int, ts_ns: int, recv: int, last: int, bids: Object, asks: Object) -> Object:
    """Return a `BookSnapshot` of the stream itself, which has no check."""
    return _made(
        _IMAGE,
        (_held(name), _integer(ts_ns), _held(recv), _integer(last), bids, asks, _truth(1)),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def quote(
    name: int, ts_ns: int, recv: int, bid: int, bid_lots: int, ask: int, ask_lots: int, update: int
) -> Object:
    """Return a `Quote`."""
    return _made(
        _QUOTE,
        (
            _held(name), _integer(ts_ns), _held(recv), _integer(bid), _integer(bid_lots),
            _integer(ask), _integer(ask_lots), _integer(update),
        ),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def trade(
    name: int, ts_ns: int, recv: int, price: int, lots: int, sold: int, number: int, first: int
) -> Object:
    """Return a `Trade`; `sold`: the buyer is the maker."""
    return _made(
        _TRADE,
        (
            _held(name), _integer(ts_ns), _held(recv), _integer(price), _integer(lots),
            _truth(sold), _integer(number), _integer(first),
        ),
    )  # fmt: skip


@numba.njit(cache=True, forceinline=True)
def bar(
    name: int,
    frame: Object,
    opened_ns: int,
    recv: int,
    first: int,
    high: int,
    low: int,
    last: int,
    lots: int,
    closed: int,
) -> Object:
    """Return a `VenueBar`; `frame` is the kernel's own text of its timeframe."""
    return _made(
        _BAR,
        (
            _held(name), frame, _integer(opened_ns), _held(recv), _integer(first), _integer(high),
            _integer(low), _integer(last), _integer(lots), _truth(closed),
        ),
    )  # fmt: skip
