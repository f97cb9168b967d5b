#!/usr/bin/env bats
# job when it, or what it stands on, fails: killed anywhere, no database, no room.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load ../helper

setup() {
	clean_room
	mkdir home && cd home || return
	export SELLERPIPE_HOME=$PWD ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from
	db-load --init </dev/null
	nap=$((100000 + BASHPID)) # seconds, which nobody else sleeps
}

teardown() {
	pkill -KILL -xf "([^ ]*/)?sleep $nap" || true
}

# job ARGUMENT...
job() {
	run --separate-stderr command job "$@"
}

runs() { # runs [FILTER]: the runs on record, by jq
	db-query runs --order started_at,run_id | jq -c "${1:-.}"
}

naps() {
	pgrep -cxf "([^ ]*/)?sleep $nap" || true
}

napping() {
	[ "$(naps)" -gt 0 ]
}

# start ARGUMENT...: job, in the background, until what it runs sleeps; whose
# ids are then in $job, $leader, $command and $guard
start() {
	command job demo "$@" 3>&- 2>said &
	job=$!
	wait_for napping
	leader=$(pgrep -P "$job" -x timeout)
	command=$(pgrep -P "$leader")
	guard=$(pgrep -P "$job" -f 'read -r group')
}

# over: nothing of it is left, and the lock is free, right now
over() {
	wait_for eval '! napping'
	wait_for eval '! kill -0 "$guard" 2>/dev/null'
	flock -n locks/demo.lock true
	! kill -0 "$job" 2>/dev/null
}

ends() { # ends STATUS: so $job does
	local code=0
	wait "$job" || code=$?
	assert_equal "$code" "$1"
}

@test "15: a second start is told who holds the lock, for as long as it runs" {
	start sleep "$nap"
	job demo true
	assert_failure 75
	assert_regex "$stderr" "^job: demo is running already: demo, pid $job, since .*; try again later$"
	kill "$job"
	ends 143
	over
}

@test "16: job killed: all that it started ends, and its lock is free" {
	start bash -c "trap '' TERM INT HUP; sleep $nap & sleep $nap; sleep $nap"
	kill -KILL "$job"
	wait "$job" || true
	over
	job demo true
	assert_success
	# what is on record: the first was followed, so it was killed
	assert_equal "$(runs '[.status, .finished_at == null]')" $'[null,true]\n[0,false]'
	assert_equal "$(db-query failed_runs | jq -c '[.job, .status]')" '["demo",null]'
	assert_equal "$(db-query job_status | jq -c '[.job, .status]')" '["demo",0]'
}

@test "16: job killed, though what had left its group has the lock: it is free" {
	start bash -c "setsid sleep $nap & sleep $nap"
	kill -KILL "$job"
	wait "$job" || true
	wait_for flock -n locks/demo.lock true
	job demo true
	assert_success
}

@test "16: the whole process group of job killed" {
	# shellcheck disable=SC2016
	setsid --wait bash -c 'echo $$ >pgid; job demo -- "$@"; true' - bash -c "sleep $nap & sleep $nap" 3>&- &
	wait_for napping
	kill -KILL -- "-$(<pgid)"
	wait_for eval '! napping'
	wait_for flock -n locks/demo.lock true
	job demo true
	assert_success
}

@test "4: timeout killed, the command killed: the job ends by that, and nothing stays" {
	start bash -c "sleep $nap & sleep $nap"
	kill -KILL "$leader"
	ends 137
	over
	start bash -c "sleep $nap & sleep $nap"
	kill -KILL "$command"
	ends 137
	over
	assert_equal "$(runs .status | paste -sd' ')" '137 137'
	run cat said
	assert_output ''
}

@test "16: the guard killed: the job ends as it would have" {
	start bash -c "exec 2>/dev/null; (sleep $nap; true); echo went on; exit 7"
	kill -KILL "$guard"
	pkill -KILL -xf "sleep $nap"
	ends 7
	over
	run cat said
	assert_output 'went on'
	assert_equal "$(runs .status)" 7
}

