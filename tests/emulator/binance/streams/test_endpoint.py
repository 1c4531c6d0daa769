"""Public streams: messages, numbering, commands, limits and breakage."""

import asyncio
import json
import struct
from collections import Counter
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import WSMsgType


@pytest.fixture
async def ws(client):
    sockets = []

    async def connect(path, **more):
        sockets.append(await client.session.ws_connect(client.ws_url + path, **more))
        return sockets[-1]

    yield connect
    for socket in sockets:
        await socket.close()


async def receive(socket):
    message = await socket.receive(timeout=10)
    assert message.type is WSMsgType.TEXT, message
    return json.loads(message.data)


async def collect(socket, wanted):
    """Read until every stream of `wanted` sent that many messages; all of them, by stream."""
    got = {name: [] for name in wanted}
    while any(len(got[name]) < count for name, count in wanted.items()):
        message = await receive(socket)
        if message.get("stream") in got:
            got[message["stream"]].append(message["data"])
    return got


async def test_combined_streams_carry_what_their_names_say(ws):
    socket = await ws("/stream?streams=btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker")
    got = await collect(
        socket, {f"btcusdt@{kind}": 3 for kind in ("trade", "aggTrade", "bookTicker")}
    )
    trades = got["btcusdt@trade"]
    assert [t["t"] for t in trades] == list(range(trades[0]["t"], trades[0]["t"] + len(trades)))
    assert set(trades[0]) == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
    assert set(got["btcusdt@aggTrade"][0]) == {
        "e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M",
    }  # fmt: skip
    assert set(got["btcusdt@bookTicker"][0]) == {"u", "s", "b", "B", "a", "A"}
    for quote in got["btcusdt@bookTicker"]:
        assert Decimal(quote["b"]) < Decimal(quote["a"])


async def test_raw_stream_is_not_wrapped(ws):
    socket = await ws("/ws/btcusdt@bookTicker")
    assert (await receive(socket))["s"] == "BTCUSDT"


async def test_diff_depth_is_contiguous_and_rebuilds_the_true_book(client, ws):
    socket = await ws("/ws/btcusdt@depth@100ms")
    events = [await receive(socket)]
    while True:
        _, image = await client.public("depth", symbol="BTCUSDT", limit=5000)
        if image["lastUpdateId"] >= events[0]["U"]:
            break
        events.append(await receive(socket))
    book = {"b": dict(image["bids"]), "a": dict(image["asks"])}
    local = image["lastUpdateId"]
    await client.control("POST", "flow", {"on": False})
    _, truth = await client.control("GET", "book?symbol=BTCUSDT")
    waiting = list(events)
    previous = None
    while local < truth["update_id"]:
        event = waiting.pop(0) if waiting else await receive(socket)
        assert previous is None or event["U"] == previous + 1
        previous = event["u"]
        if event["u"] <= local:
            continue
        assert event["U"] <= local + 1
        local = event["u"]
        for side in "ba":
            for price, size in event[side]:
                if Decimal(size):
                    book[side][price] = size
                else:
                    book[side].pop(price, None)
    assert local == truth["update_id"]
    assert book["b"] == dict(truth["bids"])
    assert book["a"] == dict(truth["asks"])


async def test_slow_depth_covers_the_same_ids_as_fast_depth(ws):
    socket = await ws("/stream?streams=btcusdt@depth/btcusdt@depth@100ms")
    got = await collect(socket, {"btcusdt@depth": 2, "btcusdt@depth@100ms": 5})
    first, second = got["btcusdt@depth"][:2]
    assert second["U"] == first["u"] + 1
    fast = got["btcusdt@depth@100ms"]
    assert any(event["u"] == second["u"] for event in fast)


async def test_partial_depth_has_no_symbol_and_n_levels(ws):
    socket = await ws("/stream?streams=ethusdt@depth5@100ms/ethusdt@depth20")
    got = await collect(socket, {"ethusdt@depth5@100ms": 2, "ethusdt@depth20": 1})
    message = got["ethusdt@depth20"][0]
    assert set(message) == {"lastUpdateId", "bids", "asks"}
    assert len(message["bids"]) == 20
    assert len(got["ethusdt@depth5@100ms"][0]["asks"]) == 5


