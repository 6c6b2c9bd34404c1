"""Source networks: VPCs whose configuration DRS replicates and deploys.

The replication takes two minutes and always succeeds; a recovery copies the VPC and its subnets into this region's EC2.
The simulator reports CloudFormation stacks and exported templates, but does not create them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from .configuration_templates import ConfigurationTemplate
from .event_bus import NETWORK_CHANGE, NETWORK_RESULT
from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException
from .instances import seeded_ec2
from .job_runs import JobRuns, internal_error
from .jobs import Job, JobRegister
from .paging import answer_page
from .scope import Scope
from .store import Store
from .wire import Params, Wire, dropping_none, wire_time

QUOTA_SOURCE_NETWORKS = 100
"""Source networks an account and region (AWS DRS quotas)."""
REPLICATION_TAKES = timedelta(minutes=2)
DEPLOYMENT_TAKES = timedelta(minutes=3)
EVENTS = {
    "CREATE_NETWORK_RECOVERY": "DEPLOY_NETWORK_CONFIGURATION",
    "UPDATE_NETWORK_RECOVERY": "UPDATE_NETWORK_CONFIGURATION",
    "ASSOCIATE_NETWORK_RECOVERY": "UPDATE_LAUNCH_TEMPLATE",
}


@dataclass(slots=True)
class SourceNetwork:
    """One source network."""

    network_id: str
    arn: str
    vpc_id: str
    account: str
    region: str
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "STOPPED"
    stack: str | None = None
    launched_vpc: str | None = None
    last_recovery: Wire | None = None
    generation: int = 0

    def wire(self) -> Wire:
        """`SourceNetwork`."""
        return dropping_none(
            {
                "sourceNetworkID": self.network_id,
                "arn": self.arn,
                "sourceVpcID": self.vpc_id,
                "sourceAccountID": self.account,
                "sourceRegion": self.region,
                "tags": self.tags,
                "replicationStatus": self.status,
                "cfnStackName": self.stack,
                "launchedVpcID": self.launched_vpc,
                "lastRecovery": self.last_recovery,
            }
        )


@dataclass(slots=True)
class SourceNetworks:
    """The operations on source networks, and the jobs that deploy them."""

    _scope: Scope
    _networks: Store[SourceNetwork]
    _templates: Store[ConfigurationTemplate]
    _register: JobRegister
    _runs: JobRuns

    def __post_init__(self) -> None:
        self._runs.starters.update(dict.fromkeys(EVENTS, self._start))
        self._scope.handle(network_protected=self._protect, network_deployed=self._finish)

    def create_source_network(self, params: Params) -> Wire:
        """CreateSourceNetwork of an existing VPC."""
        if len(self._networks) >= QUOTA_SOURCE_NETWORKS:
            raise ServiceQuotaExceededException(
                f"This account has {QUOTA_SOURCE_NETWORKS} source networks in {self._scope.region}.",
                "L-4B0323BD",
                "SourceNetwork",
            )
        account, region, vpc_id = params["originAccountID"], params["originRegion"], params["vpcID"]
        if vpc_id not in ec2_backends[account][region].vpcs:
            raise ResourceNotFoundException("Vpc", vpc_id)
        if any(n.vpc_id == vpc_id and n.account == account for n in self._networks.values()):
            raise ConflictException(f"VPC {vpc_id} has a source network.", "Vpc", vpc_id)
        network_id = self._scope.identifier("sn-", account, region, vpc_id, self._scope.count("network"))
        self._networks[network_id] = SourceNetwork(
            network_id,
            self._scope.arn("source-network", network_id),
            vpc_id,
            account,
            region,
            dict(params.get("tags") or {}),
        )
        return {"sourceNetworkID": network_id}

    def describe_source_networks(self, params: Params) -> Wire:
        """DescribeSourceNetworks: by id, by account and region of origin."""
        filters = params.get("filters") or {}
        wanted = filters.get("sourceNetworkIDs")
        found = [
            network
            for network in self._networks.values()
            if (not wanted or network.network_id in wanted)
            and filters.get("originAccountID", network.account) == network.account
            and filters.get("originRegion", network.region) == network.region
        ]
        return answer_page("DescribeSourceNetworks", params, found)

    def delete_source_network(self, params: Params) -> Wire:
        """DeleteSourceNetwork: only one that is stopped."""
        network = self._networks.one(params["sourceNetworkID"])
        if network.status != "STOPPED":
            raise _conflict(network, f"Source network {network.network_id} is replicating: stop it first.")
        del self._networks[network.network_id]
        return {}

    def start_source_network_replication(self, params: Params) -> Wire:
        """StartSourceNetworkReplication."""
        network = self._networks.one(params["sourceNetworkID"])
        if network.status in {"IN_PROGRESS", "PROTECTED"}:
            raise _conflict(network, f"Source network {network.network_id} is replicating already.")
        self._enter(network, "IN_PROGRESS")
        network.generation += 1
        self._scope.schedule(
            self._scope.now() + REPLICATION_TAKES, "network_protected", network.network_id, network.generation
        )
        return {"sourceNetwork": network.wire()}

    def _enter(self, network: SourceNetwork, status: str) -> None:
        """Set the protection status of a network; EventBridge is told of it."""
        network.status = status
        self._scope.emit(NETWORK_CHANGE, network.arn, state=status)

    def _protect(self, at: datetime, network_id: str, generation: int) -> None:
        """Mark the network as PROTECTED."""
        network = self._networks.get(network_id)
        if network is not None and network.generation == generation:
            self._enter(network, "PROTECTED")

    def stop_source_network_replication(self, params: Params) -> Wire:
        """StopSourceNetworkReplication."""
        network = self._networks.one(params["sourceNetworkID"])
        if network.status == "STOPPED":
            raise _conflict(network, f"Source network {network.network_id} is not replicating.")
        self._enter(network, "STOPPED")
        network.generation += 1
        return {"sourceNetwork": network.wire()}

    def export_source_network_cfn_template(self, params: Params) -> Wire:
        """ExportSourceNetworkCfnTemplate: returns the URL; the simulator writes no template."""
        network = self._networks.one(params["sourceNetworkID"])
        buckets = [t.settings.get("exportBucketArn") for t in self._templates.values()]
        if not buckets or not buckets[0]:
            raise _conflict(network, "The launch configuration template names no exportBucketArn.")
        bucket = str(buckets[0]).rsplit(":", 1)[-1]
        return {"s3DestinationUrl": f"https://{bucket}.s3.amazonaws.com/{network.network_id}.yaml"}

    def associate_source_network_stack(self, params: Params) -> Wire:
        """AssociateSourceNetworkStack: a job that associates the network with an existing stack."""
        network = self._networks.one(params["sourceNetworkID"])
        network.stack = params["cfnStackName"]
        job = self._begin_job([network], "ASSOCIATE_NETWORK_RECOVERY", {})
        return {"job": job.wire()}

    def start_source_network_recovery(self, params: Params) -> Wire:
        """StartSourceNetworkRecovery: a job that deploys the networks."""
        networks = []
        for entry in params["sourceNetworks"]:
            network = self._networks.get(entry["sourceNetworkID"])
            if network is None or network.status != "PROTECTED":
                raise ConflictException(
                    f"Source network {entry['sourceNetworkID']} is not there, or not PROTECTED.",
                    "SourceNetwork",
                    entry["sourceNetworkID"],
                )
            network.stack = entry.get("cfnStackName") or network.stack or f"drs-{network.network_id}"
            networks.append(network)
        anew = params.get("deployAsNew") or all(n.launched_vpc is None for n in networks)
        job = self._begin_job(
            networks, "CREATE_NETWORK_RECOVERY" if anew else "UPDATE_NETWORK_RECOVERY", dict(params.get("tags") or {})
        )
        return {"job": job.wire()}

    def _begin_job(self, networks: list[SourceNetwork], initiated_by: str, tags: dict[str, str]) -> Job:
        self._register.check_quotas([])
        job = self._register.make("LAUNCH", initiated_by, {}, tags)
        for network in networks:
            network.last_recovery = {
                "apiCallDateTime": wire_time(self._scope.now()),
                "jobID": job.job_id,
                "lastRecoveryResult": "IN_PROGRESS",
            }
            job.resources.append(
                {"participatingResourceID": {"sourceNetworkID": network.network_id}, "launchStatus": "PENDING"}
            )
        self._runs.begin(job)
        return job

    def _start(self, at: datetime, job: Job) -> None:
        """Start a network job: it has no servers; it deploys and ends."""
        for resource in job.resources:
            resource["launchStatus"] = "IN_PROGRESS"
            network = self._networks.get(resource["participatingResourceID"]["sourceNetworkID"])
            job.note(at, f"{EVENTS[job.initiated_by]}_START", eventResourceData=_resource_data(network))
        self._scope.schedule(at + DEPLOYMENT_TAKES, "network_deployed", job.job_id)

    def _finish(self, at: datetime, job_id: str) -> None:
        """Deploy the networks and end the job."""
        job = self._register.active(job_id)
        if job is None:
            return
        for resource in job.resources:
            network = self._networks.get(resource["participatingResourceID"]["sourceNetworkID"])
            if network is None:
                resource["launchStatus"] = "FAILED"
            else:
                resource["launchStatus"] = self._recover(at, job, network)
        self._runs.end(at, job)

    def _recover(self, at: datetime, job: Job, network: SourceNetwork) -> str:
        """Deploy or associate a network; its launch status. EC2's refusal fails it, so that no job hangs."""
        associates = job.initiated_by == "ASSOCIATE_NETWORK_RECOVERY"
        status, result = "LAUNCHED", "ASSOCIATE_SUCCESS" if associates else "SUCCESS"
        try:
            if not associates:
                self._deploy(network, job.job_id)
        except Exception as error:
            status, result = "FAILED", "FAIL"
            job.note(
                at, "NETWORK_RECOVERY_FAIL", eventResourceData=_resource_data(network), rawError=internal_error(error)
            )
        else:
            job.note(at, f"{EVENTS[job.initiated_by]}_END", eventResourceData=_resource_data(network))
        if network.last_recovery is not None:
            network.last_recovery["lastRecoveryResult"] = result
        self._scope.emit(NETWORK_RESULT, network.arn, state=result, job_id=job.job_id)
        return status

    def _deploy(self, network: SourceNetwork, job_id: str) -> None:
        origin = ec2_backends[network.account][network.region]
        ec2 = ec2_backends[self._scope.account_id][self._scope.region]
        source: Any = origin.vpcs.get(network.vpc_id)
        if source is None:
            return
        with seeded_ec2(self._scope.seed, job_id, network.network_id):
            vpc = ec2.create_vpc(
                source.cidr_block, tags=[{"Key": "Name", "Value": network.stack or network.network_id}]
            )
            zones = [zone.name for zone in ec2.describe_availability_zones()]
            subnets = [s for by_id in origin.subnets.values() for s in by_id.values() if s.vpc_id == network.vpc_id]
            for number, subnet in enumerate(sorted(subnets, key=lambda s: str(s.cidr_block))):
                ec2.create_subnet(vpc.id, subnet.cidr_block, availability_zone=zones[number % len(zones)])
        network.launched_vpc = vpc.id


def _resource_data(network: SourceNetwork | None) -> Wire:
    if network is None:
        return {}
    return {
        "sourceNetworkData": dropping_none(
            {
                "sourceNetworkID": network.network_id,
                "sourceVpc": network.vpc_id,
                "targetVpc": network.launched_vpc,
                "stackName": network.stack,
            }
        )
    }


def _conflict(network: SourceNetwork, message: str) -> ConflictException:
    return ConflictException(message, "SourceNetwork", network.network_id)
