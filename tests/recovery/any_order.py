"""What the machine of test_any_order.py knows of the executions that it carries, kills and asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from prefect import flow

from prefect_drs.recovery.engine import Engine
from prefect_drs.recovery.journal import FolderStorage, StoredJournal
from prefect_drs.recovery.ports import GateAnswer
from prefect_drs.runbook import Runbook


@flow(name="any order")
def carrier() -> None:
    """What the executions' flow runs are runs of; it is never called."""


@dataclass
class Process:
    """A process that carries an execution: an engine, ticked by the machine."""

    engine: Engine
    run_id: str


@dataclass
class Execution:
    """What the machine knows of one execution, beside what the product keeps."""

    id: str
    runbook: Runbook
    folder: Path
    process: Process | None = None
    others: list[Process] = field(default_factory=list)  # that were taken over and do not know yet
    run_ids: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    ui_cancels: int = 0
    launches_when_cancelled: int | None = None  # jobs that DRS had when the cancel in force was acknowledged
    answers: dict[int, GateAnswer] = field(default_factory=dict)
    begun: bool = False
    ended: bool = False
    refusal: str = ""

    def journal(self) -> StoredJournal:
        return StoredJournal(FolderStorage(self.folder), self.id)
