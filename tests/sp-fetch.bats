#!/usr/bin/env bats
# What sp-fetch asks Amazon, what it makes of the answers, and how it fails.
# That its requests are right, the simulator sees to: it takes no other.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	start_sim
	export SP_ASK_MS=30
	plenty
	old=$(day 10) # so that nothing to be had means that there is nothing
	young=$(day 2)
}

teardown() {
	stop_sim
}

day() { # so many days ago
	date -u -d "$1 days ago" +%F
}

ago() {
	date -u -d "$1 ago" +%FT%TZ
}

# a_request [JQ]: one that has been planned for an old day, changed by jq.
a_request() {
	jq -nc --arg day "${day:-$old}" --arg now "$(ago '1 second')" '{type: "report_requests", marketplace: "US",
		date: $day, granularity: "CHILD", status: "planned", attempts: 0, not_before: null,
		created_at: $now, updated_at: $now} | '"${1:-.}"' | .request_id //= "\(.marketplace):\(.date):\(.granularity):1"'
}

# fetch [ARGUMENT...]: sp-fetch; records in $output, messages in $stderr.
fetch() {
	run --separate-stderr sp-fetch "$@"
}

fetch_one() { # [JQ [ARGUMENT...]]
	a_request "${1:-.}" >in
	shift || true
	fetch "$@" <in
}

# got FILTER: what the records say, by jq.
got() {
	jq -c "$1" <<<"$output"
}

# steps [FILTER]: what became of the request.
steps() {
	got 'select(.type == "report_requests") | '"${1:-.status}" | tr -d '"' | paste -sd' '
}

last() { # FILTER: of the request's last record
	got 'select(.type == "report_requests")' | tail -n 1 | jq -c "$1"
}

rows() { # how many of each type
	got 'select(.data).type' | tr -d '"' | sort | uniq -c | sed 's/^ *//' | paste -sd' '
}

all_rows='12 sp_sales_by_asin 1 sp_sales_by_date'
all_steps='creating created IN_QUEUE IN_PROGRESS ready DONE'

# script OUTCOME...: of all reports to come.
script() {
	control sp/script "[{\"outcomes\":[$(
		IFS=,
		echo "$*"
	)]}]" >/dev/null
}

# reports [FILTER]: those that Amazon has, by jq.
reports() {
	control sp/reports | jq -c "${1:-.reportId}"
}

count() { # how many reports Amazon made
	control sp/reports | grep -c . || true
}

# asked [FILTER]: what was asked of Amazon, by jq.
asked() {
	requests sp "${1:-"[.method, (.path | split(\"/\")[4])]"}"
}

# What we ask for, as the simulator's control has it.
options='"options":{"dateGranularity":"DAY","asinGranularity":"CHILD"}'

# The paths of operations, for faults.
on_create='"method":"POST","path":"/reports/*"'
on_list='"method":"GET","path":"/reports/2021-06-30/reports"'
on_report='"method":"GET","path":"/reports/2021-06-30/reports/*"'
on_document='"path":"/reports/2021-06-30/documents/*"'

normal() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g
		s/sp-fetch-TIME-[0-9a-f]{8}/RUN/g; s/amzn1.spdoc[^"]*/DOCUMENT/g' <<<"$output"
}

# said: the messages, without what differs from run to run.
said() {
	sed -E "s#${sim:-no simulator}#SIM#; s/[0-9]+\.[0-9] s/N s/; s/request [0-9a-f-]{36}/request ID/" <<<"$stderr"
}

# wait_for COMMAND...: until it succeeds, or ten seconds have passed.
wait_for() {
	local n
	for ((n = 0; n < 400; n++)); do
		"$@" && return
		sleep 0.025
	done
	return 1
}

# bucket OPERATION TOKENS [RATE [BLOCKED]]: what is left of a rate, in the state.
bucket() {
	echo "$1 $2 ${3:-0.0167} $(date +%s).000 ${4:-0}" >>sp-api.state
}

# plenty: the rates are no matter.
plenty() {
	printf "%s 15 50 $(date +%s).000 0\n" createReport getReport getReports getReportDocument cancelReport >sp-api.state
}

# Steps

@test "records of a run, of each step, of each row and of the usage come out, to the byte" {
	script "$(jq -nc --arg day "$old" '{statuses: ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "DONE"], document: {body: {
		reportSpecification: {reportType: "GET_SALES_AND_TRAFFIC_REPORT", dataStartTime: $day, dataEndTime: $day,
			reportOptions: {dateGranularity: "DAY", asinGranularity: "CHILD"}, marketplaceIds: ["ATVPDKIKX0DER"]},
		salesAndTrafficByDate: [{date: $day, salesByDate: {x: 1}}], salesAndTrafficByAsin: [{parentAsin: "P", childAsin: "A"}]}}}')"
	fetch_one '.note = {"a": [1, null]} | .priority = 7'
	assert_success
	assert_equal "$stderr" ''
	head='{"type":"report_requests","marketplace":"US","date":"'$old'","granularity":"CHILD","created_at":"TIME","note":{"a":[1,null]},"priority":7,"request_id":"US:'$old':CHILD:1"'
	rest='"attempts":1,"not_before":null,"error":null,"asked_at":"TIME","updated_at":"TIME"'
	row='"marketplace":"US","date":"'$old'","report_id":"50015018","fetched_at":"TIME","data":'
	diff - <(normal) <<!
{"type":"run","run_id":"RUN","program":"sp-fetch","version":"0.1.0","started_at":"TIME"}
$head,"status":"creating","report_id":null,"document_id":null,$rest,"rows_by_asin":null,"rows_by_date":null}
$head,"status":"created","report_id":"50015018","document_id":null,$rest,"rows_by_asin":null,"rows_by_date":null}
$head,"status":"IN_QUEUE","report_id":"50015018","document_id":null,$rest,"rows_by_asin":null,"rows_by_date":null}
$head,"status":"IN_PROGRESS","report_id":"50015018","document_id":null,$rest,"rows_by_asin":null,"rows_by_date":null}
$head,"status":"ready","report_id":"50015018","document_id":"DOCUMENT",$rest,"rows_by_asin":null,"rows_by_date":null}
{"type":"sp_sales_by_date",$row{"date":"$old","salesByDate":{"x":1}}}
{"type":"sp_sales_by_asin",$row{"parentAsin":"P","childAsin":"A"}}
$head,"status":"DONE","report_id":"50015018","document_id":"DOCUMENT",$rest,"rows_by_asin":1,"rows_by_date":1}
{"type":"api_usage_log","usage_id":"RUN-1","service":"sp-api","asins_processed":2,"requests":10,"processing_started_at":"TIME","processing_completed_at":"TIME"}
{"type":"end","run_id":"RUN","records":9,"finished_at":"TIME"}
!
}

@test "pain 3.3: a report is asked for as one whole day of one marketplace" {
	fetch_one '.marketplace = "CA" | .granularity = "SKU"'
	assert_success
	assert_equal "$(asked 'select(.method == "POST").body | fromjson')" \
		'{"reportType":"GET_SALES_AND_TRAFFIC_REPORT","marketplaceIds":["A2EUQ1WTGCTBG2"],"dataStartTime":"'"$old"'T00:00:00Z","dataEndTime":"'"$old"'T23:59:59Z","reportOptions":{"dateGranularity":"DAY","asinGranularity":"SKU"}}'
	assert_equal "$(got 'select(.data).marketplace' | sort -u)" '"CA"'
}

@test "every createReport is as Amazon's model wants it" {
	needs_shared api/specs/reports_2021-06-30.json
	for granularity in CHILD SKU PARENT; do
		a_request ".granularity = \"$granularity\""
	done >in
	fetch <in
	assert_success
	asked 'select(.method == "POST").body | fromjson' >bodies
	assert_equal "$(wc -l <bodies)" 3
	while IFS= read -r body; do
		STRICT=1 run "$top/tests/sim/conforms.py" "$shared/api/specs/reports_2021-06-30.json" CreateReportSpecification <<<"$body"
		assert_output ''
	done <bodies
}

@test "the calls of a report: look, ask, watch, and its document twice by one URL" {
	fetch_one
	assert_success
	assert_equal "$(asked)" '["GET","reports"]
["POST","reports"]
["GET","reports"]
["GET","reports"]
["GET","reports"]
["GET","documents"]'
	assert_equal "$(requests documents .status)" $'200\n200'
	assert_equal "$(requests lwa .status)" 200
	assert_equal "$(asked 'select(.seq == 2).query | del(.createdSince)')" \
		'{"reportTypes":"GET_SALES_AND_TRAFFIC_REPORT","marketplaceIds":"ATVPDKIKX0DER","pageSize":"100"}'
}

