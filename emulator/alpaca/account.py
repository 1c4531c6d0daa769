"""The account itself, and the addresses coins may be sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.wire.rest import Call
from emulator.wire.venue import Json

if TYPE_CHECKING:
    from emulator.alpaca.venue import Alpaca


def account(venue: Alpaca, call: Call) -> Json:
    """Give ``/v2/account``."""
    return {
        "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
        "account_number": "010203ABCD",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": "100000",
        "buying_power": "100000",
        "portfolio_value": "100000",
        "equity": "100000",
        "last_equity": "100000",
        "multiplier": "1",
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": True,
        "daytrade_count": 0,
    }


def whitelists(venue: Alpaca, call: Call) -> list[Json]:
    """Give ``/v2/wallets/whitelists``; whether anything is on it is a fault's to say."""
    if not venue.withdrawing_keys:
        return []
    return [
        {
            "id": "1eb11a8c-0de2-4d7a-8a41-6f4a3ecbd4a0",
            "chain": "ETH",
            "asset": "USDC",
            "address": "0x42a76C83014e886e639768D84EAF3573b1876844",
            "status": "APPROVED",
            "created_at": "2024-01-02T03:04:05Z",
        }
    ]
