#include <stdlib.h>
#include <string.h>

#include "lib/ndjson.h"
#include "load/drivers/copytext.h"

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

void
copytext_put(struct batch *b, struct group *g)
{
	char *begin = batch_room(g, room_for(g));
	char *to = put_int(begin, (long long)g->records - 1);

	for (int i = 0; i < g->n; i++) {
		*to++ = '\t';
		to = put_value(to, &g->table->columns[g->columns[i]]);
	}
	*to++ = '\n';
	g->len += (size_t)(to - begin);
	b->bytes += (size_t)(to - begin);
}

char *
copytext_get(const char **at)
{
	const char *p = *at, *end = p + strcspn(p, "\t\n");
	char *text, *to;

	*at = end;
	if (end - p == 2 && memcmp(p, "\\N", 2) == 0)
		return NULL;
	to = text = load_must(malloc((size_t)(end - p) + 1));
	for (; p < end; p++) {
		if (*p == '\\' && *++p != '\\')
			*to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : '\r';
		else
			*to++ = *p;
	}
	*to = '\0';
	return text;
}
