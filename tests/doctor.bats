#!/usr/bin/env bats
# doctor.sh: on a home with each of the defects that it is to find.
# shellcheck disable=SC2154 # top, sim, stderr: from helper.bash and run
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	unset DATABASE_URL
	export HEALTH_DISK_MB=1 SLACK_CHANNEL_LOGS=CLOGS00 SLACK_CHANNEL_ALERTS=CALERTS
	mkdir home bin
	# No schedule but the tests' own.
	printf '#!/bin/sh\nexit 1\n' | tee bin/systemctl >bin/crontab
	chmod +x bin/*
	PATH=$PWD/bin:$PATH
	export SELLERPIPE_HOME=$PWD/home
	cd home || return
}

teardown() {
	stop_sim
}

ago() { # ago 4 hours: that time
	date -u -d "-$1 $2" +%Y-%m-%dT%H:%M:%SZ
}

doctor() {
	run --separate-stderr "$top/pipelines/doctor.sh" "$@"
	assert_equal "$stderr" ''
}

# says STATE WHAT DETAIL [HINT]: the row of what, and what stands under it, as patterns.
says() {
	local rows
	rows=$(grep -A 1 -E "^$1 +$2 " <<<"$output") || {
		echo "no row '$1 $2' in:"
		echo "$output"
		return 1
	}
	grep -qE "^$1 +$2 +$3" <<<"$rows" || {
		echo "$rows"
		return 1
	}
	[ -z "${4-}" ] || grep -qE "→ .*$4" <<<"$rows" || {
		echo "$rows"
		return 1
	}
}

settings() { # settings LINE...: those of .env
	printf '%s\n' "$@" >.env
	chmod 600 .env
}

@test "an empty home: what to do first; nothing is made" {
	doctor
	assert_equal "$status" 78
	says ok programs 'all there, jq 1'
	says ok folder "$PWD"
	says bad .env 'none, and the environment has no settings' 'begin here: cp .*/.env.example .env && chmod 600 .env'
	says - database 'none yet' 'track.sh add'
	says - keepa 'KEEPA_API_KEY is not set' 'https://keepa.com/#!api'
	says - slack 'SLACK_BOT_TOKEN is not set' 'api.slack.com/apps.*xoxb-'
	says - sp-api 'SP_API_CLIENT_ID and the others are not set' 'Brand Analytics'
	says - clickup 'CLICKUP_API_TOKEN is not set' 'Settings, Apps'
	run ls -A
	assert_output ''
	cd ..
	SELLERPIPE_HOME=nowhere run "$top/pipelines/doctor.sh"
	assert_failure 78
	assert_output "doctor.sh: SELLERPIPE_HOME 'nowhere' is no folder that we may go to; make it: mkdir -p 'nowhere'"
	run "$top/pipelines/doctor.sh" --fix
	assert_failure 64
}

@test "a home where all is well: 0, nothing kept, nothing sent, no escape sequence" {
	start_sim
	settings '# none'
	db-load --init </dev/null
	track.sh add B0SIM00001 >/dev/null
	run -0 "$top/pipelines/badges.sh"
	printf '#!/bin/sh\necho "sellerpipe.timer enabled"\n' >../bin/systemctl
	control requests >/dev/null
	curl -sS -X DELETE "$sim/_sim/requests" >/dev/null
	before=$(db-query health_checks && db-query runs && db-query notifications)
	files=$(find . | grep -v -e '-shm' -e '-wal' | sort)
	SP_API_SECRET_DATE=$(date -u -d '-10 days' +%F) doctor
	echo "$output"
	assert_success
	says ok .env 'ours alone, mode 600'
	says ok database "amazon.db, [0-9]+ kB, schema [0-9]+"
	says ok disk '[0-9]+ [GM]B free'
	says ok keepa '[0-9]+ tokens left'
	says ok slack 'team Simulated, user sellerpipe'
	says ok sp-api 'takes part in: US CA'
	says ok clickup 'user Simulated'
	says ok 'SP-API secret' '10 days old, of 180'
	says ok ASINs '1 tracked'
	says ok job:badges 'at work 0 s|at work [0-9]+ s ago'
	says ok clock 'no row is ahead'
	says ok schedule 'all jobs are scheduled'
	refute_output --regexp $'\e|^(bad|look)'
	assert_equal "$(db-query health_checks && db-query runs && db-query notifications)" "$before"
	assert_equal "$(find . | grep -v -e '-shm' -e '-wal' | sort)" "$(printf '%s\n' "$files" ./sp-api.state | sort -u)"
	assert_equal "$(requests slack .path)" '"/slack/api/auth.test"'
	assert_equal "$(requests keepa .path)" '"/keepa/token"'
}

