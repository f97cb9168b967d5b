#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2154 # tests are subshells; top, sim: from helper.bash; stderr: from bats
# The sales job from end to end, on the simulator: pipelines/sales.sh.
load helper

setup() {
	clean_room
	start_sim
	export SP_ASK_MS=60 SP_BURST=8 SLACK_CHANNEL_LOGS=C0LOGS SLACK_CHANNEL_ALERTS=C0ALERTS
	plenty
	yesterday=$(day 1)
}

teardown() {
	stop_sim
}

# Amazon's bucket is full, so that no test waits for it.
plenty() {
	local op
	for op in createReport getReport getReports getReportDocument cancelReport; do
		echo "$op 15 2 $(date +%s) 0"
	done >sp-api.state
}

# day N: the day N days before today, as sales-plan counts.
day() {
	date -u -d "$(TZ=PST8PDT,M3.2.0,M11.1.0 date +%F) -$1 days" +%F
}

# As if what is waited for were over.
time_passes() {
	db-query report_requests not_before!=null | jq -c '.not_before = null
		| .updated_at |= (fromdateiso8601 + 400 | todateiso8601)' | db-load
}

amazon() {
	control sp/script "$1" >/dev/null
}

left() { # what is in the spool, but for what was accepted, which restore.sh may need
	find spool -type f ! -name 'notes-*.gz' -printf '%f\n'
}

comments() {
	control clickup/comments | jq -r "${1:-.comment_text}"
}

messages() {
	control slack/messages | jq -r "${1:-.text}"
}

ledger() { # REQUEST STATUS of each, by id
	db-query report_requests --order request_id | jq -r '"\(.request_id) \(.status)"'
}

reports() { # how many were made at Amazon, for each marketplace and day
	control sp/reports | jq -r '"\(.marketplace) \(.date)"' | sort | uniq -c | awk '{ print $1, $2, $3 }'
}

# What the restock calculator reads, but for when it was read.
rows() {
	local table
	for table in sales_daily sales_daily_totals; do
		db-query $table | jq -cS 'del(.fetched_at, .report_id)' | sort
	done
}

@test "the days before today of the US and Canada come into the database, and a comment says so" {
	run -0 --separate-stderr sales.sh --lookback 2
	assert_output ''
	assert_equal "$stderr" ''
	assert_equal "$(ledger)" "CA:$(day 2):CHILD:1 DONE
CA:$yesterday:CHILD:1 DONE
US:$(day 2):CHILD:1 DONE
US:$yesterday:CHILD:1 DONE"
	assert_equal "$(db-query sales_daily | jq -r '"\(.marketplace) \(.date)"' | sort | uniq -c | awk '{ print $1, $2, $3 }')" \
		"3 CA $(day 2)
3 CA $yesterday
12 US $(day 2)
12 US $yesterday"
	assert_equal "$(db-query sales_freshness | jq -r .state | sort -u)" provisional
	assert_equal "$(messages)" ''
	run comments
	assert_line --index 0 "sales $(date -u +%F): all well"
	assert_line --regexp "^US $yesterday: [0-9]+ units, [0-9,.]+ USD, 12 ASINs, provisional$"
	assert_line --regexp "^CA $yesterday: [0-9]+ units, [0-9,.]+ CAD, 3 ASINs, provisional$"
	run -0 bash -c 'db-query runs | jq -c "[.job, .status, .records, .finished_at != null]"'
	assert_output '["sales",0,4,true]'
	assert_equal "$(left)" ''
}

@test "what the quota leaves no room for is no failure: 75, said in the comment, done by the next runs" {
	export SP_BURST=4
	run -75 sales.sh --timeout 100
	assert_equal "$(reports)" "1 CA $(day 2)
1 CA $yesterday
1 US $(day 2)
1 US $yesterday"
	assert_equal "$(messages)" ''
	run comments
	assert_line --index 0 "sales $(date -u +%F): all well, 2 days left for the next run"
	assert_line --regexp "US $(day 3) \(quota, not before [0-9:]+ UTC\)"
	# Not due yet: nothing happens, and nobody is told.
	run -0 --separate-stderr sales.sh --resume --timeout 60
	assert_equal "$stderr" ''
	assert_equal "$(comments .id | wc -l)" 1
	# As if the quarter of an hour had passed.
	SP_BURST=6 run -0 sales.sh --resume
	assert_equal "$(reports | wc -l)" 6
	assert_equal "$(ledger | grep -c DONE)" 6
	assert_equal "$(comments .id | wc -l)" 2
}

