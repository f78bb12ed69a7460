#!/bin/bash
# Asks the broker for its API versions (allowed before login) and reads the answer: a port that
# only accepts is not healthy. No Java, so it costs milliseconds.
set -euo pipefail
host=${ROTA_KAFKA_BIND:-127.0.0.1}
[ "$host" != 0.0.0.0 ] || host=127.0.0.1
port=${ROTA_KAFKA_LISTEN:-9092}
# where the network's listener speaks TLS, another on this machine does not
[ -z "${ROTA_KAFKA_TLS_FILE:-}" ] || { host=127.0.0.1; port=${ROTA_KAFKA_HEALTH_PORT:-9094}; }
exec 3<>"/dev/tcp/$host/$port"
# length 10, key 18 (ApiVersions), version 0, correlation 1, no client id
printf '\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff' >&3
answer=$(timeout 3 head -c 10 <&3 | od -An -tx1 | tr -d ' \n')
# bytes 4-7 the correlation, 8-9 the error code
[ "${answer:8:12}" = 000000010000 ]
