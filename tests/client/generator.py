"""Writes `prefect_drs/client/generated` from the REST face's OpenAPI document: `python -m tests.client.generator`.

In: the served routes and their document. Out: Python source, formatted by ruff: a class of methods for each kind of
operation, and the types of all answers.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prefect_drs.operations.registry import OperationKind
from prefect_drs.rest.endpoints import takes_key
from prefect_drs.rest.openapi import document
from prefect_drs.rest.parameters import container_of
from prefect_drs.rest.service import ServedRoute, served_routes
from tests.snippets import ROOT

FOLDER = ROOT / "prefect_drs/client/generated"
NOTE = "Written by `python -m tests.client.generator`; do not edit it."
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
    kind: OperationKind
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
        method = found.setdefault(
            operation.name,
            Method(operation.name, operation.kind, operation.help, success, takes_key(each), each.route.items),
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
    bodies: dict[OperationKind, list[str]] = {kind: [] for kind in OperationKind}
    for method in methods(served, described):
        bodies[method.kind].append(method_source(method, types))
    files = {f"{kind}_operations.py": _class_file(kind, parts, types) for kind, parts in bodies.items()}
    files["json_types.py"] = _types_file(types)
    return {name: formatted(text) for name, text in files.items()}


def _class_file(kind: OperationKind, parts: list[str], types: Types) -> str:
    text = "\n".join(parts)
    imports = {
        "collections.abc": _used(text, ("Iterator", "Mapping", "Sequence")),
        "datetime": _used(text, ("datetime",)),
        "typing": _used(text, ("Any", "Literal")),
        "prefect_drs.client.caller": ["UNSET", "Caller", "Unset"],
        "prefect_drs.client.generated.json_types": _used(text, types.named),
    }
    return (
        f'"""The methods of {kind} operations. {NOTE}"""\n\n# mypy: disable-error-code="no-any-return"\n\n'
        f"from __future__ import annotations\n\n{_imports(imports)}\n\n"
        f'class {kind.title()}Operations(Caller):\n    """Calls {kind} operations."""\n\n{text}'
    )


def _types_file(types: Types) -> str:
    text = "\n\n".join(sorted(types.named.values(), key=lambda each: (each.startswith("class"), each)))
    imports = {"typing": _used(text, ("Any", "Literal", "NotRequired", "TypedDict"))}
    return (
        f'"""What operations answer: JSON objects by their fields. {NOTE}"""\n\n'
        f"from __future__ import annotations\n\n{_imports(imports)}\n\n{text}"
    )


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
    for name, text in sources().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
