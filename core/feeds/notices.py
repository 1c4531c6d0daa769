"""What a feed has to say of itself, as a frame: taped, decoded and told like all others."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.model.ids import InstrumentId, VenueName
from core.model.market import FeedNotice


class _Notice(msgspec.Struct, omit_defaults=True):
    kind: str
    text: str
    instrument: InstrumentId | None = None


def written(kind: str, text: str, instrument_id: InstrumentId | None = None) -> bytes:
    """Return a notice as the data of a frame.

    ::

        {"kind":"unheard","text":"nothing came since ...","instrument":"BTC-USDT.okx"}
    """
    return msgspec.json.encode(_Notice(kind, text, instrument_id))


def read(venue: VenueName, ts_recv_ns: int, data: bytes) -> Sequence[FeedNotice]:
    """Return the event of a notice.

    Raises:
        msgspec.DecodeError: It is none.
    """
    notice = msgspec.json.decode(data, type=_Notice)
    return (
        FeedNotice(
            venue=venue,
            ts_recv_ns=ts_recv_ns,
            kind=notice.kind,
            text=notice.text,
            instrument_id=notice.instrument,
        ),
    )
