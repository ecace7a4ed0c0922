package ocifetch

import (
	"errors"
	"strings"
	"testing"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseReference(t *testing.T) {
	for text, want := range map[string]struct{ reference, name, asks string }{
		"alpine":                                  {"docker.io/library/alpine", "alpine", "latest"},
		"alpine:3.20":                             {"docker.io/library/alpine:3.20", "alpine", "3.20"},
		"docker.io/library/alpine":                {"docker.io/library/alpine", "alpine", "latest"},
		"index.docker.io/library/alpine":          {"docker.io/library/alpine", "alpine", "latest"},
		"owner/name":                              {"docker.io/owner/name", "name", "latest"},
		"ghcr.io/owner/name:v1":                   {"ghcr.io/owner/name:v1", "name", "v1"},
		"localhost:5000/a/b/c":                    {"localhost:5000/a/b/c", "c", "latest"},
		"[::1]:5000/a":                            {"[::1]:5000/a", "a", "latest"},
		"example.org/a@" + someDigest:             {"example.org/a@" + someDigest, "a", someDigest},
		"example.org:443/a:tag@" + someDigest:     {"example.org:443/a:tag@" + someDigest, "a", someDigest},
		"example.org/" + strings.Repeat("a", 200): {"example.org/" + strings.Repeat("a", 200), strings.Repeat("a", 200), "latest"},
	} {
		r, err := ParseReference(text)
		if err != nil || r.String() != want.reference || r.Name() != want.name || r.identifier() != want.asks {
			t.Errorf("%q: %v, got %q, called %q, asked for as %q", text, err, r, r.Name(), r.identifier())
			continue
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Errorf("%q: %v, read again as %q", text, err, again)
		}
	}
	for text, want := range map[string]string{
		"": "is not the name of an image", "Alpine": "is not the name of an image", "a b": "is not the name of an image", "example.org/": "is not the name of an image",
		"example.org/a:": "is not the name of an image", "example.org/a:b c": "is not the name of an image", "a/../b": "is not the name of an image",
		"https://example.org/a": `has no "://": write example.org/a`, "docker://alpine": `has no "://"`, "a@sha512:00": `is not "sha256:"`, "a@": `is not "sha256:"`,
		"a@" + strings.ToUpper(someDigest): `is not "sha256:"`, strings.Repeat("a", 2000): "a name of 2000 bytes",
	} {
		if r, err := ParseReference(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: got %q, %v, want error with %q", text, r, err, want)
		}
	}
	for _, text := range []string{"https://ada:geheim@example.org/a", "ada:geheim@example.org/a"} {
		if _, err := ParseReference(text); !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestCheckTag(t *testing.T) {
	for tag, ok := range map[string]bool{"latest": true, "3.20": true, "_x-1.2": true, "": false, "a:b": false, "a/b": false, "a@b": false, "a b": false, strings.Repeat("x", 129): false} {
		if err := CheckTag(tag); (err == nil) != ok {
			t.Errorf("%q: got %v", tag, err)
		}
	}
}
