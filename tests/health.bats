#!/usr/bin/env bats
# health.sh: what it finds out and keeps, whom it tells of what, and how often.
# shellcheck disable=SC2154 # top, sim, stderr: from helper.bash and run
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	export SLACK_CHANNEL_LOGS=CLOGS SLACK_CHANNEL_ALERTS=CALERTS
	export HEALTH_DISK_MB=1 # that of whoever tests may be full
}

teardown() {
	stop_sim
}

ago() { # ago 4 hours: that time
	date -u -d "-$1 $2" +%Y-%m-%dT%H:%M:%SZ
}

# checks SERVICE OK MINUTES...: so many minutes ago it was like that.
checks() {
	local service=$1 ok=$2 minutes
	for minutes in "${@:3}"; do
		printf '{"type":"health_checks","service":"%s","checked_at":"%s","ok":%s,"detail":"as it was"}\n' \
			"$service" "$(ago "$minutes" minutes)" "$ok"
	done | db-load
}

# ran JOB STATUS HOURS [MEMBERS]: it ended so long ago.
ran() {
	jq -nc --arg job "$1" --argjson status "$2" --arg at "$(ago "$3" hours)" --argjson more "${4:-{\}}" \
		'{type: "runs", run_id: "\($job)-\($at)", $job, started_at: $at, finished_at: $at, $status, host: "here"} + $more' | db-load
}

watched() { # the machine did not sleep
	checks disk true 230 200 170 140 110 80 50 20
}

health() {
	run --separate-stderr "$top/pipelines/health.sh"
}

# again: in a second that no check has had yet.
again() {
	next_second
	health
}

kept() { # kept SERVICE [FILTER]: its last record
	db-query health_checks "service=$1" --order -checked_at --limit 1 | jq -c "${2:-[.ok, .detail]}"
}

told() { # the messages: channel and text
	control slack/messages | jq -r '"\(.channel) \(.text)"'
}

mending() { # no fault is left
	curl -sS -X DELETE "$sim/_sim/faults/$1" >/dev/null
}

# only SERVICE...: the others have no settings, and are not asked.
only() {
	[[ " $* " == *' keepa '* ]] || unset KEEPA_API_KEY
	[[ " $* " == *' slack '* ]] || unset SLACK_BOT_TOKEN
	[[ " $* " == *' clickup '* ]] || unset CLICKUP_API_TOKEN
	[[ " $* " == *' sp-api '* ]] || unset SP_API_CLIENT_ID SP_API_CLIENT_SECRET SP_API_REFRESH_TOKEN
}

