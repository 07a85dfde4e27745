"""Who may reach whom by the NetworkPolicies, judged as Kubernetes does: what selects a pod refuses what it doesn't allow."""

# How namespaces are labelled from which, or to which, there are ways.
NAMESPACES = {
    "gochat": {"kubernetes.io/metadata.name": "gochat"},
    "ingress": {"kubernetes.io/metadata.name": "ingress", "gochat-ingress": "true"},
    "telemetry": {"kubernetes.io/metadata.name": "telemetry", "gochat-telemetry": "true"},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
    "other": {"kubernetes.io/metadata.name": "other"},
}


class Pod:
    """A pod: its namespace, labels, and the names of its ports."""

    def __init__(self, namespace, labels, ports=None):
        self.namespace, self.labels, self.ports = namespace, labels, ports or {}


def selects(selector, labels):
    """Whether a label selector fits; an empty one fits all."""
    holds = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    for one in selector.get("matchExpressions", []):
        assert one["operator"] == "In", one
        holds = holds and labels.get(one["key"]) in one["values"]
    return holds


def is_peer(peer, pod):
    """Whether one entry of `from` or `to` means this pod."""
    if "ipBlock" in peer:
        return False
    namespaces = peer.get("namespaceSelector")
    fits = selects(namespaces, NAMESPACES[pod.namespace]) if namespaces is not None else pod.namespace == "gochat"
    return fits and selects(peer.get("podSelector", {}), pod.labels)


def is_port(rule, pod, port, protocol):
    """Whether one entry of `ports` means this port of a pod."""
    number = pod.ports.get(rule["port"]) if isinstance(rule["port"], str) else rule["port"]
    return number == port and rule.get("protocol", "TCP") == protocol


def one_way(policies, direction, here, there, port, protocol="TCP"):
    """Whether the policies of one end let it through: `Ingress` at the receiver, `Egress` at the sender."""
    if here.namespace != "gochat":
        return True
    ours = [policy["spec"] for policy in policies
            if selects(policy["spec"]["podSelector"], here.labels) and direction in policy["spec"]["policyTypes"]]
    receiver = here if direction == "Ingress" else there
    for spec in ours:
        for rule in spec.get(direction.lower(), []):
            peers = rule.get("from" if direction == "Ingress" else "to")
            if any(is_peer(peer, there) for peer in peers or []) and any(
                    is_port(one, receiver, port, protocol) for one in rule["ports"]):
                return True
    return not ours


def reaches(policies, sender, receiver, port, protocol="TCP"):
    """Whether a pod reaches a port of another."""
    return (one_way(policies, "Egress", sender, receiver, port, protocol)
            and one_way(policies, "Ingress", receiver, sender, port, protocol))
