# shellcheck shell=bash
# common.sh - sourced by every script here: where things are, and what they share.
#
# Everything a job keeps is in SELLERPIPE_HOME (default: the current folder):
# amazon.db, .env, spool/, locks/, logs/.  The programs are found beside these scripts,
# in the source tree or installed, or else in PATH.

unset CDPATH # which makes cd say where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -x "$here/../../../bin/db-load" ]; then
	PATH=$here/../../../bin:$PATH
fi
PATH=$here/../fetch:$here/../transform:$here/../load:$here/../notify:$PATH
export PATH
umask 077
export TZ=UTC0 # in a zone with summer time, jq 1.6's fromdate is an hour late in summer

cd "${SELLERPIPE_HOME:-.}" || exit 78
export SELLERPIPE_HOME=$PWD # for what is started from there
# doctor.sh only looks, and so does who asks for help.
case ${1:-} in
--help | --version) only_looking=true ;;
esac
# What root makes there, its owner could not write to any more.
if [ "$(id -u)" -eq 0 ] && [ -d locks ] && [ ! -O locks ]; then
	echo "${0##*/}: '$PWD' is $(stat -c %U locks)'s: runuser -u $(stat -c %U locks) -- env SELLERPIPE_HOME='$PWD' $0" >&2
	exit 78
fi
${only_looking:-false} || mkdir -p spool locks || exit 74

say() {
	echo "${0##*/}: $*" >&2
}

full() {
	say "cannot write to standard output"
	exit 74
}

[ "${1:-}" != --version ] || {
	echo "${0##*/} $(db-load --version | sed 's/.* //')"
	exit
}

# show_help: what stands at the head of the script; and that is all.
show_help() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" || full
	exit 0
}

# setting NAME DEFAULT: a setting that is no secret, from the environment or
# .env, which the programs read for themselves.
setting() {
	local value=${!1:-}
	if [ -z "$value" ] && [ -r .env ]; then
		value=$(sed -n "s/^[[:space:]]*\(export  *\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" .env |
			sed -n '$p' | sed "s/[[:space:]]#.*//; s/[[:space:]]*$//; s/^[\"']\(.*\)[\"']$/\1/")
	fi
	echo "${value:-$2}"
}

# number NAME DEFAULT: of a setting that has to be one.
number() {
	local value
	value=$(setting "$1" "$2")
	[[ $value =~ ^[0-9]{1,9}$ ]] || {
		say "$1 '$value' is no number"
		exit 78
	}
	echo "$((10#$value))"
}

# Where a job was once done there is a database; if it is gone, to make another one
# would hide that.
home_is_new() {
	! compgen -G 'spool/*.gz' && ! compgen -G "$(setting BACKUP_DIR backups)/*" && ! grep -qs ' ends: ' logs/*.log
} >/dev/null

# Where the database is, as the programs find it.  It may have a password in it.
database_url() {
	local url='' file name=DATABASE_URL_FILE
	file=${!name:-}
	if [ -z "${DATABASE_URL:-}" ] && [ -n "$file" ]; then
		IFS= read -r url <"$file" || true
	else
		url=$(setting DATABASE_URL '')
		file=$(setting "$name" '')
		[ -n "$url" ] || [ -z "$file" ] || IFS= read -r url <"$file" || true
	fi 2>/dev/null
	echo "${url:-amazon.db}"
}

# Whether it is a server's, and not a file.
on_server() {
	[[ $(database_url) =~ ^(postgres(ql)?|https?):// ]]
}

# The file of the database; of a server's, its address, without user or password.
database() {
	local url address
	url=$(database_url)
	if [[ ! $url =~ ^(postgres(ql)?|https?):// ]]; then
		echo "${url#sqlite:}"
	elif [[ $url == *password=* ]]; then
		echo "${url%%://*}://..."
	else
		address=${url#*://}
		address=${address##*@}
		echo "${url%%://*}://${address%%\?*}"
	fi
}

# Whether there was a database, and is none.
lost_database() {
	! on_server && [ ! -s "$(database)" ] && ! home_is_new
}

# copy_tables: all that a database has, as records, but for what comes with
# its schema, and who is at what.  That nobody was told of a change yet it does not
# say: there, it may have been.
copy_tables() {
	local tables table
	tables=$(db-query --list | jq -r 'select(.kind == "table").name
		| select(IN("column_kinds", "claimable", "leases", "sellerpipe_schema") or test("_[0-9]{4}_[0-9]{2}$") | not)') || return
	for table in $tables; do
		if [ "$table" = bestseller_changes ]; then
			db-query "$table" notification_sent=true &&
				db-query "$table" notification_sent=false | jq -c 'del(.notification_sent, .notified_at)'
		else
			db-query "$table"
		fi || return
	done
}

lost='is gone; restore.sh brings it back, or, if it is to begin anew, db-load --init'

# as_job NAME LOCK,... OPTIONS ARGUMENT...: this script is a job, see there.
as_job() {
	# shellcheck disable=SC2086 # the options are several words
	[[ ${SELLERPIPE_LOCKS:-} == *",$2,"* ]] ||
		exec "$here/job" "$1" --lock "$2" $3 -- "$here/${0##*/}" "${@:4}"
	# shellcheck disable=SC2034 # for whoever sources this
	run_id=$SELLERPIPE_RUN
	case $1 in
	health | restore | replay) ;;
	*)
		! lost_database || {
			say "the database '$(database)' $lost"
			exit 78
		}
		;;
	esac
}

