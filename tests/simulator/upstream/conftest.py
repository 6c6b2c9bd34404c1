"""The tests in moto's style run in the tree that `release.upstream` lays out, not here: see test_upstream.py."""

collect_ignore = ["test_drs"]
