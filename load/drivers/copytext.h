/*
 * copytext.h - records in the text format of COPY (PostgreSQL, "COPY", File
 * Formats): a line each, with tabs between the values and \N for none.
 *
 * Before its values each has its number in its group, from 0.
 */
#ifndef COPYTEXT_H
#define COPYTEXT_H

#include "load/drivers/batch.h"

/* Write the record at hand to the end of its group, which counts it already. */
void copytext_put(struct batch *, struct group *);

/* The value that begins at *p, which then is the tab or newline that ends it,
 * as plain text, which the caller frees; NULL if there is none. */
char *copytext_get(const char **p);

#endif
