# What systemd does with the installed service. It runs in a namespace of its own: see machine.sh.
address=127.0.0.1:18080
cat >/etc/eventgateway/gateway.yaml <<-CONFIG
	http: {listen: "$address"}
	sources: {made: {type: generate, rate: 10}}
	sinks: {browsers: {type: websocket}}
	routes: {all: {from: [made], to: [browsers]}}
CONFIG
mkdir -p /run/systemd/system/eventgateway.service.d /run/systemd/system/eventgateway.socket.d
printf '[Service]\nWatchdogSec=3\n' >/run/systemd/system/eventgateway.service.d/short.conf
printf '[Socket]\nListenStream=\nListenStream=%s\n' "$address" >/run/systemd/system/eventgateway.socket.d/address.conf
systemctl daemon-reload

# It starts with all limits of the unit, and start returns when it is ready.
systemctl start eventgateway
test "$(curl --silent "http://$address/readyz")" = ready
curl --silent "http://$address/metrics" | grep --quiet '^process_start_time_seconds '
setpriv --reuid=eventgateway --regid=eventgateway --clear-groups env XDG_STATE_HOME=/var/lib gateway status -c /etc/eventgateway/gateway.yaml

# A reload waits for its result. A broken configuration fails it, and changes nothing.
systemctl reload eventgateway
cp /etc/eventgateway/gateway.yaml /tmp/gateway.yaml
echo broken >>/etc/eventgateway/gateway.yaml
! systemctl reload eventgateway
test "$(systemctl is-active eventgateway)" = active
for _ in $(seq 60); do
	systemctl show --property StatusText eventgateway | grep --quiet 'degraded: configuration: reload failed' && break
	sleep 0.5
done
systemctl show --property StatusText eventgateway | grep 'degraded: configuration: reload failed'
cp /tmp/gateway.yaml /etc/eventgateway/gateway.yaml

# A process that does nothing is ended by the watchdog, and started again.
process=$(systemctl show --property MainPID --value eventgateway)
kill -STOP "$process"
for _ in $(seq 120); do
	[ "$(systemctl show --property NRestarts --value eventgateway)" = 1 ] && break
	sleep 0.5
done
test "$(systemctl show --property NRestarts --value eventgateway)" = 1
systemctl stop eventgateway

# The socket is kept over a restart: each request is answered.
systemctl start eventgateway.socket
test "$(curl --silent --max-time 60 "http://$address/readyz" | wc -l)" = 1
(
	for _ in $(seq 60); do
		curl --silent --output /dev/null --max-time 60 --write-out '%{http_code}\n' "http://$address/healthz"
	done >/tmp/codes
) &
sleep 0.1
systemctl restart eventgateway
wait
test "$(sort /tmp/codes | uniq -c | tr -s ' ')" = " 60 200"
systemctl stop eventgateway eventgateway.socket
test "$(systemctl show --property Result --value eventgateway)" = success
