"""For each method and each return code of its row: how it comes about.

A scene makes the people and the room that it needs, and gives who calls (None: nobody) and the parameters
beside the caller's uid. The suite must have rooms for four and stages for one guest speaker.
"""

from people import Person, Room, fresh_name, person

NOWHERE = "999999999"
NOBODY = Person("nobody", 2_000_000_000, "0" * 64)
# What isn't brought about here: a fault, and that every number of a room is taken.
OUT_OF_REACH = {100001, 80007}
# What has no scenes: a stream of events doesn't end, what is generated is no offer (SDP), and a session is ended that
# only an offer makes; that ends are answered as documented is checked all the same.
LEFT_OUT = {"events", "media", "media/{session}"}


def _login(nick_name):
    return lambda: (None, {"nick_name": nick_name(), "avatar": ""})


def _alone(**body):
    return lambda: (person(), body)


def _host(**body):
    def scene():
        room = Room()
        return room.host, {"room_id": room.id, **body}

    return scene


def _listener(**body):
    def scene():
        room = Room()
        return room.listener(), {"room_id": room.id, **body}

    return scene


def _outsider(**body):
    return lambda: (person(), {"room_id": Room().id, **body})


def _elsewhere(**body):
    return lambda: (person(), {"room_id": NOWHERE, **body})


def _nobody(**body):
    return lambda: (NOBODY, {"room_id": NOWHERE, **body})


def _full():
    room = Room()
    for _ in range(3):
        room.listener()
    return person(), {"room_id": room.id}


def _banned():
    room = Room()
    listener = room.listener()
    room.host.call("x/remove_member", room_id=room.id, target_uid=listener.uid, ban_seconds=600)
    return listener, {"room_id": room.id}


def _guest(**body):
    def scene():
        room = Room()
        return room.guest(), {"room_id": room.id, **body}

    return scene


def _host_on_listener(**body):
    def scene():
        room = Room()
        return room.host, {"room_id": room.id, "target_uid": room.listener().uid, **body}

    return scene


def _listener_on_host(**body):
    def scene():
        room = Room()
        return room.listener(), {"room_id": room.id, "target_uid": room.host.uid, **body}

    return scene


def _invite_to_full_stage():
    room = Room()
    room.guest()
    return room.host, {"room_id": room.id, "target_uid": room.listener().uid}


def _invite_guest():
    room = Room()
    return room.host, {"room_id": room.id, "target_uid": room.guest().uid}


def _accept():
    room = Room()
    listener = room.listener()
    token = room.invitation(listener)
    return listener, {"room_id": room.id, "invite_token": token, "respond": 2}


def _accept_too_late():
    room = Room()
    listener = room.listener()
    token = room.invitation(listener)
    room.guest()
    return listener, {"room_id": room.id, "invite_token": token, "respond": 2}


def _in_room(**body):
    """A method for who is in a room."""
    return {0: _listener(**body), 80002: _elsewhere(**body), 80011: _outsider(**body), 80012: _nobody(**body)}


def _of_host(**body):
    """A method for hosts."""
    return _in_room(**body) | {0: _host(**body), 80010: _listener(**body)}


def _of_host_on_member(**body):
    """A method for hosts, about somebody."""
    others = _in_room(target_uid=NOBODY.uid, **body)
    return others | {0: _host_on_listener(**body), 80010: _listener_on_host(**body)}


_MUTE = {"type": 1, "mic": 1}
_ANSWER = {"invite_token": "wrong", "respond": 2}

SCENES = {
    "login": {0: _login(fresh_name), 80000: _login(lambda: person().name), 80001: _login(lambda: "x" * 16)},
    "logout": {0: _alone(), 80012: _nobody()},
    "heartbeat": _in_room(),
    "get_room_list": {0: _alone(count=10), 80012: _nobody()},
    "create_room": {0: _alone(subject="tea"), 80012: _nobody(subject="tea")},
    "login_room": {
        0: _outsider(),
        80002: _elsewhere(),
        80003: _full,
        80004: _listener(),
        80012: _nobody(),
        80015: _banned,
    },
    "quit_room": {0: _listener(), 80002: _elsewhere(), 80012: _nobody()},
    "close_room": {0: _host(), 80002: _elsewhere(), 80010: _listener(), 80012: _nobody()},
    "get_attendee_list": _in_room(page=1, page_size=10),
    "get_raise_hand_list": _in_room(),
    "get_stateful_list": _in_room(),
    "operate_raise_hand": _in_room(type=2) | {80006: _guest(type=2)},
    "set_user_info": _of_host_on_member(**_MUTE) | {0: _host_on_listener(type=2, on_stage=1)},
    "invite_onstage": _of_host_on_member() | {80005: _invite_to_full_stage, 80006: _invite_guest},
    "response_onstage_invite": _in_room(**_ANSWER)
    | {0: _accept, 80005: _accept_too_late, 80014: _listener(**_ANSWER)},
    "misc/get_web_token": {0: _listener(ttl=60), 80012: _nobody(ttl=60)},
    "media/info": _in_room() | {80001: _alone()},
    "misc/get_event_ticket": {0: _alone(), 80012: _nobody()},
    "x/withdraw_invite": _of_host_on_member(),
    "x/lower_hand": _of_host_on_member(),
    "x/lower_all_hands": _of_host(),
    "x/mute_all": _of_host(),
    "x/remove_member": _of_host_on_member(ban_seconds=5),
    "x/unban": _of_host_on_member(),
    "x/get_ban_list": _of_host(),
    "x/transfer_host": _of_host_on_member(),
}
