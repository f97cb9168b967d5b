#!/usr/bin/env bats
# db-load: records into the tables that they are named after.
# shellcheck disable=SC2154 # run --separate-stderr sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper
load records

KEY='"marketplace":"US","asin":"B00TEST001"'
NOW='"added_at":"2026-11-20T08:00:00Z"' # else it would be the time of the test

setup() {
	clean_room
	mkdir room && cd room || return # where nothing is but what the programs make
	export DATABASE_URL=sqlite:$PWD/test.db
}

load_lines() { # load_lines STATUS RECORD...: nothing comes out; messages are in $stderr
	local expected=$1
	shift
	run -"$expected" --separate-stderr db-load <<<"$(printf '%s\n' "$@")"
	assert_output ''
}

loads() { # without a word
	load_lines 0 "$@"
	assert_equal "$stderr" ''
}

# refused MESSAGE RECORD...: the last record alone, for this reason
refused() {
	local message=$1
	shift
	load_lines 65 "$@"
	assert_equal "$stderr" "db-load: stdin:$#: $message"
}

# fields NAME FILTER [CONDITION...]: what is in a table, by jq
fields() {
	run -0 jq -c "$2" <(db-query "$1" "${@:3}")
}

# dump [OPTION...]: every row of every table, in an order of its own
dump() {
	local table
	for table in $(db-query "$@" --list | jq -r 'select(.kind == "table").name'); do
		db-query "$@" "$table"
	done | sort
}

### Rows and columns

@test "a record becomes a row of the table of its type, with the defaults of what did not come" {
	loads "{\"type\":\"tracked_asins\",$KEY,$NOW}"
	run -0 db-query tracked_asins
	assert_output "{\"type\":\"tracked_asins\",$KEY,\"priority\":5,\"monitoring_frequency\":60,\"is_active\":true,\"role\":\"own\",\"label\":null,$NOW}"
}

@test "what is absent stays, and null clears" {
	loads "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\",\"priority\":2,$NOW}" \
		"{\"type\":\"tracked_asins\",$KEY,\"priority\":3}"
	fields tracked_asins '[.label, .priority]'
	assert_output '["a",3]'
	loads "{\"type\":\"tracked_asins\",$KEY,\"label\":null}"
	fields tracked_asins '[.label, .priority]'
	assert_output '[null,3]'
}

@test "a record with no more than its key makes the row, and leaves one that is there" {
	loads "{\"type\":\"tracked_asins\",$KEY}" "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\"}" \
		"{\"type\":\"tracked_asins\",$KEY}"
	fields tracked_asins .label
	assert_output '"a"'
}

@test "fields come in any order, with escapes in their names and in their types" {
	loads "{\"label\":\"a\",\"asin\":\"B00TEST001\",\"ty\\u0070e\":\"tracked\\u005fasins\",\"prior\\u0069ty\":4,\"marketplace\":\"US\"}" \
		"{\"marketplace\":\"US\",\"o\\u0070\":\"\\u0075pdate\",\"label\":\"b\",\"asin\":\"B00TEST001\",\"type\":\"tracked_asins\"}"
	fields tracked_asins '[.label, .priority]'
	assert_output '["b",4]'
}

@test "update changes a row that is there, and makes none" {
	loads "{\"type\":\"tracked_asins\",\"op\":\"update\",$KEY,\"label\":\"a\"}"
	run -0 db-query tracked_asins
	assert_output ''
	loads "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\",$NOW}" \
		'{"type":"tracked_asins","marketplace":"CA","asin":"B00TEST001"}' \
		"{\"op\":\"update\",\"type\":\"tracked_asins\",$KEY,\"priority\":1,\"label\":null}" \
		"{\"op\":\"update\",\"type\":\"tracked_asins\",$KEY}"
	fields tracked_asins '[.marketplace, .label, .priority]'
	assert_output '["CA",null,5]
["US",null,1]'
}

@test "update needs no more than the columns that it changes" {
	loads "$(everything | grep -m 1 bestseller_changes)" \
		'{"type":"bestseller_changes","op":"update","change_id":"US:B00TEST001:11:2026-11-20T00:00:00Z","notification_sent":true,"notified_at":"2026-11-20T08:00:01Z"}'
	fields bestseller_changes '[.notification_sent, .notified_at, .new_rank]'
	assert_output '[true,"2026-11-20T08:00:01Z",2]'
}

@test "delete removes the row of the key, and no other; other fields do not matter" {
	loads "{\"type\":\"tracked_asins\",$KEY}" '{"type":"tracked_asins","marketplace":"CA","asin":"B00TEST001"}' \
		"{\"type\":\"tracked_asins\",\"op\":\"delete\",$KEY,\"priority\":\"no number\"}" \
		"{\"type\":\"tracked_asins\",\"op\":\"delete\",$KEY}"
	fields tracked_asins .marketplace
	assert_output '"CA"'
}

@test "delete with a part of the key removes nothing" {
	loads "{\"type\":\"tracked_asins\",$KEY}"
	refused 'tracked_asins: not all of its key is there' '{"type":"tracked_asins","op":"delete","marketplace":"US"}'
	load_lines 0 '{"type":"tracked_asins","op":"delete","marketplace":"US","asin":null}'
	fields tracked_asins .asin
	assert_output '"B00TEST001"'
}

@test "any other op is refused, and so are two" {
	local op
	for op in '"insert"' '"Update"' '""' null true '["delete"]'; do
		refused 'op is neither update nor delete' "{\"type\":\"tracked_asins\",\"op\":$op,$KEY}"
	done
	refused "'op' occurs twice" "{\"type\":\"tracked_asins\",\"op\":\"delete\",$KEY,\"op\":\"update\"}"
	run -0 db-query tracked_asins
	assert_output ''
}

