#!/usr/bin/env python3
"""CPU seconds of the compiler, planning for bgv included: each question P01..P15, and queries of some 5,000 numbers.

    cargo build --release && python3 bench/compiler.py [--runs N]

Prints the smallest and the largest of N runs of `hq check`."""

import argparse
import os
import pathlib
import resource
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = """dataset lab "laboratory" {
  rows <= 5_000
  female: bool
  age:    0..90
  scr:    0.1..15.0
  bili:   0.1..30.0
}
"""
WIDE = {
    "5,040 counts": """use lab
query counts from lab
  report n = [[count(age >= k and scr >= 0.1 * j) for k in 1..70] for j in 1..72]
""",
    "728 groups of 7 numbers, wide sums": """use lab
query groups from lab
  by age, band = cut(scr, [1.0, 2.0, 5.0]), female
  report
    n = count()  s = sum(bili)  q = sum(bili * bili)  m = count(scr > 3)
    k = count(bili > 4)  a = count(age > 3 and scr > 2)  b = sum(scr)
""",
}


def cpu_s(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    hq = str(target / "release" / "hq")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "lab.hq").write_text(SCHEMA)
        programs = [(path.stem, path, ROOT / "tests/schemas") for path in sorted((ROOT / "tests/queries").glob("P*.hq"))]
        for number, (name, text) in enumerate(WIDE.items()):
            path = folder / f"wide{number}.hq"
            path.write_text(text)
            programs.append((name, path, folder))
        for name, path, schemas in programs:
            times = [cpu_s([hq, "check", str(path), "--schema", str(schemas)]) for _ in range(runs)]
            print(f"{name:<36} {min(times):6.3f} .. {max(times):6.3f} s")


if __name__ == "__main__":
    main()
