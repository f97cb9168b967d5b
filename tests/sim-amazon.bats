#!/usr/bin/env bats
# The simulator itself, where it is Amazon: Login with Amazon, Reports, the document host.
# shellcheck disable=SC2154 # sim, shared: from helper.bash; output: from bats
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

TYPE=GET_SALES_AND_TRAFFIC_REPORT
US=ATVPDKIKX0DER
REPORTS=reports/2021-06-30/reports
DOCUMENTS=reports/2021-06-30/documents
AGENT='sellerpipe/1 (Language=C/11; Platform=Linux/x86_64)'
NOW=2026-11-21T12:00:00Z

setup() {
	clean_room
	start_sim
	control sp/clock "{\"now\":\"$NOW\"}" >/dev/null
	token=$(lwa | jq -r .access_token)
}

teardown() {
	stop_sim
}

# lwa [NAME=VALUE...]: ask for a token, with these fields instead of the right ones.
lwa() {
	local field
	local -A form=([grant_type]=refresh_token [refresh_token]=$SP_API_REFRESH_TOKEN
		[client_id]=$SP_API_CLIENT_ID [client_secret]=$SP_API_CLIENT_SECRET)
	for field in "$@"; do
		form[${field%%=*}]=${field#*=}
	done
	set --
	for field in "${!form[@]}"; do
		set -- "$@" --data-urlencode "$field=${form[$field]}"
	done
	curl -sS -w '%{stderr}%{http_code}' "$LWA_URL" "$@" 2>status
}

# sp PATH [CURL'S ARGUMENT...]: the body; the status in the file status, the head in head.txt.
sp() {
	local path=$1
	shift
	curl -sS -g -D head.txt -w '%{stderr}%{http_code}' -A "$AGENT" \
		-H "x-amz-access-token: $token" "$SP_API_URL/$path" "$@" 2>status
}

# ask [JQ]: the body of a createReport, changed by jq.
ask() {
	jq -nc --arg type "$TYPE" --arg id "$US" '{reportType: $type, marketplaceIds: [$id],
		dataStartTime: "2026-11-18T00:00:00Z", dataEndTime: "2026-11-18T23:59:59Z",
		reportOptions: {dateGranularity: "DAY", asinGranularity: "CHILD"}} |'"${1:-.}"
}

create() { # [JQ]: createReport; the answer
	sp "$REPORTS" -H 'Content-Type: application/json' -d "$(ask "${1:-.}")"
}

created() { # [JQ]: the id of the new report
	create "${1:-.}" | jq -r .reportId
}

script() { # OUTCOME...: of all reports to come
	control sp/script "[{\"outcomes\":[$(
		IFS=,
		echo "$*"
	)]}]" >/dev/null
}

document_of() { # REPORT: polled until it is over, what getReportDocument says
	local id
	for _ in 1 2 3; do
		id=$(sp "$REPORTS/$1" | jq -r '.reportDocumentId // empty')
	done
	sp "$DOCUMENTS/$id"
}

url_of() {
	document_of "$1" | jq -r .url
}

# refused STATUS CODE [TEXT]: the last answer, in $output.
refused() {
	assert_equal "$(<status)" "$1"
	assert_equal "$(jq -r '.errors[0].code' <<<"$output")" "$2"
	assert_equal "$(jq -r '.errors[0] | .details as $d | if $d == "" then .message else $d end' <<<"$output")" \
		"${3-$(jq -r '.errors[0].message' <<<"$output")}"
}

