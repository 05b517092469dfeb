"""The proof that no file stops the program: mutated files of a home, read by `changewire validate`.

``python -m tests.support.mutated_files FOLDER FILES SEED`` prints the outcome as JSON.
"""

from __future__ import annotations

import json
import random
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from changewire.cli import root
from tests.docs.pages import all_blocks
from tests.support.memory import peak_mib
from tests.support.mutations import HOSTILE_TEXTS, places
from tests.support.processes import ROOT

BATCH = {"workflows": 16, "triggers": 8, "actions": 4, "connections": 1, "settings": 1}
"""How many mutated files of a kind one home has; one home has files of one kind, and of the others good ones."""
GOOD = (
    "name: Good\ntrigger: {type: core.emitted, with: {name: good}}\nsteps: [{use: core.log, with: {message: Hello}}]\n"
)
CONNECTIONS = (
    "".join(
        f'{name}: {{connector: http, base_url: "https://{name}.example.com"}}\n' for name in ("shop", "crm", "github")
    )
    + "work: {connector: zoom, user: you@example.com, auth: {type: bearer, token: t}}\n"
)
NAMES = ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "ZOOM_USER", "SHOP_TOKEN", "TEAM", "CRM_TOKEN",
         "NOTIFY_URL", "SMTP_USER", "SMTP_PASSWORD")  # fmt: skip
OTHERS = {
    "config/workflows/good.yaml": GOOD,
    "config/connections.yaml": CONNECTIONS,
    "config/.env": "".join(f"{name}=json://localhost\n" for name in NAMES),
}
VALUES: tuple[str, ...] = (
    *(text for text in HOSTILE_TEXTS if len(text) < 10_000),
    "{{ payload", "}} {{", "{% for a in b %}", "{{ 'a' * 10**9 }}", "{{ range(10**9) | list }}", "{{ ''|x(1, y=2) }}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "{{ 1" + " + 1" * 3000 + " }}", "{{ " + "not " * 3000 + "1 }}",
    "{{ a" + ".b" * 3000 + " }}", "{{ a" + "[0]" * 3000 + " }}", "{{ [" * 500, "{{ payload.a | regex_test('(((((') }}",
    "{{ payload | map('x') | map('y') }}", "{{ 9 ** 9 ** 9 }}", "{{ '%999999999d' % 1 }}", "{{ self }}", "{# ",
    "* * * * * *", "99 99 99 99 99", "*/0 * * * *", "0 0 31 2 *", "@reboot", "1e99s", "999999999999999d", "-5s",
    "../../etc/passwd", "/etc/localtime", "Europe/../UTC", "UTC\x00", "a" * 300, "9" * 5000, "zoom.", ".zoom", "0s",
    "a[*].b[*].c", "a." * 2000 + "b", "[" * 300, "a[", "http://[::1", "https://a:99999/", "https://user:pass@h/", "//h",
    "file:///etc/passwd", "${X}", "${", "${X:-${Y:-${Z}}}", "${file:/etc/shadow}", "${file:../../x}", "${file:}", "$$",
    "(" * 1000, "(?<=a)b", "[z-a]", "a{1000000}", "\\", "application/json\r\nX: y", "999999999999GB", "-1MB", "1e400",
)  # fmt: skip
TOKENS: tuple[str, ...] = (
    ": ", "- ", "{", "}", "[", "]", '"', "'", " #", "&a ", "*a ", "!!python/object:os.system ", "!x ", "|\n", ">-\n",
    "%YAML 9.9\n", "\n---\n", "\n...\n", "<<: *a\n", "? ", "\t", "\x00", "\x07", "\u2028", "\ufeff", "\x85", "{{", "}}",
    "{% ", "${", ".inf", ".nan", "1e999", "0o777", "0x1F", "9" * 30, "2026-13-45", "~", "yes", "@", "`", "\\", "\r",
)  # fmt: skip
MOST_MEMORY = 2_000_000_000  # bytes of address space
WHOLE = re.compile(r"([^:\n]+): (?:is larger than 1 MiB|has \d+ problems and maybe more).*")  # about a file as a whole
PLACE = re.compile(r"([^:\n]+):(\d+):(\d+): .+")


@dataclass
class Outcome:
    """What happened, for the reader of the proof."""

    files: int = 0
    refused: int = 0  # files with a problem
    usable: int = 0
    problems: int = 0
    faults: list[str] = field(default_factory=list)  # tracebacks
    wrong: list[str] = field(default_factory=list)  # problems without a place, and files that vanish without a problem
    memory_mb: int = 0  # the peak of the process


