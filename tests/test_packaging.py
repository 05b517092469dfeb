"""What is built holds exactly what the checkout shows, and nothing that is private to it."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire import __version__

ROOT = Path(__file__).parents[1]

PRIVATE = [
    "state/changewire.db",
    "state/changewire.db-wal",
    "state/changewire.lock",
    "state/downloads/Customer call/video.mp4",
    "config/local.yaml",
    "config/.env",
    "config/workflows/mine.yaml",
    "triggers/notes.txt",
    "triggers/zoom/.new_meeting_created.yaml.swp",
    "actions/__pycache__/core.cpython-311.pyc",
    "src/changewire/__pycache__/home.cpython-311.pyc",
]
LEFT_IN_THE_CHECKOUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and, made from it, the wheel of this checkout with private files planted in it."""
    folder = tmp_path_factory.mktemp("packaging")
    tree, dist = folder / "some other-name", folder / "dist"
    shutil.copytree(ROOT, tree, ignore=LEFT_IN_THE_CHECKOUT)
    for name in PRIVATE:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("private")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(tree))
    return dist


def run(*command: str, **variables: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path, *endings: str) -> Iterator[str]:
    """Paths of the files below ``folder``, without what Python compiles; ``endings`` none: all of them."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc" and (not endings or path.suffix in endings):
            yield path.relative_to(folder).as_posix()


def sdist_files(built: Path) -> set[str]:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        return {name.partition("/")[2] for name in tar.getnames()}


def test_the_wheel_holds_exactly_the_files_that_the_checkout_shows(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    expected = {f"changewire/{name}" for name in files_below(ROOT / "src" / "changewire")}
    for folder in ("triggers", "actions"):
        expected |= {f"changewire/builtin/{folder}/{name}" for name in files_below(ROOT / folder, ".yaml", ".py")}
    expected |= {
        f"changewire-{__version__}.dist-info/{name}"
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    assert set(zipfile.ZipFile(wheel).namelist()) == expected


def test_what_is_private_to_a_checkout_is_not_in_the_sdist(built: Path) -> None:
    assert sdist_files(built) & set(PRIVATE) == set()


def test_the_sdist_is_a_checkout_that_can_be_worked_on(built: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout: this is an sdist itself")
    there = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    assert there - sdist_files(built) == set()


def test_the_wheel_works_where_there_is_no_checkout(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    target, home = tmp_path / "installed", tmp_path / "home"
    (home / "config" / "workflows").mkdir(parents=True)
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    run(sys.executable, *pip)

    def changewire(*arguments: str) -> str:
        return run(sys.executable, "-m", "changewire", *arguments, PYTHONPATH=str(target), CHANGEWIRE_HOME=str(home))

    where = run(sys.executable, "-c", "import changewire; print(changewire.__file__)", PYTHONPATH=str(target))
    assert Path(where.strip()).is_relative_to(target)
    assert __version__ in changewire("--version")
    told = changewire("catalog", "--json")
    known = [path.stem for path in (ROOT / "triggers").rglob("*.yaml")] + ["core.log", "zoom.download_recording"]
    assert [name for name in known if name not in told] == []
