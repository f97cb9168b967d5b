#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/db.h"
#include "lib/when.h"

#define APPLICATION_ID 1936945264 /* as 001 sets it */
#define BUSY_MS 30000

/* What to do about a file that the system does not let us open or write. */
static int
status_of(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return EX_TEMPFAIL;
	case EDQUOT:
	case EIO:
	case ENOSPC:
		return EX_IOERR;
	default:
		return EX_CONFIG;
	}
}

_Noreturn void
db_fail(sqlite3 *db, const char *doing)
{
	const char *file = sqlite3_db_filename(db, "main");
	const char *why = sqlite3_errmsg(db);

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
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
		errx(status_of(sqlite3_system_errno(db)), "cannot %s '%s': %s",
		    doing, file, why);
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

/* Refuse what is not ours, or newer than we are; else give its version. */
static long long
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
	return version;
}

static int
newest_version(void)
{
	int newest = 0;

	for (const struct db_migration *m = db_migrations; m->version != 0; m++)
		newest = m->version;
	return newest;
}

static void
migrate(sqlite3 *db)
{
	long long version;

	db_exec(db, "BEGIN IMMEDIATE");
	/* Somebody may have been faster. */
	version = check_ours(db, newest_version());
	for (const struct db_migration *m = db_migrations; m->version != 0; m++)
		if (m->version > version)
			apply(db, m);
	db_exec(db, "COMMIT");
}

/* With a WAL, readers and the writer do not wait for each other.  SQLite does
 * not wait by itself if others are about to do the same to a new file. */
static void
use_wal(sqlite3 *db)
{
	int64_t until = when_ticks() + BUSY_MS / 1000;
	int rc;

	while ((rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL,
		    NULL)) == SQLITE_BUSY &&
	    when_ticks() < until)
		sqlite3_sleep(10);
	if (rc != SQLITE_OK)
		db_fail(db, "use");
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

static sqlite3 *
connect(const char *file, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
	sqlite3 *db;

	if (sqlite3_open_v2(file, &db, flags, NULL) != SQLITE_OK) {
		int error = db == NULL ? ENOMEM : sqlite3_system_errno(db);

		errx(status_of(error), "cannot open '%s': %s", file,
		    error != 0 ? strerror(error) : sqlite3_errmsg(db));
	}
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return db;
}

sqlite3 *
db_open(const char *url, enum db_use use)
{
	const char *file = file_of(url);
	bool missing = access(file, F_OK) == -1 && errno == ENOENT;
	long long version;
	sqlite3 *db;

	umask(077);
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* nothing to lock, */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* nor to count */
	if (missing && use == DB_READ)
		errx(EX_CONFIG,
		    "cannot open '%s': %s; db-load --init makes one", file,
		    strerror(ENOENT));
	if (missing && use == DB_TRY)
		file = ":memory:";
	db = connect(file, use != DB_READ);
	/* All of it at one moment: somebody may be making it. */
	db_exec(db, "BEGIN");
	version = check_ours(db, newest_version());
	db_exec(db, "COMMIT");
	if (use == DB_TRY && version < newest_version()) {
		db_close(db);
		db = connect(":memory:", true);
	}
	if (use != DB_TRY && version == 0)
		chmod(file, S_IRUSR | S_IWUSR); /* it may have been empty */
	if (use == DB_WRITE)
		use_wal(db);
	if (version < newest_version())
		migrate(db);
	return db;
}

void
db_close(sqlite3 *db)
{
	if (sqlite3_close(db) != SQLITE_OK)
		db_fail(db, "close");
}
