#!/usr/bin/env bats
# What `make install` puts up, what the schedules start, and when; the package.
# What takes a machine of its own is in deb.sh.
# shellcheck disable=SC2154 # top: from helper.bash
load helper

jobs=(badges sales sales-resume summary health backup prune)

setup_file() {
	local script
	make -s -C "$top" install PREFIX="$BATS_FILE_TMPDIR/usr" >&2
	# So that schedules can be looked at before all they start is written.
	for script in summary health backup prune; do
		script=$BATS_FILE_TMPDIR/usr/lib/sellerpipe/pipelines/$script.sh
		[ -e "$script" ] || install -m 755 /dev/stdin "$script" <<<'#!/bin/bash'
	done
}

setup() {
	clean_room
	usr=$BATS_FILE_TMPDIR/usr
	lib=$usr/lib/sellerpipe
	units=$usr/lib/systemd/system
}

# A root with our units and those that every machine has, for systemd-analyze.
a_root() {
	systemd-analyze security --help 2>&1 | grep -q -e --offline || skip 'no systemd-analyze, or an old one'
	make -s -C "$top" install DESTDIR="$PWD/root" PREFIX=/usr
	cp -rn /lib/systemd/system/. root/usr/lib/systemd/system/
	cp -n "$lib"/pipelines/*.sh root/usr/lib/sellerpipe/pipelines/
	ln -s usr/lib root/lib
}

@test "make install: every program, page, script and schedule" {
	for program in "$top"/{fetch,transform,load,notify}/*.c; do
		program=$(basename "$program" .c)
		[ -x "$usr/bin/$program" ]
		[ -e "$usr/share/man/man1/$program.1" ]
		[ "$(readlink "$usr/share/bash-completion/completions/$program")" = sellerpipe ]
	done
	for program in db-load db-query db-prune; do
		[ -x "$lib/server/$program" ]
	done
	DATABASE_URL=postgresql://nobody@127.0.0.1:1/x run -75 "$usr/bin/db-query" runs
	assert_output --partial 'db-query: cannot reach the database'
	for script in "$top"/pipelines/*.sh; do
		installed=$lib/pipelines/${script##*/}
		case ${script##*/} in
		setup.sh) [ ! -e "$installed" ] ;;
		*) [ "$([ -x "$script" ] && echo 755 || echo 644)" = "$(stat -c %a "$installed")" ] ;;
		esac
	done
	for file in "$lib"/{pipelines/{job,configured},notify/badge-alert.jq,tests/sim/sim} \
		"$usr"/share/man/{man5/sellerpipe-records.5,man7/sellerpipe.7} \
		"$usr"/share/sellerpipe/{crontab,.env.example,schema/sqlite/001-badges.sql} \
		"$usr"/lib/{sysusers.d,tmpfiles.d}/sellerpipe.conf "$usr/share/zsh/site-functions/_sellerpipe"; do
		[ -s "$file" ] || { echo "no $file" && false; }
	done
	run grep -rnE '@[A-Z]+@' "$lib/pipelines" "$usr/lib/systemd" "$usr/lib/tmpfiles.d" "$usr/share/sellerpipe/crontab" "$usr/share/bash-completion" "$usr/share/zsh"
	assert_output ''
}

@test "make install: others may read it, whatever the umask" {
	(umask 077 && make -s -C "$top" install DESTDIR="$PWD/root" PREFIX=/usr)
	run find root -mindepth 1 ! -type l ! -perm -a+r
	assert_output ''
	run find root -mindepth 1 -type d ! -perm -a+x
	assert_output ''
}

@test "make uninstall: nothing is left but folders that are not ours" {
	make -s -C "$top" install DESTDIR="$PWD/root" PREFIX=/usr
	make -s -C "$top" uninstall DESTDIR="$PWD/root" PREFIX=/usr
	run find root ! -type d
	assert_output ''
	run find root -name '*sellerpipe*'
	assert_output ''
}

@test "systemd: the units are right" {
	a_root
	for job in "${jobs[@]}"; do
		run -0 systemd-analyze verify --man=no --root="$PWD/root" "sellerpipe-$job.timer" "sellerpipe@$job.service"
		assert_output ''
	done
	run -0 systemd-analyze verify --man=no --root="$PWD/root" sellerpipe.target
	assert_output ''
	# A word that systemd does not know would have been seen.
	sed -i 's/^PrivateTmp=/PrivateTemp=/' root/usr/lib/systemd/system/sellerpipe@.service
	run systemd-analyze verify --man=no --root="$PWD/root" sellerpipe@badges.service
	assert_output --partial "Unknown key"
}

