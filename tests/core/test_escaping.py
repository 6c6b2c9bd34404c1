"""Names are data: whatever a name holds, each place shows this name and does nothing else.

The judge of each property is what really reads that place: a shell, a JSON parser, a Markdown and an XML parser, SSM's
and Prefect's own checks, the simulator behind boto3, a terminal's control codes.
"""

from __future__ import annotations

import json
import re
import subprocess
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
from botocore.session import Session
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from prefect.types import WITHOUT_BANNED_CHARACTERS
from prefect.types.names import raise_on_name_alphanumeric_dashes_only
from rich.table import Table
from rich.text import Text

from prefect_drs.cli.console import PlainConsole
from prefect_drs.core import escaping
from prefect_drs.core.escaping import (
    CARD_AT_MOST,
    CARD_WORD_AT_MOST,
    SUBJECT_AT_MOST,
    TAG_VALUE_AT_MOST,
    artifact_key,
    aws_tag_value,
    mail_subject,
    markdown_paragraphs,
    markdown_text,
    markup,
    mermaid_label,
    one_line,
    prefect_flow_name,
    prefect_key,
    prefect_template,
    printable_json,
    role_session_name,
    shell_word,
    ssm_value,
    terminal,
    url_part,
)
from tests.names import HOSTILE, names
from tests.rig import REGION, Rig, WaveSpec, simulated_aws

