#!/usr/bin/env bats
# What job does around a command: its lock, its time, its log, its record, its
# pings; and that none of it changes what the command comes to.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup() {
	clean_room
	mkdir home && cd home || return
	export SELLERPIPE_HOME=$PWD
	db-load --init </dev/null
	nap=$((100000 + BASHPID)) # seconds, which nobody else sleeps
}

teardown() {
	stop_sim
	pkill -KILL -xf "([^ ]*/)?sleep $nap" || true
}

# job ARGUMENT...
job() {
	run --separate-stderr command job "$@"
}

runs() { # runs [FILTER]: the runs on record, by jq
	db-query runs --order started_at,run_id | jq -c "${1:-.}"
}

naps() { # how many are still asleep
	pgrep -cxf "([^ ]*/)?sleep $nap" || true
}

napping() {
	[ "$(naps)" -gt 0 ]
}

# What it says

@test "all is well: not a word, and it is in the log and on record" {
	job demo bash -c 'echo out; echo err >&2'
	assert_success
	assert_equal "$output$stderr" ''
	run cat logs/demo.log
	assert_line --index 0 --regexp '^[0-9T:-]+Z demo-[0-9TZ]+-[0-9]+-[0-9a-f]{8} begins: bash$'
	assert_line --index 1 out
	assert_line --index 2 err
	assert_line --index 3 --regexp '^[0-9T:-]+Z demo-[0-9TZ]+-[0-9]+-[0-9a-f]{8} ends: status 0, [0-9] s$'
	assert_equal "$(runs '[.job, .program, .status, .stages, .records, .error, .host, (.finished_at >= .started_at)]')" \
		"[\"demo\",\"bash\",0,{\"bash\":0},null,null,\"$(uname -n)\",true]"
	assert_equal "$(runs .version)" "\"$(db-load --version | sed 's/.* //')\""
	run find spool -type f
	assert_output ''
}

@test "what it said is shown if it fails, and its last line is on record" {
	job demo bash -c 'echo out; echo err >&2; exit 3'
	assert_failure 3
	assert_equal "$output" ''
	assert_equal "$stderr" $'out\nerr'
	assert_equal "$(runs '[.status, .error]')" '[3,"err"]'
	job demo bash -c 'echo second; exit 4'
	assert_equal "$stderr" second
}

@test "75 is shown but with --quiet; 0 with --show" {
	job demo bash -c 'echo said; exit 75'
	assert_failure 75
	assert_equal "$stderr" said
	job demo --quiet bash -c 'echo said; exit 75'
	assert_failure 75
	assert_equal "$stderr" ''
	job demo --quiet bash -c 'echo said; exit 65'
	assert_failure 65
	assert_equal "$stderr" said
	job demo --show bash -c 'echo said'
	assert_success
	assert_equal "$stderr" said
}

@test "what a terminal would obey is not shown" {
	job demo bash -c 'printf "\e]0;x\ared\r \u009bone\u202e, \ttab é\n\0"; exit 1'
	assert_equal "$stderr" $']0;xred one, \ttab é'
	assert_equal "$(runs .error)" '"]0;xred one, \ttab é"'
}

@test "on a terminal it is shown as it comes" {
	cat >terminal.py <<'!'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
first, said = 0, b""
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    if b"first" in data:
        first = time.time()
    said += data
if first and time.time() - first > 1:
    print("while it runs:")
print(said.decode().replace("\r", ""), end="")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
!
	python3 -c 'import os; os.openpty()' 2>err || skip "no pseudo-terminal here: $(tail -n 1 err)"
	run python3 terminal.py "$top/pipelines/job" demo bash -c 'echo first; sleep 2; [ -t 2 ] && echo on a terminal; exit 5'
	assert_failure 5
	assert_output $'while it runs:\nfirst\non a terminal'
	run cat logs/demo.log
	refute_line first
	# what is not of the terminal stays so
	run python3 terminal.py "$top/pipelines/job" demo --timeout 1 --grace 1 sleep "$nap"
	assert_failure 75
	assert_output 'job: it took longer than 1 s, and was ended'
}

@test "every exit status is the command's" {
	for code in 0 1 64 65 70 75 78 99 124 125 126 127 128 129 137 143 255; do
		run -"$code" --separate-stderr command job demo --quiet bash -c "exit $code"
	done
	job demo --timeout 100 bash -c 'exit 124'
	assert_equal "$status" 124
	job demo bash -c 'kill -KILL $$'
	assert_equal "$status$stderr" 137
	job demo bash -c 'kill -SEGV $$'
	assert_equal "$status$stderr" 139
}

