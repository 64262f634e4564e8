"""The parts of the benchmark that use keys, and their yardsticks: OpenSSL's and SoftHSM's bare operations."""

import base64
import contextlib
import functools
import json
import os
import subprocess
import time
import urllib.parse

from programs import HERE, BenchmarkError, Wrk, wrk

PARTS = ["rs256", "es256", "decrypt", "gcm", "hsm-rs256", "hsm-es256", "create", "beside"]
YARDSTICKS = {
    "rs256": {"ratio": ["nginx", "openssl-rsa"]},
    "decrypt": {"ratio": ["nginx", "openssl-rsa"]},
    "es256": {"ratio": ["nginx", "openssl-ec"]},
    "gcm": {"ratio": ["nginx", "openssl-gcm"]},
    "hsm-rs256": {"ratio": ["softhsm-rsa"], "both": ["nginx", "softhsm-rsa"]},
    "hsm-es256": {"ratio": ["softhsm-ec"], "both": ["nginx", "softhsm-ec"]},
}
POOL = ("demohsm", "managedhsm")
VERSION = "?api-version=7.4"
GCM_BYTES = 256
OPENSSL = {
    "openssl-rsa": ["rsa2048"],  # signing, which is the private operation that decryption is too
    "openssl-ec": ["ecdsap256"],
    "openssl-gcm": ["-evp", "aes-256-gcm", "-bytes", str(GCM_BYTES)],
}
MODULES = [
    "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
]


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def make_key(client, name, **kind):
    """Makes a key; gives the path of its version."""
    made = client.call("POST", f"/keys/{name}/create{VERSION}", kind)
    return urllib.parse.urlsplit(made["key"]["kid"]).path


def operations(server):
    """Makes the keys; gives for each part the host, the path and the body of its request."""
    vault, pool = server.client(), server.client(*POOL)
    rsa = make_key(vault, "bench-rsa", kty="RSA", key_size=2048)
    ec = make_key(vault, "bench-ec", kty="EC", crv="P-256")
    hsm_rsa = make_key(vault, "bench-rsa-hsm", kty="RSA-HSM", key_size=2048)
    hsm_ec = make_key(vault, "bench-ec-hsm", kty="EC-HSM", crv="P-256")
    aes = make_key(pool, "bench-aes", kty="oct-HSM", key_size=256)
    plain = {"alg": "RSA-OAEP-256", "value": base64url(b"a data encryption key, 32 bytes!")}
    sealed = {**plain, "value": vault.call("POST", f"{rsa}/encrypt{VERSION}", plain)["value"]}
    if vault.call("POST", f"{rsa}/decrypt{VERSION}", sealed)["value"] != plain["value"]:
        raise BenchmarkError("what was encrypted does not decrypt")
    digest = base64url(bytes(range(32)))
    return {
        "rs256": ((), f"{rsa}/sign", {"alg": "RS256", "value": digest}),
        "decrypt": ((), f"{rsa}/decrypt", sealed),
        "es256": ((), f"{ec}/sign", {"alg": "ES256", "value": digest}),
        "gcm": (POOL, f"{aes}/encrypt", {"alg": "A256GCM", "value": base64url(bytes(GCM_BYTES))}),
        "hsm-rs256": ((), f"{hsm_rsa}/sign", {"alg": "RS256", "value": digest}),
        "hsm-es256": ((), f"{hsm_ec}/sign", {"alg": "ES256", "value": digest}),
    }


def openssl_speed(what, seconds):
    """OpenSSL's operations per second in two processes."""
    command = ["openssl", "speed", "-mr", "-multi", "2", "-seconds", str(seconds), *OPENSSL[what]]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    # The last line is the sum: +F2:NUMBER:BITS:SIGNATURES:..., +F4:the same, +F:NUMBER:NAME:BYTES.
    kind, _, _, value = run.stdout.splitlines()[-1].split(":")[:4]
    return {"rate": float(value) / (GCM_BYTES if kind == "+F" else 1)}


class SoftHSM:
    """The rate of signatures in SoftHSM without a server, with a token of its own."""

    PIN = "123456"

    def __init__(self, folder):
        self.folder, self.program = folder / "softhsm", folder / "softhsm-rate"
        self.module = next(filter(os.path.exists, MODULES), None)
        self.environment = {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def start(self):
        if not self.module:
            raise BenchmarkError("SoftHSM is not installed (Debian: softhsm2)")
        (self.folder / "tokens").mkdir(parents=True)
        (self.folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "bench", "--so-pin", self.PIN, "--pin", self.PIN],
            check=True, capture_output=True, env=self.environment)
        flags = subprocess.run(
            ["pkg-config", "--cflags", "p11-kit-1"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(
            ["gcc", "-O2", *flags, "-o", self.program, HERE / "softhsm.c", "-ldl", "-pthread"], check=True)

    def rate(self, kind, seconds):
        run = subprocess.run(
            [self.program, self.module, self.PIN, kind, str(seconds)], capture_output=True, text=True,
            env=self.environment)
        if run.returncode:
            raise BenchmarkError(f"softhsm.c failed: {run.stderr}")
        return {"rate": float(run.stdout)}


def create(server, seconds, token):
    """P-256 keys, each of a name never used before."""
    return wrk(
        "create", server.url(), seconds, server, token=token, run=time.time_ns(),
        body=json.dumps({"kty": "EC", "crv": "P-256"}))


def beside(server, seconds, token, sign):
    """GET of a secret while keys are made and signatures are given without pause."""
    url, longer = server.url(), seconds + 2  # from a second before to a second after
    with contextlib.ExitStack() as running:
        # A large key may take long when everybody else goes first: that is no fault.
        making = Wrk(
            "create", url, longer, connections=2, timeout=600, token=token, run=time.time_ns(),
            body=json.dumps({"kty": "RSA", "key_size": 4096}))
        running.callback(making.close)
        signing = Wrk("post", url, longer, connections=16, token=token, **sign)
        running.callback(signing.close)
        time.sleep(1)
        result = wrk("get-one", url, seconds, server, connections=16, token=token)
        made, signed = making.result(), signing.result()
    del result["cpu"]  # it is that of all three
    return {
        **result, "throttled": made["throttled"],
        "created": (made["requests"] - made["throttled"]) / made["duration"] * 1e6,
        "signed": signed["requests"] / signed["duration"] * 1e6,
    }


def yardsticks(seconds):
    """OpenSSL's bare operations."""
    return {name: functools.partial(openssl_speed, name, min(3, seconds)) for name in OPENSSL}


def runs(server, folder, seconds):
    """Makes keys and a token, and gives what can be run in a round, in its order."""
    softhsm, short = SoftHSM(folder), min(3, seconds)
    softhsm.start()
    tokens = {(): server.token(), POOL: server.token(POOL[1])}
    asked = {
        part: (host, {"path": path + VERSION, "body": json.dumps(body)})
        for part, (host, path, body) in operations(server).items()
    }

    def load(part):
        host, request = asked[part]
        return lambda: wrk("post", server.url(*host), seconds, server, token=tokens[host], **request)

    measured = {
        **yardsticks(seconds),
        **{f"softhsm-{kind}": functools.partial(softhsm.rate, kind, short) for kind in ("rsa", "ec")},
    }
    ordered = {}
    for part in asked:
        own = YARDSTICKS[part]["ratio"][-1]
        ordered |= {own: measured[own], part: load(part)}
    return ordered | {
        "create": lambda: create(server, seconds, tokens[()]),
        "beside": lambda: beside(server, seconds, tokens[()], asked["rs256"][1]),
    }
