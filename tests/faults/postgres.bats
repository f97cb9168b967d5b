#!/usr/bin/env bats
# Fault 36: PostgreSQL goes away, is killed, is busy, in the middle of a batch.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr; pg_url...: peers.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load ../helper

setup_file() {
	! lacks postgres || return 0
	start_postgres -c deadlock_timeout=50ms
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
	export ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from
}

teardown() {
	stop_proxy
	! mountpoint -q "$pg_dir/small" || umount -l "$pg_dir/small"
}

# sales HOUR: what a report of that hour says of 300 products: restated by each
sales() {
	jq -nc --arg hour "$1" 'range(300) | {type: "sales_daily", marketplace: "US", asin: "B\(. + 100000000)",
		date: "2026-11-\(10 + . % 9)", units_ordered: (. + ($hour | tonumber)), fetched_at: "2026-11-20T\($hour):00:00Z"}'
}

# stream: records of which the middle restates the beginning, in about twenty groups, and
# two that are refused
stream() {
	sales 01
	echo '{"type":"runs","run_id":"refused","stages":[]}'
	jq -nc 'range(2000) | {type: "rank_history", marketplace: "US", asin: "B\(. + 100000000)", category_id: "1",
		changed_at: "2026-0\(1 + . % 9)-11T00:00:00Z", rank: 1}'
	sales 02
	jq -nc 'range(300) | {type: "tracked_asins", marketplace: "US", asin: "B\(. + 100000000)"},
		{type: "runs", run_id: "r\(.)"} + if . % 3 == 0 then {records: .} else {} end'
	sales 03
	echo '{"type":"sales_daily","marketplace":"US","asin":"","date":"2026-11-18","fetched_at":"2026-11-20T04:00:00Z"}'
}

# said_of_two STATUS: it came to that, and `said` is of the two records that are bad, of
# each once, and of nothing else
said_of_two() {
	[ "$1" -eq 65 ] && sort said | diff "$BATS_FILE_TMPDIR/refused" -
}

loads() { # the stream
	local code=0
	db-load <stream 2>said || code=$?
	said_of_two $code
}

# all: what is there, but for when it was stored
all() {
	sql "SELECT to_jsonb(t) FROM sales_daily t ORDER BY 1; SELECT to_jsonb(t) - 'restated_at' FROM sales_restatements t ORDER BY 1;
		SELECT to_jsonb(t) FROM rank_history t ORDER BY 1; SELECT to_jsonb(t) - 'added_at' FROM tracked_asins t ORDER BY 1;
		SELECT to_jsonb(t) FROM runs t ORDER BY 1"
}

# What the stream leaves where nothing happens; once for all.
whole() {
	stream >"$BATS_TEST_TMPDIR/stream"
	if [ ! -s "$BATS_FILE_TMPDIR/whole" ]; then
		new_database --like "$ready"
		DATABASE_URL=$pg_url run -65 --separate-stderr db-load <stream
		sort <<<"$stderr" >"$BATS_FILE_TMPDIR/refused"
		assert_equal "$(cut -d : -f 1-4 "$BATS_FILE_TMPDIR/refused")" 'db-load: stdin:301: runs
db-load: stdin:3502: sales_daily'
		all >"$BATS_FILE_TMPDIR/whole"
		[ "$(wc -l <"$BATS_FILE_TMPDIR/whole")" -eq 3500 ]
		sql 'SELECT count(*) FROM sales_restatements' >restated
		new_database --like "$ready"
		DATABASE_URL=$pg_url
		assert_equal "$(<restated)" 600
	fi
}

is_whole() {
	all | diff "$BATS_FILE_TMPDIR/whole" -
}

by_proxy() {
	start_proxy "$pg_port"
	DATABASE_URL=${pg_url/:$pg_port/:$proxy_port}
}

@test "cut off wherever it is: healed at once, nothing lost, nothing twice" {
	local bytes n way step
	whole
	by_proxy
	loads
	bytes=$(wc -c <proxy.log)
	step=${FAULT_STEP:-17}
	for way in up down; do
		[ $way = up ] && most=$bytes || most=12000
		# First it has not even been let in, then it learns what tables there are.
		for ((n = 20; n < most; n += step * most / 80)); do
			new_database --like "$ready"
			DATABASE_URL=postgresql://sellerpipe@127.0.0.1:$proxy_port/$pg_name
			echo "$way $n" >proxy.faults
			loads || fail "$way $n: $(<said)"
			assert_equal "$(<proxy.faults)" ''
			is_whole || fail "$way $n"
		done
	done
}

