"""Nothing of one vault or pool is reached by way of another: identifiers, deleted and pending objects, backups, transfers, tags."""

from urllib.parse import quote, urlsplit

import pytest

from harness import policy_operations
from harness.certificates_made import Authority, base64_of, der, request_of
from harness.certificates_wire import Certificates, policy, refusal
from harness.crossing import ASIDE, COLLECTIONS, PAIRS, TWIN, assert_not_found, unchanged
from harness.http1 import Connection
from harness.hsm_transfer import body, document, exchange_key, wrapped_for
from harness.keys_wire import Keys, assert_bad_parameter, assert_forbidden, done
from harness.management_wire import LOCATION, Arm
from harness.role_matrix_data import key_uses

pytest_plugins = ["harness.crossing_fixtures"]

HERE, THERE = "the vault twin", "the vault aside"
DIGEST = b"d" * 32


# Principals


@pytest.mark.parametrize("place", [THERE, "the pool twin", "the pool beyond"])
def test_who_may_do_everything_in_one_vault_may_nothing_in_another_place(crossing, resident, name, place):
    crossing.make(place, "keys", name)
    assert crossing.of(HERE, resident).get("/keys").status_code == 200
    theirs = crossing.of(place, resident)
    operations = [each for each in policy_operations.ALL if each.group == "keys" or place == THERE]
    with unchanged((crossing.wire(place), f"/keys/{name}"), (crossing.wire(place), "/keys"), (crossing.wire(place), "/deletedkeys")):
        for operation in operations:
            assert_forbidden(operation.make(theirs), "ForbiddenByRbac")
        for method, path in (("GET", ""), ("GET", "/versions"), ("DELETE", ""), ("POST", "/backup"), ("POST", "/rotate")):
            assert_forbidden(theirs.call(method, f"/keys/{name}{path}"), "ForbiddenByRbac")


@pytest.mark.parametrize("place", [HERE, THERE, "the pool beyond"])
def test_who_holds_every_role_in_one_pool_may_nothing_in_another_place(crossing, name, place):
    made, pool = crossing.server.cli().create_application(name), "/providers/Microsoft.Authorization"
    for number, role in enumerate(crossing.wire("the pool twin").get(f"{pool}/roleDefinitions").json()["value"]):
        properties = {"roleDefinitionId": role["id"], "principalId": made.object_id}
        path = f"{pool}/roleAssignments/{made.object_id[:-2]}{number:02}"
        assert crossing.wire("the pool twin").put(path, json={"properties": properties}).status_code == 201
    assert crossing.of("the pool twin", made).get("/keys").status_code == 200
    crossing.make(place, "keys", name)
    theirs = crossing.of(place, made)
    with unchanged((crossing.wire(place), f"/keys/{name}"), (crossing.wire(place), "/keys")):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/backup"), ("POST", "/rotate")):
            assert_forbidden(theirs.call(method, f"/keys/{name}{path}"), "ForbiddenByRbac")
        assert_forbidden(theirs.get("/keys"), "ForbiddenByRbac")
        assert_forbidden(theirs.get("/deletedkeys"), "ForbiddenByRbac")


# Identifiers


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_version_of_one_vault_is_not_found_in_another(crossing, name, collection):
    """Both have an object of the name, and each a version of its own."""
    here, there = (crossing.make(place, collection, name) for place in (HERE, THERE))
    paths = [f"/{collection}/{name}/{version}" for version in (here, there)]
    looks = [(HERE, paths[0]), (THERE, paths[1]), (THERE, f"/{collection}/{name}/versions")]
    with unchanged(*((crossing.wire(place), path) for place, path in looks)):
        assert_not_found(crossing.wire(THERE).get(paths[0]), collection)
        assert_not_found(crossing.wire(HERE).get(paths[1]), collection)
        assert_not_found(crossing.wire(THERE).patch(paths[0], json={"tags": {"a": "b"}}), collection)


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_version_of_a_key_is_of_no_use_in_another_place(crossing, name, here, there):
    version = crossing.make(here, "keys", name)
    crossing.make(there, "keys", name)
    with unchanged((crossing.wire(there), f"/keys/{name}"), (crossing.wire(here), f"/keys/{name}")):
        for verb, sent in key_uses():
            assert_not_found(crossing.wire(there).post(f"/keys/{name}/{version}/{verb}", json=sent), "keys", verb)
        assert_not_found(crossing.wire(there).get(f"/keys/{name}/{version}/attestation"), "keys")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_whole_identifier_in_a_path_names_nothing(crossing, resident, name, collection):
    version = crossing.make(THERE, collection, name)
    identifier = f"{crossing.wire(THERE).base}/{collection}/{name}/{version}"
    paths = [
        f"/{collection}/{quote(identifier, safe='')}", f"/{collection}/{identifier}", f"/{identifier}",
        f"//{urlsplit(identifier).netloc}/{collection}/{name}", f"/{collection}/../{ASIDE}/{collection}/{name}",
    ]
    for wire in (crossing.wire(HERE), crossing.of(HERE, resident)):
        for path in paths:
            answer = wire.get(path)
            assert answer.status_code in (400, 404), f"{path}: {answer.status_code} {answer.text}"
            assert set(answer.json()) == {"error"}, path


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Original-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_only_the_host_says_which_vault_is_meant(crossing, resident, name, header):
    for place in (HERE, THERE):
        crossing.make(place, "secrets", name)
    host = crossing.server.vault_host(ASIDE)
    value = {"Forwarded": f"host={host}"}.get(header, f"https://{host}/secrets/{name}" if header.endswith("URL") else host)
    answer = crossing.of(HERE, resident).get(f"/secrets/{name}", headers={header: value})
    assert done(answer)["value"] == f"of {HERE}"


