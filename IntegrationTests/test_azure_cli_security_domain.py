"""The security domain of a pool through the unmodified Azure CLI: out of one pool, into two others."""

import json

import pytest

from harness.hsm_pool import pool_wire
from harness.security_domain import NOT_ACTIVATED, Domain, DomainFile, activation, holders, new_pool

pytest_plugins = ["harness.azure_cli_fixtures"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[int, tuple[str, str]]:
    """The certificate and the private key of each of four holders."""
    folder = tmp_path_factory.mktemp("holders")
    return {number: holder.save(folder, f"holder{number}") for number, holder in enumerate(holders()[:4])}


@pytest.fixture(scope="module")
def downloaded(server, az, files, tmp_path_factory) -> tuple[str, str]:
    """A pool that `az` activated, and the file it wrote."""
    pool, path = new_pool(server), tmp_path_factory.mktemp("domain") / "domain.json"
    told = az.json(
        f"keyvault security-domain download --hsm-name {pool} --sd-quorum 2 --security-domain-file {path}",
        "--sd-wrapping-keys", *(certificate for certificate, _ in files.values()))
    assert told["status"] == "Success"
    return pool, str(path)


def plain_of(server, pool: str) -> bytes:
    return Domain(pool_wire(server, pool=pool)).download(holders()[:3]).plain(holders()[:2])


@pytest.mark.operation("SecurityDomainDownload")
@pytest.mark.operation("SecurityDomainDownloadStatus")
def test_a_pool_is_activated(server, az, files, tmp_path):
    pool, path = new_pool(server), tmp_path / "domain.json"
    told = az.json(
        f"keyvault security-domain download --hsm-name {pool} --sd-quorum 3 --security-domain-file {path}",
        "--sd-wrapping-keys", *(certificate for certificate, _ in files.values()))
    assert told["status"] == "Success" and activation(server, pool) == "Active"
    assert az.json(f"keyvault security-domain wait --hsm-name {pool} --target-operation download") == told
    file = DomainFile(path.read_text())
    assert (file.required, len(file.entries())) == (3, 4) and file.plain(holders()[1:4]) == plain_of(server, pool)


@pytest.mark.operation("SecurityDomainTransferKeyGet")
@pytest.mark.operation("SecurityDomainUpload")
@pytest.mark.operation("SecurityDomainUploadStatus")
def test_a_domain_is_brought_into_other_pools(server, az, files, downloaded, tmp_path):
    source, domain = downloaded
    first, second = new_pool(server), new_pool(server)
    keys = ["--sd-wrapping-keys", files[3][1], files[1][1]]
    # In one step.
    az.run(f"keyvault security-domain init-recovery --hsm-name {first} --sd-exchange-key {tmp_path}/first.cer")
    told = az.json(
        f"keyvault security-domain upload --hsm-name {first} --sd-file {domain} --sd-exchange-key {tmp_path}/first.cer", *keys)
    assert told["status"] == "Success" and activation(server, first) == "Active"
    # In two, the first of them where the private keys are.
    az.run(f"keyvault security-domain init-recovery --hsm-name {second} --sd-exchange-key {tmp_path}/second.cer")
    az.run(
        f"keyvault security-domain restore-blob --sd-file {domain} --sd-exchange-key {tmp_path}/second.cer"
        f" --sd-file-restore-blob {tmp_path}/blob.json", *keys)
    assert set(json.loads((tmp_path / "blob.json").read_text())) == {"EncData", "WrappedKey"}
    told = az.json(f"keyvault security-domain upload --hsm-name {second} --sd-file {tmp_path}/blob.json --restore-blob")
    assert told["status"] == "Success" and activation(server, second) == "Active"
    assert plain_of(server, source) == plain_of(server, first) == plain_of(server, second)
    refused = az.refused(f"keyvault security-domain upload --hsm-name {second} --sd-file {tmp_path}/blob.json --restore-blob")
    assert "has a security domain already" in refused


def test_what_is_not_right_is_refused(server, az, files, downloaded, tmp_path):
    _, domain = downloaded
    pool, other = new_pool(server), new_pool(server)
    for name in (pool, other):
        az.run(f"keyvault security-domain init-recovery --hsm-name {name} --sd-exchange-key {tmp_path}/{name}.cer")
    blob = f"keyvault security-domain restore-blob --sd-file {domain} --sd-file-restore-blob {tmp_path}/blob.json"
    exchange = f"--sd-exchange-key {tmp_path}/{other}.cer --sd-wrapping-keys"
    az.run(f"{blob} {exchange}", files[0][1], files[1][1])
    said = az.refused(f"keyvault security-domain upload --hsm-name {pool} --sd-file {tmp_path}/blob.json --restore-blob")
    assert "(BadParameter) The security domain cannot be opened" in said
    said = az.refused(
        f"keyvault security-domain download --hsm-name {pool} --sd-quorum 4 --security-domain-file {tmp_path}/none.json",
        "--sd-wrapping-keys", *(files[number][0] for number in range(3)))
    assert "(BadParameter) Property 'required'" in said and not (tmp_path / "none.json").exists()
    assert activation(server, pool) == activation(server, other) == NOT_ACTIVATED
