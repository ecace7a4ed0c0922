package main

import (
	"bytes"
	"testing"

	"sysc/modules"
	"sysc/systems/distro/debian"
)

// TestSecurityUpdatesAreMarked: who reads what an update moved sees what is urgent.
func TestSecurityUpdatesAreMarked(t *testing.T) {
	p := func(name, version, archive string) debian.Package {
		return debian.Package{Name: name, Version: version, Archive: archive}
	}
	root := modules.RootChange{Address: "system.a", Total: 3, Changed: []modules.PackageChange{
		{Old: p("curl", "1", "debian"), New: p("curl", "2", "debian")},
		{Old: p("openssl", "1", "debian"), New: p("openssl", "1+deb13u1", "debian-security")},
	}}
	var out bytes.Buffer
	a := newApp(&out, &out, func(string) string { return "" })
	a.printRootChange(root, "system.a", false)
	const want = `system.a: 3 packages
  ~ curl 1 → 2
  ~ openssl 1 → 1+deb13u1 (security)
  1 update from the security archive
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
