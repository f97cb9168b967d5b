# daily-summary.jq - what happened in a while, as one message
#
#     … | jq -nc -f daily-summary.jq | slack-post
#
# Reads: the time that it is about, and what there is of it:
#     {"type":"window","summary_id":…,"window_from":…,"window_to":…}
#     {"type":"looked","marketplace":…,"asin":…,"status":…,"looks":n}
# changes_to_tell, api_usage_log and failed_runs of that time; watchlist,
# current_badges and sales_freshness as they are now.  Or only a window with
# `waiting`, which says why there is nothing to read yet.
#
# What nobody looked at is not known: "no data", never 0.
#
# Titles, names and errors are other people's text: in plain_text only, without
# control and bidi characters, cut before they are escaped.

# Lines of a list, before the rest is only counted.
def many: 20;

def cut($max): if length > $max then .[:$max - 1] + "…" else . end;

# Text of others as one line that shows what it is.
def clean($max):
	tostring | explode
	| map(if . == 9 or . == 10 or . == 13 then 32 else . end
		| select(. >= 32 and (. < 127 or . > 159)
			and (. < 8203 or . > 8207) and (. < 8232 or . > 8238)
			and (. < 8288 or . > 8303) and . != 65279 and . != 1564))
	| implode | cut($max);

def escape: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");

def plain: {type: "plain_text", text: ., emoji: false};

def grouped: tostring | gsub("(?<digit>[0-9])(?=([0-9]{3})+$)"; "\(.digit),");
def count($name): "\(grouped) \($name)" + if . == 1 then "" else "s" end;
def time: .[0:10] + " " + .[11:19] + " UTC";

# Of numbers that may not be there, their sum; null if none is.
def total: map(values) | if . == [] then null else add end;

def euros:
	if . > 0 and . < 0.5 then "less than €0.01"
	else round | "€\(. / 100 | floor | grouped).\(. % 100 + 100 | tostring[1:])" end;

def meaning:
	if . == null then "killed"
	elif . > 128 then "ended by a signal"
	else {"64": "called wrongly", "65": "some records were bad", "70": "a defect",
		"74": "output or disk failed", "76": "the other side answered nonsense",
		"77": "credentials refused", "78": "a setting is missing or wrong"}[tostring]
		// "ended with status \(.)" end;

def asin: "\(.asin | clean(20)) (\(.marketplace | clean(10)))";
def name: .label // .product_title // "title not known yet" | clean(60);
def category: if .category then .category | clean(60) else "category \(.category_id | clean(30))" end;

# A line each, of which there may be more than a person reads.
def listed($max; line): (.[:$max] | map("• " + line))
	+ if length > $max then ["and \(length - $max | grouped) more"] else [] end;

def span:
	(.window_to | fromdate) - (.window_from | fromdate)
	| if . < 60 then "\(.) s" elif . < 3600 then "\(. / 60 | floor) min"
	  else "\(. / 360 | round / 10 | tostring) h" end;

# Of the records, all that the message says: fields, which have a value, and lists.

