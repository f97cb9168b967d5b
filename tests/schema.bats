#!/usr/bin/env bats
# The schema: its tables, what its views say, and how a database comes to have it.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	mkdir room && cd room || return
	export DATABASE_URL=sqlite:$PWD/test.db
	newest=$(find "$top"/load/schema/sqlite -name '0*.sql' | wc -l)
}

# ago DURATION: the time it was, so long ago
ago() {
	date -u -d "$1 ago" +%Y-%m-%dT%H:%M:%SZ
}

# shows NAME FILTER EXPECTED [CONDITION...]: what a view says, by jq
shows() {
	run -0 --separate-stderr db-query "$1" "${@:4}"
	assert_equal "$stderr" ''
	assert_equal "$(jq -c "$2" <<<"$output")" "$3"
}

sql() { # what others do to a database, and what it says
	python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    for row in db.execute(statement): print(*row, sep="|")' "$@"
}

### Tables

@test "every table has the columns and the key that the design gives it, and is STRICT" {
	db-load --init </dev/null
	cat >design <<'!'
tracked_asins marketplace,asin priority monitoring_frequency is_active role label added_at
asin_current_state marketplace,asin product_title brand parent_asin image_url sales_ranks bestseller_badges status last_updated source_updated_at price_cents currency monthly_sold rating review_count
asin_history marketplace,asin,check_timestamp status product_title brand parent_asin image_url sales_ranks bestseller_badges source_updated_at price_cents currency monthly_sold rating review_count raw_keepa_response
rank_history marketplace,asin,category_id,changed_at rank
categories marketplace,category_id name parent_id product_count fetched_at
bestseller_changes change_id marketplace asin change_type category_id category previous_rank new_rank changed_at detected_at notification_sent notified_at
notifications notification_id sink target state remote_id attempts error sent_at
api_usage_log usage_id service asins_processed requests tokens_consumed tokens_left refill_rate estimated_cost_cents processing_started_at processing_completed_at error
runs run_id program job version started_at finished_at status records host
health_checks service,checked_at ok latency_ms detail
report_requests request_id marketplace date granularity status report_id document_id attempts not_before error asked_at created_at updated_at rows_by_asin rows_by_date
sales_restatements marketplace,date,asin,column,seen_at old new
velocity_windows days weight
!
	run -0 python3 - <<'!'
import sqlite3
db = sqlite3.connect("test.db")
for line in open("design"):
    table, key, *columns = line.split()
    info = db.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    names = [name for name, pk in info]
    found = [name for pk, name in sorted((pk, name) for name, pk in info if pk)]
    if found != key.split(","): print(table, "has the key", found)
    for column in columns + key.split(","):
        if column not in names: print(table, "lacks", column)
for name, strict in db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"):
    if not strict and not name.startswith("sqlite_"): print(name, "is not STRICT")
for table, column in db.execute("""SELECT table_name, column_name FROM column_kinds
        WHERE column_name NOT IN (SELECT name FROM pragma_table_info(table_name))"""):
    print("column_kinds has", table, column)
!
	assert_output ''
}

### What to look at

