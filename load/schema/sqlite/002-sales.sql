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
-- rows: only forms are checked.  Each column whose name has b2b in it is the part
-- of the one before it that Amazon Business customers have; NULL for sellers whose
-- reports have none, which is not 0.
CREATE TABLE sales_daily (
	marketplace TEXT NOT NULL,
	date TEXT NOT NULL CHECK (date GLOB '20[0-9][0-9]-[01][0-9]-[0-3][0-9]'),
	asin TEXT NOT NULL CHECK (asin <> ''), -- the child, where there are variations
	parent_asin TEXT, -- that it was a variation of then; itself, if of none
	units_ordered INTEGER, -- pieces
	units_ordered_b2b INTEGER,
	ordered_product_sales_cents INTEGER, -- price times pieces, in the currency's minor unit
	ordered_product_sales_b2b_cents INTEGER,
	total_order_items INTEGER, -- lines of orders, of any number of pieces
	total_order_items_b2b INTEGER,
	browser_sessions INTEGER, -- visits by browser, within 24 hours one a user
	browser_sessions_b2b INTEGER,
	mobile_app_sessions INTEGER, -- visits by the app
	mobile_app_sessions_b2b INTEGER,
	sessions INTEGER, -- visits by any: less than both, if some used both
	sessions_b2b INTEGER,
	browser_session_percentage REAL, -- of all that the seller's products had that day
	browser_session_percentage_b2b REAL,
	mobile_app_session_percentage REAL, -- likewise
	mobile_app_session_percentage_b2b REAL,
	session_percentage REAL, -- likewise
	session_percentage_b2b REAL,
	browser_page_views INTEGER, -- pages shown by browser
	browser_page_views_b2b INTEGER,
	mobile_app_page_views INTEGER, -- pages shown by the app
	mobile_app_page_views_b2b INTEGER,
	page_views INTEGER, -- pages shown by any
	page_views_b2b INTEGER,
	browser_page_views_percentage REAL, -- of all that the seller's products had that day
	browser_page_views_percentage_b2b REAL,
	mobile_app_page_views_percentage REAL, -- likewise
	mobile_app_page_views_percentage_b2b REAL,
	page_views_percentage REAL, -- likewise
	page_views_percentage_b2b REAL,
	buy_box_percentage REAL, -- of the pages, where the buy box was the seller's
	buy_box_percentage_b2b REAL,
	unit_session_percentage REAL, -- pieces a visit: can be more than 100
	unit_session_percentage_b2b REAL,
	currency TEXT, -- of all amounts
	report_id TEXT, -- Amazon's id of the report that said so
	fetched_at TEXT NOT NULL -- when that was read
		CHECK (fetched_at GLOB '????-??-??T??:??:??Z'),
	PRIMARY KEY (marketplace, date, asin)
) STRICT;

-- Each day of a marketplace in all, as Amazon gives it beside the products: the sum
-- of these is a little less, for ASINs that are gone.  Columns as in sales_daily.
CREATE TABLE sales_daily_totals (
	marketplace TEXT NOT NULL,
	date TEXT NOT NULL CHECK (date IS date(date, '+0 days') AND date GLOB '20*'),
	ordered_product_sales_cents INTEGER, -- price times pieces, in the currency's minor unit
	ordered_product_sales_b2b_cents INTEGER,
	units_ordered INTEGER, -- pieces
	units_ordered_b2b INTEGER,
	total_order_items INTEGER, -- lines of orders, of any number of pieces
	total_order_items_b2b INTEGER,
	average_sales_per_order_item_cents INTEGER, -- a line's, on average
	average_sales_per_order_item_b2b_cents INTEGER,
	average_units_per_order_item REAL, -- pieces a line
	average_units_per_order_item_b2b REAL,
	average_selling_price_cents INTEGER, -- a piece's
	average_selling_price_b2b_cents INTEGER,
	units_refunded INTEGER, -- pieces paid back that day, whenever they were sold
	refund_rate REAL, -- percent of the pieces ordered
	claims_granted INTEGER, -- A-to-z claims
	claims_amount_cents INTEGER, -- of those that were filed
	shipped_product_sales_cents INTEGER, -- of what was shipped that day
	units_shipped INTEGER, -- pieces
	orders_shipped INTEGER, -- how many
	browser_page_views INTEGER, -- pages shown by browser
	browser_page_views_b2b INTEGER,
	mobile_app_page_views INTEGER, -- pages shown by the app
	mobile_app_page_views_b2b INTEGER,
	page_views INTEGER, -- pages shown by any
	page_views_b2b INTEGER,
	browser_sessions INTEGER, -- visits by browser, within 24 hours one a user
	browser_sessions_b2b INTEGER,
	mobile_app_sessions INTEGER, -- visits by the app
	mobile_app_sessions_b2b INTEGER,
	sessions INTEGER, -- visits by any: less than both, if some used both
	sessions_b2b INTEGER,
	buy_box_percentage REAL, -- of the pages, where the buy box was the seller's
	buy_box_percentage_b2b REAL,
	order_item_session_percentage REAL, -- lines of orders a visit
	order_item_session_percentage_b2b REAL,
	unit_session_percentage REAL, -- pieces a visit: can be more than 100
	unit_session_percentage_b2b REAL,
	average_offer_count INTEGER, -- offers that were listed, on average
	average_parent_items INTEGER, -- parents that were listed, on average
	feedback_received INTEGER, -- customers' words on the seller
	negative_feedback_received INTEGER, -- those that blame
	received_negative_feedback_rate REAL, -- percent of the orders
	currency TEXT,
	report_id TEXT,
	fetched_at TEXT NOT NULL
		CHECK (fetched_at IS strftime('%Y-%m-%dT%H:%M:%SZ', fetched_at)),
	PRIMARY KEY (marketplace, date)
) STRICT, WITHOUT ROWID;

