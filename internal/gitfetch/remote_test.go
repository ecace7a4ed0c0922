package gitfetch

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRemote(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.org/a/hello.git":        "hello",
		"https://example.org:8443/hello":         "hello",
		"https://example.org/hello/":             "hello",
		"ssh://git@example.org:22/~me/hello":     "hello",
		"ssh://example.org/hello.git":            "hello",
		"git@example.org:hello.git":              "hello",
		"git@example.org:a/b/hello":              "hello",
		"git@example.org:/srv/hello":             "hello",
		"http://127.0.0.1:8080/hello":            "hello",
		"http://[::1]:8080/hello":                "hello",
		"http://localhost/hello":                 "hello",
		"https://[2001:db8::1]/hello":            "hello",
		"file:///srv/hello.git":                  "hello",
		"https://example.org/%7Eme/hello%2Bmore": "hello%2Bmore",
	} {
		r, err := ParseRemote(address)
		if err != nil || r.String() != address || r.Name() != want {
			t.Errorf("ParseRemote(%q) = %q, name %q, %v; want name %q", address, r, r.Name(), err, want)
		}
	}
	for _, address := range []string{
		"", "/", "hello", "./hello", "/srv/hello.git", "-u", "--upload-pack=touch x", "--upload-pack=x:y",
		"ext::sh -c id", "ext::sh", "fd::17", "a@ext::sh", "git@host:-x", "-git@host:x", "git@-host:x", "git@ho/st:x", "git@host:",
		"ext://host/x", "git://example.org/x", "ftp://example.org/x", "http://example.org/x", "http://127.0.0.1.example.org/x", "http://10.0.0.1/x",
		"https://", "https:///x", "https://example.org", "https://example.org/", "https://example.org/x?y", "https://example.org/x?", "https://example.org/x#y", "https://example.org/x#",
		"https://u:p@example.org/x", "ssh://u:p@host/x", "https://-u@example.org/x", "ssh://-oProxyCommand=id/x", "ssh://-oProxyCommand=id@host/x",
		"ssh://host%00/x", "https://example.org/a%0ahost=evil", "https://example.org/a\nb", "https://example.org/a b", "https://example.org\\x", "https://[fe80::1%25eth0]/x",
		"file://host/x", "file://", "file:x", "\u202ehttps://example.org/x",
	} {
		if r, err := ParseRemote(address); err == nil {
			t.Errorf("ParseRemote(%q) accepted it as %q", address, r)
		}
	}
	for _, address := range []string{
		"https://me:secret@example.org/x", "https://secret@example.org/x", "ssh://me:secret@example.org/x", "me:secret@example.org/x", "me:secret@example.org:x",
		"https://me:se@cret@example.org/x@y",
	} {
		if _, err := ParseRemote(address); !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "cret") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := ParseRemote("ssh://git@example.org/a@b c"); err == nil || !strings.Contains(err.Error(), `"ssh://git@example.org/a@b c"`) {
		t.Errorf("got %v", err)
	}
}

func TestSubmodule(t *testing.T) {
	for _, tt := range []struct{ parent, address, want string }{
		{"https://example.org/a/b.git", "../c.git", "https://example.org/a/c.git"},
		{"https://example.org/a/b.git/", "../c.git", "https://example.org/a/c.git"},
		{"https://example.org/a/b.git", "./c", "https://example.org/a/b.git/c"},
		{"https://example.org/a/b.git", "../../c", "https://example.org/c"},
		{"https://example.org/a/b.git", "../../../c", ""},
		{"https://example.org/a/b.git", "../..", ""},
		{"https://example.org/a/b.git", "../x/../../..", ""},
		{"git@example.org:a/b", "../c", "git@example.org:a/c"},
		{"git@example.org:b", "../c", "git@example.org:c"},
		{"git@example.org:b", "../../c", ""},
		{"git@example.org:b", "../-c", ""},
		{"http://127.0.0.1:1/b", "../c", "http://127.0.0.1:1/c"},
		{"https://example.org/b", "https://other.example.org/c", "https://other.example.org/c"},
		{"https://example.org/b", "git@other.example.org:c", "git@other.example.org:c"},
		{"https://example.org/b", "http://127.0.0.1/c", ""},
		{"https://example.org/b", "file:///srv/c", ""},
		{"https://example.org/b", "/srv/c", ""},
		{"https://example.org/b", "ext::sh -c id", ""},
		{"https://example.org/b", "--upload-pack=id", ""},
		{"https://example.org/b", "", ""},
		{"file:///srv/b", "../c", ""},
		{"file:///srv/b", "https://example.org/c", ""},
	} {
		parent, err := ParseRemote(tt.parent)
		if err != nil {
			t.Fatal(err)
		}
		sub, err := parent.Submodule(tt.address)
		if (err == nil) != (tt.want != "") || err == nil && sub.String() != tt.want {
			t.Errorf("%s, submodule at %q: got %q, %v; want %q", tt.parent, tt.address, sub, err, tt.want)
		}
	}
}

// FuzzParseRemote: what is accepted is what git gets, begins with its protocol
// or a user, and is accepted again.
func FuzzParseRemote(f *testing.F) {
	for _, s := range []string{"https://u@example.org:1/a%20b", "git@h:p", "ssh://-o/x", "file:///x", "http://[::1]/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		r, err := ParseRemote(address)
		if err != nil {
			return
		}
		text := r.String()
		again, err := ParseRemote(text)
		if err != nil || again != r {
			t.Errorf("%q became %q, which became %q, %v", address, text, again, err)
		}
		if strings.HasPrefix(text, "-") || strings.ContainsAny(text, " \n\x00") || strings.HasPrefix(r.host, "-") {
			t.Errorf("%q became %q", address, text)
		}
	})
}
