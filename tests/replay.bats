#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# replay.sh: saved streams through the same programs, in any order, any number of
# times.
load helper

A=B0SIM00001
B=B0SIM00012
KETTLES=202611200011

# Three looks, an hour apart, at two ASINs that take the first place from each
# other in between; one of the looks sees nothing of A.
setup() {
	clean_room
	look 08:00 "$A:1:2026-05-01T00:00:00Z" "$B:2:2026-05-02T00:00:00Z" >1.ndjson
	look 09:00 "$A:2:2026-05-20T08:30:00Z" "$B:1:2026-05-20T08:30:00Z" >2.ndjson
	look 10:00 "$A" "$B:3:2026-05-20T09:10:00Z" >3.ndjson
	look 11:00 "$A:1:2026-05-20T10:50:00Z:4:2026-05-20T09:20:00Z" "$B:3:2026-05-20T09:10:00Z" >4.ndjson
	gzip -k ./*.ndjson
}

# look HH:MM ASIN[:RANK:SINCE[:RANK:SINCE...]]...: what keepa-fetch would have
# written; the points of an ASIN from the last to the first.
look() {
	jq -nc --arg at "2026-05-20T$1:00Z" '$ARGS.positional as $all
		| def minutes: fromdate / 60 - 21564000;
		{type: "run", run_id: $at},
		($all[1:][] | split(":") as $p | ($p[1:] | join(":")) as $rest
			| [$rest | scan("([0-9]+):([0-9-]+T[0-9:]+Z)")] | reverse as $points
			| {type: "keepa_product", marketplace: "US", asin: $p[0], fetched_at: $at, status: "ok",
			   product: {asin: $p[0], productType: 0, title: "T", lastUpdate: ($at | minutes - 2),
				salesRanks: (if $points == [] then null else
					{"'$KETTLES'": ($points | map((.[1] | minutes), (.[0] | tonumber)))} end)}}),
		{type: "end", run_id: $at}' --args "$@"
}

dump() { # all that a replay can change
	local table
	for table in asin_current_state asin_history rank_history categories bestseller_changes notifications; do
		db-query -d "sqlite:${1:-test.db}" "$table" | jq -c . | sort
	done
}

changes() {
	db-query bestseller_changes --order changed_at,asin |
		jq -c '[.asin, .change_type, .previous_rank, .new_rank, .changed_at[11:16], .detected_at[11:16]]'
}

@test "a replay finds the changes that the looks themselves would have found" {
	run -0 --separate-stderr replay.sh ./*.gz
	assert_output ''
	assert_equal "$stderr" ''
	run -0 changes
	assert_output '["B0SIM00001","lost",1,2,"08:30","09:00"]
["B0SIM00012","gained",2,1,"08:30","09:00"]
["B0SIM00012","lost",1,3,"09:10","10:00"]
["B0SIM00001","gained",4,1,"10:50","11:00"]'
}

@test "the same streams twice leave the same database" {
	replay.sh ./*.gz
	dump >before
	replay.sh ./*.gz
	diff before <(dump)
}

@test "in any order, at once or one by one, they leave the same database" {
	replay.sh 1.ndjson 2.ndjson 3.ndjson 4.ndjson
	dump >before
	for order in '4 3 2 1' '2 4 1 3' '3 1 4 2'; do
		rm -f test.db*
		for n in $order; do
			replay.sh "$n.ndjson.gz"
		done
		diff before <(dump) || fail "one by one: $order"
		rm -f test.db*
		# shellcheck disable=SC2046,SC2086 # several
		replay.sh $(printf '%s.ndjson ' $order)
		diff before <(dump) || fail "at once: $order"
	done
}

@test "what the looks themselves found and what a replay finds is the same" {
	db-load --init </dev/null
	for n in 1 2 3 4; do
		db-query asin_current_state >state
		keepa-flatten <$n.ndjson | badge-diff -p state | db-load
	done
	dump >before
	replay.sh 3.ndjson 1.ndjson
	diff before <(dump)
}

@test "a replay sends nothing: old changes count as told, young ones are left to badges.sh" {
	start_sim
	replay.sh ./*.ndjson
	run -0 bash -c 'db-query bestseller_changes | jq -c .notification_sent | sort | uniq -c | tr -s " "'
	assert_output ' 4 true'
	rm -f test.db*
	replay.sh --alert-within 1000000 ./*.ndjson
	run -0 bash -c 'db-query unsent_changes | wc -l'
	assert_output 4
	run requests slack
	assert_output ''
	stop_sim
}

@test "an alert that waits goes on waiting, whatever is replayed" {
	replay.sh --alert-within 1000000 ./*.ndjson
	replay.sh --alert-within 0 ./*.ndjson
	run -0 bash -c 'db-query unsent_changes | wc -l'
	assert_output 4
}

@test "an alert that was sent stays sent" {
	replay.sh ./*.ndjson
	db-query bestseller_changes | jq -c '{type, op: "update", change_id, notified_at: "2026-05-20T12:00:00Z"}' | db-load
	replay.sh --alert-within 1000000 ./*.ndjson
	run -0 bash -c 'db-query bestseller_changes | jq -c "[.notification_sent, .notified_at]" | sort -u'
	assert_output '[true,"2026-05-20T12:00:00Z"]'
}

@test "a stream that was cut short is taken in as far as it goes" {
	head -n 2 2.ndjson >cut.ndjson
	run -0 replay.sh 1.ndjson cut.ndjson
	assert_output --partial 'has no end'
	run -0 changes
	assert_output '["B0SIM00001","lost",1,2,"08:30","09:00"]'
}

@test "a file that is damaged does not keep the others out, and says so in the status" {
	head -c 100 2.ndjson.gz >damaged.gz
	echo '{bad' >bad.ndjson
	run replay.sh 1.ndjson damaged.gz bad.ndjson 2.ndjson
	assert_equal "$status" 70
	run -0 changes
	assert_line --index 0 '["B0SIM00001","lost",1,2,"08:30","09:00"]'
	run replay.sh bad.ndjson 1.ndjson
	assert_equal "$status" 65
}

@test "the same observations by way of a copied database" {
	replay.sh ./*.ndjson
	dump >before
	for table in asin_current_state asin_history rank_history categories bestseller_changes; do
		db-query $table
	done | db-load -d sqlite:copy.db
	diff before <(dump copy.db)
}

@test "wrong usage is 64" {
	for arguments in '' '--backwards x' ; do
		# shellcheck disable=SC2086 # several
		run replay.sh $arguments
		assert_equal "$status" 64
	done
	run -0 replay.sh --help
	assert_line --index 0 --partial 'replay.sh - put saved streams'
}
