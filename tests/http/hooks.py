"""What is added to the generated calls: people, rooms and roles that are there; and what is asked beyond the schema.

The first calls of each operation are one scene each, for every return code that it may answer. Of those after
them, some keep the generated parameters and have a caller who is known, some put a scene's parameters over them.
"""

import collections
import os
import random

import schemathesis
from people import use
from scenes import LEFT_OUT, OUT_OF_REACH, SCENES

# How many calls each operation must have had.
LEAST = 100

use(os.environ["GATEWAY"])
chance = random.Random(7)
calls = collections.Counter()
answered = collections.defaultdict(set)


def method_of(case):
    """What the operation of a call is named in the documented API."""
    return case.operation.path.removeprefix("/chat_room/")


def place_of(case):
    """Where a call has its parameters."""
    return "query" if case.method == "GET" else "body"


def play(case, scene, keep):
    """Has a scene's person call, with its parameters, over the generated ones where those are kept."""
    who, given = scene()
    if who is not None:
        case.headers["Authorization"] = f"Bearer {who.token}"
        given = {"uid": who.uid, **given}
    place = place_of(case)
    generated = getattr(case, place)
    kept = generated if keep and isinstance(generated, dict) else {}
    setattr(case, place, {**kept, **given})


def keep_most(case, scene):
    """Has a scene's person call with the generated parameters, as far as they are any."""
    who, given = scene()
    place = place_of(case)
    generated = getattr(case, place)
    if who is None or not isinstance(generated, dict):
        return
    case.headers["Authorization"] = f"Bearer {who.token}"
    known = {"uid": who.uid, **{name: value for name, value in given.items() if chance.random() < 0.5}}
    setattr(case, place, {**generated, **known})


@schemathesis.hook
def before_call(context, case, **kwargs):
    """Brings a call to life. What has another HTTP method, or a body that isn't JSON, is left as it is."""
    method = method_of(case)
    verb = case.operation.method.upper()
    if method not in SCENES or case.method != verb or case.media_type not in (None, "application/json"):
        return
    scenes = SCENES[method]
    number = calls[method]
    calls[method] += 1
    if number < len(scenes):
        play(case, list(scenes.values())[number], keep=False)
        return
    way = chance.randrange(4)
    scene = chance.choice(list(scenes.values()))
    if way == 0:
        play(case, scene, keep=True)
    elif way == 1:
        keep_most(case, scene)


@schemathesis.hook
def after_call(context, case, response):
    """Notes which codes have been answered."""
    if case.method == case.operation.method.upper() and response.status_code == 200:
        answered[method_of(case)].add(response.json()["ret"]["code"])


@schemathesis.check
def no_fault(ctx, response, case):
    """Faults come with HTTP status 200 as well."""
    if response.headers.get("content-type") == ["application/json"] and case.operation.path.startswith("/chat_room/"):
        assert response.json()["ret"]["code"] != 100001, "a fault"


def codes_of(operation):
    """The return codes that the document has for an operation."""
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    codes = (form["properties"]["ret"]["properties"]["code"] for form in answer["anyOf"])
    return {code for some in codes for code in some.get("enum", [some.get("const")])}


@schemathesis.hook
def after_load_schema(context, schema):
    """Remembers the document, for the end."""
    EveryCode.document = schema.raw_schema


@schemathesis.check
class EveryCode:
    """Each operation has had its calls, and has answered each code of its row."""

    document = None

    def after_run(self, ctx):
        wrong = []
        for path, item in EveryCode.document["paths"].items():
            method = path.removeprefix("/chat_room/")
            if method in LEFT_OUT:
                continue
            (operation,) = item.values()
            missing = codes_of(operation) - answered[method] - OUT_OF_REACH
            if missing or calls[method] < LEAST:
                wrong.append(f"{method}: {calls[method]} calls, never answered {sorted(missing)}")
        print(f"{sum(calls.values())} calls of {len(calls)} operations; the fewest: {min(calls.values())}")
        assert not wrong, "\n".join(wrong)