@test "the answer to COMMIT gets lost: what was stored is not stored again" {
	local bytes
	whole
	by_proxy
	# What the server has to say until then, as a client counts it.
	strace -f -qq -e trace=recvfrom -o calls db-load <stream 2>/dev/null || [ $? -eq 65 ] || skip 'strace cannot trace here'
	bytes=$(awk '$NF ~ /^[0-9]+$/ && /recvfrom\(/ { n += $NF } END { print n }' calls)
	[ "$bytes" -gt 1000 ]
	for n in 1 7 20; do
		new_database --like "$ready"
		DATABASE_URL=postgresql://sellerpipe@127.0.0.1:$proxy_port/$pg_name
		echo "down $((bytes - n))" >proxy.faults
		loads || fail "$n: $(<said)"
		assert_equal "$(<proxy.faults)" ''
		is_whole || fail "$n"
	done
}

# sessions [CONDITION]: there are some of the loader's
sessions() {
	[ "$(psql -qAtX "$pg_super_url" -c "SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'sellerpipe' AND datname = '$pg_name' AND ${1:-true}")" != 0 ]
}

# busy: until the loader's session does something, as far as that is to be seen
busy() {
	local end=$((SECONDS + 5))
	while kill -0 "$pid" 2>/dev/null && ! sessions "state = 'active'"; do
		[ $SECONDS -lt $end ] || break
	done
}

# begun: until the first of it is there
begun() {
	wait_for eval '[ "$(sql "SELECT count(*) > 0 FROM sales_daily")" = t ]'
}

# slowly: the stream, with a pause after each quarter
slowly() {
	split -n l/4 stream part.
	for part in part.a?; do
		cat "$part"
		sleep "${1:-0.3}"
	done
}

@test "its sessions ended, time and again: healed, nothing lost, nothing twice" {
	whole
	slowly 0.4 | db-load 2>said 3>&- &
	pid=$!
	wait_for sessions
	for _ in 1 2 3 4; do
		busy
		psql -qAtX "$pg_super_url" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sellerpipe'" >>ended
		sleep 0.3
	done
	code=0
	wait $pid || code=$?
	said_of_two $code
	grep -q t ended
	is_whole
}

@test "the server killed and started again, in the middle of a batch and between two: healed" {
	whole
	for moment in busy true; do
		new_database --like "$ready"
		DATABASE_URL=$pg_url
		slowly | db-load 2>said 3>&- &
		pid=$!
		begun
		$moment
		kill_postgres
		sleep 0.5
		resume_postgres
		code=0
		wait $pid || code=$?
		said_of_two $code || fail "$moment: status $code: $(<said)"
		is_whole
	done
}

@test "a server that stays away for half a minute is 75, and the same stream completes it" {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	whole
	split -n l/4 stream part.
	{ cat part.aa && wait_for test -e down && cat part.a[bcd]; } |
		strace -f -qq -o /dev/null -e inject=clock_nanosleep,nanosleep:retval=0 db-load >out 2>said 3>&- &
	pid=$!
	begun
	halt_postgres
	touch down
	code=0
	wait $pid || code=$?
	assert_equal $code 75
	run -0 cat out said
	assert_line --index 0 --partial 'db-load: stdin:301: runs: '
	assert_line --index 1 --regexp '^db-load: cannot write to the database: .*; try again later$'
	assert_equal "${#lines[@]}" 2
	resume_postgres
	[ "$(sql "SELECT count(*) FROM runs")" -lt 300 ]
	loads
	is_whole
}

