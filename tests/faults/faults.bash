# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by tests; top: from helper.bash
# faults.bash - loaded by the tests of faults: what breaks, and at which call.
load ../helper

# How many calls are passed over between two that fail: 1 is each of them, as
# `make faults` has it.
step=${FAULT_STEP:-}

export ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from

needs_strace() {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
}

needs_faketime() {
	command -v faketime >/dev/null || skip 'no faketime here'
	sanitized && skip 'faketime is in the way of the sanitizers'
	return 0
}

# fault CALLS WHAT COMMAND...: run it with what happens to these system calls
fault() {
	strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:$2" "${@:3}"
}

# Input for the filters: products, their points and looks, what came of those,
# rows of a report, and the document they are of.
some_records() {
	python3 "$top/tests/sim/products.py" --count 3 --size 3000 --polls 2 --seed 1 >products
	keepa-flatten --no-raw <products >flat
	badge-diff <flat >changes
	grep asin_current_state changes >states
	python3 "$top/tests/sim/sales.py" --asins 3 --date 2026-11-18 --gzip >document.gz
	touch -d 2026-11-21T12:00:00Z document.gz
	sp-split document.gz >rows
	cat >ledger <<-'!'
		{"type":"report_requests","request_id":"US:2026-11-18:CHILD:1","marketplace":"US","date":"2026-11-18","granularity":"CHILD","status":"planned","attempts":0,"created_at":"2026-11-19T08:00:00Z","updated_at":"2026-11-19T08:00:00Z"}
		{"type":"report_requests","request_id":"US:2026-11-17:CHILD:1","marketplace":"US","date":"2026-11-17","granularity":"CHILD","status":"DONE","attempts":1,"asked_at":"2026-11-18T08:00:00Z","created_at":"2026-11-18T08:00:00Z","updated_at":"2026-11-18T08:10:00Z"}
	!
}

# The filters with something to do, a line each: the input, and the command.
filters=('products keepa-flatten' 'flat badge-diff' 'flat badge-diff -p states'
	'ledger sales-plan --lookback 3 --now 2026-11-21T07:00:00Z' 'rows sales-flatten'
	'/dev/null sp-split document.gz')

# each_filter FUNCTION...: call it with the input and the command of each.
each_filter() {
	local line
	for line in "${filters[@]}"; do
		# shellcheck disable=SC2086 # its words
		"$@" $line
	done
}

# whole_lines FILE OF: it is lines of the other's beginning, none cut.
whole_lines() {
	[ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || fail "$1 ends within a line"
	cmp -s "$1" <(head -c "$(stat -c %s "$1")" "$2") || fail "$1 is no beginning of $2"
}
