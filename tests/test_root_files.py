"""The files at the root: every YAML loads, the checkout is a home, and what README says can be done."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import click
import pytest

from changewire.cli import root as program
from changewire.config.home_folder import find_home
from changewire.config.yaml_files import read_yaml
from changewire.home.loading import load_home
from changewire.triggers.loading import load_trigger_types

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
YAML = sorted(path for folder in ("config", "triggers", "actions") for path in (ROOT / folder).rglob("*.yaml"))
ZOOM = {
    "ZOOM_ACCOUNT_ID": "account-of-a-test",
    "ZOOM_CLIENT_ID": "client-of-a-test",
    "ZOOM_CLIENT_SECRET": "secret-of-a-test",
    "ZOOM_USER": "dana.host@example.com",
    "NOTIFY_URL": "json://127.0.0.1",
}
FOREIGN = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b|/(?:root|work|home)/\w")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def commands(page: str, word: str) -> set[str]:
    """What follows ``word`` in the shell blocks and the inline code of a page."""
    text = (ROOT / page).read_text()
    inline = "\n".join(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    code = "\n".join([*blocks(page, "sh"), inline])
    return set(re.findall(rf"^(?:\.venv/bin/)?{word} ([a-z]+)", code, re.MULTILINE))


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("path", YAML, ids=[str(path.relative_to(ROOT)) for path in YAML])
def test_every_yaml_at_the_root_can_be_read(path: Path) -> None:
    assert isinstance(read_yaml(path).data, dict)


def test_the_checkout_is_a_home() -> None:
    assert find_home(ROOT / "src", None, {}) == ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The root's own config, without what this machine may have put beside it."""
    for name in ("changewire.yaml", "connections.yaml", "workflows"):
        source, target = ROOT / "config" / name, tmp_path / "config" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return tmp_path


def test_with_the_four_variables_its_workflows_have_no_problem(checkout: Path) -> None:
    home = load_home(checkout, ZOOM)
    assert (home.problems, home.broken) == ([], [])
    assert {"New meeting", "Recording ready", "Profile changed"} <= home.workflows.keys()


def test_without_them_it_says_which_are_to_be_set(checkout: Path) -> None:
    told = [str(problem) for problem in load_home(checkout, {}).problems]
    for name in ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "ZOOM_USER"):
        assert any(
            f"the variable {name} is not set: export it, write {name}=… into config/.env" in line for line in told
        )


def test_the_example_environment_names_each_variable_that_the_connections_need() -> None:
    needed = set(re.findall(r"^[^#\n]*\$\{(\w+)\}", (ROOT / "config" / "connections.yaml").read_text(), re.M))
    assert set(re.findall(r"^(\w+)=", (ROOT / "config" / ".env.example").read_text(), re.MULTILINE)) == needed


@pytest.mark.parametrize("text", blocks("README.md", "yaml"))
def test_every_yaml_block_of_readme_is_a_workflow_without_problems(checkout: Path, text: str) -> None:
    (checkout / "config" / "workflows" / "from_readme.yaml").write_text(text)
    home = load_home(checkout, ZOOM)
    assert home.problems == []
    assert any(file.path.stem == "from_readme" for file in home.workflows.values())


@pytest.mark.parametrize("text", blocks("CONTRIBUTING.md", "yaml"))
def test_every_yaml_block_of_contributing_is_a_trigger_type(tmp_path: Path, text: str) -> None:
    (tmp_path / "new_group.yaml").write_text(text)
    types, problems = load_trigger_types([tmp_path])
    assert problems == []
    assert len(types) == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    assert isinstance(program, click.Group)
    assert commands(page, "changewire") - program.commands.keys() == set()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert commands(page, "make") - targets == set()


def test_the_pages_name_what_a_newcomer_needs() -> None:
    assert {"demo", "test", "setup", "bench"} <= commands("README.md", "make")
    assert {"validate", "run", "status", "catalog", "init"} <= commands("README.md", "changewire")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_alone_lists_each_chore_with_its_sentence() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    told = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert told.keys() == {
        "help", "setup", "demo", "test", "check", "torture", "soak", "bench", "docs", "lock", "release", "clean",
    }  # fmt: skip
    assert all(len(line.split()) > 3 for line in told.values())


def test_what_ci_runs_is_a_program() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR


def test_no_file_speaks_of_a_place_or_a_plan_that_only_its_writer_knows() -> None:
    hits = []
    for name in tracked():
        text = (ROOT / name).read_text(errors="replace")
        hits += [f"{name}: {found.group()}" for found in FOREIGN.finditer(text)]
    assert hits == []


def test_nothing_is_tracked_that_belongs_to_one_machine() -> None:
    private = re.compile(r"\.(db|sqlite3?|db-wal|db-shm|pyc|log)$|(^|/)\.env$|__pycache__/|^state/(?!README\.md)")
    assert [name for name in tracked() if private.search(name)] == []