@test "who asks is said in Amazon's form, and the token goes to no other host" {
	fetch_one
	assert_success
	assert_regex "$(asked '.headers["user-agent"]' | sort -u)" '^"sellerpipe/0\.1\.0 \(Language=C/11; Platform=[A-Za-z]+\)"$'
	assert_equal "$(requests documents '.headers | keys - ["host", "user-agent", "accept"]' | sort -u)" '[]'
	assert_equal "$(asked '.headers | has("authorization", "cookie")' | sort -u)" false
	assert_equal "$(requests lwa '.headers | has("x-amz-access-token")')" false
}

@test "pain 3.18: several reports are waited for at once, each marketplace by itself" {
	script '{"statuses":["IN_QUEUE","IN_QUEUE","IN_PROGRESS","DONE"]}'
	{
		a_request
		a_request '.marketplace = "CA"'
		day=$young a_request
	} >in
	fetch <in
	assert_success
	assert_equal "$(reports '[.marketplace, .date, .status]' | sort)" '["CA","'"$old"'","DONE"]
["US","'"$old"'","DONE"]
["US","'"$young"'","DONE"]'
	assert_equal "$(got 'select(.status == "DONE") | [.marketplace, .rows_by_asin]' | sort)" '["CA",3]
["US",12]
["US",12]'
	# All are asked for before the first is over.
	assert_equal "$(asked .method | head -n 5 | paste -sd' ')" '"GET" "GET" "POST" "POST" "POST"'
	# The rows of a report stand together, and DONE follows them.
	assert_equal "$(got 'select(.data or .status == "DONE").report_id' | uniq | wc -l)" 3
}

@test "other records pass on byte for byte, before the run; runs of others do not" {
	{
		echo '{"type":"x", "n":1.10,"big":12345678901234567890 }'
		echo '{"type":"run","run_id":"r"}'
		a_request
		echo '{"type":"y","s":"\u00e9/\/"}'
		echo '{"type":"end","run_id":"r","records":3}'
	} >in
	fetch <in
	assert_success
	assert_equal "$(head -n 2 <<<"$output")" '{"type":"x", "n":1.10,"big":12345678901234567890 }
{"type":"y","s":"\u00e9/\/"}'
	assert_equal "$(got 'select(.type == "run" or .type == "end").type')" $'"run"\n"end"'
}

@test "what is final passes on as it came, and nothing is asked" {
	for status in DONE no_data failed; do
		a_request ".status = \"$status\" | .report_id = \"5\" | .request_id = \"$status\""
	done | sed 's/:/: /' >in
	fetch <in
	assert_success
	assert_equal "$(sed -n '2,4p' <<<"$output")" "$(<in)"
	assert_equal "$(got 'select(.type == "end").records')" 4
	assert_equal "$(control requests)" ''
}

@test "empty input is a whole run without requests" {
	fetch </dev/null
	assert_success
	assert_equal "$(got .type)" $'"run"\n"api_usage_log"\n"end"'
	assert_equal "$(control requests)" ''
}

@test "a run that stopped short before us makes ours 75, with what came done, and without an end" {
	{
		echo '{"type":"run","run_id":"r7"}'
		a_request
	} >in
	fetch <in
	assert_equal "$status" 75
	assert_regex "$stderr" '^sp-fetch: stdin:2: run .*r7.* has no end: '
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(got 'select(.type == "end")')" ''
}

@test "bad records are named with their line, and the others are done: 65" {
	{
		a_request 'del(.marketplace)'
		a_request '.request_id = ""'
		a_request '.marketplace = "XX"'
		a_request '.date = "2026-02-30"'
		a_request '.date = 20261118'
		a_request '.granularity = "ASIN"'
		a_request '.status = "done"'
		a_request 'del(.status)'
		a_request ".request_id = \"$(printf 'x%.0s' {1..200})\""
		echo '{"type":"report_requests"'
		a_request
	} >in
	fetch <in
	assert_equal "$status" 65
	assert_equal "$stderr" 'sp-fetch: stdin:1: a marketplace that Amazon does not have
sp-fetch: stdin:2: a report_requests needs a request_id
sp-fetch: stdin:3: a marketplace that Amazon does not have
sp-fetch: stdin:4: date is no day
sp-fetch: stdin:5: date is no day
sp-fetch: stdin:6: granularity is none of CHILD, SKU, PARENT
sp-fetch: stdin:7: a status that is not known
sp-fetch: stdin:8: a status that is not known
sp-fetch: stdin:9: a report_requests needs a request_id
sp-fetch: stdin:10: column 26: unexpected end of data'
	assert_equal "$(steps)" "$all_steps"
}

@test "a request that comes several times is one: the newest record holds" {
	{
		a_request '.updated_at = "2026-01-01T00:00:00Z"'
		a_request ".status = \"not_ready\" | .attempts = 4 | .not_before = \"$(date -u -d 'now + 5 hours' +%FT%TZ)\""
		a_request '.updated_at = "2026-01-01T00:00:01Z" | .status = "creating"'
	} >in
	fetch --max-wait 1 <in
	assert_equal "$status" 75
	assert_equal "$(steps)" not_ready
	assert_equal "$(count)" 0
}

# What Amazon says of a report

@test "pain 3.10: CANCELLED says nothing of a young day: not_ready, and in 4 hours again" {
	script '{"statuses":["IN_QUEUE","CANCELLED"]}'
	day=$young fetch_one
	assert_equal "$status" 75
	assert_equal "$stderr" 'sp-fetch: 1 of 1 reports are left for a later run'
	assert_equal "$(steps)" 'creating created IN_QUEUE not_ready'
	assert_equal "$(last '[.attempts, .report_id, .error]')" '[1,"50015018","cancelled by Amazon: no data, or not yet"]'
	run jq -n "$(last '(.not_before | fromdate) - (.updated_at | fromdate)')"' | . >= 14399 and . <= 14401'
	assert_output true
}

@test "pain 3.10: CANCELLED for an old day is believed the second time" {
	script '{"statuses":["CANCELLED"]}'
	fetch_one
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created CANCELLED'
	last '.not_before = null' >in
	# In a later run; which ends before Amazon has made up its mind.
	script '{"statuses":["IN_QUEUE","IN_QUEUE","CANCELLED"]}'
	fetch --report-wait 0.03 <in
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created IN_QUEUE'
	assert_equal "$(last .error)" '"a second opinion: Amazon said that there is nothing"'
	last . >in
	fetch <in
	assert_success
	assert_equal "$(steps '[.status, .attempts, .not_before, .error]')" '[no_data,2,null,cancelled by Amazon: no data, or not yet]'
	assert_equal "$(count)" 2
	assert_equal "$(rows)" ''
}

@test "opinions from when the day was young, and failures, do not count as first ones" {
	script '{"statuses":["CANCELLED"]}'
	fetch_one '.status = "not_ready" | .attempts = 6 | .report_id = "5"'
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created CANCELLED'
}

@test "pain 3.10: a second opinion with rows is DONE, without an error" {
	fetch_one '.status = "CANCELLED" | .attempts = 1 | .report_id = "50010000" | .error = "x"'
	assert_success
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(last '[.error, .attempts]')" '[null,2]'
	assert_equal "$(rows)" "$all_rows"
}

@test "DONE without a document is nothing, or not yet" {
	script '{"statuses":["DONE"],"document":false}'
	day=$young fetch_one
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created not_ready'
	assert_equal "$(last .error)" '"done, without a document"'
	fetch_one
	assert_equal "$(steps)" 'creating created CANCELLED'
}

@test "pain 3.7: empty arrays are nothing, or not yet, and never DONE" {
	script '{"statuses":["DONE"],"document":"empty"}'
	day=$young fetch_one
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created ready not_ready'
	assert_equal "$(last '[.error, .rows_by_asin, .rows_by_date]')" '["the report is empty",0,0]'
	fetch_one '.status = "CANCELLED"'
	assert_success
	assert_equal "$(steps)" 'creating created ready no_data'
	assert_equal "$(rows)" ''
}

@test "pain 3.7: byAsin empty beside byDate is DONE, and counted" {
	script '{"statuses":["DONE"],"document":"delayed"}'
	day=$young fetch_one
	assert_success
	assert_equal "$(last '[.status, .rows_by_asin, .rows_by_date]')" '["DONE",0,1]'
	assert_equal "$(rows)" '1 sp_sales_by_date'
}

@test "pain 3.11: FATAL says why in its document, and is tried again later" {
	script '{"statuses":["FATAL"],"fatal":"Too many requests of this kind"}'
	fetch_one
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created FATAL'
	assert_equal "$(last '[.error, .attempts, .document_id != null]')" '["failed at Amazon: Too many requests of this kind",1,true]'
	assert_equal "$stderr" "sp-fetch: US:$old:CHILD:1: failed at Amazon: Too many requests of this kind; it is tried again later
sp-fetch: 1 of 1 reports are left for a later run"
	run jq -n "$(last '(.not_before | fromdate) - (.updated_at | fromdate)')"' | . >= 7199 and . <= 7201'
	assert_output true
}

