#!/bin/bash
# Makes the disk that virtual machines start from: images/vm/build.sh FOLDER [SUITE]
# Leaves FOLDER/{base.qcow2,vmlinuz,initrd.img,made-of}; does nothing when they are of this script.
# Installs qemu and debootstrap where they are missing. Root, since debootstrap needs it.
set -euo pipefail
folder=$1 suite=${2:-bookworm}
mirror=${ROTA_APT_MIRROR:-http://deb.debian.org/debian}
export PATH=$PATH:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive LC_ALL=C
made_of="$suite $mirror $(sha256sum < "$0" | cut -c 1-16)"
[ "$(cat "$folder/made-of" 2> /dev/null)" != "$made_of" ] || exit 0

missing=()
command -v qemu-system-x86_64 > /dev/null || missing+=(qemu-system-x86)
command -v qemu-img > /dev/null || missing+=(qemu-utils)
command -v debootstrap > /dev/null || missing+=(debootstrap)
command -v mke2fs > /dev/null || missing+=(e2fsprogs)
if [ ${#missing[@]} -gt 0 ]; then
    echo "virtual machines need these packages, which are missing here: ${missing[*]}"
    apt-get -q update > /dev/null
    apt-get -q install -y --no-install-recommends "${missing[@]}" > /dev/null
fi

mkdir -p "$folder"
# Not /tmp: where that is a tmpfs without devices, debootstrap refuses it.
root=$(mktemp -d /var/tmp/rota-vm.XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT
echo "making a $suite system for virtual machines (some minutes)"
debootstrap --variant=minbase "$suite" "$root" "$mirror" > "$folder/debootstrap.log" ||
    { tail -n 15 "$folder/debootstrap.log" >&2; exit 1; }
# By apt, not --include: debootstrap does not order packages that provide a virtual one.
# apparmor: without its parser a kernel that has AppArmor lets Docker start nothing.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
trap 'umount "$root/proc" 2> /dev/null || true; rm -rf --one-file-system "$root" "$root.raw"' EXIT
mount -t proc proc "$root/proc"
chroot "$root" apt-get -q -o Acquire::Check-Valid-Until=false update > "$folder/apt.log" 2>&1
chroot "$root" apt-get -q install -y --no-install-recommends linux-image-cloud-amd64 systemd \
    systemd-sysv dbus openssh-server cloud-init sudo docker.io apparmor iproute2 iptables \
    ca-certificates netbase procps initramfs-tools >> "$folder/apt.log" 2>&1 ||
    { tail -n 15 "$folder/apt.log" >&2; exit 1; }
chroot "$root" apt-get clean
umount "$root/proc"

echo "LABEL=root / ext4 defaults 0 1" > "$root/etc/fstab"
echo "datasource_list: [NoCloud]" > "$root/etc/cloud/cloud.cfg.d/90-rota.cfg"
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/cache/apt/archives/*.deb
chroot "$root" systemctl mask -q systemd-networkd-wait-online.service
chroot "$root" systemctl enable -q systemd-networkd
cp -L "$root/vmlinuz" "$folder/vmlinuz"
cp -L "$root/initrd.img" "$folder/initrd.img"

raw=$root.raw
truncate -s 8G "$raw"
mke2fs -q -t ext4 -L root -E lazy_itable_init=1 -d "$root" "$raw"
qemu-img convert -f raw -O qcow2 "$raw" "$folder/base.qcow2.new"
mv "$folder/base.qcow2.new" "$folder/base.qcow2"
echo "$made_of" > "$folder/made-of"
