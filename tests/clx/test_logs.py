import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

_ENDING = textwrap.dedent(
    """
    import asyncio, gc, logging, sys, threading
    from clx.logs import guard_output
    from core.model.redaction import Redactor

    SECRET = "planted-secret-0001"
    redactor = Redactor()
    redactor.learn(SECRET)
    guard_output(redactor)

    class Broken(Exception):
        pass

    def log():
        logging.getLogger("x").error("told %s", SECRET)
        try:
            raise Broken(SECRET)
        except Broken:
            logging.getLogger("x").exception("while %s", SECRET)

    def thread():
        def run():
            raise Broken(SECRET)
        made = threading.Thread(target=run)
        made.start()
        made.join()

    def ignored():
        class Sore:
            def __del__(self):
                raise Broken(SECRET)
        Sore()
        gc.collect()

    def task():
        async def main():
            async def fail():
                raise Broken(SECRET)
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            del task
            gc.collect()
        asyncio.run(main())

    def main():
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise Broken(f"first {SECRET}") from error

    globals()[sys.argv[1]]()
    """
)


@pytest.mark.parametrize("way", ["log", "thread", "ignored", "task", "main"])
def test_however_it_ends_a_secret_is_not_shown_and_the_reason_is(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDING, way],
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
        check=False,
        timeout=30,
    )
    assert "planted-secret" not in done.stdout + done.stderr
    assert "***" in done.stderr
    assert "Broken" in done.stderr