@test "FATAL without a document is tried again later, too, but not before 4 hours the second time" {
	script '{"statuses":["FATAL"],"document":false}'
	fetch_one '.status = "FATAL" | .attempts = 1 | .report_id = "5"'
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts, .error]')" '["FATAL",2,"failed at Amazon, which does not say why"]'
	run jq -n "$(last '(.not_before | fromdate) - (.updated_at | fromdate)')"' | . >= 14399 and . <= 14401'
	assert_output true
}

@test "FATAL since it is not yet available is not_ready, however often" {
	script "{\"statuses\":[\"FATAL\"],\"fatal\":\"$(jq -r .errorDetails "$shared/captures/sp/errors/fatal_document_errorDetails.json" 2>/dev/null || echo it is not yet available)\"}"
	day=$young fetch_one '.status = "not_ready" | .attempts = 7'
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts]')" '["not_ready",8]'
}

@test "FATAL for the third time is failed: 65" {
	script '{"statuses":["FATAL"]}'
	fetch_one '.status = "FATAL" | .attempts = 2 | .report_id = "5"'
	assert_equal "$status" 65
	assert_equal "$(last '[.status, .attempts, .not_before]')" '["failed",3,null]'
	assert_regex "$(last .error)" '^"failed at Amazon: Error in report request'
	assert_regex "$stderr" "^sp-fetch: US:$old:CHILD:1: failed at Amazon: Error in report request"
	assert_equal "$(got 'select(.type == "end").type')" '"end"'
}

@test "a FATAL document that is no JSON, is damaged or is gone does no harm" {
	script '{"statuses":["FATAL"],"document":{"body":"No\tdata: café\u0007"}}' \
		'{"statuses":["FATAL"],"compression":"truncated"}' '{"statuses":["FATAL"],"document":{"body":""}}'
	fetch_one
	assert_equal "$(last '[.status, .error]')" '["FATAL","failed at Amazon: No data: caf???"]'
	day=$(day 11) fetch_one
	assert_equal "$(last '[.status, .report_id]')" '["FATAL","50015019"]'
	day=$(day 12) fetch_one
	assert_equal "$(last '[.status, .error]')" '["FATAL","failed at Amazon, which does not say why"]'
}

@test "a FATAL document that Amazon no longer has: the next report's is read as one" {
	script '{"statuses":["FATAL"]}' '{"statuses":["DONE"]}'
	faults sp "[{\"fault\":\"404\",$on_document}]"
	fetch_one
	assert_success
	assert_equal "$(steps)" 'creating created planned creating created ready DONE'
	assert_equal "$(rows)" "$all_rows"
}

@test "pain 3.13: what stays in the queue is left, and found again by its id" {
	script '{"statuses":["IN_QUEUE","IN_QUEUE","IN_QUEUE","IN_QUEUE","IN_QUEUE","IN_QUEUE","DONE"]}'
	fetch_one . --report-wait 0.05
	assert_equal "$status" 75
	assert_equal "$(steps)" 'creating created IN_QUEUE'
	assert_equal "$(last '[.not_before, .error]')" '[null,null]'
	assert_equal "$(got 'select(.type == "end").type')" '"end"'
	last . >in
	fetch <in
	assert_success
	assert_equal "$(steps)" 'ready DONE'
	assert_equal "$(last '[.report_id, .attempts]')" '["50015018",1]'
	assert_equal "$(count)" 1
	assert_equal "$(asked 'select(.method == "POST").method' | wc -l)" 1
}

@test "pain 3.14: a report that is waited for in vain is not asked for anew" {
	script '{"statuses":["IN_PROGRESS"]}'
	fetch_one . --report-wait 0.05
	for _ in 1 2; do
		last . >in
		fetch --report-wait 0.05 <in
		assert_equal "$status" 75
		assert_equal "$output" "$(grep -v '^$' <<<"$output")"
		assert_equal "$(steps)" IN_PROGRESS
		assert_equal "$(last .)" "$(<in)"
	done
	assert_equal "$(count)" 1
}

@test "pain 3.13: what has been in the queue for a day is cancelled, and planned anew" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",\"created_ago\":90000,\"statuses\":[\"IN_QUEUE\"]}" >/dev/null
	fetch_one ".status = \"IN_QUEUE\" | .report_id = \"50015018\" | .attempts = 1 | .asked_at = \"$(ago '25 hours')\""
	assert_equal "$status" 75
	assert_equal "$(reports .status)" '"CANCELLED"'
	assert_equal "$(last '[.status, .error, .attempts, .not_before]')" \
		"[\"planned\",\"cancelled by us, after 24 hours in Amazon's queue\",1,null]"
	last . >in
	fetch <in
	assert_success
	assert_equal "$(count)" 2
	assert_equal "$(last '[.status, .report_id, .attempts, .error]')" '["DONE","50015019",2,null]'
}

@test "what has left the queue just before it is cancelled is watched on" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",\"created_ago\":90000,$options,\"statuses\":[\"IN_QUEUE\",\"IN_PROGRESS\",\"DONE\"]}" >/dev/null
	faults sp '[{"fault":"400","method":"DELETE"}]'
	fetch_one ".status = \"IN_QUEUE\" | .report_id = \"50015018\" | .attempts = 1 | .asked_at = \"$(ago '25 hours')\""
	assert_success
	assert_equal "$(steps)" 'IN_PROGRESS ready DONE'
}

@test "what has been in progress for two days is given up, and tried again later" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",\"created_ago\":180000,\"statuses\":[\"IN_PROGRESS\"]}" >/dev/null
	fetch_one ".status = \"IN_PROGRESS\" | .report_id = \"50015018\" | .attempts = 1 | .asked_at = \"$(ago '49 hours')\""
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .error]')" '["FATAL","in progress for 48 hours"]'
}

@test "a status that is not known is none that is final, and is told once" {
	script '{"statuses":["PAUSED","PAUSED","PAUSED","DONE"]}'
	fetch_one
	assert_success
	assert_equal "$stderr" "sp-fetch: US:$old:CHILD:1: a status that is not known: 'PAUSED'"
	assert_equal "$(steps)" 'creating created IN_PROGRESS ready DONE'
}

@test "a report that Amazon does not have is asked for again, 3 times in all" {
	fetch_one ".status = \"created\" | .report_id = \"4711\" | .attempts = 1 | .asked_at = \"$(ago '1 day')\""
	assert_success
	assert_equal "$(steps)" "planned $all_steps"
	assert_regex "$(said)" "^sp-fetch: US:$old:CHILD:1: report 4711: HTTP status 404: NotFound: The requested report does not exist\. \(request ID\)\$"
	fetch_one ".status = \"created\" | .report_id = \"4711\" | .attempts = 3 | .asked_at = \"$(ago '1 day')\""
	assert_equal "$status" 65
	assert_equal "$(last .status)" '"failed"'
}

@test "a report just asked for that Amazon does not have yet is waited for" {
	faults sp "[{\"fault\":\"404\",$on_report,\"times\":2}]"
	fetch_one
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(count)" 1
}

# Never two reports for one request

@test "an answer to createReport that is lost: the report is found, and no other made" {
	for fault in '"fault":"reset","accept":true' '"fault":"status_after_accept","code":500' \
		'"fault":"status_after_accept","code":503' '"fault":"body","body":"{}","accept":true' \
		'"fault":"empty","accept":true' '"fault":"html","accept":true' '"fault":"truncate","accept":true' \
		'"fault":"status_after_accept","code":408'; do
		before=$(count)
		plenty
		faults sp "[{$fault,$on_create}]"
		day=$(day "$((10 + before))") fetch_one
		assert_success
		assert_equal "$fault $(count)" "$fault $((before + 1))"
		assert_equal "$fault $(steps)" "$fault $all_steps"
		assert_equal "$(last .attempts)" 1
		assert_regex "$stderr" "report $(reports | tail -n 1 | tr -d '"') was asked for before; going on with it\$"
	done
}

@test "an answer to createReport that never comes: the report is found, and no other made" {
	faults sp "[{\"fault\":\"hang_after_accept\",$on_create}]"
	HTTP_TIMEOUT=1 fetch_one
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(said | sed 's/[0-9]* milli/N milli/')" "sp-fetch: US:$old:CHILD:1: Operation timed out after N milliseconds with 0 bytes received: looking whether Amazon has it all the same
sp-fetch: US:$old:CHILD:1: report 50015018 was asked for before; going on with it"
}

@test "an answer to createReport that may have been lost: looked for twice, then asked again" {
	faults sp "[{\"fault\":\"reset\",$on_create},{\"fault\":\"500\",$on_create},{\"fault\":\"503\",$on_create}]"
	fetch_one
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(steps)" "creating creating creating $all_steps"
	assert_equal "$(last .attempts)" 1
	assert_equal "$(asked .method | head -n 10 | paste -sd' ')" \
		'"GET" "POST" "GET" "GET" "POST" "GET" "GET" "POST" "GET" "GET"'
}