@test "a report goes through its states to its document" {
	run create
	assert_output '{"reportId":"50015018"}'
	assert_equal "$(<status)" 202
	assert_regex "$(<head.txt)" 'x-amzn-RequestId: [0-9a-f-]{36}'
	assert_regex "$(<head.txt)" 'x-amzn-RateLimit-Limit: 0.0167'
	for expected in IN_QUEUE IN_PROGRESS DONE DONE; do
		sp "$REPORTS/50015018" >report
		assert_equal "$(jq -r .processingStatus report)" "$expected"
	done
	run document_of 50015018
	assert_equal "$(jq -r .compressionAlgorithm <<<"$output")" GZIP
	assert_equal "$(jq -r .reportDocumentId <<<"$output")" "$(jq -r .reportDocumentId report)"
	curl -sS --compressed -D head.txt -o document "$(jq -r .url <<<"$output")"
	refute_regex "$(<head.txt)" Content-Encoding
	run jq -c '.reportSpecification, (.salesAndTrafficByDate | length), (.salesAndTrafficByAsin | length)' < <(gzip -dc document)
	assert_output '{"reportType":"GET_SALES_AND_TRAFFIC_REPORT","reportOptions":{"dateGranularity":"DAY","asinGranularity":"CHILD"},"dataStartTime":"2026-11-18","dataEndTime":"2026-11-18","marketplaceIds":["ATVPDKIKX0DER"]}
1
12'
	run jq -c '[.reportId, .marketplace, .date, .status, .polls, .foreign]' < <(control sp/reports)
	assert_output '["50015018","US","2026-11-18","DONE",7,false]'
}

@test "figures: the same each time, with what is odd in real ones" {
	created >/dev/null
	created >/dev/null
	created '.marketplaceIds = ["A2EUQ1WTGCTBG2"]' >/dev/null
	for n in 18 19 20; do
		curl -sS "$(url_of "500150$n")" | gzip -dc >"$n"
	done
	cmp 18 19
	run jq -c '[.salesAndTrafficByAsin[].childAsin]' 20
	assert_output '["B0SIM00001","B0SIMCA002","B0SIMCA003"]'
	run jq -c '.salesAndTrafficByAsin[] | select(.trafficByAsin.unitSessionPercentage > 100) | .childAsin' 18
	assert_output '"B0SIM00006"'
	run jq -c '[.salesAndTrafficByAsin[] | select(.childAsin != .parentAsin) | .childAsin]' 18
	assert_output '["B0SIM00007","B0SIM00008","B0SIM00009"]'
	run jq '([.salesAndTrafficByAsin[].trafficByAsin.sessions] | add) as $sum
		| .salesAndTrafficByDate[0].trafficByDate.sessions | . > $sum and . <= $sum * 1.005' 18
	assert_output true
	run jq '[.. | objects | keys[] | select(endswith("B2B"))] | length' 18
	assert_output 0
}

@test "Login with Amazon: a token each time, or what is wrong" {
	run lwa
	assert_equal "$(jq -c '[.token_type, .expires_in, .refresh_token]' <<<"$output")" '["bearer",3600,"Atzr|test"]'
	assert_regex "$(jq -r .access_token <<<"$output")" '^Atza\|'
	[ "$(jq -r .access_token <<<"$output")" != "$token" ]
	run curl -sS "$LWA_URL" -H 'Content-Type: application/json' -d "$(jq -nc \
		'env | {grant_type: "refresh_token", refresh_token: .SP_API_REFRESH_TOKEN, client_id: .SP_API_CLIENT_ID, client_secret: .SP_API_CLIENT_SECRET}')"
	assert_output --partial '"access_token":"Atza|'
	while read -r field expected error; do
		run lwa "$field"
		assert_equal "$(<status) $(jq -r .error <<<"$output")" "$expected $error"
	done <<-END
		client_id=x 401 invalid_client
		client_secret=x 401 invalid_client
		refresh_token=x 400 invalid_grant
		refresh_token= 400 invalid_request
		grant_type= 400 invalid_request
		grant_type=client_credentials 400 unsupported_grant_type
	END
	run curl -sS "$LWA_URL" -H 'Content-Type: text/plain' -d grant_type=refresh_token
	assert_output --partial '"error":"invalid_request"'
	run jq -s 'length' < <(control lwa/tokens)
	assert_output 3
}

