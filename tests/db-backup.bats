#!/usr/bin/env bats
# shellcheck disable=SC2154 # stderr: from bats
# db-backup: snapshots, what is said of them, and how one takes the database's place.
load helper

setup() {
	clean_room
}

# records N: some for four tables
records() {
	jq -nc --argjson n "$1" 'range($n) | "B\(. + 100000000)" as $asin
		| {type: "tracked_asins", marketplace: "US", asin: $asin, added_at: "2026-11-01T00:00:00Z"},
		  {type: "asin_history", marketplace: "US", asin: $asin, check_timestamp: "2026-11-20T08:00:00Z",
			raw_keepa_response: {text: ("x" * 2500)}},
		  {type: "rank_history", marketplace: "US", asin: $asin, category_id: "1",
			changed_at: "2026-11-20T07:00:00Z", rank: 1},
		  {type: "sales_daily_totals", marketplace: "US", date: "2026-11-18", units_ordered: 1,
			report_id: "r", fetched_at: "2026-11-20T08:00:00Z"}'
}

# state FILE: all that is in it
state() {
	python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
for pragma in "user_version", "application_id":
    print(db.execute("PRAGMA " + pragma).fetchall())
print("\n".join(sorted(db.iterdump())))
db.close()' "$1"
}

@test "a snapshot has all that was committed, is one file for us alone, and says nothing" {
	records 20 | db-load
	run -0 --separate-stderr db-backup copy.db
	assert_equal "$output$stderr" ''
	diff <(state test.db) <(state copy.db)
	run -0 stat -c %a copy.db
	assert_output 600
	run bash -c 'ls ./*db*'
	assert_output "./copy.db
./test.db"
}

@test "what is only in the -wal is in the snapshot, too" {
	records 1 | db-load
	mkfifo pipe
	db-load <pipe 3>&- &
	exec 4>pipe
	records 5 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 5 ]'
	[ -s test.db-wal ]
	run -0 db-backup copy.db
	exec 4>&-
	wait
	diff <(state test.db) <(state copy.db)
}

@test "snapshots taken while others write are each of one moment" {
	python3 - 3>&- <<'!' &
import json, subprocess
load = subprocess.Popen(["db-load"], stdin=subprocess.PIPE, text=True)
for n in range(400):  # each pair in one transaction, with pauses between
    at = "2026-11-20T08:%02d:%02dZ" % divmod(n, 60)
    load.stdin.write("".join(json.dumps(r) + "\n" for r in (
        {"type": "runs", "run_id": f"{n}", "started_at": at},
        {"type": "rank_history", "marketplace": "US", "asin": "B00TEST001", "category_id": "1",
         "changed_at": at, "rank": n + 1})))
    load.stdin.flush()
    import time; time.sleep(0.002 if n % 20 else 0.06)
load.stdin.close()
load.wait()
!
	wait_for eval 'db-query runs 2>/dev/null | grep -q .'
	for n in 1 2 3 4 5 6; do
		db-backup "$n.db"
		sleep 0.1
	done
	wait
	for n in 1 2 3 4 5 6; do
		run -0 db-backup --check "$n.db"
		run -0 jq -e '.rows.runs == .rows.rank_history and .rows.runs > 0' <<<"$output"
	done
}

@test "--check says what is in it" {
	records 3 | db-load
	db-backup copy.db
	run -0 --separate-stderr db-backup --check copy.db
	assert_equal "$stderr" ''
	run -0 jq -c '[.type, .file, .bytes > 100000, .newest_look, .newest_change, .newest_sales_day,
		.rows.tracked_asins, .rows.rank_history, .rows.sales_daily_totals, .rows.runs]' <<<"$output"
	assert_output '["backup","copy.db",true,"2026-11-20T08:00:00Z",null,"2026-11-18",3,3,1,0]'
	# A file of a folder that nobody may write to.
	mkdir locked && cp copy.db locked && chmod 500 locked
	run -0 db-backup --check locked/copy.db
	run ls locked
	assert_output copy.db
	chmod 700 locked
}

