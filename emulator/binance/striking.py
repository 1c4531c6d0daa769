"""Order requests with an armed fault around them, the same for REST and the WebSocket API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from emulator.binance.gate.errors import NOT_SENT, TIMEOUT_UNKNOWN, ApiError
from emulator.binance.venue import Venue
from emulator.faults import ORDER_FAULTS

_NEVER_ACCEPTED: Final = ("drop_before", "http_5xx_before", "code_1007_before")


class Dropped(Exception):
    """A fault says: the connection drops and no answer is sent."""


class ProxyFailed(Exception):
    """A fault says: a proxy in front of the venue answers with its own 503 page."""


async def strike(venue: Venue, order: str, symbol: str, run: Callable[[], Awaitable[Any]]) -> Any:
    """Run an order request (``place``, ``cancel`` or ``query``) and let an armed fault spoil it.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        ApiError: -1007, -2013, or whatever the request itself raises.
    """
    if order == "query":
        if venue.faults.take(("transient_2013",), venue.now_ms(), symbol=symbol):
            raise ApiError(-2013, NOT_SENT)
        return await run()
    fault = venue.faults.take(tuple(ORDER_FAULTS), venue.now_ms(), symbol=symbol, on=order)
    if fault is None:
        return await run()
    if fault.kind == "delay_ms":
        await asyncio.sleep(fault.value / 1_000)
        venue.market.follow(venue.clock)
        return await run()
    if fault.kind not in _NEVER_ACCEPTED:
        answer = await run()
        if fault.kind == "slow_ack_ms":
            await asyncio.sleep(fault.value / 1_000)
            return answer
    if fault.kind.startswith("http_5xx"):
        raise ProxyFailed
    if fault.kind.startswith("code_1007"):
        raise ApiError(-1007, TIMEOUT_UNKNOWN, 408)
    raise Dropped
