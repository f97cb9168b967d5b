#!/usr/bin/env bats
# What must hold for the whole of the project, rather than for one program.
# shellcheck disable=SC2154 # top: from helper.bash
load helper

setup() {
	clean_room
}

teardown() {
	stop_sim
}

@test "no key and no token is in the repository (pain 1.17)" {
	cd "$top"
	# A copy without its history has no list of what belongs to it.
	{ git ls-files -co --exclude-standard 2>/dev/null || find . -type f -name '*.*'; } >"$BATS_TEST_TMPDIR/files"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/files")" -gt 50 ]
	run bash -c "tr '\n' '\0' <'$BATS_TEST_TMPDIR/files' | xargs -0 grep -nIE \
		-e 'xox[abpr]-[0-9]{6,}' -e 'Atzr\|[A-Za-z0-9_-]{40,}' -e 'amzn1\.oa2-cs\.v1\.[0-9a-f]{40,}' \
		-e '(^|[^a-z0-9])[a-z0-9]{64}([^a-z0-9]|$)' -e 'pk_[0-9]{6,}' -- /dev/null"
	assert_output ''
}

@test "a transform is linked with nothing that could reach a network or a database" {
	for program in "$top"/transform/*.c; do
		run ldd "${program%.c}"
		assert_success
		refute_output --regexp 'curl|ssl|sqlite|libpq'
	done
	for program in "$top"/fetch/*.c "$top"/notify/*.c; do
		run ldd "${program%.c}"
		refute_output --regexp 'sqlite|libpq'
	done
	# What everybody calls starts in no time: the libraries for servers are those of others.
	for program in "$top"/load/*.c; do
		run ldd "${program%.c}"
		refute_output --regexp 'curl|ssl|libpq|json-c'
	done
}

@test "what make install has put up does the job, without the source tree" {
	sanitized && skip 'the programs are not what would be installed'
	start_sim
	make -s -C "$top" install DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr
	PATH=/usr/local/bin:/usr/bin:/bin
	jobs=$BATS_TEST_TMPDIR/root/usr/lib/sellerpipe/pipelines
	mkdir home
	export SELLERPIPE_HOME=$PWD/home
	unset DATABASE_URL
	"$jobs/track.sh" add B0SIM00001
	run -0 "$jobs/badges.sh"
	assert_output ''
	run "$jobs/track.sh" list
	assert_line --partial 'Nordhus Gooseneck Kettle'
	run -0 bash -c "man -l '$BATS_TEST_TMPDIR/root/usr/share/man/man1/db-load.1' 2>/dev/null | grep -q NAME ||
		test -s '$BATS_TEST_TMPDIR/root/usr/share/man/man1/db-load.1'"
	make -s -C "$top" uninstall DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr
	run find root -type f
	assert_output ''
}
