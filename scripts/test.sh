#!/usr/bin/env bash
# All checks of the project, one phase after the other, each with its time and its limit. A failed phase doesn't hide
# the ones after it; the last lines name all that failed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

export PATH=$root/.venv/bin:$PATH
failed=()
began=$SECONDS

# Outside a terminal a late phase is ended with all its processes; in one, Ctrl-C must reach them instead.
limited=(timeout --kill-after=30)
[ ! -t 0 ] || limited+=(--foreground)

# phase SECONDS NAME COMMAND...
phase() {
    local limit=$1 name=$2 start=$SECONDS code=0
    shift 2
    printf '\n== %s\n' "$name"
    "${limited[@]}" "$limit" "$@" || code=$?
    if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
        printf '== %s: FAILED, not done within %d s\n' "$name" "$limit"
    elif [ "$code" -ne 0 ]; then
        printf '== %s: FAILED (exit %d) after %d s\n' "$name" "$code" $((SECONDS - start))
    else
        printf '== %s: ok, %d s\n' "$name" $((SECONDS - start))
        return 0
    fi
    failed+=("$name")
}

skip() { printf '\n== %s: skipped, %s\n' "$1" "$2"; }

phase 60 'cargo fmt' cargo fmt --all --check
phase 60 'ruff check' ruff check .
phase 60 'ruff format' ruff format --check .
phase 60 'shellcheck' shellcheck -x scripts/*.sh docker/*.sh .ci/run
phase 600 'clippy' cargo clippy --locked --workspace --all-targets -- -D warnings
phase 300 'tidy' cargo run --locked --quiet -p krait-tidy
phase 600 'unit tests' cargo test --locked --workspace --quiet
phase 600 'loom' env RUSTFLAGS='--cfg loom' \
    cargo test --locked -p krait-scoreboard --release --target-dir "$target_dir/loom"
phase 900 'pytest' python -m pytest tests
if docker_answers; then
    phase 600 'docker' docker/test.sh
else
    skip 'docker' 'no docker engine answers here'
fi

printf '\n'
if [ ${#failed[@]} -gt 0 ]; then
    printf '%s\n' "${failed[@]/#/failed: }"
    die "${#failed[@]} phase(s) failed, $((SECONDS - began)) s"
fi
say "all passed, $((SECONDS - began)) s"
