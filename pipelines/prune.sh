#!/bin/bash
# prune.sh - remove what is old and can be spared: daily from cron
#
#     prune.sh [--dry-run]
#
# Of the spool, what is older than SPOOL_DAYS (14), unless the newest backup that is
# whole is older still: restore.sh needs what came since.  Of the database, Keepa's raw
# answers after RAW_DAYS (30), the record of runs after RUNS_DAYS (90), health checks
# after CHECKS_DAYS (30); never changes, rank history or sales.  See db-prune(1).
#
# RAW_DAYS=0 keeps raw answers out of the database from the start.
#
# If nothing was looked at for two days, nothing is removed: the clock may be wrong.
# What was not taken in or not delivered yet stays, however old.
# A run that is killed has removed some of that; the next one goes on.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

dry_run=()
case ${1:-} in
'') ;;
--dry-run) dry_run=(--dry-run) ;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac
[ ${#dry_run[@]} -gt 0 ] || as_job prune prune "--timeout 3600"
status=0

days=$(setting SPOOL_DAYS 14)
[[ $days =~ ^[0-9]{1,5}$ ]] || {
	say "SPOOL_DAYS '$days' is no number of days"
	exit 78
}

# The time of the newest backup that is whole; of none at all, now.
backed_up() {
	local file found=false
	while read -r file; do
		found=true
		if gzip -t "$file" 2>/dev/null && backup_time "$file"; then
			return
		fi
		say "'$file' is damaged, and no good as a backup"
	done < <(past_backups | LC_ALL=C sort -r)
	! $found && date +%s
}

# What is old: by its age, and by the newest backup, with an hour for clocks that were set.
old_spool() {
	local before=$(($(date +%s) - 10#$days * 86400)) backup
	backup=$(backed_up) || {
		say "no backup is whole: the spool is kept, however old"
		return 74
	}
	[ "$before" -le $((backup - 3600)) ] || before=$((backup - 3600))
	find spool -maxdepth 1 -type f ! -newermt "@$before" \
		\( -name '*.gz' -o -name '*.tmp' -o -name '*.new' -o -name 'state.[0-9]*' -o -name 'asked.[0-9]*' \
		-o -name 'due.[0-9]*' -o -name 'unsent.[0-9]*' -o -name '*.replay.[0-9]*' \) -print
}

# Whether looks go on, by a clock that Keepa's agrees with; or there are none at all.
looks_go_on() {
	local last
	last=$(db-query looks --order -check_timestamp --limit 1 | jq -r .check_timestamp) ||
		return 0 # on a full disk it cannot say, and the spool is to make room
	[ -z "$last" ] || [ "$(date -ud '2 days ago' +%FT%TZ)" \< "$last" ]
}

looks_go_on || {
	say "nothing was looked at for two days, so nothing is removed"
	exit 0
}
code=0
old=$(old_spool) || code=$?
status=$(worst "$status" "$code")
n=$(grep -c . <<<"$old" || true)
if [ ${#dry_run[@]} -eq 0 ]; then
	printf %s "$old" | xargs -d '\n' -r rm -f --
	stages rm 0
	did "$n"
elif [ "$n" -gt 0 ]; then
	say "$n files in spool/ would be removed"
fi
raw_days=$(setting RAW_DAYS 30)
[ "$raw_days" != 0 ] || raw_days=1 # what there is of before
code=0
db-prune ${dry_run[@]+"${dry_run[@]}"} --raw-days "$raw_days" \
	--runs-days "$(setting RUNS_DAYS 90)" --checks-days "$(setting CHECKS_DAYS 30)" || code=$?
[ ${#dry_run[@]} -gt 0 ] || stages db-prune "$code"
exit "$(worst "$status" "$code")"
