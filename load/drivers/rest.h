/*
 * rest.h - PostgREST, as a Supabase project has it: calls of the functions of
 * load/schema/postgres/functions.sql over https.
 *
 * Settings: SUPABASE_KEY, the secret key; and those of lib/http.h.
 */
#ifndef REST_H
#define REST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/json.h"

/* What a call came to; where it is none of these, rest_ask ends the program. */
enum rest_outcome {
	REST_OK,
	REST_SLOW, /* it took too long: less may go through */
	REST_LARGE, /* it is too much: the same */
	REST_VALUE, /* a value in it was refused: the rest may go through */
	REST_MISSING /* the server has no such table or function */
};

struct rest_call {
	const char *path; /* below the base URL, up to 200 bytes: rpc/db_load */
	const char *body; /* NULL: GET */
	size_t len;
	bool plain; /* the body is text, rather than JSON */
	bool once; /* do not repeat what the server may have done */
};

/*
 * Where the functions are, and who calls them.  A URL of Supabase's own without
 * a path gets /rest/v1; any other is PostgREST's as it stands.  Exit with 78 if
 * it or the key cannot be one.
 */
void rest_open(const char *url);
void rest_close(void);

/* Call; the answer is JSON and lasts until the next call.  No answer, and what
 * passes by itself, is tried again for a minute: then exit with 75.  What is no
 * JSON ends the program with 76. */
enum rest_outcome rest_ask(const struct rest_call *, struct json_slice *answer);

/* The server's own words on why the last call was not REST_OK; and end the
 * program because of it. */
const char *rest_words(void);
_Noreturn void rest_fail(void);

/* End the program with 76: an answer is not what the functions give. */
_Noreturn void rest_nonsense(void);

/* What to do where the server has not what the programs need; begins with ';'.
 */
extern const char rest_init_hint[];

/* The version of the schema that the server has; 0: none. */
long long rest_version(void);

/* A text that grows: bytes are added as they are, or as a JSON string. */
struct rest_text {
	char *s;
	size_t len, cap;
};

void rest_add(struct rest_text *, const char *s, size_t len);
void rest_puts(struct rest_text *, const char *s);
void rest_put_string(struct rest_text *, const char *s, size_t len);
void rest_put_int(struct rest_text *, long long n);

#endif