def looked:
	(.watchlist | map({key: "\(.marketplace) \(.asin)", value: true}) | from_entries) as $tracked
	| {looks: (.looked | map(.looks) | add // 0),
	   good: (.looked | map(select(.status == "ok").looks) | add // 0),
	   asins: (.looked | map("\(.marketplace) \(.asin)") | unique | map(select($tracked[.])) | length),
	   tracked: ($tracked | length)};

# What a replay has found long after is not what happened then.
def changes: .changes_to_tell | map(select((.notification_sent and .notified_at == null) | not));

def checked:
	if .looks == 0 then "no data"
	else "\(.looks | grouped) (\(.asins | grouped) of \(.tracked | count("ASIN")))" end;

def usage($what): map(.[$what]) | total;

def cost:
	usage("tokens_consumed") as $tokens | usage("estimated_cost_cents")
	| if . == null then "no data" else euros end
		+ if $tokens then " (\($tokens | count("token")))" else "" end;

def calls: usage("requests") | if . == null then "no data" else grouped end;

# A field each of [name, value].
def fields:
	looked as $looked | changes as $changes
	| def number: if $looked.good == 0 and $changes == [] then "no data" else length | grouped end;
	  (.api_usage_log | map(select(.service == "keepa"))) as $keepa
	| (.api_usage_log | map(select(.service != "keepa"))) as $amazon
	| ["Total Changes", ($changes | number)],
	  ["Badges Gained", ($changes | map(select(.change_type == "gained")) | number)],
	  ["Badges Lost", ($changes | map(select(.change_type == "lost")) | number)],
	  ["ASINs Checked", ($looked | checked)],
	  ["API Calls", ($keepa | calls)],
	  ["Estimated Cost", ($keepa | cost)],
	  if $amazon == [] then empty else ["Amazon API Calls", ($amazon | calls)] end;

def top_categories:
	looked as $looked
	| (.changes_to_tell + .watchlist | map(.marketplace) | unique | length > 1) as $markets
	| changes
	| if . == [] then if $looked.good == 0 then "no data" else "none" end
	  else group_by([.marketplace, .category_id])
		| map({n: length, name: ((map(select(.category)) + .)[0]
			| category + if $markets then " (\(.marketplace | clean(10)))" else "" end)})
		| sort_by(-.n, .name)[:5] | map("• \(.name): \(.n | count("change"))") end;

# Of what is tracked, and whether that was seen lately: own products first.
def first_now:
	.window.window_from as $from
	| (.watchlist | map({key: "\(.marketplace) \(.asin)", value: {role, "label": .label}}) | from_entries) as $tracked
	| if all(.watchlist[]; .last_updated == null) then "no data" else
	(.current_badges | map(. + $tracked["\(.marketplace) \(.asin)"] | select(.role)) | map(select(.role == "own"))
		+ map(select(.role != "own"))
	| if . == [] then "none" else listed(many; "\(asin) \(name): \(category)"
		+ (if .since then ", since \(.since | time)" else "" end)
		+ (if .role == "own" then "" else ", \(.role | clean(20))" end)
		+ (if .last_updated and .last_updated < $from then ", last seen \(.last_updated | time)" else "" end)) end) end;

def unresolved:
	(.looked | group_by([.marketplace, .asin])
		| map({key: "\(.[0].marketplace) \(.[0].asin)", value: all(.[]; .status != "ok")}) | from_entries) as $failed
	| .watchlist | map(select((.status == "unknown" or .status == "missing") and $failed["\(.marketplace) \(.asin)"]))
	| listed(many; "\(asin) \(name): \(.status)");

def failures:
	.failed_runs | group_by(.job // .program)
	| listed(10; sort_by(.failed_at, .run_id)
		| length as $n | last
		| "\(.job // .program // "a job" | clean(30)): "
			+ (if $n == 1 then "once, " else "\($n | grouped) times, last " end)
			+ "\(.failed_at | time), \(.status | meaning)"
			+ (if .error then ": \(.error | clean(150))" else "" end));

def sales:
	.sales_freshness | group_by(.marketplace) | listed(many;
		(map(select(.state | IN("settled", "restated", "provisional"))) | sort_by(.date) | last) as $last
		| (map(select(.state | IN("missing", "not_ready"))) | length) as $missing
		| "\(.[0].marketplace | clean(10)): "
			+ (if $last then "\($last.date | clean(10)) \($last.state)" else "no day that can be counted with" end)
			+ (if $missing > 0 then ", \($missing | count("day")) missing" else "" end));

# A list each of [name, lines, or a word instead of them].
def lists:
	["Top Categories", top_categories],
	["#1 now", first_now],
	["Not resolved by Keepa", unresolved],
	["Failed runs", failures],
	["Sales", sales]
	| select(.[1] != []);

def said: if .[1] | type == "array" then ["\(.[0]):"] + .[1] | join("\n") else "\(.[0]): \(.[1])" end;

def title: "📊 Daily Best Seller Summary";

def heading:
	"\(.window.window_from | time) to \(.window.window_to | time) (\(.window | span))",
	(looked as $looked
	| if $looked.looks == 0 then "no data: nothing was looked at between \(.window.window_from | time) and \(.window.window_to | time)"
	  elif $looked.good == 0 then "no data: Keepa told nothing of what was looked at between \(.window.window_from | time) and \(.window.window_to | time)"
	  else empty end);

def section: {type: "section", text: (cut(2500) | plain)};

def message($text; $blocks; $sent): {type: "slack_message", id: .window.summary_id,
	text: ([title, $text[]] | join("\n") | cut(7500) | escape),
	blocks: ([{type: "header", text: (title | plain | .emoji = true)}] + $blocks),
	on_sent: $sent};

def summary:
	[heading] as $heading | [fields] as $fields | [lists] as $lists
	| message($heading + ($fields + $lists | map(said));
		[$heading | join("\n") | section]
		+ [{type: "section", fields: ($fields | map("\(.[0])\n\(.[1])" | cut(500) | plain))}]
		+ ($lists | map(said | section));
		[.window | {type: "summaries", summary_id, window_from, window_to, sent_at: (now | todate)}]);

[inputs] | group_by(.type) | map({key: .[0].type, value: .}) | from_entries
| {watchlist: [], looked: [], changes_to_tell: [], api_usage_log: [], current_badges: [],
	failed_runs: [], sales_freshness: []} + .
| .window |= .[0]
| if .window.waiting then
	["no data since \(.window.window_from | time): \(.window.waiting | clean(500))"] as $text
	| message($text; [$text[] | section]; [])
  else summary end
