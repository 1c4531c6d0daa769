"""A connection that ends before it begins is nobody's fault."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from emulator.clock import WallClock
from emulator.wire.connection import Connection, Habits


async def test_who_goes_before_the_handshake_leaves_no_error_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        try:
            return await Connection(WallClock(), Habits()).open(request)
        except web.HTTPBadRequest:
            gone.set()
            raise

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.ws_connect(server.make_url("/"))
        assert gone.is_set()
    assert not caplog.records
