"""Prints a CycloneDX SBOM of the program as packages ship it, and collects the licences of the crates in it.

sbom.py PACKAGE TARGET --licences FILE

What is in the program is what `cargo tree` resolves for it: without the sandbox, without crates that are needed only to
test or to build, and without macros. The output depends on the commit and on the version of rustc only.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import tomllib
import uuid

SPDX = "http://cyclonedx.org/schema/bom-1.6.schema.json"
LICENCE_NAMES = ("license", "licence", "copying", "notice", "copyright")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def resolved(package: str, target: str) -> tuple[list[tuple[str, str]], dict]:
    """Returns (name, version) of every crate in the program, the program first, and what each depends on."""
    tree = run(
        *("cargo", "tree", "--locked", "--package", package, "--no-default-features", "--target", target),
        *("--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}"),
    )
    order: list[tuple[str, str]] = []
    needs: dict[tuple[str, str], list[tuple[str, str]]] = {}
    path: list[tuple[str, str]] = []
    for line in tree.splitlines():
        depth, name, version = line.split()[:3]
        crate = (name, version.removeprefix("v"))
        if crate not in needs:
            order.append(crate)
            needs[crate] = []
        del path[int(depth) :]
        if path and crate not in needs[path[-1]]:
            needs[path[-1]].append(crate)
        path.append(crate)
    return order, needs


def purl(crate: tuple[str, str]) -> str:
    return f"pkg:cargo/{crate[0]}@{crate[1].replace('+', '%2B')}"


def component(crate: tuple[str, str], about: dict, checksum: str | None) -> dict:
    """Describes a crate. One that was not downloaded from a registry has no checksum."""
    entry = {
        "type": "library",
        "bom-ref": purl(crate),
        "name": crate[0],
        "version": crate[1],
        "description": " ".join((about["description"] or "").split()),
        "licenses": [{"expression": about["license"].replace("/", " OR ")}],
        "purl": purl(crate),
    }
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if about["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": about["repository"]}]
    return entry


def document(crates: list, needs: dict, about: dict, checksums: dict) -> dict:
    program = component(crates[0], about[crates[0]], None) | {"type": "application"}
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    rustc = run("rustc", "--version").split()[1]
    bom = {
        "$schema": SPDX,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "rustc", "version": rustc}]},
            "component": program,
        },
        "components": [component(crate, about[crate], checksums.get(crate)) for crate in sorted(crates[1:])],
        "dependencies": [
            {"ref": purl(crate), "dependsOn": [purl(need) for need in sorted(needs[crate])]} for crate in sorted(crates)
        ],
    }
    # The serial number is a name of the contents, so that it is the same in each build of them.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))
    return bom | {"serialNumber": serial.urn}


def texts(folder: pathlib.Path) -> list[str]:
    """Reads the licence files of a crate."""
    files = [file for file in folder.iterdir() if file.is_file() and file.name.lower().startswith(LICENCE_NAMES)]
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in sorted(files)]


def licences(crates: list, about: dict) -> str:
    """Returns each licence text once, below the crates that it belongs to."""
    crates_of: dict[str, list[str]] = {}
    for crate in sorted(crates):
        heading = f"{crate[0]} {crate[1]} ({about[crate]['license']})"
        found = texts(pathlib.Path(about[crate]["manifest_path"]).parent)
        for text in found or ["The crate contains no text of its licence. The texts above and SPDX name it."]:
            crates_of.setdefault(text, []).append(heading)
    parts = ["\n".join(headings) + "\n\n" + text for text, headings in crates_of.items()]
    return ("\n\n" + "=" * 80 + "\n\n").join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("target")
    parser.add_argument("--licences", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    crates, needs = resolved(arguments.package, arguments.target)
    packages = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))["packages"]
    about = {(package["name"], package["version"]): package for package in packages}
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    arguments.licences.write_text(licences(crates[1:], about), encoding="utf-8")
    print(json.dumps(document(crates, needs, about, checksums), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
