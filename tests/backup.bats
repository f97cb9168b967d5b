#!/usr/bin/env bats
# shellcheck disable=SC2154 # stderr: from bats
# backup.sh and prune.sh: what is made, what is kept, what goes.
load helper

setup() {
	clean_room
}

teardown() {
	stop_sim
	! mountpoint -q "$BATS_TEST_TMPDIR/backups" || umount "$BATS_TEST_TMPDIR/backups"
}

backups() {
	(cd "${1:-backups}" && ls)
}

# names FROM DAYS [HOURS]: of one backup every so many hours (24), of so many days
names() {
	local t
	t=$(date -u -d "$1" +%s)
	jq -nr --argjson t "$t" --argjson days "$2" --argjson step "${3:-24}" \
		'range(0; $days * 24; $step) | $t + . * 3600 | strftime("amazon-%Y%m%dT%H%M%SZ.db.gz")'
}

@test "a backup is whole, compressed, for us alone, and named by its time" {
	track.sh add B0SIM00001
	run -0 --separate-stderr backup.sh
	assert_equal "$output$stderr" ''
	run -0 backups
	assert_line --index 0 --regexp '^amazon-[0-9]{8}T[0-9]{6}Z\.db\.gz$'
	assert_line --index 1 newest.json
	assert_equal "${#lines[@]}" 2
	run -0 bash -c 'stat -c %a backups backups/*'
	assert_output "700
600
600"
	gzip -dc backups/*.gz >copy.db
	run -0 bash -c 'db-query -d sqlite:copy.db tracked_asins | jq -r .asin'
	assert_output B0SIM00001
	run -0 bash -c 'db-query runs | jq -c "[.job, .status, .records, .stages]"'
	assert_output '["backup",0,1,{"db-backup":0,"gzip":0}]'
	run -0 backup.sh --list
	assert_output --regexp '^ +[0-9]+  backups/amazon-[0-9]{8}T[0-9]{6}Z\.db\.gz$'
}

@test "of two years of days, 7 days, 4 weeks and 12 months stay" {
	names '2025-01-01 03:30' 730 | backup.sh --keep >kept
	# 2026-12-31 is a Thursday: its week began on the 28th.
	run -0 sed 's/amazon-//; s/T.*//' kept
	assert_output "20260131
20260228
20260331
20260430
20260531
20260630
20260731
20260831
20260930
20261031
20261130
20261213
20261220
20261225
20261226
20261227
20261228
20261229
20261230
20261231"
}

@test "retention is the same day by day as at once: what it keeps is what it would have kept" {
	# Each day one is made, and what is not kept goes, over two years.
	: >there
	names '2024-12-25 03:30' 760 >all
	while read -r name; do echo "$name"; done <all | split -l 40 - part.
	for part in part.*; do
		cat "$part" >>there
		backup.sh --keep <there >kept
		mv kept there
	done
	diff there <(backup.sh --keep <all)
}

# kept SETTING...: of the names in `in`
kept() {
	run -0 env "$@" backup.sh --keep <in
}

@test "the newest of a day, a week and a month is the one that stays" {
	names '2026-11-01 00:00' 20 6 >in
	kept KEEP_WEEKLY=0 KEEP_MONTHLY=0 KEEP_DAILY=2
	assert_output "amazon-20261119T180000Z.db.gz
amazon-20261120T180000Z.db.gz"
	kept KEEP_DAILY=0 KEEP_MONTHLY=0 KEEP_WEEKLY=3
	assert_output "amazon-20261108T180000Z.db.gz
amazon-20261115T180000Z.db.gz
amazon-20261120T180000Z.db.gz"
	# The week of a year's end is one week, and is that of no other year.
	names '2026-12-20 00:00' 30 >in
	kept KEEP_DAILY=0 KEEP_MONTHLY=0 KEEP_WEEKLY=9
	assert_output "amazon-20261220T000000Z.db.gz
amazon-20261227T000000Z.db.gz
amazon-20270103T000000Z.db.gz
amazon-20270110T000000Z.db.gz
amazon-20270117T000000Z.db.gz
amazon-20270118T000000Z.db.gz"
}

