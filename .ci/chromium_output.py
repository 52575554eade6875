"""Reads the screenshots and PDFs that chromium.mjs makes of reports, and prints what is wrong with them.

    chromium_output.py FOLDER

The folder has the files NAME.html, NAME-light.png, NAME-dark.png, NAME-a4.pdf and NAME-letter.pdf of each report.
"""

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

MOST_PAGES = 8  # of the demo's report, printed
PAPERS = {"a4": "A4", "letter": "Letter"}
RUN_ID = re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b")


def screen_faults(picture: Image.Image, scheme: str):
    """Background and text have the requested colours, over the whole picture."""
    picture = picture.convert("L")
    background = picture.getpixel((4, 4))
    if (background > 200) != (scheme == "light"):
        yield f"the background has lightness {background} of 255"
    for top in (0, 1300, 2600):
        shades = picture.crop((0, top, picture.width, top + 1300)).histogram()
        drawn = sum(count for shade, count in enumerate(shades) if abs(shade - background) > 80)
        if drawn <= 10_000:
            yield f"only {drawn} pixels below line {top} differ from the background"


def page_texts(pdf: Path) -> list[str]:
    """The text of each page, with single spaces."""
    text = subprocess.run(["pdftotext", pdf, "-"], check=True, capture_output=True, text=True).stdout
    return [" ".join(page.split()) for page in text.removesuffix("\f").split("\f")]


def print_faults(name: str, run_id: str, pages: list[str]):
    """The demo's report is short. Every page has the id of the run and its own number."""
    total = len(pages)
    if name == "demo" and total > MOST_PAGES:
        yield f"{total} pages, at most {MOST_PAGES} are allowed"
    numbered = list(enumerate(pages, start=1))
    if lacking := [number for number, text in numbered if run_id not in text]:
        yield f"no run id {run_id} on pages {lacking} of {total}"
    if lacking := [number for number, text in numbered if f"page {number} of {total}" not in text.lower()]:
        yield f'no "page N of {total}" on pages {lacking}'


def run_id_of(html: str) -> str:
    """The newest id of a run in a report is its own. Ids start with their time; others belong to earlier runs."""
    return max(RUN_ID.findall(html), default="(the report names no run)")


def main():
    folder = Path(sys.argv[1])
    for report in sorted(folder.glob("*.html")):
        for scheme in ("light", "dark"):
            for fault in screen_faults(Image.open(folder / f"{report.stem}-{scheme}.png"), scheme):
                print(f"{report.name}, 1200 px, {scheme}: {fault}")
        run_id = run_id_of(report.read_text())
        for paper, title in PAPERS.items():
            for fault in print_faults(report.stem, run_id, page_texts(folder / f"{report.stem}-{paper}.pdf")):
                print(f"{report.name}, printed on {title}: {fault}")


if __name__ == "__main__":
    main()
