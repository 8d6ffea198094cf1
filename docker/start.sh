#!/bin/sh
# The container's process: Debian's httpd in the foreground. Not apachectl: that would stay in front of httpd and keep
# the signals for itself.
set -e
# shellcheck disable=SC1091
. /etc/apache2/envvars
mkdir -p "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR"
rm -f "$APACHE_PID_FILE"
exec apache2 -D FOREGROUND
