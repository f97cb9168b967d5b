#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# The daily summary: pipelines/summary.sh, on the simulator.
load helper

FROM=2026-01-10T08:00:00Z
TO=2026-01-11T08:00:00Z
ID=summary:$TO

setup() {
	clean_room
	start_sim
	db-load --init </dev/null
	mkdir spool
}

teardown() {
	stop_sim
}

messages() {
	control slack/messages | jq -r "${1:-.text}"
}

forget_messages() {
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
}

# load TEXT: records, in jq's notation.
load_records() {
	jq -nc "$1" | db-load
}

summary_row() { # summary_row FROM TO [SENT-AT]
	jq -nc --arg from "$1" --arg to "$2" --arg sent "${3:-}" '{type: "summaries", summary_id: "summary:\($to)",
		window_from: $from, window_to: $to, sent_at: (if $sent == "" then null else $sent end)}' | db-load
}

# A summary of our own window is yet to be sent, and so will be, with all that
# is known of it.
one_day() {
	summary_row $FROM $TO
}

ago() { # ago DURATION
	date -u -d "$1 ago" +%Y-%m-%dT%H:%M:%SZ
}

tracked() { # tracked ASIN [JQ-OBJECT]
	load_records "{type: \"tracked_asins\", marketplace: \"US\", asin: \"$1\"} + ${2:-{\}}"
}

look() { # look ASIN AT [STATUS]
	load_records "{type: \"asin_history\", marketplace: \"US\", asin: \"$1\", check_timestamp: \"$2\", status: \"${3:-ok}\"}"
}

change() { # change ASIN gained|lost CATEGORY-ID DETECTED-AT [JQ-OBJECT]
	load_records "{type: \"bestseller_changes\", change_id: \"US:$1:$3:$4\", marketplace: \"US\", asin: \"$1\",
		change_type: \"$2\", category_id: \"$3\", previous_rank: 4, new_rank: (if \"$2\" == \"gained\" then 1 else 2 end),
		changed_at: \"$4\", detected_at: \"$4\", notification_sent: true, notified_at: \"$4\"} + ${5:-{\}}"
}

usage() { # usage ID AT [JQ-OBJECT]
	load_records "{type: \"api_usage_log\", usage_id: \"$1\", service: \"keepa\", requests: 1, tokens_consumed: 95,
		estimated_cost_cents: 3.75, processing_completed_at: \"$2\"} + ${3:-{\}}"
}

# That each window begins where the one before ended.
assert_abut() {
	run -0 bash -c 'db-query summaries --order window_to | jq -sr "
		[.[:-1], .[1:]] | transpose | map(select(.[0].window_to != .[1].window_from)) | length"'
	assert_output 0
}

