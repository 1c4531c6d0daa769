"""What a ticket says of what the engine worked out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.model.grammar import parse_order
from core.model.ids import InstrumentId, VenueName
from core.model.inspection import OrderPreview
from core.model.instruments import Instrument, InstrumentKind
from tui.preview import Draft, preview_words

D = Decimal
PERP = Instrument(
    id=InstrumentId("BTC-USDT-PERP.okx"), venue=VenueName("okx"), venue_symbol="BTC-USDT-SWAP",
    base="BTC", quote="USDT", kind=InstrumentKind.PERPETUAL, settle="USDT", price_tick=D("0.1"),
    size_lot=D("0.01"), contract_size=D("0.01"),
)  # fmt: skip


def words(**more: Any) -> Any:
    found = OrderPreview(
        size=D(10), price=D(64_000), price_from="price", asset="USDT", cost=D(6_400),
        of_equity_pct=None, fee=D("3.2"), fee_bps=D(5), margin=D(640), leverage=D(10),
        maintenance=D("25.6"), maintenance_from="0.4 % (okx's tiers, tier 1 of 5)",
        liquidation_price=D("57854.25"), **more,
    )  # fmt: skip
    line = parse_order(("buy", "10", PERP.id, "@64000"), lambda word: InstrumentId(word))
    return preview_words(found, Draft(line=line), PERP)


def test_a_contract_says_what_stays_behind_it_whose_rate_that_is_and_where_it_ends() -> None:
    said = words(position=D(10), average_price=D(64_000))
    assert said.cost.endswith("margin 640.00   maintenance 25.60")
    assert "closed by force at ~57,854.25" in said.after
    assert said.after.endswith("maintenance: 0.4 % (okx's tiers, tier 1 of 5)")


def test_where_nothing_would_be_held_nothing_stays_behind_it() -> None:
    said = words(position=D(0))
    assert "maintenance" not in said.cost + said.after