-- The ledger of the reports asked for: each row is one pull of one day of one
-- marketplace.
CREATE TABLE report_requests (
	request_id TEXT NOT NULL PRIMARY KEY, -- marketplace:date:granularity:n, the n-th
	marketplace TEXT NOT NULL
		CHECK (length(marketplace) = 2 AND marketplace NOT GLOB '*[^A-Z]*'),
	date TEXT NOT NULL CHECK (date IS date(date, '+0 days') AND date GLOB '20*'),
	granularity TEXT NOT NULL DEFAULT 'CHILD' -- what its rows are of
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
	status TEXT NOT NULL CHECK (status IN ('planned', 'creating', 'created',
		'IN_QUEUE', 'IN_PROGRESS', 'ready', 'DONE', 'not_ready',
		'CANCELLED', 'FATAL', 'no_data', 'failed')),
	report_id TEXT, -- of the last report created for it; planned: for its day
	document_id TEXT, -- of that report
	attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- reports created
	not_before TEXT -- it is left alone until then
		CHECK (not_before IS strftime('%Y-%m-%dT%H:%M:%SZ', not_before)),
	error TEXT, -- why it is not done
	asked_at TEXT -- when the last report was created
		CHECK (asked_at IS strftime('%Y-%m-%dT%H:%M:%SZ', asked_at)),
	created_at TEXT -- when it was planned
		CHECK (created_at IS strftime('%Y-%m-%dT%H:%M:%SZ', created_at)),
	updated_at TEXT NOT NULL -- as of when all this is
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
		CHECK (updated_at IS strftime('%Y-%m-%dT%H:%M:%SZ', updated_at)),
	rows_by_asin INTEGER CHECK (rows_by_asin >= 0), -- in the report
	rows_by_date INTEGER CHECK (rows_by_date >= 0) -- likewise
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_day ON report_requests (marketplace, date);

-- What Amazon changed after it had said something else.  The triggers below keep
-- it; what comes out of order, the older after the newer, is not in it.
CREATE TABLE sales_restatements (
	marketplace TEXT NOT NULL,
	date TEXT NOT NULL, -- the day that it is about
	asin TEXT NOT NULL, -- '': the whole day, in sales_daily_totals
	"column" TEXT NOT NULL, -- which one
	seen_at TEXT NOT NULL -- when the new value was read
		CHECK (seen_at GLOB '????-??-??T??:??:??Z'),
	old_seen_at TEXT NOT NULL -- when the old one was
		CHECK (old_seen_at GLOB '????-??-??T??:??:??Z'),
	-- The values as JSON, so that numbers stay numbers.  NULL: none
	old TEXT CHECK (old IS NULL OR json_valid(old)),
	new TEXT CHECK (new IS NULL OR json_valid(new)),
	PRIMARY KEY (marketplace, date, asin, "column", seen_at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sales_daily_restated AFTER UPDATE ON sales_daily
WHEN OLD.parent_asin IS NOT NEW.parent_asin OR
	OLD.units_ordered IS NOT NEW.units_ordered OR
	OLD.units_ordered_b2b IS NOT NEW.units_ordered_b2b OR
	OLD.ordered_product_sales_cents IS NOT NEW.ordered_product_sales_cents OR
	OLD.ordered_product_sales_b2b_cents IS NOT NEW.ordered_product_sales_b2b_cents OR
	OLD.total_order_items IS NOT NEW.total_order_items OR
	OLD.total_order_items_b2b IS NOT NEW.total_order_items_b2b OR
	OLD.browser_sessions IS NOT NEW.browser_sessions OR
	OLD.browser_sessions_b2b IS NOT NEW.browser_sessions_b2b OR
	OLD.mobile_app_sessions IS NOT NEW.mobile_app_sessions OR
	OLD.mobile_app_sessions_b2b IS NOT NEW.mobile_app_sessions_b2b OR
	OLD.sessions IS NOT NEW.sessions OR OLD.sessions_b2b IS NOT NEW.sessions_b2b OR
	OLD.browser_session_percentage IS NOT NEW.browser_session_percentage OR
	OLD.browser_session_percentage_b2b IS NOT NEW.browser_session_percentage_b2b OR
	OLD.mobile_app_session_percentage IS NOT NEW.mobile_app_session_percentage OR
	OLD.mobile_app_session_percentage_b2b IS NOT NEW.mobile_app_session_percentage_b2b OR
	OLD.session_percentage IS NOT NEW.session_percentage OR
	OLD.session_percentage_b2b IS NOT NEW.session_percentage_b2b OR
	OLD.browser_page_views IS NOT NEW.browser_page_views OR
	OLD.browser_page_views_b2b IS NOT NEW.browser_page_views_b2b OR
	OLD.mobile_app_page_views IS NOT NEW.mobile_app_page_views OR
	OLD.mobile_app_page_views_b2b IS NOT NEW.mobile_app_page_views_b2b OR
	OLD.page_views IS NOT NEW.page_views OR
	OLD.page_views_b2b IS NOT NEW.page_views_b2b OR
	OLD.browser_page_views_percentage IS NOT NEW.browser_page_views_percentage OR
	OLD.browser_page_views_percentage_b2b IS NOT NEW.browser_page_views_percentage_b2b OR
	OLD.mobile_app_page_views_percentage IS NOT NEW.mobile_app_page_views_percentage OR
	OLD.mobile_app_page_views_percentage_b2b IS NOT NEW.mobile_app_page_views_percentage_b2b OR
	OLD.page_views_percentage IS NOT NEW.page_views_percentage OR
	OLD.page_views_percentage_b2b IS NOT NEW.page_views_percentage_b2b OR
	OLD.buy_box_percentage IS NOT NEW.buy_box_percentage OR
	OLD.buy_box_percentage_b2b IS NOT NEW.buy_box_percentage_b2b OR
	OLD.unit_session_percentage IS NOT NEW.unit_session_percentage OR
	OLD.unit_session_percentage_b2b IS NOT NEW.unit_session_percentage_b2b OR
	OLD.currency IS NOT NEW.currency
BEGIN
	INSERT INTO sales_restatements
	SELECT NEW.marketplace, NEW.date, NEW.asin, name, NEW.fetched_at, OLD.fetched_at,
		nullif(json_quote(was), 'null'), nullif(json_quote(now), 'null')
	FROM (SELECT 'parent_asin' AS name, OLD.parent_asin AS was,
		NEW.parent_asin AS now UNION ALL VALUES
		('units_ordered', OLD.units_ordered, NEW.units_ordered),
		('units_ordered_b2b', OLD.units_ordered_b2b, NEW.units_ordered_b2b),
		('ordered_product_sales_cents', OLD.ordered_product_sales_cents, NEW.ordered_product_sales_cents),
		('ordered_product_sales_b2b_cents', OLD.ordered_product_sales_b2b_cents, NEW.ordered_product_sales_b2b_cents),
		('total_order_items', OLD.total_order_items, NEW.total_order_items),
		('total_order_items_b2b', OLD.total_order_items_b2b, NEW.total_order_items_b2b),
		('browser_sessions', OLD.browser_sessions, NEW.browser_sessions),
		('browser_sessions_b2b', OLD.browser_sessions_b2b, NEW.browser_sessions_b2b),
		('mobile_app_sessions', OLD.mobile_app_sessions, NEW.mobile_app_sessions),
		('mobile_app_sessions_b2b', OLD.mobile_app_sessions_b2b, NEW.mobile_app_sessions_b2b),
		('sessions', OLD.sessions, NEW.sessions),
		('sessions_b2b', OLD.sessions_b2b, NEW.sessions_b2b),
		('browser_session_percentage', OLD.browser_session_percentage, NEW.browser_session_percentage),
		('browser_session_percentage_b2b', OLD.browser_session_percentage_b2b, NEW.browser_session_percentage_b2b),
		('mobile_app_session_percentage', OLD.mobile_app_session_percentage, NEW.mobile_app_session_percentage),
		('mobile_app_session_percentage_b2b', OLD.mobile_app_session_percentage_b2b, NEW.mobile_app_session_percentage_b2b),
		('session_percentage', OLD.session_percentage, NEW.session_percentage),
		('session_percentage_b2b', OLD.session_percentage_b2b, NEW.session_percentage_b2b),
		('browser_page_views', OLD.browser_page_views, NEW.browser_page_views),
		('browser_page_views_b2b', OLD.browser_page_views_b2b, NEW.browser_page_views_b2b),
		('mobile_app_page_views', OLD.mobile_app_page_views, NEW.mobile_app_page_views),
		('mobile_app_page_views_b2b', OLD.mobile_app_page_views_b2b, NEW.mobile_app_page_views_b2b),
		('page_views', OLD.page_views, NEW.page_views),
		('page_views_b2b', OLD.page_views_b2b, NEW.page_views_b2b),
		('browser_page_views_percentage', OLD.browser_page_views_percentage, NEW.browser_page_views_percentage),
		('browser_page_views_percentage_b2b', OLD.browser_page_views_percentage_b2b, NEW.browser_page_views_percentage_b2b),
		('mobile_app_page_views_percentage', OLD.mobile_app_page_views_percentage, NEW.mobile_app_page_views_percentage),
		('mobile_app_page_views_percentage_b2b', OLD.mobile_app_page_views_percentage_b2b, NEW.mobile_app_page_views_percentage_b2b),
		('page_views_percentage', OLD.page_views_percentage, NEW.page_views_percentage),
		('page_views_percentage_b2b', OLD.page_views_percentage_b2b, NEW.page_views_percentage_b2b),
		('buy_box_percentage', OLD.buy_box_percentage, NEW.buy_box_percentage),
		('buy_box_percentage_b2b', OLD.buy_box_percentage_b2b, NEW.buy_box_percentage_b2b),
		('unit_session_percentage', OLD.unit_session_percentage, NEW.unit_session_percentage),
		('unit_session_percentage_b2b', OLD.unit_session_percentage_b2b, NEW.unit_session_percentage_b2b),
		('currency', OLD.currency, NEW.currency))
	WHERE was IS NOT now AND (OLD.fetched_at IS NOT NEW.fetched_at
		OR EXISTS (SELECT 1 FROM sales_restatements r
			WHERE r.marketplace = NEW.marketplace
				AND r.date = NEW.date AND r.asin = NEW.asin
				AND r."column" = name AND r.seen_at = NEW.fetched_at))
	ON CONFLICT DO UPDATE SET new = excluded.new;
	DELETE FROM sales_restatements WHERE marketplace = NEW.marketplace
		AND date = NEW.date AND asin = NEW.asin
		AND seen_at = NEW.fetched_at AND old IS new;
END;

CREATE TRIGGER sales_daily_totals_restated AFTER UPDATE ON sales_daily_totals
WHEN OLD.ordered_product_sales_cents IS NOT NEW.ordered_product_sales_cents OR
	OLD.ordered_product_sales_b2b_cents IS NOT NEW.ordered_product_sales_b2b_cents OR
	OLD.units_ordered IS NOT NEW.units_ordered OR
	OLD.units_ordered_b2b IS NOT NEW.units_ordered_b2b OR
	OLD.total_order_items IS NOT NEW.total_order_items OR
	OLD.total_order_items_b2b IS NOT NEW.total_order_items_b2b OR
	OLD.average_sales_per_order_item_cents IS NOT NEW.average_sales_per_order_item_cents OR
	OLD.average_sales_per_order_item_b2b_cents IS NOT NEW.average_sales_per_order_item_b2b_cents OR
	OLD.average_units_per_order_item IS NOT NEW.average_units_per_order_item OR
	OLD.average_units_per_order_item_b2b IS NOT NEW.average_units_per_order_item_b2b OR
	OLD.average_selling_price_cents IS NOT NEW.average_selling_price_cents OR
	OLD.average_selling_price_b2b_cents IS NOT NEW.average_selling_price_b2b_cents OR
	OLD.units_refunded IS NOT NEW.units_refunded OR
	OLD.refund_rate IS NOT NEW.refund_rate OR
	OLD.claims_granted IS NOT NEW.claims_granted OR
	OLD.claims_amount_cents IS NOT NEW.claims_amount_cents OR
	OLD.shipped_product_sales_cents IS NOT NEW.shipped_product_sales_cents OR
	OLD.units_shipped IS NOT NEW.units_shipped OR
	OLD.orders_shipped IS NOT NEW.orders_shipped OR
	OLD.browser_page_views IS NOT NEW.browser_page_views OR
	OLD.browser_page_views_b2b IS NOT NEW.browser_page_views_b2b OR
	OLD.mobile_app_page_views IS NOT NEW.mobile_app_page_views OR
	OLD.mobile_app_page_views_b2b IS NOT NEW.mobile_app_page_views_b2b OR
	OLD.page_views IS NOT NEW.page_views OR
	OLD.page_views_b2b IS NOT NEW.page_views_b2b OR
	OLD.browser_sessions IS NOT NEW.browser_sessions OR
	OLD.browser_sessions_b2b IS NOT NEW.browser_sessions_b2b OR
	OLD.mobile_app_sessions IS NOT NEW.mobile_app_sessions OR
	OLD.mobile_app_sessions_b2b IS NOT NEW.mobile_app_sessions_b2b OR
	OLD.sessions IS NOT NEW.sessions OR OLD.sessions_b2b IS NOT NEW.sessions_b2b OR
	OLD.buy_box_percentage IS NOT NEW.buy_box_percentage OR
	OLD.buy_box_percentage_b2b IS NOT NEW.buy_box_percentage_b2b OR
	OLD.order_item_session_percentage IS NOT NEW.order_item_session_percentage OR
	OLD.order_item_session_percentage_b2b IS NOT NEW.order_item_session_percentage_b2b OR
	OLD.unit_session_percentage IS NOT NEW.unit_session_percentage OR
	OLD.unit_session_percentage_b2b IS NOT NEW.unit_session_percentage_b2b OR
	OLD.average_offer_count IS NOT NEW.average_offer_count OR
	OLD.average_parent_items IS NOT NEW.average_parent_items OR
	OLD.feedback_received IS NOT NEW.feedback_received OR
	OLD.negative_feedback_received IS NOT NEW.negative_feedback_received OR
	OLD.received_negative_feedback_rate IS NOT NEW.received_negative_feedback_rate OR
	OLD.currency IS NOT NEW.currency
BEGIN
	INSERT INTO sales_restatements
	SELECT NEW.marketplace, NEW.date, '', name, NEW.fetched_at, OLD.fetched_at,
		nullif(json_quote(was), 'null'), nullif(json_quote(now), 'null')
	FROM (SELECT 'ordered_product_sales_cents' AS name, OLD.ordered_product_sales_cents AS was,
		NEW.ordered_product_sales_cents AS now UNION ALL VALUES
		('ordered_product_sales_b2b_cents', OLD.ordered_product_sales_b2b_cents, NEW.ordered_product_sales_b2b_cents),
		('units_ordered', OLD.units_ordered, NEW.units_ordered),
		('units_ordered_b2b', OLD.units_ordered_b2b, NEW.units_ordered_b2b),
		('total_order_items', OLD.total_order_items, NEW.total_order_items),
		('total_order_items_b2b', OLD.total_order_items_b2b, NEW.total_order_items_b2b),
		('average_sales_per_order_item_cents', OLD.average_sales_per_order_item_cents, NEW.average_sales_per_order_item_cents),
		('average_sales_per_order_item_b2b_cents', OLD.average_sales_per_order_item_b2b_cents, NEW.average_sales_per_order_item_b2b_cents),
		('average_units_per_order_item', OLD.average_units_per_order_item, NEW.average_units_per_order_item),
		('average_units_per_order_item_b2b', OLD.average_units_per_order_item_b2b, NEW.average_units_per_order_item_b2b),
		('average_selling_price_cents', OLD.average_selling_price_cents, NEW.average_selling_price_cents),
		('average_selling_price_b2b_cents', OLD.average_selling_price_b2b_cents, NEW.average_selling_price_b2b_cents),
		('units_refunded', OLD.units_refunded, NEW.units_refunded),
		('refund_rate', OLD.refund_rate, NEW.refund_rate),
		('claims_granted', OLD.claims_granted, NEW.claims_granted),
		('claims_amount_cents', OLD.claims_amount_cents, NEW.claims_amount_cents),
		('shipped_product_sales_cents', OLD.shipped_product_sales_cents, NEW.shipped_product_sales_cents),
		('units_shipped', OLD.units_shipped, NEW.units_shipped),
		('orders_shipped', OLD.orders_shipped, NEW.orders_shipped),
		('browser_page_views', OLD.browser_page_views, NEW.browser_page_views),
		('browser_page_views_b2b', OLD.browser_page_views_b2b, NEW.browser_page_views_b2b),
		('mobile_app_page_views', OLD.mobile_app_page_views, NEW.mobile_app_page_views),
		('mobile_app_page_views_b2b', OLD.mobile_app_page_views_b2b, NEW.mobile_app_page_views_b2b),
		('page_views', OLD.page_views, NEW.page_views),
		('page_views_b2b', OLD.page_views_b2b, NEW.page_views_b2b),
		('browser_sessions', OLD.browser_sessions, NEW.browser_sessions),
		('browser_sessions_b2b', OLD.browser_sessions_b2b, NEW.browser_sessions_b2b),
		('mobile_app_sessions', OLD.mobile_app_sessions, NEW.mobile_app_sessions),
		('mobile_app_sessions_b2b', OLD.mobile_app_sessions_b2b, NEW.mobile_app_sessions_b2b),
		('sessions', OLD.sessions, NEW.sessions),
		('sessions_b2b', OLD.sessions_b2b, NEW.sessions_b2b),
		('buy_box_percentage', OLD.buy_box_percentage, NEW.buy_box_percentage),
		('buy_box_percentage_b2b', OLD.buy_box_percentage_b2b, NEW.buy_box_percentage_b2b),
		('order_item_session_percentage', OLD.order_item_session_percentage, NEW.order_item_session_percentage),
		('order_item_session_percentage_b2b', OLD.order_item_session_percentage_b2b, NEW.order_item_session_percentage_b2b),
		('unit_session_percentage', OLD.unit_session_percentage, NEW.unit_session_percentage),
		('unit_session_percentage_b2b', OLD.unit_session_percentage_b2b, NEW.unit_session_percentage_b2b),
		('average_offer_count', OLD.average_offer_count, NEW.average_offer_count),
		('average_parent_items', OLD.average_parent_items, NEW.average_parent_items),
		('feedback_received', OLD.feedback_received, NEW.feedback_received),
		('negative_feedback_received', OLD.negative_feedback_received, NEW.negative_feedback_received),
		('received_negative_feedback_rate', OLD.received_negative_feedback_rate, NEW.received_negative_feedback_rate),
		('currency', OLD.currency, NEW.currency))
	WHERE was IS NOT now
	ON CONFLICT DO UPDATE SET new = excluded.new;
END;

-- How fast a product sells is what it sold a day in each of these windows, which
-- end with the last day that is settled, each by its weight.
CREATE TABLE velocity_windows (
	days INTEGER NOT NULL PRIMARY KEY CHECK (days >= 1),
	weight REAL NOT NULL CHECK (weight >= 0) -- beside the others': their sum is no matter
) STRICT, WITHOUT ROWID;

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
CREATE VIEW sales_freshness AS
WITH by_asin AS MATERIALIZED (
	SELECT marketplace, date, count(*) AS asins,
		sum(units_ordered) AS units,
		CASE WHEN count(DISTINCT currency) < 2 -- or there is no sum
			THEN sum(ordered_product_sales_cents) END AS cents,
		sum(sessions) AS sessions,
		CASE WHEN count(DISTINCT currency) < 2
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
		max(status = 'DONE') OVER (PARTITION BY marketplace, date) AS done,
		max(status <> 'planned' OR attempts > 0)
			OVER (PARTITION BY marketplace, date) AS asked,
		first_value(status) OVER (PARTITION BY marketplace, date
			ORDER BY status IN ('DONE', 'no_data', 'failed') DESC,
				created_at DESC, length(request_id) DESC,
				request_id DESC) AS finished
	FROM report_requests
	WHERE granularity = 'CHILD' -- the others' rows are not all there is of a day
	WINDOW newest AS (PARTITION BY marketplace, date
		ORDER BY created_at DESC, length(request_id) DESC,
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
), days AS (
	SELECT marketplace, min(date) AS date,
		date('now', '-8 hours', '-1 day') AS last
	FROM (SELECT marketplace, date FROM by_asin
		UNION ALL SELECT marketplace, date FROM sales_daily_totals
		UNION ALL SELECT marketplace, date FROM report_requests)
	WHERE date IS date(date) -- of sales_daily only the form was checked
	GROUP BY marketplace
	UNION ALL
	SELECT marketplace, date(date, '+1 day'), last FROM days WHERE date < last
), known AS (
	SELECT d.marketplace, d.date,
		date(d.date, '+3 days') || 'T00:00:00Z' AS settles_at,
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
			WHEN p.date IS NOT NULL AND coalesce(r.done, 0) = 0
				THEN 'not_ready'
			WHEN a.asins IS NOT NULL OR t.is_zero AND r.done THEN 'usable'
			WHEN t.marketplace IS NOT NULL OR r.asked AND NOT r.done
				THEN 'not_ready'
			ELSE 'missing' END AS have
	FROM days d
	LEFT JOIN by_asin a USING (marketplace, date)
	LEFT JOIN by_date t
		ON t.marketplace = d.marketplace AND t.date = d.date
	LEFT JOIN requests r ON r.marketplace = d.marketplace
		AND r.date = d.date AND r.nth = 1
	LEFT JOIN partial p
		ON p.marketplace = d.marketplace AND p.date = d.date
	LEFT JOIN changes c
		ON c.marketplace = d.marketplace AND c.date = d.date
	WHERE d.date <= d.last
)
SELECT marketplace, date,
	CASE WHEN have <> 'usable' THEN have
		WHEN partial OR fetched_at < settles_at OR unvisited
			THEN 'provisional'
		WHEN last_old_at >= settles_at THEN 'restated'
		ELSE 'settled' END AS state,
	-- from the day's beginning until it was read
	round((julianday(fetched_at) - julianday(date)) * 24, 1) AS age_hours,
	fetched_at, asins, units_by_asin, units_by_date,
	units_by_date - units_by_asin AS units_gap,
	cents_by_asin AS sales_by_asin_cents, cents_by_date AS sales_by_date_cents,
	CASE WHEN currency_by_asin IS currency OR currency_by_asin IS NULL
		THEN cents_by_date - cents_by_asin END AS sales_gap_cents,
	currency, sessions, restatements, last_at AS last_restated_at,
	status AS request_status, error, not_before, attempts
FROM known
ORDER BY marketplace, date;

-- The days that there are no numbers of, and why, as far as it is known.
CREATE VIEW report_gaps AS
SELECT marketplace, date, state, request_status AS status, error, not_before,
	attempts
FROM sales_freshness WHERE state IN ('missing', 'not_ready')
ORDER BY date DESC, marketplace;

-- How fast each product sells, as of the last day that is settled: pieces a day.
-- No number comes of a day that is not known.  A window that has one is left out,
-- the weights of the others count as if they were all; and if one of the last 7
-- days is not known, nothing is said.  A product without a row on a day that is
-- known had neither sale nor visit.
CREATE VIEW sales_velocity AS
WITH days AS MATERIALIZED (
	SELECT marketplace, date,
		state IN ('settled', 'restated', 'provisional') AS usable,
		state = 'provisional' AS provisional,
		CAST(julianday(max(CASE WHEN state IN ('settled', 'restated')
				THEN date END) OVER (PARTITION BY marketplace))
			- julianday(date) AS INTEGER) AS age
	FROM sales_freshness
), markets AS ( -- whole: days in a row up to as_of without one that is not known
	SELECT marketplace, max(CASE WHEN age = 0 THEN date END) AS as_of,
		coalesce(min(CASE WHEN NOT usable THEN age END), max(age) + 1)
			AS whole,
		90 - sum(usable AND age < 90) AS missing_days
	FROM days WHERE age >= 0 GROUP BY marketplace
), spans AS MATERIALIZED ( -- over all windows that are whole, if the week is
	SELECT m.*, max(w.days) AS days_used, sum(w.weight) AS weight,
		(SELECT sum(provisional) FROM days d
			WHERE d.marketplace = m.marketplace AND age >= 0
				AND age < max(w.days)) AS provisional_days
	FROM markets m LEFT JOIN velocity_windows w
		ON w.days <= m.whole AND m.whole >= 7 AND w.weight > 0
	GROUP BY m.marketplace
), shares AS MATERIALIZED ( -- what a piece that was sold on a day adds
	SELECT s.marketplace, d.date, d.age, age < days_used AS used,
		(SELECT sum(w.weight / w.days) FROM velocity_windows w
			WHERE w.days > d.age AND w.days <= s.whole) / s.weight AS share
	FROM spans s JOIN days d ON d.marketplace = s.marketplace
	WHERE d.age >= 0 AND (d.age < 90 OR d.age < s.days_used)
), sums AS (
	SELECT r.marketplace, r.asin,
		sum(r.units_ordered * d.share) AS per_day,
		sum(CASE WHEN age < 7 THEN r.units_ordered ELSE 0 END) AS of_7,
		sum(CASE WHEN age < 30 THEN r.units_ordered ELSE 0 END) AS of_30,
		sum(CASE WHEN age < 60 THEN r.units_ordered ELSE 0 END) AS of_60,
		sum(CASE WHEN age < 90 THEN r.units_ordered ELSE 0 END) AS of_90,
		sum(CASE WHEN used THEN r.units_ordered ELSE 0 END) AS units,
		sum(CASE WHEN used THEN r.units_ordered_b2b END) AS b2b,
		sum(CASE WHEN used THEN 1.0 * r.units_ordered * r.units_ordered
			ELSE 0 END) AS squares,
		-- the first day on which the report did not say
		min(CASE WHEN r.units_ordered IS NULL THEN age END) AS unknown
	FROM shares d CROSS JOIN sales_daily r
		ON r.marketplace = d.marketplace AND r.date = d.date
	GROUP BY r.marketplace, r.asin
)
SELECT u.marketplace, u.asin, a.product_title, s.as_of,
	CASE WHEN s.days_used <= coalesce(unknown, s.days_used)
		THEN round(coalesce(per_day, 0), 4) END AS units_per_day,
	CASE WHEN 7 <= min(whole, coalesce(unknown, 7))
		THEN round(of_7 / 7.0, 4) END AS units_per_day_7,
	CASE WHEN 30 <= min(whole, coalesce(unknown, 30))
		THEN round(of_30 / 30.0, 4) END AS units_per_day_30,
	CASE WHEN 60 <= min(whole, coalesce(unknown, 60))
		THEN round(of_60 / 60.0, 4) END AS units_per_day_60,
	CASE WHEN 90 <= min(whole, coalesce(unknown, 90))
		THEN round(of_90 / 90.0, 4) END AS units_per_day_90,
	s.days_used, s.provisional_days, s.missing_days,
	round(100.0 * b2b / nullif(units, 0), 2) AS b2b_share,
	CASE WHEN s.days_used > 1
			AND s.days_used <= coalesce(unknown, s.days_used)
		THEN round(sqrt(max(squares - 1.0 * units * units / s.days_used, 0)
			/ (s.days_used - 1)), 4) END AS stddev
FROM sums u JOIN spans s USING (marketplace)
LEFT JOIN asin_current_state a
	ON a.marketplace = u.marketplace AND a.asin = u.asin
ORDER BY u.marketplace, u.asin;

-- The products' days of the last 30 days that are over.
CREATE VIEW sales_recent AS
WITH days AS MATERIALIZED (
	SELECT marketplace, date, state FROM sales_freshness
	WHERE date > date('now', '-8 hours', '-31 days')
)
SELECT r.marketplace, r.date, r.asin, a.product_title, d.state, r.parent_asin,
	r.units_ordered, r.units_ordered_b2b, r.ordered_product_sales_cents,
	r.ordered_product_sales_b2b_cents, r.currency, r.total_order_items,
	r.sessions, r.page_views, r.buy_box_percentage,
	r.unit_session_percentage, r.fetched_at
FROM days d CROSS JOIN sales_daily r
	ON r.marketplace = d.marketplace AND r.date = d.date
LEFT JOIN asin_current_state a
	ON a.marketplace = r.marketplace AND a.asin = r.asin
ORDER BY r.date DESC, r.marketplace, r.asin;
