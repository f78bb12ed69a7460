#!/bin/bash
# Installs what building and running Rota needs and is missing here: prerequisites.sh [--with-browser]
# Says what before it does; silent when nothing is missing. Root (or sudo) for the installing alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
log=$PWD/.build/logs/prerequisites.log
mkdir -p "${log%/*}"
readonly plugins=/usr/local/lib/docker/cli-plugins
# The newest Compose v2 that needs only libc: Debian 12 itself has v1 alone.
readonly compose_suite=trixie

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
has() { command -v "$1" > /dev/null 2>&1; }

missing_packages() {
    has dockerd || echo docker.io
    has docker || echo docker.io
    has debootstrap || echo debootstrap
    has lxcfs || echo lxcfs
    has iptables || echo iptables
    has mvn || echo maven
    has java || echo default-jre-headless
    has ssh || echo openssh-client
    has gpgv || echo gpgv
    python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3-venv
    [ -d /etc/ssl/certs ] || echo ca-certificates
    if [ "${1:-}" = --with-browser ]; then has chromium || echo chromium; fi
}

# Keeps what a tool says in a log, and shows its end only when it fails.
logged() {
    "$@" >> "$log" 2>&1 || { echo "Failed: $*; the end of $log:" >&2; tail -n 15 "$log" >&2; exit 1; }
}

install_packages() {
    echo "Rota needs these Debian packages, which are missing here: $*"
    has apt-get || { echo "There is no apt-get here: install them by hand, then run this again." >&2; exit 1; }
    if [ "$(id -u)" = 0 ]; then echo "Installing them with apt-get."; else echo "Installing them with sudo apt-get."; fi
    logged as_root apt-get -q update
    # Java's installation fails where a slimmed Debian lacks this folder.
    as_root mkdir -p /usr/share/man/man1
    logged as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

# apt with lists of its own, so that the machine's sources stay as they are.
install_compose() {
    echo "Rota needs the Compose v2 plugin of docker, which is missing here."
    echo "Unpacking it from Debian's docker-compose ($compose_suite) into $plugins."
    local work mirror
    work=$(mktemp -d)
    trap 'rm -rf "$work"' RETURN
    chmod 755 "$work"
    mirror=${ROTA_APT_MIRROR:-http://deb.debian.org/debian}
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $compose_suite main" > "$work/sources.list"
    local apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
    logged "${apt[@]}" update
    cd "$work"
    logged "${apt[@]}" download docker-compose
    cd - > /dev/null
    dpkg-deb -x "$work"/docker-compose_*.deb "$work/unpacked"
    as_root install -D -m 755 "$work/unpacked/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/docker-compose"
}

mapfile -t packages < <(missing_packages "${1:-}" | sort -u)
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
docker compose version > /dev/null 2>&1 || install_compose
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "python3 is older than 3.11: Debian 12 or newer is needed." >&2; exit 1; }
if [ "$(id -u)" != 0 ] && ! id -nG | grep -qw docker; then
    echo "$(id -un) may not use Docker yet: sudo usermod -aG docker $(id -un), then log in again." >&2
    exit 6
fi
