#!/usr/bin/env bats
# What slack-post sends to Slack, what becomes of each message, and that none is
# lost or comes twice.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	start_sim
}

teardown() {
	stop_sim
}

# post [ARGUMENT...]: slack-post; records in $output, messages in $stderr.
post() {
	run --separate-stderr slack-post "$@"
}

# message ID [CHANNEL]: a record that says when it was sent.
message() {
	jq -nc '$ARGS.positional as [$id, $channel] | {type: "slack_message", $id, text: "text of \($id)"}
		+ if $channel then {$channel} else {} end
		+ {on_sent: [{type: "x", op: "update", sent: $id}]}' --args "$@"
}

messages() {
	local id
	for id in "$@"; do
		message "$id"
	done
}

# posted: what is in Slack: channel and id of each message.
posted() {
	control slack/messages | jq -c '[.channel, .metadata.event_payload.id]'
}

# asked: the methods that were called.
asked() {
	requests slack '.path | ltrimstr("/slack/api/")' | tr -d '"'
}

# outcome: of each message: its id, state, attempts, error.
outcome() {
	jq -c 'select(.type == "notifications") | [.notification_id, .state, .attempts, .error]' <<<"$output"
}

said() {
	sed -E "s#$sim#SIM#; s/[0-9]+\.[0-9] s/N s/" <<<"$stderr"
}

normal() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g; s/"[0-9]{10}\.[0-9]{6}"/"TS"/g' <<<"$output"
}

# fails WHERE FAULT...: the next answers of that method.
fails() {
	local where=$1
	shift
	faults slack "$(jq -nc --arg path "/$where" '[$ARGS.positional[] | fromjson | .path //= $path]' --args "$@")"
}

# error CODE: what fails takes.
error() {
	printf '{"fault":"error","error":"%s"}' "$1"
}

# called N: whether so many methods have been.
called() {
	[ "$(asked | wc -l)" -ge "$1" ]
}

# taken N: whether so many messages are in Slack.
taken() {
	[ "$(posted | wc -l)" -ge "$1" ]
}

# What is sent, and what is told

@test "a message is posted as JSON with its id, and without unfurling, to the byte" {
	post <<'!'
{"type":"slack_message","id":"US:B0\u00e9:\"1\"","channel":"C1","text":"a \u0026amp; \ud83e\uddf4 <b> \"q\" \\ \/ é\n","blocks":[ {"type":"section", "text":{"type":"mrkdwn","text":"x\u2028y"}} ],"more":1.10}
!
	assert_success
	assert_equal "$stderr" ''
	requests slack .body | jq -j . >body
	printf '%s' '{"channel":"C1","unfurl_links":false,"unfurl_media":false,"text":"a \u0026amp; \ud83e\uddf4 <b> \"q\" \\ \/ é\n","blocks":[ {"type":"section", "text":{"type":"mrkdwn","text":"x\u2028y"}} ],"metadata":{"event_type":"sellerpipe","event_payload":{"id":"US:B0\u00e9:\"1\""}}}' >expected
	run diff expected body
	assert_output ''
	assert_equal "$(requests slack '[.method, .path, .query, .headers["content-type"], .headers.authorization]')" \
		'["POST","/slack/api/chat.postMessage",{},"application/json; charset=utf-8","Bearer xoxb-test"]'
}

@test "without blocks, or with null ones, there are none; likewise text" {
	post <<'!'
{"type":"slack_message","id":"a","text":"one","blocks":null,"on_sent":null,"channel":null}
{"type":"slack_message","id":"b","text":null,"blocks":[{"type":"divider"}]}
!
	assert_success
	assert_equal "$(requests slack '.body | fromjson | del(.metadata, .unfurl_links, .unfurl_media)')" \
		'{"channel":"C0TEST","text":"one"}
{"channel":"C0TEST","blocks":[{"type":"divider"}]}'
}

@test "hostile text passes as JSON, unharmed and harmless" {
	local text
	text=$(printf '%s' '<!channel> <@U1> <https://evil.example|x> *a* `b` "},"channel":"C666","x":{"' $'\u202e\u2066 \t\x7f' "$(seq -s' ' 900)")
	jq -nc --arg text "$text" '{type: "slack_message", id: "\u0001\"}", $text}' >in
	post <in
	assert_success
	assert_equal "$(control slack/messages | jq -c '[.channel, .text == $text, .metadata.event_payload.id]' --arg text "$text")" \
		'["C0TEST",true,"\u0001\"}"]'
}

