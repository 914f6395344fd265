#!/usr/bin/env bash
# Whether the process of this container can do its work: asks /readyz, which every process serves on the same port.
set -euo pipefail

exec 3<>/dev/tcp/127.0.0.1/8080
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
