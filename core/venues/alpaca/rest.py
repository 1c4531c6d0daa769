"""Requests to Alpaca's trading API, inside the budget the account has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from core.model.errors import (
    ConfigError,
    DataError,
    RateLimited,
    TemporaryError,
    VenueError,
)
from core.model.ports import Clock
from core.model.settings import VenueSettings
from core.venues.alpaca.messages import ERROR, ErrorBody
from core.wire.budget import Budgets
from core.wire.http import HttpReply, HttpSession
from core.wire.limits import WeightLimiter
from core.wire.witness import Witness

PER_MINUTE: Final = 200
"""Requests an account has unless the venue says otherwise in ``X-RateLimit-Limit``."""
_RESERVED: Final = 5
"""One part in so many is left to orders and cancels when queries have used up the rest."""

T = TypeVar("T")
Param = tuple[str, str]


class AlpacaRest:
    """Send and judge requests; the key travels in headers, there is no signature."""

    def __init__(self, url: str, settings: VenueSettings, *, clock: Clock, name: str) -> None:
        """Take keys from the settings.

        Raises:
            ConfigError: There is no key or no secret, or the URL is none.
        """
        self.key = settings.api_key.get_secret_value()
        self.secret = settings.api_secret.get_secret_value()
        if not self.key or not self.secret:
            missing = "api_key" if not self.key else "api_secret"
            raise ConfigError(
                f"venues.{name}.{missing} must be set to send orders, was empty; give the key to "
                f'`clx keys add` and name the account: account = "..."'
            )
        self._name = name
        self._headers: Mapping[str, str] = {
            "APCA-API-KEY-ID": self.key,
            "APCA-API-SECRET-KEY": self.secret,
        }
        self._limiter = WeightLimiter(
            clock=clock, capacity=PER_MINUTE, reserve=PER_MINUTE // _RESERVED
        )
        self._limit = PER_MINUTE
        self._http = HttpSession(
            url, clock=clock, timeout_s=settings.timeout_s, limiter=self._limiter
        )
        self.witness = self._http.witness = Witness()
        """Sees the bytes of orders and of the account's events."""

    def __repr__(self) -> str:
        return f"AlpacaRest({self._http.base_url!r}, api_key=***)"

    async def send(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> HttpReply:
        """Send a request about an order; it may use the budget's reserve and never waits for it.

        Raises:
            TemporaryError: Certainly not sent.
            RateLimited: Certainly not sent: the budget is spent or the venue blocked us.
            OutcomeUnknown: May have been carried out.
            DataError: Answered beyond all bounds; may have been carried out.
        """
        headers = self._headers
        data = b""
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
            data = msgspec.json.encode(body)
        reply = await self._http.request(method, path, headers=headers, body=data, urgent=True)
        self._learn(reply)
        return reply

    async def read(self, path: str, params: Sequence[Param], into: msgspec.json.Decoder[T]) -> T:
        """Ask a question and decode its answer.

        Raises:
            TemporaryError: No usable answer; nothing is known.
            VenueError: The venue's definite no; its code is the HTTP status.
        """
        try:
            reply = await self._http.get(path, params=params, headers=self._headers)
            self._learn(reply)
            if reply.status == 200:
                return decode(into, reply)
        except (DataError, RateLimited) as error:
            raise TemporaryError(str(error)) from error
        body = error_of(reply)
        words = body.message if body is not None else "no reason given"
        if body is None or reply.status >= 500 or reply.status == 429:
            raise TemporaryError(f"{self._name} {path}: status {reply.status}, {words}")
        raise VenueError(str(reply.status), f"{words} ({body.code})" if body.code else words)

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with other sessions of this home."""
        self._http.share(budgets)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _learn(self, reply: HttpReply) -> None:
        """Take the account's own limit, and what others have used of it."""
        limit = reply.headers.get("x-ratelimit-limit", "")
        left = reply.headers.get("x-ratelimit-remaining", "")
        if not limit.isdigit() or int(limit) < _RESERVED:
            return
        if int(limit) != self._limit:
            self._limit = int(limit)
            self._limiter.resize(self._limit, reserve=self._limit // _RESERVED)
        if left.isdigit():
            self._limiter.observe(self._limit - int(left))


def decode(decoder: msgspec.json.Decoder[T], reply: HttpReply) -> T:
    """Decode a reply's body.

    Raises:
        DataError: It is not what the venue documents; names the URL and what is wrong.
    """
    try:
        return decoder.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{reply.url}: unreadable answer, {error}") from error


def error_of(reply: HttpReply) -> ErrorBody | None:
    """Return the error a reply states, None when it states none we can read."""
    try:
        return ERROR.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
