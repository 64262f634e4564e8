"""The security domain of a managed HSM pool by plain calls: it activates the pool, leaves in pieces for a quorum, and is brought back."""

import base64
import copy
import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import audit
from harness.certificates_made import base64_of, der
from harness.hsm_pool import owner_object_id, pool_keys, pool_url, pool_wire
from harness.keys_wire import assert_bad_parameter, assert_forbidden, error_of
from harness.management_wire import GONE
from harness.role_matrix import LOCAL_ROLES
from harness.security_domain import (
    DOWNLOAD, NOT_ACTIVATED, UPLOAD, Domain, DomainFile, Holder, NotOpened, activation, bodies, combined, derived, holders,
    jwe_header, new_pool, number, pool_path, opened_for, opened_under, restore, sealed_for, transfer_certificate,
)
from harness.tokens import decode, encode, public_key_of
from harness.wire import Wire

ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
ROLES = {role.name: role.id for role in LOCAL_ROLES}
ADMINISTRATOR, USER = "Managed HSM Administrator", "Managed HSM Crypto User"


def domain_of(server, pool: str, application=None) -> Domain:
    return Domain(pool_wire(server, application, pool))


def assign(server, pool: str, role: str, principal: str) -> None:
    body = {"properties": {"roleDefinitionId": ROLES[role], "principalId": principal}}
    answer = pool_wire(server, pool=pool).put(f"{ASSIGNMENTS}/{uuid.uuid4()}", json=body)
    assert answer.status_code == 201, answer.text


@dataclass(frozen=True)
class Pool:
    server: object
    name: str

    @property
    def domain(self) -> Domain:
        return domain_of(self.server, self.name)

    @property
    def activation(self) -> str:
        return activation(self.server, self.name)


@pytest.fixture
def fresh(server) -> Pool:
    """A pool that was made just now."""
    return Pool(server, new_pool(server))


@pytest.fixture(scope="module")
def _inactive() -> list[Pool]:
    return []


@pytest.fixture
def inactive(server, _inactive) -> Pool:
    """One that was not activated; the same for all tests, as long as none of them wrongly activates it."""
    if not _inactive or _inactive[-1].activation != NOT_ACTIVATED:
        _inactive.append(Pool(server, new_pool(server)))
    return _inactive[-1]


@pytest.fixture(scope="module")
def _active(server) -> tuple[Pool, DomainFile]:
    pool = Pool(server, new_pool(server))
    return pool, pool.domain.download(holders()[:4], 2)


@pytest.fixture(scope="module")
def active(_active) -> Pool:
    """One that was activated."""
    return _active[0]


@pytest.fixture(scope="module")
def file(_active) -> DomainFile:
    """What was downloaded of it first, for the first four holders, two of whom are needed."""
    return _active[1]


@pytest.fixture(scope="module")
def plain(file) -> bytes:
    """Its domain."""
    return file.plain(holders()[:2])


def assert_conflict(answer) -> None:
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict"), answer.text


def assert_untouched(pool: Pool) -> None:
    assert pool.activation == NOT_ACTIVATED
    assert not pool.domain.is_downloaded() and not pool.domain.is_uploaded()


# Activation


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.operation("SecurityDomainDownloadStatus")
def test_a_pool_does_nothing_before_its_domain_was_downloaded(server, fresh):
    wire, keys = pool_wire(server, pool=fresh.name), pool_keys(server, pool=fresh.name)
    body = {"properties": {"roleDefinitionId": ROLES[USER], "principalId": str(uuid.uuid4())}}
    theirs = [
        ("GET", "/settings", None), ("GET", ASSIGNMENTS, None), ("PUT", f"{ASSIGNMENTS}/{uuid.uuid4()}", body),
        ("GET", "/providers/Microsoft.Authorization/roleDefinitions", None)]
    for method, path, content in theirs:
        answer = wire.call(method, path, json=content)
        assert (answer.status_code, error_of(answer)["code"]) == (403, "Forbidden"), answer.text
        assert "not activated" in error_of(answer)["message"], answer.text
    of_keys = [("/keys", None), ("/deletedkeys", None), ("/rng", {"count": 1}), ("/keys/k/create", {"kty": "EC-HSM"})]
    for path, content in of_keys:
        assert wire.call("POST" if content else "GET", path, json=content).status_code == 403
    assert_untouched(fresh)

    fresh.domain.download(holders()[:3], 2)
    assert fresh.activation == "Active" and fresh.domain.is_downloaded()
    for method, path, content in theirs:
        assert wire.call(method, path, json=content).status_code in (200, 201), path
    assign(server, fresh.name, USER, owner_object_id(server))
    assert keys.create("k", "EC-HSM")["key"]["kty"] == "EC-HSM" and wire.post("/rng", json={"count": 1}).status_code == 200


