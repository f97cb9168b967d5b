/* PostgreSQL: the server makes the records; see db_query_sql. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/ndjson.h"
#include "load/drivers/postgres.h"
#include "load/drivers/query.h"

static PGconn *db;

static void
open_server(const char *url)
{
	db = postgres_open(url, DB_READ, false);
}

/* What is wrong with the question: a name that is not there, or a value that
 * the column cannot hold. */
static void
check(const PGresult *r)
{
	const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (code != NULL &&
	    (strcmp(code, "SP064") == 0 || strncmp(code, "22", 2) == 0))
		errx(EX_USAGE, "%s",
		    PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* Write the records that a statement gives, one at a time as they come. */
static void
put_records(const char *sql)
{
	PGresult *r;

	if (!PQsendQuery(db, sql) || !PQsetSingleRowMode(db))
		postgres_fail(db, NULL, "read");
	while ((r = PQgetResult(db)) != NULL) {
		check(r);
		if (PQresultStatus(r) != PGRES_SINGLE_TUPLE &&
		    PQresultStatus(r) != PGRES_TUPLES_OK)
			postgres_fail(db, r, "read");
		for (int i = 0; i < PQntuples(r); i++) {
			struct json_slice line = {
			    PQgetvalue(r, i, 0), (size_t)PQgetlength(r, i, 0)};

			nd_put_line(line);
		}
		PQclear(r);
	}
}

static void
list(void)
{
	put_records("SELECT * FROM db_list()");
}

/* The server takes longer to compile a query than these views take; all digits
 * of a number are wanted; and how long it takes is up to who reads what we
 * write: a limit to that is not for this. */
static void
begin(void)
{
	PQclear(postgres_exec(db,
	    POSTGRES_BEGIN "SET TRANSACTION READ ONLY; SET LOCAL jit = off; "
			   "SET LOCAL extra_float_digits = 1; "
			   "SET LOCAL statement_timeout = 0",
	    0, NULL));
}

static void
query(const struct query *q)
{
	char *conditions = query_conditions(q), *order = query_order(q);
	char limit[ND_INT_SIZE];
	const char *values[] = {
	    q->name, conditions, order, q->limit < 0 ? NULL : limit};
	PGresult *r;

	begin();
	snprintf(limit, sizeof(limit), "%ld", q->limit);
	r = PQexecParams(db,
	    "SELECT db_query_sql($1, $2::json, CASE WHEN $3::text IS NOT NULL "
	    "THEN "
	    "ARRAY(SELECT json_array_elements_text($3::json)) END, "
	    "$4::bigint, NULL, NULL)",
	    4, NULL, values, NULL, NULL, 0);
	check(r);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		postgres_fail(db, r, "read");
	put_records(PQgetvalue(r, 0, 0));
	PQclear(r);
	PQclear(postgres_exec(db, "COMMIT", 0, NULL));
	free(conditions);
	free(order);
}

/* The records, and what the server calls the transaction, which is still open.
 */
static PGresult *
take(const char *const *values)
{
	int tries = 0;

	for (;;) {
		PGresult *r;

		PQclear(postgres_exec(db, POSTGRES_BEGIN, 0, NULL));
		r = PQexecParams(db,
		    "SELECT db_claim($1, $2::json, $3::bigint, $4::bigint, $5, "
		    "$6), pg_current_xact_id_if_assigned()",
		    6, NULL, values, NULL, NULL, 0);
		check(r);
		if (PQresultStatus(r) == PGRES_TUPLES_OK)
			return r;
		if (!postgres_again(db, r, &tries))
			postgres_fail(db, r, "use");
		PQclear(r);
	}
}

/* What became of a transaction whose end was not heard of: a server that is
 * still at it, is waited for. */
static bool
was_committed(const char *id)
{
	char status[16] = "in progress"; /* committed, aborted */

	for (int i = 0; i < 100 && strcmp(status, "in progress") == 0; i++) {
		PGresult *r = postgres_exec(db,
		    "SELECT pg_xact_status($1::xid8) FROM pg_sleep(0.1)", 1,
		    &id);

		snprintf(status, sizeof(status), "%s", PQgetvalue(r, 0, 0));
		PQclear(r);
	}
	if (strcmp(status, "in progress") == 0)
		errx(EX_TEMPFAIL,
		    "the database has not committed what was "
		    "claimed; try again later");
	return strcmp(status, "committed") == 0;
}

/* Have the claim there for good; false: it is not. */
static bool
commit(const PGresult *taken)
{
	PGresult *r = PQexec(db, "COMMIT");
	bool done = PQresultStatus(r) == PGRES_COMMAND_OK;
	int tries = 0;

	if (!done && !postgres_again(db, r, &tries))
		postgres_fail(db, r, "use");
	PQclear(r);
	return done || PQgetisnull(taken, 0, 1) /* there was nothing */
	    || was_committed(PQgetvalue(taken, 0, 1));
}

static void
claim(const struct query *q, const struct claim *c)
{
	char *conditions = query_conditions(q);
	char limit[ND_INT_SIZE], seconds[ND_INT_SIZE];
	const char *values[] = {q->name, conditions,
	    q->limit < 0 ? NULL : limit, seconds, c->holder, c->run};
	struct json_slice records;
	PGresult *r;

	snprintf(limit, sizeof(limit), "%ld", q->limit);
	snprintf(seconds, sizeof(seconds), "%ld", c->seconds);
	while (r = take(values), !commit(r))
		PQclear(r);
	records.s = PQgetvalue(r, 0, 0);
	records.len = (size_t)PQgetlength(r, 0, 0);
	nd_put(records);
	PQclear(r);
	free(conditions);
}

const struct querier query_postgres = {
    open_server, list, query, claim, postgres_close};
