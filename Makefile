# Every .c in these four folders is one program; what they share is in lib/.
VERSION = 0.1.0

FETCH     = $(basename $(wildcard fetch/*.c))
TRANSFORM = $(basename $(wildcard transform/*.c))
LOAD      = $(basename $(wildcard load/*.c))
NOTIFY    = $(basename $(wildcard notify/*.c))
PROGS     = $(FETCH) $(TRANSFORM) $(LOAD) $(NOTIFY)
MANS      = $(PROGS:=.1)
PAGES     = $(wildcard lib/*.5 lib/*.7)

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
$(NOTIFY): lib/note.o
notify/slack-post: LDLIBS += -ljson-c
$(LOAD): lib/db.o lib/copy.o lib/schema.o lib/conf.o
$(LOAD): LDLIBS += -lsqlite3
fetch/keepa-fetch: lib/split.o
fetch/sp-fetch: lib/spapi.o
fetch/sp-fetch transform/sp-split: lib/report.o lib/gunzip.o lib/split.o lib/market.o
fetch/sp-fetch transform/sp-split: LDLIBS += -lz
fetch/keepa-fetch transform/keepa-flatten: lib/keepa.o lib/market.o
transform/sales-plan: lib/market.o
fetch/keepa-fetch transform/keepa-flatten: LDLIBS += -lm
transform/sales-flatten: lib/market.o

# The schema as the .sql files say it, a C string a line.
lib/schema.c: load/schema/embed.awk load/schema/sqlite/*.sql
	awk -f load/schema/embed.awk load/schema/sqlite/*.sql >$@.tmp
	mv $@.tmp $@

# All tests; FILES="tests/x.bats" for some.
check: all
	tests/run.sh $(FILES)

# The same against programs that check themselves as they run.
SAN = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
check-san:
	$(MAKE) clean
	$(MAKE) all CFLAGS="-O1 -g -Werror $(SAN)" LDFLAGS="$(SAN)"
	tests/run.sh --as-built $(FILES)
	$(MAKE) clean

# Parsers against what nobody would write, for so many seconds each.
FUZZ_TIME = 600
fuzz:
	tests/fuzz/run.sh $(FUZZ_TIME)

bench: all
	tests/bench/run.sh

lint:
	clang-format --dry-run -Werror $$(git ls-files '*.[ch]')
	shellcheck -x $$(git ls-files '*.sh' .ci/run pipelines/job)
	shellcheck -x -s bash $$(git ls-files '*.bats' '*.bash')
	mandoc -T lint -W warning $(MANS) $(PAGES)

# The pipelines and what they need go together, as they stand here.
LIBDIR = $(PREFIX)/lib/sellerpipe
JOBS   = pipelines/job pipelines/badges.sh pipelines/replay.sh pipelines/track.sh pipelines/sales.sh \
	pipelines/backup.sh pipelines/restore.sh pipelines/prune.sh
install: all
	mkdir -p $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 \
		$(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
		$(DESTDIR)$(LIBDIR)/pipelines $(DESTDIR)$(LIBDIR)/notify \
		$(DESTDIR)$(SHAREDIR)/schema/sqlite $(DESTDIR)$(SHAREDIR)/sim
	install -m 755 $(PROGS) $(DESTDIR)$(BINDIR)
	install -m 644 $(MANS) $(DESTDIR)$(MANDIR)/man1
	install -m 644 lib/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 lib/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(JOBS) $(DESTDIR)$(LIBDIR)/pipelines
	install -m 644 pipelines/common.sh $(DESTDIR)$(LIBDIR)/pipelines
	install -m 644 notify/*.jq $(DESTDIR)$(LIBDIR)/notify
	install -m 644 load/schema/sqlite/*.sql $(DESTDIR)$(SHAREDIR)/schema/sqlite
	install -m 644 .env.example $(DESTDIR)$(SHAREDIR)

uninstall:
	cd $(DESTDIR)$(BINDIR) && rm -f $(notdir $(PROGS))
	cd $(DESTDIR)$(MANDIR) && rm -f $(addprefix man1/,$(notdir $(MANS))) \
		$(addprefix man5/,$(notdir $(wildcard lib/*.5))) \
		$(addprefix man7/,$(notdir $(wildcard lib/*.7)))
	rm -rf $(DESTDIR)$(LIBDIR) $(DESTDIR)$(SHAREDIR)

clean:
	rm -f $(PROGS) */*.o */*.d lib/schema.c tests/fuzz/*-fuzz

-include $(wildcard */*.d)
.PHONY: all check check-san fuzz bench lint install uninstall clean
