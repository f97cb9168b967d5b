#!/bin/bash
# sales.sh - fetch Amazon's Sales & Traffic reports into the database
#
#     sales.sh [--lookback N | --ages N,...]      the last N days (3); daily from cron
#     sales.sh --resume                           only what earlier runs left; often
#     sales.sh --mode backfill --from DAY [--to DAY]
#     with    [--marketplaces US,CA] [--timeout S] [--today DAY]
#     sales.sh --plan ...                         say what would be asked for, and how long it takes
#
# The ledger -> plan -> ledger; and for each marketplace at the same time, so that
# none stops another: Amazon -> rows -> database.  A run ends within the timeout
# (900 s).  What the quota leaves no room for, or Amazon has not got ready by then,
# stays in the ledger for the next run: so does all that a run was at which is
# killed.  At the end a report goes to ClickUp, and to Slack if something failed;
# one that cannot be delivered is kept in spool/ and delivered by the next run.
#
# Several machines may run it at one database: each claims the requests that it is at
# for as long as a run can take, and tells of these only.  If others are at all of
# them, it ends with 75.
#
# Status: 0, also of --resume if nothing is due yet; 65 something was refused; 75 not
# all done, the next run will; 76 Amazon answered nonsense; 77, 78 a credential or a
# setting is wrong.
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

wrong() {
	say "$*; see --help"
	exit 64
}

arguments=("$@")
mode=daily show_plan=false timeout=900 marketplaces=US,CA
days=() today=()
while [ $# -gt 0 ]; do
	case $1 in
	--*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
	esac
	case $1 in
	--help) show_help ;;
	--plan | --resume)
		[ "$1" = --plan ] && show_plan=true || mode=resume
		shift
		continue
		;;
	esac
	[ $# -gt 1 ] || wrong "unknown argument '$1', or one without its value"
	case $1 in
	--mode) mode=$2 ;;
	--lookback | --ages | --from | --to) days+=("$1" "$2") ;;
	--marketplaces) marketplaces=$2 ;;
	--timeout) timeout=$2 ;;
	--today) today=("$1" "$2") ;;
	*) wrong "unknown argument '$1'" ;;
	esac
	shift 2
done
case $mode:" ${days[*]-} " in
daily:*' --from '* | daily:*' --to '*) wrong "--from and --to belong to --mode backfill" ;;
daily:*) ;;
backfill:*' --from '*) ;;
backfill:*) wrong "--mode backfill needs --from DAY" ;;
resume:*--*) wrong "--resume asks for no days" ;;
resume:*) days=(--lookback 0) ;;
*) wrong "--mode is daily or backfill" ;;
esac
if [[ ! $timeout =~ ^[1-9][0-9]{0,4}$ ]] || [ "$timeout" -gt 86400 ]; then
	wrong "--timeout '$timeout' is no number of seconds up to 86400"
fi

began=$SECONDS
plan=spool/plan.$$
status=0
trap 'rm -f spool/*."$$" "$plan.ours"' EXIT

note() { # note STATUS: remember the worst
	status=$(worst "$status" "$1")
}

# has NAME: whether a setting is there, in whatever form, without reading it.
has() {
	[ -n "$(setting "$1" "$(setting "${1}_FILE" '')")" ]
}

min_interval=$(number SP_MIN_INTERVAL 900)
max_per_day=$(number SP_MAX_PER_DAY 96)
burst=$(number SP_BURST 8)
min_age=$(number SP_MIN_AGE 6)

make_plan() {
	local statuses=(0 0)
	db-query report_requests | sales-plan --marketplaces "$marketplaces" \
		--min-interval "$min_interval" --max-per-day "$max_per_day" --burst "$burst" --min-age "$min_age" \
		${days[@]+"${days[@]}"} ${today[@]+"${today[@]}"} >"$plan" || statuses=("${PIPESTATUS[@]}")
	$show_plan || stages db-query "${statuses[0]}" sales-plan "${statuses[1]}"
	note "$(worst "${statuses[@]}")"
	[ "$status" -eq 0 ] || [ "$status" -eq 65 ] || exit "$status"
}

# What of the plan can be begun within the timeout.
due() {
	jq -c --argjson until "$(($(date +%s) + timeout))" \
		'select(.not_before == null or (.not_before | fromdateiso8601) <= $until)' "$plan"
}

