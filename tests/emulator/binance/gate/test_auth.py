"""Keys, signatures and timestamps are really checked."""

import hashlib
import hmac

import pytest

from emulator.binance.gate.auth import Keys, without_signature
from emulator.binance.gate.params import Params
from emulator.market.accounts import Account


def test_the_documented_signature_vector_is_accepted():
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    keys, account = Keys(), Account(1)
    keys.add("a" * 64, secret, account)
    params = Params.of_query(payload, "")
    now_ms = 1499827319559 + 100
    assert keys.check("a" * 64, payload, signature, params, now_ms) is account


def test_signature_is_taken_out_wherever_it_stands():
    assert without_signature("a=1&signature=ff&b=2") == ("a=1&b=2", "ff")
    assert without_signature("") == ("", None)


async def test_unknown_key_and_key_that_is_none(client):
    status, answer = await client.signed("GET", "account", key="u" * 32)
    assert (status, answer["code"]) == (401, -2015)
    status, answer = await client.signed("GET", "account", key="")
    assert (status, answer["code"]) == (401, -2014)


async def test_wrong_secret(client):
    status, answer = await client.signed("GET", "account", secret="wrong")
    assert (status, answer["code"]) == (400, -1022)
    assert answer["msg"] == "Signature for this request is not valid."


async def test_missing_timestamp_and_missing_signature(client):
    status, answer = await client.signed("GET", "account", at_ms=False)
    assert (status, answer["code"]) == (400, -1102)
    assert "'timestamp'" in answer["msg"]
    now = client.emulator.venue.now_ms()
    status, answer = await client._read(
        "GET", f"/api/v3/account?timestamp={now}", {"X-MBX-APIKEY": "k" * 32}
    )
    assert "'signature'" in answer["msg"]


@pytest.mark.parametrize(
    ("off_ms", "window", "words"),
    [
        (-6_000, None, "outside of the recvWindow"),
        (-700, 500, "outside of the recvWindow"),
        (+2_500, None, "1000ms ahead of the server's time"),
    ],
)
async def test_timestamps_off_by_too_much(client, off_ms, window, words):
    more = {"recvWindow": window} if window else {}
    at_ms = client.emulator.venue.now_ms() + off_ms
    status, answer = await client.signed("GET", "account", at_ms=at_ms, **more)
    assert (status, answer["code"]) == (400, -1021)
    assert words in answer["msg"]


async def test_a_skewed_venue_clock_refuses_honest_timestamps(client):
    at_ms = client.emulator.venue.now_ms()
    await client.arm("clock_skew_ms", value=30_000)
    _, answer = await client.signed("GET", "account", at_ms=at_ms)
    assert answer["code"] == -1021
    _, told = await client.public("time")
    assert told["serverTime"] - at_ms > 29_000
    status, _ = await client.signed("GET", "account")
    assert status == 200, "a client that follows the venue's time is served"


async def test_window_beyond_the_maximum(client):
    _, answer = await client.signed("GET", "account", recvWindow=60_001)
    assert answer["code"] == -1131


async def test_parameters_may_be_in_the_body_and_are_signed_as_sent(client):
    body = (
        "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01"
        f"&timestamp={client.emulator.venue.now_ms()}"
    )
    query = "newClientOrderId=a-b"
    signature = hmac.new(b"s" * 32, (query + body).encode(), hashlib.sha256).hexdigest()
    async with client.session.post(
        f"{client.url}/api/v3/order?{query}",
        data=f"{body}&signature={signature}",
        headers={
            "X-MBX-APIKEY": "k" * 32,
            "Content-Type": "application/x-www-form-urlencoded",
        },
    ) as answer:
        assert answer.status == 200
        assert (await answer.json())["clientOrderId"] == "a-b"
