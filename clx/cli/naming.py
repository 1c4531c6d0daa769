"""Short names people type, made into full ids."""

from __future__ import annotations

from core.model.ids import InstrumentId
from store.paths import find_paths


def full_instrument(text: str) -> InstrumentId:
    """Return the instrument id of what was typed; without a venue, the watchlist's first counts."""
    if "." in text:
        symbol, _, venue = text.rpartition(".")
        return InstrumentId(f"{symbol.upper()}.{venue.lower()}")
    from store.settings import load_settings

    watchlist = load_settings(find_paths().config_file).engine.watchlist
    venue = watchlist[0].rpartition(".")[2] if watchlist else "binance"
    return InstrumentId(f"{text.upper()}.{venue}")
