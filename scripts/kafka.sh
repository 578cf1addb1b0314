#!/usr/bin/env bash
# One Apache Kafka node (KRaft, no ZooKeeper) for tests and for trying Voorveld on a broker. Not for production.
#
#   scripts/kafka.sh start     starts it, if it is not running yet, and prints its address (host:port)
#   scripts/kafka.sh stop      stops it and erases its data; the downloaded jars stay
#   scripts/kafka.sh status    prints its address, or exits 1
#   scripts/kafka.sh jars      fetches the jars, if need be, and prints their folder: for who runs a node of its own
#
# Everything it makes stands in .voorveld/kafka (or $VOORVELD_KAFKA_DIR). Needs Java 17 or later, and Maven for the first start.
set -euo pipefail

version=4.4.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${VOORVELD_KAFKA_DIR:-$here/../.voorveld/kafka}
mkdir -p "$home"
home=$(cd "$home" && pwd)
libs=$home/libs-$version

say() { echo "kafka: $*" >&2; }

# Whether the recorded process is still ours; a process id alone may by now belong to somebody else.
running() {
    [[ -s $home/pid ]] || return 1
    local pid
    pid=$(<"$home/pid")
    [[ -r /proc/$pid/cmdline ]] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$home/server.properties"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        answers "$port" || break
    done
    echo "$port"
}

fetch() {
    [[ -f $libs/complete ]] && return
    command -v mvn >/dev/null || { say "Maven is missing: install maven"; exit 1; }
    say "fetching Apache Kafka $version from Maven Central (once, 43 MB)"
    rm -rf "$libs"
    mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
    touch "$libs/complete"
}

java_with() { java -cp "$libs/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "$@"; }

start() {
    if running; then
        cat "$home/address"
        return
    fi
    command -v java >/dev/null || { say "Java is missing: install openjdk-17-jre-headless"; exit 1; }
    fetch
    rm -rf "$home/data" "$home/pid" "$home/address"
    local broker controller
    broker=$(free_port)
    controller=$(free_port)
    while [[ $controller == "$broker" ]]; do controller=$(free_port); done
    cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
log.dirs=$home/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
PROPERTIES
    local id
    id=$(java_with kafka.tools.StorageTool random-uuid 2>>"$home/kafka.log")
    java_with kafka.tools.StorageTool format --standalone -t "$id" -c "$home/server.properties" >>"$home/kafka.log" 2>&1
    # Its own session, so that an interrupt meant for the caller does not stop it before the caller is done with it.
    setsid java -Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$libs/*" \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        kafka.Kafka "$home/server.properties" >>"$home/kafka.log" 2>&1 </dev/null &
    echo $! >"$home/pid"
    for _ in $(seq 300); do
        if ! running; then
            break
        elif answers "$broker"; then
            echo "127.0.0.1:$broker" | tee "$home/address"
            return
        fi
        sleep 0.1
    done
    say "it did not start; its log says:"
    tail -n 20 "$home/kafka.log" >&2
    stop
    exit 1
}

stop() {
    if running; then
        local pid
        pid=$(<"$home/pid")
        kill "$pid"
        for _ in $(seq 100); do
            running || break
            sleep 0.1
        done
        if running; then kill -9 "$pid"; fi
    fi
    rm -rf "$home/data" "$home/pid" "$home/address" "$home/server.properties" "$home/kafka.log"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status) running && cat "$home/address" ;;
jars)
    fetch
    echo "$libs"
    ;;
*)
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
