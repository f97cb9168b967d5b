#!/usr/bin/env bats
# db-backup, db-prune and the step of a restore when the machine fails: killed at
# the k-th system call, full, broken.  FAULT_STEP=1 tries every k of those calls
# that there are many of; by default it is every few.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load ../helper

setup() {
	clean_room
	mkdir room && cd room || return
	export DATABASE_URL=sqlite:$PWD/test.db
	export ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
}

# fault CALLS WHAT COMMAND...: run it with what happens to these system calls
fault() {
	strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:$2" "${@:3}"
}

# records N: some for two tables
records() {
	jq -nc --argjson n "$1" 'range($n) | "B\(. + 100000000)" as $asin
		| {type: "asin_history", marketplace: "US", asin: $asin, check_timestamp: "2026-01-01T08:00:00Z",
			raw_keepa_response: {text: ("x" * 5000)}},
		  {type: "rank_history", marketplace: "US", asin: $asin, category_id: "1",
			changed_at: "2026-11-20T08:00:00Z", rank: $n}'
}

n_kept=0

# keep: all databases that there are, to be looked at by `kept`
keep() {
	local file
	mkdir "kept.$((++n_kept))"
	for file in ./*.db*; do
		[ ! -f "$file" ] || cp "$file" "kept.$n_kept/"
	done
}

# kept FILE STATE...: in each folder that was kept, FILE is whole, and is one of
# these databases (-: or is not there; "=": at the end of a name, as they are now)
kept() {
	python3 - "$@" <<'!'
import glob, os, sqlite3, sys
def dump(name):
    db = sqlite3.connect(name)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
    text = "\n".join(sorted(db.iterdump())) + str(db.execute("PRAGMA user_version").fetchall())
    db.close()
    return text
file, *states = sys.argv[1:]
wanted = {dump(state): state for state in states if state != "-"}
seen = set()
folders = glob.glob("kept.*")
assert folders
for folder in folders:
    name = folder + "/" + file
    if not os.path.exists(name):
        assert "-" in states, name
        seen.add("-")
        continue
    found = dump(name)
    assert found in wanted, f"{name} is none of {states}"
    seen.add(wanted[found])
print(*sorted(seen))
!
}

forget() {
	rm -rf kept.*
	n_kept=0
}

# What is to be: `now` is the database, `then` an earlier one, which also is what
# backup.db has.
before_and_after() {
	records 2 | db-load
	cp test.db then.state
	db-backup backup.db
	records 6 | db-load
	cp test.db now.state
	cp backup.db backup.state
}

as_before() {
	rm -f test.db* backup.db*
	cp now.state test.db
	cp backup.state backup.db
}

syncs='?fsync,?fdatasync'
names='?rename,?renameat,?renameat2,?link,?linkat,?unlink,?unlinkat'

# each_kill COMMAND...: killed at each call, and then run again
each_kill() {
	local call k step code
	killed=0
	for call in pwrite64 "$syncs" ftruncate "$names"; do
		step=1
		[ "$call" != pwrite64 ] || step=${FAULT_STEP:-14}
		for ((k = 1; ; k += step)); do
			"${prepare:-as_before}"
			code=0
			fault "$call" signal=SIGKILL:when=$k "$@" 2>/dev/null || code=$?
			[ $code -ne 0 ] || break
			assert_equal $code 137
			killed=$((killed + 1))
			keep
			run -0 --separate-stderr "$@"
			assert_equal "$stderr" ''
			run bash -c 'ls | grep part'
			assert_output ''
			mkdir -p healed
			mv test.db healed/test.$killed.db
			[ ! -e backup.db ] || mv backup.db healed/backup.$killed.db
		done
	done
}

# healed FILE STATE: after each kill the next run came to this
healed() {
	local file
	for file in healed/"$1".*.db; do
		rm -rf kept.*
		mkdir "kept.$((++n_kept))"
		mv "$file" "kept.$n_kept/x.db"
	done
	kept x.db "$2"
}

# each_error CALLS ERROR STEP COMMAND...: from the k-th such call on
each_error() {
	local k
	failed=0
	for ((k = 1; ; k += $3)); do
		"${prepare:-as_before}"
		run --separate-stderr fault "$1" "error=$2:when=$k+" "${@:4}"
		keep
		[ "$status" -ne 0 ] || break
		failed=$((failed + 1))
		assert_equal "$2 at $1 $k: $status" "$2 at $1 $k: 74"
		assert_regex "$stderr" "^db-(backup|prune|load): cannot .*|is damaged"
		run bash -c 'ls | grep part'
		[ "$1" = "$names" ] || assert_output '' # or it could not be removed
	done
}

@test "db-backup killed at any call: the old snapshot or the new one, whole, and the database as it was" {
	before_and_after
	each_kill db-backup --replace backup.db
	[ $killed -gt 8 ]
	kept test.db now.state
	run -0 kept backup.db then.state now.state
	assert_output 'now.state then.state'
	healed backup now.state
}

@test "db-backup on a disk that is full or broken (faults 8, 9): 74, and the old snapshot is whole" {
	before_and_after
	each_error pwrite64 ENOSPC "${FAULT_STEP:-12}" db-backup --replace backup.db
	[ $failed -gt 2 ]
	each_error pwrite64 EIO "${FAULT_STEP:-20}" db-backup --replace backup.db
	each_error ftruncate EIO 1 db-backup --replace backup.db
	kept test.db now.state
	run -0 kept backup.db then.state now.state
	forget
	# A sync that fails is never success; only the one of the folder is after the rename.
	each_error "$syncs" EIO 1 db-backup --replace backup.db
	assert_equal $failed 2
	kept backup.db then.state now.state
	forget
	each_error "$names" ENOSPC 1 db-backup --replace backup.db
	[ $failed -gt 0 ]
	kept backup.db then.state now.state
}

@test "writes that come short: a file that may not grow" {
	local kib
	before_and_after
	for kib in 4 50 101 140; do
		as_before
		run -74 --separate-stderr bash -c "trap '' XFSZ; ulimit -f $kib; exec db-backup --replace backup.db"
		run bash -c 'ls | grep part'
		assert_output ''
		keep
	done
	kept test.db now.state
	kept backup.db then.state
	as_before
	fault pwrite64 error=EINTR:when=3+5 db-backup --replace backup.db
	forget
	keep
	kept backup.db now.state
}

@test "a read that fails is 74, and gives no snapshot" {
	local failed
	before_and_after
	for command in '--replace backup.db' '--check backup.db'; do
		failed=0
		for ((k = 9; ; k += 7)); do # the first are of the loader
			as_before
			# shellcheck disable=SC2086 # several words
			run --separate-stderr fault pread64 error=EIO:when=$k+ db-backup $command
			[ "$status" -ne 0 ] || break
			assert_equal "$status" 74
			keep
			failed=$((failed + 1))
		done
		[ $failed -gt 1 ]
	done
	kept test.db now.state
	kept backup.db then.state
}

# What a machine that went down has left: the last records are only in the -wal.
down() {
	mkfifo pipe
	db-load <pipe 3>&- &
	exec 4>pipe
	records 9 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 9 ]'
	mkdir down
	cp test.db test.db-wal down
	exec 4>&-
	wait
	cp test.db now.state
}

as_down() {
	rm -f test.db* backup.db*
	cp down/* .
	cp backup.state backup.db
}

@test "a restore killed at any call: the old database or the new one, with all that was in its -wal" {
	before_and_after
	down
	prepare=as_down each_kill db-backup --restore backup.db
	[ $killed -gt 10 ]
	run -0 kept test.db now.state then.state
	assert_output 'now.state then.state'
	healed test then.state
}

@test "a restore killed at any call: what was there is put aside, whole" {
	local call k code
	before_and_after
	down
	for call in "$syncs" ftruncate "$names"; do
		for ((k = 1; ; k++)); do
			as_down
			code=0
			fault "$call" signal=SIGKILL:when=$k db-backup --restore backup.db 2>/dev/null || code=$?
			db-backup --restore backup.db
			# Of all that was put aside one has it all.
			mkdir -p "aside.$call.$k"
			mv test.db.before-restore-* "aside.$call.$k/"
			[ $code -ne 0 ] || break
		done
	done
	python3 - <<'!'
import glob, sqlite3
def dump(name):
    db = sqlite3.connect(name)
    text = "\n".join(sorted(db.iterdump()))
    db.close()
    return text
now = dump("now.state")
folders = glob.glob("aside.*")
assert len(folders) > 5
for folder in folders:
    names = [name for name in glob.glob(folder + "/*") if not name.endswith(("-wal", "-shm", "-journal"))]
    assert any(dump(name) == now for name in names), (folder, names)
!
}

@test "a restore on a disk that is full or broken: 74, and the old database is whole" {
	before_and_after
	down
	prepare=as_down
	each_error pwrite64 ENOSPC "${FAULT_STEP:-16}" db-backup --restore backup.db
	[ $failed -gt 2 ]
	kept test.db now.state then.state
	forget
	each_error "$syncs" EIO 1 db-backup --restore backup.db
	[ $failed -gt 2 ]
	kept test.db now.state then.state
	forget
	each_error "$names" EIO 1 db-backup --restore backup.db
	kept test.db now.state then.state
}

# The rest of what the database has, without what db-prune may remove.
pruned() {
	sqlite3 "$1" 'UPDATE asin_history SET raw_keepa_response = NULL'
}

@test "db-prune killed at any call: what is old is there or not, and all else stays" {
	records 30 | db-load
	cp test.db now.state
	cp test.db rest.state
	pruned rest.state
	prepare=one_database each_kill db-prune --raw-days 30
	[ $killed -gt 5 ]
	for file in kept.*/test.db; do pruned "$file"; done
	kept test.db rest.state
	healed test rest.state
}

