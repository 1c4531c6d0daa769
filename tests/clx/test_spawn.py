import os
import subprocess
import sys

import pytest

from clx.spawn import alive


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_process_that_ended_is_not_alive_before_its_parent_collects_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert alive(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid)
    child.communicate()
    assert not alive(child.pid)
