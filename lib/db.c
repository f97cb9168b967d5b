#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/copy.h"
#include "lib/db.h"
#include "lib/when.h"

#define APPLICATION_ID 1936945264 /* as 001 sets it */
#define BUSY_MS 30000

int
db_errno(int error)
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

int
db_status(sqlite3 *db)
{
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
	case SQLITE_NOMEM:
		return EX_TEMPFAIL;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_FULL:
	case SQLITE_IOERR:
		return EX_IOERR;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return db_errno(sqlite3_system_errno(db));
	default:
		return EX_SOFTWARE;
	}
}

/* What can be done about the last error, if that is not plain from it. */
static const char *
hint(sqlite3 *db)
{
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return "; try again later";
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return "; restore it from a backup";
	default:
		return "";
	}
}

_Noreturn void
db_fail(sqlite3 *db, const char *doing)
{
	errx(db_status(db), "cannot %s '%s': %s%s", doing,
	    sqlite3_db_filename(db, "main"), sqlite3_errmsg(db), hint(db));
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

char *
db_text(const struct db_migration *m)
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
	return sql;
}

static void
apply(sqlite3 *db, const struct db_migration *m)
{
	char *sql = db_text(m);

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

int
db_newest(const struct db_migration *m)
{
	int newest = 0;

	for (; m->version != 0; m++)
		newest = m->version;
	return newest;
}

/* Before a database of that schema changes: a copy, read beside the transaction
 * that keeps others from writing. */
static void
keep(sqlite3 *db, long long version)
{
	const char *file = sqlite3_db_filename(db, "main");
	sqlite3 *before = db_connect(file, false);
	char *name = sqlite3_mprintf("%s.v%lld.backup", file, version);
	struct copy copy;

	if (name == NULL)
		err(EX_TEMPFAIL, NULL);
	copy_make(&copy, before, name);
	copy_place(&copy);
	sqlite3_free(name);
	db_close(before);
}

static void
migrate(sqlite3 *db)
{
	long long version;

	db_exec(db, "BEGIN IMMEDIATE");
	/* Somebody may have been faster. */
	version = check_ours(db, db_newest(db_migrations));
	if (version > 0 && version < db_newest(db_migrations))
		keep(db, version);
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

const char *
db_file(const char *url)
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
db_connect(const char *file, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
	sqlite3 *db;

	if (sqlite3_open_v2(file, &db, flags, NULL) != SQLITE_OK) {
		int error = db == NULL ? ENOMEM : sqlite3_system_errno(db);

		errx(db_errno(error), "cannot open '%s': %s", file,
		    error != 0 ? strerror(error) : sqlite3_errmsg(db));
	}
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return db;
}

/* The version of it, all at one moment: somebody may be making it. */
static long long
see_version(sqlite3 *db)
{
	long long version;
	int moved = 0;

	db_exec(db, "BEGIN");
	version = check_ours(db, db_newest(db_migrations));
	db_exec(db, "COMMIT");
	/* From here on we hold its -wal open, too; but is that its own? */
	sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved)
		errx(EX_TEMPFAIL, "'%s' was just replaced; try again later",
		    sqlite3_db_filename(db, "main"));
	return version;
}

static void
set_up(void)
{
	umask(077);
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* nothing to lock, */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* nor to count */
}

sqlite3 *
db_open(const char *url, enum db_use use)
{
	const char *file = db_file(url);
	bool missing = access(file, F_OK) == -1 && errno == ENOENT;
	long long version;
	sqlite3 *db;

	set_up();
	if (missing && use == DB_READ)
		errx(EX_CONFIG,
		    "cannot open '%s': %s; db-load --init makes one", file,
		    strerror(ENOENT));
	if (missing && use == DB_TRY)
		file = ":memory:";
	db = db_connect(file, use != DB_READ);
	version = see_version(db);
	if (use == DB_TRY && version < db_newest(db_migrations)) {
		db_close(db);
		db = db_connect(":memory:", true);
	}
	if (use != DB_TRY && version == 0)
		chmod(file, S_IRUSR | S_IWUSR); /* it may have been empty */
	if (use == DB_WRITE)
		use_wal(db);
	if (version < db_newest(db_migrations))
		migrate(db);
	return db;
}

sqlite3 *
db_keep(const char *file)
{
	sqlite3 *db;

	set_up();
	db = db_connect(file, false);
	if (see_version(db) == 0)
		errx(EX_CONFIG, "'%s' holds none of our tables", file);
	return db;
}

void
db_close(sqlite3 *db)
{
	if (sqlite3_close(db) != SQLITE_OK)
		db_fail(db, "close");
}
