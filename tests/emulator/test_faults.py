"""Every kind of trouble: of the transport, of messages, of REST, and by the dice."""

import asyncio
import gzip
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType

from emulator.faults import (
    BAR_FAULTS,
    BOOK_FAULTS,
    COUNTED_FAULTS,
    INSTANT_FAULTS,
    REST_FAULTS,
    STREAM_FAULTS,
    SUBSCRIBE_FAULTS,
)
from emulator.market.facts import label
from emulator.wire.topics import mangled

VENUES = ("okx",)
BOOKS = {"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]}


@pytest.fixture
async def book(talk):
    socket = await talk("public")
    await socket.say(BOOKS)
    assert (await socket.hear())["event"] == "subscribe"
    assert (await socket.hear())["action"] == "snapshot"
    return socket


async def raw(socket):
    return await socket.ws.receive(timeout=10)


@pytest.mark.parametrize(
    ("kind", "type_", "check"),
    [
        ("malformed_frame", WSMsgType.TEXT, lambda data: data.endswith(":")),
        ("oversized_frame", WSMsgType.TEXT, lambda data: len(data) > 5_000_000),
        ("binary_frame", WSMsgType.BINARY, lambda data: data.endswith(b"\xfe")),
        ("binary_next", WSMsgType.BINARY, lambda data: json.loads(data)["action"] == "update"),
    ],
)
async def test_frames_of_the_wrong_make(remote, talk, kind, type_, check):
    socket = await talk("public", max_msg_size=1 << 25)
    await socket.say(BOOKS)
    await socket.hear()
    await socket.hear()
    await remote.arm(kind)
    for _ in range(50):
        message = await raw(socket)
        if message.type is type_ and check(message.data):
            break
    else:
        pytest.fail("it never came")
    assert await socket.until(lambda m: m.get("action") == "update")


async def test_a_frame_that_breaks_off(remote, book):
    await remote.arm("truncated_frame")
    for _ in range(50):
        message = await raw(book)
        if message.type is not WSMsgType.TEXT:
            break
    assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)


async def test_fragments_and_slow_bytes_still_make_whole_messages(remote, book):
    await remote.arm("fragment_frames", value=7)
    assert (await book.hear())["arg"]["channel"] == "books"
    assert (await book.hear())["data"][0]["seqId"]
    await remote.arm("fragment_frames", value=0)
    await remote.arm("slow_writer", value=200_000)
    assert (await book.hear())["data"][0]["seqId"]
    await remote.arm("slow_writer", value=0)
    assert (await book.hear())["data"][0]["seqId"]


async def test_deflate_is_offered_when_told_so(remote, talk):
    await remote.arm("deflate", value=1)
    socket = await talk("public", compress=15)
    assert socket.ws.compress
    await socket.say(BOOKS)
    await socket.hear()
    assert (await socket.hear())["action"] == "snapshot"
    await remote.arm("deflate", value=0)
    assert not (await talk("public", compress=15)).ws.compress


async def test_pings_go_unanswered_for_a_while(remote, talk, until):
    socket = await talk("public")
    await remote.arm("no_pong", value=0.3)
    await socket.say("ping")
    with pytest.raises(asyncio.TimeoutError):
        await socket.hear(timeout=0.1)
    connection = next(iter(remote.emulator.venues["okx"].connections))
    await until(lambda: connection.pongs)
    await socket.say("ping")
    assert await socket.hear() == "pong"


async def test_a_client_is_not_read_for_a_while(remote, talk):
    socket = await talk("public")
    await remote.arm("slow_reader", value=0.2)
    await socket.say("ping")
    with pytest.raises(asyncio.TimeoutError):
        await socket.hear(timeout=0.1)
    assert await socket.hear() == "pong"


async def test_silence_with_an_open_connection(remote, book):
    await remote.arm("stall_streams", value=0.3)

    async def read_on():
        while True:
            await book.hear(timeout=0.15)

    with pytest.raises(asyncio.TimeoutError):
        await read_on()
    assert await book.until(lambda message: message.get("action") == "update")


@pytest.mark.parametrize(("kind", "count"), [("no_ack", 0), ("partial_ack", 1)])
async def test_acknowledgements_that_never_come(remote, talk, kind, count):
    socket = await talk("public")
    await remote.arm(kind)
    args = [{"channel": "books5", "instId": name} for name in ("BTC-USDT", "ETH-USDT")]
    await socket.say({"op": "subscribe", "args": args})
    await socket.say("ping")
    seen = []
    while (message := await socket.hear()) != "pong":
        seen.append(message)
    assert len([message for message in seen if message.get("event") == "subscribe"]) == count


RAW = b'{"arg":{"channel":"x"},"data":[{"px":"61650.5","sz":"2","ts":"17"}]}'


def test_a_price_without_decimals_is_mangled_before_its_size():
    raw = b'{"data":[{"asks":[["67979","0.5","0","1"]],"bids":[],"seqId":7}]}'
    assert b'[["0","0.5","0","1"]]' in mangled(raw, "number_zero")


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("number_zero", b'"px":"0"'),
        ("number_huge", b'"px":"1797693134862315'),
        ("number_exponent", b'"px":"6.16505e+4"'),
        ("number_off", b'"px":"63500.0"'),
        ("number_nan", b'"px":"NaN"'),
        ("null_field", b'"px":null'),
        ("empty_field", b'"px":""'),
        ("unknown_field", b'{"zNewField":{"a":[1,"2",null]},"arg"'),
    ],
)
def test_mangled_messages_stay_json(kind, made):
    got = mangled(RAW, kind)
    assert made in got
    json.loads(got)


