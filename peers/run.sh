#!/usr/bin/env bash
# run.sh COMMAND...: starts the peers, runs the command with their addresses in its environment, and stops them
# whatever happens.
#
#   RINGBACK_PEER_FHIR      the base URL of Medplum's FHIR server
#   RINGBACK_TEST_POSTGRES  the address of a PostgreSQL; not set where none can be had, which is said
set -euo pipefail
cd "$(dirname "$0")"
peers=$PWD
run=$(mktemp -d "${TMPDIR:-/tmp}/ringback-peers.XXXXXX")
fhir_pid=
pg_port=

stop_all() {
  [[ -z $fhir_pid ]] || { kill "$fhir_pid" 2>/dev/null && wait "$fhir_pid" 2>/dev/null; } || true
  [[ -z $pg_port ]] || "$peers/postgres.sh" stop "$pg_port"
  rm -rf "$run"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skipped() { echo "SKIPPED: $*" | tee -a "${RINGBACK_SKIPPED:-/dev/null}"; }

free_port() { node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })"; }

install_packages() {
  # Installed already? npm's own copy of the lock file tells.
  if [[ node_modules/.package-lock.json -nt package-lock.json ]]; then return; fi
  # Medplum's packages ask for a newer Node than Debian has and run with an older one; npm warns at length.
  npm ci --ignore-scripts --omit=optional --loglevel=error
}

start_fhir() {
  : >"$run/fhir.out"
  node fhir-server.mjs >>"$run/fhir.out" 2>"$run/fhir.err" &
  fhir_pid=$!
  for _ in $(seq 300); do
    RINGBACK_PEER_FHIR=$(sed -n 's/^{"ready":"\([^"]*\)".*/\1/p' "$run/fhir.out")
    [[ -z $RINGBACK_PEER_FHIR ]] || { export RINGBACK_PEER_FHIR; return; }
    kill -0 "$fhir_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "run.sh: the FHIR server did not start:" >&2
  cat "$run/fhir.err" >&2
  exit 1
}

start_postgres() {
  local dsn status=0 port
  port=$(free_port)
  dsn=$(./postgres.sh start "$port") || status=$?
  case $status in
    0) pg_port=$port RINGBACK_TEST_POSTGRES=$dsn; export RINGBACK_TEST_POSTGRES ;;
    3) skipped "everything on PostgreSQL, because it is not installed and could not be" ;;
    *) exit "$status" ;;
  esac
}

[[ $# -gt 0 ]] || { sed -n '2,7s/^# \{0,1\}//p' run.sh >&2; exit 2; }
command -v node >/dev/null && command -v npm >/dev/null || { echo "run.sh: Node 20 or later with npm is needed" >&2; exit 1; }
install_packages
start_fhir
start_postgres
echo "peers: FHIR at $RINGBACK_PEER_FHIR; PostgreSQL at ${RINGBACK_TEST_POSTGRES:-(none)}"
cd ..
status=0
"$@" || status=$?
if [[ $status -ne 0 && -s $run/fhir.err ]]; then
  echo "run.sh: what the FHIR server said:" >&2
  tail -50 "$run/fhir.err" >&2
fi
exit "$status"
