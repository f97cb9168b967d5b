#!/usr/bin/env bats
# keepa-flatten.bats - what Keepa's products say, as records of our own
#
# Keepa's minute 8355360 is 2026-11-20T08:00:00Z.
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# shellcheck disable=SC2089,SC2090 # JSON has quotes of its own
load helper

setup() {
	clean_room
}

# product JSON [STATUS]: a keepa_product with this product.
product() {
	printf '{"type":"keepa_product","marketplace":"%s","asin":"B00TEST001","fetched_at":"2026-11-20T08:00:00Z","status":"%s","product":%s}\n' \
		"${marketplace:-US}" "${2:-ok}" "$1"
}

# flatten JSON [STATUS]: run it over this product; the observation is the last line.
flatten() {
	run --separate-stderr keepa-flatten --no-raw < <(product "$@")
	observation=$output
	[ ${#lines[@]} -eq 0 ] || observation=${lines[-1]}
}

# gives JSON FILTER EXPECTED: of the observation of a product, without a word.
gives() {
	local got
	flatten "$1"
	got=$(jq -c "$2" <<<"$observation")
	if [ "$status" -ne 0 ] || [ -n "$stderr" ] || [ "$got" != "$3" ]; then
		fail "$1: status $status, '$stderr', $got instead of $3"
	fi
}

kettle='{"csv":[[8350000,4599],[8350000,4299],null],"title":"A \"kettle\", 1.20 l","productType":0,"lastUpdate":8355350,"brand":"Nordhus","parentAsin":"B00PARENT1","images":[{"l":"71abc.jpg","m":"41abc.jpg"},{"l":"no.jpg"}],"rootCategory":10,"categoryTree":[{"catId":10,"name":"Home"},{"catId":20,"name":"Kettles"}],"salesRanks":{"20":[8355000,3,8355240,1],"10":[8355300,250]},"monthlySold":500,"other":[1.10]}'

@test "a product becomes its points, its names, and one observation" {
	run --separate-stderr keepa-flatten < <(product "$kettle")
	assert_success
	assert_equal "$stderr" ''
	assert_output - <<'!'
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"20","changed_at":"2026-11-20T02:00:00Z","rank":3}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"20","changed_at":"2026-11-20T06:00:00Z","rank":1}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"10","changed_at":"2026-11-20T07:00:00Z","rank":250}
{"type":"categories","marketplace":"US","category_id":"10","name":"Home","parent_id":null}
{"type":"categories","marketplace":"US","category_id":"20","name":"Kettles","parent_id":"10"}
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","status":"ok","product_title":"A \"kettle\", 1.20 l","brand":"Nordhus","parent_asin":"B00PARENT1","image_url":"https://m.media-amazon.com/images/I/71abc.jpg","sales_ranks":{"20":{"rank":1,"since":"2026-11-20T06:00:00Z"},"10":{"rank":250,"since":"2026-11-20T07:00:00Z"}},"bestseller_badges":["20"],"source_updated_at":"2026-11-20T07:50:00Z","price_cents":4599,"currency":"USD","monthly_sold":500,"rating":null,"review_count":null,"raw_keepa_response":{"csv":[[8350000,4599],[8350000,4299],null],"title":"A \"kettle\", 1.20 l","productType":0,"lastUpdate":8355350,"brand":"Nordhus","parentAsin":"B00PARENT1","images":[{"l":"71abc.jpg","m":"41abc.jpg"},{"l":"no.jpg"}],"rootCategory":10,"categoryTree":[{"catId":10,"name":"Home"},{"catId":20,"name":"Kettles"}],"salesRanks":{"20":[8355000,3,8355240,1],"10":[8355300,250]},"monthlySold":500,"other":[1.10]}}
!
}

@test "--no-raw leaves the raw product out, and nothing else" {
	keepa-flatten --no-raw < <(product "$kettle") >without
	keepa-flatten < <(product "$kettle") | sed 's/,"raw_keepa_response":.*/}/' | cmp - without
}

