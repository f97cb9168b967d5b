-- Several machines at one database: who is at what, so that nobody else is.
-- Times as in 001.

-- What can be claimed: a view or a table, and what kind of work its rows are.
-- Views of the same kind of work share leases.
CREATE TABLE claimable (
	name TEXT NOT NULL PRIMARY KEY, -- of the view
	work TEXT NOT NULL, -- look, tell, report, name, turn
	columns TEXT NOT NULL -- that tell one piece of work from another, with commas
) STRICT, WITHOUT ROWID;

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
-- the run that took it was killed, or is over.  See db-query --claim.
CREATE TABLE leases (
	work TEXT NOT NULL,
	id TEXT NOT NULL, -- the values of the columns, with : between
	holder TEXT NOT NULL, -- a machine, and a folder there
	run_id TEXT NOT NULL, -- of the run that took it
	claimed_at TEXT NOT NULL
		CHECK (claimed_at IS strftime('%Y-%m-%dT%H:%M:%SZ', claimed_at)),
	leased_until TEXT NOT NULL -- by the database's clock, as claimed_at
		CHECK (leased_until IS strftime('%Y-%m-%dT%H:%M:%SZ', leased_until)),
	PRIMARY KEY (work, id)
) STRICT, WITHOUT ROWID;

-- The reports that are not done with, the newest day first.
CREATE VIEW open_requests AS
SELECT * FROM report_requests WHERE status NOT IN ('DONE', 'no_data', 'failed')
ORDER BY date DESC, marketplace, request_id;

-- What one machine is to do for all: it has the turn for as long as its lease.
CREATE VIEW turns AS
SELECT 'health' AS turn UNION ALL SELECT 'summary';

-- As in 001; and not what failed in a message of its own, of one category, as
-- badges.sh makes when there was one of that ASIN and moment already.
DROP VIEW unsent_changes;
CREATE VIEW unsent_changes AS
SELECT * FROM changes_to_tell c
WHERE notification_sent = 0 AND NOT EXISTS (
	SELECT 1 FROM notifications n
	WHERE n.notification_id IN (c.notification_id,
			c.notification_id || ':' || c.category_id)
		AND n.state = 'failed'
		AND coalesce(substr(n.error, 1, instr(n.error || ':', ':') - 1), '')
		NOT IN ('channel_not_found', 'not_in_channel', 'is_archived',
			'restricted_action', 'messages_tab_disabled',
			'team_not_found'))
ORDER BY changed_at, marketplace, asin, length(category_id), category_id;