@test "types without a table and fields without a column are left alone, silently" {
	db-load --init </dev/null
	dump >before
	loads '{"type":"slack_message","id":"x","op":"post","op":1}' '{"type":"due_asins","asin":"B00TEST001"}' \
		'{"type":"column_kinds","table_name":"runs","column_name":"job","kind":"json"}' \
		'{"type":"sqlite_master","name":"x"}' '{"type":"","marketplace":"US"}' \
		'{"type":"TRACKED_ASINS","marketplace":"US","asin":"B00TEST001"}'
	dump >after
	diff before after

	loads "{\"type\":\"tracked_asins\",\"x\":{\"priority\":9},$KEY,\"Priority\":9,\"x\":[],\"\":0,\"rowid\":7,\"_rowid_\":7,$NOW}"
	fields tracked_asins .priority
	assert_output 5
}

@test "a record without a type is bad" {
	local record
	for record in '{}' '{"asin":"B00TEST001"}' '{"type":null}' '{"type":1}' '{"type":["runs"]}'; do
		refused 'a record without a type' "$record"
	done
}

@test "a record that lacks a part of its key is bad" {
	refused 'tracked_asins: not all of its key is there' '{"type":"tracked_asins","asin":"B00TEST001","priority":1}'
	refused 'runs: not all of its key is there' '{"type":"runs"}'
	refused 'tracked_asins: NOT NULL constraint failed: tracked_asins.asin' \
		'{"type":"tracked_asins","marketplace":"US","asin":null}'
}

@test "a column that comes twice is bad, however it is spelled; the next record is not" {
	refused "'label' occurs twice" "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\",\"label\":\"a\"}"
	load_lines 65 "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\",\"\\u006cabel\":\"b\"}" \
		"{\"type\":\"tracked_asins\",$KEY,\"label\":\"c\"}"
	assert_equal "$stderr" "db-load: stdin:1: 'label' occurs twice"
	fields tracked_asins .label
	assert_output '"c"'
}

@test "bad lines are reported and skipped, and the rest is loaded" {
	load_lines 65 '{"type":"runs","run_id":"1"}' '{"type":"runs","run_id":"2"' '' \
		'{"type":"runs","run_id":"3","status":"0"}' '[]' '{"type":"runs","run_id":"4"}'
	assert_equal "$stderr" "db-load: stdin:2: column 28: unexpected end of data
db-load: stdin:4: runs: 'status' is not an integer
db-load: stdin:5: column 1: not a JSON object"
	fields runs .run_id
	assert_output '"1"
"4"'
}

### Values

@test "an integer is kept up to 64 bits, and nothing else is one" {
	local value state="asin_current_state\",$KEY"
	for value in 0 1 -1 9223372036854775807 -9223372036854775808 999999999999999999; do
		loads "{\"type\":\"$state,\"price_cents\":$value}"
		run -0 db-query asin_current_state
		assert_output --partial "\"price_cents\":$value,"
	done
	loads "{\"type\":\"$state,\"price_cents\":-0}"
	for value in 9223372036854775808 -9223372036854775809 1000000000000000000000000000000; do
		refused "asin_current_state: 'price_cents' is too large" "{\"type\":\"$state,\"price_cents\":$value}"
	done
	for value in 1.0 1e3 1E0 '"5"' '""' true false '[1]' '{}'; do
		refused "asin_current_state: 'price_cents' is not an integer" "{\"type\":\"$state,\"price_cents\":$value}"
	done
	fields asin_current_state .price_cents
	assert_output 0
}

@test "a real is the double nearest to its digits, however many there are" {
	local value state="asin_current_state\",$KEY" zeros
	zeros=$(printf '%0600d' 0)
	for value in 0.1:0.1 4.7:4.7 5:5 -2.5e-3:-0.0025 0.30000000000000004:0.30000000000000004 1e23:1e+23 \
		0.1234567890123456:0.1234567890123456 1.7976931348623157e308:1.7976931348623157e+308 \
		12345678901234567890:1.2345678901234567e+19 "0.${zeros}5e601:5" "1${zeros}e-600:1"; do
		loads "{\"type\":\"$state,\"rating\":${value%:*}}"
		run -0 db-query asin_current_state
		[[ $output = *"\"rating\":${value##*:},"* ]] || fail "$value: $output"
	done
	for value in 1e309 -1e999; do
		refused "asin_current_state: 'rating' is too large" "{\"type\":\"$state,\"rating\":$value}"
	done
	for value in '"4"' true '[]'; do
		refused "asin_current_state: 'rating' is not a number" "{\"type\":\"$state,\"rating\":$value}"
	done
}

@test "a boolean is true or false, or 1 or 0; and nothing but a boolean is" {
	local value
	for value in false:false true:true 0:false 1:true; do
		loads "{\"type\":\"tracked_asins\",$KEY,\"is_active\":${value%:*}}"
		fields tracked_asins .is_active
		assert_output "${value#*:}"
	done
	refused "tracked_asins: 'is_active' is not an integer" "{\"type\":\"tracked_asins\",$KEY,\"is_active\":\"true\"}"
	refused "tracked_asins: 'priority' is not an integer" "{\"type\":\"tracked_asins\",$KEY,\"priority\":true}"
	refused 'tracked_asins: CHECK constraint failed: is_active IN (0, 1)' "{\"type\":\"tracked_asins\",$KEY,\"is_active\":2}"
}

