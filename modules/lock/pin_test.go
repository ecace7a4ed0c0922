package lock

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
)

const someDigest = `"sha256:0000000000000000000000000000000000000000000000000000000000000001"`

// TestPins: inputs of all types are written on a line each, and read again as the same.
func TestPins(t *testing.T) {
	one := store.Digest{31: 1}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	f := &File{Inputs: map[string]Input{
		"app":  {Type: TypeOCI, Settings: one, Pin: Pin{Version: "1.2.0", Ref: "v1.2.0", Digest: one, Roots: map[string]store.Digest{"linux/arm64": one, "linux/amd64": one}}},
		"data": {Type: TypeFile, Settings: one, Pin: Pin{SHA256: one}},
		"src":  {Type: TypeGit, Settings: one, Pin: Pin{Ref: "HEAD", Commit: commit, Tree: one}},
		"tar":  {Type: TypeArchive, Settings: one, Pin: Pin{SHA256: one, Size: 10}},
	}}
	data, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = `    "app": {"type":"oci","settings":D,"version":"1.2.0","ref":"v1.2.0","digest":D,"roots":{"linux/amd64":D,"linux/arm64":D}},
    "data": {"type":"file","settings":D,"sha256":D},
    "src": {"type":"git","settings":D,"ref":"HEAD","commit":"` + commit + `","tree":D},
    "tar": {"type":"archive","settings":D,"sha256":D,"size":10}
`
	if !strings.Contains(string(data), strings.ReplaceAll(want, ":D", ":"+someDigest)) {
		t.Errorf("got\n%s\nwant in it\n%s", data, want)
	}
	again, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, again); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"app": one.String(), "data": one.String(), "src": commit} {
		if got := f.Inputs[name].Pin.ID(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestHostilePins(t *testing.T) {
	for text, want := range map[string]string{
		`"type": "svn"`: `no inputs of type "svn"`,
		`"type": "git", "commit": "0123456789abcdef0123456789abcdef01234567"`:                          "no tree",
		`"type": "git", "tree": D, "commit": "--upload-pack=x"`:                                        "is not the whole hash",
		`"type": "git", "tree": D, "commit": "0123456789abcdef0123456789abcdef01234567", "ref": "--x"`: "is not the name of a branch",
		`"type": "git", "tree": D, "commit": "0123456789abcdef0123456789abcdef01234567", "sha256": D`:  "has not",
		`"type": "oci"`: "no digest",
		`"type": "oci", "digest": D, "ref": "a/../b"`:                                                    "is not a tag",
		`"type": "oci", "digest": D, "roots": {"../x": D}`:                                               `the root of platform "../x"`,
		`"type": "oci", "digest": D, "roots": {"linux/amd64": "sha256:` + strings.Repeat("0", 64) + `"}`: "the root of platform",
		`"type": "oci", "digest": D, "commit": "0123456789abcdef0123456789abcdef01234567"`:               "has not",
		`"type": "file"`: "no hash",
		`"type": "file", "sha256": D, "size": -1`:       "negative size",
		`"type": "archive", "sha256": D, "ref": "x"`:    "has not",
		`"type": "archive", "sha256": D, "indexes": []`: "has not",
		`"type": "debian", "indexes": [], "digest": D`:  "has not",
	} {
		text = strings.ReplaceAll(text, " D", " "+someDigest)
		_, err := Decode([]byte(`{"version": 1, "inputs": {"x": {"settings": ` + someDigest + `, ` + text + `}}}`))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `input "x"`) {
			t.Errorf("%s: got %v, want error with %q", text, err, want)
		}
	}
}
