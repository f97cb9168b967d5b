#!/usr/bin/env bats
# shellcheck disable=SC2154 # stderr: from bats
# db-prune: what goes, and what never does.
load helper

setup() {
	clean_room
}

ago() { # DAYS [HOURS]
	date -u -d "$1 days ago ${2:-0} hours ago" +%FT%TZ
}

# Something in every table, old and young.
fill() {
	jq -nc --arg old "$(ago 400)" --arg young "$(ago 1)" '
		($old, $young) as $at | ($at[:10]) as $day
		| range(3) | "B\(. + 100000000)" as $asin
		| {type: "tracked_asins", marketplace: "US", asin: $asin, added_at: $old},
		  {type: "asin_current_state", marketplace: "US", asin: $asin, status: "ok", last_updated: $young},
		  {type: "asin_history", marketplace: "US", asin: $asin, check_timestamp: $at, product_title: "t",
			sales_ranks: {"1": {rank: 1, since: $old}}, raw_keepa_response: {text: ("x" * 5000)}},
		  {type: "rank_history", marketplace: "US", asin: $asin, category_id: "1", changed_at: $at, rank: 1},
		  {type: "categories", marketplace: "US", category_id: "1", name: "c", fetched_at: $old},
		  {type: "bestseller_changes", change_id: "\($asin)\($at)", marketplace: "US", asin: $asin,
			change_type: "gained", category_id: "1", new_rank: 1, changed_at: $at, detected_at: $at},
		  {type: "notifications", notification_id: "\($asin)\($at)", sink: "slack", state: "sent", sent_at: $at},
		  {type: "api_usage_log", usage_id: "\($asin)\($at)", service: "keepa", processing_completed_at: $at},
		  {type: "sales_daily", marketplace: "US", date: $day, asin: $asin, units_ordered: 1, report_id: "r", fetched_at: $at},
		  {type: "sales_daily_totals", marketplace: "US", date: $day, units_ordered: 3, report_id: "r", fetched_at: $at},
		  {type: "summaries", summary_id: "s\($at)", window_from: "2020-01-01T00:00:00Z", window_to: $at},
		  {type: "runs", run_id: "\($asin)\($at)", job: "badges", host: "h", started_at: $at, finished_at: $at, status: 0},
		  {type: "health_checks", service: $asin, checked_at: $at, ok: true}' | db-load
	db-query sales_daily | jq -c '.units_ordered = 2 | .fetched_at = "'"$(ago 0)"'"' | db-load # which restates
}

# all COLUMN...: a dump of everything but the raw answers, runs and health checks
rest() {
	python3 -c '
import sqlite3
db = sqlite3.connect("test.db")
db.execute("UPDATE asin_history SET raw_keepa_response = NULL")
db.execute("DELETE FROM runs")
db.execute("DELETE FROM health_checks")
print("\n".join(sorted(db.iterdump())))' # and nothing of that is committed
}

answers() {
	db-query asin_history raw_keepa_response!=null | jq -r '.check_timestamp' | sort
}

@test "raw answers, runs and checks that are old go; everything else stays, to the byte" {
	fill
	rest >before
	[ "$(grep -c '^INSERT INTO "sales_restatements"' before)" -gt 0 ]
	run -0 --separate-stderr db-prune --raw-days 30 --runs-days 90 --checks-days 30
	assert_equal "$output$stderr" ''
	diff before <(rest)
	assert_equal "$(answers | cut -c 1-10 | sort -u)" "$(ago 1 | cut -c 1-10)"
	assert_equal "$(db-query asin_history | wc -l)" 6
	# All runs are of one job: those that are old have others after them.
	assert_equal "$(db-query runs | jq -r '.started_at[:10]' | sort -u)" "$(ago 1 | cut -c 1-10)"
	# Of each service there are less than a hundred checks.
	assert_equal "$(db-query health_checks | wc -l)" 6
	run -0 sqlite3 test.db 'PRAGMA integrity_check'
	assert_output ok
}

@test "what is down for longer than checks are kept is down since when it was" {
	checks() { # SERVICE OK FROM TO, in days ago
		jq -nc --arg service "$1" --argjson ok "$2" "range($3 * 24; $4 * 24; -1) as \$i
			| {type: \"health_checks\", \$service, checked_at: (now - \$i * 3600 + 1800 | todate), \$ok}" | db-load # none at the limit
	}
	checks clickup false 40 0
	checks keepa false 40 3
	checks keepa true 3 0
	checks slack false 40 35
	checks slack true 35 0
	db-query health_incidents service!=slack >before
	db-prune --checks-days 30
	diff before <(db-query health_incidents)
	assert_equal "$(db-query health_checks service=slack | wc -l)" "$((30 * 24))"
}

@test "only what is asked for is removed" {
	fill
	for option in --raw-days --runs-days --checks-days; do
		cp test.db copy.db
		db-prune -d sqlite:copy.db $option 30
		for table in asin_history runs health_checks; do
			cmp -s <(db-query $table) <(db-query -d sqlite:copy.db $table) || echo "$option $table"
		done
	done >changed
	assert_equal "$(<changed)" "--raw-days asin_history
--runs-days runs"
}

@test "--dry-run says how much, and removes nothing" {
	fill
	cp test.db before.db
	run -0 --separate-stderr db-prune --dry-run --raw-days 30 --runs-days 90 --checks-days 30
	assert_output ''
	assert_equal "$stderr" "db-prune: 3 raw answers in asin_history would be removed
db-prune: 3 runs would be removed"
	diff <(sqlite3 before.db .dump) <(sqlite3 test.db .dump)
	run -0 --separate-stderr db-prune --dry-run --raw-days 500
	assert_equal "$stderr" ''
}

@test "of each job and machine the last run stays, and of each job the last good one" {
	run_() { # ID JOB HOST DAYS STATUS
		jq -nc --arg id "$1" --arg job "$2" --arg host "$3" --arg at "$(ago "$4")" --argjson status "$5" \
			'{type: "runs", run_id: $id, $job, $host, started_at: $at, status: $status,
				finished_at: (if $status == null then null else $at end)}'
	}
	{
		run_ a1 a h 300 0
		run_ a2 a h 200 0 # the last good one
		run_ a3 a h 199 75
		run_ a4 a h 150 null # killed
		run_ a5 a h 101 74 # the last one
		run_ b1 b h 300 65
		run_ b2 b h 200 65
		run_ b3 b i 250 0 # of another machine
		run_ b4 b h 2 70
		run_ c1 c h 300 1 # never good
		run_ c2 c h 299 1
		run_ d1 d h 80 0
		run_ d2 d h 70 0
		echo '{"type":"runs","run_id":"e1","job":"e"}' # of no time
	} | db-load
	db-query job_status | jq -c 'del(.seconds)' >before
	db-prune --runs-days 90
	run -0 bash -c 'db-query runs --order run_id | jq -r .run_id | paste -sd" "'
	assert_output 'a2 a5 b2 b3 b4 c2 d1 d2 e1'
	diff before <(db-query job_status | jq -c 'del(.seconds)')
}

