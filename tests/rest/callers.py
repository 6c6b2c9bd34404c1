"""Callers with a role each, an issuer, an access policy and an audit log around the REST interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from starlette.testclient import TestClient

from prefect_drs.identity.policy import PolicyDocument, Role
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.orchestration.storage.access_policy import PolicyReader, PolicyVersion
from prefect_drs.orchestration.storage.audit_log import AuditLog, AuditRecord
from prefect_drs.recovery.journal import FolderStorage
from prefect_drs.rest.app import build_app
from prefect_drs.rest.options import RestOptions
from prefect_drs.simulator import plant_role
from prefect_drs.simulator.server import SandboxServer
from tests.identity.issuer import Issuer

LOCAL = "http://127.0.0.1:8080"
ACCOUNT, OTHER_ACCOUNT = "123456789012", "222222222222"
REGION = "eu-central-1"


class World:
    """A sandbox with a role for each of ours, an issuer, a policy for both, and an audit log."""

    def __init__(self, sandbox: SandboxServer, issuer: Issuer, folder: Path) -> None:
        self.sandbox, self.issuer = sandbox, issuer
        self.audit = AuditLog(lambda: FolderStorage(folder))
        self.tokens: dict[Role, str] = {}
        grants: list[dict[str, Any]] = [{"role": role, "arns": [self.arn(role)]} for role in Role]
        grants += [{"role": role, "issuer": issuer.url, "groups": [f"dr-{role}"]} for role in Role]
        self.document = {"grants": grants, "issuers": [{"issuer": issuer.url}]}

    @staticmethod
    def arn(role: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{role}"

    def session(self, role: str, account: str = ACCOUNT) -> boto3.Session:
        arn = plant_role(account, role)
        got = boto3.client("sts", region_name=REGION).assume_role(RoleArn=arn, RoleSessionName="ada")["Credentials"]
        return boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], region_name=REGION)

    def token(self, role: Role) -> str:
        if role not in self.tokens:
            self.tokens[role] = make_token("prefect-drs", at=datetime.now(UTC), session=self.session(role))
        return self.tokens[role]

    def options(self, document: dict[str, Any] | None = None, **options: Any) -> RestOptions:
        policy = PolicyVersion(
            version=1,
            policy=PolicyDocument.model_validate(document or self.document),
            changed_at=datetime.now(UTC),
            changed_by="the test",
        )
        reader = PolicyReader(read=lambda: policy)
        return RestOptions(**{"caller": "nobody", "policies": reader, "audit": self.audit, **options})

    @contextmanager
    def client(self, peer: str = "10.0.0.1", **options: Any) -> Iterator[TestClient]:
        app = build_app(self.options(**options))
        with TestClient(app, base_url=LOCAL, client=(peer, 1234)) as client:
            yield client

    def records(self) -> list[AuditRecord]:
        now = datetime.now(UTC)
        return list(self.audit.read(now - timedelta(hours=1), now + timedelta(minutes=1)))

    def sts_calls(self) -> int:
        return len(self.sandbox.log.find(operation="GetCallerIdentity"))
