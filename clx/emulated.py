"""How each kind of venue is found at the emulator, and how its oracle is read there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from core.model.ports import Venue
from core.venues.conformance.truth import AccountTruth

Ours = Callable[[AccountTruth, Any], AccountTruth]
"""Rewrites the oracle's account in the adapter's names; is given the emulator's venue too."""


class Emulated(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of venue at the emulator."""

    venue: str
    """The emulator's name of it."""
    symbol: str
    """The instrument traded, as the venue spells it."""
    size: str
    feed: Mapping[str, str]
    """Fields of the feed's table; HOST, KEY and SECRET stand for the emulator's."""
    table: Mapping[str, str]
    """Fields of the venue's table."""
    market: str = ""
    """The kind of feed that lists its instruments, where it is another one."""
    lot: str = ""
    """What the instrument is traded in multiples of here, where not in the venue's own lots."""
    hedge: Callable[[Venue], Awaitable[None]] | None = None
    """Lets the account hold long and short apart."""
    unfit: Mapping[str, Decimal] = {}
    """See `Ground.unfit`."""
    tells_triggers: bool = True
    stirred: bool = False
    """Somebody trades first: the last price is of the past until then, and triggers wait for it."""
    ours: Ours | None = None
    accounts: int = 1
    """How many the venue has; the first is the one that is traded."""


def _okx_names(told: AccountTruth, venue: Any) -> AccountTruth:
    """OKX spells client ids without dashes, and calls what it ended while it waited canceled."""
    from core.venues.okx.names import from_wire

    change = msgspec.structs.replace
    orders = [
        change(row, state="canceled") if row.state == "expired" and row.trigger else row
        for row in told.orders
    ]
    return _spelled(change(told, orders=orders), from_wire)


def _ccxt_okx_names(told: AccountTruth, venue: Any) -> AccountTruth:
    """Through ccxt they have letters in their place."""
    from core.venues.ccxt_pro.spelling import spelling_of

    return _spelled(told, spelling_of("okx").ours)


def _spelled(told: AccountTruth, ours: Callable[[str], str]) -> AccountTruth:
    change = msgspec.structs.replace
    return change(
        told,
        orders=[change(row, client_id=ours(row.client_id)) for row in told.orders],
        fills=[change(row, client_id=ours(row.client_id)) for row in told.fills],
    )


def _deribit_names(told: AccountTruth, venue: Any) -> AccountTruth:
    """Deribit names trades by more than their number."""
    change = msgspec.structs.replace
    fills = [
        change(row, id=venue.writers[row.symbol].own_trade_id(int(row.id))) for row in told.fills
    ]
    return change(told, fills=fills)


def _alpaca_words(told: AccountTruth, venue: Any) -> AccountTruth:
    """At Alpaca one order of ours may be several, and shares are balances."""
    from core.venues.conformance.alpaca import in_our_words

    return in_our_words(told)


async def _hedge_usdm(venue: Venue) -> None:
    from core.venues.binance_usdm.venue import BinanceUsdmVenue

    if isinstance(venue, BinanceUsdmVenue):
        await venue.set_hedging(True)


async def _hedge_okx(venue: Venue) -> None:
    from core.venues.okx.venue import OkxVenue

    if isinstance(venue, OkxVenue):
        await venue.set_hedging(True)


_SPOT_FEED: Final = {"rest_url": "http://HOST/binance", "stream_url": "ws://HOST/binance"}
_USDM_FEED: Final = {"rest_url": "http://HOST/binancefut", "stream_url": "ws://HOST/binancefut"}
_OKX_FEED: Final = {"rest_url": "http://HOST/okx", "stream_url": "ws://HOST/okx"}
_USDM_UNFIT: Final = {"size": Decimal(1000)}
_OKX_UNFIT: Final = {"size": Decimal(100_000)}

EMULATED: Final[Mapping[str, Emulated]] = {
    "alpaca": Emulated(
        venue="alpaca",
        symbol="AAPL",
        size="4",
        lot="1",
        feed={
            "rest_url": "http://HOST/alpaca",
            "stream_url": "ws://HOST/alpaca",
            "api_key": "KEY",
            "api_secret": "SECRET",
        },
        table={
            "rest_url": "http://HOST/alpaca/paper",
            "ws_api_url": "ws://HOST/alpaca/paper/stream",
        },
        unfit={"size": Decimal(20_000)},
        tells_triggers=False,
        ours=_alpaca_words,
        accounts=2,
    ),
    "binance": Emulated(
        venue="binance",
        symbol="BTCUSDT",
        size="0.0200",
        feed=_SPOT_FEED,
        table={
            "rest_url": "http://HOST/binance",
            "ws_api_url": "ws://HOST/binance/ws-api/v3",
        },
    ),
    "binance_usdm": Emulated(
        venue="binancefut",
        symbol="BTCUSDT",
        size="0.020",
        feed=_USDM_FEED,
        table={
            "rest_url": "http://HOST/binancefut",
            "ws_api_url": "ws://HOST/binancefut/private",
            "dead_man_s": "60",
        },
        hedge=_hedge_usdm,
        unfit=_USDM_UNFIT,
    ),
    "ccxt:binance": Emulated(
        venue="binance",
        symbol="BTCUSDT",
        size="0.0200",
        market="binance",
        feed=_SPOT_FEED,
        table={"rest_url": "http://HOST", "ws_api_url": "ws://HOST"},
        tells_triggers=False,
    ),
    "ccxt:binanceusdm": Emulated(
        venue="binancefut",
        symbol="BTCUSDT",
        size="0.020",
        market="binance_usdm",
        feed=_USDM_FEED,
        table={
            "rest_url": "http://HOST/binancefut",
            "ws_api_url": "ws://HOST/binancefut",
            "dead_man_s": "60",
        },
        unfit=_USDM_UNFIT,
        tells_triggers=False,
    ),
    "ccxt:okx": Emulated(
        venue="okx",
        symbol="BTC-USDT-SWAP",
        size="4",
        market="okx",
        feed=_OKX_FEED,
        table={
            "rest_url": "http://HOST/okx",
            "ws_api_url": "ws://HOST/okx",
            "passphrase": "words",
            "dead_man_s": "60",
        },
        unfit=_OKX_UNFIT,
        tells_triggers=False,
        stirred=True,
        ours=_ccxt_okx_names,
    ),
    "deribit": Emulated(
        venue="deribit",
        symbol="BTC-PERPETUAL",
        size="1000",
        feed={
            "rest_url": "http://HOST/deribit/api/v2",
            "stream_url": "ws://HOST/deribit/ws/api/v2",
        },
        table={
            "rest_url": "http://HOST/deribit/api/v2",
            "ws_api_url": "ws://HOST/deribit/ws/api/v2",
        },
        unfit={"size": Decimal(100_000_000)},
        stirred=True,
        ours=_deribit_names,
    ),
    "okx": Emulated(
        venue="okx",
        symbol="BTC-USDT-SWAP",
        size="4",
        feed=_OKX_FEED,
        table={
            "rest_url": "http://HOST/okx",
            "ws_api_url": "ws://HOST/okx/ws/v5",
            "passphrase": "words",
            "dead_man_s": "60",
        },
        hedge=_hedge_okx,
        unfit=_OKX_UNFIT,
        stirred=True,
        ours=_okx_names,
    ),
}
"""Kinds that can be proven, which are those the emulator speaks."""
