"""Prefect's database after its migrations, made once for all processes of a run of the tests.

In: the folder that they share. Out: an SQLite file in the home of a server, which then finds nothing to migrate: that
takes a third of the CPU of a server's first start. No server opens the file that is copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.shared_folder import exclusive

NAME = "prefect.db"  # in PREFECT_HOME, unless a setting says otherwise


def give_migrated_database(home: Path, shared: Path, prefect: Path, environment: dict[str, str]) -> None:
    """Put the database into the home of a server that has none; `prefect` is the program that makes it if need be."""
    made = shared / "migrated"
    with exclusive(shared, "migrated"):
        if not made.exists():
            new = shared / "migrating"
            new.mkdir()
            _migrate(new, prefect, environment)
            new.rename(made)
    shutil.copy(made / NAME, home / NAME)


def _migrate(home: Path, prefect: Path, environment: dict[str, str]) -> None:
    own = {"PREFECT_HOME": str(home), "PREFECT_PROFILES_PATH": str(home / "profiles.toml")}
    done = subprocess.run(
        [prefect, "server", "database", "upgrade", "--yes"],
        env={**os.environ, **environment, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [file.name for file in home.glob(f"{NAME}*")] == [NAME], "the database was not closed"