@pytest.mark.operation("AccessExplain")
def test_an_explanation_says_that_a_pool_is_not_activated(server, fresh):
    def explained(operation: str) -> tuple[bool, bool | None]:
        query = {"principal": owner_object_id(server), "operation": operation, "scope": pool_path(server, fresh.name)}
        told = server.management().get("/strongroom/access/explanation", version=None, query=query)
        assert told.status_code == 200, told.text
        steps = {step["step"]: step["passed"] for step in told.json()["steps"]}
        return told.json()["allowed"], steps.get("Activation")

    assert explained("SettingList") == (False, False)
    assert explained("SecurityDomainDownload") == (True, None)
    fresh.domain.download(holders()[:3], 2)
    assert explained("SettingList") == (True, None)


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.operation("SecurityDomainDownloadStatus")
def test_the_answer_tells_where_its_state_is(server, active):
    answer = active.domain.ask_download(bodies(holders()[:3]), 2)
    assert answer.status_code == 202
    address = answer.headers["Azure-AsyncOperation"]
    assert address == f"{pool_url(server, active.name)}{DOWNLOAD}/pending"
    assert int(answer.headers["Retry-After"]) >= 0
    for told in (active.domain.wire.get(address), active.domain.wire.get(f"{DOWNLOAD}/pending")):
        assert (told.status_code, told.json()["status"], set(told.json())) == (200, "Success", {"status", "status_details"}), told.text


def test_what_was_not_done_has_no_state(inactive, active):
    for path in (DOWNLOAD, UPLOAD):
        answer = inactive.domain.ask_status(path)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "ResourceNotFound"), answer.text
    assert not active.domain.is_uploaded()


# The file


def test_the_file_is_as_clients_read_it(file):
    assert set(file.told) == {"EncData", "SharedKeys", "version"} and file.told["version"] == 2
    assert set(file.told["EncData"]) == {"data", "kdf"} and file.told["EncData"]["kdf"] == "sp108_kdf"
    assert set(file.datum) == {"compact_jwe", "tag"}
    shared = file.told["SharedKeys"]
    assert (set(shared), shared["key_algorithm"]) == ({"enc_shares", "key_algorithm", "required"}, "shamir_share")
    assert [name for name, _ in file.entries()] == [each.thumbprint for each in holders()[:4]]
    header = jwe_header(file.datum["compact_jwe"])
    assert (header["alg"], header["enc"], header["kid"]) == ("dir", "A256CBC-HS512", file.tag)
    for _, compact in file.entries():
        header = jwe_header(compact)
        assert (header["alg"], header["enc"]) == ("RSA-OAEP-256", "A256CBC-HS512")
    # Clients read it as ASCII.
    assert file.text.isascii()


def test_a_piece_is_a_place_and_a_value_for_each_byte(file):
    places = []
    for holder in holders()[:4]:
        piece = file.piece(holder)
        words = [int.from_bytes(piece[at : at + 2], "little") for at in range(0, len(piece), 2)]
        assert len(words) == 32 and all(word & 0x1FF <= 256 for word in words)
        (place,) = {word >> 9 for word in words}
        places.append(place)
    assert len(set(places)) == 4 and 0 not in places


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.parametrize("count, required", [(4, 2), (3, 3), (3, 2), (5, 4), (10, 2), (10, 9), (10, 10)])
def test_every_quorum_recovers_the_same_and_fewer_nothing(active, plain, count, required):
    downloaded = active.domain.download(holders()[:count], required)
    assert (downloaded.required, len(downloaded.entries())) == (required, count)
    pieces = [downloaded.piece(each) for each in holders()[:count]]
    assert {combined(chosen) for chosen in combinations(pieces, required)} == {combined(pieces)}
    for chosen in (pieces[:required], pieces[-required:], pieces[required - 1 :: -1], pieces):
        assert downloaded.plain_of(chosen) == plain
    for fewer in combinations(pieces, required - 1):
        with pytest.raises(NotOpened):
            downloaded.plain_of(fewer)


@pytest.mark.operation("SecurityDomainDownload")
def test_two_are_needed_when_nothing_is_said(active, plain):
    answer = active.domain.wire.post(DOWNLOAD, json={"certificates": bodies(holders()[:3])})
    assert answer.status_code == 202, answer.text
    downloaded = DomainFile(answer.json()["value"])
    assert downloaded.required == 2 and downloaded.plain(holders()[1:3]) == plain


def test_a_piece_is_for_its_holder_alone(file):
    for number_, (_, compact) in enumerate(file.entries()):
        for holder in holders()[:6]:
            if holder is holders()[number_]:
                assert opened_for(holder.key, compact) == file.piece(holder)
            else:
                with pytest.raises(NotOpened):
                    opened_for(holder.key, compact)


