"""Tardis.dev's downloadable CSV files: trades, quotes, book snapshots and book updates.

::

    exchange,symbol,timestamp,local_timestamp,id,side,price,amount
    exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount
    exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,...
    exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount

Times are microseconds; rows are in order of `local_timestamp`. `side` of a trade is the taker's.
Updates of one message share their `local_timestamp`; the first message is a snapshot, and so is the
first after each reconnection. Source: docs.tardis.dev/downloadable-csv-files.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot, Levels, Quote, Trade
from core.model.stores import Progress
from store.transfer.figures import OffStep, bad, figure, in_steps
from store.transfer.files import open_text
from store.transfer.sink import ImportReport, TradeSink

Kind = Literal["trades", "quotes", "snapshots", "updates"]

_COMMON: Final = ("exchange", "symbol", "timestamp", "local_timestamp")
_HEADERS: Final[dict[tuple[str, ...], Kind]] = {
    (*_COMMON, "id", "side", "price", "amount"): "trades",
    (*_COMMON, "ask_amount", "ask_price", "bid_price", "bid_amount"): "quotes",
    (*_COMMON, "is_snapshot", "side", "price", "amount"): "updates",
}
_SIDES: Final = {"buy": False, "sell": True}
_BOOK_SIDES: Final = {"bid": 0, "ask": 1}
_BOOLS: Final = {"true": True, "false": False}
_Row = tuple[int, list[str]]


def import_trades(
    sink: TradeSink, instrument: Instrument | None, progress: Progress | None
) -> ImportReport:
    """Read trades; with an instrument, its symbol must be the file's.

    A trade whose side is unknown is refused: nobody knows who took it.

    Raises:
        ConfigError: The file cannot be opened, or holds quotes or books: those are not stored.
        DataError: A row is wrong; names file, line, column and value.
    """
    path = sink.path
    with open_text(path) as text:
        rows = _rows(path, text.lines(progress))
        kind, _ = _kind(path, rows)
        if kind != "trades":
            raise ConfigError(f"{path}: holds {kind}; the store keeps trades and bars only")
        for line, cells in _checked(path, rows, instrument):
            side = _SIDES.get(cells[5])
            if side is None:
                raise bad(path, line, "side", cells[5], "must be buy or sell")
            sink.add(
                line,
                _time(path, line, "timestamp", cells[2]),
                cells[6],
                cells[7],
                buyer_is_maker=side,
                trade_id=trade_number(cells[4]),
                ts_recv_ns=_time(path, line, "local_timestamp", cells[3]),
            )
    return sink.finish()


def read(
    path: Path, instrument: Instrument, progress: Progress | None = None
) -> Iterator[Trade | Quote | BookSnapshot | BookDelta]:
    """Yield the file's events in its order, in the instrument's steps.

    Numbers of books count messages from 1, for the files hold none of the venue's.

    Raises:
        ConfigError: The file cannot be opened.
        DataError: A row is wrong; names file, line, column and value.
    """
    with open_text(path) as text:
        rows = _rows(path, text.lines(progress))
        kind, levels = _kind(path, rows)
        checked = _checked(path, rows, instrument)
        if kind == "updates":
            yield from _updates(path, checked, instrument)
            return
        for number, (line, cells) in enumerate(checked, 1):
            stamps = (
                _time(path, line, "timestamp", cells[2]),
                _time(path, line, "local_timestamp", cells[3]),
            )
            if kind == "trades":
                yield _trade(path, line, cells, stamps, instrument)
            elif kind == "quotes":
                yield _quote(path, line, cells, stamps, instrument, number)
            else:
                asks = _levels(path, line, cells[4:], 0, levels, instrument)
                bids = _levels(path, line, cells[4:], 2, levels, instrument)
                yield BookSnapshot(instrument.id, *stamps, number, bids, asks)


def trade_number(text: str) -> int:
    """Return a trade's number, 0 where the venue names trades otherwise."""
    text = text.strip()
    plain = text.isascii() and text.isdigit()
    return int(text) if plain and int(text) < 1 << 63 else 0


def _trade(
    path: Path, line: int, cells: Sequence[str], stamps: tuple[int, int], instrument: Instrument
) -> Trade:
    side = _SIDES.get(cells[5])
    if side is None:
        raise bad(path, line, "side", cells[5], "must be buy or sell")
    price = _count(path, line, "price", cells[6], instrument)
    size = _count(path, line, "amount", cells[7], instrument)
    return Trade(instrument.id, *stamps, price, size, side, trade_number(cells[4]))


