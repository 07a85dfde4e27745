"""A client for which nobody generated code: a listener comes to the stage, learned by reflection alone.

Starts a suite of its own, or takes the addresses of a running one:

    stranger.py [--gochat target/debug/gochat]
    stranger.py --account HOST:PORT --room HOST:PORT --stage HOST:PORT --notifier HOST:PORT
"""

import argparse
import contextlib
import secrets
import signal
import sys
import traceback

import grpc
from reflected import Service, details, name_of
from suite import Suite

# Seconds that all of it may take.
TIME_LIMIT = 60
NAMES = {
    "account": "gochat.account.v1.AccountService",
    "room": "gochat.room.v1.RoomService",
    "stage": "gochat.stage.v1.StageService",
    "notifier": "gochat.notifier.v1.NotifierService",
}


class Report:
    """Counts what held and what did not, a line for each."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, what, holds, found=""):
        """Notes whether `what` holds; `found` is what was there instead."""
        self.passed += bool(holds)
        self.failed += not holds
        print(f"ok      {what}" if holds else f"FAILED  {what}: {found!r}", flush=True)

    def equal(self, what, found, expected):
        """Notes whether two are the same."""
        self.check(what, found == expected, f"{found!r}, not {expected!r}")

    @contextlib.contextmanager
    def part(self, what):
        """Notes as failed what ends a part of the run early."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.check(f"{what} runs to its end", False, error)


class Person:
    """Somebody who has logged in, and the stream of the room that they are in."""

    def __init__(self, services, name):
        self._services = services
        answer = services["account"].call("Login", nick_name=f"{name}-{secrets.token_hex(2)}")
        self.uid, self.token = answer.uid, answer.token
        self.events = None

    def call(self, service, method, **fields):
        """Calls a method as this person."""
        return self._services[service].call(method, self.token, **fields)

    def subscribe(self, room_id, place):
        """Follows the room, from no earlier than `place`; reads its first picture and gives it."""
        # Each server has described a Place of its own, so it is handed on by its fields.
        least = {"revision": place.revision, "tag": place.tag}
        stream = self._services["notifier"].stream("Subscribe", self.token, room_id=room_id, min=least)
        self.events = stream
        stream.until(lambda frame: frame.WhichOneof("frame") == "snapshot" and frame.snapshot.last)
        return [member for frame in stream.seen for member in frame.snapshot.members]

    def awaits(self, kind, wanted=lambda _: True):
        """The next event of that kind that is wanted, from where the stream was last read to."""
        return self.events.until(lambda frame: next(filter(wanted, events(frame, kind)), None))

    def saw(self, kind):
        """The events of that kind among all that came to this person so far."""
        return [event for frame in self.events.seen for event in events(frame, kind)]


def events(frame, kind):
    """The events of one kind that a frame brings."""
    found = [event for event in frame.commit.events if event.WhichOneof("kind") == kind]
    return [getattr(event, kind) for event in found]


def check_servers(report, services):
    """Each server tells of its service and says that it is well."""
    for name, service in services.items():
        report.check(f"{name} tells of its service", service.name in service.served(), service.served())
        report.equal(f"{name} is well as a whole", service.health(""), "SERVING")
        report.equal(f"{service.name} is well", service.health(service.name), "SERVING")
        code = refused(lambda service=service: service.health("gochat.NoSuchService")).code()
        report.equal(f"{name} knows no service that is not there", code, grpc.StatusCode.NOT_FOUND)


