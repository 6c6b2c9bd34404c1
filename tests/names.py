"""Hostile names: what a person or an account may call something, and a strategy that makes more of them.

`HOSTILE` holds a name for each way that a place once took a name for markup, a template, a command or an end of text.
"""

from __future__ import annotations

from hypothesis import strategies as st

HOSTILE = (
    "x",
    "'",
    '"',
    "\\",
    "{",
    "}",
    "{}",
    "{0}",
    "{prod}",
    "{{mode}}",
    "{mode!r:>10}",
    "Plan {prod} $(touch marker)",
    "Web'; rm -rf x | <img src=x onerror=alert(1)>",
    "`touch marker`",
    "$HOME ${HOME} $((1+1)) !! ~ *",
    "a && b || c & d > e < f",
    'O"Brien',
    "CORP\\tom",
    "CORP\\ada",
    "back\\slash\\",
    "-rf --help",
    "%s %d %(name)s %%",
    "/etc/passwd",
    "../../x",
    "a/b/c",
    "# heading",
    "- item",
    "1. item",
    "12) item",
    "> quote",
    "=== ---",
    "***",
    "__init__",
    "_a_ __b__ a__b __a_",
    "[link](javascript:alert(1)) ![image](x)",
    "|a|b|",
    "a\\|b",
    "~~gone~~ ~x~",
    "$x$ $$y$$",
    "&amp; &lt;b&gt; &#60; &copy",
    "</title></text></svg><script>alert(1)</script>",
    "<!-- comment --> <![CDATA[x]]> <?php ?>",
    "]]>",
    "https://example.com www.example.com ada@example.com",
    "[red]text[/red] [/] [bold",
    ":warning: :+1:",
    "{{ssm:/prod/password}} {{ event.payload }}",
    "aws:reserved",
    "Läden für Öl",
    "データベース",
    "база данных",
    "👩‍🚀🚀 launch",
    "𝕬𝖇𝖈 𠀀",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "zero\N{ZERO WIDTH SPACE}width",
    "bell\a escape\x1b[31mred\x1b]0;title\a return\rnew",
    "c1\x9b31m nel\x85 del\x7f",
    "line\nbreak\ttab",
    "  blanks  around  ",
    "no\N{NO-BREAK SPACE}break",
    "line\N{LINE SEPARATOR}paragraph\N{PARAGRAPH SEPARATOR}",
    "\ufffe\uffff\N{REPLACEMENT CHARACTER}",
    "n" * 300,
    "{" * 300,
    "é" * 300,
    "🚀" * 300,
    "𠀀" * 300,
    "'\"\\$`" * 60,
)

PRINTABLE = tuple(name for name in HOSTILE if name.isprintable() and name.strip() == name)
"""Those that a manifest may hold as they are."""

_PIECES = st.sampled_from(
    [*HOSTILE, *"{}[]()<>&|;'\"\\`$*_~#+-=.!?@:/%^, \t\n", "\x00", "\x1b", "a", "B", "1", "é", "🚀"]
)

names = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    st.lists(_PIECES, min_size=1, max_size=8).map("".join),
)
"""Names of accounts and people: any text that UTF-8 can hold."""

printable_names = names.map(lambda name: "".join(c for c in name if c.isprintable()).strip()).filter(bool)
"""Names that a manifest may hold."""
