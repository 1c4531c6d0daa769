"""A day's few questions, remembered on disk so that a restart does not spend them twice.

The provider does not say when its day begins, so ours is any 24 hours: whatever its day is, no more
are asked in it than the plan allows.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import ConfigError, StoreError, TemporaryError
from core.model.ports import Clock

_DAY_NS: Final = 86_400 * 1_000_000_000


class _Spent(msgspec.Struct):
    asked_ns: list[int] = []
    blocked_until_ns: int = 0


class DailyBudget:
    """Counts questions of the last 24 hours in a file that several processes may share.

    Args:
        path: The file; made when the first question is asked.
        clock: Says what the last 24 hours are.
        per_day: Questions allowed.
    """

    def __init__(self, path: Path, clock: Clock, per_day: int) -> None:
        if per_day < 1:
            raise ConfigError(f"a daily budget must be at least 1, was {per_day}")
        self._path = path
        self._clock = clock
        self._per_day = per_day

    @property
    def left(self) -> int:
        """Questions that may still be asked now.

        Raises:
            StoreError: The file cannot be read.
        """
        spent = self._read()
        if spent.blocked_until_ns > self._clock.now_ns():
            return 0
        return max(0, self._per_day - len(spent.asked_ns))

    def spend(self, what: str) -> None:
        """Count a question that is about to be asked; it is on disk when this returns.

        Raises:
            TemporaryError: None is left; says when the next one is.
            StoreError: The file cannot be read or written, so nothing may be asked.
        """
        with _Locked(self._path):
            spent = self._read()
            now_ns = self._clock.now_ns()
            free_ns = spent.blocked_until_ns
            if len(spent.asked_ns) >= self._per_day:
                free_ns = max(free_ns, spent.asked_ns[-self._per_day] + _DAY_NS)
            if free_ns > now_ns:
                raise TemporaryError(
                    f"{what}: the budget of {self._per_day} questions in 24 hours is spent; "
                    f"the next one is free in {(free_ns - now_ns) / 6e10:.0f} min"
                )
            self._write(_Spent([*spent.asked_ns, now_ns], spent.blocked_until_ns))

    def block(self, for_ns: int) -> None:
        """Ask nothing for a while: the provider says the day is spent, so another program asks too.

        Raises:
            StoreError: The file cannot be written.
        """
        with _Locked(self._path):
            spent = self._read()
            spent.blocked_until_ns = max(spent.blocked_until_ns, self._clock.now_ns() + for_ns)
            self._write(spent)

    def _read(self) -> _Spent:
        try:
            spent = msgspec.json.decode(self._path.read_bytes(), type=_Spent)
        except FileNotFoundError:
            return _Spent()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(
                f"budget file {self._path} cannot be read ({error}): what was asked today is not "
                "known; delete it a day after the last question"
            ) from None
        since_ns = self._clock.now_ns() - _DAY_NS
        spent.asked_ns = [asked_ns for asked_ns in spent.asked_ns if asked_ns > since_ns]
        return spent

    def _write(self, spent: _Spent) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(spent))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StoreError(f"budget file {self._path} cannot be written: {error}") from None


class _Locked:
    """Holds the lock file beside a file."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(".lock")
        self._file = -1

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(f"lock file {self._path} cannot be taken: {error}") from None

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
