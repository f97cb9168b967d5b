#!/usr/bin/env bats
# The manual pages: that they can be read, say what is so, and that what they
# show works.
# shellcheck disable=SC2154 # start_sim sets sim
load helper

programs=(keepa-fetch sp-fetch keepa-flatten badge-diff sales-plan sp-split sales-flatten db-load db-query
	db-backup db-prune slack-post clickup-post job-ping)

setup() {
	clean_room
	pages=("$top"/{fetch,transform,load,notify}/*.1 "$top"/lib/*.[57])
}

teardown() {
	stop_sim
}

page() { # page PROGRAM: its page
	echo "$top"/*/"$1.1"
}

# settings FILE...: those that C asks for, wherever a line is broken.
settings() {
	cat "$@" | tr -d '\n\t' | sed 's/conf_/\n&/g' |
		sed -n 's/^conf_[a-z]*("\([A-Z_]*\)".*/\1/p' | sort -u
}

shown() { # shown FILE: a page as a terminal shows it, in plain letters
	mandoc -T utf8 "$1" | sed "s/.$(printf '\b')//g"
}

# literals SECTION FILE: its literal blocks, as a reader sees them, as files
# named block01, block02 ...
literals() {
	rm -f block*
	awk -v section="$1" '
		/^[.]Sh / { here = $0 == ".Sh " section }
		/^[.]Ed/ { inside = 0 }
		inside {
			gsub(/\\\(aq/, "\047"); gsub(/\\\(dq/, "\""); gsub(/\\&/, "")
			gsub(/\\e/, "\\")
			print >(sprintf("block%02d", n))
		}
		/^[.]Bd -literal/ && here { n++; inside = 1 }' "$2"
}

# records FILE: its records, which stand on a line each, but that a page breaks
# them; what goes on begins with a blank.
records() {
	awk '/^ / { sub(/^ /, ""); printf "%s", $0; next }
		NR > 1 { print "" }
		{ printf "%s", $0 }
		END { print "" }' "$1"
}

# shape: of records, the names of their fields in order and the kinds of their
# values, where a value cannot be known before.
shape() {
	jq -c '[.type, (to_entries[] | [.key, (.value | type)])]'
}

# fields TYPE: those that sellerpipe-records(5) describes.
fields() {
	awk -v type="$1" '
		/^[.]S[sh] / { here = $0 == ".Ss " type }
		here && /^[.]It Li / { gsub(/^[.]It Li | ,/, ""); gsub(/ /, "\n"); print }' \
		"$top/lib/sellerpipe-records.5" | sort
}

@test "every page is in order, and fits a terminal" {
	command -v mandoc >/dev/null || skip "no mandoc"
	for file in "${pages[@]}"; do
		run mandoc -T lint -W warning "$file"
		assert_success
		assert_output ''
		shown "$file" >text
		run grep -E '.{81,}' text
		assert_output ''
	done
}

@test "every program has a page, and is in the tour, with the line that its source has" {
	for source in "$top"/{fetch,transform,load,notify}/*.c; do
		name=$(basename "$source" .c)
		[[ " ${programs[*]} " == *" $name "* ]]
		line=$(sed -n "2s/^ [*] $name - //p" "$source")
		[ -n "$line" ]
		run sed -n 's/^[.]Nd //p' "$(page "$name")"
		assert_output "$line"
		run sed -n "/^[.]It Xr $name 1/{n;p;}" "$top/lib/sellerpipe.7"
		assert_output "$line"
	done
}

@test "what a page refers to is there" {
	sed -n 's/^[.]Xr \([^ ]*\) \([0-9]\).*/\1.\2/p' "${pages[@]}" | sort -u >wanted
	run grep -vxF -e jq.1 -e sqlite3.1 -e cron.8 \
		-f <(basename -a "${pages[@]}") wanted
	assert_output ''
}

@test "the options of --help are those of the page" {
	for name in "${programs[@]}"; do
		"$name" --help >help
		grep -E '^[.]It Fl' "$(page "$name")" >items
		grep -oE -e '--[a-z][a-z-]*' help | sort -u >in_help
		grep -oE 'Fl -[a-z-]+' items | sed 's/Fl /-/' | sort -u >in_page
		run diff in_help in_page
		assert_output ''
		grep -oE '^ +-[a-z],' help | tr -d ' ,' | sort -u >in_help
		grep -oE 'Fl [a-z] ' items | sed 's/Fl /-/; s/ //g' | sort -u >in_page
		run diff in_help in_page
		assert_output ''
	done
}

@test "every setting is on a page, and no other is" {
	for name in "${programs[@]}"; do
		file=$(page "$name")
		case $name in
		sp-fetch) libraries=("$top"/lib/{http,spapi}.c) ;;
		keepa-fetch | slack-post | clickup-post | job-ping) libraries=("$top/lib/http.c") ;;
		db-load | db-query | db-prune) libraries=("$top"/lib/{db,http}.c "$top/load/drivers/rest.c") ;;
		db-*) libraries=("$top/lib/db.c") ;;
		*) libraries=() ;;
		esac
		run diff <(settings "${file%.1}.c" "${libraries[@]}") \
			<(sed -n '/^[.]Sh ENVIRONMENT/,/^[.]Sh EXIT/s/.*Ev \([A-Z_ ,]*[A-Z]\).*/\1/p' "$file" |
				sed 's/ , /\n/g; s/[ ,]*$//' | grep -v '^HEALTHCHECK_URL_' | sort -u)
		assert_output ''
	done
	{
		settings "$top/lib/http.c"
		grep -ohE '[(]setting [A-Z_]+' "$top"/pipelines/* | cut -d ' ' -f 2
	} | sort -u >in_source
	sed -n 's/^[.]It Ev //p' "$top/lib/sellerpipe.7" | sed 's/ , /\n/g' | sort -u >in_page
	run comm -23 in_source in_page
	assert_output ''
}

@test "sellerpipe-records(5) has every table, column and view" {
	db-load --init </dev/null
	run bash -c 'db-query --list | jq -r "select(.kind == \"view\").name" | sort |
		diff - <(sed -n "/^[.]Sh VIEWS/,/^[.]Sh EX/s/^[.]It Li //p" "$1" | sort)' \
		- "$top/lib/sellerpipe-records.5"
	assert_output ''
	for table in $(db-query --list | jq -r 'select(.kind == "table").name'); do
		[ "$table" != column_kinds ] || continue
		sqlite3 test.db "SELECT name FROM pragma_table_info('$table') ORDER BY 1" >columns
		run diff columns <(fields "$table")
		assert_output ''
	done
}

@test "sellerpipe-records(5) has every field of what is no table" {
	start_sim
	db-load --init </dev/null
	keepa-fetch B0SIM00001 >stream
	db-query --list >>stream
	db-backup --check test.db >>stream
	for type in run end keepa_product names backup; do
		run diff <(fields "$type") <(jq -r --arg type "$type" \
			'select(.type == $type) | keys[] | select(. != "type")' stream | sort -u)
		assert_output ''
	done
}

@test "sales-flatten makes what its page shows" {
	literals RECORDS "$(page sales-flatten)"
	run sales-flatten < <(records block01)
	assert_success
	assert_output "$(records block02)"
}

@test "keepa-flatten, badge-diff and db-load make what their pages show" {
	literals RECORDS "$(page keepa-flatten)"
	run keepa-flatten --no-raw < <(records block01)
	assert_success
	assert_output "$(records block02)"

	literals RECORDS "$(page badge-diff)"
	records block01 >before
	run badge-diff -p before < <(records block02)
	assert_success
	assert_output "$(records block02 && records block03)"

	literals RECORDS "$(page db-load)"
	run db-load < <(records block01)
	assert_success
	assert_output ''
	run db-query tracked_asins
	assert_output "$(records block02)"

	literals RECORDS "$(page db-query)"
	records block01 | db-load
	run db-query rank_history asin=B00TEST001
	assert_output "$(records block01)"
	run db-query --list
	assert_line "$(records block02)"
}

@test "keepa-fetch makes what its page shows" {
	start_sim
	literals RECORDS "$(page keepa-fetch)"
	run keepa-fetch B0SIM00001
	assert_success
	assert_equal "$(shape <<<"$output")" "$(records block01 | shape)"
	run bash -c 'echo "{\"category_id\":\"1100011\"}" | keepa-fetch --categories |
		grep -F \"categories\"; keepa-fetch --check'
	assert_equal "$(shape <<<"$output")" "$(records block02 | shape)"
}

@test "slack-post makes what its page shows" {
	start_sim
	literals RECORDS "$(page slack-post)"
	same='if .type == "notifications" and .state == "sent"
		then .remote_id = "" | .sent_at = "" else . end'
	run slack-post < <(records block01)
	assert_success
	assert_equal "$(jq -c "$same" <<<"$output")" "$(records block02 | jq -c "$same")"
	faults slack '[{"fault":"error","error":"channel_not_found"}]'
	run --separate-stderr slack-post < <(records block01)
	assert_failure 65
	assert_output "$(records block03)"
	run slack-post --check
	assert_equal "$(shape <<<"$output")" "$(records block04 | shape)"
}

@test "clickup-post makes what its page shows" {
	start_sim
	literals RECORDS "$(page clickup-post)"
	same='if .state == "sent" then .remote_id = "" | .sent_at = "" else . end'
	run clickup-post < <(records block01)
	assert_success
	assert_equal "$(jq -c "$same" <<<"$output")" "$(records block02 | jq -c "$same")"
	faults clickup '[{"fault":"error","error":"ITEM_013"}]'
	run --separate-stderr clickup-post < <(records block01)
	assert_failure 65
	assert_output "$(records block03)"
	run clickup-post --check
	assert_equal "$(shape <<<"$output")" "$(records block04 | shape)"
}

# What the examples find: a look, a change that nobody was told of, and an ASIN
# that is due.
some_history() {
	track.sh add B0SIM00001 B0SIM00002 B0SIM00012
	for _ in 1 2; do
		db-query asin_current_state >state
		db-query watchlist | keepa-fetch | keepa-flatten | badge-diff -p state | db-load
		control keepa/rank '{"asin":"B0SIM00001","category":"202611200011","rank":2}' >/dev/null
		sleep 1 # the next look is another one
	done
	track.sh add B0SIM00003
	[ -n "$(db-query unsent_changes)" ]
}

# run_examples FILE: what is under EXAMPLES, in one shell, as a reader would.
# What asks jq last has to answer.
run_examples() {
	local block
	literals EXAMPLES "$1"
	{
		echo 'set -euo pipefail'
		echo 'trap '\''kill $(jobs -p) 2>/dev/null || true'\'' EXIT'
		for block in block*; do
			echo "echo $block >&2"
			case $(tail -n 1 "$block") in
			*jq*) echo "{" && cat "$block" && echo "} | tee answer" && echo '[ -s answer ]' ;;
			*) cat "$block" ;;
			esac
		done
	} >script
	run bash script 3>&-
}

@test "every example runs" {
	start_sim
	export HEALTHCHECK_URL_HELLO=$sim/ping/hello
	ln -s "$top/tests" "$top/notify" .
	some_history
	for file in "${pages[@]}"; do
		run_examples "$file"
		assert_success
		assert_output --partial block01
		refute_output --regexp 'error|cannot'
	done
}

@test "an example can be copied from what a page looks like" {
	command -v mandoc >/dev/null || skip "no mandoc"
	for file in "${pages[@]}"; do
		literals EXAMPLES "$file"
		shown "$file" | sed 's/^  *//' >text
		for block in block*; do
			# Indented as it is shown, the end of a here-document would not be found.
			run grep -F '<<' "$block"
			assert_output ''
			while IFS= read -r line; do
				grep -qxF -e "${line#"${line%%[! ]*}"}" text
			done <"$block"
		done
	done
}
