"""The account's own events: a signed subscription on the WS-API socket, which takes requests too.

::

    {"id":"c7","method":"order.cancel","params":{"symbol":"BTCUSDT","origClientOrderId":"..",..}}
    {"id":"c7","status":200,"result":{"symbol":"BTCUSDT","status":"CANCELED",..},"rateLimits":[..]}
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from core.model.errors import DataError, OutcomeUnknown, TemporaryError
from core.model.ports import Clock
from core.venues.binance.messages import FRAME, HEAD, StreamFrame
from core.venues.binance.rest import BinanceRest
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter
from core.wire.websocket import Connection, stay_connected

_log = logging.getLogger(__name__)

_GOODBYES: Final = frozenset({"eventStreamTerminated", "serverShutdown"})
_ENCODER: Final = msgspec.json.Encoder()


class UserStream:
    """Keep one subscription to the account's events alive.

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
        timeout_s: float,
        attempts: AttemptLimiter,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        on_event: Callable[[str, msgspec.Raw], None],
    ) -> None:
        """`on_event` takes the event's kind and its raw JSON; raises DataError if unreadable."""
        self._rest = rest
        self._url = url
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._on_up = on_up
        self._on_down = on_down
        self._on_event = on_event
        self._connection: Connection | None = None
        self._reply: asyncio.Future[StreamFrame] | None = None
        self._subscribed = False
        self._asked = 0
        self._asks: dict[str, asyncio.Future[StreamFrame]] = {}
        """Requests on their way, by id; answers come in any order."""
        self._broken = ""

    @property
    def up(self) -> bool:
        """Whether the account's events come, and requests can be sent beside them."""
        return self._subscribed and self._connection is not None

    async def ask_all(
        self, method: str, requests: Sequence[Mapping[str, str | int]]
    ) -> list[asyncio.Future[StreamFrame]]:
        """Send requests one after the other and return their answers to come, in that order.

        An answer raises OutcomeUnknown when the connection ends before it came.

        Raises:
            TemporaryError: The connection is gone; some may have been sent.
        """
        connection = self._connection
        if connection is None:
            raise TemporaryError(f"{self._url}: not connected")
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[StreamFrame]] = []
        texts: list[str] = []
        for params in requests:
            self._asked += 1
            name = f"c{self._asked}"
            texts.append(_ENCODER.encode({"id": name, "method": method, "params": params}).decode())
            answers.append(loop.create_future())
            self._asks[name] = answers[-1]
        await connection.send_all(texts)
        return answers

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
        # Without the venue's time the signature would be refused on a skewed computer.
        await self._rest.sync_time()
        self._reply = asyncio.get_running_loop().create_future()
        await connection.send(
            _ENCODER.encode(
                {
                    "id": str(connection.number),
                    "method": "userDataStream.subscribe.signature",
                    "params": self._rest.subscription(),
                }
            ).decode()
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                frame = await self._reply
        except TimeoutError:
            raise TemporaryError(
                f"no answer to the user stream subscription within {self._timeout_s:g} s"
            ) from None
        if frame.status != 200:
            words = frame.error
            raise TemporaryError(
                f"the venue refused the user stream: {words.msg} (venue code {words.code})"
                if words
                else f"the venue refused the user stream with status {frame.status}"
            )
        self._subscribed = True
        self._on_up()

    def _take(self, data: bytes) -> None:
        try:
            frame = FRAME.decode(data)
            if bytes(frame.event):
                kind = HEAD.decode(frame.event).e
                if kind in _GOODBYES:
                    self._drop(f"the venue says {kind}")
                else:
                    self._rest.witness.heard(self._clock.now_ns(), data)
                    self._on_event(kind, frame.event)
            elif (asked := self._asks.pop(str(frame.id), None)) is not None:
                if not asked.done():
                    asked.set_result(frame)
            elif self._reply is not None and not self._reply.done():
                self._reply.set_result(frame)
        except (msgspec.MsgspecError, DataError) as error:
            self._drop(f"unreadable frame, {error}: {data[:120]!r}")

    def _drop(self, reason: str) -> None:
        self._broken = reason
        _log.warning("%s: %s", self._url, reason)
        if self._connection is not None:
            self._connection.drop()

    def _closed(self, reason: str) -> None:
        self._connection = None
        self._subscribed = False
        lost, self._asks = self._asks, {}
        for answer in lost.values():
            if not answer.done():
                answer.set_exception(OutcomeUnknown(f"{self._url}: sent, {reason}"))
                answer.exception()  # nobody may be waiting for it any more
        self._on_down(self._broken or reason)
        self._broken = ""