def test_the_name_in_the_handshake_gives_no_right(crossing, resident, name):
    """The connection was made for one vault, and the request is for another: the request counts."""
    for place in (HERE, THERE):
        crossing.make(place, "secrets", name)
    elsewhere = {"Host": crossing.server.vault_host(ASIDE)}
    assert_forbidden(crossing.of(HERE, resident).get(f"/secrets/{name}", headers=elsewhere), "ForbiddenByRbac")
    assert done(crossing.wire(HERE).get(f"/secrets/{name}", headers=elsewhere))["value"] == f"of {THERE}"


def test_an_address_and_a_host_that_differ_reach_nothing_of_another_vault(crossing, resident, name):
    for place in (HERE, THERE):
        crossing.make(place, "secrets", name)
    token = crossing.of(HERE, resident).token
    for vault, target in ((TWIN, ASIDE), (ASIDE, TWIN)):
        with Connection(crossing.server, vault) as connection:
            address = f"{crossing.server.vault_url(target)}/secrets/{name}?api-version=7.4"
            answer = connection.exchange(connection.request("GET", address, f"Authorization: Bearer {token}"))
        assert answer.status in (400, 403, 404), f"{answer.status} {answer.body}"
        assert f"of {THERE}".encode() not in answer.body


# Deleted objects


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_deleted_object_is_neither_seen_nor_recovered_nor_purged_from_another_vault(crossing, name, collection):
    crossing.make(HERE, collection, name)
    recovery = urlsplit(done(crossing.wire(HERE).delete(f"/{collection}/{name}"))["recoveryId"]).path
    with unchanged((crossing.wire(HERE), recovery), (crossing.wire(THERE), f"/deleted{collection}")):
        for method, path in (("GET", ""), ("POST", "/recover"), ("DELETE", "")):
            assert_not_found(crossing.wire(THERE).call(method, recovery + path), collection, method)
    assert crossing.wire(HERE).post(f"{recovery}/recover").status_code == 200


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("end", ["recover", "purge"])
def test_of_two_deleted_objects_of_one_name_each_is_of_its_vault(crossing, name, collection, end):
    for place in (HERE, THERE):
        crossing.make(place, collection, name)
        done(crossing.wire(place).delete(f"/{collection}/{name}"))
    path = f"/deleted{collection}/{name}"
    with unchanged((crossing.wire(HERE), path), (crossing.wire(HERE), f"/{collection}/{name}")):
        wire = crossing.wire(THERE)
        assert (wire.post(f"{path}/recover") if end == "recover" else wire.delete(path)).status_code in (200, 204)
    assert crossing.wire(THERE).get(path).status_code == 404


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_deleted_key_is_of_its_place(crossing, name, here, there):
    crossing.make(here, "keys", name)
    crossing.keys(here).delete(name)
    path = f"/deletedkeys/{name}"
    with unchanged((crossing.wire(here), path)):
        for method, rest in (("GET", ""), ("POST", "/recover"), ("DELETE", "")):
            assert_not_found(crossing.wire(there).call(method, path + rest), "keys", f"{method} {rest}")
        # The name is free there, and what is made under it is another key.
        crossing.make(there, "keys", name)


# Pending operations


