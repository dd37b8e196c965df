#!/usr/bin/env python3
"""What the planner and the bgv backend reach, as one table: python3 bench/planner.py [--pairs 3] [--quick]

1. Q-COHORT over 65,536 encrypted rows beside OpenFHE's expert program, one thread each, runs interleaved: columns as
   bits only, in the forms chosen from the schema alone, and in those chosen for the query.
2. A million generated rows: server CPU, memory, and bytes of upload a row, in the default forms and within 600 bytes.
3. Wide queries (P03, P07, P08, P10): server CPU, beside what their plans count in kernels at the kernels' own speed.
4. Encryption in rows per CPU second, and opening in milliseconds per hundred numbers.
5. Two threads against one.

CPU seconds count, and ratios within one run: machines differ, and a busy one is slower. The peer, the tables of the
questions and CPython 3.10 for the peer's wheel lie beside the repository; what is absent is left out with a word.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import q_cohort
from q_cohort import ANSWER, ROOT, ROWS, SHARED, TABLE, TARGET, one_core, peer_run, run

HQ = TARGET / "release" / "hq"
COHORT = ["tests/queries/cohort.hq", "--schema", "tests/schemas"]
WIDE = {"P03": "diabetes130", "P07": "actg175", "P08": "nhanes", "P10": "nhanes"}
MILLION = 1_000_000


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def hq(*arguments, cores=1):
    """Runs the binary; returns its output, CPU seconds and wall seconds."""
    before = children_cpu()
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in [HQ, *arguments]], cwd=ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=one_core if cores == 1 else None)
    out, err = process.communicate()
    if process.returncode:
        sys.exit(f"planner: hq {' '.join(map(str, arguments))}\nended with status {process.returncode}:\n{err}")
    return out, children_cpu() - before, time.perf_counter() - start


def report(out):
    found = json.loads(out)
    return found if isinstance(found, list) else [found]


def cohort(*options):
    out, _, _ = hq("run", *COHORT, "--table", f"cohort={TABLE}", "--format", "json", "--release", "off",
                   "--threads", 1, *options)
    found = report(out)[0]
    values = found["groups"][0]["report"]
    if (values["patients"], values["sbp_sum"]) != ANSWER:
        sys.exit(f"planner: wrong answer {values}")
    return found


def q_cohort_table(pairs, folder):
    print(f"\n1. Q-COHORT, {ROWS:,} rows, server CPU seconds, one thread")
    workload = folder / "cohort.forms.json"
    hq("plan-data", "tests/schemas/cohort.hq", "--workload", "tests/queries/cohort.hq", "-o", workload)
    forms = {"bits": ["--forms", "bits"], "schema alone": [], "query as workload": ["--forms", workload]}
    python = q_cohort.find_python() and q_cohort.install_peer()
    peers, ours = [], {name: [] for name in forms}
    for _ in range(pairs):
        if python:
            peers.append(peer_run(python)["server_cpu_s"])
        for name, options in forms.items():
            ours[name].append(cohort(*options))
    wanted = {"bits": 7, "schema alone": 30, "query as workload": 100}
    print(f"{'':<20}{'OpenFHE':>10}{'hq':>10}{'ratio':>9}{'wanted':>9}{'bytes/row':>11}  parameters")
    for name, found in ours.items():
        own = statistics.median(run["timing"]["server_cpu_s"] for run in found)
        peer = statistics.median(peers) if peers else float("nan")
        pairwise = [p / run["timing"]["server_cpu_s"] for p, run in zip(peers, found)]
        ratio = statistics.median(pairwise) if pairwise else float("nan")
        certificate, sizes = found[0]["certificate"], found[0]["sizes"]
        print(f"{name:<20}{peer:>10.3f}{own:>10.4f}{ratio:>8.1f}x{wanted[name]:>8}x"
              f"{sizes['upload_bytes'] / ROWS:>11.0f}  N = {certificate['ring_degree']}, "
              f"t = {certificate['plaintext_modulus']}, log2 QP = {certificate['log2_qp']:.0f}")


def million_schema(folder):
    text = (ROOT / "tests/schemas/cohort.hq").read_text().replace("rows <= 65_536", "rows <= 1_000_000")
    schema = folder / "cohort.hq"
    schema.write_text(text)
    table = folder / "million.csv"
    hq("generate", schema, "--rows", MILLION, "--seed", 1, "-o", table)
    return schema, table


def keyed(folder, schema, table, name, *options):
    """Keys, ciphertexts and a result of Q-COHORT; returns CPU of the server, memory and bytes a row."""
    keys, data, result = folder / f"{name}.keys", folder / f"{name}.enc", folder / f"{name}.result"
    query = ROOT / "tests/queries/cohort.hq"
    hq("keygen", "--for", schema, "--query", query, "--schema", folder, "--no-passphrase", "-o", keys, *options)
    _, encrypt_cpu, _ = hq("encrypt", schema, "--table", table, "--keys", keys, "-o", data, cores=2)
    stored = sum(path.stat().st_size for path in data.iterdir())
    compute = ["compute", query, "--schema", folder, "--data", data, "--eval-keys", keys / "evaluation.keys"]
    memory = subprocess.run(
        [sys.executable, "-c", MEMORY, str(HQ), *map(str, compute), "--threads", "1", "-o", str(result)],
        capture_output=True, text=True, check=True, cwd=ROOT, preexec_fn=one_core).stdout.split("\n")
    cpu = float(re.search(r"\(([\d.]+) s CPU\)", "\n".join(memory)).group(1))
    resident = int(memory[-2]) / 1024
    return {"cpu": cpu, "memory": resident, "bytes": stored / MILLION, "encrypt": MILLION / encrypt_cpu,
            "compute": compute, "keys": keys, "result": result}


MEMORY = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
          "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")


def million_table(folder):
    print(f"\n2. {MILLION:,} generated rows, Q-COHORT on one thread; 4. encryption; 5. threads")
    schema, table = million_schema(folder)
    narrow = folder / "narrow.json"
    hq("plan-data", schema, "--workload", "tests/queries/cohort.hq", "--schema", folder, "--max-bytes-per-row", 600,
       "-o", narrow)
    print(f"{'':<24}{'server CPU s':>13}{'wanted':>8}{'memory MB':>11}{'bytes/row':>11}{'rows/CPU s encrypted':>22}")
    default = None
    for name, options, wanted in [("default forms", [], 1.5), ("600 bytes a row", ["--forms", narrow], 6.0)]:
        found = keyed(folder, schema, table, name.split()[0], *options)
        default = default or found
        print(f"{name:<24}{found['cpu']:>13.2f}{wanted:>8.1f}{found['memory']:>11.0f}{found['bytes']:>11.0f}"
              f"{found['encrypt']:>22,.0f}")
    walls = {}
    for threads in (1, 2, 1, 2):
        out, _, _ = hq(*default["compute"], "--threads", threads, "-o", default["result"], cores=2)
        wall = float(re.search(r"([\d.]+) s \(", out).group(1))
        walls[threads] = min(wall, walls.get(threads, wall))
    print(f"two threads against one: {walls[1] / walls[2]:.2f} times as fast ({os.cpu_count()} processors, "
          f"load {os.getloadavg()[0]:.1f})")


def example(package, name):
    done = run(["cargo", "run", "--release", "-q", "-p", package, "--example", name], cwd=ROOT,
               capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


# The line of `kernels` that measures what a plan counts. Of a release and of a setup only parts are kernels of their own.
SPEED_OF = {"load": "load, by chunks", "transform": "transform", "key product": "key product", "conversion": "conversion",
            "product": "product, by chunks", "linear term": "linear, a term", "release": "errors",
            "setup": "expand (setup)"}


def kernel_speeds():
    """Nanoseconds a slot by ring degree and kernel, measured alone."""
    head, *lines = example("hq-plugin-bgv", "kernels")
    degrees = [int(word) for word in re.findall(r"\d+", head)]
    rows = {line[:22].strip(): [float(word) for word in line[22:].split()] for line in lines}
    return {degree: {kernel: rows[name][at] for kernel, name in SPEED_OF.items()} for at, degree in enumerate(degrees)}


def wide_table():
    print("\n3. Wide queries, server CPU seconds, default forms; kernels: counted in the plan, at their own speed")
    speeds, counted = kernel_speeds(), {}
    for line in example("hq-tests", "kernels_of_plans"):
        found = json.loads(line)
        speed = speeds[found["ring_degree"]]
        seconds = lambda counts: sum(speed[kernel] * count for kernel, count in counts.items())
        per_slot = found["blocks"] * seconds(found["block"]) + seconds(found["once"])
        counted[found["id"]] = {"seconds": per_slot * found["ring_degree"] * 1e-9, "sums": found["sums"]}
    print(f"{'':<6}{'CPU s':>8}{'wanted':>8}{'kernels s':>11}{'ratio':>7}{'numbers':>9}{'open, ms per 100':>18}")
    for name, dataset in WIDE.items():
        out, _, _ = hq("run", f"tests/queries/{name}.hq", "--schema", "tests/schemas", "--table",
                       f"{dataset}={SHARED / 'data' / (dataset + '.csv')}", "--format", "json", "--release", "off",
                       "--threads", 1)
        found = report(out)[0]
        numbers = counted[name]["sums"]
        cpu, kernels = found["timing"]["server_cpu_s"], counted[name]["seconds"]
        print(f"{name:<6}{cpu:>8.3f}{1.0:>8.1f}{kernels:>11.3f}{cpu / kernels:>6.1f}x{numbers:>9}"
              f"{found['timing']['open_s'] * 1e5 / numbers:>18.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="interleaved runs of each side (default 3)")
    parser.add_argument("--quick", action="store_true", help="leave the million rows out")
    arguments = parser.parse_args()
    run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    if not TABLE.exists():
        q_cohort.skip(f"{os.path.relpath(TABLE, ROOT)} is absent")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        q_cohort_table(max(1, arguments.pairs), folder)
        if not arguments.quick:
            million_table(folder)
        wide_table()


if __name__ == "__main__":
    main()
