# Installs Debian packages for the script that sources this. The script defines `say`, `fail`, and `missing_packages`, which
# prints what it needs and does not find, one name a line.

# Servers live in sbin, which is not on every user's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else fail "needs root to install packages: run as root, install sudo, or install them yourself: $*"
  fi
}

# Debian starts a daemon when it installs one, unless policy-rc.d says 101. The scripts start their
# own, so nothing may be left running; a policy that was there before is put back.
policy=/usr/sbin/policy-rc.d
policy_changed=
restore_policy() {
  [ -n "$policy_changed" ] || return 0
  if as_root test -e "$policy.before-batchgate"; then
    as_root mv "$policy.before-batchgate" "$policy"
  else
    as_root rm -f "$policy"
  fi
  policy_changed=
}
forbid_daemons() {
  if [ -e "$policy" ]; then as_root cp -a "$policy" "$policy.before-batchgate"; fi
  policy_changed=yes
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

install_packages() {
  local packages log
  mapfile -t packages < <(missing_packages | sort -u)
  [ "${#packages[@]}" -gt 0 ] || return 0
  have apt-get || fail "install these first (there is no apt-get here): ${packages[*]}"
  say "installing Debian packages: ${packages[*]}"
  trap restore_policy EXIT
  forbid_daemons
  as_root apt-get update -qq
  log="$(as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${packages[@]}" 2>&1)" || fail "apt-get failed: $log"
  restore_policy
  mapfile -t packages < <(missing_packages | sort -u)
  [ "${#packages[@]}" -eq 0 ] || fail "still missing after the installation: ${packages[*]}"
}
