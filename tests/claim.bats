#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2154 # tests are subshells; sim, pg_url...: from helper.bash; stderr: from bats
# Several machines at one database: db-query --claim, and the jobs that go by it.  A
# machine is a SELLERPIPE_HOME.
#
# claim-postgres.bats and claim-rest.bats are the same file: there the database is a
# server's.
load helper

KETTLES=202611200011
TEA=1100012

kind() { # of the database
	case $BATS_TEST_FILENAME in
	*-postgres.bats) echo postgres ;;
	*-rest.bats) echo rest ;;
	*) echo sqlite ;;
	esac
}

# only_on KIND...: where a job is tried that was tried on another kind of database.
only_on() {
	[[ " $* " == *" $(kind) "* ]] || [ -n "${FAULT_STEP:-}" ] || skip "make faults has it here, too"
}

setup_file() {
	[ "$(kind)" != sqlite ] || return 0
	! lacks postgres || return 0
	[ "$(kind)" != rest ] || ! lacks postgrest || return 0
	start_postgres
}

teardown_file() {
	[ -z "${pg_dir:-}" ] || stop_postgres
}

setup() {
	skip_lacking
	clean_room
	mkdir shared
	export DATABASE_URL=sqlite:$PWD/shared/test.db
	if [ "$(kind)" != sqlite ]; then
		new_database
		DATABASE_URL=$pg_url
	fi
	db-load --init </dev/null
	if [ "$(kind)" = rest ]; then
		start_postgrest
		export DATABASE_URL=$rest_url SUPABASE_KEY=$rest_key
	fi
}

teardown() {
	stop_sim
	[ "$(kind)" != rest ] || stop_postgrest
}

track() { # track N: B000000001 ...
	seq -f B%09.0f "$1" | jq -Rc '{type: "tracked_asins", marketplace: "US", asin: .}' | db-load
}

change() { # change ASIN CATEGORY TIME: an alert to be told
	jq -nc '$ARGS.positional as [$asin, $category, $at] | {type: "bestseller_changes",
		change_id: "US:\($asin):\($category):\($at)", marketplace: "US", $asin, change_type: "gained",
		category_id: $category, new_rank: 1, changed_at: $at, detected_at: $at}' --args "$@" | db-load
}

# claim HOLDER RUN NAME [OPTION...]: the ids that it gets
claim() {
	SELLERPIPE_RUN=$2 db-query --claim --holder "$1" "${@:3}" |
		jq -r 'if .type == "unsent_changes" then .change_id else .asin // .request_id // .turn end'
}

# leases [CONDITION...]: those that somebody has.  PostgreSQL knows of others, which nobody
# has taken yet.
leases() {
	db-query leases --order work,id "$@" | jq -c 'select(.holder != "")'
}

# end_leases: as if their time were over, however fast this machine is.
end_leases() {
	leases work!=message | jq -c '.claimed_at = "2026-01-01T00:00:00Z" | .leased_until = .claimed_at' | db-load
}

### db-query --claim

@test "what is claimed is leased, and nobody else gets it" {
	track 5
	run -0 --separate-stderr db-query --claim due_asins --limit 2 --holder a
	assert_equal "$stderr" ''
	assert_output "$(db-query due_asins --limit 2)"
	run jq -c '[.work, .id, .holder, (.leased_until | fromdate) - (.claimed_at | fromdate)]' < <(leases)
	assert_output '["look","US:B000000001","a",600]
["look","US:B000000002","a",600]'
	# As README.md has it: not what is there to be taken.
	assert_equal "$(db-query leases 'holder!=' | jq -r .id | sort)" $'US:B000000001\nUS:B000000002'
	assert_equal "$(claim b 1 due_asins --limit 2 --lease 2h)" $'B000000003\nB000000004'
	assert_equal "$(claim c 1 due_asins --lease 50m)" B000000005
	assert_equal "$(claim c 2 due_asins --holder d)" ''
	run sort -u < <(leases | jq -c '[.holder, (.leased_until | fromdate) - (.claimed_at | fromdate)]')
	assert_output '["a",600]
["b",7200]
["c",3000]'
}

