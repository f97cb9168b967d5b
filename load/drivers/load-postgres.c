/*
 * PostgreSQL: batches, each a transaction: COPY into a temporary table for each
 * group of records, and from there one statement, which the server makes; see
 * db_merge in load/schema/postgres/functions.sql.  A group of a few records is
 * in that statement itself, as to make a table takes longer.
 *
 * While the server is at the last group of a batch, the next one is read.  A
 * batch is kept until the server has it for good: if it fails for a reason that
 * may pass, it is sent again.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/ndjson.h"
#include "load/drivers/batch.h"
#include "load/drivers/postgres.h"

#define BATCH_BYTES (2UL << 20)
#define BATCH_RECORDS 100000
#define PIECE (64UL << 10) /* libpq keeps what is given to it at once */
#define FEW 16 /* records of a group that needs no table */
#define FEW_BYTES (64UL << 10)

static PGconn *db;
static bool dry_run;
static struct batch batches[2];
static struct batch *filling = &batches[0], *flying; /* NULL: none is */
/* Of the flying batch: the next to go by COPY, and to be answered for. */
static struct group *fed, *merged;

struct refusal {
	const struct group *group;
	size_t n;
	char *why;
};

static struct refusal *refusals; /* of the flying batch */
static size_t n_refusals;

static void
read_tables(struct load *load)
{
	PGresult *r = postgres_exec(db,
	    "SELECT t ->> 'name', c ->> 'name', c ->> 'type', c ->> 'key', "
	    "c ->> 'kind' FROM json_array_elements(db_tables()) t, "
	    "json_array_elements(t -> 'columns') c",
	    0, NULL);
	const char *table = "";

	for (int i = 0; i < PQntuples(r); i++) {
		enum type type;

		if (!load_type(PQgetvalue(r, i, 2), &type))
			errx(EX_CONFIG,
			    "the database has functions of "
			    "another version");
		if (strcmp(PQgetvalue(r, i, 0), table) != 0)
			load_table(load, table = PQgetvalue(r, i, 0));
		load_column(load, PQgetvalue(r, i, 1), type,
		    atoi(PQgetvalue(r, i, 3)),
		    PQgetisnull(r, i, 4) ? NULL : PQgetvalue(r, i, 4));
	}
	PQclear(r);
}

static void
open_server(struct load *load, const char *url)
{
	dry_run = load->dry_run;
	db = postgres_open(url, dry_run ? DB_TRY : DB_WRITE, load->init);
	read_tables(load);
}

/* A text as COPY wants it. */
static char *
put_text(char *to, struct json_slice text)
{
	for (const char *p = text.s, *end = p + text.len; p < end; p++) {
		char c = *p;

		if (c == '\\' || c == '\n' || c == '\t' || c == '\r') {
			*to++ = '\\';
			c = c == '\n'   ? 'n'
			    : c == '\t' ? 't'
			    : c == '\r' ? 'r'
					: c;
		}
		*to++ = c;
	}
	return to;
}

static char *
put_int(char *to, long long n)
{
	char buf[ND_INT_SIZE];
	const char *text = nd_int_text(n, buf);
	size_t len = strlen(text);

	memcpy(to, text, len);
	return to + len;
}

static char *
put_json(char *to, struct json_slice text)
{
	static const struct json_slice nul = {BATCH_NUL, sizeof(BATCH_NUL) - 1};
	size_t len;

	while ((len = batch_before_nul(text)) < text.len) {
		to = put_text(to, (struct json_slice){text.s, len});
		to = put_text(to, nul);
		text.s += len + nul.len;
		text.len -= len + nul.len;
	}
	return put_text(to, text);
}

static char *
put_value(char *to, const struct column *c)
{
	const struct value *v = &c->value;

	if (v->kind == VALUE_TEXT && c->type == TYPE_JSON)
		return put_json(to, v->text);
	if (v->kind == VALUE_TEXT)
		return put_text(to, v->text);
	if (v->kind == VALUE_REAL)
		return batch_put_real(to, c);
	if (v->kind == VALUE_INTEGER)
		return put_int(to, v->n);
	*to++ = '\\';
	*to++ = 'N';
	return to;
}

static size_t
room_for(const struct group *g)
{
	size_t room = NUMBER_MAX;

	for (int i = 0; i < g->n; i++) {
		const struct value *v = &g->table->columns[g->columns[i]].value;

		room +=
		    1 + (v->kind == VALUE_TEXT ? 2 * v->text.len : NUMBER_MAX);
	}
	return room;
}

