"""Alpha Vantage says no with status 200 and a text in place of data."""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError

_PATIENCE: Final = ("rate limit", "call frequency", "requests per day", "per second", "per minute")


class _Words(msgspec.Struct):
    note: str = msgspec.field(default="", name="Note")
    information: str = msgspec.field(default="", name="Information")
    error: str = msgspec.field(default="", name="Error Message")


class AskedTooOften(TemporaryError):
    """The plan allows no more questions now.

    Attributes:
        day: Whether the day's are spent, not the minute's.
    """

    def __init__(self, message: str, *, day: bool) -> None:
        super().__init__(message)
        self.day = day


def refuse(body: bytes, what: str, key: str = "") -> None:
    """Raise what a body that holds no data means; return for any other.

    ::

        {"Note":"Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per
         minute and 500 calls per day. Please visit ..."}
        {"Information":"We have detected your API key as XXXX and our standard API rate limit is 25
         requests per day. ..."}
        {"Error Message":"Invalid API call. Please retry or visit the documentation ..."}

    Their words may repeat the key: it is blotted out.

    Raises:
        AskedTooOften: The plan allows no more now.
        DataError: A definite no.
    """
    if not body.lstrip().startswith(b"{"):
        return
    try:
        words = msgspec.json.decode(body, type=_Words)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    said = words.note or words.information or words.error
    if not said:
        return
    shown = (said.replace(key, "***") if key else said)[:240]
    low = said.lower()
    if not words.error and any(part in low for part in _PATIENCE):
        day = "per day" in low and "per minute" not in low
        raise AskedTooOften(f"{what}: {shown}", day=day)
    if "apikey" in low or "api key" in low:
        raise DataError(f"{what}: {shown}; check api_key of the feed")
    if "premium" in low:
        raise DataError(f"{what}: {shown}; the plan does not contain this")
    raise DataError(f"{what}: {shown}; check the symbol")