@test "the same work in another view is claimed, too" {
	track 2
	claim a 1 due_asins --limit 1
	assert_equal "$(claim b 1 watchlist)" B000000002
}

@test "a run does not get the same twice; the next run of its holder does, at once" {
	track 3
	claim a 1 due_asins --limit 2
	assert_equal "$(claim a 1 due_asins)" B000000003
	assert_equal "$(claim a 1 due_asins)" ''
	assert_equal "$(claim a 2 due_asins)" $'B000000001\nB000000002\nB000000003'
	assert_equal "$(claim a 2 due_asins)" ''
	assert_equal "$(leases | jq -r .run_id | sort -u)" 2
}

@test "a lease lives as long as it says, and then others get it" {
	track 1
	claim a 1 due_asins --lease 1h
	assert_equal "$(claim b 1 due_asins)" ''
	# It ends within the second after its time; for the clock there is no other test.
	leases | jq -c '(now | floor) as $now | .claimed_at = ($now - 3600 | todate) | .leased_until = ($now + 2 | todate)' | db-load
	until=$(leases | jq '.leased_until | fromdate')
	got=$(claim b 1 due_asins)
	[ -z "$got" ] || [ "$(date +%s)" -gt "$until" ]
	while [ -z "$got" ] && [ "$(date +%s)" -le $((until + 30)) ]; do got=$(claim b 1 due_asins); done
	assert_equal "$got" B000000001
	[ "$(date +%s)" -gt "$until" ]
	assert_equal "$(claim a 2 due_asins)" ''
}

@test "a lease that is over goes once its work is done, and not before" {
	track 2
	claim a 1 due_asins
	echo '{"type":"tracked_asins","op":"update","marketplace":"US","asin":"B000000001","is_active":false}' | db-load
	claim b 1 due_asins
	assert_equal "$(leases | wc -l)" 2
	end_leases
	claim b 1 due_asins asin=B0
	assert_equal "$(leases | jq -r .id)" US:B000000002
}

@test "rows of one piece of work go together, and count as one" {
	change B000000001 11 2026-11-20T08:00:00Z
	change B000000001 12 2026-11-20T08:00:00Z
	change B000000001 13 2026-11-20T08:02:00Z
	change B000000002 14 2026-11-20T08:02:00Z
	assert_equal "$(claim a 1 unsent_changes --limit 2)" "US:B000000001:11:2026-11-20T08:00:00Z
US:B000000001:12:2026-11-20T08:00:00Z
US:B000000001:13:2026-11-20T08:02:00Z"
	assert_equal "$(claim b 1 unsent_changes)" US:B000000002:14:2026-11-20T08:02:00Z
	assert_equal "$(leases | jq -r .id | sort)" "badge:US:B000000001:2026-11-20T08:00:00Z
badge:US:B000000001:2026-11-20T08:02:00Z
badge:US:B000000002:2026-11-20T08:02:00Z"
}

@test "conditions hold of what is claimed, and the view's order is kept" {
	track 4
	printf '{"type":"tracked_asins","marketplace":"US","asin":"%s","priority":%d}\n' B000000003 1 B000000002 2 | db-load
	assert_equal "$(claim a 1 due_asins priority!=5 'asin>B000000001')" $'B000000003\nB000000002'
	assert_equal "$(claim a 1 due_asins due=true 2>&1)" "db-query: due_asins has no column 'due'"
	assert_equal "$(claim a 1 watchlist due=true)" $'B000000001\nB000000004'
	assert_equal "$(leases | wc -l)" 4
}

@test "requests that are open are claimed, the newest day first" {
	day=10
	for status in planned DONE IN_QUEUE no_data failed; do
		day=$((day + 1))
		printf '{"type":"report_requests","request_id":"US:2026-11-%s:CHILD:1","marketplace":"US","date":"2026-11-%s","status":"%s"}\n' \
			$day $day "$status"
	done | db-load
	assert_equal "$(claim a 1 open_requests marketplace=CA)" ''
	assert_equal "$(claim a 1 open_requests marketplace=US)" $'US:2026-11-13:CHILD:1\nUS:2026-11-11:CHILD:1'
	assert_equal "$(claim b 1 open_requests)" ''
}

