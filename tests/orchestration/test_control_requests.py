"""The stored control requests of an execution, as each reading of the Prefect API returns them."""

from __future__ import annotations

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Cancelling, Running, Scheduled

from prefect_drs.orchestration.executions.control_requests import PrefectRequests
from prefect_drs.recovery.control_requests import ControlAction

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]


@flow(name="control requests")
def carrier() -> None:
    """What the executions' flow runs are runs of; it is never called."""


def test_a_cancel_in_the_ui_stays_pending_when_its_run_is_retried() -> None:
    """Each reading returns it, not only the first: the process would launch after a cancel, and without a claim."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(carrier, state=Running())
        requests = PrefectRequests(str(run.id), str(run.id))
        for state in (Cancelling(), Scheduled(), Running()):
            client.set_flow_run_state(run.id, state, force=True)
        readings = [requests.pending(()) for _ in range(3)]

        assert [[request.action for request in reading] for reading in readings] == [[ControlAction.CANCEL]] * 3
        assert requests.pending({readings[0][0].request_id}) == []

        client.set_flow_run_state(run.id, Cancelling(), force=True)
        assert len(requests.pending(())) == 2
