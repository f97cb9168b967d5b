#!/usr/bin/env bats
# What job-report.jq says of a job of sales, and to whom, to the letter.
# shellcheck disable=SC2154 # top: from helper.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	export CLICKUP_TASK_ID=86test SLACK_CHANNEL_LOGS=CLOGS SLACK_CHANNEL_ALERTS=CALERTS
}

teardown() {
	stop_sim
}

# job STATUS: the run of the job.
job() {
	jq -nc --argjson status "$1" '{type: "runs", run_id: "sales-1", program: "sales.sh", job: "sales",
		started_at: "2026-11-21T12:00:00Z", finished_at: "2026-11-21T12:03:20Z", $status}'
}

# part MARKETPLACE STATUS [SAID]: how its pipe ended.
part() {
	jq -nc --arg marketplace "$1" --argjson status "$2" --arg said "${3-}" '{type: "job_part", $marketplace, $status, $said}'
}

# request MARKETPLACE DATE STATUS [MEMBERS]: of the ledger, touched by this run.
request() {
	jq -nc --arg marketplace "$1" --arg date "$2" --arg status "$3" --argjson more "${4:-{\}}" '{type: "report_requests",
		request_id: "\($marketplace):\($date):CHILD:1", $marketplace, $date, granularity: "CHILD", $status, attempts: 1,
		not_before: null, error: null, updated_at: "2026-11-21T12:01:00Z"} + $more'
}

# rows MARKETPLACE DATE UNITS CENTS CURRENCY ASINS STATE: what is known of a day.
rows() {
	jq -nc '$ARGS.positional as [$marketplace, $date, $units, $cents, $currency, $asins, $state]
		| ($units | tonumber) as $units | {type: "sales_freshness", $marketplace, $date, $state, asins: ($asins | tonumber),
		units_by_asin: $units, units_by_date: $units, ordered_product_sales_cents: ($cents | tonumber), $currency}' --args "$@"
}

# report: of the records on standard input; what it wrote is in $output.
report() {
	jq -nc -f "$top/notify/job-report.jq" >report
	run cat report
}

# says: the text of the comment.
says() {
	jq -r 'select(.type == "clickup_comment").text' report
}

# tells: where the message goes, if there is one.
tells() {
	jq -r 'select(.type == "slack_message").channel' report
}

all_well() {
	job 0
	part US 0
	part CA 0
	request US 2026-11-20 DONE '{"rows_by_asin":25}'
	request US 2026-11-19 DONE '{"rows_by_asin":24}'
	request CA 2026-11-20 DONE '{"rows_by_asin":1}'
	rows US 2026-11-19 1234 123456789 USD 24 settled
	rows US 2026-11-20 128 345678 USD 25 provisional
	rows CA 2026-11-20 1 5 CAD 1 provisional
}

@test "all well: a comment, and no message" {
	report < <(all_well)
	assert_output '{"type":"clickup_comment","id":"job:sales-1:clickup","task_id":"86test","text":"sales 2026-11-21: all well\nUS 2026-11-20: 128 units, 3,456.78 USD, 25 ASINs, provisional\nUS 2026-11-19: 1,234 units, 1,234,567.89 USD, 24 ASINs, settled\nCA 2026-11-20: 1 unit, 0.05 CAD, 1 ASIN, provisional\ntook 3 min 20 s"}'
}

@test "without CLICKUP_TASK_ID there is no comment" {
	CLICKUP_TASK_ID='' report < <(all_well)
	assert_output ''
	unset CLICKUP_TASK_ID
	report < <(all_well)
	assert_output ''
}

@test "nothing to do" {
	report < <(job 0; part US 0; part CA 0)
	assert_equal "$(says)" 'sales 2026-11-21: nothing to do
took 3 min 20 s'
	assert_equal "$(tells)" ''
	report < <(job 0)
	assert_equal "$(says)" 'sales 2026-11-21: nothing to do
took 3 min 20 s'
}

@test "no runs record at all is a mistake" {
	run jq -nc -f "$top/notify/job-report.jq" </dev/null
	assert_failure 5
	assert_output --partial 'job-report: no runs record'
}