# How it is called

@test "used wrongly: 64, and nothing is started" {
	for arguments in '' demo 'Demo true' '1demo true' 'demo --timeout' 'demo --timeout x true' 'demo --timeout 1.5 true' \
		'demo --timeout -1 true' 'demo --timeout= true' 'demo --grace 0 true' 'demo --grace x true' \
		'demo --lock A true' 'demo --lock a,,b true' 'demo --lock= true' 'demo --record both2 true' \
		'demo --what true' 'demo --quiet=1 true' '-x demo true' '-- demo true' 'demo --' 'demo --daily 07:00 true' \
		'demo --daily= true'; do
		# shellcheck disable=SC2086 # several words
		job $arguments
		assert_failure 64
		[[ $stderr == 'job: '*'; see --help' ]]
	done
	for daily in '7:00 UTC' '24:00 UTC' '07:60 UTC' '07:00' '07:00 ../x' '07:00 UTC x'; do
		job demo --daily "$daily" touch started
		assert_failure 64
		assert_equal "$stderr" "job: --daily '$daily' is no 'HH:MM ZONE'; see --help"
	done
	run find logs started
	refute_output --partial started$'\n'
}

@test "--help" {
	job --help
	assert_success
	assert_line --index 0 'job - run a command as a job: alone, within its time, and on record'
	assert_line --partial -- '--timeout S '
	refute_line --partial 'set -euo'
}

@test "a command that is not there, or none: 78, and nothing is started" {
	mkdir folder
	touch plain
	for name in no-such-command ./plain ./folder /tmp ''; do
		job demo -- "$name" x
		assert_failure 78
		assert_equal "$stderr" "job: there is no command '$name'"
	done
	run find logs
	assert_failure
	assert_equal "$(runs)" ''
}

@test "a command is found from where job was called, and runs at home" {
	mkdir ../elsewhere && cd ../elsewhere
	printf '#!/bin/sh\npwd; echo "$SELLERPIPE_HOME"; echo "$*"\n' >own
	chmod +x own
	job demo --show ./own a 'b  c'
	assert_success
	assert_equal "$stderr" "$SELLERPIPE_HOME
$SELLERPIPE_HOME
a b  c"
	cd ..
	SELLERPIPE_HOME=home job demo --show elsewhere/own
	assert_success
	assert_equal "$(head -n 1 <<<"$stderr")" "$PWD/home"
	PATH=elsewhere:$PATH SELLERPIPE_HOME=./home job demo --show own
	assert_equal "$(head -n 1 <<<"$stderr")" "$PWD/home"
}

@test "options of the command are its own" {
	job demo --show -- echo --help --timeout
	assert_equal "$stderr" '--help --timeout'
	job demo --show echo --lock=x -- y
	assert_equal "$stderr" '--lock=x -- y'
}

@test "as from cron: nothing in the environment, no standard input" {
	run -0 env -i PATH=/usr/bin:/bin HOME=/nonexistent SHELL=/bin/sh SELLERPIPE_HOME="$PWD" \
		DATABASE_URL="$DATABASE_URL" "$top/pipelines/job" demo --show -- cat <&-
	assert_output ''
	run env CDPATH=/:"$PWD" SELLERPIPE_HOME=. "$top/pipelines/job" demo --show -- echo said
	assert_output said
}

@test "with all of its files closed it does its work" {
	run bash -c 'job demo bash -c "echo said; ls -l /proc/self/fd" <&- >&- 2>&-'
	assert_success
	run grep -c said logs/demo.log
	assert_output 1
	run bash -c 'job demo bash -c "echo said; exit 3" <&- >&- 2>&-'
	assert_failure 3
	assert_equal "$(runs .status | paste -sd' ')" '0 3'
}

@test "a command gets no file of job's but its log and its locks" {
	[ -e /proc/self/fd ] || skip 'no /proc here'
	bash -c 'for fd in {3..255}; do eval "exec $fd>&-"; done; exec job demo ls -l /proc/self/fd' 2>/dev/null
	run sed -n 's/.* -> //p' logs/demo.log
	assert_output "/dev/null
$PWD/logs/demo.log
$PWD/locks/demo.lock
$PWD/logs/demo.log
$(grep -o '/proc/[0-9]*/fd$' logs/demo.log)"
}

