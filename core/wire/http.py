"""HTTP requests that say, when they fail, whether anything may have been sent.

::

    connect refused, no such host, no free connection ──► TemporaryError   nothing was sent
    reset, timeout, truncated answer after that       ──► OutcomeUnknown   it may have been done
    an answer of any status                           ──► HttpReply        the caller judges it
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from core.model.errors import (
    ClxError,
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
)
from core.model.ports import Clock
from core.wire.budget import Budgets
from core.wire.limits import WeightLimiter
from core.wire.lines import Lines
from core.wire.loopback import LOOPBACK
from core.wire.signing import encode_query
from core.wire.troubles import trouble
from core.wire.witness import Witness

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Binance's whole exchangeInfo is about 15 MB; nothing honest is larger than this."""

_KEEP_ALIVE_S: Final = 45.0
_BANNED: Final = frozenset({418, 429})


Params: TypeAlias = Sequence[tuple[str, str]] | str
"""Parameters to encode, or an encoded query."""


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    """As requested, a signature left out; safe to log and tape."""

    @property
    def retry_after_s(self) -> float:
        """The venue's ``Retry-After`` in seconds, 0 if it states none."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdigit() else 0.0


class HttpSession:
    """Requests to one base URL over kept-alive connections.

    Urgent requests go over lines of their own (`core.wire.lines`), each written at most once.
    Others go through aiohttp, which knows proxies and compression, and sends a ``GET`` once more
    when it meets a connection the server just closed. Behind a proxy, everything does.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        timeout_s: float,
        limiter: WeightLimiter | None = None,
        weight_header: str = "X-MBX-USED-WEIGHT-1M",
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Remember where to; opens nothing yet.

        Raises:
            ConfigError: The URL is not http(s) with a host.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ConfigError(f"rest_url must be http(s)://HOST[:PORT][/PATH], was {base_url!r}")
        self.base_url = base_url.rstrip("/")
        self._loopback = parts.hostname in LOOPBACK
        self._clock = clock
        self._timeout_s = timeout_s
        self._limiter = limiter
        self._weight_header = weight_header.lower()
        self._max_body_bytes = max_body_bytes
        self._client: ClientSession | None = None
        self._lines: Lines | None = None
        self._proxied: bool | None = None
        self.witness: Witness | None = None
        """Told of every request with parameters, where somebody wants to know."""

    def __repr__(self) -> str:
        return f"HttpSession({self.base_url!r})"

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        headers: Mapping[str, str] = {},
        body: bytes = b"",
        weight: int = 1,
        urgent: bool = False,
    ) -> HttpReply:
        """Send one request and return its whole answer.

        Parameters are percent-encoded once, exactly as `core.wire.signing` signs them; text is
        sent as it is, for a query that was encoded to be signed. An urgent request may use the
        limiter's reserve and never waits for budget. `headers` say what a body is.

        Raises:
            TemporaryError: Nothing was sent.
            RateLimited: Nothing was sent: the budget is spent or the venue blocked us.
            OutcomeUnknown: Sent at least in part, and no whole answer came.
            DataError: The answer is larger than the bound; its outcome is unknown too.
        """
        await self._wait_for_budget(weight, urgent)
        query = params if isinstance(params, str) else encode_query(params)
        lines = self._direct() if urgent else None
        sent_ns = self._clock.now_ns()
        try:
            if lines is None:
                reply = await self._exchange(method, path, query, headers, body)
            else:
                raw = await lines.exchange(method, path, query, headers, body)
                reply = HttpReply(
                    status=raw.status,
                    headers=raw.headers,
                    body=raw.body,
                    url=_shown(f"{self.base_url}{path}", query),
                )
        except ClxError as error:
            self._note(sent_ns, method, _shown(path, query), body, str(error))
            raise
        self._note(sent_ns, method, _shown(path, query), body, reply)
        self._learn_limits(reply)
        return reply

    def _note(
        self, sent_ns: int, method: str, target: str, body: bytes, came: HttpReply | str
    ) -> None:
        """Let the witness see a request that says something, and what came of it."""
        if self.witness is None or not ("?" in target or body):
            return
        sent = f"{method} {target} {body.decode(errors='replace')}".rstrip()
        if isinstance(came, str):
            self.witness.exchanged(sent_ns, 0, sent, b"", came)
        else:
            words = f"status {came.status}"
            self.witness.exchanged(sent_ns, self._clock.now_ns(), sent, came.body, words)

    async def get(
        self,
        path: str,
        *,
        params: Params = (),
        headers: Mapping[str, str] = {},
        weight: int = 1,
    ) -> HttpReply:
        """Read something: as `request`, but a lost answer is merely temporary.

        Raises:
            TemporaryError: No answer; asking again is safe.
            RateLimited: The budget is spent or the venue blocked us.
            DataError: The answer is larger than the bound.
        """
        try:
            return await self.request("GET", path, params=params, headers=headers, weight=weight)
        except OutcomeUnknown as error:
            raise TemporaryError(str(error)) from None

    def take(self, weight: int) -> float:
        """Count urgent requests that go another way, or return how long they must wait."""
        return 0.0 if self._limiter is None else self._limiter.take(weight, urgent=True)

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with every other program of the same home."""
        if self._limiter is None:
            return
        # With its path: a gateway, or an emulator, may have several venues at one host.
        parts = urlsplit(self.base_url)
        window = budgets.window(parts.netloc + parts.path, self._limiter.window_s)
        if window is not None:
            self._limiter.share(window)

    async def close(self) -> None:
        """Close every connection; the next request opens new ones."""
        if self._lines is not None:
            self._lines.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _exchange(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> HttpReply:
        import aiohttp
        from yarl import URL

        url = f"{self.base_url}{path}?{query}" if query else f"{self.base_url}{path}"
        what = f"{method} {self.base_url}{path}"
        # Errors are re-raised without their cause: aiohttp's carry the URL and the headers,
        # which hold the signature and the key.
        try:
            async with self._opened().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as response:
                return HttpReply(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await self._read(response, what),
                    url=_shown(f"{self.base_url}{path}", query),
                )
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise TemporaryError(f"{what}: not sent, {_words(error)}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(f"{what}: sent, no whole answer, {_words(error)}") from None

    def _direct(self) -> Lines | None:
        """Return the lines, None where a proxy stands between."""
        if self._proxied is None:
            self._proxied = not self._loopback and _has_proxy(self.base_url)
        if self._lines is None and not self._proxied:
            self._lines = Lines(
                self.base_url, timeout_s=self._timeout_s, max_body_bytes=self._max_body_bytes
            )
        return self._lines

    async def _read(self, response: ClientResponse, what: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > self._max_body_bytes:
                response.close()
                raise DataError(
                    f"{what}: answer must be at most {self._max_body_bytes} bytes, was longer"
                )
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _opened(self) -> ClientSession:
        if self._client is None:
            import aiohttp

            timeout_s = self._timeout_s
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=32, keepalive_timeout=_KEEP_ALIVE_S, ttl_dns_cache=300
                ),
                # The total is longer than the connect phase may take, so when it strikes,
                # something was sent: the two kinds of failure stay apart.
                timeout=aiohttp.ClientTimeout(
                    connect=timeout_s, sock_read=timeout_s, total=timeout_s * 4
                ),
                trust_env=not self._loopback,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # aiohttp sends a DELETE again by itself when the connection drops; whether a request
            # is sent again is never the library's to decide. There is no public switch.
            self._client._retry_connection = False
        return self._client

    async def _wait_for_budget(self, weight: int, urgent: bool) -> None:
        limiter = self._limiter
        if limiter is None:
            return
        delay_s = limiter.take(weight, urgent=urgent)
        while delay_s > 0:
            if urgent or delay_s > self._timeout_s:
                why = f"request budget of {self.base_url} is spent"
                if limiter.blocked_s():
                    why = (
                        f"{self.base_url} banned this address for now or told it to wait (status "
                        "418 or 429), so it is not asked; other programs here may use it up"
                    )
                raise RateLimited("local-limit", why, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = limiter.take(weight, urgent=urgent)

    def _learn_limits(self, reply: HttpReply) -> None:
        if self._limiter is None:
            return
        used = reply.headers.get(self._weight_header, "")
        if used.isdigit():
            self._limiter.observe(int(used))
        if reply.status in _BANNED:
            self._limiter.block(max(reply.retry_after_s, 1.0))


def _shown(address: str, query: str) -> str:
    """Return a URL without the signature."""
    return f"{address}?{query.partition('&signature=')[0]}" if query else address


def _has_proxy(base_url: str) -> bool:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(base_url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def _words(error: BaseException) -> str:
    return trouble(error) or type(error).__name__
