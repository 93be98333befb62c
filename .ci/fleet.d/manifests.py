"""What the schema of Kubernetes does not say of the manifests of examples/fleet/kubernetes: that they fit together, and to the file
that the pods are given.

    manifests.py BUILT      what `kubectl kustomize monitored` has printed
"""

import re
import sys
import tomllib

import yaml


def seconds(text):
    return sum(int(count) * {"s": 1, "m": 60, "h": 3600}[unit] for count, unit in re.findall(r"(\d+)\s*([smh])", text))


def fits(selector, labels):
    return selector and selector.items() <= labels.items()


with open(sys.argv[1]) as built:
    everything = [one for one in yaml.safe_load_all(built) if one]
by_kind = {}
for one in everything:
    by_kind.setdefault(one["kind"], []).append(one)
deployment, = by_kind["Deployment"]
pod = deployment["spec"]["template"]
labels, spec = pod["metadata"]["labels"], pod["spec"]
container, = spec["containers"]
ports = {port["name"]: port["containerPort"] for port in container["ports"]}
config_map, = by_kind["ConfigMap"]
file = tomllib.loads(config_map["data"]["config.toml"])
secret, = by_kind["Secret"]
failed = 0


def expect(what, holds):
    global failed
    failed += not holds
    print(f"{'ok' if holds else 'FAILED'}: manifests, {what}", file=sys.stdout if holds else sys.stderr)


expect("the Deployment selects its pods", fits(deployment["spec"]["selector"]["matchLabels"], labels))
for kind in ("PodDisruptionBudget", "NetworkPolicy"):
    one, = by_kind[kind]
    selector = one["spec"].get("selector") or one["spec"].get("podSelector")
    expect(f"the {kind} is about the pods", fits(selector["matchLabels"], labels))
for service in by_kind["Service"]:
    of = service["spec"]
    expect(f"the Service {service['metadata']['name']} leads to a port of the pods",
           fits(of["selector"], labels) and all(port["targetPort"] in ports for port in of["ports"]))
public = [one for one in by_kind["Service"] if one["spec"].get("type") == "LoadBalancer"]
expect("clients keep their addresses", [one["spec"]["externalTrafficPolicy"] for one in public] == ["Local"])
expect("the page is not open to the outside", all(port["name"] == "socks" for one in public for port in one["spec"]["ports"]))
monitor, = by_kind["ServiceMonitor"]
wanted = monitor["spec"]["selector"]["matchLabels"]
found = [one for one in by_kind["Service"] if fits(wanted, one["metadata"]["labels"])]
expect("the ServiceMonitor finds the port of the metrics, and no other", len(found) == 1 and all(
    end["port"] in [port["name"] for port in found[0]["spec"]["ports"]] for end in monitor["spec"]["endpoints"]))
expect("the file listens on the ports of the container",
       {int(file["listen"].rsplit(":", 1)[1]), int(file["metrics"]["listen"].rsplit(":", 1)[1])} == set(ports.values()))
stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
drain = seconds(file["timeouts"]["drain"]) + seconds(file["timeouts"].get("drain_delay", "0s"))
expect("a pod has time for preStop and its drain", stop + drain < spec["terminationGracePeriodSeconds"])
mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
volumes = {volume["name"]: volume for volume in spec["volumes"]}
expect("the volumes are the ConfigMap and the Secret",
       volumes["config"]["configMap"]["name"] == config_map["metadata"]["name"]
       and volumes["secret"]["secret"]["secretName"] == secret["metadata"]["name"])
expect("the program finds its file", mounts["config"] == "/etc/tower-socks")
paths = [file["users_file"], file.get("redis", {}).get("url_file")]
expect("what the file names is in the Secret",
       all(path.removeprefix(mounts["secret"] + "/") in secret["data"] for path in paths if path))
probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
expect("probes ask /live and /ready at the port of the metrics",
       [(probe["path"], probe["port"]) for probe in probes] == [("/live", "metrics")] * 2 + [("/ready", "metrics")])
sys.exit(bool(failed))
