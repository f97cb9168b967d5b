-- What Amazon sold of each product on each day, as it says, and said before.
-- Times as in 001.  A date is Amazon's day, which is not said to be UTC's, and is
-- never moved.  Amounts are in the minor unit of the currency.

INSERT INTO column_kinds VALUES
	('sales_daily', 'fetched_at', 'version'),
	('sales_daily_totals', 'fetched_at', 'version'),
	('sales_restatements', 'old', 'json'),
	('sales_restatements', 'new', 'json'),
	('report_requests', 'updated_at', 'version');

-- Each product's day: a row for each ASIN that had a sale or a visit.  Millions of
-- rows, in a partition for each month.  Each column whose name has b2b in it is the part
-- of the one before it that Amazon Business customers have; NULL for sellers whose
-- reports have none, which is not 0.
CREATE TABLE sales_daily (
	marketplace text COLLATE "C" NOT NULL,
	date date NOT NULL CHECK (date BETWEEN '2000-01-01' AND '2099-12-31'),
	asin text COLLATE "C" NOT NULL CHECK (asin <> ''), -- the child, where there are variations
	parent_asin text COLLATE "C", -- that it was a variation of then; itself, if of none
	units_ordered bigint, -- pieces
	units_ordered_b2b bigint,
	ordered_product_sales_cents bigint, -- price times pieces, in the currency's minor unit
	ordered_product_sales_b2b_cents bigint,
	total_order_items bigint, -- lines of orders, of any number of pieces
	total_order_items_b2b bigint,
	browser_sessions bigint, -- visits by browser, within 24 hours one a user
	browser_sessions_b2b bigint,
	mobile_app_sessions bigint, -- visits by the app
	mobile_app_sessions_b2b bigint,
	sessions bigint, -- visits by any: less than both, if some used both
	sessions_b2b bigint,
	browser_session_percentage double precision, -- of all that the seller's products had that day
	browser_session_percentage_b2b double precision,
	mobile_app_session_percentage double precision, -- likewise
	mobile_app_session_percentage_b2b double precision,
	session_percentage double precision, -- likewise
	session_percentage_b2b double precision,
	browser_page_views bigint, -- pages shown by browser
	browser_page_views_b2b bigint,
	mobile_app_page_views bigint, -- pages shown by the app
	mobile_app_page_views_b2b bigint,
	page_views bigint, -- pages shown by any
	page_views_b2b bigint,
	browser_page_views_percentage double precision, -- of all that the seller's products had that day
	browser_page_views_percentage_b2b double precision,
	mobile_app_page_views_percentage double precision, -- likewise
	mobile_app_page_views_percentage_b2b double precision,
	page_views_percentage double precision, -- likewise
	page_views_percentage_b2b double precision,
	buy_box_percentage double precision, -- of the pages, where the buy box was the seller's
	buy_box_percentage_b2b double precision,
	unit_session_percentage double precision, -- pieces a visit: can be more than 100
	unit_session_percentage_b2b double precision,
	currency text COLLATE "C", -- of all amounts
	report_id text COLLATE "C", -- Amazon's id of the report that said so
	fetched_at timestamptz NOT NULL -- when that was read
		CHECK (fetched_at = date_trunc('second', fetched_at) AND isfinite(fetched_at)),
	PRIMARY KEY (marketplace, date, asin)
) PARTITION BY RANGE (date);

