#!/usr/bin/env bash
# Installs what a Debian machine lacks. Usage: Scripts/setup.sh [test|bench]
#
# Safe to run as often as you like: when nothing is missing it touches neither network nor system.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose="${1:-build}"

fail() {
    echo "setup: $1" >&2
    exit 1
}

# libnss-myhostname makes every *.localhost name resolve to loopback.
# softhsm2 is the hardware security module of `strongroom dev`; libp11-kit-dev has the header of PKCS #11.
packages=(libsqlite3-dev liblz4-dev libssl-dev libp11-kit-dev softhsm2 libnss-myhostname pkg-config ca-certificates openssl)
case "$purpose" in
build) ;;
# opensc has pkcs11-tool, which looks into the token from outside; pebble is an ACME authority; nginx and curl use what is issued;
# chromium looks at the pages where people sign in.
test) packages+=(python3-venv opensc pebble nginx curl chromium) ;;
bench) packages+=(python3 wrk nginx sqlite3 gcc libc6-dev) ;;
*) fail "unknown purpose '$purpose'; use no argument, 'test' or 'bench'" ;;
esac

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_missing() {
    local missing=() as_root=()
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "needs root to install ${missing[*]}; run as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "setup: installing ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update || fail "apt-get update failed; a network is needed once, to install ${missing[*]}"
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null || fail "apt-get could not install ${missing[*]}"

    # Tests and benchmark start an nginx of their own; Debian's service would only hold port 80.
    if [[ " ${missing[*]} " == *" nginx "* && -d /run/systemd/system ]]; then
        "${as_root[@]}" systemctl disable --now --quiet nginx
    fi
}

# The Azure CLI pins versions of its own, older than the newest client libraries: it gets an environment of its own.
make_python_environment() {
    local folder="$1" requirements="$2" stamp="$1/requirements.sha256" wanted
    wanted="$(sha256sum <"$requirements")"
    if [ -x "$folder/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    echo "setup: making $folder from $requirements"
    python3 -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" \
        || fail "pip could not install $requirements; a network is needed once"
    echo "$wanted" >"$stamp"
}

# libcrypto's FIPS provider, which Debian has as a package since its version 13 and which any libcrypto 3 can load. It is taken out of
# the package and put aside: a machine that only tests must not get a libcrypto that is set up otherwise.
fetch_fips_provider() {
    local folder=.fips work apt
    [ ! -s "$folder/fips.so" ] || return 0
    echo "setup: fetching libcrypto's FIPS provider into $folder"
    work="$(mktemp -d)"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$work/sources.list"
    apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists"
        -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
    "${apt[@]}" update || fail "apt-get update failed; a network is needed once, to fetch openssl-provider-fips"
    (cd "$work" && "${apt[@]}" download openssl-provider-fips) || fail "apt-get could not fetch openssl-provider-fips"
    dpkg-deb -x "$work"/openssl-provider-fips_*.deb "$work/package"
    mkdir -p "$folder"
    # Whole or not at all: half a module would be taken for one that is there.
    cp "$work"/package/usr/lib/*/ossl-modules/fips.so "$folder/fips.so.new"
    mv "$folder/fips.so.new" "$folder/fips.so"
    rm -rf "$work"
}

command -v dpkg-query >/dev/null || fail "made for Debian; install by hand what corresponds to: ${packages[*]}"
command -v swift >/dev/null || fail "no 'swift' in PATH; install Swift 6.3 or later from https://www.swift.org/install"
install_missing
getent hosts demo.vault.localhost >/dev/null \
    || fail "demo.vault.localhost does not resolve; add 'myhostname' to the 'hosts:' line of /etc/nsswitch.conf"
if [ "$purpose" = test ]; then
    make_python_environment .venv IntegrationTests/requirements.txt
    make_python_environment .venv-az IntegrationTests/requirements-az.txt
    fetch_fips_provider
fi
