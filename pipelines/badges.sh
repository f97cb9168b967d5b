#!/bin/bash
# badges.sh - look at the tracked ASINs that are due, and tell who gained or lost #1
#
#     badges.sh           those that are due; hourly from cron
#     badges.sh --all     all of them, due or not
#
# A hundred at a time: Keepa -> records -> what changed -> database -> Slack.  The
# raw stream of each hundred is kept in spool/, and what Slack accepted: see restore.sh.
#
# A run that fails or is killed leaves in spool/ what it had got and what it had
# sent (*.part); the next run takes that in first, and then looks at what is
# still due.  History is asked for back to the last look: nothing is missed.
#
# Any number of machines may run it at one database: each claims what it looks at
# for LOOK_LEASE seconds, and what it tells for TELL_LEASE.  What a machine that died
# had claimed, others take over after that; it itself, once it is back, at once.
# Status: 0; 65 some records were bad; 75 not all done, the next run will; 77, 78
# a key or a setting is wrong.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

view=due_asins
case ${1:-} in
'') ;;
--all) view=watchlist ;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac
as_job badges badges "--timeout 21600" "$@"

max_wait=$(number KEEPA_MAX_WAIT 2400)
alert_digest=$(number ALERT_DIGEST 40)
tell_wait=200
# Longer than a look can take, and than to tell what is told in one go: one message a
# second, or 40 lists.
look_lease=$(number LOOK_LEASE $((max_wait + 600)))
tell_lease=$(number TELL_LEASE $((alert_digest + tell_wait + 60)))
asked=spool/asked.$$
status=0
looked=0
slack_listens=true
trap 'rm -f "$asked" spool/{due,claimed,state,unsent,told}.$$' EXIT

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

# What an earlier run that was killed had got, but perhaps not loaded.
recover() {
	local part code
	for part in spool/*.part; do
		[ -e "$part" ] || continue
		say "taking in what an earlier run left in $part"
		code=0
		case $part in
		spool/track-*) continue ;; # track.sh's own
		spool/notes* | spool/names-*) take_notes "$part" || code=$? ;;
		*) load_observations "$part" || code=$? ;;
		esac
		case $code in
		0 | 65) [ ! -e "$part" ] || put_away "$part" ;; # 65: but for what is bad
		*)
			note "$code"
			# What Slack has accepted would be told again.
			[[ $part != spool/notes* ]] || slack_listens=false
			;;
		esac
	done
}

# claim NAME FILE OPTION...: what nobody else is at.
claim() {
	local code=0
	db-query --claim "$1" "${@:3}" >"$2" || code=$?
	stages db-query "$code"
	note "$(worst "$code")"
	[ "$code" -eq 0 ] && [ -s "$2" ]
}

# The next hundred, without those that this run has asked for already: a lease may
# have ended since.  When as many of these came as there are, there are no others.
next_hundred() {
	local again=0
	while [ "$again" -le "$looked" ] && claim "$view" "spool/claimed.$$" --limit 100 --lease "${look_lease}s"; do
		jq -nc --slurpfile asked "$asked" \
			'($asked | map({key: ., value: true}) | from_entries) as $seen
			| inputs | select($seen["\(.marketplace) \(.asin)"] | not)' "spool/claimed.$$" >"spool/due.$$" || {
			stages jq 70
			note 70
			return 1
		}
		jq -c '"\(.marketplace) \(.asin)"' "spool/due.$$" >>"$asked"
		[ ! -s "spool/due.$$" ] || return 0
		again=$((again + $(wc -l <"spool/claimed.$$")))
	done
	return 1
}

look() {
	local part statuses=(0 0 0) code
	part=spool/badges-$(stamp)-$$-$looked.part
	keepa-fetch --max-wait "$max_wait" <"spool/due.$$" |
		tee "$part" | load_observations || statuses=("${PIPESTATUS[@]}")
	looked=$((looked + $(wc -l <"spool/due.$$")))
	stages keepa-fetch "${statuses[0]}" tee "${statuses[1]}"
	code=$(worst "${statuses[@]}")
	note "$code"
	# What could not be loaded, the next run takes in.
	case ${statuses[1]}:${statuses[2]} in
	0:0 | 0:65) put_away "$part" ;;
	esac
	[ "$code" -eq 0 ] || [ "$code" -eq 65 ]
}

# Names for categories without one.  No alert waits long for a name.
name_categories() {
	local part statuses=(0 0 0)
	part=spool/names-$(stamp)-$$-$looked.part
	claim unnamed_categories "spool/due.$$" || return 0
	HTTP_TIMEOUT=20 HTTP_TRIES=1 keepa-fetch --categories --max-wait 2 <"spool/due.$$" |
		tee "$part" | db-load || statuses=("${PIPESTATUS[@]}")
	stages keepa-fetch "${statuses[0]}" tee "${statuses[1]}" db-load "${statuses[2]}"
	note "$(worst "${statuses[@]}")"
	put_away "$part"
}

# Tell of every change that nobody was told of, nor is about to.  What Slack has
# accepted is noted in the spool at once, whatever becomes of the database or of us.
tell() {
	local code
	while $slack_listens; do
		code=0
		db-query leases work=tell >"spool/told.$$" || code=$?
		note "$(worst "$code")"
		[ "$code" -eq 0 ] && claim unsent_changes "spool/unsent.$$" --limit 1200 --lease "${tell_lease}s" || return 0
		tell_claimed
	done
}

# What was there when somebody claimed it before may have been sent: he was killed,
# or could not load his notes.
alerts() {
	jq -nc --slurpfile told "spool/told.$$" '($told | map({key: .id, value: .claimed_at}) | from_entries) as $told
		| inputs | if ($told[.notification_id] // "") >= .detected_at then .maybe_sent = true else . end' "spool/unsent.$$" |
		ALERT_DIGEST=$alert_digest jq -sc -f "$here/../notify/badge-alert.jq"
}

tell_claimed() {
	local notes statuses=(0 0) code=0
	notes=spool/notes-$(stamp)-$$-$looked.part
	alerts | slack-post --max-wait "$tell_wait" >>"$notes" || statuses=("${PIPESTATUS[@]}")
	take_notes "$notes" || code=$?
	stages jq "${statuses[0]}" slack-post "${statuses[1]}" db-load "$code"
	code=$(worst "$code" "${statuses[@]}")
	note "$code"
	[ "$code" -eq 0 ] || [ "$code" -eq 65 ] || slack_listens=false
}

: >"$asked"
recover
tell
while next_hundred; do
	more=true
	look || more=false
	name_categories
	tell
	$more || break
done
did "$looked"
exit "$status"
