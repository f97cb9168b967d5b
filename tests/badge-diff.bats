#!/usr/bin/env bats
# badge-diff.bats - who gained or lost #1, and above all who did not
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	marketplace=US asin=B00TEST001
}

# Times are given as day:hour:minute of November 2026.
time_of() {
	local d h m
	IFS=: read -r d h m <<<"$1"
	printf '2026-11-%sT%s:%s:00Z' "$d" "$h" "$m"
}

# point WHEN CATEGORY RANK
point() {
	printf '{"type":"rank_history","marketplace":"%s","asin":"%s","category_id":"%s","changed_at":"%s","rank":%s}\n' \
		"$marketplace" "$asin" "$2" "$(time_of "$1")" "$3"
}

# ranks [CATEGORY=RANK@WHEN...]: sales_ranks.
ranks() {
	local r comma='' rest
	printf '{'
	for r; do
		rest=${r#*=}
		printf '%s"%s":{"rank":%s,"since":"%s"}' "$comma" "${r%%=*}" "${rest%@*}" "$(time_of "${rest#*@}")"
		comma=,
	done
	printf '}'
}

# look WHEN [CATEGORY=RANK@WHEN...]: an observation, with $more behind its fields.
look() {
	printf '{"type":"asin_history","marketplace":"%s","asin":"%s","check_timestamp":"%s","status":"ok","sales_ranks":%s%s}\n' \
		"$marketplace" "$asin" "$(time_of "$1")" "$(ranks "${@:2}")" "${more:-}"
}

# nothing WHEN [STATUS]: an observation without ranks.
nothing() {
	printf '{"type":"asin_history","marketplace":"%s","asin":"%s","check_timestamp":"%s","status":"%s","sales_ranks":null,"bestseller_badges":null}\n' \
		"$marketplace" "$asin" "$(time_of "$1")" "${2:-unknown}"
}

# known WHEN [CATEGORY=RANK@WHEN...]: a state.
known() {
	printf '{"type":"asin_current_state","marketplace":"%s","asin":"%s","last_updated":"%s","sales_ranks":%s%s}\n' \
		"$marketplace" "$asin" "$(time_of "$1")" "$(ranks "${@:2}")" "${more:-}"
}

# category ID NAME
category() {
	printf '{"type":"categories","marketplace":"%s","category_id":"%s","name":%s}\n' "$marketplace" "$1" "$2"
}

# diff_of [OPTION...]: run it over standard input, without a word; `changes` is
# what it found, and `states` what is known then.
diff_of() {
	run --separate-stderr badge-diff "$@"
	assert_equal "$stderr" ''
	assert_success
	changes=$(jq -r 'select(.type == "bestseller_changes") |
		"\(.change_type) \(.category_id) \(.previous_rank)>\(.new_rank) \(.changed_at[8:16])"' <<<"$output")
	states=$(jq -c 'select(.type == "asin_current_state")' <<<"$output")
}

# found [CHANGE...]: these changes, in this order.
found() {
	local IFS=$'\n'
	assert_equal "$changes" "$*"
}

# What comes out

@test "all is passed on; changes and the new state follow their observation" {
	more=',"source_updated_at":"2026-11-20T07:50:00Z","product_title":"A \"kettle\"","brand":null,"price_cents":4599'
	{
		look 20:08:00 20=3@20:02:00
		category 20 '"Kettles"'
		point 20:08:30 20 1
		echo '{"type":"x","n":1.10}'
		more+=',"raw_keepa_response":{"a":1.10}'
		look 20:09:00 20=1@20:08:30
	} >in
	run --separate-stderr badge-diff <in
	assert_success
	assert_equal "$stderr" ''
	assert_output "$(sed -n 1p in)
{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"status\":\"ok\",\"last_updated\":\"2026-11-20T08:00:00Z\",\"product_title\":\"A \\\"kettle\\\"\",\"brand\":null,\"price_cents\":4599,\"source_updated_at\":\"2026-11-20T07:50:00Z\",\"sales_ranks\":{\"20\":{\"rank\":3,\"since\":\"2026-11-20T02:00:00Z\"}},\"bestseller_badges\":[]}
$(sed -n 2,5p in)
{\"type\":\"bestseller_changes\",\"change_id\":\"US:B00TEST001:20:2026-11-20T08:30:00Z\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"change_type\":\"gained\",\"category_id\":\"20\",\"category\":\"Kettles\",\"previous_rank\":3,\"new_rank\":1,\"changed_at\":\"2026-11-20T08:30:00Z\",\"detected_at\":\"2026-11-20T09:00:00Z\"}
{\"type\":\"asin_current_state\",\"marketplace\":\"US\",\"asin\":\"B00TEST001\",\"status\":\"ok\",\"last_updated\":\"2026-11-20T09:00:00Z\",\"product_title\":\"A \\\"kettle\\\"\",\"brand\":null,\"price_cents\":4599,\"source_updated_at\":\"2026-11-20T07:50:00Z\",\"sales_ranks\":{\"20\":{\"rank\":1,\"since\":\"2026-11-20T08:30:00Z\"}},\"bestseller_badges\":[\"20\"]}"
}

@test "every field that the state can hold is taken from the observation, as it came" {
	more=',"product_title":"t","brand":"b","parent_asin":"p","image_url":"i","price_cents":1.0,"currency":"USD","monthly_sold":5,"rating":4.70,"review_count":9,"other":1'
	diff_of < <(look 20:08:00)
	assert_output --partial ',"last_updated":"2026-11-20T08:00:00Z","product_title":"t","brand":"b","parent_asin":"p","image_url":"i","price_cents":1.0,"currency":"USD","monthly_sold":5,"rating":4.70,"review_count":9,"source_updated_at":"2026-11-20T08:00:00Z","sales_ranks":{},"bestseller_badges":[]}'
}

@test "a change has the source's time and ours (pain 1.14)" {
	diff_of < <(look 19:08:00 20=2@10:00:00 && look 20:08:00 20=1@19:23:10)
	found 'gained 20 2>1 19T23:10'
	assert_equal "$(jq -r 'select(.change_id) | .change_id, .changed_at, .detected_at' <<<"$output" | xargs)" \
		'US:B00TEST001:20:2026-11-19T23:10:00Z 2026-11-19T23:10:00Z 2026-11-20T08:00:00Z'
}

# First sight

@test "the first sight of an ASIN is a baseline: a state with its badges, no changes (pain 1.13)" {
	diff_of < <(point 20:07:00 20 2 && point 20:07:30 20 1 && look 20:08:00 20=1@20:07:30 10=7@20:06:00)
	found
	assert_equal "$(jq -c '[.bestseller_badges, .sales_ranks["20"].rank]' <<<"$states")" '[["20"],1]'
}

@test "it is the first that has ranks: none before it counts" {
	diff_of < <(nothing 20:06:00 && nothing 20:07:00 missing && look 20:08:00 20=1@20:07:30)
	found
	known 20:06:00 | jq -c '.sales_ranks = null | .status = "unknown"' >state
	diff_of -p state < <(look 20:08:00 20=1@20:07:30)
	found
}

@test "an ASIN that only the file knows is not one at first sight" {
	known 20:07:00 20=2@20:01:00 >state
	diff_of -p state < <(look 20:08:00 20=1@20:07:30)
	found 'gained 20 2>1 20T07:30'
}

@test "an ASIN known without any category is known" {
	known 20:07:00 >state
	diff_of -p state < <(look 20:08:00 20=1@20:07:30)
	found 'gained 20 null>1 20T07:30'
}

# Unknown

@test "no ranks are no loss: what was known stays (pain 1.1)" {
	for answer in '"sales_ranks":null' '"x":1' '"sales_ranks":[]' '"sales_ranks":"x"' '"sales_ranks":7' \
		'"sales_ranks":{},"status":"unknown"' '"sales_ranks":{"20":{"rank":2}},"status":"missing"' \
		'"sales_ranks":{"20":{"rank":2}},"status":7'; do
		{
			look 20:07:00 20=1@20:06:00
			printf '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z",%s}\n' "$answer"
			look 20:09:00 20=1@20:06:00
		} >in
		diff_of <in
		found
		[ "$(jq -c '[.last_updated[11:13], has("sales_ranks"), has("bestseller_badges"), .status]' <<<"$states" | sed -n 2p)" = \
			"[\"08\",false,false,\"$([[ $answer == *missing* ]] && echo missing || echo unknown)\"]" ] || fail "$answer: $states"
		diff_of < <(sed 2q in && look 20:09:00 20=2@20:08:30)
		found 'lost 20 1>2 20T08:30'
	done
}

@test "what happened while nothing was known comes to light afterwards" {
	{
		look 20:06:00 20=2@20:01:00
		nothing 20:07:00
		nothing 20:08:00 missing
		point 20:06:30 20 1
		point 20:07:30 20 4
		look 20:09:00 20=4@20:07:30
	} >in
	diff_of <in
	found 'gained 20 2>1 20T06:30' 'lost 20 1>4 20T07:30'
	assert_equal "$(jq -r .status <<<"$states" | xargs)" 'ok unknown missing ok'
}

@test "what an observation without ranks does not say is not taken from the state" {
	more=',"product_title":null,"price_cents":5,"source_updated_at":"2026-11-20T07:50:00Z"'
	diff_of < <(nothing 20:08:00 | sed "s/}$/$more}/")
	assert_equal "$states" '{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","status":"unknown","last_updated":"2026-11-20T08:00:00Z","price_cents":5}'
}

@test "a category that an answer leaves out keeps what is known of it" {
	diff_of < <(
		look 20:06:00 10=7@20:01:00 20=1@20:02:00
		look 20:07:00 10=8@20:06:30
		look 20:08:00
		look 20:09:00 20=1@20:02:00
		look 20:10:00 20=3@20:09:30
	)
	found 'lost 20 1>3 20T09:30'
	assert_equal "$(jq -c '[(.sales_ranks | map_values(.rank)), .bestseller_badges]' <<<"$states")" \
		'[{"10":7,"20":1},["20"]]
[{"10":8,"20":1},["20"]]
[{"10":8,"20":1},["20"]]
[{"10":8,"20":1},["20"]]
[{"10":8,"20":3},[]]'
}

# Changes

@test "#1 gained says what rank was before, and lost what is now (pain 1.4)" {
	diff_of < <(look 20:07:00 10=6@20:01:00 20=1@20:02:00 && look 20:08:00 10=1@20:07:10 20=6@20:07:20)
	found 'gained 10 6>1 20T07:10' 'lost 20 1>6 20T07:20'
}

@test "#1 lost to no rank at all has no new rank, and gained from none no previous one (pain 1.3)" {
	diff_of < <(
		look 20:07:00 20=1@20:02:00
		look 20:08:00 20=null@20:07:30
		look 20:09:00 20=1@20:08:30
	)
	found 'lost 20 1>null 20T07:30' 'gained 20 null>1 20T08:30'
	assert_equal "$(jq -c '[.sales_ranks["20"].rank, .bestseller_badges]' <<<"$states" | xargs)" '[1,[20]] [null,[]] [1,[20]]'
}

@test "other moves are no changes" {
	diff_of < <(
		look 20:07:00 10=2@20:01:00 20=1@20:02:00 30=11@20:02:00 40=null@20:02:00
		look 20:08:00 10=3@20:07:30 20=1@20:02:00 30=10@20:07:30 40=2@20:07:30
		look 20:09:00 10=null@20:08:30 20=1@20:02:00 30=100@20:07:30 40=2@20:07:30
	)
	found
}

@test "every transition between two looks is a change, in order" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00 10=1@20:01:00
		point 20:07:10 20 1
		point 20:07:20 20 3
		point 20:07:30 20 1
		point 20:07:40 20 null
		point 20:07:50 20 1
		point 20:07:15 10 2
		point 20:07:25 10 5
		point 20:07:45 10 1
		look 20:08:00 20=1@20:07:50 10=1@20:07:45
	)
	found 'gained 20 2>1 20T07:10' 'lost 10 1>2 20T07:15' 'lost 20 1>3 20T07:20' 'gained 20 3>1 20T07:30' \
		'lost 20 1>null 20T07:40' 'gained 10 5>1 20T07:45' 'gained 20 null>1 20T07:50'
}

@test "changes of one minute come in the order of their categories, as numbers" {
	diff_of < <(
		look 20:07:00 9=2@20:01:00 100=2@20:01:00 20=2@20:01:00
		look 20:08:00 100=1@20:07:30 9=1@20:07:30 20=1@20:07:30
	)
	found 'gained 9 2>1 20T07:30' 'gained 20 2>1 20T07:30' 'gained 100 2>1 20T07:30'
}

@test "points need not be sorted, and may come twice, or after they are known" {
	{
		look 20:07:00 20=2@20:01:00
		point 20:07:30 20 3
		point 20:07:10 20 1
		point 20:01:00 20 2
		point 19:01:00 20 1
		point 20:07:30 20 3
		point 20:07:10 20 1
		look 20:08:00 20=3@20:07:30
		point 20:07:10 20 1
		point 20:07:30 20 3
		look 20:09:00 20=3@20:07:30
	} >in
	diff_of <in
	found 'gained 20 2>1 20T07:10' 'lost 20 1>3 20T07:30'
}

@test "a point that came late counts, if it is after the one known" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00
		point 20:06:30 20 1
		look 20:08:00 20=4@20:07:30
	)
	found 'gained 20 2>1 20T06:30' 'lost 20 1>4 20T07:30'
}

@test "points of other products, and of categories that no look names, change nothing" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00
		(asin=B00TEST002 && point 20:07:10 20 1)
		(marketplace=CA && point 20:07:10 20 1)
		point 20:07:10 30 1
		look 20:08:00 20=2@20:01:00
		look 20:09:00 20=2@20:01:00 30=5@20:08:30
	)
	found
}

