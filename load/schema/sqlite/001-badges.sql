-- The badge job: what is tracked, what was seen, what changed, who was told.
--
-- Times are UTC text, 2026-11-20T08:00:00Z, so that they sort as text.  NULL is
-- "no value", never zero.  A marketplace is Amazon's country code; ids are text.

PRAGMA application_id = 1936945264; -- "sspp": refuse other people's databases

-- What a column is, beyond its type.  db-load and db-query go by this:
--   json      holds JSON, and is JSON in records
--   boolean   holds 0 or 1, and is false or true in records
--   version   a record whose value is less than the row's does not change it
--   times     of a table with a version: {"column":"time"}, as of when each column
--             is that no record as new as the version has named; "": none has at
--             all.  So records that name only some columns, in whatever order they
--             come, leave the same row.  NULL: all are as of the version.
--   first     keeps the least value that ever came
CREATE TABLE column_kinds (
	table_name TEXT NOT NULL,
	column_name TEXT NOT NULL,
	kind TEXT NOT NULL
		CHECK (kind IN ('json', 'boolean', 'version', 'times', 'first')),
	PRIMARY KEY (table_name, column_name)
) STRICT, WITHOUT ROWID;

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
	marketplace TEXT NOT NULL PRIMARY KEY,
	host TEXT NOT NULL, -- of its site
	keepa_domain INTEGER -- Keepa's number of it; NULL where it has none
) STRICT, WITHOUT ROWID;

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
	marketplace TEXT NOT NULL -- US, CA, UK
		CHECK (length(marketplace) = 2 AND marketplace NOT GLOB '*[^A-Z]*'),
	asin TEXT NOT NULL -- Amazon's id of a product
		CHECK (length(asin) = 10 AND asin NOT GLOB '*[^0-9A-Z]*'),
	priority INTEGER NOT NULL DEFAULT 5 CHECK (priority >= 1), -- 1: first
	monitoring_frequency INTEGER NOT NULL DEFAULT 60 -- minutes between looks
		CHECK (monitoring_frequency >= 1),
	is_active INTEGER NOT NULL DEFAULT 1 -- 0: is not looked at now
		CHECK (is_active IN (0, 1)),
	role TEXT NOT NULL DEFAULT 'own' -- whose product it is
		CHECK (role IN ('own', 'competitor')),
	label TEXT, -- a name of the user's own
	added_at TEXT NOT NULL -- when it was first tracked
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
		CHECK (added_at IS strftime('%Y-%m-%dT%H:%M:%SZ', added_at)),
	PRIMARY KEY (marketplace, asin)
) STRICT, WITHOUT ROWID;

-- What is known of each ASIN now.
CREATE TABLE asin_current_state (
	marketplace TEXT NOT NULL,
	asin TEXT NOT NULL,
	product_title TEXT, -- foreign text, as Amazon's sellers write it
	brand TEXT, -- foreign text, too
	parent_asin TEXT, -- of which it is a variation; NULL: of none
	image_url TEXT, -- a picture of it, at Amazon
	-- {"<category_id>":{"rank":1,"since":"..."}}; rank null: not ranked any
	-- more; NULL: never seen
	sales_ranks TEXT
		CHECK (sales_ranks IS NULL OR json_valid(sales_ranks) AND json_type(sales_ranks) = 'object'),
	-- ["<category_id>"], where the rank is 1
	bestseller_badges TEXT
		CHECK (bestseller_badges IS NULL OR json_valid(bestseller_badges) AND json_type(bestseller_badges) = 'array'),
	-- of the last look: ok, or no ranks given, or no such product
	status TEXT CHECK (status IN ('ok', 'unknown', 'missing')),
	last_updated TEXT -- when we last looked
		CHECK (last_updated IS strftime('%Y-%m-%dT%H:%M:%SZ', last_updated)),
	source_updated_at TEXT -- how old what we saw was, the last time it was ok
		CHECK (source_updated_at IS strftime('%Y-%m-%dT%H:%M:%SZ', source_updated_at)),
	price_cents INTEGER, -- in the currency's minor unit
	currency TEXT, -- of price_cents: USD, CAD, EUR
	monthly_sold INTEGER, -- "bought in past month", in Amazon's steps
	rating REAL, -- 0 to 5
	review_count INTEGER, -- ratings, with a text or without
	-- which columns are older than last_updated: see column_kinds
	as_of TEXT CHECK (as_of IS NULL OR json_valid(as_of) AND json_type(as_of) = 'object'),
	PRIMARY KEY (marketplace, asin)
) STRICT;

