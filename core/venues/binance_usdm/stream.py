"""The account's own events: a stream by listen key, which is kept alive or made anew.

::

    POST listenKey ─► key ─► wss://../ws/<key> ─┬─ events
                       ▲                        ├─ every 30 min: PUT listenKey
                       └── expired, closed, gone┘
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError, VenueError
from core.model.ports import Clock
from core.venues.binance.rest import BinanceRest
from core.venues.binance_usdm.messages import EVENT, LISTEN_KEY, Event
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter
from core.wire.websocket import Connection, hold

_log = logging.getLogger(__name__)

_PATH: Final = "/fapi/v1/listenKey"
_RENEW_S: Final = 1800.0
"""A key lives for 60 minutes after its last renewal."""
_RETRY_S: Final = 60.0
_STABLE_NS: Final = 60 * 1_000_000_000
_GOODBYES: Final = frozenset({"listenKeyExpired", "serverShutdown"})


class ListenStream:
    """Keep the account's stream open.

    An event that cannot be read drops the connection instead of being skipped: it may have been
    a fill, and coming back makes the engine reconcile.
    """

    def __init__(
        self,
        rest: BinanceRest,
        url: str,
        *,
        clock: Clock,
        rng: random.Random,
        attempts: AttemptLimiter,
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        on_event: Callable[[Event], None],
    ) -> None:
        """`url` is the root below which ``/ws/<listen key>`` lies.

        `on_up` may ask the venue; if that fails with TemporaryError the connection is made anew.
        """
        self._rest = rest
        self._url = url
        self._clock = clock
        self._backoff = Backoff(rng)
        self._attempts = attempts
        self._on_up = on_up
        self._on_down = on_down
        self._on_event = on_event
        self._connection: Connection | None = None
        self._broken = ""
        self._key = ""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        number = 0
        while True:
            number += 1
            began_ns = self._clock.monotonic_ns()
            try:
                # Without the venue's time signed requests would be refused on a skewed computer.
                await self._rest.sync_time()
                self._key = (await self._rest.keyed("POST", _PATH, LISTEN_KEY)).listen_key
            except (TemporaryError, VenueError) as error:
                self._on_down(f"no listen key: {error}")
            else:
                await self._attempts.wait()
                await hold(
                    f"{self._url}/ws/{self._key}",
                    number=number,
                    on_open=self._opened,
                    on_message=self._take,
                    on_close=self._closed,
                    silence_timeout_s=None,
                )
            if self._clock.monotonic_ns() - began_ns >= _STABLE_NS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def _opened(self, connection: Connection) -> None:
        self._connection = connection
        self._broken = ""
        await self._on_up()
        pause_s = _RENEW_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = await self._renew()

    async def _renew(self) -> float:
        """Let the key live on; return how long until the next time.

        Raises:
            TemporaryError: There is no such key any more: connect with another one.
        """
        try:
            found = await self._rest.keyed("PUT", _PATH, LISTEN_KEY)
        except VenueError as error:
            raise TemporaryError(f"the listen key is gone: {error}") from error
        except TemporaryError as error:
            _log.warning("%s: the listen key could not be renewed yet, %s", self._url, error)
            return _RETRY_S
        if found.listen_key != self._key:
            raise TemporaryError("the listen key is another one now")
        return _RENEW_S

    def _take(self, data: bytes) -> None:
        try:
            event = EVENT.decode(data)
            if bytes(event.data):
                event = EVENT.decode(event.data)
            if event.e in _GOODBYES:
                self._drop(f"the venue says {event.e}")
            else:
                self._rest.witness.heard(self._clock.now_ns(), data)
                self._on_event(event)
        except (msgspec.MsgspecError, DataError) as error:
            self._drop(f"unreadable frame, {error}: {data[:120]!r}")

    def _drop(self, reason: str) -> None:
        self._broken = reason
        _log.warning("%s: %s", self._url, reason)
        if self._connection is not None:
            self._connection.drop()

    def _closed(self, reason: str) -> None:
        self._connection = None
        told = self._broken or reason
        # The key in the address is as good as a password for the account's events.
        self._on_down(told.replace(self._key, "***") if self._key else told)
        self._broken = ""
