"""``trade_updates``: a login, a word what to listen to, then every step of the account's orders.

::

    {"action":"auth","key":"..","secret":".."}
    {"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}
    {"action":"listen","data":{"streams":["trade_updates"]}}
    {"stream":"listening","data":{"streams":["trade_updates"]}}
    {"stream":"trade_updates","data":{"event":"fill","order":{..},..}}

The paper host sends this JSON in binary frames, the live one in text: both arrive here as bytes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError
from core.model.ports import Clock
from core.venues.alpaca.messages import FRAME, LISTENING, STANDING, UPDATE, Frame, Update
from core.venues.alpaca.rest import AlpacaRest
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter
from core.wire.websocket import Connection, stay_connected

_log = logging.getLogger(__name__)

_STREAM: Final = "trade_updates"


class UpdateStream:
    """Keep one subscription to the account's orders alive.

    An update that cannot be read drops the connection instead of being skipped: it may have been
    a fill, and coming back makes the engine reconcile.
    """

    def __init__(
        self,
        rest: AlpacaRest,
        url: str,
        *,
        clock: Clock,
        rng: random.Random,
        timeout_s: float,
        attempts: AttemptLimiter,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        on_update: Callable[[Update], None],
    ) -> None:
        """`on_update` may raise DataError: the update cannot be right."""
        self._rest = rest
        self._url = url
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._on_up = on_up
        self._on_down = on_down
        self._on_update = on_update
        self._connection: Connection | None = None
        self._reply: asyncio.Future[Frame] | None = None
        self._broken = ""

    async def run(self) -> None:
        """Stay subscribed until cancelled."""
        await stay_connected(
            lambda: self._url,
            clock=self._clock,
            on_open=self._subscribe,
            on_message=self._take,
            on_close=self._closed,
            backoff=Backoff(self._rng),
            silence_timeout_s=None,
            attempts=self._attempts,
        )

    async def _subscribe(self, connection: Connection) -> None:
        self._connection = connection
        self._broken = ""
        login = {"action": "auth", "key": self._rest.key, "secret": self._rest.secret}
        answer = await self._ask(connection, login, "a login")
        standing = STANDING.decode(answer.data)
        if answer.stream != "authorization" or standing.status != "authorized":
            words = standing.message or standing.status or answer.stream
            raise TemporaryError(f"the venue refused the login to {_STREAM}: {words}")
        listen = {"action": "listen", "data": {"streams": [_STREAM]}}
        answer = await self._ask(connection, listen, f"listening to {_STREAM}")
        if answer.stream != "listening" or _STREAM not in LISTENING.decode(answer.data).streams:
            raise TemporaryError(f"the venue refused {_STREAM}: {bytes(answer.data)[:120]!r}")
        self._on_up()

    async def _ask(self, connection: Connection, message: object, what: str) -> Frame:
        self._reply = asyncio.get_running_loop().create_future()
        await connection.send(msgspec.json.encode(message).decode())
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._reply
        except TimeoutError:
            raise TemporaryError(f"no answer to {what} within {self._timeout_s:g} s") from None

    def _take(self, data: bytes) -> None:
        try:
            frame = FRAME.decode(data)
            if frame.stream == _STREAM:
                self._rest.witness.heard(self._clock.now_ns(), data)
                self._on_update(UPDATE.decode(frame.data))
            elif self._reply is not None and not self._reply.done():
                self._reply.set_result(frame)
            else:
                # The login has ended, or something is wrong that only a new one can tell.
                self._drop(f"the venue says {data[:120]!r}")
        except (msgspec.MsgspecError, UnicodeDecodeError, DataError) as error:
            self._drop(f"unreadable frame, {error}: {data[:120]!r}")

    def _drop(self, reason: str) -> None:
        self._broken = reason
        _log.warning("%s: %s", self._url, reason)
        if self._connection is not None:
            self._connection.drop()

    def _closed(self, reason: str) -> None:
        self._connection = None
        self._on_down(self._broken or reason)
        self._broken = ""