@test "the last days are those that have any: gaps keep what there is" {
	printf 'amazon-%s.db.gz\n' 20240105T000000Z 20250105T000000Z 20260105T000000Z >in
	kept KEEP_DAILY=2 KEEP_WEEKLY=2 KEEP_MONTHLY=2
	assert_output "amazon-20250105T000000Z.db.gz
amazon-20260105T000000Z.db.gz"
	# One always stays.
	printf 'amazon-%s.db.gz\n' 20240105T000000Z 20250105T000000Z >in
	kept KEEP_DAILY=0 KEEP_WEEKLY=0 KEEP_MONTHLY=0
	assert_output amazon-20250105T000000Z.db.gz
	run -0 backup.sh --keep </dev/null
	assert_output ''
}

@test "what has another name is never touched" {
	mkdir backups
	others=(notes.txt amazon.db.gz amazon-20240101T000000Z.db amazon-20260231T000000Z.db.gz amazon-x.db.gz
		my-amazon-20240101T000000Z.db.gz 'amazon-20240101T000000Z.db.gz ' amazon-20240101T000000Z.db.gz.bak)
	(cd backups && touch "${others[@]}" amazon-2024010{1..3}T000000Z.db.gz)
	db-load --init </dev/null
	KEEP_DAILY=1 KEEP_WEEKLY=1 KEEP_MONTHLY=1 backup.sh
	for other in "${others[@]}"; do
		[ -e "backups/$other" ] || fail "'$other' is gone"
	done
	run bash -c 'ls backups/amazon-2024010[23]T000000Z.db.gz'
	assert_failure
}

@test "nothing is removed before the new one is whole" {
	db-load --init </dev/null
	mkdir backups bin
	touch backups/amazon-2024010{1..9}T000000Z.db.gz
	for program in db-backup gzip; do
		printf '#!/bin/bash\nexit 74\n' >bin/$program
		chmod +x bin/$program
		cp -r "$top/pipelines" tree
		[ -e load ] || { mkdir load; for f in "$top"/load/db-*; do [ -x "$f" ] && ln -s "$f" load/; done; }
		[ $program = gzip ] || { rm load/db-backup; cp bin/db-backup load/; }
		PATH=$PWD/bin:$PATH KEEP_DAILY=1 KEEP_WEEKLY=1 KEEP_MONTHLY=1 run -74 tree/backup.sh
		assert_equal "$(backups | wc -l)" 9
		rm -rf tree load bin/$program
	done
}

@test "a database that has lost most of what it had gets no backup, and says so" {
	start_sim
	track.sh add B0SIM0000{1..9}
	badges.sh
	backup.sh
	backups >before
	rm test.db
	run -78 --separate-stderr backup.sh
	db-load --init </dev/null # as somebody might
	run -74 --separate-stderr backup.sh
	assert_regex "$stderr" 'less than half of what it had at the last backup: restore.sh brings that back'
	diff before <(backups)
	restore.sh
	sleep 1
	run -0 backup.sh
	rm test.db backups/newest.json
	db-load --init </dev/null
	run -0 backup.sh
}

@test "without room it is 74, at once; nothing is touched" {
	db-load --init </dev/null
	mkdir bin
	printf '#!/bin/bash\necho Avail\necho 1000\n' >bin/df
	chmod +x bin/df
	PATH=$PWD/bin:$PATH run -74 --separate-stderr backup.sh
	assert_regex "$stderr" "'backups' has room for 1000 bytes, and a backup may need [0-9]+: make room there"
	assert_equal "$(backups)" ''
}

@test "a full disk (fault 8): 74, the old backups are whole, and nothing half-done stays" {
	mkdir backups bin
	for size in 300k 900k; do # too small for the snapshot; for what gzip makes of it
		full $size
	done
}

full() {
	mount -t tmpfs -o "size=$1" none backups 2>/dev/null || skip 'nothing can be mounted here'
	head -c 300000 /dev/urandom | base64 -w 100 | jq -Rc '{type: "notifications", notification_id: ., sink: "x", state: "sent"}' | db-load
	printf '#!/bin/bash\necho Avail\necho 999999999\n' >bin/df
	chmod +x bin/df
	PATH=$PWD/bin:$PATH run -74 --separate-stderr backup.sh
	left=$(backups)
	said=$stderr
	umount backups
	assert_equal "$left" ''
	assert_regex "$said" "cannot copy .*database or disk is full|could not be written: make room"
}

@test "a backup that is killed leaves what the next one writes over" {
	db-load --init </dev/null
	for ms in 20 60 100 140 180 220 260 300; do
		killed_after "$ms" backup.sh || true
		for file in backups/amazon-*; do
			[ ! -e "$file" ] || gzip -t "$file"
		done
	done
	run -0 backup.sh
	run -0 backups
	refute_output --partial snapshot
}

