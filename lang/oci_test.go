package lang

import (
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/store"
)

// TestFetchOCI: an image becomes a root, and a tree that builds can read.
func TestFetchOCI(t *testing.T) {
	const digest = "sha256:aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	attrs := func(image, platform, unknown string) string {
		return `{"digest":"` + digest + `","image":"` + image + `","platform":"` + platform + `"` + unknown + `}`
	}
	for call, want := range map[string]string{
		`{image = "alpine@` + digest + `", hash = "` + hash1 + `"}`:                                       `alpine-aaaaaaaaaaaa-linux-amd64 ` + attrs("docker.io/library/alpine", "linux/amd64", ""),
		`{image = "ghcr.io/a/b:1@` + digest + `", hash = "` + hash1 + `", platform = "linux/arm64"}`:      `b-aaaaaaaaaaaa-linux-arm64 ` + attrs("ghcr.io/a/b", "linux/arm64", ""),
		`{image = "alpine@` + digest + `", platform = null}`:                                              `alpine-aaaaaaaaaaaa-linux-amd64 ` + attrs("docker.io/library/alpine", "linux/amd64", `,"unknown":true`),
		`{image = "example.org/` + strings.Repeat("x", 240) + `@` + digest + `", hash = "` + hash1 + `"}`: "",
	} {
		m, diags := run("", map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = fetchoci(" + call + ")\n}\n")}, nil)
		if diags.HasErrors() {
			t.Errorf("%s: %v", call, diags.Err())
			continue
		}
		var root, tree *derivations.Derivation
		for _, h := range m.opts.Graph.Hashes() {
			switch d, _ := m.opts.Graph.Derivation(h); d.Builder {
			case "builtin:image":
				root = d
			case "builtin:tree":
				tree = d
			}
		}
		if root == nil || tree == nil || len(tree.Inputs) != 1 || tree.Name != root.Name || root.Fixed.Kind != store.KindRoot {
			t.Errorf("%s: got %+v and %+v", call, root, tree)
			continue
		}
		if got := root.Name + " " + string(root.Attrs); want != "" && got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
}
