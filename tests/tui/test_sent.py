"""A terminal shows after our bytes what it shows after the framework's."""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, InlineUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.sent import Thrift

WIDTH, CUT = 12, 7
STYLES = [
    Style.parse(words)
    for words in (
        "none", "#c0c0c0 on #101010", "#40a070 on #101010", "bold #40a070 on #101010",
        "reverse #c0c0c0 on #101010", "bold underline", "black on green", "on #203040",
    )
]  # fmt: skip
LINK = Style.parse("#40a070 on #101010 link https://example.org")
TRUE = Console(force_terminal=True, color_system="truecolor")

runs = st.lists(
    st.tuples(st.text("ab 界", min_size=1, max_size=5), st.sampled_from([*STYLES, LINK])),
    min_size=1,
    max_size=6,
)


def strip(of, width):
    return Strip([Segment(text, style) for text, style in of]).adjust_cell_length(width, STYLES[1])


lines = st.lists(
    st.tuples(runs.map(lambda of: strip(of, CUT)), runs.map(lambda of: strip(of, WIDTH - CUT))),
    min_size=2,
    max_size=2,
)

_TOKENS = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|\x1b\]8;[^\x1b]*\x1b\\|\n|([^\x1b])")


@dataclass
class Paper:
    """What cells show, as a terminal keeps it."""

    cells: dict[tuple[int, int], tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def write(self, text: str) -> None:
        x = y = 0
        pen: dict[str, str] = {}
        at = 0
        while at < len(text):
            token = _TOKENS.match(text, at)
            assert token is not None, repr(text[at : at + 20])
            at = token.end()
            row, column, codes, char = token.groups()
            if row:
                y, x = int(row), int(column)
            elif codes is not None:
                _pen(pen, codes)
            elif char:
                shown = dict(pen)
                if char == " " and not {"1", "4", "7"} & set(pen):
                    shown.pop("front", None)
                wide = 2 if char == "界" else 1
                for part in range(wide):
                    self.cells[x + part, y] = (char, tuple(sorted(shown.items())))
                x += wide
        assert not pen, "colours are left behind"


def _pen(pen: dict[str, str], codes: str) -> None:
    left = codes.split(";")
    while left:
        code = left.pop(0)
        if code in {"", "0"}:
            pen.clear()
        elif code in {"38", "48"}:
            pen["front" if code == "38" else "ground"] = ";".join(left[:4])
            del left[:4]
        elif len(code) == 1:
            pen[code] = code
        else:
            pen["front" if code[0] in "39" else "ground"] = code


def chopped(of, spans):
    return ChopsUpdate(
        [{0: left, CUT: right} for left, right in of], spans, [[CUT, WIDTH] for _ in of]
    )


@given(lines)
@settings(max_examples=60)
def test_whole_lines_look_the_same_in_fewer_bytes(of):
    update = LayoutUpdate([list(line) for line in of], Region(0, 0, WIDTH, 2))
    ours = Thrift().spare(update).render_segments(TRUE)
    theirs = update.render_segments(TRUE)
    mine, other = Paper(), Paper()
    mine.write(ours)
    other.write(theirs)
    assert mine.cells == other.cells
    assert len(ours) <= len(theirs) + len("\x1b[0m") * 2


@given(lines, st.integers(0, WIDTH - 1), st.integers(1, WIDTH), st.integers(0, 1))
@settings(max_examples=60)
def test_a_stretch_is_written_where_it_is_and_nowhere_else(of, first, width, y):
    last = min(WIDTH, first + width)
    paper = Paper()
    paper.write(Thrift().spare(chopped(of, [(y, first, last)])).render_segments(TRUE))
    whole = Paper()
    whole.write(LayoutUpdate([list(line) for line in of], Region(0, 0, WIDTH, 2))
                .render_segments(TRUE))  # fmt: skip
    assert {x for x, _ in paper.cells} == set(range(first + 1, last + 1))
    assert {row for _, row in paper.cells} == {y + 1}
    halves = {(x, y + 1) for x in range(1, WIDTH + 1)}
    for cell in halves & set(paper.cells):
        # A wide character that a stretch begins or ends within is a blank there.
        if whole.cells[cell][0] != "界":
            assert paper.cells[cell] == whole.cells[cell]


def test_one_colour_is_said_once():
    of = [(strip([("12", STYLES[1]), ("3", STYLES[1])], CUT), strip([("4", STYLES[2])], 5))] * 2
    text = Thrift().spare(chopped(of, [(0, 0, 3), (1, 2, 3), (1, 7, 8)])).render_segments(TRUE)
    assert text == (
        "\x1b[1;1H\x1b[38;2;192;192;192;48;2;16;16;16m123"
        "\x1b[2;3H3\x1b[2;8H\x1b[38;2;64;160;112m4\x1b[0m"
    )


def test_a_terminal_of_few_colours_gets_only_those():
    few = Console(force_terminal=True, color_system="standard")
    of = [(strip([("ab", Style.parse("#ff0000 on #000000"))], CUT), strip([("c", STYLES[0])], 5))]
    text = Thrift().spare(chopped(of, [(0, 0, 2)])).render_segments(few)
    assert text == "\x1b[1;1H\x1b[31;40mab\x1b[0m"


@pytest.mark.parametrize("update", [None, "words", InlineUpdate([])])
def test_what_is_not_known_is_left_as_it_is(update):
    assert Thrift().spare(update) is update


def test_an_update_printed_elsewhere_is_the_framework_s():
    update = LayoutUpdate([[strip([("ab", STYLES[2])], 4)]], Region(0, 0, 4, 1))
    with TRUE.capture() as ours:
        TRUE.print(Thrift().spare(update), end="")
    with TRUE.capture() as theirs:
        TRUE.print(update, end="")
    assert ours.get() == theirs.get()
