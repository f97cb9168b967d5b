-- Several machines at one database: who is at what, so that nobody else is.

-- What can be claimed: a view or a table, and what kind of work its rows are.
-- Views of the same kind of work share leases.
CREATE TABLE claimable (
	name text COLLATE "C" NOT NULL PRIMARY KEY, -- of the view
	work text COLLATE "C" NOT NULL, -- look, tell, report, name, turn
	columns text COLLATE "C" NOT NULL -- that tell one piece of work from another, with commas
);

INSERT INTO claimable VALUES
	('due_asins', 'look', 'marketplace,asin'),
	('watchlist', 'look', 'marketplace,asin'),
	('unnamed_categories', 'name', 'marketplace,category_id'),
	('unsent_changes', 'tell', 'notification_id'),
	('open_requests', 'report', 'request_id'),
	('turns', 'turn', 'turn');

-- Who has taken what, until when; and, as work of the kind message, in which message a
-- change was about to go, which is its run_id: see badges.sh.  A lease is free to be taken once that time is
-- past; and at once by another run of the same holder, of whom one runs at a time:
-- the run that took it was killed, or is over.  See db-query --claim.  A holder '' is
-- nobody: what was there to be taken, and was not yet.
CREATE TABLE leases (
	work text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL, -- the values of the columns, with : between
	holder text COLLATE "C" NOT NULL, -- a machine, and a folder there
	run_id text COLLATE "C" NOT NULL, -- of the run that took it
	claimed_at timestamptz NOT NULL
		CHECK (claimed_at = date_trunc('second', claimed_at) AND isfinite(claimed_at)),
	leased_until timestamptz NOT NULL -- by the database's clock, as claimed_at
		CHECK (leased_until = date_trunc('second', leased_until) AND isfinite(leased_until)),
	PRIMARY KEY (work, id)
);

-- The reports that are not done with, the newest day first.
CREATE VIEW open_requests WITH (security_invoker = true) AS
SELECT * FROM report_requests WHERE status NOT IN ('DONE', 'no_data', 'failed')
ORDER BY date DESC, marketplace, request_id;

-- What one machine is to do for all: it has the turn for as long as its lease.
CREATE VIEW turns WITH (security_invoker = true) AS
SELECT 'health'::text COLLATE "C" AS turn UNION ALL SELECT 'summary';

-- As in 001; and not what failed in a message of its own, of one category, as
-- badges.sh makes when there was one of that ASIN and moment already.
CREATE OR REPLACE VIEW unsent_changes WITH (security_invoker = true) AS
SELECT * FROM changes_to_tell c
WHERE NOT notification_sent AND NOT EXISTS (
	SELECT 1 FROM notifications n
	WHERE n.notification_id IN (c.notification_id,
			c.notification_id || ':' || c.category_id)
		AND n.state = 'failed'
		AND coalesce(split_part(n.error, ':', 1), '')
		NOT IN ('channel_not_found', 'not_in_channel', 'is_archived',
			'restricted_action', 'messages_tab_disabled',
			'team_not_found'))
ORDER BY changed_at, marketplace, asin, length(category_id), category_id;