@test "of each service the last hundred checks stay, however old" {
	jq -nc --argjson now "$(date +%s)" '(range(150) | {service: "keepa", at: ($now - 86400 * (. + 20))}),
		(range(30) | {service: "slack", at: ($now - 86400 * (. + 400))}),
		(range(150) | {service: "clickup", at: ($now - 3600 * .)})
		| {type: "health_checks", service, checked_at: (.at | todate), ok: true}' | db-load
	db-query health_checks service=keepa --order -checked_at --limit 100 >kept
	db-prune --checks-days 30
	diff kept <(db-query health_checks service=keepa --order -checked_at)
	assert_equal "$(db-query health_checks service=slack | wc -l)" 30
	assert_equal "$(db-query health_checks service=clickup | wc -l)" 150
}

@test "many rows go, those of one moment too, and what is left is what is young" {
	jq -nc --arg young "$(ago 1)" --argjson now "$(date +%s)" 'range(5000) | {type: "asin_history",
		marketplace: "US", asin: "B\(. + 100000000)", raw_keepa_response: {},
		check_timestamp: (if . % 10 == 0 then $young
			elif . < 3000 then "2026-01-01T00:00:00Z" else ($now - 86400 * 60 - . | todate) end)}' | db-load
	run -0 script -qec 'db-prune --raw-days 30' /dev/null
	assert_output --partial 'db-prune: 4500 raw answers in asin_history are removed'
	assert_equal "$(answers | sort | uniq -c | tr -s ' ')" " 500 $(answers | head -n 1)"
	run -0 script -qec 'db-prune --raw-days 30' /dev/null
	assert_output ''
}

@test "whoever writes meanwhile does not wait for long" {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	jq -nc '{text: ("x" * 20000)} as $raw | range(8000) | {type: "asin_history", marketplace: "US",
		asin: "B\(. + 100000000)", check_timestamp: "2026-01-01T00:\(. / 200 % 60 | floor + 10):00Z",
		raw_keepa_response: $raw}' | db-load
	# It gives way after each thousand, for as long as those took.
	ASAN_OPTIONS=detect_leaks=0 strace -qq -o rests --signal=none -e trace=clock_nanosleep,nanosleep db-prune --raw-days 30 3>&- &
	for n in {1..10}; do
		echo "{\"type\":\"notifications\",\"notification_id\":\"$n\",\"sink\":\"x\",\"state\":\"sent\"}" | db-load
	done
	wait $!
	assert_equal "$(answers)" ''
	assert [ "$(wc -l <rests)" -ge 8 ]
	assert_equal "$(db-query notifications | wc -l)" 10
}

@test "SQLite itself refuses whatever else it would do" {
	# A trigger that has it write to sales: the statement is not even prepared.
	fill
	rest >/dev/null
	sqlite3 test.db "CREATE TRIGGER wrong AFTER DELETE ON runs BEGIN DELETE FROM sales_daily; END;
		CREATE TRIGGER wrong2 AFTER UPDATE ON asin_history BEGIN UPDATE rank_history SET rank = 2; END"
	sqlite3 test.db .dump >before
	for option in --runs-days --raw-days; do
		run -78 --separate-stderr db-prune $option 30
		assert_regex "$stderr" "^db-prune: cannot use '$PWD/test.db': not authorized"
	done
	diff before <(sqlite3 test.db .dump)
}

@test "the -wal is given back" {
	fill
	db-prune --raw-days 30
	run bash -c 'ls test.db*'
	assert_output test.db
}

@test "where there is no database, a busy one, and wrong usage" {
	run -78 --separate-stderr db-prune --raw-days 30
	assert_equal "$stderr" "db-prune: cannot open '$PWD/test.db': No such file or directory; db-load --init makes one"
	[ ! -e test.db ]
	db-load --init </dev/null
	for arguments in '' '--raw-days 0' '--raw-days x' '--runs-days -1' '--checks-days 99999' '--raw-days 3 x' '--dry-run'; do
		# shellcheck disable=SC2086
		run -64 db-prune $arguments
	done
	run -64 --separate-stderr db-prune --runs-days soon
	assert_equal "$stderr" "db-prune: --runs-days 'soon' is no number of days"
	run -0 db-prune --help
	run -0 db-prune --version
	echo 'no database at all, but some text' >test.db
	run -74 --separate-stderr db-prune --raw-days 30
	assert_regex "$stderr" 'file is not a database; restore it from a backup'
}
