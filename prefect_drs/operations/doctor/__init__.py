"""`diagnose`: is everything there that a recovery needs, before the day on which it is needed?

In: the settings of this process (Prefect's, `PREFECT_DRS_*`, boto3's). Out: a `Diagnosis`, a finding a line: ok,
warning or fault, with the remedy. The stages, a module each: the Prefect API (`prefect_server`), its workers
(`workers`), AWS (`aws_access`), the journal (`journal`), the channels of notifications (`channels`); `diagnose` runs
their checks side by side, each with the same bound.

It is a service and no operation: an operation is audited and admitted by policies that Prefect and the journal store
hold, which are what is diagnosed here.

Must never: launch, send a message unless asked, start a Prefect server, or leave a check out in silence. What it writes
is one small object in the journal store.
"""

from prefect_drs.operations.doctor.diagnose import diagnose
from prefect_drs.operations.doctor.findings import Diagnosis, Finding, Level

__all__ = ["Diagnosis", "Finding", "Level", "diagnose"]
