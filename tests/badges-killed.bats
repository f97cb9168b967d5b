#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2154 # top, sim: from helper.bash; stderr: from bats
# badges.sh killed at any point: the next run ends where an undisturbed one would
# have.  Two homes see the same things happen; one of them is disturbed.
load helper

ASINS=(B0SIM00001 B0SIM00002 B0SIM00003 B0SIM00004 B0SIM00006 B0SIM00012)
KETTLES=202611200011
TEA=1100012

setup() {
	clean_room
	start_sim
	mkdir calm disturbed
	# The scripts as installed somewhere else: their programs come from PATH,
	# where a test can put others before them.
	mkdir -p tree bin
	cp -r "$top/pipelines" tree/
	mkdir tree/notify
	cp "$top"/notify/*.jq tree/notify/
	unset DATABASE_URL
	home calm
	tree/pipelines/track.sh add "${ASINS[@]}"
	tree/pipelines/badges.sh
	cp -r calm/. disturbed
	cp -r disturbed before
	next_second
	control keepa/rank "[{\"asin\":\"B0SIM00001\",\"category\":\"$KETTLES\",\"rank\":2,\"ago\":9},
		{\"asin\":\"B0SIM00012\",\"category\":\"$KETTLES\",\"rank\":1,\"ago\":7},
		{\"asin\":\"B0SIM00002\",\"category\":\"$TEA\",\"rank\":4,\"ago\":5}]" >/dev/null
	home calm
	tree/pipelines/badges.sh --all
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
	home disturbed
}

teardown() {
	stop_sim
}

home() {
	export SELLERPIPE_HOLDER=somebody # both: the one begins as a copy of the other
	export SELLERPIPE_HOME=$BATS_TEST_TMPDIR/$1
}

# All that does not depend on when we looked.
state() { # state HOME
	local table
	for table in tracked_asins rank_history categories asin_current_state \
		bestseller_changes notifications; do
		db-query -d "sqlite:$BATS_TEST_TMPDIR/$1/amazon.db" $table | jq -cS 'del(.added_at, .fetched_at,
			.last_updated, .source_updated_at, .detected_at, .notified_at, .sent_at, .remote_id, .attempts)' | sort
	done
}

sent() { # the ids of the messages that Slack has, each with how often
	control slack/messages | jq -r .metadata.event_payload.id | sort | uniq -c | awk '{ print $1, $2 }'
}

ends_well() { # ends_well WHAT [TWICE]: the next run does, and nothing is lost or told twice (but at most TWICE)
	run tree/pipelines/badges.sh --all
	assert_equal "$1: $status" "$1: 0"
	diff <(state calm) <(state disturbed)
	assert_equal "$1: $(sent | wc -l)" "$1: 3"
	[ "$(sent | awk '{ n += $1 - 1 } END { print n }')" -le "${2:-0}" ] || {
		sent
		return 1
	}
	run ls "$SELLERPIPE_HOME/spool"
	refute_output --partial .part
}

# dies NAME BYTES: the program NAME is killed once it has read so much.
dies() {
	local real
	real=$(command -v "$1")
	cat >"bin/$1" <<-!
		#!/bin/bash
		if [ -e "$BATS_TEST_TMPDIR/armed" ] && [ -n "\${SELLERPIPE_RUN:-}" ]; then # not job's own
			rm "$BATS_TEST_TMPDIR/armed"
			head -c $2 | $real "\$@"
			kill -KILL \$\$
		fi
		exec $real "\$@"
	!
	chmod +x "bin/$1"
	touch armed
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

for_each_cut() { # for_each_cut NAME: killed at its beginning, within, and near its end
	local bytes cuts=(0 5000)
	[ -z "${FAULT_STEP:-}" ] || cuts=(0 200 5000 30000)
	for bytes in "${cuts[@]}"; do
		# The home as it was, and nobody was told of anything.
		rm -rf disturbed
		cp -r before disturbed
		curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
		dies "$1" "$bytes"
		run tree/pipelines/badges.sh --all
		[ ! -e armed ] || fail "$1 was never started"
		assert_not_equal "$1 killed after $bytes bytes: $status" "$1 killed after $bytes bytes: 0"
		ends_well "$1 killed after $bytes bytes" "${2:-0}"
		PATH=${PATH#*:}
	done
}

@test "keepa-fetch killed" {
	for_each_cut keepa-fetch
}

@test "keepa-flatten killed" {
	for_each_cut keepa-flatten
}

@test "badge-diff killed" {
	for_each_cut badge-diff
}

@test "tee killed" {
	for_each_cut tee
}

@test "jq killed" {
	for_each_cut jq
}

@test "db-load killed while it loads what was seen" {
	# The first db-load only notes that the run begins.
	for bytes in 0 300 20000; do
		real=$(command -v db-load)
		cat >bin/db-load <<-!
			#!/bin/bash
			if [ -e "$BATS_TEST_TMPDIR/armed" ] && [ \$# -eq 0 ]; then
				rm "$BATS_TEST_TMPDIR/armed"
				head -c $bytes | $real
				kill -KILL \$\$
			fi
			exec $real "\$@"
		!
		chmod +x bin/db-load
		touch armed
		PATH=$BATS_TEST_TMPDIR/bin:$PATH run tree/pipelines/badges.sh --all
		assert_equal "$status" 70
		PATH=$BATS_TEST_TMPDIR/bin:$PATH ends_well "db-load killed after $bytes bytes"
		sleep 1
	done
}

@test "slack-post killed before, between and after its messages" {
	for_each_cut slack-post
}

@test "db-load killed before it can note what Slack has accepted: told once all the same" {
	real=$(command -v db-load)
	cat >bin/db-load <<-!
		#!/bin/bash
		IFS= read -r first
		case \$first in
		*'"type":"notifications"'*) [ -e "$BATS_TEST_TMPDIR/killed" ] || { touch "$BATS_TEST_TMPDIR/killed"; kill -KILL \$\$; } ;;
		esac
		{ [ -z "\$first" ] || printf '%s\n' "\$first"; cat; } | $real "\$@"
	!
	chmod +x bin/db-load
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	run tree/pipelines/badges.sh --all
	[ "$status" -ne 0 ]
	[ -e killed ]
	ends_well "db-load killed at the notes"
}

@test "the whole job killed at any moment" {
	local times=(20 100 180 260 400)
	[ -z "${FAULT_STEP:-}" ] || times=(20 60 100 140 180 220 260 300 350 400 500)
	for ms in "${times[@]}"; do
		killed_after "$ms" tree/pipelines/badges.sh --all || true
	done
	# A kill between Slack's acceptance and our note of it may repeat that one.
	ends_well "the job killed at many moments" 3
}

@test "what came before tokens ran out, and could not be loaded, is taken in by the next run" {
	cat >bin/keepa-fetch <<-!
		#!/bin/bash
		"$(command -v keepa-fetch)" "\$@" | grep -v '"type":"end"'
		exit 75
	!
	cat >bin/db-load <<-!
		#!/bin/bash
		[ \$# -eq 0 ] && [ ! -e "$BATS_TEST_TMPDIR/failed" ] || exec "$(command -v db-load)" "\$@"
		touch "$BATS_TEST_TMPDIR/failed"
		cat >/dev/null
		exit 75
	!
	chmod +x bin/*
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run tree/pipelines/badges.sh --all
	assert_equal "$status" 75
	[ -e failed ]
	[ -n "$(ls disturbed/spool/*.part)" ]
	ends_well "not all fetched, and nothing loaded"
}
