#!/usr/bin/env bats
# What sp-fetch makes of documents, of credentials that are refused, and of the
# system that it runs on.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load sp

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
	faults documents '[{"fault":"slow","bytes_per_second":50}]'
	HTTP_TIMEOUT=600 fetch_one . --max-wait 1
	assert_equal "$status" 75
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
@test "a document of something else is dropped, and the right report made; the second time later" {
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
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts, .not_before == null]')" '["FATAL",2,false]'
	assert_equal "$(rows)" ''
	assert_equal "$(reports .date | grep -c "$old")" 2
}

@test "an option that is not there is the one by default" {
	script '{"statuses":["DONE"],"spec":{"reportOptions":{"asinGranularity":"CHILD"}}}'
	fetch_one
	assert_success
	assert_equal "$(rows)" "$all_rows"
}

@test "a store that will not give the document is asked in a later run, and no other report is made" {
	script '{"statuses":["DONE"]}'
	faults documents '[{"fault":"403","times":9}]'
	fetch_one
	assert_equal "$status" 75
	assert_equal "$(last '[.status, .attempts]')" '["ready",1]'
	last . >in
	curl -sS -X DELETE "$sim/_sim/faults/documents" >/dev/null
	fetch <in
	assert_success
	assert_equal "$(rows)" "$all_rows"
	assert_equal "$(reports .date | grep -c "$old")" 1
}

@test "why a report failed is told, even if it is but words" {
	script '{"statuses":["FATAL"],"compression":"plain","document":{"body":"some plain words\nin two lines"}}'
	fetch_one
	assert_equal "$(last '[.status, .error]')" '["FATAL","failed at Amazon: some plain words in two lines"]'
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

@test "pain 3.21: memory stays under 16 MiB for a report of 40,000 ASINs" {
	script '{"statuses":["DONE"],"asins":40000,"b2b":true}'
	a_request >in
	HTTP_STALL_TIMEOUT=60 HTTP_TIMEOUT=100 peak_kib sh -c 'sp-fetch <in >out' >peak
	assert_equal "$(grep -c sp_sales_by_asin out)" 40000
	sanitized || assert [ "$(<peak)" -lt 16384 ]
}

@test "--check says where the seller takes part" {
	fetch --check
	assert_success
	assert_equal "$(got '[.type, .service, .ok, .detail]')" '["health_checks","sp-api",true,"takes part in: US CA"]'
	assert_equal "$(asked)" '["GET","marketplaceParticipations"]
["GET","reports"]'
}

@test "--check says that the role for these reports is missing" {
	faults sp '[{"fault":"403","path":"/reports/*"}]'
	fetch --check
	assert_equal "$status" 77
	assert_equal "$(got '[.type, .ok]')" '["health_checks",false]'
	assert_regex "$stderr" '^sp-fetch: Amazon: getReports: HTTP status 403: .*: is the Brand Analytics role there'
}

@test "a client secret that is about to expire is told of" {
	SP_API_SECRET_DATE=$(date -u -d '-120 days' +%F) fetch --check
	assert_equal "$stderr" ''
	SP_API_SECRET_DATE=$(date -u -d '-170 days' +%F) fetch --check
	assert_equal "$status" 0
	assert_equal "$stderr" 'sp-fetch: the client secret expires in 10 days: renew it in the developer console, and set SP_API_SECRET_DATE'
	SP_API_SECRET_DATE=$(date -u -d '-181 days' +%F) fetch --check
	assert_regex "$stderr" 'has expired: renew it in the developer console'
	SP_API_SECRET_DATE=yesterday fetch --check
	assert_equal "$status" 78
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
