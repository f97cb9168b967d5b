# shellcheck shell=bash
# checks.sh - sourced by health.sh and doctor.sh: how each service is
#
# Each check writes a health_checks record, whatever becomes of it.

# shellcheck disable=SC2154 # here: from common.sh
words=$here/../notify # where health-words.jq is

# Names of settings that are there, in whatever form, without their values.
settings_there() {
	local name
	for name in $(compgen -e); do
		[ -z "${!name}" ] || echo "$name"
	done
	[ ! -r .env ] || awk '
		{ sub(/\r$/, ""); sub(/^\357\273\277/, "") }
		match($0, /^[ \t]*(export[ \t]+)?[A-Za-z0-9_]+[ \t]*=/) {
			name = substr($0, 1, RLENGTH - 1); value = substr($0, RLENGTH + 1)
			sub(/^[ \t]*(export[ \t]+)?/, "", name); sub(/[ \t]*$/, "", name)
			there[name] = value !~ /^[ \t]*(""|\047\047)?([ \t]+(#.*)?)?$/
		}
		END { for (name in there) if (there[name]) print name }' .env
}
there=" $(settings_there | tr '\n' ' ')"

has() { # has NAME...: whether one of these is set
	local name
	for name; do
		[[ $there != *" $name "* && $there != *" ${name}_FILE "* ]] || return 0
	done
	return 1
}

# Those that can be asked, with the settings that there are.
services() {
	! has KEEPA_API_KEY || echo keepa
	! has SLACK_BOT_TOKEN || echo slack
	! has SP_API_CLIENT_ID LWA_APP_ID SP_API_CLIENT_SECRET LWA_CLIENT_SECRET SP_API_REFRESH_TOKEN \
		SP_API_REFRESH_TOKEN_NA SP_API_REFRESH_TOKEN_EU SP_API_REFRESH_TOKEN_FE || echo sp-api
	! has CLICKUP_API_TOKEN || echo clickup
}

millis() {
	local time=${EPOCHREALTIME/[^0-9]/}
	echo "$((time / 1000))"
}

ago() { # ago 4 hours: that time
	date -u -d "-$1 $2" +%Y-%m-%dT%H:%M:%SZ
}

# limited COMMAND...: none may keep the others waiting.
limited() {
	HTTP_TRIES=2 HTTP_TIMEOUT=20 HTTP_CONNECT_TIMEOUT=10 HTTP_STALL_TIMEOUT=20 \
		timeout --foreground -k 5 40 "$@"
}

# ask SERVICE COMMAND...: its record, or one that says why it gave none.
ask() {
	local service=$1 began said code=0
	began=$(millis)
	said=$("${@:2}" 2>&1 </dev/null | LC_ALL=C tr -d '\000') || code=$?
	printf '%s\n' "$said" | jq -Rsc -L "$words" --arg service "$service" --argjson code "$code" \
		--arg now "$(now)" --argjson ms "$(($(millis) - began))" '
		include "health-words";
		(split("\n") | map(select(test("[^[:space:]]")))) as $lines
		| ($lines | map(select(startswith("{")) | fromjson? // empty | select(type == "object"
			and .type == "health_checks" and .service == $service and (.ok | type) == "boolean")) | last) as $record
		| ($lines | map(select(startswith("{") | not) | sub("^[a-z]+(-[a-z]+)*: "; ""))) as $said
		| {type: "health_checks", service: $service}
		+ if $record then {
			checked_at: ($record.checked_at | if type == "string" and test("^[0-9-]{10}T[0-9:]{8}Z$") then . else $now end),
			ok: $record.ok,
			latency_ms: ($record.latency_ms | if type == "number" then . else $ms end),
			detail: ([$record.detail // empty, ($said | map(select(test("secret .*expire"))) | .[])] | join("; ") | words)}
		else {checked_at: $now, ok: false, latency_ms: $ms,
			detail: (if $code == 124 or $code == 137 then "it took longer than \($ms / 1000 | floor) s"
				else ($said | last // "it said nothing") + if $code == 0 then "" else " (status \($code))" end end | words)}
		end
		+ {status: $code}'
}

# state SERVICE OK DETAIL: the record of what is found out without asking anybody.
state() {
	jq -nc -L "$words" --arg service "$1" --argjson ok "$2" --arg detail "$3" --arg now "$(now)" \
		'include "health-words"; {type: "health_checks", service: $service, checked_at: $now, ok: $ok,
			latency_ms: null, detail: ($detail | words)}'
}

# Whether all is gone from it that the last backup had.
emptied_database() {
	local last table
	last=$(setting BACKUP_DIR backups)/newest.json
	[ -s "$last" ] && jq -e '.rows | .tracked_asins + .rank_history + .sales_daily > 0' "$last" >/dev/null || return
	for table in tracked_asins rank_history sales_daily; do
		[ -z "$(db-query "$table" --limit 1)" ] || return
	done
}

# A row is written, and read.
write_and_read() {
	local at
	! lost_database || {
		echo "the database: $(database) $lost" >&2
		return 78
	}
	! emptied_database || {
		echo 'the database: it is empty, and the last backup was not: restore.sh brings that back' >&2
		return 78
	}
	at=$(now)
	printf '{"type":"health_checks","service":"database","checked_at":"%s","ok":true,"detail":"a row written and read"}\n' "$at" |
		limited db-load || return
	limited db-query health_checks service=database "checked_at=$at"
}

# A place of the disk's that something of ours is in, and what is free there.
free_space() { # free_space FOLDER
	df -Pk "$1" | awk -v folder="$1" 'NR == 2 { print $2, $4, folder }'
	df -Pi "$1" 2>/dev/null | awk -v folder="$1" 'NR == 2 && $2 > 0 && $4 < 100 { print "!", $4 " inodes are left in " folder }'
}

# The folder of the database, if it is on another disk.
database_folder() {
	local file
	! on_server || return 0
	file=$(database)
	case $file in
	*/*)
		file=$(dirname "$file")
		[ "$(stat -c %d "$file" 2>/dev/null)" = "$(stat -c %d .)" ] || echo "$file"
		;;
	esac
}

# Too little is less than HEALTH_DISK_MB; or less than 3 %, unless that is ten
# times as much.
check_disk() {
	local folder least
	least=$(setting HEALTH_DISK_MB 500)
	{
		free_space .
		folder=$(database_folder)
		[ -z "$folder" ] || free_space "$folder"
	} 2>&1 | awk -v least="$least" '
		function mb(n) { return n >= 10240 * 1024 ? int(n / 1048576) " GB" : int(n / 1024) " MB" }
		$1 == "!" { bad = substr($0, 3); next }
		$1 !~ /^[0-9]+$/ || $2 !~ /^[0-9]+$/ { bad = "cannot tell: " $0; next }
		{
			percent = $1 > 0 ? 100 * $2 / $1 : 0
			words = mb($2) " free, " int(percent) " %" ($3 == "." ? "" : ", in " substr($0, index($0, $3)))
			if ($2 < least * 1024 || (percent < 3 && $2 < 10 * least * 1024)) bad = words
			else if (good == "") good = words
		}
		END { print bad != "" || good == "" ? "false" : "true"; print bad != "" ? bad : good != "" ? good : "cannot tell" }' | {
		read -r ok && read -r detail
		state disk "$ok" "$detail"
	}
}

# asked SERVICE: by the program that talks to it.
asked() {
	case $1 in
	keepa) ask keepa limited keepa-fetch --check --max-wait 5 ;;
	slack) ask slack limited slack-post --check --max-wait 5 ;;
	sp-api) ask sp-api limited sp-fetch --check --max-wait 25 ;;
	clickup) ask clickup limited clickup-post --check --max-wait 5 ;;
	esac
}

# Rows that are dated more than an hour ahead of now.
check_clock() {
	local ahead
	ahead=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
	{
		db-query asin_current_state "last_updated>$ahead" --order -last_updated --limit 1
		db-query api_usage_log "processing_completed_at>$ahead" --order -processing_completed_at --limit 1
		db-query runs "started_at>$ahead" --order -started_at --limit 1
	} | jq -nc -L "$words" --arg now "$(now)" 'include "health-words";
		[inputs | {type, at: (.last_updated // .processing_completed_at // .started_at)}] | max_by(.at)
		| {type: "health_checks", service: "clock", checked_at: $now, ok: (. == null), latency_ms: null,
			detail: (if . then .at as $at | "\(.type) has a row of \($at | time), \($now | seconds($at) | long) ahead: the clock was ahead then, or is behind now"
				else "no row is ahead of it" end)}'
}

# How long ago the last good run of each job may be, in hours; 0: it is not watched.
limits() { # limits JOB...
	local job default
	for job; do
		case $job in
		badges) default=3 ;;
		sales | summary | backup | prune) default=50 ;;
		*) default=0 ;;
		esac
		[[ $job =~ ^[a-z][a-z0-9-]*$ ]] || continue
		echo "$job $(setting "HEALTH_$(tr a-z- A-Z_ <<<"$job")_HOURS" "$default")"
	done | jq -Rnc '[inputs | split(" ") | {key: .[0], value: (.[1] | tonumber? // 0)}] | from_entries'
}

# What says that a job is at work, even if it never gets all done (75): badges by
# a look, sales by a report.  And the first run of one that was never well.
signs_of_life() { # signs_of_life JOB_STATUS
	local job
	db-query asin_current_state 'last_updated!=null' --order -last_updated --limit 1 |
		jq -c '{type: "alive", job: "badges", at: .last_updated}'
	db-query report_requests status=DONE --order -updated_at --limit 1 |
		jq -c '{type: "alive", job: "sales", at: .updated_at}'
	for job in $(jq -r 'select(.last_good_at == null).job' <<<"$1"); do
		db-query runs "job=$job" --order started_at --limit 1 | jq -c '{type: "began", job, at: .started_at}'
	done
}

# check_jobs RECORDS: how each job goes, and whether all ASINs are looked at in time.
# What is due to a service that is down is not said twice.  After the machine slept,
# or the service came back, a job has three hours to catch up.
check_jobs() {
	local jobs names=()
	jobs=$(db-query job_status)
	[ -z "$jobs" ] || mapfile -t names < <(jq -r .job <<<"$jobs")
	{
		printf '%s\n' "$jobs"
		signs_of_life "$jobs"
		db-query health_checks service=disk "checked_at>$(ago 4 hours)" | jq -c '{type: "watched", at: .checked_at}'
		db-query health_incidents "last_failed_at>$(ago 4 hours)"
		db-query watchlist due=true | jq -c '{type, asin, marketplace, monitoring_frequency, last_updated}'
		db-query tracked_asins is_active=true "added_at>$(ago 3 hours)" | jq -c '{type, asin, marketplace}'
		printf '%s\n' "$1" | jq -c '{type: "now", service, ok}'
	} | jq -nc -L "$words" --arg now "$(now)" --argjson spared "${2:-true}" \
		--argjson hours "$(limits ${names[@]+"${names[@]}"})" '
		include "health-words";
		def needs: {badges: "keepa", sales: "sp-api"}[.];
		def record($service; $ok; $detail): {type: "health_checks", service: $service, checked_at: $now, ok: $ok,
			latency_ms: null, detail: ($detail | words)};
		($now | fromdateiso8601) as $s
		| [inputs] as $all
		| def those($type): $all[] | select(.type == $type);
		  def age: $s - fromdateiso8601;
		  # Nobody was watching, or what it needs was away.
		  def excused($service): $spared and (
			([those("watched").at] | sort + [$now]
				| (.[0] | age) < 10800 or any(range(1; length) as $i | {from: .[$i - 1], to: .[$i]};
					.to as $to | (.from | seconds($to)) > 3600 and ($to | age) < 10800))
			or any(those("now"); .service == $service and (.ok | not))
			or any(those("health_incidents"); .service == $service and (.up_since // $now | age) < 10800));
		  def alive($job): [(those("alive"), those("began") | select(.job == $job).at | select(. <= $now))] | max;
		[those("job_status") | select(($hours[.job] // 0) > 0)
			| ([.last_good_at, alive(.job)] | max) as $good
			| ($hours[.job] * 3600) as $limit
			| if $good and ($good | age) <= $limit then
				record("job:" + .job; true; "at work \($good | age | [., 0] | max | long) ago")
			  else record("job:" + .job; false;
				(if .last_good_at then "no good run since \(.last_good_at | time), for \(.last_good_at | age | long)" else "no good run yet" end)
				+ (if .status == null then "; the last has not ended"
				   elif .status != 0 then "; the last ended with status \(.status)" + (if .error then ": \(.error)" else "" end)
				   else "" end)) end] as $jobs
		| ([those("tracked_asins") | {key: "\(.marketplace) \(.asin)", value: true}] | from_entries) as $new
		| [those("watchlist") | select($new["\(.marketplace) \(.asin)"] | not)
			| .late = (if .last_updated then .last_updated | age else null end)
			| select(.late == null or .late > ([.monitoring_frequency * 180, 10800] | max))] as $late
		| ($jobs[], (if any($jobs[]; .service == "job:badges" and .ok) then
			record("data:badges"; $late == [];
				(if $late == [] then "all looked at in time"
				 else "\($late | length) ASINs were not looked at in time, \($late[0] | "\(.marketplace) \(.asin)"): "
					+ ($late[0].late | if . then "\(long) ago" else "never" end) end)) else empty end))
		| select(.ok or (excused(.service | sub("^(job|data):"; "") | needs) | not))'
}
