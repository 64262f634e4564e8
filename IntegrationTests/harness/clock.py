"""A server whose clock is wrong: a small library, loaded before its own, moves the time of day."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

_SOURCE = Path(__file__).with_name("shifted_clock.c")


@cache
def _library() -> str:
    compiler = shutil.which("clang") or shutil.which("cc")
    assert compiler, "no C compiler; the Swift toolchain brings clang"
    library = Path(mkdtemp(prefix="strongroom-clock-")) / "shifted_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"], check=True)
    return str(library)


def shifted(seconds: int) -> dict[str, str]:
    """The environment that moves the clock of a server by this many seconds."""
    return {"LD_PRELOAD": _library(), "CLOCK_SHIFT_SECONDS": str(seconds)}
