# status.jq - how it goes, as one record or for a terminal
#
#     … | jq -nr --argjson json false --argjson colour false -f status.jq
#
# Reads what pipelines/status.sh gathers: rows of tables and views, and a few
# records of its own.  What others wrote is one line, without control and bidi
# characters.

def cut($max): if length > $max then .[:$max - 1] + "…" else . end;

# Text of others as one line that shows what it is.
def clean($max):
	tostring | explode
	| map(if . == 9 or . == 10 or . == 13 then 32 else . end
		| select(. >= 32 and (. < 127 or . > 159)
			and (. < 8203 or . > 8207) and (. < 8232 or . > 8238)
			and (. < 8288 or . > 8303) and . != 65279 and . != 1564))
	| implode | cut($max);

def grouped: tostring | gsub("(?<digit>[0-9])(?=([0-9]{3})+$)"; "\(.digit),");
def count($name): "\(grouped) \($name)" + if . == 1 then "" else "s" end;
def time: .[0:10] + " " + .[11:19];
def pad($n): . + ($n - length | if . > 0 then " " * . else "" end);

def seconds:
	if . < 60 then "\(.) s"
	elif . < 3600 then "\(. / 60 | floor) min \(. % 60) s"
	elif . < 172800 then "\(. / 3600 | floor) h \(. % 3600 / 60 | floor) min"
	else "\(. / 86400 | floor) days" end;

def size:
	if . < 1000 then "\(.) bytes"
	else first((1000, 1000000, 1000000000, 1000000000000) as $unit | select(. < $unit * 1000 or $unit == 1000000000000)
		| "\(. / $unit * 10 | round / 10) \({"1000": "kB", "1000000": "MB", "1000000000": "GB", "1000000000000": "TB"}[$unit | tostring])") end;

def meaning:
	if . > 128 then "ended by a signal"
	else {"0": "ok", "64": "called wrongly", "65": "some records were bad", "70": "a defect",
		"74": "output or disk failed", "75": "to be run again", "76": "the other side answered nonsense",
		"77": "credentials refused", "78": "a setting is missing or wrong"}[tostring]
		// "ended with status \(.)" end;

# The record.

