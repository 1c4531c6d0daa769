from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
)
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter
from core.wire.signing import HmacSigner
from core.wire.witness import Witness


class Wire:
    """A server of scripted bytes: each request takes the next answer and is kept."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.decode())
                answer = self.answers.pop(0)
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if b"Connection: close" in answer or not answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@pytest.fixture(params=[False, True], ids=["aiohttp", "line"])
def urgent(request) -> bool:
    """Run a test over both ways to send."""
    return request.param


@asynccontextmanager
async def served(*answers: bytes | None, clock, **kwargs):
    wire = Wire(*answers)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    session = HttpSession(wire.url, clock=clock, **{"timeout_s": 5.0, **kwargs})
    try:
        yield wire, session
    finally:
        await session.close()
        server.close()
        await server.wait_closed()


async def test_query_is_sent_byte_for_byte_as_signed(clock, urgent):
    params = [("symbol", "BTCUSDT"), ("newClientOrderId", "a b/ü+1"), ("timestamp", "1")]
    signer = HmacSigner("secret")
    async with served(answer(b"{}"), clock=clock) as (wire, session):
        reply = await session.request("POST", "/order", params=signer.signed(params), urgent=urgent)
        target = wire.requests[0].split()[1]
        sent, _, signature = target.removeprefix("/order?").rpartition("&signature=")
        assert sent == "symbol=BTCUSDT&newClientOrderId=a%20b%2F%C3%BC%2B1&timestamp=1"
        assert signer.hex(sent) == signature
        assert signature not in reply.url
        assert reply.url.endswith(sent)


async def test_connection_is_kept_alive_between_requests(clock, urgent):
    async with served(answer(b"1"), answer(b"2"), clock=clock) as (wire, session):
        assert (await session.request("GET", "/a", urgent=urgent)).body == b"1"
        assert (await session.request("GET", "/b", urgent=urgent)).body == b"2"
        assert wire.connections == 1


async def test_refused_connection_was_certainly_not_sent(clock, urgent):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        session = HttpSession(
            f"http://127.0.0.1:{taken.getsockname()[1]}", clock=clock, timeout_s=5
        )
        with pytest.raises(TemporaryError, match=r"POST http.*not sent"):
            await session.request("POST", "/order", urgent=urgent, params=[("signature", "S3CRET")])
        await session.close()


async def test_reset_after_sending_is_unknown_and_hides_the_signature(clock, urgent):
    async with served(b"", clock=clock) as (_, session):
        with pytest.raises(OutcomeUnknown) as caught:
            await session.request(
                "POST",
                "/order",
                params=[("signature", "S3CRET")],
                headers={"X-MBX-APIKEY": "KEY"},
                urgent=urgent,
            )
        assert "S3CRET" not in repr(caught.value)
        assert "KEY" not in repr(caught.value)
        assert caught.value.__cause__ is None


async def test_silence_after_sending_is_unknown(clock, urgent):
    async with served(None, clock=clock, timeout_s=0.05) as (wire, session):
        with pytest.raises(OutcomeUnknown, match="timed out"):
            await session.request("POST", "/order", urgent=urgent)
        assert len(wire.requests) == 1


async def test_truncated_body_is_unknown_and_merely_temporary_for_a_read(clock):
    cut = answer(b'{"a":', "200 OK", "Connection: close", length=500)
    async with served(cut, cut, clock=clock) as (_, session):
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await session.request("POST", "/order", urgent=True)
        with pytest.raises(TemporaryError):
            await session.get("/time")


async def test_post_is_never_sent_twice_on_a_dead_kept_connection(clock, urgent):
    async with served(answer(b"1"), b"", answer(b"3"), clock=clock) as (wire, session):
        await session.request("GET", "/warm", urgent=urgent)
        with pytest.raises(OutcomeUnknown):
            await session.request("POST", "/order", urgent=urgent)
        assert [r.split()[0] for r in wire.requests] == ["GET", "POST"]


async def test_oversized_answer_is_refused_with_the_bound(clock, urgent):
    async with served(answer(b"x" * 2000), clock=clock, max_body_bytes=1000) as (_, session):
        with pytest.raises(DataError, match="at most 1000 bytes"):
            await session.request("GET", "/exchangeInfo", urgent=urgent)


async def test_redirects_are_answers_not_followed(clock, urgent):
    moved = answer(b"", "302 Found", "Location: http://127.0.0.1:1/else")
    async with served(moved, clock=clock) as (wire, session):
        assert (await session.request("GET", "/a", urgent=urgent)).status == 302
        assert len(wire.requests) == 1


async def test_used_weight_header_feeds_the_limiter(clock, urgent):
    limiter = WeightLimiter(clock=clock, capacity=100)
    reply = answer(b"{}", "200 OK", "x-mbx-used-weight-1m: 77")
    async with served(reply, clock=clock, limiter=limiter) as (_, session):
        await session.request("GET", "/time", urgent=urgent, weight=2)
        assert limiter.used == 77


async def test_429_with_retry_after_stops_the_next_request_before_it_is_sent(clock):
    limiter = WeightLimiter(clock=clock, capacity=100)
    busy = answer(b"{}", "429 Too Many Requests", "Retry-After: 42")
    async with served(busy, answer(b"{}"), clock=clock, limiter=limiter) as (wire, session):
        assert (await session.request("GET", "/a")).retry_after_s == 42
        with pytest.raises(RateLimited) as caught:
            await session.request("POST", "/order", urgent=True)
        assert caught.value.retry_after_s == pytest.approx(42)
        assert "banned this address for now or told it to wait" in caught.value.reason
        assert len(wire.requests) == 1
        clock.advance(43)
        assert (await session.request("POST", "/order", urgent=True)).status == 200


@pytest.mark.parametrize("url", ["", "api.binance.com", "ftp://x", "https://", "https://x/?a=1"])
def test_a_base_url_that_is_none_is_refused_with_its_value(url, clock):
    with pytest.raises(ConfigError, match="was "):
        HttpSession(url, clock=clock, timeout_s=1)


async def test_a_witness_sees_requests_with_parameters_but_no_signature_and_no_key(clock, urgent):
    answers = (answer(b'{"ok":1}'), answer(b"{}"), None)
    async with served(*answers, clock=clock, timeout_s=0.2) as (_, session):
        session.witness = Witness()
        signed = HmacSigner("secret").signed([("id", "order-1")])
        await session.request("GET", "/a", params=signed, headers={"K": "key-1"}, urgent=urgent)
        await session.request("GET", "/time", urgent=urgent)
        with pytest.raises(OutcomeUnknown):
            await session.request("GET", "/b", params=[("id", "order-1")], urgent=urgent)
        first, second = session.witness.find(["order-1"])
        assert (first.sent, first.answer, first.words) == (
            "GET /a?id=order-1", b'{"ok":1}', "status 200",
        )  # fmt: skip
        assert (second.answer, second.answered_ns) == (b"", 0)
        assert "key-1" not in repr((first, second))
