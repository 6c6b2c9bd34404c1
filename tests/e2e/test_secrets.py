"""Secrets are planted where a drill meets them, and searched for in all that it leaves behind, failures included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client

from prefect_drs.orchestration.blocks import TargetAccount
from tests.conftest import PrefectServer
from tests.e2e.rehearsal import Rehearsal, plan

REGION = "eu-north-1"
ACCOUNT = "444455556666"
EXTERNAL_ID = "planted-external-id-5f1c"
RIGHT_ID = "planted-right-external-id-77aa"
TOKEN = "planted-webhook-token-a9e2"
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-secret-access-key-3b7d",
    "AWS_SESSION_TOKEN": "planted-session-token-c4f8",
}
PLANTED = (EXTERNAL_ID, RIGHT_ID, TOKEN, *SECRETS.values())


def save_account(external_id: str) -> None:
    block: Any = TargetAccount(account_id=ACCOUNT, regions=[REGION], external_id=external_id)  # type: ignore[arg-type]
    assert external_id not in repr(block) + str(block) + block.model_dump_json()
    block.save("planted-account", overwrite=True, _sync=True)


@pytest.fixture
def planted(rehearsal: Rehearsal) -> Iterator[dict[str, str]]:
    """An account entered with an ExternalId, a webhook with a token that answers 404, keys in the environment."""
    save_account(EXTERNAL_ID)
    hook: Any = CustomWebhookNotificationBlock(
        name="planted",
        url=f"{rehearsal.environment['AWS_ENDPOINT_URL']}/_sandbox/nothing/{{{{token}}}}",
        secrets={"token": TOKEN},  # type: ignore[arg-type]
        json_data={"text": "{{body}}"},
        allow_private_urls=True,
    )
    hook.save("planted-hook", overwrite=True, _sync=True)
    reference = f"{CustomWebhookNotificationBlock.get_block_type_slug()}/planted-hook"
    unknown_key = {"AWS_ACCESS_KEY_ID": "ASIAPLANTEDKEY000001"}  # the sandbox checks the secrets of those it knows
    yield SECRETS | unknown_key | {"PREFECT_DRS_NOTIFY_BLOCKS": reference, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    with get_client(sync_client=True) as client:
        for block, name in ((TargetAccount, "planted-account"), (CustomWebhookNotificationBlock, "planted-hook")):
            client.delete_block_document(client.read_block_document_by_name(name, block.get_block_type_slug()).id)


def leaks(*texts: str, folders: tuple[Path, ...]) -> list[str]:
    """Where a planted secret stands in clear: in what was printed, or in any file, Prefect's database included."""
    found = [f"output: {secret}" for text in texts for secret in PLANTED if secret in text]
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found += [f"{path.name}: {secret}" for secret in PLANTED if secret.encode() in content]
    return found


def test_no_secret_is_left_in_anything_that_a_drill_prints_or_stores(
    rehearsal: Rehearsal, prefect_server: PrefectServer, planted: dict[str, str], tmp_path: Path
) -> None:
    manifest = plan(REGION, {"Database": ["q-db1"], "Web": ["q-web1"]}, gates=["Web"])
    for group in manifest["protectionGroups"]:
        group["accountId"] = ACCOUNT
    file, bindings = tmp_path / "plan.json", tmp_path / "bindings.yaml"
    file.write_text(json.dumps(manifest))
    seeded = rehearsal.cli("sandbox", "seed", file, "--bindings", bindings, "--external-id", RIGHT_ID)
    assert seeded.returncode == 0, seeded.stderr
    home = tmp_path / "home"
    environment = planted | {"PREFECT_DRS_HOME": str(home)}

    refused = rehearsal.drill(file, bindings, "--yes", "--debug", **environment)
    assert refused.ended() in {3, 5}, refused.stderr[-6000:]
    assert "Traceback" in refused.stderr  # with --debug
    assert re.search(r"AssumeRole .*AccessDenied", refused.stderr)
    looked = rehearsal.cli("runbook", file, "--bindings", bindings, "--json", "--debug", **environment)
    assert looked.returncode == 5
    tried = rehearsal.cli("op", "validate_target_account", "--body", json.dumps({"accountId": ACCOUNT}), **environment)

    save_account(RIGHT_ID)
    rehearsal.control(
        "POST",
        "/faults",
        {"kind": "server", "account": ACCOUNT, "region": REGION, "server": "q-web1", "stage": "launch"},
    )
    failed = rehearsal.drill(file, bindings, "--yes", "--debug", **environment)
    assert failed.ended() == 3, failed.stderr[-3000:]
    report = failed.report()
    assert [wave["status"] for wave in report["waves"]] == ["COMPLETED", "FAILED"]
    unsent = report["notifications"]["failed"]
    assert unsent
    assert all("404" in one["error"] for one in unsent)  # httpx quotes the address in it

    folders = (prefect_server.home, home, rehearsal.folder, tmp_path)
    printed = [refused.stdout, refused.stderr, failed.stdout, failed.stderr, seeded.stdout, seeded.stderr]
    printed += [looked.stdout, looked.stderr, tried.stdout, tried.stderr]
    assert leaks(*printed, folders=folders) == []
    assert json.dumps(rehearsal.control("GET", f"/requests?region={REGION}")).count("planted") == 0