-- Each day of a marketplace in all, as Amazon gives it beside the products: the sum
-- of these is a little less, for ASINs that are gone.  Columns as in sales_daily.
CREATE TABLE sales_daily_totals (
	marketplace text COLLATE "C" NOT NULL,
	date date NOT NULL CHECK (date BETWEEN '2000-01-01' AND '2099-12-31'),
	ordered_product_sales_cents bigint, -- price times pieces, in the currency's minor unit
	ordered_product_sales_b2b_cents bigint,
	units_ordered bigint, -- pieces
	units_ordered_b2b bigint,
	total_order_items bigint, -- lines of orders, of any number of pieces
	total_order_items_b2b bigint,
	average_sales_per_order_item_cents bigint, -- a line's, on average
	average_sales_per_order_item_b2b_cents bigint,
	average_units_per_order_item double precision, -- pieces a line
	average_units_per_order_item_b2b double precision,
	average_selling_price_cents bigint, -- a piece's
	average_selling_price_b2b_cents bigint,
	units_refunded bigint, -- pieces paid back that day, whenever they were sold
	refund_rate double precision, -- percent of the pieces ordered
	claims_granted bigint, -- A-to-z claims
	claims_amount_cents bigint, -- of those that were filed
	shipped_product_sales_cents bigint, -- of what was shipped that day
	units_shipped bigint, -- pieces
	orders_shipped bigint, -- how many
	browser_page_views bigint, -- pages shown by browser
	browser_page_views_b2b bigint,
	mobile_app_page_views bigint, -- pages shown by the app
	mobile_app_page_views_b2b bigint,
	page_views bigint, -- pages shown by any
	page_views_b2b bigint,
	browser_sessions bigint, -- visits by browser, within 24 hours one a user
	browser_sessions_b2b bigint,
	mobile_app_sessions bigint, -- visits by the app
	mobile_app_sessions_b2b bigint,
	sessions bigint, -- visits by any: less than both, if some used both
	sessions_b2b bigint,
	buy_box_percentage double precision, -- of the pages, where the buy box was the seller's
	buy_box_percentage_b2b double precision,
	order_item_session_percentage double precision, -- lines of orders a visit
	order_item_session_percentage_b2b double precision,
	unit_session_percentage double precision, -- pieces a visit: can be more than 100
	unit_session_percentage_b2b double precision,
	average_offer_count bigint, -- offers that were listed, on average
	average_parent_items bigint, -- parents that were listed, on average
	feedback_received bigint, -- customers' words on the seller
	negative_feedback_received bigint, -- those that blame
	received_negative_feedback_rate double precision, -- percent of the orders
	currency text COLLATE "C",
	report_id text COLLATE "C",
	fetched_at timestamptz NOT NULL
		CHECK (fetched_at = date_trunc('second', fetched_at) AND isfinite(fetched_at)),
	PRIMARY KEY (marketplace, date)
);

-- The ledger of the reports asked for: each row is one pull of one day of one
-- marketplace.
CREATE TABLE report_requests (
	request_id text COLLATE "C" NOT NULL PRIMARY KEY, -- marketplace:date:granularity:n, the n-th
	marketplace text COLLATE "C" NOT NULL
		CHECK (marketplace ~ '^[A-Z]{2}$'),
	date date NOT NULL CHECK (date BETWEEN '2000-01-01' AND '2099-12-31'),
	granularity text COLLATE "C" NOT NULL DEFAULT 'CHILD' -- what its rows are of
		CHECK (granularity IN ('CHILD', 'SKU', 'PARENT')),
	-- In capitals Amazon's word, else ours.
	--   planned      to be asked for
	--   creating     is being asked for: Amazon may have it, or not
	--   created      Amazon has it, as report_id
	--   IN_QUEUE, IN_PROGRESS
	--   ready        it is there, as document_id; its rows are not out yet
	--   DONE         its rows are out
	--   not_ready    Amazon has no whole data yet: to be asked for again
	--   CANCELLED    there was none: to be asked for once more, to be sure
	--   FATAL        Amazon failed: to be asked for again
	--   no_data      there is none
	--   failed       given up
	status text COLLATE "C" NOT NULL CHECK (status IN ('planned', 'creating', 'created',
		'IN_QUEUE', 'IN_PROGRESS', 'ready', 'DONE', 'not_ready',
		'CANCELLED', 'FATAL', 'no_data', 'failed')),
	report_id text COLLATE "C", -- of the last report created for it; planned: for its day
	document_id text COLLATE "C", -- of that report
	attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- reports created
	not_before timestamptz -- it is left alone until then
		CHECK (not_before = date_trunc('second', not_before) AND isfinite(not_before)),
	error text COLLATE "C", -- why it is not done
	asked_at timestamptz -- when the last report was created
		CHECK (asked_at = date_trunc('second', asked_at) AND isfinite(asked_at)),
	created_at timestamptz -- when it was planned
		CHECK (created_at = date_trunc('second', created_at) AND isfinite(created_at)),
	updated_at timestamptz NOT NULL -- as of when all this is
		DEFAULT date_trunc('second', now())
		CHECK (updated_at = date_trunc('second', updated_at) AND isfinite(updated_at)),
	rows_by_asin bigint CHECK (rows_by_asin >= 0), -- in the report
	rows_by_date bigint CHECK (rows_by_date >= 0) -- likewise
);

