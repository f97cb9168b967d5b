/*
 * gunzip.h - a document that may be gzipped, unpacked while it arrives.
 *
 * Whether it is gzipped is told by its first two bytes, whatever anybody says
 * of it (RFC 1952).  Checksums and lengths are checked; several members are one
 * document, as gzip has it.
 */
#ifndef GUNZIP_H
#define GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#define GUNZIP_MAX (4ULL << 30) /* bytes that a document may unpack to */

struct gunzip;

/* Receives the bytes of the document; false ends it. */
typedef bool gunzip_fn(void *arg, const char *data, size_t len);

/* Exit with 75 if out of memory. */
struct gunzip *gunzip_new(gunzip_fn *, void *arg);
void gunzip_free(struct gunzip *);

/* Begin another document. */
void gunzip_reset(struct gunzip *);

/* Take the next bytes.  False once they cannot be a document, or its receiver
 * has ended it; after that, bytes are ignored. */
bool gunzip_feed(struct gunzip *, const char *data, size_t len);

/* Why the document is broken or, now that no more bytes come, not whole; NULL
 * if it is neither.  Static. */
const char *gunzip_why(const struct gunzip *);

/* The length of what was unpacked so far, and a checksum of it (CRC-32). */
unsigned long long gunzip_length(const struct gunzip *);
unsigned long gunzip_sum(const struct gunzip *);

#endif
