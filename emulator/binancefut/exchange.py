"""Binance USD-M as the server mounts it: REST and the three routed stream roots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from emulator.binance.streams.endpoint import StreamEndpoint
from emulator.binancefut import signed
from emulator.binancefut.rest import table
from emulator.binancefut.signed import table as signed_table
from emulator.binancefut.streams import serves
from emulator.binancefut.venue import BinanceFutures
from emulator.binancefut.ws_api import WsApi
from emulator.wire.rest import routes
from emulator.wire.venue import converse

ROOTS: Final = ("public", "market", "private")


class BinanceFuturesExchange(BinanceFutures):
    """The whole venue."""

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: There is no such call.
        """
        await signed.ask_again(self, call, owner, args)

    def expire_again(self, owner: int, symbol: str, order_id: int) -> None:
        """End an order again as a fault ended it."""
        self.house.expire_again(owner, order_id)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        made = routes(self, self.prefix, [*table(self), *signed_table(self)])
        for root in ROOTS:
            streams = StreamEndpoint(self, self.limiter, self._serves(root))
            base = f"{self.prefix}/{root}"
            made.append(web.get(f"{base}/ws", streams.raw))
            made.append(web.get(f"{base}/ws/{{names:.*}}", streams.raw))
            made.append(web.get(f"{base}/stream", streams.combined))
        made.append(web.get(f"{self.prefix}/ws-fapi/v1", self._ws_api))
        return made

    async def _ws_api(self, request: web.Request) -> web.StreamResponse:
        return await converse(self, request, WsApi, self, request.remote or "?")

    def _serves(self, root: str) -> Callable[[str], bool]:
        return self.users.serves if root == "private" else partial(serves, root)

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {
            "rest": f"http://{base}/fapi/v1",
            **{root: f"ws://{base}/{root}" for root in ROOTS},
            "ws_api": f"ws://{base}/ws-fapi/v1",
        }
