"""The ways in which an answer reaches a gate that demands proofs: each a function of a gate, a proof and a name.

The form and curl resume the gate's flow run; the command runs `prefect-drs approve`; REST sends `approve_gate` to a
server; the raw Prefect API stores the answer, or sets the run's state, around the form.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e.rehearsal import until
from tests.rest.face import RestFace

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from prefect_drs.orchestration.approvals.gate import PendingGate
    from tests.conftest import PrefectServer, Programs

SECONDS = 600.0
RESPONSE_KEY = "paused-approval-response"
REFUSED, STORED = False, True
BUSY = 6  # the exit code of a command that Prefect does not serve now


@dataclass(frozen=True)
class Sent:
    """An answer.

    Args:
        token: the proof; empty: none.
        by: the name that it claims.
        keys: credentials of who runs the command, which makes the proof itself; None: it is given the token.
        bearer: who calls REST.
        glass: a reason for break-glass.
    """

    token: str
    by: str
    bearer: str
    keys: Mapping[str, str] | None = None
    glass: str = ""

    @property
    def form(self) -> dict[str, str]:
        return {"decision": "approve", "by": self.by, "comment": "", "token": self.token, "break_glass": self.glass}


class Ways:
    """Sends answers. Each way returns whether the answer was stored for the execution to judge, or refused at once.

    Args:
        server: the Prefect server.
        programs: the command line.
        client: of the Prefect API.
        rest: the address of the REST face.
    """

    def __init__(self, server: PrefectServer, programs: Programs, client: SyncPrefectClient, rest: str) -> None:
        self._server, self._programs, self._client = server, programs, client
        self._http = httpx.Client(timeout=SECONDS)
        self._rest = RestFace(httpx.Client(base_url=rest, timeout=SECONDS))
        self.all: dict[str, Callable[[PendingGate, Sent, random.Random], bool]] = {
            "form": self.form,
            "command": self.command,
            "curl": self.curl,
            "REST": self.rest,
            "raw Prefect API": self.raw,
        }

    def form(self, gate: PendingGate, sent: Sent, draw: random.Random) -> bool:
        """What Resume in the Prefect UI sends."""
        answer = _pressed_again(lambda: self._http.post(self._resume(gate), json={"run_input": sent.form}))
        return _accepted(answer.json())

    def curl(self, gate: PendingGate, sent: Sent, draw: random.Random) -> bool:
        """The curl of a mail, with as many fields of the form as the sender likes."""
        fields = sent.form
        if not sent.token and draw.random() < 0.5:
            fields = {name: fields[name] for name in ("decision", "by")}
        command = ["curl", "-sS", "-w", "\n%{http_code}", "-X", "POST", self._resume(gate), "-d", "@-"]
        command += ["-H", "content-type: application/json"]
        body = json.dumps({"run_input": fields})

        def run() -> httpx.Response:
            done = subprocess.run(command, input=body, capture_output=True, text=True, check=True, timeout=SECONDS)
            text, _, status = done.stdout.rpartition("\n")
            return httpx.Response(int(status), text=text)

        return _accepted(_pressed_again(run).json())

    def command(self, gate: PendingGate, sent: Sent, draw: random.Random) -> bool:
        """`prefect-drs approve`, with the sender's own credentials, or with a proof from elsewhere."""
        options = ["--by", sent.by]
        if sent.keys is None and sent.token:
            options += ["--token", "-"]
        if sent.glass:
            options += ["--break-glass", sent.glass]

        def run() -> subprocess.CompletedProcess[str] | None:
            done = subprocess.run(
                [str(self._programs.folder / "prefect-drs"), "approve", gate.execution_id, "--wave", "1", *options],
                input=sent.token,
                env={**os.environ, **self._programs.environment, **self._server.environment, **(sent.keys or {})},
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
            return None if done.returncode == BUSY else done

        done = until(run, "Prefect has time for the command", SECONDS)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        assert "approval sent" in done.stdout, done.stdout + done.stderr
        return STORED

    def rest(self, gate: PendingGate, sent: Sent, draw: random.Random) -> bool:
        """`approve_gate` with a token of an operator, who sometimes names somebody else as the sender."""
        body = {"executionId": gate.execution_id, "waveNumber": 1}
        if sent.token:
            body["token"] = sent.token
        if sent.glass:
            body["breakGlass"] = sent.glass
        if draw.random() < 0.1:
            body["by"] = sent.by
        headers = {"Authorization": f"Bearer {sent.bearer}"}
        answer = _pressed_again(lambda: self._rest.send("approve_gate", body, headers=headers))
        assert answer.status_code in {202, 400, 403}, answer.text
        return answer.status_code == 202

    def raw(self, gate: PendingGate, sent: Sent, draw: random.Random) -> bool:
        """An answer stored and a state set without Prefect's own check of the form; or only a state."""
        from prefect.states import Completed, Running

        run = gate.flow_run_id
        state: Any = draw.choice([Running(), Completed(name="Approved", message=f"Approved by {sent.by}")])
        if sent.token or draw.random() < 0.5:
            self._client.create_flow_run_input(run, RESPONSE_KEY, json.dumps(sent.form))
        elif draw.random() < 0.5:
            self._client.create_flow_run_input(run, "prefect-drs-standing-999000", _passed(gate))
        self._client.set_flow_run_state(run, state, force=True)
        return STORED

    def _resume(self, gate: PendingGate) -> str:
        return f"{self._server.api_url}/flow_runs/{gate.flow_run_id}/resume"


def _pressed_again(send: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, after some more tries where the server is busy: Prefect's is while its database is locked."""
    answers: list[httpx.Response] = []

    def answered() -> bool | None:
        answers.append(send())
        return answers[-1].status_code != HTTPStatus.SERVICE_UNAVAILABLE or None

    until(answered, "the server is not busy", SECONDS, every=0.5)
    return answers[-1]


def _passed(gate: PendingGate) -> str:
    """A standing that says that nothing lacks."""
    assert gate.standing is not None
    return gate.standing.model_copy(update={"lacks": ""}).model_dump_json()


def _accepted(answer: Mapping[str, Any]) -> bool:
    assert answer.get("status") == "ACCEPT", answer  # whatever it holds, it has the form's fields
    return STORED
