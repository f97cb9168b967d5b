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
) STRICT, WITHOUT ROWID;

-- Each day of a marketplace in all, as Amazon gives it beside the products: the sum
-- of these is a little less, for ASINs that are gone.  Columns as in sales_daily.
CREATE TABLE sales_daily_totals (
	marketplace TEXT NOT NULL,
	date TEXT NOT NULL CHECK (date IS date(date) AND date GLOB '20*'),
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
	date TEXT NOT NULL CHECK (date IS date(date) AND date GLOB '20*'),
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
	report_id TEXT, -- of the last report created for it
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
	WHERE was IS NOT now
	ON CONFLICT DO UPDATE SET new = excluded.new;
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
