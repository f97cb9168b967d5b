#!/bin/bash
# restore.sh - bring the database back, from a backup and from what came since
#
#     restore.sh --dry-run [FILE]    say what would be done, and what would be lost
#     restore.sh [FILE]              do it
#     restore.sh --list              the backups there are, with their sizes
#
# FILE is a backup of backup.sh (by default its newest) or of db-backup, compressed or not.
#
# It is unpacked beside the database, and takes in what spool/ has got since then: what
# was tracked, every look, and of what people were told.  Then it is put in the
# database's place; that is the last step, and one that is done or not.  So a run that
# is killed has changed nothing, or is done; run it again.  What was in that
# place is kept as amazon.db.before-restore-TIME; remove it when you like.
#
# Not in the spool: sales, which the next sales.sh fetches again (of earlier days:
# --mode backfill); the record of runs and of health checks since then.
#
# Where a server has the database, nothing there is put aside: what the backup and the
# spool have is loaded into it, as db-load does, so that what is newer there stays; what
# does not say how old it is (tracked ASINs, notifications, runs ...) is taken to be newer
# there.  Its other machines have spools of their own: run this there, too.
#
# No other job runs meanwhile (75, and they try again).
# Status: 0; 65 or 70 restored, but something of the spool was bad; 74 the backup is
# damaged: name another; 75 somebody uses the database; 78 there is no backup.
set -euo pipefail
from=$PWD
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

