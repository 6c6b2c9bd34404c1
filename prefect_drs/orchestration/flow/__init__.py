"""A plan as a Prefect flow, its run, and the end of a run that no process carries."""
