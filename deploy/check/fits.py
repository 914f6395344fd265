"""Checks that what is deployed fits the code: programs, variables, queues, metrics, times and memory.

Reads the sources the way a reviewer would: the `env = "..."` of every flag, the names given to metrics, the constants of
queues. Compose and the chart come rendered, in the folder that is the one argument. Run by run.sh in the root.
"""

import json
import re
import sys
from pathlib import Path

import yaml

# Which folders hold the flags of which program.
SHARED = ["crates/backends/src", "crates/service/src"]
FLAGS = {
    "dispatcher": [*SHARED, "crates/outbound/src", "dispatcher/src"],
    "worker": [*SHARED, "crates/outbound/src", "crates/text/src", "worker/src"],
}

# Where variables are named, if only in words.
NAMED = [
    "deploy/Dockerfile",
    "deploy/env/fleet.env.example",
    "deploy/env/production.env.example",
    "docker-compose.yaml",
    "docs/deployment.md",
    "helm/flotilla/values.yaml",
]

# What a worker needs besides the children that read documents, in MiB.
OVERHEAD = 256
# How long a worker takes to say goodbye after the grace of its jobs, in seconds.
GOODBYE = 5

OURS = re.compile(r"\b(?:FLOTILLA|AWS)_[A-Z0-9_]+\b")

problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def text(path):
    return Path(path).read_text(encoding="utf-8")


def sources(folders):
    return "\n".join(text(file) for folder in folders for file in sorted(Path(folder).rglob("*.rs")))


def variables(code):
    """The environment variables that flags have, and those read by name."""
    flags = re.findall(r'\benv = "(\w+)"', code)
    constants = re.findall(r'const \w*VARIABLE: &str = "(\w+)"', code)
    return {*flags, *constants}


def programs():
    """The programs of the image with the variables that each knows."""
    known = {}
    for folder, folders in FLAGS.items():
        for program in re.findall(r'\[\[bin\]\]\s+name = "([\w-]+)"', text(f"{folder}/Cargo.toml")):
            known[program] = variables(sources(folders))
    expect(len(known) == 7, f"expected the dispatcher and six workers in the manifests, found {sorted(known)}")
    return known


def queues():
    return set(re.findall(r'pub const [A-Z_]+: &str = "([a-z_]+)"', text("protocol/src/workflow.rs")))


