# Carries out what a test asks for, as root: a request is a line of a number and a command
# in base64, the answer a line of the number, the exit code and what it printed. What
# a machine says first is which boot it is.
# There is no dependency on the device's unit: systemd gives one 90 seconds, and on a machine
# that is busy a driver takes longer. A port is opened by one program at a time, so once.
until [ -e "/dev/virtio-ports/$1" ]; do sleep 0.2; done
exec 3<>"/dev/virtio-ports/$1" || exit
export HOME=/root
cd /
say() { printf '%s\n' "$*" >&3; }

# In a network of tests, without whoever else sets addresses up.
address=$(cat /etc/sysc-test/address) && mac=$(cat /etc/sysc-test/mac) || exit
grep -q '^# machines of the test$' /etc/hosts || cat /etc/sysc-test/hosts >>/etc/hosts
set_address() {
    ! systemctl --quiet is-active systemd-networkd.service || return 0
    command -v ip >/dev/null || { echo "there is no ip(8)"; return; }
    why="there is no network card $mac"
    # Its driver may come late, and udev gives it another name.
    for _ in $(seq 300); do
        for card in /sys/class/net/*; do
            [ "$(cat "$card/address")" = "$mac" ] || continue
            [ -e "/run/udev/data/n$(cat "$card/ifindex")" ] || [ ! -e /run/udev ] || continue
            why=$( { ip link set "${card##*/}" up && ip address replace "$address" dev "${card##*/}"; } 2>&1) && return
        done
        sleep 0.2
    done
    echo "$why"
}
trouble=$(set_address 2>/dev/null)

say ready "$(cat /proc/sys/kernel/random/boot_id)" "$(printf %s "$trouble" | base64 -w 0)"
while read -r number text <&3; do
    printf %s "$text" | base64 -d >/run/sysc-test.command
    sh -e /run/sysc-test.command </dev/null >/run/sysc-test.output 2>&1 3>&-
    code=$?
    say "$number" "$code" "$(tail -c 1048576 /run/sysc-test.output | base64 -w 0)"
done
