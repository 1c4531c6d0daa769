"""Cells become as few runs as the eye allows."""

from tui.draw.runs import Grid, beside, clip, fitted, merged, plain, row_text


def test_blanks_join_the_run_beside_them():
    grid = Grid(10, 1)
    grid.put(2, 0, "ab", "up")
    grid.put(6, 0, "cd", "up")
    assert grid.rows() == [(("  ab  cd  ", "up"),)]


def test_a_change_of_role_begins_a_run_and_takes_no_blank_along():
    grid = Grid(8, 1)
    grid.put(0, 0, "ab", "up")
    grid.put(4, 0, "cd", "down")
    assert grid.row(0) == (("ab  ", "up"), ("cd  ", "down"))


def test_a_filled_role_keeps_its_own_blanks_and_no_others():
    grid = Grid(9, 1)
    grid.put(3, 0, " x ", "cursor")
    assert grid.row(0) == (("   ", ""), (" x ", "cursor"), ("   ", ""))
    grid.put(7, 0, "y", "up")
    assert grid.row(0) == (("   ", ""), (" x ", "cursor"), (" y ", "up"))


def test_a_filled_row_is_one_run():
    grid = Grid(6, 2)
    grid.put(1, 1, "abc", "up")
    grid.fill(1, "cursor")
    assert grid.rows() == [(("      ", ""),), ((" abc  ", "cursor"),)]


def test_writing_outside_is_cut():
    grid = Grid(4, 2)
    grid.put(-2, 0, "abcd", "up")
    grid.put(3, 1, "xyz", "up")
    grid.put(0, 5, "never", "up")
    grid.put(9, 0, "never", "up")
    assert [row_text(row) for row in grid.rows()] == ["cd  ", "   x"]
    assert Grid(0, 1).rows() == [((("", "")),)] or row_text(Grid(0, 1).row(0)) == ""


def test_only_blank_cells_are_written_behind():
    grid = Grid(5, 1)
    grid.put(2, 0, "x", "up")
    grid.put_blank(0, 0, "-----", "grid")
    assert row_text(grid.row(0)) == "--x--"


def test_the_rightmost_room_is_found_over_faint_things():
    grid = Grid(12, 1)
    grid.put(0, 0, "####", "up")
    grid.put(6, 0, ".", "band")
    grid.put(10, 0, "##", "up")
    assert grid.last_room(0, 3, frozenset()) == 7
    assert grid.last_room(0, 5, frozenset()) is None
    assert grid.last_room(0, 6, frozenset(("band",))) == 4


def test_blocks_join_row_by_row():
    left, right = Grid(2, 2), Grid(2, 2)
    left.put(0, 0, "ab", "up")
    right.put(0, 0, "cd", "up")
    assert beside(left.rows(), right.rows())[0] == (("abcd", "up"),)


def test_rows_are_fitted_to_a_width():
    assert fitted((("abc", "up"), ("def", "down")), 4) == (("abc", "up"), ("d", "down"))
    assert row_text(fitted((("ab", "up"),), 5)) == "ab   "
    assert merged([("a", "up"), ("", "down"), ("b", "up")]) == (("ab", "up"),)


def test_text_from_outside_becomes_one_cell_a_character():
    assert plain("naïve ok") == "naïve ok"
    assert plain("涨\t\x1b[31m🚀") == "???[31m?"
    assert clip("longer than that", 8) == "longer …"
    assert clip("abc", 0) == ""
