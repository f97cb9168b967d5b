#!/usr/bin/env bats
# Where settings come from: the environment, files that it names, and .env.
#
# keepa-fetch --check asks Keepa with the key that it found, and the simulator
# says which one that was.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	start_sim
	unset KEEPA_API_KEY
	umask 077
}

teardown() {
	stop_sim
}

# key: the one that Keepa is asked with, as JSON; or what keepa-fetch says.
key() {
	curl -sS -X DELETE "$sim/_sim/requests"
	run --separate-stderr keepa-fetch --check
	if [ -n "$stderr" ]; then
		echo "$status $stderr"
	fi
	requests keepa .query.key
}

# Each line: a line of .env; the value.
@test ".env: what a line says" {
	local line expected
	while IFS='~' read -r line expected; do
		printf '%b\n' "$line" >.env
		assert_equal "$line -> $(key)" "$line -> $expected"
	done <<'!'
KEEPA_API_KEY=plain~"plain"
  KEEPA_API_KEY = around ~"around"
export KEEPA_API_KEY=exported~"exported"
export   KEEPA_API_KEY="exported too"~"exported too"
KEEPA_API_KEY=windows\r~"windows"
KEEPA_API_KEY="windows"\r~"windows"
\xef\xbb\xbfKEEPA_API_KEY=marked~"marked"
KEEPA_API_KEY=has#hash~"has#hash"
KEEPA_API_KEY=#hash~"#hash"
KEEPA_API_KEY=value # comment~"value"
KEEPA_API_KEY=value\t#comment~"value"
KEEPA_API_KEY="value" # comment~"value"
KEEPA_API_KEY='value'# comment~"value"
KEEPA_API_KEY="has # hash"~"has # hash"
KEEPA_API_KEY=a=b==~"a=b=="
KEEPA_API_KEY=two words~"two words"
KEEPA_API_KEY='single "quoted" \\n $HOME'~"single \"quoted\" \\n $HOME"
KEEPA_API_KEY="double 'quoted' \\"x\\" \\\\ \\n."~"double 'quoted' \"x\" \\ \n."
KEEPA_API_KEY=$HOME`id`$(id)~"$HOME`id`$(id)"
KEEPA_API_KEY="$HOME `id` $(id)"~"$HOME `id` $(id)"
KEEPA_API_KEY=a"b~"a\"b"
KEEPA_API_KEY={"json":[1,2]}~"{\"json\":[1,2]}"
KEEPA_API_KEY=first\nKEEPA_API_KEY=last~"last"
# comment\n\n   # KEEPA_API_KEY=no\n\t\nKEEPA_API_KEY=after~"after"
MY_KEEPA_API_KEY=no\nKEEPA_API_KEY2=no\nKEEPA_API_KEY=exactly~"exactly"
!
}

@test ".env: a last line without a newline is one" {
	printf 'KEEPA_API_KEY=unended' >.env
	assert_equal "$(key)" '"unended"'
}

@test ".env: a comment in place of a value is no value" {
	printf 'KEEPA_API_KEY=   # your key goes here\n' >.env
	assert_regex "$(key)" '^78 keepa-fetch: KEEPA_API_KEY is not set: '
	printf 'KEEPA_API_KEY=\t#\n' >.env
	assert_regex "$(key)" '^78 keepa-fetch: KEEPA_API_KEY is not set: '
}

@test "the environment comes before .env, and its file before both of .env" {
	echo one >one
	echo two >two
	printf 'KEEPA_API_KEY=from .env\nKEEPA_API_KEY_FILE=two\n' >.env
	assert_equal "$(key)" '"from .env"'
	assert_equal "$(KEEPA_API_KEY_FILE=one key)" '"one"'
	assert_equal "$(KEEPA_API_KEY=given KEEPA_API_KEY_FILE=one key)" '"given"'
	printf 'KEEPA_API_KEY_FILE=two\n' >.env
	assert_equal "$(key)" '"two"'
	assert_equal "$(KEEPA_API_KEY=given key)" '"given"'
}

