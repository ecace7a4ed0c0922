package debian_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"sysc/systems/distro/debian"
)

// described is an index of packages with nothing but what a search looks at.
func described(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		f := strings.Split(line, "|")
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nDescription: %s\n Not looked at: everything.\nProvides: %s\n\n", f[0], f[1], f[2], f[3], f[4])
	}
	return b.String()
}

func search(t *testing.T, m *mirror, words ...string) string {
	t.Helper()
	m.write()
	f := m.fetcher()
	r, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := debian.Search(t.Context(), r, "amd64", f, debian.Part{}, words)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range found {
		out = append(out, p.Name+" "+p.Version)
	}
	return strings.Join(out, ", ")
}

func TestSearch(t *testing.T) {
	m := newMirror(t)
	m.files["main/binary-amd64/Packages.gz"] = compress(t, described(
		"vim|9|amd64|Vi IMproved|editor", "vim|10~rc|amd64|Vi IMproved|", "vim|9.1|amd64|Vi IMproved|",
		"neovim|1|amd64|heavily refactored vim|editor", "vim-tiny|9|amd64|compact|", "ed|1|all|line Editor|",
		"foreign-vim|1|arm64|Vi|", "evince|1|amd64|document viewer|"))
	for _, tt := range []struct{ words, want string }{
		{"vim", "vim 10~rc, vim-tiny 9, neovim 1"},
		{"VI", "vim 10~rc, vim-tiny 9, evince 1, neovim 1"},
		{"ed", "ed 1, neovim 1, vim 10~rc"},
		{"vim editor", "neovim 1"},
		{"vim emacs", ""},
		{"everything", ""},
	} {
		if got := search(t, m, strings.Fields(tt.words)...); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.words, got, tt.want)
		}
	}
}

// TestSearchOfDamaged: what an index does not have by its digest is not believed.
func TestSearchOfDamaged(t *testing.T) {
	m := newMirror(t)
	m.write()
	f := m.fetcher()
	r, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	r.Indexes[0].SHA256[0]++
	r.Indexes[0].ByHash = ""
	if found, err := debian.Search(t.Context(), r, "amd64", f, debian.Part{}, []string{"a"}); err == nil {
		t.Errorf("found %+v", found)
	}
}

func TestFindFiles(t *testing.T) {
	m := newMirror(t)
	m.files["main/Contents-amd64.gz"] = compress(t, `FILE                     LOCATION
bin/ls                                                  utils/coreutils
etc/a b/x y	misc/a
usr/bin/dig 		net/bind9-dnsutils
usr/bin/x11/dig         contrib/x11/b,contrib/x11/a
usr/lib/libssl.so.3     libs/libssl3
usr/share/dig/readme    net/bind9-dnsutils
no-package
`)
	m.files["main/Contents-all.gz"] = compress(t, "usr/share/doc/dig  doc/dig-doc\nusr/bin/dig net/bind9-dnsutils\n")
	m.write()
	for pattern, want := range map[string]string{
		"/bin/ls":             "/bin/ls [coreutils]",
		"/usr/bin/ls":         "/bin/ls [coreutils]",
		"/bin/dig":            "/usr/bin/dig [bind9-dnsutils]",
		"dig":                 "/usr/bin/dig [bind9-dnsutils], /usr/bin/x11/dig [a b], /usr/share/doc/dig [dig-doc]",
		"/usr/bin/*/dig":      "/usr/bin/x11/dig [a b]",
		"libssl.so*":          "/usr/lib/libssl.so.3 [libssl3]",
		"/lib/libssl.so.?":    "/usr/lib/libssl.so.3 [libssl3]",
		"[ef]*":               "",
		"x y":                 "/etc/a b/x y [a]",
		"/usr/share/dig/":     "",
		"/usr/share/dig/re*e": "/usr/share/dig/readme [bind9-dnsutils]",
		"no-package":          "",
		"*":                   "/bin/ls [coreutils], /etc/a b/x y [a], /usr/bin/dig [bind9-dnsutils], /usr/bin/x11/dig [a b], /usr/lib/libssl.so.3 [libssl3], /usr/share/dig/readme [bind9-dnsutils], /usr/share/doc/dig [dig-doc], /FILE [LOCATION]",
	} {
		found, err := debian.FindFiles(t.Context(), m.archives(), m.fetcher(), now, pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		var out []string
		for _, f := range found {
			out = append(out, fmt.Sprint(f.Path, " ", f.Packages))
		}
		if pattern == "*" && len(out) == 8 {
			continue
		}
		if got := strings.Join(out, ", "); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	for _, pattern := range []string{"[", "a/b"} {
		if _, err := debian.FindFiles(t.Context(), m.archives(), m.fetcher(), now, pattern); err == nil {
			t.Errorf("%s: no error", pattern)
		}
	}
	if _, err := debian.FindFiles(t.Context(), m.archives(), m.fetcher(), now, "["); !errors.Is(err, path.ErrBadPattern) {
		t.Errorf("got %v", err)
	}
}

func TestFindFilesLimits(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("usr/x  misc/a\n", debian.MaxFoundFiles+1):        "more than 10000 files are called",
		"usr/x  misc/" + strings.Repeat("a", 2<<20) + "\nusr/y misc/b\n": "a line of more than 1048576 bytes",
	} {
		m := newMirror(t)
		m.files["main/Contents-amd64.gz"] = compress(t, text)
		m.write()
		if _, err := debian.FindFiles(t.Context(), m.archives(), m.fetcher(), now, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
