"""Binance over REST, as far as market data needs it: the same words on spot and on futures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask
from core.feeds.dialect import Answer
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.wire.http import HttpSession, Params
from core.wire.limits import WeightLimiter

_TIMEOUT_S: Final = 10.0
_REMEDIES: Final = {
    403: "the venue's firewall refuses this address; wait, or set rest_url to another host",
    451: "the venue does not serve this region; set rest_url to the host of yours",
}


class _Listing(msgspec.Struct):
    symbols: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    symbol: str


class BinanceRest:
    """One host's endpoints below a prefix, within the request weight it allows.

    Args:
        base_url: The host.
        prefix: Ahead of every path, such as ``/api/v3``.
        venue: For messages.
        clock: For the weight.
        capacity: Weight per minute and address. Orders go to the same host and count there too,
            so a quarter of it is left to them.
    """

    def __init__(
        self, base_url: str, prefix: str, *, venue: VenueName, clock: Clock, capacity: int
    ) -> None:
        self.http = HttpSession(
            base_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=capacity, reserve=capacity // 4),
        )
        self.prefix = prefix
        self._venue = venue
        self._entries: dict[str, msgspec.Raw] = {}

    async def ask(self, path: str, *, params: Params = (), weight: int = 1) -> Answer:
        """Read something.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no, or no data at all.
        """
        reply = await ask(
            self.http,
            f"{self.prefix}/{path}",
            what=f"{path} of {self._venue}",
            params=params,
            weight=weight,
            remedies=_REMEDIES,
        )
        return Answer(reply.url, reply.body)

    async def listing(
        self, weight: int, read: Callable[[bytes, VenueName], list[Instrument]]
    ) -> list[Instrument]:
        """Fetch the exchangeInfo and remember its entries for `listing_of`.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        answer = await self.ask("exchangeInfo", weight=weight)

        def learn() -> tuple[list[Instrument], dict[str, msgspec.Raw]]:
            listed = read(answer.body, self._venue)
            raws = msgspec.json.decode(answer.body, type=_Listing).symbols
            return listed, {
                msgspec.json.decode(raw, type=_Entry).symbol: raw.copy() for raw in raws
            }

        # A real listing is some 15 MB: half a second that the loop must not stand still.
        listed, self._entries = await asyncio.to_thread(learn)
        return listed

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the exchangeInfo of some instruments only."""
        symbols = [item.venue_symbol for item in instruments]
        entries = [self._entries[symbol] for symbol in symbols if symbol in self._entries]
        if not entries:
            return None
        names = msgspec.json.encode(symbols).decode()
        return Answer(
            f"{self.http.base_url}{self.prefix}/exchangeInfo?symbols={names}",
            msgspec.json.encode({"symbols": entries}),
        )

    async def server_time(self) -> Answer:
        """Ask for the venue's time: ``{"serverTime":1499827319559}``.

        Raises:
            TemporaryError: The venue is away.
            DataError: A definite no.
        """
        return await self.ask("time")

    async def close(self) -> None:
        """Release the connections."""
        await self.http.close()


def nearest_depth(wanted: int, weights: dict[int, int]) -> tuple[int, int]:
    """Return the smallest image that has the wanted levels, or the largest, and its weight."""
    levels = next((size for size in sorted(weights) if size >= wanted), max(weights))
    return levels, weights[levels]