@test "db-load killed at any moment: whole batches are there, and loaded again all is" {
	local n calls
	whole
	# At what it sends, in the middle of which others pass by.
	strace -f -qq -e trace=sendto -o calls db-load <stream 2>/dev/null || [ $? -eq 65 ] || skip 'strace cannot trace here'
	calls=$(wc -l <calls)
	[ "$calls" -gt 10 ]
	for ((n = 1; n < calls; n += (${FAULT_STEP:-8} * calls + 39) / 40)); do
		new_database --like "$ready"
		DATABASE_URL=$pg_url
		run strace -f -qq -o /dev/null -e trace=sendto -e inject=sendto:signal=KILL:when=$n db-load <stream
		assert_equal "$status" 137
		# What the server was at, it takes back.
		wait_for eval '! sessions'
		run -0 sql 'SELECT (SELECT count(*) FROM sales_daily), (SELECT count(*) FROM sales_restatements)'
		assert_regex "$output" '^(0\|0|300\|(0|300|600))$'
		loads || fail "$n: $(<said)"
		is_whole || fail "$n"
	done
}

@test "loaders that have the same rows in opposite order: both end well" {
	local i
	# What each has of one table is sorted; so it is the tables that are in another order.
	jq -nc 'range(4000) | {type: "runs", run_id: "r\(.)", records: 1}' >runs
	jq -nc 'range(4000) | {type: "notifications", notification_id: "n\(.)", sink: "slack", state: "sent", attempts: 1}' >notes
	cat runs notes >way.0
	cat notes runs >way.1
	for round in 1 2; do
		for i in 0 1; do
			{ jq -c --arg n "$round$i" 'if .records then .records = ($n | tonumber) else .attempts = ($n | tonumber) end' way.$i |
				db-load 3>&- || echo "status $?"; } >"out.$i" 2>&1 &
		done
		wait
		run -0 cat out.0 out.1
		assert_output ''
	done
	run -0 sql 'SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM notifications), (SELECT count(DISTINCT records) FROM runs)'
	assert_output '4000|4000|1'
}

@test "a deadlock that is ended at the loader's cost: the batch is done again" {
	local patience
	deadlocks() { [ "$(psql -qAtX "$pg_admin_url" -c "SELECT deadlocks FROM pg_stat_database WHERE datname = '$pg_name'")" != 0 ]; }
	jq -nc 'range(40) | {type: "runs", run_id: "r\(.)"}' >runs
	jq -nc 'range(40) | {type: "notifications", notification_id: "n\(.)", sink: "slack", state: "failed", attempts: 0}' >notes
	cat runs notes | db-load
	# Whoever has waited for so long looks whether it can go on; the other never does.
	for patience in 1 5 15; do
		psql -qX "$pg_super_url" -c "ALTER DATABASE $pg_name SET deadlock_timeout = '${patience}s'"
		rm -f other
		mkfifo other
		psql -qAtX "$pg_super_url" <other >/dev/null 2>said.other 3>&- &
		exec 8>other
		echo "SET deadlock_timeout = '1h'; SET lock_timeout = '60s'; BEGIN; UPDATE notifications SET error = 'x';" >&8
		wait_for eval '[ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = '\''notifications'\''::regclass")" != 0 ]'
		jq -c '.records = 7, .attempts = 7 | select(.type == if .records then "runs" else "notifications" end)' runs notes |
			db-load >out 2>&1 3>&- 8>&- &
		pid=$!
		wait_for sessions "wait_event_type = 'Lock'"
		echo 'UPDATE runs SET error = run_id; COMMIT;' >&8
		exec 8>&-
		wait $pid || fail "$(<out)"
		wait
		! deadlocks || break
	done
	deadlocks
	run -0 cat out said.other
	assert_output ''
	run -0 sql 'SELECT (SELECT count(*) FROM runs WHERE records = 7 AND error = run_id), (SELECT count(*) FROM notifications WHERE attempts = 7)'
	assert_output '40|40'
}

