"""Signed OKX requests, on the venue's own clock."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
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
from core.venues.offset import ClockOffset
from core.venues.okx.messages import Acked, Empty, Envelope, ServerTime
from core.venues.okx.parse import Body
from core.venues.okx.quota import Quota
from core.wire.http import HttpReply, HttpSession
from core.wire.signing import encode_query
from core.wire.witness import Witness

_MS: Final = 1_000_000
_PREFIX: Final = "/api/v5"
TOO_MANY: Final = frozenset({"50011", "50061"})
"""Refused for haste alone, before it was looked at."""
_BY_ORDER: Final = "trade/cancel-algos"
"""Its limit counts orders, not requests."""
_BUSY: Final = frozenset({"50001", "50004", "50013", "50026", "50000"})
_LATE: Final = frozenset({"50102", "50112"})
_TAKEN: Final = frozenset({"51016", "51065"})
_PAUSE_S: Final = 0.5
_TRIES: Final = 6
PAGE: Final = 100

T = TypeVar("T")
Param = tuple[str, str]


class OkxRest:
    """Sign, send and judge requests; knows how far the venue's clock is from ours.

    An order request carries the time after which the venue must no longer take it, so "no such
    order" can be believed once that has passed.
    """

    def __init__(
        self, url: str, settings: VenueSettings, *, clock: Clock, name: str, demo: bool
    ) -> None:
        """Take keys from the settings.

        Raises:
            ConfigError: A key, its secret or its passphrase is missing, or the URL is none.
        """
        secrets = {
            field: getattr(settings, field).get_secret_value()
            for field in ("api_key", "api_secret", "passphrase")
        }
        for field, value in secrets.items():
            if not value:
                raise ConfigError(
                    f"venues.{name}.{field} must be set to send orders, was empty; add the keys "
                    f"with `clx keys add`, or set CLX_VENUES__{name.upper()}__{field.upper()}"
                )
        self._clock = clock
        self._name = name
        self._key = secrets["api_key"]
        self._passphrase = secrets["passphrase"]
        self._keyed = hmac.new(secrets["api_secret"].encode(), digestmod=hashlib.sha256)
        self._demo = demo
        self._window_ms = settings.recv_window_ms
        self._http = HttpSession(
            url.removesuffix(_PREFIX), clock=clock, timeout_s=settings.timeout_s
        )
        self.quota = Quota(name, clock=clock)
        self.witness = self._http.witness = Witness()
        """Sees the bytes of orders and of the account's events."""
        self.offset = ClockOffset()

    def __repr__(self) -> str:
        return f"OkxRest({self._http.base_url!r}, api_key=***)"

    def now_ms(self) -> int:
        """Return the venue's time, as far as we know it."""
        return self._clock.now_ns() // _MS + self.offset.ms

    async def sync_time(self) -> None:
        """Sample the venue's clock; also keeps a line warm for the next order.

        Raises:
            TemporaryError: No usable answer.
        """
        await self.quota.wait("GET", "public/time")
        asked_ns = self._clock.now_ns()
        try:
            reply = await self._http.request("GET", f"{_PREFIX}/public/time", urgent=True)
            answered_ns = self._clock.now_ns()
            told = decode(msgspec.json.Decoder(Envelope[ServerTime]), reply)
            server_ms = int(told.data[0].ts)
        except (RateLimited, OutcomeUnknown, DataError) as error:
            raise TemporaryError(str(error)) from error
        except (IndexError, ValueError):
            raise TemporaryError(f"{self._name}: no time in {reply.body[:120]!r}") from None
        self.offset.take(asked_ns, server_ms, answered_ns)

    async def send(
        self, path: str, body: Body | Sequence[Body], *, patient: bool = False
    ) -> HttpReply:
        """Send a signed order request, once; what is patient waits for its turn.

        Raises:
            TemporaryError: Certainly not sent.
            RateLimited: Certainly not sent: the venue would refuse so many.
            OutcomeUnknown: May have been carried out.
            DataError: Answered beyond all bounds; may have been carried out.
        """
        first = body if isinstance(body, dict) else body[0]
        symbol = str(first.get("instId", ""))
        if patient:
            for _ in range(len(body) if path == _BY_ORDER else 1):
                await self.quota.wait("POST", path, symbol)
        else:
            self.quota.take("POST", path, symbol)
        raw = msgspec.json.encode(body)
        path = f"{_PREFIX}/{path}"
        headers = self._headers("POST", path, raw)
        headers["Content-Type"] = "application/json"
        headers["expTime"] = str(self.now_ms() + self._window_ms)
        return await self._http.request("POST", path, headers=headers, body=raw, urgent=True)

    async def read(self, path: str, params: Sequence[Param], into: type[T]) -> list[T]:
        """Ask a signed question and decode its rows; asked too often, it waits and asks again.

        Raises:
            TemporaryError: No usable answer; nothing is known.
            VenueError: The venue's definite no, with its code.
        """
        query = encode_query(params)
        target = f"{_PREFIX}/{path}?{query}" if query else f"{_PREFIX}/{path}"
        decoder = msgspec.json.Decoder(Envelope[into])  # type: ignore[valid-type]  # a type made of one
        for _ in range(_TRIES):
            await self.quota.wait("GET", path)
            reply = await self._get(path, target, query)
            code, words = stated(reply)
            if code in TOO_MANY or reply.status == 429:
                await asyncio.sleep(_PAUSE_S)
                continue
            if code == "0" and reply.status == 200:
                return self._rows(decoder, reply)
            if code in _LATE:
                self.offset.doubt()
                await self.sync_time()
                raise TemporaryError(f"{self._name} {path}: {words} (clock sampled anew)")
            if not code or code in _BUSY or reply.status >= 500:
                raise TemporaryError(f"{self._name} {path}: status {reply.status}, {code} {words}")
            raise VenueError(code, words)
        raise TemporaryError(f"{self._name} {path}: asked too often")

    async def pages(self, path: str, params: Sequence[Param], into: type[T], key: str) -> list[T]:
        """Read every page, newest first; `key` names the field that tells where a page ends.

        Raises:
            TemporaryError: No usable answer; nothing is known.
            VenueError: The venue's definite no, with its code.
        """
        rows: list[T] = []
        after: list[Param] = []
        while True:
            page = await self.read(path, [*params, ("limit", str(PAGE)), *after], into)
            rows += page
            if len(page) < PAGE:
                return rows
            after = [("after", str(getattr(page[-1], key)))]

    def login(self) -> dict[str, str]:
        """Return the arguments of a socket's login, signed now."""
        stamp = str(self.now_ms() // 1000)
        return {
            "apiKey": self._key,
            "passphrase": self._passphrase,
            "timestamp": stamp,
            "sign": self._sign(f"{stamp}GET/users/self/verify".encode()),
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _get(self, path: str, target: str, query: str) -> HttpReply:
        try:
            return await self._http.get(
                f"{_PREFIX}/{path}", params=query, headers=self._headers("GET", target, b"")
            )
        except (DataError, RateLimited) as error:
            raise TemporaryError(str(error)) from error

    def _rows(self, decoder: msgspec.json.Decoder[Envelope[T]], reply: HttpReply) -> list[T]:
        try:
            return decode(decoder, reply).data
        except DataError as error:
            raise TemporaryError(str(error)) from error

    def _headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        at = datetime.fromtimestamp(self.now_ms() / 1000, UTC)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        headers = {
            "OK-ACCESS-KEY": self._key,
            "OK-ACCESS-SIGN": self._sign(f"{stamp}{method}{target}".encode() + body),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self._passphrase,
        }
        if self._demo:
            headers["x-simulated-trading"] = "1"
        return headers

    def _sign(self, text: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(text)
        return base64.b64encode(keyed.digest()).decode()


def decode(decoder: msgspec.json.Decoder[T], reply: HttpReply) -> T:
    """Decode a reply's body.

    Raises:
        DataError: It is not what the venue documents; names the URL and what is wrong.
    """
    try:
        return decoder.decode(reply.body)
    except msgspec.MsgspecError as error:
        raise DataError(f"{reply.url}: unreadable answer, {error}") from error


_CODE: Final = msgspec.json.Decoder(Envelope[Empty])


def stated(reply: HttpReply) -> tuple[str, str]:
    """Return the code and words of a whole answer, both empty where it states none."""
    try:
        told = _CODE.decode(reply.body)
    except msgspec.MsgspecError:
        return "", f"no reason given: {reply.body[:80]!r}"
    return told.code, told.msg


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of one order."""

    code: str
    """``0``: done."""
    words: str
    row: Acked
    decided: bool
    """False: it may have been done or not, whatever the answer says."""

    @property
    def done(self) -> bool:
        """Whether the venue took the request."""
        return self.decided and self.code == "0"


def verdicts(
    reply: HttpReply, decoder: msgspec.json.Decoder[Envelope[Acked]], count: int
) -> list[Verdict]:
    """Judge the answer to a request about several orders, in their order.

    A row's own code decides: that of the whole says only that not all went alike (2), or none (1).
    An answer without a row for each order says nothing of any of them, unless it refuses all.
    """
    whole = verdict(reply, decoder)
    try:
        told = decoder.decode(reply.body)
    except msgspec.MsgspecError:
        return [whole] * count
    if not told.data:
        return [whole] * count
    if len(told.data) != count:
        words = f"{len(told.data)} words on {count} orders"
        return [Verdict(code=told.code, words=words, row=Acked(), decided=False)] * count
    return [
        Verdict(
            code=row.sCode, words=row.sMsg, row=row,
            decided=reply.status < 500 and row.sCode not in _BUSY and row.sCode not in _TAKEN,
        )
        for row in told.data
    ]  # fmt: skip


def verdict(reply: HttpReply, decoder: msgspec.json.Decoder[Envelope[Acked]]) -> Verdict:
    """Judge the answer to a request about one order.

    HTTP 200 and ``code`` "0" are no success yet: the row has a code of its own. A refusal that
    says the name is taken proves that an order of this very name was placed.
    """
    try:
        told = decoder.decode(reply.body)
    except msgspec.MsgspecError:
        refused = reply.status in {403, 429}
        words = f"status {reply.status}, no reason given"
        return Verdict(code=str(reply.status), words=words, row=Acked(), decided=refused)
    row = told.data[0] if told.data else Acked(sCode=told.code, sMsg=told.msg)
    code, words = (row.sCode, row.sMsg) if row.sCode != "0" else (told.code, told.msg)
    open_ended = code in _BUSY or reply.status >= 500 or code in _TAKEN
    if code == "0" and not told.data:
        open_ended, words = True, "no word of the order"
    return Verdict(code=code, words=words, row=row, decided=not open_ended)
