"""One Deribit socket: logged in, heartbeat answered, every request matched with its answer.

::

    no connection, not logged in    ──► TemporaryError   nothing was sent
    sent, and the connection broke  ──► OutcomeUnknown   it may have been done
    sent, no answer in time         ──► OutcomeUnknown
    an answer, an error included    ──► Reply            the caller judges it
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.model.errors import ConfigError, DataError, OutcomeUnknown, TemporaryError
from core.model.ports import Clock
from core.model.settings import VenueSettings
from core.venues.deribit.messages import FRAME, Frame, RpcError, Token
from core.venues.offset import ClockOffset
from core.wire.backoff import Backoff
from core.wire.budget import Budgets
from core.wire.limits import CONNECTS, CONNECTS_S, AttemptLimiter
from core.wire.signing import HmacSigner
from core.wire.websocket import Connection, stay_connected
from core.wire.witness import Witness

_log = logging.getLogger(__name__)

_MS: Final = 1_000_000
_HEARTBEAT_S: Final = 15
_SILENT_S: Final = 40.0
_UNAUTHORIZED: Final = 13009
_KEEP_TIME_S: Final = 10.0
_MOST_WAITING: Final = 1_000

Reply = Frame
Settle = Callable[[], None]


class RpcSocket:
    """Requests and pushes of one account, reconnected and logged in again as needed.

    A push that cannot be read drops the connection instead of being skipped: it may have been a
    fill, and coming back makes the engine reconcile. So does a session the venue has ended.
    """

    def __init__(
        self,
        url: str,
        settings: VenueSettings,
        channels: Sequence[str],
        *,
        name: str,
        cancels: bool,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """`cancels`: the venue is to cancel what this connection has placed when it ends.

        Raises:
            ConfigError: There is no key or no secret.
        """
        key = settings.api_key.get_secret_value()
        secret = settings.api_secret.get_secret_value()
        if not key or not secret:
            missing = "api_key" if not key else "api_secret"
            raise ConfigError(
                f"venues.{name}.{missing} must be set to send orders, was empty; add the keys "
                f"with `clx keys add`, or set CLX_VENUES__{name.upper()}__{missing.upper()}"
            )
        self._url = url
        self._key = key
        self._signer = HmacSigner(secret)
        self._channels = list(channels)
        self._cancels = cancels
        self._timeout_s = settings.timeout_s
        self._clock = clock
        self._rng = rng
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._connection: Connection | None = None
        self._ready = False
        self._tested = asyncio.Event()
        self._broken = ""
        self._attempts = AttemptLimiter(clock=clock, attempts=CONNECTS, window_s=CONNECTS_S)
        self.witness = Witness()
        """Sees the bytes of orders and of the account's events."""
        self.offset = ClockOffset()
        self.on_up: Callable[[], None] = _nothing
        self.on_down: Callable[[str], None] = _ignore
        self.on_time: Callable[[], None] = _nothing
        self.on_push: Callable[[str, msgspec.Raw], None] = _ignore_push

    def __repr__(self) -> str:
        return f"RpcSocket({self._url!r}, api_key=***)"

    def share(self, budgets: Budgets) -> None:
        """Count attempts to connect together with other programs of this home."""
        self._attempts.share(budgets, urlsplit(self._url).netloc)

    def now_ms(self) -> int:
        """Return the venue's time, as far as we know it."""
        return self._clock.now_ns() // _MS + self.offset.ms

    async def run(self) -> None:
        """Stay logged in and subscribed until cancelled."""
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

    async def call(self, method: str, params: dict[str, object]) -> Reply:
        """Send a request, once, and return its answer.

        Raises:
            TemporaryError: Not connected or not logged in; nothing was sent.
            OutcomeUnknown: It may have been carried out.
        """
        if not self._ready or self._connection is None:
            raise TemporaryError(f"{method}: not sent, there is no session at {self._url}")
        return await self._call(self._connection, method, params)

    async def _call(
        self,
        connection: Connection,
        method: str,
        params: dict[str, object],
        *,
        secret: bool = False,
    ) -> Reply:
        if len(self._waiting) >= _MOST_WAITING:
            raise TemporaryError(f"{method}: not sent, {_MOST_WAITING} requests wait already")
        self._number += 1
        number = self._number
        raw = msgspec.json.encode(
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        ).decode()
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        sent_ns = self._clock.now_ns()
        shown = method if secret else raw
        try:
            # It may have left us at least in part by the time that sending fails.
            await connection.send(raw)
            async with asyncio.timeout(self._timeout_s):
                reply = await future
        except TimeoutError:
            words = f"{method}: sent, no answer within {self._timeout_s:g} s"
            self.witness.exchanged(sent_ns, 0, shown, b"", words)
            raise OutcomeUnknown(words) from None
        except (TemporaryError, OutcomeUnknown) as error:
            words = f"{method}: sent, no answer, {error}"
            self.witness.exchanged(sent_ns, 0, shown, b"", words)
            raise OutcomeUnknown(words) from None
        finally:
            self._waiting.pop(number, None)
        if not secret:
            said = b"" if reply.error is None else msgspec.json.encode(reply.error)
            answer = bytes(reply.result) or said
            self.witness.exchanged(sent_ns, self._clock.now_ns(), shown, answer)
        if reply.error is not None and reply.error.code == _UNAUTHORIZED:
            self._drop("the venue has ended the session")
        return reply

    async def _open(self, connection: Connection) -> None:
        self._connection = connection
        self._broken = ""
        try:
            await self._sample_time(connection)
            token = await self._log_in(connection)
            await self._done(connection, "public/set_heartbeat", {"interval": _HEARTBEAT_S})
            if self._cancels:
                method = "private/enable_cancel_on_disconnect"
                await self._done(connection, method, {"scope": "connection"})
            taken = await self._done(connection, "private/subscribe", {"channels": self._channels})
            missing = set(self._channels) - set(msgspec.json.decode(taken, type=list[str]))
            if missing:
                raise TemporaryError(f"the venue left out {', '.join(sorted(missing))}")
            self._ready = True
            self.on_up()
            await self._keep(connection, token)
        except (OutcomeUnknown, DataError, msgspec.MsgspecError) as error:
            raise TemporaryError(str(error)) from error

    async def _keep(self, connection: Connection, token: Token) -> None:
        """Answer heartbeats, follow the clock, and renew the session before it ends."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + token.expires_in * 0.8
        while True:
            try:
                async with asyncio.timeout(_KEEP_TIME_S):
                    await self._tested.wait()
            except TimeoutError:
                await self._sample_time(connection)
                self.on_time()
            else:
                self._tested.clear()
                await self._done(connection, "public/test", {})
            if loop.time() >= renew_at:
                renewal: dict[str, object] = {
                    "grant_type": "refresh_token",
                    "refresh_token": token.refresh_token,
                }
                token = await self._auth(connection, renewal)
                renew_at = loop.time() + token.expires_in * 0.8

    async def _log_in(self, connection: Connection) -> Token:
        stamp, nonce = self.now_ms(), f"{self._rng.getrandbits(48):012x}"
        return await self._auth(
            connection,
            {
                "grant_type": "client_signature",
                "client_id": self._key,
                "timestamp": stamp,
                "nonce": nonce,
                "data": "",
                "signature": self._signer.hex(f"{stamp}\n{nonce}\n"),
            },
        )

    async def _auth(self, connection: Connection, params: dict[str, object]) -> Token:
        result = await self._done(connection, "public/auth", params, secret=True)
        return msgspec.json.decode(result, type=Token)

    async def _sample_time(self, connection: Connection) -> None:
        asked_ns = self._clock.now_ns()
        result = await self._done(connection, "public/get_time", {})
        answered_ns = self._clock.now_ns()
        server_ms = msgspec.json.decode(result, type=int)
        self.offset.take(asked_ns, server_ms, answered_ns)

    async def _done(
        self,
        connection: Connection,
        method: str,
        params: dict[str, object],
        *,
        secret: bool = False,
    ) -> msgspec.Raw:
        """Return the result of a request that must succeed.

        Raises:
            TemporaryError: The venue refuses.
            OutcomeUnknown: It did not answer.
        """
        reply = await self._call(connection, method, params, secret=secret)
        if reply.error is not None:
            raise TemporaryError(f"{method}: {words_of(reply.error)}")
        return reply.result

    def _take(self, data: bytes) -> None:
        try:
            frame = FRAME.decode(data)
            if frame.id is not None:
                waits = self._waiting.get(frame.id)
                if waits is not None and not waits.done():
                    waits.set_result(frame)
            elif frame.method == "heartbeat":
                if frame.params.type == "test_request":
                    self._tested.set()
            elif frame.method == "subscription":
                if frame.params.channel.startswith("user.changes."):
                    self.witness.heard(self._clock.now_ns(), data)
                self.on_push(frame.params.channel, frame.params.data)
        except (msgspec.MsgspecError, DataError) as error:
            self._drop(f"unreadable frame, {error}: {data[:120]!r}")

    def _drop(self, reason: str) -> None:
        self._broken = reason
        _log.warning("%s: %s", self._url, reason)
        if self._connection is not None:
            self._connection.drop()

    def _closed(self, reason: str) -> None:
        self._connection = None
        self._ready = False
        self._tested.clear()
        for waits in list(self._waiting.values()):
            if not waits.done():
                waits.set_exception(OutcomeUnknown(f"the connection was lost, {reason}"))
        self.on_down(self._broken or reason)
        self._broken = ""


def words_of(error: RpcError) -> str:
    """Return what an error says, with what it names as the reason."""
    more = bytes(error.data).decode(errors="replace") if bytes(error.data) else ""
    return f"{error.message}{f' {more[:120]}' if more else ''} (venue code {error.code})"


def _nothing() -> None:
    pass


def _ignore(reason: str) -> None:
    pass


def _ignore_push(channel: str, raw: msgspec.Raw) -> None:
    pass