@test "access tokens: none, wrong, expired" {
	control lwa/expire '{}' >/dev/null
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'The access token you provided has expired.'
	refute_regex "$(<head.txt)" RateLimit
	assert_regex "$(<head.txt)" RequestId
	token=Atza\|other
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'The access token you provided is revoked, malformed or invalid.'
	token=
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'Access token is missing in the request header.'
	token=$(lwa | jq -r .access_token)
	run sp "$REPORTS/1"
	refused 404 NotFound
	assert_regex "$(<head.txt)" 'RateLimit-Limit: 2.0'
	control lwa/lifetime '{"seconds":0}' >/dev/null
	token=$(lwa | jq -r .access_token)
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'The access token you provided has expired.'
}

@test "a user-agent is to be of Amazon's form" {
	while read -r expected agent; do
		run sp "$REPORTS/1" -A "$agent"
		assert_equal "$(<status) $agent" "$expected $agent"
	done <<-'END'
		404 a/1 (Language=C)
		404 a\/b/1\(2 (Language=C\)\;; Platform=L)
		400 curl/8
		400 a/1 (Platform=Linux)
		400 a/1 (Language=C
		400 a (Language=C)
		400 a/1 (Language)
	END
	run sp "$REPORTS/1" -A "$(printf 'a/1 (Language=%0500d)' 1)"
	assert_equal "$(<status)" 400
}

@test "createReport: all is checked" {
	while read -r change; do
		run create "$change"
		assert_equal "$(<status) $(jq -r '.errors[0].code' <<<"$output") $change" "400 InvalidInput $change"
		assert_regex "$(<head.txt)" RateLimit
	done <<-'END'
		.extra = 1
		del(.reportType)
		del(.marketplaceIds)
		.reportType = "GET_OTHER"
		.marketplaceIds = "ATVPDKIKX0DER"
		.marketplaceIds = []
		.marketplaceIds = ["US"]
		.marketplaceIds = [1]
		.dataStartTime = "2026-11-18"
		.dataStartTime = "2026-11-31T00:00:00Z"
		.dataStartTime = 1
		.dataStartTime = "2026-11-19T00:00:00Z"
		.dataEndTime = "2026-11-21T12:10:00Z"
		.reportOptions = []
		.reportOptions.extra = "true"
		.reportOptions.asinGranularity = "TOTAL"
		.reportOptions.asinGranularity = true
		[.]
	END
	run create '.marketplaceIds += ["A2EUQ1WTGCTBG2"]'
	refused 400 InvalidInput 'Report rejected for this client. Multiple marketplaces were provided for this report type.'
	run create '.marketplaceIds = ["A1AM78C64UM0Y8"]'
	refused 403 Unauthorized 'Access to requested resource is denied.'
	run sp "$REPORTS" -d "$(ask)"
	refused 415 UnsupportedMediaType
	run sp "$REPORTS" -H 'Content-Type: application/json' -d '{'
	refused 400 InvalidInput
	run sp "$REPORTS?a=1" -H 'Content-Type: application/json' -d "$(ask)"
	refused 400 InvalidInput
	run control sp/reports
	assert_output ''
	run create 'del(.dataStartTime, .dataEndTime, .reportOptions)'
	assert_equal "$(<status)" 202
}

@test "what there is not" {
	run sp "$REPORTS/abc"
	refused 400 InvalidInput
	run sp "$REPORTS/1?x=1"
	refused 400 InvalidInput
	run sp "$DOCUMENTS/amzn1.spdoc.none"
	refused 404 NotFound
	run sp reports/2020-09-04/reports
	refused 403 MissingAuthenticationToken
	run sp "$REPORTS" -X PUT
	refused 403 MissingAuthenticationToken
}

@test "getReports: filters, pages, newest first" {
	for ago in 30 10 20; do
		control sp/reports "{\"marketplace\":\"CA\",\"date\":\"2026-11-1${ago%0}\",\"created_ago\":$ago,\"statuses\":[\"DONE\"]}" >/dev/null
	done
	created >/dev/null
	list() { sp "$REPORTS?$1"; }
	run jq -c '[.reports[].reportId]' < <(list "reportTypes=$TYPE")
	assert_output '["50015021","50015019","50015020","50015018"]'
	run jq -c '[.reports[].reportId]' < <(list "reportTypes=$TYPE&processingStatuses=IN_QUEUE,FATAL")
	assert_output '["50015021"]'
	run jq -c '[.reports[].reportId]' < <(list "reportTypes=A,$TYPE&marketplaceIds=A2EUQ1WTGCTBG2&pageSize=2&createdSince=2026-11-21T11:59:35Z")
	assert_output '["50015019","50015020"]'
	list "reportTypes=$TYPE&pageSize=3" >page
	run list "nextToken=$(jq -r '.nextToken | @uri' page)"
	assert_equal "$(jq -c '[.nextToken, .reports[].reportId]' <<<"$output")" '[null,"50015018"]'
	while read -r query; do
		run list "$query"
		assert_equal "$(<status) $query" "400 $query"
	done <<-END
		
		pageSize=10
		nextToken=none
		nextToken=$(jq -r '.nextToken | @uri' page)&pageSize=3
		reportTypes=
		reportTypes=$TYPE&pageSize=0
		reportTypes=$TYPE&pageSize=101
		reportTypes=$TYPE&reportTypes=$TYPE
		reportTypes=$TYPE&processingStatuses=done
		reportTypes=$TYPE&createdSince=2026-11-21
		reportTypes=$TYPE&createdSince=2026-08-01T00:00:00Z
		reportTypes=$TYPE&dataStartTime=2026-11-18T00:00:00Z
		reportTypes=1,2,3,4,5,6,7,8,9,10,11
	END
}

@test "cancelReport: only in the queue" {
	created >/dev/null
	sp "$REPORTS/50015018" >/dev/null
	run sp "$REPORTS/50015018" -X DELETE
	assert_output ''
	assert_equal "$(<status)" 200
	run jq -r '.processingStatus, .reportDocumentId' < <(sp "$REPORTS/50015018")
	assert_output $'CANCELLED\nnull'
	run sp "$REPORTS/50015018" -X DELETE
	refused 400 InvalidInput
}

@test "participations" {
	participating() {
		sp sellers/v1/marketplaceParticipations | jq -c \
			'[.payload[] | select(.participation.isParticipating) | .marketplace.id]'
	}
	run participating
	assert_output '["ATVPDKIKX0DER","A2EUQ1WTGCTBG2","A2ZV50J4W1RKNI"]'
	control sp/participation '{"marketplaces":["CA"]}' >/dev/null
	run participating
	assert_output '["A2EUQ1WTGCTBG2"]'
	run create
	refused 403 Unauthorized 'Access to requested resource is denied.'
}

@test "scripts: which report takes which outcome" {
	control sp/script '[{"date":"2026-11-17","outcomes":[{"statuses":["CANCELLED"]}]},
		{"marketplace":"US","outcomes":[{"statuses":["FATAL"]},{"statuses":["IN_QUEUE"]}]}]' >/dev/null
	ca='.marketplaceIds = ["A2EUQ1WTGCTBG2"]'
	created >/dev/null
	created '.dataStartTime = "2026-11-17T00:00:00Z"' >/dev/null
	created "$ca" >/dev/null
	created >/dev/null
	created >/dev/null
	script '{"statuses":["WEIRD"]}'
	created >/dev/null
	created '.dataStartTime = "2024-11-18T00:00:00Z"' >/dev/null
	run jq -r .status < <(control sp/reports)
	assert_output 'FATAL
CANCELLED
IN_QUEUE
IN_QUEUE
IN_QUEUE
WEIRD
IN_QUEUE'
	sp "$REPORTS/50015024" >/dev/null
	run jq -r .processingStatus < <(sp "$REPORTS/50015024")
	assert_output CANCELLED
	for wrong in '{"stati":[]}' '{"statuses":[]}' '{"compression":"zip"}' '{"document":"none"}'; do
		run control sp/script "[{\"outcomes\":[$wrong]}]"
		assert_failure
		assert_output --partial ValueError
	done
}