@test "points belong to the next look that has ranks" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00
		point 20:07:10 20 1
		nothing 20:08:00
		look 20:09:00 20=3@20:08:30
		look 20:10:00 20=3@20:08:30
	)
	found 'gained 20 2>1 20T07:10' 'lost 20 1>3 20T08:30'
}

@test "points that come with an older look are forgotten with it" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00
		point 20:06:10 20 1
		look 20:06:30 20=1@20:06:10
		look 20:08:00 20=2@20:01:00
	)
	found
}

@test "products may be mixed" {
	{
		look 20:07:00 20=2@20:01:00
		asin=B00TEST002
		look 20:07:00 20=1@20:01:00
		point 20:07:10 20 2
		asin=B00TEST001
		point 20:07:20 20 1
		asin=B00TEST002
		look 20:08:00 20=2@20:07:10
		asin=B00TEST001
		look 20:08:00 20=1@20:07:20
	} >in
	diff_of <in
	found 'lost 20 1>2 20T07:10' 'gained 20 2>1 20T07:20'
	assert_equal "$(jq -r 'select(.change_id).asin' <<<"$output" | xargs)" 'B00TEST002 B00TEST001'
}

@test "an ASIN in two marketplaces is two (pain 1.18)" {
	{
		look 20:07:00 20=2@20:01:00
		marketplace=CA
		look 20:07:00 20=1@20:01:00
		look 20:08:00 20=1@20:01:00
		marketplace=US
		look 20:08:00 20=1@20:07:30
	} >in
	diff_of <in
	found 'gained 20 2>1 20T07:30'
	assert_equal "$(jq -r 'select(.change_id).change_id' <<<"$output")" US:B00TEST001:20:2026-11-20T07:30:00Z
}

