#!/usr/bin/env bats
# json.bats - what is JSON and what is not, as every program that reads it sees it
#
# RFC 8259 decides.  Where python's json decides the same, it is asked too.
# shellcheck disable=SC2154 # run sets stderr
# shellcheck disable=SC1003 # a backslash that ends a text escapes nothing
load helper

setup() {
	clean_room
}

# lines: standard input's texts as lines of bytes, <ff> standing for one.
lines() {
	python3 -c '
import re, sys
text = re.sub(rb"<([0-9a-f]{2})>", lambda m: bytes([int(m[1], 16)]), sys.stdin.buffer.read())
for line in text.splitlines():
    sys.stdout.buffer.write(b"{\"type\":\"x\",\"v\":%s}\n" % line)'
}

# accepts FILE, refuses FILE: each of its lines.
accepts() {
	run --separate-stderr eval "keepa-flatten <$1 >out"
	assert_equal "$stderr" ''
	assert_success
	cmp "$1" out
}

refuses() {
	run --separate-stderr eval "keepa-flatten <$1"
	assert_failure 65
	refute_output
	diff <(seq "$(wc -l <"$1")") <(cut -d: -f3 <<<"$stderr") ||
		fail 'of these lines (<) nothing was said'
}

# column TEXT MESSAGE: why a line of this text is refused.
column() {
	run --separate-stderr keepa-flatten <<<"$1"
	assert_equal "$stderr" "keepa-flatten: stdin:1: $2"
	assert_failure 65
	refute_output
}

# agrees FILE: keepa-flatten refuses those lines that python refuses.
agrees() {
	keepa-flatten <"$1" 2>said >out && status=0 || status=$?
	python3 - "$1" >expected <<'!'
import json, sys

def no(constant):
    raise ValueError(constant)

for number, line in enumerate(open(sys.argv[1], "rb").read().split(b"\n")[:-1], 1):
    try:
        json.loads(line.decode("utf-8"), parse_constant=no, parse_int=str, parse_float=str)
    except ValueError:
        print(number)
!
	diff expected <(cut -d: -f3 said) ||
		fail 'refused only by python (<), only by keepa-flatten (>)'
	[ -s expected ]
	[ "$status" -eq 65 ]
	# The others have passed as they came.
	cmp <(awk 'NR == FNR {bad[$1]; next} !(FNR in bad)' expected "$1") out
}

@test "JSON passes as it came" {
	lines >in <<'!'
0
-0
-0.0
-0e-0
7
1234567890123456789012345678901234567890
1.5
0.0000000000000000000000000000000001
1e5
1E5
1e+5
1E-5
1e999
-1e999
0e1
1.0e00
true
false
null
""
" "
"/\/\"\\\b\f\n\r\t"
"\u0000\u001f\u007f\u0080\uFFFF\uffff\uAbCd"
"\ud800\udc00\uDBFF\uDFFF\uD83d\ude00"
"\ud7ff\ue000"
"\\u12"
"<7f>"
"<c2><80><df><bf>"
"<e0><a0><80><ed><9f><bf><ee><80><80><ef><bf><bf>"
"<f0><90><80><80><f4><8f><bf><bf>"
"<ef><bb><bf>"
"<e2><80><a8><e2><80><a9>"
"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"aaaaaaaaaaaaaaa\"aaaaaaaaaaaaaaaa\\aaaaaaaaaaaaaaé"
[]
[ ]
[[]]
[[],[[]],{}]
[0]
[-0]
[-1,0,-0,10]
[ 1 , 2	,3 ]
[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]
[1234567890123456,1234567890123456,-123456789012345,-0,0,-1]
[123456789012345678901234567890123456789012345678901234567890]
[1,2,3,4,5,6,7,8,9.5,1e3,null,"x",{"a":[1]},[2],true]
[1,2,3,4,5,6,7,8,9, 10,11,12,13,14,15,16,17,18]
{}
{ }
{"":0}
{"a":1,"a":2}
{"<c3><a9>":"\u00e9"}
{"a" : 1 ,	"b":{ "c" : [ ] } }
!
	accepts in
}

