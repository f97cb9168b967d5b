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

-- Who has taken what, until when.  A lease is free to be taken once that time is
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
