#!/usr/bin/env bats
# db-load and db-query on a database behind PostgREST, as Supabase has it.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr; rest_url...: peers.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper
load records

KEY='"marketplace":"US","asin":"B00TEST001"'

# The tables are made as users have to: what --init writes is pasted.
setup_file() {
	! lacks postgres || return 0
	! lacks postgrest || return 0
	start_postgres
	new_database --supabase
	start_postgrest
	DATABASE_URL=$rest_url SUPABASE_KEY=$rest_key db-load --init </dev/null >"$BATS_FILE_TMPDIR/schema.sql" || [ $? -eq 78 ]
	stop_postgrest
	psql -qAtX -v ON_ERROR_STOP=1 "$pg_url" -f "$BATS_FILE_TMPDIR/schema.sql"
	export ready=$pg_name
}

teardown_file() {
	stop_postgres
}

setup() {
	skip_lacking
	clean_room
	new_database --like "$ready"
	start_postgrest db-max-rows=1000
	export DATABASE_URL=$rest_url SUPABASE_KEY=$rest_key HTTP_WAIT_MS=20
}

teardown() {
	stop_sim
	stop_proxy
	stop_postgrest
}

# From here on by way of the proxy.
by_proxy() {
	start_proxy "$rest_port"
	export DATABASE_URL=http://127.0.0.1:$proxy_port
}

# answers PATH STATUS [BODY [HEADER]]: what comes in place of the next answer from there
answers() {
	local file=answer.$RANDOM$RANDOM body=${3-}
	printf 'HTTP/1.1 %s Because\r\nContent-Length: %s\r\nConnection: close\r\n%s\r\n%s' \
		"$2" "${#body}" "${4:+$4$'\r\n'}" "$body" >"$file"
	echo "on $1 answer $PWD/$file" >>proxy.faults
}

# fails STATUS MESSAGE COMMAND...: with this message and no other
fails() {
	local status=$1 message=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	assert_output ''
	assert_equal "$stderr" "$message"
}

# ranks FROM TO: so many points of a rank, one a minute
ranks() {
	seq "$1" "$2" | awk '{
		printf "{\"type\":\"rank_history\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"category_id\":\"1\"," \
			"\"changed_at\":\"2026-%02d-%02dT%02d:%02d:00Z\",\"rank\":%d}\n",
			1 + $1 / 40320 % 12, 1 + $1 / 1440 % 28, $1 / 60 % 24, $1 % 60, $1
	}'
}

# dump: every row of every table, in an order of its own
dump() {
	local table
	for table in $(db-query --list | jq -r 'select(.kind == "table").name'); do
		[ "$table" = column_kinds ] || db-query "$table"
	done | sort
}

### Keys and addresses

@test "a key that is a JWT is sent twice; another, once; and who we are, always" {
	by_proxy
	run -0 db-query tracked_asins
	grep -aqi "^apikey: $rest_key"$'\r' proxy.log
	grep -aqi "^Authorization: Bearer $rest_key"$'\r' proxy.log
	run -0 grep -aci '^User-Agent: sellerpipe/' proxy.log
	assert_output "$(grep -ac '^POST /' proxy.log)"
	: >proxy.log
	# PostgREST itself takes nobody without a JWT; Supabase's door makes one of it.
	SUPABASE_KEY=sb_secret_abcdefghijkl run -77 db-query tracked_asins
	grep -aqi $'^apikey: sb_secret_abcdefghijkl\r' proxy.log
	run grep -ai '^Authorization' proxy.log
	assert_output ''
}

@test "the key can stand in a file of its own" {
	unset SUPABASE_KEY
	(umask 077 && echo "$rest_key" >key)
	SUPABASE_KEY_FILE=$PWD/key run -0 db-query tracked_asins
	assert_output ''
}