# outside: as if installed elsewhere, with programs of the test's own.
outside() {
	mkdir -p "$BATS_TEST_TMPDIR/away"/{fetch,load,notify,transform}
	cp -r "$top/pipelines" away/
	ln -sf "$top"/notify/*.jq "$top"/notify/{slack,clickup}-post away/notify/
	ln -sf "$top"/load/db-{load,query} away/load/
	ln -sf "$top"/fetch/{keepa,sp}-fetch away/fetch/
	top=$BATS_TEST_TMPDIR/away
}

stub() { # stub PROGRAM <SCRIPT: instead of the program
	rm -f "away/$1"
	{ echo '#!/bin/bash' && cat; } >"away/$1"
	chmod +x "away/$1"
}

@test "all that can be asked is asked, and kept; nobody hears of it" {
	start_sim
	health
	assert_success
	assert_output ''
	assert_equal "$stderr" ''
	assert_equal "$(db-query health_checks | jq -c '[.service, .ok]' | sort | tr '\n' ' ')" \
		'["clickup",true] ["clock",true] ["database",true] ["disk",true] ["keepa",true] ["slack",true] ["sp-api",true] '
	assert_equal "$(kept keepa)" '[true,"1200 tokens left, 20 more a minute"]'
	assert_equal "$(kept database)" '[true,"a row written and read"]'
	assert_equal "$(kept sp-api)" '[true,"takes part in: US CA"]'
	assert_equal "$(db-query health_checks | jq -c 'select(.latency_ms != null).service' | sort | tr '\n' ' ')" \
		'"clickup" "database" "keepa" "slack" "sp-api" '
	assert_equal "$(requests keepa .path)" '"/keepa/token"'
	assert_equal "$(told)" ''
	assert_equal "$(db-query runs job=health | jq -c '[.program, .status, .records]')" '["health.sh",0,7]'
	run ls spool
	assert_output health-database
}

@test "what has no settings is not checked" {
	health
	assert_success
	assert_equal "$(db-query health_checks | jq -r .service | sort | tr '\n' ' ')" 'clock database disk '
	printf '%s\n' 'KEEPA_API_KEY=' 'SLACK_BOT_TOKEN=""  # none' "export CLICKUP_API_TOKEN='' " 'SP_API_REFRESH_TOKEN= # none' >.env
	chmod 600 .env
	again
	assert_success
	assert_equal "$(db-query health_checks | jq -r .service | sort -u | tr '\n' ' ')" 'clock database disk '
	echo 'SP_API_CLIENT_ID=x' >>.env
	again
	assert_equal "$(kept sp-api)" '[false,"SP_API_CLIENT_SECRET is not set: the client secret of your app'\''s LWA credentials; put it into the environment or .env (status 78)"]'
	run "$top/pipelines/health.sh" --now
	assert_failure 64
	HEALTH_STRIKES=none again
	assert_equal "$status" 78
	assert_equal "$stderr" "health.sh: HEALTH_STRIKES 'none' is no number from 1 to 99"
}

@test "a service is told of at the third failure in a row, once, and once when it is well again" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	checks keepa true 60
	checks keepa false 30
	faults keepa '[{"fault":"status","code":503,"times":99}]'
	health
	assert_equal "$(told)" ''
	again
	assert_success
	assert_equal "$stderr" ''
	down=$(db-query health_incidents service=keepa | jq -r .down_since)
	since="${down:0:10} ${down:11:5} UTC"
	assert_equal "$(told)" "CALERTS Keepa: down since $since, 3 checks in a row: HTTP status 503"
	run jq -c '.blocks' < <(control slack/messages)
	assert_output "$(jq -nc --arg since "$since" '[{type: "header", text: {type: "plain_text", text: "⚠️ down: Keepa", emoji: true}},
		{type: "section", text: {type: "plain_text", text: "Keepa: down since \($since), 3 checks in a row: HTTP status 503\nWhat to do: it goes on by itself once Keepa answers; if others reach https://keepa.com, look at our network", emoji: false}}]')"
	assert_equal "$(db-query notifications | jq -c '[.notification_id, .sink, .target, .state]')" \
		"[\"health:keepa:$down:down\",\"slack\",\"CALERTS\",\"sent\"]"
	again
	assert_equal "$(told | wc -l)" 1
	mending keepa
	again
	assert_equal "$(told | wc -l)" 1
	again
	assert_success
	up=$(db-query health_incidents service=keepa | jq -r .up_since)
	assert_equal "$(told | tail -n 1)" \
		"CALERTS Keepa: well again since ${up:0:10} ${up:11:5} UTC, after 30 min; it had said: HTTP status 503"
	assert_equal "$(control slack/messages | jq -r '.blocks[0].text.text' | tail -n 1)" '✅ well again: Keepa'
	again
	assert_success
	assert_equal "$(told | wc -l)" 2
	assert_equal "$(db-query notifications | jq -r .notification_id | tail -n 1)" "health:keepa:$down:up"
}

@test "what comes and goes is one incident; what failed once or twice is none of anybody's" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	checks keepa false 200 195 190 140 100 95 90
	checks keepa true 210 180 130 120 80
	run jq -c '[.failures, .up_since != null]' < <(db-query health_incidents service=keepa)
	assert_output $'[3,true]\n[3,false]'
	checks slack false 60 45 20
	checks slack true 70 30
	run jq -c '[.failures, .up_since]' < <(db-query health_incidents service=slack)
	assert_output '[2,null]'
	# Its second good check, which ends it: the first comes at the latest now.
	health
	assert_equal "$(told | grep -c 'Keepa: was down from')" 2
	[ "$(db-query health_incidents service=slack | jq .up_since)" = null ]
	again
	[ "$(db-query health_incidents service=slack | jq .up_since)" != null ]
	assert_equal "$(control slack/messages | wc -l)" 1
}

@test "several at a time are a message for each channel" {
	start_sim
	db-load --init </dev/null
	checks clickup false 30 15
	checks keepa false 30 15
	checks sp-api false 29 15
	faults clickup '[{"fault":"error","error":"OAUTH_025","times":9}]'
	faults keepa '[{"fault":"402","times":9}]'
	faults lwa '[{"fault":"error","error":"invalid_client","times":9}]'
	health
	assert_success
	assert_equal "$stderr" ''
	run jq -c '[.channel, .blocks[0].text.text]' < <(control slack/messages)
	assert_line '["CALERTS","⚠️ down: Keepa, Amazon'\''s SP-API"]'
	assert_line '["CLOGS","⚠️ down: ClickUp"]'
	assert_equal "${#lines[@]}" 2
	run jq -r '.blocks[1:][].text.text' < <(control slack/messages)
	assert_line --partial 'What to do: Keepa refuses KEEPA_API_KEY'
	assert_line --partial 'What to do: renew the client secret in the developer console'
	assert_line --partial 'What to do: ClickUp refuses CLICKUP_API_TOKEN'
	assert_equal "$(db-query notifications | jq -r '[.notification_id[7:11], .target, .state] | join(" ")' | sort)" \
		$'clic CLOGS sent\nkeep CALERTS sent\nsp-a CALERTS sent'
	again
	assert_equal "$(told | wc -l)" 3
}

@test "without channels of their own, messages go to SLACK_CHANNEL" {
	start_sim
	only clickup slack
	unset SLACK_CHANNEL_LOGS SLACK_CHANNEL_ALERTS
	db-load --init </dev/null
	checks clickup false 30 15
	faults clickup '[{"fault":"error","error":"OAUTH_025","times":9}]'
	health
	assert_equal "$(told | cut -d ' ' -f 1)" C0TEST
}

@test "while Slack is down the ping says so; once it is back, Slack does" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	mkdir bin
	printf '%s\n' '#!/bin/bash' 'echo "$*" >>pings' 'cat >>pings' >bin/job-ping
	chmod +x bin/job-ping
	outside
	cp bin/job-ping away/notify/
	export HEALTHCHECK_URL_HEALTH=http://127.0.0.1:1/secret
	checks slack false 30 15
	checks keepa false 30 15
	faults slack '[{"fault":"status","code":503,"times":999}]'
	faults keepa '[{"fault":"status","code":503,"times":999}]'
	health
	assert_equal "$status" 74
	assert_regex "$stderr" 'Keepa: down since .*, 3 checks in a row: HTTP status 503'
	assert_regex "$stderr" 'Slack: down since .*, 3 checks in a row: HTTP status 503'
	assert_regex "$stderr" 'what to do: it goes on by itself once Slack answers'
	run cat pings
	assert_line --partial 'health 74 --run health-'
	assert_line --partial 'Keepa: down since'
	again
	assert_equal "$status:$stderr" 74: # no word more
	run grep -c 'health 74' pings
	assert_output 2
	mending slack
	again
	assert_equal "$status:$stderr" 0:
	assert_equal "$(told | cut -d ' ' -f 1-4)" 'CALERTS Keepa: down since' # it still is
	again
	assert_equal "$status:$stderr" 0:
	run told
	assert_line --index 1 --regexp '^CLOGS Slack: was down from .* to .* UTC, 30 min; well again; it had said: HTTP status 503$'
	again
	assert_equal "$(told | wc -l)" 2
	run grep -r secret logs pings
	assert_output ''
}

@test "a channel that takes nothing: standard error has it, once; then the channel, once it does" {
	start_sim
	only clickup slack
	db-load --init </dev/null
	checks clickup false 30 15
	faults clickup '[{"fault":"error","error":"OAUTH_025","times":99}]'
	faults slack '[{"fault":"error","error":"not_in_channel","path":"/chat.postMessage","times":3}]'
	health
	assert_equal "$status" 74
	assert_regex "$stderr" 'ClickUp: down since'
	for _ in 1 2; do
		again
		assert_equal "$status:$stderr" 74:
	done
	again
	assert_equal "$status:$stderr" 0:
	assert_equal "$(told | wc -l)" 1
	assert_equal "$(db-query notifications | jq -c '[.sink, .state, .error]')" '["slack","sent",null]'
}

@test "without Slack, standard error tells of each change once, and the status lasts" {
	start_sim
	only keepa
	db-load --init </dev/null
	checks keepa false 30 15
	faults keepa '[{"fault":"status","code":503,"times":999}]'
	health
	assert_equal "$status" 74
	assert_regex "$stderr" '^Keepa: down since .*, 3 checks in a row: HTTP status 503
  what to do: it goes on by itself once Keepa answers'
	assert_equal "$(db-query notifications | jq -c '[.sink, .state]')" '["stderr","sent"]'
	again
	assert_equal "$status:$stderr" 74:
	mending keepa
	again
	assert_equal "$status:$stderr" 74:
	again
	assert_equal "$status" 74
	assert_regex "$stderr" '^Keepa: well again since .* UTC, after 30 min; it had said: HTTP status 503$'
	again
	assert_equal "$status:$stderr" 0:
	assert_equal "$(control slack/messages)" ''
}

@test "a database that is down is told of at the third check; what was seen then is not lost" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	health
	next_second
	mv test.db good.db
	rm -f test.db-*
	printf 'no database\n%9999s' '' >test.db
	for _ in 1 2; do
		health
		assert_equal "$status:$stderr" 0:
		assert_equal "$(told)" ''
		next_second
	done
	faults keepa '[{"fault":"status","code":503,"times":2}]'
	health
	assert_equal "$status:$stderr" 0:
	run told
	assert_output --regexp "^CALERTS the database: down since .*, 3 checks in a row: cannot use '.*/test.db': file is not a database; restore it from a backup"
	run jq -r '.blocks[1].text.text' < <(control slack/messages)
	assert_line 'What to do: the file is damaged: pipelines/restore.sh brings the last backup back'
	assert_line 'Also not well: keepa: HTTP status 503'
	again
	assert_equal "$(told | wc -l)" 1
	mv good.db test.db
	again
	assert_equal "$status:$stderr" 0:
	assert_equal "$(db-query health_checks service=database ok=false | wc -l)" 4
	assert_equal "$(db-query health_checks service=keepa ok=false | wc -l)" 1
	assert_equal "$(told | wc -l)" 1
	again
	assert_equal "$(told | wc -l)" 2
	run told
	assert_line --index 1 --regexp '^CALERTS the database: well again since .*; it had said: cannot use'
	again
	assert_equal "$(told | wc -l)" 2
	assert_equal "$(db-query notifications | jq -c '[.notification_id[:16], .state]' | sort | tr '\n' ' ')" \
		'["health:database:","sent"] ["health:database:","sent"] '
	run ls spool
	assert_output health-database
}

