"""Lists the fenced blocks of the documents that `.ci/documents` runs.

blocks.py FOLDER

Writes each block into a file of FOLDER and prints a line for it: file, info string, document, line, nearest heading,
separated by tabs. tests/it/documents.rs explains the info strings.
"""

import pathlib
import re
import sys

RUN = (
    "sql",
    "sh,install",
    "sh,package",
    "sh,rust",
    "sh,tls",
    "conf,rsyslog",
    "conf,rsyslog-local",
    "conf,rsyslog-sentinel",
    "conf,rsyslog-relp",
    "conf,rsyslog-relp-tls",
    "conf,syslog-ng",
)
folder = pathlib.Path(sys.argv[1])
documents = [pathlib.Path("README.md"), pathlib.Path("CONTRIBUTING.md"), *sorted(pathlib.Path("docs").rglob("*.md"))]
number = 0
for document in documents:
    heading, block = "", None
    info, indent, start = "", 0, 0
    for place, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"( *)```(.*)", line)
        if block is not None and fence:
            if info in RUN:
                number += 1
                path = folder / f"{number:03}"
                path.write_text("\n".join(block) + "\n", encoding="utf-8")
                print(path, info, document, start, heading, sep="\t")
            block = None
        elif block is not None:
            block.append(line[indent:])
        elif fence:
            block, info, indent, start = [], fence[2].strip(), len(fence[1]), place
        elif line.startswith("#"):
            heading = line.strip("# ")
