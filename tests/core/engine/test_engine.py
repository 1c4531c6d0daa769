from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import (
    Arm,
    CancelOrder,
    EnableStrategy,
    GetBook,
    GetChart,
    GetQuotes,
    GetStatus,
    Reconcile,
    StopEngine,
    SubmitOrder,
)
from core.model.errors import LinkError, StoreError, TemporaryError
from core.model.ids import ClientOrderId, StrategyId
from core.model.market import FeedStatus, Side, Timeframe
from core.model.orders import OrderState, OrderType
from core.model.views import View
from link.client import UnixLink
from link.server import LinkServer

SWING = StrategyId("swing")


def buy(order_id: str, instrument: Any, price: str | None = None) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(order_id),
        instrument=instrument,
        side=Side.BUY,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        size=Decimal("0.01"),
        price=Decimal(price) if price else None,
    )


def live(run: Any, instrument: Any) -> bool:
    trusted: bool = run.engine.kernel.market.trusted(instrument)
    return trusted


async def test_engine_starts_in_phases_and_trades_on_paper(house: Any, btc: Any) -> None:
    run = house()
    phases: list[str] = []
    run.engine.on_fact(
        lambda _, fact: phases.append(fact.status.phase) if hasattr(fact, "status") else None
    )
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        report = await run.do(buy("o1", btc.id))
        assert report.order.state is OrderState.SUBMITTED
        await run.until(lambda: bool(run.engine.kernel.desk.fills()))
        assert run.engine.kernel.desk.position(btc.id).size == Decimal("0.01")
    distinct = list(dict.fromkeys(phase.split(" (")[0] for phase in phases))
    assert distinct[:4] == [
        "starting: compiling kernels 1/2",
        "starting: compiling kernels 2/2",
        "starting: reading the journal",
        "reconciling",
    ]
    assert distinct[4] == "running"


