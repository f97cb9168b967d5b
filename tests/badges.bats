#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# The badge job from end to end, on the simulator: pipelines/badges.sh.
load helper

A=B0SIM00001 # is #1 in KETTLES at the start
B=B0SIM00012 # is not
C=B0SIM00002 # is #1 in TEA; its title is hostile
KETTLES=202611200011
TEA=1100012

setup() {
	clean_room
	start_sim
}

teardown() {
	stop_sim
}

# rank ASIN CATEGORY RANK [MINUTES-AGO]
rank() {
	control keepa/rank "$(jq -nc --arg a "$1" --arg c "$2" --argjson r "$3" --argjson ago "${4:-null}" \
		'{asin: $a, category: $c, rank: $r} + (if $ago then {ago: $ago} else {} end)')" >/dev/null
}

track() { # and look at them for the first time
	track.sh add "$@"
	badges.sh
	next_second # a later look has to be later
}

messages() {
	control slack/messages | jq -c "${1:-.}"
}

forget_messages() {
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
}

@test "the first look at an ASIN tells nobody, and shows who is #1 (pain 1.13)" {
	track $A $B $C
	run messages
	assert_output ''
	run -0 bash -c 'db-query current_badges | jq -r "[.asin, .category] | @tsv"'
	assert_output "$(printf '%s\t%s\n' $A 'Gooseneck Kettles' $C 'Coffee, Tea & Espresso')"
}

