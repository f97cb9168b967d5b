#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2154 # tests are subshells; top, sim: from helper.bash
# sales.sh killed at any point: the next run ends where an undisturbed one would
# have, and Amazon has made each report once.
load helper

setup() {
	clean_room
	unset DATABASE_URL
	export SP_BURST=8 SP_API_STATE=$BATS_TEST_TMPDIR/sp-api.state
	mkdir -p tree bin calm
	cp -r "$top/pipelines" tree/
	mkdir tree/notify
	cp "$top"/notify/*.jq tree/notify/
	undisturbed "$(date -u +%F)"
}

teardown() {
	stop_sim
}

# undisturbed DAY: what the job leaves on it; once for all tests.
undisturbed() {
	if [ ! -s "$BATS_FILE_TMPDIR/$1" ]; then
		begin
		home calm
		sales
		state calm >"$BATS_FILE_TMPDIR/$1"
		stop_sim
	fi
	cp "$BATS_FILE_TMPDIR/$1" "$BATS_TEST_TMPDIR/expected"
}

# A new Amazon, which knows of nothing.
begin() {
	rm -f "$BATS_TEST_TMPDIR/sim.url"
	start_sim
	export SP_ASK_MS=60 SLACK_CHANNEL_LOGS=C0LOGS SLACK_CHANNEL_ALERTS=C0ALERTS
	control sp/script '[{"outcomes":[{"statuses":["IN_PROGRESS","DONE"],"b2b":true}]}]' >/dev/null
}

home() {
	export SELLERPIPE_HOME=$BATS_TEST_TMPDIR/$1
}

sales() { # with Amazon's buckets full
	local op
	for op in createReport getReport getReports getReportDocument cancelReport; do
		echo "$op 15 10 $(date +%s) 0"
	done >"$SP_API_STATE"
	tree/pipelines/sales.sh --lookback "${days:-1}" --marketplaces "${markets:-US}" --timeout 60
}

# All that does not depend on when it was fetched.
state() { # state HOME
	local table
	for table in sales_daily sales_daily_totals sales_restatements report_requests; do
		db-query -d "sqlite:$BATS_TEST_TMPDIR/$1/amazon.db" $table | jq -cS 'del(.fetched_at, .report_id,
			.document_id, .asked_at, .created_at, .updated_at, .attempts)' | sort
	done
}

ends_well() { # ends_well WHAT: the next run does
	run sales
	assert_equal "$1: $status" "$1: 0"
	diff "$BATS_TEST_TMPDIR/expected" <(state disturbed) || fail "$1: not the same"
	assert_equal "$1: $(control sp/reports | jq -r '"\(.marketplace) \(.date)"' | sort | uniq -d)" "$1: "
	run find "$SELLERPIPE_HOME/spool" -type f ! -name 'notes-*.gz'
	assert_output ''
}

again() { # a new world for the next kill
	stop_sim
	rm -rf "$BATS_TEST_TMPDIR/disturbed"
	mkdir "$BATS_TEST_TMPDIR/disturbed"
	begin
	home disturbed
}

# each SYSCALL STEP: sp-fetch is killed at its first call of it, and at every so
# many-th, until a run gets through; `make faults` takes every one.
each() {
	local n=1 step=${FAULT_STEP:-$2} real
	strace -qq -o /dev/null true 2>/dev/null || skip "no ptrace here"
	real=$(command -v sp-fetch)
	while again; do
		cat >bin/sp-fetch <<-!
			#!/bin/bash
			exec strace -qq -o /dev/null -e trace=$1 -e inject=$1:signal=KILL:when=$n $real "\$@"
		!
		chmod +x bin/sp-fetch
		PATH=$BATS_TEST_TMPDIR/bin:$PATH run sales
		[ "$status" -ne 0 ] || break
		ends_well "killed at $1 number $n"
		n=$((n + step))
	done
	echo "# $((n - 1)) calls of $1" >&3
	[ "$n" -gt 5 ]
}

@test "sp-fetch killed at each message to Amazon" {
	each sendto 5
}

@test "sp-fetch killed at each answer of Amazon's" {
	each recvfrom 9
}

@test "sp-fetch killed at each record" {
	each write 7
}

# dies NAME BYTES: the program NAME is killed once it has read so much.
dies() {
	local real
	real=$(command -v "$1")
	cat >"bin/$1" <<-!
		#!/bin/bash
		if [ -e "$BATS_TEST_TMPDIR/armed" ] && ${3:-true}; then
			rm "$BATS_TEST_TMPDIR/armed"
			head -c $2 | $real "\$@"
			kill -KILL \$\$
		fi
		exec $real "\$@"
	!
	chmod +x "bin/$1"
	touch "$BATS_TEST_TMPDIR/armed"
}

for_each_cut() { # for_each_cut NAME [WHEN]: killed at its beginning, within, and near its end
	local bytes cuts=(0 900 12000)
	[ -z "${FAULT_STEP:-}" ] || cuts=(0 300 900 3000 12000)
	for bytes in "${cuts[@]}"; do
		again
		dies "$1" "$bytes" "${2:-true}"
		PATH=$BATS_TEST_TMPDIR/bin:$PATH run sales
		[ ! -e "$BATS_TEST_TMPDIR/armed" ] || fail "$1 was never started"
		rm "bin/$1"
		ends_well "$1 killed after $bytes bytes"
	done
}

@test "sales-plan killed" {
	for_each_cut sales-plan
}

@test "sales-flatten killed" {
	for_each_cut sales-flatten
}

@test "db-load killed while it loads the rows" {
	# shellcheck disable=SC2016 # for the wrapper to expand
	for_each_cut db-load '[ -n "$(ls spool/said-* 2>/dev/null)" ]'
}

@test "a plan that cannot be stored is not begun, and that is told" {
	again
	real=$(command -v db-load)
	cat >bin/db-load <<-!
		#!/bin/bash
		IFS= read -r first
		case \$first in
		*'"status":"planned"'*) exit 75 ;;
		esac
		{ [ -z "\$first" ] || printf '%s\n' "\$first"; cat; } | $real "\$@"
	!
	chmod +x bin/db-load
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run sales
	assert_equal "$status" 75
	assert_equal "$(control sp/reports)" ''
	assert_equal "$(db-query -d "sqlite:$SELLERPIPE_HOME/amazon.db" runs | jq -c '[.status, .finished_at != null]')" '[75,true]'
	assert_equal "$(control clickup/comments | jq -r .id | wc -l)" 1
	rm bin/db-load
	ends_well "a plan that could not be stored"
}

@test "clickup-post killed: one comment all the same" {
	for_each_cut clickup-post
	assert_equal "$(control clickup/comments | jq -r .id | wc -l)" 2 # of two runs
}

@test "the whole job killed at any moment" {
	days=2 markets=US,CA
	begin
	home calm
	sales
	state calm >"$BATS_TEST_TMPDIR/expected"
	again
	for ms in 30 80 130 180 230 280 330 380 430 480 550 650; do
		for op in createReport getReport getReports getReportDocument; do
			echo "$op 15 10 $(date +%s) 0"
		done >"$SP_API_STATE"
		killed_after "$ms" tree/pipelines/sales.sh --lookback 2 --timeout 60 || true
	done
	ends_well "the job killed at many moments"
}
