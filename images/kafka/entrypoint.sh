#!/bin/bash
# Writes the broker's settings from ROTA_KAFKA_*, formats an unformatted disk, becomes the broker.
set -euo pipefail
umask 077

node_id=${ROTA_KAFKA_NODE_ID:-1}
bind=${ROTA_KAFKA_BIND:-0.0.0.0}
port=${ROTA_KAFKA_LISTEN:-9092}
controller_port=${ROTA_KAFKA_CONTROLLER_PORT:-9093}
advertised=${ROTA_KAFKA_ADVERTISED:-127.0.0.1:$port}
voters=${ROTA_KAFKA_VOTERS:-$node_id@127.0.0.1:$controller_port}
cluster_id=${ROTA_KAFKA_CLUSTER_ID:-cm90YS1vbmUtbWFjaGluZQ}
users_file=${ROTA_KAFKA_USERS_FILE:-}
tls_file=${ROTA_KAFKA_TLS_FILE:-}
ca_file=${ROTA_KAFKA_CA_FILE:-}
health_port=${ROTA_KAFKA_HEALTH_PORT:-9094}
data=/var/lib/kafka
settings=/etc/kafka/server.properties

refuse() { echo "kafka: $*" >&2; exit 78; }

# A quorum of one talks to itself only; of several, over the network.
copies=1 in_sync=1 controller_bind=127.0.0.1
# A dead broker's partitions move after 6 s (else 9): clients give a record up after 8.
quick_fencing=
case $voters in *,*)
    copies=3 in_sync=2 controller_bind=$bind
    quick_fencing=$'broker.session.timeout.ms=6000\nbroker.heartbeat.interval.ms=1500\n' ;;
esac

[ -w "$data" ] || refuse "$data is not writable by uid $(id -u): use a named volume, or chown it"

write_common() {
    cat > "$settings" <<END
process.roles=broker,controller
node.id=$node_id
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=CLIENT://$bind:$port,CONTROLLER://$controller_bind:$controller_port
advertised.listeners=CLIENT://$advertised
inter.broker.listener.name=CLIENT
log.dirs=$data/log
auto.create.topics.enable=false
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=16
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
$quick_fencing# A broker that a client stops waiting for after seconds must not hold its shutdown for minutes.
controlled.shutdown.max.retries=1
END
}

# Lines user:password; the first is the administrator and what brokers call each other as.
write_secured() {
    [ -r "$users_file" ] || refuse "ROTA_KAFKA_USERS_FILE=$users_file is not readable by uid $(id -u)"
    local login='org.apache.kafka.common.security'
    admin='' admin_password=''
    while IFS=: read -r user password || [ -n "$user" ]; do
        [ -n "$user" ] || continue
        [[ $user =~ ^[A-Za-z0-9_.-]+$ && $password =~ ^[A-Za-z0-9_.~-]{12,}$ ]] ||
            refuse "user '$user': names are A-Za-z0-9_.- and passwords 12 or more of A-Za-z0-9_.~-"
        [ -n "$admin" ] || { admin=$user; admin_password=$password; }
        scram+=(--add-scram "SCRAM-SHA-512=[name=$user,password=$password]")
    done < "$users_file"
    [ -n "$admin" ] || refuse "$users_file names no user"
    local kind=SASL_PLAINTEXT controllers=SASL_PLAINTEXT
    # Over the network the administrator's password goes by TLS or not at all.
    [ $copies = 1 ] || [ -n "$tls_file" ] || refuse "several brokers need ROTA_KAFKA_TLS_FILE"
    [ $copies = 1 ] || controllers=SASL_SSL
    [ -z "$tls_file" ] || { write_encrypted; kind=SASL_SSL; }
    local credentials="username=\"$admin\" password=\"$admin_password\""
    cat >> "$settings" <<END
listener.security.protocol.map=CLIENT:$kind,HEALTH:SASL_PLAINTEXT,CONTROLLER:$controllers
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:$admin
allow.everyone.if.no.acl.found=false
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required $credentials;
listener.name.health.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.health.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required $credentials;
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=$login.plain.PlainLoginModule required $credentials user_$admin="$admin_password";
END
}

# TLS for all that comes over the network; the machine's own health check asks without it.
write_encrypted() {
    [ -r "$tls_file" ] || refuse "ROTA_KAFKA_TLS_FILE=$tls_file is not readable by uid $(id -u)"
    [ -r "$ca_file" ] || refuse "ROTA_KAFKA_CA_FILE=$ca_file is not readable by uid $(id -u)"
    sed -i "s#^listeners=.*#&,HEALTH://127.0.0.1:$health_port#" "$settings"
    local listener
    for listener in client controller; do
        cat >> "$settings" <<END
listener.name.$listener.ssl.keystore.type=PEM
listener.name.$listener.ssl.keystore.location=$tls_file
listener.name.$listener.ssl.truststore.type=PEM
listener.name.$listener.ssl.truststore.location=$ca_file
listener.name.$listener.ssl.enabled.protocols=TLSv1.3,TLSv1.2
END
    done
}

scram=()
write_common
if [ -n "$users_file" ]; then
    write_secured
elif [ "${ROTA_KAFKA_INSECURE:-no}" = yes ]; then
    echo "listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT" >> "$settings"
else
    refuse "no ROTA_KAFKA_USERS_FILE, so anyone could write; ROTA_KAFKA_INSECURE=yes is for tests only"
fi

java=(/opt/java/bin/java -cp '/opt/kafka/libs/*' -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties)
if [ ! -f "$data/log/meta.properties" ]; then
    "${java[@]}" -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format \
        -t "$cluster_id" -c "$settings" --ignore-formatted "${scram[@]}"
fi
# -XX:+ExitOnOutOfMemoryError: half a broker is worse than one restarted by its policy.
exec "${java[@]}" -Xms"${ROTA_KAFKA_HEAP_MIN:-256m}" -Xmx"${ROTA_KAFKA_HEAP_MAX:-384m}" \
    -XX:+UseG1GC -XX:MaxGCPauseMillis=50 -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
    kafka.Kafka "$settings"
