"""G1 to G4: what both hellos say, what a certificate proves, and who can read it."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from by_hand import conversation, server_signature
from eavesdropper import Eavesdropper
from experiment import Experiment
from glassbox.signatures import SignatureScheme
from live_lab import SITE, Lab, Visited
from observer.connections import Connection
from observer.messages import Frame, HandshakeType
from observer.registries import CIPHER_SUITES, GROUPS, TLS_VERSIONS, name_of

HOST = "parseltongue.co.in"
VERSIONS = {"1.2": 0x0303, "1.3": 0x0304}


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"tls{version}")
def visited(request: pytest.FixtureRequest, lab: Lab) -> Visited:
    return lab.visit(SITE, http="1.1", tls=request.param)


def connection_on(visited: Visited, link: str) -> Connection:
    found = [
        c for c in visited.connections if c.link == link and c.client_hello and c.client_hello[1].server_name == HOST
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.claim("G1")
def test_the_client_hello_carries_versions_suites_a_random_and_the_name(
    lab: Lab, experiment: Experiment, visited: Visited
) -> None:
    """What does the client say first, in the clear?"""
    version = VERSIONS[visited.journey["visit"]["tls"]]
    eavesdropper = Eavesdropper(visited)
    experiment.asked(
        f"GET {SITE} over {TLS_VERSIONS[version]}; the ClientHello read without keys on home, internet and edge"
    )
    hellos = {}
    for link in ("home", "internet", "edge"):
        said = [(f, f.tls.client_hello) for f in eavesdropper.dissects(link) if f.tls and f.tls.client_hello]
        assert len(said) == 1, f"{link}: {len(said)} ClientHellos"
        frame, hellos[link] = said[0]
        experiment.saw(
            f"{link}: versions {', '.join(name_of(v, TLS_VERSIONS) for v in hellos[link].versions)}; "
            f"{len(hellos[link].cipher_suites)} suites; server name {hellos[link].server_name}; a random of 32 bytes",
            visited,
            frame,
        )
    hello = hellos["home"]
    assert version in hello.versions
    assert hello.cipher_suites
    assert len(hello.random) == 32
    assert hello.server_name == HOST
    assert all(other == hello for other in hellos.values()), "nobody on the way changed it"


@pytest.mark.claim("G2")
def test_the_server_hello_picks_one_offered_suite_and_adds_its_random(experiment: Experiment, visited: Visited) -> None:
    """Does the server choose among what the client offered, and say so in the clear?"""
    connection = connection_on(visited, "edge")
    assert connection.client_hello and connection.server_hello
    asked, (frame, answer) = connection.client_hello[1], connection.server_hello
    experiment.asked(f"GET {SITE}; the ServerHello beside the ClientHello")
    assert answer.cipher_suite in asked.cipher_suites
    assert answer.version in asked.versions
    assert answer.group in (None, *asked.key_share_groups)  # TLS 1.2 names its group in ServerKeyExchange
    assert len(answer.random) == 32 and answer.random != asked.random
    seen = [f for f in Eavesdropper(visited).dissects("edge") if f.tls and f.tls.server_hello]
    assert [f.tls.server_hello for f in seen if f.tls] == [answer], "read without keys it says the same"
    suite, group = name_of(answer.cipher_suite, CIPHER_SUITES), answer.group and name_of(answer.group, GROUPS)
    experiment.saw(
        f"{name_of(answer.version, TLS_VERSIONS)}, {suite}{f', {group}' if group else ''}, a random of its own",
        visited,
        [connection.client_hello[0], frame],
    )


def chain_on(frames: list[Frame]) -> tuple[Frame, list[x509.Certificate]]:
    """The server's certificates (RFC 8446, section 4.4.2) and the frame that completes them."""
    found = [(f, f.tls.certificates) for f in frames if f.tls and f.tls.certificates]
    assert len(found) == 1, f"expected one Certificate message, found {len(found)}"
    return found[0][0], [x509.load_der_x509_certificate(der) for der in found[0][1]]


def labs_root(lab: Lab) -> x509.Certificate:
    """The root that the lab's clients trust: from the client's own file, not from the wire."""
    code, pem = lab.container("client").exec_run(["cat", "/pki/public/root.pem"])
    assert code == 0, pem.decode()
    return x509.load_pem_x509_certificate(pem)


def elliptic_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def signature_hash(certificate: x509.Certificate) -> hashes.HashAlgorithm:
    assert certificate.signature_hash_algorithm is not None
    return certificate.signature_hash_algorithm


def fits_unless_a_bit_flips(
    key: ec.EllipticCurvePublicKey, signature: bytes, content: bytes, algorithm: hashes.HashAlgorithm
) -> None:
    """Raises InvalidSignature unless `key` made `signature` over `content`; fails if it fits changed content, too."""
    key.verify(signature, content, ec.ECDSA(algorithm))
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    with pytest.raises(InvalidSignature):
        key.verify(signature, bytes(flipped), ec.ECDSA(algorithm))


