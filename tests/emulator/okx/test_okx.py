"""OKX: the seqId chain, keep-alives, paths, candles' paging, limits and notices."""

import base64
import hashlib
import hmac
import itertools
import zlib

import pytest

VENUES = ("okx",)


def subscribe(channel, name="BTC-USDT", key="instId"):
    return {"op": "subscribe", "args": [{"channel": channel, key: name}]}


async def book_of(socket, name="BTC-USDT"):
    await socket.say(subscribe("books", name))
    assert (await socket.hear())["event"] == "subscribe"
    snapshot = await socket.hear()
    assert snapshot["action"] == "snapshot"
    assert snapshot["data"][0]["prevSeqId"] == -1
    return snapshot["data"][0]


def apply(book, data):
    for side in ("bids", "asks"):
        for price, size, *_ in data[side]:
            if size == "0":
                book[side].pop(price, None)
            else:
                book[side][price] = size


@pytest.mark.parametrize("name", ["BTC-USDT", "BTC-USD-SWAP"])
async def test_the_chain_of_sequence_ids_gives_the_true_book(remote, talk, name):
    socket = await talk("public")
    data = await book_of(socket, name)
    book = {side: {row[0]: row[1] for row in data[side]} for side in ("bids", "asks")}
    for _ in range(5):
        update = (await socket.hear())["data"][0]
        assert update["prevSeqId"] == data["seqId"]
        apply(book, update)
        data = update
    truth = await remote.truth(name)
    while data["seqId"] < truth["update_id"]:
        data = (await socket.hear())["data"][0]
        apply(book, data)
    for side in ("bids", "asks"):
        assert sorted(book[side].items()) == sorted(map(tuple, truth[side]))
    assert data["checksum"] == 0


async def test_an_idle_book_says_that_it_lives(remote, talk):
    remote.emulator.venues["okx"].keep_alive_ms = 300
    socket = await talk("public")
    await book_of(socket)
    await remote.control("POST", "flow", {"on": False})

    def alive(message):
        data = message["data"][0]
        return data["prevSeqId"] == data["seqId"] and not data["bids"] and not data["asks"]

    await socket.until(alive)


async def test_legacy_checksums_are_right_until_a_fault_says_otherwise(remote, talk):
    await remote.arm("legacy_checksum", value=1)
    socket = await talk("public")
    data = await book_of(socket)

    def crc(data):
        rows = itertools.zip_longest(data["bids"][:25], data["asks"][:25])
        text = ":".join(f"{r[0]}:{r[1]}" for pair in rows for r in pair if r)
        value = zlib.crc32(text.encode())
        return value - (1 << 32) if value >> 31 else value

    assert data["checksum"] == crc(data)
    await remote.arm("checksum_mismatch", count=9)
    socket = await talk("public")
    data = await book_of(socket)
    assert data["checksum"] != crc(data)


async def test_channels_live_on_their_own_paths(talk):
    socket = await talk("public")
    await socket.say(subscribe("candle1m"))
    refusal = await socket.hear()
    assert (refusal["event"], refusal["code"]) == ("error", "60018")
    socket = await talk("business")
    await socket.say(subscribe("candle1m"))
    assert (await socket.hear())["event"] == "subscribe"
    candle = (await socket.hear())["data"][0]
    assert len(candle) == 9
    assert candle[8] == "0"


async def test_ping_pong_and_nonsense(talk):
    socket = await talk("public")
    await socket.say("ping")
    assert await socket.hear() == "pong"
    await socket.say("{nonsense")
    assert (await socket.hear())["code"] == "60012"
    await socket.say(subscribe("books", "NO-SUCH"))
    assert (await socket.hear())["code"] == "60018"
    await socket.say(subscribe("books-l2-tbt"))
    assert (await socket.hear())["code"] == "60011"


