#!/usr/bin/env bats
# What clickup-post sends to ClickUp, what becomes of each comment, and that none
# is lost or comes twice.
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

# post [ARGUMENT...]: clickup-post; records in $output, messages in $stderr.
post() {
	run --separate-stderr clickup-post "$@"
}

# comment ID [TASK]: a record that says when it was sent.
comment() {
	jq -nc '$ARGS.positional as [$id, $task_id] | {type: "clickup_comment", $id, text: "text of \($id)"}
		+ if $task_id then {$task_id} else {} end
		+ {on_sent: [{type: "x", op: "update", sent: $id}]}' --args "$@"
}

comments() {
	local id
	for id in "$@"; do
		comment "$id"
	done
}

# posted: what is in ClickUp: task and id of each comment.
posted() {
	control clickup/comments | jq -c '[.task_id, (.comment_text | capture("\\[(?<id>[^\\[\\]]+)\\]$").id)]'
}

# asked: the methods of the requests so far, a word each.
asked() {
	requests clickup .method | tr -d '"' | paste -sd' '
}

# afresh: nothing was ever asked, nor is anything there.
afresh() {
	curl -sS -X DELETE "$sim/_sim/clickup/comments" >/dev/null
	curl -sS -X DELETE "$sim/_sim/requests" >/dev/null
	curl -sS -X DELETE "$sim/_sim/faults/clickup" >/dev/null
}

# outcome: of each comment: its id, state, attempts, error.
outcome() {
	jq -c 'select(.type == "notifications") | [.notification_id, .state, .attempts, .error]' <<<"$output"
}

said() {
	sed -E "s#$sim#SIM#; s/[0-9]+\.[0-9] s/N s/" <<<"$stderr"
}

normal() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g; s/"9011[0-9]+"/"ID"/g' <<<"$output"
}

# fails FAULT...: the next answers.  A comment is a GET, and then a POST.
fails() {
	faults clickup "$(jq -nc '[$ARGS.positional[] | fromjson]' --args "$@")"
}

ok='{"fault":"ok"}'

# error ECODE: what fails takes.
error() {
	printf '{"fault":"error","error":"%s"}' "$1"
}

# called N: whether so many requests have been.
called() {
	[ "$(asked | wc -w)" -ge "$1" ]
}

# taken N: whether so many comments are in ClickUp.
taken() {
	[ "$(posted | wc -l)" -ge "$1" ]
}

# What is sent, and what is told

@test "a comment is looked for, and posted as JSON with its id as last line, to the byte" {
	post <<'!'
{"type":"clickup_comment","id":"US:\u00e9:1","text":"a & <b> \"q\" \\ \/ \ud83e\uddf4\nsecond line\n","more":1.10}
!
	assert_success
	assert_equal "$stderr" ''
	requests clickup | jq -j 'select(.method == "POST").body' >body
	printf '%s' '{"comment_text":"a & <b> \"q\" \\ / 🧴\nsecond line\n[US:é:1]","notify_all":false}' >expected
	run diff expected body
	assert_output ''
	assert_equal "$(requests clickup '[.method, .path, .query, .headers["content-type"], .headers.authorization]')" \
		'["GET","/clickup/api/v2/task/86test/comment",{},"application/json","pk_test"]
["POST","/clickup/api/v2/task/86test/comment",{},"application/json","pk_test"]'
}

@test "a text that has its key already gets no other" {
	post <<<'{"type":"clickup_comment","id":"a","text":"see [a] above"}'
	assert_success
	assert_equal "$(control clickup/comments | jq -r .comment_text)" 'see [a] above'
}

@test "notify_all is always sent, and true only if the record says so" {
	post <<'!'
{"type":"clickup_comment","id":"a","text":"x","notify_all":true}
{"type":"clickup_comment","id":"b","text":"x","notify_all":false}
{"type":"clickup_comment","id":"c","text":"x","notify_all":null}
{"type":"clickup_comment","id":"d","text":"x"}
!
	assert_success
	assert_equal "$(control clickup/comments | jq -c .body.notify_all | paste -sd' ')" 'true false false false'
}

@test "the request is what ClickUp's description of it asks for" {
	needs_shared api/specs/clickup_comment_slice.json
	post < <(comments a b)
	assert_success
	requests clickup 'select(.method == "POST").body | fromjson' >bodies
	run python3 -c '
import json, sys
spec = json.load(open(sys.argv[1]))["paths"]["/v2/task/{task_id}/comment"]["post"]
schema = spec["requestBody"]["content"]["application/json"]["schema"]
kinds = {"string": str, "boolean": bool, "integer": int}
bodies = [json.loads(line) for line in open("bodies")]
assert len(bodies) == 2
for body in bodies:
    assert set(schema["required"]) <= set(body) <= set(schema["properties"]), body
    for name, value in body.items():
        assert type(value) is kinds[schema["properties"][name]["type"]], name' \
		"$shared/api/specs/clickup_comment_slice.json"
	assert_success
	assert_output ''
}