@test "the raw product is kept byte for byte" {
	raw='{ "n" : 1.10,"big":12345678901234567890 ,"salesRanks":{ },"text":"\u00e9\/é" }'
	run --separate-stderr keepa-flatten < <(product "$raw")
	assert_success
	assert_output --partial ",\"raw_keepa_response\":$raw}"
}

@test "records of other types pass between, in order" {
	{
		echo '{"type":"x","n":1.10}'
		product '{"salesRanks":{"1":[8355360,7]}}'
		echo '{"type":"api_usage_log","asin":"B00TEST001","product":{}}'
	} >in
	run --separate-stderr keepa-flatten --no-raw <in
	assert_success
	assert_equal "$(jq -r .type <<<"$output" | xargs)" 'x rank_history asin_history api_usage_log'
	assert_line --index 0 "$(sed -n 1p in)"
	assert_line --index 3 "$(sed -n 3p in)"
}

@test "the order of keys does not matter" {
	product "$kettle" | keepa-flatten --no-raw >expected
	product "$kettle" | python3 -c '
import json, random, sys
record, rng = json.load(sys.stdin), random.Random(1)
def shuffled(o):
    keys = list(o)
    rng.shuffle(keys)
    return {k: o[k] for k in keys}
for _ in range(50):
    record["product"] = shuffled(record["product"])
    record = shuffled(record)
    print(json.dumps(record))' >in
	[ "$(sort -u in | wc -l)" -eq 50 ]
	run --separate-stderr keepa-flatten --no-raw <in
	assert_success
	assert_output "$(for _ in {1..50}; do cat expected; done)"
}

@test "white space in a product does not matter" {
	csv='[null,[8350000,1200],null,null,null,null,null,null,null,null,null,null,null,null,null,null,[8350000,47],[8350000,812],[8350000,999,100]]'
	jq -c --argjson csv "$csv" '.csv = $csv | .title = "x"' <<<"$kettle" >whole
	product "$(<whole)" | keepa-flatten --no-raw >expected
	assert_equal "$(tail -n 1 expected | jq -c '[.price_cents, .rating, .review_count]')" '[1099,4.7,812]'
	for edit in 's/[][{},:]/& /g' 's/[][{},:]/ &/g' 's/[][{},:]/\t &\r /g'; do
		product "$(sed "$edit" whole)" | keepa-flatten --no-raw | cmp - expected
	done
}

# Ranks

@test "points come category by category, as the product has them, oldest first" {
	flatten '{"salesRanks":{"300":[8355000,5,8355100,4],"20":[8355050,9],"1000":[8355360,1]}}'
	assert_success
	assert_equal "$(jq -r 'select(.type == "rank_history") | "\(.category_id) \(.changed_at) \(.rank)"' <<<"$output")" \
		'300 2026-11-20T02:00:00Z 5
300 2026-11-20T03:40:00Z 4
20 2026-11-20T02:50:00Z 9
1000 2026-11-20T08:00:00Z 1'
	assert_equal "$(jq -c '.sales_ranks | keys_unsorted' <<<"$observation")" '["300","20","1000"]'
}

@test "a rank of -1 is null: not ranked any more (pain 1.3)" {
	flatten '{"salesRanks":{"1":[8355000,1,8355300,-1],"2":[8355000,-1,8355300,1]}}'
	assert_success
	assert_equal "$(jq -c 'select(.type == "rank_history") | .rank' <<<"$output" | xargs)" '1 null null 1'
	assert_equal "$(jq -c '[.sales_ranks, .bestseller_badges]' <<<"$observation")" \
		'[{"1":{"rank":null,"since":"2026-11-20T07:00:00Z"},"2":{"rank":1,"since":"2026-11-20T07:00:00Z"}},["2"]]'
}

@test "the last pair counts, however many there are (pains 1.2, 2.12 and 2.17)" {
	gives '{"salesRanks":{"1":[8355000,368614]}}' '.sales_ranks["1"].rank' 368614
	gives '{"salesRanks":{"1":[8300000,1129502,8355000,368614]}}' '.sales_ranks["1"].rank' 368614
	gives '{"salesRanks":{"1":[8300000,1,8300010,2]}}' '.bestseller_badges' '[]'
	gives '{"salesRanks":{"1":[8300000,2,8300010,1]}}' '.bestseller_badges' '["1"]'
}