@pytest.mark.operation("SecurityDomainDownload")
def test_other_holders_get_the_same_domain_and_the_first_keep_theirs(active, file, plain):
    others = active.domain.download(holders()[5:10], 3)
    assert others.plain(holders()[6:9]) == plain and file.plain(holders()[2:4]) == plain
    assert active.activation == "Active" and active.domain.is_downloaded()
    # Pieces of two downloads do not go together, though the domain is the same.
    again = active.domain.download(holders()[:4], 2)
    first = [combined([each.piece(holder) for holder in holders()[:2]]) for each in (file, again)]
    assert first[0] != first[1]
    with pytest.raises(NotOpened):
        file.plain_of([file.piece(holders()[0]), again.piece(holders()[1])])


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_holders_have_keys_of_any_usual_size(active, plain, bits):
    own = Holder.of(rsa.generate_private_key(65537, bits))
    assert active.domain.download([holders()[0], holders()[1], own]).plain([holders()[1], own]) == plain


@pytest.mark.operation("SecurityDomainDownload")
def test_two_pools_have_two_domains(fresh, plain):
    theirs = json.loads(fresh.domain.download(holders()[:3]).plain(holders()[:2]))
    ours = json.loads(plain)
    assert set(theirs) == set(ours) and theirs["key"] != ours["key"] and theirs["id"] != ours["id"]


# What cannot be downloaded


def first_with(**members) -> list:
    """Three holders, the first of whom is told in another way."""
    told = {key: value for key, value in {**holders()[0].jwk, **members}.items() if value is not GONE}
    return [told, *bodies(holders()[1:3])]


def of_bytes(content: bytes, **members) -> list:
    """Three, of the first of whom there is only a certificate."""
    return first_with(x5c=[text(content)], **{"n": GONE, "e": GONE, "x5t": GONE, "x5t#S256": GONE, **members})


def with_even_modulus(holder: Holder) -> bytes:
    """The certificate of a holder with a number that is no modulus; that its signature is wrong then is nobody's business."""
    modulus = decode(number(holder.key, "n"))
    return der(holder.certificate).replace(modulus, modulus[:-1] + bytes([modulus[-1] ^ 1]))


def with_exponent(holder: Holder, exponent: bytes) -> bytes:
    """The certificate of a holder with another exponent than 65537, which may be shorter."""
    content = der(holder.certificate)
    head, tail = content.split(b"\x02\x03\x01\x00\x01", 1)
    algorithm = head.index(bytes.fromhex("300d06092a864886f70d010101050003"))
    whole = bytearray(head)
    # Where the lengths are of all that contains it: the certificate, what is signed of it, the key, its bits, its numbers.
    for at in (2, 6, algorithm - 2, algorithm + 17, algorithm + 22):
        whole[at : at + 2] = (int.from_bytes(whole[at : at + 2], "big") + len(exponent) - 3).to_bytes(2, "big")
    return bytes(whole) + bytes([2, len(exponent)]) + exponent + tail


def elliptic():
    return Holder.of(ec.generate_private_key(ec.SECP256R1())).certificate


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


