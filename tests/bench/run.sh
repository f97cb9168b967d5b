#!/bin/bash
# run.sh - each program beside what a user would take instead, and beside the limit
#
#     run.sh [NAME...]    flatten, diff, load, sales, report, saleload, postgres, latency;
#                         without a name, all
#
# What is not installed is left out, and said so.  No time fails a run; records
# that are not the same as ours do, and a command that fails.
#
# The data, some 5 GB, is kept in $TMPDIR/sellerpipe-bench for the next run, and
# may be deleted at any time.  BENCH_ROUNDS (3): how often each command runs.
# BENCH_SCALE (100): the size of the data, in percent.
set -euo pipefail
cd "$(dirname "$0")/../.."

bench=tests/bench
cache=${TMPDIR:-/tmp}/sellerpipe-bench
rounds=${BENCH_ROUNDS:-3}
scale=${BENCH_SCALE:-100}
python=$(python3 -c 'import sys; print(sys.executable)') # not a wrapper around it
status=0
# For the commands of the rows, which sh runs.
export LC_ALL=C.UTF-8 bench cache python IN='' DB="$cache/bench.db"

say() {
	echo "run.sh: $*" >&2
}

have() { # have COMMAND...: or say what is left out
	local command
	for command; do
		command -v "$command" >/dev/null || {
			say "left out: there is no $command"
			return 1
		}
	done
}

fresh() { # fresh FILE SOURCE...: whether it is there, and none of what it is made of is newer
	local file=$1 source
	[ -s "$file" ] || return 1
	for source in "${@:2}"; do
		[ ! "$source" -nt "$file" ] || return 1
	done
}

build() { # build NAME [LIBRARY...]: this folder's C program, into the cache
	fresh "$cache/$1" "$bench/$1.c" && return
	cc -O2 -std=c11 -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 -o "$cache/$1" "$bench/$1.c" "${@:2}" ||
		say "left out: cannot build $1"
}

# The rows of a table: a name, the goals, the command, and what runs before it,
# unmeasured.  The first row is ours.  A limit does less, and is not `check`ed.
rows=() names=() commands=()
row() {
	limit "$@"
	names+=("$1") commands+=("${4:-:}; $3")
}

limit() {
	rows+=("$1"$'\t'"$2"$'\t'"${4:-}"$'\t'"$3")
}

made() { # made COMMAND: the records that it makes of $IN, in one form
	sh -ec "$1" | jq -cS 'walk(if type == "number" then . + 0 else . end)'
}

check() { # check FILE [COMMAND]: whether all make the same of it; COMMAND shows what
	local IN=$1 i
	made "${commands[0]}; ${2:-:}" >"$cache/want"
	for i in "${!commands[@]}"; do
		if ! made "${commands[i]}; ${2:-:}" | cmp -s - "$cache/want"; then
			say "${names[i]}: not the same records as ${names[0]}"
			status=1
		fi
	done
	printf '\n%s records compared of: %s' "$(wc -l <"$cache/want")" "${names[0]}"
	printf ', %s' "${names[@]:1}"
	echo
}

compare() { # compare TITLE FILE
	IN=$2 "$python" "$bench/measure.py" "$cache/usage" "$rounds" "$1" \
		< <(printf '%s\n' "${rows[@]}") || status=1
	rows=() names=() commands=()
}

# $cache/first-SIZE and second-SIZE: two polls of the same products, an hour apart,
# 100 MB of the second, and of the first only half of the products.
products() { # products SIZE
	local count=$((1050000 * scale / $1)) # they come out a little smaller
	fresh "$cache/second-$1" tests/sim/products.py &&
		[ "$(cat "$cache/count-$1")" = "$count" ] && return
	say "making $count products of $1 bytes"
	"$python" tests/sim/products.py --count "$count" --size "$1" --seed 1 --polls 2 |
		awk -v n="$count" -v first="$cache/first-$1" -v second="$cache/second-$1.new" \
			'NR <= n / 2 { print >first } NR > n { print >second }'
	echo "$count" >"$cache/count-$1"
	mv "$cache/second-$1.new" "$cache/second-$1"
}

