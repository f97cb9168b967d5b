#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/drivers/batch.h"

#define SEEN_MIN 4096 /* a power of 2, as all */
#define GROUPS_MAX 100
#define GROUPS_KEPT 8 /* with their memory */

static uint64_t
mix(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len-- > 0)
		hash = (hash ^ *p++) * 0x100000001b3;
	return (hash ^ 0xff) * 0x100000001b3;
}

/* Of the row that the record is of.  That two rows have the same does no harm:
 * they are stored one after the other. */
static uint64_t
hash_key(const struct table *t)
{
	uint64_t hash = mix(0xcbf29ce484222325, &t->name, sizeof(t->name));

	for (int i = 0; i < t->n_columns; i++) {
		const struct value *v = &t->columns[i].value;

		if (t->columns[i].key == 0)
			continue;
		if (v->kind == VALUE_TEXT)
			hash = mix(hash, v->text.s, v->text.len);
		else if (v->kind == VALUE_INTEGER)
			hash = mix(hash, &v->n, sizeof(v->n));
		else if (v->kind == VALUE_REAL)
			hash = mix(hash, &v->x, sizeof(v->x));
	}
	return hash == 0 ? 1 : hash; /* 0 is an empty place */
}

/* Where the hash is, or is to be. */
static size_t
place(const struct batch *b, uint64_t hash)
{
	size_t i = (size_t)(hash ^ hash >> 32) & (b->seen_cap - 1);

	while (b->seen[i] != 0 && b->seen[i] != hash)
		i = (i + 1) & (b->seen_cap - 1);
	return i;
}

static void
grow_seen(struct batch *b)
{
	struct batch old = *b;

	b->seen_cap = old.seen_cap == 0 ? SEEN_MIN : 2 * old.seen_cap;
	b->seen = load_must(calloc(b->seen_cap, sizeof(*b->seen)));
	b->seen_in = load_must(calloc(b->seen_cap, sizeof(*b->seen_in)));
	for (size_t i = 0; i < old.seen_cap; i++) {
		size_t to;

		if (old.seen[i] == 0)
			continue;
		to = place(b, old.seen[i]);
		b->seen[to] = old.seen[i];
		b->seen_in[to] = old.seen_in[i];
	}
	free(old.seen);
	free(old.seen_in);
}

static bool
fits(const struct group *g, const struct table *t, enum op op)
{
	return g->table == t && g->op == op && g->n == t->n_came &&
	    memcmp(g->columns, t->came, (size_t)g->n * sizeof(*g->columns)) ==
	    0;
}

static struct group *
new_group(struct batch *b, struct table *t, enum op op, bool again)
{
	struct group *g;

	if (b->n == b->cap) {
		b->groups = load_must(
		    realloc(b->groups, (b->cap + 1) * sizeof(*b->groups)));
		memset(&b->groups[b->cap++], 0, sizeof(*b->groups));
	}
	g = &b->groups[b->n++];
	g->table = t;
	g->op = op;
	g->again = again;
	g->straight = false;
	g->n = t->n_came;
	g->len = g->records = 0;
	g->columns = load_must(
	    realloc(g->columns, (size_t)t->n_columns * sizeof(*g->columns)));
	memcpy(g->columns, t->came, (size_t)g->n * sizeof(*g->columns));
	return g;
}

/* The index of such a group, from first on, which may be a new one. */
static size_t
find_group(
    struct batch *b, struct table *t, enum op op, bool again, size_t first)
{
	for (size_t i = b->n; i-- > first;)
		if (b->groups[i].again == again && fits(&b->groups[i], t, op))
			return i;
	if (b->n == GROUPS_MAX)
		return GROUPS_MAX;
	new_group(b, t, op, again);
	return b->n - 1;
}

struct group *
batch_add(struct batch *b, struct table *t, enum op op, unsigned long line)
{
	uint64_t hash = hash_key(t);
	struct group *g;
	size_t i, n, first;
	bool again;

	if (2 * (b->records + 1) > b->seen_cap)
		grow_seen(b);
	i = place(b, hash);
	/* What came before of this row is stored before it. */
	first = b->seen[i] == 0 ? 0 : b->seen_in[i];
	again = first > 0 && fits(&b->groups[first - 1], t, op);
	n = find_group(b, t, op, again, again ? first - 1 : first);
	if (n == GROUPS_MAX)
		return NULL;
	b->seen[i] = hash;
	b->seen_in[i] = (uint32_t)n + 1;
	g = &b->groups[n];
	if (g->records == g->lines_cap) {
		g->lines_cap = g->lines_cap == 0 ? 64 : 2 * g->lines_cap;
		g->lines = load_must(
		    realloc(g->lines, g->lines_cap * sizeof(*g->lines)));
	}
	g->lines[g->records++] = line;
	b->records++;
	return g;
}

char *
batch_room(struct group *g, size_t more)
{
	if (g->cap - g->len < more) {
		g->cap = (g->len + more) * 3 / 2;
		g->buf = load_must(realloc(g->buf, g->cap));
	}
	return g->buf + g->len;
}

void
batch_clear(struct batch *b)
{
	/* Or in time each of many would have room for a whole batch. */
	for (size_t i = GROUPS_KEPT; i < b->n; i++) {
		struct group *g = &b->groups[i];

		free(g->buf);
		free(g->lines);
		g->buf = NULL;
		g->lines = NULL;
		g->cap = g->lines_cap = 0;
	}
	b->n = b->bytes = b->records = 0;
	if (b->seen_cap > 0)
		memset(b->seen, 0, b->seen_cap * sizeof(*b->seen));
}

void
batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->cap; i++) {
		free(b->groups[i].columns);
		free(b->groups[i].buf);
		free(b->groups[i].lines);
	}
	free(b->groups);
	free(b->seen);
	free(b->seen_in);
}

size_t
batch_before_nul(struct json_slice text)
{
	const char *p = text.s, *end = text.s + text.len;

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (strncmp(p, "\\u0000", 6) == 0)
			return (size_t)(p - text.s);
		p += 2;
	}
	return text.len;
}

char *
batch_put_real(char *to, const struct column *c)
{
	if (c->val.len < NUMBER_MAX &&
	    memchr(c->val.s, 'e', c->val.len) == NULL &&
	    memchr(c->val.s, 'E', c->val.len) == NULL) {
		memcpy(to, c->val.s, c->val.len);
		return to + c->val.len;
	}
	return to + snprintf(to, NUMBER_MAX, "%.17g", c->value.x);
}

const char *
batch_op(enum op op)
{
	return op == UPSERT ? "upsert" : op == UPDATE ? "update" : "delete";
}
