#!/usr/bin/env bats
# How keepa-fetch and slack-post talk to the other side: whom they trust, what
# they wait for, and how much of an answer they take.
# shellcheck disable=SC2154 # run sets stderr, start_sim sets sim
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	authority
	certificate good DNS:localhost,IP:127.0.0.1 "$(when tomorrow)"
	certificate other DNS:example.com "$(when tomorrow)"
	certificate expired DNS:localhost,IP:127.0.0.1 "$(when '1 hour ago')"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout self.key -out self.pem 2>/dev/null
}

setup() {
	clean_room
}

teardown() {
	stop_sim
	stop_server
}

when() {
	date -u -d "$1" +%Y%m%d%H%M%SZ
}

authority() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=A test' -keyout ca.key -out ca.pem 2>/dev/null
	touch index.txt
	cat >ca.conf <<'!'
[ca]
default_ca = d
[d]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = p
unique_subject = no
copy_extensions = copy
[p]
commonName = supplied
!
}

# certificate NAME NAMES END: NAME.pem and NAME.key, by the authority.
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-addext "subjectAltName=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -in "$1.csr" -out "$1.pem" \
		-startdate "$(when yesterday)" -enddate "$3" 2>/dev/null
}

# start_server NAME [OLDEST]: TLS with that certificate; answers as Keepa and as
# Slack do, and writes what it was asked into the file served.
start_server() {
	cat >server.py <<'!'
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if len(sys.argv) > 2:
    context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[2]]
    context.set_ciphers("ALL:@SECLEVEL=0")
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
log = open("served", "a", buffering=1)
while True:
    plain, _ = listener.accept()
    try:
        with context.wrap_socket(plain, server_side=True) as tls:
            request = tls.recv(65536).decode()
            if not request:
                raise ValueError("left without a word")
            print("asked:", request.split("\r\n")[0], file=log)
            body = b'{"ok":true,"ts":"1.2","tokensLeft":5,"refillRate":20,"products":[]}'
            tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body))
    except (OSError, ValueError) as error:
        print("refused:", error, file=log)
!
	coproc SERVER { exec python3 server.py "$BATS_FILE_TMPDIR/$1" ${2+"$2"} 3>&-; }
	# shellcheck disable=SC2153 # coproc sets it
	server_pid=$SERVER_PID
	read -r port <&"${SERVER[0]}"
	: >served
	export KEEPA_API_URL=https://localhost:$port KEEPA_API_KEY=test-key
	export SLACK_API_URL=https://localhost:$port SLACK_BOT_TOKEN=xoxb-test SLACK_CHANNEL=C0TEST HTTP_WAIT_MS=10
}

stop_server() {
	if [ -n "${server_pid:-}" ]; then
		kill "$server_pid" 2>/dev/null || true
		wait "$server_pid" 2>/dev/null || true
	fi
}

# trusting COMMAND...: runs it where the authority is the only one that the
# system trusts.
trusting() {
	unshare "${unshare_options:--m}" sh -c '
		for bundle in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do
			if [ -e "$bundle" ]; then
				mount --bind "$0" "$bundle" || exit 99
			fi
		done
		exec "$@"' "$BATS_FILE_TMPDIR/ca.pem" "$@"
}

needs_trusting() {
	unshare_options=-m
	trusting true 2>/dev/null && return
	unshare_options=-rm
	trusting true 2>/dev/null || skip "the certificates that the system trusts cannot be exchanged here (no mount namespace)"
}

message() {
	printf '{"type":"slack_message","id":"%s","text":"hello"}\n' "$@"
}

# TLS

@test "a server whose certificate the system trusts is talked to" {
	needs_trusting
	start_server good
	run --separate-stderr trusting keepa-fetch --check
	assert_success
	run --separate-stderr trusting slack-post <<<"$(message a)"
	assert_success
	assert_equal "$(<served)" $'asked: GET /token?key=test-key HTTP/1.1\nasked: POST /chat.postMessage HTTP/1.1'
}