@test "a storm over createReport that does not heal ends, with the request still creating: 75" {
	faults sp "[{\"fault\":\"500\",$on_create,\"times\":99}]"
	control sp/quota '{"operation":"getReports","advertise":"50"}' >/dev/null
	fetch_one
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts, .not_before != null]')" '["creating",1,true]'
	assert_equal "$(count)" 0
	last '.not_before = null' >in
	curl -sS -X DELETE "$sim/_sim/faults/sp"
	fetch <in
	assert_success
	assert_equal "$(last '[.status, .attempts]')" '["DONE",1]'
}

# killed STATUS: what the ledger has of a request that was killed right after
# Amazon had taken it.
killed() {
	a_request >in
	faults sp "[{\"fault\":\"hang_after_accept\",$on_create}]"
	sp-fetch <in >out 2>err 3>&- &
	pid=$!
	wait_for eval '[ "$(count)" = 1 ]'
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	grep '"creating"' out >ledger
}

@test "killed when Amazon has the report, and the ledger says creating: the next run has it" {
	killed
	fetch <ledger
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(steps '[.status, .report_id, .attempts]')" '[created,50015018,1] [IN_QUEUE,50015018,1] [IN_PROGRESS,50015018,1] [ready,50015018,1] [DONE,50015018,1]'
}

@test "killed when Amazon has the report, and the ledger says planned: the next run has it" {
	killed
	fetch <in
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(last '[.status, .report_id, .attempts]')" '["DONE","50015018",1]'
}

@test "killed, and planned anew an hour later: it is looked for since it was first planned" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":3000}" >/dev/null
	fetch_one ".created_at = \"$(ago '1 hour')\""
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(last '[.status, .report_id]')" '["DONE","50015018"]'
}

@test "killed before Amazon had it: looked for twice, and asked" {
	fetch_one ".status = \"creating\" | .attempts = 1 | .asked_at = \"$(ago '10 seconds')\""
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(last .attempts)" 1
	assert_equal "$(asked .method | head -n 3 | paste -sd' ')" '"GET" "GET" "POST"'
}

@test "killed while a document came: the report is read again" {
	script '{"asins":2000}'
	a_request >in
	faults documents '[{"fault":"ok"},{"fault":"slow","bytes_per_second":40000}]'
	sp-fetch <in >out 2>err 3>&- &
	pid=$!
	wait_for grep -q sp_sales_by_asin out
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	[ "$(grep -c sp_sales_by_asin out)" -lt 2000 ]
	grep '"status":"ready"' out >ledger
	fetch <ledger
	assert_success
	assert_equal "$(steps)" DONE
	assert_equal "$(rows)" '2000 sp_sales_by_asin 1 sp_sales_by_date'
	assert_equal "$(asked 'select(.method == "POST").method' | wc -l)" 1
}

@test "pain 3.15: reports of other days, marketplaces, types and times are not taken" {
	while IFS= read -r other; do
		control sp/reports "$(jq -nc "{marketplace: \"US\", date: \"$old\", $options, created_ago: 10} + $other")" >/dev/null
	done <<!
{date: "$young"}
{marketplace: "CA"}
{type: "GET_FLAT_FILE_OPEN_LISTINGS_DATA"}
{created_ago: 3600}
!
	fetch_one
	assert_success
	assert_equal "$(last .report_id)" '"50015022"'
	assert_equal "$stderr" ''
}

@test "pain 3.15: a report that another app has asked for in the meantime is taken" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":10}" >/dev/null
	fetch_one '.error = "x"'
	assert_success
	assert_equal "$(count)" 1
	assert_equal "$(last '[.status, .report_id, .attempts, .error]')" '["DONE","50015018",1,null]'
}

@test "pain 3.15: one of other options is known by its document, and the right one is made" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",\"created_ago\":10,\"options\":{\"asinGranularity\":\"SKU\"}}" >/dev/null
	fetch_one
	assert_success
	assert_equal "$(steps)" "created IN_QUEUE IN_PROGRESS ready planned $all_steps"
	assert_equal "$(last '[.report_id, .attempts]')" '["50015019",2]'
	assert_equal "$(rows)" "$all_rows"
	assert_equal "$(tail -n 1 <<<"$stderr")" "sp-fetch: US:$old:CHILD:1: report 50015018 is not what was asked for: it is of another granularity"
}

@test "a report of ours that came to nothing is not taken for a new one" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":60,\"statuses\":[\"CANCELLED\"]}" >/dev/null
	fetch_one '.status = "CANCELLED" | .report_id = "50015018" | .attempts = 1'
	assert_success
	assert_equal "$(count)" 2
	assert_equal "$(last '[.status, .report_id]')" '["DONE","50015019"]'
}

@test "each of two requests takes a report of its own" {
	for _ in 1 2; do
		control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":10}" >/dev/null
	done
	{
		a_request
		a_request '.request_id = "second"'
	} >in
	fetch <in
	assert_success
	assert_equal "$(count)" 2
	assert_equal "$(got 'select(.status == "DONE").report_id' | sort -u | wc -l)" 2
}

@test "the list of reports is read to its last page" {
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":100}" >/dev/null
	for n in $(seq 110); do
		echo "{\"marketplace\":\"US\",\"date\":\"$young\",\"created_ago\":$((n % 90))}"
	done | while IFS= read -r report; do
		echo "next" && echo "url = \"$sim/_sim/sp/reports\"" && echo "data = \"${report//\"/\\\"}\"" && echo 'output = "/dev/null"'
	done | sed 1d >curl.conf
	curl -sS -K curl.conf
	fetch_one
	assert_success
	assert_equal "$(last .report_id)" '"50015018"'
	assert_equal "$(asked 'select(.path | endswith("reports")).query | keys')" '["createdSince","marketplaceIds","pageSize","reportTypes"]
["nextToken"]'
}

@test "a list of reports that makes no sense ends the run, before anything is asked for: 76" {
	for fault in '"fault":"body","body":"{}"' '"fault":"empty"' '"fault":"html"' '"fault":"body","body":"{\"reports\":null}"'; do
		faults sp "[{$fault,$on_list}]"
		fetch_one
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$stderr" 'sp-fetch: Amazon: getReports: not the answer expected'
	done
	assert_equal "$(count)" 0
}

# Rates

@test "pain 3.17: 429 of createReport is waited for, and is no attempt" {
	faults sp "[{\"fault\":\"429\",$on_create,\"times\":2},{\"fault\":\"ok\"}]"
	fetch_one
	assert_success
	assert_equal "$(steps '[.status, .attempts, .asked_at != null]')" \
		'[creating,1,true] [planned,0,false] [creating,1,true] [planned,0,false] [creating,1,true] [created,1,true] [IN_QUEUE,1,true] [IN_PROGRESS,1,true] [ready,1,true] [DONE,1,true]'
	assert_equal "$(count)" 1
}

