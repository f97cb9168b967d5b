#!/usr/bin/env bats
# What keepa-fetch asks Keepa, what it makes of the answers, and how it fails.
# How it talks HTTP is in http.bats, where its settings come from in conf.bats.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
}

teardown() {
	stop_sim
}

# fetch [ARGUMENT...]: keepa-fetch; records in $output, messages in $stderr.
fetch() {
	run --separate-stderr keepa-fetch "$@"
}

# got FILTER: what the records say, by jq.
got() {
	jq -c "$1" <<<"$output"
}

# products: each product's ASIN and status, sorted.
products() {
	got 'select(.type == "keepa_product") | [.asin, .status]' | sort
}

# said: the messages, without what differs from run to run.
said() {
	sed -E "s#${sim:-no simulator}#SIM#; s/[0-9]+\.[0-9] s/N s/" <<<"$stderr"
}

# asked [FILTER]: what was asked of Keepa, by jq.
asked() {
	requests keepa "${1:-"[.path, .query.asin]"}"
}

called() {
	[ -n "$(asked)" ]
}

# asins N: so many ASINs that Keepa answers with stubs.
asins() {
	seq -f 'B0TEST%04g' "$1"
}

# tracked: records of the ASINs on standard input.
tracked() {
	jq -Rc '{type: "tracked_asins", asin: .}'
}

# answer TEXT: what the next request is answered with.
answer() {
	faults keepa "$(jq -nc --arg body "$1" '[{fault: "body", $body}]')"
}

normal() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/TIME/g
		s/keepa-fetch-TIME-[0-9a-f]{8}/RUN/g' <<<"$output"
}

ago() {
	date -u -d "$1 ago" +%Y-%m-%dT%H:%M:%SZ
}

# What goes out

@test "records of a run, of each product and of each request come out, to the byte" {
	start_sim
	answer '{ "tokensLeft": 41, "refillIn": 18815, "refillRate": 60, "tokensConsumed": 2, "products": [
		{ "asin" : "B0SIM00001", "salesRanks": { "85": [1, 2] }, "n": 1.10, "big": 12345678901234567890, "t": "a b\/\u00e9" }
	] , "timestamp": 1778386622667 }'
	KEEPA_PLAN_CENTS=5000 KEEPA_PLAN_TOKENS=1000 fetch B0SIM00001 B0SIM00009
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(normal)" '{"type":"run","run_id":"RUN","program":"keepa-fetch","version":"0.1.0","started_at":"TIME"}
{"type":"keepa_product","marketplace":"US","asin":"B0SIM00001","fetched_at":"TIME","status":"ok","product":{"asin":"B0SIM00001","salesRanks":{"85":[1,2]},"n":1.10,"big":12345678901234567890,"t":"a b\/\u00e9"}}
{"type":"keepa_product","marketplace":"US","asin":"B0SIM00009","fetched_at":"TIME","status":"missing","product":null}
{"type":"api_usage_log","usage_id":"RUN-1","service":"keepa","asins_processed":2,"requests":1,"tokens_consumed":2,"tokens_left":41,"refill_rate":60,"estimated_cost_cents":10.0000,"processing_started_at":"TIME","processing_completed_at":"TIME","error":null}
{"type":"end","run_id":"RUN","records":3,"finished_at":"TIME"}'
}

@test "a request says key, domain, ASINs, history and days, and nothing that costs" {
	start_sim
	fetch -m CA B0SIM00001
	assert_success
	assert_equal "$(asked '[.method, .path, .query]')" \
		'["GET","/keepa/product",{"key":"test-key","domain":"6","asin":"B0SIM00001","history":"1","days":"1"}]'
}

@test "a key with characters that URLs are made of arrives as it is" {
	start_sim --key 'a&b=c/d e+é%41'
	KEEPA_API_KEY='a&b=c/d e+é%41' fetch B0SIM00001
	assert_success
	assert_equal "$(asked .query.key)" '"a&b=c/d e+é%41"'
}

@test "250 ASINs are three requests of 100, 100 and 50, in the order they came" {
	start_sim
	asins 250 | shuf --random-source=/bin/sh >list
	fetch < <(tracked <list)
	assert_success
	assert_equal "$(asked '.query.asin | split(",") | length')" $'100\n100\n50'
	assert_equal "$(asked '.query.asin | split(",")[]' | tr -d '"')" "$(<list)"
	assert_equal "$(got 'select(.type == "keepa_product").asin' | sort -u | wc -l)" 250
}

@test "each ASIN is asked for once, however often and however written it came" {
	start_sim
	fetch <<'!'
{"type":"x","asin":"B0SIM00002"}
{"type":"y","asin":"\ufeffb0sim00001\r"}
{"asin":" B0SIM00002\t"}
{"asin":"B0SIM00001","marketplace":"US"}
!
	assert_success
	assert_equal "$(asked)" '["/keepa/product","B0SIM00002,B0SIM00001"]'
	assert_equal "$(products)" $'["B0SIM00001","ok"]\n["B0SIM00002","ok"]'
}

@test "operands are asked for once too, in capitals, whatever was pasted around them" {
	start_sim
	fetch b0sim00001 $'\xef\xbb\xbfB0SIM00002\r' ' B0SIM00001 '
	assert_success
	assert_equal "$(asked)" '["/keepa/product","B0SIM00001,B0SIM00002"]'
}

@test "bad ASINs are reported with their line, and the others are done: 65" {
	start_sim
	cat >in <<'!'
{"asin":"B0SIM0000"}
{"asin":"B0SIM00001"}
{"asin":"B0SIM000011"}
{"asin":"B0SIM-0001"}
{"asin":"X\r\nY"}
{"asin":"B0SIM0000é"}
{"asin":12345}
{"asin":null}
{"asin":"B0SIM00002","marketplace":"PL"}
{"asin":"B0SIM00002","marketplace":1}
{"asin"
{"asin":"B0SIM00003"}
!
	fetch <in
	assert_equal "$status" 65
	assert_equal "$stderr" "$(
		for n in 1 3 4 5 6 7 8; do
			echo "keepa-fetch: stdin:$n: asin of the wrong form"
		done
		for n in 9 10; do
			echo "keepa-fetch: stdin:$n: a marketplace that Keepa does not have"
		done
		echo "keepa-fetch: stdin:11: column 8: unexpected end of data"
	)"
	assert_equal "$(asked)" '["/keepa/product","B0SIM00001,B0SIM00003"]'
	assert_equal "$(got 'select(.type == "end").records')" 3
}

@test "a bad operand is named, and the others are done: 65" {
	start_sim
	fetch B0SIM00001 'https://www.amazon.com/dp/B0SIM00001'
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: 'https://www.amazon.com/dp/B0SIM00001' is no ASIN"
	assert_equal "$(products)" '["B0SIM00001","ok"]'
}

