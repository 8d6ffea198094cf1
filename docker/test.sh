#!/usr/bin/env bash
# make docker-test: builds the image, runs a container from it, and checks it from outside: answers, bodies, reload of
# edited code, a graceful restart under load, the user the application runs as, its log, and that it ends cleanly.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$root"

image=mod_krait:test
container=mod_krait-test-$$
work=$(mktemp -d)
base=
load=

[ -e dist/mod_krait.so ] || die "no dist/mod_krait.so: run make build"
docker_answers || die "no docker engine answers"

end() {
    local code=$?
    trap - EXIT
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    if docker container inspect "$container" >/dev/null 2>&1; then
        if [ "$code" -ne 0 ]; then
            say "the last lines of the container's log:"
            docker logs --tail 60 "$container" 2>&1 || true
        fi
        docker rm --force --volumes "$container" >/dev/null || true
    fi
    rm -rf "$work"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM

check() { printf '  ok: %s\n' "$*"; }
fail() { die "FAILED: $*"; }

get() { curl --silent --show-error --fail --max-time 20 "$@"; }

# fact GROUP NAME: one value of the demo's /facts.
fact() {
    get "$base/facts" | "$system_python" -c '
import json, sys
print(json.load(sys.stdin)[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}

# A line "pid uid state command" for each process in the container.
processes() {
    docker exec "$container" python3 -c '
import os
for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
        command = open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
    except OSError:
        continue
    if pid != os.getpid():
        print(pid, status["Uid"].split()[0], status["State"].split()[0], command or status["Name"].strip())'
}

build_image() {
    local proxies=() name before
    for name in http_proxy https_proxy no_proxy; do
        [ -z "${!name-}" ] || proxies+=(--build-arg "$name=${!name}")
    done
    before=$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null || true)
    # A tar is the context: only what the image needs, and nothing of the build folders.
    tar --exclude=__pycache__ --owner=0 --group=0 --mode='u=rwX,go=rX' \
        -c dist examples/demo apache/conf docker |
        DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-0} timeout 300 docker build --quiet --rm --force-rm \
            ${proxies[@]+"${proxies[@]}"} -t "$image" -f docker/Dockerfile - >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log"
        fail "the image does not build"
    }
    if [ -n "$before" ] && [ "$before" != "$(docker image inspect -f '{{.Id}}' "$image")" ]; then
        docker rmi "$before" >/dev/null 2>&1 || true
    fi
    check "image $image built"
}

start() {
    docker run --detach --name "$container" --publish 127.0.0.1::80 "$image" >/dev/null
    base=http://$(docker port "$container" 80/tcp | head -n 1)
    local deadline=$((SECONDS + 30))
    until get "$base/facts" >"$work/facts" 2>/dev/null; do
        [ "$(docker inspect -f '{{.State.Running}}' "$container")" = true ] || fail "the container ended at its start"
        [ $SECONDS -lt $deadline ] || fail "no answer within 30 s"
        sleep 0.2
    done
    check "container serves at $base"
}

smoke() {
    local text
    text=$(get "$base/")
    grep -q 'mod_krait demo' <<<"$text" || fail "/ is not the demo page"
    [ "$(fact WSGI wsgi.url_scheme)" = http ] || fail "wsgi.url_scheme"
    [ "$(fact WSGI wsgi.run_once)" = False ] || fail "wsgi.run_once"
    [ "$(fact Request REQUEST_METHOD)" = GET ] || fail "REQUEST_METHOD"
    check "the demo page and its facts"

    [ "$(curl -s -o /dev/null -w '%{http_code}' "$base/nowhere")" = 404 ] || fail "no 404 for /nowhere"
    text=$(get --head "$base/file" | tr -d '\r' | sed -n 's/^[Cc]ontent-[Ll]ength: //p')
    [ "$text" = "$(stat -c %s examples/demo/app.py)" ] || fail "HEAD /file has Content-Length '$text'"
    get "$base/file" | cmp - examples/demo/app.py || fail "/file is not the file"
    check "404, HEAD, wsgi.file_wrapper"
}

