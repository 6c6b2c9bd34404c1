"""One execution as its journal tells it: the events, the state that they lead to, and the report that shows it.

In: events. Out: the `ExecutionState` that the engine decides by, and the `RecoveryReport` that people read; both come
from `ExecutionState.apply`, so they cannot differ. Nothing here knows AWS's API, Prefect, or how a recovery is carried
out.

Stages: `events` (what happened, with its text and its transition) → `state` → `replay` (a whole journal) → `view`
(report).
"""
