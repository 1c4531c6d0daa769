"""What a key may do, as ``GET /sapi/v1/account/apiRestrictions`` tells it."""

from __future__ import annotations

from typing import Final

from emulator.binance.gate.params import Params
from emulator.binance.rest import Endpoint
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.clock import MS
from emulator.market.accounts import Account


async def api_restrictions(venue: Venue, account: Account, params: Params) -> Json:
    """Tell the key's permissions; whether it can withdraw is a fault's to say."""
    params.finish()
    return {
        "ipRestrict": False,
        "createTime": venue.market.started_ns // MS,
        "enableReading": True,
        "enableWithdrawals": venue.withdrawing_keys,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": True,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }


WALLET: Final = (
    Endpoint(
        method="GET",
        path="account/apiRestrictions",
        root="sapi/v1",
        private=api_restrictions,
    ),
)