# A category that is new

@test "a category new to a known ASIN counts if it reached #1 after the last look" {
	diff_of < <(look 20:07:00 10=5@20:01:00 && look 20:08:00 20=1@20:07:01)
	found 'gained 20 null>1 20T07:01'
	diff_of < <(look 20:07:00 10=5@20:01:00 && look 20:08:00 20=1@20:07:00)
	found
	diff_of < <(look 20:07:00 10=5@20:01:00 && look 20:08:00 20=1@20:06:59)
	found
}

@test "the last look is as old as what it saw" {
	more=',"source_updated_at":"2026-11-20T06:40:00Z"'
	look 20:07:00 10=5@20:01:00 >first
	known 20:07:00 10=5@20:01:00 >state
	more=
	for minute in 40 41; do
		diff_of < <(cat first && look 20:08:00 20=1@20:06:$minute)
		[ $minute -eq 40 ] && found || found 'gained 20 null>1 20T06:41'
		diff_of -p state < <(look 20:08:00 20=1@20:06:$minute)
		[ $minute -eq 40 ] && found || found 'gained 20 null>1 20T06:41'
	done
}

@test "of a new category's points, those before the last look say only what was before" {
	diff_of < <(
		look 20:07:00 10=5@20:01:00
		point 20:05:00 20 1
		point 20:06:00 20 4
		point 20:07:30 20 1
		point 20:07:40 20 2
		look 20:08:00 20=2@20:07:40
	)
	found 'gained 20 4>1 20T07:30' 'lost 20 1>2 20T07:40'
}

