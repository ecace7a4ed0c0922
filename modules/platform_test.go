package modules

import (
	"context"
	"strings"
	"testing"

	"sysc/modules/lock"
	"sysc/systems/distro/debian/debiantest"
)

// A derivation may say its platform: its root has packages of that architecture, which
// the lock file gets, and evaluating it needs no such machine. Neither does planning a
// system of another platform.
func TestPlatforms(t *testing.T) {
	foreign := func(p *debiantest.Package) *debiantest.Package {
		p.Control = strings.Replace(p.Control, "Architecture: amd64", "Architecture: arm64", 1)
		return p
	}
	b := newBench(t,
		control("base", "1", "Essential: yes\n"), control("gcc", "1", ""),
		foreign(control("base", "2", "Essential: yes\n")), foreign(control("gcc", "2", "")),
	)
	b.archive.Foreign = []string{"arm64"}
	b.publish()
	b.input()
	b.write("main.sysc.hcl", `
derivation "here" {
  packages = ["gcc"]
  script   = "true"
}
derivation "there" {
  for_each = ["linux/arm64"]
  platform = each.value
  packages = ["gcc"]
  script   = "true"
}
derivation "same" {
  platform = "linux/amd64"
  packages = ["gcc"]
  script   = "true"
}
`)
	b.lock()
	p := b.load()
	f, _, err := lock.Read(nil, p.LockPath())
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]string{}
	for _, c := range []struct{ name, address, arch, version string }{
		{"here", "derivation.here", "amd64", "1"},
		{"same", "derivation.same", "amd64", "1"},
		{`there["linux/arm64"]`, `derivation.there["linux/arm64"]`, "arm64", "2"},
	} {
		d, diags := p.Derivation(context.Background(), c.name)
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		made, _ := p.Graph().Derivation(d.Hash)
		if made.Platform != "linux/"+c.arch {
			t.Errorf("%s is for %s", c.name, made.Platform)
		}
		hashes[c.name] = d.Hash.String()
		packages := f.Resolutions[c.address].List()
		if len(packages) != 2 || packages[1].Name != "gcc" || packages[1].Version != c.version || packages[1].Architecture != c.arch {
			t.Errorf("%s has %+v", c.name, packages)
		}
		root := p.Graph().Refs(made.Root)
		if len(root) != 1 {
			t.Fatalf("%s has the root %s", c.name, made.Root)
		}
		if r, _ := p.Graph().Derivation(root[0].Derivation); r.Platform != "linux/"+c.arch {
			t.Errorf("the root of %s is for %s", c.name, r.Platform)
		}
	}
	if hashes["here"] == hashes[`there["linux/arm64"]`] {
		t.Error("another platform is the same derivation")
	}
	b.write("system.sysc.hcl", `
system "box" {
  platform      = "linux/arm64"
  base_packages = "essential"
}
`)
	b.lock()
	s := b.system(b.load(), "box")
	if s.Definition.Platform != "linux/arm64" || len(s.Definition.Packages) != 1 || s.Definition.Packages[0].Architecture != "arm64" {
		t.Errorf("the system is %s with %+v", s.Definition.Platform, s.Definition.Packages)
	}
}
