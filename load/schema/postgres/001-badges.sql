-- The badge job: what is tracked, what was seen, what changed, who was told.
--
-- This is ../sqlite/001-badges.sql for PostgreSQL 15 or later: the same tables,
-- views and meaning.  Text sorts by its bytes, as in SQLite; times are whole
-- seconds, days are dates, and JSON keeps its text.  NULL is "no value", never
-- zero, and comes first in what sorts upwards.  A marketplace is Amazon's country
-- code; ids are text.
--
-- Nothing here names a schema: it is made in the first one of the search_path.
-- Nothing goes by the session's time zone, either.

-- The migrations that were applied; who applies one notes it here.
CREATE TABLE sellerpipe_schema (
	version bigint PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- Three tables grow without end: each month of UTC of them is a partition, which
-- is NAME_YYYY_MM.

-- Make the partition of a month, if it is missing.  Months out of 2000 to 2099 are
-- nobody's: what is dated there is refused when it comes.  It is filled through
-- its table alone, so nobody has any rights to it, whatever the schema's defaults
-- are.  To attach it locks less than to create it as a partition.
CREATE FUNCTION make_partition(name text, month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	first date := date_trunc('month', month::timestamp)::date;
	next date := (first + interval '1 month')::date;
	part text := name || to_char(first, '_YYYY_MM');
	utc text := ''; -- of a bound that is a time
	grantee text;
BEGIN
	IF name IS NULL OR name NOT IN ('rank_history', 'asin_history', 'sales_daily') THEN
		RAISE EXCEPTION 'no table ''%'' has partitions', name
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF month IS NULL OR month NOT BETWEEN '2000-01-01' AND '2099-12-31'
			OR to_regclass(part) IS NOT NULL OR to_regclass(name) IS NULL THEN
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('sellerpipe:make_partition', 0));
	-- Somebody may have been faster, of which to_regclass would not know yet.
	IF EXISTS (SELECT 1 FROM pg_class WHERE relname = part
			AND relnamespace = quote_ident(current_schema())::regnamespace) THEN
		RETURN;
	END IF;
	IF name <> 'sales_daily' THEN
		utc := ' 00:00:00+00';
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, name);
	EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
	EXECUTE format('REVOKE ALL ON TABLE %I FROM PUBLIC', part);
	FOREACH grantee IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = grantee) THEN
			EXECUTE format('REVOKE ALL ON TABLE %I FROM %I', part, grantee);
		END IF;
	END LOOP;
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
		name, part, to_char(first, 'YYYY-MM-DD') || utc,
		to_char(next, 'YYYY-MM-DD') || utc);
END $$;

-- Make those of this month and the next three.
CREATE FUNCTION make_partitions() RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
	SELECT make_partition(t.name, ((now() AT TIME ZONE 'UTC')::date
		+ n * interval '1 month')::date)
	FROM unnest(ARRAY['rank_history', 'asin_history', 'sales_daily']) t (name),
		generate_series(0, 3) n
$$;

