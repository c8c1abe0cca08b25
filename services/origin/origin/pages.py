"""The pages: the eight steps, login, the account."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from origin.accounts import Accounts


def blueprint(accounts: Accounts, origin: str) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def home() -> ResponseReturnValue:
        return render_template("home.html", origin=origin, request_id=request.headers.get("X-Request-ID", "none"))

    @pages.get("/login")
    def login_form() -> ResponseReturnValue:
        return render_template("login.html", fault=None)

    @pages.post("/login")
    def login() -> ResponseReturnValue:
        name = request.form.get("name", "")
        if not accounts.password_fits(name, request.form.get("password", "")):
            return render_template("login.html", fault="There is no user with this name and password."), 403
        session.clear()
        session["user"] = name
        return redirect(url_for("pages.account"), 303)  # See Other: the answer to the POST is a page to GET

    @pages.get("/account")
    def account() -> ResponseReturnValue:
        if "user" not in session:
            return redirect(url_for("pages.login_form"), 302)
        return render_template("account.html", user=session["user"], origin=origin)

    @pages.post("/logout")
    def logout() -> ResponseReturnValue:
        session.clear()
        return redirect(url_for("pages.home"), 303)

    return pages