@test "an empty value counts as none, wherever it stands" {
	echo one >one
	printf 'KEEPA_API_KEY=from .env\n' >.env
	assert_equal "$(KEEPA_API_KEY='' key)" '"from .env"'
	assert_equal "$(KEEPA_API_KEY='' KEEPA_API_KEY_FILE=one key)" '"one"'
	assert_equal "$(KEEPA_API_KEY_FILE='' key)" '"from .env"'
	printf 'KEEPA_API_KEY=\nKEEPA_API_KEY_FILE=one\n' >.env
	assert_equal "$(key)" '"one"'
	printf 'KEEPA_API_KEY=""\nKEEPA_API_KEY_FILE=\n' >.env
	assert_regex "$(KEEPA_API_KEY='' key)" '^78 keepa-fetch: KEEPA_API_KEY is not set: '
	: >one
	printf '\n' >two
	assert_equal "$(KEEPA_API_KEY_FILE=one key)" "78 keepa-fetch: KEEPA_API_KEY_FILE: 'one' is empty"
	assert_regex "$(KEEPA_API_KEY_FILE=two key)" '^78 keepa-fetch: KEEPA_API_KEY is not set: '
}

@test "a file that NAME_FILE names gives its first line, and must be there" {
	printf 'first line=#"x"\r\nsecond\n' >secret
	assert_equal "$(KEEPA_API_KEY_FILE=secret key)" '"first line=#\"x\""'
	printf 'unended' >secret
	assert_equal "$(KEEPA_API_KEY_FILE=$PWD/secret key)" '"unended"'
	assert_equal "$(KEEPA_API_KEY_FILE=nowhere key)" "78 keepa-fetch: KEEPA_API_KEY_FILE: cannot open 'nowhere': No such file or directory"
}

@test ".env that others can read: 78, nothing is sent, and it says what to do" {
	printf 'KEEPA_API_KEY=canary\nSLACK_BOT_TOKEN=canary\n' >.env
	local mode
	for mode in 644 640 620 610 604 601 666; do
		chmod "$mode" .env
		assert_equal "$mode: $(key)" "$mode: 78 keepa-fetch: others can read '.env', which holds secrets; run: chmod 600 .env"
		unset SLACK_BOT_TOKEN
		run --separate-stderr slack-post <<<'{"type":"slack_message","id":"a","text":"b"}'
		assert_equal "$status" 78
		assert_output ''
		assert_equal "$stderr" "slack-post: others can read '.env', which holds secrets; run: chmod 600 .env"
	done
	assert_equal "$(control requests)" ''
	for mode in 600 400; do
		chmod "$mode" .env
		assert_equal "$mode: $(key)" "$mode: \"canary\""
	done
}

@test ".env that others can read is refused even where nothing of it is needed" {
	printf 'X=y\n' >.env
	chmod 644 .env
	assert_regex "$(KEEPA_API_KEY=given key)" "^78 keepa-fetch: others can read '.env'"
}

@test ".env that belongs to somebody else: 78, nothing is sent" {
	printf 'KEEPA_API_KEY=canary\n' >.env
	chown 65534 .env 2>/dev/null || skip "only root can give a file away"
	assert_equal "$(key)" "78 keepa-fetch: '.env' belongs to somebody else"
}

# Each line: a line of .env that is none.
@test "a bad line of .env is named by its number, and not shown: 78" {
	local line
	while read -r line; do
		printf 'X=y\n\n%s\nKEEPA_API_KEY=good\n' "$line" >.env
		assert_equal "$line: $(key)" "$line: 78 keepa-fetch: .env:3: not of the form NAME=value"
	done <<'!'
canary
KEEPA_API_KEY canary
KEEPA_API_KEY: canary
=canary
KEEPA-API-KEY=canary
export
export canary
KEEPA_API_KEY="canary
KEEPA_API_KEY='canary
KEEPA_API_KEY="canary\"
KEEPA_API_KEY="canary"canary
KEEPA_API_KEY='canary' canary
set -e; KEEPA_API_KEY=canary
É=canary
!
}

@test ".env that cannot be read is told: 78" {
	mkdir -m 700 .env
	assert_equal "$(key)" "78 keepa-fetch: cannot read '.env': Is a directory"
	rmdir .env
	ln -s .env .env
	assert_regex "$(key)" "^78 keepa-fetch: cannot read '.env': "
}

@test ".env is that of the current folder, and of no other" {
	printf 'KEEPA_API_KEY=here\n' >.env
	mkdir elsewhere
	cd elsewhere
	assert_regex "$(key)" '^78 keepa-fetch: KEEPA_API_KEY is not set: '
}