CREATE INDEX requests_by_day ON report_requests (marketplace, date);

-- What Amazon changed after it had said something else.  The triggers below keep
-- it; what comes out of order, the older after the newer, is not in it.
CREATE TABLE sales_restatements (
	marketplace text COLLATE "C" NOT NULL,
	date date NOT NULL, -- the day that it is about
	asin text COLLATE "C" NOT NULL, -- '': the whole day, in sales_daily_totals
	"column" text COLLATE "C" NOT NULL, -- which one
	seen_at timestamptz NOT NULL -- when the new value was read
		CHECK (seen_at = date_trunc('second', seen_at) AND isfinite(seen_at)),
	old_seen_at timestamptz NOT NULL -- when the old one was
		CHECK (old_seen_at = date_trunc('second', old_seen_at) AND isfinite(old_seen_at)),
	-- The values as JSON, so that numbers stay numbers.  NULL: none
	old json,
	new json,
	PRIMARY KEY (marketplace, date, asin, "column", seen_at)
);

-- Of both tables the triggers do the same, but for the key, and that a total has one
-- row a fetch.  They look at each column but the key and those that say whence and
-- when a row is; so what they do is written out here, from the catalogue: to do it
-- for any row takes four times as long.
--
-- Two changes at one moment are one, from the first old value to the last new one.
-- A second row of one fetch only goes on with what is known to have changed.
-- Numbers with a fraction are as SQLite writes them: to 15 digits, with a point.
DO $$
DECLARE
	put CONSTANT text := $sql$
	INSERT INTO sales_restatements AS r
	SELECT NEW.marketplace, NEW.date, %1$s, c.name, NEW.fetched_at,
		OLD.fetched_at, c.was, c.is_now
	FROM unnest(names, was, is_now) c (name, was, is_now)%2$s
	ON CONFLICT (marketplace, date, asin, "column", seen_at)
		DO UPDATE SET new = excluded.new;$sql$;
	put_product CONSTANT text := format(put, 'NEW.asin', $sql$
	WHERE OLD.fetched_at <> NEW.fetched_at OR EXISTS (
		SELECT 1 FROM sales_restatements s
		WHERE s.marketplace = NEW.marketplace AND s.date = NEW.date
			AND s.asin = NEW.asin AND s."column" = c.name
			AND s.seen_at = NEW.fetched_at)$sql$) || $sql$
	DELETE FROM sales_restatements r WHERE r.marketplace = NEW.marketplace
		AND r.date = NEW.date AND r.asin = NEW.asin
		AND r.seen_at = NEW.fetched_at
		AND r.old::text IS NOT DISTINCT FROM r.new::text;$sql$;
	t record;