jq_goal() { # jq_goal: of CPU time, by SPEED: jq 1.6 is the slower one
	case $(jq --version) in
	jq-1.[0-6]*) echo '>=16' ;;
	*) echo '>=12' ;;
	esac
}

# Keepa's products to records.
bench_flatten() {
	local size wc
	have jq transform/keepa-flatten || return 0
	build flatten-jsonc -ljson-c
	for size in 60000 2000; do
		wc='>=1/6'
		[ "$size" = 60000 ] || wc='>=1/8'
		products "$size"
		tail -n 200 "$cache/second-$size" >"$cache/sample"

		row keepa-flatten '>=600MB/s <=16MiB' 'transform/keepa-flatten --no-raw <"$IN"'
		row "$(jq --version)" "$(jq_goal)" 'jq -c -f "$bench/flatten.jq" "$IN"'
		row 'python json' '>=7' '"$python" "$bench/flatten.py" <"$IN"'
		[ ! -x "$cache/flatten-jsonc" ] || row json-c '' '"$cache/flatten-jsonc" <"$IN"'
		limit 'wc -l' "$wc" 'wc -l <"$IN"'
		limit cat '' 'cat "$IN"'
		check "$cache/sample"
		compare "flatten: products of $size bytes" "$cache/second-$size"
	done
}

# Observations, with the whole product in each; half of the ASINs are known.
bench_diff() {
	local size wc stream
	local -x state
	have jq transform/badge-diff transform/keepa-flatten || return 0
	build diff-jsonc -ljson-c
	for size in 60000 2000; do
		wc='>=1/6'
		[ "$size" = 60000 ] || wc='>=1/8'
		products "$size"
		state=$cache/state-$size stream=$cache/observations-$size
		if ! fresh "$stream" "$cache/second-$size" transform/keepa-flatten; then
			transform/keepa-flatten --no-raw <"$cache/first-$size" | transform/badge-diff |
				grep '^{"type":"asin_current_state"' >"$state"
			transform/keepa-flatten <"$cache/second-$size" >"$stream.new"
			mv "$stream.new" "$stream"
		fi
		# Some that are known, some that are not.
		awk -v n="$(wc -l <"$stream")" 'NR <= 5000 || NR > n - 5000' "$stream" >"$cache/sample"

		row badge-diff '>=600MB/s <=16MiB' 'transform/badge-diff -p "$state" <"$IN"'
		row "$(jq --version)" "$(jq_goal)" \
			'jq -cn --slurpfile state "$state" -f "$bench/diff.jq" "$IN"'
		row 'python json' '>=7' '"$python" "$bench/diff.py" "$state" <"$IN"'
		[ ! -x "$cache/diff-jsonc" ] || row json-c '' '"$cache/diff-jsonc" "$state" <"$IN"'
		limit 'wc -l' "$wc" 'wc -l <"$IN"'
		check "$cache/sample"
		compare "diff: products of $size bytes" "$stream"
	done
}

