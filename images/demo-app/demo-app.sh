#!/bin/sh
# demo-app run SECONDS [EXIT_CODE] | forever | ignore-term | burn-cpu [SECONDS] | hold-memory MIB
# Prints its ROTA_* environment, works until its time is over or SIGTERM comes (then exit 0), and
# tells a witness outside the platform, if /witness is mounted: one synced line an event.
set -u

witness() {
    line="time=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) job=${ROTA_JOB_ID:--} attempt=${ROTA_ATTEMPT:--} host=$(hostname) event=$1"
    echo "$line"
    [ -d /witness ] || return 0
    # One write to a file opened for appending: lines of several containers do not mix.
    printf '%s\n' "$line" | dd of=/witness/log oflag=append conv=notrunc,fsync status=none ||
        echo "demo-app: cannot write /witness/log as uid $(id -u)" >&2
}

usage() { sed -n '2p' "$0" | cut -c3- >&2; exit 2; }

finish() { witness "end code=$1"; exit "$1"; }

# `wait` is cut short by a signal, a plain `sleep` is not.
pause() { sleep "$1" > /dev/null 2>&1 & sleeper=$!; wait $sleeper; }

stop() {
    witness "signal name=TERM"
    kill ${child:-} ${sleeper:-} 2> /dev/null
    finish 0
}

[ $# -ge 1 ] || usage
mode=$1; shift
case $mode in
    run|hold-memory) [ $# -ge 1 ] || usage ;;
    forever|ignore-term|burn-cpu) ;;
    *) usage ;;
esac

env | grep '^ROTA_' | sort
trap stop TERM INT
[ "$mode" != ignore-term ] || trap 'witness "signal name=TERM ignored=yes"' TERM INT
witness "start mode=$mode"
case $mode in
    run) pause "$1"; finish "${2:-0}" ;;
    burn-cpu)
        ( while :; do :; done ) > /dev/null 2>&1 & child=$!
        if [ $# -ge 1 ]; then pause "$1"; kill $child; finish 0; fi ;;
    hold-memory)
        # tail keeps all of a line that never ends.
        ( { head -c "${1}M" /dev/zero; exec sleep 1000000; } | exec tail -n 1 ) > /dev/null 2>&1 & child=$! ;;
esac
while :; do pause 3600; done
