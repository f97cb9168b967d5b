# Write SQL as C: of each file a migration, in an array called name; each line is a
# string.  A file whose name has no number gets its place among those given.
function version(path) {
	sub(/.*\//, "", path)
	return path ~ /^[0-9]/ ? path + 0 : ++place
}
BEGIN {
	print "/* Made from load/schema by the Makefile: edit what is there. */"
	print "#include <stddef.h>\n"
	print "#include \"lib/db.h\"\n"
	print "extern const struct db_migration " name "[];"
	print "const struct db_migration " name "[] = {"
}
FNR == 1 {
	if (NR > 1)
		print "        NULL}},"
	printf "    {%d, (const char *const[]){\n", version(FILENAME)
}
{
	gsub(/\\/, "\\\\&")
	gsub(/"/, "\\\"")
	gsub(/\?/, "\\?") # or ??- would be a trigraph
	print "        \"" $0 "\\n\","
}
END {
	print "        NULL}},"
	print "    {0, NULL}};"
}
