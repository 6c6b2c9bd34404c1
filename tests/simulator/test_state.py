"""A sandbox saved and loaded."""

import json
import pickle
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.plan import check_manifest
from prefect_drs.simulator import SpeedClock, StepClock
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.seeding import seed_estate
from prefect_drs.simulator.server import SandboxServer
from prefect_drs.simulator.state import MAGIC

STORED = Path(__file__).parent / "stored" / "drs-0.1.0.pickle"
"""The body of a state that 0.1.0 saved: DRS in the middle of jobs, failback, a source network and a recovery plan."""
THREE_TIER = Path(__file__).parents[2] / "examples" / "three-tier.json"


KEYS = {"aws_access_key_id": "AKIASANDBOX000000000", "aws_secret_access_key": "sandbox"}


def client(sandbox: SandboxServer, service: str, region: str = "us-west-2") -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service, region_name=region, endpoint_url=sandbox.endpoint_url, **KEYS
    )


def seed(sandbox: SandboxServer) -> None:
    reading = check_manifest(THREE_TIER, rehearsal=True)
    assert reading.manifest is not None
    seed_estate(estate_for(reading.manifest))


def without_request(answer: dict[str, Any]) -> dict[str, Any]:
    answer.pop("ResponseMetadata")
    return answer


def test_a_job_under_way_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with SandboxServer(clock=StepClock(), state_file=file) as sandbox:
        seed(sandbox)
        drs = client(sandbox, "drs")
        servers = [{"sourceServerID": s["sourceServerID"]} for s in drs.describe_source_servers()["items"]]
        job = drs.start_recovery(sourceServers=servers, isDrill=True)["job"]["jobID"]
        sandbox.clock.advance(300)
        before = without_request(drs.describe_job_log_items(jobID=job))
        now = sandbox.clock.now()
    with SandboxServer(clock=StepClock(), state_file=file) as sandbox:
        drs = client(sandbox, "drs")
        assert sandbox.clock.now() == now
        assert without_request(drs.describe_job_log_items(jobID=job)) == before
        sandbox.clock.advance(24 * 3600)
        (done,) = drs.describe_jobs(filters={"jobIDs": [job]})["items"]
        assert {server["launchStatus"] for server in done["participatingServers"]} == {"LAUNCHED"}
        ids = [server["recoveryInstanceID"] for server in done["participatingServers"]]
        reservations = client(sandbox, "ec2").describe_instances(InstanceIds=ids)["Reservations"]
        assert len({i["PrivateIpAddress"] for r in reservations for i in r["Instances"]}) == len(ids)


def test_motos_services_are_kept_too(tmp_path: Path) -> None:
    file = tmp_path / "state"
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    with SandboxServer(state_file=file) as sandbox:
        client(sandbox, "sns").create_topic(Name="dr")
        queue = client(sandbox, "sqs").create_queue(QueueName="dr")["QueueUrl"]
        client(sandbox, "sqs").send_message(QueueUrl=queue, MessageBody="hello")
        client(sandbox, "ssm").put_parameter(Name="/dr", Value="v", Type="String", Tags=[{"Key": "a", "Value": "b"}])
        client(sandbox, "iam").create_role(RoleName="dr", AssumeRolePolicyDocument=trust)
        subnets = client(sandbox, "ec2").describe_subnets()["Subnets"]
    with SandboxServer(state_file=file) as sandbox:
        assert len(client(sandbox, "sns").list_topics()["Topics"]) == 1
        sqs, ssm = client(sandbox, "sqs"), client(sandbox, "ssm")
        url = sqs.get_queue_url(QueueName="dr")["QueueUrl"]
        assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
        assert ssm.get_parameter(Name="/dr")["Parameter"]["Value"] == "v"
        ssm.put_parameter(Name="/new", Value="v", Type="String", Tags=[{"Key": "a", "Value": "b"}])
        assert client(sandbox, "iam").get_role(RoleName="dr")["Role"]["RoleName"] == "dr"
        assert client(sandbox, "ec2").describe_subnets()["Subnets"] == subnets


