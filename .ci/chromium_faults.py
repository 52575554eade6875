"""Shows that each check of `.ci/chromium` can fail: pages with one fault each, and a page with none.

chromium_faults.py write FOLDER     writes the pages
chromium_faults.py compare LINES    compares the lines that the checks printed for them with what they must print
"""

import re
import sys
from pathlib import Path

POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
NUMBER = '@bottom-right { content: "Page " counter(page) " of " counter(pages); }'
HEADER = "@media print { header { position: fixed; top: 0; } }"
STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; font: 16px/1.5 sans-serif; overflow-wrap: anywhere; }
@media screen and (min-width: 1000px) { body { font-size: 24px; } }
@media print { body { font-size: 10px; padding-top: 20px; } }
table { width: 100%; table-layout: fixed; }
"""
TEXT = "<p>An account that nobody has used for a year is still a way into the system that it belongs to.</p>" * 100
WIDE = '<p class="wide">Some text</p>'
TABLE = """<table><tr><td>A long text that takes the room of others</td><td class="narrow">{}</td></tr></table>"""
NARROW = "td { padding: 0; width: 100%; } .narrow { width: 2em; }"
SCROLL = '<div role="region" aria-label="Wide" tabindex="0" class="scroll">{}</div>'


def page(body="", style="", *, policy=POLICY, header=HEADER, number=NUMBER, text=TEXT):
    """A page without a fault, unless an argument brings one."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{policy}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Access report</title><style>{STYLE}{header}@page {{ margin: 14mm; {number} }}{style}</style></head>