@test "what is gained and what is lost is told once, each with its ranks and Keepa's time" {
	track $A $B
	rank $A $KETTLES 3 4
	rank $B $KETTLES 1 2
	run -0 --separate-stderr badges.sh --all
	assert_output ''
	assert_equal "$stderr" ''
	run messages '[.blocks[0].text.text, .blocks[2].fields[0].text, .blocks[3].fields[1].text]'
	assert_output "[\"⚠️ LOST Best Seller badge\",\"ASIN\n$A (US)\",\"LOST\n#1 → #3\"]
[\"🎉 GAINED Best Seller badge\",\"ASIN\n$B (US)\",\"GAINED\nnot ranked → #1\"]"
	run bash -c 'db-query unsent_changes'
	assert_output ''
	run -0 bash -c 'db-query bestseller_changes | jq -c "[.notification_sent, .notified_at != null, .detected_at >= .changed_at]" | sort -u'
	assert_output '[true,true,true]'

	next_second
	forget_messages
	run -0 badges.sh --all
	run messages
	assert_output ''
}

@test "the message has the title, a picture, the category's name and two links" {
	track $A
	rank $A $KETTLES 2
	badges.sh --all
	run -0 messages '.blocks[1].text.text, .blocks[1].accessory.image_url[:36], .blocks[3].fields[0].text, (.blocks[4].elements[] | .text.text, .url)'
	assert_output "\"Nordhus Gooseneck Kettle, 1.2 L, Brushed Steel\"
\"https://m.media-amazon.com/images/I/\"
\"Category\nGooseneck Kettles\"
\"View on Amazon\"
\"https://www.amazon.com/dp/$A\"
\"Keepa Chart\"
\"https://keepa.com/#!product/1-$A\""
}

@test "links lead to the marketplace's own site (pain 1.18)" {
	track.sh add B0SIMCA002 --marketplace CA
	badges.sh
	next_second
	category=$(db-query current_badges | jq -r .category_id)
	control keepa/rank "{\"domain\":6,\"asin\":\"B0SIMCA002\",\"category\":\"$category\",\"rank\":5}" >/dev/null
	badges.sh --all
	run -0 messages '.blocks[-1].elements[].url'
	assert_output '"https://www.amazon.ca/dp/B0SIMCA002"
"https://keepa.com/#!product/6-B0SIMCA002"'
}

@test "a rank that ends is no longer ranked, and not #-1 (pain 1.3)" {
	track $A
	rank $A $KETTLES -1
	badges.sh --all
	run -0 messages '.blocks[3].fields[1].text'
	assert_output '"LOST\n#1 → no longer ranked"'
}

@test "changes of one ASIN at one moment are one message (pain 1.6)" {
	track $A
	for rank in 9 1; do
		at=$(date -u -d "$rank minutes ago" +%Y-%m-%dT%H:%M:00Z)
		for category in $KETTLES $TEA; do
			control keepa/rank "{\"asin\":\"$A\",\"category\":\"$category\",\"rank\":$rank,\"at\":\"$at\"}" >/dev/null
		done
	done
	badges.sh --all
	run messages '[.blocks[] | select(.fields).fields[1].text | select(startswith("Time") | not)]'
	assert_output '["LOST\n#1 → #9"]
["GAINED\n#9 → #1","GAINED\n#9 → #1"]'
}

@test "a title of somebody else's does no harm: nothing in it is Slack's" {
	track $C
	rank $C $TEA 7
	badges.sh --all
	run -0 messages '.blocks[1].text.type, (.blocks[1].text.text | test("[\u0000-\u001f\u202a-\u202e]")), .text'
	assert_line --index 0 '"plain_text"'
	assert_line --index 1 'false'
	assert_line --index 2 --partial '&lt;!channel&gt; &amp; '
	refute_line --partial '<!channel>'
	run -0 messages '[.. | objects | select(.type? == "mrkdwn")] | length'
	assert_output 0
}

@test "a title of 4,000 characters is cut before anything is escaped" {
	track B0SIM00003
	category=$(db-query rank_history asin=B0SIM00003 | jq -r .category_id | tail -n 1)
	rank B0SIM00003 "$category" 1
	badges.sh --all
	run -0 messages '.blocks[1].text.text | length'
	assert_output 250
}

@test "no ranks in the answers: nobody has lost anything (pain 1.1)" {
	track $A $B $C
	for fault in no_salesranks null_salesranks; do
		faults keepa "[{\"fault\":\"$fault\"}]"
		run -0 badges.sh --all
		next_second
	done
	faults keepa '[{"fault":"null_products"}]'
	run badges.sh --all
	assert_equal "$status" 65
	next_second
	faults keepa "[{\"fault\":\"missing\",\"asins\":[\"$A\"]}]"
	run -0 badges.sh --all
	run messages
	assert_output ''
	run -0 bash -c 'db-query current_badges | jq -r .asin'
	assert_output "$A
$C"
}

@test "what happened while Keepa was down is told by the next look that works (pain 1.7)" {
	track $A
	faults keepa '[{"fault":"500","times":20}]'
	rank $A $KETTLES 2 6
	rank $A $KETTLES 1 4
	HTTP_TRIES=2 run badges.sh --all
	assert_equal "$status" 75
	next_second
	curl -sS -X DELETE "$sim/_sim/faults/keepa" >/dev/null
	run -0 badges.sh
	run -0 bash -c "db-query bestseller_changes --order changed_at | jq -c '[.change_type, .previous_rank, .new_rank]'"
	assert_output '["lost",1,2]
["gained",2,1]'
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 2
}

@test "Slack down: the alert waits, the next run sends it (pain 1.5)" {
	track $A
	rank $A $KETTLES 2
	faults slack '[{"fault":"status","code":503,"times":50}]'
	HTTP_TRIES=2 run badges.sh --all
	assert_equal "$status" 75
	run -0 bash -c 'db-query unsent_changes | wc -l'
	assert_output 1
	curl -sS -X DELETE "$sim/_sim/faults/slack" >/dev/null
	run -0 badges.sh
	run messages .blocks[0].text.text
	assert_output '"⚠️ LOST Best Seller badge"'
	run -0 bash -c 'db-query unsent_changes'
	assert_output ''
}

@test "a message that Slack will never take is failed once, with the reason, and blocks nobody" {
	track $A $C
	rank $A $KETTLES 2 6
	rank $C $TEA 2 4
	faults slack '[{"fault":"error","error":"invalid_blocks"}]'
	run badges.sh --all
	assert_equal "$status" 65
	run -0 bash -c "db-query notifications --order state | jq -r '.state, .error // \"-\"'"
	assert_line --index 0 failed
	assert_line --index 1 --partial invalid_blocks
	assert_line --index 2 sent
	forget_messages
	run -0 badges.sh
	run messages
	assert_output ''
}

@test "a channel that is not there is tried again, for somebody may invite us" {
	track $A
	rank $A $KETTLES 2
	faults slack '[{"fault":"error","error":"not_in_channel"}]'
	run badges.sh --all
	assert_equal "$status" 65
	run -0 badges.sh
	run messages .blocks[0].text.text
	assert_output '"⚠️ LOST Best Seller badge"'
}

@test "an answer of Slack's that gets lost does not make the alert come twice" {
	track $A
	rank $A $KETTLES 2
	faults slack '[{"fault":"hang_after_accept"}]'
	HTTP_STALL_TIMEOUT=1 run -0 badges.sh --all
	run messages .metadata.event_payload.id
	assert_equal "${#lines[@]}" 1
	run -0 bash -c 'db-query notifications | jq -r .state'
	assert_output sent
}

@test "a refused token ends with 77, and tells of everything once it is renewed" {
	track $A
	rank $A $KETTLES 2
	SLACK_BOT_TOKEN=xoxb-revoked run badges.sh --all
	assert_equal "$status" 77
	run -0 badges.sh
	run messages .blocks[0].text.text
	assert_output '"⚠️ LOST Best Seller badge"'
}

@test "a refused key ends with 77" {
	track.sh add $A
	KEEPA_API_KEY=lapsed run badges.sh
	assert_equal "$status" 77
	run -0 badges.sh
}

@test "nothing to tell needs no Slack" {
	track.sh add $A
	unset SLACK_BOT_TOKEN
	run -0 --separate-stderr badges.sh
	assert_equal "$stderr" ''
}

@test "only what is due is asked for" {
	track $A $B
	run -0 badges.sh
	run requests keepa 'select(.path | endswith("/product")) | .query.asin'
	assert_equal "${#lines[@]}" 1
}

@test "more than a hundred are asked for a hundred at a time, first things first" {
	for i in $(seq -w 150); do
		echo "B0TRACK$i, bought in bulk"
	done | track.sh add --file /dev/stdin
	track.sh add B0TRACK150 --priority 1
	run -0 badges.sh
	run requests keepa 'select(.path | endswith("/product")) | .query.asin | split(",") | [length, .[0]]'
	assert_output '[100,"B0TRACK150"]
[50,"B0TRACK100"]'
}

@test "tokens run out: the rest is left for the next run, which begins with it" {
	for i in $(seq -w 150); do
		echo "B0TRACK$i"
	done | track.sh add --file /dev/stdin
	control keepa/tokens '{"left":1,"rate":20}' >/dev/null
	KEEPA_MAX_WAIT=0 run badges.sh
	assert_equal "$status" 75
	control keepa/tokens '{"left":1000,"rate":20}' >/dev/null
	run -0 badges.sh
	run requests keepa 'select(.status == 200 and (.path | endswith("/product"))) | .query.asin | split(",") | length'
	# What had no ranks is unknown, and so is due again.
	assert_line --index 0 100
	run -0 bash -c 'db-query asin_current_state | wc -l'
	assert_output 150
}

@test "nameless categories get their names, and those without one are not asked for twice" {
	track B0SIM00006
	run -0 bash -c 'db-query categories category_id=1100091 | jq -r .name; db-query categories category_id=1100099 | jq -c "[.name, .fetched_at != null]"'
	assert_output 'Gift Ideas in Kitchen
[null,true]'
	badges.sh --all
	run requests keepa 'select(.path | endswith("/category")) | .query.category'
	assert_equal "${#lines[@]}" 1
}

asked_keepa() {
	requests keepa | grep .
}

@test "two runs at once: the second gives way with 75, and a dead one's lock is free" {
	track.sh add $A
	faults keepa '[{"fault":"slow","first_byte_after":3}]'
	setsid badges.sh 3>&- &
	first=$!
	wait_for asked_keepa
	run badges.sh
	assert_equal "$status" 75
	assert_regex "$output" '^job: badges is running already: badges, pid [0-9]+, since [-0-9TZ:]+; try again later$'
	kill -KILL -- -$first
	wait $first || true
	run -0 badges.sh
}

@test "each run is in the audit trail, with its exit status" {
	track $A
	KEEPA_API_KEY=lapsed run badges.sh --all
	run -0 bash -c "db-query runs --order started_at | jq -c '[.job, .status, .records]'"
	assert_output '["badges",0,1]
["badges",77,1]'
}

@test "the raw stream is kept, compressed and for us alone" {
	track $A
	run -0 bash -c 'zcat spool/badges-*.gz | jq -r .type'
	assert_output 'run
keepa_product
api_usage_log
end'
	run bash -c 'stat -c %a spool/*.gz | sort -u'
	assert_output 600
}

@test "what Slack accepted, and what track.sh was called for, is kept beside it" {
	track $A
	rank $A $KETTLES 2
	badges.sh --all
	run -0 bash -c 'zcat spool/notes-*.gz | jq -r .type'
	assert_output "notifications
bestseller_changes
leases"
	track.sh remove $A
	run -0 bash -c 'zcat spool/track-*.gz | jq -c "[.op, .is_active]"'
	assert_output '[null,true]
["update",false]'
}

@test "no secret is in anything that is kept or said" {
	KEEPA_API_KEY=test-key track $A $C
	rank $A $KETTLES 2
	run badges.sh --all
	refute_output --partial test-key
	run bash -c 'zcat spool/*.gz | cat - test.db* | grep -ac -e test-key -e xoxb-test'
	assert_output 0
}

@test "an alert is at Slack within a second of the last byte of Keepa's answer for 100 ASINs" {
	for i in $(seq -w 99); do
		echo "B0TRACK0$i"
	done | track.sh add --file /dev/stdin
	track $A
	rank $A $KETTLES 2
	badges.sh --all
	answered=$(requests keepa 'select(.path | endswith("/product")) | .answered_at' | tail -n 1)
	run -0 messages ".received_at - $answered"
	echo "# ${output:0:5} s from Keepa's last byte to Slack's receipt" >&3
}

@test "settings of the scripts come from .env too" {
	track.sh add $A
	printf 'KEEPA_API_KEY=test-key\nSPOOL_DAYS = "0" # none\n' >.env
	chmod 600 .env
	unset KEEPA_API_KEY
	run -0 badges.sh
}

@test "wrong usage is 64" {
	run badges.sh --sideways
	assert_equal "$status" 64
	run -0 badges.sh --help
	assert_line --index 0 --partial 'badges.sh - look at'
}