@test "a notification of each comment, then its on_sent, in order, to the byte" {
	post <<'!'
{"type":"clickup_comment","id":"a","text":"one","on_sent":[ {"type":"x", "n":1.10,"big":12345678901234567890 }, {"type":"y"}]}
{"type":"clickup_comment","id":"b\/\u0062","task_id":"86two","text":"two","on_sent":null}
!
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(normal)" '{"type":"notifications","notification_id":"a","sink":"clickup","target":"86test","state":"sent","remote_id":"ID","attempts":1,"error":null,"sent_at":"TIME"}
{"type":"x", "n":1.10,"big":12345678901234567890 }
{"type":"y"}
{"type":"notifications","notification_id":"b\/\u0062","sink":"clickup","target":"86two","state":"sent","remote_id":"ID","attempts":1,"error":null,"sent_at":"TIME"}'
	assert_equal "$(jq -r 'select(.remote_id).remote_id' <<<"$output")" "$(control clickup/comments | jq -r .id)"
}

@test "an id of ClickUp's that is a number is told as text" {
	control clickup/ids '{"numbers":true}'
	fails "$ok" "$ok" "$ok" '{"fault":"reset","accept":true}'
	post < <(comments a b)
	assert_success
	assert_equal "$(jq -c 'select(.remote_id).remote_id' <<<"$output")" "$(control clickup/comments | jq -c .id)"
}

@test "what is sent is told before the next is" {
	fails "$ok" "$ok" '{"fault":"stall"}'
	comments a b >in
	clickup-post <in >out 3>&- &
	pid=$!
	wait_for called 3
	assert_equal "$(jq -r '.notification_id // .sent' out)" $'a\na'
	assert_equal "$(posted)" '["86test","a"]'
	kill "$pid"
}

@test "the task is the comment's, or else CLICKUP_TASK_ID" {
	CLICKUP_TASK_ID=86nine post < <(comment a; comment b 86two; comment c)
	assert_success
	assert_equal "$(posted)" $'["86nine","a"]\n["86two","b"]\n["86nine","c"]'
}

@test "no task at all: 78, with what came before done and passed on" {
	unset CLICKUP_TASK_ID
	post < <(comment a 86one; echo '{"type":"x"}'; comment b; comment c 86one)
	assert_equal "$status" 78
	assert_equal "$stderr" 'clickup-post: CLICKUP_TASK_ID is not set: the task for comments that name none; put it into the environment or .env'
	assert_equal "$(jq -r '.notification_id // .type' <<<"$output")" $'a\nx\nx'
	assert_equal "$(posted)" '["86one","a"]'
}

@test "a custom id is asked for with its workspace, and others are not" {
	CLICKUP_TEAM_ID=123 post < <(comment a DEV-123; comment b 86one)
	assert_success
	assert_equal "$(requests clickup '[.method, .path, .query]')" \
		'["GET","/clickup/api/v2/task/DEV-123/comment",{"custom_task_ids":"true","team_id":"123"}]
["POST","/clickup/api/v2/task/DEV-123/comment",{"custom_task_ids":"true","team_id":"123"}]
["GET","/clickup/api/v2/task/86one/comment",{}]
["POST","/clickup/api/v2/task/86one/comment",{}]'
	assert_equal "$(posted)" $'["DEV-123","a"]\n["86one","b"]'
}

@test "a custom id without CLICKUP_TEAM_ID: 78, and nothing is asked" {
	post < <(comment a DEV-123)
	assert_equal "$status" 78
	assert_equal "$stderr" 'clickup-post: CLICKUP_TEAM_ID is not set: the workspace of a custom task id such as DEV-123; put it into the environment or .env'
	assert_equal "$(asked)" ''
}

@test "other records, and runs, pass on byte for byte where they stand" {
	post < <(
		echo '{"type":"run", "run_id":"r"}'
		echo '{"type":"slack_message","n":1.10 , "s":"\u00e9"}'
		comment a
		echo '{"id":"a","text":"no comment"}'
		echo
		echo '{"type":"end","run_id":"r","records":3}'
	)
	assert_success
	assert_equal "$(grep -v '"notifications"' <<<"$output")" '{"type":"run", "run_id":"r"}
{"type":"slack_message","n":1.10 , "s":"\u00e9"}
{"type":"x","op":"update","sent":"a"}
{"id":"a","text":"no comment"}
{"type":"end","run_id":"r","records":3}'
	assert_equal "$(posted)" '["86test","a"]'
}

