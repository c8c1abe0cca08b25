"""The hash of a cipher suite, and what TLS makes of it: HMAC, and HKDF of RFC 5869. Primitives are cryptography's."""

from __future__ import annotations

from enum import Enum

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


class Hash(Enum):
    """Those that cipher suites and signatures of the lab use; SHA-1 only as the MAC of old CBC suites."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    @property
    def algorithm(self) -> hashes.HashAlgorithm:
        return _ALGORITHMS[self]

    @property
    def length(self) -> int:
        """Bytes."""
        return self.algorithm.digest_size

    def digest(self, data: bytes) -> bytes:
        context = hashes.Hash(self.algorithm)
        context.update(data)
        return context.finalize()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """RFC 2104."""
        context = hmac.HMAC(key, self.algorithm)
        context.update(data)
        return context.finalize()

    def hkdf_extract(self, salt: bytes, input_keying_material: bytes) -> bytes:
        """RFC 5869, 2.2."""
        return self.hmac(salt, input_keying_material)

    def hkdf_expand(self, pseudorandom_key: bytes, info: bytes, length: int) -> bytes:
        """RFC 5869, 2.3."""
        return HKDFExpand(self.algorithm, length, info).derive(pseudorandom_key)


_ALGORITHMS: dict[Hash, hashes.HashAlgorithm] = {
    Hash.SHA1: hashes.SHA1(),
    Hash.SHA256: hashes.SHA256(),
    Hash.SHA384: hashes.SHA384(),
    Hash.SHA512: hashes.SHA512(),
}
