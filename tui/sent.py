"""What a frame sends to the terminal: the cells that changed, and a colour only where it changes.

The framework writes every run of cells with all of its style and takes it back after it, and writes
a line from the widget's left edge on. On a busy screen that was four bytes of five.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

Codes: TypeAlias = tuple[str, str, str]
"""What a style asks of the terminal: attributes, colour of the text, colour of the ground."""

Place: TypeAlias = tuple[int, int, Iterable[Strip]]
"""A column, a row, and what stands from there on."""

_NOTHING: Final[Codes] = ("", "", "")
_MOST: Final = 2048
"""Styles remembered; a theme has a hundred."""


class Thrift:
    """Turns the framework's updates into what a terminal needs of them."""

    def __init__(self) -> None:
        self._codes: dict[Style, Codes] = {}

    def spare(self, update: RenderableType | None) -> RenderableType | None:
        """Return what paints the same; of a kind not known here, the update itself."""
        if isinstance(update, ChopsUpdate | LayoutUpdate):
            return _Spared(update, self)
        return update

    def text(self, places: Iterator[Place], console: Console) -> str:
        """Return the bytes for strips at (x, y), in the order given."""
        system = console._color_system or ColorSystem.TRUECOLOR
        out: list[str] = []
        pen = _NOTHING
        for x, y, strips in places:
            out.append(f"\x1b[{y + 1};{x + 1}H")
            for strip in strips:
                for text, style, _ in strip:
                    if style is not None and style.link:
                        # The framework knows how links are opened, and leaves no colour behind.
                        out.append(_change(pen, _NOTHING) + Strip.render_style(style, text, system))
                        pen = _NOTHING
                        continue
                    wanted = self._wanted(style, system) if style is not None else _NOTHING
                    if wanted != pen and not (text.isspace() and _same_ground(pen, wanted)):
                        out.append(_change(pen, wanted))
                        pen = wanted
                    out.append(text)
        out.append(_change(pen, _NOTHING))
        return "".join(out)

    def _wanted(self, style: Style, system: ColorSystem) -> Codes:
        codes = self._codes.get(style)
        if codes is None:
            if len(self._codes) >= _MOST:
                self._codes.clear()
            front, ground = (
                ";".join(colour.downgrade(system).get_ansi_codes(foreground)) if colour else ""
                for colour, foreground in ((style.color, True), (style.bgcolor, False))
            )
            words = Strip.render_ansi(style.without_color, system)
            codes = self._codes[style] = (words, front, ground)
        return codes


def _same_ground(pen: Codes, wanted: Codes) -> bool:
    """Return whether a blank looks the same with both: nothing is seen of it but the ground."""
    return pen[2] == wanted[2] and not pen[0] and not wanted[0]


def _change(pen: Codes, wanted: Codes) -> str:
    """Return what turns one into the other."""
    if pen == wanted:
        return ""
    # Attributes are taken back all together, and a colour that is nobody's is the terminal's own.
    lost = any(had and not code for had, code in zip(pen, wanted, strict=True))
    anew = lost or (pen[0] and pen[0] != wanted[0])
    had = _NOTHING if anew else pen
    parts = [code for code, now in zip(wanted, had, strict=True) if code and code != now]
    return f"\x1b[{';'.join(['0', *parts] if anew else parts)}m"


class _Spared(CompositorUpdate):
    """An update of the framework's, written with thrift."""

    def __init__(self, update: ChopsUpdate | LayoutUpdate, thrift: Thrift) -> None:
        self._update = update
        self._thrift = thrift

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what the framework would write, for whoever prints it elsewhere."""
        return self._update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        """Return what is written to the terminal."""
        update = self._update
        places = _changed(update) if isinstance(update, ChopsUpdate) else _lines(update)
        return self._thrift.text(places, console)


def _lines(update: LayoutUpdate) -> Iterator[Place]:
    for y, line in enumerate(update.strips, update.region.y):
        yield update.region.x, y, line


def _changed(update: ChopsUpdate) -> Iterator[Place]:
    """Yield what of the pieces of each line lies within what changed."""
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < last and end > first:
                start = max(x, first)
                yield start, y, (strip.crop(start - x, min(end, last) - x),)
