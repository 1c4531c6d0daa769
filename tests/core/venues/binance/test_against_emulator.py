"""The venue against the emulated one: real matching, real signatures, real faults."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from core.model.errors import TemporaryError
from core.model.facts import BalancesReported, VenueConnected, VenueDisconnected
from core.model.market import Side
from core.model.orders import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderType,
    OrderUnknown,
    TimeInForce,
)
from emulator.app import Emulator

ROOT = Path(__file__).parents[4]
BTC = "BTC-USDT.binance"
KEY, SECRET, TOKEN = "k" * 32, "s" * 32, "control"


class Ctl:
    """The emulator's own controls: faults, the crowd, the truth."""

    def __init__(self, url, session, token=TOKEN):
        self.url = url
        self._session = session
        self._headers = {"X-Clx-Control": token}

    async def post(self, path, **body):
        async with self._session.post(
            f"{self.url}/_ctl/{path}", json=body, headers=self._headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def get(self, path):
        async with self._session.get(f"{self.url}/_ctl/{path}", headers=self._headers) as answer:
            return await answer.json()

    async def arm(self, kind, **more):
        await self.post("faults", kind=kind, **more)

    async def order(self, cid):
        rows = (await self.get("oracle"))["orders"]
        return next((row for row in rows if row["clientOrderId"] == cid), None)

    async def best(self):
        book = (await self.get("oracle"))["books"]["BTCUSDT"]
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])

    async def clear_price(self):
        """Let the crowd take the best ask, and return that price, where nobody waits now."""
        price, size = (await self.get("oracle"))["books"]["BTCUSDT"]["asks"][0]
        taken = await self.post("trade", symbol="BTCUSDT", side="BUY", qty=size, price=price)
        assert taken["executed"] == size
        return Decimal(price)


@pytest.fixture
async def emulator():
    running = Emulator(
        seed=7, api_key=KEY, api_secret=SECRET, control_token=TOKEN, history_days=2, flow=False
    )
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def ctl(emulator):
    async with aiohttp.ClientSession() as session:
        yield Ctl(f"http://127.0.0.1:{emulator.port}", session)


@pytest.fixture
def venue(emulator, make):
    state = emulator.state(0, KEY, SECRET)
    return make(
        rest_url=state["rest_url"],
        ws_api_url=state["ws_api_url"],
        api_key=KEY,
        api_secret=SECRET,
        timeout_s=2.0,
    )


@pytest.fixture
async def bid(ctl):
    """A price at which an order rests and passes the venue's filters."""
    best, _ = await ctl.best()
    return (best * Decimal("0.98")).quantize(Decimal("0.01"))


async def test_order_rests_is_found_and_is_cancelled(venue, ctl, desk, run, intent, order, bid):
    async with run(venue, desk):
        venue.submit(intent(price=bid))
        accepted = await desk.until(OrderAccepted)
        found = await venue.find_order(order(price=bid))
        (listed,) = await venue.open_orders()
        assert found == listed
        assert (found.state, found.price, found.size, found.instrument_id) == (
            OrderState.ACCEPTED,
            bid,
            Decimal("0.01"),
            BTC,
        )
        assert found.venue_order_id == accepted.venue_order_id
        held = next(b.held for b in await venue.balances() if b.asset == "USDT")
        assert held == bid * Decimal("0.01")
        venue.cancel(order(price=bid))
        await desk.until(OrderCanceled)
        assert await venue.open_orders() == []
        venue.cancel(order(price=bid))
        assert (await desk.until(CancelRejected)).code == "-2011"
    assert desk.outcomes() == ["OrderAccepted"]
    assert len(desk.of(OrderCanceled)) == 1


async def test_many_cancels_go_over_the_stream_and_each_is_told_once(
    venue, ctl, desk, run, intent, order, bid
):
    names = [f"clxt-0000000001-{number:08x}" for number in range(20)]
    async with run(venue, desk):
        for name in names:
            venue.submit(intent(name, price=bid, size=Decimal("0.001")))
        await desk.until(OrderAccepted, len(names))
        for name in names:
            venue.cancel(order(name, price=bid))
        await desk.until(OrderCanceled, len(names))
        assert await venue.open_orders() == []
    assert sorted(event.client_order_id for event in desk.of(OrderCanceled)) == names
    sent = [seen.sent for name in names for seen in venue.traffic(order(name))]
    assert not [words for words in sent if words.startswith("DELETE")]