@test "a damaged database: 74, a hint, and the old backups stay" {
	jq -nc 'range(3000) | {type: "notifications", notification_id: "\(.)", sink: "x", state: "sent"}' | db-load
	backup.sh
	backups >before
	dd if=/dev/urandom of=test.db bs=4096 seek=50 count=4 conv=notrunc status=none
	run -74 --separate-stderr backup.sh
	assert_regex "$stderr" "(is damaged: .*|malformed); restore it from a backup"
	diff before <(backups)
}

@test "settings that are no numbers are 78, and another folder is used" {
	db-load --init </dev/null
	KEEP_DAILY=many run -78 --separate-stderr backup.sh
	assert_regex "$stderr" "KEEP_DAILY 'many' is no number"
	BACKUP_DIR=$PWD/else/where run -0 backup.sh
	assert_equal "$(backups else/where | wc -l)" 2
	run -64 backup.sh --frob
	run -0 backup.sh --help
	assert_line --index 0 --partial 'backup.sh - a snapshot'
}

# prune.sh

some_spool() {
	mkdir -p spool
	echo x | gzip >spool/badges-old.gz
	cp spool/badges-old.gz spool/notes-old.gz
	touch spool/{badges-old.part,report-old.clickup_comment,runs-badges,state.123,x.tmp}
	touch -d '20 days ago' spool/*
	cp spool/badges-old.gz spool/badges-young.gz
}

@test "prune.sh removes what is old of the spool, but nothing that is not done" {
	some_spool
	db-load --init </dev/null
	run -0 --separate-stderr prune.sh --dry-run
	assert_regex "$stderr" '4 files in spool/ would be removed'
	assert_equal "$(find spool -type f | wc -l)" 8
	run -0 --separate-stderr prune.sh
	assert_equal "$output$stderr" ''
	run -0 ls spool
	assert_output "badges-old.part
badges-young.gz
report-old.clickup_comment
runs-badges"
	run -0 bash -c 'db-query runs | jq -c "[.job, .status, .records, .stages]"'
	assert_output '["prune",0,4,{"db-prune":0,"rm":0}]'
}

@test "what a restore would need stays, whatever its age" {
	some_spool
	mkdir backups
	db-load --init </dev/null
	gzip -c test.db >backups/amazon-20200101T000000Z.db.gz
	run -0 prune.sh
	[ -e spool/badges-old.gz ]
	[ -e spool/notes-old.gz ]
	# A backup that is damaged is none; with a younger one that is whole they go.
	head -c 2000 backups/amazon-20200101T000000Z.db.gz >"backups/amazon-$(date -u +%Y%m%dT%H%M%SZ).db.gz"
	run -0 prune.sh
	[ -e spool/badges-old.gz ]
	rm backups/*
	gzip -c test.db >"backups/amazon-$(date -u +%Y%m%dT%H%M%SZ).db.gz"
	run -0 prune.sh
	run -0 ls spool
	refute_output --partial notes-old.gz
}

@test "if no backup is whole the spool stays, and it says so" {
	some_spool
	mkdir backups
	db-load --init </dev/null
	echo no >backups/amazon-20260101T000000Z.db.gz
	run -74 --separate-stderr prune.sh
	assert_regex "$stderr" "'backups/amazon-20260101T000000Z.db.gz' is damaged, and no good as a backup"
	assert_regex "$stderr" 'no backup is whole: the spool is kept, however old'
	[ -e spool/badges-old.gz ]
}

@test "the settings of prune.sh" {
	jq -nc '{type: "runs", run_id: "1", job: "x", started_at: "2026-01-01T00:00:00Z", status: 0},
		{type: "runs", run_id: "2", job: "x", started_at: "2026-01-02T00:00:00Z", finished_at: "2026-01-02T00:00:00Z", status: 0}' | db-load
	RUNS_DAYS=9999 prune.sh
	run -0 bash -c 'db-query runs job=x | wc -l'
	assert_output 2
	SPOOL_DAYS=x run -78 prune.sh
	RUNS_DAYS=0 run -64 prune.sh
	RAW_DAYS=0 run -0 prune.sh # which keeps raw answers out of the database
	run -64 prune.sh now
	run -0 prune.sh --help
}
