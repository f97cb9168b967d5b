#!/usr/bin/env bats
# The schema for PostgreSQL beside SQLite's: the same tables, columns and refusals,
# the same rows in the same order from all views; and what only PostgreSQL has,
# partitions and who may see what.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
load helper

# A server of this file's own, which listens on a socket in its folder.  There:
#   plain    made where Supabase's roles do not exist
#   hosted   made as on Supabase, where all that is new is everybody's
#   model    made where the roles exist; nobody writes there, but each test into a copy
setup_file() {
	! lacks postgres || return 0
	bin=$(pg_config --bindir 2>/dev/null) || bin=
	[ -x "$bin/initdb" ] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	server=$BATS_FILE_TMPDIR/pg
	mkdir "$server"
	as=()
	if [ "$(id -u)" = 0 ]; then # whom the server does not run for
		as=(runuser -u postgres --)
		chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$BATS_FILE_TMPDIR"
		chown postgres "$server"
	fi
	export PGHOST=$server PGUSER=owner PGTZ=Pacific/Apia # nothing goes by the time zone
	(
		cd "$server"
		"${as[@]}" "$bin/initdb" -D "$server/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 -N
		"${as[@]}" "$bin/pg_ctl" -D "$server/data" -l "$server/log" -w \
			-o "-k $server -c listen_addresses='' -c fsync=off -c full_page_writes=off" start
	) >"$server/made" 2>&1 3>&- || {
		cat "$server/made" "$server/log" >&2
		return 1
	}
	pg postgres -U postgres -c 'CREATE ROLE owner LOGIN' -c 'CREATE DATABASE plain OWNER owner'
	migrate plain
	pg postgres -U postgres -c 'CREATE ROLE anon' -c 'CREATE ROLE authenticated' -c 'CREATE ROLE service_role BYPASSRLS' \
		-c 'CREATE ROLE stranger' -c 'CREATE DATABASE hosted OWNER owner' -c 'GRANT anon, authenticated, service_role, stranger TO owner'
	pg hosted -c 'ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, authenticated, service_role' \
		-c 'ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role' \
		-c "CREATE TABLE theirs AS SELECT 'not ours' AS what" \
		-c "CREATE FUNCTION theirs() RETURNS text LANGUAGE sql AS \$\$SELECT 'not ours'\$\$"
	migrate hosted
	pg postgres -U postgres -c 'CREATE DATABASE model OWNER owner'
	migrate model
}

teardown_file() {
	[ -n "${PGHOST:-}" ] || return 0
	bin=$(pg_config --bindir 2>/dev/null) || bin=
	[ -x "$bin/pg_ctl" ] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	as=()
	[ "$(id -u)" != 0 ] || as=(runuser -u postgres --)
	cd / && "${as[@]}" "$bin/pg_ctl" -D "$PGHOST/data" -m immediate -w stop >/dev/null
}

setup() {
	skip_lacking
	local host=$PGHOST
	clean_room
	export PGHOST=$host PGUSER=owner PGTZ=Pacific/Apia
}

pg() { # pg DATABASE [OPTION...]: by psql, rows as lines of text
	psql -XqAt -v ON_ERROR_STOP=1 -d "$@"
}

migrate() { # migrate DATABASE: all files as one string, which is one transaction
	pg "$1" -c "$(cat "$top"/load/schema/postgres/0*.sql "$top"/load/schema/postgres/{functions,grants}.sql)"
}

sql() { # what SQLite says
	sqlite3 -separator ' ' test.db "$@"
}

fresh() { # a database of our schema, of the test's own
	pg postgres -U postgres -c 'DROP DATABASE IF EXISTS fresh' -c 'CREATE DATABASE fresh OWNER owner TEMPLATE model'
	db-load --init </dev/null
}

# sqlite_rows NAME: as db-query writes them; the two escape control characters each
# in its own way.
sqlite_rows() {
	db-query "$1" | sed 's/\\u000a/\\n/g; s/\\u0009/\\t/g'
}

# pg_rows DATABASE NAME: likewise.
pg_rows() {
	pg "$1" -v name="$2" <<'!'
SELECT format('SELECT row_to_json(v) FROM (SELECT %s%s FROM %I) v',
	CASE WHEN :'name' <> 'timeline' THEN format('%L AS type, ', :'name') END,
	string_agg(CASE WHEN atttypid = 'timestamptz'::regtype
		THEN format('to_char(%1$I AT TIME ZONE ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS"Z"'') AS %1$I', attname)
		ELSE quote_ident(attname) END, ', ' ORDER BY attnum), :'name')
FROM pg_attribute WHERE attrelid = :'name'::regclass AND attnum > 0 \gexec
!
}