@test "a category that was left out by the last look only is not new" {
	diff_of < <(look 20:06:00 20=5@20:01:00 && look 20:07:00 10=5@20:01:00 && look 20:08:00 20=1@20:06:30)
	found 'gained 20 5>1 20T06:30'
}

# What is not newer

@test "the same observation again, or an older one, changes nothing" {
	{
		look 20:08:00 20=2@20:01:00
		look 20:08:00 20=1@20:07:00
		look 20:07:59 20=1@20:07:00
		nothing 20:07:00
	} >in
	diff_of <in
	found
	assert_equal "$(wc -l <<<"$states")" 1
	assert_equal "$(grep asin_history <<<"$output")" "$(<in)"
	known 20:08:00 20=2@20:01:00 >state
	diff_of -p state < <(sed 1d in)
	found
	assert_equal "$states" ''
}

@test "a replay finds nothing twice" {
	{
		look 20:07:00 20=2@20:01:00
		point 20:07:10 20 1
		point 20:07:20 20 2
		look 20:08:00 20=2@20:07:20
		look 20:09:00 20=1@20:08:30
	} >in
	diff_of <in
	found 'gained 20 2>1 20T07:10' 'lost 20 1>2 20T07:20' 'gained 20 2>1 20T08:30'
	echo "$states" >state
	diff_of -p state <in
	found
	assert_equal "$states" ''
	assert_output "$(<in)"
	diff_of < <(cat in in)
	assert_equal "$(wc -l <<<"$changes")" 3
}

@test "an older run after a newer one changes nothing" {
	look 20:07:00 20=1@20:01:00 >first
	{
		point 20:07:30 20 2
		look 20:08:00 20=2@20:07:30
	} >second
	{
		point 20:08:30 20 1
		look 20:09:00 20=1@20:08:30
	} >third
	diff_of < <(cat first third second)
	found
	diff_of < <(cat first second third second first)
	found 'lost 20 1>2 20T07:30' 'gained 20 2>1 20T08:30'
}

