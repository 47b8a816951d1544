"""Golden values of Google's dp-accounting for src/federation/privacy/accountant.ts.

    python reference/privacy_accounting.py fixtures/federation
"""

import itertools
import json
import sys
from pathlib import Path

import dp_accounting
from dp_accounting import pld, rdp

out = Path(sys.argv[1])


def epsilon(accountant, rate, noise, rounds, delta):
    accountant.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), rounds)
    return float(accountant.get_epsilon(delta))


# Of fractional orders dp-accounting has upper bounds, and none where its series does not converge; so they give more than the whole
# orders alone with exact divergences would, and privacy loss distributions less than all orders could.
whole_orders = [*range(2, 64), 128, 256, 512, 1024]

cases = []
for q, s, t in itertools.product([0.001, 0.01, 0.1, 0.5, 1.0], [0.5, 1.0, 2.0, 8.0], [1, 200]):
    delta = 1e-5 if t == 1 else 1e-3
    case = {
        "samplingRate": q,
        "noiseMultiplier": s,
        "rounds": t,
        "delta": delta,
        "whole_orders": epsilon(rdp.RdpAccountant(whole_orders), q, s, t, delta),
        "default_orders": epsilon(rdp.RdpAccountant(), q, s, t, delta),
        "loss_distribution": epsilon(pld.PLDAccountant(), q, s, t, delta),
    }
    cases.append(json.dumps(case))
(out / "privacy-accounting.json").write_text("[\n" + ",\n".join(cases) + "\n]\n")
