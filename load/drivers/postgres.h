/*
 * postgres.h - a connection to PostgreSQL, 15 or later, by libpq.
 *
 * It may lead through a pooler of sessions or of transactions: nothing is kept
 * in the session from one transaction to the next.  All that libpq knows is
 * honoured: parameters in the URL, PGPASSWORD and the like, ~/.pgpass.
 */
#ifndef POSTGRES_H
#define POSTGRES_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "lib/db.h"

/* As db_migrations; and what is applied after them whenever one is. */
extern const struct db_migration postgres_migrations[];
extern const struct db_migration postgres_always[];

/*
 * Connect, waiting half a minute for a server that is just starting, and see
 * that the schema is ours: an older one is brought up to date in one
 * transaction, and one that is missing made, unless use is DB_READ.  DB_TRY
 * changes nothing, and wants the newest.
 *
 * Ends the program with 75 if there is no server, 77 if it refuses us, 78 if it
 * or the URL cannot serve.
 */
PGconn *postgres_open(const char *url, enum db_use use);

/*
 * How a transaction of ours begins, whatever a role or a database has set:
 * dates are of UTC, and what another has made meanwhile is seen.
 */
#define POSTGRES_BEGIN \
	"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL timezone = 'UTC'; "

/* Whether what failed may work if it is done again, from BEGIN on.  If so a
 * while was waited, longer each time (tries counts them), and the connection is
 * there again. */
bool postgres_again(PGconn *, const PGresult *failed, int *tries);

/* End the program because of a result, which may be NULL. */
_Noreturn void postgres_fail(
    PGconn *, const PGresult *failed, const char *doing);

/* Run a statement, which gives one value, or has no result; the caller clears
 * it.  Outside of a transaction it is one that may be done twice: it is done
 * again if that can help. */
PGresult *postgres_exec(
    PGconn *, const char *sql, int n, const char *const *values);

#endif
