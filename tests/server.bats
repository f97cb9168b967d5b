#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2154 # tests are subshells; pg_url, sim: from helper.bash; stderr: from bats
# The scripts where the database is a server's: what is another with it than with a file.
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
	new_database
	export DATABASE_URL=$pg_url
}

teardown() {
	stop_sim
}

# All that a database has, sorted.
all() { # all URL
	(
		export DATABASE_URL=$1
		for table in tracked_asins asin_current_state asin_history rank_history categories bestseller_changes \
			notifications api_usage_log report_requests sales_daily sales_daily_totals sales_restatements; do
			db-query "$table" | jq -cS . | sort
		done
	)
}

some_history() {
	start_sim
	track.sh add B0SIM00001 B0SIM00002 B0SIM00012
	badges.sh
	next_second
	control keepa/rank '{"asin":"B0SIM00001","category":"202611200011","rank":2}' >/dev/null
	badges.sh --all
	SP_ASK_MS=60 sales.sh --lookback 1 --marketplaces US
}

@test "a backup is all rows as records, and restores into a server's database or a file" {
	some_history
	all "$pg_url" >before
	[ -s before ]
	run -0 --separate-stderr backup.sh
	assert_equal "$output$stderr" ''
	run -0 backup.sh --list
	assert_output --regexp '^ *[0-9]+  backups/amazon-[0-9T]+Z\.ndjson\.gz$'
	run -0 bash -c 'zcat backups/*.gz | jq -r .type | sort -u | grep -E "^(leases|claimable|column_kinds|sellerpipe_schema|.*_20[0-9]{2}_[0-9]{2})$"; jq -c ".rows | [.tracked_asins, .bestseller_changes]" backups/newest.json'
	assert_output '[3,1]'

	new_database
	export DATABASE_URL=$pg_url
	db-load --init </dev/null
	run -0 restore.sh
	assert_output --partial 'restored from backups/amazon-'
	diff before <(all "$pg_url")
	assert_equal "$(db-query unsent_changes)" ''

	export DATABASE_URL=sqlite:$PWD/file.db
	run -0 restore.sh
	diff before <(all sqlite:file.db)
}

