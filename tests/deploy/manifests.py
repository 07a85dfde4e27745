"""The manifests: each overlay and component renders, is valid, safe and whole, and says what the programs understand."""

import functools
import json
import re

import kubernetes_validate
import yaml
from network import Pod, one_way, reaches, selects
from programs import ALL, SERVICES, helps, seconds
from rendered import components, composed, KUBERNETES, overlays, render

# The oldest Kubernetes that has all that is used (`preStop.sleep` works from there on), and the newest that is known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# Kinds whose schema is no part of Kubernetes, with what each must say; checked by hand.
FOREIGN = {
    "Gateway": ("gateway.networking.k8s.io/v1", "gatewayClassName", "listeners"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "parentRefs", "hostnames", "rules"),
    "GRPCRoute": ("gateway.networking.k8s.io/v1", "parentRefs", "hostnames", "rules"),
    "BackendTLSPolicy": ("gateway.networking.k8s.io/v1", "targetRefs", "validation"),
    "Issuer": ("cert-manager.io/v1",),
    "Certificate": ("cert-manager.io/v1", "secretName", "issuerRef"),
    "ExternalSecret": ("external-secrets.io/v1", "secretStoreRef", "target", "data"),
}
# Volumes that the restricted profile of pod security allows and that are used.
VOLUMES = {"configMap", "emptyDir", "secret"}
# Secrets that somebody makes who isn't us: the certificate of the host's own name.
OF_OTHERS = {"gochat-ingress-tls"}


def renders():
    """Every rendering that is checked, by name."""
    found = {f"overlay {name}": render(KUBERNETES / "overlays" / name) for name in overlays()}
    found |= {f"component {name}": composed("base", [name]) for name in components()}
    found["production, with all that brings secrets"] = composed(
        "overlays/production", ["certificates", "external-secrets", "hpa-streams"])
    found["production, by the Gateway API"] = composed(
        "overlays/production", ["gateway-api", "gateway-api/tls", "gateway-api-grpc"])
    return found


def check(report, folder):
    """All of it."""
    programs, rendered = helps(folder), renders()
    for name, objects in rendered.items():
        with report.part(name):
            check_schemas(report, name, objects)
            check_workloads(report, name, objects)
            check_programs(report, name, objects, programs)
            check_references(report, name, objects)
            check_network(report, name, objects)
    check_secrets(report, rendered)
    check_routes(report, rendered)
    check_telling_apart(report, rendered["overlay production"])


def none(report, what, wrong):
    """Notes that nothing is wrong, or what is."""
    report.equal(what, wrong, [])


@functools.cache
def invalid(text, version):
    """What a version of Kubernetes doesn't take in an object, or nothing. Most are the same in many renderings."""
    try:
        kubernetes_validate.validate(json.loads(text), version, strict=True)
    except Exception as error:  # Whatever it is, it is no valid object.
        return getattr(error, "message", str(error))
    return None


def check_schemas(report, name, objects):
    """Each object fits the schemas of both versions; foreign ones have the parts that they need."""
    wrong = []
    for found in objects:
        if found["kind"] in FOREIGN:
            version, *parts = FOREIGN[found["kind"]]
            missing = [part for part in parts if not found["spec"].get(part)]
            if found["apiVersion"] != version or missing:
                wrong.append((found["kind"], found["apiVersion"], missing))
            continue
        for version in VERSIONS:
            fault = invalid(json.dumps(found, sort_keys=True), version)
            wrong += [(version, found["kind"], found["metadata"]["name"], fault)] if fault else []
    none(report, f"{name}: every object is valid in Kubernetes {' and '.join(VERSIONS)}", wrong)
    outside = [found["metadata"]["name"] for found in objects
               if found["kind"] != "Namespace" and found["metadata"].get("namespace") != "gochat"]
    none(report, f"{name}: everything is in the namespace", outside)


def check_workloads(report, name, objects):
    """Every workload is restricted, probed, bounded, and survives the loss of nodes."""
    labels = objects.named("Namespace", "gochat")["metadata"]["labels"]
    report.equal(f"{name}: the namespace enforces the restricted profile",
                 labels.get("pod-security.kubernetes.io/enforce"), "restricted")
    for workload, found, template in objects.workloads():
        spec = template["spec"]
        none(report, f"{name}: {workload} is restricted", unrestricted(spec))
        none(report, f"{name}: {workload} is probed and bounded", unbounded(spec))
        wrong = []
        for kind in ("PodDisruptionBudget", "NetworkPolicy"):
            if not any(covers(one, template["metadata"]["labels"]) for one in objects.of(kind)):
                wrong.append(kind)
        if spec["serviceAccountName"] != workload or not objects.named("ServiceAccount", workload):
            wrong.append("a ServiceAccount of its own")
        if found["kind"] == "Deployment":
            wrong += incomplete(objects, workload, found, spec)
        none(report, f"{name}: {workload} has all that belongs to it", wrong)