WRONG = {
    "none": lambda: ([], 2),
    "two": lambda: (bodies(holders()[:2]), 2),
    "eleven": lambda: (bodies(holders()[:11]), 2),
    "object": lambda: ({}, 2),
    "null": lambda: ([None, *bodies(holders()[:3])], 2),
    "word": lambda: (["certificate", *bodies(holders()[:3])], 2),
    "required-0": lambda: (bodies(holders()[:3]), 0),
    "required-1": lambda: (bodies(holders()[:3]), 1),
    "required-negative": lambda: (bodies(holders()[:3]), -2),
    "required-11": lambda: (bodies(holders()[:10]), 11),
    "required-more": lambda: (bodies(holders()[:3]), 4),
    "required-258": lambda: (bodies(holders()[:3]), 258),
    "required-huge": lambda: (bodies(holders()[:3]), 2**64 + 2),
    "required-part": lambda: (bodies(holders()[:3]), 2.5),
    "required-word": lambda: (bodies(holders()[:3]), "2"),
    "required-true": lambda: (bodies(holders()[:3]), True),
    "ec": lambda: (of_bytes(der(elliptic()), kty="EC"), 2),
    "ec-as-rsa": lambda: (of_bytes(der(elliptic())), 2),
    "ec-with-another-n": lambda: (first_with(x5c=[base64_of(elliptic())]), 2),
    "rsa-1024": lambda: ([Holder.of(rsa.generate_private_key(65537, 1024)).jwk, *bodies(holders()[:2])], 2),
    "x5c-gone": lambda: (first_with(x5c=GONE), 2),
    "x5c-null": lambda: (first_with(x5c=None), 2),
    "x5c-empty": lambda: (first_with(x5c=[]), 2),
    "x5c-nothing": lambda: (first_with(x5c=[""]), 2),
    "x5c-word": lambda: (first_with(x5c=base64_of(holders()[0].certificate)), 2),
    "x5c-number": lambda: (first_with(x5c=[5]), 2),
    "x5c-not-base64": lambda: (first_with(x5c=["%" + base64_of(holders()[0].certificate)[1:]]), 2),
    "x5c-pem": lambda: (first_with(x5c=["-----BEGIN CERTIFICATE-----\n" + base64_of(holders()[0].certificate)]), 2),
    "x5c-no-certificate": lambda: (first_with(x5c=[text(b"none")]), 2),
    "x5c-cut": lambda: (first_with(x5c=[text(der(holders()[0].certificate)[:-1])]), 2),
    "x5c-longer": lambda: (of_bytes(der(holders()[0].certificate) + b"\0"), 2),
    "x5c-huge": lambda: (first_with(x5c=[text(b"0" * 100_000)]), 2),
    "n-even": lambda: (of_bytes(with_even_modulus(holders()[0])), 2),
    "e-even": lambda: (of_bytes(with_exponent(holders()[0], b"\x01\x00\x00")), 2),
    "e-1": lambda: (of_bytes(with_exponent(holders()[0], b"\x01")), 2),
    "n-of-another": lambda: (first_with(n=number(holders()[1].key, "n")), 2),
    "n-not-base64url": lambda: (first_with(n="!"), 2),
    "n-number": lambda: (first_with(n=5), 2),
    "e-of-another": lambda: (first_with(e="Aw"), 2),
    "e-empty": lambda: (first_with(e=""), 2),
    "thumbprint-of-another": lambda: (first_with(**{"x5t#S256": holders()[1].thumbprint}), 2),
    "thumbprint-cut": lambda: (first_with(**{"x5t#S256": holders()[0].thumbprint[:40]}), 2),
    "thumbprint-empty": lambda: (first_with(**{"x5t#S256": ""}), 2),
    "same-certificate": lambda: (bodies([holders()[0], holders()[1], holders()[0]]), 2),
    "same-key": lambda: (bodies([holders()[0], holders()[1], Holder.of(holders()[0].key, "somebody else")]), 2),
    "last-is-wrong": lambda: ([*bodies(holders()[:9]), {"kty": "RSA"}], 2),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_downloaded_changes_nothing(inactive, wrong):
    answer = inactive.domain.ask_download(*WRONG[wrong]())
    assert_bad_parameter(answer)
    assert "value" not in answer.json() and "compact_jwe" not in answer.text
    assert_untouched(inactive)


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"required":2}', b'{"certificates":null}', b'{"certificates":' + b"[" * 20_000,
    b'{"certificates":' + b"[" * 20_000 + b"]" * 20_000 + b"}", b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
], ids=["empty", "cut", "array", "null", "no-text", "nothing", "required", "certificates", "deep-cut", "deep", "deep-objects"])
@pytest.mark.parametrize("path", [DOWNLOAD, UPLOAD], ids=["download", "upload"])
def test_a_body_that_is_none_changes_nothing(inactive, path, content):
    assert_bad_parameter(inactive.domain.wire.post(path, data=content, headers={"Content-Type": "application/json"}))
    assert_untouched(inactive)


# The transfer key


@pytest.mark.operation("SecurityDomainTransferKeyGet")
def test_a_transfer_key_is_that_of_its_certificate(inactive):
    jwk = inactive.domain.transfer_key()
    certificate = transfer_certificate(jwk)
    public = certificate.public_key()
    assert (jwk["kty"], jwk["alg"]) == ("RSA", "RSA-OAEP-256") and {"wrapKey", "encrypt"} >= set(jwk["key_ops"])
    assert public_key_of(jwk).public_numbers() == public.public_numbers() and public.key_size >= 2048
    holder = Holder(None, certificate)
    assert jwk["x5t#S256"] == holder.thumbprint
    certificate.verify_directly_issued_by(certificate)
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(jwk)


@pytest.mark.operation("SecurityDomainTransferKeyGet")
def test_a_transfer_key_is_the_same_until_it_is_used(server, fresh, file):
    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(lambda _: fresh.domain.transfer_key(), range(6)))
    assert all(each == told[0] for each in told)
    assert_bad_parameter(fresh.domain.ask_upload("none"))
    assert fresh.domain.transfer_key() == told[0]
    fresh.domain.upload(file.restore(holders()[:2], told[0]))
    assert_conflict(fresh.domain.ask_transfer_key())


def test_two_pools_have_two_transfer_keys(inactive, fresh):
    assert inactive.domain.transfer_key()["n"] != fresh.domain.transfer_key()["n"]


# Upload


@pytest.fixture(params=["the same server", "another server"])
def target(request, server, own_server) -> Pool:
    """A pool that was made just now."""
    there = server if request.param == "the same server" else own_server()
    return Pool(there, new_pool(there))


