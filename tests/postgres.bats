#!/usr/bin/env bats
# db-load and db-query on PostgreSQL: that it is SQLite's equal, and how it is reached.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr; pg_url...: peers.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

KEY='"marketplace":"US","asin":"B00TEST001"'

setup_file() {
	! lacks postgres || return 0
	start_postgres
	new_database
	db-load -d "$pg_url" --init </dev/null
	export ready=$pg_name
}

teardown_file() {
	[ -z "${pg_dir:-}" ] || stop_postgres
}

setup() {
	skip_lacking
	clean_room
	new_database --like "$ready"
	export DATABASE_URL=$pg_url
	export lite=sqlite:$PWD/lite.db
}

teardown() {
	stop_sim
	stop_proxy
	stop_pgbouncer
	stop_postgrest
}

super() { # super STATEMENT...: as the cluster's administrator, outside of transactions
	local statement
	for statement; do
		psql -qAtX -v ON_ERROR_STOP=1 "$pg_admin_url" -c "$statement"
	done
}

# fails STATUS MESSAGE COMMAND...: with this message and no other
fails() {
	local status=$1 message=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	assert_output ''
	assert_equal "$stderr" "$message"
}

# record FIELDS: one of tracked_asins
record() {
	echo "{\"type\":\"tracked_asins\",$KEY,$1}"
}

# tables URL, views URL: all that is in them
tables() {
	local name
	for name in $(db-query --list | jq -r 'select(.kind == "table" and .name != "column_kinds").name'); do
		db-query -d "$1" "$name"
	done
}
views() {
	local name
	for name in $(db-query --list | jq -r 'select(.kind == "view").name'); do
		db-query -d "$1" "$name"
	done
}

# alike FILE FILE: the same records, however they are spelled: those of tables in
# whatever order
alike() {
	python3 -c '
import json, sys
one, two = ([json.dumps(json.loads(line)) for line in open(name)] for name in sys.argv[1:])
if sys.argv[1].endswith(".tables"):
    one, two = sorted(one), sorted(two)
assert len(one) > 20, "hardly a row"
for n, (a, b) in enumerate(zip(one, two), 1):
    if a != b:
        sys.exit(f"{n}: {a}\n{n}: {b}")
assert len(one) == len(two), "one has more"' "$@"
}

# refused FILE: line and table of each record that was
refused() {
	sed -nE 's/^db-load: stdin:([0-9]+): ([a-z_]+: )?.*/\1 \2/p' "$1" | sort -n
}

# both STREAM: into SQLite and PostgreSQL, which then hold the same and refused the same
both() {
	db-load -d "$lite" <"$1" 2>lite.said || [ $? -eq 65 ]
	db-load <"$1" 2>pg.said || [ $? -eq 65 ]
	refused lite.said >lite.refused
	diff lite.refused <(refused pg.said)
	tables "$lite" >lite.tables
	tables "$DATABASE_URL" >pg.tables
	alike lite.tables pg.tables
	views "$lite" >lite.views
	views "$DATABASE_URL" >pg.views
	alike lite.views pg.views
}

### Side by side

@test "records at random: the same rows, the same views, the same records refused" {
	local seed
	for seed in ${SEEDS:-1 2}; do
		rm -f lite.db
		new_database --like "$ready"
		DATABASE_URL=$pg_url
		python3 "$top/tests/streams.py" "$seed" 400 >in
		both in || fail "seed $seed"
		[ "$(wc -l <lite.refused)" -gt 9 ]
	done
}

@test "what goes straight into its table is as it would be by the longer way" {
	python3 -c '
import json
for n in range(24000): # some 3400 to a batch
    row = {"type": "asin_history", "marketplace": "US", "asin": "B%09d" % n, "check_timestamp": "2026-11-20T08:00:00Z",
        "status": "ok", "product_title": "\\ \t" + "x" * 500, "raw_keepa_response": {"n": n, "text": "\n"}}
    if n == 5000:
        row |= {"asin": "B000000007", "product_title": "once more"}
    elif n == 7000:
        row |= {"status": "none of these"}
    elif n == 9000:
        row |= {"check_timestamp": "2012-01-01T00:00:00Z"}
    elif n == 11000:
        row |= {"asin": "B%09d" % (n - 1), "product_title": "again"}
    elif n == 13000:
        row |= {"product_title": "y" * 200000}
    elif n % 2 and n > 2000: # two kinds of records in each batch
        row |= {"brand": "b"}
    print(json.dumps(row))' >in
	start_proxy "$pg_port"
	DATABASE_URL=${pg_url/:$pg_port/:$proxy_port}
	both in
	stop_proxy
	assert_equal "$(wc -l <lite.refused)" 1
	# Straight, by the longer way since a row was there already, and straight once more.
	assert_equal "$(grep -aoE 'COPY ("asin_history"|stage_)' proxy.log | sed 's/.*stage_/staged/; s/.*"/straight/' | uniq)" \
		$'staged\nstraight\nstaged\nstraight'
}

@test "made-up months of everything are the same, and can be moved from one to the other and back" {
	python3 "$top/tests/fixtures/everything.py" "${SEED:-1}" >in
	both in
	# By way of another PostgreSQL into another SQLite, where they are the same to the byte.
	new_database
	db-load -d "$pg_url" <lite.tables
	tables "$pg_url" >moved.tables
	alike lite.tables moved.tables
	db-load -d sqlite:back.db <moved.tables
	tables sqlite:back.db >back
	diff <(sort lite.tables) <(sort back)
}