@test "bad comments are reported with their line, not sent, and the others are: 65" {
	cat >in <<'!'
{"type":"clickup_comment","text":"no id"}
{"type":"clickup_comment","id":"","text":"empty id"}
{"type":"clickup_comment","id":7,"text":"number"}
{"type":"clickup_comment","id":"c"}
{"type":"clickup_comment","id":"d","text":["no text"]}
{"type":"clickup_comment","id":"e","text":""}
{"type":"clickup_comment","id":"a]b","text":"x"}
{"type":"clickup_comment","id":"a[b","text":"x"}
{"type":"clickup_comment","id":"a\nb","text":"x"}
{"type":"clickup_comment","id":"a\u0000b","text":"x"}
{"type":"clickup_comment","id":"a\u009bb","text":"x"}
{"type":"clickup_comment","id":"f","text":"x","task_id":"86/../user"}
{"type":"clickup_comment","id":"g","text":"x","task_id":"86 1"}
{"type":"clickup_comment","id":"h","text":"x","task_id":""}
{"type":"clickup_comment","id":"i","text":"x","task_id":86}
{"type":"clickup_comment","id":"j","text":"x","task_id":"86\u0000"}
{"type":"clickup_comment","id":"k","text":"x","notify_all":"true"}
{"type":"clickup_comment","id":"l","text":"x","on_sent":{"type":"x"}}
{"type":"clickup_comment","id":"m","text":"x","on_sent":[{"type":"x"},5]}
{"type":"clickup_comment","id":"n","text":"x"
{"type":"clickup_comment","id":"o","text":"x","id":"p"}
{"type":"clickup_comment","id":"good","text":"x"}
!
	jq -nc '{type: "clickup_comment", id: ("n" * 1025), text: "x"},
		{type: "clickup_comment", id: "q", text: "x", task_id: ("t" * 128)},
		{type: "clickup_comment", id: ("n" * 1022), text: "x", task_id: ("t" * 127)}' >>in
	post <in
	assert_equal "$status" 65
	assert_equal "$(sed -E 's/column [0-9]+: .*/column/' <<<"$stderr")" "$(
		for n in 1 2 3 4 5 6; do
			echo "clickup-post: stdin:$n: a clickup_comment needs an id and a text"
		done
		for n in 7 8 9 10 11; do
			echo "clickup-post: stdin:$n: an id that cannot be looked up"
		done
		for n in 12 13 14 15 16; do
			echo "clickup-post: stdin:$n: task_id is no task's id"
		done
		echo 'clickup-post: stdin:17: notify_all is no boolean'
		echo 'clickup-post: stdin:18: on_sent is no list of records'
		echo 'clickup-post: stdin:19: on_sent is no list of records'
		echo 'clickup-post: stdin:20: column'
		echo 'clickup-post: stdin:21: column'
		echo 'clickup-post: stdin:23: an id that cannot be looked up'
		echo "clickup-post: stdin:24: task_id is no task's id"
	)"
	assert_equal "$(posted | jq -r '.[1][:4]')" $'good\nnnnn'
	assert_equal "$(jq -r '.notification_id[:4]' <<<"$output")" $'good\nnnnn'
}

