#!/bin/sh
# A Java for Apache Spark: a machine that has one is left alone; Debian's is installed where this user may do so.
if [ -n "$JAVA_HOME" ] && [ -x "$JAVA_HOME/bin/java" ]; then exit 0; fi
# macOS has a /usr/bin/java that only says that there is none.
if command -v java >/dev/null 2>&1 && java -version >/dev/null 2>&1; then exit 0; fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing openjdk-17-jre-headless for Apache Spark"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq openjdk-17-jre-headless >/dev/null 2>&1 \
    || { apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless >/dev/null; } && exit 0
fi
echo "The tests on Apache Spark need a JDK 17. Install one, for example:" >&2
echo "  sudo apt-get install openjdk-17-jre-headless    or    brew install openjdk@17" >&2
echo "then run make test again. Without one everything but the spark engine works." >&2
exit 1