@test "all there is to tell, word by word" {
	one_day
	tracked B0EXAMPLE1 '{label: "candle warmer"}'
	tracked B0EXAMPLE2
	tracked B0EXAMPLE3
	tracked B0EXAMPLE4 '{role: "competitor"}'
	load_records '"B0EXAMPLE1", "B0EXAMPLE2", "B0EXAMPLE4" | {type: "asin_current_state", marketplace: "US", asin: .,
		product_title: "Title of \(.)", status: "ok", last_updated: "2026-01-11T07:00:00Z",
		sales_ranks: {"101": {rank: 1, since: "2026-01-10T12:00:00Z"}}, bestseller_badges: ["101"]}'
	load_records '{type: "asin_current_state", marketplace: "US", asin: "B0EXAMPLE3", status: "unknown",
		last_updated: "2026-01-11T07:00:00Z"}'
	load_records '{type: "categories", marketplace: "US", category_id: "101", name: "Wax Warmers & Accessories"}'
	# 760 looks at three ASINs, one at the first second, one too early and one too late.
	jq -nc 'range(760) as $i | "B0EXAMPLE1", "B0EXAMPLE2", "B0EXAMPLE3"
		| {type: "asin_history", marketplace: "US", asin: ., status: (if . == "B0EXAMPLE3" then "unknown" else "ok" end),
		check_timestamp: ("'$FROM'" | fromdate + $i * 100 | todate)}' | db-load
	look B0EXAMPLE4 2026-01-10T07:59:59Z
	look B0EXAMPLE4 $TO
	change B0EXAMPLE1 gained 101 $FROM
	change B0EXAMPLE2 gained 101 2026-01-11T07:59:59Z
	change B0EXAMPLE1 lost 101 2026-01-10T12:00:00Z
	change B0EXAMPLE1 lost 101 $TO
	change B0EXAMPLE1 gained 101 2026-01-10T07:59:59Z
	change B0EXAMPLE2 lost 102 2026-01-10T13:00:00Z '{notified_at: null}' # by a replay
	load_records 'range(24) as $hour | {type: "api_usage_log", usage_id: "u\($hour)", service: "keepa", requests: 1, tokens_consumed: 95,
		estimated_cost_cents: 3.75, processing_completed_at: ("'$FROM'" | fromdate + $hour * 3600 | todate)}'
	usage late $TO
	usage amazon 2026-01-10T12:00:00Z '{service: "sp-api", requests: 31, tokens_consumed: null, estimated_cost_cents: null}'
	load_records '{type: "runs", run_id: "r1", job: "badges", program: "badges.sh", host: "h", status: 77,
		started_at: "2026-01-10T09:00:00Z", finished_at: "2026-01-10T09:00:04Z", error: "keepa-fetch: the key was refused"},
		{type: "runs", run_id: "r2", job: "badges", program: "badges.sh", host: "h", started_at: "2026-01-10T10:00:00Z"},
		{type: "runs", run_id: "r3", job: "badges", program: "badges.sh", host: "h", status: 75,
		started_at: "2026-01-10T11:00:00Z", finished_at: "2026-01-10T11:01:00Z"}'
	run -0 --separate-stderr summary.sh
	assert_output ''
	assert_equal "$stderr" ''
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_output "📊 Daily Best Seller Summary
2026-01-10 08:00:00 UTC to 2026-01-11 08:00:00 UTC (24 h)
Total Changes: 3
Badges Gained: 2
Badges Lost: 1
ASINs Checked: 2,280 (3 of 4 ASINs)
API Calls: 24
Estimated Cost: €0.90 (2,280 tokens)
Amazon API Calls: 31
Top Categories:
• Wax Warmers &amp; Accessories: 3 changes
#1 now:
• B0EXAMPLE1 (US) candle warmer: Wax Warmers &amp; Accessories, since 2026-01-10 12:00:00 UTC
• B0EXAMPLE2 (US) Title of B0EXAMPLE2: Wax Warmers &amp; Accessories, since 2026-01-10 12:00:00 UTC
• B0EXAMPLE4 (US) Title of B0EXAMPLE4: Wax Warmers &amp; Accessories, since 2026-01-10 12:00:00 UTC, competitor
Not resolved by Keepa:
• B0EXAMPLE3 (US) title not known yet: unknown
Failed runs:
• badges: 2 times, last 2026-01-10 11:00:00 UTC, killed"
	run messages 'select(.metadata.event_payload.id == "'$ID'").blocks | .[0].text.text, (.[2].fields[].text)'
	assert_output '📊 Daily Best Seller Summary
Total Changes
3
Badges Gained
2
Badges Lost
1
ASINs Checked
2,280 (3 of 4 ASINs)
API Calls
24
Estimated Cost
€0.90 (2,280 tokens)
Amazon API Calls
31'
	run -0 bash -c "db-query summaries summary_id=$ID | jq -c '.sent_at != null'"
	assert_output true
}

@test "the first one goes back 24 hours, and the next begins where it ended" {
	run -0 summary.sh
	next_second
	run -0 summary.sh
	run -0 bash -c 'db-query summaries --order window_to | jq -c "[(.window_to | fromdate) - (.window_from | fromdate), .sent_at != null]"'
	assert_line --index 0 '[86400,true]'
	assert_line --index 1 --regexp '^\[[1-9],true\]$'
	assert_abut
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 2
}