@test "due_asins has what was never looked at, or not within its interval less a tenth" {
	db-load <<!
{"type":"tracked_asins","marketplace":"US","asin":"B000000NEW"}
{"type":"tracked_asins","marketplace":"CA","asin":"B000000054"}
{"type":"tracked_asins","marketplace":"US","asin":"B000000054"}
{"type":"tracked_asins","marketplace":"US","asin":"B000000053"}
{"type":"tracked_asins","marketplace":"US","asin":"B000000DAY","monitoring_frequency":1440}
{"type":"tracked_asins","marketplace":"US","asin":"B00000022H","monitoring_frequency":1440}
{"type":"tracked_asins","marketplace":"US","asin":"B000000OFF","is_active":false}
{"type":"asin_current_state","marketplace":"US","asin":"B000000054","status":"ok","last_updated":"$(ago '54 minutes')","source_updated_at":"2026-11-19T00:00:00Z"}
{"type":"asin_current_state","marketplace":"US","asin":"B000000053","status":"ok","last_updated":"$(ago '53 minutes')"}
{"type":"asin_current_state","marketplace":"US","asin":"B000000DAY","status":"missing","last_updated":"$(ago '21 hours')"}
{"type":"asin_current_state","marketplace":"US","asin":"B00000022H","status":"missing","last_updated":"$(ago '22 hours')"}
{"type":"asin_current_state","marketplace":"US","asin":"B000000OFF","status":"ok","last_updated":"$(ago '9 days')"}
{"type":"asin_current_state","marketplace":"US","asin":"B00UNTRACK","status":"ok","last_updated":"$(ago '9 days')"}
!
	shows due_asins '[.marketplace, .asin]' '["CA","B000000054"]
["US","B000000NEW"]
["US","B00000022H"]
["US","B000000054"]'
	shows due_asins '[.monitoring_frequency, .source_updated_at]' '[60,"2026-11-19T00:00:00Z"]' marketplace=US asin=B000000054
}

@test "what gave no answer is due again at once" {
	db-load <<!
{"type":"tracked_asins","marketplace":"US","asin":"B00UNKNOWN"}
{"type":"tracked_asins","marketplace":"US","asin":"B00MISSING"}
{"type":"asin_current_state","marketplace":"US","asin":"B00UNKNOWN","status":"unknown","last_updated":"$(ago '1 minute')"}
{"type":"asin_current_state","marketplace":"US","asin":"B00MISSING","status":"missing","last_updated":"$(ago '1 minute')"}
!
	shows due_asins .asin '"B00UNKNOWN"'
}

@test "no ASIN starves: all that are due are there, by priority, and then the longest waiting first (pain 1.8)" {
	jq -nc 'range(1200) | "B\(100000000 + .)" as $asin
		| {type: "tracked_asins", marketplace: "US", asin: $asin, priority: (. % 3 + 1)},
		  if . % 4 == 0 then empty else {type: "asin_current_state", marketplace: "US", asin: $asin,
			status: "ok", last_updated: (now - 7200 - . | todate)} end' | db-load
	run -0 bash -c "db-query due_asins | jq -r '\"\\(.priority) \\(.last_updated // 0) \\(.asin)\"'"
	assert_equal "${#lines[@]}" 1200
	sort <<<"$output" | diff - <(echo "$output")
}

@test "watchlist has all that is tracked, due or not, with its state" {
	db-load <<!
{"type":"tracked_asins","marketplace":"US","asin":"B00000STUB","label":"mine","role":"competitor"}
{"type":"tracked_asins","marketplace":"US","asin":"B000000OFF","is_active":false}
{"type":"asin_current_state","marketplace":"US","asin":"B00000STUB","status":"missing","last_updated":"$(ago '1 minute')"}
!
	shows watchlist '[.asin, .status, .label, .role, .due]' '["B00000STUB","missing","mine","competitor",false]'
	shows watchlist .asin '"B00000STUB"' status=missing
}

### Names

@test "unnamed_categories has each category in use without a name, once" {
	db-load <<'!'
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","sales_ranks":{"202611200011":{"rank":1},"9":{"rank":2},"11":{"rank":null}}}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST002","sales_ranks":{"9":{"rank":2},"12":{"rank":4}}}
{"type":"asin_current_state","marketplace":"CA","asin":"B00TEST001","sales_ranks":{"11":{"rank":1}}}
{"type":"asin_current_state","marketplace":"CA","asin":"B00TEST003","sales_ranks":null}
{"type":"categories","marketplace":"US","category_id":"12","name":"Kettles"}
{"type":"categories","marketplace":"US","category_id":"9","parent_id":"1"}
!
	shows unnamed_categories '[.marketplace, .category_id]' '["CA","11"]
