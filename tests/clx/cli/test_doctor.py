from pathlib import Path

import pytest

from clx.cli.doctor import Finding, examine
from core.model.audit import AuditRecord
from core.model.redaction import Redactor
from store.audit.writer import AuditLog
from store.paths import Paths, find_paths, make_folders


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find_paths({"CLX_HOME": str(tmp_path)})
    make_folders(found)
    return found


def _found(paths: Paths, what: str) -> list[Finding]:
    return [finding for finding in examine(paths) if finding.what == what]


def test_a_key_file_open_to_others_is_wrong(paths: Paths) -> None:
    assert _found(paths, "keys")[0].level == "note"
    paths.key_file.touch(0o600)
    assert _found(paths, "keys")[0].level == "ok"
    paths.key_file.chmod(0o640)
    (finding,) = _found(paths, "keys")
    assert finding.level == "WRONG"
    assert "mode 640" in finding.text
    assert f"chmod 600 {paths.key_file}" in finding.text


def test_keys_in_the_settings_are_noted_without_their_values(paths: Paths) -> None:
    paths.config_file.write_text('[venues.binance]\napi_secret = "s3cret-of-mine"\n')
    noted = _found(paths, "keys")[1]
    assert noted.text == "venues.binance.api_secret: better kept by `clx keys add`"


def test_an_audit_log_that_was_changed_is_wrong(paths: Paths) -> None:
    with AuditLog(paths.audit, Redactor()) as log:
        log.note(AuditRecord(ts_ns=1, origin="cli", what="kill", outcome="done"))
    assert _found(paths, "audit")[0].level == "ok"
    path = paths.audit / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"done", b"gone"))
    assert _found(paths, "audit")[0].level == "WRONG"
