#!/usr/bin/env bats
# The sales tables and views: what is kept of what Amazon changes, and what is
# said of days that are there, late, half there or not there at all.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
load helper

setup() {
	clean_room
	last=$(date -u -d '8 hours ago 1 day ago' +%F) # that is over, as the views see it
}

day() { # day N: the date, so many days before the last one that is over
	date -u -d "$last $1 days ago" +%F
}

at() { # at DATE HOURS: the time, so many hours after the day has begun
	date -u -d "$1 00:00 UTC $2 hours" +%Y-%m-%dT%H:%M:%SZ
}

# row DAY UNITS [HOURS [FIELDS]]: of a product, read so many hours after the day's
# beginning.
row() {
	echo "{\"type\":\"sales_daily\",\"marketplace\":\"${market:-US}\",\"date\":\"$(day "$1")\",\"asin\":\"${asin:-B00TEST001}\",\"units_ordered\":$2,\"fetched_at\":\"$(at "$(day "$1")" "${3:-96}")\"${4:+,$4}}"
}

total() { # total DAY UNITS [HOURS [FIELDS]]
	echo "{\"type\":\"sales_daily_totals\",\"marketplace\":\"${market:-US}\",\"date\":\"$(day "$1")\",\"units_ordered\":$2,\"fetched_at\":\"$(at "$(day "$1")" "${3:-96}")\"${4:+,$4}}"
}

request() { # request DAY STATUS [N [FIELDS]]: its N-th
	local date n=${3:-1}
	date=$(day "$1")
	echo "{\"type\":\"report_requests\",\"request_id\":\"${market:-US}:$date:CHILD:$n\",\"marketplace\":\"${market:-US}\",\"date\":\"$date\",\"granularity\":\"CHILD\",\"status\":\"$2\",\"created_at\":\"$(at "$date" "$((24 + n))")\",\"updated_at\":\"$(at "$date" "$((25 + n))")\"${4:+,$4}}"
}

# shows NAME FILTER EXPECTED [CONDITION...]: what a table or view says, by jq
shows() {
	run -0 --separate-stderr db-query "$1" "${@:4}"
	assert_equal "$stderr" ''
	assert_equal "$(jq -c "$2" <<<"$output")" "$3"
}

state() { # state DAY EXPECTED: of the day
	shows sales_freshness .state "\"$2\"" marketplace=US "date=$(day "$1")"
}

restated() { # restated EXPECTED: what is known to have been changed
	shows sales_restatements '[.asin, .column, .old, .new]' "$1"
}

sql() { # what others do to a database, and what it says
	python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    for row in db.execute(statement): print(*row, sep="|")' "$@"
}

### Tables

@test "the tables have all fields of Amazon's report, by its own list" {
	needs_shared api/specs/schema_fields.json
	db-load --init </dev/null
	for part in Asin:sales_daily Date:sales_daily_totals; do
		jq -r --arg part "${part%:*}" '.[] | . as $f
			| (.path | capture("^salesAndTrafficBy\($part)\\[\\]\\.(sales|traffic)By\($part)\\.(?<name>[^.]*)$").name)
			| (endswith("B2B")) as $b2b | rtrimstr("B2B") | gsub("(?<c>[A-Z])"; "_\(.c | ascii_downcase)")
			| . + (if $b2b then "_b2b" else "" end)
			+ (if $f.type == "object" then "_cents INTEGER" elif $f.type == "number" then " REAL" else " INTEGER" end)' \
			"$shared/api/specs/schema_fields.json" >wanted
		[ -s wanted ]
		sqlite3 -separator ' ' test.db "SELECT name, type FROM pragma_table_info('${part#*:}')
			WHERE type <> 'TEXT'" >found
		run diff wanted found # in the same order, too
		assert_output ''
	done
}

