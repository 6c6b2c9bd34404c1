"""Lays the simulated DRS out as a contribution to moto would: `python -m release.upstream FOLDER`.

In: `prefect_drs/simulator/drs`, the tests in moto's style in `tests/simulator/upstream/test_drs`, and the installed
release of moto. Out: FOLDER with `moto/drs/`, moto's two indexes of services with DRS in them, and `tests/test_drs/`.
Nothing is downloaded or sent, and no line of the service is changed: what moto's maintainers would ask to change is in
docs/simulator-upstream.md.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import moto

from release.errors import ReleaseError

ROOT = Path(__file__).resolve().parents[1]
SERVICE = ROOT / "prefect_drs" / "simulator" / "drs"
TESTS = ROOT / "tests" / "simulator" / "upstream" / "test_drs"
MOTO = Path(moto.__file__).parent
NOT_IN_MOTO = frozenset({"registration.py"})
"""What stands for moto's index of services, which the contribution changes itself."""
URL_ENTRY = '    ("drs", re.compile("https?://drs\\\\.(.+)\\\\.amazonaws\\\\.com")),\n'
TYPE_IMPORT = "    from moto.drs.models import DRSBackend\n"
SERVICE_NAME = "    \"Literal['drs']\",\n"
OVERLOAD = '@overload\ndef get_backend(name: "Literal[\'drs\']") -> "BackendDict[DRSBackend]": ...\n'


def lay_out(folder: Path) -> list[Path]:
    """Write the tree; the files that it has, relative to the folder.

    Raises:
        ReleaseError: the folder holds something else, or the installed moto has DRS, or indexes of another form.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ReleaseError(f"{folder} is not empty: name a new folder")
    if (MOTO / "drs").exists():
        raise ReleaseError(f"moto in {MOTO} has a service drs already: compare with it instead")
    indexes = {
        name: with_drs(name, (MOTO / name).read_text(encoding="utf-8")) for name in ("backend_index.py", "backends.py")
    }
    _copy(SERVICE, folder / "moto" / "drs", without=NOT_IN_MOTO)
    for name, text in indexes.items():
        (folder / "moto" / name).write_text(text, encoding="utf-8")
    _copy(TESTS, folder / "tests" / "test_drs")
    return sorted(path.relative_to(folder) for path in folder.rglob("*.py"))


def with_drs(name: str, text: str) -> str:
    """One of moto's indexes with DRS in its alphabetical place.

    Args:
        name: `backend_index.py` or `backends.py`.
        text: what moto has.

    Raises:
        ReleaseError: the index does not have the form of moto 5.
    """
    if name == "backend_index.py":
        return _before(text, r'^    \("ds",', URL_ENTRY, name)
    text = _before(text, r"^    from moto\.ds\.models import", TYPE_IMPORT, name)
    text = _before(text, r"^    \"Literal\['ds'\]\",$", SERVICE_NAME, name)
    return _before(text, r"^@overload\ndef get_backend\(name: \"Literal\['ds'\]\"\)", OVERLOAD, name)


def _before(text: str, pattern: str, line: str, name: str) -> str:
    """The text with a line before the one place that the pattern finds."""
    places = list(re.finditer(pattern, text, re.MULTILINE))
    if len(places) != 1:
        raise ReleaseError(f"moto/{name} has another form: {pattern} is found {len(places)} times")
    return text[: places[0].start()] + line + text[places[0].start() :]


def _copy(source: Path, target: Path, *, without: frozenset[str] = frozenset()) -> None:
    target.mkdir(parents=True)
    for path in sorted(source.glob("*.py")):
        if path.name not in without:
            shutil.copyfile(path, target / path.name)


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 1 with the reason on standard error."""
    if len(arguments) != 1:
        print("usage: python -m release.upstream FOLDER", file=sys.stderr)
        return 2
    try:
        files = lay_out(Path(arguments[0]))
    except ReleaseError as error:
        print(f"release.upstream: {error}", file=sys.stderr)
        return 1
    print(f"{len(files)} files in {arguments[0]}, laid out for moto {moto.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
