#!/usr/bin/env bash
# Installs what is missing on Debian or Ubuntu; with everything there it says nothing and takes no time.
#
#   scripts/install.sh demo     what building and running Voorveld needs
#   scripts/install.sh test     besides, what its tests need: Java and Maven, for a real Apache Kafka
#
# It uses apt-get as root or with a sudo that asks no password; otherwise it says exactly what to install. The Rust toolchain is yours to bring:
# rustup reads the version from rust-toolchain.toml.
set -euo pipefail

goal=${1:-demo}
missing=()

# need <package> <what shows that it is there …>
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
has() { command -v "$1"; }
postgres_is_there() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || has initdb; }
header_is_there() { echo "#include <$1>" | cc -E - ; }
java_is_there() { java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])'; }

if ! command -v cargo >/dev/null; then
    if [[ -x $HOME/.cargo/bin/cargo ]]; then
        echo "install: cargo is in ~/.cargo/bin, which is not on your PATH: run '. ~/.cargo/env' and try again" >&2
    else
        echo "install: Rust is missing. Install it with rustup (https://rustup.rs), then try again" >&2
    fi
    exit 1
fi

need build-essential eval 'has cc && has c++ && has make'
need pkg-config has pkg-config
need libssl-dev header_is_there openssl/ssl.h
need zlib1g-dev header_is_there zlib.h
need postgresql postgres_is_there
if [[ $goal == test ]]; then
    need openjdk-17-jre-headless java_is_there
    need maven has mvn
    need python3 has python3
    need python3-venv python3 -c 'import ensurepip'
fi
if [[ ${#missing[@]} == 0 ]]; then exit 0; fi

# Which Java of 17 or later a release carries differs.
if [[ " ${missing[*]} " == *" openjdk-17-jre-headless "* ]] && command -v apt-cache >/dev/null &&
    ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
    missing=("${missing[@]/openjdk-17-jre-headless/default-jre-headless}")
fi

as_root=()
if [[ $(id -u) != 0 ]]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || as_root=(false)
fi
if ! command -v apt-get >/dev/null || [[ ${as_root[*]:-} == false ]]; then
    echo "install: these packages are missing, and this script may not install them:" >&2
    echo "  sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "install: installing ${missing[*]} (apt-get)" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
