#!/bin/bash
# health.sh - see how everything is; tell who went down, and who is well again
#
#     health.sh           every 15 minutes, from cron
#
# Looks at the database, the disk, the clock, at Keepa, Slack, ClickUp and Amazon (at
# Amazon hourly, while it is well), if their settings are there, and at when each job
# was last at work.  All that is kept in `health_checks`.  A service that failed
# HEALTH_STRIKES (3) times in a row is told of once, in Slack; and once more when it
# was well twice in a row.
#
# Of several machines at one database one looks, for all of them, as long as it does
# so every 20 minutes.  The others look at their own disk only (74 if that is full), and
# at all that there is while the database is down.
#
# While the database is down, what is to be kept waits in spool/.  While Slack is, what
# is to be said is said on standard error, once, and in Slack once that is back.
#
# Status: 0, also if services are down: somebody was told; 74 if that could not be, or
# the records could not be kept; without a Slack token 74 as long as anything is down,
# so that HEALTHCHECK_URL_HEALTH knows; 78 a setting is wrong.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
'') ;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac
as_job health health "--timeout 300" "$@"
# shellcheck source=checks.sh
. "$here/checks.sh"

pending=spool/health-checks  # records that are not in the database yet
notes=spool/health-notes     # what was sent or said, if that is not
memory=spool/health-database # of the database's incident, for as long as it has one
status=0

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

strikes=$(setting HEALTH_STRIKES 3)
[[ $strikes =~ ^[1-9][0-9]?$ ]] || {
	say "HEALTH_STRIKES '$strikes' is no number from 1 to 99"
	exit 78
}

# Whether no other machine does this, as far as the database can say.
my_turn() {
	local turn
	! lost_database || return 0
	turn=$(limited db-query --claim turns turn=health --lease 20m 2>/dev/null) || return 0
	[ -n "$turn" ]
}

# The last that is known of Amazon: it is asked hourly while it is well, since its
# rate is shared with the jobs.
due_at_amazon() {
	local last
	last=$(limited db-query health_checks service=sp-api "checked_at<=$(now)" --order -checked_at --limit 2 2>/dev/null) ||
		last=$(grep '"sp-api"' "$pending" | tail -n 2) || true
	printf '%s\n' "$last" | jq -se 'length == 0 or any(.[]; .ok | not)
		or (map(.checked_at | fromdateiso8601) | max) < now - 3300' >/dev/null
}

# Side by side, so that none waits for another.
collect() {
	local service
	ask database write_and_read &
	check_disk &
	for service in $(services); do
		{ [ "$service" != sp-api ] || due_at_amazon; } && asked "$service" &
	done
	wait
}

# record SERVICE: of those of this run.
record() {
	jq -c --arg service "$1" 'select(.service == $service)' <<<"$records"
}

# Records, into a database that is there.
load() {
	! lost_database || return 78
	limited db-load 2>/dev/null
}

# The spool's, and these: into the database, or they stay there.
keep() { # keep RECORDS
	local all code=0 kept=true
	all=$(
		[ ! -e "$pending" ] || tail -n 20000 "$pending"
		printf '%s\n' "$1"
	)
	printf '%s\n' "$all" 2>/dev/null >"$pending.tmp" && mv "$pending.tmp" "$pending" || kept=false
	printf '%s\n' "$all" | load || code=$?
	case $code in
	0 | 65) rm -f "$pending" ;;
	*) $kept || {
		[ "$(recall | jq '.told // .said // false')" = true ] || say 'these checks could not be kept'
		note 74
	} ;;
	esac
	stages db-load "$code" 2>/dev/null || true
	[ "$code" -eq 0 ] || [ "$code" -eq 65 ]
}

# What was sent: into the database, or it stays in the spool.
keep_notes() {
	local code=0
	[ -s "$notes" ] || return 0
	load <"$notes" || code=$?
	case $code in
	0 | 65) rm -f "$notes" ;;
	esac
}

recall() { # what is remembered of the database's incident: an object
	local line=''
	[ ! -r "$memory" ] || IFS= read -r line <"$memory" || true
	jq -Rc '(fromjson? // {}) | if type == "object" then . else {} end' <<<"$line"
}

# In place, in a file that is there already: a full disk takes that, too.
remember() { # remember OBJECT
	printf '%-4000s\n' "$1" 2>/dev/null 1<>"$memory" || true
}

# What it has of an outage that left no other trace, as records.
traces() {
	recall | jq -c 'select(.down_since and .failures > 0)
		| ({at: .down_since}, {at: .last_failed_at, detail}) as $row
		| {type: "health_checks", service: "database", checked_at: $row.at, ok: false} + ($row | del(.at)),
		  (select(.told) | {type: "notifications", notification_id: "health:database:\(.down_since):down",
			sink: "slack", state: "sent"})' | jq -sc 'unique[]'
}

