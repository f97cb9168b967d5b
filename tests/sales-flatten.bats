#!/usr/bin/env bats
# sales-flatten.bats - Amazon's sales and traffic, a row for each ASIN and day
#
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2094 # request is a function, and a file of its record
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
}

# asin DATA, date DATA: a row with this data, as sp-fetch writes it.
asin() {
	printf '{"type":"sp_sales_by_asin","marketplace":"%s","date":"%s","report_id":"%s","fetched_at":"%s","data":%s}\n' \
		"${marketplace:-US}" "${date:-2026-11-18}" "${report:-50015018}" "${fetched:-2026-11-21T12:00:00Z}" "$1"
}

date_row() {
	asin "$1" | sed 's/by_asin/by_date/'
}

# child ASIN SALES [TRAFFIC [PARENT]]: data of a row by ASIN.
child() {
	printf '{"parentAsin":"%s","childAsin":"%s","salesByAsin":{%s},"trafficByAsin":{%s}}' "${4:-B0PARENT01}" "$1" "$2" "${3:-}"
}

# sales MEMBERS, traffic MEMBERS: the row of one ASIN with these.
sales() {
	asin "$(child B0CHILD001 "$1")"
}

traffic() {
	asin "$(child B0CHILD001 '' "$1")"
}

totals() { # totals SALES [TRAFFIC]: a row by date with these
	date_row "{\"date\":\"${date:-2026-11-18}\",\"salesByDate\":{$1},\"trafficByDate\":{${2:-}}}"
}

# request STATUS ROWS_BY_ASIN ROWS_BY_DATE [REPORT]: of the ledger
request() {
	printf '{"type":"report_requests","request_id":"US:2026-11-18:CHILD:1", "status" : "%s","report_id":"%s","not_before":null,"n":1.10,"error":null,"updated_at":"2026-11-21T12:00:05Z","rows_by_asin":%s,"rows_by_date":%s }\n' \
		"$1" "${4:-50015018}" "$2" "$3"
}

flatten() {
	run --separate-stderr sales-flatten
}

# gives LINE FILTER EXPECTED: of the one record made of a line, without a word.
gives() {
	local got
	run --separate-stderr sales-flatten <<<"$1"
	got=$(jq -c "$2" <<<"$output")
	if [ "$status" -ne 0 ] || [ -n "$stderr" ] || [ "$got" != "$3" ]; then
		fail "$1: status $status, '$stderr', $got instead of $3"
	fi
}

# refuses LINE WHY: as a bad line, with good ones around it.
refuses() {
	run --separate-stderr sales-flatten < <(sales '"unitsOrdered":1' && echo "$1" && echo '{"type":"x"}')
	[ "$stderr" = "sales-flatten: stdin:2: $2" ] || fail "$1: '$stderr' instead of '$2'"
	assert_failure 65
	assert_output "$(sales '"unitsOrdered":1' | sales-flatten && echo '{"type":"x"}')"
}

b2b='{"parentAsin":"B0PARENT01","childAsin":"B0CHILD001","sku":"Ärt-№1 \"x\"","salesByAsin":{"unitsOrdered":12,"unitsOrderedB2B":1,"orderedProductSales":{"amount":107.88,"currencyCode":"USD"},"orderedProductSalesB2B":{"amount":1.0,"currencyCode":"USD"},"totalOrderItems":11,"totalOrderItemsB2B":2},"trafficByAsin":{"browserSessions":60,"browserSessionsB2B":3,"mobileAppSessions":150,"mobileAppSessionsB2B":4,"sessions":210,"sessionsB2B":5,"browserSessionPercentage":77.78,"browserSessionPercentageB2B":0.0,"mobileAppSessionPercentage":77.8,"mobileAppSessionPercentageB2B":0.10,"sessionPercentage":5.56,"sessionPercentageB2B":1,"browserPageViews":80,"browserPageViewsB2B":6,"mobileAppPageViews":200,"mobileAppPageViewsB2B":7,"pageViews":280,"pageViewsB2B":8,"browserPageViewsPercentage":1.5,"browserPageViewsPercentageB2B":2.5,"mobileAppPageViewsPercentage":3.5,"mobileAppPageViewsPercentageB2B":4.5,"pageViewsPercentage":5.5,"pageViewsPercentageB2B":6.5,"buyBoxPercentage":99.29,"buyBoxPercentageB2B":0,"unitSessionPercentage":300.00,"unitSessionPercentageB2B":12.0}}'
day='{"date":"2026-11-18","salesByDate":{"orderedProductSales":{"amount":131.85,"currencyCode":"CAD"},"unitsOrdered":15,"totalOrderItems":14,"averageSalesPerOrderItem":{"amount":9.42,"currencyCode":"CAD"},"averageUnitsPerOrderItem":1.07,"averageSellingPrice":{"amount":8.79,"currencyCode":"CAD"},"unitsRefunded":1,"refundRate":6.67,"claimsGranted":0,"claimsAmount":{"amount":0.0,"currencyCode":"CAD"},"shippedProductSales":{"amount":120.0,"currencyCode":"CAD"},"unitsShipped":13,"ordersShipped":12,"orderedProductSalesB2B":{"amount":7,"currencyCode":"CAD"},"unitsOrderedB2B":2,"totalOrderItemsB2B":3,"averageSalesPerOrderItemB2B":{"amount":0.5,"currencyCode":"CAD"},"averageUnitsPerOrderItemB2B":0.0,"averageSellingPriceB2B":{"amount":0.05,"currencyCode":"CAD"}},"trafficByDate":{"browserPageViews":100,"mobileAppPageViews":250,"pageViews":350,"browserSessions":80,"mobileAppSessions":190,"sessions":270,"buyBoxPercentage":98.11,"orderItemSessionPercentage":5.19,"unitSessionPercentage":5.56,"averageOfferCount":4,"averageParentItems":2,"feedbackReceived":9,"negativeFeedbackReceived":8,"receivedNegativeFeedbackRate":0.0,"browserPageViewsB2B":11,"mobileAppPageViewsB2B":12,"pageViewsB2B":13,"browserSessionsB2B":14,"mobileAppSessionsB2B":15,"sessionsB2B":16,"buyBoxPercentageB2B":17.1,"orderItemSessionPercentageB2B":18.1,"unitSessionPercentageB2B":19.1}}'

