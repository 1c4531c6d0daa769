"""A venue's request budget, shared by all programs of one home: a small file each window is in.

::

    0    magic, version        once
    64   slot 0                one limiter of one process writes here, all others only read
    128  slot 1 ...            pid, role, last seen, window, used, blocked until: int64 each

Nobody waits for anybody: each writes its own slot and adds up the others. Who counts first and asks
then cannot pass the limit, whatever happens in between. What a killed program used counts until its
window ends, for the venue counts it too; its place is free as soon as it is gone.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Final

from core.model.errors import StoreError
from core.model.ports import Clock

_MAGIC: Final = b"clxbudg1"
_SLOTS: Final = 64
_SLOT: Final = 64
_SIZE: Final = _SLOT * (_SLOTS + 1)
_PID, _ROLE, _SEEN, _WINDOW, _USED, _BLOCKED = range(6)
_WORDS: Final = _SLOT // 8
_PLACES: Final = range(_WORDS, _WORDS * (_SLOTS + 1), _WORDS)

_SEEN_NS: Final = 120_000_000_000
"""A program that asked nothing for so long leaves its share to others; the clock of a feed is asked
every 30 s."""
_PATIENCE: Final = 200
"""Times a slot is tried for, a millisecond apart: the lock is held for microseconds."""


class Role(IntEnum):
    """What a program wants of a venue."""

    LIVE = 1
    """The engine: prices and orders."""
    BULK = 2
    """A download, which can wait."""


class Window:
    """One limiter's share of a venue's budget; all that have the same file see each other.

    Args:
        path: The file of this venue and length of window, made where it is missing.
        role: Whether it goes first or takes what is left.
        share: Part of the budget that bulk may use while something live is there.
        clock: Says which window it is.

    Raises:
        StoreError: The file cannot be used, or has no slot left.
    """

    def __init__(self, path: Path, *, role: Role, share: float, clock: Clock) -> None:
        self.role = role
        self.share = share
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"request budget {path}: {error.strerror}") from None
        try:
            self._map = self._claim(path)
        except BaseException:
            os.close(self._fd)
            raise

    def used(self, window: int) -> tuple[int, int, bool]:
        """Return what all used in a window, what bulk did of it, and whether a live one is there.

        The whole counts what programs used that are gone.
        """
        total = bulk = 0
        live = False
        now_ns = self._clock.now_ns()
        words = self._words
        for at in self._slots():
            if words[at + _WINDOW] == window:
                total += words[at + _USED]
                if words[at + _ROLE] == Role.BULK:
                    bulk += words[at + _USED]
            if words[at + _ROLE] == Role.LIVE and self._is_there(at, now_ns):
                live = True
        return total, bulk, live

    def blocked_until_ns(self) -> int:
        """Return until when the venue wants nobody of us to ask, by the wall clock."""
        return max(self._words[at + _BLOCKED] for at in self._slots())

    def add(self, window: int, weight: int) -> None:
        """Count what this limiter is about to use, or with a negative weight will not."""
        words, at = self._words, self._at
        if words[at + _WINDOW] != window:
            words[at + _USED] = 0
            words[at + _WINDOW] = window
        words[at + _USED] += weight
        words[at + _SEEN] = self._clock.now_ns()

    def block(self, until_ns: int) -> None:
        """Tell all others that the venue wants us to wait."""
        self._words[self._at + _BLOCKED] = max(self._words[self._at + _BLOCKED], until_ns)

    def close(self) -> None:
        """Leave the slot to others; what was used still counts."""
        if self._map.closed:
            return
        self._words[self._at + _PID] = 0
        self._words.release()
        self._map.close()
        os.close(self._fd)

    def _slots(self) -> Iterator[int]:
        """Yield where each slot begins that was ever used, our own among them."""
        words = self._words
        for at in _PLACES:
            if not words[at + _ROLE]:
                return
            yield at

    def _is_there(self, at: int, now_ns: int) -> bool:
        pid = self._words[at + _PID]
        return pid != 0 and now_ns - self._words[at + _SEEN] < _SEEN_NS and _runs(pid)

    def _claim(self, path: Path) -> mmap.mmap:
        self._lock(path)
        try:
            if os.fstat(self._fd).st_size != _SIZE:
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, _SIZE)
            found = mmap.mmap(self._fd, _SIZE)
            if found[: len(_MAGIC)] != _MAGIC:
                found[:] = _MAGIC.ljust(_SIZE, b"\0")
            self._words = memoryview(found).cast("q")
            self._at = self._free(path)
            # What the slot's former owner used stays: the venue counts it as well.
            mine = (os.getpid(), int(self.role), self._clock.now_ns())
            for offset, value in enumerate(mine):
                self._words[self._at + offset] = value
        except OSError as error:
            raise StoreError(f"request budget {path}: {error.strerror}") from None
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return found

    def _free(self, path: Path) -> int:
        """Return the first slot nobody holds, while the file is locked."""
        for at in _PLACES:
            pid = self._words[at + _PID]
            if not pid or not _runs(pid):
                return at
        raise StoreError(
            f"request budget {path}: {_SLOTS} programs of this home use the venue; end some"
        )

    def _lock(self, path: Path) -> None:
        for _ in range(_PATIENCE):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            return
        raise StoreError(f"request budget {path} is held by a program that stands still")


class Company:
    """What the other programs of a home use, counted as it is seen.

    For limits that know no common windows: each keeps its own account and takes in what others
    did since it last looked. What they did between that look and the end of a window is lost to
    it, so a window is long.
    """

    def __init__(self, window: Window, window_s: float, clock: Clock) -> None:
        """Forget what was used until now: nobody knows when in the window that was."""
        self._shared = window
        self._length_ns = int(window_s * 1_000_000_000)
        self._clock = clock
        self._window = -1
        self._seen = 0
        self.fresh()

    def fresh(self) -> int:
        """Return what others used since the last look."""
        window = self._clock.now_ns() // self._length_ns
        if window != self._window:
            self._window, self._seen = window, 0
        used = self._shared.used(window)[0]
        fresh, self._seen = used - self._seen, used
        return fresh

    def add(self, used: int) -> None:
        """Let the others see what is about to be used."""
        self._shared.add(self._window, used)
        self._seen += used

    def block(self, until_ns: int) -> None:
        """Tell all others that the venue wants us to wait."""
        self._shared.block(until_ns)

    def blocked_until_ns(self) -> int:
        """Return until when the venue wants nobody of us to ask, by the wall clock."""
        return self._shared.blocked_until_ns()


class Budgets:
    """The shared budgets of one home, a file for each venue host and length of window.

    Args:
        folder: Where the files are; they mean nothing after a restart of the machine.
        role: What this program wants.
        share: Part of each budget that bulk may use while something live is there.
        clock: Says which window it is.
        told: Hears in words which budget cannot be shared.
    """

    def __init__(
        self,
        folder: Path,
        *,
        role: Role,
        share: float,
        clock: Clock,
        told: Callable[[str], object],
    ) -> None:
        self._folder = folder
        self._role = role
        self._share = share
        self._clock = clock
        self._told = told

    def window(self, host: str, window_s: float) -> Window | None:
        """Open the budget of a host; None: it cannot be shared, and is kept alone."""
        name = re.sub(r"[^A-Za-z0-9.-]", "_", host) or "_"
        path = self._folder / f"{name}-{window_s:g}s.budget"
        try:
            return Window(path, role=self._role, share=self._share, clock=self._clock)
        except StoreError as error:
            self._told(f"{error}; other programs of this home are not seen")
            return None

    def company(self, name: str, window_s: float) -> Company | None:
        """Join those who use something of a venue; None: it cannot be shared."""
        window = self.window(name, window_s)
        return None if window is None else Company(window, window_s, self._clock)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
