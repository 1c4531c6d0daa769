"""Our client order ids in OKX's alphabet: 32 letters and digits, no dash, no underscore.

::

    clxt-01kv3c9q2m-0000000a       ◄──►  clxt01kv3c9q2m0000000a     an id as clx makes them
    clxt-01kv3c9q2m-0000000a-sl    ◄──►  clxz3TGr...                any other, up to 27 characters

Both ways are exact, so an order is found again after a restart by nothing but its id. What is
neither is somebody else's and keeps its name.
"""

from __future__ import annotations

import re
from typing import Final

from core.model.errors import ConfigError
from core.model.ids import ORIGINS, ClientOrderId

LONGEST: Final = 27
"""Characters of an id that is not of clx's own form: 62**28 is more than 64**28 / 63."""

_LETTERS: Final = "".join(ORIGINS.values())
_OURS: Final = re.compile(rf"clx([{_LETTERS}])-([0-9a-z]{{10}})-([0-9a-z]{{8}})\Z", re.ASCII)
_SHORT: Final = re.compile(rf"clx([{_LETTERS}])([0-9a-z]{{10}})([0-9a-z]{{8}})\Z", re.ASCII)
_PACKED: Final = "clxz"
_FROM: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_TO: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE_FROM: Final = {letter: value for value, letter in enumerate(_FROM, 1)}
_VALUE_TO: Final = {letter: value for value, letter in enumerate(_TO)}


def to_wire(order_id: ClientOrderId) -> str:
    """Return the name an order has at the venue.

    Raises:
        ConfigError: The id is too long to be spelled there.
    """
    made = _OURS.match(order_id)
    if made is not None:
        return f"clx{''.join(made.groups())}"
    if not 0 < len(order_id) <= LONGEST or not set(order_id) <= _VALUE_FROM.keys():
        raise ConfigError(
            f"client order id must be 1-{LONGEST} of [A-Za-z0-9_-] at OKX, was {order_id!r}"
        )
    number = 0
    for letter in order_id:
        number = number * len(_FROM) + _VALUE_FROM[letter]
    out = ""
    while number:
        number, digit = divmod(number, len(_TO))
        out = _TO[digit] + out
    return _PACKED + out


def from_wire(name: str) -> ClientOrderId:
    """Return our id behind a name at the venue; a name that is none of ours is returned as is."""
    made = _SHORT.match(name)
    if made is not None:
        letter, stamp, rest = made.groups()
        return ClientOrderId(f"clx{letter}-{stamp}-{rest}")
    body = name.removeprefix(_PACKED)
    if body == name or not body or body[0] == "0" or not set(body) <= _VALUE_TO.keys():
        return ClientOrderId(name)
    number = 0
    for letter in body:
        number = number * len(_TO) + _VALUE_TO[letter]
    out = ""
    while number:
        number, digit = divmod(number - 1, len(_FROM))
        out = _FROM[digit] + out
    return ClientOrderId(out if len(out) <= LONGEST else name)
