from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from core.engine.clock import SimClock
from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
)
from core.model.ids import ClientOrderId, VenueName
from core.venues.errands import Errands, asked
from core.venues.teller import Teller

A, B = ClientOrderId("clxt-0000000001-00000001"), ClientOrderId("clxt-0000000001-00000002")


@pytest.fixture
def told():
    return []


@pytest.fixture
def errands(told):
    name = VenueName("binance")
    return Errands(name, Teller(name, clock=SimClock(9), sink=told.append))


def names(told):
    return [type(event).__name__ for event in told]


async def forever():
    await asyncio.Event().wait()


async def nothing():
    return


async def test_what_comes_while_stopped_is_refused_unsent(errands, told):
    errands.place([A, B], forever)
    errands.cancel(A, forever)
    errands.amend(A, forever)
    errands.run(forever)
    assert told == [], "never within the call"
    await asyncio.sleep(0)
    assert names(told) == ["OrderRejected"] * 2 + ["CancelRejected", "AmendRejected"]
    assert {event.code for event in told} == {"NOT_SENT"}


async def test_orders_whose_task_dies_before_an_answer_are_unknown(errands, told):
    async def live():
        async with errands.open() as tasks:
            tasks.create_task(forever())
            errands.place([A, B], forever)

    task = asyncio.create_task(live())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert names(told) == ["OrderUnknown", "OrderUnknown"]
    errands.place([ClientOrderId("clxt-0000000001-00000003")], nothing)
    await asyncio.sleep(0)
    assert names(told)[2:] == ["OrderRejected"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TemporaryError("no line"), ("refused", "NOT_SENT", "no line")),
        (ConfigError("no symbol"), ("refused", "NOT_SENT", "no symbol")),
        (RateLimited("429", "too many", 2.0), ("refused", "429", "too many, 2.0 s")),
        (OutcomeUnknown("sent, no answer"), ("lost", "sent, no answer")),
        (DataError("too large"), ("lost", "too large")),
    ],
)
async def test_each_failure_says_whether_it_was_sent(error, said):
    heard = []

    async def fails():
        raise error

    answer = await asked(
        fails(),
        refused=lambda code, reason: heard.append(("refused", code, reason)),
        lost=lambda reason: heard.append(("lost", reason)),
    )
    assert answer is None
    assert heard == [said]


async def test_what_needs_no_waiting_is_done_within_the_call_as_the_task_it_is(errands, told):
    done = []

    async def work():
        done.append(asyncio.current_task())
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
            done.append(asyncio.current_task())
        ended.set()

    async with errands.open():
        ended, mine = asyncio.Event(), asyncio.current_task()
        errands.place([A], work)
        assert len(done) == 1
        assert asyncio.current_task() is mine
        await ended.wait()
    assert done[0] is done[1] is not mine
    assert told == []


async def test_what_the_first_step_sets_a_later_one_resets(errands, told):
    said = ContextVar("said", default="")
    seen = []

    async def work():
        token = said.set("within")
        await asyncio.sleep(0)
        seen.append(said.get())
        said.reset(token)

    async with errands.open():
        errands.place([A], work)
        seen.append(said.get())
    assert seen == ["", "within"]
    assert told == []


async def test_a_cancel_before_the_second_step_reaches_what_the_first_began(errands, told):
    closed = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def live():
        async with errands.open():
            errands.place([A], work)
            asyncio.current_task().cancel()
            await asyncio.sleep(5)

    with pytest.raises(asyncio.CancelledError):
        await live()
    assert closed == [True]
    assert names(told) == ["OrderUnknown"]


async def test_what_fails_at_once_is_not_told_within_the_call(errands, told):
    refused = []

    async def fails():
        raise TemporaryError("no line")

    async def work():
        await asked(fails(), refused=lambda *words: refused.append(words), lost=refused.append)

    async with errands.open():
        errands.place([A], work)
        assert refused == []
    assert refused == [("NOT_SENT", "no line")]


async def test_a_bug_in_the_first_step_ends_the_venue_and_not_the_caller(errands, told):
    async def work():
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup, match="TaskGroup") as found:
        async with errands.open():
            errands.place([A], work)
    assert isinstance(found.value.exceptions[0], ZeroDivisionError)
    assert names(told) == ["OrderUnknown"]