@test "--no-network asks nobody; --json is a record a row" {
	start_sim
	db-load --init </dev/null
	doctor --no-network --json
	assert_success
	assert_equal "$(jq -c 'keys_unsorted' <<<"$output" | sort -u)" '["type","what","state","status","detail","hint"]'
	assert_equal "$(jq -c 'select(.what == "network") | del(.type)' <<<"$output")" \
		'{"what":"network","state":"-","status":0,"detail":"was not asked (--no-network)","hint":null}'
	assert_equal "$(control requests)" ''
}

@test "on a terminal: signs and colours" {
	command -v script >/dev/null || skip 'no script(1)'
	run script -qec "$top/pipelines/doctor.sh --no-network" /dev/null
	assert_failure 78
	assert_output --partial $'\e[32m✓\e[0m programs'
	assert_output --partial $'\e[31m✗\e[0m .env'
	NO_COLOR=1 run script -qec "$top/pipelines/doctor.sh --no-network" /dev/null
	refute_output --partial $'\e'
}

@test ".env: who may read it, whose it is, bad lines, settings that nobody reads" {
	settings KEEPA_API_KEY=x
	chmod 640 .env
	doctor --no-network
	assert_equal "$status" 78
	says bad .env 'others can read it \(mode 640\)' 'chmod 600 .env'
	settings '# a comment' 'KEEPA_API_KEY=secret-key' '' 'export A=1' 'what is this secret' 'B =2' 'also: bad'
	doctor --no-network
	says bad .env 'lines that are not NAME=value: 5, 7'
	refute_output --partial secret
	settings "KEEPA_API_KEY='secret-key"
	doctor --no-network
	assert_equal "$status" 78
	says bad .env '.env:1: not of the form NAME=value' 'quotes'
	refute_output --partial secret
	settings KEEPA_APIKEY=x SLACK_CHANEL=C SLACK_BOT_TOKEN_FILE=/x HEALTHCHECK_URL_SALES=https://x SP_API_REFRESH_TOKEN_EU=x \
		HEALTH_SALES_HOURS=9 SPOOL_DAYS=3 MY_OWN_THING_ALTOGETHER=1 LWA_APP_ID=x
	doctor --no-network
	says look settings 'unknown in .env: KEEPA_APIKEY \(KEEPA_API_KEY\?\), SLACK_CHANEL \(SLACK_CHANNEL\?\), MY_OWN_THING_ALTOGETHER$'
	if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
		settings KEEPA_API_KEY=x
		chown nobody .env
		doctor --no-network
		says bad .env 'it belongs to nobody, and we are root' 'chown root .env'
	fi
}

@test "keys that are refused, and what to do about each: 77" {
	start_sim
	faults keepa '[{"fault":"402"}]'
	faults slack '[{"fault":"error","error":"token_revoked"}]'
	faults lwa '[{"fault":"error","error":"invalid_client"}]'
	faults clickup '[{"fault":"error","error":"OAUTH_025"}]'
	doctor
	assert_equal "$status" 77
	says bad keepa '.*402' 'plan is paid for.*https://keepa.com/#!api'
	says bad slack token_revoked 'https://api.slack.com/apps, OAuth & Permissions'
	says bad sp-api '.*invalid_client' 'renew the client secret'
	says bad clickup 'Token invalid' 'Settings, Apps'
	faults sp '[{"fault":"403","path":"/reports/*"}]'
	faults slack '[{"fault":"ok","headers":{"x-oauth-scopes":"identify,chat:write.public"}}]'
	faults keepa '[{"fault":"status","code":503,"times":2}]'
	doctor
	assert_equal "$status" 77
	says bad sp-api '.*Brand Analytics' 'needs the role Brand Analytics, and has to be authorized once more'
	says bad slack 'missing_scope: the token is not good for chat:write' 'add the scope chat:write'
	says bad keepa 'HTTP status 503' 'by itself'
	faults keepa '[{"fault":"status","code":503,"times":2}]'
	doctor
	assert_equal "$status" 75
	unset SP_API_CLIENT_SECRET
	doctor
	assert_equal "$status" 78
	says bad sp-api 'SP_API_CLIENT_SECRET is not set' 'put it into .env'
}

