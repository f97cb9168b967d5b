/*
 * json.h - strict JSON (RFC 8259, UTF-8), looked at where it stands.
 *
 * A scan validates every byte of a text once, builds no tree and copies
 * nothing: what it finds are slices of the text, which last as long as the
 * text does.  A number's slice is its digits as they came.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_DEPTH_MAX 64 /* levels of nesting; the outermost is level 1 */
#define JSON_MEMBERS_MAX 65536 /* of an object whose members are all listed */

/* A part of a text; s is NULL where there is none. */
struct json_slice {
	const char *s;
	size_t len;
};

/* Where a text stops being JSON: the first byte is column 1. */
struct json_error {
	size_t column;
	const char *why; /* static */
};

/*
 * A member that the caller wants: JSON_FIELD("name"), or with JSON_SUB("name",
 * fields) members of the object that it is.  A list of these ends with
 * JSON_END.
 */
struct json_field {
	const char *name;
	size_t len;
	struct json_field *sub;
	struct json_slice val;
};

#define JSON_FIELD(name) \
	{ \
		name, sizeof(name) - 1, NULL, \
		{ \
			NULL, 0 \
		} \
	}
#define JSON_SUB(name, fields) \
	{ \
		name, sizeof(name) - 1, fields, \
		{ \
			NULL, 0 \
		} \
	}
#define JSON_END \
	{ \
		NULL, 0, NULL, \
		{ \
			NULL, 0 \
		} \
	}

struct json_member {
	struct json_slice key; /* between its quotes, escapes as they came */
	struct json_slice val;
};

/* All members of an object; the list is reused, and the caller frees v. */
struct json_members {
	struct json_member *v;
	size_t n, cap;
};

enum json_kind {
	JSON_ABSENT,
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/*
 * Validate text as one object, white space around it allowed, and set the val
 * of each field: absent, or its slice.  A wanted field that occurs twice makes
 * the text bad, since its readers would not agree on what it says.  Return
 * false and fill e if the text is not such an object.
 */
bool json_scan(
    struct json_slice text, struct json_field *fields, struct json_error *e);

/* The same for every member, in order, of at most JSON_MEMBERS_MAX; exit with
 * 75 if out of memory. */
bool json_scan_members(
    struct json_slice text, struct json_members *m, struct json_error *e);

/* Validate text as one value of any kind. */
bool json_valid(struct json_slice text, struct json_error *e);

/*
 * Walk over the elements of an array, or the members of an object, in a text
 * that was validated.  Nothing but these two is walked over: the first
 * json_next is then false.
 */
struct json_iter {
	const char *p, *end; /* where the walk stands; private */
	struct json_slice key; /* as in json_member; of an object only */
	struct json_slice val;
};

struct json_iter json_walk(struct json_slice container);
bool json_next(struct json_iter *);

enum json_kind json_kind(struct json_slice val);

/* Whether val is a string that says text, or a key that does. */
bool json_is(struct json_slice val, const char *text);
bool json_key_is(struct json_slice key, const char *text);

/* Whether val is an integer, written as one in at most 18 digits, from min to
 * max: then set n. */
bool json_int(
    struct json_slice val, long long min, long long max, long long *n);

/*
 * The text that a string says: at most val.len bytes are written to buf, their
 * number is returned, and no NUL is put behind them.  They may hold NULs.  Not
 * a string: 0.  json_unescape does it for a slice without quotes.
 */
size_t json_text(struct json_slice val, char *buf);
size_t json_unescape(struct json_slice inner, char *buf);

/* The text that a string says, as printable ASCII for a message, and cut to fit
 * with its NUL.  Not a string, or of more than 4 KiB: empty.  Returns buf. */
char *json_words(struct json_slice val, char *buf, size_t size);

#endif