async def test_whole_way_from_frame_to_client_and_back(
    house: Any, btc: Any, tmp_path: Path
) -> None:
    run = house()
    server = LinkServer(run.engine, tmp_path / "clx.sock")
    doorway = asyncio.create_task(server.run())
    engine = asyncio.create_task(run.engine.run())
    link = UnixLink(server.path)
    link.watch(View(focus=btc.id, quotes=(btc.id,), indicators=("ema(5)",), fps=30))
    await server.ready.wait()
    following = asyncio.create_task(link.run())
    replica = link.replica
    await run.until(lambda: replica.status is not None and replica.status.phase == "running")
    assert replica.status is not None
    assert replica.status.clients == 1
    await run.until(lambda: replica.chart is not None and bool(replica.chart.bars.close))
    await run.until(lambda: replica.book is not None and len(replica.tape) > 3)
    await link.request(Arm(instrument=btc.id))
    report = await link.request(buy("o1", btc.id))
    assert report.order.state is OrderState.SUBMITTED
    await run.until(lambda: bool(replica.fills))
    assert replica.positions[btc.id].size == Decimal("0.01")
    assert replica.orders[ClientOrderId("o1")].state is OrderState.FILLED
    assert replica.chart is not None
    assert len(replica.chart.indicators["ema(5)"]) == len(replica.chart.bars.close)
    done = await link.request(StopEngine())
    assert "open orders stay" in done.text
    await engine
    doorway.cancel()
    await asyncio.gather(doorway, return_exceptions=True)
    await run.until(lambda: link.state == "down")
    assert not server.path.exists()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_terminal_order_is_denied_until_armed(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        denied = (await run.do(buy("o1", btc.id), origin="tui")).order
        assert (denied.state, denied.note.split(":")[0]) == (OrderState.DENIED, "disarmed")
        await run.do(Arm(instrument=btc.id))
        assert (await run.do(buy("o2", btc.id), origin="tui")).order.state is OrderState.SUBMITTED


async def test_feed_away_at_start_is_asked_again_and_the_status_says_so(
    house: Any, btc: Any
) -> None:
    run = house()
    run.feed.away = 1
    phases: list[str] = []
    run.engine.on_fact(
        lambda _, fact: phases.append(fact.status.phase) if hasattr(fact, "status") else None
    )
    async with run.running():
        assert "starting: waiting for binance: binance did not answer" in phases
        await run.until(lambda: live(run, btc.id))


async def test_feed_that_dies_is_started_again_and_its_books_earn_trust_anew(
    house: Any, btc: Any
) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
        run.feed.die.set()
        await run.until(lambda: run.feed.starts == 2)
        await run.until(lambda: live(run, btc.id))
        assert run.engine.supervisor.restarts["feed binance"] == 1
        alerts = [alert.text for alert in run.engine.kernel.log.alerts]
        assert "the connection was lost" in alerts


async def test_history_is_fetched_again_until_it_comes(house: Any, btc: Any) -> None:
    run = house()
    run.feed.history_fails = 1
    async with run.running():
        chart = await run.do(GetChart(instrument=btc.id, timeframe=Timeframe.M1, bars=50))
        assert len(chart.bars.close) == 50
        assert not chart.loading
    wanted = {call[1] for call in run.feed.history_calls}
    assert wanted == {Timeframe.M1, Timeframe.M15}, "only what is in demand is fetched"


async def test_every_frame_is_taped_before_it_is_used(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        await run.until(lambda: live(run, btc.id))
    assert len(run.tape.frames) == run.engine.kernel.line.frames
    assert run.tape.frames[0][:2] == ("binance", "connect")


async def test_query_of_an_instrument_nobody_watches_brings_it(
    house: Any, btc: Any, another: Any
) -> None:
    eth = another("ETH")
    run = house(watchlist=(btc.id,), listed=(btc, eth))
    async with run.running():
        assert run.engine.kernel.market.status(eth.id) is FeedStatus.UNSUBSCRIBED
        book = await run.do(GetBook(instrument=eth.id, depth=3))
        assert (len(book.bids), len(book.asks)) == (3, 3)
        (line,) = await run.do(GetQuotes(instruments=(eth.id,)))
        assert line.status is FeedStatus.LIVE


async def test_strategy_whose_runner_dies_is_off_and_can_be_started_again(
    house: Any, btc: Any
) -> None:
    run = house()
    async with run.running():
        view = await run.do(EnableStrategy(strategy=SWING))
        assert view.enabled
        await run.until(lambda: run.engine.kernel.proposals.views()[0].state == "running")
        run.runner.fail.set()
        await run.until(lambda: not run.engine.kernel.proposals.views()[0].enabled)
        state = run.engine.kernel.proposals.views()[0].state
        assert state == 'failed: its runner failed: RuntimeError("a strategy\'s bug")'
        run.runner.fail.clear()
        assert (await run.do(EnableStrategy(strategy=SWING))).enabled
        await run.until(lambda: run.runner.runs == 2)
        assert (await run.do(GetStatus())).status.phase == "running"


async def test_trading_before_the_journal_is_read_is_refused(house: Any, btc: Any) -> None:
    run = house()
    with pytest.raises(TemporaryError, match="not ready"):
        await run.do(buy("o1", btc.id))
    assert (await run.do(GetStatus())).status.phase == "starting"


async def test_reconcile_answers_with_what_it_found(house: Any, btc: Any) -> None:
    run = house()
    async with run.running():
        assert (await run.do(Reconcile())).text == "no differences"


async def test_resting_paper_order_survives_a_restart_and_can_be_cancelled(
    house: Any, btc: Any
) -> None:
    first = house()
    async with first.running():
        await first.until(lambda: live(first, btc.id))
        await first.do(buy("rests", btc.id, "59000"))
        await first.until(lambda: first.engine.kernel.desk.orders()[0].state is OrderState.ACCEPTED)
    second = house(journal=first.journal, session="s2")
    async with second.running():
        (order,) = second.engine.kernel.desk.orders()
        assert order.state is OrderState.ACCEPTED
        await second.do(CancelOrder(client_order_id=ClientOrderId("rests")))
        await second.until(lambda: not second.engine.kernel.desk.orders())


async def test_journal_that_cannot_be_trusted_ends_the_start(house: Any) -> None:
    class Broken:
        def read(self, after: int = 0) -> Any:
            raise StoreError("journal record 7 is damaged")

    run = house(journal=Broken())
    with pytest.raises(StoreError, match="record 7 is damaged"):
        await run.engine.run()


async def test_engine_asked_to_stop_ends_every_task(house: Any, btc: Any) -> None:
    run = house()
    before = asyncio.all_tasks()
    async with run.running():
        await run.do(StopEngine())
        await run.until(lambda: run.phase == "stopping")
    assert asyncio.all_tasks() == before
    assert run.engine.stop_reason == "asked to by cli"


async def test_no_engine_behind_a_link_is_a_link_error(tmp_path: Path) -> None:
    link = UnixLink(tmp_path / "none.sock")
    task = asyncio.create_task(link.run())
    with pytest.raises(LinkError):
        await link.request(GetStatus())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
