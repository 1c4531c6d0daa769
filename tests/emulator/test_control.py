"""The control endpoint: faults around orders, the oracle, and who may use it."""

import asyncio

import aiohttp
import pytest

from emulator.faults import COUNTED_FAULTS, INSTANT_FAULTS

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}


async def known(client):
    _, oracle = await client.control("GET", "oracle")
    return [order["clientOrderId"] for order in oracle["orders"]]


@pytest.mark.parametrize(("kind", "accepted"), [("lost_ack", True), ("drop_before", False)])
async def test_dropped_connection_after_or_before_acceptance(still, kind, accepted):
    await still.arm(kind)
    with pytest.raises(aiohttp.ClientConnectionError):
        await still.order(newClientOrderId="a", **ORDER)
    assert await known(still) == (["a"] if accepted else [])
    status, _ = await still.order(newClientOrderId="b", **ORDER)
    assert status == 200, "it strikes once"


@pytest.mark.parametrize(
    ("kind", "accepted"), [("http_5xx_after", True), ("http_5xx_before", False)]
)
async def test_a_proxys_page_instead_of_an_answer(still, kind, accepted):
    await still.arm(kind)
    with pytest.raises(aiohttp.ContentTypeError) as failed:
        await still.order(newClientOrderId="a", **ORDER)
    assert failed.value.status == 503
    assert await known(still) == (["a"] if accepted else [])


@pytest.mark.parametrize(("kind", "accepted"), [("code_1007", True), ("code_1007_before", False)])
async def test_execution_status_unknown(still, kind, accepted):
    await still.arm(kind)
    status, answer = await still.order(newClientOrderId="a", **ORDER)
    assert (status, answer["code"]) == (408, -1007)
    assert "execution status unknown" in answer["msg"]
    assert await known(still) == (["a"] if accepted else [])


@pytest.mark.parametrize(("kind", "there_at_once"), [("delay_ms", False), ("slow_ack_ms", True)])
async def test_late_acceptance_and_late_answer(still, until, kind, there_at_once):
    await still.arm(kind, value=200)
    start = asyncio.get_running_loop().time()
    sending = asyncio.create_task(still.order(newClientOrderId="a", **ORDER))
    log = still.emulator.venue.faults.log
    await until(lambda: bool(log))
    assert ("a" in await known(still)) is there_at_once
    status, _ = await sending
    assert status == 200
    assert asyncio.get_running_loop().time() - start >= 0.2
    assert await known(still) == ["a"]


async def test_faults_strike_cancels_when_told_so(still):
    await still.order(newClientOrderId="a", **ORDER)
    await still.arm("lost_ack", on="cancel")
    status, _ = await still.order(newClientOrderId="b", **ORDER)
    assert status == 200
    # aiohttp's client resends a DELETE whose connection dropped, and so meets its own success.
    _, answer = await still.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="a")
    assert answer["code"] == -2011
    _, order = await still.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="a")
    assert order["status"] == "CANCELED"


async def test_faults_of_one_symbol_spare_the_others(still):
    await still.arm("code_1007", symbol="ETHUSDT")
    status, _ = await still.order(**ORDER)
    assert status == 200


async def test_order_is_unknown_for_n_queries(still):
    await still.order(newClientOrderId="a", **ORDER)
    await still.arm("transient_2013", count=2)
    codes = []
    for _ in range(3):
        _, answer = await still.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="a")
        codes.append(answer.get("code"))
    assert codes == [-2013, -2013, None]


@pytest.mark.parametrize(("value", "status"), [(0, 429), (418, 418)])
async def test_rate_limit_now(still, value, status):
    await still.arm("rate_limit_now", count=2, value=value)
    assert (await still.public("ping"))[0] == status
    assert int(still.headers["Retry-After"]) >= 1
    assert (await still.public("ping"))[0] == status
    assert (await still.public("ping"))[0] == 200


async def test_answers_cut_in_half(still):
    await still.arm("truncated_json")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        await still.public("time")