@test "partly failed: a comment, and a message to the logs" {
	report < <(
		job 76
		part US 0
		part CA 76 $'sp-fetch: cannot talk to Amazon: <html>\n\nsp-fetch: stop\n'
		request US 2026-11-20 DONE '{"rows_by_asin":25}'
		request US 2026-11-18 failed '{"attempts":3,"error":"no such report & type"}'
		request US 2026-11-17 FATAL '{"error":"not yet","not_before":"2026-11-21T13:00:00Z"}'
		request CA 2026-11-20 planned
		rows US 2026-11-20 128 345678 USD 25 provisional
	)
	assert_equal "$(says)" 'sales 2026-11-21: partly failed: US, CA
US 2026-11-20: 128 units, 3,456.78 USD, 25 ASINs, provisional
failed:
- CA: Amazon answered nonsense: sp-fetch: cannot talk to Amazon: <html> / sp-fetch: stop; the next run tries again; if it stays so, report it
- US 2026-11-18: given up after 3 attempts: no such report & type; ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from 2026-11-18 --to 2026-11-18
- US 2026-11-17: Amazon failed: not yet; tried again, not before 13:00 UTC
left for the next run: CA 2026-11-20 (not begun)
took 3 min 20 s'
	assert_equal "$(tail -n 1 report)" '{"type":"slack_message","id":"job:sales-1:slack","channel":"CLOGS","text":"sales 2026-11-21: partly failed: US, CA\nfailed:\n- CA: Amazon answered nonsense: sp-fetch: cannot talk to Amazon: &lt;html&gt; / sp-fetch: stop; the next run tries again; if it stays so, report it\n- US 2026-11-18: given up after 3 attempts: no such report &amp; type; ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from 2026-11-18 --to 2026-11-18\n- US 2026-11-17: Amazon failed: not yet; tried again, not before 13:00 UTC\nUS 2026-11-20: 128 units, 3,456.78 USD, 25 ASINs, provisional\nleft for the next run: CA 2026-11-20 (not begun)\ntook 3 min 20 s","blocks":[{"type":"header","text":{"type":"plain_text","text":"sales 2026-11-21: partly failed: US, CA","emoji":false}},{"type":"section","text":{"type":"plain_text","text":"failed:\n- CA: Amazon answered nonsense: sp-fetch: cannot talk to Amazon: <html> / sp-fetch: stop; the next run tries again; if it stays so, report it\n- US 2026-11-18: given up after 3 attempts: no such report & type; ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from 2026-11-18 --to 2026-11-18\n- US 2026-11-17: Amazon failed: not yet; tried again, not before 13:00 UTC\nUS 2026-11-20: 128 units, 3,456.78 USD, 25 ASINs, provisional\nleft for the next run: CA 2026-11-20 (not begun)\ntook 3 min 20 s","emoji":false}}]}'
}

@test "all failed: to the alerts" {
	report < <(job 76; part US 76 'sp-fetch: no TLS'; part CA 70; request US 2026-11-20 planned)
	assert_equal "$(says)" 'sales 2026-11-21: failed: US, CA
failed:
- US: Amazon answered nonsense: sp-fetch: no TLS; the next run tries again; if it stays so, report it
- CA: a defect; report it, with the log
left for the next run: US 2026-11-20 (not begun)
took 3 min 20 s'
	assert_equal "$(tells)" CALERTS
	report < <(job 76; part US 76; part CA 76)
	assert_equal "$(says | head -n 1)" 'sales 2026-11-21: failed: Amazon answered nonsense'
	assert_equal "$(tells)" CALERTS
	report < <(job 0; part US 0; request US 2026-11-18 failed)
	assert_equal "$(says)" 'sales 2026-11-21: failed: US
failed: US 2026-11-18: given up after 1 attempt: no reason given; ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from 2026-11-18 --to 2026-11-18
took 3 min 20 s'
	assert_equal "$(tells)" CALERTS
}

@test "a job that failed in none of its parts has failed, and to be killed is a failure" {
	report < <(job 74; part US 0; request US 2026-11-20 DONE)
	assert_equal "$(says)" 'sales 2026-11-21: partly failed: the job
US 2026-11-20: done
failed: the job: output or disk failed; make room, then run it again: nothing half-done is left
took 3 min 20 s'
	assert_equal "$(tells)" CLOGS
	report < <(job 74; part US 0)
	assert_equal "$(says | head -n 1)" 'sales 2026-11-21: failed: output or disk failed'
	assert_equal "$(tells)" CALERTS
	report < <(job 137; part US 137; part CA 0; request CA 2026-11-20 no_data)
	assert_equal "$(says)" 'sales 2026-11-21: partly failed: US
CA 2026-11-20: no data
failed: US: ended with status 137; report it, with the log
took 3 min 20 s'
	assert_equal "$(tells)" CLOGS
}

