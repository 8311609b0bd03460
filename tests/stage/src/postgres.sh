# A PostgreSQL server of one's own: silent, reached through a socket in a folder of its own, gone with it when standard
# input ends, however the test process ended. Says the folder once it answers. Arguments: the folder of its programs, the
# superuser's password, the server's settings, this text.
set -eu
# The server refuses to run as root; Debian's package brings a user for it.
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --clear-groups sh -c "$4" sh "$1" "$2" "$3" ""
fi
bin=$1
# Short, because a socket's path may not be longer than 107 bytes.
folder=$(mktemp -d /tmp/postgres.XXXXXX)
cd "$folder"
printf '%s' "$2" >password
"$bin/initdb" -D data -U postgres -A scram-sha-256 --pwfile=password -E UTF8 --locale=C --no-sync >log 2>&1
rm password

start() {
    "$bin/pg_ctl" -D data -w -t 120 -l log -o "-k '$folder' -c listen_addresses='' -c max_connections=200 $3" start >>log 2>&1
}

start "$@" || { cat log >&2; exit 1; }
echo "$folder"
while read -r order; do
    case $order in
    crash) kill -9 "$(head -n 1 data/postmaster.pid)" ;;
    # The processes the dead one left behind end by themselves, and are waited for.
    start) until start "$@"; do sleep 0.2; done ;;
    esac
    echo "$order"
done
"$bin/pg_ctl" -D data -w -m immediate stop >>log 2>&1 || true
rm -rf "$folder"
