package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sysc/internal/crashtest"
	"sysc/store/localstore"
	"sysc/systems/distro/debian/debiantest"
)

// TestTamperedArchive: whatever is wrong with an archive ends in exit code 5 and a message
// that says what, and nothing of it is kept.
func TestTamperedArchive(t *testing.T) {
	inRelease := func(change func(text string) string) func(*tampered) {
		return func(a *tampered) { a.edit("dists/trixie/InRelease", change) }
	}
	index := func(change func(text string) string) func(*tampered) {
		return func(a *tampered) { a.archive.Index = change }
	}
	replace := func(old, new string) func(string) string {
		return func(text string) string { return strings.ReplaceAll(text, old, new) }
	}
	for _, tt := range []struct {
		name   string
		change func(a *tampered)
		want   string
	}{
		{"InRelease changed", inRelease(replace("Origin: sysc", "Origin: evil")), "signature"},
		{"InRelease not signed", inRelease(func(text string) string {
			_, text, _ = strings.Cut(text, "\n\n")
			text, _, _ = strings.Cut(text, "-----BEGIN PGP SIGNATURE")
			return text
		}), "InRelease"},
		{"InRelease cut off", inRelease(func(text string) string { return text[:len(text)/2] }), "InRelease"},
		{"InRelease signed by another", (*tampered).signByAnother, "none of the trusted keys"},
		{"InRelease of the past", func(a *tampered) { a.archive.ValidUntil = a.archive.Date.Add(time.Hour) }, "expired at"},
		{"Packages changed", func(a *tampered) { a.everyIndex(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) }, "Packages"},
		{"Packages cut off", func(a *tampered) { a.everyIndex(func(b []byte) []byte { return b[:len(b)-4] }) }, "Packages"},
		{"Packages longer", func(a *tampered) { a.everyIndex(func(b []byte) []byte { return append(b, 0, 0, 0, 0) }) }, "Packages"},
		{"a file's name leads out", index(replace("Filename: pool", "Filename: ../../pool")), "leads elsewhere"},
		{"a file's name is absolute", index(replace("Filename: pool", "Filename: /pool")), "leads elsewhere"},
		{"no strong hash", index(replace("SHA256:", "MD5sum:")), "no SHA256"},
		{"a negative size", index(replace("Size: ", "Size: -")), "is no number"},
		{"a package's name leads out", index(replace("Package: evil", "Package: ../evil")), "../evil"},
		{"a smaller size", index(replace("Size: ", "Size: 1\nX: ")), "longer than 1 byte"},
		{"a larger size", index(replace("Size: ", "Size: 1")), "evil_1_all.deb"},
		{"package changed", func(a *tampered) { a.flip() }, "expected sha256:"},

		{"package: nothing", raw(nil), "no ar archive"},
		{"package: another file", raw([]byte("#!/bin/sh\n")), "no ar archive"},
		{"package: first member", deb("data.tar", "", "debian-binary", "2.0\n", "control.tar", ""), "debian-binary"},
		{"package: another format", deb("debian-binary", "3.0\n", "control.tar", "", "data.tar", ""), `format "3.0`},
		{"package: no data", deb("debian-binary", "2.0\n", "control.tar", control("evil")), "want control.tar and data.tar"},
		{"package: unknown suffix", deb("debian-binary", "2.0\n", "control.tar", control("evil"), "data.tar.lz4", ""), "want control.tar and data.tar"},
		{"package: unknown compression", data("\x04\x22\x4d\x18" + strings.Repeat("unknown", 500)), "data.tar"},
		{"package: damaged compression", data("\xfd7zXZ\x00" + strings.Repeat("\x00", 100)), "data.tar"},
		{"package: a name with a path", deb("debian-binary", "2.0\n", "../control", control("evil"), "data.tar", ""), "member name"},
		{"package: a size beyond the end", raw([]byte("!<arch>\n" + arHeader("debian-binary", "9999999999"))), "the archive ends before"},
		{"package: a negative size", raw([]byte("!<arch>\n" + arHeader("debian-binary", "-1"))), `size "-1"`},
		{"package: a damaged header", raw([]byte("!<arch>\n" + strings.Repeat("x", 60))), "damaged header"},
		{"package: many members", deb(strings.Split(strings.Repeat("_x,,", 100), ",")[:200]...), "more than"},

		{"control: leads out", controlTar(file("../../etc/cron.d/evil", "")), "leads upwards"},
		{"control: absolute", controlTar(file("/etc/cron.d/evil", "")), "absolute"},
		{"control: through a link", controlTar(link("a", "/etc"), file("a/evil", "")), "not a directory"},
		{"control: nothing", controlTar(), "control"},
		{"control: of another package", deb("debian-binary", "2.0\n", "control.tar", control("other"), "data.tar", tarOf()), `that of "other"`},
		{"control: no stanza", controlTar(file("control", "\x00\x01\n\n")), "control"},
		{"control: a device", controlTar(tar.Header{Name: "postinst", Typeflag: tar.TypeChar}), "a device"},

		{"data: leads out", dataTar(file("./../etc/evil", "")), "leads upwards"},
		{"data: absolute", dataTar(file("/etc/evil", "")), "absolute"},
		{"data: through a link", dataTar(link("./usr/x", "/etc"), file("./usr/x/evil", "")), "not a directory"},
		{"data: through a link upwards", dataTar(link("./usr/x", "../../../.."), file("./usr/x/etc/evil", "")), "not a directory"},
		{"data: hard link out", dataTar(tar.Header{Name: "./shadow", Typeflag: tar.TypeLink, Linkname: "../../etc/shadow"}), "leads upwards"},
		{"data: hard link through a link", dataTar(link("./etc", "/etc"), tar.Header{Name: "./shadow", Typeflag: tar.TypeLink, Linkname: "./etc/shadow"}), "hard link"},
		{"data: a file twice", dataTar(file("./x", "a"), file("./x", "b")), "occurs twice"},
		{"data: a device", dataTar(tar.Header{Name: "./sda", Typeflag: tar.TypeBlock, Devmajor: 8}), "a device"},
		{"data: a terabyte", data(bomb()), "the archive's files have more than"},
		{"data: a file longer than the archive", data(tarOf(file("./x", strings.Repeat("x", 5000)))[:3000]), "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newTampered(t)
			tt.change(a)
			a.refused(tt.want)
		})
	}
}

