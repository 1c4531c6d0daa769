import os
import pty
import threading

from clx.cli.hangup import hung_up


def test_terminal_that_is_there_is_waited_for_and_its_end_noticed() -> None:
    ours, theirs = pty.openpty()
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(hung_up(theirs, look_ms=5)))
    thread.start()
    os.write(ours, b"key")
    os.write(theirs, b"drawn")
    assert thread.is_alive()
    os.close(ours)
    thread.join(10)
    os.close(theirs)
    assert said == [True]


def test_what_is_no_terminal_is_not_taken_for_one_that_hung_up() -> None:
    ours, theirs = pty.openpty()
    os.close(theirs)
    try:
        assert hung_up(theirs, look_ms=5) is False
    finally:
        os.close(ours)