@test "a text keeps every character: escapes, emoji, controls, and more than 4 kB of them" {
	local text long
	long=$(printf 'é\\n%.0s' {1..3000})
	for text in '' 'plain' 'ünï 日本 🎉' '\"\\\/\b\f\n\r\t' '\ud83c\udf89\u00e9\u20ac' \
		'\u0001\u001f\u007f' "$long"; do
		loads "{\"type\":\"tracked_asins\",$KEY,\"label\":\"$text\"}"
		fields tracked_asins .label
		assert_output "$(jq -c . <<<"\"$text\"")"
	done
	# Several with escapes in one record do not get mixed up.
	loads "{\"type\":\"asin_current_state\",\"marketplace\":\"U\\u0053\",\"asin\":\"B\\u0030\",\"brand\":\"\\t1\",\"product_title\":\"\\t22\",\"currency\":\"\\t\"}"
	fields asin_current_state '[.marketplace, .asin, .product_title, .brand, .currency]'
	assert_output '["US","B0","\t22","\t1","\t"]'
}

@test "a NUL in a text is refused" {
	refused "tracked_asins: 'label' holds a NUL" "{\"type\":\"tracked_asins\",$KEY,\"label\":\"a\\u0000b\"}"
	refused "tracked_asins: 'asin' holds a NUL" '{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001\u0000"}'
	run -0 db-query tracked_asins
	assert_output ''
}

@test "what is no string goes into a text as its JSON: a number keeps its digits" {
	local value
	for value in 1.10 12345678901234567890 -0 1E400 true '[1, 2]' '{"a": "\u00e9"}'; do
		loads "{\"type\":\"tracked_asins\",$KEY,\"label\":$value}"
		fields tracked_asins .label
		assert_output "$(jq -nc --arg v "$value" '$v')"
	done
	loads '{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":202611200011,"changed_at":"2026-11-20T08:00:00Z","rank":1}'
	fields rank_history .category_id
	assert_output '"202611200011"'
}

@test "JSON is kept byte for byte" {
	local value key='"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z"'
	for value in '{ "a" : [1.10, 1e2 ,12345678901234567890], "a":"\u00e9\/\u0000" }' '[]' '"text"' 7 false; do
		loads "{$key,\"raw_keepa_response\":$value}"
		run -0 db-query asin_history
		assert_output --partial "\"raw_keepa_response\":$value}"
	done
	loads "{$key,\"sales_ranks\":{ \"1\":{\"rank\":1.0} },\"bestseller_badges\": [ ] }"
	run -0 db-query asin_history
	assert_output --partial '"sales_ranks":{ "1":{"rank":1.0} },"bestseller_badges":[ ],'
	loads "{$key,\"sales_ranks\":null,\"raw_keepa_response\":null}"
	fields asin_history '[.sales_ranks, .raw_keepa_response, .bestseller_badges]'
	assert_output '[null,null,[]]'
}

@test "each constraint refuses, by line and name, and the rest is loaded" {
	local time="IS strftime('%Y-%m-%dT%H:%M:%SZ',"
	local change='"change_id":"1","marketplace":"US","asin":"B00TEST001","category_id":"1","changed_at":"2026-11-20T08:00:00Z","detected_at":"2026-11-20T08:00:00Z"'
	local history='"type":"asin_history","marketplace":"US","asin":"B00TEST001"'
	local rank='"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"1"'
	while read -r column record; do
		echo "{${record//KEY/$KEY}}"
		echo "${column//_/ }" >&2
	done >records 2>constraints <<!
length(marketplace)_=_2_AND_marketplace_NOT_GLOB_'*[^A-Z]*' "type":"tracked_asins","marketplace":"us","asin":"B00TEST001"
length(marketplace)_=_2_AND_marketplace_NOT_GLOB_'*[^A-Z]*' "type":"tracked_asins","marketplace":"USA","asin":"B00TEST001"
length(asin)_=_10_AND_asin_NOT_GLOB_'*[^0-9A-Z]*' "type":"tracked_asins","marketplace":"US","asin":"B00TEST0011"
length(asin)_=_10_AND_asin_NOT_GLOB_'*[^0-9A-Z]*' "type":"tracked_asins","marketplace":"US","asin":"B00test001"
priority_>=_1 "type":"tracked_asins",KEY,"priority":0
monitoring_frequency_>=_1 "type":"tracked_asins",KEY,"monitoring_frequency":0
role_IN_('own',_'competitor') "type":"tracked_asins",KEY,"role":"other"
TIME:added_at "type":"tracked_asins",KEY,"added_at":"2026-11-20"
TIME:last_updated "type":"asin_current_state",KEY,"last_updated":"2026-11-20T08:00:00+00:00"
TIME:last_updated "type":"asin_current_state",KEY,"last_updated":"2025-13-01T08:00:00Z"
TIME:source_updated_at "type":"asin_current_state",KEY,"source_updated_at":""
status_IN_('ok',_'unknown',_'missing') "type":"asin_current_state",KEY,"status":"gone"
JSON:sales_ranks:object "type":"asin_current_state",KEY,"sales_ranks":[]
JSON:bestseller_badges:array "type":"asin_current_state",KEY,"bestseller_badges":"1"
TIME:check_timestamp $history,"check_timestamp":"2026-11-20T25:00:00Z"
TIME:source_updated_at $history,"check_timestamp":"2026-11-20T08:00:00Z","source_updated_at":"yesterday"
status_IN_('ok',_'unknown',_'missing') $history,"check_timestamp":"2026-11-20T08:00:00Z","status":""
JSON:sales_ranks:object $history,"check_timestamp":"2026-11-20T08:00:00Z","sales_ranks":"{}"
JSON:bestseller_badges:array $history,"check_timestamp":"2026-11-20T08:00:00Z","bestseller_badges":{}
rank_>=_1 $rank,"changed_at":"2026-11-20T08:00:00Z","rank":0
rank_>=_1 $rank,"changed_at":"2026-11-20T08:00:00Z","rank":-1
changed_at_GLOB_'????-??-??T??:??:??Z' $rank,"changed_at":"2026-11-20T08:00:00.000Z","rank":1
TIME:fetched_at "type":"categories","marketplace":"US","category_id":"1","fetched_at":"2026-11-20 08:00:00"
change_type_IN_('gained',_'lost') "type":"bestseller_changes",$change,"change_type":"won"
(change_type_=_'gained')_=_(new_rank_IS_1) "type":"bestseller_changes",$change,"change_type":"gained","new_rank":2
(change_type_=_'gained')_=_(new_rank_IS_1) "type":"bestseller_changes",$change,"change_type":"lost","new_rank":1
previous_rank_>=_1 "type":"bestseller_changes",$change,"change_type":"gained","previous_rank":-1,"new_rank":1
new_rank_>=_1 "type":"bestseller_changes",$change,"change_type":"lost","new_rank":-1
TIME:notified_at "type":"bestseller_changes",$change,"change_type":"lost","notified_at":"soon"
state_IN_('sent',_'failed') "type":"notifications","notification_id":"1","sink":"slack","state":"queued"
TIME:sent_at "type":"notifications","notification_id":"1","sink":"slack","state":"sent","sent_at":"1763625600"
TIME:processing_started_at "type":"api_usage_log","usage_id":"1","service":"keepa","processing_started_at":"x"
TIME:processing_completed_at "type":"api_usage_log","usage_id":"1","service":"keepa","processing_completed_at":"x"
TIME:started_at "type":"runs","run_id":"1","started_at":"x"
TIME:finished_at "type":"runs","run_id":"1","finished_at":"x"
TIME:checked_at "type":"health_checks","service":"keepa","checked_at":"x","ok":true
ok_IN_(0,_1) "type":"health_checks","service":"keepa","checked_at":"2026-11-20T08:00:00Z","ok":3
!
	echo '{"type":"runs","run_id":"the last"}' >>records
	run -65 --separate-stderr db-load <records
	# shellcheck disable=SC2001
	sed -e "s/^TIME:\(.*\)/\1 $time \1)/" \
		-e "s/^JSON:\(.*\):\(.*\)/\1 IS NULL OR json valid(\1) AND json type(\1) = '\2'/" constraints |
		tr -d ' _' >expected
	paste -d ' ' <(jq -r '"db-load: stdin:\(input_line_number): \(.type): CHECK constraint failed: "' records | sed '$d') expected |
		tr -d ' _' | diff - <(echo "$stderr" | tr -d ' _')
	dump | grep -v '"type":"\(column_kinds\|marketplaces\|velocity_windows\|claimable\)"' >left
	assert_equal "$(jq -r .run_id left)" 'the last'
}

