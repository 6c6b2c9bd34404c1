"""The checkers of the examples are an extra of their own, which the lowest releases cannot be installed with."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("hcl2") else ["test_policies.py", "test_workers.py"]
