"""Whether rendered manifests hold together: the pod has room for the workers that its settings allow, policies and budget are about the
pod, no token of Kubernetes is mounted, and what is said to be an output of Terraform is one. Usage: fits.py RENDERED.yaml CLOUD"""
import pathlib
import re
import sys
import tomllib

import yaml

GIB = 1 << 30
SCRIPTS = pathlib.Path(__file__).resolve().parent.parent


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) * {"Mi": 1 << 20, "Gi": GIB}[unit]


def main(rendered, cloud):
    objects = [part for part in yaml.safe_load_all(pathlib.Path(rendered).read_text()) if part]
    of = lambda kind: [part for part in objects if part["kind"] == kind]
    (workload,), (account,), (budget,) = of("StatefulSet"), of("ServiceAccount"), of("PodDisruptionBudget")
    pod, labels = workload["spec"]["template"]["spec"], workload["spec"]["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    resources = container["resources"]

    settings = next(part["data"]["hq-server.toml"] for part in of("ConfigMap") if "hq-server.toml" in part["data"])
    limits = tomllib.loads(settings)["limits"]
    # A gibibyte beside the workers: the service, and evaluators that plan in its process.
    most = GIB + limits["workers"] * limits["worker_memory_bytes"]
    assert bytes_of(resources["limits"]["memory"]) >= most, f"{limits['workers']} workers may take {most} bytes"
    threads = limits["workers"] * limits["worker_threads"]
    assert int(resources["requests"]["cpu"]) >= threads, f"workers have {threads} threads"

    assert workload["spec"]["replicas"] == 1, "the queue is SQLite: one pod"
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert pod["automountServiceAccountToken"] is account["automountServiceAccountToken"] is False, "a token of Kubernetes is mounted"
    assert not of("Role") + of("ClusterRole") + of("RoleBinding") + of("ClusterRoleBinding"), "the pod has rights in the cluster"
    policies = of("NetworkPolicy")
    for selector in [budget["spec"]["selector"], *(policy["spec"]["podSelector"] for policy in policies)]:
        # An empty one is about the whole namespace.
        assert selector.get("matchLabels", {}).items() <= labels.items(), f"{selector} is not about the pod {labels}"
    assert {kind for policy in policies for kind in policy["spec"]["policyTypes"]} == {"Ingress", "Egress"}
    for port in (port["port"] for policy in policies for rule in policy["spec"].get("ingress", []) for port in rule["ports"]):
        assert port in [port["containerPort"] for port in container["ports"]], f"nobody listens on {port}"

    outputs = set(re.findall(r'^output "(\w+)"', (SCRIPTS / "terraform" / cloud / "outputs.tf").read_text(), re.M))
    said = set()
    for folder in SCRIPTS.glob(f"kubernetes/overlays/{cloud}*"):
        for file in folder.glob("*.yaml"):
            said |= set(re.findall(r"output `(\w+)`", file.read_text()))
    assert said == outputs - {"audit_bucket"}, f"overlays name {sorted(said)}, Terraform makes {sorted(outputs)}"


main(*sys.argv[1:])
