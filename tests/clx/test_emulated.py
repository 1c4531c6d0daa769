"""How the emulator's own record is read in an adapter's words."""

from decimal import Decimal

from clx.emulated import EMULATED
from core.venues.conformance.truth import AccountTruth, OrderTruth


def order(number: str, state: str, trigger: str = "") -> OrderTruth:
    return OrderTruth(
        id=number, client_id="clxt01kv3c9q2m0000000a", symbol="BTC-USDT-SWAP", side="sell",
        type="market", price="", size="1", filled=Decimal(0), state=state, trigger=trigger,
    )  # fmt: skip


def test_what_okx_ended_while_it_waited_is_canceled_as_it_says() -> None:
    ours = EMULATED["okx"].ours
    assert ours is not None
    told = AccountTruth(
        venue="okx",
        orders=[order("1", "expired", "65000"), order("2", "expired"), order("3", "open")],
        fills=[], positions=[], balances={},
    )  # fmt: skip
    found = ours(told, None)
    assert [row.state for row in found.orders] == ["canceled", "expired", "open"]
    assert found.orders[0].client_id == "clxt-01kv3c9q2m-0000000a"
