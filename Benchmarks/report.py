"""What was measured, beside the goals: a table to read and a JSON file to keep."""

import json
import operator

# What is compared, where its number is, and the limit it should keep to.
GOALS = [
    ("GET, one name: of nginx's rate", "get", "ratio", ">=", 0.50, ""),
    ("GET, one name: p99", "get", "p99", "<", 5, "ms"),
    ("GET, random names: of nginx's rate", "random", "ratio", ">=", 0.45, ""),
    ("GET, random names: p99", "random", "p99", "<", 5, "ms"),
    ("SET, durable: of the fdatasync rate", "set", "ratio", ">=", 2.0, ""),
    ("SET, durable: p99", "set", "p99", "<", 20, "ms"),
    ("ready after start, {secrets:,} secrets", "start", "seconds", "<", 0.1, "s"),
    ("memory at rest, no secrets", "rest", "empty", "<", 60, "MiB"),
    ("memory at rest, {secrets:,} secrets", "rest", "full", "<", 60, "MiB"),
    ("listing {names:,} names by pages of 25", "list", "seconds", "<", 1, "s"),
    ("RS256: of nginx and OpenSSL", "rs256", "ratio", ">=", 0.80, ""),
    ("RSA-OAEP-256 decrypt: of nginx and OpenSSL", "decrypt", "ratio", ">=", 0.80, ""),
    ("ES256: of nginx and OpenSSL", "es256", "ratio", ">=", 0.45, ""),
    ("A256GCM in the HSM: of nginx and OpenSSL", "gcm", "ratio", ">=", 0.45, ""),
    ("RS256 in the HSM: of SoftHSM in process", "hsm-rs256", "ratio", ">=", 0.80, ""),
    ("ES256 in the HSM: of SoftHSM in process", "hsm-es256", "ratio", ">=", 0.80, ""),
    ("P-256 keys created, durable", "create", "rate", ">=", 1000, "/s"),
    ("P-256 certificates issued by request, durable", "issue", "rate", ">=", 500, "/s"),
    ("P-256 certificates with key generation, durable", "certify", "rate", ">=", 500, "/s"),
    ("OCSP: of nginx's rate, both in clear", "ocsp", "ratio", ">=", 0.4, ""),
    ("tokens: of nginx and OpenSSL", "token", "ratio", ">=", 0.50, ""),
    ("GET beside 1,000 role assignments: of ten", "assigned", "ratio", ">=", 0.90, ""),
    ("GET beside 100,000 role assignments: of ten", "assigned-many", "ratio", ">=", 0.90, ""),
    ("GET beside 10,000 principals: of ten", "principals", "ratio", ">=", 0.90, ""),
    ("GET beside key creation, signatures: p99", "beside", "p99", "<", 10, "ms"),
]
TITLES = {
    "nginx": "nginx, static 300 bytes", "get": "GET, one name", "random": "GET, random names",
    "set": "SET, random names", "disk": "fdatasync, one writer",
    "openssl-rsa": "openssl speed, rsa2048", "rs256": "RS256, RSA 2048", "decrypt": "RSA-OAEP-256 decrypt",
    "openssl-ec": "openssl speed, ecdsap256", "es256": "ES256, P-256",
    "openssl-gcm": "openssl speed, aes-256-gcm", "gcm": "A256GCM, oct-HSM",
    "softhsm-rsa": "SoftHSM in process, RSA", "hsm-rs256": "RS256, RSA-HSM 2048",
    "softhsm-ec": "SoftHSM in process, P-256", "hsm-es256": "ES256, EC-HSM P-256",
    "issue": "issue by request, P-256", "certify": "certificates with keys, P-256",
    "nginx-plain": "nginx, static, in clear", "ocsp": "OCSP by GET",
    "token": "tokens by client secret", "few": "GET, ten role assignments",
    "assigned": "GET, 1,000 assignments", "assigned-many": "GET, 100,000 assignments",
    "principals": "GET, 10,000 principals",
    "create": "create of P-256 keys", "beside": "GET beside other work",
}


def goals(results, settings):
    """Every goal for which there is a number."""
    compare = {">=": operator.ge, "<": operator.lt}
    return [
        {"goal": title.format(**settings), "value": results[part][number], "limit": f"{sign} {limit:g}",
         "unit": unit, "met": compare[sign](results[part][number], limit)}
        for title, part, number, sign, limit, unit in GOALS if number in results.get(part, {})
    ]


def cell(row, name, width, digits):
    return f"{row[name]:{width},.{digits}f}" if name in row else " " * width


def show(report):
    settings, results, machine = report["settings"], report["results"], report["machine"]
    print(f"\nStrongroom {report['revision']} on {machine['cores']} x {machine['cpu']}, "
          f"load at start {machine['load']:.2f}")
    tls = [f"{name} {suite}" for name, suite in machine["tls"].items()]
    print(", ".join([f"{settings['rounds']} rounds of {settings['seconds']} s", "32 connections unless said otherwise",
                     f"{settings['secrets']:,} secrets", *tls]) + "\n")
    if any(part in results for part in TITLES):
        print(f"{'median of rounds':26}{'rate/s':>10}{'ratio':>8}{'both':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}"
              "   each round's rate")
    for part, title in TITLES.items():
        if row := results.get(part):
            cells = [("rate", 10, 0), ("ratio", 8, 2), ("both", 8, 2), ("p50", 9, 2), ("p99", 9, 2), ("cpu", 9, 1)]
            print(f"{title:26}" + "".join(cell(row, *place) for place in cells)
                  + "   " + " ".join(f"{rate:,.0f}" for rate in row["rates"]))
    if row := results.get("beside"):
        print(f"beside the GET: {row['created']:.2f} RSA-4096 keys/s, {row['throttled']:.0f} refused with 429; "
              f"{row['signed']:,.0f} RS256/s")
    if "disk_use" in results:
        print(f"\ndata folder after seeding: {results['disk_use']['mib']:.0f} MiB", end="")
    if "after" in results:
        print(f"; memory after the load: {results['after']['resident']:.1f} MiB")
        others = max(results[part]["others"] for part in TITLES if part in results)
        if others > 0.05:
            print(f"DO NOT TRUST the rates and ratios: other programs used up to {others:.0%} of the machine meanwhile")
    print(f"\n{'goal':44}{'reached':>14}{'limit':>10}")
    for goal in report["goals"]:
        value, unit = goal["value"], goal["unit"]
        digits = 3 if unit == "s" else 1 if unit == "MiB" else 2
        print(f"{goal['goal']:44}{f'{value:.{digits}f} {unit}':>14}{goal['limit']:>10}   "
              + ("met" if goal["met"] else "MISSED"))
    missed = sum(not goal["met"] for goal in report["goals"])
    print(f"\n{len(report['goals']) - missed} of {len(report['goals'])} goals met")


def save(report, path):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {path}")
