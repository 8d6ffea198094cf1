#!/usr/bin/env bash
# Builds everything with one call of cargo and puts what an installation needs into dist/:
#
#   mod_krait.so  kraitd  krait-spawn  krait  python/krait/{*.py,_krait.abi3.so}
#
# A file is replaced only when it changed, and then by a rename: a server that runs from dist/ keeps the file it has
# mapped.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

changed=0

# put MODE SOURCE DESTINATION
put() {
    local mode=$1 source=$2 destination=$3 new
    [ -f "$source" ] || die "the build left no ${source#"$root"/}"
    if cmp -s -- "$source" "$destination" && [ "$(stat -c %a "$destination")" = "$mode" ]; then
        return 0
    fi
    new=$destination.new.$$
    install -D -m "$mode" -- "$source" "$new"
    mv -f -- "$new" "$destination"
    changed=$((changed + 1))
}

cargo build --release --locked --workspace --exclude krait-tidy

mkdir -p "$dist" "$cache"
exec 9>"$cache/dist.lock"
flock 9

release=$target_dir/release
put 644 "$release/libmod_krait.so" "$dist/mod_krait.so"
put 755 "$release/kraitd" "$dist/kraitd"
put 755 "$release/krait-spawn" "$dist/krait-spawn"
put 755 "$release/krait" "$dist/krait"
put 644 "$release/lib_krait.so" "$dist/python/krait/_krait.abi3.so"

python=$root/src/worker/python/krait
while IFS= read -r -d '' source; do
    put 644 "$source" "$dist/python/krait/${source#"$python"/}"
done < <(find "$python" -name '*.py' -print0)

# What was deleted in the sources must not live on.
while IFS= read -r -d '' old; do
    if [ ! -f "$python/${old#"$dist/python/krait/"}" ]; then
        rm -f -- "$old"
        changed=$((changed + 1))
    fi
done < <(find "$dist/python/krait" -name '*.py' -print0)

# A worker of another user can't write __pycache__ here, and would compile at each of its starts.
"$system_python" -m compileall -q "$dist/python"

if [ "$changed" -eq 0 ]; then
    say "dist/ is up to date"
else
    say "dist/: $changed file(s) replaced"
fi
