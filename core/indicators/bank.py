"""A bank: any number of indicators, all updated by one compiled call per bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from core.indicators.catalogue import KINDS, IndicatorSpec, output_names, parse_all
from core.indicators.kernel import HEADER, compile_kernels, fast_step
from core.indicators.recurrences import F64
from core.model.errors import DataError


class _Saved(msgspec.Struct, array_like=True):
    stamp: int
    names: tuple[str, ...]
    cells: bytes


class Bank:
    """Streaming indicators: give it each closed bar once, oldest first.

    Args:
        specs: Expressions of the catalogue; equal ones are computed once.

    Raises:
        ConfigError: An expression is not the catalogue's.
    """

    names: tuple[str, ...]
    """Canonical output names in the order asked for, such as ``bb(20,2).upper``."""
    values: F64
    """The outputs after the last bar, aligned with `names`; NaN while warming up. A live view."""
    warmup: int
    """Bars needed until every output is finite."""
    update: Callable[[float, float, float, float, float, int], None]
    """``update(open, high, low, close, volume, ts_open_ns)``: take the next closed bar."""

    def __init__(self, specs: Sequence[str]) -> None:
        parsed = parse_all(specs)
        self.names = output_names(specs)
        self.warmup = max((spec.warmup for spec in parsed), default=0)
        self.cells = _layout(tuple({spec.base: spec for spec in parsed}.values()), self.names)
        """The whole bank as the kernel sees it."""
        start = int(self.cells[3])
        self.values = self.cells[start : start + len(self.names)]
        self.update = fast_step(self.cells)

    def as_dict(self) -> dict[str, float]:
        """Return the outputs by name."""
        return dict(zip(self.names, self.values.tolist(), strict=True))

    def state(self) -> bytes:
        """Return everything needed to go on from here in another bank of the same outputs."""
        stamp = compile_kernels()[0]
        return msgspec.msgpack.encode(_Saved(stamp, self.names, self.cells.tobytes()))

    def restore(self, state: bytes) -> None:
        """Go on from a saved state.

        Raises:
            DataError: It is damaged, of other indicators, or of another version's kernels; give
                the bank the history again.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=_Saved)
        except msgspec.DecodeError as error:
            raise DataError(f"indicator state cannot be read: {error}") from None
        if saved.names != self.names:
            raise DataError(f"indicator state is of {saved.names}, this bank has {self.names}")
        if saved.stamp != compile_kernels()[0]:
            raise DataError("indicator state was saved by another version of the kernels")
        if len(saved.cells) != self.cells.nbytes:
            raise DataError(
                f"indicator state must have {self.cells.nbytes} bytes, was {len(saved.cells)}"
            )
        self.cells[:] = np.frombuffer(saved.cells, np.float64)


def _layout(specs: tuple[IndicatorSpec, ...], names: tuple[str, ...]) -> F64:
    every = output_names(spec.base for spec in specs)
    copied = () if every == names else names
    maps = HEADER + 3 * len(specs)
    results = maps + 2 * len(copied)
    own = results + len(every)
    cells = np.zeros(own + sum(len(spec.params) + spec.cells for spec in specs))
    cells[0] = compile_kernels()[0]
    cells[1:HEADER] = len(specs), len(copied), maps + len(copied)
    place = results
    for i, spec in enumerate(specs):
        cells[HEADER + 3 * i : HEADER + 3 * i + 3] = KINDS[spec.name], own, place
        cells[own : own + len(spec.params)] = spec.params
        own += len(spec.params) + spec.cells
        place += max(1, len(spec.definition.outputs))
    cells[maps : maps + len(copied)] = [results + every.index(name) for name in copied]
    cells[maps + len(copied) : results + len(every)] = np.nan
    return cells