@test "without a key, or with the public one, nothing is asked" {
	by_proxy
	local public='SUPABASE_KEY is the public key, which may read and write nothing; take the secret key (sb_secret_... or service_role)'
	SUPABASE_KEY=sb_publishable_abc fails 78 "db-load: $public" db-load </dev/null
	SUPABASE_KEY=$rest_anon_key fails 78 "db-query: $public" db-query runs
	SUPABASE_KEY=$(jwt authenticated) fails 78 "db-query: $public" db-query runs
	SUPABASE_KEY='two words' fails 78 'db-query: SUPABASE_KEY is no key: there is a blank or the like in it' db-query runs
	unset SUPABASE_KEY
	run -78 --separate-stderr db-query runs
	assert_regex "$stderr" '^db-query: SUPABASE_KEY is not set: the secret key of a database behind https;'
	[ ! -s proxy.log ]
}

@test "a wrong key and one that has expired are 77" {
	local hint='; is SUPABASE_KEY the secret key of this project?'
	SUPABASE_KEY=${rest_key%????????}AAAAAAAA fails 77 "db-query: $rest_url: JWSError JWSInvalidSignature (PGRST301)$hint" db-query runs
	SUPABASE_KEY=$(jwt service_role '"exp":1700000000') fails 77 "db-load: $rest_url: JWT expired (PGRST301)$hint" db-load </dev/null
	# A key of nobody's role, which is a wrong one.
	SUPABASE_KEY=$(jwt nobody) fails 77 "db-query: $rest_url: role \"nobody\" does not exist (22023)$hint" db-query runs
}

@test "no message shows the key, even if the server repeats it" {
	by_proxy
	answers /rpc/db_query 400 "{\"code\":\"XX000\",\"message\":\"what is $rest_key to me\"}"
	run -70 db-query runs
	assert_output --regexp "^db-query: $DATABASE_URL: what is \*+ to me \(XX000\)$"
	answers /rpc/db_query 403 "{\"message\":\"Invalid API key: $rest_key\"}"
	run -77 db-query runs
	refute_output --partial "$rest_key"
}

@test "a project's address gets the path of its API; any other is taken as it is" {
	export HTTP_TRIES=1 https_proxy=http://127.0.0.1:1
	for url in https://abcdefgh.supabase.co https://abcdefgh.supabase.co/; do
		run -75 db-query -d "$url" runs
		assert_output --partial 'db-query: https://abcdefgh.supabase.co/rest/v1: '
	done
	run -75 db-query -d https://abcdefgh.supabase.co/rest/v2/ runs
	assert_output --partial 'db-query: https://abcdefgh.supabase.co/rest/v2: '
	run -75 db-query -d https://api.example.com runs
	assert_output --partial 'db-query: https://api.example.com: '
	run -75 db-query -d https://supabase.co.example.com/ runs
	assert_output --partial 'db-query: https://supabase.co.example.com: '
}

@test "an address that cannot be is 78, and is asked for nothing" {
	fails 78 "db-query: the database's URL is no URL of https (or of http to loopback)" db-query -d http://example.com runs
	fails 78 "db-query: the database's URL has a user's name in it" db-query -d https://me@example.com runs
	fails 78 "db-query: the database's URL ends with a '?'" db-query -d 'https://example.com/?apikey=x' runs
}

### What --init writes

@test "--init writes what to paste, once: then it has nothing to say" {
	new_database --supabase
	stop_postgrest
	start_postgrest
	DATABASE_URL=$rest_url
	run -78 --separate-stderr db-load --init </dev/null
	assert_equal "$stderr" "db-load: paste what was written into the project's SQL editor and run it there; then run this again"
	printf '%s\n' "$output" >schema.sql
	run -0 psql -qAtX -v ON_ERROR_STOP=1 "$pg_url" -f schema.sql
	assert_output ''
	for _ in {1..100}; do # PostgREST was told to look again
		db-load --init </dev/null >out 2>&1 && break
		sleep 0.05
	done
	run -0 db-load --init <<<'{"type":"runs","run_id":"r1","job":"badges","started_at":"2026-11-20T08:00:00Z"}'
	assert_output ''
	run -0 sql 'SELECT run_id FROM runs'
	assert_output r1
	run -0 sql "SELECT count(*) FROM pg_inherits WHERE inhparent = 'rank_history'::regclass"
	assert_output 4
}

