"""What the venue's error codes mean to whoever has to act."""

from __future__ import annotations

from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.feeds.refusals import Refusals

_REMEDIES: Final = {
    10001: "check the parameters, and the symbol first",
    10003: "check api_key of the feed",
    10006: "ask less often; other programs may share the address",
    10018: "ask less often: the address is over its limit",
    10029: "check the symbol: it may be delisted or renamed",
}
_PATIENCE: Final = frozenset({10000, 10006, 10016, 10018, 10019, 170007})
"""Timed out, asked too often, in trouble."""

_REFUSALS: Final = Refusals(_REMEDIES, patience=_PATIENCE, good=0)


class _Said(msgspec.Struct):
    retCode: int
    retMsg: str = ""


def check(body: bytes, what: str) -> None:
    """Raise unless a REST answer is good, before its result is read: of a refusal it is empty.

    Raises:
        TemporaryError: The venue asks for patience.
        DataError: A definite no, or no answer at all.
    """
    said = decoded(body, _Said, what)
    _REFUSALS.check(said.retCode, said.retMsg, what)
