"""The zip of the Lambda function: what is in it, how large it may be; `make lambda` builds it from the dependencies."""

from __future__ import annotations

import importlib.util
import os
import zipfile
from pathlib import Path

import pytest

from release.errors import ReleaseError
from release.lambda_package import check_size, compile_files, prune, write_zip

KEPT = ("prefect/__init__.py", "prefect/server/api.py", "prefect_drs/lambda_handler.py")
TAKEN_AWAY = ("bin/prefect", "prefect/server/ui/index.html", "prefect/server/ui-v2/a/b.js", "networkx/tests/test_a.py")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    for name in (*KEPT, *TAKEN_AWAY, "prefect/__pycache__/old.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("VALUE = 1\n")
    return folder


def names(package: Path) -> set[str]:
    return {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}


def test_what_no_function_needs_is_taken_away(package: Path) -> None:
    prune(package)
    assert names(package) == set(KEPT)


def test_byte_code_holds_whatever_the_time_of_the_unzipped_file_is(package: Path) -> None:
    module = package / "prefect_drs/lambda_handler.py"
    compile_files(package, [module])
    module.write_text("VALUE = 2\n")
    os.utime(module, (0, 0))
    spec = importlib.util.spec_from_file_location("unzipped_handler", module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert loaded.VALUE == 1


def test_a_package_above_the_limit_is_refused_with_its_largest_folders(package: Path) -> None:
    size = sum((package / name).stat().st_size for name in names(package))
    assert check_size(package, limit=size) == size
    with pytest.raises(ReleaseError, match=r"largest: prefect .* use a container image"):
        check_size(package, limit=size - 1)


def test_the_same_files_make_the_same_zip_that_every_user_can_read(package: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    write_zip(package, first)
    for name in names(package):
        os.utime(package / name, (0, 0))
    (package / KEPT[0]).chmod(0o600)
    write_zip(package, second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(second) as archive:
        assert set(archive.namelist()) == names(package)
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
