"""Rules for health checks and hooks: names, accounts and regions, variables, patterns and servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from prefect_drs.plan.checks import (
    CHECK_TYPES,
    HOOK_TYPES,
    SERVER_VARIABLES,
    VARIABLE,
    WAVE_VARIABLES,
    hook_places,
)
from prefect_drs.plan.read.draft import Draft, DraftCheck, DraftWave
from prefect_drs.plan.read.finding import Place, PlanFinding, did_you_mean, listed, quote, warning
from prefect_drs.plan.rules.forms import ACCOUNT_ID, INSTANCE_ID, REGION, SOURCE_SERVER_ID, not_bound

DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9_\-.:/]{3,128}")
"""SSM shape DocumentARN."""
TARGETS_AT_MOST = 5
"""SSM shape Targets."""
INSTANCE_IDS_AT_MOST = 50
"""SSM shape InstanceIdList."""
PLACED_TYPES = frozenset({"ssmCommand", "ssmAutomation", "lambda"})
HEALTH = "healthChecks"


def _checks(draft: Draft) -> Iterator[tuple[DraftWave, DraftCheck]]:
    for plan in draft.plans:
        for wave in plan.waves:
            for check in wave.checks:
                yield wave, check


def checks_are_of_schema_1_1(draft: Draft) -> Iterator[PlanFinding]:
    """Health checks and hooks came with schemaVersion 1.1."""
    if draft.metadata_field("schemaVersion")[0] != "1.0":
        return
    for plan in draft.plans:
        for wave in plan.waves:
            for phase in dict.fromkeys(check.phase for check in wave.checks):
                yield warning(
                    wave.entry.place(phase),
                    "NEWER_FIELD",
                    f"{phase} of {wave.label} came with schemaVersion 1.1, the file says 1.0; "
                    "it is honoured, but say 1.1",
                )


def check_names_are_unique(draft: Draft) -> Iterator[PlanFinding]:
    """No two checks of a list have the same name in the report; case does not count."""
    first: dict[tuple[int, str, str], Place] = {}
    for wave, check in _checks(draft):
        key, at = (id(wave), check.phase, check.label.casefold()), check.entry.place("name")
        if key in first:
            yield PlanFinding(
                at,
                "DUPLICATE_CHECK_NAME",
                f"two {check.phase} of {wave.label} are called {quote(check.label)}; name one otherwise",
                first=first[key],
            )
        first.setdefault(key, at)


def check_places_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`region` looks like a region, `accountId` is 12 digits."""
    for wave, check in _checks(draft):
        region = check.entry.text("region")
        if region is not None and not REGION.fullmatch(region):
            yield PlanFinding(
                check.entry.place("region"),
                "INVALID_REGION",
                f"{check.label} of {wave.label}: {quote(region)} is no AWS region; write it like us-east-1",
            )
        if check.account is not None and not ACCOUNT_ID.fullmatch(check.account.real):
            yield not_bound(
                check.account, "accounts", "INVALID_ACCOUNT_ID", "which is no AWS account id (12 digits, in quotes)"
            )


def hooks_have_one_place(draft: Draft) -> Iterator[PlanFinding]:
    """A hook that calls an AWS service has an account and region, unless its wave is in one only."""
    for wave, check in _checks(draft):
        if check.phase == HEALTH or check.kind not in PLACED_TYPES:
            continue
        home = {reference.group.where for reference in wave.references if reference.group is not None}
        account = check.account.real if check.account else None
        accounts, regions = hook_places(home, account, check.entry.text("region"))
        if len(accounts) > 1 or len(regions) > 1:
            there = listed(sorted(" ".join(filter(None, place)) for place in home))
            yield PlanFinding(
                check.entry.at,
                "HOOK_WITHOUT_PLACE",
                f"{check.label} of {wave.label} could run in {there}; give it accountId and region",
            )


def checks_have_what_their_phase_needs(draft: Draft) -> Iterator[PlanFinding]:
    """A command hook names its instances; a health check runs on those of the wave, each in its account and region."""
    for wave, check in _checks(draft):
        what = f"{check.label} of {wave.label}"
        if check.phase != HEALTH:
            if check.entry.values.get("servers"):
                yield PlanFinding(
                    check.entry.place("servers"),
                    "SERVERS_OF_A_HOOK",
                    f"{what} is a hook, which runs once for the whole wave; remove servers, or put it under {HEALTH}",
                )
            if check.kind == "ssmCommand":
                yield from _command_hook(check, what)
        elif check.kind == "ssmCommand":
            for field in ("instanceIds", "targets", "accountId", "region"):
                if check.entry.values.get(field):
                    yield PlanFinding(
                        check.entry.place(field),
                        "INSTANCES_OF_A_CHECK",
                        f"{what} runs on the recovery instances of the wave, where they are; remove {field}, "
                        "or make it a hook",
                    )


def _command_hook(check: DraftCheck, what: str) -> Iterator[PlanFinding]:
    ids, targets = check.entry.items("instanceIds"), check.entry.get("targets", dict) or {}
    if bool(ids) == bool(targets):
        yield PlanFinding(
            check.entry.at,
            "COMMAND_WITHOUT_INSTANCES",
            f"{what} needs instanceIds or targets (such as tag:Role), and only one of them",
        )
    if len(ids) > INSTANCE_IDS_AT_MOST or len(targets) > TARGETS_AT_MOST:
        yield PlanFinding(
            check.entry.at,
            "INVALID_VALUE",
            f"{what}: SSM takes at most {INSTANCE_IDS_AT_MOST} instanceIds or {TARGETS_AT_MOST} targets",
        )
    for item in ids:
        if not (INSTANCE_ID.fullmatch(item.value) or item.value.startswith("mi-")):
            yield PlanFinding(
                item.at, "INVALID_INSTANCE_ID", f"{what}: {quote(item.value)} is no instance id (i-… or mi-…)"
            )


