#!/bin/bash
# demo.sh - build all this, and see both jobs run against the bundled simulator
#
#     pipelines/demo.sh [FOLDER]
#
# Needs no account and no key.  What is missing on this machine is installed
# first, with the system's package manager; where this was installed, python3 alone
# may be.  Everything that comes out stays in FOLDER (demo/), which is made anew each
# time.
set -euo pipefail
from=$PWD
cd "$(dirname "$0")/.."
top=$PWD
home=${1:-demo}
case $home in
--help)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" || exit 74
	exit
	;;
-*)
	echo "demo.sh: unknown option '$home'; see --help" >&2
	exit 64
	;;
esac

if [ -e Makefile ]; then # the source tree, not what `make install` put up
	sh pipelines/setup.sh
	make -s -j"$(getconf _NPROCESSORS_ONLN)" all
	query=load/db-query
elif ! type -P python3 >/dev/null; then
	echo "demo.sh: the simulator needs python3; install it" >&2
	exit 78
else
	query=db-query
fi
cd "$from"
export PYTHONDONTWRITEBYTECODE=1

[ ! -e "$home" ] || [ -e "$home/.demo" ] || {
	echo "demo.sh: '$home' is there and was not made by me; name another folder" >&2
	exit 64
}
rm -rf "$home"
mkdir -p "$home"
home=$(cd "$home" && pwd)
touch "$home/.demo"
export SELLERPIPE_HOME=$home DATABASE_URL=sqlite:$home/amazon.db
PATH=$top/load:$top/../../bin:$PATH

step() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}

"$top/tests/sim/sim" --ready "$home/sim.url" &
sim=$!
trap 'kill "$sim" 2>/dev/null' EXIT
until [ -s "$home/sim.url" ]; do
	kill -0 "$sim"
	sleep 0.1
done
url=$(<"$home/sim.url")
export KEEPA_API_URL=$url/keepa KEEPA_API_KEY=test-key
export SLACK_API_URL=$url/slack/api SLACK_BOT_TOKEN=xoxb-test SLACK_CHANNEL=C0DEMO
export SP_API_URL=$url/sp LWA_URL=$url/lwa/auth/o2/token SP_API_CLIENT_ID=amzn1.application-oa2-client.test
export SP_API_CLIENT_SECRET=amzn1.oa2-cs.v1.test SP_API_REFRESH_TOKEN='Atzr|test' SP_POLL_MS=100
export CLICKUP_API_URL=$url/clickup/api/v2 CLICKUP_API_TOKEN=pk_test CLICKUP_TASK_ID=86demo
unset KEEPA_API_KEY_FILE SLACK_BOT_TOKEN_FILE SP_API_CLIENT_ID_FILE SP_API_CLIENT_SECRET_FILE \
	SP_API_REFRESH_TOKEN_FILE CLICKUP_API_TOKEN_FILE SP_API_STATE http_proxy HTTP_PROXY

step "1. Twelve products in the US and three in Canada are tracked"
"$top/pipelines/track.sh" add B0SIM0000{1..9} B0SIM0001{0..2} --priority 1
"$top/pipelines/track.sh" add B0SIM00001 B0SIMCA002 B0SIMCA003 --marketplace CA

step "2. The first look at them is where the counting begins: no alerts"
"$top/pipelines/badges.sh"
"$top/pipelines/track.sh" list

step "3. On Amazon, things change"
rank() { # rank ASIN CATEGORY RANK [DOMAIN]
	python3 - "$url/_sim/keepa/rank" "$@" <<'!'
import json, sys, urllib.request
url, asin, category, rank, domain = (sys.argv[1:] + ["1"])[:5]
body = json.dumps({"asin": asin, "category": category, "rank": int(rank), "domain": int(domain)})
urllib.request.urlopen(urllib.request.Request(url, body.encode())).read()
!
	echo "$1 is now #$3 in category $2"
}
rank B0SIM00001 202611200011 2
rank B0SIM00002 1100012 4
rank B0SIM00012 202611200011 1
sleep 1

step "4. The next look, some time later, tells Slack; as a person sees it there:"
"$top/pipelines/badges.sh" --all
db-query changes_to_tell notification_sent=true |
	jq -sc -f "$top/notify/badge-alert.jq" | jq -r -f "$top/notify/slack-text.jq"

step "5. The sales job: Amazon's Sales & Traffic of the last two days, US and CA"
"$top/pipelines/sales.sh" --plan --lookback 2
"$top/pipelines/sales.sh" --lookback 2
echo
echo "What ClickUp has of it:"
curl_comments() {
	python3 -c 'import json, sys, urllib.request
for line in urllib.request.urlopen(sys.argv[1]).read().decode().splitlines():
	print("  " + json.loads(line)["comment_text"].replace("\n", "\n  "))' "$url/_sim/clickup/comments"
}
curl_comments

step "6. Two weeks before that; really, Amazon makes one report in 15 minutes"
python3 - "$url/_sim/sp/quota" <<'!'
import sys, urllib.request
for operation in "createReport", "getReport", "getReportDocument":
    body = '{"operation":"%s","advertise":50}' % operation
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], body.encode())).read()
!
rm -f "$home/sp-api.state" # what was learnt of the rates before
ago() { # ago DAYS
	local t=$(($(date +%s) - 86400 * $1))
	date -u -d "@$t" +%F 2>/dev/null || date -u -r "$t" +%F
}
SP_BURST=100 "$top/pipelines/sales.sh" --mode backfill --from "$(ago 16)" --to "$(ago 4)"
echo
echo "How fast each product sells (db-query sales_velocity), pieces a day:"
db-query sales_velocity --limit 6 | jq -r '"  \(.marketplace) \(.asin)  \(.units_per_day // "unknown")  to \(.as_of)  \(.product_title // "" | .[:40])"'

step "7. Each morning, a summary to Slack; each night, a backup; every 15 minutes, how everything is"
"$top/pipelines/summary.sh" --print
"$top/pipelines/summary.sh"
"$top/pipelines/backup.sh"
"$top/pipelines/health.sh"

step "8. How it goes: status.sh"
"$top/pipelines/status.sh"

step "9. What is in the database now"
printf '%-22s %s\n' table rows
for table in tracked_asins asin_current_state asin_history rank_history categories \
	bestseller_changes sales_daily sales_daily_totals report_requests sales_restatements \
	notifications api_usage_log runs health_checks; do
	printf '%-22s %s\n' "$table" "$(db-query "$table" | wc -l)"
done
echo
echo "Who is #1 now (db-query current_badges):"
db-query current_badges | jq -r '"  \(.marketplace) \(.asin)  \(.category)  since \(.since)"'

cat <<!

Everything is in $home: amazon.db (SQLite), spool/ (the raw streams).
Try:  sqlite3 $home/amazon.db .schema
      $query -d sqlite:$home/amazon.db sales_freshness | jq .
With real keys in .env, the same scripts run the real thing: see README.md.
!
