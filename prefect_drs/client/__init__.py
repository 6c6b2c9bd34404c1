"""A client of the REST face, with the operations as typed methods.

In: the address of a `prefect-drs serve`. Out: `Client`. It needs httpx and loads neither Prefect nor boto3. The methods
and the types of their answers are in `generated`, written by `python -m tests.client.generator` from the server's own
OpenAPI document.
"""

from prefect_drs.client.caller import UNSET
from prefect_drs.client.client import Client
from prefect_drs.client.errors import RestError, ServerUnreachableError
from prefect_drs.client.event_stream import ExecutionEvent

__all__ = ["UNSET", "Client", "ExecutionEvent", "RestError", "ServerUnreachableError"]