@test "fault 8: a full disk under the database: told through Slack, though nothing can be written" {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace is not allowed here'
	export ASAN_OPTIONS=detect_leaks=0 # which strace keeps it from
	start_sim
	only slack
	db-load --init </dev/null
	for n in 1 2 3 4; do
		run --separate-stderr strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=ENOSPC "$top/pipelines/health.sh"
		assert_equal "$n $status" "$n 0"
		next_second
	done
	run told
	assert_output --regexp '^CALERTS the database: down since .*, 3 checks in a row: cannot .*(full|disk I/O error)'
	assert_equal "${#lines[@]}" 1
	health
	again
	assert_equal "$status:$stderr" 0:
	run told
	assert_line --index 1 --partial 'the database: well again'
	assert_equal "$(sqlite3 test.db 'PRAGMA integrity_check')" ok
}

@test "killed between Slack's yes and the mark: it is not said again" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	checks keepa false 30 15
	faults keepa '[{"fault":"status","code":503,"times":999}]'
	outside
	stub load/db-load <<-EOF
		input=\$(cat)
		if grep -q '"notifications"' <<<"\$input" && [ ! -e killed ]; then
			touch killed
			kill -9 -- "-\$(ps -o pgid= -p \$\$ | tr -d ' ')"
		fi
		printf '%s\n' "\$input" | "$BATS_TEST_DIRNAME/../load/db-load" "\$@"
	EOF
	health
	assert_equal "$status" 137
	assert_equal "$(told | wc -l)" 1
	[ -s spool/health-notes ]
	assert_equal "$(db-query notifications)" ''
	again
	assert_equal "$status:$stderr" 0:
	assert_equal "$(told | wc -l)" 1
	assert_equal "$(db-query notifications | jq -r .state)" sent
	[ ! -e spool/health-notes ]
}