@test "only bad ASINs: no request, and a whole stream without products" {
	start_sim
	fetch nonsense
	assert_equal "$status" 65
	assert_equal "$(got '[.type, .records]')" $'["run",null]\n["end",0]'
	assert_equal "$(asked)" ''
}

@test "pain 1.18: each marketplace is asked for by its own domain" {
	start_sim
	fetch -m DE <<'!'
{"asin":"B0SIM00001","marketplace":"US"}
{"asin":"B0SIM00001","marketplace":"CA"}
{"asin":"B0SIM00001"}
{"asin":"B0SIM00001","marketplace":"UK"}
{"asin":"B0SIM00002","marketplace":"US"}
!
	assert_success
	assert_equal "$(asked '[.query.domain, .query.asin]' | sort)" '["1","B0SIM00001,B0SIM00002"]
["2","B0SIM00001"]
["3","B0SIM00001"]
["6","B0SIM00001"]'
	assert_equal "$(got 'select(.type == "keepa_product") | [.marketplace, .asin, .status]' | sort)" \
		'["CA","B0SIM00001","ok"]
["DE","B0SIM00001","unknown"]
["UK","B0SIM00001","unknown"]
["US","B0SIM00001","ok"]
["US","B0SIM00002","ok"]'
}

@test "the most urgent goes first, whatever its marketplace" {
	start_sim
	{
		echo '{"asin":"B0SIMCA002","marketplace":"CA"}'
		asins 150 | jq -Rc '{asin: ., marketplace: "US"}'
		echo '{"asin":"B0SIMCA003","marketplace":"CA"}'
		echo '{"asin":"B0SIM00001","marketplace":"DE"}'
	} >in
	fetch <in
	assert_success
	assert_equal "$(asked '[.query.domain, (.query.asin | split(",")[0, -1])]')" \
		'["6","B0SIMCA002","B0SIMCA003"]
["1","B0TEST0001","B0TEST0100"]
["1","B0TEST0101","B0TEST0150"]
["3","B0SIM00001","B0SIM00001"]'
}

# Each line: what a record says; the days that are asked for.
@test "history reaches back to the last check, and a day at least" {
	start_sim
	while IFS='|' read -r fields days; do
		run --separate-stderr keepa-fetch <<<"{\"asin\":\"B0SIM00001\"$fields}"
		assert_success
		assert_equal "$fields: $(asked .query.days | tail -n 1)" "$fields: \"$days\""
	done <<!
|1
,"last_updated":null,"source_updated_at":null|1
,"last_updated":"$(ago '1 hour')"|1
,"last_updated":"$(ago '22 hours')"|1
,"last_updated":"$(ago '1410 minutes')"|2
,"last_updated":"$(ago '70 hours')"|3
,"last_updated":"$(ago '1 hour')","source_updated_at":"$(ago '30 hours')"|2
,"last_updated":"$(ago '30 hours')","source_updated_at":"$(ago '1 hour')"|2
,"source_updated_at":"$(ago '240 hours')"|11
,"last_updated":"2999-01-01T00:00:00Z"|1
,"last_updated":"yesterday"|1
,"last_updated":20260101|1
!
}

@test "history reaches back to the longest ago of all in a request, and of all duplicates" {
	start_sim
	fetch <<!
{"asin":"B0SIM00001","last_updated":"$(ago '1 hour')"}
{"asin":"B0SIM00002","last_updated":"$(ago '50 hours')"}
{"asin":"B0SIM00001","last_updated":"$(ago '100 hours')"}
{"asin":"B0SIM00003"}
!
	assert_success
	assert_equal "$(asked .query.days)" '"5"'
}

@test "--days and --update are handed on; --days 0 is the whole history" {
	start_sim
	fetch --days 7 --update 0 B0SIM00001
	assert_success
	fetch --days=0 --update=-1 B0SIM00001
	assert_success
	fetch --days 3 <<<"{\"asin\":\"B0SIM00001\",\"last_updated\":\"$(ago '500 hours')\"}"
	assert_success
	assert_equal "$(asked '.query | del(.key, .domain, .asin)')" '{"history":"1","days":"7","update":"0"}
{"history":"1","update":"-1"}
{"history":"1","days":"3"}'
}

@test "records without an asin pass on byte for byte, and runs of others do not" {
	start_sim
	fetch <<'!'
{"type":"x", "n":1.10,"big":12345678901234567890 }
{"type":"run","run_id":"r"}
{"type":"tracked_asins","asin":"B0SIM00001"}
{"type":"y","s":"\u00e9/\/"}
{"type":"end","run_id":"r","records":3}

!
	assert_success
	assert_equal "$(head -n 2 <<<"$output")" '{"type":"x", "n":1.10,"big":12345678901234567890 }
{"type":"y","s":"\u00e9/\/"}'
	assert_equal "$(tail -n +3 <<<"$output" | jq -r .type)" $'run\nkeepa_product\napi_usage_log\nend'
}

@test "a run that stopped short before us makes ours 75, with what came done" {
	start_sim
	fetch <<'!'
{"type":"run","run_id":"r7"}
{"asin":"B0SIM00001"}
!
	assert_equal "$status" 75
	assert_regex "$stderr" '^keepa-fetch: stdin:2: run .*r7.* has no end: '
	assert_equal "$(products)" '["B0SIM00001","ok"]'
}

@test "empty input is a whole run without requests" {
	start_sim
	fetch </dev/null
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(normal)" '{"type":"run","run_id":"RUN","program":"keepa-fetch","version":"0.1.0","started_at":"TIME"}
{"type":"end","run_id":"RUN","records":0,"finished_at":"TIME"}'
	assert_equal "$(asked)" ''
}

# What comes back

@test "pain 1.16: a stub is unknown, with what Keepa said of it" {
	start_sim
	fetch B0SIM00011 B0NOBODY00
	assert_success
	assert_equal "$(got 'select(.type == "keepa_product") | [.asin, .status, .product.productType]' | sort)" \
		$'["B0NOBODY00","unknown",4]\n["B0SIM00011","unknown",4]'
	answer '{"tokensLeft":5,"products":[{"asin":"B0SIM00001","productType":4,"salesRanks":{"1":[2,3]}}]}'
	fetch B0SIM00001
	assert_success
	assert_equal "$(products)" '["B0SIM00001","unknown"]'
}