def job($running):
	.job as $job
	| {job: (.job | clean(30)), started_at, finished_at, seconds, status,
	   meaning: (if .finished_at then (if .status == null then "ended" else .status | meaning end)
		elif any($running[]; .job == $job) then "running" else "killed" end),
	   failed: (.stages // {} | with_entries(select(.value != 0 and .value != 141) | .key |= clean(30))),
	   records, error: (if .error then .error | clean(300) else null end), last_good_at};

# When what is tracked is due next: nine tenths of its interval after its last look.
def next_look:
	map(select(.due | not) | (.last_updated | fromdate) + .monitoring_frequency * 54) | min
	| if . then todate else null end;

def next_summary($at):
	($at | fromdate) as $now | ($now - ($now % 86400) + 28800)
	| if . <= $now then . + 86400 else . end | todate;

def status:
	(.about[0]) as $about | .running as $running | .database[0] as $db
	| ($db.problem == "") as $readable
	| def known(f): if $readable then f else null end;
	{type: "status", at: $about.at, home: $about.home,
	 database: {file: $db.file, bytes: $db.bytes, problem: (if $readable then null else $db.problem | clean(300) end),
		rows: known(.row_counts | map({key: .name, value: .rows}) | from_entries)},
	 jobs: [.job_status[] | job($running)],
	 running: [$running[] | del(.type)],
	 next: {badges: known({tracked: (.watchlist | length), due: (.watchlist | map(select(.due)) | length),
			next_at: (.watchlist | next_look)}),
		sales: known({open: (.open | length),
			next_at: (.open | map(.not_before // $about.at) | min)}),
		summary: next_summary($about.at),
		timers: [.timer[] | del(.type)]},
	 waiting: {alerts: known(.unsent_changes | length), summaries: known(.unsent_summaries | length),
		reports: .spool[0].reports, parts: .spool[0].parts},
	 keepa: known({tokens_today: (.usage | map(.tokens_consumed | values) | add),
		requests_today: (.usage | map(.requests | values) | add)}
		+ (.tokens[0] // {} | {tokens_left: .tokens_left, refill_rate: .refill_rate, as_of: .processing_completed_at})),
	 amazon: known({reports_24h: (.asked | length), of: .limits[0].per_day}),
	 spool: {bytes: .spool[0].bytes},
	 backups: (.backups[0] | {files, bytes, newest_at: (if .newest then .newest | floor | todate else null end)}),
	 disk: {free: .disk[0].free}};

# The text.

def paint($code): if $colour then "\u001b[\($code)m\(.)\u001b[0m" else . end;

def painted($job):
	if $job.meaning == "ok" or $job.meaning == "running" then paint("32")
	elif $job.status == 75 then paint("33") else paint("31") end;

def head: paint("1");
def row($name; $text): "  \($name | pad(10)) \($text)";

def job_lines:
	. as $job
	| row(.job; "\(.meaning | pad(14) | painted($job)) \(.started_at | time)"
		+ (if .seconds then ", \(.seconds | seconds)" else "" end)
		+ (if .records then ", \(.records | grouped) done" else "" end)
		+ (if .status == 0 or .last_good_at == null then "" else "; last well \(.last_good_at | time)" end)),
	  (if .meaning == "ok" then empty else
		(.failed | to_entries | map("\(.key) \(.value)") | join(", ") | select(. != "") | row(""; .)),
		(.error | values | select(. != "") | row(""; .)) end);

def job_part:
	("jobs" | head),
	(if .jobs == [] then row("none"; "has run yet") else .jobs[] | job_lines end),
	("running now" | head),
	(if .running == [] then "  nothing" else .running[] | row(.job; "since \(.since | time), pid \(.pid)") end);

def next_part:
	("next" | head),
	(.next.badges | values | row("badges"; "\(.due | grouped) of \(.tracked | count("ASIN")) due now"
		+ (if .next_at then ", the next at \(.next_at | time)" else "" end))),
	(.next.sales | values | row("sales"; "\(.open | count("open request"))"
		+ (if .next_at then ", the next from \(.next_at | time) on" else "" end))),
	row("summary"; .next.summary | time),
	(.next.timers[] | row("timer"; "\(.timer | clean(30)) \(.next_at | time)"));

def waiting_part:
	("waiting" | head),
	([(.waiting.alerts | values | count("alert")), (.waiting.reports | count("report")),
	  (.waiting.summaries | values | if . == 1 then "1 summary" else "\(.) summaries" end)]
		| row("to be sent"; join(", "))),
	(if .waiting.parts > 0 then row("to be read"; .waiting.parts | count("stream of a run that is not done")) else empty end);

def quota_part:
	if .keepa == null then empty else
	("quota" | head),
	(.keepa | row("keepa"; (if .tokens_today then .tokens_today | count("token") else "no tokens" end) + " today"
		+ (if .as_of then ", \(.tokens_left | grouped) left at \(.as_of | time)"
			+ (if .refill_rate then ", \(.refill_rate | grouped) more a minute" else "" end) else "" end))),
	(.amazon | row("amazon"; "\(.reports_24h | grouped) of \(.of | count("report")) in 24 hours")) end;

def disk_part:
	(.at | fromdate) as $now
	| ("disk" | head),
	row("database"; .database | if .problem then .problem | paint("31") elif .bytes then .bytes | size else .file end),
	(.database.rows // {} | to_entries[] | select(.value > 0) | row(""; "\(.key | pad(20)) \(.value | grouped)")),
	row("spool"; .spool.bytes | size),
	(.backups | row("backups"; if .files == 0 then "none" else "\(.files), \(.bytes | size)"
		+ (if .newest_at then ", the newest \($now - (.newest_at | fromdate) | [., 0] | max | seconds) old" else "" end) end)),
	(.disk.free | values | row("free"; size));

[inputs] | group_by(.type) | map({key: .[0].type, value: .}) | from_entries
| {running: [], row_counts: [], job_status: [], watchlist: [], open: [], timer: [],
	unsent_changes: [], unsent_summaries: [], usage: [], asked: [], tokens: []} + .
| status
| if $json then tojson else "\(.at | time) UTC, \(.home | clean(200))", job_part, next_part, waiting_part, quota_part, disk_part end
