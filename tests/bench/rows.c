/*
 * rows - rows into PostgreSQL by prepared INSERTs, in one transaction
 *
 *     rows URL TABLE ROWS KEY <FILE
 *
 * ROWS of them a statement, each an upsert by KEY (a,b,c).  FILE is what COPY
 * writes, of all columns; nothing in it may need a backslash but \N.
 */
#include <err.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 65535 /* parameters of a statement */

static PGconn *db;
static const char *names[64];
static int columns;

static PGresult *
must(PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK &&
	    PQresultStatus(r) != PGRES_TUPLES_OK)
		errx(1, "%s", PQerrorMessage(db));
	return r;
}

static void
exec(const char *sql)
{
	PQclear(must(PQexec(db, sql)));
}

static void
read_columns(const char *table)
{
	char sql[200];
	PGresult *r; /* kept: the names are its */

	snprintf(sql, sizeof(sql), "SELECT * FROM %s LIMIT 0", table);
	r = must(PQexec(db, sql));
	for (columns = 0; columns < PQnfields(r); columns++)
		names[columns] = PQfname(r, columns);
}

/* Prepare the statement "put" for so many rows. */
static void
prepare(const char *table, const char *key, int rows)
{
	size_t len;
	char *sql;
	FILE *f = open_memstream(&sql, &len);

	fprintf(f, "INSERT INTO %s VALUES ", table);
	for (int i = 0; i < rows * columns; i++)
		fprintf(f, "%s$%d%s",
		    i % columns > 0 ? ","
			: i > 0     ? ",("
				    : "(",
		    i + 1, i % columns == columns - 1 ? ")" : "");
	fprintf(f, " ON CONFLICT (%s) DO UPDATE SET ", key);
	for (int i = 0; i < columns; i++)
		fprintf(f, "%s%s = excluded.%s", i == 0 ? "" : ", ", names[i],
		    names[i]);
	fclose(f);
	PQclear(PQexec(db, "DEALLOCATE ALL"));
	PQclear(must(PQprepare(db, "put", sql, 0, NULL)));
	free(sql);
}

/* Read a row: its values point into the line, which is the caller's. */
static char *
read_row(const char **values)
{
	char *line = NULL, *rest;
	size_t cap = 0;
	ssize_t len = getline(&line, &cap, stdin);

	if (len <= 0) {
		free(line);
		return NULL;
	}
	line[len - 1] = '\0';
	rest = line;
	for (int i = 0; i < columns; i++) {
		char *value = strsep(&rest, "\t");

		values[i] =
		    value == NULL || strcmp(value, "\\N") == 0 ? NULL : value;
	}
	return line;
}

int
main(int argc, char *argv[])
{
	static const char *values[MOST];
	int most, n = 0, prepared = 0;
	char **lines;

	if (argc != 5 || (most = atoi(argv[3])) < 1)
		errx(64, "usage: rows URL TABLE ROWS KEY");
	db = PQconnectdb(argv[1]);
	exec("BEGIN");
	read_columns(argv[2]);
	if (columns == 0 || most > MOST / columns)
		errx(64, "too many rows for a statement");
	lines = calloc((size_t)most, sizeof(*lines));
	do {
		for (n = 0; n < most; n++)
			if (!(lines[n] = read_row(values + n * columns)))
				break;
		if (n > 0 && n != prepared)
			prepare(argv[2], argv[4], prepared = n);
		if (n > 0)
			PQclear(must(PQexecPrepared(
			    db, "put", n * columns, values, NULL, NULL, 0)));
		for (int i = 0; i < n; i++)
			free(lines[i]);
	} while (n == most);
	exec("COMMIT");
	free(lines);
	PQfinish(db);
	return 0;
}
