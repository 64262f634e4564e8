"""The parts of the benchmark that issue certificates and tell their status: the internal authority, beside bare signing and nginx."""

import base64
import json
import os
import shlex
import subprocess
import time
import urllib.parse

from programs import CONNECTIONS, THREADS, BenchmarkError, Wrk, wrk

PARTS = ["issue", "certify", "ocsp"]
YARDSTICKS = {
    "issue": {"ratio": ["openssl-ec"]}, "certify": {"ratio": ["openssl-ec"]}, "ocsp": {"ratio": ["nginx-plain"]},
}
VERSION = "?api-version=7.4"
AUTHORITY = "bench-root"
POLICY = {
    "key_props": {"kty": "EC", "crv": "P-256", "exportable": True, "reuse_key": False},
    "secret_props": {"contentType": "application/x-pem-file"},
    "x509_props": {
        "subject": "CN=bench.example.com", "sans": {"dns_names": ["bench.example.com"]},
        "ekus": ["1.3.6.1.5.5.7.3.1"], "key_usage": ["digitalSignature"], "validity_months": 12,
    },
    "issuer": {"name": AUTHORITY},
}


def run(*command, **options):
    return subprocess.run([*map(str, command)], check=True, capture_output=True, **options)


class Authority:
    """A root with a P-256 key in the vault, an issuer of its name, and one certificate that it issued."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder / "authority"
        self.folder.mkdir()

    def start(self):
        lines = (self.server.data / "client.env").read_text().splitlines()
        client = dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        run(self.server.binary, "authority", "create-root", AUTHORITY, "--subject", "CN=Bench Root", "--curve", "P-256",
            env={**os.environ, **client})
        vault = self.server.client()
        vault.call("PUT", f"/certificates/issuers/{AUTHORITY}{VERSION}", {"provider": "OnPremiseCA"})
        key, request = self.folder / "leaf.key", self.folder / "leaf.csr"
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=bench.example.com", "-addext", "subjectAltName=DNS:bench.example.com", "-keyout", key,
            "-out", request)
        self.request = request.read_text()
        self.issue = f"/certificates/{AUTHORITY}/authority/issue{VERSION}"
        self.leaf, self.root = (
            base64.b64decode(each) for each in vault.call("POST", self.issue, {"csr": self.request})["x5c"][:2])

    def status_address(self):
        """A GET of the leaf's status, as RFC 6960 §A.1 has it."""
        for name, der in {"leaf": self.leaf, "root": self.root}.items():
            (self.folder / f"{name}.pem").write_bytes(
                b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n")
        question = self.folder / "question.der"
        run("openssl", "ocsp", "-issuer", self.folder / "root.pem", "-cert", self.folder / "leaf.pem", "-no_nonce",
            "-reqout", question)
        responder = run(
            "openssl", "x509", "-in", self.folder / "leaf.pem", "-noout", "-ocsp_uri", text=True).stdout.strip()
        return responder + "/" + urllib.parse.quote(base64.b64encode(question.read_bytes()).decode(), safe="")


def certify(server, seconds, token):
    """Certificates with keys of their own, asked for and made: the clock stops when the last one is there."""
    run_name = time.time_ns()
    begin = time.monotonic()
    load = Wrk(
        "create", server.url(), seconds, token=token, run=run_name, collection="certificates", body=json.dumps({"policy": POLICY})).result()
    if load["throttled"]:
        raise BenchmarkError(f"{load['throttled']} certificates were refused with 429")
    client = server.client()
    # Those that were on their way when the load ended may not have been taken.
    last = [(thread, number - CONNECTIONS // THREADS) for thread, number in enumerate(load["numbers"])]
    for thread, number in last:
        while (status := client.call(
                "GET", f"/certificates/made-{run_name}-{thread}-{number}/pending{VERSION}")["status"]) != "completed":
            if status != "inProgress" or time.monotonic() - begin > 300:
                raise BenchmarkError(f"a certificate is {status}")
            time.sleep(0.02)
    elapsed = time.monotonic() - begin
    return {"rate": load["requests"] / elapsed, "p50": load["p50"] / 1e3, "p99": load["p99"] / 1e3}


def runs(server, nginx, folder, seconds):
    authority, token = Authority(server, folder), server.token()
    authority.start()
    request = {"path": authority.issue, "body": json.dumps({"csr": authority.request})}
    address = authority.status_address()
    return {
        "issue": lambda: wrk("post", server.url(), seconds, server, token=token, **request),
        "certify": lambda: certify(server, seconds, token),
        "nginx-plain": lambda: wrk("static", nginx.plain_url(), seconds, nginx),
        "ocsp": lambda: wrk("static", address, seconds, server),
    }
