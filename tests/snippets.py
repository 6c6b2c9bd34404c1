"""The snippets of a page of documentation, and a reader who tries them one after another.

In: a Markdown file. Out: what went wrong where, as a failed test. All snippets of a page share one directory, the
environment of one shell and one Python interpreter, as a reader's would. What is changed on the way: the Prefect
server's address, the sandbox's speed, and `EXECUTION`, which becomes the id of the execution that waits at the gate in
question.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKING_COPY = ("blocks", "deployments", "docs", "examples", "flows", "prefect.yaml")
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED_SERVER = "http://127.0.0.1:4200"
SPEED = "--speed 3600"  # an hour a second: nobody looks on
PATIENCE_SECONDS = 90
NEVER_ENDING = ("prefect worker start", "prefect-drs serve")
DRIVER = """
import json, os, sys, traceback
scope = {"__name__": "__main__"}
for line in sys.stdin:
    told = json.loads(line)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["directory"])
    try:
        exec(compile(told["code"], told["name"], "exec"), scope)
        said = ""
    except BaseException:
        said = traceback.format_exc()
    print("\\n<<said>>" + json.dumps(said), flush=True)
"""


@dataclass(frozen=True)
class Snippet:
    """A fenced block: its language, the words after it, its text, and where it stands."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: str) -> list[Snippet]:
    """The fenced blocks of a page, from top to bottom."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Snippet(page, text.count("\n", 0, found.start()) + 2, found[1], tuple(found[2].split()), found[3])
        for found in FENCE.finditer(text)
    ]


class Reader:
    """Tries what a page says. Use as a context manager: what it started ends with it."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], server: str, waiting: Callable[[int], str | None]
    ) -> None:
        self.directory = directory
        self._environment = dict(environment)
        self._server = server
        self._waiting = waiting
        self._notes = directory / ".reader"
        self._interpreter: subprocess.Popen[str] | None = None
        self._background: list[tuple[Snippet, subprocess.Popen[bytes], Path]] = []
        self._execution_before: str | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Reader:
        self._notes.mkdir(parents=True)
        for name in WORKING_COPY:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source, self.directory / name, ignore=shutil.ignore_patterns("__pycache__", "bindings*")
                )
            else:
                shutil.copy(source, self.directory / name)
        self._stack.callback(self._shell, "prefect-drs sandbox stop")
        return self

    def __exit__(self, *_: object) -> None:
        for _, process, _ in self._background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if self._interpreter is not None:
            self._interpreter.kill()
            self._interpreter.communicate()
        self._stack.close()

    def read(self, snippet: Snippet) -> None:
        """Try one snippet."""
        match snippet.language:
            case "bash" | "sh" if "background" in snippet.words:
                self._start(snippet)
            case "bash" | "sh":
                code, output = self._shell(self._as_here(snippet))
                assert code == 0, f"{snippet} ended with {code}:\n{output}{self._said_beside()}"
            case "console":
                self._session(snippet)
            case "python":
                self._python(snippet)
            case "yaml" | "json":
                self._keep(snippet)
            case "toml":
                tomllib.loads(snippet.text)
            case other:
                pytest.fail(f"{snippet}: nobody knows how to try {other or 'a block without a language'}")

    def finish(self) -> None:
        """Wait for what went on in the background and ends by itself."""
        for snippet, process, log in self._background:
            if not snippet.text.startswith(NEVER_ENDING):
                code = process.wait(timeout=PATIENCE_SECONDS)
                assert code == 0, f"{snippet} ended with {code}:\n{log.read_text(errors='replace')}"

    def _said_beside(self) -> str:
        """The ends of what the commands in the background have said."""
        return "".join(
            f"\n{started}:\n{log.read_text(errors='replace')[-3000:]}" for started, _, log in self._background
        )

    def _as_here(self, snippet: Snippet) -> str:
        text = snippet.text.replace(DOCUMENTED_SERVER, self._server)
        text = re.sub(r"--speed \d+", SPEED, text)
        if "EXECUTION" in text:
            text = text.replace("EXECUTION", self._execution(snippet))
        return text

    def _execution(self, snippet: Snippet) -> str:
        """The execution that waits before the wave spoken of; where none is, the former again, once it is over."""
        found = re.search(r"--wave (\d+)", snippet.text)
        if found is None:
            assert self._execution_before is not None, f"{snippet}: which execution is meant?"
            self.finish()
            return self._execution_before
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (execution := self._waiting(int(found[1]))) is None:
            for started, process, log in self._background:
                if process.poll():
                    pytest.fail(f"{started} ended with {process.returncode}:\n{log.read_text(errors='replace')}")
            assert time.monotonic() < deadline, f"{snippet}: no gate before wave {found[1]} was opened"
            time.sleep(0.2)
        self._execution_before = execution
        return execution

    def _shell(self, text: str) -> tuple[int, str]:
        """Run it in a shell; what it exports, and where it goes, is there for the next one."""
        kept = self._notes / "environment"
        script = f"set -euo pipefail\ntrap 'code=$?; env -0 > {kept}; pwd > {kept}.pwd; exit $code' EXIT\n{text}\n"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", script],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE_SECONDS,
            check=False,
        )
        pairs = kept.read_bytes().decode().rstrip("\0").split("\0")
        self._environment = dict(pair.split("=", 1) for pair in pairs)
        self.directory = Path(kept.with_suffix(".pwd").read_text().rstrip("\n"))
        return done.returncode, done.stdout.decode(errors="replace")

    def _start(self, snippet: Snippet) -> None:
        log = self._notes / f"background-{len(self._background)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", f"exec {self._as_here(snippet).strip()}"],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._background.append((snippet, process, log))

    def _session(self, snippet: Snippet) -> None:
        """`$ command    # exit code N`, then lines of its output; `…` stands for anything."""
        for command, shown in _commands(snippet.text):
            wanted = re.search(r"# exit code (\d+)$", command)
            code, output = self._shell(command)
            assert code == (int(wanted[1]) if wanted else 0), f"{snippet}: `{command}` ended with {code}:\n{output}"
            for line in filter(None, (line.strip("… ") for line in shown)):
                assert line in output, f"{snippet}: `{command}` did not say {line!r} but:\n{output}"

    def _python(self, snippet: Snippet) -> None:
        errors = self._notes / "python.log"
        if self._interpreter is None:
            with errors.open("w") as log:
                self._interpreter = subprocess.Popen(
                    ["python", "-c", DRIVER],
                    env=self._environment,
                    cwd=self.directory,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        assert self._interpreter.stdin is not None
        assert self._interpreter.stdout is not None
        told = {
            "environment": self._environment,
            "directory": str(self.directory),
            "code": self._as_here(snippet),
            "name": str(snippet),
        }
        self._interpreter.stdin.write(json.dumps(told) + "\n")
        self._interpreter.stdin.flush()
        for line in self._interpreter.stdout:
            if line.startswith("<<said>>"):
                said = json.loads(line.removeprefix("<<said>>"))
                assert not said, f"{snippet}:\n{said}"
                return
        pytest.fail(f"{snippet}: the interpreter ended:\n{errors.read_text(errors='replace')}")

    def _keep(self, snippet: Snippet) -> None:
        """Write it under the name its first line gives, if any, and have it checked by the code it belongs to."""
        named = re.match(r"# (\S+\.(?:yaml|json))\n", snippet.text)
        path = self.directory / (named[1] if named else f".reader/snippet-{snippet.line}.{snippet.language}")
        path.write_text(snippet.text, encoding="utf-8")
        check_data(snippet, path)


def check_data(snippet: Snippet, path: Path) -> None:
    """Load a file as the code does that it is meant for."""
    from ruamel.yaml import YAML

    from prefect_drs.plan import check_manifest, load_bindings
    from prefect_drs.plan.read.fields import BINDING_KINDS
    from prefect_drs.report.model import RecoveryReport

    keys = set(YAML(typ="safe").load(snippet.text))
    if "recoveryPlans" in keys:
        assert not check_manifest(path).faults, f"{snippet}: {check_manifest(path).faults}"
    elif path.name == "accounts.yaml":
        from prefect_drs.operations.sandbox_seeding import read_accounts
        from prefect_drs.simulator.estate_model import Circumstances

        for told in read_accounts(path).values():
            Circumstances.model_validate(told)
    elif keys <= set(BINDING_KINDS):
        load_bindings(path)
    elif "executionId" in keys:
        RecoveryReport.model_validate_json(snippet.text)
    elif keys == {"source", "detail-type"}:  # the pattern of an EventBridge rule
        from prefect_drs.aws.eventbridge import SOURCE
        from prefect_drs.plan.notify import Milestone

        pattern = json.loads(snippet.text)
        assert pattern["source"] == [SOURCE]
        assert set(pattern["detail-type"]) <= set(Milestone)
    elif keys == {"policy", "reason", "version"}:
        from prefect_drs.operations.access_policy import SetAccessPolicy

        SetAccessPolicy.model_validate_json(snippet.text)
    elif keys == {"faults"}:
        from prefect_drs.simulator.faults import load_faults

        assert load_faults(path), f"{snippet}: no faults in it"
    elif keys == {"Version", "Statement"}:
        assert snippet.page == "docs/permissions.md", f"{snippet}: only that page's policies are compared with the code"
    elif keys == {"waves"}:  # a part of an example, which the tests of plans check
        examples = [example.read_text(encoding="utf-8") for example in (ROOT / "examples").glob("*.*")]
        assert any(snippet.text in example for example in examples), f"{snippet} is in no example"
    else:
        pytest.fail(f"{snippet}: nobody checks a file with {', '.join(sorted(keys))}")


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    command, shown = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    if command:
        yield command, shown


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what leads to an AWS account or a Prefect server, and with `changes`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PREFECT_"))}
    with suppress(KeyError):
        kept["AWS_CA_BUNDLE"] = os.environ["AWS_CA_BUNDLE"]
    return kept | dict(changes)
