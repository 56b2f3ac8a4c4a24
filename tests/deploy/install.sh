#!/usr/bin/env bash
# Installs a Debian package, runs what it brought, upgrades it and removes it, in a copy-on-write copy of this system with a
# network of its own. Nothing of it outlives the script. There is no systemd: its calls are recorded.
#
#   unshare --mount --net tests/deploy/install.sh PACKAGE
set -euo pipefail

package="$1"
step() { printf 'install.sh: %s\n' "$*"; }
fail() { printf 'install.sh: FAILED: %s\n' "$*" >&2; exit 1; }

work="$(mktemp -d)"
mount -t tmpfs tmpfs "$work"
trap 'umount -R --lazy "$work"; rmdir "$work"' EXIT
mkdir "$work/upper" "$work/work" "$work/system"
system="$work/system"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$system"
mount --rbind /dev "$system/dev"
mount --rbind /proc "$system/proc"
mount -t tmpfs tmpfs "$system/run"
mount -t tmpfs tmpfs "$system/tmp"
# A policy of this system that starts and stops nothing would hide what the package does.
rm -f "$system/usr/sbin/policy-rc.d"
cp "$package" "$system/tmp/package.deb"
ip link set lo up
inside=(chroot "$system" env -u NOTIFY_SOCKET PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
install() { "${inside[@]}" dpkg --force-unsafe-io --force-confold --install /tmp/package.deb > "$work/dpkg" 2>&1 || fail "$(cat "$work/dpkg")"; }
has() { [ -e "$system/$1" ]; }

step "installing"
install
unit=/usr/lib/systemd/system/batchgate.service
config=/etc/batchgate/batchgate.yaml
for file in usr/bin/batchgate "$unit" "$config"; do has "$file" || fail "there is no $file"; done
"${inside[@]}" systemd-analyze verify "$unit" || fail "systemd-analyze refuses the unit"

step "starting what the unit starts, as an unprivileged user"
command_of() { sed -n "s/^$1=//p" "$system$unit"; }
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
# shellcheck disable=SC2046
"${inside[@]}" "${as_nobody[@]}" $(command_of ExecStartPre) || fail "the configuration of the package is not good"
# shellcheck disable=SC2046
"${inside[@]}" "${as_nobody[@]}" $(command_of ExecStart) > "$work/log" 2>&1 &
gateway=$!
ready() { "${inside[@]}" batchgate health --config "$config" > /dev/null 2>&1; }
for _ in $(seq 100); do ready && break; kill -0 "$gateway" || fail "$(cat "$work/log")"; sleep 0.1; done
ready || fail "not ready: $(cat "$work/log")"
curl --silent --max-time 5 http://127.0.0.1:8080/ | grep -q "no routes yet" || fail "no answer"
kill -TERM "$gateway"
wait "$gateway" || fail "the gateway ends with $?: $(cat "$work/log")"

step "upgrading: the operator's configuration stays, a running gateway hands over and is not stopped"
echo "# mine" >> "$system$config"
mkdir -p "$system/run/systemd/system"
printf '#!/bin/sh\necho "$*" >> /run/calls\n' > "$system/usr/local/bin/systemctl"
chmod 755 "$system/usr/local/bin/systemctl"
install
grep -q '^# mine$' "$system$config" || fail "the operator's configuration is lost"
calls="$(cat "$system/run/calls")"
[[ "$calls" == *"kill --signal=QUIT --kill-whom=main batchgate.service"* ]] || fail "no hand-over: $calls"
[[ "$calls" != *" stop "* && "$calls" != *"stop batchgate"* ]] || fail "the gateway is stopped: $calls"

step "removing"
"${inside[@]}" dpkg --force-unsafe-io --remove batchgate > "$work/dpkg" 2>&1 || fail "$(cat "$work/dpkg")"
grep -q "stop .*batchgate.service" "$system/run/calls" || fail "the gateway is not stopped: $(cat "$system/run/calls")"
! has usr/bin/batchgate || fail "the program is still there"
has "$config" || fail "the configuration is gone"
"${inside[@]}" dpkg --force-unsafe-io --purge batchgate > "$work/dpkg" 2>&1 || fail "$(cat "$work/dpkg")"
! has etc/batchgate || fail "something of the configuration is left: $(ls "$system/etc/batchgate")"
! has usr/share/doc/batchgate || fail "the documents are left"
step "done"
