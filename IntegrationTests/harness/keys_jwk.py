"""Keys of our own, made with an independent library, as JSON Web Keys; and the public keys that the server shows."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .tokens import decode, encode

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(), "P-256K": ec.SECP256K1()}


def coordinate_length(curve: str) -> int:
    return (CURVES[curve].key_size + 7) // 8


def encoded(number: int, length: int | None = None) -> str:
    return encode(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


def number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


# Private keys


def rsa_jwk(key: rsa.RSAPrivateKey) -> dict:
    numbers = key.private_numbers()
    parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    public = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e}
    return {"kty": "RSA", **{member: encoded(value) for member, value in {**public, **parts}.items()}}


def ec_jwk(key: ec.EllipticCurvePrivateKey) -> dict:
    (curve,) = (name for name, known in CURVES.items() if known.name == key.curve.name)
    length = coordinate_length(curve)
    numbers = key.private_numbers()
    public = numbers.public_numbers
    return {
        "kty": "EC",
        "crv": curve,
        "x": encoded(public.x, length),
        "y": encoded(public.y, length),
        "d": encoded(numbers.private_value, length),
    }


def ed25519_jwk(key: ed25519.Ed25519PrivateKey) -> dict:
    x = encode(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "d": encode(key.private_bytes_raw())}


def new_rsa(size: int = 2048, exponent: int = 65_537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, size)


def new_ec(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[curve])


# Public keys


def public_key(jwk: dict) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    match jwk["kty"]:
        case "RSA":
            return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
        case "EC":
            return ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), CURVES[jwk["crv"]]).public_key()
        case "OKP":
            return ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"]))
    raise AssertionError(f"unknown kty {jwk['kty']}")
