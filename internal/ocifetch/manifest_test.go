package ocifetch

import (
	"fmt"
	"strings"
	"testing"
)

const (
	goodConfig = `"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "` + someDigest + `", "size": 2}`
	goodLayer  = `{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "` + someDigest + `", "size": 10}`
)

func TestParseManifest(t *testing.T) {
	index, m, err := ParseManifest([]byte(`{"schemaVersion": 2, ` + goodConfig + `, "layers": [` + goodLayer + `], "unknown": 1}`))
	if err != nil || index != nil || m.Artifact || len(m.Layers) != 1 || m.Layers[0].Compression != Gzip || m.Layers[0].Size != 10 || m.Layers[0].Digest.String() != someDigest {
		t.Errorf("%v, got %+v, %+v", err, index, m)
	}
	_, m, err = ParseManifest([]byte(`{"schemaVersion": 2, "artifactType": "text/x", ` + goodConfig + `, "layers": [{"mediaType": "text/plain", "digest": "` + someDigest + `", "size": 1, "annotations": {"org.opencontainers.image.title": "a.txt"}}]}`))
	if err != nil || !m.Artifact || m.Layers[0].Title != "a.txt" {
		t.Errorf("%v, got %+v", err, m)
	}
	index, m, err = ParseManifest([]byte(`{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": [` + goodLayer + `]}`))
	if err != nil || m != nil {
		t.Fatalf("%v, got %+v", err, m)
	}
	if d, ok := index.Choose("linux/amd64"); !ok || d.Digest.String() != someDigest {
		t.Errorf("an index of one manifest without platform gives %v", d)
	}
	many := strings.Repeat(goodLayer+",", maxLayers) + goodLayer
	for text, want := range map[string]string{
		``:                                      "read manifest",
		`[]`:                                    "read manifest",
		`{}{}`:                                  "behind its end",
		`{"a": 1} x`:                            "behind its end",
		`{}`:                                    "neither a manifest nor an index",
		`{"layers":[]}`:                         "a manifest without config",
		`{"schemaVersion": 1, "fsLayers": []}`:  "schema 1",
		`{"manifests": [], "layers": []}`:       "an index as well",
		`{"manifests": [], ` + goodConfig + `}`: "an index as well",
		`{"mediaType": "application/vnd.oci.image.index.v1+json", ` + goodConfig + `, "layers": []}`:                                   "members of another type",
		`{"mediaType": "application/vnd.oci.image.manifest.v1+json", "manifests": []}`:                                                 "members of another type",
		`{"mediaType": "text/html", ` + goodConfig + `, "layers": []}`:                                                                 "members of another type",
		`{` + goodConfig + `, "layers": [{"mediaType": "x", "digest": "` + someDigest + `", "size": 1}]}`:                              "no type of layer",
		`{` + goodConfig + `, "layers": [{"mediaType": "x", "digest": "sha256:../../../etc", "size": 1}]}`:                             `is not "sha256:"`,
		`{` + goodConfig + `, "layers": [{"mediaType": "x", "digest": "` + someDigest + `", "size": -1}]}`:                             "a size of -1 bytes",
		`{` + goodConfig + `, "layers": [{"mediaType": "x", "digest": "` + someDigest + `", "size": 1e9}]}`:                            "read manifest",
		`{` + goodConfig + `, "layers": [` + many + `]}`:                                                                               "layers, more than",
		`{` + goodConfig + `, "layers": [` + strings.Replace(goodLayer, "10", fmt.Sprint(int64(maxLayer)), 1) + `,` + goodLayer + `]}`: "layers of more than",
		`{"manifests": [` + strings.Repeat(goodLayer+",", maxManifests) + goodLayer + `]}`:                                             "an index of more than",
		strings.Repeat(" ", maxAnswer+1): "too long",
	} {
		if _, _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want error with %q", text, err, want)
		}
	}
}

// FuzzParseManifest: whatever a registry says is a manifest, an index or an error.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion": 2, ` + goodConfig + `, "layers": [` + goodLayer + `]}`))
	f.Add([]byte(`{"manifests": [` + goodLayer + `, {"digest": "` + someDigest + `", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}]}`))
	f.Add([]byte(`{"mediaType": "application/vnd.docker.distribution.manifest.v2+json", ` + goodConfig + `}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, m, err := ParseManifest(data)
		if (err == nil) != (index != nil || m != nil) || index != nil && m != nil {
			t.Fatalf("%v, got %v and %v", err, index, m)
		}
		if m != nil {
			total := int64(0)
			for _, l := range m.Layers {
				if total += l.Size; l.Size < 0 || total > maxLayer || !m.Artifact && l.Compression == "" {
					t.Fatalf("layer %+v", l)
				}
			}
		}
		if index != nil {
			index.Platforms()
			index.Choose("linux/arm64")
		}
		configPlatform(data)
	})
}