@test "a value is current however old its point is" {
	gives '{"salesRanks":{"1":[7354468,1]},"lastUpdate":8355350}' \
		'[.sales_ranks["1"], .bestseller_badges]' '[{"rank":1,"since":"2024-12-25T06:28:00Z"},["1"]]'
}

@test "Keepa's time begins in 2011 (pain 2.18)" {
	gives '{"salesRanks":{"1":[0,7]}}' '.sales_ranks["1"].since' '"2011-01-01T00:00:00Z"'
	gives '{"salesRanks":{"1":[8355360,7]}}' '.sales_ranks["1"].since' '"2026-11-20T08:00:00Z"'
	gives '{"salesRanks":{"1":[1,7]}}' '.sales_ranks["1"].since' '"2011-01-01T00:01:00Z"'
	# Leap days, and the ends of years and of a century without one.
	local day minute
	for day in 2012-02-29 2015-12-31 2016-02-29 2016-03-01 2019-02-28 2019-03-01 2038-01-19 2100-02-28 2100-03-01 2200-12-31; do
		minute=$(($(date -ud "${day}T23:59:00Z" +%s) / 60 - 21564000))
		gives '{"salesRanks":{"1":['$minute',7]}}' '.sales_ranks["1"].since' "\"${day}T23:59:00Z\""
	done
}

@test "a rank of 1 in any category is a badge, and no other rank is one" {
	gives '{"rootCategory":10,"salesRanks":{"10":[8355000,1],"20":[8355000,11],"30":[8355000,1],"40":[8355000,10]}}' \
		.bestseller_badges '["10","30"]'
}

@test "category ids of 12 digits and more keep all of them" {
	gives '{"salesRanks":{"202437540011":[8355000,1],"12345678901234567890":[8355000,1]}}' \
		.bestseller_badges '["202437540011","12345678901234567890"]'
}

@test "hundreds of categories, and thousands of points, are all there" {
	python3 - >in <<'!'
import json
ranks = {str(c): [v for n in range(c) for v in (8000000 + 2 * n, 1 + (n + c) % 9)]
         for c in range(1, 301)}
print(json.dumps({"type": "keepa_product", "marketplace": "US", "asin": "B00TEST001",
                  "fetched_at": "2026-11-20T08:00:00Z", "product": {"salesRanks": ranks}}))
!
	keepa-flatten --no-raw <in >out
	[ "$(grep -c '"rank_history"' out)" -eq 45150 ]
	jq -c '.product.salesRanks | to_entries[] | .key as $c | .value |
		range(0; length; 2) as $i | [$c, .[$i], .[$i + 1]]' in >expected
	jq -c 'select(.type == "rank_history") |
		[.category_id, (.changed_at | fromdate / 60 - 21564000), .rank]' out | cmp - expected
	assert_equal "$(jq -c 'select(.type == "asin_history").sales_ranks | map_values(.rank) | to_entries[] | [.key, .value]' out)" \
		"$(jq -c '.product.salesRanks | map_values(.[-1]) | to_entries[] | [.key, .value]' in)"
}

@test "a category that is no list of times and ranks is left out, and the rest is done" {
	why='is no list of times and ranks, and is left out'
	for list in '[8355000]' '[8355000,1,8355300]' '[]' null '"x"' '{}' 1 '[8355000,0]' '[8355000,-2]' \
		'[8355000,1.0]' '[8355000,"1"]' '[8355000,null]' '[8355000,2000000001]' '[null,1]' '[-1,1]' '["8355000",1]' \
		'[8355000.5,1]' '[100000001,1]' '[8355000,[1]]' '[[8355000,1]]' '[8355000,1,8355300,0]' \
		'[99999999999999999999,1]' '[8355000,99999999999999999999]' '[8355000,1e0]'; do
		flatten '{"salesRanks":{"10":[8355000,3],"20":'"$list"',"30":[8355000,1]}}'
		[ "$stderr" = "keepa-flatten: stdin:1: salesRanks \"20\" $why" ] || fail "$list: $stderr"
		assert_failure 65
		assert_equal "$(jq -r 'select(.type == "rank_history").category_id' <<<"$output" | xargs)" '10 30'
		assert_equal "$(jq -c '[.status, (.sales_ranks | keys), .bestseller_badges]' <<<"$observation")" \
			'["ok",["10","30"],["30"]]'
	done
}

