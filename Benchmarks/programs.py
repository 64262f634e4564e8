"""The programs of a benchmark: Strongroom, nginx, wrk and the disk's sync rate. What is started here, `close` stops."""

import getpass
import grp
import http.client
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
HOST = "demo.vault.localhost"
THREADS, CONNECTIONS = 2, 32


class BenchmarkError(Exception):
    """Something that makes the numbers worthless; its text says what."""


def free_port():
    """A port that is free on IPv4 and IPv6 loopback now."""
    while True:
        with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            port = four.getsockname()[1]
            try:
                six.bind(("::1", port))
            except OSError as error:
                if error.errno == 98:  # in use
                    continue
            return port


def cpu_seconds(pids):
    """User and system time that these processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def foreign_cpu_seconds(pids):
    """What all other programs of the machine have used so far: all but these processes, this one and its children."""
    user, nice, system, _, _, irq, softirq = map(int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return busy - cpu_seconds(pids) - sum(os.times()[:4])


def stop(process, patience=40):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Strongroom:
    """`strongroom dev` on a data folder of its own, with the vaults `demo` and `list`."""

    def __init__(self, binary, folder):
        self.binary, self.data, self.log = binary, folder / "data", folder / "strongroom.log"
        self.port = free_port()
        self.process = None

    def start(self):
        """Starts the server; gives the seconds from spawning it to its line `Strongroom is ready`."""
        options = ["dev", "--data", self.data, "--port", str(self.port), "--vault", "demo", "--vault", "list"]
        ready, when = threading.Event(), []

        def read_output(stream):
            with stream, open(self.log, "ab") as log:
                for line in stream:
                    if line.startswith(b"Strongroom is ready"):
                        when.append(time.monotonic())
                        ready.set()
                    log.write(line)
            ready.set()

        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=read_output, args=[self.process.stdout], daemon=True).start()
        ready.wait(60)
        if not when:
            stop(self.process)
            raise BenchmarkError(f"strongroom did not get ready; its last words:\n{self.last_words()}")
        return when[0] - begin

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:]) if self.log.exists() else ""

    def restart(self):
        self.close()
        return self.start()

    def close(self):
        if self.process:
            stop(self.process)
            self.process = None

    @property
    def pids(self):
        return [self.process.pid]

    @property
    def resident_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchmarkError("strongroom has stopped")

    @property
    def tls(self):
        return ssl.create_default_context(cafile=self.data / "ca.pem")

    def url(self, name="demo", service="vault"):
        return f"https://{name}.{service}.localhost:{self.port}"

    def token(self, service="vault"):
        """A token of the client in client.env, from the server's own token endpoint."""
        lines = (self.data / "client.env").read_text().splitlines()
        client = dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials",
            "client_id": client["AZURE_CLIENT_ID"],
            "client_secret": client["AZURE_CLIENT_SECRET"],
            "scope": f"https://{service}.localhost:{self.port}/.default",
        })
        url = f"https://login.localhost:{self.port}/{client['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        with urllib.request.urlopen(url, form.encode(), context=self.tls, timeout=30) as answer:
            return json.load(answer)["access_token"]

    def client(self, name="demo", service="vault"):
        return Client(f"{name}.{service}.localhost", self.port, self.tls, self.token(service))


