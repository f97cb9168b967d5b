#!/bin/bash
# track.sh - which ASINs are tracked
#
#     track.sh add B0... [B0...] [--marketplace US] [--priority 1] [--every 60]
#                  [--role own|competitor] [--label TEXT] [--file FILE]
#     track.sh remove B0... [--marketplace US] [--file FILE]
#     track.sh list
#
# --every is in minutes; priority 1 comes first.  FILE holds an ASIN a line, with
# anything behind it, and # for comments; - is standard input.  To add what is
# there changes just what is named.  What is removed keeps its history.
# Each call is one transaction: it is done, or not; one that was killed is done by the
# next one, if it was not.  What was called for is kept in spool/, for restore.sh.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

wrong() {
	say "$*; see --help"
	exit 64
}

# The ASINs of a file, however a spreadsheet left them.
read_file() {
	LC_ALL=C awk '{ sub(/^\357\273\277/, ""); sub(/#.*/, ""); gsub(/[",;\r]/, " "); if ($1 != "") print $1 }' "$1"
}

# take ASIN...: to those named.
take() {
	local asin
	for asin; do
		asins+=("$(tr '[:lower:]' '[:upper:]' <<<"$asin")")
	done
}

# One at a time, in the order in which they were called, and not while the database is
# restored.
take_turn() {
	local part
	exec 9>>locks/track.lock
	flock -w 30 9 || {
		say "another track.sh, or restore.sh, is running; try again later"
		exit 75
	}
	for part in spool/track-*.part; do
		[ ! -e "$part" ] || load "$part" || true
	done
}

# load PART: what could be loaded is kept.
load() {
	local code=0
	db-load --init <"$1" || code=$?
	case $code in
	0 | 65) put_away "$1" ;;
	esac
	return "$code"
}

change() { # change JQ-OBJECT: of the ASINs named
	[ ${#asins[@]} -gt 0 ] || wrong "no ASINs"
	local bad
	bad=$(printf '%s\n' "${asins[@]}" | grep -vE '^[0-9A-Z]{10}$' || true)
	[ -z "$bad" ] || wrong "not an ASIN: ${bad//$'\n'/, }"
	take_turn
	local part code=0
	part=spool/track-$(date -u +%Y%m%dT%H%M%S.%NZ)-$$
	printf '%s\n' "${asins[@]}" | jq -Rc --arg marketplace "$marketplace" --argjson set "$1" \
		'{type: "tracked_asins", $marketplace, asin: .} + $set' >"$part.new"
	mv "$part.new" "$part.part"
	load "$part.part" || code=$?
	rm -f "$part.part" # it is not done, and we say so
	return "$code"
}

list() {
	local statuses=(0 0 0)
	db-query watchlist | jq -nr '["market", "asin", "priority", "every", "status", "last look", "title"],
		(inputs | [.marketplace, .asin, .priority, .monitoring_frequency, .status // "never seen",
		 .last_updated // "-", ((.label // .product_title // "-") | explode
			| map(select(. >= 32 and (. < 127 or . > 159) and (. < 8203 or . > 8207)
				and (. < 8232 or . > 8238) and (. < 8288 or . > 8303))) | implode | .[:50])])
		| @tsv' |
		awk -F '\t' '{ printf "%-7s %-11s %-9s %-6s %-11s %-21s %s\n", $1, $2, $3, $4, $5, $6, $7 }' ||
		statuses=("${PIPESTATUS[@]}")
	[ "${statuses[2]}" -eq 0 ] || full
	return "$(worst "${statuses[@]}")"
}

action=${1:---help}
shift || true
asins=() marketplace=US set='{}'
add() { # add NAME TYPE VALUE: to what is set; TYPE is arg or argjson
	set=$(jq -c "--$2" v "$3" --arg name "$1" '.[$name] = $v' <<<"$set" 2>/dev/null) ||
		wrong "'$3' is no value for $1"
}
while [ $# -gt 0 ]; do
	[[ $1 != --* || $# -gt 1 ]] || wrong "$1 needs a value"
	case $1 in
	--marketplace) marketplace=$2 ;;
	--priority) add priority argjson "$2" ;;
	--every) add monitoring_frequency argjson "$2" ;;
	--role) add role arg "$2" ;;
	--label) add label arg "$2" ;;
	--file)
		while IFS= read -r asin; do take "$asin"; done < <(read_file "$2")
		;;
	-*) wrong "unknown option '$1'" ;;
	*)
		take "$1"
		shift
		continue
		;;
	esac
	shift 2
done

case $action in
add)
	add is_active argjson true
	add added_at arg "$(now)" # as it would be by itself; of one that is there, no matter
	change "$set"
	;;
remove) change '{"op": "update", "is_active": false}' ;;
list) list ;;
--help | help) show_help ;;
*) wrong "unknown action '$action'" ;;
esac
