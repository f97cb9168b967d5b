#!/bin/bash
# demo.sh - build all this, and see the job run against the bundled simulator
#
#     pipelines/demo.sh [FOLDER]
#
# Needs no account and no key.  What is missing on this machine is installed
# first, with the system's package manager.  Everything that comes out stays in
# FOLDER (demo/), which is made anew each time.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
home=${1:-demo}
case $home in
--help)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
	exit
	;;
esac

if [ -e Makefile ]; then # the source tree, not what `make install` put up
	sh pipelines/setup.sh
	make -s -j"$(getconf _NPROCESSORS_ONLN)" all
fi

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
unset KEEPA_API_KEY_FILE SLACK_BOT_TOKEN_FILE http_proxy HTTP_PROXY

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

step "5. What is in the database now"
printf '%-22s %s\n' table rows
for table in tracked_asins asin_current_state asin_history rank_history categories \
	bestseller_changes notifications api_usage_log runs; do
	printf '%-22s %s\n' "$table" "$(db-query "$table" | wc -l)"
done
echo
echo "Who is #1 now (db-query current_badges):"
db-query current_badges | jq -r '"  \(.marketplace) \(.asin)  \(.category)  since \(.since)"'

cat <<!

Everything is in $home: amazon.db (SQLite), spool/ (the raw streams).
Try:  sqlite3 $home/amazon.db .schema
      load/db-query -d sqlite:$home/amazon.db badge_runs | jq .
With real keys in .env, the same scripts run the real thing: see README.md.
!
