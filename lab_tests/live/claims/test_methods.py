"""B: the methods of HTTP (RFC 9110, section 9.3), on an order that two origins keep in one database.

What an order is before and after is read from the frames of GET responses, on home and on backend.
"""

from __future__ import annotations

import pytest

from dialogue import JSON, MERGE_PATCH, ORDERS, PLAIN, Dialogue, Header, ask, place
from experiment import Experiment
from frame_bytes import FrameBytes
from live_lab import Lab

LAMP = {"item": "lamp", "quantity": 2, "note": "a blue one"}


@pytest.mark.claim("B1")
def test_get_reads_and_changes_nothing(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is an order the same after it was read, also by a GET that carries other content?"""
    with lab.recording("an order read, and read again") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "GET", order)
        ask(recording, "GET", order, alice, JSON, body={"item": "lamp", "quantity": 1000})
        ask(recording, "GET", order)
        ask(recording, "PATCH", order, alice, MERGE_PATCH, body={"quantity": 3})
        ask(recording, "GET", order)

    experiment.asked("GET an order three times, once with content of its own; PATCH it; GET it again")
    get = f"GET {order} -> 200"
    _, first, with_content, again, patch, changed = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", get, get, get, f"PATCH {order} -> 200", get
    )
    assert with_content.home.asked, "the second GET carried nothing"
    for later in (with_content, again):
        assert (later.home.answered, later.home.header("etag")) == (first.home.answered, first.home.header("etag"))
    experiment.saw(
        "three times the same order, byte for byte, with the same ETag",
        recording,
        first.frames + with_content.frames + again.frames,
    )
    assert (changed.home.answered, changed.home.header("etag")) != (first.home.answered, first.home.header("etag"))
    experiment.control("after a PATCH the same comparison shows a difference", recording, patch.frames + changed.frames)


@pytest.mark.claim("B2")
def test_post_creates_and_says_where(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Does a POST answer 201 with a Location, and is the new order to be read there?"""
    with lab.recording("an order created and read back") as recording:
        ask(recording, "GET", ORDERS)
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "GET", order)
        ask(recording, "GET", ORDERS)

    experiment.asked(f"GET {ORDERS}; POST an order there; GET its Location; GET {ORDERS} again")
    before, post, get, after = Dialogue(recording).reads(
        f"GET {ORDERS} -> 200", f"POST {ORDERS} -> 201", f"GET {order} -> 200", f"GET {ORDERS} -> 200"
    )
    assert post.backend.header("location") == post.home.header("location") == order
    created = post.home.json
    assert created == {"id": int(order.rpartition("/")[2]), "owner": "alice", **LAMP}
    experiment.saw(f"201 with Location: {order}, from the origin to the client", recording, post.frames)
    assert get.home.json == created
    experiment.saw("a GET there answers the order that was posted", recording, get.frames)
    assert created not in before.home.json["orders"]
    assert created in after.home.json["orders"]
    experiment.saw("the list has it after, not before", recording, before.frames + after.frames)


@pytest.mark.claim("B3")
def test_put_replaces_the_whole(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """What becomes of a field that a PUT leaves out?"""
    with lab.recording("a note left out of a PUT") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "GET", order)
        ask(recording, "PUT", order, alice, JSON, body={"item": "lamp", "quantity": 2})
        ask(recording, "GET", order)

    experiment.asked("POST an order with a note; PUT it without one; GET it before and after")
    post, before, put, after = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", f"GET {order} -> 200", f"PUT {order} -> 200", f"GET {order} -> 200"
    )
    assert b"note" not in put.home.asked
    assert before.home.json["note"] == LAMP["note"]
    experiment.control("before, the order has its note", recording, before.frames)
    kept = {name: value for name, value in before.home.json.items() if name != "note"}
    assert after.home.json == put.home.json == kept
    experiment.saw(
        "after the PUT the note is gone, though nobody said to remove it", recording, put.frames + after.frames
    )
    assert (post.home.status, put.home.status) == (201, 200)
    experiment.myth(
        "PUT creates and POST updates", "POST created the order (201 Created); PUT replaced one that was there (200)"
    )


