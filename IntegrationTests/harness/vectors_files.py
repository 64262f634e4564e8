"""The files of `vectors/`."""

import gzip
import json
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "vectors"


def content(path: str) -> bytes:
    """A file by its name without `.gz`."""
    return gzip.decompress((FOLDER / f"{path}.gz").read_bytes())


@cache
def document(path: str):
    return json.loads(content(path))


@cache
def wycheproof(stem: str) -> tuple[int, list[tuple[dict, dict]]]:
    """The number of vectors a file states, and each vector with its group. `stem` leaves out `_test.json`."""
    whole, half = f"wycheproof/{stem}_test.json", f"wycheproof/{stem}_test.part1.json"
    data = document(whole if (FOLDER / f"{whole}.gz").exists() else half)
    return data["numberOfTests"], [(group, test) for group in data["testGroups"] for test in group["tests"]]


def wycheproof_stems() -> list[str]:
    return sorted(re.sub(r"_test(\.part1)?\.json\.gz$", "", path.name) for path in (FOLDER / "wycheproof").iterdir())


def acvp(name: str) -> list[tuple[dict, dict, dict, dict]]:
    """Every vector of an ACVP file: vector set, group, question, answer."""
    questions, answers = document(f"nist/acvp_{name}.vectors.json"), document(f"nist/acvp_{name}.expected.json")
    found = []
    for asked, answered in zip(questions[1:], answers[1:], strict=True):
        known = {(group["tgId"], test["tcId"]): test for group in answered["testGroups"] for test in group["tests"] or []}
        for group in asked["testGroups"]:
            for test in group["tests"] or []:
                found.append((asked, group, test, known[group["tgId"], test["tcId"]]))
    return found


def cavp(path: str) -> list[dict[str, str]]:
    """The blocks of a CAVP response file."""
    blocks = []
    for block in content(path).decode().split("\n\n"):
        members = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith("#"))
        if members:
            blocks.append(members)
    return blocks
