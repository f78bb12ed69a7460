#!/bin/bash
# First process of the container: keys that an image must not carry, then systemd.
set -euo pipefail
[ -f /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key
if [ -n "${ROTA_MACHINE_AUTHORIZED_KEY:-}" ]; then
    printf '%s\n' "$ROTA_MACHINE_AUTHORIZED_KEY" > /home/deploy/.ssh/authorized_keys
    chown deploy:deploy /home/deploy/.ssh/authorized_keys
    chmod 600 /home/deploy/.ssh/authorized_keys
fi
# A machine id of its own, or all machines of one image would be one to the platform.
[ -s /etc/machine-id ] || cat /proc/sys/kernel/random/uuid | tr -d - > /etc/machine-id
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 container=docker /sbin/init