@test "one marketplace that fails stops no other: comment and #chloe-logs" {
	amazon "[{\"marketplace\":\"US\",\"outcomes\":[{\"statuses\":[\"FATAL\"],\"fatal\":\"Something <odd> broke.\"}]}]"
	run -75 --separate-stderr sales.sh --lookback 1
	assert_equal "$(ledger)" "CA:$yesterday:CHILD:1 DONE
US:$yesterday:CHILD:1 FATAL"
	run comments
	assert_line --index 0 --partial 'partly failed: US'
	assert_line --partial 'Something <odd> broke.'
	assert_equal "$(messages .channel)" C0LOGS
	assert_regex "$(messages)" 'Something &lt;odd&gt; broke'
}

@test "credentials that are refused: comment and #chloebot, and nothing is lost by it" {
	SP_API_REFRESH_TOKEN='Atzr|revoked' run -77 --separate-stderr sales.sh --lookback 1
	assert_equal "$(ledger)" "CA:$yesterday:CHILD:1 planned
US:$yesterday:CHILD:1 planned"
	run comments
	assert_line --index 0 --partial 'failed: credentials refused'
	assert_equal "$(messages .channel)" C0ALERTS
	refute [ "$(comments; messages | grep -c revoked)" = 0 ]
	refute_output --partial 'Atzr|'
	plenty
	run -0 sales.sh --lookback 1
	assert_equal "$(reports)" "1 CA $yesterday
1 US $yesterday"
}

@test "a seller that is not in Canada has all of the US" {
	control sp/participation '{"marketplaces":["US"]}' >/dev/null
	run -77 sales.sh --lookback 1
	assert_equal "$(ledger)" "CA:$yesterday:CHILD:1 planned
US:$yesterday:CHILD:1 DONE"
	plenty
	run -0 sales.sh --lookback 1 --marketplaces US
}

@test "everything failed: #chloebot" {
	amazon '[{"outcomes":[{"statuses":["FATAL"],"fatal":"No."}]}]'
	for _ in 1 2 3; do
		plenty
		sales.sh --lookback 1 || true
		time_passes
		next_second
	done
	assert_equal "$(ledger)" "CA:$yesterday:CHILD:1 failed
US:$yesterday:CHILD:1 failed"
	assert_equal "$(messages .channel | tail -n 1)" C0ALERTS
	assert_equal "$(reports)" "3 CA $yesterday
3 US $yesterday"
}

@test "no numbers yet is said, and never replaces numbers (pains 5, 6, 7; fault 25)" {
	run -0 sales.sh --lookback 1 --marketplaces US
	rows >before
	next_second
	amazon '[{"outcomes":[{"document":"delayed"},{"restate":2}]}]'
	plenty
	SP_MIN_AGE=0 run -75 sales.sh --lookback 1 --marketplaces US
	assert_equal "$(ledger)" "US:$yesterday:CHILD:1 DONE
US:$yesterday:CHILD:2 not_ready"
	diff <(grep '"asin"' before) <(rows | grep '"asin"')
	assert_equal "$(db-query sales_freshness | jq -c '[.date, .state, .request_status]')" "[\"$yesterday\",\"provisional\",\"not_ready\"]"
	assert_equal "$(messages)" ''
	# Asked again after a while, Amazon has them; and they differ.
	time_passes
	next_second
	plenty
	run -0 sales.sh --lookback 1 --marketplaces US
	assert_equal "$(ledger)" "US:$yesterday:CHILD:1 DONE
US:$yesterday:CHILD:2 DONE"
	assert_equal "$(db-query sales_restatements column=units_ordered | jq -s 'length > 5 and all(.old != .new)')" true
	assert_equal "$(db-query report_gaps)" ''
}

