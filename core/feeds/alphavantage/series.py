"""Alpha Vantage's tables of bars, as CSV and as JSON, in the exchange's own time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.feeds.answers import decoded
from core.feeds.candles import make_bar
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

EXCHANGE_ZONE: Final = "America/New_York"
"""Zone of US stocks; CSV does not name one."""

_ZONES: Final = {"US/Eastern": EXCHANGE_ZONE, "UTC": "UTC"}
_NS: Final = 1_000_000_000


def parse_csv(
    body: bytes,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    zone: str = EXCHANGE_ZONE,
    stamped_at_close: bool = False,
) -> list[Bar]:
    """Return the bars of a CSV table, oldest first; the provider writes the newest first.

    ::

        timestamp,open,high,low,close,volume
        2020-12-18 20:00:00,218.79,218.79,218.75,218.75,1102

    Rows are stamped with the time they open; those of the retired extended history were stamped
    with the time they close. Days have a date alone and count as that day of UTC.

    Raises:
        DataError: It is not that.
    """
    what = f"bars of {instrument.id} {timeframe}"
    try:
        reader = csv.reader(body.decode().splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"{what}: {error}") from None
    head = [name.strip().lower() for name in next(reader, [])]
    if len(head) < 5 or head[0] not in {"time", "timestamp"} or "close" not in head:
        raise DataError(f"{what}: must be a table of timestamp, open..., was {body[:60]!r}")
    rows = [dict(zip(head[1:], row[1:], strict=False)) | {"at": row[0]} for row in reader if row]
    shift_ns = timeframe.ns if stamped_at_close else 0
    return _bars([(row.pop("at"), row) for row in rows], instrument, timeframe, zone, shift_ns)


def parse_json(body: bytes, instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
    """Return the bars of a JSON series, oldest first, read in the zone its head names.

    ::

        {"Meta Data":{"1. Information":"Intraday (5min) open, ...","2. Symbol":"IBM",
          "6. Time Zone":"US/Eastern"},
         "Time Series (5min)":{"2020-05-08 14:05:00":{"1. open":"121.7900","2. high":"121.8600",
          "3. low":"121.7225","4. close":"121.7400","5. volume":"31454"}}}

    Older ones of coins name the currency of each price: ``1b. open (USD)``.

    Raises:
        DataError: It is not that.
    """
    what = f"bars of {instrument.id} {timeframe}"
    parts = decoded(body, dict[str, dict[str, Any]], what)
    head = {_plain(name): str(value) for name, value in parts.pop("Meta Data", {}).items()}
    if len(parts) != 1 or "time zone" not in head:
        raise DataError(f"{what}: must have a head with its time zone and one series of rows")
    ((_, series),) = parts.items()
    rows: list[tuple[str, Mapping[str, str]]] = []
    for at, row in series.items():
        if not isinstance(row, dict):
            raise DataError(f"{what}: row {at[:30]!r} must be an object")
        rows.append((at, _priced(row, instrument.quote)))
    zone = _ZONES.get(head["time zone"], head["time zone"])
    return _bars(rows, instrument, timeframe, zone, 0)


def _plain(name: str) -> str:
    """Return ``open`` of ``1. open``, ``open (usd)`` of ``1b. open (USD)``."""
    return name.partition(". ")[2].strip().lower()


def _priced(row: Mapping[str, Any], quote: str) -> dict[str, str]:
    plain = {_plain(name): str(value) for name, value in row.items()}
    own = f" ({quote.lower()})"
    return {name.removesuffix(own): value for name, value in plain.items()}


def _bars(
    rows: list[tuple[str, Mapping[str, str]]],
    instrument: Instrument,
    timeframe: Timeframe,
    zone: str,
    shift_ns: int,
) -> list[Bar]:
    what = f"bars of {instrument.id} {timeframe}"
    read = _reader(zone, what)
    found: dict[int, Bar] = {}
    for at, row in rows:
        opened_ns = read(at) - shift_ns
        try:
            prices = (
                Decimal(row["open"]), Decimal(row["high"]), Decimal(row["low"]),
                Decimal(row["close"]),
            )  # fmt: skip
            volume = Decimal(row.get("volume", "0"))
        except (KeyError, ArithmeticError) as error:
            raise DataError(f"{what}: {error!r} in row {at[:30]!r}") from None
        if opened_ns in found or opened_ns % timeframe.ns:
            raise DataError(f"{what}: row {at[:30]!r} is doubled, or no begin of a bar")
        found[opened_ns] = make_bar(instrument, timeframe, opened_ns, prices, volume, 0)
    return [found[ts_ns] for ts_ns in sorted(found)]


def _reader(zone: str, what: str) -> Callable[[str], int]:
    """Return what reads local times: ``2020-12-18 20:00:00`` in the zone, ``2020-12-18`` in UTC."""
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise DataError(f"{what}: unknown time zone {zone[:40]!r}") from None
    utc = ZoneInfo("UTC")

    def read(text: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise DataError(f"{what}: expected a local time, was {text[:40]!r}") from None
        if moment.tzinfo is not None:
            raise DataError(f"{what}: expected a local time without a zone, was {text[:40]!r}")
        local = moment.replace(tzinfo=place if len(text) > 10 else utc)
        return int(local.timestamp()) * _NS

    return read
