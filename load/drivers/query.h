/*
 * query.h - between db-query and the kinds of databases that it reads.
 *
 * Rows are written as records by nd_put and its like (lib/ndjson.h).  What
 * cannot be done ends the program, with the statuses and messages of
 * db-query(1); what was written by then is whole records.
 */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stddef.h>

struct condition {
	const char *column; /* so many bytes of it */
	size_t len;
	const char *sign; /* = != < <= > >= */
	const char *value; /* NULL: no value */
};

struct query {
	const char *name; /* of a table or a view */
	const struct condition *conditions; /* all of which have to hold */
	size_t n_conditions;
	const char *order; /* columns between commas, each with - before it:
			      downwards; NULL: as it comes */
	long limit; /* at most so many rows; -1: all */
};

/* Who claims, and for how long; texts are not NULL. */
struct claim {
	const char *holder, *run;
	long seconds;
};

/* A name or a column that is not there ends the program with 64. */
struct querier {
	void (*open)(const char *url);
	void (*list)(void); /* write a `names` record for each table and view */
	void (*query)(const struct query *); /* write the rows */

	/* Of the view, take the rows that are free by its `leases`, lease them
	 * all in one transaction, and write them once that is done.  A limit is
	 * one of pieces of work, which can have several rows.  A view that is
	 * not `claimable` ends the program with 64. */
	void (*claim)(const struct query *, const struct claim *);
	void (*close)(void);
};

extern const struct querier query_sqlite, query_postgres, query_rest;

/* Conditions and order as a server of ours takes them, see db_query_sql: JSON,
 * which the caller frees; NULL: no order. */
char *query_conditions(const struct query *);
char *query_order(const struct query *);

/* p, unless there is no memory, which ends the program with 75. */
void *query_must(void *p);

#endif
