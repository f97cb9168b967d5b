#!/bin/bash
# status.sh - how it goes: what ran, what comes next, what waits, what it takes
#
#     status.sh           for a person
#     status.sh --json    the same as one record
#
# It reads what is here only: the database, the folders, and systemd's timers where
# there are any; nothing is asked of anybody else and nothing is changed.  (Whether
# the services answer, doctor.sh says.)  Times are UTC.
#
# Status: 0, however it goes; 74, 75, 78 if the database cannot be read: the rest is
# shown, and why.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

json=false
case ${1:-} in
'') ;;
--json) json=true ;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac

facts=$(mktemp) || exit 74
trap 'rm -f "$facts" "$facts".{err,rows}' EXIT
at=$(now)
status=0
problem=''
database=$(database)

# ask TYPE NAME CONDITION...: rows, as records of that type; after one that fails
# nothing more is asked.
ask() {
	[ -z "$problem" ] || return 0
	if db-query "${@:2}" >"$facts.rows" 2>"$facts.err"; then
		jq -c --arg type "$1" '.type = $type' "$facts.rows"
	else
		status=$(worst $?)
		problem=$(tail -n 1 "$facts.err")
	fi
}

# put TYPE NAME VALUE...: a record; values are JSON.
put() {
	local type=$1 fields=() names=''
	shift
	while [ $# -gt 1 ]; do
		fields+=(--argjson "$1" "$2")
		names+=", \$$1"
		shift 2
	done
	jq -nc "${fields[@]}" "{type: \"$type\"$names}"
}

text() { # a text as JSON
	jq -nc --arg text "$1" '$text'
}

# What the database knows.
ask_database() {
	local today day_ago
	today=${at%T*}T00:00:00Z
	day_ago=$(jq -nr --arg at "$at" '$at | fromdate - 86400 | todate')
	ask job_status job_status
	ask watchlist watchlist
	ask unsent_changes unsent_changes
	ask unsent_summaries unsent_summaries
	ask open report_requests status!=DONE status!=no_data status!=failed
	ask asked report_requests "asked_at>=$day_ago"
	ask usage api_usage_log service=keepa "processing_completed_at>=$today"
	ask tokens api_usage_log service=keepa tokens_left!=null --order -processing_completed_at --limit 1
	ask row_counts row_counts
}

# Who holds a lock.  It is not tried, which could keep a job from starting: a lock
# counts as held while the job that wrote its name there runs.
running() {
	local lock who args
	for lock in locks/*.lock; do
		[ -e "$lock" ] || continue
		IFS= read -r who <"$lock" || true
		[[ ${who:-} =~ ^([a-z][a-z0-9-]*),\ pid\ ([0-9]+),\ since\ ([0-9TZ:-]+)$ ]] || continue
		args=$(tr '\0' ' ' 2>/dev/null <"/proc/${BASH_REMATCH[2]}/cmdline" || ps -o args= -p "${BASH_REMATCH[2]}" 2>/dev/null || true)
		[[ " $args" == */job\ "${BASH_REMATCH[1]}"\ * ]] || continue
		put running job "\"${BASH_REMATCH[1]}\"" pid "${BASH_REMATCH[2]}" since "\"${BASH_REMATCH[3]}\""
	done | LC_ALL=C sort -u
}

timers() {
	timeout 5 systemctl list-timers --all --output=json 'sellerpipe-*' 2>/dev/null |
		jq -c '.[] | select((.next | type) == "number" and .next > 0)
			| {type: "timer", timer: (.unit | sub("^sellerpipe-"; "") | sub("[.]timer$"; "")), next_at: (.next / 1000000 | todate)}' 2>/dev/null || true
}

bytes() { # bytes FILE...: of all that is there, and in folders
	{ find "$@" -type f -printf '%s\n' 2>/dev/null || true; } | awk '{ n += $1 } END { printf "%.0f\n", n }'
}

files() { # files FOLDER NAME: how many
	{ find "$1" -maxdepth 1 -name "$2" 2>/dev/null || true; } | wc -l
}

folders() {
	local dir newest free
	dir=$(setting BACKUP_DIR backups)
	newest=$({ find "$dir" -maxdepth 1 -name 'amazon-*.gz' -printf '%T@\n' 2>/dev/null || true; } | sort -n | tail -n 1)
	free=$(df -PB1 . | awk 'NR == 2 { print $4 }')
	put spool bytes "$(bytes spool)" reports "$(files spool 'report-*')" parts "$(files spool '*.part')"
	put backups bytes "$(bytes "$dir")" files "$(files "$dir" 'amazon-*.gz')" newest "${newest:-null}"
	put disk free "${free:-null}"
	put limits per_day "$(setting SP_MAX_PER_DAY 96)"
}

sizes=$(folders)
if on_server; then
	ask_database >"$facts"
	put database file "$(text "$database")" bytes null problem "$(text "$problem")" >>"$facts"
elif [ -e "$database" ]; then
	ask_database >"$facts"
	put database file "$(text "$database")" bytes "$(bytes "$database" "$database-wal")" problem "$(text "$problem")" >>"$facts"
else
	put database file "$(text "$database")" bytes null problem '"no database yet"' >"$facts"
fi
{
	put about at "\"$at\"" home "$(text "$PWD")"
	running
	timers
	echo "$sizes"
} >>"$facts"
colour=false
[ ! -t 1 ] || [ -n "${NO_COLOR:-}" ] || [ "${TERM:-dumb}" = dumb ] || colour=true
jq -nr --argjson json "$json" --argjson colour "$colour" -f "$here/../notify/status.jq" "$facts"
exit "$status"