@test "a row by ASIN, with its B2B twins, becomes a sales_daily" {
	flatten < <(asin "$b2b")
	assert_success
	assert_equal "$stderr" ''
	assert_output '{"type":"sales_daily","marketplace":"US","date":"2026-11-18","asin":"B0CHILD001","parent_asin":"B0PARENT01","units_ordered":12,"units_ordered_b2b":1,"ordered_product_sales_cents":10788,"ordered_product_sales_b2b_cents":100,"total_order_items":11,"total_order_items_b2b":2,"browser_sessions":60,"browser_sessions_b2b":3,"mobile_app_sessions":150,"mobile_app_sessions_b2b":4,"sessions":210,"sessions_b2b":5,"browser_session_percentage":77.78,"browser_session_percentage_b2b":0.0,"mobile_app_session_percentage":77.8,"mobile_app_session_percentage_b2b":0.10,"session_percentage":5.56,"session_percentage_b2b":1,"browser_page_views":80,"browser_page_views_b2b":6,"mobile_app_page_views":200,"mobile_app_page_views_b2b":7,"page_views":280,"page_views_b2b":8,"browser_page_views_percentage":1.5,"browser_page_views_percentage_b2b":2.5,"mobile_app_page_views_percentage":3.5,"mobile_app_page_views_percentage_b2b":4.5,"page_views_percentage":5.5,"page_views_percentage_b2b":6.5,"buy_box_percentage":99.29,"buy_box_percentage_b2b":0,"unit_session_percentage":300.00,"unit_session_percentage_b2b":12.0,"currency":"USD","report_id":"50015018","fetched_at":"2026-11-21T12:00:00Z"}'
}

@test "a row of a seller without B2B has none of its columns, rather than 0" {
	flatten < <(asin '{"parentAsin":"B0CHILD001","childAsin":"B0CHILD001","salesByAsin":{"unitsOrdered":0,"orderedProductSales":{"amount":0.0,"currencyCode":"USD"},"totalOrderItems":0},"trafficByAsin":{"browserSessions":13,"mobileAppSessions":5,"sessions":18,"browserSessionPercentage":0.33,"mobileAppSessionPercentage":0.2,"sessionPercentage":0.26,"browserPageViews":21,"mobileAppPageViews":22,"pageViews":43,"browserPageViewsPercentage":0.41,"mobileAppPageViewsPercentage":0.2,"pageViewsPercentage":0.3,"buyBoxPercentage":95.24,"unitSessionPercentage":0.0}}')
	assert_success
	assert_equal "$stderr" ''
	assert_output '{"type":"sales_daily","marketplace":"US","date":"2026-11-18","asin":"B0CHILD001","parent_asin":"B0CHILD001","units_ordered":0,"ordered_product_sales_cents":0,"total_order_items":0,"browser_sessions":13,"mobile_app_sessions":5,"sessions":18,"browser_session_percentage":0.33,"mobile_app_session_percentage":0.2,"session_percentage":0.26,"browser_page_views":21,"mobile_app_page_views":22,"page_views":43,"browser_page_views_percentage":0.41,"mobile_app_page_views_percentage":0.2,"page_views_percentage":0.3,"buy_box_percentage":95.24,"unit_session_percentage":0.0,"currency":"USD","report_id":"50015018","fetched_at":"2026-11-21T12:00:00Z"}'
}

@test "a row by date becomes a sales_daily_totals" {
	flatten < <(marketplace=CA date_row "$day")
	assert_success
	assert_equal "$stderr" ''
	assert_output '{"type":"sales_daily_totals","marketplace":"CA","date":"2026-11-18","ordered_product_sales_cents":13185,"ordered_product_sales_b2b_cents":700,"units_ordered":15,"units_ordered_b2b":2,"total_order_items":14,"total_order_items_b2b":3,"average_sales_per_order_item_cents":942,"average_sales_per_order_item_b2b_cents":50,"average_units_per_order_item":1.07,"average_units_per_order_item_b2b":0.0,"average_selling_price_cents":879,"average_selling_price_b2b_cents":5,"units_refunded":1,"refund_rate":6.67,"claims_granted":0,"claims_amount_cents":0,"shipped_product_sales_cents":12000,"units_shipped":13,"orders_shipped":12,"browser_page_views":100,"browser_page_views_b2b":11,"mobile_app_page_views":250,"mobile_app_page_views_b2b":12,"page_views":350,"page_views_b2b":13,"browser_sessions":80,"browser_sessions_b2b":14,"mobile_app_sessions":190,"mobile_app_sessions_b2b":15,"sessions":270,"sessions_b2b":16,"buy_box_percentage":98.11,"buy_box_percentage_b2b":17.1,"order_item_session_percentage":5.19,"order_item_session_percentage_b2b":18.1,"unit_session_percentage":5.56,"unit_session_percentage_b2b":19.1,"average_offer_count":4,"average_parent_items":2,"feedback_received":9,"negative_feedback_received":8,"received_negative_feedback_rate":0.0,"currency":"CAD","report_id":"50015018","fetched_at":"2026-11-21T12:00:00Z"}'
}

