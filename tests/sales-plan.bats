#!/usr/bin/env bats
# sales-plan.bats - which reports are asked for, when, and above all which not
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	now=2026-11-20T20:00:00Z # it is noon in Los Angeles
}

# request ID STATUS [NAME=VALUE...]: one of the ledger.  The id says its
# marketplace, day and granularity; values are JSON, and a time for short is
# DAY@HH:MM of November 2026.
request() {
	local marketplace date granularity n field value
	IFS=: read -r marketplace date granularity n <<<"$1"
	printf '{"type":"report_requests","request_id":"%s","marketplace":"%s","date":"%s","granularity":"%s","status":"%s"' \
		"$1" "$marketplace" "$date" "$granularity" "$2"
	for field in "${@:3}"; do
		value=${field#*=}
		[[ $value != [0-9][0-9]@* ]] || value="\"2026-11-${value/@/T}:00Z\""
		printf ',"%s":%s' "${field%%=*}" "$value"
	done
	printf '}\n'
}

# day AGE: the day so many days before the one that it is.
day() {
	date -ud "2026-11-20 - $1 days" +%F
}

# plan [OPTION...]: of the ledger on standard input, without a word.
plan() {
	run --separate-stderr sales-plan --now "$now" "$@"
	assert_equal "$stderr" ''
	assert_success
}

# turns: id and time of what was planned, a line each.
turns() {
	jq -r '"\(.request_id) \(.not_before)"' <<<"$output"
}

# planned [LINE...]: these, in this order.
planned() {
	local IFS=$'\n'
	assert_equal "$(turns)" "$*"
}

# refuses MESSAGE [OPTION...]: these options.
refuses() {
	run --separate-stderr sales-plan --now "$now" "${@:2}" </dev/null
	assert_equal "${*:2}: $status $stderr" "${*:2}: 64 sales-plan: $1"
	assert_output ''
}

# Which days

@test "without a ledger it is the three days before today, in the US and Canada, four reports at once" {
	plan </dev/null
	assert_output - <<'!'
{"type":"report_requests","request_id":"US:2026-11-19:CHILD:1","marketplace":"US","date":"2026-11-19","granularity":"CHILD","status":"planned","attempts":0,"not_before":null,"created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
{"type":"report_requests","request_id":"CA:2026-11-19:CHILD:1","marketplace":"CA","date":"2026-11-19","granularity":"CHILD","status":"planned","attempts":0,"not_before":null,"created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
{"type":"report_requests","request_id":"US:2026-11-18:CHILD:1","marketplace":"US","date":"2026-11-18","granularity":"CHILD","status":"planned","attempts":0,"not_before":null,"created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
{"type":"report_requests","request_id":"CA:2026-11-18:CHILD:1","marketplace":"CA","date":"2026-11-18","granularity":"CHILD","status":"planned","attempts":0,"not_before":null,"created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
{"type":"report_requests","request_id":"US:2026-11-17:CHILD:1","marketplace":"US","date":"2026-11-17","granularity":"CHILD","status":"planned","attempts":0,"not_before":"2026-11-20T20:15:00Z","created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
{"type":"report_requests","request_id":"CA:2026-11-17:CHILD:1","marketplace":"CA","date":"2026-11-17","granularity":"CHILD","status":"planned","attempts":0,"not_before":"2026-11-20T20:30:00Z","created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}
!
}

@test "--lookback is so many days, and none with 0" {
	plan --lookback 1 </dev/null
	planned 'US:2026-11-19:CHILD:1 null' 'CA:2026-11-19:CHILD:1 null'
	plan --lookback 0 </dev/null
	assert_output ''
	plan --lookback 64 --marketplaces CA </dev/null
	assert_equal "$(jq -r .date <<<"$output")" "$(for n in {1..64}; do day "$n"; done)"
}

@test "--ages are these days, newest first, and each once" {
	plan --ages 31,2,8,2,15 --marketplaces US --burst 9 </dev/null
	planned 'US:2026-11-18:CHILD:1 null' 'US:2026-11-12:CHILD:1 null' \
		'US:2026-11-05:CHILD:1 null' 'US:2026-10-20:CHILD:1 null'
	plan --ages 730 --marketplaces US </dev/null
	planned 'US:2024-11-20:CHILD:1 null'
}

@test "--today is another day than now's" {
	plan --today 2024-03-01 --lookback 2 --marketplaces US </dev/null
	planned 'US:2024-02-29:CHILD:1 null' 'US:2024-02-28:CHILD:1 null'
}

@test "two years of two marketplaces are 1,460 reports, newest first, and done in 15.2 days (pain 3.1)" {
	plan --from 2024-11-20 </dev/null
	assert_equal "$(jq -r .date <<<"$output")" \
		"$(for n in {1..730}; do echo "$n days ago"; done | sed 's/^/2026-11-20 /' | date -uf - +%F | sed p)"
	assert_equal "$(jq -r .marketplace <<<"$output" | paste -sd ' ' - | sed 's/US CA *//g')" ''
	turns >found
	assert_equal "$(wc -l <found)" 1460
	# 1,459 quarters of an hour.
	assert_equal "$(tail -n 1 found)" 'CA:2024-11-20:CHILD:1 2026-12-06T00:45:00Z'
	assert_equal "$(grep -c ' null$' found)" 4
	assert_equal "$(cut -d ' ' -f 2 found | grep -v null | sort -u | wc -l)" 1456
}

@test "--from is up to --to, or to yesterday" {
	plan --from 2026-11-10 --to 2026-11-12 --marketplaces CA </dev/null
	planned 'CA:2026-11-12:CHILD:1 null' 'CA:2026-11-11:CHILD:1 null' 'CA:2026-11-10:CHILD:1 null'
	plan --from 2026-11-18 --marketplaces CA </dev/null
	planned 'CA:2026-11-19:CHILD:1 null' 'CA:2026-11-18:CHILD:1 null'
	plan --from 2026-11-19 --to 2026-11-19 --marketplaces CA </dev/null
	planned 'CA:2026-11-19:CHILD:1 null'
}

@test "days that Amazon does not have are refused" {
	refuses 'Amazon has two years: --from can be 2024-11-20 at the earliest' --from 2024-11-19
	refuses '--to can be 2026-11-19 at the latest: today is not over' --from 2026-11-01 --to 2026-11-20
	refuses '--to can be 2026-11-19 at the latest: today is not over' --from 2026-11-01 --to 2027-01-01
	refuses '--from is after --to' --from 2026-11-20
	refuses '--from is after --to' --from 2026-11-12 --to 2026-11-11
	refuses '--to without --from' --to 2026-11-11
	refuses "--ages '0' is no whole number from 1 to 730" --ages 1,0
	refuses "--ages '731' is no whole number from 1 to 730" --ages 731
	refuses "--lookback '65' is no whole number from 0 to 64" --lookback 65
}

@test "there is one way to say which days" {
	why='only one of --lookback, --ages and --from'
	refuses "$why" --lookback 3 --ages 1,2
	refuses "$why" --ages 1 --from 2026-11-18
	refuses "$why" --from 2026-11-18 --lookback 0
	refuses "$why" --lookback 1 --lookback 2
}

@test "what makes no sense is refused" {
	refuses "--from '2026-02-29' is no day; write it as 2026-11-18" --from 2026-02-29
	refuses "--to '18.11.2026' is no day; write it as 2026-11-18" --from 2026-11-18 --to 18.11.2026
	refuses "--today 'yesterday' is no day; write it as 2026-11-18" --today yesterday
	for time in 2026-11-20 '2026-11-20 08:00' 2026-11-20T08:00:00 2026-11-20T08:00:00+01:00 2026-11-20T24:00:00Z '' '"' "\\"; do
		refuses "--now '$time' is no time; write it as 2026-11-20T08:00:00Z" --now "$time"
	done
	while read -r option value from to; do
		refuses "$option '$value' is no whole number from $from to $to" "$option" "$value"
	done <<'!'
--min-interval 0 1 86400
--min-interval 86401 1 86400
--max-per-day 0 1 100000
--max-per-day 1e3 1 100000
--burst -1 1 1000
--burst 4.5 1 1000
--min-age -1 0 8760
--min-age 99999999999999999999 0 8760
--lookback x 0 64
--ages 1-3 1 730
!
	refuses "--min-age '' is no whole number from 0 to 8760" --min-age ''
	refuses '--ages names none' --ages ''
	refuses 'more than 64 --ages' --ages "$(seq -s , 65)"
	refuses "--granularity 'child' is none of CHILD, SKU, PARENT" --granularity child
	refuses "unknown operand 'x'; see --help" x
}

# Which marketplaces

@test "every marketplace that Amazon has is known, by its code and by Amazon's id" {
	codes=US,UK,DE,FR,JP,CA,IT,ES,IN,MX,BR,AE,AU,BE,EG,IE,NL,PL,SA,SE,SG,TR,ZA
	plan --lookback 1 --marketplaces $codes </dev/null
	assert_equal "$(jq -r .marketplace <<<"$output" | paste -sd , -)" $codes
	jq -r '.request_id == .marketplace + ":2026-11-19:CHILD:1"' <<<"$output" | sort -u | diff - <(echo true)

	plan --lookback 1 --marketplaces A2EUQ1WTGCTBG2,ATVPDKIKX0DER,A1F83G8C2ARO7P,A1PA6795UKMFR9 </dev/null
	assert_equal "$(jq -r .marketplace <<<"$output" | xargs)" 'CA US UK DE'
}

@test "a marketplace is named once, whatever it is called" {
	plan --lookback 1 --marketplaces GB,US,UK,ATVPDKIKX0DER,A1F83G8C2ARO7P,US </dev/null
	planned 'UK:2026-11-19:CHILD:1 null' 'US:2026-11-19:CHILD:1 null'
}

@test "a marketplace that Amazon does not have is refused" {
	refuses "Amazon has no marketplace 'XX'" --marketplaces US,XX,YY
	refuses "Amazon has no marketplace 'us'" --marketplaces us
	refuses "Amazon has no marketplace ' CA'" --marketplaces 'US, CA'
	refuses '--marketplaces names none' --marketplaces ''
	refuses '--marketplaces names none' --marketplaces ,,
}

# In what order

@test "first is what Amazon has, then the newest day, then the marketplace named first" {
	{
		request CA:2026-11-01:CHILD:1 planned
		request US:2026-11-02:CHILD:1 IN_QUEUE 'report_id="1"'
		request US:2026-11-19:CHILD:1 not_ready
		request CA:2026-11-18:CHILD:3 FATAL
		request US:2026-10-02:CHILD:1 creating
		request CA:2026-11-02:CHILD:1 ready
		request US:2026-11-01:CHILD:1 CANCELLED
	} >ledger
	plan --marketplaces CA,US --lookback 2 --burst 99 <ledger
	assert_equal "$(jq -r .request_id <<<"$output")" 'CA:2026-11-02:CHILD:1
US:2026-11-02:CHILD:1
US:2026-10-02:CHILD:1
CA:2026-11-19:CHILD:1
US:2026-11-19:CHILD:1
CA:2026-11-18:CHILD:3
US:2026-11-18:CHILD:1
CA:2026-11-01:CHILD:1
US:2026-11-01:CHILD:1'
	cp <(sales-plan --now "$now" --marketplaces CA,US --lookback 2 --burst 99 <ledger) first
	for seed in 1 2 3; do
		shuf --random-source=<(yes $seed) ledger |
			sales-plan --now "$now" --marketplaces CA,US --lookback 2 --burst 99 | cmp - first
	done
}

# The quota

@test "after four at once it is one each 15 minutes" {
	plan --lookback 8 --marketplaces US </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" \
		'null null null null 2026-11-20T20:15:00Z 2026-11-20T20:30:00Z 2026-11-20T20:45:00Z 2026-11-20T21:00:00Z'
}

@test "--burst and --min-interval are as they are said" {
	plan --lookback 5 --marketplaces US --burst 1 --min-interval 61 </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" \
		'null 2026-11-20T20:01:01Z 2026-11-20T20:02:02Z 2026-11-20T20:03:03Z 2026-11-20T20:04:04Z'
	plan --lookback 3 --marketplaces US --burst 2 --min-interval 86400 </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null null 2026-11-21T20:00:00Z'
	plan --lookback 35 --marketplaces US --burst 35 </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | sort -u)" null
}

# asked AT...: the ledger of reports asked for then, of days that are not wanted.
asked() {
	local n=0
	for at; do
		request "${marketplace:-US}:2025-01-01:${granularity:-CHILD}:$((++n))" DONE "asked_at=$at" "updated_at=$at"
	done
}

@test "what was asked for counts: what is left of the bucket is left" {
	while read -r times expected; do
		IFS=, read -ra at <<<"$times"
		plan --lookback 3 --marketplaces US < <(asked "${at[@]}")
		assert_equal "$times $(jq -r '.not_before // "now" | sub(".*T"; "")' <<<"$output" | xargs)" "$times $expected"
	done <<'!'
20@20:00 now now now
20@19:59 now now now
20@19:45,20@20:00 now now now
20@20:00,20@20:00 now now 20:15:00Z
20@20:00,20@20:00,20@20:00 now 20:15:00Z 20:30:00Z
20@20:00,20@20:00,20@20:00,20@20:00 20:15:00Z 20:30:00Z 20:45:00Z
20@19:55,20@19:55,20@19:55,20@19:55 20:10:00Z 20:25:00Z 20:40:00Z
20@19:45,20@19:45,20@19:45,20@19:45 now 20:15:00Z 20:30:00Z
20@19:44,20@19:44,20@19:44,20@19:44 now 20:14:00Z 20:29:00Z
20@19:00,20@19:00,20@19:00,20@19:00 now now now
20@19:50,20@19:40,20@19:55,20@19:45 now 20:10:00Z 20:25:00Z
20@10:00,20@10:00,20@10:00,20@10:00 now now now
!
}

@test "a quarter of an hour is a quarter of an hour, to the second" {
	request US:2025-01-01:CHILD:1 DONE 'asked_at="2026-11-20T19:59:59Z"' >ledger
	plan --lookback 3 --marketplaces US --burst 1 <ledger
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" '2026-11-20T20:14:59Z 2026-11-20T20:29:59Z 2026-11-20T20:44:59Z'
}

@test "what any marketplace or granularity was asked for counts" {
	for marketplace in US UK MX; do
		for granularity in CHILD SKU PARENT; do
			plan --lookback 3 --marketplaces US < <(asked 20@20:00 20@20:00 20@20:00)
			assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null 2026-11-20T20:15:00Z 2026-11-20T20:30:00Z'
		done
	done
}

@test "what was asked for says when, whatever became of it" {
	for state in creating created IN_QUEUE IN_PROGRESS ready DONE not_ready CANCELLED FATAL no_data failed; do
		for n in 1 2 3; do
			request MX:2025-01-0$n:CHILD:1 $state asked_at=20@20:00
		done >ledger
		plan --lookback 2 --marketplaces US <ledger
		assert_equal "$state $(jq -r .not_before <<<"$output" | xargs)" "$state null 2026-11-20T20:15:00Z"
	done
}

@test "what a fast clock dated ahead was asked for by now; but if by more than a day, who knows" {
	plan --lookback 2 --marketplaces US < <(asked 20@20:01 20@23:00 21@20:00)
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null 2026-11-20T20:15:00Z'
	plan --lookback 2 --marketplaces US < <(asked 21@20:01 25@20:00 30@20:00 30@20:00)
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null null'
}

@test "without a time, or with one that is none, nothing is known of when it was asked for" {
	for at in null '""' '"yesterday"' 1 '"2026-11-20T20:00:00"'; do
		plan --lookback 2 --marketplaces US < <(asked "$at" "$at" "$at" "$at")
		assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null null'
	done
}

@test "--max-per-day holds in any 24 hours" {
	plan --lookback 9 --marketplaces US --max-per-day 3 --burst 2 </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" \
		'null null 2026-11-20T20:15:00Z 2026-11-21T20:00:00Z 2026-11-21T20:00:00Z 2026-11-21T20:15:00Z 2026-11-22T20:00:00Z 2026-11-22T20:00:00Z 2026-11-22T20:15:00Z'
	# What was asked for 24 hours ago does not count any more; a minute later it does.
	plan --lookback 2 --marketplaces US --max-per-day 3 < <(asked 19@20:00 19@20:01 20@01:00)
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null 2026-11-20T20:01:00Z'
	plan --lookback 3 --marketplaces US --max-per-day 2 < <(asked 20@09:00 20@08:00 20@10:00 20@11:00)
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" '2026-11-21T10:00:00Z 2026-11-21T11:00:00Z 2026-11-22T10:00:00Z'
	plan --lookback 3 --marketplaces US --max-per-day 1 </dev/null
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null 2026-11-21T20:00:00Z 2026-11-22T20:00:00Z'
}

@test "no 24 hours of a backfill have more than 96 reports, and no hour more than the bucket gives" {
	plan --from 2026-05-01 </dev/null
	jq -r '.not_before // "2026-11-20T20:00:00Z"' <<<"$output" >turned
	python3 - <<'!'
import datetime
at = [datetime.datetime.fromisoformat(line.strip().rstrip("Z")).timestamp() for line in open("turned")]
assert len(at) == 406 and at == sorted(at)
for interval, most in ((86400, 96), (3600, 7), (900, 4)):
    for i in range(len(at) - most):
        assert at[i + most] - at[i] >= interval, (interval, i)
# It is no slower than it has to be.
assert at[-1] - at[0] == (len(at) - 1) * 900
!
}

@test "a backfill waits for a full bucket, so that the daily job finds three in it" {
	plan --from 2026-09-01 --to 2026-09-04 --marketplaces US </dev/null
	planned 'US:2026-09-04:CHILD:1 null' 'US:2026-09-03:CHILD:1 2026-11-20T20:15:00Z' \
		'US:2026-09-02:CHILD:1 2026-11-20T20:30:00Z' 'US:2026-09-01:CHILD:1 2026-11-20T20:45:00Z'
	plan --from 2026-09-04 --to 2026-09-04 --marketplaces US < <(asked 20@19:59)
	planned 'US:2026-09-04:CHILD:1 2026-11-20T20:14:00Z'
	# While it goes on, what is asked for at its hour is there at once.
	asked 20@19:15 20@19:30 20@19:45 20@20:00 >ledger
	request US:2026-09-03:CHILD:1 planned 'not_before=20@20:15' >>ledger
	plan --marketplaces US --lookback 3 <ledger
	planned 'US:2026-11-19:CHILD:1 null' 'US:2026-11-18:CHILD:1 null' 'US:2026-11-17:CHILD:1 null' \
		'US:2026-09-03:CHILD:1 2026-11-20T21:00:00Z'
}

@test "days of the last 35 do not wait for a full bucket" {
	plan --from "$(day 36)" --to "$(day 34)" --marketplaces US < <(asked 20@20:00)
	assert_equal "$(jq -r .not_before <<<"$output" | xargs)" 'null null 2026-11-20T20:45:00Z'
}

# What is unfinished

@test "what Amazon has is taken up as it stands, byte for byte, and costs nothing" {
	for state in creating created IN_QUEUE IN_PROGRESS ready DELAYED_SOMEHOW; do
		for not_before in null 20@23:00 20@01:00; do
			{
				request US:2026-11-01:CHILD:2 $state "not_before=$not_before" 'x=[1.10, "\u00e9é"]' report_id=12345678901234567890
				request US:2026-11-19:CHILD:2 $state asked_at=20@01:00
			} | sed 's/,"x"/ , "x" /' >ledger
			plan --lookback 1 --marketplaces US <ledger
			assert_output "$(tac ledger)"
		done
	done
}

@test "what is planned has its time made anew" {
	for not_before in null 20@01:00 20@20:00; do
		request US:2026-11-01:CHILD:2 planned "not_before=$not_before" updated_at=19@20:00 >ledger
		plan --lookback 0 <ledger
		assert_output "$(<ledger)"
	done
	request US:2026-11-01:CHILD:2 planned not_before=25@20:00 created_at=18@20:00 updated_at=19@20:00 x=1.10 >ledger
	plan --lookback 0 <ledger
	assert_output '{"type":"report_requests","request_id":"US:2026-11-01:CHILD:2","marketplace":"US","date":"2026-11-01","granularity":"CHILD","status":"planned","created_at":"2026-11-18T20:00:00Z","x":1.10,"not_before":null,"updated_at":"2026-11-20T20:00:00Z"}'
	# Not so much as a time need be there.
	request US:2026-11-01:CHILD:2 planned >ledger
	plan --lookback 0 <ledger
	assert_output "$(<ledger)"
	plan --lookback 0 --burst 1 < <(cat ledger && asked 20@19:50)
	assert_output '{"type":"report_requests","request_id":"US:2026-11-01:CHILD:2","marketplace":"US","date":"2026-11-01","granularity":"CHILD","status":"planned","not_before":"2026-11-20T20:05:00Z","updated_at":"2026-11-20T20:00:00Z"}'
}

@test "what has to be asked for again waits as long as Amazon needs" {
	for state in not_ready CANCELLED FATAL; do
		for not_before in null 20@01:00 20@20:00 20@23:00 27@01:00; do
			request US:2026-11-19:CHILD:2 $state not_before=$not_before updated_at=20@01:00 >ledger
			plan --marketplaces US --lookback 1 <ledger
			assert_output "$(<ledger)"
		done
	done
}

@test "and longer, if the quota needs more" {
	{
		asked 20@19:58 20@19:58 20@19:58 20@19:58
		request US:2026-11-19:CHILD:2 not_ready not_before=20@20:01 'error="x"' updated_at=20@01:00
	} >ledger
	plan --marketplaces US --lookback 1 <ledger
	assert_output '{"type":"report_requests","request_id":"US:2026-11-19:CHILD:2","marketplace":"US","date":"2026-11-19","granularity":"CHILD","status":"not_ready","error":"x","not_before":"2026-11-20T20:13:00Z","updated_at":"2026-11-20T20:00:00Z"}'
}

@test "one that has to wait keeps none of the others waiting" {
	{
		request US:2026-11-19:CHILD:1 not_ready not_before=21@02:00
		request CA:2026-11-19:CHILD:1 FATAL not_before=20@20:20
	} >ledger
	plan --lookback 3 <ledger
	planned 'US:2026-11-19:CHILD:1 2026-11-21T02:00:00Z' 'CA:2026-11-19:CHILD:1 2026-11-20T20:20:00Z' \
		'US:2026-11-18:CHILD:1 null' 'CA:2026-11-18:CHILD:1 null' 'US:2026-11-17:CHILD:1 null' 'CA:2026-11-17:CHILD:1 null'
	# Its turn is among them, and takes one of theirs.
	plan --lookback 6 <ledger
	assert_equal "$(turns | grep -v null | sed 's/2026-11-//g')" 'US:19:CHILD:1 21T02:00:00Z
CA:19:CHILD:1 20T20:30:00Z
US:16:CHILD:1 20T20:15:00Z
CA:16:CHILD:1 20T20:45:00Z
US:15:CHILD:1 20T21:00:00Z
CA:15:CHILD:1 20T21:15:00Z
US:14:CHILD:1 20T21:30:00Z
CA:14:CHILD:1 20T21:45:00Z'
	# In a backfill of days, too.
	plan --from 2024-11-20 <ledger
	assert_equal "$(turns | grep 2026-11-19)" 'US:2026-11-19:CHILD:1 2026-11-21T02:00:00Z
CA:2026-11-19:CHILD:1 2026-11-20T20:30:00Z'
	assert_equal "$(turns | tail -n 1)" 'CA:2024-11-20:CHILD:1 2026-12-06T00:45:00Z'
}

@test "a record that is newer than now stays so" {
	{
		asked 20@20:00 20@20:00 20@20:00 20@20:00
		request US:2026-11-01:CHILD:2 planned updated_at=21@02:00
	} >ledger
	plan --lookback 0 <ledger
	assert_equal "$(jq -c '[.not_before, .updated_at]' <<<"$output")" '["2026-11-20T20:15:00Z","2026-11-21T02:00:00Z"]'
}

@test "what is finished is not taken up" {
	for state in DONE no_data failed; do
		plan --lookback 0 < <(request US:2026-11-19:CHILD:1 $state not_before=20@01:00 updated_at=20@01:00)
		assert_output ''
	done
}

@test "what is not ready after 31 days never will be" {
	request "US:$(day 31):CHILD:1" not_ready not_before=20@01:00 >ledger
	plan --lookback 0 <ledger
	assert_output "$(<ledger)"
	request "US:$(day 32):CHILD:1" not_ready not_before=20@01:00 updated_at=20@13:00 >ledger
	plan --lookback 0 <ledger
	assert_output ''
	# Who wants that day after all gets another one.
	for days in "--ages 32" "--from $(day 32) --to $(day 32)"; do
		# shellcheck disable=SC2086 # options
		plan --marketplaces US $days <ledger
		planned "US:$(day 32):CHILD:2 null"
	done
	# CANCELLED and FATAL have their own ends.
	for state in CANCELLED FATAL planned; do
		request "US:$(day 700):CHILD:1" $state >ledger
		plan --lookback 0 <ledger
		assert_output "$(<ledger)"
	done
}

# Never twice

@test "while a request for a day is unfinished, there is no other (pain 3.14)" {
	for state in planned creating created IN_QUEUE IN_PROGRESS ready not_ready CANCELLED FATAL NEW_ONE; do
		request US:2026-11-19:CHILD:7 $state >ledger
		for days in '--lookback 1' '--ages 1' '--from 2026-11-19'; do
			# shellcheck disable=SC2086 # options
			plan --marketplaces US --min-age 0 $days <ledger
			assert_output "$(<ledger)"
		done
	done
}

@test "of two that are unfinished in the ledger one is asked for, and all that Amazon has are seen to" {
	request US:2026-11-18:CHILD:1 CANCELLED >one
	request US:2026-11-18:CHILD:2 planned >two
	request US:2026-11-18:CHILD:3 IN_QUEUE >three
	request US:2026-11-18:CHILD:4 ready >four
	request CA:2026-11-18:CHILD:1 planned >other
	days=(--from 2026-11-18 --to 2026-11-18)
	plan "${days[@]}" < <(cat two other one)
	assert_output "$(cat one other)"
	plan "${days[@]}" < <(cat two three other one)
	assert_output "$(cat three other)"
	plan "${days[@]}" < <(cat four two three other one)
	assert_output "$(cat three four other)"
}

@test "the n-th pull of a day has the number n" {
	for ns in 1 '1 2' '2 1' 9 '9 10' '3 10 9' 99999; do
		for n in $ns; do
			request "US:2026-11-19:CHILD:$n" DONE updated_at=20@01:00
		done >ledger
		plan --marketplaces US --lookback 1 <ledger
		planned "US:2026-11-19:CHILD:$(($(xargs -n 1 <<<"$ns" | sort -n | tail -n 1) + 1)) null"
	done
	# Ids that are not ours have none, or one that is too long: they were the first.
	for id in x US- US:99999999999999999999 ''; do
		request US:2026-11-19:CHILD:1 DONE updated_at=20@01:00 | jq -c --arg id "$id" '.request_id = $id' >ledger
		plan --marketplaces US --lookback 1 <ledger
		planned "US:2026-11-19:CHILD:2 null"
	done
}

@test "a day is not asked for anew before --min-age (pain 3.12)" {
	for state in DONE no_data failed; do
		while read -r updated_at age expected; do
			plan --marketplaces US --lookback 1 --min-age "$age" < <(request US:2026-11-19:CHILD:1 $state updated_at="$updated_at")
			assert_equal "$updated_at $age $(jq -r .request_id <<<"$output")" "$updated_at $age $expected"
		done <<'!'
20@14:01 6
20@14:00 6 US:2026-11-19:CHILD:2
20@19:59 6
20@20:00 6
21@20:00 6
21@20:01 6 US:2026-11-19:CHILD:2
20@19:01 1
20@19:00 1 US:2026-11-19:CHILD:2
20@20:00 0 US:2026-11-19:CHILD:2
20@19:59 0 US:2026-11-19:CHILD:2
19@21:00 24
null 6 US:2026-11-19:CHILD:2
!
	done
	# An hour ago for the second time, and long ago for the first.
	{
		request US:2026-11-19:CHILD:1 DONE updated_at=20@01:00
		request US:2026-11-19:CHILD:2 DONE updated_at=20@19:00
	} >ledger
	plan --marketplaces US --lookback 1 <ledger
	assert_output ''
	# That of another day, marketplace or granularity says nothing.
	{
		request US:2026-11-18:CHILD:1 DONE updated_at=20@19:00
		request CA:2026-11-19:CHILD:1 DONE updated_at=20@19:00
		request US:2026-11-19:SKU:1 DONE updated_at=20@19:00
	} >ledger
	plan --marketplaces US --lookback 1 <ledger
	planned 'US:2026-11-19:CHILD:1 null'
}

# Granularity

@test "granularities are kept apart" {
	{
		request US:2026-11-19:SKU:4 planned
		request US:2026-11-19:PARENT:2 IN_QUEUE
	} >ledger
	plan --marketplaces US --lookback 1 <ledger
	planned 'US:2026-11-19:CHILD:1 null'
	plan --marketplaces US --lookback 1 --granularity PARENT <ledger
	assert_output "$(request US:2026-11-19:PARENT:2 IN_QUEUE)"
}

@test "a request that does not say its granularity is of CHILD" {
	for said in '' ',"granularity":null'; do
		line='{"type":"report_requests","request_id":"US:2026-11-19:CHILD:1","marketplace":"US","date":"2026-11-19","status":"planned"'$said'}'
		plan --marketplaces US --lookback 1 <<<"$line"
		assert_output "$line"
		plan --marketplaces US --lookback 1 --granularity PARENT <<<"$line"
		planned 'US:2026-11-19:PARENT:1 null'
	done
}

@test "of SKU it warns, and does as it is told (pain 3.8)" {
	run --separate-stderr sales-plan --now "$now" --marketplaces US --lookback 1 --granularity SKU </dev/null
	assert_success
	assert_equal "$stderr" 'sales-plan: SKU leaves out products without orders'
	assert_output '{"type":"report_requests","request_id":"US:2026-11-19:SKU:1","marketplace":"US","date":"2026-11-19","granularity":"SKU","status":"planned","attempts":0,"not_before":null,"created_at":"2026-11-20T20:00:00Z","updated_at":"2026-11-20T20:00:00Z"}'
}

# Backfills

# filled STATUS ASKED_AT: whether a backfill asks for 2026-11-10 again: its number.
filled() {
	plan --from 2026-11-10 --to 2026-11-10 --marketplaces US \
		< <(request US:2026-11-10:CHILD:1 "$1" "asked_at=$2" updated_at=20@01:00)
	jq -r '.request_id | sub(".*:"; "")' <<<"$output"
}

@test "a backfill leaves what is settled, and asks again for what was pulled early, or failed" {
	assert_equal "$(filled DONE 13@00:00)" ''
	assert_equal "$(filled DONE 19@00:00)" ''
	assert_equal "$(filled DONE '"2026-11-12T23:59:59Z"')" 2
	assert_equal "$(filled DONE 11@09:00)" 2
	assert_equal "$(filled DONE null)" 2
	assert_equal "$(filled no_data 11@09:00)" ''
	assert_equal "$(filled failed 19@00:00)" 2
	# One of them is enough.
	{
		request US:2026-11-10:CHILD:1 DONE asked_at=11@09:00
		request US:2026-11-10:CHILD:2 DONE asked_at=15@09:00
		request US:2026-11-10:CHILD:3 failed asked_at=16@09:00
	} >ledger
	plan --from 2026-11-10 --to 2026-11-10 --marketplaces US <ledger
	assert_output ''
}

@test "a backfill has patience, too: what failed an hour ago is left for now" {
	for state in DONE failed; do
		request US:2026-11-10:CHILD:1 $state asked_at=11@00:00 updated_at=20@19:00 >ledger
		plan --from 2026-11-10 --to 2026-11-10 --marketplaces US <ledger
		assert_output ''
		plan --from 2026-11-10 --to 2026-11-10 --marketplaces US --min-age 1 <ledger
		planned 'US:2026-11-10:CHILD:2 null'
	done
}

# pulled N: the first N of a plan, as they are once their rows are out, and the
# rest as it was planned.
pulled() {
	jq -c --argjson n "$1" 'if input_line_number <= $n then .asked_at = (.not_before // .created_at)
		| .updated_at = .asked_at | .status = "DONE" | .attempts = 1 | .not_before = null else . end'
}

@test "a backfill that was half done goes on where it was" {
	sales-plan --now "$now" --from 2024-11-20 </dev/null | pulled 700 >ledger
	now=2026-11-28T02:45:00Z # 699 quarters of an hour later
	plan --lookback 0 <ledger
	assert_equal "$(turns | sed -n '1p;$p')" 'US:2025-12-04:CHILD:1 2026-11-28T03:00:00Z
CA:2024-11-20:CHILD:1 2026-12-06T00:45:00Z'
	# As long as it keeps its times, there is nothing new to store.
	tail -n +701 ledger | diff - <(echo "$output")
	# Said once more it is no other plan, but for the days that were pulled early.
	plan --from 2024-11-28 --to 2025-12-31 <ledger
	assert_equal "$(turns | sed 's/:CHILD.*//' | sort)" \
		"$(tail -n +701 ledger | jq -r '.request_id | sub(":CHILD.*"; "")' | sort)"
	plan --from 2026-11-17 --to 2026-11-19 --marketplaces US <ledger
	assert_equal "$(jq -r 'select(.marketplace == "US" and .date > "2026-11") | .request_id' <<<"$output")" \
		'US:2026-11-19:CHILD:2
US:2026-11-18:CHILD:2'
}

@test "a plan made anew at once is the same plan" {
	{
		asked 20@19:30 20@19:50
		request US:2026-11-19:CHILD:1 not_ready not_before=20@22:00
		request US:2026-11-18:CHILD:1 FATAL not_before=20@20:10
		request US:2026-11-17:CHILD:1 IN_QUEUE asked_at=20@12:00
		request CA:2026-11-16:CHILD:1 CANCELLED
		request US:2026-11-15:CHILD:1 DONE asked_at=19@12:00 updated_at=19@12:00
		request CA:2026-11-15:CHILD:1 planned not_before=29@12:00
	} >ledger
	for days in '--lookback 3' '--ages 2,5,9' '--from 2026-06-01' '--from 2024-11-20' '--lookback 0'; do
		# shellcheck disable=SC2086 # options
		sales-plan --now "$now" $days <ledger >first
		# The ledger, with the plan in place of what it has of the same.
		cat ledger first | jq -sc 'group_by(.request_id)[] | last' >loaded
		# shellcheck disable=SC2086 # options
		sales-plan --now "$now" $days <loaded | cmp - first
	done
}

@test "of 250 ledgers made up at random every plan keeps the quota, the waits, and one request for a day" {
	cat >check.py <<'!'
import datetime, json, random, subprocess, sys
NOW = datetime.datetime(2026, 11, 20, 20)
ASKED = ("creating", "created", "IN_QUEUE", "IN_PROGRESS", "ready")
TO_ASK = ("planned", "not_ready", "CANCELLED", "FATAL")

def text(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")

def time(t):
    return datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ") if t else NOW

def made_up(rng):
    ledger = {}
    for _ in range(rng.randrange(90)):
        age, market, n = rng.choice((rng.randrange(1, 9), rng.randrange(30, 45))), rng.choice(("US", "CA", "MX")), rng.randrange(1, 4)
        day = (NOW - datetime.timedelta(age)).strftime("%Y-%m-%d")
        name = "%s:%s:CHILD:%d" % (market, day, n)
        ledger[name] = {"type": "report_requests", "request_id": name, "marketplace": market, "date": day, "granularity": "CHILD",
                        "status": rng.choice(ASKED + TO_ASK + ("DONE",) * 9 + ("no_data", "failed")),
                        "not_before": rng.choice((None, text(NOW + datetime.timedelta(seconds=rng.randrange(-40000, 80000))))),
                        "asked_at": text(NOW - datetime.timedelta(seconds=rng.randrange(400000))),
                        "updated_at": text(NOW - datetime.timedelta(seconds=rng.randrange(60000)))}
    return ledger

def planned(ledger, options):
    lines = "".join(json.dumps(r, separators=(",", ":")) + "\n" for r in ledger.values())
    return subprocess.run(["sales-plan", "--now", text(NOW)] + options, input=lines, text=True, check=True,
                          capture_output=True).stdout.splitlines()

def check(seed):
    rng = random.Random(seed)
    ledger = made_up(rng)
    interval, most, burst = rng.choice((900, 61, 5000)), rng.choice((96, 3, 11)), rng.choice((1, 4, 7))
    options = ["--min-interval", str(interval), "--max-per-day", str(most), "--burst", str(burst)] + \
        rng.choice((["--lookback", "5"], ["--from", "2026-10-01"], ["--ages", "1,33,36,40"]))
    lines = planned(ledger, options)
    plan = [json.loads(line) for line in lines]
    days = [(r["marketplace"], r["date"]) for r in plan if r["status"] in TO_ASK]
    assert len(days) == len(set(days))
    # All that Amazon has is there, as it was, and first.
    first = [r for r in plan if r["status"] in ASKED]
    assert plan[:len(first)] == first
    assert sorted(r["request_id"] for r in first) == \
        sorted(r["request_id"] for r in ledger.values() if r["status"] in ASKED and r["marketplace"] != "MX")
    assert all(ledger[r["request_id"]] == r for r in first)
    # Of a day that is unfinished there is nothing new, and of others a new number.
    unfinished = {(r["marketplace"], r["date"]) for r in ledger.values() if r["status"] in ASKED or
                  r["status"] in TO_ASK and (r["status"] != "not_ready" or r["date"] >= "2026-10-20")}
    for r in plan:
        old = ledger.get(r["request_id"])
        assert (old is None) == ((r["marketplace"], r["date"]) not in unfinished)
        if old and old["status"] in TO_ASK[1:]:
            assert time(r["not_before"]) >= max(time(old["not_before"]), NOW) or r["not_before"] == old["not_before"]
    # The quota, from when each has been, or is to be, asked for.
    past = sorted(t for t in (time(r["asked_at"]) for r in ledger.values()) if t > NOW - datetime.timedelta(1))
    asks = sorted(max(time(r["not_before"]), NOW) for r in plan if r["status"] in TO_ASK)
    tokens, last = burst, None
    for t in past + asks:
        if last is not None:
            tokens = min(burst, tokens + (t - last).total_seconds() / interval)
        tokens, last = tokens - 1, t
        if t >= NOW:
            assert tokens > -1e-6, (seed, t, tokens)
            assert sum(t - datetime.timedelta(1) < other <= t for other in past + asks) <= most
    # Made anew at once it is the same.
    assert planned(dict(ledger, **{r["request_id"]: r for r in plan}), options) == lines
    return len(asks)

assert sum(map(check, range(int(sys.argv[1])))) > 500
!
	run -0 python3 check.py 250
}

@test "a plan goes into the database, and is made anew from there" {
	db-load --init </dev/null
	if ! db-query --list | grep -q '"report_requests"'; then
		skip 'no table report_requests'
	fi
	sales-plan --now "$now" --from 2026-09-01 >first
	db-load <first
	db-query report_requests | sales-plan --now "$now" --from 2026-09-01 >second
	diff <(jq -c '[.request_id, .not_before, .updated_at]' first) <(jq -c '[.request_id, .not_before, .updated_at]' second)
}

# Which day it is

# days FROM TO OPTION...: the days that it is in Los Angeles, hour by hour, as
# many hours each.
days() {
	local t
	for ((t = $(date -ud "$1" +%s); t < $(date -ud "$2" +%s); t += 3600)); do
		printf -v now '%(%FT%TZ)T' "$t"
		sales-plan --now "$now" --marketplaces US --lookback 1 </dev/null
	done | jq -r .date | uniq -c | sed 's/^ *//'
}

@test "today is as in Los Angeles: each day once, on those of 23 and of 25 hours, too" {
	run days 2026-03-06T08:00Z 2026-03-11T07:00Z
	assert_output '24 2026-03-05
24 2026-03-06
23 2026-03-07
24 2026-03-08
24 2026-03-09'
	run days 2026-10-30T07:00Z 2026-11-04T08:00Z
	assert_output '24 2026-10-29
24 2026-10-30
25 2026-10-31
24 2026-11-01
24 2026-11-02'
	run days 2027-03-13T08:00Z 2027-03-16T07:00Z
	assert_output '24 2027-03-12
23 2027-03-13
24 2027-03-14'
	run days 2027-11-06T07:00Z 2027-11-09T08:00Z
	assert_output '24 2027-11-05
25 2027-11-06
24 2027-11-07'
	run days 2024-02-28T08:00Z 2024-03-02T08:00Z
	assert_output '24 2024-02-27
24 2024-02-28
24 2024-02-29'
}

@test "a day begins at midnight in Los Angeles, to the second, wherever this runs" {
	while read -r at expected; do
		for zone in UTC America/Los_Angeles Asia/Tokyo Pacific/Kiritimati ''; do
			run env TZ="$zone" sales-plan --now "$at" --marketplaces US --lookback 1
			assert_equal "$zone $at $(jq -r .date <<<"$output")" "$zone $at $expected"
		done </dev/null
	done <<'!'
2026-11-20T23:59:59Z 2026-11-19
2026-11-21T00:00:00Z 2026-11-19
2026-11-21T07:59:59Z 2026-11-19
2026-11-21T08:00:00Z 2026-11-20
2026-07-01T06:59:59Z 2026-06-29
2026-07-01T07:00:00Z 2026-06-30
2026-03-08T07:59:59Z 2026-03-06
2026-03-08T08:00:00Z 2026-03-07
2026-03-09T06:59:59Z 2026-03-07
2026-03-09T07:00:00Z 2026-03-08
2026-11-01T06:59:59Z 2026-10-30
2026-11-01T07:00:00Z 2026-10-31
2026-11-02T07:59:59Z 2026-10-31
2026-11-02T08:00:00Z 2026-11-01
2027-01-01T07:59:59Z 2026-12-30
2027-01-01T08:00:00Z 2026-12-31
2040-01-01T08:00:00Z 2039-12-31
!
}

@test "a job of each hour has every day asked for, over both changes of the clocks" {
	python3 - >pulls <<'!'
import json, subprocess
ledger = {}
for day in ["03-0%d" % d for d in range(6, 10)] + ["10-30", "10-31", "11-01", "11-02", "11-03"]:
    for hour in range(24):
        now = "2026-%sT%02d:30:00Z" % (day, hour)
        out = subprocess.run(["sales-plan", "--now", now, "--marketplaces", "US", "--lookback", "1"],
                             input="".join(json.dumps(r) + "\n" for r in ledger.values()),
                             capture_output=True, text=True, check=True).stdout
        for record in map(json.loads, out.splitlines()):
            assert record["request_id"] not in ledger and record["not_before"] is None
            print(now, record["date"])
            ledger[record["request_id"]] = dict(record, status="DONE", asked_at=now)
!
	# Each six hours; of the days at both ends there are some hours only.
	assert_equal "$(cut -d ' ' -f 2 pulls | uniq -c | sed 's/^ *//')" '2 2026-03-04
4 2026-03-05
4 2026-03-06
4 2026-03-07
3 2026-03-08
2 2026-10-28
4 2026-10-29
4 2026-10-30
5 2026-10-31
4 2026-11-01
3 2026-11-02'
}

@test "without --now it is the clock's" {
	command -v faketime >/dev/null || skip 'no faketime'
	sanitized && skip 'faketime is in the way of the sanitizers'
	run faketime -f '2026-11-21 07:59:59' sales-plan --marketplaces US --lookback 1
	assert_equal "$(jq -c '[.date, .created_at]' <<<"$output")" '["2026-11-19","2026-11-21T07:59:59Z"]'
} </dev/null

# Streams

@test "other records are passed on, byte for byte and in order, before the plan" {
	cat >in <<'!'
{"type":"x","n":1.10}
{"type":"run","run_id":"r","program":"p"}
{"request_id":"US:2026-11-19:CHILD:1", "marketplace":"US", "date":"2026-11-19", "status":"planned", "type":"sp_sales_by_date"}
{"type":"end","run_id":"r"}
{"a":12345678901234567890 }
!
	request US:2026-11-01:CHILD:1 planned >ledger
	plan --lookback 0 < <(sed -n 1,2p in && cat ledger && sed -n '3,$p' in)
	assert_output "$(cat in ledger)"
}

@test "what is no request is reported and left out, and the rest is done" {
	needs='a report_requests needs request_id, marketplace, date and status'
	request US:2026-11-18:CHILD:1 planned >good
	for edit in 'del(.request_id)' '.request_id=7' 'del(.marketplace)' '.marketplace="XX"' '.marketplace="us"' '.marketplace=1' \
		'.marketplace=null' 'del(.date)' '.date="2026-02-30"' '.date="2026-11-18T00:00:00Z"' '.date=20261118' '.date=null' \
		'del(.status)' '.status=null' '.status=1'; do
		run --separate-stderr sales-plan --now "$now" --lookback 0 < <(echo '{"type":"x"}' && jq -c "$edit" good && cat good)
		[ "$status" -eq 65 ] || fail "$edit: status $status"
		assert_equal "$stderr" "sales-plan: stdin:2: $needs"
		assert_output "$(echo '{"type":"x"}' && cat good)"
	done
	run --separate-stderr sales-plan --now "$now" --lookback 0 < <(echo '{"type":"report_requests"' && cat good && echo '[]' && echo)
	assert_failure 65
	assert_equal "$stderr" "sales-plan: stdin:1: column 26: unexpected end of data
sales-plan: stdin:3: column 1: not a JSON object"
	assert_output "$(<good)"
}

@test "a ledger that is cut short plans nothing: what is missing may be the request for a day" {
	request US:2026-11-01:CHILD:1 planned >ledger
	run --separate-stderr sales-plan --now "$now" < <(echo '{"type":"run","run_id":"r"}' && cat ledger)
	assert_failure 75
	assert_equal "$stderr" 'sales-plan: stdin:2: run "r" has no end: what came is kept, and the rest is still to come'
	assert_output '{"type":"run","run_id":"r"}'
}

@test "a full disk, and a reader that leaves, are noticed" {
	run --separate-stderr bash -c 'sales-plan --now 2026-11-20T20:00:00Z --from 2024-11-20 </dev/null >/dev/full'
	assert_failure 74
	assert_equal "$stderr" 'sales-plan: cannot write to standard output: No space left on device'
	run --separate-stderr bash -c 'sales-plan --now 2026-11-20T20:00:00Z --from 2024-11-20 </dev/null | head -n 1; exit ${PIPESTATUS[0]}'
	assert_failure 141
	assert_equal "$stderr" ''
}

@test "20,000 requests in the ledger, and two years to plan, are no matter" {
	python3 - >ledger <<'!'
import datetime, random
last, lines = datetime.date(2026, 11, 20), []
for market in ("US", "CA"):
    for age in range(1, 731):
        day = (last - datetime.timedelta(age)).isoformat()
        for n in range(1, 15):
            lines.append('{"type":"report_requests","request_id":"%s:%s:CHILD:%d","marketplace":"%s",'
                         '"date":"%s","granularity":"CHILD","status":"failed","updated_at":"2026-01-01T00:00:00Z"}'
                         % (market, day, n, market, day))
random.Random(1).shuffle(lines)
print("\n".join(lines))
!
	assert_equal "$(wc -l <ledger)" 20440
	start=$EPOCHREALTIME
	plan --from 2024-11-20 <ledger
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	assert_equal "$(turns | sed -n '1p;$p')" 'US:2026-11-19:CHILD:15 null
CA:2024-11-20:CHILD:15 2026-12-06T00:45:00Z'
	[ "$took" -lt 1500 ] || sanitized || fail "$took ms"
	# The same, all of it unfinished.
	sed 's/"failed"/"planned"/' ledger >unfinished
	start=$EPOCHREALTIME
	plan --from 2024-11-20 <unfinished
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	assert_equal "$(wc -l <<<"$output")" 1460
	[ "$took" -lt 1500 ] || sanitized || fail "$took ms"
}
