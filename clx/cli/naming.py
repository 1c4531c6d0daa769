"""Short names people type, made into full ids."""

from __future__ import annotations

from typing import Final

from core.model.ids import InstrumentId
from core.model.occ import read_option
from store.paths import find_paths

_OPTIONS: Final = "alpaca"
"""The kind of the feed that has options by the OCC's names."""


def full_instrument(text: str) -> InstrumentId:
    """Return the instrument id of what was typed; without a venue, the watchlist's first counts.

    Options may be called as the OCC does, and without a venue they are of the first Alpaca feed.
    """
    symbol, _, venue = text.rpartition(".")
    option = read_option(symbol) or read_option(text)
    if option is not None and read_option(text) is None:
        return InstrumentId(f"{option.symbol}.{venue.lower()}")
    if option is None and symbol:
        return InstrumentId(f"{symbol.upper()}.{venue.lower()}")
    from store.settings import load_settings

    settings = load_settings(find_paths().config_file)
    if option is not None:
        feeds = settings.feeds.items()
        found = [name for name, table in feeds if (table.kind or name) == _OPTIONS]
        return InstrumentId(f"{option.symbol}.{found[0] if found else _OPTIONS}")
    watchlist = settings.engine.watchlist
    venue = watchlist[0].rpartition(".")[2] if watchlist else "binance"
    return InstrumentId(f"{text.upper()}.{venue}")


def is_instrument(word: str) -> bool:
    """Return whether a word of an order can name an instrument: others have no dash."""
    return "-" in word or read_option(word.partition(".")[0]) is not None