@test "what it says cannot be shown: the status stays" {
	if [ -e /dev/full ]; then
		run bash -c 'job demo bash -c "echo said; exit 3" 2>/dev/full'
		assert_failure 3
	fi
	run bash -c 'set -o pipefail; job demo bash -c "seq 100000; exit 3" 2>&1 | true'
	assert_failure 3
	assert_equal "$(runs .status | sort -u)" 3
}

@test "SIGPIPE and SIGHUP ignored, as by nohup" {
	run python3 -c '
import signal, subprocess, sys
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(subprocess.call(sys.argv[1:], restore_signals=False))' "$top/pipelines/job" demo bash -c 'echo said; exit 3'
	assert_failure 3
	assert_output said
	nohup job demo sleep 1 >/dev/null 2>&1 3>&- &
	wait_for grep -q sleep logs/demo.log
	kill -HUP $!
	wait $!
}

@test "few file descriptors: it works, or says so before anything is started" {
	for n in 8 10 12 14 16 20 24 32; do
		run bash -c "ulimit -n $n; job demo bash -c 'echo started >>started; exit 3'"
		[ "$status" -eq 3 ] || {
			[ "$status" -ne 0 ]
			[ -n "$output" ]
			[ ! -e started ]
		}
		rm -f started
	done
	assert_equal "$status" 3
}

# Its lock

@test "a second one ends with 75, and says who is at it" {
	command job demo sleep "$nap" 3>&- &
	wait_for napping
	job demo touch started
	assert_failure 75
	[[ $stderr =~ ^'job: demo is running already: demo, pid '$!', since 20'[0-9T:-]+'Z; try again later'$ ]]
	job demo --quiet touch started
	assert_failure 75
	assert_equal "$stderr" ''
	[ ! -e started ]
	# another name is another job, unless it wants the same lock
	job other true
	assert_success
	job other --lock other,demo true
	assert_failure 75
	[[ $stderr == 'job: demo is running already: demo, pid '* ]]
	job other true
	assert_success
	kill $!
	wait $! || true
	job demo true
	assert_success
	assert_equal "$(runs .status | paste -sd' ')" '143 0 0 0'
}

@test "--wait: for who has the lock; of those that waited for a --daily one runs" {
	command job demo timeout 120 bash -c 'until [ -e over ]; do sleep 0.05; done' 3>&- &
	wait_for grep -q pid locks/demo.lock
	job demo --wait 1 true
	assert_failure 75
	for _ in 1 2; do
		bash -c 'job demo --wait 60 --daily "00:00 UTC" bash -c "echo x >>ran"; echo $?' 3>&- >>codes &
	done
	sleep 0.5
	touch over
	wait
	assert_equal "$(paste -sd' ' codes) $(cat ran)" '0 0 x'
}

@test "of many that start at once one runs" {
	for _ in {1..8}; do
		# It stays until all others have given up.
		bash -c 'job demo --quiet timeout 60 bash -c "until [ \$(wc -l <codes) -ge 7 ]; do sleep 0.05; done"; echo $?' 3>&- >>codes &
	done
	wait
	assert_equal "$(sort codes | uniq -c | tr -s ' ' | paste -sd,)" ' 1 0, 7 75'
}

@test "a job within a job: its own lock, and those that are held already" {
	cat >inner.sh <<!
. "$top/pipelines/common.sh"
here=$PWD
as_job inner inner "--show" "\$@"
echo "inner \$run_id \$*"
did 5
!
	cat >outer.sh <<!
. "$top/pipelines/common.sh"
ln -sf "$top/pipelines/job" .
here=$PWD
as_job outer outer "--show" "\$@"
echo "outer \$run_id"
./inner.sh a 'b c'
job demo --lock outer echo never || echo "held: \$?"
!
	sed -i '1i#!/bin/bash' inner.sh outer.sh
	chmod +x inner.sh outer.sh
	ln -s "$top/pipelines/common.sh" "$top/pipelines/job" .
	run ./outer.sh
	assert_success
	assert_line --regexp '^outer outer-'
	assert_line --regexp '^inner inner-.* a b c$'
	assert_line 'held: 75'
	assert_equal "$(runs '[.job, .status, .records]' | sort)" $'["inner",0,5]\n["outer",0,null]'
	# the inner one runs as a part of whoever has its lock
	run ./job outer --lock outer,inner --show ./inner.sh x
	assert_line --regexp '^inner outer-.* x$'
	assert_equal "$(runs 'select(.job == "inner")' | wc -l)" 1
}

