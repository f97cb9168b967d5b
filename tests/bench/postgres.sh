# shellcheck shell=bash
# shellcheck disable=SC2119,SC2154 # cache, scale...: run.sh; new_database: peers.bash
# postgres.sh - the PostgreSQL part of run.sh, which sources it
#
# On a cluster of its own, with a server's usual settings, fsync among them.

# pg [OPTION...]: psql on the bench's database.
pg() {
	PGOPTIONS="-c client_min_messages=warning" psql -qAtX -v ON_ERROR_STOP=1 "$pg_url" "$@"
}

# pg_rows TABLE FILE: the rows that these records are, in FILE.copy, and in the table
# TABLE_kept for later; TABLE is empty then, and has its partitions.
pg_rows() {
	pg -c "TRUNCATE $1"
	load/db-load -d "$pg_url" <"$2"
	pg -c "DROP TABLE IF EXISTS $1_kept" -c "CREATE TABLE $1_kept AS TABLE $1" \
		-c "\\copy (SELECT * FROM $1) TO '$2.copy'" -c "TRUNCATE $1"
}

# pg_compare TABLE KEY FILE: loads of its rows, and then of the same again.
pg_compare() {
	local table=$1 key=$2 in=$3 n copy upsert each multi rest
	local psql='psql -qX -v ON_ERROR_STOP=1 "$pg_url"'
	local empty="$psql -c 'TRUNCATE $table' -c CHECKPOINT"
	local full="$psql -c 'TRUNCATE $table' -c 'INSERT INTO $table TABLE ${table}_kept'"
	full+=" -c 'VACUUM ANALYZE $table' -c CHECKPOINT"
	local shown="psql -qAtX \"\$pg_url\" -c 'SELECT row_to_json(r) FROM (SELECT * FROM $table ORDER BY $key) r'"
	local sets changed # SQL; all columns are written, those of the key, too
	sets=$(pg -c "SELECT string_agg(attname || ' = excluded.' || attname, ', ')
		FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0")
	changed=$(pg -c "SELECT '(' || string_agg('t.' || attname, ', ') || ') IS DISTINCT FROM ('
		|| string_agg('excluded.' || attname, ', ') || ')'
		FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0")
	upsert="$psql -c BEGIN -c 'CREATE TEMP TABLE stage (LIKE $table) ON COMMIT DROP'"
	upsert+=" -c \"\\\\copy stage FROM '\$IN.copy'\""
	upsert+=" -c 'INSERT INTO $table AS t TABLE stage ON CONFLICT ($key) DO UPDATE SET $sets"
	copy="$psql -c \"\\\\copy $table FROM '\$IN.copy'\""
	multi="\"\$cache/rows\" \"\$pg_url\" $table 1000 $key <\"\$IN.copy\""
	each="\"\$cache/rows\" \"\$pg_url\" $table 1 $key <\"\$IN.copy\""
	rest='SUPABASE_KEY=$rest_key load/db-load -d "$rest_url" <"$IN"'

	head -n 2000 "$in" >"$cache/sample"
	pg_rows "$table" "$cache/sample"
	pg_rows "$table" "$in"
	n=$(wc -l <"$in")

	row db-load '<=0.6s/M <=10MiB' 'load/db-load -d "$pg_url" <"$IN"' "$empty"
	row '\copy, temp, upsert' '>=0.87' "$upsert' -c COMMIT" "$empty"
	row 'INSERTs of 1000 rows' '>=1.4' "$multi" "$empty"
	row 'INSERTs of one row' '>=15' "$each" "$empty"
	[ -z "${rest_url:-}" ] || row 'db-load, PostgREST' '' "$rest" "$empty"
	check "$cache/sample" "$shown"
	limit 'psql \copy, ready rows' '>=0.45' "$copy" "$empty"
	ROWS=$n compare "postgres: $table, an empty table, $n rows" "$in"

	row db-load '<=0.6s/M <=10MiB' 'load/db-load -d "$pg_url" <"$IN"' "$full"
	row '\copy, temp, upsert' '' "$upsert' -c COMMIT" "$full"
	row '... if changed' '>=0.87' "$upsert WHERE $changed' -c COMMIT" "$full"
	row 'INSERTs of 1000 rows' '>=2' "$multi" "$full"
	row 'INSERTs of one row' '' "$each" "$full"
	[ -z "${rest_url:-}" ] || row 'db-load, PostgREST' '' "$rest" "$full"
	ROWS=$n compare "postgres: $table, the same rows again" "$in"
}

# ranks COUNT: rows of rank_history, 50 points of each product.
ranks() {
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "{\"type\":\"rank_history\",\"marketplace\":\"US\",\"asin\":\"B0%08d\",\"category_id\":\"%d\"," \
				"\"changed_at\":\"2026-%02d-%02dT%02d:30:00Z\",\"rank\":%d}\n",
				i / 50, 172282 + i / 50 % 40, 9 + i % 50 / 25, 1 + i % 25, i * 7 % 24, 1 + i * 7919 % 100000
	}'
}

bench_postgres() {
	local top=$PWD file n
	export BATS_FILE_TMPDIR=$cache PGTZ=UTC
	have jq psql load/db-load || return 0
	# shellcheck source=../peers/peers.bash
	source tests/peers/peers.bash
	where_postgres >/dev/null || {
		say "left out: there is no PostgreSQL server"
		return 0
	}
	build rows "-I$(pg_config --includedir)" -lpq
	build sales -lsqlite3
	[ -x "$cache/rows" ] && [ -x "$cache/sales" ] || return 0
	for file in pg-ranks pg-sales; do
		n=$((10000 * scale)) # fewer of those that are wide
		[ $file = pg-ranks ] || n=$((3000 * scale))
		[ "$(cat "$cache/$file.count" 2>/dev/null)" != "$n" ] || continue
		say "making $n rows"
		if [ $file = pg-ranks ]; then
			ranks "$n"
		else
			"$cache/sales" "$n" 2026-11-20T00:00:00Z
		fi >"$cache/$file"
		echo "$n" >"$cache/$file.count"
	done
	trap 'stop_postgrest; stop_postgres' EXIT
	start_postgres -c fsync=on -c shared_buffers=128MB
	new_database
	psql -qX "$pg_admin_url" -c 'GRANT pg_checkpoint TO sellerpipe'
	load/db-load -d "$pg_url" --init </dev/null
	if [ -x "$(tests/peers/postgrest.sh --where)" ]; then
		start_postgrest
	else
		say 'left out: there is no PostgREST'
	fi
	pg_compare rank_history marketplace,asin,category_id,changed_at "$cache/pg-ranks"
	pg_compare sales_daily marketplace,date,asin "$cache/pg-sales"
	stop_postgrest
	stop_postgres
	trap - EXIT
}