<body><header>Run 20260102T000000Z-0002</header><main><h1>Access report</h1>
<p>Compared with run 20260101T000000Z-0001.</p>{body}{text}</main></body></html>"""


# Name of a page, the page, and patterns: each matches a line about it, and each line about it matches one.
FAULTS = {
    "clean": (page(), []),
    # Scrolling on the screen, and text for screen readers only, are no faults.
    "clean-scroll": (
        page(
            SCROLL.format(WIDE) + '<p class="aside">Some text for screen readers only</p>',
            "@media screen { .wide { width: 2000px; } .scroll { overflow: auto; } }"
            ".aside { position: absolute; width: 1px; height: 1px; overflow: hidden; }",
        ),
        [],
    ),
    "contrast": (
        page(style="h1 { color: #888; background: #999; }"),
        ["1280 px, light and dark: color-contrast", "320 px"],
    ),
    "contrast-in-dark": (
        page(style="@media (prefers-color-scheme: dark) { h1 { color: #555; } }"),
        ["1280 px, dark: color-contrast", "320 px, dark: color-contrast"],
    ),
    "no-language": (page().replace(' lang="en"', ""), ["1280 px, light and dark: html-has-lang", "320 px"]),
    "sideways": (page(WIDE, "@media screen { .wide { width: 340px; } }"), ["320 px: too wide: p.wide: reaches 340 px"]),
    "sideways-at-400": (
        page(WIDE, "@media screen { .wide { width: 420px; } }"),
        ["400 px: too wide", "320 px: too wide"],
    ),
    "sideways-on-paper": (
        page(WIDE, "@media print { .wide { width: 700px; } }"),
        ["printed on A4: too wide: p.wide: reaches 700 px, the paper has 687 px"],
    ),
    "cut": (
        page(WIDE, ".wide { width: 2em; overflow: hidden; white-space: nowrap; }"),
        ["A4: cuts off text: p.wide", "Letter: cuts", "1280 px: cuts", "400 px: cuts", "320 px: cuts"],
    ),
    "cut-on-paper": (
        page(SCROLL.format(WIDE), ".wide { width: 2000px; text-align: right; } .scroll { overflow: auto; }"),
        ["A4: cuts off text: div.scroll", "Letter: cuts off text: div.scroll"],
    ),
    "cut-drawing": (
        page(
            '<svg class="bars" role="img" aria-label="Bar" width="90" height="40"><text x="70" y="20">1,00</text></svg>'
        ),
        ["A4: cuts off text: svg.bars", "Letter: cuts", "1280 px: cuts", "400 px: cuts", "320 px: cuts"],
    ),
    "leaves-its-box": (
        page(
            '<div class="narrow">Unbreakable</div>',
            "@media screen and (width: 320px) { .narrow { white-space: nowrap; width: 2em; } }",
        ),
        ["320 px: text leaves its box: div.narrow"],
    ),
    "collapsed": (
        page(TABLE.format("Administrators"), f"@media screen and (width: 400px) {{ {NARROW} }}"),
        ['400 px: collapsed: table td.narrow:nth-child.2.: .*"Administrators" is broken over'],
    ),
    "collapsed-lines": (
        page(TABLE.format("a bc de fg hi jk lm no"), f"@media screen and (width: 400px) {{ {NARROW} }}"),
        ["400 px: collapsed: .* takes [0-9]+ lines"],
    ),
    "collapsed-cell": (
        page(
            TABLE.format("<b>ab cd</b> <i>ef gh</i> <b>ij kl</b>"), f"@media screen and (width: 400px) {{ {NARROW} }}"
        ),
        ["400 px: collapsed: .* is wrapped [0-9]+ times"],
    ),
    "collapsed-on-paper": (
        page(TABLE.format("Administrators"), f"@media print {{ {NARROW} }}"),
        ["printed on A4: collapsed", "printed on Letter: collapsed"],
    ),
    "broken-heading": (
        page(
            "<table><thead><tr><th>Responsibilities<th>Account</thead></table>",
            "@media screen and (width: 320px) { th { padding: 0; width: 7em; } table { width: 14em; } }",
        ),
        ["320 px: broken heading: table th:nth-child"],
    ),
    "broken-number": (
        page(TABLE.format("1,234,567"), f"@media screen and (width: 320px) {{ {NARROW} }}"),
        ["320 px: broken number: table td.narrow:nth-child.2.: 1,234,567"],
    ),
    # The limit on pages holds for a report of this name.
    "demo": (
        page('<p style="break-before: page">A page</p>' * 8),
        ["A4: [0-9]+ pages, at most 8", "Letter: [0-9]+ pages, at most 8"],
    ),
    "no-run-id": (page(header=""), [r"A4: no run id 20260102T000000Z-0002 on pages \[2", "Letter: no run id"]),
    "no-page-number": (page(number=""), [r'A4: no "page N of [0-9]+" on pages \[1', 'Letter: no "page N of']),
    "one-paper": (page(style="@page { size: A4; }"), ["A4: paper: @page: asks for a4", "Letter: paper"]),
    "image": (
        page('<img alt="" src="https://example.com/a.png">', policy=""),
        ["loads https://example.com/a.png .image.", "logs: Failed to load"],
    ),
    "image-forbidden": (
        page('<img alt="" src="a.png">'),
        ["loads file:.*a.png", "logs: .*violates the following Content Security Policy"],
    ),
    "script": (page("<script>document.title += '!'</script>", policy=""), ["runs a script in line [0-9]+ of file:"]),
    "script-forbidden": (page("<script>document.title += '!'</script>"), ["logs: Executing inline script violates"]),
    "script-handler": (
        page("<p><a href='#' id='a'>a</a></p><img alt='' src='data:,' onerror='document.title += 1'>", policy=""),
        ["runs a script"],
    ),
    "script-fails": (
        page("<script>none()</script>", policy=""),
        ["runs a script", "a script failed: none is not defined"],
    ),
    "white": (page(style=":root { color-scheme: light; }"), ["1200 px, dark: the background has lightness 255"]),
    "empty": (
        page(text=""),
        ["1200 px, light: only [0-9]+ pixels below line 1300", "1200 px, dark: only", "below line 2600"],
    ),
}


def compare(lines: list[str]) -> list[str]:
    """What the checks printed for the pages, other than they must."""
    differences = []
    for name, (_, patterns) in FAULTS.items():
        found = [line for line in lines if line.startswith((f"{name}.html,", f"{name}.html:"))]
        differences += [
            f"{name}.html: no line matches {each}"
            for each in patterns
            if not any(re.search(each, line) for line in found)
        ]
        differences += [f"unexpected: {line}" for line in found if not any(re.search(each, line) for each in patterns)]
    return differences


def main():
    task, path = sys.argv[1], Path(sys.argv[2])
    if task == "write":
        for name, (html, _) in FAULTS.items():
            (path / f"{name}.html").write_text(html)
        return
    differences = compare(path.read_text().splitlines())
    if differences:
        sys.exit("\n".join(differences))
    print(f"each of {len(FAULTS)} pages has exactly the faults that were put into it")


if __name__ == "__main__":
    main()