@test "pain 1.1: a product whose ranks are absent or null is unknown" {
	start_sim
	faults keepa '[{"fault":"no_salesranks"},{"fault":"null_salesranks"}]'
	fetch B0SIM00001
	assert_success
	assert_equal "$(got 'select(.product) | [.status, (.product | has("salesRanks"))]')" '["unknown",false]'
	fetch B0SIM00001
	assert_success
	assert_equal "$(got 'select(.product) | [.status, .product.salesRanks]')" '["unknown",null]'
}

@test "pain 2.10: ranks that are no object are unknown, and other types do no harm" {
	start_sim
	answer '{"tokensLeft":5,"refillRate":"20","timestamp":null,"products":[
		{"asin":"B0SIM00001","salesRanks":[1,2],"productType":"0"},
		{"asin":"B0SIM00002","salesRanks":{},"productType":{"is":0},"title":7}],"x":[{"y":1}]}'
	fetch B0SIM00001 B0SIM00002
	assert_success
	assert_equal "$(products)" $'["B0SIM00001","unknown"]\n["B0SIM00002","ok"]'
}

@test "pain 2.14: an ASIN that never comes back, or as null, is missing" {
	start_sim
	control keepa/product '[{"asin":"B0ABSENT01","absent":true},{"asin":"B0NULL0001","null":true}]'
	faults keepa '[{"fault":"missing","asins":["B0SIM00002"]}]'
	fetch B0ABSENT01 B0SIM00001 B0NULL0001 B0SIM00002
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(products)" '["B0ABSENT01","missing"]
["B0NULL0001","missing"]
["B0SIM00001","ok"]
["B0SIM00002","missing"]'
	assert_equal "$(got 'select(.status == "missing").product' | sort -u)" null
	assert_equal "$(got 'select(.type == "end").records')" 5
}

@test "pain 2.16: answers in any order, twice, and of nobody asked make one record an ASIN" {
	start_sim
	answer '{"products":[{"salesRanks":{"1":[2,3]},"asin":"B0SIM00003"},
		{"asin":"B0OTHER001","salesRanks":{}},
		{"asin":"B0SIM00001","salesRanks":{},"n":1},null,
		{"asin":"B0SIM00001","salesRanks":{},"n":2},{"salesRanks":{}},
		{"asin":"B0SIM00002","salesRanks":{}}],"tokensLeft":5}'
	fetch B0SIM00001 B0SIM00002 B0SIM00003
	assert_success
	assert_equal "$(got 'select(.product) | [.asin, .product.n]')" '["B0SIM00003",null]
["B0SIM00001",1]
["B0SIM00002",null]'
}

@test "a product that is no JSON object is reported and unknown, and the others are there: 65" {
	start_sim
	answer '{"products":[{"asin":"B0SIM00001","salesRanks":{},"n":01},7,
		{"asin":"B0SIM00002","salesRanks":{}},
		{"asin":"B0SIM00003","asin":"B0SIM00004","salesRanks":{}}],"tokensLeft":5}'
	fetch B0SIM00001 B0SIM00002
	assert_equal "$status" 65
	assert_equal "$(cut -d: -f1-3 <<<"$stderr" | sort)" "$(printf 'keepa-fetch: a product in Keepa'\''s answer: column %s\n' 1 22 43)"
	assert_equal "$(products)" $'["B0SIM00001","unknown"]\n["B0SIM00002","ok"]'
}

@test "an answer without a list of products says nothing of any: unknown, 65" {
	start_sim
	faults keepa '[{"fault":"null_products"}]'
	fetch B0SIM00001
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: products in Keepa's answer: not of the form expected"
	assert_equal "$(products)" '["B0SIM00001","unknown"]'
}

@test "products come out while the rest of the answer is still on its way" {
	start_sim
	faults keepa '[{"fault":"slow","bytes_per_second":8000}]'
	keepa-fetch B0SIM00001 B0SIM00002 B0SIM00004 B0SIM00006 |
		while IFS= read -r line; do
			jq -c --arg at "$EPOCHREALTIME" '{type, at: $at | tonumber}' <<<"$line"
		done >'times'
	run jq -se '(map(select(.type == "keepa_product"))[0].at) as $first
		| map(select(.type == "api_usage_log"))[0].at - $first > 0.7' times
	assert_success
}

@test "memory stays under 16 MiB for 100 products of 1.3 MB" {
	sanitized && skip "the programs check themselves, and need more memory for it"
	cat >big.py <<'!'
import http.server
class Big(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        points = b"[%s]" % b",".join([b"7354468,1"] * 130000)
        self.wfile.write(b'{"tokensLeft":5,"products":[')
        for n in range(1, 101):
            self.wfile.write(b'{"csv":%s,"salesRanks":{},"asin":"B0TEST%04d"}%s'
                             % (points, n, b"," if n < 100 else b"]}"))
server = http.server.HTTPServer(("127.0.0.1", 0), Big)
print(server.server_port, flush=True)
server.handle_request()
!
	coproc python3 big.py
	read -r port <&"${COPROC[0]}"
	asins 100 | tracked >in
	export KEEPA_API_KEY=test-key KEEPA_API_URL=http://127.0.0.1:$port
	peak_kib sh -c 'keepa-fetch <in >out' >peak
	assert_equal "$(grep -c '"status":"ok"' out)" 100
	assert [ "$(stat -c %s out)" -gt 130000000 ]
	assert [ "$(<peak)" -lt 16384 ]
}

# Tokens

@test "pain 2.7: Keepa is never asked for its tokens before or between requests" {
	start_sim
	fetch < <(asins 350 | tracked)
	assert_success
	assert_equal "$(asked .path | sort | uniq -c | sed 's/^ *//')" '4 "/keepa/product"'
}

@test "pain 2.19: one token is enough to ask for 100 ASINs, even more than the bucket holds" {
	start_sim
	control keepa/tokens '{"left":1,"rate":1}'
	fetch --max-wait 0 < <(asins 100 | tracked)
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(got 'select(.type == "api_usage_log") | [.tokens_consumed, .tokens_left, .refill_rate]')" '[100,-99,1]'
}

@test "tokens that are left are spent without a wait, even where the rate is not said" {
	start_sim
	answer '{"tokensLeft":1,"refillIn":60000,"products":[]}'
	fetch < <(asins 101 | tracked)
	assert_success
	assert_equal "$stderr" ''
}

@test "pain 2.6: a negative balance is waited for until it is above 0, by refillIn and the missing tokens" {
	start_sim
	# 100 more than there were are owed: 5 times 20, the first in a minute.
	control keepa/tokens '{"left":1,"rate":20}'
	fetch --max-wait 100 < <(asins 150 | tracked)
	assert_equal "$status" 75
	assert_regex "$stderr" '^keepa-fetch: -99 tokens left, and (29[0-9]|300) s until there are more; 100 of 150 done, the rest can be asked for later$'
	assert_equal "$(got 'select(.type == "keepa_product").asin' | wc -l)" 100
	assert_equal "$(got 'select(.type == "end")')" ''
	assert_equal "$(asked .path | wc -l)" 1
}

@test "an empty bucket is waited for once, no longer than until its next refill" {
	start_sim
	control keepa/tokens '{"left":100,"rate":3,"per_minute_ms":2000}'
	fetch --max-wait 5 < <(asins 120 | tracked)
	assert_success
	assert_equal "$(said)" 'keepa-fetch: 0 tokens left; waiting N s for more'
	assert_equal "$(asked .status)" $'200\n200'
	assert_equal "$(got 'select(.type == "api_usage_log") | [.tokens_left, .requests]')" $'[0,1]\n[-17,1]'
}

@test "--max-wait bounds all waits together" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":700},{"fault":"ok"},{"fault":"429","refillIn":700}]'
	fetch --max-wait 1 < <(asins 150 | tracked)
	assert_equal "$status" 75
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 0.7 s
keepa-fetch: Keepa: HTTP status 429; 100 of 150 done, try again later"
}

