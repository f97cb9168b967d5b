#!/bin/bash
# doctor.sh - what works, what does not, and what to do about it
#
#     doctor.sh [--no-network] [--json]
#
# Looks at all that health.sh looks at, and at what a person sets up: programs, the
# folder, .env, keys, channels, what is tracked, what is scheduled.  It keeps nothing,
# sends nothing, and makes no database.
#
#     --no-network    asks nobody
#     --json          a record a line: {"type":"doctor","what":…,"state":…,…}
#
# ok: it works; bad: it does not; look: it works, but look at it; -: it is not set up.
# Status: 0 nothing is bad, else what the worst of it asks for: 77 a key is refused, 78
# a setting is missing or wrong, 74 the disk or the database fails, 75 it heals by
# itself, as the network does.
set -euo pipefail
network=true json=false
for argument; do
	case $argument in
	--no-network) network=false ;;
	--json) json=true ;;
	--version) ;; # see common.sh
	--help)
		sed -n '2,/^set/s/^# \{0,1\}//p' "$0" || exit 74
		exit
		;;
	*)
		echo "doctor.sh: unknown argument '$argument'; see --help" >&2
		exit 64
		;;
	esac
done

found=() # what was, each with its parts separated by tabs

# tell STATE STATUS WHAT DETAIL [WHAT-TO-DO]
tell() {
	local part parts=()
	for part; do parts+=("${part//$'\t'/ }"); done
	found+=("$(printf '%s\t' "${parts[@]//$'\n'/ }")")
}

# The table, and the worst status.
report() {
	local row statuses=() status
	for row in "${found[@]}"; do
		row=${row#*$'\t'}
		statuses+=("${row%%$'\t'*}")
	done
	status=$(worst "${statuses[@]}")
	printf '%s\n' "${found[@]}" | if $json; then show_json; else show_table; fi
	exit "$status"
}

show_json() {
	jq -Rc -L "$words" 'include "health-words"; split("\t") | {type: "doctor", what: .[2], state: .[0], status: (.[1] | tonumber),
		detail: (.[3] | words), hint: (.[4] | if . == "" then null else . end)}'
}

show_table() {
	local colour=false
	[ ! -t 1 ] || [ -n "${NO_COLOR:-}" ] || colour=true
	jq -Rr -L "$words" --argjson colour "$colour" 'include "health-words";
		def pad($n): . + " " * ([$n - length, 0] | max);
		{ok: ["✓", "32"], bad: ["✗", "31"], look: ["!", "33"], "-": ["–", "2"]} as $marks
		| split("\t")
		| (if $colour then "\u001b[\($marks[.[0]][1])m\($marks[.[0]][0])\u001b[0m" else .[0] | pad(4) end)
			+ " \(.[2] | clean(60) | pad(20)) \(.[3] | words)",
		(select(.[4] != "") | (if $colour then "  " else "     " end) + " " * 20 + " → \(.[4])")'
}

# What common.sh does about a folder that is not there, it does without many words.
home=${SELLERPIPE_HOME:-.}
if [ ! -d "$home" ] || [ ! -x "$home" ]; then
	echo "doctor.sh: SELLERPIPE_HOME '$home' is no folder that we may go to; make it: mkdir -p '$home'" >&2
	exit 78
fi
# shellcheck disable=SC2034 # for common.sh
only_looking=true
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
command -v jq >/dev/null || {
	say 'jq is missing: install it (Debian: apt install jq)'
	exit 78
}
# shellcheck source=checks.sh
. "$here/checks.sh"

# ---- this machine

check_programs() {
	local name version missing=()
	for name in flock timeout setsid gzip awk; do
		command -v "$name" >/dev/null || missing+=("$name")
	done
	for name in db-load db-query keepa-fetch keepa-flatten badge-diff sp-fetch sales-plan sales-flatten \
		slack-post clickup-post; do
		command -v "$name" >/dev/null || missing+=("$name")
	done
	version=$(jq --version)
	version=${version#jq-}
	[ "$(printf '%s\n' 1.6 "$version" | sort -V | sed -n 1p)" = 1.6 ] || missing+=("jq 1.6 (this is $version)")
	[ -e "${TZDIR:-/usr/share/zoneinfo}/America/New_York" ] || missing+=(tzdata)
	if [ ${#missing[@]} -eq 0 ]; then
		tell ok 0 programs "all there, jq $version" ''
	else
		tell bad 78 programs "missing: ${missing[*]}" \
			'install them: Debian: apt install jq util-linux coreutils gzip gawk tzdata; ours: make install'
	fi
}

check_home() {
	if [ ! -w . ] || { [ -e spool ] && [ ! -w spool ]; } || { [ -e locks ] && [ ! -w locks ]; }; then
		tell bad 78 folder "$PWD: we may not write to it" "run the jobs as its owner, $(stat -c %U .)"
	elif [ "$(stat -c %u .)" != "$(id -u)" ]; then
		tell look 0 folder "$PWD belongs to $(stat -c %U .), and we are $(id -un)" 'run the jobs, and this, as its owner'
	else
		tell ok 0 folder "$PWD" ''
	fi
}

# ---- .env

example() { # where .env.example is
	local file
	for file in "$here/../.env.example" "$here/../../../share/sellerpipe/.env.example"; do
		[ ! -r "$file" ] || {
			(cd "$(dirname "$file")" && echo "$PWD/.env.example")
			return
		}
	done
}

# Names of .env that nobody reads, each with the one that may be meant.
unknown_settings() {
	local known
	known=$(example)
	[ -n "$known" ] || return 0
	awk '
		function distance(a, b,    i, j, d, cost, least) {
			for (i = 0; i <= length(a); i++) d[i, 0] = i
			for (j = 0; j <= length(b); j++) d[0, j] = j
			for (i = 1; i <= length(a); i++) for (j = 1; j <= length(b); j++) {
				cost = substr(a, i, 1) != substr(b, j, 1)
				least = d[i - 1, j - 1] + cost
				if (d[i - 1, j] + 1 < least) least = d[i - 1, j] + 1
				if (d[i, j - 1] + 1 < least) least = d[i, j - 1] + 1
				d[i, j] = least
			}
			return d[length(a), length(b)]
		}
		!match($0, /^[ \t]*#?(export[ \t]+)?[A-Za-z0-9_]+[ \t]*=/) { next }
		{
			name = substr($0, 1, RLENGTH - 1)
			sub(/^[ \t]*#?(export[ \t]+)?/, "", name); sub(/[ \t]*$/, "", name)
		}
		NR == FNR { known[name]; next }
		/^[ \t]*#/ { next }
		{
			bare = name; sub(/_FILE$/, "", bare)
			if (bare in known || name in known) next
			if (bare ~ /^(LWA_APP_ID|LWA_CLIENT_SECRET|SP_API_REFRESH_TOKEN_(NA|EU|FE)|HEALTHCHECK_URL_[A-Z_]+|HEALTH_[A-Z_]+_HOURS)$/) next
			meant = ""; least = 4
			for (k in known) if ((n = distance(toupper(bare), k)) < least) { least = n; meant = k }
			print name (meant != "" ? " (" meant "?)" : "")
		}' "$known" .env
}

check_env() {
	local bad unknown said mode
	if [ ! -e .env ]; then
		if has KEEPA_API_KEY SP_API_REFRESH_TOKEN SP_API_CLIENT_ID SLACK_BOT_TOKEN; then
			tell ok 0 .env 'none: settings come from the environment' ''
		else
			tell bad 78 .env 'none, and the environment has no settings either' \
				"begin here: cp $(example) .env && chmod 600 .env, and write your keys into it"
		fi
		return
	fi
	mode=$(stat -L -c %a .env)
	if [ "$(stat -L -c %u .env)" != "$(id -u)" ] && [ "$(stat -L -c %u .env)" != 0 ]; then
		tell bad 78 .env "it belongs to $(stat -L -c %U .env), and we are $(id -un)" "chown $(id -un) .env, or run the jobs as its owner"
	elif [ ! -r .env ]; then
		tell bad 78 .env 'we may not read it' "run the jobs as its owner, $(stat -L -c %U .env)"
	elif [ "${mode: -2}" != 00 ]; then
		tell bad 78 .env "others can read it (mode $mode), and it holds secrets; no program will" 'chmod 600 .env'
	else
		bad=$(awk '{ sub(/\r$/, ""); if (NR == 1) sub(/^\357\273\277/, "") }
			!/^[ \t]*(#|$)/ && !/^[ \t]*(export[ \t]+)?[A-Za-z0-9_]+[ \t]*=/ { printf "%s%d", sep, NR; sep = ", " }' .env)
		said=$(db-query --list 2>&1 >/dev/null | sed -n 's/^db-query: //; /^\.env/p') || true
		if [ -n "$bad" ]; then
			tell bad 78 .env "lines that are not NAME=value: $bad" 'mend or remove them: until then no program reads any of it'
		elif [ -n "$said" ]; then
			tell bad 78 .env "$said" 'mend it (do its quotes close?): until then no program reads any of it'
		else
			tell ok 0 .env "ours alone, mode $mode" ''
		fi
	fi
	[ -r .env ] || return 0
	unknown=$(unknown_settings | paste -sd , | sed 's/,/, /g')
	[ -z "$unknown" ] || tell look 0 settings "unknown in .env: $unknown" 'nothing reads them; is it a slip of the pen?'
}

# Those that are numbers, and are none; addresses that job-ping could not ask.
check_values() {
	local name value
	for name in LOG_MAX SPOOL_DAYS RAW_DAYS RUNS_DAYS CHECKS_DAYS KEEP_DAILY KEEP_WEEKLY KEEP_MONTHLY \
		KEEPA_MAX_WAIT LOOK_LEASE TELL_LEASE ALERT_DIGEST ALERT_WITHIN SP_MIN_INTERVAL SP_MAX_PER_DAY SP_BURST SP_MIN_AGE \
		HEALTH_STRIKES HEALTH_DISK_MB HEALTH_BADGES_HOURS HEALTH_SALES_HOURS HEALTH_SUMMARY_HOURS HEALTH_BACKUP_HOURS; do
		value=$(setting "$name" 0)
		[[ $value =~ ^[0-9]{1,9}$ ]] || tell bad 78 "$name" "'$value' is no number" 'mend it in .env: jobs that need it do not run'
	done
	for name in badges sales summary health backup prune; do
		name=HEALTHCHECK_URL_${name^^}
		value=$(setting "$name" https://)
		[[ $value == https://* || $value == http://127.* || $value == http://localhost* ]] ||
			tell bad 78 "$name" 'is no https:// address' 'mend it in .env: the URL of the check, whole'
	done
}

# ---- the database

newest_schema() {
	local file newest=0
	for file in "$here"/../load/schema/sqlite/*.sql "$here"/../../../share/sellerpipe/schema/sqlite/*.sql; do
		file=${file##*/}
		[[ ! $file =~ ^0*([1-9][0-9]*)- ]] || newest=${BASH_REMATCH[1]}
	done
	echo "$newest"
}

bytes() { # bytes N
	awk -v n="$1" 'BEGIN {
		if (n >= 1e9) printf "%.1f GB", n / 1e9
		else if (n >= 1e6) printf "%.1f MB", n / 1e6
		else printf "%d kB", n / 1000
	}'
}

# Whether it can be written to, though nothing is, and read.
# shellcheck disable=SC2317 # called by ask
try_database() {
	local view
	limited db-load --dry-run </dev/null >/dev/null || return
	for view in job_status health_incidents asin_current_state tracked_asins bestseller_changes; do
		limited db-query "$view" >/dev/null || return
	done
	echo '{"type":"health_checks","service":"database","ok":true}'
}

# What can be seen of a server's address, and of the key to it, without asking it.
check_address() {
	local url key role host
	url=$(database_url)
	host=$(database)
	host=${host#*://}
	case $url in
	http*)
		key=$(setting SUPABASE_KEY "$(cat "$(setting "SUPABASE_KEY_FILE" /dev/null)" 2>/dev/null)")
		role=$(jq -Rr 'split(".")[1] // "" | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson | .role' <<<"$key" 2>/dev/null) || role=''
		case $key:$role in
		:) tell bad 78 SUPABASE_KEY 'is not set, and the database is asked with it' \
			'https://supabase.com/dashboard, your project, API Keys: the secret key, sb_secret_...' ;;
		sb_publishable_*:* | *:anon) tell bad 78 SUPABASE_KEY 'is the public key, which sees nothing' \
			'the secret one, sb_secret_..., or service_role' ;;
		sb_secret_*:* | *:service_role) ;;
		*) tell look 0 SUPABASE_KEY 'has no form that is known' 'sb_secret_..., or a service_role key, eyJ...' ;;
		esac
		;;
	*)
		[[ $host =~ ^(localhost|127\.|\[::1\]|[:/]|$) || $url =~ [?\&]host=/ || $url =~ sslmode=(require|verify-ca|verify-full) ]] ||
			[[ ${PGSSLMODE:-} =~ ^(require|verify-ca|verify-full)$ ]] ||
			tell look 0 DATABASE_URL "nothing says that the connection to ${host%%/*} is to be encrypted" \
				'add ?sslmode=require to it; or verify-full, with sslrootcert'
		;;
	esac
}

# One on a server.
check_server() {
	local record
	check_address
	$network || {
		tell - 0 database "$(database) was not asked (--no-network)" ''
		return
	}
	record=$(ask database try_database)
	if [ "$(jq .ok <<<"$record")" != true ]; then
		tell_record "$record"
		return
	fi
	has_database=true
	tell ok 0 database "$(database)" ''
	! emptied_database || tell bad 78 database 'it is empty, and the last backup was not' \
		"$here/restore.sh brings that back; first: restore.sh --dry-run"
}

has_database=false
check_database() {
	local file version newest record
	file=$(database)
	if on_server; then
		check_server
		return
	elif lost_database; then
		tell bad 78 database "$file is gone" "$here/restore.sh brings it back; first: restore.sh --dry-run"
		return
	elif [ ! -e "$file" ]; then
		if [ -n "$(setting DATABASE_URL '')" ] && [ ! -d "$(dirname "$file")" ]; then
			tell bad 78 database "no folder $(dirname "$file"), which DATABASE_URL names" 'mkdir it, or mend DATABASE_URL'
		else
			tell - 0 database "none yet ($file)" "track an ASIN, and it is made: $here/track.sh add B0..., or run sales.sh"
		fi
		return
	fi
	newest=$(newest_schema)
	version=$((16#$(od -An -j60 -N4 -tx1 "$file" 2>/dev/null | tr -d ' \n' | sed 's/^$/0/')))
	if [ "$version" -gt 0 ] && [ "$version" -lt "$newest" ] && [ ! -s "$file-wal" ]; then
		tell look 0 database "$file, $(bytes "$(stat -L -c %s "$file")"): schema $version, and this is $newest" 'the next job brings it up to date; run doctor.sh again then'
		return
	fi
	record=$(ask database try_database)
	if [ "$(jq .ok <<<"$record")" != true ]; then
		tell_record "$record"
		return
	fi
	has_database=true
	if [[ $(stat -L -c %a "$file") != *00 ]]; then
		tell look 0 database "others may read $file (mode $(stat -L -c %a "$file"))" "chmod 600 $file"
	else
		tell ok 0 database "$file, $(bytes "$(stat -L -c %s "$file")"), schema $version" ''
	fi
	! emptied_database || tell bad 78 database 'it is empty, and the last backup was not' \
		"$here/restore.sh brings that back; first: restore.sh --dry-run"
}

# tell_record RECORD [HINT]: of a check, as the others.
tell_record() {
	local parts
	mapfile -t parts < <(jq -r -L "$words" 'include "health-words"; .service, .ok, (.detail // ""), (.status // 0),
		(if .ok then "" else hint end)' <<<"$1")
	[ ${#parts[@]} -eq 5 ] || return 0
	if [ "${parts[1]}" = true ]; then
		tell ok 0 "${parts[0]}" "${parts[2]}" ''
	else
		[ "${parts[3]}" -ne 0 ] || parts[3]=75
		[ "${parts[3]}" -ne 124 ] || parts[3]=75
		tell bad "${parts[3]}" "${parts[0]}" "${parts[2]}" "${parts[4]}"
	fi
}

# ---- services

# What is not set, and where to get it.
tell_missing() { # tell_missing SERVICE
	case $1 in
	keepa) tell - 0 keepa 'KEEPA_API_KEY is not set: no badges' 'the key of your API plan is at https://keepa.com/#!api' ;;
	slack) tell - 0 slack 'SLACK_BOT_TOKEN is not set: nobody is told of anything' \
		'https://api.slack.com/apps, your app, OAuth & Permissions: the bot token, xoxb-..., with chat:write' ;;
	sp-api) tell - 0 sp-api 'SP_API_CLIENT_ID and the others are not set: no sales' \
		'https://sellercentral.amazon.com, Apps and Services, Develop Apps: an app with the role Brand Analytics, its LWA credentials, and authorize it' ;;
	clickup) tell - 0 clickup 'CLICKUP_API_TOKEN is not set: no reports of jobs there' 'ClickUp, Settings, Apps: API token, pk_...' ;;
	esac
}

check_services() {
	local service record records
	$network || {
		tell - 0 network 'was not asked (--no-network)' ''
		return
	}
	records=$(
		for service in $(services); do
			asked "$service" &
		done
		wait
	)
	for service in keepa slack sp-api clickup; do
		record=$(jq -c --arg service "$service" 'select(.service == $service)' <<<"$records")
		if [ -n "$record" ]; then tell_record "$record"; else tell_missing "$service"; fi
	done
}

check_secret_date() {
	local made days
	has SP_API_CLIENT_SECRET LWA_CLIENT_SECRET || return 0
	made=$(setting SP_API_SECRET_DATE '')
	if [ -z "$made" ]; then
		tell look 0 'SP-API secret' 'SP_API_SECRET_DATE is not set: nobody can tell when it expires' 'set it to the day on which the client secret was made: 2026-11-18'
	elif [[ ! $made =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || ! days=$(date -u -d "$made" +%s 2>/dev/null); then
		tell bad 78 'SP-API secret' 'SP_API_SECRET_DATE is no day' 'write it as 2026-11-18'
	else
		days=$((($(date +%s) - days) / 86400))
		if [ "$days" -ge 180 ]; then
			tell bad 77 'SP-API secret' "$days days old; Amazon takes none that is older than 180" \
				'renew it in the developer console, and set SP_API_CLIENT_SECRET and SP_API_SECRET_DATE'
		elif [ "$days" -ge 150 ]; then
			tell look 0 'SP-API secret' "it expires in $((180 - days)) days" 'renew it in the developer console, and set SP_API_CLIENT_SECRET and SP_API_SECRET_DATE'
		else
			tell ok 0 'SP-API secret' "$days days old, of 180" ''
		fi
	fi
}

# Channels and the task: what they are set to, and what the last message into them
# came to.
check_targets() {
	local name id refused=''
	! has SLACK_BOT_TOKEN || for name in SLACK_CHANNEL SLACK_CHANNEL_LOGS SLACK_CHANNEL_ALERTS; do
		id=$(setting "$name" '')
		if [ -z "$id" ]; then
			[ "$name" != SLACK_CHANNEL ] ||
				tell bad 78 "$name" 'not set: alerts go nowhere' 'in Slack: the channel, About, at the bottom: its id, C...'
			continue
		fi
		! $has_database || refused=$(db-query notifications sink=slack target="$id" |
			jq -sr 'map(select(.error)) as $bad | if any(.[]; .state == "sent") then empty else $bad | last | .error // empty end')
		if [[ ! $id =~ ^[A-Z0-9]{6,}$ ]]; then
			tell look 0 "$name" "'$id' is no channel's id" 'in Slack: the channel, About, at the bottom: its id, C...'
		elif [ -n "$refused" ]; then
			tell bad 78 "$name" "$id takes no message: $refused" \
				"invite the app into the channel (/invite @its-name), or mend $name; its scopes are at https://api.slack.com/apps, OAuth & Permissions: chat:write"
		fi
	done
	if has CLICKUP_API_TOKEN; then
		id=$(setting CLICKUP_TASK_ID '') refused=''
		! $has_database || [ -z "$id" ] || refused=$(db-query notifications sink=clickup target="$id" |
			jq -sr 'map(select(.error)) as $bad | if any(.[]; .state == "sent") then empty else $bad | last | .error // empty end')
		if [ -z "$id" ]; then
			tell look 0 CLICKUP_TASK_ID 'not set: reports of jobs go nowhere' "the end of the task's address: https://app.clickup.com/t/..."
		elif [ -n "$refused" ]; then
			tell bad 78 CLICKUP_TASK_ID "the task takes no comment: $refused" 'is it there, and may the owner of the token comment on it?'
		fi
	fi
}

# ---- what runs

# The ASINs that Keepa knows nothing of, for more than a day.
check_asins() {
	local tracked unknown
	tracked=$(db-query tracked_asins is_active=true | wc -l)
	unknown=$({
		db-query watchlist status=unknown | jq -c '{type, marketplace, asin, source_updated_at}'
		db-query tracked_asins "added_at<$(ago 1 day)" | jq -c '{type, marketplace, asin}'
	} | jq -nrc '[inputs] as $all | ([$all[] | select(.type == "tracked_asins") | {key: "\(.marketplace) \(.asin)", value: true}] | from_entries) as $old
		| [$all[] | select(.type == "watchlist" and $old["\(.marketplace) \(.asin)"]
			and (.source_updated_at == null or (.source_updated_at | fromdateiso8601) < now - 86400)) | "\(.marketplace) \(.asin)"]
		| if length == 0 then empty else "\(length): \(.[:10] | join(", "))" + (if length > 10 then " …" else "" end) end')
	if [ "$tracked" -eq 0 ]; then
		tell - 0 ASINs 'none are tracked' "$here/track.sh add B0... --marketplace US"
	elif [ -n "$unknown" ]; then
		tell look 0 ASINs "$tracked tracked; Keepa knows nothing of $unknown" \
			"are they right, and of that marketplace? https://www.amazon.com/dp/ASIN; else $here/track.sh remove ASIN"
	else
		tell ok 0 ASINs "$tracked tracked" ''
	fi
}

# Whether anything starts a job by itself.
scheduled() { # scheduled JOB
	local units tables
	units=$(systemctl list-unit-files --state=enabled --no-legend "sellerpipe-$1.timer" 2>/dev/null) || true
	[ -z "$units" ] || return 0
	tables=$({ crontab -l; cat /etc/crontab /etc/cron.d/*; } 2>/dev/null) || true
	grep -v '^[[:space:]]*#' <<<"$tables" | grep -q "/$1\.sh"
}

check_runs() {
	local record job left missing=()
	while IFS= read -r record; do
		[ -n "$record" ] || continue
		tell_record "$record"
	done <<<"$(check_jobs '' false)"
	tell_record "$(check_clock)"
	for job in badges sales summary health backup prune; do
		case $job in
		badges) has KEEPA_API_KEY || continue ;;
		sales) has SP_API_REFRESH_TOKEN SP_API_REFRESH_TOKEN_NA || continue ;;
		summary) has SLACK_BOT_TOKEN || continue ;;
		esac
		scheduled "$job" || missing+=("$job")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		tell ok 0 schedule 'all jobs are scheduled' ''
	else
		tell look 0 schedule "nothing starts ${missing[*]}" \
			"systemctl enable --now sellerpipe-${missing[0]}.timer, or lines of share/sellerpipe/crontab; or they are scheduled for another user"
	fi
	left=$(db-query unsent_changes | wc -l)
	if [ "$left" -gt 0 ] && [ -n "$(db-query unsent_changes "detected_at<$(ago 2 hours)" --limit 1)" ]; then
		tell bad 75 alerts "$left changes that nobody was told of" 'badges.sh tells of them once Slack takes them: see slack, above, and logs/badges.log'
	fi
	left=$(db-query unsent_summaries | jq -sr 'map(.error | values) | last // empty')
	[ -z "$left" ] || tell bad 78 summary "Slack did not take the last one: $left" 'mend SLACK_CHANNEL, or invite the app there; it is sent then'
	left=$(find spool -maxdepth 1 \( -name '*.part' -o -name 'report-*' -o -name 'runs-*' -o -name 'health-checks' -o -name 'health-notes' \) -mmin +120 2>/dev/null | wc -l)
	[ "$left" -eq 0 ] || tell look 0 spool "$left files that runs left there hours ago" 'the next runs take them in; if they do not, see logs/'
}

broken() { # none of them ends the others, whatever it meets
	tell bad 70 "$1" 'it could not be looked at' 'a defect: please report it'
}

check_programs || broken programs
check_home || broken folder
check_env || broken .env
check_values || broken settings
check_database || broken database
tell_record "$(check_disk)" || broken disk
check_services || broken services
check_secret_date || broken 'SP-API secret'
check_targets || broken channels
! $has_database || check_asins || broken ASINs
! $has_database || check_runs || broken runs
report
