"""Asking a venue about a key: what all venues' questions have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from core.model.credentials import Credentials, Environment, KeyPermissions
from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    TemporaryError,
    VenueError,
)
from core.model.ports import Clock
from core.wire.http import HttpReply, HttpSession

WINDOW_MS: Final = 30_000
"""How far a signed question may be off the venue's clock; it changes nothing, so wide is fine."""

T = TypeVar("T")


class Wire:
    """One venue, one key, and the time."""

    def __init__(self, http: HttpSession, credentials: Credentials, clock: Clock) -> None:
        self.http = http
        self.credentials = credentials
        self.clock = clock

    def now_ms(self) -> int:
        """Return our time, which signatures carry."""
        return self.clock.now_ns() // 1_000_000

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] | str = (),
        headers: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> HttpReply:
        """Send a question and return its answer, whatever its status below 500.

        Raises:
            TemporaryError: The venue is away, blocks us, or asks for patience.
        """
        try:
            reply = await self.http.request(method, path, params=params, headers=headers, body=body)
        except (OutcomeUnknown, DataError) as error:
            # A question changes nothing, so it may simply be asked again.
            raise TemporaryError(str(error)) from None
        if reply.status >= 500 or reply.status in {418, 429}:
            raise TemporaryError(f"{self.http.base_url}{path}: status {reply.status}")
        return reply


Ask = Callable[[Wire], Awaitable[KeyPermissions]]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """How one venue is asked."""

    hosts: Mapping[Environment, tuple[str, ...]]
    """The venue's own base URLs by environment, the usual one first."""
    ask: Ask
    remedy: str
    """How to make a key there that cannot withdraw."""
    passphrase: bool = False
    """Its keys come with a third part."""


def read(reply: HttpReply, into: type[T]) -> T:
    """Decode an answer.

    Raises:
        TemporaryError: It is no JSON at all, as a proxy or a page of maintenance says.
        DataError: It is JSON, and not what the venue documents.
    """
    try:
        msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TemporaryError(f"{reply.url}: status {reply.status}, no JSON in the answer") from None
    try:
        return msgspec.json.decode(reply.body, type=into)
    except msgspec.ValidationError as error:
        raise DataError(f"{reply.url}: unexpected answer, {error}") from None


def fields(reply: HttpReply) -> dict[str, Any]:
    """Return an answer that is an object, for looking at its error."""
    return read(reply, dict[str, Any])


def refused(code: object, words: object) -> VenueError:
    """Return the venue's no in its own words."""
    return VenueError(str(code), str(words) or "no reason given")


def need_passphrase(credentials: Credentials) -> str:
    """Return the key's passphrase.

    Raises:
        ConfigError: There is none.
    """
    if not credentials.passphrase:
        raise ConfigError(
            f"keys of {credentials.venue} have a passphrase, {credentials.account} has none; add"
            " it again with --replace"
        )
    return credentials.passphrase
