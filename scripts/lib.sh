# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export root

# Where cargo puts what it builds, and where `make build` puts what an installation needs.
target_dir=${CARGO_TARGET_DIR:-$root/target}
dist=$root/dist
cache=$root/.cache
export target_dir dist cache

# The interpreter of the distribution. A pyenv or conda python that happens to come first in PATH must not decide
# how the extension is built or what the tests run under.
system_python=/usr/bin/python3

# Both settings belong to the extension `krait._krait`, which links no libpython and fits every Python 3.9+. They are
# the same for build, clippy and tests, so that cargo doesn't compile pyo3 again and again.
export PYO3_PYTHON=${PYO3_PYTHON:-$system_python}
export PYO3_BUILD_EXTENSION_MODULE=1

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

# A docker engine that this user may talk to and that answers.
docker_answers() { command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; }