@test "records of other types pass between, byte for byte and in order" {
	{
		echo '{"type":"run", "run_id":"r1"}'
		echo '{ "type":"x","n":1.10,"data":7,"fetched_at":[] }'
		sales '"unitsOrdered":1'
		request created null null
		printf '{"type":"sales_daily","asin":"é\\u00e9"}\r\n'
		echo '{"type":"end","run_id":"r1","records":1}'
	} >in
	run --separate-stderr eval 'sales-flatten <in >out'
	assert_success
	assert_equal "$stderr" ''
	sed 3d in | cmp - <(sed 3d out)
	assert_equal "$(sed -n 3p out | jq -r .type)" sales_daily
}

@test "the order of members, white space, and members that nobody knows do not matter" {
	asin "$b2b" | sales-flatten >expected
	asin "$b2b" | python3 -c '
import json, random, sys
from decimal import Decimal
class Kept(float):
    def __new__(cls, text):
        n = float.__new__(cls, text)
        n.text = text
        return n
    def __repr__(self):
        return self.text
json.encoder.float = Kept
record, rng = json.load(sys.stdin, parse_float=Kept), random.Random(1)
def text(o):
    if isinstance(o, dict):
        members = list(o.items()) + [("new%d" % rng.randrange(99), rng.choice([None, [1], {"amount": "x"}]))]
        rng.shuffle(members)
        return rng.choice(["{", "{ "]) + rng.choice([",", " ,\t"]).join(
            json.dumps(k) + rng.choice([":", " : "]) + text(v) for k, v in members) + "}"
    return o.text if isinstance(o, Kept) else json.dumps(o)
for n in range(50):
    record["report_id"] = str(n)
    print(text(record))' >in
	[ "$(sort -u in | wc -l)" -eq 50 ]
	run --separate-stderr eval 'sales-flatten <in >out'
	assert_success
	assert_equal "$(sed 's/"report_id":"[0-9]*"/"report_id":"50015018"/' out)" \
		"$(for _ in {1..50}; do cat expected; done)"
}

@test "absent, null and 0 are three things" {
	gives "$(sales '')" '[has("units_ordered"), has("ordered_product_sales_cents"), has("currency"), has("sessions")]' '[false,false,false,false]'
	gives "$(sales '"unitsOrdered":null,"orderedProductSales":null')" '[.units_ordered, .ordered_product_sales_cents, has("units_ordered"), has("ordered_product_sales_cents")]' '[null,null,true,true]'
	gives "$(sales '"unitsOrdered":0,"orderedProductSales":{"amount":0,"currencyCode":"USD"}')" '[.units_ordered, .ordered_product_sales_cents]' '[0,0]'
	gives "$(sales '"orderedProductSales":{"amount":null,"currencyCode":"USD"}')" '[.ordered_product_sales_cents, .currency, has("ordered_product_sales_cents")]' '[null,"USD",true]'
	gives "$(traffic '"buyBoxPercentage":null')" '[.buy_box_percentage, has("buy_box_percentage"), has("sessions")]' '[null,true,false]'
	gives "$(asin '{"childAsin":"B0CHILD001"}')" 'keys_unsorted' '["type","marketplace","date","asin","report_id","fetched_at"]'
	gives "$(asin '{"childAsin":"B0CHILD001","parentAsin":null,"salesByAsin":null,"trafficByAsin":null}')" '[.parent_asin, (keys | length)]' '[null,7]'
	gives "$(totals '"refundRate":null')" '[.refund_rate, has("refund_rate"), has("claims_amount_cents")]' '[null,true,false]'
}

@test "the table of amounts" {
	while read -r currency amount cents; do
		gives "$(sales '"orderedProductSales":{"amount":'"$amount"',"currencyCode":"'"$currency"'"}')" \
			'"\(.currency) \(.ordered_product_sales_cents | tostring)"' "\"$currency $cents\""
	done <<'!'
USD 0 0
USD 0.0 0
USD -0 0
USD -0.00 0
USD 0e5 0
USD 0.000 0
USD 0e999999999999 0
USD 1 100
USD 0.1 10
USD 0.01 1
USD 16.79 1679
USD 16.790 1679
USD 16.7900000000000000000000000000 1679
USD 1.5e1 1500
USD 1.5E+1 1500
USD 15e-1 150
USD 1500000e-5 1500
USD -3.10 -310
USD 1e2 10000
USD 123456789.12 12345678912
JPY 1234 1234
JPY 1234.0 1234
JPY 12.5e1 125
KRW 7 7
CLP 7 7
KWD 1.234 1234
KWD 1 1000
BHD -0.001 -1
TND 0.1 100
CAD 19.99 1999
ZZZ 1.23 123
!
	sales-flatten < <(sales '"orderedProductSales":{"amount":9999999999999999.99,"currencyCode":"USD"}') >out
	grep -qF '"ordered_product_sales_cents":999999999999999999,' out
	sales-flatten < <(sales '"orderedProductSales":{"amount":4503599627370496.05,"currencyCode":"USD"}') >out
	grep -qF '"ordered_product_sales_cents":450359962737049605,' out
}

@test "an amount that is no whole number of cents, or too large, or none, is a bad line" {
	while read -r currency amount why; do
		refuses "$(sales '"orderedProductSales":{"amount":'"$amount"',"currencyCode":"'"$currency"'"}')" \
			"orderedProductSales $why"
	done <<'!'
USD 0.005 is not a whole number of cents
USD 16.791 is not a whole number of cents
USD 1e-3 is not a whole number of cents
USD 1e-999999999999 is not a whole number of cents
USD 0.1234567890123456789012345 is not a whole number of cents
JPY 12.5 is not a whole number of cents
KWD 1.2345 is not a whole number of cents
USD 1e400 is too large
USD 1e99999999999999999999 is too large
USD 10000000000000000 is too large
USD 99999999999999999999999999 is too large
USD -1e17 is too large
USD "1.50" is no amount
USD true is no amount
USD [1] is no amount
USD {"amount":1} is no amount
usd 1 is in no currency
US 1 is in no currency
USDX 1 is in no currency
U\u0053D 1 is in no currency
!
	for amount in '[]' '{}' 1.5 '"1.50"' true '{"currencyCode":"USD"}'; do
		refuses "$(sales '"orderedProductSales":'"$amount")" 'orderedProductSales is no amount'
	done
	refuses "$(sales '"orderedProductSales":{"amount":1,"currencyCode":7}')" 'orderedProductSales is in no currency'
}

