import os
from pathlib import Path

import pytest

from clx.kernelcache import renew_kernels


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package with a kernel, what it inlines, and its compiled form."""
    root = tmp_path / "core"
    cache = root / "__pycache__"
    cache.mkdir(parents=True)
    (root / "scan.py").write_text("import numba\nfrom core.digits import read\n")
    (root / "digits.py").write_text("import numba\n")
    (root / "plain.py").write_text("x = 1\n")
    renew_kernels(root)
    (cache / "scan.nbi").write_text("index")
    (cache / "scan.1.nbc").write_text("code")
    return root


def test_kernels_stay_while_their_sources_do(tree: Path) -> None:
    (tree / "plain.py").write_text("x = 2\n")
    assert renew_kernels(tree) == 0
    assert (tree / "__pycache__" / "scan.nbi").exists()


@pytest.mark.parametrize("name", ["digits.py", "scan.py"])
def test_a_change_of_what_a_kernel_inlines_clears_all(tree: Path, name: str) -> None:
    (tree / name).write_text("import numba  # other\n")
    assert renew_kernels(tree) == 2
    assert not list(tree.rglob("*.nb*"))
    assert renew_kernels(tree) == 0


def test_a_new_source_clears_all(tree: Path) -> None:
    (tree / "more.py").write_text("import numba\n")
    assert renew_kernels(tree) == 2


def test_where_nothing_may_be_written_kernels_go_to_the_users_cache(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tree / "digits.py").write_text("import numba  # other\n")
    (tree / "__pycache__" / "kernels.sha256").unlink()
    (tree / "__pycache__" / "kernels.sha256").mkdir()
    assert renew_kernels(tree) == 0
    assert os.environ["NUMBA_CACHE_DIR"].startswith(str(tmp_path / "clx" / "kernels-"))
