"""Drill a stored plan and end what the drill launched: validate, runbook, start, follow, report, terminate.

    python examples/python/nightly_drill.py Shop recover/production --report drill.html

The deployment's worker carries the drill; this process only follows it. Gates are approved in advance, in the name of
the caller. Needs PREFECT_API_URL and AWS credentials. Exit codes: 0 the drill is COMPLETED and its instances are gone,
1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations import Context, invoke

POLL_SECONDS = 30.0
NOT_ENDED = {"PENDING", "IN_PROGRESS", "PAUSED"}


def nightly_drill(plan: str, deployment: str, report: Path, context: Context) -> tuple[str, bool]:
    """Drill `plan` by `deployment`; return the execution's status, and whether its instances are gone.

    Raises:
        SystemExit: the stored estate has faults, or the preflight refuses the plan; nothing was launched.
        PrefectDrsError: an operation was refused; its code says why.
    """

    def call(operation: str, **body: Any) -> Any:
        return invoke(operation, body, context=context)

    if not (checked := call("validate_manifest", manifest="estate:"))["valid"]:
        raise SystemExit("\n".join(f"{fault['code']}: {fault['message']}" for fault in checked["faults"]))
    if (runbook := call("get_runbook", planId=plan, executionType="DRILL"))["refused"]:
        raise SystemExit("\n".join(f"{finding['code']}: {finding['message']}" for finding in runbook["findings"]))
    drill = {"planId": plan, "executionType": "DRILL", "deployment": deployment, "approveGates": True}
    execution_id = call("start_execution", **drill)["executionId"]
    while (seen := call("get_execution", executionId=execution_id))["status"] in NOT_ENDED:
        context.clock.wait(POLL_SECONDS)
    if not seen["waves"]:  # it never began: there is no report, and no instance
        return seen["status"], True
    document = call("get_execution_report", executionId=execution_id, format="html")["document"]
    report.write_text(document, encoding="utf-8")
    return seen["status"], call("terminate_instances", executionId=execution_id)["status"] == "TERMINATED"


def main() -> int:
    """Drill the plan that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="the name or the id of a stored plan")
    parser.add_argument("deployment", help="a deployment of the flow `recover`, as FLOW/NAME")
    parser.add_argument("--report", type=Path, default=Path("drill.html"), help="where the report goes")
    given = parser.parse_args()
    try:
        status, gone = nightly_drill(given.plan, given.deployment, given.report, Context(caller="the nightly drill"))
    except PrefectDrsError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    print(status, "" if gone else "(not all of its instances are gone)")
    return 0 if status == "COMPLETED" and gone else 1


if __name__ == "__main__":
    sys.exit(main())