@test "a notification of each message, then its on_sent, in order, to the byte" {
	post <<'!'
{"type":"slack_message","id":"a","text":"one","on_sent":[ {"type":"x", "n":1.10,"big":12345678901234567890 }, {"type":"y"}]}
{"type":"slack_message","id":"b\/\u0062","channel":"C2","text":"two"}
!
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(normal)" '{"type":"notifications","notification_id":"a","sink":"slack","target":"C0TEST","state":"sent","remote_id":"TS","attempts":1,"error":null,"sent_at":"TIME"}
{"type":"x", "n":1.10,"big":12345678901234567890 }
{"type":"y"}
{"type":"notifications","notification_id":"b\/\u0062","sink":"slack","target":"C2","state":"sent","remote_id":"TS","attempts":1,"error":null,"sent_at":"TIME"}'
	assert_equal "$(jq -r 'select(.remote_id).remote_id' <<<"$output")" "$(control slack/messages | jq -r .ts)"
}

@test "pain 1.5: what is sent is told before the next is" {
	fails chat.postMessage '{"fault":"ok"}' '{"fault":"stall"}'
	messages a b >in
	slack-post <in >out 3>&- &
	pid=$!
	wait_for called 2
	assert_equal "$(jq -r '.notification_id // .sent' out)" $'a\na'
	assert_equal "$(posted)" '["C0TEST","a"]'
	kill "$pid"
}

@test "the channel is the message's, or else SLACK_CHANNEL" {
	SLACK_CHANNEL=C9 post < <(message a; message b C2; message c)
	assert_success
	assert_equal "$(posted)" $'["C9","a"]\n["C2","b"]\n["C9","c"]'
}

@test "no channel at all: 78, with what came before done and passed on" {
	unset SLACK_CHANNEL
	post < <(message a C1; echo '{"type":"x"}'; message b; message c C1)
	assert_equal "$status" 78
	assert_equal "$stderr" 'slack-post: SLACK_CHANNEL is not set: the channel for messages that name none; put it into the environment or .env'
	assert_equal "$(jq -r '.notification_id // .type' <<<"$output")" $'a\nx\nx'
	assert_equal "$(posted)" '["C1","a"]'
}

@test "other records, and runs, pass on byte for byte where they stand" {
	post < <(
		echo '{"type":"run", "run_id":"r"}'
		echo '{"type":"bestseller_changes","n":1.10 , "s":"\u00e9"}'
		message a
		echo '{"id":"a","text":"no message"}'
		echo
		echo '{"type":"end","run_id":"r","records":3}'
	)
	assert_success
	assert_equal "$(grep -v '"notifications"' <<<"$output")" '{"type":"run", "run_id":"r"}
{"type":"bestseller_changes","n":1.10 , "s":"\u00e9"}
{"type":"x","op":"update","sent":"a"}
{"id":"a","text":"no message"}
{"type":"end","run_id":"r","records":3}'
	assert_equal "$(posted)" '["C0TEST","a"]'
}

@test "bad messages are reported with their line, not sent, and the others are: 65" {
	cat >in <<'!'
{"type":"slack_message","text":"no id"}
{"type":"slack_message","id":"","text":"empty id"}
{"type":"slack_message","id":7,"text":"number"}
{"type":"slack_message","id":"c"}
{"type":"slack_message","id":"d","text":["no text"]}
{"type":"slack_message","id":"e","text":"x","channel":"C1\", \"x\":\""}
{"type":"slack_message","id":"f","text":"x","channel":"C 1"}
{"type":"slack_message","id":"g","text":"x","channel":""}
{"type":"slack_message","id":"h","text":"x","channel":5}
{"type":"slack_message","id":"i","text":"x","on_sent":{"type":"x"}}
{"type":"slack_message","id":"j","text":"x","on_sent":[{"type":"x"},5]}
{"type":"slack_message","id":"k","text":"x"
{"type":"slack_message","id":"l","text":"x","id":"m"}
{"type":"slack_message","id":"good","text":"x"}
!
	jq -nc '{type: "slack_message", id: ("n" * 2100), text: "x"}' >>in
	post <in
	assert_equal "$status" 65
	assert_equal "$(sed -E 's/column [0-9]+: .*/column/' <<<"$stderr")" "$(
		for n in 1 2 3 4 5; do
			echo "slack-post: stdin:$n: a slack_message needs an id, and text or blocks"
		done
		for n in 6 7 8 9; do
			echo "slack-post: stdin:$n: channel is no channel's id"
		done
		echo 'slack-post: stdin:10: on_sent is no list of records'
		echo 'slack-post: stdin:11: on_sent is no list of records'
		echo 'slack-post: stdin:12: column'
		echo 'slack-post: stdin:13: column'
		echo 'slack-post: stdin:15: an id too long to be looked up'
	)"
	assert_equal "$(posted)" '["C0TEST","good"]'
	assert_equal "$(jq -r .notification_id <<<"$output")" good
}

@test "empty input: nothing is sent, nothing is said" {
	post </dev/null
	assert_success
	assert_output ''
	assert_equal "$stderr" ''
	assert_equal "$(asked)" ''
}