@test "control characters do not get through, and line breaks and all others do" {
	jq -nc '{type: "clickup_comment", id: "a", text: ("a\tb\r\n\u0000\u0007\u001b[31mc\u007f\u0080\u009b\u009fd\u00a0é\u2028🧴\ne")}' >in
	post <in
	assert_success
	assert_equal "$(control clickup/comments | jq -c .comment_text)" "$(jq -nc '"a b\n[31mcd\u00a0é\u2028🧴\ne\n[a]"')"
}

@test "a long text is sent whole, and its list of comments can be read" {
	jq -nc 'range(30) | {type: "clickup_comment", id: "a\(.)", text: ("é🧴" * 10000)}' >in
	post <in
	assert_success
	assert_equal "$(control clickup/comments | jq -s -c '[length, (map(.comment_text | length) | unique)]')" '[30,[20005,20006]]'
	tail -n 1 in >last
	post <last
	assert_equal "$(outcome)" '["a29","sent",0,null]'
}

@test "empty input: nothing is sent, nothing is said" {
	post </dev/null
	assert_success
	assert_output ''
	assert_equal "$stderr" ''
	assert_equal "$(asked)" ''
}

@test "a run that stopped short before us: what came is sent, 75" {
	post < <(echo '{"type":"run","run_id":"r"}'; comment a)
	assert_equal "$status" 75
	assert_equal "$(posted)" '["86test","a"]'
}

# What is there is not posted again

@test "a comment that is there is told as sent, when it was, and not posted" {
	post < <(comment a)
	id=$(jq -r 'select(.remote_id).remote_id' <<<"$output")
	sent_at=$(jq -r 'select(.sent_at).sent_at' <<<"$output")
	sleep 1.1
	curl -sS -X DELETE "$sim/_sim/requests" >/dev/null
	post < <(comment a)
	assert_success
	assert_equal "$stderr" ''
	assert_output '{"type":"notifications","notification_id":"a","sink":"clickup","target":"86test","state":"sent","remote_id":"'"$id"'","attempts":0,"error":null,"sent_at":"'"$sent_at"'"}
{"type":"x","op":"update","sent":"a"}'
	assert_equal "$(asked)" GET
}

@test "it is found by the parts of its text too" {
	post < <(comment 'a:b')
	fails '{"fault":"parts_only"}'
	post < <(comment 'a:b')
	assert_success
	assert_equal "$(outcome)" '["a:b","sent",0,null]'
	assert_equal "$(posted)" '["86test","a:b"]'
}

@test "neither another's id that begins alike nor another task's comment is taken for it" {
	post < <(comment ab; comment 'x a'; comment a 86two; comment a)
	assert_success
	assert_equal "$(posted)" '["86test","ab"]
["86test","x a"]
["86two","a"]
["86test","a"]'
}

@test "a strange list is no comment of ours, and does no harm" {
	fails '{"fault":"body","body":"{\"comments\":[5,[],null,{},{\"comment\":{\"text\":\"[a]\"}},{\"comment\":[5,\"[a]\",{\"text\":5}]},{\"comment_text\":[\"[a]\"]},{\"id\":\"1\",\"comment_text\":\"[b]\",\"comment_text\":\"[a]\"}]}"}' \
		"$ok" '{"fault":"body","body":"{\"comments\":[{\"id\":{},\"date\":\"long ago\",\"comment_text\":\"\\u0000[b]\"}]}"}'
	post < <(comments a b)
	assert_success
	assert_equal "$(normal | grep notifications)" '{"type":"notifications","notification_id":"a","sink":"clickup","target":"86test","state":"sent","remote_id":"ID","attempts":1,"error":null,"sent_at":"TIME"}
{"type":"notifications","notification_id":"b","sink":"clickup","target":"86test","state":"sent","remote_id":null,"attempts":0,"error":null,"sent_at":"TIME"}'
	assert_equal "$(posted)" '["86test","a"]'
}

@test "the list cannot be read: nothing is posted, 75, and the next run goes on" {
	local fault
	for fault in '{"fault":"status","code":500,"times":9}' '{"fault":"status","code":503,"times":9}' '{"fault":"reset","times":9}' \
		'{"fault":"html","times":9}' '{"fault":"empty","times":9}' '{"fault":"body","body":"{}","times":9}' '{"fault":"truncate","times":9}' \
		'{"fault":"body","body":"{\"comments\":{}}","times":9}' '{"fault":"429","times":9}' '{"fault":"429","reset_in":400}'; do
		afresh
		fails "$ok" "$ok" "$fault"
		HTTP_TRIES=2 post < <(comments a b c)
		assert_equal "$fault $status" "$fault 75"
		assert_equal "$(outcome)" '["a","sent",1,null]'
		assert_regex "${stderr##*$'\n'}" '^clickup-post: ClickUp: .*; the rest can be sent later$'
		assert_equal "$(posted)" '["86test","a"]'
		assert_regex "$(asked)" '^GET POST( GET){1,4}$' # libcurl repeats one by itself
	done
	curl -sS -X DELETE "$sim/_sim/faults/clickup" >/dev/null
	post < <(comments a b c)
	assert_success
	assert_equal "$(posted)" $'["86test","a"]\n["86test","b"]\n["86test","c"]'
}

@test "a list that comes at the second try is as good" {
	fails '{"fault":"status","code":500}'
	post < <(comment a)
	assert_success
	assert_equal "$(said)" 'clickup-post: SIM/clickup/api/v2/task/86test/comment: HTTP status 500; trying again in N s'
	assert_equal "$(asked)" 'GET GET POST'
}

@test "accepted, and no answer: it is found in the task, and not posted again" {
	local fault
	for fault in '{"fault":"hang_after_accept"}' '{"fault":"reset","accept":true}' '{"fault":"truncate"}' \
		'{"fault":"status_after_accept","code":500}' '{"fault":"html","accept":true}' '{"fault":"empty","accept":true}' \
		'{"fault":"body","accept":true,"body":"{\"date\":1}"}' '{"fault":"gzip_lie"}' '{"fault":"gzip_truncated"}' \
		'{"fault":"gzip_bomb","size":2000000}'; do
		afresh
		fails "$ok" "$ok" "$ok" "$fault"
		HTTP_TIMEOUT=2 post < <(comments a $'b\u00e9"\\/' c)
		assert_equal "$fault $status" "$fault 0"
		assert_equal "$(posted)" '["86test","a"]
["86test","bé\"\\/"]
["86test","c"]'
		assert_equal "$(outcome)" '["a","sent",1,null]
["bé\"\\/","sent",1,null]
["c","sent",1,null]'
		assert_equal "$(jq -r 'select(.remote_id).remote_id' <<<"$output")" "$(control clickup/comments | jq -r .id)"
		assert_regex "$stderr" '^clickup-post: ClickUp: .*: looking whether the comment is there$'
		assert_equal "$(asked)" 'GET POST GET POST GET GET POST'
	done
}

@test "not accepted, and no answer: it is not in the task, and is posted again" {
	local fault
	for fault in '{"fault":"stall"}' '{"fault":"reset"}' '{"fault":"status","code":500}' '{"fault":"status","code":503}' \
		'{"fault":"html"}' '{"fault":"empty"}' '{"fault":"body","body":"{\"id\":"}' '{"fault":"body","body":"[]"}' \
		'{"fault":"body","body":"{\"id\":null}"}' '{"fault":"body","body":"{\"id\":\"\"}"}'; do
		afresh
		fails "$ok" "$ok" "$ok" "$fault"
		HTTP_TIMEOUT=2 post < <(comments a b c)
		assert_equal "$fault $status" "$fault 0"
		assert_equal "$(posted)" $'["86test","a"]\n["86test","b"]\n["86test","c"]'
		assert_equal "$(outcome)" $'["a","sent",1,null]\n["b","sent",2,null]\n["c","sent",1,null]'
		assert_equal "$(asked)" 'GET POST GET POST GET POST GET POST'
	done
}

# libcurl by itself sends again on a connection that was used before.
@test "a connection that dies after the second comment was taken does not double it" {
	fails "$ok" "$ok" "$ok" '{"fault":"reset","accept":true}'
	post < <(comments a b)
	assert_success
	assert_equal "$(posted)" $'["86test","a"]\n["86test","b"]'
	assert_equal "$(asked)" 'GET POST GET POST GET'
}

@test "accepted, no answer, and the list cannot be read: 75, and the next run does not double it" {
	local fault
	for fault in '{"fault":"html","times":2}' "$(error OAUTH_025)" "$(error ITEM_013)" '{"fault":"status","code":404}'; do
		afresh
		fails "$ok" '{"fault":"reset","accept":true}' "$fault"
		HTTP_TRIES=2 post < <(comment a)
		assert_equal "$fault $status" "$fault 75"
		assert_output ''
		assert_equal "${stderr##*$'\n'}" 'clickup-post: ClickUp: Recv failure: Connection reset by peer; the rest can be sent later'
		post < <(comment a)
		assert_success
		assert_equal "$(outcome)" '["a","sent",0,null]'
		assert_equal "$(posted)" '["86test","a"]'
	done
}

@test "a comment that never arrives is posted three times and left for later: 75" {
	fails "$ok" "$ok" "$ok" '{"fault":"status","code":500}' "$ok" '{"fault":"status","code":500}' "$ok" '{"fault":"status","code":500}'
	post < <(comments a b c)
	assert_equal "$status" 75
	assert_equal "$(outcome)" '["a","sent",1,null]'
	assert_equal "$(asked)" 'GET POST GET POST GET POST GET POST GET'
	assert_equal "$stderr" "$(for _ in 1 2 3; do echo 'clickup-post: ClickUp: HTTP status 500: looking whether the comment is there'; done)
clickup-post: ClickUp: HTTP status 500; the rest can be sent later"
}

@test "killed at either moment, the next run makes it once" {
	local fault
	for fault in '{"fault":"stall"}' '{"fault":"hang_after_accept"}'; do
		afresh
		fails "$ok" "$fault"
		comment a >in
		clickup-post <in >out 3>&- &
		pid=$!
		wait_for called 2
		[ "$fault" = '{"fault":"stall"}' ] || wait_for taken 1
		kill -KILL "$pid"
		wait "$pid" || true
		assert_equal "$(<out)" ''
		post <in
		assert_success
		assert_equal "$(posted)" '["86test","a"]'
	done
}

# killed_at CALL K: clickup-post with two comments, killed at its K-th such
# system call, and its status in $code; then another run of both.
killed_at() {
	code=0
	afresh
	strace -f -qq -o /dev/null -e inject="$1:signal=SIGKILL:when=$2" clickup-post <in >out 2>/dev/null 3>&- || code=$?
	# Whole lines only: the last may have been cut.
	jq -R 'fromjson? // empty | .notification_id // empty' out | sort >marked
	posted | jq .[1] | sort >sent
	assert_equal "$(comm -23 marked sent)" ''
	clickup-post <in >/dev/null
	assert_equal "$(posted)" $'["86test","a"]\n["86test","b"]'
}

@test "killed at any call of the network or of writing: each is there once after the next run" {
	strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	local call code k
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # which needs ptrace itself
	comments a b >in
	for call in connect sendto recvfrom write; do
		code=137
		for ((k = 0; k < 100 && code == 137; k++)); do
			killed_at "$call" $((k + 1))
		done
		assert_equal "$call $code" "$call 0"
		assert [ "$k" -gt 2 ]
	done
}

# ClickUp says no

@test "a wrong token is refused, with nothing marked: 77" {
	CLICKUP_API_TOKEN=pk_wrong post < <(echo '{"type":"before"}'; comments a b)
	assert_equal "$status" 77
	assert_equal "$stderr" 'clickup-post: ClickUp refuses CLICKUP_API_TOKEN: Token invalid (OAUTH_025)'
	assert_output '{"type":"before"}'
	assert_equal "$(asked)" GET
}

@test "any 401 is the token's, at the first look or at the post: 77" {
	local fault
	for fault in "$(error OAUTH_017)" "$(error OAUTH_019)" "$(error OAUTH_025)" '{"fault":"error","error":"OAUTH_028","code":401,"err":"x"}' \
		'{"fault":"error","error":"OAUTH_046","code":401}' '{"fault":"status","code":401}' '{"fault":"status","code":401,"body":"<html>"}'; do
		for first in "$ok" ''; do
			afresh
			[ -z "$first" ] || fails "$ok"
			fails "$fault"
			post < <(comments a b)
			assert_equal "$fault $status" "$fault 77"
			assert_output ''
			assert_regex "$stderr" '^clickup-post: ClickUp refuses CLICKUP_API_TOKEN: .*$'
			assert_equal "$(asked)" "GET${first:+ POST}"
		done
	done
	assert_equal "$stderr" 'clickup-post: ClickUp refuses CLICKUP_API_TOKEN: HTTP status 401'
}

@test "what concerns a task fails its comments without another request, and no other's: 65" {
	local task why
	while IFS='|' read -r task why; do
		afresh
		post < <(comment a "$task"; comment b; comment c "$task"; comment d)
		assert_equal "$task $status" "$task 65"
		assert_equal "$stderr" "clickup-post: stdin:1: ClickUp will not take it: $why
clickup-post: stdin:3: ClickUp will not take it: $why"
		assert_equal "$(outcome)" "[\"a\",\"failed\",0,\"$why\"]
[\"b\",\"sent\",1,null]
[\"c\",\"failed\",0,\"$why\"]
[\"d\",\"sent\",1,null]"
		assert_equal "$(jq -r 'select(.sent).sent' <<<"$output")" $'b\nd'
		assert_equal "$(posted)" $'["86test","b"]\n["86test","d"]'
		assert_equal "$(asked)" 'GET GET POST GET POST'
	done <<'!'
86gone|Task not found, deleted (ITEM_013)
86closed|You do not have access to this task (ACCESS_083)
86foreign|not authorised for this workspace, wrong task or token: Team not authorized (OAUTH_027)
!
	assert_equal "$(normal | head -n 1)" '{"type":"notifications","notification_id":"a","sink":"clickup","target":"86foreign","state":"failed","remote_id":null,"attempts":0,"error":"not authorised for this workspace, wrong task or token: Team not authorized (OAUTH_027)","sent_at":null}'
}

@test "every code that says that a workspace is not authorised is taken for that" {
	local n
	for n in 023 026 027 029 045; do
		afresh
		fails "$ok" "{\"fault\":\"error\",\"error\":\"OAUTH_$n\",\"code\":401,\"err\":\"Team(s) not authorized\"}"
		post < <(comment a; comment b 86two)
		assert_equal "$n $status" "$n 65"
		assert_equal "$(outcome)" "[\"a\",\"failed\",1,\"not authorised for this workspace, wrong task or token: Team(s) not authorized (OAUTH_$n)\"]
[\"b\",\"sent\",1,null]"
	done
}

@test "what concerns a comment fails it, and the next to the same task gets through: 65" {
	local fault
	for fault in "$(error COMMENT_001)" '{"fault":"error","error":"X_1","code":422,"err":"Comment text invalid"}'; do
		afresh
		fails "$ok" "$fault"
		post < <(comments a b)
		assert_equal "$status" 65
		assert_equal "$(outcome | sed -E 's/ \([A-Z_0-9]+\)//')" '["a","failed",1,"Comment text invalid"]
["b","sent",1,null]'
		assert_equal "$(jq -r 'select(.sent).sent' <<<"$output")" b
	done
	fails "$ok" '{"fault":"status","code":413,"body":"too large"}'
	post < <(comments c d)
	assert_equal "$status" 65
	assert_equal "$(outcome)" $'["c","failed",1,"HTTP status 413"]\n["d","sent",1,null]'
}

@test "words without a code, and a code without words, and strange ones, say nothing to a terminal" {
	fails '{"fault":"status","code":404,"body":{"err":"gone"}}' '{"fault":"status","code":403,"body":{"ECODE":"X_1"}}' \
		"$(jq -nc '{fault: "status", code: 400, body: {err: "\u001b[31m\n\u0085é", ECODE: 5}}')" \
		"$(jq -nc '{fault: "status", code: 400, body: {err: ("e" * 900), ECODE: ("E" * 900)}}')"
	post < <(comment a 86one; comment b 86two; comments c d)
	assert_equal "$status" 65
	assert_equal "$(outcome)" "[\"a\",\"failed\",0,\"gone\"]
[\"b\",\"failed\",0,\"X_1\"]
[\"c\",\"failed\",0,\"?[31m?????\"]
[\"d\",\"failed\",0,\"$(printf 'e%.0s' {1..199}) ($(printf 'E%.0s' {1..39}))\"]"
	assert_equal "$(grep -c '[^ -~]' <<<"$stderr")" 0
}

@test "what is not ClickUp is told as such, with nothing marked: 76" {
	local fault
	for fault in '{"fault":"status","code":404,"body":"<html>"}' '{"fault":"status","code":403}' '{"fault":"status","code":400,"body":{}}' \
		'{"fault":"status","code":302}'; do
		fails "$fault"
		post < <(comments a b)
		assert_equal "$status" 76
		assert_output ''
		assert_regex "$stderr" '^clickup-post: cannot talk to ClickUp: HTTP status [0-9]+$'
	done
	assert_equal "$(asked)" 'GET GET GET GET'
}

@test "nobody at the address: asked as often as it may be, and then left: 75" {
	CLICKUP_API_URL=http://127.0.0.1:1 HTTP_TRIES=3 post <<<"$(comment a)"
	assert_equal "$status" 75
	assert_output ''
	assert_equal "$(said | sed -E 's/after [0-9]+ ms/after N ms/' | uniq -c | sed 's/^ *//')" \
		"2 clickup-post: http://127.0.0.1:1/task/86test/comment: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; trying again in N s
1 clickup-post: ClickUp: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; the rest can be sent later"
}

# Pace

@test "429 waits until X-RateLimit-Reset, for the look and for the post" {
	fails '{"fault":"429","reset_in":2}' "$ok" '{"fault":"429","reset_in":2}'
	post <<<"$(comment a)"
	assert_success
	assert_equal "$(said | uniq -c | sed 's/^ *//')" '2 clickup-post: SIM/clickup/api/v2/task/86test/comment: HTTP status 429; trying again in N s'
	assert_equal "$(outcome)" '["a","sent",2,null]'
	assert_equal "$(requests clickup .time | jq -s -c '[.[1] - .[0] >= 0.9, .[3] - .[2] >= 0.9]')" '[true,true]'
	assert_equal "$(posted)" '["86test","a"]'
}

@test "429 without a time, or with one that is past or is none, is waited out too" {
	fails "$ok" '{"fault":"429"}' '{"fault":"429","reset":1}' '{"fault":"429","reset":"soon"}' '{"fault":"429","reset":-5}'
	post <<<"$(comment a)"
	assert_success
	assert_equal "$(outcome)" '["a","sent",5,null]'
	assert_equal "$(posted)" '["86test","a"]'
}

@test "429 for longer than --max-wait: 75, nothing marked, and the next run goes on" {
	local reset
	for reset in '"reset_in":33' '"reset":1795252535289' '"reset":"99999999999999999999999"'; do
		afresh
		fails "$ok" "$ok" "$ok" "{\"fault\":\"429\",$reset}"
		post --max-wait 30 < <(comments a b c)
		assert_equal "$reset $status" "$reset 75"
		assert_equal "$stderr" 'clickup-post: ClickUp: Rate limit reached (APP_002); the rest can be sent later'
		assert_equal "$(outcome)" '["a","sent",1,null]'
	done
	post < <(comments b c)
	assert_success
	assert_equal "$(posted)" $'["86test","a"]\n["86test","b"]\n["86test","c"]'
}

@test "all waits together take no longer than --max-wait" {
	fails "$ok" '{"fault":"429","reset_in":2}' "$ok" '{"fault":"429","reset_in":3}'
	post --max-wait 3.5 < <(comments a b)
	assert_equal "$status" 75
	assert_equal "$(outcome)" '["a","sent",2,null]'
}

# The token

@test "a person's token is sent without Bearer, and an app's with it" {
	CLICKUP_API_TOKEN='Bearer pk_test' post <<<"$(comment a)"
	assert_success
	CLICKUP_API_TOKEN='Bearer oauth-test' post <<<"$(comment b)"
	assert_success
	assert_equal "$(requests clickup .headers.authorization | uniq)" $'"pk_test"\n"Bearer oauth-test"'
}

@test "no token: 78 before anything" {
	unset CLICKUP_API_TOKEN
	post <<<"$(comment a)"
	assert_equal "$status" 78
	assert_output ''
	assert_equal "$stderr" "clickup-post: CLICKUP_API_TOKEN is not set: your personal token, pk_..., of ClickUp's settings; put it into the environment or .env"
	post --check
	assert_equal "$status" 78
	assert_equal "$(asked)" ''
}

@test "a token with what no token has, such as a line break, is refused and not shown: 78" {
	local token
	for token in $'pk_canary\r\nX-Evil: 1' $'pk_canary\n' 'pk canary' $'pk_canary\t' 'pk_canaryé' 'Bearer  canary'; do
		CLICKUP_API_TOKEN=$token post <<<"$(comment a)"
		assert_equal "$status" 78
		assert_output ''
		assert_equal "$stderr" 'clickup-post: CLICKUP_API_TOKEN has a blank or a line break in it, or what no token has'
	done
	for token in "$(printf 'x%.0s' {1..2000})" 'Bearer '; do
		CLICKUP_API_TOKEN=$token post <<<"$(comment a)"
		assert_equal "$status" 78
		assert_equal "$stderr" 'clickup-post: CLICKUP_API_TOKEN is too short or too long'
	done
	assert_equal "$(asked)" ''
}

@test "the token is never shown, whatever happens" {
	local canary=Canary0123456789 fault token
	export HTTP_TRIES=2 HTTP_TIMEOUT=1
	for token in "pk_$canary" "Bearer $canary"; do
		export CLICKUP_API_TOKEN=$token
		for fault in "$ok" '{"fault":"reset"}' '{"fault":"html"}' '{"fault":"status","code":500}' \
			'{"fault":"status","code":404}' '{"fault":"429","reset_in":999}' '{"fault":"gzip_lie"}' \
			"{\"fault\":\"error\",\"error\":\"OAUTH_025\",\"code\":401,\"err\":\"Token invalid: $token\"}" \
			"{\"fault\":\"error\",\"error\":\"OAUTH_027\",\"code\":401,\"err\":\"Token $token $token\"}" \
			"{\"fault\":\"error\",\"error\":\"${token#Bearer }\",\"code\":400,\"err\":\"$token\"}"; do
			fails "$fault"
			post < <(comment a)
			printf '%s\n' "$output" "$stderr" >>all
			afresh
			fails "$fault" "$fault"
			post --check
			printf '%s\n' "$output" "$stderr" >>all
			afresh
		done
	done
	assert [ "$(grep -c . all)" -gt 30 ]
	run grep -i canary all
	assert_output ''
}

@test "the token is not on the command line that ps shows" {
	fails '{"fault":"stall"}'
	comment a >in
	clickup-post <in >out 3>&- &
	pid=$!
	wait_for called 1
	run tr '\0' ' ' <"/proc/$pid/cmdline"
	kill "$pid"
	assert_output 'clickup-post '
}

# --dry-run, --check

@test "--dry-run sends nothing, needs no token, and passes on what is good: 65 for what is not" {
	unset CLICKUP_API_TOKEN CLICKUP_TASK_ID
	{
		comment a
		echo '{"type":"x", "n":1.10}'
		echo '{"type":"clickup_comment","id":"b"}'
	} >in
	post --dry-run <in
	assert_equal "$status" 65
	assert_output "$(head -n 2 in)"
	assert_equal "$stderr" 'clickup-post: stdin:3: a clickup_comment needs an id and a text'
	assert_equal "$(asked)" ''
}

@test "--check tells the user, and posts nothing" {
	unset CLICKUP_TASK_ID
	post --check
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(jq -c 'del(.checked_at, .latency_ms)' <<<"$output")" \
		'{"type":"health_checks","service":"clickup","ok":true,"detail":"user Simulated"}'
	assert_equal "$(jq -c '[(.checked_at | fromdateiso8601 | now - . < 60), .latency_ms < 5000]' <<<"$output")" '[true,true]'
	assert_equal "$(requests clickup '[.method, .path]')" '["GET","/clickup/api/v2/user"]'
	post --dry-run --check
	assert_success
	assert_equal "$(posted)" ''
}

# Each line: a fault; the status; the detail.
@test "--check tells what is wrong, in a record and by its status" {
	local fault expected detail
	while IFS='|' read -r fault expected detail; do
		fails "$fault"
		HTTP_TRIES=1 post --check
		assert_equal "$fault $status" "$fault $expected"
		assert_equal "$(jq -c '[.type, .service, .ok, .detail]' <<<"$output")" "[\"health_checks\",\"clickup\",false,\"$detail\"]"
	done <<'!'
{"fault":"error","error":"OAUTH_025"}|77|Token invalid (OAUTH_025)
{"fault":"error","error":"OAUTH_019"}|77|Oauth token not found (OAUTH_019)
{"fault":"error","error":"APP_001"}|76|Route not found (APP_001)
{"fault":"status","code":503}|75|HTTP status 503
{"fault":"429"}|75|Rate limit reached (APP_002)
{"fault":"status","code":403}|77|HTTP status 403
{"fault":"status","code":404}|76|HTTP status 404
{"fault":"html"}|76|not ClickUp's answer
{"fault":"reset"}|75|Recv failure: Connection reset by peer
!
}

# Use

@test "wrong use is told, and nothing is sent: 64" {
	local arguments why
	while IFS='|' read -r arguments why; do
		read -ra words <<<"$arguments"
		post "${words[@]}" <<<"$(comment a)"
		assert_equal "$arguments: $status" "$arguments: 64"
		assert_output ''
		assert_equal "$stderr" "clickup-post: $why"
	done <<'!'
--max-wait long|--max-wait 'long' is no number of seconds
--max-wait 86401|--max-wait '86401' is no number of seconds
--nonsense|bad option '--nonsense'; see 'clickup-post --help'
-n|bad option '-n'; see 'clickup-post --help'
hello|unknown operand 'hello'; see --help
!
	assert_equal "$(asked)" ''
}

@test "settings that make no sense: 78" {
	CLICKUP_TASK_ID='86/1' post <<<"$(comment a)"
	assert_equal "$status" 78
	assert_equal "$stderr" "clickup-post: CLICKUP_TASK_ID is no task's id"
	CLICKUP_TEAM_ID='a&b' post <<<"$(comment a)"
	assert_equal "$status" 78
	assert_equal "$stderr" "clickup-post: CLICKUP_TEAM_ID is no workspace's number"
	CLICKUP_API_URL=http://example.com/api/v2 post <<<"$(comment a)"
	assert_equal "$status" 78
	assert_equal "$stderr" 'clickup-post: CLICKUP_API_URL is no URL of https (or of http to loopback)'
	CLICKUP_API_URL=$sim/$(printf 'x%.0s' {1..1000}) post <<<"$(comment a)"
	assert_equal "$status" 78
	assert_equal "$stderr" 'clickup-post: CLICKUP_API_URL is too long'
	assert_equal "$(asked)" ''
}

@test "--help and --version" {
	post --help
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${lines[0]}" 'usage: clickup-post [--dry-run] [--max-wait S] <clickup_comment records'
	post --version
	assert_success
	assert_output 'clickup-post 0.1.0'
}

@test "a full disk is noticed, and nothing more is sent: 74" {
	comments a b >in
	for arguments in --help --version --check --dry-run ''; do
		run --separate-stderr sh -c "clickup-post $arguments <in >/dev/full"
		assert_equal "$arguments $status" "$arguments 74"
		assert_equal "$stderr" 'clickup-post: cannot write to standard output: No space left on device'
	done
	assert_equal "$(posted)" '["86test","a"]'
}

@test "a reader that leaves ends it without a word, and nothing more is sent" {
	comments a b c >in
	run --separate-stderr bash -c 'clickup-post <in | true; exit "${PIPESTATUS[0]}"'
	assert_equal "$status" 141
	assert_equal "$stderr" ''
	assert_equal "$(posted)" '["86test","a"]'
}
