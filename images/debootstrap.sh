#!/bin/bash
# Makes a minimal Debian of one suite and imports it: debootstrap.sh SUITE TAG LABEL HASH
# Documentation, locales and package lists stay out: images are sent to machines over SSH.
set -euo pipefail
suite=$1 tag=$2 label=$3 hash=$4
mirror=${ROTA_APT_MIRROR:-http://deb.debian.org/debian}
export PATH=$PATH:/usr/sbin:/sbin
# Not /tmp: where that is a tmpfs without devices, debootstrap refuses it.
root=$(mktemp -d /var/tmp/rota-root.XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT

debootstrap --variant=minbase "$suite" "$root" "$mirror"

echo "deb $mirror $suite main" > "$root/etc/apt/sources.list"
if [ "$suite" = bookworm ]; then
    {
        echo "deb $mirror bookworm-updates main"
        echo "deb ${ROTA_APT_SECURITY_MIRROR:-${mirror}-security} bookworm-security main"
    } >> "$root/etc/apt/sources.list"
fi
printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
    'path-exclude=/usr/share/locale/*' 'path-exclude=/usr/share/info/*' \
    'path-exclude=/usr/share/lintian/*' > "$root/etc/dpkg/dpkg.cfg.d/rota-small"
printf '%s\n' 'APT::Install-Recommends "false";' 'Acquire::Languages "none";' \
    'Dir::Cache::pkgcache "";' 'Dir::Cache::srcpkgcache "";' \
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };' \
    > "$root/etc/apt/apt.conf.d/rota-small"
: > "$root/etc/machine-id"
# The builder's own name servers are no business of the image.
: > "$root/etc/resolv.conf"

tar -C "$root" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
    --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --exclude='./dev/*' \
    --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*.log' \
    -cf - . | docker import --change "LABEL $label=$hash" - "$tag"
