"""No file of vectors lies here unused."""

import importlib
from pathlib import Path

from harness.vectors_files import FOLDER, wycheproof_stems

STEMS = sorted(path.stem for path in Path(__file__).parent.glob("test_vectors_*.py"))
MODULES = [importlib.import_module(stem) for stem in STEMS if stem != __name__]


def claimed(member: str) -> list[str]:
    return sorted(stem for module in MODULES for stem in getattr(module, member, []))


def test_every_wycheproof_file_has_one_test_module():
    assert claimed("WYCHEPROOF") == wycheproof_stems()


def test_every_nist_file_has_one_test_module():
    names = {path.name.split(".")[0].removeprefix("acvp_") for path in (FOLDER / "nist").iterdir()}
    assert claimed("NIST") == sorted(names)


def test_the_licence_and_the_origin_lie_beside_the_vectors():
    assert "Apache License" in (FOLDER / "LICENSE-Apache-2.0.txt").read_text()
    assert "C2SP/wycheproof" in (FOLDER / "README.md").read_text()