class Client:
    """One keep-alive connection to a vault or a pool."""

    def __init__(self, host, port, tls, token):
        self.connection = http.client.HTTPSConnection(host, port, context=tls, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise BenchmarkError(f"{method} {path} answered {answer.status}: {content[:300].decode(errors='replace')}")
        return json.loads(content)

    def names(self):
        """All names of the vault, by pages of 25."""
        names, path = [], "/secrets?api-version=7.4&maxresults=25"
        while path:
            page = self.call("GET", path)
            names += [item["id"].rpartition("/")[2] for item in page["value"]]
            link = urllib.parse.urlsplit(page.get("nextLink") or "")
            path = link.path and f"{link.path}?{link.query}"
        return names


class Nginx:
    """nginx with two workers that serves one static file over TLS 1.3."""

    def __init__(self, folder):
        self.folder, self.port, self.plain, self.process = folder, free_port(), free_port(), None

    def start(self):
        self.folder.mkdir()
        (self.folder / "answer").write_text("x" * 300)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", f"/CN={HOST}", "-days", "2", "-keyout", "key.pem", "-out", "certificate.pem"],
            cwd=self.folder, check=True, capture_output=True)
        configuration = (HERE / "nginx.conf").read_text()
        for name, value in {
            "USER": f"{getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}",  # whom its workers run as
            "FOLDER": str(self.folder), "PORT": str(self.port), "PLAIN": str(self.plain),
            "HOST": HOST,
        }.items():
            configuration = configuration.replace(f"@{name}@", value)
        (self.folder / "nginx.conf").write_text(configuration)
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        self.process = subprocess.Popen(
            [nginx, "-p", self.folder, "-c", "nginx.conf", "-e", "error.log"],
            stderr=(self.folder / "start.log").open("wb"))
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise BenchmarkError(f"nginx did not start: {(self.folder / 'start.log').read_text()}")

    def close(self):
        if self.process:
            stop(self.process)

    @property
    def pids(self):
        pid = self.process.pid
        return [pid, *pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def url(self):
        return f"https://{HOST}:{self.port}/answer"

    def plain_url(self):
        return f"http://{HOST}:{self.plain}/answer"


def cipher(port):
    """The TLS version and cipher suite that a server agrees on with OpenSSL's defaults, as wrk has them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as secure:
            return f"{secure.version()} {secure.cipher()[0]}"


class Wrk:
    """A script of the folder wrk/ on its way; `variables` are its environment, each with BENCH_ before its name."""

    def __init__(self, script, url, seconds, connections=CONNECTIONS, timeout=10, **variables):
        self.script = script
        self.process = subprocess.Popen(
            ["wrk", f"-t{THREADS}", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{timeout}s",
             "-s", f"{script}.lua", url],
            cwd=HERE / "wrk", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **{f"BENCH_{name.upper()}": str(value) for name, value in variables.items()}})

    def result(self):
        """Waits for its end; gives what `done` of common.lua says. `throttled` requests are not among the refused."""
        output = self.process.communicate()[0]
        results = [line.partition(" ")[2] for line in output.splitlines() if line.startswith("RESULT ")]
        if self.process.returncode or not results:
            raise BenchmarkError(f"wrk {self.script} failed: {output}")
        result = json.loads(results[0])
        if result["refused"] or result["broken"]:
            raise BenchmarkError(f"wrk {self.script}: not every request was answered well: {result}")
        return result

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def wrk(script, url, seconds, server, **options):
    """Runs a script of the folder wrk/; gives rate, latencies in milliseconds and the server's CPU per request."""
    begin = cpu_seconds(server.pids)
    result = Wrk(script, url, seconds, **options).result()
    used = cpu_seconds(server.pids) - begin
    if not result["requests"] or result["throttled"]:
        raise BenchmarkError(f"wrk {script}: not every request was answered well: {result}")
    return {
        "rate": result["requests"] / result["duration"] * 1e6,
        "p50": result["p50"] / 1e3,
        "p99": result["p99"] / 1e3,
        "cpu": used / result["requests"] * 1e6,
    }


def wrk_seed(url, token, secrets, script="seed", **variables):
    """Runs a script that seeds until each of its threads has said that all its requests are answered."""
    run = Wrk(script, url, 600, token=token, secrets=secrets, threads=THREADS, **variables)
    try:
        finished = 0
        for line in run.process.stdout:
            finished += line.startswith("SEEDED")
            if finished == THREADS:
                run.process.send_signal(signal.SIGINT)  # wrk would wait for its time to pass
                break
        run.process.stdout.read()
    finally:
        run.close()
    if finished < THREADS:
        raise BenchmarkError("seeding did not end within ten minutes")


class Disk:
    """The rate of single-writer fdatasync in a folder."""

    def __init__(self, folder):
        self.folder, self.program = folder, folder / "fdatasync"

    def start(self):
        subprocess.run(["gcc", "-O2", "-o", self.program, HERE / "fdatasync.c"], check=True)

    def syncs(self, seconds):
        return float(subprocess.run(
            [self.program, self.folder, str(seconds)], check=True, capture_output=True, text=True).stdout)