# both_jobs URL FOLDER: what they leave there, but for the time it is and what it makes differ
both_jobs() {
	(
		mkdir "$2" && cd "$2" || exit
		export DATABASE_URL=$1 SELLERPIPE_HOME=$PWD BATS_TEST_TMPDIR=$PWD SP_ASK_MS=60 SP_BURST=8
		start_sim
		trap stop_sim EXIT
		track.sh add B0SIM00001 B0SIM00002 B0SIM00012
		badges.sh
		next_second
		control keepa/rank '{"asin":"B0SIM00001","category":"202611200011","rank":2}' >/dev/null
		badges.sh --all
		sales.sh --lookback 1
		control slack/messages | jq -cS '{text, blocks}' >messages
		tables "$1"
	) | jq -cS 'def plain: gsub("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"; "TIME") | gsub("[0-9]{8}T[0-9]{6}Z(-[0-9]+)?"; "TIME")
			| gsub("(?<a>TIME)-[0-9a-f]{8}"; "\(.a)-ID")
			| gsub("[0-9]{5,}"; "N") | gsub("\(env.PWD)/(one|two)"; "HERE");
		# What the simulator says of a product depends on the minute.
		.raw_keepa_response |= (. != null)
		| del(.processing_started_at, .processing_completed_at, .latency_ms, .document_id)
		| walk(if type == "string" then plain elif type == "object" then with_entries(.key |= plain) else . end)' | sort
}

@test "both jobs leave the same in either, and tell the same" {
	both_jobs "$lite" one >lite.rows
	both_jobs "$pg_url" two >pg.rows
	[ "$(wc -l <lite.rows)" -gt 60 ]
	diff lite.rows pg.rows
	[ -s one/messages ]
	diff <(sed -E 's/[0-9:]{5,}/N/g' one/messages) <(sed -E 's/[0-9:]{5,}/N/g' two/messages)
}

@test "conditions, orders, limits: as of SQLite" {
	python3 "$top/tests/streams.py" 9 200 >in
	db-load -d "$lite" <in 2>/dev/null || [ $? -eq 65 ]
	db-load <in 2>/dev/null || [ $? -eq 65 ]
	while read -r line; do
		eval "args=($line)"
		db-query -d "$lite" "${args[@]}" | jq -c . >expected
		db-query "${args[@]}" | jq -c . >given
		diff expected given || fail "$line"
		[ -s given ] || fail "nothing: $line"
	done <<-'!'
		tracked_asins marketplace=US --order asin
		tracked_asins is_active=false --order marketplace,-asin
		tracked_asins 'priority<5' label!=null --order -added_at,marketplace,asin
		rank_history rank=null --order changed_at,marketplace,asin,category_id --limit 2
		rank_history rank!=null --order -rank,marketplace,asin,category_id,-changed_at --limit 9
		rank_history 'changed_at>=2026-10-20T00:00:00Z' --order marketplace,asin,category_id,changed_at
		categories name!=null --order marketplace,category_id
		categories --order -name,marketplace,category_id
		sales_daily 'date<2026-11-05' --order date,marketplace,asin
		health_checks ok=false --order service,checked_at
		watchlist due=true --order asin,marketplace --limit 3
	!
	fails 64 "db-query: no table or view 'nothing'; see 'db-query --list'" db-query nothing
	fails 64 "db-query: no table or view 'rank_history_2026_11'; see 'db-query --list'" db-query rank_history_2026_11
	fails 64 "db-query: tracked_asins has no column 'colour'" db-query tracked_asins colour=red
	fails 64 "db-query: tracked_asins has no column 'colour'" db-query tracked_asins --order asin,-colour
	fails 64 'db-query: invalid input syntax for type bigint: "first"' db-query rank_history rank=first
	run -0 db-query tracked_asins "label='; DROP TABLE tracked_asins; --"
	assert_output ''
}

@test "nothing that a role has set makes a record another" {
	python3 "$top/tests/streams.py" 5 150 >in
	db-load -d "$lite" <in 2>/dev/null || [ $? -eq 65 ]
	super "CREATE ROLE odd LOGIN; GRANT sellerpipe TO odd"
	for setting in "role = sellerpipe" "datestyle = 'German, DMY'" "timezone = 'Asia/Kolkata'" 'extra_float_digits = -5' \
		'standard_conforming_strings = off' "default_transaction_isolation = 'serializable'" 'client_encoding = latin1' \
		"intervalstyle = 'iso_8601'" 'row_security = off' "bytea_output = 'escape'" 'xmlbinary = hex' 'escape_string_warning = on' \
		"default_transaction_deferrable = on" "client_min_messages = debug1" 'jit_above_cost = 0' 'quote_all_identifiers = on' \
		'transform_null_equals = on' 'enable_hashjoin = off' 'array_nulls = off' 'backslash_quote = off'; do
		super "ALTER ROLE odd SET $setting"
	done
	DATABASE_URL=postgresql://odd@127.0.0.1:$pg_port/$pg_name
	run --separate-stderr db-load <in
	assert_equal "$status" 65
	refute_regex "$stderr" '(NOTICE|DEBUG)'
	tables "$lite" >lite.tables
	tables "$DATABASE_URL" >pg.tables
	alike lite.tables pg.tables
	# Days and months are of UTC, whichever side of midnight the session is on.
	for zone in Asia/Tokyo America/New_York; do
		super "ALTER ROLE odd SET timezone = '$zone'"
		jq -nc --arg zone $zone '{type: "sales_daily", marketplace: "US", asin: $zone[:7], currency: "USD",
			fetched_at: "2026-11-20T08:00:00Z"} + ({date: "2020-05-01"}, {date: "2020-05-31"})' >day
		for url in "$lite" "$DATABASE_URL"; do db-load -d "$url" <day; done
		for condition in 'sales_daily date>=2020-05-01' 'rank_history changed_at>=2026-10-20' \
			'asin_history check_timestamp<2026-11-01' 'tracked_asins added_at>2026-10-20T12:00:00Z'; do
			# shellcheck disable=SC2086 # two words
			diff <(db-query -d "$lite" $condition | jq -c . | sort) <(db-query $condition | jq -c . | sort) || fail "$zone: $condition"
		done
	done
	super 'DROP ROLE odd'
}