@test "pain 2.4: 429 waits by the body's refillIn, and then asks for the same ASINs" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":700},{"fault":"429","refillIn":300,"error_object":true}]'
	fetch B0SIM00001 B0SIM00002
	assert_success
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 0.7 s
keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 0.3 s"
	assert_equal "$(asked '[.query.asin, .status]')" '["B0SIM00001,B0SIM00002",429]
["B0SIM00001,B0SIM00002",429]
["B0SIM00001,B0SIM00002",200]'
	assert_equal "$(requests keepa .time | jq -s '.[1] - .[0] >= 0.7 and .[2] - .[1] >= 0.3')" true
	assert_equal "$(got 'select(.type == "api_usage_log").requests')" 3
}

@test "pain 2.6: 429 with a negative balance waits for the missing tokens too" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":100,"tokensLeft":-41,"refillRate":20}]'
	fetch --max-wait 120 B0SIM00001
	assert_equal "$status" 75
	assert_equal "$stderr" 'keepa-fetch: Keepa: HTTP status 429; 0 of 1 done, try again later'
	faults keepa '[{"fault":"429","refillIn":100,"tokensLeft":-19,"refillRate":20}]'
	fetch --max-wait 120 B0SIM00001
	assert_success
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 0.1 s"
}

@test "429 waits by refillIn even where the body says that there are tokens" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":600,"tokensLeft":5}]'
	fetch B0SIM00001
	assert_success
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 0.6 s"
}

@test "429 past --max-wait: what was done is kept, without an end, and without records of the rest: 75" {
	start_sim
	faults keepa '[{"fault":"ok"},{"fault":"429","refillIn":60000,"error_object":true}]'
	fetch --max-wait 59 < <(asins 150 | tracked)
	assert_equal "$status" 75
	assert_equal "$stderr" 'keepa-fetch: Keepa: HTTP status 429 (Not enough tokens.); 100 of 150 done, try again later'
	assert_equal "$(got 'select(.type == "keepa_product").asin' | wc -l)" 100
	assert_equal "$(got .type | tail -n 1)" '"api_usage_log"'
}

@test "pain 2.5: 429 for ever is asked about less and less often" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":0,"times":1000}]'
	HTTP_WAIT_MS=100 fetch --max-wait 2 B0SIM00001
	assert_equal "$status" 75
	# 0.1, 0.2, 0.4 and 0.8 s; the next would be past the end
	assert_equal "$(asked .path | wc -l)" 5
	assert_equal "$(wc -l <<<"$stderr")" 5
}

@test "pain 1.9: the cost is of the tokens that Keepa says, by the plan's price" {
	start_sim
	fetch --update 0 B0SIM00001 B0NOBODY00
	assert_success
	assert_equal "$(got 'select(.type == "api_usage_log") | [.asins_processed, .tokens_consumed, .estimated_cost_cents]')" '[2,3,0.0165]'
	KEEPA_PLAN_CENTS=0 KEEPA_PLAN_TOKENS=1 fetch B0SIM00001
	assert_equal "$(got 'select(.type == "api_usage_log").estimated_cost_cents')" 0
}

@test "each request is accounted for, numbered, with its times" {
	start_sim
	fetch < <(asins 150 | tracked)
	assert_success
	assert_equal "$(got 'select(.type == "api_usage_log") | [.usage_id[-2:], .asins_processed, .tokens_consumed, .tokens_left, .refill_rate, .error,
		(.processing_started_at <= .processing_completed_at)]')" '["-1",100,100,1100,20,null,true]
["-2",50,50,1050,20,null,true]'
}

@test "pain 2.11: an answer that says nothing of tokens is not logged as none left" {
	start_sim
	faults keepa '[{"fault":"status","code":404,"body":"nothing here"}]'
	fetch B0SIM00001
	assert_equal "$(got 'select(.type == "api_usage_log") | [has("tokens_left", "tokens_consumed", "estimated_cost_cents"), .error]')" \
		'[false,false,false,"HTTP status 404"]'
}

# Refusals

@test "pain 2.15: one bad ASIN among 100 is found by halving, and the others are there: 65" {
	start_sim
	control keepa/product '{"asin":"B0TEST0037","bad":true}'
	fetch < <(asins 120 | tracked)
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: Keepa rejects 'B0TEST0037': At least one ASIN is not valid."
	assert_equal "$(got 'select(.type == "keepa_product") | [.asin, .product == null]' | sort)" \
		"$(asins 120 | jq -Rc '[., . == "B0TEST0037"]')"
	assert_equal "$(got 'select(.asin == "B0TEST0037").status')" '"unknown"'
	# 7 halvings at most, of two requests each; /token once, to know whose fault it is
	assert [ "$(asked .path | grep -c product)" -le 16 ]
	assert_equal "$(asked .path | grep -c token)" 1
	assert_equal "$(got 'select(.type == "end")' | wc -l)" 1
}

@test "two bad ASINs side by side are both found" {
	start_sim
	control keepa/product '[{"asin":"B0TEST0002","bad":true},{"asin":"B0TEST0003","bad":true}]'
	fetch B0TEST0001 B0TEST0002 B0TEST0003 B0TEST0004
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: Keepa rejects 'B0TEST0002': At least one ASIN is not valid.
keepa-fetch: Keepa rejects 'B0TEST0003': At least one ASIN is not valid."
	assert_equal "$(got 'select(.product) | .asin')" $'"B0TEST0001"\n"B0TEST0004"'
}

