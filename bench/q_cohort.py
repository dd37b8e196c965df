#!/usr/bin/env python3
"""Q-COHORT against OpenFHE, side by side: python3 bench/q_cohort.py [--pairs 5]

count(*) and sum(sbp) over 65,536 encrypted rows where age >= 65 and dx_diabetes = 1 and hba1c_x10 >= 70, in BGV
at 128 bits on both sides, one thread each. The peer is the circuit an expert writes by hand on OpenFHE; hq plans
its own from the query. Runs alternate, since single runs vary by a third, and each side must give the right answer.

The peer program and the table stand beside the repository (../shared); without them, or without CPython 3.10 for the
peer's wheel, there is nothing to compare and the benchmark says so and ends with status 0.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
PEER = SHARED / "research" / "peers" / "openfhe_cohort.py"
TABLE = SHARED / "data" / "cohort_65536.csv"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
ROWS = 65_536
ANSWER = (751, 99_643)
# The wheel is tagged for any Python, but the library in it is for CPython 3.10.
PYTHON = (3, 10)
PACKAGES = ["openfhe==1.6.1.0.22.4", "numpy"]


def skip(reason):
    print(f"q_cohort: skipped: {reason}")
    sys.exit(0)


def run(command, **options):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, **options)


def is_python(path):
    """Whether it is CPython of the wanted version that can make a virtual environment."""
    probe = "import sys, venv, ensurepip; print(sys.implementation.name, *sys.version_info[:2])"
    try:
        done = run([path, "-c", probe], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.split() == ["cpython", *map(str, PYTHON)]


def find_python():
    """PYTHON310, the path, pyenv, uv and the usual folders, in that order."""
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    candidates = [os.environ.get("PYTHON310"), sys.executable, shutil.which(name)]
    home = Path.home()
    folders = [Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
               home / ".local" / "share" / "uv" / "python"]
    for folder in folders:
        candidates += sorted(folder.glob(f"*3.10*/bin/{name}"), reverse=True)
    candidates += [Path(prefix, "bin", name) for prefix in ("/usr", "/usr/local", "/opt/homebrew")]
    return next((path for path in candidates if path and is_python(path)), None)


def install_peer():
    """A virtual environment with OpenFHE under the build folder; made once."""
    folder = TARGET / "peers" / "openfhe"
    python = folder / "bin" / "python"
    check = [python, "-c", "import openfhe, numpy"]
    if python.exists() and run(check, capture_output=True).returncode == 0:
        return python
    base = find_python()
    if base is None:
        skip(f"the OpenFHE wheel needs CPython {PYTHON[0]}.{PYTHON[1]} and none was found: install it"
             " (`pyenv install 3.10`, `uv python install 3.10`), or name it in PYTHON310")
    print(f"q_cohort: installing {' '.join(PACKAGES)} into {os.path.relpath(folder, ROOT)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run([base, "-m", "venv", folder], check=True)
    if run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]).returncode:
        skip("pip could not install the peer")
    run(check, check=True)
    return python


def build():
    run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    return TARGET / "release" / "hq"


def one_core():
    """Both sides on one core: no hidden threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measured(command):
    """The JSON that a command prints last."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = run(command, cwd=ROOT, env=environment, capture_output=True, text=True, preexec_fn=one_core)
    if done.returncode:
        sys.exit(f"q_cohort: {' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stderr}")
    text = done.stdout.strip()
    return json.loads(text if text.startswith("[") or "\n{" not in text else text[text.index("{"):])


def peer_run(python):
    found = measured([python, PEER, ROWS, 1, "--circuit", "d5", "--tech", "FIXEDMANUAL", "--reps", 1, "--csv", TABLE])
    return {
        "answer": (found["count"], found["sum"]),
        "server_cpu_s": found["server_cpu_s"],
        "keygen_s": found["keygen_cpu_s"],
        "encrypt_s": found["encrypt_cpu_s"],
        "key_bytes": found["key_bytes"] + found["pk_bytes"],
        "upload_bytes": found["upload_bytes"],
        "result_bytes": found["download_bytes"],
        "about": f"OpenFHE {found['version']}, N = {found['N']}, t = {found['p']}, log2 Q = {found['logQ']}",
    }


def hq_run(hq):
    found = measured([hq, "run", "tests/queries/cohort.hq", "--table", f"cohort={TABLE}", "--schema", "tests/schemas",
                      "--backend", "bgv", "--format", "json", "--release", "off"])
    found = found[0] if isinstance(found, list) else found
    report, timing, sizes = found["groups"][0]["report"], found["timing"], found["sizes"]
    certificate = found["certificate"]
    return {
        "answer": (report["patients"], report["sbp_sum"]),
        "server_cpu_s": timing["server_cpu_s"],
        "keygen_s": timing.get("keygen_cpu_s", timing["keygen_s"]),
        "encrypt_s": timing.get("encrypt_cpu_s", timing["encrypt_s"]),
        "key_bytes": sizes["evaluation_keys_bytes"],
        "upload_bytes": sizes["upload_bytes"],
        "result_bytes": sizes["result_bytes"],
        "about": f"hq bgv, N = {certificate['ring_degree']}, t = {certificate['plaintext_modulus']}, "
                 f"log2 QP = {certificate['log2_qp']:.1f} of at most {certificate['max_log2_qp']}, "
                 f"log2 P(wrong) = {certificate['failure_log2']:.1f}",
    }


def line(label, peer, ours, digits=3):
    ratio = peer / ours if ours else float("inf")
    print(f"{label:<34}{peer:>16,.{digits}f}{ours:>16,.{digits}f}{ratio:>12.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved runs of each side (default 5)")
    pairs = max(1, parser.parse_args().pairs)
    for path in (PEER, TABLE):
        if not path.exists():
            skip(f"{os.path.relpath(path, ROOT)} is absent")
    python, hq = install_peer(), build()
    runs = {"peer": [], "hq": []}
    for pair in range(pairs):
        for side, measure in (("peer", lambda: peer_run(python)), ("hq", lambda: hq_run(hq))):
            found = measure()
            if tuple(found["answer"]) != ANSWER:
                sys.exit(f"q_cohort: {side} answers {found['answer']}, not {ANSWER}")
            runs[side].append(found)
        print(f"q_cohort: pair {pair + 1} of {pairs} done", flush=True)

    of = lambda side, key: [found[key] for found in runs[side]]
    peer, ours = of("peer", "server_cpu_s"), of("hq", "server_cpu_s")
    print(f"\nQ-COHORT: {ROWS:,} rows, one thread, count {ANSWER[0]:,} and sum {ANSWER[1]:,} right in every run")
    print(f"  {runs['peer'][0]['about']}\n  {runs['hq'][0]['about']}\n")
    print(f"{'':<34}{'OpenFHE':>16}{'hq':>16}{'ratio':>13}")
    for index, (a, b) in enumerate(zip(peer, ours)):
        line(f"server CPU s, pair {index + 1}", a, b)
    line("server CPU s, minimum", min(peer), min(ours))
    line("server CPU s, median", statistics.median(peer), statistics.median(ours))
    ratios = sorted(a / b for a, b in zip(peer, ours))
    print(f"{'ratio of pairs: min, median, max':<34}"
          f"{ratios[0]:>31.1f}x{statistics.median(ratios):>12.1f}x{ratios[-1]:>8.1f}x\n")
    for label, key, digits in (("key generation s, median", "keygen_s", 3), ("encryption s, median", "encrypt_s", 3)):
        line(label, statistics.median(of("peer", key)), statistics.median(of("hq", key)), digits)
    line("evaluation and public keys, bytes", runs["peer"][0]["key_bytes"], runs["hq"][0]["key_bytes"], 0)
    line("upload, bytes a row", runs["peer"][0]["upload_bytes"] / ROWS, runs["hq"][0]["upload_bytes"] / ROWS, 1)
    line("result, bytes", runs["peer"][0]["result_bytes"], runs["hq"][0]["result_bytes"], 0)


if __name__ == "__main__":
    main()