# Each line: a status; whether it is a failure; whether it is one for the alerts.
@test "what a status means beside a marketplace that did well" {
	local status channel
	while read -r status channel; do
		report < <(job "$status"; part US "$status"; part CA 0; request CA 2026-11-20 DONE)
		assert_equal "$status $(tells)" "$status $channel"
	done < <(printf '%s\n' '0 ' '141 ' '75 ' '64 CLOGS' '65 CLOGS' '70 CLOGS' '74 CLOGS' '76 CLOGS' '77 CALERTS' '78 CALERTS' '1 CLOGS')
}

@test "credentials or settings refused: to the alerts, whatever else was done" {
	report < <(job 77; part US 77 'sp-fetch: Amazon refuses SP_API_REFRESH_TOKEN'; part CA 77; request US 2026-11-20 planned)
	assert_equal "$(says)" 'sales 2026-11-21: failed: credentials refused
failed:
- US: credentials refused: sp-fetch: Amazon refuses SP_API_REFRESH_TOKEN; check SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN
- CA: credentials refused; check SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN
left for the next run: US 2026-11-20 (not begun)
took 3 min 20 s'
	assert_equal "$(tells)" CALERTS
	report < <(job 77; part US 0; part CA 77; request US 2026-11-20 DONE)
	assert_equal "$(says | head -n 1)" 'sales 2026-11-21: partly failed: CA, credentials refused'
	assert_equal "$(tells)" CALERTS
	report < <(job 78; part US 78 'sp-fetch: SP_API_CLIENT_ID is not set')
	assert_equal "$(says)" 'sales 2026-11-21: failed: a setting is missing or invalid
failed: US: a setting is missing or invalid: sp-fetch: SP_API_CLIENT_ID is not set; mend the environment or .env as it says
took 3 min 20 s'
	assert_equal "$(tells)" CALERTS
}

@test "days left for later are no failures, and each says why" {
	report < <(
		job 75
		part US 75 'sp-fetch: the quota is used up'
		part CA 75
		request CA 2026-11-18 planned '{"not_before":"2026-11-21T12:30:00Z"}'
		request CA 2026-11-17 not_ready '{"not_before":"2026-11-22T01:00:00Z"}'
		request CA 2026-11-16 CANCELLED '{"not_before":"2026-11-21T18:00:00Z"}'
		request CA 2026-11-15 FATAL '{"updated_at":"2026-11-21T07:00:00Z","error":"x"}'
		request US 2026-11-14 IN_QUEUE
		request US 2026-11-13 IN_PROGRESS
		request US 2026-11-12 creating
		request US 2026-11-11 created
		request US 2026-11-10 ready
		request US 2026-11-09 planned
	)
	assert_equal "$(says)" 'sales 2026-11-21: nothing new, 10 days left for the next run
US goes on with the next run: sp-fetch: the quota is used up
left for the next run:
- CA 2026-11-18 (quota, not before 12:30 UTC)
- CA 2026-11-17 (Amazon has no data yet, not before 2026-11-22 01:00 UTC)
- CA 2026-11-16 (a second look is due, not before 18:00 UTC)
- CA 2026-11-15 (Amazon failed)
- US 2026-11-14 (waiting, IN_QUEUE)
- US 2026-11-13 (waiting, IN_PROGRESS)
- US 2026-11-12 (being asked for)
- US 2026-11-11 (asked for)
- US 2026-11-10 (ready at Amazon)
- US 2026-11-09 (not begun)
took 3 min 20 s'
	assert_equal "$(tells)" ''
}

