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
asked=spool/asked.$$
status=0
looked=0
slack_listens=true
trap 'rm -f "$asked" spool/due.$$ spool/state.$$ spool/unsent.$$' EXIT

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

# The next hundred, without those that this run has asked for already.
next_hundred() {
	local statuses=(0 0)
	db-query "$view" | jq -nc --slurpfile asked "$asked" \
		'($asked | map({key: ., value: true}) | from_entries) as $seen
		| limit(100; inputs | select($seen["\(.marketplace) \(.asin)"] | not))' >"spool/due.$$" ||
		statuses=("${PIPESTATUS[@]}")
	stages db-query "${statuses[0]}" jq "${statuses[1]}"
	note "$(worst "${statuses[@]}")"
	jq -c '"\(.marketplace) \(.asin)"' "spool/due.$$" >>"$asked"
	[ -s "spool/due.$$" ]
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
	db-query unnamed_categories >"spool/due.$$"
	[ -s "spool/due.$$" ] || return 0
	HTTP_TIMEOUT=20 HTTP_TRIES=1 keepa-fetch --categories --max-wait 2 <"spool/due.$$" |
		tee "$part" | db-load || statuses=("${PIPESTATUS[@]}")
	stages keepa-fetch "${statuses[0]}" tee "${statuses[1]}" db-load "${statuses[2]}"
	note "$(worst "${statuses[@]}")"
	put_away "$part"
}

# Tell of every change that nobody was told of.  What Slack has accepted is noted
# in the spool at once, whatever becomes of the database or of us.
tell() {
	local notes statuses=(0 0) code=0
	notes=spool/notes-$(stamp)-$$-$looked.part
	db-query unsent_changes >"spool/unsent.$$"
	[ -s "spool/unsent.$$" ] && $slack_listens || return 0
	ALERT_DIGEST=$alert_digest jq -sc -f "$here/../notify/badge-alert.jq" "spool/unsent.$$" |
		slack-post >"$notes" || statuses=("${PIPESTATUS[@]}")
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
