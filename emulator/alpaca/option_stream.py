"""The option stream: quotes as they change, and the trades the accounts make; msgpack alone."""

from __future__ import annotations

from typing import Final

from emulator.alpaca.trading import wire
from emulator.alpaca.trading.house import House
from emulator.alpaca.venue import Alpaca
from emulator.wire.venue import Json

OPTION: Final[dict[str, str]] = {"trades": "t", "quotes": "q"}
"""Channels of the option feeds and the type of their messages."""
OPTION_FEEDS: Final = ("v1beta1/indicative", "v1beta1/opra")
_EVERY_MS: Final = 500


class OptionPump:
    """What is sent of options; market makers quote anew twice a second at most."""

    def __init__(self, venue: Alpaca, house: House) -> None:
        self._venue = venue
        self._house = house
        self._told: dict[str, Json] = {}

    def pump(self, sent_ms: int) -> None:
        """Send what is due."""
        prints = self._house.desk.option_prints
        while prints:
            symbol, told = prints.popleft()
            self._tell("trades", symbol, told)
        if self._venue.beat.due(_EVERY_MS):
            for symbol in self._quoted():
                self._quote(symbol, sent_ms)

    def _quoted(self) -> set[str]:
        return {
            topic.rpartition(":")[2]
            for feed in OPTION_FEEDS
            for topic in self._venue.topics.starting(f"{feed}|quotes:")
        }

    def _quote(self, symbol: str, sent_ms: int) -> None:
        found = self._house.assets.find(symbol)
        if found is None or found.contract is None:
            return
        told = wire.option_quote(found.contract, sent_ms)
        plain = {name: value for name, value in told.items() if name != "t"}
        if self._told.get(symbol) != plain:
            self._told[symbol] = plain
            self._tell("quotes", symbol, told)

    def _tell(self, channel: str, symbol: str, told: Json) -> None:
        message = [{"T": OPTION[channel], "S": symbol, **told}]
        for feed in OPTION_FEEDS:
            topic = f"{feed}|{channel}:{symbol}"
            if self._venue.topics.wanted(topic):
                kind = channel.removesuffix("s")
                self._venue.topics.publish(topic, message, channel=kind, symbol=symbol)
