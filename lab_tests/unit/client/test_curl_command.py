"""curl's arguments for a visit."""

from __future__ import annotations

from typing import Any

import pytest

from client.curl_command import curl_command
from client.visit import HttpVersion, TlsVersion, Visit

SITE = "https://parseltongue.co.in/"


def arguments(*urls: str, **parts: Any) -> list[str]:
    return curl_command(
        Visit("v1", urls or (SITE,), **parts),
        report="/tmp/v/report",
        ca_file="/pki/root.pem",
        crl_file="/pki/crl.pem",
        alt_svc_file="/tmp/v/alt-svc",
    )


def after(option: str, command: list[str]) -> list[str]:
    return [command[at + 1] for at, argument in enumerate(command) if argument == option]


def test_no_configuration_no_proxy_no_globbing_and_http_only() -> None:
    command = arguments()

    assert command[:2] == ["curl", "--disable"]
    assert "--globoff" in command
    assert after("--proto", command) == ["=http,https"]
    assert after("--noproxy", command) == ["*"]
    assert after("--cacert", command) == ["/pki/root.pem"]


def test_the_report_goes_to_its_file_in_ended_records() -> None:
    assert after("--write-out", arguments()) == ["%output{>>/tmp/v/report}%{json}\x1e%{header_json}\x1e"]


@pytest.mark.parametrize(
    ("version", "option"),
    [
        (HttpVersion.HTTP_1_1, "--http1.1"),
        (HttpVersion.HTTP_2, "--http2"),
        (HttpVersion.HTTP_3, "--http3-only"),
    ],
)
def test_the_http_version_is_the_one_asked_for(version: HttpVersion, option: str) -> None:
    command = arguments(http=version)

    assert {argument for argument in command if argument.startswith("--http")} == {option}


def test_http_2_without_tls_is_left_to_curl_which_does_not_ask_for_h2c() -> None:
    assert not any(argument.startswith("--http") for argument in arguments("http://parseltongue.co.in/"))


def test_where_alt_svc_counts_curl_remembers_it_and_chooses_the_version() -> None:
    assert "--alt-svc" not in arguments()
    command = arguments(alt_svc=True)
    assert after("--alt-svc", command) == ["/tmp/v/alt-svc"]
    assert not any(argument.startswith("--http") for argument in command)


def test_a_tls_version_is_the_only_one_offered() -> None:
    assert "--tls-max" not in arguments()
    assert after("--tls-max", arguments(tls=TlsVersion.TLS_1_2)) == ["1.2"]
    assert "--tlsv1.3" in arguments(tls=TlsVersion.TLS_1_3)


def test_revocation_lists_are_read_only_on_request() -> None:
    assert "--crlfile" not in arguments()
    assert after("--crlfile", arguments(crl=True)) == ["/pki/crl.pem"]


def test_redirects_are_followed_only_on_request() -> None:
    assert "--location" not in arguments()
    assert "--location" in arguments(follow=True)


def test_cookies_are_kept_only_on_request_and_only_in_memory() -> None:
    assert "--cookie" not in arguments()
    assert after("--cookie", arguments(cookies=True)) == [""]
    assert "--cookie-jar" not in arguments(cookies=True)


@pytest.mark.parametrize(
    ("method", "body", "options"),
    [
        ("GET", None, []),
        ("HEAD", None, ["--head"]),
        ("DELETE", None, ["--request", "DELETE"]),
        ("POST", b"x", ["--data-binary", "@-"]),
        ("PUT", b"x", ["--request", "PUT", "--data-binary", "@-"]),
        ("POST", None, ["--request", "POST"]),
        ("GET", b"x", ["--request", "GET", "--data-binary", "@-"]),
    ],
)
def test_the_method_is_named_only_where_curl_would_choose_another(
    method: str, body: bytes | None, options: list[str]
) -> None:
    command = arguments(method=method, body=body)

    assert [
        argument for argument in command if argument in {"--head", "--request", method, "--data-binary", "@-"}
    ] == options


def test_headers_are_sent_as_given_also_empty_ones() -> None:
    assert after("--header", arguments(headers=(("Accept", "a/b"), ("X-Empty", "")))) == ["Accept: a/b", "X-Empty;"]


def test_an_unlabelled_body_is_not_called_a_form() -> None:
    assert after("--header", arguments(body=b"{}")) == ["Content-Type:"]
    assert after("--header", arguments(body=b"{}", headers=(("content-type", "a/b"),))) == ["content-type: a/b"]


def test_urls_come_in_order_each_behind_its_option() -> None:
    command = arguments(f"{SITE}-o", f"{SITE}b", parallel=True)

    assert after("--url", command) == [f"{SITE}-o", f"{SITE}b"]
    assert "--parallel" in command