# old VERSION FILE: a database as an earlier version of this has left it
old() {
	local n
	for n in $(seq "$1"); do cat "$top"/load/schema/sqlite/"$(printf %03d "$n")"-*.sql; done >schema.sql
	sqlite3 "$2" <schema.sql
	sqlite3 "$2" "PRAGMA user_version = $1; PRAGMA journal_mode = WAL;
		INSERT INTO tracked_asins (marketplace, asin) VALUES ('US', 'B00TEST001')" >/dev/null
	rm schema.sql
}

@test "an older database is copied as it is" {
	old 1 test.db
	db-backup copy.db
	run -0 sqlite3 test.db 'PRAGMA user_version'
	assert_output 1
	run -0 bash -c 'db-backup --check copy.db | jq -c "[.schema_version, .newest_sales_day, .rows.tracked_asins]"'
	assert_output '[1,null,1]'
	run ls
	assert_output "copy.db
test.db"
}

@test "a database that is brought up to date leaves what it was beside it (fault 38)" {
	for program in 'db-load' 'db-query runs'; do
		rm -f test.db*
		old 1 test.db
		state test.db >before
		echo 'an earlier one' >test.db.v1.backup
		# shellcheck disable=SC2086 # several words
		run -0 --separate-stderr $program </dev/null
		assert_equal "$stderr" ''
		diff before <(state test.db.v1.backup)
		run -0 stat -c %a test.db.v1.backup
		assert_output 600
		assert_not_equal "$(sqlite3 test.db 'PRAGMA user_version')" 1
		run bash -c 'ls | grep part'
		assert_output ''
	done
	rm test.db.v1.backup
	db-load </dev/null # once
	[ ! -e test.db.v1.backup ]
	# One that is just made has nothing to keep.
	db-load -d sqlite:new.db </dev/null
	run bash -c 'ls new.db*'
	assert_output new.db
}

@test "twelve that bring it up to date at once keep one copy, of before" {
	old 1 test.db
	state test.db >before
	for i in {1..12}; do
		{ db-load <<<"{\"type\":\"runs\",\"run_id\":\"$i\"}" 3>&- || echo "status $?"; } >"out.$i" 2>&1 &
	done
	wait
	run -0 cat out.{1..12}
	assert_output ''
	diff before <(state test.db.v1.backup)
	run -0 bash -c 'db-query runs | wc -l'
	assert_output 12
}

@test "without a copy nothing is brought up to date" {
	old 1 test.db
	state test.db >before
	mkdir test.db.v1.backup # so that it cannot be renamed
	run -78 --separate-stderr db-load </dev/null
	assert_equal "$stderr" "db-load: cannot write '$PWD/test.db.v1.backup': Is a directory"
	diff before <(state test.db)
	# A damaged database is not changed either.
	rm -r test.db.v1.backup
	sqlite3 test.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
		INSERT INTO runs (run_id, program) SELECT i, hex(randomblob(200)) FROM n"
	size=$(stat -c %s test.db)
	dd if=/dev/urandom of=test.db bs=4096 seek=$((size / 4096 - 20)) count=10 conv=notrunc status=none
	cp test.db before.db
	run -74 --separate-stderr db-load </dev/null
	assert_regex "$stderr" "^db-load: '$PWD/test.db' is damaged: .*; restore it from a backup$"
	cmp test.db before.db
	run bash -c 'ls | grep -e part -e backup'
	assert_output ''
}

@test "a newer database is refused, and left alone (fault 38)" {
	db-load --init </dev/null
	sqlite3 test.db 'PRAGMA user_version = 99'
	cp test.db copy.db
	run -78 --separate-stderr db-backup new.db
	assert_regex "$stderr" "has schema 99, and this program knows [0-9]+: use a newer one"
	run -78 db-backup --check copy.db
	cmp test.db copy.db
	[ ! -e new.db ]
}

