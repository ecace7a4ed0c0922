package universe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
	"sysc/systems/distro/debian/relation"
)

const tail = "Filename: pool/x.deb\nSize: 10\nSHA256: 1111111111111111111111111111111111111111111111111111111111111111\n\n"

func stanza(name, version, fields string) string {
	return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n" + fields + tail
}

func index(t *testing.T, text string, origin Origin) Index {
	t.Helper()
	packages, err := ReadIndex(strings.NewReader(text), "amd64", "i386", "all")
	if err != nil {
		t.Fatal(err)
	}
	return Index{&origin, packages}
}

func TestReadIndex(t *testing.T) {
	text := "Package: a\nSource: s (1.0)\nVersion: 1:1.0-1+b1\nInstalled-Size: 5\nMaintainer: M\nArchitecture: all\n" +
		"Multi-Arch: same\nDepends: b,\n c (>= 1)\nEssential: yes\nPriority: required\nDescription: words\n more words\n" +
		"Filename: ./pool/a.deb\nSize: 10\nSHA256: 1111111111111111111111111111111111111111111111111111111111111111\n"
	packages := index(t, text, Origin{}).Packages
	if len(packages) != 1 {
		t.Fatalf("%d packages", len(packages))
	}
	got := packages[0]
	if got.SHA256.Hex() != strings.Repeat("1", 64) {
		t.Errorf("package is %+v", got)
	}
	got.SHA256 = [32]byte{}
	want := Package{
		Name: "a", Version: "1:1.0-1+b1", Architecture: "all", Source: "s", SourceVersion: "1.0", Priority: "required", Essential: true, MultiArch: "same",
		Depends: "b, c (>= 1)", Filename: "pool/a.deb", Size: 10,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("package (-want +got):\n%s", diff)
	}
}

