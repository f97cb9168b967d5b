#!/usr/bin/env bats
# db-load and db-query when the machine fails: killed, full, broken, busy.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load ../helper

setup() {
	clean_room
	mkdir room && cd room || return
	export DATABASE_URL=sqlite:$PWD/test.db
	export ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from
}

needs_strace() {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
}

# fault CALLS WHAT COMMAND...: run it with what happens to these system calls
fault() {
	strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:$2" "${@:3}"
}

# records N: some for three tables, on several pages
records() {
	jq -nc --argjson n "$1" 'range($n) | "B\(. + 100000000)" as $asin
		| {type: "asin_current_state", marketplace: "US", asin: $asin, status: "ok",
			product_title: "t\($n)", last_updated: "2026-11-20T08:00:00Z"},
		  {type: "asin_history", marketplace: "US", asin: $asin, check_timestamp: "2026-11-20T08:00:00Z",
			raw_keepa_response: {text: ("x" * 2500)}},
		  {type: "rank_history", marketplace: "US", asin: $asin, category_id: "1",
			changed_at: "2026-11-20T08:00:00Z", rank: $n}'
}

# state FILE...: all that is in each database, which has to be whole
state() {
	python3 -c '
import sqlite3, sys
for name in sys.argv[1:]:
    db = sqlite3.connect(name)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
    print("\n".join(sorted(db.iterdump())))' "$@"
}

# A database, and what it holds before and after a stream is loaded into it.
before_and_after() {
	records 1 | db-load
	cp test.db before.db
	records 3 >stream
	db-load <stream
	cp test.db after.db
	state before.db >before
	state after.db >after
	! cmp -s before after
}

# Keep what is in the database now, -wal and all, to be looked at by `kept`.
keep() {
	local name=kept.$1.$((++n_kept)) file
	for file in test.db test.db-wal test.db-shm; do
		[ ! -e $file ] || cp $file "$name.db${file#test.db}"
	done
}

# kept NAME STATE...: each that was kept under the name is one of these
kept() {
	python3 - "$@" <<'!'
import glob, sqlite3, sys
wanted = [open(name).read() for name in sys.argv[2:]]
names = glob.glob(f"kept.{sys.argv[1]}.*.db")
assert names
for name in names:
    db = sqlite3.connect(name)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
    assert "\n".join(sorted(db.iterdump())) + "\n" in wanted, f"{name}: {sys.argv[2:]} it is not"
!
}

# again COMMAND...: without a fault it does the whole
again() {
	run -0 --separate-stderr "$@"
	assert_equal "$stderr" ''
}

@test "killed at any write, db-load leaves what was or what is to be, and loading again heals it" {
	local call k code killed=0
	needs_strace
	before_and_after
	for call in pwrite64 fdatasync ftruncate unlink; do
		for ((k = 1; ; k++)); do
			rm -f test.db*
			cp before.db test.db
			code=0
			fault $call signal=SIGKILL:when=$k db-load <stream 2>/dev/null || code=$?
			keep killed
			[ $code -ne 0 ] || break
			assert_equal $code 137
			killed=$((killed + 1))
			again db-load <stream
			keep healed
		done
	done
	assert [ $killed -gt 20 ]
	kept killed before after
	kept healed after
}

@test "killed at any write of --init, it is made by the next run" {
	local call k step code killed=0
	needs_strace
	db-load --init </dev/null
	state test.db >made
	for call in pwrite64 fdatasync ftruncate unlink; do
		step=1
		[ $call != pwrite64 ] || step=${FAULT_STEP:-5} # most of them write the pages of the tables
		for ((k = 1; ; k += step)); do
			rm -f test.db*
			code=0
			fault $call signal=SIGKILL:when=$k db-load --init </dev/null 2>/dev/null || code=$?
			[ $code -ne 0 ] || break
			assert_equal $code 137
			killed=$((killed + 1))
			again db-load --init </dev/null
			keep init
		done
	done
	assert [ $killed -gt 20 ]
	kept init made
}