# For the record of the run: what each stage came to; how many things it did; that
# there was nothing to do, so that it is no matter of record.
stages() { # stages NAME STATUS...
	while [ $# -gt 1 ]; do
		echo "{\"stage\":\"$1\",\"status\":$2}"
		shift 2
	done >>"$SELLERPIPE_ACCOUNT"
}

did() {
	echo "{\"records\":$1}" >>"$SELLERPIPE_ACCOUNT"
}

idle() {
	echo '{"idle":true}' >>"$SELLERPIPE_ACCOUNT"
}

# worst STATUS...: of the exit statuses of several programs, the one that tells
# most about what to do next.  To be killed, or to end with a status that is not
# one of ours, is a defect; to die of SIGPIPE is the fault of whoever read.
worst() {
	local status found=' '
	for status; do
		case $status in
		0 | 141) ;;
		64 | 65 | 70 | 74 | 75 | 76 | 77 | 78) found+="$status " ;;
		*) found+='70 ' ;;
		esac
	done
	for status in 77 78 74 70 64 76 75 65; do
		[[ $found != *" $status "* ]] || {
			echo "$status"
			return
		}
	done
	echo 0
}

now() {
	date -u +%Y-%m-%dT%H:%M:%SZ
}

# load_observations [FILE]: raw products, from FILE or standard input, into the
# database with what changed by them.  Its exit status is the worst of the three.
load_observations() {
	local status statuses=(0 0 0 0) raw=()
	[ "$(setting RAW_DAYS 30)" != 0 ] || raw=(--no-raw)
	db-query asin_current_state >"spool/state.$$" || return
	# Without its `run`: whether it came whole is not the question here.
	sed '/^{"type":"run",/d' "${1:--}" | keepa-flatten ${raw[@]+"${raw[@]}"} | badge-diff -p "spool/state.$$" | db-load ||
		statuses=("${PIPESTATUS[@]}")
	stages keepa-flatten "${statuses[1]}" badge-diff "${statuses[2]}" db-load "${statuses[3]}"
	status=$(worst "${statuses[@]}")
	rm -f "spool/state.$$"
	return "$status"
}

# put_away FILE [NAME]: compress a finished part of the spool, as NAME.gz.  Nobody sees
# half a file.
put_away() {
	[ -s "$1" ] || {
		rm -f "$1"
		return
	}
	gzip -c "$1" >"${1%.part}.tmp" && sync "${1%.part}.tmp" && mv "${1%.part}.tmp" "${2:-${1%.part}}.gz" && rm -f "$1"
}

# take_notes FILE: of what people were told, into the database; and then the file is
# kept, so that a database that is restored does not tell them again.
# One that is still being written has another name than *.part, which any job takes in.
take_notes() {
	local code=0 name=${1%.part}
	db-load <"$1" || code=$?
	case $code in
	0 | 65)
		[[ $1 == *.part ]] || name=spool/notes-$(stamp)-$$-$((taken += 1))
		put_away "$1" "$name"
		;;
	esac
	return "$code"
}
taken=0

# A time as the names of files have it.
stamp() {
	date -u +%Y%m%dT%H%M%SZ
}

# The backups, oldest first, and when one of them was begun, in seconds; files with
# other names are none of ours.
backups() {
	local dir
	dir=$(setting BACKUP_DIR backups)
	[ -d "$dir" ] || return 0
	find "$dir" -maxdepth 1 -name 'amazon-*.gz' |
		sed -nE '/\/amazon-[0-9]{8}T[0-9]{6}Z\.(db|ndjson)\.gz$/p' | LC_ALL=C sort
}

# Without those of a clock that was ahead: they would be the newest for years.
past_backups() {
	backups | LC_ALL=C awk -v now="$(stamp)~" '{ time = $0; sub(/.*amazon-/, "", time) } time < now'
}

backup_time() {
	[[ ${1##*/} =~ ^amazon-(....)(..)(..)T(..)(..)(..)Z\. ]] || return
	date -u -d "${BASH_REMATCH[1]}-${BASH_REMATCH[2]}-${BASH_REMATCH[3]} ${BASH_REMATCH[4]}:${BASH_REMATCH[5]}:${BASH_REMATCH[6]}" +%s 2>/dev/null
}

# What the spool has got since a backup was begun, so that it may not be in it: its
# time, and an hour more, for clocks that were set.
since() { # since SECONDS NAME
	find spool -maxdepth 1 -name "$2-*.gz" -newermt "@$(($1 - 3600))" | LC_ALL=C sort
}