@test "an amount without its currency takes that of the row, or is 0" {
	usd='{"amount":1.50,"currencyCode":"USD"}'
	for twin in '{"amount":0}' '{"amount":0.00,"currencyCode":null}'; do
		gives "$(sales '"orderedProductSales":'"$usd"',"orderedProductSalesB2B":'"$twin")" \
			'[.ordered_product_sales_cents, .ordered_product_sales_b2b_cents, .currency]' '[150,0,"USD"]'
		gives "$(sales '"orderedProductSalesB2B":'"$twin")" '[.ordered_product_sales_b2b_cents, has("currency")]' '[0,false]'
	done
	gives "$(sales '"orderedProductSales":{"amount":2},"orderedProductSalesB2B":'"$usd")" \
		'[.ordered_product_sales_cents, .ordered_product_sales_b2b_cents, .currency]' '[200,150,"USD"]'
	gives "$(sales '"orderedProductSales":{"amount":2},"orderedProductSalesB2B":{"amount":0,"currencyCode":"JPY"}')" \
		'[.ordered_product_sales_cents, .currency]' '[2,"JPY"]'
	for amount in 2 0.001 1e400; do
		refuses "$(sales '"orderedProductSales":{"amount":'$amount'}')" 'orderedProductSales is in no currency'
	done
}

@test "two currencies in one row are a bad line" {
	refuses "$(sales '"orderedProductSales":{"amount":1,"currencyCode":"USD"},"orderedProductSalesB2B":{"amount":0,"currencyCode":"CAD"}')" \
		'orderedProductSalesB2B is in a second currency'
	refuses "$(totals '"orderedProductSales":{"amount":1,"currencyCode":"USD"},"claimsAmount":{"amount":0,"currencyCode":"CAD"}')" \
		'claimsAmount is in a second currency'
}

@test "counts are whole, and not below 0" {
	for n in 0 1 7 100000 999999999999999999; do
		sales-flatten < <(sales '"unitsOrdered":'$n) >out
		grep -qF "\"units_ordered\":$n," out
	done
	for n in 12.0 12.000 1.2e1 120e-1; do
		gives "$(sales '"unitsOrdered":'$n)" .units_ordered 12
	done
	gives "$(sales '"unitsOrdered":-0')" .units_ordered 0
	for n in -1 1.5 0.5 1e-1 -12.0 1e18 1000000000000000000 99999999999999999999 '"5"' true '[]' '{}' '{"amount":1}'; do
		refuses "$(sales '"unitsOrdered":'"$n")" 'unitsOrdered is no count'
		refuses "$(traffic '"mobileAppSessionsB2B":'"$n")" 'mobileAppSessionsB2B is no count'
		refuses "$(totals '' '"averageOfferCount":'"$n")" 'averageOfferCount is no count'
	done
}

@test "percentages and averages are kept as they are written" {
	for n in 0 5.56 300.00 0.0 100 1.0 1e2 0.3333333333333333 5.5600 9999999 1234567890123456789012345678.5; do
		run --separate-stderr sales-flatten < <(traffic '"unitSessionPercentage":'$n)
		assert_success
		assert_output --partial ",\"unit_session_percentage\":$n,"
	done
	for n in '"5"' true '[]' '{}'; do
		refuses "$(traffic '"buyBoxPercentage":'"$n")" 'buyBoxPercentage is no number'
	done
	refuses "$(traffic '"buyBoxPercentage":1e400')" 'buyBoxPercentage is too large'
	refuses "$(traffic '"buyBoxPercentage":1E9999')" 'buyBoxPercentage is too large'
	refuses "$(totals '"refundRate":0.1234567890123456789012345678901')" 'refundRate is too long a number'
}

@test "an ASIN is the child, and never the parent" {
	gives "$(asin "$(child B0CHILD001 '' '' B0OTHER001)")" '[.asin, .parent_asin]' '["B0CHILD001","B0OTHER001"]'
	gives "$(asin "$(child B0CHILD001 '' '' B0CHILD001)")" '[.asin, .parent_asin]' '["B0CHILD001","B0CHILD001"]'
	gives "$(asin "$(child 0000000000 '' '' ZZZZZZZZZZ)")" '[.asin, .parent_asin]' '["0000000000","ZZZZZZZZZZ"]'
	gives "$(asin "$(child 1292025824 '' '' 0123456789)")" '[.asin, .parent_asin]' '["1292025824","0123456789"]'
	none='no childAsin: a report of PARENT granularity has nothing to key by'
	refuses "$(asin '{"parentAsin":"B0PARENT01","salesByAsin":{},"trafficByAsin":{}}')" "$none"
	refuses "$(asin '{"parentAsin":"B0PARENT01","childAsin":null}')" "$none"
	for wrong in '""' '"B0CHILD00"' '"B0CHILD0011"' '"b0child001"' '"B0CHILD00é"' '"B0CHILD-01"' '"B0CHILD 01"' \
		'"B0CHILD00\u0031"' '"B0CHILD0\""' 1234567890 123456789012 '[]' '{}' true; do
		refuses "$(asin '{"parentAsin":"B0PARENT01","childAsin":'"$wrong"'}')" 'childAsin is no ASIN'
		refuses "$(asin '{"parentAsin":'"$wrong"',"childAsin":"B0CHILD001"}')" 'parentAsin is no ASIN'
	done
}

