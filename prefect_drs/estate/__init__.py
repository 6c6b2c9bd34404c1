"""The stored estate: protection groups and recovery plans kept as Prefect blocks, for those who work by operations.

    model.py     what is stored -> an Estate; edits -> the Estate that they would make
    blocks.py    the two block types, and the one that a change is committed with
    store.py     blocks -> an Estate, and a change -> blocks: readers see all of it or nothing
    errors.py    why a change is refused, as errors with the operations' codes
    rules.py     an Estate and the one that would be -> refusals: the rules of a manifest, and who is using what
    overlap.py   groups by tags that hold the same server today
    change.py    the one way to change anything: lock, read, edit, examine, write
    source.py    `estate:` instead of a plan file

The whole estate is one manifest: whatever a file would be refused for is refused here, by the same rules.
"""
