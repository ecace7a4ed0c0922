package debian_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/systems/distro/debian"
)

// TestWhyOfAll: each chosen package has a reason, and a chain whose needs are real.
func TestWhyOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var index strings.Builder
		names := []string{"a", "b", "c", "d", "e", "f"}
		for i, name := range names {
			fmt.Fprintf(&index, "Package: %s\nVersion: 1\nArchitecture: all\nFilename: pool/%s.deb\nSize: 1\nSHA256: %064x\n", name, name, i+1)
			for _, field := range []string{"Depends", "Pre-Depends", "Recommends"} {
				if needs := rapid.SliceOfNDistinct(rapid.SampledFrom(append(names, "v")), 0, 2, rapid.ID).Draw(rt, field); len(needs) > 0 {
					fmt.Fprintf(&index, "%s: %s\n", field, strings.Join(needs, ", "))
				}
			}
			fmt.Fprintf(&index, "Provides: v\nPriority: %s\n\n", rapid.SampledFrom([]string{"required", "optional", "extra"}).Draw(rt, "priority"))
		}
		m := newMirror(t)
		m.files["main/binary-amd64/Packages.gz"] = compress(t, index.String())
		m.write()
		f := m.fetcher()
		revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
		if err != nil {
			rt.Fatal(err)
		}
		u, err := readUniverse(t.Context(), revision, "amd64", f)
		if err != nil {
			rt.Fatal(err)
		}
		r := debian.Request{Packages: []debian.Want{{Name: "a"}}, Recommends: rapid.Bool().Draw(rt, "recommends")}
		chosen, err := u.Resolve(r)
		if err != nil {
			rt.Fatal(err)
		}
		there := map[string]bool{}
		for _, p := range chosen {
			there[p.Name] = true
		}
		for _, p := range chosen {
			why, ok := u.Why(r, chosen, p.Name)
			if !ok || why.First == "" || why.Package.Name != p.Name {
				rt.Errorf("%s: got %+v, %v", p.Name, why, ok)
			}
			for i, need := range why.Chain {
				next := p.Name
				if i+1 < len(why.Chain) {
					next = why.Chain[i+1].Package
				}
				if !there[need.Package] || need.Relation != next && need.Relation != "v" {
					rt.Errorf("%s: %+v does not lead to %s", p.Name, need, next)
				}
			}
		}
		if _, ok := u.Why(r, chosen, "z"); ok {
			rt.Error("a reason for what is not there")
		}
	})
}