def seconds(duration):
    """Seconds of Compose's `1m30s`."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def mebibytes(quantity):
    number, unit = re.fullmatch(r"(\d+)(\w*)", str(quantity)).groups()
    return int(number) * {"": 1 / 2**20, "Mi": 1, "Gi": 1024}[unit]


def check_process(where, command, environment, grace, memory, known):
    """One process of ours, wherever it runs."""
    program, *arguments = command
    expect(program in known, f"{where}: there is no program {program}")
    expect(arguments in ([], ["migrate"]), f"{where}: {program} is not known to take {arguments}")
    for name in environment:
        if OURS.fullmatch(name):
            expect(name in known.get(program, ()), f"{where}: {program} knows no {name}")
    if program.startswith("worker"):
        patience = int(environment.get("FLOTILLA_SHUTDOWN_GRACE", 30)) + GOODBYE
        expect(grace > patience, f"{where}: is killed after {grace} s, but may take {patience} s to stop")
    # The others read no documents and have no children.
    if program in ("worker", "worker-file-processing"):
        children, size = int(environment["FLOTILLA_CONCURRENCY"]), int(environment["FLOTILLA_MAX_MEMORY_PER_CHILD"])
        needed = children * size + OVERHEAD
        expect(memory >= needed, f"{where}: has {memory:.0f} MiB, but {children} children of {size} MiB need {needed}")


def check_compose(rendered, known):
    everything = rendered["services"].items()
    services = {name: service for name, service in everything if service["image"].startswith("flotilla:")}
    commands = {service["command"][0] for service in services.values()}
    expect(commands == set(known) - {"worker"}, f"docker-compose.yaml: runs {sorted(commands)}")
    for name, service in services.items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        memory = mebibytes(limits.get("memory", 0))
        expect(memory > 0 or name == "migrate", f"docker-compose.yaml: {name} has no memory limit")
        grace = seconds(service["stop_grace_period"])
        check_process(f"docker-compose.yaml: {name}", service["command"], service["environment"], grace, memory, known)


def check_chart(path, known, all_queues):
    served = set()
    for document in yaml.safe_load_all(text(path)):
        where = f"{path.stem} values: {document['kind']} {document['metadata']['name']}"
        if document["kind"] in ("Deployment", "Job"):
            pod = document["spec"]["template"]["spec"]
            container = pod["containers"][0]
            environment = {variable["name"]: variable.get("value") for variable in container["env"]}
            expect(len(environment) == len(container["env"]), f"{where}: a variable is given twice")
            memory = mebibytes(container["resources"]["limits"]["memory"])
            grace = pod.get("terminationGracePeriodSeconds", 30)
            check_process(where, container["command"], environment, grace, memory, known)
            if queue_list := environment.get("FLOTILLA_QUEUES"):
                served |= set(queue_list.split(","))
                expect(set(queue_list.split(",")) <= all_queues, f"{where}: serves {queue_list}")
        if document["kind"] == "ScaledObject":
            for trigger in document["spec"]["triggers"]:
                name = trigger["metadata"]["queueName"].rpartition(".")[2]
                expect(name in all_queues, f"{where}: there is no queue {name}")
    unserved = all_queues - served - {"dead_letter"}
    # The values with everything on leave a worker out, to prove that it can be.
    expect(not unserved or path.stem == "everything", f"{path.stem} values: nobody serves {sorted(unserved)}")


def check_metrics(code, all_queues):
    known = set(re.findall(r'(?:counter|gauge|histogram)!\(\s*"(flotilla_\w+)"', code))
    known |= set(re.findall(r'const \w+: &str = "(flotilla_\w+)"', code))
    rules = text("deploy/prometheus/rules.yml")
    recorded = {rule["record"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"] if "record" in rule}
    tests = yaml.safe_load(text("deploy/prometheus/rules.test.yml"))["tests"]
    proven = {case["alertname"] for test in tests for case in test["alert_rule_test"] if "exp_alerts" in case}
    for alert in re.findall(r"alert: (\w+)", rules):
        expect(alert in proven, f"rules.test.yml: does not prove that {alert} fires")
    for path in ("deploy/prometheus/rules.yml", "deploy/prometheus/rules.test.yml", "deploy/grafana/dashboards/flotilla.json"):
        for name in sorted(set(re.findall(r"\bflotilla_[a-z_]+|\bflotilla:[a-z0-9_:]+", text(path)))):
            base = re.sub(r"_(?:bucket|sum|count)$", "", name)
            expect(name in known | recorded or (base != name and base in known), f"{path}: nothing counts {name}")
        for names in re.findall(r'queue=~?\\?"([a-z_|]+)\\?"', text(path)):
            expect(set(names.split("|")) <= all_queues, f"{path}: there is no queue {names}")


def check_variables(known):
    """Variables that are only named: in files of variables, in the image, in the manual."""
    everywhere = set().union(*known.values())
    for path in NAMED:
        for name in sorted(set(OURS.findall(text(path)))):
            expect(name in everywhere, f"{path}: no program knows {name}")


def check_consumer_timeout():
    """RabbitMQ must not take a job away while it may still run."""
    longest = max(int(minutes) for minutes in re.findall(r"timeout\(minutes\((\d+)\)\)", text("protocol/src/stages.rs")))
    given = int(re.search(r"^consumer_timeout = (\d+)$", text("deploy/rabbitmq/rabbitmq.conf"), re.MULTILINE)[1])
    expect(given > longest * 60_000, f"rabbitmq.conf: consumer_timeout is {given} ms, but a task may take {longest} minutes")


def main(rendered):
    known, all_queues = programs(), queues()
    expect("default" in all_queues, "protocol/src/workflow.rs: found no queues")
    check_compose(json.loads((Path(rendered) / "compose.json").read_text(encoding="utf-8")), known)
    for values in ("default", "production", "everything"):
        check_chart(Path(rendered) / f"{values}.yaml", known, all_queues)
    check_metrics(sources([*Path("crates").glob("*/src"), "dispatcher/src", "worker/src"]), all_queues)
    check_variables(known)
    check_consumer_timeout()
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
