"""Rules that run one check of `launch_settings` for every server."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook import launch_settings as checks
from prefect_drs.runbook.launch_settings import Problem
from prefect_drs.runbook.preflight_input import LaunchPreview, PreflightInput, named
from prefect_drs.runbook.rules.rule import Observation, PreflightRule, rule


def observed(preview: LaunchPreview, problem: Problem) -> Observation:
    """A problem of a server's setting, with where its value comes from."""
    server = preview.server
    found = server.effective.get(problem.setting)
    origin = f" (from the {found.origin})" if found else ""
    return Observation(
        f"{named(server)}: {problem.setting} {problem.value}{origin}: {problem.message}",
        server.location,
        server.source_server_id,
    )


def of_each_server(code: str, check: checks.Check, *, what: str, remedy: str) -> PreflightRule:
    """A rule that runs one check for every server."""

    def look(preflight: PreflightInput) -> Iterator[Observation]:
        for preview, facts in preflight.checkable:
            yield from (observed(preview, problem) for problem in check(preview.settings, facts))

    look.__name__ = check.__name__
    return rule(code, what=what, remedy=remedy)(look)