@test "what is no JSON is refused" {
	lines >in <<'!'
01
-01
00
-
+1
--1
.5
-.5
1.
1.e5
1e
1e+
1e5.5
1.5.5
1 2
0x10
1_000
1a
NaN
nan
Infinity
-Infinity
inf
tru
True
TRUE
truex
nul
nulll
undefined
'x'
x
"
"abc
"\"
"\x"
"\'"
"\a"
"\0"
"\u"
"\u12"
"\u123"
"\u123g"
"\u 123"
"\U0041"
"\u-123"
"\ud800"
"\udc00"
"\udfff\ud800"
"\udc00\udc00"
"\ud800\ud800"
"\ud800x"
"\ud800\n"
"\ud83d\u0041"
"\ud800\u"
"\ud800\udc0"
"<00>"
"<01>"
"<1f>"
"	"
"<0d>"
"<80>"
"<bf>"
"<c0><80>"
"<c0><af>"
"<c1><bf>"
"<c2>"
"<c2>A"
"<df><c0>"
"<e0><80><af>"
"<e0><9f><bf>"
"<e1><80>"
"<e2><82>A"
"<e2>A<ac>"
"<ed><a0><80>"
"<ed><bf><bf>"
"<ef><bf>"
"<f0><80><80><af>"
"<f0><8f><bf><bf>"
"<f0><9f><98>"
"<f0><9f><98>A"
"<f0><9f>A<80>"
"<f4><90><80><80>"
"<f5><80><80><80>"
"<f8><88><80><80><80>"
"<fe>"
"<ff>"
<00>
<ef><bb><bf>1
<c2><a0>1
<0b>1
<0c>1
[
]
[1
[1,
[1,]
[,1]
[,]
[1,,2]
[1 2]
["a" "b"]
[1}
[1],
[1]]
[-]
[1,-]
[1,-,2]
[1,--2]
[1,2-]
[1,2-3]
[01]
[1,02]
[-01]
[1;2]
["a]
[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,018,19]
[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,]
{
}
{"a"
{"a"}
{"a":
{"a":}
{"a":1
{"a":1,
{"a":1,}
{,}
{,"a":1}
{"a":1,,"b":2}
{"a":1 "b":2}
{"a" 1}
{"a"::1}
{"a",1}
{a:1}
{'a':1}
{1:1}
{null:1}
{"a":1]
{"<ff>":1}
{"\ud800":1}
{"a":1}/**/
/**/1
#1
!
	refuses in
}

@test "a line is one object, whatever is before and after it" {
	printf '%s\n' '[]' '1' '"x"' 'null' '{}{}' '{} {}' '{}x' '{},' 'x{}' '{}}' ' ' '#' >in
	printf '\xef\xbb\xbf{}\n{}\0\n\0{}\n\0\n\x1e{}\n\x0c{}\n{}\xc2\xa0\n' >>in
	refuses in
	printf '%s\n' '{}' ' {}' '{} ' $'\t{}\t' $'{}\r' $'\r {}' >in
	accepts in
}

@test "a refused line says at which byte, and why" {
	column '{"type"}' "column 8: expected ':'"
	column '{"type":}' 'column 9: unexpected character'
	column '{"type":1,}' 'column 11: expected a name in quotes'
	column '{"type":1 2}' "column 11: expected ',' or '}'"
	column '{"a":[1 2]}' "column 9: expected ',' or ']'"
	column '{"a":[1,]}' 'column 9: unexpected character'
	column '{"a":01}' 'column 7: number with a leading zero'
	column '{"a":-x}' 'column 7: expected a digit'
	column '{"a":1.}' 'column 8: expected a digit'
	column '{"a":1e+}' 'column 9: expected a digit'
	column '{"a":+1}' 'column 6: unexpected character'
	column '{"a":trux}' 'column 6: unexpected character'
	column '{"a":"\x"}' 'column 8: unknown escape'
	column '{"a":"\u12"}' 'column 7: \u without four hex digits'
	column '{"a":"éé\ud800"}' 'column 11: half of a surrogate pair'
	column $'{"a":"é\tb"}' 'column 9: control character in a string'
	column $'{"a":"é\xc3"}' 'column 9: not UTF-8'
	column '{"a":"abc' 'column 10: unexpected end of data'
	column '{"a":"ab\n\' 'column 12: unexpected end of data'
	column '{"a":1}x' 'column 8: more than one JSON value'
	column $'\xef\xbb\xbf{}' 'column 1: not a JSON object'
	column '  ' 'column 3: unexpected end of data'
	column '{"type":1,"type":2}' 'column 11: a field that occurs twice'
	column '{"a":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,00]}' \
		'column 46: number with a leading zero'
}

@test "a NUL is refused by its name, wherever it stands" {
	printf '{"a":"b\0c"}\n{"a":\0}\n{}\0\n\0\n{"a\0":1}\n{"a":1\0}\n' >in
	run --separate-stderr eval 'keepa-flatten <in'
	assert_equal "$stderr" "keepa-flatten: stdin:1: column 8: NUL byte
keepa-flatten: stdin:2: column 6: NUL byte
keepa-flatten: stdin:3: column 3: NUL byte
keepa-flatten: stdin:4: column 1: NUL byte
keepa-flatten: stdin:5: column 4: NUL byte
keepa-flatten: stdin:6: column 7: NUL byte"
}

# nested N OPEN CLOSE: a line of so many levels, the outermost an object.
nested() {
	python3 -c '
import sys
n, left, right = int(sys.argv[1]) - 1, sys.argv[2], sys.argv[3]
print("{\"a\":" + left * n + ("1" if left != "[" else "") + right * n + "}")' "$@"
}

@test "64 levels are taken, and one more is refused" {
	{
		nested 64 '[' ']'
		nested 64 '{"a":' '}'
		nested 64 '[1,' ']' | sed 's/1\]/1,2]/'
	} >in
	sed -i 's/\[1,1,2\]/[1,2]/' in
	accepts in
	column "$(nested 65 '[' ']')" 'column 69: nested deeper than 64 levels'
	column "$(nested 65 '{"a":' '}')" 'column 321: nested deeper than 64 levels'
}

@test "a hundred thousand levels do no harm" {
	python3 -c 'print("{\"a\":" + "[" * 100000); print("{\"a\":" * 100000)' >in
	refuses in
}

@test "UTF-8 is looked at wherever it stands in a string" {
	python3 - >in <<'!'
import sys
good = [b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf", b'\\"', b"\\\\", b"\\u00e9", b"\\ud83d\\ude00"]
bad = [b"\x80", b"\xc3", b"\xc0\xaf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xe2\x82", b"\xf0\x8f\xbf\xbf",
       b"\xf4\x90\x80\x80", b"\xff", b"\x1f", b"\x00", b'"', b"\\", b"\\u00g0"]
for part in good + bad:
    for before in range(35):
        for after in (0, 1, 15, 16, 17):
            sys.stdout.buffer.write(
                b'{"v":"%s%s%s"}\n' % (b"a" * before, part, b"b" * after))
!
	agrees in
}

# Lists of integers are looked at 16 bytes at once.
integers() {
	python3 - "$@" <<'!'
import random, sys
rng = random.Random(1)
texts = set()
for base in ("1,22,333,4444,55555,666666,7777777,88888888,999999999",
             "-1,0,-22,10,-333,100,-4444,1000,-55555,10000,-0,7",
             "1234567890123456,1234567890123456,1234567890123456"):
    texts.add(base)
    for at in range(len(base) + 1):
        for c in "-,05 .eE+]}[\"a/:":
            texts.add(base[:at] + c + base[at:])
            texts.add(base[:at] + c + base[at + 1:])
        texts.add(base[:at] + base[at + 1:])
        texts.add(base[:at])
for before in range(1, 40):
    for element in ("-01", "01", "00", "-", "--1", "-,", "", "0", "-0", "10", "-10"):
        texts.add("1" * before + "," + element + ",2" * 20)
for _ in range(20000):
    texts.add("".join(rng.choices("0123456789,,,-", k=rng.randint(1, 52))))
for text in sorted(texts):
    print('{"v":[%s%s]}' % (sys.argv[1], text))
!
}

@test "lists of integers: an error is seen wherever it stands" {
	integers '' >in
	agrees in
}

@test "lists of integers: a byte that is none of ASCII is seen wherever it stands" {
	python3 - >in <<'!'
import sys
base = b"1,22,333,4444,55555,666666,7777777,88888888"
for at in range(len(base)):
    for c in (0, 9, 0x1f, 0x7f, 0x80, 0xb0, 0xff):
        sys.stdout.buffer.write(b'{"v":[%s%c%s]}\n' % (base[:at], c, base[at + 1:]))
!
	agrees in
}

@test "lists of integers: an error is at the same column, however it was looked at" {
	columns() { # columns FILE: the lines refused, at which column, and why
		run --separate-stderr eval "keepa-flatten <$1"
		assert_failure 65
		awk -F '[: ]+' -v more="$2" '{$1 = $2 = $4 = ""; $5 += more; print}' <<<"$stderr"
	}
	integers '' | grep -v ':\[\]' >fast # which is a list, and [null,] is none
	integers null, | grep -v 'null,\]' >slow # among the first 16 bytes: one by one
	columns fast 5 >a
	columns slow 0 >b
	[ "$(wc -l <a)" -gt 5000 ]
	cmp a b
}

@test "a wanted field that occurs twice makes the line bad" {
	column '{"asin":"A","type":"x","asin":"A"}' 'column 24: a field that occurs twice'
	column '{"type":"keepa_product","product":{"title":1,"title":2}}' \
		'column 46: a field that occurs twice'
	column '{"type":"x","\u0061sin":1,"asi\u006e":2}' 'column 27: a field that occurs twice'
}

@test "a field that is not wanted may occur twice, and so may a wanted one elsewhere" {
	cat >in <<'!'
{"x":1,"x":2,"type":"x"}
{"type":"x","other":{"type":1,"type":2,"title":1,"title":2}}
{"type":"x","product":[{"title":1,"title":2}]}
{"type":"x","title":1,"title":2}
!
	accepts in
}

@test "a name is the same, however it is spelled" {
	escaped() { # escaped NAME: each character as \u00xx
		python3 -c 'import sys; print("".join("\\u%04x" % ord(c) for c in sys.argv[1]), end="")' "$1"
	}
	cat >in <<!
{"$(escaped type)":"$(escaped asin_history)","$(escaped marketplace)":"US","asin":"B00TEST001","$(escaped check_timestamp)":"2026-11-20T08:00:00Z","$(escaped source_updated_at)":"2026-11-20T07:59:00Z","$(escaped sales_ranks)":{"1":{"rank":2}}}
!
	run --separate-stderr badge-diff <in
	assert_success
	assert_equal "$stderr" ''
	assert_line --index 1 '{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","status":"ok","last_updated":"2026-11-20T08:00:00Z","source_updated_at":"2026-11-20T07:59:00Z","sales_ranks":{"1":{"rank":2,"since":"2026-11-20T08:00:00Z"}},"bestseller_badges":[]}'
}

@test "a text says the same, however it is spelled" {
	cat >in <<'!'
{"type":"categories","marketplace":"US","category_id":"1","name":"\u0041\u00e9\u20ac\ud83d\ude00\uffff\ud800\udc00\udbff\udfff/\/\b\f\n\r\t\"\\"}
{"type":"categories","marketplace":"US","category_id":"2","name":"plain é€😀 text"}
{"type":"categories","marketplace":"US","category_id":"3","name":"\\u0041\\n"}
!
	db-load <in
	assert_equal "$(db-query categories -o category_id | jq .name)" "$(jq .name in)"
}