copy() { # copy DATABASE TABLE: all of its rows from SQLite, in place of what is there
	db-query "$2" >arriving
	pg "$1" <<! >/dev/null
CREATE TEMP TABLE arriving (j json);
\\copy arriving from arriving csv quote e'\x01' delimiter e'\x02'
SELECT make_partition('$2', m) FROM (
	SELECT DISTINCT left(coalesce(j ->> 'changed_at', j ->> 'check_timestamp', j ->> 'date'), 10)::date AS m
	FROM arriving) months
WHERE '$2' IN ('rank_history', 'asin_history', 'sales_daily');
TRUNCATE $2;
INSERT INTO $2 SELECT (json_populate_record(NULL::$2, j)).* FROM arriving;
!
}

names() { # names KIND: SQLite's tables, or views
	db-query --list | jq -r --arg kind "$1" 'select(.kind == $kind).name'
}

### Tables

@test "every table and view of SQLite's is there, with its columns in their order, and their types" {
	db-load --init </dev/null
	sql "SELECT m.name, c.name,
		CASE WHEN k.kind = 'boolean' AND m.type = 'table' THEN 'boolean'
			WHEN k.kind IN ('json', 'times') OR c.name IN ('old', 'new', 'stages', 'sales_ranks') THEN 'json'
			WHEN m.type = 'view' THEN '-'
			WHEN c.name GLOB '*_at' OR c.name GLOB 'window_*' OR c.name IN ('last_updated', 'check_timestamp', 'not_before', 'leased_until')
				THEN 'timestamp with time zone'
			WHEN c.name = 'date' THEN 'date'
			WHEN c.type = 'TEXT' THEN 'text'
			WHEN c.type = 'REAL' THEN 'double precision' ELSE 'bigint' END,
		iif(m.type = 'view', '-', c.\"notnull\"), iif(m.type = 'view', '-', c.dflt_value IS NOT NULL), iif(m.type = 'view', '-', c.pk)
		FROM sqlite_master m, pragma_table_info(m.name) c
		LEFT JOIN column_kinds k ON k.table_name = m.name AND k.column_name = c.name
		WHERE m.type IN ('table', 'view') ORDER BY m.name, c.cid" >wanted
	[ "$(wc -l <wanted)" -gt 300 ]
	pg plain -F ' ' -c "SELECT c.relname, a.attname,
		CASE WHEN c.relkind = 'v' AND a.atttypid <> 'json'::regtype THEN '-' ELSE format_type(a.atttypid, NULL) END,
		CASE WHEN c.relkind = 'v' THEN '-' ELSE a.attnotnull::int::text END,
		CASE WHEN c.relkind = 'v' THEN '-' ELSE a.atthasdef::int::text END,
		CASE WHEN c.relkind = 'v' THEN '-' ELSE coalesce((SELECT array_position(i.indkey::int[], a.attnum::int) + 1
			FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), 0)::text END
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
			AND c.relname <> 'sellerpipe_schema'
		ORDER BY c.relname COLLATE \"C\", a.attnum" >found
	run diff wanted found
	assert_output ''
	# What is only to be applied has rows, too.
	for name in column_kinds marketplaces velocity_windows; do
		run diff <(sqlite_rows $name) <(pg_rows plain $name | LC_ALL=C sort)
		[ $name = velocity_windows ] || assert_output ''
		run diff <(sqlite_rows $name | sort) <(pg_rows plain $name | sort)
		assert_output ''
	done
	run -0 pg plain -c "SELECT version, applied_at FROM sellerpipe_schema"
	assert_output '' # who applies one notes it
}

@test "text sorts by its bytes, numbers are whole or double, and views have their readers' rights" {
	run -0 pg plain -c "SELECT c.relname, a.attname, a.atttypid::regtype, a.attcollation::regcollation
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
			AND (a.attcollation NOT IN (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))
				OR a.atttypid NOT IN ('text'::regtype, 'json'::regtype, 'bigint'::regtype, 'double precision'::regtype,
					'date'::regtype, 'timestamptz'::regtype, 'boolean'::regtype))"
	assert_output ''
	run -0 pg plain -c "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
		AND NOT coalesce(reloptions @> '{security_invoker=true}', false)"
	assert_output ''
}

@test "the indexes are the same" {
	db-load --init </dev/null
	sql "SELECT m.tbl_name, m.name, group_concat(c.name, ',') FROM sqlite_master m, pragma_index_info(m.name) c
		WHERE m.type = 'index' AND m.sql IS NOT NULL GROUP BY m.name ORDER BY m.name" >wanted
	[ -s wanted ]
	pg plain -F ' ' -c "SELECT i.indrelid::regclass, c.relname, string_agg(a.attname, ',' ORDER BY a.attnum)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary AND NOT c.relispartition
		GROUP BY 1, 2 ORDER BY c.relname COLLATE \"C\"" >found
	run diff wanted found
	assert_output ''
	run -0 pg plain -c "SELECT c.relname, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indpred IS NOT NULL AND NOT c.relispartition ORDER BY 1"
	assert_output 'failed_checks|(NOT ok)
unsent|(NOT notification_sent)'
}

