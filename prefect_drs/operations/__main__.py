"""`python -m prefect_drs.operations`: write the index of operations from their decorators."""

from prefect_drs.operations.registry import INDEX, index_text

INDEX.write_text(index_text(), encoding="utf-8")
