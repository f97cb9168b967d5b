/*
 * conf.h - settings: from the environment, and where it is silent from `.env`.
 *
 * NAME=value; or NAME_FILE=path, where the first line of the file is the value.
 * The environment's own NAME comes first, then its NAME_FILE, then the two in
 * `.env` of the current directory: lines NAME=value, `export` allowed before
 * them, # lines skipped, a value in '…' literal, in "…" with \n \" \\, without
 * quotes up to a # after a blank.  An empty value counts as none.  No variable
 * is expanded, and nothing is ever run.
 *
 * Settings hold secrets.  A `.env` that others can read, or that is not ours,
 * ends the program with 78 before anything is done, and so does a bad line in
 * it, named by its number and without its text.
 */
#ifndef CONF_H
#define CONF_H

/* The value of a setting, or NULL if it is nowhere or empty.  It lasts as long
 * as the program. */
const char *conf_get(const char *name);

/* The value, or else fallback. */
const char *conf_or(const char *name, const char *fallback);

/* The value; exit with 78 if there is none, saying what it is for. */
const char *conf_need(const char *name, const char *what_for);

/* A whole number from min to max; exit with 78 if it is something else. */
long conf_number(const char *name, long min, long max, long fallback);

/* Put stars over a secret in a text, and over the beginning of one that the
 * text's end cuts off: the other side's words can repeat it. */
void conf_hide(char *text, const char *secret);

/* Free all values: nothing given before is valid after this. */
void conf_free(void);

#endif
