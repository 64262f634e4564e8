"""RSA keys of our own, made once: their making takes longer than what is shown with them."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from .keys_jwk import new_rsa


@cache
def rsa_of(size: int = 2048) -> rsa.RSAPrivateKey:
    return new_rsa(size)
