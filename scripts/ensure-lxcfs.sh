#!/bin/bash
# Sees to it that lxcfs serves /var/lib/lxcfs: it gives each container-machine its own /proc view.
set -euo pipefail
mount_point=/var/lib/lxcfs

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
# The list of mounts is not enough: after a crash the mount stands and every read fails.
serves() { head -c 1 "$mount_point/proc/stat" > /dev/null 2>&1; }

! serves || exit 0
command -v lxcfs > /dev/null || { echo "lxcfs is not installed: run scripts/prerequisites.sh" >&2; exit 1; }

if [ -d /run/systemd/system ]; then
    echo "starting lxcfs (systemctl restart lxcfs)"
    as_root systemctl restart lxcfs
else
    echo "starting lxcfs on $mount_point"
    as_root umount -l "$mount_point" 2> /dev/null || true
    as_root mkdir -p "$mount_point"
    as_root sh -c "setsid lxcfs $mount_point > /var/log/lxcfs.log 2>&1 < /dev/null &"
fi
for _ in $(seq 50); do
    ! serves || exit 0
    sleep 0.1
done
echo "lxcfs does not serve $mount_point after 5 s: is /dev/fuse there?" >&2
exit 7