@pytest.mark.operation("SecurityDomainDownload")
def test_a_domain_is_brought_into_a_new_pool(target, active, plain):
    downloaded = active.domain.download(holders()[:5], 3)
    domain, transfer = target.domain, target.domain.transfer_key()
    other = downloaded.restore(holders()[:3], transfer, public=holders()[0].key.public_key())
    assert_bad_parameter(domain.ask_upload(other))
    assert_untouched(target)

    answer = domain.ask_upload(downloaded.restore(holders()[2:5], transfer))
    assert (answer.status_code, answer.json()["status"]) == (202, "Success"), answer.text
    assert answer.headers["Azure-AsyncOperation"] == f"{pool_url(target.server, target.name)}{UPLOAD}/pending"
    assert target.activation == "Active" and domain.is_uploaded() and not domain.is_downloaded()
    assert domain.wire.get("/settings").status_code == 200
    assert domain.download(holders()[7:10], 2).plain(holders()[7:9]) == plain
    assert domain.is_uploaded() and domain.is_downloaded()


@pytest.mark.operation("SecurityDomainUpload")
@pytest.mark.operation("SecurityDomainUploadStatus")
def test_what_was_brought_is_brought_on(server, fresh, file, plain):
    fresh.domain.upload(file.restore(holders()[:2], fresh.domain.transfer_key()))
    second = Pool(server, new_pool(server))
    second.domain.upload(fresh.domain.download(holders()[4:7]).restore(holders()[5:7], second.domain.transfer_key()))
    assert second.domain.is_uploaded() and second.domain.download(holders()[:3]).plain(holders()[1:3]) == plain


def test_a_pool_that_has_a_domain_takes_no_other(active, fresh, file, plain):
    blob = file.restore(holders()[:2], fresh.domain.transfer_key())
    fresh.domain.download(holders()[:3])
    own = fresh.domain.download(holders()[:3]).plain(holders()[:2])
    for pool in (active, fresh):
        assert_conflict(pool.domain.ask_upload(blob))
        assert_conflict(pool.domain.ask_upload("none"))
        assert_conflict(pool.domain.ask_transfer_key())
        assert not pool.domain.is_uploaded()
    assert fresh.domain.download(holders()[:3]).plain(holders()[:2]) == own
    assert active.domain.download(holders()[:3]).plain(holders()[:2]) == plain


def test_nothing_is_uploaded_before_the_transfer_key_was_asked_for(fresh, inactive, file):
    assert_conflict(fresh.domain.ask_upload(file.restore(holders()[:2], inactive.domain.transfer_key())))
    assert_conflict(fresh.domain.ask_upload("none"))
    assert_untouched(fresh)


def test_a_blob_is_taken_once(fresh, file):
    blob = file.restore(holders()[:2], fresh.domain.transfer_key())
    fresh.domain.upload(blob)
    assert_conflict(fresh.domain.ask_upload(blob))
    assert fresh.domain.is_uploaded()


# What cannot be uploaded


def flipped(compact: str, part: int) -> str:
    """The same with another character in the middle of one of its five parts."""
    parts = compact.split(".")
    at = len(parts[part]) // 2
    parts[part] = parts[part][:at] + ("B" if parts[part][at : at + 1] == "A" else "A") + parts[part][at + 1 :] or "AAAA"
    return ".".join(parts)


def with_header(compact: str, **members) -> str:
    """The same with another header, which its tag does not cover."""
    parts = compact.split(".")
    header = {key: value for key, value in {**jwe_header(compact), **members}.items() if value is not GONE}
    return ".".join([encode(json.dumps(header).encode()), *parts[1:]])


@dataclass(frozen=True)
class Made:
    """What a blob is made of."""

    plain: bytes
    tag: str
    transfer: dict
    another: dict

    @property
    def public(self):
        return transfer_certificate(self.transfer).public_key()

    def blob(self, plain: bytes | None = None, transfer: dict | None = None, tag: str | None = None, **changes) -> dict:
        return restore(self.plain if plain is None else plain, transfer or self.transfer, tag or self.tag, **changes)

    def with_key(self, change) -> dict:
        blob = self.blob()
        blob["WrappedKey"]["enc_key"] = change(blob["WrappedKey"]["enc_key"])
        return blob

    def with_data(self, change) -> dict:
        blob = self.blob()
        blob["EncData"]["data"][0]["compact_jwe"] = change(blob["EncData"]["data"][0]["compact_jwe"])
        return blob

    def plain_with(self, **members) -> bytes:
        """The domain with other members."""
        told = {**json.loads(self.plain), **members}
        return json.dumps({key: value for key, value in told.items() if value is not GONE}).encode()

    def with_members(self, **members) -> dict:
        return self.blob(self.plain_with(**members))

    def with_path(self, *path, value=GONE) -> dict:
        blob = self.blob()
        inner = blob
        for step in path[:-1]:
            inner = inner[step]
        if value is GONE:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        return blob

    def of_two(self) -> dict:
        """The key of one blob with the data of another."""
        return {**self.blob(), "WrappedKey": self.blob()["WrappedKey"]}

    def short_key(self) -> dict:
        """One whose key for the content is 32 bytes, 16 of which authenticate (A128CBC-HS256)."""
        blob = self.blob()
        parts = blob["WrappedKey"]["enc_key"].split(".")
        parts[1] = sealed_for(self.public, b"").split(".")[1]
        return {**blob, "WrappedKey": {**blob["WrappedKey"], "enc_key": ".".join(parts)}}


