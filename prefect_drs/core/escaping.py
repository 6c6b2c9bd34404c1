"""Escaping of names: one function per target format.

In: a name of a plan, wave, group, server, account or person, with any characters. Out: text that means this name and
nothing else in a Prefect template, an AWS tag, Markdown, an SVG picture, a shell command, a mail subject, a terminal
and so on. If the target format cannot represent the name, the result is recognisable and safe.

No other module escapes names. A new target format gets a function here, and a property test with hostile names in
`tests/core/test_escaping.py`. Must never: import Prefect or boto3.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces unprintable characters: control codes, and codes that reorder or hide text."""
TAG_VALUE_AT_MOST = 256
"""Characters (DRS, shape TagValue). AWS counts UTF-16 units for some services; most emoji have two."""
SUBJECT_AT_MOST = 99
"""SNS, Publish: a subject is ASCII without line breaks or control characters, shorter than 100 characters."""
KEY_AT_MOST = 60
"""Characters of a Prefect key before the hash suffix of shortened names."""
CARD_AT_MOST = 24
"""Characters of a plan's part of an artifact key: with the page's name, two lines of a card in the Prefect UI."""
CARD_WORD_AT_MOST = 16
"""Characters between two dashes of such a key: a card breaks lines at dashes only."""
MERMAID_LABEL_AT_MOST = 100

_BANNED_IN_FLOW_NAMES = str.maketrans(dict.fromkeys("/%&<>", "-"))
_TAG_PUNCTUATION = frozenset("_.:/=+-@")
_SSM_PUNCTUATION = _TAG_PUNCTUATION | {","}
_MARKDOWN_ANYWHERE = re.compile(
    r"[\\`*\[\]|~$]"  # code, emphasis, links, table cells, strike-through, formulas
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore that is not inside a word is emphasis
    r"|(?<=\w):(?=//)|(?<=www)\.|@(?=[\w-]+\.)",  # GitHub and Prefect make links of these
    re.IGNORECASE,
)
_MARKDOWN_START = re.compile(r"^(\d{0,9})([-+#>=.)])")
_HASHED = re.compile(r"(^|-)[0-9a-f]{8}$")


def one_line(text: object, at_most: int | None = None) -> str:
    """`text` on one line: white space becomes single blanks, unprintable characters become U+FFFD.

    Args:
        text: converted by `str`.
        at_most: maximum length in characters; a longer text is cut and ends in `…`.
    """
    line = " ".join(str(text).split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else REPLACEMENT for c in line)
    return line if at_most is None or len(line) <= at_most else line[: at_most - 1].rstrip() + "…"


def terminal(text: object) -> str:
    """`text` for a terminal: without codes that move the cursor, change colours or reorder text; keeps line breaks."""
    return "".join(c if c.isprintable() or c in "\n\t" else REPLACEMENT for c in str(text))


def printable_json(text: str) -> str:
    """JSON text for a terminal: the same value, with every unprintable character as its escape sequence.

    Args:
        text: JSON. Outside its strings, line breaks are its only unprintable characters.
    """
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in text)


def prefect_template(text: str) -> str:
    """`text` as part of a `flow_run_name` or `task_run_name`, which Prefect passes to `str.format`."""
    return text.replace("{", "{{").replace("}", "}}")


def prefect_flow_name(name: str) -> str:
    """`name` as the name of a flow, which must not contain `/ % & < >` (`prefect.types.BANNED_CHARACTERS`)."""
    return name.translate(_BANNED_IN_FLOW_NAMES)


