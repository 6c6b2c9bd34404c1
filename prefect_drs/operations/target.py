"""What a request is about: the stored plan, group and accounts that it names.

In: a request, or what a command names. Out: a `Target`, which a narrowed grant covers or not. What a request does not
name is empty, and what it names and nobody stored is too: a manifest of the caller's own proves nothing by its names.
An execution is of the plan that its report names.
"""

from __future__ import annotations

from typing import Any

from prefect_drs.estate.model import DocumentKind, Estate, Stored
from prefect_drs.estate.store import read_estate
from prefect_drs.identity.policy import Target
from prefect_drs.operations.context import Context
from prefect_drs.orchestration.executions.names import named_execution
from prefect_drs.orchestration.executions.reports import find_published
from prefect_drs.orchestration.flow.deployed import find_started


def target_of(context: Context, request: Any) -> Target:
    """What a request is about: the stored plan, group and accounts that it names; what it does not name is empty."""
    plan, group = _text(request, "plan_id") or _text(request, "plan_name"), _text(request, "group_id")
    account, execution = _text(request, "account_id") or _text(request, "target_account_id"), None
    if getattr(request, "manifest", None) is not None:
        return Target()  # of the caller's own: its names prove nothing
    if (named := _text(request, "execution_id")) is not None:
        execution = _plan_of_execution(named)
        plan = plan or execution
    if plan is None and group is None:
        return Target(accounts=frozenset({account} if account else ()))
    estate = read_estate()
    stored_plan = estate.named(DocumentKind.PLAN, plan) if plan else None
    stored_group = estate.named(DocumentKind.GROUP, group) if group else None
    groups = (*_groups_of(estate, stored_plan), *([stored_group] if stored_group else []))
    accounts = {str(each.definition.get("accountId") or context.sessions.caller_account_id) for each in groups}
    return Target(
        stored_plan.name if stored_plan else execution,
        stored_group.name if stored_group else None,
        frozenset(accounts | ({account} if account else set())),
    )


def _groups_of(estate: Estate, plan: Stored | None) -> tuple[Stored, ...]:
    return estate.groups_of(plan) if plan is not None else ()


def _plan_of_execution(name: str) -> str | None:
    execution_id = named_execution(name)
    report, _ = find_published(execution_id)
    if report is not None:
        return report.plan_name
    run = find_started(execution_id)
    return run.plan_name if run is not None else None


def _text(request: Any, name: str) -> str | None:
    value = getattr(request, name, None)
    return value if isinstance(value, str) and value else None