def refused(call):
    """The error that a call is answered with."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"an error was due, not {answer}")


def check_errors(report, listener, host, services, room_id):
    """What is wrong or not allowed is turned down in a way that a program can read."""
    error = refused(lambda: listener.call("room", "JoinRoom", room_id="x"))
    _, bad_request = details(error)
    fields = [violation.field for violation in bad_request.field_violations] if bad_request else None
    report.equal("a wrong room number is an invalid argument", error.code(), grpc.StatusCode.INVALID_ARGUMENT)
    report.equal("the field that is wrong is named", fields, ["room_id"])

    invite = {"room_id": room_id, "target_uid": host.uid}
    check_refusal(report, "a listener who invites", grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED",
                  lambda: listener.call("stage", "Invite", **invite))
    check_refusal(report, "a caller without a token", grpc.StatusCode.UNAUTHENTICATED, "NOT_LOGGED_IN",
                  lambda: services["stage"].call("Invite", **invite))


def check_refusal(report, who, code, reason, call):
    """The call is refused with that code and, as ErrorInfo, that reason of ours."""
    error = refused(call)
    info, _ = details(error)
    report.equal(f"{who} is refused", error.code(), code)
    report.equal(f"{who} is told why", info and (info.reason, info.domain), (reason, "gochat"))


def enter(report, services):
    """A host opens a room; a listener and a bystander join it; all three follow it."""
    host = Person(services, "host")
    created = host.call("room", "CreateRoom", subject="Learned by reflection")
    room_id = created.room.room_id
    report.equal("who creates a room is its host", name_of(created.member, "role"), "ROLE_HOST")
    seen = host.subscribe(room_id, created.place)
    report.equal("the host sees a room with the host in it", [member.uid for member in seen], [host.uid])

    others = []
    for name in ("listener", "bystander"):
        person = Person(services, name)
        joined = person.call("room", "JoinRoom", room_id=room_id)
        seen = person.subscribe(room_id, joined.place)
        report.check(f"the {name} is in what they see first", person.uid in [member.uid for member in seen], seen)
        event = host.awaits("member_joined")
        report.equal(f"the host sees the {name} join", event.member.uid, person.uid)
        others.append(person)
    return room_id, host, *others


def raise_hand(report, room_id, host, listener, bystander):
    """The listener asks to speak, and everybody sees it."""
    listener.call("stage", "RaiseHand", room_id=room_id)
    for name, person in (("host", host), ("listener", listener), ("bystander", bystander)):
        changed = person.awaits("member_changed")
        report.equal(f"the {name} sees whose hand goes up", changed.member.uid, listener.uid)
        report.equal(f"the {name} sees why", name_of(changed, "cause"), "CHANGE_CAUSE_HAND_RAISED")
        report.check(f"the {name} sees it up", changed.member.hand_raised_at > 0, changed)


def come_on_stage(report, room_id, host, listener, bystander):
    """The host invites, the listener alone gets what it takes to accept, and everybody sees the rest."""
    host.call("stage", "Invite", room_id=room_id, target_uid=listener.uid)
    invitation = listener.awaits("invitation_sent").invitation
    report.equal("the listener is invited by the host", (invitation.target_uid, invitation.host_uid),
                 (listener.uid, host.uid))
    report.check("the listener gets a token", invitation.token)
    answer = {"invitation_token": invitation.token, "answer": "ANSWER_ACCEPT"}
    listener.call("stage", "RespondToInvitation", room_id=room_id, **answer)

    for name, person in (("host", host), ("listener", listener), ("bystander", bystander)):
        changed = person.awaits("member_changed")
        member = changed.member
        report.equal(f"the {name} sees who comes on stage", member.uid, listener.uid)
        report.equal(f"the {name} sees it was accepted", name_of(changed, "cause"),
                     "CHANGE_CAUSE_INVITATION_ACCEPTED")
        report.equal(f"the {name} sees a guest speaker", name_of(member, "role"), "ROLE_GUEST_SPEAKER")
        report.check(f"the {name} sees them on stage", member.on_stage_at > 0, member)
        report.check(f"the {name} sees the microphone on", member.mic.on, member)
        report.equal(f"the {name} sees the hand down", member.hand_raised_at, 0)

    tokens = [sent.invitation.token for sent in host.saw("invitation_sent")]
    report.check("the host is shown no token", not any(tokens), tokens)
    report.equal("the bystander is shown no invitation", bystander.saw("invitation_sent"), [])


def play(report, addresses):
    """Everything, against the servers at these addresses."""
    with contextlib.ExitStack() as stack:
        services = {}
        for name, service in NAMES.items():
            services[name] = Service(addresses[name], service)
            stack.callback(services[name].close)
        with report.part("the round of the servers"):
            check_servers(report, services)
        with report.part("the way to the stage"):
            room_id, *persons = enter(report, services)
            host, listener, _ = persons
            raise_hand(report, room_id, *persons)
            with report.part("the round of errors"):
                check_errors(report, listener, host, services, room_id)
            come_on_stage(report, room_id, *persons)


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gochat", default="target/debug/gochat", help="the suite to start")
    for name in NAMES:
        parser.add_argument(f"--{name}", metavar="HOST:PORT", help=f"where {name} is served already")
    chosen = parser.parse_args()
    given = {name: getattr(chosen, name) for name in NAMES if getattr(chosen, name)}
    if given and len(given) < len(NAMES):
        parser.error("give the addresses of all four services, or none")
    return chosen.gochat, {name: address.removeprefix("http://") for name, address in given.items()}


class TooLate(BaseException):
    """The time limit is over: unlike a failure of one part, this ends all of them."""


def too_late(*_):
    """Ends the run from wherever it is."""
    raise TooLate(f"not done after {TIME_LIMIT} s")


def play_on_own_suite(report, program):
    """Everything, against a suite that is started for it."""
    with Suite(program) as suite:
        play(report, suite.addresses)
        report.equal("the suite ends well when it is asked to", suite.stop(), 0)
        if report.failed:
            suite.show_log()


def main():
    """Plays everything; the exit code says whether all of it held."""
    program, addresses = arguments()
    signal.signal(signal.SIGALRM, too_late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    signal.alarm(TIME_LIMIT)
    report = Report()
    try:
        with report.part("the run"):
            if addresses:
                play(report, addresses)
            else:
                play_on_own_suite(report, program)
    except TooLate as error:
        report.check("all is done in time", False, error)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
