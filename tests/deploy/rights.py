"""Each service works with its own user of Redis, in every call of the contract, and may do nothing else there."""

import hashlib
import os
import pathlib
import re
import sys
import tempfile
import threading

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "python"))

from programs import ALL, SERVICES, Process, free_port, until  # noqa: E402
from redis_server import REDIS, USERS, Connection, Redis, Refused, password  # noqa: E402
from reflected import Service  # noqa: E402

TOKEN = "token-of-the-gateway-0123456789"
NAMES = {name: f"gochat.{name}.v1.{name.capitalize()}Service" for name in SERVICES}
STORE = pathlib.Path(__file__).resolve().parents[2] / "crates" / "store" / "src"
# Short, so that leases end, invitations expire and sessions are renewed while one watches.
SETTINGS = {"GOCHAT_LEASE": "5s", "GOCHAT_HOST_GRACE": "1s", "GOCHAT_SESSION": "8s", "GOCHAT_INVITATION": "1s",
            "GOCHAT_REDIS_CHECK_INTERVAL": "1s", "GOCHAT_REFLECTION": "true", "GOCHAT_LOG": "warn"}
# What a client offers that speaks and hears others.
OFFER = (pathlib.Path(__file__).resolve().parents[1] / "rig" / "offer.sdp").read_bytes().decode()
# Seconds between two heartbeats.
BEAT = 1

# What a user must not be able to do, as Redis itself judges it.
FORBIDDEN = {
    "account": ["HSET gochat:{1}:stamp:1 a b", "ZADD gochat:{1}:rooms 1 a", "ZADD gochat:{1}:roster:1 1 a",
                "SSUBSCRIBE gochat:{1}:feed:1", "SET gochat:created:{1} 1", "GET gochat:{1}:room:1", "HSET other a b"],
    "room": ["SET gochat:session:{a} 1", "DEL gochat:session:{a}", "DEL gochat:user:{1}", "SET gochat:nick:{a} 1",
             "GET gochat:external:{a}", "PUBLISH gochat:revoked a", "SET gochat:{stamp}:account 1",
             "SSUBSCRIBE gochat:{1}:feed:1", "UNLINK gochat:{1}:hands:1", "HSET other a b"],
    "stage": ["HGET gochat:user:{1} name", "HSET gochat:user:{1} name a", "SET gochat:session:{a} 1",
              "GET gochat:nick:{a}", "ZADD gochat:{1}:rooms 1 a", "ZADD gochat:{1}:roster:1 1 a",
              "PEXPIRE gochat:{1}:room:1 1", "PUBLISH gochat:revoked a", "SET gochat:created:{1} 1"],
    "notifier": ["HSET gochat:{1}:room:1 a b", "HDEL gochat:{1}:room:1 a", "XADD gochat:{1}:log:1 * a b",
                 "ZADD gochat:{1}:roster:1 1 a", "ZREM gochat:{1}:due a", "DEL gochat:{1}:room:1",
                 "PEXPIRE gochat:{1}:room:1 1", "SET gochat:session:{a} 1", "SPUBLISH gochat:{1}:feed:1 a",
                 "PUBLISH gochat:revoked a", "HGETALL gochat:user:{1}", "SET gochat:{stamp}:account 1"],
    "media": ["HSET gochat:{1}:room:1 a b", "XADD gochat:{1}:log:1 * a b", "ZADD gochat:{1}:stage:1 1 a",
              "DEL gochat:{1}:room:1", "SET gochat:session:{a} 1", "SPUBLISH gochat:{1}:feed:1 a",
              "PUBLISH gochat:revoked a", "HGETALL gochat:user:{1}", "SET gochat:{stamp}:account 1"],
}
# And nobody but the operator.
NOBODY = ["FLUSHALL", "KEYS *", "SCAN 0", "CONFIG GET *", "ACL LIST", "MONITOR", "SHUTDOWN", "SAVE", "DEBUG SLEEP 0",
          "REPLICAOF a 1", "CLIENT LIST", "FUNCTION LIST", "EVAL x 0", "PSUBSCRIBE *", "SUBSCRIBE other",
          "SCRIPT FLUSH", "MIGRATE a 1 b 0 1", "RESTORE gochat:user:{1} 0 a", "EVALSHA a 1 other"]


