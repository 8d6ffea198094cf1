#!/usr/bin/env bash
# make bare-test: on a bare Debian 12 in a container, with nothing but a Rust toolchain and make, `make run` must end in
# a served page and `make test` must pass. Slow: everything is fetched and compiled anew.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$root"

container=mod_krait-bare-$$
work=$(mktemp -d)
client=

end() {
    local code=$?
    trap - EXIT
    [ -z "$client" ] || kill "$client" 2>/dev/null || true
    docker rm --force --volumes "$container" >/dev/null 2>&1 || true
    rm -rf "$work"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM

inside() { docker exec --workdir /src "$container" "$@"; }

# Ids of the processes in the container whose command line matches.
ids() {
    # shellcheck disable=SC2016
    inside bash -c 'for folder in /proc/[0-9]*; do
        id=${folder#/proc/}
        [ "$id" = $$ ] || ! tr "\0" " " <"$folder/cmdline" 2>/dev/null | grep -qE "$1" || echo "$id"
    done' bash "$1"
}

docker/base-image.sh

# The container stands in for a machine: its own init, and no filter between our tests and the kernel. Toolchain and
# certificates come from this one, and whatever it has configured to reach the package registries.
options=(
    --init --security-opt seccomp=unconfined --cap-add SYS_PTRACE
    --volume /src --volume "$(rustc --print sysroot):/opt/rust:ro"
    --env "PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    --env CI=true --env CARGO_HOME=/opt/cargo
)
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -r "$certificates" ]; then
    options+=(--volume "$certificates:/opt/certificates.crt:ro")
    for name in CARGO_HTTP_CAINFO PIP_CERT; do options+=(--env "$name=/opt/certificates.crt"); done
fi
cargo_config=${CARGO_HOME:-$HOME/.cargo}/config.toml
[ ! -r "$cargo_config" ] || options+=(--volume "$cargo_config:/opt/cargo/config.toml:ro")
for name in http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_EXTRA_INDEX_URL; do
    [ -z "${!name-}" ] || options+=(--env "$name")
done
docker run --detach --name "$container" "${options[@]}" debian:bookworm-slim sleep infinity >/dev/null

tar --exclude=./target --exclude='./target-*' --exclude=./dist --exclude=./.venv --exclude=./.cache \
    --exclude=__pycache__ --owner=0 --group=0 -c . | docker exec --interactive "$container" tar -C /src -x
inside bash -c 'apt-get -q update && apt-get -qy install --no-install-recommends make' >"$work/apt.log" 2>&1 ||
    { cat "$work/apt.log"; die "make can't be installed"; }
say "a bare Debian $(inside cat /etc/debian_version) with $(inside rustc --version) and make"

say "make run"
began=$SECONDS
docker exec --workdir /src "$container" make run >"$work/run.log" 2>&1 &
client=$!
until inside curl -sf --max-time 5 http://127.0.0.1:8000/ 2>/dev/null | grep -q 'mod_krait demo'; do
    if ! kill -0 "$client" 2>/dev/null || [ $((SECONDS - began)) -gt 1500 ]; then
        tail -n 60 "$work/run.log"
        die "make run served no page in $((SECONDS - began)) s"
    fi
    sleep 1
done
say "make run served the page after $((SECONDS - began)) s"
for id in $(ids 'dist/krait serve'); do
    inside kill -INT "$id" 2>/dev/null || true
done
wait "$client" || true
client=
left=$(ids 'kraitd|krait-spawn|apache2 .*-f')
[ -z "$left" ] || die "make run left processes behind: $left"
say "make run ended on Ctrl-C and left nothing behind"

say "make test"
began=$SECONDS
inside make test || die "make test failed after $((SECONDS - began)) s"
say "make test passed in $((SECONDS - began)) s"
