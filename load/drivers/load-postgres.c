/*
 * PostgreSQL: batches, each a transaction: COPY into a temporary table for each
 * group of records, and from there one statement, which the server makes; see
 * db_merge in load/schema/postgres/functions.sql.  A group of a few records is
 * in that statement itself, as to make a table takes longer.
 *
 * What is likely to be new, since all that came before it was, is copied
 * straight into its table, at up to twice the speed.  If anything is
 * wrong with that the batch is sent again by the longer way, which knows what
 * to do.
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
#include "load/drivers/copytext.h"
#include "load/drivers/postgres.h"

#define BATCH_BYTES (2UL << 20)
#define BATCH_RECORDS 100000
#define PIECE (64UL << 10) /* libpq keeps what is given to it at once */
#define FEW 16 /* records of a group that needs no table */
#define FEW_BYTES (64UL << 10)
#define MANY 1000 /* records of a group that may go straight into its table */

static PGconn *db;
static bool dry_run;
static struct batch batches[2];
static struct batch *filling = &batches[0], *flying; /* NULL: none is */
/* Of the flying batch: the next to go by COPY, and to be answered for. */
static struct group *fed, *merged;

/* Of a table: how many large groups in a row were all of new rows, and how many
 * are wanted before one is tried straight. */
struct trust {
	unsigned good, wanted;
};

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
		if (strcmp(PQgetvalue(r, i, 0), table) != 0) {
			struct trust *trust = load_must(malloc(sizeof(*trust)));

			*trust = (struct trust){0, 1};
			table = PQgetvalue(r, i, 0);
			load_table(load, table)->more = trust;
		}
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

/* A literal of a value of a record; give where that ends. */
static const char *
add_literal(struct sql *q, const char *p)
{
	char *text = copytext_get(&p);

	if (text == NULL)
		add(q, "NULL");
	else
		add_quoted(q, PQescapeLiteral, text);
	free(text);
	return p;
}

/* Whether a large group could go straight into its table. */
static bool
is_large(const struct group *g)
{
	return g->records >= MANY && g->op == UPSERT && !g->again &&
	    g->table->times == -1; /* a new row has times of its own */
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
add_straight(struct sql *q, const struct group *g)
{
	add(q, "COPY ");
	add_quoted(q, PQescapeIdentifier, g->table->name);
	add(q, " (");
	add_columns(q, g, PQescapeIdentifier);
	add(q, ") FROM STDIN; ");
}

static void
add_group(struct sql *q, const struct group *g, size_t number)
{
	struct sql source = {NULL, 0, 0};
	char stage[40];

	if (g->straight) {
		add_straight(q, g);
		return;
	}
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

/* What db_merge says of a group: those that it refused; or, without a number,
 * that all were new. */
static void
keep_answer(const PGresult *r, const struct group *g)
{
	struct trust *trust = g->table->more;
	bool new = PQntuples(r) == 1 && PQgetisnull(r, 0, 0);

	if (is_large(g))
		trust->good = new ? trust->good + 1 : 0;
	for (int i = 0; !new &&i < PQntuples(r); i++) {
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

/* The first group from g on that db_merge answers for. */
static struct group *
next_merged(struct group *g)
{
	while (g < flying_end() && g->straight)
		g++;
	return g;
}

static void
put_pieces(const char *p, size_t len)
{
	for (size_t at = 0; at < len; at += PIECE)
		if (PQputCopyData(db, p + at,
			(int)(len - at < PIECE ? len - at : PIECE)) != 1)
			break;
}

/* The records without the numbers that they begin with. */
static void
put_bare(const struct group *g)
{
	static char piece[PIECE];
	size_t len = 0, more;

	for (const char *p = g->buf, *end = p + g->len; p < end; p += more) {
		p = strchr(p, '\t') + 1;
		more =
		    (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) -
			p) +
		    1;
		if (more > sizeof(piece) - len) {
			put_pieces(piece, len);
			len = 0;
		}
		if (more > sizeof(piece)) {
			put_pieces(p, more);
		} else {
			memcpy(piece + len, p, more);
			len += more;
		}
	}
	put_pieces(piece, len);
}

/* What the connection says of it comes with the next result. */
static void
put_copy(const struct group *g)
{
	if (g->straight)
		put_bare(g);
	else
		put_pieces(g->buf, g->len);
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
			keep_answer(r, merged);
			merged = next_merged(merged + 1);
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

/* Begin the transaction of the flying batch; staged: nothing of it goes
 * straight into a table. */
static PGresult *
launch(bool staged)
{
	forget_refusals();
	for (struct group *g = flying->groups; g < flying_end(); g++) {
		const struct trust *trust = g->table->more;

		g->straight =
		    !staged && is_large(g) && trust->good >= trust->wanted;
	}
	merged = next_merged(flying->groups);
	fed = next_fed(flying->groups);
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

/* Whether some of the flying batch went straight; trust that less. */
static bool
went_straight(void)
{
	bool any = false;

	for (const struct group *g = flying->groups; g < flying_end(); g++) {
		struct trust *trust = g->table->more;

		if (!g->straight)
			continue;
		any = true;
		trust->good = 0;
		if (trust->wanted < 1U << 20)
			trust->wanted *= 2;
	}
	return any;
}

/* Have the flying batch there, whatever it takes; failed is what became of the
 * first attempt so far. */
static void
land(struct load *load, PGresult *failed)
{
	int tries = 0;
	bool staged = false;

	if (flying == NULL)
		return;
	if (failed == NULL)
		failed = proceed(true);
	while (failed != NULL) {
		PQclear(proceed(true)); /* what may be left of it */
		if (went_straight()) {
			PQclear(PQexec(db, "ROLLBACK"));
			staged = true;
		} else if (!postgres_again(db, failed, &tries)) {
			postgres_fail(db, failed, "write to");
		}
		PQclear(failed);
		if ((failed = launch(staged)) == NULL)
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
	if ((failed = launch(false)) != NULL)
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
	copytext_put(filling, g);
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
	for (size_t i = 0; i < load->n_tables; i++)
		free(load->tables[i].more);
	postgres_close();
	free(refusals);
	batch_free(&batches[0]);
	batch_free(&batches[1]);
}

const struct loader load_postgres = {open_server, store, commit, close_server};