@test "a report that cannot be delivered is delivered by the next run, once" {
	faults clickup '[{"fault":"status","code":503,"times":99}]'
	run -75 --separate-stderr sales.sh --lookback 1
	assert_regex "$stderr" 'this report is kept, and delivered by the next run: spool/report-sales-.*\.clickup_comment'
	assert_equal "$(ledger | grep -c DONE)" 2
	assert_equal "$(comments)" ''
	curl -sS -X DELETE "$sim/_sim/faults/clickup" >/dev/null
	run -0 sales.sh --resume
	assert_equal "$(comments .id | wc -l)" 1
	run -0 sales.sh --resume
	assert_equal "$(comments .id | wc -l)" 1
	assert_equal "$(left)" ''
	assert_equal "$(db-query notifications | jq -c '[.sink, .state]')" '["clickup","sent"]'
}

@test "a report that was delivered by a run that was killed then is not delivered again" {
	run -0 sales.sh --lookback 1
	id=$(db-query notifications | jq -r .notification_id)
	jq -nc --arg id "$id" '{type: "clickup_comment", $id, task_id: "86test", text: "x"}' >spool/report-x.clickup_comment
	run -0 sales.sh --resume
	assert_equal "$(comments .id | wc -l)" 1
	assert_equal "$(left)" ''
	# Nor if our own note of it was lost, too: ClickUp is asked.
	jq -nc --arg id "$id" '{type: "clickup_comment", $id, task_id: "86test", text: "x"}' >spool/report-x.clickup_comment
	db-query notifications | jq -c '.op = "delete"' | db-load
	run -0 sales.sh --resume
	assert_equal "$(comments .id | wc -l)" 1
}

@test "reports that cannot be delivered, however many, do not keep the job from its work" {
	mkdir -p spool
	for n in 1 2 3; do
		echo '{"type":"clickup_comment","id":"x'$n'","text":"x"}' >spool/report-$n.clickup_comment
	done
	echo '{"type":"cl' >spool/report-4.slack_message
	faults clickup '[{"fault":"stall","times":99}]'
	HTTP_TRIES=1 run -75 --separate-stderr sales.sh --lookback 1 --timeout 200
	assert_equal "$(requests clickup | wc -l)" 1
	assert_equal "$(ledger | grep -c DONE)" 2
	assert_regex "$stderr" 'this report is none: spool/report-4.slack_message.bad'
	run ls spool
	assert_line report-1.clickup_comment
	assert_line report-4.slack_message.bad
}

@test "ClickUp refusing its token keeps no alert from Slack" {
	SP_API_REFRESH_TOKEN='Atzr|revoked' CLICKUP_API_TOKEN=pk_wrong run -77 sales.sh --lookback 1
	assert_equal "$(messages .channel)" C0ALERTS
	run -0 left
	assert_output --regexp '^report-sales-[0-9TZ]*-[0-9]*-[0-9a-f]{8}.clickup_comment$'
}

@test "without ClickUp and Slack the job is the same" {
	unset CLICKUP_API_TOKEN CLICKUP_TASK_ID SLACK_BOT_TOKEN
	run -0 sales.sh --lookback 1
	assert_output ''
	assert_equal "$(ledger | grep -c DONE)" 2
	SP_API_REFRESH_TOKEN='Atzr|revoked' run -77 sales.sh --lookback 2
	assert_equal "$(left)" ''
	assert_equal "$(requests clickup; requests slack)" ''
}

@test "on a terminal it says what came" {
	unset CLICKUP_API_TOKEN CLICKUP_TASK_ID SLACK_BOT_TOKEN
	script -qec true /dev/null >/dev/null 2>&1 || skip "no terminal to be had here"
	script -qec "sales.sh --lookback 1 --marketplaces US" /dev/null </dev/null >out
	assert_regex "$(<out)" "sales $(date -u +%F): all well"
	assert_regex "$(<out)" "US $yesterday: [0-9]+ units"
}

