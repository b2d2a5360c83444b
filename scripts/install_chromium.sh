#!/bin/sh
# Installs the browser that the report's page is tested in (Debian, Ubuntu). Without it those tests skip.
set -eu
command -v chromium >/dev/null && exit 0
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -q
$as_root apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core