judged = settings(deadline=None)  # the machine may be busy
SESSION_NAME = Session().get_service_model("sts").shape_for("roleSessionNameType")
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Page(HTMLParser):
    """What a browser would show, and the elements that make it up."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.elements = "", list[str]()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(markdown: str) -> Page:
    return Page(MARKDOWN.render(markdown))


@judged
@given(names)
def test_a_name_on_one_line_is_printable_and_a_printable_name_is_kept(name: str) -> None:
    line = one_line(name)
    assert line.isprintable()
    assert line == " ".join(line.split())
    if name.isprintable():
        assert line == " ".join(name.split())
    assert len(one_line(name, 30)) <= 30


@judged
@given(names)
def test_prefect_formats_a_template_back_to_the_name(name: str) -> None:
    assert prefect_template(name).format(mode="drill", prod="no") == name
    assert (prefect_template(name) + " {mode}").format(mode="drill") == f"{name} drill"


@judged
@given(names)
def test_prefect_takes_a_flow_name(name: str) -> None:
    assert re.match(WITHOUT_BANNED_CHARACTERS, prefect_flow_name(name))
    assert len(prefect_flow_name(name)) == len(name)


@judged
@given(names, names)
def test_prefect_takes_a_key_and_keys_tell_names_apart(one: str, other: str) -> None:
    assert raise_on_name_alphanumeric_dashes_only(prefect_key(one))
    assert len(prefect_key(one)) <= escaping.KEY_AT_MOST + 9
    assert (prefect_key(one) == prefect_key(other)) == (one.casefold() == other.casefold())


@judged
@given(names)
def test_a_tag_value_is_what_aws_allows_and_keeps_what_it_may(name: str) -> None:
    value = aws_tag_value(name)
    assert len(value.encode("utf-16-le")) // 2 <= TAG_VALUE_AT_MOST
    assert all(c in " _.:/=+-@" or unicodedata.category(c)[0] in "LN" for c in value)
    assert not value.lower().startswith("aws:")
    if re.fullmatch(r"[\w ./=+@-]{1,256}", name, re.ASCII):
        assert value == " ".join(name.split())


@judged
@given(names)
def test_a_session_name_is_what_sts_takes(name: str) -> None:
    shape = SESSION_NAME.metadata
    assert re.fullmatch(shape["pattern"], role_session_name(name), re.ASCII)
    assert shape["min"] <= len(role_session_name(name)) <= shape["max"]


@judged
@given(names)
def test_an_ssm_value_holds_nothing_that_a_shell_or_systems_manager_reads(name: str) -> None:
    assert not set(ssm_value(name)) & set("'\"`$\\;&|<>(){}[]*?!#~^%\n\r\t\0")
    if re.fullmatch(r"[\w.:/=+@,-]+", name, re.ASCII):
        assert ssm_value(name) == name


@judged
@given(names)
def test_markdown_shows_the_name_and_makes_no_markup_of_it(name: str) -> None:
    text = one_line(name)
    assume(text)
    page = shown(f"Before {markdown_text(name)} after")
    assert page.text.strip() == " ".join(f"Before {text} after".split())
    assert page.elements == ["p"]
    item = shown(f"- {markdown_text(name)}")
    assert (item.text.strip(), item.elements) == (text, ["ul", "li"])
    heading = shown(f"### {markdown_text(name)}: done")
    assert (heading.text.strip(), heading.elements) == (f"{text}: done", ["h3"])
    bold = shown(f"**1 {markdown_text(name)} x**")
    assert (bold.text.strip(), bold.elements) == (" ".join(f"1 {text} x".split()), ["p", "strong"])
    cells = shown(f"| a | b |\n|---|---|\n| {markdown_text(name)} | x |")
    assert cells.elements.count("td") == 2
    assert " ".join(cells.text.split()) == " ".join(f"a b {text} x".split())
    assert set(cells.elements) == {"table", "thead", "tbody", "tr", "th", "td"}


@judged
@given(st.lists(names, min_size=1, max_size=4))
def test_a_text_of_several_lines_shows_them_all_as_paragraphs(lines: list[str]) -> None:
    page = shown(markdown_paragraphs("\n".join(lines)))
    assert set(page.elements) <= {"p"}
    assert page.text.split() == " ".join(map(one_line, "\n".join(lines).splitlines())).split()


@pytest.mark.parametrize("address", ["http://example.com/x", "HTTPS://example.com", "www.example.com", "a@example.com"])
def test_markdown_makes_no_link_of_an_address(address: str) -> None:
    raw = markdown_text(f"see {address} now")
    assert not re.search(r"\w://|\bwww\.|\w@\w", raw, re.IGNORECASE)
    assert shown(raw).text.strip() == f"see {address} now"


@judged
@given(names)
def test_a_mermaid_label_ends_neither_its_quotes_nor_its_fence(name: str) -> None:
    label = mermaid_label(name)
    assert not set(label) & set("\"'`<>[](){}|;&\\\n\r") - {";"}
    decoded = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label)
    assert decoded == one_line(name, escaping.MERMAID_LABEL_AT_MOST)


@judged
@given(names)
def test_xml_and_html_read_the_name_back(name: str) -> None:
    read = ElementTree.fromstring(f'<svg title="{markup(name)}">{markup(name)}</svg>')
    assert (read.text or "") == read.get("title") == one_line(name)
    assert (Page(f"<p>{markup(name)}</p>").text, Page(f"<p>{markup(name)}</p>").elements) == (one_line(name), ["p"])


@settings(judged, max_examples=60)
@given(names.filter(lambda name: "\0" not in name))
def test_a_shell_reads_the_name_back(name: str) -> None:
    told = subprocess.run(["/bin/sh", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True)
    assert told.stdout.decode() == name


@judged
@given(names)
def test_a_url_holds_the_name_in_one_part(name: str) -> None:
    address = urlsplit(f"http://10.0.0.1:80/{url_part(name)}/health?q={url_part(name)}")
    _, part, rest = address.path.split("/")
    assert (address.netloc, unquote(part), rest, unquote(address.query)) == ("10.0.0.1:80", name, "health", f"q={name}")


@judged
@given(names, names)
def test_a_subject_is_what_sns_takes_and_keeps_its_own_words(plan: str, wave: str) -> None:
    subject = mail_subject("[prefect-drs] recovery of {}: wave 9999 {} waits for your approval", plan, wave)
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= SUBJECT_AT_MOST
    assert subject.startswith("[prefect-drs] recovery of ")
    assert ": wave 9999 " in subject
    assert subject.endswith(" waits for your approval")


def test_a_subject_holds_short_names_whole_and_of_long_ones_the_beginning() -> None:
    assert mail_subject("drill of {}", "Läden\nund \x07mehr") == "drill of L?den und ?mehr"
    assert mail_subject("{}", "x" * SUBJECT_AT_MOST) == "x" * SUBJECT_AT_MOST
    assert len(mail_subject("{}", "x" * 300)) == SUBJECT_AT_MOST
    assert mail_subject("of {}: wave {} waits", "a" * 300, "Web") == f"of {'a' * 77}...: wave Web waits"


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f]")


@judged
@given(names)
def test_a_terminal_gets_no_code_that_it_would_obey(name: str) -> None:
    assert not CONTROL.search(terminal(name))
    output = StringIO()
    console = PlainConsole(stderr=False, width=1000)
    console.file = output
    table = Table("name", "again")
    table.add_row(name, Text(name))
    console.print(table)
    console.print(name, soft_wrap=True)
    assert not CONTROL.search(output.getvalue())


@pytest.mark.parametrize("name", ["[red]text[/red]", ":+1: :warning:", "[/]", "{prod}", "[link=http://x]y[/link]"])
def test_a_table_shows_text_that_looks_like_markup_as_it_is(name: str) -> None:
    output = StringIO()
    console = PlainConsole(stderr=False, width=100)
    console.file = output
    table = Table("name")
    table.add_row(name)
    console.print(table, name)
    assert output.getvalue().count(name) == 2


@judged
@given(st.dictionaries(names, st.lists(names)))
def test_json_for_a_terminal_is_printable_and_the_same_value(value: dict[str, list[str]]) -> None:
    text = printable_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()


# ---- what AWS takes, asked by boto3 ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def estate() -> Iterator[Rig]:
    with simulated_aws() as rig:
        yield rig


def test_drs_takes_every_tag_value_and_gives_it_back(estate: Rig) -> None:
    server = estate.manifest({1: WaveSpec(1)}).protection_groups[0].source_server_ids[0]
    drs = estate.sessions.client("drs", region=REGION)
    (found,) = drs.describe_source_servers(filters={"sourceServerIDs": [server]})["items"]

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(names)
    def tagged(name: str) -> None:
        drs.tag_resource(resourceArn=found["arn"], tags={"prefect-drs:plan": aws_tag_value(name)})
        tags = drs.list_tags_for_resource(resourceArn=found["arn"])["tags"]
        assert tags["prefect-drs:plan"] == aws_tag_value(name)

    tagged()
    with pytest.raises(drs.exceptions.ValidationException):  # the simulator refuses what DRS would
        drs.tag_resource(resourceArn=found["arn"], tags={"prefect-drs:plan": "n" * 257})


def test_the_limit_of_a_tag_value_is_that_of_the_model() -> None:
    model = Session().get_service_model("drs")
    assert model.shape_for("TagValue").metadata["max"] == TAG_VALUE_AT_MOST


# ---- the package escapes nowhere else ----------------------------------------------------------------------------

ELSEWHERE = re.compile(
    r"shlex\.quote|saxutils|html\.escape|rich\.markup|maketrans|from urllib\.parse import .*\bquote\b"
)


def test_no_other_module_escapes_names() -> None:
    package = Path(escaping.__file__).parent
    found = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "simulator" not in file.parts and ELSEWHERE.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"escaping.py"}


def test_every_hostile_name_is_told_of_once() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE)


@judged
@given(names)
def test_the_key_of_a_page_fits_its_card_in_the_prefect_ui(name: str) -> None:
    key = artifact_key(name, "servers")
    assert re.fullmatch(r"[a-z0-9-]+-servers", key)
    assert len(key) <= CARD_AT_MOST + len("-servers")
    assert max(map(len, key.split("-"))) <= CARD_WORD_AT_MOST


@judged
@given(names, names)
def test_other_plans_have_other_keys(one: str, other: str) -> None:
    assert (artifact_key(one, "servers") == artifact_key(other, "servers")) == (one.casefold() == other.casefold())


def test_the_key_of_a_page_is_readable_where_the_name_is_short() -> None:
    assert artifact_key("three-tier", "waves") == "three-tier-waves"
    assert re.fullmatch(r"3tierfullstackr-[0-9a-f]{8}-waves", artifact_key("3TierFullStackRecoveryPlan", "waves"))
