/*
 * schema.h - PostgreSQL's schema, as load/schema/postgres has it.  It is made
 * from there: see Makefile.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "lib/db.h"

/* The steps to the newest schema, as db_migrations for SQLite; and what is
 * applied after them whenever one is: functions and grants.  Both end with
 * version 0. */
extern const struct db_migration postgres_migrations[];
extern const struct db_migration postgres_always[];

#endif
