"""`python -m release.lambda_package`, behind `make lambda`: the zip of the AWS Lambda function.

In: the checkout, and the Python that runs this: its version becomes the function's runtime. Out: the file
`prefect-drs-lambda.zip` in a folder, its sizes, and the CPU time of the handler's import. It uploads nothing.

The stages, in order: build the wheel; install it with its dependencies, only wheels, for Amazon Linux 2023; take away
what no function needs; compile what the handler imports, since Lambda's folder of the code is read-only and Python
would compile it again at each cold start; check the sizes; write the zip.

Quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import json
import os
import platform
import py_compile
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from release.commands import run
from release.errors import ReleaseError
from release.wheel import UV, build_wheel

ROOT = Path(__file__).resolve().parents[1]
NAME = "prefect-drs-lambda.zip"
MIB = 2**20
UNZIPPED_LIMIT = 250 * MIB
"""Bytes of a function's code with its layers, unzipped."""
DIRECT_UPLOAD_LIMIT = 50 * MIB
"""Bytes of a zip that is not uploaded by way of S3."""
LIBC = "manylinux_2_28"
"""Amazon Linux 2023, on which the runtimes from Python 3.12 on run, has glibc 2.34."""
OLDEST_RUNTIME = (3, 12)
NEEDLESS = ("bin", "prefect/server/ui", "prefect/server/ui-v2")
"""Scripts, and the user interface of a Prefect server, which a function does not serve."""
NEEDLESS_NAMES = frozenset({"__pycache__", "tests"})
EARLIEST_IN_A_ZIP = (1980, 1, 1, 0, 0, 0)
IMPORT = """
import json, sys, time
from prefect_drs.lambda_handler import handler
seconds = time.process_time()
from prefect_drs.operations.registry import registered_operations
registered_operations()
files = [m.__file__ for m in list(sys.modules.values()) if (getattr(m, "__file__", None) or "").endswith(".py")]
print(json.dumps([seconds, files]))
"""


@dataclass(frozen=True, slots=True)
class LambdaPackage:
    """The zip, its sizes in bytes, and the CPU seconds from Python's start until the handler is imported."""

    file: Path
    runtime: str
    unzipped: int
    zipped: int
    import_seconds: float

    def __str__(self) -> str:
        way = "by way of S3" if self.zipped > DIRECT_UPLOAD_LIMIT else "directly"
        return (
            f"{self.file}: runtime {self.runtime}, {platform.machine()}, {self.unzipped / MIB:.0f} of "
            f"{UNZIPPED_LIMIT / MIB:.0f} MB unzipped, {self.zipped / MIB:.0f} MB zipped (upload it {way}); "
            f"the handler is imported in {self.import_seconds:.1f} s of CPU"
        )


def package_lambda(root: Path, out: Path) -> LambdaPackage:
    """Build the zip of the checkout `root` into the folder `out`.

    Raises:
        ReleaseError: this is not Linux, a dependency has no wheel, or the package is larger than Lambda allows.
    """
    if sys.platform != "linux":
        raise ReleaseError("the package contains compiled wheels and byte code: build it on Linux, or in a container")
    with tempfile.TemporaryDirectory(prefix="prefect-drs-lambda-") as made:
        package = Path(made, "package")
        wheels = Path(made, "wheel")
        wheels.mkdir()
        _install(build_wheel(root, wheels), package, root / "constraints.txt")
        prune(package)
        _, used = _import(package)
        compile_files(package, used)
        seconds, _ = _import(package)
        unzipped = check_size(package)
        out.mkdir(parents=True, exist_ok=True)
        write_zip(package, out / NAME)
    return LambdaPackage(
        out / NAME,
        "python{}.{}".format(*sys.version_info),
        unzipped,
        (out / NAME).stat().st_size,
        seconds,
    )


def _install(wheel: Path, package: Path, constraints: Path) -> None:
    target = ("--target", str(package), "--python-platform", f"{platform.machine()}-{LIBC}", "--only-binary", ":all:")
    version = ("--python-version", "{}.{}".format(*sys.version_info))
    pinned = ("--constraint", str(constraints))
    run(UV, "pip", "install", "--quiet", *target, *version, *pinned, str(wheel), cwd=package.parent)


def prune(package: Path) -> None:
    """Take away what no function needs."""
    for path in NEEDLESS:
        shutil.rmtree(package / path, ignore_errors=True)
    for folder, children, _ in os.walk(package):
        for child in NEEDLESS_NAMES.intersection(children):
            shutil.rmtree(Path(folder, child))
            children.remove(child)


def _import(package: Path) -> tuple[float, list[Path]]:
    """Import the handler and every operation as Lambda does, without a home: CPU seconds of the handler, all files."""
    alone = {"PYTHONPATH": str(package), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    printed = run(sys.executable, "-S", "-c", IMPORT, cwd=package.parent, environment=alone)
    seconds, files = json.loads(printed)
    return float(seconds), [Path(file) for file in files if Path(file).is_relative_to(package)]


def compile_files(package: Path, files: list[Path]) -> None:
    """Compile modules to byte code that holds whatever the time of the unzipped file is."""
    for file in files:
        py_compile.compile(
            str(file),
            dfile=str(file.relative_to(package)),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def check_size(package: Path, limit: int = UNZIPPED_LIMIT) -> int:
    """The bytes of all files.

    Raises:
        ReleaseError: they are more than `limit`; names the largest folders.
    """
    sizes: dict[str, int] = {}
    for file in _files(package):
        top = file.relative_to(package).parts[0]
        sizes[top] = sizes.get(top, 0) + file.stat().st_size
    total = sum(sizes.values())
    if total > limit:
        largest = sorted(sizes.items(), key=lambda entry: -entry[1])[:5]
        told = ", ".join(f"{name} {size / MIB:.1f} MB" for name, size in largest)
        raise ReleaseError(
            f"the package has {total / MIB:.1f} MB, Lambda allows {limit / MIB:.1f} (largest: {told}): "
            "use a container image"
        )
    return total


def write_zip(package: Path, file: Path) -> None:
    """Write the zip: the same bytes for the same files, readable by every user, as Lambda requires."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in _files(package):
            entry = zipfile.ZipInfo(each.relative_to(package).as_posix(), EARLIEST_IN_A_ZIP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o755 << 16 if os.access(each, os.X_OK) else 0o644 << 16
            archive.writestr(entry, each.read_bytes())


def _files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file())


def main(arguments: list[str]) -> int:
    """Build the zip into the folder that the arguments name, by default `dist`; return the exit code."""
    if len(arguments) > 1:
        print("usage: python -m release.lambda_package [FOLDER]", file=sys.stderr)
        return 2
    try:
        package = package_lambda(ROOT, Path(*arguments) if arguments else ROOT / "dist")
    except ReleaseError as stopped:
        print(f"no package was built:\n{stopped}", file=sys.stderr)
        return 1
    print(package)
    if sys.version_info < OLDEST_RUNTIME:
        print(
            f"warning: Lambda's runtime {package.runtime} runs on Amazon Linux 2, whose glibc is older than "
            "these wheels need: build with Python 3.12 or newer",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
