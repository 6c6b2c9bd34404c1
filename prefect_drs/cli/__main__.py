"""`python -m prefect_drs.cli` is `prefect-drs`."""

import sys

from prefect_drs.cli import main

sys.exit(main())