# breaks CALL ERROR STEP REASON: from any such call on, that is what happens
breaks() {
	local k broken=0
	before_and_after
	for ((k = 1; ; k += $3)); do
		rm -f test.db*
		cp before.db test.db
		run --separate-stderr fault "$1" "error=$2:when=$k+" db-load <stream
		if [ "$status" -eq 0 ]; then
			keep loaded # it says so
			break
		fi
		broken=$((broken + 1))
		assert_equal "$status" 74
		assert_regex "$stderr" "^db-load: cannot [a-z]+( to)? '$PWD/test.db': $4\$"
		keep broken
		again db-load <stream # it works again
		keep loaded
	done
	assert [ $broken -gt 2 ]
	kept broken before after
	kept loaded after
}

@test "a full disk is 74 wherever it shows, and nothing half-done is left" {
	needs_strace
	breaks pwrite64 ENOSPC "${FAULT_STEP:-2}" '(database or disk is full|disk I/O error)'
}

@test "a disk that fails to write is 74" {
	needs_strace
	breaks pwrite64 EIO "${FAULT_STEP:-7}" 'disk I/O error'
}

@test "what the disk did not confirm is never reported as done" {
	needs_strace
	breaks fdatasync EIO 1 'disk I/O error'
}

@test "a disk that fails to read is 74, for db-query too" {
	needs_strace
	records 9 | db-load
	run -74 --separate-stderr fault pread64 error=EIO:when=9+ db-query asin_history
	assert_regex "$stderr" "^db-query: cannot use '$PWD/test.db': d"
	run -74 --separate-stderr fault pread64 error=EIO:when=9+ db-load < <(records 2)
	assert_regex "$stderr" "^db-load: cannot [a-z ]+ '$PWD/test.db': d"
}

@test "a full disk is 74 while the database is made, and what is left can be made ours" {
	local k
	needs_strace
	for k in 1 2 9 20 40; do
		rm -f test.db*
		run -74 --separate-stderr fault pwrite64 error=ENOSPC:when=$k+ db-load --init </dev/null
		assert_regex "$stderr" "^db-load: cannot [a-z ]+ '$PWD/test.db': (database or disk is full|disk I/O error)$"
		run -0 --separate-stderr db-load --init </dev/null
		assert_equal "$stderr" ''
	done
	run -74 --separate-stderr strace -f -qq -o /dev/null -P new.db -P "$PWD/new.db" \
		-e inject=openat:error=ENOSPC db-load -d sqlite:new.db </dev/null
	assert_equal "$stderr" "db-load: cannot open 'new.db': No space left on device"
}

@test "an interrupted system call is repeated" {
	needs_strace
	before_and_after
	cp before.db test.db
	again fault pwrite64 error=EINTR:when=2+3 db-load <stream
	state test.db | cmp - after
}

@test "input that cannot be read is 74" {
	run -74 --separate-stderr db-load </
	assert_equal "$stderr" "db-load: cannot read 'stdin': Is a directory"
}

@test "a read-only folder is 78" {
	needs_strace
	records 1 | db-load
	run -78 --separate-stderr strace -f -qq -o /dev/null -P "$PWD/test.db-wal" -e inject=openat:error=EROFS \
		db-load <<<'{"type":"runs","run_id":"1"}'
	assert_equal "$stderr" "db-load: cannot use '$PWD/test.db': unable to open database file"
	run -78 --separate-stderr strace -f -qq -o /dev/null -P "$PWD/test.db" -e inject=openat:error=EROFS \
		db-load <<<'{"type":"runs","run_id":"1"}'
	assert_equal "$stderr" "db-load: cannot open '$PWD/test.db': Read-only file system"
	[ "$(id -u)" -ne 0 ] || return 0 # whom no mode keeps out
	mkdir -m 500 locked
	run -78 --separate-stderr db-load -d sqlite:locked/x.db </dev/null
	assert_equal "$stderr" "db-load: cannot open 'locked/x.db': Permission denied"
}

@test "without files to open it is 75, and nothing is lost" {
	local n
	records 1 | db-load
	state test.db >before
	for n in 4 5; do
		run -75 --separate-stderr bash -c "exec 3>&-; ulimit -n $n; exec db-load" \
			<<<'{"type":"runs","run_id":"1"}'
		assert_output ''
		assert_regex "$stderr" "^db-load: cannot .*'$PWD/test.db'"
		state test.db | cmp - before
	done
}