["US","9"]
["US","11"]
["US","202611200011"]'
}

@test "a category that has no name is asked for again after 30 days" {
	db-load <<!
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","sales_ranks":{"1":{"rank":1},"2":{"rank":1},"3":{"rank":1}}}
{"type":"categories","marketplace":"US","category_id":"1","fetched_at":"$(ago '29 days')"}
{"type":"categories","marketplace":"US","category_id":"2","fetched_at":"$(ago '31 days')"}
{"type":"categories","marketplace":"US","category_id":"3","name":"x","fetched_at":"$(ago '31 days')"}
!
	shows unnamed_categories .category_id '"2"'
}

### Whom to tell what

# change ASIN CATEGORY TIME [FIELD...]
change() {
	echo "{\"type\":\"bestseller_changes\",\"change_id\":\"US:$1:$2:$3\",\"marketplace\":\"US\",\"asin\":\"$1\",\"change_type\":\"gained\",\"category_id\":\"$2\",\"previous_rank\":6,\"new_rank\":1,\"changed_at\":\"$3\",\"detected_at\":\"2026-11-20T12:00:00Z\"${4:+,$4}}"
}

failed() { # failed NOTIFICATION-ID ERROR
	echo "{\"type\":\"notifications\",\"notification_id\":\"$1\",\"sink\":\"slack\",\"state\":\"failed\",\"error\":$2}"
}

@test "unsent_changes has what nobody was told, the oldest first, with its title, names and links" {
	{
		change B00TEST001 202611200011 2026-11-20T08:00:00Z
		change B00TEST001 9 2026-11-20T08:00:00Z '"category":"its name then"'
		change B00TEST002 9 2026-11-20T07:00:00Z
		change B00TEST003 9 2026-11-20T06:00:00Z '"notification_sent":true'
		cat <<'!'
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"a title","brand":"b","image_url":"https://m.media-amazon.com/images/I/x.jpg"}
{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001","label":"mine"}
{"type":"categories","marketplace":"US","category_id":"202611200011","name":"Kettles"}
!
	} | db-load
	shows unsent_changes '[.asin, .category_id]' '["B00TEST002","9"]
["B00TEST001","9"]
["B00TEST001","202611200011"]'
	shows unsent_changes '[.category, .previous_rank, .new_rank, .product_title, .brand, .image_url, .label, .notification_id]' \
		'["Kettles",6,1,"a title","b","https://m.media-amazon.com/images/I/x.jpg","mine","badge:US:B00TEST001:2026-11-20T08:00:00Z"]' category_id=202611200011
	# A name known later is as good (pain 1.11); until then, what it was then.
	shows unsent_changes .category '"its name then"' asin=B00TEST001 category_id=9
	db-load <<<'{"type":"categories","marketplace":"US","category_id":"9","name":"Home"}'
	shows unsent_changes .category '"Home"
"Home"' category_id=9
}

@test "links lead to the marketplace's own site, and to nothing where there is none (pain 1.18)" {
	local line
	for line in US:www.amazon.com:1 UK:www.amazon.co.uk:2 DE:www.amazon.de:3 FR:www.amazon.fr:4 \
		JP:www.amazon.co.jp:5 CA:www.amazon.ca:6 IT:www.amazon.it:8 ES:www.amazon.es:9 \
		IN:www.amazon.in:10 MX:www.amazon.com.mx:11 BR:www.amazon.com.br:12 AU:www.amazon.com.au: ZZ::; do
		IFS=: read -r marketplace host domain <<<"$line"
		change B00TEST001 1 2026-11-20T08:00:00Z | sed "s/US/$marketplace/g" | db-load
		shows unsent_changes '[.amazon_url // "", .keepa_url // ""] | join(" ")' \
			"\"${host:+https://$host/dp/B00TEST001} ${domain:+https://keepa.com/#!product/$domain-B00TEST001}\"" \
			"marketplace=$marketplace"
	done
}

