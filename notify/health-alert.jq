# health-alert.jq - services that went down or came back, to slack_message
#
#     … | jq -sc -L notify -f health-alert.jq | slack-post
#
# Reads: {"id":…,"state":"down|up|was","service":…,"down_since":…,"up_since":…,
# "failures":…,"detail":…}, where `was` is down and up of which nobody was told in
# time; and `also`, a list of other things that are not well.
#
# Those of a channel at one time are one message: SLACK_CHANNEL_ALERTS has what
# endangers data, SLACK_CHANNEL_LOGS the rest; where those are not set, SLACK_CHANNEL.
# Each has a record of `notifications`, by its own id.
#
# What a service said is other people's text: plain_text, a line, cut.
include "health-words";

def plain: {type: "plain_text", text: ., emoji: false};
def escape: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");

# Sections, before the rest is only counted.
def many: 10;

def setting: $ENV[.] // "" | if . == "" then empty else . end;

def channel:
	first((if .service | critical then "SLACK_CHANNEL_ALERTS" else "SLACK_CHANNEL_LOGS" end), "SLACK_CHANNEL" | setting)
	// null;

def heading:
	(map(select(.state == "down") | .service | name)) as $down
	| (map(select(.state != "down") | .service | name)) as $up
	| [(if $down == [] then empty else "down: \($down | join(", "))" end),
	   (if $up == [] then empty else "well again: \($up | join(", "))" end)]
	| join("; ") | (if $down == [] then "✅ " else "⚠️ " end) + .;

def section:
	[sentence, (if .state == "down" then "What to do: \(hint)" else empty end),
	 (.also // [] | if . == [] then empty else "Also not well: " + (map(words) | join("; ")) end)]
	| join("\n") | cut(1200);

def noted($channel):
	{type: "notifications", notification_id: .id, sink: "slack", target: $channel, state: "sent",
	 sent_at: (now | todate)};

def message:
	(.[0] | channel) as $channel
	| {type: "slack_message", id: .[0].id}
	+ (if $channel then {$channel} else {} end)
	+ {text: (map(sentence) | .[:many] | join("\n") | cut(3000) | escape),
	   blocks: ([{type: "header", text: (heading | cut(150) | plain | .emoji = true)}]
		+ (.[:many] | map({type: "section", text: (section | plain)}))
		+ (if length > many then [{type: "section", text: ("and \(length - many) more" | plain)}] else [] end)),
	   on_sent: (.[1:] | map(noted($channel)))};

group_by(channel)[] | sort_by(.state != "down", .down_since, .service) | message
