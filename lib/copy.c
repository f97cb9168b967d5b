#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/copy.h"
#include "lib/db.h"

#define CACHE "PRAGMA cache_size = -65536" /* KiB: a check looks everywhere */

/* Where a file says how it is written, and that there is no -wal. */
#define FORMAT_AT 18
#define FORMAT "\1\1"

static char *unfinished;

static void
remove_unfinished(void)
{
	if (unfinished != NULL)
		unlink(unfinished);
}

static _Noreturn void
fail(const char *doing, const char *file)
{
	err(db_errno(errno), "cannot %s '%s'", doing, file);
}

static char *
joined(const char *file, const char *end)
{
	char *name = malloc(strlen(file) + strlen(end) + 1);

	if (name == NULL)
		err(EX_TEMPFAIL, NULL);
	return strcat(strcpy(name, file), end);
}

static bool
is_named(int fd, const char *name)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(name, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Open the file, empty and locked.  Another's is left alone; what it was named
 * when the lock was to be had, it may not be any more. */
static int
claim(const char *part)
{
	int fd;

	for (;;) {
		fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
		if (fd == -1)
			fail("write", part);
		if (flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
			errx(EX_TEMPFAIL,
			    "somebody else is writing '%s'; try again later",
			    part);
		if (is_named(fd, part))
			break;
		close(fd);
	}
	unfinished = joined(part, "");
	atexit(remove_unfinished);
	if (fchmod(fd, S_IRUSR | S_IWUSR) == -1 || ftruncate(fd, 0) == -1)
		fail("write", part);
	return fd;
}

static sqlite3 *
open_part(const char *part)
{
	sqlite3 *db = db_connect(part, false);

	/* Nobody else uses it, and what is not finished is thrown away. */
	db_exec(db,
	    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; "
	    "PRAGMA synchronous = OFF");
	return db;
}

/* All pages, as one reader sees them: who writes meanwhile does not wait, nor
 * make us begin again. */
static void
copy_pages(sqlite3 *from, const char *part)
{
	sqlite3 *to = open_part(part);
	sqlite3_backup *backup;

	db_exec(from, "BEGIN; SELECT count(*) FROM sqlite_master");
	if ((backup = sqlite3_backup_init(to, "main", from, "main")) == NULL)
		db_fail(to, "write");
	sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK)
		errx(db_status(to), "cannot copy '%s' to '%s': %s",
		    sqlite3_db_filename(from, "main"), part,
		    sqlite3_errmsg(to));
	db_exec(from, "COMMIT");
	db_close(to);
}

char *
copy_damage(sqlite3 *db)
{
	char *found = NULL, *newline;
	sqlite3_stmt *stmt;
	const char *text;
	int rc;

	sqlite3_exec(db, CACHE, NULL, NULL, NULL);
	rc = sqlite3_prepare_v2(
	    db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(stmt, 0);
		if (text == NULL || strcmp(text, "ok") != 0)
			found = joined(text == NULL ? "?" : text, "");
	} else {
		rc = sqlite3_errcode(db) & 0xff;
		if (rc != SQLITE_CORRUPT && rc != SQLITE_NOTADB)
			db_fail(db, "read");
		found = joined(sqlite3_errmsg(db), "");
	}
	sqlite3_finalize(stmt);
	while (found != NULL && (newline = strchr(found, '\n')) != NULL)
		*newline = ' ';
	return found;
}

static void
check_part(const char *part, const char *of)
{
	sqlite3 *db = db_connect(part, false);
	char *damage = copy_damage(db);

	if (damage != NULL)
		errx(EX_IOERR,
		    "'%s' is damaged: %.200s; restore it from a backup", of,
		    damage);
	db_close(db);
}

/* That nothing is ahead of it: who opens it makes no other file. */
static void
put_format(const struct copy *c)
{
	ssize_t n;

	do
		n = pwrite(c->fd, FORMAT, 2, FORMAT_AT);
	while (n == -1 && errno == EINTR);
	if (n != 2)
		fail("write", c->part);
}

void
copy_make(struct copy *c, sqlite3 *db, const char *file)
{
	c->file = file;
	c->part = joined(file, ".part");
	c->fd = claim(c->part);
	copy_pages(db, c->part);
	put_format(c);
	check_part(c->part, sqlite3_db_filename(db, "main"));
	if (fsync(c->fd) == -1)
		fail("write", c->part);
}

void
copy_sync_folder(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder = slash == NULL
	    ? joined(".", "")
	    : strndup(file, (size_t)(slash - file) + 1);
	int fd;

	if (folder == NULL)
		err(EX_TEMPFAIL, NULL);
	if ((fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    fsync(fd) == -1)
		fail("write", folder);
	close(fd);
	free(folder);
}

void
copy_place(struct copy *c)
{
	if (rename(c->part, c->file) == -1)
		fail("write", c->file);
	free(unfinished);
	unfinished = NULL;
	copy_sync_folder(c->file);
	close(c->fd);
	free(c->part);
}