@test "pain 2.8: a rejected request is told in Keepa's words" {
	start_sim
	faults keepa '[{"fault":"400","message":"Either no or a minimum of 20 offers must be requested."}]'
	fetch B0SIM00001
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: Keepa rejects 'B0SIM00001': Either no or a minimum of 20 offers must be requested."
}

@test "a bad key stops at once with Keepa's words, and without the key: 77" {
	start_sim
	KEEPA_API_KEY=canary-0123456789 fetch < <(asins 250 | tracked)
	assert_equal "$status" 77
	assert_equal "$stderr" "keepa-fetch: Keepa refuses the key: The API key '*****************' is not valid."
	assert_equal "$(asked .path)" '"/keepa/product"'
	assert_equal "$(got .type)" $'"run"\n"api_usage_log"'
	assert_equal "$(got 'select(.error).error')" "\"The API key '*****************' is not valid.\""
}

@test "a bad key is found out when the words do not tell: 77" {
	start_sim
	faults keepa '[{"fault":"400","path":"/product","type":"REQUEST_REJECTED","message":"No.","times":9}]'
	KEEPA_API_KEY=canary-0123456789 fetch B0SIM00001 B0SIM00002
	assert_equal "$status" 77
	assert_equal "$stderr" "keepa-fetch: Keepa refuses the key: The API key '*****************' is not valid."
	assert_equal "$(asked .path)" $'"/keepa/product"\n"/keepa/token"'
}

@test "words that mention a key do not condemn one that has worked" {
	start_sim
	faults keepa '[{"fault":"ok"},{"fault":"400","message":"Bad keywords."}]'
	fetch < <(asins 101 | tracked)
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: Keepa rejects 'B0TEST0101': Bad keywords."
}

@test "a lapsed key is refused with Keepa's words: 77" {
	start_sim
	KEEPA_API_KEY=lapsed fetch B0SIM00001
	assert_equal "$status" 77
	assert_equal "$stderr" 'keepa-fetch: Keepa refuses the key: The subscription of this key has ended.'
	assert_equal "$(asked .path | wc -l)" 1
}

@test "401 and 403 without words are refusals of the key: 77" {
	start_sim
	for code in 401 403; do
		faults keepa "[{\"fault\":\"status\",\"code\":$code}]"
		fetch B0SIM00001
		assert_equal "$status" 77
		assert_equal "$stderr" "keepa-fetch: Keepa refuses the key: HTTP status $code"
		assert_equal "$(products)" ''
	done
}

@test "pain 2.11: a wrong address is told as such: 76" {
	start_sim
	KEEPA_API_URL=$sim/keepa/v2 fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" 'keepa-fetch: Keepa: HTTP status 404: No endpoint /v2/product.'
	assert_equal "$(products)" '["B0SIM00001","unknown"]'
	faults keepa '[{"fault":"status","code":404,"body":"<html>"}]'
	fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" "keepa-fetch: Keepa's answer makes no sense: HTTP status 404"
}

@test "words of Keepa that would speak to a terminal do not" {
	start_sim
	faults keepa '[{"fault":"402","message":"\u001b]0;owned\u0007 \u009b31m\nkeepa-fetch: é"}]'
	fetch B0SIM00001
	assert_equal "$status" 77
	assert_equal "$stderr" 'keepa-fetch: Keepa refuses the key: ?]0;owned? ??31m?keepa-fetch: ??'
}

# Trouble

@test "pain 1.7: 500s that heal lose nothing" {
	start_sim
	faults keepa '[{"fault":"500","times":2},{"fault":"status","code":503},{"fault":"status","code":502}]'
	fetch B0SIM00001
	assert_success
	assert_equal "$(said)" 'keepa-fetch: SIM/keepa/product: HTTP status 500; trying again in N s
keepa-fetch: SIM/keepa/product: HTTP status 500; trying again in N s
keepa-fetch: SIM/keepa/product: HTTP status 503; trying again in N s
keepa-fetch: SIM/keepa/product: HTTP status 502; trying again in N s'
	assert_equal "$(products)" '["B0SIM00001","ok"]'
	assert_equal "$(got 'select(.type == "api_usage_log") | [.requests, .error]')" '[5,null]'
}

@test "pain 1.7: 500s for ever end after 5 tries: unknown, 75, and what was done is kept" {
	start_sim
	faults keepa '[{"fault":"ok"},{"fault":"500","times":1000}]'
	fetch < <(asins 101 | tracked)
	assert_equal "$status" 75
	assert_equal "$(tail -n 1 <<<"$stderr")" \
		'keepa-fetch: Keepa: HTTP status 500 (A fault was asked for.); 100 of 101 done, try again later'
	assert_equal "$(asked .status | sort | uniq -c | sed 's/^ *//')" $'1 200\n5 500'
	assert_equal "$(got 'select(.type == "keepa_product").asin' | sort -u | wc -l)" 101
	assert_equal "$(got 'select(.asin == "B0TEST0101") | [.status, .product]')" '["unknown",null]'
	assert_equal "$(got 'select(.type == "end")')" ''
}

# Each line: a fault; the message that tells of the first try.
@test "an answer that breaks off, or never comes, is asked for again" {
	start_sim
	export HTTP_STALL_TIMEOUT=1
	while IFS='|' read -r fault why; do
		faults keepa "[$fault]"
		fetch B0SIM00001 B0SIM00002
		assert_success
		assert_regex "$stderr" "^keepa-fetch: $sim/keepa/product: $why; trying again in 0.0 s\$"
		assert_equal "$(products)" $'["B0SIM00001","ok"]\n["B0SIM00002","ok"]'
		assert_equal "$(got .type | tail -n 1)" '"end"'
	done <<'!'
{"fault":"reset"}|Recv failure: Connection reset by peer
{"fault":"reset","after":2000}|Recv failure: Connection reset by peer
{"fault":"truncate"}|transfer closed with [0-9]+ bytes remaining to read
{"fault":"truncate","after":0}|transfer closed with [0-9]+ bytes remaining to read
{"fault":"plain","headers":{"Content-Length":"2000"}}|cut short
{"fault":"stall"}|Operation too slow. Less than 1 bytes/sec transferred the last 1 seconds
{"fault":"stall","after":2000}|Operation too slow. Less than 1 bytes/sec transferred the last 1 seconds
{"fault":"gzip_truncated"}|cut short
{"fault":"gzip_lie"}|Error while processing content unencoding: incorrect header check
{"fault":"empty"}|nothing came
!
}

