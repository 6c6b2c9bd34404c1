"""What runs by itself: tag sync and inventory as deployments, their settings, and what they leave behind.

settings.py     TagSyncSettings: the block that all settings of tag sync are kept in, and nowhere else
tag_sync.py     settings -> one synchronisation within a flow run, one at a time -> artifacts
deployments.py  settings -> the deployment's schedule; status, and a run at once
inventory.py    the accounts -> one inventory within a flow run -> artifacts; the last one, read back
kept.py         JSON that outlives its run: an artifact that is written over
pages.py        results -> Markdown
"""
