/*
 * db-backup - a snapshot of the database in a file, checked
 *
 * What the database holds at one moment is copied, whoever writes meanwhile,
 * page by page through SQLite's backup interface.  VACUUM INTO would build it
 * anew, and so make good indexes of bad ones: a copy has the damage that there
 * is, and the check finds it.
 *
 * That a snapshot is whole does not say that what is in it is all there ever
 * was: an empty database has sound snapshots, too.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/copy.h"
#include "lib/db.h"
#include "lib/ndjson.h"
#include "lib/when.h"

static const char usage[] =
    "usage: db-backup [-d URL] [--replace] FILE\n"
    "       db-backup --check FILE\n"
    "       db-backup [-d URL] --restore FILE\n"
    "\n"
    "Writes a snapshot of the database to FILE, which appears once it is "
    "whole.\n"
    "\n"
    "  -d, --database URL  sqlite:FILE (else DATABASE_URL, else amazon.db)\n"
    "      --replace       FILE may be there, and is replaced\n"
    "      --check         say what is in FILE, if it is whole\n"
    "      --restore       put FILE, if it is whole, in the database's place,\n"
    "                      which is kept beside it\n"
    "      --help, --version\n"
    "\n"
    "example: db-backup snapshot.db && db-backup --check snapshot.db\n";

static char *
named(const char *format, const char *file, const char *more)
{
	char *name = sqlite3_mprintf(format, file, more);

	if (name == NULL)
		err(EX_TEMPFAIL, NULL);
	return name;
}

static bool
is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

static void
back_up(const char *url, const char *file, bool replace)
{
	sqlite3 *db;
	struct copy copy;

	if (is_same(db_file(url), file))
		errx(EX_USAGE, "'%s' is the database itself", file);
	if (!replace && access(file, F_OK) == 0)
		errx(EX_USAGE, "'%s' is there already; see --replace", file);
	db = db_keep(db_file(url));
	copy_make(&copy, db, file);
	db_close(db);
	if (!replace && access(file, F_OK) == 0)
		errx(EX_USAGE, "'%s' is there already; see --replace", file);
	copy_place(&copy);
}

static sqlite3 *
open_whole(const char *file)
{
	sqlite3 *db = db_keep(file);
	char *damage = copy_damage(db);

	if (damage != NULL)
		errx(EX_IOERR, "'%s' is damaged: %.200s; use another backup",
		    file, damage);
	return db;
}

static bool
has_table(sqlite3 *db, const char *name)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1");
	bool there;

	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	there = db_step(db, stmt);
	sqlite3_finalize(stmt);
	return there;
}

/* The one value of a statement, as a field; null if its table is not there. */
static void
put_answer(sqlite3 *db, const char *field, const char *table, const char *sql)
{
	sqlite3_stmt *stmt;

	if (!has_table(db, table)) {
		nd_field_str(field, NULL);
		return;
	}
	stmt = db_prepare(db, sql);
	db_step(db, stmt);
	nd_field_str(field, (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
}

static long long
count(sqlite3 *db, const char *format, const char *table)
{
	char *sql = named(format, table, NULL);
	sqlite3_stmt *stmt = db_prepare(db, sql);
	long long n = db_step(db, stmt) ? sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return n;
}

static void
put_rows(sqlite3 *db)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT name FROM sqlite_master WHERE type = 'table' "
	    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
	const char *comma = "";

	nd_name("rows");
	nd_puts("{");
	while (db_step(db, stmt)) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		nd_puts(comma);
		nd_put_string(name, strlen(name));
		nd_puts(":");
		nd_put_int(count(db, "SELECT count(*) FROM \"%w\"", name));
		comma = ",";
	}
	nd_puts("}");
	sqlite3_finalize(stmt);
}

static void
check(const char *file)
{
	sqlite3 *db = open_whole(file);

	nd_puts("{\"type\":\"backup\"");
	nd_field_str("file", file);
	nd_field_int("bytes",
	    count(db, "PRAGMA page_count", NULL) *
		count(db, "PRAGMA page_size", NULL));
	nd_field_int("schema_version", count(db, "PRAGMA user_version", NULL));
	put_answer(db, "newest_look", "asin_history",
	    "SELECT max(check_timestamp) FROM asin_history");
	put_answer(db, "newest_change", "bestseller_changes",
	    "SELECT max(detected_at) FROM bestseller_changes");
	put_answer(db, "newest_sales_day", "sales_daily_totals",
	    "SELECT max(date) FROM sales_daily_totals");
	put_rows(db);
	nd_puts("}\n");
	db_close(db);
}

/* A connection that keeps out even those who only heed SQLite's locks; or none
 * that does, where the file is too damaged to be anybody's. */
