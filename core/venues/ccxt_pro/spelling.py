"""Client order ids as exchanges take them, and back; nothing of it needs to be remembered.

::

    clxt-01m7yyex31-00000001-s            ours
    clxtZ01m7yyex31Z00000001Zs            letters and digits alone (OKX)
    c1408369-8e9d-...                     32 hexadecimal digits in a UUID's groups (Kraken)
    t-clxt-01m7yyex31-00000001-s          with the prefix it must have (Gate)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from core.model.errors import ConfigError
from core.model.ids import ORIGINS, ClientOrderId

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TAIL: Final = "\0-_0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST_TAIL: Final = 5
_MADE: Final = re.compile(
    r"^clx([a-z])-([0-9a-hjkmnp-tv-z]{10})-([0-9a-hjkmnp-tv-z]{8})([a-z0-9_-]{0,5})$"
)
_MARK: Final = 0xC1
"""The first eight bits of a UUID of ours."""
_LETTERS: Final = "".join(sorted(ORIGINS.values()))


class Spelling(NamedTuple):
    """How one exchange writes client order ids."""

    wire: Callable[[ClientOrderId], str]
    """Raises ConfigError where an id cannot be written so."""
    ours: Callable[[str], str]
    """Gives back what is not ours as it is."""


def spelling_of(exchange: str) -> Spelling:
    """Return how an exchange writes client order ids."""
    return _SPELLINGS.get(exchange, _PLAIN)


def _same(order_id: ClientOrderId) -> str:
    return order_id


def _back(text: str) -> str:
    return text


def _letters(order_id: ClientOrderId) -> str:
    if "Z" in order_id or "Y" in order_id:
        raise ConfigError(
            f"client order id must not have the letters Y and Z here, was {order_id!r}: the venue "
            "takes letters and digits alone, and these stand for - and _"
        )
    return order_id.replace("-", "Z").replace("_", "Y")


def _from_letters(text: str) -> str:
    return text.replace("Z", "-").replace("Y", "_") if text.startswith("clx") else text


def _uuid(order_id: ClientOrderId) -> str:
    match = _MADE.match(order_id)
    if match is None or match[1] not in _LETTERS:
        raise ConfigError(
            f"client order id must be one clx makes, such as clxt-01m7yyex31-00000001, was "
            f"{order_id!r}: the venue takes a UUID, and only such ids can be written as one"
        )
    letter, stamp, entropy, tail = match.groups()
    value = _MARK << 3 | _LETTERS.index(letter)
    for digit in stamp + entropy:
        value = value << 5 | _DIGITS.index(digit)
    number = 0
    for each in tail.ljust(_LONGEST_TAIL, "\0"):
        number = number * len(_TAIL) + _TAIL.index(each)
    text = f"{value << 27 | number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _from_uuid(text: str) -> str:
    digits = text.replace("-", "")
    if len(digits) != 32 or re.fullmatch(r"[0-9a-fA-F]{32}", digits) is None:
        return text
    value = int(digits, 16)
    number, value = value & (1 << 27) - 1, value >> 27
    base = ""
    for _ in range(18):
        base = _DIGITS[value & 31] + base
        value >>= 5
    origin, mark = value & 7, value >> 3
    if mark != _MARK or origin >= len(_LETTERS):
        return text
    tail = ""
    for _ in range(_LONGEST_TAIL):
        number, each = divmod(number, len(_TAIL))
        tail = _TAIL[each] + tail
    return text if number else f"clx{_LETTERS[origin]}-{base[:10]}-{base[10:]}{tail}".rstrip("\0")


def _prefixed(prefix: str) -> Spelling:
    return Spelling(lambda order_id: prefix + order_id, lambda text: text.removeprefix(prefix))


_PLAIN: Final = Spelling(_same, _back)
_LETTERS_ALONE: Final = Spelling(_letters, _from_letters)
_SPELLINGS: Final[Mapping[str, Spelling]] = {
    "okx": _LETTERS_ALONE,
    "okxus": _LETTERS_ALONE,
    "myokx": _LETTERS_ALONE,
    "kraken": Spelling(_uuid, _from_uuid),
    "gate": _prefixed("t-"),
    "gateio": _prefixed("t-"),
}