/* The number of the record in its group, and its values. */
static void
put_record(struct group *g)
{
	char *begin = batch_room(g, room_for(g));
	char *to = put_int(begin, (long long)g->records - 1);

	for (int i = 0; i < g->n; i++) {
		*to++ = '\t';
		to = put_value(to, &g->table->columns[g->columns[i]]);
	}
	*to++ = '\n';
	g->len += (size_t)(to - begin);
	filling->bytes += (size_t)(to - begin);
}

/* A statement that is being written. */
struct sql {
	char *text;
	size_t len, cap;
};

static void
add(struct sql *q, const char *text)
{
	size_t len = strlen(text);

	if (q->cap - q->len <= len) {
		q->cap = 2 * (q->len + len + 1);
		q->text = load_must(realloc(q->text, q->cap));
	}
	memcpy(q->text + q->len, text, len + 1);
	q->len += len;
}

/* A name or a text, quoted. */
static void
add_quoted(struct sql *q, char *(*quote)(PGconn *, const char *, size_t),
    const char *text)
{
	char *quoted = load_must(quote(db, text, strlen(text)));

	add(q, quoted);
	PQfreemem(quoted);
}

static void
add_columns(struct sql *q, const struct group *g,
    char *(*quote)(PGconn *, const char *, size_t))
{
	for (int i = 0; i < g->n; i++) {
		add(q, i == 0 ? "" : ", ");
		add_quoted(q, quote, g->table->columns[g->columns[i]].name);
	}
}

/* The same, each of the type that its values have here: what does not fit the
 * column is refused when it is stored, by itself. */
static void
add_typed_columns(struct sql *q, const struct group *g)
{
	for (int i = 0; i < g->n; i++) {
		const struct column *c = &g->table->columns[g->columns[i]];

		add(q, ", ");
		add_quoted(q, PQescapeIdentifier, c->name);
		if (c->type == TYPE_INTEGER) {
			add(q, "::bigint AS ");
			add_quoted(q, PQescapeIdentifier, c->name);
		}
	}
}

static bool
is_few(const struct group *g)
{
	return g->records <= FEW && g->len <= FEW_BYTES;
}

/* A literal of what COPY gets; give where that ends. */
static const char *
add_literal(struct sql *q, const char *p)
{
	const char *end = p + strcspn(p, "\t\n");
	char *text, *to;

	if (end - p == 2 && memcmp(p, "\\N", 2) == 0) {
		add(q, "NULL");
		return end;
	}
	to = text = load_must(malloc((size_t)(end - p) + 1));
	for (; p < end; p++) {
		if (*p == '\\' && *++p != '\\')
			*to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : '\r';
		else
			*to++ = *p;
	}
	*to = '\0';
	add_quoted(q, PQescapeLiteral, text);
	free(text);
	return end;
}

/* The records as a query. */
static void
add_query(struct sql *q, const struct group *g)
{
	add(q, "(SELECT 0::bigint AS n");
	add_typed_columns(q, g);
	add(q, " FROM ");
	add_quoted(q, PQescapeIdentifier, g->table->name);
	add(q, " WHERE false");
	for (const char *p = g->buf; p < g->buf + g->len; p++) {
		add(q,
		    p == g->buf || p[-1] == '\n' ? " UNION ALL SELECT " : ", ");
		p = add_literal(q, p);
	}
	add(q, ")");
}

static void
add_stage(struct sql *q, const struct group *g, const char *stage)
{
	add(q, "CREATE TEMP TABLE ");
	add(q, stage);
	add(q, " ON COMMIT DROP AS SELECT 0::bigint AS n");
	add_typed_columns(q, g);
	add(q, " FROM ");
	add_quoted(q, PQescapeIdentifier, g->table->name);
	add(q, " WITH NO DATA; COPY ");
	add(q, stage);
	add(q, " FROM STDIN; ");
}

static void
add_group(struct sql *q, const struct group *g, size_t number)
{
	struct sql source = {NULL, 0, 0};
	char stage[40];

	if (is_few(g)) {
		add_query(&source, g);
	} else {
		snprintf(stage, sizeof(stage), "stage_%zu", number);
		add_stage(q, g, stage);
		add(&source, stage);
	}
	add(q, "SELECT * FROM db_merge(");
	add_quoted(q, PQescapeLiteral, g->table->name);
	add(q, ", '");
	add(q, batch_op(g->op));
	add(q, "', ARRAY[");
	add_columns(q, g, PQescapeLiteral);
	add(q, "], ");
	add_quoted(q, PQescapeLiteral, source.text);
	add(q, g->again ? ", NULL, true); " : ", NULL, false); ");
	free(source.text);
}