async def test_resting_order_filled_by_the_crowd_is_told_by_the_stream(
    venue, ctl, desk, run, intent, bid
):
    inside = await ctl.clear_price()
    async with run(venue, desk):
        venue.submit(intent(price=inside, size=Decimal("0.02")))
        await desk.until(OrderAccepted)
        await ctl.post("trade", symbol="BTCUSDT", side="SELL", qty="0.005", price=str(inside))
        await desk.until(OrderFilled)
        await ctl.post("trade", symbol="BTCUSDT", side="SELL", qty="0.015", price=str(inside))
        await desk.until(OrderFilled, 2)
        fills = await venue.fills(BTC, 0)
    told = desk.of(OrderFilled)
    assert [(f.price, f.size, f.maker, f.fee_asset) for f in told] == [
        (inside, Decimal("0.005"), True, "BTC"),
        (inside, Decimal("0.015"), True, "BTC"),
    ]
    assert [f.execution_id for f in fills] == [f.execution_id for f in told]
    assert [(f.client_order_id, f.fee, f.ts_event_ns) for f in fills] == [
        (f.client_order_id, f.fee, f.ts_event_ns) for f in told
    ]


async def test_market_order_fills_once_though_told_twice(venue, desk, run, intent):
    async with run(venue, desk):
        venue.submit(intent(type=OrderType.MARKET, price=None, side=Side.SELL))
        await desk.until(OrderFilled)
        # The stream tells balances after its fills: when they are here, so are those.
        await desk.until(BalancesReported)
        fills = await venue.fills(BTC, 0)
    told = desk.of(OrderFilled)
    assert sum(f.size for f in told) == Decimal("0.01")
    assert len({f.execution_id for f in told}) == len(told) == len(fills)
    assert {f.fee_asset for f in told} == {"USDT"}


async def test_ioc_and_post_only_follow_the_venues_rules(venue, ctl, desk, run, intent):
    best, ask = await ctl.best()
    async with run(venue, desk):
        venue.submit(intent(price=best, time_in_force=TimeInForce.IOC))
        await desk.until(OrderExpired)
        venue.submit(intent("clxt-0000000001-00000002", price=ask, post_only=True))
        rejected = await desk.until(OrderRejected)
    assert rejected.code == "-2010"
    assert "immediately match" in rejected.reason


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size": Decimal("0.00001")}, "-1013"),
        ({"price": Decimal("60000.001")}, "-1013"),
        ({"size": Decimal("20")}, "-2010"),
        ({"price": Decimal("1")}, "-1013"),
    ],
    ids=["below-minimum", "off-tick", "beyond-balance", "off-band"],
)
async def test_orders_against_the_rules_are_rejected_with_the_venues_code(
    venue, ctl, desk, run, intent, bid, changes, code
):
    async with run(venue, desk):
        venue.submit(intent(**{"price": bid} | changes))
        rejected = await desk.until(OrderRejected)
    assert rejected.code == code
    assert rejected.reason
    assert (await ctl.get("oracle"))["orders"] == []


@pytest.mark.parametrize("fault", ["lost_ack", "http_5xx_after", "code_1007"])
async def test_accepted_without_an_ack_is_unknown_and_the_venue_resolves_it(
    venue, ctl, desk, run, intent, order, bid, fault
):
    await ctl.arm(fault)
    await ctl.arm("suppress_reports", count=5)
    async with run(venue, desk):
        venue.submit(intent(price=bid))
        await desk.until(OrderUnknown)
        found = await venue.find_order(order(price=bid))
        assert found is not None
        assert found.state is OrderState.ACCEPTED
    assert desk.outcomes() == ["OrderUnknown"]
    assert len((await ctl.get("oracle"))["orders"]) == 1


@pytest.mark.parametrize("fault", ["drop_before", "http_5xx_before", "code_1007_before"])
async def test_lost_before_acceptance_is_unknown_and_the_venue_denies_it(
    venue, ctl, desk, run, intent, order, bid, fault
):
    await ctl.arm(fault)
    async with run(venue, desk):
        venue.submit(intent(price=bid))
        await desk.until(OrderUnknown)
        assert await venue.find_order(order(price=bid)) is None
    assert (await ctl.get("oracle"))["orders"] == []


async def test_late_answer_is_unknown_and_the_stream_tells_the_rest(
    emulator, make, ctl, desk, run, intent, bid
):
    state = emulator.state(0, KEY, SECRET)
    venue = make(
        rest_url=state["rest_url"],
        ws_api_url=state["ws_api_url"],
        api_key=KEY,
        api_secret=SECRET,
        timeout_s=0.3,
    )
    async with run(venue, desk):
        await ctl.arm("delay_ms", value=600)
        venue.submit(intent(price=bid))
        await desk.until(OrderUnknown)
        await desk.until(OrderAccepted)
    assert desk.outcomes() == ["OrderUnknown", "OrderAccepted"]