@test "an answer staler than the one before takes nothing back" {
	diff_of < <(
		look 20:07:00 20=2@20:01:00
		look 20:08:00 20=1@20:07:30
		look 20:09:00 20=2@20:01:00
		look 20:10:00 20=1@20:07:30
	)
	found 'gained 20 2>1 20T07:30'
	assert_equal "$(jq -c '[.sales_ranks["20"].rank, .bestseller_badges]' <<<"$states" | xargs)" '[2,[]] [1,[20]] [1,[20]] [1,[20]]'
}

@test "a clock that was in 1970 is a time like others" {
	known 20:07:00 20=1@20:01:00 | jq -c '.last_updated = "1970-01-01T00:00:00Z"' >state
	diff_of -p state < <(nothing 20:07:00 | jq -c '.check_timestamp = "1969-12-31T23:59:59Z"' && look 20:08:00 20=2@20:07:30)
	found 'lost 20 1>2 20T07:30'
	assert_equal "$(wc -l <<<"$states")" 1
}

# Ranks that come without their time

untimed() { # untimed WHEN SALES_RANKS
	printf '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"%s","sales_ranks":%s}\n' "$(time_of "$1")" "$2"
}

@test "a rank without its time is as old as the look that found it" {
	diff_of < <(
		untimed 20:07:00 '{"20":{"rank":2}}'
		untimed 20:08:00 '{"20":{"rank":1,"since":null}}'
		untimed 20:09:00 '{"20":{"rank":1}}'
		untimed 20:10:00 '{"20":{"rank":null},"30":{"rank":1},"40":{"rank":null}}'
	)
	found 'gained 20 2>1 20T08:00' 'lost 20 1>null 20T10:00' 'gained 30 null>1 20T10:00'
	assert_equal "$(jq -c '[.sales_ranks | map_values(.since[11:13])]' <<<"$states" | xargs)" \
		'[{20:07}] [{20:08}] [{20:08}] [{20:10,30:10,40:10}]'
}

@test "points count also where the rank has no time" {
	diff_of < <(
		untimed 20:07:00 '{"20":{"rank":1}}'
		point 20:07:10 20 2
		point 20:07:20 20 1
		untimed 20:08:00 '{"20":{"rank":1}}'
	)
	found 'lost 20 1>2 20T07:10' 'gained 20 2>1 20T07:20'
	assert_equal "$(jq -r '.sales_ranks["20"].since' <<<"$states" | xargs)" '2026-11-20T07:00:00Z 2026-11-20T07:20:00Z'
}

# Names

@test "a change says its category's name, as the stream said it last (pain 1.11)" {
	{
		look 20:07:00 10=2@20:01:00 20=2@20:01:00 30=2@20:01:00
		category 10 '"Old"'
		category 20 null
		category 10 '"Home & \"K\" \u00e9"'
		category 40 '"Other"'
		look 20:08:00 10=1@20:07:10 20=1@20:07:20 30=1@20:07:30
	} >in
	diff_of <in
	assert_output --partial '"category_id":"10","category":"Home & \"K\" \u00e9","previous_rank":2,'
	assert_output --partial '"category_id":"20","previous_rank":2,'
	assert_output --partial '"category_id":"30","previous_rank":2,'
}

@test "a name is only for the observation that it comes with" {
	diff_of < <(
		look 20:07:00 10=2@20:01:00
		category 10 '"Home"'
		look 20:08:00 10=2@20:01:00
		look 20:09:00 10=1@20:08:30
	)
	found 'gained 10 2>1 20T08:30'
	refute_output --partial '"category":'
}

# The state

@test "the state has all categories, in the order of their numbers" {
	known 20:07:00 100=1@20:01:00 9=1@20:01:00 >state
	diff_of -p state < <(look 20:08:00 1000=1@20:01:00 20=2@20:02:00 9=1@20:01:00 202611200011=1@20:01:00)
	assert_equal "$(jq -c '[(.sales_ranks | keys_unsorted), .bestseller_badges]' <<<"$states")" \
		'[["9","20","100","1000","202611200011"],["9","100","1000","202611200011"]]'
}

@test "a state says up to when it knows, also where the source does not" {
	diff_of < <(more=',"source_updated_at":"2026-11-20T07:50:00Z"' && look 20:08:00 && more=',"source_updated_at":null' && look 20:09:00)
	assert_equal "$(jq -r .source_updated_at <<<"$states" | xargs)" '2026-11-20T07:50:00Z 2026-11-20T09:00:00Z'
}

@test "of several states of an ASIN the newest counts, and other records do not" {
	{
		known 20:07:00 20=1@20:01:00
		known 20:06:00 20=2@20:01:00
		echo '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T09:30:00Z","sales_ranks":{"20":{"rank":3}}}'
		echo '{"type":"x"}'
	} >state
	diff_of -p state < <(look 20:08:00 20=3@20:07:30)
	found 'lost 20 1>3 20T07:30'
	known 20:07:30 20=5@20:07:10 >>state
	diff_of --previous=state < <(look 20:08:00 20=3@20:07:30)
	found
}