# "1,460 reports, 15.2 days": those to be asked for, until the last of them may be.
tell_plan() {
	jq -rnc --argjson now "$(date +%s)" '
		def commas: tostring | until(test("[0-9]{4}") | not; sub("(?<a>[0-9])(?<b>[0-9]{3})(?![0-9])"; "\(.a),\(.b)"));
		def one($n; $word): "\($n) \($word)" + (if $n == "1" then "" else "s" end);
		def tenth: (. * 10 | round) / 10 | tostring;
		[inputs] as $all
		| ([$all[].not_before | values | fromdateiso8601] | (max // $now) - $now) as $s
		| one($all | length | commas; "report") + ", "
			+ if $s <= 0 then "at once"
			  elif $s < 5400 then one($s / 60 | ceil | tostring; "minute")
			  elif $s < 129600 then one($s / 3600 | tenth; "hour")
			  else one($s / 86400 | tenth; "day") end' "$plan"
}

list_plan() {
	jq -rc '[.marketplace, .date, .granularity, .status, .not_before // "now"] | @tsv' "$plan" |
		awk -F '\t' '{ printf "%-3s %s  %-6s %-11s %s\n", $1, $2, $3, $4, $5 }'
}

# Into the ledger what of the plan is to be asked for.  Of what another machine has
# asked for since it was read, it knows better.
load_plan() {
	local statuses=(0 0 0)
	db-query report_requests status!=planned status!=not_ready status!=CANCELLED status!=FATAL |
		jq -nc --slurpfile plan "$plan" '([inputs | {key: .request_id, value: true}] | from_entries) as $asked
			| $plan[] | select($asked[.request_id] | not)' | db-load || statuses=("${PIPESTATUS[@]}")
	stages db-load "${statuses[2]}"
	return "$(worst "${statuses[@]}")"
}

# Keep of the plan what no other machine is at: false if that is nothing.  Others may
# have planned the same at the same moment.  What the ledger has refused is nobody's.
claim() { # claim STATUS: of loading the plan
	local market planned code=0
	planned=$(wc -l <"$plan")
	for market in $(jq -r .marketplace "$plan" | sort -u); do
		db-query --claim open_requests marketplace="$market" --lease "$((timeout + 180))s" || code=$(worst "$code" $?)
	done >"spool/claimed.$$"
	stages db-query "$code"
	note "$code"
	cp "$plan" "spool/known.$$"
	[ "$1" -eq 0 ] || asked >"spool/known.$$"
	jq -nc --slurpfile claimed "spool/claimed.$$" --slurpfile known "spool/known.$$" '
		def ids: map({key: .request_id, value: true}) | from_entries;
		($claimed | ids) as $ours | ($known | ids) as $known
		| inputs | select($ours[.request_id] or ($known[.request_id] | not))' "$plan" >"$plan.ours" || exit 74
	mv "$plan.ours" "$plan"
	[ -s "$plan" ] || [ "$planned" -eq 0 ] || [ "$code" -ne 0 ]
}

# fetch MARKETPLACE: all that the plan has of it.  What goes wrong is kept, for
# the report and to be shown once the others are done, too.
fetch() {
	local statuses=(0 0 0)
	jq -c --arg m "$1" 'select(.marketplace == $m)' "$plan" |
		{ sp-fetch --max-wait "$time_left" | sales-flatten | db-load || statuses=("${PIPESTATUS[@]}")
			stages sp-fetch "${statuses[0]}" sales-flatten "${statuses[1]}" db-load "${statuses[2]}"
			worst "${statuses[@]}" >"spool/status-$1.$$"; } 2>"spool/said-$1.$$"
}

# How far it is, once in a while, until it is killed.
show_progress() {
	trap - EXIT # which is the job's
	local all so_far
	all=$(wc -l <"$plan")
	while sleep 5; do
		so_far=$(db-query report_requests | jq -c --slurpfile plan "$plan" \
			'select(.status == "DONE" and ([.request_id] | inside([$plan[].request_id])))' | wc -l)
		say "$so_far of $all reports done, $((SECONDS - began)) s"
	done
}

# All marketplaces of the plan, at once.
fetch_all() {
	local market pids=() progress=''
	time_left=$((timeout - (SECONDS - began) - timeout / 20))
	[ "$time_left" -ge 1 ] || time_left=1
	[ "$time_left" -le "$timeout" ] || time_left=$timeout # the clock was set back
	markets=()
	while read -r market; do
		markets+=("$market")
	done < <(jq -r .marketplace "$plan" | sort -u)
	if [ -t 2 ]; then
		show_progress &
		progress=$!
	fi
	for market in ${markets[@]+"${markets[@]}"}; do
		fetch "$market" &
		pids+=($!)
	done
	[ ${#pids[@]} -eq 0 ] || wait "${pids[@]}" || true
	[ -z "$progress" ] || kill "$progress" 2>/dev/null || true
	for market in ${markets[@]+"${markets[@]}"}; do
		cat "spool/said-$market.$$" >&2
		note "$(cat "spool/status-$market.$$" 2>/dev/null || echo 70)"
	done
}

# Where each request of the plan stands now.
asked() {
	db-query report_requests | jq -c --slurpfile plan "$plan" \
		'($plan | map({key: .request_id, value: true}) | from_entries) as $asked | select($asked[.request_id])'
}

# Whether something of the plan is left for the next run.
unfinished() {
	local left
	left=$(asked | jq -n '[inputs | select(.status | IN("DONE", "no_data", "failed") | not)] | length') || return 0
	[ "$left" -gt 0 ]
}

# What the report is made of: the run, what became of each marketplace, where each
# request stands now, and what is known of their days.
facts() {
	local market
	db-query runs run_id="$run_id" | jq -c --arg now "$(now)" --argjson status "$status" \
		'.finished_at = $now | .status = $status'
	for market in ${markets[@]+"${markets[@]}"}; do
		jq -nc --arg m "$market" --rawfile said "spool/said-$market.$$" \
			--argjson status "$(cat "spool/status-$market.$$" 2>/dev/null || echo 70)" \
			'{type: "job_part", marketplace: $m, status: $status,
				said: ($said | split("\n") | map(select(. != "" and (test("left for a later run$|has no end: what came is kept") | not))) | .[-3:] | join("\n") | .[:1000])}'
	done
	asked
	db-query sales_freshness | jq -c --slurpfile plan "$plan" \
		'($plan | map({key: "\(.marketplace) \(.date)", value: true}) | from_entries) as $asked
			| select($asked["\(.marketplace) \(.date)"])'
}

# Write the messages into spool/, one file for each sink.  What only goes on from
# earlier runs is worth a message when it fails, or once nothing is left.
write_report() {
	local task
	facts >"spool/facts.$$"
	case $mode:$status in
	resume:0 | resume:75) ! unfinished || return 0 ;;
	esac
	task=$(setting CLICKUP_TASK_ID '')
	CLICKUP_TASK_ID=${task:-none} SLACK_CHANNEL_LOGS=$(setting SLACK_CHANNEL_LOGS '') \
		SLACK_CHANNEL_ALERTS=$(setting SLACK_CHANNEL_ALERTS '') \
		jq -nc -f "$here/../notify/job-report.jq" "spool/facts.$$" >"spool/messages.$$"
	! [ -t 2 ] || jq -r 'select(.type == "clickup_comment").text' "spool/messages.$$" >&2
	[ -z "$task" ] || ! has CLICKUP_API_TOKEN || keep clickup_comment
	! has SLACK_BOT_TOKEN || keep slack_message
}

# keep SINK: its message, until it is delivered.
keep() {
	jq -c --arg sink "$1" 'select(.type == $sink)' "spool/messages.$$" >"spool/report.$$"
	[ ! -s "spool/report.$$" ] || mv "spool/report.$$" "spool/report-$run_id.$1"
}

# What was accepted is in the spool before it is in the database.
keep_notes() {
	local code=0
	take_notes spool/sales.notes || code=$?
	stages db-load "$code"
	note "$code"
}

# deliver FILE: what was sent already, by a run that was killed then, is not sent
# again; what can never be delivered is in `notifications`.
deliver() {
	local code=0 id sent='' post=clickup-post
	[ "${1##*.}" = clickup_comment ] || post=slack-post
	id=$(jq -er .id "$1" 2>/dev/null) || {
		say "this report is none: $1.bad"
		mv "$1" "$1.bad"
		note 65
		return 0
	}
	sent=$(db-query notifications notification_id="$id" state=sent) || code=$(worst $?)
	if [ "$code" -eq 0 ] && [ -z "$sent" ]; then
		"$post" --max-wait 30 <"$1" >>spool/sales.notes || code=$?
		stages "$post" "$code"
		keep_notes
	fi
	case $code in
	0 | 65) rm -f "$1" ;;
	*) say "this report is kept, and delivered by the next run: $1" ;;
	esac
	note "$code"
	[ "$code" -eq 0 ] || [ "$code" -eq 65 ]
}

