"""Questions to Deribit's REST side: errors come as JSON-RPC, with any HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.deribit.decoder import REMEDIES
from core.feeds.deribit.frames import Error
from core.model.errors import DataError, TemporaryError
from core.wire.http import HttpReply, HttpSession

WEIGHT: Final = 500
"""Credits of a request that is not for the matching engine."""

_REMEDIES: Final = {403: "the address may be refused; wait, or set rest_url to another host"}
_PASSING: Final = frozenset({10028, 10040, 10041, 10047, 10066, 11051, 13888})
"""Too many requests, retry, settlement, full queue, maintenance, timed out."""


class _Answer(msgspec.Struct):
    error: Error | None = None


async def call(
    http: HttpSession,
    method: str,
    params: Sequence[tuple[str, str]],
    what: str,
    *,
    weight: int = WEIGHT,
) -> HttpReply:
    """Ask a public method; `what` opens every error.

    Raises:
        TemporaryError: The venue is away or asks for patience.
        DataError: It said no, or answered with no JSON.
    """

    def observe(reply: HttpReply) -> None:
        if reply.body.lstrip()[:1] == b"{":
            check_answer(reply.body, what)

    return await ask(
        http, f"/api/v2/public/{method}", what=what, params=params, weight=weight,
        remedies=_REMEDIES, observe=observe,
    )  # fmt: skip


def check_answer(body: bytes, what: str) -> None:
    """Pass an answer that is no error.

    Raises:
        TemporaryError: The venue cannot now.
        DataError: It said no, or it is no JSON.
    """
    error = decoded(body, _Answer, what).error
    if error is None:
        return
    remedy = REMEDIES.get(error.code, "see the venue's list of error codes")
    words = f"{what}: {error.code} {error.message[:80]}; {remedy}"
    raise TemporaryError(words) if error.code in _PASSING else DataError(words)
