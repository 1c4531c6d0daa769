"""What the venue's error codes mean to whoever has to act."""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError

_REMEDIES: Final = {
    10001: "check the parameters, and the symbol first",
    10003: "check api_key of the feed",
    10006: "ask less often; other programs may share the address",
    10018: "ask less often: the address is over its limit",
    10029: "check the symbol: it may be delisted or renamed",
}
_PATIENCE: Final = frozenset({10000, 10006, 10016, 10018, 10019, 170007})
"""Timed out, asked too often, in trouble."""


class _Said(msgspec.Struct):
    retCode: int
    retMsg: str = ""


def check(body: bytes, what: str) -> None:
    """Raise unless a REST answer is good, before its result is read: of a refusal it is empty.

    Raises:
        TemporaryError: The venue asks for patience.
        DataError: A definite no, or no answer at all.
    """
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{what}: {error}") from None
    refuse(said.retCode, said.retMsg, what)


def refuse(code: int, words: str, what: str) -> None:
    """Raise unless the code of a REST answer is 0.

    Raises:
        TemporaryError: The venue asks for patience.
        DataError: A definite no.
    """
    if code == 0:
        return
    remedy = _REMEDIES.get(code, "see the venue's list of error codes")
    text = f"{what}: the venue answered code {code}: {words[:200]}; {remedy}"
    raise TemporaryError(text) if code in _PATIENCE else DataError(text)