@test "a holder is a machine and a folder there, or who it says it is; a run is the job's, or a process" {
	track 4
	mkdir there
	(cd there && db-query --claim due_asins --limit 1 >/dev/null)
	SELLERPIPE_HOLDER=one SELLERPIPE_RUN=badges-1 db-query --claim due_asins --limit 1 >/dev/null
	SELLERPIPE_HOLDER=one SELLERPIPE_RUN=badges-1 db-query --claim due_asins --limit 1 --holder two >/dev/null
	SELLERPIPE_HOLDER='' db-query --claim due_asins --limit 1 >/dev/null
	run jq -r '[.holder, (.run_id | sub("^[0-9]+$"; "pid"))] | @tsv' < <(leases)
	assert_output "$(uname -n):$PWD/there	pid
one	badges-1
two	badges-1
$(uname -n):$PWD	pid"
}

@test "what cannot be claimed, and what is no time, is 64, and nothing is leased" {
	track 1
	says() { # says MESSAGE ARGUMENT...
		run -64 --separate-stderr db-query "${@:2}"
		assert_equal "$output" ''
		assert_equal "$stderr" "db-query: $1"
	}
	says "runs cannot be claimed; see 'db-query claimable'" --claim runs
	says "no table or view 'nowhere'; see 'db-query --list'" --claim nowhere
	says "--claim goes by the order of the view, not by --order" --claim due_asins --order asin
	says "--claim claims rows of a view, not --list" --claim --list
	says "--lease and --holder belong to --claim" due_asins --lease 10m
	says "--lease and --holder belong to --claim" due_asins --holder a
	for time in 10 '' m 10x 0m -1m 1.5h 10m30s 169h ' 1m' 99999999999999999999s; do
		says "--lease '$time' is no time such as 600s, 10m or 2h, of at most 168h" --claim due_asins --lease "$time"
	done
	says 'the holder is to have a name, of up to 1024 bytes' --claim due_asins --holder ''
	says 'the holder is to have a name, of up to 1024 bytes' --claim due_asins --holder "$(printf %1025s x)"
	assert_equal "$(leases)" ''
	assert_equal "$(claim "$(printf %1024s x)" 1 due_asins --lease 168h)" B000000001
}

# claims HOLDER: until nothing is left; the second when all 8 have had their first, since whoever
# is quick leaves nothing to the others otherwise.
claims() {
	while SELLERPIPE_RUN=$1 db-query --claim due_asins --limit 100 --holder "$1" >"part.$1" || return; [ -s "part.$1" ]; do
		cat "part.$1" >>"all.$1"
		wait_for ls all.{1..8}
	done
}

@test "8 at once claim each of 10,000 ASINs once" {
	track 10000
	pids=()
	for i in {1..8}; do
		claims "$i" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	run -0 bash -c 'cat all.* | wc -l; cat all.* | sort -u | wc -l'
	assert_output '10000
10000'
	assert_equal "$(leases | wc -l)" 10000
}

### The jobs

