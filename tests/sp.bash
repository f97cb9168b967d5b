# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # run sets stderr and output, start_sim sets sim; used by tests
# sp.bash - loaded by the tests of sp-fetch: requests, and what became of them.
load helper

setup() { # of each test
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
	run --separate-stderr timeout 120 sp-fetch "$@" # 124: it waits for what it should not
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

# bucket OPERATION TOKENS [RATE [BLOCKED]]: what is left of a rate, in the state.
bucket() {
	echo "$1 $2 ${3:-0.0167} $(date +%s).000 ${4:-0}" >>sp-api.state
}

# plenty: the rates are no matter.
plenty() {
	printf "%s 15 50 $(date +%s).000 0\n" createReport getReport getReports getReportDocument cancelReport >sp-api.state
}