def begin(crossing, place: str, name: str) -> Certificates:
    certificates = Certificates(crossing.wire(place))
    certificates.begin(name, policy("Unknown"))
    return certificates


def test_a_pending_operation_is_of_its_vault(crossing, name):
    here = begin(crossing, HERE, name)
    signed = base64_of(Authority().answer(request_of(here.pending(name))))
    with unchanged((crossing.wire(HERE), f"/certificates/{name}/pending"), (crossing.wire(THERE), "/certificates")):
        for method, path, sent in [
            ("GET", "", None), ("PATCH", "", {"cancellation_requested": True}), ("DELETE", "", None), ("POST", "/merge", {"x5c": [signed]}),
        ]:
            answer = crossing.wire(THERE).call(method, f"/certificates/{name}/pending{path}", json=sent)
            assert refusal(answer) in [(404, "PendingCertificateNotFound"), (404, "CertificateNotFound")], f"{method} {path}"
    assert crossing.wire(HERE).post(f"/certificates/{name}/pending/merge", json={"x5c": [signed]}).status_code in (200, 201)


def test_of_two_pending_operations_of_one_name_each_is_of_its_vault(crossing, name):
    here, there = (begin(crossing, place, name) for place in (HERE, THERE))
    assert here.pending(name)["request_id"] != there.pending(name)["request_id"]
    signed = der(Authority().answer(request_of(here.pending(name))))
    path = f"/certificates/{name}/pending"
    with unchanged((crossing.wire(HERE), path), (crossing.wire(THERE), path)):
        assert refusal(there.ask_merge(name, signed))[0] == 400
        # The number of one is not that of the other.
        number = {"request_id": here.pending(name)["request_id"]}
        assert refusal(crossing.wire(THERE).get(path, query=number)) == (404, "PendingCertificateNotFound")
    with unchanged((crossing.wire(HERE), path)):
        assert done(crossing.wire(THERE).patch(path, json={"cancellation_requested": True}))
        assert crossing.wire(THERE).delete(path).status_code == 200
    assert here.ask_merge(name, signed).status_code in (200, 201)
    assert_not_found(crossing.wire(THERE).get(f"/certificates/{name}/{here.get(name)['id'].rsplit('/', 1)[1]}"), "certificates")


# Backups


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_backup_is_restored_by_who_may_restore_there_and_by_no_other(crossing, resident, name, collection):
    crossing.make(HERE, collection, name)
    mine = crossing.of(HERE, resident)
    blob = done(mine.post(f"/{collection}/{name}/backup"))
    with unchanged((crossing.wire(THERE), f"/{collection}"), (crossing.wire(THERE), f"/deleted{collection}")):
        assert_forbidden(crossing.of(THERE, resident).post(f"/{collection}/restore", json=blob), "ForbiddenByRbac")
    restored = done(crossing.wire(THERE).post(f"/{collection}/restore", json=blob))
    assert crossing.wire(HERE).base not in str(restored) and crossing.wire(THERE).base in str(restored)
    # The copy is the other vault's: who may do everything here cannot reach it.
    assert_forbidden(crossing.of(THERE, resident).get(f"/{collection}/{name}"), "ForbiddenByRbac")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_copy_and_what_it_is_a_copy_of_go_their_own_ways(crossing, name, collection):
    version = crossing.make(HERE, collection, name)
    path, copy = f"/{collection}/{name}/{version}", crossing.wire(THERE)
    done(copy.post(f"/{collection}/restore", json=done(crossing.wire(HERE).post(f"/{collection}/{name}/backup"))))
    with unchanged((crossing.wire(HERE), path), (crossing.wire(HERE), f"/{collection}/{name}/versions")):
        done(copy.patch(path, json={"tags": {"of": "the copy"}, "attributes": {"enabled": False}}))
        done(copy.delete(f"/{collection}/{name}"))
        assert copy.delete(f"/deleted{collection}/{name}").status_code == 204
    assert_not_found(copy.get(path), collection)


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_backup_of_a_key_goes_from_vault_to_vault_and_from_pool_to_pool(crossing, name, here, there):
    crossing.make(here, "keys", name)
    backup = crossing.keys(here).backup(name)
    if here.split()[1] == there.split()[1]:
        crossing.keys(there).restore(backup)
        crossing.keys(there).delete(name)
        crossing.keys(there).purge(name)
    else:
        with unchanged((crossing.wire(there), "/keys"), (crossing.wire(there), "/deletedkeys")):
            assert_bad_parameter(crossing.wire(there).post("/keys/restore", json={"value": backup}))
    signature = crossing.keys(here).sign(name, "ES256", DIGEST)
    assert crossing.keys(here).verify(name, "ES256", DIGEST, signature)


