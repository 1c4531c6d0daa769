"""Twelve Data says no in the body, often with status 200: read it before anything else."""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError

NO_DATA: Final = "no data is available"
"""Begin of the words for a time in which nothing traded; code 400 all the same."""

_REMEDIES: Final = {
    401: "check api_key of the feed",
    403: "the account's plan does not contain this: see https://twelvedata.com/pricing",
    404: "the provider does not know this symbol",
    414: "too much was asked for at once",
}


class _Verdict(msgspec.Struct):
    status: str = "ok"
    code: int = 200
    message: str = ""


class NothingThere(DataError):
    """The provider has no rows in the time asked for."""


class CreditsSpent(TemporaryError):
    """The plan's credits are used up.

    Attributes:
        day: Whether they are the day's, not the minute's.
    """

    def __init__(self, message: str, *, day: bool) -> None:
        super().__init__(message)
        self.day = day


def refuse(body: bytes, what: str) -> None:
    """Raise what a body that is an error means; return for any other.

    ::

        {"code":429,"message":"You have run out of API credits for the current minute. 18 API
         credits were used, with the current limit being 8. Wait for the next minute or ...",
         "status":"error"}

    Raises:
        CreditsSpent: The plan allows no more now.
        TemporaryError: The provider is in trouble.
        NothingThere: There are no rows in the time asked for.
        DataError: A definite no.
    """
    try:
        verdict = msgspec.json.decode(body, type=_Verdict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if verdict.status != "error":
        return
    words = f"{what}: answered {verdict.code} {verdict.message[:200]}"
    if verdict.code == 429:
        raise CreditsSpent(words, day="day" in verdict.message)
    if verdict.code >= 500:
        raise TemporaryError(words)
    if verdict.code == 400 and verdict.message.lower().startswith(NO_DATA):
        raise NothingThere(words)
    remedy = _REMEDIES.get(verdict.code, "")
    raise DataError(f"{words}; {remedy}" if remedy else words)
