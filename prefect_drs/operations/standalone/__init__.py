"""Executions without Prefect: started, resumed, watched, controlled and answered through the journals' storage.

In: what a person asks. Out: reports, situations, outcomes. This is what `--without-prefect` calls; the engine, its
claims, gates and messages are those of `prefect_drs.coordination`, with the settings `PREFECT_DRS_*` of this process.
Prefect is imported for its settings; no Prefect API is asked (`refused_prefect`).
"""
