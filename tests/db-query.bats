#!/usr/bin/env bats
# db-query: rows of a table or a view, as records.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	mkdir room && cd room || return
	export DATABASE_URL=sqlite:$PWD/test.db
	db-load --init </dev/null
}

# What others do to a database: sql STATEMENT...
sql() {
	python3 -c '
import sqlite3, sys
db = sqlite3.connect("test.db", isolation_level=None)
for statement in sys.argv[1:]: db.execute(statement)' "$@"
}

# picks EXPECTED QUERY...: the values of the first column of interest, in one line
picks() {
	local expected=$1
	shift
	run -0 --separate-stderr db-query "$@"
	assert_equal "$stderr" ''
	assert_equal "$(jq -r "$pick" <<<"$output" | tr '\n' ' ')" "$expected${expected:+ }"
}

some_runs() {
	db-load <<'!'
{"type":"runs","run_id":"a","job":"x","status":0,"records":5}
{"type":"runs","run_id":"b","job":"x","status":65,"records":10}
{"type":"runs","run_id":"c","job":"y","status":null,"records":9223372036854775807}
{"type":"runs","run_id":"7","job":"1e1","status":-1,"records":10}
!
	pick=.run_id
}

@test "every table and view can be asked for, and gives all its columns in their order" {
	local name
	db-load <<<'{"type":"runs","run_id":"a"}'
	run -0 --separate-stderr db-query --list
	assert_line --index 0 '{"type":"names","name":"api_usage_log","kind":"table"}'
	assert_equal "$(jq -r .name <<<"$output" | tr '\n' ' ')" "$(python3 -c '
import sqlite3
for name, in sqlite3.connect("test.db").execute("""SELECT name FROM sqlite_master
		WHERE type IN ("table", "view") ORDER BY type, name"""): print(name, end=" ")')"
	for name in $(jq -r .name <<<"$output"); do
		run -0 --separate-stderr db-query "$name"
		assert_equal "$stderr" ''
	done
	run -0 db-query runs
	assert_output '{"type":"runs","run_id":"a","program":null,"job":null,"version":null,"started_at":null,"finished_at":null,"status":null,"records":null,"host":null,"stages":null,"error":null}'
}

### Conditions

@test "conditions compare with a column, and all of them have to hold" {
	some_runs
	picks '7 a b c' runs
	picks 'a b' runs job=x
	picks '7 c' runs 'job!=x'
	picks b runs job=x 'status>0'
	picks '7 a' runs 'status<65'
	picks '7 a b' runs 'status<=65'
	picks b runs 'status>=65'
	picks 'a b c' runs 'run_id>=a'
	picks '' runs job=x job=y
	picks '' runs job=
	picks '7' runs status=-1
}

@test "null is no value: = and != tell it from every other" {
	some_runs
	picks c runs status=null
	picks '7 a b' runs 'status!=null'
	picks '7 b c' runs 'status!=0'
	picks '' runs 'status<null'
	picks '7 a b c' runs host=null
}

@test "what a value is, its column decides: 7 is a text in one and a number in another" {
	some_runs
	picks 7 runs run_id=7
	picks '' runs run_id=07
	picks '7 b' runs records=10
	picks '7 b' runs records=1e1
	picks '7 b' runs records=10.0
	picks 7 runs job=1e1
	picks c runs records=9223372036854775807
	picks '' runs records=9223372036854775806
	picks '' runs records=99999999999999999999
	picks '7 b c' runs 'records>9.5'
	picks '' runs records=ten
}

