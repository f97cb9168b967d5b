#!/bin/bash
# replay.sh - put saved streams through the same programs once more
#
#     replay.sh spool/badges-*.gz
#     replay.sh [--alert-within HOURS] FILE...     .gz or not
#
# Loads the observations of the files, in whatever order, and then works out all
# changes anew from all observations that the database has, so that it ends the
# same however it came by them.  What is there stays; what was told is not told
# again.  A change that is new, but was to be seen more than ALERT_WITHIN hours
# (24) ago, is marked as told: a replay of a year is no reason for alerts.  The
# next badges.sh tells of the others.
#
# A run that fails leaves what it had loaded; run it again.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

within=$(setting ALERT_WITHIN 24)
while [ $# -gt 0 ]; do
	case $1 in
	--alert-within)
		within=${2:?"--alert-within needs a number of hours"}
		shift 2
		;;
	--help)
		sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
		exit
		;;
	-*)
		say "unknown option '$1'; see --help"
		exit 64
		;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || {
	say "which files? see --help"
	exit 64
}

take_lock badges
begin_run replay
trap 'rm -f spool/*.replay.$$' EXIT
status=0

# A stream that was cut short is as good as far as it goes: 75 is no failure here.
for file; do
	code=0
	case $file in
	*.gz) gzip -dc -- "$file" ;;
	*) cat -- "$file" ;;
	esac | keepa-flatten | db-load || code=$(worst "${PIPESTATUS[@]}")
	case $code in
	0 | 75) ;;
	*) status=$(worst "$status" "$code") ;;
	esac
done

db-query bestseller_changes >spool/known.replay.$$
db-query timeline | badge-diff >spool/all.replay.$$ || status=$(worst "$status" $?)
# grep finds nothing where nothing was observed.
{ grep -E '^[{]"type":"(asin_current_state|bestseller_changes)"' spool/all.replay.$$ || true; } |
	jq -c --slurpfile known spool/known.replay.$$ --argjson within "$within" \
		'($known | map({key: .change_id, value: true}) | from_entries) as $there
		| (now - $within * 3600 | todate) as $long_ago
		| if .type != "bestseller_changes" then .
		  elif $there[.change_id] then empty
		  elif .detected_at < $long_ago then .notification_sent = true
		  else . end' | db-load || status=$(worst "$status" "${PIPESTATUS[@]}")
end_run "$status" "$#"
exit "$status"
