//go:build soak

package debian_test

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/hostscan"
)

var soakRoots = flag.Int("roots", 10, "how many sets of packages to install, of trixie")

// maxRoot is the most packages of a set that is installed.
const maxRoot = 200

// TestSoakRoots installs random sets of packages: dpkg and apt find nothing wrong, every
// file is the one of its package, and a second build gives the same.
func TestSoakRoots(t *testing.T) {
	t.Logf("go on with -seed %d", *soakSeed)
	s := newChoices(t, "trixie")
	s.rng = rand.New(rand.NewPCG(*soakSeed, 2))
	for done := 0; done < *soakRoots; {
		request := debian.Request{Packages: []debian.Want{{Name: "apt"}}}
		for _, n := range s.names() {
			request.Packages = append(request.Packages, debian.Want{Name: n})
		}
		packages, err := s.real.universe.Resolve(request)
		if err != nil || len(packages) > maxRoot {
			continue
		}
		done++
		t.Run(fmt.Sprint(done), func(t *testing.T) {
			t.Logf("%d packages for %v", len(packages), request.Packages)
			root := buildRoot(t, packages)
			root.sound(t)
			if again := buildRoot(t, packages); again.tree != root.tree {
				t.Errorf("two builds differ:\n%s", difference(t, root, again))
			}
		})
	}
}

// differencesPage explains what is another way than mmdebstrap's.
const differencesPage = "../../../docs/debian-differences.md"

// TestSoakAgainstMmdebstrap installs one set twice, here and by mmdebstrap, with apt and
// dpkg. All that differs, in contents, owners, modes, capabilities or other extended
// attributes, is explained in docs/debian-differences.md.
func TestSoakAgainstMmdebstrap(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mmdebstrap needs root to give files to others")
	}
	explained := explanations(t)
	// mmdebstrap has adduser, where apt can do with base-passwd.
	wants := []string{"adduser", "dbus", "iputils-ping", "sudo", "systemd-sysv"}
	request := debian.Request{Packages: []debian.Want{{Name: "apt"}}}
	for _, n := range wants {
		request.Packages = append(request.Packages, debian.Want{Name: n})
	}
	real := readReal(t)
	packages, err := real.universe.Resolve(request)
	if err != nil {
		t.Fatal(err)
	}
	root := buildRoot(t, packages)
	root.sound(t)
	ours := make(map[string]string)
	err = tree.Walk(t.Context(), root.store, root.tree, func(name string, e tree.Entry) error {
		ours[name] = describe(e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs := mmdebstrap(t, real, wants)
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(union(ours, theirs))) {
		if ours[name] == theirs[name] {
			continue
		}
		pattern := ""
		for p, re := range explained {
			if re.MatchString("/" + name) {
				pattern = p
			}
		}
		used[pattern] = true
		if pattern == "" {
			t.Errorf("unexplained: /%s\n  ours   %s\n  theirs %s", name, ours[name], theirs[name])
		}
	}
	for p := range explained {
		if !used[p] {
			t.Errorf("%s explains %s, which does not differ", differencesPage, p)
		}
	}
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// describe writes what of an entry counts.
func describe(e tree.Entry) string {
	what := fmt.Sprintf("%s %04o %d:%d", e.Type, e.Mode, e.UID, e.GID)
	for _, x := range e.Xattrs {
		what += fmt.Sprintf(" %s=%x", x.Name, x.Value)
	}
	switch e.Type {
	case tree.File:
		what += " " + e.Digest.Hex()
	case tree.Link:
		what += " -> " + e.Target
	}
	return what
}

// mmdebstrap makes a root of the same packages and reads it.
func mmdebstrap(t *testing.T, real *realIndexes, wants []string) map[string]string {
	t.Helper()
	mirrors := debian.Mirrors(realSettings(), os.Getenv, "/")
	sources := fmt.Sprintf("deb %[1]s trixie main\ndeb %[1]s trixie-updates main\ndeb %[2]s trixie-security main\n",
		mirrors["debian"][0], mirrors["debian-security"][0])
	file := filepath.Join(t.TempDir(), "root.tar")
	cmd := exec.CommandContext(t.Context(), "mmdebstrap", "--mode=root", "--variant=minbase", "--include="+strings.Join(wants, ","), "trixie", file, "-")
	cmd.Stdin = strings.NewReader(sources)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	fromHost(t, file, wants)
	return readTar(t, file)
}

// fromHost has a first definition's facts read from the root that mmdebstrap made, where
// somebody has changed a file.
func fromHost(t *testing.T, file string, wants []string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "--exclude=./dev/*", "-xf", file).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	const changed = "/etc/pam.d/sudo"
	f, err := os.OpenFile(filepath.Join(dir, changed), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("# ours\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	host, err := hostscan.Scan(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range wants {
		if !slices.Contains(host.Packages, n) {
			t.Errorf("from the host: %s is not among the packages %v", n, host.Packages)
		}
	}
	if host.Suite != "trixie" || len(host.Files) != 1 || host.Files[0].Path != changed || host.Files[0].Package != "sudo" {
		t.Errorf("from the host: release %q, changed files %+v", host.Suite, host.Files)
	}
	t.Logf("from the host: packages %v, left out %q", host.Packages, host.Left)
}

func readTar(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]string{}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(path.Clean(h.Name), "/")
		if name == "." {
			name = ""
		}
		if h.Typeflag == tar.TypeLink {
			found[name] = found[path.Clean(h.Linkname)]
			continue
		}
		e := tree.Entry{Mode: uint32(h.Mode) & 0o7777, UID: uint32(h.Uid), GID: uint32(h.Gid)}
		for key, value := range h.PAXRecords {
			if x, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
				e.Xattrs = append(e.Xattrs, tree.Xattr{Name: x, Value: value})
			}
		}
		switch h.Typeflag {
		case tar.TypeDir:
			e.Type = tree.Dir
		case tar.TypeSymlink:
			e.Type, e.Mode, e.Target = tree.Link, 0o777, h.Linkname
		case tar.TypeReg:
			e.Type = tree.File
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			e.Digest = store.DigestOf(text)
		default:
			found[name] = fmt.Sprintf("type %c %04o", h.Typeflag, h.Mode)
			continue
		}
		found[name] = describe(e)
	}
}

// explanations reads the patterns of the page: the first cell of each row of its table of
// paths.
func explanations(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile(differencesPage)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(/[^`]*)`")
	found := map[string]*regexp.Regexp{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		pattern := regexp.QuoteMeta(m[1])
		pattern = strings.ReplaceAll(pattern, `\*\*`, `.*`)
		pattern = strings.ReplaceAll(pattern, `\*`, `[^/]*`)
		found[m[1]] = regexp.MustCompile("^" + pattern + "$")
	}
	return found
}
