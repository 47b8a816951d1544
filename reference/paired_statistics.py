"""Golden values of statistics by SciPy and statsmodels, for src/statistics/.

    python reference/paired_statistics.py fixtures/evaluation
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

probabilities = [1e-300, 1e-20, 1e-12, 1e-6, 0.01, 0.07, 0.076, 0.3, 0.5, 0.8, 0.925, 0.975, 0.995, 0.9995, 1 - 1e-9]
normal_quantile = [{"p": p, "z": float(stats.norm.ppf(p))} for p in probabilities]

wilson = []
for successes, n in [(0, 1), (1, 1), (0, 20), (20, 20), (7, 10), (50, 100), (206, 412), (3, 1319), (500, 1319), (9000, 10042)]:
    for level in [0.8, 0.95, 0.99]:
        low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
        wilson.append({"successes": successes, "n": n, "level": level, "low": float(low), "high": float(high)})

pairs = [(0, 0), (0, 1), (1, 1), (0, 6), (3, 9), (10, 2), (37, 63), (50, 50), (120, 160), (700, 600), (1500, 1700), (4900, 5100), (4000, 6000)]
exact = []
for fixed, broken in pairs:
    p = mcnemar([[0, fixed], [broken, 0]], exact=True).pvalue if fixed + broken else 1
    if fixed + broken:
        np.testing.assert_allclose(p, stats.binomtest(fixed, fixed + broken).pvalue, rtol=1e-9)
    exact.append({"fixed": fixed, "broken": broken, "p": float(p)})

families = [[0.04], [0.01, 0.04, 0.03], [0.5, 0.5, 0.5], [0.001, 0.2, 0.03, 0.9, 0.012, 0.03], [0, 1, 0.05, 0.05]]
families.append([float(p) for p in rng.random(40) ** 3])
holm = [{"p": family, "adjusted": multipletests(family, method="holm")[1].tolist()} for family in families]

def mean_difference(before, after, axis):
    return np.mean(after, axis=axis) - np.mean(before, axis=axis)

binary_before = (rng.random(300) < 0.5).astype(float)
binary_after = np.where(rng.random(300) < 0.25, rng.random(300) < 0.7, binary_before).astype(float)
continuous_before = rng.gamma(2, 2, 80)
continuous_after = continuous_before * rng.normal(0.9, 0.4, 80)
bootstrap, sign_flip = [], []
for before, after in [(binary_before, binary_after), (continuous_before, continuous_after)]:
    ci = stats.bootstrap(
        (before, after), mean_difference, paired=True, method="percentile", n_resamples=1_000_000, batch=10_000, rng=rng
    ).confidence_interval
    p = stats.permutation_test(
        (after, before), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples",
        n_resamples=1_000_000, batch=10_000, rng=rng,
    ).pvalue
    both = {"before": before.tolist(), "after": after.tolist()}
    bootstrap.append({**both, "low": float(ci.low), "high": float(ci.high)})
    sign_flip.append({**both, "p": float(p)})

# The share of simulated comparisons in which the exact test shows the difference that the formula promises 80 % for.
power = []
for n, discordant in [(412, 82), (1319, 400), (10042, 1500)]:
    discordant_share = discordant / n
    difference = float((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt(discordant_share / n))
    fixed_share = (discordant_share + difference) / 2
    counts = rng.multinomial(n, [fixed_share, discordant_share - fixed_share, 1 - discordant_share], size=20_000)
    p = 2 * stats.binom.cdf(counts[:, :2].min(axis=1), counts[:, :2].sum(axis=1), 0.5)
    shown = float(np.mean(p <= 0.05))
    power.append({"n": n, "discordant": discordant, "difference": difference, "power": shown})

# Means of few values, as of a study's seeds, with Student's interval.
mean_interval = []
for n in [2, 3, 4, 5, 30]:
    values = rng.normal(0.4, 0.1, n)
    ci = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean_interval.append({
        "values": values.tolist(), "mean": float(values.mean()), "deviation": float(values.std(ddof=1)),
        "low": float(ci.low), "high": float(ci.high),
    })

golden = {
    "normalQuantile": normal_quantile,
    "wilson": wilson,
    "mcnemar": exact,
    "holm": holm,
    "bootstrap": bootstrap,
    "signFlip": sign_flip,
    "power": power,
    "meanInterval": mean_interval,
}
(out / "statistics.json").write_text(json.dumps(golden, indent=1) + "\n")
