"""Only what changed is painted again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.geometry import Region

from tui.draw.runs import merged
from tui.style import Look
from tui.theme import load_theme
from tui.widgets.rows import RowsWidget, changes

cells = st.tuples(st.sampled_from("ab "), st.sampled_from(["up", "down", "cursor"]))


class Counting(RowsWidget):
    """Counts which lines the framework asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[int] = []

    def render_line(self, y):
        self.drawn.append(y)
        return super().render_line(y)


class Stage(App[None]):
    CSS = "Counting { width: 20; height: 6; }"

    def __init__(self, theme="clx-dark", **options) -> None:
        super().__init__()
        options = {"few_colours": False, "glyphs": "block"} | options
        self.look = Look(load_theme(theme), **options)

    def compose(self):
        yield Counting()


def rows(*words):
    return [((word.ljust(20), "up"),) for word in words]


@pytest.fixture
async def stage():
    app = Stage()
    async with app.run_test(size=(20, 6)) as pilot:
        widget = app.query_one(Counting)
        widget.show(rows("a", "b", "c", "d", "e", "f"))
        await pilot.pause()
        widget.drawn.clear()
        yield widget, pilot


async def test_a_changed_row_alone_is_drawn(stage):
    widget, pilot = stage
    widget.show(rows("a", "b", "X", "d", "e", "f"))
    await pilot.pause()
    assert widget.drawn == [2]


async def test_the_same_rows_cost_nothing(stage):
    widget, pilot = stage
    widget.show(rows("a", "b", "c", "d", "e", "f"))
    await pilot.pause()
    assert widget.drawn == []


async def test_only_the_cells_that_changed_are_painted(stage, monkeypatch):
    widget, _ = stage
    asked: list[Region] = []
    monkeypatch.setattr(widget, "refresh", lambda *regions, **_: asked.extend(regions))
    widget.show(rows("a", "b  X" + " " * 14 + "Y", "c", "d", "e", "f"))
    assert asked == [Region(3, 1, 1, 1), Region(18, 1, 1, 1)]


@given(st.lists(cells, min_size=8, max_size=30), st.lists(cells, min_size=8, max_size=30))
def test_outside_what_is_painted_both_rows_are_the_same(first, second):
    before, after = merged(first), merged(second)
    painted = {x for first, width in changes(before, after) for x in range(first, first + width)}
    spread = [[(char, role) for text, role in row for char in text] for row in (before, after)]
    most = max(map(len, spread))
    old, new = ([*row, *[None] * (most - len(row))] for row in spread)
    assert {x for x in range(most) if old[x] != new[x]} <= painted <= set(range(most))
    if before == after:
        assert not painted


def test_changes_near_each_other_are_painted_together():
    before = ((" " * 40, "up"),)
    after = (("X" + " " * 5 + "Y" + " " * 20 + "Z" + " " * 12, "up"),)
    assert changes(before, after) == [(0, 7), (27, 1)]


async def test_a_new_theme_draws_everything_in_its_colours(stage):
    widget, pilot = stage
    before = widget.render_line(0)._segments[0].style
    widget.app.look = Look(load_theme("cvd"), few_colours=False, glyphs="block")
    widget.repaint()
    await pilot.pause()
    assert set(widget.drawn) == set(range(6))
    assert widget.render_line(0)._segments[0].style != before


async def test_without_colour_only_attributes_are_left():
    app = Stage(no_colour=True)
    styles = app.look.styles.values()
    assert all(style.color is None and style.bgcolor is None for style in styles)
    assert not any(style.dim for style in styles)
    assert app.look.style("up") != app.look.style("down")
    assert app.look.style("last_up") != app.look.style("last_down")
    assert app.look.glyphs.candle_up != app.look.glyphs.candle_down