-- Each look at an ASIN, with what was seen: columns as in asin_current_state.
CREATE TABLE asin_history (
	marketplace TEXT NOT NULL,
	asin TEXT NOT NULL,
	check_timestamp TEXT NOT NULL -- when we looked
		CHECK (check_timestamp IS strftime('%Y-%m-%dT%H:%M:%SZ', check_timestamp)),
	status TEXT CHECK (status IN ('ok', 'unknown', 'missing')),
	product_title TEXT,
	brand TEXT,
	parent_asin TEXT,
	image_url TEXT,
	sales_ranks TEXT
		CHECK (sales_ranks IS NULL OR json_valid(sales_ranks) AND json_type(sales_ranks) = 'object'),
	bestseller_badges TEXT
		CHECK (bestseller_badges IS NULL OR json_valid(bestseller_badges) AND json_type(bestseller_badges) = 'array'),
	source_updated_at TEXT
		CHECK (source_updated_at IS strftime('%Y-%m-%dT%H:%M:%SZ', source_updated_at)),
	price_cents INTEGER,
	currency TEXT,
	monthly_sold INTEGER,
	rating REAL,
	review_count INTEGER,
	raw_keepa_response TEXT, -- the whole product, as Keepa gave it
	PRIMARY KEY (marketplace, asin, check_timestamp)
) STRICT;

-- All that is counted of them, without a look at what is large.
CREATE INDEX looks_by_time ON asin_history (check_timestamp, status, marketplace, asin);

-- When a rank became what, by the source's clock: changes only.
CREATE TABLE rank_history (
	marketplace TEXT NOT NULL,
	asin TEXT NOT NULL,
	category_id TEXT NOT NULL,
	changed_at TEXT NOT NULL -- millions of rows: only the form is checked
		CHECK (changed_at GLOB '????-??-??T??:??:??Z'),
	rank INTEGER CHECK (rank >= 1), -- NULL: not ranked any more
	PRIMARY KEY (marketplace, asin, category_id, changed_at)
) STRICT, WITHOUT ROWID;

-- Categories.  A row without a name but with fetched_at has none at its source.
CREATE TABLE categories (
	marketplace TEXT NOT NULL,
	category_id TEXT NOT NULL,
	name TEXT, -- as Amazon shows it, in the marketplace's language
	parent_id TEXT, -- the category that it is in; NULL: a root, or unknown
	product_count INTEGER, -- an estimate
	fetched_at TEXT -- when its source was asked for it
		CHECK (fetched_at IS strftime('%Y-%m-%dT%H:%M:%SZ', fetched_at)),
	-- which columns are older than fetched_at: see column_kinds
	as_of TEXT CHECK (as_of IS NULL OR json_valid(as_of) AND json_type(as_of) = 'object'),
	PRIMARY KEY (marketplace, category_id)
) STRICT, WITHOUT ROWID;

