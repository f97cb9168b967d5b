/*
 * records.h - a fuzzer of a filter: its .c is included with another name for
 * main, its records come from memory, and its output is looked at.
 */
#include <stdarg.h>
#include <unistd.h>

#include "lib/ndjson.h"
#include "tests/fuzz/fuzz.h"

/* In place of the C library's: bad records are not worth a word here. */
void
warnx(const char *format, ...)
{
	(void)format;
}

static FILE *fuzz_output;

/* Records for a filter's functions; standard output goes to a file. */
static struct nd_in *
fuzz_in(void)
{
	static struct nd_in *in;

	if (in == NULL) {
		fuzz_output = tmpfile();
		HOLDS(fuzz_output != NULL);
		HOLDS(dup2(fileno(fuzz_output), STDOUT_FILENO) != -1);
		in = nd_open(NULL);
	}
	return in;
}

/* Whatever came in, each line that goes out is one object. */
static void
fuzz_check_output(void)
{
	struct json_field none[] = {JSON_END};
	struct json_slice line;
	struct json_error e;
	char *text, *stop;
	off_t size;

	nd_flush();
	size = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	text = malloc((size_t)size + 1);
	HOLDS(pread(STDOUT_FILENO, text, (size_t)size, 0) == size);
	for (line.s = text; line.s < text + size; line.s = stop + 1) {
		stop = memchr(
		    line.s, '\n', (size_t)size - (size_t)(line.s - text));
		HOLDS(stop != NULL);
		line.len = (size_t)(stop - line.s);
		HOLDS(json_scan(line, none, &e));
	}
	free(text);
	HOLDS(ftruncate(STDOUT_FILENO, 0) == 0);
	lseek(STDOUT_FILENO, 0, SEEK_SET);
}

/* The lines of data, each of exactly its size, to a function. */
static void
fuzz_each_line(
    const uint8_t *data, size_t size, void (*take)(struct json_slice))
{
	const uint8_t *end = data + size, *stop;

	for (; data < end; data = stop + 1) {
		struct json_slice line;

		stop = memchr(data, '\n', (size_t)(end - data));
		if (stop == NULL)
			stop = end;
		line = exactly(data, (size_t)(stop - data));
		take(line);
		release(line);
	}
}