@test "days that were missed are one summary" {
	summary_row "$(ago '4 days')" "$(ago '3 days')" "$(ago '3 days')"
	look B0EXAMPLE1 "$(ago '2 days')"
	look B0EXAMPLE1 "$(ago '50 hours')"
	run -0 summary.sh
	run messages
	assert_line --index 1 --partial '(72 h)'
	assert_line 'ASINs Checked: 2 (0 of 0 ASINs)'
	run messages .ts
	assert_equal "${#lines[@]}" 1
	assert_abut
}

@test "no look is no data, and not zero" {
	one_day
	usage before 2026-01-10T07:59:59Z
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_output "📊 Daily Best Seller Summary
2026-01-10 08:00:00 UTC to 2026-01-11 08:00:00 UTC (24 h)
no data: nothing was looked at between 2026-01-10 08:00:00 UTC and 2026-01-11 08:00:00 UTC
Total Changes: no data
Badges Gained: no data
Badges Lost: no data
ASINs Checked: no data
API Calls: no data
Estimated Cost: no data
Top Categories: no data
#1 now: no data"
}

@test "looks without a change are zero; looks that saw nothing are no data" {
	one_day
	tracked B0EXAMPLE1
	look B0EXAMPLE1 $FROM unknown
	look B0EXAMPLE1 2026-01-10T09:00:00Z missing
	load_records '{type: "asin_current_state", marketplace: "US", asin: "B0EXAMPLE1", status: "missing", last_updated: "2026-01-10T09:00:00Z"}'
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_line 'no data: Keepa told nothing of what was looked at between 2026-01-10 08:00:00 UTC and 2026-01-11 08:00:00 UTC'
	assert_line 'Total Changes: no data'
	assert_line 'ASINs Checked: 2 (1 of 1 ASIN)'
	assert_line '• B0EXAMPLE1 (US) title not known yet: missing'
	look B0EXAMPLE1 2026-01-10T10:00:00Z
	load_records "{type: \"summaries\", op: \"update\", summary_id: \"$ID\", sent_at: null},
		{type: \"notifications\", op: \"delete\", notification_id: \"$ID\"}"
	forget_messages
	next_second
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	refute_line --partial 'no data: '
	refute_line --partial 'title not known yet'
	assert_line 'Total Changes: 0'
	assert_line 'Badges Lost: 0'
	assert_line 'Top Categories: none'
	assert_line '#1 now: none'
	assert_line 'API Calls: no data'
}

@test "five categories at most, the liveliest first, with their marketplace if there are several" {
	one_day
	look B0EXAMPLE1 $FROM
	load_records 'range(1; 7) as $n | range(1; $n + 1) | "2026-01-10T1\($n):00:0\(.)Z" as $at
		| {type: "bestseller_changes", change_id: "US:B0EXAMPLE1:10\($n):\($at)", marketplace: "US", asin: "B0EXAMPLE1",
			change_type: "gained", category_id: "10\($n)", category: null, previous_rank: 4, new_rank: 1,
			changed_at: $at, detected_at: $at, notification_sent: true, notified_at: $at}'
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_line --index 8 'Top Categories:'
	assert_line --index 9 '• category 106: 6 changes'
	assert_line --index 13 '• category 102: 2 changes'
	refute_line --partial 'category 101'
	jq -nc '{type: "tracked_asins", marketplace: "CA", asin: "B0EXAMPLE1"}' | db-load
	load_records "{type: \"summaries\", op: \"update\", summary_id: \"$ID\", sent_at: null},
		{type: \"notifications\", op: \"delete\", notification_id: \"$ID\"}"
	forget_messages
	next_second
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_line '• category 106 (US): 6 changes'
}

@test "own products come before competitors', what is not tracked any more is left out, and what was not seen lately says so" {
	one_day
	tracked B0EXAMPLE1 '{role: "competitor"}'
	tracked B0EXAMPLE2
	tracked B0EXAMPLE3 '{is_active: false}'
	load_records '"B0EXAMPLE1", "B0EXAMPLE2", "B0EXAMPLE3" | {type: "asin_current_state", marketplace: "US", asin: .,
		status: "ok", last_updated: "2026-01-09T08:00:00Z", sales_ranks: {"1": {rank: 1}}, bestseller_badges: ["1"]}'
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text | split("#1 now:\n")[1]'
	assert_output '• B0EXAMPLE2 (US) title not known yet: category 1, last seen 2026-01-09 08:00:00 UTC
• B0EXAMPLE1 (US) title not known yet: category 1, competitor, last seen 2026-01-09 08:00:00 UTC'
}

@test "of more than a person reads, the number is told, and Slack's limits are kept" {
	one_day
	jq -nc 'range(1100) | "B0\(. + 10000000)" as $asin
		| {type: "tracked_asins", marketplace: "US", asin: $asin, label: ("<&>" * 500)},
		{type: "asin_history", marketplace: "US", asin: $asin, check_timestamp: "'$FROM'",
			status: (if . < 400 then "unknown" else "ok" end)},
		{type: "asin_current_state", marketplace: "US", asin: $asin, product_title: "t",
			last_updated: "'$FROM'", status: (if . < 400 then "unknown" else "ok" end),
			sales_ranks: {"1": {rank: 1, since: "'$FROM'"}}, bestseller_badges: ["1"]},
		{type: "runs", run_id: "r\(.)", job: ("job" + "x" * (. % 20)), host: "h", status: 70, error: ("<&>" * 160),
			started_at: "'$FROM'", finished_at: "'$FROM'"},
		{type: "bestseller_changes", change_id: "\(.)", marketplace: "US", asin: $asin, change_type: "gained",
			category_id: "\(. % 30)", category: ("<&>" * 300), new_rank: 1, changed_at: "'$FROM'", detected_at: "'$FROM'",
			notification_sent: true, notified_at: "'$FROM'"}' | db-load
	run -0 --separate-stderr summary.sh
	assert_equal "$stderr" ''
	run messages 'select(.metadata.event_payload.id == "'$ID'") | (.text | length < 40000), (.blocks | length <= 50),
		([.blocks[].text.text? // "" | length] | max <= 3000), ([.. | objects | select(.type? == "mrkdwn")] | length)'
	assert_output 'true
true
true
0'
	run messages 'select(.metadata.event_payload.id == "'$ID'").blocks[] | .text.text? // "" | split("\n") | [.[0], length, .[-1]] | select(.[1] > 1) | join("|")'
	assert_line '#1 now:|22|and 1,080 more'
	assert_line 'Not resolved by Keepa:|22|and 380 more'
	assert_line 'Failed runs:|12|and 10 more'
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_line 'Total Changes: 1,100'
	assert_line 'ASINs Checked: 1,100 (1,100 of 1,100 ASINs)'
}

@test "a title of somebody else's does no harm" {
	one_day
	tracked B0EXAMPLE1
	load_records '{type: "asin_current_state", marketplace: "US", asin: "B0EXAMPLE1", status: "ok", last_updated: "2026-01-10T09:00:00Z",
		product_title: "<!channel>\n& \u001b]0;x\u0007\u202e*a*", sales_ranks: {"1": {rank: 1}}, bestseller_badges: ["1"]}'
	load_records '{type: "categories", marketplace: "US", category_id: "1", name: "<@U1>\r\n#1 now: all"}'
	load_records '{type: "runs", run_id: "r1", job: "badges", host: "h", status: 70, error: "<!here> \u0085 x", started_at: "'$FROM'", finished_at: "'$FROM'"}'
	run -0 summary.sh --print
	assert_line '• B0EXAMPLE1 (US) <!channel> & ]0;x*a*: <@U1>  #1 now: all, last seen 2026-01-10 09:00:00 UTC'
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text'
	assert_line '• B0EXAMPLE1 (US) &lt;!channel&gt; &amp; ]0;x*a*: &lt;@U1&gt;  #1 now: all'
	assert_line '• badges: once, 2026-01-10 08:00:00 UTC, a defect: &lt;!here&gt;  x'
	run messages '[.. | objects | select(.type? == "mrkdwn")] | length'
	assert_line --index 0 0
}

@test "sales: the newest day to count with, and how many are missing, where there are any" {
	one_day
	day() { date -u -d "8 hours ago $1 days ago" +%F; }
	load_records "{type: \"sales_daily\", marketplace: \"US\", date: \"$(day 3)\", asin: \"B0EXAMPLE1\", units_ordered: 1, sessions: 2,
		fetched_at: \"$(day 1)T23:00:00Z\"}"
	load_records "{type: \"report_requests\", request_id: \"CA:$(day 1):CHILD:1\", marketplace: \"CA\", date: \"$(day 1)\", status: \"not_ready\", attempts: 1}"
	run -0 summary.sh
	run messages 'select(.metadata.event_payload.id == "'$ID'").text | split("Sales:\n")[1]'
	assert_output "• CA: no day that can be counted with, 1 day missing
• US: $(day 3) provisional, 2 days missing"
}

@test "what badges.sh itself has looked at and called for is told of once, in whichever" {
	track.sh add B0SIM00001 B0SIM00012
	badges.sh
	run -0 summary.sh --print
	next_second
	run -0 summary.sh
	control keepa/rank '{"asin":"B0SIM00001","category":"202611200011","rank":2}' >/dev/null
	badges.sh --all
	forget_messages
	next_second
	run -0 summary.sh
	run messages
	assert_line 'Total Changes: 1'
	assert_line 'Badges Lost: 1'
	assert_line 'ASINs Checked: 2 (2 of 2 ASINs)'
	assert_line 'API Calls: 1'
	assert_line --regexp '^Estimated Cost: (less than )?€0.01 \([0-9]+ tokens\)$'
	assert_line '• Gooseneck Kettles: 1 change'
	refute_line --partial 'Not resolved'
	refute_line --partial 'Failed runs'
}

@test "Slack down: the same summary comes later, first and once, and then the rest in one" {
	tracked B0EXAMPLE1
	faults slack '[{"fault":"status","code":503,"times":500}]'
	HTTP_TRIES=2 run summary.sh
	assert_failure 75
	next_second
	HTTP_TRIES=2 run summary.sh
	assert_failure 75
	run -0 bash -c 'db-query unsent_summaries | jq -r .summary_id'
	assert_equal "${#lines[@]}" 1
	first=$output
	curl -sS -X DELETE "$sim/_sim/faults/slack" >/dev/null
	run -0 summary.sh
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 2
	assert_line --index 0 "$first"
	assert_abut
	run db-query unsent_summaries
	assert_output ''
}

@test "several that were begun are sent in order" {
	summary_row $FROM $TO
	summary_row $TO 2026-01-12T08:00:00Z
	summary_row 2026-01-12T08:00:00Z 2026-01-13T08:00:00Z
	run -0 summary.sh
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 4
	assert_line --index 0 $ID
	assert_line --index 1 summary:2026-01-12T08:00:00Z
	assert_line --index 2 summary:2026-01-13T08:00:00Z
	assert_abut
}

@test "an answer of Slack's that gets lost does not make it come twice" {
	faults slack '[{"fault":"hang_after_accept"}]'
	HTTP_STALL_TIMEOUT=1 run -0 summary.sh
	run messages .ts
	assert_equal "${#lines[@]}" 1
}

@test "what Slack accepted is not sent again, though the database did not hear of it" {
	one_day
	jq -nc "{type: \"notifications\", notification_id: \"$ID\", sink: \"slack\", state: \"sent\", sent_at: \"$TO\"}" >spool/summary.notes
	printf '{"type":"summaries","op":"upd' >>spool/summary.notes
	run -0 summary.sh
	run messages .metadata.event_payload.id
	refute_output --partial $ID
	run -0 bash -c "db-query summaries summary_id=$ID | jq -r .sent_at"
	assert_output $TO
	run ls spool # kept, for restore.sh
	refute_line --regexp 'summary[.]notes|part'
	run -0 zcat spool/notes-*.gz
	assert_line --partial "\"notification_id\":\"$ID\""
}

@test "one that Slack will never take is told of once, and holds up nobody; a wrong channel does" {
	one_day
	faults slack '[{"fault":"error","error":"not_in_channel"}]'
	run summary.sh
	assert_failure 65
	assert_output --partial not_in_channel
	run -0 bash -c 'db-query summaries | wc -l'
	assert_output 1
	faults slack '[{"fault":"error","error":"invalid_blocks"}]'
	run summary.sh
	assert_failure 65
	run messages .ts
	assert_equal "${#lines[@]}" 1
	next_second
	run -0 summary.sh
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 2
	refute_output --partial $ID
	assert_abut
}

@test "no token: 78, a refused one: 77, and the time is told of later" {
	SLACK_BOT_TOKEN='' run summary.sh
	assert_failure 78
	assert_output --partial 'SLACK_BOT_TOKEN is not set'
	next_second
	SLACK_BOT_TOKEN=xoxb-revoked run summary.sh
	assert_failure 77
	next_second
	run -0 summary.sh
	run messages .ts
	assert_equal "${#lines[@]}" 2
	assert_abut
}

# run_of ID STARTED-AT [FINISHED-AT]
run_of() {
	load_records "{type: \"runs\", run_id: \"$1\", job: \"badges\", host: \"${4:-$(uname -n)}\", started_at: \"$2\"}
		+ (\"${3:-}\" | if . == \"\" then {} else {finished_at: ., status: 0} end)"
}

ends() { # where the last window does
	db-query summaries --order -window_to --limit 1 | jq -r .window_to
}

@test "a badges run that is not done ends the window, until another one is done" {
	run_of killed "$(ago '3 hours')"
	began=$(db-query runs run_id=killed | jq -r .started_at)
	run -0 summary.sh
	run ends
	assert_output "$began"
	run --separate-stderr summary.sh
	assert_failure 75
	assert_equal "$stderr" "summary.sh: nothing to sum up yet: the badges run that began at $began is not done, and none was since; try again later"
	run_of killed-too "$(ago '2 hours')"
	run_of good "$(ago '1 hour')" "$(ago '50 minutes')"
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	run -0 summary.sh
	run ends
	assert [ ! "$output" \< "$before" ]
	assert_abut
	run messages .ts
	assert_equal "${#lines[@]}" 2
}

@test "a badges run of another machine ends the window whoever else is done, for 7 hours" {
	run_of far "$(ago '3 hours')" "" far
	load_records '{type: "runs", run_id: "near", job: "badges", host: "other", started_at: "'"$(ago '2 hours')"'",
		finished_at: "'"$(ago '1 hour')"'", status: 0}'
	began=$(db-query runs run_id=far | jq -r .started_at)
	run -0 summary.sh
	run ends
	assert_output "$began"
	run_of far "$(ago '8 hours')" "" far # it is gone for good
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	run -0 summary.sh
	run ends
	assert [ ! "$output" \< "$before" ]
	assert_abut
}

@test "what is in the spool, to be taken in, ends the window as well" {
	stamp=$(date -u -d '2 hours ago' +%Y%m%dT%H%M%SZ)
	touch "spool/badges-$stamp-77-0.part"
	run -0 summary.sh
	run bash -c 'db-query summaries | jq -r .window_to | tr -d :-'
	assert_output "$stamp"
	rm spool/*.part
	run -0 summary.sh
	assert_abut
}

@test "a run that began over 26 hours ago is waited for no more" {
	run_of killed "$(ago '27 hours')"
	touch "spool/badges-$(date -u -d '27 hours ago' +%Y%m%dT%H%M%SZ)-77-0.part"
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	run -0 summary.sh
	run ends
	assert [ ! "$output" \< "$before" ]
}

@test "nothing to sum up for a day: people hear why, once, and nothing is left out later" {
	began=$(ago '25 hours')
	summary_row "$(ago '2 days')" "$began" "$began"
	run_of killed "$began"
	for _ in 1 2; do
		run summary.sh
		assert_failure 75
	done
	run messages
	assert_output "📊 Daily Best Seller Summary
no data since ${began:0:10} ${began:11:8} UTC: the badges run that began at $began is not done, and none was since"
	run_of good "$(ago '1 minute')" "$(ago '1 second')"
	run -0 summary.sh
	assert_abut
	run -0 bash -c "db-query summaries window_from=$began | wc -l"
	assert_output 1
}

@test "the clock went back: one message, status 75, nothing is sent" {
	later=$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%SZ)
	summary_row $FROM "$later"
	run --separate-stderr summary.sh
	assert_failure 75
	assert_regex "$stderr" "^summary.sh: the clock says [-0-9TZ:]+, and the last summary ended at $later: nothing is sent before that is over; if the clock was wrong then: echo '.*' \| db-load$"
	run messages
	assert_output ''
	# and what it advises helps
	run -0 bash -c "${stderr##*then: }"
	run -0 summary.sh
}

@test "--print shows it so far, and neither keeps nor sends anything" {
	summary_row $FROM $TO $TO
	look B0EXAMPLE1 $TO
	db-query summaries >before
	unset SLACK_BOT_TOKEN
	run -0 --separate-stderr summary.sh --print
	assert_equal "$stderr" ''
	assert_line --index 0 '📊 Daily Best Seller Summary'
	assert_line --index 1 --partial '2026-01-11 08:00:00 UTC to '
	assert_line 'Total Changes: 0'
	run diff before <(db-query summaries)
	assert_output ''
	run bash -c 'db-query runs; db-query notifications; ls spool'
	assert_output ''
	run messages
	assert_output ''
}

@test "of looks, only the index is read" {
	run sqlite3 test.db "EXPLAIN QUERY PLAN SELECT * FROM looks WHERE check_timestamp >= '$FROM' AND check_timestamp < '$TO'"
	assert_output --partial 'USING COVERING INDEX looks_by_time (check_timestamp>? AND check_timestamp<?)'
	run sqlite3 test.db "EXPLAIN QUERY PLAN SELECT * FROM changes_to_tell WHERE detected_at >= '$FROM' AND detected_at < '$TO'"
	assert_output --partial 'USING INDEX changes_by_detection'
	run sqlite3 test.db "EXPLAIN QUERY PLAN SELECT * FROM api_usage_log WHERE processing_completed_at >= '$FROM' AND processing_completed_at < '$TO'"
	assert_output --partial 'USING INDEX usage_by_time'
}

@test "a database that cannot be read is no empty summary" {
	one_day
	mkdir -p bin
	cat >bin/db-query <<-!
		#!/bin/bash
		[ "\$1" != current_badges ] || exit 74
		exec $(command -v db-query) "\$@"
	!
	chmod +x bin/db-query
	mkdir tree
	cp -r "$top/pipelines" "$top/notify" tree/
	PATH=$PWD/bin:$PATH run tree/pipelines/summary.sh
	assert_failure 74
	run messages
	assert_output ''
}

# The scripts as installed somewhere else: their programs come from PATH.
another_tree() {
	mkdir -p tree/notify bin
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
	PATH=$PWD/bin:$PATH
}

# dies NAME COMMANDS: instead of the program, until a file `killed` is there; REAL
# is the program.
dies() {
	local real
	real=$(command -v "$1")
	cat >"bin/$1" <<-!
		#!/bin/bash
		if [ ! -e "$BATS_TEST_TMPDIR/killed" ]; then
			$2
		fi
		exec $real "\$@"
	!
	sed -i "s|REAL|$real|" "bin/$1"
	chmod +x "bin/$1"
}

told_once() { # told_once WHAT [MESSAGES]: the next run ends what was begun, each once
	[ -e killed ]
	next_second
	run tree/pipelines/summary.sh
	assert_equal "$1: $status $output" "$1: 0 "
	run messages .metadata.event_payload.id
	assert_equal "$1: ${#lines[@]}" "$1: ${2:-2}"
	assert_equal "$(sort -u <<<"$output" | wc -l)" "${#lines[@]}"
	assert_line --index 0 $ID
	assert_abut
	run db-query unsent_summaries
	assert_output ''
}

@test "slack-post killed before it sends" {
	another_tree
	one_day
	dies slack-post "touch $PWD/killed; kill -KILL \$\$"
	run tree/pipelines/summary.sh
	assert_failure 70
	told_once before
}

@test "slack-post killed once what it sent is in the spool" {
	another_tree
	one_day
	dies slack-post "touch $PWD/killed; REAL; kill -KILL \$\$"
	run tree/pipelines/summary.sh
	assert_failure 70
	told_once after 3 # the first run went on to the next
}

@test "db-load killed before it can note what Slack has accepted" {
	another_tree
	one_day
	dies db-load "IFS= read -r first; case \$first in *'\"type\":\"notifications\"'*) touch $PWD/killed; kill -KILL \$\$ ;; esac
		{ [ -z \"\$first\" ] || printf '%s\\\\n' \"\$first\"; cat; } | REAL \"\$@\"; exit"
	run tree/pipelines/summary.sh
	[ "$status" -ne 0 ]
	told_once notes
}

@test "db-load killed before it can keep the window: nothing is sent of it" {
	another_tree
	dies db-load "IFS= read -r first; case \$first in *'\"type\":\"summaries\"'*) touch $PWD/killed; kill -KILL \$\$ ;; esac
		{ [ -z \"\$first\" ] || printf '%s\\\\n' \"\$first\"; cat; } | REAL \"\$@\"; exit"
	run tree/pipelines/summary.sh
	[ "$status" -ne 0 ]
	[ -e killed ]
	run messages
	assert_output ''
	run -0 tree/pipelines/summary.sh
	run messages .ts
	assert_equal "${#lines[@]}" 1
}

@test "the whole job killed at any moment: windows abut, each is told" {
	another_tree
	look B0EXAMPLE1 "$(ago '2 hours')"
	for ms in 50 120 190 260 330 400 470 540 610 680 750; do
		killed_after "$ms" tree/pipelines/summary.sh || true
	done
	run tree/pipelines/summary.sh
	next_second
	run -0 tree/pipelines/summary.sh
	assert_abut
	run db-query unsent_summaries
	assert_output ''
	run bash -c "diff <(db-query summaries --order window_to | jq -r .summary_id) \
		<(curl -sS $sim/_sim/slack/messages | jq -r .metadata.event_payload.id | uniq)"
	assert_output ''
	# A kill between Slack's acceptance and our note of it may repeat that one.
	run bash -c "curl -sS $sim/_sim/slack/messages | jq -r .metadata.event_payload.id | sort | uniq -c | sort -n | tail -n 1 | awk '{ print \$1 <= 3 }'"
	assert_output 1
}

@test "two at once: the second gives way with 75" {
	faults slack '[{"fault":"slow","first_byte_after":2}]'
	summary.sh 3>&- &
	first=$!
	wait_for eval 'requests slack | grep -q .'
	run summary.sh
	assert_failure 75
	assert_output --partial 'job: summary is running already'
	wait $first
	run messages .ts
	assert_equal "${#lines[@]}" 1
}

@test "wrong usage is 64" {
	run summary.sh --sideways
	assert_failure 64
	run summary.sh --print now
	assert_failure 64
	run -0 summary.sh --help
	assert_line --index 0 --partial 'summary.sh - tell in Slack'
}