class Deployment:
    """The six programs on a Redis that knows them apart. Starts on entering, ends on leaving."""

    def __init__(self, programs, redis, folder):
        self.addresses, self._processes = {}, []
        self._programs, self._redis, self._folder = programs, redis, pathlib.Path(folder)

    def __enter__(self):
        tokens, token = self._folder / "tokens", self._folder / "token"
        tokens.write_text(f"gateway {hashlib.sha256(TOKEN.encode()).hexdigest()} act-for-users revoke-sessions\n")
        token.write_text(TOKEN)
        for secret in (tokens, token):
            secret.chmod(0o600)
        for name in ALL:
            self.addresses[name] = f"127.0.0.1:{free_port()}"
        shared = {**SETTINGS, "GOCHAT_SERVICE_TOKENS_FILE": str(tokens)}
        urls = {f"GOCHAT_{name.upper()}_URL": f"http://{self.addresses[name]}" for name in SERVICES}
        for name in ALL:
            own = {**urls, "GOCHAT_GATEWAY_SERVICE_TOKEN_FILE": str(token)}
            if name != "gateway":
                url = self._folder / f"url-{name}"
                url.write_text(self._redis.url(name) + "\n")
                own = {"GOCHAT_REDIS_URL_FILE": str(url), "GOCHAT_MEDIA_UDP_LISTEN": "127.0.0.1:0"}
            self._start(name, {**shared, **own})
        return self

    def _start(self, name, variables):
        admin = free_port()
        listens = {f"GOCHAT_{name.upper()}_LISTEN": self.addresses[name],
                   f"GOCHAT_{name.upper()}_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
        process = Process([os.path.join(self._programs, f"gochat-{name}")], {**variables, **listens})
        self._processes.append(process)
        process.ready(admin)

    def __exit__(self, kind, *_):
        for process in reversed(self._processes):
            process.stop()
            if kind:
                print(f"{process.name} said:\n{process.said()}", file=sys.stderr)


class Calls:
    """The services, and which of their methods were called."""

    def __init__(self, addresses):
        self.services = {name: Service(addresses[name], service) for name, service in NAMES.items()}
        self.made = set()

    def methods(self):
        """Every method of the contract."""
        return {(name, method) for name, service in self.services.items() for method in service._methods}

    def __call__(self, who, name, method, **fields):
        self.made.add((name, method))
        return self.services[name].call(method, who.token if isinstance(who, Person) else who, **fields)

    def stream(self, who, **fields):
        """Opens a stream of a room and reads its first frame."""
        self.made.add(("notifier", "Subscribe"))
        stream = self.services["notifier"].stream("Subscribe", who.token, **fields)
        stream.until(lambda frame: frame.WhichOneof("frame") in ("snapshot", "commit"))
        return stream

    def close(self):
        """Ends every stream."""
        for service in self.services.values():
            service.close()


class Person:
    """Somebody who has logged in."""

    def __init__(self, calls, name, token=None, **fields):
        answer = calls(token, "account", "Login", nick_name=name, **fields)
        self.uid, self.token = answer.uid, answer.token


def place(answer):
    """The place in an answer, for a request to another server."""
    return {"revision": answer.place.revision, "tag": answer.place.tag}


def on_stage(calls, host, guest, room):
    """Brings somebody on stage; the stream on which they were invited."""
    calls(guest, "stage", "RaiseHand", room_id=room)
    stream = calls.stream(guest, room_id=room)
    until("an invitation to be accepted", lambda: invited_and_answers(calls, host, guest, room, stream))
    return stream


def invited_and_answers(calls, host, guest, room, stream):
    """An invitation lives for a second here: it is made anew where the answer came too late."""
    calls(host, "stage", "Invite", room_id=room, target_uid=guest.uid)
    token = stream.until(lambda frame: next((event.invitation_sent.invitation.token for event in frame.commit.events
                                             if event.WhichOneof("kind") == "invitation_sent"), None))
    try:
        answer = {"invitation_token": token, "answer": "ANSWER_ACCEPT"}
        return calls(guest, "stage", "RespondToInvitation", room_id=room, **answer)
    except grpc.RpcError:
        return None


def kinds(frame):
    """The kinds of the events that a frame brings."""
    return {event.WhichOneof("kind") for event in frame.commit.events}


class Pulse:
    """Keeps people there, while something is played with them."""

    def __init__(self, calls, people):
        self._calls, self._people, self._over = calls, people, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self):
        while not self._over.wait(BEAT):
            for person in self._people:
                try:
                    self._calls(person, "account", "Heartbeat")
                except grpc.RpcError:
                    pass  # Who has left the room, or logged out, is missed by the part that goes on with them.

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def play(calls, redis):
    """Every call that people make in a room."""
    host, ann, ben = people = [Person(calls, name) for name in ("host", "ann", "ben")]
    with Pulse(calls, people):
        created = calls(host, "room", "CreateRoom", subject="tea", request_id="once-and-only-once")
        room = created.room.room_id
        for person in (ann, ben):
            calls(person, "room", "JoinRoom", room_id=room, request_id=f"join-{person.uid}-request")
        seen = calls.stream(host, room_id=room, min=place(created))
        guest = on_stage(calls, host, ann, room)
        calls(ann, "account", "GetMediaToken", room_id=room)
        voice(calls, host, ann, room)
        lists(calls, host, ben, room)
        calls(ann, "stage", "SetMic", room_id=room, target_uid=ann.uid, mic="MIC_SWITCH_OFF")
        calls(host, "stage", "MuteAll", room_id=room)
        calls(ann, "stage", "LeaveStage", room_id=room, target_uid=ann.uid)
        hands(calls, host, ben, room)
        guest.until(lambda frame: "hands_lowered" in kinds(frame))
        # What is missed while the feed is away is read from the log.
        redis.operator("CLIENT", "KILL", "TYPE", "pubsub")
        calls(host, "room", "RemoveMember", room_id=room, target_uid=ben.uid, ban={"duration_ms": 60_000, "reason": "x"})
        seen.until(lambda frame: "member_left" in kinds(frame))
        calls(host, "room", "ListBans", room_id=room)
        calls(host, "room", "Unban", room_id=room, target_uid=ben.uid)
        calls(host, "room", "TransferHost", room_id=room, target_uid=ann.uid)
        calls(host, "room", "LeaveRoom", room_id=room)
        calls(ann, "room", "CloseRoom", room_id=room)
        guest.until(lambda frame: "room_closed" in kinds(frame))