# Its time

@test "--timeout ends it, and all that it has started: 75" {
	SECONDS=0
	job demo --timeout 1 bash -c "sleep $nap & sleep $nap"
	assert_failure 75
	assert_equal "$stderr" 'job: it took longer than 1 s, and was ended'
	[ "$SECONDS" -le 60 ]
	assert_equal "$(naps)" 0
	assert_equal "$(runs '[.status, .error]')" '[75,"job: it took longer than 1 s, and was ended"]'
}

@test "--timeout ends what ignores TERM, after --grace" {
	SECONDS=0
	job demo --timeout 1 --grace 1 bash -c "trap '' TERM; sleep $nap & while :; do sleep $nap; done"
	assert_failure 75
	assert_equal "$stderr" 'job: it took longer than 1 s, and was ended'
	[ "$SECONDS" -le 60 ]
	assert_equal "$(naps)" 0
	# what is left behind by one that obeys
	SECONDS=0
	job demo --timeout 1 --grace 1 bash -c "(trap '' TERM; exec sleep $nap) & sleep $nap"
	assert_failure 75
	[ "$SECONDS" -le 60 ]
	assert_equal "$(naps)" 0
}

@test "what a command leaves behind is ended; what has left its group is not waited for" {
	SECONDS=0
	job demo bash -c "sleep $nap & exit 3"
	assert_failure 3
	assert_equal "$(naps)" 0
	run bash -c "job demo --show bash -c 'setsid sleep $nap & echo started'"
	assert_success
	assert_output started
	[ "$SECONDS" -le 60 ]
	assert_equal "$(naps)" 1
	# nor does it keep the lock
	job demo true
	assert_success
}

@test "what a command has in the background may come to its end" {
	job demo --show bash -c '(sleep 0.5; echo late) & echo soon'
	assert_success
	assert_equal "$stderr" $'soon\nlate'
}

# Signals

@test "a signal ends it all, and is what it ends by" {
	for signal in TERM:143 INT:130 HUP:129; do
		cat >start.py <<'!'
import os, signal, subprocess, sys, time
job = subprocess.Popen(["job", "demo"] + sys.argv[2:])
while not os.path.exists("begun"):
    time.sleep(0.02)
job.send_signal(getattr(signal, "SIG" + sys.argv[1]))
print(job.wait())
!
		rm -f begun
		run python3 start.py "${signal%:*}" bash -c "trap 'echo asked; exit 9' TERM; touch begun; sleep $nap & wait"
		assert_line asked
		assert_line -- "-$((${signal#*:} - 128))"
		assert_equal "$(naps)" 0
		assert_equal "$(runs '[.status, .error]' | tail -n 1)" "[${signal#*:},\"asked\"]"
		job demo true
		assert_success
	done
	rm -f begun
	SECONDS=0
	run python3 start.py TERM --grace 1 bash -c "trap '' TERM; touch begun; sleep $nap & while :; do sleep $nap; done"
	assert_output -- -15
	[ "$SECONDS" -le 60 ]
	assert_equal "$(naps)" 0
}

@test "a shell sees 128 and the signal" {
	run bash -c "job demo sleep $nap & p=\$!; sleep 1; kill -TERM \$p; wait \$p"
	assert_failure 143
	assert_equal "$(naps)" 0
}

# Its log

@test "logs, locks and the rest are nobody else's" {
	(umask 0 && command job demo true)
	run find locks logs spool -perm /077
	assert_output ''
	assert_equal "$(stat -c %a logs/demo.log)" 600
}

@test "a log that has grown is put away; five are kept" {
	for n in {1..8}; do
		LOG_MAX=10 job demo echo "said $n"
		assert_success
	done
	run bash -c 'ls logs'
	assert_output "demo.log
demo.log.1.gz
demo.log.2.gz
demo.log.3.gz
demo.log.4.gz
demo.log.5.gz"
	run grep said logs/demo.log
	assert_output 'said 8'
	run bash -c 'for n in 1 2 3 4 5; do zgrep said logs/demo.log.$n.gz; done'
	assert_output $'said 7\nsaid 6\nsaid 5\nsaid 4\nsaid 3'
	assert_equal "$(stat -c %a logs/demo.log.1.gz)" 600
	LOG_MAX=1k job demo true
	assert_success
	assert_equal "$stderr" 'job: LOG_MAX is no number of bytes; taken for 1000000'
}

