"""Writes `prefect_drs/client/generated` from the REST face's OpenAPI document: `python -m tests.client.generator`.

In: the served routes and their document. Out: Python source, formatted by ruff: a file for each module of
`prefect_drs/operations`, of the same name, with the methods of its operations and the types that only these use; the
types that several files use; and one class with all methods.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prefect_drs.rest.endpoints import takes_key
from prefect_drs.rest.openapi import document
from prefect_drs.rest.parameters import container_of
from prefect_drs.rest.service import ServedRoute, served_routes
from tests.snippets import ROOT

FOLDER = ROOT / "prefect_drs/client/generated"
NOTE = "Written by `python -m tests.client.generator`; do not edit it."
SHARED = "shared_types"
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
Schema = dict[str, Any]


@dataclass
class Argument:
    """A parameter of a method: its name in HTTP, its schema, and whether it must be given."""

    name: str
    schema: Schema
    required: bool
    in_path: bool = False
    is_mapping: bool = False


@dataclass
class Method:
    """An operation with its arguments over all its routes."""

    name: str
    module: str
    help: str
    answer: Schema
    takes_key: bool
    items: str = ""
    arguments: dict[str, Argument] = field(default_factory=dict)


def methods(served: Iterable[ServedRoute], described: Schema) -> list[Method]:
    """A method for each operation."""
    found: dict[str, Method] = {}
    for each in served:
        raw = described["paths"][each.route.path][each.route.method.lower()]
        success = raw["responses"][str(each.route.status)]["content"]["application/json"]["schema"]
        operation = each.operation
        module = operation.module.rpartition(".")[2]
        method = found.setdefault(
            operation.name,
            Method(operation.name, module, operation.help, success, takes_key(each), each.route.items),
        )
        mine = {argument.name: argument for argument in arguments(each, raw, described)}
        first = not method.arguments
        for name, argument in mine.items():
            known = method.arguments.setdefault(name, argument)
            known.required = known.required and argument.required and (first or known is not argument)
            known.in_path = known.in_path or argument.in_path
        for name, known in method.arguments.items():
            known.required = known.required and name in mine
    return sorted(found.values(), key=lambda method: method.name)


def arguments(served: ServedRoute, raw: Schema, described: Schema) -> Iterator[Argument]:
    """The parameters of a route, but for its headers."""
    known = {each.name: each for each in served.parameters}
    own = [each for each in raw["parameters"] if each["in"] != "header"]
    for each in own:
        parameter = known.get(each["name"])
        mapping = parameter is not None and container_of(parameter.info) is dict
        required = parameter.required if parameter else each["required"]
        yield Argument(each["name"], each["schema"], required, each["in"] == "path", mapping)
    if "requestBody" in raw:
        reference = raw["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for name, schema in component(described, reference)["properties"].items():
            yield Argument(name, schema, known[name].required)


def component(described: Schema, reference: str) -> Schema:
    found: Schema = described["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def snake(name: str) -> str:
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{spelled}_" if keyword.iskeyword(spelled) else spelled


def class_name(reference: str) -> str:
    return re.sub(r"\W", "", reference.rpartition("/")[2])


class Types:
    """Python types of schemas, and the components that they name."""

    def __init__(self, described: Schema) -> None:
        self._described = described
        self.named: dict[str, str] = {}

    def of(self, schema: Schema, *, given: bool = False) -> str:
        """The type of a value; `given`: of an argument, which may also be of a wider kind."""
        if "$ref" in schema:
            return self._reference(schema["$ref"], given=given)
        if "enum" in schema:
            return f"Literal[{', '.join(map(repr, schema['enum']))}]"
        if "const" in schema:
            return f"Literal[{schema['const']!r}]"
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self._union(choices, given=given)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union([{**schema, "type": each} for each in kind], given=given)
        if kind == "array":
            of = self.of(schema.get("items") or {}, given=given)
            return f"Sequence[{of}]" if given else f"list[{of}]"
        if kind == "object":
            values = schema.get("additionalProperties")
            of = self.of(values, given=given) if isinstance(values, dict) else "Any"
            return f"Mapping[str, {of}]" if given else f"dict[str, {of}]"
        if given and schema.get("format") == "date-time":
            return "datetime | str"
        return PLAIN.get(str(kind), "Any")

    def reached_from(self, text: str) -> set[str]:
        """The names of the types in a text, and in their own fields."""
        found: set[str] = set()
        left = [text]
        while left:
            fresh = set(_used(left.pop(), self.named)) - found
            found |= fresh
            left += [self.named[name] for name in fresh]
        return found

    def _union(self, choices: list[Schema], *, given: bool) -> str:
        found = list(dict.fromkeys(self.of(each, given=given) for each in choices))
        if "Any" in found:
            return "Any"
        return " | ".join(sorted(found, key=lambda each: each == "None"))

    def _reference(self, reference: str, *, given: bool) -> str:
        schema = component(self._described, reference)
        name = class_name(reference)
        if not schema.get("properties") and "enum" not in schema:
            return self.of(schema, given=given)
        if name not in self.named:
            self.named[name] = ""
            self.named[name] = self._class(name, schema)
        return name

    def _class(self, name: str, schema: Schema) -> str:
        if "enum" in schema:
            return f"{name} = Literal[{', '.join(map(repr, schema['enum']))}]\n"
        doc = str(schema.get("description", "")).split("\n\n")[0].replace("\n", " ") or f"{name}."
        required = set(schema.get("required", ()))
        lines = [f"class {name}(TypedDict):", f'    """{doc}"""', ""]
        for each, of in schema["properties"].items():
            kind = self.of(of)
            lines.append(f"    {each}: {kind if each in required else f'NotRequired[{kind}]'}")
        return "\n".join(lines) + "\n"


def method_source(method: Method, types: Types) -> str:
    """A method, and the one that iterates over all pages where its answer is one."""
    ordered = sorted(
        method.arguments.values(), key=lambda each: (not (each.in_path and each.required), not each.required)
    )
    answer = types.of(method.answer)
    text = _method(method.name, answer, method.help, ordered, types, key=method.takes_key)
    text += f"        return self.call({method.name!r}, {_values(ordered)}"
    text += ", idempotency_key=idempotency_key)\n" if method.takes_key else ")\n"
    if "nextToken" not in method.arguments or not method.name.startswith(("list_", "get_")):
        return text  # a deletion in batches is no list
    item = re.search(rf"^    {items_of(method)}: list\[(\w+)\]$", types.named[answer], re.MULTILINE)
    assert item is not None
    rest = [each for each in ordered if each.name not in {"nextToken", "offset"}]
    name = re.sub(r"^(list|get)_", "iterate_", method.name)
    help_ = f"Iterate over all that `{method.name}` lists; a page of `limit` is read when it is needed."
    text += "\n" + _method(name, f"Iterator[{item[1]}]", help_, rest, types, key=False)
    return text + f"        return self._items({method.name!r}, {items_of(method)!r}, {_values(rest)})\n"


def items_of(method: Method) -> str:
    return method.items or {"list_executions": "executions"}[method.name]


def _method(name: str, answer: str, help_: str, ordered: list[Argument], types: Types, *, key: bool) -> str:
    shown = []
    for each in ordered:
        kind = "Mapping[str, str]" if each.is_mapping and not each.in_path else types.of(each.schema, given=True)
        if not (each.in_path and each.required) and "*" not in shown:
            shown.append("*")
        shown.append(f"{snake(each.name)}: {kind if each.required else _or_unset(kind)}")
    if key:
        shown += [*([] if "*" in shown else ["*"]), "idempotency_key: str | None = None"]
    return f'    def {name}(self, {", ".join(shown)}) -> {answer}:\n        """{help_}"""\n'


def _or_unset(kind: str) -> str:
    if kind == "Any":
        return "Any = UNSET"
    known = kind.removesuffix(" | None")
    return f"{known} | Unset{kind[len(known) :]} = UNSET"


def _values(ordered: list[Argument]) -> str:
    return "{" + ", ".join(f"{each.name!r}: {snake(each.name)}" for each in ordered) + "}"


def sources() -> dict[str, str]:
    """The files, by their names."""
    served = served_routes()
    described = document(served)
    types = Types(described)
    bodies: dict[str, list[str]] = {}
    for method in methods(served, described):
        bodies.setdefault(method.module, []).append(method_source(method, types))
    classes = {module: "\n".join(parts) for module, parts in sorted(bodies.items())}
    homes = homes_of_types(classes, types)
    files = {f"{module}.py": _class_file(module, text, types, homes) for module, text in classes.items()}
    files[f"{SHARED}.py"] = _shared_file(types, homes)
    files["__init__.py"] = _all_file(list(classes))
    return {name: formatted(text) for name, text in files.items()}


def homes_of_types(classes: dict[str, str], types: Types) -> dict[str, str]:
    """The file of each type: that of the one class that reaches it, or the shared one."""
    homes: dict[str, str] = {}
    for module, text in classes.items():
        for name in types.reached_from(text):
            homes[name] = module if homes.get(name, module) == module else SHARED
    return homes


def _class_file(module: str, methods_: str, types: Types, homes: dict[str, str]) -> str:
    own = _declarations(types, homes, module)
    text = f'{own}\n\nclass {_title(module)}(Caller):\n    """Calls the operations."""\n\n{methods_}'
    imports = {
        "collections.abc": _used(text, ("Iterator", "Mapping", "Sequence")),
        "datetime": _used(text, ("datetime",)),
        "typing": _used(text, ("Any", "Literal", "NotRequired", "TypedDict")),
        "prefect_drs.client.caller": _used(text, ("UNSET", "Caller", "Unset")),
        f"prefect_drs.client.generated.{SHARED}": _used(text, (name for name in homes if homes[name] == SHARED)),
    }
    return (
        f'"""The operations of `prefect_drs.operations.{module}` as methods. {NOTE}"""\n\n'
        f'# mypy: disable-error-code="no-any-return"\n\n'
        f"from __future__ import annotations\n\n{_imports(imports)}\n\n{text}"
    )


def _shared_file(types: Types, homes: dict[str, str]) -> str:
    text = _declarations(types, homes, SHARED)
    imports = {"typing": _used(text, ("Any", "Literal", "NotRequired", "TypedDict"))}
    return (
        f'"""Types of answers that several files use: JSON objects by their fields. {NOTE}"""\n\n'
        f"from __future__ import annotations\n\n{_imports(imports)}\n\n{text}"
    )


def _all_file(modules: list[str]) -> str:
    imports = {f"prefect_drs.client.generated.{module}": [_title(module)] for module in modules}
    return (
        f'"""All operations as methods. {NOTE}"""\n\nfrom __future__ import annotations\n\n{_imports(imports)}\n\n'
        f"class Operations({', '.join(map(_title, modules))}):\n"
        f'    """A method for each operation: a file for each module of `prefect_drs.operations`."""\n'
    )


def _declarations(types: Types, homes: dict[str, str], home: str) -> str:
    mine = [text for name, text in types.named.items() if homes[name] == home]
    return "\n\n".join(sorted(mine, key=lambda each: (each.startswith("class"), each)))


def _title(module: str) -> str:
    return f"{module.title().replace('_', '')}Operations"


def _used(text: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if re.search(rf"\b{name}\b", text))


def _imports(modules: dict[str, list[str]]) -> str:
    return "\n".join(f"from {module} import {', '.join(names)}" for module, names in modules.items() if names)


def formatted(text: str) -> str:
    """The text as `ruff check --fix` (for the imports) and `ruff format` leave it."""
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FOLDER / "x.py"), "-"],
            input=text, capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{text[:2000]}"
        text = done.stdout
    return text


if __name__ == "__main__":
    written = sources()
    for stale in FOLDER.glob("*.py"):
        stale.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
