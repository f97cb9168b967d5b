# job-report.jq - what became of a job of sales: a comment on ClickUp's task, and a
# message in Slack if something failed
#
#     … | jq -nc -f job-report.jq | clickup-post | slack-post
#
# Reads: the `runs` record of the job; `report_requests` that it touched or that
# are not finished, as they stand now; `sales_freshness` for their days, if at hand;
# and for each marketplace how its pipe ended:
#     {"type":"job_part","marketplace":"US","status":0,"said":"last error lines"}
#
# Comment: always, if CLICKUP_TASK_ID is set.  Message: to SLACK_CHANNEL_LOGS if
# some of it failed; to SLACK_CHANNEL_ALERTS if all of it did, or credentials or
# settings were refused.  A day that is left for later has not failed.
#
# What Amazon or an error says is other people's text: a line, without control and
# bidi characters, cut; and in Slack's `text` escaped after that.

# Lines of days, of a marketplace or of a list, before the rest is only counted.
def many: 10;

# Reports of this type that Amazon makes in a day.
def quota: 96;

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

# Numbers, exactly: by their digits.

def grouped: gsub("(?<digit>[0-9])(?=([0-9]{3})+$)"; "\(.digit),");
def whole: if . < 0 then "-" + (-. | tostring | grouped) else tostring | grouped end;
def count($name): "\(whole) \($name)" + if . == 1 then "" else "s" end;

# As lib/market.c has them, by ISO 4217.
def decimals:
	. as $code
	| if "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF" | split(" ") | index([$code]) then 0
	  elif "BHD IQD JOD KWD LYD OMR TND" | split(" ") | index([$code]) then 3
	  else 2 end;

def money($currency):
	($currency | decimals) as $n
	| (if . < 0 then -. else . end | tostring | "000"[:[$n + 1 - length, 0] | max] + .) as $digits
	| (if . < 0 then "-" else "" end)
		+ ($digits[:($digits | length) - $n] | grouped)
		+ (if $n > 0 then "." + $digits[-$n:] else "" end)
		+ " \($currency | clean(10))";

def seconds:
	if . < 60 then "\(.) s"
	elif . < 3600 then "\(. / 60 | floor) min \(. % 60) s"
	else "\(. / 3600 | floor) h \(. % 3600 / 60 | floor) min" end;

# A time, with its day unless that is today.
def clock($today):
	(if .[:10] == $today then "" else .[:10] + " " end) + .[11:16] + " UTC";

# 0 and 141 are well, 75 comes again by itself; what is none of ours is a defect.
def refused: . == 77 or . == 78;
def bad: . != 0 and . != 141 and . != 75;

def meaning:
	{"64": "called wrongly", "65": "some records were bad", "70": "a defect",
	 "74": "output or disk failed", "76": "Amazon answered nonsense",
	 "77": "credentials refused", "78": "a setting is missing or invalid"}[tostring]
	// "ended with status \(.)";

def what_next:
	{"65": "the rest is loaded; the log has the lines",
	 "74": "make room, then run it again: nothing half-done is left",
	 "76": "the next run tries again; if it stays so, report it",
	 "77": "check SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN",
	 "78": "mend the environment or .env as it says"}[tostring]
	// "report it, with the log";