### Poolers

@test "a pooler that has no such database is 78" {
	needs pgbouncer
	start_pgbouncer
	run -78 --separate-stderr db-query -d "${bouncer_url%/*}/nothing" runs
	assert_regex "$stderr" '^db-query: cannot reach the database: '
	stop_pgbouncer
}

@test "behind PgBouncer in transaction mode: schema, batches, queries, claims; and nothing is left there" {
	local pids=() i
	needs pgbouncer
	new_database
	start_pgbouncer
	export DATABASE_URL=$bouncer_url
	run -0 --separate-stderr db-load --init </dev/null
	assert_equal "$output$stderr" ''
	python3 "$top/tests/streams.py" 7 120 >in
	db-load -d "$lite" <in 2>/dev/null || [ $? -eq 65 ]
	for i in 1 2 3 4; do
		jq -nc --arg i "$i" 'range(3000) | {type: "runs", run_id: "\($i)-\(.)"}, {type: "runs", run_id: "shared \(.)", records: 1}' >"in.$i"
		for _ in 1 2; do
			db-load <"in.$i" 2>"said.$i" 3>&- || echo "status $?" >>"said.$i"
		done &
		pids+=($!)
	done
	run -65 --separate-stderr db-load <in
	wait "${pids[@]}"
	run -0 cat said.*
	assert_output ''
	db-load -d "$lite" < <(cat in.*)
	tables "$lite" >lite.tables
	tables "$DATABASE_URL" >pg.tables
	alike lite.tables pg.tables
	views "$lite" >lite.views
	views "$DATABASE_URL" >pg.views
	alike lite.views pg.views
	pids=()
	for i in 1 2 3 4; do
		db-query --claim due_asins --limit 2 --holder "$i" >"claim.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 bash -c 'cat claim.* | wc -l; cat claim.* | sort -u | wc -l'
	assert_equal "${lines[0]}" "${lines[1]}"
	# On both of its connections to the server.
	for i in 1 2; do
		run -0 psql -qAtX -v ON_ERROR_STOP=1 "$bouncer_url" -c "BEGIN; SELECT (SELECT count(*) FROM pg_prepared_statements),
			(SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
			current_setting('jit'), current_setting('search_path'); SELECT pg_sleep(0.2); COMMIT"
		assert_line '0|0|0|on|"$user", public'
	done
}

### Getting there

# with_password NAME: a role that needs one, "secret of NAME", and owns what is here
with_password() {
	super "CREATE ROLE $1 LOGIN PASSWORD 'secret of $1'" "ALTER DATABASE $pg_name OWNER TO $1"
	{
		echo "host all $1 127.0.0.1/32 scram-sha-256"
		cat "$pg_dir/data/pg_hba.conf"
	} >hba
	as_postgres tee "$pg_dir/data/pg_hba.conf" <hba >/dev/null
	super 'SELECT pg_reload_conf()' >/dev/null
	for _ in {1..100}; do
		psql -w "postgresql://$1@127.0.0.1:$pg_port/$pg_name" -c '' 2>/dev/null || break
		sleep 0.02
	done
	new_url=postgresql://$1@127.0.0.1:$pg_port/$pg_name
}

@test "a password comes from the URL, PGPASSWORD or a file of passwords; a wrong one is 77" {
	new_database
	with_password keeper
	export DATABASE_URL=$new_url HOME=$PWD
	here="connection to server at \"127.0.0.1\", port $pg_port failed"
	fails 77 "db-load: cannot reach the database: $here: fe_sendauth: no password supplied" db-load </dev/null
	PGPASSWORD='SECRET' fails 77 "db-load: cannot reach the database: $here: FATAL:  password authentication failed for user \"keeper\"" db-load </dev/null
	DATABASE_URL=${new_url/keeper/keeper:SECRET} fails 77 \
		"db-query: cannot reach the database: $here: FATAL:  password authentication failed for user \"keeper\"" db-query runs
	PGPASSWORD='secret of keeper' run -0 db-load --init </dev/null
	assert_output ''
	(umask 077 && echo "DATABASE_URL=${new_url/keeper/keeper:secret%20of%20keeper}" >.env)
	(unset DATABASE_URL && SELLERPIPE_HOME=$PWD run -0 db-query runs)
	rm .env
	(umask 077 && echo "127.0.0.1:$pg_port:*:keeper:secret of keeper" >.pgpass)
	run -0 db-query runs
	run -0 db-query -d "$new_url" runs
	assert_output ''
	mv .pgpass elsewhere
	PGPASSFILE=$PWD/elsewhere run -0 db-query runs
	assert_output ''
	chmod 644 elsewhere
	PGPASSFILE=$PWD/elsewhere run -77 --separate-stderr db-query runs
	assert_regex "$stderr" '^WARNING: password file ".*/elsewhere" has group or world access; '
	assert_regex "$stderr" 'no password supplied$'
}

@test "no password is seen in a process, in a session's name, or in a message" {
	new_database
	with_password hider
	export DATABASE_URL=${new_url/hider/hider:secret%20of%20hider}
	mkfifo pipe
	db-load <pipe 2>said 3>&- &
	pid=$!
	exec 4>pipe
	record '"priority":1' >&4
	wait_for eval '[ "$(psql -qAtX "$pg_super_url" -c "SELECT count(*) FROM tracked_asins" 2>/dev/null)" = 1 ]'
	run -0 bash -c "tr '\0' ' ' </proc/$pid/cmdline"
	assert_output 'db-load '
	run -0 psql -qAtX "$pg_super_url" -c "SELECT application_name FROM pg_stat_activity WHERE usename = 'hider'"
	assert_output sellerpipe
	super "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hider'" >/dev/null
	record '"priority":2' >&4
	exec 4>&-
	wait $pid
	for url in 'postgresql://hider:secret%2@h/x' 'postgresql://hider:secret/x@h/x' 'postgresql://hider:12/secret@h/x' \
		'postgresql://hider:secret@1@h/x' 'postgresql://hider:secret:x' 'postgresql://h:secret/x' 'postgresql://hider:secret@[h/x' \
		'postgresql://127.0.0.1/x?password=secret&connect_timeout=secret' 'postgresql://h/x?secret' 'postgresql://h/x?=secret' \
		'postgresql://h/x?sslmode=secret' 'postgresql://h/x?port=secret&hostaddr=127.0.0.1'; do
		DATABASE_URL=$url run -78 db-query runs
		refute_output ''
		cat >>said <<<"$output"
	done
	for url in "${DATABASE_URL/secret/other}" "$DATABASE_URL?sslmode=require" "${DATABASE_URL/:$pg_port/:1}"; do
		DATABASE_URL=$url run db-load <<<"$(record '"priority":1')"
		assert_not_equal "$status" 0
		cat >>said <<<"$output"
	done
	run ! grep -iE 'secret|other' said
	# Nor is one taken as an option.
	for url in 'postgresql://me:se?cret@h/x' 'postgresql://me:se/cret@h/x' 'postgres://me:@h/x' 'postgresql://h/x?password=secret'; do
		run -64 db-load -d "$url" </dev/null
		assert_output 'db-load: everybody can see a password in an option: put the URL into DATABASE_URL, or the password into ~/.pgpass'
	done
}

@test "TLS: required where there is none, 78; of a server that nobody vouches for, 76; else it is used" {
	url="postgresql://sellerpipe@localhost:$pg_port/$pg_name?hostaddr=127.0.0.1&sslmode"
	export HOME=$PWD
	here="connection to server at \"127.0.0.1\", port $pg_port failed"
	DATABASE_URL=$url=require fails 78 "db-query: cannot reach the database: $here: server does not support SSL, but SSL was required" db-query runs
	for name in localhost elsewhere; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \
			-addext "subjectAltName=DNS:$name" -keyout $name.key -out $name.crt 2>/dev/null
		as_postgres tee "$pg_dir/data/$name.crt" <$name.crt >/dev/null
		as_postgres tee "$pg_dir/data/$name.key" <$name.key >/dev/null
		as_postgres chmod 600 "$pg_dir/data/$name.key"
	done
	tls() { # tls on|off NAME
		super "ALTER SYSTEM SET ssl = $1" "ALTER SYSTEM SET ssl_cert_file = '$2.crt'" "ALTER SYSTEM SET ssl_key_file = '$2.key'" \
			'SELECT pg_reload_conf()' >/dev/null
		for _ in {1..100}; do
			[ "$(super 'SHOW ssl_cert_file')" != "$2.crt" ] || [ "$(super 'SHOW ssl')" != "$1" ] || break
			sleep 0.02
		done
	}
	tls on localhost
	DATABASE_URL=$url=require run -0 db-query runs
	DATABASE_URL=$url=verify-full run -78 --separate-stderr db-query runs
	assert_regex "$stderr" "^db-query: cannot reach the database: .*root certificate file \"$PWD/.postgresql/root.crt\" does not exist"
	DATABASE_URL="$url=verify-full&sslrootcert=$PWD/elsewhere.crt" fails 76 \
		"db-load: cannot reach the database: $here: SSL error: certificate verify failed" db-load </dev/null
	DATABASE_URL="$url=verify-full&sslrootcert=$PWD/localhost.crt" run -0 db-load < <(record '"priority":1')
	assert_output ''
	tls on elsewhere
	DATABASE_URL="$url=verify-ca&sslrootcert=$PWD/elsewhere.crt" run -0 db-query tracked_asins priority=1
	DATABASE_URL="$url=verify-full&sslrootcert=$PWD/elsewhere.crt" fails 76 \
		"db-query: cannot reach the database: $here: server certificate for \"elsewhere\" does not match host name \"localhost\"" db-query runs
	tls off localhost
}

@test "a database that is not there is 78, a server that is not 75 at once, or once it had time to answer" {
	here="connection to server at \"127.0.0.1\", port"
	DATABASE_URL=${pg_url%/*}/nothing fails 78 "db-load: cannot reach the database: $here $pg_port failed: FATAL:  database \"nothing\" does not exist" db-load </dev/null
	DATABASE_URL=${pg_url/:$pg_port/:1} fails 75 "db-load: cannot reach the database: $here 1 failed: Connection refused; try again later" at_once db-load </dev/null
	DATABASE_URL=postgresql://sellerpipe@no.such.host.invalid/x run -75 at_once db-query runs
	assert_output --regexp '^db-query: cannot reach the database: could not translate host name "no.such.host.invalid" to address: .*; try again later$'
	DATABASE_URL="${pg_url/:$pg_port/:1}?host=127.0.0.1,127.0.0.2" run -75 at_once db-query runs
	assert_output --partial 'Connection refused; connection to server at "127.0.0.2", port 1 failed: Connection refused; try again later'
	python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], file=open("port.new", "w"))
import os; os.rename("port.new", "port")
time.sleep(150)' 3>&- &
	pid=$!
	wait_for test -s port
	DATABASE_URL=${pg_url/:$pg_port/:$(<port)} PGCONNECT_TIMEOUT=2 run -75 at_once db-query runs
	assert_output "db-query: cannot reach the database: $here $(<port) failed: timeout expired; try again later"
	kill $pid
}

# A server that refuses everybody, as the lines of its input say: code and message.  With
# each it goes on when it has said so three times.
refuser='
import socket, struct, sys
with socket.create_server(("127.0.0.1", 0)) as s:
    print(s.getsockname()[1], flush=True)
    for line in sys.argv[1:]:
        code, message = line.split("|")
        fields = b"".join(k + v.encode() + b"\0" for k, v in zip((b"S", b"V", b"C", b"M"), ("FATAL", "FATAL", code, message)))
        for i in range(3):
            c, _ = s.accept()
            with c:
                c.recv(9999)
                c.sendall(b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0")
'

@test "a refusal in whatever language goes by its code" {
	refusals=('78 3D000|Datenbank »nichts« existiert nicht'
		'77 28P01|Passwort-Authentifizierung für Benutzer »ich« fehlgeschlagen'
		'77 28000|kein pg_hba.conf-Eintrag für Host »hier«'
		'77 42501|keine Berechtigung für Datenbank diese'
		'78 22023|ungültiger Wert für Parameter »TimeZone«: »Hier/Dort«'
		'78 42704|unbekannter Konfigurationsparameter »was.auch«')
	coproc timeout 60 python3 -c "$refuser" "${refusals[@]#* }"
	read -r -u "${COPROC[0]}" port
	for refusal in "${refusals[@]}"; do
		run -"${refusal%% *}" --separate-stderr db-query -d "postgresql://x@127.0.0.1:$port/x?sslmode=disable&gssencmode=disable" runs
		assert_equal "$stderr" "db-query: cannot reach the database: connection to server at \"127.0.0.1\", port $port failed: FATAL:  ${refusal#*|}"
	done
	wait
}

@test "a server that is coming up is waited for, and so is one that has no connection to spare" {
	record '"priority":1' | db-load
	halt_postgres
	as_postgres touch "$pg_dir/data/standby.signal"
	# It follows nobody, and refuses everybody, as one that is being recovered.
	as_postgres "$pg_bin/pg_ctl" -s -W -D "$pg_dir/data" -l "$pg_dir/log" -o "$pg_options -c hot_standby=off" start 3>&-
	wait_for eval 'psql -qAtX "$pg_url" -c "" 2>&1 | grep -q "the database system is"'
	db-query tracked_asins >out 2>said 3>&- &
	pid=$!
	sleep 1
	kill -0 $pid
	as_postgres "$pg_bin/pg_ctl" -s -w -D "$pg_dir/data" promote
	wait $pid
	run -0 cat out said
	assert_output --partial B00TEST001
	restart_postgres

	super "ALTER ROLE sellerpipe CONNECTION LIMIT 1"
	psql -qAtX "$pg_url" -c 'SELECT pg_sleep(2)' >/dev/null 3>&- &
	wait_for eval '[ "$(super "SELECT count(*) FROM pg_stat_activity WHERE usename = '\''sellerpipe'\''")" = 1 ]'
	run -0 db-query tracked_asins
	assert_output --partial B00TEST001
	super "ALTER ROLE sellerpipe CONNECTION LIMIT -1"
}

@test "a database that is not of UTF-8 is 78" {
	super "CREATE DATABASE latin_$pg_name ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER sellerpipe"
	DATABASE_URL=${pg_url%/*}/latin_$pg_name fails 78 "db-load: the database's encoding is LATIN1: UTF8 is needed" db-load </dev/null
}

### The schema

@test "a newer schema is 78 and left alone; an older one is brought up to date by any use, all or nothing" {
	newest=$(sql 'SELECT max(version) FROM sellerpipe_schema')
	sql 'INSERT INTO sellerpipe_schema VALUES (999)'
	for program in 'db-load --init' 'db-query runs'; do
		# shellcheck disable=SC2086 # its words
		fails 78 "${program%% *}: the database has schema 999, and this program knows $newest: use a newer one" $program </dev/null
	done
	new_database
	export DATABASE_URL=$pg_url
	psql -qX -v ON_ERROR_STOP=1 "$pg_url" -f "$top"/load/schema/postgres/001-*.sql
	sql "INSERT INTO sellerpipe_schema VALUES (1); INSERT INTO tracked_asins (marketplace, asin) VALUES ('US', 'B00TEST001')"
	fails 78 "db-load: the database has schema 1, and a dry run would not make it $newest; db-load --init does" db-load --dry-run </dev/null
	# Something of 002 is in the way.
	sql 'CREATE TABLE sales_daily (x int); INSERT INTO sales_daily VALUES (7)'
	pg_dump -s "$pg_url" | grep -v restrict >before
	for program in db-load 'db-query tracked_asins'; do
		# shellcheck disable=SC2086
		fails 78 "${program%% *}: cannot use the database: relation \"sales_daily\" already exists" $program </dev/null
	done
	pg_dump -s "$pg_url" | grep -v restrict | diff before -
	run -0 sql 'SELECT x FROM sales_daily'
	assert_output 7
	sql 'DROP TABLE sales_daily'
	run -0 jq -r .asin < <(db-query tracked_asins)
	assert_output B00TEST001
	run -0 sql "SELECT string_agg(version::text, ' ' ORDER BY version) FROM sellerpipe_schema"
	assert_output "$(seq -s ' ' "$newest")"
	# Nothing is missing of what a new one has.
	diff <(psql -qAtX "$pg_url" -c '\d' | cut -d '|' -f 1-3 | grep -v _20) \
		<(psql -qAtX "${pg_url%/*}/$ready" -c '\d' | cut -d '|' -f 1-3 | grep -v _20)
}

@test "many that make the database at once all succeed; without tables nothing is read" {
	local i
	new_database
	export DATABASE_URL=$pg_url
	super "ALTER DATABASE $pg_name SET default_transaction_isolation = 'serializable'"
	fails 78 'db-query: the database has no tables of ours; db-load --init makes them' db-query runs
	fails 78 'db-load: the database has no tables of ours; db-load --init makes them' db-load --dry-run </dev/null
	for i in {1..8}; do
		{ db-load <<<"{\"type\":\"runs\",\"run_id\":\"$i\"}" 3>&- || echo "status $?"; } >"out.$i" 2>&1 &
	done
	wait
	run -0 cat out.{1..8}
	assert_output ''
	run -0 sql 'SELECT count(*) FROM runs'
	assert_output 8
}

@test "--init makes functions and grants anew, which may have got lost" {
	psql -qX "$pg_super_url" -c 'DROP FUNCTION db_list' -c 'GRANT SELECT ON runs TO PUBLIC'
	run -78 --separate-stderr db-query --list
	assert_regex "$stderr" '; db-load --init makes what is missing$'
	db-load </dev/null
	run -78 db-query --list
	db-load --init --dry-run </dev/null
	run -78 db-query --list
	db-load --init </dev/null
	run -0 db-query --list
	run -0 sql "SELECT count(*) FROM information_schema.table_privileges WHERE grantee = 'PUBLIC' AND table_name = 'runs'"
	assert_output 0
}

@test "a schema in which everybody may create things is 78, with what to do" {
	new_database
	export DATABASE_URL=$pg_url
	psql -qX "$pg_super_url" -c 'GRANT CREATE ON SCHEMA public TO PUBLIC'
	run -78 --separate-stderr db-load --init </dev/null
	assert_regex "$stderr" '^db-load: cannot use the database: everybody may create things in the schema public, and be run by whoever uses ours: REVOKE CREATE ON SCHEMA public FROM PUBLIC(, anon, authenticated)?$'
	run -0 sql "SELECT count(*) FROM pg_class WHERE relname = 'runs'"
	assert_output 0
	psql -qX "$pg_super_url" -c 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'
	db-load --init </dev/null
}

@test "what is made while a \\ means something within quotes means the same" {
	new_database
	export DATABASE_URL=$pg_url
	super "ALTER DATABASE $pg_name SET standard_conforming_strings = off"
	db-load <<-'!'
		{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","status":"ok","last_updated":"2026-11-20T08:00:00Z","sales_ranks":{"1":{"rank":1,"since":"2026-11-19T00:00:00Z"}},"bestseller_badges":["1"]}
	!
	super "ALTER DATABASE $pg_name RESET standard_conforming_strings"
	run -0 jq -r .category_id <(db-query current_badges) <(db-query unnamed_categories)
	assert_output $'1\n1'
}

@test "it is all in the first schema of the search_path; what else is there is left alone" {
	new_database
	sql 'CREATE TABLE mine (id bigint PRIMARY KEY, note text); INSERT INTO mine VALUES (1); CREATE SCHEMA "Other One"'
	export DATABASE_URL="$pg_url?options=-csearch_path%3D%22Other%5C%20One%22,public"
	run -0 db-load < <(record '"priority":1')
	run -0 sql "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
	assert_output 1
	run -0 jq -r .asin < <(db-query tracked_asins)
	assert_output B00TEST001
	fails 64 "db-query: no table or view 'mine'; see 'db-query --list'" db-query mine
	DATABASE_URL=$pg_url fails 78 'db-query: the database has no tables of ours; db-load --init makes them' db-query runs
	# A schema that comes before ours has none of it, even so.
	db-load -d "$pg_url" --init </dev/null
	sql 'CREATE SCHEMA sellerpipe'
	DATABASE_URL=$pg_url fails 78 'db-query: the database has no tables of ours; db-load --init makes them' db-query runs
	sql 'DROP SCHEMA sellerpipe'
	# A table of the user's with a key can be loaded.
	run -0 db-load -d "$pg_url" <<<'{"type":"mine","id":1,"note":"n"}'
	run -0 db-query -d "$pg_url" mine
	assert_output '{"type":"mine","id":1,"note":"n"}'
	DATABASE_URL="$pg_url?options=-csearch_path%3D%22" run -78 db-load </dev/null
	assert_output --partial 'invalid value for parameter "search_path"'
	DATABASE_URL="$pg_url?options=-csearch_path%3Dnowhere" fails 78 'db-load: cannot use the database: no schema has been selected to create in' db-load </dev/null
}

### Partitions

partitions() { # partitions TABLE: its months
	sql "SELECT right(relname, 7) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = '$1'::regclass ORDER BY 1"
}

# ranks MONTH...: a point of a rank in each, as many as there are days to choose
ranks() {
	jq -nc '$ARGS.positional[] as $month | range(1; 29) | {type: "rank_history", marketplace: "US", asin: "B00TEST001", category_id: "1",
		changed_at: "\($month)-\(. + 100 | tostring[1:])T00:00:00Z", rank: .}' --args "$@"
}

@test "months make their partitions, those ahead are there, and none is of a year that cannot be" {
	new_database
	export DATABASE_URL=$pg_url
	db-load </dev/null
	ahead=$(for n in 0 1 2 3; do date -u -d "$(date -u +%Y-%m-15) +$n months" +%Y_%m; done)
	for table in rank_history asin_history sales_daily; do
		assert_equal "$(partitions $table)" "$ahead"
	done
	ranks 2000-01 1999-12 2099-12 2100-01 2024-02 >in
	run -65 --separate-stderr db-load <in
	assert_equal "$(wc -l <<<"$stderr")" 56
	run -0 sort -u < <(sed -E 's/stdin:[0-9]+/LINE/' <<<"$stderr")
	assert_output 'db-load: LINE: rank_history: no partition of relation "rank_history" found for row'
	refuted=$(sed -E 's/db-load: stdin:([0-9]+):.*/\1/' <<<"$stderr" | sort -n | paste -sd ' ')
	assert_equal "$refuted" "$(seq -s ' ' 29 56) $(seq -s ' ' 85 112)"
	assert_equal "$(partitions rank_history)" "$(sort -u <<<"$ahead"$'\n2000_01\n2099_12\n2024_02')"
	run -0 sql 'SELECT count(*) FROM rank_history'
	assert_output 84
	# What only updates or deletes makes none.
	run -0 db-load <<-!
		{"type":"rank_history","op":"update",$KEY,"category_id":"1","changed_at":"2001-01-01T00:00:00Z","rank":1}
		{"type":"rank_history","op":"delete",$KEY,"category_id":"1","changed_at":"2001-01-01T00:00:00Z"}
	!
	refute_regex "$(partitions rank_history)" 2001
}

@test "four at once that need the same months, in opposite order, all succeed" {
	local i
	super "ALTER DATABASE $pg_name SET default_transaction_isolation = 'serializable'"
	mapfile -t months < <(for y in 2010 2011; do printf "$y-%02d\n" {1..12}; done)
	ranks "${months[@]}" >in
	jq -c '.type = "asin_history" | .check_timestamp = .changed_at | .status = "ok" | del(.changed_at, .rank, .category_id)' in >in2
	cat in in2 >way.1
	tac way.1 >way.2
	cat in2 in >way.3
	shuf --random-source=in way.1 >way.4
	for i in 1 2 3 4; do
		{ db-load <way.$i 3>&- || echo "status $?"; } >"out.$i" 2>&1 &
	done
	wait
	run -0 cat out.{1..4}
	assert_output ''
	run -0 sql 'SELECT (SELECT count(*) FROM rank_history), (SELECT count(*) FROM asin_history)'
	assert_output '672|672'
}

### What PostgreSQL cannot hold, and what it could not but for us

@test "a key that is too long for an index is refused by itself" {
	python3 -c '
import random, string
random.seed(1)
noise = "".join(random.choices(string.ascii_letters, k=9000))
print("""{"type":"notifications","notification_id":"1","sink":"slack","state":"sent"}
{"type":"notifications","notification_id":"%s","sink":"slack","state":"sent"}
{"type":"notifications","notification_id":"2","sink":"slack","state":"failed"}
{"type":"notifications","notification_id":"2","sink":"slack","state":"sent"}
{"type":"notifications","notification_id":"%s","sink":"slack","state":"sent"}""" % (noise, noise))' >in
	run -65 --separate-stderr db-load <in
	assert_regex "$stderr" '^db-load: stdin:2: notifications: index row .*
db-load: stdin:5: notifications: index row .*'
	run -0 sql "SELECT string_agg(notification_id || state, ' ' ORDER BY 1) FROM notifications"
	assert_output '1sent 2sent'
}

@test "a NUL within JSON is replaced, whatever else is in the batch" {
	cat >in <<-'!'
		{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","status":"ok","raw_keepa_response":{"a\u0000":"\u0000\\u0000\\\u0000\u00001"}}
		{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T09:00:00Z","status":"none of these"}
	!
	run -65 --separate-stderr db-load <in
	assert_regex "$stderr" '^db-load: stdin:2: asin_history: .*status'
	run -0 jq -c .raw_keepa_response <(db-query asin_history)
	assert_output '{"a�":"�\\u0000\\��1"}'
}

@test "what a user has added to our tables: columns that can hold it, and those that are none of ours" {
	sql 'ALTER TABLE tracked_asins ADD COLUMN boxes integer, ADD COLUMN weight numeric, ADD COLUMN notes jsonb'
	run -65 --separate-stderr db-load <<-'!'
		{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001","boxes":2147483648}
		{"type":"tracked_asins","marketplace":"US","asin":"B00TEST002","boxes":7,"weight":1.5,"notes":{}}
	!
	assert_regex "$stderr" '^db-load: stdin:1: tracked_asins: .*out of range.*$'
	run -0 sql 'SELECT asin, boxes, weight, notes FROM tracked_asins'
	assert_output 'B00TEST002|7||'
	jq -nc 'range(100) | {type: "tracked_asins", marketplace: "US", asin: "B\(100000000 + .)", boxes: (. * 50000000)}' >in
	run -65 --separate-stderr db-load <in
	assert_equal "$(grep -c 'out of range' <<<"$stderr")" 57
	run -0 sql 'SELECT count(*) FROM tracked_asins'
	assert_output 44
}

@test "a later first time changes no row" {
	track() { echo "{\"type\":\"tracked_asins\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"added_at\":\"2026-11-$1T08:00:00Z\"}" | db-load; }
	track 20
	row=$(sql 'SELECT xmin, ctid FROM tracked_asins')
	track 21
	track 20
	assert_equal "$(sql 'SELECT xmin, ctid FROM tracked_asins')" "$row"
	track 19
	assert_equal "$(sql 'SELECT added_at FROM tracked_asins')" '2026-11-19 08:00:00+00'
}

@test "who reads slowly is given all, whatever time the server gives to a statement" {
	ranks 2026-{01..11} | jq -c 'range(40) as $n | .category_id = "\($n)"' | db-load
	super "ALTER DATABASE $pg_name SET statement_timeout = '1s'"
	run -0 bash -c 'db-query rank_history | (sleep 2; wc -l)'
	assert_output "$(sql 'SELECT count(*) FROM rank_history')"
	[ "$output" -gt 5000 ]
}

@test "a role that may see no rows is 77, and told what it lacks" {
	super 'CREATE ROLE blind LOGIN'
	psql -qX "$pg_super_url" -c 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO blind' \
		-c 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO blind'
	for command in 'db-query runs' 'db-load'; do
		# shellcheck disable=SC2086 # its words
		fails 77 "${command%% *}: the database shows this role none of its rows: it needs BYPASSRLS, or to be the tables' owner" \
			$command -d "postgresql://blind@127.0.0.1:$pg_port/$pg_name"
	done
	psql -qX "$pg_super_url" -c 'DROP OWNED BY blind' -c 'DROP ROLE blind'
}

### Size

@test "memory does not grow with the stream, of small records or of large ones" {
	if sanitized; then skip 'the sanitizers need more'; fi
	python3 -c '
import sys
for n in range(400):  # a megabyte, each of 200 times as much to a batch as another
    print("""{"type":"asin_history","marketplace":"US","asin":"B%09d","check_timestamp":"2026-11-20T08:00:00Z","status":"ok","raw_keepa_response":{"text":"%s"}}"""
          % (n % 20, "x\\\\" * 60000))' >large
	ranks 2026-{01..11} | jq -c 'range(40) as $n | .category_id = "\($n)"' >small
	run -0 peak_kib db-load <large
	[ "$output" -lt 100000 ]
	for _ in {1..4}; do cat small; done >many
	run -0 peak_kib db-load <many
	[ "$output" -lt 100000 ]
	run -0 peak_kib db-query asin_history
	[ "$output" -lt 30000 ]
}

@test "a line of 16 MiB is loaded, and comes back as it was" {
	python3 -c '
print("""{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","status":"ok","raw_keepa_response":{"text":"%s"}}"""
      % ("\\\\\t\\n\\u00e9" * ((16 << 20) // 11 - 30)).replace("\t", ""))' >in
	run -0 peak_kib db-load <in
	db-query asin_history | jq -c .raw_keepa_response | cmp - <(jq -c .raw_keepa_response in)
}

@test "a link of whatever name finds the program with the drivers" {
	ln -s "$top/load/db-query" ask
	db-load <<<'{"type":"runs","run_id":"1"}'
	run -0 ./ask runs
	assert_output --partial '"run_id":"1"'
}

@test "a pooler of sessions does as well" {
	needs pgbouncer
	start_pgbouncer pool_mode=session
	export DATABASE_URL=$bouncer_url
	db-load --init </dev/null
	db-load <<<'{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001"}'
	run -0 bash -c 'db-query --claim due_asins | jq -r .asin'
	assert_output B00TEST001
	run -0 bash -c 'db-query leases work=look | jq -r .id'
	assert_output US:B00TEST001
	stop_pgbouncer
}