@test "a message that failed for its own sake is not tried again; one that failed for its channel is" {
	local error
	change B00TEST001 1 2026-11-20T08:00:00Z | db-load
	for error in '"invalid_blocks"' '"invalid_blocks: must be fewer than 50: is_archived"' '"msg_too_long"' '""' null; do
		failed badge:US:B00TEST001:2026-11-20T08:00:00Z "$error" | db-load
		shows unsent_changes .asin ''
	done
	for error in channel_not_found not_in_channel is_archived restricted_action messages_tab_disabled team_not_found \
		'is_archived: the channel is archived'; do
		failed badge:US:B00TEST001:2026-11-20T08:00:00Z "\"$error\"" | db-load
		shows unsent_changes .asin '"B00TEST001"'
	done
	failed badge:US:B00TEST001:2026-11-20T08:00:00Z '"invalid_blocks"' | db-load
	db-load <<<'{"type":"notifications","op":"delete","notification_id":"badge:US:B00TEST001:2026-11-20T08:00:00Z"}'
	shows unsent_changes .asin '"B00TEST001"'
	# That of another moment, or of another category, is another message.
	for id in B00TEST001:2026-11-20T08:00:01Z B00TEST001:2026-11-20T08:00:00Z:2; do
		failed "badge:US:$id" '"invalid_blocks"' | db-load
		shows unsent_changes .asin '"B00TEST001"'
	done
	failed badge:US:B00TEST001:2026-11-20T08:00:00Z:1 '"invalid_blocks"' | db-load
	shows unsent_changes .asin ''
}

@test "what was told is in changes_to_tell, and not in unsent_changes" {
	change B00TEST001 1 2026-11-20T08:00:00Z | db-load
	db-load <<<'{"type":"bestseller_changes","op":"update","change_id":"US:B00TEST001:1:2026-11-20T08:00:00Z","notification_sent":true,"notified_at":"2026-11-20T08:00:01Z"}'
	shows unsent_changes .asin ''
	shows changes_to_tell '[.asin, .notification_sent, .notified_at]' '["B00TEST001",true,"2026-11-20T08:00:01Z"]'
	# And stays told when the change comes again.
	change B00TEST001 1 2026-11-20T08:00:00Z | db-load
	shows unsent_changes .asin ''
}

### Who is and was #1

@test "current_badges has whoever is #1, also at first sight, without any change (pain 1.13)" {
	db-load <<'!'
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"t","sales_ranks":{"11":{"rank":1,"since":"2026-11-19T00:00:00Z"},"12":{"rank":2,"since":"2026-11-18T00:00:00Z"},"202611200011":{"rank":1,"since":"2026-11-20T00:00:00Z"}},"bestseller_badges":["202611200011","11"],"status":"ok","last_updated":"2026-11-20T08:00:00Z"}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST002","sales_ranks":{"11":{"rank":2}},"bestseller_badges":[]}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST003"}
{"type":"categories","marketplace":"US","category_id":"11","name":"Kettles"}
{"type":"categories","marketplace":"CA","category_id":"202611200011","name":"not this one"}
!
	shows current_badges '[.asin, .product_title, .category_id, .category, .since, .last_updated]' \
		'["B00TEST001","t","11","Kettles","2026-11-19T00:00:00Z","2026-11-20T08:00:00Z"]
["B00TEST001","t","202611200011",null,"2026-11-20T00:00:00Z","2026-11-20T08:00:00Z"]'
	shows bestseller_changes . ''
}

