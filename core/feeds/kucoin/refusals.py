"""What the venue's error codes mean to whoever has to act."""

from __future__ import annotations

from typing import Final

from core.feeds.refusals import Refusals

GOOD: Final = "200000"

_REMEDIES: Final = {
    "400": "check the topic and its symbols",
    "401": "the token has run out; a new connection gets a new one",
    "403": "the topic is for accounts only",
    "404": "check the topic; symbols are such as BTC-USDT",
    "406": "give up some topics: 100 fit on a connection",
    "509": "subscribe less often: 100 messages in 10 s are allowed",
    "400001": "set api_key, api_secret and passphrase of the feed, or none of them",
    "400002": "set the clock of this machine: it is more than 5 s off",
    "400003": "check api_key of the feed",
    "400004": "check passphrase of the feed",
    "400005": "check api_secret of the feed",
    "400006": "allow this address in the key's settings",
    "400100": "check the parameters, and the symbol first",
    "429000": "ask less often; other programs may share the address",
    "900001": "check the symbol: it may be delisted or renamed",
    "1015": "the address is banned for 30 s",
}

_PATIENCE: Final = frozenset({"429000", "1015", "500000", "503000"})

_REFUSALS: Final = Refusals(
    _REMEDIES, patience=_PATIENCE, good=GOOD, otherwise="see the venue's words"
)

remedy = _REFUSALS.remedy
refuse = _REFUSALS.check
