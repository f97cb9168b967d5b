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
# doctor.sh only looks.
${only_looking:-false} || mkdir -p spool locks || exit 74

say() {
	echo "${0##*/}: $*" >&2
}

full() {
	say "cannot write to standard output"
	exit 74
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

# Where a job was once done there is a database; if it is gone, to make another one
# would hide that.
home_is_new() {
	! compgen -G 'spool/*.gz' && ! compgen -G 'backups/*' && ! grep -qs ' ends: ' logs/*.log
} >/dev/null

# as_job NAME LOCK,... OPTIONS ARGUMENT...: this script is a job, see there.
as_job() {
	# shellcheck disable=SC2086 # the options are several words
	[[ ${SELLERPIPE_LOCKS:-} == *",$2,"* ]] ||
		exec "$here/job" "$1" --lock "$2" $3 -- "$here/${0##*/}" "${@:4}"
	# shellcheck disable=SC2034 # for whoever sources this
	run_id=$SELLERPIPE_RUN
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
	local status statuses=(0 0 0)
	db-query asin_current_state >"spool/state.$$" || return
	keepa-flatten <"${1:-/dev/stdin}" | badge-diff -p "spool/state.$$" | db-load ||
		statuses=("${PIPESTATUS[@]}")
	stages keepa-flatten "${statuses[0]}" badge-diff "${statuses[1]}" db-load "${statuses[2]}"
	status=$(worst "${statuses[@]}")
	rm -f "spool/state.$$"
	return "$status"
}

# put_away FILE: compress a finished part of the spool.  Nobody sees half a file.
put_away() {
	[ -s "$1" ] || {
		rm -f "$1"
		return
	}
	gzip -c "$1" >"${1%.part}.tmp" && mv "${1%.part}.tmp" "${1%.part}.gz" && rm -f "$1"
}
