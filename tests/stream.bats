#!/usr/bin/env bats
# stream.bats - what holds for a stream of records, whatever program reads it
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2086 # a program with its options is to be split
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

# Those that read records, and of these, those that pass on what they do not know.
readers=(keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten db-load keepa-fetch 'slack-post --dry-run')
passers=(keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten keepa-fetch 'slack-post --dry-run')
no_end='has no end: what came is kept, and the rest is still to come'

setup() {
	clean_room
	export KEEPA_API_KEY=unused KEEPA_API_URL=http://127.0.0.1:9
	export SLACK_BOT_TOKEN=unused SLACK_CHANNEL=C0UNUSED
	all=() # programs
	local c
	for c in "$top"/{fetch,transform,load,notify}/*.c; do
		all+=("$(basename "$c" .c)")
	done
}

# feed PROGRAM...: run it with standard input, and for db-load with a new database.
feed() {
	program=$*
	name=$1
	export DATABASE_URL=sqlite:$BATS_TEST_TMPDIR/$((++databases)).db
	run --separate-stderr "$@"
	if [ "$name" = keepa-fetch ]; then # what it adds, having nothing to fetch
		output=$(grep -v '"run_id":"keepa-fetch-' <<<"$output" || true)
	fi
}

# ended STATUS [MESSAGE...]: that is how it ended, and what it said; PROG in a
# message stands for its name.
ended() {
	local expected=
	[ $# -eq 1 ] || expected=$(printf '%s\n' "${@:2}" | sed "s/PROG/$name/g")
	if [ "$status" -ne "$1" ] || [ "$stderr" != "$expected" ]; then
		printf '%s\n' "$program: status $status instead of $1; it said:" "$stderr" \
			'instead of:' "$expected"
		return 1
	fi
}

# gave OUTPUT: that came out, or from db-load nothing.
gave() {
	local expected=$1
	[ "$name" != db-load ] || expected=
	if [ "$output" != "$expected" ]; then
		printf '%s\n' "$program gave:" "$output" 'instead of:' "$expected"
		return 1
	fi
}

# named [NAME...]: categories of these names came through, in this order.
named() {
	local got
	[ "$name" != db-load ] || output=$(db-query categories -o category_id)
	got=$(jq -rR 'fromjson? | select(.type == "categories") | .name' <<<"$output" | xargs)
	if [ "$got" != "$*" ]; then
		printf '%s\n' "$program: categories '$got' came through instead of '$*'"
		return 1
	fi
}

category() { # category ID NAME: a record that every program takes
	printf '{"type":"categories","marketplace":"US","category_id":"%s","name":"%s"}\n' "$1" "$2"
}

# Usage

@test "--help explains every program, on standard output" {
	for name in "${all[@]}"; do
		program="$name --help"
		run --separate-stderr "$name" --help
		ended 0
		assert_line --index 0 --regexp "^usage: $name"
		assert_line --partial example:
		assert_line --partial --version
	done
}

@test "--version names every program and its version" {
	for name in "${all[@]}"; do
		program="$name --version"
		run --separate-stderr "$name" --version
		ended 0
		assert_output --regexp "^$name [0-9]+\.[0-9]+\.[0-9]+$"
		[ "${#lines[@]}" -eq 1 ]
	done
}

@test "an unknown option ends every program with 64, and is named" {
	for name in "${all[@]}"; do
		for option in --frobnicate --frobnicate=1 -x --help=1; do
			program="$name $option"
			run --separate-stderr "$name" "$option" </dev/null
			ended 64 "PROG: bad option '$option'; see 'PROG --help'"
			gave ''
		done
	done
}

@test "of options in a row, the unknown one is named" {
	for name in "${all[@]}"; do
		program="$name -xy"
		run --separate-stderr "$name" -xy </dev/null
		ended 64 "PROG: bad option '-x'; see 'PROG --help'"
	done
}

@test "an option without the argument it needs ends the program with 64" {
	name=badge-diff
	for option in -p --previous; do
		program="$name $option"
		run --separate-stderr badge-diff "$option" </dev/null
		ended 64 "PROG: bad option '$option'; see 'PROG --help'"
	done
}

@test "an operand where none is taken ends the program with 64" {
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten db-load slack-post 'keepa-fetch --categories'; do
		name=${program%% *}
		run --separate-stderr $program file.ndjson </dev/null
		ended 64 "PROG: unknown operand 'file.ndjson'; see --help"
		gave ''
	done
}

@test "a file of states that cannot be opened ends badge-diff with 64" {
	run --separate-stderr badge-diff -p nowhere </dev/null
	name=badge-diff
	ended 64 "PROG: cannot open 'nowhere': No such file or directory"
}

# Output

@test "a full disk is noticed by every program, even of --help and --version" {
	full='PROG: cannot write to standard output: No space left on device'
	for name in "${all[@]}"; do
		for option in --help --version; do
			program="$name $option"
			run --separate-stderr eval "$name $option >/dev/full"
			ended 74 "$full"
		done
	done
	category 1 A >in
	for program in "${passers[@]}"; do
		name=${program%% *}
		run --separate-stderr eval "$program <in >/dev/full"
		ended 74 "$full"
	done
	db-load <in
	name=db-query program=db-query
	run --separate-stderr eval 'db-query categories >/dev/full'
	ended 74 "$full"
}

@test "a full disk is noticed in the middle of a long stream" {
	python3 -c 'print("{\"type\":\"x\"}\n" * 100000, end="")' >in
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run'; do
		name=${program%% *}
		run --separate-stderr eval "$program <in >/dev/full"
		ended 74 'PROG: cannot write to standard output: No space left on device'
	done
}

@test "standard output that is closed is noticed" {
	for program in 'keepa-flatten --help' 'badge-diff --version' 'keepa-flatten <in' 'badge-diff <in' \
		'keepa-flatten </dev/null' 'badge-diff </dev/null'; do
		name=${program%% *}
		category 1 A >in
		run --separate-stderr eval "$program >&-"
		ended 74 'PROG: cannot write to standard output: Bad file descriptor'
	done
}

@test "standard input that cannot be read is no end of input" {
	for program in "${readers[@]}"; do
		name=${program%% *}
		run --separate-stderr eval "$program </"
		ended 74 "PROG: cannot read 'stdin': Is a directory"
	done
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten; do
		name=${program%% *}
		run --separate-stderr eval "$program <&-"
		ended 74 "PROG: cannot read 'stdin': Bad file descriptor"
	done
}

# left COMMAND: how it ends, in the files status and said, when its reader has
# gone after one line.
left() {
	{
		$1 2>said && echo 0 >status || echo $? >status
	} | { read -r _; }
}

@test "a reader that leaves ends a program quietly, by SIGPIPE" {
	python3 -c 'for i in range(100000): print("{\"type\":\"categories\",\"marketplace\":\"US\",\"category_id\":\"%d\"}" % i)' >in
	db-load <in
	for program in "${passers[@]}" 'db-query categories'; do
		left "$program" <in
		[ "$(<status)" -eq 141 ] || fail "$program: status $(<status)"
		[ ! -s said ] || fail "$program: $(<said)"
	done
}

@test "it does so even where its parent ignores SIGPIPE" {
	python3 -c 'for i in range(100000): print("{\"type\":\"categories\",\"marketplace\":\"US\",\"category_id\":\"%d\"}" % i)' >in
	db-load <in
	trap '' PIPE
	for program in "${passers[@]}" 'db-query categories'; do
		left "$program" <in
		[ "$(<status)" -eq 141 ] || fail "$program: status $(<status)"
		[ ! -s said ] || fail "$program: $(<said)"
	done
}

@test "a transform is linked with nothing that reaches a network or a database" {
	for c in "$top"/transform/*.c; do
		run ldd "${c%.c}"
		assert_success
		refute_output --regexp 'curl|sqlite|ssl|libpq|nghttp'
	done
}

# Input

@test "no input is no records, and no complaint" {
	for program in "${readers[@]}"; do
		feed $program </dev/null
		ended 0
		gave ''
	done
}

@test "a bad line amid good ones is reported, and the rest is done" {
	{
		category 1 A
		echo '{"type":"categories","marketplace":"US","category_id":"2",}'
		category 3 C
		echo 'no JSON'
		echo '{"type":"categories"'
		category 6 F
		echo '["type","categories"]'
		echo '{"type":"x"} {"type":"y"}'
		category 9 I
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 65 'PROG: stdin:2: column 59: expected a name in quotes' \
			'PROG: stdin:4: column 1: not a JSON object' \
			'PROG: stdin:5: column 21: unexpected end of data' \
			'PROG: stdin:7: column 1: not a JSON object' \
			'PROG: stdin:8: column 14: more than one JSON value'
		gave "$(sed -n '1p;3p;6p;9p' in)"
		named A C F I
	done
}

@test "a bad line in the middle of a larger stream is the only one lost" {
	python3 - >in <<'!'
for i in range(20000):
    record = '{"type":"categories","marketplace":"US","category_id":"%d","name":"%d"}' % (i, i)
    print(record[:-1] if i == 9999 else record)
!
	for program in "${readers[@]}"; do
		feed $program <in
		ended 65 'PROG: stdin:10000: column 75: unexpected end of data'
		[ "$name" != db-load ] || output=$(db-query categories)
		[ "$(wc -l <<<"$output")" -eq 19999 ] || fail "$program: $(wc -l <<<"$output") of 19999"
	done
}

@test "a type that stands there twice makes a line bad, however it is spelled" {
	{
		echo '{"type":"categories","marketplace":"US","category_id":"1","type":"x"}'
		echo '{"type":"x","\u0074\u0079\u0070\u0065":"categories","marketplace":"US","category_id":"2"}'
		category 3 C
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 65 'PROG: stdin:1: column 59: a field that occurs twice' \
			'PROG: stdin:2: column 13: a field that occurs twice'
		named C
	done
}

@test "what a message quotes cannot speak to a terminal" {
	feed keepa-flatten < <(printf '{"type":"keepa_product","marketplace":"US","asin":"B00TEST001","fetched_at":"2026-11-20T08:00:00Z","product":{"salesRanks":{"\302\2332J\177":[1,1]}}}\n')
	ended 65 'PROG: stdin:1: salesRanks "??2J?" is no list of times and ranks, and is left out'
}

@test "what a program does not know passes byte for byte and in order" {
	cat >in <<'!'
{"type":"x","n":1.10,"big":12345678901234567890,"e":-0.0E-007,"huge":1e999}
 {  "type" :	"y" , "z":[ ],"a":{ } }  	
{"own":"\u00e9\/é\u0000😀\ud83d\ude00","type":"x","own":"twice"}
{"type":17}
{"no":"type"}
{}
{"ty\u0070e":"x","deep":[[[[[[[[[[{"a":null}]]]]]]]]]]}
{"type":"categories","marketplace":"US","category_id":"1","own":1.10}
{"type":"x","n":1.1}
!
	for program in "${passers[@]}"; do
		feed $program <in
		ended 0
		gave "$(<in)"
	done
}

@test "fields that a program does not know pass byte for byte in records that it does" {
	cat >in <<'!'
{"own":1.10,"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-11-20T07:00:00Z", "rank" : 1,"big":12345678901234567890}
{"type":"asin_history" ,"own":"\u00e9\/","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","sales_ranks":{"1":{"rank":1}},"z":1.10}
!
	feed badge-diff <in
	ended 0
	assert_equal "$(head -n 2 <<<"$output")" "$(<in)"
	echo '{ "own":1.10,"type":"slack_message","id":"1","channel":"C1","text":"\u00e9\/","big":12345678901234567890}' >in
	feed slack-post --dry-run <in
	ended 0
	gave "$(<in)"
}

@test "lines may end in CR LF, and leave as they came" {
	{
		printf '{"type":"x"}\r\n'
		category 1 A | sed 's/$/\r/'
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 0
		gave "$(<in)"
		named A
	done
}

@test "empty lines are skipped without a word, and counted" {
	{
		printf '\n\r\n'
		category 1 A
		printf '\n\nbad\n\n'
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 65 'PROG: stdin:6: column 1: not a JSON object'
		gave "$(category 1 A)"
		named A
	done
}

@test "the last line needs no newline, and leaves with one" {
	category 1 A | tr -d '\n' >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 0
		named A
	done
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run'; do
		$program <in | cmp - <(category 1 A)
	done
}

@test "what somebody set not to block is waited for" {
	cat >unblocked.py <<'!'
import os, subprocess, sys, threading, time
(in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
os.set_blocking(in_read, False)
os.set_blocking(out_write, False)
process = subprocess.Popen(sys.argv[1:], stdin=in_read, stdout=out_write)
os.close(in_read)
os.close(out_write)
line = b'{"type":"x","pad":"%s"}\n' % (b"a" * 50000)
def write():
    with os.fdopen(in_write, "wb") as f:
        for n in range(10):
            f.write(line)
            f.flush()
            time.sleep(0.01)
threading.Thread(target=write).start()
time.sleep(0.2)                 # until the pipe behind it is full
with os.fdopen(out_read, "rb") as f:
    assert f.read() == line * 10
sys.exit(process.wait())
!
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run'; do
		name=${program%% *}
		run --separate-stderr python3 unblocked.py $program
		ended 0
	done
}

# Whole streams

@test "a run without its end: what came is kept, and the exit status is 75" {
	{
		echo '{"type":"run","run_id":"r-1","program":"x"}'
		category 1 A
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 75 "PROG: stdin:2: run \"r-1\" $no_end"
		named A
	done
}

@test "a run with its end is whole, and both pass" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		category 1 A
		echo '{"type":"end","run_id":"r-1","records":1}'
	} >in
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run' db-load; do
		feed $program <in
		ended 0
		gave "$(<in)"
		named A
	done
}

@test "keepa-fetch ends the run that it reads, and begins one of its own" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		category 1 A
		echo '{"type":"end","run_id":"r-1","records":1}'
	} >in
	run --separate-stderr keepa-fetch <in
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(jq -c '[.type, .program, .records, .name]' <<<"$output")" \
		'["categories",null,null,"A"]
["run","keepa-fetch",null,null]
["end",null,0,null]'
	assert_equal "$(jq -s '.[1].run_id == .[2].run_id' <<<"$output")" true
}

@test "runs can follow each other, and each needs its own end" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		echo '{"type":"end","run_id":"r-1"}'
		echo '{"type":"run","run_id":"r-2"}'
		category 1 A
		echo '{"type":"end","run_id":"r-1"}'
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 75 "PROG: stdin:5: run \"r-2\" $no_end"
		named A
		feed $program < <(cat in && echo '{"type":"end","run_id":"r-2"}')
		ended 0
	done
}

@test "a run that begins before the end of another says that the other was cut" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		echo '{"type":"run","run_id":"r-2"}'
		echo '{"type":"end","run_id":"r-2"}'
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 75 "PROG: stdin:2: run \"r-1\" $no_end"
	done
}

@test "a run cut in the middle of a line: that line is bad, and the rest is kept" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		category 1 A
		category 2 B | head -c 50
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 75 'PROG: stdin:3: column 51: unexpected end of data' \
			"PROG: stdin:3: run \"r-1\" $no_end"
		named A
	done
}

@test "a run or an end without a run_id, or with two, is reported" {
	{
		echo '{"type":"run"}'
		echo '{"type":"end","run_id":1}'
		echo '{"type":"run","run_id":"a","run_id":"b"}'
		category 1 A
	} >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 65 'PROG: stdin:1: a run or its end needs a run_id' \
			'PROG: stdin:2: a run or its end needs a run_id' \
			'PROG: stdin:3: a run or its end needs a run_id'
		named A
	done
}

@test "a stream without runs is just records" {
	category 1 A >in
	for program in "${readers[@]}"; do
		feed $program <in
		ended 0
		named A
	done
}

@test "the states that badge-diff reads are a stream by the same rules" {
	{
		echo '{"type":"run","run_id":"r-1"}'
		echo 'bad'
	} >states
	feed badge-diff -p states </dev/null
	ended 75 'PROG: states:2: column 1: not a JSON object' \
		"PROG: states:2: run \"r-1\" $no_end"
}

# Nobody waits

# say LINE: into the program that listens.
say() {
	printf '%s\n' "$1" >&8
}

@test "what is known comes out before more is waited for" {
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten keepa-fetch 'slack-post --dry-run'; do
		mkfifo in out
		$program <in >out &
		exec 8>in 9<out
		for n in 1 2 3; do
			say "{\"type\":\"x\",\"n\":$n}"
			read -r -t 20 -u 9 line || fail "$program: record $n does not come"
			assert_equal "$line" "{\"type\":\"x\",\"n\":$n}"
		done
		exec 8>&-
		cat <&9 >/dev/null
		exec 9<&-
		wait $!
		rm in out
	done
}

@test "what is known is in the database before more is waited for" {
	mkfifo in
	db-load <in &
	exec 8>in
	for n in 1 2; do
		say "$(category $n A)"
		wait_for eval '[ "$(db-query categories | wc -l)" -eq $n ]'
	done
	exec 8>&-
	wait $!
}

# Limits

# padded LENGTH CATEGORY: a record in a line of so many bytes.
padded() {
	python3 - "$@" <<'!'
import sys
size, number = int(sys.argv[1]), sys.argv[2]
head = '{"type":"categories","marketplace":"US","category_id":"%s","name":"%s","pad":"' % (number, number)
print(head + "a" * (size - len(head) - 2) + '"}')
!
}

@test "a line of 16 MiB is taken, and one byte more is refused by name" {
	max=$((16 << 20))
	{
		padded $max 1
		padded $((max + 1)) 2
		category 3 3
	} >in
	for program in "${readers[@]}"; do
		name=${program%% *} DATABASE_URL=sqlite:$name.db
		run --separate-stderr eval "$program <in >out"
		ended 65 'PROG: stdin:2: line longer than 16777216 bytes'
		output=$(sed 's/,"pad".*/}/' out)
		named 1 3
	done
}