@test "a password in an option is refused, and not shown" {
	local url see="everybody can see a password in an option: put the URL into DATABASE_URL, or the password into ~/.pgpass"
	for url in postgresql://me:SECRET@host/db 'postgresql://host/db?password=SECRET' mysql://x:SECRET@h/y; do
		run -64 --separate-stderr db-load -d "$url" --init </dev/null
		assert_equal "$output$stderr" "db-load: $see"
		run -64 --separate-stderr db-query -d "$url" runs
		assert_equal "$output$stderr" "db-query: $see"
	done
	DATABASE_URL=postgresql://me:SEC@RET@host/db run -78 --separate-stderr db-load </dev/null
	assert_equal "$output$stderr" "db-load: the database's URL has more than one '@': write those of the password as %40"
}

@test "a row that must not be without a value is not made without it" {
	refused 'notifications: NOT NULL constraint failed: notifications.state' \
		'{"type":"notifications","notification_id":"1","sink":"slack"}'
	refused 'tracked_asins: NOT NULL constraint failed: tracked_asins.priority' \
		"{\"type\":\"tracked_asins\",$KEY,\"priority\":null}"
}

### Older and newer

@test "an older observation never overwrites a newer one" {
	local newer="{\"type\":\"asin_current_state\",$KEY,\"status\":\"ok\",\"product_title\":\"new\",\"last_updated\":\"2026-11-20T08:00:01Z\"}"
	local older="{\"type\":\"asin_current_state\",$KEY,\"status\":\"missing\",\"product_title\":\"old\",\"last_updated\":\"2026-11-20T08:00:00Z\"}"
	loads "$newer"
	db-query asin_current_state >expected
	loads "$older"
	db-query asin_current_state | diff expected -
	loads "${older/{/{\"op\":\"update\",}"
	db-query asin_current_state | diff expected -

	loads '{"type":"categories","marketplace":"US","category_id":"1","name":"new","fetched_at":"2026-11-20T08:00:00Z"}' \
		'{"type":"categories","marketplace":"US","category_id":"1","name":"old","fetched_at":"2026-11-19T08:00:00Z"}'
	fields categories '[.name, .fetched_at]'
	assert_output '["new","2026-11-20T08:00:00Z"]'
}

@test "one of the same time, or without a time, is taken as it comes" {
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"a\",\"last_updated\":\"2026-11-20T08:00:00Z\"}" \
		"{\"type\":\"asin_current_state\",$KEY,\"brand\":\"b\",\"last_updated\":\"2026-11-20T08:00:00Z\"}"
	fields asin_current_state .brand
	assert_output '"b"'
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"c\"}" \
		"{\"type\":\"asin_current_state\",\"op\":\"update\",$KEY,\"currency\":\"EUR\"}"
	fields asin_current_state '[.brand, .currency, .last_updated]'
	assert_output '["c","EUR","2026-11-20T08:00:00Z"]'
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"d\",\"last_updated\":null}"
	fields asin_current_state '[.brand, .last_updated]'
	assert_output '["c","2026-11-20T08:00:00Z"]'
	loads '{"type":"categories","marketplace":"US","category_id":"1","name":"a","parent_id":"2","product_count":3,"fetched_at":"2026-11-20T08:00:00Z"}' \
		'{"type":"categories","marketplace":"US","category_id":"1","name":"b","fetched_at":"2026-11-20T08:00:00Z"}'
	fields categories '[.name, .parent_id, .product_count, .as_of]'
	assert_output '["b","2",3,null]'
	loads '{"type":"asin_current_state","marketplace":"CA","asin":"B00TEST001","brand":"a"}' \
		'{"type":"asin_current_state","marketplace":"CA","asin":"B00TEST001","brand":"b","last_updated":"2026-11-20T08:00:00Z"}'
	fields asin_current_state '[.brand, .last_updated]' marketplace=CA
	assert_output '["b","2026-11-20T08:00:00Z"]'
}

