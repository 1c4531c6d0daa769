"""Files that several programs open at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
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


LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM t0").fetchone()[0])
connection.close()
"""


def test_log_survives_another_program_that_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    writer, reader = (
        open_database(
            path, application_id=7, migrations=MIGRATIONS, synchronous="NORMAL", exclusive=False
        )
        for _ in range(2)
    )
    writer.execute("INSERT INTO t0 VALUES (1)")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", LOOK, str(path)], capture_output=True, text=True, check=True
        )
        assert done.stdout == "1\n"
        assert path.with_name(path.name + "-wal").exists(), "the other was not the last to leave"
    reader.close()
    writer.close()
