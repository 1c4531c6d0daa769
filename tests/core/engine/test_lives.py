from typing import Any

import pytest

from core.engine import lives
from core.engine.handlers import execute
from core.model.commands import GetOrderLife, Request, parse_command
from core.model.errors import ConfigError
from core.model.inspection import OrderLife
from core.trading.recorder import MemoryJournal
from core.wire.witness import Witness

BTC = "BTC-USDT.binance"


class Telling:
    """A venue that remembers what went over the wire."""

    name = "paper"

    def __init__(self) -> None:
        self.witness = Witness()

    def traffic(self, order: Any) -> Any:
        return self.witness.find((order.id, order.venue_order_id or ""))


@pytest.fixture
def traded(desk: Any, tape: Any) -> Any:
    run = desk(journal=MemoryJournal())
    run.kernel.desk.passed.remember()
    run.play(tape(seed=1, seconds=3.0))
    for name, side in (("clxc-order-one", "buy"), ("clxc-order-one-s", "buy")):
        command = parse_command(
            "submit_order",
            {
                "instrument": BTC, "side": side, "type": "market", "size": "0.01",
                "client_order_id": name,
            },
        )  # fmt: skip
        execute(run.kernel, Request(command=command, origin="cli"))
        run.pump()
    return run


async def life(run: Any, name: str, *venues: Any) -> OrderLife:
    return await lives.tell(run.kernel, run.journal, venues, GetOrderLife(client_order_id=name))


async def test_a_life_is_told_from_intent_to_fill_in_order(traded: Any) -> None:
    told = await life(traded, "clxc-order-one")
    assert [step.what for step in told.steps][:2] == ["intent", "checks"]
    checks = told.steps[1]
    assert "an entry worth" in checks.text
    assert checks.text.endswith("durable in the journal before any byte was sent")
    assert {use.rule for use in checks.limits} >= {"risk.max_order_notional", "risk.max_leverage"}
    assert {"accepted", "fill"} <= {step.what for step in told.steps}
    assert [step.ts_ns for step in told.steps] == sorted(step.ts_ns for step in told.steps)
    assert all(step.seq for step in told.steps)
    assert "keeps no bytes" in told.wire


async def test_bytes_of_another_order_whose_id_begins_alike_are_left_out(traded: Any) -> None:
    venue = Telling()
    venue.witness.exchanged(5, 9, "POST /order?id=clxc-order-one&x=1", b"{}", "status 200")
    venue.witness.exchanged(6, 9, "POST /order?id=clxc-order-one-s", b"{}", "status 200")
    venue.witness.exchanged(7, 0, "DELETE /order?id=clxc-order-one", b"", "timed out")
    venue.witness.heard(8, b'{"c":"clxc-order-one","X":"FILLED"}')
    venue.witness.exchanged(9, 9, "GET /openOrders?t=1", b'[{"c":"clxc-order-one"}]')
    told = await life(traded, "clxc-order-one", venue)
    wire = [(step.what, step.text) for step in told.steps if not step.seq]
    assert wire == [
        ("sent", "POST /order?id=clxc-order-one&x=1"),
        ("sent", "DELETE /order?id=clxc-order-one"),
        ("no answer", "timed out"),
        ("pushed", '{"c":"clxc-order-one","X":"FILLED"}'),
        ("answer", "status 200 after 0.00 ms: {}"),
    ]


async def test_the_end_of_an_id_will_do_where_only_one_order_has_it(traded: Any) -> None:
    assert (await life(traded, "der-one")).order.id == "clxc-order-one"
    with pytest.raises(ConfigError, match="no order 'nope'"):
        await life(traded, "nope")
    with pytest.raises(ConfigError, match="no order 'one'"):
        await life(traded, "one")


async def test_figures_that_are_gone_are_said_to_be(traded: Any) -> None:
    traded.kernel.desk.passed.remember()
    told = await life(traded, "clxc-order-one")
    assert told.steps[1].text.startswith("all passed; their figures are not kept any more")
    assert told.steps[1].limits == ()
