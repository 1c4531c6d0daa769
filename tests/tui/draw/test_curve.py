"""The equity curve: what is known is drawn, what is not is left blank."""

from tui.draw.curve import draw_curve
from tui.draw.glyphs import glyph_set

WIDTH, HEIGHT = 60, 9
POINTS = [(at * 1_000_000_000, 100.0 + at % 7) for at in (*range(20), *range(60, 80))]
GAP = (POINTS[19][0], POINTS[20][0])


def columns(gaps):
    rows = draw_curve(POINTS, WIDTH, HEIGHT, glyph_set("block"), "nothing yet", gaps)
    lines = ["".join(text for text, _ in row).ljust(WIDTH) for row in rows[:-1]]
    return {x for line in lines for x, char in enumerate(line) if "\u2800" < char < "\u28ff"}


def test_nothing_is_drawn_where_nothing_was_sampled():
    whole, holed = columns(()), columns((GAP,))
    blank = whole - holed
    room = max(whole) - min(whole)
    assert 0.45 * room < len(blank) < 0.55 * room
    assert blank == set(range(min(blank), max(blank) + 1)), "one stretch, between the two courses"
    assert min(whole) == min(holed)
    assert max(whole) == max(holed)


def heights(points):
    """The rows in which the course stands, by column."""
    rows = draw_curve(points, WIDTH, HEIGHT, glyph_set("block"), "nothing yet")
    lines = ["".join(text for text, _ in row).ljust(WIDTH) for row in rows[:-1]]
    found = {}
    for y, line in enumerate(lines):
        for x, char in enumerate(line):
            if "\u2800" < char < "\u28ff":
                found.setdefault(x, y)
    return [found[x] for x in sorted(found)]


def test_between_two_samples_the_course_goes_straight_and_does_not_stand_still():
    stood = heights([(0, 100.0), (900_000_000_000, 90.0)])
    assert stood == sorted(stood)
    assert (stood[0], stood[-1]) == (0, HEIGHT - 2)
    longest = max(stood.count(row) for row in set(stood))
    assert longest < 0.25 * len(stood), "not flat for a while, then gone"
