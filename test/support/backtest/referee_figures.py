"""Asks the referee scripts about cases: argv[1] is their directory, stdin a JSON list of cases, stdout their figures.

A case is {"shape", "trace", "decisions", "rules"}, two paths and the referee's own names of rules. Figures are not rounded.
"""
import json, sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.filterwarnings("ignore")
import pandas as pd
import referee, referee_pools
referee.round = referee_pools.round = lambda value, digits=0: value
loaded = {}

def devices(case):
    rules = referee.Rules(**case["rules"])
    key = (case["trace"], rules.mode, rules.busy_pct)
    if key not in loaded:
        loaded.clear()
        loaded[key] = referee.load(case["trace"], rules)
    fleet, trace_end = loaded[key]
    bound = referee.bounds(fleet, rules)
    decisions = pd.read_csv(case["decisions"], dtype={"device": str})
    whole = {name: value or 1.0 for name, value in bound.items()}
    result = referee.score(fleet, trace_end, decisions, rules, whole)
    names = ("net_h", "running_h", "gross_h", "leases", "owner_ends_per_guest_h", "violations", "ignored", "owner_pauses")
    return dict({name: result[name] for name in names}, **result["ends"], idle_h=bound["L0"] / 3600,
                bound_novacate_h=bound["novacate"] / 3600, bound_vacate_h=bound["vacate"] / 3600)

def pools(case):
    rules = referee_pools.Rules(**case["rules"])
    fleet = referee_pools.load(case["trace"], rules)
    frame = pd.read_csv(case["decisions"], dtype={"pool": str})
    lines = {name: list(zip(rows.time_s, rows.lent)) for name, rows in frame.groupby("pool", sort=False)}
    reports = referee_pools.score(fleet, {p.name: referee_pools.expand(p, lines.get(p.name, [])) for p in fleet}, rules)
    names = ("net_h", "lent_h", "idle_h", "bound_h", "exact_h", "starts", "returns", "evictions", "arrivals", "waited",
             "waited_s", "violations", "short_tick_rate")
    return {f"{row['pool']} {name}": -1 if row[name] is None else row[name] for row in reports for name in names}

print(json.dumps([(devices if case["shape"] == "devices" else pools)(case) for case in json.load(sys.stdin)], default=float))
