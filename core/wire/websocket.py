"""Keep one websocket up: connect, read, notice silence, reconnect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.model.errors import ConfigError, TemporaryError
from core.model.ports import Clock
from core.wire.backoff import Backoff
from core.wire.contained import contained
from core.wire.limits import AttemptLimiter
from core.wire.loopback import LOOPBACK
from core.wire.troubles import trouble

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
OVERSIZED: Final = "dropped for a frame over the size limit"
"""What the reason says for which such a connection is closed."""
SEND_TIMEOUT_S: Final = 5.0
OPEN_TIMEOUT_S: Final = 10.0
PING_S: Final = 20.0
"""A peer is pinged this often, and has as long again to answer."""

_STABLE_NS: Final = 10 * 1_000_000_000
"""A connection that held this long was a success: back-off starts over."""


class Connection:
    """One open websocket; invalid as soon as it is reported closed."""

    def __init__(self, number: int, url: str, socket: ClientConnection) -> None:
        self.number = number
        """Counts this stream's connections from 1."""
        self.url = url
        self._socket = socket

    async def send(self, text: str | bytes) -> None:
        """Send a text frame, or bytes as a binary one.

        Raises:
            TemporaryError: The connection is gone or took nothing for SEND_TIMEOUT_S.
        """
        await self.send_all((text,))

    async def send_all(self, texts: Sequence[str | bytes]) -> None:
        """Send frames one after the other, waiting for nothing in between.

        Raises:
            TemporaryError: As `send`; some of them may have gone out.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for text in texts:
                    await self._socket.send(text)
        except ConnectionClosed as error:
            raise TemporaryError(f"{_shown(self.url)}: {_words(error)}") from None
        except TimeoutError:
            what = f"took no bytes for {SEND_TIMEOUT_S:g} s"
            raise TemporaryError(f"{_shown(self.url)}: {what}") from None

    def drop(self) -> None:
        """Cut the connection without ceremony; it is reported closed and opened anew."""
        self._socket.transport.abort()


class _Lost(TemporaryError):
    """Ends one connection's tasks; its text is the reason reported."""


async def stay_connected(
    url: Callable[[], str],
    *,
    clock: Clock,
    on_open: Callable[[Connection], Awaitable[None]],
    on_message: Callable[[bytes], None],
    on_close: Callable[[str], None],
    backoff: Backoff,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    silence_timeout_s: float | None = 30.0,
    max_age_s: float = 23 * 3600.0,
    attempts: AttemptLimiter | None = None,
) -> None:
    """Hold a websocket open until cancelled, reconnecting with back-off.

    Frames are read while `on_open` still runs, so it may wait for replies. Text and binary frames
    both arrive as bytes, undecoded. `on_close` is told every lost connection and every failed
    attempt, in words. Pings are answered by the transport. A peer that answers none of ours for
    20 s is dropped, and, where `silence_timeout_s` is given, one that sends no message for one to
    two times as long. `attempts` says when the venue may be connected to. What `on_message` raises
    is a bug of its owner and ends this call.

    Raises:
        ConfigError: The URL is not ws(s)://HOST.
    """
    number = 0
    while True:
        if attempts is not None:
            await attempts.wait()
        opened_ns = clock.monotonic_ns()
        number += 1
        lost = await hold(
            url(),
            number=number,
            on_open=on_open,
            on_message=on_message,
            on_close=on_close,
            max_frame_bytes=max_frame_bytes,
            silence_timeout_s=silence_timeout_s,
            max_age_s=max_age_s,
        )
        if not lost:
            number -= 1
        if clock.monotonic_ns() - opened_ns >= _STABLE_NS:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())


async def hold(
    address: str,
    *,
    number: int = 1,
    on_open: Callable[[Connection], Awaitable[None]],
    on_message: Callable[[bytes], None],
    on_close: Callable[[str], None],
    max_frame_bytes: int = MAX_FRAME_BYTES,
    silence_timeout_s: float | None = 30.0,
    max_age_s: float = 23 * 3600.0,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Hold one connection until it ends; return whether it was ever open.

    `headers` go with the handshake. Everything else is as `stay_connected` says. Cancelling closes
    it; `on_close` is told always.

    Raises:
        ConfigError: The address is not ws(s)://HOST.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    try:
        socket = await connect(
            address,
            max_size=max_frame_bytes,
            # Inflating costs more than the bytes it saves: market frames are small and many.
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=1.0,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_queue=1024,
            additional_headers=headers,
            proxy=None if _checked_host(address) in LOOPBACK else True,
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        on_close(f"{_shown(address)}: could not connect, {_words(error)}")
        return False
    reason = "stopped"
    try:
        reason = await contained(
            _serve(
                Connection(number, address, socket), socket, on_open, on_message,
                silence_timeout_s, max_age_s,
            )
        )  # fmt: skip
    finally:
        with contextlib.suppress(OSError, WebSocketException):
            await socket.close()
        on_close(f"{_shown(address)}: {reason}")
    return True


def _shown(address: str) -> str:
    """Return an address without its query: that is where venues put tokens and keys."""
    return address.partition("?")[0]


def _checked_host(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError(f"websocket URL must be ws(s)://HOST[:PORT]/PATH, was {address!r}")
    return parts.hostname


async def _serve(
    connection: Connection,
    socket: ClientConnection,
    on_open: Callable[[Connection], Awaitable[None]],
    on_message: Callable[[bytes], None],
    silence_timeout_s: float | None,
    max_age_s: float,
) -> str:
    """Run one connection to its end and return why it ended."""
    from websockets.exceptions import ConnectionClosed

    received = 0

    async def read() -> None:
        nonlocal received
        try:
            while True:
                frame = await socket.recv(decode=False)
                received += 1
                on_message(frame)
        except ConnectionClosed as error:
            raise _Lost(_words(error)) from None

    async def watch_silence(limit_s: float) -> None:
        # Counting frames costs the reader nothing; a timer per frame would.
        seen = -1
        while seen != received:
            seen = received
            await asyncio.sleep(limit_s)
        connection.drop()
        raise _Lost(f"no message for {limit_s:g} s")

    async def retire() -> None:
        await asyncio.sleep(max_age_s)
        raise _Lost(f"open for {max_age_s:g} s, the venue's limit is near")

    reason = ""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(retire())
            if silence_timeout_s is not None:
                tasks.create_task(watch_silence(silence_timeout_s))
            tasks.create_task(_opening(on_open, connection))
    except* TemporaryError as lost:
        reason = str(_leaf(lost))
    return reason


def _leaf(error: BaseException) -> BaseException:
    """Return the first error itself of a group, which may hold groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _opening(on_open: Callable[[Connection], Awaitable[None]], to: Connection) -> None:
    await on_open(to)


def _words(error: BaseException) -> str:
    from websockets.exceptions import ConnectionClosed

    if isinstance(error, ConnectionClosed):
        if error.sent is not None and "keepalive ping timeout" in error.sent.reason:
            return f"no answer to a ping for {PING_S:g} s"
        if error.sent is not None and error.sent.code == 1009:
            return f"{OVERSIZED} ({error.sent.reason or 'too big'})"
        close = error.rcvd or error.sent
        if close is None:
            return "connection lost without a close frame"
        return f"closed with code {int(close.code)} {close.reason}".rstrip()
    return trouble(error) or f"{type(error).__name__}: {error}"
