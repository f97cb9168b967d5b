#!/usr/bin/env bats
# shellcheck disable=SC2154 # top, sim: from helper.bash; stderr: from bats
# track.sh: what is tracked.
load helper

setup() {
	clean_room
}

tracked() {
	db-query tracked_asins --order marketplace,asin |
		jq -c '[.marketplace, .asin, .priority, .monitoring_frequency, .is_active, .role, .label]'
}

@test "ASINs are added with what is said of them, and with defaults" {
	run -0 --separate-stderr track.sh add b0sim00001 B0SIM00002 --marketplace CA --priority 1 --every 30 \
		--role competitor --label 'The "Kettle"'
	assert_equal "$output$stderr" ''
	track.sh add B0SIM00003
	run -0 tracked
	assert_output '["CA","B0SIM00001",1,30,true,"competitor","The \"Kettle\""]
["CA","B0SIM00002",1,30,true,"competitor","The \"Kettle\""]
["US","B0SIM00003",5,60,true,"own",null]'
}

@test "to add what is there changes just what is named" {
	track.sh add B0SIM00001 --priority 1 --label x
	track.sh add B0SIM00001 --every 15
	run -0 tracked
	assert_output '["US","B0SIM00001",1,15,true,"own","x"]'
}

@test "what is removed is looked at no more, keeps its history, and can come back" {
	track.sh add B0SIM00001 B0SIM00002
	track.sh remove B0SIM00001
	run -0 bash -c 'db-query due_asins | jq -r .asin'
	assert_output B0SIM00002
	track.sh add B0SIM00001
	run -0 bash -c 'db-query due_asins | jq -r .asin'
	assert_output "B0SIM00001
B0SIM00002"
}

@test "to remove what is not tracked adds nothing" {
	track.sh remove B0SIM00009
	run -0 tracked
	assert_output ''
}

@test "a file of ASINs as a spreadsheet leaves it" {
	printf '\xef\xbb\xbf# ours\r\nb0sim00001;Kettle\r\n"B0SIM00002","Tin"\r\n\r\n  B0SIM00003  # the third\n' >asins.csv
	run -0 track.sh add --file asins.csv B0SIM00004
	run -0 bash -c 'db-query tracked_asins | jq -r .asin'
	assert_output "B0SIM00001
B0SIM00002
B0SIM00003
B0SIM00004"
	track.sh remove --file asins.csv
	run -0 bash -c 'db-query due_asins | jq -r .asin'
	assert_output B0SIM00004
}

@test "a table for people, with nothing in it that a terminal would obey" {
	track.sh add B0SIM00001
	printf '%s\n' '{"type":"asin_current_state","marketplace":"US","asin":"B0SIM00001","status":"ok","last_updated":"2026-11-20T08:00:00Z","product_title":"a\u001b]0;x\u0007b\u202ec"}' | db-load
	run -0 track.sh list
	assert_output 'market  asin        priority  every  status      last look             title
US      B0SIM00001  5         60     ok          2026-11-20T08:00:00Z  a]0;xbc'
}

@test "what is no ASIN is refused, with all that came with it" {
	run track.sh add B0SIM00001 B0SHORT
	assert_equal "$status" 64
	assert_output 'track.sh: not an ASIN: B0SHORT; see --help'
	run -78 db-query tracked_asins
}

@test "values that the schema refuses are refused, with 65" {
	run track.sh add B0SIM00001 --priority 0
	assert_equal "$status" 65
	assert_output --partial 'CHECK constraint failed'
	run track.sh add B0SIM00001 --marketplace usa
	assert_equal "$status" 65
}

@test "wrong usage is 64" {
	for arguments in 'add' 'add --every' 'add B0SIM00001 --every soon' 'add --sideways x' 'frobnicate B0SIM00001'; do
		# shellcheck disable=SC2086 # several
		run track.sh $arguments
		assert_equal "$arguments: $status" "$arguments: 64"
	done
	run -0 track.sh --help
	assert_line --index 0 --partial 'track.sh - which ASINs'
}
