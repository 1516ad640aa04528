#!/bin/sh
# Creates the user of the gateway. It starts nothing, because the gateway needs DATABASE_URL and REDIS_URL first.
set -e
if ! grep -q '^eventgateway:' /etc/group; then
	if command -v groupadd >/dev/null; then groupadd --system eventgateway; else addgroup -S eventgateway; fi
fi
if ! grep -q '^eventgateway:' /etc/passwd; then
	if command -v useradd >/dev/null; then
		useradd --system --gid eventgateway --home-dir /var/lib/eventgateway --no-create-home --shell /bin/false eventgateway
	else
		adduser -S -D -H -h /var/lib/eventgateway -s /bin/false -G eventgateway eventgateway
	fi
fi
chown root:eventgateway /etc/eventgateway/env
chmod 0640 /etc/eventgateway/env
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart eventgateway.service
fi
