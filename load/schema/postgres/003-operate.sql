-- To tell how it goes: what each stage of a run came to, how services are, what
-- the summaries covered.  Times as in 001.

INSERT INTO column_kinds VALUES
	('runs', 'stages', 'json'),
	('job_status', 'stages', 'json'),
	('failed_runs', 'stages', 'json');

-- {"keepa-fetch":0,"db-load":75}: the worst exit status of each program in it
ALTER TABLE runs ADD COLUMN stages json
	CHECK (json_typeof(stages) = 'object');
-- the last thing that it said, if it failed
ALTER TABLE runs ADD COLUMN error text COLLATE "C";

CREATE INDEX runs_by_job ON runs (job, started_at);

-- What each summary covered.  A window begins where the one before ended.
CREATE TABLE summaries (
	summary_id text COLLATE "C" NOT NULL PRIMARY KEY, -- summary: and window_to
	window_from timestamptz NOT NULL -- what happened from then on
		CHECK (window_from = date_trunc('second', window_from) AND isfinite(window_from)),
	window_to timestamptz NOT NULL -- until right before then
		CHECK (window_to = date_trunc('second', window_to) AND isfinite(window_to)),
	sent_at timestamptz -- when people were told; NULL: they are yet to be
		CHECK (sent_at = date_trunc('second', sent_at) AND isfinite(sent_at)),
	CHECK (window_from < window_to)
);

-- How each job goes: its last run, and the last good one, which is one that did
-- all it was to do (status 0), but for bad records (65).
CREATE VIEW job_status WITH (security_invoker = true) AS
WITH newest AS (
	SELECT DISTINCT ON (job) *
	FROM runs WHERE job IS NOT NULL AND started_at IS NOT NULL
	ORDER BY job, started_at DESC, run_id DESC
), good AS (
	SELECT job, max(finished_at) AS last_good_at FROM runs
	WHERE status IN (0, 65) GROUP BY job
)
SELECT r.job, r.run_id, r.program, r.host, r.started_at, r.finished_at,
	extract(epoch FROM r.finished_at - r.started_at)::bigint AS seconds,
	r.status, r.records, r.stages, r.error, g.last_good_at
FROM newest r LEFT JOIN good g USING (job)
ORDER BY r.job;

-- Runs that did not do what they were to do: that failed, or were killed.  75 is
-- no failure: the next run goes on.  A run that another one of the job on the same
-- machine has followed, and that noted no end, was killed.
CREATE VIEW failed_runs WITH (security_invoker = true) AS
SELECT * FROM (
	SELECT run_id, program, job, version, started_at, finished_at, status,
		records, host, stages, error,
		coalesce(finished_at, lead(started_at) OVER (
			PARTITION BY job, host ORDER BY started_at, run_id))
			AS failed_at
	FROM runs WHERE started_at IS NOT NULL
) ended
WHERE failed_at IS NOT NULL AND coalesce(status, -1) NOT IN (0, 75)
ORDER BY failed_at, run_id;

-- For summaries and the status.

-- Each look at an ASIN without what was seen, from the index alone.
CREATE VIEW looks WITH (security_invoker = true) AS
SELECT marketplace, asin, check_timestamp, status FROM asin_history
ORDER BY check_timestamp, status NULLS FIRST, marketplace, asin;

-- The summaries that nobody has got yet, oldest first.  accepted_at: Slack has it
-- all the same.  As of changes, one that failed for a reason of its own is not
-- tried again, and one that failed for its channel is.
CREATE VIEW unsent_summaries WITH (security_invoker = true) AS
SELECT s.summary_id, s.window_from, s.window_to,
	CASE WHEN n.state = 'sent' THEN n.sent_at END AS accepted_at, n.error
FROM summaries s LEFT JOIN notifications n ON n.notification_id = s.summary_id
WHERE s.sent_at IS NULL AND (n.state IS NULL OR n.state = 'sent'
	OR coalesce(split_part(n.error, ':', 1), '')
		IN ('channel_not_found', 'not_in_channel', 'is_archived',
			'restricted_action', 'messages_tab_disabled',
			'team_not_found'))
ORDER BY s.window_to;

-- How large the tables are that grow.
CREATE VIEW row_counts WITH (security_invoker = true) AS
SELECT name, "rows" FROM (
	SELECT 1 AS n, 'tracked_asins' COLLATE "C" AS name, count(*) AS "rows" FROM tracked_asins
	UNION ALL SELECT 2, 'asin_history', count(*) FROM asin_history
	UNION ALL SELECT 3, 'rank_history', count(*) FROM rank_history
	UNION ALL SELECT 4, 'bestseller_changes', count(*) FROM bestseller_changes
	UNION ALL SELECT 5, 'notifications', count(*) FROM notifications
	UNION ALL SELECT 6, 'sales_daily', count(*) FROM sales_daily
	UNION ALL SELECT 7, 'sales_restatements', count(*) FROM sales_restatements
	UNION ALL SELECT 8, 'report_requests', count(*) FROM report_requests
	UNION ALL SELECT 9, 'api_usage_log', count(*) FROM api_usage_log
	UNION ALL SELECT 10, 'health_checks', count(*) FROM health_checks
	UNION ALL SELECT 11, 'runs', count(*) FROM runs
) counts
ORDER BY n;

CREATE INDEX failed_checks ON health_checks (service, checked_at) WHERE NOT ok;

-- When a service was down: from the first failed check on, until it was well twice
-- in a row; so one that comes and goes is down once.  up_since: the first of these
-- two; NULL: it is down.  failures: the most in a row.  Checks that are dated ahead
-- of now are of a clock that was wrong.
CREATE VIEW health_incidents WITH (security_invoker = true) AS
WITH checks AS (
	SELECT service, checked_at, ok, detail, row_number() OVER one_by_one AS n,
		CASE WHEN lead(checked_at, 2) OVER one_by_one IS NOT NULL
			THEN lead(checked_at) OVER one_by_one END AS up_since
	FROM health_checks WHERE checked_at <= now() + interval '5 minutes'
	WINDOW one_by_one AS (PARTITION BY service ORDER BY checked_at)
), failed AS ( -- after so many good ones; NULL: the first
	SELECT service, checked_at, detail, up_since, n - lag(n) OVER (
			PARTITION BY service ORDER BY checked_at) - 1 AS good
	FROM checks WHERE NOT ok
), numbered AS MATERIALIZED (
	SELECT *, count(*) FILTER (WHERE coalesce(good, 2) >= 2) OVER so_far
			AS incident,
		count(*) FILTER (WHERE coalesce(good, 2) > 0) OVER so_far AS streak
	FROM failed
	WINDOW so_far AS (PARTITION BY service ORDER BY checked_at)
), incidents AS (
	SELECT service, min(checked_at) AS down_since, max(n) AS failures,
		max(last) AS last_failed_at
	FROM (SELECT service, incident, min(checked_at) AS checked_at,
			max(checked_at) AS last, count(*) AS n
		FROM numbered GROUP BY service, incident, streak) streaks
	GROUP BY service, incident
)
SELECT i.service, i.down_since, i.failures, i.last_failed_at, l.up_since, l.detail
FROM incidents i JOIN numbered l
	ON l.service = i.service AND l.checked_at = i.last_failed_at
ORDER BY i.down_since, i.service;
