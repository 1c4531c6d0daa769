"""Twelve Data frames to market events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder, Known
from core.feeds.stamps import whole_ns
from core.feeds.twelvedata import frames
from core.feeds.twelvedata.rule import PriceRule
from core.feeds.twelvedata.symbols import LISTINGS, parse_listings
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import DayTicker, MarketEvent, Quote
from core.model.ports import FrameKind

TWELVEDATA: Final = VenueName("twelvedata")

PRICES: Final = "price"

LISTED: Final = "/listings"
"""End of the URL of several listings in one answer, as only our own tapes have it."""

_NULL: Final = "null"
_SECOND: Final = 1_000_000_000
_REMEDY: Final = "check the symbol, and that the account's plan has streams of its market"


class TwelveDataDecoder(FeedDecoder):
    """Decodes the price stream and the listings.

    A price is the last trade's, but neither its size nor each single one is told: so there are no
    trades, only a last price, and a quote of unknown sizes where bid and ask are given.

    Args:
        venue: The name events carry.
        instruments: Steps; listings on the tape teach more.
    """

    def __init__(
        self, venue: VenueName = TWELVEDATA, instruments: Collection[Instrument] = ()
    ) -> None:
        super().__init__(venue, PriceRule(), instruments)
        self._decimals = Decimals(f"{venue} price")
        self._one = msgspec.json.Decoder(frames.Message).decode

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message."""
        message = self._one(data)
        if isinstance(message, frames.Price):
            return self._price(message, ts_recv_ns)
        if isinstance(message, frames.Error):
            code = f"{message.code} " if message.code else ""
            reason = f"{self.venue} answers {code}{message.message[:80]}: {_REMEDY}"
            return self.reject(ts_recv_ns, reason, data, channel="error")
        if isinstance(message, frames.Heartbeat):
            return ()
        return self._acknowledged(message, ts_recv_ns, data)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read listings; bars are history, which reads them itself."""
        path = "/" + urlsplit(url).path.rpartition("/")[2]
        if path in LISTINGS:
            listed = parse_listings({path: data}, self.venue)
            self.add_instruments([item for _, item, _ in listed])
        elif path == LISTED:
            bodies = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            whole = {name: bytes(body) for name, body in bodies.items() if name in LISTINGS}
            listed = parse_listings(whole, self.venue)
            self.add_instruments([item for _, item, _ in listed])
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        if request.params is None:
            return ()
        named = [(symbol, PRICES) for symbol in request.params.symbols.split(",")]
        match request.action:
            case "subscribe":
                return self.carry(conn, ts_recv_ns, named)
            case "unsubscribe":
                return self.release(conn, ts_recv_ns, named)
        return ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the message's event, such as ``price``."""
        if kind != "recv":
            return ()
        try:
            return [str(self._one(data).__struct_config__.tag)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()

    def _price(self, price: frames.Price, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(price.symbol)
        ts_event_ns = whole_ns(price.timestamp, _SECOND, f"{price.symbol[:40]} timestamp")
        last = self._number(price.price)
        if last is None or last <= 0:
            raise DataError(f"{price.symbol[:40]} price must be above 0, was {last}")
        day = DayTicker(
            instrument_id=known.id,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            last=last,
            volume=self._number(price.day_volume),
        )
        bid, ask = _side(price.bid, known), _side(price.ask, known)
        if not bid or not ask:
            return (day,)
        return day, Quote(known.id, ts_event_ns, ts_recv_ns, bid, 0, ask, 0, 0)

    def _number(self, raw: msgspec.Raw) -> Decimal | None:
        text = str(raw, "ascii")
        return None if text == _NULL else self._decimals[text]

    def _acknowledged(
        self,
        words: frames.Subscribed | frames.Unsubscribed | frames.Reset,
        ts_recv_ns: int,
        data: bytes,
    ) -> Sequence[MarketEvent]:
        out: list[MarketEvent] = []
        for failed in words.fails or ():
            known = self._known.get(failed.symbol)
            out += self.reject(
                ts_recv_ns, f"{self.venue} refuses {failed.symbol[:40]}: {_REMEDY}", data,
                channel=PRICES, instrument_id=known.id if known is not None else None,
            )  # fmt: skip
        if not out and words.status not in {"ok", ""}:
            reason = f"{self.venue} refuses a request {words.message[:80]}: {_REMEDY}"
            out += self.reject(ts_recv_ns, reason, data, channel=PRICES)
        return out


def _side(raw: msgspec.Raw, known: Known) -> int:
    """Return bid or ask in ticks, 0 where there is none."""
    text = str(raw, "ascii")
    return known.prices[text] if text and text != _NULL else 0