@test "a file's backup restores into a server's database; what is newer there stays" {
	export DATABASE_URL=sqlite:$PWD/file.db
	some_history
	track.sh add B0OTHER001 --label before
	next_second
	control keepa/rank '{"asin":"B0SIM00012","category":"202611200011","rank":1}' >/dev/null
	SLACK_BOT_TOKEN=xoxb-revoked run -77 badges.sh --all
	waits=$(db-query unsent_changes | jq -r .change_id)
	echo '{"type":"notifications","notification_id":"n1","sink":"slack","state":"failed","error":"not_in_channel"}
		{"type":"runs","run_id":"health-1","job":"health","started_at":"2026-11-01T08:00:00Z"}
		{"type":"velocity_windows","op":"update","days":60,"weight":0.25}
		{"type":"velocity_windows","op":"update","days":90,"weight":0.25}
		{"type":"marketplaces","op":"update","marketplace":"SE","keepa_domain":99}
		{"type":"marketplaces","op":"update","marketplace":"PL","keepa_domain":98}' | db-load
	all "$DATABASE_URL" >before
	backup.sh
	export DATABASE_URL=$pg_url
	db-load --init </dev/null
	echo '{"type":"tracked_asins","marketplace":"US","asin":"B0NEWER001"}' | db-load
	run -0 restore.sh --dry-run
	assert_line --regexp '^now +postgresql://[^@]*: all this would be loaded into it; what is newer there stays$'
	assert_equal "$(db-query asin_history)" ''
	run -0 restore.sh
	diff before <(all "$pg_url" | grep -v B0NEWER001)
	assert_equal "$(db-query tracked_asins | wc -l)" 5
	assert_equal "$(db-query velocity_windows days=90 | jq .weight) $(db-query marketplaces marketplace=SE | jq .keepa_domain)" '0.25 99'

	# Other machines go on: what they have told, run and changed is not in our backup or spool.
	echo "{\"type\":\"bestseller_changes\",\"op\":\"update\",\"change_id\":\"$waits\",\"notification_sent\":true,\"notified_at\":\"2026-11-02T08:00:00Z\"}" | db-load
	echo '{"type":"tracked_asins","op":"update","marketplace":"US","asin":"B0OTHER001","label":"after","is_active":false}
		{"type":"notifications","op":"update","notification_id":"n1","state":"sent","error":null,"remote_id":"1.2"}
		{"type":"runs","op":"update","run_id":"health-1","finished_at":"2026-11-01T08:00:01Z","status":0}
		{"type":"velocity_windows","op":"update","days":90,"weight":0.5}
		{"type":"marketplaces","op":"update","marketplace":"PL","keepa_domain":97}' | db-load
	# And what our spool knows to be told, the server has forgotten.
	forgotten=$(db-query bestseller_changes asin=B0SIM00001 | jq -r .change_id)
	echo "{\"type\":\"bestseller_changes\",\"op\":\"update\",\"change_id\":\"$forgotten\",\"notification_sent\":false,\"notified_at\":null}
		{\"type\":\"notifications\",\"op\":\"delete\",\"notification_id\":\"$(db-query notifications target=C0TEST | jq -r .notification_id)\"}" | db-load
	run -0 restore.sh
	assert_equal "$(db-query unsent_changes)" ''
	assert_equal "$(db-query bestseller_changes "change_id=$waits" | jq -r .notified_at)" 2026-11-02T08:00:00Z
	assert_equal "$(db-query bestseller_changes "change_id=$forgotten" | jq -c '[.notification_sent, .notified_at != null]')" '[true,true]'
	assert_equal "$(db-query notifications target=C0TEST | jq -r .state)" sent
	assert_equal "$(db-query notifications notification_id=n1 | jq -c '[.state, .error, .remote_id]')" '["sent",null,"1.2"]'
	assert_equal "$(db-query tracked_asins asin=B0OTHER001 | jq -c '[.label, .is_active]')" '["after",false]'
	assert_equal "$(db-query runs run_id=health-1 | jq -c '[.status, .finished_at]')" '[0,"2026-11-01T08:00:01Z"]'
	assert_equal "$(db-query marketplaces marketplace=PL | jq .keepa_domain)" 97
	assert_equal "$(db-query velocity_windows --order days | jq -c .weight | tail -n 2)" $'0.25\n0.5'
}

@test "a database that lost most of what it had gets no backup, and is told as emptied" {
	some_history
	backup.sh
	for table in tracked_asins rank_history sales_daily bestseller_changes; do sql "DELETE FROM $table"; done
	run -74 --separate-stderr backup.sh
	assert_regex "$stderr" 'less than half of what it had'
	assert_equal "$(find backups -name '*.gz' | wc -l)" 1
	run doctor.sh --json
	assert_equal "$(grep '"what":"database"' <<<"$output" | jq -c '[.state, .detail]' | tail -n 1)" '["bad","it is empty, and the last backup was not"]'
}

@test "a server that is gone: no backup, and nothing of one is left; each job 75" {
	some_history
	halt_postgres
	run --separate-stderr backup.sh
	assert_equal "$status" 75
	run ls backups
	assert_output ''
	run badges.sh
	assert_equal "$status" 75
	resume_postgres
	run -0 badges.sh
	run -0 backup.sh
}

@test "RAW_DAYS=0 keeps raw answers out of the database, and in the spool" {
	start_sim
	track.sh add B0SIM00001
	RAW_DAYS=0 badges.sh
	assert_equal "$(db-query asin_history | jq -c .raw_keepa_response)" null
	run -0 bash -c 'zcat spool/badges-*.gz | jq -r "select(.product) | .product.asin"'
	assert_output B0SIM00001
}

@test "prune.sh prunes the spool and the database, as it does a file" {
	local as=(jq -cS .)
	mkdir spool
	touch -d '40 days ago' spool/badges-20260101T000000Z-1-0.gz
	python3 "$top/tests/fixtures/everything.py" 2 >records
	# That is of any time: now something was looked at.
	echo '{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"'"$(date -u +%FT%TZ)"'"}' >>records
	for DATABASE_URL in sqlite:file.db "$pg_url"; do
		db-load <records
		db-prune --dry-run --raw-days 30 --runs-days 90 --checks-days 30 2>"plan.${DATABASE_URL%%:*}"
		run -0 --separate-stderr prune.sh
		assert_equal "$stderr" ''
	done
	[ ! -e spool/badges-20260101T000000Z-1-0.gz ]
	[ -s plan.sqlite ]
	diff plan.sqlite plan.postgresql
	for table in asin_history health_checks; do
		diff <(db-query -d file.db "$table" | "${as[@]}" | sort) <(db-query "$table" | "${as[@]}" | sort)
	done
	run -0 --separate-stderr db-prune --dry-run --raw-days 30 --runs-days 90 --checks-days 30
	assert_equal "$stderr" ''
	db-query asin_history >now
	run jq -rn '[inputs | select(.raw_keepa_response != null)] | length' now
	refute_output 0
}

@test "status.sh shows where it is, and never the password" {
	db-load --init </dev/null
	export DATABASE_URL=${pg_url/sellerpipe@/sellerpipe:geheim@}
	[[ $DATABASE_URL == *geheim* ]]
	run -0 status.sh
	assert_output --regexp 'database +postgresql://'
	refute_output --partial geheim
	run -0 bash -c 'status.sh --json | jq -c "[.database.bytes, .database.problem]"'
	assert_output '[null,null]'
}

@test "no address is shown with what opens it" {
	shows() { # shows URL EXPECTED
		assert_equal "$(DATABASE_URL=$1 status.sh --json 2>/dev/null | jq -r .database.file)" "$2"
	}
	shows 'postgresql://u:p@127.0.0.1:1/db?sslmode=disable' postgresql://127.0.0.1:1/db
	shows 'postgres://u:p@a?b@127.0.0.1:1/db' postgres://127.0.0.1:1/db
	shows 'postgresql://127.0.0.1:1/db?user=u&password=p' postgresql://...
	shows 'http://127.0.0.1:1' http://127.0.0.1:1
	echo 'postgresql://u:p@127.0.0.1:1/db' >url
	chmod 600 url
	unset DATABASE_URL
	assert_equal "$(DATABASE_URL_FILE=$PWD/url status.sh --json 2>/dev/null | jq -r .database.file)" postgresql://127.0.0.1:1/db
	echo "DATABASE_URL_FILE=$PWD/url" >.env
	chmod 600 .env
	assert_equal "$(status.sh --json 2>/dev/null | jq -r .database.file)" postgresql://127.0.0.1:1/db
}

@test "doctor.sh looks at what an address and a key say of themselves" {
	says() { # says URL KEY STATE WHAT DETAIL: there is such a line; STATE none: none of WHAT
		run env DATABASE_URL="$1" SUPABASE_KEY="$2" doctor.sh --json --no-network
		refute_output --partial geheim
		if [ "$3" = none ]; then
			assert_equal "$1 $(grep -c "\"what\":\"$4\"" <<<"$output")" "$1 0"
		else
			assert_regex "$(grep "\"what\":\"$4\"" <<<"$output" | jq -r '"\(.state) \(.detail)"')" "^$3 .*$5"
		fi
	}
	jwt() {
		echo "eyJhbGciOiJIUzI1NiJ9.$(printf '{"role":"%s","iss":"supabase??"}' "$1" | base64 -w 0 | tr '+/' '-_' | tr -d =).geheim"
	}
	says postgresql://u:geheim@db.example.org/db '' look DATABASE_URL 'connection to db.example.org is to be encrypted'
	says 'postgresql://u:geheim@db.example.org/db?sslmode=require' '' none DATABASE_URL
	says 'postgresql://u:geheim@localhost/db' '' none DATABASE_URL
	says https://abc.supabase.co '' bad SUPABASE_KEY 'is not set'
	says https://abc.supabase.co sb_publishable_geheim bad SUPABASE_KEY 'public key'
	says https://abc.supabase.co "$(jwt anon)" bad SUPABASE_KEY 'public key'
	says https://abc.supabase.co "$(jwt service_role)" none SUPABASE_KEY
	says https://abc.supabase.co sb_secret_geheim none SUPABASE_KEY
	says https://abc.supabase.co geheim look SUPABASE_KEY 'no form that is known'
	says https://abc.supabase.co sb_secret_geheim - database 'abc.supabase.co was not asked'
}

@test "doctor.sh and health.sh: a server that answers is well, and one that does not is not" {
	db-load --init </dev/null
	run doctor.sh --json
	assert_equal "$(grep '"what":"database"' <<<"$output" | jq -c .state)" '"ok"'
	run health.sh
	assert_equal "$(db-query health_checks service=database | jq .ok)" true
	halt_postgres
	run doctor.sh --json
	assert_equal "$(grep '"what":"database"' <<<"$output" | jq -c '[.state, .status]')" '["bad",75]'
	run -0 health.sh
	resume_postgres
	next_second # a check later in the same second would take the place of the other
	run -0 health.sh
	assert_equal "$(db-query health_checks service=database ok=false | wc -l)" 1
}