@test "a batch that the server gives back for the sake of another is done again, whole" {
	whole
	psql -qX "$pg_super_url" -c "ALTER DATABASE $pg_name SET default_transaction_isolation = 'serializable'"
	for i in 1 2 3; do
		{ db-load <stream 3>&- || echo "status $?"; } 2>&1 | sort >"out.$i" &
	done
	wait
	for i in 1 2 3; do
		diff "out.$i" <(cat "$BATS_FILE_TMPDIR/refused" && echo 'status 65')
	done
	is_whole
	# Given back twice, after some of it was stored; a sequence takes no part in that.
	psql -qX "$pg_super_url" -c 'CREATE SEQUENCE attempts' -c 'GRANT ALL ON attempts TO PUBLIC' \
		-c "CREATE FUNCTION give_back() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			IF nextval('attempts') < 3 THEN RAISE SQLSTATE '40001'; END IF; RETURN NEW; END \$\$" \
		-c 'CREATE TRIGGER give_back BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION give_back()'
	run -0 --separate-stderr db-load <<<'{"type":"runs","run_id":"before"}
{"type":"notifications","notification_id":"1","sink":"slack","state":"sent"}'
	assert_equal "$stderr" ''
	run -0 sql "SELECT (SELECT last_value FROM attempts), (SELECT count(*) FROM runs WHERE run_id = 'before'), (SELECT count(*) FROM notifications WHERE notification_id = '1')"
	assert_output '3|1|1'
	# What somebody else holds for longer than it may be waited for.
	psql -qX "$pg_super_url" -c "ALTER DATABASE $pg_name SET lock_timeout = '50ms'"
	psql -qAtX "$pg_super_url" -c 'BEGIN; LOCK TABLE runs; SELECT pg_sleep(0.6)' >locked 3>&- &
	wait_for eval '[ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = '\''runs'\''::regclass")" != 0 ]'
	run -0 --separate-stderr db-load <<<'{"type":"runs","run_id":"after"}'
	assert_equal "$stderr" ''
	run -0 sql "SELECT count(*) FROM runs WHERE run_id = 'after'"
	assert_output 1
	wait
}

@test "a server that may only be read is 75, and says so; it can be read" {
	db-load <<<'{"type":"runs","run_id":"1"}'
	psql -qX "$pg_super_url" -c "ALTER DATABASE $pg_name SET default_transaction_read_only = on"
	run -75 --separate-stderr at_once db-load <<<'{"type":"runs","run_id":"2"}'
	assert_regex "$stderr" '^db-load: cannot write to the database: cannot execute [A-Z ]+ in a read-only transaction: it is a replica, or its disk is full, or it is set so; try again later$'
	run -0 db-query runs
	assert_output --partial '"run_id":"1"'
	run -75 --separate-stderr at_once db-query --claim due_asins
	assert_regex "$stderr" '^db-query: cannot use the database: cannot execute [A-Z]+ in a read-only transaction: it is a replica, .*; try again later$'
}

@test "a time limit of the server's is 75, once, and nothing of the batch is there" {
	psql -qX "$pg_super_url" -c "ALTER DATABASE $pg_name SET statement_timeout = '1500ms'" \
		-c 'CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$' \
		-c 'CREATE TRIGGER slow BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION slow()'
	run -75 --separate-stderr at_once db-load <<<'{"type":"runs","run_id":"2"}
{"type":"notifications","notification_id":"1","sink":"slack","state":"sent"}'
	assert_equal "$stderr" 'db-load: cannot write to the database: canceling statement due to statement timeout; try again later'
	run -0 sql 'SELECT count(*) FROM runs'
	assert_output 0
}

@test "a full disk is 74, and what was there before is" {
	[ "$EUID" -eq 0 ] || skip 'only root can make a disk to be filled'
	mkdir "$pg_dir/small"
	mount -t tmpfs -o size=2m none "$pg_dir/small" 2>/dev/null || skip 'nothing can be mounted here'
	chown --reference "$pg_dir/data" "$pg_dir/small"
	chmod 700 "$pg_dir/small"
	psql -qX "$pg_super_url" -c "CREATE TABLESPACE small LOCATION '$pg_dir/small'" -c 'ALTER TABLE runs SET TABLESPACE small'
	echo '{"type":"runs","run_id":"before"}' | db-load
	run -74 --separate-stderr db-load < <(jq -nc 'range(40000) | {type: "runs", run_id: "r\(.)", host: ("x" * 99)}')
	run -0 sql 'SELECT count(*) FROM runs'
	psql -qX "$pg_super_url" -c 'ALTER TABLE runs SET TABLESPACE pg_default' -c 'DROP TABLESPACE small'
	umount "$pg_dir/small"
	assert_output 1
	assert_regex "$stderr" '^db-load: cannot write to the database: could not extend file .*: No space left on device'
}