def voice(calls, host, guest, room):
    """Who is on stage opens media, is heard, and ends it."""
    about = calls(guest, "media", "GetRoomMedia", room_id=room)
    session = calls(guest, "media", "CreateSession", room_id=room, offer_sdp=OFFER).session
    calls.made.add(("media", "WatchSpeakers"))
    heard = calls.services["media"].stream("WatchSpeakers", host.token, room_id=room)
    heard.until(lambda update: guest.uid in [speaker.uid for speaker in update.speakers.speakers])
    calls(guest, "media", "EndSession", room_id=room, session_id=session.session_id)
    heard.until(lambda update: not update.speakers.speakers)
    assert about.engine == "embedded" and about.slots, about


def hands(calls, host, listener, room):
    """Hands go up and down; an invitation is withdrawn, and another expires."""
    for method, who in (("LowerHand", listener), ("LowerAllHands", host)):
        calls(listener, "stage", "RaiseHand", room_id=room)
        target = {"target_uid": listener.uid} if method == "LowerHand" else {}
        calls(who, "stage", method, room_id=room, **target)
    invite = {"room_id": room, "target_uid": listener.uid}
    calls(listener, "stage", "RaiseHand", room_id=room)
    calls(host, "stage", "Invite", **invite)
    calls(host, "stage", "WithdrawInvitation", **invite)
    watched = calls.stream(host, room_id=room)
    calls(host, "stage", "Invite", **invite)
    watched.until(lambda frame: "invitation_expired" in kinds(frame))


def lists(calls, host, listener, room):
    """The room alone, among others, and among those of a time; and who is in it, by pages."""
    found = calls(listener, "room", "GetRoom", room_id=room).room
    calls(listener, "room", "ListRooms", page_size=10)
    calls(host, "room", "ListRooms", page_size=1, created_until=found.created_at + 1)
    for kind in ("MEMBER_LIST_ALL", "MEMBER_LIST_HANDS", "MEMBER_LIST_STAGE"):
        calls(listener, "room", "ListMembers", room_id=room, list=kind, page_size=1)
    calls(listener, "room", "ListMembers", room_id=room, list="MEMBER_LIST_ALL", page_size=10, skip=1)