# What badge-diff says of 100,000 products, into an empty database and again.
bench_load() {
	local in=$cache/records sample=$cache/sample tables table file key utils import shown
	local empty='rm -f "$DB"*; cp "$cache/empty.db" "$DB"'
	local full='rm -f "$DB"*; cp "$cache/full.db" "$DB"'
	have jq sqlite3 load/db-load transform/badge-diff || return 0
	tables='rank_history asin_history asin_current_state'
	if ! fresh "$in" tests/sim/products.py transform/keepa-flatten transform/badge-diff ||
		[ "$(cat "$in.scale")" != "$scale" ]; then
		say "making the records of $((1000 * scale)) products"
		"$python" tests/sim/products.py --count $((1000 * scale)) --size 2000 --seed 1 |
			transform/keepa-flatten --no-raw | transform/badge-diff |
			grep -v '^{"type":"categories"' >"$in.new"
		echo "$scale" >"$in.scale"
		mv "$in.new" "$in"
	fi
	sed -n 1,2000p "$in" >"$sample"
	rm -f "$cache"/empty.db* "$cache"/full.db*
	load/db-load -d "sqlite:$cache/empty.db" --init </dev/null
	cp "$cache/empty.db" "$cache/full.db"
	load/db-load -d "sqlite:$cache/full.db" <"$in"

	# sqlite-utils and .import take a file for each table.
	utils=: import='sqlite3 "$DB"' shown=:
	for table in $tables; do
		for file in "$in" "$sample"; do
			sed -n "s/^{\"type\":\"$table\",/{/p" "$file" >"$file.$table"
		done
		sqlite3 -csv "$cache/full.db" "SELECT * FROM $table" >"$in.$table.csv"
		utils+="; sqlite-utils VERB \"\$DB\" $table \"\$IN.$table\" --nl"
		for key in $(sqlite3 "$cache/empty.db" \
			"SELECT name FROM pragma_table_info('$table') WHERE pk ORDER BY pk"); do
			utils+=" --pk $key"
		done
		import+=" \".import --csv '\$IN.$table.csv' $table\""
		shown+="; sqlite3 -json \"\$DB\" 'SELECT * FROM $table ORDER BY 1, 2, 3, 4' |
			jq -c '.[] | map_values(fromjson? // .)'"
	done

	row db-load '<=8MiB' 'load/db-load -d "sqlite:$DB" <"$IN"' "$empty"
	row 'python json sqlite3' '>=3' '"$python" "$bench/load.py" "$DB" <"$IN"' "$empty"
	! have sqlite-utils || row sqlite-utils '>=9' "${utils//VERB/insert}" "$empty"
	limit 'sqlite3 .import, ready CSV' '>=1.4' "$import" "$empty"
	check "$sample" "$shown"
	compare "load: an empty database, $(wc -l <"$in") records" "$in"

	row db-load '<=8MiB' 'load/db-load -d "sqlite:$DB" <"$IN"' "$full"
	row 'python, plain upsert' '>=3.3' '"$python" "$bench/load.py" "$DB" plain <"$IN"' "$full"
	row 'python, if changed' '' '"$python" "$bench/load.py" "$DB" <"$IN"' "$full"
	! have sqlite-utils || row sqlite-utils '' "${utils//VERB/upsert}" "$full"
	compare "load: the same records again" "$in"
	rm -f "$DB"*
}

# Amazon's rows by ASIN to rows of a table: those of one report, of a seller with
# business customers and of one without.
bench_sales() {
	local kind count in
	have jq transform/sales-flatten || return 0
	for kind in b2b plain; do
		count=$((830 * scale))
		[ "$kind" = b2b ] || count=$((1450 * scale))
		in=$cache/sales-$kind
		if ! fresh "$in" "$bench/sales-rows.py" || [ "$(cat "$in.count")" != "$count" ]; then
			say "making $count rows"
			"$python" "$bench/sales-rows.py" "$count" "$kind" >"$in.new"
			echo "$count" >"$in.count"
			mv "$in.new" "$in"
		fi
		tail -n 500 "$in" >"$cache/sample"

		row sales-flatten '>=400MB/s <=16MiB' 'transform/sales-flatten <"$IN"'
		row "$(jq --version)" '>=10' 'jq -c -f "$bench/sales.jq" "$IN"'
		row 'python json' '>=5' '"$python" "$bench/sales.py" <"$IN"'
		limit 'wc -l' '' 'wc -l <"$IN"'
		limit cat '' 'cat "$IN"'
		check "$cache/sample"
		compare "sales: $count rows by ASIN, $kind" "$in"
	done
}