func TestReadIndexErrors(t *testing.T) {
	good := stanza("a", "1", "")
	tests := []struct{ name, old, new, want string }{
		{"no name", "Package: a\n", "", "empty package name"},
		{"odd name", "Package: a", "Package: ../a", "is no package name"},
		{"no version", "Version: 1\n", "", "empty version"},
		{"odd version", "Version: 1", "Version: 1/2", "cannot stand in a version"},
		{"no file name", "Filename: pool/x.deb\n", "", "leads elsewhere"},
		{"upwards", "pool/x.deb", "../x.deb", "leads elsewhere"},
		{"absolute", "pool/x.deb", "/etc/x", "leads elsewhere"},
		{"no size", "Size: 10\n", "", "is no number"},
		{"negative size", "Size: 10", "Size: -1", "is no number"},
		{"MD5 only", "SHA256: ", "MD5sum: ", "weaker hashes are not accepted"},
		{"short hash", "SHA256: 1", "SHA256: ", "63 characters"},
		{"no stanza", "Package: a", "Package a", "is not \"Field: value\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadIndex(strings.NewReader(strings.Replace(good, tt.old, tt.new, 1)), "amd64")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

// versions lists what there is of a package, the preferred one first.
func versions(u *Universe, ids []ID) []string {
	var out []string
	for _, id := range ids {
		p := u.Package(id)
		out = append(out, p.Name+" "+p.Version+" "+p.Origin.Suite)
	}
	return out
}

func TestNew(t *testing.T) {
	stable := index(t, stanza("a", "1", "")+stanza("a", "2", "")+stanza("v", "1", "Provides: a (= 9), w\n"), Origin{Suite: "stable", Pin: PinDefault})
	security := index(t, stanza("a", "2", "")+stanza("a", "2+deb1", ""), Origin{Suite: "security", Pin: PinDefault})
	backports := index(t, stanza("a", "3", ""), Origin{Suite: "backports", Pin: PinUpgrades})
	u, err := New("amd64", stable, security, backports)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a 2+deb1 security", "a 2 stable", "a 1 stable", "a 3 backports"}
	if diff := cmp.Diff(want, versions(u, u.Versions("a"))); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	relations := map[string][]string{
		"a":         {"a 2+deb1 security", "a 2 stable", "a 1 stable", "v 1 stable", "a 3 backports"},
		"a (= 2)":   {"a 2 stable"},
		"a (>= 3)":  {"v 1 stable", "a 3 backports"},
		"a:any":     nil,
		"a:i386":    nil,
		"w":         {"v 1 stable"},
		"w (>= 1)":  nil,
		"x":         nil,
		"v (<< 1~)": nil,
	}
	for text, want := range relations {
		r, err := relation.ParseList(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, versions(u, u.Candidates(r[0], nil))); diff != "" {
			t.Errorf("candidates of %s (-want +got):\n%s", text, diff)
		}
	}
}

func TestNewErrors(t *testing.T) {
	broken := index(t, stanza("a", "1", "Provides: b | c\n"), Origin{})
	if _, err := New("amd64", broken); err == nil || !strings.Contains(err.Error(), "package a 1: Provides") {
		t.Errorf("error is %v", err)
	}
}

func TestSuggest(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"vim", "vim-tiny", "nvi", "openssh-server", "openssh-client", "git", "got", "gist"} {
		text.WriteString(stanza(name, "1", "Provides: editor\n"))
	}
	u, err := New("amd64", index(t, text.String(), Origin{}))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{
		"openssh-sever": {"openssh-server"},
		"gti":           {"git"},
		"gitt":          {"git", "gist", "got"},
		"zsh":           nil,
		"editor":        {"git", "gist", "got", "nvi", "openssh-client", "openssh-server", "vim", "vim-tiny"},
	}
	for name, want := range tests {
		got := u.Suggest(name, "")
		if name == "editor" {
			if len(got) != len(want) {
				t.Errorf("providers are %v", got)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Suggest(%s) (-want +got):\n%s", name, diff)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b, 9); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[abc]{0,7}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		limit := rapid.IntRange(0, 8).Draw(t, "limit")
		got, full := distance(a, b, limit), distance(b, a, 9)
		if full <= limit && got != full || full > limit && got <= limit {
			t.Fatalf("distance(%q, %q, %d) = %d, really %d", a, b, limit, got, full)
		}
	})
}

func FuzzReadIndex(f *testing.F) {
	f.Add(stanza("a", "1", "Depends: b | c,\n d\nProvides: e (= 1)\n") + stanza("e", "2", "Conflicts: a\n"))
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := ReadIndex(strings.NewReader(text), "amd64", "i386")
		if err != nil {
			return
		}
		for _, p := range packages {
			if strings.HasPrefix(p.Filename, "/") || strings.Contains("/"+p.Filename+"/", "/../") {
				t.Errorf("file name %q", p.Filename)
			}
		}
		if u, err := New("amd64", Index{&Origin{}, packages}); err == nil {
			u.Suggest("abc", "")
			u.Base("", true)
		}
	})
}

func TestReadControl(t *testing.T) {
	file := File{Name: "a_1_all.deb", Size: 7, SHA256: store.DigestOf([]byte("a"))}
	// What a control file says of a file is not to be believed.
	text := "Package: a\nVersion: 1\nArchitecture: all\nDepends: b,\n c\nSize: 9\nFilename: /etc/passwd\nsha256: 00\nDescription: x\n y\n"
	p, err := ReadControl([]byte(text), file)
	if err != nil {
		t.Fatal(err)
	}
	want := Package{Name: "a", Version: "1", Architecture: "all", Source: "a", SourceVersion: "1", Depends: "b, c", Filename: file.Name, Size: 7, SHA256: file.SHA256}
	if p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for text, want := range map[string]string{
		"":                                "EOF",
		"Package: a\nVersion: 1\n":        "no architecture",
		"Package: a\nArchitecture: all\n": "version",
		"Package: A b\nVersion: 1\n":      "name",
		"Package: a\nPackage: b\n":        "twice",
		"Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n": "more than one stanza",
	} {
		if _, err := ReadControl([]byte(text), file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want error with %q", text, err, want)
		}
	}
}

func FuzzReadControl(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nArchitecture: all\nProvides: c (= 1)\nDepends: b,\n c\nSize: 9\n")
	file := File{Name: "a.deb", SHA256: store.DigestOf(nil)}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ReadControl([]byte(text), file)
		if err == nil && (p.Filename != file.Name || p.Size != file.Size || p.SHA256 != file.SHA256 || p.Name == "" || p.Version == "") {
			t.Errorf("%+v", p)
		}
	})
}