@test "no strange id or rank keeps the others from being seen" {
	db-load <<'!'
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","sales_ranks":{"1":{"rank":1,"since":"2026-11-19T00:00:00Z"}},"bestseller_badges":["1"]}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST002","sales_ranks":{"a\"b'.$[0]":{"rank":1,"since":"x"},"2":5,"3":"{","4":null},"bestseller_badges":["a\"b'.$[0]","2","3","4",["5"],null]}
!
	shows current_badges '[.category_id, .since]' '["1","2026-11-19T00:00:00Z"]' asin=B00TEST001
	run -0 --separate-stderr db-query current_badges
	assert_equal "$stderr" ''
	run -0 --separate-stderr db-query unnamed_categories
	assert_equal "${#lines[@]}" 5
}

@test "badge_runs has each stint at #1, from when until when, and how long" {
	point() { # point CATEGORY RANK TIME...
		printf "{\"type\":\"rank_history\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"category_id\":\"$1\",\"rank\":$2,\"changed_at\":\"%s\"}\n" "${@:3}"
	}
	{
		point open 2 2026-11-01T00:00:00Z
		point open 1 "$(ago '90 minutes')"
		point closed 1 2026-11-01T00:00:00Z 2026-11-01T01:00:00Z 2026-11-01T02:00:00Z # one stint
		point closed 3 2026-11-01T12:30:00Z 2026-11-01T12:31:00Z
		point closed 1 2026-11-02T00:00:00Z
		point closed null 2026-11-03T00:00:00Z # ranked no more
		point closed 1 2026-11-04T00:00:00Z
		point closed 2 2026-11-04T00:03:00Z
		point never 2 2026-11-01T00:00:00Z
		point never null 2026-11-02T00:00:00Z
		point from-null null 2026-11-01T00:00:00Z
		point from-null 1 2026-11-02T00:00:00Z
		point from-null 2 2026-11-02T06:00:00Z
		echo '{"type":"categories","marketplace":"US","category_id":"closed","name":"Kettles"}'
	} | shuf --random-source=<(yes) | db-load
	shows badge_runs '[.category_id, .category, .from, .until, .hours]' \
		'["closed","Kettles","2026-11-01T00:00:00Z","2026-11-01T12:30:00Z",12.5]
["closed","Kettles","2026-11-02T00:00:00Z","2026-11-03T00:00:00Z",24]
["closed","Kettles","2026-11-04T00:00:00Z","2026-11-04T00:03:00Z",0.1]
["from-null",null,"2026-11-02T00:00:00Z","2026-11-02T06:00:00Z",6]' until!=null
	shows badge_runs '[.category_id, .until, .hours]' '["open",null,1.5]' until=null
	# A rank of -1 is no rank at all.
	run -65 --separate-stderr db-load < <(point closed -1 2026-11-05T00:00:00Z)
	assert_equal "$stderr" 'db-load: stdin:1: rank_history: CHECK constraint failed: rank >= 1'
}

@test "badge_runs keeps marketplaces, ASINs and categories apart" {
	for key in US:B00TEST001:1 CA:B00TEST001:1 US:B00TEST002:1 US:B00TEST001:2; do
		IFS=: read -r marketplace asin category <<<"$key"
		for rank in 1 2; do
			[ "$key$rank" = CA:B00TEST001:12 ] ||
				echo "{\"type\":\"rank_history\",\"marketplace\":\"$marketplace\",\"asin\":\"$asin\",\"category_id\":\"$category\",\"rank\":$rank,\"changed_at\":\"2026-11-0${rank}T00:00:00Z\"}"
		done
	done | db-load
	shows badge_runs '[.marketplace, .asin, .category_id, .until]' '["CA","B00TEST001","1",null]
["US","B00TEST001","1","2026-11-02T00:00:00Z"]
["US","B00TEST001","2","2026-11-02T00:00:00Z"]
["US","B00TEST002","1","2026-11-02T00:00:00Z"]'
}

