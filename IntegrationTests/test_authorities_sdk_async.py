"""Certificates from an authority inside, asked for with the asynchronous client."""

import asyncio

from harness.authorities_public import verify_chain
from harness.authorities_sdk import read, wanted

pytest_plugins = ["harness.authorities_fixtures", "harness.certificates_fixtures"]

FAST = {"_polling_interval": 0.2}


async def test_an_issuer_is_made_and_certificates_come_at_once(certificate_aclient, authorities, root, name, tmp_path):
    issuer = await certificate_aclient.create_issuer(name, "OnPremiseCA", account_id=root)
    assert (issuer.provider, issuer.account_id) == ("OnPremiseCA", root)
    asked = [certificate_aclient.create_certificate(f"{name}-{number}", wanted(name), **FAST) for number in range(5)]
    leaves = [read(made) for made in await asyncio.gather(*asked)]
    assert len({leaf.serial_number for leaf in leaves}) == 5
    assert ": OK" in verify_chain(tmp_path, leaves[0], [authorities.certificate(root)])


async def test_a_second_version_comes_by_the_stored_policy(certificate_aclient, issuer, name):
    first = await certificate_aclient.create_certificate(name, wanted(issuer), **FAST)
    second = await certificate_aclient.create_certificate(name, await certificate_aclient.get_certificate_policy(name), **FAST)
    assert read(second).issuer == read(first).issuer
    assert read(second).serial_number != read(first).serial_number
    assert {one.version async for one in certificate_aclient.list_properties_of_certificate_versions(name)} == {
        first.properties.version,
        second.properties.version,
    }
