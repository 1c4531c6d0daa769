"""Asks the right venue the right question about a key."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from core.model.credentials import Credentials, Environment, KeyTest
from core.model.errors import ConfigError, did_you_mean
from core.model.ports import Clock
from core.venues.permissions import (
    alpaca,
    binance,
    bybit,
    coinbase,
    deribit,
    kraken,
    kucoin,
    okx,
)
from core.venues.permissions.question import Question, Wire
from core.wire.http import HttpSession

QUESTIONS: Final = MappingProxyType(
    {
        "binance": binance.SPOT,
        "binance_usdm": binance.USDM,
        "okx": okx.QUESTION,
        "deribit": deribit.QUESTION,
        "kucoin": kucoin.QUESTION,
        "coinbase": coinbase.QUESTION,
        "kraken": kraken.QUESTION,
        "bybit": bybit.QUESTION,
        "alpaca": alpaca.QUESTION,
    }
)
"""Venues that can be asked, by kind; the same names ``ccxt:<name>`` may be asked by."""

CCXT: Final = "ccxt:"
_OTHER_NAMES: Final = MappingProxyType({"binanceusdm": "binance_usdm", "kucoinfutures": "kucoin"})


def question_of(venue: str) -> Question | None:
    """Return how a kind of venue is asked, None where it cannot be.

    Raises:
        ConfigError: There is no such kind of venue.
    """
    name = venue.removeprefix(CCXT)
    found = QUESTIONS.get(_OTHER_NAMES.get(name, name))
    if found is None and not venue.startswith(CCXT):
        raise ConfigError(
            f"no kind of venue {venue!r}{did_you_mean(venue, QUESTIONS)}; known: "
            f"{', '.join(sorted(QUESTIONS))} and ccxt:<exchange>"
        )
    return found


def remedy_of(venue: str) -> str:
    """Return how to make a key at a venue that cannot withdraw."""
    found = question_of(venue)
    return found.remedy if found else "Make a key that reads and trades, and nothing else."


async def ask_permissions(
    credentials: Credentials, *, clock: Clock, rest_url: str = "", timeout_s: float = 10.0
) -> KeyTest:
    """Ask an account's venue what the account's key may do.

    Args:
        credentials: The account's.
        clock: Signs and stamps.
        rest_url: In place of the venue's own host, such as an emulator's; the test then says so.
        timeout_s: For each step of a request.

    Raises:
        ConfigError: The venue cannot be asked, has no such environment, or the key has not the
            form of its keys.
        TemporaryError: It does not answer; nothing is known.
        VenueError: It does not know the key, or refuses it.
        DataError: Its answer is not what it documents.
    """
    found = question_of(credentials.venue)
    if found is None:
        raise ConfigError(
            f"{credentials.venue} has no way to say what a key may do; if you made the key without"
            f" withdrawals, say so with `clx keys test {credentials.account} --attest`"
        )
    own = found.hosts.get(credentials.environment, ())
    if not own and not rest_url:
        raise ConfigError(_no_environment(credentials, found))
    base = (rest_url or own[0]).rstrip("/")
    http = HttpSession(base, clock=clock, timeout_s=timeout_s)
    try:
        permissions = await found.ask(Wire(http, credentials, clock))
    finally:
        await http.close()
    return KeyTest(
        ts_ns=clock.now_ns(),
        host=base.partition("://")[2],
        own_host=base in own,
        permissions=permissions,
    )


def _no_environment(credentials: Credentials, found: Question) -> str:
    known: list[Environment] = sorted(found.hosts)
    return (
        f"{credentials.venue} has no environment {credentials.environment!r}; known:"
        f" {', '.join(known)}"
    )
