-- What db-load and db-query do on the server's side, over whichever connection.
-- Applied anew with each migration: a change here takes a new one, which may be empty.
--
-- All of it runs with the rights and the search_path of whoever calls it.  What is called
-- from outside goes by UTC, and what makes records of rows wants all digits of a number,
-- whatever a role or a database has set.
--
-- A parameter that is SQL to be run has no name: so PostgREST cannot call that function,
-- and who has only a key can run no SQL of their own.

-- A time as records have it.
CREATE OR REPLACE FUNCTION db_utc(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

-- The tables and views that our files make: the schema may hold somebody else's, too.
CREATE OR REPLACE FUNCTION db_ours() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
	-- tables
	'sellerpipe_schema', 'column_kinds', 'marketplaces', 'tracked_asins',
	'asin_current_state', 'asin_history', 'rank_history', 'categories',
	'bestseller_changes', 'notifications', 'api_usage_log', 'runs',
	'health_checks', 'sales_daily', 'sales_daily_totals',
	'report_requests', 'sales_restatements', 'velocity_windows',
	'summaries', 'claimable', 'leases',
	-- views
	'watchlist', 'due_asins', 'timeline', 'unnamed_categories',
	'changes_to_tell', 'unsent_changes', 'current_badges', 'badge_runs',
	'category_performance', 'daily_summary', 'health_status',
	'sales_freshness', 'report_gaps', 'sales_velocity', 'sales_recent',
	'job_status', 'failed_runs', 'looks', 'unsent_summaries',
	'row_counts', 'health_incidents', 'open_requests', 'turns'];

-- The columns of a table's primary key, in its order; NULL: it has none.
CREATE OR REPLACE FUNCTION db_key(of regclass) RETURNS text[]
LANGUAGE sql STABLE
RETURN (SELECT array_agg(a.attname::text ORDER BY k.place)
	FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, place)
	JOIN pg_attribute a USING (attnum)
	WHERE i.indrelid = of AND i.indisprimary AND a.attrelid = of);

-- Each table that can be loaded, with its columns.  A table without a key is left alone,
-- and so is a column of a type that is none of ours, which only a user can have added.
CREATE OR REPLACE FUNCTION db_tables() RETURNS json
LANGUAGE sql STABLE AS $$
	WITH types (type, name) AS (VALUES ('text'::regtype, 'text'),
		('bigint', 'integer'), ('integer', 'integer'),
		('double precision', 'real'), ('boolean', 'boolean'),
		('json', 'json'), ('timestamptz', 'time'), ('date', 'day')
	), tables AS (
		SELECT c.oid, c.relname, db_key(c.oid) AS key FROM pg_class c
		WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
			AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND c.relname NOT IN ('sellerpipe_schema', 'column_kinds')
	), columns AS (
		SELECT t.oid, t.relname, a.attnum, a.attname, y.name AS type,
			array_position(t.key, a.attname::text) AS key, k.kind
		FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
			AND a.attnum > 0 AND NOT a.attisdropped
		JOIN types y ON y.type = a.atttypid
		LEFT JOIN column_kinds k ON k.table_name = t.relname
			AND k.column_name = a.attname
		WHERE t.key IS NOT NULL
	)
	SELECT coalesce(json_agg(json_build_object('name', relname,
		'columns', columns) ORDER BY relname), '[]')
	FROM (SELECT relname, json_agg(json_build_object('name', attname,
			'type', type, 'key', coalesce(key, 0), 'kind', kind)
			ORDER BY attnum) AS columns
		FROM columns GROUP BY oid, relname) t
$$;

