"""The empty request; the base of all requests and answers is `prefect_drs.core.models.FrozenModel`."""

from __future__ import annotations

from prefect_drs.core.models import FrozenModel


class EmptyRequest(FrozenModel):
    """The request of an operation that takes no parameters."""
