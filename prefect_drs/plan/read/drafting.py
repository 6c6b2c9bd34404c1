"""From the shaped values of a file to a draft: names are resolved by bindings, and waves are tied to their groups.

In: a `ShapeEntry` and `Bindings`. Out: a `Draft`, whatever the file holds: what could not be read is left out, and
the rules judge the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect_drs.plan.read.bindings import Bindings, Kind
from prefect_drs.plan.read.check_fields import CHECK_LISTS, FAILBACK_LISTS
from prefect_drs.plan.read.draft import (
    BY_NAME,
    SPELLINGS,
    Draft,
    DraftCheck,
    DraftGroup,
    DraftGroupReference,
    DraftPlan,
    DraftPrepared,
    DraftServer,
    DraftSettings,
    DraftWave,
    Name,
)
from prefect_drs.plan.read.finding import Place
from prefect_drs.plan.read.shape import Item, ShapeEntry


class Drafting:
    """Makes a `Draft` of a shaped file.

    Args:
        bindings: resolve the names of the file.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def draft(self, entry: ShapeEntry) -> Draft:
        """The draft of a manifest."""
        groups = tuple(self._group(each) for each in entry.entries("protectionGroups"))
        by_id: dict[str, DraftGroup] = {}
        by_name: dict[str, DraftGroup] = {}
        for group in groups:
            if group.group_id:
                by_id.setdefault(group.group_id, group)
            if group.name:
                by_name.setdefault(group.name.casefold(), group)
        plans = tuple(self._plan(each, by_id, by_name) for each in entry.entries("recoveryPlans"))
        return Draft(entry, groups, plans)

    def _resolved(self, kind: Kind, written: str, at: Place, *, account: Name | None, region: str | None) -> Name:
        if not self._bindings.of(kind):
            return Name(written, written, at)
        accounts = (account.real, account.written) if account else (None,)
        found = [
            bound
            for each in accounts
            if (bound := self._bindings.find(kind, written, account=each, region=region)) is not None
        ]
        if not found:
            return Name(written, written, at)
        exact = max(
            found, key=lambda bound: len(bound.key)
        )  # for this account rather than for the region or everywhere
        return Name(written, exact.value, at, exact.at)

    def _group(self, entry: ShapeEntry) -> DraftGroup:
        written = entry.text("accountId")
        region = entry.text("region")
        account = None
        if written is not None:
            account = self._resolved("accounts", written, entry.place("accountId"), account=None, region=None)
        config = entry.entry("launchConfig")
        return DraftGroup(
            entry,
            entry.text("groupName"),
            entry.text("groupId"),
            region,
            account,
            tuple(
                self._resolved("sourceServers", item.value, item.at, account=account, region=region)
                for item in entry.items("sourceServerIds")
            ),
            self._settings(config, account, region) if config else None,
            tuple(self._server(each, account, region) for each in entry.entries("servers")),
        )

    def _server(self, entry: ShapeEntry, account: Name | None, region: str | None) -> DraftServer:
        server, instance_id = None, entry.text("instanceId")
        written = entry.text("sourceServerId")
        if written is not None:
            at = entry.place("sourceServerId")
            server = self._resolved("sourceServers", written, at, account=account, region=region)
        elif instance_id is not None:
            found = self._resolved(
                "sourceServers", instance_id, entry.place("instanceId"), account=account, region=region
            )
            if found.bound_at is not None:  # an EC2 instance that the bindings know as a source server
                server, instance_id = found, None
        template = entry.entry("launchTemplate")
        settings = self._settings(template, account, region) if template else None
        return DraftServer(entry, server, instance_id, entry.text("name"), settings)

    def _settings(self, entry: ShapeEntry, account: Name | None, region: str | None) -> DraftSettings:
        def named(kind: Kind, field: str) -> Name | None:
            written = entry.text(field)
            if written is None:
                return None
            return self._resolved(kind, written, entry.place(field), account=account, region=region)

        return DraftSettings(
            entry,
            named("subnets", "subnetId"),
            tuple(
                self._resolved("securityGroups", item.value, item.at, account=account, region=region)
                for item in entry.items("securityGroupIds")
            ),
            named("instanceTypes", "instanceType"),
            named("instanceProfiles", "instanceProfileName"),
            self._prepared(prepared, account, region) if (prepared := entry.entry("launchIntoInstance")) else None,
        )

    def _prepared(self, entry: ShapeEntry, account: Name | None, region: str | None) -> DraftPrepared:
        """A prepared instance. The keys of a table are servers, and its values instances; bindings resolve both."""

        def resolved(kind: Kind, written: str, at: Place) -> Name:
            return self._resolved(kind, written, at, account=account, region=region)

        written = entry.text("instanceId")
        at = entry.place("table")
        table = [
            (resolved("sourceServers", server, (*at, server)), resolved("preparedInstances", instance, (*at, server)))
            for server, instance in (entry.values.get("table") or {}).items()
        ]
        if entry.get("fromBindings", bool):
            accounts = (account.real, account.written) if account else ()
            at = entry.place("fromBindings")
            table += [
                (resolved("sourceServers", server, at), Name(server, bound.value, at, bound.at))
                for server, bound in self._bindings.table("preparedInstances", accounts=accounts, region=region).items()
            ]
        return DraftPrepared(
            entry,
            None if written is None else resolved("preparedInstances", written, entry.place("instanceId")),
            tuple(table),
        )

    def _plan(self, entry: ShapeEntry, by_id: dict[str, DraftGroup], by_name: dict[str, DraftGroup]) -> DraftPlan:
        waves = tuple(self._wave(wave, by_id, by_name) for wave in entry.entries("waves"))
        back = tuple(self._wave(wave, by_id, by_name) for wave in entry.entries("failbackWaves"))
        failback = entry.entry("failback")
        hooks = tuple(
            self._check(hook, phase, position, [])
            for phase in FAILBACK_LISTS
            for position, hook in enumerate(failback.entries(phase) if failback else (), start=1)
        )
        return DraftPlan(entry, entry.text("planName"), waves, back, hooks)

    def _wave(self, entry: ShapeEntry, by_id: dict[str, DraftGroup], by_name: dict[str, DraftGroup]) -> DraftWave:
        references = tuple(self._references(entry, by_id, by_name))
        groups = [reference.group for reference in references if reference.group is not None]
        retry = entry.entry("retry")
        return DraftWave(
            entry,
            entry.get("waveNumber", int),
            entry.text("waveName"),
            references,
            entry.items("dependsOnWaves"),
            tuple(
                self._check(check, phase, position, groups)
                for phase in CHECK_LISTS
                for position, check in enumerate(entry.entries(phase), start=1)
            ),
            tuple(self._of_groups("subnets", item, groups) for item in retry.items("subnetIds")) if retry else (),
        )

    def _check(self, entry: ShapeEntry, phase: str, position: int, groups: list[DraftGroup]) -> DraftCheck:
        written = entry.text("accountId")
        account = None
        if written is not None:
            account = self._resolved("accounts", written, entry.place("accountId"), account=None, region=None)

        servers = tuple(self._of_groups("sourceServers", item, groups) for item in entry.items("servers"))
        return DraftCheck(entry, phase, position, account, servers)

    def _of_groups(self, kind: Kind, item: Item, groups: list[DraftGroup]) -> Name:
        """The name of a wave's item, resolved for the accounts and regions of its groups: the first binding found."""
        found = [
            self._resolved(kind, item.value, item.at, account=group.account, region=group.region) for group in groups
        ]
        bound = (name for name in found if name.bound_at is not None)
        return next(bound, Name(item.value, item.value, item.at))

    def _references(
        self, wave: ShapeEntry, by_id: dict[str, DraftGroup], by_name: dict[str, DraftGroup]
    ) -> Iterator[DraftGroupReference]:
        for spelling in SPELLINGS:
            written = wave.text(spelling)
            items = wave.items(spelling) if written is None else (Item(written, wave.place(spelling)),)
            for item in items:
                name = self._resolved("protectionGroups", item.value, item.at, account=None, region=None)
                named = by_name.get(name.real.casefold())
                identified = by_id.get(name.real)
                group = named or identified if spelling in BY_NAME else identified or named
                yield DraftGroupReference(spelling, name, group)