@test "category_performance counts all changes of each category, the liveliest first" {
	{
		change B00TEST001 1 2026-11-20T08:00:00Z
		change B00TEST001 2 2026-11-20T08:00:00Z
		change B00TEST002 2 2026-11-20T09:00:00Z
		change B00TEST001 2 2026-11-20T10:00:00Z | sed 's/gained/lost/; s/"new_rank":1/"new_rank":null/'
		echo '{"type":"categories","marketplace":"US","category_id":"2","name":"Kettles"}'
	} | db-load
	shows category_performance '[.category_id, .category, .changes, .gained, .lost, .asins, .last_changed_at]' \
		'["2","Kettles",3,2,1,2,"2026-11-20T10:00:00Z"]
["1",null,1,1,0,1,"2026-11-20T08:00:00Z"]'
}

### Summaries

@test "daily_summary has a row for each day of UTC on which anything ran; what is not recorded is null, not zero (pain 1.12)" {
	look() { # look ASIN TIME STATUS
		echo "{\"type\":\"asin_history\",\"marketplace\":\"US\",\"asin\":\"$1\",\"check_timestamp\":\"$2\",\"status\":\"$3\"}"
	}
	{
		look B00TEST001 2026-11-18T00:00:00Z ok
		look B00TEST001 2026-11-18T23:59:59Z unknown
		look B00TEST002 2026-11-18T12:00:00Z missing
		look B00TEST001 2026-11-19T00:00:00Z ok
		change B00TEST001 1 2026-11-17T23:00:00Z | sed 's/2026-11-20T12/2026-11-18T00/'
		change B00TEST001 1 2026-11-18T13:00:00Z | sed 's/gained/lost/; s/"new_rank":1/"new_rank":9/; s/2026-11-20T12/2026-11-18T14/'
		change B00TEST001 1 2026-11-18T14:00:00Z | sed 's/2026-11-20T12/2026-11-18T15/'
		change B00TEST001 1 2026-11-21T11:00:00Z | sed 's/2026-11-20T12/2026-11-21T12/'
		cat <<'!'
{"type":"api_usage_log","usage_id":"1","service":"keepa","requests":1,"tokens_consumed":2,"estimated_cost_cents":0.01,"processing_completed_at":"2026-11-18T00:00:01Z"}
{"type":"api_usage_log","usage_id":"2","service":"keepa","requests":2,"tokens_consumed":3,"estimated_cost_cents":0.02,"processing_completed_at":"2026-11-18T20:00:01Z"}
{"type":"api_usage_log","usage_id":"3","service":"keepa","requests":1,"processing_completed_at":"2026-11-20T20:00:01Z","error":"timeout"}
{"type":"api_usage_log","usage_id":"4","service":"keepa"}
!
	} | db-load
	shows daily_summary '[.date, .total_changes, .badges_gained, .badges_lost, .asins_checked, .checks, .unknown, .api_calls, .tokens_consumed, .estimated_cost_cents]' \
		'["2026-11-18",3,2,1,2,3,2,3,5,0.03]
["2026-11-19",0,0,0,1,1,0,null,null,null]
["2026-11-20",null,null,null,null,null,null,1,null,null]
["2026-11-21",1,1,0,null,null,null,null,null,null]'
	shows daily_summary .total_changes 3 date=2026-11-18
}

@test "health_status has the last word on each service" {
	db-load <<'!'
{"type":"health_checks","service":"keepa","checked_at":"2026-11-20T08:00:00Z","ok":true,"latency_ms":12}
{"type":"health_checks","service":"keepa","checked_at":"2026-11-20T09:00:00Z","ok":false,"detail":"no answer"}
{"type":"health_checks","service":"slack","checked_at":"2026-11-20T07:00:00Z","ok":true}
!
	shows health_status '[.service, .checked_at, .ok, .latency_ms, .detail]' \
		'["keepa","2026-11-20T09:00:00Z",false,null,"no answer"]
["slack","2026-11-20T07:00:00Z",true,null,null]'
}

