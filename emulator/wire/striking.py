"""Requests about orders with an armed fault around them, the same for every venue and transport.

::

    request -> hung, dropped or refused before it counts -> the venue carries it out
            -> answered late, wrongly or never
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

import msgspec
from aiohttp import web

from emulator.faults import ORDER_FAULTS, Faults
from emulator.wire.rest import Call, Refusal

PAGE: Final = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"
"""What a proxy answers in the venue's place."""
_NEVER_ACCEPTED: Final = ("drop_before", "http_5xx_before", "code_1007_before")
_LONGEST_WAIT_MS: Final = 5_000.0
_LOOK_EVERY_S: Final = 0.02


class Dropped(Exception):
    """A fault says: the connection drops and no answer is sent."""


class ProxyFailed(Exception):
    """A fault says: a proxy in front of the venue answers with its own 503 page."""


class Placed(Protocol):
    """An order that was just taken, as faults see it."""

    @property
    def filled(self) -> object:
        """How much of it has traded; false for nothing."""
        ...

    hidden_until_ms: int
    """Queries do not find it before this time of the venue."""


class Shop(Protocol):
    """What a venue that takes orders is asked for."""

    faults: Faults

    def now_ms(self) -> int:
        """Return the venue's time."""
        ...

    def catch_up(self) -> None:
        """Bring the market up to the clock."""
        ...


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One request about orders."""

    what: Literal["place", "cancel", "query", ""]
    """A cancel is whatever ends or changes an order; empty is nothing faults know of."""
    run: Callable[[], Awaitable[Any]]
    symbol: str = ""
    missing: Refusal
    """How the venue says that there is no such order."""
    unknown: Refusal
    """How it says that it does not know how a request ended."""
    newest: Callable[[], Placed | None]
    """The account's newest order."""
    expire: Callable[[Placed], None]
    """Ends a resting order as the venue itself does."""
    race: Callable[[], None] | None = None
    """Lets the crowd fill the order a cancel is meant for."""


async def strike(shop: Shop, deed: Deed) -> Any:
    """Carry out a request and let an armed fault spoil it.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        Refusal: One of the deed's, or whatever the request itself raises.
    """
    if not shop.faults.armed or not deed.what:
        return await deed.run()
    if deed.what == "query":
        if _taken(shop, deed, "transient_2013") is not None:
            raise deed.missing
        return await deed.run()
    fault = shop.faults.take(tuple(ORDER_FAULTS), shop.now_ms(), symbol=deed.symbol, on=deed.what)
    if fault is None:
        return await _carry_out(shop, deed)
    if fault.kind == "delay_ms":
        await asyncio.sleep(fault.value / 1_000)
        shop.catch_up()
        return await _carry_out(shop, deed)
    if fault.kind not in _NEVER_ACCEPTED:
        answer = await _carry_out(shop, deed)
        if fault.kind == "slow_ack_ms":
            await asyncio.sleep(fault.value / 1_000)
            return answer
        if fault.kind == "ack_after_fill":
            await _filled(deed.newest(), fault.value or _LONGEST_WAIT_MS)
            return answer
    if fault.kind.startswith("http_5xx"):
        raise ProxyFailed
    if fault.kind.startswith("code_1007"):
        raise deed.unknown
    raise Dropped


async def over_http(call: Call, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a request that came over HTTP, and answer as its faults say: not at all, or a page."""
    try:
        return await work()
    except ProxyFailed:
        return web.Response(text=PAGE, status=503, content_type="text/html")
    except Dropped:
        if isinstance(call.request.transport, asyncio.Transport):
            call.request.transport.abort()
        return web.Response(status=503)


async def _carry_out(shop: Shop, deed: Deed) -> Any:
    if deed.what == "cancel":
        if deed.race is not None and _taken(shop, deed, "cancel_race") is not None:
            deed.race()
        return await deed.run()
    before = deed.newest()
    answer = await deed.run()
    order = deed.newest()
    if order is None or order is before:
        return answer
    hidden = _taken(shop, deed, "delay_visible_ms")
    if hidden is not None:
        order.hidden_until_ms = shop.now_ms() + int(hidden)
    ended = _taken(shop, deed, "expire_after_ack")
    if ended is not None:
        asyncio.get_running_loop().call_later(ended / 1_000, deed.expire, order)
    return answer


def _taken(shop: Shop, deed: Deed, kind: str) -> float | None:
    """Return the value of a fault that strikes, None when none does."""
    fault = shop.faults.take((kind,), shop.now_ms(), symbol=deed.symbol)
    return None if fault is None else fault.value


async def _filled(order: Placed | None, within_ms: float) -> None:
    """Wait for an order's first fill, but not for ever."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_ms / 1_000
    # The market fills it at its own pace; an order tells nobody.
    while order is not None and not order.filled and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY_S)
