#!/bin/sh
# What `make demo` runs: compose a Debian system from real packages, switch a
# directory to it, plan and switch an edit, and roll back.
set -eu

sysc=$PWD/bin/sysc
demo=${OUT:-out}/demo
chmod -R u+w "$demo" 2>/dev/null || true
rm -rf "$demo/definition" "$demo/machine"
mkdir -p "$demo"
demo=$(cd "$demo" && pwd)
cp -r examples/minimal "$demo/definition"
cd "$demo/definition"

# The store is kept between runs of the demo: the second one downloads nothing.
export SYSC_STORE="$demo/store"
machine=$demo/machine

say() { printf '\n\033[1m── %s\033[0m\n' "$*"; }
run() { printf '\033[1m$ sysc %s\033[0m\n' "$*"; "$sysc" "$@"; }

say "1. Pin the packages: Debian's signed indexes are verified, dependencies resolved"
run lock

say "2. What would switching an empty directory to this system do?"
run plan --root "$machine"

say "3. Do it: fetch, unpack, compose, configure, activate"
run switch --root "$machine"

say "4. The same again changes nothing"
run switch --root "$machine"

say "5. Edit one line of the definition and look at the plan"
sed -i 's/Welcome to a system composed by sysc\./Welcome back, generation two./' minimal.sysc.hcl
run plan --root "$machine"

say "6. Switch to it: no package is built again"
run switch --root "$machine"
printf '/etc/motd now says: '
cat "$machine/etc/motd"

say "7. And back"
run rollback --root "$machine"
printf '/etc/motd now says: '
cat "$machine/etc/motd"
run generations --root "$machine"

say "Where to look"
cat <<TEXT
  the definition        $demo/definition/minimal.sysc.hcl, and sysc.lock beside it
  the machine           $machine  (usr and etc lead into the current generation)
  its generations       $machine/sysc/generations
  the store             $SYSC_STORE
  try                   sysc plan --root $machine    (in the definition's directory)
TEXT