@test "--init writes only what is missing" {
	newest=$(sql 'SELECT max(version) FROM sellerpipe_schema')
	sql "DELETE FROM sellerpipe_schema WHERE version = $newest"
	run -78 --separate-stderr db-load --init </dev/null
	assert_line "INSERT INTO sellerpipe_schema VALUES ($newest);"
	refute_line "INSERT INTO sellerpipe_schema VALUES (1);"
	assert_line --partial 'CREATE OR REPLACE FUNCTION db_load(text)'
	fails 78 "db-load: the database has older tables of ours; 'db-load --init -d URL >schema.sql' writes what to paste into the project's SQL editor" db-load </dev/null
	sql 'INSERT INTO sellerpipe_schema VALUES (999)'
	fails 78 "db-load: the database has schema 999, and this program knows $newest: use a newer one" db-load --init </dev/null
}

@test "where nothing was made, 78, and what makes it" {
	new_database --supabase
	stop_postgrest
	start_postgrest
	export DATABASE_URL=$rest_url
	local hint="; 'db-load --init -d URL >schema.sql' writes what to paste into the project's SQL editor"
	fails 78 "db-load: the database has no tables of ours$hint" db-load </dev/null
	run -78 --separate-stderr db-query runs
	assert_regex "$stderr" "^db-query: $rest_url: Could not find the function public.db_query.* \(PGRST202\)$hint$"
}

@test "service_role does all; the public key's role and PUBLIC see and do nothing" {
	db-load < <(everything)
	db-query --list | jq -r .name >names
	for role in anon authenticated; do
		key=$(jwt $role)
		mapfile -t urls < <(sed "s,^,$rest_url/," names)
		run -0 curl -sS "${urls[@]}" -w '\n' -H "Authorization: Bearer $key"
		assert_equal "$(grep -c '"code":"42501"' <<<"$output")" "$(wc -l <names)"
		for call in 'db_tables {}' 'db_list {}' 'db_query {"name":"runs"}' 'make_partitions {}'; do
			run -0 curl -sS "$rest_url/rpc/${call% *}" -H "Authorization: Bearer $key" \
				-H 'Content-Type: application/json' -d "${call#* }"
			assert_output --partial '"code":"42501"'
		done
		run -0 curl -sS "$rest_url/rpc/db_load" -H "Authorization: Bearer $key" -H 'Content-Type: text/plain' -d '{"dry_run":true}'
		assert_output --partial '"code":"42501"'
	done
	run -0 db-query tracked_asins
	assert_equal "${#lines[@]}" 2
}

@test "a project whose grants are missing is 77, with a hint" {
	psql -qX "$pg_super_url" -c 'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM service_role'
	fails 77 "db-load: $rest_url: permission denied for table sellerpipe_schema (42501); is SUPABASE_KEY the secret key, and was all of 'db-load --init' pasted, with its grants?" \
		db-load </dev/null
}

### Loading

@test "all kinds of records become the rows that they become in SQLite" {
	everything | DATABASE_URL=sqlite:lite.db db-load
	run -0 db-load < <(everything)
	assert_output ''
	DATABASE_URL=sqlite:lite.db dump >lite
	dump >rest
	[ "$(wc -l <rest)" -gt 30 ]
	diff lite rest
	# Again, and backwards.
	run -0 db-load < <(everything | tac)
	dump >again
	diff rest again
}

@test "a record that is refused is named by its line, and the others are loaded" {
	{
		ranks 1 3
		echo '{"type":"tracked_asins","marketplace":"us","asin":"B00TEST001"}'
		echo '{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001"}'
		echo 'no record'
		ranks 4 6
		echo '{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-01-02T00:00:00Z","rank":-1}'
		echo '{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2126-01-02T00:00:00Z","rank":1}'
		echo '{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"yesterday","rank":1}'
	} >in
	run -65 --separate-stderr db-load <in
	assert_output ''
	sort -t: -k3n <<<"$stderr" >said
	run sed 's/column .*/COLUMN/' said
	assert_output "db-load: stdin:4: tracked_asins: new row for relation \"tracked_asins\" violates check constraint \"tracked_asins_marketplace_check\"
db-load: stdin:6: COLUMN
db-load: stdin:10: rank_history: new row for relation \"rank_history\" violates check constraint \"rank_history_rank_check\"
db-load: stdin:11: rank_history: no partition of relation \"rank_history\" found for row
db-load: stdin:12: rank_history: 'changed_at' is not a time"
	run -0 sql 'SELECT (SELECT count(*) FROM rank_history), (SELECT count(*) FROM tracked_asins)'
	assert_output '6|1'
}

