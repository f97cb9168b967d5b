#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# How it goes, for a person: pipelines/status.sh.
load helper

setup() {
	clean_room
	unset DATABASE_URL
	mkdir -p spool bin
	printf '#!/bin/sh\nexit 1\n' >bin/systemctl # no systemd here
	chmod +x bin/systemctl
	PATH=$PWD/bin:$PATH
}

load_records() {
	jq -nc "$1" | db-load
}

ago() { # ago DURATION
	date -u -d "$1 ago" +%Y-%m-%dT%H:%M:%SZ
}

shown() { # shown TIME: as status.sh does
	echo "${1:0:10} ${1:11:8}"
}

run_of() { # run_of JOB STARTED-AT [JQ-OBJECT]
	load_records "{type: \"runs\", run_id: \"$1-$2\", job: \"$1\", program: \"$1.sh\", host: \"h\", started_at: \"$2\"} + ${3:-{\}}"
}

@test "an empty home: it says so, and makes no database" {
	run -0 --separate-stderr status.sh
	assert_equal "$stderr" ''
	assert_line --index 0 --regexp "^[-0-9]+ [0-9:]+ UTC, $PWD$"
	assert_line '  none       has run yet'
	assert_line '  nothing'
	assert_line '  database   no database yet'
	assert_line '  backups    none'
	assert_line '  spool      0 bytes'
	refute_line --partial 'quota'
	run ls
	refute_output --partial amazon.db
	run -0 bash -c 'status.sh --json | jq -c "[.database.problem, .jobs, .next.badges, .waiting.alerts, .keepa]"'
	assert_output '["no database yet",[],null,null,null]'
}

