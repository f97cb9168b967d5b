/*
 * badge-diff - who gained or lost #1 in a category, between two observations
 *
 * Reads observations (asin_history) and the points between them (rank_history)
 * in order, and compares each with what was known before: from the file of
 * asin_current_state records, and from the stream itself.  All is passed on as
 * it came; a bestseller_changes for each time that a rank became or stopped
 * being 1, and the new asin_current_state, follow their asin_history.
 *
 * What it does not conclude: the first observation with ranks is where the
 * counting begins, and changes nothing.  An observation without ranks, and a
 * category that an observation does not name, say nothing: what was known
 * stays. An observation that is not newer than what is known changes nothing
 * either.
 *
 * Nothing here knows where ranks come from.
 */
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/ndjson.h"
#include "lib/when.h"

#define RANK_MAX 2000000000LL
#define NAMES_MAX 1000 /* of categories, kept for the next observation */
#define UNRANKED 0 /* a rank of null: none, or none any more */
#define NEVER INT64_MIN

/* Texts by number, from 0 on, each once. */
struct names {
	char *text; /* one behind the other, each with its NUL */
	size_t len, size;
	uint32_t *begin; /* of each, in text */
	uint32_t n, cap;
	uint32_t *slot; /* a number + 1, found by the text's hash */
	uint32_t slots;
};

struct rank {
	int64_t since; /* of a point: when the rank became this */
	uint32_t category; /* a number in categories */
	int32_t rank;
};

/* What is known of an ASIN in a marketplace. */
struct state {
	struct rank *ranks; /* by category, as ids are ordered */
	struct rank *points; /* new ones, since the last observation */
	uint32_t n_ranks, n_points;
	int64_t checked; /* NEVER before the first observation */
	int64_t upto; /* what the source knew then, it knew up to here */
	bool counting; /* there was an observation with ranks */
};

struct change {
	struct rank before, after;
};

struct name {
	uint32_t category;
	char *json;
};

enum {
	TYPE,
	MARKETPLACE,
	ASIN,
	CHECKED,
	LAST_UPDATED,
	STATUS,
	SALES_RANKS,
	SOURCE_UPDATED,
	CATEGORY_ID,
	CHANGED_AT,
	RANK,
	NAME,
	TITLE, /* from here on: copied into the state as it is */
	BRAND,
	PARENT,
	IMAGE,
	PRICE,
	CURRENCY,
	SOLD,
	RATING,
	REVIEWS,
	FIELDS
};

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("marketplace"), JSON_FIELD("asin"),
    JSON_FIELD("check_timestamp"), JSON_FIELD("last_updated"),
    JSON_FIELD("status"), JSON_FIELD("sales_ranks"),
    JSON_FIELD("source_updated_at"), JSON_FIELD("category_id"),
    JSON_FIELD("changed_at"), JSON_FIELD("rank"), JSON_FIELD("name"),
    JSON_FIELD("product_title"), JSON_FIELD("brand"), JSON_FIELD("parent_asin"),
    JSON_FIELD("image_url"), JSON_FIELD("price_cents"), JSON_FIELD("currency"),
    JSON_FIELD("monthly_sold"), JSON_FIELD("rating"),
    JSON_FIELD("review_count"), JSON_END};

static struct names products, categories;
static struct state *states; /* by the numbers in products */
static size_t states_cap;
static struct name *seen; /* category names since the last observation */
static size_t n_seen, seen_cap;
static struct change *changes; /* of the observation at hand */
static size_t n_changes, changes_cap;

static const char usage[] =
    "usage: badge-diff [-p FILE] <asin_history and rank_history records\n"
    "\n"
    "Passes all records on, and adds after each asin_history a\n"
    "bestseller_changes for each #1 gained or lost since the observation\n"
    "before it, then the new asin_current_state.\n"
    "\n"
    "  -p, --previous FILE   asin_current_state records: what was known "
    "before\n"
    "                        (without: each ASIN's first sight changes "
    "nothing)\n"
    "      --help, --version\n"
    "\n"
    "example: db-query asin_current_state >state.ndjson &&\n"
    "         keepa-flatten <raw.ndjson | badge-diff -p state.ndjson | "
    "db-load\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, "cannot hold what is known");
	return p;
}