@test "killed before the checks are loaded: the next run loads them" {
	start_sim
	only keepa slack
	outside
	stub load/db-load <<-EOF
		input=\$(cat)
		if grep -q '"keepa"' <<<"\$input" && [ ! -e killed ]; then
			touch killed
			kill -9 -- "-\$(ps -o pgid= -p \$\$ | tr -d ' ')"
		fi
		printf '%s\n' "\$input" | "$BATS_TEST_DIRNAME/../load/db-load" "\$@"
	EOF
	health
	assert_equal "$status" 137
	again
	assert_equal "$status" 0
	assert_equal "$(db-query health_checks service=keepa | wc -l)" 2
	run ls spool
	assert_output health-database
}

@test "Amazon is asked hourly while it is well, and each time while it is not" {
	start_sim
	only sp-api slack
	asked() { requests sp '.path' | grep -c marketplaceParticipations; }
	db-load --init </dev/null
	checks sp-api true 70 54
	health
	run asked
	assert_output 0
	db-query health_checks service=sp-api | jq -c '.op = "delete"' | db-load
	checks sp-api true 120 56
	again
	assert_equal "$(asked)" 1
	again
	assert_equal "$(asked)" 1
	checks sp-api false 3
	db-query health_checks service=sp-api ok=true "checked_at>$(ago 2 minutes)" | jq -c '.op = "delete"' | db-load
	faults sp '[{"fault":"503","times":4}]'
	again
	assert_equal "$(kept sp-api .ok)" false
	mending sp
	again
	again
	again
	assert_equal "$(db-query health_checks service=sp-api ok=true "checked_at>$(ago 2 minutes)" | wc -l)" 2
}