# All that is kept; where one does not get through, neither will the others.
deliver_all() {
	local sink file
	[ ! -e spool/sales.notes ] || keep_notes # of a run that was killed
	for sink in clickup_comment slack_message; do
		for file in spool/report-*."$sink"; do
			[ -e "$file" ] || continue
			deliver "$file" || break
		done
	done
}

! home_is_new || db-load --init </dev/null
if $show_plan; then
	plan=spool/preview.$$
	make_plan
	list_plan || full
	tell_plan || full
	exit "$status"
fi
as_job sales sales "--timeout $((timeout + 60))" "${arguments[@]}"
rm -f spool/{plan,claimed,known,facts,messages,report,said-??,status-??}.[0-9]* # of a run that was killed
find spool -name 'preview.*' -mmin +60 -exec rm -f {} +
make_plan
if [ "$mode" = resume ] && [ -z "$(due)" ]; then
	deliver_all
	[ "$status" -ne 0 ] || idle
	exit "$status"
fi
markets=()
code=0
load_plan || code=$?
note "$code"
[ "$mode" != backfill ] || [ ! -t 2 ] || say "$(tell_plan)"
if [ "$code" -eq 0 ] || [ "$code" -eq 65 ]; then
	claim "$code" || {
		say "another machine is at all of it; try again later"
		deliver_all
		note 75
		exit "$status"
	}
	fetch_all
fi
! unfinished || note 75
did "$(jq -s length "$plan")"
write_report
deliver_all
exit "$status"