-- They run with their owner's rights, so what they name is looked for here alone,
-- and nobody runs them who is not granted it.
DO $$
BEGIN
	EXECUTE format('ALTER FUNCTION make_partition(text, date)
		SET search_path = %I, pg_temp', current_schema());
	EXECUTE format('ALTER FUNCTION make_partitions()
		SET search_path = %I, pg_temp', current_schema());
	REVOKE ALL ON FUNCTION make_partition(text, date), make_partitions() FROM PUBLIC;
END $$;

-- What a column is, beyond its type.  db-load and db-query go by this:
--   json      holds JSON, and is JSON in records
--   boolean   is false or true in records, and 0 or 1 in SQLite
--   version   a record whose value is less than the row's does not change it
--   times     of a table with a version: {"column":"time"}, as of when each column
--             is that no record as new as the version has named; "": none has at
--             all.  So records that name only some columns, in whatever order they
--             come, leave the same row.  NULL: all are as of the version.
--   first     keeps the least value that ever came
CREATE TABLE column_kinds (
	table_name text COLLATE "C" NOT NULL,
	column_name text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL
		CHECK (kind IN ('json', 'boolean', 'version', 'times', 'first')),
	PRIMARY KEY (table_name, column_name)
);

INSERT INTO column_kinds VALUES
	('tracked_asins', 'is_active', 'boolean'),
	('tracked_asins', 'added_at', 'first'),
	('asin_current_state', 'sales_ranks', 'json'),
	('asin_current_state', 'bestseller_badges', 'json'),
	('asin_current_state', 'last_updated', 'version'),
	('asin_current_state', 'as_of', 'times'),
	('asin_history', 'sales_ranks', 'json'),
	('asin_history', 'bestseller_badges', 'json'),
	('asin_history', 'raw_keepa_response', 'json'),
	('categories', 'fetched_at', 'version'),
	('categories', 'as_of', 'times'),
	('bestseller_changes', 'detected_at', 'first'),
	('bestseller_changes', 'notification_sent', 'boolean'),
	('health_checks', 'ok', 'boolean'),
	('watchlist', 'due', 'boolean');

-- Where a marketplace is to be found: for links, not for fetching.
CREATE TABLE marketplaces (
	marketplace text COLLATE "C" NOT NULL PRIMARY KEY,
	host text COLLATE "C" NOT NULL, -- of its site
	keepa_domain bigint -- Keepa's number of it; NULL where it has none
);

INSERT INTO marketplaces VALUES
	('US', 'www.amazon.com', 1), ('UK', 'www.amazon.co.uk', 2),
	('DE', 'www.amazon.de', 3), ('FR', 'www.amazon.fr', 4),
	('JP', 'www.amazon.co.jp', 5), ('CA', 'www.amazon.ca', 6),
	('IT', 'www.amazon.it', 8), ('ES', 'www.amazon.es', 9),
	('IN', 'www.amazon.in', 10), ('MX', 'www.amazon.com.mx', 11),
	('BR', 'www.amazon.com.br', 12), ('AU', 'www.amazon.com.au', NULL),
	('NL', 'www.amazon.nl', NULL), ('SE', 'www.amazon.se', NULL),
	('PL', 'www.amazon.pl', NULL), ('BE', 'www.amazon.com.be', NULL),
	('IE', 'www.amazon.ie', NULL), ('TR', 'www.amazon.com.tr', NULL),
	('AE', 'www.amazon.ae', NULL), ('SA', 'www.amazon.sa', NULL),
	('EG', 'www.amazon.eg', NULL), ('ZA', 'www.amazon.co.za', NULL),
	('SG', 'www.amazon.sg', NULL);

-- The ASINs to watch.
CREATE TABLE tracked_asins (
	marketplace text COLLATE "C" NOT NULL -- US, CA, UK
		CHECK (marketplace ~ '^[A-Z]{2}$'),
	asin text COLLATE "C" NOT NULL -- Amazon's id of a product
		CHECK (asin ~ '^[0-9A-Z]{10}$'),
	priority bigint NOT NULL DEFAULT 5 CHECK (priority >= 1), -- 1: first
	monitoring_frequency bigint NOT NULL DEFAULT 60 -- minutes between looks
		CHECK (monitoring_frequency >= 1),
	is_active boolean NOT NULL DEFAULT true, -- false: is not looked at now
	role text COLLATE "C" NOT NULL DEFAULT 'own' -- whose product it is
		CHECK (role IN ('own', 'competitor')),
	label text COLLATE "C", -- a name of the user's own
	added_at timestamptz NOT NULL -- when it was first tracked
		DEFAULT date_trunc('second', now())
		CHECK (added_at = date_trunc('second', added_at) AND isfinite(added_at)),
	PRIMARY KEY (marketplace, asin)
);

-- What is known of each ASIN now.
CREATE TABLE asin_current_state (
	marketplace text COLLATE "C" NOT NULL,
	asin text COLLATE "C" NOT NULL,
	product_title text COLLATE "C", -- foreign text, as Amazon's sellers write it
	brand text COLLATE "C", -- foreign text, too
	parent_asin text COLLATE "C", -- of which it is a variation; NULL: of none
	image_url text COLLATE "C", -- a picture of it, at Amazon
	-- {"<category_id>":{"rank":1,"since":"..."}}; rank null: not ranked any
	-- more; NULL: never seen
	sales_ranks json
		CHECK (json_typeof(sales_ranks) = 'object'),
	-- ["<category_id>"], where the rank is 1
	bestseller_badges json
		CHECK (json_typeof(bestseller_badges) = 'array'),
	-- of the last look: ok, or no ranks given, or no such product
	status text COLLATE "C" CHECK (status IN ('ok', 'unknown', 'missing')),
	last_updated timestamptz -- when we last looked
		CHECK (last_updated = date_trunc('second', last_updated) AND isfinite(last_updated)),
	source_updated_at timestamptz -- how old what we saw was, the last time it was ok
		CHECK (source_updated_at = date_trunc('second', source_updated_at) AND isfinite(source_updated_at)),
	price_cents bigint, -- in the currency's minor unit
	currency text COLLATE "C", -- of price_cents: USD, CAD, EUR
	monthly_sold bigint, -- "bought in past month", in Amazon's steps
	rating double precision, -- 0 to 5
	review_count bigint, -- ratings, with a text or without
	-- which columns are older than last_updated: see column_kinds
	as_of json CHECK (json_typeof(as_of) = 'object'),
	PRIMARY KEY (marketplace, asin)
);

-- Each look at an ASIN, with what was seen: columns as in asin_current_state.
CREATE TABLE asin_history (
	marketplace text COLLATE "C" NOT NULL,
	asin text COLLATE "C" NOT NULL,
	check_timestamp timestamptz NOT NULL -- when we looked
		CHECK (check_timestamp = date_trunc('second', check_timestamp) AND isfinite(check_timestamp)),
	status text COLLATE "C" CHECK (status IN ('ok', 'unknown', 'missing')),
	product_title text COLLATE "C",
	brand text COLLATE "C",
	parent_asin text COLLATE "C",
	image_url text COLLATE "C",
	sales_ranks json
		CHECK (json_typeof(sales_ranks) = 'object'),
	bestseller_badges json
		CHECK (json_typeof(bestseller_badges) = 'array'),
	source_updated_at timestamptz
		CHECK (source_updated_at = date_trunc('second', source_updated_at) AND isfinite(source_updated_at)),
	price_cents bigint,
	currency text COLLATE "C",
	monthly_sold bigint,
	rating double precision,
	review_count bigint,
	raw_keepa_response json, -- the whole product, as Keepa gave it
	PRIMARY KEY (marketplace, asin, check_timestamp)
) PARTITION BY RANGE (check_timestamp);

-- All that is counted of them, without a look at what is large.
CREATE INDEX looks_by_time ON asin_history (check_timestamp, status, marketplace, asin);

-- When a rank became what, by the source's clock: changes only.
CREATE TABLE rank_history (
	marketplace text COLLATE "C" NOT NULL,
	asin text COLLATE "C" NOT NULL,
	category_id text COLLATE "C" NOT NULL,
	changed_at timestamptz NOT NULL
		CHECK (changed_at = date_trunc('second', changed_at) AND isfinite(changed_at)),
	rank bigint CHECK (rank >= 1), -- NULL: not ranked any more
	PRIMARY KEY (marketplace, asin, category_id, changed_at)
) PARTITION BY RANGE (changed_at);

-- Categories.  A row without a name but with fetched_at has none at its source.
CREATE TABLE categories (
	marketplace text COLLATE "C" NOT NULL,
	category_id text COLLATE "C" NOT NULL,
	name text COLLATE "C", -- as Amazon shows it, in the marketplace's language
	parent_id text COLLATE "C", -- the category that it is in; NULL: a root, or unknown
	product_count bigint, -- an estimate
	fetched_at timestamptz -- when its source was asked for it
		CHECK (fetched_at = date_trunc('second', fetched_at) AND isfinite(fetched_at)),
	-- which columns are older than fetched_at: see column_kinds
	as_of json CHECK (json_typeof(as_of) = 'object'),
	PRIMARY KEY (marketplace, category_id)
);

-- Each time that an ASIN became, or ceased to be, #1.
CREATE TABLE bestseller_changes (
	change_id text COLLATE "C" NOT NULL PRIMARY KEY, -- marketplace:asin:category_id:changed_at
	marketplace text COLLATE "C" NOT NULL,
	asin text COLLATE "C" NOT NULL,
	change_type text COLLATE "C" NOT NULL CHECK (change_type IN ('gained', 'lost')),
	category_id text COLLATE "C" NOT NULL,
	category text COLLATE "C", -- its name then, if it was known
	previous_rank bigint CHECK (previous_rank >= 1), -- NULL: not ranked
	new_rank bigint CHECK (new_rank >= 1), -- NULL: not ranked any more
	changed_at timestamptz NOT NULL -- by the source's clock
		CHECK (changed_at = date_trunc('second', changed_at) AND isfinite(changed_at)),
	detected_at timestamptz NOT NULL -- by ours
		CHECK (detected_at = date_trunc('second', detected_at) AND isfinite(detected_at)),
	notification_sent boolean NOT NULL DEFAULT false, -- whether people were told
	notified_at timestamptz -- when they were
		CHECK (notified_at = date_trunc('second', notified_at) AND isfinite(notified_at)),
	CHECK ((change_type = 'gained') = (new_rank IS NOT DISTINCT FROM 1))
);

CREATE INDEX unsent ON bestseller_changes (changed_at)
	WHERE NOT notification_sent;
CREATE INDEX changes_by_detection ON bestseller_changes (detected_at);

-- What was sent to people, or could not be.
CREATE TABLE notifications (
	notification_id text COLLATE "C" NOT NULL PRIMARY KEY, -- the message's id, as we gave it
	sink text COLLATE "C" NOT NULL, -- slack, clickup
	target text COLLATE "C", -- a channel, a task
	state text COLLATE "C" NOT NULL CHECK (state IN ('sent', 'failed')),
	remote_id text COLLATE "C", -- the sink's own id of it
	attempts bigint, -- requests made for it in that run
	error text COLLATE "C", -- why it failed
	sent_at timestamptz -- when the sink had accepted it
		CHECK (sent_at = date_trunc('second', sent_at) AND isfinite(sent_at))
);

-- What was sent stays sent, whatever is replayed later.
CREATE FUNCTION leave_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN NULL;
END $$;

CREATE TRIGGER sent_stays_sent BEFORE UPDATE ON notifications FOR EACH ROW
WHEN (OLD.state = 'sent' AND NEW.state = 'failed')
EXECUTE FUNCTION leave_row();

-- What each request to a service that counts them took.
CREATE TABLE api_usage_log (
	usage_id text COLLATE "C" NOT NULL PRIMARY KEY, -- of the run, and a number in it
	service text COLLATE "C" NOT NULL, -- keepa
	asins_processed bigint, -- products that came
	requests bigint, -- made, with those that failed
	tokens_consumed bigint, -- by the service's own count
	tokens_left bigint, -- can be negative
	refill_rate bigint, -- tokens a minute
	estimated_cost_cents double precision, -- EUR cents, from the plan's price
	processing_started_at timestamptz -- when the request was sent
		CHECK (processing_started_at = date_trunc('second', processing_started_at) AND isfinite(processing_started_at)),
	processing_completed_at timestamptz -- when the answer was there, or given up
		CHECK (processing_completed_at = date_trunc('second', processing_completed_at) AND isfinite(processing_completed_at)),
	error text COLLATE "C" -- why there was no answer
);

CREATE INDEX usage_by_time ON api_usage_log (processing_completed_at);

-- The audit trail: each run of a job.
CREATE TABLE runs (
	run_id text COLLATE "C" NOT NULL PRIMARY KEY,
	program text COLLATE "C", -- what was run: badges.sh
	job text COLLATE "C", -- what it is for: badges
	version text COLLATE "C", -- of sellerpipe
	started_at timestamptz
		CHECK (started_at = date_trunc('second', started_at) AND isfinite(started_at)),
	finished_at timestamptz -- NULL: it is running, or was killed
		CHECK (finished_at = date_trunc('second', finished_at) AND isfinite(finished_at)),
	status bigint, -- the exit status
	records bigint, -- how many things it did: ASINs looked at
	host text COLLATE "C" -- the machine
);

CREATE TABLE health_checks (
	service text COLLATE "C" NOT NULL, -- keepa, slack
	checked_at timestamptz NOT NULL
		CHECK (checked_at = date_trunc('second', checked_at) AND isfinite(checked_at)),
	ok boolean NOT NULL, -- it answers, and takes our key
	latency_ms bigint, -- until the answer
	detail text COLLATE "C", -- in words: tokens left, or what is wrong
	PRIMARY KEY (service, checked_at)
);

-- What is tracked, and how each of it is.  A tenth of the interval is left for
-- runs that start a little early or took a little long; what gave no answer is
-- due again at once.
CREATE VIEW watchlist WITH (security_invoker = true) AS
SELECT t.marketplace, t.asin, t.priority, t.monitoring_frequency, t.role,
	t.label, s.product_title, s.status, s.last_updated, s.source_updated_at,
	s.last_updated IS NULL OR s.status = 'unknown'
		OR extract(epoch FROM now() - s.last_updated)
			>= t.monitoring_frequency * 54.0 AS due
FROM tracked_asins t LEFT JOIN asin_current_state s USING (marketplace, asin)
WHERE t.is_active
ORDER BY t.priority, s.last_updated NULLS FIRST, t.marketplace, t.asin;

-- What to look at now.  keepa-fetch asks for history back to the earlier of the
-- two times.
CREATE VIEW due_asins WITH (security_invoker = true) AS
SELECT marketplace, asin, priority, monitoring_frequency, last_updated,
	source_updated_at
FROM watchlist WHERE due
ORDER BY priority, last_updated NULLS FIRST, marketplace, asin;

-- All that was observed, as badge-diff wants to read it again: each point of a
-- rank before the first look that could have seen it.
CREATE VIEW timeline WITH (security_invoker = true) AS
SELECT 'rank_history' COLLATE "C" AS type, marketplace, asin, category_id,
	changed_at, rank, NULL::timestamptz AS check_timestamp,
	NULL::text COLLATE "C" AS status, NULL::text COLLATE "C" AS product_title,
	NULL::text COLLATE "C" AS brand, NULL::text COLLATE "C" AS parent_asin,
	NULL::text COLLATE "C" AS image_url, NULL::json AS sales_ranks,
	NULL::timestamptz AS source_updated_at, NULL::bigint AS price_cents,
	NULL::text COLLATE "C" AS currency, NULL::bigint AS monthly_sold,
	NULL::double precision AS rating, NULL::bigint AS review_count,
	changed_at AS at, 0::bigint AS look
FROM rank_history
UNION ALL
SELECT 'asin_history' COLLATE "C", marketplace, asin, NULL, NULL, NULL,
	check_timestamp, status, product_title, brand, parent_asin, image_url,
	sales_ranks, source_updated_at, price_cents, currency, monthly_sold,
	rating, review_count, coalesce(source_updated_at, check_timestamp), 1
FROM asin_history
ORDER BY marketplace, asin, at, look, check_timestamp NULLS FIRST;

-- Categories in use that nobody has named yet; those that have no name are
-- asked for again after a month.  What PostgreSQL cannot read in JSON, NUL and
-- halves of characters, no id has.
CREATE VIEW unnamed_categories WITH (security_invoker = true) AS
WITH used AS (
	SELECT DISTINCT s.marketplace, r.key COLLATE "C" AS category_id
	FROM asin_current_state s, json_each(CASE
		WHEN json_typeof(s.sales_ranks) = 'object'
			AND s.sales_ranks::text !~* '\\u(0000|d[89a-f])'
		THEN s.sales_ranks END) r
)
SELECT u.marketplace, u.category_id
FROM used u LEFT JOIN categories c USING (marketplace, category_id)
WHERE c.name IS NULL AND (c.fetched_at IS NULL
	OR c.fetched_at < date_trunc('second', now()) - interval '720 hours')
ORDER BY u.marketplace, length(u.category_id), u.category_id;

-- Each change, with all that a message says of it.  Changes of one ASIN at one
-- moment share a notification_id.
CREATE VIEW changes_to_tell WITH (security_invoker = true) AS
SELECT b.change_id, b.marketplace, b.asin, b.change_type, b.category_id,
	coalesce(c.name, b.category) AS category, b.previous_rank, b.new_rank,
	b.changed_at, b.detected_at, b.notification_sent, b.notified_at,
	'badge:' || b.marketplace || ':' || b.asin || ':'
		|| to_char(b.changed_at AT TIME ZONE 'UTC',
			'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS notification_id,
	s.product_title, s.brand, s.image_url, t.label,
	'https://' || m.host || '/dp/' || b.asin AS amazon_url,
	'https://keepa.com/#!product/' || m.keepa_domain || '-' || b.asin
		AS keepa_url
FROM bestseller_changes b
LEFT JOIN categories c USING (marketplace, category_id)
LEFT JOIN asin_current_state s
	ON s.marketplace = b.marketplace AND s.asin = b.asin
LEFT JOIN tracked_asins t
	ON t.marketplace = b.marketplace AND t.asin = b.asin
LEFT JOIN marketplaces m ON m.marketplace = b.marketplace
ORDER BY b.change_id;

-- What nobody was told yet.  A message that failed for a reason of its own is
-- not tried again (delete its notifications row to do so); one that failed for
-- its channel is.  An error can have more words behind a colon.
CREATE VIEW unsent_changes WITH (security_invoker = true) AS
SELECT * FROM changes_to_tell c
WHERE NOT notification_sent AND NOT EXISTS (
	SELECT 1 FROM notifications n
	WHERE n.notification_id = c.notification_id AND n.state = 'failed'
		AND coalesce(split_part(n.error, ':', 1), '')
		NOT IN ('channel_not_found', 'not_in_channel', 'is_archived',
			'restricted_action', 'messages_tab_disabled',
			'team_not_found'))
ORDER BY changed_at, marketplace, asin, length(category_id), category_id;

-- Who is #1 now, and since when.
CREATE VIEW current_badges WITH (security_invoker = true) AS
SELECT s.marketplace, s.asin, s.product_title, b.value COLLATE "C" AS category_id,
	c.name AS category,
	(SELECT r.value ->> 'since' FROM json_each(CASE
			WHEN json_typeof(s.sales_ranks) = 'object'
				AND s.sales_ranks::text !~* '\\u(0000|d[89a-f])'
			THEN s.sales_ranks END) r
		WHERE r.key = b.value AND json_typeof(r.value) = 'object'
		LIMIT 1) COLLATE "C" AS since,
	s.last_updated
FROM asin_current_state s CROSS JOIN json_array_elements_text(CASE
	WHEN json_typeof(s.bestseller_badges) = 'array'
		AND s.bestseller_badges::text !~* '\\u(0000|d[89a-f])'
	THEN s.bestseller_badges END) b
LEFT JOIN categories c
	ON c.marketplace = s.marketplace AND c.category_id = b.value
ORDER BY s.marketplace, s.asin, length(b.value) NULLS FIRST,
	b.value COLLATE "C" NULLS FIRST;

-- Each stint at #1: it begins with a point of rank 1 that none of rank 1 stands
-- right before, and lasts until the first that is another.  until NULL: it is not
-- over, and hours run to now.
CREATE VIEW badge_runs WITH (security_invoker = true) AS
WITH points AS (
	SELECT marketplace, asin, category_id, changed_at,
		rank IS NOT DISTINCT FROM 1 AS first,
		lag(rank) OVER so_far IS NOT DISTINCT FROM 1 AS was_first
	FROM rank_history
	WINDOW so_far AS (PARTITION BY marketplace, asin, category_id
		ORDER BY changed_at)
), turns AS ( -- to #1 and from it: by turns
	SELECT marketplace, asin, category_id, changed_at, first,
		lead(changed_at) OVER (PARTITION BY marketplace, asin,
			category_id ORDER BY changed_at) AS until
	FROM points WHERE first <> was_first
)
SELECT s.marketplace, s.asin, s.category_id, c.name AS category,
	s.changed_at AS "from", s.until,
	round(extract(epoch FROM coalesce(s.until, date_trunc('second', now()))
		- s.changed_at) / 3600, 1)::double precision AS hours
FROM turns s LEFT JOIN categories c USING (marketplace, category_id)
WHERE s.first
ORDER BY s.marketplace, s.asin, s.category_id, s.changed_at;

-- How lively each category is, of all changes ever.
CREATE VIEW category_performance WITH (security_invoker = true) AS
SELECT b.marketplace, b.category_id, c.name AS category,
	count(*) AS changes, count(*) FILTER (WHERE b.change_type = 'gained') AS gained,
	count(*) FILTER (WHERE b.change_type = 'lost') AS lost,
	count(DISTINCT b.asin) AS asins, max(b.changed_at) AS last_changed_at
FROM bestseller_changes b LEFT JOIN categories c USING (marketplace, category_id)
GROUP BY b.marketplace, b.category_id, c.name
ORDER BY changes DESC, b.marketplace, b.category_id;

-- Each day of UTC on which anything ran.  NULL: nothing is recorded; so a day
-- without a look has no changes, which is not zero changes.
CREATE VIEW daily_summary WITH (security_invoker = true) AS
WITH changes AS (
	SELECT (detected_at AT TIME ZONE 'UTC')::date AS date,
		count(*) AS total_changes,
		count(*) FILTER (WHERE change_type = 'gained') AS badges_gained,
		count(*) FILTER (WHERE change_type = 'lost') AS badges_lost
	FROM bestseller_changes GROUP BY 1
), looks AS (
	SELECT date, sum(n)::bigint AS checks, count(*) AS asins_checked,
		sum(unknown)::bigint AS unknown, 0 AS nothing
	FROM (SELECT (check_timestamp AT TIME ZONE 'UTC')::date AS date,
			count(*) AS n,
			count(*) FILTER (WHERE status IS DISTINCT FROM 'ok')
				AS unknown
		FROM asin_history GROUP BY 1, marketplace, asin) by_asin
	GROUP BY date
), calls AS (
	SELECT (processing_completed_at AT TIME ZONE 'UTC')::date AS date,
		sum(requests)::bigint AS api_calls,
		sum(tokens_consumed)::bigint AS tokens_consumed,
		round(sum(estimated_cost_cents)::numeric, 2)::double precision
			AS estimated_cost_cents
	FROM api_usage_log WHERE processing_completed_at IS NOT NULL GROUP BY 1
), days AS (
	SELECT date FROM looks UNION SELECT date FROM changes
	UNION SELECT date FROM calls
)
SELECT d.date, coalesce(total_changes, nothing) AS total_changes,
	coalesce(badges_gained, nothing) AS badges_gained,
	coalesce(badges_lost, nothing) AS badges_lost,
	asins_checked, checks, unknown, api_calls, tokens_consumed,
	estimated_cost_cents
FROM days d LEFT JOIN changes USING (date) LEFT JOIN looks USING (date)
LEFT JOIN calls USING (date)
ORDER BY d.date;

-- The last word on each service.
CREATE VIEW health_status WITH (security_invoker = true) AS
SELECT h.* FROM (SELECT DISTINCT service FROM health_checks) s
CROSS JOIN LATERAL (SELECT * FROM health_checks
	WHERE service = s.service ORDER BY checked_at DESC LIMIT 1) h
ORDER BY h.service;
