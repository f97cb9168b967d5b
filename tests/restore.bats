#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# restore.sh: the database destroyed, and back as it was.
load helper

ASINS=(B0SIM00001 B0SIM00002 B0SIM00003 B0SIM00004 B0SIM00006 B0SIM00012)
KETTLES=202611200011
TEA=1100012

# All tests are in the same home, whose history is made once; so nobody else has claimed
# what is in it.
setup_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR start_sim
	export sim sim_pid
	begin
	make_history
	mv home made
}

teardown_file() {
	stop_sim
}

setup() {
	begin
}

begin() {
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR/home
	rm -rf "$BATS_TEST_TMPDIR"
	mkdir "$BATS_TEST_TMPDIR"
	clean_room
	ask_sim
}

rank() { # rank ASIN CATEGORY RANK MINUTES-AGO
	control keepa/rank "{\"asin\":\"$1\",\"category\":\"$2\",\"rank\":$3,\"ago\":$4}" >/dev/null
}

# Some rounds, a backup, and more rounds; what happened last nobody was told of yet.
make_history() {
	track.sh add "${ASINS[@]}"
	badges.sh
	sleep 1
	rank B0SIM00001 $KETTLES 2 60
	badges.sh --all
	sales.sh --lookback 1 --marketplaces US
	backup.sh
	sleep 1
	track.sh add B0SIM00007 --priority 2 --label 'Since then'
	track.sh remove B0SIM00006
	track.sh add B0SIM00006 --every 30
	track.sh remove B0SIM00004
	rank B0SIM00012 $KETTLES 1 40
	rank B0SIM00002 $TEA 4 38
	badges.sh --all
	sleep 1
	rank B0SIM00001 $KETTLES 1 20
	SLACK_BOT_TOKEN=xoxb-wrong badges.sh --all || true
	rank B0SIM00002 $TEA 1 10 # which the next look sees
	sleep 1
	cd ..
}

history() {
	cp -rp ../made/. .
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
}

# state: all of the badge side, to the last column
state() {
	local table
	for table in tracked_asins asin_current_state asin_history rank_history categories \
		bestseller_changes notifications api_usage_log; do
		db-query $table | jq -cS . | sort
	done
}

told() { # what Slack has: of each message's id, how often
	control slack/messages | jq -r '.metadata.event_payload.id | split(":")[0:3] | join(":")' | sort | uniq -c | awk '{ print $1, $2 }'
}

destroy() {
	case $1 in
	delete) rm -f test.db* ;;
	truncate) truncate -s 20000 test.db ;;
	empty) : >test.db ;;
	garbage) dd if=/dev/urandom of=test.db bs=4096 count=30 seek=1 conv=notrunc status=none ;;
	all_garbage) head -c 300000 /dev/urandom >test.db ;;
	esac
}

keep_home() {
	mkdir kept
	cp -rp test.db spool backups kept/
}

back_to_kept() {
	rm -rf test.db* spool
	cp -rp kept/test.db kept/spool .
}

@test "destroyed in whatever way, it is as it was: from the backup and the spool (faults 38, 39)" {
	history
	state >before
	[ "$(db-query unsent_changes | wc -l)" -ge 1 ]
	keep_home
	for way in delete truncate empty garbage all_garbage; do
		back_to_kept
		destroy $way
		begun=$(date +%s%N)
		run restore.sh
		assert_equal "$way: $status" "$way: 0"
		echo "# $way: restored in $((($(date +%s%N) - begun) / 1000000)) ms" >&3
		diff before <(state) || fail "$way"
		run -0 sqlite3 test.db 'PRAGMA integrity_check'
		assert_output ok
		run -0 stat -c %a test.db
		assert_output 600
		# Sales are those of the backup.
		assert_equal "$(db-query sales_daily_totals | wc -l)" 1
		run bash -c 'ls spool | grep -v gz'
		assert_output ''
	done
}

@test "the time of a backup that is that of a wrong clock, or of a copy: nothing of the spool is lost" {
	history
	state >before
	keep_home
	backup=$(ls backups/amazon-*.db.gz)
	gzip -dc "$backup" >copy.db # now
	mv "$backup" "backups/amazon-$(date -ud '5 minutes ago' +%Y%m%dT%H%M%SZ).db.gz"
	for file in copy.db "$PWD/backups/amazon-$(date -ud '+1 year' +%Y%m%dT%H%M%SZ).db.gz"; do
		back_to_kept
		[ -e "$file" ] || cp backups/amazon-*.db.gz "$file"
		rm test.db*
		run -0 restore.sh "$file"
		diff before <(state)
	done
	# Which is not the newest, either.
	run -0 restore.sh --dry-run
	refute_line --partial "$file"
}

