# The crontab for users, as one for /etc/cron.d: its lines with a time, each with a
# user.  What goes before them is cron.head.
/^[0-9*]/!d
s,^\([^$]*[^$ ]\) *\(\$JOBS/job \([a-z]*\) .*\),\1 sellerpipe [ -d /run/systemd/system ] || [ ! -x $JOBS/job ] || ! $JOBS/configured \3 || \2,
