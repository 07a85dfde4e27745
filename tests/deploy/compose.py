"""Compose, and what it mounts: the same programs, told what they understand, with secrets that `secrets.sh` makes."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml
from programs import ALL, SERVICES, helps, seconds

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
SOURCES = ("crates", "services", "gateway")
# Of a metric's name, what Prometheus or the exporter adds.
SUFFIX = re.compile(r"_(bucket|count|sum)$")


def check(report, folder):
    """All of it."""
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services, programs = composed["services"], helps(folder)
    report.equal("compose: all six services", set(ALL) - set(services), set())
    for name in ALL:
        check_service(report, name, services[name], programs[name])
    both = set(services["gateway"]["networks"]) & set(services["redis"]["networks"])
    report.equal("compose: the gateway isn't where redis is", both, set())
    published = [port for service in services.values() for port in service.get("ports", [])]
    report.check("compose: nothing is published but on loopback",
                 published and all(port.startswith("127.0.0.1:") for port in published), published)
    check_files(report, composed)
    check_secrets(report, composed)
    check_watching(report, programs)


def check_service(report, name, service, program):
    """A service is built by our Dockerfile, is told what it knows, and is restricted."""
    build = service["build"]
    dockerfile = DEPLOY / build["context"] / build["dockerfile"]
    report.equal(f"compose: {name} is built by our Dockerfile",
                 (dockerfile.resolve(), build["args"]), (DEPLOY / "Dockerfile", {"SERVICE": name}))
    told = service["environment"]
    report.equal(f"compose: {name} knows every variable", set(told) - set(program.variables), set())
    variable = f"GOCHAT_{name.upper()}"
    for kind in ("LISTEN", "ADMIN_LISTEN"):
        port = program.port(f"{variable}_{kind}")
        report.equal(f"compose: {name} listens where it is looked for", told[f"{variable}_{kind}"], f"0.0.0.0:{port}")
    secrets = {path.removeprefix("/run/secrets/") for path in told.values() if path.startswith("/run/secrets/")}
    report.equal(f"compose: {name} gets the secrets that it is told of, and no other", secrets, set(service["secrets"]))
    restricted = (service["read_only"], service["user"], service["cap_drop"], service["security_opt"])
    report.equal(f"compose: {name} is restricted", restricted,
                 (True, "65532:65532", ["ALL"], ["no-new-privileges:true"]))
    most = seconds(told.get("GOCHAT_DRAIN_TIMEOUT", program.variables["GOCHAT_DRAIN_TIMEOUT"]))
    report.check(f"compose: {name} ends before it is killed", seconds(service["stop_grace_period"]) >= most + 2)


def check_files(report, composed):
    """What is mounted is in the repository, and is read-only."""
    wrong = []
    for name, service in composed["services"].items():
        for volume in service.get("volumes", []):
            source, *rest = volume.split(":")
            if source.startswith("."):
                is_there = source.startswith("./secrets/") or (DEPLOY / source).exists()
                wrong += [] if is_there and rest[-1] == "ro" else [(name, volume)]
            elif source not in composed["volumes"]:
                wrong.append((name, volume))
    report.equal("compose: what is mounted is there, and not to be written", wrong, [])


def check_secrets(report, composed):
    """`secrets.sh` makes every secret, and a second run none anew; the passwords fit the addresses."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copy(DEPLOY / "secrets.sh", folder)
        made = []
        for _ in range(2):
            subprocess.run(["sh", folder / "secrets.sh"], check=True)
            files = sorted(path for path in (folder / "secrets").rglob("*") if path.is_file())
            made.append({str(path.relative_to(folder / "secrets")): path.read_text() for path in files})
        report.equal("secrets: a second run leaves them as they are", made[0], made[1])
        made = made[0]
        needed = {secret["file"].removeprefix("./secrets/") for secret in composed["secrets"].values()}
        report.equal("secrets: each is made", needed - set(made), set())
        report.equal("secrets: nobody else gets at them", (folder / "secrets").stat().st_mode & 0o777, 0o700)
        digest = hashlib.sha256(made["gateway-token"].encode()).hexdigest()
        report.equal("secrets: the services know the gateway", made["service-tokens"], f"gateway {digest}\n")
        for name in SERVICES:
            fits = made[f"redis-url-{name}"] == f"redis://{name}:{made[f'redis-passwords/{name}']}@redis:6379\n"
            report.check(f"secrets: redis knows {name}", fits)
        rights = ["sh", DEPLOY / "redis" / "users.sh", DEPLOY / "redis" / "users.acl", folder / "secrets/redis-passwords"]
        lines = subprocess.run(rights, capture_output=True, text=True, check=True).stdout.splitlines()
        report.equal("secrets: redis has its users", len(lines), 8)
        os.remove(folder / "secrets/redis-passwords/stage")
        without = subprocess.run(rights, capture_output=True, text=True)
        report.check("secrets: without a password there is no file of users",
                     without.returncode and "stage" in without.stderr, without)


def check_watching(report, programs):
    """Prometheus asks the admin ports, and dashboards ask for metrics that our sources name."""
    asked = yaml.safe_load((DEPLOY / "observability" / "prometheus.yaml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in asked}
    admin = {name: programs[name].port(f"GOCHAT_{name.upper()}_ADMIN_LISTEN") for name in ALL}
    report.equal("prometheus asks every admin port", ports, admin)
    root = DEPLOY.parent
    text = "".join(path.read_text() for source in SOURCES for path in (root / source).rglob("*.rs"))
    exported = set(re.findall(r'"(gochat_[a-z_]+)"', text))
    streams = "".join(path.read_text() for path in (DEPLOY / "kubernetes/components/hpa-streams").glob("*.yaml"))
    asked = set(re.findall(r"gochat_[a-z_]+", streams))
    report.check("autoscalers ask for what is exported", asked and asked <= exported, asked)
    for path in (DEPLOY / "observability" / "grafana" / "dashboards").glob("*.json"):
        asks = [target["expr"] for panel in json.loads(path.read_text())["panels"] for target in panel["targets"]]
        metrics = {SUFFIX.sub("", name) for expression in asks for name in re.findall(r"gochat_[a-z_]+", expression)}
        report.equal(f"{path.name} asks for what is exported", metrics - exported, set())