/* The whole transaction goes to the server as one text. */
static bool
send(const struct batch *b)
{
	struct sql q = {NULL, 0, 0};
	int sent;

	add(&q, POSTGRES_BEGIN);
	for (size_t i = 0; i < b->n; i++)
		add_group(&q, &b->groups[i], i);
	add(&q, dry_run ? "ROLLBACK" : "COMMIT");
	sent = PQsendQuery(db, q.text);
	free(q.text);
	return sent == 1;
}

static void
forget_refusals(void)
{
	while (n_refusals > 0)
		free(refusals[--n_refusals].why);
}

static void
keep_refusals(const PGresult *r, const struct group *g)
{
	for (int i = 0; i < PQntuples(r); i++) {
		refusals = load_must(
		    realloc(refusals, (n_refusals + 1) * sizeof(*refusals)));
		refusals[n_refusals++] = (struct refusal){g,
		    (size_t)strtoull(PQgetvalue(r, i, 0), NULL, 10),
		    load_must(strdup(PQgetvalue(r, i, 1)))};
	}
}

static const struct group *
flying_end(void)
{
	return flying->groups + flying->n;
}

/* The first group from g on that goes by COPY. */
static struct group *
next_fed(struct group *g)
{
	while (g < flying_end() && is_few(g))
		g++;
	return g;
}

/* What the connection says of it comes with the next result. */
static void
put_copy(const struct group *g)
{
	for (size_t at = 0; at < g->len; at += PIECE)
		if (PQputCopyData(db, g->buf + at,
			(int)(g->len - at < PIECE ? g->len - at : PIECE)) != 1)
			break;
	PQputCopyEnd(db, NULL);
}

/*
 * Go on with what the server asks for and answers: up to where it has got the
 * last group (all is false), or has done everything.  A result is what failed.
 */
static PGresult *
proceed(bool all)
{
	PGresult *failed = NULL, *r;

	while ((all || failed != NULL || fed < flying_end()) &&
	    (r = PQgetResult(db)) != NULL) {
		switch (PQresultStatus(r)) {
		case PGRES_COPY_IN:
			if (fed < flying_end())
				put_copy(fed++);
			else
				PQputCopyEnd(db, "nothing is left to copy");
			fed = next_fed(fed);
			break;
		case PGRES_TUPLES_OK:
			keep_refusals(r, merged++);
			break;
		case PGRES_COMMAND_OK:
			break;
		default:
			PQclear(failed);
			failed = r;
			continue;
		}
		PQclear(r);
	}
	return failed;
}

/* Begin the transaction of the flying batch. */
static PGresult *
launch(void)
{
	forget_refusals();
	merged = flying->groups;
	fed = next_fed(merged);
	if (!send(flying))
		return PQmakeEmptyPGresult(db, PGRES_FATAL_ERROR);
	return proceed(false);
}

static void
report_refusals(struct load *load)
{
	for (size_t i = 0; i < n_refusals; i++) {
		const struct group *g = refusals[i].group;

		nd_bad_at(load->in, g->lines[refusals[i].n], "%s: %s",
		    g->table->name, refusals[i].why);
		g->table->records--;
		g->table->refused++;
	}
	forget_refusals();
}

/* Have the flying batch there, whatever it takes; failed is what became of the
 * first attempt so far. */
static void
land(struct load *load, PGresult *failed)
{
	int tries = 0;

	if (flying == NULL)
		return;
	if (failed == NULL)
		failed = proceed(true);
	while (failed != NULL) {
		PQclear(proceed(true)); /* what may be left of it */
		if (!postgres_again(db, failed, &tries))
			postgres_fail(db, failed, "write to");
		PQclear(failed);
		if ((failed = launch()) == NULL)
			failed = proceed(true);
	}
	report_refusals(load);
	batch_clear(flying);
	flying = NULL;
}

static void
flush(struct load *load)
{
	PGresult *failed;

	if (filling->records == 0)
		return;
	land(load, NULL);
	flying = filling;
	filling = flying == &batches[0] ? &batches[1] : &batches[0];
	if ((failed = launch()) != NULL)
		land(load, failed);
}

static bool
store(struct load *load, struct table *t, enum op op)
{
	unsigned long line = nd_lineno(load->in);
	struct group *g = batch_add(filling, t, op, line);

	if (g == NULL) {
		flush(load);
		g = batch_add(filling, t, op, line);
	}
	put_record(g);
	if (filling->bytes >= BATCH_BYTES || filling->records >= BATCH_RECORDS)
		flush(load);
	return true;
}

static void
commit(struct load *load)
{
	flush(load);
	land(load, NULL);
}

static void
close_server(struct load *load)
{
	(void)load;
	PQfinish(db);
	free(refusals);
	batch_free(&batches[0]);
	batch_free(&batches[1]);
}

const struct loader load_postgres = {open_server, store, commit, close_server};