static sqlite3 *
keep_others_out(const char *file)
{
	sqlite3 *db = db_connect(file, true);
	int rc;

	sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
	rc = sqlite3_exec(db, "BEGIN EXCLUSIVE; COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED || rc == SQLITE_CANTOPEN)
		db_fail(db, "replace");
	return db;
}

/* A second name for what has the first, if anything has. */
static void
link_too(const char *from, const char *to)
{
	int error;

	if (link(from, to) == 0 || errno == ENOENT)
		return;
	error = errno;
	if (is_same(from, to))
		return;
	errno = error;
	err(db_errno(error), "cannot put '%s' aside as '%s'", from, to);
}

/* What SQLite keeps beside a database, and what it would take for the new one's
 * if it stayed.  The first two hold what is not in the database yet. */
static const char *const beside[] = {"-wal", "-journal", "-shm"};

static void
link_beside(const char *file, const char *aside)
{
	for (int i = 0; i < 2; i++) {
		char *from = named("%s%s", file, beside[i]);
		char *to = named("%s%s", aside, beside[i]);

		link_too(from, to);
		sqlite3_free(from);
		sqlite3_free(to);
	}
}

static void
unlink_beside(const char *file)
{
	for (int i = 0; i < 3; i++) {
		char *name = named("%s%s", file, beside[i]);

		if (unlink(name) == -1 && errno != ENOENT)
			err(db_errno(errno), "cannot remove '%s'", name);
		sqlite3_free(name);
	}
	copy_sync_folder(file);
}

static bool
is_there(const char *file, const char *more)
{
	char *name = named("%s%s", file, more);
	bool there = access(name, F_OK) == 0;

	sqlite3_free(name);
	return there;
}

static off_t
size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? st.st_size : 0;
}

/* A name for the present one, that says when it was put aside, and that no
 * other has. */
static char *
name_aside(const char *file)
{
	char now[WHEN_SIZE], *to = now, *name;

	for (const char *from = when_text(when_now(), now); *from; from++)
		if (*from != '-' && *from != ':')
			*to++ = *from;
	*to = '\0';
	name = named("%s.before-restore-%s", file, now);
	if (is_same(name, file) ||
	    (!is_there(name, "") && !is_there(name, beside[0]) &&
		!is_there(name, beside[1])))
		return name;
	sqlite3_free(name);
	sleep(1);
	return name_aside(file);
}

/*
 * Put what is finished in the place of the database: at every moment its name
 * leads to all of the one or all of the other.  So the old one gets a second
 * name; then what only its -wal has is written into it, as far as SQLite can
 * read it, because the -wal has to go before the new one comes.
 */
static void
swap(struct copy *copy, const char *file)
{
	char *aside = name_aside(file);
	char *aside_wal = named("%s%s", aside, beside[0]);
	bool empty = size_of(file) == 0;
	sqlite3 *old = NULL;

	if (empty)
		link_beside(file, aside); /* SQLite removes what is there */
	if (is_there(file, "")) /* or it would be made */
		old = keep_others_out(file);
	if (!empty) {
		link_too(file, aside);
		link_beside(file, aside);
	}
	copy_sync_folder(file);
	if (old != NULL)
		sqlite3_exec(
		    old, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	if (size_of(aside_wal) == 0)
		unlink(aside_wal);
	unlink_beside(file);
	copy_place(copy);
	sqlite3_close(old);
	sqlite3_free(aside_wal);
	sqlite3_free(aside);
}

static void
restore(const char *url, const char *from)
{
	const char *name = db_file(url);
	char *file = realpath(name, NULL);
	struct copy copy;
	sqlite3 *db;

	if (file == NULL && (file = strdup(name)) == NULL)
		err(EX_TEMPFAIL, NULL);
	if (is_same(file, from))
		errx(EX_USAGE, "'%s' is the database itself", from);
	db = open_whole(from);
	copy_make(&copy, db, file);
	db_close(db);
	swap(&copy, file);
	free(file);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"database", required_argument, NULL, 'd'},
	    {"replace", no_argument, NULL, 'r'},
	    {"check", no_argument, NULL, 'c'},
	    {"restore", no_argument, NULL, 'R'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *url = NULL;
	bool replace = false;
	int c, action = 'b';

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (c == 'd')
			url = optarg;
		else if (c == 'r')
			replace = true;
		else if ((c == 'c' || c == 'R') && action == 'b')
			action = c;
		else if (c == 'c' || c == 'R')
			errx(EX_USAGE, "either --check or --restore");
		else
			nd_option(c, argv, usage);
	}
	if (argc - optind != 1)
		errx(EX_USAGE, "name one file; see --help");
	if (action == 'c')
		check(argv[optind]);
	else if (action == 'R')
		restore(url, argv[optind]);
	else
		back_up(url, argv[optind], replace);
	return nd_finish();
}
