"""Binance spot as the server mounts it: REST, streams and the WebSocket API."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from emulator.binance.gate.params import Params
from emulator.binance.rest import CALLS, PRIVATE, PUBLIC, RestFront
from emulator.binance.restrictions import WALLET
from emulator.binance.streams.endpoint import StreamEndpoint
from emulator.binance.user_stream import UserStream
from emulator.binance.venue import Venue
from emulator.binance.ws_api import WsApiEndpoint
from emulator.clock import Clock
from emulator.market.accounts import Account
from emulator.market.market import Market
from emulator.market.shard import Shard

_PREFIXES: Final = ("", "/binance")


class Binance(Venue):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, *, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed, api_key=api_key, api_secret=api_secret)
        self.user_stream = UserStream(self, self.account)
        """The first account's."""
        self.user_streams = {self.account.owner: self.user_stream}
        self.ws_api = WsApiEndpoint(self, self.user_streams)

    def open_account(
        self, api_key: str, secret: str, funds: dict[str, int] | None = None
    ) -> Account:
        """Open another account with a key of its own; a secret in PEM is an Ed25519 public key."""
        account = super().open_account(api_key, secret, funds)
        self.user_streams[account.owner] = UserStream(self, account)
        return account

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: There is no such call.
        """
        if call not in CALLS:
            raise ValueError(f"binance has no call {call!r}")
        await CALLS[call](self, self.desk.accounts[owner], Params(args))

    def expire_again(self, owner: int, symbol: str, order_id: int) -> None:
        """End an order again as a fault ended it."""
        account = self.desk.accounts[owner]
        self.desk.expire(account, account.orders[(symbol, order_id)], self.market.now_ns)

    def trading_fault(self, kind: str, shard: Shard | None, value: float) -> bool:
        """End every user stream and login."""
        if kind != "expire_sessions":
            return False
        self.ws_api.expire_sessions()
        return True

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        rest = RestFront(self, PUBLIC + PRIVATE + WALLET)
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
