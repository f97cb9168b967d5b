#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, pg_url: from helper.bash; stderr: from bats
# README.md's recipe for another database, as it is written there.
load helper

setup_file() {
	! lacks postgres || return 0
	start_postgres
}

teardown_file() {
	[ -z "${pg_dir:-}" ] || stop_postgres
}

setup() {
	skip_lacking
	clean_room
	unset DATABASE_URL
	new_database
	python3 "$top/tests/fixtures/everything.py" 2 | db-load
	sed -n '/^\*\*To move\*\*/,/^[^ *]/s/^    //p' "$top/README.md" >recipe
	grep -q 'db-query -d' recipe
	echo "DATABASE_URL=$pg_url" >.env
	chmod 600 .env
}

rows() { # rows URL
	db-query -d "$1" --list | jq -r 'select(.kind == "table").name' | while read -r table; do
		echo "$table $(db-query -d "$1" "$table" | jq -cS . | sort | cksum)"
	done | grep -vE '^(column_kinds|sellerpipe_schema|leases|.*_[0-9]{4}_[0-9]{2}) '
}

@test "it moves all that there is, and says so" {
	run -0 --separate-stderr bash recipe
	assert_output moved
	assert_equal "$stderr" ''
	rows amazon.db >old
	[ "$(wc -l <old)" -gt 10 ]
	diff old <(rows "$pg_url")
}

@test "a move that breaks off says so, and not that it is done" {
	mkdir bin
	for fails in --list tracked_asins bestseller_changes; do
		cat >bin/db-query <<-!
			#!/bin/bash
			[[ " \$* " != *" $fails "* ]] || exit 74
			exec $(command -v db-query) "\$@"
		!
		chmod +x bin/db-query
		PATH=$PWD/bin:$PATH run bash recipe
		assert_equal "$fails $status" "$fails 74"
		refute_output --partial moved
	done
}
