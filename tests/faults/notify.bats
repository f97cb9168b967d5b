#!/usr/bin/env bats
# What people are told when the job or slack-post is killed, when Slack is away
# for a day, when ten thousand things happen at once, and when ClickUp's answer
# breaks off (faults 3, 33, 34 and 35).  Kills of the programs by themselves are
# in slack-post.bats and clickup-post.bats.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load faults

setup() {
	clean_room
	start_sim
	unset DATABASE_URL
	db-load --init </dev/null
}

teardown() {
	stop_sim
}

# changes FROM TO: so many, each of an ASIN and a minute of its own.
changes() {
	jq -nc --argjson from "$1" --argjson to "$2" 'range($from; $to + 1)
		| ("B" + (100000000 + . | tostring)) as $asin | (1793000000 + 60 * . | todate) as $at
		| {type: "bestseller_changes", change_id: "US:\($asin):1:\($at)", marketplace: "US", $asin,
			category_id: "1", change_type: "gained", new_rank: 1, previous_rank: 2, changed_at: $at, detected_at: $at}'
}

# told: the ASINs that messages are about, in order.
told() {
	control slack/messages | jq -r '[.blocks[] | .. | strings | scan("B[0-9]{9}")] | unique_by(.)[]'
}

unsent() {
	db-query unsent_changes | jq -r .asin
}

# The scripts, as installed where a program of the test's can be before ours.
elsewhere() {
	mkdir -p tree/notify bin
	cp -r "$top/pipelines" tree/
	cp "$top"/notify/*.jq tree/notify/
}

@test "slack-post killed at any of its calls of network and disk within the job: told, once or twice, never not" {
	local call k n=0 twice=0 ids
	needs_strace
	elsewhere
	for call in connect sendto recvfrom write; do
		for ((k = 1; k < 100; k++)); do
			cat >bin/slack-post <<-!
				#!/bin/bash
				exec strace -f -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$k "$top/notify/slack-post" "\$@"
			!
			chmod +x bin/slack-post
			n=$((n + 1))
			changes $((2 * n - 1)) $((2 * n)) | db-load
			curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
			PATH=$PWD/bin:$PATH run tree/pipelines/badges.sh
			killed=$status
			rm bin/slack-post
			run -0 tree/pipelines/badges.sh
			assert_equal "$call $k: $(unsent)" "$call $k: "
			assert_equal "$call $k: $(told | sort -u | paste -sd' ')" "$call $k: $(changes $((2 * n - 1)) $((2 * n)) | jq -r .asin | paste -sd' ')"
			ids=$(control slack/messages | jq -r .metadata.event_payload.id | sort)
			assert_equal "$(uniq <<<"$ids" | wc -l)" 2 # a repetition has the same id
			twice=$((twice + $(wc -l <<<"$ids") - 2))
			[ "$(wc -l <<<"$ids")" -le 3 ] || fail "$call $k: $ids"
			[ "$killed" -ne 0 ] || break
		done
		[ $k -gt 2 ]
	done
	# Only those kills that fall between Slack's taking it and our note of it.
	echo "# killed $n times, $twice messages came twice" >&3
	[ $twice -le 6 ]
}

@test "the job killed once Slack's word is noted, and before it is loaded: told once" {
	elsewhere
	changes 1 3 | db-load
	cat >bin/db-load <<-!
		#!/bin/bash
		# The notes of what was sent are loaded from a file.
		case \$(readlink /proc/self/fd/0) in */notes-*) kill -KILL -- -\$(ps -o pgid= \$\$ | tr -d ' ') ;; esac
		exec "$top/load/db-load" "\$@"
	!
	chmod +x bin/db-load
	PATH=$PWD/bin:$PATH setsid tree/pipelines/badges.sh >/dev/null 2>&1 3>&- || true
	rm bin/db-load
	assert_equal "$(told | wc -l)" 3
	[ -s "$(echo spool/notes-*.part)" ] # the kill was where it was meant to be
	run -0 tree/pipelines/badges.sh
	assert_equal "$(unsent)" ''
	assert_equal "$(told | wc -l)" 3
}

@test "Slack is away for 24 hours: what is to be told grows, and then is told once, in order" {
	local hour
	export HTTP_TRIES=1
	faults slack '[{"fault":"status","code":503,"times":1000}]'
	for hour in {1..24}; do
		changes "$hour" "$hour" | db-load
		run badges.sh
		assert_equal "$hour: $status" "$hour: 75"
		assert_equal "$hour: $(unsent | wc -l)" "$hour: $hour"
	done
	assert_equal "$(told)" ''
	curl -sS -X DELETE "$sim/_sim/faults/slack" >/dev/null
	run -0 badges.sh
	assert_output ''
	assert_equal "$(unsent)" ''
	assert_equal "$(told)" "$(changes 1 24 | jq -r .asin)"
	run -0 badges.sh
	assert_equal "$(told | wc -l)" 24
}

@test "10,000 changes at once: lists, in order, each change once, within Slack's limits" {
	changes 1 10000 | db-load
	run -0 badges.sh
	assert_output ''
	assert_equal "$(unsent)" ''
	run -0 bash -c "curl -sS '$sim/_sim/slack/messages' | jq -s '
		if length > 400 then \"\(length) messages\" else empty end,
		(.[] | select((.blocks | length) > 50 or (.text | length) > 40000
			or any(.blocks[] | .. | objects | select(.type? == \"plain_text\" or .type? == \"mrkdwn\"); (.text | length) > 3000))
			| .metadata.event_payload.id)'"
	assert_output ''
	control slack/messages | jq -r '.blocks | [.. | strings | scan("B[0-9]{9}")][]' | uniq >got
	diff got <(changes 1 10000 | jq -r .asin)
}

@test "ClickUp takes a comment, and its answer breaks off: no second one" {
	local after
	for after in 0 5; do
		curl -sS -X DELETE "$sim/_sim/clickup/comments" >/dev/null
		faults clickup "[{\"fault\":\"ok\"},{\"fault\":\"reset\",\"after\":$after,\"accept\":true}]"
		jq -nc --arg id "after $after" '{type: "clickup_comment", $id, text: "x"}' >comment
		run -0 --separate-stderr clickup-post <comment
		assert_equal "$(jq -r .state <<<"$output")" sent
		run -0 clickup-post <comment
		assert_equal "$(control clickup/comments | wc -l)" 1
	done
}
