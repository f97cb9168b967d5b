# Every .c in these four folders is one program; what they share is in lib/.
VERSION = 0.1.0

FETCH     = $(basename $(wildcard fetch/*.c))
TRANSFORM = $(basename $(wildcard transform/*.c))
LOAD      = $(basename $(wildcard load/*.c))
NOTIFY    = $(basename $(wildcard notify/*.c))
PROGS     = $(FETCH) $(TRANSFORM) $(LOAD) $(NOTIFY)
MANS      = $(PROGS:=.1)

DESTDIR  =
PREFIX   = /usr/local
BINDIR   = $(PREFIX)/bin
MANDIR   = $(PREFIX)/share/man
SHAREDIR = $(PREFIX)/share/sellerpipe

CFLAGS = -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
override CFLAGS += -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wformat=2 \
	-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef \
	-Wpointer-arith -Wcast-qual
override CPPFLAGS += -I. -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 \
	-DSELLERPIPE_VERSION='"$(VERSION)"' -MMD -MP

all: $(PROGS)

# Only what fetches or notifies can reach the network; only what loads, the
# database.  What a transform is linked with, besides libc, is this first line.
$(PROGS): %: %.o lib/ndjson.o lib/json.o lib/when.o
$(FETCH) $(NOTIFY): lib/http.o lib/conf.o lib/run.o
$(FETCH) $(NOTIFY): LDLIBS += -lcurl
$(LOAD): lib/db.o lib/schema.o lib/conf.o
$(LOAD): LDLIBS += -lsqlite3
fetch/keepa-fetch: lib/split.o
fetch/keepa-fetch transform/keepa-flatten: lib/keepa.o lib/market.o
fetch/keepa-fetch transform/keepa-flatten: LDLIBS += -lm

# The schema as the .sql files say it, a C string a line.
lib/schema.c: load/schema/embed.awk load/schema/sqlite/*.sql
	awk -f load/schema/embed.awk load/schema/sqlite/*.sql >$@.tmp
	mv $@.tmp $@

clean:
	rm -f $(PROGS) */*.o */*.d lib/schema.c

-include $(wildcard */*.d)
.PHONY: all clean