async def test_mangled_and_unknown_messages_reach_the_client(remote, book):
    await remote.arm("null_field", symbol="BTC-USDT")
    await book.until(lambda message: "null" in json.dumps(message["data"]))
    await remote.arm("unknown_message", symbol="BTC-USDT")
    await book.until(lambda message: message["arg"]["channel"] == "never-heard-of")


async def test_faults_of_another_channel_spare_the_book(remote, talk, book):
    await remote.arm("gap", channel="trade", count=2)
    await book.say({"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT"}]})
    last = None
    for _ in range(60):
        message = await book.hear()
        if message.get("action") == "update":
            data = message["data"][0]
            assert last is None or data["prevSeqId"] == last
            last = data["seqId"]
        if not remote.emulator.venues["okx"].faults.armed:
            break
    assert not remote.emulator.venues["okx"].faults.armed


async def ask(remote, path="/public/time"):
    url = remote.emulator.urls()["okx"]["rest"] + path
    async with remote.session.get(url) as answer:
        return answer, await answer.read()


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ({"kind": "waf_403"}, 403, b"<html>"),
        ({"kind": "html_5xx", "value": 504}, 504, b"<html>"),
        ({"kind": "html_200"}, 200, b"<html>"),
        ({"kind": "rate_limit_now"}, 429, b"50011"),
        ({"kind": "rate_limit_now", "value": 418}, 418, b"50011"),
        ({"kind": "error_in_200"}, 200, b"50026"),
    ],
)
async def test_rest_faults(remote, fault, status, words):
    await remote.arm(**fault)
    answer, body = await ask(remote)
    assert answer.status == status
    assert words in body
    assert ("Retry-After" in answer.headers) == (fault["kind"] == "rate_limit_now")
    answer, _ = await ask(remote)
    assert answer.status == 200


async def test_answers_that_cannot_be_read(remote):
    await remote.arm("truncated_json")
    _, body = await ask(remote)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    await remote.arm("gzip_error")
    with pytest.raises((aiohttp.ClientError, gzip.BadGzipFile)):
        await ask(remote)


async def test_answers_that_are_late_or_never_come(remote):
    loop = asyncio.get_running_loop()
    await remote.arm("latency_ms", value=100)
    started = loop.time()
    await ask(remote)
    assert loop.time() - started >= 0.1
    await remote.arm("latency_ms", value=5, spread="pareto")
    assert (await ask(remote))[0].status == 200
    # aiohttp asks a second time by itself when a GET is dropped.
    await remote.arm("timeout", value=0.1, count=2)
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(remote)


async def test_a_fault_of_one_path_spares_the_others(remote):
    await remote.arm("waf_403", path="/market/")
    assert (await ask(remote))[0].status == 200
    assert (await ask(remote, "/market/ticker?instId=BTC-USDT"))[0].status == 403


async def test_a_fault_strikes_by_chance_and_the_log_says_by_which_seed(remote):
    await remote.arm("waf_403", count=20, probability=0.5)
    path = "/market/ticker?instId=BTC-USDT"
    statuses = [(await ask(remote, path))[0].status for _ in range(20)]
    assert 3 <= statuses.count(403) <= 17
    _, told = await remote.control("GET", "faults?venue=okx")
    assert len(told["log"]) == statuses.count(403)
    assert {row["seed"] for row in told["log"]} == {7}


async def test_the_dice_fall_the_same_for_the_same_seed(remote):
    okx = remote.emulator.venues["okx"]
    rounds = []
    for _ in range(2):
        await remote.control("DELETE", "faults")
        plan = {"seed": 11, "per_minute": 60, "venue": "okx"}
        await remote.control("POST", "chaos", plan)
        dice = remote.emulator._control._dice["okx"]
        first = dice._next_ns
        dice.roll(first + 60_000_000_000)
        rounds.append([(fault.kind, fault.symbol) for fault in okx.faults.armed])
        assert await remote.control("POST", "chaos", {"per_minute": 0}) == (200, {})
    shortest = min(map(len, rounds))
    assert shortest > 20
    assert rounds[0][:shortest] == rounds[1][:shortest]


async def test_bad_plans_are_refused(remote):
    status, answer = await remote.control("POST", "chaos", {"kinds": ["earthquake"]})
    assert status == 400
    assert "was 'earthquake'" in answer["error"]
    status, answer = await remote.control("POST", "faults", {"kind": "gap", "venue": "mtgox"})
    assert (status, answer["error"]) == (400, "venue must be one of okx, was 'mtgox'")


async def test_the_clock_runs_and_jumps(remote):
    status, told = await remote.control("POST", "clock", {"speed": 50})
    assert (status, told["speed"]) == (200, 50)
    _, before = await remote.control("POST", "clock", {"jump_s": 60, "speed": 2})
    _, after = await remote.control("GET", "clock")
    assert after["now_ms"] >= before["now_ms"]
    status, answer = await remote.control("POST", "clock", {"speed": 0})
    assert (status, answer["error"]) == (400, "speed must be above 0 and at most 1000, was 0")


def test_every_fault_is_of_one_family_and_explained():
    families = (STREAM_FAULTS, BOOK_FAULTS, SUBSCRIBE_FAULTS, BAR_FAULTS, REST_FAULTS)
    for family in families:
        assert set(family) <= set(COUNTED_FAULTS)
    assert not set(COUNTED_FAULTS) & set(INSTANT_FAULTS)
    assert all({**COUNTED_FAULTS, **INSTANT_FAULTS}.values())


def test_the_documentation_names_every_fault_and_the_label():
    text = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()
    missing = [kind for kind in {**COUNTED_FAULTS, **INSTANT_FAULTS} if f"`{kind}`" not in text]
    assert not missing
    assert label() in text