def test_a_backup_goes_into_a_vault_of_another_place_and_group_and_into_no_deleted_one(crossing, name):
    """One server is one subscription; regions are words here."""
    crossing.make(HERE, "secrets", name)
    backup = {"value": crossing.wire(HERE).backup_secret(name)}
    arm = Arm.of(crossing.server)
    assert arm.wire.put(arm.group("far"), version="2022-12-01", json={"location": "eastus"}).status_code == 200
    far = arm.create(group="far")
    assert arm.get(far, "far")["location"] == LOCATION != arm.get(TWIN)["location"]
    wire = crossing.server.wire(far)
    assert done(wire.post("/secrets/restore", json=backup))["id"].startswith(f"{wire.base}/secrets/{name}/")
    assert arm.ask_delete(far, group="far").status_code == 200
    answer = wire.post("/secrets/restore", json=backup)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "VaultNotFound")


# Transfer of keys, tags of answers


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_key_that_was_wrapped_for_one_place_opens_in_no_other(crossing, name, here, there):
    """Both have a key-exchange key of the name."""
    exchange, other = (crossing.keys(place).create(f"{name}-exchange", "RSA-HSM", key_ops=["import"]) for place in (here, there))
    ciphertext = wrapped_for(exchange_key(exchange), b"k" * 32)
    right = body("oct-HSM", document(exchange["key"]["kid"], ciphertext))
    renamed = body("oct-HSM", document(other["key"]["kid"], ciphertext))
    with unchanged((crossing.wire(there), "/keys"), (crossing.wire(there), f"/keys/{name}")):
        for sent in (right, renamed):
            assert_bad_parameter(crossing.wire(there).put(f"/keys/{name}", json=sent))
    assert done(crossing.wire(here).put(f"/keys/{name}", json=right))["key"]["kty"] == "oct-HSM"


def test_what_one_key_made_another_of_its_name_does_not_take(crossing, name):
    """Ciphertexts and signatures are of a key, whatever its name and the place."""
    here, there = (Keys(crossing.wire(place)) for place in (HERE, "the pool twin"))
    for keys in (here, there):
        keys.create(f"{name}-aes", "oct-HSM")
        keys.create(f"{name}-ec", "EC-HSM")
    wrapped = here.use("wrapkey", f"{name}-aes", "A256KW", b"t" * 32)
    assert_bad_parameter(there.ask("unwrapkey", f"{name}-aes", "A256KW", wrapped))
    signature = here.sign(f"{name}-ec", "ES256", DIGEST)
    assert here.verify(f"{name}-ec", "ES256", DIGEST, signature) and not there.verify(f"{name}-ec", "ES256", DIGEST, signature)


def test_a_tag_of_one_vault_says_nothing_in_another(crossing, name):
    """Both hold the same value, made by the same steps."""
    tags = {}
    for place in (HERE, THERE):
        crossing.wire(place).set_secret(name, "the same")
        tags[place] = crossing.wire(place).get(f"/secrets/{name}").headers["ETag"]
    assert crossing.wire(HERE).get(f"/secrets/{name}", headers={"If-None-Match": tags[HERE]}).status_code == 304
    for place, other in ((HERE, THERE), (THERE, HERE)):
        answer = crossing.wire(place).get(f"/secrets/{name}", headers={"If-None-Match": tags[other]})
        assert done(answer)["id"].startswith(crossing.wire(place).base)


def test_a_tag_of_what_was_purged_says_nothing_of_what_was_restored(crossing, name):
    """One address and one version; what is there now is not what the tag was given for (RFC 9110 §8.8.1)."""
    wire = crossing.wire(HERE)
    wire.set_secret(name)
    backup = wire.backup_secret(name)
    assert done(wire.patch(f"/secrets/{name}/", json={"contentType": "before"}))
    tag = wire.get(f"/secrets/{name}").headers["ETag"]
    wire.delete_secret(name)
    assert wire.delete(f"/deletedsecrets/{name}").status_code == 204
    done(wire.post("/secrets/restore", json={"value": backup}))
    assert done(wire.patch(f"/secrets/{name}/", json={"contentType": "after"}))
    answer = wire.get(f"/secrets/{name}", headers={"If-None-Match": tag})
    assert done(answer)["contentType"] == "after"