@test "a certificate for another name is refused, and nothing is sent: 76" {
	needs_trusting
	start_server other
	run --separate-stderr trusting keepa-fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" "keepa-fetch: cannot talk to Keepa: SSL: no alternative certificate subject name matches target host name 'localhost'"
	run --separate-stderr trusting slack-post <<<"$(message a)"
	assert_equal "$status" 76
	assert_output ''
	assert_equal "$stderr" "slack-post: cannot talk to Slack: SSL: no alternative certificate subject name matches target host name 'localhost'"
	run grep asked served
	assert_output ''
	assert [ -s served ]
}

@test "a certificate that has expired is refused, and nothing is sent: 76" {
	needs_trusting
	start_server expired
	run --separate-stderr trusting keepa-fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" 'keepa-fetch: cannot talk to Keepa: SSL certificate problem: certificate has expired'
	run grep asked served
	assert_output ''
	assert [ -s served ]
}

@test "a certificate that nobody vouches for is refused, and nothing is sent: 76" {
	start_server self
	run --separate-stderr keepa-fetch B0SIM00001
	assert_equal "$status" 76
	assert_regex "$stderr" '^keepa-fetch: cannot talk to Keepa: SSL certificate problem: self[- ]signed certificate$'
	assert_equal "$(jq -c '[.type, .status]' <<<"$output")" '["run",null]
["keepa_product","unknown"]
["api_usage_log",null]'
	run --separate-stderr keepa-fetch --check
	assert_equal "$status" 76
	run --separate-stderr slack-post <<<"$(message a b)"
	assert_equal "$status" 76
	assert_output ''
	assert_regex "$stderr" '^slack-post: cannot talk to Slack: SSL certificate problem: self[- ]signed certificate$'
	run grep asked served
	assert_output ''
	assert_equal "$(grep -c refused served)" 3
}

@test "no variable and no file switches certificates off" {
	local setting self=$BATS_FILE_TMPDIR/self.pem
	start_server self
	printf 'insecure\n' >.curlrc
	for setting in SSL_NO_VERIFY=1 SSL_VERIFY=0 SSL_VERIFYPEER=0 CURL_INSECURE=1 CURL_SSL_VERIFY=0 INSECURE=1 \
		"CURL_CA_BUNDLE=$self" "SSL_CERT_FILE=$self" "SSL_CERT_DIR=$BATS_FILE_TMPDIR" "CURL_HOME=$PWD" "HOME=$PWD" \
		HTTP_INSECURE=1 HTTP_VERIFY=0 NODE_TLS_REJECT_UNAUTHORIZED=0 GIT_SSL_NO_VERIFY=1 PYTHONHTTPSVERIFY=0; do
		run --separate-stderr env "$setting" slack-post --check
		assert_equal "$setting $status" "$setting 76"
		assert_regex "$stderr$output" 'SSL certificate problem: self[- ]signed certificate'
	done
	run grep asked served
	assert_output ''
}

@test "TLS older than 1.2 is refused, and there is no way back to plain text" {
	needs_trusting
	start_server good TLSv1
	HTTP_TRIES=1 run --separate-stderr trusting keepa-fetch B0SIM00001
	assert_equal "$status" 75
	assert_regex "$stderr" '^keepa-fetch: Keepa: .*(version|alert|protocol)'
	run grep asked served
	assert_output ''
	assert [ -s served ]
}

