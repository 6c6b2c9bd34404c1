"""The log of the REST face.

In: nothing. Out: the logger, and the id of the request that is being answered, which each line has.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

LOGGER = logging.getLogger("prefect_drs.rest")
request_id: ContextVar[str] = ContextVar("request id", default="-")
"""The id of the request that is being answered, also in the thread of its operation."""
