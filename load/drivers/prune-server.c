/*
 * PostgreSQL, by libpq or through PostgREST: the server removes some at a time,
 * each time in a transaction of its own; see db_prune.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "load/drivers/postgres.h"
#include "load/drivers/prune.h"
#include "load/drivers/rest.h"

static const char *const names[] = {[PRUNE_RAW] = "raw-days",
    [PRUNE_RUNS] = "runs-days",
    [PRUNE_CHECKS] = "checks-days"};

static PGconn *db; /* NULL: by PostgREST */

/* What was done: how many rows, and {"rows":9,"next":"..."}: how to go on. */
struct step {
	long long rows;
	char next[64]; /* empty: all is done */
};

static struct step
read_step(struct json_slice answer)
{
	struct json_field fields[] = {
	    JSON_FIELD("rows"), JSON_FIELD("next"), JSON_END};
	struct json_error e;
	struct step s = {0, ""};

	if (!json_scan(answer, fields, &e) ||
	    json_kind(fields[0].val) != JSON_NUMBER)
		errx(EX_PROTOCOL, "the database's server answers nonsense");
	s.rows = strtoll(fields[0].val.s, NULL, 10);
	if (json_kind(fields[1].val) == JSON_STRING &&
	    fields[1].val.len < sizeof(s.next))
		s.next[json_text(fields[1].val, s.next)] = '\0';
	return s;
}

static struct step
ask_postgres(
    enum prune_kind kind, const char *days, const char *after, bool dry)
{
	const char *values[] = {
	    names[kind], days, after, dry ? "true" : "false"};
	PGresult *r = postgres_exec(
	    db, "SELECT db_prune($1, $2::bigint, $3, $4::boolean)", 4, values);
	struct json_slice answer = {
	    PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0)};
	struct step s = read_step(answer);

	PQclear(r);
	return s;
}

static struct step
ask_rest(enum prune_kind kind, const char *days, const char *after, bool dry)
{
	struct rest_text body = {NULL, 0, 0};
	struct rest_call call = {.path = "rpc/db_prune"};
	struct json_slice answer;

	rest_puts(&body, "{\"what\":\"");
	rest_puts(&body, names[kind]);
	rest_puts(&body, "\",\"days\":");
	rest_puts(&body, days);
	rest_puts(&body, ",\"after\":");
	rest_put_string(&body, after, strlen(after));
	rest_puts(&body, dry ? ",\"dry\":true}" : ",\"dry\":false}");
	call.body = body.s;
	call.len = body.len;
	if (rest_ask(&call, &answer) != REST_OK)
		rest_fail();
	free(body.s);
	return read_step(answer);
}

/* All steps; how many rows they were. */
static long long
go(enum prune_kind kind, long days, bool dry)
{
	struct step s = {0, ""};
	long long all = 0;
	char text[24];

	snprintf(text, sizeof(text), "%ld", days);
	do {
		s = db != NULL ? ask_postgres(kind, text, s.next, dry)
			       : ask_rest(kind, text, s.next, dry);
		all += s.rows;
	} while (s.next[0] != '\0');
	return all;
}

static long long
count(enum prune_kind kind, long days)
{
	return go(kind, days, true);
}

static long long
prune(enum prune_kind kind, long days)
{
	return go(kind, days, false);
}

static void
open_postgres(const char *url)
{
	db = postgres_open(url, DB_READ, false);
}

const struct pruner prune_postgres = {
    open_postgres, count, prune, postgres_close};
const struct pruner prune_rest = {rest_open, count, prune, rest_close};
