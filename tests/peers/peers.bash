# shellcheck shell=bash
# shellcheck disable=SC2154 # top: from helper.bash
# peers.bash - a real PostgreSQL, PgBouncer and PostgREST for tests; see README.md
#
# Sourced by helper.bash.  What setup_file starts, all tests of the file share.

# where_postgres: the folder of its programs; 1 if it is not here.
where_postgres() {
	local at
	at=$(shopt -s nullglob; printf '%s\n' /usr/lib/postgresql/*/bin/initdb /usr/libexec/postgresql*/initdb \
		/opt/homebrew/opt/postgresql@*/bin/initdb /usr/local/opt/postgresql@*/bin/initdb | sort -V | tail -n 1)
	[ -n "$at" ] || at=$(type -P initdb) || return
	dirname "$at"
}

# lacks postgres|pgbouncer|postgrest: whether it is not to be had; then $lacking says so.
# setup_file can only ask this, since bats 1.8 cannot skip there: skip_lacking does, in
# setup.
lacks() {
	lacking=$(case $1 in
	postgres) where_postgres >/dev/null || echo 'no PostgreSQL server here' ;;
	pgbouncer) type -P pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || echo 'no pgbouncer here' ;;
	postgrest)
		[ -x "$("$top/tests/peers/postgrest.sh" --where)" ] ||
			echo 'no PostgREST here: tests/peers/postgrest.sh fetches it, for Linux on x86-64'
		;;
	esac)
	export lacking
	[ -n "$lacking" ]
}
skip_lacking() {
	[ -z "${lacking:-}" ] || skip "$lacking"
}

# needs WHAT: skip the test where that is not to be had.
needs() {
	! lacks "$1" || skip "$lacking"
}

# Servers of PostgreSQL do not run as root.
as_postgres() {
	if [ "$EUID" -ne 0 ]; then
		"$@"
	else
		python3 -c '
import os, pwd, sys, warnings  # all, while they can be read
try:
    user = pwd.getpwnam("postgres")
except KeyError:
    user = pwd.getpwnam("nobody")
os.chdir("/")
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
	fi
}

