#!/usr/bin/env bats
# sp-split.bats - the rows of saved reports, and nothing of those that are damaged
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	row='{"parentAsin":"B00PARENT1","childAsin":"B00TEST001","salesByAsin":{"unitsOrdered":3,"orderedProductSales":{"amount":59.90,"currencyCode":"USD"}}}'
	spec='"reportSpecification":{"reportType":"GET_SALES_AND_TRAFFIC_REPORT","reportOptions":{"dateGranularity":"DAY","asinGranularity":"CHILD"},"dataStartTime":"2026-11-18","dataEndTime":"2026-11-18","marketplaceIds":["ATVPDKIKX0DER"]}'
	by_date='"salesAndTrafficByDate":[{"date":"2026-11-18","salesByDate":{"unitsOrdered":3}}]'
	by_asin='"salesAndTrafficByAsin":['$row']'
}

# saved NAME TEXT: a file of then.
saved() {
	printf '%s' "$2" >"$1"
	touch -d 2026-11-21T12:00:00Z "$1"
}

# expected NAME [MARKETPLACE [DATE]]: the rows of that document.
expected() {
	local head='"marketplace":"'${2:-US}'","date":"'${3:-2026-11-18}'","report_id":"'${1##*/}'","fetched_at":"2026-11-21T12:00:00Z"'
	printf '{"type":"sp_sales_by_date",%s,"data":{"date":"%s","salesByDate":{"unitsOrdered":3}}}\n' "$head" "${3:-2026-11-18}"
	printf '{"type":"sp_sales_by_asin",%s,"data":%s}\n' "$head" "$row"
}

# splits NAME [OPTION...]: the rows expected of a file, without a word.
splits() {
	run --separate-stderr sp-split "$1"
	assert_equal "$stderr" ''
	assert_success
	assert_output "$(expected "$@")"
}

# refuses NAME WHY: nothing comes out of a file.
refuses() {
	run --separate-stderr sp-split "$1"
	assert_equal "$stderr" "sp-split: $1: $2"
	assert_failure 65
	assert_output ''
}

@test "a document becomes its rows" {
	saved report.json "{$spec,$by_date,$by_asin}"
	splits report.json
	mkdir -p a/b
	cp -p report.json a/b/
	splits a/b/report.json
}

@test "a row's text, numbers and unknown members stay as they are, without the white space" {
	saved report.json "{$spec,$by_date,"'"salesAndTrafficByAsin" : [
		{ "sku" : "\u00c4 \"é\" / \/ 😀" , "n" : 1.10, "big":12345678901234567890,
		  "list" : [ 1 , { } , [ ] ] }
	] , "somethingNew" : [ { "a" : 1 } ] , "more" : { "b" : [ 2 ] } }'
	run --separate-stderr sp-split report.json
	assert_success
	assert_equal "${lines[1]}" '{"type":"sp_sales_by_asin","marketplace":"US","date":"2026-11-18","report_id":"report.json","fetched_at":"2026-11-21T12:00:00Z","data":{"sku":"\u00c4 \"é\" / \/ 😀","n":1.10,"big":12345678901234567890,"list":[1,{},[]]}}'
	[ ${#lines[@]} -eq 2 ]
}

@test "the name of a file can be anything" {
	name=$'a "b" \\ \n\xff é.json'
	saved "$name" "{$spec,$by_date,$by_asin}"
	run --separate-stderr sp-split "$name"
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(jq -c .report_id <<<"$output")" '"a \"b\" \\ \n� é.json"
"a \"b\" \\ \n� é.json"'
}

@test "the document says itself what it is of: first, last, or in between" {
	saved last.json "{$by_date,$by_asin,$spec}"
	splits last.json
	saved between.json "{$by_date,$spec,$by_asin}"
	splits between.json
}

@test "every marketplace that is known will do" {
	while read -r id code; do
		saved "$code.json" "{$by_date,$by_asin,${spec/ATVPDKIKX0DER/$id}}"
		splits "$code.json" "$code"
	done <<'!'
A2EUQ1WTGCTBG2 CA
A1F83G8C2ARO7P UK
A1VC38T7YXB528 JP
AE08WJ6YKNBMC ZA
!
}

@test "what does not say what it is is refused" {
	saved report.json "{$by_date,$by_asin}"
	refuses report.json 'it does not say what it is'
	saved report.json '{"errorDetails":"The report data for the requested date range is not yet available."}'
	refuses report.json 'it does not say what it is'
	saved report.json '{}'
	refuses report.json 'it does not say what it is'
	for bad in null 7 '"x"' '{"a":1,}'; do
		saved report.json "{\"reportSpecification\":$bad,$by_asin}"
		refuses report.json 'its reportSpecification makes no sense'
	done
	for id in A1XXXXXXXXXXXX '' us GB\"; do
		saved report.json "{$by_date,$by_asin,${spec/\"ATVPDKIKX0DER\"/\"${id//\"/\\\"}\"}}"
		refuses report.json 'it is of no marketplace that is known'
	done
	for ids in '' null '{"a":1}' '[]'; do
		saved report.json "{$by_date,$by_asin,${spec/\"ATVPDKIKX0DER\"/$ids}}"
		refuses report.json 'it is of no marketplace that is known'
	done
	for day in 2026-02-30 18.11.2026 '' 20261118; do
		saved report.json "{$by_date,$by_asin,${spec/\"2026-11-18\"/\"$day\"}}"
		refuses report.json 'it does not say of which days it is'
	done
	for day in null 20261118 '[]' '{"day":"2026-11-18"}'; do
		saved report.json "{$by_date,$by_asin,${spec/\"2026-11-18\"/$day}}"
		refuses report.json 'it does not say of which days it is'
	done
	saved report.json "{$by_date,$by_asin,${spec/SALES_AND_TRAFFIC/VENDOR_SALES}}"
	refuses report.json 'it is of another type'
}

@test "days may have a time, which says nothing" {
	saved report.json "{$by_date,$by_asin,${spec//2026-11-18/2026-11-18T23:59:59Z}}"
	splits report.json
}

@test "gzipped or not, in one member or in many" {
	saved report.json "{$spec,$by_date,$by_asin}"
	gzip -9 <report.json >report.gz
	gzip -1 <report.json >marked_plain.json
	{ head -c 100 report.json | gzip && gzip </dev/null && tail -c +101 report.json | gzip; } >members.gz
	cp report.json marked_gzip.gz
	touch -r report.json -- *.gz *.json
	for file in report.gz marked_plain.json members.gz marked_gzip.gz; do
		splits $file
	done
}

@test "what is cut off anywhere is refused" {
	saved report.json "{$spec,$by_date,$by_asin}"
	gzip -n <report.json >report.gz
	size=$(stat -c %s report.gz)
	for ((n = 2; n < size; n += 1 + n / 40)); do
		head -c $n report.gz >cut.gz
		refuses cut.gz 'its gzip data are cut off'
	done
	head -c -1 report.gz >cut.gz
	refuses cut.gz 'its gzip data are cut off'
	size=$(stat -c %s report.json)
	for ((n = 2; n < size; n += 1 + n / 40)); do
		head -c $n report.json >cut.json
		refuses cut.json 'cut short'
	done
	head -c -1 report.json >cut.json
	refuses cut.json 'cut short'
}

@test "what is damaged is refused" {
	saved report.json "{$spec,$by_date,$by_asin}"
	gzip -n <report.json >report.gz
	python3 - <<'!'
good = open("report.gz", "rb").read()
for name, where in (("header", 2), ("crc", -8), ("length", -4)):
    bad = bytearray(good)
    bad[where] ^= 1
    open("bad_%s.gz" % name, "wb").write(bad)
open("bad_behind.gz", "wb").write(good + b"something")
open("bad_member.gz", "wb").write(good + good[:2] + b"\xff" * 30)
!
	for file in bad_{header,crc,length,behind,member}.gz; do
		refuses "$file" 'its gzip data are damaged'
	done
	# Within the data another checksum, or no data at all.
	for ((n = 20; n < $(stat -c %s report.gz); n += 7)); do
		cp report.gz damaged.gz
		printf '\xa5\x5a' | dd of=damaged.gz bs=1 seek=$n conv=notrunc status=none
		run --separate-stderr sp-split damaged.gz
		assert_failure 65
		assert_output ''
		assert_regex "$stderr" '^sp-split: damaged.gz: its gzip data are (damaged|cut off)$'
	done
	cat report.gz report.gz >twice.gz
	refuses twice.gz 'something after the document'
	head -c 100 report.gz >half.gz
	cat report.gz half.gz >behind.gz
	refuses behind.gz 'something after the document'
}

@test "what is no document is refused" {
	: >empty
	refuses empty 'it is empty'
	printf '{' >one
	refuses one 'it is but one byte'
	printf '\x1f' >one
	refuses one 'it is but one byte'
	gzip </dev/null >empty.gz
	refuses empty.gz 'nothing came'
	while read -r text; do
		printf '%s' "$text" >bad
		refuses bad 'not a JSON object'
	done <<!
hello
[{$spec,$by_date,$by_asin}]
"x"
<?xml version="1.0"?>
{spec:1}
{"a":1 "b":2}
{"a":[1 2]}
!
	printf '{%s,%s,%s} {}' "$spec" "$by_date" "$by_asin" >bad
	refuses bad 'something after the document'
	printf '\xef\xbb\xbf{%s,%s,%s}' "$spec" "$by_date" "$by_asin" >bad
	refuses bad 'not a JSON object'
	printf '{%s}' "$spec" | iconv -t UTF-16LE >bad
	refuses bad 'not a JSON object'
	printf '{%s}' "$spec" | zlib-flate -compress=9 >bad 2>/dev/null ||
		python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(b"{}"))' >bad
	refuses bad 'not a JSON object'
}

