"""Hooks of the documentation site: the root's Markdown files as pages, and links that work on the site too.

In: the pages of `docs/` and the Markdown files of the repository's root, with links that are valid in a checkout. Out:
pages whose links to each other are valid on the site; links to other files point to the repository, whose URL is in
pyproject.toml. Never changes the files.
"""

from __future__ import annotations

import os.path
import re
import tomllib
from itertools import groupby
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from prefect_drs.operations import OPERATIONS, Operation

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Markdown files of the repository's root, and the pages that they are on the site."""
_FILES = {page: file for file, page in ROOT_PAGES.items()}
OPERATIONS_MARK = "<!-- operations -->"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE_WORDS = re.compile(r"^(```\w+) .*$", re.MULTILINE)


def on_startup(command: str, dirty: bool) -> None:
    """Import every operation before mkdocstrings listens to griffe's warnings.

    Prefect reads the docstring of each flow with griffe when the flow is defined, and silences the warnings about it at
    a logger that mkdocstrings replaces later.
    """
    for operation in OPERATIONS:
        _module(operation)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the repository's address from pyproject.toml."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    config.repo_url = urls["Repository"]
    config.repo_name = config.site_name
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's Markdown files as pages."""
    for file, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite a page's links for the site, and drop words after a fence's language, which are for the tests."""
    repository_path = _FILES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    if OPERATIONS_MARK in markdown:
        markdown = markdown.replace(OPERATIONS_MARK, operations_markdown())
    linked = _LINK.sub(lambda found: f"]({site_link(found[1], repository_path, str(config.repo_url))})", markdown)
    return _FENCE_WORDS.sub(r"\1", linked)


def operations_markdown() -> str:
    """Every operation of the registry and, where it is first used, its request: a section for each module."""
    blocks: list[str] = []
    shown: set[str] = set()
    for module, operations in groupby(sorted(OPERATIONS, key=_module), key=_module):
        blocks.append(f"## {module.rpartition('.')[2].replace('_', ' ').capitalize()}")
        for operation in operations:
            blocks.append(f"::: {module}.{operation.function.__name__}")
            request = f"{operation.request.__module__}.{operation.request.__name__}"
            if request not in shown:
                blocks.append(f"::: {request}\n    options:\n      heading_level: 4\n      inherited_members: true")
            shown.add(request)
    return "\n\n".join(blocks)


def _module(operation: Operation) -> str:
    return operation.function.__module__


def site_link(target: str, page: str, repository: str) -> str:
    """The link on the site for `target`, a link in the repository's file `page`."""
    path, hash_sign, anchor = target.partition("#")
    if not path or "://" in path:
        return target
    file = PurePosixPath(os.path.normpath(PurePosixPath(page).parent / path))
    if str(file) in ROOT_PAGES:
        return ROOT_PAGES[str(file)] + hash_sign + anchor
    if file.is_relative_to("docs"):
        return str(file.relative_to("docs")) + hash_sign + anchor
    return f"{repository}/blob/main/{file}" + hash_sign + anchor
