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
# had claimed, others take over after that; it itself, once it is back, at once.  What
# it may have sent is looked for in the channel: which message that was is in `leases`.
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
# Longer than a look takes, and than to tell what is told in one go: one message a
# second, or 40 lists.  Where it is not, they end before: see within.
look_lease=$(number LOOK_LEASE $((max_wait + 600)))
tell_lease=$(number TELL_LEASE $((alert_digest + tell_wait + 60)))
asked=spool/asked.$$
status=0
looked=0
slack_listens=true
trap 'rm -f "$asked" spool/{due,claimed,state,unsent}.$$ spool/unsent.$$.*' EXIT

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

# Of a lease's seconds, those after which what it is for has to be over; the others, a
# tenth and at most 300, are for the database.
most_of() {
	echo $(($1 - ($1 < 3000 ? $1 / 10 : 300)))
}

# within SECONDS COMMAND...: what takes longer is ended, and left for the next run.
within() {
	local code=0 seconds=$1 began=$SECONDS
	[ "$seconds" -gt 0 ] || return 75
	timeout --foreground -k 5 "$seconds" "${@:2}" || code=$?
	[[ $code =~ ^(124|137)$ ]] && [ $((SECONDS - began)) -ge "$seconds" ] || return "$code"
	say "$2 took longer than its lease allows; see LOOK_LEASE, TELL_LEASE"
	return 75
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
	within "$(most_of "$look_lease")" keepa-fetch --max-wait "$max_wait" <"spool/due.$$" |
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
	claim unnamed_categories "spool/due.$$" --lease 10m || return 0
	HTTP_TIMEOUT=20 HTTP_TRIES=1 within "$(most_of 600)" keepa-fetch --categories --max-wait 2 <"spool/due.$$" |
		tee "$part" | db-load || statuses=("${PIPESTATUS[@]}")
	stages keepa-fetch "${statuses[0]}" tee "${statuses[1]}" db-load "${statuses[2]}"
	note "$(worst "${statuses[@]}")"
	put_away "$part"
}

# Tell of every change that nobody was told of, nor is about to.  What Slack has
# accepted is noted in the spool at once, whatever becomes of the database or of us.
tell() {
	while $slack_listens; do
		tell_until=$((SECONDS + $(most_of "$tell_lease")))
		claim unsent_changes "spool/unsent.$$" --limit 1200 --lease "${tell_lease}s" || return 0
		tell_claimed
	done
}

# In which message a change goes is in the table leases, as work of the kind message,
# from before it is sent until it is noted: by that, another run finds out whether it
# was sent.
read_messages() {
	local span
	db-query leases 'work!=look' >"spool/unsent.$$.leases" || return
	: >"spool/unsent.$$.all"
	! grep '"work":"message"' "spool/unsent.$$.leases" >/dev/null ||
		db-query unsent_changes >"spool/unsent.$$.all" || return
	span=$(jq -rs 'map(.changed_at) | "\(min) \(max)"' "spool/unsent.$$") || return 70
	db-query bestseller_changes notification_sent=true "changed_at>=${span% *}" "changed_at<=${span#* }" \
		>"spool/unsent.$$.told"
}

# What somebody was about to tell in a message goes in that one again, whole, and with
# maybe_sent; several may have claimed parts of a list, and who has its first part does
# it.  What is new to a message that was sent goes in another, or it would be found there.
group_changes() {
	jq -nc --slurpfile claimed "spool/unsent.$$" --slurpfile leases "spool/unsent.$$.leases" \
		--slurpfile all "spool/unsent.$$.all" --slurpfile told "spool/unsent.$$.told" --arg run "$run_id" '
		def set(f): map({key: f, value: true}) | from_entries;
		($leases | map(select(.work == "tell" and .run_id == $run)) | set(.id)) as $ours
		| ($claimed | map(select($ours[.notification_id]))) as $claimed
		| ($claimed | set(.notification_id)) as $here
		| ($leases | map(select(.work == "message"))) as $messages
		| ($messages | map({key: .id, value: .run_id}) | from_entries) as $message
		| (($messages | set(.run_id)) + ($told | set("badge:\(.marketplace):\(.asin):\(.changed_at)"))) as $used
		| ($all | map(select($message[.change_id]) | .maybe_sent = $message[.change_id])
			| group_by(.maybe_sent)[] | select($here[.[0].notification_id])[]),
		  ($claimed | map(select($message[.change_id] | not)) | group_by(.notification_id)[]
			| if $used[.[0].notification_id] then .[0].category_id as $id | map(.notification_id += ":\($id)")
			else . end | .[])' |
		ALERT_DIGEST=$alert_digest jq -sc -f "$here/../notify/badge-alert.jq" |
		jq -c '.on_sent += (.on_sent | map({type: "leases", op: "delete", work: "message", id: .change_id}))'
}

# Which message each change is about to go in; and no more of those that are not to be told.
note_messages() {
	jq -nc --slurpfile leases "spool/unsent.$$.leases" --slurpfile all "spool/unsent.$$.all" \
		--slurpfile messages "spool/unsent.$$.messages" --arg run "$run_id" '
		first($leases[] | select(.work == "tell" and .run_id == $run)) as $lease
		| ($messages[] | select(.maybe_sent | not) | .id as $id | .on_sent[] | select(.op == "delete")
			| $lease + {work, id, run_id: $id}),
		  (($all | map({key: .change_id, value: true}) | from_entries) as $waits
			| $leases[] | select(.work == "message" and ($waits[.id] | not)) | {type, op: "delete", work, id})' |
		db-load
}

tell_claimed() {
	local notes code statuses=(0 0 0 0)
	notes=spool/notes-$(stamp)-$$-$looked.part
	read_messages || statuses[0]=$?
	[ "${statuses[0]}" -ne 0 ] || group_changes >"spool/unsent.$$.messages" || statuses[1]=70
	[ "$(worst "${statuses[@]}")" -ne 0 ] || note_messages || statuses[3]=$?
	if [ "$(worst "${statuses[@]}")" -eq 0 ] && [ -s "spool/unsent.$$.messages" ]; then
		within $((tell_until - SECONDS)) slack-post --max-wait "$tell_wait" \
			<"spool/unsent.$$.messages" >>"$notes" || statuses[2]=$?
		take_notes "$notes" || statuses[3]=$?
	fi
	stages db-query "${statuses[0]}" jq "${statuses[1]}" slack-post "${statuses[2]}" db-load "${statuses[3]}"
	code=$(worst "${statuses[@]}")
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
