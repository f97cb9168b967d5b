# health-words.jq - what health-alert.jq, health.sh and doctor.sh have in common:
# how they name a service, and what they advise
#
#     include "health-words";     # jq -L notify

def cut($max): if length > $max then .[:$max - 1] + "…" else . end;

# Text of others as one line that shows what it is.
def clean($max):
	tostring | explode
	| map(if . == 9 or . == 10 or . == 13 then 32 else . end
		| select(. >= 32 and (. < 127 or . > 159)
			and (. < 8203 or . > 8207) and (. < 8232 or . > 8238)
			and (. < 8288 or . > 8303) and . != 65279 and . != 1564))
	| implode | sub("^ +"; "") | sub(" +$"; "") | cut($max);

# The programs hide what they know to be secret; this, what only looks like it.
def hidden:
	gsub("(xox[a-z]-|xapp-|pk_|sb_secret_|Atz[ar][|]|amzn1[.]oa2-cs[.])[^ \"',;]+"; "***")
	| gsub("(?<k>[?&](key|token)=)[^& ]+"; "\(.k)***")
	| gsub("://[^/@ ]+@"; "://***@");

def words: . // "" | clean(2000) | hidden | cut(300);

def time: .[0:10] + " " + .[11:16] + " UTC";

def long:
	if . < 60 then "\(.) s"
	elif . < 3600 then "\(. / 60 | floor) min"
	elif . < 172800 then "\(. / 3600 | floor) h" + (. % 3600 / 60 | floor | if . > 0 then " \(.) min" else "" end)
	else "\(. / 86400 | floor) days" end;

def seconds($until): ($until | fromdateiso8601) - fromdateiso8601;

def name:
	{database: "the database", disk: "disk space", keepa: "Keepa", slack: "Slack", "sp-api": "Amazon's SP-API",
	 clickup: "ClickUp", clock: "the clock", "data:badges": "the data of badges"}[.]
	// (clean(60) | sub("^job:"; "job "));

# Whether more than convenience is at stake: data, or money.
def critical:
	IN("database", "disk", "clock", "keepa", "sp-api", "job:badges", "job:sales", "job:backup");

# What to do, of {service, detail}.
def hint:
	.service as $service | (.detail // "") as $said
	| def says($what): $said | test($what; "i");
	  def page: {keepa: "https://keepa.com/#!api", slack: "https://slack-status.com",
		"sp-api": "https://sellercentral.amazon.com (Apps and Services, Develop Apps)",
		clickup: "https://status.clickup.com"}[$service];
	if says("^.?[.]env[\u0027:]") or says("others can read") then "mend .env as it says; it is to be ours alone: chmod 600 .env"
	elif says(" is not set") then "put it into .env; .env.example says where to get it"
	elif $service == "keepa" then
		if says("HTTP status 40[0-3]|payment|key") then "Keepa refuses KEEPA_API_KEY: see whether the plan is paid for, and what its key is, at https://keepa.com/#!api; then keepa-fetch --check"
		elif says("not the answer expected") then "what answers there is not Keepa: look at KEEPA_API_URL and proxies"
		else "it goes on by itself once Keepa answers; if others reach https://keepa.com, look at our network" end
	elif $service == "slack" then
		if says("invalid_auth|not_authed|account_inactive|token_revoked|token_expired|HTTP status 40[13]") then "Slack refuses SLACK_BOT_TOKEN: take a new one from https://api.slack.com/apps, OAuth & Permissions; then slack-post --check"
		elif says("missing_scope|scope") then "add the scope chat:write to the app (and channels:history), at https://api.slack.com/apps, OAuth & Permissions, and install it again"
		elif says("not Slack") then "what answers there is not Slack: look at SLACK_API_URL and proxies"
		else "it goes on by itself once Slack answers: https://slack-status.com" end
	elif $service == "sp-api" then
		if says("invalid_client|180 days|secret") then "renew the client secret in the developer console, and set SP_API_CLIENT_SECRET and SP_API_SECRET_DATE"
		elif says("invalid_grant|refresh") then "authorize the app for your seller account once more, and set SP_API_REFRESH_TOKEN"
		elif says("Brand Analytics|403") then "the app needs the role Brand Analytics, and has to be authorized once more after it was added: \(page)"
		elif says("40[01]|unauthorized|refuse") then "look at SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN: \(page)"
		else "it goes on by itself once Amazon answers; the days stay in the ledger" end
	elif $service == "clickup" then
		if says("401|OAUTH|token") then "ClickUp refuses CLICKUP_API_TOKEN: take a new one from ClickUp, Settings, Apps; then clickup-post --check"
		else "it goes on by itself once ClickUp answers: \(page)" end
	elif $service == "database" then
		if says("full|no space") then "make room; nothing half-done is left, and the next run goes on"
		elif says("disk I/O") then "the disk is full or failing: see df and dmesg"
		elif says("restore|malformed|not a database") then "the file is damaged: pipelines/restore.sh brings the last backup back"
		elif says("somebody else") then "name another file in DATABASE_URL"
		elif says("newer") then "an older sellerpipe is installed than the one that wrote it: install the newer one"
		elif says("busy|locked|longer than") then "something holds it for long: see what runs (pipelines/status.sh), and end it"
		elif says("no such file|init makes one") then "pipelines/track.sh add ASIN makes one; or DATABASE_URL names the wrong file"
		else "look at who owns the file and its folder, and at DATABASE_URL" end
	elif $service == "disk" then "make room: pipelines/prune.sh, old files of spool/ and backups/; HEALTH_DISK_MB sets the limit"
	elif $service == "clock" then "set the clock (is NTP on?); rows that were written ahead of time hide newer ones: remove them once the clock is right"
	elif $service == "data:badges" then "more tokens or less to look at: a bigger plan of Keepa's, or track.sh add ASIN --every 120"
	elif ($service | startswith("job:")) then
		($service[4:] | clean(30)) as $job
		| (if says("status 77") then "a key or token is refused: see the log"
			elif says("status 78") then "a setting is missing or wrong: see the log"
			elif says("status 74") then "the disk or the database fails: see the log"
			else "see whether anything starts it (systemctl list-timers, crontab -l), and the log" end)
			+ ", logs/\($job).log; or it is not wanted any more: HEALTH_\($job | ascii_upcase | gsub("-"; "_"))_HOURS=0"
	else "see logs/health.log" end;

# A change of state as a sentence or two: {state, service, down_since, up_since,
# failures, detail}.
def sentence:
	(.service | name) as $name | (.detail | words) as $said
	| (if .state == "down" then
		"\($name): down since \(.down_since | time), \(.failures) checks in a row"
	  elif .state == "up" then
		"\($name): well again since \(.up_since | time), after \(.up_since as $up | .down_since | seconds($up) | long)"
	  else
		"\($name): was down from \(.down_since | time) to \(.up_since | time), \(.up_since as $up | .down_since | seconds($up) | long); well again"
	  end)
	+ (if $said == "" then "" elif .state == "down" then ": \($said)" else "; it had said: \($said)" end);