def covers(one, labels):
    """Whether a budget or a policy for somebody in particular means pods with these labels."""
    selector = one["spec"].get("selector") or one["spec"]["podSelector"]
    wanted = selector.get("matchLabels", {})
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def unrestricted(spec):
    """What the restricted profile forbids in a pod (and, besides, a root that can be written, and a token)."""
    wrong = [key for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if spec.get(key)]
    pod = spec.get("securityContext", {})
    if not pod.get("runAsNonRoot") or pod.get("runAsUser") == 0:
        wrong.append("runs as root")
    if pod.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        wrong.append("seccompProfile")
    wrong += [f"volume {key}" for volume in spec.get("volumes", []) for key in set(volume) - {"name"} - VOLUMES]
    if spec.get("automountServiceAccountToken") is not False:
        wrong.append("a token of the cluster")
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
            wrong.append(f"{container['name']}: privileges")
        if own.get("capabilities", {}).get("add") or own.get("privileged") or own.get("runAsUser") == 0:
            wrong.append(f"{container['name']}: more privileges")
        if own.get("readOnlyRootFilesystem") is not True:
            wrong.append(f"{container['name']}: a root that can be written")
        wrong += [f"{container['name']}: hostPort" for port in container.get("ports", []) if "hostPort" in port]
    return wrong


def unbounded(spec):
    """Probes, requests and limits that are missing."""
    wrong = [f"{container['name']}: {probe}" for container in spec["containers"]
             for probe in ("startupProbe", "readinessProbe", "livenessProbe") if not container.get(probe)]
    for container in spec["containers"] + spec.get("initContainers", []):
        for kind in ("requests", "limits"):
            missing = {"cpu", "memory"} - set(container.get("resources", {}).get(kind, {}))
            wrong += [f"{container['name']}: {kind} of {what}" for what in sorted(missing)]
        if container.get("image", "").endswith(":latest"):
            wrong.append(f"{container['name']}: an image that changes")
    return wrong


def incomplete(objects, workload, found, spec):
    """What a service's Deployment lacks."""
    scaler = objects.named("HorizontalPodAutoscaler", workload)
    wrong = []
    if not scaler or scaler["spec"]["scaleTargetRef"]["name"] != workload:
        wrong.append("HorizontalPodAutoscaler")
    if "replicas" in found["spec"]:
        wrong.append("replicas, which are the autoscaler's to say")
    keys = {one["topologyKey"] for one in spec.get("topologySpreadConstraints", [])}
    if keys != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        wrong.append("topologySpreadConstraints")
    if found["spec"]["strategy"]["rollingUpdate"] != {"maxSurge": 1, "maxUnavailable": 0}:
        wrong.append("one comes before one goes")
    service = objects.named("Service", workload)
    if (service["spec"].get("clusterIP") == "None") != (workload in SERVICES):
        wrong.append("headless for gRPC, and only there")
    return wrong


def check_programs(report, name, objects, programs):
    """Each variable, port and time in the manifests is one of the program that gets it."""
    for workload, _, template in objects.workloads():
        if workload not in ALL:
            continue
        [container] = template["spec"]["containers"]
        known, told = programs[workload], objects.variables(container)
        none(report, f"{name}: {workload} knows every variable", sorted(set(told) - set(known.variables) - {"POD_NAME"}))
        none(report, f"{name}: {workload} uses no variable before it is known", unknown(container.get("env", [])))
        flags = [word for word in container.get("args", []) if word.split("=")[0] not in known.flags]
        none(report, f"{name}: {workload} knows every flag", flags)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        variable = f"GOCHAT_{workload.upper()}"
        listens = [port_of(told[f"{variable}_LISTEN"]), port_of(told[f"{variable}_ADMIN_LISTEN"])]
        report.equal(f"{name}: {workload} listens where it is looked for",
                     (listens, listens),
                     ([ports.get("grpc", ports.get("http")), ports["admin"]],
                      [known.port(f"{variable}_LISTEN"), known.port(f"{variable}_ADMIN_LISTEN")]))
        paths = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "readiness", "liveness")}
        report.equal(f"{name}: {workload} is probed on its admin port", paths,
                     {"startup": {"path": "/healthz", "port": "admin"}, "readiness": {"path": "/readyz", "port": "admin"},
                      "liveness": {"path": "/healthz", "port": "admin"}})
        check_end(report, f"{name}: {workload}", template["spec"], container, known, told)


