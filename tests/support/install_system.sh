#!/bin/sh
# Installs what some tests need beside Python packages: redis-server and chromium, from Debian. Never fails: a test whose
# program is missing skips and prints the reason.
missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v chromium >/dev/null || missing="$missing chromium"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed:$missing (needs root and apt-get): the tests that use them will be skipped" >&2
    exit 0
fi
echo "installing:$missing"
# shellcheck disable=SC2086 # a list of package names
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1; then
    echo "could not install:$missing: the tests that use them will be skipped" >&2
fi
exit 0