class FileMutator:
    """Make mutations of YAML files; the same ``chance`` makes the same ones."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def mutate(self, text: str) -> bytes:
        """Return a mutated file."""
        for _ in range(self._chance.choice([1, 1, 2, 4])):
            text = self._chance.choice([self._text, self._lines, self._values, self._values, self._whole])(text)
        raw = text.encode("utf-8", "surrogatepass")
        return self._bytes(raw) if self._chance.random() < 0.1 else raw

    def _text(self, text: str) -> str:
        """A character or a token put in, taken out or replaced."""
        at = self._chance.randrange(len(text) + 1)
        until = at + self._chance.choice([0, 0, 1, 3, 20])
        return text[:at] + self._chance.choice(["", *TOKENS]) + text[until:]

    def _lines(self, text: str) -> str:
        chance, lines = self._chance, text.split("\n")
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        way = chance.randrange(7)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(other, lines[at])
        elif way == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif way == 3:
            lines[at] = " " * chance.randint(1, 5) + lines[at]
        elif way == 4:
            lines[at] = lines[at].lstrip()
        elif way == 5:
            key, colon, _ = lines[at].partition(":")
            lines[at] = f"{key}{colon} {chance.choice(VALUES)}"
        else:
            lines = lines[:at]
        return chance.choice(["\n", "\n", "\n", "\r\n", "\r"]).join(lines)

    def _values(self, text: str) -> str:
        """Values replaced, removed or renamed in a file that stays YAML."""
        if "&a" in text:  # what anchors repeat would be written out
            return self._text(text)
        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError, AttributeError):
            return self._text(text)
        for _ in range(self._chance.choice([1, 1, 1, 3])):
            inside = list(places(data))
            if inside:
                self._spoil(*self._chance.choice(inside))
        return json.dumps(data, default=str) if self._chance.random() < 0.3 else yaml.safe_dump(data, sort_keys=False)

    def _spoil(self, holder: Any, key: Any) -> None:
        chance = self._chance
        way = chance.randrange(5)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            name = chance.choice([f"{key}x", str(key)[:-1], str(key).upper(), "", "__class__", *VALUES])
            holder[name] = holder.pop(key)
        elif way == 2:
            value = holder[key]
            holder[key] = chance.choice([None, True, -1, 0, 2**63, 1e300, [], {}, [value], {"a": value}, [None], [[]]])
        else:
            holder[key] = chance.choice(VALUES)

    def _whole(self, text: str) -> str:
        """The whole file: empty, repeated, nested deeply, or grown by anchors."""
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
        return self._chance.choice([
            "", "# nothing\n", "- " * 200, "[" * 3000, "{a: " * 60 + "1" + "}" * 60, text * 2, text + bomb,
            text + "#" * 2_000_000, "\n" * 5000 + text, text + "x: " + "y" * 100_000, "? " * 100, "a: " * 50,
            text.replace(":", ": !!binary "), text.replace(" ", "\t"), text.replace(" ", "\u00a0"), "null", "text", "7",
        ])  # fmt: skip

    def _bytes(self, raw: bytes) -> bytes:
        at, text = self._chance.randrange(len(raw) + 1), raw.decode("utf-8", "replace")
        return self._chance.choice([
            raw[:at] + bytes([self._chance.randrange(256)]) + raw[at + 1 :], raw[:at] + b"\x00" + raw[at:],
            text.encode("utf-16"), text.encode("latin-1", "replace"), b"\xef\xbb\xbf" + raw,
            raw[:at] + b"\xed\xa0\x80" + raw[at:],
        ])  # fmt: skip


def good_files() -> dict[str, list[str]]:
    """Files of the documentation and of the installation, by what they are."""
    kinds: dict[str, list[str]] = {kind: [] for kind in BATCH}
    names = {"config/changewire.yaml": "settings", "config/connections.yaml": "connections"}
    for block in all_blocks("yaml"):
        folder = block.title.removeprefix("config/").partition("/")[0]
        kind = names.get(block.title.split(" ")[0], folder)
        if kind in kinds:
            kinds[kind].append(block.text)
    kinds["workflows"] += [path.read_text() for path in sorted((ROOT / "config" / "workflows").glob("*.yaml"))]
    for kind in ("triggers", "actions"):
        kinds[kind] += [path.read_text() for path in sorted((ROOT / kind).rglob("*.yaml"))]
    return kinds


class Proof:
    """One home whose files are mutated in turn."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance, self._mutator = folder, chance, FileMutator(chance)
        self._files = good_files()
        self.outcome = Outcome()

    def read(self) -> None:
        """Write a home with mutated files of one kind, and read it."""
        kind = self._chance.choice([kind for kind, number in BATCH.items() for _ in range(2 if number > 1 else 1)])
        home, written = self._folder / "home", {}
        shutil.rmtree(home, ignore_errors=True)
        for name, text in OTHERS.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
        for number in range(BATCH[kind]):
            text = self._chance.choice(self._files[kind])
            name = _name(kind, text, number)
            written[name] = self._mutator.mutate(text)
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(written[name])
        self.outcome.files += len(written)
        self._check(kind, home, written)

    def _check(self, kind: str, home: Path, written: dict[str, bytes]) -> None:
        outcome, words = self.outcome, _words(written)
        result = _validate(home)
        if _is_fault(result):
            outcome.faults += [f"{result.output[-300:]} {one}" for one in self._alone(home, written)]
            return
        wrong = set()
        for line in result.stdout.splitlines():
            place = PLACE.fullmatch(line)
            outcome.problems += 1
            if (whole := WHOLE.fullmatch(line)) and whole[1] in written:
                wrong.add(whole[1])
            elif place is None or not _inside(written.get(place[1]), int(place[2]), int(place[3])):
                outcome.wrong.append(f"no place: {line[:400]} {words}")
            else:
                wrong.add(place[1])
        outcome.refused += len(wrong)
        outcome.usable += len(written) - len(wrong)
        usable = len(written) - len(wrong) if kind == "workflows" else 0
        verdict = result.stderr.splitlines()[-1] if result.stderr else ""
        if kind != "settings" and f"{usable + 1} workflow" not in verdict:
            outcome.wrong.append(f"{usable + 1} workflows should be usable, but: {verdict} {words}")

    def _alone(self, home: Path, written: dict[str, bytes]) -> list[str]:
        """The files that are faults alone, or all of them."""
        faulty = []
        for name, raw in written.items():
            for other in written:
                (home / other).unlink(missing_ok=True)
            (home / name).write_bytes(raw)
            if _is_fault(_validate(home)):
                faulty.append(_words({name: raw}))
        return faulty or [_words(written)]


