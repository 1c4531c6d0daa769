"""Kept-alive HTTP/1.1 connections for requests that cannot wait.

A general client spends 0.1 ms on a request before its first byte; a line writes it in one call.
What it leaves out is what an order never needs: redirects, cookies, compression, proxies. A
request is written at most once, and never again on another connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from core.model.errors import ConfigError, DataError, OutcomeUnknown, TemporaryError

MAX_LINES: Final = 32
_MAX_HEAD: Final = 64 * 1024
_END: Final = b"\r\n\r\n"


class RawReply(NamedTuple):
    """A whole answer; header names in lower case, the last of equal names wins."""

    status: int
    headers: dict[str, str]
    body: bytes
    keep: bool
    """False: the server closes the connection after it."""


class Lines:
    """A pool of connections to one host, the most recently used first."""

    def __init__(self, base_url: str, *, timeout_s: float, max_body_bytes: int) -> None:
        """Take an http(s) URL that was checked before; opens nothing yet."""
        parts = urlsplit(base_url)
        self._base_url = base_url
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._fixed = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: clx\r\nAccept: */*\r\n"
        self._timeout_s = timeout_s
        self._max_body_bytes = max_body_bytes
        self._context: ssl.SSLContext | None = None
        self._idle: list[_Line] = []
        self._free = asyncio.Semaphore(MAX_LINES)

    async def exchange(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b""
    ) -> RawReply:
        """Write a request and return the whole answer.

        Raises:
            TemporaryError: No connection could be had; nothing was sent.
            OutcomeUnknown: Sent, and no whole answer came in time.
            DataError: The answer is no HTTP or too large; sent all the same.
            ConfigError: A header is not plain ASCII; nothing was sent.
        """
        what = f"{method} {self._base_url}{path}"
        request = self._head(method, f"{path}?{query}" if query else path, headers, body) + body
        await self._reserve(what)
        try:
            line = self._take() or await self._open(what)
            try:
                reply = await line.ask(request, self._timeout_s)
            except TimeoutError:
                raise OutcomeUnknown(f"{what}: sent, no whole answer, timed out") from None
            except OSError as error:
                words = error.strerror or "the connection was lost"
                raise OutcomeUnknown(f"{what}: sent, no whole answer, {words}") from None
            except DataError as error:
                raise DataError(f"{what}: {error}") from None
            if reply.keep and not line.closed:
                self._idle.append(line)
            else:
                line.close()
            return reply
        finally:
            self._free.release()

    def close(self) -> None:
        """Close idle connections; busy ones end with their request."""
        while self._idle:
            self._idle.pop().close()

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {self._prefix}{target}{self._fixed}"]
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(f"header {name} must be printable ASCII, was something else")
            lines.append(f"{name}: {value}\r\n")
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("ascii")

    async def _reserve(self, what: str) -> None:
        if not self._free.locked():
            await self._free.acquire()  # does not wait
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise TemporaryError(f"{what}: not sent, all {MAX_LINES} lines are busy") from None

    def _take(self) -> _Line | None:
        while self._idle:
            line = self._idle.pop()
            if not line.closed:
                return line
        return None

    async def _open(self, what: str) -> _Line:
        if self._tls and self._context is None:
            self._context = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, line = await loop.create_connection(
                    lambda: _Line(self._max_body_bytes), self._host, self._port
                )
                if self._context is not None:
                    await line.secure(self._context, self._host)
        except TimeoutError:
            raise TemporaryError(f"{what}: not sent, connecting timed out") from None
        except OSError as error:
            words = error.strerror or type(error).__name__
            raise TemporaryError(f"{what}: not sent, {words}") from None
        return line


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._waiting: asyncio.Future[RawReply] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Go over to TLS, after connecting: what is below it writes at once as well.

        Raises:
            OSError: The other side does not, or is not who it should be.
        """
        below = self._transport
        if below is None:
            raise ConnectionResetError
        try:
            above = await asyncio.get_running_loop().start_tls(
                below, self, context, server_hostname=host
            )
        except BaseException:
            below.abort()
            raise
        if above is None or self._transport is None:
            raise ConnectionResetError  # lost while it was being secured
        self._transport = above

    async def ask(self, request: bytes, timeout_s: float) -> RawReply:
        """Write at once and wait; a wait that fails leaves the connection closed."""
        if self._transport is None:
            raise ConnectionResetError  # lost between being opened and being used
        self._transport.write(request)
        # An answer is read in a later turn of the loop, so all that waits for it is made behind it.
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[RawReply] = loop.create_future()
        self._waiting = waiting
        timer = loop.call_later(timeout_s, self._fail, TimeoutError())
        try:
            return await waiting
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        # A cast, for uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        # uvloop would write when the turn of the loop ends, after all else that is due in it.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Collect the answer."""
        self._buffer += data
        if self._waiting is None:
            self.close()  # an answer nobody asked for: no telling whose the next one would be
            return
        self._look(ended=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait: with what came, if the end of the connection is the end of the answer."""
        self._transport = None
        if self._waiting is not None:
            self._look(ended=True)
            self._fail(exc if isinstance(exc, OSError) else ConnectionResetError())

    def _look(self, *, ended: bool) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        try:
            found = parse_reply(self._buffer, self._max_body_bytes, ended=ended)
        except DataError as error:
            self._fail(error)
            return
        if found is not None:
            reply, used = found
            keep = reply.keep and used == len(self._buffer)
            self._buffer.clear()
            waiting.set_result(reply._replace(keep=keep))

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


def parse_reply(
    buffer: bytearray, max_body_bytes: int, *, ended: bool
) -> tuple[RawReply, int] | None:
    """Return a whole answer and the bytes it took, None while some of it is missing.

    Raises:
        DataError: It is no HTTP/1 answer, or longer than the bound.
    """
    end = buffer.find(_END)
    if end < 0:
        if len(buffer) > _MAX_HEAD:
            raise DataError(f"headers must be at most {_MAX_HEAD} bytes, were longer")
        return None
    status, headers = _parse_head(bytes(buffer[:end]))
    start = end + len(_END)
    if 100 <= status < 200:
        rest = parse_reply(buffer[start:], max_body_bytes, ended=ended)
        return rest and (rest[0], rest[1] + start)
    if headers.get("content-encoding", "identity") != "identity":
        raise DataError(f"answer is encoded as {headers['content-encoding']}, which was not asked")
    keep = headers.get("connection", "").lower() != "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunked = _parse_chunks(buffer, start, max_body_bytes)
        return chunked and (RawReply(status, headers, chunked[0], keep), chunked[1])
    length = headers.get("content-length")
    if length is None and status not in {204, 304}:
        _check_size(len(buffer) - start, max_body_bytes)
        body = bytes(buffer[start:])
        return (RawReply(status, headers, body, False), len(buffer)) if ended else None
    size = _number(length or "0", 10)
    _check_size(size, max_body_bytes)
    if len(buffer) - start < size:
        return None
    body = bytes(buffer[start : start + size])
    return RawReply(status, headers, body, keep), start + size


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, words = first.partition(" ")
    status = words[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
        raise DataError(f"answer must begin with HTTP/1.x and a status, began {first[:60]!r}")
    pairs = (line.partition(":") for line in rest)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parse_chunks(buffer: bytearray, at: int, max_body_bytes: int) -> tuple[bytes, int] | None:
    body = bytearray()
    while True:
        line_end = buffer.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = _number(bytes(buffer[at:line_end]).partition(b";")[0].decode("latin-1"), 16)
        _check_size(len(body) + size, max_body_bytes)
        at = line_end + 2
        if size == 0:
            # Trailers end with an empty line, of which there may be nothing but that line.
            end = line_end if buffer[at : at + 2] == b"\r\n" else buffer.find(_END, at)
            return None if end < 0 or len(buffer) < end + 4 else (bytes(body), end + 4)
        if len(buffer) < at + size + 2:
            return None
        body += buffer[at : at + size]
        at += size + 2


def _number(text: str, base: int) -> int:
    try:
        value = int(text, base)
    except ValueError:
        value = -1
    if value < 0:
        raise DataError(f"a length must be a number, was {text[:20]!r}")
    return value


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise DataError(f"answer must be at most {most} bytes, was longer")
