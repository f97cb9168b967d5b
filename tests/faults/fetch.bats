#!/usr/bin/env bats
# keepa-fetch and sp-fetch when they are killed, when the disk or the network
# fails, at any call of the system; and jobs whose folders cannot be written
# (faults 2, 5, 7 and 10).
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load faults

setup() {
	clean_room
	start_sim
	export SP_API_STATE=$PWD/sp-api.state SP_ASK_MS=30
}

teardown() {
	stop_sim
}

# The answer to every request: two products, in gzip.
answers() {
	faults keepa "$(jq -nc '{products: [{asin: "B0SIM00001", salesRanks: {"1": [8000000, 1]}},
		{asin: "B0SIM00002", salesRanks: {"1": [8000000, 2]}}], tokensLeft: 9, refillRate: 1, refillIn: 9, tokensConsumed: 2}
		| [{fault: "body", body: tojson, times: 1000000}]')"
}

asins=(B0SIM00001 B0SIM00002)

# calls COMMAND...: each call that a run makes, as its name and the how many-th of
# the name; but for the last, which ends it.  Every so many-th of them.
calls() {
	strace -f -qq -o trace "$@" >/dev/null 2>&1
	awk '{ sub(/^[0-9]+ +/, "") } /^[a-z0-9_]+\(/ { sub(/\(.*/, ""); if ($0 !~ /^exit/) print $0, ++n[$0] }' trace |
		awk -v every="$every" 'NR % every == 0'
}

# killed_at NAME K COMMAND...: what came out is in out.
killed_at() {
	(exec strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" "${@:3}") >out 2>said
}

# The products of a stream, by what its whole lines say.
products() {
	jq -Rc 'fromjson? | select(.type == "keepa_product") | [.asin, .status]' "$1" | sort
}

@test "keepa-fetch killed at any call of the system: no end, and the next run is whole" {
	local name k n=0 every=${step:-11} code
	needs_strace
	answers
	calls keepa-fetch "${asins[@]}" </dev/null >list
	keepa-fetch "${asins[@]}" >whole
	export DATABASE_URL=sqlite:test.db
	db-load --init </dev/null
	while read -r name k; do
		code=0
		killed_at "$name" "$k" keepa-fetch "${asins[@]}" </dev/null || code=$?
		if [ $code -eq 0 ]; then continue; fi # it happened to make one call less
		assert_equal "$name $k: $code" "$name $k: 137"
		n=$((n + 1))
		if grep -q '"type":"end"' out; then
			# After its last write nothing is left to be lost.
			diff <(products out) <(products whole)
			continue
		fi
		# What is whole of it can be loaded; that it is not all is said.
		code=0
		keepa-flatten <out 2>said | badge-diff 2>/dev/null | db-load 2>/dev/null || code=$?
		[ ! -s out ] || [ $code -eq 75 ] || fail "$name $k: status $code of what is $(<out)"
		[ -z "$(products out | comm -23 - <(products whole))" ]
	done <list
	echo "# killed at $n calls" >&3
	[ $n -gt 20 ]
	keepa-fetch "${asins[@]}" | keepa-flatten | badge-diff | db-load
	run db-query asin_current_state asin=B0SIM00001
	assert_output --partial '"bestseller_badges":["1"]'
}

@test "keepa-fetch told to end, at any of its calls of network and disk: so it does, without an end" {
	local signal call k code
	needs_strace
	answers
	for signal in TERM:143 INT:130 HUP:129; do
		for call in sendto recvfrom write; do
			for ((k = 1; k < 100; k++)); do
				code=0
				(exec strace -qq -o /dev/null -e trace=$call -e inject="$call:signal=${signal%:*}:when=$k" \
					keepa-fetch "${asins[@]}") </dev/null >out 2>said || code=$?
				[ $code -ne 0 ] || break
				assert_equal "$signal $call $k: $code" "$signal $call $k: ${signal#*:}"
				[ ! -s said ] || fail "$(<said)"
				[ $call = write ] || run grep -c '"type":"end"' out
				[ $call = write ] || assert_output 0
			done
			[ $k -gt 1 ]
		done
	done
}

@test "a full disk at any write of keepa-fetch and of sp-fetch is 74, and no end" {
	local k
	needs_strace
	answers
	plenty
	a_request >request
	for ((k = 1; k < 100; k++)); do
		run --separate-stderr fault write error=ENOSPC:when=$k keepa-fetch "${asins[@]}" </dev/null
		[ "$status" -ne 0 ] || break
		assert_equal "$k: $status $stderr" "$k: 74 keepa-fetch: cannot write to standard output: No space left on device"
		refute_output --partial '"type":"end"'
	done
	[ $k -gt 2 ]
	for ((k = 1; k < 100; k++)); do
		run --separate-stderr fault write error=ENOSPC:when=$k sp-fetch <request
		[ "$status" -ne 0 ] || break
		assert_equal "$k: $status ${stderr##*$'\n'}" "$k: 74 sp-fetch: cannot write to standard output: No space left on device"
		refute_output --partial '"type":"end"'
	done
	[ $k -gt 3 ]
	run -74 --separate-stderr fault pwrite64 error=ENOSPC:when=2 sp-fetch <request
	assert_equal "${stderr##*$'\n'}" 'sp-fetch: cannot write the state of the rates: No space left on device'
}

@test "a connection that breaks, or is interrupted, at any call: all the same in the end" {
	local call error k
	needs_strace
	answers
	keepa-fetch "${asins[@]}" </dev/null >whole
	for error in ECONNRESET EINTR EAGAIN; do
		for call in sendto recvfrom connect; do
			[ $call != connect ] || [ $error = ECONNRESET ] || continue
			for ((k = 1; k < 60; k += ${step:-2})); do
				run --separate-stderr fault $call error=$error:when=$k keepa-fetch "${asins[@]}" </dev/null
				assert_equal "$error of $call $k: $status" "$error of $call $k: 0"
				diff <(products whole) <(jq -c 'select(.type == "keepa_product") | [.asin, .status]' <<<"$output" | sort)
				[ -n "$stderr" ] || [ $k -lt 8 ] || break
			done
		done
	done
}

# a_request [DAYS-AGO]: in the ledger
a_request() {
	jq -nc --arg date "$(date -u -d "${1:-10} days ago" +%F)" --arg now "$(date -u +%FT%TZ)" '{type: "report_requests",
		request_id: "US:\($date):CHILD:1", marketplace: "US", $date, granularity: "CHILD", status: "planned",
		attempts: 0, created_at: $now, updated_at: $now}'
}

