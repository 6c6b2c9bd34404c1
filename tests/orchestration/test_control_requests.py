"""The stored control requests of an execution, as each reading of the Prefect API returns them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Running, Scheduled

from prefect_drs.coordination.process import Fence
from prefect_drs.orchestration.executions.control_requests import (
    ControlReader,
    PrefectRequests,
    submit,
)
from prefect_drs.recovery.control_requests import ControlAction, RequestsUnreachableError
from prefect_drs.recovery.journal import FolderStorage
from tests.conftest import PrefectServer
from tests.http_proxy import http_proxy
from tests.rig import WaveSpec, simulated_aws

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


def test_a_process_that_is_about_to_end_waits_until_the_requests_could_be_read(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    """What was requested meanwhile is handled; a Prefect server that is busy for seconds fails no execution."""
    with (
        simulated_aws() as rig,
        http_proxy(prefect_server.url) as proxy,
        temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}),
    ):
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(carrier, state=Running())
        requests = PrefectRequests(str(run.id), str(run.id))
        engine = rig.engine(rig.runbook({1: WaveSpec(1)}), str(run.id), requests=requests)
        storage = FolderStorage(tmp_path)
        reader = ControlReader(engine, pytest.fail, Fence(storage, str(run.id), "here"))
        fault = proxy.plant("POST", "refuse", path="/input/filter", status=503)
        submit(str(run.id), ControlAction.CANCEL, by="ada")
        reader.read_when_answered()
        assert (fault.hits, engine.control.cancelled_by) == (1, "ada")
        proxy.plant("POST", "refuse", path="/input/filter", status=503, times=100)
        with pytest.raises(RequestsUnreachableError):
            reader.read_when_answered(timedelta(0))
