"""The manifests as they are rendered, run without a cluster: each program in a root with what the image holds and no more.

A network of its own stands in for the cluster's, with the services' names on loopback; a root that can't be written,
with the mounted secrets where the manifests put them, for the container; a user that isn't root for the pod's. What
each program is told is what the manifest tells it. Needs root; where that isn't to be had it is skipped, and said.
"""

import base64
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile

import image
from programs import ALL, SERVICES, Process, status, until
from rendered import composed
from redis_server import Connection, Refused

# What is run: the overlay, the components besides.
SCENES = {"plain text": [], "TLS": ["tls"]}
# Linux: the request that sets a network device's flags (netdevice(7)), and "up and running".
SIOCSIFFLAGS, IFF_UP_AND_RUNNING = 0x8914, 0x41


def check(report, programs):
    """Starts itself anew where it has a network and mounts of its own."""
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    may = shutil.which("unshare") and subprocess.run([*apart, "true"], capture_output=True).returncode == 0
    if os.geteuid() != 0 or not may:
        print("skipped: the manifests are not run: only root can, where namespaces can be made", flush=True)
        return
    for scene in SCENES:
        if scene == "TLS" and not shutil.which("openssl"):
            print("skipped: the manifests are not run with TLS: there is no openssl to make certificates", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = image.stripped(image.Dockerfile(image.DOCKERFILE), programs, folder)
            command = [*apart, sys.executable, __file__, scene, folder, out]
            played = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=100)
            for what, holds, found in json.loads(played.stdout or "[]"):
                report.check(f"as rendered, with {scene}: {what}", holds, found)
            report.equal(f"as rendered, with {scene}: runs to its end", played.returncode, 0)


