"""Which process of pytest-xdist runs which tests, so that two cores are busy from the first test to the last.

In: the collected tests, the slowest kinds first (`tests.conftest`). Out: units of work, a file each, or a test each of
`SPLIT`. All processes but one take units from the front, where tests wait for other processes most of the time; one
takes them from the back, where tests compute. None decides what runs, only where and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

COMPUTES = "gw0"
FIRST = (
    "tests/e2e/test_suspension.py",
    "tests/e2e/test_situations.py",
    "tests/operations/faces/test_faces.py",
    "tests/e2e/test_demo.py",
    "tests/e2e/test_automations.py",
    "tests/e2e/test_control.py",
    "tests/e2e/test_survival.py",
)
"""The files that take longest, longest first: none of them begins when all others have ended."""
SPLIT = frozenset({"tests/test_docs.py", "tests/rest/test_openapi_cases.py"})
"""Files whose tests share no more than what a process has once, such as its Prefect server."""


def unit_of(nodeid: str) -> str:
    """The unit of work that a test belongs to."""
    file = nodeid.split("::", 1)[0]
    return nodeid if file in SPLIT else file


def rank(nodeid: str) -> int:
    """Where the file of a test stands in `FIRST`; behind it, where it is not there."""
    file = nodeid.split("::", 1)[0]
    return FIRST.index(file) if file in FIRST else len(FIRST)


class Scheduling(LoadFileScheduling):
    """Units of work in their order, from both ends."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node.gateway.id == COMPUTES:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