@test "a client secret that Amazon does not take any more, or soon will not" {
	export SP_API_CLIENT_SECRET=x
	doctor --no-network
	says look 'SP-API secret' 'SP_API_SECRET_DATE is not set'
	SP_API_SECRET_DATE=$(date -u -d '-181 days' +%F) doctor --no-network
	assert_equal "$status" 77
	says bad 'SP-API secret' '181 days old' 'renew it'
	SP_API_SECRET_DATE=$(date -u -d '-170 days' +%F) doctor --no-network
	says look 'SP-API secret' 'it expires in 10 days'
	SP_API_SECRET_DATE=2026-02-31 doctor --no-network
	says bad 'SP-API secret' 'SP_API_SECRET_DATE is no day'
}

@test "channels and tasks that take nothing" {
	start_sim
	db-load --init </dev/null
	printf '%s\n' '{"type":"notifications","notification_id":"1","sink":"slack","target":"C0TEST","state":"failed","error":"not_in_channel"}' \
		'{"type":"notifications","notification_id":"2","sink":"slack","target":"CLOGS00","state":"failed","error":"not_in_channel"}' \
		'{"type":"notifications","notification_id":"3","sink":"slack","target":"CLOGS00","state":"sent"}' \
		'{"type":"notifications","notification_id":"4","sink":"clickup","target":"86test","state":"failed","error":"Task not found"}' | db-load
	SLACK_CHANNEL_ALERTS='#alerts' doctor --no-network
	assert_equal "$status" 78
	says bad SLACK_CHANNEL 'C0TEST takes no message: not_in_channel' '/invite'
	says look SLACK_CHANNEL_ALERTS "'#alerts' is no channel's id"
	says bad CLICKUP_TASK_ID 'the task takes no comment: Task not found'
	refute_output --partial CLOGS00
	unset SLACK_CHANNEL CLICKUP_TASK_ID
	doctor --no-network
	says bad SLACK_CHANNEL 'not set'
	says look CLICKUP_TASK_ID 'not set'
}

@test "ASINs that Keepa does not know for more than a day; up to ten" {
	db-load --init </dev/null
	doctor --no-network
	says - ASINs 'none are tracked' 'track.sh add'
	for n in {10..22}; do
		echo "{\"type\":\"tracked_asins\",\"marketplace\":\"US\",\"asin\":\"B0SIM000$n\",\"added_at\":\"$(ago 3 days)\"}"
		echo "{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM000$n\",\"status\":\"unknown\",\"last_updated\":\"$(ago 1 hour)\"}"
	done | db-load
	# One is new, one was there an hour ago, one is well.
	printf '%s\n' '{"type":"tracked_asins","marketplace":"US","asin":"B0SIM00030"}' \
		"{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00030\",\"status\":\"unknown\",\"last_updated\":\"$(ago 1 hour)\"}" \
		"{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00010\",\"source_updated_at\":\"$(ago 1 hour)\"}" \
		"{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00011\",\"status\":\"ok\"}" | db-load
	KEEPA_API_KEY=x doctor --no-network
	says look ASINs '14 tracked; Keepa knows nothing of 11: US B0SIM.* …$' 'track.sh remove ASIN'
	refute_output --regexp 'B0SIM000(30|10|11)'
}

@test "the database: not ours, damaged, older, newer, elsewhere, open to others" {
	export KEEPA_API_KEY=x
	sqlite3 amazon.db 'CREATE TABLE x (y)'
	doctor --no-network
	assert_equal "$status" 78
	says bad database ".*somebody else's tables" 'name another file'
	printf 'no database\n%9999s' '' >amazon.db
	doctor --no-network
	assert_equal "$status" 74
	says bad database '.*not a database' 'restore.sh'
	rm -f amazon.db*
	db-load --init </dev/null
	chmod 644 amazon.db
	doctor --no-network
	assert_success
	says look database 'others may read amazon.db \(mode 644\)' 'chmod 600 amazon.db'
	sqlite3 amazon.db 'PRAGMA user_version = 99'
	doctor --no-network
	assert_equal "$status" 78
	says bad database '.*has schema 99' 'install the newer one'
	rm amazon.db
	DATABASE_URL=sqlite:/nowhere/x.db doctor --no-network
	assert_equal "$status" 78
	says bad database 'no folder /nowhere'
	sqlite3 amazon.db <"$top/load/schema/sqlite/001-badges.sql"
	sqlite3 amazon.db 'PRAGMA user_version = 1; PRAGMA journal_mode = WAL' >/dev/null
	doctor --no-network
	says look database 'amazon.db, [0-9]+ kB: schema 1, and this is' 'next job brings it up to date'
	assert_equal "$(sqlite3 amazon.db 'PRAGMA user_version')" 1
}

