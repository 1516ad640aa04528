#!/bin/sh
# Stops the gateway before its removal, and not before an upgrade: the arguments are those of dpkg, rpm or apk.
set -e
case "${1:-}" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now eventgateway.service eventgateway.socket
fi