# Its record

@test "what a script says of its stages, its work, and that there was none" {
	cat >script.sh <<!
#!/bin/bash
. "$top/pipelines/common.sh"
stages keepa-fetch 0 db-load 75
stages keepa-fetch 65
did 3
did 4
[ "\$1" != idle ] || idle
echo '{"stage":"cut' >>"\$SELLERPIPE_ACCOUNT"
exit "\$2"
!
	chmod +x script.sh
	job demo ./script.sh busy 65
	assert_failure 65
	assert_equal "$(runs '[.status, .stages, .records]')" '[65,{"db-load":75,"keepa-fetch":65},7]'
	job demo ./script.sh idle 0
	assert_success
	assert_equal "$(runs .run_id | wc -l)" 1
	job demo ./script.sh idle 75
	assert_equal "$(runs .status | paste -sd' ')" '65 75'
}

@test "a run is on record from its beginning, unless it is not to be" {
	job demo --show db-query runs
	assert_equal "$(jq -c '[.job, .status, .finished_at]' <<<"$stderr")" '["demo",null,null]'
	job demo --record end --show db-query runs job=demo status=null
	assert_equal "$stderr" ''
	assert_equal "$(runs .status | paste -sd' ')" '0 0'
}

# Its pings

pinged() {
	control ping/pings | jq -r "[.event, .body] | join(\" \")"
}

@test "its check hears of start and end, with what it said last" {
	start_sim
	export HEALTHCHECK_URL_DEMO=$sim/ping/demo
	job demo true
	job demo bash -c 'seq 40; exit 3'
	assert_failure 3
	job demo bash -c 'echo later; exit 75'
	assert_equal "$(pinged)" "start 
success 
start 
3 $(seq 11 40)

start 
log later"
	assert_equal "$(control ping/pings | jq -s '[.[].rid] | (.[0] == .[1]) and (.[2] == .[3]) and (unique | length == 3)')" true
	job other true
	assert_success
	assert_equal "$(requests ping . | wc -l)" 6
	run cat logs/demo.log
	refute_output --partial job-ping
}

@test "its check's URL may be in .env, or in a file" {
	start_sim
	echo "HEALTHCHECK_URL_DEMO_FILE=url" >.env
	chmod 600 .env
	echo "$sim/ping/demo" >url
	job demo true
	assert_equal "$(control ping/pings | jq -r .event | paste -sd' ')" 'start success'
}

@test "a check that does not answer changes nothing, nor does it keep anybody waiting" {
	export HEALTHCHECK_URL_DEMO=http://127.0.0.1:1/secret HTTP_WAIT_MS=10
	job demo bash -c 'echo said; exit 3'
	assert_failure 3
	assert_equal "$stderr" said
	run grep -c 'job-ping: 127.0.0.1:1: Failed to connect' logs/demo.log
	assert_output 2
	refute grep -rq secret logs spool
	assert_equal "$(runs .error)" '"said"'
	start_sim
	export HEALTHCHECK_URL_DEMO=$sim/ping/demo HTTP_TIMEOUT=5
	faults ping '[{"fault":"stall","times":9}]'
	SECONDS=0
	job demo --show date +%s
	assert_success
	[ "$SECONDS" -ge 5 ] # its end waits for it
	[ "$SECONDS" -le 60 ]
	[ "$(jq -Rn --arg at "$(runs .started_at | tail -n 1 | tr -d '"')" --arg said "$stderr" \
		'($said | tonumber) - ($at | fromdate)')" -le 4 ] # its beginning does not
}

@test "job-ping that hangs or is missing changes nothing" {
	mkdir bin
	cp -r "$top/pipelines" .
	ln -s "$top/load" "$top/fetch" "$top/transform" .
	mkdir notify
	PATH=/usr/bin:/bin run --separate-stderr pipelines/job demo bash -c 'echo said; exit 3'
	assert_failure 3
	assert_equal "$stderr" said
	printf '#!/bin/sh\ntrap "" TERM\nsleep %s\n' "$nap" >notify/job-ping
	chmod +x notify/job-ping
	sed -i 's/kill-after=1 15 job-ping/kill-after=1 1 job-ping/' pipelines/job
	SECONDS=0
	run --separate-stderr pipelines/job demo bash -c 'echo said; exit 3'
	assert_failure 3
	assert_equal "$stderr" said
	[ "$SECONDS" -le 60 ]
}

