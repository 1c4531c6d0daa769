import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.engine.clock import SimClock
from core.model.accounts import RiskState
from core.model.audit import AuditRecord, Client
from core.model.commands import (
    CancelOrder,
    Done,
    GetOrders,
    Kill,
    KillReport,
    OrderReport,
    Request,
    Resume,
    SubmitOrder,
)
from core.model.errors import ConfigError
from core.model.ids import ClientOrderId, InstrumentId, StrategyId, VenueName
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.views import EngineStatus, Fact, OrderChanged, StatusChanged
from link.audited import AuditedFace

BTC = InstrumentId("BTC-USDT.binance")


class Settled(AuditedFace):
    """Lets the loop turn once after a command: that is when it is written down."""

    async def execute(self, request: Request) -> Any:
        try:
            return await super().execute(request)
        finally:
            await asyncio.sleep(0)


class Notes:
    """An audit that only remembers."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def note(self, record: AuditRecord) -> None:
        self.records.append(record)


class Face:
    """Answers as it is told to and hands out facts."""

    session = "s1"
    version = "0"

    def __init__(self) -> None:
        self.answer: Any = Done()
        self.sinks: list[Callable[[int, Fact], None]] = []

    async def execute(self, request: Request) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        self.sinks.append(sink)
        return 0

    def tell(self, fact: Fact) -> None:
        for sink in self.sinks:
            sink(1, fact)


def _order(state: OrderState, note: str = "", **fields: Any) -> Order:
    known: dict[str, Any] = {
        "client_order_id": ClientOrderId("clxs-0000000001-00000001"),
        "instrument_id": BTC,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "size": Decimal("0.5"),
        "price": Decimal("64000"),
        "origin": "strat",
        "strategy_id": StrategyId("rsi"),
    }
    intent = OrderIntent(**(known | fields))
    return Order(
        intent=intent,
        venue=VenueName("binance"),
        state=state,
        ts_submitted_ns=1,
        ts_updated_ns=1,
        note=note,
    )


SUBMIT = SubmitOrder(
    client_order_id=ClientOrderId("clxc-0000000001-00000001"),
    instrument=BTC,
    side=Side.BUY,
    size=Decimal("0.5"),
    price=Decimal("64000"),
    reason="a hunch",
)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def face() -> Face:
    return Face()


@pytest.fixture
def audited(face: Face, notes: Notes) -> AuditedFace:
    return Settled(face, notes, SimClock(77))  # type: ignore[arg-type]  # no views are asked for


async def test_a_command_is_written_down_with_who_what_and_outcome(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.answer = OrderReport(order=_order(OrderState.SUBMITTED))
    client = Client(uid=1, pid=2, exe="/bin/clx")
    await audited.execute(Request(command=SUBMIT, origin="cli", client=client))
    (record,) = notes.records
    assert (record.ts_ns, record.origin, record.what) == (77, "cli", "submit_order")
    assert (record.outcome, record.refused, record.client) == ("submitted", False, client)
    assert record.parameters["size"] == "0.5"
    assert record.parameters["reason"] == "a hunch"


async def test_an_order_denied_by_the_gate_is_a_refusal_with_its_rule(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.answer = OrderReport(order=_order(OrderState.DENIED, "max_order_notional is 50000"))
    await audited.execute(Request(command=SUBMIT, origin="tui"))
    assert notes.records[0].refused
    assert notes.records[0].outcome == "denied: max_order_notional is 50000"


async def test_a_refused_command_is_written_down_and_still_raises(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.answer = ConfigError("no order of that id")
    with pytest.raises(ConfigError):
        await audited.execute(
            Request(command=CancelOrder(client_order_id=ClientOrderId("x")), origin="api")
        )
    assert notes.records[0].outcome == "ConfigError: no order of that id"
    assert notes.records[0].refused


async def test_a_bug_is_written_down_too(audited: AuditedFace, face: Face, notes: Notes) -> None:
    face.answer = ZeroDivisionError("oops")
    with pytest.raises(ZeroDivisionError):
        await audited.execute(Request(command=Resume(), origin="cli"))
    assert notes.records[0].outcome == "failed: ZeroDivisionError('oops')"


async def test_what_changes_nothing_leaves_no_trace(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.answer = ()
    await audited.execute(Request(command=GetOrders(), origin="cli"))
    dry = SUBMIT.model_copy(update={"dry_run": True})
    await audited.execute(Request(command=dry, origin="cli"))
    assert notes.records == []


async def test_a_kill_says_what_it_set_in_motion(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.answer = KillReport(risk_state=RiskState.HALTED, cancels=3)
    await audited.execute(Request(command=Kill(level="flatten", reason="enough"), origin="tui"))
    assert notes.records[0].outcome == f"risk {RiskState.HALTED.value}, cancelling 3, closing 0"
    assert notes.records[0].parameters == {"level": "flatten", "reason": "enough"}


def test_an_order_of_a_strategy_is_written_down_once(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    for state in (OrderState.SUBMITTED, OrderState.SUBMITTED, OrderState.ACCEPTED):
        face.tell(OrderChanged(order=_order(state)))
    (record,) = notes.records
    assert (record.origin, record.what, record.outcome) == (
        "strat:rsi",
        "submit_order",
        "submitted",
    )
    assert record.parameters["price"] == "64000"


def test_orders_of_people_and_of_before_are_not_told_twice(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    face.tell(OrderChanged(order=_order(OrderState.SUBMITTED, origin="cli", strategy_id=None)))
    face.tell(OrderChanged(order=_order(OrderState.FILLED)))
    assert notes.records == []


def test_the_engines_own_change_of_risk_is_written_down(
    audited: AuditedFace, face: Face, notes: Notes
) -> None:
    for state in (RiskState.ACTIVE, RiskState.ACTIVE, RiskState.HALTED):
        face.tell(StatusChanged(status=_status(state)))
    (record,) = notes.records
    assert (record.origin, record.what) == ("engine", "risk_state")
    assert record.outcome == "active to halted"


def _status(state: RiskState) -> EngineStatus:
    return EngineStatus(
        session="s1",
        version="0",
        pid=1,
        mode="SIM",
        started_ns=0,
        phase="running",
        risk_state=state,
    )


async def test_an_order_leaves_before_it_is_written_down(face: Face, notes: Notes) -> None:
    order: list[str] = []

    async def send() -> None:
        order.append("sent")

    async def execute(request: Request) -> Any:
        face.sending = asyncio.create_task(send())  # type: ignore[attr-defined]  # kept alive
        return Done()

    face.execute = execute  # type: ignore[method-assign]  # the engine starts sending and answers
    audited = AuditedFace(face, notes, SimClock(77))  # type: ignore[arg-type]  # no views
    notes.note = lambda record: order.append(record.what)  # type: ignore[method-assign]
    await audited.execute(Request(command=SUBMIT, origin="cli"))
    await asyncio.sleep(0)
    assert order == ["sent", "submit_order"]
