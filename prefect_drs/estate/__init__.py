"""The stored estate: protection groups and recovery plans stored as Prefect blocks, changed by operations.

    model.py     stored documents -> an Estate; edits -> the resulting Estate
    blocks.py    the block types of groups and plans, and the block that commits a change
    store.py     blocks -> an Estate; a change -> blocks, atomically for readers
    errors.py    the errors of refused changes, with the operations' codes
    rules.py     an Estate and its changes -> faults: the rules of a manifest, and use by plans and executions
    overlap.py   servers that belong to two groups, where a group selects by tags
    change.py    the one way to change the estate: lock, read, edit, check, write
    source.py    `estate:` instead of a plan file

The whole estate is one manifest: the rules of a plan file apply to it.
"""
