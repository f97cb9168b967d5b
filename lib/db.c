#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/db.h"

#define APPLICATION_ID 1936945264 /* as 001 sets it */
#define BUSY_MS 30000

_Noreturn void
db_fail(sqlite3 *db, const char *doing)
{
	const char *file = sqlite3_db_filename(db, "main");
	const char *why = sqlite3_errmsg(db);

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		errx(EX_TEMPFAIL, "cannot %s '%s': %s; try again later", doing,
		    file, why);
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		errx(EX_IOERR, "cannot %s '%s': %s; restore it from a backup",
		    doing, file, why);
	case SQLITE_FULL:
	case SQLITE_IOERR:
		errx(EX_IOERR, "cannot %s '%s': %s", doing, file, why);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		errx(EX_CONFIG, "cannot %s '%s': %s", doing, file, why);
	case SQLITE_NOMEM:
		errx(EX_TEMPFAIL, "cannot %s '%s': %s", doing, file, why);
	default:
		errx(EX_SOFTWARE, "cannot %s '%s': %s", doing, file, why);
	}
}

void
db_exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		db_fail(db, "use");
}

sqlite3_stmt *
db_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		db_fail(db, "use");
	return stmt;
}

bool
db_step(sqlite3 *db, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		db_fail(db, "use");
	return rc == SQLITE_ROW;
}

static long long
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = db_prepare(db, sql);
	long long n = db_step(db, stmt) ? sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_finalize(stmt);
	return n;
}

static void
apply(sqlite3 *db, const struct db_migration *m)
{
	size_t len = 0, cap = 1;
	char *sql;

	for (const char *const *line = m->sql; *line != NULL; line++)
		cap += strlen(*line);
	if ((sql = malloc(cap)) == NULL)
		err(EX_TEMPFAIL, NULL);
	for (const char *const *line = m->sql; *line != NULL; line++) {
		memcpy(sql + len, *line, strlen(*line));
		len += strlen(*line);
	}
	sql[len] = '\0';
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		db_fail(db, "make the tables of");
	free(sql);
	if ((sql = sqlite3_mprintf("PRAGMA user_version = %d", m->version)) ==
	    NULL)
		err(EX_TEMPFAIL, NULL);
	db_exec(db, sql);
	sqlite3_free(sql);
}

/* Refuse what is not ours, or newer than we are. */
static void
check_ours(sqlite3 *db, int newest)
{
	const char *file = sqlite3_db_filename(db, "main");
	long long id = ask(db, "PRAGMA application_id");
	long long version = ask(db, "PRAGMA user_version");

	if (id != APPLICATION_ID &&
	    ask(db, "SELECT count(*) FROM sqlite_master") > 0)
		errx(EX_CONFIG,
		    "'%s' holds somebody else's tables; name another file",
		    file);
	if (version > newest)
		errx(EX_CONFIG,
		    "'%s' has schema %lld, and this program knows %d: "
		    "use a newer one",
		    file, version, newest);
}

static void
migrate(sqlite3 *db)
{
	const struct db_migration *m = db_migrations;
	int newest = 0;

	for (; m->version != 0; m++)
		newest = m->version;
	check_ours(db, newest);
	if (ask(db, "PRAGMA user_version") == newest)
		return;

	db_exec(db, "BEGIN IMMEDIATE");
	check_ours(db, newest); /* somebody may have been faster */
	for (m = db_migrations; m->version != 0; m++)
		if (m->version > ask(db, "PRAGMA user_version"))
			apply(db, m);
	db_exec(db, "COMMIT");
}

/* The file of a URL. */
static const char *
file_of(const char *url)
{
	if (url == NULL)
		url = conf_or("DATABASE_URL", "amazon.db");
	if (strncmp(url, "sqlite:", 7) == 0)
		url += 7;
	else if (strstr(url, "://") != NULL)
		errx(EX_CONFIG,
		    "this program has no driver for the database's URL; "
		    "use sqlite:FILE");
	if (*url == '\0')
		errx(EX_CONFIG, "the database's URL names no file");
	return url;
}

sqlite3 *
db_open(const char *url, bool create)
{
	const char *file = file_of(url);
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
	sqlite3 *db;

	umask(077);
	if (!create && access(file, F_OK) == -1)
		err(EX_CONFIG, "cannot open '%s' (db-load --init makes one)",
		    file);
	if (sqlite3_open_v2(file, &db, flags, NULL) != SQLITE_OK)
		errx(EX_CONFIG, "cannot open '%s': %s", file,
		    db == NULL ? "out of memory" : sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (create)
		db_exec(db, "PRAGMA journal_mode = WAL");
	migrate(db);
	return db;
}

void
db_close(sqlite3 *db)
{
	if (sqlite3_close(db) != SQLITE_OK)
		db_fail(db, "close");
}