@test "a run that stopped short before us: what came is sent, 75" {
	post < <(echo '{"type":"run","run_id":"r"}'; message a)
	assert_equal "$status" 75
	assert_equal "$(posted)" '["C0TEST","a"]'
}

# Slack says no (api/sinks.md 1.4): by what an error concerns

@test "errors that pass are waited out, and the message comes once" {
	local code
	for code in ratelimited rate_limited service_unavailable team_added_to_org org_login_required; do
		fails chat.postMessage "$(error "$code")"
		post <<<"$(message "$code")"
		assert_success
		assert_equal "$(said)" "slack-post: SIM/slack/api/chat.postMessage: $code; trying again in N s"
		assert_equal "$(outcome)" "[\"$code\",\"sent\",2,null]"
		assert_equal "$(posted | grep -c "\"$code\"")" 1
	done
	assert_equal "$(asked | sort -u)" chat.postMessage
}

@test "errors that pass only after hours end the run with nothing marked: 75" {
	fails chat.postMessage '{"fault":"ok"}' "$(error service_unavailable | sed 's/}/,"times":99}/')"
	post < <(messages a b c)
	assert_equal "$status" 75
	assert_equal "$(tail -n 1 <<<"$stderr")" 'slack-post: Slack: service_unavailable; the rest can be sent later'
	assert_equal "$(outcome)" '["a","sent",1,null]'
	assert_equal "$(asked | sort | uniq -c | sed 's/^ *//')" '6 chat.postMessage'
}

@test "errors after which the message may be there are looked into" {
	local code
	for code in internal_error fatal_error request_timeout; do
		fails chat.postMessage "$(error "$code")"
		post <<<"$(message "$code")"
		assert_success
		assert_equal "$stderr" "slack-post: Slack: $code: looking whether the message is there"
		assert_equal "$(outcome)" "[\"$code\",\"sent\",2,null]"
		assert_equal "$(posted | grep -c "\"$code\"")" 1
		assert_equal "$(asked | tail -n 3)" $'chat.postMessage\nconversations.history\nchat.postMessage'
	done
}

@test "errors that concern us stop at once, with nothing marked: 77" {
	local code
	for code in invalid_auth not_authed account_inactive token_revoked token_expired missing_scope \
		not_allowed_token_type no_permission access_denied accesslimited two_factor_setup_required \
		enterprise_is_restricted ekm_access_denied app_access_restricted message_limit_exceeded; do
		fails chat.postMessage "$(error "$code")"
		post < <(echo '{"type":"before"}'; messages a b)
		assert_equal "$code $status" "$code 77"
		assert_equal "$stderr" "slack-post: Slack refuses SLACK_BOT_TOKEN: $code"
		assert_output '{"type":"before"}'
	done
	assert_equal "$(asked | wc -l)" 15
	assert_equal "$(posted)" ''
}

@test "a wrong token is refused: 77" {
	SLACK_BOT_TOKEN=xoxb-wrong post <<<"$(message a)"
	assert_equal "$status" 77
	assert_equal "$stderr" 'slack-post: Slack refuses SLACK_BOT_TOKEN: invalid_auth'
	assert_output ''
}

