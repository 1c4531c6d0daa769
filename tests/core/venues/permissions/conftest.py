"""A venue on loopback that gives prepared answers, as the venues document them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.model.credentials import AccountName, Credentials


class Host:
    """Answers by path and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def serve(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.read())
        status, answer = self.answers.get(request.path, (404, {"message": "no such path"}))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer, content_type="text/html")
        return web.json_response(answer, status=status)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    made = Host()
    server = TestServer(web.Application())
    server.app.router.add_route("*", "/{path:.*}", made.serve)
    await server.start_server()
    made.url = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()


@pytest.fixture
def account() -> Callable[..., Credentials]:
    def make(venue: str, **fields: Any) -> Credentials:
        known: dict[str, Any] = {
            "account": AccountName("main"),
            "venue": venue,
            "environment": "live",
            "api_key": "the-key-00000001",
            "api_secret": "dGhlLXNlY3JldC0wMDAwMDAwMQ==",
            "passphrase": "the-passphrase-1",
        }
        return Credentials(**(known | fields))

    return make
