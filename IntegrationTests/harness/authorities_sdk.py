"""Certificates of every kind, as the Azure clients ask an authority for them and as independent libraries read them."""

from azure.keyvault.certificates import CertificatePolicy
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from cryptography.x509.verification import PolicyBuilder, Store

KINDS = {
    "RSA-2048": {"key_type": "RSA", "key_size": 2048},
    "RSA-3072": {"key_type": "RSA", "key_size": 3072},
    "RSA-4096": {"key_type": "RSA", "key_size": 4096},
    "P-256": {"key_type": "EC", "key_curve_name": "P-256"},
    "P-384": {"key_type": "EC", "key_curve_name": "P-384"},
    "P-521": {"key_type": "EC", "key_curve_name": "P-521"},
    "P-256K": {"key_type": "EC", "key_curve_name": "P-256K"},
    "RSA-HSM": {"key_type": "RSA-HSM", "key_size": 2048, "exportable": False},
    "EC-HSM": {"key_type": "EC-HSM", "key_curve_name": "P-256", "exportable": False},
}

# The profile of the web's root programmes, by which `x509.verification` judges, does not know this curve.
UNKNOWN_TO_THE_WEB = {"P-256K"}


def wanted(issuer: str, kind: str = "P-256", **parts) -> CertificatePolicy:
    parts = {"subject": "CN=www.example.com", "san_dns_names": ["www.example.com"], "validity_in_months": 3, **parts}
    return CertificatePolicy(issuer, **KINDS[kind], **parts)


def read(made) -> x509.Certificate:
    """The certificate of what a client answers."""
    return x509.load_der_x509_certificate(bytes(made.cer))


def verified_for_the_web(leaf: x509.Certificate, chain: list[x509.Certificate], name: str) -> list[x509.Certificate]:
    """The chain that an independent library builds for a host, from the leaf to the root."""
    verifier = PolicyBuilder().store(Store([chain[-1]])).build_server_verifier(x509.DNSName(name))
    return verifier.verify(leaf, chain[:-1])


def extension(certificate: x509.Certificate, kind: type):
    return certificate.extensions.get_extension_for_class(kind).value


def addresses_of(certificate: x509.Certificate) -> dict[str, list[str]]:
    """Where a certificate says its issuer's answers are."""
    access = extension(certificate, x509.AuthorityInformationAccess)
    points = {"crl": x509.CRLDistributionPoints, "delta": x509.FreshestCRL}
    return {
        "ocsp": [one.access_location.value for one in access if one.access_method == AuthorityInformationAccessOID.OCSP],
        "issuer": [one.access_location.value for one in access if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS],
        **{
            label: [name.value for point in extension(certificate, kind) for name in point.full_name]
            for label, kind in points.items()
        },
    }
