/* What `badge-diff -p FILE` does, on json-c's trees. */
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *copied[] = {"product_title", "brand", "parent_asin",
    "image_url", "price_cents", "currency", "monthly_sold", "rating",
    "review_count", "source_updated_at", NULL};

static json_object *states; /* by marketplace:asin */
static json_object *held; /* the points of each, an array */
static json_object *names; /* of categories, since the last observation */

static json_object *
get(json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

static const char *
str(json_object *o, const char *key)
{
	const char *s = json_object_get_string(get(o, key));

	return s == NULL ? "" : s;
}

static void
set(json_object *o, const char *key, json_object *val)
{
	json_object_object_add(o, key, val);
}

static void
copy(json_object *to, const char *name, json_object *from, const char *key)
{
	set(to, name, json_object_get(get(from, key)));
}

static void
put(json_object *o)
{
	puts(json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static bool
first(json_object *rank)
{
	return json_object_get_int(rank) == 1; /* null is 0 */
}

static json_object *
change(json_object *new, json_object *point, json_object *previous)
{
	const char *category = str(point, "category_id");
	json_object *out = json_object_new_object(), *name;
	char id[256];

	snprintf(id, sizeof(id), "%s:%s:%s:%s", str(new, "marketplace"),
	    str(new, "asin"), category, str(point, "changed_at"));
	set(out, "type", json_object_new_string("bestseller_changes"));
	set(out, "change_id", json_object_new_string(id));
	copy(out, "marketplace", new, "marketplace");
	copy(out, "asin", new, "asin");
	set(out, "change_type",
	    json_object_new_string(
		first(get(point, "rank")) ? "gained" : "lost"));
	copy(out, "category_id", point, "category_id");
	if (json_object_object_get_ex(names, category, &name))
		set(out, "category", json_object_get(name));
	set(out, "previous_rank", json_object_get(previous));
	copy(out, "new_rank", point, "rank");
	copy(out, "changed_at", point, "changed_at");
	copy(out, "detected_at", new, "check_timestamp");
	return out;
}

/* Follow a category's rank through the points. */
static void
follow(json_object *changes, json_object *old, json_object *new,
    json_object *points, const char *category)
{
	json_object *before = get(get(old, "sales_ranks"), category);
	json_object *rank = get(before, "rank");
	const char *since = str(before, "since"), *after = "";

	if (before == NULL)
		after = str(old,
		    get(old, "source_updated_at") != NULL ? "source_updated_at"
							  : "last_updated");
	for (size_t i = 0; i < json_object_array_length(points); i++) {
		json_object *p = json_object_array_get_idx(points, i);
		const char *when = str(p, "changed_at");

		if (strcmp(str(p, "category_id"), category) != 0 ||
		    strcmp(when, since) <= 0)
			continue;
		if (first(rank) != first(get(p, "rank")) &&
		    strcmp(when, after) > 0)
			json_object_array_add(changes, change(new, p, rank));
		rank = get(p, "rank");
		since = when;
	}
}

static int
by_number(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return (atoll(x) > atoll(y)) - (atoll(x) < atoll(y));
}

static int
by_time(const void *a, const void *b)
{
	json_object *x = *(json_object *const *)a,
		    *y = *(json_object *const *)b;
	const char *p = str(x, "category_id"), *q = str(y, "category_id");
	int order = strcmp(str(x, "changed_at"), str(y, "changed_at"));

	return order != 0 ? order : by_number(&p, &q);
}

static void
put_changes(json_object *old, json_object *new, json_object *points)
{
	json_object *changes = json_object_new_array();

	json_object_object_foreach(get(new, "sales_ranks"), category, val)
	{
		(void)val;
		follow(changes, old, new, points, category);
	}
	json_object_array_sort(changes, by_time);
	for (size_t i = 0; i < json_object_array_length(changes); i++)
		put(json_object_array_get_idx(changes, i));
	json_object_put(changes);
}

/* The earlier ranks and the new ones, in order of their numbers. */
static void
merge(json_object *out, json_object *old, json_object *new)
{
	json_object *ranks = json_object_new_object();
	json_object *badges = json_object_new_array();
	json_object *from[2] = {
	    get(old, "sales_ranks"), get(new, "sales_ranks")};
	const char *ids[1024];
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		if (from[i] == NULL)
			continue;
		json_object_object_foreach(from[i], category, val)
		{
			(void)val;
			if (n < 1024 &&
			    (i == 0 || get(from[0], category) == NULL))
				ids[n++] = category;
		}
	}
	qsort(ids, n, sizeof(ids[0]), by_number);
	for (size_t i = 0; i < n; i++) {
		json_object *val = get(from[1], ids[i]);

		if (val == NULL)
			val = get(from[0], ids[i]);
		set(ranks, ids[i], json_object_get(val));
		if (first(get(val, "rank")))
			json_object_array_add(
			    badges, json_object_new_string(ids[i]));
	}
	set(out, "sales_ranks", ranks);
	set(out, "bestseller_badges", badges);
}

static void
observe(json_object *new, const char *key)
{
	json_object *old = get(states, key), *out, *val;

	if (old != NULL &&
	    strcmp(str(new, "check_timestamp"), str(old, "last_updated")) <= 0)
		return;
	if (old != NULL && get(held, key) != NULL)
		put_changes(old, new, get(held, key));
	out = json_object_new_object();
	set(out, "type", json_object_new_string("asin_current_state"));
	copy(out, "marketplace", new, "marketplace");
	copy(out, "asin", new, "asin");
	copy(out, "status", new, "status");
	copy(out, "last_updated", new, "check_timestamp");
	for (const char **name = copied; *name != NULL; name++)
		if (json_object_object_get_ex(new, *name, &val))
			set(out, *name, json_object_get(val));
	merge(out, old, new);
	put(out);
	set(states, key, out);
}

static void
take(json_object *r)
{
	const char *type = str(r, "type");
	char key[64];

	snprintf(
	    key, sizeof(key), "%s:%s", str(r, "marketplace"), str(r, "asin"));
	if (strcmp(type, "asin_current_state") == 0) {
		set(states, key, json_object_get(r));
	} else if (strcmp(type, "rank_history") == 0) {
		if (get(held, key) == NULL)
			set(held, key, json_object_new_array());
		json_object_array_add(get(held, key), json_object_get(r));
	} else if (strcmp(type, "categories") == 0) {
		copy(names, str(r, "category_id"), r, "name");
	} else if (strcmp(type, "asin_history") == 0) {
		if (strcmp(str(r, "status"), "ok") == 0)
			observe(r, key);
		json_object_object_del(held, key);
		json_object_put(names);
		names = json_object_new_object();
	}
}

static void
read_all(FILE *f, bool pass)
{
	json_tokener *tok = json_tokener_new();
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, f)) > 0) {
		json_object *r = json_tokener_parse_ex(tok, line, (int)len);

		if (r == NULL)
			exit(65);
		if (pass)
			fwrite(line, 1, (size_t)len, stdout);
		take(r);
		json_object_put(r);
	}
	json_tokener_free(tok);
	free(line);
}

int
main(int argc, char *argv[])
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (f == NULL)
		return 64;
	states = json_object_new_object();
	held = json_object_new_object();
	names = json_object_new_object();
	read_all(f, false);
	read_all(stdin, true);
	return fflush(stdout) == 0 ? 0 : 74;
}
