#!/bin/sh
# Ends app containers at their stop time when the platform client does not: it needs only Docker.
# What it goes by are the labels of the running containers (io.rota.deadline, .timeout, .grace).
# usage: watchdog.sh [ROUNDS]    (for ever, without ROUNDS)
set -u
ROUND=2                                    # seconds between two looks
LATE=1                                     # the client has so long to do it itself
ALIVE=${ROTA_WATCHDOG_ALIVE:-/run/rota-client/watchdog}
LABELS='{{.ID}} {{.Label "io.rota.deadline"}} {{.Label "io.rota.grace"}}'
HOLD=600                                   # a clock that jumped is not followed for so long
stopping=' '                               # the containers that a `docker stop` of ours works on

ask() { timeout 10 docker "$@" < /dev/null 2> /dev/null; }
number() { case $1 in '' | *[!0-9]*) echo "$2" ;; *) echo "$1" ;; esac; }

# Set now: Unix seconds, by a clock that does not follow a jump at once (no early kills).
tell_time() {
    read -r up _ < /proc/uptime
    up=${up%%.*}
    now=$(date +%s)
    jump=$((now - up - ${offset:=$((now - up))}))
    if [ "${jump#-}" -le 2 ]; then
        offset=$((now - up)) jumped=
    elif [ $((up - ${jumped:=$up})) -ge "$HOLD" ]; then
        echo "clock followed by=${jump}s"
        offset=$((now - up)) jumped=
    else
        now=$((up + offset))
    fi
}

# Stop container $1, which had to end at $2 (Unix seconds) with a grace of $3 s.
stop() {
    age=$((now - $2))
    [ "$age" -ge "$LATE" ] || return 0
    if [ "$age" -ge $(($3 + LATE + ROUND)) ]; then
        echo "kill container=$1 late=${age}s"
        ask kill -s KILL "$1" > /dev/null
        return 0
    fi
    case $stopping in *" $1 "*) return 0 ;; esac
    stopping="$stopping$1 "
    # A signal since the stop time is the client's: it is alive, and counts the grace itself.
    signalled=$(ask events --since $(($2 - $3 - 1)) --until "$(date +%s.%N)" \
        --filter event=kill --filter container="$1" --format '{{.ID}}')
    [ -z "$signalled" ] || return 0
    echo "stop container=$1 late=${age}s grace=${3}s"
    timeout $(($3 + 30)) docker stop -t "$3" "$1" < /dev/null > /dev/null 2>&1 &
}

look() {
    ask ps --no-trunc --filter label=io.rota.job --filter label=io.rota.deadline --format "$LABELS" |
        while read -r id deadline grace; do
            at=$(date -d "$deadline" +%s 2> /dev/null) || continue
            echo "$id $at $(number "$grace" 10)"
        done
    for id in $(ask ps -q --no-trunc --filter label=io.rota.job --filter label=io.rota.timeout); do
        ask inspect -f '{{.State.StartedAt}} {{index .Config.Labels "io.rota.timeout"}} {{index .Config.Labels "io.rota.grace"}}' "$id" |
            while read -r started timeout grace; do
                timeout=$(number "$timeout" none)
                at=$(date -d "$started" +%s 2> /dev/null) && [ "$timeout" != none ] || continue
                # A restart within the job starts the count anew here; the client's own does not.
                echo "$id $((at + timeout)) $(number "$grace" 10)"
            done
    done
}

rounds=${1:-0}
while :; do
    : > "$ALIVE" 2> /dev/null
    due=$(look)
    tell_time
    next=$ROUND
    while read -r id at grace; do
        [ -n "$id" ] || continue
        stop "$id" "$at" "$grace"
        left=$((at + LATE - now))
        [ "$left" -le 0 ] || [ "$left" -ge "$next" ] || next=$left
    done << END
$due
END
    rounds=$((rounds - 1))
    [ "$rounds" -ne 0 ] || exit 0
    sleep "$next" & wait $!
done
