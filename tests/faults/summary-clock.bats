#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# Clocks that jump, and days of 23 and 25 hours: summary windows abut all the same.
# The machine's zone is New York's or Berlin's; the summary is at 08:00 UTC.
load ../helper

setup() {
	command -v faketime >/dev/null || skip "no faketime"
	sanitized && skip "faketime and the sanitizers do not go together"
	clean_room
	start_sim
}

teardown() {
	stop_sim
}

# at TIME COMMAND...: as if it were then, by the clock from there on.  An offset, since
# libfaketime reads a time in the zone of each process, which date -u has made UTC.
at() {
	FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "$(printf %+d "$(($(date -d "$1" +%s) - $(date +%s)))")" "${@:2}"
}

windows() {
	db-query summaries --order window_to | jq -r '"\(.window_from) \(.window_to) \(.sent_at != null)"'
}

# abut: no gap, no overlap, all of them sent, each once.
assert_abut() {
	run -0 bash -c 'db-query summaries --order window_to | jq -sr "
		[.[:-1], .[1:]] | transpose | map(select(.[0].window_to != .[1].window_from)) | length"'
	assert_output 0
	run db-query unsent_summaries
	assert_output ''
	run bash -c "diff <(db-query summaries --order window_to | jq -r .summary_id) \
		<(curl -sS $sim/_sim/slack/messages | jq -r .metadata.event_payload.id)"
	assert_output ''
}

# Each window has 24 hours, but for the seconds that a run takes to start.
assert_days() { # assert_days N
	run -0 bash -c 'db-query summaries --order window_to |
		TZ=UTC jq -r "(.window_to | fromdate) - (.window_from | fromdate) | ((. - 86400) | fabs) <= 60"'
	assert_output "$(yes true | sed "$1q")"
}

@test "the clock and the zone are what these tests take them for" {
	export TZ=America/New_York
	run at '2026-03-08 08:00:00 UTC' date -u +%FT%TZ
	assert_output --regexp '^2026-03-08T08:00:0[01]Z$'
	run at '2026-03-08 08:00:00 UTC' date +%FT%T%z
	assert_output --regexp '^2026-03-08T04:00:0[01]-0400$'
	run at '2026-03-07 08:00:00 UTC' date +%FT%T%z
	assert_output --regexp '^2026-03-07T03:00:0[01]-0500$'
}

@test "both changes of New York's clock: a window a day, of 24 hours each" {
	export TZ=America/New_York
	for day in 2026-03-{06..10} 2026-10-31 2026-11-{01..03}; do
		run -0 at "$day 08:00:00 UTC" summary.sh
		[ "$day" != 2026-03-10 ] || {
			assert_days 5
			assert_abut
			# half a year later, on the day before
			run -0 at "2026-10-30 08:00:00 UTC" summary.sh
		}
	done
	assert_abut
	run -0 bash -c 'db-query summaries "window_to>2026-10-31" --order window_to |
		TZ=UTC jq -r "(.window_to | fromdate) - (.window_from | fromdate) | ((. - 86400) | fabs) <= 60"'
	assert_output "$(yes true | sed 4q)"
}

@test "both changes of Berlin's clock: a window a day, of 24 hours each" {
	export TZ=Europe/Berlin
	for day in 2026-03-{28..31}; do
		run -0 at "$day 08:00:00 UTC" summary.sh
	done
	assert_days 4
	assert_abut
	for day in 2026-10-{23..27}; do
		run -0 at "$day 08:00:00 UTC" summary.sh
	done
	assert_abut
	run -0 bash -c 'db-query summaries "window_to>2026-10-24" --order window_to |
		TZ=UTC jq -r "(.window_to | fromdate) - (.window_from | fromdate) | ((. - 86400) | fabs) <= 60"'
	assert_output "$(yes true | sed 4q)"
}

