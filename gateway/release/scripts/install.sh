# Installs the deb package $2 in a copy-on-write copy of this machine's root folder, which ends with the mount namespace. It
# changes the configuration, upgrades to the package $3, checks that the configuration is kept, and removes all.
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
cp "$2" "$1/root/first.deb"
cp "$3" "$1/root/second.deb"
exec chroot "$1/root" sh -exc '
	mount -t proc proc /proc
	dpkg --install /first.deb
	gateway version
	test "$(stat -c "%a %U:%G" /etc/eventgateway/env)" = "640 root:eventgateway"
	test -s /usr/share/doc/eventgateway/README.md
	systemd-analyze verify eventgateway.service eventgateway.socket
	systemd-analyze security --offline=true --threshold=15 eventgateway.service >/dev/null # of 100
	cd /etc/eventgateway
	echo "DATABASE_URL=postgres://db/orders" >> env
	echo "REDIS_URL=redis://redis" >> env
	echo "# changed by its owner" >> gateway.yaml
	setpriv --reuid=eventgateway --regid=eventgateway --init-groups gateway check --env-file env
	dpkg --install /second.deb
	grep -q "changed by its owner" gateway.yaml
	grep -q "DATABASE_URL=postgres://db" env
	dpkg --purge eventgateway
	test ! -e /usr/bin/gateway
	test ! -e /etc/eventgateway/gateway.yaml
'