@pytest.mark.claim("B4")
def test_patch_changes_only_what_it_names(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """What becomes of a field that a PATCH leaves out, and may the same content be a PUT?"""
    change = {"quantity": 7}
    with lab.recording("a PATCH that names one field") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "PATCH", order, alice, MERGE_PATCH, body=change)
        ask(recording, "GET", order)
        ask(recording, "PUT", order, alice, JSON, body=change)
        ask(recording, "GET", order)

    experiment.asked(f"PATCH an order with {change}; then PUT the same content")
    post, patch, patched, put, unharmed = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201",
        f"PATCH {order} -> 200",
        f"GET {order} -> 200",
        f"PUT {order} -> 422",
        f"GET {order} -> 200",
    )
    assert patched.home.json == patch.home.json == post.home.json | change
    experiment.saw("the quantity is new, item and note are as before", recording, post.frames + patched.frames)
    assert unharmed.home.answered == patched.home.answered
    experiment.saw("as a PUT the same content is no whole order: 422, and nothing changed", recording, put.frames)


@pytest.mark.claim("B5")
def test_delete_removes(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Does DELETE answer 204 without content, and is the order gone?"""
    with lab.recording("an order deleted") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "GET", order)
        ask(recording, "DELETE", order, alice)
        ask(recording, "GET", order)

    experiment.asked("POST an order; GET it; DELETE it; GET it again")
    _, before, delete, after = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", f"GET {order} -> 200", f"DELETE {order} -> 204", f"GET {order} -> 404"
    )
    assert delete.home.answered == delete.backend.answered == b""
    assert delete.home.header("content-type") is None
    experiment.saw("204, and no byte of content on either link", recording, delete.frames)
    assert before.home.answered
    experiment.control("the same reading finds the content of the GET before it", recording, before.frames)
    experiment.saw("then 404", recording, after.frames)


@pytest.mark.claim("B6")
def test_put_repeated_changes_nothing_more(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is the order after the same PUT three times what it was after the first?"""
    wanted = {"item": "candle", "quantity": 9}
    with lab.recording("the same PUT three times") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        for _ in range(3):
            ask(recording, "PUT", order, alice, JSON, body=wanted)
            ask(recording, "GET", order)

    experiment.asked("PUT the same content three times, GET after each")
    post, *told = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", *[f"PUT {order} -> 200", f"GET {order} -> 200"] * 3
    )
    puts, gets = told[0::2], told[1::2]
    assert len({put.backend.asked for put in puts}) == 1, "the repetitions were not the same request"
    states = {(get.home.answered, get.home.header("etag")) for get in gets}
    assert len(states) == 1
    assert gets[0].home.answered != post.home.answered, "the first PUT changed nothing either"
    experiment.saw(
        "three PUTs reached an origin; the order is the same after each, ETag included",
        recording,
        [frame for each in told for frame in each.frames],
    )


@pytest.mark.claim("B6")
def test_delete_repeated_changes_nothing_more(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is what is there after two DELETEs what was there after one, though the answers differ?"""
    with lab.recording("the same DELETE twice") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        ask(recording, "DELETE", order, alice)
        ask(recording, "GET", order)
        ask(recording, "DELETE", order, alice)
        ask(recording, "GET", order)

    experiment.asked("DELETE an order twice, GET after each")
    _, first, gone, second, still_gone = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201",
        f"DELETE {order} -> 204",
        f"GET {order} -> 404",
        f"DELETE {order} -> 404",
        f"GET {order} -> 404",
    )
    assert first.home.exchange.request.headers == second.home.exchange.request.headers
    experiment.saw("after each the order is gone", recording, gone.frames + still_gone.frames)
    experiment.saw("the first was answered 204, the second 404", recording, first.frames + second.frames)
    experiment.myth(
        "the second DELETE fails, so DELETE is not idempotent",
        "the answers differ and what is left does not: idempotent is about the effect (RFC 9110, section 9.2.2)",
    )


@pytest.mark.claim("B6")
def test_post_repeated_creates_again(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Is there one order after the same POST twice, or are there two?"""
    with lab.recording("the same POST twice") as recording:
        orders = [place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP)) for _ in range(2)]
        for order in orders:
            ask(recording, "GET", order)

    experiment.asked("POST the same content twice, GET both Locations")
    one, other, *read = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201", f"POST {ORDERS} -> 201", *(f"GET {order} -> 200" for order in orders)
    )
    assert one.backend.asked == other.backend.asked, "the repetition was not the same request"
    ids = [each.home.json["id"] for each in read]
    assert len(set(ids)) == 2
    experiment.saw(f"the same content became two orders, {ids[0]} and {ids[1]}", recording, one.frames + other.frames)
    experiment.saw("both are there", recording, read[0].frames + read[1].frames)