@test "one day left beside what came; and a run that came to nothing by itself" {
	report < <(job 75; part CA 75; request CA 2026-11-20 DONE '{"rows_by_asin":3}'
		request CA 2026-11-18 planned '{"not_before":"2026-11-21T12:30:00Z"}')
	assert_equal "$(says)" 'sales 2026-11-21: all well, 1 day left for the next run
CA 2026-11-20: 3 ASINs
left for the next run: CA 2026-11-18 (quota, not before 12:30 UTC)
took 3 min 20 s'
	report < <(job 75; part US 75 'sp-fetch: Amazon: HTTP status 503')
	assert_equal "$(says)" 'sales 2026-11-21: nothing new, the rest is left for the next run
US goes on with the next run: sp-fetch: Amazon: HTTP status 503
took 3 min 20 s'
	assert_equal "$(tells)" ''
}

@test "a backlog is counted" {
	jq -nc 'range(1400) | (1795219200 - (. / 2 | floor) * 86400 | todate[:10]) as $date | ["CA", "US"][. % 2] as $marketplace
		| {type: "report_requests", request_id: "\($marketplace):\($date)", $marketplace, $date, status: "planned",
			updated_at: "2026-11-21T12:01:00Z"},
		if . < 24 then {type: "report_requests", request_id: "\($marketplace):\($date):done", $marketplace, $date,
			status: "DONE", rows_by_asin: 2, updated_at: "2026-11-21T12:02:00Z"} else empty end' >backlog
	report < <(job 75; part US 75; part CA 0; request US 2026-11-20 IN_QUEUE; cat backlog)
	assert_equal "$(says)" "sales 2026-11-21: all well, 1,401 days left for the next run
$(for m in US CA; do
	for d in 21 20 19 18 17 16 15 14 13 12; do
		echo "$m 2026-11-$d: 2 ASINs"
	done
	echo "$m: and 2 days more, 2026-11-10 to 2026-11-11"
done)
left for the next run: US 2026-11-20 (waiting, IN_QUEUE)
backfill: 1,400 days left, about 14.6 days at 96 a day
took 3 min 20 s"
	assert_equal "$(tells)" ''
}

@test "many failures are counted too, and text keeps its bounds" {
	jq -nc 'range(300) | "2026-\(. / 28 % 12 + 101 | floor | tostring[1:])-\(. % 28 + 101 | tostring[1:])" as $date
		| {type: "report_requests", request_id: "US:\(.)", marketplace: "US", $date, status: "failed", attempts: 3,
			error: ("&<>" * 400), updated_at: "2026-11-21T12:01:00Z"}' >lost
	report < <(job 65; part US 65 "$(seq -s ' ' 5000)"; part CA 0; cat lost)
	assert_equal "$(says | grep -c '^- US 2026-')" 9
	assert_equal "$(says | tail -n 2)" $'- and 291 failures more\ntook 3 min 20 s'
	assert_equal "$(jq -c 'select(.type == "slack_message") | [(.text | length < 15001), (.text | gsub("&(amp|lt|gt);"; "x") | length),
		(.blocks[1].text.text | length)]' report)" '[true,3000,2900]'
}

@test "text of others is a line, and harmless" {
	report < <(
		job 65
		part US 65 "$(printf 'one\ntwo\n\n <!channel>\t\033[31m*b*\r\n\u202eevil\u2066\u009b & <@U1>\n \n')"
		part CA 0
		request CA 2026-11-18 failed '{"error":"a\nsales: all well\u0007\u001b]0;x\u0007 \u202e<b>&"}'
		request CA 2026-11-17 $'EVIL\n\u2066<!here>'
	)
	assert_equal "$(says)" 'sales 2026-11-21: partly failed: US, CA
failed:
- US: some records were bad: two / <!channel> [31m*b* / evil & <@U1>; the rest is loaded; the log has the lines
- CA 2026-11-18: given up after 1 attempt: a sales: all well]0;x <b>&; ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from 2026-11-18 --to 2026-11-18
left for the next run: CA 2026-11-17 (EVIL <!here>)
took 3 min 20 s'
	run jq -r 'select(.type == "slack_message").text' report
	refute_output --regexp '[<>]|&[^agl]'
	assert_output --partial '&lt;!channel&gt; [31m*b*'
	assert_equal "$(jq -r 'select(.type == "slack_message").blocks[].text.type' report | uniq)" plain_text
}

