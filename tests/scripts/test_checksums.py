"""The checksums of a release."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scripts.checksums import write_checksums


def test_every_file_has_its_checksum_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.whl").write_bytes(b"two")
    (tmp_path / "a.tar.gz").write_bytes(b"one")
    (tmp_path / "folder").mkdir()
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    assert write_checksums(tmp_path).read_text() == f"{one}  a.tar.gz\n{two}  b.whl\n"


def test_a_second_time_the_list_is_the_same_and_not_about_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    first = write_checksums(tmp_path).read_text()
    assert write_checksums(tmp_path).read_text() == first
