#!/bin/bash
# backup.sh - a snapshot of the database, checked and compressed; old ones make room
#
#     backup.sh           make one; daily from cron
#     backup.sh --list    those that there are, with their sizes
#     backup.sh --keep    of names on standard input, those that would be kept
#
# They are in BACKUP_DIR (backups/), amazon-20261121T033000Z.db.gz by the time at
# which they were begun.  Of each of the last KEEP_DAILY (7) days, KEEP_WEEKLY (4)
# weeks from Monday and KEEP_MONTHLY (12) months that have any, the newest is kept; what has
# another name is never touched.  Nothing is removed before the new one is whole.
#
# Of a server's database it is all rows of all tables as records, amazon-....ndjson.gz,
# which restore.sh brings back into any database.  The server's own backups are of one
# moment, and faster for what is large; this one is yours.
#
# A database that has lost most of what is never removed from it gets no backup, so
# that the good ones do not make room for it.
#
# A run that is killed leaves snapshot.* there, which the next one writes over.
# Status: 0; 74 the disk is full or failing, or the database damaged; 75 try again.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

dir=$(setting BACKUP_DIR backups)

# sort_out kept|old: of names, those that are; what has no time that exists is neither.
sort_out() {
	local daily weekly monthly
	daily=$(number KEEP_DAILY 7)
	weekly=$(number KEEP_WEEKLY 4)
	monthly=$(number KEEP_MONTHLY 12)
	jq -Rrn --arg which "$1" --argjson days "$daily" --argjson weeks "$weekly" --argjson months "$monthly" '
		def form: "%Y%m%dT%H%M%SZ";
		def last_of_each(f; $n): group_by(f) | map(max_by(.at)) | sort_by(.at) | reverse | .[:$n];
		[inputs | . as $name | capture("(^|/)amazon-(?<t>[0-9]{8}T[0-9]{6}Z)\\.(db|ndjson)\\.gz$").t | . as $t
			| try strptime(form) catch empty | mktime
			| select(strftime(form) == $t) | {$name, at: .}]
		| (last_of_each(.at | strftime("%F"); $days) + last_of_each(.at | strftime("%G %V"); $weeks)
			+ last_of_each(.at | strftime("%Y %m"); $months) + [max_by(.at) | values]
			| unique_by(.at)) as $kept
		| if $which == "kept" then $kept else sort_by(.at) - $kept end | .[].name'
}

list() {
	local file
	backups | while read -r file; do
		printf '%12s  %s\n' "$(stat -c %s "$file")" "$file"
	done
}

case ${1:-} in
'') ;;
--list)
	list
	exit
	;;
--keep)
	sort_out kept
	exit
	;;
--help) show_help ;;
*)
	say "unknown argument '$1'; see --help"
	exit 64
	;;
esac
as_job backup backup "--timeout 3600"
sort_out kept </dev/null # are the settings in order?
mkdir -p "$dir" && [ -w "$dir" ] || exit 78
snapshot=$dir/snapshot.db
rm -f "$snapshot" "$snapshot".*
trap 'rm -f "$snapshot" "$snapshot".*' EXIT

# fails PROGRAM STATUS: it did, and so do we.
fails() {
	stages "$1" "$2"
	exit "$(worst "$2")"
}

# Room for the snapshot and what gzip makes of it.
check_room() {
	local file size=0 free
	for file in "$(database)" "$(database)-wal"; do
		[ ! -e "$file" ] || size=$((size + $(stat -L -c %s "$file")))
	done
	free=$(df --output=avail -B1 "$dir" | sed -n '$p')
	[ "$free" -ge $((size * 2)) ] || {
		say "'$dir' has room for $free bytes, and a backup may need $((size * 2)): make room there"
		exit 74
	}
}

# Whether the snapshot has half of what the last one had, of what nothing removes.
has_all() {
	[ -s "$dir/newest.json" ] || return 0
	jq -ne --slurpfile was "$dir/newest.json" --slurpfile is "$snapshot.json" '
		def kept: .rows | [.tracked_asins, .rank_history, .bestseller_changes, .sales_daily, .sales_daily_totals
			| values] | add // 0;
		($is[0] | kept) * 2 >= ($was[0] | kept)' >/dev/null
}

remove_old() {
	local old
	backups | sort_out old >"$snapshot.old"
	while read -r old; do
		[ "$old" = "$name" ] || rm -f "$old"
	done <"$snapshot.old"
}

# A server's: all rows, and how many there are in it of each.
copy_all() {
	local statuses=(0 0)
	copy_tables | gzip -c >"$snapshot.gz" || statuses=("${PIPESTATUS[@]}")
	[ "${statuses[0]}" -eq 0 ] || fails db-query "${statuses[0]}"
	[ "${statuses[1]}" -eq 0 ] || fails gzip 74
	gzip -dc "$snapshot.gz" | LC_ALL=C awk -F '"' '$2 == "type" { n[$4]++ }
		END { for (name in n) print name, n[name] }' |
		jq -Rnc '{rows: [inputs / " " | {key: .[0], value: .[1] | tonumber}] | from_entries}' >"$snapshot.json" || fails gzip 74
}

name=$dir/amazon-$(stamp).db.gz
if on_server; then
	name=${name%.db.gz}.ndjson.gz
	copy_all
else
	check_room
	db-backup --replace "$snapshot" || fails db-backup $?
	db-backup --check "$snapshot" >"$snapshot.json" || fails db-backup $?
fi
code=0
has_all || code=$?
[ "$code" -le 1 ] || fails jq "$code"
[ "$code" -eq 0 ] || {
	say "the database has less than half of what it had at the last backup: restore.sh brings that back" \
		"(if all is as it should be, remove $dir/newest.json)"
	fails backup.sh 74
}
if { [ -e "$snapshot" ] && ! gzip -c "$snapshot" >"$snapshot.gz"; } || ! gzip -t "$snapshot.gz" || ! sync "$snapshot.gz"; then
	say "'$name' could not be written: make room in '$dir', or look at its disk"
	fails gzip 74
fi
if ! mv "$snapshot.gz" "$name" || ! mv "$snapshot.json" "$dir/newest.json" || ! sync "$dir"; then
	fails backup.sh 74
fi
stages db-backup 0 gzip 0
remove_old
did 1
