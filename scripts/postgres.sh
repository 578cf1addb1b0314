#!/usr/bin/env bash
# A private PostgreSQL for tests, from the installed binaries. It touches no other cluster on this machine.
#
#   scripts/postgres.sh start     starts it, if it is not running yet, and prints its URL
#   scripts/postgres.sh stop      stops it and erases its data
#   scripts/postgres.sh status    prints its URL, or exits 1
#
# It stands in .voorveld/postgres; PostgreSQL refuses to run as root, so for root it runs as user postgres (or nobody) and stands in /var/tmp.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/.." && pwd)
home=$project/.voorveld/postgres
as=()
if [[ $(id -u) == 0 ]]; then
    # The project may stand where only root can look, such as /root.
    home=/var/tmp/voorveld-tests${project//\//-}
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups env "HOME=$home")
fi

say() { echo "postgres: $*" >&2; }

# The newest installed binaries; Debian does not put them on the PATH.
bin=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
if [[ -z $bin ]] && command -v initdb >/dev/null; then bin=$(dirname "$(command -v initdb)"); fi

running() { [[ -s $home/url && -s $home/data/postmaster.pid ]] && kill -0 "$(head -n 1 "$home/data/postmaster.pid")" 2>/dev/null; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {
    if running; then
        cat "$home/url"
        return
    fi
    [[ -n $bin ]] || { say "PostgreSQL is missing: install the package postgresql"; exit 1; }
    rm -rf "$home"
    mkdir -p "$home"
    [[ $(id -u) != 0 ]] || chown "$user" "$home"
    cd "$home"
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        answers "$port" || break
    done
    "${as[@]}" "$bin/initdb" -D "$home/data" -U voorveld --auth=trust --encoding=UTF8 --locale=C >"$home/log" 2>&1 ||
        { say "making the cluster failed:"; tail -n 20 "$home/log" >&2; exit 1; }
    # Every test has a database of its own, and several run at once. fsync stays on: what is tested is what runs.
    cat >>"$home/data/postgresql.conf" <<CONF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
CONF
    "${as[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/server.log" -w -t 30 start >/dev/null 2>&1 </dev/null ||
        { say "it did not start; its log says:"; tail -n 20 "$home/server.log" >&2; exit 1; }
    echo "postgres://voorveld@127.0.0.1:$port/postgres" | tee "$home/url"
}

stop() {
    if running; then
        cd "$home"
        "${as[@]}" "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null 2>&1 || true
        cd /
    fi
    rm -rf "$home"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status) running && cat "$home/url" ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
