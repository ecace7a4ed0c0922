package loopback

import "testing"

func TestIsHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.200.3.4": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.org": false, "localhost.": false, "127.0.0.1.example.org": false, "128.0.0.1": false, "0.0.0.0": false,
		"127.1": false, "0177.0.0.1": false, "2130706433": false, "::": false, "::1%eth0": false, "[::1]": false, "fe80::1": false,
	} {
		if IsHost(host) != want {
			t.Errorf("IsHost(%q) is %t", host, !want)
		}
	}
}
