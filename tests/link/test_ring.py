from __future__ import annotations

from link.ring import FactRing


def ring(limit: int, last_seq: int, facts: int) -> FactRing:
    made = FactRing(limit, last_seq)
    for number in range(facts):
        seq = last_seq + number + 1
        made.append(seq, str(seq).encode())
    return made


def test_facts_after_a_place_come_in_order_and_in_portions() -> None:
    facts = ring(10, 100, 5)
    assert facts.after(102, 2) == [b"103", b"104"]
    assert facts.after(104, 2) == [b"105"]
    assert facts.after(105, 2) == []


def test_only_places_whose_every_successor_is_kept_are_covered() -> None:
    facts = ring(3, 100, 5)
    assert [seq for seq in range(99, 108) if facts.covers(seq)] == [102, 103, 104, 105]


def test_fresh_ring_covers_just_the_present() -> None:
    facts = ring(3, 100, 0)
    assert facts.covers(100)
    assert not facts.covers(99)
    assert not facts.covers(101)


def test_a_number_left_out_covers_nobody_from_before() -> None:
    facts = ring(10, 100, 2)
    facts.append(104, b"104")
    assert [seq for seq in range(99, 106) if facts.covers(seq)] == [103, 104]
    assert facts.after(103, 2) == [b"104"]