def _quote(
    path: Path, line: int, cells: Sequence[str], stamps: tuple[int, int], instrument: Instrument,
    number: int,
) -> Quote:  # fmt: skip
    ask_lots, ask, bid, bid_lots = (
        _count(path, line, name, text, instrument)
        for name, text in zip(
            ("ask_amount", "ask_price", "bid_price", "bid_amount"), cells[4:], strict=True
        )
    )
    return Quote(instrument.id, *stamps, bid, bid_lots, ask, ask_lots, number)


def _levels(
    path: Path, line: int, cells: Sequence[str], first: int, count: int, instrument: Instrument
) -> Levels:
    """Read one side of a snapshot; levels that are not there are empty cells at the end."""
    out = []
    for level in range(count):
        price, amount = cells[4 * level + first : 4 * level + first + 2]
        if price and amount:
            out.append(
                (
                    _count(path, line, "price", price, instrument),
                    _count(path, line, "amount", amount, instrument),
                )
            )
    return np.array(out, np.int64).reshape(-1, 2)


def _updates(
    path: Path, rows: Iterator[_Row], instrument: Instrument
) -> Iterator[BookSnapshot | BookDelta]:
    """Join the rows of one message: they share the local time and whether it is a snapshot."""
    groups = itertools.groupby(rows, key=lambda row: (row[1][3], row[1][4]))
    for number, ((local, flag), group) in enumerate(groups, 1):
        sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        event_ns = line = 0
        for line, cells in group:
            side = _BOOK_SIDES.get(cells[5])
            if side is None:
                raise bad(path, line, "side", cells[5], "must be bid or ask")
            event_ns = _time(path, line, "timestamp", cells[2])
            price = _count(path, line, "price", cells[6], instrument)
            sides[side].append((price, _count(path, line, "amount", cells[7], instrument)))
        bids, asks = (np.array(side, np.int64).reshape(-1, 2) for side in sides)
        snapshot = _BOOLS.get(flag)
        if snapshot is None:
            raise bad(path, line, "is_snapshot", flag, "must be true or false")
        received = _time(path, line, "local_timestamp", local)
        if snapshot:
            yield BookSnapshot(instrument.id, event_ns, received, number, bids, asks)
        else:
            yield BookDelta(
                instrument.id, event_ns, received, number, number, number - 1, bids, asks
            )


def _kind(path: Path, rows: Iterator[_Row]) -> tuple[Kind, int]:
    """Tell by the header what a file holds, and how many levels its snapshots have."""
    _, cells = next(rows, (1, []))
    header = tuple(cells)
    if header in _HEADERS:
        return _HEADERS[header], 0
    levels = (len(header) - 4) // 4
    names = tuple(
        f"{side}[{level}].{what}"
        for level in range(levels)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    )
    if levels and header == (*_COMMON, *names):
        return "snapshots", levels
    raise DataError(
        f"{path}:1: is no header of Tardis's trades, quotes, book_snapshot or "
        f"incremental_book_L2, was {','.join(cells)[:100]!r}"
    )


def _checked(path: Path, rows: Iterator[_Row], instrument: Instrument | None) -> Iterator[_Row]:
    """Refuse rows of another symbol, and rows out of order."""
    symbol = instrument.venue_symbol.upper() if instrument else ""
    last = -1
    for line, cells in rows:
        symbol = symbol or cells[1].upper()
        if cells[1].upper() != symbol:
            raise bad(path, line, "symbol", cells[1], f"must be {symbol}")
        local = _time(path, line, "local_timestamp", cells[3])
        if local < last:
            why = "is before the row before's; rows must be in order"
            raise bad(path, line, "local_timestamp", cells[3], why)
        last = local
        yield line, cells


def _rows(path: Path, lines: Iterator[str]) -> Iterator[_Row]:
    reader = csv.reader(lines)
    width = 0
    for cells in reader:
        width = width or len(cells)
        if len(cells) != width:
            raise DataError(
                f"{path}:{reader.line_num}: has {len(cells)} cells, the header has {width}"
            )
        yield reader.line_num, cells


def _time(path: Path, line: int, column: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 9 * 10**15:
        raise bad(path, line, column, text, "must be microseconds since 1970")
    return int(text) * 1000


def _count(path: Path, line: int, column: str, text: str, instrument: Instrument) -> int:
    """Return a price in ticks, or an amount in lots."""
    step = instrument.price_tick if "price" in column else instrument.size_lot
    try:
        counts, _ = in_steps([figure(text)], step)
    except OffStep:
        why = f"must be a whole number of {instrument.id}'s steps of {step}"
        raise bad(path, line, column, text, why) from None
    except (ValueError, OverflowError) as error:
        raise bad(path, line, column, text, str(error)) from None
    return int(counts[0])
