"""The sampler's remote half: what runs on a machine when the load balancer's key logs in.

The initializer installs it as the key's forced command; `load_balancer.domain.probe` reads what it
prints.
"""

from __future__ import annotations

SAMPLER_SCRIPT = """\
#!/bin/sh
# Rota's sampler: one line in, one sample out; shell builtins only, so a sample costs no process.
while IFS= read -r _; do
    IFS= read -r cpu < /proc/stat && echo "$cpu"
    while read -r name value _; do
        case $name in MemTotal:|MemAvailable:) echo "$name $value" ;; esac
        [ "$name" = MemAvailable: ] && break
    done < /proc/meminfo
    echo .
done
"""