@test "whatever the order, each column is as the newest record that named it said" {
	local order
	cat >parts <<!
{"type":"asin_current_state",$KEY,"brand":"1","product_title":"1","price_cents":1,"status":"ok","last_updated":"2026-11-20T01:00:00Z"}
{"type":"asin_current_state",$KEY,"brand":"2","price_cents":null,"sales_ranks":{"2":{"rank":2}},"status":"ok","last_updated":"2026-11-20T02:00:00Z"}
{"type":"asin_current_state",$KEY,"status":"unknown","last_updated":"2026-11-20T03:00:00Z"}
{"type":"asin_current_state",$KEY,"brand":"0","currency":"USD","last_updated":"2026-11-20T00:00:00Z"}
!
	for order in 1234 4321 3124 3142 2413 2341 3412 1432; do
		rm -f test.db*
		grep -o . <<<$order | while read -r n; do
			sed -n "${n}p" parts
		done | tee stream | db-load
		db-load <stream
		fields asin_current_state '[.brand, .product_title, .price_cents, .sales_ranks, .status, .currency, .last_updated, .rating]'
		assert_output '["2","1",null,{"2":{"rank":2}},"unknown","USD","2026-11-20T03:00:00Z",null]'
		fields asin_current_state '.as_of | del(.[] | select(. == ""))'
		assert_output '{"product_title":"2026-11-20T01:00:00Z","brand":"2026-11-20T02:00:00Z","sales_ranks":"2026-11-20T02:00:00Z","price_cents":"2026-11-20T02:00:00Z","currency":"2026-11-20T00:00:00Z"}'
	done
	# An update goes by the same rule.
	loads "{\"type\":\"asin_current_state\",\"op\":\"update\",$KEY,\"currency\":\"EUR\",\"brand\":\"x\",\"last_updated\":\"2026-11-20T01:30:00Z\"}"
	fields asin_current_state '[.brand, .currency, .last_updated]'
	assert_output '["2","EUR","2026-11-20T03:00:00Z"]'
}

@test "a record with no more than a newer time makes the row that old" {
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"a\"}" \
		"{\"type\":\"asin_current_state\",$KEY,\"last_updated\":\"2026-11-20T08:00:00Z\"}"
	fields asin_current_state '[.brand, .last_updated, .as_of.brand]'
	assert_output '["a","2026-11-20T08:00:00Z",""]'
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"b\",\"last_updated\":\"2026-11-20T08:00:00Z\"}" \
		"{\"type\":\"asin_current_state\",$KEY,\"last_updated\":\"2026-11-20T09:00:00Z\"}"
	fields asin_current_state '[.brand, .last_updated, .as_of.brand]'
	assert_output '["b","2026-11-20T09:00:00Z","2026-11-20T08:00:00Z"]'
}

@test "a row of which everything is as of the newest record has no other times" {
	loads '{"type":"categories","marketplace":"US","category_id":"1","name":"a","fetched_at":"2026-11-20T08:00:00Z"}'
	fields categories .as_of
	assert_output '{"parent_id":"","product_count":""}'
	loads '{"type":"categories","marketplace":"US","category_id":"1","name":"a","parent_id":null,"product_count":null,"fetched_at":"2026-11-20T08:00:00Z"}'
	fields categories .as_of
	assert_output null
}

@test "of the times of first sight the least is kept" {
	local at
	for at in 2026-11-20T08:00:00Z 2026-11-19T08:00:00Z 2026-11-21T01:00:00Z; do
		loads "{\"type\":\"tracked_asins\",$KEY,\"label\":\"$at\",\"added_at\":\"$at\"}"
	done
	fields tracked_asins '[.label, .added_at]'
	assert_output '["2026-11-21T01:00:00Z","2026-11-19T08:00:00Z"]'
	loads "$(everything | grep bestseller_changes | tac)"
	fields bestseller_changes .detected_at
	assert_output '"2026-11-20T08:00:00Z"'
}

@test "what was sent stays sent" {
	loads "$(everything | grep '"n2"')"
	fields notifications '[.state, .remote_id, .attempts, .error]'
	assert_output '["sent","1.2",1,null]'
	loads "$(everything | grep '"n2"' | tac)"
	fields notifications '[.state, .remote_id, .attempts, .error]'
	assert_output '["sent","1.2",1,null]'
}

@test "a stream that is loaded twice, shuffled or backwards leaves the same database" {
	local seed
	everything | sed 's/"type":"runs","run_id":"r1","finished/"type":"runs","run_id":"r2","finished/' >stream
	db-load <stream
	dump >expected
	assert [ "$(wc -l <expected)" -gt 40 ]
	db-load <stream
	dump | diff expected -
	rm test.db
	tac stream | db-load
	dump | diff expected -
	tac stream | db-load
	dump | diff expected -
	for seed in {1..8}; do
		rm test.db
		shuf --random-source=<(yes "$seed") stream | db-load
		dump | diff expected -
	done
}

@test "loading what is there already writes nothing" {
	everything | db-load
	sha256sum test.db >before
	# On closing it, too, nothing is brought over from the -wal.
	everything | grep -v '"detected_at":"2026-11-21' >stream
	if strace -qq -o /dev/null true 2>/dev/null; then
		ASAN_OPTIONS=detect_leaks=0 strace -qq -o trace -P "$PWD/test.db-wal" -e trace=pwrite64 db-load <stream
		run -0 cat trace
		assert_output ''
	fi
	db-load <stream
	sha256sum -c --quiet before
}

