"""The PRF of TLS 1.2 against published vectors, NIST's of master secret and key block among them."""

from __future__ import annotations

import pytest

from glassbox.keyschedule import tls12
from glassbox.keyschedule.hashes import Hash
from glassbox.suites import SUITES

PRF_VECTORS = {  # posted to the IETF's TLS list by the designers, and in use by most implementations since
    Hash.SHA256: (
        "9bbe436ba940f017b17652849a71db35",
        "a0ba9f936cda311827a6f796ffd5198c",
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af"
        "0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
        "87347b66",
    ),
    Hash.SHA384: (
        "b80b733d6ceefcdc71566ea48e5567df",
        "cd665cf6a8447dd6ff8b27555edb7465",
        "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0"
        "e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425"
        "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e099070"
        "3d73e56f",
    ),
}

# NIST CAVP, SP 800-135 TLS 1.2 with SHA-256, COUNT = 0
PRE_MASTER_SECRET = "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411fd4fe4313a604fce6c17fbc"
SERVER_HELLO_RANDOM = "f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce"
CLIENT_HELLO_RANDOM = "36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd0364cae8c"
SERVER_RANDOM = "ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868"
CLIENT_RANDOM = "62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616"
MASTER_SECRET = "202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d52a65e66125188bf"
KEY_BLOCK = (
    "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0566b"
    "2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068bf9a6679485d966f"
    "1ad6f68b43495b10a683755ea2b858d70ccac7ec8b053c6bd41ca299d4e51928"
)


@pytest.mark.parametrize("hash_", PRF_VECTORS)
def test_prf(hash_: Hash) -> None:
    secret, seed, output = map(bytes.fromhex, PRF_VECTORS[hash_])
    assert tls12.prf(hash_, secret, "test label", seed, len(output)) == output


def test_master_secret() -> None:
    made = tls12.master_secret(
        Hash.SHA256,
        bytes.fromhex(PRE_MASTER_SECRET),
        bytes.fromhex(CLIENT_HELLO_RANDOM),
        bytes.fromhex(SERVER_HELLO_RANDOM),
    )
    assert made.hex() == MASTER_SECRET


def test_the_key_block_is_cut_in_the_order_of_the_rfc() -> None:
    lengths = tls12.KeyLengths(mac_key=20, key=32, iv=12)
    block = tls12.key_block(
        Hash.SHA256,
        bytes.fromhex(MASTER_SECRET),
        bytes.fromhex(CLIENT_RANDOM),
        bytes.fromhex(SERVER_RANDOM),
        lengths,
    )
    assert block.client_write_mac_key + block.server_write_mac_key == bytes.fromhex(KEY_BLOCK)[:40]
    assert block.client_write_key + block.server_write_key == bytes.fromhex(KEY_BLOCK)[40:104]
    assert block.client_write_iv + block.server_write_iv == bytes.fromhex(KEY_BLOCK)[104:128]
    assert block.server_write_iv != b"" and len(block.server_write_key) == 32


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("TLS_RSA_WITH_AES_128_CBC_SHA", tls12.KeyLengths(20, 16, 0)),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", tls12.KeyLengths(32, 16, 0)),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", tls12.KeyLengths(0, 32, 4)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", tls12.KeyLengths(0, 32, 12)),
    ],
)
def test_each_suite_cuts_what_it_needs(name: str, lengths: tls12.KeyLengths) -> None:
    assert next(suite for suite in SUITES.values() if suite.name == name).key_lengths == lengths