@test "timeline has each point of a rank before the first look that could have seen it" {
	db-load <<'!'
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","source_updated_at":"2026-11-20T07:30:00Z"}
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T09:00:00Z"}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-11-20T07:30:00Z","rank":1}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-11-20T07:45:00Z","rank":2}
!
	shows timeline '[.type, .changed_at // .check_timestamp]' '["rank_history","2026-11-20T07:30:00Z"]
["asin_history","2026-11-20T08:00:00Z"]
["rank_history","2026-11-20T07:45:00Z"]
["asin_history","2026-11-20T09:00:00Z"]'
}

### How fast it can be

# plan NAME [CONDITIONS]: how SQLite goes about it
plan() {
	run -0 sql test.db "EXPLAIN QUERY PLAN SELECT * FROM $1 ${2:+WHERE $2}"
}

@test "what is asked often looks nothing up by reading through a large table" {
	db-load --init </dev/null
	plan due_asins
	refute_line --regexp 'SCAN (s|asin_current_state|rank_history|asin_history)( |$)'
	plan unsent_changes
	assert_line --partial 'SCAN b USING INDEX unsent'
	refute_line --regexp 'SCAN (n|c|s|t)( |$)'
	plan unnamed_categories
	refute_line --regexp 'SCAN (c|categories)( |$)'
	plan current_badges
	refute_line --regexp 'SCAN (c|categories)( |$)'
	plan badge_runs "marketplace IS 'US' AND asin IS 'B00TEST001'"
	refute_line --partial 'SCAN '
	plan rank_history "marketplace IS 'US' AND asin IS 'B00TEST001'"
	refute_line --partial 'SCAN '
	plan bestseller_changes "detected_at >= '2026-11-20'"
	assert_line --partial 'USING INDEX changes_by_detection'
	plan daily_summary
	refute_line --regexp 'SCAN asin_history( *$| USING INDEX)' # which has the raw products
	plan health_status
	assert_line --partial 'SEARCH health_checks USING PRIMARY KEY'
}

### How it comes about

@test "a database is made in one piece by whoever uses an empty file first" {
	: >test.db
	run -0 --separate-stderr db-query runs
	assert_equal "$output$stderr" ''
	run -0 sql test.db 'PRAGMA user_version' 'PRAGMA application_id' 'PRAGMA integrity_check'
	assert_output "$newest
1936945264
ok"
	run -0 sql test.db 'PRAGMA journal_mode'
	db-load </dev/null
	run -0 sql test.db 'PRAGMA journal_mode'
	assert_output wal
}

@test "a newer database is refused, and left as it is" {
	db-load --init </dev/null
	sql test.db 'PRAGMA user_version = 99'
	sha256sum test.db >before
	for program in db-load 'db-load --init' 'db-load --dry-run' 'db-query runs'; do
		# shellcheck disable=SC2086
		run -78 --separate-stderr $program </dev/null
		assert_equal "$stderr" "${program%% *}: '$PWD/test.db' has schema 99, and this program knows $newest: use a newer one"
	done
	sha256sum -c --quiet before
}

@test "other people's tables are refused, and left as they are" {
	sql test.db 'CREATE TABLE runs (run_id TEXT PRIMARY KEY, mine TEXT)' "INSERT INTO runs VALUES ('1', 'mine')"
	sha256sum test.db >before
	for program in db-load 'db-load --init' 'db-load --dry-run' 'db-query runs'; do
		# shellcheck disable=SC2086
		run -78 --separate-stderr $program <<<'{"type":"runs","run_id":"2"}'
		assert_output ''
		assert_equal "$stderr" "${program%% *}: '$PWD/test.db' holds somebody else's tables; name another file"
	done
	sha256sum -c --quiet before
	run -0 ls
	assert_output 'before
test.db' # and no -wal
}

# Programs of a version to come, with another migration: of this SQL.
build_next() {
	! sanitized || skip 'built for the plain programs only'
	[ -e "$top/lib/db.o" ] || skip 'no objects to link with'
	rm -rf next
	mkdir next
	cp -pR "$top"/{Makefile,lib,load} next
	rm -f next/load/db-load next/load/db-query
	cat >"next/load/schema/sqlite/00$((newest + 1))-next.sql"
	make -s -C next load/db-load load/db-query >next/log 2>&1 || fail "$(<next/log)"
}

