#!/usr/bin/env bash
# Installs the other implementations that the tests talk to. What cannot be had is said on stderr and
# left out: its tests then say that they are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

debian_packages=(
  openssl
  gnutls-bin
  coturn
  chromium
  curl
  dante-server
  proxychains4
  gcc
  libc6-dev
  libusrsctp-dev
  iproute2
  dnsutils
  iperf3
  nftables
  openssh-client
  openssh-server
  git
  curl
  netcat-openbsd
  redis-server
  nginx-light
  zsh
  fish
)

# Programs in Go, each in a folder of its own.
go_programs=(
  pion_dtls
  pion_webrtc
)
go_version=1.24

warn() {
  echo "MISSING: $*" >&2
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" == installed ]]
}

install_debian_packages() {
  local package missing=()
  if ! command -v apt-get > /dev/null; then
    warn "no apt-get here: install yourself what is not there of: ${debian_packages[*]}"
    return
  fi
  for package in "${debian_packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  # An update that fails in part may still do.
  as_root apt-get update --quiet=2 || warn "apt-get update failed"
  # One by one: not all systems have all of them, and apt-get installs all that it is told or nothing.
  for package in "${missing[@]}"; do
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install --yes --quiet=2 --no-install-recommends "$package" ||
      warn "apt-get could not install $package"
  done
}

find_go() {
  local go version
  for go in go /usr/local/go/bin/go; do
    version="$("$go" env GOVERSION 2> /dev/null)" || continue
    version="${version#go}"
    if [[ "$(printf '%s\n' "$go_version" "${version%% *}" | sort -V | head -n 1)" == "$go_version" ]]
    then
      echo "$go"
      return
    fi
  done
  return 1
}

build_go_programs() {
  local go program
  if ! go="$(find_go)"; then
    warn "no go of $go_version or later: not built: ${go_programs[*]}"
    return
  fi
  for program in "${go_programs[@]}"; do
    # With this toolchain or not at all, and with what go.sum names.
    GOTOOLCHAIN=local GOFLAGS= "$go" build -C "$program" -trimpath -o "../bin/$program" . ||
      warn "go could not build $program"
  done
}

build_usrsctp_peer() {
  if ! command -v gcc > /dev/null || [[ ! -e /usr/include/usrsctp.h ]]; then
    warn "no gcc, or no usrsctp.h: not built: usrsctp_peer"
    return
  fi
  mkdir -p bin
  gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -o bin/usrsctp_peer usrsctp/usrsctp_peer.c -lusrsctp ||
    warn "gcc could not build usrsctp_peer"
}

# node-datachannel, which brings libdatachannel.
install_libdatachannel() {
  local folder=bin/libdatachannel
  if ! command -v npm > /dev/null; then
    warn "no npm: not installed: libdatachannel"
    return
  fi
  if cmp --quiet libdatachannel/package-lock.json "$folder/node_modules/.installed"; then return; fi
  mkdir -p "$folder"
  cp libdatachannel/package.json libdatachannel/package-lock.json "$folder"
  if npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error; then
    cp libdatachannel/package-lock.json "$folder/node_modules/.installed"
  else
    warn "npm could not install libdatachannel"
  fi
}

install_aiortc() {
  local folder=bin/aiortc
  if cmp --quiet aiortc/requirements.txt "$folder/.installed"; then return; fi
  if python3 -m venv "$folder" &&
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r aiortc/requirements.txt
  then
    cp aiortc/requirements.txt "$folder/.installed"
  else
    warn "no python3 with venv, or pip could not install aiortc"
  fi
}

install_debian_packages
build_go_programs
build_usrsctp_peer
install_libdatachannel
install_aiortc