@pytest.mark.claim("B7")
def test_head_is_get_without_content(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Has a HEAD response the headers of the GET response, Content-Length included, and no byte after them?"""
    with lab.recording("HEAD and GET of an order, in the clear and over HTTP/2") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        for site in (PLAIN, "https://parseltongue.co.in"):
            ask(recording, "HEAD", order, site=site)
            ask(recording, "GET", order, site=site)

    experiment.asked("HEAD and GET an order, over plain HTTP/1.1 and over HTTP/2")
    _, *told = Dialogue(recording).reads(f"POST {ORDERS} -> 201", *[f"HEAD {order} -> 200", f"GET {order} -> 200"] * 2)
    for head, get in (told[:2], told[2:]):
        same = ("content-type", "content-length", "etag", "cache-control", "vary")
        assert [head.home.header(name) for name in same] == [get.home.header(name) for name in same]
        assert head.home.header("content-length") == str(len(get.home.answered))
        assert head.home.answered == head.backend.answered == b""
        experiment.saw(
            f"Content-Length: {head.home.header('content-length')}, and no content on home or backend",
            recording,
            head.frames,
        )
        experiment.control("the GET response carries just so many bytes", recording, get.frames)

    raw = FrameBytes(recording)
    clear_head, clear_get = told[:2]
    after_head, after_get = raw.sent_by_server(clear_head.home.exchange), raw.sent_by_server(clear_get.home.exchange)
    assert after_head.startswith(b"HTTP/1.1 200 ") and after_head.count(b"\r\n\r\n") == 1
    assert after_head.endswith(b"\r\n\r\n")
    experiment.saw("in the clear the last bytes from the server are the empty line", recording, clear_head.home.frames)
    assert after_get.partition(b"\r\n\r\n")[2] == clear_get.home.answered
    experiment.control("after a GET's empty line there is the order", recording, clear_get.home.frames)


@pytest.mark.claim("B7")
def test_options_and_405_name_the_methods_allowed(lab: Lab, alice: Header, experiment: Experiment) -> None:
    """Do OPTIONS and a refused method say in Allow what is allowed, and is it true?"""
    with lab.recording("OPTIONS, methods that a resource does not have, and those that it has") as recording:
        order = place(ask(recording, "POST", ORDERS, alice, JSON, body=LAMP))
        for path, refused in ((order, "POST"), (ORDERS, "DELETE")):
            ask(recording, "OPTIONS", path)
            ask(recording, refused, path, alice)
        for path in (order, ORDERS):
            ask(recording, "GET", path)
            ask(recording, "HEAD", path)
        ask(recording, "PUT", order, alice, JSON, body=LAMP)
        ask(recording, "PATCH", order, alice, MERGE_PATCH, body={"quantity": 3})
        ask(recording, "DELETE", order, alice)

    experiment.asked(
        f"OPTIONS of an order and of {ORDERS}; POST to the order, DELETE of {ORDERS}; and every method that is allowed"
    )
    created, *told = Dialogue(recording).reads(
        f"POST {ORDERS} -> 201",
        f"OPTIONS {order} -> 200",
        f"POST {order} -> 405",
        f"OPTIONS {ORDERS} -> 200",
        f"DELETE {ORDERS} -> 405",
        f"GET {order} -> 200",
        f"HEAD {order} -> 200",
        f"GET {ORDERS} -> 200",
        f"HEAD {ORDERS} -> 200",
        f"PUT {order} -> 200",
        f"PATCH {order} -> 200",
        f"DELETE {order} -> 204",
    )
    known = {order: {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}, ORDERS: {"GET", "HEAD", "POST", "OPTIONS"}}
    taken = [each for each in (created, *told) if each.home.status != 405]
    for (path, allowed), options, refusal in zip(known.items(), told[0:4:2], told[1:4:2], strict=True):
        for answer in (options, refusal):
            assert set((answer.home.header("allow") or "").split(", ")) == allowed
            assert answer.home.header("allow") == answer.backend.header("allow"), "the origin said it, not the balancer"
        assert refusal.home.exchange.request.method not in allowed
        experiment.saw(
            f"200 and 405 name the same: {', '.join(sorted(allowed))}", recording, options.frames + refusal.frames
        )
        own = [each for each in taken if each.home.exchange.request.path == path]
        assert {each.home.exchange.request.method for each in own} == allowed
        experiment.saw(
            f"and each of these {len(allowed)} is taken: {'; '.join(str(each.home) for each in own)}",
            recording,
            [frame for each in own for frame in each.frames],
        )
