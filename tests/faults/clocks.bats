#!/usr/bin/env bats
# The jobs while the clock is wrong, is set, changes between standard and
# daylight saving time, or has stood still (faults 30, 31 and 32).  Those of the
# summary are in clock.bats.
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load faults

A=B0SIM00001 # is #1 in KETTLES at the start
KETTLES=202611200011

setup() {
	clean_room
	unset DATABASE_URL
	export SP_BURST=8 SP_API_STATE=$PWD/sp-api.state
	needs_faketime
}

teardown() {
	stop_sim
}

# wrong TIME COMMAND...: by a clock that is so far off, or begins there.
wrong() {
	NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "$@"
}

# set_clock TIME: of all that `clocked` runs, from now on: +1d is tomorrow.
set_clock() {
	echo "$1" >"$BATS_TEST_TMPDIR/clock.new"
	mv "$BATS_TEST_TMPDIR/clock.new" "$BATS_TEST_TMPDIR/clock"
}

clocked() {
	NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 \
		FAKETIME_TIMESTAMP_FILE=$BATS_TEST_TMPDIR/clock faketime -f +0 env -u FAKETIME "$@"
}

rank() { # rank RANK MINUTES-AGO
	control keepa/rank "{\"asin\":\"$A\",\"category\":\"$KETTLES\",\"rank\":$1,\"ago\":$2}" >/dev/null
}

told() { # what was told, in order
	control slack/messages | jq -r '.blocks[] | select(.fields).fields[1].text | select(startswith("Time") | not)' | paste -sd' '
}

clocks=(-25h +25h '@1970-01-02 00:00:00' '@2039-01-01 00:00:00')

@test "by a clock that is days off badges.sh takes nothing in: 75, said; all is told once it is right" {
	start_sim
	track.sh add $A
	badges.sh
	sleep 1
	rank 3 9
	rank 1 7
	# What was known before is what counts, and what was kept is kept.
	db-query asin_current_state >before
	ls spool >spool.before
	for time in "${clocks[@]}"; do
		run wrong "$time" badges.sh --all
		assert_equal "$time: $status" "$time: 75"
		assert_line --regexp "^keepa-fetch: the clock here is [0-9.]+ days (behind|ahead of) Keepa's: set it right, and run this again$"
		db-query asin_current_state | cmp - before
		[ -z "$(comm -13 <(ls spool) spool.before)" ]
		assert_equal "$(told)" ''
	done
	run -0 badges.sh --all
	assert_output ''
	assert_equal "$(told)" 'LOST #1 → #3 GAINED #3 → #1'
	run -0 badges.sh --all
	assert_equal "$(told)" 'LOST #1 → #3 GAINED #3 → #1'
}

@test "half a day is no matter: clocks are told from each other, not from the hour" {
	start_sim
	for time in -11h +11h; do
		run -0 --separate-stderr wrong $time keepa-fetch $A
		assert_equal "$stderr" ''
		[ -n "$(jq -c 'select(.type == "end")' <<<"$output")" ]
	done
	for time in -13h +13h; do
		run -75 --separate-stderr wrong $time keepa-fetch $A
		assert_equal "$(jq -r .type <<<"$output")" run
	done
}

@test "no error of Keepa's is noted at a time that is none" {
	start_sim
	faults keepa '[{"fault":"500","times":9}]'
	HTTP_TRIES=1 run -75 --separate-stderr wrong +25h keepa-fetch $A
	assert_equal "$(jq -r .type <<<"$output")" run
}

# What of Amazon's days is there, or is planned: the day and how often.
days() {
	db-query sales_daily_totals | jq -r .date | sort | uniq -c | awk '{ print $2, $1 }'
}

full() { # Amazon's buckets are, at any time
	local op
	for op in createReport getReport getReports getReportDocument cancelReport; do
		echo "$op 15 10 0 0"
	done >"$SP_API_STATE"
}