@test "a state that says nothing of ranks leaves them, and one that says null forgets them" {
	known 20:06:00 20=1@20:01:00 >ranks
	known 20:07:00 | jq -c 'del(.sales_ranks)' >silent
	diff_of -p <(cat ranks silent) < <(look 20:07:00 20=3@20:06:30 && look 20:08:00 20=3@20:06:30 30=1@20:06:31)
	found 'lost 20 1>3 20T06:30' 'gained 30 null>1 20T06:31'
	known 20:07:00 | jq -c '.sales_ranks = null' >null
	diff_of -p <(cat ranks null) < <(look 20:08:00 20=3@20:06:30)
	found
}

@test "bad lines among the states are reported, and the others are known" {
	{
		known 20:07:00 20=1@20:01:00
		echo bad
		asin=B00TEST002
		known 20:07:00 20=1@20:01:00 | jq -c 'del(.last_updated)'
		known 20:07:00 20=2@20:01:00 | jq -c '.last_updated = "2026-11-31T08:00:00Z"'
		known 20:07:00 20=1@20:01:00 | jq -c 'del(.asin)'
		known 20:07:00 20=1@20:01:00 | jq -c '.marketplace = 7'
		known 20:07:00 10=0@20:01:00 20=1@20:01:00 30=x@20:01:00 | sed 's/:x,/:"x",/'
	} >state
	run --separate-stderr badge-diff -p state < <(
		look 20:08:00 20=2@20:07:30
		asin=B00TEST001
		look 20:08:00 20=2@20:07:30
	)
	assert_failure 65
	needs='an asin_current_state needs marketplace, asin and last_updated'
	assert_equal "$stderr" "badge-diff: state:2: column 1: not a JSON object
badge-diff: state:3: $needs
badge-diff: state:4: $needs
badge-diff: state:5: $needs
badge-diff: state:6: $needs
badge-diff: state:7: sales_ranks \"10\" is no rank, and is left out
badge-diff: state:7: sales_ranks \"30\" is no rank, and is left out"
	assert_equal "$(jq -r 'select(.change_id) | .asin + " " + .change_type' <<<"$output")" 'B00TEST002 lost
B00TEST001 lost'
}

@test "a bad state does not touch what is known" {
	known 20:07:00 20=1@20:01:00 >state
	known 20:07:00 20=2@20:01:00 | jq -c '.last_updated = "2026-11-31T08:00:00Z"' >>state
	run --separate-stderr badge-diff -p state < <(look 20:08:00 20=2@20:07:30)
	assert_failure 65
	assert_output --partial '"change_type":"lost"'
}

# Bad records