def check_servers_are_of_the_wave(draft: Draft) -> Iterator[PlanFinding]:
    """A source server id in `servers` is one of the wave's; names and tags are known only to the account."""
    for wave, check in _checks(draft):
        groups = [reference.group for reference in wave.references]
        if not check.servers or any(group is None or group.selection_tags for group in groups):
            continue
        known = {
            written
            for group in groups
            if group is not None
            for name in (*group.servers, *(entry.server for entry in group.entries if entry.server))
            for written in (name.written, name.real)
        }
        for name in check.servers:
            if SOURCE_SERVER_ID.fullmatch(name.real) and not {name.real, name.written} & known:
                yield PlanFinding(
                    name.at,
                    "CHECK_NAMES_NO_SERVER",
                    f"{check.label}: no group of {wave.label} has server {quote(name.written)}; correct servers",
                )


def documents_are_named(draft: Draft) -> Iterator[PlanFinding]:
    """`documentName` has the form of an SSM document's name or ARN."""
    for wave, check in _checks(draft):
        document = check.entry.text("documentName")
        if document is not None and not DOCUMENT_NAME.fullmatch(document):
            yield PlanFinding(
                check.entry.place("documentName"),
                "INVALID_DOCUMENT_NAME",
                f"{check.label} of {wave.label}: {quote(document)} is no name of an SSM document "
                "(3 to 128 letters, digits and _-.:/)",
            )


def body_patterns_compile(draft: Draft) -> Iterator[PlanFinding]:
    """`bodyPattern` is a regular expression."""
    for wave, check in _checks(draft):
        pattern = check.entry.text("bodyPattern")
        if pattern is None:
            continue
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield PlanFinding(
                check.entry.place("bodyPattern"),
                "INVALID_PATTERN",
                f"{check.label} of {wave.label}: {quote(pattern)} is no regular expression: {error}",
            )


def urls_are_well_formed(draft: Draft) -> Iterator[PlanFinding]:
    """`url` is of http or https, names a host, and holds no password: plans are read by many."""
    for wave, check in _checks(draft):
        url = check.entry.text("url")
        if url is None:
            continue
        problem = _url_problem(VARIABLE.sub("10.0.0.1", url))
        if problem:
            yield PlanFinding(
                check.entry.place("url"), "INVALID_URL", f"{check.label} of {wave.label}: the url {problem}"
            )


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            return "begins with neither http:// nor https://"
        if not parts.hostname:
            return "names no host; write it like http://{privateIp}:8080/health"
        if parts.username is not None or parts.password is not None:
            return "holds credentials; a plan must not: use a check of type python or lambda that fetches them"
        _ = parts.port
    except ValueError as error:
        return f"cannot be read: {error}"
    return ""


def variables_are_known(draft: Draft) -> Iterator[PlanFinding]:
    """A text in braces is a variable that is known there; a shell's own braces are left alone."""
    for wave, check in _checks(draft):
        known = WAVE_VARIABLES + (SERVER_VARIABLES if check.phase == HEALTH else ())
        for place, text, strict in _texts(check):
            for variable in dict.fromkeys(VARIABLE.findall(text)):
                if variable in known:
                    continue
                if variable in SERVER_VARIABLES:
                    message = "is of one server, and a hook runs once for the whole wave"
                elif strict or variable.casefold() in {each.casefold() for each in known}:
                    hint = did_you_mean(variable, known) or f"; there are {', '.join(known)}"
                    message = f"is no variable{hint}"
                else:
                    continue
                yield PlanFinding(
                    place, "UNKNOWN_VARIABLE", f"{check.label} of {wave.label}: {quote(f'{{{variable}}}')} {message}"
                )


def _texts(check: DraftCheck) -> Iterator[tuple[Place, str, bool]]:
    """The texts with variables: where, what, and whether every brace is one (an SSM parameter may hold a script)."""
    for field in ("url", "address"):
        text = check.entry.text(field)
        if text is not None:
            yield check.entry.place(field), text, True
    if check.kind == "lambda":
        for place, text in _strings(check.entry.values.get("payload"), check.entry.place("payload")):
            yield place, text, True
    if check.kind in {"ssmCommand", "ssmAutomation"}:
        for name, values in (check.entry.values.get("parameters") or {}).items():
            for text in values:
                yield (*check.entry.place("parameters"), name), text, False


def _strings(value: Any, at: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*at, index))


def checked_servers_are_started(draft: Draft) -> Iterator[PlanFinding]:
    """A server that DRS leaves stopped passes no check that needs it running."""
    for plan in draft.plans:
        for wave in plan.waves:
            checks = [check for check in wave.checks if check.phase == HEALTH and check.kind in CHECK_TYPES]
            needing = [check for check in checks if check.kind not in HOOK_TYPES or check.kind == "ssmCommand"]
            stopped = [
                reference.group.label
                for reference in wave.references
                if reference.group is not None
                and reference.group.config is not None
                and reference.group.config.entry.text("launchDisposition") == "STOPPED"
            ]
            for check in needing:
                if stopped and not check.servers:
                    yield warning(
                        check.entry.at,
                        "CHECK_OF_STOPPED_SERVERS",
                        f"{check.label} of {wave.label} needs running servers, but group {quote(stopped[0])} has "
                        "launchDisposition STOPPED; it will not pass",
                    )
