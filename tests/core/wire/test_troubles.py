"""What kept a connection from opening is told with what to do; nothing goes on without trust."""

import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.model.errors import TemporaryError
from core.wire.http import HttpSession
from core.wire.troubles import trouble
from core.wire.websocket import Connection, hold


@pytest.fixture
async def strangers(tls: ssl.SSLContext) -> AsyncIterator[tuple[str, list[str]]]:
    """A TLS server, and the requests that reached it."""
    asked: list[str] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    yield f"127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def refused(base_url: str) -> str:
    session = HttpSession(base_url, clock=SystemClock(), timeout_s=5.0)
    with pytest.raises(TemporaryError) as raised:
        await session.get("/path")
    await session.close()
    return str(raised.value)


async def ended(address: str) -> str:
    reasons: list[str] = []

    async def opened(connection: Connection) -> None:
        raise AssertionError("it must not open")

    assert not await hold(
        address, on_open=opened, on_message=lambda _: None, on_close=reasons.append
    )
    (reason,) = reasons
    return reason


async def test_certificate_nobody_vouches_for_ends_the_attempt_before_anything_is_sent(
    strangers: tuple[str, list[str]],
) -> None:
    host, asked = strangers
    for words in (await refused(f"https://{host}"), await ended(f"wss://{host}/stream")):
        assert host in words
        assert "certificate is not trusted" in words
        assert "check the host" in words
    assert not asked


async def test_name_that_cannot_be_resolved_is_told_with_what_to_check() -> None:
    for words in (await refused("http://nowhere.invalid"), await ended("ws://nowhere.invalid/x")):
        assert "nowhere.invalid" in words
        assert "cannot be resolved: check the network and DNS" in words


def test_words_of_an_unknown_error_are_left_to_whoever_asks() -> None:
    assert trouble(ValueError("odd")) == ""
    assert trouble(TimeoutError()) == "timed out"