async def test_duplicate_reports_are_told_once(venue, ctl, desk, run, intent, bid):
    await ctl.arm("duplicate_report", count=4)
    inside = await ctl.clear_price()
    async with run(venue, desk):
        venue.submit(intent(price=inside))
        await desk.until(OrderAccepted)
        await ctl.post("trade", symbol="BTCUSDT", side="SELL", qty="0.004", price=str(inside))
        await ctl.post("trade", symbol="BTCUSDT", side="SELL", qty="0.006", price=str(inside))
        await desk.until(OrderFilled, 2)
        assert len(await venue.fills(BTC, 0)) == 2
    assert len(desk.of(OrderFilled)) == 2
    assert desk.outcomes() == ["OrderAccepted"]


async def test_transient_no_such_order_is_followed_by_the_order(
    venue, ctl, desk, run, intent, order, bid
):
    async with run(venue, desk):
        venue.submit(intent(price=bid))
        await desk.until(OrderAccepted)
        await ctl.arm("transient_2013")
        assert await venue.find_order(order(price=bid)) is None
        assert await venue.find_order(order(price=bid)) is not None


async def test_cut_answers_are_unknown_for_orders_and_temporary_for_questions(
    venue, ctl, desk, run, intent, order, bid
):
    async with run(venue, desk):
        await ctl.arm("truncated_json", count=2)
        with pytest.raises(TemporaryError):
            await venue.open_orders()
        venue.submit(intent(price=bid))
        await desk.until(OrderUnknown)
        assert await venue.find_order(order(price=bid)) is not None


async def test_wrong_secret_says_so_in_the_venues_words(emulator, make, desk, run):
    state = emulator.state(0, KEY, SECRET)
    venue = make(
        rest_url=state["rest_url"],
        ws_api_url=state["ws_api_url"],
        api_key=KEY,
        api_secret="wrong",
    )
    async with run(venue, desk, connected=False):
        down = await desk.until(VenueDisconnected)
        with pytest.raises(TemporaryError, match=r"-1022"):
            await venue.balances()
    assert "-1022" in down.reason


@pytest.mark.parametrize("skew_ms", [-120_000, 2_000, 120_000])
async def test_orders_go_through_on_a_skewed_clock_which_is_told(
    venue, ctl, desk, run, intent, bid, skew_ms
):
    await ctl.arm("clock_skew_ms", value=skew_ms)
    async with run(venue, desk, connected=False):
        kind = VenueConnected if abs(skew_ms) < 2_500 else VenueDisconnected
        told = await desk.until(kind)
        await venue._sample_time()
        venue.submit(intent(price=bid))
        await desk.until(OrderAccepted)
    if kind is VenueDisconnected:
        assert "clock skew" in told.reason


async def test_429_holds_everything_back_for_as_long_as_the_venue_says(
    venue, ctl, desk, run, intent, bid
):
    async with run(venue, desk):
        await ctl.arm("rate_limit_now")
        venue.submit(intent(price=bid))
        first = await desk.until(OrderRejected)
        venue.submit(intent("clxt-0000000001-00000002", price=bid))
        second = await desk.until(OrderRejected, 2)
    assert first.code in {"-1003", "429"}
    assert second.code == "local-limit"


async def test_closed_user_stream_comes_back_and_misses_are_found_by_asking(
    venue, ctl, desk, run, intent
):
    inside = await ctl.clear_price()
    async with run(venue, desk):
        venue.submit(intent(price=inside))
        await desk.until(OrderAccepted)
        await ctl.arm("close_user_streams", value=1)
        await ctl.post("trade", symbol="BTCUSDT", side="SELL", qty="0.01", price=str(inside))
        await desk.until(VenueDisconnected)
        await desk.until(VenueConnected, 2)
        assert len(await venue.fills(BTC, 0)) == 1


class Process:
    """The emulator as its own program, so that it can be killed."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "state.json"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, port: int = 0) -> dict:
        environment = {**os.environ, "CLX_EMULATOR_KEY": KEY, "CLX_EMULATOR_SECRET": SECRET}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "emulator", "--port", str(port), "--history-days", "2",
            "--no-flow", "--state-file", str(self.file),
            cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            await self.process.stdout.readline()
        return json.loads(self.file.read_text())

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


@pytest.mark.slow
async def test_venue_killed_in_mid_stream_and_started_again(
    tmp_path, make, desk, run, intent, order
):
    program = Process(tmp_path)
    try:
        state = await program.start()
        venue = make(
            rest_url=state["rest_url"],
            ws_api_url=state["ws_api_url"],
            api_key=KEY,
            api_secret=SECRET,
        )
        async with run(venue, desk):
            await program.kill()
            await desk.until(VenueDisconnected)
            venue.submit(intent())
            assert (await desk.until(OrderRejected)).code == "NOT_SENT"
            with pytest.raises(TemporaryError):
                await venue.find_order(order())
            await program.start(state["port"])
            await desk.until(VenueConnected, 2)
            assert await venue.open_orders() == []
    finally:
        await program.kill()
