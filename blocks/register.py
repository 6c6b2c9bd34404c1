"""`prefect-drs setup` from a checkout: make prefect-drs's block types known to a Prefect server."""

from __future__ import annotations

import sys

from prefect_drs.cli import main

if __name__ == "__main__":
    sys.exit(main(["setup", *sys.argv[1:]]))