# A document of 100 MB, of one report, to rows of tables: split, and flattened.
bench_report() {
	local count=$((960 * scale)) in=$cache/report.json rest
	have jq transform/sp-split transform/sales-flatten || return 0
	if ! fresh "$in" tests/sim/sales.py || [ "$(cat "$in.count")" != "$count" ]; then
		say "making a report of $count rows"
		"$python" tests/sim/sales.py --asins "$count" --date 2026-11-18 --b2b >"$in.new"
		"$python" tests/sim/sales.py --asins 500 --date 2026-11-18 --b2b >"$cache/sample"
		echo "$count" >"$in.count"
		mv "$in.new" "$in"
	fi
	touch -d 2026-11-21T00:00:00Z "$in" "$cache/sample"
	rest='-c --arg name "${IN##*/}" --arg at 2026-11-21T00:00:00Z -f "$bench/report.jq" "$IN"'

	row 'sp-split | sales-flatten' '>=200MB/s <=16MiB' 'transform/sp-split "$IN" | transform/sales-flatten'
	row "$(jq --version) | jq" '>=10' "jq $rest | grep by_asin | jq -c -f \"\$bench/sales.jq\""
	row 'python json | python' '>=5' \
		'"$python" "$bench/report.py" "$IN" 2026-11-21T00:00:00Z | grep by_asin | "$python" "$bench/sales.py"'
	limit 'sp-split' '>=400MB/s' 'transform/sp-split "$IN"'
	limit 'wc -l' '' 'wc -l <"$IN"'
	commands[0]+='; :'
	commands[0]=${commands[0]/transform\/sales-flatten/transform\/sales-flatten | grep -v sales_daily_totals}
	check "$cache/sample"
	compare "report: a document of $count ASINs, twice read and checked" "$in"
}

# A million days of products, which are wide rows: into an empty database, the same
# again, and the same as a later report has them.
bench_saleload() {
	local n=$((10000 * scale)) in=$cache/sale-rows first=2026-11-20T00:00:00Z second=2026-11-21T00:00:00Z
	local empty='rm -f "$DB"*; cp "$cache/sale-empty.db" "$DB"'
	local full='rm -f "$DB"*; cp "$cache/sale-full.db" "$DB"'
	local utils='sqlite-utils insert "$DB" sales_daily "$IN.tenth" --nl --pk marketplace --pk date --pk asin'
	local shown='sqlite3 -json "$DB" "SELECT * FROM sales_daily ORDER BY 1, 2, 3" | jq -c ".[]"'
	have jq sqlite3 load/db-load || return 0
	build sales -lsqlite3
	[ -x "$cache/sales" ] || return 0
	if ! fresh "$in.later" "$bench/sales.c" || [ "$(cat "$in.count")" != "$n" ]; then
		say "making $n rows"
		"$cache/sales" "$n" $first >"$in"
		"$cache/sales" "$n" $second >"$in.later.new"
		echo "$n" >"$in.count"
		mv "$in.later.new" "$in.later"
	fi
	sed -n 1,2000p "$in" >"$cache/sample"
	sed 's/^{"type":"sales_daily",/{/' "$cache/sample" >"$cache/sample.tenth"
	sed -n "1,$((n / 10))s/^{\"type\":\"sales_daily\",/{/p" "$in" >"$in.tenth"
	rm -f "$cache"/sale-empty.db* "$cache"/sale-full.db*
	load/db-load -d "sqlite:$cache/sale-empty.db" --init </dev/null
	cp "$cache/sale-empty.db" "$cache/sale-full.db"
	"$cache/sales" "$n" $first "$cache/sale-full.db"
	sqlite3 -csv "$cache/sale-full.db" 'SELECT * FROM sales_daily' >"$in.csv"

	row db-load '<=8MiB' 'load/db-load -d "sqlite:$DB" <"$IN"' "$empty"
	row 'python json sqlite3' '>=3' '"$python" "$bench/load.py" "$DB" <"$IN"' "$empty"
	! have sqlite-utils || row 'sqlite-utils, a tenth' '>=0.9' "$utils" "$empty"
	limit 'sqlite3 .import, ready CSV' '>=1.4' \
		"sqlite3 \"\$DB\" \".import --csv '\$IN.csv' sales_daily\"" "$empty"
	limit 'upserts from memory' '>=0.8' "\"\$cache/sales\" $n $first \"\$DB\"" "$empty"
	check "$cache/sample" "$shown"
	compare "saleload: an empty database, $n rows" "$in"

	row db-load '<=8MiB' 'load/db-load -d "sqlite:$DB" <"$IN"' "$full"
	row 'python, plain upsert' '>=3.3' '"$python" "$bench/load.py" "$DB" plain <"$IN"' "$full"
	row 'python, if changed' '' '"$python" "$bench/load.py" "$DB" <"$IN"' "$full"
	limit 'upserts from memory' '>=0.8' "\"\$cache/sales\" $n $first \"\$DB\"" "$full"
	compare "saleload: the same rows again" "$in"

	row db-load '<=8MiB' 'load/db-load -d "sqlite:$DB" <"$IN"' "$full"
	row 'python json sqlite3' '' '"$python" "$bench/load.py" "$DB" <"$IN"' "$full"
	limit 'upserts from memory' '>=0.8' "\"\$cache/sales\" $n $second \"\$DB\"" "$full"
	compare "saleload: the same rows of a later report" "$in.later"
	rm -f "$DB"*
}

