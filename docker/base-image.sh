#!/usr/bin/env bash
# Sees to it that the image debian:bookworm-slim exists: here already, pulled, or made with debootstrap from the mirror
# that this machine's apt uses (KRAIT_DEBIAN_MIRROR=URL names another). Made once, kept in .cache/.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../scripts/lib.sh"

image=debian:bookworm-slim
release=bookworm
kept=$cache/docker/$release-minbase.tar.gz

docker_answers || die "no docker engine answers"
if docker image inspect "$image" >/dev/null 2>&1; then
    say "$image is there"
    exit 0
fi
if timeout 120 docker pull --quiet "$image" >/dev/null 2>&1; then
    say "$image pulled"
    exit 0
fi

# Lines "URI SUITE" of what apt on this machine knows of the release.
apt_sources() {
    if [ -n "${KRAIT_DEBIAN_MIRROR-}" ]; then
        printf '%s %s\n' "$KRAIT_DEBIAN_MIRROR" "$release"
        return
    fi
    # shellcheck disable=SC2016 # $(...) is apt's own notation.
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v release="$release" '$2 ~ "^" release "($|-)" && $3 == "main" && !seen[$1 $2]++ {print $1, $2}'
}

make_root() {
    local where=$1 sources mirror
    sources=$(apt_sources)
    mirror=$(awk -v release="$release" '$2 == release {print $1; exit}' <<<"$sources")
    [ -n "$mirror" ] ||
        die "$image can't be pulled, and apt on this machine has no mirror of Debian $release: set KRAIT_DEBIAN_MIRROR"
    command -v debootstrap >/dev/null || as_root test -x /usr/sbin/debootstrap ||
        die "$image can't be pulled, and debootstrap is not installed"

    say "making $image with debootstrap"
    if ! as_root /usr/sbin/debootstrap --variant=minbase "$release" "$where" "$mirror" >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        die "debootstrap failed"
    fi
    sed 's/^/deb /; s/$/ main/' <<<"$sources" | as_root tee "$where/etc/apt/sources.list" >/dev/null
    # Like the published image: no service starts at installation, no package is kept.
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$where/usr/sbin/policy-rc.d" >/dev/null
    as_root chmod 755 "$where/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2016
    as_root sh -c 'cd "$1" && rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*.log var/log/apt \
        usr/share/doc/* usr/share/man/* usr/share/info/* && find usr/share/locale -mindepth 1 -delete' sh "$where"
}

if [ ! -s "$kept" ]; then
    mkdir -p "$cache/docker"
    work=$(mktemp -d)
    trap 'as_root rm -rf --one-file-system "$work"' EXIT
    make_root "$work/root"
    as_root tar -C "$work/root" --numeric-owner --one-file-system -cz . >"$kept.new.$$"
    mv -f "$kept.new.$$" "$kept"
fi
docker import --change 'CMD ["bash"]' "$kept" "$image" >/dev/null
say "$image imported from ${kept#"$root"/}"
