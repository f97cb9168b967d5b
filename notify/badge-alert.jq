# badge-alert.jq - unsent_changes to slack_message: what an alert says
#
#     db-query unsent_changes | jq -sc -f badge-alert.jq | slack-post
#
# Changes of one ASIN at one moment are one message.  More messages at once than
# ALERT_DIGEST (40) become lists instead, 30 of them in a message: Slack takes one
# a second.  Those with `maybe_sent`, the id of a message that they may have been sent
# in, are that message once more, and nothing else is in it.
#
# Titles and names are other people's text: they stand in plain_text only, where
# nothing in them means anything, without control and bidi characters, and cut
# before they are escaped.  Limits: Slack's "Block Kit reference".

def cut($max): if length > $max then .[:$max - 1] + "…" else . end;

# Text of others as one line that shows what it is.
def clean($max):
	explode
	| map(if . == 9 or . == 10 or . == 13 then 32 else . end
		| select(. >= 32 and (. < 127 or . > 159)
			and (. < 8203 or . > 8207) and (. < 8232 or . > 8238)
			and (. < 8288 or . > 8303) and . != 65279 and . != 1564))
	| implode | cut($max);

# In `text`, Slack reads these three, and these only, as its own.
def escape: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");

def plain: {type: "plain_text", text: ., emoji: false};

def rank($none): if . == null then $none else "#\(.)" end;
def ranks: "\(.previous_rank | rank("not ranked")) → \(.new_rank | rank("no longer ranked"))";
def category: if .category then .category | clean(150) else "category \(.category_id)" end;
def title: (.product_title // .label // "title not known yet") | clean(250);
def time: .[0:10] + " " + .[11:19] + " UTC";

# GAINED, LOST, or both, of the changes of a message.
def status:
	map(.change_type | ascii_upcase) | unique | join(" and ");

def heading:
	if status == "GAINED" then "🎉 GAINED Best Seller badge"
	elif status == "LOST" then "⚠️ LOST Best Seller badge"
	else "🔁 GAINED and LOST Best Seller badges" end;

def picture:
	if (.image_url // "") | test("^https://m[.]media-amazon[.]com/images/I/[A-Za-z0-9._%+-]+$")
	then {accessory: {type: "image", image_url, alt_text: "product picture"}}
	else {} end;

def button($name; $url):
	if $url then {type: "button", text: ($name | plain), url: $url} else empty end;

def blocks:
	.[0] as $first
	| [{type: "header", text: (heading | plain | .emoji = true)},
	   ({type: "section", text: ($first | title | plain)} + ($first | picture)),
	   {type: "section", fields: [
		("ASIN\n\($first.asin) (\($first.marketplace))" | plain),
		("Time\n\($first.changed_at | time)" | plain)]}]
	+ (.[:20] | map({type: "section", fields: [
		("Category\n\(category)" | plain),
		("\(.change_type | ascii_upcase)\n\(ranks)" | plain)]}))
	+ (if length > 20 then [{type: "section",
		text: ("and \(length - 20) categories more" | plain)}] else [] end)
	+ ([button("View on Amazon"; $first.amazon_url), button("Keepa Chart"; $first.keepa_url)]
		| if length > 0 then [{type: "actions", elements: .}] else [] end);

def line:
	"\(.change_type | ascii_upcase) Best Seller badge: \(.asin) (\(.marketplace)) in \(category), \(ranks), \(.changed_at | time)";

def sent:
	map({type: "bestseller_changes", op: "update", change_id, notification_sent: true,
		notified_at: (now | todate)});

def alert: {type: "slack_message", id: .[0].notification_id,
	text: ("\(map(line) | .[:20] | join("\n"))\n\(.[0] | title)" | cut(3000) | escape),
	blocks: blocks, on_sent: sent};

# Groups of changes as one list.
def digest: {type: "slack_message",
	id: "digest:\(.[0][0].notification_id):\(length)",
	text: "\(map(length) | add) changes of Best Seller badges",
	blocks: [
		{type: "header", text: ("\(map(length) | add) changes of Best Seller badges" | plain)},
		{type: "section", text: (map(.[] | line | cut(95)) | join("\n") | cut(2900) | plain)}],
	on_sent: (map(sent) | add)};

def chunks($n): range(0; length; $n) as $i | .[$i:$i + $n];

# What changes of one ASIN at one moment are, oldest first.
def moments: group_by(.notification_id) | sort_by(.[0].changed_at, .[0].notification_id);

# The message that these may have been sent in: slack-post looks for its id first.
def again:
	.[0].maybe_sent as $id
	| moments | if $id | startswith("digest:") then digest else add | alert end
	| .id = $id | .maybe_sent = true;

(env.ALERT_DIGEST // "40" | tonumber) as $many
| (map(select(.maybe_sent)) | group_by(.maybe_sent) | .[] | again),
  (map(select(.maybe_sent | not)) | moments
	| if length > $many then chunks(30) | digest else .[] | alert end)