def own_network():
    """Loopback, of a network in which there is nothing else."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP_AND_RUNNING))


def secret_files(objects, volume):
    """What a volume holds, as `{name: bytes}`."""
    said = volume["secret"]
    found = objects.named("Secret", said["secretName"])
    data = {key: base64.b64decode(value) for key, value in found["data"].items()}
    items = said.get("items", [{"key": key, "path": key} for key in data])
    return {item["path"]: data[item["key"]] for item in items}


class Cluster:
    """The rendered objects, and the folder in which they are run."""

    def __init__(self, scene, folder, out):
        self.folder, self.out = pathlib.Path(folder), pathlib.Path(out)
        self.objects = composed("overlays/dev", SCENES[scene])
        if scene == "TLS":
            self.objects += list(certificates(self.folder))
        self.secure, self.processes = scene == "TLS", {}

    def template(self, name):
        """The pod of a workload."""
        return next(template["spec"] for found, _, template in self.objects.workloads() if found == name)

    def mount(self, spec, container, root):
        """Puts the secrets where a container finds them."""
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        group = spec["securityContext"]["fsGroup"]
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            at = root / mount["mountPath"].lstrip("/")
            at.mkdir(parents=True)
            for name, content in secret_files(self.objects, volume).items():
                (at / name).write_bytes(content)
                os.chown(at / name, 0, group)
                os.chmod(at / name, volume["secret"]["defaultMode"])

    def root(self, name):
        """A root with the program, the libraries that it links, and names; not to be written."""
        root, program = self.folder / "roots" / name, self.out / f"gochat-{name}"
        linked = {path: path for path in image.links(program).values() if path}
        for at, path in {"/usr/bin/gochat": program, **linked}.items():
            to = root / at.lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
        (root / "etc").mkdir()
        (root / "proc").mkdir()
        (root / "etc/hosts").write_text(f"127.0.0.1 redis {' '.join(ALL)}\n")
        (root / "etc/nsswitch.conf").write_text("hosts: files\n")
        os.chmod(self.folder, 0o755)
        spec = self.template(name)
        self.mount(spec, spec["containers"][0], root)
        for options in (["--bind", root, root], ["--bind", "/proc", root / "proc"], ["-o", "remount,bind,ro", root]):
            subprocess.run(["mount", *options], check=True)
        return root

    def start(self, name):
        """Starts a program as its pod would."""
        spec = self.template(name)
        [container] = spec["containers"]
        root, who = self.root(name), spec["securityContext"]

        def enter():
            os.chroot(root)
            os.chdir("/")
            os.setgroups([who["fsGroup"]])
            os.setgid(who["runAsGroup"])
            os.setuid(who["runAsUser"])

        command = ["/usr/bin/gochat", *container.get("args", [])]
        process = Process(command, self.objects.variables(container), preexec_fn=enter)
        self.processes[name] = process
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probe = container["readinessProbe"]["httpGet"]
        url = f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}"

        def is_ready():
            assert process.child.poll() is None, f"{name} ended:\n{process.said()}"
            return status(url) == 200

        until(f"{name} to be ready", is_ready)

    def redis(self):
        """Starts Redis by the commands of its manifest."""
        spec, here = self.template("redis"), {}
        for path in ("/files", "/passwords", "/run/redis", "/data"):
            here[path] = self.folder / "redis" / path.lstrip("/")
            here[path].mkdir(parents=True)
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        files = self.objects.named("ConfigMap", volumes["files"]["configMap"]["name"])["data"]
        for name, text in files.items():
            (here["/files"] / name).write_text(text)
        for name, content in secret_files(self.objects, volumes["passwords"]).items():
            (here["/passwords"] / name).write_bytes(content)

        def placed(words):
            for path, to in here.items():
                words = [word.replace(path, str(to)) for word in words]
            return words

        subprocess.run(placed(spec["initContainers"][0]["command"]), check=True)
        self.processes["redis"] = Process(placed(spec["containers"][0]["command"]), {})
        probe = spec["containers"][0]["readinessProbe"]["exec"]["command"]
        if shutil.which("redis-cli"):
            until("redis's own probe to hold", lambda: subprocess.run(probe, capture_output=True).returncode == 0)

    def operator(self):
        """A connection to Redis in the operator's name."""
        [password] = [base64.b64decode(found["data"]["operator"]).decode() for found in self.objects.of("Secret")
                      if "operator" in found["data"]]
        connection = Connection(6379)
        connection("AUTH", "operator", password)
        return connection

    def connection(self):
        """A connection to the gateway, by TLS where it speaks that."""
        if not self.secure:
            return http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        trust = ssl.create_default_context(cafile=self.folder / "ca.crt")
        trust.check_hostname = False
        return http.client.HTTPSConnection("127.0.0.1", 8080, timeout=10, context=trust)

    def post(self, method, token=None, **body):
        """Calls a method of the API; its answer."""
        headers = {"content-type": "application/json"}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        connection = self.connection()
        with contextlib.closing(connection):
            connection.request("POST", f"/chat_room/{method}", json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

    def first_event(self, room, token):
        """The first line of an event stream."""
        connection = self.connection()
        with contextlib.closing(connection):
            connection.request("GET", f"/chat_room/events?room_id={room}", headers={"authorization": f"Bearer {token}"})
            return connection.getresponse().readline().decode()


def certificates(folder):
    """An authority, a certificate for each program, and the Secrets that hold them, as cert-manager writes them."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-subj", "/CN=gochat", "-keyout", "ca.key", "-out", "ca.crt", "-days", 1)
    for name in ALL:
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 1,
                "-extfile", "names", "-out", f"{name}.crt")
        files = {"tls.crt": f"{name}.crt", "tls.key": f"{name}.key", "ca.crt": "ca.crt"}
        data = {key: base64.b64encode((folder / path).read_bytes()).decode() for key, path in files.items()}
        yield {"kind": "Secret", "metadata": {"name": f"gochat-tls-{name}"}, "data": data}


def takes_strangers(port, authority):
    """Whether a service lets in whoever shows no certificate."""
    trust = ssl.create_default_context(cafile=authority)
    trust.check_hostname = False
    trust.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, trust.wrap_socket(plain) as secret:
            # In TLS 1.3 the refusal comes after the handshake, instead of the server's settings.
            secret.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            return bool(secret.recv(64))
    except OSError:
        return False


def play(cluster):
    """Somebody logs in, opens a room and is told of it; yields (what, whether it holds, what was there instead)."""
    answer = cluster.post("login", nick_name="ann")
    yield "somebody logs in", answer["ret"]["code"] == 0, answer
    uid, token = answer["data"]["uid"], answer["data"]["token"]
    opened = cluster.post("create_room", token, uid=uid, subject="tea")
    yield "and opens a room", opened["ret"]["code"] == 0, opened
    room = opened["data"].get("room_id") or opened["data"]["room_info"]["room_id"]
    event = cluster.first_event(room, token)
    yield "and is told of it", bool(event), event
    stamped = until("the gateway's stamp", lambda: cluster.operator()("GET", "gochat:{stamp}:gateway"))
    yield "the account service takes the gateway's stamps", bool(stamped), stamped
    if cluster.secure:
        strangers = [name for at, name in enumerate(SERVICES) if takes_strangers(50051 + at, cluster.folder / "ca.crt")]
        yield "no service lets in who shows no certificate", strangers == [], strangers
    try:
        Connection(6379)("PING")
        yield "redis asks who comes", False, "an answer"
    except Refused:
        yield "redis asks who comes", True, ""


def end(cluster):
    """All are asked to end at once; each does, well and in time."""
    for name in reversed(ALL):
        cluster.processes[name].child.terminate()
    for name in ALL:
        process = cluster.processes[name]
        try:
            code = process.child.wait(cluster.template(name)["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            code = "not in time"
        yield f"{name} ends well, and before it would be killed", code == 0, f"{code}\n{process.said()}"


def main(scene, folder, out):
    """Runs a scene in a network of its own; prints what held as JSON."""
    own_network()
    cluster, told = Cluster(scene, folder, out), []
    try:
        cluster.redis()
        for name in ALL:
            cluster.start(name)
        told += [("all become ready in a root that they can't write, as nobody in particular", True, "")]
        told += play(cluster)
        told += end(cluster)
    except BaseException:
        for process in cluster.processes.values():
            print(f"{process.name} said:\n{process.said()}", file=sys.stderr)
        raise
    finally:
        for process in reversed(cluster.processes.values()):
            process.stop()
        print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
