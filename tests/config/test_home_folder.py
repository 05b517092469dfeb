"""The home is the one that is named, else the nearest one upwards."""

from pathlib import Path

import pytest

from changewire.config.home_folder import find_home
from changewire.errors import UsageError


def make_home(folder: Path, other: str = "state") -> Path:
    (folder / "config").mkdir(parents=True)
    (folder / other).mkdir()
    return folder


@pytest.mark.parametrize("other", ["triggers", "actions", "state", "config/workflows"])
def test_it_is_found_from_any_folder_inside(tmp_path: Path, other: str) -> None:
    home = make_home(tmp_path / "home", other)
    inside = home / "deep" / "inside"
    inside.mkdir(parents=True)
    assert find_home(inside, None, {}) == home
    assert find_home(home, None, {}) == home


def test_the_nearest_one_counts(tmp_path: Path) -> None:
    make_home(tmp_path)
    inner = make_home(tmp_path / "inner")
    assert find_home(inner / "config", None, {}) == inner


def test_what_is_given_goes_before_the_variable_and_the_variable_before_the_place(tmp_path: Path) -> None:
    one, two, three = (make_home(tmp_path / name) for name in ("one", "two", "three"))
    assert find_home(one, "../two", {"CHANGEWIRE_HOME": str(three)}) == two
    assert find_home(one, None, {"CHANGEWIRE_HOME": str(three)}) == three
    assert find_home(one, None, {"CHANGEWIRE_HOME": ""}) == one


def test_without_one_the_person_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with pytest.raises(UsageError) as caught:
        find_home(tmp_path, None, {})
    assert str(caught.value) == (
        f"{tmp_path} is not in a changewire home: make one with `changewire init DIR`, "
        "or name one with --home DIR or CHANGEWIRE_HOME"
    )


def test_a_named_folder_that_is_no_home_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as caught:
        find_home(tmp_path, "missing", {})
    folder = tmp_path / "missing"
    assert str(caught.value) == (
        f"--home names {folder}, which is not a folder: make one with `changewire init {folder}`"
    )
    with pytest.raises(UsageError, match=r"^CHANGEWIRE_HOME names .*/empty, which is not a changewire home"):
        find_home(tmp_path, None, {"CHANGEWIRE_HOME": "empty"})