// A tampered is an archive that somebody has changed, and who relies on it.
type tampered struct {
	t       *testing.T
	dir     string
	archive *debiantest.Archive
	// edits are what happens to the archive's files after it was signed.
	edits []func()
}

// newTampered makes an archive with one package, "evil", which nothing is wrong with yet.
func newTampered(t *testing.T) *tampered {
	key, err := theKey("")
	if err != nil {
		t.Fatal(err)
	}
	return &tampered{t: t, dir: t.TempDir(), archive: &debiantest.Archive{
		Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0), Key: key,
		Packages: []*debiantest.Package{{Control: "Package: evil\nVersion: 1\nArchitecture: all\nDescription: evil\n"}},
	}}
}

func (a *tampered) path(name string) string { return filepath.Join(a.dir, "archive", name) }

// edit changes a file after the archive was signed.
func (a *tampered) edit(name string, change func(text string) string) {
	a.edits = append(a.edits, func() {
		a.t.Helper()
		text, err := os.ReadFile(a.path(name))
		if err != nil {
			a.t.Fatal(err)
		}
		a.write(name, []byte(change(string(text))))
	})
}

func (a *tampered) write(name string, content []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), content, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// everyIndex changes the indexes under all of their names.
func (a *tampered) everyIndex(change func([]byte) []byte) {
	a.edits = append(a.edits, func() {
		for _, pattern := range []string{"Packages*", "by-hash/SHA256/*"} {
			names, err := filepath.Glob(a.path("dists/trixie/main/binary-*/" + pattern))
			if err != nil || len(names) == 0 {
				a.t.Fatal(names, err)
			}
			for _, name := range names {
				content, err := os.ReadFile(name)
				if err == nil {
					err = os.WriteFile(name, change(content), 0o644)
				}
				if err != nil {
					a.t.Fatal(err)
				}
			}
		}
	})
}