BEGIN
	FOR t IN SELECT f.*,
			string_agg(format('OLD.%I', c.name), ', ' ORDER BY place) AS was,
			string_agg(format('NEW.%I', c.name), ', ' ORDER BY place) AS is_now,
			string_agg(format($sql$
	IF OLD.%1$I IS DISTINCT FROM NEW.%1$I THEN
		names := array_append(names, %1$L);
		was := array_append(was, %2$s);
		is_now := array_append(is_now, %3$s);
	END IF;$sql$, c.name, format(c.json, 'OLD', c.name), format(c.json, 'NEW', c.name)),
				'' ORDER BY place) AS compare
		FROM (VALUES ('sales_daily', 'note_restated_product', put_product),
			('sales_daily_totals', 'note_restated_total', format(put, '''''', '')))
			f (name, function, put)
		JOIN LATERAL (SELECT attname AS name, attnum AS place,
				CASE atttypid WHEN 'double precision'::regtype THEN
					'regexp_replace(%s.%I::text, ''^(-?\d+)(e.*)?$'', ''\1.0\2'')::json'
				ELSE 'to_json(%s.%I)' END AS json
			FROM pg_attribute WHERE attrelid = f.name::regclass AND attnum > 0
				AND attname NOT IN ('marketplace', 'date', 'asin',
					'report_id', 'fetched_at')) c ON true
		GROUP BY f.name, f.function, f.put
	LOOP
		EXECUTE format('CREATE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql
			SET search_path = %I, pg_temp SET extra_float_digits = 0 AS %L',
			t.function, current_schema(), 'DECLARE
	names text[];
	was json[];
	is_now json[];
BEGIN' || t.compare || t.put || '
	RETURN NULL;
END');
		EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I FOR EACH ROW
			WHEN ((%s) IS DISTINCT FROM (%s)) EXECUTE FUNCTION %I()',
			t.name || '_restated', t.name, t.was, t.is_now, t.function);
	END LOOP;
END $$;

-- How fast a product sells is what it sold a day in each of these windows, which
-- end with the last day that is settled, each by its weight.
CREATE TABLE velocity_windows (
	days bigint NOT NULL PRIMARY KEY CHECK (days >= 1),
	weight double precision NOT NULL CHECK (weight >= 0) -- beside the others': their sum is no matter
);

INSERT INTO velocity_windows VALUES (7, 0.4), (30, 0.3), (60, 0.2), (90, 0.1);

