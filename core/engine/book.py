"""The order book of one instrument, in integer ticks and lots.

Each side is a pair of sorted arrays with the best level last, so that changes near the touch,
which are nearly all of them, move only a few entries. Ask prices are kept negated: both sides are
then ascending with the best last, and one kernel serves both::

    row 0  bid prices   ascending, best last
    row 1  bid sizes
    row 2  -ask prices  ascending, best last
    row 3  ask sizes

A level removed far from the touch stays as a hole, of size 0, for the next level that is added near
it: books of a million-dollar market have ten thousand levels a side, and those far away come and go
as well. The best level is never a hole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, entry, slide, view
from core.model.market import Levels

Store: TypeAlias = npt.NDArray[np.int64]

MAX_LEVELS: Final = 1 << 17
"""Most levels kept a side; beyond it those farthest from the touch are dropped."""

_START_LEVELS: Final = 1 << 11
_WINDOW: Final = 8
_NO_BID: Final = -(1 << 63)
_NO_ASK: Final = (1 << 63) - 1
"""Best prices of an empty side: they cross nothing."""

_STORE, _ROOM, _MOST, _BIDS, _ASKS, _BID, _ASK, _LAST_ID, _BID_HOLES, _ASK_HOLES = range(10)
_WIDTH: Final = 10
"""Figures of a book: its store's address, room and bound in levels, counts of entries, best prices,
the id `OrderBook.last_id` tells, and how many entries are holes."""

_FAR: Final = 48
"""Entries from the touch beyond which a removed level leaves a hole."""
_REACH: Final = 16
"""Entries among which a new level looks for a hole, towards the touch."""
_SPARE: Final = 256
"""Holes a side may have before a quarter of its entries must not be any."""

_NEAR: Final = 8
"""Levels looked at one by one before the rest is added up whole."""
_NO_ROOM: Final = -1
_BIG: Final = -2


@numba.njit(cache=True, forceinline=True)
def _find(keys: Store, n: int, key: int, near: int) -> int:
    """Return the first of `n` ascending keys that is not below `key`, looking from `near` on.

    A message lists its levels best first, so the next one is a little below the last.
    """
    low = min(near, n)
    high = n
    if low == n or keys[np.uint64(low)] >= key:
        # Nearly always it is one of the next few: counting them all is quicker than guessing.
        if low >= _WINDOW:
            above = 0
            base = np.uint64(low - _WINDOW)
            for index in range(_WINDOW):
                above += keys[base + np.uint64(index)] >= key
            if above < _WINDOW:
                return low - above
            low -= _WINDOW
        step = 1
        high = low
        low = high - 1
        while low >= 0 and keys[np.uint64(low)] >= key:
            high = low
            low = high - step
            step += step
        low = max(low, -1) + 1
    while low < high:
        middle = (low + high) >> 1
        if keys[np.uint64(middle)] < key:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, forceinline=True)
def _place(
    keys: Store, sizes: Store, n: int, holes: int, found: int, key: int, size: int
) -> tuple[int, int]:
    """Set one level of an ascending side at its place; returns its entries and holes afterwards.

    Indices are unsigned where it counts: numba then need not look for negative ones.
    """
    at = np.uint64(found)
    if found < n and keys[at] == key:
        before = sizes[at]
        if size > 0:
            sizes[at] = size
            return n, holes - (before == 0)
        if before == 0:
            return n, holes
        if n - found > _FAR:
            sizes[at] = 0
            return n, holes + 1
        slide(keys, found, found + 1, n - found - 1)
        slide(sizes, found, found + 1, n - found - 1)
        n -= 1
        if found == n:
            while n and sizes[np.uint64(n - 1)] == 0:
                n -= 1
                holes -= 1
        return n, holes
    if size <= 0:
        return n, holes
    end = n
    if holes:
        if found and sizes[np.uint64(found - 1)] == 0:
            keys[np.uint64(found - 1)] = key
            sizes[np.uint64(found - 1)] = size
            return n, holes - 1
        for near in range(found, min(found + _REACH, n)):
            if sizes[np.uint64(near)] == 0:
                end = near
                break
    slide(keys, found + 1, found, end - found)
    slide(sizes, found + 1, found, end - found)
    keys[at] = key
    sizes[at] = size
    return (n + 1, holes) if end == n else (n, holes - 1)


@numba.njit(cache=True)
def _side(
    keys: Store, sizes: Store, n: int, holes: int, ask: int, levels: Levels
) -> tuple[int, int]:
    """Set changed levels of a side; returns its entries and holes afterwards."""
    near = n
    for index in range(levels.shape[0]):
        key = -levels[index, 0] if ask else levels[index, 0]
        near = _find(keys, n, key, near)
        n, holes = _place(keys, sizes, n, holes, near, key, levels[index, 1])
    if holes > _SPARE and 4 * holes > n:
        return _filled(keys, sizes, n), 0
    return n, holes


@numba.njit(cache=True)
def _filled(keys: Store, sizes: Store, n: int) -> int:
    """Do away with the holes of a side and return its levels."""
    to = 0
    for at in range(n):
        if sizes[at]:
            keys[to] = keys[at]
            sizes[to] = sizes[at]
            to += 1
    return to


@numba.njit(cache=True)
def _apply(desk: int, bids: Levels, asks: Levels) -> int:
    """Set changed levels of the book whose figures lie at an address.

    Returns whether it is crossed now, `_BIG` when a side has grown too long, `_NO_ROOM` untouched.
    """
    on = view(desk, 1, _WIDTH)[0]
    n_bids, n_asks, room = on[_BIDS], on[_ASKS], on[_ROOM]
    if n_bids + bids.shape[0] > room or n_asks + asks.shape[0] > room:
        return _NO_ROOM
    store = view(on[_STORE], 4, room)
    n_bids, on[_BID_HOLES] = _side(store[0], store[1], n_bids, on[_BID_HOLES], 0, bids)
    n_asks, on[_ASK_HOLES] = _side(store[2], store[3], n_asks, on[_ASK_HOLES], 1, asks)
    best_bid = store[0, n_bids - 1] if n_bids else _NO_BID
    best_ask = -store[2, n_asks - 1] if n_asks else _NO_ASK
    on[_BIDS] = n_bids
    on[_ASKS] = n_asks
    on[_BID] = best_bid
    on[_ASK] = best_ask
    if max(n_bids, n_asks) > on[_MOST]:
        return _BIG
    return int(best_bid >= best_ask)


@numba.njit(cache=True)
def _load(desk: int, bids: Levels, asks: Levels) -> int:
    """Replace the book whose figures lie at an address with an image; returns what `_apply` does.

    From the far end of an image to the touch, which it lists first, every level is only appended.
    """
    on = view(desk, 1, _WIDTH)[0]
    room = on[_ROOM]
    if bids.shape[0] > room or asks.shape[0] > room:
        return _NO_ROOM
    store = view(on[_STORE], 4, room)
    longest = 0
    for side in range(2):
        levels = asks if side else bids
        keys = store[2 * side]
        sizes = store[2 * side + 1]
        n = holes = 0
        for index in range(levels.shape[0] - 1, -1, -1):
            key = -levels[index, 0] if side else levels[index, 0]
            size = levels[index, 1]
            last = np.uint64(n - 1)
            if n == 0 or key > keys[last]:
                if size > 0:
                    keys[np.uint64(n)] = key
                    sizes[np.uint64(n)] = size
                    n += 1
            else:
                found = _find(keys, n, key, n)
                n, holes = _place(keys, sizes, n, holes, found, key, size)
        on[_BIDS + side] = n
        on[_BID_HOLES + side] = holes
        best = keys[n - 1] if n else _NO_BID
        if side:
            best = -best if n else _NO_ASK
        on[_BID + side] = best
        longest = max(longest, n)
    if longest > on[_MOST]:
        return _BIG
    return int(on[_BID] >= on[_ASK])


@cache
def _kernels() -> tuple[Callable[[int, Levels, Levels], int], Callable[[int, Levels, Levels], int]]:
    """Compile or load the kernels, once a process, for level arrays of any memory layout."""
    levels = np.zeros((2, 2), np.int64)
    store = np.zeros((4, 4), np.int64)
    desk = np.array([[address(store), 4, 4, 0, 0, _NO_BID, _NO_ASK, 0, 0, 0]], np.int64)
    place = address(desk)
    return (
        entry(_apply, place, levels, levels, lent=True),
        entry(_load, place, levels, levels, lent=True),
    )


@numba.njit(cache=True, forceinline=True)
def side_of(desk: int, side: int) -> tuple[Store, Store, int]:
    """Return prices, sizes and count of levels of the bids (0) or asks (1), asks negated.

    The best is last. An entry of size 0 is none of the levels, see `level_at`.
    """
    on = view(desk, 1, _WIDTH)[0]
    store = view(on[_STORE], 4, on[_ROOM])
    n = on[_BIDS + side]
    return store[2 * side][:n], store[2 * side + 1][:n], n - on[_BID_HOLES + side]


@numba.njit(cache=True, forceinline=True)
def level_at(sizes: Store, at: int) -> int:
    """Return the place of the level at an entry, or where it is a hole of the next worse one."""
    while sizes[np.uint64(at)] == 0:
        at -= 1
    return at


@numba.njit(cache=True)
def _show(desk: int, n_bids: int, out: Levels) -> None:
    """Write the best `n_bids` bids, then as many of the best asks as there is room for."""
    on = view(desk, 1, _WIDTH)[0]
    store = view(on[_STORE], 4, on[_ROOM])
    at = on[_BIDS]
    for index in range(n_bids):
        at = level_at(store[1], at - 1)
        out[index, 0] = store[0][np.uint64(at)]
        out[index, 1] = store[1][np.uint64(at)]
    at = on[_ASKS]
    for index in range(n_bids, out.shape[0]):
        at = level_at(store[3], at - 1)
        out[index, 0] = -store[2][np.uint64(at)]
        out[index, 1] = store[3][np.uint64(at)]


@numba.njit(cache=True, forceinline=True)
def last_id(desk: int) -> int:
    """Return the `OrderBook.last_id` of the book at an address."""
    return int(view(desk, 1, _WIDTH)[0, _LAST_ID])


@numba.njit(cache=True, forceinline=True)
def note_id(desk: int, number: int) -> None:
    """Set the `OrderBook.last_id` of the book at an address."""
    view(desk, 1, _WIDTH)[0, _LAST_ID] = number


@cache
def _shown() -> Callable[[int, int, Levels], None]:
    """Compile or load the kernel that reads a book, once a process."""
    out = np.zeros((0, 2), np.int64)
    store = np.zeros((4, 4), np.int64)
    desk = np.array([[address(store), 4, 4, 0, 0, _NO_BID, _NO_ASK, 0, 0, 0]], np.int64)
    return entry(_show, address(desk), 0, out)


class OrderBook:
    """One book; knows nothing of sequence numbers but the last id it was told."""

    __slots__ = ("_desk", "_figures", "_load", "_show", "_store", "place", "quick")

    def __init__(self) -> None:
        # The kernel is given one address, and finds and leaves everything there.
        self._desk: Store = np.array(
            [[0, 0, MAX_LEVELS, 0, 0, _NO_BID, _NO_ASK, 0, 0, 0]], np.int64
        )
        self.place = address(self._desk)
        """Where that lies, for `quick` and for kernels of others that read it by `side_of`."""
        self.quick: Callable[[int, Levels, Levels], int]
        """The quick form of `apply`, which takes the place first.

        Returns 0, or 1 when crossed; below 0 it must be left to `apply`."""
        self.quick, self._load = _kernels()
        self._show = _shown()
        self._figures = self._desk.data.cast("B").cast("q")
        self._keep(np.zeros((4, _START_LEVELS), np.int64))

    @property
    def last_id(self) -> int:
        """The venue's id of the last change contained; kept by the integrity gate."""
        return self._figures[_LAST_ID]

    @last_id.setter
    def last_id(self, last_id: int) -> None:
        try:
            self._figures[_LAST_ID] = last_id
        except ValueError:
            # No venue's are longer than 64 bits; what a mangled message says must be no error here.
            self._figures[_LAST_ID] = _NO_ASK if last_id > 0 else _NO_BID

    @property
    def n_bids(self) -> int:
        """Number of bid levels."""
        return self._figures[_BIDS] - self._figures[_BID_HOLES]

    @property
    def n_asks(self) -> int:
        """Number of ask levels."""
        return self._figures[_ASKS] - self._figures[_ASK_HOLES]

    @property
    def best_bid(self) -> int | None:
        """Best bid in ticks, None when the side is empty."""
        return self._figures[_BID] if self._figures[_BIDS] else None

    @property
    def best_ask(self) -> int | None:
        """Best ask in ticks, None when the side is empty."""
        return self._figures[_ASK] if self._figures[_ASKS] else None

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask, which no true book is."""
        return self._figures[_BID] >= self._figures[_ASK]

    def clear(self) -> None:
        """Forget every level."""
        self.last_id = 0
        self._empty()

    def load(self, bids: Levels, asks: Levels) -> None:
        """Replace the book with an image; levels in any order, best first is quickest."""
        found = self._load(self.place, bids, asks)
        if found == _NO_ROOM:
            self._grow(max(len(bids), len(asks)))
            found = self._load(self.place, bids, asks)
        if found == _BIG:
            self.cut(MAX_LEVELS)

    def apply(self, bids: Levels, asks: Levels) -> bool:
        """Set changed levels and return whether the book is crossed now.

        Sizes are absolute, 0 removes; removing an unknown level is normal. Arrays must be int64;
        levels come in any order, best first is quickest, and of two with one price the later wins.
        """
        found = self.quick(self.place, bids, asks)
        if found >= 0:
            return found == 1
        if found == _NO_ROOM:
            figures = self._figures
            self._grow(max(figures[_BIDS] + len(bids), figures[_ASKS] + len(asks)))
            return self.apply(bids, asks)
        self.cut(MAX_LEVELS)
        return self.crossed

    def cut(self, depth: int) -> None:
        """Forget all but the best `depth` levels a side."""
        for side in range(2):
            levels = self._store[2 * side : 2 * side + 2]
            n = self._figures[_BIDS + side]
            if self._figures[_BID_HOLES + side]:
                kept = levels[:, :n][:, levels[1, :n] > 0]
                n = self._figures[_BIDS + side] = kept.shape[1]
                self._figures[_BID_HOLES + side] = 0
                levels[:, :n] = kept
            if n > depth:
                levels[:, :depth] = levels[:, n - depth : n].copy()
                self._figures[_BIDS + side] = depth

    def top(self, depth: int) -> tuple[Levels, Levels]:
        """Return the best `depth` levels a side as (n, 2) arrays of ticks and lots, best first."""
        n_bids, n_asks = min(self.n_bids, depth), min(self.n_asks, depth)
        out = np.empty((n_bids + n_asks, 2), np.int64)
        self._show(self.place, n_bids, out)
        return out[:n_bids], out[n_bids:]

    def size_at(self, price_ticks: int, *, bid: bool) -> int:
        """Return the size in lots resting at a price, 0 when there is none."""
        row, key = (0, price_ticks) if bid else (2, -price_ticks)
        n = self._figures[_BIDS if bid else _ASKS]
        keys = self._store[row, :n]
        at = int(np.searchsorted(keys, key))
        return int(self._store[row + 1, at]) if at < n and keys[at] == key else 0

    def shown(self, to_ticks: int, enough: int, *, bid: bool) -> int:
        """Return the lots a side shows from its best level up to a price, at least `enough`."""
        row, last = (0, to_ticks) if bid else (2, -to_ticks)
        n = self._figures[_BIDS if bid else _ASKS]
        store, total, rest = self._store, 0, max(n - _NEAR, 0)
        item = store.item  # plain integers, without a view of a row for them
        for at in range(n - 1, rest - 1, -1):
            if item(row, at) < last:
                return total
            total += item(row + 1, at)
            if total >= enough:
                return total
        first = int(np.searchsorted(store[row, :rest], last))
        return total + int(store[row + 1, first:rest].sum())

    def image(self) -> bytes:
        """Return every level as bytes, the same for the same book on any machine."""
        bids, asks = self.top(max(self.n_bids, self.n_asks))
        return bids.astype("<i8").tobytes() + b"|" + asks.astype("<i8").tobytes()

    def _grow(self, needed: int) -> None:
        width = self._store.shape[1]
        while width < needed:
            width *= 2
        store = np.zeros((4, width), np.int64)
        store[:, : self._store.shape[1]] = self._store
        self._keep(store)

    def _keep(self, store: Store) -> None:
        self._store = store
        self._figures[_STORE] = address(store)
        self._figures[_ROOM] = store.shape[1]

    def _empty(self) -> None:
        self._figures[_BIDS] = self._figures[_ASKS] = 0
        self._figures[_BID_HOLES] = self._figures[_ASK_HOLES] = 0
        self._figures[_BID], self._figures[_ASK] = _NO_BID, _NO_ASK


def warm() -> None:
    """Compile or load the kernel with the types used, so that the first tick does not wait."""
    _kernels()
    _shown()