@test "errors that concern a channel fail its messages without another request, and no other's: 65" {
	local code
	for code in channel_not_found not_in_channel is_archived restricted_action messages_tab_disabled team_not_found; do
		control slack/messages >/dev/null
		curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
		curl -sS -X DELETE "$sim/_sim/requests"
		fails chat.postMessage "$(error "$code")"
		post < <(message a C1; message b C2; message c C1; message d C2)
		assert_equal "$code $status" "$code 65"
		assert_equal "$stderr" "slack-post: stdin:1: Slack will not take it: $code
slack-post: stdin:3: Slack will not take it: $code"
		assert_equal "$(outcome)" "[\"a\",\"failed\",1,\"$code\"]
[\"b\",\"sent\",1,null]
[\"c\",\"failed\",0,\"$code\"]
[\"d\",\"sent\",1,null]"
		assert_equal "$(jq -r 'select(.sent).sent' <<<"$output")" $'b\nd'
		assert_equal "$(posted)" $'["C2","b"]\n["C2","d"]'
		assert_equal "$(asked | wc -l)" 3
	done
	assert_equal "$(normal | head -n 1)" '{"type":"notifications","notification_id":"a","sink":"slack","target":"C1","state":"failed","remote_id":null,"attempts":1,"error":"team_not_found","sent_at":null}'
}

@test "errors that concern a message, and unknown ones, fail it and let the next through: 65" {
	local code
	for code in no_text invalid_blocks_format msg_blocks_too_long msg_too_long too_many_attachments \
		attachment_payload_limit_exceeded invalid_metadata_format invalid_metadata_schema metadata_too_large \
		markdown_text_conflict invalid_json json_not_object invalid_arg_name invalid_form_data invalid_post_type \
		missing_post_type cannot_reply_to_message some_new_error_of_2031; do
		fails chat.postMessage "$(error "$code")"
		post < <(message "$code"; message "after_$code")
		assert_equal "$code $status" "$code 65"
		assert_equal "$stderr" "slack-post: stdin:1: Slack will not take it: $code"
		assert_equal "$(outcome)" "[\"$code\",\"failed\",1,\"$code\"]
[\"after_$code\",\"sent\",1,null]"
		assert_equal "$(jq -r 'select(.sent).sent' <<<"$output")" "after_$code"
	done
	assert_equal "$(posted | grep -vc after)" 0
}

@test "invalid_blocks tells which block, and why" {
	jq -nc '{type: "slack_message", id: "a", text: "x", blocks: [{type: "divider"},
		{type: "header", text: {type: "plain_text", text: ("h" * 151)}},
		{type: "section", text: {type: "mrkdwn", text: ""}}]}' >in
	post <in
	assert_equal "$status" 65
	local why='invalid_blocks: [ERROR] must be less than 151 characters [json-pointer:/blocks/1/text/text]: [ERROR] must be more than 0 characters [json-pointer:/blocks/2/text/text]'
	assert_equal "$stderr" "slack-post: stdin:1: Slack will not take it: $why"
	assert_equal "$(outcome)" "[\"a\",\"failed\",1,\"$why\"]"
}

@test "an error without a name, or with a strange one, fails the message, and says nothing to a terminal" {
	fails chat.postMessage '{"fault":"body","body":"{\"ok\":false}"}' \
		'{"fault":"body","body":"{\"ok\":false,\"error\":5}"}' \
		'{"fault":"body","body":"{\"ok\":false,\"error\":\"\\u001b[31m\\n\u0085\"}"}' \
		"$(jq -nc '{fault: "body", body: ({ok: false, error: ("e" * 900), response_metadata: {messages: ["a", ("m" * 900)]}} | tojson)}')"
	post < <(messages a b c d)
	assert_equal "$status" 65
	assert_equal "$(outcome)" '["a","failed",1,"an error without a name"]
["b","failed",1,"an error without a name"]
["c","failed",1,"?[31m???"]
["d","failed",1,": a"]'
	assert_equal "$(grep -c '[^ -~]' <<<"$stderr")" 0
}

@test "an HTTP status with Slack's own words is taken by the words" {
	fails chat.postMessage '{"fault":"status","code":400,"body":{"ok":false,"error":"invalid_blocks"}}' \
		'{"fault":"status","code":413,"body":"too large"}' '{"fault":"ok"}' \
		'{"fault":"status","code":403,"body":{"ok":false,"error":"token_revoked"}}'
	post < <(messages a b c d)
	assert_equal "$status" 77
	assert_equal "$(outcome)" '["a","failed",1,"invalid_blocks"]
["b","failed",1,"HTTP status 413"]
["c","sent",1,null]'
	assert_equal "$(tail -n 1 <<<"$stderr")" 'slack-post: Slack refuses SLACK_BOT_TOKEN: token_revoked'
}

@test "401 and 403 without words are refusals of the token: 77" {
	for code in 401 403; do
		fails chat.postMessage "{\"fault\":\"status\",\"code\":$code}"
		post <<<"$(message a)"
		assert_equal "$status" 77
		assert_output ''
		assert_equal "$stderr" "slack-post: Slack refuses SLACK_BOT_TOKEN: HTTP status $code"
	done
}

@test "what is not Slack is told as such, with nothing marked: 76" {
	fails chat.postMessage '{"fault":"status","code":404,"body":"<html>"}'
	post < <(messages a b)
	assert_equal "$status" 76
	assert_output ''
	assert_equal "$stderr" 'slack-post: cannot talk to Slack: HTTP status 404'
	assert_equal "$(asked)" chat.postMessage
}

# Pace

@test "429 waits as long as Retry-After says" {
	fails chat.postMessage '{"fault":"429","retry_after":1}'
	post < <(messages a b)
	assert_success
	assert_equal "$stderr" "slack-post: $sim/slack/api/chat.postMessage: HTTP status 429; trying again in 1.0 s"
	assert_equal "$(outcome)" $'["a","sent",2,null]\n["b","sent",1,null]'
	assert_equal "$(requests slack .time | jq -s '.[1] - .[0] >= 1')" true
	assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","b"]'
}

@test "429 without Retry-After is waited out too" {
	fails chat.postMessage '{"fault":"429","times":3}'
	post <<<"$(message a)"
	assert_success
	assert_equal "$(outcome)" '["a","sent",4,null]'
	assert_equal "$(posted)" '["C0TEST","a"]'
}

@test "429 for longer than --max-wait: 75, nothing marked, and the next run goes on" {
	fails chat.postMessage '{"fault":"ok"}' '{"fault":"429","retry_after":31}'
	post --max-wait 30 < <(messages a b c)
	assert_equal "$status" 75
	assert_equal "$stderr" 'slack-post: Slack: HTTP status 429; the rest can be sent later'
	assert_equal "$(outcome)" '["a","sent",1,null]'
	post < <(messages b c)
	assert_success
	assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","b"]\n["C0TEST","c"]'
}

@test "all waits together take no longer than --max-wait" {
	fails chat.postMessage '{"fault":"429","retry_after":1}' '{"fault":"ok"}' '{"fault":"429","retry_after":1}'
	post --max-wait 1.5 < <(messages a b)
	assert_equal "$status" 75
	assert_equal "$(outcome)" '["a","sent",2,null]'
}

@test "a channel gets a message a second, and channels do not wait for each other" {
	unset SLACK_PACE_MS
	post < <(message a C1; message b C2; message c C1; message d C2)
	assert_success
	assert_equal "$(control slack/messages | jq -s -c '[.[].received_at] |
		[.[1] - .[0] < 0.9, .[2] - .[0] >= 0.999, .[3] - .[1] >= 0.999, .[3] - .[2] < 0.9]')" '[true,true,true,true]'
}

@test "SLACK_PACE_MS is the pace of a channel" {
	SLACK_PACE_MS=200 post < <(messages a b c d)
	assert_success
	assert_equal "$(control slack/messages | jq -s -c '[.[].received_at] |
		[range(3) as $i | .[$i + 1] - .[$i] | . >= 0.199 and . < 0.9]')" '[true,true,true]'
}

# Trouble on the way

@test "accepted, and no answer: it is found in the channel, and not posted again" {
	local fault
	for fault in '{"fault":"hang_after_accept"}' '{"fault":"reset","accept":true}' '{"fault":"truncate"}' \
		'{"fault":"status_after_accept","code":500}' '{"fault":"html","accept":true}' '{"fault":"empty","accept":true}' \
		'{"fault":"gzip_lie"}' '{"fault":"gzip_truncated"}' '{"fault":"gzip_bomb","size":2000000}'; do
		curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
		curl -sS -X DELETE "$sim/_sim/requests"
		fails chat.postMessage '{"fault":"ok"}' "$fault"
		HTTP_TIMEOUT=2 post < <(messages a $'b\u00e9"\\/' c)
		assert_equal "$fault $status" "$fault 0"
		assert_equal "$(posted)" '["C0TEST","a"]
["C0TEST","bé\"\\/"]
["C0TEST","c"]'
		assert_equal "$(outcome)" '["a","sent",1,null]
["bé\"\\/","sent",1,null]
["c","sent",1,null]'
		assert_equal "$(jq -r 'select(.remote_id).remote_id' <<<"$output")" "$(control slack/messages | jq -r .ts)"
		assert_regex "$stderr" '^slack-post: Slack: .*: looking whether the message is there$'
		assert_equal "$(asked)" $'chat.postMessage\nchat.postMessage\nconversations.history\nchat.postMessage'
	done
}

@test "the channel's history is asked for what is new, with the metadata" {
	fails chat.postMessage '{"fault":"reset","accept":true}'
	post <<<'{"type":"slack_message","id":"\u0061\/\u00e9","channel":"C7","text":"x"}'
	assert_success
	assert_equal "$(posted)" '["C7","a/é"]'
	assert_equal "$(requests slack | jq -c 'select(.method == "GET") | [.path, (.query | del(.oldest)), .headers.authorization,
		(.time - (.query.oldest | tonumber) | . >= 300 and . < 310)]')" \
		'["/slack/api/conversations.history",{"channel":"C7","limit":"50","include_all_metadata":"true"},"Bearer xoxb-test",true]'
}

@test "not accepted, and no answer: it is not in the channel, and is posted again" {
	local fault
	for fault in '{"fault":"stall"}' '{"fault":"reset"}' '{"fault":"status","code":500}' '{"fault":"status","code":503}' \
		'{"fault":"html"}' '{"fault":"empty"}' '{"fault":"body","body":"{\"ok\":"}' '{"fault":"body","body":"[]"}' \
		'{"fault":"body","body":"{\"ok\":\"true\"}"}'; do
		curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
		curl -sS -X DELETE "$sim/_sim/requests"
		fails chat.postMessage '{"fault":"ok"}' "$fault"
		HTTP_TIMEOUT=2 post < <(messages a b c)
		assert_equal "$fault $status" "$fault 0"
		assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","b"]\n["C0TEST","c"]'
		assert_equal "$(outcome)" $'["a","sent",1,null]\n["b","sent",2,null]\n["c","sent",1,null]'
		assert_equal "$(asked)" $'chat.postMessage\nchat.postMessage\nconversations.history\nchat.postMessage\nchat.postMessage'
	done
}

# libcurl by itself sends again on a connection that was used before.
@test "a connection that dies after the second message was taken does not double it" {
	fails chat.postMessage '{"fault":"ok"}' '{"fault":"reset","accept":true}'
	post < <(messages a b)
	assert_success
	assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","b"]'
	assert_equal "$(asked | grep -c chat.postMessage)" 2
}

@test "the history cannot be read: 75, nothing marked, and it says that it may come twice" {
	local fault
	for fault in "$(error missing_scope)" '{"fault":"html","times":9}' '{"fault":"status","code":404}' \
		'{"fault":"status","code":500,"times":9}' '{"fault":"body","body":"{\"ok\":true}"}'; do
		fails chat.postMessage '{"fault":"reset","accept":true}'
		fails conversations.history "$fault"
		HTTP_TRIES=2 post < <(messages a b)
		assert_equal "$fault $status" "$fault 75"
		assert_output ''
		assert_equal "$(tail -n 1 <<<"$stderr")" \
			'slack-post: Slack: Recv failure: Connection reset by peer; the rest can be sent later, and this message may come twice'
		curl -sS -X DELETE "$sim/_sim/faults/slack"
	done
	assert_equal "$(asked | grep -c chat.postMessage)" 5
}

@test "a message that another run may have sent is looked for before it is posted" {
	post < <(messages a)
	run --separate-stderr slack-post < <(messages a b | jq -c '.maybe_sent = true'; messages c | jq -c '.maybe_sent = false')
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(outcome)" $'["a","sent",0,null]\n["b","sent",1,null]\n["c","sent",1,null]'
	assert_equal "$(jq -r 'select(.remote_id).remote_id' <<<"$output")" "$(control slack/messages | jq -r .ts)"
	assert_equal "$(jq -c 'select(.type == "x").sent' <<<"$output")" $'"a"\n"b"\n"c"'
	assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","b"]\n["C0TEST","c"]'
	assert_equal "$(asked)" $'chat.postMessage\nconversations.history\nconversations.history\nchat.postMessage\nchat.postMessage'
	assert_equal "$(requests slack | jq -c 'select(.method == "GET").query' | sort -u)" \
		'{"channel":"C0TEST","limit":"100","include_all_metadata":"true"}'
}

@test "it is posted where the history may not be read; where it can only not be read now, 75" {
	fails conversations.history "$(error missing_scope)"
	post < <(messages a | jq -c '.maybe_sent = true')
	assert_success
	assert_equal "$(posted)" '["C0TEST","a"]'
	fails conversations.history '{"fault":"status","code":503,"times":9}'
	HTTP_TRIES=2 post < <(messages b | jq -c '.maybe_sent = true')
	assert_equal "$status" 75
	assert_output ''
	assert_equal "$(posted)" '["C0TEST","a"]'
	post < <(messages c | jq -c '.maybe_sent = 1')
	assert_equal "$status" 65
	assert_equal "$stderr" 'slack-post: stdin:1: maybe_sent is neither true nor false'
}

@test "a message that never arrives is posted three times and left for later: 75" {
	fails chat.postMessage '{"fault":"ok"}' '{"fault":"status","code":500,"times":99}'
	post < <(messages a b c)
	assert_equal "$status" 75
	assert_equal "$(outcome)" '["a","sent",1,null]'
	assert_equal "$(asked | grep -c chat.postMessage)" 4
	assert_equal "$stderr" "$(for _ in 1 2 3; do echo 'slack-post: Slack: HTTP status 500: looking whether the message is there'; done)
slack-post: Slack: HTTP status 500; the rest can be sent later"
}

@test "nobody at the address: asked again as often as it may be, without looking it up: 75" {
	SLACK_API_URL=http://127.0.0.1:1 HTTP_TRIES=3 post <<<"$(message a)"
	assert_equal "$status" 75
	assert_output ''
	assert_equal "$(said | sed -E 's/after [0-9]+ ms/after N ms/' | uniq -c | sed 's/^ *//')" \
		"2 slack-post: http://127.0.0.1:1/chat.postMessage: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; trying again in N s
1 slack-post: Slack: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; the rest can be sent later"
}

@test "killed before Slack took it: nothing is marked, and the next run sends it once" {
	fails chat.postMessage '{"fault":"stall"}'
	message a >in
	slack-post <in >out 3>&- &
	pid=$!
	wait_for called 1
	kill -KILL "$pid"
	wait "$pid" || true
	assert_equal "$(<out)" ''
	assert_equal "$(posted)" ''
	post <in
	assert_success
	assert_equal "$(posted)" '["C0TEST","a"]'
}

@test "killed after Slack took it and before we knew: the one case of two, with the same id" {
	fails chat.postMessage '{"fault":"hang_after_accept"}'
	message a >in
	slack-post <in >out 3>&- &
	pid=$!
	wait_for taken 1
	kill -KILL "$pid"
	wait "$pid" || true
	assert_equal "$(<out)" ''
	post <in
	assert_success
	assert_equal "$(posted)" $'["C0TEST","a"]\n["C0TEST","a"]'
}

# killed_at CALL K: slack-post with two messages, killed at its K-th such system
# call, and its status in $code; then another run for those that are not marked.
killed_at() {
	code=0
	curl -sS -X DELETE "$sim/_sim/slack/messages" >/dev/null
	strace -f -qq -o /dev/null -e inject="$1:signal=SIGKILL:when=$2" slack-post <in >out 2>/dev/null 3>&- || code=$?
	# Whole lines only: the last may have been cut.
	jq -R 'fromjson? // empty | .notification_id // empty' out | sort >marked
	posted | jq .[1] | sort >sent
	assert_equal "$(comm -23 marked sent)" ''
	jq -c --slurpfile marked marked 'select(.id | IN($marked[]) | not)' in >rest
	slack-post <rest >/dev/null
	assert_equal "$(posted | sort -u)" $'["C0TEST","a"]\n["C0TEST","b"]'
	assert [ "$(posted | wc -l)" -le 3 ]
}

@test "killed at any call of the network or of writing: what is marked was sent, and the rest is by the next run" {
	strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	local call code k
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # which needs ptrace itself
	messages a b >in
	for call in connect sendto recvfrom write; do
		code=137
		for ((k = 0; k < 100 && code == 137; k++)); do
			killed_at "$call" $((k + 1))
		done
		assert_equal "$call $code" "$call 0"
		assert [ "$k" -gt 2 ]
	done
}

# The token

@test "no token: 78 before anything" {
	unset SLACK_BOT_TOKEN
	post <<<"$(message a)"
	assert_equal "$status" 78
	assert_output ''
	assert_equal "$stderr" 'slack-post: SLACK_BOT_TOKEN is not set: the xoxb- token of your Slack app; put it into the environment or .env'
	post --check
	assert_equal "$status" 78
	assert_equal "$(asked)" ''
}

@test "a token with what no token has, such as a line break, is refused and not shown: 78" {
	local token
	for token in $'xoxb-canary\r\nX-Evil: 1' $'xoxb-canary\n' 'xoxb canary' $'xoxb-canary\t' 'xoxb-canaryé'; do
		SLACK_BOT_TOKEN=$token post <<<"$(message a)"
		assert_equal "$status" 78
		assert_output ''
		assert_equal "$stderr" 'slack-post: SLACK_BOT_TOKEN has a blank or a line break in it, or what no token has'
	done
	SLACK_BOT_TOKEN=$(printf 'x%.0s' {1..2000}) post <<<"$(message a)"
	assert_equal "$status" 78
	assert_equal "$stderr" 'slack-post: SLACK_BOT_TOKEN is too long to be one'
	assert_equal "$(asked)" ''
}

@test "the token is never shown, whatever happens" {
	local canary=xoxb-Canary0123456789 fault
	export SLACK_BOT_TOKEN=$canary HTTP_TRIES=2 HTTP_TIMEOUT=1
	for fault in '{"fault":"ok"}' '{"fault":"reset"}' '{"fault":"html"}' '{"fault":"status","code":500}' \
		'{"fault":"status","code":404}' '{"fault":"429","retry_after":999}' '{"fault":"gzip_lie"}' "$(error "$canary")" \
		'{"fault":"body","body":"{\"ok\":false,\"error\":\"e\",\"response_metadata\":{\"messages\":[\"token '"$canary"' '"$canary"'\"]}}"}'; do
		fails chat.postMessage "$fault"
		post < <(messages a)
		printf '%s\n' "$output" "$stderr" >>all
		fails auth.test "$fault" "$fault"
		post --check
		printf '%s\n' "$output" "$stderr" >>all
		curl -sS -X DELETE "$sim/_sim/faults/slack"
	done
	assert [ "$(grep -c . all)" -gt 20 ]
	run grep -i -E 'canary|bearer' all
	assert_output ''
}

@test "the token is not on the command line that ps shows" {
	fails chat.postMessage '{"fault":"stall"}'
	message a >in
	slack-post <in >out 3>&- &
	pid=$!
	wait_for called 1
	run tr '\0' ' ' <"/proc/$pid/cmdline"
	kill "$pid"
	assert_output 'slack-post '
}

# --dry-run, --check

@test "--dry-run sends nothing, needs no token, and passes on what is good: 65 for what is not" {
	unset SLACK_BOT_TOKEN SLACK_CHANNEL
	{
		message a
		echo '{"type":"x", "n":1.10}'
		echo '{"type":"slack_message","id":"b"}'
	} >in
	post --dry-run <in
	assert_equal "$status" 65
	assert_output "$(head -n 2 in)"
	assert_equal "$stderr" 'slack-post: stdin:3: a slack_message needs an id, and text or blocks'
	assert_equal "$(asked)" ''
}

@test "--check tells team and user, and posts nothing" {
	post --check
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(jq -c 'del(.checked_at, .latency_ms)' <<<"$output")" \
		'{"type":"health_checks","service":"slack","ok":true,"detail":"team Simulated, user sellerpipe"}'
	assert_equal "$(jq -c '[(.checked_at | fromdateiso8601 | now - . < 60), .latency_ms < 5000]' <<<"$output")" '[true,true]'
	assert_equal "$(requests slack '[.method, .path]')" '["POST","/slack/api/auth.test"]'
	post --dry-run --check
	assert_success
	assert_equal "$(posted)" ''
}

# Each line: the scopes that Slack says the token has; the status; the detail.
@test "--check tells of scopes that are missing, as far as Slack tells them" {
	local scopes expected detail
	while IFS='|' read -r scopes expected detail; do
		fails auth.test "{\"fault\":\"ok\",\"headers\":{\"x-oauth-scopes\":\"$scopes\"}}"
		post --check
		assert_equal "$scopes $status" "$scopes $expected"
		assert_equal "$(jq -c '[.ok, .detail]' <<<"$output")" "$detail"
	done <<'!'
chat:write,channels:history|0|[true,"team Simulated, user sellerpipe"]
identify, chat:write, groups:history|0|[true,"team Simulated, user sellerpipe"]
chat:write,channels:history.x|0|[true,"team Simulated, user sellerpipe; without channels:history nothing is looked up"]
chat:write.public,xchat:write,channels:history|77|[false,"missing_scope: the token is not good for chat:write"]
!
}

# Each line: a fault; the status; the detail.
@test "--check tells what is wrong, in a record and by its status" {
	local fault expected detail
	while IFS='|' read -r fault expected detail; do
		fails auth.test "$fault"
		HTTP_TRIES=1 post --check
		assert_equal "$fault $status" "$fault $expected"
		assert_equal "$(jq -c '[.type, .service, .ok, .detail]' <<<"$output")" "[\"health_checks\",\"slack\",false,\"$detail\"]"
	done <<'!'
{"fault":"error","error":"invalid_auth"}|77|invalid_auth
{"fault":"error","error":"account_inactive"}|77|account_inactive
{"fault":"error","error":"internal_error"}|75|internal_error
{"fault":"error","error":"something_else"}|76|something_else
{"fault":"status","code":503}|75|HTTP status 503
{"fault":"status","code":403}|77|HTTP status 403
{"fault":"status","code":404}|76|HTTP status 404
{"fault":"html"}|75|not Slack's answer
{"fault":"reset"}|75|Recv failure: Connection reset by peer
!
}

# Use

@test "wrong use is told, and nothing is sent: 64" {
	local arguments why
	while IFS='|' read -r arguments why; do
		read -ra words <<<"$arguments"
		post "${words[@]}" <<<"$(message a)"
		assert_equal "$arguments: $status" "$arguments: 64"
		assert_output ''
		assert_equal "$stderr" "slack-post: $why"
	done <<'!'
--max-wait long|--max-wait 'long' is no number of seconds
--max-wait 86401|--max-wait '86401' is no number of seconds
--nonsense|bad option '--nonsense'; see 'slack-post --help'
-n|bad option '-n'; see 'slack-post --help'
hello|unknown operand 'hello'; see --help
!
	assert_equal "$(asked)" ''
}

@test "settings that make no sense: 78" {
	SLACK_PACE_MS=fast post <<<"$(message a)"
	assert_equal "$status" 78
	assert_equal "$stderr" 'slack-post: SLACK_PACE_MS is not a number from 0 to 60000'
	assert_equal "$(asked)" ''
}

@test "--help and --version" {
	post --help
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${lines[0]}" 'usage: slack-post [--dry-run] [--max-wait S] <slack_message records'
	post --version
	assert_success
	assert_output 'slack-post 0.1.0'
}

@test "a full disk is noticed, and nothing more is sent: 74" {
	messages a b >in
	for arguments in --help --version --check --dry-run ''; do
		run --separate-stderr sh -c "slack-post $arguments <in >/dev/full"
		assert_equal "$arguments $status" "$arguments 74"
		assert_equal "$stderr" 'slack-post: cannot write to standard output: No space left on device'
	done
	assert_equal "$(posted)" '["C0TEST","a"]'
}

@test "a reader that leaves ends it without a word, and nothing more is sent" {
	messages a b c >in
	run --separate-stderr bash -c 'slack-post <in | true; exit "${PIPESTATUS[0]}"'
	assert_equal "$status" 141
	assert_equal "$stderr" ''
	assert_equal "$(posted)" '["C0TEST","a"]'
}
