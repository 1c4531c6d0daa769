"""REST answers of data providers: the body, or an error that says what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from core.model.errors import DataError, RateLimited, TemporaryError
from core.wire.http import HttpReply, HttpSession, Params

_T = TypeVar("_T")
_SHORTEST_S: Final = 0.05
_LONGEST_ERROR: Final = 2000
_SAID_WORDS: Final = frozenset({"msg", "message", "error", "error_response"})
_SAID: Final = _SAID_WORDS | {"code", "error_details", "details", "success"}
"""Names in bodies such as ``{"code":50010000,"message":"internal server error occurred"}``."""
_PATIENCE: Final = frozenset({408, 418, 425, 429})
_MEANT: Final = {
    418: "this address is banned for now: ask less, other programs here too",
    429: "too many requests: ask less, other programs here too",
}


async def ask(
    http: HttpSession,
    path: str,
    *,
    what: str,
    params: Params = (),
    headers: Mapping[str, str] = {},
    weight: int = 1,
    remedies: Mapping[int, str] = {},
    observe: Callable[[HttpReply], None] | None = None,
    judge: Callable[[bytes, str], None] | None = None,
    patience_s: float = 0.0,
) -> HttpReply:
    """Read something of a provider; the answer returned has status 200 and is no web page.

    `what` opens every error, such as ``bars of AAPL-USD.alpaca``; `remedies` says what to do about
    a status that is a definite no; `observe` sees every answer, for budgets told in headers.
    `judge` reads each body first and raises what it says, for providers whose body is the verdict
    whatever the status. Where our own budget is spent it is waited for, `patience_s` altogether:
    pages of one answer are worth more together.

    Raises:
        TemporaryError: No answer, the provider is away, or it asks for patience.
        DataError: A definite no, or no data at all.
    """
    while True:
        try:
            reply = await http.get(path, params=params, headers=headers, weight=weight)
            break
        except RateLimited as error:
            pause_s = max(error.retry_after_s, _SHORTEST_S)
            if pause_s > patience_s:
                raise TemporaryError(f"{what}: {error.reason}; again in {pause_s:.0f} s") from None
        patience_s -= pause_s
        await asyncio.sleep(pause_s)
    if observe is not None:
        observe(reply)
    if judge is not None:
        judge(reply.body, what)
    judge_status(reply, what, remedies)
    return reply


def judge_status(reply: HttpReply, what: str, remedies: Mapping[int, str] = {}) -> None:
    """Raise what an answer is, unless it has status 200 and is no web page; see `ask`.

    Raises:
        TemporaryError: The provider is away, or asks for patience.
        DataError: A definite no, or no data at all.
    """
    status = reply.status
    if status in _PATIENCE:
        after = f"after {reply.retry_after_s:g} s" if reply.retry_after_s else "later"
        why = f" ({_MEANT[status]})" if status in _MEANT else ""
        raise TemporaryError(f"{what}: answered {status}{why}, asks to come back {after}")
    if status >= 500:
        raise TemporaryError(f"{what}: answered {status}, the provider is in trouble")
    if status != 200:
        remedy = f"; {remedies[status]}" if status in remedies else ""
        raise DataError(f"{what}: answered {status} {words(reply.body)}{remedy}")
    if reply.body.lstrip()[:1] == b"<":
        raise DataError(
            f"{what}: answered with a web page instead of data; a proxy or firewall may stand"
            " between, or the URL is wrong"
        )
    if len(reply.body) <= _LONGEST_ERROR and _is_error(reply.body):
        raise TemporaryError(
            f"{what}: answered 200 with an error inside: {words(reply.body)}; if it stays, see the"
            " provider's list of errors"
        )


def _is_error(body: bytes) -> bool:
    """Whether a body says nothing but what went wrong.

    Codes that are texts, and errors that are lists, are of venues with refusals of their own.
    """
    if not body.lstrip().startswith(b"{"):
        return False
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    named = said.keys() <= _SAID and not said.keys().isdisjoint(_SAID_WORDS)
    own = isinstance(said.get("code"), str) or isinstance(said.get("error"), list)
    return named and not own


def decoded(body: bytes | msgspec.Raw, kind: type[_T], what: str, *, strict: bool = True) -> _T:
    """Return what a body of JSON says; `what` opens the error.

    Not `strict`, numbers may be written as texts.

    Raises:
        DataError: It is no JSON, or not of this kind.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=strict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{what}: {error}") from None


def words(body: bytes) -> str:
    """Return the beginning of a body for a message, on one line."""
    text = " ".join(body[:400].decode(errors="replace").split())
    return repr(text[:160])