@test "an observation or a point that lacks what it needs is reported, and passes on" {
	look 20:08:00 20=1@20:07:00 >good
	point 20:07:00 20 1 >>good
	while read -r line message field value; do
		jq -c --arg f "$field" --argjson v "$value" 'if $v == "absent" then del(.[$f]) else .[$f] = $v end' \
			< <(sed -n "${line}p" good) >bad
		run --separate-stderr badge-diff < <(cat bad && echo '{"type":"x"}')
		[ "$status" -eq 65 ] || fail "$field $value: status $status"
		[ "$message" = observation ] && message='an asin_history needs marketplace, asin and check_timestamp' ||
			message='a rank_history needs marketplace, asin, category_id, changed_at and rank'
		assert_equal "$stderr" "badge-diff: stdin:1: $message"
		assert_output "$(<bad)
{\"type\":\"x\"}"
	done <<'!'
1 observation marketplace "absent"
1 observation marketplace null
1 observation asin "absent"
1 observation asin 7
1 observation check_timestamp "absent"
1 observation check_timestamp null
1 observation check_timestamp "2026-11-20"
1 observation check_timestamp 1795161600
1 observation asin "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
2 point marketplace "absent"
2 point asin null
2 point category_id "absent"
2 point category_id 20
2 point changed_at "absent"
2 point changed_at "2026-11-20T25:00:00Z"
2 point rank "absent"
2 point rank 0
2 point rank -1
2 point rank 1.5
2 point rank "1"
2 point rank 2000000001
!
}

@test "a member of sales_ranks that is no rank is left out, and the rest is done" {
	look 20:07:00 10=1@20:01:00 20=1@20:01:00 30=1@20:01:00 >before
	for member in null 1 '[1]' '"1"' '{}' '{"rank":0}' '{"rank":-1}' '{"rank":"1"}' '{"rank":2.0}' '{"rank":2000000001}' \
		'{"rank":2,"since":"x"}' '{"rank":2,"since":7}' '{"rank":2,"since":"2026-11-20"}' '{"since":"2026-11-20T07:30:00Z"}' \
		'{"rank":2,"rank":2}'; do
		run --separate-stderr badge-diff < <(
			cat before
			untimed 20:08:00 '{"10":{"rank":2,"since":"2026-11-20T07:30:00Z"},"20":'"$member"',"30":{"rank":3,"since":"2026-11-20T07:30:00Z"}}'
		)
		[ "$status" -eq 65 ] || fail "$member: status $status"
		assert_equal "$stderr" 'badge-diff: stdin:2: sales_ranks "20" is no rank, and is left out'
		assert_equal "$(jq -r 'select(.change_id) | "\(.category_id)>\(.new_rank)"' <<<"$output" | xargs)" '10>2 30>3'
		assert_line --index 5 --partial '"20":{"rank":1,"since":"2026-11-20T01:00:00Z"}'
	done
	for id in '' "$(printf '1%.0s' {1..64})"; do
		run --separate-stderr badge-diff < <(untimed 20:08:00 "{\"$id\":{\"rank\":1}}")
		assert_failure 65
		assert_equal "$stderr" "badge-diff: stdin:1: sales_ranks \"${id:0:40}\" is no rank, and is left out"
	done
}

@test "ids of any kind keep their spelling" {
	diff_of < <(
		look 20:07:00 '\u0031 é/:=2@20:01:00'
		point 20:07:30 '\u0031 é/:' 1
		look 20:08:00 '\u0031 é/:=1@20:07:30'
	)
	assert_output --partial '"change_id":"US:B00TEST001:\u0031 é/::2026-11-20T07:30:00Z"'
	assert_output --partial '"category_id":"\u0031 é/:",'
	assert_output --partial '"bestseller_badges":["\u0031 é/:"]'
}

# Much of it

# expected_of FILE: what looks.py has written there is what badge-diff found.
expected_of() {
	jq -c 'select(.type == "bestseller_changes") |
		[.marketplace, .asin, .category_id, .previous_rank, .new_rank, .changed_at, .detected_at]' out | cmp - "$1"
}

@test "weeks of looks at products: every change is found, and no other" {
	for seed in 1 2 3; do
		python3 "$top/tests/fixtures/looks.py" $seed 100 expected >in
		[ "$(wc -l <expected)" -gt 5000 ]
		run --separate-stderr eval 'badge-diff <in >out'
		assert_success
		assert_equal "$stderr" ''
		expected_of expected
		jq -c 'select(.type == "rank_history" or .type == "asin_history")' out | cmp - <(jq -c . in)
	done
}

@test "in two streams, with the states in between, it finds what it finds in one" {
	python3 "$top/tests/fixtures/looks.py" 4 40 expected >in
	badge-diff <in >whole
	mapfile -t lines < <(grep -n asin_history in | cut -d: -f1)
	for part in 0 1 7 100 500 $((${#lines[@]} - 2)); do
		n=${lines[$part]}
		sed "${n}q" in | badge-diff >first
		grep '"type":"asin_current_state"' first >state
		sed "1,${n}d" in | badge-diff -p state | cat first - | cmp - whole
	done
}

@test "in as many streams as there are looks, by way of the database, likewise" {
	python3 "$top/tests/fixtures/looks.py" 5 8 expected >in
	badge-diff <in >whole
	db-load --init </dev/null
	: >out
	while [ -s in ]; do
		n=$(($(grep -n -m 7 asin_history in | tail -n 1 | cut -d: -f1)))
		db-query asin_current_state >state
		sed "${n}q" in | badge-diff -p state >part
		db-load <part
		cat part >>out
		sed -i "1,${n}d" in
	done
	cmp whole out
	expected_of expected
	assert_equal "$(db-query bestseller_changes | wc -l)" "$(wc -l <expected)"
}

@test "a year of hourly looks takes no more memory than a day" {
	if sanitized; then skip 'memory is not what it is elsewhere'; fi
	python3 - >in <<'!'
import time
START = 1763625600
def text(hour):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + 3600 * hour))
head = '"marketplace":"US","asin":"B00TEST001",'
for hour in range(1, 8761):
    rank = 1 + hour % 2
    print('{"type":"categories",%s"category_id":"20","name":"N"}' % head)
    print('{"type":"rank_history",%s"category_id":"20","changed_at":"%s","rank":%d}' % (head, text(hour - 1), rank))
    print('{"type":"asin_history",%s"check_timestamp":"%s","sales_ranks":{"20":{"rank":%d,"since":"%s"}}}' % (
        head, text(hour), rank, text(hour - 1)))
!
	run --separate-stderr badge-diff <in
	assert_success
	assert_equal "$(grep -c '"change_type":"gained"' <<<"$output") $(grep -c '"change_type":"lost"' <<<"$output")" '4380 4379'
	run --separate-stderr peak_kib badge-diff <in
	[ "$output" -le 16384 ] || fail "$output KiB"
}

@test "100,000 states fit into 16 MiB" {
	if sanitized; then skip 'memory is not what it is elsewhere'; fi
	python3 - >state <<'!'
for n in range(100000):
    print('{"type":"asin_current_state","marketplace":"US","asin":"B0%08d","last_updated":"2026-11-20T08:00:00Z",'
          '"sales_ranks":{"1100001":{"rank":2,"since":"2026-11-20T06:00:00Z"},"1100011":{"rank":1,"since":"2026-11-20T06:00:00Z"},'
          '"202611200011":{"rank":3,"since":"2026-11-20T06:00:00Z"}}}' % n)
!
	asin=B000099999
	look 20:09:00 1100001=1@20:08:30 >in
	diff_of -p state <in
	found 'gained 1100001 2>1 20T08:30'
	run --separate-stderr peak_kib badge-diff -p state <in
	[ "$output" -le 16384 ] || fail "$output KiB"
}

@test "points and names that no observation follows are not kept for ever" {
	if sanitized; then skip 'memory is not what it is elsewhere'; fi
	python3 - >in <<'!'
for n in range(300000):
    print('{"type":"categories","marketplace":"US","category_id":"%d","name":"some name or other of a category"}' % (n % 5000))
    print('{"type":"rank_history","marketplace":"US","asin":"B0%08d","category_id":"20","changed_at":"2026-11-20T08:00:00Z","rank":1}' % (n % 5000))
!
	run --separate-stderr peak_kib badge-diff <in
	[ "$output" -le 16384 ] || fail "$output KiB"
}

# Real answers

# poll UPTO DAYS: the captured product as Keepa would have given it at a minute,
# with the history of so many days.
poll() {
	jq -c --argjson t "$1" --argjson days "$2" '
		($t - $days * 1440) as $from |
		.lastUpdate = $t |
		.salesRanks |= (map_values(
			[range(0; length; 2) as $i | [.[$i], .[$i + 1]]] | map(select(.[0] <= $t)) |
			(map(select(.[0] <= $from)) | .[-1:]) + map(select(.[0] > $from)) | add // []) |
			with_entries(select(.value != []))) |
		{type: "keepa_product", marketplace: "US", asin, fetched_at: (($t + 21564002) * 60 | todate), product: .}' product
}

# events FROM TO: gained and lost by the points alone.
events() {
	jq -r --argjson from "$1" --argjson to "$2" '
		[.salesRanks | to_entries[] | .key as $c | .value |
			[range(0; length; 2) as $i | [.[$i], .[$i + 1]]] | to_entries as $p |
			range(1; $p | length) as $i | $p[$i - 1].value as $a | $p[$i].value as $b |
			select($b[0] > $from and $b[0] <= $to and ($a[1] == 1) != ($b[1] == 1)) |
			[$b[0], ($c | tonumber), ($a[1] | if . == -1 then null else . end), ($b[1] | if . == -1 then null else . end)]] |
		sort[] | "\(if .[3] == 1 then "gained" else "lost" end) \(.[1]) \(.[2])>\(.[3]) \((.[0] + 21564000) * 60 | todate[8:16])"' product
}

@test "a real history, polled by the day: every event of its points is found, once" {
	needs_shared captures/keepa/product_B0D8W1YVBX_2026-05-10_full.json
	jq -c '.products[0] | {asin, salesRanks}' "$shared/captures/keepa/product_B0D8W1YVBX_2026-05-10_full.json" >product
	last=8075762
	first=$((last - 40 * 1440))
	for t in $(seq $first 1440 $last) $last; do
		poll "$t" 2
	done >in
	diff_of < <(keepa-flatten --no-raw <in)
	events $first $last >expected
	[ "$(wc -l <expected)" -gt 10 ]
	assert_equal "$changes" "$(<expected)"
	# Polled twice only, with all the history there is.
	diff_of < <({ poll $first 9999 && poll $last 9999; } | keepa-flatten --no-raw)
	assert_equal "$changes" "$(<expected)"
	# And with no more of it than the present: what came and went is not seen.
	diff_of < <({ poll $first 0 && poll $last 0; } | keepa-flatten --no-raw)
	[ "$(wc -l <<<"$changes")" -le 2 ]
}

@test "a real history, polled at any time: what is at #1 then is known" {
	needs_shared captures/keepa/product_B0D8W1YVBX_2026-05-10_full.json
	jq -c '.products[0] | {asin, salesRanks}' "$shared/captures/keepa/product_B0D8W1YVBX_2026-05-10_full.json" >product
	for t in 7300000 7600000 8000000 8075762; do
		poll $t 1 >in
		diff_of < <(keepa-flatten --no-raw <in)
		found
		assert_equal "$(jq -c '.bestseller_badges' <<<"$states")" \
			"$(jq -c '.product.salesRanks | [to_entries[] | select(.value[-1] == 1).key] | sort_by(tonumber)' in)"
	done
}
