// Package loopback knows the names of this machine itself, which what is not
// encrypted may be sent to.
package loopback

import "net/netip"

// IsHost reports whether a host of an address is this machine: "localhost", or an
// address of its loopback, without brackets. Names are not looked up.
func IsHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Zone() == "" && ip.IsLoopback()
}
