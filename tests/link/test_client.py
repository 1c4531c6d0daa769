from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import GetQuotes, GetStatus
from core.model.errors import LinkError
from link import connection
from link.client import UnixLink
from link.codec import MAX_ANSWER_BYTES, Codec, Refused
from link.server import LinkServer

HEAVY = "pydantic numpy numba aiohttp onnxruntime aiosqlite textual ccxt"


def test_client_side_loads_nothing_a_face_would_wait_for() -> None:
    program = (
        f"import sys, link.client, link.remote\nprint(*(set({HEAVY.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == ""


async def test_silence_instead_of_a_hello_is_ended(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.01)
    reader, writer = await asyncio.open_unix_connection(server.path)
    message = Codec().engine_message((await reader.read())[4:])
    assert isinstance(message, Refused)
    assert "no hello within 0.01 s" in str(message.fault.args)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", f"at most {MAX_ANSWER_BYTES} bytes"),
        (b"\x00\x00\x00\x02\xc0\xc0", "malformed engine message of 2 bytes"),
        (b"", "the engine closed the link"),
    ],
)
async def test_listener_that_is_no_engine_is_a_link_down_with_the_reason(
    socket_path: Path, following: Any, until: Any, backoff: Any, said: bytes, words: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(said)
        writer.close()

    listener = await asyncio.start_unix_server(answer, socket_path)
    async with listener, following(UnixLink(socket_path, backoff=backoff)) as link:
        await until(lambda: link.state == "down")
        assert words in link.reason


async def test_link_that_breaks_fails_open_requests_at_once(
    face: Any, socket_path: Path, serving: Any, following: Any, until: Any, backoff: Any
) -> None:
    async with following(UnixLink(socket_path, backoff=backoff)) as link:
        async with serving(LinkServer(face, socket_path)):
            await until(lambda: link.state == "up")
            asked = asyncio.create_task(link.request(GetQuotes(), timeout_s=30))
            await link.request(GetStatus())
        with pytest.raises(LinkError, match="the link broke before the answer"):
            await asked