-- Each time that an ASIN became, or ceased to be, #1.
CREATE TABLE bestseller_changes (
	change_id TEXT NOT NULL PRIMARY KEY, -- marketplace:asin:category_id:changed_at
	marketplace TEXT NOT NULL,
	asin TEXT NOT NULL,
	change_type TEXT NOT NULL CHECK (change_type IN ('gained', 'lost')),
	category_id TEXT NOT NULL,
	category TEXT, -- its name then, if it was known
	previous_rank INTEGER CHECK (previous_rank >= 1), -- NULL: not ranked
	new_rank INTEGER CHECK (new_rank >= 1), -- NULL: not ranked any more
	changed_at TEXT NOT NULL -- by the source's clock
		CHECK (changed_at IS strftime('%Y-%m-%dT%H:%M:%SZ', changed_at)),
	detected_at TEXT NOT NULL -- by ours
		CHECK (detected_at IS strftime('%Y-%m-%dT%H:%M:%SZ', detected_at)),
	notification_sent INTEGER NOT NULL DEFAULT 0 -- whether people were told
		CHECK (notification_sent IN (0, 1)),
	notified_at TEXT -- when they were
		CHECK (notified_at IS strftime('%Y-%m-%dT%H:%M:%SZ', notified_at)),
	CHECK ((change_type = 'gained') = (new_rank IS 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX unsent ON bestseller_changes (changed_at)
	WHERE notification_sent = 0;
CREATE INDEX changes_by_detection ON bestseller_changes (detected_at);

-- What was sent to people, or could not be.
CREATE TABLE notifications (
	notification_id TEXT NOT NULL PRIMARY KEY, -- the message's id, as we gave it
	sink TEXT NOT NULL, -- slack, clickup
	target TEXT, -- a channel, a task
	state TEXT NOT NULL CHECK (state IN ('sent', 'failed')),
	remote_id TEXT, -- the sink's own id of it
	attempts INTEGER, -- requests made for it in that run
	error TEXT, -- why it failed
	sent_at TEXT -- when the sink had accepted it
		CHECK (sent_at IS strftime('%Y-%m-%dT%H:%M:%SZ', sent_at))
) STRICT, WITHOUT ROWID;

-- What was sent stays sent, whatever is replayed later.
CREATE TRIGGER sent_stays_sent BEFORE UPDATE ON notifications
WHEN OLD.state = 'sent' AND NEW.state = 'failed'
BEGIN
	SELECT RAISE(IGNORE);
END;

-- What each request to a service that counts them took.
CREATE TABLE api_usage_log (
	usage_id TEXT NOT NULL PRIMARY KEY, -- of the run, and a number in it
	service TEXT NOT NULL, -- keepa
	asins_processed INTEGER, -- products that came
	requests INTEGER, -- made, with those that failed
	tokens_consumed INTEGER, -- by the service's own count
	tokens_left INTEGER, -- can be negative
	refill_rate INTEGER, -- tokens a minute
	estimated_cost_cents REAL, -- EUR cents, from the plan's price
	processing_started_at TEXT -- when the request was sent
		CHECK (processing_started_at IS strftime('%Y-%m-%dT%H:%M:%SZ', processing_started_at)),
	processing_completed_at TEXT -- when the answer was there, or given up
		CHECK (processing_completed_at IS strftime('%Y-%m-%dT%H:%M:%SZ', processing_completed_at)),
	error TEXT -- why there was no answer
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_time ON api_usage_log (processing_completed_at);

-- The audit trail: each run of a job.
CREATE TABLE runs (
	run_id TEXT NOT NULL PRIMARY KEY,
	program TEXT, -- what was run: badges.sh
	job TEXT, -- what it is for: badges
	version TEXT, -- of sellerpipe
	started_at TEXT
		CHECK (started_at IS strftime('%Y-%m-%dT%H:%M:%SZ', started_at)),
	finished_at TEXT -- NULL: it is running, or was killed
		CHECK (finished_at IS strftime('%Y-%m-%dT%H:%M:%SZ', finished_at)),
	status INTEGER, -- the exit status
	records INTEGER, -- how many things it did: ASINs looked at
	host TEXT -- the machine
) STRICT, WITHOUT ROWID;

CREATE TABLE health_checks (
	service TEXT NOT NULL, -- keepa, slack
	checked_at TEXT NOT NULL
		CHECK (checked_at IS strftime('%Y-%m-%dT%H:%M:%SZ', checked_at)),
	ok INTEGER NOT NULL CHECK (ok IN (0, 1)), -- it answers, and takes our key
	latency_ms INTEGER, -- until the answer
	detail TEXT, -- in words: tokens left, or what is wrong
	PRIMARY KEY (service, checked_at)
) STRICT, WITHOUT ROWID;

-- What is tracked, and how each of it is.  A tenth of the interval is left for
-- runs that start a little early or took a little long; what gave no answer is
-- due again at once.
CREATE VIEW watchlist AS
SELECT t.marketplace, t.asin, t.priority, t.monitoring_frequency, t.role,
	t.label, s.product_title, s.status, s.last_updated, s.source_updated_at,
	s.last_updated IS NULL OR s.status = 'unknown'
		OR strftime('%s', 'now') - strftime('%s', s.last_updated)
			>= t.monitoring_frequency * 54 AS due
FROM tracked_asins t LEFT JOIN asin_current_state s USING (marketplace, asin)
WHERE t.is_active
ORDER BY t.priority, s.last_updated, t.marketplace, t.asin;

-- What to look at now.  keepa-fetch asks for history back to the earlier of the
-- two times.
CREATE VIEW due_asins AS
SELECT marketplace, asin, priority, monitoring_frequency, last_updated,
	source_updated_at
FROM watchlist WHERE due
ORDER BY priority, last_updated, marketplace, asin;

-- All that was observed, as badge-diff wants to read it again: each point of a
-- rank before the first look that could have seen it.
CREATE VIEW timeline AS
SELECT 'rank_history' AS type, marketplace, asin, category_id, changed_at, rank,
	NULL AS check_timestamp, NULL AS status, NULL AS product_title,
	NULL AS brand, NULL AS parent_asin, NULL AS image_url,
	NULL AS sales_ranks, NULL AS source_updated_at, NULL AS price_cents,
	NULL AS currency, NULL AS monthly_sold, NULL AS rating,
	NULL AS review_count, changed_at AS at, 0 AS look
FROM rank_history
UNION ALL
SELECT 'asin_history', marketplace, asin, NULL, NULL, NULL, check_timestamp,
	status, product_title, brand, parent_asin, image_url, sales_ranks,
	source_updated_at, price_cents, currency, monthly_sold, rating,
	review_count, coalesce(source_updated_at, check_timestamp), 1
FROM asin_history
ORDER BY marketplace, asin, at, look, check_timestamp;

-- Categories in use that nobody has named yet; those that have no name are
-- asked for again after a month.
CREATE VIEW unnamed_categories AS
SELECT DISTINCT s.marketplace, CAST(r.key AS TEXT) AS category_id
FROM asin_current_state s, json_each(s.sales_ranks) r
LEFT JOIN categories c
	ON c.marketplace = s.marketplace AND c.category_id = r.key
WHERE c.name IS NULL AND (c.fetched_at IS NULL
	OR c.fetched_at < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-30 days'))
ORDER BY s.marketplace, length(r.key), r.key;

-- Each change, with all that a message says of it.  Changes of one ASIN at one
-- moment share a notification_id.
CREATE VIEW changes_to_tell AS
SELECT b.change_id, b.marketplace, b.asin, b.change_type, b.category_id,
	coalesce(c.name, b.category) AS category, b.previous_rank, b.new_rank,
	b.changed_at, b.detected_at, b.notification_sent, b.notified_at,
	'badge:' || b.marketplace || ':' || b.asin || ':' || b.changed_at
		AS notification_id,
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
LEFT JOIN marketplaces m ON m.marketplace = b.marketplace;

-- What nobody was told yet.  A message that failed for a reason of its own is
-- not tried again (delete its notifications row to do so); one that failed for
-- its channel is.  An error can have more words behind a colon.
CREATE VIEW unsent_changes AS
SELECT * FROM changes_to_tell c
WHERE notification_sent = 0 AND NOT EXISTS (
	SELECT 1 FROM notifications n
	WHERE n.notification_id = c.notification_id AND n.state = 'failed'
		AND coalesce(substr(n.error, 1, instr(n.error || ':', ':') - 1), '')
		NOT IN ('channel_not_found', 'not_in_channel', 'is_archived',
			'restricted_action', 'messages_tab_disabled',
			'team_not_found'))
ORDER BY changed_at, marketplace, asin, length(category_id), category_id;

-- Who is #1 now, and since when.
CREATE VIEW current_badges AS
SELECT s.marketplace, s.asin, s.product_title,
	CAST(b.value AS TEXT) AS category_id, c.name AS category,
	(SELECT json_extract(r.value, '$.since') FROM json_each(s.sales_ranks) r
		WHERE r.key = b.value AND r.type = 'object') AS since,
	s.last_updated
FROM asin_current_state s, json_each(s.bestseller_badges) b
LEFT JOIN categories c
	ON c.marketplace = s.marketplace AND c.category_id = b.value
ORDER BY s.marketplace, s.asin, length(b.value), b.value;

-- Each stint at #1: it begins with a point of rank 1 that none of rank 1 stands
-- right before, and lasts until the first that is another.  until NULL: it is not
-- over, and hours run to now.
CREATE VIEW badge_runs AS
WITH stints AS (
	SELECT r.*, (SELECT n.changed_at FROM rank_history n
		WHERE n.marketplace = r.marketplace AND n.asin = r.asin
			AND n.category_id = r.category_id
			AND n.changed_at > r.changed_at AND n.rank IS NOT 1
		ORDER BY n.changed_at LIMIT 1) AS until
	FROM rank_history r
	WHERE r.rank = 1 AND (SELECT p.rank FROM rank_history p
		WHERE p.marketplace = r.marketplace AND p.asin = r.asin
			AND p.category_id = r.category_id
			AND p.changed_at < r.changed_at
		ORDER BY p.changed_at DESC LIMIT 1) IS NOT 1
)
SELECT s.marketplace, s.asin, s.category_id, c.name AS category,
	s.changed_at AS "from", s.until,
	round((strftime('%s', coalesce(s.until, 'now'))
		- strftime('%s', s.changed_at)) / 3600.0, 1) AS hours
FROM stints s LEFT JOIN categories c USING (marketplace, category_id)
ORDER BY s.marketplace, s.asin, s.category_id, s.changed_at;

-- How lively each category is, of all changes ever.
CREATE VIEW category_performance AS
SELECT b.marketplace, b.category_id, c.name AS category,
	count(*) AS changes, sum(b.change_type = 'gained') AS gained,
	sum(b.change_type = 'lost') AS lost,
	count(DISTINCT b.asin) AS asins, max(b.changed_at) AS last_changed_at
FROM bestseller_changes b LEFT JOIN categories c USING (marketplace, category_id)
GROUP BY b.marketplace, b.category_id
ORDER BY changes DESC, b.marketplace, b.category_id;

-- Each day of UTC on which anything ran.  NULL: nothing is recorded; so a day
-- without a look has no changes, which is not zero changes.
CREATE VIEW daily_summary AS
WITH days AS (
	SELECT substr(check_timestamp, 1, 10) AS date FROM asin_history
	UNION SELECT substr(detected_at, 1, 10) FROM bestseller_changes
	UNION SELECT substr(processing_completed_at, 1, 10) FROM api_usage_log
	WHERE processing_completed_at IS NOT NULL
), changes AS (
	SELECT substr(detected_at, 1, 10) AS date, count(*) AS total_changes,
		sum(change_type = 'gained') AS badges_gained,
		sum(change_type = 'lost') AS badges_lost
	FROM bestseller_changes GROUP BY 1
), looks AS (
	SELECT substr(check_timestamp, 1, 10) AS date, count(*) AS checks,
		count(DISTINCT marketplace || asin) AS asins_checked,
		sum(status IS NOT 'ok') AS unknown, 0 AS none
	FROM asin_history GROUP BY 1
), calls AS (
	SELECT substr(processing_completed_at, 1, 10) AS date,
		sum(requests) AS api_calls, sum(tokens_consumed) AS tokens_consumed,
		round(sum(estimated_cost_cents), 2) AS estimated_cost_cents
	FROM api_usage_log GROUP BY 1
)
SELECT d.date, coalesce(total_changes, none) AS total_changes,
	coalesce(badges_gained, none) AS badges_gained,
	coalesce(badges_lost, none) AS badges_lost,
	asins_checked, checks, unknown, api_calls, tokens_consumed,
	estimated_cost_cents
FROM days d LEFT JOIN changes USING (date) LEFT JOIN looks USING (date)
LEFT JOIN calls USING (date)
ORDER BY d.date;

-- The last word on each service.
CREATE VIEW health_status AS
SELECT h.* FROM health_checks h
WHERE h.checked_at = (SELECT max(checked_at) FROM health_checks
	WHERE service = h.service);
