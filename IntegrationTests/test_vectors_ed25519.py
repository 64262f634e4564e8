"""EdDSA with Ed25519 against published vectors. The service signs the message itself."""

import pytest

from harness.vectors_files import wycheproof
from harness.vectors_fixtures import BOTH, made_services, service, vector_server
from harness.vectors_keys import ed25519_jwk, ed25519_jwk_for
from harness.vectors_service import Service
from harness.vectors_tally import INVALID, NEEDS_PRIVATE_KEY, PASSED, Outcome, Tally, expect

WYCHEPROOF = ["ed25519"]


def judge(service: Service, group: dict, test: dict) -> Outcome:
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    jwk = ed25519_jwk_for(group["publicKey"]["pk"])
    if jwk is None:
        other = service.imported(ed25519_jwk(bytes(32)))
        expect(not other.verifies("EdDSA", message, signature), "verified with a key that did not sign")
        return NEEDS_PRIVATE_KEY
    key = service.imported(jwk)
    accepted, valid = key.verifies("EdDSA", message, signature), test["result"] == "valid"
    expect(accepted == valid, f"verified: {accepted}, but is {test['result']}: {test['comment']}")
    if valid:
        expect(key.result("sign", alg="EdDSA", value=message) == signature, "signed otherwise")
    return PASSED if valid else INVALID


@pytest.mark.parametrize("stem", WYCHEPROOF)
@BOTH
def test_ed25519_signatures(service, stem, record_property):
    count, vectors = wycheproof(stem)
    tally = Tally(stem, service.name)
    tally.run(vectors, lambda vector: vector[1]["tcId"], lambda vector: judge(service, *vector)).finish(count, record_property)
