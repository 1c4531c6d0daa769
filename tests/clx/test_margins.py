from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import pytest

from clx.margins import KeyedTiers, tellers
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.settings import Settings
from core.model.tiers import MarginTiers, flat

USDM = VenueName("binance_usdm")


class Teller:
    """Whoever tells tiers."""

    def __init__(self) -> None:
        self.closed = 0

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        return [flat(InstrumentId("X.x"), Decimal("0.01"), "x")]

    async def close(self) -> None:
        self.closed += 1


def test_accounts_are_asked_before_those_asked_for_nothing_else_and_feeds() -> None:
    settings = Settings.model_validate({"venues": {"mine": {"kind": "binance_usdm"}}})
    account, besides, feed, other = Teller(), Teller(), Teller(), object()
    feeds: Any = {USDM: feed, VenueName("kraken"): other}
    venues: Any = {VenueName("mine"): account, VenueName("paper"): Teller()}
    found = tellers(feeds, venues, settings, {USDM: [besides]})
    assert found == {USDM: [account, besides, feed]}


async def test_a_key_is_read_once_when_it_is_first_wanted_and_given_back() -> None:
    made: list[Teller] = []

    def make() -> Teller:
        made.append(Teller())
        return made[-1]

    keyed = KeyedTiers(make)
    await keyed.close()
    assert made == []
    assert len(await keyed.tiers([])) == 1
    await keyed.tiers([])
    await keyed.close()
    assert [each.closed for each in made] == [1]


async def test_a_key_that_cannot_be_read_is_an_error_each_time() -> None:
    def make() -> Teller:
        raise ConfigError("locked")

    keyed = KeyedTiers(make)
    for _ in range(2):
        with pytest.raises(ConfigError, match="locked"):
            await keyed.tiers([])
    await keyed.close()
