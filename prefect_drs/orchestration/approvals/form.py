"""The form of a gate: its fields, and the inputs of a Paused flow run in which Prefect stores the form and its answer.

In: a flow run's id. Out: stored inputs, through Prefect's client with an explicit run id (`RunInput.save` and
`prefect.input` are sync or async depending on the calling context). The three keys are those of
`prefect.input.keyset_from_paused_state` for a pause with the key `approval`.

Must never: read an input with another key as the answer, even if the other key begins with the answer's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRunInput
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.input import RunInput, keyset_from_base_key
from pydantic import Field

from prefect_drs.core.errors import UsageError

PAUSE_KEY = "approval"
KEYSET: dict[str, str] = {str(role): key for role, key in keyset_from_base_key(f"paused-{PAUSE_KEY}").items()}
RESPONSE_KEY = KEYSET["response"]
_PAGE = 200  # inputs; the most that the API gives at once


class Approval(RunInput):
    """The form that the Prefect UI shows when a person resumes a gate's flow run."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        description="Approve starts this wave; reject cancels it and all waves that depend on it.",
    )
    by: str = Field(title="By", min_length=1, pattern=r"\S", description="Your name. It goes into the recovery report.")
    comment: str = Field(default="", title="Comment", description="Goes into the recovery report. May stay empty.")


class SignedApproval(Approval):
    """The form of a gate that demands proofs."""

    token: str = Field(
        default="",
        title="Proof",
        description="The proof of who you are, for this wave alone: what `prefect-drs token --approve` prints. Without "
        "it, an approval does not count. A rejection needs none.",
        repr=False,
    )
    break_glass: str = Field(
        default="",
        title="Break-glass",
        description="Leave empty. A reason here passes the gate without what it demands, and everybody is told.",
    )


def approval_form(decision: Literal["approve", "reject"], by: str, comment: str) -> Approval:
    """A filled form without a proof; UsageError if `by` is blank."""
    if not by.strip():
        raise UsageError("an answer needs a name: say who decides with --by NAME")
    return Approval(decision=decision, by=by.strip(), comment=comment)


def signed_form(
    decision: Literal["approve", "reject"], by: str, comment: str, *, token: str = "", break_glass: str = ""
) -> SignedApproval:
    """A filled form of a gate that demands proofs; UsageError if `by` is blank."""
    plain = approval_form(decision, by, comment)
    return SignedApproval(**plain.model_dump(), token=token, break_glass=break_glass)


def store_form(client: SyncPrefectClient, run_id: UUID, summary: str, *, signed: bool = False) -> None:
    """Store the form of a Paused run: first the summary (Markdown), so that nobody can answer without it.

    The schema is that of `RunInput.save`: the UI renders it, and the server validates answers against it. It is that
    of a subclass, since the docstring of `Approval` would be part of its own schema.
    """
    form = SignedApproval if signed else Approval
    schema = form.with_initial_data().model_json_schema(ref_template="#/definitions/{model}")
    if summary:
        _store_once(client, run_id, KEYSET["description"], summary)
    _store_once(client, run_id, KEYSET["schema"], schema)


def replace_form(client: SyncPrefectClient, run_id: UUID, summary: str, *, signed: bool) -> None:
    """Store the form anew, also where there is one."""
    for key in (KEYSET["description"], KEYSET["schema"]):
        delete_input(client, run_id, key)
    store_form(client, run_id, summary, signed=signed)


def _store_once(client: SyncPrefectClient, run_id: UUID, key: str, value: object) -> None:
    try:
        client.create_flow_run_input(run_id, key, json.dumps(value))
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.CONFLICT:  # two attempts of an execution store the same form
            raise


def has_form(client: SyncPrefectClient, run_id: UUID) -> bool:
    """Whether the form is stored; without its schema, the server refuses every answer."""
    return input_of(client, run_id, KEYSET["schema"]) is not None


def input_of(client: SyncPrefectClient, run_id: UUID, key: str) -> FlowRunInput | None:
    """The input of a flow run with exactly this key.

    The API filters by key prefix only (`filter_flow_run_input` in Prefect's server/models), and its `/input/{key}`
    does not return when the input was created.
    """
    return next((stored for stored in inputs_of(client, run_id, key) if stored.key == key), None)


def inputs_of(client: SyncPrefectClient, run_id: UUID, prefix: str) -> Iterator[FlowRunInput]:
    """The inputs of a flow run whose keys begin with a prefix, a page when it is needed."""
    seen: set[str] = set()
    while True:
        page = client.filter_flow_run_input(run_id, key_prefix=prefix, limit=_PAGE, exclude_keys=seen)
        yield from page
        if len(page) < _PAGE:
            return
        seen |= {stored.key for stored in page}


def delete_input(client: SyncPrefectClient, run_id: UUID, key: str) -> None:
    """Delete an input of a flow run, if there is one."""
    try:
        client.delete_flow_run_input(run_id, key)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
    except ObjectNotFound:
        return


def create_input(client: SyncPrefectClient, run_id: UUID, key: str, value: str) -> bool:
    """Create an input of a flow run; False if the key exists."""
    try:
        client.create_flow_run_input(run_id, key, value)
    except ObjectAlreadyExists:
        return False
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.CONFLICT:
            return False
        raise
    return True
