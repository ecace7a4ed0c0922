package debian_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mikelolasagasti/xz"

	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/deb822"
)

// TestAgainstApt asks apt what it would install on an empty system, and compares.
//
// The lists may differ where a dependency has alternatives that are both legal:
// apt takes the first one when it meets it, we wait until everything without
// alternative is chosen, so that what is chosen anyway can satisfy it. Such
// differences are listed with each case, with the reason.
func TestAgainstApt(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt is not installed: apt-get install apt")
	}
	real := readReal(t)
	apt := newApt(t, real)
	tests := []struct {
		name  string
		names []string
		// onlyApt and onlyWe are accepted differences, by package name.
		onlyApt, onlyWe []string
	}{
		{name: "base system"},
		{
			// podman needs netavark, and by way of golang-github-containers-common
			// any container-network-stack, which netavark is. apt looks at the latter
			// first and takes the provider that comes first in the alphabet as well.
			name: "server", names: []string{"openssh-server", "git", "vim", "python3", "podman"},
			onlyApt: []string{
				"containernetworking-plugins", "iptables", "libip4tc2", "libip6tc2", "libmnl0",
				"libnetfilter-conntrack3", "libnfnetlink0", "libnftnl11", "libxtables12",
			},
		},
		{name: "kernel", names: []string{"linux-image-amd64", "systemd-sysv", "network-manager", "build-essential"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := debian.Request{}
			for _, n := range tt.names {
				request.Packages = append(request.Packages, debian.Want{Name: n})
			}
			packages, err := real.universe.Resolve(request)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range packages {
				if !slices.Contains(tt.onlyWe, p.Name) {
					got = append(got, p.Name+" "+p.Version)
				}
			}
			want := slices.DeleteFunc(apt.install(t, tt.names), func(line string) bool {
				name, _, _ := strings.Cut(line, " ")
				return slices.Contains(tt.onlyApt, name)
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packages (-apt +we):\n%s", diff)
			}
		})
	}
}

// An apt is one with an empty system and the same indexes.
type apt struct {
	options []string
	base    []string // names of essential and required packages
}

func newApt(t *testing.T, real *realIndexes) *apt {
	t.Helper()
	dir := t.TempDir()
	a := &apt{}
	var sources strings.Builder
	for i, index := range real.revision.Indexes {
		text := readIndex(t, real, index)
		repository := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(repository, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(repository, "Packages"), text)
		fmt.Fprintf(&sources, "deb [trusted=yes] file:%s ./\n", repository)
		a.base = append(a.base, baseNames(t, text)...)
	}
	writeFile(t, filepath.Join(dir, "sources.list"), []byte(sources.String()))
	writeFile(t, filepath.Join(dir, "status"), nil)
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for option, value := range map[string]string{
		"Dir::Etc": "etc", "Dir::Etc::SourceList": "sources.list", "Dir::Etc::SourceParts": "etc/none", "Dir::Etc::Parts": "etc/none",
		"Dir::State": "state", "Dir::State::Status": "status", "Dir::Cache": "cache",
	} {
		a.options = append(a.options, "-o", option+"="+filepath.Join(dir, value))
	}
	a.options = append(a.options, "-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64", "-o", "APT::Sandbox::User=root",
		"-o", "Acquire::Languages=none", "-o", "APT::Install-Recommends=false", "-o", "Debug::NoLocking=true")
	a.run(t, "update")
	return a
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readIndex returns the text of an index.
func readIndex(t *testing.T, real *realIndexes, index debian.Index) []byte {
	t.Helper()
	f, err := real.fetcher.Fetch(t.Context(), debian.FetchRequest{
		Mirror: index.Archive, Paths: []string{index.Path}, SHA256: index.SHA256, Size: index.Size,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var plain io.Reader = f
	switch filepath.Ext(index.Path) {
	case ".gz":
		plain, err = gzip.NewReader(f)
	case ".xz":
		plain, err = xz.NewReader(f, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func baseNames(t *testing.T, text []byte) []string {
	t.Helper()
	var names []string
	reader := deb822.NewReader(bytes.NewReader(text))
	for {
		s, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if s.Value("Essential") == "yes" || s.Value("Priority") == "required" {
			names = append(names, s.Value("Package"))
		}
	}
}

func (a *apt) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "apt-get", append(slices.Clone(a.options), args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("apt-get %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// install returns "name version" of what apt would install, sorted.
func (a *apt) install(t *testing.T, names []string) []string {
	t.Helper()
	out := a.run(t, slices.Concat([]string{"--simulate", "install"}, a.base, names)...)
	var list []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "Inst" {
			list = append(list, words[1]+" "+strings.TrimPrefix(words[2], "("))
		}
	}
	slices.Sort(list)
	return list
}