@test "eight loaders at once, of a database that is not there yet: every row, once" {
	local i
	for i in {1..8}; do
		jq -nc --arg i "$i" 'range(2000) | {type: "runs", run_id: "\($i)-\(.)"},
			{type: "runs", run_id: "shared \(.)", ("f" + $i): 1}' >"in.$i"
	done
	for i in {1..8}; do
		(
			code=0
			db-load <"in.$i" 2>"message.$i" 3>&- || code=$?
			echo $code >"code.$i"
		) &
	done
	wait
	run -0 cat message.{1..8} code.{1..8}
	assert_output "$(printf '0\n%.0s' {1..8})"
	run -0 bash -c 'db-query runs | jq -r .run_id'
	assert_equal "${#lines[@]}" 18000
	assert_equal "$(state test.db | grep -c 'INSERT INTO "runs"')" 18000
}

@test "twelve that make the database at once, a dozen times over: none of them fails" {
	local i round
	for round in {1..12}; do
		for i in {1..12}; do
			{ db-load -d "sqlite:$round.db" <<<"{\"type\":\"runs\",\"run_id\":\"$i\"}" 3>&- || echo "status $?"; } \
				>"out.$i" 2>&1 &
		done
		wait
		run -0 cat out.{1..12}
		assert_output ''
		run -0 db-query -d "sqlite:$round.db" runs
		assert_equal "${#lines[@]}" 12
	done
}

@test "a database that stays busy for half a minute is 75" {
	needs_strace
	db-load --init </dev/null
	python3 - 3>&- <<'!' &
import os, sqlite3, time
db = sqlite3.connect("test.db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open("locked", "w").close()
for _ in range(2400):
    if os.path.exists("finished"): break
    time.sleep(0.05)
!
	wait_for test -e locked
	# The half minute takes no time.
	run -75 --separate-stderr fault clock_nanosleep,nanosleep retval=0 db-load <<<'{"type":"runs","run_id":"1"}'
	assert_equal "$stderr" "db-load: cannot use '$PWD/test.db': database is locked; try again later"
	# Who only reads does not wait.
	run -0 --separate-stderr fault clock_nanosleep,nanosleep error=EINVAL db-query runs
	assert_equal "$stderr" ''
	touch finished
	wait
	db-load <<<'{"type":"runs","run_id":"1"}'
}

@test "a damaged database is 74, and the hint is a backup" {
	records 200 | db-load
	size=$(stat -c %s test.db)
	dd if=/dev/urandom of=test.db bs=4096 seek=4 count=$((size / 4096 - 5)) conv=notrunc status=none
	run -74 --separate-stderr db-query asin_history
	assert_equal "$stderr" "db-query: cannot use '$PWD/test.db': database disk image is malformed; restore it from a backup"
	run -74 --separate-stderr db-load < <(records 200)
	assert_equal "$stderr" "db-load: cannot use '$PWD/test.db': database disk image is malformed; restore it from a backup"
}

@test "what is no database is 74, and left as it is" {
	printf 'some notes of mine, and more of them\n%.0s' {1..200} >test.db
	cp test.db copy
	for program in db-load db-query\ runs; do
		# shellcheck disable=SC2086
		run -74 --separate-stderr $program </dev/null
		assert_equal "$stderr" "${program% *}: cannot use '$PWD/test.db': file is not a database; restore it from a backup"
		cmp test.db copy
	done
}

@test "of a torn -wal the commits that are whole are there" {
	mkfifo pipe
	records 1 | db-load
	db-load <pipe 3>&- &
	exec 4>pipe
	records 3 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 3 ]'
	cp test.db torn.db
	cp test.db-wal torn.db-wal
	records 9 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 9 ]'
	cp test.db-wal whole
	exec 4>&-
	wait
	# The second commit, but for its last bytes.
	head -c $(($(stat -c %s whole) - 10)) whole >cut.db-wal
	cp torn.db cut.db
	run -0 bash -c 'db-query -d sqlite:cut.db rank_history | wc -l'
	assert_output 3
	diff <(state cut.db) <(state torn.db)
	records 9 | db-load -d sqlite:cut.db
	diff <(state cut.db) <(state test.db)
}
