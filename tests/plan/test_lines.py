"""Values and lines, of JSON and of YAML alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from prefect_drs.plan.read.document import read_document
from prefect_drs.plan.read.finding import Place
from prefect_drs.plan.read.json_text import json_lines, read_json
from prefect_drs.plan.read.yaml_text import YamlDocument

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
whole = st.integers(-(10**17), 10**17)
values = st.recursive(
    st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from places(inner, (*at, step))


@given(values)
def test_json_has_its_values_and_each_place_its_line(value: Any) -> None:
    text = json.dumps(value, indent=1)
    read, faults = read_json(text)
    assert (read, faults) == (value, [])
    lines = json_lines(text, list(places(value)))
    # with an indent, every member and item begins a line of its own, in the order of the document
    assert set(lines) == set(places(value))
    shown = text.splitlines()
    for place, line in lines.items():
        if isinstance(place[-1], str):
            assert shown[line - 1].lstrip().startswith(json.dumps(place[-1]) + ":")
    assert len(set(lines.values())) == len(lines)


@given(values)
def test_only_the_wanted_lines_are_the_same_lines(value: Any) -> None:
    text = json.dumps(value, indent=1)
    every = json_lines(text, list(places(value)))
    for place in list(every)[::3]:
        assert json_lines(text, [place]) == {place: every[place]}


plain = st.text("abcxyz019 _-.:#", min_size=1, max_size=8)
yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(plain, yaml_values, min_size=1, max_size=4))
def test_what_a_yaml_writer_wrote_is_read_with_a_line_for_each_place(value: dict[str, Any]) -> None:
    import io

    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(value, stream)
    document = YamlDocument(stream.getvalue())
    assert document.faults == []
    assert document.value == value
    lines = document.lines(list(places(value)))
    assert set(lines) == set(places(value))
    count = stream.getvalue().count("\n")
    assert all(1 <= line <= count for line in lines.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-29T02:47:18Z", "2026-01-29T02:47:18Z"),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("~", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("True", True),
        ("1.1", 1.1),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_yaml_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    document = YamlDocument(f"x: {text}\n")
    assert document.faults == []
    assert document.value == {"x": value}
    assert type(document.value["x"]) is type(value)


def test_keys_stay_as_written() -> None:
    assert YamlDocument("accounts:\n  012345678901: a\n  true: b\n").value == {
        "accounts": {"012345678901": "a", "true": "b"}
    }


def test_merge_keys_fill_in_and_own_keys_win() -> None:
    document = YamlDocument("a: &a {x: 1, y: 1}\nb:\n  <<: *a\n  y: 2\nc: {<<: [{x: 3}, *a]}\n")
    assert document.value == {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 3, "y": 1}}
    assert document.lines([("b", "x"), ("b", "y")]) == {("b", "x"): 1, ("b", "y"): 4}


def test_a_file_without_a_telling_suffix_is_told_by_how_it_begins(tmp_path: Path) -> None:
    for text in ('{"a": 1}', "a: 1\n"):
        file = tmp_path / "plan"
        file.write_text(text)
        assert read_document(file).value == {"a": 1}


@given(st.binary(max_size=200), st.sampled_from([".json", ".yaml"]))
def test_no_bytes_whatever_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    from prefect_drs.plan import check_manifest

    file = tmp_path_factory.mktemp("bytes") / f"plan{suffix}"
    file.write_bytes(content)
    reading = check_manifest(file)
    assert reading.manifest is None
    assert reading.errors


@given(values, st.sampled_from(["protectionGroups", "recoveryPlans", "metadata", "schemaVersion"]))
def test_no_values_whatever_raise(tmp_path_factory: pytest.TempPathFactory, value: Any, field: str) -> None:
    from tests.plan.files import check, sound

    reading = check(tmp_path_factory.mktemp("values"), sound() | {field: value})
    assert all(str(fault).isprintable() for fault in reading.faults)
