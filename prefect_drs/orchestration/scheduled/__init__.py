"""Scheduled work: tag sync and inventory as deployments, their settings and their artifacts.

settings.py         TagSyncSettings: the block that stores all settings of tag sync
tag_sync.py         settings -> one synchronisation in a flow run, one at a time -> artifacts
deployments.py      settings -> the deployment's schedule; its status; an immediate run
inventory.py        accounts -> one inventory in a flow run -> artifacts; reading the latest one
latest_artifact.py  JSON that outlives its run: an artifact that is overwritten
pages.py            results -> Markdown
"""
