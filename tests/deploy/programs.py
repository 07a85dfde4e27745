"""The six programs, and what they say of themselves: `--help` is the truth about flags and variables."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

SERVICES = ("account", "room", "stage", "notifier", "media")
ALL = (*SERVICES, "gateway")
# Seconds that a program has to become ready, or to end.
PATIENCE = 30
# Seconds between two looks at something that is waited for.
LOOK = 0.05

FLAG = re.compile(r"^\s+(?:-\w, )?(--[a-z-]+)", re.M)
VARIABLE = re.compile(r"\[env: (\w+)=[^\]]*\]\s*(?:\[default: ([^\]]*)\])?")


class Help:
    """What a program's `--help` names: `flags`, and `variables` with their defaults (None where there is none)."""

    def __init__(self, path):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GOCHAT_", "OTEL_"))}
        text = subprocess.run([path, "--help"], capture_output=True, text=True, check=True, env=clean).stdout
        self.flags = set(FLAG.findall(text))
        self.variables = {name: default or None for name, default in VARIABLE.findall(text)}

    def port(self, variable):
        """The port in the default of a variable that is an address."""
        return int(self.variables[variable].rsplit(":", 1)[1])


def helps(folder):
    """`{"room": Help, …}` of the programs in a folder."""
    return {name: Help(os.path.join(folder, f"gochat-{name}")) for name in ALL}


def seconds(duration):
    """The seconds in a duration as our programs write it: `500ms`, `5s`, `1m 30s`."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)\s*(ms|s|m|h|d)", duration))


def free_port():
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, condition, patience=PATIENCE):
    """Looks at something until it holds, and gives that; fails with its name when patience ends."""
    end = time.monotonic() + patience
    never = threading.Event()
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        never.wait(LOOK)
    raise TimeoutError(f"waited {patience} s in vain for {what}")


def status(url):
    """The status that a URL answers with; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Process:
    """A program that runs until it is ended; killed when it is left over."""

    def __init__(self, command, variables, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOCHAT_", "OTEL_"))}
        self.name = os.path.basename(command[0])
        self._log = tempfile.TemporaryFile()
        streams = {"stdin": subprocess.DEVNULL, "stdout": self._log, "stderr": self._log}
        self.child = subprocess.Popen(command, env={**kept, **variables}, **streams, **more)

    def ready(self, admin_port):
        """Waits until the admin port says that it is ready."""
        def is_ready():
            if self.child.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.child.returncode}:\n{self.said()}")
            return status(f"http://127.0.0.1:{admin_port}/readyz") == 200

        until(f"{self.name} to be ready", is_ready)

    def stop(self):
        """Asks it to end; its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()

    def said(self):
        """The end of what it wrote."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3000:]