async def test_login_opens_the_tick_by_tick_books(remote, talk):
    socket = await talk("public")
    stamp = str(remote.emulator.venues["okx"].now_ms() // 1000)
    sign = hmac.new(b"s" * 32, f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
    login = {
        "apiKey": "k" * 32,
        "passphrase": "x",
        "timestamp": stamp,
        "sign": base64.b64encode(sign).decode(),
    }
    await socket.say({"op": "login", "args": [{**login, "sign": "no"}]})
    assert (await socket.hear())["code"] == "60007"
    await socket.say({"op": "login", "args": [login]})
    assert (await socket.hear())["event"] == "login"
    await socket.say(subscribe("books-l2-tbt"))
    assert (await socket.hear())["event"] == "subscribe"
    assert (await socket.hear())["action"] == "snapshot"


async def test_a_silent_connection_is_cut(remote, talk, monkeypatch):
    venue = remote.emulator.venues["okx"]
    monkeypatch.setattr(type(venue), "habits", type(venue.habits)(unsent_s=0.2, unsent_code=4004))
    socket = await talk("public")
    assert await socket.end() == 4004


async def test_an_upgrade_is_announced_before_the_cut(remote, talk):
    socket = await talk("public")
    await socket.say("ping")
    await socket.hear()
    await remote.arm("server_shutdown", value=0.2)
    notice = await socket.hear()
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert await socket.end() == 4001


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("gap", lambda last, data: data["prevSeqId"] > last),
        ("duplicate", lambda last, data: data["seqId"] == last and data["bids"] + data["asks"]),
        ("seq_reset", lambda last, data: data["seqId"] < data["prevSeqId"] == last),
        ("reorder", lambda last, data: data["seqId"] < last),
    ],
)
async def test_faults_of_the_chain(remote, talk, kind, seen):
    socket = await talk("public")
    last = (await book_of(socket))["seqId"]
    await remote.arm(kind, symbol="BTC-USDT")
    # Many may be on their way already where the market makes up for lost time.
    for _ in range(500):
        data = (await socket.hear())["data"][0]
        if seen(last, data):
            return
        last = data["seqId"]
    pytest.fail("it did not strike")


async def test_an_update_can_come_before_the_snapshot(remote, talk):
    remote.emulator.venues["okx"].connects_a_second = 100
    for _ in range(20):
        await remote.arm("delta_before_snapshot", symbol="BTC-USDT")
        socket = await talk("public")
        await socket.say(subscribe("books"))
        assert (await socket.hear())["event"] == "subscribe"
        if (await socket.hear())["action"] == "update":
            assert (await socket.hear())["action"] == "snapshot"
            return
        # The book stood still in that tenth of a second; the fault waits for the next one.
    pytest.fail("it did not strike")


async def test_candles_page_newest_first(remote):
    _, newest = await remote.get("/market/candles", instId="BTC-USDT", bar="1m", limit=5)
    times = [int(row[0]) for row in newest["data"]]
    assert times == sorted(times, reverse=True)
    assert [row[8] for row in newest["data"]] == ["0", "1", "1", "1", "1"]
    _, older = await remote.get(
        "/market/history-candles", instId="BTC-USDT", bar="1m", after=times[-1], limit=300
    )
    assert int(older["data"][0][0]) == times[-1] - 60_000
    assert len(older["data"]) == 300
    _, newer = await remote.get(
        "/market/history-candles", instId="BTC-USDT", bar="1m", before=times[2], after=times[0]
    )
    assert [int(row[0]) for row in newer["data"]] == [times[1]]
    _, deep = await remote.get("/market/candles", instId="BTC-USDT", after=times[0] - 1500 * 60_000)
    assert deep["data"] == []


async def test_days_open_in_hong_kong_unless_told_otherwise(remote):
    _, answer = await remote.get("/market/candles", instId="BTC-USDT", bar="1D", limit=2)
    assert int(answer["data"][0][0]) % 86_400_000 == 57_600_000
    _, answer = await remote.get("/market/candles", instId="BTC-USDT", bar="1Dutc", limit=2)
    assert int(answer["data"][0][0]) % 86_400_000 == 0


async def test_errors_come_with_200_and_limits_with_429(remote):
    status, answer = await remote.get("/market/candles", instId="NO-SUCH")
    assert (status, answer["code"]) == (200, "51001")
    for _ in range(10):
        status, answer = await remote.get("/public/time")
        assert status == 200
    status, answer = await remote.get("/public/time")
    assert (status, answer["code"]) == (429, "50011")
    await remote.arm("error_in_200")
    status, answer = await remote.get("/market/ticker", instId="BTC-USDT")
    assert (status, answer["code"]) == (200, "50026")


async def test_trade_ids_leave_no_hole(remote, talk):
    socket = await talk("public")
    await socket.say(subscribe("trades"))
    await socket.hear()
    last = None
    for _ in range(5):
        row = (await socket.hear())["data"][0]
        assert last is None or int(row["tradeId"]) - int(row["count"]) == last
        last = int(row["tradeId"])
    _, truth = await remote.control("GET", f"trades?symbol=BTC-USDT&from_id={last}&limit=1")
    assert truth[0]["id"] == last
    assert truth[0]["price"] == row["px"]