@test "429 with a Retry-After is waited for so long, in seconds or until a date" {
	for after in 1 "$(LC_ALL=C date -u -d '3 seconds' '+%a, %d %b %Y %H:%M:%S GMT')"; do
		faults sp "[{\"fault\":\"429\",$on_create,\"retry_after\":\"$after\"}]"
		curl -sS -X DELETE "$sim/_sim/requests"
		day=$(day $((20 + ${#after}))) fetch_one
		assert_success
		run jq -s '.[1] - .[0] | . >= 0.9 and . < 3.2' < <(asked 'select(.method == "POST").time')
		assert_output true
	done
}

@test "a quota that is used up: left for later with not_before, as it was, no attempt counted: 75" {
	faults sp "[{\"fault\":\"429\",$on_create,\"retry_after\":3600}]"
	{
		a_request '.status = "not_ready" | .attempts = 3 | .asked_at = "2026-11-01T00:00:00Z"'
		a_request '.marketplace = "CA"'
	} >in
	SECONDS=0
	fetch <in
	assert [ "$SECONDS" -lt 3 ]
	assert_equal "$status" 75
	assert_equal "$stderr" 'sp-fetch: 2 of 2 reports are left for a later run'
	assert_equal "$(steps '[.marketplace, .status, .attempts, .asked_at]' | sed -E "s/$(date -u +%F)T[0-9:]*Z/NOW/")" \
		'[US,creating,4,NOW] [US,not_ready,3,2026-11-01T00:00:00Z] [CA,planned,0,null]'
	assert_equal "$(got 'select(.error) | .error')" '"Amazon'"'"'s quota is used up"'
	run jq -s 'map((.not_before | fromdate) - now | . > 3590 and . < 3605)' -c < <(got 'select(.not_before)')
	assert_output '[true,true]'
	# Nobody else asks in the meantime.
	curl -sS -X DELETE "$sim/_sim/requests"
	fetch <in
	assert_equal "$status" 75
	assert_equal "$(asked 'select(.method == "POST")')" ''
}

@test "429 of getReports, getReport and getReportDocument is waited for" {
	faults sp "[{\"fault\":\"429\",$on_list,\"retry_after\":1},{\"fault\":\"429\",$on_report,\"retry_after\":1},
		{\"fault\":\"429\",$on_document,\"retry_after\":1}]"
	fetch_one
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(count)" 1
}

@test "429 of anything without a Retry-After is waited for as its rate says; beyond --max-wait, 75" {
	for what in "$on_list" "$on_document"; do
		plenty
		faults sp "[{\"fault\":\"429\",$what,\"times\":9}]"
		SECONDS=0
		fetch_one . --max-wait 3
		assert_equal "$status" 75
		assert [ "$SECONDS" -lt 3 ]
		curl -sS -X DELETE "$sim/_sim/faults/sp"
	done
	assert_equal "$(last .status)" '"ready"'
	plenty
	faults sp "[{\"fault\":\"429\",$on_report}]"
	last . >in
	fetch <in
	assert_success
	assert_equal "$(steps)" DONE
}

@test "a rate that is used up is waited for, within --max-wait, and left beyond" {
	rm sp-api.state
	bucket createReport 0 2
	SECONDS=0
	fetch_one
	assert_success
	bucket createReport 0
	day=$young fetch_one . --max-wait 5
	assert_equal "$status" 75
	assert_equal "$(steps '[.status, .not_before != null]')" '[planned,true]'
	for operation in getReports getReport getReportDocument; do
		rm sp-api.state
		bucket "$operation" 0 0.0167 "$(($(date +%s) + 3600)).000"
		day=$young fetch_one . --max-wait 2
		assert_equal "$operation $status" "$operation 75"
	done
	assert [ "$SECONDS" -lt 6 ]
	assert_equal "$(count)" 2
}

@test "pain 3.16: of an unknown rate a few are tried; of the burst of 15, 4" {
	rm sp-api.state
	for n in 1 2 3 4 5 6; do
		day=$(day "$((n + 4))") a_request
	done >in
	fetch --max-wait 5 <in
	assert_equal "$status" 75
	assert_equal "$(count)" 4
	assert_equal "$(got 'select(.status == "DONE").date' | wc -l)" 4
	assert_equal "$(got 'select(.not_before) | [.status, .attempts]')" $'["planned",0]\n["planned",0]'
}

@test "pain 3.16: the rate that Amazon says it allows is learnt" {
	sed -i /createReport/d sp-api.state
	control sp/quota '{"operation":"createReport","advertise":"50.0"}' >/dev/null
	control sp/quota '{"operation":"getReport","advertise":"50.0"}' >/dev/null
	for n in 1 2 3 4 5 6; do
		day=$(day "$((n + 4))") a_request
	done >in
	fetch --max-wait 5 <in
	assert_success
	assert_equal "$(count)" 6
	assert_equal "$(grep -c '^createReport [0-9.]* 50 ' sp-api.state)" 1
	n=20
	for nonsense in 0 -1 soon 1e9 0.0000001 nan; do
		control sp/quota "{\"operation\":\"createReport\",\"advertise\":\"$nonsense\"}" >/dev/null
		n=$((n + 1))
		day=$(day "$n") fetch_one
		assert_equal "$nonsense $(grep -c '^createReport [0-9.]* 50 ' sp-api.state)" "$nonsense 1"
	done
}

@test "two runs at once share the rates: never more requests than the bucket has" {
	printf 'createReport 3 0.0167 %s.000 0\n' "$(date +%s)" >sp-api.state
	for n in 1 2 3 4; do
		day=$(day "$((n + 4))") a_request >>one
		day=$(day "$((n + 14))") a_request >>two
	done
	sp-fetch --max-wait 4 <one >one.out 2>one.err 3>&- &
	sp-fetch --max-wait 4 <two >two.out 2>two.err 3>&- || true
	wait "$!" || true
	assert_equal "$(count)" 3
	assert_equal "$(jq -c 'select(.status == "DONE")' one.out two.out | wc -l)" 3
}

@test "a state that makes no sense is as none, and is put right" {
	n=10
	for state in '' 'garbage' 'createReport x y z w' 'createReport 1 0 0 0' "$(printf 'x%.0s' {1..5000})" \
		'createReport nan nan nan nan' 'createReport 1e400 -inf inf inf' $'\377\376\nnothing 1 2 3 4'; do
		n=$((n + 1))
		printf '%s' "$state" >sp-api.state
		day=$(day "$n") fetch_one
		assert_success
		assert_equal "$(grep -cE '^[A-Za-z]+ [0-9.]+ [0-9.]+ [0-9]{10}\.[0-9]{3} -?[0-9]+\.[0-9]{3}$' sp-api.state)" 6
	done
}

@test "a state of a clock that has been set back holds nobody up" {
	future=$(($(date +%s) + 900000))
	printf '%s\n' "createReport 1 0.0167 $future.000 0" "getReports 3 0.0222 $future.000 $((future + 1)).000" >sp-api.state
	SECONDS=0
	fetch_one
	assert_success
	assert [ "$SECONDS" -lt 4 ]
}

@test "a state that cannot be written ends the run before any request: 74" {
	mkdir dir
	SP_API_STATE=dir fetch_one
	assert_equal "$status" 74
	assert_equal "$stderr" "sp-fetch: cannot open 'dir': Is a directory"
	SP_API_STATE=nowhere/state fetch_one
	assert_equal "$status" 74
	assert_equal "$(control requests)" ''
	SP_API_STATE=dir/state fetch_one
	assert_success
	assert_equal "$(stat -c %a dir/state)" 600
}

# Time

@test "not_before is waited for within --max-wait" {
	fetch_one ".not_before = \"$(date -u -d '2 seconds' +%FT%TZ)\""
	assert_success
	assert_equal "$(steps '[.status, .not_before]' | cut -d' ' -f1)" '[creating,null]'
	run jq "$(last '.asked_at | fromdate') - (.not_before | fromdate) >= 0" in
	assert_output true
}

@test "not_before beyond --max-wait: left as it came, at once: 75" {
	SECONDS=0
	fetch_one ".status = \"FATAL\" | .attempts = 2 | .error = \"x\" | .not_before = \"$(date -u -d '20 minutes' +%FT%TZ)\""
	assert_equal "$status" 75
	assert [ "$SECONDS" -lt 2 ]
	assert_equal "$(sed -n 2p <<<"$output")" "$(<in)"
	assert_equal "$(control requests)" ''
}

@test "--report-wait begins when the report is there, not when the run does" {
	script '{"statuses":["IN_QUEUE","DONE"]}'
	control sp/reports "{\"marketplace\":\"US\",\"date\":\"$old\",$options,\"created_ago\":10,\"statuses\":[\"IN_QUEUE\",\"IN_QUEUE\",\"DONE\"]}" >/dev/null
	fetch_one ".not_before = \"$(date -u -d '2 seconds' +%FT%TZ)\"" --report-wait 1
	assert_success
	assert_equal "$(last '[.status, .report_id]')" '["DONE","50015018"]'
}

@test "--max-wait holds: what is not done by then is left" {
	script '{"statuses":["IN_PROGRESS"]}'
	SECONDS=0
	fetch_one . --max-wait 1
	assert_equal "$status" 75
	assert [ "$SECONDS" -lt 3 ]
	fetch_one . --max-wait 0
	assert_equal "$status" 75
	assert_equal "$(sed -n 2p <<<"$output")" "$(<in)"
}

@test "an API that does not answer is waited for, and repeated, and then left: 75" {
	faults sp "[{\"fault\":\"503\",\"times\":9}]"
	HTTP_TRIES=3 fetch_one . --max-wait 3
	assert_equal "$status" 75
	assert_equal "$(said)" 'sp-fetch: SIM/sp/reports/2021-06-30/reports: HTTP status 503; trying again in N s
sp-fetch: SIM/sp/reports/2021-06-30/reports: HTTP status 503; trying again in N s
sp-fetch: 1 of 1 reports are left for a later run'
	assert_equal "$(sed -n 2p <<<"$output")" "$(<in)"
}

@test "500 and 503 of any call heal" {
	faults sp "[{\"fault\":\"503\",$on_list},{\"fault\":\"500\",$on_report,\"times\":2},{\"fault\":\"reset\",$on_report},
		{\"fault\":\"503\",$on_document},{\"fault\":\"500\",$on_document}]"
	faults lwa '[{"fault":"error","error":"server_error"},{"fault":"429"}]'
	fetch_one
	assert_success
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(count)" 1
}

@test "no connection: 75, and nothing was asked for" {
	export SP_API_URL=http://127.0.0.1:1
	HTTP_TRIES=2 fetch_one . --max-wait 2
	assert_equal "$status" 75
	assert_equal "$(sed -n 2p <<<"$output")" "$(<in)"
}

# Credentials

# Each line: the error, the exit status, what the message advises.
@test "pain 3.22: each error of Login with Amazon is a sentence and a status" {
	while IFS='|' read -r error code advice; do
		faults lwa "[{\"fault\":\"error\",\"error\":\"$error\",\"times\":2}]"
		HTTP_TRIES=2 fetch_one
		assert_equal "$error $status" "$error $code"
		assert_regex "$(tail -n 1 <<<"$stderr")" "^sp-fetch: Login with Amazon: $error \(.+\): .*$advice"
		assert_equal "$(got .type)" '"run"'
		curl -sS -X DELETE "$sim/_sim/faults/lwa"
	done <<'!'
invalid_client|77|secret has expired .*set SP_API_CLIENT_ID and SP_API_CLIENT_SECRET$
invalid_grant|77|authorize the app again and set SP_API_REFRESH_TOKEN$
unauthorized_client|77|roles
access_denied|77|authorize it again$
invalid_scope|77|authorize it again$
invalid_request|78|a setting is malformed
unsupported_grant_type|76|LWA_URL
server_error|75|try again later$
temporarily_unavailable|75|try again later$
!
	faults lwa '[{"fault":"error","error":"new_error"}]'
	fetch_one
	assert_equal "$status" 77
	assert_equal "$stderr" 'sp-fetch: Login with Amazon: new_error (Simulated)'
	assert_equal "$(control requests?api=sp)" ''
}

@test "an answer of Login with Amazon that makes no sense: 76" {
	for fault in '"fault":"html"' '"fault":"empty"' '"fault":"body","body":"{}"' '"fault":"body","body":"{\"access_token\":7}"'; do
		faults lwa "[{$fault}]"
		fetch_one
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$stderr" 'sp-fetch: Login with Amazon: not the answer expected'
	done
	faults lwa '[{"fault":"body","body":"{\"access_token\":\"a\\r\\nX: y\"}"}]'
	fetch_one
	assert_equal "$status" 76
	assert_equal "$stderr" 'sp-fetch: Login with Amazon: a token that cannot stand in a header'
}

@test "Login with Amazon that is busy is asked again, and then left: 75" {
	faults lwa '[{"fault":"429","retry_after":1},{"fault":"reset"}]'
	fetch_one
	assert_success
	faults lwa '[{"fault":"429","retry_after":600}]'
	fetch_one . --max-wait 5
	assert_equal "$status" 75
	assert_equal "$stderr" 'sp-fetch: Login with Amazon: HTTP status 429; try again later'
}

@test "a token that expires in the run is renewed once" {
	faults sp "[{\"fault\":\"expired\",$on_create},{\"fault\":\"expired\",$on_report}]"
	fetch_one
	assert_success
	assert_equal "$(steps)" "$all_steps"
	assert_equal "$(count)" 1
	assert_equal "$(control lwa/tokens | wc -l)" 3
	faults sp "[{\"fault\":\"expired\",\"times\":2}]"
	day=$young fetch_one
	assert_equal "$status" 77
}

@test "a token is had anew before it expires" {
	control lwa/lifetime '{"seconds":60}' >/dev/null
	fetch_one
	assert_success
	assert [ "$(control lwa/tokens | wc -l)" -gt 5 ]
}

# Each line: what Amazon answers; the message's end.
@test "pain 3.23: 401 and 403 end the run with what to do, and the request stays planned: 77" {
	while IFS='|' read -r fault message; do
		faults sp "[{$fault,$on_create}]"
		plenty
		fetch_one
		assert_equal "$message $status" "$message 77"
		assert_equal "$(said)" "sp-fetch: Amazon: createReport: $message"
		assert_equal "$(steps '[.status, .attempts, .asked_at != null]')" '[creating,1,true] [planned,0,false]'
		assert_equal "$(got 'select(.type == "end")')" ''
	done <<'!'
"fault":"403"|HTTP status 403: Unauthorized: Access to requested resource is denied. (request ID): is the Brand Analytics role there, and was the app authorized again since? Is it the right region?
"fault":"403","details":"The LWA secret token you provided has expired"|HTTP status 403: Unauthorized: Access to requested resource is denied.: The LWA secret token you provided has expired (request ID): the client secret has expired; renew it in the developer console and set SP_API_CLIENT_SECRET
"fault":"403","details":"The access token you provided is revoked, malformed or invalid."|HTTP status 403: Unauthorized: Access to requested resource is denied.: The access token you provided is revoked, malformed or invalid. (request ID): Amazon does not accept the app's token: authorize the app again and set SP_API_REFRESH_TOKEN
"fault":"status","code":401|HTTP status 401: Amazon does not accept the app's token: authorize the app again and set SP_API_REFRESH_TOKEN
!
	for on in "$on_list" "$on_report" "$on_document"; do
		faults sp "[{\"fault\":\"403\",$on}]"
		day=$(day "${#on}") fetch_one
		assert_equal "$on $status" "$on 77"
	done
	assert_equal "$(last .status)" '"ready"'
}

@test "a marketplace in which the seller takes no part: 77" {
	fetch_one '.marketplace = "MX"'
	assert_equal "$status" 77
	assert_equal "$(last '[.status, .attempts]')" '["planned",0]'
}

@test "400 of createReport is the request's own fault: failed, and the others go on: 65" {
	{
		a_request ".date = \"$(date -u -d '2 days' +%F)\" | .request_id = \"future\""
		a_request
	} >in
	fetch <in
	assert_equal "$status" 65
	assert_equal "$(got 'select(.request_id == "future")' | tail -n 1 | jq -c '[.status, .attempts]')" '["failed",1]'
	assert_regex "$(said)" '^sp-fetch: future: HTTP status 400: InvalidInput: The date range may not end or begin in the future \(request ID\)$'
	assert_equal "$(rows)" "$all_rows"
}

@test "settings that are missing or wrong are named before any request: 78" {
	while read -r setting; do
		run --separate-stderr env -u "$setting" sp-fetch </dev/null
		assert_equal "$setting $status" "$setting 78"
		assert_regex "$stderr" "^sp-fetch: .*$setting"
		assert_output ''
	done <<'!'
SP_API_CLIENT_ID
SP_API_CLIENT_SECRET
SP_API_REFRESH_TOKEN
!
	for setting in SP_API_URL=http://example.com LWA_URL=ftp://127.0.0.1 SP_POLL_MS=0 SP_ASK_MS=x; do
		run --separate-stderr env "$setting" sp-fetch </dev/null
		assert_equal "$setting $status" "$setting 78"
		assert_regex "$stderr" "^sp-fetch: ${setting%%=*} "
	done
	assert_equal "$(control requests)" ''
}

@test "LWA_APP_ID and LWA_CLIENT_SECRET do, and a region has a refresh token of its own" {
	export LWA_APP_ID=$SP_API_CLIENT_ID LWA_CLIENT_SECRET=$SP_API_CLIENT_SECRET
	unset SP_API_CLIENT_ID SP_API_CLIENT_SECRET
	SP_API_REFRESH_TOKEN='Atzr|other' SP_API_REFRESH_TOKEN_NA='Atzr|test' fetch_one
	assert_success
	SP_API_REFRESH_TOKEN_EU='Atzr|eu & more' fetch_one '.marketplace = "DE"'
	assert_equal "$status" 77
	assert_equal "$(requests lwa .body | tail -n 1)" \
		'"grant_type=refresh_token&refresh_token=Atzr%7Ceu%20%26%20more&client_id=amzn1.application-oa2-client.test&client_secret=amzn1.oa2-cs.v1.test"'
}

@test "no secret and no document's URL is in any message, record or argument" {
	export SP_API_CLIENT_SECRET=canary1secret SP_API_REFRESH_TOKEN='Atzr|canary2token'
	faults lwa '[{"fault":"status","code":400,"body":{"error":"invalid_grant","error_description":"canary1secret Atzr|canary2token"}}]'
	fetch_one
	assert_equal "$status" 77
	assert_equal "$(grep -c canary <<<"$output$stderr")" 0
	assert_regex "$stderr" 'invalid_grant \(\*+ \*+\)'
	export SP_API_CLIENT_SECRET=amzn1.oa2-cs.v1.test SP_API_REFRESH_TOKEN='Atzr|test'
	# Amazon repeats the token; documents fail in each way.
	cat >server.py <<'!'
import http.server, re
class Echo(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        body = b'{"errors":[{"code":"x","message":"got %s"}]}' % self.headers["x-amz-access-token"].encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
print(server.server_port, flush=True)
server.handle_request()
!
	coproc python3 server.py 3>&-
	read -r port <&"${COPROC[0]}"
	SP_API_URL=http://127.0.0.1:$port fetch_one
	assert_equal "$status" 77
	assert_equal "$(grep -c 'Atza' <<<"$output$stderr")" 0
	assert_regex "$stderr" 'got \*+'
	for fault in '"fault":"403"' '"fault":"503"' '"fault":"reset"' '"fault":"truncate"' '"fault":"status","code":302,"headers":{"Location":"https://example.com/"}'; do
		plenty
		faults documents "[{$fault,\"times\":3}]"
		day=$(day "${#fault}") fetch_one
		assert_equal "$(grep -ciE 'Signature|/documents/amzn' <<<"$output$stderr")" 0
	done
}

# Documents

@test "pain 3.19: a document is what its bytes say, whatever is said of it" {
	for compression in plain plain_flagged gzip_unflagged content_encoding two_members; do
		script "{\"statuses\":[\"DONE\"],\"compression\":\"$compression\",\"b2b\":true}"
		day=$(day "$((10 + ${#compression}))") fetch_one
		assert_equal "$compression $status $(rows)" "$compression 0 $all_rows"
		assert_equal "$stderr" ''
	done
	assert_equal "$(got 'select(.type == "sp_sales_by_asin") | .data.salesByAsin | has("unitsOrderedB2B")' | sort -u)" true
}

# Each line: how it is damaged, what is said.
@test "pain 3.19: of a damaged document nothing goes out: asked for 3 times, then FATAL: 76" {
	n=10
	while IFS='|' read -r compression why; do
		n=$((n + 1))
		script "{\"statuses\":[\"DONE\"],\"compression\":\"$compression\"}"
		plenty
		day=$(day "$n") fetch_one
		assert_equal "$compression $status" "$compression 76"
		assert_equal "$(rows)" ''
		assert_equal "$(last '[.status, .error]')" "[\"FATAL\",\"the document of report $(last .report_id | tr -d '"'): $why\"]"
		assert_equal "$(grep -c "$why; trying again" <<<"$stderr")" 2
	done <<'!'
truncated|its gzip data are cut off
corrupt|its gzip data are damaged
bad_crc|its gzip data are damaged
trailing_garbage|its gzip data are damaged
!
	assert_equal "$(asked 'select(.path | contains("documents")).status' | wc -l)" 12
}

@test "a document that is damaged once is had the second time, by a new URL, and its rows once" {
	n=10
	for compression in truncated corrupt bad_crc; do
		n=$((n + 1))
		script "{\"statuses\":[\"DONE\"],\"compression\":\"$compression\",\"compression_times\":1}"
		day=$(day "$n") fetch_one
		assert_equal "$compression $status $(rows)" "$compression 0 $all_rows"
		assert_equal "$(got 'select(.data) | [.type, .data.childAsin]' | sort | uniq -d)" ''
	done
	assert_equal "$(requests documents '.query["X-Amz-Signature"]' | sort -u | wc -l)" 6
}

@test "rows go out once, though the second download breaks off in their midst" {
	script '{"statuses":["DONE"],"asins":2000,"compression":"plain"}'
	faults documents '[{"fault":"ok"},{"fault":"reset","after":300000},{"fault":"truncate","after":600000}]'
	fetch_one
	assert_success
	assert_equal "$(rows)" '2000 sp_sales_by_asin 1 sp_sales_by_date'
	assert_equal "$(got 'select(.data.childAsin).data.childAsin' | sort -u | wc -l)" 2000
	assert_equal "$(last '[.status, .rows_by_asin]')" '["DONE",2000]'
	assert_equal "$(got 'select(.type == "end").records')" "$(($(wc -l <<<"$output") - 2))"
}

@test "a document that is another one the second time: nothing of that goes out" {
	script '{"statuses":["DONE"],"compression":"plain"}'
	a_request >in
	fetch <in
	changed=$(got 'select(.data.childAsin == "B0SIM00002").data')
	body=$(jq -nc --arg day "$old" --argjson rows "$(got 'select(.data.childAsin).data' | jq -s .)" \
		--argjson total "$(got 'select(.type == "sp_sales_by_date").data')" '{reportSpecification:
		{reportType: "GET_SALES_AND_TRAFFIC_REPORT", dataStartTime: $day, dataEndTime: $day, marketplaceIds: ["ATVPDKIKX0DER"],
		reportOptions: {dateGranularity: "DAY", asinGranularity: "CHILD"}},
		salesAndTrafficByDate: [$total], salesAndTrafficByAsin: ($rows | .[1].salesByAsin.unitsOrdered += 1)}')
	faults documents "$(jq -nc --arg body "$body" '[{fault: "ok"}, {fault: "body", $body}]')"
	fetch <in
	assert_success
	assert_equal "$(tail -n 1 <<<"$stderr")" "sp-fetch: US:$old:CHILD:1: the document of report $(last .report_id | tr -d '"'): it is another one the second time; trying again"
	assert_equal "$(rows)" "$all_rows"
	assert_equal "$(got 'select(.data.childAsin == "B0SIM00002").data')" "$changed"
}

@test "a document of 200 MB of blanks is read in memory that stays" {
	script '{"statuses":["DONE"],"compression":{"bomb":200000000}}'
	a_request >in
	peak_kib sh -c 'sp-fetch <in >out' >peak
	assert_equal "$(grep -c sp_sales_by_asin out)" 12
	sanitized || assert [ "$(<peak)" -lt 16384 ]
}

@test "pain 3.24: a URL that has expired is asked for anew" {
	script '{"statuses":["DONE"],"expired_times":2}'
	fetch_one
	assert_success
	assert_equal "$(rows)" "$all_rows"
	assert_equal "$stderr" "$(for _ in 1 2; do echo "sp-fetch: US:$old:CHILD:1: the document of report 50015018: HTTP status 403; trying again"; done)"
	assert_equal "$(count)" 1
}

@test "a document's host that fails is tried again, and then in a later run: no report is lost: 75" {
	faults documents '[{"fault":"503","times":2}]'
	fetch_one
	assert_success
	assert_equal "$(rows)" "$all_rows"
	for fault in '"fault":"503"' '"fault":"reset"' '"fault":"truncate"'; do
		plenty
		faults documents "[{$fault,\"times\":3}]"
		day=$(day "$((10 + ${#fault}))") fetch_one
		assert_equal "$fault $status" "$fault 75"
		assert_equal "$(last '[.status, .attempts, .not_before]')" '["ready",1,null]'
		assert_regex "$(last .error)" 'cannot be reached: '
		assert_equal "$(rows)" ''
	done
	last . >in
	fetch <in
	assert_success
	assert_equal "$(steps '[.status, .error]')" '[DONE,null]'
	assert_equal "$(rows)" "$all_rows"
}

@test "a document that takes longer than --max-wait is left for a later run" {
	faults documents '[{"fault":"slow","bytes_per_second":500}]'
	SECONDS=0
	fetch_one . --max-wait 1
	assert_equal "$status" 75
	assert [ "$SECONDS" -lt 5 ]
	assert_equal "$(last '[.status, .attempts]')" '["ready",1]'
}

@test "a document's URL leads nowhere but to Amazon's store: no other host is asked, 76" {
	n=0
	while read -r url; do
		n=$((n + 1))
		script "$(jq -nc --arg url "$url" '{statuses: ["DONE"], $url}')"
		plenty
		day=$(day "$((10 + n))") fetch_one
		assert_equal "$url $status" "$url 76"
		assert_equal "$(last .status)" '"FATAL"'
		assert_regex "$(last .error)" ': it is said to be where Amazon keeps none"$'
	done <<!
http://example.com/
http://10.0.0.1/
http://169.254.169.254/latest/meta-data/
http://0.0.0.0:${sim##*:}/
http://[::ffff:127.0.0.1]:${sim##*:}/
http://[::ffff:7f00:1]/
http://user@127.0.0.1:${sim##*:}/
http://127.0.0.1@example.com/
http://127.0.0.1.example.com/
file:///etc/passwd
ftp://127.0.0.1/
//127.0.0.1/
nonsense
!
	assert_equal "$(requests documents)" ''
}

@test "a redirect of a document is not followed" {
	faults documents "[{\"fault\":\"status\",\"code\":302,\"headers\":{\"Location\":\"$sim/keepa/token\"},\"times\":3}]"
	fetch_one
	assert_equal "$status" 76
	assert_equal "$(last .status)" '"FATAL"'
	assert_equal "$(requests keepa)" ''
}

@test "an answer about a document without a URL ends the run; the report stays ready: 76" {
	for fault in '"fault":"body","body":"{}"' '"fault":"html"' '"fault":"body","body":"{\"url\":\"a\\u0000b\"}"'; do
		faults sp "[{$fault,$on_document}]"
		day=$(day "$((10 + ${#fault}))") fetch_one
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$stderr" 'sp-fetch: Amazon: getReportDocument: not the answer expected'
		assert_equal "$(last .status)" '"ready"'
	done
}

@test "an answer of getReport that makes no sense ends the run: 76" {
	for fault in '"fault":"body","body":"{}"' '"fault":"html"' '"fault":"empty"' '"fault":"body","body":"{\"processingStatus\":\"DONE\",\"reportDocumentId\":\"../x?y\"}"'; do
		plenty
		faults sp "[{$fault,$on_report}]"
		day=$(day "$((10 + ${#fault}))") fetch_one
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$stderr" 'sp-fetch: Amazon: getReport: not the answer expected'
		assert_equal "$(last .status)" '"created"'
	done
}

@test "reportSpecification last is as good as first" {
	script '{"statuses":["DONE"],"spec_last":true}'
	fetch_one
	assert_success
	assert_equal "$(rows)" "$all_rows"
}

# Each line: what it says instead; how that is told.
@test "a document of something else is dropped, and the right report made; for the third time failed" {
	n=10
	while IFS='|' read -r spec why; do
		n=$((n + 1))
		script "{\"statuses\":[\"DONE\"],\"spec\":$spec}" '{"statuses":["DONE"]}'
		plenty
		day=$(day "$n") fetch_one
		assert_equal "$spec $status" "$spec 0"
		assert_regex "$stderr" "^sp-fetch: US:$(day "$n"):CHILD:1: report [0-9]+ is not what was asked for: $why\$"
		assert_equal "$(steps)" 'creating created ready planned creating created ready DONE'
		assert_equal "$(rows)" "$all_rows"
	done <<!
{"dataStartTime":"$young"}|it is of another day
{"dataEndTime":"$young"}|it is of another day
{"marketplaceIds":["A2EUQ1WTGCTBG2"]}|it is of another marketplace
{"reportOptions":{"dateGranularity":"DAY","asinGranularity":"SKU"}}|it is of another granularity
{"reportOptions":{"dateGranularity":"WEEK","asinGranularity":"CHILD"}}|it is of another granularity
{"reportType":"GET_VENDOR_TRAFFIC_REPORT"}|it is of another type
!
	script "{\"statuses\":[\"DONE\"],\"spec\":{\"dataStartTime\":\"$young\"}}"
	plenty
	fetch_one
	assert_equal "$status" 65
	assert_equal "$(last '[.status, .attempts]')" '["failed",3]'
	assert_equal "$(rows)" ''
	assert_equal "$(reports .date | grep -c "$old")" 3
}

@test "a document that does not say what it is, or is none, is damaged" {
	n=10
	while IFS='|' read -r outcome why; do
		n=$((n + 1))
		script "{\"statuses\":[\"DONE\"],$outcome}"
		plenty
		day=$(day "$n") fetch_one
		assert_equal "$outcome $status" "$outcome 76"
		assert_regex "$(last .error)" ": $why\"\$"
		assert_equal "$(rows)" ''
	done <<'!'
"spec":null|it does not say what it is
"document":{"body":""},"compression":"plain"|it is empty
"document":{"body":""}|nothing came
"document":{"body":"[]"}|not a JSON object
"document":{"body":"<html>"}|not a JSON object
"document":{"body":"{\"salesAndTrafficByAsin\":[{\"parentAsin\":\"P\"}"}|cut short
"document":{"body":"{}{}"}|something after the document
!
}

@test "pain 3.20: UTF-8 goes through as it is; a row that is none is left out, and told: 65" {
	script "$(jq -nc --arg day "$old" '{statuses: ["DONE"], document: {body: ({reportSpecification: {reportType: "GET_SALES_AND_TRAFFIC_REPORT",
		dataStartTime: $day, dataEndTime: $day, reportOptions: {dateGranularity: "DAY", asinGranularity: "SKU"},
		marketplaceIds: ["ATVPDKIKX0DER"]}, salesAndTrafficByDate: [{date: $day}, {date: "2020-01-01"}],
		salesAndTrafficByAsin: [{sku: "Käse-🧀"}, {sku: "bad BYTE"}, 7, {sku: "amount", n: "LEXEME"}]}
		| tojson | sub("\"LEXEME\""; "1.10e2"))}}' | sed 's/BYTE/\\udcff/')"
	fetch_one '.granularity = "SKU"'
	assert_equal "$status" 65
	assert_equal "$(jq -c 'select(.data).data' <<<"$output" | wc -l)" 3
	assert_equal "$(grep -c '"data":{"sku":"Käse-🧀"}' <<<"$output")" 1
	assert_equal "$(grep -c '"data":{"sku":"amount","n":1.10e2}' <<<"$output")" 1
	assert_equal "$(last '[.status, .rows_by_asin, .rows_by_date]')" '["DONE",4,2]'
	assert_equal "$stderr" 'sp-fetch: report 50015018: a row of byDate is not of one of its days'
}

@test "a row that is not UTF-8 is named by its column" {
	script "$(jq -nc --arg day "$old" '{statuses: ["DONE"], document: {body: ({reportSpecification: {reportType: "GET_SALES_AND_TRAFFIC_REPORT",
		dataStartTime: $day, dataEndTime: $day, reportOptions: {dateGranularity: "DAY", asinGranularity: "CHILD"},
		marketplaceIds: ["ATVPDKIKX0DER"]}, salesAndTrafficByDate: [], salesAndTrafficByAsin: [{a: "BYTE"}, {a: 1}]} | tojson)}}' | sed 's/BYTE/\\udcff/')"
	fetch_one
	assert_equal "$status" 65
	assert_regex "$stderr" '^sp-fetch: report 50015018: a row of byAsin: column [0-9]+: '
	assert_equal "$(rows)" '1 sp_sales_by_asin'
}

