package keys_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/systems/distro/debian/archive"
	"sysc/systems/distro/debian/keys"
)

// TestTable holds README.md and the files together.
func TestTable(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string][]string)
	row := regexp.MustCompile(`(?m)^\| \S+\.gpg \| (main|security) \| ([0-9A-F]{40}) \|`)
	for _, m := range row.FindAllStringSubmatch(string(readme), -1) {
		want[m[1]] = append(want[m[1]], m[2])
	}
	for name, data := range map[string][]byte{"main": keys.Main(), "security": keys.Security()} {
		ring, err := archive.ReadRing(data)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(want[name])
		if diff := cmp.Diff(want[name], ring.Fingerprints()); diff != "" {
			t.Errorf("fingerprints of ring %s (-README +files):\n%s", name, diff)
		}
	}
}
