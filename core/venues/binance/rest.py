"""Signed Binance requests, on the venue's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    VenueError,
)
from core.model.ports import Clock
from core.model.settings import VenueSettings
from core.venues.binance.messages import ERROR, SERVER_TIME, ErrorBody
from core.venues.offset import ClockOffset
from core.wire.budget import Budgets
from core.wire.http import HttpReply, HttpSession
from core.wire.limits import WeightLimiter
from core.wire.signing import HmacSigner
from core.wire.witness import Witness

WEIGHT_PER_MINUTE: Final = 6000
WEIGHT_RESERVE: Final = 10
"""A part in so many is left to orders and cancels when queries have used up the rest."""

_MS: Final = 1_000_000
OFF_TIME: Final = -1021

T = TypeVar("T")
Param = tuple[str, str]


class BinanceRest:
    """Sign, send and judge requests; knows how far the venue's clock is from ours."""

    def __init__(
        self,
        url: str,
        settings: VenueSettings,
        *,
        clock: Clock,
        name: str,
        root: str = "/api/v3",
        weight_per_minute: int = WEIGHT_PER_MINUTE,
    ) -> None:
        """Take keys from the settings; below `root` lies the clock.

        Raises:
            ConfigError: There is no key or no secret, or the URL is none.
        """
        key = settings.api_key.get_secret_value()
        secret = settings.api_secret.get_secret_value()
        if not key or not secret:
            missing = "api_key" if not key else "api_secret"
            raise ConfigError(
                f"venues.{name}.{missing} must be set to send orders, was empty; "
                f"set it with `clx config` or CLX_VENUES__{name.upper()}__{missing.upper()}"
            )
        self._clock = clock
        self._name = name
        self._key = key
        self._signer = HmacSigner(secret)
        self._headers = {"X-MBX-APIKEY": key}
        self._time_path = f"{root}/time"
        self._recv_window = str(settings.recv_window_ms)
        self._http = HttpSession(
            url,
            clock=clock,
            timeout_s=settings.timeout_s,
            limiter=WeightLimiter(
                clock=clock,
                capacity=weight_per_minute,
                reserve=weight_per_minute // WEIGHT_RESERVE,
            ),
        )
        self.witness = self._http.witness = Witness()
        """Sees the bytes of orders and of the account's events."""
        self.offset = ClockOffset()

    def __repr__(self) -> str:
        return f"BinanceRest({self._http.base_url!r}, api_key=***)"

    def timestamp_ms(self) -> int:
        """Return the venue's time, as far as we know it."""
        return self._clock.now_ns() // _MS + self.offset.ms

    async def sync_time(self) -> None:
        """Sample the venue's clock; also keeps a line warm for the next order.

        Raises:
            TemporaryError: No usable answer.
        """
        asked_ns = self._clock.now_ns()
        try:
            reply = await self._http.request("GET", self._time_path, urgent=True)
            answered_ns = self._clock.now_ns()
            if reply.status != 200:
                raise TemporaryError(f"{reply.url}: status {reply.status}")
            server_ms = decode(SERVER_TIME, reply).server_time
        except (RateLimited, OutcomeUnknown, DataError) as error:
            raise TemporaryError(str(error)) from error
        self.offset.take(asked_ns, server_ms, answered_ns)

    async def send(
        self, method: str, path: str, params: Sequence[Param], *, weight: int = 1
    ) -> HttpReply:
        """Send a signed order request; it may use the budget's reserve and never waits for it.

        What the venue refused for its time stamp (-1021) was certainly not carried out: it is
        signed once more, by the venue's clock as it is then.

        Raises:
            TemporaryError: Certainly not sent.
            RateLimited: Certainly not sent: the budget is spent or the venue blocked us.
            OutcomeUnknown: May have been carried out.
            DataError: Answered beyond all bounds; may have been carried out.
        """
        reply = await self._send(method, path, params, weight)
        if reply.status != 400 or (body := error_of(reply)) is None or body.code != OFF_TIME:
            return reply
        self.offset.doubt()
        try:
            await self.sync_time()
        except TemporaryError:
            return reply
        return await self._send(method, path, params, weight)

    async def _send(
        self, method: str, path: str, params: Sequence[Param], weight: int
    ) -> HttpReply:
        return await self._http.request(
            method,
            path,
            params=self._sign(params),
            headers=self._headers,
            weight=weight,
            urgent=True,
        )

    async def keyed(self, method: str, path: str, into: msgspec.json.Decoder[T]) -> T:
        """Ask for what the key alone is enough for, such as a listen key.

        Raises:
            TemporaryError: No usable answer.
            VenueError: The venue's definite no, with its code.
        """
        try:
            reply = await self._http.request(method, path, headers=self._headers)
        except (DataError, RateLimited, OutcomeUnknown) as error:
            raise TemporaryError(str(error)) from error
        return await self._usable(path, reply, into)

    async def read(
        self, path: str, params: Sequence[Param], into: msgspec.json.Decoder[T], *, weight: int
    ) -> T:
        """Ask a signed question and decode its answer.

        Raises:
            TemporaryError: No usable answer; nothing is known.
            VenueError: The venue's definite no, with its code.
        """
        try:
            reply = await self._http.get(
                path, params=self._sign(params), headers=self._headers, weight=weight
            )
        except (DataError, RateLimited) as error:
            raise TemporaryError(str(error)) from error
        return await self._usable(path, reply, into)

    async def _usable(self, path: str, reply: HttpReply, into: msgspec.json.Decoder[T]) -> T:
        if reply.status == 200:
            try:
                return decode(into, reply)
            except DataError as error:
                raise TemporaryError(str(error)) from error
        error_body = error_of(reply)
        if error_body is None or reply.status >= 500 or reply.status in {403, 418, 429}:
            words = error_body.msg if error_body else "no reason given"
            raise TemporaryError(f"{self._name} {path}: status {reply.status}, {words}")
        if error_body.code == OFF_TIME:
            self.offset.doubt()
            await self.sync_time()
            raise TemporaryError(f"{self._name} {path}: {error_body.msg} (clock sampled anew)")
        raise VenueError(str(error_body.code), error_body.msg)

    def subscription(self) -> dict[str, str | int]:
        """Return signed parameters for ``userDataStream.subscribe.signature``."""
        return self.signed_frame(())

    def signed_frame(self, params: Sequence[Param]) -> dict[str, str | int]:
        """Return the signed parameters of a request on the WS-API socket.

        It signs them in alphabetical order, and as they are: nothing is percent-encoded there.
        """
        stamp = self.timestamp_ms()
        every = [
            *params,
            ("apiKey", self._key),
            ("recvWindow", self._recv_window),
            ("timestamp", str(stamp)),
        ]
        text = "&".join(f"{key}={value}" for key, value in sorted(every))
        return {
            **dict(params),
            "apiKey": self._key,
            "recvWindow": int(self._recv_window),
            "timestamp": stamp,
            "signature": self._signer.hex(text),
        }

    def take(self, weight: int) -> float:
        """Count requests that go over the WS-API socket, or return how long they must wait."""
        return self._http.take(weight)

    def share(self, budgets: Budgets) -> None:
        """Keep the request budget together with other sessions of this home."""
        self._http.share(budgets)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _sign(self, params: Sequence[Param]) -> str:
        stamped = [
            *params,
            ("recvWindow", self._recv_window),
            ("timestamp", str(self.timestamp_ms())),
        ]
        return self._signer.signed(stamped)


def decode(decoder: msgspec.json.Decoder[T], reply: HttpReply) -> T:
    """Decode a reply's body.

    Raises:
        DataError: It is not what the venue documents; names the URL and what is wrong.
    """
    try:
        return decoder.decode(reply.body)
    except msgspec.MsgspecError as error:
        raise DataError(f"{reply.url}: unreadable answer, {error}") from error


def error_of(reply: HttpReply) -> ErrorBody | None:
    """Return the error a reply states, None when it states none we can read."""
    try:
        return ERROR.decode(reply.body)
    except msgspec.MsgspecError:
        return None
