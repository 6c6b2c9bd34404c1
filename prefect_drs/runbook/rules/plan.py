"""Errors found while the plan was resolved: hooks, checks, snapshots and exclusions that are impossible now."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.runbook.model import FindingSeverity
from prefect_drs.runbook.preflight_input import PreflightInput
from prefect_drs.runbook.rules.rule import Observation, PreflightRule, rule


def _resolution_errors(code: str, name: str, *, what: str, remedy: str, waivable: bool = False) -> PreflightRule:
    def look(preflight: PreflightInput) -> Iterator[Observation]:
        for error in preflight.resolution_errors:
            if error.code == code:
                yield Observation(error.message, error.location, error.source_server_id)

    look.__name__ = name
    return rule(code, what=what, remedy=remedy, waivable=waivable)(look)


hooks_have_a_place = _resolution_errors(
    "HOOK_WITHOUT_PLACE",
    "hooks_have_a_place",
    what="a hook could run in several accounts or regions",
    remedy="give it `accountId` and `region`",
)
checks_name_servers_of_the_wave = _resolution_errors(
    "CHECK_NAMES_NO_SERVER",
    "checks_name_servers_of_the_wave",
    what="a health check is of a server that the wave does not have",
    remedy="correct its `servers`",
)
checks_are_installed = _resolution_errors(
    "CHECK_NOT_INSTALLED",
    "checks_are_installed",
    what="the package of a `python` check is not installed here",
    remedy="install it where the flow runs",
)
snapshots_are_of_servers_of_the_plan = _resolution_errors(
    "SNAPSHOT_NAMES_NO_SERVER",
    "snapshots_are_of_servers_of_the_plan",
    what="`--snapshot` is for a server that the plan does not have, or whose name two servers have",
    remedy="name a server of the plan, by its id where a name is not enough",
)
snapshots_exist = _resolution_errors(
    "SNAPSHOT_NOT_FOUND",
    "snapshots_exist",
    what="the snapshot of `--snapshot` does not exist; it may have expired",
    remedy="choose one of `aws drs describe-recovery-snapshots`",
)
exclusions_keep_the_policy = _resolution_errors(
    "EXCLUSION_AGAINST_POLICY",
    "exclusions_keep_the_policy",
    what="`--exclude` leaves a wave with fewer servers than its policy demands: all of them with "
    "`onServerFailure: fail`, which is the default; `minHealthy` or `minHealthyPercent` of them, or one, with "
    "`continue`",
    remedy="leave fewer out; where the wave is worth having without them, waive it",
    waivable=True,
)


@rule(
    "WAVE_EMPTY",
    what="`--exclude` leaves out every server of a wave: nothing is launched in it",
    remedy="nothing: its gate and hooks still run, and the waves that depend on it go on",
    severity=FindingSeverity.INFO,
)
def waves_have_servers(preflight: PreflightInput) -> Iterator[Observation]:
    """Reports a wave that has nothing to launch."""
    for wave in preflight.waves:
        if wave.excluded and not wave.servers:
            names = ", ".join(f"{each.name} ({each.source_server_id})" for each in wave.excluded)
            yield Observation(
                f"wave {wave.wave_number} ({wave.wave_name}) launches nothing: {names} left out; its gate and hooks "
                "still run, and the waves that depend on it go on",
            )
