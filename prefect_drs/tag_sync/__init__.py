"""Tag sync: EC2 instances' tags onto the DRS source servers that replicate them.

In: accounts, `TagRules`, a clock. Out: a `TagSyncResult`, and DRS with just the tags that differed written. The way of
the data: `aws.fan_out` reads the source servers, `aws.tags` the instances, `compare` says what differs (pure), `sync`
writes it. Never imports Prefect; never writes to EC2.
"""

from prefect_drs.tag_sync.compare import TagChange, TagDifference, compare
from prefect_drs.tag_sync.memory import CopyTagsMemory
from prefect_drs.tag_sync.model import ServerTagChange, ServerTagFault, TagSyncResult
from prefect_drs.tag_sync.rules import TagRules
from prefect_drs.tag_sync.sync import synchronise

__all__ = [
    "CopyTagsMemory",
    "ServerTagChange",
    "ServerTagFault",
    "TagChange",
    "TagDifference",
    "TagRules",
    "TagSyncResult",
    "compare",
    "synchronise",
]
