#!/usr/bin/env bats
# What job-ping tells a service outside, and that it keeps its URL to itself.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2001 # what is replaced is an expression
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

key=11111111-2222-4333-8444-555555555555

setup() {
	clean_room
	start_sim
	export HEALTHCHECK_URL_BADGES=$sim/ping/$key
}

teardown() {
	stop_sim
	[ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || true
}

# ping ARGUMENT...: job-ping; messages in $stderr.
ping() {
	run --separate-stderr job-ping "$@"
}

# asked: each request: method, path, query, body
asked() {
	requests ping '[.method, .path, .query, .body]'
}

said() {
	sed -E "s#${sim#http://}#SIM#; s/after [0-9]+ ms/after N ms/" <<<"$stderr"
}

@test "each end has its path, by GET if there is nothing to say" {
	for event in start 0 75 65 1 255; do
		ping badges "$event" </dev/null
		assert_success
		assert_equal "$output$stderr" ''
	done
	assert_equal "$(asked)" "[\"GET\",\"/ping/$key/start\",{},\"\"]
[\"GET\",\"/ping/$key\",{},\"\"]
[\"GET\",\"/ping/$key/log\",{},\"\"]
[\"GET\",\"/ping/$key/65\",{},\"\"]
[\"GET\",\"/ping/$key/1\",{},\"\"]
[\"GET\",\"/ping/$key/255\",{},\"\"]"
	assert_equal "$(control ping/pings | jq -r .event | paste -sd' ')" 'start success log 65 1 255'
}

@test "the last lines are the body, by POST; a start reads none" {
	ping badges 1 <<<$'first line\nlast line'
	assert_success
	ping badges start <<<'not read'
	assert_equal "$(asked)" "[\"POST\",\"/ping/$key/1\",{},\"first line\nlast line\n\"]
[\"GET\",\"/ping/$key/start\",{},\"\"]"
	assert_equal "$(requests ping '.headers["content-type"]' | sed -n 1p)" '"text/plain; charset=utf-8"'
}

@test "start and end of a run have the same rid, a UUID, and other runs another" {
	ping badges start --run badges-1 </dev/null
	ping badges 0 --run badges-1 </dev/null
	ping --run badges-2 badges 0 </dev/null
	assert_success
	run bash -c "curl -s $sim/_sim/ping/pings | jq -r .rid"
	assert_equal "${lines[0]}" "${lines[1]}"
	[ "${lines[0]}" != "${lines[2]}" ]
	[[ ${lines[0]} =~ ^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	[[ ${lines[2]} =~ ^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
}

@test "a URL's query stays behind the path, a slash at its end and a fragment do not" {
	HEALTHCHECK_URL_BADGES="$sim/ping/$key/?create=1&x=a%20b#there" ping badges 3 --run r </dev/null
	assert_success
	run bash -c "curl -s '$sim/_sim/requests?api=ping' | jq -c '[.path, (.query | del(.rid)), (.query.rid | length)]'"
	assert_output "[\"/ping/$key/3\",{\"create\":\"1\",\"x\":\"a b\"},36]"
}

@test "the setting is the job's, in capitals, and may be in .env or in a file" {
	ping other-job 0 </dev/null
	assert_success
	assert_equal "$output$stderr$(asked)" ''
	HEALTHCHECK_URL_OTHER_JOB=$sim/ping/env ping other-job 0 </dev/null
	echo "HEALTHCHECK_URL_OTHER_JOB=$sim/ping/dotenv" >.env
	chmod 600 .env
	ping other-job 0 </dev/null
	echo "$sim/ping/file" >url
	echo "HEALTHCHECK_URL_OTHER_JOB_FILE=url" >.env
	ping other-job 0 </dev/null
	assert_success
	assert_equal "$(control ping/pings | jq -r .check | paste -sd' ')" 'env dotenv file'
}

@test "of a long log its end is sent, from a line's beginning" {
	seq -f 'line %05g' 20000 >log # 11 bytes a line
	ping badges 1 <log
	assert_success
	control ping/pings | jq -j .body >body
	assert_equal "$(wc -c <body)" 9999
	assert_equal "$(sed -n '1p;$p' body)" $'line 19092\nline 20000'
	head -c 30000 /dev/zero | tr '\0' x >log
	printf 'é%.0s' {1..6000} >>log
	ping badges 1 <log
	assert_equal "$(control ping/pings | tail -n 1 | jq -r '.body | length')" 5000
}

@test "what is no UTF-8, or a terminal would obey, becomes question marks" {
	printf 'gr\xc3\xbc\xc3\x9fe \xff\xc3 \x1b]0;x\x07\ttab\0nul\x7f \xed\xa0\x80 \xf0\x9f\x92\xa1\r\n' >log
	ping badges 1 <log
	assert_success
	assert_equal "$(control ping/pings | jq -r .body)" $'grüße ?? ?]0;x?\ttab?nul? ??? 💡?'
}

@test "the body does not hold the URL, nor a key that is in it" {
	export HEALTHCHECK_URL_BADGES="$sim/ping/$key?create=1&token=abcdefghijklmnop"
	printf '%s\n' "curl $HEALTHCHECK_URL_BADGES failed" "so did $key" 'with abcdefghijklmnop, create=1' >log
	ping badges 1 <log
	assert_success
	body=$(control ping/pings | jq -r .body)
	assert_equal "$(tr -s '*' <<<"$body")" $'curl * failed\nso did *\nwith *, create=1'
}

@test "no argument holds the URL" {
	faults ping '[{"fault":"stall"}]'
	job-ping badges 0 </dev/null 3>&- &
	wait_for eval 'asked | grep -q .'
	run cat "/proc/$!/cmdline"
	refute_output --partial "$key"
	assert_output --partial badges
	kill $!
}

@test "a server that fails is asked three times: 75, in one message without the URL" {
	faults ping '[{"fault":"status","code":500,"times":9}]'
	ping badges 1 <<<'log'
	assert_failure 75
	assert_equal "$(said)" 'job-ping: SIM: HTTP status 500'
	assert_equal "$(asked | wc -l)" 3
	faults ping '[]'
}

@test "a server that recovers has heard it" {
	faults ping '[{"fault":"status","code":503},{"fault":"reset"}]'
	ping badges 1 <<<'log'
	assert_success
	assert_equal "$stderr$(control ping/pings | jq -r .event)" 1
}

@test "a server that is down: 75, and without the URL" {
	HEALTHCHECK_URL_BADGES=http://127.0.0.1:1/$key ping badges 1 <<<'log'
	assert_failure 75
	assert_equal "$(said)" "job-ping: 127.0.0.1:1: Failed to connect to 127.0.0.1 port 1 after N ms: Couldn't connect to server"
}

@test "a check that is not there is told of: 76" {
	HEALTHCHECK_URL_BADGES=$sim/ping/gone ping badges 0 </dev/null
	assert_failure 76
	assert_equal "$(said)" 'job-ping: SIM: HTTP status 404; is this right: HEALTHCHECK_URL_BADGES'
	HEALTHCHECK_URL_BADGES=$sim/ping/unknown ping badges 0 </dev/null
	assert_failure 76
	assert_equal "$(said)" 'job-ping: SIM: it knows no such check; is this right: HEALTHCHECK_URL_BADGES'
}

@test "redirects are not followed: 76" {
	faults ping "[{\"fault\":\"status\",\"code\":302,\"headers\":{\"Location\":\"$sim/ping/other\"}}]"
	ping badges 0 </dev/null
	assert_failure 76
	assert_equal "$(asked | wc -l)" 1
}

# without_end: a log that is never closed
without_end() {
	mkfifo log
	exec 8<>log
	echo log >&8
}

@test "a server that is slow, and a log that does not end, are given up in time" {
	faults ping '[{"fault":"stall","times":9}]'
	without_end
	SECONDS=0
	HTTP_TIMEOUT=2 ping badges 1 <log
	assert_failure 75
	[ "$SECONDS" -le 60 ]
	assert_equal "$(asked | wc -l)" 1
	[[ $(said) == 'job-ping: SIM: '*'timed out'* ]]
	refute [ "${stderr/$key/}" != "$stderr" ]
	SECONDS=0
	HTTP_TIMEOUT=600 ping badges 1 <<<'log'
	assert_failure 75
	[ "$SECONDS" -ge 8 ]
	[ "$SECONDS" -le 100 ]
}

@test "a log that does not end is told as far as it came" {
	without_end
	HTTP_TIMEOUT=2 ping badges 1 <log
	assert_success
	assert_equal "$(control ping/pings | jq -r .body)" log
}

@test "standard input may be closed" {
	run --separate-stderr bash -c 'job-ping badges 1 <&-'
	assert_success
	assert_equal "$(control ping/pings | jq -r .event)" 1
}

@test "a URL that may not be asked: 78, and it is not shown" {
	for url in "http://example.com/$key" "https://user:$key@example.com/" "ftp://example.com/$key" "$key"; do
		HEALTHCHECK_URL_BADGES=$url ping badges 0 </dev/null
		assert_failure 78
		[[ $stderr == 'job-ping: HEALTHCHECK_URL_BADGES '* ]]
		[[ $stderr != *"$key"* ]]
	done
	HEALTHCHECK_URL_BADGES=https://example.com/$(printf 'x%.0s' {1..3000}) ping badges 0 </dev/null
	assert_failure 78
	assert_equal "$stderr" 'job-ping: HEALTHCHECK_URL_BADGES is too long'
}

@test "used wrongly: 64" {
	for arguments in '' badges 'badges 256' 'badges -1' 'badges 1x' 'badges end' 'badges 0001' 'Badges 0' \
		'badges 0 more' 'badges 0 --what' 'badges 0 --run' '-x' '1badges 0'; do
		# shellcheck disable=SC2086 # several words
		ping $arguments </dev/null
		assert_failure 64
		[[ $stderr == 'job-ping: '* ]]
	done
	ping badges 0 --run '' </dev/null
	assert_failure 64
	ping badges '' </dev/null
	assert_failure 64
	assert_equal "$(asked)" ''
}

@test "--help and --version" {
	ping --help
	assert_success
	assert_line --index 0 'usage: job-ping NAME start|STATUS [--run RUN_ID] [<log]'
	ping --version
	assert_success
	assert_output --regexp '^job-ping [0-9]'
	if [ -e /dev/full ]; then
		run --separate-stderr bash -c 'job-ping --help >/dev/full'
		assert_failure 74
	fi
}

# A proxy that is Cronitor itself: its certificate is one that the system trusts
# for as long as it takes.
start_cronitor() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cronitor.link \
		-addext subjectAltName=DNS:cronitor.link -keyout key.pem -out cert.pem 2>/dev/null
	cat >server.py <<'!'
import json, socket, ssl, urllib.parse
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
log = open("served", "a", buffering=1)
while True:
    plain, _ = listener.accept()
    asked = plain.recv(65536).decode().split()[1]
    plain.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
    with context.wrap_socket(plain, server_side=True) as tls:
        line = tls.recv(65536).decode().split()
        url = urllib.parse.urlsplit(line[1])
        print(json.dumps([asked, line[0], url.path, dict(urllib.parse.parse_qsl(url.query))]), file=log)
        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK")
!
	coproc SERVER { exec python3 server.py 3>&-; }
	# shellcheck disable=SC2153 # coproc sets it
	server_pid=$SERVER_PID
	read -r port <&"${SERVER[0]}"
	export https_proxy=http://127.0.0.1:$port HEALTHCHECK_URL_BADGES=https://cronitor.link/p/0123456789abcdef/badges
}

# trusting COMMAND...: where the system trusts that certificate only
trusting() {
	unshare "${unshare_options:--m}" sh -c '
		for bundle in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do
			[ ! -e "$bundle" ] || mount --bind cert.pem "$bundle" || exit 99
		done
		exec "$@"' - "$@"
}

@test "Cronitor has it all in the query" {
	start_cronitor
	unshare_options=-m
	trusting true 2>/dev/null || unshare_options=-rm
	trusting true 2>/dev/null || skip 'the certificates that the system trusts cannot be exchanged here'
	seq -f 'line %04g' 500 >log # 10 bytes a line
	for event in start 0 75 1; do
		run --separate-stderr trusting job-ping badges $event --run badges-1 <log
		assert_equal "$status$stderr" 0
	done
	run jq -c '.[3].message |= (. // "" | split("\n") | [length - 1, .[0]])' served
	assert_output '["cronitor.link:443","GET","/p/0123456789abcdef/badges",{"state":"run","series":"badges-1","message":[-1,null]}]
["cronitor.link:443","GET","/p/0123456789abcdef/badges",{"state":"complete","series":"badges-1","status_code":"0","message":[200,"line 0301"]}]
["cronitor.link:443","GET","/p/0123456789abcdef/badges",{"state":"ok","series":"badges-1","status_code":"75","message":[200,"line 0301"]}]
["cronitor.link:443","GET","/p/0123456789abcdef/badges",{"state":"fail","series":"badges-1","status_code":"1","message":[200,"line 0301"]}]'
}
