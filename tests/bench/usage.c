/*
 * usage - run a command and say what it took, for measure.py
 *
 *     usage FILE COMMAND [ARGUMENT ...]
 *
 * writes CPU seconds, wall seconds and the peak of its memory in MiB to FILE.
 * Python cannot find out the last: until a child has called exec it is a copy
 * of its parent, and the kernel counts that.  So the parent has to be small.
 */
#include <err.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char *argv[])
{
	double start = now();
	double unit = 1024; /* of ru_maxrss, in a MiB */
	struct rusage r;
	int status;
	pid_t pid;
	FILE *f;

#ifdef __APPLE__
	unit = 1024 * 1024;
#endif
	if (argc < 3)
		errx(64, "usage: usage FILE COMMAND [ARGUMENT ...]");
	if ((pid = fork()) == -1)
		err(75, "cannot fork");
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		err(127, "cannot run '%s'", argv[2]);
	}
	if (wait4(pid, &status, 0, &r) == -1)
		err(70, "wait4");
	if ((f = fopen(argv[1], "w")) == NULL ||
	    fprintf(f, "%f %f %f\n", seconds(r.ru_utime) + seconds(r.ru_stime),
		now() - start, (double)r.ru_maxrss / unit) < 0 ||
	    fclose(f) != 0)
		err(74, "cannot write '%s'", argv[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}
