/*
 * db.h - the database: which it is, and that its schema is ours.
 *
 * Only what load/ holds is linked with this.
 */
#ifndef DB_H
#define DB_H

#include <stdbool.h>

#include <sqlite3.h>

/* The steps from an empty database to the newest schema, by version. */
struct db_migration {
	int version;
	const char *const *sql; /* lines, NULL at the end */
};

extern const struct db_migration db_migrations[]; /* ends with version 0 */

/* The newest version of such steps; the SQL of one, which the caller frees. */
int db_newest(const struct db_migration *);
char *db_text(const struct db_migration *);

enum db_use {
	DB_READ, /* there has to be one */
	DB_WRITE, /* a new one is made where there is none */
	DB_TRY /* what is missing or older is made in memory: nothing changes */
};

/*
 * Open the database of a URL: `sqlite:FILE`, or FILE; NULL is the setting
 * DATABASE_URL, and without that `amazon.db`.  The files of a new one are for
 * us alone (0600).  An older schema is brought up to date in one transaction;
 * a newer one, or a database that is not ours, is left as it is and ends the
 * program with 78.  Close it with db_close.
 *
 * Before the schema of a file changes, what it holds is copied to a file beside
 * it, `FILE.v1.backup` if its schema is 1, in place of an earlier one; if that
 * fails the program ends, and nothing has changed.
 */
sqlite3 *db_open(const char *url, enum db_use use);
void db_close(sqlite3 *);

/* Open a database of ours that is there, and leave its schema as it is. */
sqlite3 *db_keep(const char *file);

/* The file of such a URL; exit with 78 if it is another one. */
const char *db_file(const char *url);

/* Open a file whatever it holds. */
sqlite3 *db_connect(const char *file, bool create);

/*
 * End the program because of the last error of the database: 75 if it is busy,
 * 74 if the disk is at fault, 78 if the file is, 70 if we are.
 */
_Noreturn void db_fail(sqlite3 *, const char *doing);

/* The status for the last error of the database; for an errno of its file. */
int db_status(sqlite3 *);
int db_errno(int error);

/* Run statements that give no rows; db_fail if that fails. */
void db_exec(sqlite3 *, const char *sql);

/* A prepared statement, which the caller finalizes; db_fail if that fails. */
sqlite3_stmt *db_prepare(sqlite3 *, const char *sql);

/* Step, and db_fail unless that gives a row (true) or the end (false). */
bool db_step(sqlite3 *, sqlite3_stmt *);

#endif