@test "what a program says that ends without a record is its detail; one that hangs is ended" {
	start_sim
	outside
	stub fetch/keepa-fetch <<-'EOF'
		printf 'keepa-fetch: \033[31mout of \342\200\256memory\t\000 https://u:p@x/?key=abc xoxb-1-abcdef pk_9_XYZ\n' >&2
		exit 139
	EOF
	stub notify/clickup-post <<-'EOF'
		echo '{"type":"health_checks","service":"slack","ok":true}'
		echo '{"type":"health_checks","service":"clickup","ok":"yes"}'
		echo '{"type":'
	EOF
	stub fetch/sp-fetch <<<'exec sleep 99'
	sed -i 's/-k 5 40/-k 1 2/' away/pipelines/checks.sh
	health
	assert_success
	assert_equal "$(kept keepa)" '[false,"[31mout of memory  https://***@x/?key=*** *** *** (status 139)"]'
	assert_equal "$(kept clickup)" '[false,"it said nothing"]'
	assert_equal "$(kept sp-api)" '[false,"it took longer than 2 s"]'
	assert_equal "$(kept slack)" '[true,"team Simulated, user sellerpipe"]'
}

@test "fault 24: an answer of 200 that is none is no health" {
	export HEALTH_STRIKES=9
	start_sim
	for fault in html empty '{}' '[]'; do
		[[ $fault == [a-z]* ]] && fault="{\"fault\":\"$fault\",\"times\":9}" || fault="{\"fault\":\"body\",\"body\":\"$fault\",\"times\":9}"
		for api in keepa slack lwa clickup; do
			faults "$api" "[$fault]"
		done
		db-load --init </dev/null
		db-query health_checks service=sp-api | jq -c '.op = "delete"' | db-load
		again
		assert_success
		for service in keepa slack sp-api clickup; do
			assert_equal "$fault $service $(kept "$service" '.ok, .detail != ""' | tr '\n' ' ')" "$fault $service false true "
		done
		for api in keepa slack lwa clickup; do
			mending "$api"
		done
	done
}

@test "what a service says means nothing in a message, and no secret is anywhere" {
	start_sim
	KEEPA_API_KEY=$(printf 'k%.0s' {1..64})
	export KEEPA_API_KEY HEALTH_STRIKES=1
	faults keepa "[{\"fault\":\"400\",\"message\":\"<!channel> <https://x|y> *a* \\u202e\\u001b[2J key $KEEPA_API_KEY &\\n2\",\"times\":9}]"
	health
	assert_success
	run told
	assert_output --partial '&lt;!channel&gt; &lt;https://x|y&gt; *a*'
	refute_output --partial '<!'
	run jq -r '[.blocks[].text.type] | unique[]' < <(control slack/messages)
	assert_output plain_text
	run grep -rlE "$KEEPA_API_KEY|xoxb-test|Atzr|pk_test" logs spool test.db
	assert_output ''
	run bash -c "told() { curl -s '$sim/_sim/slack/messages'; }; told | grep -c '$KEEPA_API_KEY'"
	assert_output 0
	faults keepa "[{\"fault\":\"400\",\"message\":\"$(printf 'long %.0s' {1..400})\",\"times\":9}]"
	again
	[ "$(kept keepa '.detail | length')" -le 300 ]
}