@test "what is there is not written over, unless that is asked for" {
	records 2 | db-load
	echo mine >copy.db
	run -64 --separate-stderr db-backup copy.db
	assert_equal "$stderr" "db-backup: 'copy.db' is there already; see --replace"
	assert_equal "$(<copy.db)" mine
	run -0 db-backup --replace copy.db
	diff <(state test.db) <(state copy.db)
	for arguments in '--replace test.db' '--restore test.db' "--replace $PWD/test.db"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr db-backup $arguments
		assert_regex "$stderr" "test.db' is the database itself$"
	done
}

@test "a copy that somebody else is making is left to them: 75" {
	db-load --init </dev/null
	exec 4>copy.db.part
	flock 4
	run -75 --separate-stderr db-backup copy.db
	assert_equal "$stderr" "db-backup: somebody else is writing 'copy.db.part'; try again later"
	exec 4>&-
	[ -e copy.db.part ]
	ln -s test.db link.db.part # which leads somewhere else
	run -78 --separate-stderr db-backup link.db
	assert_equal "$stderr" "db-backup: cannot write 'link.db.part': Too many levels of symbolic links"
}

# damage FILE: in the middle of its rows
damage() {
	local size
	size=$(stat -c %s "$1")
	dd if=/dev/urandom of="$1" bs=4096 seek=$((size / 8192)) count=5 conv=notrunc status=none
}

@test "a damaged database gives no snapshot: 74, and a hint" {
	records 200 | db-load
	damage test.db
	run -74 --separate-stderr db-backup copy.db
	assert_regex "$stderr" "^db-backup: '$PWD/test.db' is damaged: .*; restore it from a backup$"
	run bash -c 'ls copy*'
	assert_output --partial 'cannot access'
}

@test "an index that does not fit its table is found" {
	records 5 | db-load
	sqlite3 test.db "PRAGMA writable_schema = 1;
		UPDATE sqlite_master SET sql = 'CREATE INDEX runs_by_job ON runs (started_at, job)' WHERE name = 'runs_by_job'" \
		".dbconfig defensive off" 2>/dev/null || true
	sqlite3 test.db "INSERT INTO runs (run_id, job, started_at) VALUES ('1', 'a', '2026-01-01T00:00:00Z')" 2>/dev/null
	python3 -c '
import sqlite3
db = sqlite3.connect("test.db")
root, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = \"runs_by_job\"").fetchone()
size, = db.execute("PRAGMA page_size").fetchone()
db.close()
with open("test.db", "r+b") as f:
    f.seek((root - 1) * size)
    f.write(b"\x0a\x00\x00\x00\x00" + size.to_bytes(2, "big") + b"\x00")'
	run -74 --separate-stderr db-backup copy.db
	assert_regex "$stderr" "is damaged: .*runs_by_job"
}

@test "--check of what is no sound database of ours" {
	records 200 | db-load
	db-backup good.db
	while IFS='|' read -r code message command; do
		cp good.db x.db
		bash -c "$command"
		run "-$code" --separate-stderr db-backup --check x.db
		assert_output ''
		assert_regex "$stderr" "^db-backup: .*$message"
	done <<-!
		74|is damaged: .*; use another backup|dd if=/dev/urandom of=x.db bs=4096 seek=60 count=9 conv=notrunc status=none
		74|malformed|truncate -s 200000 x.db
		74|file is not a database|head -c 99999 /dev/urandom >x.db
		78|holds none of our tables|: >x.db
		78|somebody else's tables|sqlite3 x.db 'PRAGMA application_id = 1'
		78|cannot open 'x.db'|rm x.db
	!
}

@test "--restore puts it in the database's place, and keeps what was there" {
	records 3 | db-load
	db-backup copy.db
	state copy.db >earlier
	records 9 | db-load
	state test.db >now
	run -0 --separate-stderr db-backup --restore copy.db
	assert_equal "$output$stderr" ''
	diff earlier <(state test.db)
	diff now <(state test.db.before-restore-*Z)
	diff earlier <(state copy.db)
	run -0 bash -c 'stat -c %a test.db*'
	assert_output "600
600"
	records 9 | db-load
	diff now <(state test.db)
}

