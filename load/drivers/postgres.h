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

/*
 * Connect, waiting half a minute for a server that is just starting, and see
 * that the schema is ours: an older one is brought up to date in one
 * transaction, and one that is missing made, unless use is DB_READ.  DB_TRY
 * changes nothing, and wants the newest.  With DB_WRITE the partitions of this
 * month and the next ones are made, too; with init, functions and grants anew,
 * which may have got lost.
 *
 * Ends the program with 75 if there is no server, 76 if its certificate is not
 * the one that was asked for, 77 if it refuses us, 78 if it or the URL cannot
 * serve.
 */
PGconn *postgres_open(const char *url, enum db_use use, bool init);

/* Close that connection: however the program ends, so that the server is told.
 */
void postgres_close(void);

/*
 * How a transaction of ours begins, whatever a role or a database has set:
 * dates are of UTC, and what another has made meanwhile is seen.
 */
#define POSTGRES_BEGIN \
	"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL timezone = 'UTC'; "

/*
 * Whether what failed may work if it is done again, from BEGIN on.  If so a
 * while was waited, longer each time (tries counts them, from 0), and the
 * connection is there again.
 */
bool postgres_again(PGconn *, const PGresult *failed, int *tries);

/*
 * End the program because of a result, or, if that is NULL, of the connection:
 * 74 if the server's disk is at fault, 75 if it may work later, 77 if we lack a
 * right, 78 if something of ours is missing there, 70 if we are at fault.
 * doing: what was being done, as in "cannot write to the database".
 */
_Noreturn void postgres_fail(
    PGconn *, const PGresult *failed, const char *doing);

/*
 * Run a statement with n values, NULL being none, or without any several
 * statements; of the last the caller gets the result, and clears it.  Outside
 * of a transaction it is one that may be done twice: it is done again if that
 * can help.  What fails for good ends the program, see postgres_fail.
 */
PGresult *postgres_exec(
    PGconn *, const char *sql, int n, const char *const *values);

#endif
