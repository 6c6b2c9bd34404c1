"""Starting and terminating EC2 instances without moto's linear searches.

moto searches its 1,300 images, all instance types and all instances for each instance that it runs, and all instances
for each volume that it attaches or detaches: 10 ms each at a thousand instances. The result here is an ordinary moto
`Instance` with its volumes, interfaces, tags and reservation; only the searches are skipped.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociation
from moto.ec2.models.instances import Instance, Reservation
from moto.ec2.utils import (
    filter_iam_instance_profiles,
    random_iam_instance_profile_association_id,
    random_reservation_id,
)
from moto.moto_api._internal import mock_random

from .identifiers import generator

GIB = 1024**3
LETTERS = string.ascii_lowercase


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

    def terminate(self) -> Any:
        """Terminate it; its profile's association is dropped first, which moto would search for."""
        if self.ec2_backend.iam_instance_profile_associations.pop(self.id, None) is not None:
            self.iam_instance_profile = None
        return super().terminate()

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
    ec2: Any,
    *,
    groups: list[Any],
    disks: list[dict[str, Any]],
    tags: dict[str, str],
    volume_tags: dict[str, str] | None = None,
    image_id: str = "",
    **settings: Any,
) -> Instance:
    """Run one instance with these security groups (objects), disks (`bytes`) and tags.

    `settings` are those of moto's `Instance`.
    """
    # Abstract to a type checker only, as all of moto's own resources are.
    make: Any = RecoveryEC2Instance
    instance: Instance = make(_WithoutImages(ec2), image_id, None, groups, **settings)
    instance.ec2_backend = ec2
    instance.virtualization_type = "hvm"
    for nic in instance.nics.values():
        nic.delete_on_termination = True
    reservation = Reservation(random_reservation_id(), owner_id=ec2.account_id)
    reservation.instances.append(instance)
    ec2.reservations[reservation.id] = reservation
    try:
        instance.add_tags(tags)
        attach_disks(ec2, instance, disks, volume_tags)
    except Exception:
        instance.terminate()  # EC2 refused one of its parts
        raise
    return instance


def stamp(ec2: Any, instance: Instance, at: datetime) -> None:
    """Date an instance, its interfaces and its volumes: a launch may be carried out after its time has come."""
    naive = at.astimezone(UTC).replace(tzinfo=None)  # as moto's times are
    instance.launch_time = naive
    for nic in instance.nics.values():
        nic.attach_time = naive
    for mapping in instance.block_device_mapping.values():
        mapping.attach_time = naive
        volume = ec2.volumes[mapping.volume_id]
        volume.create_time = volume.attachment.attach_time = naive


def device_names(root: str, count: int) -> list[str]:
    """EC2's device names of an instance's disks, the root first: /dev/sda1, /dev/sdb … /dev/sdz, /dev/xvdba …."""
    others = [*(f"/dev/sd{letter}" for letter in LETTERS[1:]), *(f"/dev/xvd{a}{b}" for a in "bcd" for b in LETTERS)]
    return [root, *others][:count]


def attach_disks(ec2: Any, instance: Any, disks: list[dict[str, Any]], tags: dict[str, str] | None = None) -> None:
    """Make a volume of each disk (`bytes`), with these tags, and attach it; the first is the root."""
    attach: Any = VolumeAttachment  # abstract to a type checker only
    for device, disk in zip(device_names(instance.root_device_name, len(disks)), disks, strict=True):
        size = max(1, -(-disk["bytes"] // GIB))
        volume = ec2.create_volume(size=size, zone_name=instance.availability_zone, volume_type="gp3")
        if tags:
            ec2.create_tags([volume.id], tags)
        volume.attachment = attach(volume, instance, device, "attached")
        instance.block_device_mapping[device] = BlockDeviceType(
            volume_id=volume.id,
            status=volume.status,
            size=size,
            attach_time=instance.launch_time,
            delete_on_termination=True,
        )


class _Directly:
    """EC2's backend for a profile's association, without the search for its instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def modify_instance_attribute(self, _: str, key: str, value: Any) -> None:
        """Set the attribute."""
        setattr(self._instance, key, value)


def associate_profile(ec2: Any, instance: Instance, *, name: str | None, arn: str | None) -> None:
    """Associate an instance profile, named by its name or its ARN.

    Raises:
        ServiceException: it does not exist.
    """
    profile = filter_iam_instance_profiles(
        ec2.account_id, partition=ec2.partition, iam_instance_profile_arn=arn, iam_instance_profile_name=name
    )
    make: Any = IamInstanceProfileAssociation  # abstract to a type checker only
    made = make(_Directly(instance), random_iam_instance_profile_association_id(), instance, profile)
    made.ec2_backend = ec2
    ec2.iam_instance_profile_associations[instance.id] = made