def unknown(variables):
    """The variables that others are made of (`$(POD_NAME)`) and that don't stand before them."""
    before, wrong = set(), []
    for variable in variables:
        wrong += [used for used in re.findall(r"\$\((\w+)\)", variable.get("value", "")) if used not in before]
        before.add(variable["name"])
    return wrong


def check_end(report, who, spec, container, known, told):
    """Everybody has heard that it goes before it does, and it has ended before it is killed."""
    drain = [told.get(f"GOCHAT_DRAIN_{part}", known.variables[f"GOCHAT_DRAIN_{part}"]) for part in ("DELAY", "TIMEOUT")]
    delay, most = map(seconds, drain)
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    report.check(f"{who} is forgotten before it stops", before >= 5 and delay < most, (before, delay, most))
    grace = spec["terminationGracePeriodSeconds"]
    report.check(f"{who} ends before it is killed", grace >= before + most + 2, (grace, before, most))


def port_of(address):
    """The port of an address that other machines reach."""
    host, port = address.rsplit(":", 1)
    assert host == "0.0.0.0", address
    return int(port)


def check_references(report, name, objects):
    """What is mounted is there, or is a secret that the base or a component says it needs."""
    said = "".join(path.read_text() for path in KUBERNETES.rglob("kustomization.yaml"))
    wrong = []
    for workload, whole, template in objects.workloads():
        spec = template["spec"]
        for kind, found in mounted(spec):
            is_said = kind == "Secret" and (found in said or found == f"gochat-tls-{workload}")
            if not objects.named(kind, found) and not is_said:
                wrong.append((workload, kind, found))
        claims = [claim["metadata"] for claim in whole["spec"].get("volumeClaimTemplates", [])]
        volumes = {volume["name"] for volume in spec.get("volumes", []) + claims}
        for container in spec["containers"] + spec.get("initContainers", []):
            mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
            wrong += [(workload, "volume", missing) for missing in mounts - volumes]
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            told = objects.variables(container).items() if workload in ALL else []
            wrong += [(workload, variable, path) for variable, path in told
                      if path.startswith("/") and not any(path.startswith(f"{mount}/") for mount in paths)]
    none(report, f"{name}: all that is mounted is there", wrong)


def mounted(spec):
    """The (kind, name) of all ConfigMaps and Secrets that a pod mounts or reads."""
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]


def pods(objects):
    """A pod of each workload."""
    found = {}
    for workload, _, template in objects.workloads():
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0].get("ports", [])}
        found[workload] = Pod("gochat", template["metadata"]["labels"], ports)
    return found


def check_network(report, name, objects):
    """Everybody reaches what they need, and nobody anything else."""
    policies, ours = objects.of("NetworkPolicy"), pods(objects)
    outside = {space: Pod(space, {"k8s-app": "kube-dns"} if space == "kube-system" else {})
               for space in ("ingress", "telemetry", "kube-system", "other")}
    direct = objects.named("GRPCRoute", "room") is not None
    wanted = {}
    for one, pod in ours.items():
        main = pod.ports.get("grpc") or pod.ports.get("http") or pod.ports["redis"]
        for other, sender in {**ours, **outside}.items():
            if other == one:
                continue
            may = (one in SERVICES and (other == "gateway" or other == "ingress" and direct)
                   or one == "gateway" and other == "ingress" or one == "redis" and other in SERVICES)
            wanted[other, one, main] = (may, reaches(policies, sender, pod, main))
            if other in ours:  # Each end says so by itself.
                wanted[other, one, "by both"] = (may, may and wanted[other, one, main][1] or any(
                    one_way(policies, way, here, there, main)
                    for way, here, there in (("Ingress", pod, sender), ("Egress", sender, pod))))
            if one in ALL:
                probed = reaches(policies, sender, pod, pod.ports["admin"])
                wanted[other, one, "admin"] = (other == "telemetry", probed)
        wanted[one, "names", 53] = (True, reaches(policies, pod, outside["kube-system"], 53, "UDP"))
        wanted[one, "collector", 4317] = (one in ALL, reaches(policies, pod, outside["telemetry"], 4317))
        wanted[one, "other", 443] = (False, reaches(policies, pod, outside["other"], 443))
    none(report, f"{name}: everybody reaches what they need, and nobody anything else",
         [way for way, (may, does) in wanted.items() if may != does])
    # Where a Redis outside may be is an address, which no pod stands for: only services go to addresses.
    addressed = [policy for policy in policies if any("ipBlock" in peer for rule in policy["spec"].get("egress", [])
                                                      for peer in rule["to"]) and policy["metadata"]["name"] != "names"]
    others = [pod for pod, found in ours.items() if pod not in SERVICES
              and any(selects(policy["spec"]["podSelector"], found.labels) for policy in addressed)]
    none(report, f"{name}: only services go to addresses outside", others)
    report.equal(f"{name}: there is a way to redis", "redis" in ours or bool(addressed), brings_redis(name))


