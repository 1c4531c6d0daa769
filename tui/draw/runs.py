"""Rows of styled runs, and the grid of cells they are cut from.

A run is (text, role). A role names a meaning (`up`, `muted`, `cursor`); the theme decides how it
looks. Every character drawn is one cell wide: text from outside goes through `plain` first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from rich.cells import cell_len

Run: TypeAlias = tuple[str, str]
Row: TypeAlias = tuple[Run, ...]

BLANK: Final = ""
"""The role of a cell nobody wrote to; it joins whatever run it follows."""

FILLED: Final[frozenset[str]] = frozenset(
    (
        "last_up",
        "last_down",
        "cursor",
        "selected",
        "flash_up",
        "flash_down",
        "chip",
        "chip_warn",
        "chip_live",
        "key",
    )
)
"""Roles that paint their blanks (a background or a reversed cell), so blanks count."""


_PLAIN_CODE: Final = 0x100
_FILLED_CODE: Final = 0xE000
_RUNS: Final = re.compile("( *([\u0100-\u1fff])(?: *\\2)* *|([\ue000-\uefff])\\3*| +)")
"""One plain code with the blanks around and inside it, one filled code, or only blanks."""


def plain(text: str) -> str:
    """Return `text` with every character that is not one cell wide replaced by ``?``."""
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(char if _is_one_cell(char) else "?" for char in text)
    # Some characters change their width beside others; then only the plainest are kept.
    return shown if cell_len(shown) == len(shown) else shown.encode("ascii", "replace").decode()


def _is_one_cell(char: str) -> bool:
    if not char.isprintable() or unicodedata.category(char)[0] == "M":
        return False
    return cell_len(char) == 1


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """Return `text` cut to `width` cells, with an ellipsis where something was lost."""
    if len(text) <= width:
        return text
    if width <= len(ellipsis):
        return text[: max(0, width)]
    return text[: width - len(ellipsis)] + ellipsis


def row_text(row: Row) -> str:
    """Return a row without its roles."""
    return "".join(text for text, _ in row)


def merged(runs: Iterable[Run]) -> Row:
    """Return `runs` with neighbours of one role joined; blanks join the run before them."""
    out: list[Run] = []
    for text, role in runs:
        if not text:
            continue
        if out and _joins(text, role, out[-1][1]):
            out[-1] = (out[-1][0] + text, out[-1][1])
        elif out and not out[-1][0].strip() and role not in FILLED and out[-1][1] not in FILLED:
            out[-1] = (out[-1][0] + text, role)
        else:
            out.append((text, role))
    return tuple(out)


def _joins(text: str, role: str, before: str) -> bool:
    if role == before:
        return True
    return role not in FILLED and before not in FILLED and not text.strip()


def fitted(row: Sequence[Run], width: int) -> Row:
    """Return `row` cut or padded to exactly `width` cells."""
    out: list[Run] = []
    left = width
    for text, role in row:
        if left <= 0:
            break
        out.append((text[:left], role))
        left -= len(text)
    if left > 0:
        out.append((" " * left, BLANK))
    return merged(out)


def beside(*parts: Sequence[Row]) -> list[Row]:
    """Join blocks of equally many rows side by side."""
    return [merged(run for row in rows for run in row) for rows in zip(*parts, strict=True)]


class Grid:
    """A rectangle of cells to draw on; writing outside it is silently cut.

    Each cell keeps its role as one character, a code, so that a row is cut into runs by a regular
    expression instead of cell by cell.
    """

    __slots__ = ("_chars", "_codes", "_roles", "height", "width")

    def __init__(self, width: int, height: int) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self._chars = [[" "] * self.width for _ in range(self.height)]
        self._codes = [[" "] * self.width for _ in range(self.height)]
        self._roles: dict[str, str] = {}
        """Role to code, in the order of first use."""

    def code(self, role: str) -> str:
        """Return the code of a role in this grid."""
        code = self._roles.get(role)
        if code is None:
            first = _FILLED_CODE if role in FILLED else _PLAIN_CODE
            code = self._roles[role] = chr(first + len(self._roles)) if role else " "
        return code

    def cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return the characters and role codes by row, for tight loops that clip by themselves."""
        return self._chars, self._codes

    def put(self, x: int, y: int, text: str, role: str) -> None:
        """Write `text` from cell (`x`, `y`) on."""
        if not 0 <= y < self.height or x >= self.width:
            return
        if x < 0:
            text, x = text[-x:], 0
        text = text[: self.width - x]
        end = x + len(text)
        self._chars[y][x:end] = text
        self._codes[y][x:end] = self.code(role) * len(text)

    def put_blank(self, x: int, y: int, text: str, role: str) -> None:
        """Write only those characters of `text` whose cell is still blank."""
        if not 0 <= y < self.height:
            return
        chars, codes, code = self._chars[y], self._codes[y], self.code(role)
        for at, char in enumerate(text, x):
            if 0 <= at < self.width and chars[at] == " ":
                chars[at] = char
                codes[at] = code

    def put_right(self, right: int, y: int, text: str, role: str) -> None:
        """Write `text` so that it ends before cell `right`."""
        self.put(right - len(text), y, text, role)

    def fill(self, y: int, role: str) -> None:
        """Give every cell of a row one role, keeping its characters."""
        if 0 <= y < self.height:
            self._codes[y] = [self.code(role)] * self.width

    def last_room(self, y: int, length: int, over: frozenset[str]) -> int | None:
        """Return where the rightmost stretch of `length` cells without other roles begins.

        Blank cells of any role are free, and so is everything in a role of `over`.
        """
        if not 0 <= y < self.height or length <= 0:
            return None
        free_codes = {self.code(role) for role in over}
        free = 0
        for x in range(self.width - 1, -1, -1):
            free = free + 1 if self._chars[y][x] == " " or self._codes[y][x] in free_codes else 0
            if free == length:
                return x
        return None

    def row(self, y: int) -> Row:
        """Return one row as merged runs: blank cells join the runs beside them."""
        return self._cut(y, {code: role for role, code in self._roles.items()})

    def rows(self) -> list[Row]:
        """Return all rows as merged runs."""
        roles = {code: role for role, code in self._roles.items()}
        return [self._cut(y, roles) for y in range(self.height)]

    def _cut(self, y: int, roles: dict[str, str]) -> Row:
        text, codes = "".join(self._chars[y]), "".join(self._codes[y])
        if codes.isspace():
            return ((text, BLANK),)
        out: list[Run] = []
        at = 0
        for run, code, filled in _RUNS.findall(codes):
            end = at + len(run)
            out.append((text[at:end], roles[code or filled] if code or filled else BLANK))
            at = end
        return tuple(out)
