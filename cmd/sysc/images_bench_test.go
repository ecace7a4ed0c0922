package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/internal/ocifetch/ocitest"
)

// BenchmarkImages measures images of registries: a layer that comes over HTTP from this
// process, checked, durable in the store and a root, beside unpacking the file that it is.
// The layer is the tree of [BenchmarkStore], packed by gzip.
func BenchmarkImages(b *testing.B) {
	p := newPeers(b)
	p.makeTree(b)
	archive := filepath.Join(p.dir, "layer.tar")
	check(b, command(nil, "tar", "-c", "--numeric-owner", "-f", archive, "-C", p.tree, "."))
	check(b, command(nil, "gzip", archive))
	data, err := os.ReadFile(archive + ".gz")
	check(b, err)
	registry := ocitest.New()
	layer, err := ocitest.Gzip(nil)
	check(b, err)
	layer.Data = data
	digest, err := registry.Image("bench", "", "linux/amd64", layer)
	check(b, err)
	server := httptest.NewServer(registry)
	b.Cleanup(server.Close)
	definition := fmt.Sprintf("input \"image\" {\n  type  = \"oci\"\n  image = \"%s/bench@%s\"\n}\n", strings.TrimPrefix(server.URL, "http://"), digest)
	b.Run("layer", func(b *testing.B) {
		p.compare(b,
			peer{"sysc", func(dir string) error {
				return os.WriteFile(dir+"/main.sysc.hcl", []byte(definition), 0o644)
			}, func(dir string) error { return p.measured(b, dir, "lock", "-C", dir) }},
			peer{"gzip -dc, sha256sum, tar -x", func(dir string) error { return os.Mkdir(dir+"/root", 0o755) }, func(dir string) error {
				return command(nil, "bash", "-c", `set -o pipefail; gzip -dc "$1" | tee >(sha256sum >&2) | tar -x --numeric-owner -C "$2"`, "bash", archive+".gz", dir+"/root")
			}},
			peer{"gzip -dc", nil, func(string) error { return shell(`gzip -dc "$1" > /dev/null`, archive+".gz") }},
		)
	})
}