# together 'a b' COMMAND...: on these machines; what each says is in a.out, its status in
# a.status.
together() {
	local host pids=()
	for host in $1; do
		{
			at "$host" "${@:2}" && echo 0 || echo $?
		} 3>&- 2>"$host.out" >"$host.status" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# at MACHINE COMMAND...: there
at() {
	mkdir -p "$BATS_TEST_TMPDIR/$1"
	SELLERPIPE_HOME=$BATS_TEST_TMPDIR/$1 "${@:2}"
}

# Amazon's bucket is full, so that no test waits for it.
plenty() { # plenty MACHINE
	local op
	mkdir -p "$1"
	for op in createReport getReport getReports getReportDocument cancelReport; do
		echo "$op 15 2 $(date +%s) 0"
	done >"$1/sp-api.state"
}

rank() { # rank ASIN CATEGORY RANK MINUTES-AGO
	control keepa/rank "$(jq -nc '$ARGS.positional as [$a, $c, $r, $ago]
		| {asin: $a, category: $c, rank: ($r | tonumber), ago: ($ago | tonumber)}' --args "$@")" >/dev/null
}

# Each ASIN that Keepa was asked for, and how often.
polled() {
	requests keepa 'select(.path | endswith("/product")) | .query.asin' | tr -d '"' | tr , '\n' | sort | uniq -c |
		awk '{ print $1, $2 }'
}

sent() { # the ids of the messages that Slack has
	control slack/messages | jq -r .metadata.event_payload.id | sort
}

# Some are tracked, and what was #1 is not any more: three alerts.
three_changes() {
	start_sim
	at a track.sh add B0SIM00001 B0SIM00002 B0SIM00003 B0SIM00004 B0SIM00006 B0SIM00012
	at a badges.sh
	leases | jq -c '{type, op: "delete", work, id}' | db-load
	next_second
	rank B0SIM00001 $KETTLES 2 9
	rank B0SIM00012 $KETTLES 1 7
	rank B0SIM00002 $TEA 4 5
	curl -sS -X DELETE "$sim/_sim/requests" >/dev/null
}

@test "badges.sh on three machines at once: no ASIN is asked for twice" {
	start_sim
	for i in $(seq -w 450); do echo "B0TRACK$i"; done | at a track.sh add --file /dev/stdin
	control keepa/tokens '{"left":5000}' >/dev/null
	together 'a b c' badges.sh
	assert_equal "$(cat ./*.out)" ''
	assert_equal "$(cat ./*.status)" $'0\n0\n0'
	run polled
	assert_equal "${#lines[@]}" 450
	assert_equal "$(printf '%s\n' "${lines[@]}" | cut -d ' ' -f 1 | sort -u)" 1
	assert_equal "$(db-query asin_current_state | wc -l)" 450
	assert_equal "$(db-query runs | jq -c '[.job, .status]' | sort | uniq -c | awk '{ print $1, $2 }')" '3 ["badges",0]'
	assert_equal "$(db-query runs | jq -s 'map(.records) | add')" 450
}

@test "alerts go out once, whoever looked" {
	only_on sqlite
	three_changes
	together 'a b' badges.sh --all
	assert_equal "$(polled | cut -d ' ' -f 1 | sort -u)" 1
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(sent | uniq -d)" ''
	assert_equal "$(db-query unsent_changes)" ''
}

# killed_looking MACHINE: once it waits for Keepa.
killed_looking() {
	local job
	faults keepa '[{"fault":"slow","first_byte_after":60}]'
	setsid env SELLERPIPE_HOME="$PWD/$1" badges.sh --all 3>&- 4>&- >/dev/null 2>&1 &
	job=$!
	wait_for asked_keepa
	kill -KILL -- -$job
	wait $job || true
}

asked_keepa() {
	requests keepa | grep .
}

@test "fault 37: a machine that dies: others take over once its leases end, and it is told once" {
	only_on sqlite postgres
	three_changes
	killed_looking a
	at b badges.sh --all
	assert_equal "$(polled | wc -l)" 6
	assert_equal "$(sent)" ''
	end_leases
	at b badges.sh --all
	assert_equal "$(polled | cut -d ' ' -f 1 | sort -u)" 2
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(sent | uniq -d)" ''
	assert_equal "$(db-query unsent_changes)" ''
}

@test "fault 37: clocks five minutes off, one ahead and one behind: no ASIN is asked for twice, each alert goes out once" {
	only_on postgres
	command -v faketime >/dev/null || skip 'no faketime'
	sanitized && skip 'faketime is in the way of the sanitizers'
	at a faketime '+5 minutes' true || skip 'faketime does not work here'
	three_changes
	at a faketime '+5 minutes' badges.sh --all
	assert_equal "$(polled | cut -d ' ' -f 1 | sort -u)" 1
	assert_equal "$(sent | wc -l)" 3
	# Its leases have ended by the other's clock, if that were asked; nor is anything due.
	at b faketime '-5 minutes' badges.sh
	assert_equal "$(polled | cut -d ' ' -f 1 | sort -u)" 1
	rank B0SIM00001 $KETTLES 1 4
	leases | jq -c '{type, op: "delete", work, id}' | db-load
	next_second
	# What b sees now is older than what a saw before, so they say: it is told after the next look.
	at b faketime '-5 minutes' badges.sh --all
	leases | jq -c '{type, op: "delete", work, id}' | db-load
	at a faketime '+5 minutes' badges.sh --all
	assert_equal "$(sent | wc -l)" 4
	assert_equal "$(sent | uniq -d)" ''
	assert_equal "$(db-query unsent_changes)" ''
}

@test "a machine that dies and is back at once goes on with what it was at" {
	only_on sqlite
	three_changes
	killed_looking a
	at a badges.sh --all
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(db-query unsent_changes)" ''
}

@test "a look ends before its lease does: what came is kept, the rest is left for the next run" {
	only_on sqlite
	start_sim
	at a track.sh add B0SIM00001 B0SIM00002
	faults keepa '[{"fault":"slow","first_byte_after":60}]'
	HTTP_STALL_TIMEOUT=90 HTTP_TIMEOUT=600 LOOK_LEASE=2 run -75 --separate-stderr at a badges.sh
	assert_regex "$stderr" 'badges.sh: keepa-fetch took longer than its lease allows'
	assert_equal "$(db-query runs | jq .status)" 75
	assert_equal "$(db-query runs | jq '.stages["keepa-fetch"]')" 75
	curl -sS -X DELETE "$sim/_sim/faults/keepa" >/dev/null
	run -0 at a badges.sh
	assert_equal "$(db-query asin_current_state | wc -l)" 2
}

@test "what is told is told before its lease ends, or by the next run" {
	only_on sqlite
	three_changes
	faults slack '[{"fault":"slow","first_byte_after":60}]'
	HTTP_STALL_TIMEOUT=90 HTTP_TIMEOUT=600 TELL_LEASE=4 run -75 --separate-stderr at a badges.sh --all
	assert_regex "$stderr" 'badges.sh: slack-post took longer than its lease allows'
	curl -sS -X DELETE "$sim/_sim/faults/slack" >/dev/null
	run -0 at a badges.sh
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(sent | uniq -d)" ''
}

# The scripts as installed somewhere else: what is in bin/ comes before their programs.
elsewhere() {
	mkdir -p bin tree/notify
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
}

# killed_telling MACHINE [COMMAND]: the whole job, once slack-post has sent all of its
# messages, and nobody has noted it; or what COMMAND has sent.
killed_telling() {
	elsewhere
	mkdir -p "$1"
	cat >bin/slack-post <<-!
		#!/bin/bash
		${2:-$(command -v slack-post)} "\$@" >/dev/null
		kill -KILL -- -"\$(<"$PWD/pid")"
	!
	chmod +x bin/slack-post
	# shellcheck disable=SC2016 # for the inner shell
	PATH=$PWD/bin:$PATH setsid bash -c 'echo $$ >pid; SELLERPIPE_HOME=$PWD/$1 exec tree/pipelines/badges.sh' killed "$1" \
		3>&- 4>&- >/dev/null 2>&1 &
	wait $! || true
	rm pid
}

told_by() { # told_by MACHINE: all, and nothing is left of who was at what
	run -0 --separate-stderr at "$1" badges.sh
	assert_equal "$output$stderr" ''
	assert_equal "$(db-query unsent_changes)" ''
	assert_equal "$(db-query leases work=message)" ''
}

# changes CATEGORY...: of as many ASINs at as many moments
changes() {
	local n=0 category
	for category; do
		n=$((n + 1))
		change "B00000000$((category % 10))" "$category" "2026-11-20T08:0$((category % 10)):00Z"
	done
}

@test "killed between Slack's acceptance and the note of it: another machine finds it there, whatever their clocks say" {
	start_sim
	# It was seen by a machine whose clock is years ahead.
	changes 11 12 13
	db-query bestseller_changes | jq -c '.detected_at = "2036-01-01T00:00:00Z"' >ahead
	jq -c '{type, op: "delete", change_id}' ahead | cat - ahead | db-load
	killed_telling a
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(db-query unsent_changes | wc -l)" 3
	at b badges.sh
	assert_equal "$(db-query unsent_changes | wc -l)" 3
	end_leases
	told_by b
	assert_equal "$(sent | wc -l)" 3
	assert_equal "$(db-query notifications | jq -c '[.state, .attempts]' | sort -u)" '["sent",0]'
}

@test "sent singly by a machine that died, and one more than makes a list: none comes twice" {
	only_on sqlite postgres
	start_sim
	export ALERT_DIGEST=3
	changes 11 12 13
	killed_telling a
	assert_equal "$(sent | wc -l)" 3
	changes 10
	end_leases
	told_by b
	assert_equal "$(sent)" "$(printf 'badge:US:B00000000%d:2026-11-20T08:0%d:00Z\n' 0 0 1 1 2 2 3 3)"
}

@test "sent as a list by a machine that died: it is found, whatever is new before or behind it" {
	only_on sqlite
	start_sim
	export ALERT_DIGEST=2
	changes 11 12 13
	killed_telling a
	assert_equal "$(sent)" digest:badge:US:B000000001:2026-11-20T08:01:00Z:3
	changes 10 14
	end_leases
	told_by b
	assert_equal "$(sent)" 'badge:US:B000000000:2026-11-20T08:00:00Z
badge:US:B000000004:2026-11-20T08:04:00Z
digest:badge:US:B000000001:2026-11-20T08:01:00Z:3'
	# The next list is another.
	changes 21 22 25
	told_by b
	assert_equal "$(sent | grep -c ^digest:badge:US:B000000001:2026-11-20T08:01:00Z:21:3)" 1
}

@test "a list that was about to be sent is sent whole, by who has its first part" {
	only_on sqlite postgres
	start_sim
	export ALERT_DIGEST=2
	changes 11 12 13
	killed_telling a true
	assert_equal "$(sent)" ''
	end_leases
	assert_equal "$(claim c 1 unsent_changes --limit 1 | wc -l)" 1
	run -0 at b badges.sh
	assert_equal "$(sent)" ''
	end_leases
	assert_equal "$(claim c 2 unsent_changes asin!=B000000001 | wc -l)" 2
	told_by b
	assert_equal "$(sent)" digest:badge:US:B000000001:2026-11-20T08:01:00Z:3
	assert_equal "$(control slack/messages | jq -r .text)" '3 changes of Best Seller badges'
}

@test "what is new to a message that was sent, or may have been, is told in another" {
	only_on sqlite postgres
	start_sim
	at=2026-11-20T08:01:00Z
	change B000000001 11 $at
	told_by a
	change B000000001 12 $at
	killed_telling a
	assert_equal "$(sent)" "badge:US:B000000001:$at
badge:US:B000000001:$at:12"
	change B000000001 10 $at
	change B000000001 14 $at
	end_leases
	told_by b
	assert_equal "$(sent)" "badge:US:B000000001:$at
badge:US:B000000001:$at:10
badge:US:B000000001:$at:12"
}

@test "what cannot be told any more is in no message" {
	only_on sqlite
	start_sim
	changes 11 12
	killed_telling a true
	assert_equal "$(db-query leases work=message | jq -c '[.id, .holder, .run_id] == ["US:B000000001:11:2026-11-20T08:01:00Z",
		"'"$(uname -n):$PWD/a"'", "badge:US:B000000001:2026-11-20T08:01:00Z"]' | head -n 1)" true
	db-query bestseller_changes | jq -c '{type, op: "delete", change_id}' | db-load
	changes 13
	end_leases
	told_by b
	assert_equal "$(sent | wc -l)" 1
}