plenty() {
	printf "%s 15 50 $(date +%s).000 0\n" createReport getReport getReports getReportDocument cancelReport >"$SP_API_STATE"
}

@test "sp-fetch killed at any call of the system: no end; the next run has the report, which was made once" {
	local name k n=0 every=${step:-31} day code
	needs_strace
	plenty
	a_request 700 >request
	calls sp-fetch <request >list
	export DATABASE_URL=sqlite:test.db
	db-load --init </dev/null
	while read -r name k; do
		n=$((n + 1))
		day=$(date -u -d "$((n + 10)) days ago" +%F)
		plenty
		a_request $((n + 10)) | db-load
		db-query report_requests date="$day" >request
		code=0
		killed_at "$name" "$k" sp-fetch <request || code=$?
		[ $code -eq 0 ] || assert_equal "$name $k: $code" "$name $k: 137"
		! grep -q '"type":"end"' out || [ "$(jq -Rr 'fromjson? | select(.type == "report_requests").status' out | tail -n 1)" = DONE ]
		sales-flatten <out 2>/dev/null | db-load 2>/dev/null || true
		plenty
		db-query report_requests date="$day" | sp-fetch 2>/dev/null | sales-flatten | db-load
		assert_equal "$name $k: $(db-query report_requests date="$day" | jq -r .status)" "$name $k: DONE"
		assert_equal "$name $k: $(db-query sales_daily date="$day" | wc -l)" "$name $k: 12"
		assert_equal "$name $k: $(control sp/reports | grep -c "\"date\": *\"$day")" "$name $k: 1"
	done <list
	echo "# killed at $n calls" >&3
	[ $n -gt 10 ]
}

# untouched COMMAND...: it fails with 74 or 78, says why, and asks nobody.
untouched() {
	run --separate-stderr "$@"
	case $status in
	74 | 78) ;;
	*) fail "$*: status $status, $stderr" ;;
	esac
	[ -n "$stderr$output" ] || fail "$*: nothing was said"
	assert_equal "$*: $(control requests)" "$*: "
}

@test "folders that are missing or cannot be written are told before anybody is asked" {
	local job
	db-load --init </dev/null
	for job in 'badges.sh --all' sales.sh 'sales.sh --resume'; do
		# shellcheck disable=SC2086 # a script with its options
		SELLERPIPE_HOME=$PWD/nowhere untouched $job
		# shellcheck disable=SC2086
		SELLERPIPE_HOME=/proc untouched $job # which nobody can write, root neither
		mkdir -p home
		# shellcheck disable=SC2086
		SELLERPIPE_HOME=$PWD/home DATABASE_URL=sqlite:nowhere/amazon.db untouched $job
	done
	a_request >request
	SP_API_STATE=nowhere/state untouched sp-fetch <request
	echo KEEPA_API_KEY=secret >.env
	chmod 644 .env
	untouched keepa-fetch "${asins[@]}"
	untouched sp-fetch <request
	rm .env
	SLACK_BOT_TOKEN_FILE=nowhere/token SLACK_BOT_TOKEN='' untouched slack-post </dev/null
	CLICKUP_API_TOKEN_FILE=nowhere/token CLICKUP_API_TOKEN='' untouched clickup-post </dev/null
}

@test "a spool onto which nothing can be written: what Keepa said is not lost, nor taken as done" {
	local home=$PWD/home
	mkdir home
	unset DATABASE_URL
	export SELLERPIPE_HOME=$home
	track.sh add B0SIM00001
	# The place of the raw stream is full: tee says so, and the run is no success.
	mkdir bin
	printf '#!/bin/bash\nexec %s "$@" >/dev/full\n' "$(command -v tee)" >bin/tee
	chmod +x bin/tee
	mkdir -p tree/notify
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
	PATH=$PWD/bin:$PATH run tree/pipelines/badges.sh
	[ "$status" -ne 0 ] || fail "$output"
	run -0 badges.sh
	assert_equal "$(db-query -d "sqlite:$home/amazon.db" asin_current_state | jq -r .status)" ok
}