@test "the last run of each job: when, how long, how it ended, what failed" {
	t=$(ago '1 hour')
	run_of badges "$(ago '2 hours')" "{status: 0, finished_at: \"$t\"}"
	run_of badges "$t" "{status: 77, finished_at: (\"$t\" | fromdate + 4 | todate), records: 95,
		stages: {\"keepa-fetch\": 77, \"db-load\": 0}, error: \"keepa-fetch: the key was refused\"}"
	run_of sales "$t" "{status: 0, finished_at: (\"$t\" | fromdate + 725 | todate), records: 1500, stages: {\"sp-fetch\": 0}}"
	run_of health "$t" "{status: 75, finished_at: (\"$t\" | fromdate + 4000 | todate)}"
	run_of prune "$t"
	run -0 status.sh
	assert_line --index 1 'jobs'
	assert_line --index 2 "  badges     credentials refused $(shown "$t"), 4 s, 95 done; last well $(shown "$t")"
	assert_line --index 3 '             keepa-fetch 77'
	assert_line --index 4 '             keepa-fetch: the key was refused'
	assert_line --index 5 "  health     to be run again $(shown "$t"), 1 h 6 min"
	assert_line --index 6 "  prune      killed         $(shown "$t")"
	assert_line --index 7 "  sales      ok             $(shown "$t"), 12 min 5 s, 1,500 done"
	assert_line --index 8 'running now'
}

@test "what runs now, by whom the lock is held; a lock that nobody holds is none" {
	mkdir -p locks
	echo "sales, pid 999999, since 2026-01-10T08:00:00Z" >locks/sales.lock
	echo "health, pid $$, since 2026-01-10T08:00:00Z" >locks/health.lock # not a job
	printf 'no \e[31mlock' >locks/odd.lock
	job backup -- sleep 120 3>&- &
	wait_for eval '[ -s locks/backup.lock ] && db-query runs >/dev/null 2>&1'
	sleep 0.2
	run -0 status.sh
	assert_line --regexp "^  backup     since [-0-9]+ [0-9:]+, pid $!$"
	assert_line --regexp '^  backup     running        '
	refute_line --partial '999999'
	run -0 bash -c 'status.sh --json | jq -c "[.running[].job]"'
	assert_output '["backup"]'
	kill -TERM $!
	wait $! || true
	run -0 status.sh
	assert_line '  nothing'
}

@test "what is next: ASINs, reports, the summary" {
	t=$(ago '30 minutes')
	later=$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%SZ)
	load_records "\"1\", \"2\", \"3\" | {type: \"tracked_asins\", marketplace: \"US\", asin: \"B0EXAMPLE\(.)\"}"
	load_records "\"1\", \"2\" | {type: \"asin_current_state\", marketplace: \"US\", asin: \"B0EXAMPLE\(.)\", status: \"ok\", last_updated: \"$t\"}"
	load_records "{type: \"report_requests\", request_id: \"US:2026-01-01:CHILD:1\", marketplace: \"US\", date: \"2026-01-01\", status: \"planned\", not_before: \"$later\"},
		{type: \"report_requests\", request_id: \"US:2026-01-02:CHILD:1\", marketplace: \"US\", date: \"2026-01-02\", status: \"FATAL\", not_before: (\"$later\" | fromdate + 60 | todate)},
		{type: \"report_requests\", request_id: \"US:2026-01-03:CHILD:1\", marketplace: \"US\", date: \"2026-01-03\", status: \"DONE\"}"
	run -0 status.sh
	assert_line "  badges     1 of 3 ASINs due now, the next at $(shown "$(date -u -d "$t 54 minutes" +%Y-%m-%dT%H:%M:%SZ)")"
	assert_line "  sales      2 open requests, the next from $(shown "$later") on"
	run -0 bash -c 'status.sh --json | jq -r "[(.next.summary | fromdate) - (.at | fromdate) | . > 0, . <= 86400], .next.summary[11:]"'
	assert_output '[
  true,
  true
]
08:00:00Z'
}

@test "systemd's timers, where there are any" {
	cat >bin/systemctl <<-'!'
		#!/bin/sh
		[ "$*" = "list-timers --all --output=json sellerpipe-*" ] || exit 1
		echo '[{"next":1795161606000000,"left":1,"last":null,"passed":null,"unit":"sellerpipe-badges.timer","activates":"x"},
			{"next":0,"unit":"sellerpipe-off.timer"},{"next":null,"unit":"sellerpipe-never.timer"}]'
	!
	run -0 status.sh
	assert_line "  timer      badges $(date -u -d @1795161606 '+%F %T')"
	refute_line --partial 'off'
	refute_line --partial 'never'
}

@test "what waits to be sent, and to be read" {
	t=$(ago '1 hour')
	load_records "\"1\", \"2\" | {type: \"bestseller_changes\", change_id: ., marketplace: \"US\", asin: \"B0EXAMPLE1\", change_type: \"gained\",
		category_id: ., new_rank: 1, changed_at: \"$t\", detected_at: \"$t\"}"
	load_records '{type: "summaries", summary_id: "summary:2026-01-11T08:00:00Z", window_from: "2026-01-10T08:00:00Z", window_to: "2026-01-11T08:00:00Z"},
		{type: "summaries", summary_id: "summary:2026-01-12T08:00:00Z", window_from: "2026-01-11T08:00:00Z", window_to: "2026-01-12T08:00:00Z", sent_at: "2026-01-12T08:00:00Z"}'
	touch spool/report-1.slack_message spool/badges-1.part
	run -0 status.sh
	assert_line '  to be sent 2 alerts, 1 report, 1 summary'
	assert_line '  to be read 1 stream of a run that is not done'
}