@test "a server of plain http is not talked to where https was asked for" {
	start_sim
	export KEEPA_API_URL=https${KEEPA_API_URL#http}
	HTTP_TRIES=1 run --separate-stderr keepa-fetch B0SIM00001
	assert_equal "$status" 75
	assert_regex "$stderr" '^keepa-fetch: Keepa: .*wrong version number'
	assert_equal "$(requests keepa)" ''
}

# Addresses

# Each is refused by name, before any socket is opened.
@test "only https, or http to loopback, is an address: 78 before any network" {
	export KEEPA_API_KEY=test-key SLACK_BOT_TOKEN=xoxb-test
	local url
	while read -r url; do
		KEEPA_API_URL=$url run --separate-stderr keepa-fetch B0SIM00001
		assert_equal "$url $status" "$url 78"
		assert_output ''
		assert_equal "$stderr" 'keepa-fetch: KEEPA_API_URL is no URL of https (or of http to loopback)'
		SLACK_API_URL=$url run --separate-stderr slack-post <<<"$(message a)"
		assert_equal "$url $status" "$url 78"
		assert_equal "$stderr" 'slack-post: SLACK_API_URL is no URL of https (or of http to loopback)'
	done <<'!'
http://api.keepa.com
HTTP://example.com/
http://127.0.0.1.example.com
http://localhost.example.com/
http://127.0.0.1@example.com/
http://user:127.0.0.1@example.com/
http://10.0.0.1
http://[::2]/
http://0.0.0.0/
http://128.0.0.1/
ftp://127.0.0.1/
file:///etc/passwd
gopher://127.0.0.1/
api.keepa.com
127.0.0.1:80
//127.0.0.1
https://
https://exa mple.com/
nonsense
!
	if strace -o /dev/null true 2>/dev/null; then
		# strace is in the way of a search for leaks
		KEEPA_API_URL=http://api.keepa.com ASAN_OPTIONS=detect_leaks=0 run strace -f -e trace=connect,sendto -o calls keepa-fetch B0SIM00001
		assert_equal "$status" 78
		run grep -E 'AF_INET|sendto' calls
		assert_output ''
	fi
}

@test "an address with a name or password in it is refused without showing it: 78" {
	export KEEPA_API_KEY=test-key
	for url in https://canary@127.0.0.1/ http://user:canary@127.0.0.1/ https://:canary@localhost; do
		KEEPA_API_URL=$url run --separate-stderr keepa-fetch B0SIM00001
		assert_equal "$url $status" "$url 78"
		assert_equal "$stderr" "keepa-fetch: KEEPA_API_URL has a user's name in it"
	done
}

@test "loopback has several names" {
	start_sim
	port=${sim##*:}
	for host in 127.0.0.1 localhost 127.1; do
		KEEPA_API_URL=http://$host:$port/keepa run --separate-stderr keepa-fetch --check
		assert_success
	done
	# ::1 may lead nowhere, but is not refused
	KEEPA_API_URL="http://[::1]:1" HTTP_TRIES=1 run --separate-stderr keepa-fetch --check
	assert_equal "$status" 75
}

@test "loopback is never reached by way of a proxy" {
	start_sim
	export http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1
	export HTTP_PROXY=$http_proxy HTTPS_PROXY=$http_proxy ALL_PROXY=$http_proxy
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	run --separate-stderr slack-post <<<"$(message a)"
	assert_success
}

@test "loopback is never reached by way of a proxy, with TLS either" {
	needs_trusting
	start_server good
	export https_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1
	run --separate-stderr trusting keepa-fetch --check
	assert_success
}

@test "redirects are not followed: 76" {
	start_sim
	for code in 301 302 303 307 308; do
		faults keepa "[{\"fault\":\"status\",\"code\":$code,\"headers\":{\"Location\":\"$sim/keepa/token\"}}]"
		run --separate-stderr keepa-fetch B0SIM00001
		assert_equal "$status" 76
		assert_equal "$stderr" "keepa-fetch: Keepa's answer makes no sense: HTTP status $code"
		faults slack "[{\"fault\":\"status\",\"code\":$code,\"headers\":{\"Location\":\"$sim/slack/api/chat.postMessage\"}}]"
		run --separate-stderr slack-post <<<"$(message a)"
		assert_equal "$status" 76
		assert_output ''
		assert_equal "$stderr" "slack-post: cannot talk to Slack: HTTP status $code"
	done
	assert_equal "$(control requests | wc -l)" 10
	assert_equal "$(control slack/messages)" ''
}

# Waiting

@test "Retry-After in seconds is obeyed" {
	start_sim
	faults keepa '[{"fault":"status","code":503,"headers":{"Retry-After":"1"}}]'
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 503; trying again in 1.0 s"
	assert_equal "$(requests keepa .time | jq -s '.[1] - .[0] >= 1')" true
}

@test "Retry-After with a date is obeyed" {
	start_sim
	faults keepa "[{\"fault\":\"status\",\"code\":429,\"headers\":{\"Retry-After\":\"$(LC_ALL=C date -u -d '3 seconds' '+%a, %d %b %Y %H:%M:%S GMT')\"}}]"
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	assert_regex "$stderr" "^keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in [123].0 s\$"
}

@test "the longer of Retry-After and refillIn is waited for" {
	start_sim
	faults keepa '[{"fault":"429","refillIn":200,"headers":{"Retry-After":"1"}},
		{"fault":"429","refillIn":1200,"headers":{"Retry-After":"1"}}]'
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 1.0 s
keepa-fetch: $sim/keepa/product: HTTP status 429; trying again in 1.2 s"
}

@test "a Retry-After past --max-wait ends the run at once: 75" {
	start_sim
	for after in 16 3600 9999999999 "$(LC_ALL=C date -u -d 'next year' '+%a, %d %b %Y %H:%M:%S GMT')"; do
		faults keepa "[{\"fault\":\"status\",\"code\":503,\"headers\":{\"Retry-After\":\"$after\"}}]"
		run --separate-stderr timeout 120 keepa-fetch --max-wait 15 B0SIM00001
		assert_equal "$after: $status" "$after: 75"
		assert_equal "$stderr" 'keepa-fetch: Keepa: HTTP status 503; 0 of 1 done, try again later'
	done
}

@test "a Retry-After that says nothing is as if there were none" {
	start_sim
	for after in 0 -5 soon '' 99999999999999999999 'Thu, 01 Jan 1970 00:00:00 GMT'; do
		faults keepa "[{\"fault\":\"status\",\"code\":503,\"headers\":{\"Retry-After\":\"$after\"}}]"
		run --separate-stderr keepa-fetch B0SIM00001
		assert_success
		assert_equal "$stderr" "keepa-fetch: $sim/keepa/product: HTTP status 503; trying again in 0.0 s"
	done
}

@test "a Retry-After is not remembered for the next failure" {
	start_sim
	faults keepa '[{"fault":"status","code":503,"headers":{"Retry-After":"1"}},{"fault":"status","code":503},{"fault":"reset"}]'
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	assert_equal "$(grep -o '[0-9.]* s$' <<<"$stderr")" $'1.0 s\n0.0 s\n0.1 s'
}

@test "each wait is twice the one before, give or take a quarter" {
	start_sim
	faults keepa '[{"fault":"status","code":500,"times":9}]'
	HTTP_WAIT_MS=200 HTTP_TRIES=4 run --separate-stderr keepa-fetch B0SIM00001
	assert_equal "$status" 75
	assert_equal "$(requests keepa .time | jq -s '[.[1] - .[0] >= 0.15, .[2] - .[1] >= 0.3, .[3] - .[2] >= 0.6]' -c)" '[true,true,true]'
	assert_equal "$(grep -o '[0-9.]* s$' <<<"$stderr" | jq -R -s -c 'split(" s\n") | map(tonumber? // empty)
		| [.[0] <= 0.3, .[1] <= 0.5, .[2] <= 1, length]')" '[true,true,true,3]'
}

@test "408 is asked again, other refusals are not" {
	start_sim
	faults keepa '[{"fault":"status","code":408}]'
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	curl -sS -X DELETE "$sim/_sim/requests"
	for code in 404 405 410 418 451; do
		faults keepa "[{\"fault\":\"status\",\"code\":$code}]"
		run --separate-stderr keepa-fetch B0SIM00001
		assert_equal "$code $status" "$code 76"
	done
	assert_equal "$(requests keepa .status)" $'404\n405\n410\n418\n451'
}

# Ceilings

@test "more than 64 KiB of headers are too many: 76" {
	start_sim
	jq -nc '[{fault: "ok", headers: {"X-Big": ("a" * 70000)}}]' >fault
	faults keepa "$(<fault)"
	run --separate-stderr keepa-fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" "keepa-fetch: Keepa's answer makes no sense: answer too large"
	jq -nc '[{fault: "ok", headers: ([range(700) | {key: "X-\(.)", value: ("a" * 100)}] | from_entries)}]' >fault
	faults keepa "$(<fault)"
	run --separate-stderr keepa-fetch B0SIM00001
	assert_equal "$status" 76
	jq -nc '[{fault: "ok", headers: {"X-Big": ("a" * 60000)}}]' >fault
	faults keepa "$(<fault)"
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
}

@test "an answer that is kept may have 1 MiB, unzipped: 76" {
	start_sim
	faults keepa '[{"fault":"gzip_bomb","size":1048577}]'
	run --separate-stderr keepa-fetch --check
	assert_equal "$status" 76
	assert_equal "$(jq -r .detail <<<"$output")" 'answer too large'
	faults keepa '[{"fault":"gzip_bomb","size":1040000}]'
	run --separate-stderr keepa-fetch --check
	assert_success
}

@test "an answer that is streamed may have 1 GiB, unzipped, in memory that stays: 76" {
	start_sim
	faults keepa '[{"fault":"gzip_bomb","size":1100000000}]'
	run --separate-stderr peak_kib keepa-fetch B0SIM00001
	assert_equal "$status" 76
	assert_equal "$stderr" "keepa-fetch: Keepa's answer makes no sense: answer too large"
	sanitized || assert [ "$output" -lt 16384 ]
}

# Connections

@test "requests one after another use one connection" {
	start_sim
	run --separate-stderr keepa-fetch < <(seq -f '{"asin":"B0TEST%04g"}' 250)
	assert_success
	assert_equal "$(requests keepa .status)" $'200\n200\n200'
	assert_equal "$(requests keepa .connection | sort -u | wc -l)" 1
}

@test "what follows a broken answer in its connection is not read as the next" {
	start_sim
	# The length is too small: the rest looks like an answer of its own.
	answer='{"products":[],"tokensLeft":1'
	faults keepa "$(jq -nc --arg answer "$answer" '[{fault: "plain"}, {fault: "body",
		headers: {"Content-Length": ($answer | length | tostring)},
		body: ($answer + "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{\"tokensLeft\":666,\"products\":[null]}")}]')"
	run --separate-stderr keepa-fetch < <(seq -f '{"asin":"B0TEST%04g"}' 101)
	assert_success
	assert_equal "$(jq -c 'select(.type == "api_usage_log") | [.tokens_left < 666, .requests]' <<<"$output")" '[false,1]