@test "what could not be noted before is not sent" {
	only_on sqlite
	start_sim
	changes 11
	elsewhere
	cat >bin/db-load <<-end
		#!/bin/bash
		cat >"$PWD/in"
		! grep -q '"work":"message"' "$PWD/in" || exit 74
		exec $(command -v db-load) "\$@" <"$PWD/in"
	end
	chmod +x bin/db-load
	PATH=$PWD/bin:$PATH run -74 at a tree/pipelines/badges.sh
	assert_equal "$(sent)" ''
	told_by a
	assert_equal "$(sent | wc -l)" 1
}

@test "a database that is restored knows what may have been sent" {
	only_on sqlite
	start_sim
	changes 11
	killed_telling a
	at a backup.sh
	run -0 at a restore.sh
	assert_equal "$(leases | jq -r .work)" message
	told_by a
	assert_equal "$(sent | wc -l)" 1
}

@test "what one machine could not tell, another can" {
	only_on sqlite
	three_changes
	SLACK_BOT_TOKEN=xoxb-revoked run -77 at a badges.sh --all
	end_leases
	told_by b
	assert_equal "$(sent | wc -l)" 3
}

@test "fault 37: sales.sh on two machines at the same second: no report is made twice" {
	only_on sqlite postgres
	start_sim
	export SP_ASK_MS=60 SP_BURST=8
	plenty a
	plenty b
	together 'a b' sales.sh --lookback 2
	run -0 bash -c "curl -sS '$sim/_sim/sp/reports' | jq -r '\"\(.marketplace) \(.date)\"' | sort | uniq -c | awk '{ print \$1 }' | sort | uniq -c"
	assert_output --regexp '^ *4 1$'
	assert_equal "$(db-query report_requests | jq -r .status | sort | uniq -c | awk '{ print $1, $2 }')" '4 DONE'
	# One had all of it, or each a marketplace.
	run sort a.status b.status
	assert_output --regexp $'^0\n(0|75)$'
	assert_equal "$(control clickup/comments | jq -r .comment_text | grep -c 'all well')" "$(cat a.status b.status | grep -cx 0)"
}

