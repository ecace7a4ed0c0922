package debian

import (
	"strings"
	"testing"

	"sysc/systems/distro/debian/deb822"
)

const sourceStanza = "Package: hello\nVersion: 2.10-3\nBuild-Depends: debhelper-compat (= 13),\n help2man\nDirectory: pool/main/h/hello\n" +
	"Checksums-Sha256:\n 1111111111111111111111111111111111111111111111111111111111111111 10 hello_2.10-3.dsc\n" +
	" 2222222222222222222222222222222222222222222222222222222222222222 20 hello_2.10.orig.tar.gz\n"

func readOne(text string) (*SourcePackage, error) {
	s, err := deb822.NewReader(strings.NewReader(text)).Next()
	if err != nil {
		return nil, err
	}
	return readSource(s, "debian")
}

func TestReadSource(t *testing.T) {
	p, err := readOne(sourceStanza)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "hello" || len(p.Files) != 2 || p.Files[0].Filename != "pool/main/h/hello/hello_2.10-3.dsc" || p.Files[1].Size != 20 || p.fields["Build-Depends"] != "debhelper-compat (= 13), help2man" {
		t.Errorf("%+v", p)
	}
	for want, text := range map[string]string{
		"leads elsewhere":  strings.Replace(sourceStanza, "hello_2.10-3.dsc", "../../x.dsc", 1),
		"leads elsewhere ": strings.Replace(sourceStanza, "pool/main/h/hello", "pool/../../x", 1),
		"no size":          strings.Replace(sourceStanza, " 10 ", " -1 ", 1),
		"digest":           strings.Replace(sourceStanza, "1111 10", "111 10", 1),
		"no .dsc":          strings.Replace(sourceStanza, ".dsc", ".xyz", 1),
		"is not":           strings.Replace(sourceStanza, " 10 ", " ", 1),
	} {
		if p, err := readOne(text); err == nil || want != "digest" && !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("want error with %q, got %+v, %v", want, p, err)
		}
	}
}

func FuzzReadSource(f *testing.F) {
	f.Add(sourceStanza)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readOne(text)
		if err != nil {
			return
		}
		for _, file := range p.Files {
			if strings.HasPrefix(file.Filename, "/") || strings.Contains("/"+file.Filename+"/", "/../") || file.Size < 0 {
				t.Errorf("%+v", file)
			}
		}
	})
}