@test "the day's sales wait for --resume, which a backfill keeps at work" {
	grep -q -- '--wait ${LIMIT} .*/sales.sh$' "$units/sellerpipe@sales.service.d/job.conf"
	schedule "$usr/share/sellerpipe/crontab" | grep -q -- '--daily.*--wait 960 .*/sales.sh$'
}

@test "systemd: what a job is exposed to" {
	a_root
	for job in "${jobs[@]}"; do
		run -0 systemd-analyze security --offline=true --threshold=20 --root="$PWD/root" "sellerpipe@$job.service"
		echo "# ${lines[-1]#* }" >&3
	done
}

@test "systemd: one target enables all timers, and disables them" {
	command -v systemctl >/dev/null || skip 'no systemctl'
	make -s -C "$top" install DESTDIR="$PWD/root" PREFIX=/usr
	systemctl -q --root="$PWD/root" enable sellerpipe.target
	[ "$(ls root/etc/systemd/system/sellerpipe.target.wants)" = "$(cd "$units" && ls sellerpipe-*.timer)" ]
	[ -L root/etc/systemd/system/multi-user.target.wants/sellerpipe.target ]
	systemctl -q --root="$PWD/root" disable sellerpipe-sales.timer
	[ ! -L root/etc/systemd/system/sellerpipe.target.wants/sellerpipe-sales.timer ]
	systemctl -q --root="$PWD/root" disable sellerpipe.target
	run find root/etc ! -type d
	assert_output ''
}

@test "systemd: a timer for each job, that is there, and at an hour that is there on every day" {
	for job in "${jobs[@]}"; do
		grep -qx "Unit=sellerpipe@$job.service" "$units/sellerpipe-$job.timer"
		grep -qx 'Persistent=true' "$units/sellerpipe-$job.timer"
		grep -qx 'PartOf=sellerpipe.target' "$units/sellerpipe-$job.timer"
	done
	[ "$(cat "$units"/sellerpipe-*.timer | grep -c '^OnCalendar=')" -eq "${#jobs[@]}" ]
	# UTC has no hour that is skipped; elsewhere 01:00 to 03:00 may be.
	run grep -hE '^OnCalendar=.* 0[123]:' "$units"/sellerpipe-*.timer
	refute_line --regexp '[^C]$'
	command -v systemd-analyze >/dev/null || skip 'no systemd-analyze'
	for day in 2026-03-08:12:11 2026-11-01:11:12; do
		IFS=: read -r date before after <<<"$day"
		when=$(sed -n 's/^OnCalendar=//p' "$units/sellerpipe-sales.timer")
		run -0 systemd-analyze calendar --base-time="$(date -u -d "$date -1 day" +%F) 00:00 UTC" --iterations=2 "$when"
		assert_output --partial "$(date -u -d "$date -1 day" +%F) $before:00:00 UTC"
		assert_output --partial "$date $after:00:00 UTC"
	done
}

@test "systemd: nothing secret is in a unit" {
	run grep -rhE '^[^#]*(KEY|TOKEN|SECRET|Environment)' "$units" "$usr/lib/tmpfiles.d"
	refute_line --regexp '(API_KEY|TOKEN|SECRET)'
	refute_output --partial EnvironmentFile
}

@test "the settings may be elsewhere, but for their user alone" {
	mkdir etc home
	ln -s "$PWD/etc/env" home/.env
	echo DATABASE_URL=sqlite:other.db >etc/env
	chmod 600 etc/env
	unset DATABASE_URL
	(cd home && db-load --init </dev/null && [ -s other.db ])
	chmod 644 etc/env
	cd home
	run -78 db-load --init </dev/null
	assert_output --partial "others can read '.env'"
}

