# Write the migrations of one dialect as C: each line of SQL is a string.
function version(path) {
	sub(/.*\//, "", path)
	return path + 0
}
BEGIN {
	print "/* Made from load/schema/sqlite by the Makefile: edit those. */"
	print "#include <stddef.h>\n"
	print "#include \"lib/db.h\"\n"
	print "const struct db_migration db_migrations[] = {"
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