-- How each day stands, of each marketplace, from the first day that anything is
-- known of to the last one that is over.  That is over everywhere where Amazon's
-- day may end: none of its sites is known to count later than Los Angeles, which
-- is 8 hours behind UTC, or 7 in summer, when this is an hour late.
--
--   missing      nothing is there, and nothing was asked for yet
--   not_ready    it was asked for and did not come, or not whole; or only the
--                total is there, beside products that Amazon left out
--   no_data      Amazon has none
--   provisional  it is there, but a later report is read in part only; or it was
--                read within 72 hours of the day's beginning,
--                which is as long as Amazon says to wait; or nobody visited what
--                was bought, so that the visits are yet to come
--   settled      it is there, and read later: the job's last look of the first
--                days is some 83 hours after the day's beginning
--   restated     settled, and then Amazon changed something after all
--
-- Only the last three are numbers to count with.  A day on which nothing was sold
-- nor visited is one, too: its total is all zero, and there are no products.
CREATE VIEW sales_freshness WITH (security_invoker = true) AS
WITH by_asin AS MATERIALIZED (
	SELECT marketplace, date, count(*) AS asins,
		sum(units_ordered)::bigint AS units,
		CASE WHEN min(currency) IS NOT DISTINCT FROM max(currency) -- or there is no sum
			THEN sum(ordered_product_sales_cents)::bigint END AS cents,
		sum(sessions)::bigint AS sessions,
		CASE WHEN min(currency) IS NOT DISTINCT FROM max(currency)
			THEN max(currency) END AS currency,
		max(fetched_at) AS fetched_at
	FROM sales_daily GROUP BY marketplace, date
), by_date AS (
	SELECT marketplace, date, units_ordered AS units,
		ordered_product_sales_cents AS cents, sessions, currency,
		fetched_at, units_ordered = 0
			AND coalesce(ordered_product_sales_cents, 0) = 0
			AND coalesce(total_order_items, 0) = 0
			AND coalesce(sessions, 0) = 0
			AND coalesce(page_views, 0) = 0 AS is_zero
	FROM sales_daily_totals
), requests AS MATERIALIZED (
	SELECT *, row_number() OVER newest AS nth,
		bool_or(status = 'DONE') OVER (PARTITION BY marketplace, date) AS done,
		bool_or(status <> 'planned' OR attempts > 0)
			OVER (PARTITION BY marketplace, date) AS asked,
		first_value(status) OVER (PARTITION BY marketplace, date
			ORDER BY status IN ('DONE', 'no_data', 'failed') DESC,
				created_at DESC NULLS LAST,
				length(request_id) DESC, request_id DESC) AS finished
	FROM report_requests
	WHERE granularity = 'CHILD' -- the others' rows are not all there is of a day
	WINDOW newest AS (PARTITION BY marketplace, date
		ORDER BY created_at DESC NULLS LAST, length(request_id) DESC,
			request_id DESC)
), partial AS MATERIALIZED ( -- some rows are of a report that is not read whole
	SELECT DISTINCT q.marketplace, q.date FROM report_requests q
	WHERE q.status IN ('ready', 'FATAL', 'failed')
		AND EXISTS (SELECT 1 FROM sales_daily r
			WHERE r.marketplace = q.marketplace AND r.date = q.date
				AND r.report_id = q.report_id)
		AND NOT EXISTS (SELECT 1 FROM report_requests d
			WHERE d.marketplace = q.marketplace AND d.date = q.date
				AND d.report_id = q.report_id AND d.status = 'DONE')
), changes AS MATERIALIZED (
	SELECT marketplace, date, count(*) AS n, max(seen_at) AS last_at,
		max(old_seen_at) AS last_old_at
	FROM sales_restatements GROUP BY marketplace, date
), span AS (
	SELECT marketplace, min(date) AS first,
		((now() - interval '8 hours') AT TIME ZONE 'UTC')::date - 1 AS last
	FROM (SELECT marketplace, date FROM by_asin
		UNION ALL SELECT marketplace, date FROM sales_daily_totals
		UNION ALL SELECT marketplace, date FROM report_requests) known_of
	GROUP BY marketplace
), days AS MATERIALIZED (
	SELECT marketplace, first + n AS date
	FROM span, generate_series(0, last - first) n
), known AS (
	SELECT d.marketplace, d.date,
		(d.date + 3)::timestamp AT TIME ZONE 'UTC' AS settles_at,
		coalesce(a.fetched_at, t.fetched_at) AS fetched_at,
		coalesce(a.asins, 0) AS asins,
		CASE WHEN a.asins IS NOT NULL THEN a.units
			WHEN t.is_zero AND r.done THEN 0 END AS units_by_asin,
		CASE WHEN a.asins IS NOT NULL THEN a.cents
			WHEN t.is_zero AND r.done THEN 0 END AS cents_by_asin,
		t.units AS units_by_date, t.cents AS cents_by_date,
		coalesce(t.currency, a.currency) AS currency,
		a.currency AS currency_by_asin,
		coalesce(t.sessions, a.sessions) AS sessions,
		a.units > 0 AND (a.sessions = 0 OR t.sessions = 0) AS unvisited,
		coalesce(c.n, 0) AS restatements, c.last_at, c.last_old_at,
		r.status, r.error, r.not_before, r.attempts,
		p.date IS NOT NULL AS partial,
		CASE WHEN a.asins IS NULL AND r.finished = 'no_data' THEN 'no_data'
			WHEN p.date IS NOT NULL AND NOT coalesce(r.done, false)
				THEN 'not_ready'
			WHEN a.asins IS NOT NULL OR t.is_zero AND r.done THEN 'usable'
			WHEN t.marketplace IS NOT NULL OR r.asked AND NOT r.done
				THEN 'not_ready'
			ELSE 'missing' END AS have
	FROM days d
	LEFT JOIN by_asin a
		ON a.marketplace = d.marketplace AND a.date = d.date
	LEFT JOIN by_date t
		ON t.marketplace = d.marketplace AND t.date = d.date
	LEFT JOIN requests r ON r.marketplace = d.marketplace
		AND r.date = d.date AND r.nth = 1
	LEFT JOIN partial p
		ON p.marketplace = d.marketplace AND p.date = d.date
	LEFT JOIN changes c
		ON c.marketplace = d.marketplace AND c.date = d.date
)
SELECT marketplace, date,
	CASE WHEN have <> 'usable' THEN have
		WHEN partial OR fetched_at < settles_at OR unvisited
			THEN 'provisional'
		WHEN last_old_at >= settles_at THEN 'restated'
		ELSE 'settled' END COLLATE "C" AS state,
	-- from the day's beginning until it was read; by way of a day's number, as
	-- SQLite has it, so that what lies between two is rounded as there
	round((((2440587.5 + extract(epoch FROM fetched_at) / 86400)::double precision
		- (2440587.5 + (date - date '1970-01-01'))::double precision)
			* 24)::numeric, 1)::double precision AS age_hours,
	fetched_at, asins, units_by_asin, units_by_date,
	units_by_date - units_by_asin AS units_gap,
	cents_by_asin AS sales_by_asin_cents, cents_by_date AS sales_by_date_cents,
	CASE WHEN currency_by_asin IS NOT DISTINCT FROM currency
			OR currency_by_asin IS NULL
		THEN cents_by_date - cents_by_asin END AS sales_gap_cents,
	currency, sessions, restatements, last_at AS last_restated_at,
	status AS request_status, error, not_before, attempts