async def test_clear_disarms_and_sets_the_clock_right(still):
    await still.arm("lost_ack", count=5)
    await still.arm("clock_skew_ms", value=9_000)
    await still.control("DELETE", "faults")
    status, _ = await still.order(**ORDER)
    assert status == 200
    assert still.emulator.venue.skew_ms == 0


async def test_every_fault_is_listed_with_its_meaning(still):
    _, answer = await still.control("GET", "faults")
    assert set(answer["known"]) == {*COUNTED_FAULTS, *INSTANT_FAULTS}
    assert all(answer["known"].values())


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("faults", {"kind": "earthquake"}, "was 'earthquake'"),
        ("faults", {"kind": "gap", "count": "x"}, "Expected `int`"),
        ("faults", {"kind": "gap", "count": 0}, "count must be at least 1, was 0"),
        ("faults", {"kind": "gap", "chanel": "trade"}, "unknown field `chanel`"),
        ("faults", {"kind": "gap", "channel": "trades"}, "snapshot, trade, quote, bar, ticker"),
        ("faults", {"kind": "latency_ms", "spread": "wide"}, "fixed, uniform, pareto, was 'wide'"),
        ("faults", {"kind": "lost_ack", "on": "amend"}, "place, cancel, was 'amend'"),
        ("faults", {"kind": "gap", "probability": 7}, "above 0 and at most 1, was 7"),
        ("faults", {"kind": "no_ack", "symbol": "BTCUSDT"}, "no_ack strikes whoever comes next"),
        ("faults", {"kind": "html_200", "symbol": "BTCUSDT"}, "left out, was 'BTCUSDT'"),
        ("flow", {"on": "yes"}, "was 'yes'"),
        ("trade", {"symbol": "X", "side": "BUY", "qty": "1"}, "was 'X'"),
        ("trade", {"symbol": "BTCUSDT", "side": "BUY", "qty": "0.000001"}, "at most 5 decimals"),
        ("trade", {"symbol": "BTCUSDT", "side": "HOLD", "qty": "1"}, "hold"),
    ],
)
async def test_bad_control_requests_say_what_is_wrong(still, path, body, words):
    status, answer = await still.control("POST", path, body)
    assert status == 400
    assert words in answer["error"]


async def test_control_needs_the_token(still):
    status, answer = await still.control("GET", "oracle", token="guess")
    assert status == 403
    assert "X-Clx-Control" in answer["error"]


async def test_oracle_agrees_with_the_account(still):
    await still.signed(
        "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02"
    )
    _, oracle = await still.control("GET", "oracle")
    _, account = await still.signed("GET", "account")
    told = {row["asset"]: row for row in account["balances"]}
    for asset, amounts in oracle["balances"].items():
        assert told[asset]["free"] == amounts["free"]
        assert told[asset]["locked"] == amounts["locked"]
    _, trades = await still.signed("GET", "myTrades", symbol="BTCUSDT")
    assert trades == oracle["trades"]
    assert set(oracle["books"]) == set(still.emulator.venue.market.shards)


async def test_clear_undoes_what_was_done_to_instruments_and_listeners(still):
    venue = still.emulator.venue
    names = list(venue.market.shards)
    for kind, symbol, more in (
        ("halt", names[0], {}),
        ("delist", names[1], {}),
        ("tick_size", names[0], {"value": 10}),
        ("rename", names[2], {"text": "OTHER"}),
        ("rename", "OTHER", {"text": "ANOTHER"}),
    ):
        await still.arm(kind, symbol=symbol, **more)
    changed = [(one.halted, one.listed, one.coarse) for one in venue.market.shards.values()]
    assert set(changed) != {(False, True, 1)}
    await still.control("DELETE", "faults")
    assert {(one.halted, one.listed, one.coarse) for one in venue.market.shards.values()} == {
        (False, True, 1)
    }
    assert sorted(venue.market.shards) == sorted(names)
    await still.control("DELETE", "faults")
    assert sorted(venue.market.shards) == sorted(names), "nothing is undone twice"
