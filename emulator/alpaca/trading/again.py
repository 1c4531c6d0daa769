"""Requests as a diary has them: what was asked, without whoever waited for an answer."""

from __future__ import annotations

from typing import Any

from emulator.wire.rest import Call
from emulator.wire.venue import Json


class Again(Call):
    """A request that is carried out again."""

    def __init__(self, told: Json) -> None:
        """Take what `written` wrote."""
        self.address = ""
        self.body = str(told["body"]).encode("latin-1")
        self.params = dict(told["params"])
        self._path: dict[str, str] = told["path"]

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return self._path[name]


def written(host: str, call: Call) -> dict[str, Any]:
    """Return a request as it is remembered, whatever bytes its body has."""
    return {
        "host": host,
        "path": dict(call.request.match_info),
        "params": call.params,
        "body": call.body.decode("latin-1"),
    }