@test "an older schema is brought up to date by any use, with all that is in it; then the older program refuses" {
	local use
	build_next <<'!'
-- "Quotes", a \backslash, and what? looks like a ??- trigraph
ALTER TABLE runs ADD COLUMN note TEXT DEFAULT '"a\b??-';
CREATE TABLE added (id TEXT NOT NULL PRIMARY KEY) STRICT;
INSERT INTO added SELECT run_id FROM runs;
!
	for use in 'db-query added' 'db-load' 'db-load --init'; do
		rm -f test.db*
		db-load <<<'{"type":"runs","run_id":"1","job":"x"}'
		# shellcheck disable=SC2086
		run -0 --separate-stderr next/load/$use </dev/null
		assert_equal "$stderr" ''
		run -0 next/load/db-query runs
		assert_output --partial '"run_id":"1","program":null,"job":"x"'
		assert_output --partial '"note":"\"a\\b??-"}'
		run -0 next/load/db-query added
		assert_output '{"type":"added","id":"1"}'
	done
	run -78 --separate-stderr db-load </dev/null
	assert_equal "$stderr" "db-load: '$PWD/test.db' has schema $((newest + 1)), and this program knows $newest: use a newer one"

	# From nothing, both at once.
	rm -f test.db*
	next/load/db-load <<<'{"type":"added","id":"7"}'
	run -0 next/load/db-query added
	assert_output '{"type":"added","id":"7"}'

	# A dry run brings nothing up to date.
	rm -f test.db*
	db-load --init </dev/null
	sha256sum test.db >before
	run -0 --separate-stderr next/load/db-load --dry-run <<<'{"type":"added","id":"7"}'
	assert_equal "$stderr" 'db-load: added: 1 records would be loaded, 0 refused'
	sha256sum -c --quiet before

	# Several at once do it once.
	for use in 1 2 3 4 5 6; do
		{ next/load/db-query added 3>&- && echo "ok" || echo "status $?"; } >"out.$use" 2>&1 &
	done
	wait
	run -0 cat out.*
	assert_output "$(printf 'ok\n%.0s' {1..6})"
}

@test "a migration that fails, or is killed, leaves the older database" {
	build_next <<'!'
CREATE TABLE added (id TEXT NOT NULL PRIMARY KEY) STRICT;
UPDATE runs SET job = 'lost';
INSERT INTO nowhere VALUES (1);
!
	db-load <<<'{"type":"runs","run_id":"1","job":"x"}'
	run -70 --separate-stderr next/load/db-query runs
	assert_equal "$stderr" "db-query: cannot make the tables of '$PWD/test.db': no such table: nowhere"
	run -0 bash -c 'db-query runs | jq -r .job'
	assert_output x
	run -64 db-query added

	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	sed -i '/nowhere/d' "next/load/schema/sqlite/00$((newest + 1))-next.sql"
	make -s -C next load/db-query
	for ((k = 1; ; k++)); do
		code=0
		strace -f -qq -o /dev/null -e inject=fdatasync:signal=SIGKILL:when=$k next/load/db-query runs >/dev/null 2>&1 || code=$?
		[ $code -ne 0 ] || break
		run sql test.db 'SELECT job FROM runs' "SELECT count(*) FROM sqlite_master WHERE name = 'added'" 'PRAGMA user_version'
		[ "${lines[*]}" = "x 0 $newest" ] || [ "${lines[*]}" = "lost 1 $((newest + 1))" ] || fail "killed at $k: ${lines[*]}"
	done
	run -0 sql test.db 'SELECT job FROM runs' 'PRAGMA user_version'
	assert_output "lost
$((newest + 1))"
}