# The incidents that are known, and who was told.  While the database is down, only
# its own is: of what else is not well, its message tells.
known() {
	if $has_database; then
		db-query health_incidents
		db-query notifications 'notification_id>=health:' 'notification_id<health;'
	else
		recall | jq -c --argjson also "$(jq -sc 'map(select(.ok | not) | select(.service != "database")
			| "\(.service): \(.detail)")' <<<"$records")" \
			'{type: "health_incidents", service: "database", up_since: null, $also} + .,
			 (select(.told) | {type: "notifications", notification_id: "health:database:\(.down_since):down",
				sink: "slack", state: "sent"}),
			 (select(.said) | {type: "notifications", notification_id: "health:database:\(.down_since):down",
				sink: "stderr", state: "failed"})'
	fi
	[ ! -e "$notes" ] || jq -Rc 'fromjson? // empty' "$notes"
}

# Of these, what is yet to be told.  said: standard error has it.  What was well
# just now is not said to be down: it may be over.
unsaid() {
	known | jq -nc --argjson strikes "$strikes" \
		--argjson well "$(jq -sc 'map(select(.ok).service)' <<<"$records")" '
		[inputs] as $all
		| (reduce ($all[] | select(.type == "notifications")) as $n ({};
			.[$n.notification_id] |= {sent: (.sent or $n.state == "sent"), said: (.said or $n.sink == "stderr")})) as $told
		| $all[] | select(.type == "health_incidents")
		| "health:\(.service):\(.down_since)" as $id
		| .down = "\($id):down" | .up = "\($id):up"
		| if .up_since == null then select(.failures >= $strikes and ([.service] | inside($well) | not)) | .id = .down | .state = "down"
		  elif $told[.down].sent then .id = .up | .state = "up"
		  else select(.failures >= $strikes and (.up_since | fromdateiso8601) > now - 7 * 86400) | .id = .up | .state = "was" end
		| select($told[.id].sent | not)
		| .said = ($told[.id].said // false) | del(.type, .up, .down)'
}

# say_so CHANGES STATE WHY: on standard error, what it has not had.
say_so() {
	jq -r -L "$words" 'include "health-words"; select(.said | not)
		| sentence, (if .state == "down" then "  what to do: \(hint)" else empty end),
		(.also // [] | select(. != []) | "  also not well: " + (map(words) | join("; ")))' <<<"$1" >&2
	jq -c --arg state "$2" --arg why "$3" '{type: "notifications", notification_id: .id, sink: "stderr", state: $state}
		+ if $state == "sent" then {sent_at: (now | todate)} else {error: $why} end' <<<"$1" >>"$notes" || true
}

send() { # send CHANGES: by Slack; what that says instead is on standard output
	SLACK_CHANNEL_LOGS=$(setting SLACK_CHANNEL_LOGS '') SLACK_CHANNEL_ALERTS=$(setting SLACK_CHANNEL_ALERTS '') \
		SLACK_CHANNEL=$(setting SLACK_CHANNEL '') jq -sc -L "$words" -f "$words/health-alert.jq" <<<"$1" |
		limited slack-post --max-wait 10 2>&1 >>"$notes" | tail -n 1 | cut -c 1-300
}

# mark NAME: of the database's incident, for when a full disk has no room for notes.
mark() {
	$has_database || remember "$(recall | jq -c --arg name "$1" '.[$name] = true')"
}

tell() {
	local changes said code=0
	changes=$(unsaid)
	[ -n "$changes" ] || return 0
	if has SLACK_BOT_TOKEN; then
		said=$(send "$changes") || code=$?
		stages slack-post "$code" 2>/dev/null || true
		case $code in
		0 | 74) mark told ;; # 74: sent, but there was no room to note it
		esac
		[ "$code" -ne 0 ] || return 0
		changes=$(unsaid)
		[ -n "$changes" ] || return 0
		say_so "$changes" failed "${said:-status $code}"
	else
		say_so "$changes" sent ''
	fi
	mark said
	note 74
}

# Without Slack, only our status tells, and does as long as anything is down.
down() {
	known | jq -se --argjson strikes "$strikes" 'any(.[]; .type == "health_incidents" and .up_since == null
		and .failures >= $strikes)' >/dev/null
}

my_turn || {
	disk=$(check_disk)
	jq -e .ok <<<"$disk" >/dev/null || {
		say "the disk: $(jq -r .detail <<<"$disk")"
		exit 74
	}
	idle
	exit 0
}
records=$(collect)
has_database=false
if [ "$(record database | jq .ok)" = true ]; then
	has_database=true
	records+=$'\n'$(check_clock)
	records+=$'\n'$(check_jobs "$records")
	keep "$(traces)"$'\n'"$records" || has_database=false
	keep_notes
else
	remember "$(recall | jq -c --argjson r "$(record database)" '.down_since //= $r.checked_at
		| .last_failed_at = $r.checked_at | .failures = (.failures // 0) + 1 | .detail = $r.detail')"
	keep "$records" || true
fi
did "$(jq -s length <<<"$records")" 2>/dev/null || true
if $has_database; then
	open=$(db-query health_incidents service=database up_since=null --limit 1)
	remember "$(jq -c '{down_since, failures: 0}' <<<"${open:-{\}}")"
fi
tell
has SLACK_BOT_TOKEN || ! down || note 74
! $has_database || keep_notes
exit "$status"