def test_an_instance_launched_after_loading_takes_no_address_of_aws_or_another(tmp_path: Path) -> None:
    file = tmp_path / "state"

    def launch(sandbox: SandboxServer) -> tuple[str, int]:
        """The address, and its place in its subnet."""
        ec2 = client(sandbox, "ec2")
        subnet = min(ec2.describe_subnets()["Subnets"], key=lambda one: str(one["CidrBlock"]))
        wanted = {"ImageId": "ami-1", "SubnetId": subnet["SubnetId"], "MinCount": 1, "MaxCount": 1}
        (made,) = ec2.run_instances(**wanted)["Instances"]
        address = str(made["PrivateIpAddress"])
        return address, int(IPv4Address(address)) - int(IPv4Network(subnet["CidrBlock"]).network_address)

    with SandboxServer(state_file=file) as sandbox:
        first, before = launch(sandbox)
    with SandboxServer(state_file=file) as sandbox:
        second, place = launch(sandbox)
    assert first != second
    assert min(before, place) >= 4


def test_faults_sessions_and_seed_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with SandboxServer(clock=SpeedClock(0), seed=7, state_file=file) as sandbox:
        sandbox.runtime.faults.fail_server("db001", "conversion")
        now = sandbox.clock.now()
    with SandboxServer(clock=SpeedClock(0), state_file=file) as sandbox:
        (planted,) = sandbox.runtime.faults
        assert (planted.fault.kind, planted.added_at) == ("server", now)
        assert sandbox.runtime.faults.fail_server("db002") != planted.id
        assert (sandbox.runtime.seed, sandbox.clock.now(), sandbox.clock.speed) == (7, now, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a state file"),
        (b"{}", "not a state file"),
        (MAGIC + b"not json\n", "not a state file"),
        (MAGIC + b'{"format": 999}\n', "format 999"),
    ],
)
def test_a_file_that_is_none_or_of_another_version_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "state"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        SandboxServer(state_file=file).start()
    assert file.read_bytes() == content


def saved(tmp_path: Path) -> tuple[Path, bytes, bytes]:
    file = tmp_path / "state"
    with SandboxServer(state_file=file):
        pass
    head, _, body = file.read_bytes().removeprefix(MAGIC).partition(b"\n")
    return file, MAGIC + head + b"\n", body


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    file, head, body = saved(tmp_path)
    file.write_bytes(head + body[: len(body) // 2])
    with pytest.raises(UsageError, match="damaged"):
        SandboxServer(state_file=file).start()
    assert file.read_bytes() == head + body[: len(body) // 2]


def test_a_state_that_0_1_0_saved_is_loaded_and_goes_on(tmp_path: Path) -> None:
    file, head, _ = saved(tmp_path)
    file.write_bytes(head + STORED.read_bytes())
    with SandboxServer(clock=StepClock(), state_file=file) as sandbox:
        drs = client(sandbox, "drs", "us-east-1")
        assert len(drs.describe_source_servers()["items"]) == 8
        assert len(drs.describe_recovery_instances()["items"]) == 2
        assert drs.describe_source_networks()["items"][0]["replicationStatus"] == "PROTECTED"
        assert drs.describe_launch_configuration_templates()["items"][0]["copyTags"]
        assert drs.describe_replication_configuration_templates()["items"][0]["pitPolicy"]
        assert drs.list_recovery_plan_executions()["recoveryPlanExecutions"][0]["status"] == "IN_PROGRESS"
        assert {job["status"] for job in drs.describe_jobs()["items"]} == {"STARTED", "COMPLETED"}
        sandbox.clock.advance(25 * 3600)
        assert {job["status"] for job in drs.describe_jobs()["items"]} == {"COMPLETED"}
        assert len(sandbox.runtime.faults) == 2


class Malicious:
    """Pickles to a call of `print`, standing for anything worse."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code from a state file ran",)


def test_code_in_a_state_file_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, head, _ = saved(tmp_path)
    file.write_bytes(head + pickle.dumps(Malicious()))
    with pytest.raises(UsageError, match="not allowed"):
        SandboxServer(state_file=file).start()
    assert "ran" not in capsys.readouterr().out


def test_no_half_written_file_stays_behind(tmp_path: Path) -> None:
    saved(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