dry_run=false file=''
while [ $# -gt 0 ]; do
	case $1 in
	--help) show_help ;;
	--list) exec "$here/backup.sh" --list ;;
	--dry-run) dry_run=true ;;
	-*)
		say "unknown option '$1'; see --help"
		exit 64
		;;
	*)
		[ -z "$file" ] || {
			say "one backup, not two; see --help"
			exit 64
		}
		file=$1
		[[ $file == /* ]] || file=$from/$file
		;;
	esac
	shift
done
$dry_run || as_job restore badges,sales,summary,health,backup,prune,track "--record end --show" \
	${file:+"$file"}
$dry_run && work=spool/preview.$$ || work=spool/restored
rm -f "$work".*
trap 'rm -f "$work".*' EXIT
status=0

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

# The backup, and when it was begun; see unpack, too.
choose() {
	if [ -z "$file" ]; then
		file=$(past_backups | sed -n '$p')
		[ -n "$file" ] || {
			say "there is no backup in '$(setting BACKUP_DIR backups)'; name a file"
			exit 78
		}
	fi
	[ -r "$file" ] || {
		say "cannot read '$file'"
		exit 78
	}
	at=$(backup_time "$file") || at=$(stat -c %Y "$file")
}

unpack() {
	local code=0
	case $file in
	*.ndjson.gz) gzip -dc -- "$file" | db-load -d "sqlite:$PWD/$work.db" --init ;;
	*.gz) gzip -dc -- "$file" >"$work.db" ;;
	*) cat -- "$file" >"$work.db" ;;
	esac || code=$?
	if [ "$code" -ne 0 ] || ! db-backup --check "$work.db" >"$work.json"; then
		say "'$file' could not be unpacked, or is damaged; see restore.sh --list for others"
		exit 74
	fi
	# A clock may have been ahead, and a copy be younger than what is in it.
	look=$(jq -r '.newest_look // empty | fromdate' "$work.json")
	[ "$at" -le "$(date +%s)" ] || at=${look:-0}
	[ -z "$look" ] || [ "$look" -ge "$at" ] || at=$look
}

# each NAME: records of the spool, in order.
each() {
	local part code
	while read -r part; do
		code=0
		gzip -dc -- "$part" | db-load || code=$(worst "${PIPESTATUS[@]}")
		passable "$code"
	done < <(since "$at" "$1")
}

# Whether a status is of the spool, so that the rest is to be taken in; else it is ours.
passable() {
	case $1 in
	0 | 75) ;;
	65 | 70) note "$1" ;;
	*) exit "$1" ;;
	esac
}

# What came since then.  Of a change that is found now for the first time, people were
# told if the notes say so, and in no other case.
take_in() {
	local looks code=0
	# Nobody is at anything in it; but some may have sent a message: see badges.sh.
	db-query leases work!=message | jq -c '{type, op: "delete", work, id}' | db-load
	each track
	each names
	mapfile -t looks < <(since "$at" badges)
	if [ ${#looks[@]} -gt 0 ]; then
		"$here/replay.sh" --alert-within $((($(date +%s) - at) / 3600 + 2)) "${looks[@]}" || code=$?
		[ "$code" -ne 75 ] || exit 75 # it was not all taken in
		passable "$code"
	fi
	each notes
}

count() { # count NAME: of the spool, since then
	since "$at" "$1" | wc -l
}

# "5 h 12 min"
ago() {
	local s=$(($(date +%s) - $1))
	if [ "$s" -ge 172800 ]; then
		echo "$((s / 86400)) days"
	else
		echo "$((s / 3600)) h $((s % 3600 / 60)) min"
	fi
}

preview() {
	local db
	db=$(database)
	echo "backup    $file, $(ago "$at") old, $(stat -c %s "$file") bytes"
	jq -r '"          schema \(.schema_version), \(.bytes) bytes unpacked",
		"          newest look \(.newest_look // "none"), change \(.newest_change // "none"), day of sales \(.newest_sales_day // "none")",
		(.rows | to_entries[] | select(.value > 0 and (.key | IN("column_kinds", "marketplaces", "velocity_windows", "claimable", "leases") | not))
		| "          \(.value) \(.key)")' "$work.json"
	echo "spool     since then: $(count badges) streams of looks, $(count notes) of what was told," \
		"$(count track) calls of track.sh, $(count names) of names: taken in"
	echo "lost      sales since then, until sales.sh fetches them again;" \
		"the record of runs and health checks since then"
	if on_server; then
		echo "now       $db: all this would be loaded into it; what is newer there stays"
	elif [ ! -e "$db" ]; then
		echo "now       there is no $db"
	elif db-backup --check "$db" >"$work.now" 2>"$work.said"; then
		jq -r '"now       \(.file): sound, newest look \(.newest_look // "none"); it would be put aside, and kept"' "$work.now"
	else
		echo "now       $(sed 's/^[^:]*: //' "$work.said"); it would be put aside, and kept"
	fi
}

choose
unpack
if $dry_run; then
	preview
	exit
fi
# Of the tables whose records do not say which is newer, the server's stay as they are,
# unless they are what its schema came with: so they are put into the database aside, too.
# Changes that were told stay told: see copy_tables.
keep_newer() { # into URL
	local table
	db-load -d "sqlite:$PWD/$work.new.db" --init </dev/null || return
	for table in tracked_asins notifications runs summaries marketplaces velocity_windows; do
		db-query -d "sqlite:$PWD/$work.new.db" "$table" >"$work.new" || return
		if [ "$table" = notifications ]; then
			db-query "$table" state=sent
		else
			db-query "$table"
		fi >"$work.theirs" || return
		LC_ALL=C awk 'FILENAME == ARGV[1] { new[$0] = 1; next } !($0 in new)' "$work.new" "$work.theirs" |
			db-load -d "$1" || return
	done
}

url=${DATABASE_URL-}
export DATABASE_URL=sqlite:$PWD/$work.db
take_in
DATABASE_URL=$url
[ -n "$url" ] || unset DATABASE_URL
code=0
if on_server; then
	keep_newer "sqlite:$PWD/$work.db" || code=$?
	[ "$code" -ne 0 ] ||
		(export DATABASE_URL=sqlite:$PWD/$work.db && copy_tables) | db-load || code=$(worst "${PIPESTATUS[@]}")
	stages db-load "$code"
else
	db-backup --restore "$work.db" || code=$?
	stages db-backup "$code"
fi
[ "$code" -eq 0 ] || exit "$code"
say "restored from $file ($(ago "$at") old), and from spool/: $(count badges) streams of looks," \
	"$(count notes) of what was told, $(count track) calls of track.sh"
did 1
exit "$status"
