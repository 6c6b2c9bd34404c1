"""Starting and terminating EC2 instances without moto's linear searches.

moto searches its 1,300 images, all instance types and all instances for each instance that it runs, and all instances
for each volume that it attaches or detaches: 10 ms each at a thousand instances. The result here is an ordinary moto
`Instance` with its volumes, interfaces, tags and reservation; only the searches are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instances import Instance, Reservation
from moto.ec2.utils import random_reservation_id
from moto.moto_api._internal import mock_random

from .identifiers import generator

GIB = 1024**3


@contextmanager
def seeded_ec2(*parts: object) -> Iterator[None]:
    """Make moto draw the ids of resources created within the block from a generator determined by `parts`."""
    state = mock_random.getstate()
    mock_random.seed(generator(*parts).getrandbits(64))
    try:
        yield
    finally:
        mock_random.setstate(state)


class _WithoutImages:
    """EC2's backend for a new instance, without the search for its image: DRS's images are in no catalogue."""

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ec2, name)

    def describe_images(self, **_: Any) -> list[Any]:
        """No image."""
        return []


class RecoveryEC2Instance(Instance):
    """An instance that detaches its volumes without a search of all instances."""

    @property
    def instance_id(self) -> str:
        """Its id; moto derives this attribute's name from the class name, which differs here."""
        return self.id

    def teardown_defaults(self) -> None:
        """Detach the volumes, and delete those with DeleteOnTermination."""
        for device, mapping in list(self.block_device_mapping.items()):
            del self.block_device_mapping[device]
            volume = self.ec2_backend.volumes.get(mapping.volume_id)
            if volume is not None:
                volume.attachment = None
                if mapping.delete_on_termination:
                    self.ec2_backend.delete_volume(mapping.volume_id)


def run_instance(
    ec2: Any, *, groups: list[Any], disks: list[dict[str, Any]], tags: dict[str, str], **settings: Any
) -> Instance:
    """Run one instance with these security groups (objects), disks (`deviceName`, `bytes`) and tags.

    `settings` are those of moto's `Instance`.
    """
    # Abstract to a type checker only, as all of moto's own resources are.
    make: Any = RecoveryEC2Instance
    instance: Instance = make(_WithoutImages(ec2), "", None, groups, **settings)
    instance.ec2_backend = ec2
    instance.virtualization_type = "hvm"
    for nic in instance.nics.values():
        nic.delete_on_termination = True
    reservation = Reservation(random_reservation_id(), owner_id=ec2.account_id)
    reservation.instances.append(instance)
    ec2.reservations[reservation.id] = reservation
    instance.add_tags(tags)
    attach_disks(ec2, instance, disks)
    return instance


def attach_disks(ec2: Any, instance: Any, disks: list[dict[str, Any]]) -> None:
    """Make a volume of each disk (`deviceName`, `bytes`) and attach it."""
    attach: Any = VolumeAttachment  # abstract to a type checker only
    for disk in disks:
        size = max(1, -(-disk["bytes"] // GIB))
        volume = ec2.create_volume(size=size, zone_name=instance.availability_zone, volume_type="gp3")
        volume.attachment = attach(volume, instance, disk["deviceName"], "attached")
        instance.block_device_mapping[disk["deviceName"]] = BlockDeviceType(
            volume_id=volume.id, status=volume.status, size=size, attach_time=utcnow(), delete_on_termination=True
        )