PARTS = ["header", "key", "iv", "text", "tag"]
ALTERED = {
    **{f"key-{name}": lambda made, part=part: made.with_key(lambda compact: flipped(compact, part)) for part, name in enumerate(PARTS)},
    **{f"data-{name}": lambda made, part=part: made.with_data(lambda compact: flipped(compact, part)) for part, name in enumerate(PARTS)},
    "key-other-kid": lambda made: made.with_key(lambda compact: with_header(compact, kid="another")),
    "data-other-kid": lambda made: made.with_data(lambda compact: with_header(compact, kid="another")),
    "key-alg-1.5": lambda made: made.blob(key_header={"alg": "RSA1_5"}),
    "key-alg-sha1": lambda made: made.blob(key_header={"alg": "RSA-OAEP"}),
    "key-alg-dir": lambda made: made.blob(key_header={"alg": "dir"}),
    "key-enc": lambda made: made.blob(key_header={"enc": "A256GCM"}),
    "key-zip": lambda made: made.blob(key_header={"zip": "DEF"}),
    "key-crit": lambda made: made.blob(key_header={"crit": ["exp"]}),
    "data-alg": lambda made: made.blob(data_header={"alg": "RSA-OAEP-256"}),
    "data-enc": lambda made: made.blob(data_header={"enc": "A128CBC-HS256"}),
    "data-zip": lambda made: made.blob(data_header={"zip": "DEF"}),
    "data-crit": lambda made: made.blob(data_header={"crit": []}),
    "key-four-parts": lambda made: made.with_key(lambda compact: compact.rsplit(".", 1)[0]),
    "data-six-parts": lambda made: made.with_data(lambda compact: compact + ".AAAA"),
    "key-no-tag": lambda made: made.with_key(lambda compact: compact.rsplit(".", 1)[0] + "."),
    "data-no-tag": lambda made: made.with_data(lambda compact: compact.rsplit(".", 1)[0] + "."),
    "data-half-a-tag": lambda made: made.with_data(lambda compact: compact[:-22]),
    "data-no-text": lambda made: made.with_data(lambda compact: ".".join([*compact.split(".")[:3], "", compact.split(".")[4]])),
    "data-empty": lambda made: made.with_data(lambda compact: ""),
    "of-two": Made.of_two,
    "key-of-another-content": Made.short_key,
    "tag": lambda made: made.with_path("EncData", "data", 0, "tag", value="another"),
    "tag-of-another-key": lambda made: made.blob(tag="another"),
    "no-data": lambda made: made.with_path("EncData", "data", value=[]),
    "no-kind": lambda made: made.with_path("EncData", "data", 0, "tag"),
    "kdf": lambda made: made.with_path("EncData", "kdf", value="another"),
    "no-wrapped-key": lambda made: made.with_path("WrappedKey"),
    "no-enc-data": lambda made: made.with_path("EncData"),
    "x5t-gone": lambda made: made.with_path("WrappedKey", "x5t_256"),
    "x5t-of-another": lambda made: made.with_path("WrappedKey", "x5t_256", value=holders()[0].thumbprint),
    "x5t-cut": lambda made: made.with_path("WrappedKey", "x5t_256", value=made.transfer["x5t#S256"][:40]),
    "x5t-empty": lambda made: made.with_path("WrappedKey", "x5t_256", value=""),
    "for-a-holder": lambda made: made.blob(public=holders()[0].key.public_key()),
    "for-another-pool": lambda made: made.blob(transfer=made.another),
    "for-another-pool-by-this-name": lambda made: made.blob(public=transfer_certificate(made.another).public_key()),
    "by-another-name": lambda made: made.with_path("WrappedKey", "x5t_256", value=made.another["x5t#S256"]),
    "master-16": lambda made: made.blob(master=bytes(range(16))),
    "master-64": lambda made: made.blob(master=bytes(range(64))),
    "plain-empty": lambda made: made.blob(b""),
    "plain-no-json": lambda made: made.blob(b"none"),
    "plain-format": lambda made: made.with_members(format=2),
    "plain-id": lambda made: made.with_members(id="none"),
    "plain-no-key": lambda made: made.with_members(key=GONE),
    "plain-short-key": lambda made: made.with_members(key=encode(b"k" * 31)),
    "plain-long-key": lambda made: made.with_members(key=encode(b"k" * 33)),
    "plain-created": lambda made: made.with_members(created="yesterday"),
    "empty": lambda made: "",
    "no-json": lambda made: "{",
    "array": lambda made: "[]",
    "object": lambda made: "{}",
    "deep": lambda made: "[" * 20_000,
    "deep-data": lambda made: '{"EncData":' * 5_000 + "1" + "}" * 5_000,
    "blob-of-a-download": lambda made: json.dumps({**made.blob(), "WrappedKey": {"enc_key": "", "x5t_256": ""}}),
}