# body OUTCOME: the document of a report that has it.
body() {
	script "$1"
	curl -sS "$(url_of "$(created)")" | gzip -dc
}

@test "scripts: documents" {
	counts() { jq -c '[(.salesAndTrafficByDate, .salesAndTrafficByAsin) | length]'; }
	assert_equal "$(body '{"document":"empty"}' | counts)" '[0,0]'
	assert_equal "$(body '{"document":"delayed"}' | counts)" '[1,0]'
	assert_equal "$(body '{"document":"zero"}' | jq -c '[.salesAndTrafficByDate[0].salesByDate.unitsOrdered, (.salesAndTrafficByAsin | length)]')" '[0,0]'
	assert_equal "$(body '{"document":"traffic_zero"}' | jq -c '.salesAndTrafficByAsin[0] | [.salesByAsin.unitsOrdered > 0, .trafficByAsin.sessions]')" '[true,0]'
	assert_equal "$(body '{"document":{"body":{"a":[1]}}}')" '{"a":[1]}'
	assert_equal "$(body '{"document":{"body":"no JSON"}}')" 'no JSON'
	assert_equal "$(body '{"document":{"body":"\udcff"}}' | od -An -tx1)" ' ff'
	assert_equal "$(body '{"asins":25}' | counts)" '[1,25]'
	assert_equal "$(body '{"b2b":true}' | jq -c '[.salesAndTrafficByAsin[0].trafficByAsin | keys[] | select(endswith("B2B"))] | length')" 14
	assert_equal "$(body '{"duplicate":true}' | jq -c '[.salesAndTrafficByAsin[] | select(.childAsin == "B0SIM00001") | .parentAsin]')" '["B0SIM00001","B0SIMPAR99"]'
	assert_equal "$(body '{"spec_last":true}' | jq -c 'keys_unsorted')" '["salesAndTrafficByDate","salesAndTrafficByAsin","reportSpecification"]'
	assert_equal "$(body '{"spec":null}' | jq -c 'keys_unsorted')" '["salesAndTrafficByDate","salesAndTrafficByAsin"]'
	assert_equal "$(body '{"spec":{"dataEndTime":"2026-11-19"}}' | jq -r '.reportSpecification | .dataStartTime, .dataEndTime')" $'2026-11-18\n2026-11-19'
	assert_equal "$(body '{"statuses":["FATAL"],"fatal":"Not yet available."}')" '{"errorDetails":"Not yet available."}'
	body '{}' >plain
	for restate in 1.1 '"x"'; do
		body "{\"restate\":$restate}" >again
		run ! cmp -s plain again
	done
	script '{"statuses":["DONE"],"document":false}'
	run jq -c 'has("reportDocumentId")' < <(sp "$REPORTS/$(created)")
	assert_output false
}

