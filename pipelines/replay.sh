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
arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--alert-within)
		within=${2:?"--alert-within needs a number of hours"}
		shift 2
		;;
	--help) show_help ;;
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

as_job replay badges --show "${arguments[@]}"
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

# What changed, by all that the database has now, with the names that categories have
# now; a change that it had keeps the one of then.  A change that it had and that
# does not follow from that any more was a mistake of incomplete data, and goes,
# unless somebody was told of it.
db-query bestseller_changes >spool/known.replay.$$
db-query categories >spool/categories.replay.$$
db-query timeline | badge-diff >spool/all.replay.$$ || status=$(worst "$status" "${PIPESTATUS[@]}")
# grep finds nothing where nothing was observed, or nothing changed.
found() {
	grep "^{\"type\":\"$1\"" spool/all.replay.$$ || [ $? -eq 1 ]
}
{
	found bestseller_changes | jq -nc --slurpfile known spool/known.replay.$$ \
		--slurpfile categories spool/categories.replay.$$ --argjson within "$within" \
		'def ids: map({key: .change_id, value: true}) | from_entries;
		(now - $within * 3600 | todate) as $long_ago
		| ($categories | map({key: "\(.marketplace) \(.category_id)", value: .name}) | from_entries) as $names
		| ($known | ids) as $there | [inputs] as $changes | ($changes | ids) as $follows
		| ($changes[] | if $there[.change_id] then del(.category)
			else .category //= $names["\(.marketplace) \(.category_id)"] end
			| if $there[.change_id] or .detected_at >= $long_ago then .
			else .notification_sent = true end),
		  ($known[] | select(.notified_at == null and ($follows[.change_id] | not))
			| {type, op: "delete", change_id})'
	found asin_current_state
} | db-load || status=$(worst "$status" "${PIPESTATUS[@]}")
did "$#"
exit "$status"
