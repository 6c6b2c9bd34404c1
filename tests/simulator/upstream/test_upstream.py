"""The simulated DRS as a contribution to moto: the tree that the script lays out, and moto's kind of tests in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from release.errors import ReleaseError
from release.upstream import MOTO, lay_out, main, with_drs

ROOT = Path(__file__).parents[3]
RUN_IN_TREE = """
import importlib.util, sys
import pytest

tree = sys.argv[1]
spec = importlib.util.find_spec("moto")
spec.submodule_search_locations.insert(0, f"{tree}/moto")  # what is laid out comes before the installed files
sys.modules["moto"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["moto"])
import moto.drs
assert moto.drs.__file__.startswith(tree)
code = pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", tree, f"{tree}/tests"])
assert not [name for name in sys.modules if name.split(".")[0] in {"prefect", "prefect_drs"}]
sys.exit(code)
"""
"""moto with the tree in front of it. It would be a checkout's own folder for a contribution."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "moto-with-drs"
    lay_out(folder)
    return folder


def test_tests_in_motos_style_pass_in_the_tree(tree: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN_IN_TREE, str(tree)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 20


def test_the_tree_has_the_files_that_moto_expects_of_a_service(tree: Path) -> None:
    service = {path.name for path in (tree / "moto/drs").iterdir()}
    assert {"__init__.py", "models.py", "responses.py", "urls.py", "exceptions.py"} <= service
    assert "registration.py" not in service
    assert {path.name for path in (tree / "tests/test_drs").iterdir()} >= {"__init__.py", "test_drs_jobs.py"}


def test_motos_indexes_differ_by_the_lines_of_drs_only(tree: Path) -> None:
    for name, count in (("backend_index.py", 1), ("backends.py", 4)):
        laid, had = ((folder / name).read_text().splitlines() for folder in (tree / "moto", MOTO))
        added = [line for line in laid if line not in had]
        assert len(laid) - len(had) == count
        assert all("drs" in line for line in added)


def test_an_index_of_another_form_is_refused() -> None:
    with pytest.raises(ReleaseError, match="another form"):
        with_drs("backend_index.py", "backend_url_patterns = []\n")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").touch()
    assert main([str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_page_names_every_package_that_the_service_imports_and_moto_does_not_require(tree: Path) -> None:
    imported = {
        name.split(".")[0]
        for path in (tree / "moto/drs").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    required = {re.split(r"[^\w-]", each)[0].lower() for each in requires("moto") or () if "extra ==" not in each}
    others = imported - required - set(sys.stdlib_module_names) - {"moto"}
    page = (ROOT / "docs/simulator-upstream.md").read_text(encoding="utf-8")
    assert others == set(re.findall(r"^\| `(\w+)` \|", page.partition("## What moto does not have")[2], re.MULTILINE))
