#!/bin/bash
# Makes an empty data directory ready, sets root's password, becomes the server.
# For MySQL and for MariaDB (the tests' second server): the one that is installed.
set -euo pipefail
umask 077

password_file=${ROTA_MYSQL_ROOT_PASSWORD_FILE:-}
root_host=${ROTA_MYSQL_ROOT_HOST:-localhost}
home=/var/lib/mysql
statements=/run/mysqld/start.sql

refuse() { echo "mysql: $*" >&2; exit 78; }

[ -n "$password_file" ] || refuse "ROTA_MYSQL_ROOT_PASSWORD_FILE is not set: no server without a password"
[ -r "$password_file" ] || refuse "$password_file is not readable by uid $(id -u)"
password=$(head -n 1 "$password_file")
[[ $password =~ ^[A-Za-z0-9_.~-]{12,}$ ]] || refuse "the root password must be 12 or more of A-Za-z0-9_.~-"
[ "$root_host" = localhost ] || [ "$root_host" = % ] || refuse "ROTA_MYSQL_ROOT_HOST is localhost or %"
[ -w "$home" ] || refuse "$home is not writable by uid $(id -u): use a named volume, or chown it"

server=mysqld
! command -v mariadbd > /dev/null || server=mariadbd

# Renamed only when complete: a start cut short is begun anew, never taken for a database.
if [ ! -d "$home/data" ]; then
    rm -rf "$home/data.part"
    if [ $server = mysqld ]; then
        mysqld --no-defaults --initialize-insecure --datadir="$home/data.part" \
            --character-set-server=utf8mb4 --collation-server=utf8mb4_bin
    else
        mariadb-install-db --no-defaults --datadir="$home/data.part" --skip-test-db \
            --auth-root-authentication-method=normal > /dev/null
    fi
    mv "$home/data.part" "$home/data"
fi

# Run by the server before it accepts anybody, at every start: the file is the truth.
{
    echo "SET SESSION sql_log_bin = 0;"
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY '$password';"
    if [ "$root_host" = % ]; then
        echo "CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY '$password';"
        echo "ALTER USER 'root'@'%' IDENTIFIED BY '$password';"
        echo "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    else
        echo "DROP USER IF EXISTS 'root'@'%';"
    fi
} > "$statements"

# With a certificate nobody is served in plain over the network.
encrypted=()
if [ -n "${ROTA_MYSQL_TLS_CERT_FILE:-}" ]; then
    for file in "$ROTA_MYSQL_TLS_CERT_FILE" "$ROTA_MYSQL_TLS_KEY_FILE" "$ROTA_MYSQL_CA_FILE"; do
        [ -r "$file" ] || refuse "$file is not readable by uid $(id -u)"
    done
    encrypted=(--ssl-cert="$ROTA_MYSQL_TLS_CERT_FILE" --ssl-key="$ROTA_MYSQL_TLS_KEY_FILE"
        --ssl-ca="$ROTA_MYSQL_CA_FILE" --require-secure-transport=ON --tls-version=TLSv1.2,TLSv1.3)
fi

exec "$server" --init-file="$statements" --port="${ROTA_MYSQL_PORT:-3306}" \
    --bind-address="${ROTA_MYSQL_BIND:-0.0.0.0}" "${encrypted[@]}"