@test "a line of 16 MiB leaves as it came" {
	padded $((16 << 20)) 1 >in
	for program in keepa-flatten badge-diff 'sales-plan --lookback 0' sales-flatten 'slack-post --dry-run'; do
		$program <in >out
		cmp in out
	done
}

@test "a longer line that comes in parts, or last, is one bad line" {
	{
		category 1 1
		padded $((40 << 20)) 2
		category 3 3
		padded $((40 << 20)) 4 | tr -d '\n'
	} >in
	for program in keepa-flatten db-load; do
		feed $program < <(cat in)
		ended 65 'PROG: stdin:2: line longer than 16777216 bytes' \
			'PROG: stdin:4: line longer than 16777216 bytes'
		named 1 3
	done
}

@test "the longest line takes less than four times its size in memory" {
	if sanitized; then skip 'memory is not what it is elsewhere'; fi
	padded $((16 << 20)) 1 >in
	for program in "${readers[@]}"; do
		run --separate-stderr peak_kib $program <in
		assert_success
		[ "$output" -lt 65536 ] || fail "$program: $output KiB"
	done
}

@test "2,000 products of 60 kB go through every program in 16 MiB" {
	if sanitized; then skip 'memory is not what it is elsewhere'; fi
	python3 "$top/tests/sim/products.py" --count 2000 --size 60000 --seed 1 >products
	keepa-flatten <products >flat
	for program in 'keepa-flatten <products' 'badge-diff <flat' 'db-load <flat' \
		'slack-post --dry-run <flat'; do
		run --separate-stderr eval "peak_kib $program"
		assert_success
		[ "$output" -le 16384 ] || fail "$program: $output KiB"
	done
}