def ends(calls):
    """Leases and sessions end in each way, and rooms with their hosts."""
    host, lost = (Person(calls, name) for name in ("otto", "lost"))
    room = calls(host, "room", "CreateRoom", subject="tea").room.room_id
    calls(lost, "room", "JoinRoom", room_id=room)
    with Pulse(calls, [host]):
        alone = {"room_id": room, "list": "MEMBER_LIST_ALL"}
        until("the lease of somebody silent to end",
              lambda: len(calls(host, "room", "ListMembers", **alone).members) == 1)
    calls(host, "account", "Logout")
    first, again = (Person(calls, "bot", TOKEN, external_id="bot-1") for _ in range(2))
    assert first.uid == again.uid, "the same id is the same person"
    calls(TOKEN, "account", "RevokeSessions", uid=again.uid)
    calls(TOKEN, "account", "Stamp")
    silent, asks = (Person(calls, name) for name in ("silent", "asks"))
    calls(silent, "room", "CreateRoom", subject="nobody's")
    with Pulse(calls, [asks]):
        until("the room of a silent host to close", lambda: not calls(asks, "room", "ListRooms").rooms)


def denied(redis):
    """What Redis has refused anybody, in words: who, what, on what."""
    found = []
    for entry in redis.operator("ACL", "LOG", "128"):
        fields = dict(zip(entry[::2], entry[1::2]))
        # Newer servers know a command that tells which library calls; it needs no right of ours.
        if not fields["object"].startswith("client|setinfo"):
            found.append(" ".join(str(fields[part]) for part in ("username", "reason", "object", "context")))
    return sorted(set(found))


def granted(rule_lines):
    """`{"room": {"hget", …}, …}`: the commands in the rights of each user."""
    found, user = {}, None
    for line in rule_lines:
        if line.startswith("user "):
            user = line.split()[1]
        elif line.startswith(" "):
            found.setdefault(user, set()).update(re.findall(r"(?<=\+)[a-z@|]+", line))
    return found


def may(redis, user, command):
    """Whether Redis would let a user do this."""
    return redis.operator("ACL", "DRYRUN", user, *command.split()) == "OK"


def check_rights(report, redis):
    """No user can do what it must not, and no command is granted that the store doesn't send."""
    for user in SERVICES:
        allowed = [command for command in FORBIDDEN[user] + NOBODY if may(redis, user, command)]
        report.equal(f"{user} may do nothing that isn't its own in redis", allowed, [])
        report.check(f"{user} may look for a commit whose answer was lost", may(redis, user, "XRANGE gochat:{1}:log:1 - +"))
    sources = "".join(path.read_text().lower() for path in STORE.rglob("*") if path.suffix in (".rs", ".lua"))
    sources += " evalsha script|load "  # How the client runs scripts.
    for user, commands in granted((REDIS / "users.acl").read_text().splitlines()).items():
        unknown = {command for command in commands if command not in sources} - {"@all"}
        report.equal(f"every command that {user} is granted is one that is sent", unknown, set())
    writes = redis.operator("ACL", "CAT", "write")
    ours = granted((REDIS / "users.acl").read_text().splitlines())["notifier"]
    report.equal("the notifier is granted no command that writes", ours & set(writes) - {"evalsha"}, set())


def check_passwords(report, redis):
    """Nobody gets in without a password, and who only looks whether Redis is there can do no more."""
    for user in USERS:
        report.check(f"{user} is let in by no other password", refused(redis, "AUTH", user, "a-guess-of-a-password"))
    report.check("nobody comes in without a name", "NOAUTH" in refused(redis, "PING"))
    report.check("the probe sees nothing", not may(redis, "probe", "GET a") and may(redis, "probe", "PING"))
    written = redis.operator("ACL", "LIST")
    report.check("no password is kept", not any(password(user) in line for user in USERS for line in written))


def refused(redis, *words):
    """The words with which Redis refuses a command of somebody new; none where it doesn't."""
    try:
        Connection(redis.port)(*words)
    except Refused as error:
        return str(error)
    return ""


def check(report, programs):
    """All of it."""
    with tempfile.TemporaryDirectory() as folder, Redis(folder) as redis:
        with report.part("redis and its users"):
            check_passwords(report, redis)
            check_rights(report, redis)
            redis.operator("ACL", "LOG", "RESET")
        with report.part("the flow of all services, each as its own user"), Deployment(programs, redis, folder) as live:
            calls = Calls(live.addresses)
            try:
                play(calls, redis)
                ends(calls)
            finally:
                calls.close()
            report.equal("every method of the contract was called", calls.methods() - calls.made, set())
            report.equal("redis refused nobody anything", denied(redis), [])
