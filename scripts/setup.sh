#!/usr/bin/env bash
# Installs what building and testing need, and nothing that is there already. With --bench, also the peers that
# `make bench` measures against. Says what it does; does nothing, and says so, when all is there.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bench=no
case ${1-} in
'') ;;
--bench) bench=yes ;;
*) die "usage: setup.sh [--bench]" ;;
esac

packages=(
    apache2 apache2-dev            # the server, and apxs with its headers
    build-essential libclang-dev   # a C compiler; bindgen reads httpd's headers through libclang
    python3 python3-dev python3-venv
    ca-certificates curl           # for cargo and the tests
    iproute2 procps shellcheck strace
)
if [ "$bench" = yes ]; then
    packages+=(libapache2-mod-wsgi-py3 libapache2-mod-proxy-uwsgi wrk)
fi
# The test image starts from debian:bookworm-slim; without a registry it is made on this machine.
if docker_answers && ! docker image inspect debian:bookworm-slim >/dev/null 2>&1; then
    packages+=(debootstrap)
fi

did_something=no

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

check_system() {
    [ -r /etc/os-release ] || die "no /etc/os-release; this script knows Debian 12 and Ubuntu 22.04 or newer"
    local id version
    id=$(. /etc/os-release && echo "${ID-}")
    version=$(. /etc/os-release && echo "${VERSION_ID-0}")
    case $id in
    debian) [ "${version%%.*}" -ge 12 ] || die "Debian $version is too old; Debian 12 or newer, please" ;;
    ubuntu) [ "${version%%.*}" -ge 22 ] || die "Ubuntu $version is too old; Ubuntu 22.04 or newer, please" ;;
    *) command -v dpkg-query >/dev/null || die "$id is neither Debian nor Ubuntu; needed are: ${packages[*]}" ;;
    esac
}

# Debian starts a service as soon as its package is unpacked. A checkout that wants to be built has no business opening
# port 80, so a policy-rc.d refuses that while we install. One that is there already is left alone.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

refuse_service_starts() {
    [ ! -e "$policy" ] || return 0
    policy_is_ours=yes
    printf '#!/bin/sh\n# Put here for the time of one apt-get install; remove it if it stayed.\nexit 101\n' |
        as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

allow_service_starts() {
    [ "$policy_is_ours" = yes ] || return 0
    policy_is_ours=no
    as_root rm -f "$policy"
}

install_packages() {
    local missing=() package apache_is_new=no
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    did_something=yes
    is_installed apache2 || apache_is_new=yes

    say "installing with apt-get: ${missing[*]}"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    as_root "${apt[@]}" update || say "apt-get update had errors; trying with the lists as they are"
    trap allow_service_starts EXIT
    refuse_service_starts
    as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
    allow_service_starts
    trap - EXIT

    if [ "$apache_is_new" = yes ] && command -v systemctl >/dev/null; then
        say "Debian's own apache2 service is not needed here: it was not started, and is disabled for the next boot"
        as_root systemctl disable --quiet apache2 2>/dev/null || true
    fi
}

check_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        die "no Rust found: install Rust $wanted or newer with rustup, with rustfmt and clippy (the default profile)"
    fi
    have=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        die "Rust $have is too old: $wanted or newer, please (rustup update)"
    fi
}

# make_venv FOLDER REQUIREMENTS [PACKAGE...]: a virtual environment of the distribution's Python. Made again only when
# the requirements or the Python changed.
make_venv() {
    local venv=$1 requirements=$2 stamp
    stamp=$("$system_python" --version; sha256sum <"$requirements")
    [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    did_something=yes
    say "making ${venv#"$root"/} from ${requirements#"$root"/}"
    "$system_python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    printf '%s\n' "$stamp" >"$venv/stamp"
}

check_system
install_packages
check_rust

# Two runs in one checkout must not make one environment at the same time.
mkdir -p "$cache"
exec 9>"$cache/setup.lock"
flock 9
make_venv "$root/.venv" "$root/tests/requirements.txt"
if [ "$bench" = yes ]; then
    make_venv "$cache/bench-venv" "$root/bench/requirements.txt"
fi

[ "$did_something" = yes ] || say "everything is there, nothing to do"
