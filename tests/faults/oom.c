/*
 * oom - preloaded into a program, memory that runs out once
 *
 * The allocation number OOM_AT of the program is refused, and no other; where
 * OOM_FROM is set, that and all after it.  OOM_COUNT names a file that gets how
 * many there were.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

static unsigned long n, at, from;
static int counting;

/* What the search for the real ones needs before they are found. */
static char early[8192];
static size_t early_used;

static void *
from_early(size_t size)
{
	void *p = early + early_used;

	early_used += (size + 15) / 16 * 16;
	if (early_used > sizeof(early))
		abort();
	return p;
}

static int
is_early(const void *p)
{
	return (const char *)p >= early &&
	    (const char *)p < early + sizeof(early);
}

static void
find(void)
{
	static int finding;

	if (finding)
		return;
	finding = 1;
	*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real_free = dlsym(RTLD_NEXT, "free");
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
}

static int
refused(void)
{
	if (!counting)
		return 0;
	n++;
	if (n != at && (from == 0 || n < from))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	if (real_malloc == NULL)
		find();
	if (real_malloc == NULL)
		return from_early(size);
	return refused() ? NULL : real_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (real_malloc == NULL)
		find();
	if (real_malloc == NULL)
		return from_early(count * size);
	return refused() ? NULL : real_calloc(count, size);
}

void *
realloc(void *p, size_t size)
{
	void *q;

	if (real_malloc == NULL)
		find();
	if (is_early(p)) {
		if ((q = malloc(size)) != NULL)
			memcpy(q, p, size);
		return q;
	}
	return refused() ? NULL : real_realloc(p, size);
}

void
free(void *p)
{
	if (real_free == NULL)
		find();
	if (!is_early(p) && real_free != NULL)
		real_free(p);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *text;

	find();
	if ((text = getenv("OOM_AT")) != NULL)
		at = strtoul(text, NULL, 10);
	if ((text = getenv("OOM_FROM")) != NULL)
		from = strtoul(text, NULL, 10);
	counting = 1;
}

__attribute__((destructor)) static void
end(void)
{
	const char *path = getenv("OOM_COUNT");
	FILE *file;

	counting = 0;
	if (path != NULL && (file = fopen(path, "w")) != NULL) {
		fprintf(file, "%lu\n", n);
		fclose(file);
	}
}