@test "sales.sh where another machine is at all of it is 75, and says so; after its lease it goes on" {
	only_on sqlite
	start_sim
	export SP_ASK_MS=60 SP_BURST=8
	plenty a
	plenty b
	faults sp '[{"fault":"status","code":503,"times":99}]'
	HTTP_TRIES=1 run at a sales.sh --lookback 1 --marketplaces US --timeout 3
	assert_not_equal "$status" 0
	curl -sS -X DELETE "$sim/_sim/faults/sp" >/dev/null
	run -75 --separate-stderr at b sales.sh --lookback 1 --marketplaces US
	assert_equal "$stderr" 'sales.sh: another machine is at all of it; try again later'
	assert_equal "$(control sp/reports | wc -l)" 0
	assert_equal "$(leases work=report | jq -r .holder)" "$(uname -n):$PWD/a"
	leases | jq -c '.leased_until = "2026-01-01T00:00:00Z"' | db-load
	run -0 at b sales.sh --lookback 1 --marketplaces US
	assert_equal "$(control sp/reports | wc -l)" 1
	assert_equal "$(db-query report_requests | jq -r .status)" DONE
}

@test "summary.sh on two machines: one sends it, the other has nothing to do" {
	only_on sqlite
	start_sim
	together 'a b' summary.sh
	assert_equal "$(sent | wc -l)" 1
	assert_equal "$(cat a.out b.out)" ''
	assert_equal "$(cat a.status b.status)" $'0\n0'
	winner=$(leases work=turn id=summary | jq -r .holder)
	for host in a b; do
		next_second
		at $host summary.sh
	done
	assert_equal "$(sent | wc -l)" 2
	assert_equal "$(leases work=turn id=summary | jq -r .holder)" "$winner"
	assert_equal "$(db-query runs job=summary | wc -l)" 2
	# It is gone for a day.
	leases | jq -c '.leased_until = "2026-01-01T00:00:00Z" | .holder = "gone"' | db-load
	next_second
	at b summary.sh
	assert_equal "$(sent | wc -l)" 3
}

@test "health.sh on two machines: one looks, the other at its own disk only" {
	only_on sqlite
	at a health.sh
	assert_not_equal "$(db-query health_checks | wc -l)" 0
	db-query health_checks >before
	next_second
	run -0 --separate-stderr at b health.sh
	assert_equal "$stderr" ''
	diff before <(db-query health_checks)
	assert_equal "$(db-query runs job=health | wc -l)" 1
	HEALTH_DISK_MB=999999999 run -74 at b health.sh
	assert_output --partial 'health.sh: the disk: '
	diff before <(db-query health_checks)
}