@pytest.fixture(scope="module")
def _pair(server) -> tuple[Pool, Pool]:
    return Pool(server, new_pool(server)), Pool(server, new_pool(server))


@pytest.fixture(scope="module")
def made(_pair, file, plain) -> Made:
    return Made(plain, file.tag, _pair[0].domain.transfer_key(), _pair[1].domain.transfer_key())


@pytest.mark.parametrize("altered", ALTERED)
def test_every_blob_that_is_not_right_is_answered_alike(_pair, made, altered):
    pool = _pair[0]
    answer, plainly_wrong = pool.domain.ask_upload(ALTERED[altered](made)), pool.domain.ask_upload("none")
    assert_bad_parameter(answer)
    assert answer.json() == plainly_wrong.json()
    assert_untouched(pool)
    assert pool.domain.transfer_key() == made.transfer


@pytest.mark.parametrize("created", [-(2**63), 2**63 - 1, 2**40])
def test_a_domain_of_any_time_does_no_harm(server, fresh, made, created):
    """Whoever has a domain may say when it was made; the server stands it, and can hand out what it took."""
    domain = fresh.domain
    answer = domain.ask_upload(made.blob(made.plain_with(created=created), domain.transfer_key()))
    assert answer.status_code in (202, 400), f"{answer.status_code} {answer.text}"
    if answer.status_code == 202:
        assert json.loads(domain.download(holders()[:3]).plain(holders()[:2]))["key"] == json.loads(made.plain)["key"]
    assert server.process.poll() is None


@pytest.mark.parametrize("content", [{"value": None}, {"value": 5}, {"value": {}}, {"value": ["x"]}, {}])
def test_a_blob_is_a_text(_pair, made, content):
    assert_bad_parameter(_pair[0].domain.wire.post(UPLOAD, json=content))
    assert_untouched(_pair[0])


# Several at once


def at_once(*calls) -> list:
    with ThreadPoolExecutor(len(calls)) as threads:
        return [each.result() for each in [threads.submit(call) for call in calls]]


@pytest.mark.operation("SecurityDomainDownload")
def test_downloads_at_once_give_one_domain(fresh):
    chosen = [holders()[at : at + 3] for at in range(6)]
    answers = at_once(*(lambda each=each: fresh.domain.ask_download(bodies(each)) for each in chosen))
    assert {each.status_code for each in answers} <= {202, 409}
    files = [(DomainFile(each.json()["value"]), who) for each, who in zip(answers, chosen) if each.status_code == 202]
    plains = {each.plain(who[1:]) for each, who in files}
    assert plains == {fresh.domain.download(holders()[:3]).plain(holders()[:2])}
    assert fresh.activation == "Active"


@pytest.mark.operation("SecurityDomainUpload")
def test_of_uploads_at_once_one_is_taken(fresh, made):
    domain, transfer = fresh.domain, fresh.domain.transfer_key()
    domains = [made.plain_with(id=str(uuid.uuid4()), key=encode(os.urandom(32))) for _ in range(5)]
    blobs = [made.blob(each, transfer) for each in domains]
    statuses = [each.status_code for each in at_once(*(lambda each=each: fresh.domain.ask_upload(each) for each in blobs))]
    assert sorted(statuses) == [202, 409, 409, 409, 409]
    kept = json.loads(domain.download(holders()[:3]).plain(holders()[:2]))
    assert kept["key"] == json.loads(domains[statuses.index(202)])["key"]


def test_of_an_upload_and_downloads_at_once_one_domain_is_left(fresh, file):
    blob = file.restore(holders()[:2], fresh.domain.transfer_key())
    calls = [lambda: fresh.domain.ask_download(bodies(holders()[:3])), lambda: fresh.domain.ask_upload(blob)]
    answers = at_once(*calls * 3)
    assert {each.status_code for each in answers} <= {202, 409} and 202 in {each.status_code for each in answers}
    kept = fresh.domain.download(holders()[:3]).plain(holders()[:2])
    told = [DomainFile(each.json()["value"]) for each in answers[::2] if each.status_code == 202]
    assert {each.plain(holders()[:2]) for each in told} <= {kept}
    is_taken = 202 in [each.status_code for each in answers[1::2]]
    assert fresh.domain.is_uploaded() == is_taken and (kept == file.plain(holders()[:2])) == is_taken


