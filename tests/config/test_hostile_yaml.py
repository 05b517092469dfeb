"""YAML that is small and means much, or is made to be slow: refused with one sentence, in little time and memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from changewire.config.environment import Environment
from changewire.config.workflows import load_workflows
from changewire.config.yaml_files import MAX_BYTES, parse_yaml
from changewire.errors import MOST_PROBLEMS, ConfigError

M = MAX_BYTES
LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1},*a{n - 1}]\n" for n in range(1, 60))
MAPPINGS = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 60))
REFUSED = {
    "repeated lists": (LAUGHS, "repeats more than 100000 values"),
    "repeated mappings": (MAPPINGS, "repeats more than 100000 values"),
    "one long text repeated": (
        f"a: &a {'x' * (M // 2)}\nb: [{'*a,' * 100_000}]",
        "4194304 characters",
    ),
    "texts repeated in lists": (
        f"a: &a [{'x' * 1000}, y]\nb: [{'*a,' * 9000}]",
        "4194304 characters",
    ),
    "brackets": ("[" * M, "maximum nesting depth"),
    "dashes": ("- " * (M // 2), "more than 50 levels"),
    "question marks": ("? " * (M // 2), "more than 50 levels"),
    "duplicate keys": ("a: 1\n" * (M // 5), f"has {MOST_PROBLEMS} problems and maybe more"),
    "merge keys": ("a: &a {x: 1}\n" + "b: {<<: *a}\n" * 40_000, "merge keys"),
    "digits": ("a: " + "1" * (M - 9), "is out of range"),
    "hexadecimal digits": ("a: 0x" + "f" * (M - 9), "is out of range"),
    "an exponent": ("a: 1e" + "9" * (M - 9), "is out of range"),
    "infinity": ("a: .inf", "is out of range"),
    "a tag": ("a: !!python/object/apply:os.system [id]", "tags (!…) are not used here"),
    "binary": ("a: !!binary aGk=", "tags (!…) are not used here"),
    "a set": ("a: !!set {x, y}", "tags (!…) are not used here"),
    "directives": ("%TAG ! !\n" * (M // 10), "begins with %"),
    "a quotation without end": ('"' + "\\" * (M - 2), "is never closed"),
    "documents": ("---\n" * (M // 4), "a second document begins here"),
    "a null character": ("a: \0", "an invisible character"),
}
KEPT = {
    "60-based digits": ("a: " + ":".join(["59"] * 300_000), str),
    "two numbers with a colon": ("a: 1:2", str),
    "a date": ("a: 2001-01-01", str),
    "a fraction of many digits": ("a: 1." + "1" * (M - 9), float),
    "a text in many lines": ("a: " + "b\n " * 300_000, str),
    "empty lines": ("a: |\n" + "\n" * (M - 9), str),
    "many keys": ("a: {" + "".join(f"k{n}: 1, " for n in range(80_000)) + "}", dict),
    "many entries": ("a: [" + "a," * 500_000 + "]", list),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_yaml_is_refused_in_little_time_and_memory(name: str) -> None:
    text, words = REFUSED[name]
    tracemalloc.start()
    began = time.thread_time()
    try:
        with pytest.raises(ConfigError) as caught:
            parse_yaml(text, "x.yaml")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 10
    assert words in str(caught.value)
    assert len(caught.value.problems) <= MOST_PROBLEMS + 1


@pytest.mark.parametrize("name", KEPT)
def test_long_yaml_that_means_no_more_than_it_says_is_read(name: str) -> None:
    text, kind = KEPT[name]
    began = time.thread_time()
    assert type(parse_yaml(text, "x.yaml").data["a"]) is kind
    assert time.thread_time() - began < 10


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"kk{n}: 1\n" for n in range(60_000)),
        "trigger: {" + "".join(f"kk{n}: 1, " for n in range(60_000)) + "}",
        "steps:\n" + "- nix: 1\n" * 60_000,
        "mode: [" + "1, " * 200_000 + "]",
    ],
    ids=["keys", "keys of a trigger", "steps", "values"],
)
def test_a_workflow_with_many_mistakes_is_refused_soon(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text(text)
    began = time.thread_time()
    files, problems = load_workflows(tmp_path, Environment({}, tmp_path))
    assert time.thread_time() - began < 20
    assert files[0].workflow is None
    assert 0 < len(problems) <= 2 * MOST_PROBLEMS