@test "money is exact, by the decimals of its currency" {
	local cents currency text
	while read -r cents currency text; do
		report < <(job 0; part JP 0; rows JP 2026-11-20 1000 "$cents" "$currency" 1000 settled)
		assert_equal "$(says | sed -n 2p)" "JP 2026-11-20: 1,000 units, $text $currency, 1,000 ASINs, settled"
	done <<'!'
0 USD 0.00
7 USD 0.07
99 EUR 0.99
100 EUR 1.00
123456 USD 1,234.56
-123456 USD -1,234.56
-5 USD -0.05
900719925474099 USD 9,007,199,254,740.99
123456 JPY 123,456
7 JPY 7
0 JPY 0
!
}

@test "days whose rows were there before are told, and those that nothing is known of are not" {
	report < <(
		job 0
		part US 0
		rows US 2026-11-19 10 1000 USD 5 settled
		request US 2026-11-17 DONE '{"rows_by_asin":0}'
		request US 2026-11-16 no_data
		echo '{"type":"sales_freshness","marketplace":"US","date":"2026-11-17","state":"not_ready","asins":0,"units_by_asin":null,"units_by_date":null}'
		echo '{"type":"sales_freshness","marketplace":"US","date":"2026-11-16","state":"no_data","asins":0,"units_by_asin":null,"units_by_date":null}'
		echo '{"type":"sales_freshness","marketplace":"US","date":"2026-11-18","state":"missing","asins":null,"units_by_asin":null,"units_by_date":null}'
		request US 2026-11-20 DONE '{"rows_by_asin":3}'
		echo '{"type":"sales_freshness","marketplace":"US","date":"2026-11-20","state":"provisional","asins":3,"units_by_asin":9,"units_by_date":10,"sales_by_date_cents":null,"currency":null}'
		echo '{"type":"sales_freshness","marketplace":"US","date":"2026-11-15","state":"settled","asins":3,"units_by_asin":9,"units_by_date":9,"sales_by_asin_cents":100,"sales_by_date_cents":150,"currency":"USD"}'
	)
	assert_equal "$(says)" 'sales 2026-11-21: all well
US 2026-11-20: 10 units (9 by ASIN), 3 ASINs, provisional
US 2026-11-19: 10 units, 10.00 USD, 5 ASINs, settled
US 2026-11-17: 0 ASINs, not ready
US 2026-11-16: 0 ASINs, no data
US 2026-11-15: 9 units, 1.50 USD, 3 ASINs, settled
took 3 min 20 s'
}

@test "a request counts as it stands last, and what another run finished is not this one's" {
	report < <(
		job 0
		part US 0
		request US 2026-11-20 IN_QUEUE
		request US 2026-11-20 DONE '{"rows_by_asin":3}'
		request US 2026-11-19 failed '{"updated_at":"2026-11-20T12:00:00Z"}'
		request US 2026-11-18 DONE '{"updated_at":"2026-11-20T12:00:00Z","rows_by_asin":3}'
	)
	assert_equal "$(says)" 'sales 2026-11-21: all well
US 2026-11-20: 3 ASINs
took 3 min 20 s'
	assert_equal "$(tells)" ''
}

@test "the channel: the next best where one is not set, and no message where none is" {
	failing() { job 77; part US 77; }
	SLACK_CHANNEL_ALERTS='' report < <(failing)
	assert_equal "$(tells)" CLOGS
	unset SLACK_CHANNEL_ALERTS SLACK_CHANNEL_LOGS
	SLACK_CHANNEL=CMAIN report < <(failing)
	assert_equal "$(tells)" CMAIN
	report < <(failing)
	assert_equal "$(jq -r .type report)" clickup_comment
}

@test "what it writes, clickup-post and slack-post take" {
	start_sim
	report < <(job 77; part US 77 '<!channel> "x"'; request US 2026-11-18 failed; request US 2026-11-17 planned)
	run -0 bash -c 'clickup-post <report | slack-post'
	assert_equal "$(jq -r '[.sink, .target, .state] | join(" ")' <<<"$output")" $'clickup 86test sent\nslack CALERTS sent'
	assert_equal "$(control clickup/comments | jq -r .comment_text)" "$(says)
[job:sales-1:clickup]"
	run jq -r -f "$top/notify/slack-text.jq" report
	assert_line --index 0 '┌ sales 2026-11-21: failed: credentials refused'
}