### Commits

# rows TABLE N: wait until another process sees that many
rows() {
	wait_for eval '[ "$(db-query '"$1"' | wc -l)" -ge '"$2"' ]'
}

@test "what came is committed when the input pauses, for all to see" {
	mkfifo pipe
	db-load <pipe 3>&- &
	exec 4>pipe
	echo '{"type":"runs","run_id":"1"}' >&4
	rows runs 1
	echo '{"type":"runs","run_id":"2"}' >&4
	rows runs 2
	# Nobody is locked out meanwhile.
	loads '{"type":"runs","run_id":"3"}'
	exec 4>&-
	wait $!
	assert_equal "$(db-query runs | wc -l)" 3
}

@test "input that drips without a pause is committed every second" {
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	db-load --init </dev/null
	python3 -c '
import os, time
for i in range(2000):
    if os.path.exists("enough"): break
    print("""{"type":"runs","run_id":"%d"}""" % i, flush=True)
    time.sleep(0.004)
print("""{"type":"runs","run_id":"last"}""")' 3>&- |
		# On a slow machine, too, no pause is seen.
		ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=poll -e inject=poll:retval=1 db-load 3>&- &
	rows runs 10
	assert_equal "$(db-query runs run_id=last)" ''
	touch enough
	wait $!
	assert_equal "$(db-query runs run_id=last | wc -l)" 1
}

@test "100,000 records are committed at once, and not more" {
	sanitized && skip 'too slow to come that far within a second'
	strace -qq -o /dev/null true 2>/dev/null || skip 'strace cannot trace here'
	jq -nc 'range(250000) | {type: "runs", run_id: "\(.)"}' >stream
	db-load --init </dev/null
	# The disk fails at the second commit that writes.
	run -74 --separate-stderr strace -f -qq -o /dev/null -e trace=fdatasync \
		-e inject=fdatasync:error=EIO:when=3+ db-load <stream
	assert_equal "$stderr" "db-load: cannot use '$PWD/test.db': disk I/O error"
	# Whether what was being committed is there depends on the disk.
	run -0 bash -c 'db-query runs | wc -l'
	[[ $output = 100000 || $output = 200000 ]] || fail "$output rows"
	db-load <stream
	assert_equal "$(db-query runs | wc -l)" 250000
}

@test "of a run without its end the rows are kept, and the status is 75" {
	load_lines 75 '{"type":"run","run_id":"r"}' '{"type":"runs","run_id":"1"}'
	assert_regex "$stderr" '^db-load: stdin:2: run "?r"? has no end: what came is kept, and the rest is still to come$'
	fields runs .run_id
	assert_output '"1"'
	loads '{"type":"run","run_id":"r"}' '{"type":"runs","run_id":"2"}' '{"type":"end","run_id":"r","records":1}'
}

@test "empty input makes the database and loads nothing" {
	run -0 --separate-stderr db-load </dev/null
	assert_equal "$output$stderr" ''
	run -0 db-query runs
	assert_output ''
}

### --dry-run, --init

@test "a dry run changes nothing, and says what it would have done" {
	everything | db-load
	dump >before
	sha256sum test.db >sum
	run -65 --separate-stderr db-load --dry-run <<!
{"type":"tracked_asins",$KEY,"label":"changed"}
{"type":"tracked_asins","op":"delete",$KEY}
{"type":"tracked_asins",$KEY,"priority":0}
{"type":"runs","run_id":"new"}
{"type":"none","run_id":"new"}
!
	assert_output ''
	assert_equal "$stderr" 'db-load: stdin:3: tracked_asins: CHECK constraint failed: priority >= 1
db-load: runs: 1 records would be loaded, 0 refused
db-load: tracked_asins: 2 records would be loaded, 1 refused'
	sha256sum -c --quiet sum
	dump | diff before -
}

@test "a dry run makes no database where there is none" {
	run -0 --separate-stderr db-load --dry-run <<<'{"type":"runs","run_id":"new"}'
	assert_equal "$stderr" 'db-load: runs: 1 records would be loaded, 0 refused'
	run -0 --separate-stderr db-load --dry-run --init </dev/null
	assert_equal "$stderr" ''
	run -0 ls
	assert_output ''
}

@test "a dry run that waits for input keeps nobody from writing" {
	db-load --init </dev/null
	mkfifo pipe
	db-load --dry-run <pipe 2>messages 3>&- &
	exec 4>pipe
	echo '{"type":"runs","run_id":"1"}' >&4
	sleep 0.2
	loads '{"type":"runs","run_id":"2"}'
	exec 4>&-
	wait $!
	run -0 cat messages
	assert_output 'db-load: runs: 1 records would be loaded, 0 refused'
	fields runs .run_id
	assert_output '"2"'
}

@test "--init makes the tables, and once they are there changes nothing" {
	run -0 --separate-stderr db-load --init </dev/null
	assert_equal "$output$stderr" ''
	everything | db-load
	sha256sum test.db >before
	run -0 --separate-stderr db-load --init </dev/null
	assert_equal "$output$stderr" ''
	sha256sum -c --quiet before
}

@test "--init at a terminal waits for nothing" {
	python3 -c 'import pty; pty.openpty()' 2>/dev/null || skip 'no terminal can be made here'
	run -0 timeout 60 python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["db-load", "--init"], lambda fd: os.read(fd, 1))))' </dev/null
	run -0 db-query runs
	assert_output ''
}

### Which database, and whose

modes() {
	stat -c '%n %a' "$@"
}

@test "the database is for us alone, with its -wal and -shm" {
	mkfifo pipe
	umask 0
	db-load <pipe 3>&- &
	exec 4>pipe
	echo '{"type":"runs","run_id":"1"}' >&4
	rows runs 1
	run -0 modes test.db test.db-wal test.db-shm
	assert_output 'test.db 600
test.db-wal 600
test.db-shm 600'
	exec 4>&-
	wait $!
	run -0 ls
	assert_output 'pipe
test.db'
}

