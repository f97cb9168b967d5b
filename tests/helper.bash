# shellcheck shell=bash
# helper.bash - loaded by every test: the programs in PATH, an empty folder to
# work in, no settings but those that a test makes, and the simulator.

bats_require_minimum_version 1.5.0
export BATS_LIB_PATH=${BATS_LIB_PATH:-/usr/lib/bats:/usr/lib:/usr/share/bats:/usr/local/lib:/opt/homebrew/lib}
bats_load_library bats-support
bats_load_library bats-assert

top=$(cd "$BATS_TEST_DIRNAME" && while [ ! -e Makefile ]; do cd ..; done && pwd)
shared=$top/../shared # real answers, where they are
export PATH=$top/fetch:$top/transform:$top/load:$top/notify:$top/pipelines:$PATH
export LC_ALL=C.UTF-8 TZ=UTC

# As it is: without what a machine loads into each python, and without the scripts
# by which some choose a version of it, which take longer than a test.
if [ -z "${TEST_PYTHON:-}" ]; then
	TEST_PYTHON=$(python3 -SEc 'import sys; print(sys.executable)')
	export TEST_PYTHON
fi
python3() {
	"$TEST_PYTHON" -SE "$@"
}
export -f python3

# shellcheck source=peers/peers.bash
source "$top/tests/peers/peers.bash"

# Called by the setup of each file of tests.
clean_room() {
	local name
	for name in $(compgen -e | grep -E '^(KEEPA|SLACK|SP_|LWA|CLICKUP|SUPABASE|HTTP|DATABASE|SELLERPIPE|SPOOL|ALERT|HEALTH|BACKUP|LOG_MAX|KEEP)_?|^PG[A-Z]+$'); do
		unset "$name"
	done
	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
	cd "$BATS_TEST_TMPDIR" || return
	export SELLERPIPE_HOME=$BATS_TEST_TMPDIR DATABASE_URL=sqlite:$BATS_TEST_TMPDIR/test.db
}

# wait_for COMMAND...: until it succeeds, or thirty seconds have passed: more than any of it
# takes on a busy machine, since what is waited for is the test, not the time.
wait_for() {
	local end=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.025
	done
}

# killed_after MS COMMAND...: it and its group, and all that it has started ends; false: it was
# done already.  What a job runs in a group of its own ends a little later: who has
# doomed.lock is alive.
killed_after() {
	local job status=0
	(flock 9 && exec setsid "${@:2}") 9>doomed.lock 3>&- 4>&- >/dev/null 2>&1 &
	job=$!
	sleep "$(awk "BEGIN { print $1 / 1000 }")"
	kill -KILL -- "-$job" 2>/dev/null || status=1
	wait "$job" || true
	wait_for flock -n doomed.lock true
	return $status
}

# at_once COMMAND...: as it is, but it may wait for nothing by a time: 99 if it did.
at_once() {
	local code=0
	if ! strace -qq -o /dev/null true 2>/dev/null; then
		timeout 120 "$@"
		return
	fi
	ASAN_OPTIONS=detect_leaks=0 timeout 120 strace -f -qq -o "$BATS_TEST_TMPDIR/naps" --signal=none \
		-e trace=clock_nanosleep,nanosleep "$@" || code=$?
	[ ! -s "$BATS_TEST_TMPDIR/naps" ] || return 99
	return $code
}

# start_sim [OPTION...]: the APIs on loopback, and the settings that lead there.
# Waits are short, so that tests of them are.
start_sim() {
	"$TEST_PYTHON" -SE "$top/tests/sim/sim" --ready "$BATS_TEST_TMPDIR/sim.url" "$@" 3>&- &
	sim_pid=$!
	while [ ! -s "$BATS_TEST_TMPDIR/sim.url" ]; do
		kill -0 "$sim_pid" || return
		sleep 0.02
	done
	sim=$(<"$BATS_TEST_TMPDIR/sim.url")
	ask_sim
}

# ask_sim: the settings that lead to the simulator at $sim.
ask_sim() {
	export KEEPA_API_URL=$sim/keepa KEEPA_API_KEY=test-key
	export SLACK_API_URL=$sim/slack/api SLACK_BOT_TOKEN=xoxb-test SLACK_CHANNEL=C0TEST
	export LWA_URL=$sim/lwa/auth/o2/token SP_API_URL=$sim/sp SP_POLL_MS=20
	export SP_API_CLIENT_ID=amzn1.application-oa2-client.test
	export SP_API_CLIENT_SECRET=amzn1.oa2-cs.v1.test SP_API_REFRESH_TOKEN='Atzr|test'
	export CLICKUP_API_URL=$sim/clickup/api/v2 CLICKUP_API_TOKEN=pk_test CLICKUP_TASK_ID=86test
	export SLACK_PACE_MS=0 HTTP_WAIT_MS=20 HTTP_STALL_TIMEOUT=2 HTTP_TIMEOUT=20
}

# Called by the teardown of files that start it.
stop_sim() {
	if [ -n "${sim_pid:-}" ]; then
		kill "$sim_pid" 2>/dev/null || true
		wait "$sim_pid" 2>/dev/null || true
	fi
}

# next_second: until the clock's second is another, for what has to be later.
next_second() {
	sleep "$(awk -v now="${EPOCHREALTIME/,/.}" 'BEGIN { print 1.01 - now % 1 }')"
}

# control PATH [BODY]: tell the simulator (POST with a body, else GET).
control() {
	curl -sS --fail-with-body "$sim/_sim/$1" ${2+-X POST -d "$2"}
}

# faults API JSON: what comes instead of the next answers.
faults() {
	control "faults/$1" "$2" >/dev/null
}

# requests API [FILTER]: those made so far, by jq.
requests() {
	control "requests?api=$1" | jq -c "${2:-.}"
}

# peak_kib COMMAND...: its peak of memory in KiB, as its last line of output.
peak_kib() {
	python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)' "$@"
}

# needs_shared FILE: skip where the real answers are not beside the project.
needs_shared() {
	[ -e "$shared/$1" ] || skip "no ../shared/$1 beside the project"
}

sanitized() { # whether the programs check themselves, and need more memory for it
	nm "$top/transform/badge-diff" 2>/dev/null | grep -q __asan_init
}
