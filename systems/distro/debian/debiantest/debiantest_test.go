package debiantest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

func TestBuildIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"DEBIAN/control":    "Package: hello\nVersion: 2:1.0-1\nArchitecture: all\n",
		"DEBIAN/postinst":   "#!/bin/sh\n",
		"DEBIAN/links":      "usr/bin/hi hello\n",
		"usr/bin/hello":     "#!/bin/sh\necho hello\n",
		"usr/share/doc/x/y": "text",
	} {
		if err := writeFile(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var built [2][]byte
	for i := range built {
		p, err := ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.FileName(), "hello_1.0-1_all.deb"; got != want {
			t.Errorf("file name %q, want %q", got, want)
		}
		if built[i], err = p.Build(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Error("two builds of one package differ")
	}
}

func TestArchiveIsSigned(t *testing.T) {
	dir := t.TempDir()
	a := &Archive{Suite: "trixie", Architecture: "amd64", Date: time.Unix(1e9, 0),
		Packages: []*Package{{Control: "Package: a\nVersion: 1\nArchitecture: all\n"}}}
	if err := a.Write(dir); err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "dists/trixie/InRelease"))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := clearsign.Decode(signed)
	if block == nil || len(rest) != 0 {
		t.Fatalf("InRelease is not one signed text")
	}
	if !bytes.Contains(block.Plaintext, []byte("main/binary-amd64/Packages.xz")) {
		t.Errorf("Release names no Packages.xz:\n%s", block.Plaintext)
	}
}

func TestToolsTakeLibraries(t *testing.T) {
	p, err := Tools("amd64", []string{"sh", "cat"})
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]File{}
	for _, f := range p.Files {
		paths[f.Path] = f
	}
	for _, want := range []string{"usr/bin/sh", "usr/bin/cat", "lib64", "etc/passwd"} {
		if _, ok := paths[want]; !ok {
			t.Errorf("no %s among %d files", want, len(paths))
		}
	}
}