FROM known
ORDER BY marketplace, date;

-- The days that there are no numbers of, and why, as far as it is known.
CREATE VIEW report_gaps WITH (security_invoker = true) AS
SELECT marketplace, date, state, request_status AS status, error, not_before,
	attempts
FROM sales_freshness WHERE state IN ('missing', 'not_ready')
ORDER BY date DESC, marketplace;

-- How fast each product sells, as of the last day that is settled: pieces a day.
-- No number comes of a day that is not known.  A window that has one is left out,
-- the weights of the others count as if they were all; and if one of the last 7
-- days is not known, nothing is said.  A product without a row on a day that is
-- known had neither sale nor visit.
CREATE VIEW sales_velocity WITH (security_invoker = true) AS
WITH days AS MATERIALIZED (
	SELECT marketplace, date,
		state IN ('settled', 'restated', 'provisional') AS usable,
		state = 'provisional' AS provisional,
		(max(CASE WHEN state IN ('settled', 'restated') THEN date END)
			OVER (PARTITION BY marketplace) - date)::bigint AS age
	FROM sales_freshness
), markets AS ( -- whole: days in a row up to as_of without one that is not known
	SELECT marketplace, max(CASE WHEN age = 0 THEN date END) AS as_of,
		coalesce(min(CASE WHEN NOT usable THEN age END), max(age) + 1)
			AS whole,
		90 - count(*) FILTER (WHERE usable AND age < 90) AS missing_days
	FROM days WHERE age >= 0 GROUP BY marketplace
), weighted AS ( -- over all windows that are whole, if the week is
	SELECT m.marketplace, m.as_of, m.whole, m.missing_days,
		max(w.days) AS days_used, sum(w.weight) AS weight
	FROM markets m LEFT JOIN velocity_windows w
		ON w.days <= m.whole AND m.whole >= 7 AND w.weight > 0
	GROUP BY m.marketplace, m.as_of, m.whole, m.missing_days
), spans AS MATERIALIZED (
	SELECT m.marketplace, m.as_of, m.whole, m.missing_days, m.days_used,
		m.weight, sum(d.provisional::int) AS provisional_days
	FROM weighted m LEFT JOIN days d ON d.marketplace = m.marketplace
		AND d.age >= 0 AND d.age < m.days_used
	GROUP BY m.marketplace, m.as_of, m.whole, m.missing_days, m.days_used,
		m.weight
), shares AS MATERIALIZED ( -- what a piece that was sold on a day adds
	SELECT s.marketplace, d.date, d.age, d.age < s.days_used AS used,
		(SELECT sum(w.weight / w.days) FROM velocity_windows w
			WHERE w.days > d.age AND w.days <= s.whole) / s.weight AS share
	FROM spans s JOIN days d ON d.marketplace = s.marketplace
	WHERE d.age >= 0 AND (d.age < 90 OR d.age < s.days_used)
), sums AS (
	SELECT r.marketplace, r.asin,
		sum(r.units_ordered * d.share) AS per_day,
		sum(CASE WHEN age < 7 THEN r.units_ordered ELSE 0 END)::double precision AS of_7,
		sum(CASE WHEN age < 30 THEN r.units_ordered ELSE 0 END)::double precision AS of_30,
		sum(CASE WHEN age < 60 THEN r.units_ordered ELSE 0 END)::double precision AS of_60,
		sum(CASE WHEN age < 90 THEN r.units_ordered ELSE 0 END)::double precision AS of_90,
		sum(CASE WHEN used THEN r.units_ordered ELSE 0 END)::double precision AS units,
		sum(CASE WHEN used THEN r.units_ordered_b2b END)::double precision AS b2b,
		sum(CASE WHEN used THEN r.units_ordered::double precision * r.units_ordered
			ELSE 0 END) AS squares,
		-- the first day on which the report did not say
		min(CASE WHEN r.units_ordered IS NULL THEN age END) AS unknown
	FROM shares d JOIN sales_daily r
		ON r.marketplace = d.marketplace AND r.date = d.date
	WHERE r.date >= (SELECT min(date) FROM shares) -- no older partition is read
	GROUP BY r.marketplace, r.asin
)
SELECT u.marketplace, u.asin, a.product_title, s.as_of,
	CASE WHEN s.days_used <= coalesce(unknown, s.days_used)
		THEN round(coalesce(per_day, 0)::numeric, 4)::double precision
		END AS units_per_day,
	CASE WHEN 7 <= least(whole, coalesce(unknown, 7))
		THEN round((of_7 / 7)::numeric, 4)::double precision
		END AS units_per_day_7,
	CASE WHEN 30 <= least(whole, coalesce(unknown, 30))
		THEN round((of_30 / 30)::numeric, 4)::double precision
		END AS units_per_day_30,
	CASE WHEN 60 <= least(whole, coalesce(unknown, 60))
		THEN round((of_60 / 60)::numeric, 4)::double precision
		END AS units_per_day_60,
	CASE WHEN 90 <= least(whole, coalesce(unknown, 90))
		THEN round((of_90 / 90)::numeric, 4)::double precision
		END AS units_per_day_90,
	s.days_used, s.provisional_days, s.missing_days,
	round((100 * b2b / nullif(units, 0))::numeric, 2)::double precision AS b2b_share,
	CASE WHEN s.days_used > 1
			AND s.days_used <= coalesce(unknown, s.days_used)
		THEN round(sqrt(greatest(squares - units * units / s.days_used, 0)
			/ (s.days_used - 1))::numeric, 4)::double precision
		END AS stddev