async def test_second_bars_close_once_each_and_sum_their_trades(ws):
    socket = await ws("/stream?streams=btcusdt@kline_1s/btcusdt@trade")
    bars, trades = {}, []
    while len(bars) < 2:
        message = await receive(socket)
        data = message["data"]
        if data["e"] == "trade":
            trades.append(data)
        elif data["k"]["x"]:
            assert data["k"]["t"] not in bars
            bars[data["k"]["t"]] = data["k"]
    for opened, bar in list(bars.items())[1:]:
        part = [trade for trade in trades if opened <= trade["T"] <= bar["T"]]
        assert len(part) == bar["n"]
        if part:
            assert bar["f"] == part[0]["t"]
            assert bar["L"] == part[-1]["t"]
            assert Decimal(bar["v"]) == sum(Decimal(trade["q"]) for trade in part)
            assert (bar["o"], bar["c"]) == (part[0]["p"], part[-1]["p"])


async def test_tickers_come_every_second(ws):
    socket = await ws("/stream?streams=btcusdt@ticker/btcusdt@miniTicker/!miniTicker@arr")
    got = await collect(
        socket, {"btcusdt@ticker": 1, "btcusdt@miniTicker": 1, "!miniTicker@arr": 1}
    )
    assert got["btcusdt@ticker"][0]["e"] == "24hrTicker"
    assert len(got["!miniTicker@arr"][0]) == 6


async def ask(socket, request):
    await socket.send_str(request if isinstance(request, str) else json.dumps(request))
    while True:
        message = await receive(socket)
        if "result" in message or "code" in message or "error" in message:
            return message


async def test_commands_change_and_list_subscriptions(ws):
    socket = await ws("/ws")
    subscribe = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "x@depth"], "id": 1}
    assert await ask(socket, subscribe) == {"result": None, "id": 1}
    listed = await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": "two"})
    assert listed == {"result": ["btcusdt@trade", "x@depth"], "id": "two"}
    unsubscribe = {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": None}
    assert await ask(socket, unsubscribe) == {"result": None, "id": None}
    assert (await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"] == ["x@depth"]


async def test_combined_can_be_switched_and_read(ws):
    socket = await ws("/ws/btcusdt@bookTicker")
    switch = {"method": "SET_PROPERTY", "params": ["combined", True], "id": 1}
    assert (await ask(socket, switch))["result"] is None
    read = {"method": "GET_PROPERTY", "params": ["combined"], "id": 2}
    assert (await ask(socket, read))["result"] is True
    message = await receive(socket)
    assert message["stream"] == "btcusdt@bookTicker"


@pytest.mark.parametrize(
    ("request_text", "code", "words"),
    [
        ("nonsense", 3, "Invalid JSON"),
        ('{"params":["a"],"id":1}', 2, "missing field `method`"),
        ('{"method":"SUBSCRIBE","params":["a"],"id":1.5}', 2, "request ID"),
        ('{"method":"HELLO","id":1}', 2, "unknown variant `HELLO`"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "expected Boolean"),
        ('{"method":"SET_PROPERTY","params":[1,true],"id":1}', 2, "must be a string"),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "too many parameters"),
        ('{"method":"SUBSCRIBE","params":"a","id":1}', 2, "missing field `params`"),
    ],
)
async def test_bad_commands_get_the_documented_errors(ws, request_text, code, words):
    socket = await ws("/ws")
    answer = await ask(socket, request_text)
    assert answer["code"] == code
    assert words in answer["msg"]


async def test_more_than_1024_streams_are_refused(ws):
    socket = await ws("/ws")
    names = [f"s{number}@trade" for number in range(1025)]
    answer = await ask(socket, {"method": "SUBSCRIBE", "params": names, "id": 1})
    assert answer["code"] == 2
    assert (await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == []


async def test_more_than_five_messages_a_second_end_the_connection(ws):
    socket = await ws("/ws")
    for number in range(8):
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
    while (message := await socket.receive(timeout=5)).type is WSMsgType.TEXT:
        continue
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)
    assert socket.close_code == 1008


async def test_pings_are_answered_with_their_payload(ws):
    socket = await ws("/ws", autoping=False)
    await socket.ping(b"mine")
    message = await socket.receive(timeout=5)
    assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"mine")


async def test_gap_fault_drops_exactly_k_events_of_the_symbol(client, ws):
    socket = await ws("/ws/btcusdt@depth@100ms")
    before = await receive(socket)
    await client.arm("gap", count=2, symbol="BTCUSDT")
    jumps = []
    for _ in range(8):
        event = await receive(socket)
        if event["U"] != before["u"] + 1:
            jumps.append(event)
        before = event
    assert len(jumps) == 1
    _, faults = await client.control("GET", "faults")
    assert Counter(row["kind"] for row in faults["log"]) == {"gap": 2}
    assert faults["armed"] == []


