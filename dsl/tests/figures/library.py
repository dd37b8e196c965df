"""Figures of library.hq by independent implementations, over data/actg175.csv: writes library.json.

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1, pandas, statsmodels 0.15.0, lifelines 0.30.3.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import statsmodels
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test, multivariate_logrank_test
from scipy import stats
from statsmodels.duration.survfunc import CumIncidenceRight
from statsmodels.stats.contingency_tables import StratifiedTable, Table2x2, mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.rates import confint_poisson_2indep, test_poisson_2indep

here = Path(__file__).parent
t = pd.read_csv(here.parents[2] / "data" / "actg175.csv")
event = t.event.to_numpy() == 1
low = (t.cd4_base < 350).to_numpy()
drop = (t.cd4_20wk < t.cd4_base).to_numpy()
band = np.digitize(t.age, [30, 40, 50])
x, y = t.cd4_base.to_numpy(float), t.cd4_20wk.to_numpy(float)


def table(a, b):
    return np.array([[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]])


out = {}
n = len(t)
w = t.weight_kg.to_numpy(float)
out["present"] = int(t.cd4_96wk.notna().sum())
out["mean"], out["sd"] = x.mean(), x.std(ddof=1)
out["var"], out["se"] = w.var(ddof=1), stats.sem(w)
ci = stats.t.interval(0.95, n - 1, loc=x.mean(), scale=stats.sem(x))
out["ci"] = {"lower": ci[0], "upper": ci[1]}
out["median"] = float(np.quantile(t.karnofsky, 0.5, method="inverted_cdf"))
out["q90"] = float(np.quantile(t.age, 0.9, method="inverted_cdf"))
out["youngest"], out["oldest"] = int(t.age.min()), int(t.age.max())
edges = [12, 25, 35, 71]
out["histogram"] = {"count": [int(((t.age >= a) & (t.age < b)).sum()) for a, b in zip(edges, edges[1:])]}
out["corr"] = stats.pearsonr(x, y).statistic
fit = sm.OLS(y, sm.add_constant(t[["cd4_base", "age", "male"]].to_numpy(float))).fit()
out["ols"] = {"n": n, "coef": list(fit.params), "se": list(fit.bse), "r2": fit.rsquared}
for name, equal in [("welch", False), ("student", True)]:
    r = stats.ttest_ind(y[event], y[~event], equal_var=equal)
    out[name] = {"t": r.statistic, "df": r.df, "p": r.pvalue}
r = stats.f_oneway(*[y[t.arm == a] for a in range(4)])
out["anova"] = {"f": r.statistic, "p": r.pvalue}
w = proportion_confint(event.sum(), n, 0.05, method="wilson")
out["wilson"] = {"proportion": event.mean(), "lower": w[0], "upper": w[1]}
two = Table2x2(table(low, event))
out["table"] = dict(zip("abcd", table(low, event).ravel()))
out["odds_ratio"], out["risk_ratio"] = two.oddsratio, two.riskratio
(a, b), (c, d) = table(low, event)
out["risk_difference"] = a / (a + b) - c / (c + d)
lower, upper = confint_proportions_2indep(a, a + b, c, c + d, method="wald", compare="diff")
out["rd_ci"] = {"difference": out["risk_difference"], "lower": lower, "upper": upper}
days = t.time_days.to_numpy(float)
t1, t0 = days[low].sum(), days[~low].sum()
out["rate"] = event.sum() / days.sum()
out["rate_ratio"] = test_poisson_2indep(a, t1, c, t0).ratio
lower, upper = confint_poisson_2indep(a, t1, c, t0, method="wald-log")
out["rate_ci"] = {"ratio": (a / t1) / (c / t0), "lower": lower, "upper": upper}
over = [(event & low & (band == k), event & ~low & (band == k), low & (band == k), ~low & (band == k)) for k in range(4)]
over = [(y1.sum(), y0.sum(), days[e1].sum(), days[e0].sum()) for y1, y0, e1, e0 in over]
out["mh_rate"] = sum(y1 * s0 / (s1 + s0) for y1, y0, s1, s0 in over) / sum(y0 * s1 / (s1 + s0) for y1, y0, s1, s0 in over)
for name, ratio, interval in [
    ("or_ci", two.oddsratio, two.oddsratio_confint()),
    ("rr_ci", two.riskratio, two.riskratio_confint()),
]:
    out[name] = {"ratio": ratio, "lower": interval[0], "upper": interval[1]}
r = stats.chi2_contingency(table(low, event), correction=False)
out["chi_square"] = {"chi2": r.statistic, "p": r.pvalue}
strata = StratifiedTable([table(low[band == b], event[band == b]) for b in range(4)])
lower, upper = strata.oddsratio_pooled_confint()
out["mh_or"] = strata.oddsratio_pooled
out["mh_ci"] = {"ratio": strata.oddsratio_pooled, "lower": lower, "upper": upper}
r = strata.test_null_odds(correction=False)
out["mh_test"] = {"chi2": r.statistic, "p": stats.chi2.sf(r.statistic, 1)}
weights, rates = np.array([0.3, 0.3, 0.25, 0.15]), np.array([0.2, 0.22, 0.25, 0.3])
size = np.array([(band == b).sum() for b in range(4)])
p = np.array([event[band == b].mean() for b in range(4)])
out["direct"] = {"rate": weights @ p, "se": np.sqrt(weights**2 @ (p * (1 - p) / size))}
out["indirect"] = {"expected": size @ rates, "ratio": event.sum() / (size @ rates)}
out["attributable"] = (two.riskratio - 1) / two.riskratio
out["sensitivity"], out["specificity"] = low[event].mean(), (~low)[~event].mean()
cuts = [20, 30, 40, 50]
level = np.digitize(t.age, cuts)
u = stats.mannwhitneyu(level[event], level[~event]).statistic
out["roc"] = {
    "sensitivity": [(t.age[event] >= c).mean() for c in cuts],
    "specificity": [(t.age[~event] < c).mean() for c in cuts],
    "auc": u / (event.sum() * (~event).sum()),
}
out["kappa"] = cohens_kappa(table(low, drop), return_results=False)
r = mcnemar(table(low, drop), exact=False, correction=False)
out["mcnemar"] = {"chi2": r.statistic, "p": r.pvalue}
# The trend statistic is that of the correlation: z^2 = n r^2.
z = np.sqrt(n) * stats.pearsonr(t.karnofsky, event.astype(float)).statistic
out["trend"] = {"z": z, "p": 2 * stats.norm.sf(abs(z))}
grid = np.ceil(t.time_days / 100).clip(lower=1)
inside = grid <= 12
km = KaplanMeierFitter().fit(grid, event & inside)
survival = [float(km.predict(k)) for k in range(1, 13)]
at = [int((grid >= k).sum()) for k in range(1, 13)]
dead = [int((event & (grid == k)).sum()) for k in range(1, 13)]
green = np.cumsum([d / (a * (a - d)) for a, d in zip(at, dead)])
out["km"] = {"at_risk": at, "events": dead, "survival": survival, "se": list(np.array(survival) * np.sqrt(green))}
out["rmst"] = 100 * sum([1.0] + survival[:11])
male = t.male.to_numpy() == 1
capped, seen = np.where(inside, grid, 12), event & inside
r = logrank_test(capped[male], capped[~male], seen[male], seen[~male])
out["log_rank"] = {"observed": [seen[~male].sum(), seen[male].sum()], "chi2": r.test_statistic, "df": 1, "p": r.p_value}
r = multivariate_logrank_test(capped, t.arm, seen)
observed = [seen[t.arm == a].sum() for a in range(4)]
out["log_rank_arms"] = {"observed": observed, "chi2": r.test_statistic, "df": 3, "p": r.p_value}
out["km_plain"] = {"at_risk": at, "events": dead, "survival": survival}
cause = np.where(event & inside, np.where(male, 1, 2), 0)
aj = CumIncidenceRight(capped, cause)
assert list(aj.times) == list(range(1, 13))
out["incidence"] = {"at_risk": at, "event_free": survival, "incidence": list(aj.cinc[0])}

versions = {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "lifelines": "0.30.3"}
plain = json.loads(json.dumps({"versions": versions, "figures": out}, default=lambda v: v.item()))
(here / "library.json").write_text(json.dumps(plain, indent=1) + "\n")

quantities = [
    ("NormalCdf", [1.0], stats.norm.cdf(1.0)),
    ("NormalCdf", [-6.0], stats.norm.cdf(-6.0)),
    ("NormalQuantile", [0.975], stats.norm.ppf(0.975)),
    ("NormalQuantile", [0.0001], stats.norm.ppf(0.0001)),
    ("StudentCdf", [2.0, 5.0], stats.t.cdf(2.0, 5.0)),
    ("StudentQuantile", [0.975, 10.0], stats.t.ppf(0.975, 10.0)),
    ("StudentQuantile", [0.975, 10735.0], stats.t.ppf(0.975, 10735.0)),
    ("ChiSquareTail", [3.84, 1.0], stats.chi2.sf(3.84, 1.0)),
    ("ChiSquareTail", [25.0, 3.0], stats.chi2.sf(25.0, 3.0)),
    ("ChiSquareTail", [80.0, 1.0], stats.chi2.sf(80.0, 1.0)),
    ("FTail", [4.0, 3.0, 20.0], stats.f.sf(4.0, 3.0, 20.0)),
    ("FTail", [1.5, 10.0, 100.0], stats.f.sf(1.5, 10.0, 100.0)),
]
rows = [f"    (Distribution::{name}, &[{', '.join(map(str, xs))}], {float(value)!r})," for name, xs, value in quantities]
(here / "distributions.in").write_text("[\n" + "\n".join(rows) + "\n]\n")
