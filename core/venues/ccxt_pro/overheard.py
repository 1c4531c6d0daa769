"""What ccxt sends and receives, for a person who asks why: without keys, signatures and tokens.

ccxt has no one place through which its bytes go, so its methods are listened to: `fetch` for what
leaves, `on_rest_response` for what answers, `handle_message` for what streams say. Pushes are
written anew as JSON from what ccxt has read. Headers, where most exchanges have the signature, are
never looked at.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from core.model.ports import Clock
from core.wire.witness import Witness

_SECRET: Final = re.compile(
    r"""(?ix) (?P<name> \b (?: signature | sign | sig | api_?key | access_?key | accesskeyid
        | passphrase | secret | token | otp | listenkey | jwt) "? \s* [=:] \s* "? )
        (?P<value> [^&"\s,}]+ )"""
)
_LOGINS: Final = re.compile(r"(?i)token|bullet|listenkey|userdatastream|/auth|login")
_ANSWERS: ContextVar[list[tuple[int, str]] | None] = ContextVar("answers", default=None)
_STARS: Final = r"\g<name>***"


def overhear(ccxt: Any, witness: Witness, clock: Clock) -> None:
    """Let a witness see what an exchange's object sends and receives from now on."""
    _overhear_requests(ccxt, witness, clock)
    read = ccxt.handle_message

    def handle_message(client: Any, message: Any) -> Any:
        if isinstance(message, dict | list):
            said = msgspec.json.encode(message, enc_hook=str).decode()
            if not _LOGINS.search(said[:200]):
                witness.heard(clock.now_ns(), redacted(said).encode())
        return read(client, message)

    ccxt.handle_message = handle_message


def _overhear_requests(ccxt: Any, witness: Witness, clock: Clock) -> None:
    fetch, answered = ccxt.fetch, ccxt.on_rest_response

    def on_rest_response(code: int, reason: Any, url: Any, method: Any, *rest: Any) -> Any:
        text = answered(code, reason, url, method, *rest)
        answers = _ANSWERS.get()
        if answers is not None:
            answers.append((code, str(text)))
        return text

    async def overheard(
        url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        answers: list[tuple[int, str]] = []
        told = _ANSWERS.set(answers)
        sent_ns, words = clock.now_ns(), ""
        try:
            return await fetch(url, method, headers, body)
        except BaseException as error:
            words = type(error).__name__
            raise
        finally:
            _ANSWERS.reset(told)
            if "?" in url or body:
                sent = redacted(f"{method} {url} {body or ''}".rstrip())
                code, text = answers[-1] if answers else (0, "")
                if _LOGINS.search(url):
                    text = "(left out: it holds a token)"
                status = f"status {code}" if code else words
                at_ns = clock.now_ns() if code else 0
                witness.exchanged(sent_ns, at_ns, sent, redacted(text).encode(), status)

    ccxt.fetch, ccxt.on_rest_response = overheard, on_rest_response


def redacted(text: str) -> str:
    """Return text with stars in place of what gives access."""
    return _SECRET.sub(_STARS, text)