@test "an answer that is slower than it may be in all is given up: 75" {
	start_sim
	faults keepa '[{"fault":"slow","bytes_per_second":10,"times":9},{"fault":"ok"}]'
	HTTP_TIMEOUT=1 HTTP_TRIES=2 fetch B0SIM00001
	assert_equal "$status" 75
	assert_regex "$(tail -n 1 <<<"$stderr")" '^keepa-fetch: Keepa: Operation timed out after 1[0-9]{3} milliseconds with [0-9]+ out of [0-9]+ bytes received; 0 of 1 done, try again later$'
	assert_equal "$(products)" '["B0SIM00001","unknown"]'
}

@test "a head that comes byte by byte is given up too: 75" {
	start_sim
	faults keepa '[{"fault":"slow","bytes_per_second":10,"head":true,"times":9}]'
	HTTP_TIMEOUT=1 HTTP_TRIES=1 fetch B0SIM00001
	assert_equal "$status" 75
	assert_regex "$stderr" '^keepa-fetch: Keepa: Operation timed out after 1[0-9]{3} milliseconds with 0 bytes received; 0 of 1 done, try again later$'
}

@test "gzip or not, it is the same" {
	start_sim
	faults keepa '[{"fault":"ok"},{"fault":"plain"},{"fault":"plain","chunked":true},{"fault":"ok","chunked":true}]'
	for _ in 1 2 3 4; do
		fetch B0SIM00001
		assert_success
		assert_equal "$stderr" ''
		got 'select(.product).product' | jq -cS . >>all
	done
	assert_equal "$(wc -l <all)" 4
	assert_equal "$(sort -u all | wc -l)" 1
}

@test "pain 2.1: what came before an answer broke off is not asked, or paid, for again" {
	start_sim
	# Two products and a half.
	faults keepa '[{"fault":"plain","path":"/product","headers":{"Content-Length":"20500"}}]'
	fetch B0SIM00001 B0SIM00002 B0SIM00004 B0SIM00006
	assert_success
	assert_equal "$(products | wc -l)" 4
	assert_equal "$(products | grep -c '"ok"')" 4
	assert_equal "$(asked '.query.asin | split(",") | length')" $'4\n2'
	assert_equal "$(asked '.query.asin | split(",")[]' | tail -n 2 | sort)" \
		"$(got 'select(.product).asin' | tail -n 2 | sort)"
}

@test "an answer broken after its last product needs no repetition" {
	start_sim
	faults keepa '[{"fault":"body","headers":{"Content-Length":"999"},
		"body":"{\"products\":[{\"asin\":\"B0SIM00001\",\"salesRanks\":{}}],\"tokensLeft\":5"}]'
	fetch B0SIM00001
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(asked .path | wc -l)" 1
}

# Each line: a fault; what the message says.  Once more would not help.
@test "pain 1.1: an answer that is not Keepa's is nonsense: unknown, 76, no end" {
	start_sim
	while IFS='|' read -r fault why; do
		faults keepa "[$fault]"
		fetch B0SIM00001 B0SIM00002
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$stderr" "keepa-fetch: $why"
		assert_equal "$(products)" $'["B0SIM00001","unknown"]\n["B0SIM00002","unknown"]'
		assert_equal "$(got 'select(.type == "keepa_product").product' | sort -u)" null
		assert_equal "$(got .type | tail -n 1)" '"api_usage_log"'
		assert_equal "$(control requests | wc -l)" 1
		curl -sS -X DELETE "$sim/_sim/requests"
	done <<'!'
{"fault":"html"}|Keepa's answer makes no sense: not a JSON object
{"fault":"body","body":"[]"}|Keepa's answer makes no sense: not a JSON object
{"fault":"body","body":"{} {}"}|Keepa's answer makes no sense: something after the document
{"fault":"body","body":"{}"}|Keepa's answer makes no sense: nothing in it that was asked for
{"fault":"body","body":"{\"status\":\"ok\",\"results\":[]}"}|Keepa's answer makes no sense: nothing in it that was asked for
{"fault":"body","body":"{\"tokensLeft\":5,\"error\":{\"type\":\"x\",\"message\":\"Try the other door.\"}}"}|Keepa: HTTP status 200: Try the other door.
{"fault":"body","body":"{\"tokensLeft\":5,\"error\":{\"type\":\"onlyType\"}}"}|Keepa: HTTP status 200: onlyType
{"fault":"body","body":"{\"tokensLeft\":5,\"error\":\"text\"}"}|Keepa: HTTP status 200: text
{"fault":"body","body":"{\"tokensLeft\":5,\"error\":{}}"}|Keepa: HTTP status 200: an error without words
!
}

@test "an answer that stays cut short or empty is nonsense after all tries: 76" {
	start_sim
	for fault in empty gzip_truncated gzip_lie; do
		faults keepa "[{\"fault\":\"$fault\",\"times\":2}]"
		HTTP_TRIES=2 fetch B0SIM00001
		assert_equal "$fault $status" "$fault 76"
		assert_equal "$(tail -n 1 <<<"$stderr" | cut -d: -f2)" " Keepa's answer makes no sense"
		assert_equal "$(products)" '["B0SIM00001","unknown"]'
	done
}

@test "gzip that is damaged never makes a stream without a mark of it" {
	start_sim
	for _ in 1 2 3 4 5; do
		faults keepa '[{"fault":"gzip_corrupt"}]'
		fetch B0SIM00001 B0SIM00002 B0SIM00004
		assert_equal "$(products | wc -l)" 3
		assert [ -n "$stderr" ]
		if [ "$status" -eq 0 ]; then # it was asked for again
			assert_regex "$stderr" 'unencoding: .*; trying again'
			assert_equal "$(products | grep -c '"ok"')" 3
		fi
		curl -sS -X DELETE "$sim/_sim/faults/keepa"
	done
}

@test "nobody at the address: 75 after all tries, each announced" {
	export KEEPA_API_KEY=test-key KEEPA_API_URL=http://127.0.0.1:1 HTTP_WAIT_MS=10
	fetch B0SIM00001
	assert_equal "$status" 75
	assert_equal "$(said | sed -E 's/after [0-9]+ ms/after N ms/' | uniq -c | sed 's/^ *//')" \
		"4 keepa-fetch: http://127.0.0.1:1/product: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; trying again in N s
1 keepa-fetch: Keepa: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server; 0 of 1 done, try again later"
}

@test "killed in the middle of an answer: what came is whole lines, without an end" {
	local signal pid code
	start_sim
	for signal in KILL TERM INT HUP; do
		faults keepa '[{"fault":"stall","after":9000}]'
		: >out # of the signal before
		# Whatever is ignored here: nohup, or the shell for what runs in the background.
		"$TEST_PYTHON" -c '
import os, signal, sys
for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' keepa-fetch B0SIM00001 B0SIM00002 B0SIM00004 B0SIM00006 >out 3>&- &
		pid=$!
		wait_for grep -q '"keepa_product"' out
		kill -s "$signal" "$pid"
		code=0
		wait "$pid" || code=$?
		assert_equal "$signal $code" "$signal $((128 + $(kill -l "$signal")))"
		assert_equal "$(tail -c 1 out | od -An -c | tr -d ' ')" '\n'
		assert_equal "$(jq -c .type out | uniq)" $'"run"\n"keepa_product"'
		run --separate-stderr keepa-flatten --no-raw <out
		assert_equal "$status" 75
	done
}