@test "4: the middle of a pipe killed: its status, and it is on record" {
	cat >pipe.sh <<!
#!/bin/bash
set -euo pipefail
. "$top/pipelines/common.sh"
statuses=(0 0 0)
seq 10 | sleep $nap | cat || statuses=("\${PIPESTATUS[@]}")
stages seq "\${statuses[0]}" sleep "\${statuses[1]}" cat "\${statuses[2]}"
exit "\$(worst "\${statuses[@]}")"
!
	chmod +x pipe.sh
	start ./pipe.sh
	pkill -KILL -xf "sleep $nap"
	ends 70
	assert_equal "$(runs '[.status, .stages]')" '[70,{"cat":0,"seq":0,"sleep":137}]'
}

@test "5: signals again and again end it once" {
	for signal in TERM HUP; do
		start bash -c "trap 'echo asked >>asked' TERM; while :; do sleep $nap & wait; kill %% 2>/dev/null; [ ! -e asked ] || exit 1; done"
		for _ in 1 2 3 4 5; do
			kill "-$signal" "$job" 2>/dev/null || true
			sleep 0.02
		done
		kill -TERM "$job" 2>/dev/null || true
		code=$((128 + $(kill -l "$signal")))
		ends "$code"
		over
		assert_equal "$(runs .status | tail -n 1)" "$code"
		rm asked
	done
}

