# Prints what is true of this machine, a line each; changes nothing. Run as root by POSIX sh.
# $1: platform; $2: full, for what only `doctor` looks at
set -u
say() { printf '%s\n' "$*"; }
say "clock $(date +%s)"
( . /etc/os-release; say "os ${ID:-unknown} ${VERSION_ID:-0}"; [ -z "${ID_LIKE:-}" ] || say "os_like $ID_LIKE" )
say "machine_id $(cat /etc/machine-id 2>/dev/null)"
say "cpus $(getconf _NPROCESSORS_ONLN)"
while read -r name value _; do
    case $name in
        MemTotal:) say "memory_kib $value" ;;
        MemAvailable:) say "memory_free_kib $value" ;;
    esac
done < /proc/meminfo
disk=/var/lib/docker; [ -d "$disk" ] || disk=/var/lib
say "disk_free_kib $(df -Pk "$disk" | awk 'NR == 2 { print $4 }')"
say "inodes_free $(df -Pi "$disk" | awk 'NR == 2 { print $4 ~ /^[0-9]+$/ ? $4 : -1 }')"
read -r load _ < /proc/loadavg && say "load $load"
[ -w /var/lib ] || say "read_only yes"
say "cgroup $(sed -n 's#^[0-9]*:\(cpu,cpuacct\|cpuacct\):##p; s#^0::##p' /proc/1/cgroup | head -n 1 | sed 's#/init\.scope$##')"
if command -v apt-get > /dev/null; then say "packager apt"
elif command -v dnf > /dev/null; then say "packager dnf"; fi
[ ! -d /sys/kernel/security/apparmor ] || command -v apparmor_parser > /dev/null || say "no_apparmor_parser yes"
[ -d /run/systemd/system ] && say "init systemd"
id rota-sampler > /dev/null 2>&1 && say "sampler yes"
[ -d /var/lib/rota/client ] && say "folders yes"
command -v ip > /dev/null && ip -o addr show scope global | awk '
    $2 !~ /^(docker|br-|veth|rota-apps)/ && !/temporary|deprecated|tentative/ {
        sub(/\/.*/, "", $4); print "address", tolower($4) }' | sort -u
[ -s /etc/docker/daemon.json ] && say "docker_settings $(base64 -w 0 < /etc/docker/daemon.json)"
units=$(cd /etc/systemd/system 2>/dev/null && ls rota-watchdog.service rota-firewall.service 2>/dev/null)
[ -z "$units" ] || systemctl show -p Id,ActiveState,UnitFileState $units 2>/dev/null | awk -F= '
    function tell() { if ("Id" in told) print "unit", told["Id"], told["ActiveState"], told["UnitFileState"] }
    NF < 2 { tell(); delete told; next }
    { told[$1] = $2 }
    END { tell() }'
[ -f /usr/local/lib/rota/firewall.sh ] && sh /usr/local/lib/rota/firewall.sh check 2>/dev/null &&
    say "firewall yes"
# Two processes for all files, not four a file: on small machines these lines were half of the run.
ours() {
    find /usr/lib/tmpfiles.d/rota.conf /etc/systemd/system/rota-*.service /etc/rota \
        /usr/local/lib/rota /var/lib/rota-sampler /etc/docker/daemon.json -type f -exec "$@" {} + 2>/dev/null
}
{ ours sha256sum; ours stat -c '%a %u %n'; } | awk '
    length($1) == 64 { digest[substr($0, 67)] = $1; next }
    { path = substr($0, length($1) + length($2) + 3) }
    path in digest { print "file", digest[path], $1, $2, path }'
for path in /var/lib/rota/stamps/*; do
    [ -f "$path" ] && say "stamp ${path##*/} $(cat "$path")"
done
if command -v docker > /dev/null; then
    say "docker_client yes"
    version=$(docker version -f '{{.Server.Version}}' 2>/dev/null) && {
        say "docker $version"
        docker image ls -a --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | awk '
            !seen[$1]++ { print "image", $1 }
            $2 !~ /^<none>/ { print "tag", $1, $2 }'
        ids=$(docker ps -a --filter label=io.rota.service --filter "label=io.rota.platform=$1" \
            --format '{{.ID}} {{.Names}}' | sed -n '/-before$/d; s/ .*//p')
        [ -z "$ids" ] || docker inspect -f 'container {{index .Config.Labels "io.rota.service"}} {{index .Config.Labels "io.rota.spec-hash"}} {{.State.Status}} {{.RestartCount}} {{.Image}} {{.Config.Image}} {{.State.StartedAt}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{index .Config.Labels "io.rota.spec"}}' $ids
    }
fi
if [ "${2:-}" = full ]; then
    command -v timedatectl > /dev/null &&
        say "synchronised $(timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
    command -v ss > /dev/null && ss -Hltnp 2>/dev/null | awk '{
        n = split($4, part, ":"); port = part[n]; address = substr($4, 1, length($4) - length(port) - 1)
        who = $6; sub(/^users:\(\("/, "", who); sub(/".*/, "", who)
        print "listen", port, address, who == "" ? "another" : who
        if (who ~ /dockerd/) print "docker_socket", $4 }'
    if [ -n "${version:-}" ]; then
        say "docker_storage $(docker info -f '{{.Driver}}' 2>/dev/null)"
        say "docker_at_boot $(systemctl is-enabled docker 2>/dev/null)"
        say "jobs $(docker ps -q --filter label=io.rota.job --filter "label=io.rota.platform=$1" | wc -l)"
        docker ps -a --format '{{.Names}} {{.Label "io.rota.service"}}' | while read -r name service; do
            case $name in rota-kafka|rota-mysql|rota-client|rota-scheduler|rota-*-manager|rota-load-balancer)
                [ -n "$service" ] || say "foreign $name" ;;
            esac
        done
    fi
fi
say "end yes"