@test "booleans are compared with true and false, on views too" {
	db-load <<'!'
{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001"}
{"type":"tracked_asins","marketplace":"US","asin":"B00TEST002","is_active":false,"label":"true"}
!
	pick=.asin
	picks B00TEST001 tracked_asins is_active=true
	picks B00TEST002 tracked_asins is_active=false
	picks B00TEST002 tracked_asins is_active=0
	picks B00TEST002 tracked_asins label=true
	picks B00TEST001 watchlist due=true
	picks '' watchlist due=false
}

@test "conditions on views hold for what was computed, texts and numbers" {
	db-load <<'!'
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","sales_ranks":{"11":{"rank":1,"since":"2026-11-20T00:00:00Z"},"202611200011":{"rank":1}},"bestseller_badges":["11","202611200011"]}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-01T00:00:00Z","rank":1}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-01T02:30:00Z","rank":2}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-02T00:00:00Z","rank":1}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-02T10:00:00Z","rank":null}
!
	pick=.category_id
	picks '11 202611200011' unnamed_categories
	picks 202611200011 unnamed_categories category_id=202611200011
	picks 11 unnamed_categories category_id=11 marketplace=US
	picks 11 current_badges category_id=11
	picks 11 current_badges since=2026-11-20T00:00:00Z
	picks 202611200011 current_badges since=null
	pick=.hours
	picks '2.5 10' badge_runs
	picks 2.5 badge_runs hours=2.5
	picks 10 badge_runs 'hours>2.5'
	picks 10 badge_runs hours=10
	picks '2.5 10' badge_runs 'hours>=2.5' 'hours<100'
	picks 10 badge_runs 'from>2026-11-01T12:00:00Z'
	picks '' badge_runs hours=ten
	sql "CREATE VIEW computed AS SELECT coalesce('010', '') AS text, 5 + 5 AS number, 5 / 2.0 AS real"
	pick=.number
	picks 10 computed text=010
	picks '' computed text=10
	picks 10 computed number=010
	picks 10 computed real=2.50 'text<1'
}

### Order and number

@test "rows come in the order asked for: up, down, by several columns" {
	some_runs
	picks 'c 7 b a' runs --order -records,status
	picks 'c b 7 a' runs -o -records,-status
	picks 'c 7 a b' runs --order status
	picks 'b a 7 c' runs '--order=-status'
	picks '7 b a c' runs --order job,-run_id
	picks '7 b' runs records=10 --order status,run_id
}

@test "at most so many rows as asked for" {
	some_runs
	picks '7 a' runs --limit 2
	picks '' runs -l 0
	picks 'c' runs --order -records --limit 1
	picks '7 a b c' runs --limit 2000000000
	for n in -1 x 1x '' 1.5 2000000001 99999999999999999999; do
		run -64 --separate-stderr db-query runs --limit "$n"
		assert_equal "$stderr" "db-query: --limit '$n' is no number of rows"
	done
}

### Values

@test "JSON is JSON, booleans are booleans and what is NULL is null" {
	db-load <<'!'
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","sales_ranks":{"1":{"rank":1.0}},"raw_keepa_response":[1, "\u00e9",null]}
{"type":"health_checks","service":"keepa","checked_at":"2026-11-20T08:00:00Z","ok":false}
!
	run -0 db-query asin_history
	assert_output --partial '"sales_ranks":{"1":{"rank":1.0}},"bestseller_badges":null,'
	assert_output --partial '"raw_keepa_response":[1, "\u00e9",null]}'
	run -0 db-query health_status
	assert_output '{"type":"health_status","service":"keepa","checked_at":"2026-11-20T08:00:00Z","ok":false,"latency_ms":null,"detail":null}'
}

@test "a view of several types says itself which each row is of" {
	db-load <<'!'
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-11-20T07:00:00Z","rank":3}
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","sales_ranks":{"1":{"rank":3}}}
!
	run -0 bash -c 'db-query timeline | jq -c "[.type, .rank, .sales_ranks]"'
	assert_output '["rank_history",3,null]
["asin_history",null,{"1":{"rank":3}}]'
	run -0 db-query timeline rank=3
	assert_output --regexp '^\{"type":"rank_history","marketplace":"US",'
	refute_output --partial '"type":"timeline"'
}

