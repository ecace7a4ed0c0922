package hostscan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostWith makes a Debian with files.
func hostWith(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"etc/os-release":      "ID=debian\nVERSION_CODENAME=trixie\n",
		"var/lib/dpkg/status": "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is not there is not missed, but for the database of packages.
func TestBare(t *testing.T) {
	dir := hostWith(t, nil)
	if h, err := Scan(dir); err != nil || h.Suite != "trixie" || len(h.Packages) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	if err := os.Remove(filepath.Join(dir, "var/lib/dpkg/status")); err != nil {
		t.Fatal(err)
	}
	if h, err := Scan(dir); err == nil {
		t.Errorf("without packages: %+v", h)
	}
}

// A link does not lead out of the machine, and a pipe is not waited for.
func TestLinksOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(outside, []byte("eve:x:1000:1000::/home/eve:/bin/bash\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := hostWith(t, nil)
	if err := os.Symlink(outside, filepath.Join(dir, "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if h, err := Scan(dir); err == nil {
		t.Errorf("read %+v", h.Users)
	}
}

// FuzzScan: whatever files say, names that come out can be declared.
func FuzzScan(f *testing.F) {
	f.Add("ada:x:1000:1000:Ada:/home/ada:/bin/bash\n", "ada:x:1000:\n", "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\n", "a=b")
	f.Fuzz(func(t *testing.T, passwd, group, status, release string) {
		dir := hostWith(t, map[string]string{
			"etc/passwd": passwd, "etc/group": group, "var/lib/dpkg/status": status, "etc/os-release": "ID=debian\nVERSION_CODENAME=trixie\n" + release,
			"etc/default/locale": release, "etc/hostname": passwd,
		})
		h, err := Scan(dir)
		if err != nil {
			return
		}
		for _, u := range h.Users {
			if !accountName().MatchString(u.Name) || u.UID < firstPerson || strings.ContainsAny(u.Description+u.Home+u.Shell, ":\n") {
				t.Errorf("user %+v", u)
			}
			for _, g := range u.Groups {
				if !accountName().MatchString(g) {
					t.Errorf("user %+v", u)
				}
			}
		}
		for _, g := range h.Groups {
			if !accountName().MatchString(g.Name) {
				t.Errorf("group %+v", g)
			}
		}
		for _, p := range h.Packages {
			if !packageName().MatchString(p) {
				t.Errorf("package %q", p)
			}
		}
	})
}
