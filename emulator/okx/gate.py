"""Who is asking OKX: signed headers over REST, a signed login over the socket."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from emulator.wire.numbers import digits
from emulator.wire.rest import Call, Refusal

_REST_WINDOW_MS: Final = 30_000
_LOGIN_WINDOW_MS: Final = 30_000
_HEADERS: Final = (
    ("OK-ACCESS-KEY", "50103"),
    ("OK-ACCESS-PASSPHRASE", "50104"),
    ("OK-ACCESS-SIGN", "50106"),
    ("OK-ACCESS-TIMESTAMP", "50107"),
)


def check_request(call: Call, prefix: str, keys: Mapping[str, str], now_ms: int) -> None:
    """Check ``Base64(HMAC_SHA256(secret, timestamp + METHOD + path?query + body))``.

    Raises:
        Refusal: 401 with 50103 to 50113, as the venue tells them.
    """
    head = call.request.headers
    for name, code in _HEADERS:
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
    if abs(now_ms - sent_ms) > _REST_WINDOW_MS:
        raise _refused("50102", "Timestamp request expired")
    path = call.request.raw_path.removeprefix(prefix)
    text = f"{stamp}{call.request.method}{path}".encode() + call.body
    if not _signed(secret, text, head["OK-ACCESS-SIGN"]):
        raise _refused("50113", "Invalid Sign")


def login_error(arg: Any, keys: Mapping[str, str], now_ms: int) -> tuple[str, str] | None:
    """Check ``Base64(HMAC_SHA256(secret, timestamp + "GET" + "/users/self/verify"))``.

    Returns:
        Code and words of what is wrong, None when it is right.
    """
    given = arg if isinstance(arg, dict) else {}
    secret = keys.get(str(given.get("apiKey")))
    stamp = str(given.get("timestamp", ""))
    if secret is None:
        return "60005", "Invalid apiKey"
    if not digits(stamp) or abs(int(stamp) * 1_000 - now_ms) > _LOGIN_WINDOW_MS:
        return "60006", "Timestamp request expired"
    if not _signed(secret, f"{stamp}GET/users/self/verify".encode(), str(given.get("sign"))):
        return "60007", "Invalid sign"
    return None


def _signed(secret: str, text: bytes, given: str) -> bool:
    wanted = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest())
    return hmac.compare_digest(wanted, given.encode())


def _refused(code: str, words: str) -> Refusal:
    return Refusal(401, {"code": code, "msg": words, "data": []})
