"""Whether the time of a refused decryption tells what was wrong with its padding. Benchmarks/README.md says how to run it.

Ends with 0 when no two kinds of wrong padding differ, 1 when two do (or their answers), 2 when the measurement is no good.
"""

import base64
import contextlib
import gc
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
import traceback

import difference
import paddings
from keys import POOL, VERSION, base64url, make_key
from programs import BenchmarkError, Strongroom

WARM_UP = 100


class Connection:
    """One keep-alive connection that is timed: a request in one write, and its whole answer."""

    def __init__(self, server, host):
        name = f"{'.'.join(host or ('demo', 'vault'))}.localhost"
        plain = socket.create_connection(("127.0.0.1", server.port), 30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = server.tls.wrap_socket(plain, server_hostname=name)
        token = server.token(*host[1:])
        self.head = (f"Host: {name}:{server.port}\r\nAuthorization: Bearer {token}\r\n"
                     "Content-Type: application/json\r\nContent-Length: ")

    def request(self, path, body):
        content = json.dumps(body)
        return f"POST {path}{VERSION} HTTP/1.1\r\n{self.head}{len(content)}\r\n\r\n{content}".encode()

    def timed(self, request):
        """The microseconds from sending to the answer's last byte; its status and its body."""
        begin = time.perf_counter_ns()
        self.socket.sendall(request)
        answer = self.socket.recv(65_536)
        while not self.is_whole(answer):
            more = self.socket.recv(65_536)
            if not more:
                raise BenchmarkError("the server closed the connection")
            answer += more
        end = time.perf_counter_ns()
        head, _, body = answer.partition(b"\r\n\r\n")
        return (end - begin) / 1e3, head.split(b" ", 2)[1], body

    @staticmethod
    def is_whole(answer):
        head, separator, body = answer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return separator and len(body) >= int(lengths[0].partition(b":")[2])


def rsa_kinds(client, path, algorithm):
    """For an RSA key and an algorithm: what makes the body of a call, for each kind of wrong padding."""
    jwk = client.call("GET", path + VERSION)["key"]
    key = paddings.RSA(*(base64.urlsafe_b64decode(jwk[name] + "==") for name in "ne"))
    encodings = {
        "RSA1_5": lambda: paddings.pkcs1(key.size),
        "RSA-OAEP": lambda: paddings.oaep(key.size, "sha1"),
        "RSA-OAEP-256": lambda: paddings.oaep(key.size, "sha256"),
    }[algorithm]()
    return {
        kind: lambda encode=encode: {"alg": algorithm, "value": base64url(key.seal(encode()))}
        for kind, encode in encodings.items()
    }


def cbc_kinds(client, path):
    """The same for AES-CBC. One block whose decryption is known suffices: the block before it makes of it what is wanted."""
    iv, text = secrets.token_bytes(16), secrets.token_bytes(16)
    body = {"alg": "A256CBC", "value": base64url(text), "iv": base64url(iv)}
    sealed = base64.urlsafe_b64decode(client.call("POST", f"{path}/encrypt{VERSION}", body)["value"] + "==")
    opened = paddings.xor(text, iv)

    def body_of(block):
        value = paddings.xor(opened, block()) + sealed
        return {"alg": "A256CBCPAD", "value": base64url(value), "iv": base64url(secrets.token_bytes(16))}

    return {kind: lambda block=block: body_of(block) for kind, block in paddings.PKCS7.items()}


def groups(server):
    """What is compared: title, host, path, and the kinds of wrong padding. No vault or pool holds AES keys in software."""
    vault, pool = server.client(), server.client(*POOL)
    for holder, kty in {"software": "RSA", "HSM": "RSA-HSM"}.items():
        path = make_key(vault, f"timing-{holder}", kty=kty, key_size=2048)
        for algorithm in ("RSA1_5", "RSA-OAEP", "RSA-OAEP-256"):
            yield f"{algorithm}, {holder}", (), path, rsa_kinds(vault, path, algorithm)
    path = make_key(pool, "timing-aes", kty="oct-HSM", key_size=256)
    yield "A256CBCPAD, HSM", POOL, path, cbc_kinds(pool, path)


def sample(connection, path, kinds, calls):
    """Calls of all kinds in random order; gives the times of each kind, in order, and the answers of each.

    All requests are made before: the server must not see from a pause which kind comes next.
    """
    times, answers = {kind: [] for kind in kinds}, {kind: set() for kind in kinds}
    order = [kind for kind in kinds for _ in range(calls)]
    random.shuffle(order)
    order = random.choices(list(kinds), k=WARM_UP) + order
    requests = [connection.request(f"{path}/decrypt", kinds[kind]()) for kind in order]
    gc.disable()
    for number, (kind, request) in enumerate(zip(order, requests)):
        taken, *answer = connection.timed(request)
        answers[kind].add(tuple(answer))
        if number >= WARM_UP:
            times[kind].append(taken)
    gc.enable()
    return times, answers


def judge(title, times, answers):
    """Shows what was found in one group; gives whether kinds differ, and whether the control does."""
    median = statistics.median(time for each in times.values() for time in each)
    pairs, controls = difference.pairs(times), difference.controls(times)
    print(f"\n{title}: median {median:,.1f} us, resolves about {difference.resolution(times):.1f} us")
    print(f"  {'':34}{'shift us':>10}{'of median':>11}{'delta':>9}{'p':>11}")
    for found, name in [(pairs, ""), (controls, "control: ")]:
        for one in found:
            verdict = "   DIFFERS" if one.is_real else ""
            print(f"  {name + one.what:34}{one.shift:>10.2f}{one.shift / median:>11.2%}{one.delta:>9.4f}{one.p:>11.1e}"
                  + verdict)
    beyond = max(abs(one.shift) for one in controls)
    print(f"  {sum(abs(one.shift) > beyond for one in pairs)} of {len(pairs)} pairs are further apart than any control "
          f"({beyond:.2f} us), {sum(one.is_real for one in pairs)} of them significantly")
    statuses = {status for each in answers.values() for status, _ in each}
    if statuses != {b"400"}:
        raise BenchmarkError(f"{title}: not every call was refused with 400: {statuses}")
    told = len(set().union(*answers.values())) > 1
    if told:
        print(f"  THE ANSWERS DIFFER: {answers}")
    return told or any(one.is_real for one in pairs), any(one.is_real for one in controls)


def run(running):
    calls, only = int(os.environ.get("TIMING_CALLS", 5000)), os.environ.get("TIMING_ONLY", "")
    # In memory where that can be had: the wait for the disk, which every call has, only hides what is looked for.
    memory = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="timing-", dir=memory if os.access(memory, os.W_OK) else None))
    running.callback(shutil.rmtree, folder, ignore_errors=True)
    server = Strongroom(os.environ["STRONGROOM_BINARY"], folder)
    running.callback(server.close)
    server.start()
    print(f"{calls:,} calls of each kind in random order over one connection; a pair differs at p < "
          f"{difference.SIGNIFICANT:g} and a shift above 1 % of the median or 2 us")
    verdicts, connections = [], {}
    for title, host, path, kinds in groups(server):
        if only.lower() in title.lower():
            if host not in connections:
                connections[host] = Connection(server, host)
            times, answers = sample(connections[host], path, kinds, calls)
            verdicts.append((title, *judge(title, times, answers)))
    if not verdicts:
        raise BenchmarkError(f"TIMING_ONLY={only} fits nothing")
    differing = [title for title, differs, _ in verdicts if differs]
    unfit = [title for title, _, differs in verdicts if differs]
    print("\n" + (f"padding can be told: {'; '.join(differing)}" if differing else "no two kinds of wrong padding differ"))
    if unfit:
        print(f"but halves of one kind differ too, so do not trust: {'; '.join(unfit)}")
    return 2 if unfit else 1 if differing else 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as running:
            return run(running)
    except KeyboardInterrupt:
        return 130
    except BenchmarkError as error:
        print(f"timing: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    return 2


if __name__ == "__main__":
    sys.exit(main())
