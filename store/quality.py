"""Data quality per instrument and UTC day on disk: sums, and a histogram of clock offsets."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import InstrumentId
from core.model.stores import DAY_NS, QualityCounts, QualityDay, day_text
from store.listings import Listing, Listings
from store.marketfile import MarketFile

_MAX_NS: Final = (1 << 63) - 1
_PER_OCTAVE: Final = 16
"""Buckets per doubling of an offset: the median is within 1/32 of the true one."""


class _Record(msgspec.Struct, kw_only=True):
    """What is kept of a day."""

    counts: QualityCounts = QualityCounts()
    samples: int = 0
    low_ns: int = 0
    high_ns: int = 0
    buckets: dict[int, int] = {}
    """Samples by `_bucket` of their offset."""


class SqliteQuality:
    """Implements `core.model.stores.QualityStore`."""

    def __init__(self, file: MarketFile, listings: Listings) -> None:
        self._file = file
        self._listings = listings

    def add(self, instrument_id: InstrumentId, ts_ns: int, counts: QualityCounts) -> None:
        """Add counts to the record of the day that holds `ts_ns`.

        Raises:
            StoreError: It could not be written, or the day's record is damaged.
        """
        day_ns = ts_ns // DAY_NS * DAY_NS
        with self._file.transaction() as connection:
            listing = self._listings.make(connection, instrument_id, None)
            row = connection.execute(
                "SELECT record FROM quality WHERE listing = ? AND day_ns = ?", (listing.id, day_ns)
            ).fetchone()
            record = self._decode(listing, day_ns, row[0]) if row else _Record()
            _add(record, counts)
            connection.execute(
                "INSERT OR REPLACE INTO quality VALUES (?, ?, ?)",
                (listing.id, day_ns, msgspec.msgpack.encode(record)),
            )

    def days(
        self,
        instrument_id: InstrumentId | None = None,
        start_ns: int = 0,
        end_ns: int = _MAX_NS,
    ) -> list[QualityDay]:
        """Return the records of days that touch [start_ns, end_ns), by instrument, oldest first.

        Raises:
            StoreError: A record is damaged, or the file cannot be read.
        """
        wanted = self._listings.all()
        if instrument_id is not None:
            listing = self._listings.find(instrument_id)
            wanted = [] if listing is None else [listing]
        out: list[QualityDay] = []
        for listing in wanted:
            rows = self._file.read(
                "SELECT day_ns, record FROM quality WHERE listing = ? AND day_ns > ? "
                "AND day_ns < ? ORDER BY day_ns",
                (listing.id, start_ns - DAY_NS, end_ns),
            )
            out += [
                _day(listing.instrument_id, day_ns, self._decode(listing, day_ns, record))
                for day_ns, record in rows
            ]
        return out

    def _decode(self, listing: Listing, day_ns: int, data: bytes) -> _Record:
        try:
            return msgspec.msgpack.decode(data, type=_Record)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StoreError(
                f"{self._file.path}: quality record of {listing.instrument_id} on "
                f"{day_text(day_ns)} cannot be read: {error}; "
                f"`clx data repair {listing.instrument_id}` drops it"
            ) from error


def readable(data: bytes) -> bool:
    """Return whether a record is one of ours."""
    try:
        msgspec.msgpack.decode(data, type=_Record)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False
    return True


def _add(record: _Record, counts: QualityCounts) -> None:
    sums = {
        name: getattr(record.counts, name) + getattr(counts, name)
        for name in QualityCounts.__struct_fields__
        if name != "clock_offsets_ns"
    }
    record.counts = QualityCounts(**sums)
    for offset in counts.clock_offsets_ns:
        record.low_ns = min(record.low_ns, offset) if record.samples else offset
        record.high_ns = max(record.high_ns, offset) if record.samples else offset
        record.samples += 1
        bucket = _bucket(offset)
        record.buckets[bucket] = record.buckets.get(bucket, 0) + 1


def _day(instrument_id: InstrumentId, day_ns: int, record: _Record) -> QualityDay:
    return QualityDay(
        instrument_id=instrument_id,
        day_ns=day_ns,
        counts=record.counts,
        clock_samples=record.samples,
        clock_min_ns=record.low_ns if record.samples else None,
        clock_median_ns=_median(record),
        clock_max_ns=record.high_ns if record.samples else None,
    )


def _median(record: _Record) -> int | None:
    if not record.samples:
        return None
    buckets = sorted(record.buckets)
    seen, total = [], 0
    for bucket in buckets:
        total += record.buckets[bucket]
        seen.append(total)
    middle = buckets[bisect_left(seen, (record.samples + 1) // 2)]
    return min(max(_centre(middle), record.low_ns), record.high_ns)


def _bucket(offset: int) -> int:
    """Number buckets in order of the offsets they hold; 0 holds 0 alone."""
    size = abs(offset)
    if size < _PER_OCTAVE:
        return offset
    octave = size.bit_length() - _PER_OCTAVE.bit_length()
    bucket = octave * _PER_OCTAVE + (size >> octave)
    return bucket if offset > 0 else -bucket


def _centre(bucket: int) -> int:
    size = abs(bucket)
    if size < _PER_OCTAVE:
        return bucket
    octave = size // _PER_OCTAVE - 1
    low = (size - octave * _PER_OCTAVE) << octave
    value = low + ((1 << octave) >> 1)
    return value if bucket > 0 else -value