@test "5, 16: killed at any moment, the next run works, and what happened is on record" {
	export LOG_MAX=10 # so that it has more to do
	killed=0
	mkdir locks
	for k in 5 10 20 30 40 50 60 70 80 90 100 120 140 160 200; do
		command job demo bash -c 'echo said; sleep 0.05' 3>&- 2>/dev/null &
		sleep "$(printf '0.%03d' "$k")"
		kill -KILL $! 2>/dev/null || true
		wait $! 2>/dev/null && code=0 || code=$?
		[ "$code" -ne 137 ] || killed=$((killed + 1))
		wait_for flock -n locks/demo.lock true
	done
	[ "$killed" -ge 3 ]
	job demo bash -c 'echo said; exit 3'
	assert_failure 3
	assert_equal "$stderr" said
	assert_equal "$(runs .status | tail -n 1)" 3
	# each that is on record was followed by another, and nothing else is said of it
	assert_equal "$(runs 'select(.status == null) | .finished_at, .error' | sort -u)" null
	assert_equal "$(db-query failed_runs | wc -l)" "$(runs 'select(.status != 0)' | wc -l)"
	run find spool -type f
	assert_output ''
	run bash -c 'ls logs | grep -vxE "demo.log(.[1-5].gz)?"'
	assert_output ''
	gzip -t logs/*.gz
}

@test "16: a rotation killed half-way loses no log" {
	for n in 1 2 3 4; do
		LOG_MAX=10 job demo echo "said $n"
	done
	cp -r logs before
	cat >rotate.sh <<!
export LOG_MAX=10
nth=0
doomed() { [ \$((++nth)) -ne "\$K" ] || kill -KILL \$\$; command "\$@"; }
gzip() { doomed gzip "\$@"; }
mv() { doomed mv "\$@"; }
set -- demo true
. "$top/pipelines/job"
!
	for K in 1 2 3 4 5 6; do
		export K
		rm -rf logs
		cp -r before logs
		run bash -c '. ./rotate.sh' "$top/pipelines/job"
		[ "$status" -eq "$((K <= 5 ? 137 : 0))" ] # gzip, and mv of four
		LOG_MAX=10 job demo true
		assert_success
		run bash -c 'zgrep -ho "said [0-9]" logs/demo.log* | sort -u'
		assert_output $'said 1\nsaid 2\nsaid 3\nsaid 4'
	done
}

# The database

after_that() { # the next run has it all on record
	job demo true
	assert_success
	assert_equal "$(runs .status | paste -sd' ')" "$1"
	run find spool -type f
	assert_output ''
}

@test "a database that is busy: the job's result is its own, and is on record later" {
	python3 -c '
import sqlite3, time, os
db = sqlite3.connect("../test.db", isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
open("locked", "w").close()
while os.path.exists("locked"):
    time.sleep(0.05)
' 3>&- &
	wait_for test -e locked
	job demo --record end bash -c 'echo said; exit 3'
	assert_failure 3
	assert_regex "$stderr" $'^said\ndb-(query|load): cannot use .*locked; try again later'
	[ -s spool/runs-demo ]
	rm locked
	wait
	after_that '3 0'
}

@test "a database that is gone is not made anew; one that is not ours is left alone" {
	job demo true # so this is no new home
	mv ../test.db ..//away.db
	rm -f ../test.db-*
	job demo bash -c 'exit 3'
	assert_failure 3
	[ ! -e ../test.db ]
	sqlite3 ../test.db 'CREATE TABLE theirs (x)'
	cp ../test.db theirs
	job demo true
	assert_success
	assert_equal "$stderr" ''
	cmp ../test.db theirs
	rm ../test.db
	echo 'no database at all, and long enough to see that it is none of ours' >../test.db
	job demo true
	assert_success
	assert_equal "$(wc -l <spool/runs-demo)" 6
	mv ../away.db ../test.db
	after_that '0 3 0 0 0'
}

@test "a database on a full disk" {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	run --separate-stderr strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=ENOSPC \
		"$top/pipelines/job" demo bash -c 'echo said; exit 3'
	assert_failure 3
	[ "$(head -n 1 <<<"$stderr")" = said ]
	[ "$(wc -l <spool/runs-demo)" -eq 2 ]
	after_that '3 0'
}

@test "records that the database refuses for ever do not grow for ever" {
	mkdir spool logs
	echo 'demo ends: status 0' >logs/demo.log
	mv ../test.db ../away.db
	jq -nc 'range(1500) | {type: "runs", run_id: "demo-\(.)", job: "demo", status: 0}' >spool/runs-demo
	job demo true
	assert_success
	assert_equal "$(wc -l <spool/runs-demo)" 1000
	[[ $(tail -n 1 spool/runs-demo) == *'"finished_at"'* ]]
	mv ../away.db ../test.db
	job demo true
	assert_equal "$(runs .run_id | wc -l)" 1000
}

@test "a record that was cut short takes no other with it" {
	mkdir spool
	printf '{"type":"runs","run_id":"demo-0","job":"demo","status":0}\n{"type":"runs","run_id":"demo-1","jo' >spool/runs-demo
	job demo true
	assert_success
	assert_equal "$(runs '[.run_id[:6], .status]')" $'["demo-0",0]\n["demo-2",0]'
}

# Files

@test "10: where nothing can be written: 74 or 78, and nothing is started" {
	for place in logs spool locks logs/demo.log spool/runs-demo spool/account-demo locks/demo.lock; do
		rm -rf logs spool locks
		mkdir -p "$(dirname "$place")"
		case $place in
		*/*) mkdir "$place" ;; # a folder where a file is to be
		*) touch "$place" ;;
		esac
		job demo touch started
		[[ $status == 74 || $status == 78 || $place == spool/account-demo ]]
		[ -n "$stderr" ]
		[ ! -e started ]
		rm -rf started "$place"
	done
	SELLERPIPE_HOME=/nonexistent job demo touch started
	assert_failure 78
	[[ $stderr == *nonexistent* ]]
}

@test "10: as nobody, where nothing may be written: 74, and nothing is started" {
	[ "$(id -u)" -eq 0 ] || skip 'only root can become nobody'
	setpriv --reuid=65534 --clear-groups test -x "$top/pipelines/job" || skip 'nobody cannot get here'
	chmod 755 . .. ../.. ../../..
	mkdir logs spool locks
	chmod 777 ..
	for place in logs spool locks; do
		chmod 777 logs spool locks
		chmod 755 "$place"
		run setpriv --reuid=65534 --clear-groups "$top/pipelines/job" demo touch ../started
		assert_failure 74
		[ ! -e ../started ]
		rm -rf logs/* spool/* locks/*
	done
}

@test "no room for a log from the middle on: the result is the command's" {
	mkdir logs
	# what a process may write of a file, in blocks of 1024 bytes
	run bash -c 'ulimit -f 64; trap "" XFSZ; job demo bash -c "seq 100000 2>/dev/null; exit 3" 2>/dev/null'
	assert_failure 3
	job demo true
	assert_success
}