@test "--plan says what would be asked for and how long it takes, and asks for nothing" {
	run -0 sales.sh --plan --mode backfill --from "$(day 730)" --to "$yesterday"
	assert_equal "${#lines[@]}" 1461
	assert_line --index 0 "US  $yesterday  CHILD  planned     now"
	assert_line --index 1460 '1,460 reports, 15.2 days'
	SP_BURST=4 run -0 sales.sh --plan
	assert_line --index 6 '6 reports, 30 minutes'
	SP_BURST='' run -0 sales.sh --plan
	assert_line --index 6 '6 reports, at once'
	run -0 sales.sh --plan --lookback 1 --marketplaces US
	assert_line --index 1 '1 report, at once'
	assert_equal "$(requests sp)" ''
	assert_equal "$(ledger)" ''
}

@test "a backfill goes on where it stopped, after the days of the daily run" {
	export SP_BURST=2
	run -75 --separate-stderr sales.sh --mode backfill --from "$(day 6)" --to "$(day 5)" --marketplaces US,CA --timeout 30
	assert_equal "$stderr" "$(printf 'sp-fetch: 1 of 2 reports are left for a later run\n%.0s' 1 2)"
	assert_equal "$(reports)" "1 CA $(day 5)
1 US $(day 5)"
	# The day before today comes first; then what is left, newest first.
	plenty
	SP_BURST=5 run -0 sales.sh --lookback 1 --marketplaces US --timeout 30
	plenty
	SP_BURST=9 run -0 sales.sh --resume
	assert_equal "$(control sp/reports | jq -sr 'sort_by(.reportId)[2:][] | "\(.marketplace) \(.date)"')" "US $yesterday
US $(day 6)
CA $(day 6)"
	# All is there: nothing is asked for again.
	run -0 sales.sh --plan --mode backfill --from "$(day 6)" --to "$(day 5)"
	assert_output '0 reports, at once'
}

@test "the job ends within its timeout, and the next run goes on with the same reports" {
	amazon '[{"outcomes":[{"statuses":["IN_QUEUE"]}]}]'
	run -75 timeout 120 sales.sh --lookback=1 --timeout=6
	assert_equal "$(ledger)" "CA:$yesterday:CHILD:1 IN_QUEUE
US:$yesterday:CHILD:1 IN_QUEUE"
	run comments
	assert_line --partial "US $yesterday (waiting, IN_QUEUE)"
	plenty
	run -75 sales.sh --resume --timeout 2
	assert_equal "$(reports)" "1 CA $yesterday
1 US $yesterday"
}

@test "a second run at the same time ends at once: 75" {
	mkdir -p locks
	flock locks/sales.lock sleep 120 3>&- &
	wait_for eval '! flock -n locks/sales.lock true'
	run -75 sales.sh --lookback 1
	assert_output 'job: sales is running already; try again later'
	kill %1
}

@test "what it is not called with" {
	while IFS='|' read -r arguments message; do
		# shellcheck disable=SC2086
		run -64 sales.sh $arguments
		assert_output "sales.sh: $message; see --help"
	done <<-!
		--from 2026-01-01|--from and --to belong to --mode backfill
		--mode backfill|--mode backfill needs --from DAY
		--mode weekly|--mode is daily or backfill
		--resume --lookback 2|--resume asks for no days
		--timeout 0|--timeout '0' is no number of seconds up to 86400
		--timeout 99999|--timeout '99999' is no number of seconds up to 86400
		--lookback|unknown argument '--lookback', or one without its value
		--frob 1|unknown argument '--frob'
	!
	run -64 sales.sh --mode backfill --from 2020-01-01
	assert_output --partial 'Amazon has two years'
	run -0 sales.sh --help
	assert_line --index 0 --partial 'sales.sh - fetch'
}

@test "a database that is not ours is left alone, and Amazon is asked for nothing" {
	echo 'not a database' >test.db
	run -74 sales.sh
	assert_equal "$(<test.db)" 'not a database'
	assert_equal "$(requests sp)" ''
}

@test "a database that is gone is not made anew, which would hide that" {
	run -0 sales.sh --lookback 1
	rm test.db*
	run -78 --separate-stderr sales.sh --resume
	[[ $stderr == *'cannot open '*test.db* ]]
	[ ! -e test.db ]
}
