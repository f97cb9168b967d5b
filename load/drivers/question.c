#include <string.h>

#include <json-c/json.h>

#include "load/drivers/query.h"

static void
set(struct json_object *o, const char *name, const char *text, size_t len)
{
	struct json_object *value = NULL; /* null */

	if (text != NULL)
		value = query_must(json_object_new_string_len(text, (int)len));
	json_object_object_add(o, name, value);
}

static char *
text_of(struct json_object *o)
{
	char *text = query_must(strdup(json_object_to_json_string(o)));

	json_object_put(o);
	return text;
}

char *
query_conditions(const struct query *q)
{
	struct json_object *all = query_must(json_object_new_array());

	for (size_t i = 0; i < q->n_conditions; i++) {
		const struct condition *c = &q->conditions[i];
		struct json_object *one = query_must(json_object_new_object());

		set(one, "column", c->column, c->len);
		set(one, "sign", c->sign, strlen(c->sign));
		set(one, "value", c->value,
		    c->value == NULL ? 0 : strlen(c->value));
		json_object_array_add(all, one);
	}
	return text_of(all);
}

char *
query_order(const struct query *q)
{
	struct json_object *all;

	if (q->order == NULL)
		return NULL;
	all = query_must(json_object_new_array());
	for (const char *p = q->order; *p != '\0';) {
		size_t len = strcspn(p, ",");

		json_object_array_add(
		    all, query_must(json_object_new_string_len(p, (int)len)));
		p += len + (p[len] == ',');
	}
	return text_of(all);
}
