"""What Binance's answers mean for the request they answer: done, refused, or nobody knows."""

from __future__ import annotations

from typing import Final

from core.venues.binance.messages import ErrorBody
from core.wire.http import HttpReply

UNDECIDED: Final = frozenset({-1000, -1001, -1006, -1007})
"""Errors that leave the outcome open, whatever the HTTP status."""

DUPLICATE: Final = -4116
"""USD-M's ``ClientOrderId is duplicated.``; spot has words for it."""
DUPLICATE_WORDS: Final = "Duplicate order sent."

_IN_FRONT: Final = frozenset({403, 418, 429})
"""The firewall and the rate limiter stand in front of the exchange."""


def is_undecided(reply: HttpReply, body: ErrorBody | None) -> bool:
    """Return whether a status other than 200 leaves open what became of the request.

    An order of the very id being open proves that it lives, so that refusal is none either.
    """
    if reply.status in _IN_FRONT:
        return False
    if reply.status >= 500 or body is None:
        return True
    return body.code in UNDECIDED or body.code == DUPLICATE or body.msg.startswith(DUPLICATE_WORDS)


def refusal(reply: HttpReply, body: ErrorBody | None) -> tuple[str, str]:
    """Return code and words of a definite no."""
    if body is not None:
        return str(body.code), body.msg
    wait = f", come back in {reply.retry_after_s:g} s" if reply.retry_after_s else ""
    return str(reply.status), f"the venue lets nothing through (status {reply.status}{wait})"


def words(reply: HttpReply, body: ErrorBody | None) -> str:
    """Return what an answer that decides nothing says."""
    told = f"{body.msg} (venue code {body.code})" if body else "no reason given"
    return f"status {reply.status}: {told}"
