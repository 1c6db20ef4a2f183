#!/bin/sh
# Draws the passwords and keys of a compose deployment, once: what is there stays. Only their owner may enter the folder.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

draw() { # a file that a container's user may read, once it is mounted there
    [ -e "$1" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$1"
    chmod 444 "$1"
}

draw postgres_password
draw grafana_password
draw stt_summarizer_key
draw stt_triton_control_key
[ -e stt_accounts_database ] || printf 'postgresql://stt:%s@postgres/stt' "$(cat postgres_password)" >stt_accounts_database
chmod 444 stt_accounts_database