@test "configured: which job has its keys" {
	want() { # want STATUS JOB...
		local status=$1 job
		shift
		for job; do
			run "-$status" "$lib/pipelines/configured" "$job"
			assert_output ''
		done
	}
	want 1 badges sales summary health backup prune
	install -m 600 "$top/.env.example" .env
	want 1 badges sales summary health backup prune
	echo KEEPA_API_KEY=k >>.env
	want 0 badges health backup prune
	want 1 sales summary
	echo "SLACK_BOT_TOKEN_FILE=/run/token" >>.env
	want 0 summary
	echo "SP_API_REFRESH_TOKEN_EU=x" >.env
	want 0 sales health backup prune
	want 1 badges summary
	rm .env
	KEEPA_API_KEY=k want 0 badges
	run -64 "$lib/pipelines/configured" other
	assert_output "configured: no such job 'other'; see --help"
	run -64 "$lib/pipelines/configured"
	run -0 "$lib/pipelines/configured" --help
	assert_line --partial 'configured JOB'
}

@test "configured: keys that cannot be read are taken to be there" {
	as=()
	[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid 65534 --clear-groups)
	away=$(mktemp -d) # where that user gets to
	cp "$lib"/pipelines/{configured,common.sh} "$away"
	mkdir "$away/home" && touch "$away/home/.env"
	chmod -R a+rX "$away" && chmod 777 "$away/home" && chmod 000 "$away/home/.env"
	SELLERPIPE_HOME=$away/home run "${as[@]}" "$away/configured" badges
	rm -rf "$away"
	assert_output ''
	assert_success
}

# schedule FILE: its lines with a time.
schedule() {
	grep -E '^[0-9*]' "$1"
}

# command_of REGEX: of the lines that it fits, without their times.
command_of() {
	schedule table | sed -E "/$1/!d; s/^([0-9*\/,-]+ +){5}//"
}

# as_cron TIME HOME ZONE COMMAND: as cron would start it then, there, on a machine in
# that zone: with nothing in its environment but what the table says.
as_cron() {
	local settings=() line
	while read -r line; do
		settings+=("$line")
	done < <(grep -E '^[A-Z_]+=' table)
	(cd "$2" && env -i HOME="$2" LOGNAME=you "${settings[@]}" TZ="$3" \
		faketime -f "$(printf '%+d' $(($1 - $(date +%s))))" /bin/sh -c "$4" 3>&-)
}

# What a job is to do, but for noting when.
notes_when() {
	local script
	cp -r "$usr/." stubs/
	for script in badges sales summary health backup prune; do
		cat >"stubs/lib/sellerpipe/pipelines/$script.sh" <<-'EOF'
			#!/bin/bash
			set -euo pipefail
			echo "$(date -u +%FT%H:%MZ)${1:+ $*}" >>"ran-${0##*/}"
		EOF
	done
	sed "s|^JOBS=.*|JOBS=$PWD/stubs/lib/sellerpipe/pipelines|" "$usr/share/sellerpipe/crontab" >table
}

@test "cron: each line is one that Debian's cron takes" {
	[ "$(schedule "$usr/share/sellerpipe/crontab" | wc -l)" -eq "${#jobs[@]}" ]
	# % is a new line to cron; CRON_TZ is a variable like another.
	run grep -nE '^[^#]*%|^(CRON_)?TZ=' "$usr/share/sellerpipe/crontab"
	assert_output ''
	run grep -nvE '^(#.*|[A-Z_]+=[^ $]*|([0-9*/,-]+ +){5}\$JOBS/job [a-z]+ .*|)$' "$usr/share/sellerpipe/crontab"
	assert_output ''
	[ "$(sed -n 's/^JOBS=//p' "$usr/share/sellerpipe/crontab")" = "$lib/pipelines" ]
	# Those who use systemd and those who use cron are given the same time.
	while read -r job limit; do
		timer=$(sed -n 's/^Environment=.*LIMIT=//p' "$units/sellerpipe@$job.service.d/job.conf" "$units/sellerpipe@.service" 2>/dev/null | sed -n 1p)
		[ "$limit" -le "$timer" ]
	done < <(schedule "$usr/share/sellerpipe/crontab" | sed 's|.*/job \([a-z]*\) .*--timeout \([0-9]*\) .*|\1 \2|')
}

