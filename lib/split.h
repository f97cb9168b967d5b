/*
 * split.h - one large JSON document, taken apart while it arrives.
 *
 * The document is an object.  Each element of each array that is a member of
 * it is handed out as soon as its last byte has come, white space around its
 * parts removed, so that it is one line; every other member is handed out
 * whole.  No more than one of them is held at a time.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include "lib/json.h"

#define SPLIT_MAX ((16UL << 20) - 4096) /* bytes of an element */

struct split;

/*
 * Receives what comes: the name of the member, and an element or the member's
 * value.  Both last until it returns.  The value is not validated yet: a scan
 * by the receiver does that.
 */
typedef void split_fn(
    void *arg, const char *name, bool element, struct json_slice val);

/* Exit with 75 if out of memory. */
struct split *split_new(split_fn *, void *arg);
void split_free(struct split *);

/* Begin another document; what there was of the last one is forgotten. */
void split_reset(struct split *);

/*
 * Take the next bytes of the document.  False once it cannot become one: for
 * what reason says split_why.  After that, bytes are ignored.
 */
bool split_feed(struct split *, const char *data, size_t len);

/* Whether a whole document has come, and nothing but white space after it. */
bool split_whole(const struct split *);

/* Why the document is bad, or not whole; NULL if it is neither.  Static. */
const char *split_why(const struct split *);

#endif
