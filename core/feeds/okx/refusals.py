"""What the venue's error codes mean to whoever has to act."""

from __future__ import annotations

from typing import Final

from core.feeds.refusals import Refusals

_REMEDIES: Final = {
    "50011": "ask less often; other programs may share the address",
    "51000": "check the parameters, and the symbol first",
    "51001": "check the symbol: it may be delisted or renamed",
    "60008": "the venue has no such channel on this address",
    "60009": "check api_key, api_secret and passphrase of the feed",
    "60011": "this channel is for accounts only: log in first",
    "60012": "the venue does not understand the request: report it with the frame",
    "60014": "subscribe less often: 480 requests an hour and connection are allowed",
    "60018": "check the symbol; candles are on /ws/v5/business, all others on /ws/v5/public",
    "60024": "check the passphrase of the feed",
    "64003": 'the channel needs a VIP account: set plan = "" for the public book',
}

_PATIENCE: Final = frozenset(
    {"50001", "50004", "50005", "50011", "50013", "50026", "50040", "50061"}
)
"""Busy, timed out, in maintenance or asked too often; some come with HTTP 200."""

_REFUSALS: Final = Refusals(_REMEDIES, patience=_PATIENCE, good="0")

remedy = _REFUSALS.remedy
refuse = _REFUSALS.check
