"""Which venues are taught an instrument."""

from __future__ import annotations

from core.model.ids import VenueName


class Pupil:
    def __init__(self, name: str, market: str = "") -> None:
        self.name = VenueName(name)
        self.taught: list[str] = []
        if market:
            self.market = VenueName(market)

    def add_instruments(self, instruments) -> None:
        self.taught += [instrument.id for instrument in instruments]


def test_each_account_is_taught_the_instruments_of_the_feed_it_trades(desk, another) -> None:
    kernel = desk().kernel
    own, second, perps = Pupil("binance"), Pupil("second", "binance"), Pupil("perps", "usdm")
    kernel._locals.pupils += [own, second, perps]
    kernel.add_instruments([another("ETH")])
    assert (own.taught, second.taught, perps.taught) == (
        ["ETH-USDT.binance"],
        ["ETH-USDT.binance"],
        [],
    )