@test "a job that was not at work for its hours is told of, others are not" {
	db-load --init </dev/null
	watched
	ran badges 0 4 && ran badges 77 1 '{"error":"keepa-fetch: Keepa refuses KEEPA_API_KEY"}'
	ran sales 75 3 && ran sales 0 49
	ran backup 0 51
	ran summary 74 60
	ran mine 77 99
	ran health 74 99
	HEALTH_MINE_HOURS=0 health
	run jq -r 'select(.service | startswith("job:")) | "\(.service) \(.ok) \(.detail)"' < <(db-query health_checks)
	assert_line --index 0 --regexp '^job:backup false no good run since .* UTC, for 2 days$'
	assert_line --index 1 --regexp '^job:badges false no good run since .* UTC, for 4 h; the last ended with status 77: keepa-fetch: Keepa refuses KEEPA_API_KEY$'
	assert_line --index 2 'job:sales true at work 2 days ago'
	assert_line --index 3 'job:summary false no good run yet; the last ended with status 74'
	assert_equal "${#lines[@]}" 4
	ran badges 0 2
	HEALTH_SALES_HOURS=48 HEALTH_BACKUP_HOURS=0 HEALTH_MINE_HOURS=5 again
	assert_equal "$(kept job:badges)" '[true,"at work 2 h ago"]'
	assert_equal "$(kept job:sales .ok)" false
	assert_equal "$(kept job:mine .ok)" false
	assert_equal "$(db-query health_checks service=job:backup | wc -l)" 1
}

@test "a job that is never done, but at work, is well" {
	db-load --init </dev/null
	watched
	ran badges 75 1 && ran sales 75 1 && ran badges 0 99 && ran sales 0 99
	printf '%s\n' "{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00001\",\"last_updated\":\"$(ago 30 minutes)\"}" \
		"{\"type\":\"report_requests\",\"request_id\":\"1\",\"marketplace\":\"US\",\"date\":\"2026-11-18\",\"granularity\":\"CHILD\",\"status\":\"DONE\",\"created_at\":\"$(ago 9 hours)\",\"updated_at\":\"$(ago 5 hours)\"}" |
		db-load
	health
	assert_equal "$(kept job:badges)" '[true,"at work 30 min ago"]'
	assert_equal "$(kept job:sales)" '[true,"at work 5 h ago"]'
}

@test "a job is not blamed for what it needs, nor for a machine that slept" {
	start_sim
	only keepa slack
	db-load --init </dev/null
	ran badges 0 9
	ran backup 0 90
	health # nobody was watching: it was switched off
	assert_equal "$(db-query health_checks | grep -c job:)" 0
	watched
	faults keepa '[{"fault":"status","code":503,"times":2}]'
	again # Keepa is down
	assert_equal "$(kept job:badges)" ''
	assert_equal "$(kept job:backup .ok)" false
	mending keepa
	again # it came back just now
	assert_equal "$(kept job:badges)" ''
	db-query health_checks service=keepa ok=false | jq -c '.op = "delete"' | db-load
	again
	assert_equal "$(kept job:badges .ok)" false
	db-query health_checks service=disk | jq -c '.op = "delete"' | db-load
	checks disk true 230 200 170 60 20 # it slept for two hours
	db-query health_checks service=job:badges | jq -c '.op = "delete"' | db-load
	again
	assert_equal "$(kept job:badges)" ''
}

