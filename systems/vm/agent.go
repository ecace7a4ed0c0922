package vm

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
)

// agentScript is the program in the machine, for a POSIX shell.
//
//go:embed agent.sh
var agentScript string

// shellPort is the name of the port that it listens at.
const shellPort = "sysc.test"

// An Agent is what a machine needs to carry out commands of a [Shell]: files of its own
// below /etc, which are no part of the system that is tested. It needs systemd, a POSIX
// shell and coreutils, and for an address in a network of machines networkd or ip(8).
type Agent struct {
	// MAC is the machine's card, and Address what it has in the network, as
	// "192.168.1.1/24".
	MAC, Address string
	// Hosts are the addresses of all machines, by name.
	Hosts map[string]string
}

// agentUnit starts it, once the system has what services rely on.
const agentUnit = `[Unit]
Description=Commands of a test
After=systemd-networkd.service

[Service]
ExecStart=/bin/sh /etc/sysc-test/agent ` + shellPort + `
# What commands leave running is theirs.
KillMode=process
Restart=on-failure
RestartSec=1
`

// agentNetwork gives the card its address where networkd is in charge.
const agentNetwork = `[Match]
MACAddress=%s

[Link]
RequiredForOnline=no

[Network]
Address=%s
LinkLocalAddressing=no
IPv6AcceptRA=no
`

// Files are the texts of its files, by their paths in /etc.
func (a *Agent) Files() map[string]string {
	hosts := "# machines of the test\n"
	for _, name := range slices.Sorted(maps.Keys(a.Hosts)) {
		hosts += a.Hosts[name] + " " + name + "\n"
	}
	return map[string]string{
		"sysc-test/agent":   agentScript,
		"sysc-test/address": a.Address + "\n",
		"sysc-test/mac":     a.MAC + "\n",
		"sysc-test/hosts":   hosts,

		"systemd/system/sysc-test.service":                  agentUnit,
		"systemd/system/multi-user.target.d/sysc-test.conf": "[Unit]\nWants=sysc-test.service\n",
		"systemd/network/10-sysc-test.network":              fmt.Sprintf(agentNetwork, a.MAC, a.Address),
	}
}
