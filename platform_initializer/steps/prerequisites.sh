# Makes a machine able to run containers; safe to run again. Run as root by POSIX sh.
# $1: the whole text of Docker's daemon.json, or nothing where it is to stay
# $2: what makes a running Docker heed it, restart or reload
# $3: the commands that install Docker Engine, a line of sh (domain/packages.py)
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
# an earlier run whose tool was killed may still be at work here: let it end
exec 8> /run/rota.prepare.lock
flock -w 300 8 || { echo "an earlier run is still installing" >&2; exit 1; }
changed=no
if [ -n "${1:-}" ]; then
    if [ "$(docker info -f '{{.Swarm.LocalNodeState}}' 2> /dev/null)" = active ]; then
        echo "this machine is in a Docker swarm, which forbids live-restore: docker swarm leave" >&2
        exit 1
    fi
    mkdir -p /etc/docker
    printf '%s' "$1" > /etc/docker/daemon.json.rota
    mv -f /etc/docker/daemon.json.rota /etc/docker/daemon.json
    changed=yes
fi
if ! command -v dockerd > /dev/null; then
    [ -n "${3:-}" ] || { echo "dockerd is not installed, and no package of it is known here" >&2; exit 1; }
    log=$(mktemp)
    sh -c "$3" > "$log" 2>&1 ||
        { code=$?; tail -n 12 "$log" >&2; rm -f "$log"; exit $code; }
    rm -f "$log"
    changed=no
fi
systemctl enable -q docker
case $changed:${2:-} in
    yes:restart) systemctl restart docker ;;
    yes:*) systemctl reload-or-restart docker ;;
    *) systemctl start docker ;;
esac
id rota-sampler > /dev/null 2>&1 || {
    useradd -r -M -d /var/lib/rota-sampler -s /bin/sh rota-sampler
    usermod -p '*' rota-sampler
}
mkdir -p /var/lib/rota/client /var/lib/rota/stamps
chmod 700 /var/lib/rota/client
tries=0
until docker version > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { journalctl -u docker -n 12 --no-pager >&2; echo "dockerd does not answer" >&2; exit 1; }
    sleep 0.2
done
