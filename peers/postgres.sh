#!/usr/bin/env bash
# postgres.sh start|stop PORT: a throw-away PostgreSQL on 127.0.0.1:PORT, from Debian's package, without a password.
# start prints the address; everything lives in one folder below ${TMPDIR:-/tmp}, and stop removes it.
set -euo pipefail

usage() {
  echo "usage: $0 start|stop PORT" >&2
  exit 2
}
[[ $# -eq 2 && $2 =~ ^[0-9]+$ ]] || usage
port=$2
home=${TMPDIR:-/tmp}/ringback-postgres-$port

# PostgreSQL refuses to run as root; Debian's package makes the user postgres.
as_postgres() {
  if [[ $EUID -eq 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

binaries() { find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1; }

install_package() {
  [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null || {
    echo "postgres.sh: there is no PostgreSQL; install Debian's package postgresql" >&2
    exit 3
  }
  echo "postgres.sh: installing Debian's package postgresql" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >&2 || {
    echo "postgres.sh: the package postgresql could not be installed" >&2
    exit 3
  }
}

start() {
  [[ -n $(binaries) ]] || install_package
  local bin
  bin=$(binaries)
  stop
  mkdir -p "$home"
  if [[ $EUID -eq 0 ]]; then chown postgres "$home"; fi
  as_postgres "$bin/initdb" -D "$home/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >"$home.initdb.log" 2>&1 ||
    { cat "$home.initdb.log" >&2; exit 1; }
  # Nothing here has to outlive a power cut, so fsync is off.
  as_postgres "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w \
    -o "-h 127.0.0.1 -p $port -k $home -c fsync=off -c max_connections=200" start >/dev/null ||
    { cat "$home/log" >&2; exit 1; }
  echo "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
}

stop() {
  if [[ -e $home/data/postmaster.pid ]]; then
    as_postgres "$(binaries)/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null || true
  fi
  rm -rf "$home" "$home.initdb.log"
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