@test "after that nobody is told twice, and of everything once" {
	history
	destroy garbage
	restore.sh
	# What was told before was B0SIM00001, which lost, B0SIM00012 and B0SIM00002.
	run -0 badges.sh --all
	run -0 told
	assert_output "1 badge:US:B0SIM00001
1 badge:US:B0SIM00002"
	run -0 db-query unsent_changes
	assert_output ''
	sleep 1
	run -0 badges.sh --all
	assert_equal "$(told | wc -l)" 2
}

@test "without the destruction it would have been the same" {
	history
	keep_home
	badges.sh --all
	told >without
	db-query bestseller_changes --order change_id | jq -c 'del(.detected_at, .notified_at)' >changes
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
	back_to_kept
	rm -f test.db*
	restore.sh
	badges.sh --all
	diff without <(told)
	diff changes <(db-query bestseller_changes --order change_id | jq -c 'del(.detected_at, .notified_at)')
}

@test "a -wal that lost its end, and one that is left of a database that is gone" {
	history
	state >before
	keep_home
	# As a machine that went down leaves it: the last records are only in the -wal.
	mkfifo pipe
	db-load <pipe 3>&- &
	loader=$!
	exec 4>pipe
	printf '{"type":"notifications","notification_id":"%s","sink":"x","state":"sent"}\n' {1..99} >&4
	wait_for eval '[ "$(db-query notifications sink=x | wc -l)" -eq 99 ]'
	mkdir down
	cp test.db test.db-wal down
	exec 4>&-
	wait $loader
	for way in 'truncate -s 9000 test.db-wal' 'rm test.db' 'head -c 99999 /dev/urandom >test.db-wal'; do
		rm -f test.db*
		cp down/* .
		bash -c "$way"
		run -0 restore.sh
		diff before <(state) || fail "$way"
	done
}

# look DAYS RANK: what keepa-fetch would have written so many days ago, when a rank
# had become this an hour before
look() {
	jq -nc --argjson days "$1" --argjson rank "$2" '(now - 86400 * $days | floor) as $t | ($t / 60 - 21564000 | floor) as $m
		| ($t | todate) as $at | {type: "run", run_id: $at},
		{type: "keepa_product", marketplace: "US", asin: "B0SIM00001", fetched_at: $at, status: "ok",
			product: {asin: "B0SIM00001", productType: 0, title: "T", lastUpdate: $m,
				salesRanks: {"'$KETTLES'": [$m - 60, $rank]}}},
		{type: "end", run_id: $at}'
}

@test "a change that nobody was told of for days is told after all; what a backup knows of is not" {
	db-load --init </dev/null
	for rank in 1 5; do
		look $((9 - rank)) $rank >stream
		db-query asin_current_state >state
		keepa-flatten <stream | badge-diff -p state | db-load
	done
	db-query unsent_changes | jq -c '.notification_sent = true | .type = "bestseller_changes"' | db-load
	backup.sh
	mv backups/amazon-* "backups/amazon-$(date -u -d '3 days ago' +%Y%m%dT%H%M%SZ).db.gz"
	look 2 1 | gzip >spool/badges-1.gz
	touch -d '2 days ago' spool/badges-1.gz
	rm test.db*
	restore.sh
	assert_equal "$(db-query bestseller_changes | jq -c '[.change_type, .notification_sent]' | sort)" '["gained",false]
["lost",true]'
}

@test "--dry-run says what would be done, and does nothing" {
	history
	cp test.db before.db
	ls -R spool backups >files
	run -0 --separate-stderr restore.sh --dry-run
	assert_equal "$stderr" ''
	assert_line --index 0 --regexp "^backup    backups/amazon-[0-9TZ]+\.db\.gz, 0 h [0-9]+ min old, [0-9]+ bytes$"
	assert_line --regexp '^          schema [0-9]+, [0-9]+ bytes unpacked$'
	assert_line --regexp '^          newest look 20[0-9TZ:-]+, change 20[0-9TZ:-]+, day of sales 20[0-9-]+$'
	assert_line '          6 tracked_asins'
	assert_line --regexp '^spool     since then: [45] streams of looks, [1-9] of what was told, [45] calls of track.sh, 1 of names: taken in$'
	assert_line --partial 'lost      sales since then'
	assert_line --regexp "^now       $PWD/test.db: sound, newest look .*; it would be put aside, and kept$"
	diff files <(ls -R spool backups)
	destroy garbage
	run -0 restore.sh --dry-run
	assert_line --regexp "^now       .*(damaged|malformed).*; it would be put aside, and kept$"
	rm test.db*
	run -0 restore.sh --dry-run
	assert_line "now       there is no $PWD/test.db"
	[ ! -e test.db ]
}

@test "what was there is put aside, and a file can be named" {
	history
	db-backup mine.db
	mkdir elsewhere
	state >earlier
	sleep 1
	rank B0SIM00003 $KETTLES 7 0 # which no other test asks for
	badges.sh --all
	state >now
	cp -rp spool kept_spool
	rm spool/*
	(cd elsewhere && run -0 restore.sh ../mine.db)
	diff earlier <(state)
	cp test.db.before-restore-* was.db
	diff now <(DATABASE_URL=sqlite:was.db state)
	# And to there again, with the spool.
	rm -r spool && mv kept_spool spool
	run -0 --separate-stderr restore.sh "$(backup.sh --list | awk '{ print $2 }')"
	assert_output ''
	assert_regex "$stderr" '^restore.sh: restored from /.*amazon-[0-9TZ]+\.db\.gz \(0 h [0-9]+ min old\), and from spool/: [0-9]+ streams'
	diff now <(state)
	run -0 bash -c 'db-query runs job=restore | jq -c "[.status, .stages]" | sort -u'
	assert_output '[0,{"db-backup":0}]'
}

@test "what somebody was at when the backup was made, is free" {
	track.sh add "${ASINS[@]}"
	db-query --claim watchlist --holder gone --lease 168h >/dev/null
	[ -n "$(db-query leases)" ]
	backup.sh
	restore.sh
	assert_equal "$(db-query leases)" ''
	[ -n "$(db-query --claim watchlist)" ]
}

@test "killed at any moment, it changes nothing or is done; run again, it is done" {
	history
	state >before
	keep_home
	killed=0
	rm test.db*
	begun=${EPOCHREALTIME/[.,]/}
	restore.sh
	took=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
	for ms in $(seq $((took / 10)) $((took / 10)) $((took - 1))); do
		rm -rf spool test.db*
		cp -rp kept/spool .
		head -c 5000 kept/test.db >test.db
		cp test.db broken
		! killed_after "$ms" restore.sh || killed=$((killed + 1))
		cmp -s test.db broken || diff before <(state) || fail "$ms ms: neither"
	done
	[ $killed -gt 0 ]
	restore.sh
	diff before <(state)
}

@test "meanwhile no other job runs, and none makes an empty database" {
	history
	rm test.db*
	mkdir -p bin
	# It dwells on each stream.
	printf '#!/bin/bash\ntouch %s/busy\nfor _ in {1..600}; do [ -e %s/go ] && break; sleep 0.1; done\nexec %s "$@"\n' "$PWD" "$PWD" "$(command -v keepa-flatten)" >bin/keepa-flatten
	chmod +x bin/keepa-flatten
	cp -r "$top/pipelines" tree
	mkdir -p load notify fetch transform
	for file in "$top"/{load,fetch,notify}/* "$top"/transform/*; do
		[ ! -x "$file" ] && [[ $file != *.jq ]] || ln -s "$file" "$(basename "$(dirname "$file")")/" 2>/dev/null || true
	done
	rm transform/keepa-flatten
	cp bin/keepa-flatten transform/
	tree/restore.sh 3>&- 2>/dev/null &
	restoring=$!
	wait_for test -e busy
	for job in badges.sh sales.sh backup.sh prune.sh 'sales.sh --resume'; do
		# shellcheck disable=SC2086
		run -75 $job
		assert_output --partial 'restore, pid'
		[ ! -e test.db ]
	done
	run -75 restore.sh
	touch go
	wait $restoring
	run -0 db-query tracked_asins
	assert_equal "${#lines[@]}" 7
}

@test "a stream that is damaged keeps nothing else out, and the status says so" {
	history
	state >before
	file=$(find spool -name 'badges-*.gz' | sort | tail -n 1)
	head -c 100 "$file" >x && mv x "$file"
	rm test.db*
	run -70 restore.sh
	assert_line --partial 'restored from'
	run -0 db-query tracked_asins
	assert_equal "${#lines[@]}" 7
}

@test "a backup that is damaged or missing: nothing is touched" {
	history
	cp test.db before.db
	newest=$(backup.sh --list | awk '{ print $2 }')
	head -c 3000 "$newest" >x && mv x "$newest"
	run -74 restore.sh
	assert_line --partial "could not be unpacked, or is damaged; see restore.sh --list for others"
	run -74 restore.sh --dry-run
	diff <(sqlite3 before.db .dump | grep -v '"runs"\|INTO runs') <(sqlite3 test.db .dump | grep -v '"runs"\|INTO runs')
	run -78 restore.sh nowhere.db.gz
	rm backups/*
	run -78 restore.sh
	assert_line --partial "there is no backup in 'backups'; name a file"
	run bash -c 'ls test.db.before*'
	assert_failure
	run -64 restore.sh --frob
	run -64 restore.sh a b
	run -0 restore.sh --help
}
