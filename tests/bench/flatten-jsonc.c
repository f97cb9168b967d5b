/* What `keepa-flatten --no-raw` does, on json-c's trees. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IMAGES "https://m.media-amazon.com/images/I/"

static json_object *
get(json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

static void
set(json_object *o, const char *key, json_object *val)
{
	json_object_object_add(o, key, val);
}

static json_object *
text(const char *s)
{
	return s == NULL ? NULL : json_object_new_string(s);
}

static json_object *
iso(int64_t minutes)
{
	time_t t = (time_t)((minutes + 21564000) * 60);
	char buf[32];

	strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
	return json_object_new_string(buf);
}

static int64_t
at(json_object *array, size_t i)
{
	return json_object_get_int64(json_object_array_get_idx(array, i));
}

static json_object *
rank(int64_t n)
{
	return n == -1 ? NULL : json_object_new_int64(n);
}

/* The nth number from the end of a list in csv, or -1. */
static int64_t
last(json_object *csv, size_t list, size_t n)
{
	json_object *a = json_object_array_get_idx(csv, list);
	size_t len = a == NULL ? 0 : json_object_array_length(a);

	return len < n ? -1 : at(a, len - n);
}

static json_object *
begin(json_object *r, const char *type)
{
	json_object *out = json_object_new_object();

	set(out, "type", text(type));
	set(out, "marketplace", json_object_get(get(r, "marketplace")));
	return out;
}

static void
put(json_object *out)
{
	puts(json_object_to_json_string_ext(
	    out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
}

static json_object *
price(json_object *csv)
{
	int64_t shipping = last(csv, 18, 1);

	if (last(csv, 18, 2) > 0)
		return json_object_new_int64(
		    last(csv, 18, 2) + (shipping > 0 ? shipping : 0));
	for (size_t i = 0; i < 2; i++)
		if (last(csv, i, 1) > 0)
			return json_object_new_int64(last(csv, i, 1));
	return NULL;
}

static json_object *
image(json_object *p)
{
	json_object *images = get(p, "images"), *first;
	char url[256];

	if (images == NULL || json_object_array_length(images) == 0)
		return NULL;
	first = json_object_array_get_idx(images, 0);
	snprintf(url, sizeof(url), IMAGES "%s",
	    json_object_get_string(
		get(first, "l") != NULL ? get(first, "l") : get(first, "m")));
	return text(url);
}

static void
put_points(json_object *r, const char *category, json_object *points)
{
	for (size_t i = 0; i < json_object_array_length(points); i += 2) {
		json_object *out = begin(r, "rank_history");

		set(out, "asin", json_object_get(get(r, "asin")));
		set(out, "category_id", text(category));
		set(out, "changed_at", iso(at(points, i)));
		set(out, "rank", rank(at(points, i + 1)));
		put(out);
	}
}

static void
put_names(json_object *r, json_object *tree)
{
	const char *parent = NULL;

	for (size_t i = 0; i < json_object_array_length(tree); i++) {
		json_object *node = json_object_array_get_idx(tree, i);
		json_object *out = begin(r, "categories");
		const char *id = json_object_get_string(get(node, "catId"));

		set(out, "category_id", text(id));
		set(out, "name", json_object_get(get(node, "name")));
		set(out, "parent_id", text(parent));
		put(out);
		parent = id;
	}
}

static void
flatten(json_object *r)
{
	json_object *p = get(r, "product"), *csv = get(p, "csv");
	json_object *ranks = json_object_new_object();
	json_object *badges = json_object_new_array();
	json_object *out = begin(r, "asin_history");
	int64_t n;

	json_object_object_foreach(get(p, "salesRanks"), category, points)
	{
		size_t len = json_object_array_length(points);
		json_object *now = json_object_new_object();

		put_points(r, category, points);
		set(now, "rank", rank(at(points, len - 1)));
		set(now, "since", iso(at(points, len - 2)));
		set(ranks, category, now);
		if (at(points, len - 1) == 1)
			json_object_array_add(badges, text(category));
	}
	put_names(r, get(p, "categoryTree"));
	set(out, "asin", json_object_get(get(r, "asin")));
	set(out, "check_timestamp", json_object_get(get(r, "fetched_at")));
	set(out, "status", text("ok"));
	set(out, "product_title", json_object_get(get(p, "title")));
	set(out, "brand", json_object_get(get(p, "brand")));
	set(out, "parent_asin", json_object_get(get(p, "parentAsin")));
	set(out, "image_url", image(p));
	set(out, "sales_ranks", ranks);
	set(out, "bestseller_badges", badges);
	set(out, "source_updated_at",
	    iso(json_object_get_int64(get(p, "lastUpdate"))));
	set(out, "price_cents", price(csv));
	set(out, "currency", text("USD"));
	set(out, "monthly_sold", json_object_get(get(p, "monthlySold")));
	n = last(csv, 16, 1);
	set(out, "rating",
	    n < 0 ? NULL : json_object_new_double((double)n / 10));
	set(out, "review_count", rank(last(csv, 17, 1)));
	put(out);
}

int
main(void)
{
	json_tokener *tok = json_tokener_new();
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		json_object *r = json_tokener_parse_ex(tok, line, (int)len);

		if (r == NULL)
			return 65;
		if (strcmp(json_object_get_string(get(r, "type")),
			"keepa_product") == 0)
			flatten(r);
		else
			fwrite(line, 1, (size_t)len, stdout);
		json_object_put(r);
	}
	json_tokener_free(tok);
	free(line);
	return fflush(stdout) == 0 ? 0 : 74;
}