def prove(folder: Path, files: int, seed: int) -> Outcome:
    """Read so many mutated files."""
    proof = Proof(folder, random.Random(seed))
    while proof.outcome.files < files:
        proof.read()
    proof.outcome.memory_mb = round(peak_mib())
    return proof.outcome


def prove_apart(folder: Path, files: int, seed: int) -> Outcome:
    """Run `prove` as a process of its own, so that its memory can be measured. What it reports on stderr is a fault."""
    command = [sys.executable, "-m", "tests.support.mutated_files", str(folder), str(files), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = Outcome(**json.loads(done.stdout))
    outcome.faults += [done.stderr[-3000:]] if done.stderr else []
    return outcome


def limit_memory() -> None:
    """Let what asks for memory without end fail here, and not on the machine of whoever runs the proof."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _validate(home: Path) -> Result:
    return CliRunner().invoke(root, ["validate", "--home", str(home)])


def _name(kind: str, text: str, number: int) -> str:
    """Where a file belongs in its home."""
    if kind in ("settings", "connections"):
        return {"settings": "config/changewire.yaml", "connections": "config/connections.yaml"}[kind]
    connector = re.search(r"^connector: (\w+)", text, re.MULTILINE)
    folder = f"actions/{connector[1] if connector else 'zoom'}" if kind == "actions" else f"{kind}/zoom"
    return f"{'config/workflows' if kind == 'workflows' else folder}/mutated_{number}.yaml"


def _is_fault(result: Result) -> bool:
    ended = result.exception is None or isinstance(result.exception, SystemExit)
    return not ended or "fault in Changewire" in result.output


def _inside(raw: bytes | None, line: int, column: int) -> bool:
    """Whether a place is one of a file, its end included. None: there is no such file."""
    if raw is None:
        return False
    if not raw:
        return (line, column) == (1, 1)
    lines = re.split("\r\n|\r|\n|\x85|\u2028|\u2029", raw.decode("utf-8", "replace"))
    return 1 <= line <= len(lines) + 1 and column >= 1


def _words(written: dict[str, bytes]) -> str:
    return str({name: raw[:3000] for name, raw in list(written.items())[:1]})


if __name__ == "__main__":
    limit_memory()
    print(json.dumps(asdict(prove(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))  # noqa: T201