static void *
grown(void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap == 0 ? 16 : 2 * *cap;
	return must(realloc(list, *cap * size));
}

/* FNV-1a. */
static uint32_t
hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static const char *
text_of(const struct names *t, uint32_t i)
{
	return t->text + t->begin[i];
}

/* The place of a text, or of the hole where it would go. */
static uint32_t *
place(struct names *t, const char *text)
{
	uint32_t i = hash(text) & (t->slots - 1);

	while (t->slot[i] != 0 && strcmp(text_of(t, t->slot[i] - 1), text) != 0)
		i = (i + 1) & (t->slots - 1);
	return &t->slot[i];
}

static void
grow_names(struct names *t)
{
	t->slots = t->slots == 0 ? 256 : 2 * t->slots;
	t->cap = t->slots / 2;
	free(t->slot);
	t->slot = must(calloc(t->slots, sizeof(*t->slot)));
	t->begin = must(realloc(t->begin, t->cap * sizeof(*t->begin)));
	for (uint32_t i = 0; i < t->n; i++)
		*place(t, text_of(t, i)) = i + 1;
}

static void
add_text(struct names *t, const char *text)
{
	size_t len = strlen(text) + 1;

	if (t->len + len > UINT32_MAX)
		errx(EX_TEMPFAIL, "cannot hold what is known");
	if (t->len + len > t->size) {
		t->size = 2 * (t->len + len);
		t->text = must(realloc(t->text, t->size));
	}
	memcpy(t->text + t->len, text, len);
	t->begin[t->n++] = (uint32_t)t->len;
	t->len += len;
}

/* The number of a text, a new one if need be. */
static uint32_t
number(struct names *t, const char *text)
{
	uint32_t *slot;

	if (t->n == t->cap)
		grow_names(t);
	slot = place(t, text);
	if (*slot == 0) {
		add_text(t, text);
		*slot = t->n;
	}
	return *slot - 1;
}

static void
free_names(struct names *t)
{
	free(t->text);
	free(t->begin);
	free(t->slot);
}

/* The state of the record's ASIN; NULL if the record does not name one. */
static struct state *
state(void)
{
	struct json_slice m = record[MARKETPLACE].val, a = record[ASIN].val;
	uint32_t known = products.n, i;
	char key[128];

	if (json_kind(m) != JSON_STRING || json_kind(a) != JSON_STRING ||
	    m.len + a.len >= sizeof(key))
		return NULL;
	memcpy(key, m.s, m.len);
	memcpy(key + m.len, a.s, a.len);
	key[m.len + a.len] = '\0';

	i = number(&products, key);
	if (i == known) {
		states = grown(states, i, &states_cap, sizeof(*states));
		memset(&states[i], 0, sizeof(*states));
		states[i].checked = states[i].upto = NEVER;
	}
	return &states[i];
}

/* A category's number, by the id between its quotes; false if that is none. */
static bool
category(struct json_slice id, uint32_t *n)
{
	char text[64];

	if (id.len == 0 || id.len >= sizeof(text))
		return false;
	memcpy(text, id.s, id.len);
	text[id.len] = '\0';
	*n = number(&categories, text);
	return true;
}

static bool
read_rank(struct json_slice val, int32_t *rank)
{
	long long n = UNRANKED;

	if (json_kind(val) != JSON_NULL && !json_int(val, 1, RANK_MAX, &n))
		return false;
	*rank = (int32_t)n;
	return true;
}