def brings_redis(name):
    """Whether a rendering is meant to be whole: overlays are, and the components that are about Redis."""
    return "overlay" in name or "production" in name or name.endswith("redis")


def check_secrets(report, rendered):
    """With the components that bring secrets, nothing that is mounted is missing; in dev, nothing at all."""
    for name in ("overlay dev", "production, with all that brings secrets"):
        objects = rendered[name]
        there = {found["metadata"]["name"] for found in objects.of("Secret", "ExternalSecret")}
        there |= {found["spec"]["secretName"] for found in objects.of("Certificate")} | OF_OTHERS
        needed = {found for _, _, template in objects.workloads() for kind, found in mounted(template["spec"])
                  if kind == "Secret"}
        report.equal(f"{name}: every secret comes from somewhere", needed - there, set())
        keys = {found["metadata"]["name"]: {one["secretKey"] for one in found["spec"]["data"]}
                for found in objects.of("ExternalSecret")}
        for workload, _, template in objects.workloads():
            items = [(volume["secret"]["secretName"], item["key"]) for volume in template["spec"].get("volumes", [])
                     for item in volume.get("secret", {}).get("items", [])]
            wrong = [item for item in items if item[0] in keys and item[1] not in keys[item[0]]]
            none(report, f"{name}: {workload} finds its keys in them", wrong)
    plain = yaml.safe_dump_all(rendered["overlay production"])
    report.check("production has no secret in it", "kind: Secret" not in plain)


def check_routes(report, rendered):
    """Every way in leads to a service and a port that are there, and streams are not cut."""
    for name, objects in rendered.items():
        wrong = []
        for route in objects.of("HTTPRoute", "GRPCRoute"):
            for backend in (one for rule in route["spec"]["rules"] for one in rule["backendRefs"]):
                service = objects.named("Service", backend["name"])
                if not service or backend["port"] not in [port["port"] for port in service["spec"]["ports"]]:
                    wrong.append((route["metadata"]["name"], backend))
        for ingress in objects.of("Ingress"):
            for path in (one for rule in ingress["spec"]["rules"] for one in rule["http"]["paths"]):
                backend = path["backend"]["service"]
                if (backend["name"], backend["port"]["name"]) != ("gateway", "http"):
                    wrong.append((ingress["metadata"]["name"], backend))
            notes = ingress["metadata"]["annotations"]
            times = [value for key, value in notes.items() if "timeout" in key]
            wrong += [value for value in times if int(value.rstrip("s")) < 1980]
            if notes["nginx.ingress.kubernetes.io/proxy-buffering"] != "off" or not times:
                wrong.append("streams are held back or cut")
        for route in objects.of("HTTPRoute"):
            streams = [rule for rule in route["spec"]["rules"]
                       if rule["matches"][0]["path"]["value"] == "/chat_room/events"]
            wrong += [rule for rule in streams if rule["timeouts"] != {"request": "0s", "backendRequest": "0s"}]
            wrong += [] if streams else ["streams have no rule of their own"]
        none(report, f"{name}: ways in lead to the right port, and streams are not cut", wrong)


def check_telling_apart(report, objects):
    """In production no plain text is spoken, and services take calls from the gateway alone."""
    for workload, _, template in objects.workloads():
        told = objects.variables(template["spec"]["containers"][0])
        expected = {"GOCHAT_PLAIN_TEXT": "false", "GOCHAT_TLS_CERT": "/etc/gochat/tls/tls.crt",
                    "GOCHAT_TLS_KEY": "/etc/gochat/tls/tls.key"}
        if workload in SERVICES:
            expected |= {"GOCHAT_TLS_CLIENT_CA": "/etc/gochat/tls/ca.crt", "GOCHAT_TLS_CLIENT_CERTIFICATES": "required"}
            # Redis is reached by TLS, which is not taken back here.
            expected |= {"GOCHAT_REDIS_PLAIN_TEXT": None}
        else:
            expected |= {f"GOCHAT_{name.upper()}_URL": f"https://{name}:{50051 + at}" for at, name in enumerate(SERVICES)}
            expected |= {"GOCHAT_TLS_CLIENT_CERT": "/etc/gochat/tls/tls.crt"}
        report.equal(f"production: {workload} speaks TLS alone", {key: told.get(key) for key in expected}, expected)
    report.equal("production: the ingress speaks TLS to the gateway", objects.named("Ingress", "gateway")["metadata"][
        "annotations"].get("nginx.ingress.kubernetes.io/backend-protocol"), "HTTPS")
