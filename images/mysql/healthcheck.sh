#!/bin/bash
# The server answers on its socket; `ping` succeeds also where the login is refused.
exec mysqladmin --no-defaults --socket=/run/mysqld/mysqld.sock --user=health --connect-timeout=3 ping