@test "scripts: compression" {
	body '{}' >plain
	download() { # OUTCOME: the file document, what getReportDocument said
		script "$1"
		document_of "$(created)" >says
		curl -sS -D head.txt -o document "$(jq -r .url says)"
		jq -r '.compressionAlgorithm' says
	}
	assert_equal "$(download '{"compression":"plain"}')" null
	cmp document plain
	assert_equal "$(download '{"compression":"plain_flagged"}')" GZIP
	cmp document plain
	assert_equal "$(download '{"compression":"gzip_unflagged"}')" null
	cmp <(gzip -dc document) plain
	assert_equal "$(download '{"compression":"two_members"}')" GZIP
	cmp <(gzip -dc document) plain
	assert_equal "$(download '{"compression":"content_encoding"}')" null
	assert_regex "$(<head.txt)" 'Content-Encoding: gzip'
	cmp <(gzip -dc document) plain
	assert_equal "$(download '{"compression":{"bomb":3000000}}')" GZIP
	[ "$(wc -c <document)" -lt 20000 ]
	cmp <(gzip -dc document | tail -c +3000001) plain
	for how in truncated corrupt bad_crc trailing_garbage; do
		assert_equal "$(download "{\"compression\":\"$how\"}")" GZIP
		run ! gzip -t document
	done
	download '{"compression":"corrupt","compression_times":1}'
	gzip -dc document 2>/dev/null | jq -e . >/dev/null # nothing but the sum is wrong
	curl -sS "$(jq -r .url says)" | gzip -dc | cmp - plain
	id=$(jq -r .reportDocumentId says)
	run curl -sS --compressed "$(sp "$DOCUMENTS/$id?enableContentEncodingUrlHeader=true" | jq -r .url)"
	assert_output "$(<plain)"
}

