#!/bin/sh
# Keeps app containers (bridge rota-apps) from the platform: no way to this machine itself, to any
# machine of the platform, to other containers here, or to a cloud's metadata. As root; again
# without harm. usage: firewall.sh [remove|check]   The platform's addresses: one a line in $ADDRESSES.
# check: exits 0 when all of its rules, and no others in its chains, are in force; changes nothing.
set -eu
BRIDGE=rota-apps
ADDRESSES=${ROTA_FIREWALL_ADDRESSES:-/etc/rota/platform.addresses}
# Link-local (metadata of most clouds), and the two clouds that have theirs elsewhere.
METADATA4='169.254.0.0/16 100.100.100.200/32 168.63.129.16/32'
METADATA6='fe80::/10 fd00:ec2::254/128'

# Jump from chain $2 to chain $3 before everything else; $1 is the tool.
jump() {
    "$1" -w 10 -C "$2" -i "$BRIDGE" -j "$3" 2> /dev/null || "$1" -w 10 -I "$2" 1 -i "$BRIDGE" -j "$3"
}

unjump() { while "$1" -w 10 -D "$2" -i "$BRIDGE" -j "$3" 2> /dev/null; do :; done; }

# As the kernel lists them: `check` compares them so.
rules() {
    echo 'ROTA-HOST -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN'
    echo 'ROTA-HOST -j DROP'
    echo "ROTA-APPS -o $BRIDGE -j DROP"
    for bridge in 'docker+' 'br-+'; do echo "ROTA-APPS -o $bridge -j DROP"; done
    for address in "$@"; do echo "ROTA-APPS -d $address -j DROP"; done
    echo 'ROTA-APPS -j RETURN'
}

# A chain that is made anew beside the old one would leave a gap; one restore is atomic.
fill() {
    tool=$1 forwards=$2
    shift 2
    {
        echo '*filter'
        echo ':ROTA-APPS - [0:0]'
        echo ':ROTA-HOST - [0:0]'
        rules "$@" | sed 's/^/-A /'
        echo COMMIT
    } | "$tool-restore" -w 10 --noflush
    jump "$tool" "$forwards" ROTA-APPS
    jump "$tool" INPUT ROTA-HOST
}

# The kernel's listing is compared as it stands, so an order that was changed is seen too.
check() {
    tool=$1 forwards=$2
    shift 2
    "$tool" -w 10 -C "$forwards" -i "$BRIDGE" -j ROTA-APPS 2> /dev/null &&
        "$tool" -w 10 -C INPUT -i "$BRIDGE" -j ROTA-HOST 2> /dev/null || return 1
    there=$(for chain in ROTA-HOST ROTA-APPS; do "$tool" -w 10 -S "$chain" 2> /dev/null; done)
    [ "$(echo "$there" | sed -n 's/^-A //p')" = "$(rules "$@")" ]
}

drop() {
    unjump "$1" "$2" ROTA-APPS
    unjump "$1" INPUT ROTA-HOST
    for chain in ROTA-APPS ROTA-HOST; do
        "$1" -w 10 -F "$chain" 2> /dev/null && "$1" -w 10 -X "$chain" || true
    done
}

has_ipv6() { ip6tables -w 10 -n -L INPUT > /dev/null 2>&1; }

if [ "${1:-}" = remove ]; then
    drop iptables DOCKER-USER
    ! has_ipv6 || drop ip6tables FORWARD
    exit 0
fi
iptables -w 10 -n -L DOCKER-USER > /dev/null 2>&1 || {
    echo "firewall: no chain DOCKER-USER: is Docker up, with its iptables?" >&2
    exit 1
}
four='' six=''
if [ -r "$ADDRESSES" ]; then
    while read -r address _; do
        case $address in
            '' | '#'*) ;;
            *[!0-9a-fA-F.:/]*) echo "firewall: not an address in $ADDRESSES: $address" >&2; exit 1 ;;
            *:*/*) six="$six $address" ;;
            *:*) six="$six $address/128" ;;
            */*) four="$four $address" ;;
            *) four="$four $address/32" ;;
        esac
    done < "$ADDRESSES"
fi
if [ "${1:-}" = check ]; then
    # shellcheck disable=SC2086 # lists of checked words
    check iptables DOCKER-USER $METADATA4 $four || exit 1
    # shellcheck disable=SC2086
    ! has_ipv6 || check ip6tables FORWARD $METADATA6 $six || exit 1
    exit 0
fi
# shellcheck disable=SC2086 # lists of checked words
fill iptables DOCKER-USER $METADATA4 $four
# shellcheck disable=SC2086
! has_ipv6 || fill ip6tables FORWARD $METADATA6 $six
