"""A Difference as text: lines for a terminal, Markdown for a pull request.

In: a `Difference`. Out: text. Changes of the recovery's course come first; each line reports one change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from prefect_drs.core.escaping import markdown_text
from prefect_drs.diff.model import (
    ChangeKind,
    DefaultForecast,
    Difference,
    FieldChange,
    PlanChange,
    ServerChange,
    SettingsChange,
    WaveChange,
)
from prefect_drs.plan.model import label_server
from prefect_drs.report.text import duration

NOTHING = "No difference: the same servers are recovered in the same way."
VALUE_AT_MOST = 60
SERVERS_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading and its lines; a line's further lines are indented."""

    heading: str
    lines: tuple[str, ...]


def difference_json(difference: Difference) -> dict[str, Any]:
    """The difference as camelCase JSON values."""
    return difference.model_dump(mode="json", by_alias=True)


def text(difference: Difference) -> str:
    """Lines for a terminal."""
    parts = [
        "\n".join([section.heading, *(f"  {line}" for line in section.lines)]) for section in _sections(difference)
    ]
    return "\n\n".join(parts) if parts else NOTHING


def markdown(difference: Difference) -> str:
    """Markdown that GitHub and GitLab show in a pull request."""
    parts = [
        "\n".join(
            [f"### {markdown_text(section.heading)}", "", *(f"- {markdown_text(line)}" for line in section.lines)]
        )
        for section in _sections(difference)
    ]
    return "\n\n".join(["## What this changes for a recovery", *(parts or [NOTHING])]) + "\n"


def _sections(difference: Difference) -> Iterator[_Section]:
    for plan in difference.plans:
        yield _Section(f"Plan {plan.name}{_kind(plan.kind)}", tuple(_plan(plan)))
    if difference.servers:
        named = [(change, _servers(difference, change.servers)) for change in difference.servers]
        yield _Section("Servers", tuple(line for change, who in named for line in _server(change, who)))
    if difference.groups:
        lines: list[str] = []
        for group in difference.groups:
            if group.kind is not ChangeKind.CHANGED:
                lines.append(f"{group.name}: {group.kind}")
            if group.former_name is not None:
                lines.append(f"{group.name}: renamed from {group.former_name}")
            lines += [f"{group.name}: {_field(field)}" for field in group.fields]
        yield _Section("Protection groups", tuple(lines))
    if difference.settings:
        settings = [(change, _servers(difference, change.servers)) for change in difference.settings]
        yield _Section("Launch settings", tuple(line for change, who in settings for line in _setting(change, who)))


def _kind(kind: ChangeKind) -> str:
    return "" if kind is ChangeKind.CHANGED else f": {kind}"


def _plan(plan: PlanChange) -> Iterator[str]:
    for wave in plan.waves:
        yield from _wave(wave)
    if plan.order is not None:
        yield f"order before: {plan.order[0]}"
        yield f"order now: {plan.order[1]}"
    yield from map(_field, plan.fields)
    yield from _forecast(plan)


def _wave(wave: WaveChange) -> Iterator[str]:
    name = f"wave {wave.after or wave.before}"
    if wave.kind is ChangeKind.REMOVED:
        yield f"{name}: removed; it launched {_names(wave.groups_no_longer)}"
        return
    if wave.kind is ChangeKind.ADDED:
        after = f", after {_names(wave.waits_for)}" if wave.waits_for else ""
        gate = ", after an approval" if wave.gate else ""
        yield f"{name}: added; launches {_names(wave.groups)}{after}{gate}"
    else:
        if wave.before != wave.after:
            yield f"{name}: was wave {wave.before}"
        if wave.waits_for:
            yield f"{name}: now waits for {_names(wave.waits_for)}"
        if wave.waits_no_longer_for:
            yield f"{name}: no longer waits for {_names(wave.waits_no_longer_for)}"
        if wave.gate is not None:
            yield f"{name}: {'now' if wave.gate else 'no longer'} waits for an approval"
        if wave.groups:
            yield f"{name}: now launches {_names(wave.groups)}"
        if wave.groups_no_longer:
            yield f"{name}: no longer launches {_names(wave.groups_no_longer)}"
    yield from (f"{name}: {_field(field)}" for field in wave.fields)


def _forecast(plan: PlanChange) -> Iterator[str]:
    before, after = plan.forecast_before, plan.forecast_after
    if plan.kind is ChangeKind.REMOVED:
        return
    if after is None:
        yield "forecast: unknown; the manifest names none of its servers"
    elif before is None:
        yield f"forecast: {_expected(after)}"
        yield f"critical path: {' → '.join(after.critical_path)}"
    elif before == after:
        yield f"forecast: unchanged, {_expected(after)}"
    else:
        yield f"forecast: P50 {_times(before.rto_p50_seconds, after.rto_p50_seconds)}"
        yield f"forecast: P90 {_times(before.rto_p90_seconds, after.rto_p90_seconds)}"
        if before.critical_path != after.critical_path:
            yield f"critical path before: {' → '.join(before.critical_path)}"
            yield f"critical path now: {' → '.join(after.critical_path)}"
    if plan.unresolved:
        yield f"{_names(plan.unresolved)}: not resolved; give --bindings (the forecast counts them as empty)"
    if plan.unknown_groups:
        unknown = _names(plan.unknown_groups)
        yield f"the forecast counts {unknown} as empty: only the accounts know which servers have the tags"


def _expected(forecast: DefaultForecast) -> str:
    return f"P50 {duration(forecast.rto_p50_seconds)}, P90 {duration(forecast.rto_p90_seconds)}"


def _times(before: float, after: float) -> str:
    more = f"{'+' if after > before else '-'}{duration(abs(after - before))}" if before != after else "unchanged"
    return f"{duration(before)} → {duration(after)} ({more})"


def _servers(difference: Difference, servers: Sequence[str]) -> str:
    """The first of the servers, as the plan names them, with their ids, and how many more."""
    shown = [label_server(server, difference.names.get(server, ())) for server in servers[:SERVERS_AT_MOST]]
    more = len(servers) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _server(change: ServerChange, who: str) -> Iterator[str]:
    s = "s" if len(change.servers) == 1 else ""
    if change.group_before is None:
        yield f"{who}: join{s} group {change.group_after}"
    elif change.group_after is None:
        yield f"{who}: {'leaves' if s else 'leave'} group {change.group_before}"
    elif change.group_before != change.group_after:
        yield f"{who}: move{s} from group {change.group_before} to {change.group_after}"
    for move in change.waves:
        if move.before is None:
            yield f"{who}: now launched in wave {move.after} of {move.plan}"
        elif move.after is None:
            yield f"{who}: no longer launched by {move.plan} (was in wave {move.before})"
        else:
            yield f"{who}: launched in wave {move.after} of {move.plan}, before in wave {move.before}"


def _setting(change: SettingsChange, servers: str) -> Iterator[str]:
    who = f"servers that group {change.group} selects" if change.others else servers
    yield from (f"{who}: {_field(field)}" for field in change.fields)


def _field(field: FieldChange) -> str:
    return f"{field.field} {_value(field.before)} → {_value(field.after)}"


def _value(value: JsonValue) -> str:
    if value is None:
        return "(not given)"
    written = value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)
    return written if len(written) <= VALUE_AT_MOST else written[: VALUE_AT_MOST - 1] + "…"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
