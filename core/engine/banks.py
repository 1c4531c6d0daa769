"""Indicator banks that follow the closed bars of the market, whatever happens to those."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from core.engine.demand import Series
from core.engine.market import MarketState
from core.engine.scale import F64, Ohlcv, Scale
from core.engine.series import Columns
from core.indicators.bank import Bank
from core.indicators.batch import advance
from core.indicators.catalogue import parse
from core.model.errors import ConfigError
from core.model.market import Bar


class _Live:
    __slots__ = ("bank", "version")

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.version = -1


class Banks:
    """One bank for each series that somebody needs indicators of, and none for others.

    A bank takes one bar when that is all that changed; after a repair, a late trade or a seeded
    history it is built again from the bars as they are now.
    """

    def __init__(self, market: MarketState) -> None:
        self._market = market
        self._live: dict[Series, _Live] = {}

    def require(self, series: Series, specs: Sequence[str]) -> None:
        """Have a series' bank compute at least these expressions.

        Raises:
            ConfigError: An expression is not the catalogue's.
        """
        if not specs:
            return
        live = self._live.get(series)
        known = live.bank.names if live is not None else ()
        bank = Bank([*known, *specs])
        if live is None or bank.names != known:
            self._live[series] = _Live(bank)

    def on_bar(self, bar: Bar, ohlcv: Ohlcv, scale: Scale) -> dict[str, float]:
        """Return the outputs right after a closed bar, by name; NaN while warming up."""
        series = (bar.instrument_id, bar.timeframe)
        live = self._live.get(series)
        if live is None:
            return {}
        version = self._market.bars_version(*series)
        if version == live.version + 1 and not bar.revision:
            live.bank.update(*ohlcv, bar.ts_open_ns)
            live.version = version
        elif version != live.version or bar.revision:
            columns = up_to(self._market.bars(*series), bar.ts_open_ns)
            live.bank = Bank(live.bank.names)
            run(live.bank, columns, scale)
            newest = len(columns.ts_open_ns) == len(self._market.bars(*series).ts_open_ns)
            live.version = version if newest else -1
        return live.bank.as_dict()


def run(bank: Bank, columns: Columns, scale: Scale) -> F64:
    """Give a bank many bars; returns its outputs, shape (outputs, bars)."""
    return advance(bank, *scale.columns(columns), columns.ts_open_ns)


def up_to(columns: Columns, ts_open_ns: int) -> Columns:
    """Return the bars that opened no later than a time."""
    count = int(np.searchsorted(columns.ts_open_ns, ts_open_ns, side="right"))
    return Columns(*(getattr(columns, name)[:count] for name in Columns.__struct_fields__))


def known_specs(specs: Collection[str]) -> list[str]:
    """Return those expressions the catalogue understands, in order, each once."""
    good: list[str] = []
    for spec in dict.fromkeys(specs):
        try:
            parse(spec)
        except ConfigError:
            continue
        good.append(spec)
    return good
