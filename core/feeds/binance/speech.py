"""How Binance is spoken to on any of its markets: requests of streams, images, time, history."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence

import msgspec

from core.feeds.binance.acks import BinanceAcks
from core.feeds.binance.aggregates import AggregateHistory, SingleHistory
from core.feeds.binance.history import KlineHistory
from core.feeds.binance.rest import BinanceRest, nearest_depth
from core.feeds.dialect import Answer, Dialect
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.stores import PastTrades, TradeHole
from core.wire.budget import Budgets


class BinanceDialect(Dialect):
    """What the dialects of spot and of futures share; each sets the attributes below.

    A request names at most `limits.batch` instruments, so that it stays within the venue's
    message bound of 4 KiB.
    """

    depth_weights: dict[int, int]
    """Request weight of a book image by its levels."""

    _rest: BinanceRest
    _klines: KlineHistory
    _past: AggregateHistory | SingleHistory
    """Trades of the kind the stream gives."""
    _missed_by: tuple[str, int]
    """Endpoint of the same by id, and its request weight."""
    _image_levels: int

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.acks = BinanceAcks(self._say)

    @abstractmethod
    def channels(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the stream names of an instrument on a route, such as ``btcusdt@trade``."""

    # -- connections -------------------------------------------------------------------------

    def retires(self, frame: bytes) -> bool:
        """Return whether the venue says it will close the connection.

        ::

            {"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}
        """
        return b"serverShutdown" in frame[:48]

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that joins every channel wanted of some instruments."""
        return self._request("SUBSCRIBE", route, instruments)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that leaves all those channels."""
        return self._request("UNSUBSCRIBE", route, instruments)

    def _request(self, method: str, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        names = [name for item in instruments for name in self.channels(route, item)]
        return (self._say(method, names),) if names else ()

    def _say(self, method: str, names: Sequence[str]) -> str:
        params = {"params": list(names)} if names else {}
        request = {"method": method, **params, "id": next(self._numbers)}
        return msgspec.json.encode(request).decode()

    # -- REST --------------------------------------------------------------------------------

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return exchangeInfo of some instruments only, so that a tape knows its own steps."""
        return self._rest.listing_of(instruments)

    async def image(self, instrument: Instrument) -> Answer | None:
        """Fetch a book image.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        levels, weight = nearest_depth(self._image_levels, self.depth_weights)
        return await self._rest.ask(
            "depth",
            params=(("symbol", instrument.venue_symbol), ("limit", str(levels))),
            weight=weight,
        )

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
            DataError: A definite no.
        """
        return await self._rest.server_time()

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Fetch closed bars with start_ns <= open time < end_ns, oldest first, all pages.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length.
        """
        return await self._klines.bars(instrument, timeframe, start_ns, end_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= event time < end_ns, as the stream numbers them.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return PastTrades(await self._past.trades(instrument, start_ns, end_ns), start_ns)

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        """Ask for trades that never came, by their ids; at most a page at a time.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        params = (
            ("symbol", instrument.venue_symbol), ("fromId", str(hole.first_id)),
            ("limit", str(hole.trades)),
        )  # fmt: skip
        path, weight = self._missed_by
        return await self._rest.ask(path, params=params, weight=weight)

    def share(self, budgets: Budgets) -> None:
        """Keep the venue's request budget together with the other programs of the same home."""
        self._rest.http.share(budgets)

    async def close(self) -> None:
        """Release the HTTP session."""
        await self._rest.close()


def nearest_speed(wanted_ms: int, speeds: dict[int, str]) -> str:
    """Return the suffix of the book stream whose interval is nearest to the one wanted."""
    return speeds[min(speeds, key=lambda speed: abs(speed - wanted_ms))]