# The last lines of what a program said.
def last_words:
	(. // "") | tostring | split("\n") | map(select(test("[^[:space:]]"))) | .[-3:]
	| map(clean(200) | sub("^ +"; "") | sub(" +$"; "")) | join(" / ");

def day: "\(.marketplace // "?" | clean(10)) \(.date // "?" | clean(10))";

def sooner_than_never($today):
	if .not_before then ", not before \(.not_before | clock($today))" else "" end;

# Why a day is left.
def reason:
	{planned: (if .not_before then "quota" else "not begun" end), creating: "being asked for",
	 created: "asked for", ready: "ready at Amazon", not_ready: "Amazon has no data yet",
	 CANCELLED: "a second look is due", FATAL: "Amazon failed",
	 IN_QUEUE: "waiting, IN_QUEUE", IN_PROGRESS: "waiting, IN_PROGRESS"}[.status]
	// (.status | clean(20));

def left($today): "\(day) (\(reason)\(sooner_than_never($today)))";

def why: .error // "no reason given" | clean(300);

def failed_day($today):
	"\(day): "
	+ if .status == "FATAL"
	then "Amazon failed: \(why); tried again"
		+ (sooner_than_never($today) | if . == "" then " by the next run" else . end)
	else "given up\(if .attempts then " after " + (.attempts | count("attempt")) else "" end): \(why); "
		+ (.date | clean(10) | "ask for it again with SP_MIN_AGE=0 sales.sh --mode backfill --from \(.) --to \(.)") end;

def failed_part:
	"\(.marketplace // "the job" | clean(10)): \(.status | meaning)"
	+ (.said | last_words | if . == "" then "" else ": " + . end)
	+ "; " + (.status | what_next);

# A day as it stands: of a request that is done, and what is known of its rows.
def standing:
	[if .units_by_date != null or .units_by_asin != null then
		(.units_by_date // .units_by_asin | count("unit"))
		+ if .units_by_date != null and .units_by_asin != null and .units_by_date != .units_by_asin
			then " (\(.units_by_asin | whole) by ASIN)" else "" end
	 else empty end,
	 (.currency as $currency | .ordered_product_sales_cents // .sales_by_date_cents // .sales_by_asin_cents
		| if . == null or $currency == null then empty else money($currency) end),
	 (.asins // .rows_by_asin | if . == null then empty else count("ASIN") end),
	 if .status == "no_data" then "no data" else .state // empty | clean(20) | gsub("_"; " ") end]
	| if length == 0 then "done" else join(", ") end;

# A line, or a heading and a line each, of which some may only be counted.
def listed($head; $what):
	if length == 0 then empty
	elif length == 1 then "\($head): \(.[0])"
	else "\($head):", "- " + .[:many][],
		if length > many then "- and \(length - many | count($what)) more" else empty end
	end;

def standings:
	sort_by(.date) | reverse
	| (.[:many][] | "\(day): \(standing)"),
	  (.[many:] | if length == 0 then empty
		else "\(.[0].marketplace | clean(10)): and \(length | count("day")) more, "
			+ (map(.date | clean(10)) | "\(.[-1]) to \(.[0])") end);

def backlog:
	"backfill: \(length | count("day")) left, about \(length / quota * 10 | round / 10) days at \(quota) a day";

# Of the records, everything that the text says.

def collect:
	(map(select(.type == "runs")) | last // error("job-report: no runs record")) as $run
	| map(select(.type == "job_part")) as $parts
	| (reduce (.[] | select(.type == "report_requests")) as $r ({}; .[$r.request_id] = $r) | map(.)) as $requests
	| map(select(.type == "sales_freshness")) as $rows
	| def touched: .updated_at == null or $run.started_at == null or .updated_at >= $run.started_at;
	  def given_up: touched and (.status == "failed" or .status == "FATAL");
	  def done: .status == "DONE" or .status == "no_data";
	($requests | map(select(given_up))) as $lost
	| ($requests | map(select((done or .status == "failed" or given_up) | not))) as $left
	| {run: $run, today: (($run.finished_at // $run.started_at // "")[:10]), parts: $parts,
	   done: ($requests | map(select(done and touched))), lost: $lost, left: $left,
	   bad: ($parts | map(select(.status | bad))), later: ($parts | map(select(.status == 75)))}
	| if .bad == [] and ($run.status // 0 | bad) and ($parts | any(.status == $run.status) | not)
		then .bad = [{status: $run.status}] else . end
	# A day once, by the last of its pulls; and days that nobody pulled, if they have rows.
	| .days = (.done + $rows | group_by([.marketplace, .date])
		| map(select(any(.type == "report_requests" or .units_by_date != null or .units_by_asin != null))
			| (map(select(.type == "report_requests")) | sort_by(.attempts, .request_id) | last // {})
			+ (map(select(.type == "sales_freshness")) | last // {} | del(.status))))
	| .markets = (reduce ($parts, .days, .lost, .left)[].marketplace as $m ([];
		if $m == null or index([$m]) then . else . + [$m] end))
	| .failing = (.markets - (.markets - (.bad + .lost | map(.marketplace))))
	| .critical = ((.bad | any(.status | refused))
		or .done == [] and (($parts != [] and (.bad | length) == ($parts | length))
			or (.bad | any(.marketplace == null))
			or (.lost != [] and .left == [] and .failing == .markets)));

def cause:
	if any(.bad[]; .status == 77) then 77 | meaning
	elif any(.bad[]; .status == 78) then 78 | meaning
	else null end;

def verdict:
	(.failing | map(clean(10)) | join(", ")) as $names
	| (if .left != [] then ", \(.left | length | count("day")) left for the next run"
		elif .later != [] then ", the rest is left for the next run"
		else "" end) as $left
	| if .bad == [] and .lost == [] then
		if .done != [] then "all well\($left)"
		elif $left != "" then "nothing new\($left)"
		else "nothing to do" end
	  elif .critical and .done == [] then
		"failed: \(cause // (.bad | map(.status | meaning) | unique | if length == 1 then .[0] else null end)
			// if $names == "" then "the job" else $names end)"
	  else "partly failed: " + ([$names, cause] | map(select(. != null and . != ""))
		| if . == [] then "the job" else join(", ") end) end;

def title: "\(.run.job // "job" | clean(30)) \(.run.started_at // "" | .[:10]): \(verdict)";

def duration:
	if .run.started_at and .run.finished_at
	then "took \((.run.finished_at | fromdateiso8601) - (.run.started_at | fromdateiso8601) | seconds)"
	else empty end;

def days:
	. as $all | .markets[] as $m | $all.days | map(select(.marketplace == $m)) | standings;

def failures:
	.today as $today
	| (.bad | map(failed_part)) + (.lost | sort_by(.date) | reverse | map(failed_day($today)))
	| listed("failed"; "failure");

def rest:
	.today as $today
	| (.left | map(select(.status == "planned"))) as $planned
	| ($planned | length > many) as $backlog
	| (.later[] | (.said | last_words) as $said | select($said != "")
		| "\(.marketplace // "the job" | clean(10)) goes on with the next run: \($said)"),
	  (.left | map(select(($backlog and .status == "planned") | not)) | sort_by(.date) | reverse | map(left($today))
		| listed("left for the next run"; "day")),
	  (if $backlog then $planned | backlog else empty end),
	  duration;

def setting: $ENV[.] // "" | if . == "" then empty else . end;

def comment:
	if ("CLICKUP_TASK_ID" | [setting]) == [] then empty else
	{type: "clickup_comment", id: "job:\(.run.run_id):clickup", task_id: $ENV.CLICKUP_TASK_ID,
	 text: ([title, days, failures, rest] | join("\n") | cut(20000))} end;

# In a message, which may be cut, what failed comes first.
def message:
	if .bad == [] and .lost == [] then empty else
	first((if .critical then "SLACK_CHANNEL_ALERTS" else empty end),
		"SLACK_CHANNEL_LOGS", "SLACK_CHANNEL" | setting) as $channel
	| {type: "slack_message", id: "job:\(.run.run_id):slack", channel: $channel,
	   text: ([title, failures, days, rest] | join("\n") | cut(3000) | escape),
	   blocks: [
		{type: "header", text: {type: "plain_text", text: (title | cut(150)), emoji: false}},
		{type: "section", text: {type: "plain_text", text: ([failures, days, rest] | join("\n") | cut(2900)), emoji: false}}]} end;

[inputs] | collect | comment, message