@test "a real is written in the fewest digits that read as the same" {
	local x
	for x in 0.1 0.30000000000000004 0.1234567890123456 4.35 100 -2.5 1e+23 1.7976931348623157e+308 2.2250738585072014e-308; do
		db-load <<<"{\"type\":\"api_usage_log\",\"usage_id\":\"1\",\"service\":\"x\",\"estimated_cost_cents\":$x}"
		run -0 bash -c 'db-query api_usage_log | grep -o "estimated_cost_cents\":[^,]*"'
		assert_output "estimated_cost_cents\":$x"
	done
}

@test "an infinity that others stored is a number that is too large" {
	sql "INSERT INTO api_usage_log (usage_id, service, estimated_cost_cents) VALUES ('1', 'x', 9e999), ('2', 'x', -9e999)"
	run -0 bash -c 'db-query api_usage_log | grep -o "estimated_cost_cents\":[^,]*"'
	assert_output 'estimated_cost_cents":9e999
estimated_cost_cents":-9e999'
}

@test "a NUL and what is not UTF-8 are replaced, in a database that others wrote" {
	sql "INSERT INTO runs (run_id, job) VALUES ('1', CAST(x'610062' AS TEXT)),
		('2', CAST(x'61ff62c3' AS TEXT)), ('3', CAST(x'eda080' AS TEXT)), ('4', CAST(x'00' AS TEXT))"
	run -0 bash -c 'db-query runs | jq -c .job'
	assert_output '"a�b"
"a�b�"
"���"
"�"'
	run -0 --separate-stderr bash -c 'db-query runs | db-load -d other.db'
	assert_equal "$stderr" ''
}

@test "JSON over several lines stays one record" {
	sql "UPDATE asin_history SET status = NULL" \
		"INSERT INTO asin_history (marketplace, asin, check_timestamp, raw_keepa_response, sales_ranks)
		VALUES ('US', 'B00TEST001', '2026-11-20T08:00:00Z', '{' || char(10) || ' \"a\": [1,' || char(13, 10) || '2]}', char(10) || '{}' || char(10))"
	run -0 db-query asin_history
	assert_equal "${#lines[@]}" 1
	run -0 jq -c '[.raw_keepa_response, .sales_ranks]' <<<"$output"
	assert_output '[{"a":[1,2]},{}]'
}

@test "what should be JSON and is not comes as a text" {
	sql "INSERT INTO asin_history (marketplace, asin, check_timestamp, raw_keepa_response)
		VALUES ('US', '1', '2026-11-20T08:00:00Z', '{\"a\":'), ('US', '2', '2026-11-20T08:00:00Z', '1 2'),
		('US', '3', '2026-11-20T08:00:00Z', ''), ('US', '4', '2026-11-20T08:00:00Z', '\"' || CAST(x'ff' AS TEXT) || '\"')"
	run -0 bash -c 'db-query asin_history --order asin | jq -c .raw_keepa_response'
	assert_output '"{\"a\":"
"1 2"
""
"\"�\""'
}

@test "a user's own view is as good as ours, whatever its columns are called" {
	some_runs
	sql 'CREATE VIEW "my ""view""" AS SELECT count(*), sum(status) AS "a ""b"" \c", x'"'00ff'"' AS blob FROM runs'
	run -0 db-query 'my "view"'
	assert_output '{"type":"my \"view\"","count(*)":4,"a \"b\" \\c":64,"blob":"��"}'
	pick='.["count(*)"]'
	picks 4 'my "view"' 'a "b" \c=64'
	picks '' 'my "view"' 'count(*)>4'
	picks 4 'my "view"' --order '-count(*)'
}

### Mistakes

@test "an unknown name is 64 and named" {
	local name
	for name in nothing RUNS 'runs; DROP TABLE runs' 'runs"' sqlite_master pragma_table_list ''; do
		run -64 --separate-stderr db-query "$name"
		assert_output ''
		assert_equal "$stderr" "db-query: no table or view '$name'; see 'db-query --list'"
	done
}

