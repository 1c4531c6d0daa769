"""Files that several programs open for the first time at once."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from store.sqlite import open_database

MIGRATIONS = tuple(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY)" for n in range(6))


def test_file_made_by_several_at_once_is_whole_for_all(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def make(path: Path, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            open_database(
                path, application_id=7, migrations=MIGRATIONS, synchronous="NORMAL",
                exclusive=False, one_thread=False,
            ).close()  # fmt: skip
        except Exception as error:
            failures.append(error)

    for number in range(12):
        path, gate = tmp_path / f"{number}.sqlite", threading.Barrier(4)
        makers = [threading.Thread(target=make, args=(path, gate)) for _ in range(4)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        connection.close()
    assert failures == []