@test "a category that is no number is left out, and the rest is done" {
	for id in x 1x '' -1 1.0 ' 1' '\u0031' 123456789012345678901; do
		flatten '{"salesRanks":{"'"$id"'":[8355000,1],"30":[8355000,1]}}'
		assert_failure 65
		assert_equal "$stderr" "keepa-flatten: stdin:1: salesRanks \"$id\" is no list of times and ranks, and is left out"
		assert_equal "$(jq -c .bestseller_badges <<<"$observation")" '["30"]'
	done
	flatten '{"salesRanks":{"'"$(printf 'x%.0s' {1..100})"'":[8355000,1]}}'
	assert_equal "$stderr" "keepa-flatten: stdin:1: salesRanks \"$(printf 'x%.0s' {1..40})\" is no list of times and ranks, and is left out"
}

@test "the largest numbers that will do are taken" {
	gives '{"salesRanks":{"1":[100000000,2000000000]}}' '.sales_ranks["1"]' \
		'{"rank":2000000000,"since":"2201-02-18T10:40:00Z"}'
}

# What is not known

@test "without salesRanks the ranks are unknown, and nothing is said of badges (pain 1.1)" {
	for product in '{"title":"x","salesRanks":null}' '{"title":"x"}' '{"title":"x","salesRanks":[]}' \
		'{"title":"x","salesRanks":"x"}' '{"title":"x","salesRanks":7}' '{"title":"x","salesRanks":false}'; do
		gives "$product" '[.status, .sales_ranks, .bestseller_badges, .product_title]' \
			'["unknown",null,null,"x"]'
		[ ${#lines[@]} -eq 1 ]
	done
}

@test "salesRanks that are empty are an answer: no ranks" {
	gives '{"salesRanks":{}}' '[.status, .sales_ranks, .bestseller_badges]' '["ok",{},[]]'
}

@test "a stub, which Keepa gives for what Amazon does not have, is unknown (pain 1.16)" {
	gives '{"productType":4,"title":null,"salesRanks":null,"csv":[null,null]}' \
		'[.status, .sales_ranks, .bestseller_badges]' '["unknown",null,null]'
	gives '{"productType":4,"salesRanks":{"1":[8355000,1]},"categoryTree":[{"catId":1,"name":"A"}]}' \
		'[.status, .sales_ranks, .bestseller_badges]' '["unknown",null,null]'
	[ ${#lines[@]} -eq 1 ]
}

@test "products of other types are as good as what they say" {
	for type in 0 1 2 3 5 null '"4"' 4.0 99999; do
		gives '{"productType":'$type',"salesRanks":{"1":[8355000,1]}}' \
			'[.status, .bestseller_badges]' '["ok",["1"]]'
	done
}

@test "no product is missing or unknown, as the record says" {
	while read -r said expected; do
		for product in null '"x"' '[]' 7 true; do
			flatten "$product" "$said"
			assert_success
			assert_equal "$stderr" ''
			assert_output '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","status":"'"$expected"'","sales_ranks":null,"bestseller_badges":null}'
		done
	done <<'!'
missing missing
unknown unknown
ok unknown
strange unknown
!
	run --separate-stderr keepa-flatten <<<'{"type":"keepa_product","marketplace":"US","asin":"B00TEST001","fetched_at":"2026-11-20T08:00:00Z"}'
	assert_success
	assert_equal "$(jq -c '[.status, has("raw_keepa_response")]' <<<"$output")" '["unknown",false]'
}

@test "a product that is there counts, whatever the status beside it" {
	for status in missing unknown strange; do
		flatten '{"salesRanks":{"1":[8355000,1]}}' $status
		assert_success
		assert_equal "$(jq -c '[.status, .bestseller_badges]' <<<"$observation")" '["ok",["1"]]'
	done
}

# What a product says of itself

@test "every field may be absent, null, or of another type (pains 2.9 and 2.10)" {
	absent='[null,null,null,null,null,"USD",null,null,null,null]'
	filter='[.product_title, .brand, .parent_asin, .image_url, .price_cents, .currency, .monthly_sold, .rating, .review_count, .source_updated_at]'
	gives '{"salesRanks":{"1":[8355000,1]}}' "$filter" "$absent"
	for value in null true '[]' '{}' '[[]]' '[{}]' '[null]' '[1]' '["x"]' '{"a":1}' -1 1.5 1e3 99999999999999999999 \
		'[ ]' '[{"l":[]}]' '[{"catId":1}]' '[{"catId":"1","name":"A"}]' '[{"name":"A"}]' '[{"catId":0,"name":"A"}]' \
		'[[1,"a,5"],["1","2"],{}]' '[[[1,2]],"x"]' '[[null,null],[{}]]' '[{"a":2},[[]]]'; do
		product='{"salesRanks":{"1":[8355000,1]}'
		for field in title brand parentAsin images imagesCSV categoryTree rootCategory csv lastUpdate monthlySold; do
			product+=",\"$field\":$value"
		done
		product+='}'
		gives "$product" "$filter" "$absent"
		gives "$product" .bestseller_badges '["1"]'
		[ ${#lines[@]} -eq 2 ] || fail "$value: $output"
	done
}

@test "texts keep their spelling" {
	flatten '{"title":"<b>&amp; \u00e9 \"é\" \/ 😀\ud83d\ude00","brand":"","parentAsin":"X","salesRanks":{}}'
	assert_output --partial ',"product_title":"<b>&amp; \u00e9 \"é\" \/ 😀\ud83d\ude00","brand":"","parent_asin":"X",'
}

@test "numbers are whole, and not below 0" {
	for n in 0 1 50 100000 1000000000000; do
		gives '{"salesRanks":{},"monthlySold":'$n'}' .monthly_sold $n
	done
	for n in -1 1.5 1e2 1000000000001 '"5"'; do
		gives '{"salesRanks":{},"monthlySold":'$n'}' .monthly_sold null
	done
	gives '{"salesRanks":{},"lastUpdate":0}' .source_updated_at null
	gives '{"salesRanks":{},"lastUpdate":1}' .source_updated_at '"2011-01-01T00:01:00Z"'
	gives '{"salesRanks":{},"lastUpdate":100000001}' .source_updated_at null
}

# names TREE [ROOT]: the categories that come of a categoryTree.
names() {
	flatten '{"salesRanks":{},"categoryTree":'"$1"',"rootCategory":'"${2:-1}"'}'
	assert_success
	assert_equal "$stderr" ''
	output=$(jq -c 'select(.type == "categories") | del(.type, .marketplace)' <<<"$output")
}

@test "the names of categories come with their parents (pain 1.11)" {
	names '[{"catId":1,"name":"A"},{"name":"B & \"C\" \u00e9","catId":202437540011},{"catId":3,"name":""}]'
	assert_output - <<'!'
{"category_id":"1","name":"A","parent_id":null}
{"category_id":"202437540011","name":"B & \"C\" é","parent_id":"1"}
{"category_id":"3","name":"","parent_id":"202437540011"}
!
}

@test "of a tree that does not begin at the root, the first parent is not known" {
	names '[{"catId":5,"name":"E"},{"catId":6,"name":"F"}]' 1
	assert_output - <<'!'
{"category_id":"5","name":"E"}
{"category_id":"6","name":"F","parent_id":"5"}
!
}

@test "a category without a name is a parent, and what is no category is none" {
	names '[{"catId":1,"name":"A"},{"catId":2,"name":null},{"catId":3,"name":"C"},{"catId":"x"},{"catId":5,"name":"E"},null,{"catId":6,"name":"F"}]'
	assert_output - <<'!'
{"category_id":"1","name":"A","parent_id":null}
{"category_id":"3","name":"C","parent_id":"2"}
{"category_id":"5","name":"E"}
{"category_id":"6","name":"F"}
!
}

@test "the image is the first one's: large, else medium, else as Keepa said it until 2026" {
	while read -r images csv expected; do
		[ "$expected" = null ] || expected="\"https://m.media-amazon.com/images/I/$expected\""
		gives '{"salesRanks":{},"images":'"$images"',"imagesCSV":'"$csv"'}' .image_url "$expected"
	done <<'!'
[{"l":"a.jpg","m":"b.jpg"},{"l":"c.jpg"}] "d.jpg,e.jpg" a.jpg
[{"m":"b.jpg","l":"a.jpg"}] null a.jpg
[{"m":"b.jpg"}] "d.jpg" b.jpg
[{"l":null,"m":"b.jpg"}] "d.jpg" b.jpg
[{"l":1,"m":"b.jpg"}] "d.jpg" b.jpg
[{"l":null,"m":null}] "d.jpg" d.jpg
[{}] "d.jpg" d.jpg
["a.jpg"] "d.jpg" d.jpg
[] "d.jpg,e.jpg" d.jpg
null "d.jpg" d.jpg
null "d.jpg," d.jpg
null ",d.jpg" null
null "" null
null null null
[{"l":"71+ab-c_D%20.9.jpg"}] null 71+ab-c_D%20.9.jpg
!
}

@test "an image's name that could lead elsewhere is none" {
	for name in 'a/b.jpg' '../x' '?x' '#x' 'a b' 'a\"b' 'a\\b' 'a\u002fb' 'é.jpg' '<x>' 'a:b' 'a@b' '|' '\u0000' 'a;b' '&'; do
		gives '{"salesRanks":{},"images":[{"l":"'"$name"'"}]}' .image_url null
		gives '{"salesRanks":{},"imagesCSV":"'"$name"',b.jpg"}' .image_url null
	done
}

# csv TYPE LIST...: a product with these lists, all else null.
csv() {
	python3 - "$@" <<'!'
import sys
lists = ["null"] * 36
for kind, points in zip(sys.argv[1::2], sys.argv[2::2]):
    lists[int(kind)] = points
print('{"salesRanks":{},"csv":[%s]}' % ",".join(lists))
!
}

@test "the price is that of the buy box with shipping, else Amazon's, else the lowest new one (pain 1.10)" {
	gives "$(csv 18 '[1,999,0,2,1999,100]' 0 '[1,2500]' 1 '[1,2400]')" .price_cents 2099
	gives "$(csv 18 '[1,1999,0]' 0 '[1,2500]')" .price_cents 1999
	gives "$(csv 18 '[1,1999,-1]')" .price_cents 1999
	gives "$(csv 18 '[1,1999,0,2,-1,-1]' 0 '[1,2500]' 1 '[1,2400]')" .price_cents 2500
	gives "$(csv 0 '[1,2500,2,-1]' 1 '[1,2300,2,2400]')" .price_cents 2400
	gives "$(csv 0 '[1,-1]' 1 '[1,-1]' 18 '[1,-1,-1]')" .price_cents null
	gives "$(csv 1 '[1,0]')" .price_cents null
	gives "$(csv 2 '[1,700]' 4 '[1,800]' 10 '[1,900]')" .price_cents null
	gives "$(csv 18 '[]' 0 '[]' 1 '[7,1]')" .price_cents 1
	gives "$(csv 18 '[5]' 0 '"x"' 1 '[7,2400]')" .price_cents 2400
	gives "$(csv 0 '[8350000]' 1 '[7,8,2400]')" .price_cents 2400
	gives "$(csv 18 '[1,null,0]' 0 '[1,1.5]' 1 '[1,"9"]')" .price_cents null
	gives "$(csv 1 '[1,1000000000000]')" .price_cents 1000000000000
	gives "$(csv 1 '[1,1000000000001]')" .price_cents null
}

@test "the price is in the marketplace's own currency" {
	while read -r marketplace currency; do
		gives "$(csv 0 '[1,2500]')" '[.price_cents, .currency]' "[2500,$currency]"
	done <<'!'
US "USD"
CA "CAD"
UK "GBP"
DE "EUR"
JP "JPY"
MX "MXN"
XX null
!
}

@test "the rating is of 5, and a list of another length is as good" {
	gives "$(csv 16 '[1,50,2,47]' 17 '[1,80,2,812]')" '[.rating, .review_count]' '[4.7,812]'
	flatten "$(csv 16 '[1,40]' 17 '[1,0]')"
	assert_output --partial '"rating":4,"review_count":0'
	flatten "$(csv 16 '[1,0]')"
	assert_output --partial '"rating":0,'
	flatten "$(csv 16 '[1,50]')"
	assert_output --partial '"rating":5,'
	flatten "$(csv 16 '[1,5]')"
	assert_output --partial '"rating":0.5,'
	gives "$(csv 16 '[1,51]' 17 '[1,-1]')" '[.rating, .review_count]' '[null,null]'
	gives "$(csv 16 '[47]' 17 '[812]')" '[.rating, .review_count]' '[null,null]'
	gives "$(csv 16 '[1,-1]' 17 '[ ]')" '[.rating, .review_count]' '[null,null]'
	gives '{"salesRanks":{},"csv":[[1,2500]]}' '[.price_cents, .rating]' '[2500,null]'
	gives '{"salesRanks":{},"csv":[]}' '[.price_cents, .rating]' '[null,null]'
	gives "$(csv 16 '[1,47]' | sed 's/]}$/,[1,2],[3,4],[5,6]]}/')" .rating 4.7
}

# Records

@test "a keepa_product needs marketplace, asin and fetched_at" {
	for field in marketplace asin fetched_at; do
		for value in null 1 '["x"]' absent; do
			{
				product '{"salesRanks":{}}' | jq -c --arg f $field --arg v "$value" \
					'if $v == "absent" then del(.[$f]) else .[$f] = ($v | fromjson) end'
				echo '{"type":"x"}'
			} >in
			run --separate-stderr keepa-flatten <in
			assert_failure 65
			assert_equal "$stderr" 'keepa-flatten: stdin:1: a keepa_product needs marketplace, asin and fetched_at'
			assert_output '{"type":"x"}'
		done
	done
}

@test "fetched_at is a time that exists, in UTC" {
	fetched() {
		printf '{"type":"keepa_product","marketplace":"US","asin":"B00TEST001","fetched_at":"%s"}\n' "$1"
	}
	while read -r time; do
		run --separate-stderr keepa-flatten < <(fetched "$time")
		[ "$status" -eq 0 ] || fail "$time: $stderr"
	done <<'!'
2026-11-20T08:00:00Z
2026-11-20T08:00:00.5Z
2026-11-20T23:59:59.123456789Z
2024-02-29T00:00:00Z
2000-02-29T00:00:00Z
1970-01-01T00:00:00Z
1969-12-31T23:59:59Z
0001-01-01T00:00:00Z
9999-12-31T23:59:59Z
!
	while read -r time; do
		run --separate-stderr keepa-flatten < <(fetched "$time")
		[ "$status" -eq 65 ] || fail "$time: status $status"
	done <<'!'

2026-11-20
2026-11-20T08:00Z
2026-11-20T08:00:00
2026-11-20T08:00:00z
2026-11-20t08:00:00Z
2026-11-20 08:00:00Z
2026-11-20T08:00:00+00:00
2026-11-20T08:00:00.Z
2026-11-20T08:00:00.xZ
2026-11-20T08:00:00,5Z
2026-11-20T08:00:00ZZ
2026-11-20T08:00:00.5ZZ
2026-11-20T24:00:00Z
2026-11-20T08:60:00Z
2026-11-20T08:00:60Z
2026-11-31T08:00:00Z
2026-02-29T08:00:00Z
2100-02-29T08:00:00Z
2026-13-01T08:00:00Z
2026-00-01T08:00:00Z
2026-11-00T08:00:00Z
0000-01-01T08:00:00Z
-026-11-20T08:00:00Z
2026-1a-20T08:00:00Z
12026-11-20T08:00:00Z
2026-11-20T08:00:00.12345678901234567890123456Z
!
}

@test "a product with a wanted field twice is a bad line" {
	run --separate-stderr keepa-flatten < <(product '{"salesRanks":{"1":[8355000,1]},"salesRanks":null}')
	assert_failure 65
	assert_equal "$stderr" 'keepa-flatten: stdin:1: column 156: a field that occurs twice'
	refute_output
}

@test "two marketplaces, and two looks, do not get mixed up" {
	{
		product '{"salesRanks":{"1":[8355000,1]},"categoryTree":[{"catId":1,"name":"A"}],"title":"x"}'
		marketplace=CA
		product '{"salesRanks":{"2":[8355000,2]}}'
		product null
	} >in
	run --separate-stderr keepa-flatten --no-raw <in
	assert_success
	assert_equal "$(jq -c '[.type, .marketplace, .category_id // .sales_ranks]' <<<"$output")" \
		'["rank_history","US","1"]
["categories","US","1"]
["asin_history","US",{"1":{"rank":1,"since":"2026-11-20T02:00:00Z"}}]
["rank_history","CA","2"]
["asin_history","CA",{"2":{"rank":2,"since":"2026-11-20T02:00:00Z"}}]
["asin_history","CA",null]'
}

# Real answers

captured() { # captured FILE: its product, as a keepa_product
	product "$(jq -c '.products[0] // .' "$shared/captures/keepa/$1")" >in
}

# facts FILE FILTER: of the observation, and that every point of the product is there.
facts() {
	captured "$1"
	run --separate-stderr eval 'keepa-flatten <in >out'
	assert_success
	assert_equal "$stderr" ''
	jq -c 'select(.type == "rank_history") | [.category_id, .changed_at, .rank]' out | sort >points
	jq -c '.product.salesRanks // {} | to_entries[] | .key as $c | .value | range(0; length; 2) as $i |
		[$c, ((.[$i] + 21564000) * 60 | todate), (.[$i + 1] | if . == -1 then null else . end)]' in | sort | cmp - points
	cmp <(jq -c 'select(.type == "asin_history").raw_keepa_response' out) <(jq -c .product in)
	jq -c "select(.type == \"asin_history\") | $2" out
}

@test "a real answer: a serum that is #1" {
	needs_shared captures/keepa/product_B0D8W1YVBX_2026-05-10_full.json
	run facts product_B0D8W1YVBX_2026-05-10_full.json '[.status, .sales_ranks, .bestseller_badges, .brand, .parent_asin, .image_url,
		.price_cents, .currency, .monthly_sold, .rating, .review_count, .source_updated_at]'
	assert_success
	assert_output '["ok",{"3760911":{"rank":23,"since":"2026-05-10T01:20:00Z"},"7792528011":{"rank":1,"since":"2026-05-08T11:04:00Z"}},["7792528011"],"EQQUALBERRY",null,"https://m.media-amazon.com/images/I/614vlOIc8YL.jpg",1499,"USD",100000,4.3,11598,"2026-05-10T04:02:00Z"]'
	captured product_B0D8W1YVBX_2026-05-10_full.json
	assert_equal "$(keepa-flatten <in | jq -r 'select(.type == "categories") | "\(.category_id) \(.name) \(.parent_id)"')" \
		'3760911 Beauty & Personal Care null
11060451 Skin Care 3760911
11060711 Face 11060451
11062031 Treatments & Masks 11060711
7792528011 Serums 11062031'
}

@test "a real answer: a book that left two of its categories" {
	needs_shared captures/keepa/productobj_1292025824_2025-08-25_full_offers.json
	run facts productobj_1292025824_2025-08-25_full_offers.json '[.status, (.sales_ranks | map_values(.rank)), .bestseller_badges, .brand,
		.price_cents, .monthly_sold, .rating, .review_count]'
	assert_success
	assert_output '["ok",{"283155":575401,"465600":23626,"549646":null,"916520":null},[],null,6980,null,4.2,76]'
}

@test "real answers for what Amazon does not have are unknown" {
	needs_shared captures/keepa/productobj_1492056200_invalid_type4.json
	for file in product_B08N5WRWNW_invalid_type4.json productobj_1492056200_invalid_type4.json; do
		run facts $file '[.status, .sales_ranks, .bestseller_badges, .product_title]'
		assert_success
		assert_output '["unknown",null,null,null]'
	done
}