bodies() {
    local size
    for size in 0 1 65536 5000000; do
        head -c "$size" /dev/urandom >"$work/body"
        get --data-binary @"$work/body" "$base/echo" | cmp - "$work/body" || fail "/echo of $size bytes"
        get -H 'Transfer-Encoding: chunked' --data-binary @"$work/body" "$base/echo" | cmp - "$work/body" ||
            fail "chunked /echo of $size bytes"
    done
    [ "$(get "$base/blocks?n=800" | wc -c)" -eq $((800 * 65536)) ] || fail "/blocks?n=800 has another length"
    check "bodies both ways, up to 50 MB"
}

many() {
    local codes
    codes=$(seq 400 | xargs -P 16 -I N curl -s -o /dev/null --max-time 20 -w '%{http_code}\n' "$base/facts?N" |
        sort | uniq -c | awk '{print $1 "x" $2}')
    [ "$codes" = 400x200 ] || fail "400 requests, 16 at a time: $codes"
    check "400 requests, 16 at a time"
}

identity() {
    local list
    [ "$(fact Process user)" = demo ] || fail "the application runs as $(fact Process user), not as demo"
    list=$(processes)
    grep -q '^[0-9]* 0 [^Z] .*kraitd' <<<"$list" || fail "no manager runs: $list"
    check "the application runs as the user its site names"
}

# Requests one after the other until told to stop; every status goes to a file.
load_start() {
    : >"$work/statuses"
    (
        while [ ! -e "$work/stop" ]; do
            curl -s -o /dev/null --max-time 20 -w '%{http_code}\n' "$base/facts" >>"$work/statuses" || true
        done
    ) &
    load=$!
}

load_stop() {
    local bad total
    touch "$work/stop"
    wait "$load"
    load=
    rm "$work/stop"
    total=$(wc -l <"$work/statuses")
    bad=$(grep -vc '^200$' "$work/statuses" || true)
    [ "$total" -gt 0 ] || fail "no request was made during: $1"
    [ "$bad" -eq 0 ] || fail "$bad of $total requests failed during: $1"
}

graceful() {
    local before after
    before=$(fact Process imported)
    load_start
    sleep 0.5
    docker exec "$container" apachectl graceful >/dev/null
    sleep 3
    load_stop "a graceful restart"
    after=$(fact Process imported)
    [ "$before" = "$after" ] || fail "the application was imported again by a graceful restart"
    check "a graceful restart under load: no request failed, nothing was imported again"
}

edited() {
    local began
    if ! docker exec "$container" bash -c '. /etc/apache2/envvars && apache2 -L' | grep -q '^KraitReload '; then
        printf '  --: this build has no KraitReload, so edited code is not checked\n'
        return
    fi
    began=$SECONDS
    load_start
    docker exec "$container" sed -i 's/It works\./It works again./' /srv/demo/app.py
    until get "$base/" | grep -q 'It works again\.'; do
        [ $((SECONDS - began)) -lt 10 ] || fail "edited code is not served after 10 s"
        sleep 0.1
    done
    load_stop "a reload"
    check "edited code is served, and no request failed"
}

log_is_clean() {
    docker logs "$container" >"$work/log" 2>&1
    if grep -E ':(error|crit|alert|emerg)\]|panicked|Segmentation|Traceback|exit signal' "$work/log"; then
        fail "unexpected lines in the log"
    fi
    ! processes | grep -E '^[0-9]+ [0-9]+ Z ' || fail "zombies in the container"
    check "nothing unexpected in the log, no zombies"
}

stop() {
    local began=$SECONDS state
    docker stop --time 30 "$container" >/dev/null
    state=$(docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' "$container")
    [ "$state" = '0 false' ] || fail "the container ended with (exit code, out of memory) $state"
    [ $((SECONDS - began)) -lt 25 ] || fail "the container needed $((SECONDS - began)) s to stop"
    docker logs "$container" >"$work/log" 2>&1
    ! grep -E ':(crit|alert|emerg)\]|panicked|Segmentation|exit signal' "$work/log" || fail "it did not end quietly"
    check "it stops cleanly in $((SECONDS - began)) s"
}

docker/base-image.sh
build_image
start
smoke
bodies
many
identity
graceful
edited
log_is_clean
stop
say "all passed"
