#!/bin/bash
# summary.sh - tell in Slack what happened since the last summary
#
#     summary.sh            daily at 08:00 UTC
#     summary.sh --print    show it so far; nothing is kept, nothing sent
#
# It is about the time from where the last one ended (at first: 24 hours ago) until
# now, or until a badges run began that is not done: so no time is told twice, and
# none is left out, whenever it runs.  That is kept in `summaries` before anything
# is sent.  What a run that failed or was killed had not sent, the next one sends
# first, about the same time and with the same id; while Slack does not take it,
# no other is begun.
#
# Of several machines at one database one does this: that which did it last, unless it
# did not for 20 hours.  The others have nothing to do.
#
# Status: 0; 65 Slack will not take one; 75 try again later: Slack is not there, the
# clock is before the last summary, or badges has to finish first; 77, 78 the token
# or a setting is wrong or missing.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

show=false
case ${1:-} in
'') ;;
--print) show=true ;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac
[ $# -le 1 ] || {
	say "unknown argument '$2'; see --help"
	exit 64
}
$show || as_job summary summary "--timeout 600" "$@"

part=job # what a killed one leaves, the next one writes over
! $show || part=$$
facts=spool/summary-facts.$part
message=spool/summary-message.$part
notes=spool/summary.notes
status=0
sent=0
trap 'rm -f "$facts" "$message"' EXIT

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

hours_before() { # hours_before N TIME
	jq -nr --arg t "$2" "\$t | fromdate - $1 * 3600 | todate"
}

# The looks of a time, counted: the database has a row for each.
looked() { # looked FROM TO
	db-query looks "check_timestamp>=$1" "check_timestamp<$2" |
		jq -r '"\(.marketplace) \(.asin) \(.status)"' | LC_ALL=C sort | uniq -c |
		jq -Rc '[splits(" +")] | map(select(. != ""))
			| {type: "looked", marketplace: .[1], asin: .[2], status: .[3], looks: (.[0] | tonumber)}'
}

# All that a summary is made of.  && since whoever asks if this went well gets no
# set -e.
collect() { # collect ID FROM TO
	jq -nc --arg id "$1" --arg from "$2" --arg to "$3" \
		'{type: "window", summary_id: $id, window_from: $from, window_to: $to}' &&
		looked "$2" "$3" &&
		db-query changes_to_tell "detected_at>=$2" "detected_at<$3" &&
		db-query api_usage_log "processing_completed_at>=$2" "processing_completed_at<$3" &&
		db-query failed_runs "failed_at>=$2" "failed_at<$3" &&
		db-query watchlist &&
		db-query current_badges &&
		db-query sales_freshness
}

compose() {
	jq -nc -f "$here/../notify/daily-summary.jq" "$facts" >"$message" || exit "$(worst $?)"
}

# Until when all is known that happened.  A badges run that is not done, or was
# killed and not followed by another, may bring what it saw from its beginning on;
# so may what is in the spool.  After 26 hours they are not waited for; those of
# another machine, which may be gone for good, after 7: none runs so long.
known_until() { # known_until NOW
	local since
	since=$(hours_before 26 "$1") || return
	db-query runs job=badges "started_at>=$since" |
		jq -nr --arg now "$1" --arg since "$since" --arg here "$(uname -n)" --arg recent "$(hours_before 7 "$1")" '
			[inputs | .host //= $here] as $runs
			| ($runs | map(select(.finished_at)) | group_by(.host)
				| map({key: .[0].host, value: (map(.started_at) | max)}) | from_entries) as $done
			| [$now, ($runs[] | select(.finished_at == null and .started_at >= ($done[.host] // "")
				and (.host == $here or .started_at > $recent)).started_at),
			   ($ARGS.positional[] | capture("^spool/badges-(?<d>[0-9]{8}T[0-9]{6})Z-").d
				| "\(.[:4])-\(.[4:6])-\(.[6:11]):\(.[11:13]):\(.[13:])Z" | select(. >= $since))]
			| min' --args spool/badges-*.part
}

# What Slack has accepted is in the spool before it is in the database, and stays
# there for restore.sh; whatever becomes of us then, it is not sent again.
keep_notes() {
	local code=0
	take_notes "$notes" || code=$?
	stages db-load "$code"
	note "$code"
	case $code in
	0 | 65) ;;
	*) exit "$status" ;;
	esac
}