@test "an unknown column is 64 and named" {
	local column
	for column in nothing Job 'job" OR 1=1 --' rowid '"job"' '1'; do
		run -64 --separate-stderr db-query runs "${column%%=*}=x"
		assert_equal "$stderr" "db-query: runs has no column '${column%%=*}'"
		run -64 --separate-stderr db-query runs --order "-$column"
		assert_equal "$stderr" "db-query: runs has no column '$column'"
	done
	run -64 --separate-stderr db-query runs --order job,,status
	assert_equal "$stderr" "db-query: runs has no column ''"
}

@test "what is no condition is 64 and shown" {
	local condition
	for condition in job '=x' 'job!x' '' '<'; do
		run -64 --separate-stderr db-query runs "$condition"
		assert_output ''
		assert_equal "$stderr" "db-query: '$condition' is no condition, such as asin=B00TEST001"
	done
}

@test "a value is only ever a value" {
	some_runs
	picks '' runs "job=x' OR '1'='1"
	picks '' runs 'job=x"; DROP TABLE runs; --'
	picks '' runs 'job=?1'
	picks '' runs 'status=0 OR 1'
	db-load <<<'{"type":"runs","run_id":"d","job":"a=b<c>!"}'
	picks d runs 'job=a=b<c>!'
	picks '7 a b c d' runs
}

@test "without a database it is 78, and the hint makes one" {
	run -78 --separate-stderr db-query -d sqlite:none.db runs
	assert_output ''
	assert_equal "$stderr" "db-query: cannot open 'none.db': No such file or directory; db-load --init makes one"
	run -0 ls
	assert_output test.db
	DATABASE_URL=mysql://me:SECRET@host/db run -78 --separate-stderr db-query runs
	assert_equal "$stderr" "db-query: there is no driver for the database's URL: use sqlite:FILE, postgresql://... or https://..."
}

@test "wrong usage is 64" {
	run -64 --separate-stderr db-query
	assert_equal "$stderr" 'db-query: what table or view? see --help and --list'
	run -64 --separate-stderr db-query --nonsense runs
	assert_equal "$stderr" "db-query: bad option '--nonsense'; see 'db-query --help'"
	run -64 --separate-stderr db-query --list runs
	assert_equal "$stderr" "db-query: unknown operand 'runs'; see --help"
}

### Output

@test "a full disk is 74, for rows, for lists, for help" {
	some_runs
	for arguments in runs --list --help --version; do
		run -74 --separate-stderr bash -c "db-query $arguments >/dev/full"
		assert_equal "$stderr" 'db-query: cannot write to standard output: No space left on device'
	done
}

@test "a reader that leaves ends it, quietly" {
	jq -nc 'range(30000) | {type: "runs", run_id: "\(.)"}' | db-load
	# shellcheck disable=SC2016
	run -0 --separate-stderr bash -c 'db-query runs | sed -n 1q; echo "${PIPESTATUS[0]}"'
	assert_output 141
	assert_equal "$stderr" ''
}

@test "asking changes nothing, and leaves nothing beside the database" {
	some_runs
	sha256sum test.db >before
	db-query runs >/dev/null
	db-query --list >/dev/null
	sha256sum -c --quiet before
	run -0 ls
	assert_output 'before
test.db'
}

@test "memory does not grow with the rows" {
	sanitized && skip 'they need more'
	jq -nc 'range(100000) | {type: "runs", run_id: "\(.)", job: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}' | db-load
	run -0 peak_kib db-query runs
	assert [ "${lines[-1]}" -lt 16384 ]
}

@test "--help and --version" {
	run -0 db-query --help
	assert_line --index 0 'usage: db-query [-d URL] [--order COLUMN,...] [--limit N] NAME [CONDITION...]'
	run -0 db-query --version
	assert_output --regexp '^db-query [0-9.]+$'
}