FROM sums u JOIN spans s USING (marketplace)
LEFT JOIN asin_current_state a
	ON a.marketplace = u.marketplace AND a.asin = u.asin
ORDER BY u.marketplace, u.asin;

-- The products' days of the last 30 days that are over.
CREATE VIEW sales_recent WITH (security_invoker = true) AS
WITH days AS MATERIALIZED (
	SELECT marketplace, date, state FROM sales_freshness
	WHERE date > ((now() - interval '8 hours') AT TIME ZONE 'UTC')::date - 31
)
SELECT r.marketplace, r.date, r.asin, a.product_title, d.state, r.parent_asin,
	r.units_ordered, r.units_ordered_b2b, r.ordered_product_sales_cents,
	r.ordered_product_sales_b2b_cents, r.currency, r.total_order_items,
	r.sessions, r.page_views, r.buy_box_percentage,
	r.unit_session_percentage, r.fetched_at
FROM days d JOIN sales_daily r
	ON r.marketplace = d.marketplace AND r.date = d.date
LEFT JOIN asin_current_state a
	ON a.marketplace = r.marketplace AND a.asin = r.asin
WHERE r.date > ((now() - interval '8 hours') AT TIME ZONE 'UTC')::date - 31
ORDER BY r.date DESC, r.marketplace, r.asin;

DO $$
BEGIN
	PERFORM make_partitions();
END $$;
