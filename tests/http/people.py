"""People who are logged in, rooms, and who has which role there: made over HTTP, as clients make them."""

import itertools
import json
from dataclasses import dataclass

import requests

# Seconds that anything may take.
PATIENCE = 10

_names = itertools.count(1)
_http = requests.Session()
_gateway = None


def use(gateway):
    """Says where the gateway is, as `http://host:port`."""
    global _gateway
    _gateway = gateway


def post(method, token, body):
    """The answer to a call: `ret`, and `data` where there is any."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = _http.post(f"{_gateway}/chat_room/{method}", json=body, headers=headers, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    name: str
    uid: int
    token: str

    def call(self, method, **body):
        """The data of a call that must succeed."""
        answer = post(method, self.token, {"uid": self.uid, **body})
        if answer["ret"]["code"] != 0:
            raise AssertionError(f"{method} {body}: {answer}")
        return answer.get("data")


def fresh_name():
    """A nick name that nobody has."""
    return f"p{next(_names)}"


def person():
    """Somebody new."""
    name = fresh_name()
    data = post("login", None, {"nick_name": name})["data"]
    return Person(name, data["uid"], data["token"])


class Room:
    """A room with its host alone, who lets others in and onto the stage."""

    def __init__(self):
        self.host = person()
        self.id = self.host.call("create_room", subject="tea")["room_id"]

    def listener(self):
        """Somebody new in the room."""
        listener = person()
        listener.call("login_room", room_id=self.id)
        return listener

    def invitation(self, listener):
        """Invites a listener, and gives the token that the invitation brought."""
        self.host.call("invite_onstage", room_id=self.id, target_uid=listener.uid)
        headers = {"authorization": f"Bearer {listener.token}"}
        url = f"{_gateway}/chat_room/events?room_id={self.id}"
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as events:
            for line in events.iter_lines():
                if line.startswith(b"data:") and b"invite_token" in line:
                    return json.loads(line[5:])["data"]["invite_token"]
        raise AssertionError("no invitation came")

    def guest(self):
        """Somebody new on stage."""
        guest = self.listener()
        token = self.invitation(guest)
        guest.call("response_onstage_invite", room_id=self.id, invite_token=token, respond=2)
        return guest
