package debian_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/keys"
)

func TestArchives(t *testing.T) {
	type row struct {
		Mirror, Suite string
		Components    []string
		Ring          string
		AllowExpired  bool
	}
	main := []string{"main"}
	tests := []struct {
		name     string
		settings debian.Settings
		want     []row
	}{
		{
			"defaults", debian.Settings{Name: "d", Suites: []string{"trixie"}},
			[]row{{"d", "trixie", main, "main", false}},
		},
		{
			"security", debian.Settings{Name: "d", Suites: []string{"trixie", "trixie-updates", "sid"}, Security: true},
			[]row{
				{"d", "trixie", main, "main", false}, {"d", "trixie-updates", main, "main", false}, {"d", "sid", main, "main", false},
				{"d-security", "trixie-security", main, "security", false},
			},
		},
		{
			"security twice", debian.Settings{Name: "d", Suites: []string{"trixie-security", "trixie"}, Security: true},
			[]row{{"d", "trixie", main, "main", false}, {"d-security", "trixie-security", main, "security", false}},
		},
		{
			"all said", debian.Settings{Name: "d", Suites: []string{"trixie"}, Components: []string{"main", "non-free"}, Security: true, Snapshot: "20260901T000000Z", Keyring: []byte("mine")},
			[]row{
				{"d", "trixie", []string{"main", "non-free"}, "mine", true},
				{"d-security", "trixie-security", []string{"main", "non-free"}, "mine", true},
			},
		},
	}
	rings := map[string]string{string(keys.Main()): "main", string(keys.Security()): "security", "mine": "mine"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.settings.Architecture = "amd64"
			var got []row
			for _, a := range debian.Archives(tt.settings) {
				got = append(got, row{a.Mirror, a.Suite, a.Components, rings[string(a.Keyring)], a.AllowExpired})
				if a.Architecture != "amd64" {
					t.Errorf("architecture of %s is %q", a.Suite, a.Architecture)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("archives (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	for _, architecture := range []string{"amd64", "arm64", "riscv64"} {
		platform, err := debian.Platform(architecture)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := debian.Architecture(platform); back != architecture || err != nil {
			t.Errorf("%s is %s is %s (%v)", architecture, platform, back, err)
		}
	}
	if p, err := debian.Platform("z80"); err == nil {
		t.Errorf("z80 is %s", p)
	}
	if a, err := debian.Architecture("plan9/amd64"); err == nil {
		t.Errorf("plan9 is %s", a)
	}
}
