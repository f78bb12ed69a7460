#!/bin/bash
# Sees to it that a Docker daemon answers; silent when one does.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

answers() { docker version -f '{{.Server.Version}}' > /dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

! answers || exit 0
command -v dockerd > /dev/null || { echo "docker is not installed: run scripts/prerequisites.sh" >&2; exit 1; }

if [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; then
    echo "A Docker daemon may run, but $(id -un) may not use it: sudo usermod -aG docker $(id -un), then log in again." >&2
    exit 6
fi
if [ -d /run/systemd/system ]; then
    echo "starting the Docker daemon (systemctl start docker)"
    as_root systemctl start docker
else
    log=/var/log/dockerd.log
    echo "starting the Docker daemon (no init system here; its log: $log)"
    # Detached: it must outlive this shell.
    as_root sh -c "setsid dockerd > $log 2>&1 < /dev/null &"
fi
for _ in $(seq 150); do
    ! answers || exit 0
    sleep 0.2
done
echo "The Docker daemon does not answer after 30 s: look at ${log:-journalctl -u docker}." >&2
exit 7