@test "document URLs are signed, expire, and want no other authorization" {
	fetch() { curl -sS -o body -w '%{http_code} ' "$@" && grep -ao '<Code>[^<]*' body | cut -c7-; }
	script '{"expired_times":1}'
	id=$(created)
	url=$(url_of "$id")
	assert_equal "$(fetch "$url")" '403 AccessDenied'
	assert_equal "$(fetch "$url")" '403 AccessDenied'
	url=$(url_of "$id")
	assert_equal "$(fetch "$url" || true)" '200 '
	assert_equal "$(fetch "$url" -H "x-amz-access-token: $token")" '400 InvalidArgument'
	assert_equal "$(fetch "$url" -H 'Authorization: Bearer x')" '400 InvalidArgument'
	assert_equal "$(fetch "${url%?}")" '403 SignatureDoesNotMatch'
	assert_equal "$(fetch "${url%%\?*}")" '403 SignatureDoesNotMatch'
	control documents/expires '{"seconds":0}' >/dev/null
	url=$(url_of "$id")
	assert_equal "$(fetch "$url")" '403 AccessDenied'
	script '{"url":"http://169.254.169.254/latest"}'
	run url_of "$(created)"
	assert_output http://169.254.169.254/latest
	run requests documents .status
	assert_output $'403\n403\n200\n400\n400\n403\n403\n403'
}

@test "quotas: a bucket, if there is to be one, and what is advertised" {
	control sp/quota '{"operation":"createReport","rate":0.001,"burst":2}' >/dev/null
	created >/dev/null
	created >/dev/null
	run create
	refused 429 QuotaExceeded 'You exceeded your quota for the requested resource.'
	refute_regex "$(<head.txt)" RateLimit
	assert_regex "$(<head.txt)" RequestId
	control sp/quota '{"operation":"createReport","rate":null,"advertise":0.5}' >/dev/null
	run create
	assert_output '{"reportId":"50015020"}'
	assert_regex "$(<head.txt)" 'x-amzn-RateLimit-Limit: 0.5'
}

@test "faults: by method, by prefix, before and after it was accepted" {
	faults sp '[{"fault":"status","code":502,"method":"GET","path":"/reports/2021-06-30/reports"},
		{"fault":"hang_after_accept","method":"POST","path":"/reports/*"},
		{"fault":"reset","accept":true,"method":"POST","path":"/reports/*"},
		{"fault":"reset","method":"POST","path":"/reports/*"}]'
	for _ in 1 2 3; do
		run sp "$REPORTS" -m 0.5 -H 'Content-Type: application/json' -d "$(ask)"
		assert_failure
	done
	run jq -s length < <(control sp/reports)
	assert_output 2
	run sp "$REPORTS?reportTypes=$TYPE"
	assert_equal "$(<status)" 502
	run sp "$REPORTS?reportTypes=$TYPE"
	assert_equal "$(jq '.reports | length' <<<"$output")" 2
}