@test "cut off while rows go straight into their table: healed, nothing lost, nothing twice" {
	local n bytes
	jq -nc '("x" * 1000) as $x | range(8000) | {type: "asin_history", marketplace: "US", asin: "B\(. + 100000000)",
		check_timestamp: "2026-11-20T08:00:00Z", status: "ok", product_title: $x}' >large
	by_proxy
	db-load <large
	[ "$(grep -ac 'COPY "asin_history" (' proxy.log)" -ge 2 ]
	bytes=$(wc -c <proxy.log)
	for ((n = bytes / 3; n < bytes; n += bytes / ${FAULT_STEP:+6}5)); do
		sql 'TRUNCATE asin_history'
		echo "up $n" >proxy.faults
		db-load <large 2>said || fail "$n: $(<said)"
		assert_equal "$(cat said proxy.faults)" ''
		assert_equal "$(sql "SELECT count(*), count(*) FILTER (WHERE length(product_title) = 1000) FROM asin_history")" '8000|8000'
	done
}

@test "a claim that is cut off wherever it is: healed at once, all is given, and each once" {
	local n way most
	jq -nc 'range(3) | {type: "tracked_asins", marketplace: "US", asin: "B\(. + 100000000)"}' | db-load
	db-query due_asins >expected
	by_proxy
	strace -f -qq -e trace=recvfrom -o calls db-query --claim due_asins >out || skip 'strace cannot trace here'
	cmp out expected
	# What there is to say and to hear, from when it is let in: so it goes to COMMIT's answer, and on.
	for way in "up $(wc -c <proxy.log)" "down $(awk '$NF ~ /^[0-9]+$/ && /recvfrom\(/ { n += $NF } END { print n }' calls)"; do
		most=${way#* }
		for ((n = most; n > 20; n -= n > most - 40 ? 3 : ${FAULT_STEP:-29} * most / 300)); do
			sql 'DELETE FROM leases'
			echo "${way% *} $n" >proxy.faults
			db-query --claim due_asins >out 2>said || fail "${way% *} $n: $(<said)"
			assert_equal "$(cat said proxy.faults)" ''
			diff out expected || fail "${way% *} $n"
			assert_equal "$(sql "SELECT count(*) FROM leases WHERE leased_until > now()")" 3
		done
	done
}

@test "8 processes claim 10,000 ASINs and load what they saw: each once, all of it there, nothing left to do" {
	local i pids=()
	jq -nc 'range(10000) | {type: "tracked_asins", marketplace: "US", asin: "B\(. + 100000000)"}' | db-load
	for i in {1..8}; do
		while SELLERPIPE_RUN=$i db-query --claim due_asins --limit 250 --holder "$i" >"part.$i" && [ -s "part.$i" ]; do
			cat "part.$i" >>"all.$i"
			wait_for ls all.{1..8} # each has had its first: whoever is quick leaves nothing to the others otherwise
			jq -c --arg by "$i" '(now | todate) as $now | {type: "asin_history", marketplace, asin, check_timestamp: $now, status: "ok", product_title: $by},
				{type: "asin_current_state", marketplace, asin, status: "ok", last_updated: $now, product_title: $by},
				(range(3) | {type: "rank_history", marketplace: "US", asin: "x", category_id: "\(.)", changed_at: $now, rank: 1}),
				{type: "rank_history", marketplace, asin, category_id: "1", changed_at: $now, rank: 1}' "part.$i" | db-load || echo "status $?" >>"said"
		done 2>>said 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 cat said
	assert_output ''
	run -0 bash -c 'cat all.* | jq -r .asin | wc -l; cat all.* | jq -r .asin | sort -u | wc -l'
	assert_output '10000
10000'
	run -0 sql "SELECT (SELECT count(*) FROM asin_history), (SELECT count(DISTINCT asin) FROM asin_history),
		(SELECT count(*) FROM asin_current_state s JOIN asin_history h USING (marketplace, asin, product_title)),
		(SELECT count(DISTINCT asin) FROM rank_history WHERE asin <> 'x')"
	assert_output '10000|10000|10000|10000'
	assert_equal "$(db-query due_asins)" ''
}