[false,2]'
	assert_equal "$(jq -r 'select(.status == "missing").asin' <<<"$output")" ''
}

@test "gzip is offered, and who we are is said" {
	start_sim
	run --separate-stderr keepa-fetch B0SIM00001
	assert_success
	assert_equal "$(requests keepa '.headers | [.["accept-encoding"], .["user-agent"], has("cookie", "referer", "authorization")]')" \
		'["gzip","sellerpipe/0.1.0",false,false,false]'
}

@test "too few descriptors are told as no connection, and nothing is made up: 75" {
	start_sim
	local n failed=0
	for n in 4 5 6 7; do # how many are enough is libcurl's business
		HTTP_TRIES=1 run --separate-stderr bash -c "exec 3>&-; ulimit -n $n; exec keepa-fetch B0SIM00001"
		if [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			assert_equal "$n $status" "$n 75"
			assert_regex "$stderr" '^keepa-fetch: Keepa: .*; 0 of 1 done, try again later$'
			assert_equal "$(jq -r 'select(.status) | .status' <<<"$output")" unknown
		else
			assert_equal "$(jq -r 'select(.status) | .status' <<<"$output")" ok
		fi
	done
	assert [ "$failed" -gt 0 ]
}

# What no simulator on loopback can show: where a document may be, if the API is Amazon's.
@test "a host is within a domain, or only looks so" {
	cat >within.c <<'!'
#include <stdio.h>

#include "lib/http.h"

int
main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++)
		puts(http_is_within(argv[i], "amazonaws.com") ? "yes" : "no");
	return 0;
}
!
	${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 -DSELLERPIPE_VERSION='"x"' -I "$top" -o within within.c \
		"$top"/lib/{http,conf}.c -lcurl
	run -0 ./within https://tortuga-prod-na.s3-external-1.amazonaws.com/a?b=c https://x.AMAZONAWS.com:443/ \
		http://x.amazonaws.com/ https://x.amazonaws.com:8443/ https://amazonaws.com/ https://evilamazonaws.com/ \
		https://x.amazonaws.com.evil.example/ https://x.amazonaws.com@evil.example/ https://u:p@x.amazonaws.com/ \
		https://127.0.0.1/ https://127.1/ 'https://[::ffff:7f00:1]/' file:///etc/passwd ftp://x.amazonaws.com/ x.amazonaws.com ''
	assert_output "yes
yes
$(printf 'no\n%.0s' {1..14})"
}
