"""Binance spot as the server mounts it: REST, streams and the WebSocket API."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from emulator.binance.rest import PRIVATE, PUBLIC, RestFront
from emulator.binance.streams.endpoint import StreamEndpoint
from emulator.binance.user_stream import UserStream
from emulator.binance.venue import Venue
from emulator.binance.ws_api import WsApiEndpoint
from emulator.clock import Clock
from emulator.market.market import Market

_PREFIXES: Final = ("", "/binance")


class Binance(Venue):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, *, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed, api_key=api_key, api_secret=api_secret)
        self.user_stream = UserStream(self)
        self.ws_api = WsApiEndpoint(self, self.user_stream)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        rest = RestFront(self, PUBLIC + PRIVATE)
        streams = StreamEndpoint(self, self.limiter)
        table: list[web.RouteDef] = []
        for prefix in _PREFIXES:
            table += rest.routes(prefix)
            # Under /stream as well: ccxt takes a URL for spot only if it contains that word.
            for root in (prefix, f"{prefix}/stream"):
                table.append(web.get(f"{root}/ws", streams.raw))
                table.append(web.get(f"{root}/ws/{{names:.*}}", streams.raw))
            table.append(web.get(f"{prefix}/stream", streams.combined))
            table.append(web.get(f"{prefix}/ws-api/v3", self.ws_api.serve))
        return table

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        return {
            "rest": f"http://{host}/binance/api/v3",
            "stream": f"ws://{host}/binance/stream",
            "ws": f"ws://{host}/binance/ws",
            "ws_api": f"ws://{host}/binance/ws-api/v3",
        }
