#!/usr/bin/env bats
# The filters when what they read or write fails: killed, full, broken, cut
# (faults 5, 6, 7, 9, 10 and 23), and --help onto a full disk, of everything.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load faults

setup() {
	clean_room
	export DATABASE_URL=sqlite:none.db
	mkdir room && cd room || return
	some_records
	# Enough for several blocks of output.
	# shellcheck disable=SC2238 # rows and flat are files
	for file in products flat rows; do
		for _ in {1..12}; do cat "$file"; done >more
		mv more $file
	done
	python3 "$top/tests/sim/sales.py" --asins 400 --date 2026-11-18 --gzip >document.gz
	touch -d 2026-11-21T12:00:00Z document.gz
}

# each_call FUNCTION CALL WHAT INPUT COMMAND...: what the function finds of each
# run in which the k-th such call fails, for every k until none does.  Its output
# is in out, its messages in said, its status in code; that of a whole run in
# whole.
each_call() {
	local look=$1 call=$2 what=$3 input=$4 k
	shift 4
	"$@" <"$input" >whole 2>said || fail "$*: $(<said)"
	for ((k = 1; k < 500; k += ${step:-1})); do
		code=0
		(exec strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:$what:when=$k" "$@") \
			<"$input" >out 2>said || code=$?
		if [ $code -eq 0 ] && cmp -s out whole; then break; fi # undisturbed
		"$look" "$@"
	done
	[ $k -gt 1 ] || fail "$*: no $call failed"
	[ $k -lt 500 ]
}

# ended CODE MESSAGE COMMAND...: so, and what came out is a beginning.
ended() {
	local name=$3
	[ "$code" -eq "$1" ] || fail "${*:3}: status $code, $(<said)"
	[ "$(<said)" = "${2:+$name: $2}" ] || fail "${*:3}: it said $(<said)"
	cmp -s out <(head -c "$(stat -c %s out)" whole) || fail "${*:3}: other output"
}

full() { ended 74 'cannot write to standard output: No space left on device' "$@"; }
broken() { ended 74 'cannot write to standard output: Input/output error' "$@"; }
unread() { ended 74 "cannot read '$([ "$1" = sp-split ] && echo document.gz || echo stdin)': Input/output error" "$@"; }
killed() { ended 137 '' "$@"; }
terminated() { ended 143 '' "$@"; }
interrupted() { ended 130 '' "$@"; }
hung_up() { ended 129 '' "$@"; }

# A byte that was never written is missing, where it was to be, and no other.
one_byte_less() {
	if [ "$code" -ne 0 ] || [ -s said ]; then fail "$*: status $code, $(<said)"; fi
	python3 - <<-'!' || fail "$*: not one byte less"
		out, whole = open("out", "rb").read(), open("whole", "rb").read()
		at = next((i for i in range(len(out)) if out[i] != whole[i]), len(out))
		assert len(out) == len(whole) - 1 and out[at:] == whole[at + 1:]
	!
}

no_matter() { fail "$*: status $code, $(<said)"; }

# of_each FUNCTION CALL WHAT: of each filter.
of_each() {
	local line
	for line in "${filters[@]}"; do
		# shellcheck disable=SC2086 # its words
		each_call "$@" $line
	done
}

@test "a full disk at any write of a filter is 74, and said" {
	needs_strace
	of_each full write error=ENOSPC
}

@test "a disk that breaks at any write of a filter is 74, and said" {
	needs_strace
	of_each broken write error=EIO
}

@test "input that breaks at any read of a filter is 74, and no end of it" {
	needs_strace
	for line in "${filters[@]}"; do
		[ "${line%% *}" != /dev/null ] || continue # what it reads is a file of its own
		# shellcheck disable=SC2086 # its words
		from_stdin $line
	done
	run -74 --separate-stderr strace -qq -o /dev/null -P "$PWD/document.gz" -e inject=read:error=EIO sp-split document.gz
	assert_output ''
	assert_equal "$stderr" "sp-split: cannot read 'document.gz': Input/output error"
}

# from_stdin INPUT COMMAND...: each read of standard input fails, and no other.
from_stdin() {
	local input=$1 k
	shift
	"$@" <"$input" >whole
	for ((k = 1; k < 500; k++)); do
		code=0
		strace -qq -o /dev/null -P "$PWD/$input" -e trace=read -e inject=read:error=EIO:when=$k \
			"$@" <"$input" >out 2>said || code=$?
		[ $code -ne 0 ] || break
		unread "$@"
	done
	[ $k -gt 1 ]
	cmp out whole
}

@test "a write that takes one byte goes on with the next" {
	needs_strace
	of_each one_byte_less write retval=1
}

@test "interrupted reads and writes are no matter" {
	needs_strace
	for call in read write; do
		for error in EINTR EAGAIN; do
			for line in "${filters[@]}"; do
				# shellcheck disable=SC2086 # its words
				set -- $line
				[ "$call" = write ] || [ "$1" != /dev/null ] || continue
				"${@:2}" <"$1" >whole
				strace -qq -o /dev/null -P "$([ $call = read ] && echo "$PWD/$1" || echo "$PWD/out")" \
					-e trace=$call -e inject=$call:error=$error:when=1+2 "${@:2}" <"$1" >out 2>said ||
					fail "$line: status $?, $(<said)"
				cmp out whole
			done
		done
	done
}

@test "killed at any write, and by any signal, what came out is a beginning" {
	needs_strace
	of_each killed write signal=KILL
	for signal in TERM:terminated INT:interrupted HUP:hung_up; do
		each_call "${signal#*:}" write "signal=${signal%:*}" products keepa-flatten
		each_call "${signal#*:}" write "signal=${signal%:*}" flat badge-diff
	done
}

@test "killed at any write, what came is loaded as far as it goes, and once more all of it" {
	local k code=0
	needs_strace
	state() {
		local table
		for table in asin_current_state rank_history asin_history categories bestseller_changes; do
			db-query "$table"
		done
	}
	{ echo '{"type":"run","run_id":"1"}'; cat flat; echo '{"type":"end","run_id":"1"}'; } >in
	badge-diff <in | db-load -d sqlite:whole.db
	DATABASE_URL=sqlite:whole.db state >expected
	for ((k = 1; ; k += ${step:-2})); do
		rm -f test.db*
		export DATABASE_URL=sqlite:test.db
		code=0
		fault write signal=KILL:when=$k badge-diff <in >out || code=$?
		[ $code -ne 0 ] || break
		code=0
		db-load --init <out 2>said || code=$?
		[ ! -s out ] || [ $code -eq 75 ] || fail "$k: status $code, $(<said)"
		badge-diff <in | db-load
		state | cmp - expected
	done
	[ $k -gt 3 ]
}

@test "--help onto a full disk is 74, of every program and of every script" {
	local c script
	for c in "$top"/{fetch,transform,load,notify}/*.c; do
		run --separate-stderr bash -c "$(basename "$c" .c) --help >/dev/full"
		assert_equal "$c: $status" "$c: 74"
		assert_regex "$stderr" ': cannot write to standard output: No space left on device$'
	done
	for script in "$top"/pipelines/job "$top"/pipelines/*.sh; do
		[ -x "$script" ] && grep -q -- --help "$script" || continue
		# shellcheck disable=SC2016 # for the inner shell
		run -0 bash "$script" --help
		run --separate-stderr bash -c 'bash "$1" --help >/dev/full' - "$script"
		assert_equal "$script: $status" "$script: 74"
		assert_regex "$stderr" 'No space left on device'
	done
}

@test "lists of the scripts onto a full disk are 74" {
	unset DATABASE_URL
	export SELLERPIPE_HOME=$PWD
	track.sh add B0SIM00001
	run -74 --separate-stderr bash -c 'track.sh list >/dev/full'
	assert_regex "$stderr" 'track.sh: cannot write to standard output$'
	export SP_API_STATE=state
	run -74 --separate-stderr bash -c 'sales.sh --plan >/dev/full'
	assert_regex "$stderr" 'sales.sh: cannot write to standard output$'
	# What is wrong with something else is said as that.
	rm amazon.db*
	run -78 --separate-stderr track.sh list
	assert_regex "$stderr" '^db-query: cannot open'
}

@test "a file of states that cannot be read, and a document that cannot, before anything comes out" {
	run -64 --separate-stderr badge-diff -p nowhere/states <flat
	assert_output ''
	assert_equal "$stderr" "badge-diff: cannot open 'nowhere/states': No such file or directory"
	run -64 --separate-stderr sp-split document.gz nowhere/document.gz
	assert_output ''
	assert_equal "$stderr" "sp-split: cannot open 'nowhere/document.gz': No such file or directory"
}

@test "what is no JSON, amid what is: each line is told, the rest is done, by every filter" {
	local program good='{"type":"x","n":1}'
	python3 - >in <<'!'
import sys
good = b'{"type":"x","n":1}\n'
bad = [b'{"type":"x",}', b'{"type":"x"', b'\x00', b'{"type":"x","a":"\xff"}', b'{"type":"x","a":"\\ud800"}',
    b'{"type":"x","a":NaN}', b"{'type':'x'}", b'{"type":"x","type":"y"}', b'{"type":"x","a":' + b"[" * 65 + b"]" * 65 + b"}",
    b'{"type":"x","a":01}', b'{"type":"x"} trailing', b'{"type":"x","a":"\x01"}', b'[1]', b'"x"', b'{"a" 1}', b'{"type":"x","a":tru}']
fine = [b'{"type":"x","a":"' + b"y" * (1 << 20) + b'"}', b'{"type":"x","a":1e999}', b'{"type":"x","a":-0}', b'{"type":"x","a":' + b"[" * 63 + b"]" * 63 + b"}"]
for n, line in enumerate(bad):
    sys.stdout.buffer.write(good + line + b"\n")
for line in fine:
    sys.stdout.buffer.write(line + b"\n")
sys.stdout.buffer.write(good + b'{"type":"x","cut":"')
!
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run' \
		'clickup-post --dry-run'; do
		# shellcheck disable=SC2086 # its words
		run --separate-stderr $program <in
		assert_equal "$program: $status" "$program: 65"
		assert_equal "$program: $(grep -c . <<<"$stderr")" "$program: 17"
		assert_equal "$(grep -cxF "$good" <<<"$output")" 17
		assert_equal "${#lines[@]}" 21
		for n in 2 4 32; do assert_regex "$stderr" ": stdin:$n: column "; done
		assert_regex "$stderr" ': stdin:38: column [0-9]+: unexpected end of data$'
	done
}