@test "an empty file that others could read becomes ours alone; a full one keeps its mode" {
	install -m 644 /dev/null test.db
	db-load --init </dev/null
	run -0 modes test.db
	assert_output 'test.db 600'
	chmod 640 test.db
	loads '{"type":"runs","run_id":"1"}'
	run -0 modes test.db
	assert_output 'test.db 640'
}

@test "the database is -d, else DATABASE_URL, else .env's, else amazon.db" {
	export DATABASE_URL=sqlite:env.db
	db-load -d sqlite:opt.db </dev/null
	run -0 ls
	assert_output opt.db
	db-load --database=plain.db </dev/null
	db-load </dev/null
	unset DATABASE_URL
	db-load </dev/null
	(umask 077 && echo 'DATABASE_URL="sqlite:dot env.db"' >.env)
	db-load </dev/null
	run -0 ls
	assert_output 'amazon.db
dot env.db
env.db
opt.db
plain.db'
}

@test "a URL without a driver is refused, and not shown: it has a password" {
	local no="there is no driver for the database's URL: use sqlite:FILE, postgresql://... or https://..."
	DATABASE_URL=mysql://x:SECRET@h/y run -78 --separate-stderr db-load </dev/null
	assert_equal "$output$stderr" "db-load: $no"
	run -78 --separate-stderr db-load -d mysql://h/y --init </dev/null
	assert_equal "$output$stderr" "db-load: $no"
	run -78 --separate-stderr db-load -d sqlite: </dev/null
	assert_equal "$stderr" "db-load: the database's URL names no file"
	run -0 ls
	assert_output ''
}

@test "a place where no database can be is named, and 78" {
	run -78 --separate-stderr db-load -d sqlite:none/x.db </dev/null
	assert_equal "$stderr" "db-load: cannot open 'none/x.db': No such file or directory"
	mkdir folder
	run -78 --separate-stderr db-load -d folder </dev/null
	assert_equal "$stderr" "db-load: cannot open 'folder': Is a directory"
	touch file
	run -78 --separate-stderr db-load -d file/x.db </dev/null
	assert_equal "$stderr" "db-load: cannot open 'file/x.db': Not a directory"
}

### Hostile and large