# good RECORD: taken by both; then bad is what differs from it.
good() {
	good=$1
	jq -c . <<<"$1" >>good
}

bad() { # bad FIELD VALUE...: in place of the good one
	local field=$1
	shift
	jq -nc --argjson good "$good" --arg field "$field" '$ARGS.positional[] as $value | $good | .[$field] = $value' \
		--jsonargs -- "$@" >>bad
}

# taken FILE: those of the records that PostgreSQL takes, each by itself.
taken() {
	jq -c '{updated_at: "2026-11-20T08:00:00Z", added_at: "2026-11-20T08:00:00Z", attempts: 0, granularity: "CHILD",
		notification_sent: false, is_active: true, priority: 5, monitoring_frequency: 60, role: "own"} + .' "$1" >arriving
	pg fresh 2>&1 <<'!'
CREATE TEMP TABLE arriving (j json);
\copy arriving from arriving csv quote e'\x01' delimiter e'\x02'
DO $$
DECLARE
	r json;
BEGIN
	FOR r IN SELECT j FROM arriving LOOP
		BEGIN
			EXECUTE format('INSERT INTO %1$I SELECT (json_populate_record(NULL::%1$I, %2$L)).*', r ->> 'type', r);
			EXECUTE format('DELETE FROM %I', r ->> 'type');
			RAISE INFO '%', r;
		EXCEPTION WHEN check_violation OR not_null_violation OR invalid_text_representation
				OR invalid_datetime_format OR datetime_field_overflow OR numeric_value_out_of_range THEN
			NULL;
		END;
	END LOOP;
END $$;
!
}

@test "what SQLite refuses, PostgreSQL does" {
	fresh
	local no_time=('"soon"' '"2026-11-20T08:00:00.5Z"' '"infinity"' '"-infinity"' '""') time=2026-11-20T08:00:00Z
	good '{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001"}'
	bad marketplace null '"us"' '"USA"' '"U"' '"ÜS"' '"US\n"' '""'
	bad asin null '"B00TEST00"' '"b00test001"' '"B00TEST0011"' '"B00TEST001\n"' '"B00TEST00É"'
	bad priority 0 -1 null '"x"' 1.5
	bad monitoring_frequency 0 null
	bad is_active null 2
	bad role '"mine"' null
	bad added_at null "${no_time[@]}"
	good '{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001"}'
	bad sales_ranks '[]' '"x"' 5
	bad bestseller_badges '{}' '"x"'
	bad as_of '[]'
	bad status '"fine"' '""'
	bad last_updated "${no_time[@]}"
	bad source_updated_at "${no_time[@]}"
	bad asin null
	bad price_cents 1.5 9223372036854775808
	bad rating '"x"'
	good '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"'$time'"}'
	bad check_timestamp null "${no_time[@]}"
	bad sales_ranks '[]'
	bad bestseller_badges '{}'
	bad status '"fine"'
	bad source_updated_at "${no_time[@]}"
	good '{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"'$time'","rank":1}'
	bad rank 0 -1
	bad changed_at null '"soon"' '"2026-11-20T08:00:00.5Z"' '"infinity"' '""'
	bad category_id null
	good '{"type":"categories","marketplace":"US","category_id":"1"}'
	bad fetched_at "${no_time[@]}"
	bad as_of '"x"' '[]'
	good '{"type":"bestseller_changes","change_id":"1","marketplace":"US","asin":"B00TEST001","change_type":"gained","category_id":"1","new_rank":1,"changed_at":"'$time'","detected_at":"'$time'"}'
	bad change_type '"lost"' '"won"' null
	bad new_rank 2 null 0
	bad previous_rank 0
	bad changed_at null "${no_time[@]}"
	bad detected_at null "${no_time[@]}"
	bad notified_at "${no_time[@]}"
	bad notification_sent null 2
	good '{"type":"bestseller_changes","change_id":"2","marketplace":"US","asin":"B00TEST001","change_type":"lost","category_id":"1","changed_at":"'$time'","detected_at":"'$time'"}'
	bad new_rank 1 0
	bad change_type '"won"'
	bad marketplace null
	bad asin null
	bad category_id null
	good '{"type":"marketplaces","marketplace":"XX","host":"www.amazon.example"}'
	bad host null
	good '{"type":"notifications","notification_id":"1","sink":"slack","state":"sent"}'
	bad state '"gone"' null
	bad sink null
	bad sent_at "${no_time[@]}"
	good '{"type":"api_usage_log","usage_id":"1","service":"keepa"}'
	bad service null
	bad processing_started_at "${no_time[@]}"
	bad processing_completed_at "${no_time[@]}"
	good '{"type":"runs","run_id":"1"}'
	bad started_at "${no_time[@]}"
	bad finished_at "${no_time[@]}"
	bad stages '[]' '"x"'
	bad run_id null
	good '{"type":"health_checks","service":"keepa","checked_at":"'$time'","ok":true}'
	bad checked_at null "${no_time[@]}"
	bad ok null 2
	good '{"type":"sales_daily","marketplace":"US","date":"2026-11-18","asin":"B00TEST001","fetched_at":"'$time'"}'
	bad date null '"1999-12-31"' '"2100-01-01"' '"yesterday1"' '"2026-13-41"' '""'
	bad asin null '""'
	bad fetched_at null '"soon"' '"infinity"'
	good '{"type":"sales_daily_totals","marketplace":"US","date":"2026-11-18","fetched_at":"'$time'"}'
	bad date null '"1999-12-31"' '"2100-01-01"' '"2026-02-30"' '"infinity"'
	bad fetched_at null "${no_time[@]}"
	good '{"type":"report_requests","request_id":"1","marketplace":"US","date":"2026-11-18","status":"DONE"}'
	bad marketplace '"us"' null
	bad date '"2026-02-30"' '"1999-12-31"' null
	bad granularity '"child"' null
	bad status '"done"' null
	bad attempts -1 null
	bad not_before "${no_time[@]}"
	bad asked_at "${no_time[@]}"
	bad created_at "${no_time[@]}"
	bad updated_at null "${no_time[@]}"
	bad rows_by_asin -1
	bad rows_by_date -1
	good '{"type":"sales_restatements","marketplace":"US","date":"2026-11-18","asin":"","column":"sessions","seen_at":"'$time'","old_seen_at":"'$time'"}'
	bad seen_at null '"soon"' '"infinity"'
	bad old_seen_at null '"soon"' '"infinity"'
	good '{"type":"velocity_windows","days":1,"weight":1}'
	bad days 0 null
	bad weight -1 null
	good '{"type":"summaries","summary_id":"1","window_from":"'$time'","window_to":"2026-11-20T08:00:01Z"}'
	bad window_from null "${no_time[@]}" '"2026-11-20T08:00:01Z"'
	bad window_to null "${no_time[@]}" '"2026-11-20T08:00:00Z"'
	bad sent_at "${no_time[@]}"
	[ "$(wc -l <good)" -ge 16 ]
	[ "$(wc -l <bad)" -gt 200 ]
	run -0 taken good
	assert_equal "${#lines[@]}" "$(wc -l <good)"
	run -0 taken bad
	assert_output ''
	run -65 --separate-stderr db-load <bad
	assert_equal "$(cut -d : -f 3 <<<"$stderr" | paste -sd ' ')" "$(seq "$(wc -l <bad)" | paste -sd ' ')" # each
	run -0 --separate-stderr db-load <good
	assert_equal "$stderr" ''
}