@test "faults: Amazon's own answers" {
	for code in 400 404 429 500 503; do
		faults sp "[{\"fault\":\"$code\",\"retry_after\":7}]"
		run sp "$REPORTS/1"
		assert_equal "$(<status)" "$code"
	done
	faults sp '[{"fault":"expired"},{"fault":"403","details":"Unauthorized to access requested fields"},{"fault":"429","retry_after":7}]'
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'The access token you provided has expired.'
	run sp "$REPORTS/1"
	refused 403 Unauthorized 'Unauthorized to access requested fields'
	run sp "$REPORTS/1"
	assert_regex "$(<head.txt)" 'Retry-After: 7'
	faults lwa '[{"fault":"error","error":"invalid_grant"},{"fault":"error","error":"server_error"},{"fault":"429"}]'
	for expected in 400 500 429 200; do
		run lwa
		assert_equal "$(<status)" "$expected"
	done
	url=$(url_of "$(created)")
	faults documents '[{"fault":"403"},{"fault":"503"},{"fault":"truncate","path":"/amzn1*"},{"fault":"gzip_corrupt"}]'
	for expected in 403 503 200 200; do
		run curl -sS -o body -w '%{http_code}' "$url"
		assert_output --partial "$expected"
	done
}

@test "a large document is printed as a stream" {
	run "$top/tests/sim/sales.py" --asins 3 --date 2026-11-18 --marketplace CA
	created '.marketplaceIds = ["A2EUQ1WTGCTBG2"]' >/dev/null
	assert_equal "$(curl -sS "$(url_of 50015018)" | gzip -dc)" "$output"
	size=$("$top/tests/sim/sales.py" --asins 2000 --date 2026-11-18 --b2b --gzip | gzip -dc | wc -c)
	[ "$size" -gt 1800000 ]
	[ "$size" -lt 2400000 ]
}

# conforms FILE [DEFINITION]: standard input, to Amazon's definition and nothing beyond it.
conforms() {
	STRICT=1 run "$top/tests/sim/conforms.py" "$shared/api/specs/$1" ${2+"$2"}
	assert_output ''
	assert_success
}

@test "answers are as Amazon defines them" {
	needs_shared api/specs/reports_2021-06-30.json
	reports=reports_2021-06-30.json
	ask | conforms "$reports" CreateReportSpecification
	create | conforms "$reports" CreateReportResponse
	created >/dev/null
	for _ in 1 2 3; do
		for id in 50015018 50015019; do
			sp "$REPORTS/$id" | conforms "$reports" Report
		done
	done
	sp "$REPORTS?reportTypes=$TYPE&pageSize=1" | conforms "$reports" GetReportsResponse
	document_of 50015018 | conforms "$reports" ReportDocument
	sp "$REPORTS/x" | conforms "$reports" ErrorList
	sp sellers/v1/marketplaceParticipations | conforms sellers.json GetMarketplaceParticipationsResponse
	for outcome in '{}' '{"b2b":true,"asins":50}' '{"document":"zero","b2b":true}' '{"document":"traffic_zero"}' '{"restate":3}'; do
		body "$outcome" | conforms sellerSalesAndTrafficReport.json
	done
}

@test "errors are in the words that were observed" {
	needs_shared captures/sp/errors/429_QuotaExceeded.json
	observed() { jq -S . "$shared/captures/sp/errors/$1.json"; }
	assert_equal "$(create '.marketplaceIds += ["A2EUQ1WTGCTBG2"]' | jq -S .)" "$(observed 400_multi_marketplace)"
	assert_equal "$(create '.marketplaceIds = ["A1AM78C64UM0Y8"]' | jq -S .)" "$(observed 403_denied_role)"
	faults sp '[{"fault":"429"},{"fault":"expired"}]'
	assert_equal "$(create | jq -S .)" "$(observed 429_QuotaExceeded)"
	assert_equal "$(create | jq -S .)" "$(observed 403_token_expired)"
	assert_equal "$(lwa client_secret=x | jq -S .)" "$(observed lwa_401_invalid_client)"
	assert_equal "$(lwa refresh_token=x | jq -S .)" "$(observed lwa_400_invalid_grant)"
	token=x
	assert_equal "$(create | jq -S .)" "$(observed 403_token_invalid)"
}
