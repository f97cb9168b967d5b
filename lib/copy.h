/*
 * copy.h - a copy of a database in a file of its own: all of it, or none.
 *
 * Only what load/ holds is linked with this.
 */
#ifndef COPY_H
#define COPY_H

#include <sqlite3.h>

/* A copy that has not got its name yet. */
struct copy {
	const char *file; /* the name it will have; the caller's */
	char *part; /* what it is called until then */
	int fd; /* of it, locked */
};

/*
 * Copy what the database holds at this moment, whoever writes meanwhile, into
 * `file.part`, for us alone (0600), find it whole, and see it on the disk.
 * Whatever ends the program before copy_place removes it: 74 if the disk is at
 * fault or the database is damaged, 75 if somebody else makes the same copy, 78
 * if it cannot be written there.  What a program that was killed has left under
 * that name is written over.
 */
void copy_make(struct copy *, sqlite3 *db, const char *file);

/* Give it its name, in place of whatever has that now; on the disk, too. */
void copy_place(struct copy *);

/* See to it that what was done to the names in a file's folder is on the disk;
 * exit with 74 if that fails. */
void copy_sync_folder(const char *file);

/* What is wrong with a database, in words that the caller frees; NULL if
 * nothing is. */
char *copy_damage(sqlite3 *db);

#endif
