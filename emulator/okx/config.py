"""The account's configuration, which names what a key may do; asked with signed headers."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any, Final

from emulator.okx.venue import Okx
from emulator.wire.rest import Call, Refusal, Route

_PATH: Final = "/api/v5/account/config"
_WINDOW_MS: Final = 30_000


def config_route(venue: Okx, keys: dict[str, str]) -> Route:
    """Return the endpoint for a venue whose keys and secrets are `keys`."""

    async def serve(call: Call) -> Any:
        _check(venue, call, keys)
        return [
            {
                "acctLv": "2",
                "acctStpMode": "cancel_maker",
                "autoLoan": False,
                "ctIsoMode": "automatic",
                "enableSpotBorrow": False,
                "greeksType": "PA",
                "ip": "",
                "type": "0",
                "kycLv": "3",
                "label": "emulated",
                "level": "Lv1",
                "levelTmp": "",
                "liquidationGear": "-1",
                "mainUid": "44705892343619584",
                "mgnIsoMode": "automatic",
                "opAuth": "0",
                "perm": "read_only,withdraw,trade" if venue.withdrawing_keys else "read_only,trade",
                "posMode": "net_mode",
                "roleType": "0",
                "spotBorrowAutoRepay": False,
                "spotOffsetType": "",
                "spotRoleType": "0",
                "spotTraderInsts": [],
                "traderInsts": [],
                "uid": "44705892343619584",
            }
        ]

    return Route(path=_PATH, handler=serve, cost=5)


def _check(venue: Okx, call: Call, keys: dict[str, str]) -> None:
    head = call.request.headers
    for name, code in (
        ("OK-ACCESS-KEY", "50103"),
        ("OK-ACCESS-PASSPHRASE", "50104"),
        ("OK-ACCESS-SIGN", "50106"),
        ("OK-ACCESS-TIMESTAMP", "50107"),
    ):
        if not head.get(name):
            raise _refused(code, f'Request header "{name}" can not be empty.')
    secret = keys.get(head["OK-ACCESS-KEY"])
    if secret is None:
        raise _refused("50111", "Invalid OK-ACCESS-KEY")
    stamp = head["OK-ACCESS-TIMESTAMP"]
    try:
        sent_ms = dt.datetime.fromisoformat(stamp).timestamp() * 1_000
    except ValueError:
        raise _refused("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if abs(venue.now_ms() - sent_ms) > _WINDOW_MS:
        raise _refused("50102", "Timestamp request expired")
    path = call.request.raw_path.removeprefix(venue.prefix)
    text = f"{stamp}{call.request.method}{path}".encode() + call.body
    wanted = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(wanted.encode(), head["OK-ACCESS-SIGN"].encode()):
        raise _refused("50113", "Invalid Sign")


def _refused(code: str, words: str) -> Refusal:
    return Refusal(401, {"code": code, "msg": words, "data": []})