@test "ASINs that are not looked at in time, though the job is at work" {
	db-load --init </dev/null
	watched
	ran badges 0 1
	track.sh add B0SIM00001 B0SIM00002 B0SIM00003 B0SIM00004 >/dev/null
	track.sh add B0SIM00005 --every 1440 >/dev/null
	for asin in 1 2 3 5; do
		echo "{\"type\":\"tracked_asins\",\"marketplace\":\"US\",\"asin\":\"B0SIM0000$asin\",\"added_at\":\"$(ago 9 days)\"}"
	done | db-load
	for look in '1 170' '2 190' '5 4000'; do
		echo "{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM0000${look% *}\",\"status\":\"ok\",\"last_updated\":\"$(ago "${look#* }" minutes)\"}"
	done | db-load
	health
	# 2 is late, 3 never was looked at, 4 is new, 1 and 5 have time
	assert_equal "$(kept data:badges)" '[false,"2 ASINs were not looked at in time, US B0SIM00003: never"]'
	echo '{"type":"tracked_asins","op":"delete","marketplace":"US","asin":"B0SIM00003"}' | db-load
	again
	assert_equal "$(kept data:badges)" '[false,"1 ASINs were not looked at in time, US B0SIM00002: 3 h 10 min ago"]'
	# The job itself is not at work: that is the news.
	db-query runs job=badges | jq -c '.op = "delete"' | db-load
	db-query asin_current_state | jq -c '.op = "delete"' | db-load
	ran badges 0 5
	again
	assert_equal "$(kept job:badges .ok)" false
	assert_equal "$(db-query health_checks service=data:badges | wc -l)" 2
}

@test "fault 30: rows that are ahead of now say that the clock was, or is, wrong" {
	db-load --init </dev/null
	echo "{\"type\":\"api_usage_log\",\"usage_id\":\"1\",\"service\":\"keepa\",\"processing_completed_at\":\"$(date -u -d '+50 minutes' +%Y-%m-%dT%H:%M:%SZ)\"}" | db-load
	health
	assert_equal "$(kept clock .ok)" true
	at=$(date -u -d '+100 hours' +%Y-%m-%dT%H:%M:%SZ)
	echo "{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00001\",\"last_updated\":\"$at\"}" | db-load
	again
	assert_equal "$(kept clock .ok)" false
	assert_regex "$(kept clock .detail)" "^\"asin_current_state has a row of ${at:0:10} ${at:11:5} UTC, 4 days ahead: the clock was ahead then, or is behind now\"$"
}

@test "fault 30: a clock that was ahead for a while makes no incident of its own" {
	command -v faketime >/dev/null || skip 'no faketime'
	db-load --init </dev/null
	health
	next_second
	faketime '+26 hours' "$top/pipelines/health.sh" || skip 'faketime does not work here'
	health
	assert_equal "$(db-query health_incidents | jq -c '[.service, .failures]')" '["clock",1]'
	run faketime '1970-01-03 00:00:00' "$top/pipelines/health.sh"
	assert_success
	run faketime '2039-01-03 00:00:00' "$top/pipelines/health.sh"
	assert_success
}

@test "too little room on the disk" {
	mkdir bin
	cat >bin/df <<-'EOF'
		#!/bin/bash
		echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
		case $1 in
		-Pi) echo "/dev/x 1000 1 ${INODES:-999} 1% /" ;;
		*) echo "/dev/x $SIZE 1 $FREE 1% /" ;;
		esac
	EOF
	chmod +x bin/df
	unset HEALTH_DISK_MB
	PATH=$PWD/bin:$PATH
	export SIZE FREE INODES
	while read -r SIZE FREE INODES ok detail; do
		sed -i '/^rm/d' bin/df
		health
		assert_equal "$SIZE $FREE $(kept disk)" "$SIZE $FREE [$ok,\"$detail\"]"
		next_second
	done <<-'!'
		10485760 524288 999 true 512 MB free, 5 %
		10485760 511999 999 false 499 MB free, 4 %
		104857600 3145728 999 true 3072 MB free, 3 %
		104857600 2097152 999 false 2048 MB free, 2 %
		1048576000 20971520 999 true 20 GB free, 2 %
		104857600 52428800 9 false 9 inodes are left in .
		x y 999 false cannot tell: x y .
	!
	SIZE=10485760 FREE=104857 HEALTH_DISK_MB=50 health
	assert_equal "$(kept disk .ok)" false # 1 %
}

@test "a database that is gone, or emptied, is down, and none is made (fault 39)" {
	start_sim
	track.sh add B0SIM00001
	badges.sh
	backup.sh
	rm "${DATABASE_URL#sqlite:}"*
	HEALTH_STRIKES=1 run -0 health.sh
	[ ! -e "${DATABASE_URL#sqlite:}" ]
	run told
	assert_output --partial 'is gone; restore.sh brings it back'
	for job in badges.sh summary.sh prune.sh sales.sh; do
		run -78 $job
		assert_output --partial 'is gone; restore.sh brings it back'
	done
	db-load --init </dev/null
	run -78 doctor.sh
	assert_output --partial 'it is empty, and the last backup was not'
	rm "${DATABASE_URL#sqlite:}"*
	run -78 doctor.sh
	assert_output --partial 'is gone'
	[ ! -e "${DATABASE_URL#sqlite:}" ]
}
