"""What each of ccxt's errors means for an order, and that nothing secret is in the words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.engine.clock import SimClock, SystemClock
from core.model.errors import (
    ConfigError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    VenueError,
)
from core.model.ids import VenueName
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.client import CcxtClient
from core.wire.budget import Budgets, Role

pytest.importorskip("ccxt")
errors = pytest.importorskip("ccxt.base.errors")

TABLE = VenueSettings(api_key=SecretStr("k" * 32), api_secret=SecretStr("s" * 32), timeout_s=0.5)


@pytest.fixture
def client() -> CcxtClient:
    made = CcxtClient(VenueName("kraken"), "kraken", TABLE, clock=SystemClock())
    made.load()
    return made


async def failing(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("RequestTimeout", OutcomeUnknown),
        ("ExchangeNotAvailable", OutcomeUnknown),
        ("OnMaintenance", OutcomeUnknown),
        ("NetworkError", OutcomeUnknown),
        ("BadResponse", OutcomeUnknown),
        ("OperationFailed", OutcomeUnknown),
        ("DuplicateOrderId", OutcomeUnknown),
        ("ExchangeError", OutcomeUnknown),
        ("DDoSProtection", RateLimited),
        ("RateLimitExceeded", RateLimited),
        ("InvalidNonce", RateLimited),
        ("InvalidOrder", VenueError),
        ("InsufficientFunds", VenueError),
        ("OrderNotFound", VenueError),
        ("PermissionDenied", VenueError),
        ("AuthenticationError", VenueError),
        ("BadSymbol", VenueError),
    ],
)
async def test_error_of_ccxt_means(client: CcxtClient, name: str, fate: type) -> None:
    with pytest.raises(fate) as caught:
        await client.ask("an order", failing(getattr(errors, name)("words")))
    assert type(caught.value) is fate
    assert name in str(caught.value) or "words" in str(caught.value)


async def test_bug_of_the_library_leaves_the_outcome_open(client: CcxtClient) -> None:
    with pytest.raises(OutcomeUnknown, match="KeyError"):
        await client.ask("an order", failing(KeyError("x")))


async def test_no_answer_leaves_the_outcome_open(client: CcxtClient) -> None:
    with pytest.raises(OutcomeUnknown, match="no answer"):
        await client.ask("an order", asyncio.Event().wait())


async def test_refused_connection_is_known_not_to_have_sent(client: CcxtClient) -> None:
    client.ccxt.urls["api"]["private"] = "http://127.0.0.1:1"
    with pytest.raises(TemporaryError, match="not sent"):
        await client.ask("an order", client.ccxt.private_post_addorder({"pair": "XBTUSD"}))
    await client.close()


async def test_queries_of_urls_are_left_out_of_the_words(client: CcxtClient) -> None:
    error = errors.InvalidOrder("GET https://x/y?signature=abc123&key=z failed")
    with pytest.raises(VenueError) as caught:
        await client.ask("an order", failing(error))
    assert "abc123" not in str(caught.value)


def test_ccxt_retries_nothing_and_keeps_to_its_limits(client: CcxtClient) -> None:
    assert client.ccxt.options["maxRetriesOnFailure"] == 0
    assert client.ccxt.enableRateLimit is True
    assert client.ccxt.number is str


def test_unknown_exchange_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kraken'"):
        CcxtClient(VenueName("x"), "krakn", TABLE, clock=SystemClock())


def test_missing_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"venues\.x\.api_key must be set"):
        CcxtClient(VenueName("x"), "kraken", VenueSettings(), clock=SystemClock())


async def test_the_pace_is_shared_and_orders_go_before_questions(tmp_path: Path) -> None:
    clock = SimClock(1_800_000_000_000_000_000)
    made = []
    for _ in range(2):
        client = CcxtClient(VenueName("kraken"), "kraken", TABLE, clock=clock)
        client.share(Budgets(tmp_path, role=Role.LIVE, share=0.5, clock=clock, told=pytest.fail))
        client.load()
        made.append(client)
    one, other = made
    await one.ccxt.throttle(1.0)
    waits = asyncio.ensure_future(other.read("something", other.ccxt.throttle(1.0)))
    await asyncio.sleep(0)
    assert not waits.done(), "one request a second, and the other program has had it"
    waits.cancel()
    tight = CcxtClient(VenueName("kraken"), "kraken", TABLE, clock=clock)
    tight.load()
    await tight.ccxt.throttle(1.0)
    with pytest.raises(RateLimited, match="budget of kraken is spent"):
        await tight.act("an order", tight.ccxt.throttle(1.0))
