"""A Redis with our file of users, and a client of it in the operator's name."""

import pathlib
import shutil
import socket
import subprocess
import sys

from programs import Process, free_port, until

REDIS = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "redis"
USERS = ("account", "room", "stage", "notifier", "media", "operator")


def password(user):
    """The password of a user in these tests."""
    return f"password-of-{user}-0123"


class Refused(Exception):
    """What Redis answers where it does not do what it was asked."""


class Connection:
    """A connection to Redis, in somebody's name; `connection("GET", "key")` sends a command."""

    def __init__(self, port, user=None):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._socket.makefile("rb")
        if user:
            self("AUTH", user, password(user))

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self._read()

    def _read(self):
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            raise Refused(rest)
        if kind == b"$":
            return None if rest == "-1" else self._file.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest


class Redis:
    """A redis-server that reads the users' file that our own script has made."""

    def __init__(self, folder):
        self.port = free_port()
        folder = pathlib.Path(folder)
        passwords = folder / "passwords"
        passwords.mkdir()
        for user in USERS:
            (passwords / user).write_text(password(user))
        users = folder / "users.acl"
        script = ["sh", REDIS / "users.sh", REDIS / "users.acl", passwords]
        users.write_text(subprocess.run(script, capture_output=True, text=True, check=True).stdout)
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        ours = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder), "--aclfile", str(users)]
        # As in a cluster, but with a file of users and a port of its own.
        self._process = Process([program, str(REDIS / "redis.conf"), *ours], {})

    def __enter__(self):
        try:
            until("redis to answer", self._answers)
        except TimeoutError:
            print(self._process.said(), file=sys.stderr)
            self._process.stop()
            raise
        self.operator = Connection(self.port, "operator")
        return self

    def __exit__(self, *_):
        self._process.stop()

    def _answers(self):
        try:
            return Connection(self.port)("AUTH", "probe", "") and True
        except OSError:
            return False

    def url(self, user):
        """The address by which a service gets in."""
        return f"redis://{user}:{password(user)}@127.0.0.1:{self.port}"
