#!/usr/bin/env bats
# What programs do when memory, address space or descriptors run out (faults 11,
# 12 and 13).
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load faults

setup() {
	clean_room
	export DATABASE_URL=sqlite:none.db
	mkdir room && cd room || return
	some_records
}

teardown() {
	stop_sim
}

# The library that refuses memory; see oom.c.
make_oom() {
	sanitized && skip 'the sanitizers have their own memory'
	"${CC:-cc}" -shared -fPIC -O1 -o oom.so "$top/tests/faults/oom.c" -ldl ||
		skip 'no library can be preloaded here'
	OOM_COUNT=count LD_PRELOAD=$PWD/oom.so ls / >/dev/null || true
	[ -s count ] || skip 'no library can be preloaded here'
}

# survives STEP INPUT COMMAND...: without memory at any point; see oom.py.
survives() {
	run python3 "$top/tests/faults/oom.py" "$PWD/oom.so" "$@"
	[ "$status" -eq 0 ] || fail "$output"
	echo "$output" >&3
}

@test "no memory, at each allocation of each filter: 75, said, and nothing wrong comes out" {
	make_oom
	echo 'SP_MIN_AGE=7' >.env && chmod 600 .env
	each_filter survives 1
	survives 1 changes slack-post --dry-run
	survives 1 /dev/null badge-diff --help
}

@test "no memory for db-load: the database is as it was, or as it is to be" {
	make_oom
	{ grep -m 1 categories flat && grep -m 1 rank_history flat; } | db-load -d sqlite:old.db
	{ head -n 1 states && grep -m 2 rank_history changes && grep -m 1 asin_history changes; } >few
	export DATABASE_URL=sqlite:old.db
	survives "${step:-401}" few db-load
	tail=400 survives 100000 few db-load # those for the records themselves
}

@test "no memory for db-query: no row is made up" {
	make_oom
	db-load -d sqlite:old.db <changes
	export DATABASE_URL=sqlite:old.db
	survives "${step:-61}" /dev/null db-query rank_history
	survives "${step:-61}" /dev/null db-query watchlist
}

@test "no memory for a program that talks to others: 75, and no end of what is not whole" {
	make_oom
	start_sim
	export network=1 HTTP_TRIES=2 SP_API_STATE=$PWD/state
	always() { # always API BODY: that is the answer to anything
		faults "$1" "$(jq -nc --arg body "$2" '[{fault: "body", $body, times: 1000000}]')"
	}
	always keepa '{"products":[{"asin":"B0SIM00001","salesRanks":{"1":[1,1]}}],"tokensLeft":9,"refillRate":1,"refillIn":9,"tokensConsumed":1}'
	echo '{"asin":"B0SIM00001"}' >asins
	survives "${step:-37}" asins keepa-fetch
	survives "${step:-37}" /dev/null sp-fetch --check
	always slack '{"ok":true,"ts":"1.2"}'
	jq -nc '{type: "slack_message", id: "1", text: "x"}' >message
	survives "${step:-37}" message slack-post
	always clickup '{"comments":[],"id":"1","date":1}'
	jq -nc '{type: "clickup_comment", id: "1", text: "x"}' >comment
	survives "${step:-37}" comment clickup-post
}

# endless FILE: 200 MB of it, over and over.
endless() {
	python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
data *= 1 + (1 << 20) // len(data)
for _ in range((200 << 20) // len(data)):
    sys.stdout.buffer.write(data)' "$1"
}

# in_32_MB COMMAND...: with no more address space than that.
in_32_MB() {
	bash -c 'ulimit -v 32768 && exec "$@"' - "$@"
}

@test "200 MB go through each filter, and into the database, in 32 MB of address space" {
	if sanitized; then skip 'the sanitizers need more'; fi
	local line input
	for line in 'products keepa-flatten --no-raw' 'flat badge-diff' 'rows sales-flatten' 'changes db-load' \
		'changes slack-post --dry-run'; do
		input=${line%% *}
		# shellcheck disable=SC2086 # its words
		endless "$input" | in_32_MB ${line#* } >/dev/null 2>said || fail "$line: status $?: $(<said)"
		assert_equal "$(<said)" ''
	done
}

@test "a ledger of 200 MB, of which sales-plan has to know all, is 75 there: nothing is planned" {
	if sanitized; then skip 'the sanitizers need more'; fi
	run -75 --separate-stderr in_32_MB sales-plan --lookback 3 --now 2026-11-21T07:00:00Z < <(endless ledger)
	assert_output ''
	assert_equal "$stderr" 'sales-plan: Cannot allocate memory'
}

# with_files N COMMAND...: with so many descriptors.
with_files() {
	bash -c 'exec 3>&- && ulimit -n "$1" && exec "${@:2}"' - "$@"
}

@test "with 4 to 8 descriptors: all as ever, or 75 and a message, and nothing wrong comes out" {
	local n line
	start_sim
	db-load -d sqlite:old.db <changes
	export DATABASE_URL=sqlite:old.db SP_API_STATE=$PWD/state HTTP_TRIES=1
	echo '{"asin":"B0SIM00001"}' >asins
	jq -nc '{type: "slack_message", id: "1", text: "x"}, {type: "clickup_comment", id: "1", text: "x"}' >message
	for line in "${filters[@]}" 'changes db-load' '/dev/null db-query categories' \
		'asins keepa-fetch' '/dev/null sp-fetch --check' 'message slack-post' 'message clickup-post'; do
		# shellcheck disable=SC2086 # its words
		${line#* } <${line%% *} >whole
		for n in 4 5 6 7 8; do
			# shellcheck disable=SC2086
			run --separate-stderr with_files $n ${line#* } <${line%% *}
			case $status in
			0) [ "$(wc -l <<<"$output")" -eq "$(wc -l <whole)" ] || [ ! -s whole ] || fail "$line: $output" ;;
			75)
				assert_regex "$stderr" "^[a-z-]+: "
				refute_output --partial '"type":"end"'
				refute_output --partial '"state":"sent"'
				;;
			*) fail "$line: with $n descriptors status $status; it said: $stderr" ;;
			esac
		done
	done
}
