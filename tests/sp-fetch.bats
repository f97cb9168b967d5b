#!/usr/bin/env bats
# What sp-fetch asks Amazon, when, and what it makes of the answers.  Documents
# and credentials are in sp-documents.bats.
# That its requests are right, the simulator sees to: it takes no other.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load sp

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

@test "a marketplace and a day are enough" {
	echo '{"type":"report_requests","request_id":"x","marketplace":"US","date":"'"$old"'"}' >in
	fetch <in
	assert_success
	assert_equal "$(steps)" "$all_steps"
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
		a_request '.status = 1'
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

@test "days that were not ready do not count as failures: the first one after them is tried again" {
	script '{"statuses":["FATAL"],"document":false}'
	fetch_one '.status = "not_ready" | .attempts = 3 | .report_id = "5"'
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts]')" '["FATAL",4]'
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
	for after in 1 date; do
		[ "$after" = 1 ] || after=$(LC_ALL=C date -u -d '3 seconds' '+%a, %d %b %Y %H:%M:%S GMT')
		faults sp "[{\"fault\":\"429\",$on_create,\"retry_after\":\"$after\"}]"
		curl -sS -X DELETE "$sim/_sim/requests"
		begun=$EPOCHSECONDS
		day=$(day $((20 + ${#after}))) fetch_one
		assert_success
		# Not before that, and not for the time that a rate would have it wait.
		[ "$after" = 1 ] && until=$((begun + 1)) || until=$(date -d "$after" +%s)
		run jq -s --argjson until "$until" '.[1] >= $until and .[1] - .[0] < 30' < <(asked 'select(.method == "POST").time')
		assert_output true
	done
}

@test "a quota that is used up: left for later with not_before, as it was, no attempt counted: 75" {
	faults sp "[{\"fault\":\"429\",$on_create,\"retry_after\":3600}]"
	{
		a_request '.status = "not_ready" | .attempts = 3 | .asked_at = "2026-11-01T00:00:00Z"'
		a_request '.marketplace = "CA"'
	} >in
	fetch <in
	assert_equal "$status" 75
	assert_equal "$stderr" 'sp-fetch: 2 of 2 reports are left for a later run'
	assert_equal "$(steps '[.marketplace, .status, .attempts, .asked_at]' | sed -E "s/$(date -u +%F)T[0-9:]*Z/NOW/")" \
		'[US,creating,4,NOW] [US,not_ready,3,2026-11-01T00:00:00Z] [CA,planned,0,null]'
	assert_equal "$(got 'select(.error) | .error')" '"Amazon'"'"'s quota is used up"'
	run jq -s 'map((.not_before | fromdate) - now | . > 3400 and . < 3605)' -c < <(got 'select(.not_before)')
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
		fetch_one . --max-wait 3
		assert_equal "$status" 75
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
	fetch_one
	assert_success
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
	fetch_one ".status = \"FATAL\" | .attempts = 2 | .error = \"x\" | .not_before = \"$(date -u -d '20 minutes' +%FT%TZ)\""
	assert_equal "$status" 75
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
	fetch_one . --max-wait 1
	assert_equal "$status" 75
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