@test "defaults are the same" {
	fresh
	db-load <<'!'
{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001"}
{"type":"report_requests","request_id":"1","marketplace":"US","date":"2026-11-18","status":"DONE"}
{"type":"bestseller_changes","change_id":"1","marketplace":"US","asin":"B00TEST001","change_type":"gained","category_id":"1","new_rank":1,"changed_at":"2026-11-20T08:00:00Z","detected_at":"2026-11-20T08:00:00Z"}
!
	pg fresh <<'!'
INSERT INTO tracked_asins (marketplace, asin) VALUES ('US', 'B00TEST001');
INSERT INTO report_requests (request_id, marketplace, date, status) VALUES ('1', 'US', '2026-11-18', 'DONE');
INSERT INTO bestseller_changes (change_id, marketplace, asin, change_type, category_id, new_rank, changed_at, detected_at)
	VALUES ('1', 'US', 'B00TEST001', 'gained', '1', 1, '2026-11-20T08:00:00Z', '2026-11-20T08:00:00Z');
!
	for name in tracked_asins report_requests bestseller_changes; do
		run diff <(sqlite_rows $name | sed 's/\("added_at\|updated_at\)":"2026[^"]*/\1":"now/') \
			<(pg_rows fresh $name | sed 's/\("added_at\|updated_at\)":"2026[^"]*/\1":"now/')
		assert_output ''
	done
	run -0 pg fresh -c "SELECT count(*) FROM tracked_asins t, report_requests r
		WHERE abs(extract(epoch FROM now() - added_at)) < 99 AND abs(extract(epoch FROM now() - updated_at)) < 99"
	assert_output 1
}

### Triggers

# upserts: of records, as db-load means them, as long as none is older than its row.
upserts() {
	jq -r '"\u0027" as $q | .type as $t | del(.type) | . as $r
		| (if $t == "sales_daily" then ["marketplace", "date", "asin"] elif $t == "sales_daily_totals" then ["marketplace", "date"]
			else ["notification_id"] end) as $key
		| (keys_unsorted | join(", ")) as $columns
		| ([keys_unsorted[] | select(. as $k | $key | index($k) | not) | "\(.) = excluded.\(.)"] | join(", ")) as $set
		| "INSERT INTO \($t) AS t (\($columns)) SELECT \($columns) FROM json_populate_record(NULL::\($t), "
			+ $q + (tojson | gsub($q; $q + $q)) + $q + ") ON CONFLICT (\($key | join(", "))) DO UPDATE SET \($set)"
			+ (if $r.fetched_at then " WHERE excluded.fetched_at >= t.fetched_at" else "" end) + ";"'
}

@test "what Amazon restates is kept alike, to the byte" {
	fresh
	for seed in 1 2 3; do
		"$TEST_PYTHON" -SE "$top/tests/fixtures/everything.py" $seed
	done | grep '"type":"sales_daily' >records
	db-load <records
	pg fresh <<<"SELECT make_partition('sales_daily', ('2026-01-01'::date + n * 28)) FROM generate_series(-20, 40) n" >/dev/null
	upserts <records >statements
	[ "$(wc -l <statements)" -gt 9000 ]
	pg fresh <statements
	sqlite_rows sales_restatements | LC_ALL=C sort >wanted
	[ "$(wc -l <wanted)" -gt 400 ]
	grep -q '"asin":"","column":"average_units_per_order_item".*"old":1.0,' wanted
	grep -q '"old":"x\\ny"' wanted
	grep -q '"new":1.0e+20' wanted
	run diff wanted <(pg_rows fresh sales_restatements | LC_ALL=C sort)
	assert_output ''
	for name in sales_daily sales_daily_totals; do
		run diff <(sqlite_rows $name | sort) <(pg_rows fresh $name | sort)
		assert_output ''
	done
}

@test "a change of any column is kept; of the key's and the report's none" {
	fresh
	for table in sales_daily sales_daily_totals; do
		day='"marketplace":"US","date":"2026-11-18","asin":"B00TEST001","fetched_at":"2026-11-2'
		sql "SELECT name, type FROM pragma_table_info('$table')
			WHERE name NOT IN ('marketplace', 'date', 'asin', 'fetched_at')" |
			jq -Rcs --arg t $table "$(printf '{type: $t, %s0T08:00:00Z"}, ([splits("\\n") | select(. != "") / " "] | {type: $t, %s1T08:00:00Z"} + (map({key: .[0], value: (if .[1] == "TEXT" then "x" else 1 end)}) | from_entries))' "$day" "$day")" |
			if [ $table = sales_daily ]; then cat; else jq -c 'del(.asin)'; fi >records
		db-load <records
		upserts <records | pg fresh
	done
	sqlite_rows sales_restatements >wanted
	assert_equal "$(wc -l <wanted)" "$(sql "SELECT count(*) FROM (SELECT name FROM pragma_table_info('sales_daily')
		UNION ALL SELECT name FROM pragma_table_info('sales_daily_totals'))
		WHERE name NOT IN ('marketplace', 'date', 'asin', 'report_id', 'fetched_at')")"
	run diff <(sort wanted) <(pg_rows fresh sales_restatements | sort)
	assert_output ''
	# The same again, of another report and later: nothing, and nothing is called.
	for table in sales_daily sales_daily_totals; do
		run -0 pg fresh -c "EXPLAIN ANALYZE UPDATE $table SET report_id = '2', fetched_at = fetched_at + interval '1 day'"
		refute_output --partial Trigger
	done
	run diff <(sort wanted) <(pg_rows fresh sales_restatements | sort)
	assert_output ''
}

@test "what was sent stays sent" {
	fresh
	for state in failed sent failed; do
		printf '{"type":"notifications","notification_id":"1","sink":"slack","state":"%s","error":"%s"}\n' $state $state
	done >records
	db-load <records
	upserts <records | pg fresh
	run diff <(sqlite_rows notifications) <(pg_rows fresh notifications)
	assert_output ''
	run -0 pg fresh -c 'SELECT state FROM notifications'
	assert_output sent
}

### Views

# same NAME: from both.  What counts to now can be of two moments: once more.
same() {
	for _ in 1 2 3; do
		sqlite_rows "$1" >wanted
		pg_rows fresh "$1" >found
		cmp -s wanted found && return
	done
	diff wanted found | cut -c -2000
	fail "$1 differs"
}

@test "the same rows in the same order from all views, and the same bytes" {
	fresh
	for seed in ${SEEDS:-1 2}; do
		rm -f test.db*
		"$TEST_PYTHON" -SE "$top/tests/fixtures/everything.py" "$seed" >records
		run -0 --separate-stderr db-load <records
		assert_equal "$stderr" ''
		for name in $(names table); do
			copy fresh "$name"
			sqlite_rows "$name" | LC_ALL=C sort >wanted
			[ -s wanted ] || fail "no $name"
			pg_rows fresh "$name" | LC_ALL=C sort | cmp wanted
		done
		# Once by windows other than ours.
		[ "$seed" != 2 ] || for list in 'DELETE FROM velocity_windows' "INSERT INTO velocity_windows VALUES (3, 0.5), (14, 2), (100, 1), (28, 0)"; do
			sql "$list"
			pg fresh -c "$list"
		done
		for name in $(names view); do
			same "$name"
			[ -s found ] || fail "no $name"
		done
		# All kinds of rows are there.
		assert_equal "$(db-query sales_freshness | jq -r .state | sort -u | paste -sd ' ')" 'missing no_data not_ready provisional restated settled'
		[ "$(db-query sales_velocity | jq -r 'select(.units_per_day_90 != null and .stddev != null and .b2b_share != null).asin' | wc -l)" -gt 3 ]
		db-query sales_velocity | jq -e -s 'any(.units_per_day == null) and any(.provisional_days > 0)'
		db-query health_incidents | jq -e -s 'any(.up_since == null) and any(.failures > 2) and any(.up_since != null)'
		db-query badge_runs | jq -e -s 'any(.until == null) and any(.until != null)'
		db-query watchlist | jq -e -s 'any(.due == true) and any(.due == false) and any(.due == null)'
	done
}

@test "an empty database has empty views in both" {
	fresh
	for name in $(names view); do
		same "$name"
	done
}

@test "JSON that PostgreSQL cannot read, or that is of another kind, keeps no other row from being seen" {
	fresh
	pg fresh <<'!'
ALTER TABLE asin_current_state DROP CONSTRAINT asin_current_state_sales_ranks_check,
	DROP CONSTRAINT asin_current_state_bestseller_badges_check;
INSERT INTO asin_current_state (marketplace, asin, sales_ranks, bestseller_badges) VALUES
	('US', '1', '{"1":{"rank":1,"since":"x"}}', '["1"]'), ('US', '2', '5', '{}'), ('US', '3', '[]', '"x"'),
	('US', '4', '{"\u0000":{"rank":1}}', '["\u0000"]'), ('US', '5', '{"\ud800":1}', '["\uDC00"]'),
	('US', '6', 'null', 'null'), ('US', '7', '{"2":1,"2":2}', '["2","2"]'), ('US', '8', '{"3":{"since":"\ud800"}}', '["3"]');
!
	run -0 pg fresh -c 'SELECT asin, category_id, since FROM current_badges'
	assert_output '1|1|x
7|2|
7|2|
8|3|'
	run -0 pg fresh -c 'SELECT category_id FROM unnamed_categories'
	assert_output '1
2'
}

### Partitions

@test "partitions are made of months of UTC, of this one and the next three, and what is in them is refused nowhere" {
	fresh
	run -0 pg fresh -c "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('rank_history'::regclass, 'asin_history'::regclass, 'sales_daily'::regclass)"
	assert_output 12
	run -0 pg fresh -c "SELECT to_regclass('sales_daily' || to_char((now() AT TIME ZONE 'UTC')::date + n * interval '1 month', '_YYYY_MM')) IS NOT NULL FROM generate_series(0, 4) n"
	assert_output 't
t
t
t
f'
	pg fresh -c "SELECT make_partitions(), make_partition('rank_history', '2020-02-29'), make_partition('rank_history', '2020-02-01'), make_partition('rank_history', '2099-12-31'), make_partition('asin_history', '2019-12-05'), make_partition('sales_daily', '2019-12-05')"
	run -0 pg fresh -c "SET timezone = 'UTC'" -c "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.relname ~ '_(2020_02|2099_12|2019_12)$' AND c.relkind = 'r' ORDER BY 1"
	assert_output "asin_history_2019_12|FOR VALUES FROM ('2019-12-01 00:00:00+00') TO ('2020-01-01 00:00:00+00')
rank_history_2020_02|FOR VALUES FROM ('2020-02-01 00:00:00+00') TO ('2020-03-01 00:00:00+00')
rank_history_2099_12|FOR VALUES FROM ('2099-12-01 00:00:00+00') TO ('2100-01-01 00:00:00+00')
sales_daily_2019_12|FOR VALUES FROM ('2019-12-01') TO ('2020-01-01')"
	pg fresh -c "INSERT INTO rank_history VALUES ('US', 'a', '1', '2020-02-01T00:00:00Z', 1), ('US', 'a', '1', '2020-02-29T23:59:59Z', 2)" \
		-c "INSERT INTO sales_daily (marketplace, date, asin, fetched_at, units_ordered) VALUES ('US', '2019-12-31', 'a', '2020-01-05T00:00:00Z', 1)" \
		-c "UPDATE sales_daily SET units_ordered = 2, fetched_at = '2020-01-06T00:00:00Z'"
	run -0 pg fresh -c 'SELECT "column", old, new FROM sales_restatements' # a partition's rows are watched, too
	assert_output 'units_ordered|1|2'
	run pg fresh -c "INSERT INTO rank_history VALUES ('US', 'a', '1', '2020-03-01T00:00:00Z', 1)"
	assert_output --partial 'no partition of relation "rank_history" found for row'
	run pg fresh -c "INSERT INTO rank_history VALUES ('US', 'a', '1', '2020-02-02T00:00:00Z', 0)"
	assert_output --partial 'violates check constraint'
	run pg fresh -c "INSERT INTO rank_history VALUES ('US', 'a', '1', '2020-02-01T00:00:00Z', 3)"
	assert_output --partial 'duplicate key value'
}

@test "months that are nobody's make no partition, and no other table has one" {
	fresh
	pg fresh -c "SELECT make_partition('rank_history', '1999-12-31'), make_partition('rank_history', '2100-01-01'), make_partition('rank_history', NULL), make_partition('rank_history', 'infinity'), make_partition('rank_history', '-infinity')"
	run -0 pg fresh -c "SELECT count(*) FROM pg_inherits WHERE inhparent = 'rank_history'::regclass"
	assert_output 4
	for name in tracked_asins 'rank_history; DROP TABLE runs' 'public.rank_history' '' Rank_history; do
		run pg fresh -v name="$name" <<<"SELECT make_partition(:'name', '2026-01-01')"
		assert_output --partial "no table '$name' has partitions"
	done
	run pg fresh -c "SELECT make_partition(NULL, '2026-01-01')"
	assert_failure
}

@test "many who need the same month at once make it once" {
	fresh
	for _ in 1 2 3 4 5 6; do
		pg fresh -c "SELECT make_partition(t, ('2021-01-01'::date + n * interval '1 month')::date)
			FROM generate_series(0, 11) n, unnest(ARRAY['rank_history', 'sales_daily']) t" >/dev/null 2>>errors &
	done
	wait
	run cat errors
	assert_output ''
	run -0 pg fresh -c "SELECT count(*) FROM pg_inherits WHERE inhrelid::regclass::text ~ '_2021_[01][0-9]$'"
	assert_output 24
}

### Who may see what

# Functions with all that they take, so that they can be called.
all_names() { # all_names KINDS: of what is in hosted, that is ours
	pg hosted -c "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind IN ($1) AND relname <> 'theirs' ORDER BY 1"
}

@test "the public key sees nothing: no table, view, partition or function, new ones included" {
	pg hosted -c "SELECT make_partition('rank_history', '2022-01-01')" -c 'SET ROLE service_role' -c "SELECT make_partition('sales_daily', '2022-01-01')"
	all_names "'r', 'p', 'v'" >names
	[ "$(wc -l <names)" -gt 50 ]
	for statement in 'DELETE FROM runs' 'TRUNCATE runs' 'INSERT INTO runs (run_id) VALUES (1)' "UPDATE runs SET host = ''" 'SELECT make_partitions()'; do
		run pg hosted -c 'SET ROLE anon' -c "$statement"
		assert_output --partial 'permission denied for'
	done
	grep -qx rank_history_2022_01 names
	grep -qx sales_daily_2022_01 names
	while read -r name; do
		run pg hosted -c 'SET ROLE anon' -c "SELECT FROM $name"
		assert_failure
		assert_output --regexp 'permission denied for (table|view) '
	done <names
	for role in anon authenticated stranger; do
		run -0 pg hosted -c "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'theirs'
			AND relkind IN ('r', 'p', 'v') AND (has_table_privilege('$role', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
				OR has_any_column_privilege('$role', oid, 'SELECT, INSERT, UPDATE, REFERENCES'))"
		assert_output ''
		run -0 pg hosted -c "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname <> 'theirs'
			AND has_function_privilege('$role', oid, 'EXECUTE')"
		assert_output ''
	done
	run -0 pg hosted -c "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
		AND relname <> 'theirs' AND NOT relrowsecurity"
	assert_output ''
	# Were something granted by mistake, the rows' own security stands behind it.
	pg hosted -c 'GRANT SELECT ON marketplaces, changes_to_tell TO anon' -c 'SET ROLE anon' -c 'SELECT count(*) FROM marketplaces' | grep -qx 0
	run pg hosted -c 'SET ROLE anon' -c 'SELECT * FROM changes_to_tell'
	assert_output --partial 'permission denied for table'
	pg hosted -c "$(cat "$top/load/schema/postgres/grants.sql")" # which takes it back
	run pg hosted -c 'SET ROLE anon' -c 'SELECT * FROM marketplaces'
	assert_output --partial 'permission denied for table marketplaces'
}

@test "service_role can do all that a program does, and no more" {
	all_names "'r', 'p', 'v'" | grep -v '_20[0-9][0-9]_' >names
	while read -r name; do
		pg hosted -c 'SET ROLE service_role' -c "SELECT count(*) FROM $name" >/dev/null
	done <names
	pg hosted <<'!'
BEGIN;
SET ROLE service_role;
SELECT make_partitions(), make_partition('sales_daily', '2023-01-01');
INSERT INTO sales_daily (marketplace, date, asin, fetched_at, units_ordered) VALUES ('US', '2023-01-31', 'a', '2023-02-05T00:00:00Z', 1);
UPDATE sales_daily SET units_ordered = 2, fetched_at = '2023-02-06T00:00:00Z';
INSERT INTO sales_daily_totals (marketplace, date, fetched_at, units_ordered) VALUES ('US', '2023-01-31', '2023-02-05T00:00:00Z', 1);
UPDATE sales_daily_totals SET units_ordered = 2, fetched_at = '2023-02-06T00:00:00Z';
INSERT INTO notifications (notification_id, sink, state) VALUES ('1', 'slack', 'sent');
UPDATE notifications SET state = 'failed';
DO $$ BEGIN
	ASSERT (SELECT count(*) FROM sales_restatements) = 2;
	ASSERT (SELECT state FROM notifications) = 'sent';
END $$;
DELETE FROM sales_restatements;
ROLLBACK;
!
	run -0 pg hosted -c "SELECT relname, privilege FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
			AND NOT has_table_privilege('service_role', oid, privilege)"
	assert_output ''
	for statement in 'TRUNCATE runs' 'DROP TABLE runs' 'SELECT FROM rank_history_2026_11' 'ALTER TABLE runs ADD COLUMN x text'; do
		run pg hosted -c 'SET ROLE service_role' -c "$statement"
		assert_failure
	done
}

@test "functions that run with their owner's rights look for names in our schema alone" {
	run -0 pg hosted -c "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1"
	assert_output 'make_partition|{"search_path=public, pg_temp"}
make_partitions|{"search_path=public, pg_temp"}'
	pg hosted <<'!'
BEGIN;
SET ROLE service_role;
CREATE TEMP TABLE rank_history (changed_at timestamptz) PARTITION BY RANGE (changed_at);
SELECT make_partition('rank_history', '2024-01-01');
SET search_path = pg_temp;
SELECT public.make_partition('rank_history', '2024-02-01');
RESET ROLE;
DO $$ BEGIN
	ASSERT to_regclass('public.rank_history_2024_01') IS NOT NULL;
	ASSERT to_regclass('public.rank_history_2024_02') IS NOT NULL;
END $$;
ROLLBACK;
!
}

@test "what else the schema holds is left as it was, and grants done again change nothing" {
	run -0 pg hosted -c 'SET ROLE anon' -c 'SELECT what FROM theirs' -c 'SELECT theirs()'
	assert_output 'not ours
not ours'
	run -0 pg hosted -c "SELECT relrowsecurity FROM pg_class WHERE relname = 'theirs'"
	assert_output f
	rights="SELECT relname, relacl, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT proname, proacl, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
	pg hosted -c "$rights" | sort >before # a table can be called as a function is
	pg hosted -c "$(cat "$top/load/schema/postgres/grants.sql")"
	run diff before <(pg hosted -c "$rights" | sort)
	assert_output ''
}

@test "another schema than public does as well, and it is all in one transaction" {
	pg postgres -U postgres -c 'DROP DATABASE IF EXISTS fresh' -c 'CREATE DATABASE fresh OWNER owner'
	run pg fresh -c "$(cat "$top"/load/schema/postgres/0*.sql) SELECT 1/0"
	assert_output --partial 'division by zero'
	run -0 pg fresh -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
	assert_output 0
	pg fresh -c 'CREATE SCHEMA "the Shop"'
	PGOPTIONS='-c search_path="the\ Shop"' migrate fresh
	run -0 pg fresh -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
	assert_output 0
	pg fresh -c "INSERT INTO \"the Shop\".sales_daily (marketplace, date, asin, fetched_at, units_ordered)
			VALUES ('US', (now() AT TIME ZONE 'UTC')::date, 'a', '2026-11-20T00:00:00Z', 1)" \
		-c "UPDATE \"the Shop\".sales_daily SET units_ordered = 2, fetched_at = '2026-11-20T08:00:00Z'" \
		-c "SELECT \"the Shop\".make_partition('rank_history', '2024-02-01')" \
		-c 'SET ROLE service_role' -c 'SELECT count(*) FROM "the Shop".sales_restatements' | grep -x 1
	run -0 pg fresh -c "SELECT to_regclass('\"the Shop\".rank_history_2024_02')"
	assert_output '"the Shop".rank_history_2024_02'
}

### Large tables

# Each is a matter of a second or so; quadratic, it would be minutes, or hours of the ten
# times as many rows that `make faults` takes.
@test "views of large tables, which nobody has counted yet, can be asked" {
	local rows=20000
	[ -z "${FAULT_STEP:-}" ] || rows=200000
	fresh
	pg fresh -v rows=$rows -f "$top/tests/fixtures/large.sql" >/dev/null
	export PGOPTIONS="-c jit=off -c statement_timeout=$((rows / 200))s" # to compile takes longer than to run
	for name in $(names view); do
		pg fresh -c "SELECT * FROM $name" >out
		[ -s out ] || [ "$name" = unsent_summaries ] || fail "no $name"
	done
}