/* As numbers, where ids are numbers without leading zeros. */
static int
order(uint32_t a, uint32_t b)
{
	const char *x = text_of(&categories, a), *y = text_of(&categories, b);
	size_t m = strlen(x), n = strlen(y);

	return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

static struct rank *
known_rank(const struct state *s, uint32_t cat)
{
	for (uint32_t i = 0; i < s->n_ranks; i++)
		if (s->ranks[i].category == cat)
			return &s->ranks[i];
	return NULL;
}

static void
add_rank(struct state *s, struct rank new)
{
	uint32_t i = s->n_ranks++;

	s->ranks = must(realloc(s->ranks, s->n_ranks * sizeof(*s->ranks)));
	for (; i > 0 && order(s->ranks[i - 1].category, new.category) > 0; i--)
		s->ranks[i] = s->ranks[i - 1];
	s->ranks[i] = new;
}

/* One member of sales_ranks: {"rank":1,"since":"..."}; at is for what does not
 * say since when. */
static bool
read_member(const struct json_iter *it, int64_t at, struct rank *r)
{
	struct json_field f[] = {
	    JSON_FIELD("rank"), JSON_FIELD("since"), JSON_END};
	struct json_error e;

	r->since = at;
	return json_scan(it->val, f, &e) && category(it->key, &r->category) &&
	    read_rank(f[0].val, &r->rank) &&
	    (json_kind(f[1].val) <= JSON_NULL ||
		when_read(f[1].val, &r->since));
}

static void
bad_member(struct nd_in *in, const struct json_iter *it)
{
	nd_bad(in, "sales_ranks \"%.*s\" is no rank, and is left out",
	    it->key.len > 40 ? 40 : (int)it->key.len, it->key.s);
}

/* What was known before, from a record of the file: the newest, where there are
 * several, and of ranks the newest that says something about them. */
static void
remember(struct nd_in *in)
{
	struct json_iter it = json_walk(record[SALES_RANKS].val);
	struct state *s = state();
	int64_t checked;
	struct rank r;

	if (s == NULL || !when_read(record[LAST_UPDATED].val, &checked)) {
		nd_bad(in,
		    "an asin_current_state needs marketplace, asin and "
		    "last_updated");
		return;
	}
	if (checked < s->checked)
		return;
	s->checked = checked;
	if (record[SALES_RANKS].val.s == NULL)
		return;
	if (!when_read(record[SOURCE_UPDATED].val, &s->upto))
		s->upto = checked;
	s->counting = json_kind(record[SALES_RANKS].val) == JSON_OBJECT;
	s->n_ranks = 0;
	while (json_next(&it)) {
		if (read_member(&it, s->upto, &r))
			add_rank(s, r);
		else
			bad_member(in, &it);
	}
}

/* Keep a point for the next observation, if it tells anything new. */
static void
keep_point(struct nd_in *in)
{
	struct json_slice id = record[CATEGORY_ID].val;
	struct state *s = state();
	struct rank r, *old;

	if (s == NULL || json_kind(id) != JSON_STRING ||
	    !when_read(record[CHANGED_AT].val, &r.since) ||
	    !read_rank(record[RANK].val, &r.rank)) {
		nd_bad(in,
		    "a rank_history needs marketplace, asin, "
		    "category_id, changed_at and rank");
		return;
	}
	id.s++;
	id.len -= 2;
	if (!s->counting || !category(id, &r.category) ||
	    ((old = known_rank(s, r.category)) != NULL && r.since < old->since))
		return;
	if ((s->n_points & (s->n_points - 1)) == 0)
		s->points = must(realloc(s->points,
		    (s->n_points == 0 ? 1 : 2 * (size_t)s->n_points) *
			sizeof(*s->points)));
	s->points[s->n_points++] = r;
}

static void
forget_points(struct state *s)
{
	free(s->points);
	s->points = NULL;
	s->n_points = 0;
}

static void
forget_names(void)
{
	while (n_seen > 0)
		free(seen[--n_seen].json);
}

static void
keep_name(void)
{
	struct json_slice id = record[CATEGORY_ID].val, name = record[NAME].val;
	uint32_t cat;

	if (json_kind(id) != JSON_STRING || json_kind(name) != JSON_STRING)
		return;
	id.s++;
	id.len -= 2;
	if (!category(id, &cat))
		return;
	if (n_seen == NAMES_MAX)
		forget_names();
	seen = grown(seen, n_seen, &seen_cap, sizeof(*seen));
	seen[n_seen].category = cat;
	seen[n_seen].json = must(malloc(name.len + 1));
	memcpy(seen[n_seen].json, name.s, name.len);
	seen[n_seen++].json[name.len] = '\0';
}

static int
by_time(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return order(x->category, y->category);
}

static int
by_change(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return by_time(&x->after, &y->after);
}

static void
add_change(struct rank before, struct rank after)
{
	changes = grown(changes, n_changes, &changes_cap, sizeof(*changes));
	changes[n_changes].before = before;
	changes[n_changes++].after = after;
}

/*
 * Follow a category from what was known through the points to now, the rank it
 * has; each time it becomes or stops being 1 is a change.  Of a category that
 * was not known, only what happened after the last look counts.  A rank that
 * came without its time is as old as the one before, if it is the same.
 */
static struct rank
follow(const struct state *s, struct rank now, bool timed)
{
	const struct rank *old = known_rank(s, now.category);
	struct rank at = {NEVER, now.category, UNRANKED}, next;
	int64_t quiet_until = old == NULL ? s->upto : NEVER;

	if (old != NULL)
		at = *old;
	for (uint32_t i = 0; i <= s->n_points; i++) {
		next = i < s->n_points ? s->points[i] : now;
		if (next.category != now.category || next.since < at.since)
			continue;
		if (next.rank == at.rank && at.since != NEVER &&
		    (next.since == at.since || (i == s->n_points && !timed)))
			continue;
		if ((at.rank == 1) != (next.rank == 1) &&
		    next.since > quiet_until)
			add_change(at, next);
		at = next;
	}
	return at;
}

/* Take the ranks of the observation into the state, noting what changed. */
static void
take_ranks(struct nd_in *in, struct state *s, int64_t checked)
{
	struct json_iter it = json_walk(record[SALES_RANKS].val);
	struct rank now, *old;

	if (s->n_points > 1)
		qsort(s->points, s->n_points, sizeof(*s->points), by_time);
	while (json_next(&it)) {
		if (!read_member(&it, checked, &now)) {
			bad_member(in, &it);
			continue;
		}
		old = known_rank(s, now.category);
		if (s->counting)
			now = follow(s, now, now.since != checked);
		if (old != NULL)
			*old = now;
		else
			add_rank(s, now);
	}
	s->counting = true;
	if (n_changes > 1)
		qsort(changes, n_changes, sizeof(*changes), by_change);
}

static void
put_rank(int32_t rank)
{
	if (rank == UNRANKED)
		nd_puts("null");
	else
		nd_put_int(rank);
}

static void
put_inner(struct json_slice string)
{
	string.s++;
	string.len -= 2;
	nd_put(string);
}

static void
put_change(const struct change *c)
{
	const char *id = text_of(&categories, c->after.category);
	char at[WHEN_SIZE];

	when_text(c->after.since, at);
	nd_puts("{\"type\":\"bestseller_changes\",\"change_id\":\"");
	put_inner(record[MARKETPLACE].val);
	nd_puts(":");
	put_inner(record[ASIN].val);
	nd_puts(":");
	nd_puts(id);
	nd_puts(":");
	nd_puts(at);
	nd_puts("\"");
	nd_field("marketplace", record[MARKETPLACE].val);
	nd_field("asin", record[ASIN].val);
	nd_field_str("change_type", c->after.rank == 1 ? "gained" : "lost");
	nd_puts(",\"category_id\":\"");
	nd_puts(id);
	nd_puts("\"");
	for (size_t i = n_seen; i-- > 0;) {
		if (seen[i].category != c->after.category)
			continue;
		nd_puts(",\"category\":");
		nd_puts(seen[i].json);
		break;
	}
	nd_puts(",\"previous_rank\":");
	put_rank(c->before.rank);
	nd_puts(",\"new_rank\":");
	put_rank(c->after.rank);
	nd_field_str("changed_at", at);
	nd_field("detected_at", record[CHECKED].val);
	nd_puts("}\n");
}

static void
put_ranks(const struct state *s)
{
	char at[WHEN_SIZE];
	bool first = true;

	nd_puts(",\"sales_ranks\":{");
	for (uint32_t i = 0; i < s->n_ranks; i++) {
		nd_puts(i == 0 ? "\"" : ",\"");
		nd_puts(text_of(&categories, s->ranks[i].category));
		nd_puts("\":{\"rank\":");
		put_rank(s->ranks[i].rank);
		nd_puts(",\"since\":\"");
		nd_puts(when_text(s->ranks[i].since, at));
		nd_puts("\"}");
	}
	nd_puts("},\"bestseller_badges\":[");
	for (uint32_t i = 0; i < s->n_ranks; i++) {
		if (s->ranks[i].rank != 1)
			continue;
		nd_puts(first ? "\"" : ",\"");
		nd_puts(text_of(&categories, s->ranks[i].category));
		nd_puts("\"");
		first = false;
	}
	nd_puts("]");
}

/* Without ranks, what was known of them is left alone, and so is all else that
 * this observation has no word for. */
static void
put_state(const struct state *s, bool ranks)
{
	char upto[WHEN_SIZE];

	nd_puts("{\"type\":\"asin_current_state\"");
	nd_field("marketplace", record[MARKETPLACE].val);
	nd_field("asin", record[ASIN].val);
	if (ranks || json_kind(record[STATUS].val) != JSON_STRING ||
	    json_is(record[STATUS].val, "ok"))
		nd_field_str("status", ranks ? "ok" : "unknown");
	else
		nd_field("status", record[STATUS].val);
	nd_field("last_updated", record[CHECKED].val);
	for (int i = TITLE; i < FIELDS; i++)
		if (ranks ? record[i].val.s != NULL
			  : json_kind(record[i].val) > JSON_NULL)
			nd_field(record[i].name, record[i].val);
	if (ranks) {
		nd_field_str("source_updated_at", when_text(s->upto, upto));
		put_ranks(s);
	}
	nd_puts("}\n");
}

static void
observe(struct nd_in *in)
{
	bool ranks = json_kind(record[SALES_RANKS].val) == JSON_OBJECT &&
	    (json_kind(record[STATUS].val) <= JSON_NULL ||
		json_is(record[STATUS].val, "ok"));
	struct state *s = state();
	int64_t checked;
	bool old;

	if (s == NULL || !when_read(record[CHECKED].val, &checked)) {
		nd_bad(in,
		    "an asin_history needs marketplace, asin and "
		    "check_timestamp");
		return;
	}
	n_changes = 0;
	old = checked <= s->checked;
	if (!old) {
		if (ranks) {
			take_ranks(in, s, checked);
			if (!when_read(record[SOURCE_UPDATED].val, &s->upto))
				s->upto = checked;
		}
		s->checked = checked;
		for (size_t i = 0; i < n_changes; i++)
			put_change(&changes[i]);
		put_state(s, ranks);
	}
	if (ranks || old) /* else the next one with ranks still needs them */
		forget_points(s);
	forget_names();
}

static void
read_previous(const char *path)
{
	struct nd_in *in = nd_open(path);

	while (nd_read(in, record))
		if (json_is(record[TYPE].val, "asin_current_state"))
			remember(in);
	nd_close(in);
}

static void
forget_all(void)
{
	for (uint32_t i = 0; i < products.n; i++) {
		free(states[i].ranks);
		free(states[i].points);
	}
	free(states);
	free_names(&products);
	free_names(&categories);
	forget_names();
	free(seen);
	free(changes);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"previous", required_argument, NULL, 'p'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *previous = NULL;
	struct nd_in *in;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "p:", options, NULL)) != -1) {
		if (c != 'p')
			nd_option(c, argv, usage);
		previous = optarg;
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (previous != NULL)
		read_previous(previous);

	in = nd_open(NULL);
	while (nd_read(in, record)) {
		nd_put_line(nd_line(in));
		if (json_is(record[TYPE].val, "asin_history"))
			observe(in);
		else if (json_is(record[TYPE].val, "rank_history"))
			keep_point(in);
		else if (json_is(record[TYPE].val, "categories"))
			keep_name();
	}
	nd_close(in);
	forget_all();
	return nd_finish();
}
