"""The operations of `prefect_drs.operations.configuration` as methods. Written by `python -m tests.client.generator`; do not edit it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from prefect_drs.client.caller import UNSET, Caller, Unset

Action = Literal["CREATE", "REPLACE", "UNCHANGED", "REFUSE"]


class Bindings(TypedDict):
    """The names of a manifest, each with its real id in one environment."""

    accounts: NotRequired[dict[str, str]]
    protectionGroups: NotRequired[dict[str, str]]
    sourceServers: NotRequired[dict[str, str]]
    subnets: NotRequired[dict[str, str]]
    securityGroups: NotRequired[dict[str, str]]
    instanceProfiles: NotRequired[dict[str, str]]
    instanceTypes: NotRequired[dict[str, str]]
    preparedInstances: NotRequired[dict[str, str]]


class ImportAnswer(TypedDict):
    """What an import did, or, in a dry run, would do."""

    dryRun: bool
    valid: bool
    protectionGroups: list[ImportedItem]
    recoveryPlans: list[ImportedItem]
    faults: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    historyError: str | None


class ImportedItem(TypedDict):
    """A group or plan of an import. `id` and `version`: what it has afterwards; null where it is not known yet."""

    name: str
    action: Action
    id: str | None
    version: int | None


class ConfigurationOperations(Caller):
    """Calls the operations."""

    def export_configuration(
        self,
    ) -> dict[str, Any]:
        """Return all that is stored as a manifest, which can be imported again."""
        return self.call("export_configuration", {})

    def import_configuration(
        self,
        *,
        manifest: Any,
        bindings: Bindings | Unset | None = UNSET,
        dry_run: bool | Unset = UNSET,
        overwrite_existing: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ImportAnswer:
        """Store a manifest's groups and plans, all or none; or report what that would do."""
        return self.call(
            "import_configuration",
            {"manifest": manifest, "bindings": bindings, "dryRun": dry_run, "overwriteExisting": overwrite_existing},
            idempotency_key=idempotency_key,
        )
