"""The image, as far as a machine without a container engine can tell: its context, its commands, what it links."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from programs import ALL

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
# What distroless/cc holds that our programs may link: glibc, and the compiler's own library.
LIBRARIES = re.compile(r"^(linux-vdso|libc|libm|libgcc_s|libpthread|libdl|librt|ld-linux-[a-z0-9_-]+)\.so\.[0-9]+$")
# Debian's releases by their names.
DEBIAN = {"bookworm": "12", "trixie": "13"}


class Dockerfile:
    """The instructions of a Dockerfile, as (word, rest), with continued lines joined and comments left out."""

    def __init__(self, path):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
        self.instructions = [tuple(line.split(None, 1)) for line in text.splitlines()]

    def of(self, word):
        """What stands after this word, each time."""
        return [rest for found, rest in self.instructions if found == word]

    def arguments(self):
        """Arguments with their defaults."""
        return dict(rest.split("=", 1) for rest in self.of("ARG") if "=" in rest)


def allowed(path):
    """Whether the builder gets a path of the repository: patterns of whole first folders, each allowed by name."""
    patterns = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = [line for line in patterns if line and not line.startswith("#")]
    assert patterns[0] == "*" and all(re.fullmatch(r"![\w.-]+", line) for line in patterns[1:]), patterns
    return path.split("/")[0] in {line[1:] for line in patterns[1:]}


def metadata(folder):
    """What cargo says of the workspace in a folder."""
    ask = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--no-deps"]
    told = subprocess.run(ask, cwd=folder, capture_output=True, text=True)
    if told.returncode:
        raise AssertionError(f"{folder} is no workspace: {told.stderr}")
    return json.loads(told.stdout)


def check_words(report, dockerfile):
    """Versions that belong together do, and the image doesn't run as root."""
    arguments, [package, *_] = dockerfile.arguments(), metadata(ROOT)["packages"]
    numbers = [tuple(map(int, version.split(".")[:2])) for version in (arguments["RUST"], package["rust_version"])]
    report.check("image: the compiler is new enough", numbers[0] >= numbers[1], numbers)
    base = f"debian{DEBIAN[arguments['DEBIAN']]}:nonroot"
    report.check("image: what is linked against is what is there", arguments["BASE"].endswith(base), arguments)
    report.equal("image: it carries our version", arguments["VERSION"], package["version"])
    report.equal("image: it runs as nobody in particular", dockerfile.of("USER"), ["65532:65532"])
    report.equal("image: it runs the program itself, without a shell", dockerfile.of("ENTRYPOINT"), ['["/usr/bin/gochat"]'])
    labels = set(re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", " ".join(dockerfile.of("LABEL"))))
    wanted = {"title", "description", "licenses", "version", "revision", "created", "base.name"}
    report.equal("image: it says what it is", wanted - labels, set())


def check_build(report, dockerfile):
    """The command that compiles names our programs and a profile that is there, and its context is whole."""
    [run] = dockerfile.of("RUN")
    build = run[run.index("cargo build"):].split("&&")[0].split()
    packages = [build[at + 1] for at, word in enumerate(build) if word == "-p"]
    report.equal("image: all six programs are compiled", packages, [f"gochat-{name}" for name in ALL])
    profile = build[build.index("--profile") + 1]
    report.check("image: by a profile that is there", f"\n[profile.{profile}]\n" in (ROOT / "Cargo.toml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        for path in ROOT.iterdir():
            if allowed(path.name):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, pathlib.Path(folder, path.name))
        crates = [{package["name"] for package in metadata(where)["packages"]} for where in (ROOT, folder)]
        report.equal("image: the builder gets every crate", crates[0] - crates[1], set())
    sources = [path for package in ("crates", "gateway", "proto", "services") for path in (ROOT / package).rglob("*.rs")]
    far = [str(path) for path in sources for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', path.read_text())
           if not allowed(str((path.parent / name).resolve().relative_to(ROOT)))]
    report.equal("image: nothing is compiled in that the builder doesn't get", far, [])


def stripped(dockerfile, programs, folder):
    """Does what the build stage does with what it has compiled, on our own programs; where they are then."""
    folder = pathlib.Path(folder)
    (folder / "target").mkdir()
    (folder / "target" / "dist").symlink_to(pathlib.Path(programs).resolve())
    [run] = dockerfile.of("RUN")
    steps = "mkdir /out" + run.split("&& mkdir /out", 1)[1]
    subprocess.run(["sh", "-ec", steps.replace("/out", str(folder / "out"))], cwd=folder, check=True)
    return folder / "out"


def links(program):
    """The libraries that a program is linked against, by path where there is one; none where it is static."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True)
    if told.returncode and "not a dynamic executable" in told.stderr + told.stdout:
        return {}
    found = {}
    for line in told.stdout.splitlines():
        words = line.split()
        path = words[2] if "=>" in words else words[0]
        found[pathlib.Path(words[0]).name] = path if path.startswith("/") else None
    return found


def check(report, programs):
    """All of it."""
    dockerfile = Dockerfile(DOCKERFILE)
    check_words(report, dockerfile)
    check_build(report, dockerfile)
    with tempfile.TemporaryDirectory() as folder:
        out = stripped(dockerfile, programs, folder)
        report.equal("image: the build leaves the six programs", {path.name for path in out.iterdir()},
                     {f"gochat-{name}" for name in ALL})
        for name in ALL:
            foreign = [library for library in links(out / f"gochat-{name}") if not LIBRARIES.match(library)]
            report.equal(f"image: {name} links only what is in it", foreign, [])
