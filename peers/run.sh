#!/usr/bin/env bash
# run.sh COMMAND...: starts the peers, runs the command with their addresses in its environment, and stops them
# whatever happens.
#
#   RINGBACK_PEER_FHIR      the base URL of Medplum's FHIR server
#   RINGBACK_PEER_HAPI      the base URL of HAPI's FHIR server; not set where its jars cannot be had, which is said
#   RINGBACK_TEST_POSTGRES  the address of a PostgreSQL; not set where none can be had, which is said
set -euo pipefail
cd "$(dirname "$0")"
peers=$PWD
run=$(mktemp -d "${TMPDIR:-/tmp}/ringback-peers.XXXXXX")
servers=() # process ids
pg_port=

stop_all() {
  for pid in "${servers[@]}"; do
    { kill "$pid" && wait "$pid"; } 2>/dev/null || true
  done
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

# start NAME COMMAND...: starts a server in the background. The line {"ready": URL} that it prints is waited for by ready.
start() {
  local name=$1
  shift
  "$@" >"$run/$name.out" 2>"$run/$name.err" &
  servers+=($!)
  echo "$! $SECONDS" >"$run/$name.pid"
}

# ready NAME SECONDS: waits until a server is ready and prints its URL. Ends everything when it does not come.
ready() {
  local name=$1 pid began url
  read -r pid began <"$run/$name.pid"
  while [[ $((SECONDS - began)) -lt $2 ]]; do
    url=$(sed -n 's/^{"ready":"\([^"]*\)".*/\1/p' "$run/$name.out")
    if [[ -n $url ]]; then
      echo "run.sh: $name started within $((SECONDS - began)) seconds" >&2
      echo "$url"
      return
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "run.sh: $name did not start:" >&2
  tail -50 "$run/$name.err" >&2
  return 1
}

# build_hapi compiles HAPI's server once. Status 3: its jars cannot be had.
build_hapi() {
  local built=hapi/target/built
  if [[ $built -nt hapi/pom.xml && $built -nt hapi/src/main/java/Hapi.java ]] && tr ':' '\n' <hapi/target/classpath | xargs ls >/dev/null 2>&1; then
    return
  fi
  if ! command -v mvn >/dev/null || ! command -v java >/dev/null; then
    echo "Java 17 and Maven are needed" >"$run/mvn.out"
    return 3
  fi
  echo "run.sh: building HAPI's server; the first time Maven fetches 250 jars"
  # -U: what could not be had yesterday may be there today.
  if mvn -q -B -U -Dstyle.color=never -f hapi/pom.xml clean compile >"$run/mvn.out" 2>&1; then
    touch "$built"
  elif grep -qE 'Could not (resolve|find|transfer)|Non-resolvable' "$run/mvn.out"; then
    return 3
  else
    cat "$run/mvn.out" >&2
    return 1
  fi
}

start_hapi() {
  local status=0
  build_hapi || status=$?
  case $status in
    # Compiled by half it starts in half the time; only the campaign is long enough to gain by the whole (4).
    0) start hapi java -Xmx2g -XX:TieredStopAtLevel="$([[ -n ${RINGBACK_CAMPAIGN_N:-} ]] && echo 4 || echo 1)" -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
         -Dorg.slf4j.simpleLogger.log.org.hibernate.engine.jdbc.spi.SqlExceptionHelper=off \
         -cp "hapi/target/classes:$(<hapi/target/classpath)" Hapi ;;
    3) skipped "everything on HAPI's FHIR server: $(grep -m 1 -oE '(Java|Could not|Non-resolvable) .*' "$run/mvn.out")" ;;
    *) exit "$status" ;;
  esac
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

[[ $# -gt 0 ]] || { sed -n '2,8s/^# \{0,1\}//p' run.sh >&2; exit 2; }
command -v node >/dev/null && command -v npm >/dev/null || { echo "run.sh: Node 20.12 or later with npm is needed" >&2; exit 1; }
install_packages
start_hapi
start medplum node fhir-server.mjs
start_postgres
RINGBACK_PEER_FHIR=$(ready medplum 60)
export RINGBACK_PEER_FHIR
if [[ -e $run/hapi.pid ]]; then
  RINGBACK_PEER_HAPI=$(ready hapi 300)
  export RINGBACK_PEER_HAPI
fi
echo "peers: Medplum at $RINGBACK_PEER_FHIR; HAPI at ${RINGBACK_PEER_HAPI:-(none)}; PostgreSQL at ${RINGBACK_TEST_POSTGRES:-(none)}"
cd ..
status=0
"$@" || status=$?
if [[ $status -ne 0 ]]; then
  for name in medplum hapi; do
    if [[ -s $run/$name.err ]]; then
      echo "run.sh: what $name said:" >&2
      tail -50 "$run/$name.err" >&2
    fi
  done
fi
exit "$status"