@test "odd rows are no business of ours: duplicates, over 100 percent, zeros" {
	script '{"statuses":["DONE"],"duplicate":true}'
	fetch_one
	assert_success
	assert_equal "$(rows)" '13 sp_sales_by_asin 1 sp_sales_by_date'
	script '{"statuses":["DONE"],"document":"zero"}'
	day=$young fetch_one
	assert_success
	assert_equal "$(rows)" '1 sp_sales_by_date'
}

# The rest

@test "pain 3.21: memory stays under 16 MiB for a report of 100,000 ASINs" {
	script '{"statuses":["DONE"],"asins":100000,"b2b":true}'
	a_request >in
	HTTP_STALL_TIMEOUT=60 HTTP_TIMEOUT=100 peak_kib sh -c 'sp-fetch <in >out' >peak
	assert_equal "$(grep -c sp_sales_by_asin out)" 100000
	sanitized || assert [ "$(<peak)" -lt 16384 ]
}

@test "--check says where the seller takes part" {
	fetch --check
	assert_success
	assert_equal "$(got '[.type, .service, .ok, .detail]')" '["health_checks","sp-api",true,"takes part in: US CA"]'
	assert_equal "$(asked)" '["GET","marketplaceParticipations"]'
}

@test "--check says why not: 77, 75, 76" {
	faults lwa '[{"fault":"error","error":"invalid_client"}]'
	fetch --check
	assert_equal "$status" 77
	assert_equal "$(got '[.type, .ok]')" '["health_checks",false]'
	assert_equal "$stderr" "sp-fetch: $(got .detail | jq -r .)"
	assert_regex "$stderr" 'Login with Amazon: invalid_client .*has to be renewed every 180 days'
	faults sp '[{"fault":"403"},{"fault":"html"}]'
	fetch --check
	assert_equal "$status" 77
	assert_regex "$(got .detail)" '^"HTTP status 403: Unauthorized: '
	fetch --check
	assert_equal "$status" 76
	assert_equal "$(got '[.ok, .detail]')" '[false,"Amazon: getMarketplaceParticipations: not the answer expected"]'
	faults sp '[{"fault":"404"}]'
	fetch --check
	assert_equal "$status" 76
	faults sp '[{"fault":"503","times":9}]'
	HTTP_TRIES=1 fetch --check
	assert_equal "$status" 75
	assert_equal "$(got .ok)" false
}

@test "--help and --version; what is no option: 64" {
	run --separate-stderr sp-fetch --help
	assert_success
	assert_regex "$output" '^usage: sp-fetch '
	run sp-fetch --version
	assert_output 'sp-fetch 0.1.0'
	for arguments in --document -x --max-wait=soon --max-wait=-1 '--report-wait 90000' operand; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr sp-fetch $arguments </dev/null
		assert_equal "$arguments $status" "$arguments 64"
	done
}

@test "a full disk is 74, and a reader that leaves ends it" {
	a_request >in
	run bash -c 'sp-fetch <in >/dev/full'
	assert_equal "$status" 74
	assert_regex "$output" 'No space left on device'
	assert_equal "$(count)" 0
	run bash -c 'sp-fetch <in | true; echo "${PIPESTATUS[0]}"'
	assert_regex "$output" '(141|74)$'
}
