"""The kinds of keys that a hardware security module holds, as the body of a create has them."""

RSA = {f"RSA-{size}": {"kty": "RSA-HSM", "key_size": size} for size in (2048, 3072, 4096)}
EC = {curve: {"kty": "EC-HSM", "crv": curve} for curve in ("P-256", "P-384", "P-521", "P-256K")}
OCT = {f"oct-{size}": {"kty": "oct-HSM", "key_size": size} for size in (128, 192, 256)}

ALL = {**RSA, **EC, **OCT}

CURVE_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "P-256K": "ES256K"}


def software_form(key: dict) -> dict:
    """The public part of a bundle's key as `harness.keys_jwk` reads it: the types of RFC 7517."""
    return {**key["key"], "kty": key["key"]["kty"].removesuffix("-HSM")}
