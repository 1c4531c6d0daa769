"""Writes trades as Tardis.dev's CSV files have them, see `tardis`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

from core.model.errors import ConfigError
from core.model.instruments import Instrument, InstrumentKind
from core.model.stores import TradeColumns
from store.transfer.figures import texts
from store.transfer.files import text_writer, write_file
from store.transfer.pages import Series

_HEADER: Final = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
_SPOT, _PERPETUAL = InstrumentKind.SPOT, InstrumentKind.PERPETUAL
_NAMES: Final[dict[tuple[str, InstrumentKind], tuple[str, str]]] = {
    ("binance", _SPOT): ("binance", "{base}{quote}"),
    ("binance_usdm", _PERPETUAL): ("binance-futures", "{base}{quote}"),
    ("bybit", _SPOT): ("bybit-spot", "{base}{quote}"),
    ("bybit", _PERPETUAL): ("bybit", "{base}{quote}"),
    ("coinbase", _SPOT): ("coinbase", "{base}-{quote}"),
    ("coinbase_exchange", _SPOT): ("coinbase", "{base}-{quote}"),
    ("deribit", _PERPETUAL): ("deribit", "{base}_{quote}-PERPETUAL"),
    ("kraken", _SPOT): ("kraken", "{base}/{quote}"),
    ("kucoin", _SPOT): ("kucoin", "{base}-{quote}"),
    ("okx", _SPOT): ("okex", "{base}-{quote}"),
    ("okx", _PERPETUAL): ("okex-swap", "{base}-{quote}-SWAP"),
}
"""What Tardis calls an exchange and its symbols; docs.tardis.dev/historical-data-details."""


def export_trades(series: Series, path: Path, instrument: Instrument, *, overwrite: bool) -> int:
    """Write trades, packed if the name ends with ``.gz`` or ``.zst``; return how many rows.

    A trade that came from a venue's history, not from its stream, has its own time as local time,
    or that of the row before where that is later: such files are in order of local time.

    Raises:
        ConfigError: The file exists, or Tardis has no name for the instrument.
        StoreError: The disk failed, or a stored block is damaged.
    """
    names = ",".join(named(instrument))
    rows = seen_us = 0
    with write_file(path, overwrite=overwrite) as part, text_writer(part, path.name) as out:
        out.write(_HEADER)
        for page in series.trades():
            seen_us = _write(out, page, names, seen_us)
            rows += len(page)
    return rows


def named(instrument: Instrument) -> tuple[str, str]:
    """Return the exchange and symbol by which Tardis knows an instrument.

    Raises:
        ConfigError: There are none.
    """
    found = _NAMES.get((instrument.venue, instrument.kind))
    if found is None:
        known = ", ".join(sorted({venue for venue, _ in _NAMES}))
        raise ConfigError(
            f"Tardis's files need its name of the instrument; known are spot and perpetuals of "
            f"{known}, {instrument.id} is {instrument.kind.value} of {instrument.venue}; choose "
            "csv or parquet"
        )
    exchange, symbol = found
    base, quote = instrument.base, instrument.quote
    if exchange == "kraken":
        base, quote = (("XBT" if coin == "BTC" else coin) for coin in (base, quote))
    if exchange == "deribit" and quote == "USD":
        symbol = "{base}-PERPETUAL"
    return exchange, symbol.format(base=base, quote=quote)


def _write(out: IO[str], page: TradeColumns, names: str, seen_us: int) -> int:
    """Write a page whose rows were seen no earlier than `seen_us`; return when the last was."""
    for ts_ns, received_ns, price, size, maker, number in zip(
        page.ts_event_ns.tolist(), page.ts_recv_ns.tolist(), texts(page.price, page.price_tick),
        texts(page.size, page.size_lot), page.buyer_is_maker.tolist(), page.trade_id.tolist(),
        strict=True,
    ):  # fmt: skip
        seen_us = max(seen_us, (received_ns or ts_ns) // 1000)
        side = "sell" if maker else "buy"
        out.write(f"{names},{ts_ns // 1000},{seen_us},{number or ''},{side},{price},{size}\n")
    return seen_us
