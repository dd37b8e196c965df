"""Random patients and their scores by definitions written apart from the library: scores.csv and scores.json.

Made with Python 3.11 and numpy 2.4.6.
"""

import csv
import json
import math
from pathlib import Path

import numpy as np

here = Path(__file__).parent
rng = np.random.default_rng(2021)
FLAGS = 19
N = 150


def patient(number):
    row = {
        "patient": number,
        "weight": round(rng.uniform(40, 160), 1),
        "height": int(rng.integers(145, 201)),
        "age": int(rng.integers(5, 19)) * 5,
        "female": int(rng.integers(2)),
        "creatinine": round(rng.uniform(0.4, 4.0), 1),
        "bilirubin": int(rng.integers(1, 41)) * 3,
        "albumin": int(rng.integers(20, 51)),
        "ast": int(rng.integers(1, 7)) * 20,
        "alt": int(rng.integers(1, 7)) * 20,
        "platelets": int(rng.integers(2, 11)) * 30,
        "rate": int(rng.integers(5, 31)),
        "saturation": int(rng.integers(80, 101)),
        "sbp": int(rng.integers(80, 231)),
        "gcs": int(rng.integers(12, 16)),
        "pulse": int(rng.integers(35, 136)),
        "temperature": round(rng.uniform(34.5, 40.0), 1),
        "hba1c": round(rng.uniform(5, 13), 1) if rng.random() < 0.8 else "",
        "last_sbp": int(rng.integers(110, 171)) if rng.random() < 0.8 else "",
        "last_dbp": int(rng.integers(60, 101)) if rng.random() < 0.8 else "",
        "positive": int(rng.integers(2)) if rng.random() < 0.7 else "",
        "plan": int(rng.integers(2)) if rng.random() < 0.7 else "",
    }
    return row | {f"f{k}": int(rng.random() < 0.4) for k in range(1, FLAGS + 1)}


def band(value, bands):
    """Points of the first band that holds the value: (highest value of the band, points)."""
    return next(points for top, points in bands if value <= top)


END = math.inf


def news2(p):
    points = band(p["rate"], [(8, 3), (11, 1), (20, 0), (24, 2), (END, 3)])
    if not p["f1"]:
        points += band(p["saturation"], [(91, 3), (93, 2), (95, 1), (END, 0)])
    elif p["f2"]:
        points += band(p["saturation"], [(83, 3), (85, 2), (87, 1), (92, 0), (94, 1), (96, 2), (END, 3)])
    else:
        points += band(p["saturation"], [(83, 3), (85, 2), (87, 1), (END, 0)])
    points += 2 if p["f2"] else 0
    points += band(p["sbp"], [(90, 3), (100, 2), (110, 1), (219, 0), (END, 3)])
    points += band(p["pulse"], [(40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (END, 3)])
    points += 0 if p["f3"] else 3
    return points + band(p["temperature"], [(35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (END, 2)])


def charlson(f):
    (mi, chf, pvd, cvd, dem, copd, ctd, ulcer, liver, dm, plegia, renal, damage, tumor, leuk, lymph, cirrhosis, mets, aids) = f
    points = mi + chf + pvd + cvd + dem + copd + ctd + ulcer
    points += 3 if cirrhosis else 1 if liver else 0
    points += 2 if damage else 1 if dm else 0
    points += 6 if mets else 2 if tumor else 0
    return points + 2 * (plegia + renal + leuk + lymph) + 6 * aids


def quan(f):
    chf, dem, copd, rheum, liver, damage, plegia, renal, cancer, cirrhosis, mets, aids = f
    points = 2 * chf + 2 * dem + copd + rheum + damage + 2 * plegia + renal + 4 * aids
    points += 4 if cirrhosis else 2 if liver else 0
    return points + (6 if mets else 2 if cancer else 0)


def half_away(value, digits):
    return math.floor(value * 10**digits + 0.5) / 10**digits if value >= 0 else -half_away(-value, digits)


def scores(p):
    f = [p[f"f{k}"] for k in range(1, FLAGS + 1)]
    bmi = p["weight"] / (p["height"] / 100) ** 2
    kappa, alpha, factor = (0.7, -0.241, 1.012) if p["female"] else (0.9, -0.302, 1)
    ratio = p["creatinine"] / kappa
    egfr = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938 ** p["age"] * factor
    albi = math.log10(p["bilirubin"]) * 0.66 + p["albumin"] * -0.085
    fib4 = p["age"] * p["ast"] / (p["platelets"] * math.sqrt(p["alt"]))
    cha = f[0] + f[1] + f[2] + 2 * f[3] + f[4] + p["female"] + (2 if p["age"] >= 75 else 1 if p["age"] >= 65 else 0)
    one_of = lambda index, size: [int(index == k) for k in range(size)]
    return {
        "bmi_class": one_of(int(np.digitize(bmi, [18.5, 25, 30, 35, 40])), 6),
        "egfr": half_away(egfr, 0),
        "stage": one_of(5 - int(np.digitize(egfr, [15, 30, 45, 60, 90])), 6),
        "albi": half_away(albi, 2),
        "grade": 1 if albi <= -2.6 else 2 if albi <= -1.39 else 3,
        "fib4": half_away(fib4, 1),
        "fib4_class": one_of(0 if fib4 < 1.45 else 1 if fib4 <= 3.25 else 2, 3),
        "cha2ds2_vasc": cha,
        "has_bled": sum(f[:8]) + (p["age"] > 65),
        "qsofa": (p["rate"] >= 22) + (p["sbp"] <= 100) + (p["gcs"] < 15),
        "news2": news2(p),
        "charlson": charlson(f),
        "quan": quan(f[:12]),
    }


def measure(rows, population, excluded, met):
    chosen = [p for p in rows if population(p)]
    left = [p for p in chosen if not excluded(p)]
    numerator = sum(bool(met(p)) for p in left)
    return {
        "population": len(chosen),
        "exclusions": len(chosen) - len(left),
        "denominator": len(left),
        "numerator": numerator,
        "rate": numerator / len(left),
    }


rows = [patient(k) for k in range(1, N + 1)]
with (here / "scores.csv").open("w", newline="") as file:
    table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
measures = {
    "cms122": measure(rows, lambda p: 18 <= p["age"] <= 75 and p["f1"] and p["f2"], lambda p: p["f3"],
                      lambda p: p["hba1c"] == "" or p["hba1c"] > 9.0),
    "cms165": measure(rows, lambda p: 18 <= p["age"] <= 85 and p["f1"] and p["f2"], lambda p: p["f3"],
                      lambda p: "" not in (p["last_sbp"], p["last_dbp"]) and p["last_sbp"] < 140 and p["last_dbp"] < 90),
    "cms2": measure(rows, lambda p: p["age"] >= 12 and p["f1"], lambda p: p["f3"],
                    lambda p: p["f4"] and (p["positive"] == 0 or (p["positive"] == 1 and p["plan"] == 1))),
    "cms125": measure(rows, lambda p: p["female"] and 52 <= p["age"] <= 74 and p["f1"], lambda p: p["f3"], lambda p: p["f4"]),
}
figures = {"versions": {"numpy": np.__version__}, "patients": [scores(p) for p in rows], "measures": measures}
plain = json.dumps(figures, default=lambda v: v.item())
(here / "scores.json").write_text(json.dumps(json.loads(plain), indent=None, separators=(", ", ": ")).replace("}, {", "},\n{") + "\n")