@test "text that looks like SQL is text, wherever it stands" {
	local evil="'); DROP TABLE tracked_asins; --" evil2='\"); DELETE FROM runs; /*'
	loads '{"type":"runs","run_id":"there"}' \
		"{\"type\":\"runs\",\"run_id\":\"$evil\",\"job\":\"$evil2\",\"host\":\"?1 @t %s %w\"}" \
		"{\"type\":\"$evil\",\"run_id\":\"1\"}" \
		"{\"type\":\"runs\",\"run_id\":\"$evil\",\"$evil\":\"x\",\"job) --\":\"x\",\"\\\"\":1}" \
		"{\"type\":\"runs\",\"op\":\"delete\",\"run_id\":\"x' OR '1'='1\"}"
	run -0 db-query runs --order run_id
	assert_output "{\"type\":\"runs\",\"run_id\":\"$evil\",\"program\":null,\"job\":\"$evil2\",\"version\":null,\"started_at\":null,\"finished_at\":null,\"status\":null,\"records\":null,\"host\":\"?1 @t %s %w\",\"stages\":null,\"error\":null}
{\"type\":\"runs\",\"run_id\":\"there\",\"program\":null,\"job\":null,\"version\":null,\"started_at\":null,\"finished_at\":null,\"status\":null,\"records\":null,\"host\":null,\"stages\":null,\"error\":null}"
	run -0 db-query tracked_asins
	assert_output ''
}

@test "records with hundreds of different sets of fields are each loaded as they are" {
	python3 - >stream <<'!'
import itertools, json, random
random.seed(1)
columns = ["product_title", "brand", "parent_asin", "image_url", "currency", "price_cents", "monthly_sold", "review_count"]
for repeat in range(2):
    for bits in range(256):
        names = [c for i, c in enumerate(columns) if bits >> i & 1]
        random.shuffle(names)
        row = {"type": "asin_current_state", "marketplace": "US", "asin": f"B{bits:09}"}
        for name in names:
            row[name] = bits + 1000 * repeat if columns.index(name) >= 5 else f"{bits}{name}{repeat}"
        for junk in range(bits % 3):
            row[f"junk{repeat}{bits}{junk}"] = junk
        print(json.dumps(row))
!
	loads "$(<stream)"
	db-query asin_current_state --order asin | jq -c 'with_entries(select(.value != null))' >rows
	tail -n 256 stream | jq -cS 'with_entries(select(.key | startswith("junk") | not))' |
		diff - <(jq -cS . rows)
}

@test "a line of 16 MiB is loaded in less than four times that, and a longer one is bad" {
	local kib
	python3 - <<'!'
size = 16 << 20
def line(name, length, key):
    with open(name, "w") as f:
        head = '{"type":"asin_history","marketplace":"US","asin":"%s","check_timestamp":"2026-11-20T08:00:00Z","product_title":"' % key
        tail = '\\t"}'
        f.write(head + "x" * (length - len(head) - len(tail)) + tail + "\n")
line("most", size, "most")
line("over", size + 1, "over")
!
	run -0 peak_kib db-load <most
	kib=${lines[-1]}
	run -65 --separate-stderr db-load <over
	assert_equal "$stderr" 'db-load: stdin:1: line longer than 16777216 bytes'
	run -0 bash -c 'db-query asin_history | jq -c "[.asin, (.product_title | length)]"'
	assert_output '["most",16777099]'
	sanitized || assert [ "$kib" -lt 65536 ]
}

@test "a record of more than 65,536 members is bad, however short they are" {
	python3 -c 'print("{\"type\":\"runs\",\"run_id\":\"r\"" + "".join(",\"%d\":0" % i for i in range(65534)) + "}")' | db-load
	run bash -c 'python3 -c "print(chr(123) + chr(34) + \"type\" + chr(34) + \":\" + chr(34) + \"runs\" + chr(34) + \"\".join(\",%s%d%s:0\" % (chr(34), i, chr(34)) for i in range(65536)) + chr(125))" | db-load'
	assert_equal "$status" 65
	assert_output --regexp '^db-load: stdin:1: column [0-9]+: more than 65536 members$'
}

@test "memory does not grow with the input" {
	sanitized && skip 'they need more'
	jq -nc 'range(200000) | {type: "runs", run_id: "\(.)", job: "x\n\(.)", "f\(.)": .}' >stream
	run -0 peak_kib db-load <stream
	assert [ "${lines[-1]}" -lt 16384 ]
}

@test "a user's own STRICT table with a key is loaded, and others are left alone" {
	db-load --init </dev/null
	python3 - <<'!'
import sqlite3
db = sqlite3.connect("test.db")
db.executescript("""CREATE TABLE my_notes (id INTEGER PRIMARY KEY, "a ""b" TEXT, x ANY) STRICT;
CREATE TABLE keyless (id INTEGER) STRICT; CREATE TABLE loose (id PRIMARY KEY, x)""")
!
	loads '{"type":"my_notes","id":7,"a \"b":"text"}' '{"type":"my_notes","id":7,"a \"b":"new"}' \
		'{"type":"keyless","id":1}' '{"type":"loose","id":1}'
	run -0 db-query my_notes
	assert_output '{"type":"my_notes","id":7,"a \"b":"new","x":null}'
	run -0 bash -c 'db-query keyless; db-query loose'
	assert_output ''
}

@test "what column_kinds says of a user's own table holds for it" {
	local at
	db-load --init </dev/null
	python3 - <<'!'
import sqlite3
db = sqlite3.connect("test.db")
db.executescript("""CREATE TABLE mine (id TEXT PRIMARY KEY, x TEXT, y TEXT, seen TEXT, j TEXT, b INTEGER, f INTEGER) STRICT;
INSERT INTO column_kinds VALUES ('mine', 'seen', 'version'), ('mine', 'j', 'json'), ('mine', 'b', 'boolean'), ('mine', 'f', 'first')""")
!
	loads '{"type":"mine","id":"1","x":"0","y":"0"}'
	for at in 2 3 3 1; do
		loads "{\"type\":\"mine\",\"id\":\"1\",\"x\":\"x$((++n))\",\"seen\":\"$at\",\"j\":[$at],\"b\":true,\"f\":$at}"
	done
	run -0 db-query mine
	assert_output '{"type":"mine","id":"1","x":"x3","y":"0","seen":"3","j":[3],"b":true,"f":2}'
}

### Copies

@test "db-query and db-load copy every table exactly" {
	local table
	everything | db-load
	loads "{\"type\":\"asin_current_state\",$KEY,\"price_cents\":-9223372036854775808,\"rating\":0.30000000000000004,\"brand\":\"\\u0001🎉\\\\\\\"\",\"last_updated\":\"2026-11-21T00:00:00Z\"}" \
		"{\"type\":\"asin_history\",$KEY,\"check_timestamp\":\"2026-11-20T08:00:00Z\",\"raw_keepa_response\":{\"n\":[1.10, 12345678901234567890]}}"
	for table in $(db-query --list | jq -r 'select(.kind == "table").name'); do
		db-query "$table" | db-load -d sqlite:other.db
	done
	diff <(dump) <(dump -d other.db)
	# And onto itself: nothing changes.
	dump >before
	db-query asin_current_state | db-load
	dump | diff before -
}

@test "a copy of an older state does not undo what came since" {
	loads "{\"type\":\"asin_current_state\",$KEY,\"brand\":\"1\",\"currency\":\"1\",\"last_updated\":\"2026-11-20T01:00:00Z\"}" \
		"{\"type\":\"asin_current_state\",$KEY,\"brand\":\"2\",\"last_updated\":\"2026-11-20T02:00:00Z\"}"
	db-query asin_current_state >copy # currency as of 1, brand as of 2
	loads "{\"type\":\"asin_current_state\",$KEY,\"currency\":\"1b\",\"last_updated\":\"2026-11-20T01:30:00Z\"}" \
		"{\"type\":\"asin_current_state\",$KEY,\"rating\":5,\"last_updated\":\"2026-11-20T03:00:00Z\"}"
	db-query asin_current_state >expected
	db-load <copy
	db-query asin_current_state | diff expected -
}

### Usage

@test "--help and --version, also onto a full disk" {
	run -0 db-load --help
	assert_line --index 0 'usage: db-load [-d URL] [--init] [--dry-run] <records'
	run -0 db-load --version
	assert_output --regexp '^db-load [0-9.]+$'
	for option in --help --version; do
		run -74 --separate-stderr bash -c "db-load $option >/dev/full"
		assert_equal "$stderr" 'db-load: cannot write to standard output: No space left on device'
	done
	run -0 ls
	assert_output ''
}

@test "wrong usage is 64, and makes nothing" {
	run -64 --separate-stderr db-load --nonsense
	assert_equal "$stderr" "db-load: bad option '--nonsense'; see 'db-load --help'"
	run -64 --separate-stderr db-load -d
	assert_equal "$stderr" "db-load: bad option '-d'; see 'db-load --help'"
	run -64 --separate-stderr db-load test.ndjson </dev/null
	assert_equal "$stderr" "db-load: unknown operand 'test.ndjson'; see --help"
	run -0 ls
	assert_output ''
}