# post: the message; what became of it.
post() {
	local code=0
	slack-post <"$message" >"$notes" || code=$?
	stages slack-post "$code"
	note "$code"
	keep_notes
	[ "$code" -ne 0 ] || sent=$((sent + 1))
}

# send ID FROM TO: false if it has to be sent again, and so no other before it.
send() {
	local unsent
	collect "$@" >"$facts" || exit "$(worst $?)"
	compose
	post
	unsent=$(db-query unsent_summaries summary_id="$1") || exit
	[ -z "$unsent" ]
}

# What was begun by earlier runs.
send_unsent() {
	local lines line id from to accepted
	db-query unsent_summaries | jq -r '[.summary_id, .window_from, .window_to, .accepted_at // ""] | @tsv' >"$facts"
	mapfile -t lines <"$facts"
	for line in ${lines[@]+"${lines[@]}"}; do
		IFS=$'\t' read -r id from to accepted <<<"$line"
		if [ -n "$accepted" ]; then
			jq -nc --arg id "$id" --arg at "$accepted" \
				'{type: "summaries", op: "update", summary_id: $id, sent_at: $at}' | db-load
		else
			send "$id" "$from" "$to" || leave
		fi
	done
}

leave() {
	did "$sent"
	exit "$status"
}

# There is no time to tell of, since badges is not done.  Once that is so for a day,
# people hear of it, once.
wait_for_badges() {
	local id=summary:$from:waiting told
	if [[ $(hours_before 24 "$now") > $from ]]; then
		told=$(db-query notifications notification_id="$id" state=sent)
		[ -n "$told" ] || {
			jq -nc --arg id "$id" --arg from "$from" --arg why "$waiting" \
				'{type: "window", summary_id: $id, window_from: $from, waiting: $why}' >"$facts"
			compose
			post
		}
	fi
	say "nothing to sum up yet: $waiting; try again later"
	note 75
	leave
}

# The time that the next summary is about: from, to; `waiting` says why there is none.
choose_window() {
	now=$(now)
	[ "${now%%-*}" -ge 2026 ] || {
		say "the clock says $now, which cannot be; set it"
		exit 75
	}
	from=$(db-query summaries --order -window_to --limit 1 | jq -r .window_to)
	[[ ! $now < $from ]] || {
		say "the clock says $now, and the last summary ended at $from: nothing is sent before that is over;" \
			"if the clock was wrong then: echo '{\"type\":\"summaries\",\"op\":\"delete\",\"summary_id\":\"summary:$from\"}' | db-load"
		exit 75
	}
	from=${from:-$(hours_before 24 "$now")}
	to=$(known_until "$now")
	waiting=''
	if [ "$now" = "$from" ]; then
		waiting='the last summary ended just now'
	elif [[ ! $to > $from ]]; then
		waiting="the badges run that began at $to is not done, and none was since"
	fi
}

if $show; then
	choose_window
	[ -z "$waiting" ] || {
		say "nothing to sum up yet: $waiting"
		exit 75
	}
	collect "summary:$to" "$from" "$to" >"$facts" || exit "$(worst $?)"
	compose
	jq -r '.text | gsub("&lt;"; "<") | gsub("&gt;"; ">") | gsub("&amp;"; "&")' "$message"
	exit
fi

# my_turn: whether no other machine does this.
my_turn() {
	turn=$(db-query --claim turns turn=summary --lease 20h) || exit "$(worst $?)"
	[ -n "$turn" ]
}

my_turn || {
	say "another machine does this: $(db-query leases work=turn id=summary | jq -r '"\(.holder), until \(.leased_until)"')"
	idle
	exit 0
}
if [ -e "$notes" ]; then # of a run that was killed, and so perhaps cut short
	keep_notes
	[ "$status" -ne 65 ] || status=0
fi
choose_window
send_unsent
[ -z "$waiting" ] || wait_for_badges
jq -nc --arg from "$from" --arg to "$to" \
	'{type: "summaries", summary_id: "summary:\($to)", window_from: $from, window_to: $to, sent_at: null}' | db-load
send "summary:$to" "$from" "$to" || true
leave