-- How a record changes the row that is there.  Within this SQL t is the row, and
-- excluded the record.  A column that is of a table with `times` is as of its own
-- time, O in the row and N in the record; '' comes before all times.
-- Where novel is not true, the record says what the row does.
CREATE OR REPLACE FUNCTION db_changes(tab text, cols text[],
	OUT assignments text, OUT condition text, OUT novel text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	key text[] := db_key(tab::regclass);
	version text := (SELECT column_name FROM column_kinds
		WHERE table_name = tab AND kind = 'version');
	times text := (SELECT column_name FROM column_kinds
		WHERE table_name = tab AND kind = 'times');
	each boolean := coalesce(times IS NOT NULL AND version = ANY (cols), false);
	sets text[];
	differs text[];
	novels text[];
	at text[];
	c record;
	o text;
	n text;
	o_at text;
	n_at text;
BEGIN
	FOR c IN SELECT a.attname::text AS name, a.attname = ANY (cols) AS came,
			CASE WHEN a.atttypid = 'json'::regtype THEN '::text'
				ELSE '' END AS compared,
			coalesce(k.kind, '') AS kind
		FROM pg_attribute a LEFT JOIN column_kinds k
			ON k.table_name = tab AND k.column_name = a.attname
		WHERE a.attrelid = tab::regclass AND a.attnum > 0
			AND NOT a.attisdropped AND a.attname <> ALL (key)
		ORDER BY a.attnum
	LOOP
		o := format('t.%I', c.name);
		n := format('excluded.%I', c.name);
		IF c.came THEN
			novels := novels || format(CASE c.kind WHEN 'first'
				THEN 'coalesce(%3$s < %1$s, %1$s IS NULL AND %3$s IS NOT NULL)'
				ELSE '%1$s%2$s IS DISTINCT FROM %3$s%2$s' END, o, c.compared, n);
		END IF;
		IF NOT each THEN
			CONTINUE WHEN NOT c.came;
			sets := sets || format(CASE c.kind WHEN 'first'
				THEN '%I = least(%s, %s)' ELSE '%I = %3$s' END,
				c.name, o, n);
			differs := differs || novels[cardinality(novels)];
		ELSIF c.kind = 'version' THEN
			sets := sets || format('%I = greatest(%s, %s)', c.name, o, n);
			differs := differs || format(
				'coalesce(%2$s > %1$s, %2$s IS NOT NULL)', o, n);
		ELSIF c.kind <> 'times' THEN
			o_at := format('coalesce(t.%I ->> %L, db_utc(t.%I), '''') COLLATE "C"',
				times, c.name, version);
			n_at := CASE WHEN times = ANY (cols)
				THEN format('excluded.%I ->> %L, ', times, c.name)
				ELSE '' END;
			n_at := format('coalesce(%sdb_utc(excluded.%I), '''') COLLATE "C"',
				n_at, version);
			at := at || format('(%L, %s)', c.name, CASE WHEN c.came
				THEN format('greatest(%s, %s)', o_at, n_at)
				ELSE o_at END);
			CONTINUE WHEN NOT c.came;
			sets := sets || format(
				'%I = CASE WHEN %s >= %s THEN %s ELSE %s END',
				c.name, n_at, o_at, n, o);
			differs := differs || format('%s > %s OR %1$s = %2$s AND %s',
				n_at, o_at, novels[cardinality(novels)]);
		END IF;
	END LOOP;
	IF each AND at IS NOT NULL THEN
		sets := sets || format($sql$%I = (SELECT ('{' || string_agg(
			'"' || name || '":"' || at || '"', ',') || '}')::json
			FROM (VALUES %s) x (name, at) WHERE at COLLATE "C"
				< coalesce(db_utc(greatest(t.%I, excluded.%3$I)), ''))$sql$,
			times, array_to_string(at, ', '), version);
	END IF;
	IF each THEN -- it may confirm what was older
		novels := novels || format('t.%I IS NOT NULL', times);
	END IF;
	novel := array_to_string(novels, ' OR ');
	assignments := array_to_string(sets, ', ');
	condition := '(' || array_to_string(differs, ' OR ') || ')';
	IF NOT each AND version = ANY (cols) THEN
		condition := condition || format(
			' AND (t.%I IS NULL OR excluded.%1$I >= t.%1$I)', version);
	END IF;
END
$$;

-- The statement that puts records into a table; FROM gives them, as rows with
-- these columns.
CREATE OR REPLACE FUNCTION db_statement(tab text, op text, cols text[], source text)
RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	key text[] := db_key(tab::regclass);
	names text := (SELECT string_agg(format('%I', c), ', ') FROM unnest(cols) c);
	keys text := (SELECT string_agg(format('%I', c), ', ') FROM unnest(key) c);
	same text := (SELECT string_agg(format('t.%I = excluded.%1$I', c), ' AND ')
		FROM unnest(key) c);
	change record := db_changes(tab, cols);
	added text := '';
	first text := '';
BEGIN
	IF op = 'delete' THEN
		RETURN format('DELETE FROM %I t USING %s excluded WHERE %s',
			tab, source, same);
	ELSIF op = 'update' AND change.assignments IS NULL THEN
		RETURN NULL;
	ELSIF op = 'update' THEN
		RETURN format('UPDATE %I t SET %s FROM %s excluded WHERE %s AND %s',
			tab, change.assignments, source, same, change.condition);
	END IF;
	-- Of a new row, the times of the columns that the record does not name.
	SELECT format(', %I', k.column_name), format(', %L::json',
		(SELECT '{' || string_agg(format('"%s":""', a.attname), ','
				ORDER BY a.attnum) || '}'
			FROM pg_attribute a WHERE a.attrelid = tab::regclass
				AND a.attnum > 0 AND NOT a.attisdropped
				AND a.attname <> ALL (cols)
				AND a.attname <> k.column_name))
	INTO added, first
	FROM column_kinds k JOIN column_kinds v
		ON v.table_name = tab AND v.kind = 'version'
			AND v.column_name = ANY (cols)
	WHERE k.table_name = tab AND k.kind = 'times'
		AND k.column_name <> ALL (cols);
	RETURN format('INSERT INTO %1$I AS t (%2$s%3$s) SELECT %2$s%4$s FROM %5$s excluded',
			tab, names, coalesce(added, ''), coalesce(first, ''), source)
		|| CASE WHEN op = 'insert' THEN '' ELSE
			-- What says nothing new need not even be locked; and the rest is in
			-- an order, or two that do the same would wait for each other.
			format(' WHERE coalesce((SELECT %s FROM %I t WHERE %s), true) '
				'ORDER BY %s ON CONFLICT (%4$s) DO ',
				coalesce(change.novel, 'false'), tab, same, keys)
		|| CASE WHEN change.assignments IS NULL THEN 'NOTHING'
			ELSE 'UPDATE SET ' || change.assignments
				|| ' WHERE ' || change.condition END END;
END
$$;

-- Whether there are many records, and the first of them are of rows that are new:
-- then so may all be, and a mere INSERT is twice as fast as one that looks.
CREATE OR REPLACE FUNCTION db_looks_new(tab text, text, lines text[])
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	source ALIAS FOR $2;
	new boolean;
BEGIN
	EXECUTE format('SELECT count(*) = 1000 AND count((SELECT 1 FROM %I t WHERE %s)) = 0 '
		'FROM (SELECT * FROM %s s LIMIT 1000) excluded', tab,
		(SELECT string_agg(format('t.%I = excluded.%1$I', k), ' AND ')
			FROM unnest(db_key(tab::regclass)) k), source)
	INTO new USING lines;
	RETURN new;
END
$$;

-- The months that need a partition before these records can be stored.
CREATE OR REPLACE FUNCTION db_make_partitions(tab text, text, lines text[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	source ALIAS FOR $2;
	part text := (SELECT a.attname FROM pg_partitioned_table p
		JOIN pg_attribute a ON a.attrelid = p.partrelid
			AND a.attnum = p.partattrs[0]
		WHERE p.partrelid = tab::regclass);
	month date;
BEGIN
	IF part IS NULL THEN
		RETURN;
	END IF;
	FOR month IN EXECUTE format($sql$SELECT DISTINCT
		date_trunc('month', %I::timestamptz AT TIME ZONE 'UTC')::date
		FROM %s s WHERE %1$I IS NOT NULL ORDER BY 1$sql$, part, source)
		USING lines
	LOOP
		PERFORM make_partition(tab, month);
	END LOOP;
END
$$;

-- Those of the records that the table's constraints refuse, by their number.
CREATE OR REPLACE FUNCTION db_refused(tab text, cols text[], text, lines text[])
RETURNS TABLE (n bigint, error text)
LANGUAGE plpgsql SET jit = off SET extra_float_digits = 1
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	source ALIAS FOR $3;
	names text := (SELECT string_agg(format('%I', c), ', ') FROM unnest(cols) c);
	one text := format('INSERT INTO db_checked (%s) SELECT s.* FROM unnest($1) u (record), '
		'LATERAL (SELECT %1$s FROM json_populate_record(NULL::%I, u.record)) s',
		names, tab);
	r record;
BEGIN
	DROP TABLE IF EXISTS pg_temp.db_checked;
	EXECUTE format('CREATE TEMP TABLE db_checked (LIKE %I INCLUDING CONSTRAINTS '
		'INCLUDING DEFAULTS) ON COMMIT DROP', tab);
	BEGIN
		EXECUTE format('INSERT INTO db_checked (%s) SELECT %1$s FROM %s s',
			names, source) USING lines;
		RETURN;
	EXCEPTION WHEN data_exception OR integrity_constraint_violation
		OR program_limit_exceeded THEN
		NULL; -- some are: which?
	END;
	-- Each attempt costs more than a record does, so a few of them are tried at once.
	FOR r IN EXECUTE format('SELECT array_agg(n ORDER BY n) AS n, '
		'array_agg(record ORDER BY n) AS records '
		'FROM (SELECT s.n, row_to_json(s) AS record, '
			'(row_number() OVER (ORDER BY s.n) - 1) / 32 AS part FROM %s s) p '
		'GROUP BY part ORDER BY part', source) USING lines
	LOOP
		BEGIN
			EXECUTE one USING r.records;
			CONTINUE;
		EXCEPTION WHEN data_exception OR integrity_constraint_violation
			OR program_limit_exceeded THEN
			NULL;
		END;
		FOR i IN 1 .. cardinality(r.n) LOOP
			BEGIN
				EXECUTE one USING r.records[i : i];
			EXCEPTION WHEN data_exception OR integrity_constraint_violation
				OR program_limit_exceeded THEN
				n := r.n[i];
				error := replace(SQLERRM, 'db_checked', tab);
				RETURN NEXT;
			END;
		END LOOP;
	END LOOP;
END
$$;

-- SQL for what is left to store of records of the same rows: of each row the last
-- one of the newest version.  NULL: each of them counts, one after the other, for
-- the table has triggers or a column that keeps more than the last.
CREATE OR REPLACE FUNCTION db_last(tab text, cols text[], source text)
RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('(SELECT DISTINCT ON (%1$s) * FROM %2$s s ORDER BY %1$s, %3$sn DESC)',
		(SELECT string_agg(format('%I', k), ', ') FROM unnest(db_key(tab::regclass)) k),
		source,
		(SELECT format('%I DESC NULLS LAST, ', column_name) FROM column_kinds
			WHERE table_name = tab AND kind = 'version'
				AND column_name = ANY (cols)))
	WHERE NOT EXISTS (SELECT FROM pg_trigger
			WHERE tgrelid = tab::regclass AND NOT tgisinternal)
		AND NOT EXISTS (SELECT FROM column_kinds
			WHERE table_name = tab AND kind IN ('first', 'times')
				AND column_name = ANY (cols))
$$;

-- Put records into a table, one after the other.
CREATE OR REPLACE FUNCTION db_merge_each(tab text, op text, cols text[], text,
	lines text[])
RETURNS TABLE (n bigint, error text)
LANGUAGE plpgsql SET jit = off SET extra_float_digits = 1
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	source ALIAS FOR $4;
	r record;
BEGIN
	IF EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'db_one') THEN
		DEALLOCATE db_one; -- of a transaction that failed
	END IF;
	EXECUTE 'PREPARE db_one (json) AS ' || db_statement(tab, op, cols,
		format('json_populate_record(NULL::%I, $1)', tab));
	FOR r IN EXECUTE format('SELECT s.n, row_to_json(s) AS record FROM %s s '
		'ORDER BY s.n', source) USING lines
	LOOP
		BEGIN
			EXECUTE format('EXECUTE db_one (%L)', r.record);
		EXCEPTION WHEN data_exception OR integrity_constraint_violation
			OR program_limit_exceeded THEN
			n := r.n;
			error := SQLERRM;
			RETURN NEXT;
		END;
	END LOOP;
	DEALLOCATE db_one;
END
$$;

-- Put records into a table, all at once if that can be; again: some of them are of
-- the same row.  Those that are refused are given back, by their number; or one row
-- without: all were new.  source is SQL that gives them, as rows with these columns and
-- n; its $1 is lines.
CREATE OR REPLACE FUNCTION db_merge(tab text, op text, cols text[], text,
	lines text[], again boolean)
RETURNS TABLE (n bigint, error text)
LANGUAGE plpgsql SET jit = off AS $$
DECLARE
	source ALIAS FOR $4; -- SQL
	statement text := db_statement(tab, op, cols, source);
	good text := source; -- those that were not refused
	refused bigint[];
	errors text[];
	fresh boolean;
	must_check boolean := again; -- of those of the same row, not all are tried
	checked boolean := op <> 'upsert'; -- what is only to update need not be whole
	partitioned boolean := false;
BEGIN
	IF statement IS NULL THEN
		RETURN; -- an update of nothing
	END IF;
	IF again AND (op <> 'upsert' OR db_last(tab, cols, source) IS NULL) THEN
		RETURN QUERY SELECT * FROM db_merge_each(tab, op, cols, source, lines);
		RETURN;
	END IF;
	fresh := op = 'upsert' AND NOT again AND db_looks_new(tab, source, lines);
	LOOP
		IF must_check AND NOT checked THEN
			SELECT array_agg(f.n), array_agg(f.error) INTO refused, errors
			FROM db_refused(tab, cols, source, lines) f;
			checked := true;
			good := format('(SELECT * FROM %s s WHERE n <> ALL (%L::bigint[]))',
				source, coalesce(refused, '{}'));
		END IF;
		BEGIN
			IF fresh OR must_check THEN
				EXECUTE db_statement(tab, CASE WHEN fresh THEN 'insert' ELSE op END,
					cols, CASE WHEN again THEN db_last(tab, cols, good)
						ELSE good END)
				USING lines;
			ELSE
				EXECUTE statement USING lines;
			END IF;
			EXIT;
		EXCEPTION WHEN data_exception OR integrity_constraint_violation
			OR program_limit_exceeded OR cardinality_violation THEN
			IF fresh AND SQLSTATE = '23505' THEN -- some are not new
				fresh := false;
			ELSIF NOT partitioned THEN
				PERFORM db_make_partitions(tab, source, lines);
				partitioned := true;
			ELSIF NOT checked THEN
				must_check := true;
			ELSE
				RETURN QUERY SELECT * FROM db_merge_each(tab, op, cols,
					good, lines);
				EXIT;
			END IF;
		END;
	END LOOP;
	IF fresh AND NOT checked THEN
		RETURN NEXT; -- a row of NULLs
	END IF;
	RETURN QUERY SELECT * FROM unnest(refused, errors);
END
$$;

-- For PostgREST: a batch of groups, each a line that says what it holds,
--     {"table":"rank_history","op":"upsert","columns":["asin",...],"records":2}
-- and so many lines, each a record with these columns; "again":true if some of
-- them are of the same row.  A first line {"dry_run":true} has it all undone.  The
-- answer is the records that were refused, by their number in the batch.
CREATE OR REPLACE FUNCTION db_load(text) RETURNS json
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
	lines text[] := string_to_array(rtrim($1, E'\n'), E'\n');
	i int := 1;
	before int := 0; -- records
	head json;
	dry boolean := false;
	refused json := '[]';
	part json;
BEGIN
	IF lines[1]::json ->> 'dry_run' IS NOT NULL THEN
		dry := (lines[1]::json ->> 'dry_run')::boolean;
		i := 2;
	END IF;
	BEGIN
		WHILE i <= cardinality(lines) LOOP
			head := lines[i];
			SELECT json_agg(json_build_object('n', before + m.n,
				'table', head ->> 'table', 'error', m.error))
			INTO part
			FROM db_merge(head ->> 'table', head ->> 'op',
				ARRAY(SELECT json_array_elements_text(head -> 'columns')),
				format('(SELECT u.n, s.* FROM unnest($1) WITH ORDINALITY u '
					'(line, n), json_populate_record(NULL::%I, '
					'u.line::json) s)', head ->> 'table'),
				lines[i + 1 : i + (head ->> 'records')::int],
				coalesce((head ->> 'again')::boolean, false)) m
			WHERE m.n IS NOT NULL;
			IF part IS NOT NULL THEN
				refused := (refused::jsonb || part::jsonb)::json;
			END IF;
			i := i + 1 + (head ->> 'records')::int;
			before := before + (head ->> 'records')::int;
		END LOOP;
		IF dry THEN
			RAISE SQLSTATE 'SP001';
		END IF;
	EXCEPTION WHEN SQLSTATE 'SP001' THEN
		NULL; -- which undoes it
	END;
	RETURN refused;
END
$$;

-- A table or a view of our schema, or an error.
CREATE OR REPLACE FUNCTION db_relation(name text) RETURNS oid
LANGUAGE plpgsql STABLE AS $$
DECLARE
	rel oid := (SELECT c.oid FROM pg_class c
		WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
			AND c.relname = name AND c.relkind IN ('r', 'p', 'v')
			AND NOT c.relispartition);
BEGIN
	IF rel IS NULL THEN
		RAISE SQLSTATE 'SP064' USING MESSAGE = format(
			'no table or view ''%s''; see ''db-query --list''', name);
	END IF;
	RETURN rel;
END
$$;

-- A column as it is compared and sorted by; an error if there is none.
CREATE OR REPLACE FUNCTION db_column(name text, col text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	type regtype := (SELECT atttypid FROM pg_attribute
		WHERE attrelid = db_relation(name) AND attnum > 0
			AND NOT attisdropped AND attname = col);
BEGIN
	IF type IS NULL THEN
		RAISE SQLSTATE 'SP064' USING MESSAGE = format(
			'%s has no column ''%s''', name, col);
	END IF;
	RETURN quote_ident(col) || CASE type WHEN 'json'::regtype THEN '::text' ELSE '' END;
END
$$;

-- SQL for the rows that conditions are true of:
-- [{"column":"asin","sign":"=","value":"B00TEST001"}], a value null being none.
CREATE OR REPLACE FUNCTION db_rows(name text, conditions json) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('SELECT * FROM %I', name) || coalesce(' WHERE ' || string_agg(
		format('%s %s %L', db_column(name, "column"),
			CASE WHEN sign = '=' AND value IS NULL THEN 'IS'
				WHEN sign = '!=' AND value IS NULL THEN 'IS NOT'
				WHEN sign = '!=' THEN 'IS DISTINCT FROM'
				WHEN sign IN ('=', '<', '<=', '>', '>=') THEN sign END,
			value), ' AND '), '')
	FROM json_to_recordset(conditions) c ("column" text, sign text, value text)
$$;

-- SQL for rows of a table or a view, which other SQL gives, as records.
CREATE OR REPLACE FUNCTION db_records(name text, source text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('SELECT row_to_json(r)::text FROM (SELECT %s%s FROM (%s) q) r',
		CASE WHEN bool_or(attname = 'type' AND attnum = 1) THEN ''
			ELSE format('%L AS type, ', name) END,
		string_agg(CASE atttypid
			WHEN 'timestamptz'::regtype THEN format('db_utc(q.%I) AS %1$I', attname)
			-- a newline would end the record
			WHEN 'json'::regtype THEN format(
				'replace(q.%I::text, E''\n'', '' '')::json AS %1$I', attname)
			ELSE format('q.%I', attname) END, ', ' ORDER BY attnum),
		source)
	FROM pg_attribute
	WHERE attrelid = db_relation(name) AND attnum > 0 AND NOT attisdropped
$$;

-- The query for the rows of a table or a view, each as a record.  ord: columns to
-- sort by, each with - before it: downwards.  Without it a table is sorted by its
-- key, a view as it is made.  after: values of the key of a table, to go on after.
CREATE OR REPLACE FUNCTION db_query_sql(name text, conditions json, ord text[],
	lim bigint, skip bigint, after text[])
RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	rel oid := db_relation(name);
	key text[] := db_key(rel);
	keys text := (SELECT string_agg(quote_ident(k), ', ') FROM unnest(key) k);
	-- NULL comes before all values.
	sorted text := (SELECT string_agg(db_column(name, ltrim(o, '-'))
			|| CASE WHEN left(o, 1) = '-' THEN ' DESC NULLS LAST'
				ELSE ' NULLS FIRST' END, ', ' ORDER BY place)
		FROM unnest(ord) WITH ORDINALITY x (o, place));
	source text := db_rows(name, conditions);
BEGIN
	IF after IS NOT NULL THEN
		source := format('SELECT * FROM (%s) w WHERE (%s) > (%s)', source, keys,
			(SELECT string_agg(quote_literal(a), ', ' ORDER BY place)
				FROM unnest(after) WITH ORDINALITY x (a, place)));
	END IF;
	RETURN db_records(name, source || coalesce(' ORDER BY ' || coalesce(sorted, keys), '')
		|| coalesce(' LIMIT ' || lim, '') || coalesce(' OFFSET ' || skip, ''));
END
$$;

-- For PostgREST: a page of such a query, with what to ask for the next one by:
-- {"records":"{...}\n{...}\n","next":null}.  The rows of a table are all as of
-- when their page is read; a view whose rows change meanwhile can skip some or
-- repeat them.
CREATE OR REPLACE FUNCTION db_query(name text, conditions json DEFAULT '[]',
	ord text[] DEFAULT NULL, lim bigint DEFAULT NULL, page json DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql STABLE SET jit = off SET extra_float_digits = 1 SET timezone = 'UTC' AS $$
DECLARE
	most CONSTANT bigint := 4 << 20; -- bytes of a page, but for one record more
	key text[];
	keyed boolean;
	seen bigint := coalesce((page ->> 'seen')::bigint, 0);
	lines text[];
	line text;
	bytes bigint := 0;
	next json;
BEGIN
	BEGIN
		key := db_key(format('%I', name)::regclass);
	EXCEPTION WHEN undefined_table THEN
		NULL; -- which db_query_sql says better
	END;
	keyed := key IS NOT NULL AND ord IS NULL;
	FOR line IN EXECUTE db_query_sql(name, conditions, ord, lim - seen,
		CASE WHEN NOT keyed THEN seen END, CASE WHEN keyed THEN
			(SELECT array_agg(v) FROM json_array_elements_text(page -> 'after') v) END)
	LOOP
		lines := lines || line;
		bytes := bytes + length(line);
		seen := seen + 1;
		IF bytes >= most THEN
			next := json_build_object('seen', seen, 'after', CASE WHEN keyed
				THEN (SELECT json_agg(line::json ->> k ORDER BY place)
				FROM unnest(key) WITH ORDINALITY x (k, place)) END);
			EXIT;
		END IF;
	END LOOP;
	RETURN json_build_object('records', coalesce(
		array_to_string(lines, E'\n') || E'\n', ''), 'next', next);
END
$$;

-- The names of our tables and views, as records.
CREATE OR REPLACE FUNCTION db_list() RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT row_to_json(n)::text
	FROM (SELECT 'names' AS type, c.relname AS name,
			CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind
		FROM pg_class c
		WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
			AND c.relname = ANY (db_ours()) AND c.relname <> 'sellerpipe_schema'
		ORDER BY kind, name) n
$$;

-- Take those rows of a view that nobody has a live lease on, in its order, of at most
-- lim pieces of work; lease them to a run of a holder for so many seconds; and give
-- them as records, a line each.  What somebody else is taking at this moment is left
-- to them.
CREATE OR REPLACE FUNCTION db_claim(name text, conditions json, lim bigint,
	seconds bigint, holder text, run text)
RETURNS text
LANGUAGE plpgsql SET jit = off SET extra_float_digits = 1 SET timezone = 'UTC' AS $$
DECLARE
	now timestamptz := date_trunc('second', clock_timestamp());
	never CONSTANT timestamptz := '1970-01-01T00:00:00Z';
	kind claimable;
	id text; -- SQL
	source text := db_rows(name, conditions);
	taken text[];
	records text;
BEGIN
	PERFORM db_relation(name);
	SELECT * INTO kind FROM claimable c WHERE c.name = db_claim.name;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'SP064' USING MESSAGE = format(
			'%s cannot be claimed; see ''db-query claimable''', name);
	END IF;
	id := (SELECT string_agg(format('%I', c), ' || '':'' || ' ORDER BY place)
		FROM string_to_table(kind.columns, ',') WITH ORDINALITY x (c, place));

	-- Leases that are over, of work that is done.
	EXECUTE format('DELETE FROM leases WHERE work = $1 AND id IN ('
			'SELECT l.id FROM leases l WHERE l.work = $1 '
			'AND l.leased_until < $2 AND l.id NOT IN (SELECT %s FROM %I) '
			'FOR UPDATE SKIP LOCKED) AND work = $1', id, name)
		USING kind.work, now;
	-- Only rows that are there can be locked.
	EXECUTE format('INSERT INTO leases SELECT DISTINCT $1, %s, '''', '''', $2, $2 '
			'FROM (%s) v WHERE NOT EXISTS (SELECT FROM leases l '
			'WHERE l.work = $1 AND l.id = %1$s) ORDER BY 2 '
			'ON CONFLICT DO NOTHING', id, source)
		USING kind.work, never;
	EXECUTE format('WITH free AS (SELECT l.id FROM '
			'(SELECT id, min(place) AS place FROM (SELECT %s AS id, '
				'row_number() OVER () AS place FROM (%s) v) p GROUP BY id) c '
			'JOIN leases l ON l.work = $1 AND l.id = c.id '
			'WHERE l.leased_until < $2 OR l.holder = $4 AND l.run_id <> $5 '
			'ORDER BY c.place LIMIT $6 FOR UPDATE OF l SKIP LOCKED), '
		'mine AS (UPDATE leases l SET claimed_at = $2, leased_until = $3, '
			'holder = $4, run_id = $5 FROM free '
			'WHERE l.work = $1 AND l.id = free.id RETURNING l.id) '
		'SELECT array_agg(id) FROM mine', id, source)
	INTO taken
	USING kind.work, now, now + make_interval(secs => seconds), holder, run, lim;
	EXECUTE format('SELECT string_agg(r || E''\n'', '''') FROM (%s) x (r)',
		db_records(name, format('SELECT * FROM (%s) v WHERE %s = ANY (%L::text[])',
			source, id, coalesce(taken, '{}'))))
	INTO records;
	RETURN coalesce(records, '');
END
$$;

-- Remove about a thousand rows of what is older than so many days, as db-prune(1) says:
-- {"rows":1000,"next":"..."}.  next is what `after` is to be the next time; null: all
-- is done.  dry: only count, all at once.
CREATE OR REPLACE FUNCTION db_prune(what text, days bigint, after text, dry boolean)
RETURNS json
LANGUAGE plpgsql SET jit = off SET timezone = 'UTC' AS $$
DECLARE
	most CONSTANT int := 1000;
	before timestamptz := now() - days * interval '24 hours';
	since timestamptz := coalesce(nullif(after, ''), '1970-01-01T00:00:00Z');
	until timestamptz := before;
	removed bigint;
BEGIN
	IF what = 'raw-days' AND dry THEN
		SELECT count(*) INTO removed FROM asin_history
		WHERE check_timestamp < before AND raw_keepa_response IS NOT NULL;
	ELSIF what = 'raw-days' THEN -- in the order of time
		SELECT max(check_timestamp) INTO until
		FROM (SELECT check_timestamp FROM asin_history
			WHERE check_timestamp > since AND check_timestamp < before
				AND raw_keepa_response IS NOT NULL
			ORDER BY check_timestamp LIMIT most) h;
		UPDATE asin_history SET raw_keepa_response = NULL
		WHERE check_timestamp > since AND check_timestamp <= until
			AND raw_keepa_response IS NOT NULL;
		GET DIAGNOSTICS removed = ROW_COUNT;
	ELSIF what = 'runs-days' THEN
		-- Of each job the last run on each machine stays, and the last good one.
		WITH old AS (
			SELECT run_id FROM runs r
			WHERE coalesce(finished_at, started_at) < before
				AND EXISTS (SELECT FROM runs n
					WHERE n.job IS NOT DISTINCT FROM r.job
						AND n.host IS NOT DISTINCT FROM r.host
						AND n.started_at > r.started_at)
				AND (coalesce(r.status, 1) NOT IN (0, 65) OR EXISTS (
					SELECT FROM runs n
					WHERE n.job IS NOT DISTINCT FROM r.job
						AND n.started_at > r.started_at
						AND n.status IN (0, 65)
						AND n.finished_at > r.finished_at))
			LIMIT CASE WHEN NOT dry THEN most END
		), gone AS (
			DELETE FROM runs WHERE NOT dry AND run_id IN (SELECT run_id FROM old)
		)
		SELECT count(*) INTO removed FROM old;
	ELSIF what = 'checks-days' THEN
		-- Of each service the last hundred stay, and all of one that is down.
		WITH old AS (
			SELECT service, checked_at FROM health_checks c
			WHERE checked_at < before AND checked_at < (
					SELECT n.checked_at FROM health_checks n
					WHERE n.service = c.service
					ORDER BY n.checked_at DESC LIMIT 1 OFFSET 99)
				AND service NOT IN (SELECT service FROM health_incidents
					WHERE down_since < before
						AND (up_since IS NULL OR up_since >= before))
			LIMIT CASE WHEN NOT dry THEN most END
		), gone AS (
			DELETE FROM health_checks WHERE NOT dry
				AND (service, checked_at) IN (SELECT service, checked_at FROM old)
		)
		SELECT count(*) INTO removed FROM old;
	END IF;
	RETURN json_build_object('rows', removed, 'next',
		CASE WHEN removed > 0 AND NOT dry THEN db_utc(until) END);
END
$$;