# Below those that the kernel gives away by itself, and free as of now.
free_port() {
	python3 -c '
import random, socket
while True:
    port = random.randrange(15000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break'
}

# Debian's own psql is a script that looks for the real one, and takes its time.
psql() {
	if [ -x "${pg_bin:-}/psql" ]; then
		"$pg_bin/psql" "$@"
	else
		command psql "$@"
	fi
}

# make_cluster FOLDER: an empty one with the roles that Supabase has, and sellerpipe,
# which owns databases and is nothing else.  Passwords are "secret of NAME".
make_cluster() {
	as_postgres "$pg_bin/initdb" -D "$1" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null &&
		as_postgres "$pg_bin/postgres" --single -j -D "$1" -c fsync=off -c log_min_messages=fatal postgres >/dev/null <<-'!'
			CREATE ROLE sellerpipe LOGIN PASSWORD 'secret of sellerpipe';

			CREATE ROLE anon NOLOGIN;

			CREATE ROLE authenticated NOLOGIN;

			CREATE ROLE service_role NOLOGIN BYPASSRLS;

			CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'secret of authenticator';

			GRANT anon, authenticated, service_role TO authenticator;
		!
}

# start_postgres [--password] [OPTION...]: a cluster of our own, with options of
# postgres itself.  Everybody gets in; with --password, who comes by TCP and has one.
# It sets pg_port, pg_dir (its folder: the unix socket is in it), pg_admin_url.
start_postgres() {
	local by=trust
	pg_bin=$(where_postgres)
	pg_dir=$(mktemp -d /tmp/sellerpipe-pg.XXXXXX)
	[ "$EUID" -ne 0 ] || chown postgres "$pg_dir" 2>/dev/null || chown nobody "$pg_dir"
	if [ "${1:-}" = --password ]; then
		by=scram-sha-256
		shift
	fi
	if [ -d "${TEST_PG_TEMPLATE:-}" ]; then
		cp -a "$TEST_PG_TEMPLATE" "$pg_dir/data"
	else
		make_cluster "$pg_dir/data"
	fi || return
	as_postgres tee "$pg_dir/data/pg_hba.conf" >/dev/null <<-!
		local all all trust
		host all all 127.0.0.1/32 $by
	!
	for _ in 1 2 3 4 5; do # somebody else may be as quick to take the port
		pg_port=$(free_port)
		pg_options="-c listen_addresses=127.0.0.1 -p $pg_port -k $pg_dir -c fsync=off -c max_connections=60 -c shared_buffers=16MB -c timezone=UTC $*"
		export pg_bin pg_dir pg_port pg_options
		! resume_postgres || break
	done
	export pg_admin_url="postgresql:///postgres?host=$pg_dir&port=$pg_port&user=postgres"
	psql -qAtX "$pg_admin_url" -c 'SELECT 1' >/dev/null
}

pg_control() {
	as_postgres "$pg_bin/pg_ctl" -s -w -t 60 -D "$pg_dir/data" -l "$pg_dir/log" "$@" 3>&-
}
resume_postgres() { # after halt_postgres or kill_postgres
	pg_control -o "$pg_options" start
}
halt_postgres() { # as a machine that shuts down
	pg_control -m fast stop
}
restart_postgres() {
	halt_postgres && resume_postgres
}

# kill_postgres: all its processes at once, as if the machine had lost its power.
kill_postgres() {
	local pid pids
	pid=$(head -n 1 "$pg_dir/data/postmaster.pid")
	kill -STOP "$pid" # it makes no more of them
	pids="$pid $(ps -o pid= --ppid "$pid")"
	# shellcheck disable=SC2086 # a list of numbers; some may be gone
	kill -KILL $pids 2>/dev/null || true
	while ps -o stat= -p "$(tr -s ' \n' , <<<"$pids" | sed 's/,$//')" | grep -qv '^Z'; do
		sleep 0.02
	done
	rm -f "$pg_dir/data/postmaster.pid" "$pg_dir"/.s.PGSQL.*
}

# stop_postgres: called by the teardown that belongs to start_postgres.
stop_postgres() {
	[ -n "${pg_dir:-}" ] || return 0
	[ ! -e "$pg_dir/data/postmaster.pid" ] || pg_control -m immediate stop || true
	rm -rf "$pg_dir"
}

# new_database [--supabase | --like NAME]: one of this test's own, empty or a copy of
# another.  It sets pg_name, pg_url (as its owner) and pg_super_url.  With --supabase, all
# that is made in it is open to anon and service_role, as in projects from before October
# 2026.
new_database() {
	pg_name=t${EPOCHREALTIME//[.,]/}_$RANDOM
	psql -qX -v ON_ERROR_STOP=1 "$pg_admin_url" \
		-c "CREATE DATABASE $pg_name OWNER sellerpipe TEMPLATE ${2:-template1}" || return
	pg_url=postgresql://sellerpipe@127.0.0.1:$pg_port/$pg_name
	pg_super_url="postgresql:///$pg_name?host=$pg_dir&port=$pg_port&user=postgres"
	export pg_name pg_url pg_super_url
	[ "${1:-}" != --like ] || return 0
	psql -qX -v ON_ERROR_STOP=1 "$pg_super_url" <<-!
		GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
		${1:+ALTER DEFAULT PRIVILEGES FOR ROLE sellerpipe IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
		ALTER DEFAULT PRIVILEGES FOR ROLE sellerpipe IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;}
	!
}

# sql [OPTION...] STATEMENT: what the database of this test says, as its owner.
sql() {
	psql -qAtX -v ON_ERROR_STOP=1 "${@:1:$#-1}" "$pg_url" -c "${!#}"
}

# jwt ROLE [CLAIMS]: a key as Supabase's older ones are.
jwt_secret=a-secret-of-the-tests-and-of-nobody-else
jwt() {
	local head body
	head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
	body=$(printf '{"iss":"supabase","role":"%s"%s}' "$1" "${2:+,$2}" | base64url)
	printf '%s.%s.%s\n' "$head" "$body" \
		"$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -hmac "$jwt_secret" -binary | base64url)"
}
base64url() {
	openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# start_postgrest [SETTING=VALUE...]: PostgREST for the database of this test, with
# settings like db-max-rows=1000.  It sets rest_url, rest_key (service_role's) and
# rest_anon_key.
start_postgrest() {
	local setting
	rest_port=$(free_port) rest_admin_port=$(free_port)
	rest_conf=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/postgrest.conf
	cat >"$rest_conf" <<-!
		db-uri = "postgresql://authenticator:secret%20of%20authenticator@127.0.0.1:$pg_port/$pg_name"
		db-schemas = "public"
		db-anon-role = "anon"
		jwt-secret = "$jwt_secret"
		server-host = "127.0.0.1"
		server-port = $rest_port
		admin-server-port = $rest_admin_port
	!
	for setting; do
		echo "${setting%%=*} = \"${setting#*=}\"" >>"$rest_conf"
	done
	rest_url=http://127.0.0.1:$rest_port
	rest_key=$(jwt service_role) rest_anon_key=$(jwt anon)
	export rest_port rest_admin_port rest_conf rest_url rest_key rest_anon_key
	resume_postgrest
}

resume_postgrest() {
	"$("$top/tests/peers/postgrest.sh" --where)" "$rest_conf" >>"$rest_conf.log" 2>&1 3>&- &
	export rest_pid=$!
	await_postgrest
}

# await_postgrest: until it has a database, and knows what is in it.
await_postgrest() {
	for _ in {1..600}; do
		curl -sf -o "$rest_conf.ready" "http://127.0.0.1:$rest_admin_port/ready" && return
		kill -0 "$rest_pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$rest_conf.log" >&2
	return 1
}

# reload_postgrest: until it knows what has been made in the database.
reload_postgrest() {
	local loaded
	loaded=$(grep -c 'Schema cache loaded' "$rest_conf.log" || true)
	sql "NOTIFY pgrst, 'reload schema'"
	for _ in {1..200}; do
		[ "$(grep -c 'Schema cache loaded' "$rest_conf.log" || true)" -eq "$loaded" ] || return 0
		sleep 0.05
	done
	return 1
}

stop_postgrest() {
	[ -n "${rest_pid:-}" ] || return 0
	kill "$rest_pid" 2>/dev/null || true
	wait "$rest_pid" 2>/dev/null || true
	unset rest_pid
}

# start_pgbouncer [SETTING=VALUE...]: in front of the cluster, two connections to each
# database, handed on after each transaction.  It sets bouncer_port, bouncer_url.
start_pgbouncer() {
	local setting dir
	dir=$(mktemp -d "$pg_dir/bouncer.XXXXXX")
	bouncer_port=$(free_port)
	cat >"$dir/conf" <<-!
		[databases]
		* = host=127.0.0.1 port=$pg_port
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $bouncer_port
		unix_socket_dir =
		auth_type = trust
		auth_file = $dir/users
		pool_mode = transaction
		default_pool_size = 2
		max_client_conn = 200
	!
	for setting; do
		echo "${setting%%=*} = ${setting#*=}" >>"$dir/conf"
	done
	echo '"sellerpipe" "secret of sellerpipe"' >"$dir/users"
	chmod -R a+rX "$dir"
	# Its own pid it says itself: $! is that of the shell that waits for it.
	mkdir "$dir/run"
	chmod 777 "$dir/run"
	echo "pidfile = $dir/run/pid" >>"$dir/conf"
	as_postgres "$(type -P pgbouncer || echo /usr/sbin/pgbouncer)" "$dir/conf" >"$dir/log" 2>&1 3>&- &
	bouncer_url=postgresql://sellerpipe@127.0.0.1:$bouncer_port/$pg_name
	export bouncer_port bouncer_pid bouncer_url
	for _ in {1..200}; do
		if psql -qAtX "$bouncer_url" -c 'SELECT 1' >/dev/null 2>&1; then
			bouncer_pid=$(<"$dir/run/pid")
			return 0
		fi
		kill -0 $! 2>/dev/null || break
		sleep 0.05
	done
	cat "$dir/log" >&2
	return 1
}

stop_pgbouncer() {
	[ -n "${bouncer_pid:-}" ] || return 0
	kill "$bouncer_pid" 2>/dev/null || true
	unset bouncer_pid
}

# start_proxy PORT: before that port of loopback.  It sets proxy_port; what clients send
# is in the file proxy.log, and a line in proxy.faults happens to the next connection, see
# proxy.py.  Both are in the test's folder.
start_proxy() {
	local ready=$BATS_TEST_TMPDIR/proxy.ready
	rm -f "$ready"
	: >"$BATS_TEST_TMPDIR/proxy.log"
	"$TEST_PYTHON" -SE "$top/tests/peers/proxy.py" --ready "$ready" --to "127.0.0.1:$1" \
		--log "$BATS_TEST_TMPDIR/proxy.log" --faults "$BATS_TEST_TMPDIR/proxy.faults" 3>&- &
	proxy_pid=$!
	while [ ! -s "$ready" ]; do
		kill -0 "$proxy_pid" || return
		sleep 0.05
	done
	proxy_port=$(<"$ready")
	export proxy_port proxy_pid
}

stop_proxy() {
	[ -n "${proxy_pid:-}" ] || return 0
	kill "$proxy_pid" 2>/dev/null || true
	wait "$proxy_pid" 2>/dev/null || true
	unset proxy_pid
}
