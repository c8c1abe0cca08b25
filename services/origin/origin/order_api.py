"""/api/orders: every method on a real resource, with validators and content negotiation."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from werkzeug.exceptions import Forbidden, NotAcceptable, PreconditionFailed

from origin.accounts import TOKEN_LIFE_S, Accounts
from origin.order import Draft, Order, entity_tag, merged, parse_object, to_json, whole
from origin.order_store import OrderStore
from origin.refusals import demand_basic, demand_bearer, demand_media_type

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"  # RFC 7396
HTML = "text/html"
REPRESENTATIONS = (JSON, HTML)
LARGEST_ID = 2**63 - 1  # what SQLite counts to


def blueprint(store: OrderStore, accounts: Accounts) -> Blueprint:
    """The routes under /api."""
    api = Blueprint("api", __name__, url_prefix="/api")
    api.add_url_rule("/orders", view_func=Collection.as_view("orders", store, accounts))
    api.add_url_rule(f"/orders/<int(max={LARGEST_ID}):number>", view_func=Item.as_view("order", store, accounts))

    @api.post("/tokens")
    def token() -> ResponseReturnValue:
        given = request.authorization
        if given is None or given.type != "basic":
            demand_basic("name and password are needed, as Basic credentials")
        name, password = given.username or "", given.password or ""
        if not accounts.password_fits(name, password):
            demand_basic("there is no user with this name and password")
        # Names as in RFC 6749 section 5.1.
        return jsonify(access_token=accounts.token_for(name), token_type="Bearer", expires_in=TOKEN_LIFE_S)

    @api.get("/limited")
    def limited() -> ResponseReturnValue:
        return jsonify(says="the balancer lets few of these requests through: see its configuration")

    return api


class _Orders(MethodView):
    init_every_request = False

    def __init__(self, store: OrderStore, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def _user(self) -> str:
        """Who the request's bearer token was given to; 401 without one."""
        given = request.authorization
        if given is None or given.type != "bearer":
            demand_bearer()
        name = self._accounts.bearer_of(given.token or "")
        if name is None:
            demand_bearer("the token is forged or has expired")
        return name


class Collection(_Orders):
    """/api/orders"""

    def get(self) -> ResponseReturnValue:
        orders = self._store.newest()
        if _negotiated() == HTML:
            response = Response(render_template("orders.html", orders=orders))
        else:
            response = jsonify(orders=[to_json(order) for order in orders])
        return _validated(response, *orders)

    def post(self) -> ResponseReturnValue:
        user = self._user()
        demand_media_type(JSON)
        _negotiated()
        order = self._store.create(user, whole(parse_object(request.get_data())))
        response = _represent(order)
        response.status_code = 201
        response.headers["Location"] = url_for("api.order", number=order.id)
        return response


class Item(_Orders):
    """/api/orders/<id>"""

    def get(self, number: int) -> ResponseReturnValue:
        return _represent(self._store.get(number))

    def put(self, number: int) -> ResponseReturnValue:
        user = self._user()
        demand_media_type(JSON)
        _negotiated()
        wanted = whole(parse_object(request.get_data()))

        def decide(order: Order) -> Draft:
            _admit(user, order)
            return wanted

        response = _represent(self._store.change(number, decide))
        # What is kept is not what was sent: id and owner are added. So no validator (RFC 9110, section 9.3.4).
        del response.headers["ETag"]
        return response

    def patch(self, number: int) -> ResponseReturnValue:
        user = self._user()
        demand_media_type(MERGE_PATCH, JSON)
        _negotiated()
        fields = parse_object(request.get_data())

        def decide(order: Order) -> Draft:
            _admit(user, order)
            return merged(order.draft, fields)

        return _represent(self._store.change(number, decide))

    def delete(self, number: int) -> ResponseReturnValue:
        user = self._user()
        self._store.remove(number, lambda order: _admit(user, order))
        gone = Response(status=204)
        del gone.headers["Content-Type"]  # there is no content
        return gone


def _admit(user: str, order: Order) -> None:
    """403 unless the order is the user's; 412 unless it is still what If-Match names, or if it is what If-None-Match
    names (RFC 9110, section 13.2.2)."""
    if user != order.owner:
        raise Forbidden(f"order {order.id} belongs to {order.owner}, not to {user}")
    tags = [entity_tag(each, order) for each in REPRESENTATIONS]
    if request.if_match and not any(request.if_match.contains(tag) for tag in tags):
        raise PreconditionFailed(f"order {order.id} has changed since")
    if request.if_none_match and any(request.if_none_match.contains_weak(tag) for tag in tags):
        raise PreconditionFailed(f"order {order.id} is there, as If-None-Match has it")


def _represent(order: Order) -> Response:
    if _negotiated() == HTML:
        return _validated(Response(render_template("order.html", order=order)), order)
    return _validated(jsonify(to_json(order)), order)


def _negotiated() -> str:
    """The media type that the client likes best; JSON if it does not care; 406 if it wants none of those there are.

    Asked before anything is changed, too: who is refused an answer must not find the change made.
    """
    if not request.accept_mimetypes:
        return JSON
    best = request.accept_mimetypes.best_match(REPRESENTATIONS)
    if best is None:
        raise NotAcceptable(f"there is {' and '.join(REPRESENTATIONS)}, not {request.accept_mimetypes.to_header()}")
    return best


def _validated(response: Response, *orders: Order) -> Response:
    """May be stored, must be asked about before each use; unchanged content costs a 304 (RFC 9110 section 15.4.5)."""
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Vary"] = "Accept"
    response.set_etag(entity_tag(response.mimetype or "", *orders))
    if request.method in ("GET", "HEAD"):
        response.make_conditional(request)
    return response
