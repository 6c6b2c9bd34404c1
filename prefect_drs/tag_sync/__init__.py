"""Tag sync: copies tags of EC2 instances to the DRS source servers that replicate them.

In: accounts, `TagRules`, a clock. Out: a `TagSyncResult`, and DRS with just the tags that differed written. The way of
the data: `aws.fan_out` reads the source servers, `aws.tags` the instances, `compare` says what differs (pure), `sync`
writes it. Never imports Prefect; never writes to EC2.
"""

from prefect_drs.tag_sync.compare import TagChange, TagDifference, compare
from prefect_drs.tag_sync.copy_tags_cache import CopyTagsCache
from prefect_drs.tag_sync.model import ServerTagChange, ServerTagFault, TagSyncResult
from prefect_drs.tag_sync.rules import TagRules
from prefect_drs.tag_sync.sync import synchronise

__all__ = [
    "CopyTagsCache",
    "ServerTagChange",
    "ServerTagFault",
    "TagChange",
    "TagDifference",
    "TagRules",
    "TagSyncResult",
    "compare",
    "synchronise",
]