@test "update and delete, also of what was loaded just before" {
	db-load <<-!
		{"type":"tracked_asins",$KEY,"label":"one"}
		{"type":"tracked_asins","op":"update",$KEY,"label":"two"}
		{"type":"tracked_asins","op":"update","marketplace":"US","asin":"B00TEST002","label":"none"}
		{"type":"tracked_asins","marketplace":"US","asin":"B00TEST003"}
		{"type":"tracked_asins","op":"delete","marketplace":"US","asin":"B00TEST003","label":"?"}
		{"type":"tracked_asins","marketplace":"US","asin":"B00TEST003","label":"three"}
		{"type":"tracked_asins",$KEY,"priority":2}
		{"type":"tracked_asins",$KEY,"priority":1}
	!
	run -0 jq -c '[.asin, .label, .priority]' <(db-query tracked_asins)
	assert_output '["B00TEST001","two",1]
["B00TEST003","three",5]'
}

@test "a batch of many records goes in a few calls; what pauses is there for all to see" {
	by_proxy
	ranks 1 30000 | db-load
	run -0 sql 'SELECT count(*), sum(rank) FROM rank_history'
	assert_output '30000|450015000'
	calls=$(grep -ac 'POST /rpc/db_load ' proxy.log)
	[ "$calls" -ge 2 ]
	[ "$calls" -le 8 ]
	{
		ranks 40001 40001
		wait_for test -e seen
	} | db-load &
	for _ in {1..100}; do
		[ "$(sql 'SELECT count(*) FROM rank_history')" = 30000 ] || break
		sleep 0.05
	done
	: >seen
	wait $!
	run -0 sql 'SELECT count(*) FROM rank_history'
	assert_output 30001
}

