# slack-text.jq - slack_message records as a person would see them, for a terminal
#
#     db-query unsent_changes | jq -sc -f badge-alert.jq | jq -r -f slack-text.jq

# Nothing that a terminal would obey.
def visible: explode | map(if . == 10 or (. >= 32 and (. < 127 or . > 159)) then . else 63 end) | implode;

def field: .text | split("\n") | "\(.[0]): \(.[1:] | join(" "))";

def block:
	if .type == "header" then "┌ \(.text.text)"
	elif .type == "section" then
		(if .text then .text.text | split("\n") | map("│ " + .) | join("\n") else empty end),
		(.fields // [] | map("│ " + field) | if length > 0 then join("\n") else empty end),
		(if .accessory then "│ [picture: \(.accessory.image_url)]" else empty end)
	elif .type == "actions" then "└ " + (.elements | map("[\(.text.text)](\(.url))") | join("  "))
	else empty end;

select(.type == "slack_message") | (.blocks | map(block) | join("\n") | visible), ""