sales() {
	full
	sales.sh --marketplaces US --timeout 30 "$@"
}

@test "by a clock that is days off sales.sh asks Amazon for nothing: 75; once it is right, all days come" {
	local yesterday
	yesterday=$(TZ=America/Los_Angeles date -d yesterday +%F)
	for time in "${clocks[@]}"; do
		start_sim
		export SP_ASK_MS=30
		rm -rf amazon.db* spool logs
		full
		run wrong "$time" sales.sh --marketplaces US --timeout 30 --lookback 2
		assert_equal "$time: $status" "$time: 75"
		assert_line --regexp "^sp-fetch: the clock here is [0-9.]+ days (behind|ahead of) Amazon's: set it right, and run this again$"
		assert_equal "$(control sp/reports)" ''
		run sales --lookback 1
		assert_equal "$time, then right: $status $output" "$time, then right: 0 "
		[[ "$(days)" == *"$yesterday 1" ]] || fail "$time: $(days)"
		[ -z "$(days | awk '$2 > 1')" ]
		# Each once, and none of a day that is not over.
		run bash -c "control() { curl -sS '$sim/_sim/sp/reports'; }; control | jq -r .date | sort | uniq -d"
		assert_output ''
		stop_sim
		rm sim.url
	done
}

@test "a clock that is set back while Keepa is waited for makes nobody wait for it" {
	start_sim
	set_clock +0
	faults keepa '[{"fault":"429","refillIn":1500}]'
	{ sleep 0.7 && set_clock -6h; } 3>&- &
	run -0 --separate-stderr timeout 120 bash -c "$(declare -f clocked); clocked keepa-fetch $A"
	wait $!
	assert_equal "$(jq -rs '.[-1].type' <<<"$output")" end
}

@test "a clock that is set back while records drip keeps db-load from no commit" {
	set_clock +0
	db-load --init </dev/null
	mkfifo pipe
	clocked db-load <pipe 3>&- &
	loader=$!
	exec 8>pipe
	for n in {1..160}; do
		echo "{\"type\":\"categories\",\"marketplace\":\"US\",\"category_id\":\"$n\"}" >&8
		[ "$n" -ne 20 ] || set_clock -2d
		sleep 0.02
	done
	run db-query categories
	exec 8>&-
	wait $loader
	[ "${#lines[@]}" -gt 20 ] || fail "${#lines[@]} records were there after three seconds"
}

@test "a clock that is set back within sales.sh does not make its time endless" {
	start_sim
	export SP_ASK_MS=30
	set_clock +0
	mkdir bin
	cat >bin/sales-plan <<-!
		#!/bin/bash
		echo -2d >"$BATS_TEST_TMPDIR/clock"
		sleep 0.1
		exec "$top/transform/sales-plan" --now $(date -u +%FT%TZ) "\$@"
	!
	chmod +x bin/sales-plan
	mkdir -p tree/notify
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
	full
	PATH=$PWD/bin:$PATH run clocked tree/pipelines/sales.sh --marketplaces US --lookback 1 --timeout 5
	assert_equal "$status" 75 # for the clock, not 64 for the time
	assert_line --partial "days behind Amazon's"
}

# meet TIME: that is what the simulators and all that is `clocked` have now.
meet() {
	local offset
	offset=$(($(date -u -d "$1" +%s) - $(date +%s)))
	set_clock "$(printf %+d $offset)"
	for what in date keepa/clock sp/clock; do
		control $what "{\"offset_seconds\":$offset}" >/dev/null
	done
}

