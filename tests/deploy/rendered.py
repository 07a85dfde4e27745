"""What `kubectl kustomize` makes of overlays and components, as objects."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

KUBERNETES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
KUBECTL = pathlib.Path(sys.executable).parent / "kubectl"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def overlays():
    """The names of all overlays."""
    return sorted(path.parent.name for path in (KUBERNETES / "overlays").glob("*/kustomization.yaml"))


def components():
    """The names of all components."""
    root = KUBERNETES / "components"
    return sorted(str(path.parent.relative_to(root)) for path in root.rglob("kustomization.yaml"))


def render(folder):
    """The objects that a folder with a kustomization makes."""
    made = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    if made.returncode:
        raise AssertionError(f"{folder} does not render: {made.stderr.strip()}")
    return Objects(yaml.safe_load_all(made.stdout))


def composed(resource, parts):
    """The objects of `resource` (`base`, `overlays/dev`) with these components, as an overlay of somebody's own."""
    with tempfile.TemporaryDirectory() as folder:
        # The real path: kustomize follows relative paths only.
        to = os.path.relpath(KUBERNETES, os.path.realpath(folder))
        text = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "gochat",
                "resources": [f"{to}/{resource}"], "components": [f"{to}/components/{part}" for part in parts]}
        pathlib.Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(text))
        return render(folder)


class Objects(list):
    """Rendered objects."""

    def of(self, *kinds):
        """Those of these kinds."""
        return [found for found in self if found["kind"] in kinds]

    def named(self, kind, name):
        """The one of a kind with this name; None where there is none."""
        return next((found for found in self.of(kind) if found["metadata"]["name"] == name), None)

    def workloads(self):
        """Each workload, as (name, object, pod template)."""
        return [(found["metadata"]["name"], found, found["spec"]["template"]) for found in self.of(*WORKLOADS)]

    def variables(self, container):
        """All that a container is told: ConfigMaps, then variables of its own."""
        told = {}
        for source in container.get("envFrom", []):
            told.update(self.named("ConfigMap", source["configMapRef"]["name"])["data"])
        # What Kubernetes fills in: the first pod's name, and addresses.
        filled = {"metadata.name": f"{container['name']}-0", "status.hostIP": "127.0.0.1"}
        own = {}
        for variable in container.get("env", []):
            value = variable["value"] if "value" in variable else filled[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            own[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda used: own[used[1]], value)
        told.update(own)
        return told
