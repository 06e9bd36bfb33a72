"""Command line: `python3 -m mobillm_mlc_compiler --spec spec.json --output model.so`.

Progress goes to standard output, one JSON object a line: `{"step": "linking", "share": 0.95}`. An error
is one such object with `error` (what to do about it, for people) and `code`, and exit status 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from .spec import SpecError, read_spec


def main() -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="mobillm_mlc_compiler", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="JSON document, see spec.py")
    parser.add_argument("--output", type=Path, required=True, help="library to write")
    parser.add_argument("--linker", default="cc", help="C compiler that links for the target")
    arguments = parser.parse_args()
    try:
        spec = read_spec(arguments.spec)
    except (SpecError, ValueError) as error:
        return _fail("SPEC_INVALID", str(error))
    if shutil.which(arguments.linker) is None:
        return _fail("NO_LINKER", f"there is no {arguments.linker} to link the library with")
    # Takes a second and half a gigabyte, so not before what can go wrong without it.
    from .pipeline import compile_library

    compile_library(spec, arguments.output, arguments.linker, _report)
    return 0


def _report(step: str, share: float) -> None:
    print(json.dumps({"step": step, "share": share}), flush=True)


def _fail(code: str, message: str) -> int:
    print(json.dumps({"code": code, "error": message}), flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
