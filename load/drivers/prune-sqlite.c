/*
 * SQLite: it is told to refuse everything but what is to be pruned, so that no
 * mistake made here touches changes, rank history or sales.
 *
 * About a thousand rows at a time, with rests between, so that nobody who
 * writes waits for long.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/db.h"
#include "lib/when.h"
#include "load/drivers/prune.h"

#define DAY 86400
#define BATCH "1000"
#define REST_MIN_NS 2000000L

/* Of each job the last run on each machine stays, and the last good one: that
 * is how it goes. */
#define OLD_RUNS \
	"runs r WHERE coalesce(finished_at, started_at) < ?1 " \
	"AND EXISTS (SELECT 1 FROM runs n WHERE n.job IS r.job " \
	"AND n.host IS r.host AND n.started_at > r.started_at) " \
	"AND (coalesce(r.status, 1) NOT IN (0, 65) OR EXISTS (" \
	"SELECT 1 FROM runs n WHERE n.job IS r.job " \
	"AND n.started_at > r.started_at AND n.status IN (0, 65) " \
	"AND n.finished_at > r.finished_at))"

/* Of each service the last hundred stay: what is going on now is in them.  So
 * do all of one that is, or then was, down: it would be down since another
 * time, and people would be told of it again. */
#define OLD_CHECKS \
	"health_checks c WHERE checked_at < ?1 AND checked_at < (" \
	"SELECT n.checked_at FROM health_checks n " \
	"WHERE n.service = c.service " \
	"ORDER BY n.checked_at DESC LIMIT 1 OFFSET 99) " \
	"AND service NOT IN (SELECT service FROM health_incidents " \
	"WHERE down_since < ?1 AND (up_since IS NULL OR up_since >= ?1))"

#define OLD_ANSWERS \
	"asin_history INDEXED BY looks_by_time WHERE check_timestamp < ?1 " \
	"AND check_timestamp > ?2 AND raw_keepa_response IS NOT NULL"

/*
 * What can be pruned, as of the time ?1.  What has a `reach` is gone through in
 * the order of time: it says how far a batch reaches that begins behind ?2, and
 * `remove` ends with ?3.
 */
static const struct kind {
	const char *count, *reach, *remove;
} kinds[] = {
    [PRUNE_RAW] = {"SELECT count(*) FROM " OLD_ANSWERS,
	"SELECT max(check_timestamp) FROM (SELECT check_timestamp "
	"FROM " OLD_ANSWERS " ORDER BY check_timestamp LIMIT " BATCH ")",
	"UPDATE asin_history SET raw_keepa_response = NULL WHERE rowid IN ("
	"SELECT rowid FROM " OLD_ANSWERS " AND check_timestamp <= ?3)"},
    [PRUNE_RUNS] = {"SELECT count(*) FROM " OLD_RUNS, NULL,
	"DELETE FROM runs WHERE run_id IN (SELECT run_id FROM " OLD_RUNS
	" LIMIT " BATCH ")"},
    [PRUNE_CHECKS] = {"SELECT count(*) FROM " OLD_CHECKS, NULL,
	"DELETE FROM health_checks WHERE (service, checked_at) IN ("
	"SELECT service, checked_at FROM " OLD_CHECKS " LIMIT " BATCH ")"}};

static sqlite3 *db;
static bool pruned;

/* What this program may do to the database, whatever it says. */
static int
allow(void *unused, int action, const char *table, const char *column,
    const char *database, const char *trigger)
{
	(void)unused, (void)database, (void)trigger;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_FUNCTION:
	case SQLITE_TRANSACTION:
		return SQLITE_OK;
	case SQLITE_UPDATE:
		if (strcmp(table, "asin_history") == 0 &&
		    strcmp(column, "raw_keepa_response") == 0)
			return SQLITE_OK;
		return SQLITE_DENY;
	case SQLITE_DELETE:
		if (strcmp(table, "runs") == 0 ||
		    strcmp(table, "health_checks") == 0)
			return SQLITE_OK;
		return SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static sqlite3_stmt *
prepare(const char *sql, const char *before)
{
	sqlite3_stmt *stmt = db_prepare(db, sql);

	sqlite3_bind_text(stmt, 1, before, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, "", -1, SQLITE_STATIC);
	return stmt;
}

/* The time so many days ago. */
static const char *
days_ago(long days, char buf[WHEN_SIZE])
{
	return when_text(when_now() - days * DAY, buf);
}

static long long
count(enum prune_kind kind, long days)
{
	char before[WHEN_SIZE];
	sqlite3_stmt *stmt = prepare(kinds[kind].count, days_ago(days, before));
	long long n;

	db_step(db, stmt);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* As long as nobody else could write: whoever wants to, looks now and then. */
static void
rest(const struct timespec *since)
{
	struct timespec now, t;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t.tv_sec = now.tv_sec - since->tv_sec;
	t.tv_nsec = now.tv_nsec - since->tv_nsec;
	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000L;
		t.tv_sec--;
	}
	if (t.tv_sec == 0 && t.tv_nsec < REST_MIN_NS)
		t.tv_nsec = REST_MIN_NS;
	nanosleep(&t, NULL);
}

/* One batch, in a transaction of its own; how many rows that was. */
static long long
remove_some(sqlite3_stmt *stmt)
{
	struct timespec since;
	long long n;

	db_exec(db, "BEGIN IMMEDIATE");
	clock_gettime(CLOCK_MONOTONIC, &since);
	db_step(db, stmt);
	n = sqlite3_changes64(db);
	sqlite3_reset(stmt);
	db_exec(db, "COMMIT");
	if (n > 0)
		rest(&since);
	return n;
}

/* Move the batch on to behind the last one; false at the end.  It is looked for
 * before the transaction, since that may take long. */
static bool
reach(sqlite3_stmt *find, sqlite3_stmt *stmt, char *from, char *to)
{
	const char *text;

	sqlite3_bind_text(find, 2, from, -1, SQLITE_STATIC);
	db_step(db, find);
	text = (const char *)sqlite3_column_text(find, 0);
	if (text == NULL)
		return false;
	snprintf(to, WHEN_SIZE, "%s", text);
	sqlite3_reset(find);
	sqlite3_bind_text(stmt, 2, from, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(stmt, 3, to, -1, SQLITE_TRANSIENT);
	memcpy(from, to, WHEN_SIZE);
	return true;
}

static long long
prune(enum prune_kind number, long days)
{
	const struct kind *kind = &kinds[number];
	char from[WHEN_SIZE] = "", to[WHEN_SIZE], before[WHEN_SIZE];
	sqlite3_stmt *stmt, *find = NULL;
	long long all = 0, n;

	stmt = prepare(kind->remove, days_ago(days, before));
	if (kind->reach != NULL) {
		find = prepare(kind->reach, before);
		while (reach(find, stmt, from, to))
			all += remove_some(stmt);
	} else {
		while ((n = remove_some(stmt)) > 0)
			all += n;
	}
	pruned = true;
	sqlite3_finalize(find);
	sqlite3_finalize(stmt);
	return all;
}

static void
open_file(const char *url)
{
	db = db_open(url, DB_READ);
	db_exec(
	    db, "PRAGMA secure_delete = OFF"); /* no need to write it over */
	sqlite3_set_authorizer(db, allow, NULL);
}

static void
close_file(void)
{
	/* What the -wal has grown to by this; those who read it may keep it. */
	sqlite3_busy_timeout(db, 0);
	if (pruned)
		sqlite3_wal_checkpoint_v2(
		    db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	db_close(db);
}

const struct pruner prune_sqlite = {open_file, count, prune, close_file};
