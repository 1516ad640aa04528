# Boots systemd in namespaces of its own, in a copy-on-write copy of this machine's root folder, installs the deb package
# $2 there, and runs systemd_steps.sh of the folder $3. It prints nothing; the steps write $3/result. Nothing of this machine is
# changed: the root, /proc/sys, /sys and the devices are the namespace's own, or read-only.
set -e
folder=$1 package=$2 exchange=$3
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
root=$folder/root
mkdir "$folder/upper" "$folder/work" "$root"
mount -t overlay overlay -o lowerdir=/,upperdir="$folder/upper",workdir="$folder/work" "$root"
cp "$package" "$root/package.deb"
mkdir "$root/exchange"
mount --bind "$exchange" "$root/exchange"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
	mkdir "$root/sys/fs/cgroup/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
chroot "$root" dpkg --install /package.deb >/dev/null
# systemd starts nothing but the steps, and what they start.
rm -rf "$root"/etc/fstab "$root"/lib/systemd/system/*.wants "$root"/etc/systemd/system/*.wants "$root"/lib/systemd/system-generators
cat >"$root/etc/systemd/system/steps.service" <<-'UNIT'
	[Unit]
	DefaultDependencies=no
	SuccessAction=exit-force
	FailureAction=exit-force
	[Service]
	Type=oneshot
	ExecStart=/bin/sh -ex /exchange/systemd_steps.sh
	ExecStart=/bin/sh -c 'echo passed > /exchange/result'
	StandardOutput=append:/exchange/log
	StandardError=append:/exchange/log
UNIT
cd "$root"
mkdir former
pivot_root . former
umount -l former
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=null --show-status=no --unit=steps.service
