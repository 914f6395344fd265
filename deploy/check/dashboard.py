"""Prints the queries of a Grafana dashboard as recording rules, so that promtool can check them."""

import json
import sys


def queries(panel):
    """The queries of a panel and of those within it."""
    for target in panel.get("targets", []):
        yield target["expr"]
    for inner in panel.get("panels", []):
        yield from queries(inner)


def main(path):
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        sys.exit(f"{path}: two panels have the same id")
    rules = []
    for panel in dashboard["panels"]:
        for query in queries(panel):
            # Grafana's own variables mean nothing to Prometheus.
            query = query.replace("$__rate_interval", "1m").replace("$queue", ".*")
            rules.append({"record": f"dashboard:query:{len(rules)}", "expr": query})
    if not rules:
        sys.exit(f"{path}: there is no query in it")
    # JSON is YAML.
    print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