@test "a row of another shape is a bad line" {
	for wrong in null '[]' '"x"' 7; do
		refuses "$(asin "$wrong")" 'data is no object'
		refuses "$(date_row "$wrong")" 'data is no object'
	done
	for wrong in '[]' '"x"' 7 true; do
		refuses "$(asin '{"childAsin":"B0CHILD001","salesByAsin":'"$wrong"'}')" 'salesByAsin is no object'
		refuses "$(asin '{"childAsin":"B0CHILD001","trafficByAsin":'"$wrong"'}')" 'trafficByAsin is no object'
		refuses "$(date_row '{"date":"2026-11-18","salesByDate":'"$wrong"'}')" 'salesByDate is no object'
		refuses "$(date_row '{"date":"2026-11-18","trafficByDate":'"$wrong"'}')" 'trafficByDate is no object'
	done
	for wrong in '{}' '{"date":null}' '{"date":"2026-11-19"}' '{"date":"2026-11-18T00:00:00Z"}' '{"date":20261118}'; do
		refuses "$(date_row "$wrong")" 'data is not of the date that was asked for'
	done
}

@test "a row needs a marketplace, a date, a report and a time" {
	while read -r field value why; do
		refuses "$(sales '' | jq -c --argjson v "$value" ".$field = \$v")" "$why"
		refuses "$(totals '' | jq -c --argjson v "$value" ".$field = \$v")" "$why"
	done <<'!'
marketplace null marketplace is no code of two letters
marketplace "us" marketplace is no code of two letters
marketplace "USA" marketplace is no code of two letters
marketplace ["US"] marketplace is no code of two letters
marketplace 1234 marketplace is no code of two letters
date null date is no day
date "2026-02-29" date is no day
date "2026-13-01" date is no day
date "2026-11-00" date is no day
date "2026-11-18T00:00:00Z" date is no day
date "26-11-18" date is no day
date 20261118 date is no day
report_id null report_id is no id
report_id 50015018 report_id is no id
fetched_at null fetched_at is no time
fetched_at "2026-11-21" fetched_at is no time
fetched_at "2026-11-21T12:00:00" fetched_at is no time
fetched_at "2026-11-21T24:00:00Z" fetched_at is no time
!
	refuses "$(sales '' | jq -c 'del(.marketplace, .date)')" 'marketplace is no code of two letters'
	refuses "$(report=$(printf '%099d' 0) sales '')" 'report_id is no id'
	gives "$(report=$(printf '%098d' 0) sales '')" '.report_id | length' 98
	gives "$(report='a\"é\u00e9' fetched=2026-11-21T12:00:00.25Z sales '')" '[.report_id, .fetched_at]' '["a\"éé","2026-11-21T12:00:00.25Z"]'
	gives "$(date=2028-02-29 sales '')" .date '"2028-02-29"'
}

@test "a member that occurs twice is a bad line" {
	run --separate-stderr sales-flatten < <(sales '"unitsOrdered":1,"unitsOrdered":2')
	assert_failure 65
	assert_equal "$stderr" 'sales-flatten: stdin:1: column 217: a field that occurs twice'
	refute_output
}

# Two rows for one ASIN

one='"unitsOrdered":1,"totalOrderItems":1,"orderedProductSales":{"amount":1.10,"currencyCode":"USD"}'
two='"unitsOrdered":200,"totalOrderItems":100,"orderedProductSales":{"amount":-5000.05,"currencyCode":"USD"}'
three='"unitsOrdered":30000,"totalOrderItems":20000,"orderedProductSales":{"amount":9999999.99,"currencyCode":"USD"}'

