"""Where an execution's journal is kept, as far as that says which loss it survives."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from prefect_drs.core.errors import AwsError


@dataclass(frozen=True, slots=True)
class JournalPlace:
    """A store of journals.

    Args:
        name: as people know it: a folder, a bucket's address, a block.
        region: of a bucket; None of anything else.
        one_machine: a folder, which is on this machine only unless its file system is shared.
        failure: why the bucket's region could not be read.
    """

    name: str
    region: str | None = None
    one_machine: bool = False
    failure: AwsError | None = None

    def survives(self, regions: Collection[str]) -> bool:
        """Whether it is known to be there when this machine and these regions are lost."""
        return self.region is not None and self.region not in regions

    @property
    def loss(self) -> str:
        """What may be lost, of a store that is in no known region."""
        if self.one_machine:
            return "a folder on this machine only, unless its file system is shared"
        return "nothing is known of its place"