@test "cron: every line runs its job, and says nothing" {
	command -v faketime >/dev/null || skip 'no faketime'
	sanitized && skip 'faketime is in the way of the sanitizers'
	notes_when
	mkdir amazon-data
	db-load -d sqlite:amazon-data/amazon.db --init </dev/null
	noon=$(date -d 2026-06-01T12:00Z +%s)
	while read -r line; do
		run -0 as_cron "$noon" "$PWD" UTC "$line"
		assert_output ''
	done < <(command_of .)
	for script in badges sales summary health backup prune; do
		[ "$(sed -n 1p "amazon-data/ran-$script.sh")" = 2026-06-01T12:00Z ]
	done
	[ "$(sed -n 2p amazon-data/ran-sales.sh)" = '2026-06-01T12:00Z --resume' ]
	# One that fails is heard of.
	echo 'echo "no key" >&2; exit 77' >>stubs/lib/sellerpipe/pipelines/badges.sh
	run -77 as_cron "$noon" "$PWD" UTC "$(command_of badges)"
	assert_output 'no key'
}

@test "cron: 07:00 in New York, once a day, as clocks change, in whatever zone the machine is" {
	command -v faketime >/dev/null || skip 'no faketime'
	sanitized && skip 'faketime is in the way of the sanitizers'
	notes_when
	sales=$(command_of 'sales.*--daily')
	[ "$(wc -l <<<"$sales")" -eq 1 ]
	schedule table | grep 'sales.*--daily' | grep -q '^\*/15 \* \* \* \* '
	while read -r day before after; do
		for zone in America/New_York Europe/Berlin Asia/Kolkata; do
			home=$PWD/$day-${zone#*/}
			mkdir -p "$home/amazon-data/locks"
			db-load -d "sqlite:$home/amazon-data/amazon.db" --init </dev/null
			# It ran on the day before these: there is nothing to catch up with.
			date -u -d "$day -2 days" +%F >"$home/amazon-data/locks/sales.day"
			start=$(date -u -d "$day -1 day" +%s)
			# Each quarter of an hour where it matters, and each sixth hour elsewhere.
			for ((quarter = 18; quarter < 192; quarter++)); do
				((quarter % 96 >= 43 && quarter % 96 <= 50 || quarter % 24 == 0)) || continue
				run -0 as_cron $((start + quarter * 900)) "$home" "$zone" "$sales"
				assert_output ''
			done
			run cat "$home/amazon-data/ran-sales.sh"
			assert_output "$(date -u -d "$day -1 day" +%F)T$before:00Z
${day}T$after:00Z"
		done
	done <<-EOF
		2026-03-08 12 11
		2026-11-01 11 12
	EOF
}

@test "cron: other hours, once a day, and caught up where the machine was off" {
	command -v faketime >/dev/null || skip 'no faketime'
	sanitized && skip 'faketime is in the way of the sanitizers'
	notes_when
	mkdir amazon-data
	db-load -d sqlite:amazon-data/amazon.db --init </dev/null
	start=$(date -u -d 2026-03-08 +%s)
	for job in summary backup prune; do
		command=$(command_of "job $job .*--daily")
		for quarter in 0 13 14 15 17 18 19 31 32 33 95 96 110 111 114 127 128 129 $((96 * 2 + 80)) $((96 * 2 + 81)); do
			run -0 as_cron $((start + quarter * 900)) "$PWD" Asia/Kolkata "$command"
			assert_output ''
		done
	done
	for day in summary:08:00 backup:03:30 prune:04:30; do
		run sed 's/^2026-03-//' "amazon-data/ran-${day%%:*}.sh"
		assert_line --index 0 "08T${day#*:}Z"
		assert_line --index 1 "$(case $day in backup*) echo 09T03:30Z ;; prune*) echo 09T04:30Z ;; *) echo 09T08:00Z ;; esac)"
		assert_line --index 2 10T20:00Z
		[ "${#lines[@]}" -eq 3 ]
	done
}

@test "cron: the package's lines do nothing where systemd runs, where a key is missing, or once it is gone" {
	sed -f "$top/pipelines/deb/cron.sed" "$usr/share/sellerpipe/crontab" |
		cat "$top/pipelines/deb/cron.head" - >cron.d
	[ "$(schedule cron.d | wc -l)" -eq "${#jobs[@]}" ]
	run grep -nvE '^(#.*|[A-Z_]+=[^ $]*|([0-9*/,-]+ +){5}sellerpipe \[ -d /run/systemd/system \] \|\| \[ ! -x \$JOBS/job \] \|\| ! \$JOBS/configured [a-z]+ \|\| \$JOBS/job [a-z]+ .*|)$' cron.d
	assert_output ''
	mkdir jobs home
	printf '#!/bin/bash\n[ -e "key-$1" ]\n' >jobs/configured
	printf '#!/bin/bash\necho "$1"\n' >jobs/job
	chmod +x jobs/*
	while read -r line; do
		command=$(sed -E "s/^([0-9*/,-]+ +){5}sellerpipe //; s,/run/systemd/system,$PWD/systemd," <<<"$line")
		job=${command##*JOBS/job }
		job=${job%% *}
		start() { env -i JOBS="$PWD/jobs" SELLERPIPE_HOME="$PWD/home" sh -c "$command"; }
		rm -rf systemd key-*
		run -0 start
		assert_output ''
		touch "key-$job"
		run -0 start
		assert_output "$job"
		mkdir systemd
		run -0 start
		assert_output ''
		rmdir systemd
		mv jobs/job away
		run -0 start
		assert_output ''
		mv away jobs/job
	done < <(schedule cron.d)
}