@test "jobs that are late, that nothing starts, changes that nobody was told of, a clock that was wrong" {
	export KEEPA_API_KEY=x
	db-load --init </dev/null
	printf '%s\n' "{\"type\":\"runs\",\"run_id\":\"1\",\"job\":\"badges\",\"started_at\":\"$(ago 9 hours)\",\"finished_at\":\"$(ago 9 hours)\",\"status\":77,\"error\":\"refused\"}" \
		"{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B0SIM00030\",\"last_updated\":\"$(date -u -d "+100 hours" +%Y-%m-%dT%H:%M:%SZ)\"}" \
		"{\"type\":\"bestseller_changes\",\"change_id\":\"1\",\"marketplace\":\"US\",\"asin\":\"B0SIM00030\",\"change_type\":\"gained\",\"category_id\":\"1\",\"new_rank\":1,\"changed_at\":\"$(ago 9 hours)\",\"detected_at\":\"$(ago 9 hours)\"}" |
		db-load
	mkdir -p spool
	touch -d '-5 hours' spool/report-x.slack_message
	printf '#!/bin/sh\necho "0 * * * * /usr/lib/pipelines/badges.sh"\necho "# 1 1 * * * /x/health.sh"\n' >../bin/crontab
	doctor --no-network
	assert_equal "$status" 75
	says bad clock 'asin_current_state has a row of .* ahead' 'NTP'
	says bad alerts '1 changes that nobody was told of' 'badges.sh tells of them'
	says look schedule 'nothing starts health backup prune' 'sellerpipe-health.timer'
	says look spool '1 files'
	echo '{"type":"asin_current_state","op":"delete","marketplace":"US","asin":"B0SIM00030"}' | db-load
	doctor --no-network
	says bad job:badges 'no good run yet; the last ended with status 77: refused' 'a key or token is refused.*logs/badges.log'
}

@test "programs that are missing, or too old" {
	mkdir ../few
	for name in bash jq awk sed tr cat stat date dirname id df timeout sort paste mapfile od find wc grep cut env tail ls mkdir uname; do
		! command -v "$name" >/dev/null || ln -s "$(command -v "$name")" ../few/ 2>/dev/null || true
	done
	export TZDIR=/nowhere
	PATH=$PWD/../few run "$top/pipelines/doctor.sh" --no-network
	assert_failure 78
	says bad programs 'missing: flock setsid gzip tzdata' 'apt install'
	printf '#!/bin/bash\n[ "$1" != --version ] && exec %s "$@"\necho jq-1.5\n' "$(command -v jq)" >../bin/jq
	chmod +x ../bin/jq
	doctor --no-network
	says bad programs 'missing: jq 1.6 \(this is 1.5\)'
}

@test "foreign words obey nobody, and no secret is shown" {
	start_sim
	faults slack '[{"fault":"error","error":"bad\u001b]0;x\u0007 xoxb-test"}]'
	faults keepa '[{"fault":"400","message":"key test-key \u001b[2J"}]'
	doctor
	refute_output --regexp $'[\x01-\x09\x0b-\x1f\x7f]|xoxb-test|test-key|Atzr|pk_test'
}

@test "settings that are no numbers, or no addresses, are told before a job stops for them" {
	track.sh add B0SIM00001
	SPOOL_DAYS=-1 KEEP_DAILY=x SP_BURST=x HEALTHCHECK_URL_BADGES=notaurl run -78 doctor.sh --no-network
	for name in SPOOL_DAYS KEEP_DAILY SP_BURST; do
		assert_line --regexp "^bad +$name +'[^']*' is no number"
	done
	assert_line --regexp '^bad +HEALTHCHECK_URL_BADGES +is no https:// address'
	SP_BURST=x run -78 sales.sh
	assert_output --partial "SP_BURST 'x' is no number"
}

@test "every script tells its version" {
	for script in badges.sh sales.sh track.sh replay.sh summary.sh status.sh health.sh doctor.sh backup.sh restore.sh prune.sh job; do
		run -0 command $script --version
		assert_output --regexp "^$script [0-9]+[.][0-9]+[.][0-9]+$"
	done
}

@test "root keeps out of somebody else's home, where what it makes could not be written to any more" {
	[ "$(id -u)" -eq 0 ] || skip 'we are not root'
	track.sh add B0SIM00001
	chown -R nobody .
	run -78 badges.sh
	assert_output --regexp "^badges.sh: '.*' is nobody's: runuser -u nobody -- env SELLERPIPE_HOME="
}
