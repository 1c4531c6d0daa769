"""Kernels called with their arguments as they lie, for what every message goes through.

numba's own entry of a kernel has the interpreter put the arguments in a tuple and takes them out
again, each number by several calls, which is a tenth of what a short message costs. One small
function for all kernels of a kind takes them the interpreter's quicker way, METH_FASTCALL of its C
interface, and calls the kernel at its place, which it is handed as the owner of the method.

A decoder's `decode` does nothing else for most frames, so it can be such a method itself.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from core.engine.compiled import Frame, Grid, address
from core.engine.made import _INT, _POINTER, _WORD, Made, _called, ir

_FASTCALL: Final = 0x0080
_GIVEN: Final = 5
_KERNEL, _DESK, _RECV, _LEFT, _WHOLE, _NONE = range(6)
"""Words of a decoder's table: its kernel's place, 0 while it is not to be called, and what that is
called with; and the addresses of the kind of frames it takes, of both ways in Python, of None."""
_SIGNATURE: Final = types.int64(types.int64, types.int64, types.int64)


class _Method(ctypes.Structure):
    """A `PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )  # fmt: skip


def _kinds(numbers: int) -> tuple[Any, ...]:
    """Return the arguments of a kernel: bytes, so many numbers, and an object."""
    return Frame(), *[types.int64] * numbers, Made()


def _place_of(builder: Any, owner: Any) -> Any:
    """Return the place that an `_Owner` says, which is there as soon as it is."""
    text = _called(builder, "PyBytes_AsString", _POINTER, builder.inttoptr(owner, _POINTER))
    return builder.load(builder.bitcast(text, _WORD.as_pointer()))


@intrinsic(prefer_literal=True)
def _answered(typing: Any, owner: Any, given: Any, count: Any, numbers: Any) -> Any:
    """Call the kernel at the place an owner says; its answer, or 0 with an error set."""
    kinds = _kinds(numbers.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        python = context.get_python_api(builder)

        def refuse_if(wrong: Any) -> None:
            with builder.if_then(wrong, likely=False):
                builder.branch(end)

        out = cgutils.alloca_once_value(builder, _WORD(0))
        end = builder.append_basic_block("answered.end")
        few = builder.icmp_signed("!=", values[2], _WORD(len(kinds)))
        with builder.if_then(few, likely=False):
            _called(builder, "PyErr_BadArgument", _INT)
            builder.branch(end)
        items = builder.inttoptr(values[1], _POINTER.as_pointer())
        objects = [builder.load(builder.gep(items, [_INT(at)])) for at in range(len(kinds))]
        place, size = cgutils.alloca_once(builder, _POINTER), cgutils.alloca_once(builder, _WORD)
        odd = _called(builder, "PyBytes_AsStringAndSize", _INT, objects[0], place, size)
        refuse_if(builder.icmp_signed("!=", odd, _INT(0)))
        frame = cgutils.create_struct_proxy(kinds[0])(context, builder)
        frame.data = builder.bitcast(builder.load(place), frame.data.type)
        frame.size = builder.load(size)
        parts = [frame._getvalue()]
        for item in objects[1:-1]:
            number = _called(builder, "PyLong_AsLongLong", _WORD, item)
            parts.append(number)
            with builder.if_then(builder.icmp_signed("==", number, _WORD(-1)), likely=False):
                error = _called(builder, "PyErr_Occurred", _POINTER)
                refuse_if(cgutils.is_not_null(builder, error))
        kind = context.call_conv.get_function_type(Made(), kinds)
        kernel = builder.inttoptr(_place_of(builder, values[0]), kind.as_pointer())
        status, answer = context.call_conv.call_function(
            builder, kernel, Made(), kinds, [*parts, objects[-1]]
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.raise_error(builder, python, status)
            builder.branch(end)
        builder.store(builder.ptrtoint(answer, _WORD), out)
        builder.branch(end)
        builder.position_at_end(end)
        return builder.load(out)

    return types.int64(types.int64, types.int64, types.int64, numbers), generate


@intrinsic
def _decoded(typing: Any, owner: Any, given: Any, count: Any) -> Any:
    """Call the kernel that the table at an owner names, or what it names for other frames."""
    kinds = _kinds(2)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        python = context.get_python_api(builder)
        none = ir.Constant(_POINTER, None)
        out = cgutils.alloca_once_value(builder, none)
        end = builder.append_basic_block("decoded.end")

        def refuse_if(wrong: Any) -> None:
            with builder.if_then(wrong, likely=False):
                builder.branch(end)

        def leave_to(which: int) -> None:
            call = builder.inttoptr(word(which), _POINTER)
            told = _called(builder, "PyObject_Vectorcall", _POINTER, call, items, values[2], none)
            builder.store(told, out)
            builder.branch(end)

        def word(which: int) -> Any:
            return builder.load(builder.gep(words, [_INT(which)]))

        words = builder.inttoptr(_place_of(builder, values[0]), _WORD.as_pointer())
        items = builder.inttoptr(values[1], _POINTER.as_pointer())
        with builder.if_then(builder.icmp_signed("!=", values[2], _WORD(_GIVEN)), likely=False):
            leave_to(_WHOLE)
        kind, conn, recv, _, data = (
            builder.load(builder.gep(items, [_INT(index)])) for index in range(_GIVEN)
        )
        place = word(_KERNEL)
        other = builder.icmp_unsigned("!=", builder.ptrtoint(kind, _WORD), word(_RECV))
        other = builder.or_(other, builder.icmp_unsigned("==", place, _WORD(0)))
        with builder.if_then(other, likely=False):
            leave_to(_WHOLE)
        start, size = cgutils.alloca_once(builder, _POINTER), cgutils.alloca_once(builder, _WORD)
        odd = _called(builder, "PyBytes_AsStringAndSize", _INT, data, start, size)
        refuse_if(builder.icmp_signed("!=", odd, _INT(0)))
        frame = cgutils.create_struct_proxy(kinds[0])(context, builder)
        frame.data = builder.bitcast(builder.load(start), frame.data.type)
        frame.size = builder.load(size)
        number = _called(builder, "PyLong_AsLongLong", _WORD, conn)
        with builder.if_then(builder.icmp_signed("==", number, _WORD(-1)), likely=False):
            refuse_if(cgutils.is_not_null(builder, _called(builder, "PyErr_Occurred", _POINTER)))
        shape = context.call_conv.get_function_type(Made(), kinds).as_pointer()
        status, answer = context.call_conv.call_function(
            builder, builder.inttoptr(place, shape), Made(), kinds,
            [frame._getvalue(), word(_DESK), number, recv],
        )  # fmt: skip
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.raise_error(builder, python, status)
            builder.branch(end)
        left = builder.icmp_unsigned("==", builder.ptrtoint(answer, _WORD), word(_NONE))
        with builder.if_then(left, likely=False):
            _called(builder, "Py_DecRef", ir.VoidType(), answer)
            leave_to(_LEFT)
        builder.store(answer, out)
        builder.branch(end)
        builder.position_at_end(end)
        return builder.ptrtoint(builder.load(out), _WORD)

    return types.int64(types.int64, types.int64, types.int64), generate


def _decode(owner: int, given: int, count: int) -> int:
    out: int = _decoded(owner, given, count)
    return out


def _with_one(owner: int, given: int, count: int) -> int:
    out: int = _answered(owner, given, count, 1)
    return out


def _with_two(owner: int, given: int, count: int) -> int:
    out: int = _answered(owner, given, count, 2)
    return out


class _Owner(bytes):
    """The place of a kernel, as it lies in memory: to ask a number of two digits takes 15 ns.

    The interpreter lets go of a method before its owner.
    """

    needed: tuple[object, ...]
    """What must live as long."""

    @classmethod
    def of(cls, place: int) -> _Owner:
        """Return the owner of what is there."""
        return cls(place.to_bytes(8, sys.byteorder))

    @property
    def place(self) -> int:
        """That place."""
        return int.from_bytes(self, sys.byteorder)


@cache
def _caller(numbers: int) -> tuple[_Method, object]:
    """Compile or load what calls kernels with so many numbers."""
    caller = numba.cfunc(_SIGNATURE, cache=True)(_with_one if numbers == 1 else _with_two)
    return _Method(b"kernel", caller.address, _FASTCALL, None), caller


@cache
def _decoder() -> tuple[_Method, object]:
    """Compile or load what decoders are called by."""
    caller = numba.cfunc(_SIGNATURE, cache=True)(_decode)
    return _Method(b"decode", caller.address, _FASTCALL, None), caller


def called(kernel: Any, numbers: int) -> Callable[..., Any]:
    """Compile or load a kernel that takes bytes, one or two numbers and an object, to be called.

    It is `core.engine.compiled.entry` of such a kernel, but quicker, and a wrong argument raises.
    """
    kinds = _kinds(numbers)
    kernel.compile(kinds)
    compiled = kernel.overloads[kinds]
    owner = _Owner.of(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
    method, caller = _caller(numbers)
    owner.needed = kernel, method, caller
    return _method(method, owner)


class Decode:
    """A decoder's way for frames off the stream, without a step in Python where its kernel tells.

    Args:
        tell: What `called` made of a kernel with two numbers, which are its desk's place and the
            connection; anything else leaves all frames to `whole`.
        desk: That place.
        left: Takes a frame of which the kernel said None.
        whole: Takes every other frame, such as one whose kind is not the very text "recv" that
            programs have, and all of them until the kernel is ready.
    """

    __slots__ = ("_place", "_words", "call")

    def __init__(
        self, tell: object, desk: int, left: Callable[..., Any], whole: Callable[..., Any]
    ) -> None:
        place = getattr(tell, "__self__", None)
        self._place = place.place if isinstance(place, _Owner) else 0
        table: Grid = np.array([[0, desk, id(_RECEIVED), id(left), id(whole), id(None)]], np.int64)
        self._words = table[0].data
        self.call: Callable[..., Any] = whole
        """What is called as the decoder's `decode` is, with arguments by their places."""
        if self._place:
            owner = _Owner.of(address(table))
            method, caller = _decoder()
            owner.needed = tell, left, whole, table, method, caller
            self.call = _method(method, owner)

    def ready(self, *, ready: bool) -> None:
        """Note whether the kernel knows all it needs; until then frames go to `whole`."""
        self._words[_KERNEL] = self._place if ready else 0


_RECEIVED: Final = "recv"


def _method(method: _Method, owner: _Owner) -> Callable[..., Any]:
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    made: Callable[..., Any] = make(ctypes.addressof(method), owner, None)
    return made