@test "tokens and reports of today, and what is left" {
	t=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	load_records "{type: \"api_usage_log\", usage_id: \"a\", service: \"keepa\", requests: 2, tokens_consumed: 1200, tokens_left: 300, refill_rate: 20,
			processing_completed_at: (\"$t\" | fromdate / 86400 | floor * 86400 | todate)},
		{type: \"api_usage_log\", usage_id: \"b\", service: \"keepa\", tokens_consumed: 34, tokens_left: -5, refill_rate: 20, processing_completed_at: \"$t\"},
		{type: \"api_usage_log\", usage_id: \"c\", service: \"keepa\", tokens_consumed: 7, tokens_left: 1, processing_completed_at: (\"$t\" | fromdate - 90000 | todate)},
		{type: \"api_usage_log\", usage_id: \"d\", service: \"sp-api\", requests: 7, processing_completed_at: \"$t\"},
		{type: \"report_requests\", request_id: \"a\", marketplace: \"US\", date: \"2026-01-01\", status: \"DONE\", asked_at: \"$(ago '23 hours')\"},
		{type: \"report_requests\", request_id: \"b\", marketplace: \"US\", date: \"2026-01-02\", status: \"DONE\", asked_at: \"$(ago '25 hours')\"}"
	run -0 status.sh
	assert_line "  keepa      1,234 tokens today, -5 left at $(shown "$t"), 20 more a minute"
	assert_line '  amazon     1 of 96 reports in 24 hours'
	SP_MAX_PER_DAY=10 run -0 status.sh
	assert_line '  amazon     1 of 10 reports in 24 hours'
}

@test "sizes: the database with its rows, the spool, backups and the age of the newest" {
	mkdir backups
	jq -nc 'range(1500) | {type: "rank_history", marketplace: "US", asin: "B0EXAMPLE1", category_id: "\(.)", changed_at: "2026-01-10T08:00:00Z", rank: 2}' | db-load
	head -c 2500 /dev/zero >spool/x.gz
	head -c 1000 /dev/zero >backups/amazon-20260101T033000Z.db.gz
	head -c 500 /dev/zero >backups/amazon-20260102T033000Z.db.gz
	touch -d '3 hours ago' backups/amazon-20260102T033000Z.db.gz
	touch -d '30 hours ago' backups/amazon-20260101T033000Z.db.gz
	run -0 status.sh
	assert_line --regexp '^  database   [0-9.]+ kB$'
	assert_line '             rank_history         1,500'
	refute_line --partial 'runs '
	assert_line '  spool      2.5 kB'
	assert_line --regexp '^  backups    2, 1.5 kB, the newest 3 h 0 min old$'
	assert_line --regexp '^  free       [0-9.]+ [kMGT]B$'
}

@test "what others wrote does nothing to the terminal, and colours are for one only" {
	run_of badges 2026-01-10T08:00:00Z '{status: 70, finished_at: "2026-01-10T08:00:01Z", error: "\u001b]0;x\u0007\u202e\u0085 two\nlines"}'
	run -0 status.sh
	assert_line '             ]0;x two lines'
	run -0 bash -c "status.sh | LC_ALL=C tr -d '\n\040-\176'"
	assert_output ''
	command -v script >/dev/null || skip "no script(1)"
	run -0 env TERM=xterm script -qec status.sh /dev/null
	assert_output --partial $'\e[31ma defect'
	run -0 env TERM=xterm NO_COLOR=1 script -qec status.sh /dev/null
	refute_output --partial $'\e'
}

@test "a database that cannot be read: why, and the rest is shown" {
	echo 'this is no database, but it is long enough to be taken for one, if one does not look' >amazon.db
	run status.sh
	assert_failure 74
	assert_line --regexp '^  database   db-query: .*not a database'
	assert_line '  spool      0 bytes'
	refute_line '  none'
	run bash -c 'status.sh --json | jq -c ".waiting.alerts, (.database.problem | length > 10)"'
	assert_output 'null
true'
}

@test "nothing is left behind, and no run is on record" {
	db-load --init </dev/null
	run -0 status.sh
	run bash -c 'ls spool; db-query runs'
	assert_output ''
}

@test "wrong usage is 64" {
	run status.sh --sideways
	assert_failure 64
	run -0 status.sh --help
	assert_line --index 0 --partial 'status.sh - how it goes'
}
