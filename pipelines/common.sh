# shellcheck shell=bash
# common.sh - sourced by every script here: where things are, the lock, and the
# account of a run.
#
# Everything a job keeps is in SELLERPIPE_HOME (default: the current folder):
# amazon.db, .env, spool/, locks/.  The programs are found beside these scripts,
# in the source tree or installed, or else in PATH.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$here/../fetch:$here/../transform:$here/../load:$here/../notify:$here/../../../bin:$PATH
export PATH
umask 077

cd "${SELLERPIPE_HOME:-.}" || exit 78
mkdir -p spool locks || exit 74

say() {
	echo "${0##*/}: $*" >&2
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

# take_lock NAME: or end with 75.  It goes with the process, however that ends.
take_lock() {
	exec 9>>"locks/$1.lock" || exit 74
	flock -n 9 || {
		say "another run of this job is still at it; try again later"
		exit 75
	}
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

# begin_run JOB, end_run STATUS RECORDS: the audit trail.
begin_run() {
	run_id="$1-$(date -u +%Y%m%dT%H%M%SZ)-$$"
	jq -nc --arg id "$run_id" --arg job "$1" --arg at "$(now)" --arg program "${0##*/}" \
		--arg host "$(uname -n)" --arg version "$(db-load --version)" \
		'{type: "runs", run_id: $id, program: $program, job: $job,
			version: ($version | ltrimstr("db-load ")), started_at: $at, host: $host}' |
		db-load --init
}

end_run() {
	jq -nc --arg id "$run_id" --arg at "$(now)" --argjson status "$1" --argjson records "$2" \
		'{type: "runs", run_id: $id, finished_at: $at, status: $status, records: $records}' |
		db-load
}

# load_observations [FILE]: raw products, from FILE or standard input, into the
# database with what changed by them.  Its exit status is the worst of the three.
load_observations() {
	local status
	db-query asin_current_state >"spool/state.$$" || return
	keepa-flatten <"${1:-/dev/stdin}" | badge-diff -p "spool/state.$$" | db-load
	status=$(worst "${PIPESTATUS[@]}")
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