# What is told to nobody


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.operation("SecurityDomainUpload")
def test_no_secret_is_in_a_log_or_on_the_disk(server, cli, fresh):
    begun = audit.now()
    source = Pool(server, new_pool(server))
    downloaded = source.domain.download(holders()[:3], 2)
    chosen = holders()[:2]
    transfer, master = fresh.domain.transfer_key(), os.urandom(32)
    blob = downloaded.restore(chosen, transfer, master=master)
    wrong = copy.deepcopy(blob)
    wrong["WrappedKey"]["x5t_256"] = ""
    assert_bad_parameter(fresh.domain.ask_upload(wrong))
    fresh.domain.upload(blob)
    plain = downloaded.plain(chosen)
    secrets = [decode(json.loads(plain)["key"]), combined([downloaded.piece(each) for each in chosen]), master]
    secrets += [derived(each, downloaded.tag) for each in secrets[1:]] + [downloaded.piece(each) for each in chosen]
    assert opened_under(secrets[3], downloaded.datum["compact_jwe"]) == plain
    logs = cli.run("audit", "export", "--since", begun).stdout + server.output.text() + server.errors.text()
    assert f"{source.name}.managedhsm" in logs and UPLOAD in logs
    for secret in secrets:
        for written in (secret.hex(), secret.hex().upper(), text(secret), encode(secret), text(secret).rstrip("=")):
            assert written not in logs
    for told in (downloaded.datum["compact_jwe"], blob["WrappedKey"]["enc_key"], downloaded.entries()[0][1]):
        assert told.split(".")[3] not in logs
    kept = [path.read_bytes() for path in server.data.rglob("*") if path.is_file() and path.name != "reserve"]
    assert not [secret for secret in secrets for content in kept if secret in content or encode(secret).encode() in content]


# Who may


CALLS = {
    "download": lambda domain: domain.ask_download(bodies(holders()[:3])),
    "download-state": lambda domain: domain.ask_status(DOWNLOAD),
    "transfer-key": lambda domain: domain.ask_transfer_key(),
    "upload": lambda domain: domain.ask_upload("none"),
    "upload-state": lambda domain: domain.ask_status(UPLOAD),
}


def test_an_administrator_may(server, active, stranger):
    assign(server, active.name, ADMINISTRATOR, stranger.object_id)
    theirs = domain_of(server, active.name, stranger)
    assert {name: call(theirs).status_code for name, call in CALLS.items()} == {
        "download": 202, "download-state": 200, "transfer-key": 409, "upload": 409, "upload-state": 404}


@pytest.mark.parametrize("role", [
    None, "Managed HSM Crypto Officer", USER, "Managed HSM Policy Administrator", "Managed HSM Backup", "Managed HSM Restore"])
def test_others_may_not(server, active, stranger, role):
    if role is not None:
        assign(server, active.name, role, stranger.object_id)
    for call in CALLS.values():
        assert_forbidden(call(domain_of(server, active.name, stranger)), "ForbiddenByRbac")


def test_an_administrator_of_keys_alone_may_not(server, active, stranger):
    """The domain is the whole pool's: a role at `/keys` does not reach it."""
    body = {"properties": {"roleDefinitionId": ROLES[ADMINISTRATOR], "principalId": stranger.object_id}}
    assert pool_wire(server, pool=active.name).put(f"/keys{ASSIGNMENTS}/{uuid.uuid4()}", json=body).status_code == 201
    for call in CALLS.values():
        assert_forbidden(call(domain_of(server, active.name, stranger)), "ForbiddenByRbac")


@pytest.mark.operation("SecurityDomainDownload")
def test_before_it_is_active_the_first_administrator_may_and_the_owner_of_the_subscription_may_not(server, stranger):
    pool = Pool(server, new_pool(server, stranger.object_id))
    for call in CALLS.values():
        assert_forbidden(call(pool.domain), "ForbiddenByRbac")
    assert pool.activation == NOT_ACTIVATED
    theirs = domain_of(server, pool.name, stranger)
    assert not theirs.is_downloaded()
    theirs.download(holders()[:3])
    assert pool.activation == "Active"


@pytest.mark.parametrize("audience", ["vault", "management", "nothing"])
def test_a_token_for_something_else_may_not(server, inactive, audience):
    resources = {"vault": server.vault_resource, "management": server.client_env["ARM_URL"].rstrip("/")}
    token = server.token(resource=resources[audience]) if audience in resources else None
    theirs = Domain(Wire(pool_url(server, inactive.name), server.bundle, token))
    for call in CALLS.values():
        answer = call(theirs)
        assert answer.status_code == 401, answer.text
        assert "managedhsm" in answer.headers["WWW-Authenticate"]
    assert_untouched(inactive)


def test_a_vault_has_no_security_domain(server):
    for call in CALLS.values():
        assert call(Domain(server.wire())).status_code == 404