one_database() {
	rm -f test.db*
	cp now.state test.db
}

@test "db-prune on a disk that is full or broken: 74, and all else stays" {
	records 30 | db-load
	cp test.db now.state
	cp test.db rest.state
	pruned rest.state
	prepare=one_database
	each_error pwrite64 ENOSPC "${FAULT_STEP:-5}" db-prune --raw-days 30
	each_error "$syncs" EIO 1 db-prune --raw-days 30
	[ $failed -gt 0 ]
	for file in kept.*/test.db; do pruned "$file"; done
	kept test.db rest.state
}

# A database as an earlier version has left it.
older() {
	rm -f test.db* backup.db
	cp now.state test.db
}

@test "killed while it is brought up to date: the old schema or the new one, and a copy of before (fault 38)" {
	cat "$top"/load/schema/sqlite/001-*.sql >schema.sql
	sqlite3 test.db <schema.sql
	sqlite3 test.db "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
		INSERT INTO tracked_asins (marketplace, asin) VALUES ('US', 'B00TEST001')" >/dev/null
	cp test.db now.state
	cp test.db new.state
	db-load -d sqlite:new.state </dev/null
	rm -f new.state.*
	FAULT_STEP=${FAULT_STEP:-25} prepare=older each_kill db-load --init
	[ $killed -gt 10 ]
	run -0 kept test.db now.state new.state
	assert_output 'new.state now.state'
	run -0 kept test.db.v1.backup - now.state
	assert_output '- now.state'
	healed test new.state
	# Without room for the copy nothing changes.
	forget
	prepare=older each_error pwrite64 ENOSPC "${FAULT_STEP:-40}" db-load --init
	kept test.db now.state new.state
}