@test "a home that is named from the current folder" {
	mkdir data
	unset DATABASE_URL
	run -0 env SELLERPIPE_HOME=data "$top/pipelines/sales.sh" --plan
	[ -e data/amazon.db ]
	printf '#!/bin/bash\n. "%s"\npwd >where\n' "$top/pipelines/common.sh" >noted.sh
	chmod +x noted.sh
	run -0 env SELLERPIPE_HOME=data "$top/pipelines/job" noted -- ./noted.sh
	assert_output ''
	[ "$(cat data/where)" = "$PWD/data" ]
}

# completes WORD...: what bash offers for the last of these words.
completes() {
	bash --norc -c '
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		before=${COMP_WORDS[COMP_CWORD - 1]}
		spec=$(complete -p "${1##*/}") || exit
		[[ $spec == *"-F _sellerpipe "* ]] || exit
		_sellerpipe "$1" "${!#}" "$before"
		[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' \
		"$usr/share/bash-completion/completions/sellerpipe" "$@"
}

@test "completion: the options of every program and script" {
	for program in "$top"/{fetch,transform,load,notify}/*.c; do
		program=$(basename "$program" .c)
		"$program" --help | grep -oE -e '--[a-z][a-z-]+' | sort -u >wanted
		completes "$program" -- | sort -u >offered
		run diff wanted offered
		assert_output ''
	done
	for script in "$top"/pipelines/*.sh; do
		script=$lib/pipelines/${script##*/}
		[ -x "$script" ] || continue
		"$script" --help | grep -oE -e '--[a-z][a-z-]+' | sort -u >wanted || true
		completes "$script" -- | sort -u >offered
		run diff wanted offered
		assert_output ''
	done
	run completes db-query --ord
	assert_output --order
	run completes db-query -
	assert_line -- -o
	assert_line -- -l
	run completes "$lib/pipelines/job" --da
	assert_output --daily
}

@test "completion: tables and views of the database, marketplaces, verbs" {
	db-load --init </dev/null
	run completes db-query best
	assert_output bestseller_changes
	run completes db-query --limit 3 due_
	assert_output due_asins
	run completes db-query --claim due_
	assert_output due_asins
	[ "$(completes db-query '' | wc -l)" -eq "$(db-query --list | wc -l)" ]
	DATABASE_URL=sqlite:none.db run completes db-query best
	assert_output ''
	DATABASE_URL=sqlite:none.db run completes db-query -d sqlite : test.db best
	assert_output bestseller_changes
	run completes db-query -o ''
	assert_output ''
	run completes keepa-fetch -m C
	assert_output CA
	run completes sales.sh --mode b # of the source tree, where it is in PATH
	assert_output backfill
	run completes track.sh r
	assert_output remove
	[ "$(completes keepa-fetch -m '' | sort)" = "$(sed -n 's/^ *{"\([A-Z][A-Z]\)", .*/\1/p' "$top/lib/market.c" | sort)" ]
}

