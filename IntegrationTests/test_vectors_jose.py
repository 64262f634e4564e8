"""JWS and JWE of others: the service does what needs the key, a reader in these tests does the rest."""

import pytest

from harness.tokens import decode
from harness.vectors_files import FOLDER, document, wycheproof
from harness.vectors_fixtures import BOTH, made_services, service, vector_server
from harness.vectors_hashes import digest
from harness.vectors_jose import AgainstJOSE, NotReachable, Refused, compact, header_of, members_of, opened, strict
from harness.vectors_service import Service
from harness.vectors_tally import INVALID, PASSED, Outcome, Tally, expect, refused, unreachable

JWS = ["json_web_signature", "json_web_key"]
JWE = ["json_web_encryption"]
WYCHEPROOF = [*JWS, *JWE, "json_web_crypto"]
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K"]
HASHES = {alg: f"SHA-{alg[2:5]}" for alg in ALGORITHMS}
BY_READER = unreachable("refused by a rule of JOSE before the service is asked")
MAC = unreachable("the service makes HMACs of digests, not of texts")


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


def judge_jws(service: Service, group: dict, test: dict) -> Outcome:
    jwk, valid = group["private"], test["result"] == "valid"
    try:
        pieces = compact(test["jws"], 3)
        if "keys" in jwk:
            jwk, *others = jwk["keys"]
            if others:
                raise AgainstJOSE("more than one key")
        if jwk["kty"] == "oct":
            return MAC
        key = service.key(members_of(jwk))
        if not key.accepted:
            expect(not valid, f"import: {key.imported}")
            return refused("the key is refused")
        header, signature = header_of(pieces[0]), strict(pieces[2])
        strict(pieces[1])
        text, alg = f"{pieces[0]}.{pieces[1]}".encode(), header["alg"]
        if alg == "none":
            key.refuses("verify", alg="none", digest=digest("SHA-256", text), value=signature)
            return refused("there is no algorithm `none`")
        if "verify" not in jwk.get("key_ops", ["sign, verify"])[-1]:
            limited = service.key(members_of(jwk), jwk["key_ops"])
            answer = limited.call("verify", alg=alg, digest=digest(HASHES[alg], text), value=signature)
            expect(answer.status == 403, f"verify without the right in key_ops: expected 403, got {answer}")
            return refused("key_ops do not have verify")
        # RFC 7520 §3.2 calls the algorithm of its curve ES521.
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", alg).replace("ES521", "ES512") != alg:
            raise AgainstJOSE("the key is for something else")
    except AgainstJOSE:
        expect(not valid, "valid, but refused by the reader")
        return BY_READER
    accepted = key.verifies(alg, digest(HASHES[alg], text), signature)
    expect(accepted == valid, f"verified: {accepted}, but is {test['result']}: {test['comment']}")
    return PASSED if accepted else INVALID


def judge_jwe(service: Service, group: dict, test: dict) -> Outcome:
    jwk, valid = group["private"], test["result"] == "valid"
    try:
        pieces = compact(test["jwe"], 5)
        header = header_of(pieces[0])
        if header["alg"] != jwk.get("alg"):
            raise AgainstJOSE("the key is for something else")
        plaintext = opened(service, jwk, header, pieces[1:], pieces[0].encode())
    except AgainstJOSE:
        expect(not valid, "valid, but refused by the reader")
        return BY_READER
    except NotReachable as failure:
        return unreachable(str(failure))
    except Refused as failure:
        expect(not valid, f"valid, but refused: {failure}")
        return INVALID
    expect(valid, f"opened, but is invalid: {test['comment']}")
    if "pt" in test:
        expect(plaintext == bytes.fromhex(test["pt"]), "opened to something else")
    return PASSED


def judge(service: Service, group: dict, test: dict) -> Outcome:
    return (judge_jws if "jws" in test else judge_jwe)(service, group, test)


@pytest.mark.parametrize("stem", WYCHEPROOF)
@BOTH
def test_wycheproof(service, stem, record_property):
    count, vectors = wycheproof(stem)
    Tally(stem, service.name).run(vectors, tc_id, lambda vector: judge(service, *vector)).finish(count, record_property)


# The examples of RFC 7520, RFC 7797 and RFC 8037


def judge_key(service: Service, data: dict) -> Outcome:
    """RFC 7520 §3."""
    key = service.key(members_of(data))
    if data["kty"] == "oct":
        expect(key.accepted == service.in_hsm, f"import of a symmetric key: {key.imported}")
        return PASSED if key.accepted else refused("symmetric keys are the HSM's alone")
    expect(key.accepted == ("d" in data), f"import: {key.imported}")
    return PASSED if key.accepted else refused("a public key alone cannot be imported")


def judge_signature(service: Service, data: dict) -> Outcome:
    jwk, alg, signing = data["input"]["key"], data["input"]["alg"], data["signing"]
    text, signature = signing["sig-input"].encode(), decode(signing["sig"])
    if alg.startswith("HS"):
        if service.in_hsm:
            key = service.key(members_of(jwk), ["sign", "verify"])
            expect(key.accepted, f"import: {key.imported}")
            key.refuses("sign", alg=alg, value=text)
        return MAC
    key = service.imported(members_of({"kty": "RSA", **jwk}))
    value = text if alg == "EdDSA" else digest(HASHES[alg], text)
    expect(key.verifies(alg, value, signature), "did not verify")
    expect(not key.verifies(alg, value, signature[:-1] + bytes([signature[-1] ^ 1])), "verified what was changed")
    made = key.result("sign", alg=alg, value=value)
    expect(key.verifies(alg, value, made), "did not verify its own signature")
    if data.get("reproducible") and not alg.startswith("PS"):
        expect(made == signature, "signed otherwise")
    return PASSED


def judge_encryption(service: Service, data: dict) -> Outcome:
    given, made = data["input"], data["encrypting_content"]
    header = {**made.get("unprotected", {}), **made.get("protected", {})}
    aad = made.get("protected_b64u", "").encode()
    if "aad" in given:
        aad += b"." + data["generated"]["aad_b64u"].encode()
    wrapped = data.get("encrypting_key", {}).get("encrypted_key", "")
    if header["alg"] == "dir" and not service.in_hsm:
        return unreachable("symmetric keys are the HSM's alone")
    try:
        parts = [wrapped, data["generated"]["iv"], made["ciphertext"], made["tag"]]
        plaintext = opened(service, given["key"], header, parts, aad)
    except NotReachable as failure:
        return unreachable(str(failure))
    expect(plaintext == given["plaintext"].encode(), "opened to something else")
    return PASSED


def judge_cookbook(service: Service, path: str) -> Outcome:
    data = document(path)
    if "/jwk/" in path:
        return judge_key(service, data)
    if "sign" in data:
        expect(judge_signature(service, data["sign"]) == PASSED, "the signature inside")
        return judge_encryption(service, data["encrypt"])
    return judge_signature(service, data) if "signing" in data else judge_encryption(service, data)


@BOTH
def test_cookbook(service, record_property):
    paths = sorted(str(path.relative_to(FOLDER)).removesuffix(".gz") for path in FOLDER.glob("jose-cookbook/**/*.gz"))
    tally = Tally("jose-cookbook", service.name)
    tally.run(paths, lambda path: path, lambda path: judge_cookbook(service, path)).finish(19, record_property)
