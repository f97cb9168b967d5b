#!/bin/bash
# run.sh - the parsers against what nobody would write
#
#     run.sh [SECONDS [NAME...]]    60 seconds each of json split when flatten diff sales gunzip report
#
# Needs clang with libFuzzer.  What it has learned stays in
# $TMPDIR/sellerpipe-fuzz for the next run; so does an input that broke something,
# which is named at the end: NAME-fuzz FILE runs it again.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))
[ $# -gt 0 ] || set -- json split when flatten diff sales gunzip report
corpus=${TMPDIR:-/tmp}/sellerpipe-fuzz
fuzz=tests/fuzz

# build NAME FILE...: NAME-fuzz
build() {
	clang -O1 -g -std=c11 -I. -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 -DSELLERPIPE_VERSION='"fuzz"' \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o "$fuzz/$1-fuzz" "$fuzz/$1-fuzz.c" "${@:2}" -lm -lz
}

# lib/json without SSE2, under another name.
plain_json() {
	clang -c -O1 -g -std=c11 -I. -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -U__SSE2__ \
		-Djson_valid=plain_valid -Djson_scan=plain_scan -Djson_scan_members=plain_members \
		-Djson_walk=plain_walk -Djson_next=plain_next -Djson_kind=plain_kind -Djson_is=plain_is \
		-Djson_key_is=plain_key_is -Djson_int=plain_int -Djson_text=plain_text \
		-Djson_unescape=plain_unescape -Djson_words=plain_words -o "$corpus/plain.o" lib/json.c
}

build_all() {
	plain_json
	build json lib/json.c "$corpus/plain.o"
	build split lib/split.c lib/json.c
	build when lib/when.c lib/json.c
	build flatten lib/ndjson.c lib/json.c lib/when.c lib/keepa.c lib/market.c
	build diff lib/ndjson.c lib/json.c lib/when.c
	build sales lib/ndjson.c lib/json.c lib/when.c lib/market.c
	build gunzip lib/gunzip.c lib/json.c
	build report lib/report.c lib/gunzip.c lib/split.c lib/market.c lib/ndjson.c lib/json.c lib/when.c
}

# What to begin with: made up, and real answers where they are.
seed() {
	local file
	python3 tests/sim/products.py --count 5 --size 2000 >"$corpus/products"
	python3 tests/fixtures/looks.py 1 2 /dev/null >"$corpus/looks"
	{
		python3 tests/bench/sales-rows.py 6 b2b
		python3 tests/bench/sales-rows.py 6
	} | sed 's/B0[0-9]*[24]"/B000000001"/' >"$corpus/rows"
	split -l 4 "$corpus/rows" "$corpus/sales/rows-"
	split -l 1 "$corpus/products" "$corpus/flatten/product-"
	split -l 40 "$corpus/looks" "$corpus/diff/looks-"
	cp "$corpus"/flatten/product-* "$corpus/json"
	for file in "$corpus"/flatten/product-*; do
		jq '{timestamp: 1, tokensLeft: 5, products: [.product, null], error: {message: "x"}}' \
			"$file" >"$corpus/split/${file##*/}"
	done
	printf '2026-11-20T08:00:00.25Z' >"$corpus/when/time"
	for file in US CA; do
		python3 tests/sim/sales.py --asins 3 --date 2026-11-18 --marketplace $file --b2b >"$corpus/report/$file"
		gzip -cn "$corpus/report/$file" >"$corpus/report/$file.gz"
		{ head -c 999 "$corpus/report/$file" | gzip -1n && tail -c +1000 "$corpus/report/$file" | gzip -9n; } >"$corpus/gunzip/$file"
	done
	printf '{"errorDetails":"not yet available \\u00e9"}' >"$corpus/report/fatal"
	cp "$corpus/report/fatal" "$corpus/gunzip"
	for file in ../shared/captures/sp/*.json; do
		[ ! -e "$file" ] || cp "$file" "$corpus/report"
	done
	for file in ../shared/captures/keepa/*_type4.json; do
		[ -e "$file" ] || continue
		cp "$file" "$corpus/json"
		cp "$file" "$corpus/split"
		jq -c '{type: "keepa_product", marketplace: "US", asin: "B00TEST001", fetched_at: "2026-11-20T08:00:00Z",
			product: (.products[0]? // .)}' "$file" >"$corpus/flatten/${file##*/}"
	done
}

mkdir -p "$corpus"/{json,split,when,flatten,diff,sales,gunzip,report,broken}
build_all
seed
status=0
for name; do
	if "$fuzz/$name-fuzz" -max_total_time="$seconds" -max_len=16384 -timeout=10 -dict="$fuzz/words.txt" \
		-artifact_prefix="$corpus/broken/$name-" -print_final_stats=1 "$corpus/$name" \
		>"$corpus/$name.log" 2>&1 </dev/null; then
		echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$corpus/$name.log") inputs, nothing broke"
	else
		tail -n 40 "$corpus/$name.log" >&2
		echo "run.sh: $name broke: see $corpus/$name.log" >&2
		status=1
	fi
done
exit $status