@test "completion: what only has the name of one of ours is not started" {
	mkdir bin
	printf '#!/bin/sh\ntouch %q\necho " --started"\n' "$PWD/started" >bin/sales.sh
	chmod +x bin/sales.sh
	run completes bin/sales.sh --
	assert_output ''
	run completes nowhere/sales.sh --
	assert_output ''
	[ ! -e started ]
	# Nor is a script that is ours, and nothing is made where we are.
	mkdir here && cd here
	completes "$lib/pipelines/sales.sh" -- >/dev/null
	[ -z "$(ls)" ]
}

@test "completion: zsh" {
	command -v zsh >/dev/null || skip 'no zsh'
	db-load --init </dev/null
	# On a terminal of its own: a command and a TAB, and then what stands there.
	cat >drive.zsh <<-'EOF'
		zmodload zsh/zpty
		await() { # until that is to be seen, but not for ever
			local n
			for ((n = 0; n < 200; n++)); do
				while zpty -r -t z piece; do seen+=$piece; done
				[[ $seen == *$1* ]] && return
				sleep 0.1
			done
		}
		zpty -b z zsh -f
		zpty -w z "PS1=; PATH=$PATH; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; print rea''dy"
		await ready
		zpty -n -w z $2$'\t'
		await $3
		print -r -- $seen
	EOF
	run zsh -f drive.zsh "$usr/share/zsh/site-functions" 'db-query --or' --order
	assert_output --partial 'db-query --order'
	run zsh -f drive.zsh "$usr/share/zsh/site-functions" 'db-query bestsell' bestseller_changes
	assert_output --partial 'bestseller_changes'
}

@test "deb: what is in the package, and the same each time" {
	command -v dpkg-deb >/dev/null || skip 'no dpkg-deb'
	version=$(sed -n 's/^VERSION = //p' "$top/Makefile")
	SOURCE_DATE_EPOCH=1700000000 "$top/pipelines/deb/build.sh" "$version" .
	deb=$(echo sellerpipe_"$version"_*.deb)
	run -0 dpkg-deb -f "$deb" Package Version Architecture Recommends Suggests
	assert_output "Package: sellerpipe
Version: $version
Architecture: $(dpkg --print-architecture)
Recommends: systemd | cron
Suggests: python3"
	run -0 dpkg-deb -f "$deb" Depends
	for package in libc6 libcurl libjson-c libsqlite3-0 libpq5 zlib1g bash coreutils util-linux gzip jq tzdata ca-certificates; do
		assert_output --regexp "(^|, )$package"
	done
	dpkg-deb -c "$deb" >list
	run awk '$2 != "root/root" || $4 != "2023-11-14" || $5 !~ /^22:13/' list
	assert_output ''
	# All that make install puts up is in it, but that pages are compressed.
	(cd "$usr" && find . ! -type d ! -path './lib/sellerpipe/pipelines/*' |
		sed 's,^\./,./usr/,; s,\(/man/.*\),\1.gz,; s,zsh/site-functions,zsh/vendor-completions,' | sort) >wanted
	awk '{ print $6 }' list | grep -v '/$' | sort >there
	run comm -23 wanted there
	assert_output ''
	run grep -vE '^\./(etc/cron.d/sellerpipe$|usr/lib/sellerpipe/pipelines/|usr/share/doc/sellerpipe/)' <(comm -13 wanted there)
	assert_output ''
	for file in ./etc/cron.d/sellerpipe ./usr/lib/sellerpipe/pipelines/{job,demo.sh,common.sh,configured} \
		./usr/share/doc/sellerpipe/{copyright,changelog.gz}; do
		grep -qxF "$file" there
	done
	dpkg-deb -e "$deb" control
	[ "$(cat control/conffiles)" = /etc/cron.d/sellerpipe ]
	dpkg-deb -x "$deb" x
	(cd x && md5sum --quiet -c ../control/md5sums)
	run file x/usr/bin/db-load
	[ "$status" -ne 0 ] || assert_output --regexp 'pie.*, stripped'
	for script in postinst prerm postrm; do
		sh -n "control/$script"
		[ -x "control/$script" ]
	done
	# No path of the machine it was built on.
	run grep -rlF -e "$top" -e /tmp/tmp. x control
	assert_output ''
	mv "$deb" first.deb
	SOURCE_DATE_EPOCH=1700000000 "$top/pipelines/deb/build.sh" "$version" .
	cmp first.deb "$deb"
}
