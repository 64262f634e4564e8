"""Measures Strongroom beside nginx, the disk, OpenSSL and SoftHSM, in one run, and shows the numbers beside the goals."""

import contextlib
import datetime
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import certificates
import identity
import keys
import report
from programs import HERE, BenchmarkError, Disk, Nginx, Strongroom, cipher, foreign_cpu_seconds, wrk, wrk_seed

# Which yardsticks a part is held against, one number each. Several are one after the other: the rate of doing all of them.
YARDSTICKS = {
    "get": {"ratio": ["nginx"]}, "random": {"ratio": ["nginx"]}, "set": {"ratio": ["disk"]}, **keys.YARDSTICKS,
    **certificates.YARDSTICKS, **identity.YARDSTICKS,
}
LOADS = ["get", "random", "set", *keys.PARTS, *certificates.PARTS, *identity.PARTS]
PARTS = ["rest", "start", "list", *LOADS]
NAMES_TO_LIST = 10_000


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def settings_from_environment():
    only = os.environ.get("BENCH_ONLY", "").replace(",", " ").split() or PARTS
    if unknown := set(only) - set(PARTS):
        raise BenchmarkError(f"BENCH_ONLY knows {', '.join(PARTS)}; not {', '.join(unknown)}")
    return {
        "seconds": int(os.environ.get("BENCH_SECONDS", 8)),
        "rounds": int(os.environ.get("BENCH_ROUNDS", 3)),
        "secrets": int(os.environ.get("BENCH_SECRETS", 100_000)),
        "names": NAMES_TO_LIST,
        "only": only,
    }


def seed(server, vault, count):
    """Puts the secrets bench-0 to bench-(count - 1) into a vault, and makes sure that they are there."""
    begin = time.monotonic()
    wrk_seed(server.url(vault), server.token(), count)
    client = server.client(vault)
    missing = {f"bench-{number}" for number in range(count)} - set(client.names())
    if len(missing) > 1000:
        raise BenchmarkError(f"{len(missing)} of {count} secrets are missing after seeding")
    for name in missing:  # those that were on their way when wrk had its count
        client.call("PUT", f"/secrets/{name}?api-version=7.4", {"value": "the first value"})
    say(f"{count:,} secrets in the vault {vault} after {time.monotonic() - begin:.1f} s")


def resident_at_rest(server):
    server.restart()
    time.sleep(3)
    return server.resident_mib


def start_times(server):
    return sorted(server.restart() for _ in range(5))


def listing(server):
    client = server.client("list")
    client.call("GET", "/secrets?api-version=7.4&maxresults=1")  # connection and token are ready when the clock starts
    begin = time.monotonic()
    names = client.names()
    seconds = time.monotonic() - begin
    if len(set(names)) != NAMES_TO_LIST or len(names) != NAMES_TO_LIST:
        raise BenchmarkError(f"listing gave {len(set(names))} different names in {len(names)}, not {NAMES_TO_LIST}")
    return seconds


def all_runs(binary, server, nginx, folder, settings, running):
    """What can be run in a round, in its order: a yardstick comes before the parts that are held against it."""
    seconds, token, disk = settings["seconds"], server.token(), Disk(folder)

    def load(script):
        return lambda: wrk(script, server.url(), seconds, server, token=token, secrets=settings["secrets"])

    disk.start()
    runs = {
        "nginx": lambda: wrk("static", nginx.url(), seconds, nginx),
        "get": load("get-one"),
        "random": load("get-random"),
        "disk": lambda: {"rate": disk.syncs(min(3, seconds))},
        "set": load("set"),
    }
    if set(keys.PARTS) & set(settings["only"]):
        runs |= keys.runs(server, folder, seconds)
    if set(certificates.PARTS) & set(settings["only"]):
        runs |= keys.yardsticks(seconds) | certificates.runs(server, nginx, folder, seconds)
    if wanted := set(identity.PARTS) & set(settings["only"]):
        runs |= keys.yardsticks(seconds) | identity.runs(binary, server, folder, seconds, wanted, running)
    return runs