@pytest.mark.claim("G3")
def test_the_certificate_holds_names_and_key_and_its_signature_verifies_with_the_cas_key(
    lab: Lab, experiment: Experiment, visited: Visited
) -> None:
    """From the capture: what does the certificate say, and does the CA that the client knows confirm it?"""
    frame, (leaf, intermediate) = chain_on(list(connection_on(visited, "edge").frames))
    root = labs_root(lab)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    experiment.asked(f"GET {SITE}; the certificates as they stand in the frame, and the root in the client's own file")
    assert HOST in names
    for certificate, issuer in ((leaf, intermediate), (intermediate, root)):
        certificate.verify_directly_issued_by(issuer)  # names too; raises InvalidSignature, ValueError
        algorithm = signature_hash(certificate)
        content = certificate.tbs_certificate_bytes
        fits_unless_a_bit_flips(elliptic_key(issuer), certificate.signature, content, algorithm)
        experiment.saw(
            f"{certificate.subject.rfc4514_string()}: signed by {issuer.subject.rfc4514_string()} "
            f"(ECDSA with {algorithm.name}), whose key fits",
            visited,
            frame,
        )
    experiment.saw(f"names {', '.join(names)}; a key on {elliptic_key(leaf).curve.name}", visited, frame)
    assert root.fingerprint(hashes.SHA256()) not in {c.fingerprint(hashes.SHA256()) for c in (leaf, intermediate)}
    with pytest.raises(InvalidSignature):
        elliptic_key(root).verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(signature_hash(leaf)))
    experiment.control(
        "with one bit of a certificate changed its signature no longer fits, nor does the leaf's with the root's key; "
        "the root itself is not in the frame: whoever made a chain of his own could not end it there",
        visited,
        frame,
    )


@pytest.mark.claim("G3")
def test_the_servers_signature_over_the_handshake_verifies_with_the_certificates_key(
    experiment: Experiment, visited: Visited
) -> None:
    """A certificate may be copied: do the frames prove that this server has its key, in this handshake?"""
    frame, (leaf, _) = chain_on(list(connection_on(visited, "edge").frames))
    version = visited.journey["visit"]["tls"]
    kind = HandshakeType.CERTIFICATE_VERIFY if version == "1.3" else HandshakeType.SERVER_KEY_EXCHANGE
    what = "the transcript of all messages before it" if version == "1.3" else "both randoms and the ephemeral key"
    keylog = (visited.folder / "keys.log").read_text(encoding="utf-8")
    made = server_signature(conversation(visited, HOST).recorded, keylog)
    experiment.asked(f"GET {SITE} over TLS {version}; the signature in {kind.name}, over {what}, by hand")
    assert made.algorithm == SignatureScheme.ECDSA_SECP256R1_SHA256
    fits_unless_a_bit_flips(elliptic_key(leaf), made.signature, made.content, hashes.SHA256())
    signed = [f for f in connection_on(visited, "edge").frames if f.tls and kind in f.tls.handshake]
    experiment.saw(f"the certificate's key made the signature over {what}", visited, [frame, *signed])
    experiment.control("with one bit of that changed it does not fit", visited, signed)


@pytest.mark.claim("G4")
def test_anyone_on_the_path_reads_the_certificate_in_tls_1_2_and_nobody_in_1_3(
    experiment: Experiment, visited: Visited
) -> None:
    """Is the certificate public on the wire?"""
    version = visited.journey["visit"]["tls"]
    with_keys, _ = chain_on(list(connection_on(visited, "edge").frames))
    der = next(c for f in connection_on(visited, "edge").frames if f.tls for c in f.tls.certificates)
    eavesdropper = Eavesdropper(visited)
    experiment.asked(f"GET {SITE} over TLS {version}; the certificate looked for without keys, dissected and as bytes")
    for link in ("home", "internet", "edge"):
        dissected = [f for f in eavesdropper.dissects(link) if f.tls and f.tls.certificates]
        as_bytes = eavesdropper.finds(der, link)
        if version == "1.2":
            assert dissected and as_bytes, f"{link}: not to be read"
            experiment.saw(f"{link}: {len(der)} bytes of certificate in the clear", visited, as_bytes)
        else:
            assert dissected == [] and as_bytes == [], f"{link}: readable"
            experiment.saw(f"{link}: no certificate to be found", visited, [])
            hello = eavesdropper.finds(HOST.encode(), link)
            experiment.control(f"{link}: the name in the ClientHello is found by the same search", visited, hello)
    experiment.control("with the keys the certificate is there", visited, with_keys)
    experiment.myth(
        "the server's certificate is public: anyone on the path sees it",
        "true for TLS 1.2; in TLS 1.3 it travels encrypted, and only the name in the ClientHello still shows",
    )


@pytest.mark.claim("G4")
def test_in_tls_1_3_the_certificate_comes_after_the_keys_and_in_1_2_before(
    experiment: Experiment, visited: Visited
) -> None:
    """Why can it be hidden in the one version and not in the other?"""
    connection = connection_on(visited, "edge")
    order = [kind for f in connection.frames if f.tls for kind in f.tls.handshake]
    hello, certificate = order.index(HandshakeType.SERVER_HELLO), order.index(HandshakeType.CERTIFICATE)
    experiment.asked(f"GET {SITE}; the order of the handshake's messages")
    frames = [f for f in connection.frames if f.tls and f.tls.handshake]
    if visited.journey["visit"]["tls"] == "1.3":
        assert order[hello : certificate + 1] == [2, HandshakeType.ENCRYPTED_EXTENSIONS, HandshakeType.CERTIFICATE]
        experiment.saw(
            "ServerHello completes the key exchange; what follows, the certificate included, is encrypted",
            visited,
            frames,
        )
    else:
        exchange = order.index(HandshakeType.SERVER_KEY_EXCHANGE)
        assert hello < certificate < exchange < order.index(HandshakeType.CLIENT_KEY_EXCHANGE)
        experiment.saw(
            "the certificate comes before ServerKeyExchange and ClientKeyExchange: there is no key yet", visited, frames
        )