@test "the first one ever, in summer time: 24 hours, and the message says so" {
	export TZ=America/New_York
	run -0 at '2026-07-01 08:00:00 UTC' summary.sh
	assert_days 1
	run -0 bash -c "curl -sS $sim/_sim/slack/messages | jq -r .text | sed -n 2p"
	assert_output --regexp '^2026-06-30 08:00:0[0-5] UTC to 2026-07-01 08:00:0[0-5] UTC \(24 h\)$'
}

@test "what happens in the hour that comes twice is told of once (New York, 06:30 UTC)" {
	export TZ=America/New_York
	at '2026-10-31 08:00:00 UTC' summary.sh
	jq -nc '"05:30", "06:30" | {type: "asin_history", marketplace: "US", asin: "B0EXAMPLE1", status: "ok",
		check_timestamp: "2026-11-01T\(.):00Z"}' | db-load
	run -0 at '2026-11-01 08:00:00 UTC' summary.sh
	run -0 at '2026-11-02 08:00:00 UTC' summary.sh
	run -0 bash -c "curl -sS $sim/_sim/slack/messages | jq -r .text | grep 'ASINs Checked'"
	assert_output 'ASINs Checked: no data
ASINs Checked: 2 (0 of 0 ASINs)
ASINs Checked: no data'
}

@test "the host slept for three days: one summary of three days" {
	for day in 10 11 14 15; do
		run -0 at "2026-06-$day 08:00:00 UTC" summary.sh
	done
	assert_abut
	run -0 bash -c 'db-query summaries --order window_to | TZ=UTC jq -r "((.window_to | fromdate) - (.window_from | fromdate)) / 3600 | round"'
	assert_output '24
24
72
24'
}

@test "a clock that was a day ahead: nothing until that is over, and nothing twice" {
	run -0 at '2026-06-10 08:00:00 UTC' summary.sh
	run -0 at '2026-06-12 08:00:00 UTC' summary.sh
	run windows
	before=$output
	for _ in 1 2; do
		run at '2026-06-11 08:00:00 UTC' summary.sh
		assert_failure 75
		assert_equal "${#lines[@]}" 1
		assert_output --partial 'the last summary ended at 2026-06-12T08:00:0'
	done
	run windows
	assert_output "$before"
	assert_abut
	run -0 at '2026-06-12 08:30:00 UTC' summary.sh
	assert_abut
}

@test "a clock of 1970: nothing is kept and nothing sent, before as after the first summary" {
	run at '1970-01-03 08:00:00 UTC' summary.sh
	assert_failure 75
	assert_output --partial 'the clock says 1970-01-03T08:00:0'
	run windows
	assert_output ''
	run -0 at '2026-06-10 08:00:00 UTC' summary.sh
	run at '1970-01-03 08:00:00 UTC' summary.sh
	assert_failure 75
	run -0 at '2026-06-11 08:00:00 UTC' summary.sh
	assert_abut
	run bash -c 'db-query summaries | wc -l'
	assert_output 2
}

@test "2038 and beyond are days as others" {
	for time in '2038-01-18 08:00:00' '2038-01-19 03:14:09' '2038-01-19 08:00:00' '2106-02-07 08:00:00' '2106-02-08 08:00:00'; do
		run -0 at "$time UTC" summary.sh
	done
	assert_abut
	run -0 bash -c 'db-query summaries --order window_to | TZ=UTC jq -r "((.window_to | fromdate) - (.window_from | fromdate)) / 3600 | round"'
	assert_output "24
19
5
596520
24"
}

@test "a clock that jumps back while the summary is on its way: the window is what it was" {
	mkdir -p tree/notify bin spool
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
	real=$(command -v slack-post)
	printf '#!/bin/bash\nFAKETIME=$(printf %%+d $((FAKETIME - 86400))) exec %s "$@"\n' "$real" >bin/slack-post
	chmod +x bin/slack-post
	PATH=$PWD/bin:$PATH run at '2026-06-10 08:00:00 UTC' tree/pipelines/summary.sh
	assert_success
	assert_abut
	run -0 at '2026-06-11 08:00:00 UTC' tree/pipelines/summary.sh
	assert_abut
	run bash -c 'db-query summaries | wc -l'
	assert_output 2
}