@test "lines of a megabyte, and of more than a batch, are loaded" {
	python3 -c '
import json
for i, size in enumerate((1 << 20, 5 << 20, 10)):
    print(json.dumps({"type": "asin_history", "marketplace": "US", "asin": "B00TEST001", "status": "ok",
        "check_timestamp": "2026-11-20T08:0%d:00Z" % i, "raw_keepa_response": {"title": "é\"\\" * (size // 4)}}))' >in
	run -0 db-load <in
	assert_output ''
	db-query asin_history | jq -c '{check_timestamp, raw_keepa_response}' >out
	jq -c '{check_timestamp, raw_keepa_response}' in | diff - out
}

@test "text is what it was: escapes, and all of Unicode; a NUL within JSON is replaced" {
	cat >in <<-!
		{"type":"tracked_asins",$KEY,"label":"tab\\t line\\n \\"q\\" \\\\ \\u00e9 é \\ud83d\\ude00 😀 \\u001f \\u2028 '; --","added_at":"2026-11-20T08:00:00Z"}
		{"type":"asin_history",$KEY,"check_timestamp":"2026-11-20T08:00:00Z","status":"ok","raw_keepa_response":{"b" : 1.10, "a":"\\u00e9\\/\\ud83d\\ude00\\\\ud83d","a":[1e5,-0]}}
	!
	DATABASE_URL=sqlite:lite.db db-load <in
	run -0 db-load <in
	assert_output ''
	for table in tracked_asins asin_history; do
		diff <(db-query -d sqlite:lite.db $table | jq -c .) <(db-query $table | jq -c .)
	done
	run -0 db-query asin_history
	assert_output --partial '{"b" : 1.10, "a":"\u00e9\/\ud83d\ude00\\ud83d","a":[1e5,-0]}'
	# PostgreSQL finds nothing in a JSON text that has one.
	db-load <<-!
		{"type":"asin_history",$KEY,"check_timestamp":"2026-11-20T08:01:00Z","status":"ok","raw_keepa_response":{"a\\u0000":"\\u0000\\\\u0000\\\\\\u0000"}}
	!
	run -0 jq -c .raw_keepa_response <(db-query asin_history check_timestamp=2026-11-20T08:01:00Z)
	assert_output '{"a�":"�\\u0000\\�"}'
}

@test "a number that is too small to be told from 0 is 0" {
	echo '{"type":"sales_daily","marketplace":"US","asin":"B00TEST001","date":"2026-11-19","currency":"USD","fetched_at":"2026-11-20T08:00:00Z","buy_box_percentage":1e-400}' | db-load
	run -0 jq .buy_box_percentage <(db-query sales_daily)
	assert_output 0
}

@test "nobody runs SQL of their own by a function of ours" {
	for call in 'db_looks_new {"tab":"runs","lines":[]' 'db_make_partitions {"tab":"runs","lines":[]' \
		'db_refused {"tab":"runs","cols":["run_id"],"lines":[]' \
		'db_merge_each {"tab":"runs","op":"upsert","cols":["run_id"],"lines":[]' \
		'db_merge {"tab":"runs","op":"upsert","cols":["run_id"],"lines":[],"again":false'; do
		for source in '' ',"source":"pg_class"' ',"":"pg_class"'; do
			run -0 curl -sS -o said -w '%{http_code}' "$DATABASE_URL/rpc/${call%% *}" -H "Authorization: Bearer $SUPABASE_KEY" \
				-H 'Content-Type: application/json' -d "${call#* }$source}"
			assert_regex "$output" '^4'
		done
	done
}

@test "loading the same again changes no row, and older records undo nothing" {
	everything >in
	db-load <in
	sql "SELECT xmin, ctid, * FROM asin_current_state" >one
	sql "SELECT xmin, ctid, * FROM rank_history" >>one
	db-load <in
	db-load < <(jq -c 'select(.last_updated == "2026-11-19T08:00:00Z")' in)
	sql "SELECT xmin, ctid, * FROM asin_current_state" >two
	sql "SELECT xmin, ctid, * FROM rank_history" >>two
	[ "$(wc -l <one)" -eq 5 ]
	diff one two
}

@test "a dry run says what it would do, and does nothing" {
	{
		ranks 1 5
		echo '{"type":"tracked_asins","marketplace":"us","asin":"B00TEST001"}'
		echo "{\"type\":\"tracked_asins\",$KEY}"
	} >in
	run -65 --separate-stderr db-load --dry-run <in
	assert_output ''
	assert_equal "$stderr" 'db-load: stdin:6: tracked_asins: new row for relation "tracked_asins" violates check constraint "tracked_asins_marketplace_check"
db-load: rank_history: 5 records would be loaded, 0 refused
db-load: tracked_asins: 1 records would be loaded, 1 refused'
	run -0 sql 'SELECT (SELECT count(*) FROM rank_history), (SELECT count(*) FROM tracked_asins)'
	assert_output '0|0'
}

### Reading

@test "more rows than PostgREST gives at once come whole and in order, page by page" {
	ranks 1 3500 | jq -c '.type = "asin_history" | .check_timestamp = .changed_at | .status = "ok"
		| .raw_keepa_response = {rank, pad: ("x" * 3000)} | del(.changed_at, .rank, .category_id)' >in
	DATABASE_URL=sqlite:lite.db db-load <in
	by_proxy
	db-load <in
	: >proxy.log
	diff <(db-query -d sqlite:lite.db asin_history --order check_timestamp) <(db-query asin_history)
	[ "$(grep -ac 'POST /rpc/db_query ' proxy.log)" -ge 3 ]
	diff <(db-query -d sqlite:lite.db asin_history --order -check_timestamp) <(db-query asin_history --order -check_timestamp)
	diff <(db-query -d sqlite:lite.db asin_history --order check_timestamp --limit 3000) <(db-query asin_history --limit 3000)
	diff <(db-query -d sqlite:lite.db timeline) <(db-query timeline)
	run -0 db-query asin_history --limit 0
	assert_output ''
}

@test "conditions, orders, limits, lists: as of SQLite" {
	everything | DATABASE_URL=sqlite:lite.db db-load
	db-load < <(everything)
	while read -r line; do
		eval "args=($line)"
		db-query -d sqlite:lite.db "${args[@]}" >lite
		db-query "${args[@]}" >rest
		diff lite rest || fail "$line"
		[ -s rest ] || fail "nothing: $line"
	done <<-'!'
		tracked_asins marketplace=US
		tracked_asins --order -priority,asin
		tracked_asins is_active=false
		tracked_asins 'priority<5'
		rank_history rank=null
		rank_history rank!=null --order -changed_at --limit 1
		rank_history 'changed_at>=2026-11-20T00:00:00Z' --order changed_at
		asin_current_state 'rating>4.5'
		health_checks ok=false
		categories name=Kettles
		notifications 'error!=x' --order notification_id
		changes_to_tell
		watchlist due=true --order asin --limit 5
	!
}

@test "a name or a column that is not there is 64, and so is a value that cannot be" {
	fails 64 "db-query: no table or view 'nothing'; see 'db-query --list'" db-query nothing
	fails 64 "db-query: tracked_asins has no column 'colour'" db-query tracked_asins colour=red
	fails 64 "db-query: tracked_asins has no column 'colour'" db-query tracked_asins --order asin,-colour
	run -64 db-query rank_history rank=first
	assert_output 'db-query: invalid input syntax for type bigint: "first"'
	fails 64 "db-query: a name or a value is no UTF-8" db-query tracked_asins $'label=\xff'
	# A value is only ever a value.
	run -0 db-query tracked_asins "label='; DROP TABLE tracked_asins; --"
	assert_output ''
	run -0 db-query tracked_asins
}

### What goes wrong

@test "no server is 75 once it has been tried for" {
	stop_postgrest
	HTTP_TRIES=3 run -75 --separate-stderr db-load < <(ranks 1 1)
	assert_output ''
	run -0 grep -c 'trying again in' <<<"$stderr"
	assert_output 2
	[ "$(tail -n 1 <<<"$stderr" | grep -c "^db-load: $rest_url: .*onnect")" -eq 1 ]
}

@test "a server without its database is 75; restarted in the middle, all is there" {
	export HTTP_TRIES=12
	{
		ranks 1 1000
		wait_for test -e go
		ranks 1001 2000
	} | db-load 2>said &
	for _ in {1..200}; do
		[ "$(sql 'SELECT count(*) FROM rank_history')" != 1000 ] || break
		sleep 0.05
	done
	halt_postgres
	HTTP_TRIES=1 run -75 db-query runs
	assert_output --partial '(PGRST00'
	: >go
	sleep 0.5
	resume_postgres
	wait $!
	run -0 sql 'SELECT count(*), sum(rank) FROM rank_history'
	assert_output '2000|2001000'
	grep -q 'trying again in' said
}

@test "killed again and again in the middle of batches: all is there, once" {
	export HTTP_TRIES=30
	for part in {0..7}; do # each has to go by itself, by then
		ranks $((part * 5000 + 1)) $((part * 5000 + 5000))
		sleep 0.2
	done | db-load 2>said &
	for _ in 1 2 3; do
		sleep 0.4
		kill_postgres
		resume_postgres
	done
	wait $!
	run -0 sql 'SELECT count(*), sum(rank) FROM rank_history'
	assert_output '40000|800020000'
	grep -q 'trying again in' said
	run grep -v 'trying again in' said
	assert_output ''
}

@test "cut off in the middle of an answer, or of a batch: nothing is lost, nothing is there twice" {
	for units in 3 4; do
		jq -nc --argjson units $units 'range(200) | {type: "sales_daily", marketplace: "US",
			asin: "B00TEST\(. + 100)", date: "2026-11-01",
			units_ordered: (. + $units), fetched_at: "2026-11-0\($units)T00:00:00Z"}'
	done >in
	by_proxy
	# Each once it has been answered in part, once before it was there in full.
	printf '%s\n' 'on /rpc/db_load down 5' 'on /rpc/db_load up 9000' 'on /rpc/db_load down 100' pass >proxy.faults
	run -0 --separate-stderr db-load < <(head -n 200 in)
	assert_output ''
	assert_regex "$stderr" 'trying again in'
	run -0 cat proxy.faults
	assert_output ''
	printf '%s\n' 'on /rpc/db_load down 20' >proxy.faults
	run -0 db-load < <(tail -n 200 in)
	DATABASE_URL=sqlite:lite.db db-load <in
	for table in sales_daily sales_restatements; do
		db-query -d sqlite:lite.db $table --order asin >lite
		db-query $table --order asin >rest
		[ "$(wc -l <rest)" -eq 200 ]
		diff lite rest
	done
}

@test "what a call is too much for goes in halves, down to a record of its own" {
	by_proxy
	ranks 1 4 >in
	# All four, then the first two, then each of these; then the other two.
	answers /rpc/db_load 413 '<html>too large</html>'
	answers /rpc/db_load 413 '<html>too large</html>'
	answers /rpc/db_load 413 '<html>too large</html>'
	run -65 --separate-stderr db-load <in
	assert_equal "$stderr" 'db-load: stdin:1: rank_history: HTTP status 413'
	run -0 sql 'SELECT count(*), sum(rank) FROM rank_history'
	assert_output '3|9'
	# A time limit: the same, but that of one record is not the record's.
	local slow='{"code":"57014","message":"canceling statement due to statement timeout"}'
	sql 'TRUNCATE rank_history'
	answers /rpc/db_load 500 "$slow"
	run -0 db-load <in
	assert_output ''
	run -0 sql 'SELECT count(*) FROM rank_history'
	assert_output 4
	answers /rpc/db_load 500 "$slow"
	answers /rpc/db_load 500 "$slow"
	fails 75 "db-load: $DATABASE_URL: canceling statement due to statement timeout (57014)" db-load < <(ranks 1 2)
	# A gateway that has waited too long: first the same again.
	sql 'TRUNCATE rank_history'
	answers /rpc/db_load 504 '<html>no answer in time</html>'
	answers /rpc/db_load 504 '<html>no answer in time</html>'
	HTTP_TRIES=2 run -0 --separate-stderr db-load <in
	assert_equal "$stderr" "db-load: $DATABASE_URL/rpc/db_load: HTTP status 504; trying again in 0.0 s"
	run -0 sql 'SELECT count(*) FROM rank_history'
	assert_output 4
}

@test "each error has its status, by its code before all else" {
	by_proxy
	export HTTP_TRIES=2
	# shellcheck disable=SC2034 # they are named below
	local none='' key='; is SUPABASE_KEY the secret key of this project?' full='; Supabase lets nobody write where the disk is full' \
		init="; 'db-load --init -d URL >schema.sql' writes what to paste into the project's SQL editor"
	while read -r status http code hint; do
		rm -f proxy.faults
		for _ in 1 2; do
			answers /rpc/db_load "$http" "{\"code\":\"$code\",\"message\":\"some words\",\"details\":null,\"hint\":null}" 'Retry-After: 0'
		done
		run -"$status" --separate-stderr db-load < <(ranks 1 1)
		assert_equal "$(tail -n 1 <<<"$stderr")" "db-load: $DATABASE_URL: some words ($code)${!hint}"
		# Only what may pass by itself is tried again.
		[ "$status" -eq 75 ] && [ "$code" != 25006 ] && tries=2 || tries=1
		assert_equal "$(wc -l <<<"$stderr")" "$tries"
	done <<-!
		77 403 28P01 key
		77 401 PGRST303 key
		78 404 42P01 init
		78 404 42883 init
		78 404 PGRST202 init
		78 404 PGRST205 init
		75 503 08006 none
		75 500 40001 none
		75 500 40P01 none
		75 503 53300 none
		74 503 53100 full
		75 405 25006 full
		75 500 55P03 none
		75 500 57P01 none
		75 503 PGRST001 none
		75 504 PGRST003 none
		76 400 PGRST102 none
		70 500 XX000 none
	!
}

@test "without a code the HTTP status decides; what is not PostgREST's is 76" {
	by_proxy
	export HTTP_TRIES=2
	local here="db-query: $DATABASE_URL"
	answers /rpc/db_query 401 '{"message":"No API key found in request","hint":"No apikey"}'
	fails 77 "$here: No API key found in request (HTTP status 401); is SUPABASE_KEY the secret key of this project?" db-query runs
	answers /rpc/db_query 404 '{}'
	run -78 db-query runs
	for _ in 1 2; do
		answers /rpc/db_query 429 '{"message":"slow down"}' 'Retry-After: 0'
	done
	run -75 --separate-stderr db-query runs
	assert_equal "$(tail -n 1 <<<"$stderr")" "$here: slow down (HTTP status 429)"
	for _ in 1 2; do
		answers /rpc/db_query 540 '<html>paused</html>'
	done
	run -75 --separate-stderr db-query runs
	assert_equal "$(tail -n 1 <<<"$stderr")" "$here: HTTP status 540"
	for _ in 1 2; do # PostgREST's database has gone in the middle
		answers /rpc/db_query 400 '{"code":"","details":null,"hint":null,"message":""}'
	done
	run -75 --separate-stderr db-query runs
	assert_equal "$(wc -l <<<"$stderr")" 2
	answers /rpc/db_query 404 '<html>nothing here</html>'
	fails 76 "$here: HTTP status 404; is this PostgREST?" db-query runs
	answers /rpc/db_query 302 '' 'Location: https://example.com/'
	fails 76 "$here: HTTP status 302; is this PostgREST?" db-query runs
	answers /rpc/db_query 200 '<html>please log in</html>'
	fails 76 "$here: not the answer expected; is this PostgREST?" db-query runs
	answers /rpc/db_query 200 '[1]'
	fails 76 "$here: not the answer expected; is this PostgREST?" db-query runs
	answers /rpc/db_tables 200 '[{"name":"x","columns":[{"name":"y","type":"point","key":1}]}]'
	run -76 db-load </dev/null
	answers /rpc/db_load 200 '[{"n":2,"table":"rank_history","error":"x"}]'
	run -76 db-load < <(ranks 1 1)
}

### All of it

@test "the badge job runs on it as it is, and everything can be moved from there and back" {
	start_sim
	export SUPABASE_KEY SELLERPIPE_HOME=$PWD
	track.sh add B0SIM00001 B0SIM00002 B0SIM00003
	run -0 badges.sh
	assert_output ''
	run -0 db-query current_badges
	assert_equal "${#lines[@]}" 2
	run -0 status.sh
	assert_line --regexp '0 of 3 ASINs due now'
	dump >there
	[ "$(wc -l <there)" -gt 20 ]
	for table in $(db-query --list | jq -r 'select(.kind == "table").name'); do
		db-query "$table" | db-load -d sqlite:lite.db
	done
	DATABASE_URL=sqlite:lite.db dump | jq -c . >lite
	diff <(jq -c . there) lite
	new_database --like "$ready"
	stop_postgrest
	start_postgrest
	DATABASE_URL=$rest_url
	for table in $(db-query --list | jq -r 'select(.kind == "table").name'); do
		db-query -d sqlite:lite.db "$table" | db-load
	done
	dump >back
	diff there back
}

### Claims

@test "a claim leases rows, also where its answer is lost: the same holder's next run has them" {
	for i in {1..5}; do
		echo "{\"type\":\"tracked_asins\",\"marketplace\":\"US\",\"asin\":\"B00TEST00$i\"}"
	done | db-load
	run -0 jq -r .asin <(SELLERPIPE_RUN=one db-query --claim due_asins --limit 2 --holder here)
	assert_output 'B00TEST001
B00TEST002'
	by_proxy
	echo 'on /rpc/db_claim down 90' >proxy.faults
	SELLERPIPE_RUN=one run -75 --separate-stderr db-query --claim due_asins --limit 2 --holder here
	assert_output ''
	run -0 jq -r .asin <(SELLERPIPE_RUN=one db-query --claim due_asins --holder here)
	assert_output B00TEST005
	run -0 jq -r .asin <(SELLERPIPE_RUN=other db-query --claim due_asins --holder there)
	assert_output ''
	run -0 jq -r .asin <(SELLERPIPE_RUN=two db-query --claim due_asins --holder here)
	assert_equal "${#lines[@]}" 5
	fails 64 "db-query: runs cannot be claimed; see 'db-query claimable'" db-query --claim runs
}
