"""The bytes of orders: kept beyond the process, bounded, without secrets."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.model.accounts import LimitUse
from core.model.errors import StoreError
from core.model.ids import ClientOrderId
from core.model.inspection import ChecksPassed
from core.model.redaction import Redactor
from core.wire.witness import Seen, Witness
from store.traffic import CheckShelf, TrafficLog, VenueShelf, worth

NAME = "clxc-01kv3c9q2m-00000001"


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., TrafficLog]:
    def make(**more: Any) -> TrafficLog:
        return TrafficLog(tmp_path / "journal-demo.wire", Redactor(), **more)

    return make


def sent(number: int, name: str = NAME, pad: int = 0) -> Seen:
    words = f"POST /order?id={name}&n={number}{'x' * pad}"
    return Seen(number, number + 1, words, b'{"ok":1}', "status 200")


def test_what_a_venue_saw_is_there_after_a_restart(log: Callable[..., TrafficLog]) -> None:
    first = log()
    witness = Witness()
    witness.shelf = VenueShelf(first, "main")
    witness.exchanged(5, 9, f"POST /order?id={NAME}", b"{}", "status 200")
    witness.exchanged(6, 9, f"POST /order?id={NAME}-s", b"{}", "status 200")
    witness.heard(8, f'{{"c":"{NAME}","X":"FILLED"}}'.encode())
    VenueShelf(first, "other").keep(sent(7))
    first.close()
    found = VenueShelf(log(), "main").find((NAME, ""))
    assert [(item.sent_ns, item.answered_ns) for item in found] == [(5, 9), (8, 0)]
    assert found[0] == Seen(5, 9, f"POST /order?id={NAME}", b"{}", "status 200")


def test_the_venues_own_name_of_an_order_finds_it_too(log: Callable[..., TrafficLog]) -> None:
    made = log()
    made.note("main", Seen(1, 2, "DELETE /order?orderId=28457", b"{}"))
    made.note("main", Seen(2, 3, "DELETE /order?orderId=284571", b"{}"))
    assert [item.sent_ns for item in made.find("main", (NAME, "284571"))] == [2]


def test_files_are_closed_compressed_and_the_oldest_go(
    log: Callable[..., TrafficLog], tmp_path: Path
) -> None:
    made = log(max_bytes=2_000, keep=2)
    for number in range(40):
        made.note("main", sent(number, pad=300))
        made.find("main", ())
    files = sorted(path.name for path in (tmp_path / "journal-demo.wire").iterdir())
    assert [name[-3:] for name in files] == [".gz", ".gz", "onl"]
    assert sum(path.stat().st_size for path in tmp_path.rglob("wire*")) < 6_000
    kept = [item.sent_ns for item in made.find("main", (NAME,))]
    assert kept == list(range(kept[0], 40))
    assert 10 <= len(kept) < 40


def test_secrets_do_not_reach_the_disk(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.learn("s3cr3t-of-many-letters")
    made = TrafficLog(tmp_path, redactor)
    made.note("main", Seen(1, 2, f"POST /x?id={NAME}&k=s3cr3t-of-many-letters", b"{}"))
    made.close()
    raw = (tmp_path / "wire.jsonl").read_bytes()
    assert b"s3cr3t" not in raw
    assert NAME.encode() in raw
    assert (tmp_path / "wire.jsonl").stat().st_mode & 0o077 == 0


def test_a_line_cut_by_a_kill_hides_no_other(
    log: Callable[..., TrafficLog], tmp_path: Path
) -> None:
    made = log()
    made.note("main", sent(1))
    made.close()
    with (tmp_path / "journal-demo.wire" / "wire.jsonl").open("ab") as file:
        file.write(b'["main",2,3,"POST')
    again = log()
    again.note("main", sent(4))
    assert [item.sent_ns for item in again.find("main", (NAME,))] == [1, 4]


def test_lists_that_are_asked_for_all_the_time_are_left_out() -> None:
    assert not worth(Seen(1, 2, "GET /openOrders?t=1", b"[]"))
    assert not worth(Seen(1, 2, '{"id":1,"method":"private/get_open_orders"}', b"[]"))
    assert worth(Seen(1, 2, f"GET /order?origClientOrderId={NAME}", b"{}"))
    assert worth(Seen(1, 2, "DELETE /order?orderId=284571", b"{}"))
    assert worth(Seen(1, 0, "", b"{}"))


def test_a_disk_that_refuses_is_told_once_and_everything_else_goes_on(tmp_path: Path) -> None:
    (tmp_path / "wire").write_text("a file where the folder should be")
    told: list[str] = []
    made = TrafficLog(tmp_path / "wire", Redactor(), told=told.append)
    made.note("main", sent(1))
    with pytest.raises(StoreError, match="cannot be written"):
        made.find("main", (NAME,))
    made.close()
    assert len(told) == 1


def test_what_the_gate_saw_is_made_by_the_log_and_found_by_the_whole_id(
    log: Callable[..., TrafficLog],
) -> None:
    made = log()
    shelf = CheckShelf(made)
    asked: list[str] = []

    def told(name: str) -> ChecksPassed:
        asked.append(name)
        limit = LimitUse(rule="risk.x", used=Decimal(1), allowed=Decimal(2), unit="USDT")
        return ChecksPassed(client_order_id=ClientOrderId(name), ts_ns=7, text="", limits=(limit,))

    for name in (NAME, f"{NAME}-s"):
        shelf.keep(ClientOrderId(name), partial(told, name))
    made.note("main", sent(1))
    assert shelf.find(ClientOrderId(NAME)) == [told(NAME)]
    assert asked == [NAME, f"{NAME}-s", NAME]
    assert [item.sent_ns for item in made.find("main", (NAME,))] == [1]