# Its hours

needs_faketime() {
	run faketime -f '2026-01-01 00:00:00' date +%Y
	[ "$output" = 2026 ] || skip 'no faketime here'
	sanitized && skip 'faketime does not get along with programs that check themselves'
	[ -e /usr/share/zoneinfo/America/New_York ] || skip 'no time zones here'
}

# at TIME...: whether the job, daily at 7 in New York, runs at these times (UTC)
at() {
	local time
	for time; do
		rm -f ran
		TZ=UTC faketime "$time" env TZ="${machine:-UTC}" "$top/pipelines/job" demo --daily "${daily:-07:00 America/New_York}" touch ran
		[ ! -e ran ] || echo "$time"
	done
}

@test "--daily: once a day from its time on, in its zone" {
	needs_faketime
	for machine in UTC Asia/Kolkata America/New_York; do
		rm -f locks/demo.day
		run at '2026-01-10 11:59:59' '2026-01-10 12:00:00' '2026-01-10 12:15:00' '2026-01-11 04:59:00' \
			'2026-01-11 05:01:00' '2026-01-11 12:01:00' '2026-01-11 23:00:00'
		assert_output $'2026-01-10 12:00:00\n2026-01-11 12:01:00'
	done
}

@test "--daily: both changes of New York's clocks, and catching up" {
	needs_faketime
	# 7 o'clock is 12:00 UTC until 8 March 2026, then 11:00; and from 1 November again 12:00
	run at '2026-03-07 11:30:00' '2026-03-07 12:00:00' '2026-03-08 10:59:00' '2026-03-08 11:00:00' \
		'2026-03-08 12:00:00' '2026-03-09 11:00:00' '2026-10-31 11:00:00' '2026-10-31 12:00:00' \
		'2026-11-01 11:30:00' '2026-11-01 12:00:00' '2026-11-02 12:00:00'
	assert_output '2026-03-07 12:00:00
2026-03-08 11:00:00
2026-03-09 11:00:00
2026-10-31 11:00:00
2026-11-01 12:00:00
2026-11-02 12:00:00'
	# off until the evening; off for two days
	run at '2026-11-04 02:00:00' '2026-11-04 13:00:00' '2026-11-08 20:00:00'
	assert_output $'2026-11-04 02:00:00\n2026-11-04 13:00:00\n2026-11-08 20:00:00'
	# hours that do not exist, or twice
	rm -f locks/demo.day
	daily='02:30 America/New_York' run at '2026-03-08 06:59:00' '2026-03-08 07:00:00' '2026-03-08 07:30:00'
	assert_output '2026-03-08 07:00:00'
	daily='01:30 America/New_York' run at '2026-11-01 05:29:00' '2026-11-01 05:30:00' '2026-11-01 06:30:00' '2026-11-02 06:29:00'
	assert_output '2026-11-01 05:30:00'
}

@test "--daily: a day whose run found the lock taken is not lost" {
	mkdir locks
	exec {fd}>locks/demo.lock
	flock "$fd"
	job demo --daily '00:00 UTC' touch ran
	assert_failure 75
	exec {fd}>&-
	job demo --daily '00:00 UTC' touch ran
	assert_success
	[ -e ran ]
}

@test "--daily: a zone that is not known: 78, and nothing is started" {
	for zone in America/Nowhere America; do
		job demo --daily "00:00 $zone" touch ran
		assert_failure 78
		assert_equal "$stderr" "job: no time zone '$zone' here; install tzdata"
	done
	[ ! -e ran ]
}

@test "a new home gets a database, and one that had none has the run on record" {
	rm -f ../test.db*
	job demo true
	assert_success
	assert_equal "$(runs '[.job, .status]')" '["demo",0]'
}

@test "--retry: again on the same day, as long as it ends with 75" {
	for status in 75 75 0 3; do
		job demo --daily '00:00 UTC' --retry bash -c "echo x >>tried; exit $status"
	done
	assert_success # the last one was not started
	assert_equal "$(wc -l <tried)" 3
	rm locks/demo.day
	job demo --daily '00:00 UTC' bash -c 'exit 75'
	job demo --daily '00:00 UTC' bash -c 'echo x >>tried'
	assert_equal "$(wc -l <tried)" 3
}