@test "what has no sense is refused, and all else is loaded" {
	refuses() { # refuses MESSAGE RECORD
		run -65 --separate-stderr db-load <<<"$2"
		assert_equal "$stderr" "db-load: stdin:1: $1"
	}
	refuses "sales_daily: CHECK constraint failed: date GLOB '20[0-9][0-9]-[01][0-9]-[0-3][0-9]'" \
		"$(row 1 1 | sed 's/"date":"/&x/')"
	refuses "sales_daily: CHECK constraint failed: asin <> ''" "$(asin='' row 1 1 | sed 's/B00TEST001//')"
	refuses 'sales_daily: NOT NULL constraint failed: sales_daily.fetched_at' "$(row 1 1 | sed 's/,"fetched_at":"[^"]*"//')"
	refuses "sales_daily: CHECK constraint failed: fetched_at GLOB '????-??-??T??:??:??Z'" "$(row 1 1 | sed 's/T\(..:..:..\)Z/ \1/')"
	refuses "sales_daily: 'units_ordered' is not an integer" "$(row 1 1.5)"
	refuses "sales_daily: 'sessions' is not an integer" "$(row 1 1 96 '"sessions":"1"')"
	refuses "sales_daily_totals: CHECK constraint failed: date IS date(date, '+0 days') AND date GLOB '20*'" \
		'{"type":"sales_daily_totals","marketplace":"US","date":"2026-02-30","fetched_at":"2026-03-03T00:00:00Z"}'
	refuses "report_requests: CHECK constraint failed: granularity IN ('CHILD', 'SKU', 'PARENT')" "$(request 1 DONE | sed 's/"CHILD"/"child"/')"
	refuses "report_requests: CHECK constraint failed: length(marketplace) = 2 AND marketplace NOT GLOB '*[^A-Z]*'" \
		"$(request 1 DONE | sed 's/"US"/"us"/')"
	refuses 'report_requests: CHECK constraint failed: attempts >= 0' "$(request 1 DONE 1 '"attempts":-1')"
	refuses "report_requests: CHECK constraint failed: not_before IS strftime('%Y-%m-%dT%H:%M:%SZ', not_before)" \
		"$(request 1 DONE 1 '"not_before":"soon"')"
	refuses 'velocity_windows: CHECK constraint failed: days >= 1' '{"type":"velocity_windows","days":0,"weight":1}'
	refuses 'velocity_windows: CHECK constraint failed: weight >= 0' '{"type":"velocity_windows","days":1,"weight":-1}'
	run -65 --separate-stderr db-load < <(request 1 "done" && row 1 1)
	assert_regex "$stderr" 'report_requests: CHECK constraint failed: status IN '
	shows sales_daily .units_ordered 1
	shows report_requests . ''
}

@test "each status of the ledger is known, an older record does not overwrite a newer one, and defaults are there" {
	local word
	for word in planned creating created IN_QUEUE IN_PROGRESS ready DONE not_ready CANCELLED FATAL no_data failed; do
		request 1 $word
	done | db-load
	shows report_requests '[.status, .attempts, .error, .not_before]' '["failed",0,null,null]'
	db-load < <(request 1 planned | sed 's/"updated_at":"..../"updated_at":"2000/')
	shows report_requests .status '"failed"'
	db-load <<<'{"type":"report_requests","request_id":"1","marketplace":"US","date":"2026-11-18","status":"planned"}'
	shows report_requests '[.granularity, (.updated_at | length)]' '["CHILD",20]' request_id=1
}

@test "SQL in a text stays a text" {
	local text="'; DROP TABLE sales_daily; --" quoted
	quoted=$(jq -nc --arg t "$text" '$t')
	market="$text" asin="$text" row 1 1 96 "\"currency\":$quoted,\"report_id\":$quoted" | db-load
	market="$text" asin="$text" row 1 1 97 "\"currency\":\"$text \\\\\\\"\"" | db-load
	request 1 DONE 1 "\"error\":$quoted" | db-load
	shows sales_daily .report_id "$quoted" "asin=$text"
	shows sales_restatements '[.asin, .old, .new]' "[$quoted,$quoted,\"$text \\\\\\\"\"]"
	shows sales_freshness .marketplace "$quoted" "marketplace=$text" "date=$(day 1)"
	shows sales_velocity . '' asin=x
	shows report_requests .error "$quoted"
	run -0 sql test.db 'PRAGMA integrity_check'
	assert_output ok
}

### What Amazon changed

@test "a value that Amazon changes is kept, with the one before; what it does not change makes nothing" {
	row 5 7 30 '"sessions":4,"session_percentage":2.5,"report_id":"1"' | db-load
	row 5 7 30 '"sessions":4,"session_percentage":2.5,"report_id":"1"' | db-load
	row 5 7 50 '"sessions":4,"session_percentage":2.5,"report_id":"2"' | db-load
	restated ''
	row 5 9 80 '"sessions":4,"session_percentage":3,"currency":"USD"' | db-load
	restated '["B00TEST001","currency",null,"USD"]
["B00TEST001","session_percentage",2.5,3]
["B00TEST001","units_ordered",7,9]'
	shows sales_restatements '[.date, .old_seen_at, .seen_at]' \
		"[\"$(day 5)\",\"$(at "$(day 5)" 50)\",\"$(at "$(day 5)" 80)\"]" column=units_ordered
	shows sales_daily '[.units_ordered, .report_id]' '[9,"2"]'
}

@test "three changes of one value are three, one back to nothing included" {
	db-load < <(row 5 1 30 && row 5 2 50 && row 5 null 80 && row 5 4 200)
	restated '["B00TEST001","units_ordered",1,2]
["B00TEST001","units_ordered",2,null]
["B00TEST001","units_ordered",null,4]'
}

@test "two changes at one moment are one, from the first old to the last new" {
	db-load < <(row 5 1 30 && row 5 2 50 && row 5 3 50)
	restated '["B00TEST001","units_ordered",1,3]'
}

@test "two rows of one fetch, of which the second has both, are one statement" {
	db-load < <(row 9 1 96 && row 9 5 96)
	restated ''
	db-load < <(row 9 1 120 && row 9 5 120) # fetched again: the same in the end
	restated ''
	db-load < <(row 9 2 144 && row 9 6 144)
	restated '["B00TEST001","units_ordered",5,6]'
	db-load < <(row 9 2 144 && row 9 6 144) # loaded twice
	restated '["B00TEST001","units_ordered",5,6]'
}

@test "a record that is older than the row changes nothing and tells nothing" {
	db-load < <(row 5 9 80 && row 5 7 30 && total 5 9 80 && total 5 7 30)
	restated ''
	shows sales_daily .units_ordered 9
	shows sales_daily_totals .units_ordered 9
}

@test "the same stream again adds nothing; in another database the copy is the same" {
	{
		row 5 1 30 '"sessions":0'
		total 5 1 30
		row 5 2 50 '"sessions":3'
		total 5 2 50 '"refund_rate":0.5'
		request 5 DONE
	} >stream
	db-load <stream
	for name in sales_daily sales_daily_totals sales_restatements report_requests velocity_windows; do
		db-query $name
	done >once
	[ "$(grep -c '"sales_restatements"' once)" = 4 ]
	db-load <stream
	for name in sales_daily sales_daily_totals sales_restatements report_requests velocity_windows; do
		db-query $name
	done | diff once -
	db-load -d sqlite:copy.db <once
	for name in sales_daily sales_daily_totals sales_restatements report_requests velocity_windows; do
		db-query -d sqlite:copy.db $name
	done | diff once -
}

@test "a change of any column is kept, of the products and of the total" {
	local table column hours
	for table in sales_daily sales_daily_totals; do
		{
			{ [ $table = sales_daily ] && row 5 0 30 || total 5 0 30; } | db-load
			sqlite3 test.db "SELECT name FROM pragma_table_info('$table')
				WHERE NOT pk AND name NOT IN ('report_id', 'fetched_at') ORDER BY name"
		} >columns
		[ "$(wc -l <columns)" -ge 36 ]
		hours=80
		while read -r column; do
			hours=$((hours + 1))
			{ [ $table = sales_daily ] && row 5 0 30 || total 5 0 30; } |
				jq -c --arg c "$column" --arg at "$(at "$(day 5)" $hours)" \
					'del(.units_ordered) | .fetched_at = $at | .[$c] = if $c == "currency" or $c == "parent_asin" then "X" else 3 end'
		done <columns | db-load
		run diff columns <(db-query sales_restatements | jq -r .column)
		assert_output ''
		db-query sales_restatements | jq -c '.op = "delete"' | db-load
	done
}

### How each day stands

@test "a day between others is missing if nothing is there of it; a first day is the first that anything is known of" {
	db-load < <(row 4 1 && market=CA total 3 1 && market=UK request 2 IN_QUEUE)
	shows sales_freshness '[.marketplace, .date, .state]' "[\"CA\",\"$(day 3)\",\"not_ready\"]
[\"CA\",\"$(day 2)\",\"missing\"]
[\"CA\",\"$(day 1)\",\"missing\"]
[\"CA\",\"$(day 0)\",\"missing\"]
[\"UK\",\"$(day 2)\",\"not_ready\"]
[\"UK\",\"$(day 1)\",\"missing\"]
[\"UK\",\"$(day 0)\",\"missing\"]
[\"US\",\"$(day 4)\",\"settled\"]
[\"US\",\"$(day 3)\",\"missing\"]
[\"US\",\"$(day 2)\",\"missing\"]
[\"US\",\"$(day 1)\",\"missing\"]
[\"US\",\"$(day 0)\",\"missing\"]"
}

@test "a day that is not over is not there" {
	db-load < <(row 0 1 && row -1 1 && row -2 1)
	shows sales_freshness .date "\"$(day 0)\""
	db-load < <(market=CA row -1 1)
	shows sales_freshness . '' marketplace=CA
}

@test "not_ready: asked for and never whole, or a total without products (pain 3.7)" {
	local word n=1
	for word in creating created IN_QUEUE IN_PROGRESS not_ready CANCELLED ready FATAL failed; do
		n=$((n + 1))
		request $n $word 1 "\"report_id\":\"r$n\""
		[ $n -le 7 ] || row $n 1 96 "\"report_id\":\"r$n\"" # and it was cut off
	done | db-load
	shows sales_freshness .state "$(yes '"not_ready"' | sed 9q)" "date<=$(day 2)"
	db-load < <(request 11 planned && request 12 planned && request 12 FATAL 2)
	state 11 missing # nobody has asked yet
	state 12 not_ready
	db-load < <(total 20 3 && request 20 DONE && total 19 3 && total 18 0)
	state 20 not_ready
	state 19 not_ready
	state 18 not_ready # nobody says that this is all
}

@test "rows of another report are not spoilt by one that is not done yet" {
	db-load < <(row 9 1 && row 8 1 96 '"report_id":"1"' && request 8 DONE 1 '"report_id":"1"')
	db-load < <(request 9 planned && request 8 planned 2 '"report_id":"1"')
	state 9 settled
	state 8 settled
	db-load < <(request 9 IN_QUEUE 2 '"report_id":"9"' && request 8 failed 2 '"report_id":"2"')
	state 9 settled
	state 8 settled
	# A later report of which only a part is read: some of each.
	db-load < <(row 8 2 120 '"report_id":"3"' && request 8 ready 3 '"report_id":"3"')
	state 8 provisional
	db-load < <(request 8 DONE 3 '"report_id":"3"')
	state 8 restated
}

@test "reports of other granularities are not the day's" {
	db-load < <(request 9 not_ready && request 9 DONE 2 | sed 's/CHILD/PARENT/g' && total 9 0)
	state 9 not_ready
	db-load < <(request 8 creating && request 8 DONE 2 | sed 's/CHILD/SKU/g')
	state 8 not_ready
}

@test "amounts of several currencies are not added up" {
	db-load < <(row 9 1 96 '"currency":"EUR","ordered_product_sales_cents":100'
		asin=B00TEST002 row 9 1 96 '"currency":"USD","ordered_product_sales_cents":900'
		total 9 2 96 '"currency":"PLN","ordered_product_sales_cents":1000')
	shows sales_freshness '[.sales_by_asin_cents, .sales_by_date_cents, .sales_gap_cents, .currency, .units_gap]' \
		'[null,1000,null,"PLN",0]' "date=$(day 9)"
	db-load < <(row 8 1 96 '"currency":"EUR","ordered_product_sales_cents":100'
		total 8 2 96 '"currency":"PLN","ordered_product_sales_cents":1000')
	shows sales_freshness '[.sales_by_asin_cents, .sales_gap_cents]' '[100,null]' "date=$(day 8)"
}

@test "no_data: Amazon said so last, and there is nothing" {
	db-load < <(
		request 9 CANCELLED 1 && request 9 no_data 2 && request 9 planned 3
		request 8 no_data && row 8 1 && request 8 DONE 2 # it came after all
		request 7 no_data && request 7 failed 2
		request 6 no_data 10 && request 6 failed 9
	)
	state 9 no_data
	state 8 settled
	state 7 not_ready
	state 6 no_data
}

@test "provisional: read within 72 hours of the day's beginning; settled: later" {
	db-load < <(
		row 9 1 71 && request 9 DONE
		row 8 1 72 && request 8 DONE
		row 7 1 71
		row 6 1 71 && asin=B00TEST002 row 6 1 72
		row 5 1 83 && request 5 DONE && request 5 planned 2
	)
	state 9 provisional
	state 8 settled
	state 7 provisional # there is no ledger of it
	state 6 settled
	state 5 settled # it is there, and will be looked at again
	shows sales_freshness .age_hours 71 "date=$(day 9)"
}

@test "provisional: bought, and nobody visited (pain 3.6)" {
	db-load < <(
		row 9 2 96 '"sessions":0' && asin=B00TEST002 row 9 0 96 '"sessions":0'
		row 8 2 96 '"sessions":0' && asin=B00TEST002 row 8 0 96 '"sessions":3'
		row 7 0 96 '"sessions":0'
		row 6 2 96 '"sessions":3' && total 6 2 96 '"sessions":0'
		row 5 2 && total 5 2 96
	)
	state 9 provisional
	state 8 settled
	state 7 settled
	state 6 provisional
	state 5 settled # not told is not 0
}

@test "restated: Amazon changed it when it was settled, not before" {
	db-load < <(
		row 30 1 50 && row 30 2 83 # the last look of the first days
		row 29 1 83 && row 29 1 170
		row 28 1 50 && row 28 2 83 && row 28 3 170
		row 27 1 83 && total 27 1 83 && total 27 2 170
	)
	state 30 settled
	state 29 settled
	state 28 restated
	state 27 restated
	shows sales_freshness '[.restatements, .last_restated_at]' "[2,\"$(at "$(day 28)" 170)\"]" "date=$(day 28)"
	shows sales_freshness '[.restatements, .last_restated_at]' '[0,null]' "date=$(day 29)"
}

@test "a day on which nothing was sold nor seen is a day: its total is zero, there are no products, and the report is done" {
	local zero='"ordered_product_sales_cents":0,"sessions":0,"page_views":0,"total_order_items":0'
	db-load < <(
		total 9 0 96 "$zero" && request 9 DONE
		total 8 0 50 "$zero" && request 8 DONE
		total 7 0 96 "$zero" && request 7 not_ready
		total 6 0 96 "${zero/page_views\":0/page_views\":5}" && request 6 DONE
		total 5 null 96 && request 5 DONE
		request 4 DONE # whose rows somebody has lost
	)
	state 9 settled
	state 8 provisional
	state 7 not_ready
	state 6 not_ready
	state 5 not_ready
	state 4 missing
	shows sales_freshness '[.asins, .units_by_asin, .units_by_date, .units_gap, .sales_by_asin_cents]' \
		'[0,0,0,0,0]' "date=$(day 9)"
	shows sales_freshness '[.asins, .units_by_asin, .units_by_date, .units_gap]' '[0,null,0,null]' "date=$(day 7)"
}

@test "the gap between the total and its products is shown, and is no error (pain 3.9)" {
	db-load < <(
		row 2 3 96 '"ordered_product_sales_cents":2800,"sessions":5,"currency":"USD"'
		asin=B00TEST002 row 2 4 96 '"ordered_product_sales_cents":100,"sessions":6'
		total 2 8 96 '"ordered_product_sales_cents":2910,"sessions":10,"currency":"USD"'
		request 2 DONE 1 '"attempts":2' && request 2 FATAL 2 '"error":"why","not_before":"2026-11-20T00:00:00Z","attempts":3'
		request 2 planned 10 # after the second
	)
	shows sales_freshness '[.state, .asins, .units_by_asin, .units_by_date, .units_gap, .sales_by_asin_cents, .sales_by_date_cents, .sales_gap_cents, .currency, .sessions, .request_status]' \
		'["settled",2,7,8,1,2900,2910,10,"USD",10,"planned"]' "date=$(day 2)"
	db-load <<<"{\"type\":\"report_requests\",\"op\":\"delete\",\"request_id\":\"US:$(day 2):CHILD:10\"}"
	shows sales_freshness '[.request_status, .error, .not_before, .attempts]' '["FATAL","why","2026-11-20T00:00:00Z",3]' "date=$(day 2)"
}

@test "report_gaps has the days without numbers, the newest first, with what is known of them" {
	db-load < <(
		row 5 1
		request 4 FATAL 1 '"error":"why","not_before":"2026-11-20T00:00:00Z","attempts":3'
		row 2 1 30 && request 1 no_data && row 0 1
		market=CA row 1 1
	)
	shows report_gaps '[.marketplace, .date, .state, .status, .error, .not_before, .attempts]' \
		"[\"CA\",\"$(day 0)\",\"missing\",null,null,null,null]
[\"US\",\"$(day 3)\",\"missing\",null,null,null,null]
[\"US\",\"$(day 4)\",\"not_ready\",\"FATAL\",\"why\",\"2026-11-20T00:00:00Z\",3]"
}

### How fast it sells

# rows FROM TO UNITS [FIELDS]: of each day
rows() {
	local n
	for ((n = $1; n >= $2; n--)); do
		row "$n" "$3" 96 "${4:-}"
	done
}

velocity() { # velocity FIELDS EXPECTED [CONDITION...]
	shows sales_velocity "[$1]" "$2" asin=B00TEST001 "${@:3}"
}

windows='.units_per_day, .units_per_day_7, .units_per_day_30, .units_per_day_60, .units_per_day_90'

@test "velocity is the sum of the windows by their weights" {
	# The last week 70 pieces, 23 more days 46, 30 more 30, 30 more 0.
	db-load < <(rows 92 63 0 && rows 62 33 1 && rows 32 10 2 && rows 9 3 10)
	# .4 * 70/7 + .3 * 116/30 + .2 * 146/60 + .1 * 146/90
	velocity "$windows" '[5.8089,10,3.8667,2.4333,1.6222]'
	velocity '.as_of, .days_used, .provisional_days, .missing_days, .b2b_share, .product_title' \
		"[\"$(day 3)\",90,0,0,null,null]"
	echo '{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"a title"}' | db-load
	velocity .product_title '["a title"]'
}

@test "a window with a day that is not known has no number, and the others' weights count as if they were all" {
	db-load < <(rows 92 41 1 && rows 39 10 2 && rows 9 3 10) # day 40 is missing
	# (.4 * 10 + .3 * 116/30) / .7
	velocity "$windows" '[7.3714,10,3.8667,null,null]'
	velocity '.days_used, .missing_days' '[30,1]'
	# A day that Amazon has nothing of is no better.
	db-load < <(request 40 no_data)
	velocity "$windows" '[7.3714,10,3.8667,null,null]'
	# One that was cut off, neither.
	db-load < <(row 40 1 96 '"report_id":"r"' && request 40 ready 3 '"report_id":"r"')
	velocity "$windows" '[7.3714,10,3.8667,null,null]'
	db-load < <(request 40 DONE 3 '"report_id":"r"' | sed 's/"updated_at":"..../"updated_at":"2099/')
	velocity '.days_used, .missing_days' '[90,0]'
}

@test "no number comes of a week with a day that is not known" {
	db-load < <(rows 92 6 1 && rows 4 3 1)
	velocity "$windows, .days_used, .provisional_days, .missing_days, .b2b_share, .stddev" \
		'[null,null,null,null,null,null,null,1,null,null]'
	db-load < <(row 5 1)
	velocity .units_per_day '[1]'
}

@test "days before the first one are not known: 7 days make a week, 6 do not" {
	db-load < <(rows 8 3 1)
	velocity "$windows, .missing_days" '[null,null,null,null,null,84]'
	db-load < <(row 9 15)
	velocity "$windows, .days_used, .missing_days" '[3,3,null,null,null,7,83]'
}

@test "velocity ends with the last settled day, and counts what is provisional before it" {
	db-load < <(rows 20 6 1 && row 5 1 50 && row 4 1 50 && row 3 3 && row 2 100 50 && row 1 100 50)
	velocity '.as_of, .units_per_day_7, .days_used, .provisional_days, .missing_days' "[\"$(day 3)\",1.2857,7,2,72]"
	# A day that is settled behind one that is missing is the last one nonetheless.
	db-load < <(row 0 1)
	velocity '.as_of, .units_per_day_7' "[\"$(day 0)\",29.5714]"
	db-load < <(row 1 100 50 && market=CA rows 9 3 1 && market=UK rows 1 0 1 | sed 's/T..:00:00Z/T00:00:01Z/')
	velocity '.as_of, .units_per_day' "[\"$(day 3)\",1]" marketplace=CA
}

@test "nothing is said of a marketplace without a settled day, nor of a product without a row in 90 days" {
	db-load < <(row 1 1 50 && market=CA rows 99 3 1 | sed '1!s/B00TEST001/B00TEST002/' && market=CA row 93 1)
	shows sales_velocity '[.marketplace, .asin]' '["CA","B00TEST002"]'
}

@test "a product without a row on a day that is known sold nothing on it" {
	db-load < <(rows 9 3 1 && asin=B00TEST002 row 6 7)
	shows sales_velocity '[.asin, .units_per_day, .stddev]' '["B00TEST001",1,0]
["B00TEST002",1,2.6458]'
	# Nor if a whole day was without anything.
	db-load < <(
		echo "{\"type\":\"sales_daily\",\"op\":\"delete\",\"marketplace\":\"US\",\"date\":\"$(day 9)\",\"asin\":\"B00TEST001\"}"
		row 10 0 && total 9 0 && request 9 DONE
	)
	shows sales_velocity .units_per_day '0.8571' asin=B00TEST001
}

@test "a row that does not say how many is not 0: windows with it have no number" {
	db-load < <(rows 40 11 1 && row 10 null && rows 9 3 1)
	velocity "$windows, .stddev" '[null,1,null,null,null,null]'
	shows sales_velocity .units_per_day '' asin=B00TEST002
}

@test "velocity's deviation is that of a sample" {
	local n=0
	for units in 2 4 4 4 5 5 7; do # sum 31, squares 151: sqrt((151 - 961/7) / 6)
		n=$((n + 1))
		row $((n + 2)) $units
	done | db-load
	velocity '.units_per_day, .stddev' '[4.4286,1.5119]'
}

@test "the part of Amazon Business is unknown where reports have none, and 0 where they say 0" {
	db-load < <(rows 9 3 4)
	velocity .b2b_share '[null]'
	db-load < <(rows 9 3 4 '"units_ordered_b2b":0')
	velocity .b2b_share '[0]'
	db-load < <(rows 9 9 4 '"units_ordered_b2b":3')
	velocity .b2b_share '[10.71]'
	db-load < <(rows 9 3 0 '"units_ordered_b2b":0')
	velocity '.b2b_share, .units_per_day, .stddev' '[null,0,0]'
}

@test "windows and weights are the user's" {
	db-load < <(rows 16 10 1 && rows 9 3 3)
	db-load <<<'{"type":"velocity_windows","days":14,"weight":1.2}'
	# (.4 * 3 + 1.2 * 2) / 1.6
	velocity '.units_per_day, .units_per_day_7, .days_used' '[2.25,3,14]'
	db-load <<<'{"type":"velocity_windows","days":7,"weight":0}'
	velocity '.units_per_day, .units_per_day_7, .days_used' '[2,3,14]'
	jq -nc '{type: "velocity_windows", op: "delete", days: (7, 14, 60, 90)}' | db-load
	velocity '.units_per_day, .units_per_day_7, .days_used' '[null,3,null]'
	# Longer ones than 90 days have their days, too.
	db-load < <(rows 122 17 2)
	db-load <<<'{"type":"velocity_windows","days":120,"weight":1}'
	jq -nc '{type: "velocity_windows", op: "delete", days: 30}' | db-load
	# 21 + 7 + 106 * 2
	velocity '.units_per_day, .days_used, .units_per_day_90' '[2,120,2]'
}

### The last days

@test "sales_recent has the last 30 days, the newest first, with their state and titles" {
	db-load < <(
		row -1 1 && row 0 2 50 '"sessions":5,"currency":"USD"' && row 29 4 && row 30 5
		asin=B00TEST000 row 29 3 && market=CA row 29 6
		echo '{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"a title"}'
	)
	shows sales_recent '[.date, .marketplace, .asin, .state, .product_title, .units_ordered, .sessions, .currency]' \
		"[\"$(day 0)\",\"US\",\"B00TEST001\",\"provisional\",\"a title\",2,5,\"USD\"]
[\"$(day 29)\",\"CA\",\"B00TEST001\",\"settled\",null,6,null,null]
[\"$(day 29)\",\"US\",\"B00TEST000\",\"settled\",null,3,null,null]
[\"$(day 29)\",\"US\",\"B00TEST001\",\"settled\",\"a title\",4,null,null]"
}

### How it comes about, and how fast it can be

@test "a database of version 1 is brought up to date by a record, with all that is in it" {
	! sanitized || skip 'built for the plain programs only'
	sqlite3 test.db <"$top/load/schema/sqlite/001-badges.sql"
	sqlite3 test.db "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
		INSERT INTO runs (run_id, job) VALUES ('1', 'badges');
		INSERT INTO tracked_asins (marketplace, asin) VALUES ('US', 'B00TEST001')" >/dev/null
	row 5 1 | db-load
	shows runs .job '"badges"'
	shows tracked_asins .is_active true
	shows sales_daily .units_ordered 1
	run -0 sql test.db 'PRAGMA user_version' 'PRAGMA integrity_check'
	assert_output "$(find "$top"/load/schema/sqlite -name '0*.sql' | wc -l)
ok"
}

@test "a view reads a large table once, and what is asked of one day or product not at all" {
	db-load --init </dev/null
	plan() { # plan NAME [CONDITIONS]
		run -0 sql test.db "EXPLAIN QUERY PLAN SELECT * FROM $1 ${2:+WHERE $2}"
	}
	for view in sales_freshness report_gaps sales_velocity sales_recent; do
		plan $view
		assert_equal "$view $(grep -c 'SCAN sales_daily\( \|$\)' <<<"$output")" "$view 1"
		refute_line --regexp 'SCAN (r|a)( |$)'
	done
	plan sales_daily "marketplace IS 'US' AND date IS '2026-11-18'"
	refute_line --partial 'SCAN '
	plan report_requests "marketplace IS 'US' AND date IS '2026-11-18'"
	assert_line --partial 'USING INDEX requests_by_day'
}

@test "the views of two years of 500 products in two marketplaces take a second or so" {
	! sanitized || skip 'built for the plain programs only'
	db-load --init </dev/null
	sqlite3 test.db "WITH RECURSIVE
		days(date) AS (SELECT '$(day 0)' UNION ALL SELECT date(date, '-1 day') FROM days LIMIT 730),
		asins(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM asins LIMIT 500)
		INSERT INTO sales_daily (marketplace, date, asin, units_ordered, sessions, report_id, fetched_at)
		SELECT marketplace, date, printf('B0%08d', n), n % 7, 9, '50000000', date(date, '+4 days') || 'T00:00:00Z'
		FROM days, (SELECT 'US' AS marketplace UNION ALL SELECT 'CA'), asins"
	for view in sales_freshness sales_velocity report_gaps sales_recent; do
		# It is half a second where it was made; row by row it would be hours.
		run -0 timeout 60 db-query $view
		[ $view = report_gaps ] || refute_output '' # no day is missing
	done
}