def prefect_key(name: str) -> str:
    """`name` as the key of an artifact or the name of a block: lower-case letters, digits and dashes.

    If the conversion loses more than the case, or the name looks like a key with a hash suffix, a hash suffix
    distinguishes it from other names. Names that differ only in case have the same key.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    if slug and slug == name.casefold() and len(slug) <= KEY_AT_MOST and not _HASHED.search(slug):
        return slug
    digits = hashlib.sha256(name.casefold().encode(errors="surrogatepass")).hexdigest()[:8]
    return "-".join(filter(None, (slug[:KEY_AT_MOST].rstrip("-"), digits)))


def artifact_key(plan_name: str, page: str) -> str:
    """The key of one of a plan's artifacts that people read, short enough for its card in the Prefect UI.

    Other names have other keys, as with `prefect_key`; a name that is too long for a card ends in a hash suffix.

    Args:
        plan_name: the plan.
        page: the artifact's own part, such as `waves`: lower-case letters, digits and dashes.
    """
    key = prefect_key(plan_name)
    if len(key) > CARD_AT_MOST or max(map(len, key.split("-"))) > CARD_WORD_AT_MOST:
        digits = hashlib.sha256(plan_name.casefold().encode(errors="surrogatepass")).hexdigest()[:8]
        key = f"{key[: CARD_WORD_AT_MOST - 1].rstrip('-')}-{digits}"
    return f"{key}-{page}"


def aws_tag_value(text: str) -> str:
    """`text` as the value of an AWS tag: characters that AWS does not allow become `_`; a longer one is cut (`...`).

    All services allow letters, digits and blanks of any language and `_ . : / = + - @`, at most 256 characters; a value
    must not begin with `aws:` (https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html).
    """
    value = _only(one_line(text), _TAG_PUNCTUATION)
    if value[:4].lower() == "aws:":
        value = f"{value[:3]}_{value[4:]}"
    if _utf16_units(value) <= TAG_VALUE_AT_MOST:
        return value
    value = value[:TAG_VALUE_AT_MOST]
    while _utf16_units(value) > TAG_VALUE_AT_MOST - 3:
        value = value[:-1]
    return value + "..."


def role_session_name(text: str) -> str:
    """`text` as a RoleSessionName of AssumeRole (STS, shape roleSessionNameType).

    2 to 64 letters, digits and `_+=,.@-`; other characters become `-`.
    """
    return re.sub(r"[^\w+=,.@-]", "-", text, flags=re.ASCII)[:64].ljust(2, "-")


def ssm_value(text: str) -> str:
    """`text` as part of an SSM parameter, which a document may insert into a script.

    Characters other than letters, digits, blanks and `_.:/=+-@,` become `_`: quotes and `$` could end or change the
    command, and Systems Manager replaces `{{ssm:name}}` by a parameter's value
    (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-run-command-parameters.html).
    """
    return _only(one_line(text), _SSM_PUNCTUATION)


def url_part(text: str) -> str:
    """`text` as part of a URL: percent-encoded, except letters, digits and `_.-~`."""
    return quote(text, safe="")


def markdown_text(text: object) -> str:
    """`text` in a Markdown paragraph, list, heading or table cell: one line, with all markup escaped."""
    line = _MARKDOWN_ANYWHERE.sub(r"\\\g<0>", one_line(text))
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN_START.sub(r"\1\\\2", line)


def markdown_paragraphs(text: str) -> str:
    """Multi-line `text` as Markdown paragraphs; each line is escaped by `markdown_text`."""
    return "\n".join(markdown_text(line) for line in text.splitlines())


def mermaid_label(text: str) -> str:
    """`text` as a quoted Mermaid label: letters, digits and plain punctuation, entity codes for the rest."""
    shown = one_line(text, MERMAID_LABEL_AT_MOST)
    return "".join(c if c.isalnum() or c in " -_.,:/·" else f"#{ord(c)};" for c in shown)


def markup(text: object) -> str:
    """`text` in XML, SVG or HTML, as content or attribute: one line, without characters that XML forbids."""
    return html.escape(one_line(text))


def shell_word(text: str) -> str:
    """`text` as one word of a POSIX shell command."""
    return shlex.quote(text)


def mail_subject(template: str, *names: str) -> str:
    """A subject that SNS accepts; its names are shortened, the words around them are not.

    Args:
        template: the words, with `{}` for each name.
        names: the names, in order.
    """
    words = [_ascii(part) for part in template.split("{}")]
    shown = _fitting([_ascii(one_line(name)) for name in names], SUBJECT_AT_MOST - sum(map(len, words)))
    return _cut("".join(a + b for a, b in zip(words, [*shown, ""], strict=True)).strip(), SUBJECT_AT_MOST)


Escape = Callable[[str], str]
"""A function of this module for one target format."""


def _fitting(names: list[str], room: int) -> list[str]:
    """The names; the longest are shortened until all fit into `room` characters."""
    lengths = [len(name) for name in names]
    while names and sum(lengths) > max(room, 4 * len(names)):
        lengths[lengths.index(max(lengths))] -= 1
    return [_cut(name, length) for name, length in zip(names, lengths, strict=True)]


def _cut(text: str, at_most: int) -> str:
    return text if len(text) <= at_most else text[: max(0, at_most - 3)] + "..."


def _ascii(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text.encode("ascii", "replace").decode())


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"


def _only(text: str, punctuation: frozenset[str]) -> str:
    return "".join(c if c in punctuation or c == " " or unicodedata.category(c)[0] in "LN" else "_" for c in text)


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
