"""Errors, by who has to act.

::

    ClxError
    ├── ConfigError        the user: a setting, an argument, a file
    ├── TemporaryError     nobody: it is retried with back-off
    │   └── LinkError      the doorway to the engine is shut or broken
    ├── VenueError         the venue said no; code and words are the venue's
    │   └── RateLimited    the venue said not now
    ├── OutcomeUnknown     nobody knows yet: ask the venue by client order id
    ├── DataError          a feed: bytes that are not what the venue documents
    ├── StoreError         the disk: what is on it is missing, corrupt or full
    └── InvariantError     us: a bug; the component stops

A message says what, where, which value and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClxError(Exception):
    """Base of every error clx raises on purpose."""


class ConfigError(ClxError):
    """A setting, argument or file of the user's is wrong."""


class TemporaryError(ClxError):
    """The outside world is away for now; the caller retries with back-off."""


class LinkError(TemporaryError):
    """The engine's doorway cannot be reached or broke."""


class VenueError(ClxError):
    """The venue refused; a definite answer.

    Attributes:
        code: The venue's own code, as text.
        reason: The venue's own words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} (venue code {code})")
        self.code = code
        self.reason = reason


class RateLimited(VenueError):
    """The venue refused for now; `retry_after_s` is its own figure (seconds, 0 if unsaid)."""

    def __init__(self, code: str, reason: str, retry_after_s: float) -> None:
        super().__init__(code, reason)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(ClxError):
    """A request may or may not have been carried out; never resend it blindly."""


class DataError(ClxError):
    """Bytes from a feed or a file are not what their format says."""


class StoreError(ClxError):
    """The store cannot be read or written."""


class InvariantError(ClxError):
    """A bug of ours: something that must hold does not."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
