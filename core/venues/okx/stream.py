"""OKX's private sockets: log in, subscribe, listen, and keep them from falling asleep."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.model.errors import DataError, TemporaryError
from core.model.ports import Clock
from core.venues.okx.messages import PUSH, Push
from core.venues.okx.rest import OkxRest
from core.wire.backoff import Backoff
from core.wire.limits import AttemptLimiter
from core.wire.websocket import Connection, stay_connected

_log = logging.getLogger(__name__)

_PING_S: Final = 15.0
"""The venue drops a socket that is silent for 30 s; a ``pong`` counts as a word."""
_SILENT_S: Final = 40.0
_UPGRADE: Final = "64008"
_CROWD: Final = frozenset({"channel-conn-count", "notice", "unsubscribe"})

Channel = dict[str, str]


class PrivateSocket:
    """One logged-in socket with its channels.

    A push that cannot be read drops the connection instead of being skipped: it may have been a
    fill, and coming back makes the engine reconcile. So does the venue's notice of an upgrade.
    """

    def __init__(
        self,
        rest: OkxRest,
        url: str,
        channels: Sequence[Channel],
        *,
        clock: Clock,
        rng: random.Random,
        timeout_s: float,
        attempts: AttemptLimiter,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        on_push: Callable[[str, msgspec.Raw], None],
    ) -> None:
        """`on_push` takes a channel and its rows; raises DataError if they are unreadable."""
        self._rest = rest
        self._url = url
        self._channels = list(channels)
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._on_up = on_up
        self._on_down = on_down
        self._on_push = on_push
        self._connection: Connection | None = None
        self._replies: asyncio.Queue[Push] = asyncio.Queue(maxsize=256)
        self._broken = ""

    async def run(self) -> None:
        """Stay subscribed until cancelled."""
        await stay_connected(
            lambda: self._url,
            clock=self._clock,
            on_open=self._open,
            on_message=self._take,
            on_close=self._closed,
            backoff=Backoff(self._rng),
            silence_timeout_s=_SILENT_S,
            attempts=self._attempts,
        )

    async def _open(self, connection: Connection) -> None:
        self._connection = connection
        self._broken = ""
        self._replies = asyncio.Queue(maxsize=256)
        # Without the venue's time the login would be refused on a skewed computer.
        await self._rest.sync_time()
        await self._ask(connection, "login", [self._rest.login()], 1)
        await self._ask(connection, "subscribe", self._channels, len(self._channels))
        self._on_up()
        while True:
            await asyncio.sleep(_PING_S)
            await connection.send("ping")

    async def _ask(
        self, connection: Connection, op: str, args: Sequence[dict[str, str]], answers: int
    ) -> None:
        await connection.send(msgspec.json.encode({"op": op, "args": args}).decode())
        try:
            async with asyncio.timeout(self._timeout_s):
                for _ in range(answers):
                    reply = await self._replies.get()
                    if reply.event == "error" or reply.code not in {"", "0"}:
                        raise TemporaryError(
                            f"the venue refused {op}: {reply.msg} (venue code {reply.code})"
                        )
        except TimeoutError:
            raise TemporaryError(f"no answer to {op} within {self._timeout_s:g} s") from None

    def _take(self, data: bytes) -> None:
        if data == b"pong":
            return
        try:
            push = PUSH.decode(data)
            if push.event == "notice" and push.code == _UPGRADE:
                self._drop(f"the venue is about to close it: {push.msg}")
            elif push.event in _CROWD:
                _log.info("%s: %s", self._url, push.msg or push.event)
            elif push.event:
                self._replies.put_nowait(push)
            else:
                self._rest.witness.heard(self._clock.now_ns(), data)
                self._on_push(push.arg.channel, push.data)
        except asyncio.QueueFull:
            self._drop("answers nobody asked for")
        except (msgspec.MsgspecError, DataError) as error:
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
