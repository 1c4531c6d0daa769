"""freqtrade's trades: a JSON list of lists, ``.json``, ``.json.gz`` or ``.json.zst``.

::

    [[1570752011620,"13519807",null,"sell",0.00141342,23.0,0.03250866], ...]
      time in ms    id         type side   price      amount cost

Its candles are feather files, see `arrow`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from core.model.errors import DataError
from core.model.stores import Progress
from store.transfer.figures import bad
from store.transfer.files import open_text
from store.transfer.sink import ImportReport, TradeSink
from store.transfer.tardis import trade_number

_SIDES: Final = {"buy": False, "sell": True}
_CELLS: Final = 7


def import_trades(sink: TradeSink, progress: Progress | None) -> ImportReport:
    """Read trades; the list is read whole, as JSON must be.

    Raises:
        ConfigError: The file cannot be opened.
        DataError: It is no such list, or a row is wrong; names file, row, column and value.
    """
    path = sink.path
    last = -1
    for row, cells in enumerate(_rows(path, progress), 1):
        if not isinstance(cells, list) or len(cells) != _CELLS:
            raise bad(path, row, "trade", cells, f"must be a list of {_CELLS}")
        ts_ms, number, _, side, price, amount, _ = cells
        if not isinstance(ts_ms, str) or not ts_ms.isdigit():
            raise bad(path, row, "time", ts_ms, "must be milliseconds since 1970")
        if int(ts_ms) < last:
            why = "is before the row before's; rows must be in order"
            raise bad(path, row, "time", ts_ms, why)
        last = int(ts_ms)
        if side not in _SIDES:
            raise bad(path, row, "side", side, "must be buy or sell")
        sink.add(
            row,
            last * 1_000_000,
            str(price),
            str(amount),
            buyer_is_maker=_SIDES[side],
            trade_id=trade_number(str(number)),
        )
    return sink.finish()


def _rows(path: Path, progress: Progress | None) -> list[object]:
    with open_text(path) as text:
        content = "".join(text.lines(progress))
    try:
        # Numbers stay the text they are, so that none becomes a float.
        found = json.loads(content, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: is no JSON: {error.msg}") from None
    if not isinstance(found, list):
        raise DataError(f"{path}: must be a list of trades")
    return found