def one_after_the_other(rates):
    return 1 / sum(1 / rate for rate in rates)


def rounds(server, nginx, runs, settings):
    """The yardsticks and the calls by turns; each ratio is taken within a round, so that a slow minute hurts both."""
    needed = set(settings["only"])
    for part in settings["only"]:
        needed.update(*YARDSTICKS.get(part, {}).values())
    wanted = [part for part in runs if part in needed]
    measured = {part: [] for part in wanted}
    ours = [pid for one in (server, nginx, *identity.servers) for pid in one.pids]
    for number in range(settings["rounds"]):
        for part in wanted:
            time.sleep(0.5)
            begin, foreign = time.monotonic(), foreign_cpu_seconds(ours)
            result = runs[part]()
            foreign = foreign_cpu_seconds(ours) - foreign
            result["others"] = foreign / (time.monotonic() - begin) / os.cpu_count()
            for name, yardsticks in YARDSTICKS.get(part, {}).items():
                result[name] = result["rate"] / one_after_the_other(measured[other][-1]["rate"] for other in yardsticks)
            measured[part].append(result)
            say(f"round {number + 1}, {part}: " + ", ".join(f"{key} {value:.2f}" for key, value in result.items()))
    return {
        part: {
            **{key: statistics.median(result[key] for result in results) for key in results[0]},
            "rates": [result["rate"] for result in results],
        }
        for part, results in measured.items()
    }


def measure(binary, settings, folder, running):
    """Everything in its order; gives the results and the TLS parameters of both servers."""
    only, results, tls = settings["only"], {}, {}
    server = Strongroom(binary, folder)
    running.callback(server.close)
    server.start()
    if "rest" in only:
        results["rest"] = {"empty": resident_at_rest(server)}
    if set(only) - {"list"}:
        seed(server, "demo", settings["secrets"])
        results["disk_use"] = {"mib": sum(file.stat().st_blocks for file in server.data.iterdir()) * 512 / 2**20}
    if "start" in only:
        times = start_times(server)
        results["start"] = {"seconds": statistics.median(times), "all": times}
    if "rest" in only:
        results["rest"]["full"] = resident_at_rest(server)
    if "list" in only:
        seed(server, "list", NAMES_TO_LIST)
        results["list"] = {"seconds": statistics.median(listing(server) for _ in range(3))}
    if set(LOADS) & set(only):
        nginx = Nginx(folder / "nginx")
        running.callback(nginx.close)
        nginx.start()
        tls = {"strongroom": cipher(server.port), "nginx": cipher(nginx.port)}
        results |= rounds(server, nginx, all_runs(binary, server, nginx, folder, settings, running), settings)
        results["after"] = {"resident": server.resident_mib}
    return results, tls


def machine():
    cpu = [line.partition(": ")[2] for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    return {
        "cores": os.cpu_count(), "cpu": cpu[0] if cpu else platform.machine(), "kernel": platform.release(),
        "load": os.getloadavg()[0],
    }


def main():
    settings = settings_from_environment()
    binary = os.environ["STRONGROOM_BINARY"]
    root = HERE.parent
    describe = ["git", "describe", "--always", "--dirty"]
    revision = subprocess.run(describe, cwd=root, capture_output=True, text=True).stdout.strip() or "unknown"
    before = machine()
    with contextlib.ExitStack() as running:
        # Beside the build products and not in /tmp, which may be memory: the disk is part of what is measured.
        (root / ".build").mkdir(exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=root / ".build"))
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        results, tls = measure(binary, settings, folder, running)
    whole = {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "revision": revision,
        "machine": {**before, "tls": tls}, "settings": settings, "results": results,
        "goals": report.goals(results, settings),
    }
    report.show(whole)
    report.save(whole, HERE / "results" / "latest.json")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
