"""Gates that demand proofs, with real proofs: people with keys of the sandbox's STS, and an OIDC issuer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3

from prefect_drs.aws.sessions import Sessions
from prefect_drs.core.clock import WallClock
from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.execution.events import ApprovalAttempted, ApprovalCounted, Event
from prefect_drs.identity import Trust, trust_of_this_process
from prefect_drs.identity.approvers import approval_binding
from prefect_drs.identity.policy import PolicyDocument
from prefect_drs.identity.sts_proof import digest_of, make_token
from prefect_drs.identity.trust import OidcIssuer
from prefect_drs.identity.verify import DEFAULT_AUDIENCE
from prefect_drs.orchestration.approvals.verifier import PolicyVerifier
from prefect_drs.orchestration.storage.access_policy import PolicyVersion
from prefect_drs.recovery.approvals import GateApprovals, GateCheck
from prefect_drs.recovery.drivers import InlineExecutor
from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import Journal, MemoryJournal
from prefect_drs.recovery.options import EngineOptions, EnginePorts
from prefect_drs.recovery.resume import Start, Starter
from prefect_drs.runbook import Runbook
from prefect_drs.simulator import plant_role
from tests.identity.issuer import Issuer

ACCOUNT = "123456789012"
REGION = "eu-central-1"
_ids = count(1)


def runbook(approval: Any = "signed", *, mode: str = "drill", instance_type: str = "m5.large") -> Runbook:
    """Two waves with gates, which demand the same."""
    return Runbook.model_validate(
        {
            "planName": "Shop",
            "mode": mode,
            "findings": [],
            "waves": [
                {
                    "waveNumber": number,
                    "waveName": f"wave {number}",
                    "dependsOnWaves": [],
                    "gate": True,
                    "approval": approval,
                    "servers": [
                        {
                            "sourceServerId": f"s-{number:017d}",
                            "name": f"app-{number}",
                            "accountId": ACCOUNT,
                            "region": REGION,
                            "group": f"g{number}",
                            "replicationState": "CONTINUOUS",
                            "lag": None,
                            "recoveryInstanceId": None,
                            "settings": {"instanceType": instance_type},
                            "changes": [],
                        }
                    ],
                }
                for number in (1, 2)
            ],
        }
    )


class MovedClock(WallClock):
    """The machine's clock, set ahead by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class People:
    """Who signs: sessions of roles by the sandbox's STS, made once each."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str, str], boto3.Session] = {}

    def session(self, name: str, role: str = "Operators", account: str = ACCOUNT) -> boto3.Session:
        key = (name, role, account)
        if key not in self._sessions:
            arn = plant_role(account, role)
            got = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
            self._sessions[key] = boto3.Session(
                got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], region_name=REGION
            )
        return self._sessions[key]

    @staticmethod
    def arn(name: str, role: str = "Operators", account: str = ACCOUNT) -> str:
        return f"arn:aws:sts::{account}:assumed-role/{role}/{name}"

    def token(self, name: str, bound: Mapping[str, str] | None, **options: Any) -> str:
        who = {key: options.pop(key) for key in ("role", "account") if key in options}
        audience = options.pop("audience", DEFAULT_AUDIENCE)
        at = options.pop("at", None) or datetime.now(UTC)
        return make_token(audience, at=at, bound=bound, session=self.session(name, **who), **options)


def policy(issuer: Issuer | None = None) -> PolicyDocument:
    """Operators and admins of AWS, and of the issuer; readers."""
    arn = f"arn:aws:iam::{ACCOUNT}:role"
    grants = [
        {"role": "DRSOrchestrationAdmin", "arns": [f"{arn}/Admins"]},
        {"role": "DRSOperator", "arns": [f"{arn}/Operators"]},
        {"role": "DRSOperator", "arns": [f"{arn}/Elsewhere"], "plans": ["other"]},
        {"role": "DRSReadOnly", "arns": [f"{arn}/Readers"]},
    ]
    if issuer is not None:
        grants.append({"role": "DRSOperator", "issuer": issuer.url, "groups": ["operators"]})
    issuers = [] if issuer is None else [{"issuer": issuer.url}]
    return PolicyDocument.model_validate({"grants": grants, "issuers": issuers})


class Gates:
    """An execution at its gates, judged by the real verification over STS and the issuer."""

    def __init__(
        self,
        approval: Any = "signed",
        *,
        document: PolicyDocument | None = None,
        starter: Starter | None = None,
        journal: Journal | None = None,
        execution_id: str = "",
        trust: Any = None,
        runbook_: Runbook | None = None,
    ) -> None:
        self.document, self.clock = document, MovedClock()
        self.events: list[Event] = []
        self.journal = journal or MemoryJournal()
        ports = EnginePorts(Sessions(), WallClock(), self.journal, InlineExecutor(), observers=(self.events.append,))
        start = Start(starter=starter or Starter(People.arn("starter"), True))
        self.execution_id = execution_id or f"e-{next(_ids)}"
        book = None if journal is not None and journal.read() else runbook_ or runbook(approval)
        self.engine = Engine(self.execution_id, book, ports, EngineOptions(workers=1, seed=1), start)
        read = lambda: None if self.document is None else _version(self.document)  # noqa: E731
        self.verifier = PolicyVerifier(read, trust or _trust, self.clock)

    def check(self, wave: int = 1) -> GateCheck:
        return GateApprovals(self.verifier).check(self.engine, wave, self.clock)

    def bound(self, wave: int = 1, **changed: str) -> dict[str, str]:
        return {**approval_binding(self.execution_id, wave, self.check(wave).digest), **changed}

    def give(self, token: str = "", wave: int = 1, **fields: Any) -> bool:
        """Answer as the form does; whether the gate is passed."""
        values = {"by": "somebody", "at": datetime.now(UTC), "answer_id": f"answer-{next(_ids)}", **fields}
        return self.check(wave).consider(GateAnswer(Decision.APPROVED, token=token, **values)).answer is not None

    @property
    def counted(self) -> list[ApprovalCounted]:
        return [event for event in self.events if isinstance(event, ApprovalCounted)]

    @property
    def attempts(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, ApprovalAttempted)]


def oidc_token(issuer: Issuer, bound: Mapping[str, str], **changed: Any) -> str:
    return issuer.token(**{"groups": ["operators"], "nonce": digest_of(bound), **changed})


def _version(document: PolicyDocument) -> PolicyVersion:
    return PolicyVersion(version=1, policy=document, changed_at=datetime.now(UTC), changed_by="test")


def _trust(issuers: tuple[OidcIssuer, ...]) -> Trust:
    return trust_of_this_process(issuers)


def holds_no_token(gates: Gates, *tokens: str) -> bool:
    """Whether no proof is in the texts of the events, nor in their reprs."""
    shown = " ".join([*(event.text or "" for event in gates.events), *map(repr, gates.events)])
    return not any(token and token in shown for token in tokens) and not re.search("X-Amz-Signature", shown)


def stored_json(gates: Gates) -> str:
    """The journal as it is stored."""
    return json.dumps([event.model_dump(mode="json", by_alias=True) for event in gates.journal.read()])