# The key

@test "the key is never shown, whatever happens" {
	local canary=CanaryKey0123456789abcdef fault
	start_sim --key "$canary"
	export KEEPA_API_KEY=$canary HTTP_TRIES=2 HTTP_TIMEOUT=1
	for fault in '{"fault":"ok"}' \
		'{"fault":"429","refillIn":9000000}' '{"fault":"429","refillIn":1,"error_object":true}' \
		'{"fault":"reset","times":2}' '{"fault":"truncate","times":2}' '{"fault":"stall"}' \
		'{"fault":"gzip_lie","times":2}' '{"fault":"html"}' '{"fault":"empty","times":2}' \
		'{"fault":"status","code":302,"headers":{"Location":"http://127.0.0.1/?key='"$canary"'"}}' \
		'{"fault":"status","code":404}' '{"fault":"status","code":503,"times":2}' \
		'{"fault":"400","message":"key='"$canary"' '"$canary$canary"'","times":9}' \
		'{"fault":"402","message":"'"$canary"'"}' '{"fault":"500","message":"'"$canary"'","times":2}' \
		'{"fault":"body","body":"{\"tokensLeft\":1,\"error\":\"'"$canary"'\"}"}' \
		'{"fault":"body","body":"'"$canary"'"}'; do
		faults keepa "[$fault]"
		fetch B0SIM00001 B0SIM00011 --max-wait 2
		printf '%s\n' "$output" "$stderr" >>all
		faults keepa "[$fault]"
		fetch --check --max-wait 2
		printf '%s\n' "$output" "$stderr" >>all
		curl -sS -X DELETE "$sim/_sim/faults/keepa"
	done
	KEEPA_API_URL=http://127.0.0.1:1 fetch B0SIM00001
	printf '%s\n' "$output" "$stderr" >>all
	KEEPA_API_URL=http://example.com fetch B0SIM00001
	printf '%s\n' "$output" "$stderr" >>all
	assert [ "$(grep -c . all)" -gt 100 ]
	run grep -E 'Canary|\?key|key=C' all
	assert_output ''
}

@test "a key that a message's end cuts off is not shown either" {
	local canary=CanaryKey0123456789abcdef n
	start_sim --key "$canary"
	for n in 276 285 294; do
		faults keepa "[{\"fault\":\"402\",\"message\":\"$(printf "%${n}s" | tr ' ' .)$canary\"}]"
		KEEPA_API_KEY=$canary fetch B0SIM00001
		assert_equal "$status" 77
		assert_regex "$stderr" "\.\*+\$"
	done
}

@test "the key is not on the command line that ps shows" {
	start_sim
	faults keepa '[{"fault":"stall"}]'
	keepa-fetch B0SIM00001 >out 3>&- &
	pid=$!
	wait_for called
	run tr '\0' ' ' <"/proc/$pid/cmdline"
	kill "$pid"
	assert_output 'keepa-fetch B0SIM00001 '
}

# --categories

@test "pain 1.11: --categories names ten ids a token, each asked for once" {
	start_sim
	{
		seq -f '{"category_id":"%.0f"}' 1100001 1100012
		echo '{"category_id":"1100001"}'
		echo '{"category_id":"202611200011"}'
		echo '{"category_id":"6100001","marketplace":"CA"}'
	} >in
	fetch --categories <in
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(asked '[.path, .query.domain, (.query.category | split(",") | length), (.query | has("asin", "days"))]')" \
		'["/keepa/category","1",10,false,false]
["/keepa/category","1",3,false,false]
["/keepa/category","6",1,false,false]'
	assert_equal "$(got 'select(.type == "api_usage_log") | [.asins_processed, .tokens_consumed]')" $'[0,1]\n[0,1]\n[0,1]'
	assert_equal "$(got 'select(.type == "categories").category_id' | sort -u | wc -l)" 14
	assert_equal "$(normal | grep -E '"category_id":"(1100001|1100011|202611200011|1100004)"')" '{"type":"categories","marketplace":"US","category_id":"1100001","name":"Home & Kitchen","product_count":90000,"fetched_at":"TIME"}
{"type":"categories","marketplace":"US","category_id":"1100004","fetched_at":"TIME"}
{"type":"categories","marketplace":"US","category_id":"1100011","name":"Kitchen & Dining","parent_id":"1100001","product_count":120,"fetched_at":"TIME"}
{"type":"categories","marketplace":"US","category_id":"202611200011","name":"Gooseneck Kettles","parent_id":"1100012","product_count":120,"fetched_at":"TIME"}'
}

@test "categories that never resolve, or are null, are remembered without a name" {
	start_sim
	fetch --categories <<'!'
{"category_id":"1100099"}
{"category_id":"1100098"}
!
	assert_success
	assert_equal "$(normal | grep '"categories"')" '{"type":"categories","marketplace":"US","category_id":"1100098","fetched_at":"TIME"}
{"type":"categories","marketplace":"US","category_id":"1100099","fetched_at":"TIME"}'
}

@test "nothing is remembered of categories when there was no answer, or none to be read" {
	start_sim
	while IFS='|' read -r fault expected; do
		faults keepa "[$fault]"
		HTTP_TRIES=1 fetch --categories <<<'{"category_id":"1100001"}'
		assert_equal "$fault $status" "$fault $expected"
		assert_equal "$(got 'select(.type == "categories")')" ''
	done <<'!'
{"fault":"500"}|75
{"fault":"html"}|76
{"fault":"body","body":"{}"}|76
{"fault":"body","body":"{\"categories\":{\"1100001\":{\"name\":01}},\"tokensLeft\":5}"}|65
{"fault":"402"}|77
!
}

@test "a category that Keepa rejects is found, named, and not remembered: 65" {
	start_sim
	faults keepa '[{"fault":"400","path":"/category"},{"fault":"400","path":"/category"}]'
	fetch --categories <<'!'
{"category_id":"1100001"}
{"category_id":"1100002"}
!
	assert_equal "$status" 65
	assert_equal "$stderr" "keepa-fetch: Keepa rejects '1100001': A fault was asked for."
	assert_equal "$(got 'select(.type == "categories") | [.category_id, .name]')" '["1100002","Beauty & Personal Care"]'
}

