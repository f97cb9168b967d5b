#!/usr/bin/env bats
# README.md here says which test shows what of which fault; this, that it is so.
# shellcheck disable=SC2154 # top: from helper.bash
load ../helper

setup() {
	clean_room
}

@test "each fault from 1 to 40 is in the table, with tests that are there, or a word why not" {
	local n file name
	awk -F ' *[|] *' '/^[|] [0-9]+ [|]/ { print $2 "|" $4 "|" $5 }' "$top/tests/faults/README.md" >table
	assert_equal "$(cut -d '|' -f 1 table | sort -nu | paste -sd' ')" "$(seq -s ' ' 40)"
	while IFS='|' read -r n file name; do
		if [ "$file" = – ]; then
			[ -n "$name" ] || fail "fault $n: no word why there is no test"
			continue
		fi
		[ -e "$top/tests/$file" ] || fail "fault $n: there is no tests/$file"
		grep -qxF "@test \"$name\" {" "$top/tests/$file" || fail "fault $n: tests/$file has no test '$name'"
	done <table
}