@test "rows for one ASIN are added, in whatever order, and percentages are not known" {
	local -A of=([1]=$(child B0CHILD001 "$one" '"sessions":1,"buyBoxPercentage":50.5') \
		[2]=$(child B0CHILD001 "$two" '"sessions":2,"buyBoxPercentage":1' B0PARENT00) \
		[3]=$(child B0CHILD001 "$three" '"sessions":3,"buyBoxPercentage":2' B0PARENTAA))
	for order in '1 2 3' '1 3 2' '2 1 3' '2 3 1' '3 1 2' '3 2 1'; do
		for n in $order; do
			asin "${of[$n]}"
			asin "$(child B0CHILD002 "$one")" | sed "s/CHILD002/CHILD10$n/"
		done >in
		run --separate-stderr sales-flatten <in
		assert_success
		assert_equal "$stderr" ''
		[ ${#lines[@]} -eq 6 ]
		assert_line --index 0 "$(head -n 1 in | sales-flatten)"
		assert_line --index 1 "$(sed -n 2p in | sales-flatten)"
		assert_line --index 4 '{"type":"sales_daily","marketplace":"US","date":"2026-11-18","asin":"B0CHILD001","parent_asin":"B0PARENT00","units_ordered":30201,"ordered_product_sales_cents":999500104,"total_order_items":20101,"sessions":6,"buy_box_percentage":null,"currency":"USD","report_id":"50015018","fetched_at":"2026-11-21T12:00:00Z"}'
	done
}

@test "a sum needs all that it is of" {
	for pair in '1 1 2' 'null 1 null' '1 null null' 'null null null'; do
		read -r a b sum <<<"$pair"
		run --separate-stderr sales-flatten < <(sales '"unitsOrdered":'"$a" && sales '"unitsOrdered":'"$b")
		assert_success
		assert_equal "$(jq -c '.units_ordered' <<<"${lines[1]}")" "$sum"
	done
	for order in 1 2; do
		run --separate-stderr sales-flatten < <({ sales '"unitsOrdered":1' && sales ''; } | if [ $order = 1 ]; then cat; else tac; fi)
		assert_equal "$(jq -c '[.units_ordered, has("units_ordered"), has("sessions"), has("buy_box_percentage")]' <<<"${lines[1]}")" '[null,true,false,false]'
	done
	run --separate-stderr sales-flatten < <(traffic '"buyBoxPercentage":1' && traffic '' && traffic '"sessions":1')
	assert_equal "$(jq -c '[.buy_box_percentage, .sessions]' <<<"${lines[2]}")" '[null,null]'
}

@test "a parent that some rows do not name is that of the others" {
	for order in cat tac; do
		run --separate-stderr sales-flatten < <({
			asin '{"childAsin":"B0CHILD001"}'
			asin '{"childAsin":"B0CHILD001","parentAsin":null}'
			asin '{"childAsin":"B0CHILD001","parentAsin":"B0PARENT01"}'
		} | $order)
		assert_equal "$(jq -c .parent_asin <<<"${lines[2]}")" '"B0PARENT01"'
	done
	run --separate-stderr sales-flatten < <(asin '{"childAsin":"B0CHILD001"}' && asin '{"childAsin":"B0CHILD001","parentAsin":null}')
	assert_equal "$(jq -c '[.parent_asin, has("parent_asin")]' <<<"${lines[1]}")" '[null,true]'
}

@test "a row that cannot be added is bad, and what was added before stays" {
	most='"unitsOrdered":999999999999999999'
	run --separate-stderr sales-flatten < <(sales "$most" && sales '"unitsOrdered":1' && sales '"unitsOrdered":0')
	assert_failure 65
	assert_equal "$stderr" 'sales-flatten: stdin:2: unitsOrdered adds up to too much'
	[ ${#lines[@]} -eq 2 ]
	assert_line --index 1 "$(sales "$most" | sales-flatten)"
	cad='"orderedProductSales":{"amount":1,"currencyCode":"CAD"}'
	run --separate-stderr sales-flatten < <(sales "$one" && sales "$cad" && sales '"unitsOrdered":1,"totalOrderItems":1,"orderedProductSales":{"amount":0}')
	assert_failure 65
	assert_equal "$stderr" 'sales-flatten: stdin:2: a second currency for one ASIN'
	assert_equal "$(jq -c '[.units_ordered, .ordered_product_sales_cents, .currency]' <<<"${lines[1]}")" '[2,110,"USD"]'
}

@test "rows are added within one report only, as it was fetched once" {
	{
		sales "$one"
		marketplace=CA sales "$one"
		date=2026-11-17 sales "$one"
		report=2 sales "$one"
		fetched=2026-11-21T13:00:00Z sales "$one"
		sales "$one"
		totals '"unitsOrdered":1'
		sales "$one"
		request DONE 1 1
		sales "$one"
		echo '{"type":"run","run_id":"a"}'
		sales "$one"
		echo '{"type":"end","run_id":"a"}'
		sales "$one"
	} >in
	run --separate-stderr eval 'sales-flatten <in >out'
	assert_success
	assert_equal "$(jq -c 'select(.type == "sales_daily").units_ordered' out | sort -u)" 1
}

@test "many rows, many of them of the same ASINs, add up" {
	python3 - >in <<'!'
import random
rng = random.Random(7)
for n in range(30000):
    print('{"type":"sp_sales_by_asin","marketplace":"US","date":"2026-11-18","report_id":"1","fetched_at":"2026-11-21T12:00:00Z",'
          '"data":{"parentAsin":"B0PARENT01","childAsin":"B%09d","salesByAsin":{"unitsOrdered":%d,"orderedProductSales":'
          '{"amount":%d.%02d,"currencyCode":"USD"}},"trafficByAsin":{"sessions":%d}}}'
          % (int(rng.random() ** 3 * 9000), rng.choice([0, 1, 99, 10 ** 6, 10 ** 12]), rng.choice([-70, 5, 10 ** 9]), rng.randrange(1, 100), n))
!
	sales-flatten <in | python3 -c '
import json, sys
last = {}
for line in sys.stdin:
    r = json.loads(line)
    last[r["asin"]] = [r["units_ordered"], r["ordered_product_sales_cents"], r["sessions"]]
for asin in sorted(last):
    print(asin, last[asin])' >got
	python3 - in >want <<'!'
import json, sys
from decimal import Decimal
sums = {}
for line in open(sys.argv[1]):
    d = json.loads(line, parse_float=Decimal)["data"]
    row = [d["salesByAsin"]["unitsOrdered"], int(d["salesByAsin"]["orderedProductSales"]["amount"] * 100), d["trafficByAsin"]["sessions"]]
    sums[d["childAsin"]] = [a + b for a, b in zip(sums.get(d["childAsin"], [0, 0, 0]), row)]
for asin in sorted(sums):
    print(asin, sums[asin])
!
	[ "$(wc -l <want)" -gt 5000 ]
	cmp got want
}

# A report that is not ready

not_ready='{"type":"report_requests","request_id":"US:2026-11-18:CHILD:1", "status" : "not_ready","report_id":"50015018","not_before":"2026-11-21T16:00:05Z","n":1.10,"error":"byAsin is empty beside a filled byDate","updated_at":"2026-11-21T12:00:05Z","rows_by_asin":0,"rows_by_date":1 }'

@test "a report with nothing by ASIN beside something by date is not ready" {
	for counts in '"unitsOrdered":1' '"totalOrderItems":1' '"unitsOrderedB2B":1'; do
		run --separate-stderr sales-flatten < <(totals "$counts" && request DONE 0 1)
		assert_success
		assert_equal "$stderr" ''
		assert_line --index 0 "$(totals "$counts" | sales-flatten)"
		assert_line --index 1 "$not_ready"
	done
	for name in sessions browserSessions mobileAppSessions pageViews browserPageViews mobileAppPageViewsB2B; do
		run sales-flatten < <(totals '' "\"$name\":3" && request DONE 0 1)
		assert_line --index 1 "$not_ready"
	done
	# However many are between.
	run sales-flatten < <(totals '"unitsOrdered":1' && report=2 totals '"unitsOrdered":0' && report=2 sales '' &&
		echo '{"type":"api_usage_log"}' && request DONE 0 1)
	assert_line --index 4 "$not_ready"
}

@test "fields that the record lacks come at its end" {
	run --separate-stderr sales-flatten < <(totals '"unitsOrdered":1' &&
		echo '{"updated_at":"2026-12-31T23:59:59Z","error":"old","rows_by_date":1,"rows_by_asin":0,"status":"DONE","report_id":"50015018","type":"report_requests"} ')
	assert_success
	assert_line --index 1 '{"updated_at":"2026-12-31T23:59:59Z","error":"byAsin is empty beside a filled byDate","rows_by_date":1,"rows_by_asin":0,"status":"not_ready","report_id":"50015018","type":"report_requests","not_before":"2027-01-01T03:59:59Z"} '
}

@test "any other request passes as it is" {
	while read -r status by_asin by_date id; do
		request "$status" "$by_asin" "$by_date" "$id" >request
		run --separate-stderr sales-flatten < <(totals '"unitsOrdered":1' && cat request)
		assert_success
		assert_line --index 1 "$(<request)"
	done <<'!'
DONE 1 1 50015018
DONE 0 0 50015018
DONE null 1 50015018
DONE "0" 1 50015018
DONE 0 null 50015018
DONE 0 1 5001501
DONE 0 1 500150180
ready 0 1 50015018
not_ready 0 1 50015018
CANCELLED 0 1 50015018
!
	request DONE 0 1 >request
	# Nothing by date that rows by ASIN would have, or nothing known.
	for counts in '' '"unitsOrdered":0' '"unitsOrdered":null' '"unitsOrdered":-1' '"unitsShipped":5,"unitsRefunded":1,"ordersShipped":2,"claimsGranted":1' \
		'"orderedProductSales":{"amount":0,"currencyCode":"USD"},"refundRate":5'; do
		run --separate-stderr sales-flatten < <(totals "$counts" '"averageOfferCount":9,"feedbackReceived":1,"buyBoxPercentage":5' && cat request)
		assert_line "$(<request)"
	done
	run --separate-stderr sales-flatten <request
	assert_success
	assert_output "$(<request)"
}

@test "a request that is not ready, but not from any time, is a bad line" {
	for time in null '"x"' 7 '"9999-12-31T23:00:00Z"'; do
		run --separate-stderr sales-flatten < <(totals '"unitsOrdered":1' && request DONE 0 1 | jq -c ".updated_at = $time")
		assert_failure 65
		assert_equal "$stderr" 'sales-flatten: stdin:2: updated_at is no time'
		[ ${#lines[@]} -eq 1 ]
	done
}

# Reports

# document FILE: a report, as records; each day of several is a record's own.
document() {
	jq -c --arg market "$2" '
		def row($date): {type: "", marketplace: $market, date: $date, report_id: "1", fetched_at: "2026-11-21T12:00:00Z", data: .};
		.reportSpecification.dataEndTime as $date |
		(.salesAndTrafficByDate[] | row(.date) | .type = "sp_sales_by_date"),
		(.salesAndTrafficByAsin[] | row($date) | .type = "sp_sales_by_asin")' "$shared/captures/sp/$1"
}

# want FILE: what must come of it, by jq from the names alone.  Rows for one ASIN are left out.
want() {
	jq -c '
		def snake: gsub("B2B$"; "_b2b") | gsub("(?<c>[A-Z])"; "_" + (.c | ascii_downcase));
		def cents: .amount * 100 | round;
		(.type == "sp_sales_by_asin") as $asin |
		{type: (if $asin then "sales_daily" else "sales_daily_totals" end), marketplace, date} +
		(if $asin then {asin: .data.childAsin, parent_asin: .data.parentAsin} else {} end) +
		(.data | [.salesByAsin, .trafficByAsin, .salesByDate, .trafficByDate | select(. != null) | to_entries[]] |
			map(if .value | type == "object" then {key: (.key | snake + "_cents"), value: (.value | cents)}
				else {key: (.key | snake), value} end) | from_entries) +
		{currency: ([.data | .. | .currencyCode? | select(. != null)] | first), report_id, fetched_at}' "$1"
}

@test "every field of Amazon's examples is there, exactly" {
	needs_shared captures/sp
	local file
	for file in schema_example_1_WEEK_CHILD synthetic_US_DAY_CHILD_b2b synthetic_US_DAY_CHILD_asin_delayed \
		synthetic_US_DAY_CHILD_empty synthetic_CA_DAY_SKU_utf8; do
		document $file.json US >in
		run --separate-stderr eval 'sales-flatten <in >out'
		assert_success
		assert_equal "$stderr" ''
		diff <(jq -cS . out) <(want in | jq -cS .)
	done
	document schema_example_0_DAY_SKU.json US >in # with a member misspelt, which is ignored
	run --separate-stderr eval 'sales-flatten <in >out'
	assert_success
	diff <(jq -cS . out) <(want in | jq -cS 'del(.brower_page_views)')
	document schema_example_2_MONTH_PARENT.json US >in
	run --separate-stderr eval 'sales-flatten <in >out'
	assert_failure 65
	[ "$(grep -c 'no childAsin' <<<"$stderr")" -eq "$(grep -c by_asin in)" ]
}

@test "every field of Amazon's schema has its column, in its order" {
	needs_shared api/specs/schema_fields.json
	local kind
	for kind in Asin Date; do
		jq -r --arg kind "$kind" '.[] | select(.path | test("^salesAndTrafficBy" + $kind + "..[.](sales|traffic)By" + $kind + "[.][A-Za-z0-9]+$")) |
			"\(.path | split(".") | last) \(.type)"' "$shared/api/specs/schema_fields.json" >fields
		jq -nc --arg kind "$kind" --rawfile fields fields '
			def part($type): [$fields / "\n" | .[] | select(. != "") | . / " " | {key: .[0], value:
				(if .[1] == "object" then {amount: 1, currencyCode: "USD"} elif .[1] == "integer" then 2 else 3.5 end)}] | from_entries;
			{type: "sp_sales_by_\($kind | ascii_downcase)", marketplace: "US", date: "2026-11-18", report_id: "1",
			fetched_at: "2026-11-21T12:00:00Z", data: {date: "2026-11-18", parentAsin: "B0PARENT01", childAsin: "B0CHILD001",
			"salesBy\($kind)": part(""), "trafficBy\($kind)": {}}}' >in
		# All in salesBy…: those of trafficBy… are unknown there.
		sed -E "s/(\"browser(Sessions|PageViews)\":)/},\"trafficBy$kind\":{\1/; s/,\"trafficBy$kind\":\{\}//; s/,\}/}/" in >rows
		sales-flatten <rows >out
		[ "$(wc -l <fields)" -gt 30 ]
		diff <(sed -E 's/B2B /_b2b /; s/([A-Z])/_\L\1/g; s/ object/_cents 100/; s/ integer/ 2/; s/ number/ 3.5/' fields) \
			<(jq -r 'del(.type, .marketplace, .date, .asin, .parent_asin, .currency, .report_id, .fetched_at) | to_entries[] | "\(.key) \(.value)"' out)
	done
}

# The stream

@test "bad lines are reported, and the rest is done" {
	{
		sales "$one"
		echo '{"type":"sp_sales_by_asin",'
		echo '[]'
		asin "$(child B0CHILD002 "$one")"
		printf '{"type":"x","s":"\377"}\n'
		asin "$(child B0CHILD003 '"unitsOrdered":"1"')"
		echo
		asin "$(child B0CHILD004 "$one")"
	} >in
	run --separate-stderr sales-flatten <in
	assert_failure 65
	assert_equal "$(jq -r .asin <<<"$output" | xargs)" 'B0CHILD001 B0CHILD002 B0CHILD004'
	assert_equal "$stderr" 'sales-flatten: stdin:2: column 28: unexpected end of data
sales-flatten: stdin:3: column 1: not a JSON object
sales-flatten: stdin:5: column 18: not UTF-8
sales-flatten: stdin:6: unitsOrdered is no count'
}

@test "no input is no output" {
	run --separate-stderr sales-flatten </dev/null
	assert_success
	assert_equal "$stderr$output" ''
}

@test "a run without its end is kept, and said so" {
	run --separate-stderr sales-flatten < <(echo '{"type":"run","run_id":"r1"}' && sales "$one")
	assert_failure 75
	assert_equal "$stderr" 'sales-flatten: stdin:2: run "r1" has no end: what came is kept, and the rest is still to come'
	[ ${#lines[@]} -eq 2 ]
}

@test "wrong usage is refused" {
	for wrong in --no-raw -x x; do
		run --separate-stderr sales-flatten $wrong </dev/null
		assert_failure 64
		refute_output
	done
	run --separate-stderr sales-flatten --version
	assert_success
	assert_output --regexp '^sales-flatten [0-9.]+$'
	run --separate-stderr sales-flatten --help
	assert_success
	assert_line --index 0 --partial 'usage: sales-flatten'
}

@test "a full disk is noticed" {
	sales "$one" >in
	for args in '' --help --version; do
		run --separate-stderr eval "sales-flatten $args <in >/dev/full"
		assert_failure 74
		assert_equal "$stderr" 'sales-flatten: cannot write to standard output: No space left on device'
	done
}

@test "a reader that leaves is no error to speak of" {
	sales "$one" >one
	awk '{ for (n = 0; n < 5000; n++) print }' one >in
	run --separate-stderr bash -c 'trap "" PIPE; sales-flatten <in | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}"'
	assert_output 141
	assert_equal "$stderr" ''
}

@test "hostile values come out as they went in, or not at all" {
	name=$(printf 'n%.0s' {1..100000})
	gives "$(sales "\"$name\":{\"a\":[]},\"unitsOrdered\":1")" .units_ordered 1
	refuses "$(sales '"orderedProductSales":{"amount":1'"$(printf '0%.0s' {1..100000})"',"currencyCode":"USD"}')" 'orderedProductSales is too large'
	gives "$(sales '"orderedProductSales":{"amount":1'"$(printf '0%.0s' {1..100000})"'e-100000,"currencyCode":"USD"}')" .ordered_product_sales_cents 100
	gives "$(sales '"orderedProductSales":{"amount":0.'"$(printf '0%.0s' {1..100000})"'1e100001,"currencyCode":"USD"}')" .ordered_product_sales_cents 100
	gives "$(sales '"orderedProductSales":{"amount":0.'"$(printf '0%.0s' {1..100000})"',"currencyCode":"USD"}')" .ordered_product_sales_cents 0
	gives "$(asin '{"childAsin":"B0CHILD001","sku":"\u0000😀\ud83d\ude00'"$name"'"}')" .asin '"B0CHILD001"'
}

@test "a report of 40,000 ASINs takes less than 16 MiB" {
	python3 "$top/tests/bench/sales-rows.py" 40000 b2b >rows
	run peak_kib sh -c 'exec sales-flatten <rows'
	assert_success
	sanitized || [ "${lines[-1]}" -lt 16384 ] || fail "$output KiB"
}