@test "over both changes of the clocks each marketplace day comes once, at 7 o'clock here or in Los Angeles" {
	local zone change n day last
	start_sim
	export SP_ASK_MS=30
	for change in 2026-03-08 2026-11-01; do
		for zone in UTC America/Los_Angeles; do
			rm -rf amazon.db* spool logs locks
			for n in -1 0 1; do
				day=$(date -d "$change $n days" +%F)
				meet "@$(TZ=$zone date -d "$day 07:00" +%s)"
				last=$(TZ=America/Los_Angeles date -d "@$(TZ=$zone date -d "$day 07:00" +%s)" +%F)
				last=$(date -d "$last yesterday" +%F) # the last that is over there
				full
				TZ=$zone run clocked sales.sh --marketplaces US --timeout 30 --lookback 2
				[ "$status" -eq 0 ] || [ "$status" -eq 75 ] || fail "$zone $day: $status $output"
				run days
				assert_equal "$zone $day: ${lines[-1]:-}" "$zone $day: $last 1"
			done
			# From the first on there is each day, once.
			assert_equal "${lines[0]}" "$(date -d "$last $((${#lines[@]} - 1)) days ago" +%F) 1"
			[ "${#lines[@]}" -ge 3 ]
			[ -z "$(awk '$2 != 1' <<<"$output")" ]
		done
	done
}

@test "asleep for three days: what happened meanwhile is told in one go, with its own times" {
	start_sim
	meet now
	clocked track.sh add $A
	run -0 clocked badges.sh
	meet '3 days'
	times=()
	for at in 12:4 36:1 60:9; do
		times+=("$(date -u -d "${at%:*} hours" +%FT%H:00:00Z)")
		control keepa/rank "{\"asin\":\"$A\",\"category\":\"$KETTLES\",\"rank\":${at#*:},\"at\":\"${times[-1]}\"}" >/dev/null
	done
	run -0 clocked badges.sh
	assert_equal "$(told)" 'LOST #1 → #4 GAINED #4 → #1 LOST #1 → #9'
	run -0 bash -c "db-query bestseller_changes --order changed_at | jq -r .changed_at"
	assert_output "$(printf '%s\n' "${times[@]}")"
	assert_equal "$(control slack/messages | wc -l)" 3
}

@test "asleep for three days in which much happened: a digest, not an alert for each" {
	start_sim
	meet now
	clocked track.sh add $A
	run -0 clocked badges.sh
	meet '3 days'
	python3 - >flips <<-'!'
		import datetime, json
		at = datetime.datetime.now(datetime.timezone.utc)
		print(json.dumps([{"asin": "B0SIM00001", "category": "202611200011", "rank": 5 if n % 2 else 1,
		    "at": (at + datetime.timedelta(minutes=40 * n)).strftime("%Y-%m-%dT%H:%M:00Z")} for n in range(1, 101)]))
	!
	control keepa/rank "$(<flips)" >/dev/null
	run -0 clocked badges.sh
	assert_equal "$(db-query bestseller_changes | wc -l)" 100
	assert_equal "$(db-query unsent_changes)" ''
	n=$(control slack/messages | wc -l)
	[ "$n" -ge 1 ] && [ "$n" -le 10 ] || fail "$n messages"
}

@test "asleep for five days: sales.sh fetches its last three, and report_gaps has the others" {
	start_sim
	meet '2026-11-10 15:00'
	export SP_ASK_MS=30
	full
	run clocked sales.sh --marketplaces US --timeout 30 --lookback 3
	meet '2026-11-16 15:00'
	full
	run clocked sales.sh --marketplaces US --timeout 30 --lookback 3
	run days
	assert_output '2026-11-07 1
2026-11-08 1
2026-11-09 1
2026-11-13 1
2026-11-14 1
2026-11-15 1'
	run -0 bash -c "db-query report_gaps | jq -r .date | sort"
	assert_line --index 0 2026-11-10
	assert_line --index 1 2026-11-11
	assert_line --index 2 2026-11-12
	# A backfill is all it takes.
	full
	run clocked sales.sh --marketplaces US --timeout 30 --mode backfill --from 2026-11-10 --to 2026-11-12
	run bash -c "db-query report_gaps date'<'2026-11-16"
	assert_output ''
}