// signByAnother signs the archive with a key that nobody trusts.
func (a *tampered) signByAnother() {
	ring, err := debiantest.ArmoredKey(a.archive.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.archive.Key, err = debiantest.NewKey(); err != nil {
		a.t.Fatal(err)
	}
	a.edits = append(a.edits, func() { a.write("keyring.asc", ring) })
}

// flip changes a bit of the package.
func (a *tampered) flip() {
	a.edit("pool/main/evil_1_all.deb", func(text string) string {
		b := []byte(text)
		b[len(b)/2] ^= 1
		return string(b)
	})
}

// refused locks and builds a system with the package, which has to fail.
func (a *tampered) refused(want string) {
	a.t.Helper()
	if err := a.archive.Write(filepath.Join(a.dir, "archive")); err != nil {
		a.t.Fatal(err)
	}
	for _, edit := range a.edits {
		edit()
	}
	const definition = `
input "debian" {
  type     = "debian"
  suites   = ["trixie"]
  security = false
  keyring  = "archive/keyring.asc"
}
system "machine" {
  base     = input.debian
  packages = ["evil"]
}
`
	if err := os.WriteFile(filepath.Join(a.dir, "main.sysc.hcl"), []byte(definition), 0o644); err != nil {
		a.t.Fatal(err)
	}
	code, out := a.sysc("lock")
	if code == exitOK {
		code, out = a.sysc("switch", "--root", filepath.Join(a.dir, "root"))
		a.nothingKept()
	} else if _, err := os.Stat(filepath.Join(a.dir, "sysc.lock")); err == nil {
		a.t.Error("sysc.lock was written")
	}
	if code != exitVerification {
		a.t.Errorf("exit code %d, want %d", code, exitVerification)
	}
	if !strings.Contains(out, want) {
		a.t.Errorf("no %q in the message:\n%s", want, out)
	}
}

func (a *tampered) sysc(args ...string) (code int, out string) {
	a.t.Helper()
	cmd := crashtest.Self(a.t, asSysc, args...)
	cmd.Dir = a.dir
	cmd.Env = append(cmd.Env, "SYSC_STORE="+filepath.Join(a.dir, "store"), "SYSC_DEBIAN_MIRROR=file://"+filepath.Join(a.dir, "archive"),
		"HOME="+a.dir, "NO_COLOR=1")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// nothingKept looks for objects other than the file that was asked for, and for a
// generation.
func (a *tampered) nothingKept() {
	a.t.Helper()
	st, err := localstore.Open(a.t.Context(), filepath.Join(a.dir, "store"), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	defer st.Close()
	paths, err := st.Objects(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, p := range paths {
		// That the control file is wrong is only seen when packages are put together.
		if name := p.Name(); name != "evil_1_all.deb" && !(name == "evil-1" && strings.Contains(a.t.Name(), "control:")) {
			a.t.Errorf("%s is kept", p)
		}
	}
	if _, err := os.Lstat(filepath.Join(a.dir, "root/sysc/generations/current")); err == nil {
		a.t.Error("there is a generation")
	}
}

// raw makes the package what is given.
func raw(content []byte) func(*tampered) {
	return func(a *tampered) { a.archive.Packages[0].Raw = append([]byte{}, content...) }
}

// deb makes the package one of members: names and contents.
func deb(members ...string) func(*tampered) {
	out := "!<arch>\n"
	for i := 0; i < len(members); i += 2 {
		out += arHeader(members[i], fmt.Sprint(len(members[i+1]))) + members[i+1]
		if len(out)%2 == 1 {
			out += "\n"
		}
	}
	return raw([]byte(out))
}

func arHeader(name, size string) string {
	return fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10s`\n", name, 0, 0, 0, "100644", size)
}

// data makes the package one whose data archive is given.
func data(text string) func(*tampered) {
	return deb("debian-binary", "2.0\n", "control.tar", control("evil"), "data.tar", text)
}

func dataTar(entries ...tar.Header) func(*tampered) { return data(tarOf(entries...)) }

func controlTar(entries ...tar.Header) func(*tampered) {
	return deb("debian-binary", "2.0\n", "control.tar", tarOf(entries...), "data.tar", tarOf())
}

func control(name string) string {
	return tarOf(file("./control", "Package: "+name+"\nVersion: 1\nArchitecture: all\n"))
}

// file and link are entries of an archive. The content of a file travels in Uname, which
// nothing here has a use for.
func file(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), Uname: content}
}

func link(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}
}

func tarOf(entries ...tar.Header) string {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range entries {
		content := h.Uname
		h.Uname = ""
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.String()
}

// bomb is an archive of one file that has a terabyte and of which only an end is there: a
// sparse file in GNU's format.
func bomb() string {
	const flagAt, offsetAt, sizeAt, sumAt, sumEnd, blockSize = 156, 386, 483, 148, 156, 512
	data := []byte(tarOf(tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatGNU}))
	data[flagAt] = tar.TypeGNUSparse
	copy(data[offsetAt:], fmt.Sprintf("%011o\x00%011o\x00", 0, 0))
	copy(data[sizeAt:], "\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00") // in base 256
	sum := 0
	for i, c := range data[:blockSize] {
		if i >= sumAt && i < sumEnd {
			c = ' '
		}
		sum += int(c)
	}
	copy(data[sumAt:], fmt.Sprintf("%06o\x00 ", sum))
	return string(data)
}