@test "bad category ids are reported, others asked for, and records without one pass on" {
	start_sim
	fetch --categories <<'!'
{"category_id":"12a"}
{"category_id":""}
{"category_id":1100001}
{"category_id":"12345678901234567890"}
{"type":"x","asin":"B0SIM00001"}
{"category_id":"1100001"}
!
	assert_equal "$status" 65
	assert_equal "$stderr" "$(printf 'keepa-fetch: stdin:%d: category_id of the wrong form\n' 1 2 3 4)"
	assert_equal "$(head -n 1 <<<"$output")" '{"type":"x","asin":"B0SIM00001"}'
	assert_equal "$(asked .query.category)" '"1100001"'
}

# --check

@test "pain 1.15: --check costs nothing and tells of a key that works" {
	start_sim
	fetch --check
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(got 'del(.checked_at, .latency_ms)')" \
		'{"type":"health_checks","service":"keepa","ok":true,"detail":"1200 tokens left, 20 more a minute"}'
	assert_equal "$(got '[(.checked_at | fromdateiso8601 | now - . < 60), .latency_ms < 5000]')" '[true,true]'
	assert_equal "$(asked '[.path, .query]')" '["/keepa/token",{"key":"test-key"}]'
	fetch --check
	assert_equal "$(got .detail)" '"1200 tokens left, 20 more a minute"'
}

# Each line: a fault; the status; the detail.
@test "--check tells what is wrong, in a record and by its status" {
	start_sim
	while IFS='|' read -r fault expected detail; do
		faults keepa "[$fault]"
		HTTP_TRIES=1 fetch --check
		assert_equal "$fault $status" "$fault $expected"
		assert_equal "$(got '[.type, .service, .ok, .detail]')" "[\"health_checks\",\"keepa\",false,\"$detail\"]"
	done <<'!'
{"fault":"400","message":"key 'test-key' is wrong"}|77|HTTP status 400: key '********' is wrong
{"fault":"402","message":"Lapsed."}|77|HTTP status 402: Lapsed.
{"fault":"status","code":403}|77|HTTP status 403
{"fault":"500","message":"Sorry."}|75|HTTP status 500: Sorry.
{"fault":"html"}|76|not the answer expected
{"fault":"empty"}|76|not the answer expected
{"fault":"reset"}|75|Recv failure: Connection reset by peer
!
}

# Use

@test "no key: 78 before anything" {
	start_sim
	unset KEEPA_API_KEY
	fetch B0SIM00001
	assert_equal "$status" 78
	assert_output ''
	assert_equal "$stderr" 'keepa-fetch: KEEPA_API_KEY is not set: the key of your Keepa API plan; put it into the environment or .env'
	fetch --check
	assert_equal "$status" 78
	assert_equal "$(asked)" ''
}

@test "settings that make no sense: 78" {
	export KEEPA_API_KEY=x
	while IFS='|' read -r setting why; do
		run --separate-stderr env "$setting" keepa-fetch B0SIM00001
		assert_equal "$setting $status" "$setting 78"
		assert_output ''
		assert_equal "$stderr" "keepa-fetch: $why"
	done <<'!'
KEEPA_PLAN_CENTS=4900.00|KEEPA_PLAN_CENTS is not a number from 0 to 100000000
KEEPA_PLAN_TOKENS=0|KEEPA_PLAN_TOKENS is not a number from 1 to 1000000000
HTTP_TRIES=0|HTTP_TRIES is not a number from 1 to 100
HTTP_TIMEOUT=ten|HTTP_TIMEOUT is not a number from 1 to 86400
!
}

# Each line: arguments; what the message says.
@test "wrong use is told, and nothing is asked: 64" {
	start_sim
	while IFS='|' read -r arguments why; do
		read -ra words <<<"$arguments"
		run --separate-stderr keepa-fetch "${words[@]}" </dev/null
		assert_equal "$arguments: $status" "$arguments: 64"
		assert_output ''
		assert_equal "$stderr" "keepa-fetch: $why"
	done <<'!'
-m XX|Keepa has no marketplace 'XX'
-m AU|Keepa has no marketplace 'AU'
--marketplace us|Keepa has no marketplace 'us'
--days -1 B0SIM00001|--days '-1' is no number that will do
--days 1.5 B0SIM00001|--days '1.5' is no number that will do
--days +1 B0SIM00001|--days '+1' is no number that will do
--update -2 B0SIM00001|--update '-2' is no number that will do
--update soon B0SIM00001|--update 'soon' is no number that will do
--max-wait long B0SIM00001|--max-wait 'long' is no number of seconds
--max-wait -1 B0SIM00001|--max-wait '-1' is no number of seconds
--max-wait nan B0SIM00001|--max-wait 'nan' is no number of seconds
--nonsense|bad option '--nonsense'; see 'keepa-fetch --help'
--categories B0SIM00001|unknown operand 'B0SIM00001'; see --help
--check B0SIM00001|unknown operand 'B0SIM00001'; see --help
!
	assert_equal "$(asked)" ''
}

@test "no ASINs and nothing piped in: told, and not waited for: 64" {
	start_sim
	script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip 'no terminal can be made here'
	run timeout 60 script -qec 'keepa-fetch' /dev/null </dev/null
	assert_equal "$status" 64
	assert_output --partial 'keepa-fetch: no ASINs: name some, or pipe records in'
}

@test "--help and --version" {
	fetch --help
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${lines[0]}" 'usage: keepa-fetch [-m MARKETPLACE] [--update H] [--days N]'
	fetch --version
	assert_success
	assert_output 'keepa-fetch 0.1.0'
}

@test "a full disk is noticed: 74" {
	start_sim
	for arguments in --help --version --check B0SIM00001; do
		run --separate-stderr sh -c "keepa-fetch $arguments >/dev/full"
		assert_equal "$arguments $status" "$arguments 74"
		assert_equal "$stderr" 'keepa-fetch: cannot write to standard output: No space left on device'
	done
}

@test "a reader that leaves ends it without a word" {
	start_sim
	run --separate-stderr bash -c 'keepa-fetch B0SIM00001 | true; exit "${PIPESTATUS[0]}"'
	assert_equal "$status" 141
	assert_equal "$stderr" ''
	faults keepa '[{"fault":"slow","bytes_per_second":8000}]'
	run --separate-stderr bash -c 'trap "" PIPE
		keepa-fetch B0SIM00001 B0SIM00002 B0SIM00004 B0SIM00006 | head -n 2 | tail -n 1 | cut -c 1-23
		exit "${PIPESTATUS[0]}"'
	assert_equal "$status" 141
	assert_equal "$stderr" ''
	assert_output '{"type":"keepa_product"'
}