async def test_malformed_and_binary_frames_arrive_and_the_stream_goes_on(client, ws):
    socket = await ws("/ws/btcusdt@bookTicker")
    await receive(socket)
    await client.arm("malformed_frame")
    await client.arm("binary_frame")
    kinds = Counter()
    while kinds.total() < 2:
        message = await socket.receive(timeout=10)
        if message.type is WSMsgType.BINARY:
            kinds["binary"] += 1
        else:
            try:
                json.loads(message.data)
            except json.JSONDecodeError:
                kinds["malformed"] += 1
    assert kinds == {"binary": 1, "malformed": 1}
    while (await receive(socket))["s"] != "BTCUSDT":
        continue


async def test_oversized_frame_has_the_size_asked_for(client, ws):
    socket = await ws("/ws/btcusdt@bookTicker", max_msg_size=0)
    await client.arm("oversized_frame", value=300_000)
    longest = 0
    while longest < 300_000:
        longest = max(longest, len((await socket.receive(timeout=10)).data))
    assert longest < 300_100


async def test_truncated_frame_ends_in_the_middle(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", client.emulator.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    await client.arm("truncated_frame")
    data = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert data[0] == 0x81
    promised = struct.unpack("!H", data[2:4])[0]
    assert 0 < len(data) - 4 < promised


@pytest.mark.parametrize(("value", "codes"), [(0, {1001}), (1, {1006})])
async def test_closed_streams_close_cleanly_or_not(client, ws, value, codes):
    socket = await ws("/ws/btcusdt@bookTicker")
    await receive(socket)
    await client.arm("close_streams", value=value)
    while (await socket.receive(timeout=10)).type is WSMsgType.TEXT:
        continue
    assert socket.close_code in codes


async def test_stalled_streams_are_silent_then_deliver_what_waited(client, ws):
    socket = await ws("/ws/btcusdt@depth@100ms")
    last = await receive(socket)
    await client.arm("stall_streams", value=0.6)
    silent = 0.0
    while silent < 0.3:
        start = asyncio.get_running_loop().time()
        event = await receive(socket)
        silent = asyncio.get_running_loop().time() - start
        assert event["U"] == last["u"] + 1
        last = event


async def test_refused_connections_come_back_on_the_same_port(client, ws):
    socket = await ws("/ws/btcusdt@bookTicker")
    await client.arm("refuse_connections", value=0.3)
    while (await socket.receive(timeout=10)).type is WSMsgType.TEXT:
        continue
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{client.url}/api/v3/ping")
        while True:
            try:
                async with session.get(f"{client.url}/api/v3/ping") as answer:
                    assert answer.status == 200
                    return
            except aiohttp.ClientConnectorError:
                continue


async def test_snapshot_can_be_made_older_than_the_stream(client, ws):
    await client.arm("stale_depth_ms", value=5_000)
    socket = await ws("/ws/btcusdt@depth@100ms")
    first = await receive(socket)
    _, image = await client.public("depth", symbol="BTCUSDT", limit=5)
    assert image["lastUpdateId"] < first["U"]


async def test_duplicated_depth_event_comes_twice(client, ws):
    socket = await ws("/ws/btcusdt@depth@100ms")
    await receive(socket)
    await client.arm("duplicate_depth", symbol="BTCUSDT")
    ids = [(await receive(socket))["u"] for _ in range(6)]
    assert len(set(ids)) == 5


async def test_shutdown_is_announced_then_carried_out(client, ws):
    socket = await ws("/stream?streams=x@trade")
    await client.arm("server_shutdown")
    message = await receive(socket)
    assert (message["stream"], message["data"]["e"]) == ("!serverShutdown", "serverShutdown")
    await socket.receive(timeout=10)
    assert socket.close_code == 1001


async def test_a_client_that_never_reads_is_disconnected_and_nobody_waits_for_it(client, until):
    hub = client.emulator.venue.hub
    _, writer = await asyncio.open_connection("127.0.0.1", client.emulator.port)
    writer.write(
        b"GET /ws/x@y HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await until(lambda: hub.wanted("x@y"))
    writer.transport.pause_reading()

    def flood():
        for _ in range(3_000):
            hub.publish("x@y", {"filler": "z" * 1_000})
        return not hub.wanted("x@y")

    await until(flood)
    assert not client.emulator.venue.connections
    writer.close()