# From the last byte of Keepa's answer for 100 ASINs to Slack's receipt of an
# alert: the job itself, on the simulator, by the simulator's clock.
bench_latency() {
	local home=$cache/latency url job=pipelines/badges.sh product=B0SIM00001 round
	rm -rf "$home" && mkdir "$home"
	tests/sim/sim --ready "$home/url" &
	# shellcheck disable=SC2064 # this process, and no later one
	trap "kill $!" EXIT
	until [ -s "$home/url" ]; do sleep 0.1; done
	url=$(<"$home/url")
	export SELLERPIPE_HOME=$home DATABASE_URL=sqlite:$home/amazon.db SLACK_PACE_MS=0
	export KEEPA_API_URL=$url/keepa KEEPA_API_KEY=test-key
	export SLACK_API_URL=$url/slack/api SLACK_BOT_TOKEN=xoxb-test SLACK_CHANNEL=C0BENCH
	{ echo $product && seq -f 'B0BENCH%03g' 99; } | pipelines/track.sh add --file /dev/stdin
	$job
	echo && echo "latency: Keepa's answer for 100 ASINs to Slack's receipt of the alert (goal: < 1 s)"
	for ((round = 1; round <= rounds; round++)); do
		sleep 1.1
		"$python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], sys.argv[2].encode()).read()' \
			"$url/_sim/keepa/rank" "{\"asin\":\"$product\",\"category\":\"202611200011\",\"rank\":$((1 + round % 2))}"
		$job --all
		"$python" - "$url" <<-'!'
			import json, sys, urllib.request as u
			def last(path, wanted):
			    lines = u.urlopen(sys.argv[1] + path).read().decode().splitlines()
			    return [r for r in map(json.loads, lines) if wanted(r)][-1]
			answer = last("/_sim/requests?api=keepa", lambda r: r["path"].endswith("/product"))
			alert = last("/_sim/slack/messages", lambda r: True)
			print("%.3f s" % (alert["received_at"] - answer["answered_at"]))
		!
	done
}

# shellcheck source=postgres.sh
source "$bench/postgres.sh"

mkdir -p "$cache"
build usage
[ $# -gt 0 ] || set -- flatten diff load sales report saleload postgres latency
for name; do
	case $name in
	flatten) bench_flatten ;;
	diff) bench_diff ;;
	load) bench_load ;;
	sales) bench_sales ;;
	report) bench_report ;;
	saleload) bench_saleload ;;
	postgres) bench_postgres ;;
	latency) bench_latency ;;
	*)
		say "no bench '$name'"
		exit 64
		;;
	esac
done
exit $status
