"""Right-sizing: the EC2 instance type that DRS recommends for a source server's processors and memory.

DRS's BASIC method selects the smallest type of the general, compute and memory families that has enough of both.
"""

from __future__ import annotations

GIB = 1024**3
_SIZES = (("large", 1), ("xlarge", 2), ("2xlarge", 4), ("4xlarge", 8), ("8xlarge", 16), ("12xlarge", 24),
          ("16xlarge", 32), ("24xlarge", 48))  # fmt: skip
_FAMILIES = (("c5", 4), ("m5", 8), ("r5", 16))
_MISSING = {"c5.8xlarge", "c5.16xlarge"}


def recommended_instance_type(cpus: int, ram_bytes: int) -> str:
    """The smallest type with at least `cpus` processors and `ram_bytes` of memory; the largest type if none has."""
    for size, factor in _SIZES:
        if 2 * factor < cpus:
            continue
        for family, gib in _FAMILIES:
            name = f"{family}.{size}"
            if gib * factor * GIB >= ram_bytes and name not in _MISSING:
                return name
    return "r5.24xlarge"
