"""Events of prepared instances: whether a launch kept their identity."""

from __future__ import annotations

from typing import Literal

from prefect_drs.execution.event import Event
from prefect_drs.execution.state import ExecutionState


class IdentitiesCompared(Event):
    """What differs of the prepared instances that were launched into, by source server id.

    `differences`: empty for an instance that kept its id, private address and network interface; a server whose
    instance could not be read is left out.
    """

    kind: Literal["IdentitiesCompared"] = "IdentitiesCompared"
    differences: dict[str, tuple[str, ...]]

    @property
    def text(self) -> str:
        """How many kept their identity, and which did not."""
        lost = {server: found for server, found in self.differences.items() if found}
        kept = f"{len(self.differences) - len(lost)} of {len(self.differences)} prepared instances kept their identity"
        return "; ".join([kept, *(f"{server}: {', '.join(found)}" for server, found in lost.items())])

    def apply_to(self, state: ExecutionState) -> None:
        """The comparison is known."""
        state.identities |= self.differences
