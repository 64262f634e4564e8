"""Keys of the vectors as JWKs (RFC 7518 §6, RFC 8037 §2)."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .tokens import decode, encode
from .vectors_files import document, wycheproof, wycheproof_stems

CURVES = {"P-256": ec.SECP256R1(), "P-256K": ec.SECP256K1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
NAMES = {
    "secp256r1": "P-256", "P-256": "P-256", "secp384r1": "P-384", "P-384": "P-384", "secp521r1": "P-521", "P-521": "P-521",
    "secp256k1": "P-256K", "P-256K": "P-256K",
}  # fmt: skip
EC_ALGORITHMS = {
    "P-256": ("ES256", "SHA-256"), "P-256K": ("ES256K", "SHA-256"), "P-384": ("ES384", "SHA-384"), "P-521": ("ES512", "SHA-512")
}  # fmt: skip


def number(text: str) -> int:
    """A member of a JWK as a number."""
    return int.from_bytes(decode(text), "big")


def unsigned(value: int, length: int | None = None) -> str:
    """A number as a member of a JWK: no leading zeros for RSA, full length for a curve."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8 if length is None else length, "big"))


# RSA


def rsa_jwk(n: int, e: int, d: int, p: int, q: int) -> dict:
    numbers = {"n": n, "e": e, "d": d, "p": p, "q": q, "dp": d % (p - 1), "dq": d % (q - 1), "qi": pow(q, -1, p)}
    return {"kty": "RSA", **{name: unsigned(value) for name, value in numbers.items()}}


@cache
def _rsa_jwk_of(n: int, e: int, d: int) -> dict:
    p, q = rsa.rsa_recover_prime_factors(n, e, d)
    return rsa_jwk(n, e, d, p, q)


def rsa_jwk_of_group(group: dict) -> dict:
    """The private key of a Wycheproof group. With three primes it has the third as well (RFC 7518 §6.3.2.7)."""
    key = {name: value if isinstance(value, list) else int(value, 16) for name, value in group["privateKey"].items()}
    if "prime1" not in key:
        return _rsa_jwk_of(key["modulus"], key["publicExponent"], key["privateExponent"])
    members = {
        "n": "modulus", "e": "publicExponent", "d": "privateExponent", "p": "prime1", "q": "prime2", "dp": "exponent1",
        "dq": "exponent2", "qi": "coefficient",
    }  # fmt: skip
    jwk = {"kty": "RSA", **{short: unsigned(key[long]) for short, long in members.items()}}
    if "otherPrimeInfos" in key:
        jwk["oth"] = [
            {name: unsigned(int(value, 16)) for name, value in zip("rdt", info, strict=True)} for info in key["otherPrimeInfos"]
        ]
    return jwk


@cache
def _rsa_groups() -> dict[int, dict]:
    """Modulus to a group that has its private key."""
    found: dict[int, dict] = {}
    for stem in wycheproof_stems():
        if not stem.startswith("rsa_"):
            continue
        for group, _ in wycheproof(stem)[1]:
            if "privateKey" in group and "otherPrimeInfos" not in group["privateKey"]:
                modulus = int(group["privateKey"]["modulus"], 16)
                if modulus not in found or "prime1" in group["privateKey"]:
                    found[modulus] = group
    return found


def rsa_jwk_for(modulus: str) -> dict | None:
    """The private key of a modulus, when some file has it."""
    group = _rsa_groups().get(int(modulus, 16))
    return rsa_jwk_of_group(group) if group else None


def rsa_public(jwk: dict) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()


def rsa_private(jwk: dict) -> rsa.RSAPrivateKey:
    public = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"]))
    parts = {name: number(jwk[name]) for name in ("p", "q", "d", "dp", "dq", "qi")}
    return rsa.RSAPrivateNumbers(
        parts["p"], parts["q"], parts["d"], parts["dp"], parts["dq"], parts["qi"], public
    ).private_key(unsafe_skip_rsa_key_validation=True)


# Elliptic curves


def coordinate_length(curve: str) -> int:
    return (CURVES[curve].key_size + 7) // 8


@cache
def ec_jwk(curve: str, d: int) -> dict:
    point = ec.derive_private_key(d, CURVES[curve]).public_key().public_numbers()
    length = coordinate_length(curve)
    return {"kty": "EC", "crv": curve, "x": unsigned(point.x, length), "y": unsigned(point.y, length), "d": unsigned(d, length)}


def ec_public(jwk: dict) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), CURVES[jwk["crv"]]).public_key()


def ec_jwk_for(curve: str, x: int, y: int) -> dict | None:
    """The private key of a public one, when it is known."""
    known = document("private-keys.json")["ec"]
    name = {"P-256": "secp256r1", "P-256K": "secp256k1", "P-384": "secp384r1", "P-521": "secp521r1"}[curve]
    length = coordinate_length(curve)
    d = known.get(name, {}).get("04" + x.to_bytes(length, "big").hex() + y.to_bytes(length, "big").hex())
    if d is None:
        return None
    jwk = ec_jwk(curve, int(d, 16))
    assert (number(jwk["x"]), number(jwk["y"])) == (x, y), "private-keys.json is wrong"
    return jwk


@cache
def stranger(curve: str) -> dict:
    """A key that has nothing to do with any vector."""
    return ec_jwk(curve, 0x5EED << 128 | 0x1234567)


# Ed25519


@cache
def ed25519_jwk(seed: bytes) -> dict:
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(public), "d": encode(seed)}


def ed25519_jwk_for(public: str) -> dict | None:
    seed = document("private-keys.json")["ed25519"].get(public)
    if seed is None:
        return None
    jwk = ed25519_jwk(bytes.fromhex(seed))
    assert decode(jwk["x"]).hex() == public, "private-keys.json is wrong"
    return jwk


# Symmetric keys


def oct_jwk(key: bytes) -> dict:
    return {"kty": "oct", "k": encode(key)}