@test "a row that makes no sense is left out, and the rest is done" {
	while read -r bad column why; do
		printf '{%s,%s,"salesAndTrafficByAsin":[%b,%s]}' "$spec" "$by_date" "$bad" "$row" >report.json
		touch -d 2026-11-21T12:00:00Z report.json
		run --separate-stderr sp-split report.json
		assert_failure 65
		assert_equal "$stderr" "sp-split: report report.json: a row of byAsin: column $column: $why"
		assert_output "$(expected report.json)"
	done <<'!'
{"sku":"a\xff"} 10 not UTF-8
{"sku":"\xed\xa0\x80"} 9 not UTF-8
{"sku":01} 9 number with a leading zero
{"a":1,} 8 expected a name in quotes
!
	# Of many the first is reported.
	printf '{%s,%s,"salesAndTrafficByAsin":[{"a":x},{"b":\xff},%s,{"c"}]}' "$spec" "$by_date" "$row" >report.json
	touch -d 2026-11-21T12:00:00Z report.json
	run --separate-stderr sp-split report.json
	assert_failure 65
	[ ${#stderr_lines[@]} -eq 1 ]
	assert_output "$(expected report.json)"
}

@test "a row of byDate is of its own day" {
	for day in 2026-11-17 2026-11-19 18.11.2026; do
		saved report.json "{$spec,\"salesAndTrafficByDate\":[{\"date\":\"$day\"}],$by_asin}"
		run --separate-stderr sp-split report.json
		assert_failure 65
		assert_equal "$stderr" 'sp-split: report report.json: a row of byDate is not of one of its days'
		assert_output "$(expected report.json | sed 1d)"
	done
	for row in '{}' '{"date":null}' '{"date":20261118}' '[]' 7; do
		saved report.json "{$spec,\"salesAndTrafficByDate\":[$row]}"
		run --separate-stderr sp-split report.json
		assert_failure 65
		assert_output ''
	done
}

@test "of several days the rows of byDate come out, and none of byAsin (pain 3.2)" {
	saved report.json "{${spec/2026-11-18\"/2026-11-16\"},"'"salesAndTrafficByDate":[{"date":"2026-11-16"},{"date":"2026-11-17"},{"date":"2026-11-18"}],'"$by_asin}"
	run --separate-stderr sp-split report.json
	assert_failure 65
	assert_equal "$stderr" 'sp-split: report report.json: its rows of byAsin are of several days at once'
	assert_equal "$(jq -r '"\(.type) \(.date)"' <<<"$output")" 'sp_sales_by_date 2026-11-16
sp_sales_by_date 2026-11-17
sp_sales_by_date 2026-11-18'
	saved report.json "{${spec/2026-11-18\"/2026-11-16\"},"'"salesAndTrafficByDate":[{"date":"2026-11-17"}]}'
	run -0 --separate-stderr sp-split report.json
	assert_equal "$stderr" ''
}

@test "of weeks and months nothing comes out" {
	for by in WEEK MONTH; do
		saved report.json "{${spec/DAY/$by},$by_date}"
		run --separate-stderr sp-split report.json
		assert_failure 65
		assert_equal "$stderr" 'sp-split: report report.json: a row of byDate is not of one of its days'
		assert_output ''
	done
}

@test "a document without rows has none, and that is well" {
	for rows in '' ',"salesAndTrafficByDate":[],"salesAndTrafficByAsin":[]' ',"salesAndTrafficByDate":null' ',"salesAndTrafficByAsin":{"a":1}'; do
		saved report.json "{$spec$rows}"
		run --separate-stderr sp-split report.json
		assert_success
		assert_equal "$output$stderr" ''
	done
}

@test "of several files one that is bad does not keep the others" {
	saved a.json "{$spec,$by_date,$by_asin}"
	saved b.json "{$spec,$by_date,"
	saved c.json "{${spec//18/17},${by_date//18/17},$by_asin}"
	saved d.json "{$by_asin}"
	run --separate-stderr sp-split a.json b.json c.json d.json a.json
	assert_failure 65
	assert_equal "$stderr" 'sp-split: b.json: cut short
sp-split: d.json: it does not say what it is'
	assert_output "$(expected a.json && expected c.json US 2026-11-17 && expected a.json)"
}

@test "what is no file is said before any rows come out" {
	saved a.json "{$spec,$by_date,$by_asin}"
	mkdir dir
	mkfifo pipe
	while read -r bad why; do
		run --separate-stderr timeout 60 sp-split a.json "$bad" a.json
		assert_failure 64
		assert_equal "$stderr" "sp-split: $why"
		assert_output ''
	done <<'!'
none cannot open 'none': No such file or directory
dir 'dir' is no file that can be read twice
pipe 'pipe' is no file that can be read twice
/dev/null '/dev/null' is no file that can be read twice
a.json/b cannot open 'a.json/b': Not a directory
!
	run --separate-stderr sp-split
	assert_failure 64
	assert_equal "$stderr" 'sp-split: no files; see --help'
}

@test "a file that must not be read is said to be one" {
	[ "$(id -u)" -ne 0 ] || skip 'root may read everything'
	saved a.json "{$spec,$by_date,$by_asin}"
	chmod 000 a.json
	run --separate-stderr sp-split a.json
	assert_failure 64
	assert_equal "$stderr" "sp-split: cannot open 'a.json': Permission denied"
}

@test "it uses no clock: the rows are as old as the file" {
	saved report.json "{$spec,$by_date,$by_asin}"
	touch -d 2019-02-28T23:59:59.75Z report.json
	run sp-split report.json
	assert_equal "$(jq -r .fetched_at <<<"$output" | sort -u)" 2019-02-28T23:59:59Z
}

@test "a full disk, and a reader that leaves, are noticed" {
	"$top/tests/sim/sales.py" --asins 2000 --date 2026-11-18 >report.json
	run --separate-stderr bash -c 'sp-split report.json >/dev/full'
	assert_failure 74
	assert_equal "$stderr" 'sp-split: cannot write to standard output: No space left on device'
	run --separate-stderr bash -c 'sp-split report.json | head -n 1; exit ${PIPESTATUS[0]}'
	assert_failure 141
	assert_equal "$stderr" ''
}

# captured NAME: a document of Amazon's, or one in the form of Amazon's.
captured() {
	needs_shared "captures/sp/$1"
	cp "$shared/captures/sp/$1" .
	touch -d 2026-11-21T12:00:00Z "$1"
	run --separate-stderr sp-split "$1"
	jq -c '.salesAndTrafficByDate[], .salesAndTrafficByAsin[]' "$1" >rows
}

@test "Amazon's three examples: of one the days, of the others nothing, and why" {
	captured schema_example_0_DAY_SKU.json
	assert_failure 65
	assert_equal "$stderr" 'sp-split: report schema_example_0_DAY_SKU.json: its rows of byAsin are of several days at once'
	assert_equal "$(jq -r '"\(.type) \(.marketplace) \(.date) \(.report_id) \(.fetched_at)"' <<<"$output")" \
		"$(printf 'sp_sales_by_date US 2021-06-%s schema_example_0_DAY_SKU.json 2026-11-21T12:00:00Z\n' 11 12 13 14)"
	assert_equal "$(jq -c .data <<<"$output")" "$(head -n 4 rows)"

	for name in schema_example_1_WEEK_CHILD.json schema_example_2_MONTH_PARENT.json; do
		captured $name
		assert_failure 65
		assert_equal "$stderr" "sp-split: report $name: a row of byDate is not of one of its days"
		assert_output ''
	done
}

@test "documents in the form of Amazon's, row by row" {
	while IFS=, read -r name day by_date by_asin; do
		captured "$name"
		assert_success
		assert_equal "$stderr" ''
		assert_equal "$name $(grep -c '^{"type":"sp_sales_by_date"' <<<"$output") $(grep -c '^{"type":"sp_sales_by_asin"' <<<"$output")" \
			"$name $by_date $by_asin"
		assert_equal "$(jq -c .data <<<"$output")" "$(<rows)"
		assert_equal "$(jq -r '"\(.marketplace) \(.date)"' <<<"$output" | sort -u)" \
			"$day"
	done <<'!'
synthetic_CA_DAY_SKU_utf8.json,CA 2026-07-01,1,1
synthetic_US_DAY_CHILD_asin_delayed.json,US 2026-07-01,1,0
synthetic_US_DAY_CHILD_b2b.json,US 2026-07-01,1,3
synthetic_US_DAY_CHILD_empty.json,,0,0
!
}

@test "a document of 40,000 products goes through in 16 MiB, all of it" {
	"$top/tests/sim/sales.py" --asins 40000 --date 2026-11-18 --b2b >report.json
	gzip -1 <report.json >report.gz
	[ "$(stat -c %s report.json)" -gt 40000000 ]
	for file in report.json report.gz; do
		kib=$(peak_kib sh -c "exec sp-split $file >rows")
		sanitized || assert [ "$kib" -le 16384 ]
		assert_equal "$(cut -c 1-26 rows | uniq -c | sed 's/^ *//')" '1 {"type":"sp_sales_by_date"
40000 {"type":"sp_sales_by_asin"'
	done
	# Nothing of it is lost on the way, and nothing changed.
	assert_equal "$(sed -n '2,$s/^.*"data"://p' rows | sed 's/}$//' | paste -sd , - | sha256sum)" \
		"$({ sed 's/.*"salesAndTrafficByAsin":\[//; s/\]}$//' report.json && echo; } | sha256sum)"
	head -c -100000 report.gz >cut.gz
	refuses cut.gz 'its gzip data are cut off'
}

@test "a marketplace is known by Amazon's id only; and what says twice what it is, is not believed" {
	saved code.json "{${spec/ATVPDKIKX0DER/US},$by_date,$by_asin}"
	refuses code.json 'it is of no marketplace that is known'
	saved twice.json "{${spec/2026-11-18/2026-11-17},$spec,$by_date,$by_asin}"
	refuses twice.json 'it says twice what it is'
}