@test "--restore where there is none, or an empty one, or garbage" {
	records 3 | db-load
	db-backup copy.db
	for command in 'rm test.db' ': >test.db' 'head -c 99999 /dev/urandom >test.db' 'head -c 9 test.db >x; mv x test.db'; do
		bash -c "$command"
		! [ -e test.db ] || cp test.db wrong
		run -0 --separate-stderr db-backup --restore copy.db
		assert_equal "$stderr" ''
		diff <(state copy.db) <(state test.db)
		! [ -s wrong ] || cmp wrong test.db.before*Z
		rm -f wrong test.db.before*
		run bash -c 'ls test.db*'
		assert_output test.db
	done
}

@test "no -wal that is left over meets what was restored (fault 39)" {
	records 1 | db-load
	db-backup copy.db
	# One that a machine which went down has left: all of it is only in the -wal.
	mkfifo pipe
	db-load <pipe 3>&- &
	exec 4>pipe
	records 5 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 5 ]'
	mkdir down
	cp test.db test.db-wal down
	exec 4>&-
	wait
	state test.db >now
	for command in true 'rm test.db' ': >test.db' 'truncate -s 3000 test.db-wal' 'head -c 99999 /dev/urandom >test.db'; do
		rm -f test.db*
		cp down/* .
		bash -c "$command"
		run -0 --separate-stderr db-backup --restore copy.db
		assert_equal "$stderr" ''
		diff <(state copy.db) <(state test.db)
		records 2 | db-load
		run -0 bash -c 'db-query rank_history | wc -l'
		assert_output 2
		case $command in
		true) diff now <(state test.db.before*Z) ;;
		rm* | :*) cmp down/test.db-wal test.db.before*-wal ;;
		esac
		[ ! -e test.db-wal ]
	done
}

@test "a database that somebody uses is not replaced: 75" {
	records 1 | db-load
	db-backup copy.db
	mkfifo pipe
	db-load <pipe 3>&- &
	exec 4>pipe
	records 5 >&4
	wait_for eval '[ "$(db-query rank_history | wc -l)" -eq 5 ]'
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	# The half minute takes no time.
	ASAN_OPTIONS=detect_leaks=0 run -75 --separate-stderr strace -f -qq -o /dev/null \
		-e inject=clock_nanosleep,nanosleep:retval=0 db-backup --restore copy.db
	assert_equal "$stderr" "db-backup: cannot replace '$PWD/test.db': database is locked; try again later"
	exec 4>&-
	wait
	run -0 bash -c 'db-query rank_history | wc -l'
	assert_output 5
	run bash -c 'ls test.db*'
	assert_output test.db
}

@test "a damaged backup replaces nothing" {
	records 200 | db-load
	db-backup copy.db
	damage copy.db
	state test.db >before
	run -74 --separate-stderr db-backup --restore copy.db
	assert_regex "$stderr" 'is damaged: .*; use another backup'
	diff before <(state test.db)
}

@test "where there is no database, and wrong usage" {
	run -78 --separate-stderr db-backup copy.db
	assert_equal "$stderr" "db-backup: cannot open '$PWD/test.db': No such file or directory"
	run -78 db-backup -d postgres://x/y copy.db
	[ ! -e test.db ]
	run -78 db-backup -d sqlite:test.db /nowhere/at/all
	db-load --init </dev/null
	run -78 --separate-stderr db-backup nowhere/copy.db
	assert_equal "$stderr" "db-backup: cannot write 'nowhere/copy.db.part': No such file or directory"
	for arguments in '' 'a b' '--frob' '--check --restore x' '--check'; do
		# shellcheck disable=SC2086
		run -64 db-backup $arguments
	done
	run -0 db-backup --help
	run -74 bash -c 'db-backup --check test.db >/dev/full'
}
